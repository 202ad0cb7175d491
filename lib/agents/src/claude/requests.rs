//! What Claude Code asks of its client: permissions, questions, and what we can only refuse.

use schema::item::ToolKind;
use schema::request::{Action, Question, QuestionOption};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::dialect::Conversation;
use super::items::tool_of;
use super::wire;
use crate::dialect::{Asked, Decision, Effect, Key, Permit, RequestKey, asks_nothing};

/// The tool that asks the user.
const ASK: &str = "AskUserQuestion";

/// A request that waits for our answer.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) id: String,
    pub(super) call: String,
    tool: String,
    input: Value,
    suggestions: Vec<Value>,
}

impl Conversation {
    /// `control_request`; each gets an answer.
    pub(super) fn requested(
        &mut self,
        request: wire::ControlRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), serde_json::Error> {
        let subtype = request.request["subtype"].as_str().unwrap_or_default().to_owned();
        match subtype.as_str() {
            "can_use_tool" => {
                let wanted = wire::CanUseTool::deserialize(&request.request)
                    .and_then(|wanted| {
                        let asks = wanted.tool_name != ASK || !questions(&wanted.input).is_empty();
                        if asks { Ok(wanted) } else { Err(asks_nothing()) }
                    })
                    .inspect_err(|error| {
                        // An unanswered request would hang the turn for good.
                        effects.push(refuse(&request.request_id, &error.to_string()));
                    })?;
                self.can_use(request.request_id, wanted, effects);
            }
            // An MCP server asks its user; there is no form for it here.
            "elicitation" => effects.push(answer(&request.request_id, &json!({ "action": "decline" }))),
            _ => {
                effects.push(Effect::Unparsed {
                    error: format!("an unknown request `{subtype}`"),
                    location: "control_request".to_owned(),
                });
                effects.push(refuse(&request.request_id, "this client does not know the request"));
            }
        }
        Ok(())
    }

    fn can_use(&mut self, id: String, wanted: wire::CanUseTool, effects: &mut Vec<Effect>) {
        // A sub-agent's request comes before the message with its call.
        let parent = wanted.agent_id.as_ref().and_then(|agent| self.agents.get(agent)).copied();
        let call_id = wanted.tool_use_id.clone().unwrap_or_else(|| format!("request:{id}"));
        let title = wanted.display_name.clone();
        let call = self.call(&call_id, &wanted.tool_name, &wanted.input, title, parent, None, effects);
        let pending = Pending {
            id,
            call: call_id,
            tool: wanted.tool_name.clone(),
            input: wanted.input.clone(),
            suggestions: wanted.permission_suggestions.clone().unwrap_or_default(),
        };
        let key = self.request_key();
        self.asked.push(pending.call.clone());
        self.pending.insert(key, pending);
        if wanted.tool_name == ASK {
            let questions = questions(&wanted.input);
            effects.push(Effect::Question(Asked { key, call: Some(call), questions }));
            return;
        }
        let mut permit = self.permit(key, Some(call), &wanted.tool_name, &wanted.input);
        permit.title = wanted.description;
        let mut metadata = Map::new();
        for (name, value) in [("blocked_path", wanted.blocked_path), ("decision_reason", wanted.decision_reason)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.into());
            }
        }
        permit.metadata = (!metadata.is_empty()).then_some(Value::Object(metadata));
        effects.push(Effect::Permit(Box::new(permit)));
    }

    /// What a call wants, in the words that rules know.
    pub(super) fn permit(&self, key: RequestKey, call: Option<Key>, name: &str, input: &Value) -> Permit {
        let (kind, server, tool) = tool_of(name);
        let word = |field: &str| input[field].as_str().map(str::to_owned);
        let path = ["file_path", "notebook_path", "path"].iter().find_map(|field| word(field));
        let action = match kind {
            ToolKind::Command => Action::Command,
            ToolKind::Edit => Action::Edit,
            ToolKind::Read => Action::Read,
            ToolKind::Search => Action::Search,
            ToolKind::Fetch => Action::Fetch,
            ToolKind::Mcp => Action::Mcp,
            ToolKind::Plan if name == "ExitPlanMode" => Action::Plan,
            ToolKind::Plan if name == "EnterPlanMode" => Action::Mode,
            ToolKind::Plan | ToolKind::Agent | ToolKind::Question | ToolKind::Other => Action::Other,
        };
        Permit {
            key,
            call,
            action,
            tool: tool.to_owned(),
            title: None,
            command: (action == Action::Command).then(|| word("command")).flatten(),
            // What only reads is not asked about.
            reads_only: false,
            cwd: None,
            paths: match action {
                Action::Edit | Action::Read => path.map(|path| self.absolute(&path)).into_iter().collect(),
                // Without a path it searches where it stands.
                Action::Search => vec![self.absolute(&path.unwrap_or_default())],
                Action::Command | Action::Fetch | Action::Mcp | Action::Plan | Action::Mode | Action::Other => {
                    Vec::new()
                }
            },
            url: (action == Action::Fetch).then(|| word("url")).flatten(),
            server: server.map(str::to_owned),
            files: Vec::new(),
            input: Some(input.clone()),
            options: Vec::new(),
            metadata: None,
        }
    }

    /// A call that Claude Code refused by itself, by a rule of the user's or a mode.
    pub(super) fn denied(&mut self, denied: wire::PermissionDenied, effects: &mut Vec<Effect>) {
        if self.asked.contains(&denied.tool_use_id) {
            return;
        }
        let parent = denied.agent_id.as_ref().and_then(|agent| self.agents.get(agent)).copied();
        let input = self.arguments_of(&denied.tool_use_id);
        let call = self.call(&denied.tool_use_id, &denied.tool_name, &input, None, parent, None, effects);
        self.asked.push(denied.tool_use_id);
        let key = self.request_key();
        let permit = Box::new(self.permit(key, Some(call), &denied.tool_name, &input));
        effects.push(Effect::Denied { permit, message: denied.message });
    }

    /// The same, where only the turn's result tells it: the call has its result by then.
    pub(super) fn denied_late(&mut self, denial: &wire::Denial, effects: &mut Vec<Effect>) {
        if self.asked.contains(&denial.tool_use_id) {
            return;
        }
        self.asked.push(denial.tool_use_id.clone());
        let key = self.request_key();
        let permit = Box::new(self.permit(key, None, &denial.tool_name, &denial.tool_input));
        effects.push(Effect::Denied { permit, message: None });
    }

    /// A permission was decided.
    pub(super) fn decide(&mut self, key: RequestKey, decision: &Decision, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let response = match decision {
            // The input is mandatory: without it the tool fails.
            Decision::Accept { input } => {
                json!({ "behavior": "allow", "updatedInput": input.as_ref().unwrap_or(&pending.input) })
            }
            Decision::AcceptForSession => json!({
                "behavior": "allow", "updatedInput": pending.input, "updatedPermissions": self.grants(&pending),
            }),
            Decision::Reject { message, stop } => {
                let message = message.clone().unwrap_or_else(|| "The user does not allow this.".to_owned());
                json!({ "behavior": "deny", "message": message, "interrupt": stop })
            }
        };
        effects.push(answer(&pending.id, &response));
    }

    /// What is granted for the session: what Claude Code suggests, but only rules for this prefix or path, and never as a change of
    /// its modes or of files in the user's repository.
    fn grants(&self, pending: &Pending) -> Vec<Value> {
        let mut grants: Vec<Value> = pending
            .suggestions
            .iter()
            .filter(|grant| match grant["type"].as_str() {
                Some("addRules") => {
                    let rules = grant["rules"].as_array();
                    rules.is_some_and(|rules| rules.iter().all(|rule| rule["ruleContent"].is_string()))
                }
                Some("addDirectories") => {
                    let directories = grant["directories"].as_array();
                    directories.is_some_and(|directories| directories.iter().all(|path| *path == *self.job.cwd))
                }
                _ => false,
            })
            .cloned()
            .collect();
        for grant in &mut grants {
            grant["destination"] = json!("session");
        }
        let has_rule = grants.iter().any(|grant| grant["type"] == "addRules");
        if !has_rule
            && let Some(path) = ["file_path", "notebook_path"].iter().find_map(|name| pending.input[*name].as_str())
        {
            let tool = if pending.tool == "Read" { "Read" } else { "Edit" };
            // A path with one slash would be below the settings' folder.
            let rule = json!({ "toolName": tool, "ruleContent": format!("/{}", self.absolute(path)) });
            grants.push(json!({
                "type": "addRules", "rules": [rule], "behavior": "allow", "destination": "session",
            }));
        }
        grants
    }

    /// A question was answered.
    pub(super) fn answer_question(&mut self, key: RequestKey, answers: &[Vec<String>], effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let mut input = pending.input.clone();
        let mut given = Map::new();
        let asked = input["questions"].as_array().cloned().unwrap_or_default();
        for (question, answer) in asked.iter().zip(answers) {
            // Answers are found by the question's text; of two with the same text both get what was said to either.
            let text = question["question"].as_str().unwrap_or_default();
            let answer = answer.join(", ");
            match given.get_mut(text) {
                Some(Value::String(earlier)) if *earlier != answer => {
                    earlier.push_str(", ");
                    earlier.push_str(&answer);
                }
                Some(_) => {}
                None => {
                    given.insert(text.to_owned(), answer.into());
                }
            }
        }
        if let Some(input) = input.as_object_mut() {
            input.insert("answers".to_owned(), Value::Object(given));
        }
        effects.push(answer(&pending.id, &json!({ "behavior": "allow", "updatedInput": input })));
    }

    /// A question will not be answered.
    pub(super) fn refuse_question(&mut self, key: RequestKey, message: Option<&str>, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        if let Some(call) = self.calls.get_mut(&pending.call) {
            call.refused = true;
        }
        let message = message.unwrap_or("The user does not answer this.");
        effects.push(answer(&pending.id, &json!({ "behavior": "deny", "message": message })));
    }

    /// A request that nobody waits for any more.
    pub(super) fn withdraw(&mut self, which: impl Fn(&Pending) -> bool, effects: &mut Vec<Effect>) {
        let key = self.pending.iter().find(|(_, pending)| which(pending)).map(|(key, _)| *key);
        if let Some(key) = key {
            self.pending.remove(&key);
            effects.push(Effect::Withdrawn(key));
        }
    }

    fn absolute(&self, path: &str) -> String {
        let cwd = self.job.cwd.trim_end_matches('/');
        match path {
            "" => cwd.to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("{cwd}/{path}"),
        }
    }
}

/// All questions of an `AskUserQuestion`; any text is accepted as an answer.
fn questions(input: &Value) -> Vec<Question> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (1..)
        .zip(input["questions"].as_array().into_iter().flatten())
        .map(|(number, question)| Question {
            id: format!("q{number}"),
            header: text(&question["header"]),
            prompt: text(&question["question"]).unwrap_or_default(),
            options: question["options"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|option| QuestionOption {
                    label: text(&option["label"]).unwrap_or_default(),
                    description: text(&option["description"]),
                })
                .collect(),
            multi_select: question["multiSelect"] == true,
            custom: true,
            secret: false,
        })
        .collect()
}

fn answer(id: &str, response: &Value) -> Effect {
    let response = json!({ "subtype": "success", "request_id": id, "response": response });
    Effect::Say(json!({ "type": "control_response", "response": response }).to_string())
}

fn refuse(id: &str, error: &str) -> Effect {
    let response = json!({ "subtype": "error", "request_id": id, "error": error });
    Effect::Say(json!({ "type": "control_response", "response": response }).to_string())
}
