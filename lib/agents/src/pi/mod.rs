//! Pi, through `pi --mode rpc` and an extension of ours: its card and its way in.

mod dialect;
mod launch;
mod messages;
mod offer;
mod requests;
mod tools;
mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card, Oldest};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe;

/// Pi.
pub struct Pi;

static CARD: Card = Card {
    name: "pi",
    title: "Pi",
    program: Some("pi"),
    tested: recipe::PI.tested,
    oldest: Some(Oldest {
        package: "@earendil-works/pi-coding-agent",
        version: "0.84.0",
        why: "before that every line of a streamed answer repeats the whole answer, and a long one kills it",
    }),
    modes: &[],
    efforts: &["off", "minimal", "low", "medium", "high", "xhigh", "max"],
    permission_modes: &PermissionMode::ALL,
    can: Capabilities {
        model: true,
        effort: true,
        resume: true,
        resume_elsewhere: false,
        fork: true,
        steer: true,
        images: true,
        files: false,
        edit_input: true,
        deny_message: true,
        max_turns: false,
        cost: true,
        mcp: false,
        skills: true,
        reasoning: true,
        permissions: true,
        questions: true,
        plan: false,
        todo: false,
        subagents: false,
    },
    made: &["permissions", "questions"],
    install: &recipe::PI,
};

impl Agent for Pi {
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
