//! A connection of either kind: what is sent is counted, and what hyper refuses by itself is said in the one format of an error.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::listen::Server;
use crate::problem::{Kind, Problem};

/// What both kinds of socket can do.
pub(crate) trait Stream: AsyncRead + AsyncWrite + AsFd + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + AsFd + Send + Unpin> Stream for T {}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    server: Arc<Server>,
    /// What is said in place of hyper's words, and how much of it was sent.
    instead: Option<(Vec<u8>, usize)>,
    /// Until when it reads on after its last word.
    lingers: Option<Pin<Box<Sleep>>>,
    /// When it is looked whether the client is still there.
    look: Pin<Box<Sleep>>,
}

/// For how long.
const LINGER: Duration = Duration::from_secs(1);
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(15);

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, server: Arc<Server>) -> Wire {
        Wire { stream, server, instead: None, lingers: None, look: Box::pin(sleep(LOOK)) }
    }

    fn count(&self, sent: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if let Poll::Ready(Ok(count)) = &sent {
            self.server.numbers.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        sent
    }
}

/// The answer in place of one that hyper makes by itself, before any request is there: to what is no HTTP or has too large a head. It has no body then, and
/// not the number that every answer of ours has.
fn instead_of(head: &[u8]) -> Option<Vec<u8>> {
    let status = head.strip_prefix(b"HTTP/1.1 ")?;
    let text = std::str::from_utf8(head).ok().filter(|text| text.len() < 256 && text.ends_with("\r\n\r\n"))?;
    if !status.starts_with(b"4") || text.contains("x-request-id") {
        return None;
    }
    let problem = match status.get(..3)? {
        b"431" | b"414" => Problem::new(Kind::HeadTooLarge, "the head of the request must not be larger than 64 KiB"),
        _ => Problem::invalid("failed to read the head of the request: it is no HTTP/1.1"),
    };
    let ((status, title), body) = (problem.status(), problem.document().to_string());
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    Some((head + &body).into_bytes())
}

impl AsyncRead for Wire {
    /// (Whoever waits for anything here waits for its end too.)
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        while self.look.as_mut().poll(context).is_ready() {
            // The kernel would try for a quarter of an hour.
            if host::socket::is_gone(&self.stream) {
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            self.look.set(sleep(LOOK));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let wire = &mut *self;
        if wire.instead.is_none() {
            wire.instead = instead_of(bytes).map(|answer| (answer, 0));
        }
        if let Some((answer, sent)) = &mut wire.instead {
            while *sent < answer.len() {
                match ready!(Pin::new(&mut wire.stream).poll_write(context, &answer[*sent..]))? {
                    0 => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                    count => *sent += count,
                }
            }
            wire.instead = None;
            return Poll::Ready(Ok(bytes.len()));
        }
        let sent = Pin::new(&mut wire.stream).poll_write(context, bytes);
        wire.count(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if let [only] = pieces {
            return self.poll_write(context, only);
        }
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.count(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// What a client still sends is read for a while: a connection that is closed upon it would take our last answer with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let wire = &mut *self;
        if wire.lingers.is_none() {
            ready!(Pin::new(&mut wire.stream).poll_shutdown(context))?;
            wire.lingers = Some(Box::pin(sleep(LINGER)));
        }
        let mut bytes = [0; 8 << 10];
        loop {
            if wire.lingers.as_mut().is_some_and(|until| until.as_mut().poll(context).is_ready()) {
                return Poll::Ready(Ok(()));
            }
            let mut into = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut wire.stream).poll_read(context, &mut into)) {
                Ok(()) if !into.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
