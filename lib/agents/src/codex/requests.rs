//! What Codex asks of its client: approvals, questions, and what we can only refuse.

use schema::item::{ItemStatus, ToolKind};
use schema::request::{Action, Question, QuestionOption};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::{diff, wire};
use crate::dialect::{Asked, Decision, Effect, Permit, RequestKey, asks_nothing};
use crate::jsonrpc::{answer, refuse};
use crate::shell::unwrapped;

/// A request that waits for our answer.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    id: Value,
    form: Form,
}

/// How the answer is written.
#[derive(Debug, Clone)]
enum Form {
    /// A command or a patch: `decision`. The command's item, to say that it runs.
    Approval(Option<String>),
    /// An elicitation that is a permission: `action`.
    Elicitation,
    /// Wider permissions, which are handed back as they were asked for.
    Permissions(Value),
    /// `request_user_input`: answers by the question's id, and the item that we made for it.
    Input { item: String, questions: Vec<String> },
    /// An MCP server's form: its fields.
    Fields(Vec<(String, Value)>),
}

impl Conversation {
    /// A request of the server; each gets an answer.
    pub(super) fn requested(
        &mut self,
        method: &str,
        id: &Value,
        params: &RawValue,
        effects: &mut Vec<Effect>,
    ) -> Result<(), serde_json::Error> {
        let params = params.get();
        match method {
            "item/commandExecution/requestApproval" => {
                self.command_approval(id, serde_json::from_str(params)?, effects)
            }
            "item/fileChange/requestApproval" => self.patch_approval(id, serde_json::from_str(params)?, effects),
            "item/permissions/requestApproval" => self.wider(id, serde_json::from_str(params)?, effects),
            "mcpServer/elicitation/request" => self.elicited(id, serde_json::from_str(params)?, effects),
            "item/tool/requestUserInput" => {
                let wanted: wire::UserInput = serde_json::from_str(params)?;
                if wanted.questions.is_empty() {
                    return Err(asks_nothing());
                }
                self.user_input(id, wanted, effects);
            }
            // Tools that a client brings: we bring none.
            "item/tool/call" => {
                let text = "this client has no tools of its own";
                let result = json!({ "contentItems": [{ "type": "inputText", "text": text }], "success": false });
                effects.push(Effect::Say(answer(id, &result)));
            }
            "account/chatgptAuthTokens/refresh" | "attestation/generate" | "currentTime/read" => {
                effects.push(Effect::Say(refuse(id, -32601, "this client does not do that")));
            }
            _ => {
                effects.push(Effect::Unparsed { error: "an unknown request".to_owned(), location: method.to_owned() });
                effects.push(Effect::Say(refuse(id, -32601, "this client does not know the method")));
            }
        }
        Ok(())
    }

    /// The server no longer waits for an answer.
    pub(super) fn withdrawn(&mut self, params: &Value, effects: &mut Vec<Effect>) {
        let id = &params["requestId"];
        let key = self.pending.iter().find(|(_, pending)| pending.id == *id).map(|(key, _)| *key);
        if let Some(key) = key {
            self.pending.remove(&key);
            effects.push(Effect::Withdrawn(key));
        }
    }

    /// A permission was decided.
    pub(super) fn decide(&mut self, key: RequestKey, decision: &Decision, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let result = match (&pending.form, decision) {
            (Form::Approval(_), Decision::Accept { .. }) => json!({ "decision": "accept" }),
            (Form::Approval(_), Decision::AcceptForSession) => json!({ "decision": "acceptForSession" }),
            (Form::Approval(_), Decision::Reject { stop: false, .. }) => json!({ "decision": "decline" }),
            (Form::Approval(_), Decision::Reject { stop: true, .. }) => json!({ "decision": "cancel" }),
            (Form::Permissions(asked), Decision::Accept { .. }) => json!({ "permissions": asked, "scope": "turn" }),
            (Form::Permissions(asked), Decision::AcceptForSession) => {
                json!({ "permissions": asked, "scope": "session" })
            }
            (Form::Permissions(_), Decision::Reject { .. }) => json!({ "permissions": {} }),
            (
                Form::Elicitation | Form::Input { .. } | Form::Fields(_),
                Decision::Accept { .. } | Decision::AcceptForSession,
            ) => json!({ "action": "accept", "content": {}, "_meta": null }),
            (Form::Elicitation | Form::Input { .. } | Form::Fields(_), Decision::Reject { stop, .. }) => {
                json!({ "action": if *stop { "cancel" } else { "decline" }, "content": null, "_meta": null })
            }
        };
        effects.push(Effect::Say(answer(&pending.id, &result)));
        if let (Form::Approval(Some(item)), Decision::Accept { .. } | Decision::AcceptForSession) =
            (&pending.form, decision)
        {
            self.begin_result(item, effects);
        }
    }

    /// A question was answered.
    pub(super) fn answer_question(&mut self, key: RequestKey, answers: &[Vec<String>], effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        match pending.form {
            Form::Input { item, questions } => {
                let given: serde_json::Map<String, Value> = questions
                    .iter()
                    .zip(answers)
                    .map(|(question, given)| (question.clone(), json!({ "answers": given })))
                    .collect();
                effects.push(Effect::Say(answer(&pending.id, &json!({ "answers": given }))));
                let output = answers.iter().map(|given| given.join(", ")).collect::<Vec<_>>().join("\n");
                self.result_item(&item, ItemStatus::Completed, output, None, None, Vec::new(), effects);
            }
            Form::Fields(fields) => {
                let content: serde_json::Map<String, Value> = fields
                    .iter()
                    .zip(answers)
                    .filter_map(|((name, schema), given)| Some((name.clone(), typed(schema, given)?)))
                    .collect();
                let result = json!({ "action": "accept", "content": content, "_meta": null });
                effects.push(Effect::Say(answer(&pending.id, &result)));
            }
            Form::Approval(_) | Form::Elicitation | Form::Permissions(_) => {
                let result = json!({ "action": "accept", "content": {}, "_meta": null });
                effects.push(Effect::Say(answer(&pending.id, &result)));
            }
        }
    }

    /// A question will not be answered.
    pub(super) fn refuse_question(&mut self, key: RequestKey, message: Option<&str>, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let result = match &pending.form {
            Form::Input { .. } => json!({ "answers": {} }),
            Form::Fields(_) | Form::Approval(_) | Form::Elicitation | Form::Permissions(_) => {
                json!({ "action": "decline", "content": null, "_meta": null })
            }
        };
        effects.push(Effect::Say(answer(&pending.id, &result)));
        if let Form::Input { item, .. } = &pending.form {
            let output = message.unwrap_or_default().to_owned();
            self.result_item(item, ItemStatus::Declined, output, None, None, Vec::new(), effects);
        }
    }

    fn pend(&mut self, id: &Value, form: Form) -> RequestKey {
        let key = self.request_key();
        self.pending.insert(key, Pending { id: id.clone(), form });
        key
    }

    fn command_approval(&mut self, id: &Value, request: wire::CommandApproval, effects: &mut Vec<Effect>) {
        let mut permit =
            self.permit(id, Form::Approval(Some(request.item_id.clone())), &request.item_id, Action::Command, "shell");
        let actions = request.command_actions.unwrap_or_default();
        permit.reads_only = !actions.is_empty()
            && actions.iter().all(|action| matches!(action.kind.as_str(), "read" | "listFiles" | "search"));
        permit.command = request.command.as_deref().map(unwrapped);
        permit.title = request.reason;
        if permit.reads_only {
            let base = request.cwd.clone().unwrap_or_else(|| self.cwd().to_owned());
            permit.paths =
                actions.into_iter().filter_map(|action| action.path).map(|path| absolute(&base, &path)).collect();
        }
        permit.cwd = request.cwd;
        if let Some(network) = request.network_approval_context.filter(|context| !context.is_null()) {
            permit.action = Action::Fetch;
            permit.url = network["host"]
                .as_str()
                .map(|host| format!("{}://{host}", network["protocol"].as_str().unwrap_or("https")));
            permit.metadata = Some(network);
        }
        effects.push(Effect::Permit(Box::new(permit)));
    }

    fn patch_approval(&mut self, id: &Value, request: wire::PatchApproval, effects: &mut Vec<Effect>) {
        let mut permit = self.permit(id, Form::Approval(None), &request.item_id, Action::Edit, "apply_patch");
        let changes = self.items.get(&request.item_id).map(|known| known.changes.clone()).unwrap_or_default();
        for change in &changes {
            permit.paths.push(absolute(self.cwd(), &change.path));
            if let wire::ChangeKind::Update { move_path: Some(to) } = &change.kind {
                permit.paths.push(absolute(self.cwd(), to));
            }
            permit.files.push(diff::file_ref(self.cwd(), change));
        }
        permit.title = request.reason;
        effects.push(Effect::Permit(Box::new(permit)));
    }

    fn wider(&mut self, id: &Value, request: wire::PermissionsApproval, effects: &mut Vec<Effect>) {
        let form = Form::Permissions(request.permissions.clone());
        let mut permit = self.permit(id, form, &request.item_id, Action::Other, "request_permissions");
        permit.title = request.reason;
        permit.cwd = request.cwd;
        permit.input = Some(request.permissions);
        effects.push(Effect::Permit(Box::new(permit)));
    }

    fn elicited(&mut self, id: &Value, request: wire::Elicitation, effects: &mut Vec<Effect>) {
        let meta = request.meta.clone().unwrap_or_default();
        if meta["codex_approval_kind"] == "mcp_tool_call" {
            // The newest call to that server is the one it is about.
            let tool = meta["tool_name"].as_str().or(meta["tool"].as_str()).unwrap_or_default().to_owned();
            let mut permit = self.permit(id, Form::Elicitation, "", Action::Mcp, &tool);
            permit.call = self.newest_call();
            permit.title = Some(request.message);
            permit.server = Some(request.server_name);
            permit.input = meta.get("tool_params").cloned();
            permit.metadata = Some(meta);
            effects.push(Effect::Permit(Box::new(permit)));
            return;
        }
        let properties = request.requested_schema.as_ref().and_then(|schema| schema["properties"].as_object());
        let fields: Vec<(String, Value)> = match (request.mode.as_str(), properties) {
            ("url", _) | (_, None) => Vec::new(),
            (_, Some(properties)) => properties.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect(),
        };
        let mut questions: Vec<Question> =
            fields.iter().map(|(name, schema)| field(name, schema, &request.message)).collect();
        if questions.is_empty() {
            let mut prompt = request.message;
            if let Some(url) = request.url {
                prompt = format!("{prompt}\n{url}");
            }
            let yes = QuestionOption { label: "accept".to_owned(), description: None };
            questions.push(Question {
                id: "accept".to_owned(),
                header: Some(request.server_name),
                prompt,
                options: vec![yes],
                multi_select: false,
                custom: false,
                secret: false,
            });
        }
        let key = self.pend(id, Form::Fields(fields));
        effects.push(Effect::Question(Asked { key, call: None, questions }));
    }

    fn user_input(&mut self, id: &Value, request: wire::UserInput, effects: &mut Vec<Effect>) {
        // Codex makes no item for it; a question always has a call and a result.
        let item = format!("question:{}", request.item_id);
        let questions: Vec<Question> = request
            .questions
            .into_iter()
            .map(|question| Question {
                id: question.id,
                header: question.header,
                prompt: question.question,
                options: question
                    .options
                    .unwrap_or_default()
                    .into_iter()
                    .map(|option| QuestionOption { label: option.label, description: option.description })
                    .collect(),
                multi_select: false,
                custom: question.is_other,
                secret: question.is_secret,
            })
            .collect();
        let arguments = json!({ "questions": questions });
        let call = self.call_item(&item, "request_user_input", ToolKind::Question, None, &arguments, None, effects);
        let ids = questions.iter().map(|question| question.id.clone()).collect();
        let key = self.pend(id, Form::Input { item, questions: ids });
        effects.push(Effect::Question(Asked { key, call: Some(call), questions }));
    }

    fn permit(&mut self, id: &Value, form: Form, item: &str, action: Action, tool: &str) -> Permit {
        let key = self.pend(id, form);
        Permit {
            key,
            call: self.items.get(item).and_then(|known| known.call),
            action,
            tool: tool.to_owned(),
            title: None,
            command: None,
            reads_only: false,
            cwd: None,
            paths: Vec::new(),
            url: None,
            server: None,
            files: Vec::new(),
            input: None,
            options: Vec::new(),
            metadata: None,
        }
    }

    fn newest_call(&self) -> Option<crate::dialect::Key> {
        self.items.values().filter(|known| known.result.is_none()).filter_map(|known| known.call).max()
    }
}

/// A field of an MCP server's form as a question.
fn field(name: &str, schema: &Value, message: &str) -> Question {
    let text = |key: &str| schema[key].as_str().map(str::to_owned);
    let choices = schema["enum"].as_array().or(schema["items"]["enum"].as_array());
    let mut options: Vec<QuestionOption> = choices
        .into_iter()
        .flatten()
        .filter_map(|choice| choice.as_str())
        .map(|label| QuestionOption { label: label.to_owned(), description: None })
        .collect();
    if schema["type"] == "boolean" {
        options = ["true", "false"].map(|label| QuestionOption { label: label.to_owned(), description: None }).into();
    }
    Question {
        id: name.to_owned(),
        header: text("title"),
        prompt: text("description").unwrap_or_else(|| format!("{message} ({name})")),
        custom: options.is_empty(),
        multi_select: schema["type"] == "array",
        options,
        secret: schema["format"] == "password",
    }
}

/// An answer in the type that the form asks for.
fn typed(schema: &Value, given: &[String]) -> Option<Value> {
    if schema["type"] == "array" {
        return Some(json!(given));
    }
    let first = given.first()?;
    Some(match schema["type"].as_str() {
        Some("boolean") => json!(first == "true"),
        Some("integer" | "number") => serde_json::from_str(first).unwrap_or_else(|_| json!(first)),
        _ => json!(first),
    })
}

fn absolute(base: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", base.trim_end_matches('/')) }
}
