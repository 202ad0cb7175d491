//! How Claude Code is started: print mode on stdio, with the user's own configuration and login.

use schema::event::PermissionMode;

use crate::agent::{Job, Launch};

/// Arguments and environment.
pub(super) fn launch(job: &Job) -> Launch {
    let mut args: Vec<String> = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
        "--include-partial-messages",
        // Without it nobody is asked and everything that would be is denied.
        "--permission-prompt-tool",
        "stdio",
        "--permission-mode",
        start_mode(job),
    ]
    .map(str::to_owned)
    .into();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            args.extend([name.to_owned(), value]);
        }
    };
    option("--model", job.model.clone());
    option("--effort", job.effort.clone());
    option("--max-turns", job.max_turns.map(|turns| turns.to_string()));
    option("--resume", job.resume.as_ref().map(|resume| resume.native_session_id.clone()));
    if job.resume.as_ref().is_some_and(|resume| resume.fork) {
        args.push("--fork-session".to_owned());
    }
    args.extend(job.agent_args.iter().cloned());
    let mut env = vec![
        // It would replace itself in the middle of a run.
        ("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned()),
        // Its transcript is written as it happens: a killed turn can be gone on with.
        ("CLAUDE_CODE_EAGER_FLUSH".to_owned(), "1".to_owned()),
    ];
    if start_mode(job) == "bypassPermissions" {
        // As root it refuses this mode without.
        env.push(("IS_SANDBOX".to_owned(), "1".to_owned()));
    }
    // What a Claude Code above us says of itself is not for this one.
    let unset = ["CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID"].map(str::to_owned).into();
    // It leaves within 50 ms of the end of its input, once its turn is over.
    Launch { args, env, unset, eof_ms: 2000, term_ms: 1500, ..Launch::default() }
}

/// Its permission mode while it does not plan: one that asks us, and never `dontAsk`, which refuses by itself.
pub(super) fn base_mode(job: &Job) -> &'static str {
    match job.permission_mode {
        _ if job.must_ask => "default",
        PermissionMode::ReadOnly | PermissionMode::Ask | PermissionMode::AcceptEdits => "default",
        PermissionMode::Auto => "auto",
        PermissionMode::Bypass => "bypassPermissions",
    }
}

fn start_mode(job: &Job) -> &'static str {
    if job.mode.as_deref() == Some("plan") { "plan" } else { base_mode(job) }
}
