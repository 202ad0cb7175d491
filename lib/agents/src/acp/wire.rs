//! The Agent Client Protocol, version 1, as agents really write it: every field may be missing, and what we do not read is let be.

use schema::event::{ModelUsage, Usage};
use schema::item::ToolKind;
use schema::outcome::ErrorCode;
use schema::request::{Action, PermissionOption};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dialect::{Decision, Fault};
use crate::prose::Prose;

/// A line of the protocol: a call, a notification or an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) method: Option<String>,
    pub(crate) id: Option<Value>,
    #[serde(default)]
    pub(crate) params: Value,
    #[serde(default)]
    pub(crate) result: Value,
    pub(crate) error: Option<Value>,
}

/// A text of an object.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}

/// A list of an object; none is an empty one.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// What we ask of an agent first. We offer neither files nor terminals: an agent that works on our behalf uses its own.
/// `terminal_output` in `_meta` asks for the output of commands as it comes, which is no part of the protocol proper.
pub(super) fn initialize(version: &str) -> Value {
    json!({
        "protocolVersion": 1,
        "clientCapabilities": {
            "fs": { "readTextFile": false, "writeTextFile": false },
            "terminal": false,
            "elicitation": { "form": {} },
            "_meta": { "terminal_output": true, "terminal_output_delta": true },
        },
        "clientInfo": { "name": "sandbox-agent", "title": "sandbox-agent", "version": version },
    })
}

/// A way to log in that needs nobody: a key that the agent finds by itself.
pub(super) fn silent_login(methods: &[Value]) -> Option<&str> {
    let by_key = |method: &&Value| {
        let words = [text(method, "id"), text(method, "name"), text(method, "type")];
        method["_meta"].get("api-key").is_some()
            || words.iter().flatten().any(|word| {
                let word = word.to_lowercase().replace(['_', ' '], "-");
                word.contains("api-key") || word.contains("env-var")
            })
    };
    methods.iter().find(by_key).and_then(|method| text(method, "id"))
}

/// An option of the session with this category, as in `configOptions`.
pub(super) fn option<'a>(options: &'a Value, category: &str) -> Option<&'a Value> {
    options.as_array()?.iter().find(|option| option["category"] == category || option["id"] == category)
}

/// What sort of tool a call uses.
pub(super) fn tool_kind(kind: &str, name: &str) -> ToolKind {
    if name.starts_with("mcp__") {
        return ToolKind::Mcp;
    }
    match kind {
        "execute" => ToolKind::Command,
        "edit" | "delete" | "move" => ToolKind::Edit,
        "read" => ToolKind::Read,
        "search" => ToolKind::Search,
        "fetch" => ToolKind::Fetch,
        "switch_mode" => ToolKind::Plan,
        _ => ToolKind::Other,
    }
}

/// What a call wants, for rules.
pub(super) fn action(kind: ToolKind) -> Action {
    match kind {
        ToolKind::Command => Action::Command,
        ToolKind::Edit => Action::Edit,
        ToolKind::Read => Action::Read,
        ToolKind::Search => Action::Search,
        ToolKind::Fetch => Action::Fetch,
        ToolKind::Mcp => Action::Mcp,
        ToolKind::Plan => Action::Plan,
        ToolKind::Agent | ToolKind::Question | ToolKind::Other => Action::Other,
    }
}

/// The name of a tool: what the call says, what its vendor says aside, its first title where that is one word, its kind.
pub(super) fn tool_name(update: &Value) -> String {
    let aside = update["_meta"].as_object().into_iter().flatten().find_map(|(_, more)| text(more, "toolName"));
    let word = |title: &&str| {
        !title.is_empty() && title.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
    };
    let title = text(update, "title").filter(word);
    let name = text(update, "name").or(aside).or(title).or(text(update, "kind")).unwrap_or("tool");
    name.to_owned()
}

/// The server of an MCP tool's name, `mcp__SERVER__TOOL`.
pub(super) fn server(name: &str) -> Option<String> {
    let (server, _) = name.strip_prefix("mcp__")?.split_once("__")?;
    Some(server.to_owned())
}

/// The exit code of a command, wherever an agent puts it. Of one that died of a signal Qwen Code says the signal's number, and
/// that its code was 0; shells say 128 and the number.
pub(super) fn exit_code(update: &Value) -> Option<i64> {
    let raw = &update["rawOutput"];
    let exit = &update["_meta"]["terminal_exit"];
    let code = [&exit["exit_code"], &raw["exit_code"], &raw["exitCode"], &raw["metadata"]["exit"]]
        .into_iter()
        .find_map(Value::as_i64);
    let signal = [&exit["signal"], &raw["signal"]].into_iter().find_map(Value::as_i64).filter(|signal| *signal > 0);
    match (code, signal) {
        (None | Some(0), Some(signal)) => Some(128 + signal),
        (code, _) => code,
    }
}

/// The agent's own choices.
pub(super) fn options(params: &Value) -> Vec<PermissionOption> {
    let word = |option: &Value, key: &str| text(option, key).unwrap_or_default().to_owned();
    list(params, "options")
        .iter()
        .map(|option| PermissionOption {
            id: word(option, "optionId"),
            label: word(option, "name"),
            kind: word(option, "kind"),
        })
        .collect()
}

/// The outcome that says what was decided. What is granted for the session is ours to remember: an agent's own
/// “always” may cover a whole tool, so it is chosen only where there is no “once”.
pub(super) fn outcome(options: &[PermissionOption], decision: &Decision) -> Value {
    let kinds: [&str; 2] = match decision {
        Decision::Accept { .. } | Decision::AcceptForSession => ["allow_once", "allow_always"],
        Decision::Reject { .. } => ["reject_once", "reject_always"],
    };
    let chosen = kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == *kind));
    match chosen {
        Some(option) => json!({ "outcome": { "outcome": "selected", "optionId": option.id } }),
        None => cancelled(),
    }
}

/// The outcome of a request that nobody decides any more.
pub(super) fn cancelled() -> Value {
    json!({ "outcome": { "outcome": "cancelled" } })
}

/// The tokens of a prompt, as its answer says them. Whether input has the cached and output the reasoning ones in it
/// differs between agents; the total tells.
pub(super) fn usage(answer: &Value) -> Option<Usage> {
    let quota = &answer["_meta"]["quota"]["token_count"];
    [&answer["usage"], quota].into_iter().find_map(tokens)
}

/// The tokens of one request to the model, as some agents say them beside a text; the answer to the prompt then says none.
pub(super) fn counted(update: &Value) -> Option<Usage> {
    tokens(&update["_meta"]["usage"])
}

/// The same by model, where the agent says it.
pub(super) fn models(answer: &Value) -> Option<Vec<ModelUsage>> {
    let models = list(&answer["_meta"]["quota"], "model_usage");
    let models: Vec<ModelUsage> = models
        .iter()
        .filter_map(|entry| {
            let usage = tokens(&entry["token_count"])?;
            Some(ModelUsage { model: text(entry, "model")?.to_owned(), usage, usd: None })
        })
        .collect();
    (!models.is_empty()).then_some(models)
}

fn tokens(counted: &Value) -> Option<Usage> {
    let number = |keys: &[&str]| keys.iter().find_map(|key| counted[*key].as_u64());
    let mut input = number(&["inputTokens", "input_tokens"])?;
    let mut output = number(&["outputTokens", "output_tokens"])?;
    let cached = number(&["cachedReadTokens", "cachedInputTokens"]);
    let written = number(&["cachedWriteTokens", "cacheWriteInputTokens"]);
    let thought = number(&["thoughtTokens", "reasoningOutputTokens"]);
    let (beside, thoughts) = (cached.unwrap_or(0) + written.unwrap_or(0), thought.unwrap_or(0));
    let more = number(&["totalTokens", "total_tokens"]).map_or(0, |total| total.saturating_sub(input + output));
    if more > 0 {
        if more == beside || more == beside + thoughts {
            input += beside;
        }
        if more == thoughts || more == beside + thoughts {
            output += thoughts;
        }
    }
    let some = |count: Option<u64>| count.filter(|count| *count > 0);
    (input + output > 0).then_some(Usage {
        input_tokens: input,
        cached_input_tokens: some(cached),
        cache_write_tokens: some(written),
        output_tokens: output,
        reasoning_tokens: some(thought),
        total_tokens: input + output,
    })
}

/// What a refusal of a call means; `-32000` is the protocol's word for a missing login, HTTP codes stand in its place too.
pub(super) fn fault(error: &Value) -> Fault {
    let said = text(error, "message").unwrap_or("the agent refused without a reason");
    let details = &error["data"];
    let detail = details.as_str().or(text(details, "details")).or(text(details, "message"));
    let message = match detail {
        Some(detail) if !said.contains(detail) => format!("{said}: {detail}"),
        Some(_) | None => said.to_owned(),
    };
    let status = details["statusCode"].as_i64().or(error["code"].as_i64()).unwrap_or_default();
    let code = match status {
        -32000 | 401 | 403 => ErrorCode::Auth,
        429 => ErrorCode::RateLimit,
        529 => ErrorCode::Overloaded,
        500..=599 => ErrorCode::Server,
        _ => code_of_words(&message),
    };
    Fault::new(code, message)
}

/// The cause where it stands only in prose.
pub(super) fn code_of_words(message: &str) -> ErrorCode {
    let prose = Prose::of(message);
    let says = |any: &[&str]| prose.says(any);
    if says(&["reason: max_output_tokens"]) {
        ErrorCode::MaxTokens
    } else if says(&["reason: content_filter"]) {
        ErrorCode::Refusal
    } else if says(&["context window", "context length", "context_length", "prompt is too long", "maximum context"]) {
        ErrorCode::ContextFull
    } else if says(&["rate limit", "rate_limit", "too many requests", "429"]) {
        ErrorCode::RateLimit
    } else if says(&["quota", "billing", "usage limit", "credit balance"]) {
        ErrorCode::Quota
    } else if says(&["overloaded", "529"]) {
        ErrorCode::Overloaded
    } else if says(&[
        "api key",
        "api_key",
        "unauthorized",
        "unauthenticated",
        "authenticat",
        "401",
        "log in",
        "login",
        "missing environment variable",
    ]) {
        ErrorCode::Auth
    } else if says(&["model not found", "unknown model", "invalid model", "no such model", "model_not_found"]) {
        ErrorCode::ModelNotFound
    } else if says(&[
        "internal server error",
        "bad gateway",
        "service unavailable",
        "500",
        "502",
        "503",
        "server error",
        "experiencing high demand",
    ]) {
        ErrorCode::Server
    } else if says(&["econnrefused", "econnreset", "fetch failed", "network", "connection", "connect to", "timed out"])
    {
        ErrorCode::Network
    } else if says(&["invalid_request_error"]) {
        ErrorCode::BadRequest
    } else {
        ErrorCode::Other
    }
}

/// A retry under way that an agent tells in the `_meta` of an update.
pub(super) fn retry(update: &Value) -> Option<Fault> {
    let error =
        update["_meta"].as_object()?.values().map(|more| &more["error"]).find(|error| error["willRetry"] == true)?;
    let mut message = text(error, "message").unwrap_or("the request failed and is tried again").to_owned();
    if let Some(details) = text(error, "additionalDetails") {
        message = format!("{message}: {details}");
    }
    let mut fault = Fault::new(code_of_words(&message), message);
    if fault.code == ErrorCode::Other {
        fault.code = ErrorCode::Network;
    }
    Some(fault)
}

/// Whether an agent's machinery is broken, where it tells its state in the `_meta` of an update.
pub(super) fn is_broken(update: &Value) -> Option<bool> {
    let state = update["_meta"].as_object()?.values().find_map(|more| text(&more["threadStatus"], "type"))?;
    Some(state == "systemError")
}

/// What we hear and tell nobody: extensions of a vendor's, which begin with an underscore by the protocol's rule, or else with the name of
/// the agent (`qwen/notify/session/mode-update`).
pub(super) fn is_ignored(method: &str, agent: &str) -> bool {
    let own = |(space, _): (&str, &str)| !space.is_empty() && agent.starts_with(space);
    method.starts_with('_') || method.split_once('/').is_some_and(own)
}

/// Requests of vendors that are no part of the protocol, which we know and refuse, each with the reason.
pub(super) const REFUSED: &[(&str, &str)] =
    &[("craft/drainMidTurnQueue", "Qwen Code asks for prompts to put into its turn; ours wait for the end of it")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_add_up_whatever_an_agent_counts_in() {
        let apart =
            json!({"usage": {"inputTokens": 5, "outputTokens": 3, "cachedReadTokens": 100, "totalTokens": 108}});
        let usage = usage(&apart).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (105, 3, 108));
        let within = json!({"usage": {"inputTokens": 105, "outputTokens": 3, "cachedReadTokens": 100, "thoughtTokens": 2, "totalTokens": 108}});
        assert_eq!(super::usage(&within).unwrap().total_tokens, 108);
        let thoughts = json!({"usage": {"inputTokens": 5, "outputTokens": 3, "thoughtTokens": 4, "totalTokens": 12}});
        assert_eq!(super::usage(&thoughts).unwrap().output_tokens, 7);
        assert_eq!(super::usage(&json!({"usage": {"inputTokens": 0, "outputTokens": 0}})), None);
        assert_eq!(super::usage(&json!({})), None);
    }

    #[test]
    fn a_signal_is_no_success() {
        let code = |raw: Value| exit_code(&json!({ "rawOutput": raw }));
        assert_eq!(code(json!({ "exitCode": 0, "signal": null })), Some(0));
        assert_eq!(code(json!({ "exitCode": 3, "signal": 0 })), Some(3));
        assert_eq!(code(json!({ "exitCode": 0, "signal": 1 })), Some(129));
        assert_eq!(code(json!({ "exitCode": null, "signal": 9 })), Some(137));
    }

    #[test]
    fn what_an_agent_tells_in_its_own_words_is_ignored() {
        assert!(is_ignored("_kiro/more", "") && is_ignored("qwen/notify/session/mode-update", "qwen-code"));
        assert!(!is_ignored("session/unheard_of", "qwen-code") && !is_ignored("session/unheard_of", ""));
    }

    #[test]
    fn a_whole_tool_is_never_granted() {
        let options = options(&json!({"options": [
            {"optionId": "a", "kind": "allow_always", "name": "Always"}, {"optionId": "o", "kind": "allow_once", "name": "Once"},
        ]}));
        let chosen = |decision| outcome(&options, &decision)["outcome"]["optionId"].clone();
        assert_eq!(chosen(Decision::AcceptForSession), "o");
        assert_eq!(chosen(Decision::Accept { input: None }), "o");
        assert_eq!(outcome(&options, &Decision::Reject { message: None, stop: false }), cancelled());
    }

    #[test]
    fn a_refusal_has_a_cause() {
        let code = |error: Value| fault(&error).code;
        assert_eq!(code(json!({"code": -32000, "message": "Authentication required"})), ErrorCode::Auth);
        assert_eq!(code(json!({"code": 401, "message": "{}"})), ErrorCode::Auth);
        assert_eq!(code(json!({"code": -32603, "message": "Internal error: invalid api key"})), ErrorCode::Auth);
        assert_eq!(code(json!({"code": 503, "message": "x"})), ErrorCode::Server);
        assert_eq!(code(json!({"code": -32603, "message": "Internal error"})), ErrorCode::Other);
        for message in [
            "status 529, url: http://127.0.0.1:42901/v1",
            "API Error (127.0.0.1:42901): 529 (req_0429a)",
            "Error:529: Overloaded, connection to 127.0.0.1:42901",
        ] {
            assert_eq!(code(json!({ "message": message })), ErrorCode::Overloaded, "{message}");
        }
        assert_eq!(code(json!({"message": "status_code=429"})), ErrorCode::RateLimit);
    }
}
