//! The second door: the verbs of a session over HTTP. No agent lives here: to run, detached owners are started; to stream, the store is followed.

pub mod acp;
mod agent;
mod body;
mod config;
mod desktop;
mod error;
mod events;
mod fs;
mod gate;
mod hub;
mod intake;
mod listen;
mod numbers;
mod openapi;
mod outlet;
mod pack;
mod page;
mod problem;
mod processes;
mod requests;
mod routes;
mod sessions;
mod terminal;
mod token;
#[cfg(test)]
mod told;
mod wire;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use engine::keeper::Create;

pub use error::Error;
pub use gate::Cors;
pub use listen::{Access, Address, Listening, serve};
pub use token::{Scope, Scopes, Token};

/// What a server is to do.
#[derive(Debug)]
pub struct Config {
    /// The store.
    pub store: PathBuf,
    /// Where it listens.
    pub address: Address,
    /// What clients must know; `None`: whoever reaches it may everything.
    pub tokens: Option<Vec<Token>>,
    /// Which pages of other origins may read its answers.
    pub cors: Cors,
    /// Names by which clients may call it, beside those of this machine.
    pub hosts: Vec<String>,
    /// It ends once nobody was connected for so long.
    pub idle_exit: Option<Duration>,
    /// Of how many ACP sessions the agents stay after a turn, for ten minutes: of those that were prompted last.
    pub warm: usize,
    /// Makes a session.
    pub create: Create,
    /// The environment of the owners that it starts.
    pub env: Vec<(OsString, OsString)>,
    /// What no file route leads out of.
    pub fs_root: Option<PathBuf>,
    /// Where relative paths of file routes begin, where there is no such root.
    pub home: PathBuf,
    /// Of this program.
    pub version: &'static str,
}
