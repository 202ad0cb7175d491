//! What an agent asks of its client: leave for a tool, answers to a form, and what we do not offer.

use schema::item::{ContentPart, ItemKind, ItemStatus, Role, ToolKind};
use schema::request::{PermissionOption, Question, QuestionOption};
use serde_json::{Map, Value, json};

use super::dialect::Conversation;
use super::wire::{self, list, text};
use crate::dialect::{Asked, Decision, Effect, Finish, Key, Permit, RequestKey, Start};
use crate::jsonrpc;

/// What is answered to a request, by what became of it.
pub(crate) type Answer = Box<dyn Fn(&Reply<'_>) -> Value + Send>;

/// A request of the agent's that waits for us.
pub(crate) struct Pending {
    /// The agent's id of it.
    pub(super) id: Value,
    /// The call that it is to be allowed for.
    pub(super) call: Option<String>,
    /// The call of a question that we made, because the agent named none.
    pub(super) made: Option<(Key, String)>,
    /// What is answered.
    pub(super) reply: Answer,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// A permission was decided.
    Decided(&'a Decision),
    /// A question was answered.
    Answered(&'a [Vec<String>]),
    /// A question will not be answered.
    Refused,
    /// Nobody decides it any more.
    Cancelled,
}

impl Conversation {
    /// A request. Returns whether it is one that we know.
    pub(super) fn requested(&mut self, method: &str, id: &Value, params: &Value, effects: &mut Vec<Effect>) -> bool {
        match method {
            "session/request_permission" => self.permission(id, params, effects),
            "elicitation/create" if params["mode"] != "url" => self.form(id, params, effects),
            "elicitation/create" => self.say(&jsonrpc::answer(id, &json!({ "action": "decline" })), effects),
            // Not offered: an agent that asks all the same is told so, and does it by itself.
            _ if method.starts_with("fs/") || method.starts_with("terminal/") => {
                let refusal = jsonrpc::refuse(id, -32601, "this client offers neither files nor terminals");
                self.say(&refusal, effects);
            }
            _ if wire::is_ignored(method, "") => self.say(&jsonrpc::answer(id, &json!({})), effects),
            _ => {
                let refusal = jsonrpc::refuse(id, -32601, "this client does not know the method");
                self.say(&refusal, effects);
                return wire::REFUSED.iter().any(|(known, _)| *known == method);
            }
        }
        true
    }

    fn permission(&mut self, id: &Value, params: &Value, effects: &mut Vec<Effect>) {
        let options = wire::options(params);
        let mut call = Some(&params["toolCall"]).filter(|call| call.is_object()).cloned().unwrap_or_else(|| json!({}));
        if text(&call, "toolCallId").is_none() {
            call["toolCallId"] = json!(format!("request-{id}"));
        }
        let offered = options.clone();
        let reply = move |reply: &Reply<'_>| match reply {
            Reply::Decided(decision) => wire::outcome(&offered, decision),
            Reply::Answered(_) | Reply::Refused | Reply::Cancelled => wire::cancelled(),
        };
        self.permit(id, &call, options, Box::new(reply), effects);
    }

    /// Asks for leave to make a call, which this may be the first to tell of.
    pub(crate) fn permit(
        &mut self,
        id: &Value,
        call: &Value,
        options: Vec<PermissionOption>,
        reply: Answer,
        effects: &mut Vec<Effect>,
    ) {
        self.close_text(ItemStatus::Completed, effects);
        let Some(named) = self.tool(call, true, effects) else { return };
        let key = self.request_key();
        let Some(mut tool) = self.tools.remove(&named) else { return };
        tool.tell(effects);
        let command = tool.command();
        effects.push(Effect::Permit(Box::new(Permit {
            key,
            call: Some(tool.call),
            action: wire::action(tool.kind),
            tool: tool.name.clone(),
            title: tool.title.clone(),
            reads_only: false,
            cwd: command.as_ref().map(|_| text(&tool.input, "cwd").unwrap_or(&self.job.cwd).to_owned()),
            paths: if command.is_some() { Vec::new() } else { self.paths(&tool) },
            command,
            url: text(&tool.input, "url").map(str::to_owned),
            server: wire::server(&tool.name),
            files: self.files(&tool),
            input: (!tool.input.is_null()).then(|| tool.input.clone()),
            options,
            metadata: None,
        })));
        self.tools.insert(named.clone(), tool);
        self.pending.insert(key, Pending { id: id.clone(), call: Some(named), made: None, reply });
    }

    fn form(&mut self, id: &Value, params: &Value, effects: &mut Vec<Effect>) {
        let fields = fields(&params["requestedSchema"], text(params, "message").unwrap_or_default());
        let mut questions: Vec<Question> = fields.iter().map(|field| field.question.clone()).collect();
        if questions.is_empty() {
            // A form without fields asks only whether.
            questions.push(Question {
                id: "accept".to_owned(),
                header: None,
                prompt: text(params, "message").unwrap_or_default().to_owned(),
                options: vec![QuestionOption { label: "accept".to_owned(), description: None }],
                multi_select: false,
                custom: false,
                secret: false,
            });
        }
        let reply = move |reply: &Reply<'_>| match reply {
            Reply::Answered(answers) => json!({ "action": "accept", "content": content(&fields, answers) }),
            Reply::Refused | Reply::Decided(_) => json!({ "action": "decline" }),
            Reply::Cancelled => json!({ "action": "cancel" }),
        };
        self.question(id, text(params, "toolCallId"), questions, Box::new(reply), effects);
    }

    /// Asks: below the call that the agent names, or one that we make.
    pub(crate) fn question(
        &mut self,
        id: &Value,
        call: Option<&str>,
        questions: Vec<Question>,
        reply: Answer,
        effects: &mut Vec<Effect>,
    ) {
        self.close_text(ItemStatus::Completed, effects);
        let named = call.and_then(|call| self.tools.get_mut(call)).map(|tool| {
            tool.kind = ToolKind::Question;
            tool.tell(effects);
            tool.call
        });
        let made = if named.is_none() { Some(self.made_call(call, &questions, effects)) } else { None };
        let key = self.request_key();
        effects.push(Effect::Question(Asked { key, call: named.or(made.as_ref().map(|(key, _)| *key)), questions }));
        self.pending.insert(key, Pending { id: id.clone(), call: None, made, reply });
    }

    fn made_call(&mut self, call: Option<&str>, questions: &[Question], effects: &mut Vec<Effect>) -> (Key, String) {
        let key = self.key();
        let call_id = call.map_or_else(|| format!("question-{}", key.0), str::to_owned);
        let prompts: Vec<&str> = questions.iter().map(|question| question.prompt.as_str()).collect();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: None,
            group: None,
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![ContentPart::ToolCall {
                name: "question".to_owned(),
                title: prompts.first().map(|prompt| (*prompt).to_owned()),
                kind: ToolKind::Question,
                server: None,
                arguments: json!({ "questions": prompts }).to_string(),
                call_id: call_id.clone(),
            }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
        (key, call_id)
    }

    /// A request was decided, answered or given up.
    pub(super) fn reply(&mut self, key: RequestKey, reply: &Reply<'_>, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let answer = (pending.reply)(reply);
        if let (Some(tool), Reply::Decided(Decision::Reject { .. })) =
            (pending.call.and_then(|call| self.tools.get_mut(&call)), reply)
        {
            tool.refused = true;
        }
        if let (Some((call, call_id)), Reply::Answered(answers)) = (pending.made, reply) {
            let output: Vec<String> = answers.iter().map(|answer| answer.join(", ")).collect();
            let result = self.key();
            let part =
                ContentPart::ToolResult { call_id, output: output.join("\n"), exit_code: None, duration_ms: None };
            effects.push(Effect::Start(Start {
                key: result,
                native: None,
                parent: Some(call),
                group: None,
                kind: ItemKind::ToolResult,
                role: Some(Role::Tool),
                content: vec![part],
            }));
            effects.push(Effect::Finish(Finish { key: result, status: ItemStatus::Completed, content: None }));
        }
        self.say(&jsonrpc::answer(&pending.id, &answer), effects);
        if let Reply::Decided(Decision::Reject { stop: true, .. }) = reply {
            self.cancel(effects);
        }
    }
}

/// A field of a form, and how an answer is written into it.
struct Field {
    name: String,
    question: Question,
    /// Values by label, where they differ from it.
    values: Vec<(String, Value)>,
    /// The field for an answer in one's own words.
    custom: Option<String>,
    kind: String,
}

/// The fields of a form: a JSON Schema of one flat object.
fn fields(schema: &Value, message: &str) -> Vec<Field> {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let is_companion = |name: &str| name.strip_suffix("_custom").is_some_and(|other| properties.contains_key(other));
    properties
        .iter()
        .filter(|(name, _)| !is_companion(name))
        .map(|(name, property)| {
            let kind = text(property, "type").unwrap_or("string").to_owned();
            let several = kind == "array";
            let source = if several { &property["items"] } else { property };
            let choices = ["oneOf", "anyOf"].iter().flat_map(|key| list(source, key));
            let mut options: Vec<(QuestionOption, Value)> = choices
                .map(|choice| {
                    let value = choice["const"].clone();
                    let label = text(choice, "title").or(value.as_str()).unwrap_or_default().to_owned();
                    let description = text(choice, "description").map(str::to_owned);
                    (QuestionOption { label, description }, value)
                })
                .collect();
            let titles = list(source, "enumNames");
            for (at, value) in list(source, "enum").iter().enumerate() {
                let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let label = titles.get(at).and_then(Value::as_str).map_or(plain, str::to_owned);
                options.push((QuestionOption { label, description: None }, value.clone()));
            }
            if kind == "boolean" && options.is_empty() {
                for (label, value) in [("Yes", true), ("No", false)] {
                    options.push((QuestionOption { label: label.to_owned(), description: None }, json!(value)));
                }
            }
            let custom = Some(format!("{name}_custom")).filter(|custom| properties.contains_key(custom));
            let title = text(property, "title").map(str::to_owned);
            let described = text(property, "description").filter(|_| properties.len() > 1);
            let prompt = described.unwrap_or(if message.is_empty() { name } else { message }).to_owned();
            let question = Question {
                id: name.clone(),
                header: title,
                prompt,
                options: options.iter().map(|(option, _)| option.clone()).collect(),
                multi_select: several,
                custom: custom.is_some() || options.is_empty(),
                secret: text(property, "format") == Some("password"),
            };
            let values = options.into_iter().map(|(option, value)| (option.label, value)).collect();
            Field { name: name.clone(), question, values, custom, kind }
        })
        .collect()
}

fn content(fields: &[Field], answers: &[Vec<String>]) -> Value {
    let mut content = Map::new();
    for (field, given) in fields.iter().zip(answers) {
        let mut values = Vec::new();
        for word in given {
            match (field.values.iter().find(|(label, _)| label == word), &field.custom) {
                (Some((_, value)), _) => values.push(value.clone()),
                (None, Some(custom)) => drop(content.insert(custom.clone(), json!(word))),
                (None, None) => values.push(match field.kind.as_str() {
                    "integer" | "number" => serde_json::from_str(word).unwrap_or_else(|_| json!(word)),
                    _ => json!(word),
                }),
            }
        }
        if field.kind == "array" {
            content.insert(field.name.clone(), Value::Array(values));
        } else if let Some(value) = values.into_iter().next() {
            content.insert(field.name.clone(), value);
        }
    }
    Value::Object(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_a_list_of_questions_and_back() {
        let schema = json!({ "type": "object", "properties": {
            "q": { "type": "string", "title": "Colour", "oneOf": [{ "const": "r", "title": "Red" }, { "const": "b", "title": "Blue" }] },
            "q_custom": { "type": "string", "title": "Other" },
            "n": { "type": "integer", "description": "How many?" },
            "s": { "type": "array", "items": { "enum": ["x", "y"] } },
            "ok": { "type": "boolean" },
        }});
        let fields = fields(&schema, "Which?");
        let by_name = |name: &str| fields.iter().position(|field| field.name == name).unwrap();
        assert_eq!(fields.len(), 4);
        let colour = &fields[by_name("q")].question;
        assert_eq!((colour.prompt.as_str(), colour.custom, colour.options.len()), ("Which?", true, 2));
        let mut answers = vec![Vec::new(); 4];
        answers[by_name("q")] = vec!["Blue".to_owned()];
        answers[by_name("n")] = vec!["3".to_owned()];
        answers[by_name("s")] = vec!["x".to_owned(), "y".to_owned()];
        answers[by_name("ok")] = vec!["No".to_owned()];
        assert_eq!(content(&fields, &answers), json!({ "q": "b", "n": 3, "s": ["x", "y"], "ok": false }));
        answers[by_name("q")] = vec!["my own".to_owned()];
        assert_eq!(content(&fields, &answers)["q_custom"], "my own");
    }
}
