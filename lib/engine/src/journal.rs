//! The journal: stamps what happened, serialises it once, commits it, rings, and hands the lines on.

use std::path::Path;

use host::bell::Bell;
use host::clock;
use schema::control::Reply;
use std::borrow::Cow;
use std::time::Instant;

use schema::event::{Body, ItemDelta};
use schema::line::{Envelope, LineWriter};
use schema::record::SessionStatus;
use schema::state::State;
use store::{Batch, Cache, RequestState, Row, Session, Settled, Store, Sync};

use crate::error::Error;
use crate::mask::Mask;
use crate::owner::{CLOSING, IDLE};

/// Committed lines on their way to a screen: a run of events of one session, as bytes.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// The sequence of the first.
    pub first: i64,
    /// The sequence of the last.
    pub last: i64,
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// For each line: where it ends in `bytes`, and its type.
    pub marks: Vec<(u32, &'static str)>,
}

impl Lines {
    /// Takes off the end what an agent says of itself: items, and what was not understood. What asks, ends or complains stays, and all
    /// before it.
    pub(crate) fn without_asides(&mut self) {
        let aside = |kind: &str| kind.starts_with("item.") || kind == "agent.unparsed";
        let kept = self.marks.iter().rposition(|(_, kind)| !aside(kind)).map_or(0, |at| at + 1);
        self.last -= i64::try_from(self.marks.len() - kept).expect("a batch fits in memory");
        self.marks.truncate(kept);
        self.bytes
            .truncate(self.marks.last().map_or(0, |(end, _)| usize::try_from(*end).expect("an offset in memory")));
    }
}

/// The only writer of one session.
pub(crate) struct Journal {
    store: Store,
    session: Session,
    /// Whether the agent's payloads are stored.
    raw: bool,
    /// What must not be stored.
    mask: Option<Mask>,
    state: State,
    settings: Option<String>,
    /// What we are in the row from the next commit on.
    owner: Option<String>,
    new_native: Option<String>,
    lines: LineWriter,
    epoch: String,
    bells: [Bell; 2],
    waiting: Vec<Waiting>,
    /// Requests that the next commit settles.
    settled: Vec<(i64, RequestState, String)>,
    /// The data and raw of what waits, one after the other.
    arena: Vec<u8>,
}

struct Waiting {
    time: i64,
    kind: &'static str,
    synthetic: bool,
    data: usize,
    raw: usize,
    end: usize,
}

impl Journal {
    /// A journal for a session whose lock this process holds. `state` is the fold of its events so far.
    pub(crate) fn new(
        store: Store,
        session: Session,
        state: State,
        bells: [Bell; 2],
        raw: bool,
    ) -> Result<Journal, Error> {
        let epoch = store.epochs(session.no)?.pop().map_or_else(|| session.uid.clone(), |(_, uid)| uid);
        Ok(Journal {
            store,
            epoch,
            session,
            raw,
            mask: None,
            state,
            settings: None,
            owner: None,
            new_native: None,
            lines: LineWriter::default(),
            bells,
            waiting: Vec::new(),
            settled: Vec::new(),
            arena: Vec::new(),
        })
    }

    /// The sequence that the next event gets.
    pub(crate) fn next(&self) -> i64 {
        self.session.last_sequence + i64::try_from(self.waiting.len()).expect("a batch fits in memory") + 1
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Where the store is.
    pub(crate) fn store_path(&self) -> &Path {
        self.store.path()
    }

    /// Whether nothing but pieces of growing items waits for the commit.
    pub(crate) fn holds_deltas_only(&self) -> bool {
        self.settled.is_empty() && self.waiting.iter().all(|event| event.kind == "item.delta")
    }

    /// How many events wait to be committed.
    pub(crate) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len()).expect("a batch fits in memory")
    }

    /// How many bytes wait to be committed.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.arena.len()
    }

    /// The agent's own id, from the next event on.
    pub(crate) fn set_native(&mut self, native: String) {
        if self.session.native_session_id.as_deref() != Some(&native) {
            self.new_native = Some(native);
        }
    }

    /// What the session keeps for its next run, written with the next commit.
    pub(crate) fn set_settings(&mut self, settings: String) {
        self.settings = Some(settings);
    }

    /// Masks these values in everything that is stored from now on.
    pub(crate) fn set_mask(&mut self, secrets: &[String]) {
        self.mask = Mask::new(secrets);
    }

    /// The text as it would be stored.
    pub(crate) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.mask.as_ref().map_or(Cow::Borrowed(text), |mask| mask.text(text))
    }

    /// When text that was held back has to be stored.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.mask.as_ref().and_then(Mask::wake)
    }

    /// Stores text that was held back long enough.
    pub(crate) fn release(&mut self, now: Instant) {
        for delta in self.mask.as_mut().map_or_else(Vec::new, |mask| mask.release(now)) {
            self.write(&Body::ItemDelta(delta), false, None);
        }
    }

    /// Numbers and serialises an event; it is stored by the next [`Journal::commit`].
    pub(crate) fn push(&mut self, body: &Body, synthetic: bool, raw: Option<&str>) {
        let Some(mask) = &mut self.mask else { return self.write(body, synthetic, raw) };
        if let Body::ItemDelta(delta) = body {
            if mask.passes(delta) {
                return self.write_data(body, synthetic, raw, false);
            }
            let Some(said) = mask.delta(delta.clone(), Instant::now()) else { return };
            let raw = raw.and_then(|raw| payload_of(raw, delta, &said));
            return self.write(&Body::ItemDelta(said), synthetic, raw.as_deref());
        }
        if let Body::ItemCompleted(event) = body
            && let Some(held) = mask.end(&event.item.item_id)
        {
            self.write(&Body::ItemDelta(held), false, None);
        }
        self.write(body, synthetic, raw);
    }

    fn write(&mut self, body: &Body, synthetic: bool, raw: Option<&str>) {
        self.write_data(body, synthetic, raw, true);
    }

    /// `masking`: there may be a secret in its data.
    fn write_data(&mut self, body: &Body, synthetic: bool, raw: Option<&str>, masking: bool) {
        self.state.apply(body);
        let kind = body.kind();
        let data = self.arena.len();
        body.write_data(&mut self.arena);
        if let Some(mask) = self.mask.as_ref().filter(|_| masking) {
            let said = std::str::from_utf8(&self.arena[data..]).expect("JSON that we wrote is UTF-8");
            if let Cow::Owned(masked) = mask.json(said) {
                self.arena.truncate(data);
                self.arena.extend_from_slice(masked.as_bytes());
                self.state.title = self.state.title.as_deref().map(|title| mask.text(title).into_owned());
            }
        }
        let at = self.arena.len();
        if let Some(raw) = raw
            && (self.raw || kind == "agent.unparsed")
        {
            let raw = self.mask.as_ref().map_or(Cow::Borrowed(raw), |mask| mask.json(raw));
            self.arena.extend_from_slice(raw.as_bytes());
        }
        self.waiting.push(Waiting { time: clock::now_ms(), kind, synthetic, data, raw: at, end: self.arena.len() });
    }

    /// Settles a request with the events that wait, in the transaction of the next [`Journal::commit`].
    pub(crate) fn settle(&mut self, request: i64, state: RequestState, reply: &Reply) {
        let reply = serde_json::to_string(reply).expect("a reply is JSON");
        self.settled.push((request, state, reply));
    }

    /// Commits what waits in one transaction, rings, and gives the lines; `None` where no event waited.
    pub(crate) fn commit(&mut self) -> Result<Option<Lines>, Error> {
        if self.waiting.is_empty() && self.settled.is_empty() && self.owner.is_none() {
            return Ok(None);
        }
        let arena = std::str::from_utf8(&self.arena).expect("JSON that we wrote is UTF-8");
        let first = self.session.last_sequence + 1;
        let text = |from: usize, to: usize| &arena[from..to];
        let rows: Vec<Row<'_>> = (first..)
            .zip(&self.waiting)
            .map(|(sequence, event)| Row {
                sequence,
                time: event.time,
                kind: event.kind,
                synthetic: event.synthetic,
                data: text(event.data, event.raw),
                raw: (event.raw < event.end).then(|| text(event.raw, event.end)),
            })
            .collect();
        let last = first - 1 + i64::try_from(rows.len()).expect("a batch fits in memory");
        // A run of deltas changes no column but the counters, and a power cut may take it.
        let deltas = self.holds_deltas_only();
        let columns = Columns::of(&self.state);
        let cache = columns.cache(&self.state, self.settings.as_deref());
        let settled: Vec<Settled<'_>> =
            self.settled.iter().map(|(id, state, result)| Settled { id: *id, state: *state, result }).collect();
        let batch = Batch {
            events: &rows,
            cache: (!deltas || self.settings.is_some()).then_some(cache),
            native: self.new_native.as_deref(),
            now: clock::now_ms(),
            settled: &settled,
            owner: self.owner.as_deref(),
        };
        host::step::reached("append");
        self.store.append(self.session.no, &batch, if deltas { Sync::Deltas } else { Sync::Full })?;
        host::step::reached("appended");
        if let Some(native) = self.new_native.take() {
            self.session.native_session_id = Some(native);
        }
        self.settings = None;
        self.owner = None;
        self.settled.clear();
        self.session.last_sequence = last;
        self.ring();
        if rows.is_empty() {
            return Ok(None);
        }

        let mut lines = Lines {
            first,
            last,
            bytes: Vec::with_capacity(self.arena.len() + 256 * rows.len()),
            marks: Vec::with_capacity(rows.len()),
        };
        for row in &rows {
            self.lines.write(
                &mut lines.bytes,
                &Envelope {
                    epoch: &self.epoch,
                    sequence: row.sequence,
                    time: row.time,
                    session_id: &self.session.session_id,
                    native_session_id: self.session.native_session_id.as_deref(),
                    synthetic: row.synthetic,
                    kind: row.kind,
                    data: row.data,
                    raw: row.raw,
                    cursor: None,
                },
            );
            let end = u32::try_from(lines.bytes.len()).expect("a batch stays far below 4 GiB");
            lines.marks.push((end, self.waiting[lines.marks.len()].kind));
        }
        drop(rows);
        self.waiting.clear();
        self.arena.clear();
        // One huge event must not keep its memory for the rest of the session.
        self.arena.shrink_to(1 << 20);
        Ok(Some(lines))
    }

    /// Writes what the session is into its row, without an event.
    pub(crate) fn write_columns(&mut self) -> Result<(), Error> {
        let columns = Columns::of(&self.state);
        let cache = columns.cache(&self.state, self.settings.as_deref());
        let batch =
            Batch { events: &[], cache: Some(cache), native: None, now: clock::now_ms(), settled: &[], owner: None };
        self.store.append(self.session.no, &batch, Sync::Full)?;
        self.settings = None;
        self.ring();
        Ok(())
    }

    /// Whether the owner waits for work, written with the next commit: then somebody else's prompt is taken at once.
    pub(crate) fn set_idle(&mut self, idle: bool) {
        self.owner = Some(format!("{}{}", std::process::id(), if idle { IDLE } else { "" }));
    }

    /// Says in the row that the owner takes nothing any more, while it still has an agent to end. Returns how many prompts
    /// wait; with `unless_waiting` the owner stays when some do.
    pub(crate) fn close(&mut self, unless_waiting: bool) -> Result<i64, Error> {
        let owner = format!("{}{CLOSING}", std::process::id());
        let waiting = self.store.leave(self.session.no, Some(&owner), unless_waiting, clock::now_ms())?;
        self.ring();
        Ok(waiting)
    }

    /// Ends the owner's life in the row: nobody runs it now. Returns how many prompts wait.
    pub(crate) fn leave(&mut self) -> Result<i64, Error> {
        let waiting = self.store.leave(self.session.no, None, false, clock::now_ms())?;
        self.ring();
        Ok(waiting)
    }

    /// Wakes everybody who watches.
    pub(crate) fn ring(&self) {
        for bell in &self.bells {
            bell.ring();
        }
    }
}

/// The agent's payload of a delta of which something was held back: it must not hold the piece either.
fn payload_of<'a>(raw: &'a str, delta: &ItemDelta, said: &ItemDelta) -> Option<Cow<'a, str>> {
    if said.delta == delta.delta {
        return Some(Cow::Borrowed(raw));
    }
    let quoted = |text: &str| serde_json::to_string(text).expect("a string is JSON");
    let piece = quoted(&delta.delta);
    raw.contains(&piece).then(|| Cow::Owned(raw.replace(&piece, &quoted(&said.delta))))
}

/// The columns that are written as JSON.
struct Columns {
    pending: String,
    usage: Option<String>,
}

impl Columns {
    fn of(state: &State) -> Columns {
        Columns {
            pending: serde_json::to_string(&state.pending).expect("a list of strings is JSON"),
            usage: state.usage.map(|usage| serde_json::to_string(&usage).expect("numbers are JSON")),
        }
    }

    fn cache<'a>(&'a self, state: &'a State, settings: Option<&'a str>) -> Cache<'a> {
        Cache {
            status: state.status().as_str(),
            outcome: state.outcome.map(|outcome| outcome.as_str()),
            exit_code: state.exit_code.map(i64::from),
            pending: &self.pending,
            turns: state.turns,
            usage: self.usage.as_deref(),
            cost_usd: state.cost_usd,
            model: state.model.as_deref(),
            mode: state.mode.as_deref(),
            title: state.title.as_deref(),
            settings,
        }
    }
}

/// Whether a row says that somebody works on the session.
pub(crate) fn is_active(session: &Session) -> bool {
    match SessionStatus::parse(&session.status) {
        Some(SessionStatus::Starting | SessionStatus::Running | SessionStatus::Asking) => true,
        Some(SessionStatus::Idle | SessionStatus::Ended | SessionStatus::Lost) | None => false,
    }
}
