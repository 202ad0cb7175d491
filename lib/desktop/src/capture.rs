//! The screen kept up to date in our memory, and where it has changed: the server tells what is drawn, and only that is
//! fetched. While nothing changes nothing is done.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use schema::desktop::Rectangle;
use x11rb::NONE;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::Event;
use x11rb::protocol::damage::{self, ReportLevel};
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask};
use x11rb::protocol::xproto::GetInputFocusReply;

use crate::Error;
use crate::connect::Desktop;
use crate::screen::{BAND, Cursor, Memory, PIXEL};

/// A screen that is followed. It needs a connection of its own: it takes every event that comes.
pub struct Capture<'a> {
    desktop: &'a Desktop,
    damage: u32,
    /// Where the server puts what was drawn, when it is asked.
    drawn: u32,
    memory: Option<Memory<'a>>,
    cursor_is: Pointed,
    /// All of the screen, rows from the top, a pixel being blue, green, red and a byte of nothing.
    pixels: Vec<u8>,
    /// The cursor as it is drawn there, and what it covers.
    cursor: Option<(Cursor, Under)>,
    /// Nothing was fetched before.
    is_first: bool,
    is_drawn: bool,
    is_moved: bool,
    /// The cursor has moved or changed, and nobody was told.
    has_moved: bool,
    /// Between two pictures, at least.
    interval: Duration,
    next: Instant,
    changed: Vec<Rectangle>,
}

/// What becomes of the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointed {
    /// Nothing.
    Ignored,
    /// It is in the picture, and its motion is a change.
    Drawn,
    /// Its motion ends a wait: [`Capture::has_moved`] tells.
    Told,
}

/// The pixels that the cursor covers.
struct Under {
    place: Rectangle,
    bytes: Vec<u8>,
}

/// More rectangles than this are taken for the one that holds them all.
const MOST: usize = 64;

impl<'a> Capture<'a> {
    /// Follows the screen from now on, with at most so many pictures a second; with the cursor in them if that is wanted,
    /// and then its motion is a change too.
    ///
    /// # Errors
    /// When the server has gone, or lacks an extension.
    pub fn new(desktop: &'a Desktop, fps: u32, shows_cursor: bool) -> Result<Capture<'a>, Error> {
        Capture::with(desktop, fps, if shows_cursor { Pointed::Drawn } else { Pointed::Ignored })
    }

    pub(crate) fn with(desktop: &'a Desktop, fps: u32, cursor_is: Pointed) -> Result<Capture<'a>, Error> {
        let connection = desktop.fixes()?;
        let damage = desktop.watch_drawing(ReportLevel::NON_EMPTY)?;
        let drawn = connection.generate_id()?;
        connection.xfixes_create_region(drawn, &[])?;
        if cursor_is != Pointed::Ignored {
            connection.xfixes_select_cursor_input(desktop.root, CursorNotifyMask::DISPLAY_CURSOR)?;
            watch_pointer(desktop)?;
        }
        let memory = Memory::new(desktop, usize::from(BAND) * usize::from(desktop.width) * PIXEL)?;
        Ok(Capture {
            desktop,
            damage,
            drawn,
            memory,
            cursor_is,
            pixels: vec![0; usize::from(desktop.width) * usize::from(desktop.height) * PIXEL],
            cursor: None,
            is_first: true,
            is_drawn: true,
            is_moved: cursor_is != Pointed::Ignored,
            has_moved: false,
            interval: Duration::from_secs(1) / fps.max(1),
            next: Instant::now(),
            changed: Vec::new(),
        })
    }

    /// Waits until something has changed, brings the pixels up to date, and says where: rectangles of the screen, none of
    /// them empty. There are none when nothing has changed until the deadline, or one of `others` can be read before.
    /// The first call gives all of the screen. What is drawn while nobody calls is kept by the server as a region, so
    /// that who is slow gets the newest pixels and nothing queues up.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn next(&mut self, deadline: Instant, others: &[BorrowedFd<'_>]) -> Result<&[Rectangle], Error> {
        self.changed.clear();
        while self.changed.is_empty() && !self.has_moved {
            self.hear()?;
            let has_news = self.is_drawn || self.is_moved;
            let now = Instant::now();
            if has_news && now >= self.next {
                self.fetch()?;
                self.next = now + self.interval;
                continue;
            }
            // Until the next picture is due it does not matter what else is drawn.
            let until = if has_news { self.next.min(deadline) } else { deadline };
            if now >= deadline || self.desktop.wait(until, !has_news, others)? {
                break;
            }
        }
        Ok(&self.changed)
    }

    /// Whether the cursor has moved, or become another, since this was asked last; only of one that is told of.
    pub(crate) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// When [`Capture::next`] has something to fetch that it has heard of already.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.is_drawn || self.is_moved).then_some(self.next)
    }

    /// The screen as [`Capture::next`] left it: rows from the top without gaps, a pixel being four bytes, blue, green, red
    /// and one of nothing.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Of these pixels those of a part of the screen.
    pub(crate) fn part(&self, place: Rectangle) -> Vec<u8> {
        let whole = Rectangle { x: 0, y: 0, width: self.desktop.width.into(), height: self.desktop.height.into() };
        take(&self.pixels, whole, place)
    }

    /// Of the screen, in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.desktop.width.into(), self.desktop.height.into())
    }

    /// Events of the connection may have been taken by others.
    pub(crate) fn look_again(&mut self) {
        (self.is_drawn, self.is_moved) = (true, true);
    }

    fn hear(&mut self) -> Result<(), Error> {
        self.desktop.connection.flush()?;
        while let Some(event) = self.desktop.connection.poll_for_event()? {
            self.is_drawn |= matches!(event, Event::DamageNotify(_));
            // Motion is of an extension that we read nothing else of.
            self.is_moved |= matches!(event, Event::XfixesCursorNotify(_) | Event::Unknown(_));
        }
        Ok(())
    }

    /// Fetches what has been drawn, and puts the cursor where it is.
    fn fetch(&mut self) -> Result<(), Error> {
        let whole = self.desktop.cut(None)?;
        let is_first = std::mem::take(&mut self.is_first);
        if self.is_drawn {
            damage::subtract(&self.desktop.connection, self.damage, NONE, self.drawn)?;
            let drawn = self.desktop.connection.xfixes_fetch_region(self.drawn)?.reply()?;
            if is_first {
                self.changed.push(whole);
            } else {
                let all = if drawn.rectangles.len() > MOST { &[drawn.extents][..] } else { &drawn.rectangles };
                let all = all.iter().map(|one| Rectangle {
                    x: one.x.into(),
                    y: one.y.into(),
                    width: one.width.into(),
                    height: one.height.into(),
                });
                self.changed.extend(all.filter_map(|one| self.desktop.cut(Some(one)).ok()));
            }
        }
        self.has_moved |= self.is_moved && self.cursor_is == Pointed::Told;
        (self.is_drawn, self.is_moved) = (false, false);
        let cursor = if self.cursor_is == Pointed::Drawn { Some(Cursor::now(self.desktop)?) } else { None };
        let before = self.cursor.take();
        if let Some((_, under)) = &before {
            put(&mut self.pixels, whole, under.place, &under.bytes);
        }
        for place in &self.changed {
            let row = place.width as usize * PIXEL;
            self.desktop.bands(*place, self.memory.as_ref(), &mut |top, bytes| {
                let rows = u32::try_from(bytes.len() / row).expect("a band is small");
                let band = Rectangle { y: place.y + i32::from(top), height: rows, ..*place };
                put(&mut self.pixels, whole, band, bytes);
                Ok(())
            })?;
        }
        if let Some(cursor) = cursor {
            let place = self.desktop.cut(Some(cursor.place())).ok();
            if before.as_ref().is_none_or(|(before, _)| *before != cursor) {
                self.changed.extend(before.map(|(_, under)| under.place));
                self.changed.extend(place.filter(|_| !is_first));
            }
            if let Some(place) = place {
                let under = Under { place, bytes: take(&self.pixels, whole, place) };
                cursor.draw(&mut self.pixels, whole);
                self.cursor = Some((cursor, under));
            }
        }
        Ok(())
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        // With the connection they go anyway.
        let _ = damage::destroy(&self.desktop.connection, self.damage);
        let _ = self.desktop.connection.xfixes_destroy_region(self.drawn);
    }
}

/// Asks for an event whenever the pointer moves, wherever it is: the core protocol keeps that from us over windows that
/// want it themselves.
///
/// Raw motion of the X Input extension 2.2: <https://www.x.org/releases/current/doc/inputproto/XI2proto.txt>. Two requests
/// do not pay for all of the extension's code.
fn watch_pointer(desktop: &Desktop) -> Result<(), Error> {
    const QUERY_VERSION: u8 = 47;
    const SELECT_EVENTS: u8 = 46;
    const ALL_MASTER_DEVICES: u16 = 1;
    const RAW_MOTION: u32 = 1 << 17;
    let connection = &desktop.connection;
    let Some(extension) = connection.extension_information("XInputExtension")? else {
        return Err(Error::Unfit("it does not tell where the pointer is"));
    };
    let request = |minor: u8, words: &[[u8; 4]]| {
        let length = u16::try_from(words.len() + 1).expect("it is short");
        let [low, high] = length.to_ne_bytes();
        [&[[extension.major_opcode, minor, low, high]], words].concat().concat()
    };
    let halves = |one: u16, two: u16| {
        let ([a, b], [c, d]) = (one.to_ne_bytes(), two.to_ne_bytes());
        [a, b, c, d]
    };
    let version = request(QUERY_VERSION, &[halves(2, 2)]);
    // It answers with a record as long as this one.
    connection.send_request_with_reply::<GetInputFocusReply>(&[IoSlice::new(&version)], Vec::new())?.reply()?;
    let select = [desktop.root.to_ne_bytes(), halves(1, 0), halves(ALL_MASTER_DEVICES, 1), RAW_MOTION.to_ne_bytes()];
    let select = request(SELECT_EVENTS, &select);
    connection.send_request_without_reply(&[IoSlice::new(&select)], Vec::new())?.check()?;
    Ok(())
}

/// Puts rows of pixels at their place in a larger picture.
fn put(picture: &mut [u8], whole: Rectangle, place: Rectangle, bytes: &[u8]) {
    let row = place.width as usize * PIXEL;
    for (bytes, at) in bytes.chunks_exact(row).zip(rows(whole, place)) {
        picture[at..at + row].copy_from_slice(bytes);
    }
}

/// Takes rows of pixels out of a larger picture.
fn take(picture: &[u8], whole: Rectangle, place: Rectangle) -> Vec<u8> {
    let row = place.width as usize * PIXEL;
    rows(whole, place).flat_map(|at| &picture[at..at + row]).copied().collect()
}

/// Where in a picture each row of a part begins, in bytes.
fn rows(whole: Rectangle, place: Rectangle) -> impl Iterator<Item = usize> {
    let first = place.y as usize;
    (first..first + place.height as usize).map(move |y| (y * whole.width as usize + place.x as usize) * PIXEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_picture_is_taken_and_put_back() {
        let whole = Rectangle { x: 0, y: 0, width: 5, height: 4 };
        let place = Rectangle { x: 3, y: 1, width: 2, height: 3 };
        let before: Vec<u8> = (0..5 * 4 * PIXEL).map(|at| at as u8).collect();
        let part = take(&before, whole, place);
        assert_eq!((part.len(), part[0], part[8]), (2 * 3 * PIXEL, 32, 52), "pixels 8 and 13 begin its rows");
        let mut picture = vec![0; before.len()];
        put(&mut picture, whole, place, &part);
        assert_eq!(take(&picture, whole, place), part);
        assert_eq!(picture.iter().zip(&before).filter(|(one, other)| one == other).count(), 24 + 1, "and the first");
    }
}
