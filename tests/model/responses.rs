//! The OpenAI Responses API: how a reply is streamed, and where a request keeps what tests look for.

use super::http::{Answer, Events};
use super::{End, Step, Stream, Usage, pieces};
use serde_json::{Value, json};
use std::io;

/// Streams the reply to a request; the number makes the ids.
pub(super) fn play(stream: &Stream, request: usize, answer: Answer) -> io::Result<()> {
    let id = format!("resp_{request}");
    let mut events = answer.events()?;
    let mut output = 0;
    send(&mut events, json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}}))?;
    for (number, step) in (1..).zip(&stream.steps) {
        let name = |kind: &str| format!("{kind}_{request}_{number}");
        let done = match step {
            Step::Reasoning(summary) => {
                let (id, index) = (name("rs"), output);
                send(&mut events, added(output, json!({"type": "reasoning", "id": id, "summary": []})))?;
                let kind = |what: &str| format!("response.reasoning_summary_{what}");
                let with = |kind: String, more: (&str, Value)| json!({"type": kind, "item_id": id, "output_index": index, "summary_index": 0, more.0: more.1});
                send(&mut events, with(kind("part.added"), ("part", json!({"type": "summary_text", "text": ""}))))?;
                for delta in pieces(summary, stream.delta) {
                    send(&mut events, with(kind("text.delta"), ("delta", json!(delta))))?;
                }
                send(&mut events, with(kind("text.done"), ("text", json!(summary))))?;
                send(&mut events, with(kind("part.done"), ("part", json!({"type": "summary_text", "text": summary}))))?;
                json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": summary}]})
            }
            Step::Thoughts(text) => {
                let id = name("rs");
                send(&mut events, added(output, json!({"type": "reasoning", "id": id, "summary": []})))?;
                for delta in pieces(text, stream.delta) {
                    let kind = "response.reasoning_text.delta";
                    let event = json!({"type": kind, "item_id": id, "output_index": output, "content_index": 0, "delta": delta});
                    send(&mut events, event)?;
                }
                json!({"type": "reasoning", "id": id, "summary": [], "content": [{"type": "reasoning_text", "text": text}]})
            }
            Step::Text(text) | Step::OpenText(text) => {
                let id = name("msg");
                let message = |status: &str, content: Value| json!({"type": "message", "id": id, "role": "assistant", "status": status, "content": content});
                send(&mut events, added(output, message("in_progress", json!([]))))?;
                for delta in pieces(text, stream.delta) {
                    let kind = "response.output_text.delta";
                    let event = json!({"type": kind, "item_id": id, "output_index": output, "content_index": 0, "delta": delta});
                    send(&mut events, event)?;
                }
                if matches!(step, Step::OpenText(_)) {
                    continue;
                }
                message("completed", json!([{"type": "output_text", "text": text, "annotations": []}]))
            }
            Step::Call { namespace, name: tool, arguments } => {
                let mut call =
                    json!({"type": "function_call", "id": name("fc"), "call_id": name("call"), "name": tool});
                if let Some(namespace) = namespace {
                    call["namespace"] = json!(namespace);
                }
                call["arguments"] = json!("");
                send(&mut events, added(output, call.clone()))?;
                call["arguments"] = json!(arguments);
                call
            }
            Step::PlainCall { name: tool, input } => {
                let id = name("ctc");
                let call = |input: &str| json!({"type": "custom_tool_call", "id": id, "call_id": name("call"), "name": tool, "input": input});
                send(&mut events, added(output, call("")))?;
                call(input)
            }
            Step::Pause(time) => {
                std::thread::sleep(*time);
                continue;
            }
            Step::Hold(gate) => {
                gate.pass();
                continue;
            }
            Step::Cut => return Ok(()),
        };
        send(&mut events, json!({"type": "response.output_item.done", "output_index": output, "item": done}))?;
        output += 1;
    }
    let usage = usage(&stream.usage);
    let (status, more) = match &stream.end {
        End::Completed => ("completed", json!({})),
        End::Incomplete { reason } => ("incomplete", json!({"incomplete_details": {"reason": reason}})),
        End::Failed { code, message } => ("failed", json!({"error": {"code": code, "message": message}})),
    };
    let mut response = json!({"id": id, "status": status, "usage": usage});
    response.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    send(&mut events, json!({"type": format!("response.{status}"), "response": response}))?;
    events.end()
}

fn send(events: &mut Events, event: Value) -> io::Result<()> {
    events.send(event["type"].as_str().unwrap_or_default(), &event)
}

fn added(output: usize, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": output, "item": item})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

pub(super) fn tool_output(body: &Value, call_id: &str) -> Option<String> {
    let is_output = |item: &&Value| {
        item["call_id"] == call_id && item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output"))
    };
    let output = &body["input"].as_array()?.iter().find(is_output)?["output"];
    Some(match output.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        None => output.as_str()?.to_owned(),
    })
}

pub(super) fn tools(body: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for tool in body["tools"].as_array().into_iter().flatten() {
        let name = tool["name"].as_str().or(tool["type"].as_str()).unwrap_or_default();
        match tool["tools"].as_array() {
            Some(inner) => {
                names.extend(inner.iter().map(|tool| format!("{name}.{}", tool["name"].as_str().unwrap_or_default())))
            }
            None => names.push(name.to_owned()),
        }
    }
    names
}
