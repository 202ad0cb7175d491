//! Compression of archives: told by the first bytes when they come in, chosen when they go out.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// As `gzip -6`.
    Gzip,
    /// About as `zstd -1`, in frames of a mebibyte.
    Zstd,
}

const BUFFER: usize = 128 << 10;

/// The bytes of an archive, whatever it is compressed with.
pub(crate) fn unpacked<'r>(input: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut input = BufReader::with_capacity(BUFFER, input);
    let mut head = [0; 6];
    let mut filled = 0;
    while filled < head.len() {
        match input.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let whole = io::Cursor::new(head).take(filled as u64).chain(input);
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(Frames { input: whole, decoder: FrameDecoder::new(), inside: false })
        }
        [b'B', b'Z', b'h', ..] => return Err(io::Error::other("bzip2 is not understood; gzip and zstd are")),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => return Err(io::Error::other("xz is not understood; gzip and zstd are")),
        _ => Box::new(whole),
    })
}

/// Zstandard: any number of frames, one after the other.
struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    /// In the midst of one.
    inside: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.inside {
                while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                    let more = BlockDecodingStrategy::UptoBytes(buffer.len() - self.decoder.can_collect());
                    self.decoder.decode_blocks(&mut self.input, more).map_err(io::Error::other)?;
                }
                let count = self.decoder.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                self.inside = false;
                let said = self.decoder.get_checksum_from_data();
                if said.is_some() && said != self.decoder.get_calculated_checksum() {
                    return Err(io::Error::other("the checksum of a zstd frame is wrong"));
                }
            }
            if self.input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.reset(&mut self.input) {
                Ok(()) => self.inside = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.input).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

/// Compresses what is written.
pub(crate) enum Packer<'w> {
    Plain(&'w mut dyn Write),
    Gzip(GzEncoder<&'w mut dyn Write>),
    Zstd(&'w mut dyn Write, Vec<u8>),
}

/// How much one frame holds.
const FRAME: usize = 1 << 20;

impl<'w> Packer<'w> {
    pub(crate) fn new(packing: Packing, out: &'w mut dyn Write) -> Packer<'w> {
        match packing {
            Packing::None => Packer::Plain(out),
            Packing::Gzip => Packer::Gzip(GzEncoder::new(out, Compression::default())),
            Packing::Zstd => Packer::Zstd(out, Vec::with_capacity(FRAME)),
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Packer::Plain(out) => out.flush(),
            Packer::Gzip(encoder) => encoder.finish()?.flush(),
            Packer::Zstd(out, frame) => {
                out.write_all(&compress_to_vec(frame.as_slice(), CompressionLevel::Fastest))?;
                out.flush()
            }
        }
    }
}

impl Write for Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Plain(out) => out.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(out, frame) => {
                let count = bytes.len().min(FRAME - frame.len());
                frame.extend_from_slice(&bytes[..count]);
                if frame.len() == FRAME {
                    out.write_all(&compress_to_vec(frame.as_slice(), CompressionLevel::Fastest))?;
                    frame.clear();
                }
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
