//! How Claude Code is started: print mode on stdio, with the user's own configuration and login.

use schema::event::PermissionMode;

use crate::agent::{File, Job, Launch};
use crate::mcp;

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
    let (mut files, mut links) = (Vec::new(), Vec::new());
    if !job.mcp.is_empty() {
        // Its option takes any number of values: without the `=` it would take what follows, too.
        args.push(format!("--mcp-config={}/mcp.json", job.folder));
        files.push(File { path: "mcp.json".to_owned(), bytes: mcp::file(&job.mcp).to_string().into_bytes() });
    }
    if !job.skills.is_empty() {
        // A plugin is what it loads for one session only; a skill of it is called `session:NAME`.
        args.push(format!("--plugin-dir={}/plugin", job.folder));
        let manifest = br#"{"name":"session"}"#.to_vec();
        files.push(File { path: "plugin/.claude-plugin/plugin.json".to_owned(), bytes: manifest });
        links.extend(job.skills.iter().map(|skill| (format!("plugin/skills/{}", skill.name), skill.path.clone())));
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
    Launch { args, env, unset, files, links, eof_ms: 2000, term_ms: 1500, ..Launch::default() }
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
