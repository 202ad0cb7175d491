//! Processes over HTTP: what existing clients send works unchanged, and what upstream did badly, by number.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Answer, Server};
use crate::env::{PATIENCE, TestEnv, wait_until};

fn start(server: &Server, script: &str) -> String {
    let made = server.post("/v1/processes", &json!({ "command": "bash", "args": ["-c", script] })).json(200);
    assert_eq!(
        (&made["status"], &made["command"], &made["owner"]),
        (&json!("running"), &json!("bash"), &json!("user"))
    );
    assert_eq!(
        (&made["tty"], &made["interactive"], &made["args"]),
        (&json!(false), &json!(false), &json!(["-c", script]))
    );
    assert!(made["pid"].is_i64() && made["createdAtMs"].as_i64().unwrap() > 1_600_000_000_000);
    made["id"].as_str().unwrap().to_owned()
}

fn terminal(server: &Server, script: &str) -> String {
    let body =
        json!({ "command": "bash", "args": ["--norc", "--noprofile", "-c", script], "tty": true, "interactive": true });
    let made = server.post("/v1/processes", &body).json(200);
    assert_eq!((&made["tty"], &made["interactive"]), (&json!(true), &json!(true)));
    made["id"].as_str().unwrap().to_owned()
}

fn act(server: &Server, id: &str, verb: &str) -> Answer {
    server.send("POST", &format!("/v1/processes/{id}/{verb}"), &[], b"")
}

fn text(entries: &Value) -> String {
    let bytes = entries["entries"].as_array().unwrap().iter().flat_map(|entry| {
        assert_eq!(entry["encoding"], "base64");
        assert!(entry["timestampMs"].is_i64());
        STANDARD.decode(entry["data"].as_str().unwrap()).unwrap()
    });
    String::from_utf8(bytes.collect()).unwrap()
}

fn logged(server: &Server, id: &str, query: &str) -> Value {
    server.get(&format!("/v1/processes/{id}/logs{query}")).json(200)
}

fn wait_for_text(server: &Server, id: &str, wanted: &str) {
    wait_until(wanted, || text(&logged(server, id, "")).contains(wanted).then_some(()));
}

#[test]
fn a_process_is_started_told_and_ended() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let id = start(
        &server,
        "echo out; echo err >&2; read line; echo got $line; trap 'exit 7' TERM; echo ready; sleep 1000 & wait",
    );
    wait_for_text(&server, &id, "err");
    let input = |body: Value| server.post(&format!("/v1/processes/{id}/input"), &body);
    // B1-37: text is text; base64 is what says so.
    assert_eq!(input(json!({ "data": "Zm9v" })).json(200)["bytesWritten"], 4);
    assert_eq!(input(json!({ "data": STANDARD.encode("bar\n"), "encoding": "base64" })).json(200)["bytesWritten"], 4);
    wait_for_text(&server, &id, "ready");
    let all = logged(&server, &id, "");
    assert_eq!((&all["processId"], &all["stream"]), (&json!(id), &json!("combined")));
    // B1-42: in the order of writing.
    assert_eq!(text(&all), "out\nerr\ngot Zm9vbar\nready\n");
    assert_eq!(text(&logged(&server, &id, "?stream=stderr")), "err\n");
    let of = |query: &str| logged(&server, &id, query)["entries"].as_array().unwrap().clone();
    let entries = of("");
    let first = entries[0]["sequence"].as_i64().unwrap();
    assert_eq!(of(&format!("?since={first}")), entries[1..]);
    assert_eq!(of("?tail=1"), entries[entries.len() - 1..]);
    assert_eq!(of(&format!("?since={first}&stream=stdout&tail=1")), entries[entries.len() - 1..]);
    assert_eq!(logged(&server, &id, "?tail=0")["entries"], json!([]));
    // The same process on the command line.
    let shown = env.run(&["proc", "show", &id]).expect(0).object();
    assert_eq!(shown["pid"], server.get(&format!("/v1/processes/{id}")).json(200)["pid"]);
    server.send("DELETE", &format!("/v1/processes/{id}"), &[], b"").problem(409, "conflict");
    let stopped = act(&server, &id, "stop").json(200);
    assert_eq!((&stopped["status"], &stopped["exitCode"]), (&json!("exited"), &json!(7)));
    assert!(
        stopped["exitedAtMs"].as_i64().unwrap() >= stopped["createdAtMs"].as_i64().unwrap() && stopped["pid"].is_null()
    );
    assert_eq!(act(&server, &id, "stop").json(200), stopped);
    assert_eq!(act(&server, &id, "kill").json(200), stopped);
    input(json!({ "data": "x" })).problem(409, "conflict");
    assert_eq!(server.get("/v1/processes").json(200)["processes"], json!([stopped]));
    assert_eq!(server.get("/v1/processes?owner=desktop").json(200)["processes"], json!([]));
    server.send("DELETE", &format!("/v1/processes/{id}"), &[], b"").nothing();
    server.get(&format!("/v1/processes/{id}")).problem(404, "not_found");
}

#[test]
fn who_does_not_end_is_ended_and_nobody_waits_for_another() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    // B1-39: who ignores SIGTERM is killed; B1-31: by which signal is told.
    let id = start(&server, "trap '' TERM; echo up; sleep 1000 & while :; do wait; done");
    wait_for_text(&server, &id, "up");
    let stopped = act(&server, &id, "stop?waitMs=100").json(200);
    assert_eq!((&stopped["status"], &stopped["signal"]), (&json!("exited"), &json!(9)));
    assert!(stopped["exitCode"].is_null());
    // B1-38: who does not read holds up nobody.
    let deaf = start(&server, "exec sleep 1000");
    server
        .post("/v1/processes/config", &{
            let mut bounds = server.get("/v1/processes/config").json(200);
            assert_eq!(
                bounds,
                json!({ "maxConcurrentProcesses": 64, "defaultRunTimeoutMs": 30000, "maxRunTimeoutMs": 300000,
            "maxOutputBytes": 1048576, "maxLogBytesPerProcess": 67108864, "maxInputBytesPerRequest": 65536 })
            );
            bounds["maxInputBytesPerRequest"] = json!(4 << 20);
            bounds["maxConcurrentProcesses"] = json!(2);
            bounds
        })
        .json(200);
    let flood = json!({ "data": "x".repeat(3 << 20) });
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| server.post(&format!("/v1/processes/{deaf}/input"), &flood));
        for _ in 0..5 {
            assert_eq!(server.get(&format!("/v1/processes/{deaf}")).json(200)["status"], "running");
        }
        let _ = stuck.join().unwrap().problem(409, "conflict");
    });
    // As many as there may be, and then one more.
    let other = start(&server, "sleep 1000");
    server.post("/v1/processes", &json!({ "command": "true" })).problem(409, "conflict");
    // B1-41: the oldest first, whatever their ids.
    let listed = server.get("/v1/processes").json(200);
    let ids: Vec<_> = listed["processes"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&id, &deaf, &other]);
    for one in [&deaf, &other] {
        assert_eq!(act(&server, one, "kill").json(200)["signal"], 9);
        server.send("DELETE", &format!("/v1/processes/{one}?force=true"), &[], b"").nothing();
    }
    // They are not ours: whoever ends this server ends none of them.
    let kept = start(&server, "echo kept; sleep 1000");
    drop(server);
    assert_eq!(env.run(&["proc", "show", &kept]).expect(0).object()["status"], "running");
    env.run(&["proc", "kill", &kept]).expect(0);
}

#[test]
fn a_run_is_one_answer() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let run = |body: Value| server.post("/v1/processes/run", &body);
    let told =
        run(json!({ "command": "bash", "args": ["-c", "echo $A; echo b >&2; exit 3"], "env": { "A": "a" } })).json(200);
    assert!(told["durationMs"].is_i64());
    assert_eq!((&told["exitCode"], &told["stdout"], &told["stderr"]), (&json!(3), &json!("a\n"), &json!("b\n")));
    for no in ["timedOut", "stdoutTruncated", "stderrTruncated"] {
        assert_eq!(told[no], false);
    }
    // B1-30: its time is over for all that it started, whoever holds the pipes.
    let begun = Instant::now();
    let told = run(
        json!({ "command": "bash", "args": ["-c", "sleep 1000 & setsid sleep 1000 & echo x; wait"], "timeoutMs": 300 }),
    )
    .json(200);
    assert_eq!((&told["timedOut"], &told["stdout"]), (&json!(true), &json!("x\n")));
    assert!(begun.elapsed() < Duration::from_secs(60));
    wait_until("all of it to end", || env.alive().iter().all(|one| !one.command.contains("sleep")).then_some(()));
    // Its input is closed where the client says so.
    let cat = start(&server, "cat; exit 6");
    let closed = json!({ "data": "last", "eof": true });
    assert_eq!(server.post(&format!("/v1/processes/{cat}/input"), &closed).json(200)["bytesWritten"], 4);
    assert_eq!(act(&server, &cat, "wait").json(200)["exitCode"], 6);
    assert_eq!(text(&logged(&server, &cat, "")), "last");
    // B1-31, B1-32, B1-33.
    let told = run(json!({ "command": "bash", "args": ["-c", "kill -KILL $$"] })).json(200);
    assert_eq!((&told["exitCode"], &told["signal"]), (&json!(null), &json!(9)));
    let told = run(json!({ "command": "printf", "args": ["\\377\\001"] })).json(200);
    assert_eq!(
        (&told["stdoutBase64"], &told["stdout"]),
        (&json!(STANDARD.encode(b"\xff\x01")), &json!("\u{fffd}\u{1}"))
    );
    let large = "x".repeat(3 << 20);
    let told = run(json!({ "command": "wc", "args": ["-c"], "stdin": large })).json(200);
    assert_eq!(told["stdout"].as_str().unwrap().trim(), (3 << 20).to_string());
    let told = run(json!({ "command": "seq", "args": ["1", "1000"], "maxOutputBytes": 10 })).json(200);
    assert_eq!((&told["stdoutTruncated"], &told["stderrTruncated"]), (&json!(true), &json!(false)));
    // B1-34: what is missing is told apart.
    let place = run(json!({ "command": "true", "cwd": "/none" })).problem(404, "not_found");
    assert_eq!(place["code"], "cwd");
    let program = run(json!({ "command": "no-such-program" })).problem(404, "not_found");
    assert_eq!(program["code"], "not_installed");
}

#[test]
fn a_log_is_followed_to_its_end() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let id = start(&server, "echo one; read; echo two; read; exit 4");
    let path = format!("/v1/processes/{id}/logs?follow=true");
    let mut flow = server.flow(&path, None);
    let mut seen = Vec::new();
    let mut go_on = |flow: &mut super::client::Flow, until: &str| {
        while let Some((sequence, line)) = flow.next().unwrap() {
            let record: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(record["sequence"], sequence);
            let name = flow.name.take().unwrap();
            let data = record["data"].as_str().map(|data| String::from_utf8(STANDARD.decode(data).unwrap()).unwrap());
            let data = data.unwrap_or_default();
            seen.push((name.clone(), data.clone()));
            if name == until || data == until {
                return sequence;
            }
        }
        panic!("it ended before {until}: {seen:?}");
    };
    go_on(&mut flow, "one\n");
    server.post(&format!("/v1/processes/{id}/input"), &json!({ "data": "\n" })).json(200);
    let last = go_on(&mut flow, "two\n");
    drop(flow);
    // B1-35: from where it was, to the end, and there it ends.
    server.post(&format!("/v1/processes/{id}/input"), &json!({ "data": "\n" })).json(200);
    let mut flow = server.flow(&path, Some(last));
    go_on(&mut flow, "exit");
    assert_eq!(flow.next().unwrap(), None);
    assert_eq!(seen.iter().filter(|(name, _)| name == "log").count(), 2);
    let mut again = server.flow(&path, None);
    let mut count = 0;
    while again.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 4, "a start, two lines, an end");
    assert_eq!(server.send("POST", &format!("/v1/processes/{id}/wait"), &[], b"").json(200)["exitCode"], 4);
    server.get(&format!("{path}&since=99")).problem(400, "invalid_request");
}

/// A client of ours for WebSockets.
struct Socket(TcpStream);

impl Socket {
    fn open(server: &Server, id: &str) -> Socket {
        let mut stream = TcpStream::connect(server.authority()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // As a browser does: the token is in the address.
        let path = format!("/v1/processes/{id}/terminal/ws?access_token=secret");
        let head = server.head("GET", &path, &[("authorization", ""), ("connection", "")]);
        let head = head.replace("connection: close\r\n", "connection: keep-alive, Upgrade\r\n");
        let asked =
            "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        write!(stream, "{head}{asked}").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // From RFC 6455.
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        Socket(stream)
    }

    fn say(&mut self, kind: u8, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let mask = [1, 2, 3, 4];
        let mut frame = vec![0x80 | kind, 0x80 | 126, length[0], length[1]];
        frame.extend(mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.write_all(&frame).unwrap();
    }

    fn tell(&mut self, message: Value) {
        self.say(1, message.to_string().as_bytes());
    }

    /// The kind of the next frame, and what it holds.
    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut longer = [0; 8];
        let length = match head[1] {
            127 => {
                self.0.read_exact(&mut longer).unwrap();
                u64::from_be_bytes(longer) as usize
            }
            126 => {
                self.0.read_exact(&mut longer[..2]).unwrap();
                usize::from(u16::from_be_bytes([longer[0], longer[1]]))
            }
            length => usize::from(length),
        };
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        (head[0] & 15, bytes)
    }

    fn told(&mut self) -> Value {
        loop {
            match self.next() {
                (1, bytes) => return serde_json::from_slice(&bytes).unwrap(),
                (2 | 9, _) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// What is shown until this is among it.
    fn shown(&mut self, wanted: &str) -> String {
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains(wanted) {
            match self.next() {
                (2, bytes) => shown.extend(bytes),
                (9, _) => {}
                other => panic!("{other:?} before {wanted}: {}", String::from_utf8_lossy(&shown)),
            }
        }
        String::from_utf8(shown).unwrap()
    }
}

#[test]
fn a_terminal_is_shared_and_comes_to_its_end() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let id = terminal(
        &server,
        "echo early; echo term $TERM; while read -p '> ' line; do stty size; echo got $line; done; exit 5",
    );
    let mut first = Socket::open(&server, &id);
    assert_eq!(first.told(), json!({ "type": "ready", "processId": id }));
    first.shown("> ");
    first.tell(json!({ "type": "input", "data": "one\r" }));
    assert!(first.shown("got one").contains("24 80"));
    first.tell(json!({ "type": "resize", "cols": 100, "rows": 30 }));
    first.tell(json!({ "type": "input", "data": STANDARD.encode("two\r"), "encoding": "base64" }));
    assert!(first.shown("got two").contains("30 100"));
    // B1-43: who comes later sees what was shown, at the size that it has; there is a TERM.
    let mut second = Socket::open(&server, &id);
    assert_eq!(second.told()["type"], "ready");
    let seen = second.shown("got two");
    assert!(seen.contains("early") && seen.contains("term xterm-256color"), "{seen}");
    second.say(2, b"three\r");
    assert!(second.shown("got three").contains("30 100"));
    first.shown("got three");
    // What is wrong is told, and hurts nobody.
    for wrong in [
        "{",
        "[]",
        r#"{"type":"sing"}"#,
        r#"{"type":"input"}"#,
        r#"{"type":"resize","cols":0,"rows":0}"#,
        r#"{"type":"input","data":"!","encoding":"base64"}"#,
    ] {
        second.say(1, wrong.as_bytes());
        assert_eq!(second.told()["type"], "error", "{wrong}");
    }
    // Who leaves leaves it running.
    second.tell(json!({ "type": "close" }));
    while second.next().0 != 8 {}
    let resize = |body: Value| server.post(&format!("/v1/processes/{id}/terminal/resize"), &body);
    assert_eq!(resize(json!({ "cols": 90, "rows": 20 })).json(200), json!({ "cols": 90, "rows": 20 }));
    resize(json!({ "cols": 0, "rows": 0 })).problem(400, "invalid_request");
    first.tell(json!({ "type": "input", "data": "four\r" }));
    assert!(first.shown("got four").contains("20 90"));
    first.tell(json!({ "type": "input", "data": "\u{4}" }));
    // B1-43: its end is an end, and nothing is written into the terminal about it.
    let mut rest = Vec::new();
    let end = loop {
        match first.next() {
            (1, bytes) => break serde_json::from_slice::<Value>(&bytes).unwrap(),
            (_, bytes) => rest.extend(bytes),
        }
    };
    assert_eq!((&end["type"], &end["exitCode"]), (&json!("exit"), &json!(5)));
    assert!(!String::from_utf8_lossy(&rest).contains("rror"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(first.next().0, 8);
    // After the end: what was shown, and the end.
    let mut late = Socket::open(&server, &id);
    assert_eq!(late.told()["type"], "ready");
    late.shown("got four");
    assert_eq!(late.told()["exitCode"], 5);
}

#[test]
fn a_terminal_is_for_those_who_may() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let id = start(&server, "sleep 1000");
    let path = format!("/v1/processes/{id}/terminal/ws");
    let asked: &[(&str, &str)] = &[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let with =
        |more: &[(&'static str, &'static str)], path: &str| server.send("GET", path, &[asked, more].concat(), b"");
    with(&[("authorization", "")], &path).problem(401, "token_invalid");
    with(&[("authorization", "")], &format!("{path}?access_token=wrong")).problem(401, "token_invalid");
    with(&[("origin", "http://evil.example")], &format!("{path}?access_token=secret"))
        .problem(403, "permission_denied");
    server
        .send("GET", "/v1/processes?access_token=secret", &[("authorization", "")], b"")
        .problem(401, "token_invalid");
    server.get(&path).problem(426, "upgrade_required");
    with(&[], "/v1/processes/none/terminal/ws").problem(404, "not_found");
    // It has none.
    with(&[], &path).problem(409, "conflict");
    server
        .post(&format!("/v1/processes/{id}/terminal/resize"), &json!({ "cols": 9, "rows": 9 }))
        .problem(409, "conflict");
    act(&server, &id, "kill").json(200);
}

#[test]
fn what_cannot_be_done_to_processes_is_told_in_one_format() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let typed: &[(&str, &str)] = &[("content-type", "application/json")];
    let id = start(&server, "sleep 1000");
    let of = |verb: &str| format!("/v1/processes/{id}/{verb}");
    let (input, logs, resize) = (of("input"), of("logs"), of("terminal/resize"));
    let large = format!("{{\"data\":\"{}\"}}", "x".repeat(70_000));
    server.refuses(&[
        ("PUT", "/v1/processes", &[], "", 405, "method_not_allowed"),
        ("GET", "/v1/processes/run/more", &[], "", 404, "not_found"),
        ("GET", "/v1/processes/none", &[], "", 404, "not_found"),
        ("DELETE", "/v1/processes/none", &[], "", 404, "not_found"),
        ("POST", "/v1/processes/none/stop", &[], "", 404, "not_found"),
        ("POST", "/v1/processes/none/kill", &[], "", 404, "not_found"),
        ("GET", "/v1/processes/none/logs", &[], "", 404, "not_found"),
        ("GET", "/v1/processes/none/logs?follow=true", &[], "", 404, "not_found"),
        ("POST", "/v1/processes/none/input", typed, r#"{"data":"x"}"#, 404, "not_found"),
        ("POST", "/v1/processes", typed, "{}", 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":" "}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":1}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"a\u0000"}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","env":{"A=B":"c"}}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","timeoutMs":1}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","name":"proc_1"}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","tty":true,"cols":0}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","cwd":"/none"}"#, 404, "not_found"),
        ("POST", "/v1/processes", typed, r#"{"command":"true","cwd":"/etc/passwd"}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", typed, r#"{"command":"no-such-program"}"#, 404, "not_found"),
        ("POST", "/v1/processes", typed, r#"{"command":"/etc/passwd"}"#, 400, "invalid_request"),
        ("POST", "/v1/processes", &[], r#"{"command":"true"}"#, 415, "unsupported_media_type"),
        ("POST", "/v1/processes/run", typed, r#"{"command":"true","tty":true}"#, 400, "invalid_request"),
        ("POST", "/v1/processes/config", typed, r#"{"maxOutputBytes":1}"#, 400, "invalid_request"),
        ("GET", "/v1/processes?owner=me", &[], "", 400, "invalid_request"),
        ("POST", &input, typed, r#"{"data":"!","encoding":"base64"}"#, 400, "invalid_request"),
        ("POST", &input, typed, r#"{"data":"!","encoding":"rot13"}"#, 400, "invalid_request"),
        ("POST", &input, typed, &large, 413, "too_large"),
        ("GET", &format!("{logs}?stream=all"), &[], "", 400, "invalid_request"),
        ("GET", &format!("{logs}?since=-1"), &[], "", 400, "invalid_request"),
        ("GET", &format!("{logs}?follow=perhaps"), &[], "", 400, "invalid_request"),
        ("GET", &logs, &[("last-event-id", "x")], "", 400, "invalid_request"),
        ("POST", &format!("/v1/processes/{id}/stop?waitMs=soon"), &[], "", 400, "invalid_request"),
        // B1-40.
        ("POST", &resize, typed, r#"{"cols":0,"rows":0}"#, 400, "invalid_request"),
        ("POST", &resize, typed, r#"{"cols":70000,"rows":1}"#, 400, "invalid_request"),
    ]);
    act(&server, &id, "kill").json(200);
    assert_eq!(server.get("/v1/processes").json(200)["processes"].as_array().unwrap().len(), 1);
}
