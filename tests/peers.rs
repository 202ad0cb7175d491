//! Scripted peers through the whole program: Amp and Cursor, no turn of which can be driven here, in the shapes of their documentation, and
//! an agent of the protocol that says things late.

use crate::env::{TestEnv, wait_until};
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

/// What an agent says after the end of a turn is part of no turn that has ended, and the last line of a run is a turn's end whatever comes
/// late: it is stored at once, and printed with the turn that follows.
#[test]
fn nothing_of_a_turn_comes_after_its_end() {
    let mut env = TestEnv::new();
    let update = |update: Value| json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "late", "update": update}});
    let text = |text: &str| {
        update(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})).to_string()
    };
    let title = |title: &str| update(json!({"sessionUpdate": "session_info_update", "title": title})).to_string();
    let over = |id: u32| json!({"jsonrpc": "2.0", "id": id, "result": {"stopReason": "end_turn"}}).to_string();
    let known = json!({"sessionUpdate": "tool_call_update", "toolCallId": "t1", "status": "completed"});
    let call =
        json!({"sessionUpdate": "tool_call", "toolCallId": "t1", "title": "Look", "kind": "read", "status": "pending"});
    // One write for each prompt, so that the late lines are heard together with the end; the last one only when it is asked for.
    let one = [update(call).to_string(), text("One."), over(3), update(known).to_string(), title("First")].join("\n");
    let two = [text("Two."), over(4)].join("\n");
    let (title, more) = (title("Second"), text("By the way."));
    let script = format!(
        r#"
        while read -r line; do
            case "$line" in
            *'"method":"initialize"'*) echo '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":1}}}}' ;;
            *'"method":"session/new"'*) echo '{{"jsonrpc":"2.0","id":2,"result":{{"sessionId":"late"}}}}' ;;
            *First*) printf '%s\n' '{one}' ;;
            *Second*) printf '%s\n' '{two}'
                while ! test -e ../go; do sleep 0.01; done; printf '%s\n' '{title}'
                while ! test -e ../more; do sleep 0.01; done; printf '%s\n' '{more}' ;;
            esac
        done
        "#
    );
    peer(&mut env, "late", &script);
    let run = env.command(&["run", "--acp-command", "late", "--session", "s", "--input", "ndjson", "--", "First"]);
    let mut running = run.converse();
    running.wait_for("the first end", |event| event["data"]["final_text"] == "One.");
    let titles = |events: &[Value]| {
        let statuses =
            completed(events, "status").into_iter().filter(|item| item["content"][0]["label"] == "session.title");
        statuses.map(|item| [item["content"][1]["json"]["title"].clone(), item["turn_id"].clone()]).collect::<Vec<_>>()
    };
    let stored = |count: usize| {
        wait_until("the title in the store", || {
            (titles(&env.run(&["stream", "s"]).expect(0).lines()).len() == count).then_some(())
        })
    };
    stored(1);
    assert_eq!(running.lines().last().unwrap()["type"], "turn.ended");
    running.say(&json!({"type": "prompt", "text": "Second"}));
    running.wait_for("the second end", |event| event["data"]["final_text"] == "Two.");
    assert_eq!(titles(&running.lines()), [[json!("First"), Value::Null]]);
    env.write("../go", "");
    stored(2);
    assert_eq!(running.lines().last().unwrap()["type"], "turn.ended");
    // A text that nobody asked for opens a turn of its own, and everything before it is printed.
    env.write("../more", "");
    running.wait_for("a turn that nobody asked for", |event| event["data"]["cause"] == "background");
    running.end_input();
    let events = judged(&env, &running.wait().expect(0));
    assert_eq!(titles(&events), [[json!("First"), Value::Null], [json!("Second"), Value::Null]]);
    assert_eq!(course(&events), "U T+ C M O T-(ok,0) U T+ M T-(ok,0) T+ M T-(ok,0)");
    assert_eq!(end(&events)["final_text"], "By the way.");
    assert_eq!(judged_whole(&env, "s"), events);
}

/// The same where the owner ends before anything follows: the last line is the turn's end, and the rest is in the store.
#[test]
fn the_last_line_is_a_turns_end_whatever_comes_late() {
    let mut env = TestEnv::new();
    let title = json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "late",
        "update": {"sessionUpdate": "session_info_update", "title": "Late"}}});
    let text = json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "late",
        "update": {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Hello."}}}});
    let script = format!(
        r#"
        while read -r line; do
            case "$line" in
            *'"method":"initialize"'*) echo '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":1}}}}' ;;
            *'"method":"session/new"'*) echo '{{"jsonrpc":"2.0","id":2,"result":{{"sessionId":"late"}}}}' ;;
            *Hello*) printf '%s\n' '{text}' '{{"jsonrpc":"2.0","id":3,"result":{{"stopReason":"end_turn"}}}}' '{title}' ;;
            esac
        done
        "#
    );
    peer(&mut env, "late", &script);
    let run = env.command(&["run", "--acp-command", "late", "--session", "s", "--input", "ndjson", "--", "Hello"]);
    let mut running = run.converse();
    wait_until("the title in the store", || env.run(&["stream", "s"]).text().contains("session.title").then_some(()));
    running.end_input();
    let events = judged(&env, &running.wait().expect(0));
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    assert!(judged_whole(&env, "s").len() > events.len());
}

/// What a session is in the other tongue, told to us by an agent of that tongue, is the same session.
#[test]
fn what_we_say_in_the_protocol_is_what_we_hear() {
    let mut env = TestEnv::new();
    let prompts = ["markdown", "reasoning", "tool", "file"];
    for prompt in prompts {
        env.run(&["run", "-a", "mock", "-s", prompt, "--permission-mode", "bypass", "--", prompt]).expect(0);
        let updates = env.run(&["stream", prompt, "-o", "acp"]).expect(0);
        env.write(&format!("../{prompt}.updates"), updates.text());
    }
    let script = r#"
        while read -r line; do
            case "$line" in
            *'"method":"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1}}' ;;
            *'"method":"session/new"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"sessionId":"'"${SANDBOX_AGENT_SESSION#again-}"'"}}' ;;
            *'"method":"session/prompt"'*) cat "../${SANDBOX_AGENT_SESSION#again-}.updates"; echo '{"jsonrpc":"2.0","id":3,"result":{"stopReason":"end_turn"}}' ;;
            esac
        done
    "#;
    peer(&mut env, "echoes", script);
    for prompt in prompts {
        let again = format!("again-{prompt}");
        let run = ["run", "--acp-command", "echoes", "-s", &again, "--permission-mode", "bypass", "--", prompt];
        let heard = judged(&env, &env.run(&run).expect(0));
        assert!(of_type(&heard, "agent.unparsed").is_empty(), "{heard:#?}");
        assert_eq!(items(&heard), items(&judged_whole(&env, prompt)), "{prompt}");
        assert!(items(&heard).len() > 1, "{prompt}: {:?}", items(&heard));
        assert_eq!(end(&heard)["final_text"], end(&judged_whole(&env, prompt))["final_text"]);
    }
}

/// The items that the protocol has words for, without ids.
fn items(events: &[Value]) -> Vec<Value> {
    let told = events.iter().filter(|event| event["type"] == "item.completed").map(|event| &event["data"]["item"]);
    let told = told.filter(|item| item["kind"] != "status" && item["kind"] != "system");
    told.map(|item| {
        let mut parts = item["content"].clone();
        for part in parts.as_array_mut().unwrap() {
            let part = part.as_object_mut().unwrap();
            // The protocol tells nobody which thoughts are private.
            for name in ["call_id", "duration_ms", "title", "visibility"] {
                part.remove(name);
            }
        }
        json!([item["kind"], item["role"], item["status"], parts])
    })
    .collect()
}
