//! The pointer: motion, buttons, dragging, scrolling. A whole gesture is sent at once; its pauses are the server's.

use std::time::{Duration, Instant};

use schema::desktop::PointerRecord;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt, KeyButMask, MOTION_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;

use crate::Error;
use crate::connect::{Desktop, values};

/// A button of a mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The first.
    Left,
    /// The wheel, pressed.
    Middle,
    /// That of menus.
    Right,
    /// To the page before.
    Back,
    /// To the page after.
    Forward,
}

impl Button {
    pub(crate) fn number(self) -> u8 {
        match self {
            Button::Left => 1,
            Button::Middle => 2,
            Button::Right => 3,
            Button::Back => 8,
            Button::Forward => 9,
        }
    }
}

/// A point of the screen.
type Point = (i32, i32);

/// How long a window manager may take to hand a click on, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often is looked whether it has; most often it has within a millisecond.
const SOON: Duration = Duration::from_micros(1);
const LATER: Duration = Duration::from_millis(1);

/// More notches than this are a mistake.
const MOST_NOTCHES: u32 = 1000;

impl Desktop {
    /// Where the pointer is.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn position(&self) -> Result<PointerRecord, Error> {
        let pointer = self.connection.query_pointer(self.root)?;
        let clients = self.ask_for_values(self.root, self.atoms._NET_CLIENT_LIST)?;
        let (pointer, clients) = (pointer.reply()?, values(&clients.reply()?));
        let window = self.managed(pointer.child, &clients)?.map(|window| window.to_string());
        let held = [KeyButMask::BUTTON1, KeyButMask::BUTTON2, KeyButMask::BUTTON3].into_iter().zip(1..);
        // The server tells of the first five buttons only, and the last two of them are the wheel.
        let buttons = held.filter(|(mask, _)| pointer.mask.contains(*mask)).map(|(_, number)| number).collect();
        Ok(PointerRecord { x: pointer.root_x, y: pointer.root_y, window, buttons })
    }

    /// Moves the pointer.
    ///
    /// # Errors
    /// [`Error::Outside`].
    pub fn move_pointer(&self, to: Point) -> Result<PointerRecord, Error> {
        self.motion(to, 0)?;
        self.position()
    }

    /// Clicks, there or where the pointer is, with so many milliseconds between two clicks and with these keys held.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::UnknownKey`], [`Error::Timeout`].
    pub fn click(
        &self,
        at: Option<Point>,
        button: Button,
        count: u32,
        gap_ms: u32,
        held: &str,
    ) -> Result<PointerRecord, Error> {
        self.go(at)?;
        let keys = if held.is_empty() { Vec::new() } else { self.press_chord(held)? };
        for turn in 0..count {
            // With no time at all between them, programs take two clicks for one.
            self.fake(BUTTON_PRESS_EVENT, button.number(), if turn == 0 { 0 } else { gap_ms })?;
            self.fake(BUTTON_RELEASE_EVENT, button.number(), 0)?;
        }
        self.let_go(&keys, 0)?;
        self.handed_on(button.number())
    }

    /// Presses a button, there or where the pointer is, and leaves it down; or lets go of it.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Timeout`].
    pub fn button(&self, at: Option<Point>, button: Button, down: bool) -> Result<PointerRecord, Error> {
        self.go(at)?;
        self.fake(if down { BUTTON_PRESS_EVENT } else { BUTTON_RELEASE_EVENT }, button.number(), 0)?;
        if !down {
            return self.handed_on(button.number());
        }
        self.settle()?;
        self.position()
    }

    /// Drags from one point to another in so many steps, with so many milliseconds between them.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Timeout`].
    pub fn drag(
        &self,
        from: Point,
        to: Point,
        button: Button,
        steps: u32,
        step_ms: u32,
    ) -> Result<PointerRecord, Error> {
        self.check(from)?;
        self.check(to)?;
        self.motion(from, 0)?;
        self.fake(BUTTON_PRESS_EVENT, button.number(), step_ms)?;
        let steps = i32::try_from(steps.clamp(1, 10_000)).expect("it is small");
        let between = |from: i32, to: i32, step: i32| {
            let way = i64::from(to - from) * i64::from(step) / i64::from(steps);
            from + i32::try_from(way).expect("it is on the screen")
        };
        for step in 1..=steps {
            self.motion((between(from.0, to.0, step), between(from.1, to.1, step)), step_ms)?;
        }
        self.fake(BUTTON_RELEASE_EVENT, button.number(), step_ms)?;
        self.handed_on(button.number())
    }

    /// Turns the wheel by notches, down and to the right, with so many milliseconds between two.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Invalid`].
    pub fn scroll(&self, at: Option<Point>, dx: i32, dy: i32, gap_ms: u32) -> Result<PointerRecord, Error> {
        if dx == 0 && dy == 0 {
            return Err(Error::Invalid("scroll: the way is nothing".to_owned()));
        }
        if dx.unsigned_abs().max(dy.unsigned_abs()) > MOST_NOTCHES {
            return Err(Error::Invalid(format!("scroll: more than {MOST_NOTCHES} notches")));
        }
        self.go(at)?;
        let mut is_first = true;
        for (way, back, forth) in [(dy, 4, 5), (dx, 6, 7)] {
            let button = if way < 0 { back } else { forth };
            for _ in 0..way.unsigned_abs() {
                self.fake(BUTTON_PRESS_EVENT, button, if is_first { 0 } else { gap_ms })?;
                self.fake(BUTTON_RELEASE_EVENT, button, 0)?;
                is_first = false;
            }
        }
        self.position()
    }

    /// Where the pointer is, once this button, let go of last, is up for programs too. A window manager looks at a press first,
    /// and until it has handed it on the server holds back all that follows of the pointer, but not the keys: these would
    /// overtake the click.
    pub(crate) fn handed_on(&self, button: u8) -> Result<PointerRecord, Error> {
        let begun = Instant::now();
        loop {
            let now = self.position()?;
            if !now.buttons.contains(&button) {
                return Ok(now);
            }
            if begun.elapsed() > PATIENCE {
                let who = "the window manager, or whoever else holds the pointer,";
                return Err(Error::Timeout(format!("{who} hand on button {button}")));
            }
            // Nothing tells when.
            std::thread::sleep(if begun.elapsed() < 5 * LATER { SOON } else { LATER });
        }
    }

    /// Only points of the screen: the server would take any other for one at its edge.
    pub(crate) fn check(&self, (x, y): Point) -> Result<(i16, i16), Error> {
        let inside = |at: i32, size: u16| i16::try_from(at).ok().filter(|_| (0..i32::from(size)).contains(&at));
        match (inside(x, self.width), inside(y, self.height)) {
            (Some(x), Some(y)) => Ok((x, y)),
            (_, _) => Err(Error::Outside { x, y, width: self.width, height: self.height }),
        }
    }

    /// An input event, so many milliseconds after what was sent before it.
    pub(crate) fn fake(&self, kind: u8, detail: u8, delay_ms: u32) -> Result<(), Error> {
        self.connection.xtest_fake_input(kind, detail, delay_ms, 0, 0, 0, 0)?;
        Ok(())
    }

    fn go(&self, at: Option<Point>) -> Result<(), Error> {
        at.map_or(Ok(()), |at| self.motion(at, 0))
    }

    pub(crate) fn motion(&self, to: Point, delay_ms: u32) -> Result<(), Error> {
        let (x, y) = self.check(to)?;
        self.connection.xtest_fake_input(MOTION_NOTIFY_EVENT, 0, delay_ms, self.root, x, y, 0)?;
        Ok(())
    }
}
