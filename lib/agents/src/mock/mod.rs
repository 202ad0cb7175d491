//! Mock: its card and its way in.

mod dialect;
mod launch;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;

/// Mock.
pub struct Mock;

static CARD: Card = Card {
    name: "mock",
    title: "Mock",
    program: None,
    tested: "0",
    modes: &[],
    efforts: &[],
    permission_modes: &PermissionMode::ALL,
    can: Capabilities {
        model: true,
        effort: true,
        resume: true,
        resume_elsewhere: true,
        fork: false,
        steer: true,
        images: true,
        files: false,
        edit_input: false,
        deny_message: false,
        max_turns: false,
        cost: false,
    },
    install: "",
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
