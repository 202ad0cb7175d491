//! The person at the terminal.

use std::os::fd::AsFd;
use std::path::Path;

use crate::{Error, Lock};

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    let _ = fd;
    unimplemented!()
}

/// `/dev/tty`, while we are its foreground process group.
pub struct Terminal {}

impl Terminal {
    /// `None` when there is no controlling terminal or we are not in its foreground. Needs a tokio runtime.
    pub fn open() -> Option<Self> {
        unimplemented!()
    }

    /// Whether we are still in the foreground; reading in the background would stop us.
    pub fn foreground(&self) -> bool {
        unimplemented!()
    }

    /// The right to ask on this terminal: one lock file in `directory` for each terminal; `None` when another of us asks.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn prompt_lock(&self, directory: &Path) -> Result<Option<Lock>, Error> {
        let _ = directory;
        unimplemented!()
    }

    /// Writes to the terminal, and forgets what was typed before.
    ///
    /// # Errors
    /// [`Error::File`] when the terminal has gone.
    pub fn ask(&mut self, text: &str) -> Result<(), Error> {
        let _ = text;
        unimplemented!()
    }

    /// One line without its end; `None` at the end of input. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::File`] when the terminal has gone.
    pub async fn line(&mut self) -> Result<Option<String>, Error> {
        unimplemented!()
    }
}
