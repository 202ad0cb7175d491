//! Pi's native records, only the fields we read; prose that means a failure; what is ignored on purpose.
//!
//! Source: `docs/rpc.md`, `json.md`, `rpc-commands.md`, `rpc-extension-ui.md` and `message-types.md` of 0.87.1, and
//! conversations recorded with 0.74.2 and 0.87.1.

use std::borrow::Cow;

use schema::event::Usage;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::prose::Prose;

/// Records that say nothing to a reader of events, each with the reason.
pub(super) const IGNORED: &[(&str, &str)] = &[
    ("session", "the header of JSON mode"),
    ("turn_start", "one request to the model; the turn is the whole prompt"),
    ("turn_end", "the messages in it have been told"),
    ("queue_update", "the queue is ours"),
    ("entry_appended", "bookkeeping of the session file"),
    ("auto_retry_end", "the answer or the final error follows"),
    ("compaction_start", "its end tells it"),
    ("summarization_retry_attempt_start", "the retry was told"),
    ("summarization_retry_finished", "the summary follows"),
    ("bash_execution_update", "we execute nothing outside turns"),
];

/// What an extension does to a user interface that is not there.
pub(super) const IGNORED_METHODS: &[&str] = &["setStatus", "setWidget", "setTitle", "set_editor_text"];

/// Roles of messages that say nothing of their own.
pub(super) const IGNORED_ROLES: &[(&str, &str)] = &[
    ("system", "the prompt of the agent itself"),
    ("toolResult", "the end of the tool's execution says it"),
    ("bashExecution", "we execute nothing outside turns"),
    ("branchSummary", "we never leave a branch"),
    ("compactionSummary", "the end of the compaction says it"),
];

/// A record; the streamed part of an answer is in it, because there are thousands of them.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default, rename = "assistantMessageEvent")]
    pub(super) update: Option<&'a RawValue>,
}

/// A part of a streamed answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) content_index: usize,
    #[serde(borrow, default)]
    pub(super) delta: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) content: Cow<'a, str>,
    #[serde(default)]
    pub(super) tool_call: Option<ToolCall>,
}

/// A call as the model wrote it.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Value,
}

/// `response`.
#[derive(Debug, Deserialize)]
pub(super) struct Response {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) command: String,
    pub(super) success: bool,
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// `get_state`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    pub(super) session_id: String,
    #[serde(default)]
    pub(super) model: Option<Model>,
    #[serde(default)]
    pub(super) thinking_level: Option<String>,
    #[serde(default)]
    pub(super) is_streaming: bool,
    #[serde(default)]
    pub(super) message_count: u64,
}

/// A model.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    pub(super) provider: String,
    pub(super) id: String,
    #[serde(default)]
    pub(super) context_window: Option<u64>,
}

impl Model {
    /// As `--model` takes it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.provider, self.id)
    }
}

/// `message_start`, `message_end`.
#[derive(Debug, Deserialize)]
pub(super) struct MessageRecord {
    pub(super) message: Message,
}

/// A message of whatever role.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Content,
    #[serde(default)]
    pub(super) display: Option<bool>,
    #[serde(default)]
    pub(super) provider: Option<String>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<Counts>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) raw_stop_reason: Option<String>,
    #[serde(default)]
    pub(super) error_message: Option<String>,
    #[serde(default)]
    pub(super) timestamp: Option<u64>,
}

/// What a message says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

impl Default for Content {
    fn default() -> Content {
        Content::Blocks(Vec::new())
    }
}

impl Content {
    /// Its text.
    pub(super) fn text(&self) -> String {
        match self {
            Content::Text(text) => text.clone(),
            Content::Blocks(blocks) => blocks.iter().filter_map(|block| block.text.as_deref()).collect(),
        }
    }

    /// Its blocks.
    pub(super) fn blocks(self) -> Vec<Block> {
        match self {
            Content::Text(text) => vec![Block { kind: "text".to_owned(), text: Some(text), ..Block::default() }],
            Content::Blocks(blocks) => blocks,
        }
    }
}

/// A block of a message or of a tool's result.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(default)]
    pub(super) data: Option<String>,
    #[serde(default)]
    pub(super) mime_type: Option<String>,
}

/// Tokens and money as Pi counts them: input without cached and written, output with reasoning; money by its list of prices.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    #[serde(default)]
    pub(super) input: u64,
    #[serde(default)]
    pub(super) output: u64,
    #[serde(default)]
    pub(super) cache_read: u64,
    #[serde(default)]
    pub(super) cache_write: u64,
    #[serde(default)]
    pub(super) reasoning: Option<u64>,
    #[serde(default)]
    pub(super) cost: Price,
}

/// Money.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Price {
    #[serde(default)]
    pub(super) total: f64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Usage {
        let input_tokens = counts.input + counts.cache_read + counts.cache_write;
        Usage {
            input_tokens,
            cached_input_tokens: Some(counts.cache_read),
            cache_write_tokens: Some(counts.cache_write),
            output_tokens: counts.output,
            reasoning_tokens: counts.reasoning,
            total_tokens: input_tokens + counts.output,
        }
    }
}

/// `tool_execution_start`, `…_update`, `…_end`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Execution {
    pub(super) tool_call_id: String,
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) args: Value,
    #[serde(default)]
    pub(super) partial_result: Outcome,
    #[serde(default)]
    pub(super) result: Outcome,
    #[serde(default)]
    pub(super) is_error: bool,
    #[serde(default)]
    pub(super) duration_ms: Option<u64>,
}

/// What a tool gave, or gave so far.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Outcome {
    #[serde(default)]
    pub(super) content: Content,
    #[serde(default)]
    pub(super) details: Value,
}

/// `agent_end`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgentEnd {
    /// Absent before 0.75.4, which does not say when it is settled either.
    #[serde(default)]
    pub(super) will_retry: Option<bool>,
}

/// `auto_retry_start`, `summarization_retry_scheduled`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retry {
    #[serde(default)]
    pub(super) attempt: Option<u64>,
    #[serde(default)]
    pub(super) delay_ms: Option<u64>,
    #[serde(default)]
    pub(super) error_message: String,
}

/// `compaction_end`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Compaction {
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) result: Option<Summary>,
    /// The answer that did not fit is asked for again.
    #[serde(default)]
    pub(super) will_retry: bool,
    #[serde(default)]
    pub(super) error_message: Option<String>,
}

/// What came of a compaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) tokens_before: Option<u64>,
    #[serde(default)]
    pub(super) estimated_tokens_after: Option<u64>,
    #[serde(default)]
    pub(super) usage: Option<Counts>,
}

/// `extension_ui_request`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dialog {
    pub(super) id: String,
    pub(super) method: String,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) placeholder: Option<String>,
    #[serde(default)]
    pub(super) options: Vec<String>,
    #[serde(default)]
    pub(super) timeout: Option<u64>,
    #[serde(default)]
    pub(super) status_key: Option<String>,
    #[serde(default)]
    pub(super) status_text: Option<String>,
}

/// What our extension says in a dialog's title or a status.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Ours {
    /// May this tool run?
    Permission(PermissionAsked),
    /// The model asks the user.
    Questions {
        #[serde(rename = "toolCallId")]
        tool_call_id: String,
        questions: Vec<QuestionAsked>,
    },
    /// A file is about to be written, unasked.
    Write {
        #[serde(rename = "toolCallId")]
        tool_call_id: String,
        #[serde(default)]
        paths: Vec<String>,
        #[serde(default, deserialize_with = "there")]
        before: Option<Option<String>>,
    },
}

/// A tool that waits for permission.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionAsked {
    pub(super) tool_call_id: String,
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) input: Value,
    #[serde(default)]
    pub(super) cwd: Option<String>,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    #[serde(default, deserialize_with = "there")]
    pub(super) before: Option<Option<String>>,
}

/// One question.
#[derive(Debug, Deserialize)]
pub(super) struct QuestionAsked {
    pub(super) question: String,
    #[serde(default)]
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) options: Vec<OptionAsked>,
    #[serde(default)]
    pub(super) multi_select: bool,
}

/// One choice of it.
#[derive(Debug, Deserialize)]
pub(super) struct OptionAsked {
    pub(super) label: String,
    #[serde(default)]
    pub(super) description: Option<String>,
}

/// A field that is there, be it null.
fn there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Our word for a failure that Pi only tells in prose. `streamed`: the answer had begun, so the request was in order.
pub(super) fn code_of(message: &str, streamed: bool) -> ErrorCode {
    let prose = Prose::of(message);
    let says = |any: &[&str]| prose.says(any);
    let status = status_of(&message.to_ascii_lowercase());
    if status != Some(429)
        && says(&[
            "context_length_exceeded",
            "context length exceeded",
            "maximum context length",
            "context window",
            "context overflow",
            "model_context_window_exceeded",
            "prompt is too long",
            "prompt too long",
            "request_too_large",
            "input is too long",
            "exceeds the maximum number of tokens",
            "maximum prompt length",
            "reduce the length of the messages",
            "available context size",
            "greater than the context length",
            "context length",
            "exceeded model token limit",
        ])
    {
        return ErrorCode::ContextFull;
    }
    if says(&[
        "insufficient_quota",
        "quota exceeded",
        "exceeded your current quota",
        "usage limit",
        "credit balance",
        "billing",
    ]) {
        return ErrorCode::Quota;
    }
    if says(&["overloaded"]) {
        return ErrorCode::Overloaded;
    }
    if says(&["refused to complete", "content_filter", "stopped with: sensitive", "content policy"]) {
        return ErrorCode::Refusal;
    }
    match status {
        Some(401 | 403) => return ErrorCode::Auth,
        Some(402) => return ErrorCode::Quota,
        Some(404) => return ErrorCode::ModelNotFound,
        Some(408) => return ErrorCode::Network,
        Some(413) => return ErrorCode::ContextFull,
        Some(429) => return ErrorCode::RateLimit,
        Some(529) => return ErrorCode::Overloaded,
        Some(400..=499) => return ErrorCode::BadRequest,
        Some(500..) => return ErrorCode::Server,
        Some(_) | None => {}
    }
    if says(&[
        "no api key",
        "authentication",
        "unauthorized",
        "invalid api key",
        "credentials",
        "/login",
        "not logged in",
    ]) {
        ErrorCode::Auth
    } else if says(&["rate limit", "rate_limit", "too many requests"]) {
        ErrorCode::RateLimit
    } else if says(&["model not found", "unknown model", "no models match", "no model selected", "no models available"])
    {
        ErrorCode::ModelNotFound
    } else if says(&[
        "terminated",
        "fetch failed",
        "connection",
        "socket",
        "econn",
        "enotfound",
        "network",
        "timed out",
        "timeout",
        "stream ended",
        "premature close",
    ]) {
        ErrorCode::Network
    } else if says(&["server error", "server_error", "service unavailable", "internal error", "bad gateway"])
        || streamed
    {
        ErrorCode::Server
    } else if says(&["invalid_request", "invalid request", "bad request"]) {
        ErrorCode::BadRequest
    } else {
        ErrorCode::Other
    }
}

/// The status of an HTTP answer, from `401: {…}`, `openai API error (401): {…}` or, in 0.74, `401 Wrong key`.
fn status_of(prose: &str) -> Option<u16> {
    let after = |word: &str| prose.find(word).map(|at| &prose[at + word.len()..]);
    [Some(prose), after("error (")].into_iter().flatten().find_map(|text| {
        let ends = text.get(3..).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', ' ', ')']));
        text.get(..3)?.parse().ok().filter(|status| ends && (400..600).contains(status))
    })
}

/// What a model's provider said, without the JSON that Pi wraps round it.
pub(super) fn words_of(prose: &str) -> String {
    let inner = prose.split_once(": ").and_then(|(_, rest)| serde_json::from_str::<Value>(rest).ok());
    let said = inner.as_ref().and_then(|value| value["message"].as_str().or(value["error"]["message"].as_str()));
    match (said, status_of(&prose.to_ascii_lowercase())) {
        (Some(said), Some(status)) => format!("{status}: {said}"),
        _ => prose.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_gives_codes() {
        let rows = [
            ("401: {\"message\":\"Scripted: invalid api key\"}", ErrorCode::Auth),
            ("401 Wrong key", ErrorCode::Auth),
            ("No API key found for OpenAI.\n\nUse /login to log into a provider", ErrorCode::Auth),
            ("scripted API error (401): {\"message\":\"no\"}", ErrorCode::Auth),
            ("404: {\"message\":\"model nope\"}", ErrorCode::ModelNotFound),
            ("429: {\"message\":\"Scripted rate limit\"}", ErrorCode::RateLimit),
            ("429: {\"message\":\"You exceeded your current quota\"}", ErrorCode::Quota),
            ("429 Too many tokens in the context window per minute", ErrorCode::RateLimit),
            ("500: {\"message\":\"x\"}", ErrorCode::Server),
            ("529: {\"message\":\"Overloaded\"}", ErrorCode::Overloaded),
            ("400: {\"message\":\"This model's maximum context length is 200000 tokens.\"}", ErrorCode::ContextFull),
            ("400: {\"message\":\"bad\"}", ErrorCode::BadRequest),
            ("terminated", ErrorCode::Network),
            ("Provider finish_reason: content_filter", ErrorCode::Refusal),
            ("something else", ErrorCode::Other),
            ("4000 apples", ErrorCode::Other),
        ];
        for (prose, code) in rows {
            assert_eq!(code_of(prose, false), code, "{prose}");
        }
        assert_eq!(code_of("Scripted mid-stream failure", true), ErrorCode::Server);
        assert_eq!(words_of("401: {\"message\":\"no\"}"), "401: no");
        assert_eq!(words_of("no: thing"), "no: thing");
    }
}
