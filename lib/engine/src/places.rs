//! Where the small files beside the store lie: for each session a bell, a post box's bell and a lock, and one bell for all.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use agents::agent::File;

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

    /// Whose bell has this name in the directory, where it is the bell of one.
    pub fn rings_for(name: &OsStr) -> Option<&str> {
        name.to_str()?.strip_suffix(".bell")
    }

    /// Where the files lie that the agent needs while it runs.
    pub fn folder(&self, uid: &str) -> PathBuf {
        let folder = self.directory.join(format!("{uid}.files"));
        // The agent works elsewhere.
        std::path::absolute(&folder).unwrap_or(folder)
    }

    /// The bell that whoever posts a request rings and the owner watches.
    pub fn post(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("{uid}.post"))
    }

    /// What the session's background owners say on stderr.
    pub fn log(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("{uid}.log"))
    }

    /// Where a process's keeper listens.
    pub fn socket(&self, uid: &str) -> PathBuf {
        self.directory.join(format!("{uid}.sock"))
    }

    /// The bell that every commit rings.
    pub fn all_bell(&self) -> PathBuf {
        self.directory.join("all.bell")
    }

    /// The private home of a session that has nothing of the user's; it lives as long as the session.
    pub fn home(&self, uid: &str) -> PathBuf {
        let home = self.directory.join(format!("{uid}.home"));
        std::path::absolute(&home).unwrap_or(home)
    }

    /// What a session was given over the wire: files of its prompts, its servers. It lives as long as the session.
    pub fn given(&self, uid: &str) -> PathBuf {
        let given = self.directory.join(format!("{uid}.given"));
        std::path::absolute(&given).unwrap_or(given)
    }

    /// Lays files and links out for an agent, for this user only; what an earlier one left is removed.
    pub fn lay_out(&self, uid: &str, files: &[File], links: &[(String, String)]) -> Result<(), Error> {
        let folder = self.folder(uid);
        self.clear(uid);
        for file in files {
            let path = folder.join(&file.path);
            if let Some(parent) = path.parent() {
                host::private::directory(parent)?;
            }
            let failed = |source| Error::File { doing: "write", path: path.clone(), source };
            host::private::file(&path)?.write_all(&file.bytes).map_err(failed)?;
        }
        for (name, target) in links {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                host::private::directory(parent)?;
            }
            symlink(target, &path).map_err(|source| Error::File { doing: "link", path: path.clone(), source })?;
        }
        Ok(())
    }

    /// Removes what was laid out for an agent that has ended.
    pub fn clear(&self, uid: &str) {
        remove_all(&self.folder(uid));
    }

    /// Removes a deleted session's files.
    pub fn remove(&self, uid: &str) {
        self.clear(uid);
        remove_all(&self.home(uid));
        remove_all(&self.given(uid));
        for path in [self.bell(uid), self.post(uid), self.log(uid), self.socket(uid), self.lock(uid)] {
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("{} stays behind: {error}", path.display());
            }
        }
    }
}

fn remove_all(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        log::warn!("{} stays behind: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_laid_out_is_private_complete_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let places = Places::beside(&place.path().join("store.db"));
        places.make().unwrap();
        let file = |path: &str| File { path: path.to_owned(), bytes: b"secret".into() };
        places.lay_out("u", &[file("old")], &[]).unwrap();
        let skill = place.path().join("skill");
        std::fs::create_dir(&skill).unwrap();
        std::fs::write(skill.join("SKILL.md"), "theirs").unwrap();
        let link = ("links/skill".to_owned(), skill.to_string_lossy().into_owned());
        places.lay_out("u", &[file("a"), file("deep/er/b")], &[link]).unwrap();
        let folder = places.folder("u");
        assert!(!folder.join("old").exists(), "what an earlier agent had stayed");
        for (name, mode) in [("", 0o700), ("a", 0o600), ("deep", 0o700), ("deep/er/b", 0o600)] {
            let path = folder.join(name);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
        assert_eq!(std::fs::read(folder.join("deep/er/b")).unwrap(), b"secret");
        assert_eq!(std::fs::read(folder.join("links/skill/SKILL.md")).unwrap(), b"theirs");
        places.clear("u");
        assert!(!folder.exists());
        assert!(skill.join("SKILL.md").exists(), "what a link led to went with it");
        places.clear("u");
    }
}
