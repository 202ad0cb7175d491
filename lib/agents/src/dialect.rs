//! A conversation with one agent as a state machine: it is told what happened and says what should follow.

use std::time::Duration;

use schema::event::{Cause, Cost, ModelUsage, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::ErrorCode;
use schema::request::{Action, PermissionOption, Question};
use serde_json::Value;

/// One conversation. The same inputs give the same effects: no clock, no randomness, no IO; and it cannot fail.
pub trait Dialect: Send {
    /// Takes one input and appends what should follow, in order.
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>);
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The agent's process runs and can be spoken to.
    Opened,
    /// It said a line.
    Line(&'a str),
    /// It answered a call.
    Reply {
        /// The call's.
        tag: Tag,
        /// HTTP's; 0 where there was no answer, and the body says why.
        status: u16,
        /// What it says.
        body: &'a str,
    },
    /// The event stream of an agent that serves broke and is being opened again: what it said meanwhile is lost.
    StreamLost,
    /// Somebody wants something of it.
    Order(OrderId, &'a Order),
    /// The time asked for with [`Effect::Wake`] is over.
    Woke(Timer),
    /// Its process has ended. What is open now stays open for the engine to close; a verdict may still be given.
    Closed(&'a Exit),
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// The end of what it wrote to stderr.
    pub stderr: String,
}

/// Names an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// Names a call of the dialect's own to an agent that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// A call's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Asks.
    Get,
    /// Does.
    Post,
    /// Changes.
    Patch,
}

impl Method {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        }
    }
}

/// A call to an agent that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The answer comes under it.
    pub tag: Tag,
    /// How.
    pub method: Method,
    /// What, with its query.
    pub path: String,
    /// JSON, or empty for none.
    pub body: String,
}

/// Names a timer of the dialect's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer(pub u32);

/// Names an item of this conversation: the dialect counts from 1 on; the engine makes ids of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u32);

/// Names a permission or question of this conversation; counted like [`Key`], apart from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(pub u32);

/// What somebody wants of the agent.
#[derive(Debug, Clone)]
pub enum Order {
    /// A prompt: begin a turn with it, or put it into the running one. Answered by `Taken` or `Refused`.
    Prompt(Prompt),
    /// A permission was decided.
    Decide(RequestKey, Decision),
    /// A question was answered: for each of its questions, in order, the labels or texts.
    Answer(RequestKey, Vec<Vec<String>>),
    /// A question will not be answered.
    Refuse(RequestKey, Option<String>),
    /// Something is to be different from now on. Answered by `Taken` or `Refused`.
    Set(Setting),
    /// Interrupt the running turn by the agent's own protocol; the verdict follows. Never answered.
    Cancel,
}

/// A prompt.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// Its text.
    pub text: String,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
    /// Put it into the running turn instead of beginning one.
    pub steer: bool,
}

/// A file that comes with a prompt; the engine read it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where it was, absolute.
    pub path: String,
    /// Its media type.
    pub mime: String,
    /// Its bytes in base64.
    pub base64: String,
}

/// What was decided about a permission.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Go on; with another input, where the card says that it can be edited.
    Accept {
        /// The edited input.
        input: Option<Value>,
    },
    /// Go on, and do not ask for the same again.
    AcceptForSession,
    /// Do not.
    Reject {
        /// Why, where the card says that the reason reaches the model.
        message: Option<String>,
        /// End the turn with it.
        stop: bool,
    },
}

/// What is to be different from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Another model.
    Model(String),
    /// Another mode.
    Mode(String),
    /// Another effort.
    Effort(String),
}

/// What should follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this line to the agent (without its newline).
    Say(String),
    /// Call the agent, which serves; `Input::Reply` follows. Calls wait until its event stream is open.
    Ask(Ask),
    /// The agent's own id of the conversation.
    Native(String),
    /// The agent began a turn by itself (no prompt was ordered). A turn for an ordered prompt is begun by the engine.
    TurnBegan(Cause),
    /// An item began; it stays open until `Finish`.
    Start(Start),
    /// An open item's text grew.
    Grow(Key, String),
    /// An open item is complete. The engine makes the deltas add up.
    Finish(Finish),
    /// A status item, complete at once; the engine drops one that says what the last of its label said.
    Status(Status),
    /// These items belong to an attempt that was abandoned (a stream that broke and was tried again): a `retracted` status follows.
    Retracted(Vec<Key>),
    /// A permission is asked for; an `Order::Decide` follows, unless `Withdrawn` comes first.
    Permit(Box<Permit>),
    /// The agent refused this by itself, without asking: requested and rejected at once.
    Denied {
        /// What it refused.
        permit: Box<Permit>,
        /// Why.
        message: Option<String>,
    },
    /// A question is asked; `Order::Answer` or `Order::Refuse` follows, unless `Withdrawn` comes first.
    Question(Asked),
    /// The agent no longer waits for this request: it decided by itself, with or without a word about it.
    Withdrawn(RequestKey),
    /// Something went wrong on the way (a retry under way, a warning of a failure); the turn goes on.
    Setback(Fault),
    /// The line of this step was not understood, or part of it: why, and where (`stdout` or the message's name).
    Unparsed {
        /// Why.
        error: String,
        /// `stdout`, or the message's name.
        location: String,
    },
    /// This open item may go on after the turn's end: a command that was left running.
    Detach(Key),
    /// A sub-agent works below this call: a foreground run waits for its end, and a turn's end closes nothing of it.
    AgentBegan(Key),
    /// The sub-agent below this call is done: what is open of it is closed.
    AgentEnded(Key),
    /// A prompt reached the agent, or a setting holds.
    Taken(OrderId),
    /// A prompt or a setting was refused.
    Refused(OrderId, Fault),
    /// The running turn is over. Said again while the engine waits for sub-agents, it replaces the verdict.
    TurnEnded(Box<Verdict>),
    /// Come back with `Woke` after this long; a second one of the same timer replaces the first.
    Wake(Timer, Duration),
    /// The agent closed the conversation for good by its own word; within a turn this comes before `TurnEnded`.
    SessionEnded(Option<String>),
    /// This process is done or cannot go on: end it. The next prompt starts a new one with `Job::resume`.
    End(Option<Fault>),
}

/// An item begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Its name in this conversation.
    pub key: Key,
    /// The agent's own name.
    pub native: Option<String>,
    /// What it is nested in: a result's call, a sub-agent's call.
    pub parent: Option<Key>,
    /// The model message it came from.
    pub group: Option<String>,
    /// What it is.
    pub kind: ItemKind,
    /// Who made it.
    pub role: Option<Role>,
    /// What it says so far: the texts that will grow are empty.
    pub content: Vec<ContentPart>,
}

/// An item is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Which.
    pub key: Key,
    /// How it ended.
    pub status: ItemStatus,
    /// What it says in the end; `None`: what it began with, with the text that grew.
    pub content: Option<Vec<ContentPart>>,
}

/// A status item.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// What it is about.
    pub label: StatusLabel,
    /// A line for people.
    pub detail: Option<String>,
    /// Its structure.
    pub json: Value,
    /// The sub-agent's call it belongs to.
    pub parent: Option<Key>,
}

/// A permission is asked for. The fields are those of `permission.requested`; `command` is without the agent's shell wrapper, paths are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit {
    /// Its name in this conversation.
    pub key: RequestKey,
    /// The call it is about.
    pub call: Option<Key>,
    /// What the agent wants to do.
    pub action: Action,
    /// Its name of the tool.
    pub tool: String,
    /// A line for people.
    pub title: Option<String>,
    /// The command.
    pub command: Option<String>,
    /// The agent says that the command only reads.
    pub reads_only: bool,
    /// Where it would run.
    pub cwd: Option<String>,
    /// The files.
    pub paths: Vec<String>,
    /// The address.
    pub url: Option<String>,
    /// The MCP server.
    pub server: Option<String>,
    /// The changes, as `file_ref` parts.
    pub files: Vec<ContentPart>,
    /// The tool's input.
    pub input: Option<Value>,
    /// The agent's own choices.
    pub options: Vec<PermissionOption>,
    /// What only this agent says.
    pub metadata: Option<Value>,
}

/// A question is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Its name in this conversation.
    pub key: RequestKey,
    /// The call it is about.
    pub call: Option<Key>,
    /// All its questions: at least one.
    pub questions: Vec<Question>,
}

/// Why a question without questions is no message that we understand.
pub(crate) fn asks_nothing() -> serde_json::Error {
    serde::de::Error::custom("the question asks nothing")
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which of the closed list.
    pub code: ErrorCode,
    /// A line for people.
    pub message: String,
    /// How long until the next try.
    pub retry_after_ms: Option<u64>,
    /// When the next try comes, in milliseconds since 1970.
    pub retry_at_ms: Option<i64>,
    /// Which try failed, from 1 on.
    pub attempt: Option<u64>,
    /// What only this agent says.
    pub details: Option<Value>,
}

impl Fault {
    /// A fault with nothing but code and message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), retry_after_ms: None, retry_at_ms: None, attempt: None, details: None }
    }
}

/// What an agent says of its turn; outcome, exit code, `denied`, `pending` and duration are the engine's.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How it stopped.
    pub stop: Stop,
    /// The agent's word for it.
    pub stop_reason: Option<String>,
    /// Tokens of this turn, made by difference where the agent's counters run on.
    pub usage: Option<Usage>,
    /// Money of this turn.
    pub cost: Option<Cost>,
    /// The same by model.
    pub models: Option<Vec<ModelUsage>>,
    /// The agent's own running totals, handed back as `Resume::totals`.
    pub totals: Option<Value>,
    /// No answer is expected of this turn (`/compact` and the like).
    pub silent: bool,
}

impl Verdict {
    /// A verdict with nothing but the way it stopped.
    pub fn new(stop: Stop) -> Verdict {
        Verdict { stop, stop_reason: None, usage: None, cost: None, models: None, totals: None, silent: false }
    }
}

/// How a turn stopped.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// By itself.
    Done,
    /// It was interrupted, by us or by its own choice; the engine knows which.
    Interrupted,
    /// It failed, or reached a limit: the code says.
    Failed(Fault),
}
