//! The translators: one folder an agent, each turning what its agent says into what we say about it, without touching a file, a clock, a process or the network.

pub mod agent;
pub mod card;
pub mod credentials;
pub mod dialect;
mod diff;
mod jsonrpc;
pub mod mcp;
pub mod offer;
mod prose;
pub mod recipe;
pub mod registry;
mod scan;
mod shell;

pub mod acp;
pub mod amp;
pub mod claude;
pub mod codex;
pub mod cursor;
pub mod mock;
pub mod opencode;
pub mod pi;
