//! Where the small files beside the store lie: for each session a bell, a post box's bell and a lock, and one bell for all.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The directory of small files beside a store.
#[derive(Debug, Clone)]
pub struct Places {
    directory: PathBuf,
}

impl Places {
    /// The places of the store at this path.
    pub fn beside(store: &Path) -> Places {
        let mut name = store.as_os_str().to_owned();
        name.push(".live");
        Places { directory: PathBuf::from(name) }
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory, for this user only.
    pub fn make(&self) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(Error::File { doing: "make", path: self.directory.clone(), source }),
        }
    }

    /// The lock that the owner and its guard hold for life.
    pub fn lock(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("{uid}.lock"))
    }

    /// The bell that the owner rings and followers watch.
    pub fn bell(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("{uid}.bell"))
    }

    /// The bell that every commit rings.
    pub fn all_bell(&self) -> PathBuf {
        self.directory.join("all.bell")
    }

    /// Removes a deleted session's files.
    pub fn remove(&self, uid: &str) {
        for path in [self.bell(uid), self.lock(uid)] {
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("{} stays behind: {error}", path.display());
            }
        }
    }
}
