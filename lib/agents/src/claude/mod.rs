//! Claude Code, through `claude -p` with stream-json both ways: its card and its way in.

mod dialect;
mod items;
mod launch;
mod offer;
mod requests;
mod spent;
mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe;

/// Claude Code.
pub struct Claude;

static CARD: Card = Card {
    name: "claude",
    title: "Claude Code",
    program: Some("claude"),
    tested: recipe::CLAUDE.tested,
    oldest: None,
    modes: &["default", "plan"],
    efforts: &[],
    permission_modes: &PermissionMode::ALL,
    can: Capabilities {
        model: true,
        effort: true,
        resume: true,
        resume_elsewhere: false,
        fork: true,
        steer: true,
        images: true,
        files: true,
        edit_input: true,
        deny_message: true,
        max_turns: true,
        cost: true,
        mcp: true,
        skills: true,
        reasoning: true,
        permissions: true,
        questions: true,
        plan: true,
        todo: false,
        subagents: true,
    },
    made: &[],
    install: &recipe::CLAUDE,
};

impl Agent for Claude {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn inquiry(&self, _job: &Job) -> Option<Box<dyn Inquiry>> {
        Some(Box::new(offer::Asking))
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}
