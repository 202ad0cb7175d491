//! The memory: sessions and their numbered events in one SQLite file; rows, numbers and pages, never what an event means.
//!
//! Writers take turns on a lock file beside the store, commit a batch in one transaction, and only then may anything be
//! shown. Readers take pages; no statement stays open between two calls.

mod checkpoint;
mod error;
mod events;
mod inbox;
mod kept;
mod migrate;
mod output;
mod place;
mod processes;
mod sessions;
mod store;
mod turn;

pub use error::{Cause, Error};
pub use events::{Batch, Cache, Row, Select, Stored, Sync};
pub use inbox::{Posted, RequestState, Settled, Settlement};
pub use kept::{Keeping, keep_open};
pub use output::{Kind, Log, Output, Record, SelectOutput, StoredOutput};
pub use processes::{NewProcess, Process, ProcessState};
pub use sessions::{ImportedSession, NewSession, Session, Settings};
pub use store::{Access, Store};
