//! News: a bell file that is touched after a commit, and the one `poll` that waits for it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{Error, private};

/// How often a bell that cannot be watched is taken to have rung.
const POLL: Duration = Duration::from_millis(20);

/// A bell that can be rung. Kept open by an owner: the kernel's closing of it tells followers that the owner has gone.
pub struct Bell {
    file: File,
}

impl Bell {
    /// Opens the bell for ringing, making the file (mode 0600) where it is missing.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: private::file(path)? })
    }

    /// Wakes everybody who watches; once per transaction, after the commit. A failure (full disk) is not told:
    /// whoever waits looks by himself each second.
    pub fn ring(&self) {
        let _ = self.file.write_at(b".", 0);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Why a wait ended. Each means: look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A bell rang.
    Rung,
    /// Somebody who had a bell open for ringing has closed it or died, or the file was removed; it may have rung too.
    Closed,
    /// Nobody reads our stdout any more.
    ReaderGone,
    /// Nothing happened.
    Timeout,
}

/// Waits for bells. Nothing is missed in this order: make the watch, read to the end, wait.
pub struct Watch {
    /// None: it could not be had.
    inotify: Option<Inotify>,
    bells: Vec<WatchDescriptor>,
    registered: Option<AsyncFd<OwnedFd>>,
}

impl Watch {
    /// Watches these bells; a missing file is made, where that is possible.
    pub fn new(paths: &[PathBuf]) -> Self {
        let (inotify, bells) = watch(paths).ok().unzip();
        Self { inotify, bells: bells.unwrap_or_default(), registered: None }
    }

    /// Listens no more. The kernel takes some 10 ms to forget a bell, and whoever drops the watch meanwhile waits for it:
    /// said early, that time passes beside other work.
    pub fn forget(&mut self) {
        if let Some(inotify) = &self.inotify {
            for bell in self.bells.drain(..) {
                // It fails where the file is gone, and its watch with it.
                let _ = inotify.rm_watch(bell);
            }
        }
    }

    /// Whether a watch could not be had, so that each wait ends after 20 ms with `Rung`.
    pub fn polls(&self) -> bool {
        self.inotify.is_none()
    }

    /// One `poll` over the bells, the departure of the reader of `stdout` and the timeout. Blocks the thread.
    /// Wait no longer than a second at once: watches are silent on some file systems.
    pub fn wait(&mut self, stdout: Option<BorrowedFd<'_>>, timeout: Duration) -> Wake {
        let timeout = if self.polls() { timeout.min(POLL) } else { timeout };
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let bell = self.inotify.as_ref().map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN));
            // No flags: the kernel then tells of errors and hang-ups only.
            let reader = stdout.map(|fd| PollFd::new(fd, PollFlags::empty()));
            let count = usize::from(bell.is_some());
            let mut fds: Vec<PollFd<'_>> = bell.into_iter().chain(reader).collect();
            match poll(&mut fds, milliseconds(left)) {
                Ok(0) if self.polls() => return Wake::Rung,
                Ok(0) if left.is_zero() => return Wake::Timeout,
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                // Only a broken argument gets here; looking is never wrong.
                Err(_) => return Wake::Rung,
            }
            if fds[count..].iter().any(|reader| reader.any() != Some(false)) {
                return Wake::ReaderGone;
            }
            if let Some(wake) = self.heard() {
                return wake;
            }
        }
    }

    /// Waits for a bell (`Rung` or `Closed`) inside a tokio runtime. Cancel-safe.
    pub async fn rung(&mut self) -> Wake {
        if self.registered.is_none() {
            self.registered = self.inotify.as_ref().and_then(|inotify| registered(inotify).ok());
        }
        loop {
            let Some(registered) = &self.registered else {
                tokio::time::sleep(POLL).await;
                return Wake::Rung;
            };
            let Ok(mut ready) = registered.readable().await else {
                tokio::time::sleep(POLL).await;
                return Wake::Rung;
            };
            if let Some(wake) = self.inotify.as_ref().and_then(heard) {
                return wake;
            }
            ready.clear_ready();
        }
    }

    fn heard(&self) -> Option<Wake> {
        self.inotify.as_ref().and_then(heard)
    }
}

/// All bells of a directory: tells which of them rang.
pub struct Belfry {
    directory: PathBuf,
    /// None: it could not be had, or not yet.
    inotify: Option<(Inotify, AsyncFd<OwnedFd>)>,
}

impl Belfry {
    /// The bells in this directory, which may come later.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), inotify: None }
    }

    /// Waits inside a tokio runtime for bells that ring or are removed, and names their files; nothing where it cannot be
    /// told which did: when the watch begins, when more rang than the kernel notes, and every 20 ms where none can be had.
    /// Cancel-safe. Silent on some file systems.
    pub async fn rung(&mut self) -> Option<Vec<OsString>> {
        loop {
            let Some((inotify, registered)) = &self.inotify else {
                self.inotify = listen(&self.directory).ok();
                if self.inotify.is_none() {
                    tokio::time::sleep(POLL).await;
                }
                return None;
            };
            let ready = registered.readable().await;
            let (mut names, mut overflowed, mut gone) = (Vec::new(), false, ready.is_err());
            while let Ok(events) = inotify.read_events() {
                for event in events {
                    overflowed |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                    gone |= event.mask.contains(AddWatchFlags::IN_IGNORED);
                    names.extend(event.name.filter(|name| !names.contains(name)));
                }
            }
            if let Ok(mut ready) = ready {
                ready.clear_ready();
            }
            if gone {
                self.inotify = None;
            }
            if gone || overflowed {
                return None;
            }
            if !names.is_empty() {
                return Some(names);
            }
        }
    }
}

fn listen(directory: &Path) -> io::Result<(Inotify, AsyncFd<OwnedFd>)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    inotify
        .add_watch(directory, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_DELETE)?;
    let registered = registered(&inotify)?;
    Ok((inotify, registered))
}

/// What tells tokio that there are events; they are read elsewhere.
fn registered(inotify: &Inotify) -> io::Result<AsyncFd<OwnedFd>> {
    register(inotify.as_fd().try_clone_to_owned()?, Interest::READABLE)
}

/// Waits until `input` can be read (`Rung`), nobody reads `stdout` any more, or the time is over. Blocks the thread.
pub fn readable(input: BorrowedFd<'_>, stdout: Option<BorrowedFd<'_>>, timeout: Duration) -> Wake {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let reader = stdout.map(|fd| PollFd::new(fd, PollFlags::empty()));
        let mut fds: Vec<PollFd<'_>> = reader.into_iter().chain([PollFd::new(input, PollFlags::POLLIN)]).collect();
        match poll(&mut fds, milliseconds(left)) {
            Ok(0) if left.is_zero() => return Wake::Timeout,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) if fds.len() > 1 && fds[0].any() != Some(false) => return Wake::ReaderGone,
            // Only a broken argument is an error: then the read that follows tells of it.
            Ok(_) | Err(_) => return Wake::Rung,
        }
    }
}

/// Resolves once whoever reads `output` (our stdout) has gone: pipe, socket or terminal. Never for files and
/// `/dev/null`. Needs a tokio runtime. Cancel-safe.
pub async fn reader_gone(output: impl AsFd) {
    let registered =
        output.as_fd().try_clone_to_owned().and_then(|copy| register(copy, Interest::READABLE | Interest::ERROR));
    let Ok(registered) = registered else {
        // The kernel refuses to watch what cannot hang up: files and /dev/null.
        return std::future::pending().await;
    };
    loop {
        let Ok(mut ready) = registered.ready(Interest::READABLE | Interest::ERROR).await else {
            return std::future::pending().await;
        };
        // Readable it may be too: a terminal's other direction is what somebody types.
        if hung_up(registered.get_ref().as_fd()) {
            return;
        }
        ready.clear_ready();
    }
}

/// Makes tokio watch a descriptor.
pub(crate) fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code)]
    // SAFETY: the descriptor is open, and its only owner is from now on the one that watches it.
    let registered = unsafe { AsyncFd::register_with_interest(fd, interest) };
    Ok(registered?)
}

fn hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(count) if count > 0)
}

fn watch(paths: &[PathBuf]) -> nix::Result<(Inotify, Vec<WatchDescriptor>)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let flags = AddWatchFlags::IN_MODIFY | CLOSED;
    let mut bells = Vec::new();
    for path in paths {
        bells.push(match inotify.add_watch(path, flags) {
            Err(Errno::ENOENT) => {
                private::file(path).map_err(|_| Errno::ENOENT)?;
                inotify.add_watch(path, flags)?
            }
            result => result?,
        });
    }
    Ok((inotify, bells))
}

/// IN_ATTRIB comes when the file is unlinked while somebody has it open.
const CLOSED: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Takes all events that wait.
fn heard(inotify: &Inotify) -> Option<Wake> {
    let mut wake = None;
    while let Ok(events) = inotify.read_events() {
        for event in events {
            if event.mask.intersects(CLOSED) {
                wake = Some(Wake::Closed);
            } else {
                wake = wake.or(Some(Wake::Rung));
            }
        }
    }
    wake
}

/// Rounded up: rounded down, the last fraction of a millisecond would be spent in a busy loop.
pub(crate) fn milliseconds(duration: Duration) -> PollTimeout {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}
