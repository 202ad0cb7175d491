//! How Pi is started: its RPC on stdio, with our extension beside the user's own, and the user's configuration and login.

use schema::event::PermissionMode;

use crate::agent::{File, Job, Launch};

/// The extension: permissions and questions, which Pi has not.
const EXTENSION: &str = include_str!("extension.mjs");
/// By this ending a module: anything else Pi would compile first, 200 ms of each run (its cache goes by the path, and that is another each time).
const NAME: &str = "sandbox-agent.mjs";

/// Arguments, environment and the extension.
pub(super) fn launch(job: &Job) -> Launch {
    let mut args: Vec<String> = ["--mode", "rpc", "-e"].map(str::to_owned).into();
    args.push(format!("{}/{NAME}", job.folder));
    if let Some(model) = &job.model {
        args.extend(["--model".to_owned(), model.clone()]);
    }
    if let Some(effort) = &job.effort {
        args.extend(["--thinking".to_owned(), effort.clone()]);
    }
    if let Some(resume) = &job.resume {
        // `--session` would end Pi where it had stored nothing yet, as when it was killed in its first answer.
        let flag = if resume.fork { "--fork" } else { "--session-id" };
        args.extend([flag.to_owned(), resume.native_session_id.clone()]);
    }
    args.extend(job.skills.iter().flat_map(|skill| ["--skill".to_owned(), skill.path.clone()]));
    args.extend(job.agent_args.iter().cloned());
    let asks = match job.permission_mode {
        PermissionMode::ReadOnly | PermissionMode::Ask | PermissionMode::AcceptEdits => true,
        // Pi judges nothing by itself and has no sandbox: there is nothing that it would ask.
        PermissionMode::Auto | PermissionMode::Bypass => job.must_ask,
    };
    let head = format!("const ASKS = {asks};\n");
    Launch {
        args,
        // A look for a newer version asks the network and can only disturb a run.
        env: vec![("PI_SKIP_VERSION_CHECK".to_owned(), "1".to_owned())],
        files: vec![File { path: NAME.to_owned(), bytes: (head + EXTENSION).into_bytes() }],
        // It leaves within 150 ms of the end of its input, and takes its commands along.
        eof_ms: 2000,
        term_ms: 1500,
        ..Launch::default()
    }
}
