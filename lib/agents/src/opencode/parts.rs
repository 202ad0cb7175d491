//! OpenCode's parts of messages as our items: texts, reasoning, tools, sub-agents.

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, StatusLabel, ToolKind, Visibility};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::{Conversation, status};
use super::{diff, wire};
use crate::dialect::{Effect, Finish, Key, Start};

/// What we know of a part.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) session: String,
    pub(super) message: String,
    pub(super) form: Form,
}

/// What a part became.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// A text that still grows.
    Text(Key),
    Tool(Box<Tool>),
    /// Nothing more is to be told of it.
    Done,
}

/// What we know of a tool's call.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) call_id: String,
    pub(super) call: Key,
    /// Its arguments are known and told.
    pub(super) called: bool,
    pub(super) input: Value,
    result: Option<Key>,
    /// The output so far; nothing once it is no longer a beginning of what comes.
    output: Option<String>,
    /// The change that its permission request told of.
    pub(super) patch: Option<String>,
    pub(super) rejected: bool,
}

impl Known {
    /// A tool that has begun and not ended.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.form, Form::Tool(_))
    }
}

impl Conversation {
    /// A delta of a text. Whether it was understood.
    pub(super) fn grown(&self, delta: &wire::Delta<'_>, effects: &mut Vec<Effect>) -> bool {
        match self.parts.get(&*delta.part).map(|known| &known.form) {
            Some(Form::Text(key)) if delta.field == "text" => {
                effects.push(Effect::Grow(*key, delta.delta.clone().into_owned()));
                true
            }
            Some(Form::Text(_) | Form::Tool(_)) => false,
            Some(Form::Done) => true,
            // Of what is over, or of another session.
            None => !self.in_turn() || self.place(&delta.session).is_none(),
        }
    }

    /// `message.part.updated`. Whether it was understood.
    pub(super) fn part(&mut self, part: Value, effects: &mut Vec<Effect>) -> Result<bool, serde_json::Error> {
        let head = wire::PartHead::deserialize(&part)?;
        // Of another session, of a conversation that was copied, or after the end.
        let Some(parent) = self.place(&head.session) else { return Ok(true) };
        if !self.in_turn() || (!self.messages.contains_key(&head.message) && parent.is_none()) {
            return Ok(true);
        }
        match head.kind.as_str() {
            "text" => self.text(&head, wire::TextPart::deserialize(&part)?, parent, effects),
            "reasoning" => {
                let text = wire::TextPart::deserialize(&part)?;
                let content = |text| ContentPart::Reasoning { text, visibility: Visibility::Public };
                self.growing(&head, &text, ItemKind::Message, Role::Assistant, content, parent, effects);
            }
            "tool" => self.tool(&head, wire::ToolPart::deserialize(&part)?, parent, effects),
            "step-finish" => {
                if self.parts.insert(head.id, done(&head.session, &head.message)).is_none() {
                    self.counted(&head.session, &head.message, &wire::StepFinish::deserialize(&part)?);
                }
            }
            "compaction" => {
                if self.parts.insert(head.id, done(&head.session, &head.message)).is_none() {
                    if parent.is_none() {
                        self.goes_on(effects);
                    }
                    effects.push(status(StatusLabel::Compaction, json!({ "auto": part["auto"] }), parent));
                }
            }
            kind => return Ok(wire::IGNORED_PARTS.iter().any(|(name, _)| *name == kind)),
        }
        Ok(true)
    }

    fn text(&mut self, head: &wire::PartHead, text: wire::TextPart, parent: Option<Key>, effects: &mut Vec<Effect>) {
        let message = self.messages.get(&head.message);
        if message.is_some_and(|message| message.is_user) {
            // A prompt is the engine's; a sub-agent's is text that an agent injects, and so is what is made up.
            let injected = parent.is_some() || text.synthetic;
            let first = self.parts.insert(head.id.clone(), done(&head.session, &head.message)).is_none();
            if injected && first {
                self.system(&head.id, text.text, parent, effects);
            }
            return;
        }
        let (kind, role) = match message {
            Some(message) if message.is_summary => (ItemKind::System, Role::System),
            Some(_) | None => (ItemKind::Message, Role::Assistant),
        };
        self.growing(head, &text, kind, role, |text| ContentPart::Text { text }, parent, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "an item is as wide as this")]
    fn growing(
        &mut self,
        head: &wire::PartHead,
        text: &wire::TextPart,
        kind: ItemKind,
        role: Role,
        content: impl Fn(String) -> ContentPart,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let key = match self.parts.get(&head.id).map(|known| &known.form) {
            Some(Form::Text(key)) => *key,
            Some(Form::Done | Form::Tool(_)) => return,
            None => {
                let key = self.key();
                effects.push(Effect::Start(Start {
                    key,
                    native: Some(head.id.clone()),
                    parent,
                    group: Some(head.message.clone()),
                    kind,
                    role: Some(role),
                    content: vec![content(String::new())],
                }));
                if text.time.end.is_none() && !text.text.is_empty() {
                    effects.push(Effect::Grow(key, text.text.clone()));
                }
                self.attempts.entry(head.session.clone()).or_default().push(key);
                self.insert(head, Form::Text(key));
                key
            }
        };
        if text.time.end.is_some() {
            self.insert(head, Form::Done);
            let cut = self.is_cancelled();
            let status = if cut { ItemStatus::Cancelled } else { ItemStatus::Completed };
            effects.push(Effect::Finish(Finish { key, status, content: Some(vec![content(text.text.clone())]) }));
        }
    }

    fn insert(&mut self, head: &wire::PartHead, form: Form) {
        let known = Known { session: head.session.clone(), message: head.message.clone(), form };
        self.parts.insert(head.id.clone(), known);
    }

    /// What the model said since its last complete answer is taken back.
    pub(super) fn abandon(&mut self, session: &str, effects: &mut Vec<Effect>) {
        let mut abandoned = self.attempts.remove(session).unwrap_or_default();
        for known in self.parts.values_mut().filter(|known| known.session == session) {
            match &mut known.form {
                Form::Text(key) => {
                    if !abandoned.contains(key) {
                        abandoned.push(*key);
                    }
                    effects.push(Effect::Finish(Finish { key: *key, status: ItemStatus::Failed, content: None }));
                    known.form = Form::Done;
                }
                // Never called: its arguments did not come to their end.
                Form::Tool(tool) if !tool.called => {
                    abandoned.push(tool.call);
                    effects.push(Effect::Finish(Finish { key: tool.call, status: ItemStatus::Failed, content: None }));
                    known.form = Form::Done;
                }
                Form::Tool(_) | Form::Done => {}
            }
        }
        abandoned.sort();
        if !abandoned.is_empty() {
            effects.push(Effect::Retracted(abandoned));
        }
    }

    fn tool(&mut self, head: &wire::PartHead, part: wire::ToolPart, parent: Option<Key>, effects: &mut Vec<Effect>) {
        let mut tool = match self.parts.remove(&head.id).map(|known| known.form) {
            Some(Form::Tool(tool)) => tool,
            Some(form @ (Form::Done | Form::Text(_))) => {
                self.insert(head, form);
                return;
            }
            None => Box::new(self.begin_call(head, &part, parent, effects)),
        };
        let state = &part.state;
        if state.status != "pending" {
            self.called(&mut tool, &state.input, state.title.as_deref(), effects);
        }
        if let Some(session) = state.metadata["sessionId"].as_str().filter(|_| tool.name == "task") {
            self.agent_began(session.to_owned(), tool.call, effects);
        }
        let form = match state.status.as_str() {
            "completed" | "error" => {
                self.end_tool(&mut tool, state, effects);
                Form::Done
            }
            _ => {
                if let Some(output) = state.metadata["output"].as_str().filter(|_| state.status == "running") {
                    self.output(&mut tool, output, effects);
                }
                Form::Tool(tool)
            }
        };
        self.insert(head, form);
    }

    fn begin_call(
        &mut self,
        head: &wire::PartHead,
        part: &wire::ToolPart,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) -> Tool {
        let tool = Tool {
            name: part.tool.clone(),
            call_id: part.call.clone(),
            call: self.key(),
            called: false,
            input: json!({}),
            result: None,
            output: Some(String::new()),
            patch: None,
            rejected: false,
        };
        effects.push(Effect::Start(Start {
            key: tool.call,
            native: Some(head.id.clone()),
            parent,
            group: Some(head.message.clone()),
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![self.call_part(&tool, None)],
        }));
        tool
    }

    /// Its arguments are known, from whichever message says them first.
    pub(super) fn called(&self, tool: &mut Tool, input: &Value, title: Option<&str>, effects: &mut Vec<Effect>) {
        if tool.called {
            return;
        }
        tool.called = true;
        if input.is_object() {
            tool.input = input.clone();
        }
        let title = input["description"].as_str().or(title);
        let content = Some(vec![self.call_part(tool, title)]);
        effects.push(Effect::Finish(Finish { key: tool.call, status: ItemStatus::Completed, content }));
    }

    fn call_part(&self, tool: &Tool, title: Option<&str>) -> ContentPart {
        let (kind, server, name) = self.kind_of(&tool.name);
        ContentPart::ToolCall {
            name: name.to_owned(),
            title: title.filter(|title| !title.is_empty()).map(str::to_owned),
            kind,
            server: server.map(str::to_owned),
            arguments: tool.input.to_string(),
            call_id: tool.call_id.clone(),
        }
    }

    /// What a tool does, by its name; of an MCP server's also whose it is and its own name.
    pub(super) fn kind_of<'a>(&'a self, tool: &'a str) -> (ToolKind, Option<&'a str>, &'a str) {
        let kind = match tool {
            "bash" | "shell" => ToolKind::Command,
            "edit" | "write" | "multiedit" | "patch" | "apply_patch" => ToolKind::Edit,
            "read" => ToolKind::Read,
            "glob" | "grep" | "list" | "lsp" => ToolKind::Search,
            "webfetch" | "websearch" | "codesearch" => ToolKind::Fetch,
            "task" => ToolKind::Agent,
            "question" => ToolKind::Question,
            "todowrite" | "todoread" | "plan_enter" | "plan_exit" => ToolKind::Plan,
            _ => {
                let of = |server: &'a String| {
                    Some((server.as_str(), tool.strip_prefix(server.as_str())?.strip_prefix('_')?))
                };
                return match self.servers.iter().find_map(of) {
                    Some((server, name)) => (ToolKind::Mcp, Some(server), name),
                    None => (ToolKind::Other, None, tool),
                };
            }
        };
        (kind, None, tool)
    }

    fn begin_result(&mut self, tool: &mut Tool, effects: &mut Vec<Effect>) -> Key {
        if let Some(result) = tool.result {
            return result;
        }
        let key = self.key();
        tool.result = Some(key);
        let output = ContentPart::ToolResult {
            call_id: tool.call_id.clone(),
            output: String::new(),
            exit_code: None,
            duration_ms: None,
        };
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: Some(tool.call),
            group: None,
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![output],
        }));
        key
    }

    /// The output so far, each time as a whole.
    fn output(&mut self, tool: &mut Tool, output: &str, effects: &mut Vec<Effect>) {
        let Some(before) = &tool.output else { return };
        match output.strip_prefix(before.as_str()) {
            Some("") => {}
            Some(more) => {
                let more = more.to_owned();
                let key = self.begin_result(tool, effects);
                effects.push(Effect::Grow(key, more));
                tool.output = Some(output.to_owned());
            }
            None => tool.output = None,
        }
    }

    fn end_tool(&mut self, tool: &mut Tool, state: &wire::ToolState, effects: &mut Vec<Effect>) {
        let (kind, ..) = self.kind_of(&tool.name);
        if kind == ToolKind::Agent {
            effects.push(Effect::AgentEnded(tool.call));
        }
        let key = self.begin_result(tool, effects);
        let error = state.error.as_deref();
        let exit_code = state.metadata["exit"].as_i64();
        let status = match error {
            Some(error) if tool.rejected || wire::is_denial(error) => ItemStatus::Declined,
            Some(error) if self.is_cancelled() || wire::is_abort(error) => ItemStatus::Cancelled,
            Some(_) => ItemStatus::Failed,
            None if exit_code.is_some_and(|code| code != 0) => ItemStatus::Failed,
            // A command that was cut off is told as complete, without an exit code.
            None if self.is_cancelled() && exit_code.is_none() && kind == ToolKind::Command => ItemStatus::Cancelled,
            None => ItemStatus::Completed,
        };
        let output = state.output.as_deref().or(error).unwrap_or_default().to_owned();
        let duration_ms = state.time.end.zip(state.time.start).and_then(|(end, start)| end.checked_sub(start));
        let mut content =
            vec![ContentPart::ToolResult { call_id: tool.call_id.clone(), output, exit_code, duration_ms }];
        if error.is_none() && kind == ToolKind::Edit {
            content.extend(self.changes(tool, &state.metadata));
        }
        content.extend(state.attachments.iter().map(|file| ContentPart::Image {
            path: None,
            url: file.url.clone(),
            mime: file.mime.clone(),
        }));
        effects.push(Effect::Finish(Finish { key, status, content: Some(content) }));
    }

    /// The files that an edit changed.
    fn changes(&self, tool: &Tool, metadata: &Value) -> Vec<ContentPart> {
        let cwd = &self.job.cwd;
        if let Some(files) = metadata["files"].as_array() {
            return files.iter().filter_map(|file| change(cwd, file)).collect();
        }
        let path = [&metadata["filepath"], &metadata["filediff"]["file"], &tool.input["filePath"]];
        let Some(path) = path.into_iter().find_map(Value::as_str) else { return Vec::new() };
        let created = metadata["exists"] == false || (tool.name == "edit" && tool.input["oldString"] == "");
        let action = if created { FileAction::Create } else { FileAction::Update };
        let told = metadata["diff"].as_str().or(metadata["filediff"]["patch"].as_str()).or(tool.patch.as_deref());
        let made = tool.input["content"].as_str().filter(|_| created).map(diff::creation);
        vec![diff::file_ref(cwd, path, action, None, told.or(made.as_deref()))]
    }

    /// The call of a sub-agent in this session that has none yet.
    pub(super) fn waiting_task(&self, session: &str) -> Option<Key> {
        let taken: Vec<Key> = self.agents.values().copied().collect();
        self.parts
            .values()
            .filter(|known| known.session == session)
            .filter_map(|known| match &known.form {
                Form::Tool(tool) if tool.name == "task" && !taken.contains(&tool.call) => Some(tool.call),
                Form::Tool(_) | Form::Text(_) | Form::Done => None,
            })
            .min()
    }

    /// The call of a sub-agent that has told no end.
    pub(super) fn agent_of(&self, known: &Known) -> Option<Key> {
        match &known.form {
            Form::Tool(tool) if self.kind_of(&tool.name).0 == ToolKind::Agent => Some(tool.call),
            Form::Tool(_) | Form::Text(_) | Form::Done => None,
        }
    }

    /// A call by its message and its native id.
    pub(super) fn tool_of(&mut self, named: Option<&wire::ToolRef>) -> Option<&mut Tool> {
        let named = named?;
        self.parts.values_mut().find_map(|known| match &mut known.form {
            Form::Tool(tool) if known.message == named.message && tool.call_id == named.call => Some(&mut **tool),
            Form::Tool(_) | Form::Text(_) | Form::Done => None,
        })
    }
}

/// A file of a patch.
pub(super) fn change(cwd: &str, file: &Value) -> Option<ContentPart> {
    let path = file["filePath"].as_str()?;
    let to = file["movePath"].as_str();
    let action = match file["type"].as_str() {
        Some("add") => FileAction::Create,
        Some("delete") => FileAction::Delete,
        Some("move") => FileAction::Move,
        Some(_) | None => FileAction::Update,
    };
    Some(diff::file_ref(cwd, path, action, to, file["patch"].as_str().or(file["diff"].as_str())))
}

fn done(session: &str, message: &str) -> Known {
    Known { session: session.to_owned(), message: message.to_owned(), form: Form::Done }
}
