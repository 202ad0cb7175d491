//! Sessions: made, found, changed, imported, deleted; their columns are a cache of what was folded elsewhere.

use crate::{Error, Store};

/// What a session is born with.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// The name by which people know it; unique.
    pub session_id: &'a str,
    /// A UUIDv7, 32 hex digits; unique for all time: the first epoch of its events.
    pub uid: &'a str,
    /// The boot of the machine that writes it.
    pub boot_id: &'a str,
    /// The agent's name.
    pub agent: &'a str,
    /// The directory it works in.
    pub cwd: &'a str,
    /// Milliseconds since 1970.
    pub created: i64,
    /// What people call it.
    pub title: Option<&'a str>,
    /// The model asked for.
    pub model: Option<&'a str>,
    /// The agent's mode.
    pub mode: Option<&'a str>,
    /// The effort asked for.
    pub effort: Option<&'a str>,
    /// The permission mode.
    pub permission_mode: Option<&'a str>,
    /// The session that started it.
    pub parent_session: Option<&'a str>,
    /// A JSON object.
    pub labels: &'a str,
    /// JSON that the store does not look into.
    pub settings: &'a str,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The key of everything that belongs to it; never used twice.
    pub no: i64,
    /// The name by which people know it.
    pub session_id: String,
    /// A UUIDv7, 32 hex digits: the first epoch of its events.
    pub uid: String,
    /// The boot of the machine that wrote it last.
    pub boot_id: String,
    /// The agent's name.
    pub agent: String,
    /// The directory it works in.
    pub cwd: String,
    /// What people call it.
    pub title: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The agent's mode.
    pub mode: Option<String>,
    /// The effort.
    pub effort: Option<String>,
    /// The permission mode.
    pub permission_mode: Option<String>,
    /// Milliseconds since 1970.
    pub created: i64,
    /// When it was last written to, milliseconds since 1970.
    pub updated: i64,
    /// The number of its last event; 0 before the first.
    pub last_sequence: i64,
    /// `starting` at birth, then what the last [`crate::Cache`] said.
    pub status: String,
    /// What became of the last turn.
    pub outcome: Option<String>,
    /// The exit code of the last turn.
    pub exit_code: Option<i64>,
    /// The ids of open requests, a JSON array.
    pub pending: String,
    /// The agent's own id, the latest.
    pub native_session_id: Option<String>,
    /// How many turns it had.
    pub turns: i64,
    /// The sum of usage, JSON.
    pub usage: Option<String>,
    /// The sum of cost in US dollars.
    pub cost_usd: Option<f64>,
    /// A JSON object.
    pub labels: String,
    /// The session that started it.
    pub parent_session: Option<String>,
    /// JSON that the store does not look into.
    pub settings: String,
    /// Who holds its lock, as its owner wrote it: information; the lock decides.
    pub owner: Option<String>,
}

/// Changes to a session; `None` leaves a column as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// What people call it.
    pub title: Option<&'a str>,
    /// A JSON object; replaces the one before.
    pub labels: Option<&'a str>,
    /// The model.
    pub model: Option<&'a str>,
    /// The agent's mode.
    pub mode: Option<&'a str>,
    /// The effort.
    pub effort: Option<&'a str>,
    /// The permission mode.
    pub permission_mode: Option<&'a str>,
    /// JSON that the store does not look into; replaces the one before.
    pub settings: Option<&'a str>,
    /// The session that started it.
    pub parent_session: Option<&'a str>,
}

/// A session that comes from another store, before its events.
#[derive(Debug, Clone, Copy)]
pub struct ImportedSession<'a> {
    /// Its columns. With a `boot_id` that no machine has (such as the empty text) the next owner begins a new epoch, so
    /// that no event written here has the id of one written where it came from.
    pub session: NewSession<'a>,
    /// From which sequence on which epoch's uid is part of the event ids; the first from 1.
    pub epochs: &'a [(i64, &'a str)],
    /// From which sequence on the agent called the session what.
    pub natives: &'a [(i64, &'a str)],
}

impl Store {
    /// Makes a session. Fails with [`Error::Exists`] if the name (or the uid) is taken.
    pub fn create(&mut self, new: &NewSession<'_>) -> Result<Session, Error> {
        unimplemented!("{new:?}")
    }

    /// The session of exactly this name.
    pub fn session(&self, session_id: &str) -> Result<Option<Session>, Error> {
        unimplemented!("{session_id}")
    }

    /// The session of this number.
    pub fn session_by_no(&self, no: i64) -> Result<Option<Session>, Error> {
        unimplemented!("{no}")
    }

    /// All sessions, the one updated last first.
    pub fn sessions(&self) -> Result<Vec<Session>, Error> {
        unimplemented!()
    }

    /// The names that begin with `prefix`, in order.
    pub fn sessions_with_prefix(&self, prefix: &str) -> Result<Vec<String>, Error> {
        unimplemented!("{prefix}")
    }

    /// Changes columns of a session; `updated` stays. Fails with [`Error::Gone`] if it was deleted.
    pub fn update(&mut self, no: i64, set: &Settings<'_>) -> Result<(), Error> {
        unimplemented!("{no} {set:?}")
    }

    /// Writes down who owns the session now.
    pub fn set_owner(&mut self, no: i64, owner: Option<&str>) -> Result<(), Error> {
        unimplemented!("{no} {owner:?}")
    }

    /// From the next event on, event ids carry another uid: an owner calls this when the machine was restarted since the
    /// last write, because a power cut may have taken events that somebody saw. For the same reason the next cursor
    /// lies a million further on.
    pub fn begin_epoch(&mut self, no: i64, uid: &str, boot_id: &str) -> Result<(), Error> {
        unimplemented!("{no} {uid} {boot_id}")
    }

    /// From which sequence on which epoch's uid is part of the event ids, ascending.
    pub fn epochs(&self, no: i64) -> Result<Vec<(i64, String)>, Error> {
        unimplemented!("{no}")
    }

    /// From which sequence on the agent called the session what, ascending.
    pub fn natives(&self, no: i64) -> Result<Vec<(i64, String)>, Error> {
        unimplemented!("{no}")
    }

    /// Makes a session as another store had it; its events follow by [`Store::append`]. If the session exists with the
    /// same uid, only what epochs and natives say about events that are not stored yet is taken; a name that belongs
    /// to another session, or a uid that has another name here, is [`Error::Exists`].
    pub fn import(&mut self, record: &ImportedSession<'_>) -> Result<Session, Error> {
        unimplemented!("{record:?}")
    }

    /// Deletes a session with its events: it is gone for readers at once, its events in transactions of bounded size.
    /// Neither its number nor a cursor is ever used again. A deletion that was interrupted is finished by the next one
    /// or by [`Store::give_back`].
    pub fn delete(&mut self, no: i64) -> Result<(), Error> {
        unimplemented!("{no}")
    }

    /// The bytes of a session's events (`data` and `raw`).
    pub fn size(&self, no: i64) -> Result<u64, Error> {
        unimplemented!("{no}")
    }
}
