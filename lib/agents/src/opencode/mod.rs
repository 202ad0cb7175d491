//! OpenCode, through `opencode serve`: its card and its way in.

mod dialect;
mod diff;
mod launch;
mod offer;
mod parts;
mod requests;
mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe;

/// OpenCode.
pub struct OpenCode;

static CARD: Card = Card {
    name: "opencode",
    title: "OpenCode",
    program: Some("opencode"),
    tested: recipe::OPENCODE.tested,
    oldest: None,
    modes: &["build", "plan"],
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
        edit_input: false,
        deny_message: true,
        max_turns: false,
        cost: true,
        mcp: true,
        skills: true,
        reasoning: true,
        permissions: true,
        questions: true,
        plan: true,
        todo: true,
        subagents: true,
    },
    made: &[],
    install: &recipe::OPENCODE,
};

impl Agent for OpenCode {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn inquiry(&self, _job: &Job) -> Option<Box<dyn Inquiry>> {
        Some(Box::new(offer::Asking::default()))
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}
