//! Cursor's conversation: the Agent Client Protocol, and the methods of its own beside it.

use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use serde_json::{Value, json};

use super::wire;
use crate::acp::dialect::Conversation;
use crate::acp::requests::Reply;
use crate::acp::wire::{Message, text};
use crate::agent::Job;
use crate::dialect::{Decision, Dialect, Effect, Finish, Input, Start, Status};

/// One conversation.
pub(super) struct Cursor {
    acp: Conversation,
    todos: Vec<Value>,
}

impl Cursor {
    pub(super) fn new(job: &Job) -> Cursor {
        Cursor { acp: Conversation::new(job), todos: Vec::new() }
    }

    /// A method of Cursor's own. Returns whether it was one.
    fn own(&mut self, line: &str, effects: &mut Vec<Effect>) -> bool {
        if !line.contains("\"cursor/") {
            return false;
        }
        let Ok(Message { method: Some(method), id, params, .. }) = serde_json::from_str::<Message>(line) else {
            return false;
        };
        match (method.as_str(), &id) {
            // One that asks nothing is refused as any that we do not understand.
            ("cursor/ask_question", Some(id)) if !wire::questions(&params).is_empty() => {
                let questions = wire::questions(&params);
                let call = text(&params, "toolCallId").map(str::to_owned);
                let reply = move |reply: &Reply<'_>| match reply {
                    Reply::Answered(answers) => wire::answered(&params, answers),
                    Reply::Refused | Reply::Decided(_) => wire::outcome("skipped"),
                    Reply::Cancelled => wire::outcome("cancelled"),
                };
                self.acp.question(id, call.as_deref(), questions, Box::new(reply), effects);
                return true;
            }
            ("cursor/create_plan", Some(id)) => {
                let call = json!({
                    "toolCallId": text(&params, "toolCallId").map_or_else(|| format!("plan-{id}"), str::to_owned),
                    "name": "create_plan", "title": params["name"], "kind": "switch_mode", "rawInput": params,
                });
                let reply = |reply: &Reply<'_>| match reply {
                    Reply::Decided(Decision::Accept { .. } | Decision::AcceptForSession) => wire::outcome("accepted"),
                    Reply::Decided(Decision::Reject { .. }) | Reply::Answered(_) | Reply::Refused => {
                        wire::outcome("rejected")
                    }
                    Reply::Cancelled => wire::outcome("cancelled"),
                };
                self.acp.permit(id, &call, Vec::new(), Box::new(reply), effects);
                return true;
            }
            ("cursor/update_todos", _) => {
                self.todos = wire::todos(&self.todos, &params);
                self.status(StatusLabel::Todo, json!({ "entries": self.todos }), effects);
            }
            ("cursor/task", _) => self.status(StatusLabel::Task, params, effects),
            ("cursor/generate_image", _) => self.picture(&params, effects),
            _ => return false,
        }
        if let Some(id) = &id {
            self.acp.say(&crate::jsonrpc::answer(id, &json!({})), effects);
        }
        true
    }

    fn status(&self, label: StatusLabel, json: Value, effects: &mut Vec<Effect>) {
        effects.push(Effect::Status(Status { label, detail: None, json, parent: None }));
    }

    fn picture(&mut self, params: &Value, effects: &mut Vec<Effect>) {
        let path = text(params, "filePath").or(text(params, "path")).map(str::to_owned);
        let key = self.acp.key();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: None,
            group: None,
            kind: ItemKind::Message,
            role: Some(Role::Assistant),
            content: vec![ContentPart::Image { path, url: None, mime: None }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
    }
}

impl Dialect for Cursor {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        if let Input::Line(line) = input
            && self.own(line, effects)
        {
            return;
        }
        self.acp.step(input, effects);
    }
}
