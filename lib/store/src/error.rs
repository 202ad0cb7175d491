//! Everything that can go wrong with the memory, in words that read after "failed to …".

use crate::{place::Ground, store::BUSY_TIMEOUT};
use rusqlite::ffi;
use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why the store could not do what it was asked. Messages are lowercase fragments that name the path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no store at this path; only opening with [`crate::Access::Write`] makes one.
    #[error("open {}: there is no store", path.display())]
    Missing {
        /// The store's path.
        path: PathBuf,
    },
    /// A session has this name, or the same origin (`uid`) under this name.
    #[error("create the session: `{0}` exists")]
    Exists(
        /// The name of the session that is in the way.
        String,
    ),
    /// No session has this number; it was deleted.
    #[error("find the session: it was deleted")]
    Gone,
    /// The events given do not continue the session: another process has written to it, or numbers are missing.
    #[error("append to `{session_id}`: event {found} does not follow {last}")]
    OutOfOrder {
        /// The session's name.
        session_id: String,
        /// The last sequence stored.
        last: i64,
        /// The sequence that should have been the next one.
        found: i64,
    },
    /// The file system has no room. The transaction was rolled back; nothing of it is stored, readers are not
    /// disturbed, and the next write succeeds as soon as there is room.
    #[error("write {}: the disk is full", path.display())]
    Full {
        /// The store's path.
        path: PathBuf,
        /// What SQLite or the system said.
        #[source]
        source: Cause,
    },
    /// The file, its directory or its mount cannot be written to.
    #[error("write {}: it or its directory is read-only", path.display())]
    ReadOnly {
        /// The store's path.
        path: PathBuf,
        /// What SQLite or the system said.
        #[source]
        source: Cause,
    },
    /// The file is damaged, or no store of ours. It is left as it is.
    #[error("read {}: {what}{}", path.display(), LastGood(*last_good))]
    Corrupt {
        /// The store's path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// The last sequence of the session (for [`crate::Store::read_all`]: the last cursor) that was read
        /// undamaged, when a page broke off part-way.
        last_good: Option<i64>,
    },
    /// A later version of this program has written the store.
    #[error("open {}: its schema is version {found}, this program knows {known}", path.display())]
    Newer {
        /// The store's path.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The version known.
        known: i64,
    },
    /// Other writers kept us waiting until our patience ended (60 s if not set otherwise).
    #[error("write {}: another writer has held it for {} s{}", path.display(), waited.as_secs(), Holder(*holder))]
    Busy {
        /// The store's path.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
        /// The process that holds the writers' turn, where the system says so.
        holder: Option<u32>,
    },
    /// The file system cannot carry a store: its locks or its shared memory are not reliable.
    #[error("open {}: on {file_system} {why}", path.display())]
    Unfit {
        /// The store's path.
        path: PathBuf,
        /// The kind of file system, as the system names it.
        file_system: String,
        /// What it lacks.
        why: &'static str,
    },
    /// Something else that the operating system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The path it was done to.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else that SQLite refused.
    #[error("use {}", path.display())]
    Sqlite {
        /// The store's path.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// What lies below an error of ours: SQLite's word or the system's.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// ", held by process 12", where it is known.
struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}

/// ", the last good …", where it is known.
struct LastGood(Option<i64>);

impl fmt::Display for LastGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "; the last good number is {number}"),
            None => Ok(()),
        }
    }
}

/// An error on its way out of a statement: still SQLite's, or one of ours already.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sqlite(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

impl Trouble {
    /// SQLite's code, the extended one.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Trouble::Sqlite(error) => failure(error).map(|(code, _)| code),
            Trouble::Ours(_) => None,
        }
    }

    /// Whether another program has a lock that was in the way.
    pub(crate) fn is_busy(&self) -> bool {
        self.code().is_some_and(|code| matches!(code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
    }

    /// Our word for it while the store at `path` is being opened.
    pub(crate) fn opening(self, path: &Path, ground: &Ground) -> Error {
        match self.code() {
            Some(ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY_DIRECTORY) => match (File::open(path), self) {
                (_, Trouble::Ours(error)) => error,
                // The system knows why.
                (Err(source), _) => Error::Io { doing: "open", path: path.to_owned(), source },
                // What cannot be opened is what has to be made beside it.
                (Ok(_), Trouble::Sqlite(source)) => Error::ReadOnly { path: path.to_owned(), source: Box::new(source) },
            },
            Some(ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_SHMMAP | ffi::SQLITE_IOERR_SHMLOCK) => {
                ground.unfit(path, "there is no shared memory")
            }
            Some(ffi::SQLITE_IOERR_LOCK | ffi::SQLITE_IOERR_RDLOCK | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK) => {
                ground.unfit(path, "there are no file locks")
            }
            _ => self.at(path),
        }
    }

    /// Our word for it, for the store at `path`.
    pub(crate) fn at(self, path: &Path) -> Error {
        let source = match self {
            Trouble::Ours(error) => return error,
            Trouble::Sqlite(source) => source,
        };
        let path = path.to_owned();
        let corrupt = |what: String| Error::Corrupt { path: path.clone(), what, last_good: None };
        let Some((code, message)) = failure(&source) else {
            let damaged = matches!(
                source,
                // The file's text is not what we wrote there.
                rusqlite::Error::Utf8Error(..)
                    | rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::InvalidColumnType(..)
            );
            return if damaged { corrupt(source.to_string()) } else { Error::Sqlite { path, source } };
        };
        match (code & 0xff, code) {
            // A full file system meets the shared memory first when that has to grow.
            (ffi::SQLITE_FULL, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Error::Full { path, source: Box::new(source) },
            (ffi::SQLITE_READONLY | ffi::SQLITE_PERM, _) => Error::ReadOnly { path, source: Box::new(source) },
            (ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB, _)
            | (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA) => {
                corrupt(message.unwrap_or_else(|| source.to_string()))
            }
            (ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED, _) => Error::Busy { path, waited: BUSY_TIMEOUT, holder: None },
            _ => Error::Sqlite { path, source },
        }
    }
}

/// SQLite's own code, the extended one, and its words.
fn failure(error: &rusqlite::Error) -> Option<(i32, Option<String>)> {
    if let rusqlite::Error::SqliteFailure(code, message) = error {
        Some((code.extended_code, message.clone()))
    } else if let rusqlite::Error::SqlInputError { error, msg, .. } = error {
        Some((error.extended_code, Some(msg.clone())))
    } else {
        None
    }
}
