//! Events: pages by offset, long polls, and flows that follow the store.

use std::sync::Arc;
use std::time::Duration;

use engine::Failure;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use schema::event::Body as Said;
use schema::line::Line;
use schema::outcome::ErrorCode;
use store::{Select, Session};
use tokio::sync::mpsc::{self, Sender};

use crate::body::{Body, json_text};
use crate::hub::News;
use crate::listen::Server;
use crate::page::{Form, Page};
use crate::problem::Problem;
use crate::routes::{Answer, Asked};
use crate::sessions::find;

/// Events in one answer, unless fewer are asked for.
const MOST: usize = 10_000;
/// An answer is not continued above this: bytes.
const LARGE: usize = 8 << 20;
/// What a flow reads at once is about this large, whatever the number of events: bytes.
const CHUNK: usize = 64 << 10;
/// How many events a flow reads first.
const FIRST: usize = 16;
/// A flow without news says something after this, so that nobody on the way takes it for dead.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A page of events.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is written by hand: the events are the stored bytes")]
pub(crate) struct Events {
    events: Vec<crate::told::Event>,
    has_more: bool,
}

/// `GET /v1/sessions/{id}/events`: what comes after an offset, as a page.
pub(crate) async fn page(asked: Asked) -> Answer {
    let (server, query, name) = (&asked.server, &asked.query, asked.name(0));
    let after = query.value("offset")?.unwrap_or(0);
    let limit = query.value::<usize>("limit")?.unwrap_or(1000).clamp(1, MOST);
    let raw = query.flag("include_raw")?;
    let wait = match query.word("wait") {
        None => Duration::ZERO,
        Some(text) => schema::time::parse_duration(text)
            .ok_or_else(|| Problem::invalid(format!("failed to use wait={}: as in 30s", text.escape_debug())))?,
    };
    let session = find(server, name).await?;
    check_offset(&session, after)?;
    // Followed first, read then: what comes in between is in either.
    let mut news = server.hub.follow(&session);
    let mut page = collect(server, &session, after, limit, raw).await?;
    if page.count == 0 && !wait.is_zero() {
        let grown = news.wait_for(|now| now.session.as_ref().is_none_or(|now| now.last_sequence > after));
        tokio::select! {
            _ = grown => {}
            () = tokio::time::sleep(wait) => {}
            () = server.stopping() => {}
        }
        page = collect(server, &session, after, limit, raw).await?;
    }
    let last = find(server, name).await?.last_sequence;
    Ok(json_text(StatusCode::OK, format!("{{\"events\":[{}],\"hasMore\":{}}}", page.text, page.last < last)))
}

/// Events as the items of a list.
struct Items {
    text: String,
    count: usize,
    last: i64,
}

/// Up to so many events, or so much text, after a sequence.
async fn collect(
    server: &Arc<Server>,
    session: &Session,
    after: i64,
    limit: usize,
    raw: bool,
) -> Result<Items, Failure> {
    let mut items = Items { text: String::new(), count: 0, last: after };
    while items.count < limit && items.text.len() < LARGE {
        let want = (limit - items.count).min(256);
        let page = read(server, session, items.last, want, raw, Form::Lines).await?;
        for (_, line) in page.events() {
            if !items.text.is_empty() {
                items.text.push(',');
            }
            items.text.push_str(line.trim_end());
        }
        (items.count, items.last) = (items.count + page.len(), page.last);
        if !page.is_full {
            break;
        }
    }
    Ok(items)
}

/// `GET /v1/sessions/{id}/events/sse`: what comes after an offset or `Last-Event-ID`, and what follows, for ever.
pub(crate) async fn sse(asked: Asked) -> Answer {
    let (server, query, name) = (&asked.server, &asked.query, asked.name(0));
    let last =
        asked.headers.get("last-event-id").map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()));
    let after = match last {
        // A client that comes back knows best how far it was.
        Some(Some(after)) => after,
        Some(None) => return Err(Problem::invalid("failed to read Last-Event-ID: it is the sequence of an event")),
        None => query.value("offset")?.unwrap_or(0),
    };
    let raw = query.flag("include_raw")?;
    let session = find(server, name).await?;
    check_offset(&session, after)?;
    Ok(flow(server, session, after, raw, None))
}

/// A flow of events from a sequence on, to the end of a turn where one is given.
pub(crate) fn flow(
    server: &Arc<Server>,
    session: Session,
    after: i64,
    raw: bool,
    turn: Option<Turn>,
) -> Response<Body> {
    // Two pieces are on their way at most: a client that does not read costs no more than that.
    let (sender, receiver) = mpsc::channel(1);
    let follower = Follower { server: Arc::clone(server), session, after, raw, turn, size: FIRST, sender };
    let counted = Arc::clone(&server.numbers.followers);
    tokio::spawn(async move {
        let _counted = counted;
        let session_id = follower.session.session_id.clone();
        if let Err(failure) = follower.run().await {
            log::warn!("a flow of session {session_id} ended: {}", failure.message);
        }
    });
    event_stream(receiver)
}

/// An answer of server-sent events.
pub(crate) fn event_stream(receiver: mpsc::Receiver<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Flow(receiver));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The turn of a prompt, whose end ends a flow.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) prompt_id: String,
    /// The number of its request.
    pub(crate) request: i64,
    pub(crate) begun: bool,
}

impl Turn {
    /// Whether this event is the last that who sent the prompt waits for: its turn's end, or what it has to answer first.
    fn ends_with(&mut self, kind: &str, data: &str) -> bool {
        match kind {
            "turn.started" | "turn.ended" | "session.ended" | "permission.requested" | "question.requested" => {}
            _ => return false,
        }
        match Said::read(kind, data) {
            Ok(Said::TurnStarted(turn)) => {
                self.begun |= turn.prompt_ids.contains(&self.prompt_id);
                false
            }
            Ok(Said::TurnEnded(turn)) => turn.prompt_ids.contains(&self.prompt_id),
            Ok(Said::SessionEnded(_)) => true,
            Ok(_) => self.begun,
            Err(_) => false,
        }
    }
}

/// Who follows a session for one client.
struct Follower {
    server: Arc<Server>,
    session: Session,
    after: i64,
    raw: bool,
    turn: Option<Turn>,
    /// How many events it reads at once now.
    size: usize,
    sender: Sender<Bytes>,
}

/// Why a flow ended.
enum Ended {
    /// The turn did.
    Turn,
    /// The session was deleted.
    Deleted,
    /// The client has left.
    Gone,
    /// The store failed.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        if failure.code == ErrorCode::NotFound { Ended::Deleted } else { Ended::Failed(failure) }
    }
}

impl Follower {
    /// Until the flow ends; what it says at last, if anything.
    async fn run(mut self) -> Result<(), Failure> {
        let last = match self.follow().await {
            Ok(words) => words,
            Err(Ended::Deleted) => ": the session was deleted\n\n",
            Err(Ended::Turn | Ended::Gone) => return Ok(()),
            Err(Ended::Failed(failure)) => return Err(failure),
        };
        // Who has left does not need them.
        let _ = self.say(last).await;
        Ok(())
    }

    async fn follow(&mut self) -> Result<&'static str, Ended> {
        let mut news = self.server.hub.follow(&self.session);
        self.say("retry: 1000\n\n").await?;
        loop {
            let now = news.borrow_and_update().clone();
            self.catch_up(&now).await?;
            if self.is_lost().await? {
                return Ok(": the prompt was not given to the agent\n\n");
            }
            let stopping = Arc::clone(&self.server);
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return Err(Ended::Gone) },
                () = tokio::time::sleep(HEARTBEAT) => self.say(": heartbeat\n\n").await?,
                () = self.sender.closed() => return Err(Ended::Gone),
                () = stopping.stopping() => return Ok(": the server ends; the session goes on\n\n"),
            }
        }
    }

    /// Sends what is stored, to the end that is known of.
    async fn catch_up(&mut self, news: &News) -> Result<(), Ended> {
        let last = news.session.as_ref().ok_or(Ended::Deleted)?.last_sequence.max(self.session.last_sequence);
        // (Others see less of an event than who wants its raw line.)
        let pages = if self.raw { Arc::default() } else { Arc::clone(&news.pages) };
        while self.after < last {
            let slot = pages.slot(self.after, last);
            let (server, session, after, size, raw) = (&self.server, &self.session, self.after, self.size, self.raw);
            let page = slot.page.get_or_try_init(|| read(server, session, after, size, raw, Form::Flow)).await?;
            self.show(page).await?;
            if !page.is_full {
                break;
            }
            let large = page.text.len();
            self.size = if large < CHUNK / 2 { (self.size * 2).min(1024) } else { (self.size * CHUNK / large).max(1) };
        }
        Ok(())
    }

    /// Sends a page.
    async fn show(&mut self, page: &Page) -> Result<(), Ended> {
        let (mut end, mut is_end) = (page.text.len(), false);
        if let Some(turn) = &mut self.turn {
            for (until, text) in page.events() {
                let said = text.split_once("\ndata: ").and_then(|(_, line)| Line::read(line.as_bytes()));
                if said.is_some_and(|said| turn.ends_with(said.kind, said.data())) {
                    (end, is_end) = (until, true);
                    break;
                }
            }
        }
        self.after = page.last;
        if end > 0 {
            self.say(page.text.slice(..end)).await?;
        }
        if is_end { Err(Ended::Turn) } else { Ok(()) }
    }

    async fn say(&self, text: impl Into<Bytes>) -> Result<(), Ended> {
        let stopping = self.server.stopping();
        tokio::select! {
            biased;
            sent = self.sender.send(text.into()) => sent.map_err(|_| Ended::Gone),
            // Who does not even read now is not waited for.
            () = stopping => Err(Ended::Gone),
        }
    }

    /// Whether the prompt that is waited for will never have a turn.
    async fn is_lost(&self) -> Result<bool, Failure> {
        let Some(Turn { request, begun: false, .. }) = self.turn else { return Ok(false) };
        let settlement = self.server.hub.read(move |store| Ok(store.settlement(request)?)).await?;
        use store::RequestState::{Done, Lost, Open, Refused, Withdrawn};
        Ok(match settlement.map(|settlement| settlement.state) {
            Some(Lost | Refused | Withdrawn) | None => true,
            Some(Done | Open) => false,
        })
    }
}

async fn read(
    server: &Arc<Server>,
    session: &Session,
    after: i64,
    limit: usize,
    raw: bool,
    form: Form,
) -> Result<Page, Failure> {
    let session = session.clone();
    let select = Select { after, limit, raw, ..Select::default() };
    server.hub.read(move |store| Page::read(store, &session, &select, form)).await
}

fn check_offset(session: &Session, after: i64) -> Result<(), Problem> {
    if after < 0 {
        return Err(Problem::invalid(format!(
            "failed to use offset {after}: it is the sequence of the last event seen"
        )));
    }
    if after > session.last_sequence {
        let (session, last) = (session.session_id.clone(), session.last_sequence);
        return Err(engine::Error::OffsetBeyondEnd { session, offset: after, last }.into());
    }
    Ok(())
}
