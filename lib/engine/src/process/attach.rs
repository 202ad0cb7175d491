//! A process's terminal in ours: what it has shown, what it shows, and our keys.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use host::pty::RawMode;
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
    Shown(Letter, Vec<u8>),
    Gone,
}

/// Shows the terminal of a process in ours until it ends or `detach_key` is typed. `scrollback`: how much of what it has
/// shown is shown again, in bytes.
///
/// # Errors
/// When we have no terminal, or the process has none or does not run.
pub fn attach(store: &Path, process: &Process, detach_key: u8, scrollback: usize) -> Result<Attached, Error> {
    let mut line = connect(store, process)?;
    let raw = RawMode::enter()?;
    let failed = |source| Error::File { doing: "use", path: "/dev/tty".into(), source };
    let mut size = raw.size();
    let (cols, rows) = size.map_or((80, 24), |size| (size.cols, size.rows));
    let request = serde_json::to_vec(&Request::Attach(cols, rows)).expect("it has string keys");
    let answer = ask(&mut line, process, Letter::Request, &request)?;

    let mut terminal = raw.terminal();
    let mut screen = Screen::default();
    let mut seen = Vec::new();
    for piece in shown_before(store, process, answer.last_sequence, scrollback)? {
        screen.feed(&piece, &mut seen);
    }
    if answer.other_screen && !screen.is_other() {
        seen.splice(0..0, *b"\x1b[?1049h");
    }
    seen.extend(answer.modes.as_bytes());
    let mut ignored = Vec::new();
    screen.feed(answer.modes.as_bytes(), &mut ignored);
    terminal.write_all(&seen).map_err(failed)?;

    let (tell, told) = channel();
    read_keys(raw.terminal().try_clone().map_err(failed)?, tell.clone());
    read_line(line.try_clone().map_err(failed)?, tell);
    let end = loop {
        let event = told.recv_timeout(Duration::from_millis(100));
        // A terminal that changes is looked at now and then, however much is typed and shown meanwhile: its signal
        // would need a handler in this thread.
        if raw.size() != size {
            size = raw.size();
            if let Some(size) = size {
                let request = Request::Resize(size.cols, size.rows);
                let bytes = serde_json::to_vec(&request).expect("it has string keys");
                if wire::write(&line, Letter::Request, &bytes).is_err() {
                    break Attached::Ended(None);
                }
            }
        }
        let Ok(event) = event else { continue };
        match event {
            Event::Keys(keys) => {
                let until = keys.iter().position(|key| *key == detach_key);
                let keys = &keys[..until.unwrap_or(keys.len())];
                if !keys.is_empty() && wire::write(&line, Letter::Input, keys).is_err() {
                    break Attached::Ended(None);
                }
                if until.is_some() {
                    break Attached::Detached;
                }
            }
            Event::NoKeys => break Attached::Detached,
            Event::Shown(Letter::Output, bytes) => {
                ignored.clear();
                screen.feed(&bytes, &mut ignored);
                terminal.write_all(&bytes).map_err(failed)?;
            }
            Event::Shown(Letter::End, bytes) => break Attached::Ended(serde_json::from_slice(&bytes).ok()),
            Event::Shown(Letter::Answer | Letter::Request | Letter::Input, _) => {}
            Event::Gone => break Attached::Ended(None),
        }
    };
    // A terminal that has gone needs no restoring.
    let _ = terminal.write_all(&screen.undo()).and_then(|()| terminal.write_all(b"\r\n"));
    Ok(end)
}

/// The last of what it showed up to a record.
fn shown_before(store: &Path, process: &Process, up_to: i64, most: usize) -> Result<Vec<Vec<u8>>, Error> {
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
fn read_keys(mut terminal: std::fs::File, tell: Sender<Event>) {
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

fn read_line(line: UnixStream, tell: Sender<Event>) {
    std::thread::spawn(move || {
        loop {
            let event = match wire::read(&line) {
                Ok(Some((letter, bytes))) => Event::Shown(letter, bytes),
                Ok(None) | Err(_) => Event::Gone,
            };
            let last = matches!(event, Event::Gone);
            if tell.send(event).is_err() || last {
                return;
            }
        }
    });
}
