//! Codex's conversation as a state machine.

use crate::agent::Job;
use crate::dialect::{Dialect, Effect, Input};

/// One conversation.
pub(super) struct Conversation;

impl Conversation {
    pub(super) fn new(_job: &Job) -> Conversation {
        Conversation
    }
}

impl Dialect for Conversation {
    fn step(&mut self, _input: Input<'_>, _effects: &mut Vec<Effect>) {}
}
