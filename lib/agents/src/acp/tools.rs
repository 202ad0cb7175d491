//! Tool calls as items: made from whichever message names the call first, closed by whichever says that it is over.

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, ToolKind};
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::wire::{self, list, text};
use crate::dialect::{Effect, Finish, Key, Start};
use crate::diff;
use crate::shell::unwrapped;

/// A call that the agent told us of.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) call: Key,
    id: String,
    /// The result's name, whether it has begun or not.
    result: Key,
    begun: bool,
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) kind: ToolKind,
    pub(super) input: Value,
    locations: Vec<String>,
    /// The newest changes that the call shows.
    diffs: Vec<Value>,
    /// The call's arguments were told as complete.
    told: bool,
    /// It said that it runs: what it shows from now on is output.
    running: bool,
    /// It was not allowed.
    pub(super) refused: bool,
    /// The result is complete.
    pub(super) over: bool,
    /// The output that was told so far.
    output: String,
    /// Output came in pieces, so that what `content` says is no part of it.
    in_pieces: bool,
    /// The output as `content` says it.
    shown: Option<String>,
}

impl Conversation {
    /// A `tool_call` or `tool_call_update`, or the call of a permission request. Nothing where it names no call.
    pub(super) fn tool(&mut self, update: &Value, first: bool, effects: &mut Vec<Effect>) -> Option<String> {
        let id = text(update, "toolCallId")?.to_owned();
        if !self.tools.contains_key(&id) {
            self.begin_tool(&id, update, effects);
        }
        let cancelled = self.cancelled;
        let mut tool = self.tools.remove(&id)?;
        if !tool.over {
            tool.merge(update);
            let status = text(update, "status").unwrap_or_default();
            let ended = matches!(status, "completed" | "failed");
            tool.running |= status == "in_progress";
            if tool.running || ended {
                tool.tell(effects);
            }
            tool.piece(update, effects);
            // What a call says before it runs is a description of it.
            if ended || tool.running && !first {
                tool.show(update, effects);
            }
            if ended {
                tool.end(update, status, cancelled, &self.job.cwd, effects);
            }
        }
        self.tools.insert(id.clone(), tool);
        Some(id)
    }

    fn begin_tool(&mut self, id: &str, update: &Value, effects: &mut Vec<Effect>) {
        self.close_text(ItemStatus::Completed, effects);
        let name = wire::tool_name(update);
        let mut tool = Tool {
            call: self.key(),
            id: id.to_owned(),
            result: self.key(),
            begun: false,
            title: None,
            kind: wire::tool_kind(text(update, "kind").unwrap_or_default(), &name),
            name,
            input: Value::Null,
            locations: Vec::new(),
            diffs: Vec::new(),
            told: false,
            running: false,
            refused: false,
            over: false,
            output: String::new(),
            in_pieces: false,
            shown: None,
        };
        tool.merge(update);
        effects.push(Effect::Start(Start {
            key: tool.call,
            native: Some(tool.id.clone()),
            parent: None,
            group: None,
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![tool.part()],
        }));
        self.tools.insert(id.to_owned(), tool);
    }

    /// Not every agent says of a call that was refused that it is over: its model goes on, and so do we.
    pub(super) fn close_refused(&mut self, effects: &mut Vec<Effect>) {
        for tool in self.tools.values_mut().filter(|tool| tool.refused && !tool.over) {
            let key = tool.result(effects);
            effects.push(Effect::Finish(Finish { key, status: ItemStatus::Declined, content: None }));
            tool.over = true;
        }
    }

    /// The calls of a turn that is over: their arguments are what they are.
    pub(super) fn close_tools(&mut self, effects: &mut Vec<Effect>) {
        let mut open: Vec<&mut Tool> = self.tools.values_mut().collect();
        open.sort_by_key(|tool| tool.call);
        for tool in open {
            tool.tell(effects);
            tool.over = true;
        }
    }

    /// The changes that a call shows, as `file_ref` parts.
    pub(super) fn files(&self, tool: &Tool) -> Vec<ContentPart> {
        tool.files(&self.job.cwd)
    }

    /// The files that a call is about, absolute.
    pub(super) fn paths(&self, tool: &Tool) -> Vec<String> {
        let named = ["file_path", "filePath", "filepath", "path", "abs_path"];
        let shown = tool.diffs.iter().filter_map(|change| text(change, "path"));
        let said = named.iter().filter_map(|key| text(&tool.input, key));
        let mut paths: Vec<String> = Vec::new();
        for path in shown.chain(tool.locations.iter().map(String::as_str)).chain(said) {
            let path = absolute(&self.job.cwd, path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }
}

impl Tool {
    fn merge(&mut self, update: &Value) {
        if let Some(title) = text(update, "title").filter(|title| !title.is_empty()) {
            self.title = Some(title.to_owned());
        }
        if let Some(kind) = text(update, "kind").filter(|_| self.kind == ToolKind::Other) {
            self.kind = wire::tool_kind(kind, &self.name);
        }
        let input = &update["rawInput"];
        let more = match input {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
        };
        // What an agent asks leave for may say less than what it began with.
        let less = input.as_object().map(serde_json::Map::len) < self.input.as_object().map(serde_json::Map::len);
        if more && !less {
            self.input = input.clone();
        }
        let locations = list(update, "locations").iter().filter_map(|location| text(location, "path"));
        let locations: Vec<String> = locations.map(str::to_owned).collect();
        if !locations.is_empty() {
            self.locations = locations;
        }
        let diffs = list(update, "content").iter().filter(|part| part["type"] == "diff");
        let diffs: Vec<Value> = diffs.cloned().collect();
        if !diffs.is_empty() {
            self.diffs = diffs;
        }
    }

    /// Completes the call: its arguments are known.
    pub(super) fn tell(&mut self, effects: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.told, true) {
            let content = Some(vec![self.part()]);
            effects.push(Effect::Finish(Finish { key: self.call, status: ItemStatus::Completed, content }));
        }
    }

    fn part(&self) -> ContentPart {
        ContentPart::ToolCall {
            name: self.name.clone(),
            title: self.title.clone(),
            kind: self.kind,
            server: wire::server(&self.name),
            arguments: self.arguments().to_string(),
            call_id: self.id.clone(),
        }
    }

    fn arguments(&self) -> Value {
        let mut input = self.input.clone();
        if let Some(command) = self.command() {
            if !input.is_object() {
                input = json!({});
            }
            input["command"] = json!(command);
        } else if input.is_null() {
            input = if self.locations.is_empty() { json!({}) } else { json!({ "paths": self.locations }) };
        }
        input
    }

    /// The command of a call that runs one: an agent that says no input says it as the title.
    pub(super) fn command(&self) -> Option<String> {
        if self.kind != ToolKind::Command {
            return None;
        }
        let said = match &self.input["command"] {
            Value::String(command) => Some(command.clone()),
            Value::Array(words) => shlex::try_join(words.iter().filter_map(Value::as_str)).ok(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        };
        said.or_else(|| self.title.clone()).map(|command| unwrapped(&command))
    }

    /// Output that comes in pieces, beside the protocol.
    fn piece(&mut self, update: &Value, effects: &mut Vec<Effect>) {
        let aside = &update["_meta"];
        let pieces = ["terminal_output", "terminal_output_delta"];
        for data in pieces.iter().filter_map(|name| text(&aside[*name], "data")).filter(|data| !data.is_empty()) {
            let data = if self.output.is_empty() { data.trim_start_matches('\n') } else { data };
            self.in_pieces = true;
            self.grow(data.to_owned(), effects);
        }
    }

    /// Output as a whole, so far.
    fn show(&mut self, update: &Value, effects: &mut Vec<Effect>) {
        let parts = list(update, "content");
        let texts: Vec<&str> = parts.iter().filter_map(|part| text(&part["content"], "text")).collect();
        if self.in_pieces || texts.is_empty() {
            return;
        }
        let shown = texts.join("\n");
        if let Some(more) = shown.strip_prefix(self.output.as_str()).filter(|_| self.running) {
            self.grow(more.to_owned(), effects);
        }
        self.shown = Some(shown);
    }

    fn grow(&mut self, more: String, effects: &mut Vec<Effect>) {
        if more.is_empty() {
            return;
        }
        let result = self.result(effects);
        self.output.push_str(&more);
        effects.push(Effect::Grow(result, more));
    }

    fn result(&mut self, effects: &mut Vec<Effect>) -> Key {
        if std::mem::replace(&mut self.begun, true) {
            return self.result;
        }
        self.tell(effects);
        effects.push(Effect::Start(Start {
            key: self.result,
            native: Some(self.id.clone()),
            parent: Some(self.call),
            group: None,
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![self.outcome(String::new(), None)],
        }));
        self.result
    }

    fn outcome(&self, output: String, exit_code: Option<i64>) -> ContentPart {
        ContentPart::ToolResult { call_id: self.id.clone(), output, exit_code, duration_ms: None }
    }

    fn end(&mut self, update: &Value, status: &str, cancelled: bool, cwd: &str, effects: &mut Vec<Effect>) {
        let result = self.result(effects);
        let exit_code = wire::exit_code(update);
        let raw = &update["rawOutput"];
        let output = match (raw, &self.shown) {
            _ if self.in_pieces => self.output.clone(),
            (Value::String(raw), _) => raw.clone(),
            (_, Some(shown)) => shown.clone(),
            (Value::Null, None) => self.output.clone(),
            (raw, None) => ["output", "stdout", "error", "message"]
                .iter()
                .find_map(|name| text(raw, name))
                .map(str::to_owned)
                .or_else(|| (exit_code.is_none() && self.diffs.is_empty()).then(|| raw.to_string()))
                .unwrap_or_default(),
        };
        let status = match (status, exit_code) {
            _ if cancelled => ItemStatus::Cancelled,
            ("failed", _) => ItemStatus::Failed,
            (_, Some(code)) if code != 0 => ItemStatus::Failed,
            _ => ItemStatus::Completed,
        };
        let mut content = vec![self.outcome(output, exit_code)];
        if status == ItemStatus::Completed {
            content.extend(self.files(cwd));
        }
        content.extend(list(update, "content").iter().filter_map(|part| other_part(&part["content"])));
        effects.push(Effect::Finish(Finish { key: result, status, content: Some(content) }));
        self.over = true;
    }

    fn files(&self, cwd: &str) -> Vec<ContentPart> {
        self.diffs
            .iter()
            .filter_map(|change| {
                let path = absolute(cwd, text(change, "path")?);
                let (before, after) = (text(change, "oldText"), text(change, "newText"));
                let action = match (before, after) {
                    (None, _) => FileAction::Create,
                    (Some(_), None) => FileAction::Delete,
                    (Some(_), Some(_)) => FileAction::Update,
                };
                let diff = diff::of_write(cwd, &path, before, after.unwrap_or_default());
                Some(ContentPart::FileRef { path, action, from: None, diff: (!diff.is_empty()).then_some(diff) })
            })
            .collect()
    }
}

/// A piece of content that is no text.
pub(super) fn other_part(content: &Value) -> Option<ContentPart> {
    match text(content, "type")? {
        "text" => None,
        "image" => {
            let mime = text(content, "mimeType").unwrap_or("image/png");
            let url = match (text(content, "data"), text(content, "uri")) {
                (Some(data), _) if !data.is_empty() => Some(format!("data:{mime};base64,{data}")),
                (_, uri) => uri.map(str::to_owned),
            };
            Some(ContentPart::Image { path: None, url, mime: Some(mime.to_owned()) })
        }
        _ => Some(ContentPart::Json { json: content.clone() }),
    }
}

fn absolute(cwd: &str, path: &str) -> String {
    let path = path.strip_prefix("file://").unwrap_or(path);
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
}
