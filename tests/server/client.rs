//! A small HTTP client of our own: what it sends and gets is exactly what stands here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::env::{PATIENCE, Running, TestEnv};

/// A server that listens, with the token `secret` unless something else was said.
pub(crate) struct Server {
    pub(crate) running: Running,
    /// What it printed once it listened.
    pub(crate) record: Value,
    token: Option<String>,
}

/// What is asked and refused: method, path, headers, body, and the status and the kind of error that come back.
type Refused<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

impl Server {
    pub(crate) fn start(env: &TestEnv) -> Server {
        let running = env.command(&["server", "--port", "0"]).var("SANDBOX_AGENT_TOKEN", "secret").spawn();
        Server::of(running, Some("secret"))
    }

    /// One with other flags.
    pub(crate) fn of(mut running: Running, token: Option<&str>) -> Server {
        let record = running.wait_for("where it listens", |line| !line["pid"].is_null());
        Server { running, record, token: token.map(str::to_owned) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn authority(&self) -> &str {
        self.record["url"].as_str().unwrap().strip_prefix("http://").unwrap()
    }

    fn connect(&self) -> Stream {
        match self.record["unix"].as_str() {
            Some(path) => Stream::Unix(unix(Path::new(path))),
            None => {
                let stream = TcpStream::connect(self.authority()).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Stream::Tcp(stream)
            }
        }
    }

    /// Sends bytes as they are, and reads the answer's head.
    pub(crate) fn raw(&self, bytes: &[u8]) -> (Answer, Box<dyn BufRead + Send>) {
        let mut stream = self.connect();
        // One that refuses early may have closed its side.
        let _ = stream.write_all(bytes);
        read_head(BufReader::new(stream))
    }

    /// A request with these headers beside what every one has; a header given twice counts as it stands here.
    pub(crate) fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        let has = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !has("host") {
            head += &format!("host: {}\r\n", self.record["url"].as_str().map_or("localhost", |_| self.authority()));
        }
        if let Some(token) = self.token.as_ref().filter(|_| !has("authorization")) {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            head += &format!("{name}: {value}\r\n");
        }
        head
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let head = self.head(method, path, headers) + &format!("content-length: {}\r\n\r\n", body.len());
        let (mut answer, mut rest) = self.raw(&[head.as_bytes(), body].concat());
        rest.read_to_end(&mut answer.body).unwrap();
        answer
    }

    /// Fails unless each of these is refused, in the one format.
    pub(crate) fn refuses(&self, asked: &[Refused<'_>]) {
        for (method, path, headers, body, status, kind) in asked {
            let answer = self.send(method, path, headers, body.as_bytes());
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, *status, "{method} {path:.80} {body:.80}: {text}");
            answer.problem(*status, kind);
            assert!(answer.headers["x-request-id"].parse::<u64>().is_ok());
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// A flow of events.
    pub(crate) fn flow(&self, path: &str, last: Option<i64>) -> Flow {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        self.flow_of("GET", path, &[("last-event-id", &last)], b"")
    }

    pub(crate) fn flow_of(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Flow {
        let head = self.head(method, path, headers) + &format!("content-length: {}\r\n\r\n", body.len());
        let (answer, rest) = self.raw(&[head.as_bytes(), body].concat());
        assert_eq!(answer.status, 200, "{method} {path}");
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        Flow { rest, comments: Vec::new(), name: None }
    }

    /// Makes a session of the mock.
    pub(crate) fn create(&self, name: &str) {
        let made = self.post(&format!("/v1/sessions/{name}"), &serde_json::json!({ "agent": "mock" }));
        assert_eq!(made.json(201)["sessionId"], name);
    }

    pub(crate) fn prompt(&self, name: &str, text: &str) -> String {
        let sent = self.post(&format!("/v1/sessions/{name}/messages"), &serde_json::json!({ "message": text }));
        sent.json(202)["promptId"].as_str().unwrap().to_owned()
    }
}

fn unix(path: &Path) -> UnixStream {
    // A socket's path may be about a hundred bytes long; a test's folder is longer.
    let folder = std::fs::File::open(path.parent().unwrap()).unwrap();
    let mut short = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&folder)));
    short.push(path.file_name().unwrap());
    let stream = UnixStream::connect(short).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Its JSON; fails unless the status is this one.
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Its error; fails unless it is one of this status and kind in the one format.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{text}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["type"], format!("urn:sandbox-agent:error:{kind}"), "{text}");
        assert_eq!(problem["status"], status);
        for key in ["title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|words| !words.is_empty()), "{text}");
        }
        problem
    }

    /// Fails unless it is an answer without words.
    pub(crate) fn nothing(&self) {
        assert_eq!((self.status, self.body.len()), (204, 0), "{}", String::from_utf8_lossy(&self.body));
    }
}

fn read_head(mut reader: BufReader<Stream>) -> (Answer, Box<dyn BufRead + Send>) {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let status = line();
    let status = status.split(' ').nth(1).unwrap_or_else(|| panic!("no status: `{status}`")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let rest: Box<dyn BufRead + Send> = if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        Box::new(BufReader::new(Chunked { reader, left: 0, ended: false }))
    } else {
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        Box::new(reader.take(length))
    };
    (Answer { status, headers, body: Vec::new() }, rest)
}

/// A body in chunks. One that breaks off is an error, not an end.
struct Chunked {
    reader: BufReader<Stream>,
    left: usize,
    ended: bool,
}

impl Read for Chunked {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.left == 0 {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            self.left = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
            if self.left == 0 {
                self.ended = true;
                return Ok(0);
            }
        }
        let most = bytes.len().min(self.left);
        let count = self.reader.read(&mut bytes[..most])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count;
        if self.left == 0 {
            let mut end = String::new();
            self.reader.read_line(&mut end)?;
        }
        Ok(count)
    }
}

/// A flow of events that is being read.
pub(crate) struct Flow {
    rest: Box<dyn BufRead + Send>,
    pub(crate) comments: Vec<String>,
    /// How the last one was called, where it was.
    pub(crate) name: Option<String>,
}

impl Flow {
    /// The next event: its id and its line. `None` at the end; an error where it broke off.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<(i64, String)>> {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            if self.rest.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.strip_suffix('\n').unwrap();
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.parse().unwrap());
            } else if let Some(text) = line.strip_prefix("data: ") {
                assert!(data.is_none(), "one line of data an event");
                data = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("event: ") {
                self.name = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix(": ") {
                self.comments.push(text.to_owned());
            } else if line.is_empty() {
                if let (Some(id), Some(data)) = (id.take(), data.take()) {
                    return Ok(Some((id, data)));
                }
            } else {
                assert_eq!(line, "retry: 1000");
            }
        }
    }

    /// The next message of a flow whose ids are no sequences.
    pub(crate) fn message(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.rest.read_line(&mut line).unwrap() > 0, "it ended");
            if let Some(text) = line.strip_prefix("data: ") {
                return serde_json::from_str(text).unwrap();
            }
        }
    }

    /// Reads until an event of this type has come, and gives everything up to it.
    pub(crate) fn until(&mut self, kind: &str) -> Vec<(i64, String)> {
        let mut events = Vec::new();
        loop {
            let event = self.next().unwrap().unwrap_or_else(|| panic!("it ended before {kind}: {events:#?}"));
            let value: Value = serde_json::from_str(&event.1).unwrap();
            assert_eq!(value["sequence"], event.0);
            events.push(event);
            if value["type"] == kind {
                return events;
            }
        }
    }
}
