//! How Codex is started.

use crate::agent::{Job, Launch};

/// Arguments and environment.
pub(super) fn launch(_job: &Job) -> Launch {
    Launch::default()
}
