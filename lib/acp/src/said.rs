//! What we say: answers, requests, and everything that follows from an event, prompts' answers included.

use schema::event::{Body, ItemEvent, TurnEnded};
use schema::item::{ContentPart, StatusLabel};
use schema::outcome::{ErrorCode, Outcome};
use schema::request::{Action, PermissionRequested, QuestionEvent, ResolvedBy};
use serde_json::{Deserializer, Map, Value, json};

use crate::teller::{Teller, change, data};

pub(crate) const ACCEPT: &str = "accept";
pub(crate) const ACCEPT_FOR_SESSION: &str = "accept_for_session";
/// Before the label that is chosen, where a question is asked by way of a permission.
pub(crate) const LABEL: &str = "answer:";
/// Behind the id of a question: the field for a text of one's own.
pub(crate) const CUSTOM: &str = "_custom";

/// The answer to a request.
pub fn response(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The answer to a request that cannot be followed.
pub fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The same for a failure of ours.
pub fn failure(id: &Value, code: ErrorCode, message: &str, hint: Option<&str>) -> Value {
    let numbers = [
        (ErrorCode::Auth, -32000),
        (ErrorCode::NotFound, -32002),
        (ErrorCode::Usage, -32602),
        (ErrorCode::BadInput, -32602),
        (ErrorCode::ModelNotFound, -32602),
    ];
    let number = numbers.iter().find(|(known, _)| *known == code).map_or(-32603, |(_, number)| *number);
    let mut said = error(id, number, message);
    said["error"]["data"] = json!({ "code": code, "hint": hint });
    said
}

/// The answer to `initialize`. `attaches`: whether pictures may come with a prompt; `servers`: whether a session takes MCP servers.
pub fn initialized(version: &str, title: &str, attaches: bool, servers: bool) -> Value {
    json!({
        "protocolVersion": 1,
        "agentCapabilities": {
            "loadSession": true,
            "promptCapabilities": { "image": attaches, "audio": false, "embeddedContext": true },
            "mcpCapabilities": { "http": servers, "sse": servers },
            "sessionCapabilities": { "list": {}, "resume": {}, "close": {} },
        },
        "agentInfo": { "name": "sandbox-agent", "title": format!("{title} (sandbox-agent)"), "version": version },
        "authMethods": [],
    })
}

/// What can be chosen of one kind, and what is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The category of the option, and its id.
    pub category: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What is chosen, where that is known.
    pub current: Option<String>,
    /// Values and their names.
    pub values: Vec<(String, String)>,
}

/// The answer to `session/new`, `session/load` and `session/resume`.
pub fn session(session_id: &str, choices: &[Choice]) -> Value {
    let mut said = json!({ "sessionId": session_id, "configOptions": options(choices) });
    if let Some(modes) = choices.iter().find(|choice| choice.category == "mode") {
        let available = modes.values.iter().map(|(id, name)| json!({ "id": id, "name": name }));
        said["modes"] = json!({ "currentModeId": current(modes), "availableModes": available.collect::<Vec<_>>() });
    }
    said
}

/// The options of a session's configuration.
pub fn options(choices: &[Choice]) -> Value {
    let options = choices.iter().map(|choice| {
        let mut values: Vec<(&str, &str)> =
            choice.values.iter().map(|(value, name)| (value.as_str(), name.as_str())).collect();
        let current = current(choice);
        // What is chosen is one of the values, whatever the agent says.
        if !values.iter().any(|(value, _)| *value == current) {
            values.insert(0, (current, current));
        }
        let values = values.into_iter().map(|(value, name)| json!({ "value": value, "name": name }));
        json!({
            "id": choice.category, "category": choice.category, "name": choice.name, "type": "select",
            "currentValue": current, "options": values.collect::<Vec<_>>(),
        })
    });
    Value::Array(options.collect())
}

fn current(choice: &Choice) -> &str {
    let first = choice.values.first().map(|(value, _)| value.as_str());
    choice.current.as_deref().or(first.filter(|_| choice.category == "mode")).unwrap_or("default")
}

/// The answer to what was set.
pub fn agreed(choices: &[Choice]) -> Value {
    json!({ "configOptions": options(choices) })
}

/// What of a session's configuration an event says is another now: the options' categories and values.
pub fn changed(body: &Body) -> Vec<(&'static str, String)> {
    let Body::ItemCompleted(ItemEvent { item }) = body else { return Vec::new() };
    let parts = || item.content.iter().filter(|_| item.parent_id.is_none());
    let label = parts().find_map(|part| if let ContentPart::Status { label, .. } = part { Some(*label) } else { None });
    let json = parts().find_map(|part| if let ContentPart::Json { json } = part { Some(json) } else { None });
    let told: &[(&str, &str)] = match label {
        Some(StatusLabel::ModelChanged) => &[("model", "model"), ("thought_level", "effort")],
        Some(StatusLabel::ModeChanged) => &[("mode", "mode")],
        // (The rest of it an agent tells of itself as it begins: that is no change.)
        Some(StatusLabel::SessionInfo) => &[("permission_mode", "permission_mode")],
        _ => &[],
    };
    told.iter().filter_map(|(category, key)| Some((*category, json?[*key].as_str()?.to_owned()))).collect()
}

/// The options of a session's configuration once more, for a client that has not set them itself.
pub fn configured(session_id: &str, choices: &[Choice]) -> Value {
    let update = json!({ "sessionUpdate": "config_option_update", "configOptions": options(choices) });
    json!({ "jsonrpc": "2.0", "method": "session/update", "params": { "sessionId": session_id, "update": update } })
}

/// How the ids of a client's prompts begin.
pub fn own(link: &str) -> String {
    format!("acp:{link}:")
}

/// A prompt's id, which says whose it is and which request its answer belongs to. A client that comes back may number its
/// requests from 1 again: the last part makes it one of its own.
pub fn prompt_id(link: &str, id: &Value) -> String {
    format!("{}{id} {}", own(link), schema::ids::prompt())
}

/// The session and the request that an id of ours names.
pub fn request_of(id: &Value) -> Option<(&str, &str)> {
    id.as_str()?.split_once('/')
}

/// What became of the prompts that an event ends.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The id of the client's request.
    pub id: Value,
    /// Its answer.
    pub answer: Value,
}

/// What a client may be asked.
pub struct Asking<'a> {
    /// It shows forms.
    pub forms: bool,
    /// Whether a request is still open.
    pub is_open: &'a dyn Fn(&str) -> bool,
}

/// Says one session's events, in order, to one client.
#[derive(Debug)]
pub struct Voice {
    session_id: String,
    /// How the client's own prompts begin.
    own: String,
    teller: Teller,
}

impl Voice {
    /// A voice for a session of which nothing was said yet.
    pub fn new(session_id: &str, link: &str) -> Voice {
        Voice { session_id: session_id.to_owned(), own: own(link), teller: Teller::new() }
    }

    /// What is said of an event of the past: all of it is told, and nothing asked.
    pub fn recall(&mut self, body: &Body) -> Vec<Value> {
        self.teller.tell(&self.session_id, body)
    }

    /// What is said of an event. The client's own prompts it knows, and the end of a turn of theirs is told by their answers.
    pub fn say(&mut self, body: &Body, asking: &Asking<'_>) -> Vec<Value> {
        if let Body::ItemStarted(said) | Body::ItemCompleted(said) = body
            && said.item.prompt_id.as_deref().is_some_and(|id| id.starts_with(&self.own))
        {
            return Vec::new();
        }
        let answers: Vec<Value> = self.ends(body).into_iter().map(|end| end.answer).collect();
        let is_told = !answers.is_empty() && matches!(body, Body::TurnEnded(_));
        let mut messages = if is_told { Vec::new() } else { self.recall(body) };
        match body {
            Body::PermissionRequested(request) if (asking.is_open)(&request.permission_id) => {
                messages.push(permission(&self.session_id, request));
            }
            Body::QuestionRequested(question) if (asking.is_open)(&question.question_id) => {
                messages.extend(ask(&self.session_id, question, asking.forms));
            }
            Body::PermissionResolved(resolved) if resolved.resolved_by != ResolvedBy::Policy => {
                messages.push(self.withdrawn(&resolved.permission_id));
            }
            Body::QuestionResolved(resolved) => messages.push(self.withdrawn(&resolved.question_id)),
            Body::PermissionRequested(_)
            | Body::QuestionRequested(_)
            | Body::PermissionResolved(_)
            | Body::SessionStarted(_)
            | Body::SessionEnded(_)
            | Body::TurnStarted(_)
            | Body::TurnEnded(_)
            | Body::ItemStarted(_)
            | Body::ItemDelta(_)
            | Body::ItemCompleted(_)
            | Body::Error(_)
            | Body::AgentUnparsed(_) => {}
        }
        messages.extend(answers);
        messages
    }

    /// The answers to the client's prompts that follow from an event.
    pub fn ends(&self, body: &Body) -> Vec<End> {
        let own = |id: &str| Deserializer::from_str(id.strip_prefix(&self.own)?).into_iter::<Value>().next()?.ok();
        match body {
            Body::TurnEnded(ended) => {
                let ids = ended.prompt_ids.iter().filter_map(|id| own(id));
                ids.map(|id| End { answer: turn(&id, ended, data(body)), id }).collect()
            }
            Body::Error(told) if told.code == ErrorCode::NotDelivered => {
                let ids = told.details.as_ref().and_then(|details| details["prompt_ids"].as_array());
                let ids = ids.into_iter().flatten().filter_map(|id| own(id.as_str()?));
                ids.map(|id| End { answer: failure(&id, told.code, &told.message, None), id }).collect()
            }
            Body::Error(_)
            | Body::PermissionRequested(_)
            | Body::QuestionRequested(_)
            | Body::PermissionResolved(_)
            | Body::QuestionResolved(_)
            | Body::SessionStarted(_)
            | Body::SessionEnded(_)
            | Body::TurnStarted(_)
            | Body::ItemStarted(_)
            | Body::ItemDelta(_)
            | Body::ItemCompleted(_)
            | Body::AgentUnparsed(_) => Vec::new(),
        }
    }

    fn withdrawn(&self, request_id: &str) -> Value {
        let params = json!({ "requestId": format!("{}/{request_id}", self.session_id) });
        json!({ "jsonrpc": "2.0", "method": "$/cancel_request", "params": params })
    }
}

/// The answer to a prompt whose turn has ended; with it comes all that the turn's end says.
fn turn(id: &Value, ended: &TurnEnded, meta: Map<String, Value>) -> Value {
    let code = ended.error.as_ref().map(|error| error.code);
    let reason = match (ended.outcome, code) {
        (Outcome::Ok | Outcome::Denied | Outcome::InputNeeded, _) => "end_turn",
        (Outcome::Cancelled, _) => "cancelled",
        (Outcome::Limit, Some(ErrorCode::MaxTokens)) => "max_tokens",
        (Outcome::Limit, Some(ErrorCode::MaxTurns)) => "max_turn_requests",
        (Outcome::Limit, Some(ErrorCode::Refusal)) => "refusal",
        (Outcome::Limit | Outcome::Failed | Outcome::Auth | Outcome::Retry | Outcome::Timeout, _) => {
            let message = ended.error.as_ref().map_or("the turn failed", |error| error.message.as_str());
            let mut said = failure(id, code.unwrap_or(ErrorCode::Other), message, None);
            for (name, value) in meta {
                said["error"]["data"][name] = value;
            }
            return said;
        }
    };
    let mut result = json!({ "stopReason": reason });
    if let Some(usage) = &ended.usage {
        result["usage"] = json!({
            "inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens, "totalTokens": usage.total_tokens,
            "cachedReadTokens": usage.cached_input_tokens, "cachedWriteTokens": usage.cache_write_tokens,
            "thoughtTokens": usage.reasoning_tokens,
        });
    }
    result["_meta"] = json!({ "sandbox-agent": meta });
    response(id, result)
}

fn permission(session_id: &str, request: &PermissionRequested) -> Value {
    let kind = match request.action {
        Action::Command => "execute",
        Action::Edit => "edit",
        Action::Read => "read",
        Action::Search => "search",
        Action::Fetch => "fetch",
        Action::Plan | Action::Mode => "switch_mode",
        Action::Mcp | Action::Other => "other",
    };
    let title = request.command.as_ref().or(request.title.as_ref()).unwrap_or(&request.tool);
    let mut call = json!({
        "toolCallId": request.tool_call_item_id.as_ref().unwrap_or(&request.permission_id),
        "title": title, "name": request.tool, "kind": kind, "status": "pending",
    });
    if let Some(input) = &request.input {
        call["rawInput"] = input.clone();
    }
    if let Some(paths) = &request.paths {
        call["locations"] = paths.iter().map(|path| json!({ "path": path })).collect();
    }
    let changes = request.files.iter().flatten().filter_map(|part| match part {
        ContentPart::FileRef { path, action, diff: Some(diff), .. } => Some(change(path, *action, diff)),
        ContentPart::FileRef { .. }
        | ContentPart::Text { .. }
        | ContentPart::Json { .. }
        | ContentPart::ToolCall { .. }
        | ContentPart::ToolResult { .. }
        | ContentPart::Image { .. }
        | ContentPart::Reasoning { .. }
        | ContentPart::Status { .. } => None,
    });
    let changes: Vec<Value> = changes.collect();
    if !changes.is_empty() {
        call["content"] = json!(changes);
    }
    let options = [
        (ACCEPT, "Allow", "allow_once"),
        (ACCEPT_FOR_SESSION, "Allow for this session", "allow_always"),
        ("reject", "Reject", "reject_once"),
    ];
    let options = options.map(|(id, name, kind)| json!({ "optionId": id, "name": name, "kind": kind }));
    decide(session_id, &request.permission_id, &call, &json!(options))
}

fn decide(session_id: &str, request_id: &str, call: &Value, options: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": format!("{session_id}/{request_id}"), "method": "session/request_permission",
        "params": {
            "sessionId": session_id, "toolCall": call, "options": options,
            "_meta": { "sandbox-agent": { "request_id": request_id } },
        },
    })
}

/// A question as a form, or, for a client without forms, one with fixed choices as a permission. What cannot be asked
/// so is told by its event alone.
fn ask(session_id: &str, question: &QuestionEvent, forms: bool) -> Option<Value> {
    let request_id = &question.question_id;
    if !forms {
        let [only] = question.questions.as_slice() else { return None };
        if only.options.is_empty() || only.multi_select {
            return None;
        }
        let call = question.tool_call_item_id.as_ref().unwrap_or(request_id);
        let call = json!({ "toolCallId": call, "title": only.prompt, "kind": "other", "status": "pending" });
        let mut options: Vec<Value> = only
            .options
            .iter()
            .map(|option| {
                let id = format!("{LABEL}{}", option.label);
                json!({ "optionId": id, "name": option.label, "kind": "allow_once" })
            })
            .collect();
        options.push(json!({ "optionId": "reject", "name": "No answer", "kind": "reject_once" }));
        return Some(decide(session_id, request_id, &call, &json!(options)));
    }
    let mut fields = json!({});
    let mut required = Vec::new();
    for asked in &question.questions {
        let choices = asked.options.iter().map(|option| {
            let description = option.description.as_ref();
            let title = description.map_or_else(|| option.label.clone(), |more| format!("{}: {more}", option.label));
            json!({ "const": option.label, "title": title })
        });
        let choices: Vec<Value> = choices.collect();
        let title = asked.header.as_ref().unwrap_or(&asked.prompt);
        let mut field = json!({ "type": "string", "title": title, "description": asked.prompt });
        if asked.multi_select {
            field["type"] = json!("array");
            field["items"] = json!({ "anyOf": choices });
        } else if !choices.is_empty() {
            field["oneOf"] = json!(choices);
        }
        if asked.secret {
            field["_meta"] = json!({ "sandbox-agent": { "secret": true } });
        }
        fields[&asked.id] = field;
        if asked.custom && !asked.options.is_empty() {
            let title = format!("{title}: other");
            fields[format!("{}{CUSTOM}", asked.id)] =
                json!({ "type": "string", "title": title, "description": "an answer of your own" });
        } else {
            required.push(json!(asked.id));
        }
    }
    Some(json!({
        "jsonrpc": "2.0", "id": format!("{session_id}/{request_id}"), "method": "elicitation/create",
        "params": {
            "sessionId": session_id, "toolCallId": question.tool_call_item_id, "mode": "form",
            "message": question.prompt,
            "requestedSchema": { "type": "object", "properties": fields, "required": required },
        },
    }))
}

/// Whether a question can be put to a client at all.
pub fn can_ask(question: &QuestionEvent, forms: bool) -> bool {
    ask("", question, forms).is_some()
}
