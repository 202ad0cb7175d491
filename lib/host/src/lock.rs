//! Who is alive: an open-file-description lock on one small file per session or process.

use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::bell::Bell;

/// A held lock; free once every holder (owner and guard) has gone or let go.
pub struct Lock {}

impl Lock {
    /// Takes the lock, making the file (mode 0600) where it is missing; `None` when somebody holds it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take(path: &Path) -> Result<Option<Self>, Error> {
        let _ = path;
        unimplemented!()
    }

    /// As [`Lock::take`], trying for `patience`; blocks the thread.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take_within(path: &Path, patience: Duration) -> Result<Option<Self>, Error> {
        let _ = (path, patience);
        unimplemented!()
    }

    /// Keeps the bell's file open as long as the lock is held, by the guard too: followers then learn from the bell
    /// when both have gone.
    ///
    /// # Errors
    /// [`Error::System`] when there is no descriptor left.
    pub fn carry(&mut self, bell: &Bell) -> Result<(), Error> {
        let _ = bell;
        unimplemented!()
    }
}

/// Whether somebody holds the lock; a missing file is free. Disturbs neither holder nor followers.
///
/// # Errors
/// [`Error::File`].
pub fn held(path: &Path) -> Result<bool, Error> {
    let _ = path;
    unimplemented!()
}

/// Waits until nobody holds the lock; `false` when `patience` passed first. Blocks the thread. For the moment after
/// [`crate::bell::Wake::Closed`]: the kernel tells of the closing just before it frees the lock.
///
/// # Errors
/// [`Error::File`].
pub fn free_within(path: &Path, patience: Duration) -> Result<bool, Error> {
    let _ = (path, patience);
    unimplemented!()
}
