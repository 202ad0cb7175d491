//! What any room's error means to whoever asked: a code, an exit code, a sentence and what to do next. Both doors use it.

use schema::outcome::ErrorCode;
use schema::record::ErrorLine;

use crate::session::chain;

/// Why something could not even be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of the closed list.
    pub code: ErrorCode,
    /// The exit code.
    pub exit_code: i32,
    /// What could not be done, and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure whose exit code is the code's own.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure { code, exit_code: code.exit_code(), message: message.into(), hint: None }
    }

    /// The command line cannot be carried out as written.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::Usage, message)
    }

    /// What a process of ours that went into the background says instead of its word.
    pub fn of_background(line: &str) -> Failure {
        match serde_json::from_str::<ErrorLine>(line) {
            Ok(error) => {
                Failure { code: error.code, exit_code: error.exit_code, message: error.message, hint: error.hint }
            }
            Err(_) => Failure::new(
                ErrorCode::Crash,
                format!("failed to understand the background process: `{}`", line.escape_debug()),
            ),
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        let message = format!("failed to {}", chain(&error));
        let (code, hint) = match &error {
            store::Error::Missing { .. } => (ErrorCode::NotFound, "`sandbox-agent run` makes one"),
            store::Error::Exists(_) => (ErrorCode::Usage, "choose another name"),
            store::Error::Gone => (ErrorCode::NotFound, "`sandbox-agent sessions list` names the sessions"),
            store::Error::Full { .. } => {
                (ErrorCode::DiskFull, "make room, or move the store with --store; `sessions prune` gives space back")
            }
            store::Error::ReadOnly { .. } => {
                (ErrorCode::ReadOnly, "use another place with --store or SANDBOX_AGENT_STORE, or --ephemeral")
            }
            store::Error::Corrupt { .. } => {
                (ErrorCode::Store, "the file is left as it is; use another with --store, or restore a backup")
            }
            store::Error::Newer { .. } => (ErrorCode::Store, "update sandbox-agent, or use another store with --store"),
            store::Error::Busy { .. } => (ErrorCode::Store, "end the process that holds it, then try again"),
            store::Error::Unfit { .. } => (ErrorCode::Store, "use a local disk with --store or SANDBOX_AGENT_STORE"),
            store::Error::OutOfOrder { .. } | store::Error::Io { .. } | store::Error::Sqlite { .. } => {
                (ErrorCode::Store, "use another place with --store or SANDBOX_AGENT_STORE")
            }
        };
        Failure::new(code, message).hint(hint)
    }
}

impl From<host::Error> for Failure {
    fn from(error: host::Error) -> Failure {
        let message = format!("failed to {}", chain(&error));
        match &error {
            host::Error::NotFound { .. } => Failure::new(ErrorCode::NotInstalled, message),
            host::Error::NotExecutable { .. } => {
                Failure { exit_code: 126, ..Failure::new(ErrorCode::NotInstalled, message) }
            }
            host::Error::Directory { .. } => Failure::usage(message),
            host::Error::NoPlace { .. } => Failure::new(ErrorCode::Store, message),
            host::Error::Ourselves { .. } | host::Error::File { .. } | host::Error::System { .. } => {
                Failure::new(ErrorCode::Other, message)
            }
        }
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Failure {
        let message = format!("failed to {}", chain(&error));
        match error {
            crate::Error::Store(error) => error.into(),
            crate::Error::Host(error) => error.into(),
            crate::Error::File { .. } => Failure::new(ErrorCode::Store, message),
            crate::Error::Busy { session, .. } => Failure::new(ErrorCode::Busy, message)
                .hint(format!("wait for it with `sandbox-agent stream {session} --follow`, or use another session")),
            crate::Error::NoSession(_) => {
                Failure::new(ErrorCode::NotFound, message).hint("`sandbox-agent sessions list` names the sessions")
            }
            crate::Error::Ended(_) => {
                Failure::new(ErrorCode::SessionEnded, message).hint("begin a new one with another --session name")
            }
            crate::Error::Process(error) => error.into(),
            crate::Error::Event { .. } => Failure::new(ErrorCode::Store, message),
            crate::Error::OffsetBeyondEnd { .. } => Failure::new(ErrorCode::OffsetBeyondEnd, message)
                .hint("an offset is the sequence of the last event you have seen; `--offset end` waits for new ones"),
        }
    }
}
