//! Where a store lies: directories and files for this user only, on a file system that can carry it.

use crate::Error;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    },
    path::{Path, PathBuf},
};

/// Makes what is missing of the directory that the store lies in.
pub(crate) fn make_directory(store: &Path) -> Result<(), Error> {
    let directory = directory(store);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| refused("make the directory", directory, store, source))
}

/// Opens a file of the store, made for this user only when missing; made by root beside somebody's store, it is theirs,
/// or their next run could not open it.
pub(crate) fn open_or_make(file: &Path, store: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(file) {
        Ok(made) => {
            if let (Ok(theirs), Ok(ours)) = (fs::metadata(store), made.metadata())
                && (theirs.uid(), theirs.gid()) != (ours.uid(), ours.gid())
                && ours.uid() == 0
            {
                fchown(&made, Some(theirs.uid()), Some(theirs.gid())).map_err(|source| Error::Io {
                    doing: "give away",
                    path: file.to_owned(),
                    source,
                })?;
            }
            Ok(made)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.open(file).map_err(|source| refused("open", file, store, source))
        }
        Err(source) => Err(refused("make", file, store, source)),
    }
}

/// `store` with something added to its name: SQLite's own way to name what lies beside.
pub(crate) fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes an empty file in the place of what an interrupted attempt may have left.
pub(crate) fn make_anew(file: &Path, store: &Path) -> Result<(), Error> {
    remove_beside(file, store)?;
    let made = remove(file).and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(file));
    made.map(drop).map_err(|source| refused("make", file, store, source))
}

/// Removes what SQLite may have left beside a file that is not there (any more).
pub(crate) fn remove_beside(file: &Path, store: &Path) -> Result<(), Error> {
    for left in ["-journal", "-wal", "-shm"].map(|ending| beside(file, ending)) {
        remove(&left).map_err(|source| refused("remove", &left, store, source))?;
    }
    Ok(())
}

fn remove(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Gives a complete store its name, for good.
pub(crate) fn rename(new: &Path, store: &Path) -> Result<(), Error> {
    let renamed = fs::rename(new, store).and_then(|()| File::open(directory(store))?.sync_all());
    renamed.map_err(|source| refused("make", store, store, source))
}

/// What a file system is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ground {
    /// As far as its name says, locks and shared memory work.
    Good,
    /// It depends on how it is set up: to be tried.
    Doubtful(String),
}

impl Ground {
    /// What is to be said when something does not work there after all.
    pub(crate) fn unfit(&self, store: &Path, why: &'static str) -> Error {
        let file_system = match self {
            Ground::Good => "this file system".to_owned(),
            Ground::Doubtful(kind) => kind.clone(),
        };
        Error::Unfit { path: store.to_owned(), file_system, why }
    }
}

/// What the store's file system is good for; an error where locks and shared memory do not work between machines, which
/// cannot be tried from one. Where the system does not say what it is, it is taken for good.
pub(crate) fn ground(store: &Path) -> Result<Ground, Error> {
    let Ok(mounts) = fs::read("/proc/self/mountinfo") else { return Ok(Ground::Good) };
    let Ok(directory) = directory(store).canonicalize() else { return Ok(Ground::Good) };
    file_system(&mounts, &directory).map_or(Ok(Ground::Good), |kind| judge(kind, store))
}

fn judge(kind: String, store: &Path) -> Result<Ground, Error> {
    match kind.as_str() {
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "afs" | "ceph" | "fuse.sshfs" | "fuse.rclone" => {
            let why = "locks and shared memory cannot be relied on";
            Err(Error::Unfit { path: store.to_owned(), file_system: kind, why })
        }
        "9p" | "virtiofs" | "overlay" => Ok(Ground::Doubtful(kind)),
        other if other.starts_with("fuse") => Ok(Ground::Doubtful(kind)),
        _ => Ok(Ground::Good),
    }
}

/// Tries the writers' turn on doubtful ground: a lock that one descriptor holds must keep out another.
pub(crate) fn try_locks(store: &Path, file_system: &str) -> Result<(), Error> {
    let unfit = |why| Error::Unfit { path: store.to_owned(), file_system: file_system.to_owned(), why };
    let turn = crate::turn::path(store);
    let holder = open_or_make(&turn, store)?;
    let other = open_or_make(&turn, store)?;
    // If somebody else holds it, it works.
    match holder.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(()),
        Err(fs::TryLockError::Error(_)) => return Err(unfit("there are no file locks")),
    }
    if other.try_lock().is_ok() {
        return Err(unfit("a file lock keeps nobody out"));
    }
    Ok(())
}

/// The kind of the mount that `path` (absolute, without links) lies in: of the mounts above it the deepest, and of those on
/// the same point the last, which hides the others.
fn file_system(mounts: &[u8], path: &Path) -> Option<String> {
    let mut deepest: Option<(usize, String)> = None;
    for line in mounts.split(|byte| *byte == b'\n') {
        // 36 35 98:0 /root /mount/point options [tags …] - kind source options
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let Some(kind) = fields.skip_while(|field| *field != b"-").nth(1) else { continue };
        let point = unescape(point);
        let point = Path::new(std::ffi::OsStr::from_bytes(&point));
        let depth = point.components().count();
        if path.starts_with(point) && deepest.as_ref().is_none_or(|(known, _)| depth >= *known) {
            deepest = Some((depth, String::from_utf8_lossy(kind).into_owned()));
        }
    }
    deepest.map(|(_, kind)| kind)
}

/// Undoes `\040` and the like, which the system writes for blanks and backslashes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let octal = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok();
        match after.get(..3).filter(|_| first == b'\\').and_then(octal) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

fn directory(store: &Path) -> &Path {
    match store.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn refused(doing: &'static str, what: &Path, store: &Path, source: io::Error) -> Error {
    let path = store.to_owned();
    if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
        Error::ReadOnly { path, source: Box::new(source) }
    } else if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        Error::Full { path, source: Box::new(source) }
    } else {
        Error::Io { doing, path: what.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:20 / /home rw - nfs4 server:/home rw
24 23 0:21 / /home/a\\040b rw master:2 propagate_from:3 - fuse.sshfs b: rw
25 22 0:22 / /over rw - tmpfs tmpfs rw
26 22 0:23 / /over rw - 9p host rw
";

    fn kind(path: &str) -> Option<String> {
        file_system(MOUNTS, Path::new(path))
    }

    #[test]
    fn the_deepest_and_last_mount_counts() {
        assert_eq!(kind("/var/lib").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/someone").as_deref(), Some("nfs4"));
        assert_eq!(kind("/homes").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/a b/c").as_deref(), Some("fuse.sshfs"));
        assert_eq!(kind("/over").as_deref(), Some("9p"));
    }

    #[test]
    fn kinds_are_judged() {
        let judge = |kind: &str| judge(kind.to_owned(), Path::new("/s/store.db"));
        for bad in ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"] {
            let error = judge(bad).unwrap_err().to_string();
            assert_eq!(error, format!("open /s/store.db: on {bad} locks and shared memory cannot be relied on"));
        }
        for doubtful in ["9p", "virtiofs", "overlay", "fuse.portal"] {
            assert_eq!(judge(doubtful).unwrap(), Ground::Doubtful(doubtful.to_owned()));
        }
        assert_eq!(judge("ext4").unwrap(), Ground::Good);
    }

    #[test]
    fn locks_are_tried() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store.db");
        try_locks(&store, "overlay").unwrap();
        let held = open_or_make(&crate::turn::path(&store), &store).unwrap();
        held.lock().unwrap();
        try_locks(&store, "overlay").unwrap();
    }
}
