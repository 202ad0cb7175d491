//! The way to viewers: HTTP on this machine only, for one page and one WebSocket, a thread for each viewer, and bounds for all of it.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sha1::{Digest, Sha1};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::viewer::{Say, Show, Viewer};
use crate::{Desktop, Error};

const PAGE: &str = include_str!("page.html");

/// Nothing from elsewhere, nobody around it, nothing kept.
const PAGE_HEAD: &str = "Content-Type: text/html; charset=utf-8\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
    Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n";

/// How many may look at once, and how many connections there may be.
const MOST_VIEWERS: usize = 16;
const MOST_CONNECTIONS: usize = 64;

/// How long a request may be, in bytes, and how long it may take to come.
const LONGEST_HEAD: usize = 8 << 10;
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long what a viewer says may be, in bytes.
const LONGEST_MESSAGE: usize = 64 << 10;

/// How long a viewer may take to read, to draw, or to answer when it is asked whether it is there; and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const ASK: Duration = Duration::from_secs(15);

/// The value that RFC 6455 has every server append.
const WEB_SOCKET: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is served.
pub(crate) struct Served {
    pub(crate) token: String,
    pub(crate) show: Show,
    /// Connects a viewer.
    pub(crate) meet: Box<dyn Fn() -> Result<Desktop, Error> + Send + Sync>,
    /// Is told how many look, whenever that changes.
    pub(crate) told: Box<dyn Fn(&AtomicUsize) + Send + Sync>,
}

/// A port of this machine.
pub(crate) fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

/// Serves until the process is ended.
pub(crate) fn serve(listener: &TcpListener, served: Served) -> io::Result<Infallible> {
    let served = Arc::new(served);
    let (connections, viewers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            // It has gone already, or we have too many files open.
            Err(_) => {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        let Some(connected) = Counted::one(&connections, MOST_CONNECTIONS) else { continue };
        let (served, viewers) = (Arc::clone(&served), Arc::clone(&viewers));
        // Without a thread it is as with too many: the connection is closed.
        let _ = std::thread::Builder::new().name("viewer".to_owned()).spawn(move || {
            let _connected = connected;
            // Whatever failed, the viewer has gone.
            let _ = answer(stream, &served, &viewers);
        });
    }
}

/// One of at most so many.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(count: &Arc<AtomicUsize>, most: usize) -> Option<Counted> {
        let more = |count: usize| (count < most).then_some(count + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Counted(Arc::clone(count)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers the one request of a connection.
fn answer(mut stream: TcpStream, served: &Served, viewers: &Arc<AtomicUsize>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(HEAD_TIME))?;
    let head = read_head(&mut stream)?;
    let request = match Request::parse(&head) {
        Ok(request) => request,
        Err(status) => return refuse(&mut stream, status),
    };
    if let Err(status) = request.is_allowed(&served.token) {
        return refuse(&mut stream, status);
    }
    let Some(key) = request.key else {
        let length = PAGE.len();
        write!(stream, "HTTP/1.1 200 OK\r\n{PAGE_HEAD}Content-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}")?;
        return finish(&mut stream);
    };
    let Some(looking) = Counted::one(viewers, MOST_VIEWERS) else {
        return refuse(&mut stream, "503 Too Many Viewers");
    };
    let Ok(desktop) = (served.meet)() else { return refuse(&mut stream, "503 No Desktop") };
    let Ok(viewer) = Viewer::new(&desktop, served.show) else { return refuse(&mut stream, "503 No Desktop") };
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(WEB_SOCKET).finalize());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    (served.told)(viewers);
    let attended = attend(stream, viewer);
    drop(looking);
    (served.told)(viewers);
    attended
}

/// What came up to the empty line that ends a head.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + HEAD_TIME;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => head.extend_from_slice(&piece[..length]),
        }
    }
    Ok(head)
}

fn refuse(stream: &mut TcpStream, status: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    finish(stream)
}

/// Closes after the other side has, so that what was sent last is not lost.
fn finish(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut rest = [0; 1024];
    for _ in 0..8 {
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// What of a request matters.
#[derive(Debug, PartialEq)]
struct Request<'a> {
    host: &'a str,
    origin: Option<&'a str>,
    token: Option<&'a str>,
    /// Of a WebSocket.
    key: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Else the status that it is refused with.
    fn parse(head: &'a [u8]) -> Result<Request<'a>, &'static str> {
        const BAD: &str = "400 Bad Request";
        let head = std::str::from_utf8(head).map_err(|_| BAD)?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(BAD);
        };
        if method != "GET" {
            return Err("405 Method Not Allowed");
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut host, mut origin, mut key, mut upgrade, mut version) = (None, None, None, None, None);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(BAD)?;
            let known = match name.to_ascii_lowercase().as_str() {
                "host" => &mut host,
                "origin" => &mut origin,
                "sec-websocket-key" => &mut key,
                "sec-websocket-version" => &mut version,
                "upgrade" => &mut upgrade,
                _ => continue,
            };
            // Said twice, they may be understood in two ways.
            if known.replace(value.trim()).is_some() {
                return Err(BAD);
            }
        }
        let host = host.ok_or(BAD)?;
        match path {
            "/" => Ok(Request { host, origin, token: None, key: None }),
            "/ws" => {
                let is_upgrade = upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
                if !is_upgrade || version != Some("13") || key.is_none() {
                    return Err("426 Upgrade Required");
                }
                let token = query.split('&').find_map(|pair| pair.strip_prefix("token="));
                Ok(Request { host, origin, token, key })
            }
            _ => Err("404 Not Found"),
        }
    }

    /// Not from a page of somebody else's, whatever name he has given our address; and only with the token.
    fn is_allowed(&self, token: &str) -> Result<(), &'static str> {
        let name = match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => self.host,
        };
        if !["127.0.0.1", "localhost", "[::1]"].contains(&name) {
            return Err("403 Forbidden");
        }
        if self.origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(self.host)) {
            return Err("403 Forbidden");
        }
        if self.key.is_some() && !is_same(self.token.unwrap_or_default(), token) {
            return Err("401 Unauthorized");
        }
        Ok(())
    }
}

/// Takes as long for a token that is nearly right as for any other.
fn is_same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
    given.len() == token.len() && std::hint::black_box(differences) == 0
}

/// Speaks with a viewer until it goes, does not answer, or says what it may not.
fn attend(stream: TcpStream, mut viewer: Viewer<'_>) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let (mut heard, mut asked) = (Instant::now(), Instant::now());
    // Since when what was said is not read.
    let mut stuck: Option<Instant> = None;
    loop {
        let now = Instant::now();
        let end = match hear(&mut socket, &mut viewer, &mut heard) {
            Ok(()) if stuck.is_some() => Ok(()),
            Ok(()) => say(&mut socket, &mut viewer, &mut stuck),
            Err(end) => Err(end),
        };
        if let Err(end) = end {
            return bye(&mut socket, end);
        }
        let (waited, owes) = (stuck.map_or(Duration::ZERO, |since| now - since), viewer.owes(now));
        if waited.max(owes).max(now.saturating_duration_since(heard + ASK)) > PATIENCE {
            return Ok(());
        }
        if now > heard.max(asked) + ASK && stuck.is_none() {
            asked = now;
            unless_blocked(socket.write(Message::Ping(Vec::new().into())), &mut stuck).map_err(io::Error::other)?;
        }
        let wake = viewer.wake().filter(|_| stuck.is_none()).map_or(now + ASK, |wake| wake.min(now + ASK));
        let events = if stuck.is_some() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let left = Timespec::try_from(wake.saturating_duration_since(Instant::now())).expect("it is short");
        let mut fds = [PollFd::new(socket.get_ref(), events), PollFd::new(&viewer, PollFlags::IN)];
        // What the server tells can wait while the viewer does not read.
        let count = if stuck.is_some() || viewer.is_full() { 1 } else { 2 };
        match poll(&mut fds[..count], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if stuck.is_some() {
            stuck = stuck.filter(|_| !is_flushed(&mut socket));
        }
    }
}

/// Why a viewer is left.
enum End {
    /// It has gone, or speaks no WebSocket.
    Gone,
    /// It says what it may not.
    Refused(String),
    /// There is no desktop.
    Lost,
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        if let Error::Invalid(why) = error { End::Refused(why) } else { End::Lost }
    }
}

type Socket = WebSocket<TcpStream>;

/// All that a viewer has said.
fn hear(socket: &mut Socket, viewer: &mut Viewer<'_>, heard: &mut Instant) -> Result<(), End> {
    loop {
        match socket.read() {
            Ok(message) => {
                *heard = Instant::now();
                match message {
                    Message::Text(text) => viewer.hear(&text, *heard)?,
                    Message::Binary(_) => return Err(End::Refused("understand the viewer: no text".to_owned())),
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
                }
            }
            Err(error) if is_blocked(&error) => return Ok(()),
            Err(_) => return Err(End::Gone),
        }
    }
}

/// What a viewer is to be told, as far as it reads.
fn say(socket: &mut Socket, viewer: &mut Viewer<'_>, stuck: &mut Option<Instant>) -> Result<(), End> {
    while stuck.is_none() {
        let message = match viewer.next(Instant::now())? {
            Some(Say::Text(text)) => Message::Text(text.into()),
            Some(Say::Bytes(bytes)) => Message::Binary(bytes.into()),
            None => break,
        };
        let written = socket.write(message).and_then(|()| socket.flush());
        unless_blocked(written, stuck).map_err(|_| End::Gone)?;
    }
    Ok(())
}

fn unless_blocked(
    written: Result<(), tungstenite::Error>,
    stuck: &mut Option<Instant>,
) -> Result<(), tungstenite::Error> {
    match written {
        Err(error) if is_blocked(&error) => *stuck = Some(Instant::now()),
        written => written?,
    }
    Ok(())
}

fn is_blocked(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether all that was said is on its way.
fn is_flushed(socket: &mut Socket) -> bool {
    // Another failure is seen when it is read from.
    !matches!(socket.flush(), Err(error) if is_blocked(&error))
}

/// Tells why, once: who does not read it has gone.
fn bye(socket: &mut Socket, end: End) -> io::Result<()> {
    let (code, why) = match end {
        End::Gone => return Ok(()),
        End::Refused(why) => (CloseCode::Policy, why),
        End::Lost => (CloseCode::Restart, "the desktop has gone".to_owned()),
    };
    // No frame of this kind is longer.
    let why: String = why
        .chars()
        .scan(0, |length, char| {
            *length += char.len_utf8();
            (*length <= 120).then_some(char)
        })
        .collect();
    socket.get_ref().set_nonblocking(false)?;
    let frame = CloseFrame { code, reason: why.into() };
    socket.close(Some(frame)).and_then(|()| socket.flush()).map_err(io::Error::other)?;
    finish(socket.get_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Result<(), &'static str> {
        let head = head.replace('\n', "\r\n") + "\r\n\r\n";
        Request::parse(head.as_bytes()).and_then(|request| request.is_allowed("0123abcd"))
    }

    #[test]
    fn only_requests_from_here_with_the_token_are_answered() {
        const SOCKET: &str = "Upgrade: WebSocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAA";
        assert_eq!(status("GET / HTTP/1.1\nHost: 127.0.0.1:8080"), Ok(()));
        assert_eq!(status("GET /?a=b HTTP/1.1\nHost: localhost\nOrigin: http://localhost"), Ok(()));
        assert_eq!(status("GET / HTTP/1.1\nHost: [::1]:80"), Ok(()));
        let ws = |target: &str, host: &str, more: &str| status(&format!("GET {target} HTTP/1.1\nHost: {host}\n{more}"));
        let (good, host) = ("/ws?token=0123abcd", "127.0.0.1:80");
        assert_eq!(ws(good, host, SOCKET), Ok(()));
        assert_eq!(ws(good, host, &format!("{SOCKET}\nOrigin: http://127.0.0.1:80")), Ok(()));
        for target in ["/ws", "/ws?token=", "/ws?token=0123abce", "/ws?token=0123abcd0", "/ws?token=0123"] {
            assert_eq!(ws(target, host, SOCKET), Err("401 Unauthorized"), "{target}");
        }
        for origin in ["http://evil.example", "http://127.0.0.1:81", "https://127.0.0.1:80", "null", ""] {
            assert_eq!(ws(good, host, &format!("{SOCKET}\nOrigin: {origin}")), Err("403 Forbidden"), "{origin}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost:80:80", "", "127.0.0.1:x"] {
            assert_eq!(ws(good, host, SOCKET), Err("403 Forbidden"), "{host}");
            assert_eq!(ws("/", host, ""), Err("403 Forbidden"), "{host}");
        }
        assert_eq!(ws(good, host, "Upgrade: websocket"), Err("426 Upgrade Required"));
        assert_eq!(ws("/other", host, ""), Err("404 Not Found"));
        assert_eq!(status("POST / HTTP/1.1\nHost: localhost"), Err("405 Method Not Allowed"));
        for bad in
            ["GET / HTTP/1.1", "GET /", "", "GET / HTTP/1.1\nHost: localhost\nHost: localhost", "GET / HTTP/1.1\nHost"]
        {
            assert_eq!(status(bad), Err("400 Bad Request"), "{bad}");
        }
    }
}
