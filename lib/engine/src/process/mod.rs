//! Processes: a program run once, or kept in the background with its output in the store.
//!
//! | file | what it is for |
//! |---|---|
//! | `once` | a program run to its end, within a time and a size |
//! | `launch` | what a program gets: limits, another user, its environment |
//! | `text` | bytes as they are written in JSON |

mod error;
mod launch;
mod once;
mod text;

pub use error::Error;
pub use launch::Launch;
pub use once::{Once, OnceEnd, run};

/// The runtime that this process waits in.
fn runtime(doing_for: &std::path::Path) -> Result<tokio::runtime::Runtime, crate::Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|source| crate::Error::File {
        doing: "start a runtime for",
        path: doing_for.to_owned(),
        source,
    })
}
