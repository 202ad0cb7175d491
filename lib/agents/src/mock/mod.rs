//! Mock: the agent that is built in, a test instrument that plays a script chosen by the first word of the prompt.

mod dialect;
pub mod launch;
pub mod player;
pub mod script;
#[cfg(test)]
mod tests;
pub mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::recipe;

/// Mock.
pub struct Mock;

static CARD: Card = Card {
    name: "mock",
    title: "Mock",
    program: None,
    tested: recipe::MOCK.tested,
    oldest: None,
    modes: &["default", "plan"],
    efforts: &["low", "medium", "high"],
    permission_modes: &PermissionMode::ALL,
    can: Capabilities {
        model: true,
        effort: true,
        resume: true,
        resume_elsewhere: true,
        fork: true,
        steer: true,
        images: true,
        files: true,
        edit_input: true,
        deny_message: true,
        max_turns: true,
        cost: true,
        mcp: false,
        skills: false,
        reasoning: true,
        permissions: true,
        questions: true,
        plan: true,
        todo: true,
        subagents: true,
    },
    made: &[],
    install: &recipe::MOCK,
};

impl Agent for Mock {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}
