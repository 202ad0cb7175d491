//! The schema's versions: a new file gets the latest, an older one is brought forward, a newer one is refused.

use crate::error::{Error, Trouble};
use rusqlite::Connection;
use std::path::Path;

/// A kind of file of ours.
#[derive(Debug)]
pub(crate) struct Schema {
    /// So that nobody's other SQLite file is taken for one of ours, and `file` can tell.
    application: i64,
    /// The size of a new file's pages, in bytes. A commit writes whole pages: small ones for small rows.
    pub(crate) page_size: u32,
    /// From how many pages in the write-ahead log on it is carried over, beside the writer and by itself. (Each time is two
    /// waits for the disk.)
    pub(crate) log_pages: [usize; 2],
    /// What takes it from version n to n + 1, from version 0 on. One that was released is never edited.
    migrations: &'static [&'static str],
}

/// Sessions, events, requests, processes: "sAgt".
pub(crate) static STORE: Schema = Schema {
    application: 0x7341_6774,
    page_size: 4096,
    log_pages: [256, 1024],
    migrations: &[
        include_str!("migrations/0001_begin.sql"),
        include_str!("migrations/0002_requests.sql"),
        include_str!("migrations/0003_processes.sql"),
    ],
};

/// What processes print: "sAgo".
pub(crate) static OUTPUT: Schema = Schema {
    application: 0x7341_676f,
    page_size: 16384,
    log_pages: [1024, 16384],
    migrations: &[include_str!("migrations/output_0001_begin.sql")],
};

impl Schema {
    /// The version that this program writes.
    pub(crate) const fn known(&self) -> i64 {
        self.migrations.len() as i64
    }
}

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
pub(crate) fn state(connection: &Connection, path: &Path, schema: &Schema) -> Result<State, Trouble> {
    // Asked each time that a store is opened which is open already.
    let number = |pragma| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if application != schema.application {
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
        Ok(version) if version < schema.migrations.len() => Ok(State::Older(version)),
        Ok(version) if version == schema.migrations.len() => Ok(State::Current),
        _ => Err(Trouble::Ours(Error::Newer { path: path.to_owned(), found: version, known: schema.known() })),
    }
}

/// Brings the file to the known version in one transaction. Only with the writers' turn.
pub(crate) fn migrate(connection: &Connection, path: &Path, schema: &Schema) -> Result<(), Trouble> {
    if state(connection, path, schema)? == State::Empty {
        // Only an empty file can be told to; the latter lets deleted sessions give their space back without a rewrite.
        let page_size = schema.page_size;
        connection.execute_batch(&format!("PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = INCREMENTAL"))?;
    }
    let transaction = crate::store::Bracket::write(connection)?;
    let version = match state(connection, path, schema)? {
        State::Empty => 0,
        State::Older(version) => version,
        State::Current => schema.migrations.len(),
    };
    for migration in &schema.migrations[version..] {
        connection.execute_batch(migration)?;
    }
    let (application, known) = (schema.application, schema.known());
    connection.execute_batch(&format!("PRAGMA application_id = {application}; PRAGMA user_version = {known}"))?;
    transaction.commit()?;
    Ok(())
}
