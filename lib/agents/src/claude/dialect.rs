//! Claude Code's conversation as a state machine: turns, sub-agents, settings, errors.

use std::collections::HashMap;
use std::time::Duration;

use schema::event::Cause;
use schema::item::StatusLabel;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::items::{Call, Step, Streamed};
use super::launch::base_mode;
use super::requests::Pending;
use super::spent::Spent;
use super::wire;
use crate::agent::Job;
use crate::dialect::{
    Dialect, Effect, Fault, Input, Key, Order, OrderId, Prompt, RequestKey, Setting, Status, Stop, Timer, Verdict,
};

/// When a verdict waits no longer for a prompt that was not read yet.
const UNREAD: Timer = Timer(1);
/// When a sub-agent's report is waited for no longer.
const REPORTED: Timer = Timer(2);
/// A turn that follows begins within some 20 ms.
const PATIENCE: Duration = Duration::from_millis(1500);

/// One conversation.
pub(super) struct Conversation {
    pub(super) job: Job,
    keys: u32,
    requests: u32,
    /// Our control requests that wait for an answer.
    controls: HashMap<String, Control>,
    said_controls: u32,
    turn: Option<Turn>,
    /// A verdict on the running turn, while something that was said to it may still be read.
    held: Option<Box<Verdict>>,
    /// Something was said to the running turn, and no model request has followed.
    unread: bool,
    pub(super) streamed: Option<Streamed>,
    /// Texts of this turn by their message, in case it is taken back.
    pub(super) said: Vec<(String, Key)>,
    pub(super) calls: HashMap<String, Call>,
    /// Calls that were asked about or refused.
    pub(super) asked: Vec<String>,
    pub(super) pending: HashMap<RequestKey, Pending>,
    /// The calls of sub-agents, by Claude Code's names for them.
    pub(super) agents: HashMap<String, Key>,
    /// Sub-agents that go on after their call's result.
    working: Vec<Key>,
    /// Those whose report the main agent has not read.
    reported: Vec<Key>,
    spent: Spent,
    /// Tokens of the last model request.
    pub(super) used: u64,
    pub(super) steps: Vec<Step>,
    /// Its permission mode.
    mode: Option<String>,
    native: Option<String>,
}

/// What a control request of ours was for.
#[derive(Debug)]
enum Control {
    Initialize,
    Interrupt,
    Set(OrderId, Setting),
}

/// A running turn.
#[derive(Debug, Default)]
struct Turn {
    /// It answers a prompt of ours.
    prompted: bool,
    /// We interrupted it.
    interrupted: bool,
    /// It is one that answers nothing (`/compact`).
    silent: bool,
    /// A command was carried out without the model.
    local: bool,
    /// Something of the model was said.
    answered: bool,
    /// Claude Code's word for its failure, and its prose.
    failure: Option<(String, String)>,
}

impl Conversation {
    pub(super) fn new(job: &Job) -> Conversation {
        let totals = job.resume.as_ref().and_then(|resume| resume.totals.as_ref());
        Conversation {
            job: job.clone(),
            keys: 0,
            requests: 0,
            controls: HashMap::new(),
            said_controls: 0,
            turn: None,
            held: None,
            unread: false,
            streamed: None,
            said: Vec::new(),
            calls: HashMap::new(),
            asked: Vec::new(),
            pending: HashMap::new(),
            agents: HashMap::new(),
            working: Vec::new(),
            reported: Vec::new(),
            spent: Spent::resumed(totals.and_then(|totals| Deserialize::deserialize(totals).ok())),
            used: 0,
            steps: Vec::new(),
            mode: None,
            native: None,
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

    pub(super) fn is_interrupted(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.interrupted)
    }

    /// The model said something; `text`: something that is an answer.
    pub(super) fn answered(&mut self, text: bool) {
        if let Some(turn) = &mut self.turn {
            turn.answered |= text;
        }
    }

    /// A command was carried out without the model; whether nothing needs to be said of it.
    pub(super) fn ran_locally(&mut self) -> bool {
        let Some(turn) = &mut self.turn else { return false };
        turn.local = true;
        turn.silent
    }

    pub(super) fn failed_with(&mut self, word: &str, prose: String) {
        if let Some(turn) = &mut self.turn {
            turn.failure = Some((word.to_owned(), prose));
        }
    }

    fn control(&mut self, request: &Value, purpose: Control, effects: &mut Vec<Effect>) {
        self.said_controls += 1;
        let id = format!("req_{}", self.said_controls);
        effects
            .push(Effect::Say(json!({ "type": "control_request", "request_id": id, "request": request }).to_string()));
        self.controls.insert(id, purpose);
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        if prompt.steer {
            if self.turn.is_none() {
                let fault = Fault::new(ErrorCode::BadRequest, "no turn is running that could be steered");
                effects.push(Effect::Refused(order, fault));
                return;
            }
            self.unread = true;
        } else {
            let silent = prompt.text.trim().split(' ').next() == Some("/compact");
            self.begin_turn(Turn { prompted: true, silent, ..Turn::default() });
        }
        let message = json!({ "role": "user", "content": content(prompt) });
        let line = json!({ "type": "user", "message": message, "parent_tool_use_id": null, "session_id": "" });
        effects.push(Effect::Say(line.to_string()));
        effects.push(Effect::Taken(order));
    }

    fn begin_turn(&mut self, turn: Turn) {
        self.turn = Some(turn);
        self.said.clear();
        self.unread = false;
        self.spent.turn_began();
    }

    /// The main agent is at work: in the running turn, or in one that nobody asked for.
    pub(super) fn went_on(&mut self, effects: &mut Vec<Effect>) {
        if self.held.take().is_some() {
            // What came last is the turn's end.
            self.unread = false;
        }
        if self.turn.is_none() {
            self.begin_turn(Turn::default());
            effects.push(Effect::TurnBegan(Cause::Background));
        }
    }

    /// What sub-agents reported is read, or nobody will read it.
    fn read_reports(&mut self, effects: &mut Vec<Effect>) {
        for call in std::mem::take(&mut self.reported) {
            effects.push(Effect::AgentEnded(call));
        }
    }

    fn interrupt(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.interrupted = true;
        if let Some(held) = self.held.take() {
            self.over(*held, effects);
            return;
        }
        self.control(&json!({ "subtype": "interrupt" }), Control::Interrupt, effects);
    }

    fn set(&mut self, order: OrderId, setting: &Setting, effects: &mut Vec<Effect>) {
        let request = match setting {
            Setting::Model(model) => json!({ "subtype": "set_model", "model": model }),
            Setting::Mode(mode) => {
                let mode = if mode == "plan" { "plan" } else { base_mode(&self.job) };
                json!({ "subtype": "set_permission_mode", "mode": mode })
            }
            Setting::Effort(effort) => {
                json!({ "subtype": "apply_flag_settings", "settings": { "effortLevel": effort } })
            }
        };
        self.control(&request, Control::Set(order, setting.clone()), effects);
    }

    fn controlled(&mut self, answer: wire::ControlAnswer, effects: &mut Vec<Effect>) -> bool {
        let Some(control) = self.controls.remove(&answer.request_id) else { return false };
        let error = (answer.subtype != "success")
            .then(|| answer.error.unwrap_or_else(|| "Claude Code refused without a reason".to_owned()));
        match (control, error) {
            (Control::Initialize, Some(error)) => {
                effects.push(Effect::End(Some(Fault::new(ErrorCode::Protocol, error))));
            }
            (Control::Set(order, _), Some(error)) => {
                effects.push(Effect::Refused(order, Fault::new(ErrorCode::BadRequest, error)));
            }
            (Control::Set(order, setting), None) => {
                effects.push(Effect::Taken(order));
                match setting {
                    Setting::Model(model) => self.status(StatusLabel::ModelChanged, json!({ "model": model }), effects),
                    Setting::Mode(mode) => {
                        self.mode = Some(if mode == "plan" { "plan" } else { base_mode(&self.job) }.to_owned());
                        self.status(StatusLabel::ModeChanged, json!({ "mode": mode }), effects);
                    }
                    Setting::Effort(effort) => {
                        self.status(StatusLabel::ModelChanged, json!({ "effort": effort }), effects);
                    }
                }
            }
            (Control::Initialize | Control::Interrupt, None) | (Control::Interrupt, Some(_)) => {}
        }
        true
    }

    fn status(&mut self, label: StatusLabel, json: Value, effects: &mut Vec<Effect>) {
        effects.push(Effect::Status(Status { label, detail: None, json, parent: None }));
    }

    /// `system`: what Claude Code says of itself.
    fn system_line(&mut self, subtype: &str, line: &str, effects: &mut Vec<Effect>) -> Result<bool, serde_json::Error> {
        match subtype {
            "init" => self.init(&serde_json::from_str(line)?, effects),
            "status" => {
                let line: Value = serde_json::from_str(line)?;
                if let Some(mode) = line["permissionMode"].as_str() {
                    self.mode_is(mode, effects);
                }
                if line["status"] == "requesting" {
                    self.went_on(effects);
                    self.unread = false;
                    self.read_reports(effects);
                }
                if let Some(error) = line["compact_error"].as_str() {
                    self.system(format!("the conversation was not compacted: {error}"), None, effects);
                }
            }
            "api_retry" => {
                let retry: wire::Retry = serde_json::from_str(line)?;
                effects.push(Effect::Setback(retried(&retry)));
            }
            "compact_boundary" => {
                let line: Value = serde_json::from_str(line)?;
                let meta = &line["compact_metadata"];
                let mut json = serde_json::Map::new();
                for field in ["trigger", "pre_tokens", "post_tokens"] {
                    if !meta[field].is_null() {
                        json.insert(field.to_owned(), meta[field].clone());
                    }
                }
                self.status(StatusLabel::Compaction, Value::Object(json), effects);
            }
            "permission_denied" => self.denied(serde_json::from_str(line)?, effects),
            "task_started" => self.task_started(serde_json::from_str(line)?, effects),
            "task_notification" => self.task_ended(serde_json::from_str(line)?, effects),
            "informational"
            | "notification"
            | "local_command_output"
            | "local_command"
            | "model_fallback"
            | "model_refusal_fallback"
            | "instruction_size_warning" => {
                let line: Value = serde_json::from_str(line)?;
                let text = ["content", "text", "message"].iter().find_map(|field| line[*field].as_str());
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    self.system(text.to_owned(), None, effects);
                }
            }
            "session_title_changed" => {
                let line: Value = serde_json::from_str(line)?;
                self.status(StatusLabel::SessionTitle, json!({ "title": line["title"] }), effects);
            }
            _ => return Ok(wire::is_ignored("system", Some(subtype))),
        }
        Ok(true)
    }

    /// `system/init` comes at every turn.
    fn init(&mut self, init: &Value, effects: &mut Vec<Effect>) {
        if let Some(native) = init["session_id"].as_str()
            && self.native.as_deref() != Some(native)
        {
            self.native = Some(native.to_owned());
            effects.push(Effect::Native(native.to_owned()));
        }
        let mode = init["permissionMode"].as_str().unwrap_or_default();
        if self.mode.is_none() {
            self.mode = Some(mode.to_owned());
        }
        self.mode_is(mode, effects);
        let mcp: Vec<Value> = init["mcp_servers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|server| json!({ "name": server["name"], "status": server["status"] }))
            .collect();
        let json = json!({
            "model": init["model"], "mode": ours(mode), "tools": init["tools"], "mcp": mcp,
            "commands": init["slash_commands"],
        });
        self.status(StatusLabel::SessionInfo, json, effects);
    }

    fn mode_is(&mut self, mode: &str, effects: &mut Vec<Effect>) {
        if self.mode.as_deref() != Some(mode) {
            let was = self.mode.replace(mode.to_owned());
            if was.as_deref().map(ours) != Some(ours(mode)) {
                self.status(StatusLabel::ModeChanged, json!({ "mode": ours(mode) }), effects);
            }
        }
    }

    fn task_started(&mut self, task: wire::Task, effects: &mut Vec<Effect>) {
        let Some(call) = task.tool_use_id else { return };
        if task.task_type.as_deref() != Some("local_agent") {
            return;
        }
        let arguments = json!({ "subagent_type": task.subagent_type, "description": task.description });
        let key = self.call(&call, "Task", &arguments, None, None, None, effects);
        self.agents.insert(task.task_id, key);
    }

    /// A call has its result, and its sub-agent goes on.
    fn launched(&mut self, line: &wire::UserLine, effects: &mut Vec<Effect>) {
        let details = &line.tool_use_result;
        if details["isAsync"] == true
            && let Some(agent) = details["agentId"].as_str()
            && let Some(call) = self.agents.get(agent).copied()
            && !self.working.contains(&call)
        {
            self.working.push(call);
            effects.push(Effect::AgentBegan(call));
        }
    }

    fn task_ended(&mut self, task: wire::Task, effects: &mut Vec<Effect>) {
        let call = task.tool_use_id.as_ref().and_then(|id| self.calls.get(id));
        // Of a call that still runs the result says it.
        if !call.is_some_and(|call| call.answered) {
            return;
        }
        if let Some(key) = call.map(|call| call.key)
            && let Some(at) = self.working.iter().position(|working| *working == key)
        {
            self.working.remove(at);
            self.reported.push(key);
            if self.turn.is_none() || self.held.is_some() {
                effects.push(Effect::Wake(REPORTED, PATIENCE));
            }
        }
        let mut json = json!({ "task_id": task.task_id, "status": task.status, "call_id": task.tool_use_id });
        if let Some(file) = task.output_file.filter(|file| !file.is_empty()) {
            json["output_file"] = file.into();
        }
        effects.push(Effect::Status(Status { label: StatusLabel::Task, detail: task.summary, json, parent: None }));
    }

    fn result_line(&mut self, result: wire::ResultLine, effects: &mut Vec<Effect>) {
        self.spent.counted(&result);
        if self.turn.is_none() {
            if result.is_error && !result.errors.is_empty() {
                effects.push(Effect::End(Some(Fault::new(ErrorCode::BadRequest, result.errors.join("; ")))));
            }
            return;
        }
        let aborted = result.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted_"));
        if !aborted {
            for denial in &result.permission_denials {
                self.denied_late(denial, effects);
            }
        }
        let Some(turn) = &self.turn else { return };
        let well = !result.is_error && result.subtype == "success";
        if let (Some(text), true, false, false) = (&result.result, well, turn.answered, turn.silent || turn.local)
            && !text.is_empty()
        {
            // As of an unknown slash command.
            self.message(text.clone(), effects);
        }
        let stop = if aborted {
            Stop::Interrupted
        } else if well && result.stop_reason.as_deref() != Some("refusal") {
            Stop::Done
        } else {
            Stop::Failed(self.fault_of(&result))
        };
        let mut verdict = Verdict::new(stop);
        verdict.stop_reason = result.stop_reason.clone().or(result.terminal_reason.clone());
        let window = result.model_usage.values().map(|model| model.context_window).max().unwrap_or(0);
        if self.used > 0 && window > 0 {
            self.status(StatusLabel::Context, json!({ "used": self.used, "size": window }), effects);
        }
        let Some(turn) = &self.turn else { return };
        verdict.silent = turn.silent || turn.local || result.local_command.is_some();
        let other = turn.prompted && result.origin.is_some_and(|origin| origin.kind == "task-notification");
        if (other || self.unread) && !turn.interrupted {
            // Its end may be another turn's, or a turn with what was said to it follows: they are one.
            self.held = Some(Box::new(verdict));
            effects.push(Effect::Wake(UNREAD, PATIENCE));
            return;
        }
        self.over(verdict, effects);
    }

    /// The running turn is over.
    fn over(&mut self, mut verdict: Verdict, effects: &mut Vec<Effect>) {
        self.turn = None;
        self.unread = false;
        self.streamed = None;
        let models = self.spent.models();
        verdict.usage = models.iter().map(|model| model.usage).reduce(schema::event::Usage::plus);
        verdict.cost = self.spent.cost();
        verdict.models = (!models.is_empty()).then_some(models);
        verdict.totals = self.spent.totals();
        effects.push(Effect::TurnEnded(Box::new(verdict)));
        if !self.reported.is_empty() {
            effects.push(Effect::Wake(REPORTED, PATIENCE));
        }
    }

    fn fault_of(&self, result: &wire::ResultLine) -> Fault {
        let failure = self.turn.as_ref().and_then(|turn| turn.failure.as_ref());
        let prose = result
            .result
            .clone()
            .filter(|text| !text.is_empty())
            .or_else(|| failure.map(|(_, prose)| prose.clone()))
            .or_else(|| (!result.errors.is_empty()).then(|| result.errors.join("; ")));
        let message = prose.unwrap_or_else(|| format!("Claude Code ended the turn with `{}`", result.subtype));
        let code = match (result.subtype.as_str(), result.terminal_reason.as_deref()) {
            ("error_max_turns", _) => ErrorCode::MaxTurns,
            ("error_max_budget_usd", _) => ErrorCode::MaxCost,
            (_, Some("prompt_too_long" | "blocking_limit")) => ErrorCode::ContextFull,
            _ if result.stop_reason.as_deref() == Some("refusal") => ErrorCode::Refusal,
            // A conversation that is not there.
            ("error_during_execution", None) if failure.is_none() => ErrorCode::BadRequest,
            _ => wire::code_of(result.api_error_status, failure.map(|(word, _)| word.as_str()), &message),
        };
        Fault::new(code, message)
    }

    fn line(&mut self, line: &str, effects: &mut Vec<Effect>) {
        if let Some((block, text)) = wire::piece(line) {
            return self.grown(block, text, effects);
        }
        let unparsed = |error: String, location: &str| Effect::Unparsed { error, location: location.to_owned() };
        let head: wire::Head<'_> = match serde_json::from_str(line) {
            Ok(head) => head,
            Err(error) => {
                effects.push(unparsed(format!("the line is no message: {error}"), "stdout"));
                return;
            }
        };
        let location = match &head.subtype {
            Some(subtype) if head.kind == "system" => format!("system/{subtype}"),
            Some(_) | None => head.kind.clone().into_owned(),
        };
        match self.understood(&head, line, effects) {
            Ok(true) => {}
            Ok(false) => effects.push(unparsed("an unknown message".to_owned(), &location)),
            Err(error) => effects.push(unparsed(error.to_string(), &location)),
        }
    }

    /// Whether the line was understood, or is ignored on purpose.
    fn understood(
        &mut self,
        head: &wire::Head<'_>,
        line: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        match (&*head.kind, head.subtype.as_deref()) {
            ("stream_event", _) => {
                let Some(event) = head.event else { return Ok(false) };
                let event: wire::StreamEvent<'_> = serde_json::from_str(event.get())?;
                // A sub-agent's come whole.
                if head.parent_tool_use_id.is_none() {
                    return Ok(self.streamed(event, head.abandoned_blocks.is_some(), effects));
                }
            }
            ("assistant", _) => self.assistant(serde_json::from_str(line)?, effects),
            ("user", _) => {
                let user: wire::UserLine = serde_json::from_str(line)?;
                self.launched(&user, effects);
                self.user(user, effects);
            }
            ("result", _) => self.result_line(serde_json::from_str(line)?, effects),
            ("system", Some(subtype)) => return self.system_line(subtype, line, effects),
            ("control_request", _) => self.requested(serde_json::from_str(line)?, effects)?,
            ("control_response", _) => {
                let response: wire::ControlResponse = serde_json::from_str(line)?;
                return Ok(self.controlled(response.response, effects));
            }
            ("control_cancel_request", _) => {
                let line: Value = serde_json::from_str(line)?;
                self.withdraw(|pending| line["request_id"] == pending.id, effects);
            }
            ("rate_limit_event", _) => {
                let line: Value = serde_json::from_str(line)?;
                self.status(StatusLabel::RateLimit, line["rate_limit_info"].clone(), effects);
            }
            (kind, subtype) => return Ok(wire::is_ignored(kind, subtype)),
        }
        Ok(true)
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Opened => {
                let request = json!({ "subtype": "initialize", "forwardSubagentText": true });
                self.control(&request, Control::Initialize, effects);
            }
            Input::Line(line) => self.line(line, effects),
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Decide(key, decision) => self.decide(*key, decision, effects),
                Order::Answer(key, answers) => self.answer_question(*key, answers, effects),
                Order::Refuse(key, message) => self.refuse_question(*key, message.as_deref(), effects),
                Order::Set(setting) => self.set(id, setting, effects),
                Order::Cancel => self.interrupt(effects),
            },
            Input::Woke(UNREAD) => {
                if let Some(held) = self.held.take() {
                    self.over(*held, effects);
                }
            }
            // Nobody read the reports: no turn follows from them.
            Input::Woke(_) => {
                if self.turn.is_none() {
                    self.read_reports(effects);
                }
            }
            // It serves nothing.
            Input::Reply { .. } | Input::StreamLost => {}
            Input::Closed(_) => {
                if let Some(held) = self.held.take() {
                    self.over(*held, effects);
                }
            }
        }
    }
}

/// A prompt as a message's content: pictures and PDFs in it, other files by their path.
fn content(prompt: &Prompt) -> Value {
    if prompt.attachments.is_empty() {
        return prompt.text.clone().into();
    }
    let mut text = prompt.text.clone();
    let mut blocks = Vec::new();
    for file in &prompt.attachments {
        let source = json!({ "type": "base64", "media_type": file.mime, "data": file.base64 });
        if file.mime.starts_with("image/") {
            blocks.push(json!({ "type": "image", "source": source }));
        } else if file.mime == "application/pdf" {
            blocks.push(json!({ "type": "document", "source": source }));
        } else {
            text.push_str(&format!("\n\nAttached file: {}", file.path));
        }
    }
    blocks.insert(0, json!({ "type": "text", "text": text }));
    Value::Array(blocks)
}

/// One of our modes for a permission mode of Claude Code's.
fn ours(mode: &str) -> &str {
    match mode {
        "plan" => "plan",
        _ => "default",
    }
}

fn retried(retry: &wire::Retry) -> Fault {
    let word = retry.error.as_deref();
    let mut code = wire::code_of(retry.error_status, word, word.unwrap_or_default());
    if code == ErrorCode::Other && retry.error_status.is_none() {
        // Without a status the service was not reached.
        code = ErrorCode::Network;
    }
    let why = match (retry.error_status, word) {
        (Some(status), Some(word)) => format!("{status} {word}"),
        (Some(status), None) => status.to_string(),
        (None, Some(word)) => word.to_owned(),
        (None, None) => "no answer".to_owned(),
    };
    let of = retry.max_retries.map(|most| format!(" of {most}")).unwrap_or_default();
    let number = retry.attempt.unwrap_or(1);
    let mut fault = Fault::new(code, format!("the model request failed ({why}); retry {number}{of} follows"));
    fault.attempt = retry.attempt;
    // A delay is a fraction of milliseconds.
    fault.retry_after_ms = retry.retry_delay_ms.filter(|delay| *delay >= 0.0).map(|delay| delay.round() as u64);
    fault
}
