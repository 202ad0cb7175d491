//! Windows: which there are, the one with the focus, moving, resizing and closing them, waiting for them.

use std::time::{Duration, Instant};

use regex_automata::meta::Regex;
use schema::desktop::{Rectangle, WindowRecord};
use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt, CreateWindowAux, EventMask,
    GetPropertyReply, PropertyNotifyEvent, WindowClass,
};

use crate::Error;
use crate::connect::{Desktop, values};

/// Which windows are meant; all of it has to be true.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    title: Option<Regex>,
    class: Option<String>,
    pid: Option<u32>,
}

/// Between two looks at what no event tells of, such as a title.
const LOOK: Duration = Duration::from_millis(100);

/// Before the window manager is asked again whether it is there, for the first time; then twice as long.
const SOON: Duration = Duration::from_millis(4);

/// How long a window manager may take to do what it is asked, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a window may take to take the focus that it was given.
const FOCUS: Duration = Duration::from_secs(1);

/// How long a window may take to change its place; it may also refuse, and then nothing tells so.
const MOMENT: Duration = Duration::from_millis(250);

/// We speak for a person, not for a program: a window manager then obeys.
const PERSON: u32 = 2;

impl Filter {
    /// The title has this, a regular expression; the class is this; it belongs to this process.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the expression is none.
    pub fn new(title: Option<&str>, class: Option<String>, pid: Option<u32>) -> Result<Filter, Error> {
        let wrong = |title: &str, why: &dyn std::error::Error| {
            // The parser draws a picture of what is wrong; its last line says it.
            let why = why.source().map_or_else(|| why.to_string(), ToString::to_string);
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::Invalid(format!("read the pattern `{}`: {why}", title.escape_debug()))
        };
        let title = title.map(|title| Regex::new(title).map_err(|error| wrong(title, &error))).transpose()?;
        Ok(Filter { title, class, pid })
    }

    fn matches(&self, window: &WindowRecord) -> bool {
        self.title.as_ref().is_none_or(|title| title.is_match(&window.title))
            && self.class.as_ref().is_none_or(|class| *class == window.class)
            && self.pid.is_none_or(|pid| window.pid == Some(pid))
    }
}

impl Desktop {
    /// The windows that the window manager manages, the lowest first.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn windows(&self, filter: &Filter) -> Result<Vec<WindowRecord>, Error> {
        // A window comes into the two lists one after the other, and is managed when it is in both.
        let managed = self.ask_for_values(self.root, self.atoms._NET_CLIENT_LIST)?;
        let order = self.ask_for_values(self.root, self.atoms._NET_CLIENT_LIST_STACKING)?;
        let (managed, mut order) = (values(&managed.reply()?), values(&order.reply()?));
        order.retain(|window| managed.contains(window));
        let mut all = self.look(&order)?;
        all.retain(|window| filter.matches(window));
        Ok(all)
    }

    /// The window that has the focus.
    ///
    /// # Errors
    /// [`Error::NoFocus`].
    pub fn focused(&self) -> Result<WindowRecord, Error> {
        let windows = self.windows(&Filter::default())?;
        windows.into_iter().find(|window| window.is_active).ok_or(Error::NoFocus)
    }

    /// Gives a window the focus and raises it.
    ///
    /// # Errors
    /// [`Error::NoWindow`], [`Error::Timeout`].
    pub fn focus(&self, window: u32) -> Result<WindowRecord, Error> {
        self.settle()?;
        self.one(window)?;
        self.watch(self.root, EventMask::PROPERTY_CHANGE)?;
        self.ask(window, self.atoms._NET_ACTIVE_WINDOW, [PERSON, 0, 0, 0, 0])?;
        let deadline = Instant::now() + PATIENCE;
        while self.values(self.root, self.atoms._NET_ACTIVE_WINDOW)?.first() != Some(&window) {
            if Instant::now() > deadline {
                return Err(Error::Timeout(format!("the focus on window {window}")));
            }
            self.event(Instant::now() + LOOK)?;
        }
        // The property may be that of an older window with this id; and what is typed goes to the focus. Some windows never
        // take it.
        let deadline = Instant::now() + FOCUS;
        while !self.has_focus(window)? && Instant::now() < deadline {
            self.event(Instant::now() + FOCUS / 200)?;
        }
        self.one(window)
    }

    /// Whether keys go to a window, or to a part of it.
    fn has_focus(&self, window: u32) -> Result<bool, Error> {
        let mut at = self.connection.get_input_focus()?.reply()?.focus;
        // Below these two are none, and the pointer's root.
        while at > 1 && at != self.root {
            if at == window {
                return Ok(true);
            }
            at = match self.connection.query_tree(at)?.reply() {
                Ok(tree) => tree.parent,
                Err(ReplyError::X11Error(_)) => 0,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(false)
    }

    /// Moves a window so that its frame begins there.
    ///
    /// # Errors
    /// [`Error::NoWindow`].
    pub fn move_window(&self, window: u32, x: i32, y: i32) -> Result<WindowRecord, Error> {
        let before = self.one(window)?;
        if (before.frame.x, before.frame.y) == (x, y) {
            return Ok(before);
        }
        self.change_place(window, 1 << 8 | 1 << 9, [x.cast_unsigned(), y.cast_unsigned(), 0, 0])
    }

    /// Gives a window's contents this size, or the next that it accepts.
    ///
    /// # Errors
    /// [`Error::NoWindow`].
    pub fn resize_window(&self, window: u32, width: u32, height: u32) -> Result<WindowRecord, Error> {
        let before = self.one(window)?;
        if (before.place.width, before.place.height) == (width, height) {
            return Ok(before);
        }
        self.change_place(window, 1 << 10 | 1 << 11, [0, 0, width, height])
    }

    /// Asks a window to close, and waits until it has.
    ///
    /// # Errors
    /// [`Error::NoWindow`]; [`Error::Timeout`] when it stays, as one that asks a question first.
    pub fn close_window(&self, window: u32, patience: Duration) -> Result<(), Error> {
        self.one(window)?;
        self.watch(self.root, EventMask::PROPERTY_CHANGE)?;
        self.ask(window, self.atoms._NET_CLOSE_WINDOW, [0, PERSON, 0, 0, 0])?;
        let deadline = Instant::now() + patience;
        while self.values(self.root, self.atoms._NET_CLIENT_LIST)?.contains(&window) {
            if Instant::now() > deadline {
                return Err(Error::Timeout(format!("the end of window {window}")));
            }
            self.event(deadline.min(Instant::now() + LOOK))?;
        }
        Ok(())
    }

    /// Waits for a window; `None` when none came until the deadline.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn wait_for_window(
        &self,
        filter: &Filter,
        deadline: Instant,
        wanted: &dyn Fn(&WindowRecord) -> bool,
    ) -> Result<Option<WindowRecord>, Error> {
        self.watch(self.root, EventMask::PROPERTY_CHANGE)?;
        loop {
            let find = || Ok::<_, Error>(self.windows(filter)?.into_iter().rev().find(|window| wanted(window)));
            if find()?.is_some() {
                // Its number may be that of one that has gone, of which the manager does not know yet.
                self.settle()?;
                if let Some(found) = find()? {
                    return Ok(Some(found));
                }
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.event(deadline.min(Instant::now() + LOOK))?;
        }
    }

    /// The managed window that holds this one, or is it.
    pub(crate) fn managed(&self, mut window: u32, clients: &[u32]) -> Result<Option<u32>, Error> {
        while window != 0 {
            if clients.contains(&window) {
                return Ok(Some(window));
            }
            window = match self.connection.query_pointer(window)?.reply() {
                Ok(pointer) => pointer.child,
                // It has just gone, as the picture that is dragged along does.
                Err(ReplyError::X11Error(_)) => 0,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(None)
    }

    /// Waits until the window manager has come to all that it was told until now: what it says of windows is then so. It may
    /// be far behind, as when the keymap has changed a hundred times, or come up only: openbox then loses windows that want
    /// to be shown, for good.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        self.manager_answers(Instant::now() + PATIENCE)?;
        Ok(())
    }

    /// Whether the window manager has come to all that it was told until now.
    pub(crate) fn manager_answers(&self, deadline: Instant) -> Result<bool, Error> {
        // That of others may not know the question; ours does once it is there.
        if self.state.is_foreign()
            && !self.values(self.root, self.atoms._NET_SUPPORTED)?.contains(&self.atoms._NET_REQUEST_FRAME_EXTENTS)
        {
            return Ok(true);
        }
        // It answers to this about any window, in turn.
        let window = self.connection.generate_id()?;
        let interest = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        self.connection.create_window(0, window, self.root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &interest)?;
        let (mut answers, mut pause) = (false, SOON);
        // One that comes up loses the question too.
        while !answers && Instant::now() < deadline {
            self.ask(window, self.atoms._NET_REQUEST_FRAME_EXTENTS, [0; 5])?;
            let next = deadline.min(Instant::now() + pause);
            pause = LOOK.min(pause * 2);
            loop {
                answers = !self.values(window, self.atoms._NET_FRAME_EXTENTS)?.is_empty();
                if answers || Instant::now() >= next {
                    break;
                }
                // It hears us from when it has said what it can do.
                let is_up = |said: PropertyNotifyEvent| said.atom == self.atoms._NET_SUPPORTED;
                if matches!(self.event(next)?, Some(Event::PropertyNotify(said)) if is_up(said)) {
                    break;
                }
            }
        }
        self.connection.destroy_window(window)?;
        Ok(answers)
    }

    /// Whether a window manager has taken this display, and is there: what one has written that was killed stays.
    pub(crate) fn has_manager(&self) -> Result<bool, Error> {
        let property = self.atoms._NET_SUPPORTING_WM_CHECK;
        let Some(window) = self.values(self.root, property)?.first().copied() else { return Ok(false) };
        // It may have gone.
        Ok(self.values(window, property).is_ok_and(|told| told == [window]))
    }

    /// Waits until the program that has the focus has come to what it was sent until now: one that answers pings is asked
    /// (`_NET_WM_PING`: <https://specifications.freedesktop.org/wm-spec/latest/>), any other is given a time. Events of
    /// this connection that come meanwhile are lost.
    pub(crate) fn let_read(&self, time: Duration) -> Result<(), Error> {
        let (protocols, ping) = (self.atoms.WM_PROTOCOLS, self.atoms._NET_WM_PING);
        let active = self.values(self.root, self.atoms._NET_ACTIVE_WINDOW)?.first().copied().unwrap_or_default();
        // It may have gone just now.
        if !self.values(active, protocols).is_ok_and(|understood| understood.contains(&ping)) {
            std::thread::sleep(time);
            return Ok(());
        }
        let mark = self.connection.generate_id()?;
        self.watch(self.root, EventMask::SUBSTRUCTURE_NOTIFY)?;
        let message = ClientMessageEvent::new(32, active, protocols, [ping, mark, active, 0, 0]);
        self.connection.send_event(false, active, EventMask::NO_EVENT, message)?;
        let is_answer = |event: &Event| matches!(event, Event::ClientMessage(message) if message.data.as_data32()[..2] == [ping, mark]);
        // One that hangs reads nothing anyway.
        let deadline = Instant::now() + PATIENCE;
        while self.event(deadline)?.is_some_and(|event| !is_answer(&event)) {}
        self.watch(self.root, EventMask::NO_EVENT)
    }

    fn one(&self, window: u32) -> Result<WindowRecord, Error> {
        // Asked at once: of what is no window nothing is found.
        let clients = self.ask_for_values(self.root, self.atoms._NET_CLIENT_LIST)?;
        let found = self.look(&[window])?.pop();
        let is_managed = values(&clients.reply()?).contains(&window);
        found.filter(|_| is_managed).ok_or_else(|| Error::NoWindow(window.to_string()))
    }

    /// What there is to know of windows, all of them asked at once; those that have gone meanwhile are left out.
    fn look(&self, windows: &[u32]) -> Result<Vec<WindowRecord>, Error> {
        let active = self.ask_for_values(self.root, self.atoms._NET_ACTIVE_WINDOW)?;
        let connection = &self.connection;
        let mut asked = Vec::new();
        for window in windows.iter().copied() {
            let property = |atom: u32| connection.get_property(false, window, atom, 0u32, 0, 1 << 12);
            let text = [property(self.atoms._NET_WM_NAME)?, property(AtomEnum::WM_NAME.into())?];
            let rest = [
                property(AtomEnum::WM_CLASS.into())?,
                property(self.atoms._NET_WM_PID)?,
                property(self.atoms._NET_FRAME_EXTENTS)?,
                property(self.atoms._NET_WM_STATE)?,
            ];
            let size = connection.get_geometry(window)?;
            let place = connection.translate_coordinates(window, self.root, 0, 0)?;
            asked.push((window, text, rest, size, place));
        }
        let active = values(&active.reply()?).first().copied();
        let mut found = Vec::new();
        for (window, [name, old_name], [class, pid, frame, state], size, place) in asked {
            // Every reply is taken, so that none is left for the next question.
            let (name, old_name, class) = (name.reply(), old_name.reply(), class.reply());
            let (pid, frame, state) = (pid.reply(), frame.reply(), state.reply());
            let (Ok(size), Ok(place)) = (size.reply(), place.reply()) else { continue };
            let text = |reply: Result<GetPropertyReply, _>| reply.map(|reply| reply.value).unwrap_or_default();
            let numbers = |reply: Result<GetPropertyReply, _>| -> Vec<u32> {
                reply.ok().and_then(|reply| reply.value32().map(Iterator::collect)).unwrap_or_default()
            };
            let name = text(name);
            let title = if name.is_empty() { compound(&text(old_name)) } else { String::from_utf8_lossy(&name).into() };
            let class = text(class);
            let class = class.split(|byte| *byte == 0).nth(1).unwrap_or_default();
            let frame = numbers(frame);
            let [left, right, top, bottom] = frame.try_into().unwrap_or([0; 4]);
            let state = numbers(state);
            let place = Rectangle {
                x: place.dst_x.into(),
                y: place.dst_y.into(),
                width: size.width.into(),
                height: size.height.into(),
            };
            found.push(WindowRecord {
                id: window.to_string(),
                title,
                class: latin(class),
                pid: numbers(pid).first().copied(),
                place,
                frame: Rectangle {
                    x: place.x - left.cast_signed(),
                    y: place.y - top.cast_signed(),
                    width: place.width + left + right,
                    height: place.height + top + bottom,
                },
                is_active: active == Some(window),
                minimized: state.contains(&self.atoms._NET_WM_STATE_HIDDEN),
                maximized: state.contains(&self.atoms._NET_WM_STATE_MAXIMIZED_VERT)
                    && state.contains(&self.atoms._NET_WM_STATE_MAXIMIZED_HORZ),
            });
        }
        Ok(found)
    }

    fn change_place(&self, window: u32, which: u32, [x, y, width, height]: [u32; 4]) -> Result<WindowRecord, Error> {
        const NORTH_WEST: u32 = 1;
        self.watch(window, EventMask::STRUCTURE_NOTIFY)?;
        self.ask(window, self.atoms._NET_MOVERESIZE_WINDOW, [NORTH_WEST | which | PERSON << 12, x, y, width, height])?;
        let deadline = Instant::now() + MOMENT;
        while let Some(event) = self.event(deadline)? {
            if matches!(event, Event::ConfigureNotify(event) if event.window == window) {
                break;
            }
        }
        self.one(window)
    }

    /// Has the server tell of such events.
    pub(crate) fn watch(&self, window: u32, events: EventMask) -> Result<(), Error> {
        let interest = ChangeWindowAttributesAux::new().event_mask(events);
        self.connection.change_window_attributes(window, &interest)?;
        Ok(())
    }

    /// Asks the window manager for something.
    fn ask(&self, window: u32, what: u32, data: [u32; 5]) -> Result<(), Error> {
        let message = ClientMessageEvent::new(32, window, what, data);
        let to = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
        self.connection.send_event(false, self.root, to, message)?;
        self.connection.flush()?;
        Ok(())
    }
}

/// Compound text, as old programs tell their title: Latin-1, and UTF-8 between two escape sequences. (Other alphabets,
/// which nobody writes any more, are not read.)
fn compound(bytes: &[u8]) -> String {
    const BEGIN: &[u8] = b"\x1b%G";
    const END: &[u8] = b"\x1b%@";
    let find = |bytes: &[u8], mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let (mut text, mut rest) = (String::new(), bytes);
    while let Some(begin) = find(rest, BEGIN) {
        text.push_str(&latin(&rest[..begin]));
        rest = &rest[begin + BEGIN.len()..];
        let end = find(rest, END).unwrap_or(rest.len());
        text.push_str(&String::from_utf8_lossy(&rest[..end]));
        rest = rest.get(end + END.len()..).unwrap_or_default();
    }
    text + &latin(rest)
}

/// Text of the time before UTF-8.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn old_titles_are_read() {
        assert_eq!(super::compound(b"plain \xe9"), "plain é");
        assert_eq!(super::compound("a \u{1b}%G✓ж\u{1b}%@ b".as_bytes()), "a ✓ж b");
        assert_eq!(super::compound("\u{1b}%G✓".as_bytes()), "✓");
    }
}
