//! Pixels as files: PNG, JPEG and WebP, and smaller pictures of larger ones, row by row.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use image_webp::{ColorType, WebPEncoder};
use jpeg_encoder::{Encoder, EncodingError, ImageBuffer, JpegColorType, rgb_to_ycbcr};

use crate::Error;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Every pixel as it is.
    Png,
    /// With this quality, from 1 to 100.
    Jpeg(u8),
    /// Every pixel as it is.
    Webp,
}

/// What takes rows of red, green and blue.
pub(crate) trait Rows {
    fn row(&mut self, rgb: &[u8]) -> io::Result<()>;
}

/// A picture that is being written.
pub(crate) trait Encode: Rows {
    /// The file.
    fn finish(self: Box<Self>) -> io::Result<Vec<u8>>;
}

impl dyn Encode + '_ {
    pub(crate) fn as_rows(&mut self) -> &mut dyn Rows {
        self
    }
}

impl Format {
    pub(crate) fn begin(self, width: u32, height: u32) -> Result<Box<dyn Encode>, Error> {
        Ok(match self {
            Format::Png => Box::new(Png::begin(width, height)),
            Format::Jpeg(quality) => {
                if !(1..=100).contains(&quality) {
                    return Err(Error::Invalid("take a screenshot: the quality is from 1 to 100".to_owned()));
                }
                Box::new(Jpeg::begin(quality, width, height)?)
            }
            Format::Webp => {
                if width.max(height) > 1 << 14 {
                    return Err(Error::Invalid("take a screenshot: WebP ends at 16384 pixels".to_owned()));
                }
                Box::new(Webp::begin(width, height))
            }
        })
    }
}

/// How hard PNG is packed: more takes longer than it saves.
const LEVEL: u32 = 1;

/// The writer of a PNG: one stream of packed rows, in chunks as they come.
struct Png {
    rows: ZlibEncoder<Chunks>,
}

struct Chunks {
    file: Vec<u8>,
}

impl Png {
    fn begin(width: u32, height: u32) -> Png {
        let mut chunks = Chunks { file: b"\x89PNG\r\n\x1a\n".to_vec() };
        let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
        // Eight bits, red green blue, and the only methods that there are.
        head.extend([8, 2, 0, 0, 0]);
        chunks.chunk(*b"IHDR", &head);
        Png { rows: ZlibEncoder::new(chunks, Compression::new(LEVEL)) }
    }
}

impl Rows for Png {
    fn row(&mut self, rgb: &[u8]) -> io::Result<()> {
        // No filter: pictures of windows become smaller without.
        self.rows.write_all(&[0])?;
        self.rows.write_all(rgb)
    }
}

impl Encode for Png {
    fn finish(self: Box<Png>) -> io::Result<Vec<u8>> {
        let mut chunks = self.rows.finish()?;
        chunks.chunk(*b"IEND", &[]);
        Ok(chunks.file)
    }
}

impl Chunks {
    fn chunk(&mut self, kind: [u8; 4], data: &[u8]) {
        let mut crc = Crc::new();
        crc.update(&kind);
        crc.update(data);
        self.file.extend(u32::try_from(data.len()).expect("a chunk is small").to_be_bytes());
        self.file.extend(kind);
        self.file.extend(data);
        self.file.extend(crc.sum().to_be_bytes());
    }
}

impl Write for Chunks {
    fn write(&mut self, packed: &[u8]) -> io::Result<usize> {
        self.chunk(*b"IDAT", packed);
        Ok(packed.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many rows of a JPEG go together: as many as its blocks are high at the most.
const BLOCK: usize = 16;

/// The writer of a JPEG: another thread packs rows while the next ones are fetched.
struct Jpeg {
    band: Band,
    full: SyncSender<Band>,
    used: Receiver<Band>,
    packer: JoinHandle<Result<Vec<u8>, EncodingError>>,
}

/// Some rows: their brightness and two differences of colour.
#[derive(Default)]
struct Band {
    rows: usize,
    planes: [Vec<u8>; 3],
}

impl Jpeg {
    fn begin(quality: u8, width: u32, height: u32) -> Result<Jpeg, Error> {
        let (full, bands) = sync_channel(2);
        let (back, used) = sync_channel(4);
        let size = |size: u32| u16::try_from(size).expect("a screen is not larger");
        let now = RefCell::new((0, Band::default()));
        let source = Source { width: size(width), height: size(height), bands, back, now };
        let pack = move || {
            let mut file = Vec::new();
            Encoder::new(&mut file, quality).encode_image(source)?;
            Ok(file)
        };
        let packer = std::thread::Builder::new().spawn(pack).map_err(Error::Picture)?;
        Ok(Jpeg { band: Band::default(), full, used, packer })
    }

    fn send(&mut self) {
        let next = Band { rows: 0, ..self.used.try_recv().unwrap_or_default() };
        // Why the other thread has ended is told at the end.
        let _ = self.full.send(std::mem::replace(&mut self.band, next));
    }
}

impl Rows for Jpeg {
    fn row(&mut self, rgb: &[u8]) -> io::Result<()> {
        let [brightness, blue, red] = &mut self.band.planes;
        if self.band.rows == 0 {
            [&mut *brightness, blue, red].into_iter().for_each(Vec::clear);
        }
        for pixel in rgb.chunks_exact(3) {
            let (y, cb, cr) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
            brightness.push(y);
            blue.push(cb);
            red.push(cr);
        }
        self.band.rows += 1;
        if self.band.rows == BLOCK {
            self.send();
        }
        Ok(())
    }
}

impl Encode for Jpeg {
    fn finish(mut self: Box<Jpeg>) -> io::Result<Vec<u8>> {
        if self.band.rows > 0 {
            self.send();
        }
        let Jpeg { full, packer, .. } = *self;
        drop(full);
        packer.join().expect("it does not panic").map_err(io::Error::other)
    }
}

/// What the packing thread takes its rows from, in turn.
struct Source {
    width: u16,
    height: u16,
    bands: Receiver<Band>,
    back: SyncSender<Band>,
    /// Rows, and which of the picture is their first.
    now: RefCell<(usize, Band)>,
}

impl ImageBuffer for Source {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(row), usize::from(self.width));
        let (first, band) = &mut *self.now.borrow_mut();
        if row >= *first + band.rows {
            // Where nobody sends any more nobody wants the picture either; it is packed from what there is.
            if let Ok(next) = self.bands.recv() {
                *first += band.rows;
                let _ = self.back.try_send(std::mem::replace(band, next));
            }
        }
        let at = row.saturating_sub(*first) * width;
        for (plane, buffer) in band.planes.iter().zip(buffers) {
            match plane.get(at..at + width) {
                Some(row) => buffer.extend_from_slice(row),
                None => buffer.extend(std::iter::repeat_n(0, width)),
            }
        }
    }
}

/// The writer of a WebP, which has to be there as a whole first.
struct Webp {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Webp {
    fn begin(width: u32, height: u32) -> Webp {
        // Growing, it would be copied again and again.
        Webp { width, height, rgb: Vec::with_capacity(3 * width as usize * height as usize) }
    }
}

impl Rows for Webp {
    fn row(&mut self, rgb: &[u8]) -> io::Result<()> {
        self.rgb.extend_from_slice(rgb);
        Ok(())
    }
}

impl Encode for Webp {
    fn finish(self: Box<Webp>) -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        let encoder = WebPEncoder::new(&mut file);
        encoder.encode(&self.rgb, self.width, self.height, ColorType::Rgb8).map_err(io::Error::other)?;
        Ok(file)
    }
}

/// A smaller picture: each pixel is the mean of what it covers.
pub(crate) struct Scaled<'a> {
    to: &'a mut dyn Rows,
    from: (usize, usize),
    size: (usize, usize),
    /// For each column of the larger picture: its column here, how much of it is in that, and the rest is in the next.
    columns: Vec<(usize, f32)>,
    line: Vec<f32>,
    sum: Vec<f32>,
    rows: (usize, usize),
}

impl<'a> Scaled<'a> {
    pub(crate) fn new(from: (usize, usize), size: (usize, usize), to: &'a mut dyn Rows) -> Scaled<'a> {
        let columns = (0..from.0).map(|at| share(at, from.0, size.0)).collect();
        // One more than there are, for nothing of the last.
        let empty = vec![0.0; (size.0 + 1) * 3];
        Scaled { to, from, size, columns, line: empty.clone(), sum: empty, rows: (0, 0) }
    }

    fn end_row(&mut self) -> io::Result<()> {
        let area = (self.from.0 as f32 / self.size.0 as f32) * (self.from.1 as f32 / self.size.1 as f32);
        let rgb: Vec<u8> = self.sum[..self.size.0 * 3].iter().map(|sum| (sum / area).round() as u8).collect();
        self.rows.1 += 1;
        self.to.row(&rgb)
    }
}

impl Rows for Scaled<'_> {
    fn row(&mut self, rgb: &[u8]) -> io::Result<()> {
        self.line.fill(0.0);
        for (pixel, (column, part)) in rgb.chunks_exact(3).zip(&self.columns) {
            for (colour, value) in pixel.iter().enumerate() {
                let value = f32::from(*value);
                self.line[column * 3 + colour] += value * part;
                self.line[(column + 1) * 3 + colour] += value * (1.0 - part);
            }
        }
        let (row, part) = share(self.rows.0, self.from.1, self.size.1);
        debug_assert_eq!(row, self.rows.1, "rows come one after the other");
        self.rows.0 += 1;
        for (sum, value) in self.sum.iter_mut().zip(&self.line) {
            *sum += value * part;
        }
        // The row below begins in this one, or the last row ends with it.
        let (next, _) = share(self.rows.0, self.from.1, self.size.1);
        if next > row || self.rows.0 == self.from.1 {
            self.end_row()?;
            for (sum, value) in self.sum.iter_mut().zip(&self.line) {
                *sum = value * (1.0 - part);
            }
        }
        Ok(())
    }
}

/// In which of `size` equal parts the pixel `at` of `from` begins, and how much of it is in that part.
fn share(at: usize, from: usize, size: usize) -> (usize, f32) {
    let part = at * size / from;
    // Where the part ends, in pixels of the larger picture times `size`.
    let end = (part + 1) * from;
    let inside = (end - at * size).min(size);
    (part, inside as f32 / size as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept(Vec<Vec<u8>>);

    impl Rows for Kept {
        fn row(&mut self, rgb: &[u8]) -> io::Result<()> {
            self.0.push(rgb.to_vec());
            Ok(())
        }
    }

    fn scaled(from: (usize, usize), size: (usize, usize), pixel: impl Fn(usize, usize) -> u8) -> Vec<Vec<u8>> {
        let mut kept = Kept(Vec::new());
        let mut scaled = Scaled::new(from, size, &mut kept);
        for y in 0..from.1 {
            let row: Vec<u8> = (0..from.0).flat_map(|x| [pixel(x, y); 3]).collect();
            scaled.row(&row).unwrap();
        }
        kept.0
    }

    /// Whatever goes together, it is what the whole would be.
    #[test]
    fn a_jpeg_is_the_same_in_bands() {
        for (width, height, quality) in [(1, 1, 85), (17, 33, 85), (40, 48, 95), (333, 100, 30)] {
            let rgb: Vec<u8> = (0..width * height * 3).map(|at| (at % 977 * at % 251) as u8).collect();
            let mut whole = Vec::new();
            let (wide, high) = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
            Encoder::new(&mut whole, quality).encode(&rgb, wide, high, jpeg_encoder::ColorType::Rgb).unwrap();
            let mut picture = Format::Jpeg(quality).begin(width, height).unwrap();
            rgb.chunks_exact(width as usize * 3).for_each(|row| picture.as_rows().row(row).unwrap());
            assert!(picture.finish().unwrap() == whole, "{width}x{height}");
        }
        // Who gives up half way waits for nobody.
        let mut picture = Format::Jpeg(85).begin(100, 100).unwrap();
        picture.as_rows().row(&[0; 300]).unwrap();
        drop(picture);
    }

    #[test]
    fn a_smaller_picture_has_the_mean_of_what_its_pixels_cover() {
        let halves = scaled((4, 2), (2, 1), |x, _| if x < 2 { 10 } else { 200 });
        assert_eq!(halves, [[10, 10, 10, 200, 200, 200]]);
        let thirds = scaled((3, 1), (2, 1), |x, _| [0, 90, 180][x]);
        assert_eq!(thirds, [[30, 30, 30, 150, 150, 150]]);
        for (from, size) in [((1440, 900), (720, 450)), ((37, 23), (11, 7)), ((5, 5), (1, 1)), ((9, 7), (8, 6))] {
            let even = scaled(from, size, |_, _| 77);
            assert_eq!(even, vec![vec![77; size.0 * 3]; size.1], "{from:?} to {size:?}");
        }
    }
}
