//! OpenCode's conversation as a state machine: its session, turns, usage, errors.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use schema::event::{Cause, Cost, CostBasis, ModelUsage, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::Known;
use super::requests::Pending;
use super::{launch, wire};
use crate::agent::Job;
use crate::dialect::{
    Ask, Dialect, Effect, Fault, Finish, Input, Key, Method, Order, OrderId, Prompt, RequestKey, Setting, Start,
    Status, Stop, Tag, Timer, Verdict,
};

/// How long the last words of a turn are waited for, once OpenCode says that it is idle.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The most that a session's title has of its first prompt, in characters.
const TITLE: usize = 80;

/// One conversation.
pub(super) struct Conversation {
    pub(super) job: Job,
    asked: u64,
    calls: HashMap<Tag, Call>,
    /// Our session, once it is there.
    session: Option<String>,
    /// A prompt that came before the session was ready.
    early: Option<(OrderId, Prompt)>,
    turn: Option<Turn>,
    /// So that a timer of an earlier turn means nothing.
    turns: u32,
    keys: u32,
    requests: u32,
    /// Messages of this process, without those of a copied conversation.
    pub(super) messages: HashMap<String, Message>,
    copied: HashSet<String>,
    pub(super) parts: HashMap<String, Known>,
    pub(super) pending: HashMap<RequestKey, Pending>,
    /// What was accepted for the session and OpenCode would have taken too widely: permission and pattern.
    pub(super) granted: HashSet<(String, String)>,
    /// Sessions of sub-agents, and the call below which each works.
    pub(super) agents: HashMap<String, Key>,
    /// What the model said since its last complete answer, by session: it is taken back when it is asked again.
    pub(super) attempts: HashMap<String, Vec<Key>>,
    /// Names of MCP servers as they begin the names of their tools.
    pub(super) servers: Vec<String>,
    mcp: Vec<Value>,
    /// Provider and model.
    model: Option<(String, String)>,
    mode: Option<String>,
    lost: bool,
}

/// What we know of a message.
pub(super) struct Message {
    pub(super) is_user: bool,
    /// What a compaction says.
    pub(super) is_summary: bool,
    session: String,
    open: bool,
    model: Option<String>,
}

/// The running turn.
#[derive(Default)]
struct Turn {
    /// Its prompt has reached OpenCode.
    delivered: bool,
    silent: bool,
    cancelled: bool,
    /// It was seen at work.
    busy: bool,
    /// It said that it is idle; what it was doing may still be told.
    idle: bool,
    error: Option<Fault>,
    finish: Option<String>,
    models: Vec<ModelUsage>,
    cost: f64,
}

/// What a call of ours was for.
#[derive(Debug, Clone)]
enum Call {
    Open,
    Copy,
    Copied(String),
    Mcp,
    Prompt(OrderId),
    Steer(OrderId),
    Compact(OrderId),
    /// Whether the session is at work.
    Status,
    /// After the event stream was lost: what was said, and what is asked.
    Messages,
    Permissions,
    Questions,
    /// A decision, an abort: its events say what came of it.
    Told,
}

impl Conversation {
    pub(super) fn new(job: &Job) -> Conversation {
        Conversation {
            job: job.clone(),
            asked: 0,
            calls: HashMap::new(),
            session: None,
            early: None,
            turn: None,
            turns: 0,
            keys: 0,
            requests: 0,
            messages: HashMap::new(),
            copied: HashSet::new(),
            parts: HashMap::new(),
            pending: HashMap::new(),
            granted: HashSet::new(),
            agents: HashMap::new(),
            attempts: HashMap::new(),
            servers: Vec::new(),
            mcp: Vec::new(),
            model: job.model.as_deref().and_then(split_model),
            mode: job.mode.clone(),
            lost: false,
        }
    }

    pub(super) fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    pub(super) fn request_key(&mut self) -> RequestKey {
        self.requests += 1;
        RequestKey(self.requests)
    }

    /// The call that an item of this session is nested in; nothing where the session is none of ours.
    pub(super) fn place(&self, session: &str) -> Option<Option<Key>> {
        if self.session.as_deref() == Some(session) {
            return Some(None);
        }
        self.agents.get(session).map(|call| Some(*call))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.cancelled)
    }

    fn ask(&mut self, method: Method, path: String, body: &Value, purpose: Call, effects: &mut Vec<Effect>) {
        self.asked += 1;
        let tag = Tag(self.asked);
        self.calls.insert(tag, purpose);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        effects.push(Effect::Ask(Ask { tag, method, path, body }));
    }

    /// Tells OpenCode something whose events say what came of it.
    pub(super) fn tell(&mut self, path: String, body: &Value, effects: &mut Vec<Effect>) {
        self.ask(Method::Post, path, body, Call::Told, effects);
    }

    /// Permission rules of the session: they stand above those of its agents.
    fn rules(&self) -> Value {
        let mut rules = launch::permissions(&self.job);
        if !rules.is_empty() && self.mode.as_deref() == Some("plan") {
            // The mode's own rule, which ours would overrule.
            rules.push(("edit", "deny"));
        }
        rules.iter().map(|(name, action)| json!({ "permission": name, "pattern": "*", "action": action })).collect()
    }

    fn open(&mut self, effects: &mut Vec<Effect>) {
        let Some(resume) = &self.job.resume else { return };
        let id = resume.native_session_id.clone();
        if resume.fork {
            self.ask(Method::Post, format!("/session/{id}/fork"), &json!({}), Call::Copy, effects);
        } else {
            self.open_again(&id, effects);
        }
    }

    /// That it is there, and that its rules are those of this run.
    fn open_again(&mut self, id: &str, effects: &mut Vec<Effect>) {
        let rules = json!({ "permission": self.rules() });
        self.ask(Method::Patch, format!("/session/{id}"), &rules, Call::Open, effects);
    }

    /// The rules of another mode.
    fn rule_again(&mut self, effects: &mut Vec<Effect>) {
        if let Some(session) = &self.session {
            let path = format!("/session/{session}");
            let rules = json!({ "permission": self.rules() });
            self.ask(Method::Patch, path, &rules, Call::Told, effects);
        }
    }

    fn replied(&mut self, tag: Tag, status: u16, body: &str, effects: &mut Vec<Effect>) {
        let Some(call) = self.calls.remove(&tag) else { return };
        let good = (200..300).contains(&status);
        match call {
            Call::Open | Call::Copy | Call::Copied(_) if !good => {
                effects.push(Effect::End(Some(refusal(status, body))));
            }
            Call::Open => match serde_json::from_str::<wire::Session>(body) {
                Ok(session) => self.session_ready(session, effects),
                Err(error) => {
                    let message = format!("OpenCode opened a session in words we do not know: {error}");
                    effects.push(Effect::End(Some(Fault::new(ErrorCode::Protocol, message))));
                }
            },
            Call::Copy => {
                let id = serde_json::from_str::<wire::Session>(body).map(|session| session.id).unwrap_or_default();
                self.ask(Method::Get, format!("/session/{id}/message"), &Value::Null, Call::Copied(id), effects);
            }
            Call::Copied(id) => {
                // They are told as events too.
                let copied: Vec<wire::Listed> = serde_json::from_str(body).unwrap_or_default();
                self.copied.extend(copied.into_iter().map(|message| message.info.id));
                self.open_again(&id, effects);
            }
            Call::Mcp => {
                if good && let Ok(servers) = serde_json::from_str(body) {
                    self.mcp(&servers, effects);
                }
            }
            Call::Prompt(order) if good => {
                effects.push(Effect::Taken(order));
                if let Some(turn) = &mut self.turn {
                    turn.delivered = true;
                    if turn.cancelled {
                        self.abort(effects);
                    }
                }
            }
            Call::Prompt(order) => {
                self.turn = None;
                effects.push(Effect::Refused(order, refusal(status, body)));
            }
            Call::Steer(order) if good => effects.push(Effect::Taken(order)),
            Call::Steer(order) => effects.push(Effect::Refused(order, refusal(status, body))),
            // It answers when all is over; that took longer than we wait for an answer.
            Call::Compact(order) if good || status == 0 => effects.push(Effect::Taken(order)),
            Call::Compact(order) => {
                if self.turn.take().is_some() {
                    effects.push(Effect::Refused(order, refusal(status, body)));
                }
            }
            Call::Status => {
                if good && let Ok(statuses) = serde_json::from_str::<HashMap<String, Value>>(body) {
                    let working = self.session.as_ref().is_some_and(|session| statuses.contains_key(session));
                    if !working {
                        self.idle(effects);
                    }
                }
            }
            Call::Messages => {
                let listed: Vec<wire::Listed> = serde_json::from_str(body).unwrap_or_default();
                for message in listed {
                    self.caught_up(message, effects);
                }
                self.ask(Method::Get, "/permission".to_owned(), &Value::Null, Call::Permissions, effects);
            }
            Call::Permissions => {
                let asked: Vec<wire::Permission> = serde_json::from_str(body).unwrap_or_default();
                for permission in asked {
                    self.permission(permission, effects);
                }
                self.ask(Method::Get, "/question".to_owned(), &Value::Null, Call::Questions, effects);
            }
            Call::Questions => {
                let asked: Vec<wire::Question> = serde_json::from_str(body).unwrap_or_default();
                for question in asked {
                    self.question(question, effects);
                }
                self.ask(Method::Get, "/session/status".to_owned(), &Value::Null, Call::Status, effects);
            }
            Call::Told => {}
        }
    }

    fn session_ready(&mut self, session: wire::Session, effects: &mut Vec<Effect>) {
        effects.push(Effect::Native(session.id.clone()));
        self.session = Some(session.id);
        if let (None, Some(model)) = (&self.model, session.model) {
            self.model = Some((model.provider, model.id));
        }
        self.ask(Method::Get, "/mcp".to_owned(), &Value::Null, Call::Mcp, effects);
        if let Some((order, prompt)) = self.early.take() {
            self.prompt(order, &prompt, effects);
        }
    }

    fn mcp(&mut self, servers: &serde_json::Map<String, Value>, effects: &mut Vec<Effect>) {
        // As OpenCode makes the names of their tools.
        let plain = |name: &str| -> String {
            name.chars()
                .map(|letter| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '_' })
                .collect()
        };
        self.servers = servers.keys().map(|name| plain(name)).collect();
        // Of two names of which one begins the other, the longer one is meant.
        self.servers.sort_by_key(|name| std::cmp::Reverse(name.len()));
        self.mcp = servers
            .iter()
            .map(|(name, server)| {
                let mut told = json!({ "name": name, "status": server["status"] });
                if !server["error"].is_null() {
                    told["error"] = server["error"].clone();
                }
                told
            })
            .collect();
        if !self.mcp.is_empty() {
            self.info(effects);
        }
    }

    fn info(&self, effects: &mut Vec<Effect>) {
        let mut info = json!({ "mcp": self.mcp });
        if let Some((provider, model)) = &self.model {
            info["model"] = json!(format!("{provider}/{model}"));
        }
        if let Some(mode) = &self.mode {
            info["mode"] = json!(mode);
        }
        effects.push(status(StatusLabel::SessionInfo, info, None));
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        let Some(session) = self.session.clone() else {
            if self.job.resume.is_none() {
                // Without a title it would ask the model for one.
                let title: String = prompt.text.lines().next().unwrap_or_default().chars().take(TITLE).collect();
                let new = json!({ "title": if title.is_empty() { "New session" } else { &title }, "permission": self.rules() });
                self.ask(Method::Post, "/session".to_owned(), &new, Call::Open, effects);
            }
            self.early = Some((order, prompt.clone()));
            return;
        };
        if prompt.steer && self.turn.is_none() {
            let fault = Fault::new(ErrorCode::BadRequest, "no turn is running that could be steered");
            effects.push(Effect::Refused(order, fault));
            return;
        }
        if !prompt.steer && prompt.text.trim() == "/compact" && prompt.attachments.is_empty() {
            self.compact(order, &session, effects);
            return;
        }
        let mut parts = vec![json!({ "type": "text", "text": prompt.text })];
        for file in &prompt.attachments {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let url = format!("data:{};base64,{}", file.mime, file.base64);
            parts.push(json!({ "type": "file", "mime": file.mime, "filename": name, "url": url }));
        }
        let mut body = json!({ "parts": parts });
        if let Some(wanted) = &self.job.model {
            let Some((provider, model)) = split_model(wanted) else {
                let message = format!("OpenCode names its models PROVIDER/MODEL, so `{wanted}` cannot be one");
                effects.push(Effect::Refused(order, Fault::new(ErrorCode::ModelNotFound, message)));
                return;
            };
            body["model"] = json!({ "providerID": provider, "modelID": model });
        }
        if let Some(mode) = &self.job.mode {
            body["agent"] = json!(mode);
        }
        if let Some(effort) = &self.job.effort {
            body["variant"] = json!(effort);
        }
        let call = if prompt.steer { Call::Steer(order) } else { Call::Prompt(order) };
        if !prompt.steer {
            self.begin_turn(Turn::default());
        }
        self.ask(Method::Post, format!("/session/{session}/prompt_async"), &body, call, effects);
    }

    fn compact(&mut self, order: OrderId, session: &str, effects: &mut Vec<Effect>) {
        let Some((provider, model)) = &self.model else {
            let fault = Fault::new(ErrorCode::BadRequest, "there is nothing to compact yet");
            effects.push(Effect::Refused(order, fault));
            return;
        };
        let body = json!({ "providerID": provider, "modelID": model, "auto": false });
        self.begin_turn(Turn { silent: true, delivered: true, ..Turn::default() });
        self.ask(Method::Post, format!("/session/{session}/summarize"), &body, Call::Compact(order), effects);
    }

    fn begin_turn(&mut self, turn: Turn) {
        self.turns += 1;
        self.attempts.clear();
        self.turn = Some(turn);
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else {
            // It has not begun: nothing of the prompt has reached the model.
            effects.push(Effect::End(None));
            return;
        };
        turn.cancelled = true;
        if turn.delivered {
            self.abort(effects);
        }
    }

    fn abort(&mut self, effects: &mut Vec<Effect>) {
        if let Some(session) = &self.session {
            self.tell(format!("/session/{session}/abort"), &Value::Null, effects);
        }
    }

    fn set(&mut self, order: OrderId, setting: &Setting, effects: &mut Vec<Effect>) {
        let (label, json) = match setting {
            Setting::Model(model) => {
                self.job.model = Some(model.clone());
                self.model = split_model(model);
                (StatusLabel::ModelChanged, json!({ "model": model }))
            }
            Setting::Mode(mode) => {
                self.job.mode = Some(mode.clone());
                self.mode = Some(mode.clone());
                self.rule_again(effects);
                (StatusLabel::ModeChanged, json!({ "mode": mode }))
            }
            Setting::Effort(effort) => {
                self.job.effort = Some(effort.clone());
                (StatusLabel::ModelChanged, json!({ "model": self.job.model, "effort": effort }))
            }
        };
        effects.push(Effect::Taken(order));
        effects.push(status(label, json, None));
    }

    fn heard(&mut self, kind: &str, properties: &str, effects: &mut Vec<Effect>) -> Result<bool, serde_json::Error> {
        match kind {
            "message.part.delta" => {
                let delta: wire::Delta<'_> = serde_json::from_str(properties)?;
                return Ok(self.grown(&delta, effects));
            }
            "message.part.updated" => {
                let event: wire::PartEvent = serde_json::from_str(properties)?;
                return self.part(event.part, effects);
            }
            "message.updated" => {
                let event: wire::MessageEvent = serde_json::from_str(properties)?;
                self.message(event.info, effects);
            }
            "session.status" => {
                let event: wire::StatusEvent = serde_json::from_str(properties)?;
                return Ok(self.status(&event, effects));
            }
            "session.idle" => {
                let event: wire::OfSession = serde_json::from_str(properties)?;
                if self.session.as_ref() == Some(&event.session) {
                    self.idle(effects);
                }
            }
            "session.error" => self.failed(serde_json::from_str(properties)?, effects),
            "session.created" | "session.updated" => {
                let event: wire::SessionEvent = serde_json::from_str(properties)?;
                self.session_told(event.info, effects);
            }
            "permission.asked" => self.permission(serde_json::from_str(properties)?, effects),
            "question.asked" => self.question(serde_json::from_str(properties)?, effects),
            "permission.replied" | "question.replied" | "question.rejected" => {
                self.settled(&serde_json::from_str(properties)?, effects);
            }
            "todo.updated" => {
                let event: wire::Todos = serde_json::from_str(properties)?;
                if let Some(parent) = self.place(&event.session) {
                    effects.push(status(StatusLabel::Todo, json!({ "entries": todos(&event.todos) }), parent));
                }
            }
            "server.connected" => {
                if std::mem::take(&mut self.lost)
                    && let Some(session) = &self.session
                {
                    let path = format!("/session/{session}/message");
                    self.ask(Method::Get, path, &Value::Null, Call::Messages, effects);
                }
            }
            _ => return Ok(wire::is_ignored(kind)),
        }
        Ok(true)
    }

    fn session_told(&mut self, session: wire::Session, effects: &mut Vec<Effect>) {
        if self.session.as_ref() == Some(&session.id) {
            if let Some(title) = session.title {
                effects.push(status(StatusLabel::SessionTitle, json!({ "title": title }), None));
            }
            return;
        }
        if let Some(parent) = session.parent
            && self.place(&parent).is_some()
            && !self.agents.contains_key(&session.id)
            && let Some(call) = self.waiting_task(&parent)
        {
            self.agent_began(session.id, call, effects);
        }
    }

    pub(super) fn agent_began(&mut self, session: String, call: Key, effects: &mut Vec<Effect>) {
        if self.agents.insert(session, call) != Some(call) {
            effects.push(Effect::AgentBegan(call));
        }
    }

    fn message(&mut self, info: wire::Message, effects: &mut Vec<Effect>) {
        if self.copied.contains(&info.id) || self.place(&info.session).is_none() {
            return;
        }
        let own = self.session.as_ref() == Some(&info.session);
        let is_user = info.role == "user";
        let is_new = !self.messages.contains_key(&info.id);
        let model = info.provider.clone().zip(info.model.clone());
        let open = !is_user && info.time.completed.is_none();
        let message = Message {
            is_user,
            is_summary: info.summary == true,
            session: info.session,
            open,
            model: model.as_ref().map(|(provider, model)| format!("{provider}/{model}")),
        };
        if own && self.turn.is_none() {
            if is_user && is_new {
                // Nobody asked: it goes on by itself, as when a sub-agent in the background reports.
                self.begin_turn(Turn { delivered: true, ..Turn::default() });
                effects.push(Effect::TurnBegan(Cause::Background));
            } else {
                return;
            }
        }
        self.messages.insert(info.id, message);
        if !own || is_user {
            return;
        }
        if is_new {
            self.speaks_as(model, info.agent, effects);
        }
        if is_new {
            self.goes_on(effects);
        }
        let Some(turn) = &mut self.turn else { return };
        if let Some(finish) = info.finish {
            turn.finish = Some(finish);
        }
        if let Some(error) = info.error
            && turn.error.is_none()
            && !open
        {
            turn.error = Some(fault_of(&error));
        }
        self.end_if_over(effects);
    }

    /// Model and mode of a new answer, told when they are others than before.
    fn speaks_as(&mut self, model: Option<(String, String)>, mode: Option<String>, effects: &mut Vec<Effect>) {
        let first = self.model.is_none() && self.mode.is_none();
        let new_model = model.is_some() && model != self.model;
        // Compactions and titles are written by agents that nobody chose.
        let mode = mode.filter(|mode| !["compaction", "title", "summary"].contains(&mode.as_str()));
        let new_mode = mode.is_some() && mode != self.mode;
        if new_model {
            self.model = model;
        }
        if new_mode {
            let told = self.mode.is_some();
            self.mode = mode;
            if told {
                self.rule_again(effects);
                effects.push(status(StatusLabel::ModeChanged, json!({ "mode": self.mode }), None));
            }
        }
        if first || new_model {
            self.info(effects);
        }
    }

    fn status(&mut self, event: &wire::StatusEvent, effects: &mut Vec<Effect>) -> bool {
        let Some(parent) = self.place(&event.session) else { return true };
        match event.status.kind.as_str() {
            "busy" if parent.is_none() => self.busy(effects),
            "busy" | "idle" => {}
            "retry" => {
                let message = event.status.message.clone().unwrap_or_else(|| "the model did not answer".to_owned());
                let code = wire::code_of_words(&message).unwrap_or(ErrorCode::Server);
                let mut fault = Fault::new(code, message);
                fault.attempt = event.status.attempt;
                fault.retry_at_ms = event.status.next;
                effects.push(Effect::Setback(fault));
                self.abandon(&event.session, effects);
            }
            _ => return false,
        }
        true
    }

    fn busy(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.idle = false;
        let first = !std::mem::replace(&mut turn.busy, true);
        // The abort came before there was something to abort.
        if first && turn.cancelled && turn.delivered {
            self.abort(effects);
        }
    }

    fn failed(&mut self, event: wire::ErrorEvent, effects: &mut Vec<Effect>) {
        let Some(error) = event.error else { return };
        let fault = fault_of(&error);
        match event.session.as_deref().map(|session| self.place(session)) {
            // Of no session, or of ours.
            None | Some(Some(None)) => {}
            // A sub-agent's: its call says what became of it.
            Some(Some(Some(_))) => {
                if error.name != "MessageAbortedError" {
                    effects.push(Effect::Setback(fault));
                }
                return;
            }
            Some(None) => return,
        }
        // What comes after the end says the same again.
        let Some(turn) = &mut self.turn else { return };
        turn.error.get_or_insert(fault);
        if !turn.busy {
            // It may be all that is ever said.
            self.ask(Method::Get, "/session/status".to_owned(), &Value::Null, Call::Status, effects);
        }
    }

    fn idle(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.idle = true;
        if !self.end_if_over(effects) {
            effects.push(Effect::Wake(Timer(self.turns), PATIENCE));
        }
    }

    /// Ends the turn when OpenCode is idle and has told the end of all that it had begun.
    fn end_if_over(&mut self, effects: &mut Vec<Effect>) -> bool {
        let own = |session: &str| self.session.as_deref() == Some(session);
        let over = self.turn.as_ref().is_some_and(|turn| turn.idle)
            && !self.messages.values().any(|message| message.open && own(&message.session))
            && !self.parts.values().any(|part| part.is_running() && own(&part.session));
        if over {
            self.end_turn(effects);
        }
        over
    }

    fn end_turn(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.take() else { return };
        let aborted = turn.error.as_ref().is_some_and(|fault| fault.code == ErrorCode::AbortedByAgent);
        let stop = match (turn.error, turn.finish.as_deref()) {
            _ if turn.cancelled || aborted => Stop::Interrupted,
            (Some(fault), _) => Stop::Failed(fault),
            (None, Some("length")) => {
                Stop::Failed(Fault::new(ErrorCode::MaxTokens, "the answer reached the model's limit of tokens"))
            }
            (None, Some("content-filter")) => {
                Stop::Failed(Fault::new(ErrorCode::Refusal, "the model refused to answer"))
            }
            (None, Some("error")) => {
                Stop::Failed(Fault::new(ErrorCode::Server, "the model's answer ended in an error"))
            }
            (None, _) => Stop::Done,
        };
        let mut verdict = Verdict::new(stop);
        verdict.stop_reason = turn.finish;
        verdict.silent = turn.silent;
        verdict.usage = turn.models.iter().map(|model| model.usage).reduce(Usage::plus);
        // A model without a price costs nothing that we know of.
        verdict.cost = (turn.cost > 0.0).then_some(Cost { usd: turn.cost, basis: CostBasis::Reported });
        verdict.models = (!turn.models.is_empty()).then_some(turn.models);
        // What comes later belongs to nothing any more: no end of a sub-agent is heard.
        let mut agents: Vec<Key> = self.parts.values().filter_map(|known| self.agent_of(known)).collect();
        agents.sort_unstable();
        effects.extend(agents.into_iter().map(Effect::AgentEnded));
        self.parts.clear();
        self.pending.clear();
        self.messages.values_mut().for_each(|message| message.open = false);
        effects.push(Effect::TurnEnded(Box::new(verdict)));
    }

    /// A complete answer of the model.
    pub(super) fn counted(&mut self, session: &str, message: &str, step: &wire::StepFinish) {
        self.attempts.remove(session);
        let model = self.messages.get(message).and_then(|message| message.model.clone()).unwrap_or_default();
        let Some(turn) = &mut self.turn else { return };
        turn.cost += step.cost;
        let usage = Usage::from(step.tokens);
        let usd = (step.cost > 0.0).then_some(step.cost);
        match turn.models.iter_mut().find(|known| known.model == model) {
            Some(known) => {
                known.usage = known.usage.plus(usage);
                known.usd = known.usd.map_or(usd, |before| Some(before + step.cost));
            }
            None => turn.models.push(ModelUsage { model, usage, usd }),
        }
    }

    /// After an error it goes on all the same, as when a full context is compacted.
    pub(super) fn goes_on(&mut self, effects: &mut Vec<Effect>) {
        if let Some(setback) = self.turn.as_mut().and_then(|turn| turn.error.take()) {
            effects.push(Effect::Setback(setback));
        }
    }

    /// Whether what happens in a session belongs to a turn.
    pub(super) fn in_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// What was said while the event stream was lost.
    fn caught_up(&mut self, listed: wire::Listed, effects: &mut Vec<Effect>) {
        let id = listed.info.id.clone();
        // Of what was there before this turn nothing is told again.
        if !self.messages.contains_key(&id) && listed.info.time.completed.is_some() && !self.in_turn() {
            return;
        }
        self.message(listed.info, effects);
        for part in listed.parts {
            // What cannot be read is told when it comes as an event.
            let _ = self.part(part, effects);
        }
    }

    /// Text that is nobody's prompt and nobody's answer.
    pub(super) fn system(&mut self, native: &str, text: String, parent: Option<Key>, effects: &mut Vec<Effect>) -> Key {
        let key = self.key();
        effects.push(Effect::Start(Start {
            key,
            native: Some(native.to_owned()),
            parent,
            group: None,
            kind: ItemKind::System,
            role: Some(Role::System),
            content: vec![ContentPart::Text { text }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
        key
    }

    fn line(&mut self, line: &str, effects: &mut Vec<Effect>) {
        let unparsed = |error: String, location: &str| Effect::Unparsed { error, location: location.to_owned() };
        let event: wire::Event<'_> = match serde_json::from_str(line) {
            Ok(event) => event,
            Err(error) => {
                effects.push(unparsed(format!("the line is no event: {error}"), "event"));
                return;
            }
        };
        match self.heard(&event.kind, event.properties.get(), effects) {
            Ok(true) => {}
            Ok(false) => effects.push(unparsed("an unknown event".to_owned(), &event.kind)),
            Err(error) => effects.push(unparsed(error.to_string(), &event.kind)),
        }
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Opened => self.open(effects),
            Input::Line(line) => self.line(line, effects),
            Input::Reply { tag, status, body } => self.replied(tag, status, body, effects),
            Input::StreamLost => self.lost = true,
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Decide(key, decision) => self.decide(*key, decision, effects),
                Order::Answer(key, answers) => self.answer_question(*key, answers, effects),
                Order::Refuse(key, _) => self.refuse_question(*key, effects),
                Order::Set(setting) => self.set(id, setting, effects),
                Order::Cancel => self.cancel(effects),
            },
            Input::Woke(Timer(turn)) => {
                if turn == self.turns && self.turn.as_ref().is_some_and(|turn| turn.idle) {
                    self.end_turn(effects);
                }
            }
            // The engine tells of a death better than we could.
            Input::Closed(_) => {}
        }
    }
}

/// A status item.
pub(super) fn status(label: StatusLabel, json: Value, parent: Option<Key>) -> Effect {
    Effect::Status(Status { label, detail: None, json, parent })
}

fn split_model(name: &str) -> Option<(String, String)> {
    let (provider, model) = name.split_once('/')?;
    Some((provider.to_owned(), model.to_owned()))
}

fn todos(todos: &[Value]) -> Vec<Value> {
    todos
        .iter()
        .map(|todo| {
            let mut entry = json!({ "content": todo["content"], "status": "pending" });
            match todo["status"].as_str() {
                Some(status @ ("in_progress" | "completed")) => entry["status"] = json!(status),
                // What was given up is as good as done.
                Some("cancelled") => entry["status"] = json!("completed"),
                Some(_) | None => {}
            }
            for name in ["id", "priority"] {
                if !todo[name].is_null() {
                    entry[name] = todo[name].clone();
                }
            }
            entry
        })
        .collect()
}

fn fault_of(error: &wire::Error) -> Fault {
    let message = error.data.message.clone().unwrap_or_else(|| error.name.clone());
    // What follows is a stack of calls within OpenCode.
    let first = message.lines().next().unwrap_or_default().to_owned();
    let mut fault = Fault::new(wire::code_of(error), first);
    let mut details = json!({ "name": error.name });
    if let Some(status) = error.data.status_code {
        details["status"] = json!(status);
    }
    fault.details = Some(details);
    fault
}

/// What an answer of ill success means.
fn refusal(status: u16, body: &str) -> Fault {
    if status == 0 {
        return Fault::new(ErrorCode::Protocol, format!("OpenCode did not answer: {body}"));
    }
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(flatten)]
        error: Option<wire::Error>,
        #[serde(default)]
        message: Option<String>,
    }
    let refusal: Option<Refusal> = serde_json::from_str(body).ok();
    let (error, message) = refusal.map_or((None, None), |refusal| (refusal.error, refusal.message));
    let words = error.as_ref().and_then(|error| error.data.message.clone()).or(message);
    let message = words.unwrap_or_else(|| format!("OpenCode refused with HTTP status {status}"));
    let code = match (status, &error) {
        (_, Some(error)) if wire::code_of(error) != ErrorCode::Other => wire::code_of(error),
        (500.., _) => ErrorCode::Other,
        _ => ErrorCode::BadRequest,
    };
    Fault::new(code, message)
}
