//! A client's link: the sessions that it speaks with, and all that it is to hear of them, told from the store from any place on.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use acp::{Asking, Voice};
use engine::keeper::New;
use engine::{Failure, verbs};
use hyper::body::Bytes;
use schema::event::Body as Said;
use serde_json::Value;
use store::{Select, Session, Store};
use tokio::sync::{mpsc, watch};

use super::calls::choices;
use super::place::Place;
use super::warm::Warm;
use crate::hub::Hub;
use crate::listen::Server;

/// What is read of one session at once.
const PAGE: usize = 256;
/// What is written at once: bytes.
const CHUNK: usize = 64 << 10;

/// One client.
pub(crate) struct Link {
    pub(crate) hub: Arc<Hub>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) version: &'static str,
    /// The client's name for it; prompts and sessions carry it.
    pub(crate) id: String,
    /// The agent of new sessions, and how they are made.
    pub(crate) new: New,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    /// Whether it is to be found again, by its sessions' label, when this server is gone.
    pub(crate) lasts: bool,
    /// Whose directories' servers and skills its sessions are given.
    pub(crate) server: Weak<Server>,
    pub(crate) warm: Arc<Warm>,
    state: Mutex<State>,
    /// Rings when something is to be told.
    bell: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    forms: bool,
    members: Vec<Member>,
    /// What was said beside the events.
    said: Vec<Arc<str>>,
    streams: Vec<Stream>,
}

/// A session that the client speaks with.
#[derive(Clone)]
struct Member {
    session: Arc<Session>,
    /// What came before this is told by nobody here: the client has it from elsewhere.
    after: i64,
}

/// Somebody who listens.
#[derive(Clone)]
struct Stream {
    to: mpsc::Sender<Bytes>,
    write: Write,
    /// The cursor up to which all was given.
    told: watch::Receiver<i64>,
}

/// How a message is written: with its place, where it has one.
type Write = fn(Option<Place>, &str) -> String;

/// How a stream is written.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) write: Write,
    /// What is said where nothing else is, so that nobody on the way takes it for dead.
    pub(crate) beat: Option<&'static str>,
}

/// After this much silence.
const BEAT: Duration = Duration::from_secs(15);

impl Link {
    pub(crate) fn new(
        hub: &Arc<Hub>,
        env: &[(OsString, OsString)],
        version: &'static str,
        id: &str,
        new: New,
        warm: &Arc<Warm>,
        server: Option<Weak<Server>>,
    ) -> Arc<Link> {
        Arc::new(Link {
            hub: Arc::clone(hub),
            env: env.to_vec(),
            version,
            id: id.to_owned(),
            new,
            created: host::clock::now_ms(),
            lasts: server.is_some(),
            server: server.unwrap_or_default(),
            warm: Arc::clone(warm),
            state: Mutex::default(),
            bell: watch::Sender::new(0),
            closed: watch::Sender::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with it has left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn offers_forms(&self, forms: bool) {
        self.state().forms = forms;
    }

    pub(crate) fn forms(&self) -> bool {
        self.state().forms
    }

    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.state().members.iter().map(|member| Arc::clone(&member.session)).collect()
    }

    pub(crate) fn has(&self, session: &Session) -> bool {
        self.state().members.iter().any(|member| member.session.no == session.no)
    }

    /// One of its sessions by its name, as it was when it came.
    pub(crate) fn known(&self, session_id: &str) -> Option<Arc<Session>> {
        let state = self.state();
        let member = state.members.iter().find(|member| member.session.session_id == session_id);
        member.map(|member| Arc::clone(&member.session))
    }

    /// Tells a session's events from a cursor on.
    pub(crate) fn attach(self: &Arc<Link>, session: &Session, after: i64) {
        if self.has(session) {
            return;
        }
        self.state().members.push(Member { session: Arc::new(session.clone()), after });
        let mut news = self.hub.follow(session);
        let link = Arc::downgrade(self);
        let mut closed = self.closed.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = news.changed() => if changed.is_err() { return },
                    _ = closed.wait_for(|closed| *closed) => return,
                }
                let Some(link) = link.upgrade() else { return };
                link.ring();
            }
        });
        // Of one that has said nothing yet there is nothing to tell.
        if session.last_sequence > 0 {
            self.ring();
        }
    }

    fn ring(&self) {
        self.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }

    /// Says something beside the events.
    pub(crate) fn say(&self, message: &Value) {
        self.state().said.push(message.to_string().into());
        self.ring();
    }

    /// Says something to whoever listens now, and waits for them: it has no place, and is not said again.
    pub(crate) async fn say_now(&self, messages: &[Value]) {
        let streams = self.state().streams.clone();
        for stream in streams {
            let text: String = messages.iter().map(|message| (stream.write)(None, &message.to_string())).collect();
            // Who has left needs nothing.
            let _ = stream.to.send(text.into()).await;
        }
    }

    /// Resolves when the link is closed.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + use<> {
        let mut closed = self.closed.subscribe();
        async move {
            // It lives as long as the link: an end of that is one too.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until whoever listens was given everything up to a cursor; not for those who do not read.
    pub(crate) async fn told(&self, cursor: i64) {
        let streams = self.state().streams.clone();
        for mut stream in streams {
            let told = stream.told.wait_for(|told| *told >= cursor);
            let _ = tokio::time::timeout(Duration::from_secs(2), told).await;
        }
    }

    /// Everything from a place on, and what follows, until the link is closed.
    pub(crate) fn listen(self: &Arc<Link>, from: Place, manner: Manner) -> mpsc::Receiver<Bytes> {
        // Two pieces are on their way at most: a client that does not read costs no more than that.
        let (to, receiver) = mpsc::channel(1);
        let (told, heard) = watch::channel(0);
        self.state().streams.retain(|stream| !stream.to.is_closed());
        self.state().streams.push(Stream { to: to.clone(), write: manner.write, told: heard });
        // Those of another life are not these.
        let from = Place { said: from.said.min(self.state().said.len()), ..from };
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let mut telling = Telling { from, place: from, voices: HashMap::new(), manner, told };
            if let Err(failure) = telling.run(&link, &to).await {
                log::warn!("a stream of {} ended: {}", link.id, failure.message);
            }
            link.state().streams.retain(|stream| !stream.to.same_channel(&to));
        });
        receiver
    }
}

/// What one listener is told.
struct Telling {
    /// Where it began.
    from: Place,
    place: Place,
    voices: HashMap<i64, Speaking>,
    manner: Manner,
    told: watch::Sender<i64>,
}

/// A session within it.
struct Speaking {
    session: Arc<Session>,
    voice: Voice,
    /// The sequence up to which it was read.
    at: i64,
}

/// An event that was read.
struct Read {
    cursor: i64,
    no: i64,
    kind: String,
    data: String,
}

impl Telling {
    /// Until the link is closed or the listener has left.
    async fn run(&mut self, link: &Arc<Link>, to: &mpsc::Sender<Bytes>) -> Result<(), Failure> {
        let mut bell = link.bell.subscribe();
        let mut is_closed = link.closed.subscribe();
        loop {
            bell.mark_unchanged();
            // What was said when the events were read is told before them: who answers saw no more.
            let closing = *is_closed.borrow();
            while let Some(text) = self.next(link).await? {
                // Told is what was taken out again, and so written.
                if !text.is_empty() && (to.send(text.into()).await.is_err() || to.reserve().await.is_err()) {
                    return Ok(());
                }
                self.told.send_replace(self.place.after());
            }
            self.told.send_replace(self.place.after());
            if closing {
                return Ok(());
            }
            tokio::select! {
                _ = bell.changed() => {}
                _ = is_closed.changed() => {}
                () = to.closed() => return Ok(()),
                () = tokio::time::sleep(BEAT) => {
                    if let Some(beat) = self.manner.beat
                        && to.send(beat.into()).await.is_err()
                    {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The next piece; nothing where all was told.
    async fn next(&mut self, link: &Arc<Link>) -> Result<Option<String>, Failure> {
        let (fresh, said, forms) = {
            let state = link.state();
            let fresh = state.members.iter().filter(|member| !self.voices.contains_key(&member.session.no));
            let said = state.said.get(self.place.said..).unwrap_or_default().to_vec();
            (fresh.cloned().collect::<Vec<_>>(), said, state.forms)
        };
        let mut text = String::new();
        for message in said {
            self.place.said += 1;
            text.push_str(&(self.manner.write)(Some(self.place), &message));
        }
        for Member { session, after } in fresh {
            let (no, id, after) = (session.no, link.id.clone(), self.from.after().max(after));
            let speaking = if after == 0 {
                let voice = Voice::new(&session.session_id, &id);
                Speaking { session, voice, at: 0 }
            } else {
                link.hub.read(move |store| restore(store, session, &id, after)).await?
            };
            self.voices.insert(no, speaking);
        }
        let places: Vec<(Arc<Session>, i64)> =
            self.voices.values().map(|speaking| (Arc::clone(&speaking.session), speaking.at)).collect();
        if places.is_empty() {
            return Ok((!text.is_empty()).then_some(text));
        }
        let (events, ends, open, up_to) = link.hub.read(move |store| page(store, &places)).await?;
        for (no, at) in ends {
            if let Some(speaking) = self.voices.get_mut(&no) {
                speaking.at = at;
            }
        }
        let count = events.len();
        for event in events {
            let Some(speaking) = self.voices.get_mut(&event.no) else { continue };
            // (A body is nothing to wait with.)
            let (mut messages, changed) = {
                let Ok(body) = Said::read(&event.kind, &event.data) else { continue };
                let is_open =
                    |id: &str| open.iter().any(|(no, open)| *no == event.no && open.iter().any(|one| one == id));
                if let Said::QuestionRequested(question) = &body
                    && is_open(&question.question_id)
                    && !acp::can_ask(question, forms)
                {
                    link.refuse(speaking.session.session_id.clone(), question.question_id.clone());
                }
                (speaking.voice.say(&body, &Asking { forms, is_open: &is_open }), acp::changed(&body))
            };
            messages.extend(configured(link, event.no, changed).await?);
            let skip = if event.cursor == self.from.cursor { self.from.part } else { 0 };
            let last = messages.len();
            for (at, message) in messages.into_iter().enumerate().skip(skip) {
                let part = if at + 1 == last { 0 } else { at + 1 };
                let place = Place { cursor: event.cursor, part, ..self.place };
                // Of a session that came later: places only go on.
                let is_late = event.cursor < self.place.cursor;
                if !is_late {
                    self.place = place;
                }
                text.push_str(&(self.manner.write)((!is_late).then_some(place), &message.to_string()));
            }
        }
        self.place = Place { cursor: up_to.max(self.place.cursor), part: 0, ..self.place };
        Ok((count > 0 || !text.is_empty()).then_some(text))
    }
}

/// The options of a session of which some are other ones now.
async fn configured(link: &Arc<Link>, no: i64, changed: Vec<(&str, String)>) -> Result<Option<Value>, Failure> {
    if changed.is_empty() {
        return Ok(None);
    }
    let now = link.hub.read(move |store| {
        let session = store.session_by_no(no)?;
        Ok(session.map(|session| (choices(&session), session.session_id)))
    });
    let Some((mut choices, session_id)) = now.await? else { return Ok(None) };
    for (category, value) in changed {
        if let Some(choice) = choices.iter_mut().find(|choice| choice.category == category) {
            choice.current = Some(value);
        }
    }
    Ok(Some(acp::configured(&session_id, &choices)))
}

/// Events, how far each session was read, what is open in it, and the cursor up to which that is all.
type Page = (Vec<Read>, Vec<(i64, i64)>, Vec<(i64, Vec<String>)>, i64);

/// The next events of several sessions in the order of their commits.
fn page(store: &Store, places: &[(Arc<Session>, i64)]) -> Result<Page, Failure> {
    // What is committed later than this may be in one session's page and not in another's.
    let mut bound = store.last_cursor()?;
    let (mut events, mut read, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let numbers: Vec<i64> = places.iter().map(|(session, _)| session.no).collect();
    let ends: HashMap<i64, i64> = store.last_sequences(&numbers)?.into_iter().collect();
    for (session, at) in places {
        let no = session.no;
        if ends.get(&no).is_none_or(|end| end <= at) {
            continue;
        }
        let (mut size, mut last, mut asks) = (0, 0, false);
        let select = Select { after: *at, limit: PAGE, ..Select::default() };
        let count = store.read(session, &select, &mut |event| {
            last = event.cursor;
            asks |= event.kind.ends_with(".requested");
            // A page of large events is a short one.
            if size <= CHUNK {
                size += event.data.len();
                let (kind, data) = (event.kind.to_owned(), event.data.to_owned());
                events.push((event.sequence, Read { cursor: event.cursor, no, kind, data }));
                bound = if size > CHUNK { bound.min(event.cursor) } else { bound };
            }
        })?;
        if count == PAGE {
            bound = bound.min(last);
        }
        // Asked after the events were read: what is open now was not resolved by any of them.
        let now = if asks { store.session_by_no(no)? } else { None };
        open.push((no, now.map(|now| verbs::pending(&now)).unwrap_or_default()));
    }
    events.retain(|(_, event)| event.cursor <= bound);
    for (session, at) in places {
        let own = events.iter().filter(|(_, event)| event.no == session.no);
        read.push((session.no, own.map(|(sequence, _)| *sequence).max().unwrap_or(*at)));
    }
    events.sort_by_key(|(_, event)| event.cursor);
    Ok((events.into_iter().map(|(_, event)| event).collect(), read, open, bound))
}

/// A voice that has said everything up to a cursor: what was open then is open in it.
fn restore(store: &Store, session: Arc<Session>, link: &str, cursor: i64) -> Result<Speaking, Failure> {
    let at = sequence_at(store, &session, cursor)?;
    let mut voice = Voice::new(&session.session_id, link);
    // Items that were open at this place, by the sequence of their beginning.
    let mut open: HashMap<String, i64> = HashMap::new();
    let types = &["item.started", "item.completed"];
    let all = Select { up_to: Some(at), limit: usize::MAX, ..Select::default() };
    store.read(&session, &Select { types, ..all }, &mut |event| match Said::read(event.kind, event.data) {
        Ok(Said::ItemStarted(said)) => drop(open.insert(said.item.item_id.clone(), event.sequence)),
        Ok(Said::ItemCompleted(said)) => drop(open.remove(&said.item.item_id)),
        Ok(_) | Err(_) => {}
    })?;
    if let Some(first) = open.values().min() {
        store.read(&session, &Select { after: first - 1, ..all }, &mut |event| {
            if let Ok(body) = Said::read(event.kind, event.data) {
                voice.recall(&body);
            }
        })?;
    }
    Ok(Speaking { session, voice, at })
}

/// The sequence of a session's last event up to a cursor.
fn sequence_at(store: &Store, session: &Session, cursor: i64) -> Result<i64, Failure> {
    let Some(now) = store.session_by_no(session.no)? else { return Ok(0) };
    // (Cursors grow with sequences; neither can be asked for by the other.)
    let (mut low, mut high) = (0, now.last_sequence);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut found = None;
        let select = Select { after: middle, limit: 1, ..Select::default() };
        store.read(&now, &select, &mut |event| found = Some((event.sequence, event.cursor)))?;
        match found {
            Some((sequence, at)) if at <= cursor => low = sequence,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Everything of a session so far, as its history, piece by piece; and the cursor where it ends.
pub(crate) async fn history(link: &Arc<Link>, session: &Session) -> Result<i64, Failure> {
    let mut voice = Voice::new(&session.session_id, "");
    let (mut at, mut cursor) = (0, 0);
    loop {
        let (of, after) = (session.clone(), at);
        let page = link.hub.read(move |store| {
            let mut bodies = Vec::new();
            let select = Select { after, limit: PAGE, ..Select::default() };
            store.read(&of, &select, &mut |event| {
                bodies.push((event.sequence, event.cursor, event.kind.to_owned(), event.data.to_owned()));
            })?;
            Ok(bodies)
        });
        let page = page.await?;
        let is_last = page.len() < PAGE;
        let mut messages = Vec::new();
        for (sequence, of, kind, data) in page {
            (at, cursor) = (sequence, of);
            messages.extend(Said::read(&kind, &data).iter().flat_map(|body| voice.recall(body)));
        }
        if !messages.is_empty() {
            link.say_now(&messages).await;
        }
        if is_last {
            return Ok(cursor);
        }
    }
}

/// The requests that a session has open, as a client that comes now is to be asked them.
pub(crate) fn open_requests(store: &Store, session: &Session, forms: bool) -> Result<Vec<Value>, Failure> {
    let Some(now) = store.session_by_no(session.no)? else { return Ok(Vec::new()) };
    let open = verbs::pending(&now);
    let mut messages = Vec::new();
    if open.is_empty() {
        return Ok(messages);
    }
    let mut voice = Voice::new(&session.session_id, "");
    let is_open = |id: &str| open.iter().any(|one| one == id);
    let types = &["permission.requested", "question.requested"];
    store.read(&now, &Select { types, limit: usize::MAX, ..Select::default() }, &mut |event| {
        if let Ok(body) = Said::read(event.kind, event.data) {
            let said = voice.say(&body, &Asking { forms, is_open: &is_open });
            messages.extend(said.into_iter().filter(|message| !message["id"].is_null()));
        }
    })?;
    Ok(messages)
}
