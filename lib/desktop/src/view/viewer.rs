//! One viewer of a desktop: what it is shown next, and what it does with pointer and keyboard. How both get there is not known here.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use schema::desktop::Rectangle;
use serde::Deserialize;
use serde_json::json;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ConnectionExt as _, ReportLevel};
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
};

use crate::connect::Desktop;
use crate::{Button, Error, Format, Shot};

/// How a desktop is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// At most so many pictures a second.
    pub fps: u32,
    /// Of what moves, from 1 to 100.
    pub quality: u8,
    /// Whether the viewer may only look.
    pub read_only: bool,
}

/// What a viewer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// JSON: the screen's size, and where the pointer is.
    Text(String),
    /// Numbers with the lowest byte first. Pictures: 1, the frame's number in 4 bytes, and for each picture left, top, width and height in 2 bytes each, its length
    /// in 4, and a JPEG. The cursor: 2, width, height, and its point from the left and from the top in 2 bytes each, and red, green, blue, alpha.
    Bytes(Vec<u8>),
}

/// What a viewer says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Heard {
    /// A frame is on its screen.
    Drawn {
        frame: u32,
    },
    Move {
        x: i32,
        y: i32,
    },
    /// As the web counts buttons: left, middle, right, back, forward.
    Button {
        x: i32,
        y: i32,
        button: u8,
        down: bool,
    },
    /// In notches, to the right and down.
    Wheel {
        x: i32,
        y: i32,
        dx: i32,
        dy: i32,
    },
    /// Which of its keys, and what that means.
    Key {
        code: String,
        key: String,
        down: bool,
    },
    Text {
        text: String,
    },
    /// Whatever is held is let go of.
    Release {},
}

/// How many frames may be on their way.
const MOST_ON_THE_WAY: u32 = 3;

/// Of what has come to rest.
const FINE: u8 = 95;

/// When something has come to rest.
const REST: Duration = Duration::from_millis(300);

/// Between two looks at the pointer, of which no event tells, while nothing happens.
const LOOK: Duration = Duration::from_millis(100);

/// How long after something has happened more is expected.
const BUSY: Duration = Duration::from_secs(1);

/// How many parts of the screen are kept apart.
const MOST_PARTS: usize = 16;

/// How many pixels one picture has at most, and how many pictures a frame: what is larger goes in several.
const PICTURE: u32 = 2 << 20;
const FRAME: u32 = 4 << 20;

/// How long a text at once may be, in characters.
const LONGEST_TEXT: usize = 1000;

/// How many keys may be down.
const MOST_HELD: usize = 32;

/// A viewer, with a connection of its own.
pub struct Viewer {
    desktop: Desktop,
    show: Show,
    damage: u32,
    region: u32,
    is_greeted: bool,
    /// Something was drawn that was not fetched.
    is_drawn: bool,
    /// What was drawn and not sent.
    parts: Vec<Rectangle>,
    /// What was sent, and not as well as it could be.
    rough: Vec<Rectangle>,
    sent: u32,
    drawn: u32,
    /// When the next frame may go.
    next_frame: Instant,
    /// When something was drawn or done.
    last: Instant,
    /// When a frame last went, or arrived.
    moved: Instant,
    looked: Option<Instant>,
    pointer: Option<(i16, i16)>,
    is_cursor_new: bool,
    keys: BTreeMap<String, Vec<u8>>,
    buttons: Vec<u8>,
}

impl Viewer {
    /// One who is shown this desktop from now on.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn new(desktop: Desktop, show: Show) -> Result<Viewer, Error> {
        let connection = &desktop.connection;
        connection.damage_query_version(1, 1)?.reply()?;
        connection.xfixes_query_version(5, 0)?.reply()?;
        let (damage, region) = (connection.generate_id()?, connection.generate_id()?);
        connection.xfixes_create_region(region, &[])?;
        damage::create(connection, damage, desktop.root, ReportLevel::NON_EMPTY)?;
        connection.xfixes_select_cursor_input(desktop.root, CursorNotifyMask::DISPLAY_CURSOR)?;
        let whole = desktop.cut(None)?;
        let now = Instant::now();
        Ok(Viewer {
            desktop,
            show,
            damage,
            region,
            is_greeted: false,
            is_drawn: false,
            parts: vec![whole],
            rough: Vec::new(),
            sent: 0,
            drawn: 0,
            next_frame: now,
            last: now,
            moved: now,
            looked: None,
            pointer: None,
            is_cursor_new: true,
            keys: BTreeMap::new(),
            buttons: Vec::new(),
        })
    }

    /// What is to be said now; asked again until there is nothing.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn next(&mut self, now: Instant) -> Result<Option<Say>, Error> {
        if !self.is_greeted {
            self.is_greeted = true;
            let (width, height) = (self.desktop.width, self.desktop.height);
            let hello = json!({"type": "screen", "width": width, "height": height, "read_only": self.show.read_only});
            return Ok(Some(Say::Text(hello.to_string())));
        }
        self.desktop.connection.flush()?;
        while let Some(event) = self.desktop.connection.poll_for_event()? {
            self.is_cursor_new |= matches!(event, Event::XfixesCursorNotify(_));
            if matches!(event, Event::DamageNotify(_)) {
                self.is_drawn = true;
                self.last = now;
            }
        }
        if self.is_cursor_new {
            self.is_cursor_new = false;
            return self.cursor().map(Some);
        }
        if self.look_at(now) <= now {
            self.looked = Some(now);
            let pointer = self.desktop.connection.query_pointer(self.desktop.root)?.reply()?;
            let at = (pointer.root_x, pointer.root_y);
            if self.pointer != Some(at) {
                self.pointer = Some(at);
                self.last = now;
                return Ok(Some(Say::Text(json!({"type": "pointer", "x": at.0, "y": at.1}).to_string())));
            }
        }
        if self.is_full() || now < self.next_frame {
            return Ok(None);
        }
        if self.is_drawn {
            self.fetch()?;
        }
        if !self.parts.is_empty() {
            return self.frame(now, self.show.quality).map(Some);
        }
        if !self.rough.is_empty() && now >= self.last + REST {
            self.parts = std::mem::take(&mut self.rough);
            return self.frame(now, FINE.max(self.show.quality)).map(Some);
        }
        Ok(None)
    }

    /// When something may be to be said though the server tells nothing.
    pub fn wake(&self, now: Instant) -> Instant {
        let mut wake = self.look_at(now);
        if !self.is_full() {
            if self.is_drawn || !self.parts.is_empty() {
                wake = wake.min(self.next_frame);
            } else if !self.rough.is_empty() {
                wake = wake.min(self.next_frame.max(self.last + REST));
            }
        }
        wake
    }

    /// For how long the viewer has owed an answer.
    pub fn owes(&self, now: Instant) -> Duration {
        if self.sent == self.drawn { Duration::ZERO } else { now.saturating_duration_since(self.moved) }
    }

    /// Does what a viewer says.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is nonsense, or not allowed; when the server has gone.
    pub fn hear(&mut self, text: &str, now: Instant) -> Result<(), Error> {
        let heard: Heard =
            serde_json::from_str(text).map_err(|error| Error::Invalid(format!("understand the viewer: {error}")))?;
        if let Heard::Drawn { frame } = heard {
            if frame <= self.drawn || frame > self.sent {
                return Err(Error::Invalid(format!("understand the viewer: frame {frame} was not sent")));
            }
            (self.drawn, self.moved) = (frame, now);
            return Ok(());
        }
        if self.show.read_only {
            return Err(Error::Invalid("take input: this view is read-only".to_owned()));
        }
        // What is done now will be seen soon.
        (self.last, self.looked) = (now, None);
        match self.act(heard) {
            // A viewer knows other keys and characters, and may have a point that is off by one.
            Err(Error::UnknownKey { .. } | Error::Outside { .. } | Error::Invalid(_)) => Ok(()),
            done => done,
        }?;
        self.desktop.connection.flush()?;
        Ok(())
    }

    fn act(&mut self, heard: Heard) -> Result<(), Error> {
        match heard {
            Heard::Drawn { .. } => Ok(()),
            Heard::Move { x, y } => self.desktop.motion((x, y), 0),
            Heard::Button { x, y, button, down } => {
                let buttons = [Button::Left, Button::Middle, Button::Right, Button::Back, Button::Forward];
                let Some(button) = buttons.get(usize::from(button)).map(|button| button.number()) else {
                    return Ok(());
                };
                self.desktop.motion((x, y), 0)?;
                self.buttons.retain(|held| *held != button);
                if down {
                    self.buttons.push(button);
                }
                self.desktop.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, button, 0)
            }
            Heard::Wheel { x, y, dx, dy } => {
                const MOST: i32 = 20;
                self.desktop.scroll(Some((x, y)), dx.clamp(-MOST, MOST), dy.clamp(-MOST, MOST), 1).map(drop)
            }
            Heard::Key { code, key, down: true } => {
                if self.keys.len() < MOST_HELD && !key.is_empty() && !self.keys.contains_key(&code) {
                    let mut codes = self.desktop.codes(&key)?;
                    // A Shift that the viewer holds is let go of by him.
                    codes.retain(|code| !self.keys.values().flatten().any(|held| held == code));
                    self.press(&codes, true)?;
                    self.keys.insert(code, codes);
                }
                Ok(())
            }
            Heard::Key { code, key: _, down: false } => match self.keys.remove(&code) {
                Some(codes) => self.press(&codes, false),
                None => Ok(()),
            },
            Heard::Text { text } => {
                if text.chars().count() > LONGEST_TEXT {
                    return Err(Error::Invalid("type: the text is too long".to_owned()));
                }
                self.desktop.type_text(&text, 0)
            }
            Heard::Release {} => self.release(),
        }
    }

    fn press(&self, codes: &[u8], down: bool) -> Result<(), Error> {
        let mut codes = codes.to_vec();
        if !down {
            codes.reverse();
        }
        let kind = if down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT };
        codes.into_iter().try_for_each(|code| self.desktop.fake(kind, code, 0))
    }

    fn release(&mut self) -> Result<(), Error> {
        for codes in std::mem::take(&mut self.keys).into_values() {
            self.press(&codes, false)?;
        }
        std::mem::take(&mut self.buttons)
            .into_iter()
            .try_for_each(|button| self.desktop.fake(BUTTON_RELEASE_EVENT, button, 0))
    }

    fn is_full(&self) -> bool {
        self.sent - self.drawn >= MOST_ON_THE_WAY
    }

    /// When the pointer is looked at next.
    fn look_at(&self, now: Instant) -> Instant {
        let pause = if now < self.last + BUSY { self.pause() } else { LOOK };
        self.looked.map_or(now, |looked| looked + pause)
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(1) / self.show.fps
    }

    /// What was drawn since the last time.
    fn fetch(&mut self) -> Result<(), Error> {
        self.is_drawn = false;
        self.desktop.connection.damage_subtract(self.damage, x11rb::NONE, self.region)?;
        let region = self.desktop.connection.xfixes_fetch_region(self.region)?.reply()?;
        for part in region.rectangles {
            let part =
                Rectangle { x: part.x.into(), y: part.y.into(), width: part.width.into(), height: part.height.into() };
            // What is drawn beside the screen does not matter.
            if let Ok(part) = self.desktop.cut(Some(part)) {
                add(&mut self.parts, part);
            }
        }
        Ok(())
    }

    fn frame(&mut self, now: Instant, quality: u8) -> Result<Say, Error> {
        self.sent += 1;
        self.next_frame = now + self.pause();
        self.moved = if self.sent == self.drawn + 1 { now } else { self.moved };
        let mut bytes = vec![1];
        bytes.extend(self.sent.to_le_bytes());
        let mut pixels = 0;
        while pixels < FRAME {
            let Some(part) = self.parts.pop() else { break };
            let rows = (PICTURE / part.width).clamp(1, part.height);
            let shown = Rectangle { height: rows, ..part };
            if rows < part.height {
                let below = part.y + rows.cast_signed();
                self.parts.push(Rectangle { y: below, height: part.height - rows, ..part });
            }
            let shot = Shot { region: Some(shown), scale: 1.0, cursor: false, format: Format::Jpeg(quality) };
            let picture = self.desktop.screenshot(&shot)?.bytes;
            for number in [shown.x.cast_unsigned(), shown.y.cast_unsigned(), shown.width, shown.height] {
                bytes.extend(u16::try_from(number).expect("it is on the screen").to_le_bytes());
            }
            bytes.extend(u32::try_from(picture.len()).expect("it has two million pixels").to_le_bytes());
            bytes.extend(picture);
            pixels += shown.width * shown.height;
            if quality < FINE {
                add(&mut self.rough, shown);
            }
        }
        Ok(Say::Bytes(bytes))
    }

    fn cursor(&self) -> Result<Say, Error> {
        let image = self.desktop.connection.xfixes_get_cursor_image()?.reply()?;
        let mut bytes = vec![2];
        for number in [image.width, image.height, image.xhot, image.yhot] {
            bytes.extend(number.to_le_bytes());
        }
        for pixel in image.cursor_image {
            let [blue, green, red, alpha] = pixel.to_le_bytes();
            // A web page wants colours that are not multiplied with alpha.
            let plain = |colour: u8| (u16::from(colour) * 255).checked_div(alpha.into()).unwrap_or(0).min(255) as u8;
            bytes.extend([plain(red), plain(green), plain(blue), alpha]);
        }
        Ok(Say::Bytes(bytes))
    }
}

impl AsFd for Viewer {
    /// What is readable when the server tells something; [`Viewer::next`] has to be asked first.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.desktop.connection.stream().as_fd()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // Nobody is left to let go of them; without a server there is nothing to let go of.
        let _ = self.release().and_then(|()| self.desktop.sync());
    }
}

/// Adds a part to others; too many become one.
fn add(parts: &mut Vec<Rectangle>, part: Rectangle) {
    let ends = |part: &Rectangle| (part.x + part.width.cast_signed(), part.y + part.height.cast_signed());
    let holds = |outer: &Rectangle, inner: &Rectangle| {
        let (outer_ends, inner_ends) = (ends(outer), ends(inner));
        outer.x <= inner.x && outer.y <= inner.y && outer_ends.0 >= inner_ends.0 && outer_ends.1 >= inner_ends.1
    };
    if parts.iter().any(|other| holds(other, &part)) {
        return;
    }
    parts.retain(|other| !holds(&part, other));
    parts.push(part);
    if parts.len() > MOST_PARTS {
        let (mut left, mut top, mut right, mut bottom) = (i32::MAX, i32::MAX, 0, 0);
        for part in parts.drain(..) {
            let (end_x, end_y) = ends(&part);
            (left, top, right, bottom) = (left.min(part.x), top.min(part.y), right.max(end_x), bottom.max(end_y));
        }
        let (width, height) = ((right - left).cast_unsigned(), (bottom - top).cast_unsigned());
        parts.push(Rectangle { x: left, y: top, width, height });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_lie_in_others_are_left_out_and_many_become_one() {
        let part = |x, y, width, height| Rectangle { x, y, width, height };
        let mut parts = Vec::new();
        add(&mut parts, part(10, 10, 5, 5));
        add(&mut parts, part(11, 11, 4, 4));
        assert_eq!(parts, [part(10, 10, 5, 5)]);
        add(&mut parts, part(0, 0, 100, 100));
        assert_eq!(parts, [part(0, 0, 100, 100)]);
        for at in 1..=16 {
            add(&mut parts, part(100 * at, 50, 10, 60));
        }
        assert_eq!(parts, [part(0, 0, 1610, 110)]);
    }
}
