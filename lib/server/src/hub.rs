//! One watch over the store's bells for the whole server: it wakes whoever follows a session, and reads run on a few threads.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::keeper::{Create, New};
use engine::{Failure, Places};
use host::bell::Belfry;
use schema::outcome::ErrorCode;
use store::{Access, Session, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;

use crate::page::Pages;
use crate::problem::{Kind, Problem};

/// How many pages are read at once.
const READERS: usize = 4;
/// How many verbs may wait for their owners at once.
const WORKERS: usize = 48;
/// How many may work for a client that is not yet through: files and archives both ways, lists, logs that are followed.
const LONG: usize = 128;
/// How long who comes when there are as many waits for one to end.
const TURN: Duration = Duration::from_secs(10);
/// Threads for all of them.
pub(crate) const THREADS: usize = READERS + WORKERS + LONG + 4;
/// Watches are silent on some file systems: every sleep ends with a look.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of a session that is followed.
#[derive(Clone)]
pub(crate) struct News {
    /// What it was when it was looked at last; nothing once it is deleted.
    pub(crate) session: Option<Arc<Session>>,
    /// What was read of it for all who follow.
    pub(crate) pages: Arc<Pages>,
}

/// A session that somebody follows.
struct Followed {
    uid: String,
    news: watch::Sender<News>,
}

/// The store as a server sees it.
pub(crate) struct Hub {
    path: PathBuf,
    create: Create,
    readers: Semaphore,
    workers: Semaphore,
    long: Arc<Semaphore>,
    followed: Mutex<HashMap<i64, Followed>>,
    /// Sessions whose missing end is being written.
    mending: Mutex<HashSet<i64>>,
}

impl Hub {
    pub(crate) fn new(path: PathBuf, create: Create) -> Hub {
        Hub {
            path,
            create,
            readers: Semaphore::new(READERS),
            workers: Semaphore::new(WORKERS),
            long: Arc::new(Semaphore::new(LONG)),
            followed: Mutex::default(),
            mending: Mutex::default(),
        }
    }

    /// Where the store is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a session; whoever calls it is at work.
    pub(crate) fn create(&self, new: New) -> Result<Session, Failure> {
        (self.create)(&self.path, new)
    }

    /// Reads in the store: short, on one of a few threads.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Hub>,
        read: impl FnOnce(&Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let hub = Arc::clone(self);
        let _turn = self.readers.acquire().await.expect("it is never closed");
        blocking(move || read(&Store::open(&hub.path, Access::Read)?)).await
    }

    /// Does what may have to wait for an owner.
    pub(crate) async fn work<T: Send + 'static>(
        self: &Arc<Hub>,
        work: impl FnOnce(&PathBuf) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let hub = Arc::clone(self);
        let _turn = self.workers.acquire().await.expect("it is never closed");
        blocking(move || work(&hub.path)).await
    }

    /// A turn to work as long as a client takes, in a thread of one's own.
    pub(crate) async fn long_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.long).acquire_owned()).await;
        let turn =
            turn.map_err(|_| Problem::new(Kind::Unavailable, "too much is under way at once; try again later"))?;
        Ok(turn.expect("it is never closed"))
    }

    /// Resolves when nobody works for a client any more.
    pub(crate) async fn rest(&self) {
        let all = u32::try_from(LONG).expect("a small number");
        let _ = self.long.acquire_many(all).await;
    }

    /// News of a session from now on: what is committed after this wakes the receiver.
    pub(crate) fn follow(&self, session: &Session) -> watch::Receiver<News> {
        let mut followed = held(&self.followed);
        followed
            .entry(session.no)
            .or_insert_with(|| Followed {
                uid: session.uid.clone(),
                news: watch::Sender::new(News { session: Some(Arc::new(session.clone())), pages: Arc::default() }),
            })
            .news
            .subscribe()
    }

    /// Listens to the bells of all sessions, for ever.
    pub(crate) async fn listen(self: Arc<Hub>) {
        let mut belfry = Belfry::new(Places::beside(&self.path).directory());
        let mut tended = Instant::now();
        loop {
            // What rings while we look is heard by the next turn.
            let rung = tokio::time::timeout(LOOK, belfry.rung()).await.unwrap_or_default();
            let rung: Option<HashSet<&str>> =
                rung.as_ref().map(|names| names.iter().filter_map(|name| Places::rings_for(name)).collect());
            // An owner that died rings no bell.
            let tend = tended.elapsed() >= LOOK;
            if tend {
                tended = Instant::now();
            }
            let hub = Arc::clone(&self);
            let followed: Vec<i64> = {
                let mut followed = held(&self.followed);
                followed.retain(|_, followed| followed.news.receiver_count() > 0);
                let rang = |uid: &str| tend || rung.as_ref().is_none_or(|rung| rung.contains(uid));
                followed.iter().filter(|(_, followed)| rang(&followed.uid)).map(|(no, _)| *no).collect()
            };
            if followed.is_empty() {
                continue;
            }
            let looked = self.read(move |store| hub.look(store, &followed, tend)).await;
            if let Err(failure) = looked {
                log::warn!("{}", failure.message);
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    fn look(self: &Arc<Hub>, store: &Store, followed: &[i64], tend: bool) -> Result<(), Failure> {
        let now = store.sessions_by_no(followed)?;
        let mut now: HashMap<i64, Session> = now.into_iter().map(|session| (session.no, session)).collect();
        for no in followed {
            let now = now.remove(no);
            if tend && let Some(session) = &now {
                self.mend(store, session)?;
            }
            if let Some(followed) = held(&self.followed).get(no) {
                followed.news.send_if_modified(|news| {
                    let is_news = news.session.as_deref() != now.as_ref();
                    if is_news {
                        news.session = now.map(Arc::new);
                    } else if tend {
                        news.pages.forget();
                    }
                    is_news
                });
            }
        }
        Ok(())
    }

    /// Writes the end that a dead owner could not write; that may take a while.
    fn mend(self: &Arc<Hub>, store: &Store, session: &Session) -> Result<(), Failure> {
        use schema::record::SessionStatus::{Asking, Ended, Idle, Lost, Running, Starting};
        let needed = match engine::follow::status_of(store, session)? {
            Lost => true,
            Idle => session.owner.is_some() && !engine::owner::is_owned(&self.path, session)?,
            Starting | Running | Asking | Ended => false,
        };
        if needed && held(&self.mending).insert(session.no) {
            let (hub, session) = (Arc::clone(self), session.clone());
            spawn_blocking(move || {
                let no = session.no;
                if let Err(error) = engine::owner::mend(&hub.path, session) {
                    log::warn!("failed to {error}");
                }
                held(&hub.mending).remove(&no);
            });
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let failed = |error: tokio::task::JoinError| Failure::new(ErrorCode::Other, format!("failed to finish: {error}"));
    spawn_blocking(work).await.map_err(failed)?
}

/// What the lock guards; whoever panicked with it has left it whole.
pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
