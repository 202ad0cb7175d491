//! Events of ours as the protocol says them.

use std::collections::HashMap;

use schema::event::{Body, ItemDelta};
use schema::item::{ContentPart, FileAction, Item, ItemKind, ItemStatus, Role, StatusLabel, ToolKind};
use serde_json::{Map, Value, json};

/// Tells one session's events, in order, as `session/update` notifications.
///
/// What the protocol has no word for (turns, requests, errors and the like) is an update of the session's information
/// that says nothing but `_meta`, under `sandbox-agent`, with `type` and `data` as in the event: readers of the protocol
/// pass over it, and nothing is lost. (A turn's `final_text` is not said again: the client was told it piece by piece.)
#[derive(Debug, Default)]
pub struct Teller {
    open: HashMap<String, Open>,
}

/// An item that may grow.
#[derive(Debug)]
enum Open {
    /// A text: its kind of update, whether some of it was told, and how often it began anew.
    Text { update: &'static str, told: bool, resets: u32 },
    /// A call's output.
    Output { call: String },
    /// Nothing of it grows here.
    Other,
}

impl Teller {
    /// A session of which nothing was told yet.
    pub fn new() -> Teller {
        Teller::default()
    }

    /// The notifications that say what this event says.
    pub fn tell(&mut self, session_id: &str, body: &Body) -> Vec<Value> {
        let updates = match body {
            Body::ItemStarted(started) => self.started(&started.item),
            Body::ItemDelta(delta) => self.grown(delta),
            Body::ItemCompleted(completed) => self.completed(&completed.item),
            Body::SessionStarted(_)
            | Body::SessionEnded(_)
            | Body::TurnStarted(_)
            | Body::TurnEnded(_)
            | Body::PermissionRequested(_)
            | Body::PermissionResolved(_)
            | Body::QuestionRequested(_)
            | Body::QuestionResolved(_)
            | Body::Error(_)
            | Body::AgentUnparsed(_) => vec![aside(body)],
        };
        updates
            .into_iter()
            .map(|update| {
                let params = json!({ "sessionId": session_id, "update": update });
                json!({ "jsonrpc": "2.0", "method": "session/update", "params": params })
            })
            .collect()
    }

    fn started(&mut self, item: &Item) -> Vec<Value> {
        let open = match (item.kind, item.content.first()) {
            (ItemKind::Message, Some(ContentPart::Reasoning { .. })) => text("agent_thought_chunk"),
            (ItemKind::Message, _) if item.role == Some(Role::User) => text("user_message_chunk"),
            (ItemKind::Message, _) => text("agent_message_chunk"),
            (ItemKind::ToolResult, _) => Open::Output { call: item.parent_id.clone().unwrap_or_default() },
            (ItemKind::ToolCall | ItemKind::System | ItemKind::Status | ItemKind::Unknown, _) => Open::Other,
        };
        self.open.insert(item.item_id.clone(), open);
        if item.kind == ItemKind::ToolCall {
            call(item, "tool_call", "pending").into_iter().collect()
        } else {
            Vec::new()
        }
    }

    fn grown(&mut self, delta: &ItemDelta) -> Vec<Value> {
        match self.open.get_mut(&*delta.item_id) {
            Some(Open::Text { update, told, resets }) => {
                *told = true;
                // The protocol cannot take text back: what replaces it is another message.
                *resets += u32::from(delta.reset);
                vec![chunk(
                    update,
                    &message_id(&delta.item_id, *resets),
                    &json!({ "type": "text", "text": delta.delta }),
                )]
            }
            Some(Open::Output { call }) => {
                let output = json!({ "terminal_id": call, "data": delta.delta });
                vec![json!({
                    "sessionUpdate": "tool_call_update", "toolCallId": call, "status": "in_progress",
                    "_meta": { "terminal_output": output },
                })]
            }
            Some(Open::Other) | None => Vec::new(),
        }
    }

    fn completed(&mut self, item: &Item) -> Vec<Value> {
        match self.open.remove(&item.item_id) {
            Some(Open::Text { update, told, resets }) => {
                let id = message_id(&item.item_id, resets);
                item.content
                    .iter()
                    .filter(|part| !(told && part.stream().is_some()))
                    .filter_map(block)
                    .map(|content| chunk(update, &id, &content))
                    .collect()
            }
            Some(Open::Output { call }) => vec![result(item, &call)],
            Some(Open::Other) | None => match item.kind {
                ItemKind::ToolCall => call(item, "tool_call_update", "in_progress").into_iter().collect(),
                ItemKind::Status => vec![status(item)],
                ItemKind::Message | ItemKind::ToolResult | ItemKind::System | ItemKind::Unknown => {
                    vec![aside(&Body::ItemCompleted(schema::event::ItemEvent { item: item.clone() }))]
                }
            },
        }
    }
}

fn text(update: &'static str) -> Open {
    Open::Text { update, told: false, resets: 0 }
}

fn message_id(item_id: &str, resets: u32) -> String {
    if resets == 0 { item_id.to_owned() } else { format!("{item_id}.{resets}") }
}

fn chunk(update: &str, message_id: &str, content: &Value) -> Value {
    json!({ "sessionUpdate": update, "messageId": message_id, "content": content })
}

/// A part of a message as a content block.
fn block(part: &ContentPart) -> Option<Value> {
    match part {
        ContentPart::Text { text } | ContentPart::Reasoning { text, .. } => {
            (!text.is_empty()).then(|| json!({ "type": "text", "text": text }))
        }
        ContentPart::Image { path, url, mime } => {
            let embedded = url.as_deref().and_then(|url| url.strip_prefix("data:")?.split_once(";base64,"));
            Some(match (embedded, path.as_ref().or(url.as_ref())) {
                (Some((mime, data)), _) => json!({ "type": "image", "mimeType": mime, "data": data }),
                (None, place) => json!({ "type": "resource_link", "name": "image", "uri": place, "mimeType": mime }),
            })
        }
        ContentPart::FileRef { path, .. } => {
            let name = path.rsplit('/').next().unwrap_or(path);
            Some(json!({ "type": "resource_link", "name": name, "uri": format!("file://{path}") }))
        }
        ContentPart::Json { json } => Some(json!({ "type": "text", "text": json.to_string() })),
        ContentPart::ToolCall { .. } | ContentPart::ToolResult { .. } | ContentPart::Status { .. } => None,
    }
}

fn call(item: &Item, update: &str, status: &str) -> Option<Value> {
    item.content.iter().find_map(|part| match part {
        ContentPart::ToolCall { name, title, kind, arguments, .. } => {
            let input: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments));
            let mut said = json!({
                "sessionUpdate": update, "toolCallId": item.item_id, "title": title.as_ref().unwrap_or(name),
                "name": name, "kind": tool_kind(*kind), "status": status, "rawInput": input,
            });
            if let Some(parent) = &item.parent_id {
                said["_meta"] = json!({ "sandbox-agent": { "parent_id": parent } });
            }
            Some(said)
        }
        ContentPart::Text { .. }
        | ContentPart::Json { .. }
        | ContentPart::ToolResult { .. }
        | ContentPart::FileRef { .. }
        | ContentPart::Image { .. }
        | ContentPart::Reasoning { .. }
        | ContentPart::Status { .. } => None,
    })
}

pub(crate) fn tool_kind(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Command => "execute",
        ToolKind::Edit => "edit",
        ToolKind::Read => "read",
        ToolKind::Search => "search",
        ToolKind::Fetch => "fetch",
        ToolKind::Plan => "think",
        ToolKind::Mcp | ToolKind::Agent | ToolKind::Question | ToolKind::Other => "other",
    }
}

fn result(item: &Item, call: &str) -> Value {
    let mut content = Vec::new();
    let mut raw = json!({});
    for part in &item.content {
        match part {
            ContentPart::ToolResult { output, exit_code, .. } => {
                if !output.is_empty() {
                    content.push(json!({ "type": "content", "content": { "type": "text", "text": output } }));
                }
                raw["output"] = json!(output);
                if let Some(code) = exit_code {
                    raw["exit_code"] = json!(code);
                }
            }
            ContentPart::FileRef { path, action, diff: Some(diff), .. } => content.push(change(path, *action, diff)),
            ContentPart::Text { .. }
            | ContentPart::Json { .. }
            | ContentPart::ToolCall { .. }
            | ContentPart::FileRef { .. }
            | ContentPart::Image { .. }
            | ContentPart::Reasoning { .. }
            | ContentPart::Status { .. } => {
                content.extend(block(part).map(|block| json!({ "type": "content", "content": block })));
            }
        }
    }
    let status = match item.status {
        ItemStatus::Completed | ItemStatus::InProgress => "completed",
        ItemStatus::Failed | ItemStatus::Declined | ItemStatus::Cancelled => "failed",
    };
    json!({
        "sessionUpdate": "tool_call_update", "toolCallId": call, "status": status, "content": content, "rawOutput": raw,
        "_meta": { "sandbox-agent": { "status": item.status } },
    })
}

/// A changed file.
pub(crate) fn change(path: &str, action: FileAction, diff: &str) -> Value {
    let (old, new) = sides(diff);
    let old = if action == FileAction::Create { Value::Null } else { json!(old) };
    json!({ "type": "diff", "path": path, "oldText": old, "newText": new })
}

/// What the hunks of a unified diff say of before and after.
fn sides(diff: &str) -> (String, String) {
    let (mut old, mut new) = (String::new(), String::new());
    let mut in_hunk = false;
    for line in diff.lines() {
        in_hunk |= line.starts_with("@@ ");
        let Some(sign) = line.chars().next().filter(|_| in_hunk) else { continue };
        let push = |side: &mut String| {
            side.push_str(&line[1..]);
            side.push('\n');
        };
        match sign {
            ' ' => {
                push(&mut old);
                push(&mut new);
            }
            '-' => push(&mut old),
            '+' => push(&mut new),
            _ => {}
        }
    }
    (old, new)
}

fn status(item: &Item) -> Value {
    let find = |wanted: fn(&ContentPart) -> Option<Value>| item.content.iter().find_map(wanted);
    let label = item
        .content
        .iter()
        .find_map(|part| if let ContentPart::Status { label, .. } = part { Some(*label) } else { None });
    let json =
        find(|part| if let ContentPart::Json { json } = part { Some(json.clone()) } else { None }).unwrap_or_default();
    let whole = || aside(&Body::ItemCompleted(schema::event::ItemEvent { item: item.clone() }));
    match label {
        Some(StatusLabel::Todo) => {
            let entries = json["entries"].as_array().map_or(&[][..], Vec::as_slice).iter().map(|entry| {
                let priority = entry["priority"].as_str().unwrap_or("medium");
                json!({ "content": entry["content"], "priority": priority, "status": entry["status"] })
            });
            json!({ "sessionUpdate": "plan", "entries": entries.collect::<Vec<_>>() })
        }
        Some(StatusLabel::ModeChanged) if json["mode"].is_string() => {
            json!({ "sessionUpdate": "current_mode_update", "currentModeId": json["mode"] })
        }
        Some(StatusLabel::SessionInfo) if json["commands"].is_array() => {
            let names = json["commands"].as_array().into_iter().flatten().filter_map(Value::as_str);
            // (The protocol wants a description; agents give names.)
            let commands = names.map(|name| json!({ "name": name, "description": name }));
            let mut said = whole();
            said["availableCommands"] = commands.collect();
            said["sessionUpdate"] = json!("available_commands_update");
            said
        }
        Some(StatusLabel::SessionTitle) if json["title"].is_string() => {
            json!({ "sessionUpdate": "session_info_update", "title": json["title"] })
        }
        Some(StatusLabel::Context) if json["used"].is_u64() && json["size"].is_u64() => {
            json!({ "sessionUpdate": "usage_update", "used": json["used"], "size": json["size"] })
        }
        Some(
            StatusLabel::ModeChanged
            | StatusLabel::SessionTitle
            | StatusLabel::Context
            | StatusLabel::Plan
            | StatusLabel::Diff
            | StatusLabel::ModelChanged
            | StatusLabel::SessionInfo
            | StatusLabel::Compaction
            | StatusLabel::RateLimit
            | StatusLabel::Task
            | StatusLabel::Retracted,
        )
        | None => whole(),
    }
}

/// What the protocol has no word for.
fn aside(body: &Body) -> Value {
    json!({
        "sessionUpdate": "session_info_update",
        "_meta": { "sandbox-agent": { "type": body.kind(), "data": data(body) } },
    })
}

/// An event's data as it is told.
pub(crate) fn data(body: &Body) -> Map<String, Value> {
    let mut data = Vec::new();
    body.write_data(&mut data);
    let mut data: Map<String, Value> = serde_json::from_slice(&data).expect("an event's data is a JSON object");
    // A client may need the square of a message's length in time to read it, as the SDK in npm's `sandbox-agent` 0.4.2 does.
    if matches!(body, Body::TurnEnded(_)) {
        data.remove("final_text");
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(teller: &mut Teller, kind: &str, data: Value) -> Vec<Value> {
        let body = Body::read(kind, &data.to_string()).unwrap();
        teller.tell("s", &body).into_iter().map(|line| line["params"]["update"].clone()).collect()
    }

    fn item(id: &str, kind: &str, more: Value) -> Value {
        let mut item = json!({ "item_id": id, "kind": kind, "content": [], "status": "in_progress" });
        for (key, value) in more.as_object().unwrap() {
            item[key] = value.clone();
        }
        json!({ "item": item })
    }

    #[test]
    fn a_text_is_told_once_and_taken_back_by_another() {
        let mut teller = Teller::new();
        let open = item("m", "message", json!({ "role": "assistant", "content": [{ "type": "text", "text": "" }] }));
        assert!(tell(&mut teller, "item.started", open).is_empty());
        let chunk = tell(&mut teller, "item.delta", json!({ "item_id": "m", "delta": "Hal" }));
        assert_eq!(
            chunk[0],
            json!({ "sessionUpdate": "agent_message_chunk", "messageId": "m", "content": { "type": "text", "text": "Hal" } })
        );
        let anew = tell(&mut teller, "item.delta", json!({ "item_id": "m", "delta": "Hello", "reset": true }));
        assert_eq!(anew[0]["messageId"], "m.1");
        let done = item(
            "m",
            "message",
            json!({ "role": "assistant", "status": "completed", "content": [{ "type": "text", "text": "Hello" }] }),
        );
        assert!(tell(&mut teller, "item.completed", done).is_empty());
    }

    #[test]
    fn a_call_is_one_whose_result_updates_it() {
        let mut teller = Teller::new();
        let part =
            json!([{ "type": "tool_call", "name": "edit", "kind": "edit", "arguments": "{\"a\":1}", "call_id": "x" }]);
        let called = tell(&mut teller, "item.started", item("c", "tool_call", json!({ "content": part })));
        assert_eq!((&called[0]["toolCallId"], &called[0]["rawInput"]["a"]), (&json!("c"), &json!(1)));
        let empty = json!([{ "type": "tool_result", "call_id": "x", "output": "" }]);
        tell(&mut teller, "item.started", item("r", "tool_result", json!({ "parent_id": "c", "content": empty })));
        let diff = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n keep\n-old\n+new\n";
        let full = json!([
            { "type": "tool_result", "call_id": "x", "output": "done" },
            { "type": "file_ref", "path": "/w/f", "action": "update", "diff": diff },
        ]);
        let over = json!({ "parent_id": "c", "content": full, "status": "completed" });
        let done = tell(&mut teller, "item.completed", item("r", "tool_result", over));
        assert_eq!(
            done[0]["content"][1],
            json!({ "type": "diff", "path": "/w/f", "oldText": "keep\nold\n", "newText": "keep\nnew\n" })
        );
    }

    #[test]
    fn what_has_no_word_is_kept_aside() {
        let error = json!({ "message": "m", "code": "network", "recoverable": true });
        let said = tell(&mut Teller::new(), "error", error.clone());
        assert_eq!(said[0]["_meta"]["sandbox-agent"], json!({ "type": "error", "data": error }));
        let mut ended = json!({ "phase": "ended", "turn_id": "t", "prompt_ids": ["p"], "outcome": "ok", "exit_code": 0,
            "denied": [], "pending": [], "duration_ms": 1 });
        let without = ended.clone();
        ended["final_text"] = json!("told before");
        let said = tell(&mut Teller::new(), "turn.ended", ended);
        assert_eq!(said[0]["_meta"]["sandbox-agent"], json!({ "type": "turn.ended", "data": without }));
    }
}
