//! Many clients in one thread, so that they leave the other processor to who is measured.

use crate::program::{Field, age, number};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What they all run in, which moves only while somebody waits for it.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An event that a follower got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) sequence: i64,
    pub(crate) delta: bool,
    pub(crate) at: Instant,
    /// Milliseconds since it was recorded, give or take half of one.
    pub(crate) age: f64,
}

impl Seen {
    /// Whether it was recorded after this.
    pub(crate) fn is_after(&self, began: Instant) -> bool {
        self.at.checked_duration_since(began).is_some_and(|time| time.as_secs_f64() * 1000.0 > self.age)
    }
}

/// Who follows a session over HTTP.
pub(crate) struct Follower {
    stream: TcpStream,
    chunks: Chunks,
    text: Vec<u8>,
    fields: [Field; 2],
    /// Whether the sequence of the next event has come.
    numbered: bool,
    /// What came; sequences without a gap and without a repetition.
    pub(crate) seen: Vec<Seen>,
    /// How many turns have ended.
    turns: usize,
}

/// How long a piece of a flow may take; the heartbeat comes sooner.
const PATIENCE: Duration = Duration::from_secs(60);

impl Follower {
    /// One that begins with a session's first event.
    pub(crate) async fn open(address: SocketAddr, session: &str) -> Follower {
        let (stream, rest) = follow(TcpSocket::new_v4().unwrap(), address, session).await;
        let mut follower = Follower {
            stream,
            chunks: Chunks::default(),
            text: Vec::new(),
            fields: [Field::new("\"type\":\""), Field::new("\"time\":\"")],
            numbered: false,
            seen: Vec::new(),
            turns: 0,
        };
        follower.take(&rest);
        follower
    }

    /// Reads until so many turns have ended since its first event.
    pub(crate) async fn read_until(mut self, turns: usize) -> Follower {
        let mut buffer = vec![0; 64 << 10];
        while self.turns < turns {
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let count = read.expect("a flow is silent").unwrap();
            assert!(count > 0, "a flow ended after {} events", self.seen.len());
            self.take(&buffer[..count]);
        }
        self
    }

    fn take(&mut self, bytes: &[u8]) {
        let (at, now) = (Instant::now(), SystemTime::now());
        self.chunks.take(bytes, &mut self.text);
        let mut begin = 0;
        while let Some(length) = self.text[begin..].iter().position(|byte| *byte == b'\n') {
            let line = &self.text[begin..begin + length];
            begin += length + 1;
            if let Some(sequence) = line.strip_prefix(b"id: ") {
                assert_eq!(number(sequence), self.seen.len() as i64 + 1, "a follower's sequence");
                self.numbered = true;
            } else if let Some(event) = line.strip_prefix(b"data: ") {
                assert!(std::mem::take(&mut self.numbered), "an event without its sequence");
                let [kind, time] = &mut self.fields;
                let kind = kind.of(event);
                let (delta, ended) = (kind.starts_with(b"item.delta\""), kind.starts_with(b"turn.ended\""));
                let sequence = self.seen.len() as i64 + 1;
                self.seen.push(Seen { sequence, delta, at, age: age(time.of(event), now) });
                self.turns += usize::from(ended);
            }
        }
        self.text.drain(..begin);
    }
}

/// Reads of all until so many turns have ended for each.
pub(crate) async fn read_all(followers: Vec<Follower>, turns: usize) -> Vec<Follower> {
    let mut reading = JoinSet::new();
    for follower in followers {
        reading.spawn(follower.read_until(turns));
    }
    reading.join_all().await
}

/// One that follows and never reads; its own buffer holds little.
pub(crate) async fn never_reads(address: SocketAddr, session: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    follow(socket, address, session).await.0
}

/// Asks for a flow, and reads the head of the answer; the rest is what came with it.
async fn follow(socket: TcpSocket, address: SocketAddr, session: &str) -> (TcpStream, Vec<u8>) {
    let mut stream = socket.connect(address).await.unwrap();
    let head = format!("GET /v1/sessions/{session}/events/sse HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "no answer");
        if let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            return (stream, answer.split_off(end + 4));
        }
    }
}

/// A body in chunks, taken apart.
#[derive(Default)]
struct Chunks {
    left: usize,
    size: Vec<u8>,
}

impl Chunks {
    fn take(&mut self, mut bytes: &[u8], text: &mut Vec<u8>) {
        while let Some(byte) = bytes.first() {
            if self.left > 0 {
                let (chunk, rest) = bytes.split_at(self.left.min(bytes.len()));
                text.extend_from_slice(chunk);
                self.left -= chunk.len();
                bytes = rest;
                continue;
            }
            bytes = &bytes[1..];
            if *byte != b'\n' {
                self.size.push(*byte);
                continue;
            }
            // The empty line is the end of the chunk before.
            let size = std::str::from_utf8(&self.size).unwrap().trim();
            if !size.is_empty() {
                self.left = usize::from_str_radix(size, 16).unwrap();
                assert!(self.left > 0, "a flow ended");
            }
            self.size.clear();
        }
    }
}

/// A connection that is kept open between requests.
pub(crate) struct Kept {
    stream: TcpStream,
    host: SocketAddr,
}

impl Kept {
    pub(crate) async fn open(host: SocketAddr) -> Kept {
        let stream = TcpStream::connect(host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Kept { stream, host }
    }

    /// Asks for its health; milliseconds to the whole answer.
    pub(crate) async fn health(&mut self) -> f64 {
        let began = Instant::now();
        let head = format!("GET /v1/health HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::with_capacity(1024);
        while !answer.ends_with(b"}") {
            assert!(self.stream.read_buf(&mut answer).await.unwrap() > 0, "no answer");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        began.elapsed().as_secs_f64() * 1000.0
    }

    /// Whether nobody has closed it.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
