//! Requests: what an agent asks before it goes on, and what was decided.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::ContentPart;

/// `permission.requested`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct PermissionRequested {
    /// Unique in the session.
    pub permission_id: String,
    /// The turn it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// The call it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_item_id: Option<String>,
    /// Always `requested`.
    pub status: RequestStatus,
    /// What the agent wants to do; rules look at this and at the fields below.
    pub action: Action,
    /// The agent's name of the tool.
    pub tool: String,
    /// A line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The command, without the agent's shell wrapper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where the command would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The files it is about, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The address it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The MCP server it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The changes it would make: parts of type `file_ref`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<ContentPart>>,
    /// The tool's input as the agent gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The agent's own choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<PermissionOption>>,
    /// When we reject it by ourselves, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What only this agent says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// The status of an open request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// Nobody has decided it.
    Requested,
}

/// What an agent wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Run a command.
    Command,
    /// Change files.
    Edit,
    /// Read files.
    Read,
    /// Search or list files.
    Search,
    /// Use the network.
    Fetch,
    /// Use a tool of an MCP server.
    Mcp,
    /// Carry out a plan.
    Plan,
    /// Change its mode.
    Mode,
    /// Anything else.
    Other,
}

impl Action {
    /// The word as it is written, also in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Command => "command",
            Action::Edit => "edit",
            Action::Read => "read",
            Action::Search => "search",
            Action::Fetch => "fetch",
            Action::Mcp => "mcp",
            Action::Plan => "plan",
            Action::Mode => "mode",
            Action::Other => "other",
        }
    }
}

/// One of the agent's own choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct PermissionOption {
    /// The agent's name for it.
    pub id: String,
    /// A line for people.
    pub label: String,
    /// What it amounts to.
    pub kind: String,
}

/// `permission.resolved`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct PermissionResolved {
    /// The request.
    pub permission_id: String,
    /// The turn it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// What was decided.
    pub status: PermissionStatus,
    /// Who decided.
    pub resolved_by: ResolvedBy,
    /// The person, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The rule or mode that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was granted for the rest of this owner's life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What the agent was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What really ran, when it was edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

/// What became of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PermissionStatus {
    /// Allowed once.
    Accept,
    /// Allowed for the session.
    AcceptForSession,
    /// Refused.
    Reject,
    /// Nobody waits for it any more.
    Cancelled,
}

/// Who decided a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResolvedBy {
    /// A mode, a rule or `--on-ask`.
    Policy,
    /// A person or a program.
    User,
    /// The agent itself.
    Agent,
    /// Nobody in time.
    Timeout,
    /// The end of the turn.
    TurnEnd,
}

/// What was granted for the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Scope {
    /// The kind of action.
    pub kind: Action,
    /// Which of them.
    pub pattern: String,
}

/// `question.requested` and `question.resolved`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct QuestionEvent {
    /// Unique in the session.
    pub question_id: String,
    /// The turn it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// The call it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_item_id: Option<String>,
    /// The first question's text.
    pub prompt: String,
    /// The first question's labels.
    pub options: Vec<String>,
    /// How far it is.
    pub status: QuestionStatus,
    /// The answer to the first question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// All questions.
    pub questions: Vec<Question>,
    /// All answers, by the id of the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<serde_json::Map<String, Value>>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<ResolvedBy>,
    /// The person, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How far a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuestionStatus {
    /// Nobody has answered.
    Requested,
    /// It was answered.
    Answered,
    /// No answer will be given.
    Rejected,
    /// Nobody waits for it any more.
    Cancelled,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Question {
    /// Unique in the request; ours where the agent has none.
    pub id: String,
    /// A short heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The question.
    pub prompt: String,
    /// The choices offered.
    pub options: Vec<QuestionOption>,
    /// Whether several may be chosen.
    pub multi_select: bool,
    /// Whether free text is taken.
    pub custom: bool,
    /// Whether the answer must not be shown.
    pub secret: bool,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct QuestionOption {
    /// What is chosen.
    pub label: String,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}
