//! Claude Code's native messages, only the fields we read; codes and prose that mean a failure; what is ignored on purpose.
//!
//! Source: the type declarations of the Agent SDK, and conversations recorded with 2.1.197 and 2.1.329.

use std::borrow::Cow;
use std::collections::HashMap;

use schema::event::Usage;
use schema::outcome::ErrorCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::scan::Scan;

/// Messages, by type or as `system/SUBTYPE`, that say nothing to a reader of events, each with the reason.
const IGNORED: &[(&str, &str)] = &[
    ("keep_alive", "says only that it lives"),
    ("tool_progress", "says only that a tool still runs"),
    ("tool_use_summary", "a line for a user interface"),
    ("prompt_suggestion", "a suggestion for a user interface"),
    ("command_lifecycle", "the queue is ours"),
    ("auth_status", "we never log in"),
    ("streamlined_text", "the messages say it"),
    ("streamlined_tool_use_summary", "the messages say it"),
    ("control_request_progress", "what we asked for is under way"),
    ("transcript_mirror", "bookkeeping"),
    ("ui_invalidate", "a user interface's"),
    ("system/thinking_tokens", "an estimate before each delta"),
    ("system/session_state_changed", "follows from turns and requests"),
    ("system/background_tasks_changed", "the tasks' own messages say it"),
    ("system/task_progress", "the sub-agent's own messages say it"),
    ("system/task_updated", "the notification that follows says it"),
    ("system/task_summary", "a line for a user interface"),
    ("system/model_refusal_no_fallback", "the result says it"),
    ("system/turn_duration", "the result says it"),
    ("system/turn_starting", "follows from what comes"),
    ("system/turn_preempted", "the result says it"),
    ("system/turn_began_before_init", "bookkeeping"),
    ("system/init_milestone", "bookkeeping"),
    ("system/hook_started", "hooks are the user's own"),
    ("system/hook_progress", "hooks are the user's own"),
    ("system/hook_response", "hooks are the user's own"),
    ("system/stop_hook_summary", "hooks are the user's own"),
    ("system/files_persisted", "bookkeeping"),
    ("system/file_snapshot", "bookkeeping"),
    ("system/elicitation_complete", "the request was answered"),
    ("system/commands_changed", "the next session.info says it"),
    ("system/plugin_install", "no part of the conversation"),
    ("system/memory_recall", "no part of the conversation"),
    ("system/memory_saved", "no part of the conversation"),
    ("system/post_turn_summary", "a line for a user interface"),
    ("system/away_summary", "a line for a user interface"),
    ("system/bridge_state", "remote control is not used"),
    ("system/bridge_status", "remote control is not used"),
    ("system/mirror_error", "nothing is mirrored"),
    ("system/per_turn_effort_changed", "an echo of what we set"),
    ("system/session_metadata", "bookkeeping"),
    ("system/ui_invalidate", "a user interface's"),
    ("system/vcs_state_changed", "no part of the conversation"),
    ("system/code_change_published", "no part of the conversation"),
    ("system/worker_shutting_down", "its end says it"),
    ("system/shell_cwd", "no part of the conversation"),
    ("system/agents_killed", "the tasks' own messages say it"),
    ("system/checkpoint_done", "bookkeeping"),
];

/// Whether a message is ignored on purpose; a system message is `system/SUBTYPE`.
pub(super) fn is_ignored(kind: &str, subtype: Option<&str>) -> bool {
    IGNORED.iter().any(|(name, _)| match (kind, subtype) {
        ("system", Some(subtype)) => name.strip_prefix("system/") == Some(subtype),
        _ => *name == kind,
    })
}

/// The head of every line.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) subtype: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) event: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) parent_tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) abandoned_blocks: Option<Value>,
}

/// A piece of a text: its block's index, and what it says. `None`: the line is something else, or says it in another shape.
pub(super) fn piece(line: &str) -> Option<(u64, Cow<'_, str>)> {
    let mut scan = Scan::new(line);
    scan.past(r#"{"type":"stream_event","event":{"type":"content_block_delta","index":"#)?;
    let index = scan.number()?;
    scan.past(r#","delta":{"type":"text_delta","text":"#)
        .or_else(|| scan.past(r#","delta":{"type":"thinking_delta","thinking":"#))?;
    let text = scan.string()?;
    scan.past(r#"}},"session_id":"#)?;
    scan.string()?;
    // A sub-agent's are no piece of ours.
    scan.past(r#","parent_tool_use_id":null,"uuid":"#)?;
    scan.string()?;
    if scan.past(r#","api_message_id":"#).is_some() {
        scan.string()?;
    }
    scan.end("}")?;
    Some((index, text))
}

/// An event of the service's stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) index: u64,
    #[serde(borrow, default)]
    pub(super) delta: Option<StreamDelta<'a>>,
    #[serde(default)]
    pub(super) content_block: Option<StreamBlock>,
    #[serde(default)]
    pub(super) message: Option<StreamMessage>,
    #[serde(default)]
    pub(super) usage: Option<Tokens>,
}

/// What grew.
#[derive(Debug, Deserialize)]
pub(super) struct StreamDelta<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<Cow<'a, str>>,
}

/// A block that begins.
#[derive(Debug, Deserialize)]
pub(super) struct StreamBlock {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A message that begins.
#[derive(Debug, Deserialize)]
pub(super) struct StreamMessage {
    pub(super) id: String,
}

/// `assistant`.
#[derive(Debug, Deserialize)]
pub(super) struct AssistantLine {
    pub(super) message: AssistantMessage,
    #[serde(default)]
    pub(super) parent_tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) subagent_type: Option<String>,
    #[serde(default)]
    pub(super) task_description: Option<String>,
    #[serde(default)]
    pub(super) tool_use_meta: Vec<ToolMeta>,
}

/// The model's message, or a part of it.
#[derive(Debug, Deserialize)]
pub(super) struct AssistantMessage {
    pub(super) id: String,
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    pub(super) content: Vec<Value>,
}

/// What a user interface would call a tool.
#[derive(Debug, Deserialize)]
pub(super) struct ToolMeta {
    pub(super) id: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
}

/// `user`.
#[derive(Debug, Deserialize)]
pub(super) struct UserLine {
    pub(super) message: UserMessage,
    #[serde(default)]
    pub(super) parent_tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) tool_use_result: Value,
    #[serde(rename = "isReplay", default)]
    pub(super) is_replay: bool,
    #[serde(default)]
    pub(super) refused_message_id: Option<String>,
    #[serde(default)]
    pub(super) subagent_type: Option<String>,
    #[serde(default)]
    pub(super) task_description: Option<String>,
}

/// What is put into the conversation on the user's side.
#[derive(Debug, Deserialize)]
pub(super) struct UserMessage {
    #[serde(default)]
    pub(super) content: Value,
}

/// `result`.
#[derive(Debug, Deserialize)]
pub(super) struct ResultLine {
    #[serde(default)]
    pub(super) subtype: String,
    #[serde(default)]
    pub(super) is_error: bool,
    #[serde(default)]
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) errors: Vec<String>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) terminal_reason: Option<String>,
    #[serde(default)]
    pub(super) api_error_status: Option<u64>,
    #[serde(default)]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(default)]
    pub(super) usage: Tokens,
    #[serde(rename = "modelUsage", default)]
    pub(super) model_usage: HashMap<String, ModelTokens>,
    #[serde(default)]
    pub(super) permission_denials: Vec<Denial>,
    #[serde(default)]
    pub(super) origin: Option<Origin>,
    #[serde(default)]
    pub(super) local_command: Option<String>,
}

/// What was not allowed in a turn.
#[derive(Debug, Deserialize)]
pub(super) struct Denial {
    #[serde(default)]
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) tool_use_id: String,
    #[serde(default)]
    pub(super) tool_input: Value,
}

/// Why a turn was run that nobody asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Origin {
    #[serde(default)]
    pub(super) kind: String,
}

/// Tokens as the service counts them: input without what the cache took.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    pub(super) input_tokens: Option<u64>,
    pub(super) cache_creation_input_tokens: Option<u64>,
    pub(super) cache_read_input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Usage {
        let cached = tokens.cache_read_input_tokens;
        let written = tokens.cache_creation_input_tokens;
        let input = tokens.input_tokens.unwrap_or(0) + cached.unwrap_or(0) + written.unwrap_or(0);
        let output = tokens.output_tokens.unwrap_or(0);
        Usage {
            input_tokens: input,
            cached_input_tokens: cached,
            cache_write_tokens: written,
            output_tokens: output,
            reasoning_tokens: None,
            total_tokens: input + output,
        }
    }
}

/// A model's counters.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelTokens {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_creation_input_tokens: u64,
    #[serde(default)]
    thinking_tokens: Option<u64>,
    #[serde(rename = "costUSD", default)]
    pub(super) cost_usd: f64,
    #[serde(default)]
    pub(super) context_window: u64,
}

impl From<ModelTokens> for Usage {
    fn from(tokens: ModelTokens) -> Usage {
        let input = tokens.input_tokens + tokens.cache_read_input_tokens + tokens.cache_creation_input_tokens;
        Usage {
            input_tokens: input,
            cached_input_tokens: Some(tokens.cache_read_input_tokens),
            cache_write_tokens: Some(tokens.cache_creation_input_tokens),
            output_tokens: tokens.output_tokens,
            reasoning_tokens: tokens.thinking_tokens,
            total_tokens: input + tokens.output_tokens,
        }
    }
}

/// `system/api_retry`.
#[derive(Debug, Deserialize)]
pub(super) struct Retry {
    #[serde(default)]
    pub(super) attempt: Option<u64>,
    #[serde(default)]
    pub(super) max_retries: Option<u64>,
    #[serde(default)]
    pub(super) retry_delay_ms: Option<f64>,
    #[serde(default)]
    pub(super) error_status: Option<u64>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// `system/task_started` and `system/task_notification`.
#[derive(Debug, Deserialize)]
pub(super) struct Task {
    pub(super) task_id: String,
    #[serde(default)]
    pub(super) tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) task_type: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) subagent_type: Option<String>,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) summary: Option<String>,
    #[serde(default)]
    pub(super) output_file: Option<String>,
}

/// `control_request`, from Claude Code.
#[derive(Debug, Deserialize)]
pub(super) struct ControlRequest {
    pub(super) request_id: String,
    pub(super) request: Value,
}

/// `can_use_tool`.
#[derive(Debug, Deserialize)]
pub(super) struct CanUseTool {
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    #[serde(default)]
    pub(super) input: Value,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) permission_suggestions: Option<Vec<Value>>,
    #[serde(default)]
    pub(super) blocked_path: Option<String>,
    #[serde(default)]
    pub(super) decision_reason: Option<String>,
    #[serde(default)]
    pub(super) tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
}

/// `system/permission_denied`.
#[derive(Debug, Deserialize)]
pub(super) struct PermissionDenied {
    pub(super) tool_name: String,
    pub(super) tool_use_id: String,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
}

/// `control_response`.
#[derive(Debug, Deserialize)]
pub(super) struct ControlResponse {
    pub(super) response: ControlAnswer,
}

/// Its answer.
#[derive(Debug, Deserialize)]
pub(super) struct ControlAnswer {
    pub(super) subtype: String,
    pub(super) request_id: String,
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// Our word for a failure: by the service's status, by Claude Code's own word, and where both say nothing by its prose.
pub(super) fn code_of(status: Option<u64>, word: Option<&str>, prose: &str) -> ErrorCode {
    let has = |words: &[&str]| words.iter().any(|word| prose.contains(word));
    match word {
        Some("authentication_failed" | "oauth_org_not_allowed") => return ErrorCode::Auth,
        Some("billing_error") => return ErrorCode::Quota,
        Some("model_not_found") => return ErrorCode::ModelNotFound,
        Some("max_output_tokens") => return ErrorCode::MaxTokens,
        Some("overloaded") => return ErrorCode::Overloaded,
        Some("rate_limit") if !has(&["usage limit", "weekly limit", "hit your"]) => return ErrorCode::RateLimit,
        Some("rate_limit") => return ErrorCode::Quota,
        Some(_) | None => {}
    }
    match status {
        Some(401 | 403) => return ErrorCode::Auth,
        Some(402) => return ErrorCode::Quota,
        Some(408) => return ErrorCode::Network,
        Some(413) => return ErrorCode::ContextFull,
        Some(429) => return ErrorCode::RateLimit,
        Some(529) => return ErrorCode::Overloaded,
        Some(status) if status >= 500 => return ErrorCode::Server,
        Some(_) | None => {}
    }
    if has(&["Not logged in", "Invalid API key", "Please run /login", "OAuth token"]) {
        ErrorCode::Auth
    } else if has(&["Prompt is too long", "prompt is too long", "Context limit", "context window"]) {
        ErrorCode::ContextFull
    } else if has(&["Overloaded", "overloaded_error"]) {
        ErrorCode::Overloaded
    } else if has(&["Usage Policy", "safeguards flagged", "legal/aup"]) {
        ErrorCode::Refusal
    } else if has(&["Credit balance", "usage limit", "hit your limit"]) {
        ErrorCode::Quota
    } else if has(&["output token maximum"]) {
        ErrorCode::MaxTokens
    } else if has(&["rate limit", "rate_limit"]) {
        ErrorCode::RateLimit
    } else if has(&[
        "Connection",
        "connection",
        "ECONN",
        "ENOTFOUND",
        "EAI_AGAIN",
        "timed out",
        "fetch failed",
        "socket",
        "stalled",
        "Unable to connect",
        "mid-stream",
        "stream ended",
    ]) {
        ErrorCode::Network
    } else if word == Some("server_error") || has(&["Internal server error", "api_error"]) {
        ErrorCode::Server
    } else if status.is_some_and(|status| (400..500).contains(&status)) || word == Some("invalid_request") {
        ErrorCode::BadRequest
    } else {
        ErrorCode::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_shape_says_what_the_parser_reads() {
        let (mut pieces, mut others) = (0, 0);
        for line in crate::scan::recorded("claude") {
            let parsed = || {
                let head: Head<'_> =
                    serde_json::from_str(&line).ok().filter(|head: &Head<'_>| head.kind == "stream_event")?;
                let event: StreamEvent<'_> = serde_json::from_str(head.event?.get()).ok()?;
                let StreamDelta { text, thinking } = event.delta?;
                Some((event.index, text.or(thinking)?.into_owned())).filter(|_| head.parent_tool_use_id.is_none())
            };
            match piece(&line) {
                Some((index, text)) => {
                    assert_eq!(parsed(), Some((index, text.into_owned())), "{line}");
                    pieces += 1;
                }
                None => others += usize::from(parsed().is_some()),
            }
        }
        assert!(pieces > 20 * others, "{pieces} pieces are found, {others} are not: is there a new shape?");
    }
}
