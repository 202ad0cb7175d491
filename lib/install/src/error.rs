//! Why an agent could not be installed; each message names the package, the address or the path.

use std::io;
use std::path::PathBuf;

/// A failed installation. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A file or directory of ours.
    #[error("{action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is no network, or it may not be used.
    #[error("install {what}: it is not here, and SANDBOX_AGENT_OFFLINE=1 forbids to fetch it")]
    Offline {
        /// The agent and its version.
        what: String,
    },
    /// The server did not answer, or not with what was asked for, as often as it was tried.
    #[error("fetch {url} ({tries} tries): {why}")]
    Network {
        /// What was fetched.
        url: String,
        /// How often.
        tries: u32,
        /// What happened the last time.
        why: String,
    },
    /// The registry says no, and saying it again would not help.
    #[error("fetch {url}: the server answers {status}")]
    Refused {
        /// What was fetched.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// There is no such version.
    #[error("find {package} at {url}: there is no such version")]
    NoVersion {
        /// Package and version.
        package: String,
        /// Where was looked.
        url: String,
    },
    /// The registry's answer makes no sense.
    #[error("understand {url}: {why}")]
    Metadata {
        /// What was fetched.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// What was fetched is not what the registry promised.
    #[error("trust {what}: its hash is {found}, and {expected} was promised")]
    Hash {
        /// What was fetched.
        what: String,
        /// What was promised.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An archive that is broken, or wants out of its directory.
    #[error("unpack {what}: {why}")]
    Archive {
        /// Which archive.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The program is for another machine.
    #[error("use {program}: {why}")]
    Foreign {
        /// The program.
        program: PathBuf,
        /// Which machine, which library.
        why: String,
    },
    /// It was fetched, but does not answer to `--version`.
    #[error("run {program} --version: {why}")]
    Broken {
        /// The program.
        program: PathBuf,
        /// How it ended, and what it said.
        why: String,
    },
    /// npm could not put the package's dependencies together.
    #[error("install {package} with npm: {why}")]
    Npm {
        /// Package and version.
        package: String,
        /// What npm says.
        why: String,
    },
    /// Nothing is known about how to install it here.
    #[error("install {what}: {why}")]
    Impossible {
        /// The agent.
        what: String,
        /// Why not.
        why: String,
    },
    /// The lock file demands something else.
    #[error("follow {path}: {why}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// Somebody else installs the same agent, and does not come to an end.
    #[error("wait for another installation of {what}: it takes longer than 30 minutes")]
    Busy {
        /// The agent.
        what: String,
    },
    /// It is not installed in a directory of ours.
    #[error("find {what}: it is not installed")]
    Missing {
        /// The agent and its version.
        what: String,
    },
}

/// For `map_err`: what was tried with which file.
pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { action, path, source }
}
