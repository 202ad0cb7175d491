//! A process's terminal over a WebSocket: bytes of the screen as they are, everything else as JSON, in the words that existing clients know.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::process::{Seat, Shown};
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};
use tungstenite::{Message, WebSocket};

use crate::body::Body;
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::processes::{Size, said};

/// The value that RFC 6455 has every server append.
const WEB_SOCKET: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest that a client may say at once: bytes.
const LONGEST: usize = 256 << 10;
/// When one who says nothing is asked whether it is there, and how long it may not answer, or not read.
const ASK: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(45);

/// A client that asks for a WebSocket.
pub(crate) struct Caller {
    key: HeaderValue,
    upgrade: OnUpgrade,
}

impl Caller {
    pub(crate) fn of(headers: &HeaderMap, upgrade: OnUpgrade) -> Result<Caller, Problem> {
        let is = |name: HeaderName, word: &str| {
            let words = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            words.flat_map(|words| words.split(',')).any(|other| other.trim().eq_ignore_ascii_case(word))
        };
        let key = headers.get("sec-websocket-key").cloned();
        let version = HeaderName::from_static("sec-websocket-version");
        match key {
            Some(key) if is(UPGRADE, "websocket") && is(CONNECTION, "upgrade") && is(version, "13") => {
                Ok(Caller { key, upgrade })
            }
            Some(_) | None => Err(Problem::new(Kind::UpgradeRequired, "this is a WebSocket, version 13")),
        }
    }

    /// Takes the connection over.
    pub(crate) fn answer(
        self,
        server: &Arc<Server>,
        process_id: String,
        seat: Seat,
        turn: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let hash = Sha1::new().chain_update(self.key.as_bytes()).chain_update(WEB_SOCKET).finalize();
        let mut response = Response::new(Body::Whole(None));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.extend(
            HeaderValue::from_str(&STANDARD.encode(hash))
                .map(|accept| (HeaderName::from_static("sec-websocket-accept"), accept)),
        );
        let server = Arc::clone(server);
        tokio::spawn(async move {
            // A client that has left needs nothing.
            if let Ok(upgraded) = self.upgrade.await {
                let config = WebSocketConfig::default()
                    .read_buffer_size(4 << 10)
                    .max_message_size(Some(LONGEST))
                    .max_frame_size(Some(LONGEST));
                let socket = WebSocket::from_raw_socket(Wire::default(), Role::Server, Some(config));
                let viewer = Viewer { socket, seat, heard: Instant::now(), asked: Instant::now() };
                let _ = viewer.attend(&server, TokioIo::new(upgraded), &process_id).await;
            }
            drop(turn);
        });
        response
    }
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Said {
    Input { data: String, encoding: Option<String> },
    Resize { cols: u16, rows: u16 },
    Close,
}

/// Bytes between the connection and who speaks WebSocket.
#[derive(Default)]
struct Wire {
    come: Vec<u8>,
    go: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.come.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.come.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.come[..count]);
        self.come.drain(..count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Viewer {
    socket: WebSocket<Wire>,
    seat: Seat,
    heard: Instant,
    asked: Instant,
}

impl Viewer {
    /// Until the program ends, the client leaves, or the server does.
    async fn attend(mut self, server: &Server, stream: TokioIo<Upgraded>, process_id: &str) -> io::Result<()> {
        let (mut from, mut to) = tokio::io::split(stream);
        let mut piece = vec![0; 16 << 10];
        let mut left = false;
        self.say(Message::Text(json!({ "type": "ready", "processId": process_id }).to_string().into()));
        loop {
            let go = std::mem::take(&mut self.socket.get_mut().go);
            if !go.is_empty() {
                tokio::time::timeout(PATIENCE, to.write_all(&go)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            }
            if self.heard.elapsed() > PATIENCE {
                return Ok(());
            }
            tokio::select! {
                read = from.read(&mut piece) => match read? {
                    0 => return Ok(()),
                    count => {
                        self.heard = Instant::now();
                        self.socket.get_mut().come.extend_from_slice(&piece[..count]);
                        if !self.hear() {
                            let go = std::mem::take(&mut self.socket.get_mut().go);
                            tokio::time::timeout(PATIENCE, to.write_all(&go)).await.map_err(|_| io::ErrorKind::TimedOut)??;
                            return to.shutdown().await;
                        }
                    }
                },
                shown = self.seat.next(), if !left => match shown {
                    Shown::Bytes(bytes) => self.say(Message::Binary(bytes.into())),
                    Shown::Ended { exit_code, signal } => {
                        left = true;
                        let end = json!({ "type": "exit", "exitCode": exit_code, "signal": signal });
                        self.say(Message::Text(end.to_string().into()));
                        self.close(CloseCode::Normal, "the process has ended");
                    }
                },
                () = server.stopping(), if !left => {
                    left = true;
                    self.close(CloseCode::Away, "the server ends; the process goes on");
                }
                () = tokio::time::sleep(ASK) => {
                    if self.heard.max(self.asked).elapsed() >= ASK {
                        self.asked = Instant::now();
                        self.say(Message::Ping(Vec::new().into()));
                    }
                }
            }
        }
    }

    /// What was said waits in memory for the next turn.
    fn say(&mut self, message: Message) {
        // After a close nothing more is said.
        let _ = self.socket.write(message).and_then(|()| self.socket.flush());
    }

    fn close(&mut self, code: CloseCode, reason: &'static str) {
        let _ = self.socket.close(Some(CloseFrame { code, reason: reason.into() })).and_then(|()| self.socket.flush());
    }

    /// All that the client has said. `false`: it leaves, or speaks no WebSocket.
    fn hear(&mut self) -> bool {
        loop {
            let done = match self.socket.read() {
                Ok(Message::Text(text)) => match serde_json::from_str(&text) {
                    Ok(Said::Input { data, encoding }) => {
                        said(data, encoding.as_deref()).and_then(|bytes| self.type_in(&bytes))
                    }
                    Ok(Said::Resize { cols, rows }) => Size { cols, rows }.check().and_then(|[cols, rows]| {
                        self.seat.resize(cols, rows).then_some(()).ok_or_else(|| unread("failed to set the size"))
                    }),
                    Ok(Said::Close) => {
                        self.close(CloseCode::Normal, "");
                        Ok(())
                    }
                    Err(error) => Err(Problem::invalid(format!("failed to understand the message: {error}"))),
                },
                Ok(Message::Binary(bytes)) => self.type_in(&bytes),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => Ok(()),
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            };
            if let Err(problem) = done {
                self.say(Message::Text(json!({ "type": "error", "message": problem.detail() }).to_string().into()));
            }
        }
    }

    fn type_in(&self, bytes: &[u8]) -> Result<(), Problem> {
        self.seat.type_in(bytes).then_some(()).ok_or_else(|| unread("failed to give it input"))
    }
}

fn unread(what: &str) -> Problem {
    Problem::new(Kind::Conflict, format!("{what}: the program does not read, or has ended"))
}
