//! The program that ours is measured beside, served on loopback: the one that `SANDBOX_AGENT_UPSTREAM` names.

use crate::env::TestEnv;
use crate::program::{Running, since, start, within};
use serde_json::Value;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A running server and the one connection to it.
pub(crate) struct Upstream {
    port: u16,
    connection: RefCell<BufReader<TcpStream>>,
    _server: Running,
}

/// What was answered, and after how many milliseconds.
pub(crate) struct Answered {
    pub(crate) wall: f64,
    body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Upstream {
    /// None where there is no such program: then it is missing in the table.
    pub(crate) fn start(env: &TestEnv) -> Option<Upstream> {
        let Some(program) = std::env::var_os("SANDBOX_AGENT_UPSTREAM").map(PathBuf::from) else {
            eprintln!("  SANDBOX_AGENT_UPSTREAM names no program: not measured beside it");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = within(env, &program);
        command.args(["server", "--no-token", "--no-telemetry", "--host", "127.0.0.1", "--port", &port.to_string()]);
        let server = start(command.stderr(std::process::Stdio::null()));
        let deadline = Instant::now() + Duration::from_secs(30);
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "upstream does not listen: {error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_nodelay(true).unwrap();
        Some(Upstream { port, connection: RefCell::new(BufReader::new(stream)), _server: server })
    }

    /// A call of its desktop, such as `POST mouse/move {"x":1,"y":2}`; it must succeed.
    pub(crate) fn call(&self, line: &str) -> Answered {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next().unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head = format!(
            "{method} /v1/desktop/{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{kind}Content-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        let mut connection = self.connection.borrow_mut();
        let began = Instant::now();
        connection.get_mut().write_all((head + body).as_bytes()).unwrap();
        let mut first = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(connection.read_line(&mut line).unwrap() > 0, "{method} {path}: no answer");
            if line == "\r\n" {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
                length = value.parse().unwrap();
            }
            if first.is_empty() {
                first = line;
            }
        }
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer).unwrap();
        let wall = since(began);
        assert!(first.starts_with("HTTP/1.1 2"), "{line}: {first}{}", String::from_utf8_lossy(&answer));
        Answered { wall, body: answer }
    }
}
