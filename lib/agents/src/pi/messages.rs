//! Pi's messages as ours: text and reasoning as they grow, calls once their arguments are known.

use std::collections::HashMap;

use schema::item::{ContentPart, ItemKind, ItemStatus, Role, Visibility};

use super::dialect::{Answered, Conversation};
use super::wire;
use crate::dialect::{Effect, Finish, Key, Start};

/// An answer of the model that is being streamed.
#[derive(Debug)]
pub(super) struct Streamed {
    group: Option<String>,
    /// Its texts and reasonings by their place in it.
    blocks: HashMap<usize, Block>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    key: Key,
    form: Form,
    open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Reasoning,
}

impl Form {
    fn part(self, text: String) -> ContentPart {
        match self {
            Form::Text => ContentPart::Text { text },
            // What Pi shows to its user is what the vendor means to be shown.
            Form::Reasoning => ContentPart::Reasoning { text, visibility: Visibility::Public },
        }
    }
}

impl Conversation {
    /// `message_start`.
    pub(super) fn message_began(
        &mut self,
        record: wire::MessageRecord,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        let message = record.message;
        match message.role.as_str() {
            "assistant" => {
                // One that broke off without an end is over.
                self.close_streamed(ItemStatus::Failed, effects);
                let group = message.timestamp.map(|time| format!("msg_{time}"));
                self.streamed = Some(Streamed { group, blocks: HashMap::new() });
                if let Some(turn) = &mut self.turn {
                    turn.attempt.clear();
                }
            }
            // Prompts are the engine's.
            "user" | "custom" => {}
            role => return Ok(wire::IGNORED_ROLES.iter().any(|(name, _)| *name == role)),
        }
        Ok(true)
    }

    /// `message_update`; the hot path.
    pub(super) fn updated(
        &mut self,
        update: wire::Update<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        let at = update.content_index;
        match &*update.kind {
            "text_delta" | "thinking_delta" => {
                let form = if update.kind == "text_delta" { Form::Text } else { Form::Reasoning };
                let block = self.block(at, form, effects);
                if block.open {
                    effects.push(Effect::Grow(block.key, update.delta.into_owned()));
                }
            }
            "text_start" => drop(self.block(at, Form::Text, effects)),
            "thinking_start" => drop(self.block(at, Form::Reasoning, effects)),
            "text_end" | "thinking_end" => {
                let form = if update.kind == "text_end" { Form::Text } else { Form::Reasoning };
                self.block(at, form, effects);
                // What is being cut is closed by the message's end, which says so.
                if !self.is_cancelled() {
                    self.close_block(at, Some(update.content.into_owned()), ItemStatus::Completed, effects);
                }
            }
            "toolcall_end" => {
                if let Some(call) = update.tool_call {
                    self.call_item(&call.id, &call.name, &call.arguments, effects);
                }
            }
            // The arguments are told at their end; the message has its own beginning and end.
            "toolcall_start" | "toolcall_delta" | "start" | "done" | "error" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `message_end`: what it says is what holds.
    pub(super) fn message_ended(
        &mut self,
        record: wire::MessageRecord,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        let message = record.message;
        match message.role.as_str() {
            "assistant" => self.answer_ended(message, effects),
            "user" => {}
            // Text that an extension puts into the conversation.
            "custom" => {
                let text = message.content.text();
                if message.display != Some(false) && !text.is_empty() {
                    self.system(text, effects);
                }
            }
            "toolResult" => {
                // A tool may have asked a model of its own.
                if let Some(counts) = message.usage {
                    self.count(counts, None);
                }
            }
            role => return Ok(wire::IGNORED_ROLES.iter().any(|(name, _)| *name == role)),
        }
        Ok(true)
    }

    fn answer_ended(&mut self, message: wire::Message, effects: &mut Vec<Effect>) {
        let reason = message.stop_reason.unwrap_or_default();
        let status = match reason.as_str() {
            _ if self.is_cancelled() && matches!(reason.as_str(), "error" | "aborted") => ItemStatus::Cancelled,
            "aborted" => ItemStatus::Cancelled,
            "error" => ItemStatus::Failed,
            _ => ItemStatus::Completed,
        };
        let mut streamed = self.streamed.as_ref().is_some_and(|streamed| !streamed.blocks.is_empty());
        for (at, block) in message.content.blocks().into_iter().enumerate() {
            streamed = true;
            match block.kind.as_str() {
                "text" => self.whole_block(at, Form::Text, block.text.unwrap_or_default(), status, effects),
                "thinking" => {
                    self.whole_block(at, Form::Reasoning, block.thinking.unwrap_or_default(), status, effects);
                }
                "toolCall" => {
                    if let (Some(id), Some(name)) = (block.id, block.name) {
                        self.call_item(&id, &name, &block.arguments, effects);
                    }
                }
                _ => {}
            }
        }
        self.close_streamed(status, effects);
        if let Some(counts) = message.usage {
            let model = match (message.provider, message.model) {
                (Some(provider), Some(model)) => Some(format!("{provider}/{model}")),
                (_, model) => model,
            };
            self.count(counts, model);
            self.fills(counts, effects);
        }
        if let Some(turn) = &mut self.turn {
            turn.last =
                Some(Answered { reason, raw_reason: message.raw_stop_reason, error: message.error_message, streamed });
        }
    }

    /// The item of a text or reasoning, begun where it is not.
    fn block(&mut self, at: usize, form: Form, effects: &mut Vec<Effect>) -> Block {
        if let Some(block) = self.streamed.as_ref().and_then(|streamed| streamed.blocks.get(&at)) {
            return *block;
        }
        self.in_turn(effects);
        let key = self.key();
        let streamed = self.streamed.get_or_insert_with(|| Streamed { group: None, blocks: HashMap::new() });
        let block = Block { key, form, open: true };
        streamed.blocks.insert(at, block);
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: None,
            group: streamed.group.clone(),
            kind: ItemKind::Message,
            role: Some(Role::Assistant),
            content: vec![form.part(String::new())],
        }));
        if let Some(turn) = &mut self.turn {
            turn.attempt.push(key);
        }
        block
    }

    /// A text or reasoning as the message's end has it; one that says nothing is none.
    fn whole_block(&mut self, at: usize, form: Form, text: String, status: ItemStatus, effects: &mut Vec<Effect>) {
        let is_there = self.streamed.as_ref().is_some_and(|streamed| streamed.blocks.contains_key(&at));
        if is_there || !text.is_empty() {
            self.block(at, form, effects);
            self.close_block(at, Some(text), status, effects);
        }
    }

    fn close_block(&mut self, at: usize, text: Option<String>, status: ItemStatus, effects: &mut Vec<Effect>) {
        let Some(block) = self.streamed.as_mut().and_then(|streamed| streamed.blocks.get_mut(&at)) else { return };
        if std::mem::replace(&mut block.open, false) {
            let content = text.map(|text| vec![block.form.part(text)]);
            effects.push(Effect::Finish(Finish { key: block.key, status, content }));
        }
    }

    /// Closes what is left of a streamed answer.
    fn close_streamed(&mut self, status: ItemStatus, effects: &mut Vec<Effect>) {
        let mut left: Vec<usize> = self.streamed.iter().flat_map(|streamed| streamed.blocks.keys().copied()).collect();
        left.sort_unstable();
        for at in left {
            self.close_block(at, None, status, effects);
        }
        self.streamed = None;
    }

    /// The model message that is being streamed.
    pub(super) fn group(&self) -> Option<String> {
        self.streamed.as_ref().and_then(|streamed| streamed.group.clone())
    }
}
