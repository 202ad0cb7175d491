//! What went wrong in the server that we replace, by the numbers of its defects, and who may decide: each done to ours over HTTP.

use std::cell::Cell;
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{Answer, Flow, Server};
use super::gate::private;
use crate::env::{PATIENCE, TestEnv, wait_until};
use crate::events::{judged_whole, of_type};

/// A client of the agents' protocol.
struct Link<'a> {
    server: &'a Server,
    path: String,
    token: String,
    /// How often it has called.
    calls: Cell<u64>,
}

impl Link<'_> {
    /// One that shows forms, with a session of the mock.
    fn new<'a>(env: &TestEnv, server: &'a Server, name: &str, token: &str) -> (Link<'a>, String) {
        let (link, made) = Link::made(env, server, name, token);
        (link, made["sessionId"].as_str().unwrap().to_owned())
    }

    /// The same, with all that the session was answered with.
    fn made<'a>(env: &TestEnv, server: &'a Server, name: &str, token: &str) -> (Link<'a>, Value) {
        let link =
            Link { server, path: format!("/v1/acp/{name}"), token: format!("Bearer {token}"), calls: Cell::new(0) };
        let hello = json!({ "protocolVersion": 1, "clientCapabilities": { "elicitation": { "form": {} } } });
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
        assert_eq!(link.send("?agent=mock", &hello, "").json(200)["result"]["protocolVersion"], 1);
        let made = link.call("session/new", &json!({ "cwd": env.work(), "mcpServers": [] }));
        (link, made["result"].clone())
    }

    fn send(&self, query: &str, message: &Value, prefer: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("authorization", &*self.token), ("prefer", prefer)];
        self.server.send("POST", &format!("{}{query}", self.path), &headers, message.to_string().as_bytes())
    }

    fn call(&self, method: &str, params: &Value) -> Value {
        self.calls.set(self.calls.get() + 1);
        let message = json!({ "jsonrpc": "2.0", "id": self.calls.get(), "method": method, "params": params });
        self.send("", &message, "").json(200)
    }

    fn prompt(&self, session: &str, text: &str) -> Value {
        self.call("session/prompt", &prompt(session, text))
    }

    /// Sends a prompt whose answer comes in the flow.
    fn begin(&self, session: &str, text: &str) {
        let message =
            json!({ "jsonrpc": "2.0", "id": text, "method": "session/prompt", "params": prompt(session, text) });
        assert_eq!(self.send("", &message, "respond-async").status, 202);
    }

    fn answer(&self, id: &Value, result: &Value) -> Answer {
        self.send("", &json!({ "jsonrpc": "2.0", "id": id, "result": result }), "")
    }

    fn flow(&self) -> Flow {
        self.server.flow_of("GET", &self.path, &[("authorization", &self.token)], b"")
    }
}

fn prompt(session: &str, text: &str) -> Value {
    json!({ "sessionId": session, "prompt": [{ "type": "text", "text": text }] })
}

/// The next message that is this one.
fn heard(flow: &mut Flow, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message = flow.message();
        if wanted(&message) {
            return message;
        }
    }
}

#[test]
fn a_form_is_asked_and_answered() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let (link, session) = Link::new(&env, &server, "editor", "secret");
    let mut flow = link.flow();
    link.begin(&session, "questions");
    let form = heard(&mut flow, |message| message["method"] == "elicitation/create");
    let fields = form["params"]["requestedSchema"]["properties"].as_object().unwrap();
    assert_eq!(fields["color"]["oneOf"][0]["const"], "Red");
    assert_eq!(fields["checks"]["type"], "array");
    let content = json!({ "color": "Blue", "checks": ["build", "lint"], "password": "open sesame" });
    let filled = link.answer(&form["id"], &json!({ "action": "accept", "content": content }));
    assert_eq!(filled.status, 202);
    let end = heard(&mut flow, |message| message["id"] == "questions");
    assert_eq!(end["result"]["stopReason"], "end_turn");
    // The same by the other words of this door: all questions by their ids.
    server.create("rest");
    server.prompt("rest", "questions");
    let mut events = server.flow("/v1/sessions/rest/events/sse", None);
    let asked: Value = serde_json::from_str(&events.until("question.requested").pop().unwrap().1).unwrap();
    let path = format!("/v1/sessions/rest/questions/{}/reply", asked["data"]["question_id"].as_str().unwrap());
    let answers = json!({ "color": ["Blue"], "checks": ["build", "lint"], "password": ["open sesame"] });
    server.post(&path, &json!({ "answers": answers })).nothing();
    events.until("turn.ended");
    for session in [&*session, "rest"] {
        env.run(&["wait", session, "--for", "idle", "--timeout", "100s"]).expect(0);
        let events = judged_whole(&env, session);
        let resolved = of_type(&events, "question.resolved")[0];
        assert_eq!(resolved["status"], "answered");
        assert_eq!(
            (&resolved["answers"]["color"], &resolved["answers"]["checks"]),
            (&answers["color"], &answers["checks"])
        );
    }
    leave(&link);
}

/// A client leaves, and nothing that waits for it stays.
fn leave(link: &Link<'_>) {
    link.server.send("DELETE", &link.path, &[("authorization", &link.token)], b"").nothing();
}

#[test]
fn a_token_that_may_not_answer_decides_nothing_by_any_way() {
    let env = TestEnv::new();
    private(&env, "tokens", "all-of-it\nasks read,prompt\ndecides answer,prompt\n");
    let server = Server::of(env.command(&["server", "--port=0", "--token-file=tokens"]).spawn(), Some("all-of-it"));
    let (link, session) = Link::new(&env, &server, "asks", "asks");
    let decides =
        Link { server: &server, path: link.path.clone(), token: "Bearer decides".to_owned(), calls: Cell::new(0) };
    let mut flow = link.flow();
    for (text, method, result) in [
        (
            "permission touch it",
            "session/request_permission",
            json!({ "outcome": { "outcome": "selected", "optionId": "accept" } }),
        ),
        ("question", "elicitation/create", json!({ "action": "accept", "content": { "color": "Red" } })),
    ] {
        link.begin(&session, text);
        let asked = heard(&mut flow, |message| message["method"] == method);
        let request = asked["id"].as_str().unwrap().rsplit('/').next().unwrap();
        let headers = [("authorization", "Bearer asks"), ("content-type", "application/json")];
        for (path, body) in [
            (format!("permissions/{request}/reply"), json!({ "reply": "once" })),
            (format!("questions/{request}/reply"), json!({ "answers": [["Red"]] })),
            (format!("questions/{request}/reject"), json!({})),
        ] {
            let path = format!("/v1/sessions/{session}/{path}");
            let refused = server.send("POST", &path, &headers, body.to_string().as_bytes());
            assert_eq!(refused.problem(403, "permission_denied")["scope"], "answer", "{path}");
        }
        for result in [&result, &json!({ "outcome": { "outcome": "cancelled" } }), &json!({ "action": "decline" })] {
            assert_eq!(link.answer(&asked["id"], result).problem(403, "permission_denied")["scope"], "answer");
        }
        let error = json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": -32603, "message": "no" } });
        assert_eq!(link.send("", &error, "").problem(403, "permission_denied")["scope"], "answer");
        // It is as open as before, and who may decide does.
        assert_eq!(server.get(&format!("/v1/sessions/{session}")).json(200)["pending"], json!([request]));
        assert_eq!(decides.answer(&asked["id"], &result).status, 202);
        assert_eq!(heard(&mut flow, |message| message["id"] == text)["result"]["stopReason"], "end_turn");
    }
    env.run(&["wait", &session, "--for", "idle", "--timeout", "100s"]).expect(0);
    let events = judged_whole(&env, &session);
    assert_eq!(of_type(&events, "permission.resolved")[0]["status"], "accept");
    assert_eq!(of_type(&events, "question.resolved")[0]["status"], "answered");
    leave(&link);
}

#[test]
fn a_list_of_sessions_goes_on_where_it_was_also_among_equals() {
    const COUNT: usize = 103;
    let env = TestEnv::new();
    let server = Server::start(&env);
    (0..COUNT).for_each(|number| server.create(&format!("s{number}")));
    let store = rusqlite::Connection::open(env.store()).unwrap();
    assert_eq!(store.execute("UPDATE session SET updated = 1000", []).unwrap(), COUNT);
    let (link, session) = Link::new(&env, &server, "lists", "secret");
    let (mut found, mut cursor) = (vec![], Value::Null);
    loop {
        let page = link.call("session/list", &json!({ "cursor": cursor }))["result"].clone();
        found.extend(
            page["sessions"].as_array().unwrap().iter().map(|one| one["sessionId"].as_str().unwrap().to_owned()),
        );
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((found.len(), &found[0]), (COUNT + 1, &session));
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), COUNT + 1);
    assert_eq!(link.call("session/list", &json!({ "cursor": "zz" }))["error"]["code"], -32602);
    leave(&link);
}

#[test]
fn what_an_agent_has_said_of_its_models_can_be_chosen() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let folder = env.home().join(".cache/sandbox-agent/offers");
    std::fs::create_dir_all(&folder).unwrap();
    let model = json!({ "id": "m-1", "name": "One", "efforts": [], "is_default": true });
    let said =
        json!({ "asked": "2026-01-01T00:00:00.000Z", "models": [model], "modes": [], "efforts": [], "commands": [] });
    let kept = json!({ "program": "p", "version": null, "cwd": "/", "asked_ms": 0, "said": said });
    std::fs::write(folder.join("mock.json"), kept.to_string()).unwrap();
    let (link, made) = Link::made(&env, &server, "chooses", "secret");
    let options = made["configOptions"].as_array().unwrap();
    let models = &options.iter().find(|option| option["category"] == "model").unwrap()["options"];
    let known = models.as_array().unwrap().iter().any(|one| *one == json!({ "value": "m-1", "name": "One" }));
    assert!(known, "{models}");
    // And its commands, when it says so.
    let mut flow = link.flow();
    link.begin(made["sessionId"].as_str().unwrap(), "status");
    let told = heard(&mut flow, |message| message["params"]["update"]["sessionUpdate"] == "available_commands_update");
    assert_eq!(told["params"]["update"]["availableCommands"][0]["name"], "compact");
    heard(&mut flow, |message| message["id"] == "status");
    leave(&link);
}

/// B1-03. Who follows has each event while its turn still waits, turn after turn: nothing is kept back.
#[test]
fn an_event_is_told_before_the_next_one_is_there() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let (link, session) = Link::new(&env, &server, "follows", "secret");
    let mut flow = link.flow();
    let mut events = server.flow(&format!("/v1/sessions/{session}/events/sse"), None);
    let mut printed = env.command(&["stream", &session, "--follow=never"]).spawn();
    for turn in 1..=3 {
        let text = format!("permission touch {turn}");
        link.begin(&session, &text);
        let asked = heard(&mut flow, |message| message["method"] == "session/request_permission");
        let request = &asked["params"]["_meta"]["sandbox-agent"]["request_id"];
        printed.wait_for("what is asked", |line| line["data"]["permission_id"] == *request);
        assert!(events.until("permission.requested").pop().unwrap().1.contains(request.as_str().unwrap()));
        assert_eq!(link.answer(&asked["id"], &json!({ "outcome": { "outcome": "cancelled" } })).status, 202);
        let end = heard(&mut flow, |message| message["id"] == *text);
        let turn = &end["result"]["_meta"]["sandbox-agent"]["turn_id"];
        printed.wait_for("the end", |line| line["type"] == "turn.ended" && line["data"]["turn_id"] == *turn);
        assert!(events.until("turn.ended").pop().unwrap().1.contains(turn.as_str().unwrap()));
    }
    drop(printed);
    leave(&link);
}

/// B1-04. Whoever is closed or ended takes the agent with it, also one that never hears, and neither hangs.
#[test]
fn a_client_and_a_server_end_with_a_living_agent() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let agents = || {
        env.alive().into_iter().filter(|one| one.command.contains("__mock") && !one.command.contains("__guard")).count()
    };
    let (link, session) = Link::new(&env, &server, "hangs", "secret");
    link.begin(&session, "hang");
    wait_until("the agent to be alive", || (agents() == 1).then_some(()));
    let begun = Instant::now();
    leave(&link);
    assert!(begun.elapsed() < PATIENCE / 2);
    wait_until("the agent to be gone", || (agents() == 0).then_some(()));
    // An agent that is warm ends with the server; a turn goes on without it, as they are told.
    let (link, session) = Link::new(&env, &server, "warm", "secret");
    assert_eq!(link.prompt(&session, "echo hello")["result"]["stopReason"], "end_turn");
    assert_eq!(agents(), 1);
    server.running.ctrl_c();
    assert_eq!(server.running.wait().signal(), Some(Signal::SIGINT));
    env.wait_until_none_is_alive();
}

/// B1-05 and B1-06. The death of an agent ends its turn at once, and the next prompt has a new one.
#[test]
fn an_agent_that_dies_is_heard_of_and_replaced() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let (link, session) = Link::new(&env, &server, "dies", "secret");
    for _ in 0..2 {
        let failed = link.prompt(&session, "crash 3");
        assert_eq!(failed["error"]["data"]["code"], "crash", "{failed}");
        assert_eq!(link.prompt(&session, "echo on")["result"]["stopReason"], "end_turn");
    }
    leave(&link);
    judged_whole(&env, &session);
}

/// B1-07. What is no UTF-8 costs one line and nothing after it.
#[test]
fn a_byte_that_is_no_text_ends_nothing() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let (link, session) = Link::new(&env, &server, "bytes", "secret");
    assert_eq!(link.prompt(&session, "badutf8")["result"]["stopReason"], "end_turn");
    assert_eq!(link.prompt(&session, "echo on")["result"]["stopReason"], "end_turn");
    leave(&link);
}

/// A client that hears in its flow that its turn has ended may end the server before the answer of its prompt is on its way.
#[test]
fn a_turn_that_has_ended_is_answered_while_the_server_ends() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let (link, over) = Link::new(&env, &server, "over", "secret");
    let (_, open) = Link::new(&env, &server, "open", "secret");
    let mut flow = link.flow();
    std::thread::scope(|scope| {
        let server = &server;
        let [answered, refused] = [("over", &over), ("open", &open)].map(|(name, session)| {
            let params = prompt(session, "permission touch it");
            let message = json!({ "jsonrpc": "2.0", "id": "p", "method": "session/prompt", "params": params });
            scope.spawn(move || server.post(&format!("/v1/acp/{name}"), &message))
        });
        for session in [&over, &open] {
            env.run(&["wait", session, "--for", "asking", "--timeout", "100s"]).expect(6);
        }
        // It sleeps while a turn ends, and wakes to hear of that and of its own end at once.
        server.running.signal(Signal::SIGSTOP);
        wait_until("the server to sleep", || is_stopped(server.running.pid()).then_some(()));
        env.run(&["answer", &over, "--accept"]).expect(0);
        env.run(&["wait", &over, "--for", "idle", "--timeout", "100s"]).expect(0);
        server.running.signal(Signal::SIGTERM);
        server.running.signal(Signal::SIGCONT);
        assert_eq!(answered.join().unwrap().json(200)["result"]["stopReason"], "end_turn");
        refused.join().unwrap().problem(503, "unavailable");
    });
    assert_eq!(heard(&mut flow, |message| message["id"] == "p")["result"]["stopReason"], "end_turn");
    assert_eq!(server.running.wait().signal(), Some(Signal::SIGTERM));
    // The other turn goes on without it.
    env.run(&["answer", &open, "--accept"]).expect(0);
    env.run(&["wait", &open, "--for", "idle", "--timeout", "100s"]).expect(0);
    env.wait_until_none_is_alive();
    for session in [&over, &open] {
        judged_whole(&env, session);
    }
}

/// An agent for each session that was ever prompted would fill the machine.
#[test]
fn only_the_agents_of_the_sessions_prompted_last_stay() {
    let env = TestEnv::new();
    let server = Server::of(env.command(&["server", "--port", "0", "--no-token", "--warm", "2"]).spawn(), None);
    let (link, first) = Link::new(&env, &server, "many", "");
    let more = || link.call("session/new", &json!({ "cwd": env.work(), "mcpServers": [] }));
    let [second, third] = [more(), more()].map(|made| made["result"]["sessionId"].as_str().unwrap().to_owned());
    let stays = |session: &str| {
        env.alive()
            .iter()
            .any(|one| one.command.starts_with("sandbox-agent __keep run") && one.command.contains(session))
    };
    let prompts = |session: &str| {
        assert_eq!(link.prompt(session, "echo hello")["result"]["stopReason"], "end_turn");
    };
    prompts(&first);
    prompts(&second);
    assert!(stays(&first) && stays(&second));
    prompts(&third);
    wait_until("the agent of the first to end", || (!stays(&first)).then_some(()));
    assert!(stays(&second) && stays(&third));
    // It is there again, and another one goes; one that works ends after its turn.
    prompts(&first);
    wait_until("the agent of the second to end", || (!stays(&second)).then_some(()));
    link.begin(&third, "permission touch it");
    env.run(&["wait", &third, "--for", "asking", "--timeout", "100s"]).expect(6);
    prompts(&second);
    prompts(&first);
    env.run(&["answer", &third, "--accept"]).expect(0);
    wait_until("the agent of the third to end", || (!stays(&third)).then_some(()));
    assert!(stays(&second) && stays(&first));
    leave(&link);
    for session in [&first, &second, &third] {
        judged_whole(&env, session);
    }
}

pub(super) fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('T')
}

/// B1-15. What is not there has an exit code of its own, and says so where programs read.
#[test]
fn what_does_not_run_is_no_success() {
    let env = TestEnv::new();
    for words in [&["sessions", "show", "none"] as &[&str], &["proc", "show", "none"], &["stream", "none"]] {
        let missing = env.run(words).expect(3);
        assert_eq!(missing.lines()[0]["code"], "not_found", "{words:?}");
    }
}
