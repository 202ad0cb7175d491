//! Carries the write-ahead log over into the main file, beside the writer rather than in its way.

use rusqlite::{Connection, OpenFlags, hooks::Wal};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long to leave the disk to the writer between two times.
const PAUSE: Duration = Duration::from_millis(50);

/// The thread that does it, for one writer; started when there first is something to do.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    store: PathBuf,
    /// Pages in the log after the last commit, as SQLite tells its hook.
    pages: Arc<AtomicUsize>,
    /// From how many on it is carried over.
    worth_it: usize,
    /// From how many on the writer does it itself, in its turn: a fast one appends to the log for as long as the thread
    /// copies, so that it is never carried over completely and never begins anew. (Without: 1.2 GB after 100,000 commits.)
    too_long: usize,
    /// At how many pages the writer does it itself next.
    limit: usize,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer and its thread share.
#[derive(Debug)]
struct Shared {
    wish: Mutex<Wish>,
    changed: Condvar,
    /// Held by whoever of the two carries over.
    at_it: Mutex<()>,
}

/// What the writer wants of the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    Checkpoint,
    End,
}

impl Checkpointer {
    /// Watches the commits of `connection`, and takes SQLite's own checkpoints out of them.
    pub(crate) fn watch(
        connection: &mut Connection,
        store: &Path,
        [worth_it, too_long]: [usize; 2],
    ) -> rusqlite::Result<Checkpointer> {
        let pages = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut Wal, pages| {
            told.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let shared = Shared { wish: Mutex::new(Wish::Nothing), changed: Condvar::new(), at_it: Mutex::new(()) };
        let (store, shared) = (store.to_owned(), Arc::new(shared));
        Ok(Checkpointer { store, pages, worth_it, too_long, limit: too_long, shared, thread: None })
    }

    /// To be called after each commit, still in the writers' turn: nobody appends to the log meanwhile.
    pub(crate) fn bound(&mut self, connection: &Connection) {
        let pages = self.pages();
        if pages + self.too_long <= self.limit {
            self.limit = self.too_long;
        }
        if pages < self.limit {
            return;
        }
        // If the thread is at it, it is waited for only when the log grew as much again meanwhile.
        let alone = match self.shared.at_it.try_lock() {
            Err(TryLockError::WouldBlock) if pages < self.limit + self.too_long => return,
            Err(TryLockError::WouldBlock) => lock(&self.shared.at_it),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(alone) => alone,
        };
        if carry_over(connection) {
            // While somebody reads an old page the log cannot begin anew: not tried again before it is as much longer.
            self.limit = pages + self.too_long;
        }
        drop(alone);
    }

    /// To be called after each commit, out of the writers' turn.
    pub(crate) fn committed(&mut self) {
        if self.pages() < self.worth_it {
            return;
        }
        self.say(Wish::Checkpoint);
        if self.thread.is_none() {
            let (store, shared) = (self.store.clone(), Arc::clone(&self.shared));
            let thread = thread::Builder::new().name("checkpoint".to_owned());
            // Where no thread can be had the writer does it all, and tries again to get one.
            self.thread = thread.spawn(move || serve(&store, &shared)).ok();
        }
    }

    /// Ends the thread, until there is something to do again: until then this process is in nobody's way.
    pub(crate) fn rest(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.say(Wish::End);
            // A panic in there was reported when it happened; the store is none the worse for it.
            let _ = thread.join();
        }
    }

    fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    fn say(&self, word: Wish) {
        *lock(&self.shared.wish) = word;
        self.shared.changed.notify_one();
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.rest();
    }
}

fn serve(store: &Path, shared: &Shared) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Without a connection, too, the writer does it all.
    let Ok(connection) = Connection::open_with_flags(store, flags) else { return };
    loop {
        let word = shared.changed.wait_while(lock(&shared.wish), |wish| *wish == Wish::Nothing);
        let mut word = word.unwrap_or_else(PoisonError::into_inner);
        if *word == Wish::End {
            return;
        }
        *word = Wish::Nothing;
        drop(word);
        let alone = lock(&shared.at_it);
        carry_over(&connection);
        drop(alone);
        drop(shared.changed.wait_timeout_while(lock(&shared.wish), PAUSE, |wish| *wish != Wish::End));
    }
}

/// Copies what no reader needs in the log any more; false if another process is at it. What fails here (a full disk) loses
/// nothing and is no error of the commit before it: the log only stays longer, and a later commit asks again.
fn carry_over(connection: &Connection) -> bool {
    let checkpoint = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)");
    let busy = checkpoint.and_then(|mut checkpoint| checkpoint.query_row([], |row| row.get::<_, i64>(0)));
    busy.map_or(true, |busy| busy == 0)
}

/// Nothing that is locked here can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
