//! A process's terminal for somebody elsewhere: what it has shown, what it shows, and what is typed there.

use std::path::{Path, PathBuf};

use schema::process::ExitData;
use store::{Process, ProcessState};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Error as Why;
use super::attach::{CAUGHT_UP, begin, shown_before};
use super::screen::Screen;
use super::wire::{self, Letter, Request};
use crate::error::Error;

/// How much of what was typed may wait for a program that does not read, in messages.
const MOST_TYPED: usize = 64;

/// How much is typed at once, in bytes.
const PIECE: usize = 64 << 10;

/// What a terminal shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Bytes for the screen.
    Bytes(Vec<u8>),
    /// The program has ended, as far as it is known how.
    Ended {
        /// Its exit code, if it exited.
        exit_code: Option<i64>,
        /// The signal that ended it.
        signal: Option<i64>,
    },
}

/// A place before the terminal of a process.
pub struct Seat {
    store: PathBuf,
    process: Process,
    screen: Screen,
    /// What is to be shown before anything else.
    seen: Vec<u8>,
    line: Line,
}

struct Line {
    type_: mpsc::Sender<(Letter, Vec<u8>)>,
    shown: mpsc::Receiver<(Letter, Vec<u8>)>,
}

impl Seat {
    /// Takes a seat; first it shows the last `scrollback` bytes again. The terminal keeps its size. Blocks for a moment, and
    /// needs the runtime that it is used in.
    ///
    /// # Errors
    /// [`Why::Refused`] when it has no terminal.
    pub fn take(store: &Path, process: &Process, scrollback: usize) -> Result<Seat, Error> {
        let (store, process) = (store.to_owned(), process.clone());
        match begin(&store, &process, None, scrollback) {
            Ok((line, screen, seen)) => Ok(Seat { line: Line::new(line)?, store, process, screen, seen }),
            Err(Error::Process(Why::NotRunning(_))) => {
                let seen = shown_before(&store, &process, i64::MAX, scrollback)?.concat();
                Ok(Seat { line: Line::broken(), store, process, screen: Screen::default(), seen })
            }
            Err(error) => Err(error),
        }
    }

    /// What is shown next. Cancel-safe; not to be asked after the end.
    pub async fn next(&mut self) -> Shown {
        loop {
            if !self.seen.is_empty() {
                return Shown::Bytes(std::mem::take(&mut self.seen));
            }
            match self.line.shown.recv().await {
                Some((Letter::Output, bytes)) => {
                    self.screen.feed(&bytes, &mut Vec::new());
                    return Shown::Bytes(bytes);
                }
                Some((Letter::End, bytes)) => {
                    let Ok(ExitData { exit_code, signal, .. }) = serde_json::from_slice(&bytes) else { continue };
                    return Shown::Ended { exit_code, signal };
                }
                Some((Letter::Answer | Letter::Request | Letter::Input, _)) => {}
                None => {
                    if let Some(end) = self.go_on().await {
                        return end;
                    }
                }
            }
        }
    }

    /// Types something. `false`: the program has not read what was typed before.
    pub fn type_in(&self, bytes: &[u8]) -> bool {
        bytes.chunks(PIECE).all(|piece| self.line.type_.try_send((Letter::Input, piece.to_owned())).is_ok())
    }

    /// Sets the size of the terminal, for all who look at it. `false`: as for [`Seat::type_in`].
    pub fn resize(&self, cols: u16, rows: u16) -> bool {
        self.line.type_.try_send((Letter::Request, Request::Resize(cols, rows).bytes())).is_ok()
    }

    /// Takes another line in place of one that broke, as a keeper breaks that of somebody who is too slow; else the end.
    async fn go_on(&mut self) -> Option<Shown> {
        let (store, process) = (self.store.clone(), self.process.clone());
        let again = spawn_blocking(move || match begin(&store, &process, None, CAUGHT_UP) {
            Ok((line, screen, seen)) => Line::new(line).ok().map(|line| Again::Line(line, screen, seen)),
            Err(_) => super::find(&store, &process.process_id).ok().map(|process| Again::Ended(process.state)),
        });
        match again.await.ok().flatten() {
            Some(Again::Line(line, screen, seen)) => {
                let mut bytes = self.screen.undo();
                bytes.extend(seen);
                (self.line, self.screen, self.seen) = (line, screen, bytes);
                None
            }
            Some(Again::Ended(state)) => Some(Shown::Ended { exit_code: state.exit_code, signal: state.signal }),
            None => Some(Shown::Ended { exit_code: None, signal: None }),
        }
    }
}

/// What there is when a line broke.
enum Again {
    Line(Line, Screen, Vec<u8>),
    Ended(ProcessState),
}

impl Line {
    fn new(line: std::os::unix::net::UnixStream) -> Result<Line, Error> {
        let unusable = |source| Error::File { doing: "use", path: "the line to a process".into(), source };
        line.set_nonblocking(true).map_err(unusable)?;
        let (mut from, mut to) = UnixStream::from_std(line).map_err(unusable)?.into_split();
        let (type_, mut typed) = mpsc::channel::<(Letter, Vec<u8>)>(MOST_TYPED);
        let (show, shown) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Some((letter, bytes)) = typed.recv().await {
                if wire::send(&mut to, letter, &bytes).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    frame = wire::receive(&mut from) => match frame {
                        Ok(Some(frame)) => if show.send(frame).await.is_err() { return },
                        Ok(None) | Err(_) => return,
                    },
                    () = show.closed() => return,
                }
            }
        });
        Ok(Line { type_, shown })
    }

    fn broken() -> Line {
        Line { type_: mpsc::channel(1).0, shown: mpsc::channel(1).1 }
    }
}
