//! Who is alive: an open-file-description lock on one small file per session or process.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::bell::Bell;
use crate::{Error, private};

/// A held lock; free once every holder (owner and guard) has gone or let go.
pub struct Lock {
    file: File,
    carried: Vec<OwnedFd>,
}

impl Lock {
    /// Takes the lock, making the file (mode 0600) where it is missing; `None` when somebody holds it.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take(path: &Path) -> Result<Option<Self>, Error> {
        loop {
            let file = private::file(path)?;
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
                Err(errno) => return Err(failed("lock", path, errno.into())),
            }
            // Whoever deletes a session holds its lock and removes the file: a lock on a file that nobody can find any
            // more keeps nobody out.
            if is_at(&file, path)? {
                return Ok(Some(Self { file, carried: Vec::new() }));
            }
        }
    }

    /// As [`Lock::take`], trying for `patience`; blocks the thread.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn take_within(path: &Path, patience: Duration) -> Result<Option<Self>, Error> {
        within(patience, || Self::take(path))
    }

    /// Keeps the bell's file open as long as the lock is held, by the guard too: followers then learn from the bell
    /// when both have gone.
    ///
    /// # Errors
    /// [`Error::System`] when there is no descriptor left.
    pub fn carry(&mut self, bell: &Bell) -> Result<(), Error> {
        let copy = bell.as_fd().try_clone_to_owned();
        self.carried.push(copy.map_err(|source| Error::System { action: "keep the bell open", source })?);
        Ok(())
    }

    /// What a guard has to inherit.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        std::iter::once(self.file.as_raw_fd()).chain(self.carried.iter().map(AsRawFd::as_raw_fd)).collect()
    }
}

/// Whether somebody holds the lock; a missing file is free. Disturbs neither holder nor followers.
///
/// # Errors
/// [`Error::File`].
pub fn held(path: &Path) -> Result<bool, Error> {
    // Read-only: the closing of a file that was open for writing would wake every follower.
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(failed("open", path, source)),
    };
    let mut lock = whole_file();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(|errno| failed("look at the lock", path, errno.into()))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// Waits until nobody holds the lock; `false` when `patience` passed first. Blocks the thread. For the moment after
/// [`crate::bell::Wake::Closed`]: the kernel tells of the closing just before it frees the lock.
///
/// # Errors
/// [`Error::File`].
pub fn free_within(path: &Path, patience: Duration) -> Result<bool, Error> {
    let free = within(patience, || Ok(if held(path)? { None } else { Some(()) }))?;
    Ok(free.is_some())
}

/// Waits until nobody holds the lock; a missing file is free. Blocks the thread, maybe for ever, and costs nothing meanwhile.
///
/// # Errors
/// [`Error::File`].
pub fn wait_until_free(path: &Path) -> Result<(), Error> {
    // Read-only, and a lock that others may hold too: nobody is disturbed.
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed("open", path, source)),
    };
    let lock = libc::flock { l_type: libc::F_RDLCK as libc::c_short, ..whole_file() };
    loop {
        match fcntl(&file, FcntlArg::F_OFD_SETLKW(&lock)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(failed("wait for the lock", path, errno.into())),
        }
    }
}

fn within<T>(patience: Duration, attempt: impl Fn() -> Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(1);
    loop {
        let result = attempt()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if result.is_some() || left.is_zero() {
            return Ok(result);
        }
        // These locks have no wait with a limit.
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn is_at(file: &File, path: &Path) -> Result<bool, Error> {
    let ours = file.metadata().map_err(|source| failed("look at", path, source))?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed("look at", path, source)),
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_asking_takes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.lock");
        assert!(!held(&path).unwrap(), "a missing file is free");
        let lock = Lock::take(&path).unwrap().expect("free");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(held(&path).unwrap());
        assert!(Lock::take(&path).unwrap().is_none());
        let begun = Instant::now();
        assert!(Lock::take_within(&path, Duration::from_millis(50)).unwrap().is_none());
        assert!(begun.elapsed() >= Duration::from_millis(50));
        // Opening and closing the file elsewhere in this process must not free it, as it would a plain POSIX lock.
        drop(File::open(&path).unwrap());
        assert!(held(&path).unwrap());
        drop(lock);
        assert!(!held(&path).unwrap());
        assert!(free_within(&path, Duration::ZERO).unwrap());
    }

    #[test]
    fn waiting_gets_the_lock_when_it_is_let_go() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.lock");
        let lock = Lock::take(&path).unwrap().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || {
                tell.send(()).unwrap();
                Lock::take_within(&path, Duration::from_secs(60)).unwrap().is_some()
            }
        });
        told.recv().unwrap();
        drop(lock);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_removed_file_is_not_held_by_who_opened_it_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.lock");
        let old = Lock::take(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = Lock::take(&path).unwrap();
        assert!(new.is_some());
        drop(old);
        assert!(held(&path).unwrap());
    }
}
