//! The protocol over HTTP, as the TypeScript SDK speaks it: a message a POST, one stream of events a client, found again after our death.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::keeper::New;
use engine::verbs;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use store::{Session, Store};

use super::calls::Reply;
use super::link::{Link, Manner};
use super::place::Place;
use super::warm::Warm;
use crate::body::{Body, json, nothing, read};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Asked};
use crate::token::Scope;

/// The links of a server.
pub(crate) struct Links {
    /// By their clients' names for them.
    links: Mutex<HashMap<String, Arc<Link>>>,
    warm: Arc<Warm>,
}

/// How long a stream waits for the message that makes its link: the SDK opens it a moment before that.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

impl Links {
    /// Of so many sessions the agents wait for the next prompt.
    pub(crate) fn new(warm: usize) -> Links {
        Links { links: Mutex::default(), warm: Arc::new(Warm::new(warm)) }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server ends: turns go on, but agents that wait for their clients end.
pub(crate) async fn release(server: &Arc<Server>) {
    let links: Vec<Arc<Link>> = server.links.held().values().cloned().collect();
    for session in links.iter().flat_map(|link| link.sessions()) {
        if let Err(failure) = server.hub.work(move |path| verbs::release(path, Arc::unwrap_or_clone(session))).await {
            log::warn!("{}", failure.message);
        }
    }
}

/// Clients that are here, or were before this server began.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Servers {
    servers: Vec<Info>,
}

/// A client, by the name that it gave its link.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Info {
    server_id: String,
    agent: String,
    /// Milliseconds since 1970.
    created_at_ms: i64,
}

/// `GET /v1/acp`.
pub(crate) async fn list(asked: Asked) -> Answer {
    let sessions = asked.server.hub.read(|store| Ok(store.sessions()?)).await?;
    let info =
        |link: &Arc<Link>| Info { server_id: link.id.clone(), agent: agent_of(link), created_at_ms: link.created };
    let mut servers: Vec<Info> = asked.server.links.held().values().map(info).collect();
    for session in sessions {
        if let Some(id) = label_of(&session)
            && !servers.iter().any(|known| known.server_id == id)
        {
            servers.push(Info { server_id: id, agent: session.agent, created_at_ms: session.created });
        }
    }
    servers.sort_by_key(|server| server.created_at_ms);
    Ok(json(StatusCode::OK, &Servers { servers }))
}

/// `POST /v1/acp/{client}`: one message. A request is answered when that is possible, or, with `Prefer: respond-async`, at
/// once with 202, and later in the stream.
pub(crate) async fn post(mut asked: Asked) -> Answer {
    accepts(&asked.headers, "application/json")?;
    let asynchronous = prefers_async(&asked.headers);
    let bytes = read(&asked.headers, &mut asked.body).await?;
    let (server, id) = (&asked.server, asked.name(0));
    let message = match acp::read(&bytes) {
        Ok(message) => message,
        Err(refusal) => {
            let why = refusal["error"]["message"].as_str().unwrap_or_default().to_owned();
            return Err(Problem::invalid(why));
        }
    };
    if message.method.is_none() {
        // Who may prompt may not decide for that.
        server.gate.check_token(&asked.headers, None)?.check(Scope::Answer)?;
    }
    let link = link(server, id, asked.query.word("agent")).await?;
    if asynchronous && message.id.is_some() && message.method.is_some() {
        // A prompt that is accepted is in the store: then nobody's death takes it.
        let is_prompt = message.method.as_deref() == Some("session/prompt");
        let taken = Arc::clone(&link);
        let taking = async move { taken.receive(message).await };
        let finish = |reply: Reply| async move {
            match reply {
                Reply::Nothing => {}
                Reply::Now(answer) => link.say(&answer),
                Reply::Turn(sent) => {
                    let ended = link.ended(&sent).await;
                    if ended.cursor.is_none() {
                        link.say(&ended.answer);
                    }
                }
            }
        };
        if is_prompt {
            tokio::spawn(finish(taking.await));
        } else {
            tokio::spawn(async move { finish(taking.await).await });
        }
        let mut response = accepted();
        response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
        return Ok(response);
    }
    match link.receive(message).await {
        Reply::Nothing => Ok(accepted()),
        Reply::Now(answer) => Ok(json(StatusCode::OK, &answer)),
        Reply::Turn(sent) => {
            // (With the server its links are closed, a moment later.)
            let ended = tokio::select! {
                biased;
                () = server.stopping() => link.ended_already(&sent).await,
                ended = link.ended(&sent) => Some(ended),
            };
            let Some(ended) = ended else {
                return Err(Problem::new(Kind::Unavailable, "the server ends; the turn goes on without it"));
            };
            if let Some(cursor) = ended.cursor {
                // Who also listens is to hear what was said before its end.
                link.told(cursor).await;
            }
            Ok(json(StatusCode::OK, &ended.answer))
        }
    }
}

/// `GET /v1/acp/{client}`: everything that the client is to hear, from the place in `Last-Event-ID` on.
pub(crate) async fn sse(asked: Asked) -> Answer {
    let (server, id, headers) = (&asked.server, asked.name(0), &asked.headers);
    accepts(headers, "text/event-stream")?;
    let from =
        match headers.get("last-event-id") {
            None => Place::default(),
            Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
                Problem::invalid("failed to read Last-Event-ID: it is the id of an event of this stream")
            })?,
        };
    let waited = async {
        loop {
            match link(server, id, None).await {
                Ok(link) => return link,
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let link = tokio::time::timeout(PATIENCE, waited).await.map_err(|_| unknown(id))?;
    let manner = Manner { write: event, beat: Some(": heartbeat\n\n") };
    let mut response = Response::new(Body::Flow(link.listen(from, manner)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn event(place: Option<Place>, message: &str) -> String {
    match place {
        Some(place) => format!("event: message\nid: {place}\ndata: {message}\n\n"),
        None => format!("event: message\ndata: {message}\n\n"),
    }
}

/// `DELETE /v1/acp/{client}`: turns that it began are cancelled, agents that wait for it end; its sessions stay.
pub(crate) async fn close(asked: Asked) -> Answer {
    let link = link(&asked.server, asked.name(0), None).await;
    asked.server.links.held().remove(asked.name(0));
    if let Ok(link) = link {
        link.leave().await;
    }
    Ok(nothing())
}

/// The link of this name; made where an agent is named, found again by its sessions where it is of an earlier life of the server.
async fn link(server: &Arc<Server>, id: &str, agent: Option<&str>) -> Result<Arc<Link>, Problem> {
    if let Some(link) = server.links.held().get(id) {
        return match agent {
            Some(agent) if agent_of(link) != agent => {
                let detail =
                    format!("`{}` speaks for {}, not {}", id.escape_debug(), agent_of(link), agent.escape_debug());
                Err(Problem::new(Kind::Conflict, detail))
            }
            Some(_) | None => Ok(Arc::clone(link)),
        };
    }
    let wanted = id.to_owned();
    let found = server.hub.read(move |store: &Store| {
        let all = store.sessions()?;
        Ok(all.into_iter().filter(|session| label_of(session).as_ref() == Some(&wanted)).collect::<Vec<_>>())
    });
    let found = found.await?;
    let agent = match (agent, found.first()) {
        (Some(agent), _) => agent.to_owned(),
        (None, Some(session)) => session.agent.clone(),
        (None, None) => return Err(unknown(id)),
    };
    if agents::registry::named(&agent).is_none() {
        return Err(Problem::invalid(format!("failed to find agent `{}`", agent.escape_debug())));
    }
    let new = New { agent: Some(agent), ..New::default() };
    let own = Some(Arc::downgrade(server));
    let made = Link::new(&server.hub, &server.env, server.version, id, new, &server.links.warm, own);
    let link = Arc::clone(server.links.held().entry(id.to_owned()).or_insert(made));
    let (stopping, weak) = (server.stopping(), Arc::downgrade(&link));
    tokio::spawn(async move {
        stopping.await;
        // Streams end; sessions go on.
        weak.upgrade().iter().for_each(|link| link.close());
    });
    for session in &found {
        link.attach(session, 0);
    }
    Ok(link)
}

fn agent_of(link: &Link) -> String {
    link.new.agent.clone().unwrap_or_default()
}

/// The link that a session was made by.
fn label_of(session: &Session) -> Option<String> {
    let labels: Value = serde_json::from_str(&session.labels).ok()?;
    labels["acp"].as_str().map(str::to_owned)
}

fn unknown(id: &str) -> Problem {
    let detail =
        format!("there is no ACP server `{}`; the first message to one names its agent: ?agent=…", id.escape_debug());
    Problem::new(Kind::SessionNotFound, detail)
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::Whole(None));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn prefers_async(headers: &HeaderMap) -> bool {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("respond-async")))
}

/// Whether a client takes what it would get.
fn accepts(headers: &HeaderMap, media: &str) -> Result<(), Problem> {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let family = media.split('/').next().unwrap_or_default();
    let fits = accept.split(',').filter_map(|one| one.split(';').next()).map(str::trim).any(|one| {
        one == "*/*" || one.eq_ignore_ascii_case(media) || one.strip_suffix("/*").is_some_and(|one| one == family)
    });
    if fits { Ok(()) } else { Err(Problem::new(Kind::NotAcceptable, format!("the answer is {media}"))) }
}
