//! News: a bell file that is touched after a commit, and the one `poll` that waits for it.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;

/// A bell that can be rung. Kept open by an owner: the kernel's closing of it tells followers that the owner has gone.
pub struct Bell {}

impl Bell {
    /// Opens the bell for ringing, making the file (mode 0600) where it is missing.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let _ = path;
        unimplemented!()
    }

    /// Wakes everybody who watches; once per transaction, after the commit. A failure (full disk) is not told:
    /// whoever waits looks by himself each second.
    pub fn ring(&self) {
        unimplemented!()
    }
}

/// Why a wait ended. Each means: look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A bell rang.
    Rung,
    /// Somebody who had a bell open for ringing has closed it or died, or the file was removed; it may have rung too.
    Closed,
    /// Nobody reads our stdout any more.
    ReaderGone,
    /// Nothing happened.
    Timeout,
}

/// Waits for bells. Nothing is missed in this order: make the watch, read to the end, wait.
pub struct Watch {}

impl Watch {
    /// Watches these bells; a missing file is made, where that is possible.
    pub fn new(paths: &[PathBuf]) -> Self {
        let _ = paths;
        unimplemented!()
    }

    /// Whether a watch could not be had, so that each wait ends after 20 ms with `Rung`.
    pub fn polls(&self) -> bool {
        unimplemented!()
    }

    /// One `poll` over the bells, the departure of the reader of `stdout` and the timeout. Blocks the thread.
    /// Wait no longer than a second at once: watches are silent on some file systems.
    pub fn wait(&mut self, stdout: Option<BorrowedFd<'_>>, timeout: Duration) -> Wake {
        let _ = (stdout, timeout);
        unimplemented!()
    }

    /// Waits for a bell (`Rung` or `Closed`) inside a tokio runtime. Cancel-safe.
    pub async fn rung(&mut self) -> Wake {
        unimplemented!()
    }
}

/// Resolves once whoever reads `output` (our stdout) has gone: pipe, socket or terminal. Never for files and
/// `/dev/null`. Needs a tokio runtime. Cancel-safe.
pub async fn reader_gone(output: impl AsFd) {
    let _ = output;
    unimplemented!()
}
