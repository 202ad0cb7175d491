//! What a verb says while it works, as the body of an answer: at the pace of its client, in a thread of its own, ended when the client has left.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_blocking;

use crate::body::Body;
use crate::events::HEARTBEAT;
use crate::listen::Server;
use crate::problem::{Kind, Problem};

/// What is sent at once, unless it is to go at once: bytes.
const PIECE: usize = 64 << 10;
/// How long a client may not read before its connection is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Server-sent events: they are sent at once, and where there are none a heartbeat is.
pub(crate) const EVENTS: &str = "text/event-stream";

/// Where a verb says what it has to say. Blocks while the client does not read; broken once it has left.
pub(crate) struct Outlet {
    pieces: Sender<Result<Bytes, Problem>>,
    gathered: Vec<u8>,
    gone: PipeWriter,
}

/// What comes out of an outlet.
pub(crate) struct Said {
    pieces: Receiver<Result<Bytes, Problem>>,
    /// Closed with this, which is how the thread hears of it.
    _reader: PipeReader,
}

impl Outlet {
    pub(crate) fn new() -> Result<(Outlet, Said), Problem> {
        let failed = |error| Problem::new(Kind::Unavailable, format!("failed to make a pipe: {error}"));
        let (reader, gone) = io::pipe().map_err(failed)?;
        let (sender, pieces) = mpsc::channel(1);
        Ok((Outlet { pieces: sender, gathered: Vec::new(), gone }, Said { pieces, _reader: reader }))
    }

    /// Says all that `work` says, and its end.
    pub(crate) fn carry_out(mut self, work: impl FnOnce(&mut Outlet) -> Result<(), Problem>) {
        let done = work(&mut self);
        // Whoever has left needs no end.
        let _ = match done {
            // An empty piece is the end: a thread that only stopped has not come to it.
            Ok(()) => self.flush().and_then(|()| self.send(Ok(Bytes::new()))),
            Err(problem) => self.send(Err(problem)),
        };
    }

    /// A piece as it is, behind what was gathered.
    pub(crate) fn give(&mut self, piece: Vec<u8>) -> io::Result<()> {
        self.flush()?;
        self.send(Ok(piece.into()))
    }

    /// A descriptor that hangs up when the client leaves.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.gone.as_fd()
    }

    fn send(&self, piece: Result<Bytes, Problem>) -> io::Result<()> {
        self.pieces.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, Vec::with_capacity(PIECE));
        self.send(Ok(piece.into()))
    }
}

/// What is done in a thread for one client.
pub(crate) type Work = Box<dyn FnOnce(&mut Outlet) -> Result<(), Problem> + Send>;

/// An answer of what `work` says. What goes wrong before it has said anything is the answer; later it breaks the body off.
pub(crate) async fn answer(
    server: &Arc<Server>,
    media: &'static str,
    length: Option<u64>,
    work: Work,
) -> Result<Response<Body>, Problem> {
    let turn = server.hub.long_turn().await?;
    let (outlet, said) = Outlet::new()?;
    spawn_blocking(move || {
        outlet.carry_out(work);
        drop(turn);
    });
    said.answer(server, media, length).await
}

impl Said {
    /// The answer, once its first piece is there.
    pub(crate) async fn answer(
        mut self,
        server: &Arc<Server>,
        media: &'static str,
        length: Option<u64>,
    ) -> Result<Response<Body>, Problem> {
        let stopped = || Err(Problem::new(Kind::Internal, "failed to finish"));
        let body = match self.pieces.recv().await.unwrap_or_else(stopped)? {
            first if first.is_empty() => Body::Whole(Some(Bytes::new())),
            first => {
                let (sender, receiver) = mpsc::channel(1);
                let pump = Pump { server: Arc::clone(server), said: self, to: sender, live: media == EVENTS };
                tokio::spawn(pump.run(first));
                Body::Piped(receiver, length)
            }
        };
        Ok(answer_of(media, body))
    }
}

/// An answer that is for this client and this moment only.
pub(crate) fn answer_of(media: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Between the thread, which waits for ever, and the client, which is not waited for so long.
struct Pump {
    server: Arc<Server>,
    said: Said,
    to: Sender<io::Result<Bytes>>,
    live: bool,
}

impl Pump {
    async fn run(mut self, first: Bytes) {
        let mut next = Ok(first);
        loop {
            let broken = next.is_err();
            let sent = self.to.send(next.map_err(|_| io::ErrorKind::UnexpectedEof.into()));
            if broken || !matches!(tokio::time::timeout(PATIENCE, sent).await, Ok(Ok(()))) {
                return;
            }
            next = tokio::select! {
                said = self.said.pieces.recv() => match said {
                    Some(Ok(piece)) if piece.is_empty() => return,
                    Some(said) => said,
                    None => Err(Problem::new(Kind::Internal, "failed to finish")),
                },
                () = tokio::time::sleep(HEARTBEAT), if self.live => Ok(Bytes::from_static(b": heartbeat\n\n")),
                () = self.to.closed() => return,
                () = self.server.stopping(), if self.live => return,
            };
        }
    }
}
