//! Events: appended in batches, read in pages.

use crate::{
    Error, Session, Store,
    error::Trouble,
    inbox::{self, Settled},
    sessions::{self, EPOCHS, NATIVES, spans},
};
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};
use std::{collections::HashMap, sync::LazyLock};

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
    /// Requests that are settled by these events, or without any.
    pub settled: &'a [Settled<'a>],
    /// Who owns the session from now on; `None` leaves it as it is.
    pub owner: Option<&'a str>,
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
#[derive(Debug, Clone, Copy, Default)]
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
        self.write(sync, |connection| append(connection, no, batch))
    }

    /// Shows a page of a session's events to `visit` and returns how many there were: fewer than `select.limit` means
    /// that there are no more. `visit` must not wait for anything, nor use the store: a snapshot is held while it runs.
    /// Fails with [`Error::Gone`] if the session was deleted.
    pub fn read(
        &self,
        session: &Session,
        select: &Select<'_>,
        visit: &mut dyn FnMut(Stored<'_>),
    ) -> Result<usize, Error> {
        self.page(select, |stored| stored.sequence, visit, &|connection, visit| {
            let mut sessions = Sessions::default();
            sessions.get(connection, session.no)?.ok_or(Trouble::Ours(Error::Gone))?;
            let (sql, values) = select.sql("session_no = ? AND sequence", "sequence", Some(&session.no));
            walk(connection, &sql, &values, select.limit, &mut sessions, visit)
        })
    }

    /// As [`Store::read`], over all sessions in the order of writing; `after` and `up_to` are cursors.
    pub fn read_all(&self, select: &Select<'_>, visit: &mut dyn FnMut(Stored<'_>)) -> Result<usize, Error> {
        self.page(select, |stored| stored.cursor, visit, &|connection, visit| {
            let (sql, values) = select.sql("id", "id", None);
            walk(connection, &sql, &values, select.limit, &mut Sessions::default(), visit)
        })
    }

    /// A cursor after which only what is not written yet comes; 0 in an empty store.
    pub fn last_cursor(&self) -> Result<i64, Error> {
        self.query(&last_id)
    }

    /// Shows the `limit` newest completed items and ended turns whose data has all of `words` in it, the newest first, and
    /// returns how many there were. Letters A to Z match in either case.
    pub fn search(&self, words: &str, limit: usize, visit: &mut dyn FnMut(Stored<'_>)) -> Result<usize, Error> {
        let patterns: Vec<String> = words.split_whitespace().map(pattern).collect();
        let sql = format!(
            "SELECT {COLUMNS}, {RAW} FROM event WHERE type IN ('item.completed', 'turn.ended'){} ORDER BY id DESC",
            " AND data LIKE ? ESCAPE '\\'".repeat(patterns.len()),
        );
        let values: Vec<&dyn ToSql> = patterns.iter().map(|pattern| pattern as &dyn ToSql).collect();
        let newest = Select { reverse: true, ..Select::default() };
        self.page(&newest, |stored| stored.cursor, visit, &|connection, visit| {
            walk(connection, &sql, &values, limit, &mut Sessions::default(), visit)
        })
    }

    /// Shows what `body` finds; if that breaks off, the error says after which number.
    fn page(
        &self,
        select: &Select<'_>,
        number: fn(&Stored<'_>) -> i64,
        visit: &mut dyn FnMut(Stored<'_>),
        body: &Body<'_>,
    ) -> Result<usize, Error> {
        let mut last = (!select.reverse && select.after > 0).then_some(select.after);
        let mut noted = |stored: Stored<'_>| {
            last = Some(number(&stored));
            visit(stored);
        };
        let result = if self.frozen() {
            // Nothing is shown before it is known that the file was still the same at the end of the page.
            let (page, result) = self.query(&|connection| {
                let mut page = Vec::new();
                let result = body(connection, &mut |stored| page.push(Kept::from(stored)));
                Ok((page, result))
            })?;
            page.iter().for_each(|kept| noted(kept.stored()));
            result.map_err(|trouble| trouble.at(self.path()))
        } else {
            self.snapshot(&mut |connection| body(connection, &mut noted))
        };
        result.map_err(|mut error| {
            if let Error::Corrupt { last_good, .. } = &mut error {
                *last_good = last;
            }
            error
        })
    }
}

/// What finds events and hands them to a visitor.
type Body<'a> = dyn Fn(&Connection, &mut dyn FnMut(Stored<'_>)) -> Result<usize, Trouble> + 'a;

const COLUMNS: &str = "id, session_no, sequence, time, type, source, data";

/// What was not understood is always shown as it came; a payload that nobody wants is not even fetched.
const RAW: &str = "CASE type WHEN 'agent.unparsed' THEN raw END";

impl Select<'_> {
    /// The statement, and what to bind to it, for the events `within` which the key is to be `after`.
    fn sql<'a>(&'a self, within: &str, key: &str, first: Option<&'a i64>) -> (String, Vec<&'a dyn ToSql>) {
        let raw = if self.raw { "raw" } else { RAW };
        let mut sql = format!("SELECT {COLUMNS}, {raw} FROM event WHERE {within} > ?");
        let mut values: Vec<&dyn ToSql> = Vec::new();
        values.extend(first.map(|first| first as &dyn ToSql));
        values.push(&self.after);
        for (condition, value) in [
            (format!(" AND {key} <= ?"), &self.up_to),
            (" AND time >= ?".into(), &self.since),
            (" AND time < ?".into(), &self.until),
        ] {
            if let Some(value) = value {
                sql += &condition;
                values.push(value);
            }
        }
        if !self.types.is_empty() {
            // As they are and not bound: only then it is seen that an index of some types will do.
            let types = self.types.iter().map(|kind| format!("'{}'", kind.replace('\'', "''")));
            sql += &format!(" AND type IN ({})", types.collect::<Vec<_>>().join(", "));
        }
        sql += &format!(" ORDER BY {key}{}", if self.reverse { " DESC" } else { "" });
        (sql, values)
    }
}

/// Steps through a statement until it ends or `limit` events were shown. Rows that belong to no session (any more) are
/// passed over.
fn walk(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    limit: usize,
    sessions: &mut Sessions,
    visit: &mut dyn FnMut(Stored<'_>),
) -> Result<usize, Trouble> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut count = 0;
    while count < limit
        && let Some(row) = rows.next()?
    {
        let Some(known) = sessions.get(connection, row.get(1)?)? else { continue };
        let sequence = row.get(2)?;
        visit(Stored {
            cursor: row.get(0)?,
            session_id: &known.session_id,
            epoch: at(&known.epochs, sequence).unwrap_or(&known.uid),
            native: at(&known.natives, sequence),
            sequence,
            time: row.get(3)?,
            kind: text(row, 4)?,
            synthetic: row.get::<_, i64>(5)? != 0,
            data: text(row, 6)?,
            raw: row.get_ref(7)?.as_str_or_null().map_err(rusqlite::Error::from)?,
        });
        count += 1;
    }
    Ok(count)
}

fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, Trouble> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// What holds at `sequence`, of spans in ascending order of their first one.
fn at(spans: &[(i64, String)], sequence: i64) -> Option<&str> {
    let after = spans.partition_point(|(from, _)| *from <= sequence);
    after.checked_sub(1).map(|index| spans[index].1.as_str())
}

/// The sessions met in a page.
#[derive(Default)]
struct Sessions {
    met: Vec<(i64, Option<Known>)>,
    index: HashMap<i64, usize>,
    /// Where the last one is, as the next event is mostly of the same.
    last: usize,
}

/// What an event's envelope takes from its session.
struct Known {
    session_id: String,
    uid: String,
    epochs: Vec<(i64, String)>,
    natives: Vec<(i64, String)>,
}

impl Sessions {
    fn get(&mut self, connection: &Connection, no: i64) -> Result<Option<&Known>, Trouble> {
        if self.met.get(self.last).is_none_or(|(last, _)| *last != no) {
            self.last = match self.index.get(&no) {
                Some(index) => *index,
                None => {
                    self.met.push((no, Known::load(connection, no)?));
                    self.index.insert(no, self.met.len() - 1);
                    self.met.len() - 1
                }
            };
        }
        Ok(self.met[self.last].1.as_ref())
    }
}

impl Known {
    fn load(connection: &Connection, no: i64) -> Result<Option<Known>, Trouble> {
        let mut statement = connection.prepare_cached("SELECT session_id, uid FROM session WHERE no = ?1")?;
        let names = statement.query_row([no], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((session_id, uid)) = names else { return Ok(None) };
        let epochs = spans(connection, EPOCHS, no)?;
        let natives = spans(connection, NATIVES, no)?;
        Ok(Some(Known { session_id, uid, epochs, natives }))
    }
}

/// An event kept beyond its statement.
struct Kept {
    session_id: String,
    epoch: String,
    native: Option<String>,
    kind: String,
    data: String,
    raw: Option<String>,
    numbers: (i64, i64, i64, bool),
}

impl From<Stored<'_>> for Kept {
    fn from(stored: Stored<'_>) -> Kept {
        Kept {
            session_id: stored.session_id.to_owned(),
            epoch: stored.epoch.to_owned(),
            native: stored.native.map(str::to_owned),
            kind: stored.kind.to_owned(),
            data: stored.data.to_owned(),
            raw: stored.raw.map(str::to_owned),
            numbers: (stored.cursor, stored.sequence, stored.time, stored.synthetic),
        }
    }
}

impl Kept {
    fn stored(&self) -> Stored<'_> {
        let (cursor, sequence, time, synthetic) = self.numbers;
        Stored {
            cursor,
            session_id: &self.session_id,
            epoch: &self.epoch,
            native: self.native.as_deref(),
            sequence,
            time,
            kind: &self.kind,
            synthetic,
            data: &self.data,
            raw: self.raw.as_deref(),
        }
    }
}

/// What `LIKE` finds a word by in JSON, where it is written with escapes.
fn pattern(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.chars() {
        match letter {
            '"' => pattern += r#"\\""#,
            '\\' => pattern += r"\\\\",
            '%' | '_' => pattern.extend(['\\', letter]),
            _ => pattern.push(letter),
        }
    }
    pattern + "%"
}

fn append(connection: &Connection, no: i64, batch: &Batch<'_>) -> Result<(), Trouble> {
    inbox::settle(connection, batch.settled)?;
    if let Some(first) = batch.events.first() {
        // Numbers without a gap, or none at all: whoever writes, and whatever else goes wrong.
        let mut last = first.sequence - 1;
        for row in batch.events {
            if row.sequence != last + 1 {
                return Err(out_of_order(connection, no, row.sequence)?);
            }
            last = row.sequence;
        }
        let mut advance = connection.prepare_cached(
            "UPDATE session SET last_sequence = ?1, updated = ?2 WHERE no = ?3 AND last_sequence = ?4",
        )?;
        if advance.execute((last, batch.now, no, first.sequence - 1))? == 0 {
            return Err(out_of_order(connection, no, first.sequence)?);
        }
    }
    if let Some(native) = batch.native {
        let mut statement = connection.prepare_cached(
            "INSERT OR REPLACE INTO native
             SELECT no, coalesce(?1, last_sequence + 1), ?2 FROM session WHERE no = ?3 AND native_session_id IS NOT ?2",
        )?;
        statement.execute((batch.events.first().map(|first| first.sequence), native, no))?;
        connection.prepare_cached("UPDATE session SET native_session_id = ?1 WHERE no = ?2")?.execute((native, no))?;
    }
    if let Some(owner) = batch.owner {
        sessions::set_owner(connection, no, Some(owner))?;
    }
    if let Some(cache) = &batch.cache {
        sessions::one(connection.prepare_cached(WRITE_CACHE)?.execute(named_params! {
            ":status": cache.status, ":outcome": cache.outcome, ":exit_code": cache.exit_code, ":pending": cache.pending,
            ":turns": cache.turns, ":usage": cache.usage, ":cost_usd": cache.cost_usd, ":model": cache.model,
            ":mode": cache.mode, ":title": cache.title, ":settings": cache.settings, ":updated": batch.now, ":no": no,
        })?)?;
    }
    let (many, rest) = batch.events.as_chunks::<MANY>();
    insert(connection, no, &INSERT_MANY, many.iter().map(<[_; MANY]>::as_slice))?;
    insert(connection, no, INSERT, rest.chunks(1))
}

/// How many events one statement stores where there are as many: what a statement costs beside its rows is a third of all.
const MANY: usize = 16;

/// `OR FAIL`, for one that fails need not be undone by itself: the transaction is.
const INSERT: &str =
    "INSERT OR FAIL INTO event(session_no, sequence, time, type, source, data, raw) VALUES(?, ?, ?, ?, ?, ?, ?)";

static INSERT_MANY: LazyLock<String> =
    LazyLock::new(|| INSERT.to_owned() + &", (?, ?, ?, ?, ?, ?, ?)".repeat(MANY - 1));

/// Stores events with a statement that takes a piece of them.
fn insert<'a>(
    connection: &Connection,
    no: i64,
    sql: &str,
    pieces: impl ExactSizeIterator<Item = &'a [Row<'a>]>,
) -> Result<(), Trouble> {
    if pieces.len() == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(sql)?;
    for piece in pieces {
        for (row, first) in piece.iter().zip((1..).step_by(7)) {
            let values: [&dyn ToSql; 7] =
                [&no, &row.sequence, &row.time, &row.kind, &row.synthetic, &row.data, &row.raw];
            for (value, at) in values.into_iter().zip(first..) {
                statement.raw_bind_parameter(at, value)?;
            }
        }
        statement.raw_execute()?;
    }
    Ok(())
}

const WRITE_CACHE: &str = "UPDATE session SET
    status = :status, outcome = :outcome, exit_code = :exit_code, pending = :pending, turns = :turns, usage = :usage,
    cost_usd = :cost_usd, model = coalesce(:model, model), mode = coalesce(:mode, mode), title = coalesce(:title, title),
    settings = coalesce(:settings, settings), updated = :updated
  WHERE no = :no";

/// What is wrong with appending `found` to the session as it is stored.
fn out_of_order(connection: &Connection, no: i64, found: i64) -> Result<Trouble, Trouble> {
    let mut statement = connection.prepare_cached("SELECT session_id, last_sequence FROM session WHERE no = ?1")?;
    let stored = statement.query_row([no], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(Trouble::Ours(match stored {
        Some((session_id, last)) => Error::OutOfOrder { session_id, last, found },
        None => Error::Gone,
    }))
}

/// The largest cursor given so far; 0 before the first.
pub(crate) fn last_id(connection: &Connection) -> Result<i64, Trouble> {
    let mut statement = connection.prepare_cached("SELECT max(id) FROM event")?;
    Ok(statement.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}

/// Makes sure that no cursor up to `id` is given again; no event may have `id`.
pub(crate) fn keep_mark(connection: &Connection, id: i64) -> Result<(), Trouble> {
    connection.execute("DELETE FROM event WHERE session_no = 0", [])?;
    connection.execute("INSERT INTO event VALUES(?1, 0, ?1, 0, '', 1, '', NULL)", [id])?;
    Ok(())
}

/// Deletes the first events of a session, not more than a transaction should; false if there are none left.
pub(crate) fn delete_some(connection: &Connection, no: i64) -> Result<bool, Trouble> {
    let last = last_id(connection)?;
    let mut statement = connection.prepare_cached(
        "SELECT sequence, octet_length(data) + coalesce(octet_length(raw), 0) FROM event
         WHERE session_no = ?1 ORDER BY sequence LIMIT 4096",
    )?;
    let mut rows = statement.query([no])?;
    let (mut up_to, mut bytes) = (None, 0);
    while bytes < 4 << 20
        && let Some(row) = rows.next()?
    {
        up_to = Some(row.get::<_, i64>(0)?);
        bytes += row.get::<_, i64>(1)?;
    }
    drop(rows);
    let Some(up_to) = up_to else { return Ok(false) };
    connection.execute("DELETE FROM event WHERE session_no = ?1 AND sequence <= ?2", params![no, up_to])?;
    if last_id(connection)? < last {
        keep_mark(connection, last)?;
    }
    Ok(true)
}
