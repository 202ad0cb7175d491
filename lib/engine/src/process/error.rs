//! What can go wrong with a process, and what it means to whoever asked.

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
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = format!("failed to {error}");
        match error {
            Error::NoCommand => Failure::usage(message).hint("it stands after `--`, as in `proc run -- ls -l`"),
            Error::NotRoot(_) => Failure::usage(message).hint("leave --run-as out, or use sudo"),
        }
    }
}
