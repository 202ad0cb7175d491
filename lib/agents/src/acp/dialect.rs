//! A conversation in the Agent Client Protocol as a state machine: the session, its turns, its texts, its settings.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use schema::event::{Cause, Cost, CostBasis, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel, Visibility};
use schema::outcome::ErrorCode;
use serde_json::{Value, json};

use super::requests::{Pending, Reply};
use super::tools::{Tool, other_part};
use super::wire::{self, list, text};
use crate::agent::Job;
use crate::dialect::{
    Dialect, Effect, Fault, Finish, Input, Key, Order, OrderId, Prompt, RequestKey, Setting, Start, Status, Stop,
    Timer, Verdict,
};
use crate::jsonrpc::{self, Calls};
use crate::mcp::{Reach, Server};

/// When a turn that nobody asked for is over: the protocol has no word for it.
const QUIET: Timer = Timer(1);
const SILENCE: Duration = Duration::from_secs(3);

/// One conversation.
pub(crate) struct Conversation {
    pub(super) job: Job,
    calls: Calls<Call>,
    session: Option<String>,
    /// What the agent said of itself when it was asked first.
    agent: Value,
    /// What it said of the session: modes, models, options.
    offered: Value,
    /// A login was tried.
    logged_in: bool,
    /// Settings that are to hold before the first prompt.
    wanted: Vec<Setting>,
    /// A prompt that came before all of it was ready.
    early: Option<(OrderId, Prompt)>,
    turn: Option<Turn>,
    pub(super) cancelled: bool,
    keys: u32,
    asked: u32,
    open: Option<OpenText>,
    pub(super) tools: HashMap<String, Tool>,
    pub(super) pending: HashMap<RequestKey, Pending>,
    info: Value,
    /// Money, which runs on: now, and before this turn.
    spent: Option<f64>,
    spent_before: f64,
}

#[derive(Debug, Default)]
struct Turn {
    /// The text of its prompt, whose echoes are dropped; none where nobody asked for the turn.
    prompt: Option<String>,
    /// What its requests to the model used, where the agent says it of each.
    counted: Option<Usage>,
    /// The agent's machinery broke, and what it says since then is why: some adapters call the end of such a turn a good one.
    broken: Option<String>,
}

/// A text that grows.
#[derive(Debug)]
struct OpenText {
    key: Key,
    kind: Chunk,
    message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    Answer,
    Thought,
    Injected,
}

/// What a call of ours was for.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Initialize,
    Login,
    New,
    /// Going on with an earlier conversation; whether the history is told again.
    Resume {
        replayed: bool,
    },
    Prompt,
    /// A setting, and the order that wants to know.
    Set(Setting, Option<OrderId>),
}

impl Conversation {
    pub(crate) fn new(job: &Job) -> Conversation {
        let spent_before =
            job.resume.as_ref().and_then(|resume| resume.totals.as_ref()?["usd"].as_f64()).unwrap_or(0.0);
        let model = job.model.clone().map(Setting::Model);
        let mode = job.mode.clone().map(Setting::Mode);
        let effort = job.effort.clone().map(Setting::Effort);
        Conversation {
            job: job.clone(),
            calls: Calls::new(),
            session: None,
            agent: Value::Null,
            offered: Value::Null,
            logged_in: false,
            wanted: [mode, model, effort].into_iter().flatten().collect(),
            early: None,
            turn: None,
            cancelled: false,
            keys: 0,
            asked: 0,
            open: None,
            tools: HashMap::new(),
            pending: HashMap::new(),
            info: json!({}),
            spent: None,
            spent_before,
        }
    }

    /// What the session's beginning said of models, modes and options.
    pub(super) fn offered(&self) -> &Value {
        &self.offered
    }

    pub(crate) fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    pub(super) fn request_key(&mut self) -> RequestKey {
        self.asked += 1;
        RequestKey(self.asked)
    }

    /// Says a line of JSON-RPC with its version in it.
    pub(crate) fn say(&self, line: &str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Say(format!("{{\"jsonrpc\":\"2.0\",{}", &line[1..])));
    }

    fn call(&mut self, method: &str, params: &Value, purpose: Call, effects: &mut Vec<Effect>) {
        let line = self.calls.call(method, params, purpose);
        self.say(&line, effects);
    }

    /// Begins or resumes the session, by what the agent can.
    fn begin(&mut self, effects: &mut Vec<Effect>) {
        let can = &self.agent["agentCapabilities"];
        let sessions = &can["sessionCapabilities"];
        let servers = match self.servers() {
            Ok(servers) => servers,
            Err(what) => return self.give_up(&what, effects),
        };
        let mut params = json!({ "cwd": self.job.cwd, "mcpServers": servers });
        let (method, purpose) = match &self.job.resume {
            None => ("session/new", Call::New),
            Some(resume) => {
                params["sessionId"] = json!(resume.native_session_id);
                if resume.fork && sessions.get("fork").is_some() {
                    ("session/fork", Call::New)
                } else if resume.fork {
                    return self.give_up("copy a conversation", effects);
                } else if sessions.get("resume").is_some() {
                    ("session/resume", Call::Resume { replayed: false })
                } else if can["loadSession"] == true {
                    ("session/load", Call::Resume { replayed: true })
                } else {
                    return self.give_up("go on with an earlier conversation in a new process", effects);
                }
            }
        };
        self.call(method, &params, purpose, effects);
    }

    /// The session's servers as the protocol wants them; what the agent cannot use.
    fn servers(&self) -> Result<Vec<Value>, String> {
        let can = &self.agent["agentCapabilities"]["mcpCapabilities"];
        let pairs = |map: &BTreeMap<String, String>| -> Vec<Value> {
            map.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
        };
        let server = |server: &Server| match &server.reach {
            Reach::Program { command, args, env } => {
                Ok(json!({ "name": server.name, "command": command, "args": args, "env": pairs(env) }))
            }
            Reach::Address { url, headers, sse } => {
                let way = if *sse { "sse" } else { "http" };
                if can[way] != true {
                    return Err(format!("use the MCP server `{}`: it does not speak {way}", server.name));
                }
                Ok(json!({ "type": way, "name": server.name, "url": url, "headers": pairs(headers) }))
            }
        };
        self.job.mcp.iter().map(server).collect()
    }

    fn give_up(&self, what: &str, effects: &mut Vec<Effect>) {
        let message = format!("{} cannot {what}", self.name());
        effects.push(Effect::End(Some(Fault::new(ErrorCode::BadRequest, message))));
    }

    fn name(&self) -> &str {
        let info = &self.agent["agentInfo"];
        text(info, "title").or(text(info, "name")).unwrap_or("the agent")
    }

    fn answered(&mut self, id: &Value, result: Result<Value, Value>, effects: &mut Vec<Effect>) -> bool {
        let Some(call) = self.calls.answered(id) else { return false };
        match (call, result) {
            (Call::Initialize, Ok(agent)) => {
                if agent["protocolVersion"].as_i64().is_some_and(|version| version != 1) {
                    let version = &agent["protocolVersion"];
                    let message = format!("the agent speaks version {version} of the protocol, and not version 1");
                    effects.push(Effect::End(Some(Fault::new(ErrorCode::Protocol, message))));
                    return true;
                }
                self.agent = agent;
                self.begin(effects);
            }
            (Call::Login, Ok(_)) => self.begin(effects),
            (Call::New, Ok(session)) => {
                let Some(id) = text(&session, "sessionId").map(str::to_owned) else {
                    let message = "the agent began a session and did not say its id";
                    effects.push(Effect::End(Some(Fault::new(ErrorCode::Protocol, message))));
                    return true;
                };
                self.ready(id, &session, effects);
            }
            (Call::Resume { .. }, Ok(session)) => {
                let asked = self.job.resume.as_ref().map(|resume| resume.native_session_id.clone());
                let id = text(&session, "sessionId").map(str::to_owned).or(asked).unwrap_or_default();
                self.spent_before = self.spent.unwrap_or(self.spent_before);
                self.ready(id, &session, effects);
            }
            (Call::Prompt, Ok(answer)) => self.turn_over(&answer, effects),
            (Call::Set(setting, order), Ok(answer)) => self.is_set(&setting, order, &answer, effects),
            (Call::Prompt, Err(error)) => self.turn_failed(wire::fault(&error), effects),
            (Call::Set(_, Some(order)), Err(error)) => effects.push(Effect::Refused(order, wire::fault(&error))),
            (Call::Set(setting, None), Err(error)) => {
                let mut fault = wire::fault(&error);
                fault.code = match (&setting, fault.code) {
                    (Setting::Model(_), ErrorCode::Other) => ErrorCode::ModelNotFound,
                    (_, ErrorCode::Other) => ErrorCode::BadRequest,
                    (_, code) => code,
                };
                let (what, value) = words_of(&setting);
                fault.message = format!("the agent refuses the {what} `{value}`: {}", fault.message);
                effects.push(Effect::End(Some(fault)));
            }
            (Call::New | Call::Resume { .. }, Err(error)) => self.not_begun(&error, effects),
            (Call::Initialize, Err(error)) => effects.push(Effect::End(Some(wire::fault(&error)))),
            (Call::Login, Err(error)) => self.no_login(&error, effects),
        }
        true
    }

    /// The session could not begin: perhaps a login helps that needs nobody.
    fn not_begun(&mut self, error: &Value, effects: &mut Vec<Effect>) {
        let mut fault = wire::fault(error);
        let methods = list(&self.agent, "authMethods");
        if fault.code == ErrorCode::Auth && !self.logged_in {
            self.logged_in = true;
            if let Some(method) = wire::silent_login(methods) {
                let params = json!({ "methodId": method });
                return self.call("authenticate", &params, Call::Login, effects);
            }
        }
        if fault.code == ErrorCode::Auth {
            return self.no_login(error, effects);
        }
        if fault.code == ErrorCode::Other && self.job.resume.is_some() {
            fault.code = ErrorCode::BadRequest;
            fault.message = format!("{} cannot go on with the conversation: {}", self.name(), fault.message);
        }
        effects.push(Effect::End(Some(fault)));
    }

    fn no_login(&self, error: &Value, effects: &mut Vec<Effect>) {
        let ways: Vec<&str> = list(&self.agent, "authMethods").iter().filter_map(|way| text(way, "name")).collect();
        let mut message = format!("{} is not logged in: {}", self.name(), wire::fault(error).message);
        if !ways.is_empty() {
            message = format!("{message} (log in with the agent's own program; it knows: {})", ways.join(", "));
        }
        effects.push(Effect::End(Some(Fault::new(ErrorCode::Auth, message))));
    }

    fn ready(&mut self, id: String, session: &Value, effects: &mut Vec<Effect>) {
        effects.push(Effect::Native(id.clone()));
        self.session = Some(id);
        self.offered = json!({ "modes": session["modes"], "models": session["models"], "configOptions": session["configOptions"] });
        let current = |category: &str| {
            wire::option(&session["configOptions"], category).map(|option| option["currentValue"].clone())
        };
        let model = current("model").or_else(|| session["models"].get("currentModelId").cloned());
        let mode = session["modes"].get("currentModeId").cloned().or_else(|| current("mode"));
        for (key, value) in [("model", model), ("mode", mode), ("effort", current("thought_level"))] {
            if let Some(value) = value.filter(Value::is_string) {
                self.info[key] = value;
            }
        }
        let version = text(&self.agent["agentInfo"], "version");
        if let Some(version) = version {
            self.info["agent_version"] = json!(version);
        }
        self.tell_info(effects);
        self.next_setting(effects);
    }

    fn tell_info(&self, effects: &mut Vec<Effect>) {
        self.status(StatusLabel::SessionInfo, None, self.info.clone(), effects);
    }

    fn status(&self, label: StatusLabel, detail: Option<String>, json: Value, effects: &mut Vec<Effect>) {
        effects.push(Effect::Status(Status { label, detail, json, parent: None }));
    }

    /// One setting after the other, then the prompt that waits.
    fn next_setting(&mut self, effects: &mut Vec<Effect>) {
        while !self.wanted.is_empty() {
            let setting = self.wanted.remove(0);
            let (key, value) = words_of(&setting);
            if self.info[key] == value {
                continue;
            }
            if let Err(fault) = self.set(setting, None, effects) {
                effects.push(Effect::End(Some(*fault)));
            }
            return;
        }
        if let Some((order, prompt)) = self.early.take() {
            self.prompt(order, &prompt, effects);
        }
    }

    fn set(&mut self, setting: Setting, order: Option<OrderId>, effects: &mut Vec<Effect>) -> Result<(), Box<Fault>> {
        let session = self.session.clone().unwrap_or_default();
        let options = &self.offered["configOptions"];
        let (category, (what, value)) = match &setting {
            Setting::Model(_) => ("model", words_of(&setting)),
            Setting::Mode(_) => ("mode", words_of(&setting)),
            Setting::Effort(_) => ("thought_level", words_of(&setting)),
        };
        let option = wire::option(options, category).and_then(|option| text(option, "id"));
        let by_mode = matches!(setting, Setting::Mode(_)) && self.offered["modes"].is_object();
        let by_model = matches!(setting, Setting::Model(_)) && self.offered["models"].is_object();
        let (method, params) = match option {
            _ if by_mode => ("session/set_mode", json!({ "sessionId": session, "modeId": value })),
            Some(id) => ("session/set_config_option", json!({ "sessionId": session, "configId": id, "value": value })),
            None if by_model => ("session/set_model", json!({ "sessionId": session, "modelId": value })),
            None => {
                let message = format!("{} lets no {what} be chosen over this protocol", self.name());
                return Err(Box::new(Fault::new(ErrorCode::BadRequest, message)));
            }
        };
        self.call(method, &params, Call::Set(setting, order), effects);
        Ok(())
    }

    fn is_set(&mut self, setting: &Setting, order: Option<OrderId>, answer: &Value, effects: &mut Vec<Effect>) {
        if answer["configOptions"].is_array() {
            self.offered["configOptions"] = answer["configOptions"].clone();
        }
        let (what, value) = words_of(setting);
        self.changed(what, &json!(value), effects);
        match order {
            Some(order) => effects.push(Effect::Taken(order)),
            None => self.next_setting(effects),
        }
    }

    /// The model, mode or effort is another now.
    fn changed(&mut self, what: &'static str, value: &Value, effects: &mut Vec<Effect>) {
        if !value.is_string() || self.info[what] == *value {
            return;
        }
        self.info[what] = value.clone();
        let (label, json) = match what {
            "mode" => (StatusLabel::ModeChanged, json!({ "mode": value })),
            "effort" => (StatusLabel::ModelChanged, json!({ "model": self.info["model"], "effort": value })),
            _ => (StatusLabel::ModelChanged, json!({ "model": value })),
        };
        self.status(label, None, json, effects);
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        if prompt.steer {
            let fault =
                Fault::new(ErrorCode::BadRequest, "the protocol has no way to put a prompt into a running turn");
            effects.push(Effect::Refused(order, fault));
            return;
        }
        let Some(session) = self.session.clone() else {
            self.early = Some((order, prompt.clone()));
            return;
        };
        let mut blocks = vec![json!({ "type": "text", "text": prompt.text })];
        for file in &prompt.attachments {
            if !file.mime.starts_with("image/") {
                let name = file.path.rsplit('/').next().unwrap_or_default();
                let uri = file_uri(&file.path);
                blocks.push(json!({ "type": "resource_link", "uri": uri, "name": name, "mimeType": file.mime }));
            } else if self.agent["agentCapabilities"]["promptCapabilities"]["image"] == true {
                blocks.push(json!({ "type": "image", "mimeType": file.mime, "data": file.base64 }));
            } else {
                let fault = Fault::new(ErrorCode::BadRequest, format!("{} takes no pictures", self.name()));
                effects.push(Effect::Refused(order, fault));
                return;
            }
        }
        self.turn = Some(Turn { prompt: Some(prompt.text.clone()), ..Turn::default() });
        self.begin_turn();
        self.call("session/prompt", &json!({ "sessionId": session, "prompt": blocks }), Call::Prompt, effects);
        effects.push(Effect::Taken(order));
    }

    fn begin_turn(&mut self) {
        self.cancelled = false;
        self.spent_before = self.spent.unwrap_or(self.spent_before);
        self.tools.retain(|_, tool| !tool.over);
    }

    pub(super) fn cancel(&mut self, effects: &mut Vec<Effect>) {
        self.cancelled = true;
        let mut open: Vec<RequestKey> = self.pending.keys().copied().collect();
        open.sort();
        if let Some(session) = &self.session {
            let line = json!({ "method": "session/cancel", "params": { "sessionId": session } }).to_string();
            self.say(&line, effects);
        }
        // The protocol wants every open request answered after a cancel.
        for key in open {
            self.reply(key, &Reply::Cancelled, effects);
        }
        if self.turn.as_ref().is_some_and(|turn| turn.prompt.is_none()) {
            self.end_turn(Stop::Interrupted, &Value::Null, effects);
        }
    }

    fn turn_over(&mut self, answer: &Value, effects: &mut Vec<Effect>) {
        let failed = |code, message: &str| Stop::Failed(Fault::new(code, message));
        let stop = match text(answer, "stopReason") {
            Some("max_tokens") => failed(ErrorCode::MaxTokens, "the answer reached the model's limit"),
            Some("max_turn_requests") => failed(ErrorCode::MaxTurns, "the turn reached the limit of model requests"),
            Some("refusal") => failed(ErrorCode::Refusal, "the model refused to go on"),
            Some("cancelled") => Stop::Interrupted,
            Some(_) | None => match self.turn.as_mut().and_then(|turn| turn.broken.take()) {
                Some(_) if self.cancelled => Stop::Interrupted,
                Some(why) => Stop::Failed(wire::fault(&json!({ "message": why.trim() }))),
                None => Stop::Done,
            },
        };
        self.end_turn(stop, answer, effects);
    }

    fn turn_failed(&mut self, fault: Fault, effects: &mut Vec<Effect>) {
        let stop = if self.cancelled { Stop::Interrupted } else { Stop::Failed(fault) };
        self.end_turn(stop, &Value::Null, effects);
    }

    fn end_turn(&mut self, stop: Stop, answer: &Value, effects: &mut Vec<Effect>) {
        let status = match stop {
            Stop::Done => ItemStatus::Completed,
            Stop::Interrupted => ItemStatus::Cancelled,
            Stop::Failed(_) => ItemStatus::Failed,
        };
        self.close_text(status, effects);
        self.close_tools(effects);
        let counted = self.turn.take().and_then(|turn| turn.counted);
        let mut verdict = Verdict::new(stop);
        verdict.stop_reason = text(answer, "stopReason").map(str::to_owned);
        verdict.usage = wire::usage(answer).or(counted);
        verdict.models = wire::models(answer);
        if let Some(now) = self.spent {
            // A counter that went back began anew.
            let usd = if now >= self.spent_before { now - self.spent_before } else { now };
            verdict.cost = (usd > 0.0).then_some(Cost { usd, basis: CostBasis::Reported });
            verdict.totals = Some(json!({ "usd": now }));
        }
        effects.push(Effect::TurnEnded(Box::new(verdict)));
    }

    fn notified(&mut self, method: &str, params: &Value, effects: &mut Vec<Effect>) -> Result<(), String> {
        match method {
            "session/update" => self.updated(params, effects),
            "elicitation/complete" => Ok(()),
            "$/cancel_request" => {
                let gone = self.pending.iter().find(|(_, pending)| pending.id == params["requestId"]);
                if let Some(key) = gone.map(|(key, _)| *key) {
                    effects.push(Effect::Withdrawn(key));
                    self.pending.remove(&key);
                    self.say(&jsonrpc::refuse(&params["requestId"], -32800, "cancelled"), effects);
                }
                Ok(())
            }
            _ if wire::is_ignored(method, text(&self.agent["agentInfo"], "name").unwrap_or_default()) => Ok(()),
            _ => Err("an unknown notification".to_owned()),
        }
    }

    fn updated(&mut self, params: &Value, effects: &mut Vec<Effect>) -> Result<(), String> {
        let update = &params["update"];
        let kind = text(update, "sessionUpdate").ok_or("an update without its kind")?;
        let replayed = self.calls.any(|call| matches!(call, Call::Resume { .. }));
        if let (Some(ours), Some(theirs)) = (&self.session, text(params, "sessionId"))
            && ours != theirs
        {
            return Err(format!("an update of another session, {theirs}"));
        }
        if let (Some(turn), Some(usage)) = (&mut self.turn, wire::counted(update)) {
            turn.counted = Some(turn.counted.map_or(usage, |sum| sum.plus(usage)));
        }
        match kind {
            // What is told again of an earlier conversation sets baselines and is not told by us.
            "user_message_chunk"
            | "agent_message_chunk"
            | "agent_thought_chunk"
            | "tool_call"
            | "tool_call_update"
            | "plan"
            | "notice"
            | "compaction_update"
            | "compaction_summary_chunk"
                if replayed => {}
            "agent_message_chunk" => self.chunk(Chunk::Answer, update, effects),
            "agent_thought_chunk" => self.chunk(Chunk::Thought, update, effects),
            "user_message_chunk" => self.echo(update, effects),
            "compaction_summary_chunk" => self.chunk(Chunk::Injected, update, effects),
            "tool_call" | "tool_call_update" => {
                if kind == "tool_call" {
                    self.ensure_turn(effects);
                }
                if self.turn.is_some() {
                    self.tool(update, kind == "tool_call", effects).ok_or("a tool call without its id")?;
                }
            }
            "plan" | "plan_update" => {
                let plan = if update["entries"].is_array() { update } else { &update["plan"] };
                self.status(StatusLabel::Todo, None, json!({ "entries": entries(plan) }), effects);
            }
            "plan_removed" => self.status(StatusLabel::Todo, None, json!({ "entries": [] }), effects),
            "current_mode_update" => self.changed("mode", &update["currentModeId"], effects),
            "config_option_update" => {
                self.offered["configOptions"] = update["configOptions"].clone();
                for (what, category) in [("model", "model"), ("mode", "mode"), ("effort", "thought_level")] {
                    if let Some(option) = wire::option(&update["configOptions"], category) {
                        self.changed(what, &option["currentValue"].clone(), effects);
                    }
                }
            }
            "available_commands_update" => {
                let names: Vec<&Value> = list(update, "availableCommands").iter().map(|each| &each["name"]).collect();
                self.info["commands"] = json!(names);
                self.tell_info(effects);
            }
            "session_info_update" => {
                if let (Some(turn), Some(broken)) = (&mut self.turn, wire::is_broken(update)) {
                    turn.broken = broken.then(String::new);
                }
                if let Some(fault) = wire::retry(update) {
                    effects.push(Effect::Setback(fault));
                }
                if let Some(title) = text(update, "title") {
                    self.status(StatusLabel::SessionTitle, None, json!({ "title": title }), effects);
                }
            }
            "usage_update" => {
                if update["size"].as_u64().is_some_and(|size| size > 0) && !replayed {
                    let json = json!({ "used": update["used"], "size": update["size"] });
                    self.status(StatusLabel::Context, None, json, effects);
                }
                if update["cost"]["currency"] == "USD" {
                    self.spent = update["cost"]["amount"].as_f64().or(self.spent);
                }
            }
            "notice" => {
                let said = text(update, "message").or(text(update, "text")).or(text(&update["content"], "text"));
                self.injected(said.unwrap_or_default(), effects);
            }
            "compaction_update" => {
                self.status(StatusLabel::Compaction, None, json!({ "status": update["status"] }), effects)
            }
            _ => return Err(format!("an unknown kind of update, {kind}")),
        }
        Ok(())
    }

    /// The prompt told back is no news; anything else under its name is text that the agent put there.
    fn echo(&mut self, update: &Value, effects: &mut Vec<Effect>) {
        let said = text(&update["content"], "text").unwrap_or_default();
        let prompt = self.turn.as_ref().and_then(|turn| turn.prompt.as_deref()).unwrap_or_default();
        if !prompt.contains(said.trim()) {
            self.chunk(Chunk::Injected, update, effects);
        }
    }

    fn injected(&mut self, said: &str, effects: &mut Vec<Effect>) {
        if said.is_empty() {
            return;
        }
        self.close_text(ItemStatus::Completed, effects);
        let content = vec![ContentPart::Text { text: said.to_owned() }];
        let key = self.begin_text(Chunk::Injected, None, content, effects);
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
    }

    /// A piece of text: it grows the open one, or begins another where kind or message are others.
    fn chunk(&mut self, kind: Chunk, update: &Value, effects: &mut Vec<Effect>) {
        let message = text(update, "messageId").map(str::to_owned);
        let content = &update["content"];
        if kind != Chunk::Injected {
            self.ensure_turn(effects);
        }
        let Some(more) = text(content, "text").filter(|_| content["type"] == "text" || content["type"].is_null())
        else {
            if let Some(part) = other_part(content) {
                self.close_text(ItemStatus::Completed, effects);
                let key = self.begin_text(kind, message, vec![part], effects);
                effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
            }
            return;
        };
        if more.is_empty() {
            return;
        }
        if let Some(why) = self.turn.as_mut().and_then(|turn| turn.broken.as_mut()) {
            why.push_str(more);
        }
        if kind != Chunk::Injected {
            self.close_refused(effects);
        }
        let goes_on =
            self.open.as_ref().filter(|open| open.kind == kind && open.message == message).map(|open| open.key);
        let key = goes_on.unwrap_or_else(|| {
            self.close_text(ItemStatus::Completed, effects);
            let part = match kind {
                Chunk::Answer | Chunk::Injected => ContentPart::Text { text: String::new() },
                Chunk::Thought => ContentPart::Reasoning { text: String::new(), visibility: Visibility::Public },
            };
            let key = self.begin_text(kind, message.clone(), vec![part], effects);
            self.open = Some(OpenText { key, kind, message });
            key
        });
        effects.push(Effect::Grow(key, more.to_owned()));
    }

    fn begin_text(
        &mut self,
        kind: Chunk,
        message: Option<String>,
        content: Vec<ContentPart>,
        effects: &mut Vec<Effect>,
    ) -> Key {
        let key = self.key();
        let (kind, role) = match kind {
            Chunk::Answer | Chunk::Thought => (ItemKind::Message, Role::Assistant),
            Chunk::Injected => (ItemKind::System, Role::System),
        };
        let native = message.clone();
        effects.push(Effect::Start(Start {
            key,
            native,
            parent: None,
            group: message,
            kind,
            role: Some(role),
            content,
        }));
        key
    }

    pub(super) fn close_text(&mut self, status: ItemStatus, effects: &mut Vec<Effect>) {
        if let Some(open) = self.open.take() {
            effects.push(Effect::Finish(Finish { key: open.key, status, content: None }));
        }
    }

    /// What is said when nobody asked belongs to a turn of its own, over when it has been silent for a while.
    fn ensure_turn(&mut self, effects: &mut Vec<Effect>) {
        if self.turn.is_none() && self.session.is_some() {
            self.turn = Some(Turn::default());
            self.begin_turn();
            effects.push(Effect::TurnBegan(Cause::Background));
        }
        if self.turn.as_ref().is_some_and(|turn| turn.prompt.is_none()) {
            effects.push(Effect::Wake(QUIET, SILENCE));
        }
    }

    fn silent(&mut self, effects: &mut Vec<Effect>) {
        if self.turn.as_ref().is_none_or(|turn| turn.prompt.is_some()) {
            return;
        }
        if self.tools.values().all(|tool| tool.over) && self.pending.is_empty() {
            self.end_turn(Stop::Done, &Value::Null, effects);
        } else {
            effects.push(Effect::Wake(QUIET, SILENCE));
        }
    }

    fn line(&mut self, line: &str, effects: &mut Vec<Effect>) {
        let unparsed = |error: String, location: &str| Effect::Unparsed { error, location: location.to_owned() };
        let message: wire::Message = match serde_json::from_str(line) {
            Ok(message) => message,
            Err(error) => {
                effects.push(unparsed(format!("the line is no message: {error}"), "stdout"));
                return;
            }
        };
        match (&message.method, &message.id) {
            (Some(method), Some(id)) => {
                if !self.requested(method, id, &message.params, effects) {
                    effects.push(unparsed("an unknown request".to_owned(), method));
                }
            }
            (Some(method), None) => {
                if let Err(error) = self.notified(method, &message.params, effects) {
                    effects.push(unparsed(error, method));
                }
            }
            (None, Some(id)) => {
                let result = match message.error {
                    Some(error) => Err(error),
                    None => Ok(message.result),
                };
                if !self.answered(id, result, effects) {
                    effects.push(unparsed(format!("an answer to no call of ours (id {id})"), "answer"));
                }
            }
            (None, None) => effects.push(unparsed("neither a call nor an answer".to_owned(), "stdout")),
        }
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Opened => {
                let params = wire::initialize(&self.job.client_version);
                self.call("initialize", &params, Call::Initialize, effects);
            }
            Input::Line(line) => self.line(line, effects),
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Decide(key, decision) => self.reply(*key, &Reply::Decided(decision), effects),
                Order::Answer(key, answers) => self.reply(*key, &Reply::Answered(answers), effects),
                Order::Refuse(key, _) => self.reply(*key, &Reply::Refused, effects),
                Order::Set(setting) => {
                    if let Err(fault) = self.set(setting.clone(), Some(id), effects) {
                        effects.push(Effect::Refused(id, *fault));
                    }
                }
                Order::Cancel => self.cancel(effects),
            },
            Input::Woke(_) => self.silent(effects),
            // The engine tells of a death better than we could.
            Input::Closed(_) | Input::Reply { .. } | Input::StreamLost => {}
        }
    }
}

fn words_of(setting: &Setting) -> (&'static str, &str) {
    match setting {
        Setting::Model(model) => ("model", model),
        Setting::Mode(mode) => ("mode", mode),
        Setting::Effort(effort) => ("effort", effort),
    }
}

/// A plan's entries as a todo list.
fn entries(plan: &Value) -> Vec<Value> {
    list(plan, "entries")
        .iter()
        .map(|entry| {
            let status = match text(entry, "status") {
                Some(status @ ("in_progress" | "completed")) => status,
                Some(_) | None => "pending",
            };
            let mut todo = json!({ "content": entry["content"].as_str().unwrap_or_default(), "status": status });
            if let Some(priority) = text(entry, "priority") {
                todo["priority"] = json!(priority);
            }
            todo
        })
        .collect()
}

fn file_uri(path: &str) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
