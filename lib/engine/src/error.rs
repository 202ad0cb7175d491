//! What can go wrong while a session is run, followed or kept.

use std::path::PathBuf;

/// Why the engine could not do what it was asked. Messages are fragments that read after “failed to”.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The operating system failed.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A file beside the store, or one that the user named.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes the session.
    #[error("write session `{session}`: {}", match owner { Some(pid) => format!("process {pid} is running it"), None => "another process is running it".to_owned() })]
    Busy {
        /// The session.
        session: String,
        /// Who holds it.
        owner: Option<u32>,
    },
    /// No such session.
    #[error("find session `{0}`")]
    NoSession(String),
    /// The session is closed for good.
    #[error("go on with session `{0}`: it was ended")]
    Ended(String),
    /// A stored event cannot be read back.
    #[error("read event {sequence} of session `{session}`")]
    Event {
        /// The session.
        session: String,
        /// The event.
        sequence: i64,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The offset lies behind the last event.
    #[error("start at offset {offset}: session `{session}` has events 1 to {last}")]
    OffsetBeyondEnd {
        /// The session.
        session: String,
        /// What was asked for.
        offset: i64,
        /// What there is.
        last: i64,
    },
    /// Something about a process.
    #[error(transparent)]
    Process(#[from] crate::process::Error),
}
