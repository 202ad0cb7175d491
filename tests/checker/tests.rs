//! The judge judged: it accepts a good list, and finds each thing that can be wrong with one.

use super::{Violation, check, check_after, check_run};
use serde_json::{Value, json};

/// A list in the making.
#[derive(Default)]
struct List(Vec<Value>);

impl List {
    fn add(&mut self, source: &str, kind: &str, data: Value) {
        let sequence = self.0.len() + 1;
        self.0.push(json!({
            "event_id": format!("evt_0193a5f0c0de7000800000000000000a_{sequence}"),
            "sequence": sequence,
            "time": "2026-11-21T05:17:00.123Z",
            "session_id": "fix",
            "native_session_id": if sequence < 3 { Value::Null } else { json!("native-1") },
            "source": source,
            "synthetic": source == "daemon",
            "type": kind,
            "data": data,
        }));
    }

    fn daemon(&mut self, kind: &str, data: Value) {
        self.add("daemon", kind, data);
    }

    fn agent(&mut self, kind: &str, data: Value) {
        self.add("agent", kind, data);
    }

    fn start(&mut self, source: &str, mut item: Value) {
        item["status"] = json!("in_progress");
        self.add(source, "item.started", json!({"item": item}));
    }

    fn complete(&mut self, source: &str, item: Value) {
        self.add(source, "item.completed", json!({"item": item}));
    }

    fn item(&mut self, item: Value, deltas: &[&str]) {
        self.start("agent", item.clone());
        for delta in deltas {
            self.agent("item.delta", json!({"item_id": item["item_id"], "delta": delta}));
        }
        self.complete("agent", item);
    }

    fn prompt(&mut self, number: usize, turn: &str, delivery: &str) {
        let content = json!([{"type": "text", "text": "Go"}]);
        let item = json!({
            "item_id": format!("prompt_item_{number}"), "turn_id": turn, "kind": "message", "role": "user", "content": content,
            "status": "completed", "prompt_id": format!("prompt_{number}"), "delivery": delivery,
        });
        self.start("daemon", item.clone());
        self.complete("daemon", item);
    }

    fn turn(&mut self, turn: &str, cause: &str, prompts: &[&str]) {
        let data = json!({"phase": "started", "turn_id": turn, "cause": cause, "prompt_ids": prompts});
        self.daemon("turn.started", data);
    }

    fn end(&mut self, turn: &str, prompts: &[&str], outcome: &str, exit_code: i64, more: Value) {
        let mut data = json!({
            "phase": "ended", "turn_id": turn, "prompt_ids": prompts, "outcome": outcome, "exit_code": exit_code,
            "usage": {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 10, "total_tokens": 110},
            "cost": {"usd": 0.01, "basis": "reported"}, "denied": [], "pending": [], "duration_ms": 12,
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.daemon("turn.ended", data);
    }
}

fn message(id: &str, turn: &str, text: &str) -> Value {
    let content = json!([{"type": "text", "text": text}]);
    json!({"item_id": id, "turn_id": turn, "kind": "message", "role": "assistant", "content": content, "status": "completed"})
}

fn call(id: &str, turn: &str, kind: &str) -> Value {
    let part = json!({"type": "tool_call", "name": "tool", "kind": kind, "arguments": "{\"a\":1}", "call_id": format!("{id}_id")});
    json!({"item_id": id, "turn_id": turn, "kind": "tool_call", "role": "assistant", "content": [part], "status": "completed"})
}

fn result(id: &str, turn: &str, call: &str, status: &str, output: &str) -> Value {
    let part = json!({"type": "tool_result", "call_id": format!("{call}_id"), "output": output});
    json!({"item_id": id, "turn_id": turn, "parent_id": call, "kind": "tool_result", "role": "tool", "content": [part], "status": status})
}

fn status(id: &str, turn: &str, label: &str, value: Value) -> Value {
    let content = json!([{"type": "status", "label": label}, {"type": "json", "json": value}]);
    json!({"item_id": id, "turn_id": turn, "kind": "status", "content": content, "status": "completed"})
}

fn with(mut item: Value, field: &str, value: Value) -> Value {
    item[field] = value;
    item
}

/// A session in which everything happens that may happen. Its events are found again by what is in them.
fn good() -> Vec<Value> {
    let mut list = List::default();
    let started =
        json!({"schema_version": "1", "agent": "codex", "cwd": "/work", "permission_mode": "ask", "resumed": false});
    list.daemon("session.started", started);

    // A turn with everything: reasoning, a text that was reset, an allowed command, a patch, a list of things to do.
    list.prompt(1, "t1", "turn");
    list.turn("t1", "prompt", &["prompt_1"]);
    let content = json!([{"type": "reasoning", "text": "I think.", "visibility": "public"}]);
    list.item(with(message("thought", "t1", ""), "content", content), &["I ", "think."]);
    list.start("agent", message("hello", "t1", ""));
    list.agent("item.delta", json!({"item_id": "hello", "delta": "Wrong"}));
    list.agent("item.delta", json!({"item_id": "hello", "delta": "Hel", "reset": true}));
    list.agent("item.delta", json!({"item_id": "hello", "delta": "lo."}));
    list.complete("agent", message("hello", "t1", "Hello."));
    list.item(call("ls", "t1", "command"), &[]);
    list.agent(
        "permission.requested",
        json!({
            "permission_id": "p1", "turn_id": "t1", "tool_call_item_id": "ls", "status": "requested", "action": "command",
            "tool": "shell", "command": "ls", "cwd": "/work", "paths": ["/work/a"],
        }),
    );
    let by_policy = json!({"permission_id": "p1", "turn_id": "t1", "status": "accept", "resolved_by": "policy", "rule": "command:ls"});
    list.daemon("permission.resolved", by_policy);
    let mut output = result("ls_out", "t1", "ls", "completed", "one\ntwo\n");
    output["content"][0]["exit_code"] = json!(0);
    list.item(output, &["one\n", "two\n"]);
    list.item(call("patch", "t1", "edit"), &[]);
    let mut patched = result("patch_out", "t1", "patch", "completed", "Success");
    let file = json!({"type": "file_ref", "path": "/work/a", "action": "create", "diff": "diff --git a/a b/a\n"});
    patched["content"].as_array_mut().unwrap().push(file);
    list.item(patched, &[]);
    list.item(status("todo", "t1", "todo", json!({"entries": [{"content": "x", "status": "pending"}]})), &[]);
    list.agent(
        "error",
        json!({"message": "retrying", "code": "network", "recoverable": true, "turn_id": "t1", "attempt": 1}),
    );
    list.item(message("half", "t1", "Don"), &["Don"]);
    list.item(status("gone", "t1", "retracted", json!({"item_ids": ["half"]})), &[]);
    list.item(message("done", "t1", "Done."), &["Done."]);
    list.end("t1", &["prompt_1"], "ok", 0, json!({"final_text": "Done."}));

    // A prompt steered in, a question, a command and a sub-agent that outlive the turn, then a turn nobody asked for.
    list.prompt(2, "t2", "turn");
    list.turn("t2", "prompt", &["prompt_2"]);
    list.prompt(3, "t2", "steered");
    list.item(call("ask", "t2", "question"), &[]);
    let asked = json!({
        "question_id": "q1", "turn_id": "t2", "tool_call_item_id": "ask", "prompt": "Which?", "options": ["Red", "Blue"],
        "status": "requested", "questions": [{
            "id": "c", "prompt": "Which?", "options": [{"label": "Red"}, {"label": "Blue"}],
            "multi_select": false, "custom": true, "secret": false,
        }],
    });
    list.agent("question.requested", asked.clone());
    let mut answered = with(asked, "status", json!("answered"));
    let more = json!({"response": "Blue", "answers": {"c": ["Blue"]}, "resolved_by": "user"});
    answered.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    list.daemon("question.resolved", answered);
    list.item(result("ask_out", "t2", "ask", "completed", "Blue"), &[]);
    list.item(call("long", "t2", "command"), &[]);
    list.start("agent", result("long_out", "t2", "long", "in_progress", ""));
    list.item(call("child", "t2", "agent"), &[]);
    list.item(result("child_out", "t2", "child", "completed", "spawned"), &[]);
    list.item(message("bye", "t2", "Later."), &[]);
    list.end("t2", &["prompt_2", "prompt_3"], "ok", 0, json!({"final_text": "Later."}));
    list.agent("item.delta", json!({"item_id": "long_out", "delta": "end\n"}));
    list.complete("agent", result("long_out", "t2", "long", "failed", "end\n"));
    list.item(with(message("child_says", "t2", "I am a child."), "parent_id", json!("child")), &[]);
    // Asked between turns: it counts in the turn in which it is resolved.
    let asks = json!({"permission_id": "p0", "status": "requested", "action": "command", "tool": "shell"});
    list.agent("permission.requested", asks);
    list.turn("t3", "background", &[]);
    list.item(message("report", "t3", "The child is done."), &[]);
    let resolved = json!({"permission_id": "p0", "status": "cancelled", "resolved_by": "turn_end"});
    list.daemon("permission.resolved", resolved);
    list.end("t3", &[], "ok", 0, json!({"final_text": "The child is done.", "pending": ["p0"]}));

    // A denial, a failure, a cancel with a request open.
    list.prompt(4, "t4", "turn");
    list.turn("t4", "prompt", &["prompt_4"]);
    list.item(call("rm", "t4", "command"), &[]);
    let asks = json!({
        "permission_id": "p2", "turn_id": "t4", "tool_call_item_id": "rm", "status": "requested", "action": "command", "tool": "shell",
    });
    list.agent("permission.requested", asks.clone());
    list.daemon(
        "permission.resolved",
        json!({"permission_id": "p2", "turn_id": "t4", "status": "reject", "resolved_by": "policy"}),
    );
    list.item(result("rm_out", "t4", "rm", "declined", ""), &[]);
    list.end("t4", &["prompt_4"], "denied", 5, json!({"denied": ["p2"]}));
    list.prompt(5, "t5", "turn");
    list.turn("t5", "prompt", &["prompt_5"]);
    list.agent("error", json!({"message": "slow down", "code": "rate_limit", "recoverable": false, "turn_id": "t5"}));
    list.end("t5", &["prompt_5"], "retry", 75, json!({"error": {"message": "slow down", "code": "rate_limit"}}));
    list.prompt(6, "t6", "turn");
    list.turn("t6", "prompt", &["prompt_6"]);
    list.item(call("cp", "t6", "command"), &[]);
    let mut asks = with(asks, "permission_id", json!("p3"));
    (asks["turn_id"], asks["tool_call_item_id"]) = (json!("t6"), json!("cp"));
    list.agent("permission.requested", asks);
    list.daemon(
        "permission.resolved",
        json!({"permission_id": "p3", "turn_id": "t6", "status": "cancelled", "resolved_by": "turn_end"}),
    );
    list.item(result("cp_out", "t6", "cp", "cancelled", ""), &[]);
    list.end("t6", &["prompt_6"], "cancelled", 130, json!({"pending": ["p3"], "stop_reason": "signal"}));
    list.0
}

/// The one event in which the text stands, of this type.
fn find(events: &[Value], kind: &str, text: &str) -> usize {
    let found = |event: &&Value| event["type"] == kind && event["data"].to_string().contains(&json!(text).to_string());
    let found: Vec<_> =
        events.iter().filter(found).map(|event| event["sequence"].as_u64().unwrap() as usize - 1).collect();
    assert!(!found.is_empty(), "no {kind} with {text}");
    found[0]
}

/// Numbers the events anew, so that only the wanted thing is wrong.
fn number(events: &mut [Value]) {
    for (sequence, event) in (1..).zip(events) {
        event["sequence"] = json!(sequence);
        event["event_id"] = json!(format!("evt_0193a5f0c0de7000800000000000000a_{sequence}"));
    }
}

fn data<'a>(events: &'a mut [Value], kind: &str, text: &str) -> &'a mut Value {
    let at = find(events, kind, text);
    &mut events[at]["data"]
}

fn item<'a>(events: &'a mut [Value], kind: &str, id: &str) -> &'a mut Value {
    &mut data(events, kind, id)["item"]
}

fn remove(events: &mut Vec<Value>, kind: &str, text: &str) {
    events.remove(find(events, kind, text));
    number(events);
}

fn insert(events: &mut Vec<Value>, at: usize, kind: &str, data: Value) {
    let mut event = events[at].clone();
    (event["type"], event["data"]) = (json!(kind), data);
    events.insert(at, event);
    number(events);
}

/// Moves an event to where another stands.
fn shift(events: &mut Vec<Value>, from: usize, to: usize) {
    let event = events.remove(from);
    events.insert(to, event);
    number(events);
}

type Change = fn(&mut Vec<Value>);

/// What is done to the good list, and the rules that must then be reported, no others.
const BROKEN: &[(&str, &[&str], Change)] = &[
    ("a gap", &["I1"], |events| {
        events.remove(find(events, "item.delta", "Wrong"));
    }),
    ("a duplicate", &["I1", "I4"], |events| {
        let at = find(events, "item.delta", "one\n");
        events.insert(at, events[at].clone());
    }),
    ("an event in the wrong place", &["I1"], |events| {
        let at = find(events, "item.completed", "todo");
        events.swap(at + 1, at + 2);
    }),
    ("another order of keys", &["envelope"], |events| {
        let time = events[4].as_object_mut().unwrap().shift_remove("time").unwrap();
        events[4]["time"] = time;
    }),
    ("an unknown key", &["envelope"], |events| events[4]["extra"] = json!(1)),
    ("a time without milliseconds", &["envelope"], |events| events[4]["time"] = json!("2026-11-21T05:17:00Z")),
    ("an event_id of another number", &["envelope"], |events| events[4]["event_id"] = events[5]["event_id"].clone()),
    ("an event_id that is no UUIDv7", &["envelope"], |events| {
        events[4]["event_id"] = json!("evt_0193a5f0c0de4000800000000000000a_5");
    }),
    ("a source that is not synthetic", &["envelope"], |events| events[0]["synthetic"] = json!(false)),
    ("another session", &["envelope"], |events| events[4]["session_id"] = json!("other")),
    ("the agent's id forgotten", &["envelope"], |events| events[4]["native_session_id"] = Value::Null),
    ("data that is no object", &["envelope", "shape"], |events| events[0]["data"] = json!([])),
    ("an unknown type", &["type"], |events| {
        insert(events, 9, "item.updated", json!({}));
    }),
    ("no session.started", &["session"], |events| {
        events.remove(0);
        number(events);
    }),
    ("something after session.ended", &["session"], |events| {
        insert(events, 3, "session.ended", json!({"reason": "terminated", "terminated_by": "user"}));
    }),
    ("an unknown permission mode", &["shape"], |events| events[0]["data"]["permission_mode"] = json!("yolo")),
    ("a missing field", &["shape"], |events| {
        events[0]["data"].as_object_mut().unwrap().remove("resumed");
    }),
    ("a null where the field should be absent", &["shape"], |events| events[0]["data"]["model"] = Value::Null),
    ("an unknown item kind", &["shape", "I4"], |events| {
        item(events, "item.completed", "hello")["kind"] = json!("text");
    }),
    ("an unknown content part", &["shape", "I4"], |events| {
        item(events, "item.completed", "hello")["content"][0]["type"] = json!("markdown");
    }),
    ("an unknown label", &["shape"], |events| {
        item(events, "item.completed", "todo")["content"][0]["label"] = json!("tasks");
    }),
    ("an entry of an unknown status", &["shape"], |events| {
        item(events, "item.completed", "todo")["content"][1]["json"]["entries"][0]["status"] = json!("done");
    }),
    ("an unknown error code", &["shape"], |events| data(events, "error", "network")["code"] = json!("oops")),
    ("an unknown decision", &["shape"], |events| {
        data(events, "permission.resolved", "p1")["status"] = json!("allow");
    }),
    ("usage that does not add up", &["shape"], |events| {
        data(events, "turn.ended", "t1")["usage"]["total_tokens"] = json!(1);
    }),
    ("usage with more cached than all", &["shape"], |events| {
        data(events, "turn.ended", "t1")["usage"]["cached_input_tokens"] = json!(101);
    }),
    ("a path that is not absolute", &["shape"], |events| {
        data(events, "permission.requested", "p1")["paths"] = json!(["a"]);
    }),
    ("deltas that do not add up", &["I4"], |events| data(events, "item.delta", "lo.")["delta"] = json!("lo!")),
    ("a reset that is lost", &["I4"], |events| data(events, "item.delta", "Hel")["reset"] = json!(false)),
    ("a delta after the end", &["I4"], |events| {
        let (from, to) = (find(events, "item.delta", "lo."), find(events, "item.completed", "hello"));
        shift(events, from, to);
    }),
    ("a delta before the start", &["I4"], |events| {
        let (from, to) = (find(events, "item.delta", "I "), find(events, "item.started", "thought"));
        shift(events, from, to);
    }),
    ("a delta of a tool call", &["I4"], |events| {
        let at = find(events, "item.completed", "ls");
        insert(events, at, "item.delta", json!({"item_id": "ls", "delta": "{"}));
    }),
    ("an item that never completes", &["I4", "I5"], |events| remove(events, "item.completed", "thought")),
    ("a late item that never completes", &["I4"], |events| remove(events, "item.completed", "end\n")),
    ("an item that never started", &["I4", "I5"], |events| remove(events, "item.started", "report")),
    ("an item that completes twice", &["I4", "I5"], |events| {
        let at = find(events, "item.completed", "report");
        insert(events, at, "item.completed", events[at]["data"].clone());
    }),
    ("an item that changes its turn", &["I4", "I5"], |events| {
        item(events, "item.completed", "report")["turn_id"] = json!("t2");
    }),
    ("a call without result", &["I4"], |events| {
        remove(events, "item.started", "patch_out");
        remove(events, "item.completed", "patch_out");
    }),
    ("a call with two results", &["I4"], |events| {
        let at = find(events, "item.started", "patch_out");
        let mut second = events[at]["data"].clone();
        second["item"]["item_id"] = json!("patch_again");
        insert(events, at, "item.started", second.clone());
        second["item"]["status"] = json!("completed");
        insert(events, at + 1, "item.completed", second);
    }),
    ("a result of no call", &["I4"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "patch_out")["parent_id"] = json!("hello");
        }
    }),
    ("a result with another call_id", &["I4"], |events| {
        item(events, "item.completed", "patch_out")["content"][0]["call_id"] = json!("ls_id");
    }),
    ("a call that completes after its result began", &["I4"], |events| {
        let (from, to) = (find(events, "item.completed", "patch"), find(events, "item.started", "patch_out"));
        shift(events, from, to);
    }),
    ("a call that completes after its request", &["I4"], |events| {
        let (from, to) = (find(events, "item.completed", "ls"), find(events, "permission.requested", "p1"));
        shift(events, from, to);
    }),
    ("arguments that are no JSON", &["content"], |events| {
        item(events, "item.completed", "ls")["content"][0]["arguments"] = json!("{");
    }),
    ("a success with exit code 1", &["content"], |events| {
        item(events, "item.completed", "ls_out")["content"][0]["exit_code"] = json!(1);
    }),
    ("a rejected call that ran", &["content"], |events| {
        item(events, "item.completed", "rm_out")["status"] = json!("completed");
    }),
    ("a diff that is not git's", &["content"], |events| {
        item(events, "item.completed", "patch_out")["content"][1]["diff"] = json!("+one\n");
    }),
    ("a diff in the call", &["content"], |events| {
        let file = item(events, "item.completed", "patch_out")["content"][1].clone();
        item(events, "item.completed", "patch")["content"].as_array_mut().unwrap().push(file);
    }),
    ("a prompt echoed by the agent", &["content"], |events| {
        let at = find(events, "item.started", "prompt_4");
        (events[at]["source"], events[at]["synthetic"]) = (json!("agent"), json!(false));
    }),
    ("a status that does not complete at once", &["status"], |events| {
        let at = find(events, "item.completed", "todo");
        shift(events, at, at + 1);
    }),
    ("a retraction of nothing", &["status", "I5"], |events| {
        item(events, "item.completed", "gone")["content"][1]["json"]["item_ids"] = json!([]);
    }),
    ("a turn that never ends", &["I5"], |events| {
        events.pop();
    }),
    ("a turn that ends twice", &["I5"], |events| {
        let at = find(events, "turn.ended", "t3");
        insert(events, at, "turn.ended", events[at]["data"].clone());
    }),
    ("a turn within a turn", &["I5"], |events| {
        let (from, to) = (find(events, "turn.started", "t3"), find(events, "turn.ended", "t2"));
        shift(events, from, to);
    }),
    ("a turn id used twice", &["I5"], |events| {
        data(events, "turn.started", "t3")["turn_id"] = json!("t2");
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "report")["turn_id"] = json!("t2");
        }
        data(events, "turn.ended", "t3")["turn_id"] = json!("t2");
    }),
    ("a prompt without turn", &["I5"], |events| {
        let at = events.len();
        let prompt = |kind| events[find(events, kind, "prompt_6")].clone();
        let mut more = [prompt("item.started"), prompt("item.completed")];
        for event in &mut more {
            let item = &mut event["data"]["item"];
            (item["item_id"], item["prompt_id"], item["turn_id"]) =
                (json!("prompt_item_7"), json!("prompt_7"), json!("t7"));
        }
        events.splice(at..at, more);
        number(events);
    }),
    ("a prompt in two turns", &["I5"], |events| {
        data(events, "turn.started", "t3")["prompt_ids"] = json!(["prompt_1"]);
    }),
    ("a steered prompt forgotten", &["I5"], |events| {
        data(events, "turn.ended", "t2")["prompt_ids"] = json!(["prompt_2"])
    }),
    ("an item open at the end of its turn", &["I5"], |events| {
        let (from, to) = (find(events, "item.completed", "done"), find(events, "turn.ended", "t1"));
        shift(events, from, to);
    }),
    ("a result open at the end of a cancelled turn", &["I5"], |events| {
        let at = find(events, "item.completed", "cp_out");
        shift(events, at, at + 1);
    }),
    ("an item after the end of its turn", &["I5"], |events| {
        let to = find(events, "turn.ended", "t3");
        shift(events, to, to - 2);
    }),
    ("a denial left out", &["I5"], |events| data(events, "turn.ended", "t4")["denied"] = json!([])),
    ("a denial invented", &["I5"], |events| data(events, "turn.ended", "t1")["denied"] = json!(["p1"])),
    ("a request cancelled by the end left out", &["I5"], |events| {
        data(events, "turn.ended", "t6")["pending"] = json!([])
    }),
    ("ok in spite of a denial", &["I5"], |events| {
        let end = data(events, "turn.ended", "t4");
        (end["outcome"], end["exit_code"]) = (json!("ok"), json!(0));
    }),
    ("another final text", &["I5"], |events| data(events, "turn.ended", "t1")["final_text"] = json!("Hello.Done.")),
    ("a final text with what was retracted", &["I5"], |events| {
        data(events, "turn.ended", "t1")["final_text"] = json!("DonDone.");
    }),
    ("ok without an answer", &["I5"], |events| {
        let end = data(events, "turn.ended", "t5");
        (end["outcome"], end["exit_code"]) = (json!("ok"), json!(0));
        end.as_object_mut().unwrap().remove("error");
        remove(events, "error", "slow down");
    }),
    ("a failure that was not announced", &["I5"], |events| remove(events, "error", "slow down")),
    ("a failure announced with another code", &["I5"], |events| {
        data(events, "error", "slow down")["code"] = json!("quota");
    }),
    ("a failure announced too early", &["I5"], |events| {
        let at = find(events, "error", "slow down");
        let status = status("late", "t5", "context", json!({"used": 1, "size": 2}));
        insert(events, at + 1, "item.completed", json!({"item": status}));
        insert(events, at + 1, "item.started", json!({"item": with(status, "status", json!("in_progress"))}));
    }),
    ("a failure without an error", &["I5"], |events| {
        remove(events, "error", "slow down");
        data(events, "turn.ended", "t5").as_object_mut().unwrap().remove("error");
    }),
    ("a timeout that says not which", &["I5"], |events| {
        data(events, "error", "slow down")["code"] = json!("timeout");
        let end = data(events, "turn.ended", "t5");
        (end["outcome"], end["exit_code"], end["error"]["code"]) = (json!("timeout"), json!(124), json!("timeout"));
    }),
    ("an outcome with another exit code", &["I7"], |events| data(events, "turn.ended", "t5")["exit_code"] = json!(1)),
    ("a code of another outcome", &["I7"], |events| {
        data(events, "error", "slow down")["code"] = json!("auth");
        data(events, "turn.ended", "t5")["error"]["code"] = json!("auth");
    }),
    ("an item that says not whose it is", &["turn_id", "I5"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "report").as_object_mut().unwrap().remove("turn_id");
        }
    }),
    ("a permission that says not whose it is", &["turn_id"], |events| {
        for kind in ["permission.requested", "permission.resolved"] {
            data(events, kind, "p1").as_object_mut().unwrap().remove("turn_id");
        }
    }),
    ("an error that says not whose it is", &["turn_id"], |events| {
        data(events, "error", "network").as_object_mut().unwrap().remove("turn_id");
    }),
    ("an item of a turn that never was", &["turn_id"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "report")["turn_id"] = json!("t9");
        }
        data(events, "turn.ended", "t3").as_object_mut().unwrap().remove("final_text");
    }),
    ("a permission never resolved", &["I6"], |events| remove(events, "permission.resolved", "p1")),
    ("a permission resolved twice", &["I6"], |events| {
        let at = find(events, "permission.resolved", "p1");
        insert(events, at, "permission.resolved", events[at]["data"].clone());
    }),
    ("a permission resolved after the turn", &["I6"], |events| {
        let (from, to) = (find(events, "permission.resolved", "p1"), find(events, "turn.ended", "t1"));
        shift(events, from, to);
    }),
    ("a permission resolved unasked", &["I6"], |events| remove(events, "permission.requested", "p1")),
    ("a permission for no call", &["I6"], |events| {
        data(events, "permission.requested", "p1")["tool_call_item_id"] = json!("hello");
    }),
    ("a question without call", &["I6"], |events| {
        data(events, "question.requested", "q1").as_object_mut().unwrap().remove("tool_call_item_id");
    }),
    ("a question never resolved", &["I6"], |events| remove(events, "question.resolved", "q1")),
    ("a question that mirrors another", &["shape"], |events| {
        data(events, "question.requested", "q1")["options"] = json!(["Red"]);
    }),
    ("an answer to what was not asked", &["shape"], |events| {
        let resolved = data(events, "question.resolved", "q1");
        resolved["answers"] = json!({"d": ["Blue"]});
    }),
    ("what was not understood is not kept", &["envelope"], |events| {
        let unparsed = json!({"error": "no JSON", "location": "stdout", "raw_hash": "00"});
        insert(events, 9, "agent.unparsed", unparsed);
    }),
    ("a prompt that names another turn", &["turn_id"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "prompt_6")["turn_id"] = json!("t5");
        }
    }),
    ("a prompt without id", &["content", "I5"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "prompt_6").as_object_mut().unwrap().remove("prompt_id");
        }
    }),
    ("a prompt that says not how it came", &["content", "I5"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "prompt_6").as_object_mut().unwrap().remove("delivery");
        }
    }),
    ("a prompt steered into a turn that is over", &["I5"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "prompt_3")["turn_id"] = json!("t1");
        }
    }),
    ("ok with an error", &["I5"], |events| {
        let end = data(events, "turn.ended", "t1");
        end["error"] = json!({"message": "no", "code": "other"});
        let at = find(events, "turn.ended", "t1");
        insert(events, at, "error", json!({"message": "no", "code": "other", "recoverable": false, "turn_id": "t1"}));
    }),
    ("not installed with exit code 1", &["I7"], |events| {
        data(events, "error", "slow down")["code"] = json!("not_installed");
        let end = data(events, "turn.ended", "t5");
        (end["outcome"], end["exit_code"], end["error"]["code"]) = (json!("failed"), json!(1), json!("not_installed"));
    }),
    ("an item that starts complete", &["I4"], |events| {
        item(events, "item.started", "report")["status"] = json!("completed")
    }),
    ("an item that completes unfinished", &["I4"], |events| {
        item(events, "item.completed", "report")["status"] = json!("in_progress");
    }),
    ("an item id used twice", &["I4"], |events| {
        for kind in ["item.started", "item.completed"] {
            item(events, kind, "report")["item_id"] = json!("bye");
        }
    }),
    ("a call without its part", &["content"], |events| {
        item(events, "item.completed", "patch")["content"] = json!([]);
    }),
    ("a result without its part", &["content"], |events| {
        item(events, "item.completed", "rm_out")["content"] = json!([]);
    }),
    ("a status without label", &["status"], |events| {
        item(events, "item.completed", "todo")["content"].as_array_mut().unwrap().remove(0);
    }),
    ("a question requested as answered", &["shape"], |events| {
        data(events, "question.requested", "q1")["status"] = json!("answered");
    }),
    ("a question resolved as requested", &["shape"], |events| {
        data(events, "question.resolved", "q1")["status"] = json!("requested");
    }),
    ("a request id used twice", &["I6", "I5"], |events| {
        for kind in ["permission.requested", "permission.resolved"] {
            data(events, kind, "p3")["permission_id"] = json!("p2");
        }
    }),
    ("a request resolved for another turn", &["turn_id"], |events| {
        data(events, "permission.resolved", "p3")["turn_id"] = json!("t5");
    }),
    ("a question that asks nothing", &["shape"], |events| {
        data(events, "question.requested", "q1")["questions"] = json!([]);
    }),
    ("questions that change", &["shape"], |events| {
        data(events, "question.resolved", "q1")["questions"][0]["secret"] = json!(true);
    }),
    ("a response that mirrors another answer", &["shape"], |events| {
        data(events, "question.resolved", "q1")["response"] = json!("Red");
    }),
    ("an end announced and never written", &["I5"], |events| {
        events.truncate(find(events, "turn.ended", "t5"));
    }),
    ("a list that ends within a status", &["status", "I4", "I5"], |events| {
        events.truncate(find(events, "item.completed", "todo"));
    }),
    ("answered without answers", &["shape"], |events| {
        data(events, "question.resolved", "q1").as_object_mut().unwrap().remove("answers");
    }),
];

fn rules(found: Result<(), Vec<Violation>>) -> Vec<&'static str> {
    let mut rules: Vec<_> = found.err().unwrap_or_default().iter().map(|violation| violation.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn a_good_list_is_good() {
    assert_eq!(check(&good()), Ok(()));
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn every_part_of_a_good_list_from_a_turn_on_is_good() {
    let events = good();
    for turn in ["t2", "t4", "t5", "t6"] {
        let at = find(&events, "item.started", turn);
        assert_eq!(check(&events[at..]), Ok(()), "from {turn} on");
    }
}

#[test]
fn every_broken_list_is_found_by_its_rule() {
    let mut missed = Vec::new();
    for (what, expected, change) in BROKEN {
        let mut events = good();
        change(&mut events);
        let mut expected = expected.to_vec();
        expected.sort();
        let found = check(&events);
        if rules(found.clone()) != expected {
            missed.push((what, expected, found));
        }
    }
    assert!(missed.is_empty(), "{} of {}: {missed:#?}", missed.len(), BROKEN.len());
}

#[test]
fn run_row_and_last_line_say_the_same() {
    let events = good();
    let last = events.len();
    let row = json!({
        "session_id": "fix", "status": "idle", "outcome": "cancelled", "exit_code": 130, "last_sequence": last,
        "pending": [], "native_session_id": "native-1", "turns": 6,
    });
    assert_eq!(check_run(&events, 0, 130, &row), Ok(()));
    assert_eq!(rules(check_run(&events, 0, 0, &row)), ["I7"]);
    for (field, value) in [
        ("outcome", json!("ok")),
        ("exit_code", json!(0)),
        ("last_sequence", json!(last - 1)),
        ("status", json!("running")),
        ("pending", json!(["p3"])),
        ("native_session_id", Value::Null),
        ("session_id", json!("other")),
        ("turns", json!(5)),
    ] {
        assert_eq!(rules(check_run(&events, 0, 130, &with(row.clone(), field, value))), ["I7"], "{field}");
    }
    let error = json!({"type": "error", "code": "usage", "message": "no", "exit_code": 2});
    assert!(rules(check_run(&[error], 0, 2, &row)).contains(&"I7"));
}

#[test]
fn a_reader_gets_exactly_what_comes_after_its_offset() {
    let events = good();
    assert_eq!(check_after(0, &events, &events), Ok(()));
    assert_eq!(check_after(3, &events[3..], &events), Ok(()));
    assert_eq!(check_after(events.len() as i64, &[], &events), Ok(()));
    assert_eq!(rules(check_after(3, &events[2..], &events)), ["I3"]);
    assert_eq!(rules(check_after(3, &events[4..], &events)), ["I3"]);
    assert_eq!(rules(check_after(0, &events[..5], &events)), ["I3"]);
    let mut other = events.clone();
    let time = other[7].as_object_mut().unwrap().shift_remove("time").unwrap();
    other[7]["time"] = time;
    assert_eq!(rules(check_after(0, &other, &events)), ["I3"]);
}
