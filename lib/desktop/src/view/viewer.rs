//! One viewer of a desktop: what it is shown next, and what it does with pointer and keyboard. How both get there is not known here.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use schema::desktop::Rectangle;
use serde::Deserialize;
use serde_json::json;
use x11rb::connection::Connection;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, KEY_PRESS_EVENT, KEY_RELEASE_EVENT};

use crate::capture::{Capture, Pointed};
use crate::connect::Desktop;
use crate::{Button, Error};

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

/// How many parts of the screen are kept apart.
const MOST_PARTS: usize = 16;

/// How many pixels one picture has at most, and how many pictures a frame: what is larger goes in several.
const PICTURE: u32 = 2 << 20;
const FRAME: u32 = 4 << 20;

/// How long a text at once may be, in characters.
const LONGEST_TEXT: usize = 1000;

/// How many keys may be down.
const MOST_HELD: usize = 32;

/// A viewer. The desktop's connection is his alone.
pub struct Viewer<'a> {
    desktop: &'a Desktop,
    capture: Capture<'a>,
    show: Show,
    is_greeted: bool,
    /// What was drawn and not sent.
    parts: Vec<Rectangle>,
    /// What was sent, and not as well as it could be.
    rough: Vec<Rectangle>,
    sent: u32,
    drawn: u32,
    /// When something was drawn.
    last: Instant,
    /// When a frame last went, or arrived.
    moved: Instant,
    cursor: Option<u32>,
    keys: BTreeMap<String, Vec<u8>>,
    buttons: Vec<u8>,
    /// What is said before anything else.
    said: VecDeque<Say>,
}

impl<'a> Viewer<'a> {
    /// One who is shown this desktop from now on.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn new(desktop: &'a Desktop, show: Show) -> Result<Viewer<'a>, Error> {
        let now = Instant::now();
        Ok(Viewer {
            desktop,
            capture: Capture::with(desktop, show.fps, Pointed::Told)?,
            show,
            is_greeted: false,
            parts: Vec::new(),
            rough: Vec::new(),
            sent: 0,
            drawn: 0,
            last: now,
            moved: now,
            cursor: None,
            keys: BTreeMap::new(),
            buttons: Vec::new(),
            said: VecDeque::new(),
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
        if let Some(said) = self.said.pop_front() {
            return Ok(Some(said));
        }
        if self.is_full() {
            return Ok(None);
        }
        if self.parts.is_empty() {
            for part in self.capture.next(now, &[])? {
                add(&mut self.parts, *part);
                self.last = now;
            }
            if self.capture.has_moved() {
                self.point()?;
            }
        }
        if !self.parts.is_empty() {
            return Ok(Some(self.frame(now, self.show.quality)));
        }
        if let Some(said) = self.said.pop_front() {
            return Ok(Some(said));
        }
        if !self.rough.is_empty() && now >= self.last + REST {
            self.parts = std::mem::take(&mut self.rough);
            return Ok(Some(self.frame(now, FINE.max(self.show.quality))));
        }
        Ok(None)
    }

    /// When something is to be said though the server tells nothing; `None`: never.
    pub fn wake(&self) -> Option<Instant> {
        let rest = (!self.rough.is_empty()).then_some(self.last + REST);
        self.capture.due().into_iter().chain(rest).min().filter(|_| !self.is_full())
    }

    /// Whether nothing can be said before the viewer has spoken, whatever the server tells.
    pub fn is_full(&self) -> bool {
        self.sent - self.drawn >= MOST_ON_THE_WAY
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
        match self.act(heard) {
            // A viewer knows other keys and characters, may have a point that is off by one, and sees that nothing takes a click.
            Err(Error::UnknownKey { .. } | Error::Outside { .. } | Error::Invalid(_) | Error::Timeout(_)) => Ok(()),
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
                self.desktop.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, button, 0)?;
                if down { Ok(()) } else { self.desktop.handed_on(button).map(drop) }
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
                self.desktop.type_text(&text, 0)?;
                self.capture.look_again();
                Ok(())
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

    fn frame(&mut self, now: Instant, quality: u8) -> Say {
        self.sent += 1;
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
            let number = |number: u32| u16::try_from(number).expect("it is on the screen");
            let (width, height) = (number(shown.width), number(shown.height));
            for number in [number(shown.x.cast_unsigned()), number(shown.y.cast_unsigned()), width, height] {
                bytes.extend(number.to_le_bytes());
            }
            let length = bytes.len();
            bytes.extend([0; 4]);
            jpeg_encoder::Encoder::new(&mut bytes, quality)
                .encode(&self.capture.part(shown), width, height, jpeg_encoder::ColorType::Bgra)
                .expect("memory takes what is written, and the part has pixels");
            let picture = u32::try_from(bytes.len() - length - 4).expect("it has two million pixels");
            bytes[length..length + 4].copy_from_slice(&picture.to_le_bytes());
            pixels += shown.width * shown.height;
            if quality < FINE {
                add(&mut self.rough, shown);
            }
        }
        Say::Bytes(bytes)
    }

    /// Tells where the cursor is, and, where it is another, what it looks like.
    fn point(&mut self) -> Result<(), Error> {
        let image = self.desktop.fixes()?.xfixes_get_cursor_image()?.reply()?;
        if self.cursor != Some(image.cursor_serial) {
            self.cursor = Some(image.cursor_serial);
            let mut bytes = vec![2];
            for number in [image.width, image.height, image.xhot, image.yhot] {
                bytes.extend(number.to_le_bytes());
            }
            for pixel in image.cursor_image {
                let [blue, green, red, alpha] = pixel.to_le_bytes();
                // A web page wants colours that are not multiplied with alpha.
                let plain =
                    |colour: u8| (u16::from(colour) * 255).checked_div(alpha.into()).unwrap_or(0).min(255) as u8;
                bytes.extend([plain(red), plain(green), plain(blue), alpha]);
            }
            self.said.push_back(Say::Bytes(bytes));
        }
        let pointer = json!({"type": "pointer", "x": image.x, "y": image.y});
        self.said.push_back(Say::Text(pointer.to_string()));
        Ok(())
    }
}

impl AsFd for Viewer<'_> {
    /// What is readable when the server tells something; [`Viewer::next`] has to be asked first.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.desktop.connection.stream().as_fd()
    }
}

impl Drop for Viewer<'_> {
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
