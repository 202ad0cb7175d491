//! Processes: a program run once, or kept in the background with its output in the store.
//!
//! | file | what it is for |
//! |---|---|
//! | `once` | a program run to its end, within a time and a size |
//! | `manage` | starting, finding, stopping, forgetting kept processes; ending what a dead keeper left |
//! | `keeper` | the background process that keeps one of them |
//! | `control`, `wire` | what is asked of a keeper over its socket |
//! | `logs` | its numbered output, also while it comes |
//! | `attach`, `screen` | its terminal in ours |
//! | `seat` | its terminal elsewhere |
//! | `launch`, `text` | what a program gets; bytes as they are written in JSON |

mod attach;
mod control;
mod error;
mod keeper;
mod launch;
mod logs;
mod manage;
mod once;
mod screen;
mod seat;
mod text;
mod wire;

pub use attach::{Attached, attach};
pub use control::{close_input, resize, restart, send_input, signal, stop};
pub use error::Error;
pub use keeper::{Keep, keep};
pub use launch::Launch;
pub use logs::{LogEnd, LogItem, LogRequest, Stored, follow};
pub use manage::{Kept, find, give_back, is_below, list, mend, record, remove, start, start_again, wait_for_end};
pub use once::{Once, OnceEnd, Show, Stdin, run};
pub use seat::{Seat, Shown};

/// The runtime that this process waits in.
fn runtime(doing_for: &std::path::Path) -> Result<tokio::runtime::Runtime, crate::Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|source| crate::Error::File {
        doing: "start a runtime for",
        path: doing_for.to_owned(),
        source,
    })
}
