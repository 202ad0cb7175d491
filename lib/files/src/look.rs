//! One file: what it is, its bytes, its hash.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Take};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, OFlags, Stat};
use schema::Timestamp;
use schema::file::{FileHash, FileRecord, FileType};
use sha2::Digest;

use crate::names::{exact, exact_bytes, readable};
use crate::root::{Place, Root, kind_of};
use crate::{Error, Result};

/// What lies at a path; a link is a link.
///
/// # Errors
/// Nothing is there, or it may not be seen.
pub fn stat(root: &Root, path: &Path) -> Result<FileRecord> {
    const ACTION: &str = "look at";
    // A path without a name (`.`, `..`) is a directory.
    let (stat, target) = if path.file_name().is_none() {
        let opened = root.open(ACTION, path, OFlags::PATH, rustix::fs::Mode::empty())?;
        (fs::fstat(&opened).map_err(|errno| Error::kernel(ACTION, path, errno))?, None)
    } else {
        let place = root.place(ACTION, path)?;
        let stat = place.there(ACTION)?;
        (stat, (kind_of(&stat) == FileType::Symlink).then(|| target(&place)).flatten())
    };
    let mut record = record(path, &stat);
    if let Some(target) = target {
        record.target = Some(readable(&target));
        record.target_bytes = exact(&target);
    }
    Ok(FileRecord {
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        links: u32::try_from(stat.st_nlink).ok(),
        inode: Some(stat.st_ino),
        allocated: Some(stat.st_blocks as u64 * 512),
        ..record
    })
}

fn target(place: &Place) -> Option<PathBuf> {
    let target = fs::readlinkat(&place.parent, &place.name, Vec::new()).ok()?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

/// A record of what lists and `stat` have in common.
pub(crate) fn record(path: &Path, stat: &Stat) -> FileRecord {
    FileRecord {
        path: readable(path),
        path_bytes: exact_bytes(path.as_os_str().as_bytes()),
        kind: kind_of(stat),
        size: stat.st_size as u64,
        mode: format!("{:04o}", stat.st_mode & 0o7777),
        modified: modified(stat).to_string(),
        target: None,
        target_bytes: None,
        uid: None,
        gid: None,
        links: None,
        inode: None,
        allocated: None,
    }
}

fn modified(stat: &Stat) -> Timestamp {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    Timestamp((stat.st_mtime as i64).saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000))
}

/// Which bytes of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// From here, bytes.
    pub offset: u64,
    /// At most so many.
    pub length: Option<u64>,
    /// Only the last so many, instead of `offset`.
    pub tail: Option<u64>,
}

/// A regular file, placed at the range's begin, and limited to its length.
///
/// # Errors
/// It is missing, denied, a directory or a special file.
pub fn open_range(root: &Root, path: &Path, range: Range) -> Result<Take<File>> {
    const ACTION: &str = "read";
    let mut file = root.file(ACTION, path, OFlags::RDONLY)?;
    let from = match range.tail {
        Some(tail) => {
            let size = file.metadata().map_err(|error| Error::io(ACTION, path, error))?.len();
            size.saturating_sub(tail)
        }
        None => range.offset,
    };
    file.seek(SeekFrom::Start(from)).map_err(|error| Error::io(ACTION, path, error))?;
    Ok(file.take(range.length.unwrap_or(u64::MAX)))
}

/// How to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// BLAKE3.
    Blake3,
}

/// The hash of a regular file.
///
/// # Errors
/// As for reading it.
pub fn hash(root: &Root, path: &Path, algorithm: Algorithm) -> Result<FileHash> {
    const ACTION: &str = "hash";
    let mut file = root.file(ACTION, path, OFlags::RDONLY)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    let mut each = |update: &mut dyn FnMut(&[u8])| -> Result<()> {
        loop {
            match file.read(&mut buffer).map_err(|error| Error::io(ACTION, path, error))? {
                0 => return Ok(()),
                count => {
                    update(&buffer[..count]);
                    size += count as u64;
                }
            }
        }
    };
    let (algorithm, hash) = match algorithm {
        Algorithm::Sha256 => {
            let mut hasher = sha2::Sha256::new();
            each(&mut |bytes| hasher.update(bytes))?;
            ("sha256", hex(&hasher.finalize()))
        }
        Algorithm::Blake3 => {
            let mut hasher = blake3::Hasher::new();
            each(&mut |bytes| {
                hasher.update(bytes);
            })?;
            ("blake3", hasher.finalize().to_hex().to_string())
        }
    };
    Ok(FileHash { path: readable(path), path_bytes: exact(path), algorithm: algorithm.to_owned(), hash, size })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
