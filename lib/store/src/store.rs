//! The store itself: opened, looked after, closed.

use crate::Error;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To write: made when missing, migrated when older.
    Write,
    /// To read: never made, never migrated.
    Read,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// Opens the store at `path`. For writing, the file and missing directories are made, for this user only. A reader
    /// that finds a closed store in a directory it cannot write to reads it [`Store::frozen`].
    pub fn open(path: &Path, access: Access) -> Result<Store, Error> {
        unimplemented!("{path:?} {access:?}")
    }

    /// The store's path, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this is a reader of a store that nobody can write to from here. Pages are good, following makes no sense.
    pub fn frozen(&self) -> bool {
        unimplemented!()
    }

    /// How long a writer waits for other writers before [`Error::Busy`] (60 s if never set), and what is told, about once
    /// a second while it waits: for how long already, and which process holds the turn, where the system says so.
    pub fn set_patience(&mut self, limit: Duration, told: Box<dyn FnMut(Duration, Option<u32>) + Send>) {
        let _ = told;
        unimplemented!("{limit:?}")
    }

    /// Gives the space of deleted sessions back to the file system, in steps between which others can write.
    pub fn give_back(&mut self) -> Result<(), Error> {
        unimplemented!()
    }

    /// The bytes that the store takes on the disk.
    pub fn file_size(&self) -> Result<u64, Error> {
        unimplemented!()
    }

    /// What `integrity_check` finds wrong; empty when nothing is. It does not see a changed letter in a text.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        unimplemented!()
    }

    /// The version of SQLite, and of the schema that this program writes.
    pub fn versions() -> (&'static str, i64) {
        unimplemented!()
    }

    /// A clean end: what is in the write-ahead log goes to the main file unless somebody else uses it.
    pub fn close(self) -> Result<(), Error> {
        unimplemented!()
    }
}
