//! Codex, through `codex app-server`: its card and its way in.

mod dialect;
mod diff;
mod items;
mod launch;
mod offer;
mod requests;
mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe;

/// Codex.
pub struct Codex;

static CARD: Card = Card {
    name: "codex",
    title: "Codex",
    program: Some("codex"),
    tested: recipe::CODEX.tested,
    oldest: None,
    modes: &["default", "plan"],
    efforts: &[],
    permission_modes: &PermissionMode::ALL,
    can: Capabilities {
        model: true,
        effort: true,
        resume: true,
        resume_elsewhere: true,
        fork: true,
        steer: true,
        images: true,
        files: false,
        edit_input: false,
        deny_message: false,
        max_turns: false,
        cost: false,
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
    install: &recipe::CODEX,
};

impl Agent for Codex {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn inquiry(&self, job: &Job) -> Option<Box<dyn Inquiry>> {
        Some(Box::new(offer::Asking::new(&job.client_version)))
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}
