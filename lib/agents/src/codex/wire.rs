//! Codex's native messages, only the fields we read; prose and codes that mean a failure; what is ignored on purpose.
//!
//! Source: `codex app-server generate-json-schema --experimental` of 0.169.0, and conversations recorded with it.

use std::borrow::Cow;

use schema::event::Usage;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::scan::Scan;

/// Notifications that say nothing to a reader of events, each with the reason.
pub(super) const IGNORED: &[(&str, &str)] = &[
    ("thread/started", "the answer of thread/start says it"),
    ("thread/status/changed", "follows from turns and requests"),
    ("thread/closed", "we close it"),
    ("thread/archived", "bookkeeping"),
    ("thread/unarchived", "bookkeeping"),
    ("thread/deleted", "bookkeeping"),
    ("thread/reverted", "we never revert"),
    ("thread/readState/changed", "unread marks of a user interface"),
    ("thread/section/changed", "folders of a user interface"),
    ("thread/attachment/updated", "bookkeeping"),
    ("thread/project/updated", "bookkeeping"),
    ("thread/environment/connected", "remote environments are not used"),
    ("thread/environment/disconnected", "remote environments are not used"),
    ("thread/goal/updated", "goals are not used"),
    ("thread/goal/cleared", "goals are not used"),
    ("thread/prediction/updated", "suggestions for a user interface"),
    ("thread/queue/changed", "the queue is ours"),
    ("thread/settings/updated", "an echo of what we set"),
    ("project/changed", "bookkeeping"),
    ("skills/changed", "no part of the conversation"),
    ("remoteControl/status/changed", "remote control is not used"),
    ("account/updated", "no part of the conversation"),
    ("account/login/completed", "the answer of account/login/start says it"),
    ("account/gatewayOAuth/changed", "we never log in through a browser"),
    ("app/list/updated", "no part of the conversation"),
    ("externalAgentConfig/import/progress", "we never import"),
    ("externalAgentConfig/import/completed", "we never import"),
    ("fs/changed", "we watch nothing"),
    ("fuzzyFileSearch/sessionUpdated", "we search nothing"),
    ("fuzzyFileSearch/sessionCompleted", "we search nothing"),
    ("item/reasoning/summaryPartAdded", "the next delta says its part"),
    ("item/commandExecution/terminalInteraction", "what was typed into a command is an item of its own"),
    ("item/fileChange/outputDelta", "deprecated; the patch tool's chatter"),
    ("item/fileChange/patchUpdated", "the completed item has the whole"),
    ("item/mcpToolCall/progress", "a progress line for people"),
    ("item/autoApprovalReview/started", "we ask for no reviewer"),
    ("item/autoApprovalReview/completed", "we ask for no reviewer"),
    ("hook/started", "hooks are the user's own"),
    ("hook/completed", "hooks are the user's own"),
    ("rawResponseItem/completed", "we ask for no raw events"),
    ("rawResponse/completed", "we ask for no raw events"),
    ("command/exec/outputDelta", "we execute nothing outside turns"),
    ("process/outputDelta", "we execute nothing outside turns"),
    ("process/exited", "we execute nothing outside turns"),
    ("mcpServer/oauthLogin/completed", "we never log in"),
    ("mcpServer/event/stream/notification", "we subscribe to nothing"),
    ("modelProvider/authRecoveryStarted", "the retry is told as an error"),
    ("modelProvider/authRecoveryCompleted", "the retry is told as an error"),
    ("model/verification", "the account's affair"),
    ("turn/moderationMetadata", "opaque"),
    ("model/safetyBuffering/updated", "a hint for a user interface"),
    ("windows/worldWritableWarning", "Windows"),
    ("windowsSandbox/setupCompleted", "Windows"),
];

/// Whether a notification is ignored on purpose.
pub(super) fn is_ignored(method: &str) -> bool {
    // Voice is never begun by us.
    IGNORED.iter().any(|(name, _)| *name == method) || method.starts_with("thread/realtime/")
}

/// A piece of a text. `None`: the line is something else, or says it in another shape.
pub(super) fn piece(line: &str) -> Option<Delta<'_>> {
    let mut scan = Scan::new(line);
    scan.past(r#"{"method":"item/agentMessage/delta","params":{"threadId":"#)?;
    scan.string()?;
    scan.past(r#","turnId":"#)?;
    scan.string()?;
    scan.past(r#","itemId":"#)?;
    let item_id = scan.string()?;
    scan.past(r#","delta":"#)?;
    let delta = scan.string()?;
    if scan.past(r#"},"emittedAtMs":"#).is_some() {
        scan.number()?;
        scan.end("}")?;
    } else {
        scan.end("}}")?;
    }
    Some(Delta { item_id, delta })
}

/// What a delta carries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) item_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
}

/// `item/started`, `item/completed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemParams {
    pub(super) thread_id: String,
    pub(super) item: Value,
}

/// The head of every item.
#[derive(Debug, Deserialize)]
pub(super) struct ItemHead {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// `agentMessage`, `plan`.
#[derive(Debug, Deserialize)]
pub(super) struct TextItem {
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) questions: Option<Value>,
}

/// `userMessage`.
#[derive(Debug, Deserialize)]
pub(super) struct UserItem {
    #[serde(default)]
    pub(super) content: Vec<Value>,
}

/// `reasoning`.
#[derive(Debug, Deserialize)]
pub(super) struct ReasoningItem {
    #[serde(default)]
    pub(super) summary: Vec<String>,
    #[serde(default)]
    pub(super) content: Vec<String>,
}

/// `commandExecution`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandItem {
    pub(super) command: String,
    #[serde(default)]
    pub(super) cwd: Option<String>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) process_id: Option<String>,
    #[serde(default)]
    pub(super) aggregated_output: Option<String>,
    #[serde(default)]
    pub(super) exit_code: Option<i64>,
    #[serde(default)]
    pub(super) duration_ms: Option<u64>,
}

/// `fileChange`.
#[derive(Debug, Deserialize)]
pub(super) struct PatchItem {
    #[serde(default)]
    pub(super) changes: Vec<Change>,
    pub(super) status: String,
}

/// One file of a patch.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) kind: ChangeKind,
    #[serde(default)]
    pub(super) diff: String,
}

/// What a patch does to a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ChangeKind {
    Add,
    Delete,
    Update {
        #[serde(default)]
        move_path: Option<String>,
    },
}

/// `mcpToolCall`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct McpItem {
    pub(super) server: String,
    pub(super) tool: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(default)]
    pub(super) result: Option<McpResult>,
    #[serde(default)]
    pub(super) error: Option<McpError>,
    #[serde(default)]
    pub(super) duration_ms: Option<u64>,
}

/// What an MCP tool gave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct McpResult {
    #[serde(default)]
    pub(super) content: Vec<Value>,
    #[serde(default)]
    pub(super) structured_content: Option<Value>,
}

/// Why an MCP tool gave nothing.
#[derive(Debug, Deserialize)]
pub(super) struct McpError {
    pub(super) message: String,
}

/// `dynamicToolCall`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DynamicItem {
    pub(super) tool: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(default)]
    pub(super) content_items: Option<Vec<Value>>,
    #[serde(default)]
    pub(super) duration_ms: Option<u64>,
}

/// `collabAgentToolCall`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CollabItem {
    pub(super) tool: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) receiver_thread_ids: Vec<String>,
    #[serde(default)]
    pub(super) prompt: Option<String>,
}

/// `subAgentActivity`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityItem {
    pub(super) kind: String,
    pub(super) agent_thread_id: String,
    #[serde(default)]
    pub(super) agent_path: String,
}

/// A turn as `turn/started`, `turn/completed` and the answer of `turn/start` tell it.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) id: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) error: Option<TurnError>,
}

/// `turn/started`, `turn/completed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnParams {
    pub(super) thread_id: String,
    pub(super) turn: Turn,
}

/// Why a turn or a request failed.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnError {
    pub(super) message: String,
    #[serde(default)]
    pub(super) codex_error_info: Option<Value>,
    #[serde(default)]
    pub(super) additional_details: Option<String>,
}

/// `error`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorParams {
    pub(super) error: TurnError,
    pub(super) will_retry: bool,
}

/// `thread/tokenUsage/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageParams {
    pub(super) thread_id: String,
    pub(super) token_usage: TokenUsage,
}

/// Counters of a thread.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenUsage {
    pub(super) total: Tokens,
    pub(super) last: Tokens,
    #[serde(default)]
    pub(super) model_context_window: Option<u64>,
}

/// Tokens as Codex counts them: input includes cached, output includes reasoning.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub(super) total_tokens: u64,
    pub(super) input_tokens: u64,
    #[serde(default)]
    pub(super) cached_input_tokens: u64,
    #[serde(default)]
    pub(super) cache_write_input_tokens: Option<u64>,
    pub(super) output_tokens: u64,
    #[serde(default)]
    pub(super) reasoning_output_tokens: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        Usage {
            input_tokens: tokens.input_tokens,
            cached_input_tokens: Some(tokens.cached_input_tokens),
            cache_write_tokens: tokens.cache_write_input_tokens,
            output_tokens: tokens.output_tokens,
            reasoning_tokens: Some(tokens.reasoning_output_tokens),
            total_tokens: tokens.input_tokens + tokens.output_tokens,
        }
    }
}

/// The answer of `thread/start`, `thread/resume` and `thread/fork`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadAnswer {
    pub(super) thread: Thread,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<String>,
}

/// A thread.
#[derive(Debug, Deserialize)]
pub(super) struct Thread {
    pub(super) id: String,
}

/// `item/commandExecution/requestApproval`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandApproval {
    pub(super) item_id: String,
    #[serde(default)]
    pub(super) command: Option<String>,
    #[serde(default)]
    pub(super) cwd: Option<String>,
    #[serde(default)]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) command_actions: Option<Vec<CommandAction>>,
    #[serde(default)]
    pub(super) network_approval_context: Option<Value>,
}

/// What Codex believes that a part of a command does.
#[derive(Debug, Deserialize)]
pub(super) struct CommandAction {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) path: Option<String>,
}

/// `item/fileChange/requestApproval`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PatchApproval {
    pub(super) item_id: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

/// `item/permissions/requestApproval`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionsApproval {
    #[serde(default)]
    pub(super) item_id: String,
    #[serde(default)]
    pub(super) cwd: Option<String>,
    #[serde(default)]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) permissions: Value,
}

/// `mcpServer/elicitation/request`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Elicitation {
    pub(super) server_name: String,
    #[serde(default)]
    pub(super) mode: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) requested_schema: Option<Value>,
    #[serde(rename = "_meta", default)]
    pub(super) meta: Option<Value>,
}

/// `item/tool/requestUserInput`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserInput {
    pub(super) item_id: String,
    pub(super) questions: Vec<InputQuestion>,
}

/// One question of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InputQuestion {
    pub(super) id: String,
    #[serde(default)]
    pub(super) header: Option<String>,
    pub(super) question: String,
    #[serde(default)]
    pub(super) is_other: bool,
    #[serde(default)]
    pub(super) is_secret: bool,
    #[serde(default)]
    pub(super) options: Option<Vec<InputOption>>,
}

/// One choice of it.
#[derive(Debug, Deserialize)]
pub(super) struct InputOption {
    pub(super) label: String,
    #[serde(default)]
    pub(super) description: Option<String>,
}

/// `turn/plan/updated`.
#[derive(Debug, Deserialize)]
pub(super) struct PlanParams {
    #[serde(default)]
    pub(super) plan: Vec<PlanStep>,
}

/// One step of it.
#[derive(Debug, Deserialize)]
pub(super) struct PlanStep {
    pub(super) step: String,
    pub(super) status: String,
}

/// A line of the protocol (JSON-RPC without its `jsonrpc` member).
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default)]
    pub(super) id: Option<Value>,
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

/// Our word for a failure of Codex's.
pub(super) fn code_of(error: &TurnError) -> ErrorCode {
    let prose = |words: &[&str]| {
        words.iter().any(|word| {
            error.message.contains(word) || error.additional_details.as_deref().is_some_and(|more| more.contains(word))
        })
    };
    let by_status = |status: u64| match status {
        401 | 403 => Some(ErrorCode::Auth),
        402 => Some(ErrorCode::Quota),
        404 => Some(ErrorCode::ModelNotFound),
        408 => Some(ErrorCode::Network),
        429 => Some(ErrorCode::RateLimit),
        400..=499 => Some(ErrorCode::BadRequest),
        500.. => Some(ErrorCode::Server),
        _ => None,
    };
    let by_word = |word: &str| match word {
        "contextWindowExceeded" => Some(ErrorCode::ContextFull),
        "sessionBudgetExceeded" => Some(ErrorCode::MaxCost),
        "usageLimitExceeded" => Some(ErrorCode::Quota),
        "rateLimitExceeded" => Some(ErrorCode::RateLimit),
        "serverOverloaded" | "flexUnavailable" | "policyCapacityUnavailable" => Some(ErrorCode::Overloaded),
        "modelNotFound" => Some(ErrorCode::ModelNotFound),
        "cyberPolicy" | "misalignmentPolicyViolation" => Some(ErrorCode::Refusal),
        "tooManyDenials" => Some(ErrorCode::AbortedByAgent),
        "internalServerError" => Some(ErrorCode::Server),
        "unauthorized" => Some(ErrorCode::Auth),
        "badRequest" => Some(ErrorCode::BadRequest),
        // `other` and what is new: the prose decides.
        _ => None,
    };
    let by_info = match &error.codex_error_info {
        Some(Value::String(word)) => by_word(word),
        Some(Value::Object(info)) => info.values().find_map(|detail| {
            let status = detail.get("httpStatusCode").and_then(Value::as_u64);
            match status {
                Some(status) => by_status(status),
                // A connection that failed without an answer.
                None => detail.get("httpStatusCode").map(|_| ErrorCode::Network),
            }
        }),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => None,
    };
    if prose(&["reason: content_filter"]) {
        return ErrorCode::Refusal;
    }
    // A 5xx without its number: only these words tell it from a broken line.
    if by_info == Some(ErrorCode::Network) && prose(&["experiencing high demand"]) {
        return ErrorCode::Server;
    }
    by_info.unwrap_or_else(|| {
        if prose(&["max_output_tokens"]) {
            ErrorCode::MaxTokens
        } else if prose(&["Missing environment variable", "401 Unauthorized", "not logged in", "Not logged in"]) {
            ErrorCode::Auth
        } else if prose(&["stream disconnected", "error sending request", "connection closed", "stream closed"]) {
            ErrorCode::Network
        } else if prose(&["invalid_request_error", "400 Bad Request"]) {
            ErrorCode::BadRequest
        } else {
            ErrorCode::Other
        }
    })
}

/// Which try failed, from "Reconnecting... 2/5".
pub(super) fn attempt_of(message: &str) -> Option<u64> {
    let numbers = message.strip_prefix("Reconnecting... ")?;
    numbers.split_once('/')?.0.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_shape_says_what_the_parser_reads() {
        let (mut pieces, mut others) = (0, 0);
        for line in crate::scan::recorded("codex") {
            let parsed = || {
                let message: Message<'_> = serde_json::from_str(&line).ok()?;
                let params = message.params.filter(|_| message.id.is_none())?;
                let delta: Delta<'_> = serde_json::from_str(params.get()).ok()?;
                let found = (delta.item_id.into_owned(), delta.delta.into_owned());
                (message.method? == "item/agentMessage/delta").then_some(found)
            };
            match piece(&line) {
                Some(Delta { item_id, delta }) => {
                    assert_eq!(parsed(), Some((item_id.into_owned(), delta.into_owned())), "{line}");
                    pieces += 1;
                }
                None => others += usize::from(parsed().is_some()),
            }
        }
        assert!(pieces > 20 * others, "{pieces} pieces are found, {others} are not: is there a new shape?");
    }
}
