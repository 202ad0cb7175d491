//! The words of sandbox-agent: events, items, requests and records, how they are written, and nothing that can fail or wait.

pub mod control;
pub mod desktop;
pub mod event;
pub mod file;
#[cfg(test)]
mod generate;
pub mod ids;
pub mod item;
pub mod line;
pub mod outcome;
pub mod process;
pub mod record;
pub mod request;
pub mod state;
pub mod time;

pub use event::Body;
pub use item::Item;
pub use outcome::{ErrorCode, Outcome};
pub use time::Timestamp;

/// Version of the event schema, said in every `session.started`; additions keep it, nothing else is allowed.
pub const SCHEMA_VERSION: &str = "1";

/// The JSON Schema of everything the program prints, as generated from the types of this room and committed.
pub const JSON_SCHEMA: &str = include_str!("../event.schema.json");

/// The same, deflated (RFC 1951): what the product holds.
pub const JSON_SCHEMA_PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/event.schema.deflate"));
