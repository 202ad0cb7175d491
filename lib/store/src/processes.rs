//! Managed processes: made, found, changed, deleted.

use crate::{Error, Store, Sync, error::Trouble};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What a managed process is born with.
#[derive(Debug, Clone, Copy)]
pub struct NewProcess<'a> {
    /// Its generated id; unique.
    pub process_id: &'a str,
    /// A UUIDv7, 32 hex digits.
    pub uid: &'a str,
    /// The caller's name for it; unique.
    pub name: Option<&'a str>,
    /// For whom it runs: `user`, `desktop`.
    pub owner: &'a str,
    /// JSON that the store does not look into, but for `command` and `cwd`.
    pub spec: &'a str,
    /// A JSON object.
    pub labels: &'a str,
    /// The session that started it.
    pub parent_session: Option<&'a str>,
    /// The boot of the machine.
    pub boot_id: &'a str,
    /// Milliseconds since 1970.
    pub created: i64,
}

/// What a managed process is doing, or what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessState {
    /// `starting`, `running`, `restarting`, `exited`.
    pub status: String,
    /// Why it is not running.
    pub reason: Option<String>,
    /// Its process id while it runs.
    pub pid: Option<i64>,
    /// Its exit code, if it exited.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// Its latest start, milliseconds since 1970.
    pub started: Option<i64>,
    /// Its latest end.
    pub ended: Option<i64>,
    /// How often it was started again.
    pub restarts: i64,
    /// The most memory it had at once, in bytes.
    pub max_rss: Option<i64>,
    /// Processor time, in milliseconds.
    pub cpu_ms: Option<i64>,
    /// `cgroup` or `rlimits`, where there are limits.
    pub limits_by: Option<String>,
}

/// A managed process as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The key of its output; never used twice.
    pub no: i64,
    /// Its generated id.
    pub process_id: String,
    /// A UUIDv7, 32 hex digits.
    pub uid: String,
    /// The caller's name for it.
    pub name: Option<String>,
    /// For whom it runs.
    pub owner: String,
    /// JSON of the engine's.
    pub spec: String,
    /// A JSON object.
    pub labels: String,
    /// The session that started it.
    pub parent_session: Option<String>,
    /// The boot of the machine that wrote it last.
    pub boot_id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// What it is doing.
    pub state: ProcessState,
    /// Who holds its lock, as the keeper wrote it: information; the lock decides.
    pub keeper: Option<String>,
}

impl Store {
    /// Makes a process. Fails with [`Error::Exists`] if the name is taken.
    pub fn create_process(&mut self, new: &NewProcess<'_>) -> Result<Process, Error> {
        self.write(Sync::Deltas, |connection| {
            if let Some(name) = new.name
                && find(connection, "name = ?1 OR process_id = ?1", name)?.is_some()
            {
                return Err(Trouble::Ours(Error::Exists(name.to_owned())));
            }
            connection.prepare_cached(INSERT)?.execute(params![
                new.process_id,
                new.uid,
                new.name,
                new.owner,
                new.spec,
                new.labels,
                new.parent_session,
                new.boot_id,
                new.created
            ])?;
            find(connection, "process_id = ?1", new.process_id)?.ok_or(Trouble::Ours(Error::Gone))
        })
    }

    /// The process of this id or name.
    pub fn process(&self, name: &str) -> Result<Option<Process>, Error> {
        self.query(&|connection| find(connection, "process_id = ?1 OR name = ?1", name))
    }

    /// The process of this number.
    pub fn process_by_no(&self, no: i64) -> Result<Option<Process>, Error> {
        self.query(&|connection| find(connection, "no = ?1", no))
    }

    /// Every process, the oldest first.
    pub fn processes(&self) -> Result<Vec<Process>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM process ORDER BY no"))?;
            let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
    }

    /// Writes what a process is doing, who keeps it and the boot it lives in.
    pub fn set_process(
        &mut self,
        no: i64,
        state: &ProcessState,
        keeper: Option<&str>,
        boot_id: &str,
    ) -> Result<(), Error> {
        self.write(Sync::Deltas, |connection| {
            let changed = connection.prepare_cached(UPDATE)?.execute(params![
                no,
                state.status,
                state.reason,
                state.pid,
                state.exit_code,
                state.signal,
                state.started,
                state.ended,
                state.restarts,
                state.max_rss,
                state.cpu_ms,
                state.limits_by,
                keeper,
                boot_id
            ])?;
            if changed == 0 { Err(Trouble::Ours(Error::Gone)) } else { Ok(()) }
        })
    }

    /// Forgets a process; its output is deleted before, in the other file.
    pub fn delete_process(&mut self, no: i64) -> Result<(), Error> {
        self.write(Sync::Deltas, |connection| {
            connection.prepare_cached("DELETE FROM process WHERE no = ?1")?.execute([no])?;
            Ok(())
        })
    }
}

const INSERT: &str =
    "INSERT INTO process(process_id, uid, name, owner, spec, labels, parent_session, boot_id, created, status)
  VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'starting')";

const UPDATE: &str = "UPDATE process SET status = ?2, reason = ?3, pid = ?4, exit_code = ?5, signal = ?6, started = ?7,
  ended = ?8, restarts = ?9, max_rss = ?10, cpu_ms = ?11, limits_by = ?12, keeper = ?13, boot_id = ?14 WHERE no = ?1";

const COLUMNS: &str =
    "no, process_id, uid, name, owner, spec, labels, parent_session, boot_id, created, status, reason,
  pid, exit_code, signal, started, ended, restarts, max_rss, cpu_ms, limits_by, keeper";

fn find(connection: &Connection, condition: &str, value: impl rusqlite::ToSql) -> Result<Option<Process>, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM process WHERE {condition}");
    Ok(connection.prepare_cached(&sql)?.query_row([value], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Process> {
    Ok(Process {
        no: row.get(0)?,
        process_id: row.get(1)?,
        uid: row.get(2)?,
        name: row.get(3)?,
        owner: row.get(4)?,
        spec: row.get(5)?,
        labels: row.get(6)?,
        parent_session: row.get(7)?,
        boot_id: row.get(8)?,
        created: row.get(9)?,
        state: ProcessState {
            status: row.get(10)?,
            reason: row.get(11)?,
            pid: row.get(12)?,
            exit_code: row.get(13)?,
            signal: row.get(14)?,
            started: row.get(15)?,
            ended: row.get(16)?,
            restarts: row.get(17)?,
            max_rss: row.get(18)?,
            cpu_ms: row.get(19)?,
            limits_by: row.get(20)?,
        },
        keeper: row.get(21)?,
    })
}
