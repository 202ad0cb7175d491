//! Requests to whoever owns a session: posted in the store, made sure to be seen, and followed until they are settled.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::bell::{Bell, Watch};
use host::clock;
use schema::control::{Control, Reply};
use store::{Access, RequestState, Session, Store, Sync};

use crate::error::Error;
use crate::failure::Failure;
use crate::keeper;
use crate::owner::{is_owned, mend, owner_is_closing, owner_pid};
use crate::places::Places;

/// A request that was posted.
pub struct Post {
    path: PathBuf,
    store: Store,
    session: Session,
    id: i64,
    /// From the first wait on: most need none, and the kernel may take 10 ms to end one.
    watch: Option<Watch>,
}

/// How long an owner that is closing is waited for.
pub const CLOSING: Duration = Duration::from_secs(15);

/// Between two looks where no bell tells.
const LOOK: Duration = Duration::from_millis(100);

impl Post {
    /// Posts a request for a session, as safely as `sync` says: whoever waits for what follows from it needs no more than that
    /// no process can lose it, for what follows is synced itself.
    ///
    /// # Errors
    /// [`Error::Ended`], and what the store says.
    pub fn new(path: &Path, session: Session, control: &Control, sync: Sync) -> Result<Post, Error> {
        if session.status == "ended" {
            return Err(Error::Ended(session.session_id));
        }
        let places = Places::beside(path);
        places.make()?;
        let mut store = Store::open(path, Access::Write)?;
        let body = serde_json::to_string(control).expect("a request is JSON");
        let id = store.post(session.no, control.kind(), &body, clock::now_ms(), sync)?;
        Bell::open(&places.post(&session.uid))?.ring();
        Ok(Post { path: path.to_owned(), store, session, id, watch: None })
    }

    /// The number of the request.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Makes sure that an owner sees this prompt: one that lives, or one that is started in the background with the
    /// settings of the session's last run and these variables.
    ///
    /// # Errors
    /// [`Error::Busy`] when whoever holds the lock neither serves nor leaves.
    pub fn see_to(&mut self, env: &[(OsString, OsString)]) -> Result<(), Failure> {
        let until = Instant::now() + CLOSING;
        loop {
            if self.settled()?.is_some() {
                return Ok(());
            }
            let is_late = Instant::now() > until;
            match self.owner()? {
                Owner::Lives => return Ok(()),
                Owner::None if is_late => {}
                Owner::None => {
                    if let Err(failure) = keeper::start(&self.path, &self.session, env, false) {
                        self.store.withdraw(self.id)?;
                        return Err(failure);
                    }
                    // It is there, or somebody else is.
                    continue;
                }
                Owner::Dead => {
                    self.session = mend(&self.path, self.session.clone())?;
                }
                Owner::Closing => {}
            }
            if is_late {
                let owner = owner_pid(&self.session);
                if owner.is_some() && is_owned(&self.path, &self.session)? {
                    // Its process is not ours to see: it runs in another PID namespace.
                    return Ok(());
                }
                return Err(Error::Busy { session: self.session.session_id.clone(), owner }.into());
            }
            self.wait();
        }
    }

    /// Waits until the request is settled; `None`: there is no owner who could, and it was taken back.
    ///
    /// # Errors
    /// What the store says.
    pub fn settle(&mut self, until: Option<Instant>) -> Result<Option<(RequestState, Reply)>, Error> {
        loop {
            if let Some(settled) = self.settled()? {
                return Ok(Some(settled));
            }
            match self.owner()? {
                Owner::Lives | Owner::Closing => {}
                Owner::None => {
                    if self.store.withdraw(self.id)? {
                        return Ok(None);
                    }
                }
                Owner::Dead => {
                    self.session = mend(&self.path, self.session.clone())?;
                }
            }
            if until.is_some_and(|until| Instant::now() > until) {
                return Ok(None);
            }
            self.wait();
        }
    }

    /// Waits until a turn has ended. `false`: it had not in time.
    ///
    /// # Errors
    /// What the store says.
    pub fn turn_has_ended(&mut self, turn: &str, until: Instant) -> Result<bool, Error> {
        loop {
            if let Owner::Dead = self.owner()? {
                self.session = mend(&self.path, self.session.clone())?;
            }
            if crate::queued::end_of(&self.store, &self.session, 0, turn)?.is_some() {
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
            self.wait();
        }
    }

    /// Waits for news since the last look; the first time there may be some already.
    fn wait(&mut self) {
        match &mut self.watch {
            Some(watch) => drop(watch.wait(None, LOOK)),
            None => self.watch = Some(Watch::new(&[Places::beside(&self.path).bell(&self.session.uid)])),
        }
    }

    /// What became of it, if anything has.
    ///
    /// # Errors
    /// What the store says.
    pub fn settled(&self) -> Result<Option<(RequestState, Reply)>, Error> {
        let Some(settlement) = self.store.settlement(self.id)? else {
            return Err(Error::NoSession(self.session.session_id.clone()));
        };
        if settlement.state == RequestState::Open {
            return Ok(None);
        }
        let reply = settlement.result.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(Some((settlement.state, reply)))
    }

    /// Takes the request back, with its owner's help where there is one. Returns whether that was in time.
    ///
    /// # Errors
    /// What the store says.
    pub fn withdraw(&mut self) -> Result<bool, Error> {
        if self.store.withdraw(self.id)? {
            return Ok(true);
        }
        let request = Control::Withdraw(schema::control::Withdraw { request: self.id });
        let session = self.store.session_by_no(self.session.no)?;
        let session = session.ok_or_else(|| Error::NoSession(self.session.session_id.clone()))?;
        Post::new(&self.path, session, &request, Sync::Deltas)?.settle(None)?;
        match self.settled()? {
            Some((state, _)) => Ok(state == RequestState::Withdrawn),
            None => Ok(self.store.withdraw(self.id)?),
        }
    }

    fn owner(&mut self) -> Result<Owner, Error> {
        let name = &self.session.session_id;
        let session = self.store.session_by_no(self.session.no)?.ok_or_else(|| Error::NoSession(name.clone()))?;
        let held = is_owned(&self.path, &session)?;
        let owner = match (held, owner_pid(&session)) {
            (true, Some(pid)) if host::tree::is_alive(pid) && !owner_is_closing(&session) => Owner::Lives,
            (true, _) => Owner::Closing,
            (false, Some(_)) => Owner::Dead,
            (false, None) => Owner::None,
        };
        self.session = session;
        Ok(owner)
    }
}

enum Owner {
    /// It will see what is posted before it leaves.
    Lives,
    /// It has left, or died, and something of it is still alive; or it has just come.
    Closing,
    /// Its end must be written first.
    Dead,
    /// Nobody.
    None,
}
