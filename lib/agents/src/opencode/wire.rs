//! OpenCode's native messages, only the fields we read; prose and codes that mean a failure; what is ignored on purpose.
//!
//! Source: `GET /doc` of `opencode serve` 1.18.33, and conversations recorded with it.

use std::borrow::Cow;

use schema::event::Usage;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::prose::Prose;

/// Events that say nothing to a reader of ours, each with the reason.
pub(super) const IGNORED: &[(&str, &str)] = &[
    ("server.heartbeat", "the stream lives"),
    ("server.instance.disposed", "the end of the process says it"),
    ("global.disposed", "likewise"),
    ("session.deleted", "bookkeeping"),
    ("session.diff", "the files' sum since the session's beginning; each edit has its own"),
    ("session.compacted", "the compaction is a part of a message"),
    ("message.removed", "we never revert"),
    ("message.part.removed", "likewise"),
    ("permission.v2.asked", "the same as permission.asked"),
    ("permission.v2.replied", "the same as permission.replied"),
    ("question.v2.asked", "the same as question.asked"),
    ("question.v2.replied", "the same as question.replied"),
    ("question.v2.rejected", "the same as question.rejected"),
    ("file.edited", "the tool's result has the file"),
    ("file.watcher.updated", "we watch nothing"),
    ("lsp.client.diagnostics", "language servers are OpenCode's affair"),
    ("lsp.updated", "likewise"),
    ("installation.updated", "we never update"),
    ("installation.update-available", "likewise"),
    ("models-dev.refreshed", "bookkeeping"),
    ("catalog.updated", "likewise"),
    ("reference.updated", "likewise"),
    ("plugin.added", "likewise"),
    ("project.updated", "likewise"),
    ("project.directories.updated", "likewise"),
    ("command.executed", "we run no commands of the user's"),
    ("mcp.tools.changed", "no part of the conversation"),
    ("mcp.browser.open.failed", "we never log in"),
    ("vcs.branch.updated", "no part of the conversation"),
];

/// Whether an event is ignored on purpose.
pub(super) fn is_ignored(kind: &str) -> bool {
    IGNORED.iter().any(|(name, _)| *name == kind)
        // Its second interface, its terminal's interface, and what we do not use: terminals, worktrees, integrations.
        || ["session.next.", "tui.", "pty.", "worktree.", "workspace.", "integration."]
            .iter()
            .any(|prefix| kind.starts_with(prefix))
}

/// Parts of messages that say nothing to a reader of ours, each with the reason.
pub(super) const IGNORED_PARTS: &[(&str, &str)] = &[
    ("step-start", "the items say it"),
    ("snapshot", "OpenCode's own undo"),
    ("patch", "the tools' results have the files"),
    ("retry", "the session's status says it"),
    ("file", "the prompt is the engine's"),
    ("agent", "part of a prompt"),
    ("subtask", "its call says it"),
];

/// An event.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) properties: &'a RawValue,
}

/// `message.part.delta`; the hot path.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, rename = "partID")]
    pub(super) part: Cow<'a, str>,
    #[serde(borrow, rename = "sessionID")]
    pub(super) session: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) field: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
}

/// `session.created`, `session.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct SessionEvent {
    pub(super) info: Session,
}

/// A session, also as the answer of a call.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    #[serde(default, rename = "parentID")]
    pub(super) parent: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) model: Option<SessionModel>,
}

/// A session's model.
#[derive(Debug, Deserialize)]
pub(super) struct SessionModel {
    pub(super) id: String,
    #[serde(rename = "providerID")]
    pub(super) provider: String,
}

/// `session.status`.
#[derive(Debug, Deserialize)]
pub(super) struct StatusEvent {
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    pub(super) status: Status,
}

/// What a session does.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) attempt: Option<u64>,
    #[serde(default)]
    pub(super) message: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(super) next: Option<i64>,
}

/// `session.idle`.
#[derive(Debug, Deserialize)]
pub(super) struct OfSession {
    #[serde(rename = "sessionID")]
    pub(super) session: String,
}

/// `session.error`.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorEvent {
    #[serde(default, rename = "sessionID")]
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Error>,
}

/// An error.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Error {
    pub(super) name: String,
    #[serde(default)]
    pub(super) data: ErrorData,
}

/// What an error says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorData {
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) status_code: Option<u64>,
    #[serde(default)]
    pub(super) response_body: Option<String>,
}

/// `message.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct MessageEvent {
    pub(super) info: Message,
}

/// A message of a session as `GET /session/ID/message` lists it.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) info: Message,
    pub(super) parts: Vec<Value>,
}

/// A message.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    pub(super) role: String,
    #[serde(default)]
    pub(super) agent: Option<String>,
    #[serde(default, rename = "providerID")]
    pub(super) provider: Option<String>,
    #[serde(default, rename = "modelID")]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) finish: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Error>,
    /// `true` for what a compaction says; an object on a user's.
    #[serde(default)]
    pub(super) summary: Value,
    #[serde(default)]
    pub(super) time: Time,
}

/// When.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Time {
    #[serde(default)]
    pub(super) start: Option<u64>,
    #[serde(default)]
    pub(super) end: Option<u64>,
    #[serde(default)]
    pub(super) completed: Option<u64>,
}

/// `message.part.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct PartEvent {
    pub(super) part: Value,
}

/// The head of every part.
#[derive(Debug, Deserialize)]
pub(super) struct PartHead {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    #[serde(rename = "messageID")]
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// `text`, `reasoning`.
#[derive(Debug, Deserialize)]
pub(super) struct TextPart {
    pub(super) text: String,
    #[serde(default)]
    pub(super) synthetic: bool,
    #[serde(default)]
    pub(super) time: Time,
}

/// `tool`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolPart {
    pub(super) tool: String,
    #[serde(rename = "callID")]
    pub(super) call: String,
    pub(super) state: ToolState,
}

/// How far a tool is.
#[derive(Debug, Deserialize)]
pub(super) struct ToolState {
    pub(super) status: String,
    #[serde(default)]
    pub(super) input: Value,
    #[serde(default)]
    pub(super) output: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) metadata: Value,
    #[serde(default)]
    pub(super) time: Time,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
}

/// A file that a tool gives to the model.
#[derive(Debug, Deserialize)]
pub(super) struct Attachment {
    #[serde(default)]
    pub(super) mime: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
}

/// `step-finish`.
#[derive(Debug, Deserialize)]
pub(super) struct StepFinish {
    pub(super) tokens: Tokens,
    #[serde(default)]
    pub(super) cost: f64,
}

/// Tokens of one request: each count without the others.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Tokens {
    input: f64,
    output: f64,
    reasoning: f64,
    cache: Cache,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Cache {
    read: f64,
    write: f64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let [input, output, reasoning, read, write] =
            [tokens.input, tokens.output, tokens.reasoning, tokens.cache.read, tokens.cache.write]
                .map(|count| count as u64);
        let (input, output) = (input + read + write, output + reasoning);
        Usage {
            input_tokens: input,
            cached_input_tokens: Some(read),
            cache_write_tokens: Some(write),
            output_tokens: output,
            reasoning_tokens: Some(reasoning),
            total_tokens: input + output,
        }
    }
}

/// `permission.asked`.
#[derive(Debug, Deserialize)]
pub(super) struct Permission {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    pub(super) permission: String,
    #[serde(default)]
    pub(super) patterns: Vec<String>,
    #[serde(default)]
    pub(super) metadata: Value,
    #[serde(default)]
    pub(super) always: Vec<String>,
    #[serde(default)]
    pub(super) tool: Option<ToolRef>,
}

/// Which call a request is about.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ToolRef {
    #[serde(rename = "messageID")]
    pub(super) message: String,
    #[serde(rename = "callID")]
    pub(super) call: String,
}

/// `question.asked`.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub(super) id: String,
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    pub(super) questions: Vec<QuestionInfo>,
    #[serde(default)]
    pub(super) tool: Option<ToolRef>,
}

/// One question of several.
#[derive(Debug, Deserialize)]
pub(super) struct QuestionInfo {
    pub(super) question: String,
    #[serde(default)]
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) options: Vec<OptionInfo>,
    #[serde(default)]
    pub(super) multiple: bool,
    /// Free text is taken unless this is false.
    #[serde(default = "yes")]
    pub(super) custom: bool,
}

fn yes() -> bool {
    true
}

/// One answer to choose.
#[derive(Debug, Deserialize)]
pub(super) struct OptionInfo {
    pub(super) label: String,
    #[serde(default)]
    pub(super) description: Option<String>,
}

/// `permission.replied`, `question.replied`, `question.rejected`.
#[derive(Debug, Deserialize)]
pub(super) struct Replied {
    #[serde(rename = "requestID")]
    pub(super) request: String,
}

/// `todo.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct Todos {
    #[serde(rename = "sessionID")]
    pub(super) session: String,
    pub(super) todos: Vec<Value>,
}

/// What an error means.
pub(super) fn code_of(error: &Error) -> ErrorCode {
    let ErrorData { message, status_code, response_body } = &error.data;
    // After its first line there is a stack of calls within OpenCode.
    let first = message.as_deref().and_then(|message| message.lines().next()).unwrap_or_default();
    let words = format!("{first} {}", response_body.as_deref().unwrap_or_default());
    match (error.name.as_str(), status_code) {
        ("ProviderAuthError", _) | (_, Some(401 | 403)) => ErrorCode::Auth,
        ("ContextOverflowError", _) => ErrorCode::ContextFull,
        ("ContentFilterError", _) => ErrorCode::Refusal,
        ("MessageOutputLengthError", _) => ErrorCode::MaxTokens,
        ("MessageAbortedError", _) => ErrorCode::AbortedByAgent,
        (_, Some(402)) => ErrorCode::Quota,
        (_, Some(429)) if code_of_words(&words) == Some(ErrorCode::Quota) => ErrorCode::Quota,
        (_, Some(429)) => ErrorCode::RateLimit,
        (_, Some(404)) => ErrorCode::ModelNotFound,
        (_, Some(503 | 529)) => ErrorCode::Overloaded,
        (_, Some(500..)) => ErrorCode::Server,
        (_, Some(400..)) => ErrorCode::BadRequest,
        _ => code_of_words(&words).unwrap_or(ErrorCode::Other),
    }
}

/// What prose means: retries and some errors have nothing else.
pub(super) fn code_of_words(words: &str) -> Option<ErrorCode> {
    let prose = Prose::of(words);
    let says = |any: &[&str]| prose.says(any);
    Some(match () {
        () if says(&["model not found", "modelnotfound", "no models available", "no providers found"]) => {
            ErrorCode::ModelNotFound
        }
        () if says(&["quota", "usage limit", "credit", "billing"]) => ErrorCode::Quota,
        () if says(&["rate limit", "rate_limit", "too many requests", "429"]) => ErrorCode::RateLimit,
        () if says(&["overloaded", "unavailable", "exhausted"]) => ErrorCode::Overloaded,
        () if says(&["api key", "unauthorized", "authentication"]) => ErrorCode::Auth,
        () if says(&["unable to connect", "econn", "fetch failed", "socket", "network", "timed out", "dns"]) => {
            ErrorCode::Network
        }
        () if says(&["server", "internal", "500", "502", "504"]) => ErrorCode::Server,
        () => return None,
    })
}

/// What OpenCode writes as the error of a tool that was not allowed to run.
pub(super) fn is_denial(error: &str) -> bool {
    ["The user rejected permission", "The user has specified a rule which prevents", "The user dismissed this question"]
        .iter()
        .any(|words| error.contains(words))
}

/// What OpenCode writes as the error of a tool that it cut off.
pub(super) fn is_abort(error: &str) -> bool {
    error.contains("Tool execution aborted")
}
