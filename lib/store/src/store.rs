//! The store itself: opened, looked after, closed.

use crate::{
    Sync,
    checkpoint::Checkpointer,
    error::{Error, Trouble},
    kept,
    migrate::{self, Schema, State},
    place::{self, Ground},
    turn::{self, Patience, Turn},
};
use rusqlite::{Connection, OpenFlags, config::DbConfig, ffi};
use std::{
    cell::{Cell, RefCell},
    ffi::OsStr,
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// Older ones lose a write in a rare race between a checkpoint and a writer.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite waits for programs that do not know of the writers' turn.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To write: made when missing, migrated when older.
    Write,
    /// To read: never made; migrated when older, by whoever may write.
    Read,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    /// Nothing only while it is dropped.
    open: Option<Open>,
}

/// What is open.
#[derive(Debug)]
pub(crate) struct Open {
    /// The path by which it was opened.
    asked: PathBuf,
    path: PathBuf,
    /// Device and inode of the file, where it is to be opened again.
    file: Option<(u64, u64)>,
    schema: &'static Schema,
    writer: Option<Writer>,
    // After the writer, whose thread has a connection of its own: the last one to close clears up the log.
    reader: RefCell<Reader>,
    /// Whether nothing has gone wrong with it, and nothing was set that the next one does not expect.
    is_as_new: Cell<bool>,
}

impl Open {
    /// Whether this is what would be opened now.
    pub(crate) fn is_what(&self, schema: &'static Schema, asked: &Path, access: Access) -> bool {
        let is_writer = access == Access::Write;
        self.asked == asked && self.writer.is_some() == is_writer && std::ptr::eq(self.schema, schema)
    }

    /// Whether it can be opened again as if it were anew.
    pub(crate) fn can_be_kept(&self) -> bool {
        let is_absolute = self.asked.is_absolute() && self.file.is_some();
        is_absolute && self.is_as_new.get() && self.reader.borrow().frozen.is_none()
    }

    /// Whether its file is still the one of this name, with the tables that we know.
    pub(crate) fn is_current(&self) -> bool {
        let connection = &self.reader.borrow().connection;
        self.file == identity(&self.asked) && matches!(state(connection, &self.path, self.schema), Ok(State::Current))
    }

    fn write<T>(&mut self, sync: Sync, body: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Error> {
        let connection = &self.reader.get_mut().connection;
        let Some(writer) = &mut self.writer else {
            let source = "it was opened to read".into();
            return Err(Error::ReadOnly { path: self.path.clone(), source });
        };
        let (taken, mut wait) = writer.turn.take()?;
        let at = |trouble: Trouble| trouble.at(&self.path);
        if writer.sync != sync {
            let pragma = match sync {
                Sync::Deltas => "PRAGMA synchronous = NORMAL",
                Sync::Full => "PRAGMA synchronous = FULL",
            };
            // Acts when it is prepared, so never through the statement cache.
            connection.execute_batch(pragma).map_err(|error| at(error.into()))?;
            writer.sync = sync;
        }
        let transaction = loop {
            match Bracket::write(connection).map_err(Trouble::from) {
                Ok(transaction) => break transaction,
                Err(trouble) if trouble.is_busy() => wait.still(None)?,
                Err(trouble) => return Err(at(trouble)),
            }
        };
        let result = body(connection).map_err(at)?;
        transaction.commit().map_err(|error| at(error.into()))?;
        writer.checkpointer.bound(connection);
        drop(taken);
        writer.checkpointer.committed();
        Ok(result)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            kept::put(open);
        }
    }
}

/// What only a writer has.
#[derive(Debug)]
struct Writer {
    turn: Turn,
    checkpointer: Checkpointer,
    /// What the connection's `synchronous` is set to.
    sync: Sync,
}

impl Writer {
    fn busy_timeout(&self) -> Duration {
        self.turn.patience.limit.min(BUSY_TIMEOUT)
    }
}

/// A connection, and what the file was like when it was taken for unchanging.
#[derive(Debug)]
struct Reader {
    connection: Connection,
    frozen: Option<Stamp>,
}

impl Store {
    /// Opens the store at `path`. For writing, the file and missing directories are made, for this user only. A reader
    /// that finds a closed store in a directory it cannot write to reads it [`Store::frozen`].
    pub fn open(path: &Path, access: Access) -> Result<Store, Error> {
        Self::open_as(&migrate::STORE, path, access)
    }

    /// As [`Store::open`], another kind of file.
    pub(crate) fn open_as(schema: &'static Schema, path: &Path, access: Access) -> Result<Store, Error> {
        assert!(rusqlite::version_number() >= OLDEST_SQLITE, "SQLite {} is too old", rusqlite::version());
        if let Some(open) = kept::take(schema, path, access) {
            return Ok(Store { open: Some(open) });
        }
        // Looked at before: a file that takes its place meanwhile is not taken for it.
        let file = identity(path);
        let mut store = Self::open_anew(schema, path, access)?;
        let open = store.parts_mut();
        (open.asked, open.file) = (path.to_owned(), file);
        Ok(store)
    }

    fn open_anew(schema: &'static Schema, path: &Path, access: Access) -> Result<Store, Error> {
        // What lies beside the file lies beside where a link leads, and this process may change its directory.
        let path = &path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
        let found = look(path)?;
        match (access, found) {
            (Access::Write, found) => Self::open_to_write(schema, path, found.map(|found| found.len())),
            // A file of no bytes is one that somebody meant to become a store.
            (Access::Read, Some(found)) if found.len() > 0 => Self::open_to_read(schema, path),
            (Access::Read, _) => Err(Error::Missing { path: path.to_owned() }),
        }
    }

    fn open_to_write(schema: &'static Schema, path: &Path, found: Option<u64>) -> Result<Store, Error> {
        if found.is_none() {
            place::make_directory(path)?;
        }
        let ground = place::ground(path)?;
        if let Ground::Doubtful(file_system) = &ground {
            place::try_locks(path, file_system)?;
        }
        match found {
            None => make(schema, path, &ground)?,
            Some(0) if look(&turn::path(path))?.is_some() => {
                // Whoever is making it has the turn. If it is empty even then, it was not always so.
                let mut turn = Turn::new(path)?;
                let _taken = turn.take()?;
                if look(path)?.is_none_or(|found| found.len() == 0) {
                    let what = "it is empty, though there was a store".to_owned();
                    return Err(Error::Corrupt { path: path.to_owned(), what, last_good: None });
                }
            }
            Some(_) => {}
        }
        let at = |trouble: Trouble| trouble.opening(path, &ground);
        let mut connection = connect(path.as_os_str().as_bytes(), OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(at)?;
        let state = state(&connection, path, schema).map_err(at)?;
        // Only now, when the file is known to be ours, another one is made beside it.
        let mut turn = Turn::new(path)?;
        // The journal's mode stands in the file, where others may have changed it.
        let journal = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0));
        if state != State::Current || journal.map_err(|error| at(error.into()))? != "wal" {
            let _taken = turn.take()?;
            prepare(schema, &connection, path, &ground)?;
        }
        let mut set_up = || {
            // What a flood made of the log's file is given back.
            let limit = schema.page_size as usize * schema.log_pages[1].min(2048);
            connection.execute_batch(&format!("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {limit}"))?;
            let readonly = connection.is_readonly("main")?;
            Ok((Checkpointer::watch(&mut connection, path, schema.log_pages)?, readonly))
        };
        let (checkpointer, readonly) = set_up().map_err(|error: rusqlite::Error| at(error.into()))?;
        if readonly {
            // SQLite opens such a file without a word.
            let source = std::io::Error::from(ErrorKind::PermissionDenied);
            return Err(Error::ReadOnly { path: path.to_owned(), source: Box::new(source) });
        }
        let writer = Writer { turn, checkpointer, sync: Sync::Deltas };
        Ok(Store::new(schema, path, Some(writer), Reader { connection, frozen: None }))
    }

    fn open_to_read(schema: &'static Schema, path: &Path) -> Result<Store, Error> {
        let ground = place::ground(path)?;
        let mut found = Reader::open(schema, path, &ground)?;
        if found.is_none() {
            // Its tables are not those that we ask. Whoever may write brings it up to date, and whoever may not is told so.
            Self::open_to_write(schema, path, Some(1))?.close()?;
            found = Reader::open(schema, path, &ground)?;
        }
        Ok(Store::new(schema, path, None, found.ok_or_else(|| older(path))?))
    }

    fn new(schema: &'static Schema, path: &Path, writer: Option<Writer>, reader: Reader) -> Store {
        let (asked, path, reader) = (PathBuf::new(), path.to_owned(), RefCell::new(reader));
        Store { open: Some(Open { asked, path, file: None, schema, writer, reader, is_as_new: Cell::new(true) }) }
    }

    fn parts(&self) -> &Open {
        self.open.as_ref().expect("it is open until it is dropped")
    }

    fn parts_mut(&mut self) -> &mut Open {
        self.open.as_mut().expect("it is open until it is dropped")
    }

    /// The store's path, absolute; if the one it was opened by is a link, where that leads.
    pub fn path(&self) -> &Path {
        &self.parts().path
    }

    /// Whether this is a reader of a store that nobody can write to from here. Pages are good, following makes no sense.
    pub fn frozen(&self) -> bool {
        self.parts().reader.borrow().frozen.is_some()
    }

    /// How long a writer waits for other writers before [`Error::Busy`] (60 s if never set), and what is told, about once
    /// a second while it waits: for how long already, and which process holds the turn, where the system says so.
    /// While a program that does not know the turn holds the store, it is told each 10 s.
    pub fn set_patience(&mut self, limit: Duration, told: Box<dyn FnMut(Duration, Option<u32>) + Send>) {
        let open = self.parts_mut();
        if let Some(writer) = &mut open.writer {
            writer.turn.patience = Patience { limit, told };
            let timeout = open.reader.get_mut().connection.busy_timeout(writer.busy_timeout());
            timeout.expect("a timeout of seconds can be set");
            open.is_as_new.set(false);
        }
    }

    /// Gives the space of deleted sessions back to the file system, in steps between which others can write.
    pub fn give_back(&mut self) -> Result<(), Error> {
        self.finish_deletions()?;
        self.vacuum()
    }

    /// As [`Store::give_back`], where nothing is being deleted in steps.
    pub(crate) fn vacuum(&mut self) -> Result<(), Error> {
        let mut left = i64::MAX;
        while left > 0 {
            let before = left;
            left = self.write(Sync::Deltas, |connection| {
                // Each step of the statement moves one page.
                let mut vacuum = connection.prepare_cached("PRAGMA incremental_vacuum(1024)")?;
                let mut steps = vacuum.query([])?;
                while steps.next()?.is_some() {}
                drop(steps);
                Ok(connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)
            })?;
            if left >= before {
                // A store that was made without the means for it keeps its free pages and fills them again.
                break;
            }
        }
        self.truncate_log()
    }

    /// The bytes that the store takes on the disk.
    pub fn file_size(&self) -> Result<u64, Error> {
        let mut sum = 0;
        for file in [self.path().to_owned(), place::beside(self.path(), "-wal")] {
            sum += look(&file)?.map_or(0, |found| found.len());
        }
        Ok(sum)
    }

    /// What `integrity_check` finds wrong; empty when nothing is. It does not see a changed letter in a text.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        self.query(&|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check")?;
            let findings = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            Ok(if findings == ["ok"] { Vec::new() } else { findings })
        })
    }

    /// The version of SQLite, and of the schema that this program writes.
    pub fn versions() -> (&'static str, i64) {
        (rusqlite::version(), migrate::STORE.known())
    }

    /// A clean end: what is in the write-ahead log goes to the main file unless somebody else uses it.
    pub fn close(mut self) -> Result<(), Error> {
        let cleared = self.truncate_log();
        let Open { path, writer, reader, .. } = self.open.take().expect("it is open until it is dropped");
        // Its thread ends before the connection does: the last connection to close removes the log.
        drop(writer);
        let closed = reader.into_inner().connection.close();
        cleared.and(closed.map_err(|(_, error)| Trouble::from(error).at(&path)))
    }

    /// Empties the log if nobody else is writing or reading just now.
    fn truncate_log(&mut self) -> Result<(), Error> {
        let open = self.parts_mut();
        let Some(writer) = &mut open.writer else { return Ok(()) };
        let Some(_taken) = writer.turn.take_if_free() else { return Ok(()) };
        writer.checkpointer.rest();
        let connection = &open.reader.get_mut().connection;
        let truncate = || {
            connection.busy_timeout(Duration::ZERO)?;
            // Readers that are in the way are no error but an answer.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            connection.busy_timeout(writer.busy_timeout())
        };
        truncate().map_err(|error| Trouble::from(error).at(&open.path))
    }

    /// Runs `body` in an immediate transaction in the writers' turn, committed as safely as `sync` says.
    pub(crate) fn write<T>(
        &mut self,
        sync: Sync,
        body: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Error> {
        let open = self.parts_mut();
        open.write(sync, body).inspect_err(|_| open.is_as_new.set(false))
    }

    /// Runs `body` in one snapshot.
    pub(crate) fn query<T>(&self, body: &dyn Fn(&Connection) -> Result<T, Trouble>) -> Result<T, Error> {
        // Ten times of somebody else's writing between two looks are no chance any more.
        for _ in 0..10 {
            let result = self.snapshot(&mut |connection| body(connection));
            let open = self.parts();
            let mut reader = open.reader.borrow_mut();
            if reader.frozen.as_ref().is_none_or(|stamp| *stamp == Stamp::of(&open.path)) {
                return result;
            }
            // Somebody who can write there did, under our eyes: what was read may be neither old nor new.
            *reader = Reader::open(open.schema, &open.path, &Ground::Good)?.ok_or_else(|| older(&open.path))?;
        }
        Err(Error::Busy { path: self.path().to_owned(), waited: Duration::ZERO, holder: None })
    }

    /// Runs `body` in one snapshot, without asking whether a frozen store stayed so.
    pub(crate) fn snapshot<T>(&self, body: &mut dyn FnMut(&Connection) -> Result<T, Trouble>) -> Result<T, Error> {
        let open = self.parts();
        let connection = &open.reader.borrow().connection;
        let mut run = || {
            let transaction = Bracket::read(connection)?;
            let result = body(connection)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|trouble: Trouble| {
            open.is_as_new.set(false);
            trouble.at(&open.path)
        })
    }
}

impl Reader {
    /// Nothing where the store is of an older schema.
    fn open(schema: &Schema, path: &Path, ground: &Ground) -> Result<Option<Reader>, Error> {
        let open = |name: &[u8], flags| {
            let connection = connect(name, OpenFlags::SQLITE_OPEN_READ_ONLY | flags)?;
            match state(&connection, path, schema)? {
                State::Current => Ok(Some(connection)),
                State::Older(_) => Ok(None),
                State::Empty => Err(Trouble::Ours(Error::Corrupt {
                    path: path.to_owned(),
                    what: "it was never finished".to_owned(),
                    last_good: None,
                })),
            }
        };
        let trouble = match open(path.as_os_str().as_bytes(), OpenFlags::empty()) {
            Ok(connection) => return Ok(connection.map(|connection| Reader { connection, frozen: None })),
            Err(trouble) => trouble,
        };
        // Where the files that readers share cannot be made, a store can be read if there is nothing in the log.
        let frozen = Stamp::of(path);
        let cannot_make = matches!(trouble.code(), Some(ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY_DIRECTORY));
        if !cannot_make || frozen.log > 0 {
            return Err(trouble.opening(path, ground));
        }
        let connection =
            open(&immutable(path), OpenFlags::SQLITE_OPEN_URI).map_err(|trouble| trouble.opening(path, ground))?;
        Ok(Some(Reader { connection: connection.ok_or_else(|| older(path))?, frozen: Some(frozen) }))
    }
}

fn older(path: &Path) -> Error {
    let why = "it was made by an older version; open it once where it can be written";
    let source = std::io::Error::new(ErrorKind::ReadOnlyFilesystem, why);
    Error::ReadOnly { path: path.to_owned(), source: Box::new(source) }
}

/// Makes a store under another name and gives it its own when it is complete: nobody meets half of one, however this ends.
fn make(schema: &Schema, path: &Path, ground: &Ground) -> Result<(), Error> {
    let mut turn = Turn::new(path)?;
    let _taken = turn.take()?;
    if look(path)?.is_some() {
        return Ok(());
    }
    let new = place::beside(path, ".new");
    place::make_anew(&new, path)?;
    let at = |trouble: Trouble| trouble.opening(path, ground);
    let connection = connect(new.as_os_str().as_bytes(), OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(at)?;
    prepare(schema, &connection, path, ground)?;
    connection.close().map_err(|(_, error)| at(error.into()))?;
    // The log of one that somebody removed would be taken for the new one's.
    place::remove_beside(path, path)?;
    place::rename(&new, path)
}

/// Brings the schema to the known version, and the file into the mode in which readers and a writer do not meet. Only with
/// the writers' turn.
fn prepare(schema: &Schema, connection: &Connection, path: &Path, ground: &Ground) -> Result<(), Error> {
    let at = |trouble: Trouble| trouble.opening(path, ground);
    migrate::migrate(connection, path, schema).map_err(at)?;
    let journal = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
    match journal.map_err(|error| at(error.into()))?.as_str() {
        "wal" => Ok(()),
        _ => Err(ground.unfit(path, "there is no shared memory")),
    }
}

/// What would differ if somebody had written to the store.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    /// Inode, bytes, and time of the last change with its nanoseconds; nothing if the file is not there.
    file: Option<(u64, u64, i64, i64)>,
    /// Bytes in the write-ahead log.
    log: u64,
}

impl Stamp {
    fn of(path: &Path) -> Stamp {
        let file = fs::metadata(path).ok();
        let log = fs::metadata(place::beside(path, "-wal"));
        Stamp {
            file: file.map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec())),
            log: log.map_or(0, |log| log.len()),
        }
    }
}

/// A transaction, rolled back when dropped uncommitted.
#[must_use]
pub(crate) struct Bracket<'a>(&'a Connection);

impl<'a> Bracket<'a> {
    pub(crate) fn read(connection: &'a Connection) -> rusqlite::Result<Bracket<'a>> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Bracket(connection))
    }

    pub(crate) fn write(connection: &'a Connection) -> rusqlite::Result<Bracket<'a>> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Bracket(connection))
    }

    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Drop for Bracket<'_> {
    fn drop(&mut self) {
        // Some errors have rolled back already, and after a commit there is nothing to roll back.
        if !self.0.is_autocommit() {
            // If even this fails the connection is of no use, and the next statement says so.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

fn connect(name: &[u8], flags: OpenFlags) -> Result<Connection, Trouble> {
    // A connection is used by one thread at a time: nothing here is `Sync`.
    let connection = Connection::open_with_flags(OsStr::from_bytes(name), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A statement is planned once, whatever is bound to it: else one that is kept would be prepared again each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn state(connection: &Connection, path: &Path, schema: &Schema) -> Result<State, Trouble> {
    let transaction = Bracket::read(connection)?;
    let state = migrate::state(connection, path, schema)?;
    transaction.commit()?;
    Ok(state)
}

/// The name by which SQLite opens a file that it may take for unchanging: every byte that means something in a URI is
/// escaped.
fn immutable(path: &Path) -> Vec<u8> {
    let mut name = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => name.push(*byte),
            _ => name.extend(format!("%{byte:02x}").bytes()),
        }
    }
    name.extend(b"?immutable=1");
    name
}

/// Which file a name leads to, if to any: device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// What is there, which may be nothing.
fn look(path: &Path) -> Result<Option<Metadata>, Error> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { doing: "look at", path: path.to_owned(), source }),
    }
}
