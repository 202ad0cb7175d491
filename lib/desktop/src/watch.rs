//! Waiting for what is drawn: any change, an end of changes, the colour of a point. The server tells; nothing is polled.

use std::time::{Duration, Instant};

use schema::desktop::Rectangle;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ConnectionExt as _, ReportLevel};

use crate::Error;
use crate::connect::Desktop;

impl Desktop {
    /// Waits until something is drawn in this part of the screen, and says where.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn wait_for_change(&self, region: Option<Rectangle>, deadline: Instant) -> Result<Rectangle, Error> {
        let region = self.cut(region)?;
        self.watch_drawing(ReportLevel::RAW_RECTANGLES)?;
        self.drawn(region, deadline)?.ok_or_else(|| Error::Timeout("a change".to_owned()))
    }

    /// Waits until nothing has been drawn in this part of the screen for so long.
    ///
    /// # Errors
    /// [`Error::Timeout`].
    pub fn wait_for_rest(&self, rest: Duration, region: Option<Rectangle>, deadline: Instant) -> Result<(), Error> {
        let region = self.cut(region)?;
        self.watch_drawing(ReportLevel::RAW_RECTANGLES)?;
        loop {
            let quiet_at = Instant::now() + rest;
            if self.drawn(region, quiet_at.min(deadline))?.is_none() {
                let is_quiet = quiet_at <= deadline;
                return if is_quiet { Ok(()) } else { Err(Error::Timeout(format!("{rest:?} without a change"))) };
            }
        }
    }

    /// Waits until a point has this colour, in red, green and blue.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Timeout`].
    pub fn wait_for_pixel(&self, at: (i32, i32), colour: [u8; 3], deadline: Instant) -> Result<(), Error> {
        self.check(at)?;
        self.watch_drawing(ReportLevel::RAW_RECTANGLES)?;
        let point = Rectangle { x: at.0, y: at.1, width: 1, height: 1 };
        loop {
            let [red, green, blue] = self.pixel(at)?;
            if [red, green, blue] == colour {
                return Ok(());
            }
            if self.drawn(point, deadline)?.is_none() {
                let what = format!("that colour at {},{}, which has #{red:02x}{green:02x}{blue:02x},", at.0, at.1);
                return Err(Error::Timeout(what));
            }
        }
    }

    /// Asks to be told of what is drawn from now on, and returns by which id that goes.
    pub(crate) fn watch_drawing(&self, level: ReportLevel) -> Result<u32, Error> {
        self.connection.damage_query_version(1, 1)?.reply()?;
        let damage = self.connection.generate_id()?;
        damage::create(&self.connection, damage, self.root, level)?;
        self.sync()?;
        // The server begins by calling everything drawn.
        while self.connection.poll_for_event()?.is_some() {}
        Ok(damage)
    }

    /// What is drawn next in a region; `None` when nothing was until the deadline.
    fn drawn(&self, region: Rectangle, deadline: Instant) -> Result<Option<Rectangle>, Error> {
        while let Some(event) = self.event(deadline)? {
            if let Event::DamageNotify(event) = event {
                let area = Rectangle {
                    x: event.area.x.into(),
                    y: event.area.y.into(),
                    width: event.area.width.into(),
                    height: event.area.height.into(),
                };
                if meets(region, area) {
                    return Ok(Some(area));
                }
            }
        }
        Ok(None)
    }
}

fn meets(one: Rectangle, other: Rectangle) -> bool {
    let apart = |from: i32, length: u32, other: i32| i64::from(from) + i64::from(length) <= i64::from(other);
    let beside = apart(one.x, one.width, other.x) || apart(other.x, other.width, one.x);
    let above = apart(one.y, one.height, other.y) || apart(other.y, other.height, one.y);
    !beside && !above
}
