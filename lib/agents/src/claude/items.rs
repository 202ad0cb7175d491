//! Claude Code's blocks as our items: texts, reasoning, calls, results with their files, todo lists.

use std::borrow::Cow;
use std::fmt::Write;

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, StatusLabel, ToolKind, Visibility};
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::wire;
use crate::dialect::{Effect, Finish, Key, Start, Status};
use crate::diff;

/// A call that we know.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) key: Key,
    name: String,
    arguments: Value,
    parent: Option<Key>,
    group: Option<String>,
    /// Its result has come.
    pub(super) answered: bool,
    /// What it asks will not be answered.
    pub(super) refused: bool,
}

/// A message that is being streamed, with its open texts by index.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) id: String,
    blocks: Vec<(u64, Key, Block)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
}

/// An entry of the todo list that is kept by single steps.
#[derive(Debug, Clone)]
pub(super) struct Step {
    id: String,
    content: String,
    status: String,
}

impl Conversation {
    /// `stream_event` of the main agent; sub-agents have none.
    pub(super) fn streamed(
        &mut self,
        event: wire::StreamEvent<'_>,
        abandoned: bool,
        effects: &mut Vec<Effect>,
    ) -> bool {
        match &*event.kind {
            "content_block_delta" => {
                // Fragments of arguments and signatures are no text.
                if let Some(text) = event.delta.and_then(|delta| delta.text.or(delta.thinking)) {
                    self.grown(event.index, text, effects);
                }
            }
            "message_start" => {
                self.went_on(effects);
                self.abandon(effects);
                let id = event.message.as_ref().map(|message| message.id.clone()).unwrap_or_default();
                self.streamed = Some(Streamed { id, blocks: Vec::new() });
            }
            "content_block_start" => {
                let block = match event.content_block.as_ref().map(|block| block.kind.as_str()) {
                    Some("text") => Block::Text,
                    Some("thinking") => Block::Thinking,
                    // What a tool is asked is known only at its end; others come whole.
                    _ => return true,
                };
                let Some(id) = self.streamed.as_ref().map(|streamed| streamed.id.clone()) else { return true };
                let key = self.start_text(block, &id, None, effects);
                if let Some(streamed) = &mut self.streamed {
                    streamed.blocks.push((event.index, key, block));
                }
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.used = schema::event::Usage::from(usage).total_tokens;
                }
            }
            "message_stop" => {
                if abandoned && !self.is_interrupted() {
                    let id = self.streamed.as_ref().map(|streamed| streamed.id.clone());
                    self.retract(id.as_deref(), effects);
                }
            }
            "content_block_stop" | "ping" | "error" => {}
            _ => return false,
        }
        true
    }

    /// A piece of a text of the message that is being streamed.
    pub(super) fn grown(&self, block: u64, text: Cow<'_, str>, effects: &mut Vec<Effect>) {
        let Some(streamed) = &self.streamed else { return };
        if let Some((_, key, _)) = streamed.blocks.iter().rev().find(|(index, ..)| *index == block) {
            effects.push(Effect::Grow(*key, text.into_owned()));
        }
    }

    /// Texts that were never completed belong to an attempt that broke.
    fn abandon(&mut self, effects: &mut Vec<Effect>) {
        let Some(streamed) = self.streamed.take() else { return };
        if streamed.blocks.is_empty() {
            return;
        }
        for (_, key, _) in &streamed.blocks {
            effects.push(Effect::Finish(Finish { key: *key, status: ItemStatus::Failed, content: None }));
        }
        effects.push(Effect::Retracted(streamed.blocks.iter().map(|(_, key, _)| *key).collect()));
    }

    /// What was said in this message is taken back.
    pub(super) fn retract(&mut self, message: Option<&str>, effects: &mut Vec<Effect>) {
        let Some(message) = message else { return };
        let keys: Vec<Key> = self.said.iter().filter(|(id, _)| id == message).map(|(_, key)| *key).collect();
        self.said.retain(|(id, _)| id != message);
        if !keys.is_empty() {
            effects.push(Effect::Retracted(keys));
        }
    }

    /// `assistant`: blocks as they are in the end.
    pub(super) fn assistant(&mut self, line: wire::AssistantLine, effects: &mut Vec<Effect>) {
        let parent =
            self.parent(line.parent_tool_use_id.as_deref(), &line.subagent_type, &line.task_description, effects);
        if line.message.model == "<synthetic>" {
            self.synthetic(&line, parent, effects);
            return;
        }
        if parent.is_none() {
            self.went_on(effects);
        }
        let id = line.message.id;
        for block in line.message.content {
            let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
            match block["type"].as_str().unwrap_or_default() {
                "text" => self.finish_text(Block::Text, &id, parent, text("text"), effects),
                "thinking" => self.finish_text(Block::Thinking, &id, parent, text("thinking"), effects),
                // What the service keeps to itself: that there was something is all that can be said.
                "redacted_thinking" => {}
                "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                    let call = text("id");
                    let title = line
                        .tool_use_meta
                        .iter()
                        .find(|meta| meta.id == call)
                        .and_then(|meta| meta.display_name.clone());
                    self.call(&call, &text("name"), &block["input"], title, parent, Some(&id), effects);
                }
                kind if kind.ends_with("_tool_result") => {
                    let call = text("tool_use_id");
                    self.result(&call, &block["content"], block["is_error"] == true, &Value::Null, effects);
                }
                kind => {
                    effects.push(Effect::Unparsed {
                        error: format!("an unknown block `{kind}`"),
                        location: "assistant".to_owned(),
                    });
                    let key = self.key();
                    effects.push(Effect::Start(Start {
                        key,
                        native: Some(id.clone()),
                        parent,
                        group: Some(id.clone()),
                        kind: ItemKind::Unknown,
                        role: Some(Role::Assistant),
                        content: vec![ContentPart::Json { json: block.clone() }],
                    }));
                    effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
                }
            }
        }
    }

    /// A text that Claude Code made up in the model's place: of a failure, or to keep the order of roles.
    fn synthetic(&mut self, line: &wire::AssistantLine, parent: Option<Key>, effects: &mut Vec<Effect>) {
        let text: String = line.message.content.iter().filter_map(|block| block["text"].as_str()).collect();
        match (&line.error, parent) {
            (Some(error), None) => self.failed_with(error, text),
            (None, None) if text == "No response requested." => {}
            // As of a command that it carries out by itself.
            (None, None) => self.message(text, effects),
            (Some(_) | None, Some(_)) => self.system(text, parent, effects),
        }
    }

    fn start_text(&mut self, block: Block, message: &str, parent: Option<Key>, effects: &mut Vec<Effect>) -> Key {
        let key = self.key();
        let content = vec![block.part(String::new())];
        if parent.is_none() {
            self.answered(block == Block::Text);
            self.said.push((message.to_owned(), key));
        }
        effects.push(Effect::Start(Start {
            key,
            native: Some(message.to_owned()),
            parent,
            group: Some(message.to_owned()),
            kind: ItemKind::Message,
            role: Some(Role::Assistant),
            content,
        }));
        key
    }

    fn finish_text(
        &mut self,
        block: Block,
        message: &str,
        parent: Option<Key>,
        text: String,
        effects: &mut Vec<Effect>,
    ) {
        let open =
            self.streamed.as_mut().filter(|streamed| parent.is_none() && streamed.id == message).and_then(|streamed| {
                let at = streamed.blocks.iter().position(|(_, _, open)| *open == block)?;
                Some(streamed.blocks.remove(at).1)
            });
        let key = match open {
            Some(key) => key,
            None if text.is_empty() => return,
            None => self.start_text(block, message, parent, effects),
        };
        let content = Some(vec![block.part(text)]);
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content }));
    }

    /// The call that these lines are nested in. It may not have been told yet.
    fn parent(
        &mut self,
        call: Option<&str>,
        agent: &Option<String>,
        task: &Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Option<Key> {
        let call = call?;
        let arguments = json!({ "subagent_type": agent, "description": task });
        Some(self.call(call, "Task", &arguments, None, None, None, effects))
    }

    /// A call whose arguments are known: complete at once, and only once.
    #[expect(clippy::too_many_arguments, reason = "a call is as wide as this")]
    pub(super) fn call(
        &mut self,
        id: &str,
        name: &str,
        arguments: &Value,
        title: Option<String>,
        parent: Option<Key>,
        group: Option<&str>,
        effects: &mut Vec<Effect>,
    ) -> Key {
        if let Some(known) = self.calls.get(id) {
            return known.key;
        }
        let key = self.key();
        if parent.is_none() {
            self.answered(true);
        }
        let (kind, server, tool) = tool_of(name);
        effects.push(Effect::Start(Start {
            key,
            native: Some(id.to_owned()),
            parent,
            group: group.map(str::to_owned),
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![ContentPart::ToolCall {
                name: tool.to_owned(),
                title: title.filter(|title| title != name),
                kind,
                server: server.map(str::to_owned),
                arguments: arguments.to_string(),
                call_id: id.to_owned(),
            }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
        let call = Call {
            key,
            name: name.to_owned(),
            arguments: arguments.clone(),
            parent,
            group: group.map(str::to_owned),
            answered: false,
            refused: false,
        };
        self.calls.insert(id.to_owned(), call);
        key
    }

    /// What a known call asks for.
    pub(super) fn arguments_of(&self, id: &str) -> Value {
        self.calls.get(id).map(|call| call.arguments.clone()).unwrap_or_else(|| json!({}))
    }

    /// `user`: results, and text that is put into the conversation.
    pub(super) fn user(&mut self, line: wire::UserLine, effects: &mut Vec<Effect>) {
        let parent =
            self.parent(line.parent_tool_use_id.as_deref(), &line.subagent_type, &line.task_description, effects);
        let mut texts: Vec<&str> = Vec::new();
        let mut other: Vec<ContentPart> = Vec::new();
        match line.message.content.as_array() {
            Some(blocks) => {
                for block in blocks {
                    match block["type"].as_str() {
                        Some("tool_result") => {
                            let id = block["tool_use_id"].as_str().unwrap_or_default();
                            if !self.calls.contains_key(id) {
                                self.call(id, "unknown", &json!({}), None, parent, None, effects);
                            }
                            let failed = block["is_error"] == true;
                            self.result(id, &block["content"], failed, &line.tool_use_result, effects);
                        }
                        Some("text") => texts.extend(block["text"].as_str()),
                        _ => other.extend(image(block)),
                    }
                }
            }
            None => texts.extend(line.message.content.as_str()),
        }
        let text = texts.join("\n");
        if let Some(output) = between(&text, "<local-command-stdout>", "</local-command-stdout>")
            .or_else(|| between(&text, "<local-command-stderr>", "</local-command-stderr>"))
        {
            let silent = self.ran_locally();
            if !silent && !output.trim().is_empty() {
                self.system(output.trim().to_owned(), parent, effects);
            }
            return;
        }
        // Prompts are the engine's, and that we interrupted we know.
        if line.is_replay || text.starts_with("[Request interrupted by user") {
            return;
        }
        if line.refused_message_id.is_some() {
            self.retract(line.refused_message_id.as_deref(), effects);
        }
        if !text.is_empty() || !other.is_empty() {
            let mut content = vec![ContentPart::Text { text }];
            content.append(&mut other);
            self.system_parts(content, parent, effects);
        }
    }

    /// The result of a known call; what comes twice is said once.
    fn result(&mut self, id: &str, content: &Value, failed: bool, details: &Value, effects: &mut Vec<Effect>) {
        let interrupted = self.is_interrupted();
        let Some(call) = self.calls.get_mut(id) else { return };
        if std::mem::replace(&mut call.answered, true) {
            return;
        }
        let call = call.clone();
        // Nobody waits for an answer any more.
        self.withdraw(|pending| pending.call == id, effects);
        let (mut output, mut more) = output_of(content);
        let mut exit_code = None;
        if let Some(inside) = between(&output, "<tool_use_error>", "</tool_use_error>") {
            output = inside.to_owned();
        }
        if call.name == "Bash" {
            // The exit code exists only in that text.
            if let Some((code, rest)) = exit_of(&output).filter(|_| failed) {
                (exit_code, output) = (Some(code), rest);
            }
            if output == "(Bash completed with no output)" {
                output.clear();
            }
            let plain = details["backgroundTaskId"].is_null()
                && details["returnCodeInterpretation"].is_null()
                && details["interrupted"] != true;
            if !failed && plain && details.is_object() {
                exit_code = Some(0);
            }
        }
        let status = match (failed, interrupted) {
            _ if call.refused && failed => ItemStatus::Declined,
            (true, true) => ItemStatus::Cancelled,
            (true, false) => ItemStatus::Failed,
            (false, true) if details["interrupted"] == true => ItemStatus::Cancelled,
            (false, _) => ItemStatus::Completed,
        };
        if status == ItemStatus::Completed {
            more.extend(self.file_of(details));
        }
        let key = self.key();
        let part = |output: String| ContentPart::ToolResult {
            call_id: id.to_owned(),
            output,
            exit_code,
            duration_ms: details["durationMs"].as_u64(),
        };
        effects.push(Effect::Start(Start {
            key,
            native: Some(id.to_owned()),
            parent: Some(call.key),
            group: call.group.clone(),
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![ContentPart::ToolResult {
                call_id: id.to_owned(),
                output: String::new(),
                exit_code: None,
                duration_ms: None,
            }],
        }));
        let mut content = vec![part(output)];
        content.append(&mut more);
        effects.push(Effect::Finish(Finish { key, status, content: Some(content) }));
        if status == ItemStatus::Completed {
            self.todo(&call, details, effects);
        }
    }

    /// A file that was touched, as the structured result tells it.
    fn file_of(&self, details: &Value) -> Option<ContentPart> {
        let path = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(read) = path(&details["file"]["filePath"]) {
            return Some(ContentPart::FileRef { path: read, action: FileAction::Read, from: None, diff: None });
        }
        let path = path(&details["filePath"])?;
        let hunks = details["structuredPatch"].as_array()?;
        let name = diff::relative(&self.job.cwd, &path);
        if details["type"] == "create" {
            let diff = Some(diff::whole(name, details["content"].as_str().unwrap_or_default(), '+'));
            return Some(ContentPart::FileRef { path: path.clone(), action: FileAction::Create, from: None, diff });
        }
        let mut text = format!("diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n");
        for hunk in hunks {
            let number = |key: &str| hunk[key].as_u64().unwrap_or(0);
            let (old, new) =
                (span(number("oldStart"), number("oldLines")), span(number("newStart"), number("newLines")));
            writeln!(text, "@@ -{old} +{new} @@").expect("writing into memory cannot fail");
            for line in hunk["lines"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                text.push_str(line);
                text.push('\n');
            }
        }
        let diff = (!hunks.is_empty()).then_some(text);
        Some(ContentPart::FileRef { path: path.clone(), action: FileAction::Update, from: None, diff })
    }

    /// Tools that keep a todo list: the whole list is a status.
    fn todo(&mut self, call: &Call, details: &Value, effects: &mut Vec<Effect>) {
        let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        match call.name.as_str() {
            "TodoWrite" => {
                self.steps = call.arguments["todos"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate()
                    .map(|(at, todo)| Step {
                        id: (at + 1).to_string(),
                        content: word(todo, "content"),
                        status: word(todo, "status"),
                    })
                    .collect();
            }
            "TaskCreate" => {
                let id = details["task"]["id"].as_str().map(str::to_owned);
                self.steps.push(Step {
                    id: id.unwrap_or_else(|| (self.steps.len() + 1).to_string()),
                    content: word(&call.arguments, "subject"),
                    status: "pending".to_owned(),
                });
            }
            "TaskUpdate" => {
                let id = word(&call.arguments, "taskId");
                if call.arguments["status"] == "deleted" {
                    self.steps.retain(|step| step.id != id);
                } else if let Some(step) = self.steps.iter_mut().find(|step| step.id == id) {
                    if let Some(status) = call.arguments["status"].as_str() {
                        step.status = status.to_owned();
                    }
                    if let Some(subject) = call.arguments["subject"].as_str() {
                        step.content = subject.to_owned();
                    }
                }
            }
            _ => return,
        }
        let entries: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let status = match step.status.as_str() {
                    known @ ("in_progress" | "completed") => known,
                    _ => "pending",
                };
                json!({ "id": step.id, "content": step.content, "status": status })
            })
            .collect();
        let json = json!({ "entries": entries });
        effects.push(Effect::Status(Status { label: StatusLabel::Todo, detail: None, json, parent: call.parent }));
    }

    /// Text that is nobody's prompt and nobody's answer.
    pub(super) fn system(&mut self, text: String, parent: Option<Key>, effects: &mut Vec<Effect>) {
        self.system_parts(vec![ContentPart::Text { text }], parent, effects);
    }

    fn system_parts(&mut self, content: Vec<ContentPart>, parent: Option<Key>, effects: &mut Vec<Effect>) {
        let key = self.key();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent,
            group: None,
            kind: ItemKind::System,
            role: Some(Role::System),
            content,
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
    }

    /// A whole message that no stream told.
    pub(super) fn message(&mut self, text: String, effects: &mut Vec<Effect>) {
        self.finish_text(Block::Text, "result", None, text, effects);
    }
}

impl Block {
    fn part(self, text: String) -> ContentPart {
        match self {
            Block::Text => ContentPart::Text { text },
            // What the service shows of it is a summary made for readers.
            Block::Thinking => ContentPart::Reasoning { text, visibility: Visibility::Public },
        }
    }
}

/// What sort of tool a name means, its MCP server, and its name there.
pub(super) fn tool_of(name: &str) -> (ToolKind, Option<&str>, &str) {
    if let Some((server, tool)) = name.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
        return (ToolKind::Mcp, Some(server), tool);
    }
    let kind = match name {
        "Bash" | "BashOutput" | "KillShell" | "Monitor" | "PowerShell" => ToolKind::Command,
        "Edit" | "MultiEdit" | "Write" | "NotebookEdit" => ToolKind::Edit,
        "Read" | "NotebookRead" | "ReadMcpResource" => ToolKind::Read,
        "Glob" | "Grep" | "LS" | "ToolSearch" => ToolKind::Search,
        "WebFetch" | "WebSearch" | "web_search" | "web_fetch" => ToolKind::Fetch,
        "Task" | "Agent" => ToolKind::Agent,
        "AskUserQuestion" => ToolKind::Question,
        "EnterPlanMode" | "ExitPlanMode" | "TodoWrite" | "TaskCreate" | "TaskUpdate" | "TaskList" | "TaskGet" => {
            ToolKind::Plan
        }
        _ => ToolKind::Other,
    };
    (kind, None, name)
}

/// The text of a result, and its pictures.
fn output_of(content: &Value) -> (String, Vec<ContentPart>) {
    let Some(blocks) = content.as_array() else {
        let text = match content.as_str() {
            Some(text) => text.to_owned(),
            None if content.is_null() => String::new(),
            None => content.to_string(),
        };
        return (text, Vec::new());
    };
    let mut texts = Vec::new();
    let mut more = Vec::new();
    for block in blocks {
        match (block["type"].as_str(), block["text"].as_str()) {
            (Some("text"), Some(text)) => texts.push(text),
            _ => more.extend(image(block)),
        }
    }
    (texts.join("\n"), more)
}

/// A block that is no text: a picture, or something as it is.
fn image(block: &Value) -> Option<ContentPart> {
    if block["type"] == "image" {
        let mime = block["source"]["media_type"].as_str().unwrap_or("image/png").to_owned();
        let url = match block["source"]["data"].as_str() {
            Some(data) => format!("data:{mime};base64,{data}"),
            None => block["source"]["url"].as_str().unwrap_or_default().to_owned(),
        };
        return Some(ContentPart::Image { path: None, url: Some(url), mime: Some(mime) });
    }
    Some(ContentPart::Json { json: block.clone() })
}

/// `Exit code 3`, and what follows it.
fn exit_of(output: &str) -> Option<(i64, String)> {
    let rest = output.strip_prefix("Exit code ")?;
    let (code, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    Some((code.trim().parse().ok()?, rest.to_owned()))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(begin)?.strip_suffix(end)
}

fn span(start: u64, lines: u64) -> String {
    if lines == 1 { start.to_string() } else { format!("{start},{lines}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_server() {
        assert_eq!(tool_of("mcp__echo__shout"), (ToolKind::Mcp, Some("echo"), "shout"));
        assert_eq!(tool_of("mcp__a_b__c__d"), (ToolKind::Mcp, Some("a_b"), "c__d"));
        assert_eq!(tool_of("mcp__broken"), (ToolKind::Other, None, "mcp__broken"));
    }

    #[test]
    fn an_exit_code_is_taken_out_of_the_text() {
        assert_eq!(exit_of("Exit code 3\noops\nmore"), Some((3, "oops\nmore".to_owned())));
        assert_eq!(exit_of("Exit code 1"), Some((1, String::new())));
        assert_eq!(exit_of("Exit code x\n"), None);
    }
}
