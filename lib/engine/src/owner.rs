//! Who owns a session: one process at a time, by a lock that the kernel releases; what a dead owner left open is ended here.

use std::path::Path;
use std::time::Duration;

use host::bell::Bell;
use host::{Lock, clock};
use schema::event::Body;
use schema::ids;
use schema::record::SessionStatus;
use schema::state::State;
use store::{Access, NewSession, Select, Session, Store};

use crate::error::Error;
use crate::journal::{Journal, is_active};
use crate::kept::Kept;
use crate::places::Places;
use crate::restore;

/// A session whose lock this process holds.
pub struct Owned {
    pub(crate) journal: Journal,
    pub(crate) lock: Lock,
}

/// What a new session is born with.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Its name.
    pub session_id: String,
    /// Which agent.
    pub agent: String,
    /// Where it works, absolute.
    pub cwd: String,
    /// What people call it.
    pub title: Option<String>,
    /// JSON object of strings.
    pub labels: String,
    /// How permissions are decided in its first run.
    pub permission_mode: Option<String>,
    /// The effort asked for.
    pub effort: Option<String>,
    /// The session whose agent started it.
    pub parent_session: Option<String>,
}

impl Birth {
    fn of<'a>(&'a self, uid: &'a str, boot_id: &'a str, settings: &'a str) -> NewSession<'a> {
        NewSession {
            session_id: &self.session_id,
            uid,
            boot_id,
            agent: &self.agent,
            cwd: &self.cwd,
            created: clock::now_ms(),
            title: self.title.as_deref(),
            model: None,
            mode: None,
            effort: self.effort.as_deref(),
            permission_mode: self.permission_mode.as_deref(),
            parent_session: self.parent_session.as_deref(),
            labels: &self.labels,
            settings,
        }
    }
}

/// Name of the variable by which what a session started is known, should owner and guard die at once.
///
/// The session's name would not do: another store may hold a session of the same name.
pub const MARK: &str = "SANDBOX_AGENT_SESSION_UID";

/// How long an owner that is closing, or the guard of a dead one, may take to end what is left.
const LAST_BREATH: Duration = Duration::from_secs(15);

/// Between two looks at who holds a lock.
const LOOK: Duration = Duration::from_millis(50);

impl Owned {
    /// Makes a session and owns it from its first moment on.
    ///
    /// # Errors
    /// `store::Error::Exists` when the name is taken.
    pub fn create(mut store: Store, birth: &Birth, raw: bool) -> Result<Owned, Error> {
        let places = Places::beside(store.path());
        places.make()?;
        let uid = ids::unique();
        // The lock comes first: nobody may find the session without its owner.
        let lock = Lock::take(&places.lock(&uid))?
            .ok_or_else(|| Error::Busy { session: birth.session_id.clone(), owner: None })?;
        let session = store.create(&birth.of(&uid, &clock::boot_id().unwrap_or_default(), "{}"));
        let session = match session {
            Ok(session) => session,
            Err(error) => {
                places.remove(&uid);
                return Err(error.into());
            }
        };
        let state = State::default();
        Owned::hold(store, session, state, lock, &places, raw, "")
    }

    /// Takes a session over to append events that were made elsewhere: nothing is ended, no epoch begins.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process owns it.
    pub fn take_as_it_is(store: Store, session: &Session) -> Result<Owned, Error> {
        let places = Places::beside(store.path());
        places.make()?;
        let lock = take(&store, &places, session)?;
        let session = store.session_by_no(session.no)?.ok_or_else(|| Error::NoSession(session.session_id.clone()))?;
        Owned::hold(store, session.clone(), state_of(&session), lock, &places, true, CLOSING)
    }

    /// Takes a session over; what its last owner left open is ended first.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process owns it.
    pub fn take(store: Store, session: &Session, raw: bool) -> Result<Owned, Error> {
        Owned::take_as(store, session, raw, "")
    }

    /// The same for a moment, to mend or to end it: whoever has a prompt waits until we have left, as we take none.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process owns it.
    pub fn take_briefly(store: Store, session: &Session) -> Result<Owned, Error> {
        Owned::take_as(store, session, false, CLOSING)
    }

    fn take_as(store: Store, session: &Session, raw: bool, word: &str) -> Result<Owned, Error> {
        let places = Places::beside(store.path());
        places.make()?;
        let lock = take(&store, &places, session)?;
        // Only now nobody else writes: what was read before may be old.
        let session = store.session_by_no(session.no)?.ok_or_else(|| Error::NoSession(session.session_id.clone()))?;
        let mut store = store;
        let boot_id = clock::boot_id().unwrap_or_default();
        let session = if session.boot_id == boot_id {
            session
        } else {
            store.begin_epoch(session.no, &ids::unique(), &boot_id)?;
            store.session_by_no(session.no)?.ok_or_else(|| Error::NoSession(session.session_id.clone()))?
        };
        if session.owner.is_some() {
            // Its owner did not take leave. The guard has ended everything, unless it was killed too.
            let ended = host::tree::end_marked(MARK, session.uid.as_ref());
            if ended > 0 {
                log::warn!("ended {ended} processes that session {} had left", session.session_id);
            }
            places.clear(&session.uid);
        }
        let left_open =
            is_active(&session) || session.owner.is_some() || session.status == SessionStatus::Lost.as_str();
        let state = state_of(&session);
        let mut owned = Owned::hold(store, session, state, lock, &places, raw, word)?;
        if left_open {
            restore::end_what_is_open(&mut owned.journal)?;
        }
        Ok(owned)
    }

    fn hold(
        mut store: Store,
        session: Session,
        state: State,
        mut lock: Lock,
        places: &Places,
        raw: bool,
        word: &str,
    ) -> Result<Owned, Error> {
        let bell = Bell::open(&places.bell(&session.uid))?;
        lock.carry(&bell)?;
        let all = Bell::open(&places.all_bell())?;
        store.set_owner(session.no, Some(&format!("{}{word}", std::process::id())))?;
        let journal = Journal::new(store, session, state, [bell, all], raw)?;
        Ok(Owned { journal, lock })
    }

    /// The session as it is now.
    pub fn session(&self) -> &Session {
        self.journal.session()
    }

    /// The store, for what only the owner may do.
    pub fn store(&mut self) -> &mut Store {
        self.journal.store()
    }

    /// Stores an event of ours outside any run, such as the end of the session.
    pub fn record(&mut self, body: &Body) -> Result<(), Error> {
        self.journal.push(body, true, None);
        self.journal.commit()?;
        Ok(())
    }

    /// Gives the session up: nobody runs it now.
    pub fn leave(mut self) -> Result<(), Error> {
        self.journal.leave().map(|_| ())
    }

    /// Deletes the session with all its events.
    pub fn delete(mut self) -> Result<(), Error> {
        let no = self.journal.session().no;
        let uid = self.journal.session().uid.clone();
        let places = Places::beside(self.journal.store().path());
        self.journal.store().delete(no)?;
        self.journal.ring();
        places.remove(&uid);
        Ok(())
    }
}

/// Makes a session that nobody owns, and that waits for its first prompt.
///
/// # Errors
/// `store::Error::Exists` when the name is taken.
pub fn make(store: &mut Store, birth: &Birth, kept: &Kept) -> Result<Session, Error> {
    let places = Places::beside(store.path());
    places.make()?;
    let (uid, boot_id) = (ids::unique(), clock::boot_id().unwrap_or_default());
    let session = store.create_empty(&birth.of(&uid, &boot_id, &kept.write()), SessionStatus::Idle.as_str())?;
    Bell::open(&places.all_bell())?.ring();
    Ok(session)
}

/// Whether somebody owns the session now.
pub fn is_owned(store: &Path, session: &Session) -> Result<bool, Error> {
    Ok(host::lock::held(&Places::beside(store).lock(&session.uid))?)
}

/// Ends whoever owns the session, turn and agent first, as TERM would. [`Owned::take`] says whether that was possible.
///
/// # Errors
/// What the store says.
pub fn end_owner(path: &Path, session: &Session) -> Result<(), Error> {
    let store = Store::open(path, Access::Read)?;
    let mut told = None;
    let mut left = LAST_BREATH;
    while !left.is_zero() && is_owned(path, session)? {
        let owner = store.session_by_no(session.no)?.as_ref().and_then(owner_pid);
        // (A second TERM would leave the agent no time.)
        if let Some(pid) = owner.filter(|_| owner != told && is_owned(path, session).unwrap_or(false)) {
            host::tree::ask_to_end(pid);
            told = owner;
        }
        let patience = LOOK.min(left);
        drop(Lock::take_within(&Places::beside(path).lock(&session.uid), patience)?);
        left -= patience;
    }
    Ok(())
}

/// The process that wrote itself down as owner.
pub fn owner_pid(session: &Session) -> Option<u32> {
    session.owner.as_deref().and_then(|owner| owner.split(' ').next()?.parse().ok())
}

/// Whether the owner has written down that it waits for work.
pub fn owner_is_idle(session: &Session) -> bool {
    session.owner.as_deref().is_some_and(|owner| owner.ends_with(IDLE))
}

/// Whether there is no owner, or one that takes nothing any more: whoever comes now may own the session in a moment.
pub fn owner_has_left(session: &Session) -> bool {
    session.owner.is_none() || owner_is_closing(session)
}

/// Whether the owner has written down that it is about to leave.
pub(crate) fn owner_is_closing(session: &Session) -> bool {
    session.owner.as_deref().is_some_and(|owner| owner.ends_with(CLOSING))
}

/// What stands behind the process in the row of an owner that takes nothing any more.
pub(crate) const CLOSING: &str = " closing";

/// What stands behind the process in the row of an owner without work.
pub(crate) const IDLE: &str = " idle";

/// Writes the end that a dead owner could not write, where that is needed and possible. Gives the session as it is after it.
pub fn mend(path: &Path, session: Session) -> Result<Session, Error> {
    if session.owner.is_none() && !is_active(&session) {
        return Ok(session);
    }
    if is_owned(path, &session)? && owner_pid(&session).is_none_or(host::tree::is_alive) {
        return Ok(session);
    }
    let store = match Store::open(path, Access::Write) {
        Ok(store) => store,
        // Who may only read sees it as it is: lost.
        Err(store::Error::ReadOnly { .. }) => return Ok(session),
        Err(error) => return Err(error.into()),
    };
    match Owned::take_briefly(store, &session) {
        Ok(mut owned) => {
            let no = owned.session().no;
            let session = owned.store().session_by_no(no)?;
            owned.leave()?;
            session.ok_or(Error::NoSession(session_name(no)))
        }
        // Somebody else was faster.
        Err(Error::Busy { .. }) => Ok(session),
        Err(error) => Err(error),
    }
}

fn session_name(no: i64) -> String {
    format!("number {no}")
}

/// Takes the lock, which is free when nothing of its owner is alive. The guard of a dead owner is waited for, and so is
/// an owner that has not written itself down yet, leaves just now, or has ended its turn and is about to leave or to rest:
/// whoever is told `busy` is told by whom.
fn take(store: &Store, places: &Places, session: &Session) -> Result<Lock, Error> {
    let path = places.lock(&session.uid);
    let mut patience = Duration::ZERO;
    let mut left = LAST_BREATH;
    loop {
        if let Some(lock) = Lock::take_within(&path, patience)? {
            return Ok(lock);
        }
        let now = store.session_by_no(session.no)?.filter(|now| !owner_is_closing(now));
        let owner = now.as_ref().and_then(owner_pid);
        let owner = owner.filter(|pid| host::tree::is_alive(*pid));
        let is_settled = now.as_ref().is_some_and(|now| is_active(now) || owner_is_idle(now));
        if owner.is_some() && is_settled || left.is_zero() {
            return Err(Error::Busy { session: session.session_id.clone(), owner });
        }
        patience = LOOK.min(left);
        left -= patience;
    }
}

/// The fold of the session's events as its columns keep it.
fn state_of(session: &Session) -> State {
    State {
        turn: None,
        ended: session.status == "ended",
        outcome: session.outcome.as_deref().and_then(|word| serde_json::from_value(word.into()).ok()),
        exit_code: session.exit_code.and_then(|code| i32::try_from(code).ok()),
        pending: serde_json::from_str(&session.pending).unwrap_or_default(),
        turns: session.turns,
        usage: session.usage.as_deref().and_then(|usage| serde_json::from_str(usage).ok()),
        cost_usd: session.cost_usd,
        model: session.model.clone(),
        mode: session.mode.clone(),
        title: session.title.clone(),
        permission_mode: session.permission_mode.as_deref().and_then(schema::event::PermissionMode::parse),
    }
}

/// The last event of one of these types, as its sequence and data.
pub(crate) fn last_of(store: &Store, session: &Session, types: &[&str]) -> Result<Option<(i64, String)>, Error> {
    let mut found = None;
    let select = Select { after: 0, up_to: None, types, since: None, until: None, reverse: true, limit: 1, raw: false };
    store.read(session, &select, &mut |event| found = Some((event.sequence, event.data.to_owned())))?;
    Ok(found)
}
