//! How an ACP agent is started: its command as it stands, with the user's own configuration and login.

use crate::agent::{Job, Launch};

/// Arguments and environment.
pub(crate) fn launch(arguments: &[String], job: &Job) -> Launch {
    let args = arguments.iter().chain(&job.agent_args).cloned().collect();
    // Most leave within a second of the end of their input; adapters that wait for a child of theirs may not leave at all.
    Launch { args, eof_ms: 2000, term_ms: 1500, ..Launch::default() }
}
