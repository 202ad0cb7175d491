//! The one judge of event lists: what the contract promises of a session's events, whoever the agent was and however it ended.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A promise that an event list breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The promise: `I1` to `I7` as in the contract, or `envelope`, `type`, `shape`, `turn_id`, `status`, `content`, `session`.
    pub(crate) rule: &'static str,
    /// Where: the event's sequence, 0 for the end of the list.
    pub(crate) sequence: i64,
    pub(crate) message: String,
}

/// Checks the events of a session whose owner has ended. The list begins with any event; what was opened before it is not judged.
pub(crate) fn check(events: &[Value]) -> Result<(), Vec<Violation>> {
    let mut checker =
        Checker { whole: events.first().is_none_or(|event| event["sequence"] == 1), ..Checker::default() };
    for event in events {
        checker.event(event);
    }
    checker.finish();
    if checker.found.is_empty() { Ok(()) } else { Err(checker.found) }
}

/// As [`check`], and that there is nothing which the contract does not name. Readers tolerate more; we do not write more.
pub(crate) fn check_exactly(events: &[Value]) -> Result<(), Vec<Violation>> {
    let mut found = check(events).err().unwrap_or_default();
    let mut checker = Checker { exact: true, ..Checker::default() };
    for event in events {
        checker.sequence = event["sequence"].as_i64().unwrap_or_default();
        let (kind, data) = (event["type"].as_str().unwrap_or_default(), &event["data"]);
        match TYPES.iter().find(|(name, _)| *name == kind) {
            Some((_, fields)) => checker.shape(data, fields, "data"),
            None => checker.report("type", format!("an unknown type {kind}")),
        }
    }
    found.extend(checker.found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Checks what one `run` printed, and that it, the exit code and the session's row say the same end (I7, I10). `asides`: how many events
/// are stored after it.
pub(crate) fn check_run(events: &[Value], asides: i64, exit_code: i32, row: &Value) -> Result<(), Vec<Violation>> {
    let mut found = check(events).err().unwrap_or_default();
    let last = events.last().unwrap_or(&Value::Null);
    let sequence = last["sequence"].as_i64().unwrap_or_default();
    let mut differ = |what: &str, said: &Value, expected: &Value| {
        if said != expected {
            found.push(Violation {
                rule: "I7",
                sequence,
                message: format!("{what} is {said}, but should be {expected}"),
            });
        }
    };
    differ("the type of the last line", &last["type"], &Value::from("turn.ended"));
    differ("the exit code of turn.ended", &last["data"]["exit_code"], &Value::from(exit_code));
    differ("the row's exit_code", &row["exit_code"], &Value::from(exit_code));
    differ("the row's outcome", &row["outcome"], &last["data"]["outcome"]);
    differ("the row's last_sequence", &row["last_sequence"], &Value::from(sequence + asides));
    differ("the row's session_id", &row["session_id"], &last["session_id"]);
    differ("the row's native_session_id", &row["native_session_id"], &last["native_session_id"]);
    differ("the row's status", &row["status"], &Value::from("idle"));
    differ("the row's pending", &row["pending"], &Value::Array(Vec::new()));
    if events.first().is_some_and(|event| event["sequence"] == 1) {
        let turns = events.iter().filter(|event| event["type"] == "turn.started").count();
        differ("the row's turns", &row["turns"], &Value::from(turns));
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Checks that a reader who asked for what comes after an offset got exactly that (I3).
pub(crate) fn check_after(offset: i64, part: &[Value], whole: &[Value]) -> Result<(), Vec<Violation>> {
    let rest: Vec<_> = whole.iter().filter(|event| event["sequence"].as_i64() > Some(offset)).collect();
    // Compared as text, because the order of keys counts.
    let text = |event: Option<&Value>| event.map(Value::to_string);
    let differs = (0..rest.len().max(part.len())).find(|at| text(rest.get(*at).copied()) != text(part.get(*at)));
    let violation = |at: usize| {
        let side = |event: Option<&Value>| event.map_or("nothing".to_owned(), Value::to_string);
        let message = format!("after {offset} came {}, should be {}", side(part.get(at)), side(rest.get(at).copied()));
        vec![Violation { rule: "I3", sequence: offset + 1 + at as i64, message }]
    };
    differs.map_or(Ok(()), |at| Err(violation(at)))
}

/// What is known while the list is read.
#[derive(Default)]
struct Checker {
    /// The list begins with the session, so everything that is named must have been seen.
    whole: bool,
    /// Unknown keys are wrong.
    exact: bool,
    found: Vec<Violation>,
    sequence: i64,
    session: Option<Value>,
    native: bool,
    ended: bool,
    items: BTreeMap<String, ItemSeen>,
    turns: BTreeMap<String, TurnSeen>,
    open_turn: Option<String>,
    requests: BTreeMap<String, RequestSeen>,
    /// Prompts that were recorded for a turn which has not begun.
    waiting: Vec<(String, Option<String>)>,
    /// The turn and code of an error that announced the end of its turn in the event before.
    announced: Option<(String, Value)>,
    /// A status item that should complete with the next event.
    at_once: Option<String>,
}

struct ItemSeen {
    item: Value,
    /// Its deltas, joined.
    text: Option<String>,
    completed: Option<Value>,
    /// Of a tool call: its result.
    result: Option<String>,
}

#[derive(Default)]
struct TurnSeen {
    cause: String,
    prompts: Vec<String>,
    ended: bool,
    /// The assistant's texts since the last tool result, by item.
    texts: Vec<(String, String)>,
    answered: bool,
    denied: BTreeSet<String>,
    /// Denied by a rule of ours, which `--denied-ok` takes for ok.
    denied_by_rule: BTreeSet<String>,
    pending: BTreeSet<String>,
}

struct RequestSeen {
    turn: Option<String>,
    call: Option<String>,
    question: Option<Value>,
    resolved: Option<String>,
}

impl Checker {
    fn report(&mut self, rule: &'static str, message: impl Into<String>) {
        self.found.push(Violation { rule, sequence: self.sequence, message: message.into() });
    }

    fn event(&mut self, event: &Value) {
        self.envelope(event);
        let (kind, data) = (event["type"].as_str().unwrap_or_default(), &event["data"]);
        let announced = self.announced.take();
        if announced.is_some() && kind != "turn.ended" {
            self.report("I5", "an error that is not recoverable goes directly before the end of its turn");
        }
        if let Some(item) =
            self.at_once.take().filter(|item| kind != "item.delta" && data["item"]["item_id"] != item.as_str())
        {
            self.report("status", format!("{item} has no deltas, so it should complete at once"));
        }
        match TYPES.iter().find(|(name, _)| *name == kind) {
            Some((_, fields)) => self.shape(data, fields, "data"),
            None => self.report("type", format!("`{kind}` is no type of event")),
        }
        match kind {
            "session.ended" => self.ended = true,
            "turn.started" => self.turn_started(data),
            "turn.ended" => self.turn_ended(data, announced),
            "item.started" => self.item_started(event, &data["item"]),
            "item.delta" => self.item_delta(data),
            "item.completed" => self.item_completed(&data["item"], event["synthetic"] == true),
            "permission.requested" | "question.requested" => self.requested(data),
            "permission.resolved" | "question.resolved" => self.resolved(data),
            "error" => self.error(data),
            _ => {}
        }
    }

    fn envelope(&mut self, event: &Value) {
        let previous = self.sequence;
        self.sequence = event["sequence"].as_i64().unwrap_or_default();
        let keys: Vec<_> = event.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let raw = keys.contains(&"raw");
        let expected = keys.contains(&"cursor").then_some("cursor").into_iter().chain(KEYS).chain(raw.then_some("raw"));
        if !keys.iter().copied().eq(expected) {
            self.report("envelope", format!("keys are {keys:?}"));
        }
        if self.session.is_none() {
            self.session = Some(event["session_id"].clone());
            if self.sequence == 1 && event["type"] != "session.started" {
                self.report("session", "the first event of a session is session.started");
            }
            if self.sequence < 1 {
                self.report("I1", "sequences begin at 1");
            }
        } else if self.sequence != previous + 1 {
            self.report("I1", format!("{} comes after {previous}", event["sequence"]));
        }
        // A run's last line is the end of its turn, also where the agent closes the session in it.
        if self.ended && self.turns.values().all(|turn| turn.ended) {
            self.report("session", "something comes after session.ended");
        }
        if self.session.as_ref() != Some(&event["session_id"])
            || !event["session_id"].as_str().is_some_and(is_session_id)
        {
            self.report("envelope", format!("session_id is {}", event["session_id"]));
        }
        let id = event["event_id"].as_str().unwrap_or_default();
        let parts: Vec<_> = id.split('_').collect();
        let epoch = parts.get(1).copied().unwrap_or_default();
        // The thirteenth digit of a UUID is its version.
        let uuid = epoch.len() == 32
            && epoch.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && &epoch[12..13] == "7";
        if parts.len() != 3 || parts[0] != "evt" || !uuid || parts[2] != self.sequence.to_string() {
            self.report("envelope", format!("event_id is {}", event["event_id"]));
        }
        if !event["time"].as_str().is_some_and(is_time) {
            self.report("envelope", format!("time is {}", event["time"]));
        }
        let native = &event["native_session_id"];
        if !native.is_string() && (self.native || !native.is_null()) {
            self.report("envelope", format!("native_session_id is {native}"));
        }
        self.native |= native.is_string();
        let daemon = event["source"] == "daemon";
        if !(daemon || event["source"] == "agent") || event["synthetic"] != daemon {
            self.report("envelope", format!("source is {}, synthetic is {}", event["source"], event["synthetic"]));
        }
        if !event["data"].is_object() {
            self.report("envelope", "data is no object");
        }
        if event["type"] == "agent.unparsed" && !raw {
            self.report("envelope", "what was not understood is not kept: no `raw`");
        }
    }

    fn turn_started(&mut self, data: &Value) {
        let (id, cause) = (word(data, "turn_id"), word(data, "cause"));
        if let Some(open) = &self.open_turn {
            self.report("I5", format!("{id} starts within {open}"));
        }
        let prompts = words(&data["prompt_ids"]);
        let waiting = std::mem::take(&mut self.waiting);
        if !same(&prompts, waiting.iter().map(|(prompt, _)| prompt)) {
            self.report("I5", format!("{id} starts with {prompts:?}, recorded before were {waiting:?}"));
        }
        if (cause == "background") != prompts.is_empty() {
            self.report("I5", format!("a turn of cause {cause} starts with {prompts:?}"));
        }
        for (prompt, turn) in waiting {
            if turn.as_ref() != Some(&id) {
                self.report("turn_id", format!("the item of prompt {prompt} says {turn:?}, but started {id}"));
            }
        }
        for prompt in &prompts {
            if self.turns.values().any(|turn| turn.prompts.contains(prompt)) {
                self.report("I5", format!("{prompt} belongs to two turns"));
            }
        }
        let turn = TurnSeen { cause, prompts, ..TurnSeen::default() };
        if self.turns.insert(id.clone(), turn).is_some() {
            self.report("I5", format!("{id} starts twice"));
        }
        self.open_turn = Some(id);
    }

    fn turn_ended(&mut self, data: &Value, announced: Option<(String, Value)>) {
        let (id, outcome) = (word(data, "turn_id"), word(data, "outcome"));
        if self.open_turn.as_ref() != Some(&id) && (self.whole || self.turns.contains_key(&id)) {
            self.report("I5", format!("{id} ends, open was {:?}", self.open_turn));
        }
        self.open_turn = None;
        self.verdict(data, &outcome, announced.filter(|(turn, _)| *turn == id).map(|(_, code)| code));
        self.closed(&id, &outcome);
        let Some(turn) = self.turns.get_mut(&id) else { return };
        turn.ended = true;
        let turn = &self.turns[&id];
        let mut wrong = Vec::new();
        let prompts = words(&data["prompt_ids"]);
        if !same(&prompts, &turn.prompts) {
            wrong.push(("I5", format!("{id} ends with prompts {prompts:?}, had {:?}", turn.prompts)));
        }
        let (denied, pending) = (words(&data["denied"]), words(&data["pending"]));
        if !same(&denied, &turn.denied) {
            wrong.push(("I5", format!("denied is {denied:?}, rejected were {:?}", turn.denied)));
        }
        if !same(&pending, &turn.pending) {
            wrong.push(("I5", format!("pending is {pending:?}, cancelled by the end were {:?}", turn.pending)));
        }
        if outcome == "ok" && turn.denied.difference(&turn.denied_by_rule).next().is_some() {
            wrong.push(("I5", format!("ok, though {denied:?} was denied")));
        }
        if outcome == "denied" && denied.is_empty() || outcome == "input_needed" && pending.is_empty() {
            wrong.push(("I5", format!("{outcome}, but denied is {denied:?} and pending {pending:?}")));
        }
        if outcome == "ok" && turn.cause == "prompt" && !turn.answered {
            wrong.push(("I5", "ok without text and tool call".to_owned()));
        }
        if matches!(outcome.as_str(), "ok" | "denied") {
            // How the texts are joined is not promised.
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            let texts: String = turn.texts.iter().map(|(_, text)| text.as_str()).collect();
            let said = data["final_text"].as_str().unwrap_or_default();
            if squeeze(said) != squeeze(&texts) && said.len() < 1 << 20 {
                wrong.push(("I5", format!("final_text is {said:?}, said was {texts:?}")));
            }
        }
        for (rule, message) in wrong {
            self.report(rule, message);
        }
    }

    /// Outcome, exit code, error and usage agree with each other.
    fn verdict(&mut self, data: &Value, outcome: &str, announced: Option<Value>) {
        let exit = data["exit_code"].as_i64().unwrap_or_default();
        let codes = OUTCOMES.iter().find(|(name, _)| *name == outcome).map_or(&[][..], |(_, codes)| codes);
        if !codes.contains(&exit) {
            self.report("I7", format!("{outcome} with exit code {exit}"));
        }
        let code = &data["error"]["code"];
        match (announced, code.as_str()) {
            (None, None) => {}
            (Some(announced), Some(code)) if announced == code => {}
            (announced, code) => {
                self.report("I5", format!("the turn ends with {code:?}, the error before says {announced:?}"))
            }
        }
        let failed = matches!(outcome, "failed" | "auth" | "limit" | "retry" | "timeout");
        match code.as_str() {
            None if failed => self.report("I5", format!("{outcome} without an error")),
            Some(code) if matches!(outcome, "ok" | "denied") => {
                self.report("I5", format!("{outcome} with error {code}"))
            }
            Some(code) if failed && outcome_of(code) != Some(outcome) => {
                self.report("I7", format!("{outcome} with error {code}"));
            }
            Some("not_installed") if failed && !matches!(exit, 126 | 127) => {
                self.report("I7", format!("not_installed with exit code {exit}"));
            }
            None | Some(_) => {}
        }
        if outcome == "timeout" && data.get("stop_reason").is_none() {
            self.report("I5", "timeout without the reason which one");
        }
        let models = data["models"].as_array().into_iter().flatten().map(|model| &model["usage"]);
        for usage in data.get("usage").into_iter().chain(models) {
            let count = |name: &str| usage[name].as_u64().unwrap_or_default();
            let (input, output) = (count("input_tokens"), count("output_tokens"));
            if count("total_tokens") != input + output
                || count("cached_input_tokens") + count("cache_write_tokens") > input
                || count("reasoning_tokens") > output
            {
                self.report("shape", format!("usage does not add up: {usage}"));
            }
        }
    }

    /// Nothing of a turn is left open at its end, but what may run on.
    fn closed(&mut self, id: &str, outcome: &str) {
        let mut wrong = Vec::new();
        for (name, seen) in &self.items {
            if seen.item["turn_id"] != id {
                continue;
            }
            let (kind, nested) = (word(&seen.item, "kind"), self.nested(&seen.item));
            let runs_on = outcome == "ok" && (kind == "tool_result" || nested);
            if seen.completed.is_none() && !runs_on {
                wrong.push(("I5", format!("{name} is open at the end of its turn")));
            }
            if kind == "tool_call" && seen.result.is_none() && !(outcome == "ok" && nested) {
                wrong.push(("I4", format!("{name} has no result at the end of its turn")));
            }
        }
        for (name, request) in &self.requests {
            let nested =
                request.call.as_ref().and_then(|call| self.items.get(call)).is_some_and(|call| self.nested(&call.item));
            if request.turn.as_deref() == Some(id) && request.resolved.is_none() && !nested {
                wrong.push(("I6", format!("{name} is open at the end of its turn")));
            }
        }
        for (rule, message) in wrong {
            self.report(rule, message);
        }
    }

    /// Whether an item is a sub-agent's: a result is nested in its call, which says nothing.
    fn nested(&self, item: &Value) -> bool {
        let parent = item["parent_id"].as_str();
        match item["kind"].as_str() {
            Some("tool_result") => {
                parent.and_then(|call| self.items.get(call)).is_some_and(|call| call.item.get("parent_id").is_some())
            }
            _ => parent.is_some(),
        }
    }

    fn item_started(&mut self, event: &Value, item: &Value) {
        let (id, kind) = (word(item, "item_id"), word(item, "kind"));
        if item["status"] != "in_progress" {
            self.report("I4", format!("{id} starts as {}", item["status"]));
        }
        let prompt = kind == "message" && item["role"] == "user" && item.get("parent_id").is_none();
        if prompt {
            self.prompt(event, item);
        } else {
            let belongs = !matches!(kind.as_str(), "status" | "system");
            self.belongs(item["turn_id"].as_str(), belongs, self.nested(item), &id);
        }
        match kind.as_str() {
            "tool_result" => self.result_started(item, &id),
            "status" => self.at_once = Some(id.clone()),
            _ => {}
        }
        if let Some(turn) = item["turn_id"].as_str().and_then(|turn| self.turns.get_mut(turn)) {
            turn.answered |= kind == "tool_call";
        }
        let seen = ItemSeen { item: item.clone(), text: None, completed: None, result: None };
        if self.items.insert(id.clone(), seen).is_some() {
            self.report("I4", format!("{id} starts twice"));
        }
    }

    fn prompt(&mut self, event: &Value, item: &Value) {
        if event["source"] != "daemon" {
            self.report("content", "a prompt is recorded by us, echoes of the agent are dropped");
        }
        let turn = item["turn_id"].as_str().map(str::to_owned);
        let Some(prompt) = item["prompt_id"].as_str().map(str::to_owned) else {
            return self.report("content", "a prompt without prompt_id");
        };
        match item["delivery"].as_str() {
            Some("turn") => self.waiting.push((prompt, turn)),
            Some("steered") => {
                if turn.is_none() || turn != self.open_turn {
                    return self
                        .report("I5", format!("{prompt} is steered into {turn:?}, open is {:?}", self.open_turn));
                }
                let turn = turn.and_then(|turn| self.turns.get_mut(&turn));
                turn.into_iter().for_each(|turn| turn.prompts.push(prompt.clone()));
            }
            _ => self.report("content", format!("{prompt} says not how it was delivered")),
        }
    }

    fn result_started(&mut self, item: &Value, id: &str) {
        let parent = word(item, "parent_id");
        let Some(call) = self.items.get_mut(&parent).filter(|call| call.item["kind"] == "tool_call") else {
            if self.whole {
                self.report("I4", format!("{id} is the result of no call"));
            }
            return;
        };
        let late = call.completed.is_none();
        if let Some(first) = call.result.replace(id.to_owned()) {
            self.report("I4", format!("{parent} has two results, {first} and {id}"));
        }
        if late {
            self.report("I4", format!("{parent} completes after its result began"));
        }
    }

    /// What belongs to a turn says so, and no turn gets more once it is over, but from its sub-agents.
    fn belongs(&mut self, turn: Option<&str>, must: bool, nested: bool, what: &str) {
        match turn {
            None if must && self.open_turn.is_some() => {
                self.report("turn_id", format!("{what} says not to which turn it belongs"))
            }
            None => {}
            Some(turn) => match self.turns.get(turn) {
                None if self.whole => {
                    self.report("turn_id", format!("{what} belongs to {turn}, which has not started"))
                }
                Some(seen) if seen.ended && !nested => {
                    self.report("I5", format!("{what} comes after the end of {turn}"))
                }
                None | Some(_) => {}
            },
        }
    }

    fn item_delta(&mut self, data: &Value) {
        let id = word(data, "item_id");
        let whole = self.whole;
        let problem = match self.items.get_mut(&id) {
            None => whole.then(|| format!("a delta of {id}, which has not started")),
            Some(seen) if seen.completed.is_some() => Some(format!("a delta of {id} after its end")),
            Some(seen) if seen.item["kind"] == "tool_call" => Some(format!("a delta of {id}, which is a tool call")),
            Some(seen) => {
                let text = seen.text.get_or_insert_default();
                if data["reset"] == true {
                    text.clear();
                }
                text.push_str(data["delta"].as_str().unwrap_or_default());
                None
            }
        };
        problem.into_iter().for_each(|problem| self.report("I4", problem));
    }

    fn item_completed(&mut self, item: &Value, ours: bool) {
        let (id, kind) = (word(item, "item_id"), word(item, "kind"));
        if item["status"] == "in_progress" {
            self.report("I4", format!("{id} completes while in progress"));
        }
        let Some(seen) = self.items.get_mut(&id) else {
            if self.whole {
                self.report("I4", format!("{id} completes without start"));
            }
            return;
        };
        let twice = seen.completed.replace(item.clone()).is_some();
        let (started, text) = (seen.item.clone(), seen.text.clone());
        if twice {
            self.report("I4", format!("{id} completes twice"));
        }
        for field in ["kind", "role", "turn_id", "parent_id", "group_id", "prompt_id"] {
            if item.get(field) != started.get(field) {
                self.report("I4", format!("{field} of {id} changed from {} to {}", started[field], item[field]));
            }
        }
        let stream = stream(item);
        if let Some(text) = text.filter(|text| *text != stream && item["truncated"] != true) {
            self.report("I4", format!("the deltas of {id} are {text:?}, its text {stream:?}"));
        }
        match kind.as_str() {
            "tool_call" => self.call_completed(item, &id),
            "tool_result" => self.result_completed(item, &id),
            "status" => self.status_completed(item, &id),
            _ => self.no_diff(item, &id),
        }
        let nested = self.nested(item);
        if let Some(turn) =
            item["turn_id"].as_str().and_then(|turn| self.turns.get_mut(turn)).filter(|turn| !turn.ended && !nested)
        {
            if kind == "tool_result" {
                // One that we close at the turn's end is not what the agent went on from.
                if !ours {
                    turn.texts.clear();
                }
            } else if kind == "message" && item["role"] == "assistant" {
                let text = texts(item, "text");
                turn.answered |= !text.is_empty();
                turn.texts.push((id, text));
            }
        }
    }

    fn call_completed(&mut self, item: &Value, id: &str) {
        let calls: Vec<_> = parts(item, "tool_call").collect();
        let [call] = calls.as_slice() else {
            return self.report("content", format!("{id} has {} tool_call parts", calls.len()));
        };
        if serde_json::from_str::<Value>(call["arguments"].as_str().unwrap_or_default()).is_err() {
            self.report("content", format!("the arguments of {id} are no JSON: {}", call["arguments"]));
        }
        self.no_diff(item, id);
    }

    fn result_completed(&mut self, item: &Value, id: &str) {
        let results: Vec<_> = parts(item, "tool_result").collect();
        let [result] = results.as_slice() else {
            return self.report("content", format!("{id} has {} tool_result parts", results.len()));
        };
        let call = self.items.get(&word(item, "parent_id")).map(|call| call.completed.as_ref().unwrap_or(&call.item));
        let call_id = call.and_then(|call| parts(call, "tool_call").next()).map(|call| call["call_id"].clone());
        if call_id.is_some_and(|call_id| call_id != result["call_id"]) {
            self.report("I4", format!("{id} names the call {}, its parent is another", result["call_id"]));
        }
        match (result["exit_code"].as_i64(), item["status"].as_str()) {
            (Some(0), Some("failed" | "declined")) | (Some(1..), Some("completed" | "declined")) => {
                self.report("content", format!("{id} is {} with exit code {}", item["status"], result["exit_code"]));
            }
            _ => {}
        }
        for file in parts(item, "file_ref") {
            if file["diff"].as_str().is_some_and(|diff| !diff.starts_with("diff --git ")) {
                self.report("content", format!("a diff of {id} is not git's: {}", file["diff"]));
            }
        }
    }

    fn status_completed(&mut self, item: &Value, id: &str) {
        let labels: Vec<_> = parts(item, "status").map(|part| part["label"].clone()).collect();
        let [label] = labels.as_slice() else {
            return self.report("status", format!("{id} has {} status parts", labels.len()));
        };
        let json = parts(item, "json").next().map(|part| part["json"].clone());
        match label.as_str().unwrap_or_default() {
            "todo" => self.shape(&json.unwrap_or_default(), &[("entries", Type::List(&Type::Record(TODO)))], "todo"),
            "retracted" => {
                let gone = json.map(|json| words(&json["item_ids"])).unwrap_or_default();
                if gone.is_empty() || self.whole && gone.iter().any(|item| !self.items.contains_key(item)) {
                    self.report("status", format!("{id} retracts {gone:?}"));
                }
                for turn in self.turns.values_mut() {
                    turn.texts.retain(|(item, _)| !gone.contains(item));
                }
            }
            _ => {}
        }
    }

    fn no_diff(&mut self, item: &Value, id: &str) {
        if parts(item, "file_ref").any(|file| file.get("diff").is_some()) {
            self.report("content", format!("{id} has a diff, which belongs into the tool result"));
        }
    }

    fn requested(&mut self, data: &Value) {
        let question = data.get("question_id").is_some();
        let id = word(data, if question { "question_id" } else { "permission_id" });
        let (turn, call) = (data["turn_id"].as_str(), data["tool_call_item_id"].as_str());
        let seen = call.and_then(|call| self.items.get(call)).filter(|call| call.item["kind"] == "tool_call");
        let (known, open, nested) = (
            seen.is_some(),
            seen.is_some_and(|call| call.completed.is_none()),
            seen.is_some_and(|call| self.nested(&call.item)),
        );
        if self.whole && call.is_some() && !known {
            self.report("I6", format!("{id} is about {call:?}, which is no call"));
        }
        if open {
            self.report("I4", format!("{call:?} completes after its request {id}"));
        }
        self.belongs(turn, true, nested, &id);
        if data["status"] != "requested" {
            self.report("shape", format!("{id} is requested as {}", data["status"]));
        }
        if question {
            self.question(data, &id);
            if call.is_none() {
                self.report("I6", format!("{id} has no call"));
            }
        }
        for path in words(&data["paths"]) {
            if !path.starts_with('/') {
                self.report("shape", format!("{id} is about the path {path}, which is not absolute"));
            }
        }
        let request = RequestSeen {
            turn: turn.map(str::to_owned),
            call: call.map(str::to_owned),
            question: question.then(|| data["questions"].clone()),
            resolved: None,
        };
        if self.requests.insert(id.clone(), request).is_some() {
            self.report("I6", format!("{id} is requested twice"));
        }
    }

    /// The first question stands also at the top.
    fn question(&mut self, data: &Value, id: &str) {
        let Some(first) = data["questions"].get(0) else { return self.report("shape", format!("{id} asks nothing")) };
        let labels: Vec<_> =
            first["options"].as_array().into_iter().flatten().map(|option| option["label"].clone()).collect();
        if data["prompt"] != first["prompt"] || data["options"] != Value::Array(labels) {
            self.report("shape", format!("{id} does not mirror its first question"));
        }
    }

    fn resolved(&mut self, data: &Value) {
        let question = data.get("question_id").is_some();
        let id = word(data, if question { "question_id" } else { "permission_id" });
        let (status, by) = (word(data, "status"), word(data, "resolved_by"));
        if status == "requested" {
            self.report("shape", format!("{id} is resolved as requested"));
        }
        let Some(request) = self.requests.get_mut(&id) else {
            if self.whole {
                self.report("I6", format!("{id} is resolved, but was not requested"));
            }
            return;
        };
        let (turn, asked) = (request.turn.clone(), request.question.clone());
        if let Some(first) = request.resolved.replace(status.clone()) {
            self.report("I6", format!("{id} is resolved twice, as {first} and {status}"));
        }
        if turn.as_deref() != data["turn_id"].as_str() {
            self.report("turn_id", format!("{id} was requested in {turn:?}, resolved in {}", data["turn_id"]));
        }
        // A turn ends with what was resolved in it, also where that was asked before it began.
        if let Some(turn) = self.open_turn.as_ref().and_then(|open| self.turns.get_mut(open)) {
            match (status.as_str(), by.as_str()) {
                ("reject" | "rejected", _) => {
                    turn.denied.insert(id.clone());
                    if by == "policy" && data.get("rule").is_some() {
                        turn.denied_by_rule.insert(id.clone());
                    }
                }
                ("cancelled", "turn_end") => {
                    turn.pending.insert(id.clone());
                }
                _ => {}
            }
        }
        if let Some(asked) = asked {
            self.question(data, &id);
            self.answers(data, &asked, &status, &id);
        }
    }

    fn answers(&mut self, data: &Value, asked: &Value, status: &str, id: &str) {
        if data["questions"] != *asked {
            self.report("shape", format!("the questions of {id} changed"));
        }
        let answers = data["answers"].as_object();
        if (status == "answered") != answers.is_some() {
            self.report("shape", format!("{id} is {status} with answers {}", data["answers"]));
        }
        let ids: Vec<_> = asked.as_array().into_iter().flatten().map(|question| question["id"].clone()).collect();
        for (question, answer) in answers.into_iter().flatten() {
            if !ids.contains(&Value::from(question.as_str()))
                || !answer.as_array().is_some_and(|words| words.iter().all(Value::is_string))
            {
                self.report("shape", format!("{id} has the answer {answer} to {question}"));
            }
        }
        let first = ids.first().and_then(|id| id.as_str()).and_then(|id| data["answers"].get(id));
        if let Some([answer]) = first.and_then(Value::as_array).map(Vec::as_slice)
            && data["response"] != *answer
        {
            self.report("shape", format!("the response of {id} does not mirror its first answer"));
        }
    }

    fn error(&mut self, data: &Value) {
        // A line that cannot be read and prompts that were lost belong to no turn.
        let must = !matches!(data["code"].as_str(), Some("bad_input" | "not_delivered"));
        self.belongs(data["turn_id"].as_str(), must, false, "an error");
        if let Some(turn) = data["turn_id"].as_str().filter(|_| data["recoverable"] == false) {
            self.announced = Some((turn.to_owned(), data["code"].clone()));
        }
    }

    fn finish(&mut self) {
        self.sequence = 0;
        let mut wrong = Vec::new();
        if self.announced.is_some() {
            wrong.push(("I5", "the list ends with an error that announces the end of a turn".to_owned()));
        }
        if let Some(item) = &self.at_once {
            wrong.push(("status", format!("{item} has no deltas, so it should complete at once")));
        }
        if let Some(turn) = &self.open_turn {
            wrong.push(("I5", format!("{turn} never ended")));
        }
        if !self.waiting.is_empty() {
            wrong.push(("I5", format!("no turn follows the prompts {:?}", self.waiting)));
        }
        for (id, seen) in &self.items {
            if seen.completed.is_none() {
                wrong.push(("I4", format!("{id} never completed")));
            }
            if seen.item["kind"] == "tool_call" && seen.result.is_none() {
                wrong.push(("I4", format!("{id} never got a result")));
            }
        }
        for (id, request) in &self.requests {
            let result = request.call.as_ref().and_then(|call| self.items.get(call)?.result.as_ref());
            let result = result.and_then(|result| self.items.get(result)?.completed.as_ref());
            match request.resolved.as_deref() {
                None => wrong.push(("I6", format!("{id} was never resolved"))),
                Some("reject") if result.is_some_and(|result| result["status"] != "declined") => {
                    wrong.push(("content", format!("{id} was rejected, but its call's result does not say declined")));
                }
                Some(_) => {}
            }
        }
        for (rule, message) in wrong {
            self.report(rule, message);
        }
    }

    fn shape(&mut self, value: &Value, fields: &[Field], path: &str) {
        if !value.is_object() {
            return self.report("shape", format!("{path} is no object: {value}"));
        }
        if self.exact {
            for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                // A part's tag is what chose these fields.
                if key != "type" && !fields.iter().any(|(name, _)| name.trim_end_matches('?') == key) {
                    self.report("shape", format!("{path}.{key} is not in the contract"));
                }
            }
        }
        for (name, kind) in fields {
            let (name, optional) = name.strip_suffix('?').map_or((*name, false), |name| (name, true));
            match value.get(name) {
                None if optional => {}
                None => self.report("shape", format!("{path}.{name} is missing")),
                Some(value) => self.typed(value, kind, &format!("{path}.{name}")),
            }
        }
    }

    fn typed(&mut self, value: &Value, kind: &Type, path: &str) {
        let good = match kind {
            Type::Text => value.is_string(),
            Type::Whole => value.is_u64(),
            Type::Code => value.is_i64(),
            Type::Number => value.is_number(),
            Type::Bool => value.is_boolean(),
            Type::Time => value.as_str().is_some_and(is_time),
            Type::Map => value.is_object(),
            Type::Any => true,
            Type::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Type::Record(fields) => return self.shape(value, fields, path),
            Type::List(kind) => {
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate()
                    .for_each(|(at, value)| self.typed(value, kind, &format!("{path}[{at}]")));
                value.is_array()
            }
            Type::Part => match PARTS.iter().find(|(name, _)| value["type"] == *name) {
                Some((_, fields)) => return self.shape(value, fields, path),
                None => false,
            },
        };
        if !good {
            self.report("shape", format!("{path} is {value}"));
        }
    }
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
}

/// The same words in any order, each once.
fn same<'a>(one: &'a [String], other: impl IntoIterator<Item = &'a String>) -> bool {
    let set: BTreeSet<_> = one.iter().collect();
    set.len() == one.len() && set == other.into_iter().collect()
}

fn parts<'a>(item: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    item["content"].as_array().into_iter().flatten().filter(move |part| part["type"] == kind)
}

fn texts(item: &Value, kind: &str) -> String {
    parts(item, kind).map(|part| word(part, "text")).collect()
}

/// What the deltas of an item must come to.
fn stream(item: &Value) -> String {
    match item["kind"].as_str() {
        Some("tool_result") => parts(item, "tool_result").map(|part| word(part, "output")).collect(),
        _ => texts(item, "text") + &texts(item, "reasoning"),
    }
}

fn is_session_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    id.len() <= 100 && id.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && id.bytes().all(plain)
}

/// `2026-11-21T05:17:00.123Z`
fn is_time(time: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, wanted): (u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == *wanted };
    time.len() == pattern.len() && time.bytes().zip(pattern).all(fits)
}

fn outcome_of(code: &str) -> Option<&'static str> {
    ERRORS.iter().find(|(_, codes)| codes.contains(&code)).map(|(outcome, _)| *outcome)
}

/// A field's name, with `?` when it may be absent, and what it holds.
type Field = (&'static str, Type);

enum Type {
    Text,
    Whole,
    Code,
    Number,
    Bool,
    Time,
    Map,
    Any,
    Word(&'static [&'static str]),
    List(&'static Type),
    Record(&'static [Field]),
    Part,
}

const KEYS: [&str; 9] =
    ["event_id", "sequence", "time", "session_id", "native_session_id", "source", "synthetic", "type", "data"];

const OUTCOMES: &[(&str, &[i64])] = &[
    ("ok", &[0]),
    ("failed", &[1, 70, 126, 127, 137]),
    ("auth", &[4]),
    ("denied", &[5]),
    ("input_needed", &[6]),
    ("limit", &[7]),
    ("retry", &[75]),
    ("timeout", &[124]),
    ("cancelled", &[130, 143, 129, 141]),
];

/// Error codes by the outcome of a turn that ends with one.
const ERRORS: &[(&str, &[&str])] = &[
    ("auth", &["auth"]),
    ("retry", &["rate_limit", "quota", "overloaded", "server", "network"]),
    ("limit", &["max_tokens", "max_turns", "max_cost", "context_full", "refusal"]),
    ("timeout", &["timeout"]),
    (
        "failed",
        &[
            "not_installed",
            "bad_request",
            "model_not_found",
            "protocol",
            "crash",
            "no_answer",
            "aborted_by_agent",
            "other",
        ],
    ),
];

const CODE: Type = Type::Word(&[
    "not_delivered",
    "auth",
    "rate_limit",
    "quota",
    "overloaded",
    "server",
    "network",
    "max_tokens",
    "max_turns",
    "max_cost",
    "context_full",
    "refusal",
    "timeout",
    "not_installed",
    "bad_request",
    "model_not_found",
    "protocol",
    "crash",
    "no_answer",
    "aborted_by_agent",
    "other",
    "usage",
    "bad_input",
    "not_found",
    "offset_beyond_end",
    "session_ended",
    "busy",
    "store",
    "disk_full",
    "read_only",
]);

const MODE: Type = Type::Word(&["read-only", "ask", "accept-edits", "auto", "bypass"]);
const RESOLVED_BY: Type = Type::Word(&["policy", "user", "agent", "timeout", "turn_end"]);

const TYPES: &[(&str, &[Field])] = &[
    (
        "session.started",
        &[
            ("schema_version", Type::Text),
            ("agent", Type::Text),
            ("agent_version?", Type::Text),
            ("cwd", Type::Text),
            ("model?", Type::Text),
            ("mode?", Type::Text),
            ("effort?", Type::Text),
            ("permission_mode", MODE),
            ("resumed", Type::Bool),
            ("metadata?", Type::Map),
        ],
    ),
    (
        "session.ended",
        &[
            ("reason", Type::Word(&["completed", "terminated"])),
            ("terminated_by", Type::Word(&["agent", "user"])),
            ("message?", Type::Text),
        ],
    ),
    (
        "turn.started",
        &[
            ("phase", Type::Word(&["started"])),
            ("turn_id", Type::Text),
            ("cause", Type::Word(&["prompt", "background", "command"])),
            ("prompt_ids", Type::List(&Type::Text)),
            ("user?", Type::Text),
            ("metadata?", Type::Map),
        ],
    ),
    (
        "turn.ended",
        &[
            ("phase", Type::Word(&["ended"])),
            ("turn_id", Type::Text),
            ("prompt_ids", Type::List(&Type::Text)),
            (
                "outcome",
                Type::Word(&[
                    "ok",
                    "failed",
                    "auth",
                    "denied",
                    "input_needed",
                    "limit",
                    "retry",
                    "timeout",
                    "cancelled",
                ]),
            ),
            ("exit_code", Type::Code),
            ("stop_reason?", Type::Text),
            ("final_text?", Type::Text),
            ("usage?", Type::Record(USAGE)),
            ("cost?", Type::Record(&[("usd", Type::Number), ("basis", Type::Word(&["reported", "estimated"]))])),
            (
                "models?",
                Type::List(&Type::Record(&[
                    ("model", Type::Text),
                    ("usage", Type::Record(USAGE)),
                    ("usd?", Type::Number),
                ])),
            ),
            ("denied", Type::List(&Type::Text)),
            ("pending", Type::List(&Type::Text)),
            ("duration_ms", Type::Whole),
            ("error?", Type::Record(&[("message", Type::Text), ("code", CODE)])),
            ("metadata?", Type::Map),
        ],
    ),
    ("item.started", &[("item", Type::Record(ITEM))]),
    (
        "item.delta",
        &[("item_id", Type::Text), ("native_item_id?", Type::Text), ("delta", Type::Text), ("reset?", Type::Bool)],
    ),
    ("item.completed", &[("item", Type::Record(ITEM))]),
    (
        "permission.requested",
        &[
            ("permission_id", Type::Text),
            ("turn_id?", Type::Text),
            ("tool_call_item_id?", Type::Text),
            ("status", Type::Word(&["requested"])),
            ("action", ACTION),
            ("tool", Type::Text),
            ("title?", Type::Text),
            ("command?", Type::Text),
            ("cwd?", Type::Text),
            ("paths?", Type::List(&Type::Text)),
            ("url?", Type::Text),
            ("server?", Type::Text),
            ("files?", Type::List(&Type::Part)),
            ("input?", Type::Any),
            ("options?", Type::List(&Type::Record(&[("id", Type::Text), ("label", Type::Text), ("kind", Type::Text)]))),
            ("expires?", Type::Time),
            ("metadata?", Type::Map),
        ],
    ),
    (
        "permission.resolved",
        &[
            ("permission_id", Type::Text),
            ("turn_id?", Type::Text),
            ("status", Type::Word(&["accept", "accept_for_session", "reject", "cancelled"])),
            ("resolved_by", RESOLVED_BY),
            ("user?", Type::Text),
            ("rule?", Type::Text),
            ("scope?", Type::Record(&[("kind", ACTION), ("pattern", Type::Text)])),
            ("message?", Type::Text),
            ("input?", Type::Any),
        ],
    ),
    ("question.requested", QUESTION),
    ("question.resolved", QUESTION),
    (
        "error",
        &[
            ("message", Type::Text),
            ("code", CODE),
            ("recoverable", Type::Bool),
            ("turn_id?", Type::Text),
            ("retry_after_ms?", Type::Whole),
            ("retry_at?", Type::Time),
            ("attempt?", Type::Whole),
            ("details?", Type::Any),
        ],
    ),
    ("agent.unparsed", &[("error", Type::Text), ("location", Type::Text), ("raw_hash", Type::Text)]),
];

const ACTION: Type = Type::Word(&["command", "edit", "read", "search", "fetch", "mcp", "plan", "mode", "other"]);

const QUESTION: &[Field] = &[
    ("question_id", Type::Text),
    ("turn_id?", Type::Text),
    ("tool_call_item_id?", Type::Text),
    ("prompt", Type::Text),
    ("options", Type::List(&Type::Text)),
    ("status", Type::Word(&["requested", "answered", "rejected", "cancelled"])),
    ("response?", Type::Text),
    (
        "questions",
        Type::List(&Type::Record(&[
            ("id", Type::Text),
            ("header?", Type::Text),
            ("prompt", Type::Text),
            ("options", Type::List(&Type::Record(&[("label", Type::Text), ("description?", Type::Text)]))),
            ("multi_select", Type::Bool),
            ("custom", Type::Bool),
            ("secret", Type::Bool),
        ])),
    ),
    ("answers?", Type::Map),
    ("resolved_by?", RESOLVED_BY),
    ("user?", Type::Text),
];

const USAGE: &[Field] = &[
    ("input_tokens", Type::Whole),
    ("cached_input_tokens?", Type::Whole),
    ("cache_write_tokens?", Type::Whole),
    ("output_tokens", Type::Whole),
    ("reasoning_tokens?", Type::Whole),
    ("total_tokens", Type::Whole),
];

const ITEM: &[Field] = &[
    ("item_id", Type::Text),
    ("native_item_id?", Type::Text),
    ("turn_id?", Type::Text),
    ("parent_id?", Type::Text),
    ("group_id?", Type::Text),
    ("kind", Type::Word(&["message", "tool_call", "tool_result", "system", "status", "unknown"])),
    ("role?", Type::Word(&["user", "assistant", "system", "tool"])),
    ("content", Type::List(&Type::Part)),
    ("status", Type::Word(&["in_progress", "completed", "failed", "declined", "cancelled"])),
    ("prompt_id?", Type::Text),
    ("delivery?", Type::Word(&["turn", "steered"])),
    ("truncated?", Type::Bool),
];

const PARTS: &[(&str, &[Field])] = &[
    ("text", &[("text", Type::Text)]),
    ("json", &[("json", Type::Any)]),
    (
        "tool_call",
        &[
            ("name", Type::Text),
            ("title?", Type::Text),
            (
                "kind",
                Type::Word(&[
                    "command", "edit", "read", "search", "fetch", "mcp", "agent", "question", "plan", "other",
                ]),
            ),
            ("server?", Type::Text),
            ("arguments", Type::Text),
            ("call_id", Type::Text),
        ],
    ),
    (
        "tool_result",
        &[("call_id", Type::Text), ("output", Type::Text), ("exit_code?", Type::Code), ("duration_ms?", Type::Whole)],
    ),
    (
        "file_ref",
        &[
            ("path", Type::Text),
            ("action", Type::Word(&["read", "create", "update", "delete", "move"])),
            ("from?", Type::Text),
            ("diff?", Type::Text),
        ],
    ),
    ("image", &[("path?", Type::Text), ("url?", Type::Text), ("mime?", Type::Text)]),
    ("reasoning", &[("text", Type::Text), ("visibility", Type::Word(&["public", "private"]))]),
    (
        "status",
        &[
            (
                "label",
                Type::Word(&[
                    "plan",
                    "todo",
                    "diff",
                    "mode.changed",
                    "model.changed",
                    "session.info",
                    "session.title",
                    "context",
                    "compaction",
                    "rate_limit",
                    "task",
                    "retracted",
                ]),
            ),
            ("detail?", Type::Text),
        ],
    ),
];

const TODO: &[Field] = &[
    ("id?", Type::Text),
    ("content", Type::Text),
    ("status", Type::Word(&["pending", "in_progress", "completed"])),
    ("priority?", Type::Text),
];

#[cfg(test)]
#[path = "checker/tests.rs"]
mod tests;
