//! Codex's conversation as a state machine: threads, turns, usage, errors.

use std::collections::HashMap;
use std::time::Duration;

use schema::event::{Cause, PermissionMode, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::items::Known;
use super::requests::Pending;
use super::wire;
use crate::agent::Job;
use crate::dialect::{
    Dialect, Effect, Fault, Finish, Input, Key, Order, OrderId, Prompt, RequestKey, Setting, Start, Status, Stop,
    Timer, Verdict,
};
use crate::jsonrpc::{Calls, notify};
use crate::mcp::{Reach, Server};

/// When commands that do not end are waited for no longer.
const CLEANED: Timer = Timer(1);
const PATIENCE: Duration = Duration::from_millis(500);

/// One conversation.
pub(super) struct Conversation {
    job: Job,
    calls: Calls<Call>,
    /// Our thread, once it is there.
    thread: Option<String>,
    /// The model that the thread uses.
    model: Option<String>,
    /// A prompt that came before the thread was ready.
    early: Option<(OrderId, Prompt)>,
    /// The running turn's native id; empty while it is not known yet.
    turn: Option<String>,
    /// The turn is to be interrupted as soon as its id is known.
    interrupt: bool,
    /// The turn is one that answers nothing (`/compact`).
    silent: bool,
    /// The end of the main turn, while sub-agents go on.
    over: Option<Stop>,
    /// The turn was interrupted, and its commands are being ended.
    closing: bool,
    keys: u32,
    asked: u32,
    pub(super) items: HashMap<String, Known>,
    pub(super) pending: HashMap<RequestKey, Pending>,
    /// Threads of sub-agents, and the call below which each works.
    pub(super) agents: HashMap<String, Key>,
    /// The newest call that may have started a sub-agent.
    pub(super) last_agent_call: Option<Key>,
    counters: HashMap<String, Counter>,
    /// What the model said since its last complete answer: it is taken back when the stream breaks.
    pub(super) attempt: Vec<Key>,
    mcp: Vec<Value>,
    /// Notices are told once.
    told: Vec<String>,
}

/// A thread's counters run on.
#[derive(Debug, Clone, Copy)]
struct Counter {
    now: Usage,
    before: Usage,
}

/// What a call of ours was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Initialize,
    Login,
    Skills,
    Thread,
    Turn(OrderId),
    Compact(OrderId),
    Steer(OrderId),
    Interrupt,
    Clean,
}

impl Conversation {
    pub(super) fn new(job: &Job) -> Conversation {
        let mut counters = HashMap::new();
        if let Some(resume) = &job.resume
            && let Some(totals) = resume.totals.as_ref().and_then(|totals| Usage::deserialize(totals).ok())
        {
            // A copy's counters run on from the original's.
            let key = if resume.fork { String::new() } else { resume.native_session_id.clone() };
            counters.insert(key, Counter { now: totals, before: totals });
        }
        Conversation {
            job: job.clone(),
            calls: Calls::new(),
            thread: None,
            model: job.model.clone(),
            early: None,
            turn: None,
            interrupt: false,
            silent: false,
            over: None,
            closing: false,
            keys: 0,
            asked: 0,
            items: HashMap::new(),
            pending: HashMap::new(),
            agents: HashMap::new(),
            last_agent_call: None,
            counters,
            attempt: Vec::new(),
            mcp: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn key(&mut self) -> Key {
        self.keys += 1;
        Key(self.keys)
    }

    pub(super) fn request_key(&mut self) -> RequestKey {
        self.asked += 1;
        RequestKey(self.asked)
    }

    pub(super) fn cwd(&self) -> &str {
        &self.job.cwd
    }

    /// The call that an item of this thread is nested in; `None` for our own thread.
    pub(super) fn parent_of(&self, thread: &str) -> Option<Key> {
        if self.thread.as_deref() == Some(thread) {
            return None;
        }
        // A sub-agent may speak before the item that starts it says its thread.
        self.agents.get(thread).copied().or(self.last_agent_call)
    }

    fn call(&mut self, method: &str, params: &Value, purpose: Call, effects: &mut Vec<Effect>) {
        effects.push(Effect::Say(self.calls.call(method, params, purpose)));
    }

    fn open(&mut self, effects: &mut Vec<Effect>) {
        let quiet: Vec<&str> =
            ["thread/readState/changed", "remoteControl/status/changed", "thread/status/changed"].into();
        let params = json!({
            "clientInfo": { "name": "sandbox-agent", "title": null, "version": self.job.client_version },
            "capabilities": {
                "experimentalApi": true, "requestAttestation": false, "optOutNotificationMethods": quiet,
            },
        });
        self.call("initialize", &params, Call::Initialize, effects);
    }

    /// Approval policy and sandbox by permission mode. Never `never`: it refuses by itself, without a word.
    fn permissions(&self) -> (&'static str, &'static str) {
        if self.job.must_ask {
            return ("untrusted", "danger-full-access");
        }
        match self.job.permission_mode {
            PermissionMode::ReadOnly | PermissionMode::Ask | PermissionMode::AcceptEdits => {
                ("untrusted", "danger-full-access")
            }
            PermissionMode::Auto => ("on-request", "workspace-write"),
            PermissionMode::Bypass => ("on-request", "danger-full-access"),
        }
    }

    /// With a key that was handed over Codex logs in first: its app-server takes none from the environment.
    fn log_in(&mut self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Say(notify("initialized")));
        match self.job.api_key.take() {
            Some(key) => {
                let params = json!({ "type": "apiKey", "apiKey": key.0 });
                self.call("account/login/start", &params, Call::Login, effects);
            }
            None => self.begin_session(effects),
        }
    }

    /// Says where the session's skills lie, and begins the thread.
    fn begin_session(&mut self, effects: &mut Vec<Effect>) {
        if self.job.skills.is_empty() {
            return self.begin_thread(effects);
        }
        let params = json!({ "extraRoots": [format!("{}/skills", self.job.folder)] });
        self.call("skills/extraRoots/set", &params, Call::Skills, effects);
    }

    fn begin_thread(&mut self, effects: &mut Vec<Effect>) {
        let (policy, sandbox) = self.permissions();
        let mut params = json!({ "cwd": self.job.cwd, "approvalPolicy": policy, "sandbox": sandbox });
        if let Some(model) = &self.job.model {
            params["model"] = json!(model);
        }
        match servers(&self.job.mcp) {
            Ok(servers) if servers.is_empty() => {}
            Ok(servers) => params["config"] = Value::Object(servers),
            Err(message) => return effects.push(Effect::End(Some(Fault::new(ErrorCode::BadRequest, message)))),
        }
        let method = match &self.job.resume {
            None => "thread/start",
            Some(resume) => {
                params["threadId"] = json!(resume.native_session_id);
                params["excludeTurns"] = json!(true);
                if resume.fork { "thread/fork" } else { "thread/resume" }
            }
        };
        self.call(method, &params, Call::Thread, effects);
    }

    fn answered(&mut self, id: &Value, result: Result<&RawValue, &Value>, effects: &mut Vec<Effect>) -> bool {
        let Some(call) = self.calls.answered(id) else { return false };
        match (call, result) {
            (Call::Initialize, Ok(_)) => self.log_in(effects),
            (Call::Login, Ok(_)) => self.begin_session(effects),
            (Call::Skills, Ok(_)) => self.begin_thread(effects),
            (Call::Login, Err(error)) => {
                // It may work without, as where the user's own provider has a key.
                let why = fault_of_answer(error).message;
                self.system(format!("Codex did not take the key that was handed over: {why}"), None, effects);
                self.begin_session(effects);
            }
            (Call::Thread, Ok(answer)) => match serde_json::from_str::<wire::ThreadAnswer>(answer.get()) {
                Ok(answer) => self.thread_ready(answer, effects),
                Err(error) => {
                    let message = format!("Codex began a thread in words we do not know: {error}");
                    effects.push(Effect::End(Some(Fault::new(ErrorCode::Protocol, message))));
                }
            },
            (Call::Turn(order), Ok(answer)) => {
                #[derive(Deserialize)]
                struct Answer {
                    turn: wire::Turn,
                }
                if let Ok(answer) = serde_json::from_str::<Answer>(answer.get()) {
                    self.turn_known(answer.turn.id, effects);
                }
                effects.push(Effect::Taken(order));
            }
            (Call::Compact(order) | Call::Steer(order), Ok(_)) => effects.push(Effect::Taken(order)),
            (Call::Interrupt | Call::Clean, Ok(_)) => {}
            (Call::Turn(order) | Call::Compact(order), Err(error)) => {
                self.turn = None;
                effects.push(Effect::Refused(order, fault_of_answer(error)));
            }
            (Call::Steer(order), Err(error)) => effects.push(Effect::Refused(order, fault_of_answer(error))),
            (Call::Initialize | Call::Skills | Call::Thread, Err(error)) => {
                effects.push(Effect::End(Some(fault_of_answer(error))))
            }
            // The turn was over already, or nothing was left to clean.
            (Call::Interrupt | Call::Clean, Err(_)) => {}
        }
        true
    }

    fn thread_ready(&mut self, answer: wire::ThreadAnswer, effects: &mut Vec<Effect>) {
        if let Some(counter) = self.counters.remove("") {
            self.counters.insert(answer.thread.id.clone(), counter);
        }
        effects.push(Effect::Native(answer.thread.id.clone()));
        self.thread = Some(answer.thread.id);
        self.model = answer.model.or(self.model.take());
        let mut info = json!({ "model": self.model });
        if let Some(effort) = answer.reasoning_effort {
            info["effort"] = json!(effort);
        }
        if let Some(mode) = &self.job.mode {
            info["mode"] = json!(mode);
        }
        effects.push(Effect::Status(Status {
            label: StatusLabel::SessionInfo,
            detail: None,
            json: info,
            parent: None,
        }));
        if let Some((order, prompt)) = self.early.take() {
            self.prompt(order, &prompt, effects);
        }
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        let Some(thread) = self.thread.clone() else {
            self.early = Some((order, prompt.clone()));
            return;
        };
        let mut input = vec![json!({ "type": "text", "text": prompt.text, "text_elements": [] })];
        for file in &prompt.attachments {
            input.push(json!({ "type": "image", "url": format!("data:{};base64,{}", file.mime, file.base64) }));
        }
        if prompt.steer {
            match &self.turn {
                Some(turn) if !turn.is_empty() => {
                    let params = json!({ "threadId": thread, "expectedTurnId": turn, "input": input });
                    self.call("turn/steer", &params, Call::Steer(order), effects);
                }
                Some(_) | None => {
                    let fault = Fault::new(ErrorCode::BadRequest, "no turn is running that could be steered");
                    effects.push(Effect::Refused(order, fault));
                }
            }
            return;
        }
        self.begin_turn();
        if prompt.text.trim() == "/compact" && prompt.attachments.is_empty() {
            self.silent = true;
            self.call("thread/compact/start", &json!({ "threadId": thread }), Call::Compact(order), effects);
            return;
        }
        let mut params = json!({ "threadId": thread, "input": input });
        // The one that the thread began with may have been changed since.
        if let Some(model) = &self.job.model {
            params["model"] = json!(model);
        }
        if let Some(effort) = &self.job.effort {
            params["effort"] = json!(effort);
        }
        if let Some(mode) = &self.job.mode {
            let settings =
                json!({ "model": self.model, "reasoning_effort": self.job.effort, "developer_instructions": null });
            params["collaborationMode"] = json!({ "mode": mode, "settings": settings });
        }
        self.call("turn/start", &params, Call::Turn(order), effects);
    }

    fn begin_turn(&mut self) {
        self.turn = Some(String::new());
        self.over = None;
        self.silent = false;
        self.closing = false;
        self.interrupt = false;
        self.attempt.clear();
        for counter in self.counters.values_mut() {
            counter.before = counter.now;
        }
    }

    fn turn_known(&mut self, id: String, effects: &mut Vec<Effect>) {
        if let Some(turn) = &mut self.turn {
            *turn = id;
        }
        if self.interrupt {
            self.interrupt(effects);
        }
    }

    fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let (Some(thread), Some(turn)) = (&self.thread, &self.turn) else { return };
        if turn.is_empty() {
            self.interrupt = true;
            return;
        }
        self.interrupt = false;
        let params = json!({ "threadId": thread, "turnId": turn });
        self.call("turn/interrupt", &params, Call::Interrupt, effects);
    }

    fn set(&mut self, order: OrderId, setting: &Setting, effects: &mut Vec<Effect>) {
        let (label, json) = match setting {
            Setting::Model(model) => {
                self.job.model = Some(model.clone());
                self.model = Some(model.clone());
                (StatusLabel::ModelChanged, json!({ "model": model }))
            }
            Setting::Mode(mode) => {
                self.job.mode = Some(mode.clone());
                (StatusLabel::ModeChanged, json!({ "mode": mode }))
            }
            Setting::Effort(effort) => {
                self.job.effort = Some(effort.clone());
                (StatusLabel::ModelChanged, json!({ "model": self.model, "effort": effort }))
            }
        };
        effects.push(Effect::Taken(order));
        effects.push(Effect::Status(Status { label, detail: None, json, parent: None }));
    }

    fn notified(
        &mut self,
        method: &str,
        params: &RawValue,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        let params = params.get();
        match method {
            "item/agentMessage/delta" | "item/plan/delta" | "item/commandExecution/outputDelta" => {
                let delta: wire::Delta<'_> = serde_json::from_str(params)?;
                self.grown(delta, effects);
            }
            "item/reasoning/summaryTextDelta" => self.reasoned(params, true, effects)?,
            "item/reasoning/textDelta" => self.reasoned(params, false, effects)?,
            "item/started" => self.item(serde_json::from_str(params)?, false, effects)?,
            "item/completed" => {
                self.item(serde_json::from_str(params)?, true, effects)?;
                if self.closing && !self.runs_commands() {
                    self.close(effects);
                }
            }
            "turn/started" => self.turn_started(serde_json::from_str(params)?, effects),
            "turn/completed" => self.turn_completed(serde_json::from_str(params)?, effects),
            "thread/tokenUsage/updated" => self.counted(serde_json::from_str(params)?, effects),
            "error" => self.failed(&serde_json::from_str(params)?, effects),
            "serverRequest/resolved" => self.withdrawn(&serde_json::from_str(params)?, effects),
            "turn/diff/updated" => {
                let params: Value = serde_json::from_str(params)?;
                self.status(StatusLabel::Diff, json!({ "diff": params["diff"] }), &params, effects);
            }
            "turn/plan/updated" => {
                let raw: Value = serde_json::from_str(params)?;
                let plan: wire::PlanParams = serde_json::from_str(params)?;
                self.status(StatusLabel::Todo, json!({ "entries": todo(&plan) }), &raw, effects);
            }
            "thread/compacted" => {
                let params: Value = serde_json::from_str(params)?;
                self.status(StatusLabel::Compaction, json!({}), &params, effects);
            }
            "thread/name/updated" => {
                let params: Value = serde_json::from_str(params)?;
                self.status(StatusLabel::SessionTitle, json!({ "title": params["threadName"] }), &params, effects);
            }
            "model/rerouted" => {
                let params: Value = serde_json::from_str(params)?;
                let json = json!({ "model": params["toModel"], "from": params["fromModel"] });
                self.status(StatusLabel::ModelChanged, json, &params, effects);
            }
            "account/rateLimits/updated" => {
                let params: Value = serde_json::from_str(params)?;
                let limits = &params["rateLimits"];
                // Without a subscription it says nothing, after each request.
                if ["primary", "secondary", "rateLimitReachedType"].iter().any(|key| !limits[*key].is_null()) {
                    self.status(StatusLabel::RateLimit, limits.clone(), &Value::Null, effects);
                }
            }
            "mcpServer/startupStatus/updated" => self.mcp(&serde_json::from_str(params)?, effects),
            "warning" | "guardianWarning" => {
                let params: Value = serde_json::from_str(params)?;
                self.notice(&params, "message", effects);
            }
            "configWarning" | "deprecationNotice" => {
                let params: Value = serde_json::from_str(params)?;
                self.notice(&params, "summary", effects);
            }
            _ => return Ok(wire::is_ignored(method)),
        }
        Ok(true)
    }

    fn status(&mut self, label: StatusLabel, json: Value, params: &Value, effects: &mut Vec<Effect>) {
        let parent = params["threadId"].as_str().and_then(|thread| self.parent_of(thread));
        effects.push(Effect::Status(Status { label, detail: None, json, parent }));
    }

    fn mcp(&mut self, params: &Value, effects: &mut Vec<Effect>) {
        let (name, status) = (&params["name"], &params["status"]);
        if status == "starting" || params["threadId"].as_str().is_some_and(|thread| self.parent_of(thread).is_some()) {
            return;
        }
        self.mcp.retain(|server| server["name"] != *name);
        let mut server = json!({ "name": name, "status": status });
        if !params["error"].is_null() {
            server["error"] = params["error"].clone();
        }
        self.mcp.push(server);
        let json = json!({ "model": self.model, "mcp": self.mcp });
        effects.push(Effect::Status(Status { label: StatusLabel::SessionInfo, detail: None, json, parent: None }));
    }

    /// A notice for people: an item of kind `system`, told once.
    fn notice(&mut self, params: &Value, field: &str, effects: &mut Vec<Effect>) {
        let mut text = params[field].as_str().unwrap_or_default().to_owned();
        if let Some(details) = params["details"].as_str() {
            text = format!("{text}\n{details}");
        }
        if text.is_empty() || self.told.contains(&text) {
            return;
        }
        self.told.push(text.clone());
        let parent = params["threadId"].as_str().and_then(|thread| self.parent_of(thread));
        self.system(text, parent, effects);
    }

    /// Text that is nobody's prompt and nobody's answer.
    pub(super) fn system(&mut self, text: String, parent: Option<Key>, effects: &mut Vec<Effect>) {
        let key = self.key();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent,
            group: None,
            kind: ItemKind::System,
            role: Some(Role::System),
            content: vec![ContentPart::Text { text }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
    }

    fn turn_started(&mut self, params: wire::TurnParams, effects: &mut Vec<Effect>) {
        if let Some(call) = self.parent_of(&params.thread_id) {
            self.agents.insert(params.thread_id, call);
            effects.push(Effect::AgentBegan(call));
            return;
        }
        if self.turn.is_none() {
            // Nobody asked: Codex goes on by itself.
            self.begin_turn();
            effects.push(Effect::TurnBegan(Cause::Background));
        }
        self.turn_known(params.turn.id, effects);
    }

    fn turn_completed(&mut self, params: wire::TurnParams, effects: &mut Vec<Effect>) {
        if self.parent_of(&params.thread_id).is_some() {
            if let Some(call) = self.agents.remove(&params.thread_id) {
                if let Some(stop) = self.over.clone() {
                    effects.push(Effect::TurnEnded(Box::new(self.verdict(stop))));
                }
                if !self.agents.values().any(|other| *other == call) {
                    effects.push(Effect::AgentEnded(call));
                }
            }
            return;
        }
        if self.turn.take().is_none() {
            return;
        }
        self.interrupt = false;
        let stop = match params.turn.status.as_str() {
            "interrupted" => {
                // The command goes on otherwise, as a terminal in the background.
                let clean = json!({ "threadId": params.thread_id });
                self.call("thread/backgroundTerminals/clean", &clean, Call::Clean, effects);
                if self.runs_commands() {
                    // Their output is said only now, within some 10 ms.
                    self.closing = true;
                    effects.push(Effect::Wake(CLEANED, PATIENCE));
                    return;
                }
                Stop::Interrupted
            }
            "failed" => Stop::Failed(match params.turn.error {
                Some(error) => Fault::new(wire::code_of(&error), words(&error)),
                None => Fault::new(ErrorCode::Other, "Codex ended the turn as failed and did not say why"),
            }),
            _ => {
                self.leave_running(effects);
                Stop::Done
            }
        };
        if stop == Stop::Done {
            self.over = Some(stop.clone());
        }
        effects.push(Effect::TurnEnded(Box::new(self.verdict(stop))));
    }

    /// Whether what ends now was interrupted.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// The end of an interrupted turn, once its commands have ended.
    fn close(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.closing) {
            effects.push(Effect::TurnEnded(Box::new(self.verdict(Stop::Interrupted))));
        }
    }

    fn verdict(&self, stop: Stop) -> Verdict {
        let mut verdict = Verdict::new(stop);
        verdict.silent = self.silent;
        let used = self.counters.values().map(|counter| counter.now.since(counter.before)).reduce(Usage::plus);
        verdict.usage = used.filter(|used| used.total_tokens > 0);
        if let Some(main) = self.thread.as_ref().and_then(|thread| self.counters.get(thread)) {
            verdict.totals = serde_json::to_value(main.now).ok();
        }
        verdict
    }

    fn counted(&mut self, params: wire::UsageParams, effects: &mut Vec<Effect>) {
        let total = Usage::from(params.token_usage.total);
        let last = Usage::from(params.token_usage.last);
        let counter = self.counters.entry(params.thread_id.clone()).or_insert_with(|| {
            // First heard of in the middle of its life: what the last request did not use was used before.
            let before = total.since(last);
            Counter { now: before, before }
        });
        counter.now = total;
        if self.parent_of(&params.thread_id).is_none() {
            // A complete answer of the model: nothing of it will be taken back.
            self.attempt.clear();
            if let Some(size) = params.token_usage.model_context_window {
                let json = json!({ "used": params.token_usage.last.total_tokens, "size": size });
                effects.push(Effect::Status(Status { label: StatusLabel::Context, detail: None, json, parent: None }));
            }
        }
    }

    fn failed(&mut self, params: &wire::ErrorParams, effects: &mut Vec<Effect>) {
        // The final one is said by the turn's end.
        if !params.will_retry {
            return;
        }
        let mut fault = Fault::new(wire::code_of(&params.error), words(&params.error));
        fault.attempt = wire::attempt_of(&params.error.message);
        effects.push(Effect::Setback(fault));
        let abandoned = std::mem::take(&mut self.attempt);
        if abandoned.is_empty() {
            return;
        }
        for key in &abandoned {
            if self.items.values().any(|known| known.text == Some(*key) || known.private == Some(*key)) {
                effects.push(Effect::Finish(Finish { key: *key, status: ItemStatus::Failed, content: None }));
            }
        }
        self.items.retain(|_, known| known.text.is_none_or(|key| !abandoned.contains(&key)));
        effects.push(Effect::Retracted(abandoned));
    }

    fn line(&mut self, line: &str, effects: &mut Vec<Effect>) {
        if let Some(delta) = wire::piece(line) {
            return self.grown(delta, effects);
        }
        let unparsed = |error: String, location: &str| Effect::Unparsed { error, location: location.to_owned() };
        let message: wire::Message<'_> = match serde_json::from_str(line) {
            Ok(message) => message,
            Err(error) => {
                effects.push(unparsed(format!("the line is no message: {error}"), "stdout"));
                return;
            }
        };
        let empty = RawValue::NULL;
        match (&message.method, &message.id) {
            (Some(method), Some(id)) => {
                let params = message.params.unwrap_or(empty);
                if let Err(error) = self.requested(method, id, params, effects) {
                    effects.push(unparsed(error.to_string(), method));
                    // An unanswered request would hang the turn for good.
                    let refusal = crate::jsonrpc::refuse(id, -32602, "the client does not understand this request");
                    effects.push(Effect::Say(refusal));
                }
            }
            (Some(method), None) => match self.notified(method, message.params.unwrap_or(empty), effects) {
                Ok(true) => {}
                Ok(false) => effects.push(unparsed("an unknown notification".to_owned(), method)),
                Err(error) => effects.push(unparsed(error.to_string(), method)),
            },
            (None, Some(id)) => {
                let result = match (&message.error, message.result) {
                    (Some(error), _) => Err(error),
                    (None, result) => Ok(result.unwrap_or(empty)),
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
            Input::Opened => self.open(effects),
            Input::Line(line) => self.line(line, effects),
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Decide(key, decision) => self.decide(*key, decision, effects),
                Order::Answer(key, answers) => self.answer_question(*key, answers, effects),
                Order::Refuse(key, message) => self.refuse_question(*key, message.as_deref(), effects),
                Order::Set(setting) => self.set(id, setting, effects),
                Order::Cancel => self.interrupt(effects),
            },
            Input::Woke(_) => self.close(effects),
            // The engine tells of a death better than we could.
            Input::Closed(_) | Input::Reply { .. } | Input::StreamLost => {}
        }
    }
}

fn todo(plan: &wire::PlanParams) -> Vec<Value> {
    plan.plan
        .iter()
        .map(|step| {
            let status = match step.status.as_str() {
                "inProgress" => "in_progress",
                "completed" => "completed",
                _ => "pending",
            };
            json!({ "content": step.step, "status": status })
        })
        .collect()
}

fn words(error: &wire::TurnError) -> String {
    match &error.additional_details {
        Some(details) if !details.is_empty() && *details != error.message => format!("{}: {details}", error.message),
        Some(_) | None => error.message.clone(),
    }
}

fn fault_of_answer(error: &Value) -> Fault {
    let message = error["message"].as_str().unwrap_or("Codex refused without a reason").to_owned();
    let turn_error = wire::TurnError {
        message: message.clone(),
        codex_error_info: error["data"].get("codexErrorInfo").cloned(),
        additional_details: None,
    };
    let code = wire::code_of(&turn_error);
    Fault::new(if code == ErrorCode::Other { ErrorCode::BadRequest } else { code }, message)
}

/// Servers as overrides of its configuration: each key is a path in it, so that the user's own stay.
fn servers(servers: &[Server]) -> Result<Map<String, Value>, String> {
    let entry = |server: &Server| {
        let mut value = match &server.reach {
            Reach::Program { command, args, env } => json!({ "command": command, "args": args, "env": env }),
            Reach::Address { url, headers, sse: false } => json!({ "url": url, "http_headers": headers }),
            Reach::Address { sse: true, .. } => {
                return Err(format!(
                    "Codex cannot use the MCP server `{}`: it knows stdio and http, no sse",
                    server.name
                ));
            }
        };
        if let Some(timeout) = server.timeout {
            value["tool_timeout_sec"] = json!(Duration::from_millis(timeout.get()).as_secs_f64());
        }
        Ok((format!("mcp_servers.{}", server.name), value))
    };
    servers.iter().map(entry).collect()
}
