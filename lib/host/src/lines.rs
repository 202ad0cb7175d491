//! Bytes into lines: bounded, without a copy per line, nothing lost to bad UTF-8.

use std::borrow::Cow;

/// The longest line that is kept whole, in bytes.
pub const LONGEST: usize = 64 << 20;

/// How much of each end of a longer one is kept, in bytes.
pub const KEPT: usize = 64 << 10;

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
