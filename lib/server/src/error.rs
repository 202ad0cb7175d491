//! What can go wrong before a server listens.

use std::path::PathBuf;

/// Why it does not serve. Messages are fragments that read after “failed to”.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// Which.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others could reach it, and nothing says who may.
    #[error("listen on {address} without a token: others than this machine reach it")]
    Exposed {
        /// Which address.
        address: String,
    },
    /// Somebody listens there already, or something else lies there.
    #[error("listen on {}: {why}", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
        /// What is there.
        why: &'static str,
    },
    /// Any page could use the token of whoever visits it.
    #[error("allow credentials for every origin: name the origins")]
    AnyOrigin,
    /// The runtime could not be started.
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
    /// The operating system failed.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The root of the file routes.
    #[error("{}", .0.in_full())]
    Files(files::Error),
    /// The store or what lies beside it.
    #[error(transparent)]
    Engine(#[from] engine::Error),
}

impl From<files::Error> for Error {
    fn from(error: files::Error) -> Error {
        Error::Files(error)
    }
}
