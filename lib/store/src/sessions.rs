//! Sessions: made, found, changed, imported, deleted; their columns are a cache of what was folded elsewhere.

use crate::{Error, Store, Sync, error::Trouble, events};
use rusqlite::{Connection, OptionalExtension, named_params, params, types::FromSql};

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
    /// Makes a session whose first event follows at once and is synced, and this with it. Fails with [`Error::Exists`] if
    /// the name (or the uid) is taken.
    pub fn create(&mut self, new: &NewSession<'_>) -> Result<Session, Error> {
        self.write(Sync::Deltas, |connection| create(connection, new))
    }

    /// As [`Store::create`], for one that may stay empty, in this status.
    pub fn create_empty(&mut self, new: &NewSession<'_>, status: &str) -> Result<Session, Error> {
        self.write(Sync::Full, |connection| {
            let session = create(connection, new)?;
            let mut update = connection.prepare_cached("UPDATE session SET status = ?1 WHERE no = ?2")?;
            update.execute(params![status, session.no])?;
            Ok(Session { status: status.to_owned(), ..session })
        })
    }

    /// The session of exactly this name.
    pub fn session(&self, session_id: &str) -> Result<Option<Session>, Error> {
        self.query(&|connection| named(connection, session_id))
    }

    /// The session of this number.
    pub fn session_by_no(&self, no: i64) -> Result<Option<Session>, Error> {
        self.query(&|connection| {
            Ok(connection.prepare_cached(&select("WHERE no = ?1"))?.query_row([no], session).optional()?)
        })
    }

    /// The sessions of these numbers, as they are at one moment; those that are gone are left out.
    pub fn sessions_by_no(&self, numbers: &[i64]) -> Result<Vec<Session>, Error> {
        let numbers = list(numbers);
        self.query(&|connection| {
            let sql = select("WHERE no IN (SELECT value FROM json_each(?1))");
            Ok(connection.prepare_cached(&sql)?.query_map([&numbers], session)?.collect::<Result<_, _>>()?)
        })
    }

    /// The numbers of the last events of the sessions of these numbers, as they are at one moment.
    pub fn last_sequences(&self, numbers: &[i64]) -> Result<Vec<(i64, i64)>, Error> {
        let numbers = list(numbers);
        self.query(&|connection| {
            let sql = "SELECT no, last_sequence FROM session WHERE no IN (SELECT value FROM json_each(?1))";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement.query_map([&numbers], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// All sessions, the one updated last first.
    pub fn sessions(&self) -> Result<Vec<Session>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached(&select("ORDER BY updated DESC, no DESC"))?;
            Ok(statement.query_map([], session)?.collect::<Result<_, _>>()?)
        })
    }

    /// The names that begin with `prefix`, in order.
    pub fn sessions_with_prefix(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT session_id FROM session WHERE substr(session_id, 1, length(?1)) = ?1 ORDER BY session_id",
            )?;
            Ok(statement.query_map([prefix], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }

    /// Changes columns of a session; `updated` stays. Fails with [`Error::Gone`] if it was deleted.
    pub fn update(&mut self, no: i64, set: &Settings<'_>) -> Result<(), Error> {
        let Settings { title, labels, model, mode, effort, permission_mode, settings, parent_session } = *set;
        self.write(Sync::Full, |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE session SET
                   title = coalesce(:title, title), labels = coalesce(:labels, labels), model = coalesce(:model, model),
                   mode = coalesce(:mode, mode), effort = coalesce(:effort, effort),
                   permission_mode = coalesce(:permission_mode, permission_mode),
                   settings = coalesce(:settings, settings), parent_session = coalesce(:parent_session, parent_session)
                 WHERE no = :no",
            )?;
            one(statement.execute(named_params! {
                ":title": title, ":labels": labels, ":model": model, ":mode": mode, ":effort": effort,
                ":permission_mode": permission_mode, ":settings": settings, ":parent_session": parent_session, ":no": no,
            })?)
        })
    }

    /// Writes down who owns the session now.
    pub fn set_owner(&mut self, no: i64, owner: Option<&str>) -> Result<(), Error> {
        self.write(Sync::Deltas, |connection| set_owner(connection, no, owner))
    }

    /// From the next event on, event ids carry another uid: an owner calls this when the machine was restarted since the
    /// last write, because a power cut may have taken events that somebody saw. For the same reason the next cursor
    /// lies a million further on.
    pub fn begin_epoch(&mut self, no: i64, uid: &str, boot_id: &str) -> Result<(), Error> {
        self.write(Sync::Full, |connection| {
            one(connection.execute("UPDATE session SET boot_id = ?1 WHERE no = ?2", params![boot_id, no])?)?;
            // An epoch without events is replaced: those it had are the ones that were lost.
            connection.execute(
                "INSERT INTO epoch SELECT no, last_sequence + 1, ?1 FROM session WHERE no = ?2
                 ON CONFLICT(session_no, from_sequence) DO UPDATE SET uid = excluded.uid",
                params![uid, no],
            )?;
            events::keep_mark(connection, events::last_id(connection)? + 1_000_000)
        })
    }

    /// From which sequence on which epoch's uid is part of the event ids, ascending.
    pub fn epochs(&self, no: i64) -> Result<Vec<(i64, String)>, Error> {
        self.query(&|connection| Ok(spans(connection, EPOCHS, no)?))
    }

    /// From which sequence on the agent called the session what, ascending.
    pub fn natives(&self, no: i64) -> Result<Vec<(i64, String)>, Error> {
        self.query(&|connection| Ok(spans(connection, NATIVES, no)?))
    }

    /// Makes a session as another store had it; its events follow by [`Store::append`]. If the session exists with the
    /// same uid, only what epochs and natives say about events that are not stored yet is taken; a name that belongs
    /// to another session, or a uid that has another name here, is [`Error::Exists`].
    pub fn import(&mut self, record: &ImportedSession<'_>) -> Result<Session, Error> {
        let new = &record.session;
        self.write(Sync::Full, |connection| {
            let known = named(connection, new.session_id)?.filter(|known| known.uid == new.uid);
            let (no, last) = match known {
                Some(known) => (known.no, known.last_sequence),
                None => {
                    insert(connection, new)?;
                    (connection.last_insert_rowid(), 0)
                }
            };
            for (table, spans) in [("epoch", record.epochs), ("native", record.natives)] {
                connection.execute(
                    &format!("DELETE FROM {table} WHERE session_no = ?1 AND from_sequence > ?2"),
                    params![no, last],
                )?;
                let mut insert = connection.prepare(&format!("INSERT INTO {table} VALUES(?1, ?2, ?3)"))?;
                for (from, text) in spans.iter().filter(|(from, _)| *from > last) {
                    insert.execute(params![no, from, text])?;
                }
            }
            connection.execute(
                "UPDATE session SET native_session_id =
                   (SELECT native_session_id FROM native WHERE session_no = no ORDER BY from_sequence DESC LIMIT 1)
                 WHERE no = ?1",
                [no],
            )?;
            named(connection, new.session_id)?.ok_or(Trouble::Ours(Error::Gone))
        })
    }

    /// Deletes a session with its events: it is gone for readers at once, its events in transactions of bounded size.
    /// Neither its number nor a cursor is ever used again. A deletion that was interrupted is finished by the next one
    /// or by [`Store::give_back`].
    pub fn delete(&mut self, no: i64) -> Result<(), Error> {
        self.write(Sync::Full, |connection| {
            one(connection.execute("DELETE FROM session WHERE no = ?1", [no])?)?;
            connection.execute("DELETE FROM epoch WHERE session_no = ?1", [no])?;
            connection.execute("DELETE FROM native WHERE session_no = ?1", [no])?;
            connection.execute("DELETE FROM request WHERE session_no = ?1", [no])?;
            connection.execute("INSERT INTO doomed VALUES(?1)", [no])?;
            Ok(())
        })?;
        self.finish_deletions()
    }

    /// Deletes the events of sessions that are gone.
    pub(crate) fn finish_deletions(&mut self) -> Result<(), Error> {
        let doomed = |connection: &Connection| {
            let mut statement = connection.prepare_cached("SELECT min(session_no) FROM doomed")?;
            Ok(statement.query_row([], |row| row.get::<_, Option<i64>>(0))?)
        };
        while let Some(no) = self.query(&doomed)? {
            self.write(Sync::Deltas, |connection| {
                if !events::delete_some(connection, no)? {
                    connection.execute("DELETE FROM doomed WHERE session_no = ?1", [no])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The bytes of a session's events (`data` and `raw`).
    pub fn size(&self, no: i64) -> Result<u64, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT coalesce(sum(octet_length(data) + coalesce(octet_length(raw), 0)), 0) FROM event WHERE session_no = ?1",
            )?;
            Ok(statement.query_row([no], |row| row.get(0)).map(|bytes: i64| bytes.unsigned_abs())?)
        })
    }
}

/// What holds from which sequence of a session on: the statements for [`spans`].
pub(crate) const EPOCHS: &str = "SELECT from_sequence, uid FROM epoch WHERE session_no = ?1 ORDER BY from_sequence";
pub(crate) const NATIVES: &str =
    "SELECT from_sequence, native_session_id FROM native WHERE session_no = ?1 ORDER BY from_sequence";

pub(crate) fn spans(connection: &Connection, select: &str, no: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(select)?;
    statement.query_map([no], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// An update or deletion that should have met one session.
pub(crate) fn set_owner(connection: &Connection, no: i64, owner: Option<&str>) -> Result<(), Trouble> {
    one(connection.prepare_cached("UPDATE session SET owner = ?1 WHERE no = ?2")?.execute(params![owner, no])?)
}

pub(crate) fn one(changed: usize) -> Result<(), Trouble> {
    if changed == 0 { Err(Trouble::Ours(Error::Gone)) } else { Ok(()) }
}

fn create(connection: &Connection, new: &NewSession<'_>) -> Result<Session, Trouble> {
    insert(connection, new)?;
    let mut epoch = connection.prepare_cached("INSERT INTO epoch VALUES(?1, 1, ?2)")?;
    epoch.execute(params![connection.last_insert_rowid(), new.uid])?;
    named(connection, new.session_id)?.ok_or(Trouble::Ours(Error::Gone))
}

fn insert(connection: &Connection, new: &NewSession<'_>) -> Result<(), Trouble> {
    let mut taken = connection.prepare_cached("SELECT session_id FROM session WHERE session_id = ?1 OR uid = ?2")?;
    let taken = taken.query_row(params![new.session_id, new.uid], |row| row.get(0)).optional()?;
    if let Some(name) = taken {
        return Err(Trouble::Ours(Error::Exists(name)));
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO session(session_id, uid, boot_id, agent, cwd, created, updated, title, model, mode, effort,
           permission_mode, parent_session, labels, settings)
         VALUES(:session_id, :uid, :boot_id, :agent, :cwd, :created, :created, :title, :model, :mode, :effort,
           :permission_mode, :parent_session, :labels, :settings)",
    )?;
    insert.execute(named_params! {
        ":session_id": new.session_id, ":uid": new.uid, ":boot_id": new.boot_id, ":agent": new.agent, ":cwd": new.cwd,
        ":created": new.created, ":title": new.title, ":model": new.model, ":mode": new.mode, ":effort": new.effort,
        ":permission_mode": new.permission_mode, ":parent_session": new.parent_session, ":labels": new.labels,
        ":settings": new.settings,
    })?;
    Ok(())
}

fn named(connection: &Connection, session_id: &str) -> Result<Option<Session>, Trouble> {
    let mut statement = connection.prepare_cached(&select("WHERE session_id = ?1"))?;
    Ok(statement.query_row([session_id], session).optional()?)
}

/// Numbers as JSON: then a list of any length is one statement.
fn list(numbers: &[i64]) -> String {
    format!("[{}]", numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
}

/// The columns of a session in the order of its fields: by their names they take ten times as long to read.
fn select(which: &str) -> String {
    const COLUMNS: &str = "no, session_id, uid, boot_id, agent, cwd, title, model, mode, effort, permission_mode, created, \
                           updated, last_sequence, status, outcome, exit_code, pending, native_session_id, turns, usage, \
                           cost_usd, labels, parent_session, settings, owner";
    format!("SELECT {COLUMNS} FROM session {which}")
}

struct Columns<'a, 'b> {
    row: &'a rusqlite::Row<'b>,
    at: usize,
}

impl Columns<'_, '_> {
    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }
}

fn session(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    let mut columns = Columns { row, at: 0 };
    Ok(Session {
        no: columns.next()?,
        session_id: columns.next()?,
        uid: columns.next()?,
        boot_id: columns.next()?,
        agent: columns.next()?,
        cwd: columns.next()?,
        title: columns.next()?,
        model: columns.next()?,
        mode: columns.next()?,
        effort: columns.next()?,
        permission_mode: columns.next()?,
        created: columns.next()?,
        updated: columns.next()?,
        last_sequence: columns.next()?,
        status: columns.next()?,
        outcome: columns.next()?,
        exit_code: columns.next()?,
        pending: columns.next()?,
        native_session_id: columns.next()?,
        turns: columns.next()?,
        usage: columns.next()?,
        cost_usd: columns.next()?,
        labels: columns.next()?,
        parent_session: columns.next()?,
        settings: columns.next()?,
        owner: columns.next()?,
    })
}
