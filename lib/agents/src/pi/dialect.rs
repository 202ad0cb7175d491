//! Pi's conversation as a state machine: commands and their answers, runs, retries, compactions, usage.

use std::collections::{BTreeMap, HashMap};

use schema::event::{Cause, Cost, CostBasis, ModelUsage, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::messages::Streamed;
use super::requests::Pending;
use super::tools::Tool;
use super::wire;
use crate::agent::Job;
use crate::dialect::{
    Dialect, Effect, Exit, Fault, Finish, Input, Key, Order, OrderId, Prompt, RequestKey, Setting, Start, Status, Stop,
    Verdict,
};

/// One conversation.
pub(super) struct Conversation {
    job: Job,
    /// Commands of ours that wait for an answer, by the number that is their id.
    calls: BTreeMap<u64, Call>,
    called: u64,
    model: Option<wire::Model>,
    effort: Option<String>,
    /// Pi has told its session once.
    known: bool,
    pub(super) turn: Option<Turn>,
    keys: u32,
    asked: u32,
    pub(super) streamed: Option<Streamed>,
    pub(super) tools: HashMap<String, Tool>,
    pub(super) pending: HashMap<RequestKey, Pending>,
}

/// The running turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Pi has begun to work on it.
    running: bool,
    /// It is to be interrupted.
    pub(super) cancelled: bool,
    /// It answers nothing (`/compact`, an extension's command).
    silent: bool,
    /// How the newest answer ended.
    pub(super) last: Option<Answered>,
    /// What the newest answer consists of: it is taken back when it is tried again.
    pub(super) attempt: Vec<Key>,
    usage: Option<Usage>,
    usd: f64,
    models: Vec<ModelUsage>,
}

/// How an answer of the model ended.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) reason: String,
    pub(super) raw_reason: Option<String>,
    pub(super) error: Option<String>,
    /// Something of it had arrived.
    pub(super) streamed: bool,
}

/// What a command of ours was for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    State,
    /// The state after a prompt was taken: did it begin a run?
    Began,
    /// The state after a run of a Pi that does not say when it is settled.
    Settled,
    Prompt(OrderId),
    Steer(OrderId),
    Compact(OrderId),
    Clear,
    Abort,
    Model(OrderId),
    Effort(OrderId, String),
}

impl Conversation {
    pub(super) fn new(job: &Job) -> Conversation {
        Conversation {
            job: job.clone(),
            calls: BTreeMap::new(),
            called: 0,
            model: None,
            effort: job.effort.clone(),
            known: false,
            turn: None,
            keys: 0,
            asked: 0,
            streamed: None,
            tools: HashMap::new(),
            pending: HashMap::new(),
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

    pub(super) fn is_cancelled(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.cancelled)
    }

    fn call(&mut self, command: &str, mut fields: Value, purpose: Call, effects: &mut Vec<Effect>) {
        self.called += 1;
        self.calls.insert(self.called, purpose);
        fields["id"] = json!(self.called.to_string());
        fields["type"] = json!(command);
        effects.push(Effect::Say(fields.to_string()));
    }

    fn prompt(&mut self, order: OrderId, prompt: &Prompt, effects: &mut Vec<Effect>) {
        let images: Vec<Value> = prompt
            .attachments
            .iter()
            .map(|file| json!({ "type": "image", "data": file.base64, "mimeType": file.mime }))
            .collect();
        let mut fields = json!({ "message": prompt.text });
        if !images.is_empty() {
            fields["images"] = json!(images);
        }
        if prompt.steer {
            // As a prompt it is not left lying should the run have ended this moment.
            fields["streamingBehavior"] = json!("steer");
            self.call("prompt", fields, Call::Steer(order), effects);
            return;
        }
        // Calls of before are another turn's.
        self.tools.clear();
        self.turn = Some(Turn::default());
        let mut words = prompt.text.trim().splitn(2, char::is_whitespace);
        if words.next() == Some("/compact") && images.is_empty() {
            let fields = match words.next().map(str::trim).filter(|more| !more.is_empty()) {
                Some(more) => json!({ "customInstructions": more }),
                None => json!({}),
            };
            self.turn = Some(Turn { silent: true, ..Turn::default() });
            self.call("compact", fields, Call::Compact(order), effects);
            return;
        }
        self.call("prompt", fields, Call::Prompt(order), effects);
    }

    fn cancel(&mut self, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.cancelled = true;
        self.abort(effects);
    }

    fn abort(&mut self, effects: &mut Vec<Effect>) {
        // What is queued would be begun after the abort.
        self.call("clear_queue", json!({}), Call::Clear, effects);
        self.call("abort", json!({}), Call::Abort, effects);
    }

    /// Interrupts the turn because of a denial.
    pub(super) fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.cancel(effects);
    }

    fn set(&mut self, order: OrderId, setting: &Setting, effects: &mut Vec<Effect>) {
        match setting {
            Setting::Model(model) => {
                let provider = self.model.as_ref().map(|model| model.provider.clone());
                let (provider, id) = match (model.split_once('/'), provider) {
                    (Some((provider, id)), _) => (provider.to_owned(), id),
                    (None, Some(provider)) => (provider, model.as_str()),
                    (None, None) => {
                        let fault = Fault::new(
                            ErrorCode::ModelNotFound,
                            format!("Pi needs to know whose model `{model}` is: write PROVIDER/MODEL"),
                        );
                        effects.push(Effect::Refused(order, fault));
                        return;
                    }
                };
                self.call("set_model", json!({ "provider": provider, "modelId": id }), Call::Model(order), effects);
            }
            Setting::Effort(level) => {
                let purpose = Call::Effort(order, level.clone());
                self.call("set_thinking_level", json!({ "level": level }), purpose, effects);
            }
            Setting::Mode(mode) => {
                let fault = Fault::new(ErrorCode::BadRequest, format!("Pi has no modes, so there is no `{mode}`"));
                effects.push(Effect::Refused(order, fault));
            }
        }
    }

    /// An answer to a command of ours; the others are nobody's.
    fn answered(&mut self, response: wire::Response, effects: &mut Vec<Effect>) -> Result<bool, serde_json::Error> {
        let call = response.id.as_deref().and_then(|id| id.parse().ok()).and_then(|id: u64| self.calls.remove(&id));
        let Some(call) = call else { return Ok(false) };
        let failure = (!response.success)
            .then(|| response.error.unwrap_or_else(|| format!("Pi refused `{}` without a reason", response.command)));
        match (call, failure) {
            (Call::State, None) => self.state(wire::State::deserialize(&response.data)?, effects),
            (Call::Began, None) => {
                let state = wire::State::deserialize(&response.data)?;
                // An extension took the prompt for itself.
                if !state.is_streaming && self.turn.as_ref().is_some_and(|turn| !turn.running) {
                    self.settled(true, effects);
                }
            }
            (Call::Settled, _) => {
                if self.turn.as_ref().is_some_and(|turn| !turn.running) {
                    self.settled(false, effects);
                }
            }
            (Call::Prompt(order), None) => {
                effects.push(Effect::Taken(order));
                self.call("get_state", json!({}), Call::Began, effects);
            }
            (Call::Steer(order), None) => effects.push(Effect::Taken(order)),
            (Call::Compact(order), None) => {
                effects.push(Effect::Taken(order));
                self.settled(true, effects);
            }
            (Call::Abort, None) => {
                // Nothing was running that could have ended.
                if self.turn.as_ref().is_some_and(|turn| turn.cancelled && !turn.running && !turn.silent) {
                    self.settled(false, effects);
                }
            }
            (Call::Model(order), None) => {
                effects.push(Effect::Taken(order));
                self.model = Some(wire::Model::deserialize(&response.data)?);
                self.model_changed(effects);
            }
            (Call::Effort(order, level), None) => {
                effects.push(Effect::Taken(order));
                // A level that the model does not have is told by `thinking_level_changed`, and came before.
                self.effort.get_or_insert(level);
                self.model_changed(effects);
            }
            (Call::Compact(_), Some(error)) => {
                let fault = fault(&error, false);
                let stop = if self.is_cancelled() { Stop::Interrupted } else { Stop::Failed(fault) };
                self.end_turn(stop, None, effects);
            }
            (Call::Prompt(order), Some(error)) => {
                self.turn = None;
                effects.push(Effect::Refused(order, fault(&error, false)));
            }
            (Call::Steer(order) | Call::Model(order) | Call::Effort(order, _), Some(error)) => {
                effects.push(Effect::Refused(order, fault(&error, false)));
            }
            // The queue cannot be cleared before 0.84.4; the state is nothing that could be refused.
            (Call::Clear | Call::Abort | Call::State | Call::Began, _) => {}
        }
        Ok(true)
    }

    fn state(&mut self, state: wire::State, effects: &mut Vec<Effect>) {
        effects.push(Effect::Native(state.session_id));
        self.model = state.model;
        self.effort = state.thinking_level;
        let mut info = json!({ "model": self.model.as_ref().map(wire::Model::name) });
        if let Some(effort) = &self.effort {
            info["effort"] = json!(effort);
        }
        effects.push(status(StatusLabel::SessionInfo, info));
        let resumed = self.job.resume.as_ref().is_some_and(|resume| !resume.fork);
        if !self.known && resumed && state.message_count == 0 {
            self.system("Pi had stored nothing of the conversation; it begins anew".to_owned(), effects);
        }
        self.known = true;
    }

    fn model_changed(&mut self, effects: &mut Vec<Effect>) {
        let mut json = json!({ "model": self.model.as_ref().map(wire::Model::name) });
        if let Some(effort) = &self.effort {
            json["effort"] = json!(effort);
        }
        effects.push(status(StatusLabel::ModelChanged, json));
    }

    /// Text that is nobody's prompt and nobody's answer.
    pub(super) fn system(&mut self, text: String, effects: &mut Vec<Effect>) {
        let key = self.key();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: None,
            group: None,
            kind: ItemKind::System,
            role: Some(Role::System),
            content: vec![ContentPart::Text { text }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
    }

    fn heard(
        &mut self,
        record: &wire::Record<'_>,
        line: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        match &*record.kind {
            "message_update" => {
                let Some(update) = record.update else { return Ok(false) };
                return self.updated(serde_json::from_str(update.get())?, effects);
            }
            "message_start" => return self.message_began(serde_json::from_str(line)?, effects),
            "message_end" => return self.message_ended(serde_json::from_str(line)?, effects),
            "tool_execution_start" => self.tool_began(serde_json::from_str(line)?, effects),
            "tool_execution_update" => self.tool_told(serde_json::from_str(line)?, effects),
            "tool_execution_end" => self.tool_ended(serde_json::from_str(line)?, effects),
            "extension_ui_request" => return self.dialog(serde_json::from_str(line)?, effects),
            "response" => return self.answered(serde_json::from_str(line)?, effects),
            "agent_start" => self.run_began(effects),
            "agent_end" => self.run_ended(&serde_json::from_str(line)?, effects),
            "agent_settled" => self.settled(false, effects),
            "auto_retry_start" => self.retried(&serde_json::from_str(line)?, effects),
            "summarization_retry_scheduled" => {
                effects.push(Effect::Setback(setback(&serde_json::from_str(line)?, false)));
            }
            "compaction_end" => self.compacted(serde_json::from_str(line)?, effects),
            "thinking_level_changed" => {
                let record: Value = serde_json::from_str(line)?;
                self.effort = record["level"].as_str().map(str::to_owned);
                self.model_changed(effects);
            }
            "session_info_changed" => {
                let record: Value = serde_json::from_str(line)?;
                effects.push(status(StatusLabel::SessionTitle, json!({ "title": record["name"] })));
            }
            "extension_error" => {
                let record: Value = serde_json::from_str(line)?;
                let field = |name: &str| record[name].as_str().unwrap_or("?").to_owned();
                let text =
                    format!("extension {} failed at {}: {}", field("extensionPath"), field("event"), field("error"));
                self.system(text, effects);
            }
            kind => return Ok(wire::IGNORED.iter().any(|(name, _)| *name == kind)),
        }
        Ok(true)
    }

    fn run_began(&mut self, effects: &mut Vec<Effect>) {
        self.in_turn(effects).running = true;
        if self.is_cancelled() {
            // It was aborted before it had begun.
            self.abort(effects);
        }
    }

    /// The running turn. What the model does is in a turn: where nobody asked, an extension goes on by itself.
    pub(super) fn in_turn(&mut self, effects: &mut Vec<Effect>) -> &mut Turn {
        if self.turn.is_none() {
            effects.push(Effect::TurnBegan(Cause::Background));
        }
        self.turn.get_or_insert_default()
    }

    fn run_ended(&mut self, end: &wire::AgentEnd, effects: &mut Vec<Effect>) {
        if end.will_retry.is_none()
            && let Some(turn) = &mut self.turn
        {
            // The answer comes after what may follow: a retry or a compaction.
            turn.running = false;
            self.call("get_state", json!({}), Call::Settled, effects);
        }
    }

    fn retried(&mut self, retry: &wire::Retry, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.running = true;
        let streamed = turn.last.as_ref().is_some_and(|last| last.streamed);
        effects.push(Effect::Setback(setback(retry, streamed)));
        let abandoned = std::mem::take(&mut turn.attempt);
        if !abandoned.is_empty() {
            effects.push(Effect::Retracted(abandoned));
        }
    }

    fn compacted(&mut self, end: wire::Compaction, effects: &mut Vec<Effect>) {
        if let Some(error) = end.error_message {
            // By hand it is the answer's affair.
            if end.reason != "manual" {
                effects.push(Effect::Setback(fault(&error, false)));
            }
            return;
        }
        let Some(summary) = end.result else { return };
        let mut json = json!({ "reason": end.reason });
        if let Some(before) = summary.tokens_before {
            json["tokens_before"] = json!(before);
        }
        if let Some(after) = summary.estimated_tokens_after {
            json["tokens_after"] = json!(after);
        }
        effects.push(status(StatusLabel::Compaction, json));
        if !summary.summary.is_empty() {
            self.system(summary.summary, effects);
        }
        if let Some(counts) = summary.usage {
            let model = self.model.as_ref().map(wire::Model::name);
            self.count(counts, model);
        }
        if let Some(turn) = &mut self.turn
            && end.will_retry
        {
            turn.running = true;
            let abandoned = std::mem::take(&mut turn.attempt);
            if !abandoned.is_empty() {
                effects.push(Effect::Retracted(abandoned));
            }
        }
    }

    /// Adds to what the turn cost.
    pub(super) fn count(&mut self, counts: wire::Counts, model: Option<String>) {
        let usage = Usage::from(counts);
        let Some(turn) = &mut self.turn else { return };
        if usage.total_tokens == 0 {
            return;
        }
        turn.usage = Some(turn.usage.map_or(usage, |sum| sum.plus(usage)));
        turn.usd += counts.cost.total;
        let usd = (counts.cost.total > 0.0).then_some(counts.cost.total);
        let Some(model) = model else { return };
        match turn.models.iter_mut().find(|entry| entry.model == model) {
            Some(entry) => {
                entry.usage = entry.usage.plus(usage);
                entry.usd = match (entry.usd, usd) {
                    (None, usd) | (usd, None) => usd,
                    (Some(one), Some(other)) => Some(one + other),
                };
            }
            None => turn.models.push(ModelUsage { model, usage, usd }),
        }
    }

    /// What is in the model's window.
    pub(super) fn fills(&self, counts: wire::Counts, effects: &mut Vec<Effect>) {
        let used = Usage::from(counts).total_tokens;
        if let Some(size) = self.model.as_ref().and_then(|model| model.context_window)
            && used > 0
        {
            effects.push(status(StatusLabel::Context, json!({ "used": used, "size": size })));
        }
    }

    /// Pi does nothing more by itself. `handled`: without having asked the model.
    fn settled(&mut self, handled: bool, effects: &mut Vec<Effect>) {
        let Some(turn) = &mut self.turn else { return };
        turn.silent |= handled;
        let (stop, reason) = match &turn.last {
            _ if turn.cancelled => (Stop::Interrupted, None),
            None => (Stop::Done, None),
            Some(last) => {
                let stop = match last.reason.as_str() {
                    "aborted" => Stop::Interrupted,
                    "length" => Stop::Failed(Fault::new(
                        ErrorCode::MaxTokens,
                        "the answer was cut off at the most tokens that the model may write",
                    )),
                    "error" if last.raw_reason.as_deref() == Some("refusal") => {
                        let message = last.error.clone().unwrap_or_else(|| "the model refused".to_owned());
                        Stop::Failed(Fault::new(ErrorCode::Refusal, message))
                    }
                    "error" => {
                        let error = last.error.as_deref().unwrap_or("Pi ended the turn as failed and did not say why");
                        Stop::Failed(fault(error, last.streamed))
                    }
                    _ => Stop::Done,
                };
                (stop, Some(last.reason.clone()))
            }
        };
        self.end_turn(stop, reason, effects);
    }

    fn end_turn(&mut self, stop: Stop, stop_reason: Option<String>, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turn.take() else { return };
        self.streamed = None;
        self.tools.clear();
        let mut verdict = Verdict::new(stop);
        verdict.stop_reason = stop_reason;
        verdict.silent = turn.silent;
        verdict.usage = turn.usage;
        verdict.cost = (turn.usd > 0.0).then_some(Cost { usd: turn.usd, basis: CostBasis::Estimated });
        verdict.models = (!turn.models.is_empty()).then_some(turn.models);
        effects.push(Effect::TurnEnded(Box::new(verdict)));
    }

    fn line(&mut self, line: &str, effects: &mut Vec<Effect>) {
        let unparsed = |error: String, location: &str| Effect::Unparsed { error, location: location.to_owned() };
        let record: wire::Record<'_> = match serde_json::from_str(line) {
            Ok(record) => record,
            Err(error) => {
                effects.push(unparsed(format!("the line is no record: {error}"), "stdout"));
                return;
            }
        };
        match self.heard(&record, line, effects) {
            Ok(true) => {}
            Ok(false) => effects.push(unparsed("an unknown record".to_owned(), &record.kind)),
            Err(error) => effects.push(unparsed(error.to_string(), &record.kind)),
        }
    }

    /// Why Pi left, where it only says so on stderr.
    fn closed(&mut self, exit: &Exit, effects: &mut Vec<Effect>) {
        let words = exit.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        if self.known || exit.code.is_none_or(|code| code == 0) || words.is_empty() {
            return;
        }
        let code = wire::code_of(words, false);
        if code != ErrorCode::Other {
            let message = format!("Pi did not start: {words}");
            self.end_turn(Stop::Failed(Fault::new(code, message)), None, effects);
        }
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Opened => self.call("get_state", json!({}), Call::State, effects),
            Input::Line(line) => self.line(line, effects),
            Input::Order(id, order) => match order {
                Order::Prompt(prompt) => self.prompt(id, prompt, effects),
                Order::Decide(key, decision) => self.decide(*key, decision, effects),
                Order::Answer(key, answers) => self.answer_question(*key, answers, effects),
                Order::Refuse(key, message) => self.refuse_question(*key, message.as_deref(), effects),
                Order::Set(setting) => self.set(id, setting, effects),
                Order::Cancel => self.cancel(effects),
            },
            Input::Woke(timer) => self.expired(timer, effects),
            Input::Closed(exit) => self.closed(exit, effects),
            // It serves no HTTP.
            Input::Reply { .. } | Input::StreamLost => {}
        }
    }
}

fn status(label: StatusLabel, json: Value) -> Effect {
    Effect::Status(Status { label, detail: None, json, parent: None })
}

fn fault(prose: &str, streamed: bool) -> Fault {
    Fault::new(wire::code_of(prose, streamed), wire::words_of(prose))
}

fn setback(retry: &wire::Retry, streamed: bool) -> Fault {
    let mut fault = fault(&retry.error_message, streamed);
    fault.attempt = retry.attempt;
    fault.retry_after_ms = retry.delay_ms;
    fault
}
