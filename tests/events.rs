//! How tests read event lists: a whole course in one line, and the parts that an assertion is about.

use crate::checker;
use crate::env::{Output, Running, TestEnv};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// What a whole `run` printed, judged: by the contract's promises, the session's row, what `stream` says later, and the processes
/// that are left.
pub(crate) fn judged(env: &TestEnv, output: &Output) -> Vec<Value> {
    let alive = env.alive();
    assert!(alive.is_empty(), "alive after the end of the run: {alive:?}");
    let events = output.lines();
    let last = events.last().unwrap_or_else(|| panic!("nothing was printed\n{}", output.stderr));
    let session = last["session_id"].as_str().unwrap_or_else(|| panic!("no session: {last}\n{}", output.stderr));
    let row = env.run(&["sessions", "show", session]).expect(0).object();
    let offset = events[0]["sequence"].as_i64().unwrap() - 1;
    let later = env.run(&["stream", session, "--offset", &offset.to_string()]).expect(0);
    let asides = later.text().strip_prefix(output.text()).expect("the same events, byte by byte, come from `stream`");
    let asides: Vec<Value> = asides.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // A run that stays cannot know which turn is its last: what the agent says of itself after that is stored, and not printed.
    for aside in &asides {
        let kind = aside["type"].as_str().unwrap();
        let may_be = output.stayed() && (kind.starts_with("item.") || kind == "agent.unparsed");
        assert!(may_be, "stored, and not printed: {aside}");
    }
    if let Err(violations) = checker::check_run(&events, asides.len() as i64, output.code(), &row) {
        panic!("{violations:#?}\n{}\nrow: {row}\nstderr:\n{}", output.text(), output.stderr);
    }
    events
}

/// Ctrl-C: it ends soon, by the signal; judged.
pub(crate) fn interrupted(env: &TestEnv, running: Running) -> Vec<Value> {
    let begun = Instant::now();
    running.ctrl_c();
    let output = running.wait();
    assert_eq!(output.signal(), Some(Signal::SIGINT), "{}", output.stderr);
    assert!(begun.elapsed() < Duration::from_secs(10));
    judged(env, &output)
}

/// Judges all events of a session, from its first on.
pub(crate) fn judged_whole(env: &TestEnv, session: &str) -> Vec<Value> {
    let events = env.run(&["stream", session]).expect(0).lines();
    if let Err(violations) = checker::check(&events) {
        panic!("{violations:#?}\n{events:#?}");
    }
    events
}

/// The course of a session in one line, each item where it starts: `U` user's prompt, `T+` and `T-(outcome,code)` turn, `M` message,
/// `R` reasoning, `C` tool call, `O` its result, `P?` and `P!` permission, `Q?` and `Q!` question, `E` error, `S:label` status,
/// `Y` system, `?` unknown, `X` unparsed. A sub-agent's have `^`. What only informs is left out: context, rate limits, the
/// session's title and tools.
pub(crate) fn course(events: &[Value]) -> String {
    let words = events.iter().filter_map(|event| {
        let data = &event["data"];
        Some(match event["type"].as_str()? {
            "turn.started" => "T+".to_owned(),
            "turn.ended" => format!("T-({},{})", data["outcome"].as_str()?, data["exit_code"]),
            "item.started" => {
                // What it is made of may be known only at its end.
                let id = &data["item"]["item_id"];
                let end = of_type(events, "item.completed").into_iter().find(|end| end["item"]["item_id"] == *id);
                item_word(&end.unwrap_or(data)["item"], events)?
            }
            "permission.requested" => "P?".to_owned(),
            "permission.resolved" => format!("P!({})", data["status"].as_str()?),
            "question.requested" => "Q?".to_owned(),
            "question.resolved" => format!("Q!({})", data["status"].as_str()?),
            "error" => "E".to_owned(),
            "agent.unparsed" => "X".to_owned(),
            _ => return None,
        })
    });
    words.collect::<Vec<_>>().join(" ")
}

fn item_word(item: &Value, events: &[Value]) -> Option<String> {
    let has =
        |kind: &str| item["content"].as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] == kind));
    let word = match item["kind"].as_str()? {
        "message" if item["role"] == "user" => "U".to_owned(),
        "message" if has("reasoning") => "R".to_owned(),
        "message" => "M".to_owned(),
        "tool_call" => "C".to_owned(),
        "tool_result" => "O".to_owned(),
        "system" => "Y".to_owned(),
        "status" => match item["content"][0]["label"].as_str()? {
            "context" | "rate_limit" | "session.title" | "session.info" => return None,
            label => format!("S:{label}"),
        },
        _ => "?".to_owned(),
    };
    // A result stands in its call in any case; it is a sub-agent's when the call is.
    let parent = match item["kind"].as_str() {
        Some("tool_result") => {
            completed(events, "tool_call").into_iter().find(|call| call["item_id"] == item["parent_id"])
        }
        _ => Some(item),
    };
    let nested = parent.is_some_and(|item| item.get("parent_id").is_some());
    Some(if nested { word + "^" } else { word })
}

/// The data of all events of this type.
pub(crate) fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).map(|event| &event["data"]).collect()
}

/// The completed items of this kind.
pub(crate) fn completed<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    of_type(events, "item.completed")
        .into_iter()
        .map(|data| &data["item"])
        .filter(|item| item["kind"] == kind)
        .collect()
}

/// The first part of this type in an item.
pub(crate) fn part<'a>(item: &'a Value, kind: &str) -> &'a Value {
    let part = item["content"].as_array().into_iter().flatten().find(|part| part["type"] == kind);
    part.unwrap_or_else(|| panic!("no {kind} part: {item}"))
}

/// The data of the last `turn.ended`.
pub(crate) fn end(events: &[Value]) -> &Value {
    of_type(events, "turn.ended").last().copied().expect("judged events have an end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_course_names_everything_once() {
        let item = |kind: &str, parent: Option<&str>, part: Value| {
            let mut item = json!({"item_id": kind, "kind": kind, "role": "assistant", "content": [part]});
            parent.into_iter().for_each(|parent| item["parent_id"] = json!(parent));
            json!({"item": item})
        };
        let event = |kind: &str, data: Value| json!({"type": kind, "data": data});
        let text = || json!({"type": "text", "text": "x"});
        let label = |label: &str| json!({"type": "status", "label": label});
        let call = item("tool_call", None, text());
        let events = [
            event("session.started", json!({})),
            event("item.started", json!({"item": {"kind": "message", "role": "user", "content": []}})),
            event("turn.started", json!({})),
            event("item.started", item("message", None, json!({"type": "reasoning", "text": "x"}))),
            event("item.started", call.clone()),
            event("item.completed", call),
            event("permission.requested", json!({})),
            event("permission.resolved", json!({"status": "reject"})),
            event("item.started", item("tool_result", Some("tool_call"), text())),
            event("item.started", item("message", Some("tool_call"), text())),
            event("item.started", item("status", None, label("context"))),
            event("item.started", item("status", None, label("diff"))),
            event("error", json!({})),
            event("turn.ended", json!({"outcome": "denied", "exit_code": 5})),
        ];
        assert_eq!(course(&events), "U T+ R C P? P!(reject) O M^ S:diff E T-(denied,5)");
        assert_eq!(part(completed(&events, "tool_call")[0], "text")["text"], "x");
        assert_eq!(end(&events)["exit_code"], 5);
    }
}
