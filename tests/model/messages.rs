//! The Anthropic Messages API: how a reply is streamed, and where a request keeps what tests look for.

use super::http::{Answer, Events};
use super::{End, Step, Stream, pieces};
use serde_json::{Value, json};
use std::io;

/// Streams the reply to a request; the number makes the ids.
pub(super) fn play(stream: &Stream, request: usize, answer: Answer) -> io::Result<()> {
    let mut events = answer.events()?;
    let cached = stream.usage.cached;
    let usage = |output: u64| {
        json!({
            "input_tokens": stream.usage.input - cached, "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": 0, "output_tokens": output,
        })
    };
    let message = json!({
        "id": format!("msg_{request}"), "type": "message", "role": "assistant", "model": "scripted", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(1),
    });
    send(&mut events, json!({"type": "message_start", "message": message}))?;
    let mut index = 0;
    let mut calls = false;
    for (number, step) in (1..).zip(&stream.steps) {
        match step {
            Step::Reasoning(text) | Step::Thoughts(text) => {
                start(&mut events, index, json!({"type": "thinking", "thinking": "", "signature": ""}))?;
                for piece in pieces(text, stream.delta) {
                    delta(&mut events, index, json!({"type": "thinking_delta", "thinking": piece}))?;
                }
                delta(&mut events, index, json!({"type": "signature_delta", "signature": "c2NyaXB0ZWQ="}))?;
            }
            Step::Text(text) | Step::OpenText(text) => {
                start(&mut events, index, json!({"type": "text", "text": ""}))?;
                for piece in pieces(text, stream.delta) {
                    delta(&mut events, index, json!({"type": "text_delta", "text": piece}))?;
                }
                if matches!(step, Step::OpenText(_)) {
                    continue;
                }
            }
            Step::Call { namespace, name, arguments } => {
                calls = true;
                let name = namespace.as_ref().map_or_else(|| name.clone(), |space| format!("{space}{name}"));
                let id = format!("call_{request}_{number}");
                start(&mut events, index, json!({"type": "tool_use", "id": id, "name": name, "input": {}}))?;
                for piece in pieces(arguments, 24) {
                    delta(&mut events, index, json!({"type": "input_json_delta", "partial_json": piece}))?;
                }
            }
            Step::PlainCall { name, .. } => panic!("the tool {name}: no call here has plain input"),
            Step::Pause(time) => {
                std::thread::sleep(*time);
                continue;
            }
            Step::Hold(gate) => {
                gate.pass();
                continue;
            }
            Step::Cut => return Ok(()),
        }
        send(&mut events, json!({"type": "content_block_stop", "index": index}))?;
        index += 1;
    }
    let reason = match &stream.end {
        End::Completed if calls => "tool_use",
        End::Completed => "end_turn",
        End::Incomplete { reason } => reason,
        End::Failed { code, message } => {
            send(&mut events, json!({"type": "error", "error": {"type": code, "message": message}}))?;
            return events.end();
        }
    };
    let end = json!({"stop_reason": reason, "stop_sequence": null});
    send(&mut events, json!({"type": "message_delta", "delta": end, "usage": usage(stream.usage.output)}))?;
    send(&mut events, json!({"type": "message_stop"}))?;
    events.end()
}

fn start(events: &mut Events, index: usize, block: Value) -> io::Result<()> {
    send(events, json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(events: &mut Events, index: usize, delta: Value) -> io::Result<()> {
    send(events, json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn send(events: &mut Events, event: Value) -> io::Result<()> {
    events.send(event["type"].as_str().unwrap_or_default(), &event)
}

pub(super) fn tool_output(body: &Value, call_id: &str) -> Option<String> {
    let blocks = body["messages"].as_array()?.iter().filter_map(|message| message["content"].as_array()).flatten();
    let content = &blocks
        .filter(|block| block["type"] == "tool_result")
        .find(|block| block["tool_use_id"] == call_id)?["content"];
    Some(match content.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        None => content.as_str()?.to_owned(),
    })
}

pub(super) fn tools(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().into_iter().flatten();
    tools.filter_map(|tool| tool["name"].as_str().or(tool["type"].as_str())).map(str::to_owned).collect()
}

/// The answer to a request that does not stream.
pub(super) fn probed(body: &Value) -> Value {
    json!({
        "id": "msg_probe", "type": "message", "role": "assistant", "model": body["model"],
        "content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    })
}
