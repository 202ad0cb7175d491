//! Events: pages by offset, long polls, and flows that follow the store.

use std::sync::Arc;
use std::time::Duration;

use engine::follow::push;
use engine::{Failure, Lines};
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use schema::event::Body as Said;
use schema::line::{Line, LineWriter};
use schema::outcome::ErrorCode;
use store::{Select, Session};
use tokio::sync::mpsc::{self, Sender};

use crate::body::{Body, json_text};
use crate::listen::Server;
use crate::problem::Problem;
use crate::routes::{Answer, Asked};
use crate::sessions::find;

/// Events in one answer, unless fewer are asked for.
const MOST: usize = 10_000;
/// An answer is not continued above this: bytes.
const LARGE: usize = 8 << 20;
/// What a flow reads at once is about this large, whatever the number of events: bytes.
const CHUNK: usize = 64 << 10;
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
    if page.lines.is_empty() && !wait.is_zero() {
        let grown = news.wait_for(|now| now.as_ref().is_none_or(|now| now.last_sequence > after));
        tokio::select! {
            _ = grown => {}
            () = tokio::time::sleep(wait) => {}
            () = server.stopping() => {}
        }
        page = collect(server, &session, after, limit, raw).await?;
    }
    let last = find(server, name).await?.last_sequence;
    let mut text = String::with_capacity(page.text.len() + 64);
    text.push_str("{\"events\":[");
    let mut begin = 0;
    for (_, end) in &page.lines {
        if begin > 0 {
            text.push(',');
        }
        text.push_str(page.text[begin..*end].trim_end());
        begin = *end;
    }
    text.push_str(&format!("],\"hasMore\":{}}}", page.last < last));
    Ok(json_text(StatusCode::OK, text))
}

/// Up to so many events, or so much text, after a sequence.
async fn collect(
    server: &Arc<Server>,
    session: &Session,
    after: i64,
    limit: usize,
    raw: bool,
) -> Result<Page, Failure> {
    let mut page = Page { last: after, ..Page::default() };
    while page.lines.len() < limit && page.text.len() < LARGE {
        let want = (limit - page.lines.len()).min(256);
        let next = read(server, session, page.last, want, raw).await?;
        let count = next.lines.len();
        page.append(next);
        if count < want {
            break;
        }
    }
    Ok(page)
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
    let follower = Follower { server: Arc::clone(server), session, after, raw, turn, sender };
    let counted = Arc::clone(&server.numbers.followers);
    tokio::spawn(async move {
        let _counted = counted;
        let session_id = follower.session.session_id.clone();
        if let Err(Ended::Failed(failure)) = follower.run().await {
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
    sender: Sender<Bytes>,
}

/// Why a flow ended before its end.
enum Ended {
    /// The client has left.
    Gone,
    /// The store failed.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failed(failure)
    }
}

impl Follower {
    async fn run(mut self) -> Result<(), Ended> {
        let mut news = self.server.hub.follow(&self.session);
        self.say("retry: 1000\n\n").await?;
        let mut size = 16;
        loop {
            news.mark_unchanged();
            loop {
                let page = match read(&self.server, &self.session, self.after, size, self.raw).await {
                    Err(failure) if failure.code == ErrorCode::NotFound => {
                        return self.say(": the session was deleted\n\n").await;
                    }
                    page => page?,
                };
                let (count, large) = (page.lines.len(), page.text.len());
                let is_end = self.show(page).await?;
                if is_end {
                    return Ok(());
                }
                if count < size {
                    break;
                }
                size = if large < CHUNK / 2 { (size * 2).min(1024) } else { (size * CHUNK / large).max(1) };
            }
            if self.is_lost().await? {
                return self.say(": the prompt was not given to the agent\n\n").await;
            }
            let stopping = Arc::clone(&self.server);
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(HEARTBEAT) => self.say(": heartbeat\n\n").await?,
                () = self.sender.closed() => return Err(Ended::Gone),
                () = stopping.stopping() => return self.say(": the server ends; the session goes on\n\n").await,
            }
        }
    }

    /// Sends a page. `true`: the event that ends the flow was in it.
    async fn show(&mut self, page: Page) -> Result<bool, Ended> {
        let mut text = String::with_capacity(page.text.len() + 24 * page.lines.len());
        let (mut begin, mut is_end) = (0, false);
        for (sequence, end) in page.lines {
            let line = &page.text[begin..end];
            // (A line brings its own end; an event ends with an empty one.)
            text.push_str(&format!("id: {sequence}\ndata: {line}\n"));
            (begin, self.after) = (end, sequence);
            if let Some(turn) = &mut self.turn
                && let Some(said) = Line::read(line.as_bytes())
                && turn.ends_with(said.kind, said.data())
            {
                is_end = true;
                break;
            }
        }
        if !text.is_empty() {
            self.say(text).await?;
        }
        Ok(is_end)
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

/// Lines that were read at once.
#[derive(Default)]
struct Page {
    text: String,
    /// The sequence of each, and where it ends.
    lines: Vec<(i64, usize)>,
    /// Everything up to here has been read.
    last: i64,
}

impl Page {
    fn append(&mut self, next: Page) {
        let base = self.text.len();
        self.text.push_str(&next.text);
        self.lines.extend(next.lines.iter().map(|(sequence, end)| (*sequence, base + end)));
        self.last = next.last;
    }
}

async fn read(server: &Arc<Server>, session: &Session, after: i64, limit: usize, raw: bool) -> Result<Page, Failure> {
    let session = session.clone();
    server
        .hub
        .read(move |store| {
            let select = Select { after, limit, raw, ..Select::default() };
            let mut lines = Lines::default();
            let mut writer = LineWriter::default();
            let mut sequences = Vec::new();
            store.read(&session, &select, &mut |event| {
                sequences.push(event.sequence);
                push(&mut lines, &mut writer, &event, false);
            })?;
            let ends = lines.marks.iter().map(|(end, _)| *end as usize);
            let lines_of = sequences.iter().copied().zip(ends).collect();
            let text = String::from_utf8(lines.bytes).expect("JSON that we wrote is UTF-8");
            Ok(Page { text, lines: lines_of, last: sequences.last().copied().unwrap_or(after) })
        })
        .await
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
