//! Pi's tools: calls, output as it grows, results, and the files that they touched.

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, ToolKind};
use serde_json::Value;

use super::dialect::Conversation;
use super::wire;
use crate::dialect::{Effect, Finish, Key, RequestKey, Start};
use crate::diff;

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) call: Key,
    name: String,
    input: Value,
    /// Its result, once that has begun.
    result: Option<Key>,
    /// How much of its output was told.
    told: String,
    /// Its paths as our extension resolved them.
    pub(super) paths: Vec<String>,
    /// What a write replaces, where our extension said so: nothing, or a text.
    pub(super) before: Option<Option<String>>,
    /// The permission or question that it waits for.
    pub(super) request: Option<RequestKey>,
    /// Its question was not answered.
    pub(super) refused: bool,
}

impl Conversation {
    /// The call's item, begun and complete where it is not there yet.
    pub(super) fn call_item(&mut self, id: &str, name: &str, input: &Value, effects: &mut Vec<Effect>) -> Key {
        if let Some(tool) = self.tools.get(id) {
            return tool.call;
        }
        self.in_turn(effects);
        let key = self.key();
        let title = input["description"].as_str().map(str::to_owned);
        effects.push(Effect::Start(Start {
            key,
            native: Some(id.to_owned()),
            parent: None,
            group: self.group(),
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![ContentPart::ToolCall {
                name: name.to_owned(),
                title: title.filter(|_| kind_of(name) == ToolKind::Command),
                kind: kind_of(name),
                server: None,
                arguments: if input.is_null() { "{}".to_owned() } else { input.to_string() },
                call_id: id.to_owned(),
            }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
        if let Some(turn) = &mut self.turn {
            turn.attempt.push(key);
        }
        let tool = Tool {
            call: key,
            name: name.to_owned(),
            input: input.clone(),
            result: None,
            told: String::new(),
            paths: Vec::new(),
            before: None,
            request: None,
            refused: false,
        };
        self.tools.insert(id.to_owned(), tool);
        key
    }

    /// `tool_execution_start`.
    pub(super) fn tool_began(&mut self, execution: wire::Execution, effects: &mut Vec<Effect>) {
        self.call_item(&execution.tool_call_id, &execution.tool_name, &execution.args, effects);
        if let Some(tool) = self.tools.get_mut(&execution.tool_call_id) {
            // As Pi prepared it.
            tool.input = execution.args;
        }
        if let Some(turn) = &mut self.turn {
            // The answer that asked for it is complete: nothing of it will be taken back.
            turn.attempt.clear();
        }
    }

    /// `tool_execution_update`: all the output so far, or its end when that is long.
    pub(super) fn tool_told(&mut self, execution: wire::Execution, effects: &mut Vec<Effect>) {
        let whole = execution.partial_result.content.text();
        self.call_item(&execution.tool_call_id, &execution.tool_name, &execution.args, effects);
        let Some(tool) = self.tools.get(&execution.tool_call_id) else { return };
        let Some(more) = whole.strip_prefix(tool.told.as_str()).filter(|more| !more.is_empty()) else { return };
        let more = more.to_owned();
        let key = self.begin_result(&execution.tool_call_id, effects);
        effects.push(Effect::Grow(key, more));
        if let Some(tool) = self.tools.get_mut(&execution.tool_call_id) {
            tool.told = whole;
        }
    }

    /// `tool_execution_end`.
    pub(super) fn tool_ended(&mut self, execution: wire::Execution, effects: &mut Vec<Effect>) {
        let id = execution.tool_call_id;
        self.call_item(&id, &execution.tool_name, &execution.args, effects);
        let key = self.begin_result(&id, effects);
        let cancelled = self.is_cancelled();
        let cwd = self.cwd().to_owned();
        let Some(tool) = self.tools.get_mut(&id) else { return };
        if let Some(request) = tool.request.take()
            && !cancelled
            && self.pending.remove(&request).is_some()
        {
            // It no longer waits, and nobody had answered.
            effects.push(Effect::Withdrawn(request));
        }
        let mut output = execution.result.content.text();
        let mut exit_code = None;
        if kind_of(&tool.name) == ToolKind::Command {
            (output, exit_code) = ran(output, execution.is_error, tool.told.is_empty());
        }
        let status = match execution.is_error {
            false => ItemStatus::Completed,
            true if tool.refused => ItemStatus::Declined,
            true if cancelled => ItemStatus::Cancelled,
            true => ItemStatus::Failed,
        };
        let mut content =
            vec![ContentPart::ToolResult { call_id: id, output, exit_code, duration_ms: execution.duration_ms }];
        for block in execution.result.content.blocks() {
            if let (Some(data), Some(mime)) = (block.data, block.mime_type) {
                let url = Some(format!("data:{mime};base64,{data}"));
                content.push(ContentPart::Image { path: None, url, mime: Some(mime) });
            }
        }
        if !execution.is_error {
            content.extend(tool.file(&cwd, &execution.result.details));
        }
        effects.push(Effect::Finish(Finish { key, status, content: Some(content) }));
    }

    /// The call that a request is about, while it can still wait for one.
    pub(super) fn waiting(&self, id: &str) -> Option<Key> {
        self.tools.get(id).filter(|tool| tool.result.is_none()).map(|tool| tool.call)
    }

    /// The result's item, begun where it is not there yet.
    fn begin_result(&mut self, id: &str, effects: &mut Vec<Effect>) -> Key {
        let key = self.key();
        let Some(tool) = self.tools.get_mut(id) else { return key };
        if let Some(key) = tool.result {
            return key;
        }
        tool.result = Some(key);
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: Some(tool.call),
            group: None,
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![ContentPart::ToolResult {
                call_id: id.to_owned(),
                output: String::new(),
                exit_code: None,
                duration_ms: None,
            }],
        }));
        key
    }
}

impl Tool {
    /// What became of the file that it was about.
    fn file(&self, cwd: &str, details: &Value) -> Option<ContentPart> {
        let path = match self.paths.first() {
            Some(path) => path.clone(),
            None => absolute(cwd, self.input["path"].as_str()?),
        };
        let part = |path: String, action, diff| Some(ContentPart::FileRef { path, action, from: None, diff });
        match self.name.as_str() {
            "read" => part(path, FileAction::Read, None),
            "edit" => {
                let diff = details["patch"].as_str().and_then(|patch| diff::of_patch(cwd, &path, patch));
                part(path, FileAction::Update, diff)
            }
            "write" => {
                let after = self.input["content"].as_str()?;
                match &self.before {
                    Some(None) => {
                        let diff = diff::of_write(cwd, &path, None, after);
                        part(path, FileAction::Create, Some(diff))
                    }
                    Some(Some(before)) => {
                        let diff = diff::of_write(cwd, &path, Some(before), after);
                        part(path, FileAction::Update, Some(diff))
                    }
                    None => part(path, FileAction::Update, None),
                }
            }
            _ => None,
        }
    }

    /// The change that a write is going to make.
    pub(super) fn planned(&self, cwd: &str) -> Option<ContentPart> {
        if !matches!(self.name.as_str(), "edit" | "write") {
            return None;
        }
        self.file(cwd, &Value::Null)
    }

    /// As the user edited it.
    pub(super) fn edit(&mut self, input: &Value) {
        self.input = input.clone();
    }
}

/// What sort of tool it is; the built-in ones by their names.
pub(super) fn kind_of(name: &str) -> ToolKind {
    match name {
        "bash" | "powershell" => ToolKind::Command,
        "edit" | "write" => ToolKind::Edit,
        "read" => ToolKind::Read,
        "grep" | "find" | "ls" => ToolKind::Search,
        "ask_user" => ToolKind::Question,
        _ => ToolKind::Other,
    }
}

/// A command's output and exit code, from the text that Pi makes of both.
fn ran(text: String, is_error: bool, was_silent: bool) -> (String, Option<i64>) {
    let (mut output, exit_code) = match text.rsplit_once("\n\nCommand exited with code ") {
        Some((output, code)) if is_error => (output.to_owned(), code.trim().parse().ok()),
        _ => (text, (!is_error).then_some(0)),
    };
    if was_silent && output == "(no output)" {
        output.clear();
    }
    (output, exit_code)
}

pub(super) fn absolute(base: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", base.trim_end_matches('/')) }
}
