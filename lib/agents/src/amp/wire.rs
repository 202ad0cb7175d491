//! Amp's messages, by the types of its SDK (`@sourcegraph/amp-sdk` 0.1.0); only the fields that we read. Nothing is ignored on purpose.

use schema::event::Usage;
use schema::item::ToolKind;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::Value;

use crate::prose::Prose;

/// A line that it says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    System(System),
    Assistant(Spoken),
    User(Spoken),
    Result(Ended),
}

/// The first word of a thread.
#[derive(Debug, Deserialize)]
pub(super) struct System {
    pub(super) session_id: String,
    #[serde(default)]
    pub(super) tools: Vec<Value>,
    #[serde(default)]
    pub(super) mcp_servers: Vec<Value>,
}

/// A message of the model's, or the results of its tools.
#[derive(Debug, Deserialize)]
pub(super) struct Spoken {
    pub(super) message: Message,
    pub(super) parent_tool_use_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) content: Value,
}

/// A block of a message.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    Thinking {
        thinking: String,
    },
    RedactedThinking {},
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        content: Value,
        #[serde(default)]
        is_error: bool,
    },
}

/// The end of a turn.
#[derive(Debug, Deserialize)]
pub(super) struct Ended {
    #[serde(default)]
    pub(super) subtype: String,
    #[serde(default)]
    pub(super) is_error: bool,
    pub(super) error: Option<String>,
    pub(super) usage: Option<Counted>,
}

/// Tokens; the input is without the cached ones.
#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
}

impl Counted {
    /// As we count; nothing where nothing was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        let (cached, written) = (self.cache_read_input_tokens, self.cache_creation_input_tokens);
        let input = self.input_tokens + cached + written;
        let some = |count: u64| (count > 0).then_some(count);
        (input + self.output_tokens > 0).then_some(Usage {
            input_tokens: input,
            cached_input_tokens: some(cached),
            cache_write_tokens: some(written),
            output_tokens: self.output_tokens,
            reasoning_tokens: None,
            total_tokens: input + self.output_tokens,
        })
    }
}

/// What sort of tool it is, by the names in its documentation.
pub(super) fn tool_kind(name: &str) -> ToolKind {
    match name {
        "Bash" => ToolKind::Command,
        "edit_file" | "create_file" | "undo_edit" | "format_file" => ToolKind::Edit,
        "Read" | "read_file" | "look_at" => ToolKind::Read,
        "Grep" | "glob" | "finder" | "list_directory" => ToolKind::Search,
        "read_web_page" | "web_search" => ToolKind::Fetch,
        "Task" | "oracle" | "librarian" => ToolKind::Agent,
        "todo_write" | "todo_read" => ToolKind::Plan,
        _ if name.starts_with("mcp__") => ToolKind::Mcp,
        _ => ToolKind::Other,
    }
}

/// The server of an MCP tool's name.
pub(super) fn server(name: &str) -> Option<String> {
    let (server, _) = name.strip_prefix("mcp__")?.split_once("__")?;
    Some(server.to_owned())
}

/// The text of a result.
pub(super) fn output(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            texts.join("\n")
        }
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => content.to_string(),
    }
}

/// What it says without a login, in plain words where JSON should be.
pub(super) fn wants_login(line: &str) -> bool {
    line.starts_with("No API key found") || line.starts_with("Login failed")
}

/// The cause of a failure, which stands only in prose.
pub(super) fn code(message: &str) -> ErrorCode {
    let prose = Prose::of(message);
    let says = |any: &[&str]| prose.says(any);
    if says(&["no api key", "login failed", "unauthorized", "invalid api key", "failed: 401", "failed: 403"]) {
        ErrorCode::Auth
    } else if says(&["rate limit", "too many requests", "failed: 429"]) {
        ErrorCode::RateLimit
    } else if says(&["out of credits", "insufficient", "quota"]) {
        ErrorCode::Quota
    } else if says(&["context window", "prompt is too long", "context limit"]) {
        ErrorCode::ContextFull
    } else if says(&["overloaded"]) {
        ErrorCode::Overloaded
    } else if says(&["couldn't connect", "network", "econnrefused", "fetch failed", "timed out"]) {
        ErrorCode::Network
    } else if says(&["failed: 5", "internal server error"]) {
        ErrorCode::Server
    } else {
        ErrorCode::Other
    }
}
