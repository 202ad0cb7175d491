//! New content for a file: beside it, to the disk, then in its place at once.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, Access, AtFlags, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;
use schema::file::{FileAction, FileChange, FileErrorCode};

use crate::change::change;
use crate::look::{Algorithm, hash};
use crate::root::{Place, Root, regular};
use crate::slot;
use crate::{Error, Result};

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Behind what is there, in the file itself: not atomic.
    pub append: bool,
    /// Its permissions; else those of the file that is replaced, else what the umask leaves.
    pub mode: Option<u32>,
    /// Refused where something is there already.
    pub if_absent: bool,
    /// Refused where the content has another SHA-256.
    pub if_hash: Option<String>,
    /// Only say whether it could be done; `content` is not read.
    pub dry_run: bool,
    /// Not to wait for the disk: whoever reads, and a kill at any moment, still finds the old content or the new one, but
    /// what a power cut leaves is for the file system to say.
    pub unsettled: bool,
}

/// What is written.
pub enum Content<'c> {
    /// What a file, pipe or socket of this process holds: the kernel moves it.
    File(&'c mut File),
    /// What comes piece by piece. An error in it changes nothing.
    Stream(&'c mut dyn BufRead),
}

const ACTION: &str = "write";

/// Writes what `content` gives. Missing directories are made; through a link the file that it points to is written.
/// Whoever reads sees the old content or the new one.
///
/// # Errors
/// The place is denied, full, a directory or a special file, or is not as the options demand.
pub fn write(root: &Root, path: &Path, content: Content<'_>, options: &WriteOptions) -> Result<FileChange> {
    let kernel = |errno| Error::kernel(ACTION, path, errno);
    let real = root.followed(ACTION, path)?;
    let near = root.nearest(ACTION, &real)?;
    // (Where directories are missing, this is the first of them, and nothing is there.)
    let old = near.look(ACTION)?;
    if old.is_some() {
        if options.if_absent {
            return Err(kernel(Errno::EXIST));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let seen = fs::openat(&near.parent, &near.name, flags, Mode::empty()).map_err(kernel)?;
        regular(ACTION, path, &seen)?;
    }
    if let Some(wanted) = &options.if_hash {
        let found = hash(root, path, Algorithm::Sha256)?.hash;
        if !found.eq_ignore_ascii_case(wanted) {
            let why = format!("its SHA-256 is {found}, not the one expected");
            return Err(Error::refused(ACTION, path, FileErrorCode::Changed, why));
        }
    }
    if options.dry_run {
        if options.append && old.is_some() {
            fs::accessat(&near.parent, &near.name, Access::WRITE_OK, AtFlags::EACCESS).map_err(kernel)?;
        } else {
            near.may_change(ACTION)?;
        }
        let action = if options.append { FileAction::Append } else { FileAction::Write };
        return Ok(FileChange { changed: false, ..change(action, path) });
    }
    let place = if near.path == real { near } else { root.place_made(ACTION, &real)? };
    if options.append {
        return append(path, &place, content, options);
    }
    // Only for us until it has its mode.
    let first = if options.mode.is_some() || old.is_some() { 0o600 } else { 0o666 };
    let (name, made) = slot::file(&place.parent, first).map_err(kernel)?;
    let mut file = File::from(made);
    let written = (|| {
        let bytes = fill(&mut file, content).map_err(|error| Error::io(ACTION, path, error))?;
        if let Some(old) = &old {
            // Only root may give files away; for others it stays theirs.
            let _ = fs::fchown(&file, Some(Uid::from_raw(old.st_uid)), Some(Gid::from_raw(old.st_gid)));
        }
        if let Some(mode) = options.mode.or(old.map(|old| old.st_mode & 0o7777)) {
            fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(kernel)?;
        }
        if !options.unsettled {
            file.sync_all().map_err(|error| Error::io(ACTION, path, error))?;
        }
        host::step::reached("fs.written");
        if options.if_hash.is_some() && !same(old, place.look(ACTION)?) {
            return Err(Error::refused(ACTION, path, FileErrorCode::Changed, "it changed meanwhile"));
        }
        let replace = if options.if_absent { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        rename(&place.parent, &name, &place.parent, &place.name, replace).map_err(kernel)?;
        Ok(bytes)
    })();
    match written {
        Ok(bytes) => {
            host::step::reached("fs.renamed");
            if !options.unsettled {
                place.settle(ACTION)?;
            }
            Ok(FileChange { bytes: Some(bytes), ..change(FileAction::Write, path) })
        }
        Err(error) => {
            // The old content is untouched; what is beside it is no use.
            let _ = fs::unlinkat(&place.parent, &name, AtFlags::empty());
            Err(error)
        }
    }
}

/// Writes all that comes; the disk begins with it before the end.
fn fill(file: &mut File, mut content: Content<'_>) -> io::Result<u64> {
    const PIECE: u64 = 32 << 20;
    let mut bytes = 0;
    loop {
        let count = match &mut content {
            Content::File(content) => io::copy(&mut content.take(PIECE), file)?,
            Content::Stream(content) => pour(*content, file, PIECE)?,
        };
        if count < PIECE {
            return Ok(bytes + count);
        }
        host::disk::begin_writing(&*file, bytes, count);
        bytes += count;
    }
}

/// Writes at least so many bytes of what comes, or all there is.
fn pour(content: &mut dyn BufRead, file: &mut File, least: u64) -> io::Result<u64> {
    let mut bytes = 0;
    while bytes < least {
        let piece = content.fill_buf()?;
        if piece.is_empty() {
            break;
        }
        file.write_all(piece)?;
        let count = piece.len();
        content.consume(count);
        bytes += count as u64;
    }
    Ok(bytes)
}

/// Whether nobody wrote in between.
fn same(before: Option<Stat>, now: Option<Stat>) -> bool {
    let marks = |stat: Stat| (stat.st_dev, stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec);
    before.map(marks) == now.map(marks)
}

/// Renames with flags; an old file system that knows no `NOREPLACE` is served by a link.
pub(crate) fn rename(
    from: &OwnedFd,
    old: &OsStr,
    to: &OwnedFd,
    new: &OsStr,
    flags: RenameFlags,
) -> rustix::io::Result<()> {
    if flags.is_empty() {
        return fs::renameat(from, old, to, new);
    }
    match fs::renameat_with(from, old, to, new, flags) {
        Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
            // A directory has no second name: then it was the kernel's true answer.
            let linked = fs::linkat(from, old, to, new, AtFlags::empty());
            linked.map_err(|errno| if errno == Errno::PERM { Errno::INVAL } else { errno })?;
            fs::unlinkat(from, old, AtFlags::empty())
        }
        other => other,
    }
}

fn append(path: &Path, place: &Place, content: Content<'_>, options: &WriteOptions) -> Result<FileChange> {
    let kernel = |errno| Error::kernel(ACTION, path, errno);
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = fs::openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o666)).map_err(kernel)?;
    regular(ACTION, path, &opened)?;
    if let Some(mode) = options.mode {
        fs::fchmod(&opened, Mode::from_raw_mode(mode)).map_err(kernel)?;
    }
    let mut file = File::from(opened);
    let copied = match content {
        Content::File(content) => io::copy(content, &mut file),
        Content::Stream(content) => pour(content, &mut file, u64::MAX),
    };
    let bytes = copied.map_err(|error| Error::io(ACTION, path, error))?;
    if !options.unsettled {
        file.sync_all().map_err(|error| Error::io(ACTION, path, error))?;
        // The file may be new.
        place.settle(ACTION)?;
    }
    Ok(FileChange { bytes: Some(bytes), ..change(FileAction::Append, path) })
}
