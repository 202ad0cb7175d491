//! Bytes into lines: bounded, without a copy per line, nothing lost to bad UTF-8.

use std::borrow::Cow;
use std::collections::VecDeque;

use memchr::{memchr, memrchr};
use sha2::{Digest, Sha256};

/// Bytes read and not yet taken as lines. Public for its benchmark only.
#[doc(hidden)]
pub struct Lines {
    /// Initialised throughout; what was read is in `start..end`.
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Where the last complete line ends.
    complete: usize,
    end: usize,
    /// The line under way is too long to be kept: its bytes come here and never stay in the buffer.
    cutting: Option<Cutting>,
    /// Lines that were cut, each with the position in the buffer that it stands before.
    cuts: VecDeque<(usize, Line<'static>)>,
}

/// The longest line that is kept whole, in bytes.
pub const LONGEST: usize = 64 << 20;

/// How much of each end of a longer one is kept, in bytes.
pub const KEPT: usize = 64 << 10;

/// How much is read at once, in bytes: all its lines are one batch.
pub(crate) const READ: usize = 256 << 10;

/// One line without its end (`\n` or `\r\n`).
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// As it was.
    Whole(&'a str),
    /// It had invalid UTF-8, which was replaced.
    Lossy(Cow<'a, str>),
    /// It was longer than [`LONGEST`].
    Cut {
        /// The first [`KEPT`] bytes, invalid UTF-8 replaced.
        head: String,
        /// The last [`KEPT`] bytes, likewise.
        tail: String,
        /// Of the whole line, in bytes.
        length: u64,
        /// Of the whole line, in lower-case hex.
        sha256: String,
    },
}

impl Lines {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self { buffer: vec![0; 2 * READ], start: 0, complete: 0, end: 0, cutting: None, cuts: VecDeque::new() }
    }

    /// Room for one read. Say [`Lines::filled`] after it.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end && self.buffer.len() > 4 * READ {
            self.move_to_front();
            self.buffer.truncate(2 * READ);
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() - self.end < READ {
            self.move_to_front();
        }
        if self.buffer.len() - self.end < READ {
            // Doubled, so that a long line is copied a few times only; but not far beyond the longest.
            let doubled = (2 * self.buffer.len()).min(LONGEST + 2 * READ);
            self.buffer.resize(doubled.max(self.end + READ), 0);
        }
        &mut self.buffer[self.end..self.end + READ]
    }

    /// The first `count` bytes of [`Lines::space`] were read.
    pub fn filled(&mut self, mut count: usize) {
        if let Some(cutting) = &mut self.cutting {
            let read = &self.buffer[self.end..self.end + count];
            let Some(newline) = memchr(b'\n', read) else {
                cutting.push(read);
                return;
            };
            cutting.push(&read[..newline]);
            self.finish_cutting();
            self.buffer.copy_within(self.end + newline + 1..self.end + count, self.end);
            count -= newline + 1;
        }
        let read = &self.buffer[self.end..self.end + count];
        if let Some(newline) = memrchr(b'\n', read) {
            self.complete = self.end + newline + 1;
        }
        self.end += count;
        if self.end - self.complete > LONGEST {
            let mut cutting = Cutting::new();
            cutting.push(&self.buffer[self.complete..self.end]);
            self.cutting = Some(cutting);
            self.end = self.complete;
        }
    }

    /// Nothing more will come: what is left without a newline is a line.
    pub fn finish(&mut self) {
        self.finish_cutting();
        self.complete = self.end;
    }

    /// Whether [`Lines::line`] has one.
    pub fn ready(&self) -> bool {
        self.start < self.complete || !self.cuts.is_empty()
    }

    /// How many bytes are kept.
    pub(crate) fn kept(&self) -> usize {
        self.end - self.start
    }

    /// The next complete line.
    pub fn line(&mut self) -> Option<Line<'_>> {
        if self.cuts.front().is_some_and(|(position, _)| *position == self.start) {
            return self.cuts.pop_front().map(|(_, line)| line);
        }
        let rest = &self.buffer[self.start..self.complete];
        if rest.is_empty() {
            return None;
        }
        let line = match memchr(b'\n', rest) {
            Some(newline) => &rest[..newline],
            None => rest,
        };
        self.start = (self.start + line.len() + 1).min(self.complete);
        Some(spoken(line))
    }

    /// Moves what is kept to the beginning of the buffer.
    fn move_to_front(&mut self) {
        let start = self.start;
        self.buffer.copy_within(start..self.end, 0);
        self.start = 0;
        self.complete -= start;
        self.end -= start;
        for (position, _) in &mut self.cuts {
            *position -= start;
        }
    }

    fn finish_cutting(&mut self) {
        if let Some(cutting) = self.cutting.take() {
            self.cuts.push_back((self.end, cutting.finish()));
        }
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

fn spoken(line: &[u8]) -> Line<'_> {
    if line.len() > LONGEST {
        // Its newline came in the same read that made it too long.
        let mut cutting = Cutting::new();
        cutting.push(line);
        return cutting.finish();
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) => Line::Whole(text),
        Err(_) => Line::Lossy(String::from_utf8_lossy(line)),
    }
}

/// What is kept of a line that is too long.
struct Cutting {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: u64,
    hash: Sha256,
}

impl Cutting {
    fn new() -> Self {
        Self { head: Vec::new(), tail: Vec::new(), length: 0, hash: Sha256::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        let missing = KEPT - self.head.len();
        self.head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
    }

    fn finish(self) -> Line<'static> {
        Line::Cut {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            tail: String::from_utf8_lossy(&self.tail).into_owned(),
            length: self.length,
            sha256: self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in reads of at most `step`, taking all lines after each read or only at the end.
    fn split(bytes: &[u8], step: usize, at_once: bool) -> Vec<String> {
        let mut lines = Lines::new();
        let mut found = Vec::new();
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                let space = lines.space();
                let count = chunk.len().min(space.len());
                space[..count].copy_from_slice(&chunk[..count]);
                lines.filled(count);
                chunk = &chunk[count..];
                if at_once {
                    take(&mut lines, &mut found);
                }
            }
        }
        lines.finish();
        take(&mut lines, &mut found);
        found
    }

    fn take(lines: &mut Lines, found: &mut Vec<String>) {
        while lines.ready() {
            found.push(match lines.line().expect("ready") {
                Line::Whole(text) => text.to_owned(),
                Line::Lossy(text) => format!("lossy:{text}"),
                Line::Cut { head, tail, length, sha256 } => {
                    assert_eq!((head.len(), tail.len()), (KEPT, KEPT));
                    format!("cut:{}…{}:{length}:{sha256}", &head[..1], &tail[KEPT - 1..])
                }
            });
        }
        assert_eq!(lines.line(), None);
    }

    #[test]
    fn the_same_lines_however_they_arrive() {
        let text = b"one\r\n\ntwo\x00three\n\xff\xfe bad\n{\"emoji\":\"\xf0\x9f\x98\x80\"}\n\r\nhalf \xf0\x9f";
        let expected =
            ["one", "", "two\0three", "lossy:\u{fffd}\u{fffd} bad", "{\"emoji\":\"😀\"}", "", "lossy:half \u{fffd}"];
        for step in 1..text.len() + 1 {
            for at_once in [true, false] {
                assert_eq!(split(text, step, at_once), expected, "in steps of {step}");
            }
        }
        assert_eq!(split(b"", 1, true), [""; 0]);
        assert_eq!(split(b"\n", 1, true), [""]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_in_its_place_and_never_kept() {
        const LONG: usize = 200 << 20;
        // Taken at once, or all at the end, as after a stop.
        for (at_once, bound) in [(true, LONGEST + 2 * READ), (false, 2 * LONGEST + 2 * READ)] {
            let mut lines = Lines::new();
            let mut found = Vec::new();
            for (byte, count) in [(b'a', 1), (b'x', LONG), (b'b', 1), (b'y', LONGEST), (b'z', LONGEST + 1)] {
                let mut left = count;
                while left > 0 {
                    let space = lines.space();
                    let now = left.min(space.len());
                    space[..now].fill(byte);
                    lines.filled(now);
                    left -= now;
                    assert!(lines.buffer.len() <= bound, "{}", lines.buffer.len());
                }
                lines.space()[0] = b'\n';
                lines.filled(1);
                if at_once {
                    summarise(&mut lines, &mut found);
                }
            }
            summarise(&mut lines, &mut found);
            // Both sums come from sha256sum.
            let x = "xx*209715200 514f0b9344ea04c03032092f3cc4449bbd384aa226b4f7355b39705aa99d3ad2";
            let z = "zz*67108865 151d23041facd8fb3a8d52298dfad7bd69ad7e6a31ec0beb7fc10b3257b11178";
            assert_eq!(found, ["a*1", x, "b*1", &format!("y*{LONGEST}"), z]);
            lines.space();
            assert!(lines.buffer.len() <= 2 * READ, "given back: {}", lines.buffer.len());
        }
    }

    fn summarise(lines: &mut Lines, found: &mut Vec<String>) {
        while let Some(line) = lines.line() {
            found.push(match line {
                Line::Whole(text) => format!("{}*{}", &text[..1], text.len()),
                Line::Lossy(_) => unreachable!(),
                Line::Cut { head, tail, length, sha256 } => {
                    assert_eq!((head.len(), tail.len()), (KEPT, KEPT));
                    format!("{}{}*{length} {sha256}", &head[..1], &tail[..1])
                }
            });
        }
    }

    #[test]
    fn a_line_that_becomes_too_long_with_its_newline_is_cut_too() {
        let mut bytes = vec![b'a'; LONGEST + 1];
        bytes.push(b'\n');
        bytes.extend_from_slice(b"next\n");
        let found = split(&bytes, bytes.len(), false);
        assert!(found[0].starts_with("cut:a…a:67108865:"), "{}", &found[0][..40]);
        assert_eq!(found[1..], ["next"]);
    }
}
