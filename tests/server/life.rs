//! A server's life: numbers, smaller answers, sockets that were handed over, and an end when nobody comes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use serde_json::json;

use super::client::Server;
use super::defects::is_stopped;
use crate::env::{PATIENCE, TestEnv, program, wait_until};

#[test]
fn answers_are_packed_for_who_reads_that_and_flows_are_not() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    server.prompt("s", "echo hello");
    let mut flow = server.flow_of("GET", "/v1/sessions/s/events/sse", &[("accept-encoding", "gzip")], b"");
    flow.until("turn.ended");
    let _ = env.run(&["wait", "s", "--for", "idle", "--timeout", "100s"]);
    let path = "/v1/sessions/s/events";
    let plain = server.get(path);
    assert_eq!(plain.headers["vary"], "accept-encoding");
    assert!(!plain.headers.contains_key("content-encoding"));
    let packed = server.send("GET", path, &[("accept-encoding", "br, gzip")], b"");
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert_eq!(packed.headers["content-length"], packed.body.len().to_string());
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*packed.body).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    let refused = server.send("GET", path, &[("accept-encoding", "gzip;q=0")], b"");
    assert_eq!(refused.body, plain.body);
    // What is small is left alone.
    let small = server.send("GET", "/v1/health", &[("accept-encoding", "gzip")], b"");
    assert_eq!(small.json(200)["status"], "ok");
}

#[test]
fn the_numbers_count_what_happened() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let numbers = || String::from_utf8(server.get("/metrics").body).unwrap();
    server.create("a");
    server.create("b");
    server.post("/v1/sessions/b/terminate", &json!({})).nothing();
    server.get("/v1/sessions/none").problem(404, "session_not_found");
    server.get("/v1/nothing").problem(404, "not_found");
    let flow = server.flow("/v1/sessions/a/events/sse", None);
    let text = numbers();
    for line in [
        "# TYPE sandbox_agent_sessions gauge",
        "sandbox_agent_sessions{status=\"idle\"} 1",
        "sandbox_agent_sessions{status=\"ended\"} 1",
        "sandbox_agent_sessions{status=\"running\"} 0",
        "sandbox_agent_http_requests_total{method=\"POST\",route=\"/v1/sessions/{session}\",status=\"201\"} 2",
        "sandbox_agent_http_requests_total{method=\"GET\",route=\"/v1/sessions/{session}\",status=\"404\"} 1",
        "sandbox_agent_http_requests_total{method=\"\",route=\"/\",status=\"404\"} 1",
        "sandbox_agent_followers 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    let sent = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("sandbox_agent_http_sent_bytes_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert!(sent(&text) > 500 && sent(&numbers()) > sent(&text) + text.len() as u64);
    drop(flow);
    wait_until("the follower to be gone", || numbers().contains("sandbox_agent_followers 0").then_some(()));
    // Every line is one that Prometheus reads.
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("sandbox_agent_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn it_ends_when_nobody_comes_and_not_while_somebody_is_there() {
    let env = TestEnv::new();
    let words = ["server", "--port=0", "--no-token", "--idle-exit", "700ms"];
    let server = Server::of(env.command(&words).spawn(), None);
    server.create("s");
    let mut flow = server.flow("/v1/sessions/s/events/sse", None);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(server.get("/v1/health").json(200)["status"], "ok");
    server.prompt("s", "echo");
    flow.until("turn.ended");
    let _ = env.run(&["wait", "s", "--for", "idle", "--timeout", "100s"]);
    let begun = Instant::now();
    drop(flow);
    let Server { running, .. } = server;
    assert_eq!(running.wait().code(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
    let bad = env.run(&["server", "--port=0", "--idle-exit", "soon"]).expect(2);
    assert!(bad.stderr.contains("--idle-exit"), "{}", bad.stderr);
}

/// Starts it as systemd would: with a socket as descriptor 3.
fn handed_over(env: &TestEnv, socket: &(impl AsRawFd + AsFd), words: &str) -> Server {
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let (fd, program) = (socket.as_raw_fd(), program());
    let script = format!("exec 3<&{fd}; export LISTEN_PID=$$ LISTEN_FDS=1; exec {program} server {words}");
    Server::of(env.program(Path::new("/bin/sh")).args(&["-c", &script]).spawn(), None)
}

#[test]
fn it_takes_over_the_socket_that_systemd_listens_on() {
    let env = TestEnv::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // Who comes before it is there waits.
    let mut early = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    early.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let server = handed_over(&env, &socket, "--idle-exit 1s");
    assert_eq!(server.authority(), socket.local_addr().unwrap().to_string());
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let token = format!("Bearer {}", server.record["token"].as_str().unwrap());
    server.get("/v1/sessions").problem(401, "token_invalid");
    server
        .send(
            "POST",
            "/v1/sessions/s",
            &[("authorization", &token), ("content-type", "application/json")],
            br#"{"agent":"mock"}"#,
        )
        .json(201);
    // Whom it starts is not told of the socket.
    let body = br#"{"message":"env LISTEN_FDS"}"#;
    let headers = [("authorization", &*token), ("content-type", "application/json")];
    let mut flow = server.flow_of("POST", "/v1/sessions/s/messages/stream", &headers, body);
    let ended = flow.until("turn.ended").pop().unwrap().1;
    assert!(!ended.contains("LISTEN_FDS=1"), "{ended}");
    let _ = env.run(&["wait", "s", "--for", "idle", "--timeout", "100s"]);
    drop(flow);
    let Server { running, .. } = server;
    assert_eq!(running.wait().code(), 0);
    // The next one goes on where it was.
    let server = handed_over(&env, &socket, "--no-token");
    assert_eq!(server.get("/v1/sessions").json(200)["sessions"][0]["sessionId"], "s");
    drop(server);
    let path = env.work().join("s");
    let socket = {
        std::env::set_current_dir(env.work()).unwrap();
        UnixListener::bind("s").unwrap()
    };
    let server = handed_over(&env, &socket, "--no-token");
    let mut stream = UnixStream::connect("s").unwrap();
    stream.write_all(b"GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.running.signal(Signal::SIGTERM);
    let Server { running, .. } = server;
    assert_eq!(running.wait().signal(), Some(Signal::SIGTERM));
    assert!(path.exists(), "it belongs to who made it");
}

/// The SDK says the last thing to a session and ends its server without waiting for the answer.
#[test]
fn what_was_asked_before_the_end_is_answered() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let ask = server.head("GET", "/v1/sessions", &[("connection", "keep-alive")]) + "\r\n";
    let ask = ask.replace("connection: close\r\n", "");
    let connect = || TcpStream::connect(server.authority()).unwrap();
    let answer = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"[]}") {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).unwrap();
            assert_ne!(count, 0, "it was cut off after {:?}", String::from_utf8_lossy(&read));
            read.extend(&bytes[..count]);
        }
        assert!(read.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&read));
    };
    let mut kept: Vec<TcpStream> = (0..8).map(|_| connect()).collect();
    for stream in &mut kept {
        stream.write_all(ask.as_bytes()).unwrap();
        answer(stream);
    }
    // It sleeps, and finds all of it at once: requests, new connections and its end.
    server.running.signal(Signal::SIGSTOP);
    wait_until("the server to sleep", || is_stopped(server.running.pid()).then_some(()));
    let mut new: Vec<TcpStream> = (0..8).map(|_| connect()).collect();
    for stream in kept.iter_mut().chain(&mut new) {
        stream.write_all(ask.as_bytes()).unwrap();
    }
    server.running.signal(Signal::SIGTERM);
    server.running.signal(Signal::SIGCONT);
    kept.iter_mut().chain(&mut new).for_each(answer);
    assert_eq!(server.running.wait().signal(), Some(Signal::SIGTERM));
}
