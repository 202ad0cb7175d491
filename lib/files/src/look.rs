//! One file: what it is, its bytes, its hash.

use std::fs::File;
use std::io::{IoSliceMut, Read, Seek, SeekFrom, Take};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, OFlags, Stat};
use rustix::io::{ReadWriteFlags, preadv2};
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
    let mut record = Looker::new().record(path, &stat).clone();
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

/// Makes records of what lists and `stat` have in common, each in the strings of the one before.
pub(crate) struct Looker {
    record: FileRecord,
    /// The day of the last one, since 1970, and how it is written.
    day: (i64, String),
}

impl Looker {
    pub(crate) fn new() -> Looker {
        let record = FileRecord {
            path: String::new(),
            path_bytes: None,
            kind: FileType::File,
            size: 0,
            mode: String::new(),
            modified: String::new(),
            target: None,
            target_bytes: None,
            uid: None,
            gid: None,
            links: None,
            inode: None,
            allocated: None,
        };
        Looker { record, day: (i64::MIN, String::new()) }
    }

    pub(crate) fn record(&mut self, path: &Path, stat: &Stat) -> &mut FileRecord {
        let record = &mut self.record;
        let bytes = path.as_os_str().as_bytes();
        record.path.clear();
        match std::str::from_utf8(bytes) {
            Ok(text) => record.path.push_str(text),
            Err(_) => record.path.push_str(&readable(path)),
        }
        record.path_bytes = exact_bytes(bytes);
        record.kind = kind_of(stat);
        record.size = stat.st_size as u64;
        record.mode.clear();
        digits(&mut record.mode, [9, 6, 3, 0].map(|shift| stat.st_mode >> shift & 7));
        (record.target, record.target_bytes) = (None, None);
        #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
        let (second, nanosecond) = (stat.st_mtime as i64, stat.st_mtime_nsec as u32);
        let day = second.div_euclid(86_400);
        if day != self.day.0 {
            let text = Timestamp(second.saturating_mul(1000)).to_string();
            self.day = (day, text[..11].to_owned());
        }
        let (second, milli) = (second.rem_euclid(86_400) as u32, nanosecond / 1_000_000);
        record.modified.clear();
        record.modified.push_str(&self.day.1);
        for (number, mark) in [(second / 3600, ':'), (second / 60 % 60, ':'), (second % 60, '.')] {
            digits(&mut record.modified, [number / 10, number % 10]);
            record.modified.push(mark);
        }
        digits(&mut record.modified, [milli / 100, milli / 10 % 10, milli % 10]);
        record.modified.push('Z');
        record
    }
}

fn digits<const N: usize>(text: &mut String, digits: [u32; N]) {
    text.extend(digits.map(|digit| char::from(b'0' + digit as u8)));
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

/// All of a regular file that is in memory already and has at most so many bytes: nothing here waits, be it for a disk.
/// `None`: it is for [`open_range`] to say what there is.
pub fn glance(root: &Root, path: &Path, most: usize) -> Option<Vec<u8>> {
    let seen = root.open_known(path, OFlags::PATH)?;
    let stat = fs::fstat(&seen).ok()?;
    let size = usize::try_from(stat.st_size).ok().filter(|size| (1..=most).contains(size))?;
    // To open a file may be to ask somebody far away.
    let is_near = NEAR.contains(&(fs::fstatfs(&seen).ok()?.f_type as u32));
    (is_near && kind_of(&stat) == FileType::File).then_some(())?;
    let file = root.open_known(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let now = fs::fstat(&file).ok()?;
    ((now.st_dev, now.st_ino, now.st_size) == (stat.st_dev, stat.st_ino, stat.st_size)).then_some(())?;
    let mut bytes = vec![0; size];
    let read = preadv2(&file, &mut [IoSliceMut::new(&mut bytes)], 0, ReadWriteFlags::NOWAIT).ok()?;
    (read == size).then_some(bytes)
}

/// File systems of this machine: ext4, XFS, btrfs, tmpfs.
const NEAR: [u32; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_tells_all_of_it_or_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (inside, at) = (place.path().join("root"), |name: &str| place.path().join("root").join(name));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(at("small"), "small").unwrap();
        std::fs::write(at("empty"), "").unwrap();
        std::fs::write(place.path().join("out"), "out").unwrap();
        std::os::unix::fs::symlink("../out", at("link")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let free = Root::free(&inside).unwrap();
        // What is not near, or an old kernel, is no error; here, on the commonest, it must work.
        let open =
            |flags| fs::openat2(std::fs::File::open(&inside).unwrap(), ".", OFlags::PATH, fs::Mode::empty(), flags);
        let is_ext4 = fs::statfs(&inside).unwrap().f_type as u32 == NEAR[0];
        if is_ext4 && open(fs::ResolveFlags::CACHED).is_ok() {
            assert_eq!(glance(&free, Path::new("small"), 5).as_deref(), Some(b"small".as_slice()));
        }
        for root in [&free, &Root::confined(&inside).unwrap()] {
            assert!(glance(root, Path::new("small"), 5).is_none_or(|bytes| bytes == b"small"));
            for nothing in ["empty", "fifo", ".", "missing"] {
                assert_eq!(glance(root, Path::new(nothing), 5), None, "{nothing}");
            }
            assert_eq!(glance(root, Path::new("small"), 4), None);
        }
        assert!(glance(&free, Path::new("link"), 5).is_none_or(|bytes| bytes == b"out"));
        assert_eq!(glance(&Root::confined(&inside).unwrap(), Path::new("link"), 5), None);
    }
}
