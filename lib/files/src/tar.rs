//! The tar format, both ways: ustar, GNU and PAX, with long names and holes; nothing in it is trusted.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;

/// The longest name or extended header, in bytes.
const LONGEST_NAME: u64 = 64 << 10;

/// The most pieces that a file with holes may have.
const MOST_PIECES: usize = 500_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Hardlink,
    /// In words; never taken in.
    Other(&'static str),
}

/// A header, and what the headers before it said of the same entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// How large the file is.
    pub(crate) size: u64,
    /// Where in the file the bytes of the archive go, and how many; else all in a row.
    pub(crate) pieces: Option<Vec<(u64, u64)>>,
}

/// Why an archive is not read on.
#[derive(Debug)]
pub(crate) enum Bad {
    /// It cannot be read, or unpacked.
    Input(io::Error),
    /// It is none, or a broken one.
    Form(String),
    /// More bytes come out of it than were allowed.
    Large,
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Bad {
        Bad::Input(error)
    }
}

fn form<T>(why: impl Into<String>) -> Result<T, Bad> {
    Err(Bad::Form(why.into()))
}

/// Reads the entries of an archive.
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes that may still come.
    left: u64,
    /// Of the present entry, bytes that are unread, and those after them up to the next header.
    unread: u64,
    padding: u64,
}

/// What headers say about the entry after them.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
    real_size: Option<u64>,
    pieces: Vec<(u64, u64)>,
    has_pieces: bool,
    map_within: bool,
}

impl<R: Read> Reader<R> {
    /// At most so many bytes are read, whatever the archive says.
    pub(crate) fn new(input: R, most: u64) -> Reader<R> {
        Reader { input, left: most, unread: 0, padding: 0 }
    }

    /// The next entry; its bytes are read with `read`.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Bad> {
        let mut said = Said::default();
        loop {
            self.skip()?;
            let mut block = [0; BLOCK];
            match self.fill(&mut block)? {
                0 => return form("it ends without its end mark: it was cut off, or is no tar archive"),
                BLOCK => {}
                _ => return form("it ends within a header"),
            }
            if block.iter().all(|byte| *byte == 0) {
                self.drain()?;
                return Ok(None);
            }
            check(&block)?;
            let size = number(&block[124..136])?;
            match block[156] {
                b'L' => said.path = Some(until_zero(&self.name(size)?).to_vec()),
                b'K' => said.link = Some(until_zero(&self.name(size)?).to_vec()),
                b'x' => said.extend(&self.name(size)?)?,
                // Defaults for all entries: of times and owners mostly, and never of names.
                b'g' => {
                    let _ = self.name(size)?;
                }
                _ => return self.entry(&block, size, said).map(Some),
            }
        }
    }

    fn entry(&mut self, block: &[u8; BLOCK], size: u64, said: Said) -> Result<Entry, Bad> {
        let mut stored = said.size.unwrap_or(size);
        let mut path = said.path.unwrap_or_else(|| {
            let name = until_zero(&block[..100]);
            let prefix = until_zero(&block[345..500]);
            // In GNU's own format other things stand there.
            if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
                [prefix, b"/", name].concat()
            } else {
                name.to_vec()
            }
        });
        let (mut kind, mut real_size, mut pieces) = match block[156] {
            b'0' | 0 | b'7' => (Kind::File, None, None),
            b'1' => (Kind::Hardlink, None, None),
            b'2' => (Kind::Symlink, None, None),
            b'3' | b'4' => (Kind::Other("a device"), None, None),
            b'5' => (Kind::Directory, None, None),
            b'6' => (Kind::Other("a fifo"), None, None),
            b'S' => (Kind::File, Some(number(&block[483..495])?), Some(self.pieces(block)?)),
            _ => (Kind::Other("of a kind that is not understood"), None, None),
        };
        if kind == Kind::File && pieces.is_none() && path.ends_with(b"/") {
            kind = Kind::Directory;
        }
        if kind != Kind::File {
            // Only files have bytes, whatever their header says; were it true, the next header's sum would be wrong.
            stored = 0;
        }
        self.expect(stored);
        if said.map_within {
            pieces = Some(self.map_within()?);
        } else if said.has_pieces {
            pieces = Some(said.pieces);
        }
        if pieces.is_some() {
            real_size = said.real_size.or(real_size);
        }
        let size = real_size.unwrap_or(stored);
        if let Some(pieces) = &pieces {
            let mut end = 0;
            for (offset, length) in pieces {
                if *offset < end {
                    return form("a file's pieces overlap");
                }
                end = offset
                    .checked_add(*length)
                    .filter(|end| *end <= size)
                    .ok_or_else(|| Bad::Form("a file's piece lies beyond its end".to_owned()))?;
            }
            if pieces.iter().map(|piece| piece.1).sum::<u64>() != self.unread {
                return form("a file's pieces are not as long as its bytes");
            }
        }
        path.truncate(path.iter().rposition(|byte| *byte != b'/').map_or(path.len(), |last| last + 1));
        Ok(Entry {
            path,
            link: said.link.unwrap_or_else(|| until_zero(&block[157..257]).to_vec()),
            kind,
            mode: u32::try_from(number(&block[100..108])? & 0o7777).expect("it was masked"),
            modified: match said.modified {
                Some(modified) => modified,
                None => i64::try_from(number(&block[136..148]).unwrap_or(0)).unwrap_or(0),
            },
            size,
            pieces,
        })
    }

    /// Bytes of the present entry, as they stand in the archive; 0: that was all.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Bad> {
        let most = buffer.len().min(usize::try_from(self.unread).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = self.fill(&mut buffer[..most])?;
        if count == 0 {
            return form("it ends within a file");
        }
        self.unread -= count as u64;
        Ok(count)
    }

    fn expect(&mut self, size: u64) {
        self.unread = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    /// Goes to the next header.
    fn skip(&mut self) -> Result<(), Bad> {
        let mut buffer = [0; 8192];
        while self.read(&mut buffer)? > 0 {}
        let padding = usize::try_from(std::mem::take(&mut self.padding)).expect("less than a block");
        if self.fill(&mut buffer[..padding])? < padding {
            return form("it ends within a file");
        }
        Ok(())
    }

    /// What follows the end mark: the sums of the compression, and nothing that counts.
    fn drain(&mut self) -> Result<(), Bad> {
        let mut buffer = [0; 8192];
        while self.fill(&mut buffer)? > 0 {}
        Ok(())
    }

    /// As much as there is.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Bad> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Bad::Input(error)),
            }
        }
        self.left = self.left.checked_sub(filled as u64).ok_or(Bad::Large)?;
        Ok(filled)
    }

    /// The bytes of a header that only speaks of the next one.
    fn name(&mut self, size: u64) -> Result<Vec<u8>, Bad> {
        if size > LONGEST_NAME {
            return form(format!("it has a header of {size} bytes"));
        }
        self.expect(size);
        let mut bytes = vec![0; usize::try_from(size).expect("checked above")];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += self.read(&mut bytes[filled..])?;
        }
        Ok(bytes)
    }

    /// GNU's old map of pieces: four in the header, 21 in each block after it.
    fn pieces(&mut self, header: &[u8; BLOCK]) -> Result<Vec<(u64, u64)>, Bad> {
        let mut pieces = Vec::new();
        let mut add = |fields: &[u8]| -> Result<(), Bad> {
            for field in fields.as_chunks::<24>().0 {
                if field[0] != 0 && field[12] != 0 {
                    let (offset, length) = (number(&field[..12])?, number(&field[12..])?);
                    // An empty piece at the end only says how long the file is.
                    if length > 0 {
                        pieces.push((offset, length));
                    }
                }
            }
            if pieces.len() > MOST_PIECES { form("a file has too many pieces") } else { Ok(()) }
        };
        add(&header[386..482])?;
        let mut more = header[482] != 0;
        while more {
            let mut block = [0; BLOCK];
            if self.fill(&mut block)? < BLOCK {
                return form("it ends within a header");
            }
            add(&block[..504])?;
            more = block[504] != 0;
        }
        Ok(pieces)
    }

    /// PAX's map of pieces: lines of digits before the bytes, filled up to a block.
    fn map_within(&mut self) -> Result<Vec<(u64, u64)>, Bad> {
        let mut numbers = Vec::new();
        let mut digits: u64 = 0;
        let mut wanted = 1;
        let mut block = [0; BLOCK];
        while numbers.len() < wanted {
            let mut filled = 0;
            while filled < BLOCK {
                match self.read(&mut block[filled..])? {
                    0 => return form("a file ends within its map"),
                    count => filled += count,
                }
            }
            for byte in block {
                match byte {
                    _ if numbers.len() == wanted => break,
                    b'0'..=b'9' => {
                        digits = digits
                            .checked_mul(10)
                            .and_then(|digits| digits.checked_add(u64::from(byte - b'0')))
                            .ok_or_else(|| Bad::Form("a file's map is broken".to_owned()))?;
                    }
                    b'\n' => {
                        numbers.push(std::mem::take(&mut digits));
                        if numbers.len() == 1 {
                            let count = usize::try_from(numbers[0]).unwrap_or(usize::MAX);
                            if count > MOST_PIECES {
                                return form("a file has too many pieces");
                            }
                            wanted = 1 + 2 * count;
                        }
                    }
                    _ => return form("a file's map is broken"),
                }
            }
        }
        Ok(numbers[1..].as_chunks::<2>().0.iter().map(|pair| (pair[0], pair[1])).filter(|piece| piece.1 > 0).collect())
    }
}

impl Said {
    /// Takes in what a PAX header says: lines of `LENGTH KEY=VALUE`.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let broken = || Bad::Form("an extended header is broken".to_owned());
        let mut rest = bytes;
        let mut offset = None;
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize = text(&rest[..space]).and_then(|text| text.parse().ok()).ok_or_else(broken)?;
            let line = rest.get(space + 1..length).and_then(|line| line.strip_suffix(b"\n")).ok_or_else(broken)?;
            rest = &rest[length..];
            let equals = line.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            let (key, value) = (&line[..equals], &line[equals + 1..]);
            let size = || text(value).and_then(|text| text.parse::<u64>().ok()).ok_or_else(broken);
            match key {
                b"path" if self.path.is_none() => self.path = Some(value.to_vec()),
                b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(size()?),
                b"mtime" => {
                    let seconds = text(value).and_then(|text| text.split('.').next()).ok_or_else(broken)?;
                    self.modified = Some(seconds.parse().map_err(|_| broken())?);
                }
                b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real_size = Some(size()?),
                b"GNU.sparse.major" => self.map_within = value == b"1",
                b"GNU.sparse.map" => {
                    self.has_pieces = true;
                    let numbers: Option<Vec<u64>> =
                        text(value).ok_or_else(broken)?.split(',').map(|text| text.parse().ok()).collect();
                    let pairs = numbers.ok_or_else(broken)?;
                    self.pieces.extend(pairs.as_chunks::<2>().0.iter().map(|pair| (pair[0], pair[1])));
                }
                b"GNU.sparse.offset" => offset = Some(size()?),
                b"GNU.sparse.numbytes" => {
                    self.has_pieces = true;
                    self.pieces.push((offset.take().ok_or_else(broken)?, size()?));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn until_zero(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

fn check(block: &[u8; BLOCK]) -> Result<(), Bad> {
    let sum = |block: &[u8]| block.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let right = sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..]);
    match number(&block[148..156]) {
        Ok(said) if said == right => Ok(()),
        Ok(_) | Err(_) => form("it is no tar archive, or a broken one: the sum of a header is wrong"),
    }
}

/// Octal digits between blanks, or, where they would not fit, the bytes of the number.
fn number(field: &[u8]) -> Result<u64, Bad> {
    if field[0] & 0x80 != 0 {
        let mut number = u64::from(field[0] & 0x7f);
        for byte in &field[1..] {
            if number >> 56 != 0 {
                return form("a number in a header is too large or negative");
            }
            number = number << 8 | u64::from(*byte);
        }
        return Ok(number);
    }
    let digits: Vec<u8> =
        field.iter().copied().skip_while(|byte| *byte == b' ').take_while(|byte| !b"\0 ".contains(byte)).collect();
    if digits.is_empty() {
        return Ok(0);
    }
    text(&digits)
        .and_then(|digits| u64::from_str_radix(digits, 8).ok())
        .ok_or_else(|| Bad::Form("a number in a header is none".to_owned()))
}

/// What is written of an entry; its bytes follow, filled up to a block with [`pad`].
pub(crate) struct Written<'e> {
    pub(crate) path: &'e [u8],
    pub(crate) link: &'e [u8],
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: i64,
    pub(crate) size: u64,
    pub(crate) pieces: Option<&'e [(u64, u64)]>,
}

/// Writes a header in GNU's format.
pub(crate) fn head(out: &mut impl Write, entry: &Written<'_>) -> io::Result<()> {
    if entry.path.len() > 100 {
        long(out, b'L', entry.path)?;
    }
    if entry.link.len() > 100 {
        long(out, b'K', entry.link)?;
    }
    let mut block = [0; BLOCK];
    put(&mut block[..100], entry.path);
    digits(&mut block[100..108], entry.mode.into());
    digits(&mut block[108..116], entry.owner.0.into());
    digits(&mut block[116..124], entry.owner.1.into());
    digits(&mut block[136..148], u64::try_from(entry.modified).unwrap_or(0));
    put(&mut block[157..257], entry.link);
    put(&mut block[257..265], b"ustar  \0");
    block[156] = match entry.kind {
        Kind::File if entry.pieces.is_some() => b'S',
        Kind::File => b'0',
        Kind::Directory => b'5',
        Kind::Symlink => b'2',
        Kind::Hardlink | Kind::Other(_) => unreachable!("they are not written"),
    };
    let Some(pieces) = entry.pieces else {
        digits(&mut block[124..136], entry.size);
        return sum(out, &mut block);
    };
    digits(&mut block[124..136], pieces.iter().map(|piece| piece.1).sum());
    digits(&mut block[483..495], entry.size);
    // Where a file ends in a hole, an empty piece says so.
    let end = pieces.last().is_none_or(|(offset, length)| offset + length < entry.size);
    let mut pieces = pieces.iter().copied().chain(end.then_some((entry.size, 0))).peekable();
    let mut put_pieces = |fields: &mut [u8]| {
        for field in fields.as_chunks_mut::<24>().0 {
            let Some((offset, length)) = pieces.next() else { break };
            digits(&mut field[..12], offset);
            digits(&mut field[12..], length);
        }
        u8::from(pieces.peek().is_some())
    };
    let mut more = put_pieces(&mut block[386..482]);
    block[482] = more;
    sum(out, &mut block)?;
    while more != 0 {
        let mut block = [0; BLOCK];
        more = put_pieces(&mut block[..504]);
        block[504] = more;
        out.write_all(&block)?;
    }
    Ok(())
}

/// Fills up to a block after so many bytes.
pub(crate) fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    let padding = usize::try_from(size.wrapping_neg() % BLOCK as u64).expect("less than a block");
    out.write_all(&[0; BLOCK][..padding])
}

/// The end mark.
pub(crate) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// A name that does not fit stands in an entry of its own.
fn long(out: &mut impl Write, kind: u8, name: &[u8]) -> io::Result<()> {
    let mut block = [0; BLOCK];
    put(&mut block[..100], b"././@LongLink");
    digits(&mut block[100..108], 0o644);
    digits(&mut block[124..136], name.len() as u64 + 1);
    block[156] = kind;
    put(&mut block[257..265], b"ustar  \0");
    sum(out, &mut block)?;
    out.write_all(name)?;
    out.write_all(&[0])?;
    pad(out, name.len() as u64 + 1)
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let count = bytes.len().min(field.len());
    field[..count].copy_from_slice(&bytes[..count]);
}

fn digits(field: &mut [u8], number: u64) {
    let width = field.len() - 1;
    let text = format!("{number:0width$o}");
    if text.len() <= width {
        field[..width].copy_from_slice(text.as_bytes());
    } else {
        field[0] = 0x80;
        let low = field.len() - 8.min(field.len() - 1);
        let bytes = number.to_be_bytes();
        let count = field.len() - low;
        field[low..].copy_from_slice(&bytes[8 - count..]);
    }
}

fn sum(out: &mut impl Write, block: &mut [u8; BLOCK]) -> io::Result<()> {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(block)
}
