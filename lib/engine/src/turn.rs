//! The promises no agent keeps by itself: one end for each turn, one completion for each item, a result for each call, deltas that add up, requests resolved. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use agents::dialect::{
    Ask, Asked, Decision, Effect, Exit, Fault, Finish, Key, OrderId, Permit, RequestKey, Start, Status, Stop, Timer,
    Verdict,
};
use schema::event::{
    Body, Cause, EndReason, EndedPhase, ErrorData, ItemDelta, ItemEvent, SessionEnded, StartedPhase, TerminatedBy,
    TurnEnded, TurnError, TurnStarted,
};
use schema::item::{ContentPart, Delivery, Item, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::{ErrorCode, Outcome};
use schema::request::{
    PermissionRequested, PermissionResolved, PermissionStatus, QuestionEvent, QuestionStatus, RequestStatus,
    ResolvedBy, Scope,
};
use schema::time::Timestamp;

use crate::growth::{Growth, clip};

/// One session's course under one owner: effects and orders go in, events come out of [`Course::said`].
#[derive(Debug)]
pub struct Course {
    /// The sequence of the `session.started` that began this agent; with a count it makes ids unique in the session.
    start: i64,
    /// Open items, in the order of their start.
    items: Vec<Open>,
    /// Calls that have no completed result yet, in the order of their start.
    calls: Vec<Call>,
    /// Where the items of sub-agents belong: the turn and the parent of each call that may have children.
    families: HashMap<Key, Family>,
    /// Calls whose result has begun or was made.
    answered: HashSet<Key>,
    /// Calls below which a sub-agent works.
    agents: Vec<Key>,
    requests: Vec<Request>,
    statuses: HashMap<(StatusLabel, Option<Key>), u64>,
    turn: Option<Turn>,
    counted: Counted,
    denied_ok: bool,
    out: Vec<Said>,
}

/// An event to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What happened.
    pub body: Body,
    /// We say so, not the agent.
    pub synthetic: bool,
}

/// What the driver of a course must see to.
#[derive(Debug)]
pub enum Note {
    /// Say this line to the agent, once everything before it is stored.
    Say(String),
    /// Call the agent, likewise.
    Ask(Ask),
    /// The agent's own id of the conversation.
    Native(String),
    /// A permission must be decided.
    Permit(Box<Permit>),
    /// A question must be answered or refused.
    Question(RequestKey),
    /// The line of this step was not understood.
    Unparsed {
        /// Why.
        error: String,
        /// Where.
        location: String,
    },
    /// An order was taken.
    Taken(OrderId),
    /// An order was refused.
    Refused(OrderId, Fault),
    /// The running turn is over: call [`Course::end_turn`].
    TurnOver(Box<Verdict>),
    /// Wake the dialect later.
    Wake(Timer, std::time::Duration),
    /// End this process; the next prompt starts a new one.
    End(Option<Fault>),
}

/// A prompt on its way to the agent.
#[derive(Debug, Clone, Default)]
pub struct PromptItem {
    /// The sender's own id.
    pub id: Option<String>,
    /// Who sent it.
    pub user: Option<String>,
    /// Its parts: the text, then what comes with it.
    pub content: Vec<ContentPart>,
}

/// Why we ended a turn; the first cause decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Cancelled by us, with the exit code of the signal (130 INT and `cancel`, 143 TERM, 129 HUP, 141 PIPE).
    Cancelled(i32),
    /// The wall clock or the idle clock ran out: `timeout` or `idle_timeout`, and a line for people.
    Timeout(&'static str, String),
    /// A request needs an answer that nobody can give.
    InputNeeded,
    /// A limit of ours.
    Limit(ErrorCode, String),
    /// The agent's program could not be started, with its own exit code (126 or 127).
    NotStarted(Fault, i32),
    /// The store or the agent itself failed.
    Fault(Fault),
    /// The owner was killed, as the recovering command writes it.
    Killed,
}

/// How a turn ended, for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// The exit code.
    pub exit_code: i32,
}

/// What a dead owner left open, read from its events.
#[derive(Debug, Default)]
pub struct Left {
    /// The open turn: its id, its prompts, when it began.
    pub turn: Option<(String, Vec<String>, i64)>,
    /// Open items with their deltas (text, reset).
    pub items: Vec<(Item, Vec<(String, bool)>)>,
    /// Calls without a completed result, open ones included.
    pub calls: Vec<Item>,
    /// Open permissions.
    pub permissions: Vec<PermissionRequested>,
    /// Open questions.
    pub questions: Vec<QuestionEvent>,
    /// What was rejected in the open turn.
    pub denied: Vec<String>,
    /// The calls that were not allowed.
    pub declined: Vec<String>,
}

impl Left {
    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.turn.is_none()
            && self.items.is_empty()
            && self.calls.is_empty()
            && self.permissions.is_empty()
            && self.questions.is_empty()
    }
}

#[derive(Debug)]
struct Open {
    key: Key,
    id: Rc<str>,
    native: Option<Rc<str>>,
    item: Item,
    parent: Option<Key>,
    growth: Growth,
    detached: bool,
}

#[derive(Debug)]
struct Call {
    key: Key,
    id: String,
    call_id: String,
    turn_id: Option<String>,
    parent: Option<Key>,
    group_id: Option<String>,
    declined: bool,
}

#[derive(Debug)]
struct Family {
    turn_id: Option<String>,
    parent: Option<Key>,
}

#[derive(Debug)]
struct Request {
    key: RequestKey,
    id: String,
    turn_id: Option<String>,
    call: Option<Key>,
    question: Option<QuestionEvent>,
    asked: Body,
}

#[derive(Debug)]
struct Turn {
    id: String,
    prompts: Vec<String>,
    began: i64,
    /// Assistant texts after the last tool result, with their items.
    texts: Vec<(Key, String)>,
    answered: bool,
    denied: Vec<String>,
    denied_by_rule: usize,
    cut: Option<Cut>,
}

#[derive(Debug, Default)]
struct Counted {
    turns: u32,
    prompts: u32,
    made: u32,
}

impl Course {
    /// A course whose agent starts with the event of this sequence.
    pub fn new(start: i64) -> Course {
        Course {
            start,
            items: Vec::new(),
            calls: Vec::new(),
            families: HashMap::new(),
            answered: HashSet::new(),
            agents: Vec::new(),
            requests: Vec::new(),
            statuses: HashMap::new(),
            turn: None,
            counted: Counted::default(),
            denied_ok: false,
            out: Vec::new(),
        }
    }

    /// A course that stands where a dead owner's stood, only to be ended. `start` is the next free sequence.
    pub fn restored(start: i64, left: Left) -> Course {
        let mut course = Course::new(start);
        let mut keys: HashMap<String, Key> = HashMap::new();
        let ids = left.calls.iter().chain(left.items.iter().map(|(item, _)| item)).map(|item| item.item_id.clone());
        for id in ids {
            let next = Key(u32::try_from(keys.len()).unwrap_or(u32::MAX));
            keys.entry(id).or_insert(next);
        }
        let parent_of = |item: &Item| item.parent_id.as_ref().and_then(|parent| keys.get(parent)).copied();
        for call in left.calls {
            let key = keys[&call.item_id];
            let parent = parent_of(&call);
            course.families.insert(key, Family { turn_id: call.turn_id.clone(), parent });
            let declined = left.declined.contains(&call.item_id);
            course.calls.push(Call {
                key,
                call_id: call.content.iter().find_map(call_id).unwrap_or_default().to_owned(),
                id: call.item_id,
                turn_id: call.turn_id,
                parent,
                group_id: call.group_id,
                declined,
            });
        }
        for (item, deltas) in left.items {
            let mut growth = Growth::default();
            for (delta, reset) in deltas {
                if reset {
                    growth = Growth::default();
                }
                growth.push(&delta);
            }
            course.items.push(Open {
                key: keys[&item.item_id],
                id: item.item_id.as_str().into(),
                native: item.native_item_id.as_deref().map(Into::into),
                parent: parent_of(&item),
                item,
                growth,
                detached: false,
            });
        }
        let request = |number: usize| RequestKey(u32::try_from(number).unwrap_or(u32::MAX));
        for permission in left.permissions {
            let key = request(course.requests.len());
            let (id, turn_id) = (permission.permission_id.clone(), permission.turn_id.clone());
            let asked = Body::PermissionRequested(Box::new(permission));
            course.requests.push(Request { key, id, turn_id, call: None, question: None, asked });
        }
        for question in left.questions {
            let key = request(course.requests.len());
            let (id, turn_id) = (question.question_id.clone(), question.turn_id.clone());
            let asked = Body::QuestionRequested(Box::new(question.clone()));
            course.requests.push(Request { key, id, turn_id, call: None, question: Some(question), asked });
        }
        course.turn = left.turn.map(|(id, prompts, began)| Turn {
            id,
            prompts,
            began,
            texts: Vec::new(),
            answered: false,
            denied: left.denied,
            denied_by_rule: 0,
            cut: None,
        });
        course
    }

    /// Our own deny rules are no reason for exit code 5.
    pub fn denied_ok(&mut self) {
        self.denied_ok = true;
    }

    /// Takes what is to be stored next, in order.
    pub fn said(&mut self) -> std::vec::Drain<'_, Said> {
        self.out.drain(..)
    }

    /// Whether a turn is open.
    pub fn in_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// Whether a permission or a question is open.
    pub fn is_asking(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether a tool runs or a request is open: then silence is no sign of trouble.
    pub fn is_busy(&self) -> bool {
        !self.requests.is_empty() || !self.calls.is_empty()
    }

    /// Whether a sub-agent is still to report after its turn's end.
    pub fn awaits_report(&self) -> bool {
        !self.agents.is_empty()
    }

    /// Whether this request is open.
    pub fn is_open(&self, key: RequestKey) -> bool {
        self.requests.iter().any(|request| request.key == key)
    }

    /// An open request as it was asked.
    pub fn open_request(&self, key: RequestKey) -> Option<Body> {
        self.requests.iter().find(|request| request.key == key).map(|request| request.asked.clone())
    }

    /// Why the open turn is being cut, if it is.
    pub fn cut(&self) -> Option<&Cut> {
        self.turn.as_ref().and_then(|turn| turn.cut.as_ref())
    }

    /// Remembers why the open turn is being cut; the first cause stays.
    pub fn cut_turn(&mut self, cut: Cut) {
        if let Some(turn) = &mut self.turn {
            turn.cut.get_or_insert(cut);
        }
    }

    /// A prompt is given to the agent: its item, then its turn. Returns the id of the prompt.
    pub fn prompt(&mut self, prompt: PromptItem, cause: Cause, now: i64) -> String {
        let user = prompt.user.clone();
        let prompt_id = self.prompt_item(prompt, Delivery::Turn, None);
        self.begin_turn(cause, vec![prompt_id.clone()], user, now);
        prompt_id
    }

    /// A prompt was put into the running turn. Returns the id of the prompt.
    pub fn steered(&mut self, prompt: PromptItem) -> String {
        let turn_id = self.turn_id();
        let prompt_id = self.prompt_item(prompt, Delivery::Steered, turn_id);
        if let Some(turn) = &mut self.turn {
            turn.prompts.push(prompt_id.clone());
        }
        prompt_id
    }

    /// The id of the open turn.
    pub fn open_turn(&self) -> Option<&str> {
        self.turn.as_ref().map(|turn| turn.id.as_str())
    }

    /// An open request by its id, as it was asked.
    pub fn find_request(&self, id: &str) -> Option<(RequestKey, Body)> {
        let request = self.requests.iter().find(|request| request.id == id)?;
        Some((request.key, request.asked.clone()))
    }

    /// Takes one effect of the dialect.
    pub fn apply(&mut self, effect: Effect, now: i64) -> Option<Note> {
        match effect {
            Effect::Grow(key, delta) => self.grow(key, delta),
            Effect::Start(start) => self.start(start),
            Effect::Finish(finish) => self.finish(finish, false),
            Effect::Status(status) => self.status(status),
            Effect::Retracted(keys) => self.retract(&keys),
            Effect::Permit(permit) => {
                self.permit(&permit);
                return Some(Note::Permit(permit));
            }
            Effect::Denied { permit, message } => {
                self.permit(&permit);
                let decision = Decision::Reject { message: None, stop: false };
                self.decide(permit.key, &decision, ResolvedBy::Agent, By { message, ..By::default() });
            }
            Effect::Question(asked) => {
                let key = asked.key;
                self.question(asked);
                return Some(Note::Question(key));
            }
            Effect::Withdrawn(key) => self.resolve(key, PermissionStatus::Cancelled, ResolvedBy::Agent, By::default()),
            Effect::Setback(fault) => self.error(fault, true, false),
            Effect::Detach(key) => {
                if let Some(open) = self.items.iter_mut().find(|open| open.key == key) {
                    open.detached = true;
                }
            }
            Effect::AgentBegan(call) => {
                if !self.agents.contains(&call) {
                    self.agents.push(call);
                }
            }
            Effect::AgentEnded(call) => self.end_agent(call),
            Effect::TurnBegan(cause) => {
                if self.turn.is_none() {
                    self.begin_turn(cause, Vec::new(), None, now);
                }
            }
            Effect::SessionEnded(message) => self.end_session(EndReason::Completed, TerminatedBy::Agent, message),
            Effect::Say(line) => return Some(Note::Say(line)),
            Effect::Ask(ask) => return Some(Note::Ask(ask)),
            Effect::Native(id) => return Some(Note::Native(id)),
            Effect::Unparsed { error, location } => return Some(Note::Unparsed { error, location }),
            Effect::Taken(order) => return Some(Note::Taken(order)),
            Effect::Refused(order, fault) => return Some(Note::Refused(order, fault)),
            Effect::TurnEnded(verdict) => return Some(Note::TurnOver(verdict)),
            Effect::Wake(timer, after) => return Some(Note::Wake(timer, after)),
            Effect::End(fault) => return Some(Note::End(fault)),
        }
        None
    }

    /// An event made by the driver.
    pub fn say(&mut self, body: Body) {
        self.emit(body, true);
    }

    /// An event that the driver made of an agent's line.
    pub fn say_for_agent(&mut self, body: Body) {
        self.emit(body, false);
    }

    /// A permission was decided. Returns whether it was open.
    pub fn decide(&mut self, key: RequestKey, decision: &Decision, by: ResolvedBy, more: By) -> bool {
        let Some(request) = self.requests.iter().find(|request| request.key == key) else { return false };
        let rejected = match decision {
            Decision::Accept { .. } | Decision::AcceptForSession => false,
            Decision::Reject { .. } => true,
        };
        if rejected {
            let call = request.call;
            let id = request.id.clone();
            let by_rule = by == ResolvedBy::Policy && more.rule.is_some();
            self.denied(id, by_rule);
            if let Some(call) = self.calls.iter_mut().find(|open| Some(open.key) == call) {
                call.declined = true;
            }
        }
        let status = match decision {
            Decision::Accept { .. } => PermissionStatus::Accept,
            Decision::AcceptForSession => PermissionStatus::AcceptForSession,
            Decision::Reject { .. } => PermissionStatus::Reject,
        };
        self.resolve(key, status, by, more);
        true
    }

    /// A question was answered. Returns whether it was open.
    pub fn answer(&mut self, key: RequestKey, answers: &[Vec<String>], by: ResolvedBy, user: Option<String>) -> bool {
        let Some(at) = self.requests.iter().position(|open| open.key == key && open.question.is_some()) else {
            return false;
        };
        let Some(mut question) = self.requests.remove(at).question else { return false };
        question.status = QuestionStatus::Answered;
        question.response = answers.first().map(|first| first.join(", "));
        question.answers = Some(
            question
                .questions
                .iter()
                .zip(answers)
                .map(|(asked, given)| (asked.id.clone(), serde_json::Value::from(given.clone())))
                .collect(),
        );
        question.resolved_by = Some(by);
        question.user = user;
        self.emit(Body::QuestionResolved(Box::new(question)), true);
        true
    }

    /// A question will not be answered. Returns whether it was open.
    pub fn refuse(&mut self, key: RequestKey, by: ResolvedBy, user: Option<String>) -> bool {
        let Some(request) = self.requests.iter().find(|open| open.key == key && open.question.is_some()) else {
            return false;
        };
        let id = request.id.clone();
        self.denied(id, false);
        self.resolve(key, PermissionStatus::Reject, by, By { user, ..By::default() });
        true
    }

    /// Ends the open turn: by the agent's verdict, or without one. `staying`: the owner goes on, so what the agent
    /// keeps running may go on too. Does nothing without an open turn.
    pub fn end_turn(&mut self, verdict: Option<Verdict>, staying: bool, now: i64) -> Option<Ended> {
        let mut turn = self.turn.take()?;
        let verdict = verdict.unwrap_or_else(|| Verdict::new(Stop::Interrupted));
        // A text whose end the agent did not tell was said all the same.
        let open: Vec<(Key, String)> = self.items.iter().filter_map(|open| open_text(open, &turn.id)).collect();
        turn.answered |= !open.is_empty();
        let judged = judge(&turn, &verdict, self.denied_ok);
        if judged.item_status == ItemStatus::Completed {
            turn.texts.extend(open);
        }
        let well = judged.outcome == Outcome::Ok;
        let pending = self.close_requests();
        self.close_items(judged.item_status, staying && well);

        if let Some((code, message)) = &judged.error {
            let mut fault = match (&verdict.stop, &turn.cut) {
                (Stop::Failed(fault), _) if fault.code == *code => fault.clone(),
                (_, Some(Cut::Fault(fault))) => fault.clone(),
                _ => Fault::new(*code, message.clone()),
            };
            fault.attempt = None;
            let body = error_body(fault, false, Some(turn.id.clone()));
            self.emit(body, !matches!(verdict.stop, Stop::Failed(_)));
        }
        let text: String = turn.texts.into_iter().map(|(_, text)| text).collect();
        let text = clip(&text).unwrap_or(text);
        let ended = Ended { outcome: judged.outcome, exit_code: judged.exit_code };
        let body = TurnEnded {
            phase: EndedPhase::Ended,
            turn_id: turn.id,
            prompt_ids: turn.prompts,
            outcome: judged.outcome,
            exit_code: judged.exit_code,
            stop_reason: judged.stop_reason.or(verdict.stop_reason),
            final_text: (!text.is_empty()).then_some(text),
            usage: verdict.usage,
            cost: verdict.cost,
            models: verdict.models,
            denied: turn.denied,
            pending,
            duration_ms: u64::try_from(now - turn.began).unwrap_or(0),
            error: judged.error.map(|(code, message)| TurnError { message, code }),
            metadata: None,
        };
        let synthetic = turn.cut.is_some() || matches!(verdict.stop, Stop::Interrupted);
        self.emit(Body::TurnEnded(Box::new(body)), synthetic);
        Some(ended)
    }

    /// Closes what may be left over from detached work, when the owner ends outside a turn.
    pub fn close(&mut self) {
        self.close_requests();
        self.close_items(ItemStatus::Cancelled, false);
    }

    /// Closes the session for good.
    pub fn end_session(&mut self, reason: EndReason, terminated_by: TerminatedBy, message: Option<String>) {
        let ended = SessionEnded { reason, terminated_by, message };
        self.emit(Body::SessionEnded(ended), terminated_by == TerminatedBy::User);
    }

    /// Something went wrong: a retry or setback, or the final failure.
    pub fn error(&mut self, fault: Fault, recoverable: bool, synthetic: bool) {
        let turn_id = self.turn_id();
        self.emit(error_body(fault, recoverable, turn_id), synthetic);
    }

    fn emit(&mut self, body: Body, synthetic: bool) {
        self.out.push(Said { body, synthetic });
    }

    fn turn_id(&self) -> Option<String> {
        self.turn.as_ref().map(|turn| turn.id.clone())
    }

    fn item_id(&self, key: Key) -> String {
        format!("itm_{}_{}", self.start, key.0)
    }

    /// The id of an item that the engine makes.
    fn made_id(&mut self) -> String {
        self.counted.made += 1;
        format!("itm_{}_m{}", self.start, self.counted.made)
    }

    fn begin_turn(&mut self, cause: Cause, prompt_ids: Vec<String>, user: Option<String>, now: i64) {
        self.counted.turns += 1;
        let id = format!("turn_{}_{}", self.start, self.counted.turns);
        self.emit(
            Body::TurnStarted(TurnStarted {
                phase: StartedPhase::Started,
                turn_id: id.clone(),
                cause,
                prompt_ids: prompt_ids.clone(),
                user,
                metadata: None,
            }),
            cause != Cause::Background,
        );
        // What began while no turn ran goes on in this one.
        let turns = self.families.values_mut().map(|family| &mut family.turn_id);
        for turn_id in turns.chain(self.calls.iter_mut().map(|call| &mut call.turn_id)) {
            turn_id.get_or_insert_with(|| id.clone());
        }
        self.turn = Some(Turn {
            id,
            prompts: prompt_ids,
            began: now,
            texts: Vec::new(),
            answered: false,
            denied: Vec::new(),
            denied_by_rule: 0,
            cut: None,
        });
    }

    fn prompt_item(&mut self, prompt: PromptItem, delivery: Delivery, turn_id: Option<String>) -> String {
        self.counted.prompts += 1;
        let item_id = format!("itm_{}_p{}", self.start, self.counted.prompts);
        let prompt_id = prompt.id.unwrap_or_else(|| item_id.clone());
        // The item of a prompt that begins a turn stands before `turn.started` and names the turn all the same.
        let turn_id = turn_id.or_else(|| Some(format!("turn_{}_{}", self.start, self.counted.turns + 1)));
        let item = Item {
            item_id,
            native_item_id: None,
            turn_id,
            parent_id: None,
            group_id: None,
            kind: ItemKind::Message,
            role: Some(Role::User),
            content: prompt.content,
            status: ItemStatus::InProgress,
            prompt_id: Some(prompt_id.clone()),
            delivery: Some(delivery),
            truncated: false,
        };
        self.whole(item, ItemStatus::Completed, true);
        prompt_id
    }

    /// An item that starts and completes at once.
    fn whole(&mut self, item: Item, status: ItemStatus, synthetic: bool) {
        self.emit(Body::ItemStarted(ItemEvent { item: item.clone() }), synthetic);
        self.emit(Body::ItemCompleted(ItemEvent { item: Item { status, ..item } }), synthetic);
    }

    fn start(&mut self, start: Start) {
        if self.items.iter().any(|open| open.key == start.key) {
            return;
        }
        // A call has one result: what an agent says of it after we closed it is late.
        if start.kind == ItemKind::ToolResult && start.parent.is_some_and(|call| !self.answered.insert(call)) {
            return;
        }
        if let (ItemKind::ToolResult, Some(call)) = (start.kind, start.parent) {
            // Its arguments are what they are by now.
            self.finish(Finish { key: call, status: ItemStatus::Completed, content: None }, true);
        }
        let turn_id = match start.parent.and_then(|parent| self.families.get(&parent)) {
            Some(family) => family.turn_id.clone(),
            None => self.turn_id(),
        };
        let item_id = self.item_id(start.key);
        let nested = self.is_nested(start.kind, start.parent);
        if start.kind == ItemKind::ToolCall {
            let call_id = start.content.iter().find_map(call_id).unwrap_or_default().to_owned();
            self.families.insert(start.key, Family { turn_id: turn_id.clone(), parent: start.parent });
            self.calls.push(Call {
                key: start.key,
                id: item_id.clone(),
                call_id,
                turn_id: turn_id.clone(),
                parent: start.parent,
                group_id: start.group.clone(),
                declined: false,
            });
        }
        if let Some(turn) = &mut self.turn
            && !nested
            && (start.kind == ItemKind::ToolCall
                || start.kind == ItemKind::Message && start.role == Some(Role::Assistant))
        {
            turn.answered |= start.kind == ItemKind::ToolCall;
        }
        let item = Item {
            item_id: item_id.clone(),
            native_item_id: start.native.clone(),
            turn_id,
            parent_id: start.parent.map(|parent| self.item_id(parent)),
            group_id: start.group,
            kind: start.kind,
            role: start.role,
            content: start.content,
            status: ItemStatus::InProgress,
            prompt_id: None,
            delivery: None,
            truncated: false,
        };
        self.emit(Body::ItemStarted(ItemEvent { item: item.clone() }), false);
        self.items.push(Open {
            key: start.key,
            id: item_id.into(),
            native: start.native.map(Into::into),
            item,
            parent: start.parent,
            growth: Growth::default(),
            detached: false,
        });
    }

    fn grow(&mut self, key: Key, delta: String) {
        // The newest open item is nearly always the one that grows.
        let Some(open) = self.items.iter_mut().rev().find(|open| open.key == key) else { return };
        if delta.is_empty() {
            return;
        }
        open.growth.push(&delta);
        let body = ItemDelta { item_id: open.id.clone(), native_item_id: open.native.clone(), delta, reset: false };
        self.out.push(Said { body: Body::ItemDelta(body), synthetic: false });
    }

    fn finish(&mut self, finish: Finish, synthetic: bool) {
        let Some(at) = self.items.iter().position(|open| open.key == finish.key) else { return };
        let open = self.items.remove(at);
        let Open { key, id, native, mut item, parent, growth, .. } = open;
        let said = finish.content.is_some();
        if let Some(content) = finish.content {
            item.content = content;
        }
        let refused = self.calls.iter().any(|call| Some(call.key) == parent && call.declined);
        item.status = match finish.status {
            // What was refused is declined, also where its agent calls that a failure.
            ItemStatus::Failed if refused && item.kind == ItemKind::ToolResult => ItemStatus::Declined,
            status @ (ItemStatus::InProgress
            | ItemStatus::Completed
            | ItemStatus::Failed
            | ItemStatus::Declined
            | ItemStatus::Cancelled) => status,
        };
        if matches!(item.status, ItemStatus::Failed | ItemStatus::Declined) {
            // What failed for another reason than its exit code has none: agents say 0 there.
            for part in &mut item.content {
                if let ContentPart::ToolResult { exit_code, .. } = part {
                    *exit_code = exit_code.filter(|code| *code != 0);
                }
            }
        }
        item.truncated = self.settle(&mut item, growth, said, &id, native, synthetic);
        let nested = self.is_nested(item.kind, parent);
        if item.kind == ItemKind::ToolResult {
            self.calls.retain(|call| Some(call.key) != parent);
            // A sub-agent's items may still come after its call's result; other calls have no children.
        }
        if let Some(turn) = &mut self.turn
            && !nested
            && item.turn_id.as_ref() == Some(&turn.id)
        {
            match item.kind {
                ItemKind::ToolResult => turn.texts.clear(),
                ItemKind::Message if item.role == Some(Role::Assistant) => {
                    let text: String = item.content.iter().filter_map(plain_text).collect();
                    if !text.is_empty() {
                        turn.answered = true;
                        turn.texts.push((key, text));
                    }
                }
                ItemKind::Message | ItemKind::ToolCall | ItemKind::System | ItemKind::Status | ItemKind::Unknown => {}
            }
        }
        self.emit(Body::ItemCompleted(ItemEvent { item }), synthetic);
    }

    /// Makes deltas and final text agree (SPEC §3, “deltas that do not add up”). Returns whether the text was cut.
    fn settle(
        &mut self,
        item: &mut Item,
        growth: Growth,
        said: bool,
        id: &Rc<str>,
        native: Option<Rc<str>>,
        synthetic: bool,
    ) -> bool {
        let Some(stream) = item.content.iter_mut().find_map(ContentPart::stream_mut) else {
            if growth.is_empty() {
                return false;
            }
            // Text grew in an item whose final form has no place for it: it is kept as a part of its own.
            let (text, cut) = growth.into_text();
            item.content.push(ContentPart::Text { text });
            return cut;
        };
        if !said {
            if growth.is_empty() {
                return false;
            }
            let (text, cut) = growth.into_text();
            *stream = text;
            return cut;
        }
        if let Some(short) = clip(stream) {
            *stream = short;
            return true;
        }
        let delta = match growth.whole() {
            Some(grown) if growth.is_empty() || grown == stream => None,
            Some(grown) if stream.starts_with(grown) => Some((stream[grown.len()..].to_owned(), false)),
            Some(_) | None => Some((stream.clone(), true)),
        };
        if let Some((delta, reset)) = delta {
            let body = ItemDelta { item_id: id.clone(), native_item_id: native, delta, reset };
            self.emit(Body::ItemDelta(body), synthetic);
        }
        false
    }

    fn status(&mut self, status: Status) {
        let lasting = match status.label {
            StatusLabel::Todo
            | StatusLabel::Diff
            | StatusLabel::ModeChanged
            | StatusLabel::ModelChanged
            | StatusLabel::SessionInfo
            | StatusLabel::SessionTitle
            | StatusLabel::Context
            | StatusLabel::RateLimit => true,
            StatusLabel::Plan | StatusLabel::Compaction | StatusLabel::Task | StatusLabel::Retracted => false,
        };
        if lasting {
            let mut hasher = DefaultHasher::new();
            status.json.to_string().hash(&mut hasher);
            status.detail.hash(&mut hasher);
            let value = hasher.finish();
            if self.statuses.insert((status.label, status.parent), value) == Some(value) {
                return;
            }
        }
        let turn_id = match status.parent.and_then(|parent| self.families.get(&parent)) {
            Some(family) => family.turn_id.clone(),
            None => self.turn_id(),
        };
        let item = Item {
            item_id: self.made_id(),
            native_item_id: None,
            turn_id,
            parent_id: status.parent.map(|parent| self.item_id(parent)),
            group_id: None,
            kind: ItemKind::Status,
            role: Some(Role::System),
            content: vec![
                ContentPart::Status { label: status.label, detail: status.detail },
                ContentPart::Json { json: status.json },
            ],
            status: ItemStatus::InProgress,
            prompt_id: None,
            delivery: None,
            truncated: false,
        };
        self.whole(item, ItemStatus::Completed, false);
    }

    fn retract(&mut self, keys: &[Key]) {
        if let Some(turn) = &mut self.turn {
            turn.texts.retain(|(key, _)| !keys.contains(key));
        }
        let ids: Vec<String> = keys.iter().map(|key| self.item_id(*key)).collect();
        let json = serde_json::json!({ "item_ids": ids });
        self.status(Status { label: StatusLabel::Retracted, detail: None, json, parent: None });
    }

    fn permit(&mut self, permit: &Permit) {
        let id = format!("perm_{}_{}", self.start, permit.key.0);
        let turn_id = self.request_turn(permit.call);
        let some = |list: &[ContentPart]| (!list.is_empty()).then(|| list.to_vec());
        let request = PermissionRequested {
            permission_id: id.clone(),
            turn_id: turn_id.clone(),
            tool_call_item_id: permit.call.map(|call| self.item_id(call)),
            status: RequestStatus::Requested,
            action: permit.action,
            tool: permit.tool.clone(),
            title: permit.title.clone(),
            command: permit.command.clone(),
            cwd: permit.cwd.clone(),
            paths: (!permit.paths.is_empty()).then(|| permit.paths.clone()),
            url: permit.url.clone(),
            server: permit.server.clone(),
            files: some(&permit.files),
            input: permit.input.clone(),
            options: (!permit.options.is_empty()).then(|| permit.options.clone()),
            expires: None,
            metadata: permit.metadata.clone(),
        };
        let asked = Body::PermissionRequested(Box::new(request));
        self.emit(asked.clone(), false);
        self.requests.push(Request { key: permit.key, id, turn_id, call: permit.call, question: None, asked });
    }

    fn question(&mut self, asked: Asked) {
        let id = format!("qst_{}_{}", self.start, asked.key.0);
        let turn_id = self.request_turn(asked.call);
        let first = asked.questions.first();
        let event = QuestionEvent {
            question_id: id.clone(),
            turn_id: turn_id.clone(),
            tool_call_item_id: asked.call.map(|call| self.item_id(call)),
            prompt: first.map(|first| first.prompt.clone()).unwrap_or_default(),
            options: first
                .map(|first| first.options.iter().map(|option| option.label.clone()).collect())
                .unwrap_or_default(),
            status: QuestionStatus::Requested,
            response: None,
            questions: asked.questions,
            answers: None,
            resolved_by: None,
            user: None,
        };
        let body = Body::QuestionRequested(Box::new(event.clone()));
        self.emit(body.clone(), false);
        let question = Some(event);
        self.requests.push(Request { key: asked.key, id, turn_id, call: asked.call, question, asked: body });
    }

    fn request_turn(&self, call: Option<Key>) -> Option<String> {
        match call.and_then(|call| self.families.get(&call)) {
            Some(family) => family.turn_id.clone(),
            None => self.turn_id(),
        }
    }

    fn resolve(&mut self, key: RequestKey, status: PermissionStatus, by: ResolvedBy, more: By) {
        let Some(at) = self.requests.iter().position(|open| open.key == key) else { return };
        let request = self.requests.remove(at);
        let synthetic = by != ResolvedBy::Agent;
        match request.question {
            None => {
                let resolved = PermissionResolved {
                    permission_id: request.id,
                    turn_id: request.turn_id,
                    status,
                    resolved_by: by,
                    user: more.user,
                    rule: more.rule,
                    scope: more.scope,
                    message: more.message,
                    input: more.input,
                };
                self.emit(Body::PermissionResolved(Box::new(resolved)), synthetic);
            }
            Some(mut question) => {
                question.status = match status {
                    PermissionStatus::Reject => QuestionStatus::Rejected,
                    PermissionStatus::Accept | PermissionStatus::AcceptForSession | PermissionStatus::Cancelled => {
                        QuestionStatus::Cancelled
                    }
                };
                question.resolved_by = Some(by);
                question.user = more.user;
                self.emit(Body::QuestionResolved(Box::new(question)), synthetic);
            }
        }
    }

    fn denied(&mut self, id: String, by_rule: bool) {
        if let Some(turn) = &mut self.turn {
            turn.denied.push(id);
            turn.denied_by_rule += usize::from(by_rule);
        }
    }

    fn close_requests(&mut self) -> Vec<String> {
        let open: Vec<(RequestKey, String)> =
            self.requests.iter().map(|request| (request.key, request.id.clone())).collect();
        open.into_iter()
            .map(|(key, id)| {
                self.resolve(key, PermissionStatus::Cancelled, ResolvedBy::TurnEnd, By::default());
                id
            })
            .collect()
    }

    /// Closes open items and gives each call its result; what goes on after the turn stays where `keep` says so.
    fn close_items(&mut self, status: ItemStatus, keep: bool) {
        let kept: Vec<Key> = if keep {
            let detached = self.items.iter().filter(|open| open.detached);
            detached
                .flat_map(|open| [Some(open.key), open.parent])
                .flatten()
                .chain(self.agents.iter().copied())
                .collect()
        } else {
            self.agents.clear();
            Vec::new()
        };
        // What runs on is below its call: that itself has its result by the turn's end, as each of the turn's own.
        let due: Vec<Key> = self
            .calls
            .iter()
            .filter(|call| call.parent.is_none() && !self.answered.contains(&call.key))
            .map(|call| call.key)
            .collect();
        self.close_where(status, &|course, key, parent| due.contains(&key) || !course.is_below(key, parent, &kept));
        if kept.is_empty() {
            self.families.retain(|key, _| self.calls.iter().any(|call| call.key == *key));
        }
    }

    /// A sub-agent is done: its requests, items and calls are closed.
    fn end_agent(&mut self, call: Key) {
        self.agents.retain(|agent| *agent != call);
        let asked: Vec<RequestKey> = self
            .requests
            .iter()
            .filter(|request| {
                request.call.is_some_and(|of| {
                    let parent = self.families.get(&of).and_then(|family| family.parent);
                    of != call && self.is_below(of, parent, &[call])
                })
            })
            .map(|request| request.key)
            .collect();
        for key in asked {
            self.resolve(key, PermissionStatus::Cancelled, ResolvedBy::TurnEnd, By::default());
        }
        self.close_where(ItemStatus::Completed, &|course, key, parent| {
            // The call itself and its result are the parent agent's.
            let own = key == call
                || parent == Some(call)
                    && course.items.iter().any(|open| open.key == key && open.item.kind == ItemKind::ToolResult);
            !own && course.is_below(key, parent, &[call])
        });
    }

    fn close_where(&mut self, status: ItemStatus, chosen: &dyn Fn(&Course, Key, Option<Key>) -> bool) {
        let open: Vec<(Key, Option<Key>, ItemKind)> = self
            .items
            .iter()
            .filter(|open| chosen(self, open.key, open.parent))
            .map(|open| (open.key, open.parent, open.item.kind))
            .collect();
        for (key, parent, kind) in open {
            let declined = self.calls.iter().any(|call| Some(call.key) == parent && call.declined);
            let status = match (status, kind) {
                // A call's status says only that its arguments are known.
                (_, ItemKind::ToolCall) => ItemStatus::Completed,
                (_, ItemKind::ToolResult) if declined => ItemStatus::Declined,
                // A result that never came is no success.
                (ItemStatus::Completed, ItemKind::ToolResult) => ItemStatus::Cancelled,
                (status, _) => status,
            };
            self.finish(Finish { key, status, content: None }, true);
        }
        let (close, stay): (Vec<Call>, Vec<Call>) =
            std::mem::take(&mut self.calls).into_iter().partition(|call| chosen(self, call.key, call.parent));
        self.calls = stay;
        for call in close {
            self.answered.insert(call.key);
            let item = Item {
                item_id: self.made_id(),
                native_item_id: None,
                turn_id: call.turn_id,
                parent_id: Some(call.id),
                group_id: call.group_id,
                kind: ItemKind::ToolResult,
                role: Some(Role::Tool),
                content: vec![ContentPart::ToolResult {
                    call_id: call.call_id,
                    output: String::new(),
                    exit_code: None,
                    duration_ms: None,
                }],
                status: ItemStatus::InProgress,
                prompt_id: None,
                delivery: None,
                truncated: false,
            };
            let status = match status {
                _ if call.declined => ItemStatus::Declined,
                ItemStatus::Failed => ItemStatus::Failed,
                // A call whose turn ended well without a result was cut all the same.
                ItemStatus::InProgress | ItemStatus::Completed | ItemStatus::Declined | ItemStatus::Cancelled => {
                    ItemStatus::Cancelled
                }
            };
            self.whole(item, status, true);
        }
    }

    /// Whether an item is one of these or nested in one of them.
    fn is_below(&self, key: Key, parent: Option<Key>, kept: &[Key]) -> bool {
        let mut at = Some(key);
        let mut above = parent;
        while let Some(here) = at {
            if kept.contains(&here) {
                return true;
            }
            at = above;
            above = at.and_then(|key| self.families.get(&key)).and_then(|family| family.parent);
        }
        false
    }

    /// Whether an item is a sub-agent's: a result's own call does not count as nesting.
    fn is_nested(&self, kind: ItemKind, parent: Option<Key>) -> bool {
        match kind {
            ItemKind::ToolResult => {
                parent.and_then(|call| self.families.get(&call)).is_some_and(|family| family.parent.is_some())
            }
            ItemKind::Message | ItemKind::ToolCall | ItemKind::System | ItemKind::Status | ItemKind::Unknown => {
                parent.is_some()
            }
        }
    }
}

/// What a decision may say beyond itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct By {
    /// The person.
    pub user: Option<String>,
    /// The rule or mode.
    pub rule: Option<String>,
    /// What was granted for the session.
    pub scope: Option<Scope>,
    /// What the agent was told.
    pub message: Option<String>,
    /// The edited input.
    pub input: Option<serde_json::Value>,
}

/// How an agent's process ended, for people.
pub fn describe_exit(agent: &str, exit: &Exit) -> String {
    let how = match (exit.code, exit.signal) {
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        (Some(code), None) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    };
    let last = exit.stderr.lines().rev().find(|line| !line.trim().is_empty());
    match last {
        Some(line) => format!("{agent} {how} in the middle of a turn; its last words: {}", line.trim()),
        None => format!("{agent} {how} in the middle of a turn, without a word on stderr"),
    }
}

struct Judged {
    outcome: Outcome,
    exit_code: i32,
    stop_reason: Option<String>,
    error: Option<(ErrorCode, String)>,
    item_status: ItemStatus,
}

/// Outcome by the precedence of SPEC §5: cancelled by us or timeout, input needed, the agent's error, denied, ok.
fn judge(turn: &Turn, verdict: &Verdict, denied_ok: bool) -> Judged {
    let plain = |outcome: Outcome, reason: Option<&str>, item_status| Judged {
        outcome,
        exit_code: outcome.exit_code(),
        stop_reason: reason.map(str::to_owned),
        error: None,
        item_status,
    };
    let failed = |code: ErrorCode, message: &str, reason: Option<&str>| Judged {
        outcome: code.outcome(),
        exit_code: code.exit_code(),
        stop_reason: reason.map(str::to_owned),
        error: Some((code, message.to_owned())),
        item_status: ItemStatus::Failed,
    };
    match &turn.cut {
        Some(Cut::Cancelled(exit_code)) => {
            return Judged {
                exit_code: *exit_code,
                ..plain(Outcome::Cancelled, Some("cancelled"), ItemStatus::Cancelled)
            };
        }
        Some(Cut::Timeout(reason, message)) => {
            return Judged { item_status: ItemStatus::Cancelled, ..failed(ErrorCode::Timeout, message, Some(reason)) };
        }
        Some(Cut::InputNeeded) => return plain(Outcome::InputNeeded, Some("input_needed"), ItemStatus::Cancelled),
        Some(Cut::Limit(code, message)) => {
            return Judged { item_status: ItemStatus::Cancelled, ..failed(*code, message, Some(code.as_str())) };
        }
        Some(Cut::Killed) => {
            let message = "the process that ran this session was killed in the middle of a turn";
            return Judged {
                exit_code: 137,
                item_status: ItemStatus::Cancelled,
                ..failed(ErrorCode::Crash, message, Some("killed"))
            };
        }
        Some(Cut::NotStarted(fault, exit_code)) => {
            return Judged { exit_code: *exit_code, ..failed(fault.code, &fault.message, None) };
        }
        // An agent's own word about its failure says more than its death.
        Some(Cut::Fault(fault)) if !matches!(verdict.stop, Stop::Failed(_)) => {
            return failed(fault.code, &fault.message, None);
        }
        Some(Cut::Fault(_)) | None => {}
    }
    match &verdict.stop {
        Stop::Failed(fault) => failed(fault.code, &fault.message, None),
        Stop::Interrupted if turn.denied.is_empty() => {
            failed(ErrorCode::AbortedByAgent, "the agent gave up by itself; nobody asked it to stop", None)
        }
        Stop::Interrupted => plain(Outcome::Denied, None, ItemStatus::Cancelled),
        Stop::Done if turn.denied.len() > if denied_ok { turn.denied_by_rule } else { 0 } => {
            plain(Outcome::Denied, None, ItemStatus::Completed)
        }
        Stop::Done if !turn.answered && !verdict.silent && turn.denied.is_empty() => {
            failed(ErrorCode::NoAnswer, "the agent ended its turn without a text or a tool call", None)
        }
        Stop::Done => plain(Outcome::Ok, None, ItemStatus::Completed),
    }
}

fn error_body(fault: Fault, recoverable: bool, turn_id: Option<String>) -> Body {
    Body::Error(Box::new(ErrorData {
        message: fault.message,
        code: fault.code,
        recoverable,
        turn_id,
        retry_after_ms: fault.retry_after_ms,
        retry_at: fault.retry_at_ms.map(|at| Timestamp(at).to_string()),
        attempt: fault.attempt,
        details: fault.details,
    }))
}

fn call_id(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::ToolCall { call_id, .. } => Some(call_id),
        ContentPart::Text { .. }
        | ContentPart::Json { .. }
        | ContentPart::ToolResult { .. }
        | ContentPart::FileRef { .. }
        | ContentPart::Image { .. }
        | ContentPart::Reasoning { .. }
        | ContentPart::Status { .. } => None,
    }
}

/// What an open message of the turn's main agent says so far.
fn open_text(open: &Open, turn: &str) -> Option<(Key, String)> {
    let is_text = open.parent.is_none()
        && open.item.turn_id.as_deref() == Some(turn)
        && open.item.kind == ItemKind::Message
        && open.item.role == Some(Role::Assistant)
        && open.item.content.iter().any(|part| plain_text(part).is_some());
    open.growth.whole().filter(|text| is_text && !text.is_empty()).map(|text| (open.key, text.to_owned()))
}

fn plain_text(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Text { text } => Some(text),
        ContentPart::Json { .. }
        | ContentPart::ToolCall { .. }
        | ContentPart::ToolResult { .. }
        | ContentPart::FileRef { .. }
        | ContentPart::Image { .. }
        | ContentPart::Reasoning { .. }
        | ContentPart::Status { .. } => None,
    }
}
