//! Two doors, one session: what one does the other sees, and both give the same bytes.

use serde_json::{Value, json};

use super::client::Server;
use crate::env::{TestEnv, wait_until};
use crate::events::{judged_whole, of_type};

fn idle(env: &TestEnv, session: &str) {
    let _ = env.run(&["wait", session, "--for", "idle", "--timeout", "100s"]);
}

fn asked(env: &TestEnv, session: &str) -> String {
    let record = env.run(&["wait", session, "--for", "asking", "--timeout", "100s"]).expect(6).object();
    record["pending"][0].as_str().unwrap().to_owned()
}

/// B1-02 and B1-10: the mock is an agent, and what a client said is in the flow.
#[test]
fn a_prompt_goes_round() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let made = server.post(
        "/v1/sessions/a",
        &json!({ "agent": "mock", "title": "First", "labels": { "k": "v" }, "permissionMode": "acceptEdits" }),
    );
    assert_eq!(made.json(201), json!({ "healthy": true, "sessionId": "a", "nativeSessionId": null }));
    // Who lists sessions mends none: it is so.
    assert_eq!(env.run(&["sessions", "list"]).expect(0).object()["status"], "idle");
    let shown = server.get("/v1/sessions/a").json(200);
    assert_eq!((&shown["status"], &shown["eventCount"], &shown["title"]), (&json!("idle"), &json!(0), &json!("First")));
    assert_eq!((&shown["permissionMode"], &shown["labels"]["k"]), (&json!("accept-edits"), &json!("v")));
    let prompt = server.prompt("a", "echo hello");
    let mut flow = server.flow("/v1/sessions/a/events/sse", None);
    let events = flow.until("turn.ended");
    let end: Value = serde_json::from_str(&events.last().unwrap().1).unwrap();
    assert_eq!(end["data"]["prompt_ids"], json!([prompt]));
    assert_eq!(end["data"]["final_text"], "mock: hello");
    assert!(events.iter().any(|(_, line)| line.contains("\"role\":\"user\"") && line.contains("echo hello")));
    idle(&env, "a");
    // The stored bytes, from both doors.
    let stored = env.run(&["stream", "a"]).expect(0);
    let flowed: String = events.iter().map(|(_, line)| format!("{line}\n")).collect();
    assert!(stored.text().starts_with(&flowed));
    let page = server.get("/v1/sessions/a/events?offset=2&limit=3");
    let lines: Vec<&str> = stored.text().lines().skip(2).take(3).collect();
    assert_eq!(String::from_utf8(page.body).unwrap(), format!("{{\"events\":[{}],\"hasMore\":true}}", lines.join(",")));
    assert_eq!(server.get("/v1/sessions/a/events").json(200)["hasMore"], false);
    // It was made as the command line would have made it, and goes on there.
    env.run(&["run", "-s", "a", "--queue", "--", "echo again"]).expect(0);
    let shown = server.get("/v1/sessions/a").json(200);
    assert_eq!((&shown["turns"], &shown["outcome"]), (&json!(2), &json!("ok")));
    assert_eq!(server.get("/v1/sessions?agent=mock").json(200)["sessions"], json!([shown]));
    assert_eq!(server.get("/v1/sessions?agent=codex").json(200)["sessions"], json!([]));
    let kinds = of_type(&judged_whole(&env, "a"), "session.started").len();
    assert_eq!(kinds, 2);
    env.run(&["sessions", "show", "a"]).expect(0);
}

#[test]
fn what_one_door_asks_the_other_answers() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    // Asked through HTTP, answered on the command line.
    server.create("web");
    let mut flow = server.flow("/v1/sessions/web/events/sse", None);
    server.prompt("web", "permission rm x");
    flow.until("permission.requested");
    env.run(&["answer", "web", "--accept", "--user", "ann"]).expect(0);
    let resolved = flow.until("permission.resolved").pop().unwrap();
    assert!(resolved.1.contains("\"ann\""));
    flow.until("turn.ended");
    // Asked on the command line, answered through HTTP.
    env.run(&["run", "-a", "mock", "-s", "cli", "--detach", "--", "permission rm x"]).expect(0);
    let request = asked(&env, "cli");
    assert_eq!(server.get("/v1/sessions/cli").json(200)["pending"], json!([request]));
    let reply = format!("/v1/sessions/cli/permissions/{request}/reply");
    server.post(&reply, &json!({ "reply": "reject", "message": "no", "user": "bob" })).nothing();
    let late = server.post(&reply, &json!({ "reply": "once" })).problem(409, "conflict");
    server.post("/v1/sessions/cli/permissions/perm_9_9/reply", &json!({ "reply": "once" })).problem(404, "not_found");
    idle(&env, "cli");
    let events = judged_whole(&env, "cli");
    let resolved = of_type(&events, "permission.resolved")[0];
    assert_eq!(
        (&resolved["status"], &resolved["user"], &resolved["message"]),
        (&json!("reject"), &json!("bob"), &json!("no"))
    );
    let at = late["sequence"].as_i64().unwrap() as usize;
    assert_eq!(events[at - 1]["type"], "permission.resolved");
    idle(&env, "web");
    judged_whole(&env, "web");
}

#[test]
fn questions_are_answered_in_order_by_id_or_not() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("q");
    let ask = |prompt: &str| {
        server.prompt("q", prompt);
        let request = asked(&env, "q");
        (request.clone(), format!("/v1/sessions/q/questions/{request}"))
    };
    let (_, path) = ask("question");
    server.post(&format!("{path}/reply"), &json!({ "answers": [["Blue"], ["Red"]] })).problem(400, "invalid_request");
    server.post(&format!("{path}/reply"), &json!({ "answers": [["Blue", "Red"]] })).problem(400, "invalid_request");
    server.post(&format!("{path}/reply"), &json!({ "answers": [["Blue"]] })).nothing();
    idle(&env, "q");
    let (_, path) = ask("question");
    server.send("POST", &format!("{path}/reject"), &[], b"").nothing();
    idle(&env, "q");
    let events = judged_whole(&env, "q");
    let resolved = of_type(&events, "question.resolved");
    assert_eq!((&resolved[0]["status"], &resolved[0]["response"]), (&json!("answered"), &json!("Blue")));
    assert_eq!(resolved[1]["status"], "rejected");
    let (_, path) = ask("question");
    server.post(&format!("{path}/reply"), &json!({ "answers": { "shade": ["Red"] } })).problem(400, "invalid_request");
    server.post(&format!("{path}/reply"), &json!({ "answers": { "color": ["Red"] } })).nothing();
    idle(&env, "q");
    judged_whole(&env, "q");
}

#[test]
fn a_prompt_is_followed_to_its_end_or_to_what_it_asks() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let stream = |text: &str| {
        let body = json!({ "message": text, "user": "eve" }).to_string();
        let mut flow = server.flow_of(
            "POST",
            "/v1/sessions/s/messages/stream",
            &[("content-type", "application/json")],
            body.as_bytes(),
        );
        let mut events = Vec::new();
        while let Some((_, line)) = flow.next().unwrap() {
            events.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        events
    };
    let first = stream("echo one");
    assert_eq!((first[0]["sequence"].as_i64(), &first.last().unwrap()["type"]), (Some(1), &json!("turn.ended")));
    let second = stream("permission rm x");
    assert_eq!(second[0]["sequence"].as_i64(), first.last().unwrap()["sequence"].as_i64().map(|last| last + 1));
    assert_eq!(second.last().unwrap()["type"], "permission.requested");
    assert_eq!(of_type(&second, "turn.started")[0]["user"], "eve");
    let request = second.last().unwrap()["data"]["permission_id"].as_str().unwrap();
    server.post(&format!("/v1/sessions/s/permissions/{request}/reply"), &json!({ "reply": "always" })).nothing();
    idle(&env, "s");
    judged_whole(&env, "s");
}

#[test]
fn a_session_is_interrupted_closed_and_deleted() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    assert_eq!(server.send("POST", "/v1/sessions/s/cancel", &[], b"").json(200)["cancelled"], false);
    let mut flow = server.flow("/v1/sessions/s/events/sse", None);
    server.prompt("s", "hang");
    flow.until("turn.started");
    server.send("DELETE", "/v1/sessions/s", &[], b"").problem(409, "conflict");
    assert_eq!(server.send("POST", "/v1/sessions/s/cancel", &[], b"").json(200)["cancelled"], true);
    let end: Value = serde_json::from_str(&flow.until("turn.ended").pop().unwrap().1).unwrap();
    assert_eq!(end["data"]["outcome"], "cancelled");
    server.prompt("s", "hang");
    flow.until("turn.started");
    server.send("POST", "/v1/sessions/s/terminate", &[], b"").nothing();
    server.send("POST", "/v1/sessions/s/terminate", &[], b"").nothing();
    flow.until("session.ended");
    let alone = || env.alive().iter().all(|one| one.pid == server.running.pid());
    wait_until("its owner to leave", || alone().then_some(()));
    assert_eq!(server.get("/v1/sessions/s").json(200)["ended"], true);
    server.post("/v1/sessions/s/messages", &json!({ "message": "echo" })).problem(409, "conflict");
    judged_whole(&env, "s");
    server.send("DELETE", "/v1/sessions/s?force=true", &[], b"").nothing();
    server.get("/v1/sessions/s").problem(404, "session_not_found");
    assert_eq!(flow.next().unwrap(), None, "who followed it is told");
    assert_eq!(flow.comments.last().unwrap(), "the session was deleted");
    server.create("s");
    server.send("DELETE", "/v1/sessions/s", &[], b"").nothing();
}

#[test]
fn agents_are_told_as_the_command_line_tells_them() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let listed = server.get("/v1/agents").json(200)["agents"].as_array().unwrap().clone();
    let lines = env.run(&["agents", "list"]).expect(0).lines();
    assert_eq!(listed.len(), lines.len());
    for (told, line) in listed.iter().zip(&lines) {
        assert_eq!((&told["id"], &told["version"]), (&line["agent"], &line["version"]));
        assert_eq!(told["installed"].as_bool().unwrap(), line["found"] != "nowhere");
    }
    let mock = server.get("/v1/agents/mock").json(200);
    assert!(
        listed.contains(&mock) && mock["installed"] == true && mock["capabilities"]["permissions"] == true,
        "{mock}"
    );
    server.get("/v1/agents/none").problem(404, "not_found");
}
