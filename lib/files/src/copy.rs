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
use crate::tree::{Ladder, Tree, open_directory};
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
    let place = if how.dry_run { root.nearest(ACTION, to)? } else { root.place_made(ACTION, to)? };
    let old = place.look(ACTION)?;
    if old.is_some_and(|old| (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)) {
        return Ok(FileChange { changed: false, ..record });
    }
    may_replace(ACTION, to, old.map(|old| kind_of(&old)), kind_of(&stat), how.overwrite)?;
    if how.dry_run {
        place.may_change(ACTION)?;
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
        let stage = (stage_id.st_dev, stage_id.st_ino);
        let mut copied = Copied { action, bytes: 0, entries: 0, told, stage, alone: true };
        copied.all(source, &staged)?;
        host::step::reached("fs.copied");
        put(&staged, to, overwrite).map_err(kernel)?;
        host::step::reached("fs.renamed");
        to.settle(action)?;
        Ok((copied.bytes, copied.entries))
    });
    let cleared = discard(&to.parent, &stage);
    let copied = result?;
    cleared.map_err(|error| {
        let why = format!("it is there, but what it replaced could not be removed: {}", error.in_full());
        Error::refused(action, &to.path, error.code(), why)
    })?;
    Ok(copied)
}

struct Copied<'t> {
    action: &'static str,
    bytes: u64,
    entries: u64,
    told: &'t mut dyn FnMut(u64),
    /// Where we copy to: a directory that is copied into itself must end.
    stage: (u64, u64),
    /// There is but one file, which goes to the disk by itself.
    alone: bool,
}

/// A directory that is being copied.
struct Copying {
    source: OwnedFd,
    made: OwnedFd,
    stat: Stat,
}

impl Copied<'_> {
    /// Copies what lies at a place, all of it on the disk at the end.
    fn all(&mut self, source: &Place, to: &Place) -> Result<()> {
        let mut path = source.path.clone();
        let action = self.action;
        let kernel = |path: &Path, errno| Error::kernel(action, path, errno);
        let Some(top) = self.one(&source.parent, &source.name, &path, &to.parent, &to.name)? else { return Ok(()) };
        let mut stats = vec![top.stat];
        let mut made = Ladder::new(top.made);
        let mut tree = Tree::new(top.source).map_err(|errno| kernel(&path, errno))?;
        loop {
            if tree.next().map_err(|errno| kernel(&path, errno))?.is_some() {
                path.push(tree.name());
                match self.one(tree.here(), tree.name(), &path, made.here(), tree.name())? {
                    Some(inside) => {
                        made.down(inside.made).map_err(|errno| kernel(&path, errno))?;
                        tree.down(inside.source).map_err(|errno| kernel(&path, errno))?;
                        stats.push(inside.stat);
                    }
                    None => {
                        path.pop();
                    }
                }
                continue;
            }
            let stat = stats.pop().expect("there are as many as levels");
            let left = made.up().map_err(|errno| kernel(&path, errno))?;
            like(&left, &stat).map_err(|errno| kernel(&path, errno))?;
            if !tree.up().map_err(|errno| kernel(&path, errno))? {
                // One call for all of them: to wait for each file takes many times as long.
                return fs::syncfs(&left).map_err(|errno| kernel(&path, errno));
            }
            path.pop();
        }
    }

    /// Copies a file or a link; a directory is made, and to be filled.
    fn one(&mut self, from: &OwnedFd, name: &OsStr, path: &Path, to: &OwnedFd, new: &OsStr) -> Result<Option<Copying>> {
        let kernel = |errno| Error::kernel(self.action, path, errno);
        let seen = fs::openat(from, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let seen = seen.map_err(kernel)?;
        let stat = fs::fstat(&seen).map_err(kernel)?;
        self.entries += 1;
        match kind_of(&stat) {
            FileType::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let source = fs::openat(from, name, flags, Mode::empty()).map_err(kernel)?;
                let opened = fs::fstat(&source).map_err(kernel)?;
                if (opened.st_dev, opened.st_ino) != (stat.st_dev, stat.st_ino) {
                    return Err(Error::refused(self.action, path, FileErrorCode::Changed, "it changed meanwhile"));
                }
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let made = fs::openat(to, new, flags, Mode::from_raw_mode(0o600)).map_err(kernel)?;
                let size = stat.st_size as u64;
                let (source, made) = (File::from(source), File::from(made));
                self.bytes +=
                    content(&source, &made, size, self.told).map_err(|error| Error::io(self.action, path, error))?;
                like(&made, &stat).map_err(kernel)?;
                if self.alone {
                    made.sync_all().map_err(|error| Error::io(self.action, path, error))?;
                }
                Ok(None)
            }
            FileType::Symlink => {
                let target = fs::readlinkat(&seen, "", Vec::new()).map_err(kernel)?;
                fs::symlinkat(target, to, new).map_err(kernel)?;
                Ok(None)
            }
            FileType::Directory => {
                self.alone = false;
                if (stat.st_dev, stat.st_ino) == self.stage {
                    return Err(Error::refused(
                        self.action,
                        path,
                        FileErrorCode::Usage,
                        "a directory cannot be copied into itself",
                    ));
                }
                let source = open_directory(from, name).map_err(kernel)?;
                fs::mkdirat(to, new, Mode::from_raw_mode(0o700)).map_err(kernel)?;
                let made = open_directory(to, new).map_err(kernel)?;
                Ok(Some(Copying { source, made, stat }))
            }
            kind @ (FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char) => {
                Err(Error::Special { action: self.action, path: path.to_owned(), kind })
            }
        }
    }
}

/// The same permissions and times.
fn like(made: impl AsFd, stat: &Stat) -> rustix::io::Result<()> {
    fs::fchmod(&made, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    fs::futimens(&made, &times(stat))
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
            if count == PIECE {
                host::disk::begin_writing(to, at, count as u64);
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
