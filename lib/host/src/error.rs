//! What can go wrong with the machine; each message names the program or the path.

use std::io;
use std::path::PathBuf;

/// A failure of the operating system. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Exit code 127.
    #[error("find {program}{}", looked_in(.looked))]
    NotFound {
        /// As it was asked for.
        program: PathBuf,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// It is there but does not run: exit code 126.
    #[error("run {program}")]
    NotExecutable {
        /// Where it is.
        program: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The working directory cannot be entered.
    #[error("enter the directory {dir}")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Our own binary could not be started once more, or ended before it said that it is ready.
    #[error("start {role}")]
    Ourselves {
        /// What it was to be: the guard, the background process.
        role: &'static str,
        /// What the kernel or the process says.
        source: io::Error,
    },
    /// A file or directory of ours.
    #[error("{action} {path}")]
    File {
        /// `open`, `lock`, `create`.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Neither HOME nor one of the variables that replace it is set.
    #[error("find a place for our {what}: set HOME, {variable} or SANDBOX_AGENT_HOME")]
    NoPlace {
        /// `data`, `state`, `cache` or `configuration`.
        what: &'static str,
        /// The XDG variable.
        variable: &'static str,
    },
    /// The kernel refused something that belongs to no path.
    #[error("{action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

fn looked_in(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return String::new();
    }
    let places: Vec<String> = looked.iter().map(|path| path.display().to_string()).collect();
    format!(" (looked in {})", places.join(", "))
}
