//! Removals, names, links, permissions and times.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use schema::file::{FileAction, FileChange, FileErrorCode, FileType};

use crate::copy::copy_as;
use crate::names::{exact, readable};
use crate::root::{Place, Root, kind_of};
use crate::tree::{Tree, open_directory};
use crate::write::rename;
use crate::{Error, Result};

/// A record of something done.
pub(crate) fn change(action: FileAction, path: &Path) -> FileChange {
    FileChange {
        action,
        path: readable(path),
        path_bytes: exact(path),
        to: None,
        to_bytes: None,
        changed: true,
        bytes: None,
        entries: None,
        hunks: None,
    }
}

/// The same, from one place to another.
pub(crate) fn change_to(action: FileAction, path: &Path, to: &Path) -> FileChange {
    FileChange { to: Some(readable(to)), to_bytes: exact(to), ..change(action, path) }
}

/// How a removal, a move or a copy is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Directories with everything below them.
    pub recursive: bool,
    /// What is at the destination may be replaced.
    pub overwrite: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

const REMOVE: &str = "remove";

/// Removes a file, a link (never what it points to), or a directory.
///
/// # Errors
/// Nothing is there, it is denied, or a directory is not empty and `recursive` was not asked for.
pub fn remove(root: &Root, path: &Path, how: Made) -> Result<FileChange> {
    let place = root.place(REMOVE, path)?;
    let stat = place.there(REMOVE)?;
    let kernel = |errno| Error::kernel(REMOVE, path, errno);
    let is_directory = kind_of(&stat) == FileType::Directory;
    let mut entries = 1;
    if how.dry_run {
        place.may_change(REMOVE)?;
    }
    if is_directory && (how.recursive || how.dry_run) {
        let directory = open_directory(&place.parent, &place.name).map_err(kernel)?;
        let below = below(directory, path, if how.dry_run { Below::Count } else { Below::Remove })?;
        if below > 0 && !how.recursive {
            return Err(kernel(Errno::NOTEMPTY));
        }
        entries += below;
    }
    if !how.dry_run {
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        fs::unlinkat(&place.parent, &place.name, flags).map_err(kernel)?;
    }
    Ok(FileChange { changed: !how.dry_run, entries: Some(entries), ..change(FileAction::Remove, path) })
}

/// How what is below a directory is gone through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Count,
    Remove,
    /// Also where permissions that we may change stand in the way.
    Force,
}

/// Removes (or only counts) what is below a directory. Links are not followed.
fn below(directory: OwnedFd, path: &Path, how: Below) -> Result<u64> {
    let mut path = path.to_owned();
    let mut count = 0;
    let kernel = |path: &Path, errno| Error::kernel(REMOVE, path, errno);
    let mut tree = Tree::new(directory).map_err(|errno| kernel(&path, errno))?;
    loop {
        let met = tree.next().map_err(|errno| kernel(&path, errno))?;
        let flags = match met {
            Some(FileType::Directory) => {
                path.push(tree.name());
                if how == Below::Force {
                    unlock(tree.here(), tree.name());
                }
                match open_directory(tree.here(), tree.name()).and_then(|inside| tree.down(inside)) {
                    Ok(()) => {}
                    // Somebody else was faster: it is gone, as wanted.
                    Err(Errno::NOENT) => {
                        path.pop();
                    }
                    Err(errno) => return Err(kernel(&path, errno)),
                }
                continue;
            }
            Some(_) => {
                path.push(tree.name());
                AtFlags::empty()
            }
            None if !tree.up().map_err(|errno| kernel(&path, errno))? => return Ok(count),
            None => AtFlags::REMOVEDIR,
        };
        count += 1;
        if how != Below::Count {
            match fs::unlinkat(tree.here(), tree.name(), flags) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(kernel(&path, errno)),
            }
        }
        path.pop();
    }
}

/// Removes what we made ourselves, or what was replaced, and nobody needs.
pub(crate) fn discard(parent: &OwnedFd, name: &OsStr) -> Result<()> {
    let path = Path::new(name);
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(Error::kernel(REMOVE, path, errno)),
    }
    unlock(parent, name);
    let kernel = |errno| Error::kernel(REMOVE, path, errno);
    below(open_directory(parent, name).map_err(kernel)?, path, Below::Force)?;
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(kernel)
}

/// Lets us into a directory of ours. (If it is not, what is tried next says so.)
fn unlock(parent: &OwnedFd, name: &OsStr) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = fs::openat(parent, name, flags, Mode::empty()) else { return };
    if fs::fstat(&directory).is_ok_and(|stat| stat.st_mode & 0o700 != 0o700) {
        let _ = fs::chmodat(fs::CWD, through(&directory), Mode::RWXU, AtFlags::empty());
    }
}

/// Makes a directory, and those above it; one that is there is no error.
///
/// # Errors
/// Something else is there, or it is denied.
pub fn mkdir(root: &Root, path: &Path, mode: Option<u32>) -> Result<FileChange> {
    const ACTION: &str = "make the directory";
    let made = root.make_directories(ACTION, path)?;
    if made && let Some(mode) = mode {
        let directory = root.directory(ACTION, path)?;
        fs::fchmod(&directory, Mode::from_raw_mode(mode)).map_err(|errno| Error::kernel(ACTION, path, errno))?;
    }
    Ok(FileChange { changed: made, ..change(FileAction::Mkdir, path) })
}

/// Gives a file or directory another name, at once; over file systems by a copy that is complete before the source goes.
///
/// # Errors
/// There is no source; something is at the destination and may not be replaced.
pub fn move_to(root: &Root, path: &Path, to: &Path, how: Made) -> Result<FileChange> {
    const ACTION: &str = "move";
    let source = root.place(ACTION, path)?;
    let stat = source.there(ACTION)?;
    let record = change_to(FileAction::Move, path, to);
    let place = if how.dry_run { root.nearest(ACTION, to)? } else { root.place_made(ACTION, to)? };
    let old = place.look(ACTION)?;
    if old.is_some_and(|old| (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)) {
        return Ok(FileChange { changed: false, ..record });
    }
    may_replace(ACTION, to, old.map(|old| kind_of(&old)), kind_of(&stat), how.overwrite)?;
    if how.dry_run {
        source.may_change(ACTION)?;
        place.may_change(ACTION)?;
        return Ok(FileChange { changed: false, ..record });
    }
    match put(&source, &place, how.overwrite) {
        Ok(Put::Done) => {}
        Ok(Put::Swapped) => {
            host::step::reached("fs.exchanged");
            discard(&source.parent, &source.name).map_err(|error| {
                let why = format!("it was moved, but what it replaced lies in its old place: {}", error.in_full());
                Error::refused(ACTION, path, error.code(), why)
            })?;
        }
        Err(Errno::XDEV) => {
            source.may_change(ACTION)?;
            copy_as(ACTION, &source, &place, how.overwrite, &mut |_| ())?;
            let removed = remove(root, path, Made { recursive: true, ..how }).map_err(|error| {
                let why = format!("it was copied, and is not all gone from its old place: {}", error.in_full());
                Error::refused(ACTION, path, error.code(), why)
            })?;
            return Ok(FileChange { entries: removed.entries, ..record });
        }
        Err(Errno::EXIST) => return Err(Error::kernel(ACTION, to, Errno::EXIST)),
        Err(Errno::INVAL) => {
            return Err(Error::refused(ACTION, path, FileErrorCode::Usage, "a directory cannot go into itself"));
        }
        Err(errno) => return Err(Error::kernel(ACTION, path, errno)),
    }
    host::step::reached("fs.renamed");
    source.settle(ACTION)?;
    place.settle(ACTION)?;
    Ok(record)
}

/// What became of the old one.
pub(crate) enum Put {
    /// There was none, or it is gone.
    Done,
    /// It lies where the new one came from.
    Swapped,
}

/// Puts something under a name: where nothing was, or in the place of the old one, which lives until then.
pub(crate) fn put(from: &Place, to: &Place, overwrite: bool) -> rustix::io::Result<Put> {
    let rename = |flags| rename(&from.parent, &from.name, &to.parent, &to.name, flags);
    match rename(RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) if overwrite => {}
        other => return other.map(|()| Put::Done),
    }
    match rename(RenameFlags::empty()) {
        // A directory that is not empty gives way only by changing places.
        Err(Errno::NOTEMPTY | Errno::EXIST) => rename(RenameFlags::EXCHANGE).map(|()| Put::Swapped),
        other => other.map(|()| Put::Done),
    }
}

/// A file never replaces a directory, nor a directory anything else.
pub(crate) fn may_replace(
    action: &'static str,
    to: &Path,
    old: Option<FileType>,
    new: FileType,
    overwrite: bool,
) -> Result<()> {
    let errno = match old {
        None => return Ok(()),
        Some(_) if !overwrite => Errno::EXIST,
        Some(FileType::Directory) if new != FileType::Directory => Errno::ISDIR,
        Some(old) if old != FileType::Directory && new == FileType::Directory => Errno::NOTDIR,
        Some(_) => return Ok(()),
    };
    Err(Error::kernel(action, to, errno))
}

/// Makes a symbolic link at `to` that says `target`, or (`hard`) a second name for the file `target`.
///
/// # Errors
/// Something is at `to`; under a confined root, a `target` that would lead out.
pub fn link(root: &Root, target: &Path, to: &Path, hard: bool) -> Result<FileChange> {
    const ACTION: &str = "link";
    let record = change_to(FileAction::Link, target, to);
    if !hard && root.leads_out(to, target) {
        return Err(Error::Outside { action: ACTION, path: target.to_owned() });
    }
    let source = if hard { Some(root.place(ACTION, target)?) } else { None };
    if let Some(source) = &source {
        source.there(ACTION)?;
    }
    let place = root.place_made(ACTION, to)?;
    let made = match &source {
        Some(source) => fs::linkat(&source.parent, &source.name, &place.parent, &place.name, AtFlags::empty()),
        None => fs::symlinkat(target, &place.parent, &place.name),
    };
    made.map_err(|errno| Error::kernel(ACTION, to, errno))?;
    place.settle(ACTION)?;
    Ok(record)
}

/// Sets the permissions of what a path leads to.
///
/// # Errors
/// Nothing is there, or it belongs to somebody else.
pub fn chmod(root: &Root, path: &Path, mode: u32) -> Result<FileChange> {
    const ACTION: &str = "set the permissions of";
    let seen = root.open(ACTION, path, OFlags::PATH, Mode::empty())?;
    let mode = Mode::from_raw_mode(mode);
    // An O_PATH descriptor reaches the file without opening it: no fifo blocks, no mode stands in the way.
    fs::chmodat(fs::CWD, through(&seen), mode, AtFlags::empty()).map_err(|errno| Error::kernel(ACTION, path, errno))?;
    Ok(change(FileAction::Chmod, path))
}

/// Sets when a file changed (milliseconds since 1970; now, where none is given), and makes an empty one where nothing is.
///
/// # Errors
/// It is denied.
pub fn touch(root: &Root, path: &Path, modified_ms: Option<i64>) -> Result<FileChange> {
    const ACTION: &str = "touch";
    let seen = match root.open(ACTION, path, OFlags::PATH, Mode::empty()) {
        Err(error) if error.code() == FileErrorCode::NotFound => {
            let real = root.followed(ACTION, path)?;
            let place = root.place_made(ACTION, &real)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            fs::openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o666))
                .map_err(|errno| Error::kernel(ACTION, path, errno))?
        }
        other => other?,
    };
    let time = modified_ms.map_or(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }, |ms| Timespec {
        tv_sec: ms.div_euclid(1000),
        tv_nsec: ms.rem_euclid(1000) * 1_000_000,
    });
    let times = Timestamps { last_access: time, last_modification: time };
    fs::utimensat(fs::CWD, through(&seen), &times, AtFlags::empty())
        .map_err(|errno| Error::kernel(ACTION, path, errno))?;
    Ok(change(FileAction::Touch, path))
}

/// The kernel's name for what a descriptor holds.
pub(crate) fn through(fd: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}
