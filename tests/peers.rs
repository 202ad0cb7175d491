//! Amp and Cursor, no turn of which can be driven here: scripted peers that speak the shapes of their documentation, through the whole program.

use crate::env::TestEnv;
use crate::events::{completed, course, end, judged, judged_whole, of_type, part};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts a shell script on the PATH under this name.
fn peer(env: &mut TestEnv, name: &str, script: &str) {
    let folder = env.root().join("programs");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    env.add_to_path(&folder);
}

/// What the agent says in a recorded conversation: the lines from this prompt to the next order.
fn said(talk: &str, prompt: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lib/agents/fixtures").join(talk);
    let text = fs::read_to_string(path).unwrap();
    let turn = text.split("\n! ").nth(prompt + 1).unwrap();
    turn.lines().filter_map(|line| Some(format!("{}\n", line.strip_prefix("< ")?))).collect()
}

#[test]
fn amp() {
    let mut env = TestEnv::new();
    fs::write(env.root().join("turn"), said("amp/documented.talk", 0)).unwrap();
    // Its arguments, the servers that it is given, what it is told; then a turn for each line.
    let script = r#"
        printf '%s\n' "$@" > ../args
        for argument; do
            if [ "$previous" = --mcp-config ]; then cp "$argument" ../servers.seen; fi
            previous=$argument
        done
        while read -r line; do printf '%s\n' "$line" >> ../heard; cat ../turn; done
    "#;
    peer(&mut env, "amp", script);
    env.write("../servers.json", r#"{"mcpServers": {"a": {"command": "true"}}}"#);
    let run = ["run", "--agent", "amp", "--session", "s", "--permission-mode", "auto"];
    let flags = ["--mcp", "../servers.json", "--", "run it"];
    let events = judged(&env, &env.run(&[&run[..], &flags].concat()).expect(0));
    assert_eq!(course(&events), "U T+ R M C O C M^ O M T-(ok,0)");
    assert_eq!(end(&events)["final_text"], "Done.");
    assert_eq!(end(&events)["usage"]["total_tokens"], 120);
    let call = completed(&events, "tool_call")[1]["item_id"].clone();
    let nested = completed(&events, "message").into_iter().find(|item| item["parent_id"] == call);
    assert_eq!(part(nested.unwrap(), "text")["text"], "Looking.");
    let seen: Value = serde_json::from_str(&env.read("../servers.seen")).unwrap();
    assert_eq!(seen["a"]["command"], "true");
    assert!(env.read("../heard").contains("run it"));

    let events = judged(&env, &env.run(&[&run[..], &["--", "again"]].concat()).expect(0));
    assert_eq!(of_type(&events, "session.started")[0]["resumed"], true);
    assert!(env.read("../args").starts_with("threads\ncontinue\nT-0001\n"), "{}", env.read("../args"));
    assert_eq!(of_type(&judged_whole(&env, "s"), "turn.ended").len(), 2);
    // Nobody can be asked in it, and that is said.
    let output = env.run(&["run", "--agent", "amp", "--permission-mode", "ask", "--", "run it"]).expect(2);
    assert!(output.stderr.contains("auto, bypass"), "{}", output.stderr);
}

#[test]
fn cursor() {
    let mut env = TestEnv::new();
    let update = |update: Value| {
        json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "c-1", "update": update}})
            .to_string()
    };
    let question = json!({"jsonrpc": "2.0", "id": 0, "method": "cursor/ask_question", "params": {"toolCallId": "t1",
        "title": "Colour", "questions": [{"id": "q1", "prompt": "Which colour?", "allowMultiple": false,
        "options": [{"id": "r", "label": "Red"}, {"id": "b", "label": "Blue"}]}]}});
    let todos = json!({"jsonrpc": "2.0", "method": "cursor/update_todos", "params": {"toolCallId": "t2", "merge": false,
        "todos": [{"id": "1", "content": "paint", "status": "in_progress"}]}});
    let call =
        update(json!({"sessionUpdate": "tool_call", "toolCallId": "t6", "title": "`touch blue`", "kind": "execute",
        "status": "pending", "rawInput": {"command": "touch blue"}}));
    let permission = json!({"jsonrpc": "2.0", "id": 5, "method": "session/request_permission", "params": {"sessionId": "c-1",
        "toolCall": {"toolCallId": "t6"}, "options": [{"optionId": "allow-once", "name": "Allow once", "kind": "allow_once"},
        {"optionId": "reject-once", "name": "Reject", "kind": "reject_once"}]}});
    let text =
        update(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "It is blue."}}));
    let script = format!(
        r#"
        printf '%s\n' "$*" > ../args
        while read -r line; do
            printf '%s\n' "$line" >> ../heard
            case "$line" in
            *'"method":"initialize"'*) echo '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":1,"agentCapabilities":{{"loadSession":true}}}}}}' ;;
            *'"method":"session/new"'*) echo '{{"jsonrpc":"2.0","id":2,"result":{{"sessionId":"c-1"}}}}' ;;
            *'"method":"session/prompt"'*) echo '{question}' ;;
            *'"questionId":"q1"'*) echo '{todos}'; echo '{call}'; echo '{permission}' ;;
            *'"optionId":"allow-once"'*) echo '{text}'; echo '{{"jsonrpc":"2.0","id":3,"result":{{"stopReason":"end_turn"}}}}' ;;
            esac
        done
        "#
    );
    peer(&mut env, "cursor-agent", &script);
    let mut running =
        env.command(&["run", "--agent", "cursor", "--session", "s", "--input", "ndjson", "--", "Paint it"]).converse();
    let asked = running.wait_for("a question", |event| event["type"] == "question.requested");
    running.say(&json!({"type": "answer", "request_id": asked["data"]["question_id"], "options": ["Blue"]}));
    let asked = running.wait_for("a request", |event| event["type"] == "permission.requested");
    running.say(&json!({"type": "answer", "request_id": asked["data"]["permission_id"], "decision": "accept"}));
    running.end_input();
    let events = judged(&env, &running.wait().expect(0));
    assert_eq!(env.read("../args"), "acp\n");
    let heard = env.read("../heard");
    assert!(heard.contains(r#""selectedOptionIds":["b"]"#) && heard.contains(r#""optionId":"allow-once""#), "{heard}");
    assert_eq!(of_type(&events, "question.resolved")[0]["response"], "Blue");
    assert_eq!(asked["data"]["command"], "touch blue");
    let todo = completed(&events, "status").into_iter().find(|item| item["content"][0]["label"] == "todo").unwrap();
    assert_eq!(part(todo, "json")["json"]["entries"][0]["content"], "paint");
    assert_eq!((&end(&events)["outcome"], &end(&events)["final_text"]), (&json!("ok"), &json!("It is blue.")));
}
