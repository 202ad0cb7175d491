//! What can go wrong with a process, and what it means to whoever asked.

use schema::outcome::ErrorCode;

use crate::Failure;

/// Why a process could not be dealt with. Messages are fragments that read after “failed to”.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no program in the command.
    #[error("start a process: no program was named")]
    NoCommand,
    /// Only root may run programs as others.
    #[error("run as `{0}`: only root may")]
    NotRoot(String),
    /// No such process.
    #[error("find process `{0}`")]
    NoProcess(String),
    /// Another process has this name.
    #[error("start a process: the name `{0}` is taken")]
    NameTaken(String),
    /// Somebody keeps it.
    #[error("take process `{0}`: it is running")]
    Busy(String),
    /// It does not run.
    #[error("reach process `{0}`: it is not running")]
    NotRunning(String),
    /// Its keeper does not do it.
    #[error("control process `{process}`: {why}")]
    Refused {
        /// The process.
        process: String,
        /// Why not.
        why: String,
    },
    /// It could not be started, as its keeper says.
    #[error("start a process")]
    NotStarted(Box<Failure>),
    /// What is stored of it cannot be read.
    #[error("read what is stored of process `{process}`")]
    Stored {
        /// The process.
        process: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The offset lies behind the last record.
    #[error("start at offset {offset}: the log of `{process}` has records 1 to {last}")]
    OffsetBeyondEnd {
        /// The process.
        process: String,
        /// What was asked for.
        offset: i64,
        /// What there is.
        last: i64,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = format!("failed to {}", crate::session::chain(&error));
        let list = "`sandbox-agent proc list` names the processes";
        match error {
            Error::NoCommand => Failure::usage(message).hint("it stands after `--`, as in `proc run -- ls -l`"),
            Error::NotRoot(_) => Failure::usage(message).hint("leave --run-as out, or use sudo"),
            Error::NoProcess(_) => Failure::new(ErrorCode::NotFound, message).hint(list),
            Error::NameTaken(name) => {
                Failure::usage(message).hint(format!("choose another, or free it with `sandbox-agent proc rm {name}`"))
            }
            Error::Busy(name) => {
                Failure::new(ErrorCode::Busy, message).hint(format!("end it first: `sandbox-agent proc stop {name}`"))
            }
            Error::NotRunning(name) => Failure::new(ErrorCode::NotFound, message)
                .hint(format!("`sandbox-agent proc restart {name}` starts it again")),
            Error::Refused { .. } => Failure::usage(message),
            Error::NotStarted(failure) => *failure,
            Error::Stored { .. } => Failure::new(ErrorCode::Store, message),
            Error::OffsetBeyondEnd { .. } => Failure::new(ErrorCode::OffsetBeyondEnd, message)
                .hint("an offset is the sequence of the last record you have seen; `end` waits for new ones"),
        }
    }
}
