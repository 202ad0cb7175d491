//! How Codex is started: its app-server on stdio, with the user's own configuration and login.

use crate::agent::{Job, Launch};

/// Arguments and environment.
pub(super) fn launch(job: &Job) -> Launch {
    // An update check asks the network and can only disturb a run.
    let mut args: Vec<String> = ["app-server", "-c", "check_for_update_on_startup=false"].map(str::to_owned).into();
    if job.api_key.is_some() {
        // A login with somebody else's key is for this process only: nothing is written into the user's CODEX_HOME.
        args.extend(["-c", "cli_auth_credentials_store=\"ephemeral\""].map(str::to_owned));
    }
    args.extend(job.agent_args.iter().cloned());
    // Where it looks for skills is told in `begin_thread`.
    let links = job.skills.iter().map(|skill| (format!("skills/{}", skill.name), skill.path.clone())).collect();
    // It leaves within 100 ms of the end of its input, and takes its commands along.
    Launch { args, links, eof_ms: 2000, term_ms: 1500, ..Launch::default() }
}
