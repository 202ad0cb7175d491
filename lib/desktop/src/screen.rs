//! What is on the screen: pixels from the server in bands through a small piece of shared memory, the cursor among them,
//! scaled, and made a picture.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use schema::desktop::Rectangle;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{ConnectionExt, ImageFormat};

use crate::Error;
use crate::connect::Desktop;
use crate::picture::{Format, Rows, Scaled};

/// What picture is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shot {
    /// Which part of the screen; else all of it.
    pub region: Option<Rectangle>,
    /// How large.
    pub scale: Scale,
    /// Whether the cursor is in it.
    pub cursor: bool,
    /// How it is written.
    pub format: Format,
}

/// How large a picture is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// As a part of 1.
    By(f64),
    /// In pixels.
    To(u32, u32),
}

/// A picture of the screen.
#[derive(Debug)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What of the screen it shows.
    pub region: Rectangle,
}

/// How many rows of the screen are fetched at once: large enough to be quick, small enough to stay in the cache.
pub(crate) const BAND: u16 = 32;

/// Of a pixel, in bytes: blue, green, red, nothing.
pub(crate) const PIXEL: usize = 4;

impl Desktop {
    /// A picture of the screen as it is now; nobody draws while it is read.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the region is empty, or not on the screen.
    pub fn screenshot(&self, shot: &Shot) -> Result<Picture, Error> {
        let region = self.cut(shot.region)?;
        let (width, height) = match shot.scale {
            Scale::By(scale) => {
                if !(0.01..=1.0).contains(&scale) {
                    return Err(Error::Invalid("take a screenshot: the scale is from 0.01 to 1".to_owned()));
                }
                let scaled = |size: u32| ((f64::from(size) * scale).round() as u32).max(1);
                (scaled(region.width), scaled(region.height))
            }
            Scale::To(width, height) => {
                let Rectangle { width: wide, height: high, .. } = region;
                if !(1..=wide).contains(&width) || !(1..=high).contains(&height) {
                    let why = format!("take a screenshot of {width}x{height} pixels: there are {wide}x{high}");
                    return Err(Error::Invalid(why));
                }
                (width, height)
            }
        };
        let mut picture = shot.format.begin(width, height)?;
        if (width, height) == (region.width, region.height) {
            self.read(region, shot.cursor, picture.as_mut().as_rows())?;
        } else {
            let from = (region.width as usize, region.height as usize);
            let mut scaled = Scaled::new(from, (width as usize, height as usize), picture.as_mut().as_rows());
            self.read(region, shot.cursor, &mut scaled)?;
        }
        Ok(Picture { bytes: picture.finish().map_err(Error::Picture)?, width, height, region })
    }

    /// The colour of a point, as red, green and blue.
    ///
    /// # Errors
    /// [`Error::Outside`].
    pub fn pixel(&self, at: (i32, i32)) -> Result<[u8; 3], Error> {
        let (x, y) = self.check(at)?;
        let reply = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, x, y, 1, 1, !0)?.reply()?;
        match reply.data.as_slice() {
            [blue, green, red, ..] => Ok([*red, *green, *blue]),
            _ => Err(Error::Unfit("it sent no pixel")),
        }
    }

    /// The part of a region that is on the screen.
    pub(crate) fn cut(&self, region: Option<Rectangle>) -> Result<Rectangle, Error> {
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let Some(Rectangle { x, y, width: wide, height: high }) = region else {
            return Ok(Rectangle { x: 0, y: 0, width, height });
        };
        if wide == 0 || high == 0 {
            return Err(Error::Invalid("use a region: it has no pixels".to_owned()));
        }
        let cut = |from: i32, length: u32, size: u32| {
            let (from, size) = (i64::from(from), i64::from(size));
            let (begin, end) = (from.clamp(0, size), (from + i64::from(length)).clamp(0, size));
            (begin < end).then_some((begin as i32, (end - begin) as u32))
        };
        match (cut(x, wide, width), cut(y, high, height)) {
            (Some((x, width)), Some((y, height))) => Ok(Rectangle { x, y, width, height }),
            (_, _) => {
                Err(Error::Invalid(format!("use the region {x},{y},{wide},{high}: the screen is {width}x{height}")))
            }
        }
    }

    /// Gives the pixels of a region to a picture, row by row.
    fn read(&self, region: Rectangle, cursor: bool, to: &mut dyn Rows) -> Result<(), Error> {
        let cursor = if cursor { Some(Cursor::now(self)?) } else { None };
        let memory = Memory::new(self, usize::from(BAND) * region.width as usize * PIXEL)?;
        let mut rgb = vec![0; region.width as usize * 3];
        self.connection.grab_server()?;
        let read = self.bands(region, memory.as_ref(), &mut |top, bytes| {
            if let Some(cursor) = &cursor {
                cursor.draw(bytes, Rectangle { y: region.y + i32::from(top), ..region });
            }
            for row in bytes.chunks_exact(region.width as usize * PIXEL) {
                for (from, to) in row.chunks_exact(PIXEL).zip(rgb.chunks_exact_mut(3)) {
                    to.copy_from_slice(&[from[2], from[1], from[0]]);
                }
                to.row(&rgb).map_err(Error::Picture)?;
            }
            Ok(())
        });
        self.connection.ungrab_server()?;
        self.connection.flush()?;
        read
    }

    /// Fetches the pixels of a region that is on the screen; `each` gets so many whole rows from this one of it on.
    pub(crate) fn bands(&self, region: Rectangle, memory: Option<&Memory<'_>>, each: Each<'_>) -> Result<(), Error> {
        let row = region.width as usize * PIXEL;
        let height = u16::try_from(region.height).expect("it is on the screen");
        let most = memory.map_or(usize::from(BAND), |memory| memory.half / row);
        let most = u16::try_from(most).unwrap_or(u16::MAX).max(1);
        let bands = (0..height).step_by(usize::from(most)).map(|top| (top, most.min(height - top)));
        let mut asked = bands
            .zip([0, 1].into_iter().cycle())
            .map(|((top, rows), half)| self.ask_for(region, top, rows, memory, half).map(|band| (band, top, rows)));
        // One band is fetched while the one before it is used.
        let mut next = asked.next().transpose()?;
        let mut bytes = Vec::new();
        while let Some((band, top, rows)) = next {
            next = asked.next().transpose()?;
            match band {
                Band::Shared(cookie, memory, at) => {
                    cookie.reply()?;
                    bytes.resize(usize::from(rows) * row, 0);
                    memory.file.read_exact_at(&mut bytes, at.into()).map_err(Error::Picture)?;
                }
                Band::Sent(cookie) => bytes = cookie.reply()?.data,
            }
            each(top, &mut bytes)?;
        }
        Ok(())
    }

    fn ask_for<'a>(
        &'a self,
        region: Rectangle,
        top: u16,
        rows: u16,
        memory: Option<&'a Memory<'a>>,
        half: usize,
    ) -> Result<Band<'a>, Error> {
        let x = i16::try_from(region.x).expect("it is on the screen");
        let y = i16::try_from(region.y + i32::from(top)).expect("it is on the screen");
        let width = u16::try_from(region.width).expect("it is on the screen");
        let (root, format) = (self.root, ImageFormat::Z_PIXMAP);
        Ok(match memory {
            Some(memory) => {
                let at = u32::try_from(half * memory.half).expect("two bands are small");
                let (segment, format) = (memory.segment, format.into());
                let asked = self.connection.shm_get_image(root, x, y, width, rows, !0, format, segment, at)?;
                Band::Shared(asked, memory, at)
            }
            None => Band::Sent(self.connection.get_image(format, root, x, y, width, rows, !0)?),
        })
    }
}

/// Gets rows of pixels, and which of the region the first of them is.
type Each<'a> = &'a mut dyn FnMut(u16, &mut [u8]) -> Result<(), Error>;

/// Rows that were asked for.
enum Band<'a> {
    /// Into the memory, from there on.
    Shared(x11rb::cookie::Cookie<'a, x11rb::rust_connection::RustConnection, shm::GetImageReply>, &'a Memory<'a>, u32),
    Sent(x11rb::cookie::Cookie<'a, x11rb::rust_connection::RustConnection, x11rb::protocol::xproto::GetImageReply>),
}

/// Memory that the server writes pixels into, in two halves.
pub(crate) struct Memory<'a> {
    desktop: &'a Desktop,
    segment: u32,
    file: File,
    /// Of one half, in bytes.
    half: usize,
}

impl<'a> Memory<'a> {
    /// `None` where the server has no shared memory, or none with us.
    pub(crate) fn new(desktop: &'a Desktop, half: usize) -> Result<Option<Memory<'a>>, Error> {
        let connection = &desktop.connection;
        if connection.extension_information(shm::X11_EXTENSION_NAME)?.is_none() {
            return Ok(None);
        }
        // Descriptors came with version 1.2.
        let version = connection.shm_query_version()?.reply()?;
        if (version.major_version, version.minor_version) < (1, 2) {
            return Ok(None);
        }
        let made = memfd_create("screen", MemfdFlags::CLOEXEC).and_then(|file| {
            ftruncate(&file, 2 * half as u64)?;
            Ok(File::from(file))
        });
        let Ok(file) = made else { return Ok(None) };
        let shared = file.try_clone().map_err(Error::Picture)?;
        let segment = connection.generate_id()?;
        match connection.shm_attach_fd(segment, shared, false)?.check() {
            Ok(()) => Ok(Some(Memory { desktop, segment, file, half })),
            // A sandbox may keep the server from mapping it.
            Err(x11rb::errors::ReplyError::X11Error(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // With the connection it goes anyway.
        let _ = self.desktop.connection.shm_detach(self.segment);
    }
}

/// The cursor as it is shown.
#[derive(PartialEq)]
pub(crate) struct Cursor {
    /// Where its picture is on the screen.
    x: i32,
    y: i32,
    width: i32,
    /// Alpha, red, green, blue, the colours multiplied with alpha.
    pixels: Vec<u32>,
}

impl Cursor {
    pub(crate) fn now(desktop: &Desktop) -> Result<Cursor, Error> {
        let image = desktop.fixes()?.xfixes_get_cursor_image()?.reply()?;
        Ok(Cursor {
            x: i32::from(image.x) - i32::from(image.xhot),
            y: i32::from(image.y) - i32::from(image.yhot),
            width: image.width.into(),
            pixels: image.cursor_image,
        })
    }

    /// What it covers; maybe beyond the screen.
    pub(crate) fn place(&self) -> Rectangle {
        let height = self.pixels.len() / self.width.max(1) as usize;
        Rectangle { x: self.x, y: self.y, width: self.width.cast_unsigned(), height: height as u32 }
    }

    /// Draws what of it is in these pixels of a region.
    pub(crate) fn draw(&self, bytes: &mut [u8], region: Rectangle) {
        let row = region.width as usize * PIXEL;
        let rows = bytes.len() / row;
        for (index, pixel) in (0i32..).zip(&self.pixels) {
            let x = self.x + index % self.width - region.x;
            let y = self.y + index / self.width - region.y;
            if x < 0 || y < 0 || x >= region.width.cast_signed() || y as usize >= rows {
                continue;
            }
            let at = y as usize * row + x as usize * PIXEL;
            let [blue, green, red, alpha] = pixel.to_le_bytes();
            for (below, colour) in bytes[at..].iter_mut().zip([blue, green, red]) {
                let kept = (u16::from(*below) * (255 - u16::from(alpha)) + 127) / 255;
                *below = colour.saturating_add(kept as u8);
            }
        }
    }
}
