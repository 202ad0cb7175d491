//! The OpenAI Chat Completions API: how a reply is streamed, and where a request keeps what tests look for.

use super::http::{Answer, Events};
use super::{End, Step, Stream, Usage, pieces};
use serde_json::{Value, json};
use std::io;

/// Streams the reply to a request; the number makes the ids.
pub(super) fn play(stream: &Stream, request: usize, answer: Answer) -> io::Result<()> {
    let mut events = answer.events()?;
    let mut said = |delta: Value, finish: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        send(&mut events, &chunk(request, json!([choice])))
    };
    said(json!({"role": "assistant", "content": ""}), None)?;
    let mut calls = 0;
    for (number, step) in (1..).zip(&stream.steps) {
        match step {
            // There is one place for what was thought, whether summed up or not.
            Step::Reasoning(text) | Step::Thoughts(text) => {
                for delta in pieces(text, stream.delta) {
                    said(json!({"reasoning_content": delta}), None)?;
                }
            }
            Step::Text(text) | Step::OpenText(text) => {
                for delta in pieces(text, stream.delta) {
                    said(json!({"content": delta}), None)?;
                }
            }
            Step::Call { namespace, name, arguments } => {
                let name = namespace.iter().map(|namespace| format!("{namespace}_")).collect::<String>() + name;
                let id = format!("call_{request}_{number}");
                let head =
                    json!({"index": calls, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                said(json!({"tool_calls": [head]}), None)?;
                for delta in pieces(arguments, stream.delta) {
                    said(json!({"tool_calls": [{"index": calls, "function": {"arguments": delta}}]}), None)?;
                }
                calls += 1;
            }
            Step::PlainCall { name, .. } => panic!("Chat Completions has no call in plain text: {name}"),
            Step::Pause(time) => std::thread::sleep(*time),
            Step::Hold(gate) => gate.pass(),
            Step::Cut => return Ok(()),
        }
    }
    let finish = match &stream.end {
        End::Completed if calls > 0 => "tool_calls",
        End::Completed => "stop",
        End::Incomplete { reason } if reason == "max_output_tokens" => "length",
        End::Incomplete { reason } => reason,
        End::Failed { code, message } => {
            send(&mut events, &json!({"error": {"message": message, "type": code, "code": code}}))?;
            return events.end();
        }
    };
    said(json!({}), Some(finish))?;
    let mut last = chunk(request, json!([]));
    last["usage"] = usage(&stream.usage);
    send(&mut events, &last)?;
    events.send_text("[DONE]")?;
    events.end()
}

fn send(events: &mut Events, chunk: &Value) -> io::Result<()> {
    events.send_text(&chunk.to_string())
}

fn chunk(request: usize, choices: Value) -> Value {
    let id = format!("chatcmpl_{request}");
    json!({"id": id, "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "scripted", "choices": choices})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens": usage.output,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

pub(super) fn tool_output(body: &Value, call_id: &str) -> Option<String> {
    let is_output = |message: &&Value| message["role"] == "tool" && message["tool_call_id"] == call_id;
    let content = &body["messages"].as_array()?.iter().find(is_output)?["content"];
    Some(match content.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        None => content.as_str()?.to_owned(),
    })
}

pub(super) fn tools(body: &Value) -> Vec<String> {
    let tools = body["tools"].as_array().into_iter().flatten();
    tools.filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
}
