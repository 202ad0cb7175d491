//! What a client of the protocol asks for, carried out by the verbs that every door has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use acp::{Choice, File, Message};
use agents::agent::Agent;
use engine::keeper::New;
use engine::post::Post;
use engine::{Failure, attach, verbs};
use schema::control::{Ask, Cancel, Control, Set};
use schema::event::{Body as Said, PermissionMode};
use schema::outcome::ErrorCode;
use serde_json::{Value, json};
use store::{Access, RequestState, Select, Session, Store, Sync};
use tokio::sync::watch;

use super::link::{Link, history, open_requests};
use crate::hub::News;

/// How long an agent stays warm after a turn.
const LINGER: &str = "10m";
/// Sessions in one answer to `session/list`.
const LISTED: usize = 100;

/// What follows from a message.
pub(crate) enum Reply {
    /// Nothing: it was a notification, or an answer.
    Nothing,
    /// This answer.
    Now(Value),
    /// The answer is the end of this prompt's turn, and is told with its events.
    Turn(Box<Sent>),
}

/// A prompt that was sent.
pub(crate) struct Sent {
    id: Value,
    session: Session,
    request: i64,
    /// What is new since it was sent.
    news: watch::Receiver<News>,
}

/// How long news of a prompt are waited for: that it was taken back is none of its session's.
const LOOK: Duration = Duration::from_secs(1);

/// A prompt whose turn has not ended.
struct Still {
    /// The last event that was looked at.
    last: i64,
    /// How many turns had ended.
    turns: i64,
}

impl Still {
    /// Whether the turn that runs is still the same, as the session's row tells: then its events need not be looked at.
    fn runs(&self, now: &Session) -> bool {
        self.turns == now.turns && matches!(now.status.as_str(), "running" | "asking")
    }
}

/// The answer to a prompt.
pub(crate) struct Ended {
    pub(crate) answer: Value,
    /// The event that it follows from; without one it is told by nobody else.
    pub(crate) cursor: Option<i64>,
}

impl Link {
    /// Takes a message.
    pub(crate) async fn receive(self: &Arc<Link>, message: Message) -> Reply {
        let Message { id, method, params, result } = message;
        match (id, method) {
            (Some(id), Some(method)) if method == "session/prompt" => match self.send(&id, &params).await {
                Ok(sent) => Reply::Turn(Box::new(sent)),
                Err(failure) => Reply::Now(failed(&id, &failure)),
            },
            (Some(id), Some(method)) => Reply::Now(match self.call(&method, params).await {
                Ok(Some(result)) => acp::response(&id, result),
                Ok(None) => {
                    acp::error(&id, -32601, &format!("the method `{}` is not known here", method.escape_debug()))
                }
                Err(failure) => failed(&id, &failure),
            }),
            (None, Some(method)) => {
                if method == "session/cancel"
                    && let Err(failure) = self.cancel(&params).await
                {
                    log::warn!("{}", failure.message);
                }
                Reply::Nothing
            }
            (Some(id), None) => {
                // Answered elsewhere before, or out of date: the client has seen that among the events.
                if let Err(failure) = self.answered(&id, result).await {
                    log::info!("{}", failure.message);
                }
                Reply::Nothing
            }
            (None, None) => Reply::Nothing,
        }
    }

    async fn call(self: &Arc<Link>, method: &str, params: Value) -> Result<Option<Value>, Failure> {
        let word = |key: &str| params[key].as_str().map(str::to_owned);
        Ok(Some(match method {
            "initialize" => {
                self.offers_forms(acp::offers_forms(&params));
                let card = self.agent()?.card();
                acp::initialized(self.version, card.title, card.can.images, card.can.mcp)
            }
            // An agent has its own login, or a key in its environment: nothing is offered, and nothing is to do.
            "authenticate" => {
                let method = word("methodId").unwrap_or_default();
                let message = format!(
                    "failed to log in by `{}`: the agent is logged in by its own command",
                    method.escape_debug()
                );
                return Err(Failure::usage(message).hint("or by a key in the environment of this program"));
            }
            "session/new" => self.create(&params).await?,
            "session/load" => self.load(&params, true).await?,
            "session/resume" => self.load(&params, false).await?,
            "session/list" => self.list(&params).await?,
            "session/close" => {
                let session = self.session(&params).await?;
                let own = self.id.clone();
                self.hub.work(move |path| leave(path, &session, &own)).await?;
                json!({})
            }
            "session/set_mode" => {
                self.set(&params, Set { mode: word("modeId"), ..Set::default() }).await?;
                json!({})
            }
            "session/set_model" => {
                self.set(&params, Set { model: word("modelId"), ..Set::default() }).await?;
                json!({})
            }
            "session/set_config_option" => {
                let value = word("value");
                let set = match word("configId").as_deref() {
                    Some("model") => Set { model: value, ..Set::default() },
                    Some("mode") => Set { mode: value, ..Set::default() },
                    Some("thought_level") => Set { effort: value, ..Set::default() },
                    Some("permission_mode") => {
                        let mode = value.as_deref().and_then(PermissionMode::parse);
                        Set { permission_mode: Some(mode.ok_or_else(no_value)?), ..Set::default() }
                    }
                    other => {
                        let other = other.unwrap_or_default().escape_debug();
                        return Err(Failure::usage(format!("failed to set `{other}`: there is no such option")));
                    }
                };
                acp::agreed(&self.set(&params, set).await?)
            }
            _ => return Ok(None),
        }))
    }

    fn agent(&self) -> Result<&'static dyn Agent, Failure> {
        let word = self.new.agent.as_deref().unwrap_or_default();
        agents::registry::named(word)
            .ok_or_else(|| Failure::usage(format!("failed to find agent `{}`", word.escape_debug())))
    }

    async fn create(self: &Arc<Link>, params: &Value) -> Result<Value, Failure> {
        let cwd = directory(params)?;
        let servers = acp::servers(params);
        let card = self.agent()?.card();
        if servers.is_some() && !card.can.mcp {
            let message = format!("failed to use mcpServers: {} takes no MCP servers for a session", card.name);
            return Err(Failure::usage(message));
        }
        let mut new = New { cwd: Some(cwd), linger: Some(LINGER.to_owned()), ..self.new.clone() };
        if self.lasts {
            new.labels.push(format!("acp={}", self.id));
        }
        let (hub, server) = (Arc::clone(&self.hub), self.server.clone());
        let made = self.hub.work(move |path| {
            if let Some(server) = server.upgrade() {
                crate::config::equip(&server, path, &mut new)?;
            }
            let mut session = hub.create(new)?;
            if let Some(servers) = servers {
                let servers = attach::keep(path, &session, "mcp.json", servers.to_string().as_bytes())?;
                verbs::keep(path, &session, &|kept| kept.equipment.mcp.push(servers.clone()))?;
                session = verbs::find(path, &session.session_id)?;
            }
            let answer = acp::session(&session.session_id, &choices(&session));
            Ok((session, answer))
        });
        let (session, answer) = made.await?;
        self.attach(&session, 0);
        Ok(answer)
    }

    /// Speaks with a session that exists, with what it has said so far or without; what it asks now is asked after the answer.
    async fn load(self: &Arc<Link>, params: &Value, tell: bool) -> Result<Value, Failure> {
        let session = self.found(params).await?;
        let mut cursor = None;
        if tell {
            cursor = Some(history(self, &session).await?);
        }
        if !self.has(&session) {
            let (own, lasts, of) = (self.id.clone(), self.lasts, session.clone());
            let now = self.hub.work(move |path| {
                if lasts {
                    label(path, &of, Some(&own))?;
                }
                Ok(Store::open(path, Access::Read)?.last_cursor()?)
            });
            let now = now.await?;
            self.attach(&session, cursor.unwrap_or(now));
        }
        let forms = self.forms();
        let opened = self.hub.read(move |store| {
            let answer = acp::session(&session.session_id, &choices(&session));
            Ok((open_requests(store, &session, forms)?, answer))
        });
        let (requests, answer) = opened.await?;
        requests.iter().for_each(|request| self.say(request));
        Ok(answer)
    }

    async fn list(&self, params: &Value) -> Result<Value, Failure> {
        let cwd = params["cwd"].as_str().map(str::to_owned);
        // Of two that were changed in the same millisecond, the number says which comes first.
        let place = |session: &Session| (session.updated, session.no);
        let before = match params["cursor"].as_str() {
            None => None,
            Some(cursor) => Some(read_place(cursor).ok_or_else(|| {
                Failure::usage(format!("failed to go on at `{}`: it is no cursor of ours", cursor.escape_debug()))
            })?),
        };
        let sessions = self.hub.read(|store| Ok(store.sessions()?)).await?;
        let fit = sessions.into_iter().filter(|session| {
            cwd.as_ref().is_none_or(|cwd| *cwd == session.cwd) && before.is_none_or(|before| place(session) < before)
        });
        let mut fit: Vec<Session> = fit.collect();
        fit.sort_by_key(|session| std::cmp::Reverse(place(session)));
        let more = (fit.len() > LISTED).then(|| &fit[LISTED - 1]);
        let more = more.map(|session| format!("{}.{}", session.updated, session.no));
        let told = fit.iter().take(LISTED).map(|session| {
            json!({
                "sessionId": session.session_id, "cwd": session.cwd, "title": session.title,
                "updatedAt": schema::time::Timestamp(session.updated).to_string(),
                "_meta": { "sandbox-agent": { "agent": session.agent, "status": session.status } },
            })
        });
        Ok(json!({ "sessions": told.collect::<Vec<_>>(), "nextCursor": more }))
    }

    /// The session that a client names.
    async fn found(&self, params: &Value) -> Result<Session, Failure> {
        let name = params["sessionId"].as_str().unwrap_or_default().to_owned();
        self.hub.work(move |path| Ok(verbs::find(path, &name)?)).await
    }

    /// The same, spoken with from now on.
    async fn session(self: &Arc<Link>, params: &Value) -> Result<Session, Failure> {
        let session = self.found(params).await?;
        if !self.has(&session) {
            let now = self.hub.read(|store| Ok(store.last_cursor()?)).await?;
            self.attach(&session, now);
        }
        Ok(session)
    }

    async fn send(self: &Arc<Link>, id: &Value, params: &Value) -> Result<Sent, Failure> {
        let prompt = acp::prompt(params).map_err(|why| Failure::usage(format!("failed to use the prompt: {why}")))?;
        if prompt.text.trim().is_empty() {
            return Err(Failure::usage("failed to use the prompt: it has no text"));
        }
        let name = params["sessionId"].as_str().unwrap_or_default().to_owned();
        let known = match self.known(&name) {
            Some(known) => known,
            None => Arc::new(self.session(params).await?),
        };
        let news = self.hub.follow(&known);
        let (env, own) = (self.env.clone(), acp::prompt_id(&self.id, id));
        let sent = self.hub.work(move |path| {
            // As it is before the prompt: what the turn says comes after it.
            let session = verbs::find(path, &name)?;
            let files = prompt.files.into_iter().map(|file| match file {
                File::Path(path) => Ok(path),
                File::Sent { name, base64 } => attach::keep_base64(path, &session, &name, &base64),
            });
            let attach = files.collect::<Result<_, Failure>>()?;
            let ask = Ask { text: prompt.text, attach, id: Some(own), ..Ask::default() };
            let sent = verbs::send(path, session.clone(), ask, &env, Sync::Deltas)?;
            Ok((session, sent.request))
        });
        let (session, request) = sent.await?;
        if let Some(cooled) = self.warm.prompted(&session.session_id) {
            let hub = Arc::clone(&self.hub);
            tokio::spawn(async move {
                let released = hub.work(move |path| verbs::release(path, verbs::find(path, &cooled)?)).await;
                // One that was deleted has no agent any more.
                if let Err(failure) = released
                    && failure.code != ErrorCode::NotFound
                {
                    log::warn!("{}", failure.message);
                }
            });
        }
        Ok(Sent { id: id.clone(), session, request, news })
    }

    /// Waits for the end of a prompt's turn.
    pub(crate) async fn ended(self: &Arc<Link>, sent: &Sent) -> Ended {
        let mut news = sent.news.clone();
        let mut still = Still { last: sent.session.last_sequence, turns: sent.session.turns };
        loop {
            let over = async {
                while news.changed().await.is_ok()
                    && news.borrow_and_update().session.as_ref().is_some_and(|now| still.runs(now))
                {}
            };
            tokio::select! {
                _ = tokio::time::timeout(LOOK, over) => {}
                () = self.closing() => {
                    // What ended just before is not lost over it.
                    return self.end_of(sent, still.last).await.unwrap_or_else(|_| {
                        let failure = Failure::new(ErrorCode::Other, "the connection was closed");
                        Ended { answer: failed(&sent.id, &failure), cursor: None }
                    });
                }
            }
            still = match self.end_of(sent, still.last).await {
                Ok(ended) => return ended,
                Err(still) => still,
            };
        }
    }

    /// The end of a prompt's turn, looked for after a sequence.
    async fn end_of(self: &Arc<Link>, sent: &Sent, after: i64) -> Result<Ended, Still> {
        let (of, own, wanted, request) = (sent.session.clone(), self.id.clone(), sent.id.clone(), sent.request);
        let looked = self.hub.read(move |store| {
            let state = store.settlement(request)?.map(|settlement| settlement.state);
            let now = store.session_by_no(of.no)?.ok_or(store::Error::Gone)?;
            let voice = acp::Voice::new(&of.session_id, &own);
            let mut found = None;
            let types = &["turn.ended", "error"];
            store.read(&now, &Select { after, types, limit: usize::MAX, ..Select::default() }, &mut |event| {
                let Ok(body) = Said::read(event.kind, event.data) else { return };
                let end = voice.ends(&body).into_iter().find(|end| end.id == wanted);
                if let Some(end) = end.filter(|_| found.is_none()) {
                    found = Some((end.answer, event.cursor));
                }
            })?;
            Ok((found, state, now))
        });
        match looked.await {
            Ok((Some((answer, cursor)), ..)) => Ok(Ended { answer, cursor: Some(cursor) }),
            Ok((None, Some(RequestState::Refused | RequestState::Withdrawn) | None, _)) => {
                let failure = Failure::new(ErrorCode::NotDelivered, "the prompt was not given to the agent");
                Ok(Ended { answer: failed(&sent.id, &failure), cursor: None })
            }
            // (What is lost is said in an event.)
            Ok((None, Some(RequestState::Open | RequestState::Done | RequestState::Lost), now)) => {
                Err(Still { last: now.last_sequence, turns: now.turns })
            }
            Err(failure) => Ok(Ended { answer: failed(&sent.id, &failure), cursor: None }),
        }
    }

    /// The end of a prompt's turn, if it is there: a client that heard of it in its stream may end us before its answer is on
    /// its way.
    pub(crate) async fn ended_already(self: &Arc<Link>, sent: &Sent) -> Option<Ended> {
        self.end_of(sent, sent.session.last_sequence).await.ok()
    }

    /// Interrupts the turn that runs now: whatever comes after this is posted after it.
    async fn cancel(self: &Arc<Link>, params: &Value) -> Result<(), Failure> {
        let session = self.session(params).await?;
        if session.status == "ended" {
            return Ok(());
        }
        let post =
            self.hub.work(move |path| Ok(Post::new(path, session, &Control::Cancel(Cancel::default()), Sync::Deltas)?));
        let mut post = post.await?;
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            let settled = hub.work(move |_| Ok(post.settle(None).map(|_| ())?)).await;
            if let Err(failure) = settled {
                log::warn!("{}", failure.message);
            }
        });
        Ok(())
    }

    async fn answered(self: &Arc<Link>, id: &Value, result: Option<Value>) -> Result<(), Failure> {
        let Some((name, request)) = acp::request_of(id) else { return Ok(()) };
        let answer = acp::answer(request, result.as_ref());
        let name = name.to_owned();
        let done = self.hub.work(move |path| verbs::answer(path, verbs::find(path, &name)?, answer)).await;
        done.map(|_| ())
    }

    /// Refuses a question of the client's own turn that it cannot be asked: nobody else knows of it.
    pub(crate) fn refuse(self: &Arc<Link>, session_id: String, question_id: String) {
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let own = link.id.clone();
            let refused = link.hub.work(move |path| {
                let session = verbs::find(path, &session_id)?;
                if !is_foreign(&Store::open(path, Access::Read)?, &session, &own)? {
                    verbs::answer(path, session, acp::answer(&question_id, None))?;
                }
                Ok(())
            });
            if let Err(failure) = refused.await {
                log::info!("{}", failure.message);
            }
        });
    }

    /// Sets something, and says what can be chosen now.
    async fn set(self: &Arc<Link>, params: &Value, set: Set) -> Result<Vec<Choice>, Failure> {
        if set == Set::default() {
            return Err(no_value());
        }
        let session = self.session(params).await?;
        self.hub.work(move |path| verbs::set(path, session, &set)).await?;
        let session = self.session(params).await?;
        let after = self.hub.read(move |store| {
            let mut last = 0;
            let select = Select { reverse: true, limit: 1, ..Select::default() };
            store.read(&session, &select, &mut |event| last = event.cursor)?;
            Ok((last, choices(&session)))
        });
        let (last, choices) = after.await?;
        // Who also listens is to hear of it before the answer.
        self.told(last).await;
        Ok(choices)
    }

    /// Gives up all sessions: turns that this client began are cancelled, and agents that wait for it end.
    pub(crate) async fn leave(self: &Arc<Link>) {
        for session in self.sessions() {
            let (own, lasts) = (self.id.clone(), self.lasts);
            let left = self.hub.work(move |path| {
                leave(path, &session, &own)?;
                if lasts { label(path, &session, None) } else { Ok(()) }
            });
            if let Err(failure) = left.await {
                log::warn!("{}", failure.message);
            }
        }
        self.close();
    }
}

pub(crate) fn failed(id: &Value, failure: &Failure) -> Value {
    acp::failure(id, failure.code, &failure.message, failure.hint.as_deref())
}

fn read_place(cursor: &str) -> Option<(i64, i64)> {
    let (updated, no) = cursor.split_once('.')?;
    Some((updated.parse().ok()?, no.parse().ok()?))
}

fn no_value() -> Failure {
    Failure::usage("failed to set it: the value is missing or none of the option's")
}

fn directory(params: &Value) -> Result<String, Failure> {
    match params["cwd"].as_str() {
        Some(cwd) if Path::new(cwd).is_absolute() && !cwd.contains('\0') => Ok(cwd.to_owned()),
        Some(cwd) => Err(Failure::usage(format!("failed to work in `{}`: it is not absolute", cwd.escape_debug()))),
        None => Err(Failure::usage("failed to make a session: cwd is missing")),
    }
}

/// Writes into a session's labels who speaks with it by this protocol.
fn label(path: &Path, session: &Session, link: Option<&str>) -> Result<(), Failure> {
    let mut store = Store::open(path, Access::Write)?;
    let Some(now) = store.session_by_no(session.no)? else { return Ok(()) };
    let mut labels: serde_json::Map<String, Value> = serde_json::from_str(&now.labels).unwrap_or_default();
    match link {
        Some(link) => drop(labels.insert("acp".to_owned(), link.into())),
        None => drop(labels.remove("acp")),
    }
    let labels = Value::Object(labels).to_string();
    Ok(store.update(session.no, &store::Settings { labels: Some(&labels), ..store::Settings::default() })?)
}

/// What can be chosen in a session; a small file is read for it.
pub(super) fn choices(session: &Session) -> Vec<Choice> {
    let Some(agent) = agents::registry::driver(&session.agent) else { return Vec::new() };
    let card = agent.card();
    let named = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect();
    let kept = engine::Kept::read(&session.settings);
    let permission_mode = kept.permission_mode().map(str::to_owned);
    let mut choices = Vec::new();
    if !card.modes.is_empty() {
        let current = kept.mode.or_else(|| session.mode.clone());
        choices.push(Choice { category: "mode", name: "Mode", current, values: named(card.modes) });
    }
    if card.can.model {
        let current = kept.model.or_else(|| session.model.clone());
        let known = engine::offers::known(&session.agent);
        let models = known.map(|known| known.offer.models).unwrap_or_default();
        let values = models.into_iter().map(|model| (model.id, model.name)).collect();
        choices.push(Choice { category: "model", name: "Model", current, values });
    }
    if card.can.effort {
        let current = kept.effort.or_else(|| session.effort.clone());
        choices.push(Choice { category: "thought_level", name: "Effort", current, values: named(card.efforts) });
    }
    let modes: Vec<&str> = card.permission_modes.iter().map(|mode| mode.as_str()).collect();
    let current = permission_mode.or_else(|| session.permission_mode.clone());
    choices.push(Choice { category: "permission_mode", name: "Permissions", current, values: named(&modes) });
    choices
}

/// Ends whoever runs a session, unless somebody else's turn runs in it.
fn leave(path: &Path, session: &Session, link: &str) -> Result<(), Failure> {
    let is_foreign = is_foreign(&Store::open(path, Access::Read)?, session, link)?;
    if is_foreign { Ok(()) } else { Ok(engine::owner::end_owner(path, session)?) }
}

/// Whether the turn that runs was begun by somebody else.
fn is_foreign(store: &Store, session: &Session, link: &str) -> Result<bool, Failure> {
    let own = acp::own(link);
    let mut is_foreign = false;
    let types = &["turn.started", "turn.ended"];
    store.read(session, &Select { types, reverse: true, limit: 1, ..Select::default() }, &mut |event| {
        if let Ok(Said::TurnStarted(turn)) = Said::read(event.kind, event.data) {
            is_foreign = !turn.prompt_ids.iter().any(|id| id.starts_with(&own));
        }
    })?;
    Ok(is_foreign)
}
