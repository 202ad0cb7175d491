//! Amp's conversation as a state machine: whole messages, no deltas, and no way to ask.

use std::collections::HashMap;

use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel, Visibility};
use schema::outcome::ErrorCode;
use serde_json::{Value, json};

use super::wire::{self, Block, Line};
use crate::agent::Job;
use crate::dialect::{
    Dialect, Effect, Fault, Finish, Input, Key, Order, OrderId, Prompt, Start, Status, Stop, Verdict,
};

/// One conversation.
pub(super) struct Conversation {
    /// The text of the running turn's prompt.
    turn: Option<String>,
    keys: u32,
    calls: HashMap<String, Key>,
}

impl Conversation {
    pub(super) fn new(_job: &Job) -> Conversation {
        Conversation { turn: None, keys: 0, calls: HashMap::new() }
    }

    fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        if prompt.steer {
            let fault = Fault::new(ErrorCode::BadRequest, "Amp takes no prompt into a running turn");
            effects.push(Effect::Refused(order, fault));
            return;
        }
        let content = json!([{ "type": "text", "text": prompt.text }]);
        let line = json!({ "type": "user", "message": { "role": "user", "content": content } });
        effects.push(Effect::Say(line.to_string()));
        effects.push(Effect::Taken(order));
        self.turn = Some(prompt.text.clone());
    }

    fn heard(&mut self, line: &str, effects: &mut Vec<Effect>) {
        if wire::wants_login(line) {
            // It would wait for a code, and take our next line for one.
            let message = "Amp has no login: set AMP_API_KEY, or run `amp login`";
            return self.fail(Fault::new(ErrorCode::Auth, message), effects);
        }
        match serde_json::from_str::<Line>(line) {
            Ok(Line::System(system)) => {
                effects.push(Effect::Native(system.session_id));
                let json = json!({ "tools": system.tools, "mcp": system.mcp_servers });
                let label = StatusLabel::SessionInfo;
                effects.push(Effect::Status(Status { label, detail: None, json, parent: None }));
            }
            Ok(Line::Assistant(spoken)) | Ok(Line::User(spoken)) => {
                let parent = spoken.parent_tool_use_id.and_then(|id| self.calls.get(&id).copied());
                let assistant = spoken.message.id.is_some();
                let blocks = match spoken.message.content {
                    Value::String(text) => vec![json!({ "type": "text", "text": text })],
                    Value::Array(blocks) => blocks,
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
                };
                for block in blocks {
                    match serde_json::from_value(block) {
                        Ok(block) => self.block(block, spoken.message.id.clone(), assistant, parent, effects),
                        Err(error) => {
                            effects.push(Effect::Unparsed { error: error.to_string(), location: "message".to_owned() });
                        }
                    }
                }
            }
            Ok(Line::Result(ended)) => {
                let stop = if ended.subtype == "error_max_turns" {
                    Stop::Failed(Fault::new(ErrorCode::MaxTurns, "Amp reached its limit of turns"))
                } else if ended.is_error || ended.subtype.starts_with("error") {
                    let message = ended.error.unwrap_or_else(|| "Amp failed and did not say why".to_owned());
                    Stop::Failed(Fault::new(wire::code(&message), message))
                } else {
                    Stop::Done
                };
                self.end(stop, Some(ended.subtype), ended.usage.and_then(|usage| usage.usage()), effects);
            }
            Err(error) => effects.push(Effect::Unparsed { error: error.to_string(), location: "stdout".to_owned() }),
        }
    }

    fn block(
        &mut self,
        block: Block,
        group: Option<String>,
        assistant: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let (kind, role, part, status) = match block {
            Block::Text { text } if assistant => {
                (ItemKind::Message, Role::Assistant, ContentPart::Text { text }, ItemStatus::Completed)
            }
            // The prompt told back is no news.
            Block::Text { text } if parent.is_none() && self.turn.as_ref().is_some_and(|prompt| *prompt == text) => {
                return;
            }
            Block::Text { text } => (ItemKind::System, Role::System, ContentPart::Text { text }, ItemStatus::Completed),
            Block::Thinking { thinking } => {
                let part = ContentPart::Reasoning { text: thinking, visibility: Visibility::Public };
                (ItemKind::Message, Role::Assistant, part, ItemStatus::Completed)
            }
            Block::RedactedThinking {} => return,
            Block::ToolUse { id, name, input } => {
                let key = self.key();
                self.calls.insert(id.clone(), key);
                if name == "todo_write" {
                    let json = json!({ "entries": input["todos"] });
                    effects.push(Effect::Status(Status { label: StatusLabel::Todo, detail: None, json, parent }));
                }
                let mut arguments = input;
                if let Some(command) = arguments.get("cmd").cloned().filter(|_| name == "Bash") {
                    arguments["command"] = command;
                }
                let part = ContentPart::ToolCall {
                    title: None,
                    kind: wire::tool_kind(&name),
                    server: wire::server(&name),
                    arguments: arguments.to_string(),
                    call_id: id.clone(),
                    name,
                };
                let (kind, role) = (ItemKind::ToolCall, Some(Role::Assistant));
                let content = vec![part];
                effects.push(Effect::Start(Start { key, native: Some(id), parent, group, kind, role, content }));
                effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
                return;
            }
            Block::ToolResult { tool_use_id, content, is_error } => {
                let Some(call) = self.calls.get(&tool_use_id).copied() else {
                    let error = format!("a result of no call that was made ({tool_use_id})");
                    effects.push(Effect::Unparsed { error, location: "tool_result".to_owned() });
                    return;
                };
                let output = wire::output(&content);
                let part = ContentPart::ToolResult { call_id: tool_use_id, output, exit_code: None, duration_ms: None };
                let status = if is_error { ItemStatus::Failed } else { ItemStatus::Completed };
                return self.whole(ItemKind::ToolResult, Role::Tool, part, status, group, Some(call), effects);
            }
        };
        self.whole(kind, role, part, status, group, parent, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "an item has as many sides")]
    fn whole(
        &mut self,
        kind: ItemKind,
        role: Role,
        part: ContentPart,
        status: ItemStatus,
        group: Option<String>,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let key = self.key();
        let role = Some(role);
        effects.push(Effect::Start(Start { key, native: None, parent, group, kind, role, content: vec![part] }));
        effects.push(Effect::Finish(Finish { key, status, content: None }));
    }

    fn fail(&mut self, fault: Fault, effects: &mut Vec<Effect>) {
        if self.turn.is_some() {
            self.end(Stop::Failed(fault), None, None, effects);
            effects.push(Effect::End(None));
        } else {
            effects.push(Effect::End(Some(fault)));
        }
    }

    fn end(
        &mut self,
        stop: Stop,
        reason: Option<String>,
        usage: Option<schema::event::Usage>,
        effects: &mut Vec<Effect>,
    ) {
        if self.turn.take().is_none() {
            return;
        }
        let mut verdict = Verdict::new(stop);
        verdict.stop_reason = reason;
        verdict.usage = usage;
        effects.push(Effect::TurnEnded(Box::new(verdict)));
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Line(line) if !line.trim().is_empty() => self.heard(line, effects),
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Set(_) => {
                    let fault = Fault::new(ErrorCode::BadRequest, "Amp's settings hold for a whole run");
                    effects.push(Effect::Refused(id, fault));
                }
                // Its protocol has no word for it: the process is ended, and its thread can be gone on with.
                Order::Cancel => {
                    self.end(Stop::Interrupted, None, None, effects);
                    effects.push(Effect::End(None));
                }
                Order::Decide(..) | Order::Answer(..) | Order::Refuse(..) => {}
            },
            // What it has to say of its failure stands on stderr.
            Input::Closed(exit) if self.turn.is_some() && wire::code(&exit.stderr) != ErrorCode::Other => {
                let said = exit.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                let fault = Fault::new(wire::code(&exit.stderr), said.trim_start_matches("Error: "));
                self.end(Stop::Failed(fault), None, None, effects);
            }
            Input::Opened
            | Input::Line(_)
            | Input::Woke(_)
            | Input::Closed(_)
            | Input::Reply { .. }
            | Input::StreamLost => {}
        }
    }
}
