//! How OpenCode is started: its server on loopback, with the user's own configuration and login, asking us.

use schema::event::PermissionMode;
use serde_json::{Map, Value, json};

use crate::agent::{File, Job, Launch, Wire};
use crate::mcp::{Reach, Server};

/// Its default name for Basic authentication.
const USER: &str = "opencode";

/// Arguments, environment, and how it is spoken to.
pub(super) fn launch(job: &Job) -> Launch {
    let mut args: Vec<String> = ["serve", "--hostname", "127.0.0.1", "--port", "0"].map(str::to_owned).into();
    args.extend(job.agent_args.iter().cloned());
    let mut env = vec![
        // Without it any user of the machine could run tools in our name.
        ("OPENCODE_SERVER_PASSWORD".to_owned(), job.secret.clone()),
        ("OPENCODE_SERVER_USERNAME".to_owned(), USER.to_owned()),
        // It must stay the version that was started.
        ("OPENCODE_DISABLE_AUTOUPDATE".to_owned(), "1".to_owned()),
    ];
    // A session's rules do not reach its sub-agents, these do.
    let rules = permissions(job);
    if !rules.is_empty() {
        let rules: Map<String, Value> =
            rules.iter().map(|(name, action)| ((*name).to_owned(), json!(action))).collect();
        env.push(("OPENCODE_PERMISSION".to_owned(), Value::from(rules).to_string()));
    }
    let mut files = Vec::new();
    if !job.mcp.is_empty() || !job.skills.is_empty() {
        // It is merged into the user's and the project's own.
        env.push(("OPENCODE_CONFIG".to_owned(), format!("{}/opencode.json", job.folder)));
        files.push(File { path: "opencode.json".to_owned(), bytes: configuration(job).to_string().into_bytes() });
    }
    let wire = Wire::Http {
        ready: "opencode server listening on ".to_owned(),
        events: "/event".to_owned(),
        user: USER.to_owned(),
        password: job.secret.clone(),
    };
    // The end of its input says nothing to it; SIGTERM ends it at once.
    Launch { args, env, files, wire, eof_ms: 0, term_ms: 3000, ..Launch::default() }
}

/// The session's servers and skills in its own words.
fn configuration(job: &Job) -> Value {
    let server = |server: &Server| {
        let mut value = match &server.reach {
            Reach::Program { command, args, env } => {
                let command: Vec<&String> = std::iter::once(command).chain(args).collect();
                json!({ "type": "local", "command": command, "environment": env })
            }
            // It finds out by itself which of the two ways an address speaks.
            Reach::Address { url, headers, sse: _ } => json!({ "type": "remote", "url": url, "headers": headers }),
        };
        if let Some(timeout) = server.timeout {
            value["timeout"] = json!(timeout);
        }
        value
    };
    let servers: Map<String, Value> = job.mcp.iter().map(|one| (one.name.clone(), server(one))).collect();
    let skills: Vec<&String> = job.skills.iter().map(|skill| &skill.path).collect();
    json!({ "mcp": servers, "skills": { "paths": skills } })
}

/// What is allowed, asked or denied, by name of the permission; the last that fits decides. Nothing where OpenCode's own
/// judgement is wanted.
pub(super) fn permissions(job: &Job) -> Vec<(&'static str, &'static str)> {
    // Reading and searching within the working directory, and what changes nothing outside the conversation.
    const HARMLESS: &[&str] = &["read", "glob", "grep", "list", "lsp", "task", "skill"];
    const TALK: &[&str] = &["question", "todowrite", "todoread", "plan_enter", "plan_exit"];
    let asking = [("*", "ask")].into_iter();
    let allowed = |names: &'static [&'static str]| names.iter().map(|name| (*name, "allow"));
    match (job.permission_mode, job.must_ask) {
        (_, true) => asking.chain(allowed(TALK)).collect(),
        (PermissionMode::ReadOnly | PermissionMode::Ask | PermissionMode::AcceptEdits, false) => {
            asking.chain(allowed(HARMLESS)).chain(allowed(TALK)).collect()
        }
        (PermissionMode::Auto, false) => Vec::new(),
        (PermissionMode::Bypass, false) => vec![("*", "allow")],
    }
}
