//! Amp, through `amp --execute --stream-json --stream-json-input`: its card and its way in. Its loop runs at its maker's, so that no
//! turn of it could be driven: made from its documented types and from what it says without a login.

mod dialect;
mod launch;
mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::recipe;

/// Amp.
pub struct Amp;

static CARD: Card = Card {
    name: "amp",
    title: "Amp",
    program: Some("amp"),
    tested: recipe::AMP.tested,
    oldest: None,
    modes: &[],
    efforts: &[],
    // In this mode of it nobody can be asked: its own settings decide.
    permission_modes: &[PermissionMode::Auto, PermissionMode::Bypass],
    can: Capabilities {
        model: false,
        effort: false,
        resume: true,
        resume_elsewhere: true,
        fork: false,
        steer: false,
        images: false,
        files: false,
        edit_input: false,
        deny_message: false,
        max_turns: false,
        cost: false,
        mcp: true,
        skills: false,
        reasoning: true,
        permissions: false,
        questions: false,
        plan: false,
        todo: false,
        subagents: true,
    },
    made: &[],
    install: &recipe::AMP,
};

impl Agent for Amp {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn is_verified(&self) -> bool {
        false
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}
