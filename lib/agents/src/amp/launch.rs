//! How Amp is started: one process for one thread, JSON lines both ways, with the user's own login or `AMP_API_KEY`.

use schema::event::PermissionMode;

use crate::agent::{File, Job, Launch};
use crate::mcp::{self, Server};

/// Arguments, environment and files.
pub(super) fn launch(job: &Job) -> Launch {
    let mut args: Vec<String> = match &job.resume {
        Some(resume) => ["threads", "continue", resume.native_session_id.as_str()].map(str::to_owned).into(),
        None => Vec::new(),
    };
    let always = ["--execute", "--stream-json", "--stream-json-input", "--stream-json-thinking"];
    args.extend(always.map(str::to_owned));
    let mut files = Vec::new();
    if job.permission_mode == PermissionMode::Bypass {
        args.extend(["--settings-file".to_owned(), format!("{}/amp.json", job.folder)]);
        let settings = br#"{"amp.dangerouslyAllowAll":true}"#.to_vec();
        files.push(File { path: "amp.json".to_owned(), bytes: settings });
    }
    if !job.mcp.is_empty() {
        args.extend(["--mcp-config".to_owned(), format!("{}/mcp.json", job.folder)]);
        // It knows no timeout of a server.
        let servers: Vec<Server> = job.mcp.iter().map(|one| Server { timeout: None, ..one.clone() }).collect();
        let servers = mcp::file(&servers)["mcpServers"].to_string();
        files.push(File { path: "mcp.json".to_owned(), bytes: servers.into_bytes() });
    }
    args.extend(job.agent_args.iter().cloned());
    // Without a login it opens a browser, on whatever machine it is.
    let env = vec![("BROWSER".to_owned(), "true".to_owned())];
    Launch { args, env, files, eof_ms: 2000, term_ms: 2000, ..Launch::default() }
}
