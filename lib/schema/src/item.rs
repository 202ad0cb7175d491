//! Items: what was said and done in a turn, and the parts they are made of.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One thing that was said or done: a message, a tool call, its result, a status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Item {
    /// Unique in the session.
    pub item_id: String,
    /// The agent's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native_item_id: Option<String>,
    /// The turn it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// Nesting only: a result's call, or the call that started the sub-agent which made this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// The model message that several items came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// What it is.
    pub kind: ItemKind,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What it says.
    pub content: Vec<ContentPart>,
    /// How far it is.
    pub status: ItemStatus,
    /// Of a prompt: its id, as in `prompt_ids`; the sender's own where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
    /// How a prompt reached the agent: by starting a turn, or in the middle of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// Its text was above 1 MiB: head and tail are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub truncated: bool,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A text of the user, the assistant or a reasoning.
    Message,
    /// The wish to use a tool, with its arguments.
    ToolCall,
    /// What the tool gave.
    ToolResult,
    /// A notice, or text that an agent puts into the conversation by itself.
    System,
    /// A change worth knowing: mode, todo list, context …
    Status,
    /// Something of the agent's that has no kind here.
    Unknown,
}

/// Who made an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person or the calling program.
    User,
    /// The agent.
    Assistant,
    /// The agent's program, or we.
    System,
    /// A tool.
    Tool,
}

/// How far an item is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Not complete yet.
    InProgress,
    /// Complete.
    Completed,
    /// It went wrong; of a command: its exit code was not 0.
    Failed,
    /// It was not allowed.
    Declined,
    /// It was cut by a cancel.
    Cancelled,
}

/// How a prompt reached the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It started a turn.
    Turn,
    /// It was put into the running turn.
    Steered,
}

/// A part of an item's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentPart {
    /// Plain text, often Markdown.
    Text {
        /// The text.
        text: String,
    },
    /// Structured content.
    Json {
        /// The value.
        json: Value,
    },
    /// What a tool is asked to do.
    ToolCall {
        /// The agent's name of the tool.
        name: String,
        /// A line for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What sort of tool it is.
        kind: ToolKind,
        /// The MCP server it belongs to.
        #[serde(skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// JSON text of what is executed.
        arguments: String,
        /// Joins call and result.
        call_id: String,
    },
    /// What a tool gave.
    ToolResult {
        /// Joins call and result.
        call_id: String,
        /// Text of the result; of a command its output.
        output: String,
        /// Of a command.
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i64>,
        /// How long it took, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// A file that was touched.
    FileRef {
        /// Absolute where the agent says so.
        path: String,
        /// What was done with it.
        action: FileAction,
        /// Of a move: where it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// A git unified diff.
        #[serde(skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
    },
    /// A picture.
    Image {
        /// Where it lies.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Where it can be had, `data:` included.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// Its media type.
        #[serde(skip_serializing_if = "Option::is_none")]
        mime: Option<String>,
    },
    /// What the model thought.
    Reasoning {
        /// The text.
        text: String,
        /// Whether the vendor means it to be shown.
        visibility: Visibility,
    },
    /// The label of a status item.
    Status {
        /// One of a closed list.
        label: StatusLabel,
        /// A line for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// What sort of tool a call uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// A shell command.
    Command,
    /// A change of files.
    Edit,
    /// Reading files.
    Read,
    /// Searching or listing files.
    Search,
    /// Something from the network.
    Fetch,
    /// A tool of an MCP server.
    Mcp,
    /// Another agent.
    Agent,
    /// A question to the user.
    Question,
    /// A plan or a todo list.
    Plan,
    /// Anything else.
    Other,
}

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// Its content was read.
    Read,
    /// It is new.
    Create,
    /// Its content changed.
    Update,
    /// It is gone.
    Delete,
    /// It has another name.
    Move,
}

/// Whether the vendor means a reasoning to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// A summary made for readers.
    Public,
    /// The thoughts themselves.
    Private,
}

/// What a status item is about; the list is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub enum StatusLabel {
    /// A proposal for the user, as text.
    #[serde(rename = "plan")]
    Plan,
    /// The whole todo list.
    #[serde(rename = "todo")]
    Todo,
    /// All changes of the turn as one diff.
    #[serde(rename = "diff")]
    Diff,
    /// Another mode.
    #[serde(rename = "mode.changed")]
    ModeChanged,
    /// Another model.
    #[serde(rename = "model.changed")]
    ModelChanged,
    /// Model, mode, tools, MCP servers, commands.
    #[serde(rename = "session.info")]
    SessionInfo,
    /// The agent named the session.
    #[serde(rename = "session.title")]
    SessionTitle,
    /// How full the context is.
    #[serde(rename = "context")]
    Context,
    /// The conversation was shortened.
    #[serde(rename = "compaction")]
    Compaction,
    /// What the service says of its limits.
    #[serde(rename = "rate_limit")]
    RateLimit,
    /// The course of a background task.
    #[serde(rename = "task")]
    Task,
    /// Items of an abandoned attempt.
    #[serde(rename = "retracted")]
    Retracted,
}

impl ContentPart {
    /// The text that grows by deltas while the item is open: an item's one stream.
    pub fn stream(&self) -> Option<&str> {
        match self {
            ContentPart::Text { text } | ContentPart::Reasoning { text, .. } => Some(text),
            ContentPart::ToolResult { output, .. } => Some(output),
            ContentPart::Json { .. }
            | ContentPart::ToolCall { .. }
            | ContentPart::FileRef { .. }
            | ContentPart::Image { .. }
            | ContentPart::Status { .. } => None,
        }
    }

    /// As [`ContentPart::stream`], to be changed.
    pub fn stream_mut(&mut self) -> Option<&mut String> {
        match self {
            ContentPart::Text { text } | ContentPart::Reasoning { text, .. } => Some(text),
            ContentPart::ToolResult { output, .. } => Some(output),
            ContentPart::Json { .. }
            | ContentPart::ToolCall { .. }
            | ContentPart::FileRef { .. }
            | ContentPart::Image { .. }
            | ContentPart::Status { .. } => None,
        }
    }
}
