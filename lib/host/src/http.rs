//! An agent that serves HTTP on loopback: its event stream as lines, our calls and their answers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::lines::{LONGEST, Lines};

/// How long the agent may take until its event stream is open, the first time and after each loss.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to answer a call, or to begin its event stream.
const ANSWER: Duration = Duration::from_secs(60);

/// How long to wait before the event stream is opened again.
const PAUSE: Duration = Duration::from_millis(100);

/// How much is read at once, in bytes.
const READ: usize = 64 << 10;

/// How many reads of the event stream are kept while nobody takes them; then the agent waits.
const KEPT: usize = 16;

/// The longest line of a head or of a chunk's size, and the longest head, in bytes.
const HEAD: usize = 64 << 10;

/// What is to be known of an agent that serves.
#[derive(Debug, Clone)]
pub struct Service {
    /// What the line of its stdout begins with that goes on with its address, `http://127.0.0.1:PORT`.
    pub ready: String,
    /// The path of its event stream.
    pub events: String,
    /// For HTTP's Basic authentication.
    pub user: String,
    /// Likewise.
    pub password: String,
}

/// The client's side of an agent that serves. The event stream is opened again whenever it breaks; calls wait until it
/// is open, so that nothing that follows from them is missed. Needs a tokio runtime.
pub struct Server {
    service: Service,
    address: Option<SocketAddr>,
    lines: Lines,
    stream: Option<mpsc::Receiver<Heard>>,
    open: bool,
    /// Until when the stream has to be open.
    deadline: Instant,
    /// Why it never will be.
    gone: Option<String>,
    waiting: VecDeque<(u64, String)>,
    /// The stream's task does not outlive this either.
    listening: JoinSet<()>,
    calls: JoinSet<Answer>,
}

/// What [`Server::next`] waited for.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// At least one event is there: take its data, a line, from [`Server::lines`]. Said again until they are taken.
    Lines,
    /// A call was answered.
    Answer(Answer),
    /// The event stream broke; it will be opened again, and what was said meanwhile is lost.
    Lost,
}

/// The answer to a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The call's.
    pub tag: u64,
    /// HTTP's; 0 where there was no answer, and the body says why.
    pub status: u16,
    /// At most 64 MiB, invalid UTF-8 replaced.
    pub body: String,
}

enum Heard {
    Open,
    Bytes(Vec<u8>),
    Lost,
    Gone(String),
}

impl Server {
    /// Nothing is asked before [`Server::heard`] has met the address.
    pub fn new(service: Service) -> Server {
        Server {
            service,
            address: None,
            lines: Lines::new(),
            stream: None,
            open: false,
            deadline: Instant::now() + PATIENCE,
            gone: None,
            waiting: VecDeque::new(),
            listening: JoinSet::new(),
            calls: JoinSet::new(),
        }
    }

    /// A line of the agent's stdout: the one that says where it listens opens the event stream.
    pub fn heard(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix(&self.service.ready) else { return };
        let address = rest.trim().trim_start_matches("http://").trim_end_matches('/').parse::<SocketAddr>();
        let Some(address) = address.ok().filter(|address| address.ip().is_loopback()) else {
            self.gone = Some(format!("it listens where we do not look for it: {}", rest.trim()));
            return;
        };
        if self.address.replace(address).is_none() {
            let request = self.request("GET", &self.service.events, "accept: text/event-stream\r\n", "");
            let (said, stream) = mpsc::channel(KEPT);
            self.stream = Some(stream);
            self.listening.spawn(listen(address, request, said));
        }
    }

    /// Calls the agent; the answer comes from [`Server::next`] under the tag. The body is JSON, or empty for none.
    pub fn ask(&mut self, tag: u64, method: &str, path: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = self.request(method, path, kind, body);
        self.waiting.push_back((tag, request));
        self.send();
    }

    /// The next thing. Cancel-safe.
    pub async fn next(&mut self) -> Served {
        loop {
            if self.lines.ready() {
                return Served::Lines;
            }
            if let Some(body) = &self.gone
                && let Some((tag, _)) = self.waiting.pop_front()
            {
                return Served::Answer(Answer { tag, status: 0, body: body.clone() });
            }
            tokio::select! {
                biased;
                Some(answer) = self.calls.join_next() => {
                    // Only a panic of ours could end it otherwise.
                    if let Ok(answer) = answer {
                        return Served::Answer(answer);
                    }
                }
                heard = hear(&mut self.stream) => match heard {
                    Heard::Open => {
                        self.open = true;
                        self.send();
                    }
                    Heard::Bytes(bytes) => {
                        self.lines.space()[..bytes.len()].copy_from_slice(&bytes);
                        self.lines.filled(bytes.len());
                    }
                    Heard::Lost => {
                        self.open = false;
                        self.deadline = Instant::now() + PATIENCE;
                        return Served::Lost;
                    }
                    Heard::Gone(reason) => self.gone = Some(reason),
                },
                () = sleep_until(self.deadline), if !self.open && self.gone.is_none() => {
                    self.gone = Some(format!("its event stream was not open within {} s", PATIENCE.as_secs()));
                }
            }
        }
    }

    /// The data of its events, one a line; what an event says in several lines of data are several lines here.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// Whether the event stream is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    fn send(&mut self) {
        let (true, Some(address)) = (self.open, self.address) else { return };
        for (tag, request) in self.waiting.drain(..) {
            self.calls.spawn(async move {
                match timeout(ANSWER, exchange(address, &request)).await {
                    Ok(Ok((status, body))) => Answer { tag, status, body: String::from_utf8_lossy(&body).into_owned() },
                    Ok(Err(error)) => Answer { tag, status: 0, body: error.to_string() },
                    Err(_) => Answer { tag, status: 0, body: format!("no answer within {} s", ANSWER.as_secs()) },
                }
            });
        }
    }

    fn request(&self, method: &str, path: &str, more: &str, body: &str) -> String {
        let Service { user, password, .. } = &self.service;
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        // What would end the line early could say anything.
        let path: String = path.chars().filter(|letter| letter.is_ascii_graphic()).collect();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {credentials}\r\nconnection: close\r\n\
             {more}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

async fn hear(stream: &mut Option<mpsc::Receiver<Heard>>) -> Heard {
    if let Some(said) = stream {
        if let Some(heard) = said.recv().await {
            return heard;
        }
        *stream = None;
    }
    std::future::pending().await
}

/// The event stream's task: opens it, passes on what it says, and opens it again.
async fn listen(address: SocketAddr, request: String, said: mpsc::Sender<Heard>) {
    loop {
        let mut events = Events::default();
        let mut open = false;
        let ended = read_events(address, &request, &said, &mut events, &mut open).await;
        if let Err(Some(refusal)) = ended {
            let _ = said.send(Heard::Gone(refusal)).await;
            return;
        }
        // What was begun is a line too: nothing that was said is lost.
        if events.is_in_data() {
            let _ = said.send(Heard::Bytes(b"\n".to_vec())).await;
        }
        if open && said.send(Heard::Lost).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Until the stream breaks (an error of `None`), is refused for good (the reason), or nobody listens any more.
async fn read_events(
    address: SocketAddr,
    request: &str,
    said: &mpsc::Sender<Heard>,
    events: &mut Events,
    open: &mut bool,
) -> Result<(), Option<String>> {
    let mut response = Response::new();
    let mut space = vec![0; READ];
    let mut body = Vec::new();
    let mut connection = timeout(ANSWER, connect(address, request)).await.map_err(|_| None)?.map_err(|_| None)?;
    loop {
        let reading = connection.read(&mut space);
        let count = match *open {
            true => reading.await.map_err(|_| None)?,
            false => timeout(ANSWER, reading).await.map_err(|_| None)?.map_err(|_| None)?,
        };
        if count == 0 {
            return Err(None);
        }
        let understood = response.feed(&space[..count], &mut body);
        if let Some(status) = response.status().filter(|_| !*open) {
            if status != 200 {
                return Err(Some(format!("its event stream was refused with HTTP status {status}")));
            }
            *open = true;
            said.send(Heard::Open).await.map_err(|_| None)?;
        }
        let mut data = Vec::new();
        events.feed(&body, &mut data);
        body.clear();
        if !data.is_empty() {
            said.send(Heard::Bytes(data)).await.map_err(|_| None)?;
        }
        understood.map_err(|_| None)?;
        if response.is_done() {
            return Err(None);
        }
    }
}

async fn connect(address: SocketAddr, request: &str) -> io::Result<TcpStream> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}

async fn exchange(address: SocketAddr, request: &str) -> io::Result<(u16, Vec<u8>)> {
    let mut connection = connect(address, request).await?;
    let mut response = Response::new();
    let mut space = vec![0; READ];
    let mut body = Vec::new();
    while !response.is_done() {
        let count = connection.read(&mut space).await?;
        if count == 0 {
            response.end()?;
            break;
        }
        response.feed(&space[..count], &mut body)?;
        if body.len() > LONGEST {
            return Err(io::Error::other("the answer is longer than 64 MiB"));
        }
    }
    Ok((response.status().unwrap_or_default(), body))
}

/// An HTTP/1.1 response, read in pieces of any size.
struct Response {
    state: State,
    /// The line of the head, of a chunk's size or of a trailer that is being read.
    line: Vec<u8>,
    head: usize,
    status: u16,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Status,
    Headers,
    /// So many bytes of the body are left.
    Body(u64),
    UntilEnd,
    Size,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl Response {
    fn new() -> Response {
        Response { state: State::Status, line: Vec::new(), head: 0, status: 0, length: None, chunked: false }
    }

    /// Known once the head is.
    fn status(&self) -> Option<u16> {
        (!matches!(self.state, State::Status | State::Headers)).then_some(self.status)
    }

    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The connection ended.
    fn end(&self) -> io::Result<()> {
        match self.state {
            State::Done | State::UntilEnd => Ok(()),
            State::Status | State::Headers => Err(io::Error::other("the connection ended before the answer")),
            State::Body(_) | State::Size | State::Chunk(_) | State::ChunkEnd | State::Trailers => {
                Err(io::Error::other("the connection ended within the answer"))
            }
        }
    }

    /// Takes the next bytes and appends what they say of the body.
    fn feed(&mut self, mut bytes: &[u8], body: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.state {
                State::Body(left) | State::Chunk(left) => {
                    let now = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    body.extend_from_slice(&bytes[..now]);
                    bytes = &bytes[now..];
                    let left = left - now as u64;
                    self.state = match (self.state, left) {
                        (State::Chunk(_), 0) => State::ChunkEnd,
                        (State::Chunk(_), _) => State::Chunk(left),
                        (_, 0) => State::Done,
                        (..) => State::Body(left),
                    };
                }
                State::UntilEnd => {
                    body.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Done => return Ok(()),
                State::Status | State::Headers | State::Size | State::ChunkEnd | State::Trailers => {
                    let end = memchr(b'\n', bytes);
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    self.line.extend_from_slice(part);
                    self.head += part.len();
                    if self.head > HEAD {
                        return Err(io::Error::other("the answer's head is longer than 64 KiB"));
                    }
                    bytes = &bytes[(part.len() + 1).min(bytes.len())..];
                    if end.is_some() {
                        let line = std::mem::take(&mut self.line);
                        let line = String::from_utf8_lossy(&line);
                        self.state = self.line(line.trim_end_matches('\r'))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<State> {
        let bad = |what: &str| io::Error::other(format!("{what}: {line:?}"));
        Ok(match self.state {
            State::Status => {
                let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
                self.status = status.and_then(|status| status.parse().ok()).ok_or_else(|| bad("no HTTP answer"))?;
                State::Headers
            }
            State::Headers if line.is_empty() => match (self.status, self.length) {
                // An interim answer: the real one follows.
                (100..=199, _) => State::Status,
                (204 | 304, _) => State::Done,
                _ if self.chunked => {
                    self.head = 0;
                    State::Size
                }
                (_, Some(0)) => State::Done,
                (_, Some(length)) => State::Body(length),
                (_, None) => State::UntilEnd,
            },
            State::Headers => {
                let (name, value) = line.split_once(':').ok_or_else(|| bad("no HTTP header"))?;
                if name.eq_ignore_ascii_case("content-length") {
                    self.length = Some(value.trim().parse().map_err(|_| bad("no length"))?);
                } else if name.eq_ignore_ascii_case("transfer-encoding") {
                    self.chunked = value.to_ascii_lowercase().contains("chunked");
                }
                State::Headers
            }
            State::Size => {
                self.head = 0;
                let digits = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(digits, 16).map_err(|_| bad("no chunk size"))? {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                }
            }
            State::ChunkEnd if line.is_empty() => State::Size,
            State::ChunkEnd => return Err(bad("a chunk is longer than its size")),
            State::Trailers if line.is_empty() => State::Done,
            State::Trailers => State::Trailers,
            State::Body(_) | State::UntilEnd | State::Chunk(_) | State::Done => self.state,
        })
    }
}

/// Server-sent events, read in pieces of any size: only their data, each line of it ended by a newline.
#[derive(Default)]
struct Events {
    at: At,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// So many bytes of the field's name fit.
    #[default]
    Start,
    Name(usize),
    /// After the colon, where one space may stand.
    Colon,
    Data,
    Other,
}

impl Events {
    fn feed(&mut self, mut bytes: &[u8], data: &mut Vec<u8>) {
        const NAME: &[u8] = b"data:";
        while let Some(first) = bytes.first() {
            match self.at {
                At::Start | At::Name(_) => {
                    let known = if let At::Name(known) = self.at { known } else { 0 };
                    self.at = match *first {
                        b'\n' => At::Start,
                        letter if letter == NAME[known] && known + 1 == NAME.len() => At::Colon,
                        letter if letter == NAME[known] => At::Name(known + 1),
                        _ => At::Other,
                    };
                    bytes = &bytes[1..];
                }
                At::Colon => {
                    self.at = At::Data;
                    bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
                }
                At::Data | At::Other => {
                    let end = memchr(b'\n', bytes).map(|newline| newline + 1);
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    if self.at == At::Data {
                        data.extend_from_slice(part);
                    }
                    if end.is_some() {
                        self.at = At::Start;
                    }
                    bytes = &bytes[part.len()..];
                }
            }
        }
    }

    fn is_in_data(&self) -> bool {
        matches!(self.at, At::Colon | At::Data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the response in pieces of `step` bytes.
    fn read(bytes: &[u8], step: usize) -> Result<(u16, String, bool), String> {
        let mut response = Response::new();
        let mut body = Vec::new();
        for piece in bytes.chunks(step) {
            response.feed(piece, &mut body).map_err(|error| error.to_string())?;
        }
        response.end().map_err(|error| error.to_string())?;
        Ok((response.status().unwrap(), String::from_utf8(body).unwrap(), response.is_done()))
    }

    #[test]
    fn a_response_is_the_same_however_it_arrives() {
        let whole: &[(&str, u16, &str, bool)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more", 200, "hello", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", true),
            ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", 204, "", true),
            ("HTTP/1.0 404\nx: y\n\nuntil the end", 404, "until the end", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", 200, "a", true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhel\nl\r\nA;x=y\r\no, 0123456\r\n0\r\nt: u\r\n\r\n",
                200,
                "hel\nlo, 0123456",
                true,
            ),
        ];
        for (text, status, body, done) in whole {
            for step in 1..=text.len() {
                assert_eq!(read(text.as_bytes(), step), Ok((*status, (*body).to_owned(), *done)), "{text} by {step}");
            }
        }
    }

    #[test]
    fn what_is_no_response_or_not_all_of_one_is_an_error() {
        for (text, error) in [
            ("", "the connection ended before the answer"),
            ("HTTP/1.1 200 OK\r\n", "the connection ended before the answer"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "the connection ended within the answer"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "within the answer"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n", "longer than its size"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfive\r\n", "no chunk size: \"five\""),
            ("SSH-2.0-OpenSSH\r\n", "no HTTP answer: \"SSH-2.0-OpenSSH\""),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "no length"),
            ("HTTP/1.1 200 OK\r\nnothing\r\n\r\n", "no HTTP header"),
        ] {
            let got = read(text.as_bytes(), 3);
            assert!(got.as_ref().is_err_and(|got| got.contains(error)), "{text:?}: {got:?}");
        }
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(HEAD));
        assert!(read(head.as_bytes(), 1000).is_err_and(|error| error.contains("64 KiB")));
    }

    #[test]
    fn only_the_data_of_events_is_heard() {
        let text = "event: x\ndata: {\"a\":1}\n\n: heartbeat\ndata:no space\ndata:  two\nid: 7\ndatum: no\ndata\n\ndata: é\r\n\ndata: cut";
        for step in 1..=text.len() {
            let mut events = Events::default();
            let mut data = Vec::new();
            text.as_bytes().chunks(step).for_each(|piece| events.feed(piece, &mut data));
            assert_eq!(String::from_utf8(data).unwrap(), "{\"a\":1}\nno space\n two\né\r\ncut", "by {step}");
            assert!(events.is_in_data());
        }
    }
}
