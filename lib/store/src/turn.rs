//! The writers' queue: a lock file beside the store, whose waiters the kernel serves in order.
//!
//! SQLite's own waiting is sleeping and trying again, which starves a writer among many; it stays for foreign programs,
//! which do not know this file.

use crate::{Error, place};
use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

/// How often a waiting writer looks up and says so.
const LOOK_UP: Duration = Duration::from_secs(1);

/// Where the lock file of a store is.
pub(crate) fn path(store: &Path) -> PathBuf {
    place::beside(store, ".turn")
}

/// This writer's place in the queue.
pub(crate) struct Turn {
    store: PathBuf,
    file: Arc<File>,
    waiter: Option<Waiter>,
    pub(crate) patience: Patience,
}

impl Turn {
    pub(crate) fn new(store: &Path) -> Result<Turn, Error> {
        let file = Arc::new(place::open_or_make(&path(store), store)?);
        Ok(Turn { store: store.to_owned(), file, waiter: None, patience: Patience::default() })
    }

    /// Waits for the turn and takes it. The patience is handed on to wait for foreign writers with.
    pub(crate) fn take(&mut self) -> Result<(Taken, Wait<'_>), Error> {
        let mut wait = Wait { store: &self.store, patience: &mut self.patience, since: Instant::now() };
        match self.file.try_lock() {
            Ok(()) => return Ok((Taken(Arc::clone(&self.file)), wait)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(lock_failed(&self.store, source)),
        }
        // A wait for a lock has no time limit; so another thread waits, and we wait for it.
        let waiter = match &self.waiter {
            Some(waiter) => waiter,
            None => self
                .waiter
                .insert(Waiter::start(Arc::clone(&self.file)).map_err(|source| lock_failed(&self.store, source))?),
        };
        waiter.ask.send(()).expect("the waiter lives as long as its sender");
        loop {
            match waiter.locked.recv_timeout(LOOK_UP.min(wait.patience.limit)) {
                Ok(Ok(())) => return Ok((Taken(Arc::clone(&self.file)), wait)),
                Ok(Err(source)) => return Err(lock_failed(&self.store, source)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("the waiter lives as long as its sender"),
            }
            if let Err(busy) = wait.still(holder(&self.file)) {
                // The waiter may get the lock later: with the last descriptor that it has it then lets go of it.
                self.waiter = None;
                self.file = Arc::new(place::open_or_make(&path(&self.store), &self.store)?);
                return Err(busy);
            }
        }
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn take_if_free(&self) -> Option<Taken> {
        self.file.try_lock().ok().map(|()| Taken(Arc::clone(&self.file)))
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The turn, given back when dropped.
pub(crate) struct Taken(Arc<File>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.unlock().expect("an open file can be unlocked");
    }
}

/// How long a writer waits, and whom it tells.
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) told: Box<dyn FnMut(Duration, Option<u32>) + Send>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { limit: Duration::from_secs(60), told: Box::new(|_, _| {}) }
    }
}

/// One waiting, for the turn and for whoever does not know of it.
pub(crate) struct Wait<'a> {
    store: &'a Path,
    patience: &'a mut Patience,
    since: Instant,
}

impl Wait<'_> {
    /// Notes that the wait goes on, held up by `holder`; an error when the patience is at its end.
    pub(crate) fn still(&mut self, holder: Option<u32>) -> Result<(), Error> {
        let waited = self.since.elapsed();
        if waited >= self.patience.limit {
            return Err(Error::Busy { path: self.store.to_owned(), waited, holder });
        }
        (self.patience.told)(waited, holder);
        Ok(())
    }
}

/// A thread that waits for the lock, started when this writer first had to wait.
struct Waiter {
    ask: SyncSender<()>,
    locked: Receiver<io::Result<()>>,
}

impl Waiter {
    fn start(file: Arc<File>) -> io::Result<Waiter> {
        let (ask, asked) = mpsc::sync_channel(1);
        let (answer, locked) = mpsc::sync_channel(0);
        thread::Builder::new().name("turn".to_owned()).spawn(move || {
            while asked.recv().is_ok() {
                let result = loop {
                    match file.lock() {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        result => break result,
                    }
                };
                if answer.send(result).is_err() {
                    break;
                }
            }
        })?;
        Ok(Waiter { ask, locked })
    }
}

/// The process that holds the lock, where the system says so.
fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let device = metadata.dev();
    let (major, minor) = ((device >> 8) & 0xfff | (device >> 32) & !0xfff, device & 0xff | (device >> 12) & !0xff);
    let place = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:567 0 EOF; waiters have `->` as their second field.
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == place => pid.parse().ok(),
            _ => None,
        }
    })
}

fn lock_failed(store: &Path, source: io::Error) -> Error {
    Error::Io { doing: "lock", path: path(store), source }
}
