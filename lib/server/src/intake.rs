//! A body of any size as something that a thread reads: never in memory as a whole, and never taken for whole when it broke off.

use std::io::{self, BufRead, Read};
use std::pin::Pin;

use hyper::body::{Body as _, Buf, Bytes, Incoming};
use tokio::sync::mpsc::{self, Receiver};

use crate::body::PAUSE;

/// What a client sends. Blocks the thread that reads it.
pub(crate) struct Intake {
    pieces: Receiver<io::Result<Bytes>>,
    rest: Bytes,
    ended: bool,
}

impl Intake {
    pub(crate) fn new(mut body: Incoming) -> Intake {
        let (sender, pieces) = mpsc::channel(4);
        tokio::spawn(async move {
            loop {
                let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
                let piece = match tokio::time::timeout(PAUSE, frame).await {
                    Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the rest of the body did not come")),
                    Ok(Some(Err(_))) => Err(broken()),
                    Ok(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) if !data.is_empty() => Ok(data),
                        Ok(_) | Err(_) => continue,
                    },
                    // An empty piece is the end: a channel that is only closed is none.
                    Ok(None) => Ok(Bytes::new()),
                };
                let last = piece.as_ref().map_or(true, Bytes::is_empty);
                // Whoever reads it may have had enough.
                if sender.send(piece).await.is_err() || last {
                    return;
                }
            }
        });
        Intake { pieces, rest: Bytes::new(), ended: false }
    }
}

impl Read for Intake {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(bytes)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Intake {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.is_empty() && !self.ended {
            self.rest = self.pieces.blocking_recv().unwrap_or_else(|| Err(broken()))?;
            self.ended = self.rest.is_empty();
        }
        Ok(&self.rest)
    }

    fn consume(&mut self, count: usize) {
        self.rest.advance(count);
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the body broke off")
}
