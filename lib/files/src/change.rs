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
use crate::walk::Names;
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

/// Removes a file, a link (never what it points to), or a directory.
///
/// # Errors
/// Nothing is there, it is denied, or a directory is not empty and `recursive` was not asked for.
pub fn remove(root: &Root, path: &Path, how: Made) -> Result<FileChange> {
    const ACTION: &str = "remove";
    let place = root.place(ACTION, path)?;
    let stat = place.there(ACTION)?;
    let kernel = |errno| Error::kernel(ACTION, path, errno);
    let mut entries = 1;
    if kind_of(&stat) == FileType::Directory {
        if how.recursive || how.dry_run {
            let below = below(&place.parent, &place.name, how.dry_run).map_err(kernel)?;
            if below > 0 && !how.recursive {
                return Err(kernel(Errno::NOTEMPTY));
            }
            entries += below;
        }
        if !how.dry_run {
            fs::unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR).map_err(kernel)?;
        }
    } else if !how.dry_run {
        fs::unlinkat(&place.parent, &place.name, AtFlags::empty()).map_err(kernel)?;
    }
    Ok(FileChange { changed: !how.dry_run, entries: Some(entries), ..change(FileAction::Remove, path) })
}

/// Removes (or only counts) what is below a directory. A link in its place is not followed.
fn below(parent: &OwnedFd, name: &OsStr, only_count: bool) -> rustix::io::Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = fs::openat(parent, name, flags, Mode::empty())?;
    let mut count = 0;
    for (name, kind) in Names::read(directory.as_fd())?.iter() {
        if kind == FileType::Directory {
            count += below(&directory, name, only_count)?;
        }
        if !only_count {
            let flags = if kind == FileType::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            match fs::unlinkat(&directory, name, flags) {
                // Somebody else was faster: it is gone, as wanted.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        count += 1;
    }
    Ok(count)
}

/// Removes what we made ourselves and nobody needs.
pub(crate) fn discard(parent: &OwnedFd, name: &OsStr) {
    // What cannot be removed stays under its telling name.
    if fs::unlinkat(parent, name, AtFlags::empty()) == Err(Errno::ISDIR) {
        let _ = below(parent, name, false);
        let _ = fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
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
    let place = if how.dry_run { root.place(ACTION, to) } else { root.place_made(ACTION, to) };
    let record = change_to(FileAction::Move, path, to);
    let place = match place {
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
    match put(&source, &source.name, &place, how.overwrite) {
        Ok(()) => {}
        Err(Errno::XDEV) => {
            copy_as(ACTION, &source, &place, how.overwrite, &mut |_| ())?;
            let removed = remove(root, path, Made { recursive: true, ..how })?;
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

/// Puts something under a name: where nothing was, or in the place of the old one, which lives until then.
pub(crate) fn put(from: &Place, name: &OsStr, to: &Place, overwrite: bool) -> std::result::Result<(), Errno> {
    match rename(from, name, to, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) if overwrite => {}
        other => return other,
    }
    match rename(from, name, to, RenameFlags::empty()) {
        // A directory that is not empty gives way only by changing places.
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            rename(from, name, to, RenameFlags::EXCHANGE)?;
            host::step::reached("fs.exchanged");
            discard(&from.parent, name);
            Ok(())
        }
        other => other,
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
    let place = root.place_made(ACTION, to)?;
    let made = if hard {
        let source = root.place(ACTION, target)?;
        source.there(ACTION)?;
        fs::linkat(&source.parent, &source.name, &place.parent, &place.name, AtFlags::empty())
    } else {
        fs::symlinkat(target, &place.parent, &place.name)
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
