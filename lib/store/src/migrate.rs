//! The schema's versions: a new file gets the latest, an older one is brought forward, a newer one is refused.

use crate::error::{Error, Trouble};
use rusqlite::Connection;
use std::path::Path;

/// What takes a store from version n to n + 1, from version 0 on. One that was released is never edited.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_begin.sql"), include_str!("migrations/0002_requests.sql")];

/// The version that this program writes.
pub(crate) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// "sAgt", so that nobody's other SQLite file is taken for a store, and `file` can tell.
const APPLICATION_ID: i64 = 0x7341_6774;

/// What a file is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is in it yet.
    Empty,
    /// A store of this earlier version.
    Older(usize),
    /// A store as this program writes it.
    Current,
}

/// Looks at what the file is. Anything that is not a store of a version we know is an error.
pub(crate) fn state(connection: &Connection, path: &Path) -> Result<State, Trouble> {
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        let things: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application == 0 && version == 0 && things == 0 {
            return Ok(State::Empty);
        }
        return Err(Trouble::Ours(Error::Corrupt {
            path: path.to_owned(),
            what: "it is a database of another program".to_owned(),
            last_good: None,
        }));
    }
    match usize::try_from(version) {
        Ok(version) if version < MIGRATIONS.len() => Ok(State::Older(version)),
        Ok(version) if version == MIGRATIONS.len() => Ok(State::Current),
        _ => Err(Trouble::Ours(Error::Newer { path: path.to_owned(), found: version, known: KNOWN })),
    }
}

/// Brings the file to the known version in one transaction. Only with the writers' turn.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    if state(connection, path)? == State::Empty {
        // Only an empty file can be told to; it lets deleted sessions give their space back without a rewrite.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    let transaction = crate::store::Bracket::write(connection)?;
    let version = match state(connection, path)? {
        State::Empty => 0,
        State::Older(version) => version,
        State::Current => MIGRATIONS.len(),
    };
    for migration in &MIGRATIONS[version..] {
        connection.execute_batch(migration)?;
    }
    connection.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {KNOWN}"))?;
    transaction.commit()?;
    Ok(())
}
