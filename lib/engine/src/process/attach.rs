//! A process's terminal in ours: what it has shown, what it shows, and our keys.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use host::pty::{RawMode, Size};
use schema::process::ExitData;
use store::{Access, Kind, Output, Process, SelectOutput};

use super::control::{ask, connect};
use super::screen::Screen;
use super::wire::{self, Letter, Request};
use crate::error::Error;

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Attached {
    /// The person left; the process goes on.
    Detached,
    /// The process has ended.
    Ended(Option<ExitData>),
}

enum Event {
    Keys(Vec<u8>),
    /// Nothing more is typed.
    NoKeys,
    /// By the line of this number.
    Shown(u32, Letter, Vec<u8>),
    /// The line of this number has broken.
    Gone(u32),
}

/// How many events wait while our terminal is slow: a key is not to wait for long behind what is shown.
const QUEUE: usize = 4;

/// How much is shown again to who was too slow for the process and missed some, in bytes.
pub(super) const CAUGHT_UP: usize = 16 << 10;

/// What is shown in our terminal, and the line to its keeper that it comes by.
struct View<'a> {
    store: &'a Path,
    process: &'a Process,
    terminal: File,
    /// Of our terminal.
    size: Option<Size>,
    line: UnixStream,
    screen: Screen,
    /// The lines so far: a keeper cuts off who is too slow, and we go on with what it shows then.
    number: u32,
    tell: SyncSender<Event>,
}

/// Shows the terminal of a process in ours until it ends or `detach_key` is typed. `scrollback`: how much of what it has
/// shown is shown again, in bytes.
///
/// # Errors
/// When we have no terminal, or the process has none or does not run.
pub fn attach(store: &Path, process: &Process, detach_key: u8, scrollback: usize) -> Result<Attached, Error> {
    let raw = RawMode::enter()?;
    let (tell, told) = sync_channel(QUEUE);
    let keys = raw.terminal().try_clone().map_err(unusable)?;
    let mut view = View::begin(store, process, raw.terminal(), raw.size(), scrollback, tell.clone())?;
    read_keys(keys, tell);
    let mut ignored = Vec::new();
    let end = loop {
        let event = told.recv_timeout(Duration::from_millis(100));
        // A terminal that changes is looked at now and then, however much is typed and shown meanwhile: its signal
        // would need a handler in this thread.
        view.resize(raw.size());
        let Ok(event) = event else { continue };
        match event {
            Event::Keys(keys) => {
                let until = keys.iter().position(|key| *key == detach_key);
                let keys = &keys[..until.unwrap_or(keys.len())];
                let lost = !keys.is_empty() && wire::write(&view.line, Letter::Input, keys).is_err();
                if until.is_some() {
                    break Attached::Detached;
                }
                // What was typed while the line broke goes the next way.
                if lost && !(view.go_on()? && wire::write(&view.line, Letter::Input, keys).is_ok()) {
                    break Attached::Ended(None);
                }
            }
            Event::NoKeys => break Attached::Detached,
            Event::Shown(of, ..) | Event::Gone(of) if of != view.number => {}
            Event::Shown(_, Letter::Output, bytes) => {
                ignored.clear();
                view.screen.feed(&bytes, &mut ignored);
                view.terminal.write_all(&bytes).map_err(unusable)?;
            }
            Event::Shown(_, Letter::End, bytes) => break Attached::Ended(serde_json::from_slice(&bytes).ok()),
            Event::Shown(_, Letter::Answer | Letter::Request | Letter::Input, _) => {}
            Event::Gone(_) => {
                if !view.go_on()? {
                    break Attached::Ended(None);
                }
            }
        }
    };
    // A terminal that has gone needs no restoring.
    let _ = view.terminal.write_all(&view.screen.undo()).and_then(|()| view.terminal.write_all(b"\r\n"));
    Ok(end)
}

impl<'a> View<'a> {
    fn begin(
        store: &'a Path,
        process: &'a Process,
        terminal: &File,
        size: Option<Size>,
        scrollback: usize,
        tell: SyncSender<Event>,
    ) -> Result<Self, Error> {
        let terminal = terminal.try_clone().map_err(unusable)?;
        let (line, screen, seen) = begin(store, process, size, scrollback)?;
        let mut view = Self { store, process, terminal, size, line, screen, number: 0, tell };
        view.show(&seen)?;
        Ok(view)
    }

    /// Takes another line in place of one that broke. `false`: there is none.
    fn go_on(&mut self) -> Result<bool, Error> {
        let Ok((line, screen, seen)) = begin(self.store, self.process, self.size, CAUGHT_UP) else { return Ok(false) };
        let mut bytes = self.screen.undo();
        bytes.extend(seen);
        (self.line, self.screen, self.number) = (line, screen, self.number + 1);
        self.show(&bytes)?;
        Ok(true)
    }

    /// Shows what brings our terminal to where a new line begins, and from then on what comes by it.
    fn show(&mut self, seen: &[u8]) -> Result<(), Error> {
        self.terminal.write_all(seen).map_err(unusable)?;
        read_line(self.line.try_clone().map_err(unusable)?, self.number, self.tell.clone());
        Ok(())
    }

    fn resize(&mut self, size: Option<Size>) {
        if size == self.size {
            return;
        }
        self.size = size;
        if let Some(size) = size {
            // A line that has broken tells of it by itself, and the next one begins with the size.
            let _ = wire::write(&self.line, Letter::Request, &Request::Resize(size.cols, size.rows).bytes());
        }
    }
}

fn unusable(source: std::io::Error) -> Error {
    Error::File { doing: "use", path: "/dev/tty".into(), source }
}

/// A line to its keeper, the screen as it is, and what brings a terminal of this size there; without one it keeps its own.
pub(super) fn begin(
    store: &Path,
    process: &Process,
    size: Option<Size>,
    scrollback: usize,
) -> Result<(UnixStream, Screen, Vec<u8>), Error> {
    let mut line = connect(store, process)?;
    let (cols, rows) = size.map_or((0, 0), |size| (size.cols, size.rows));
    let answer = ask(&mut line, process, Letter::Request, &Request::Attach(cols, rows).bytes())?;
    let (mut screen, mut seen) = (Screen::default(), Vec::new());
    for piece in shown_before(store, process, answer.last_sequence, scrollback)? {
        screen.feed(&piece, &mut seen);
    }
    if answer.other_screen && !screen.is_other() {
        seen.splice(0..0, *b"\x1b[?1049h");
    }
    seen.extend(answer.modes.as_bytes());
    screen.feed(answer.modes.as_bytes(), &mut Vec::new());
    Ok((line, screen, seen))
}

/// The last of what it showed up to a record.
pub(super) fn shown_before(store: &Path, process: &Process, up_to: i64, most: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut pieces = Vec::new();
    if most == 0 {
        return Ok(pieces);
    }
    let output = Output::open(store, Access::Read)?;
    let select =
        SelectOutput { after: 0, kinds: &[Kind::Pty], since: None, reverse: true, limit: usize::MAX, bytes: most };
    output.read(process.no, &select, &mut |record| {
        if record.sequence <= up_to {
            pieces.push(record.data.to_vec());
        }
    })?;
    pieces.reverse();
    Ok(pieces)
}

/// The threads end with this process.
fn read_keys(mut terminal: File, tell: SyncSender<Event>) {
    std::thread::spawn(move || {
        let mut space = [0; 4096];
        loop {
            let event = match terminal.read(&mut space) {
                Ok(0) | Err(_) => Event::NoKeys,
                Ok(count) => Event::Keys(space[..count].to_vec()),
            };
            let last = matches!(event, Event::NoKeys);
            if tell.send(event).is_err() || last {
                return;
            }
        }
    });
}

fn read_line(line: UnixStream, number: u32, tell: SyncSender<Event>) {
    std::thread::spawn(move || {
        loop {
            let event = match wire::read(&line) {
                Ok(Some((letter, bytes))) => Event::Shown(number, letter, bytes),
                Ok(None) | Err(_) => Event::Gone(number),
            };
            let last = matches!(event, Event::Gone(_));
            if tell.send(event).is_err() || last {
                return;
            }
        }
    });
}
