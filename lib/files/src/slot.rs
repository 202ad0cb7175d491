//! Names beside a destination for what is not complete yet; what killed writers left under them is taken away.
//!
//! The names are `.sandbox-agent-0`, `.sandbox-agent-1`, …: whoever needs one takes the first that is free, so that no more
//! of them ever lie in a directory than were written to it at once. Its owner holds a lock (`flock`) on what lies there;
//! the lock goes with the owner, and the next writer removes what nobody holds.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use schema::file::FileType;

use crate::change::discard;
use crate::root::kind_of;

/// How many names are always looked at.
const SWEPT: u32 = 8;

/// Makes something under a free name; it is ours for as long as the descriptor is open.
pub(crate) fn slot(
    parent: &OwnedFd,
    make: impl Fn(&OsStr) -> rustix::io::Result<OwnedFd>,
) -> rustix::io::Result<(OsString, OwnedFd)> {
    let mut taken = None;
    let mut number = 0;
    while taken.is_none() || number < SWEPT {
        let name = OsString::from(format!(".sandbox-agent-{number}"));
        number += 1;
        if taken.is_some() {
            sweep(parent, &name);
            continue;
        }
        let made = match make(&name) {
            Err(Errno::EXIST) if sweep(parent, &name) => make(&name),
            made => made,
        };
        match made {
            // A sweeper may have been faster than our lock.
            Ok(fd) if held(&fd) && is_there(parent, &name, &fd) => taken = Some((name, fd)),
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(taken.expect("the loop ends with one"))
}

/// A new file, for us only until it has its mode.
pub(crate) fn file(parent: &OwnedFd, mode: u32) -> rustix::io::Result<(OsString, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    slot(parent, |name| fs::openat(parent, name, flags, Mode::from_raw_mode(mode)))
}

/// A new directory that only we may enter.
pub(crate) fn directory(parent: &OwnedFd) -> rustix::io::Result<(OsString, OwnedFd)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    slot(parent, |name| {
        fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))?;
        fs::openat(parent, name, flags, Mode::empty())
    })
}

/// Takes the lock; a file system that knows none counts as one where we are alone.
fn held(fd: &OwnedFd) -> bool {
    fs::flock(fd, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
}

/// Removes what lies under one of our names and nobody holds. `true`: the name is free.
fn sweep(parent: &OwnedFd, name: &OsStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(left) = fs::openat(parent, name, flags, Mode::empty()) else { return false };
    let ours = fs::fstat(&left).is_ok_and(|stat| matches!(kind_of(&stat), FileType::File | FileType::Directory));
    // With the lock in our hands nobody else removes or renames it: only its owner would.
    if !ours
        || fs::flock(left.as_fd(), FlockOperation::NonBlockingLockExclusive).is_err()
        || !is_there(parent, name, &left)
    {
        return false;
    }
    discard(parent, name).is_ok()
}

fn is_there(parent: &OwnedFd, name: &OsStr, fd: &OwnedFd) -> bool {
    match (fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW), fs::fstat(fd)) {
        (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
        _ => false,
    }
}
