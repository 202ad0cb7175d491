//! Events: what happened, as `data`; the envelope around it is made in `line`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::Item;
use crate::outcome::{ErrorCode, Outcome};
use crate::request::{PermissionRequested, PermissionResolved, QuestionEvent};

/// What happened: one variant for each event type, whose content is the event's `data`.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `session.started`
    SessionStarted(SessionStarted),
    /// `session.ended`
    SessionEnded(SessionEnded),
    /// `turn.started`
    TurnStarted(TurnStarted),
    /// `turn.ended`
    TurnEnded(Box<TurnEnded>),
    /// `item.started`
    ItemStarted(ItemEvent),
    /// `item.delta`
    ItemDelta(ItemDelta),
    /// `item.completed`
    ItemCompleted(ItemEvent),
    /// `permission.requested`
    PermissionRequested(Box<PermissionRequested>),
    /// `permission.resolved`
    PermissionResolved(Box<PermissionResolved>),
    /// `question.requested`
    QuestionRequested(Box<QuestionEvent>),
    /// `question.resolved`
    QuestionResolved(Box<QuestionEvent>),
    /// `error`
    Error(Box<ErrorData>),
    /// `agent.unparsed`
    AgentUnparsed(Unparsed),
}

/// Every event type, in the order of the documentation.
pub const TYPES: [&str; 13] = [
    "session.started",
    "session.ended",
    "turn.started",
    "turn.ended",
    "item.started",
    "item.delta",
    "item.completed",
    "permission.requested",
    "permission.resolved",
    "question.requested",
    "question.resolved",
    "error",
    "agent.unparsed",
];

impl Body {
    /// The event's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::SessionStarted(_) => "session.started",
            Body::SessionEnded(_) => "session.ended",
            Body::TurnStarted(_) => "turn.started",
            Body::TurnEnded(_) => "turn.ended",
            Body::ItemStarted(_) => "item.started",
            Body::ItemDelta(_) => "item.delta",
            Body::ItemCompleted(_) => "item.completed",
            Body::PermissionRequested(_) => "permission.requested",
            Body::PermissionResolved(_) => "permission.resolved",
            Body::QuestionRequested(_) => "question.requested",
            Body::QuestionResolved(_) => "question.resolved",
            Body::Error(_) => "error",
            Body::AgentUnparsed(_) => "agent.unparsed",
        }
    }

    /// Reads what [`Body::write_data`] wrote.
    pub fn read(kind: &str, data: &str) -> Result<Body, serde_json::Error> {
        Ok(match kind {
            "session.started" => Body::SessionStarted(serde_json::from_str(data)?),
            "session.ended" => Body::SessionEnded(serde_json::from_str(data)?),
            "turn.started" => Body::TurnStarted(serde_json::from_str(data)?),
            "turn.ended" => Body::TurnEnded(serde_json::from_str(data)?),
            "item.started" => Body::ItemStarted(serde_json::from_str(data)?),
            "item.delta" => Body::ItemDelta(serde_json::from_str(data)?),
            "item.completed" => Body::ItemCompleted(serde_json::from_str(data)?),
            "permission.requested" => Body::PermissionRequested(serde_json::from_str(data)?),
            "permission.resolved" => Body::PermissionResolved(serde_json::from_str(data)?),
            "question.requested" => Body::QuestionRequested(serde_json::from_str(data)?),
            "question.resolved" => Body::QuestionResolved(serde_json::from_str(data)?),
            "error" => Body::Error(serde_json::from_str(data)?),
            "agent.unparsed" => Body::AgentUnparsed(serde_json::from_str(data)?),
            _ => return Err(serde::de::Error::custom(format!("unknown event type `{kind}`"))),
        })
    }

    /// Appends `data` as JSON: the one time it is ever serialised.
    pub fn write_data(&self, out: &mut Vec<u8>) {
        let written = match self {
            Body::SessionStarted(data) => serde_json::to_writer(out, data),
            Body::SessionEnded(data) => serde_json::to_writer(out, data),
            Body::TurnStarted(data) => serde_json::to_writer(out, data),
            Body::TurnEnded(data) => serde_json::to_writer(out, data),
            Body::ItemStarted(data) | Body::ItemCompleted(data) => serde_json::to_writer(out, data),
            Body::ItemDelta(data) => serde_json::to_writer(out, data),
            Body::PermissionRequested(data) => serde_json::to_writer(out, data),
            Body::PermissionResolved(data) => serde_json::to_writer(out, data),
            Body::QuestionRequested(data) | Body::QuestionResolved(data) => serde_json::to_writer(out, data),
            Body::Error(data) => serde_json::to_writer(out, data),
            Body::AgentUnparsed(data) => serde_json::to_writer(out, data),
        };
        written.expect("the words have string keys and writing into memory cannot fail");
    }
}

/// `session.started`: once per agent start, before any model call; the first event of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SessionStarted {
    /// Version of this schema.
    pub schema_version: String,
    /// Which agent.
    pub agent: String,
    /// Its version, where known before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Where it works.
    pub cwd: String,
    /// The model asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The mode asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The effort asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// How permissions are decided.
    pub permission_mode: PermissionMode,
    /// Whether an earlier conversation goes on.
    pub resumed: bool,
    /// What only this start says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// How permissions are decided (SPEC §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PermissionMode {
    /// Reading only.
    ReadOnly,
    /// Reading runs, the rest asks.
    Ask,
    /// Edits in the working directory run too.
    AcceptEdits,
    /// The agent's own judgement and sandbox decide.
    Auto,
    /// Everything runs.
    Bypass,
}

impl PermissionMode {
    /// Every mode, the narrowest first.
    pub const ALL: [PermissionMode; 5] = [
        PermissionMode::ReadOnly,
        PermissionMode::Ask,
        PermissionMode::AcceptEdits,
        PermissionMode::Auto,
        PermissionMode::Bypass,
    ];

    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            PermissionMode::ReadOnly => "read-only",
            PermissionMode::Ask => "ask",
            PermissionMode::AcceptEdits => "accept-edits",
            PermissionMode::Auto => "auto",
            PermissionMode::Bypass => "bypass",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<PermissionMode> {
        PermissionMode::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// `session.ended`: the session is closed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SessionEnded {
    /// Why.
    pub reason: EndReason,
    /// Who closed it.
    pub terminated_by: TerminatedBy,
    /// A line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why a session was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The agent says it is done for good.
    Completed,
    /// Somebody closed it.
    Terminated,
}

/// Who closed a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TerminatedBy {
    /// The agent.
    Agent,
    /// A person or a program.
    User,
}

/// `turn.started`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct TurnStarted {
    /// Always `started`.
    pub phase: StartedPhase,
    /// Unique in the session.
    pub turn_id: String,
    /// What began it.
    pub cause: Cause,
    /// The prompts that began it.
    pub prompt_ids: Vec<String>,
    /// Who sent the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What only this turn says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// The word in `turn.started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StartedPhase {
    /// The turn began.
    Started,
}

/// The word in `turn.ended`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndedPhase {
    /// The turn is over.
    Ended,
}

/// What began a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A prompt.
    Prompt,
    /// The agent goes on by itself, as when a sub-agent reports.
    Background,
    /// A command such as `/compact`.
    Command,
}

/// `turn.ended`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct TurnEnded {
    /// Always `ended`.
    pub phase: EndedPhase,
    /// The turn.
    pub turn_id: String,
    /// Every prompt that belonged to it, steered ones included.
    pub prompt_ids: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The exit code of a run that ends with it.
    pub exit_code: i32,
    /// The agent's or our word for why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The assistant's texts after the last tool result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_text: Option<String>,
    /// Tokens of this turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Money of this turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The same for each model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelUsage>>,
    /// Requests that were rejected.
    pub denied: Vec<String>,
    /// Requests that the end of this turn cancelled.
    pub pending: Vec<String>,
    /// From `turn.started` on, in milliseconds.
    pub duration_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TurnError>,
    /// What only this turn says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// Why a turn failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct TurnError {
    /// A line for people.
    pub message: String,
    /// One of the closed list.
    pub code: ErrorCode,
}

/// Tokens, per turn and never cumulative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Usage {
    /// Cached and written ones included.
    pub input_tokens: u64,
    /// Read from the service's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Written into the service's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Reasoning included.
    pub output_tokens: u64,
    /// Spent on reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Input and output.
    pub total_tokens: u64,
}

impl Usage {
    /// The sum of two.
    pub fn plus(self, other: Usage) -> Usage {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
        };
        Usage {
            input_tokens: self.input_tokens + other.input_tokens,
            cached_input_tokens: sum(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_tokens: sum(self.cache_write_tokens, other.cache_write_tokens),
            output_tokens: self.output_tokens + other.output_tokens,
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            total_tokens: self.total_tokens + other.total_tokens,
        }
    }

    /// What was added since `before`, of counters that run on; a counter that went back counts from zero.
    pub fn since(self, before: Usage) -> Usage {
        let less = |a: u64, b: u64| a.checked_sub(b).unwrap_or(a);
        let less_some = |a: Option<u64>, b: Option<u64>| a.map(|a| less(a, b.unwrap_or(0)));
        Usage {
            input_tokens: less(self.input_tokens, before.input_tokens),
            cached_input_tokens: less_some(self.cached_input_tokens, before.cached_input_tokens),
            cache_write_tokens: less_some(self.cache_write_tokens, before.cache_write_tokens),
            output_tokens: less(self.output_tokens, before.output_tokens),
            reasoning_tokens: less_some(self.reasoning_tokens, before.reasoning_tokens),
            total_tokens: less(self.total_tokens, before.total_tokens),
        }
    }
}

/// Money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Cost {
    /// US dollars.
    pub usd: f64,
    /// Who says so.
    pub basis: CostBasis,
}

/// Where a cost comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// The agent or its service.
    Reported,
    /// A list of prices.
    Estimated,
}

/// Tokens and money of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ModelUsage {
    /// The model.
    pub model: String,
    /// Its tokens.
    pub usage: Usage,
    /// Its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
}

/// `item.started` and `item.completed`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ItemEvent {
    /// The item as it is now.
    pub item: Item,
}

/// `item.delta`: text that an item's one stream grew by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ItemDelta {
    /// The item.
    pub item_id: std::rc::Rc<str>,
    /// The agent's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_item_id: Option<std::rc::Rc<str>>,
    /// The text.
    pub delta: String,
    /// What came before is thrown away.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub reset: bool,
}

/// `error`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ErrorData {
    /// A line for people: what, why, and what to do next.
    pub message: String,
    /// One of the closed list.
    pub code: ErrorCode,
    /// A retry under way or a setback (`true`), or the final failure of a turn (`false`).
    pub recoverable: bool,
    /// The turn it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// How long until the next try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// When the next try comes, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Which try failed, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// What only this agent says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// `agent.unparsed`: the payload is in the envelope's `raw`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Unparsed {
    /// Why it was not understood.
    pub error: String,
    /// Where it came from: `stdout`, or the message's name.
    pub location: String,
    /// SHA-256 of the payload in hex.
    pub raw_hash: String,
}
