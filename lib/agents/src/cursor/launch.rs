//! How Cursor's agent is started: its ACP server on stdio, with the user's own login or `CURSOR_API_KEY`.

use crate::agent::{Job, Launch};

/// Arguments and environment.
pub(super) fn launch(job: &Job) -> Launch {
    crate::acp::launch::launch(&["acp".to_owned()], job)
}
