//! The clipboard: reading what another program holds, and holding a text until another program takes it over.

use std::ffi::OsString;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Failure, Places};
use host::detach::{self, Streams};
use schema::desktop::ClipboardHeldRecord;
use schema::outcome::ErrorCode;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::{ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt, CreateWindowAux, EventMask, PropMode, Property,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use crate::Error;
use crate::connect::Desktop;

/// What is meant by clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// That of copy and paste.
    Clipboard,
    /// What is selected, and pasted with the middle button.
    Primary,
}

/// A text that we hold.
pub struct Holder<'a> {
    desktop: &'a Desktop,
    text: String,
    since: u32,
    selections: Vec<u32>,
    /// Those who get it in pieces: their window, the property, what they asked for, how much they have.
    receivers: Vec<Receiver>,
}

struct Receiver {
    window: u32,
    property: u32,
    kind: u32,
    bytes: Vec<u8>,
    sent: usize,
}

/// Leaves a text with a process in the background, `__keep desktop … clipboard set -`: a clipboard is what its holder
/// answers. The desktop goes by the name of [`crate::connect`], the selection is `clipboard`, `primary` or `both`.
///
/// # Errors
/// What keeps it from holding the text.
pub fn leave_text(
    name: &str,
    store: &Path,
    text: &str,
    selection: &str,
    env: &[(OsString, OsString)],
) -> Result<ClipboardHeldRecord, Failure> {
    // No command line: everybody could read it there, and it may be long.
    let path = Places::beside(store).directory().join(format!("clipboard-{}", schema::ids::unique()));
    let mut file = host::private::file(&path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.rewind());
    let removed = std::fs::remove_file(&path);
    written
        .and(removed)
        .map_err(|error| Failure::new(ErrorCode::Other, format!("failed to write {}: {error}", path.display())))?;
    let flag = if name.starts_with(':') { "--display" } else { "--name" };
    let words = ["__keep", "desktop", flag, name, "--store"].map(OsString::from);
    let more = ["clipboard", "set", "-", "--selection", selection].map(OsString::from);
    let words: Vec<OsString> = words.into_iter().chain([store.as_os_str().to_owned()]).chain(more).collect();
    let streams = Streams { stdin: Some(file), ..Streams::default() };
    let (holder_pid, line) = detach::spawn_self(&words, env, streams)?;
    if line != HELD {
        return Err(Failure::of_background(&line));
    }
    Ok(ClipboardHeldRecord { holder_pid, bytes: text.len() })
}

/// The word of the process in the background once it holds the text.
pub const HELD: &str = "{}";

/// More than this goes in pieces, in bytes.
const PIECE: usize = 256 << 10;

/// The longest property that is read at once, in units of four bytes.
const LONGEST: u32 = 1 << 28;

impl Desktop {
    /// The text of a selection; empty where nobody holds one.
    ///
    /// # Errors
    /// [`Error::Timeout`] when its holder does not answer; [`Error::NoText`] when it holds none.
    pub fn clipboard(&self, selection: Selection, patience: Duration) -> Result<String, Error> {
        let wanted = selection;
        let selection = self.selection(selection);
        let window = self.hidden_window(EventMask::PROPERTY_CHANGE)?;
        // Who goes, or gives it away, while it is asked need not answer any more.
        let changes = SelectionEventMask::SET_SELECTION_OWNER
            | SelectionEventMask::SELECTION_WINDOW_DESTROY
            | SelectionEventMask::SELECTION_CLIENT_CLOSE;
        self.fixes()?.xfixes_select_selection_input(window, selection, changes)?;
        if self.connection.get_selection_owner(selection)?.reply()?.owner == 0 {
            return Ok(String::new());
        }
        let deadline = Instant::now() + patience;
        for kind in [self.atoms.UTF8_STRING, AtomEnum::STRING.into()] {
            let property = self.atoms._SANDBOX_AGENT_CLIPBOARD;
            self.connection.convert_selection(window, selection, kind, property, 0u32)?;
            let answer = loop {
                match self.event(deadline)? {
                    Some(Event::SelectionNotify(answer)) if answer.target == kind => break answer,
                    Some(Event::XfixesSelectionNotify(_)) => {
                        return self.clipboard(wanted, deadline.saturating_duration_since(Instant::now()));
                    }
                    Some(_) => {}
                    None => return Err(silent()),
                }
            };
            if answer.property == 0 {
                continue;
            }
            let bytes = self.take(window, deadline)?;
            return Ok(if kind == self.atoms.UTF8_STRING {
                String::from_utf8_lossy(&bytes).into_owned()
            } else {
                bytes.into_iter().map(char::from).collect()
            });
        }
        Err(Error::NoText)
    }

    /// Takes selections with a text. Others can have it while [`Holder::serve`] runs.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn hold_text(&self, text: String, selections: &[Selection]) -> Result<Holder<'_>, Error> {
        let window = self.hidden_window(EventMask::PROPERTY_CHANGE)?;
        // Only a change that is nothing tells what time it is for the server; an older holder could win against none.
        let property = self.atoms._SANDBOX_AGENT_CLIPBOARD;
        self.connection.change_property8(PropMode::APPEND, window, property, AtomEnum::STRING, &[])?;
        let since = loop {
            match self.event(Instant::now() + Duration::from_secs(60))? {
                Some(Event::PropertyNotify(event)) if event.window == window => break event.time,
                Some(_) => {}
                None => return Err(Error::Unfit("it does not say what time it is")),
            }
        };
        let selections: Vec<u32> = selections.iter().map(|selection| self.selection(*selection)).collect();
        for selection in &selections {
            self.connection.set_selection_owner(window, *selection, since)?;
            if self.connection.get_selection_owner(*selection)?.reply()?.owner != window {
                return Err(Error::Unfit("somebody else took the clipboard at this moment"));
            }
        }
        Ok(Holder { desktop: self, text, since, selections, receivers: Vec::new() })
    }

    fn selection(&self, selection: Selection) -> u32 {
        match selection {
            Selection::Clipboard => self.atoms.CLIPBOARD,
            Selection::Primary => AtomEnum::PRIMARY.into(),
        }
    }

    /// The property that the holder wrote, in one piece or in many.
    fn take(&self, window: u32, deadline: Instant) -> Result<Vec<u8>, Error> {
        let property = self.atoms._SANDBOX_AGENT_CLIPBOARD;
        // Taking it away tells a holder of pieces to begin.
        let first = self.connection.get_property(true, window, property, 0u32, 0, LONGEST)?.reply()?;
        if first.type_ != self.atoms.INCR {
            return Ok(first.value);
        }
        let mut bytes = Vec::new();
        loop {
            match self.event(deadline)? {
                Some(Event::PropertyNotify(event)) if event.window == window && event.state == Property::NEW_VALUE => {
                    let piece = self.connection.get_property(true, window, property, 0u32, 0, LONGEST)?.reply()?;
                    if piece.value.is_empty() {
                        return Ok(bytes);
                    }
                    bytes.extend(piece.value);
                }
                Some(_) => {}
                None => return Err(silent()),
            }
        }
    }

    fn hidden_window(&self, events: EventMask) -> Result<u32, Error> {
        let window = self.connection.generate_id()?;
        let (kind, aux) = (WindowClass::INPUT_ONLY, CreateWindowAux::new().event_mask(events));
        self.connection.create_window(0, window, self.root, -1, -1, 1, 1, 0, kind, 0, &aux)?;
        Ok(window)
    }
}

impl Holder<'_> {
    /// Gives the text to whoever asks, until others hold all of the selections, or the server has gone.
    pub fn serve(mut self) {
        // The end of the server is the end of its clipboard.
        while let Ok(event) = self.desktop.event(Instant::now() + Duration::from_secs(3600)) {
            let done = match event {
                Some(Event::SelectionRequest(request)) => self.answer(&request),
                Some(Event::PropertyNotify(event)) if event.state == Property::DELETE => {
                    self.send_on(event.window, event.atom)
                }
                Some(Event::SelectionClear(event)) => {
                    self.selections.retain(|selection| *selection != event.selection);
                    Ok(())
                }
                // Who has gone wants no more pieces.
                Some(Event::DestroyNotify(event)) => {
                    self.receivers.retain(|receiver| receiver.window != event.window);
                    Ok(())
                }
                Some(_) | None => Ok(()),
            };
            if done.is_err() || (self.selections.is_empty() && self.receivers.is_empty()) {
                // A server that cannot write to us any more drops what we sent last: the end of a long text.
                let _ = self.desktop.sync();
                return;
            }
        }
    }

    fn answer(&mut self, request: &SelectionRequestEvent) -> Result<(), Error> {
        let connection = &self.desktop.connection;
        // Old programs leave the property out.
        let property = if request.property == 0 { request.target } else { request.property };
        let (string, atoms) = (u32::from(AtomEnum::STRING), &self.desktop.atoms);
        let (window, target) = (request.requestor, request.target);
        let mut given = property;
        if target == atoms.TARGETS {
            let kinds = [atoms.TARGETS, atoms.TIMESTAMP, atoms.UTF8_STRING, atoms.TEXT, string];
            connection.change_property32(PropMode::REPLACE, window, property, AtomEnum::ATOM, &kinds)?;
        } else if target == atoms.TIMESTAMP {
            connection.change_property32(PropMode::REPLACE, window, property, AtomEnum::INTEGER, &[self.since])?;
        } else if target == atoms.UTF8_STRING || target == atoms.TEXT {
            let bytes = self.text.clone().into_bytes();
            self.give(window, property, self.desktop.atoms.UTF8_STRING, bytes)?;
        } else if target == string {
            // Latin-1; what it does not have is a question mark.
            let bytes = self.text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect();
            self.give(window, property, string, bytes)?;
        } else {
            given = 0;
        }
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: window,
            selection: request.selection,
            target,
            property: given,
        };
        self.desktop.connection.send_event(false, window, EventMask::NO_EVENT, answer)?;
        self.desktop.connection.flush()?;
        Ok(())
    }

    fn give(&mut self, window: u32, property: u32, kind: u32, bytes: Vec<u8>) -> Result<(), Error> {
        let connection = &self.desktop.connection;
        if bytes.len() <= PIECE {
            connection.change_property8(PropMode::REPLACE, window, property, kind, &bytes)?;
            return Ok(());
        }
        let interest =
            ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY);
        connection.change_window_attributes(window, &interest)?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        connection.change_property32(PropMode::REPLACE, window, property, self.desktop.atoms.INCR, &[length])?;
        self.receivers.retain(|other| (other.window, other.property) != (window, property));
        self.receivers.push(Receiver { window, property, kind, bytes, sent: 0 });
        Ok(())
    }

    /// The next piece, now that the one before it was taken; an empty one is the end.
    fn send_on(&mut self, window: u32, property: u32) -> Result<(), Error> {
        let is_it = |receiver: &Receiver| (receiver.window, receiver.property) == (window, property);
        let Some(at) = self.receivers.iter().position(is_it) else { return Ok(()) };
        let receiver = &mut self.receivers[at];
        let piece = &receiver.bytes[receiver.sent..receiver.bytes.len().min(receiver.sent + PIECE)];
        let connection = &self.desktop.connection;
        connection.change_property8(PropMode::REPLACE, window, property, receiver.kind, piece)?;
        connection.flush()?;
        receiver.sent += piece.len();
        if piece.is_empty() {
            self.receivers.remove(at);
        }
        Ok(())
    }
}

fn silent() -> Error {
    Error::Timeout("an answer of the program that holds the clipboard".to_owned())
}
