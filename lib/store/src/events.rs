//! Events: appended in batches, read in pages.

use crate::{Error, Session, Store};

/// What is committed together.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Events in order; the first follows the last stored one.
    pub events: &'a [Row<'a>],
    /// The session's columns as these events leave them; `None` leaves them as they are.
    pub cache: Option<Cache<'a>>,
    /// The agent's own id for the session, valid from the first event of this batch on.
    pub native: Option<&'a str>,
    /// The time of writing, milliseconds since 1970.
    pub now: i64,
}

/// One event to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its number in the session, from 1.
    pub sequence: i64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Its type, as in the envelope.
    pub kind: &'a str,
    /// Whether it was made by us (`source` is `daemon`) rather than by the agent.
    pub synthetic: bool,
    /// Its data, serialised; stored as these bytes.
    pub data: &'a str,
    /// The agent's payload, serialised.
    pub raw: Option<&'a str>,
}

/// The columns of a session that follow from its events. All are written, `None` as NULL, but for `model`, `mode`, `title`
/// and `settings`, where `None` leaves the column as it is.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    /// `starting`, `running`, `asking`, `idle` or `ended`.
    pub status: &'a str,
    /// What became of the last turn.
    pub outcome: Option<&'a str>,
    /// The exit code of the last turn.
    pub exit_code: Option<i64>,
    /// The ids of open requests, a JSON array.
    pub pending: &'a str,
    /// How many turns there were.
    pub turns: i64,
    /// The sum of usage, JSON.
    pub usage: Option<&'a str>,
    /// The sum of cost in US dollars.
    pub cost_usd: Option<f64>,
    /// The model.
    pub model: Option<&'a str>,
    /// The agent's mode.
    pub mode: Option<&'a str>,
    /// What people call it.
    pub title: Option<&'a str>,
    /// JSON that the store does not look into.
    pub settings: Option<&'a str>,
}

/// How safe a commit must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Survives the death of every process; a power cut may take it, together with what came after it (never a gap).
    Deltas,
    /// Survives a power cut, and with it everything committed before.
    Full,
}

/// Which events to read.
#[derive(Debug, Clone, Copy)]
pub struct Select<'a> {
    /// Only what comes after this sequence (for [`Store::read_all`]: cursor).
    pub after: i64,
    /// Only what comes up to this sequence or cursor, itself included.
    pub up_to: Option<i64>,
    /// Only these types; empty means all.
    pub types: &'a [&'a str],
    /// Only what was recorded at this time or later, milliseconds since 1970.
    pub since: Option<i64>,
    /// Only what was recorded before this time.
    pub until: Option<i64>,
    /// The newest first (then a next page is what is `up_to` the last number minus one).
    pub reverse: bool,
    /// How many at most, filters applied.
    pub limit: usize,
    /// Whether `raw` is wanted; without it only events that always show theirs (`agent.unparsed`) have one.
    pub raw: bool,
}

/// One event as it is stored. It lives as long as the call of the visitor.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Its place in the order of commits over all sessions; never used twice.
    pub cursor: i64,
    /// The session's name.
    pub session_id: &'a str,
    /// The epoch's uid at that sequence: the event's id is `evt_`, this, `_`, the sequence.
    pub epoch: &'a str,
    /// What the agent called the session at that sequence.
    pub native: Option<&'a str>,
    /// Its number in the session.
    pub sequence: i64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Its type.
    pub kind: &'a str,
    /// Whether it was made by us.
    pub synthetic: bool,
    /// Its data, the bytes that were appended.
    pub data: &'a str,
    /// The agent's payload.
    pub raw: Option<&'a str>,
}

impl Store {
    /// Stores a batch in one transaction and returns once it is committed as safely as `sync` says. On an error nothing
    /// of it is stored. Fails with [`Error::OutOfOrder`] unless the events continue the session without gap.
    pub fn append(&mut self, no: i64, batch: &Batch<'_>, sync: Sync) -> Result<(), Error> {
        unimplemented!("{no} {batch:?} {sync:?}")
    }

    /// Shows a page of a session's events to `visit` and returns how many there were: fewer than `select.limit` means
    /// that there are no more. `visit` must not wait for anything: a snapshot is held while it runs.
    pub fn read(
        &self,
        session: &Session,
        select: &Select<'_>,
        visit: &mut dyn FnMut(Stored<'_>),
    ) -> Result<usize, Error> {
        let _ = visit;
        unimplemented!("{session:?} {select:?}")
    }

    /// As [`Store::read`], over all sessions in the order of writing; `after` and `up_to` are cursors.
    pub fn read_all(&self, select: &Select<'_>, visit: &mut dyn FnMut(Stored<'_>)) -> Result<usize, Error> {
        let _ = visit;
        unimplemented!("{select:?}")
    }

    /// A cursor after which only what is not written yet comes; 0 in an empty store.
    pub fn last_cursor(&self) -> Result<i64, Error> {
        unimplemented!()
    }

    /// Shows the `limit` newest completed items and ended turns whose data has all of `words` in it, the newest first, and
    /// returns how many there were. Letters A to Z match in either case.
    pub fn search(&self, words: &str, limit: usize, visit: &mut dyn FnMut(Stored<'_>)) -> Result<usize, Error> {
        let _ = visit;
        unimplemented!("{words} {limit}")
    }
}
