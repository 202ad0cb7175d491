//! What processes print: numbered records in a file of its own, so that a flood there disturbs no session.

use crate::{Access, Error, Store, Sync, error::Trouble, migrate};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};

/// The store of output beside a store.
#[derive(Debug)]
pub struct Output(Store);

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of standard output.
    Stdout,
    /// Bytes of standard error.
    Stderr,
    /// Bytes of the terminal.
    Pty,
    /// The program was started; JSON.
    Started,
    /// It ended; JSON.
    Exit,
}

/// One record to be stored.
#[derive(Debug, Clone)]
pub struct Record {
    /// Milliseconds since 1970.
    pub time: i64,
    /// What it is.
    pub kind: Kind,
    /// At most 64 KiB.
    pub data: Vec<u8>,
}

/// One record as it is stored. It lives as long as the call of the visitor.
#[derive(Debug, Clone, Copy)]
pub struct StoredOutput<'a> {
    /// Its number in its process.
    pub sequence: i64,
    /// Milliseconds since 1970.
    pub time: i64,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub data: &'a [u8],
}

/// What there is of a process's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The number of the last record; 0 before the first.
    pub last_sequence: i64,
    /// Bytes of the records that are there.
    pub bytes: i64,
    /// Records 1 to this number were dropped.
    pub dropped_to: i64,
    /// Their bytes.
    pub dropped_bytes: i64,
}

/// Which records to read.
#[derive(Debug, Clone, Copy)]
pub struct SelectOutput<'a> {
    /// Only what comes after this sequence.
    pub after: i64,
    /// Only these; empty means all.
    pub kinds: &'a [Kind],
    /// Only what was recorded at this time or later, milliseconds since 1970.
    pub since: Option<i64>,
    /// The newest first.
    pub reverse: bool,
    /// How many at most, filters applied.
    pub limit: usize,
    /// Stop after the record with which this many bytes are reached.
    pub bytes: usize,
}

/// So many bits of a record's key are its sequence.
const BITS: u32 = 40;

/// How many records are looked at or deleted at once.
const STEP: usize = 256;

impl Output {
    /// Where the output of a store's processes is: `output.db` beside `store.db`, `x.output.db` beside `x.db`.
    pub fn path(store: &Path) -> PathBuf {
        let stem = store.file_stem().unwrap_or_default();
        if stem == "store" {
            return store.with_file_name("output.db");
        }
        let mut name = stem.to_owned();
        name.push(".output.db");
        store.with_file_name(name)
    }

    /// Opens the output of the processes of the store at `store`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(store: &Path, access: Access) -> Result<Output, Error> {
        let store = store.canonicalize().unwrap_or_else(|_| store.to_owned());
        Store::open_as(&migrate::OUTPUT, &Output::path(&store), access).map(Output)
    }

    /// Stores records, numbered from where the process's log ends, in one transaction; gives the number of the last.
    /// When there are more than `keep` bytes afterwards the oldest records are dropped, at least a tenth of them.
    pub fn append(&mut self, no: i64, records: &[Record], keep: i64, sync: Sync) -> Result<i64, Error> {
        self.0.write(sync, |connection| {
            let mut log = log(connection, no)?;
            let mut insert =
                connection.prepare_cached("INSERT INTO output(id, time, kind, data) VALUES(?1, ?2, ?3, ?4)")?;
            for record in records {
                log.last_sequence += 1;
                log.bytes += record.data.len() as i64;
                insert.execute(params![key(no, log.last_sequence), record.time, record.kind.number(), record.data])?;
            }
            if log.bytes > keep {
                drop_oldest(connection, no, &mut log, keep - keep / 10)?;
            }
            connection.prepare_cached("INSERT OR REPLACE INTO log VALUES(?1, ?2, ?3, ?4, ?5)")?.execute(params![
                no,
                log.last_sequence,
                log.bytes,
                log.dropped_to,
                log.dropped_bytes
            ])?;
            Ok(log.last_sequence)
        })
    }

    /// What there is of a process's output.
    pub fn log(&self, no: i64) -> Result<Log, Error> {
        self.0.query(&|connection| log(connection, no))
    }

    /// Shows a page of a process's records to `visit` and returns whether there may be more. `visit` must not wait for
    /// anything, nor use the store.
    pub fn read(
        &self,
        no: i64,
        select: &SelectOutput<'_>,
        visit: &mut dyn FnMut(StoredOutput<'_>),
    ) -> Result<bool, Error> {
        let order = if select.reverse { "DESC" } else { "ASC" };
        let kinds: Vec<String> = select.kinds.iter().map(|kind| kind.number().to_string()).collect();
        let mut sql = "SELECT id, time, kind, data FROM output WHERE id > ?1 AND id <= ?2".to_owned();
        if !kinds.is_empty() {
            sql += &format!(" AND kind IN ({})", kinds.join(", "));
        }
        if let Some(since) = select.since {
            sql += &format!(" AND time >= {since}");
        }
        sql += &format!(" ORDER BY id {order}");
        let (from, to) = (key(no, select.after), key(no + 1, 0) - 1);
        self.0.snapshot(&mut |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([from, to])?;
            let (mut count, mut bytes) = (0, 0);
            while count < select.limit && bytes < select.bytes {
                let Some(row) = rows.next()? else { return Ok(false) };
                let data = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
                let sequence = row.get::<_, i64>(0)? - key(no, 0);
                visit(StoredOutput { sequence, time: row.get(1)?, kind: Kind::of(row.get(2)?), data });
                count += 1;
                bytes += data.len();
            }
            Ok(true)
        })
    }

    /// Deletes what a process printed, in steps between which others can write.
    pub fn delete(&mut self, no: i64) -> Result<(), Error> {
        loop {
            let left = self.0.write(Sync::Deltas, |connection| {
                let sql = "DELETE FROM output WHERE id IN (SELECT id FROM output WHERE id > ?1 AND id < ?2 LIMIT ?3)";
                let count =
                    connection.prepare_cached(sql)?.execute(params![key(no, 0), key(no + 1, 0), STEP as i64])?;
                if count == 0 {
                    connection.prepare_cached("DELETE FROM log WHERE process_no = ?1")?.execute([no])?;
                }
                Ok(count)
            })?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Gives the space of what was deleted back to the file system.
    pub fn give_back(&mut self) -> Result<(), Error> {
        self.0.vacuum()
    }

    /// A clean end, as [`Store::close`].
    pub fn close(self) -> Result<(), Error> {
        self.0.close()
    }
}

impl Kind {
    fn number(self) -> i64 {
        match self {
            Kind::Stdout => 1,
            Kind::Stderr => 2,
            Kind::Pty => 3,
            Kind::Started => 4,
            Kind::Exit => 5,
        }
    }

    /// No other number is written by any version that this one reads.
    fn of(number: i64) -> Kind {
        match number {
            1 => Kind::Stdout,
            2 => Kind::Stderr,
            3 => Kind::Pty,
            4 => Kind::Started,
            _ => Kind::Exit,
        }
    }
}

fn key(no: i64, sequence: i64) -> i64 {
    (no << BITS) + sequence
}

fn log(connection: &Connection, no: i64) -> Result<Log, Trouble> {
    let sql = "SELECT last_sequence, bytes, dropped_to, dropped_bytes FROM log WHERE process_no = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([no], |row| {
            Ok(Log {
                last_sequence: row.get(0)?,
                bytes: row.get(1)?,
                dropped_to: row.get(2)?,
                dropped_bytes: row.get(3)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Drops records until no more than `keep` bytes are left.
fn drop_oldest(connection: &Connection, no: i64, log: &mut Log, keep: i64) -> Result<(), Trouble> {
    let mut look = connection
        .prepare_cached("SELECT id, length(data) FROM output WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")?;
    while log.bytes > keep {
        let before = log.dropped_to;
        let mut rows = look.query(params![key(no, before), key(no + 1, 0), STEP as i64])?;
        while let Some(row) = rows.next()? {
            if log.bytes <= keep {
                break;
            }
            let length: i64 = row.get(1)?;
            log.bytes -= length;
            log.dropped_bytes += length;
            log.dropped_to = row.get::<_, i64>(0)? - key(no, 0);
        }
        drop(rows);
        if log.dropped_to == before {
            break;
        }
        connection
            .prepare_cached("DELETE FROM output WHERE id > ?1 AND id <= ?2")?
            .execute([key(no, 0), key(no, log.dropped_to)])?;
    }
    Ok(())
}
