//! Copies: complete beside their destination, then in their place at once; holes stay holes.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use schema::file::{FileAction, FileChange, FileErrorCode, FileType};

use crate::change::{Made, change_to, discard, may_replace, put};
use crate::root::{Place, Root, kind_of};
use crate::slot;
use crate::walk::Names;
use crate::{Error, Result};

/// Copies a file, a link (as a link) or, `recursive`, a directory. `told` hears of the bytes copied since it last did.
///
/// # Errors
/// There is no source; something is at the destination and may not be replaced; there is a special file in the source.
pub fn copy(root: &Root, path: &Path, to: &Path, how: Made, told: &mut dyn FnMut(u64)) -> Result<FileChange> {
    const ACTION: &str = "copy";
    let source = root.place(ACTION, path)?;
    let stat = source.there(ACTION)?;
    if kind_of(&stat) == FileType::Directory && !how.recursive {
        return Err(Error::kernel(ACTION, path, Errno::ISDIR));
    }
    let record = change_to(FileAction::Copy, path, to);
    let place = match if how.dry_run { root.place(ACTION, to) } else { root.place_made(ACTION, to) } {
        Err(error) if how.dry_run && error.code() == FileErrorCode::NotFound => {
            return Ok(FileChange { changed: false, ..record });
        }
        place => place?,
    };
    let old = place.look(ACTION)?;
    if old.is_some_and(|old| (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)) {
        return Ok(FileChange { changed: false, ..record });
    }
    may_replace(ACTION, to, old.map(|old| kind_of(&old)), kind_of(&stat), how.overwrite)?;
    if how.dry_run {
        return Ok(FileChange { changed: false, ..record });
    }
    let (bytes, entries) = copy_as(ACTION, &source, &place, how.overwrite, told)?;
    Ok(FileChange { bytes: Some(bytes), entries: Some(entries), ..record })
}

/// Copies from one place to another; how many bytes and entries.
pub(crate) fn copy_as(
    action: &'static str,
    source: &Place,
    to: &Place,
    overwrite: bool,
    told: &mut dyn FnMut(u64),
) -> Result<(u64, u64)> {
    // Into a directory that only we may enter, so that nobody sees or disturbs what is not complete.
    let kernel = |errno| Error::kernel(action, &to.path, errno);
    let (stage, parent) = slot::directory(&to.parent).map_err(kernel)?;
    let staged = Place { parent, name: "copy".into(), path: to.path.clone() };
    let result = fs::fstat(&staged.parent).map_err(kernel).and_then(|stage_id| {
        let mut copied = Copied { action, bytes: 0, entries: 0, told, stage: (stage_id.st_dev, stage_id.st_ino) };
        copied.entry(&source.parent, &source.name, &source.path, &staged.parent, &staged.name)?;
        host::step::reached("fs.copied");
        put(&staged, &staged.name, to, overwrite).map_err(kernel)?;
        host::step::reached("fs.renamed");
        to.settle(action)?;
        Ok((copied.bytes, copied.entries))
    });
    discard(&to.parent, &stage);
    result
}

struct Copied<'t> {
    action: &'static str,
    bytes: u64,
    entries: u64,
    told: &'t mut dyn FnMut(u64),
    /// Where we copy to: a directory that is copied into itself must end.
    stage: (u64, u64),
}

impl Copied<'_> {
    fn entry(&mut self, from: &OwnedFd, name: &OsStr, path: &Path, to: &OwnedFd, new: &OsStr) -> Result<()> {
        let action = self.action;
        let kernel = |errno| Error::kernel(action, path, errno);
        let seen = fs::openat(from, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let seen = seen.map_err(kernel)?;
        let stat = fs::fstat(&seen).map_err(kernel)?;
        let same = |other: &Stat| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino);
        self.entries += 1;
        match kind_of(&stat) {
            FileType::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let source = fs::openat(from, name, flags, Mode::empty()).map_err(kernel)?;
                if !same(&fs::fstat(&source).map_err(kernel)?) {
                    return Err(Error::refused(self.action, path, FileErrorCode::Changed, "it changed meanwhile"));
                }
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let made = fs::openat(to, new, flags, Mode::from_raw_mode(0o600)).map_err(kernel)?;
                let size = stat.st_size as u64;
                let (source, made) = (File::from(source), File::from(made));
                self.bytes +=
                    content(&source, &made, size, self.told).map_err(|error| Error::io(self.action, path, error))?;
                fs::fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(kernel)?;
                fs::futimens(&made, &times(&stat)).map_err(kernel)?;
                made.sync_all().map_err(|error| Error::io(self.action, path, error))
            }
            FileType::Symlink => {
                let target = fs::readlinkat(&seen, "", Vec::new()).map_err(kernel)?;
                fs::symlinkat(target, to, new).map_err(kernel)
            }
            FileType::Directory => {
                if (stat.st_dev, stat.st_ino) == self.stage {
                    return Err(Error::refused(
                        self.action,
                        path,
                        FileErrorCode::Usage,
                        "a directory cannot be copied into itself",
                    ));
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let source = fs::openat(from, name, flags, Mode::empty()).map_err(kernel)?;
                fs::mkdirat(to, new, Mode::from_raw_mode(0o700)).map_err(kernel)?;
                let made = fs::openat(to, new, flags, Mode::empty()).map_err(kernel)?;
                for (name, _) in Names::read(source.as_fd()).map_err(kernel)?.iter() {
                    self.entry(&source, name, &path.join(name), &made, name)?;
                }
                fs::fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(kernel)?;
                fs::futimens(&made, &times(&stat)).map_err(kernel)
            }
            kind @ (FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char) => {
                Err(Error::Special { action: self.action, path: path.to_owned(), kind })
            }
        }
    }
}

fn times(stat: &Stat) -> Timestamps {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds as i64, tv_nsec: nanoseconds as i64 };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec as i64),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec as i64),
    }
}

/// Copies the data between the holes; on file systems that share blocks, nothing but the table of them.
fn content(from: &File, to: &File, size: u64, told: &mut dyn FnMut(u64)) -> io::Result<u64> {
    const PIECE: usize = 16 << 20;
    if fs::ioctl_ficlone(to, from).is_ok() {
        told(size);
        return Ok(size);
    }
    let mut at = 0;
    loop {
        // A file system that knows no holes says so, or that all is data.
        let begin = match fs::seek(from, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => break,
            Err(_) => at,
        };
        let end = fs::seek(from, SeekFrom::Hole(begin)).unwrap_or(u64::MAX);
        told(begin - at);
        at = begin;
        while at < end {
            let (mut input, mut output) = (at, at);
            let wanted = PIECE.min(usize::try_from(end - at).unwrap_or(PIECE));
            let count = match fs::copy_file_range(from, Some(&mut input), to, Some(&mut output), wanted) {
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => {
                    by_hand(from, to, at, wanted)?
                }
                Err(errno) => return Err(errno.into()),
            };
            if count == 0 {
                // It ends here: it shrank, or its end was not known.
                let length = at.max(fs::fstat(to)?.st_size as u64);
                fs::ftruncate(to, length)?;
                return Ok(length);
            }
            at += count as u64;
            told(count as u64);
        }
    }
    fs::ftruncate(to, size.max(at))?;
    Ok(size.max(at))
}

fn by_hand(from: &File, to: &File, at: u64, wanted: usize) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; wanted.min(1 << 20)];
    let count = from.read_at(&mut buffer, at)?;
    to.write_all_at(&buffer[..count], at)?;
    Ok(count)
}
