//! Where our files go: `SANDBOX_AGENT_HOME`, else XDG, else HOME.

use std::path::PathBuf;

use crate::Error;
use crate::env::{self, Name};

/// The store, installed agents.
///
/// # Errors
/// [`Error::NoPlace`].
pub fn data() -> Result<PathBuf, Error> {
    place("data", Name::XdgDataHome, "data", ".local/share")
}

/// Logs, prompt locks.
///
/// # Errors
/// [`Error::NoPlace`].
pub fn state() -> Result<PathBuf, Error> {
    place("state", Name::XdgStateHome, "state", ".local/state")
}

/// What can be made again.
///
/// # Errors
/// [`Error::NoPlace`].
pub fn cache() -> Result<PathBuf, Error> {
    place("cache", Name::XdgCacheHome, "cache", ".cache")
}

/// `config.toml`.
///
/// # Errors
/// [`Error::NoPlace`].
pub fn config() -> Result<PathBuf, Error> {
    place("configuration", Name::XdgConfigHome, "config", ".config")
}

/// The user's home.
pub fn home() -> Option<PathBuf> {
    env::var(Name::Home).map(PathBuf::from)
}

/// The HOME to give to an agent: the user's where it is set and writable, else `SANDBOX_AGENT_HOME`, else none.
pub fn agent_home() -> Option<PathBuf> {
    use nix::unistd::{AccessFlags, access};
    home()
        .filter(|home| home.is_dir() && access(home, AccessFlags::W_OK).is_ok())
        .or_else(|| env::var(Name::OurHome).map(PathBuf::from))
}

/// Whether we may write everywhere.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn place(what: &'static str, xdg: Name, ours: &str, below_home: &str) -> Result<PathBuf, Error> {
    if let Some(home) = env::var(Name::OurHome) {
        return Ok(PathBuf::from(home).join(ours));
    }
    // The XDG specification: a relative path is to be ignored.
    let base = env::var(xdg)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home().map(|home| home.join(below_home)));
    base.map(|base| base.join("sandbox-agent")).ok_or(Error::NoPlace { what, variable: xdg.as_str() })
}
