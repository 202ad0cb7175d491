//! Following a session, or all of them: a page, the bell, a page; until idle, a turn's end, the session's end, or never.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::bell::{Wake, Watch};
use schema::event::Body;
use schema::line::{Envelope, LineWriter};
use schema::record::SessionStatus;
use store::{Access, Select, Session, Store, Stored};

use crate::error::Error;
use crate::journal::Lines;
use crate::owner::{is_owned, mend};
use crate::places::Places;

/// When to stop following.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At the end of what is stored.
    Stored,
    /// When the session is idle, asking or ended.
    Idle,
    /// When the running turn, or else the next one, has ended.
    Turn,
    /// When the session was closed for good.
    Ended,
    /// Never.
    Never,
}

/// Which events, and how many.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these types; empty is all.
    pub types: Vec<String>,
    /// From this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// Whether the agent's payloads are wanted.
    pub raw: bool,
    /// No more than this.
    pub limit: Option<usize>,
}

/// What to follow.
#[derive(Debug, Clone)]
pub struct Request {
    /// The store.
    pub store: PathBuf,
    /// Which session; `None`: all of them, by cursor.
    pub session_id: Option<String>,
    /// Only what comes after this sequence, or cursor.
    pub after: i64,
    /// When to stop.
    pub until: Until,
    /// Which events.
    pub filter: Filter,
}

/// Why following stopped, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Everything up to here was read, filtered events included.
    pub position: i64,
    /// The session as it was then.
    pub session: Option<Session>,
    /// Nobody reads any more.
    pub reader_gone: bool,
}

/// What is given out at once.
#[derive(Debug)]
pub struct Chunk {
    /// The lines; none when all were filtered.
    pub lines: Lines,
    /// Everything up to here has been read, filtered events included.
    pub position: i64,
}

/// Large enough that the cost of a page does not count, small enough that memory does not.
const PAGE: usize = 4096;
/// A page is given out when it has grown to this, whatever its number of events.
const CHUNK: usize = 256 << 10;
/// Watches are silent on some file systems: every sleep ends with a look.
const LOOK: Duration = Duration::from_secs(1);

/// Gives out events in order until the request says stop, or `show` returns `false` because its reader has left.
///
/// # Errors
/// [`Error::NoSession`] when the session does not exist or was deleted while it was followed.
pub fn follow(
    request: &Request,
    stdout: Option<BorrowedFd<'_>>,
    show: &mut dyn FnMut(Chunk) -> bool,
) -> Result<End, Error> {
    match &request.session_id {
        Some(name) => follow_one(request, name, stdout, show),
        None => follow_all(request, stdout, show),
    }
}

fn follow_one(
    request: &Request,
    name: &str,
    stdout: Option<BorrowedFd<'_>>,
    show: &mut dyn FnMut(Chunk) -> bool,
) -> Result<End, Error> {
    let store = open(&request.store, name)?;
    let gone = || Error::NoSession(name.to_owned());
    let mut session = mend(&request.store, store.session(name)?.ok_or_else(gone)?)?;
    let no = session.no;
    let mut watch =
        (request.until != Until::Stored).then(|| Watch::new(&[Places::beside(&request.store).bell(&session.uid)]));
    if watch.as_ref().is_some_and(Watch::polls) {
        log::info!("no watch can be had here; looking every 20 ms instead");
    }
    let mut reader = Reader::new(&request.filter, request.after);
    loop {
        // The row first: what it counts is in the pages that follow.
        session = store.session_by_no(no)?.ok_or_else(gone)?;
        let stop_at = match request.until {
            Until::Turn => first_end(&store, &session, request.after)?,
            Until::Stored | Until::Idle | Until::Ended | Until::Never => None,
        };
        let up_to = stop_at.unwrap_or(session.last_sequence);
        if !reader.read_to(&store, &session, up_to, show)? {
            return Ok(End { position: reader.position, session: Some(session), reader_gone: true });
        }
        let status = SessionStatus::parse(&session.status);
        let done = reader.is_full()
            || match request.until {
                Until::Stored => true,
                Until::Turn => stop_at.is_some(),
                Until::Idle => match status {
                    Some(SessionStatus::Asking | SessionStatus::Ended) => true,
                    Some(SessionStatus::Idle) => !waits(&request.store, &store, &session)?,
                    Some(SessionStatus::Starting | SessionStatus::Running | SessionStatus::Lost) | None => false,
                },
                Until::Ended => status == Some(SessionStatus::Ended),
                Until::Never => false,
            };
        if done {
            return Ok(End { position: reader.position, session: Some(session), reader_gone: false });
        }
        let Some(watch) = &mut watch else { continue };
        match watch.wait(stdout, LOOK) {
            Wake::ReaderGone => {
                return Ok(End { position: reader.position, session: Some(session), reader_gone: true });
            }
            Wake::Rung => {}
            // An owner may have died: then its end is written here and now.
            Wake::Closed | Wake::Timeout => {
                mend(&request.store, store.session_by_no(no)?.ok_or_else(gone)?)?;
            }
        }
    }
}

fn follow_all(
    request: &Request,
    stdout: Option<BorrowedFd<'_>>,
    show: &mut dyn FnMut(Chunk) -> bool,
) -> Result<End, Error> {
    let mut watch = (request.until != Until::Stored).then(|| Watch::new(&[Places::beside(&request.store).all_bell()]));
    let mut reader = Reader::new(&request.filter, request.after);
    loop {
        if let Some(store) = open_if_there(&request.store)? {
            let last = store.last_cursor()?;
            if !reader.read_all_to(&store, last, show)? {
                return Ok(End { position: reader.position, session: None, reader_gone: true });
            }
        }
        let Some(watch) = &mut watch else {
            return Ok(End { position: reader.position, session: None, reader_gone: false });
        };
        if reader.is_full() {
            return Ok(End { position: reader.position, session: None, reader_gone: false });
        }
        if watch.wait(stdout, LOOK) == Wake::ReaderGone {
            return Ok(End { position: reader.position, session: None, reader_gone: true });
        }
    }
}

/// The first end of a turn after a sequence.
fn first_end(store: &Store, session: &Session, after: i64) -> Result<Option<i64>, Error> {
    let select = Select {
        after,
        up_to: None,
        types: &["turn.ended"],
        since: None,
        until: None,
        reverse: false,
        limit: 1,
        raw: false,
    };
    let mut found = None;
    store.read(session, &select, &mut |event| found = Some(event.sequence))?;
    Ok(found)
}

fn open(path: &Path, name: &str) -> Result<Store, Error> {
    open_if_there(path)?.ok_or_else(|| Error::NoSession(name.to_owned()))
}

/// Opens a store to read; a missing one has no sessions.
pub fn open_if_there(path: &Path) -> Result<Option<Store>, Error> {
    match Store::open(path, Access::Read) {
        Ok(store) => Ok(Some(store)),
        Err(store::Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether prompts wait for an idle session. Where nobody is there to give them to the agent, somebody is started.
fn waits(path: &Path, store: &Store, session: &Session) -> Result<bool, Error> {
    if store.prompts_posted(session.no)? == 0 {
        return Ok(false);
    }
    // An owner that leaves hands what waits to the next one. Both may have died in between.
    let now = store.session_by_no(session.no)?;
    if now.is_some_and(|now| now.owner.is_none())
        && !is_owned(path, session)?
        && let Err(failure) = crate::keeper::start(path, session, &host::env::all(), false)
    {
        log::warn!("nobody takes what waits for session {}: {}", session.session_id, failure.message);
    }
    Ok(true)
}

/// What a session is doing, seen from outside: a dead owner's session is `lost`, one whose prompts wait is `starting`.
pub fn status_of(store: &Store, session: &Session) -> Result<SessionStatus, Error> {
    let path = store.path();
    let written = SessionStatus::parse(&session.status).unwrap_or(SessionStatus::Idle);
    Ok(match written {
        SessionStatus::Starting | SessionStatus::Running | SessionStatus::Asking if !is_owned(path, session)? => {
            SessionStatus::Lost
        }
        SessionStatus::Idle if store.prompts_posted(session.no)? > 0 => SessionStatus::Starting,
        SessionStatus::Starting
        | SessionStatus::Running
        | SessionStatus::Asking
        | SessionStatus::Idle
        | SessionStatus::Ended
        | SessionStatus::Lost => written,
    })
}

/// Reads pages of events as lines, from a position on.
#[derive(Debug)]
pub struct Reader<'a> {
    filter: &'a Filter,
    types: Vec<&'a str>,
    writer: LineWriter,
    given: usize,
    /// Everything up to here has been read, filtered events included.
    pub position: i64,
}

impl<'a> Reader<'a> {
    /// A reader that begins after a position.
    pub fn new(filter: &'a Filter, after: i64) -> Reader<'a> {
        let types = filter.types.iter().map(String::as_str).collect();
        Reader { filter, types, writer: LineWriter::default(), given: 0, position: after }
    }

    /// Whether the limit is reached.
    pub fn is_full(&self) -> bool {
        self.filter.limit.is_some_and(|limit| self.given >= limit)
    }

    /// Gives out everything of one session up to a sequence. `false`: the reader has left.
    pub fn read_to(
        &mut self,
        store: &Store,
        session: &Session,
        up_to: i64,
        show: &mut dyn FnMut(Chunk) -> bool,
    ) -> Result<bool, Error> {
        self.pages(up_to, show, false, &mut |select, visit| store.read(session, select, visit))
    }

    /// Gives out everything of all sessions up to a cursor. `false`: the reader has left.
    pub fn read_all_to(
        &mut self,
        store: &Store,
        up_to: i64,
        show: &mut dyn FnMut(Chunk) -> bool,
    ) -> Result<bool, Error> {
        self.pages(up_to, show, true, &mut |select, visit| store.read_all(select, visit))
    }

    fn pages(
        &mut self,
        up_to: i64,
        show: &mut dyn FnMut(Chunk) -> bool,
        all: bool,
        read: &mut ReadPage<'_>,
    ) -> Result<bool, Error> {
        // Pages begin small where events are large: a page is in memory as a whole.
        let mut page = 64;
        while self.position < up_to && !self.is_full() {
            let limit = self.filter.limit.map_or(page, |limit| page.min(limit - self.given));
            let select = Select {
                after: self.position,
                up_to: Some(up_to),
                types: &self.types,
                since: self.filter.since,
                until: self.filter.until,
                reverse: false,
                limit,
                raw: self.filter.raw,
            };
            let mut lines = Lines::default();
            let writer = &mut self.writer;
            let count = read(&select, &mut |event| push(&mut lines, writer, &event, all))?;
            self.given += count;
            // A page that is not full has seen everything that there is.
            self.position = if count < limit { up_to } else { lines.last };
            page = match lines.bytes.len() {
                small if small < CHUNK / 2 => (page * 2).min(PAGE),
                large if large > CHUNK => (page / 2).max(1),
                _ => page,
            };
            if !show(Chunk { lines, position: self.position }) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

type ReadPage<'a> = dyn FnMut(&Select<'_>, &mut dyn FnMut(Stored<'_>)) -> Result<usize, store::Error> + 'a;

/// Appends a stored event as a line.
pub fn push(lines: &mut Lines, writer: &mut LineWriter, event: &Stored<'_>, all: bool) {
    let number = if all { event.cursor } else { event.sequence };
    if lines.marks.is_empty() {
        lines.first = number;
    }
    lines.last = number;
    writer.write(
        &mut lines.bytes,
        &Envelope {
            epoch: event.epoch,
            sequence: event.sequence,
            time: event.time,
            session_id: event.session_id,
            native_session_id: event.native,
            synthetic: event.synthetic,
            kind: event.kind,
            data: event.data,
            raw: event.raw,
            cursor: all.then_some(event.cursor),
        },
    );
    let kind = schema::event::TYPES.iter().copied().find(|kind| *kind == event.kind).unwrap_or("");
    let end = u32::try_from(lines.bytes.len()).expect("a page stays far below 4 GiB");
    lines.marks.push((end, kind));
}

/// Waits until a session of this name exists, at most this long. `false`: it does not.
pub fn await_session(path: &Path, name: &str, patience: Duration) -> Result<bool, Error> {
    let until = Instant::now() + patience;
    let mut watch = Watch::new(&[Places::beside(path).all_bell()]);
    loop {
        if let Some(store) = open_if_there(path)?
            && store.session(name)?.is_some()
        {
            return Ok(true);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // The directory of bells may not exist yet, and then nothing rings.
        watch.wait(None, left.min(Duration::from_millis(100)));
    }
}

/// The event that tells what became of a permission or a question.
pub fn resolution(store: &Store, session: &Session, request_id: &str) -> Result<Option<i64>, Error> {
    let types = &["permission.resolved", "question.resolved"];
    let mut found = None;
    let select = Select { types, limit: usize::MAX, ..Select::default() };
    store.read(session, &select, &mut |event| {
        let id = match Body::read(event.kind, event.data) {
            Ok(Body::PermissionResolved(resolved)) => resolved.permission_id,
            Ok(Body::QuestionResolved(resolved)) => resolved.question_id,
            Ok(_) | Err(_) => return,
        };
        if id == request_id {
            found = Some(event.sequence);
        }
    })?;
    Ok(found)
}

/// The assistant's last text: of the last turn that ended.
pub fn final_text(store: &Store, session: &Session) -> Result<Option<String>, Error> {
    let Some((sequence, data)) = crate::owner::last_of(store, session, &["turn.ended"])? else { return Ok(None) };
    match serde_json::from_str::<schema::event::TurnEnded>(&data) {
        Ok(turn) => Ok(turn.final_text),
        Err(source) => Err(Error::Event { session: session.session_id.clone(), sequence, source }),
    }
}
