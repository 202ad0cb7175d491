//! Requests of other processes to a session's owner: posted, looked at, and settled with the events that follow from them.

use crate::{
    Error, Store, Sync,
    error::Trouble,
    sessions::{one, set_owner},
};
use rusqlite::{Connection, OptionalExtension, params};

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its number; never used twice.
    pub id: i64,
    /// `prompt` or another word of the engine's.
    pub kind: String,
    /// What is wanted: JSON that the store does not look into.
    pub body: String,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// `open` while nothing has.
    pub state: RequestState,
    /// JSON that the store does not look into.
    pub result: Option<String>,
}

/// How far a request has come; everything but `Open` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// It waits.
    Open,
    /// It was carried out; a prompt: given to the agent.
    Done,
    /// It could not be carried out.
    Refused,
    /// Its poster took it back.
    Withdrawn,
    /// Its owner died.
    Lost,
}

impl RequestState {
    fn as_str(self) -> &'static str {
        match self {
            RequestState::Open => "open",
            RequestState::Done => "done",
            RequestState::Refused => "refused",
            RequestState::Withdrawn => "withdrawn",
            RequestState::Lost => "lost",
        }
    }

    fn parse(text: &str) -> RequestState {
        use RequestState::{Done, Lost, Open, Refused, Withdrawn};
        // The word stands there because we wrote it.
        [Open, Done, Refused, Withdrawn, Lost].into_iter().find(|state| state.as_str() == text).unwrap_or(Lost)
    }
}

/// The settling of a request, part of a [`crate::Batch`].
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// Which.
    pub id: i64,
    /// What became of it.
    pub state: RequestState,
    /// JSON.
    pub result: &'a str,
}

/// For how long what became of a request can be asked, in milliseconds.
const MEMORY: i64 = 3_600_000;

impl Store {
    /// Posts a request, as safely as `sync` says, and returns its number. Fails with [`Error::Gone`] if the session was deleted.
    pub fn post(&mut self, no: i64, kind: &str, body: &str, now: i64, sync: Sync) -> Result<i64, Error> {
        self.write(sync, |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO request(session_no, posted, kind, body) SELECT no, ?2, ?3, ?4 FROM session WHERE no = ?1",
            )?;
            one(insert.execute(params![no, now, kind, body])?)?;
            Ok(connection.last_insert_rowid())
        })
    }

    /// The requests that wait, in the order of posting, after a number.
    pub fn posted(&self, no: i64, after: i64) -> Result<Vec<Posted>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, kind, body FROM request WHERE session_no = ?1 AND id > ?2 AND state = 'open' ORDER BY id",
            )?;
            let rows = statement
                .query_map((no, after), |row| Ok(Posted { id: row.get(0)?, kind: row.get(1)?, body: row.get(2)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many prompts wait.
    pub fn prompts_posted(&self, no: i64) -> Result<i64, Error> {
        self.query(&|connection| prompts(connection, no))
    }

    /// What became of a request; `None`: there is none of this number (any more: an hour after it was settled).
    pub fn settlement(&self, id: i64) -> Result<Option<Settlement>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached("SELECT state, result FROM request WHERE id = ?1")?;
            let found = statement.query_row([id], |row| {
                let state: String = row.get(0)?;
                Ok(Settlement { state: RequestState::parse(&state), result: row.get(1)? })
            });
            Ok(found.optional()?)
        })
    }

    /// Takes a request back that no owner looks at. `false`: it is settled, or its session has an owner, who must be asked.
    pub fn withdraw(&mut self, id: i64) -> Result<bool, Error> {
        self.write(Sync::Full, |connection| {
            let sql = "UPDATE request SET state = 'withdrawn' WHERE id = ?1 AND state = 'open'
                       AND (SELECT owner FROM session WHERE no = session_no) IS NULL";
            Ok(connection.execute(sql, [id])? == 1)
        })
    }

    /// Ends the owner's life in the row, or says there how it is ending, and returns how many prompts wait. With
    /// `unless_waiting` nothing is changed when some do: so none is posted between the last look and the end.
    pub fn leave(&mut self, no: i64, owner: Option<&str>, unless_waiting: bool, now: i64) -> Result<i64, Error> {
        self.write(Sync::Deltas, |connection| {
            let waiting = prompts(connection, no)?;
            if waiting == 0 || !unless_waiting {
                set_owner(connection, no, owner)?;
                connection.execute(
                    "DELETE FROM request WHERE session_no = ?1 AND state <> 'open' AND posted < ?2",
                    [no, now - MEMORY],
                )?;
            }
            Ok(waiting)
        })
    }
}

pub(crate) fn settle(connection: &Connection, settled: &[Settled<'_>]) -> Result<(), Trouble> {
    for one in settled {
        connection
            .prepare_cached("UPDATE request SET state = ?1, result = ?2 WHERE id = ?3 AND state = 'open'")?
            .execute((one.state.as_str(), one.result, one.id))?;
    }
    Ok(())
}

fn prompts(connection: &Connection, no: i64) -> Result<i64, Trouble> {
    let sql = "SELECT count(*) FROM request WHERE session_no = ?1 AND state = 'open' AND kind = 'prompt'";
    Ok(connection.prepare_cached(sql)?.query_row([no], |row| row.get(0))?)
}
