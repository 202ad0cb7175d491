//! Cursor's agent, through `cursor-agent acp`: its card and its way in. Made from its documentation; no turn of it could be driven.

mod dialect;
mod launch;
mod wire;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe;

/// Cursor.
pub struct Cursor;

static CARD: Card = Card {
    name: "cursor",
    title: "Cursor",
    program: Some("cursor-agent"),
    tested: recipe::CURSOR.tested,
    oldest: None,
    modes: &["agent", "plan", "ask"],
    efforts: &[],
    permission_modes: &crate::acp::ASKING,
    can: Capabilities { todo: true, ..crate::acp::CAN },
    made: &[],
    install: &recipe::CURSOR,
};

impl Agent for Cursor {
    fn card(&self) -> &Card {
        &CARD
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(job)
    }

    fn is_verified(&self) -> bool {
        false
    }

    fn inquiry(&self, job: &Job) -> Option<Box<dyn Inquiry>> {
        Some(Box::new(crate::acp::offer::Asking::new(job)))
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Cursor::new(job))
    }
}
