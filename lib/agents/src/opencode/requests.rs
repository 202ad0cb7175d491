//! OpenCode's permissions and questions, and what is said to them.

use schema::event::PermissionMode;
use schema::item::{ContentPart, FileAction, ToolKind};
use schema::request::{Action, PermissionOption, Question, QuestionOption};
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::parts::{Form, Tool, change};
use super::{diff, wire};
use crate::dialect::{Asked, Decision, Effect, Key, Permit, RequestKey, asks_nothing};

/// A request that waits.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) native: String,
    permission: String,
    patterns: Vec<String>,
    /// OpenCode's own "always" is as narrow as it should be: a command's first words, a directory.
    narrow: bool,
    call: Option<wire::ToolRef>,
}

impl Conversation {
    /// `permission.asked`.
    pub(super) fn permission(&mut self, asked: wire::Permission, effects: &mut Vec<Effect>) {
        if self.place(&asked.session).is_none() || self.pending.values().any(|known| known.native == asked.id) {
            return;
        }
        if self.is_told_otherwise(&asked) || self.is_granted(&asked) {
            self.tell(format!("/permission/{}/reply", asked.id), &json!({ "reply": "once" }), effects);
            return;
        }
        let (call, tool_name, input) = match self.call_of(asked.tool.as_ref(), None, effects) {
            Some((key, tool)) => {
                if let Some(patch) = asked.metadata["diff"].as_str() {
                    tool.patch = Some(patch.to_owned());
                }
                (Some(key), tool.name.clone(), tool.input.clone())
            }
            None => (None, asked.permission.clone(), Value::Null),
        };
        let key = self.request_key();
        let narrow = !asked.always.is_empty() && !asked.always.iter().any(|pattern| pattern == "*");
        let exact = asked.patterns.iter().all(|pattern| pattern != "*") && !asked.patterns.is_empty();
        let mut permit = self.permit(key, call, &asked, &tool_name, &input);
        let option = |id: &str, label: &str, kind: &str| PermissionOption {
            id: id.to_owned(),
            label: label.to_owned(),
            kind: kind.to_owned(),
        };
        permit.options.push(option("once", "Allow once", "accept"));
        if narrow {
            let label = format!("Always allow {}", asked.always.join(", "));
            permit.options.push(option("always", &label, "accept_for_session"));
        } else if exact {
            let label = format!("Always allow {}", asked.patterns.join(", "));
            permit.options.push(option("always", &label, "accept_for_session"));
        }
        permit.options.push(option("reject", "Reject", "reject"));
        let patterns = if exact { asked.patterns } else { Vec::new() };
        let pending = Pending { native: asked.id, permission: asked.permission, patterns, narrow, call: asked.tool };
        self.pending.insert(key, pending);
        effects.push(Effect::Permit(Box::new(permit)));
    }

    /// A command or an edit outside the working directory is asked twice; the second time all of it is said.
    fn is_told_otherwise(&mut self, asked: &wire::Permission) -> bool {
        let asks = match self.job.permission_mode {
            PermissionMode::ReadOnly | PermissionMode::Ask | PermissionMode::AcceptEdits => true,
            PermissionMode::Auto | PermissionMode::Bypass => self.job.must_ask,
        };
        let Some(name) = self.tool_of(asked.tool.as_ref()).map(|tool| tool.name.clone()) else { return false };
        asks && asked.permission == "external_directory"
            && matches!(self.kind_of(&name).0, ToolKind::Command | ToolKind::Edit)
    }

    fn is_granted(&self, asked: &wire::Permission) -> bool {
        let granted = |pattern: &String| self.granted.contains(&(asked.permission.clone(), pattern.clone()));
        !asked.patterns.is_empty() && asked.patterns.iter().all(granted)
    }

    /// The call that a request is about, complete: a request may come before the call says its arguments.
    fn call_of(
        &mut self,
        named: Option<&wire::ToolRef>,
        input: Option<&Value>,
        effects: &mut Vec<Effect>,
    ) -> Option<(Key, &mut Tool)> {
        let named = named?;
        let id = self.parts.iter().find_map(|(id, known)| match &known.form {
            Form::Tool(tool) if known.message == named.message && tool.call_id == named.call => Some(id.clone()),
            Form::Tool(_) | Form::Text(_) | Form::Done => None,
        })?;
        let mut known = self.parts.remove(&id)?;
        if let Form::Tool(tool) = &mut known.form {
            let input = input.cloned().unwrap_or_else(|| tool.input.clone());
            self.called(tool, &input, None, effects);
        }
        match &mut self.parts.entry(id).insert_entry(known).into_mut().form {
            Form::Tool(tool) => Some((tool.call, tool)),
            Form::Text(_) | Form::Done => None,
        }
    }

    fn permit(
        &self,
        key: RequestKey,
        call: Option<Key>,
        asked: &wire::Permission,
        tool: &str,
        input: &Value,
    ) -> Permit {
        let cwd = &self.job.cwd;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (kind, server, own_name) = self.kind_of(tool);
        let mut permit = Permit {
            key,
            call,
            action: Action::Other,
            tool: own_name.to_owned(),
            title: text(&input["description"]),
            command: None,
            reads_only: false,
            cwd: None,
            paths: Vec::new(),
            url: None,
            server: None,
            files: Vec::new(),
            input: input.is_object().then(|| input.clone()),
            options: Vec::new(),
            metadata: Some(
                json!({ "permission": asked.permission, "patterns": asked.patterns, "always": asked.always }),
            ),
        };
        let path = |value: &Value| text(value).map(|path| absolute(cwd, &path));
        match (asked.permission.as_str(), kind) {
            ("doom_loop", _) => permit.title = Some(format!("{tool} was called with the same input three times")),
            ("bash", _) | ("external_directory", ToolKind::Command) => {
                permit.action = Action::Command;
                permit.command = text(&asked.metadata["command"]).or_else(|| text(&input["command"]));
                permit.cwd = Some(path(&input["workdir"]).unwrap_or_else(|| cwd.clone()));
            }
            ("edit", _) | ("external_directory", ToolKind::Edit) => {
                permit.action = Action::Edit;
                permit.files = self.files(asked, input);
                permit.paths = permit.files.iter().flat_map(paths_of).collect();
            }
            ("read", _) if asked.patterns.iter().any(|pattern| pattern.starts_with("mcp:")) => {
                permit.action = Action::Mcp;
                permit.server = text(&asked.metadata["server"]);
            }
            ("read" | "external_directory", ToolKind::Read) => {
                permit.action = Action::Read;
                permit.paths =
                    path(&input["filePath"]).or_else(|| path(&asked.metadata["filepath"])).into_iter().collect();
            }
            (_, ToolKind::Search) => {
                permit.action = Action::Search;
                permit.paths = vec![path(&input["path"]).unwrap_or_else(|| cwd.clone())];
            }
            (_, ToolKind::Fetch) => {
                permit.action = Action::Fetch;
                permit.url = text(&asked.metadata["url"]).or_else(|| text(&input["url"]));
            }
            (_, ToolKind::Mcp) => {
                permit.action = Action::Mcp;
                permit.server = server.map(str::to_owned);
            }
            ("external_directory", _) => permit.paths = path(&asked.metadata["filepath"]).into_iter().collect(),
            _ => {}
        }
        permit
    }

    fn files(&self, asked: &wire::Permission, input: &Value) -> Vec<ContentPart> {
        let cwd = &self.job.cwd;
        if let Some(files) = asked.metadata["files"].as_array() {
            return files.iter().filter_map(|file| change(cwd, file)).collect();
        }
        let path = asked.metadata["filepath"].as_str().or(input["filePath"].as_str());
        let Some(path) = path.map(|path| absolute(cwd, path)) else { return Vec::new() };
        let patch = asked.metadata["diff"].as_str();
        let creates = patch.is_some_and(|patch| patch.contains("\n@@ -0,0 "));
        let action = if creates { FileAction::Create } else { FileAction::Update };
        vec![diff::file_ref(cwd, &path, action, None, patch)]
    }

    /// A permission was decided.
    pub(super) fn decide(&mut self, key: RequestKey, decision: &Decision, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let reply = match decision {
            Decision::Accept { .. } => json!({ "reply": "once" }),
            Decision::AcceptForSession if pending.narrow => json!({ "reply": "always" }),
            Decision::AcceptForSession => {
                // Its own "always" would be for the whole tool.
                let patterns = pending.patterns.iter();
                self.granted.extend(patterns.map(|pattern| (pending.permission.clone(), pattern.clone())));
                json!({ "reply": "once" })
            }
            // Without a message it ends the turn.
            Decision::Reject { stop: true, .. } => json!({ "reply": "reject" }),
            Decision::Reject { message, stop: false } => {
                json!({ "reply": "reject", "message": message.as_deref().unwrap_or("the user said no") })
            }
        };
        if let (Decision::Reject { .. }, Some(tool)) = (decision, self.tool_of(pending.call.as_ref())) {
            tool.rejected = true;
        }
        self.tell(format!("/permission/{}/reply", pending.native), &reply, effects);
    }

    /// `question.asked`.
    pub(super) fn question(&mut self, asked: wire::Question, effects: &mut Vec<Effect>) {
        if self.place(&asked.session).is_none() || self.pending.values().any(|known| known.native == asked.id) {
            return;
        }
        if asked.questions.is_empty() {
            effects.push(Effect::Unparsed { error: asks_nothing().to_string(), location: "question.asked".to_owned() });
            // Unanswered it would hang the turn for good.
            self.tell(format!("/question/{}/reject", asked.id), &Value::Null, effects);
            return;
        }
        let questions: Vec<Question> = (1..)
            .zip(asked.questions)
            .map(|(number, question)| Question {
                id: number.to_string(),
                header: question.header.filter(|header| !header.is_empty()),
                prompt: question.question,
                options: question
                    .options
                    .into_iter()
                    .map(|option| QuestionOption { label: option.label, description: option.description })
                    .collect(),
                multi_select: question.multiple,
                custom: question.custom,
                secret: false,
            })
            .collect();
        let input = json!({ "questions": questions });
        let call = self.call_of(asked.tool.as_ref(), Some(&input), effects).map(|(key, _)| key);
        let key = self.request_key();
        let pending = Pending {
            native: asked.id,
            permission: String::new(),
            patterns: Vec::new(),
            narrow: false,
            call: asked.tool,
        };
        self.pending.insert(key, pending);
        effects.push(Effect::Question(Asked { key, call, questions }));
    }

    /// A question was answered.
    pub(super) fn answer_question(&mut self, key: RequestKey, answers: &[Vec<String>], effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        self.tell(format!("/question/{}/reply", pending.native), &json!({ "answers": answers }), effects);
    }

    /// A question will not be answered.
    pub(super) fn refuse_question(&mut self, key: RequestKey, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        if let Some(tool) = self.tool_of(pending.call.as_ref()) {
            tool.rejected = true;
        }
        self.tell(format!("/question/{}/reject", pending.native), &Value::Null, effects);
    }

    /// A request is settled. Where it was not by us, OpenCode did it, as with all others of a session when one is rejected.
    pub(super) fn settled(&mut self, replied: &wire::Replied, effects: &mut Vec<Effect>) {
        let key = self.pending.iter().find(|(_, known)| known.native == replied.request).map(|(key, _)| *key);
        if let Some(key) = key {
            self.pending.remove(&key);
            effects.push(Effect::Withdrawn(key));
        }
    }
}

fn absolute(cwd: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
}

fn paths_of(file: &ContentPart) -> Vec<String> {
    match file {
        ContentPart::FileRef { path, from, .. } => from.iter().cloned().chain([path.clone()]).collect(),
        ContentPart::Text { .. }
        | ContentPart::Json { .. }
        | ContentPart::ToolCall { .. }
        | ContentPart::ToolResult { .. }
        | ContentPart::Image { .. }
        | ContentPart::Reasoning { .. }
        | ContentPart::Status { .. } => Vec::new(),
    }
}
