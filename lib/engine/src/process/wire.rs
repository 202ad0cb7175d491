//! What a keeper and those who control its process say to one another, over a socket in `store.db.live/`.
//!
//! A socket and not rows of the store: a key that is typed and its echo must not wait for a disk. Nothing that is said
//! here has to survive the two who say it. A frame is a letter, four bytes of length (the lowest first), and so many bytes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    /// To the keeper: a [`Request`] as JSON.
    Request,
    /// To the keeper: bytes for the program's input.
    Input,
    /// From the keeper: an [`Answer`] as JSON, one for each request and each input.
    Answer,
    /// From the keeper, after `Attach`: bytes of the terminal.
    Output,
    /// From the keeper, after `Attach`: the end, how it ended as JSON, or nothing if the reader was too slow.
    End,
}

/// What is asked of a keeper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Close its input.
    Eof,
    /// Set the size of its terminal: columns, rows.
    Resize(u16, u16),
    /// Send a signal, by number: to the program alone, or to everything below the keeper.
    Signal { signal: i32, all: bool },
    /// SIGTERM, and after the grace SIGKILL; it stays ended.
    Stop { grace_ms: Option<u64> },
    /// The same, and then start it again.
    Restart { grace_ms: Option<u64> },
    /// Show what its terminal shows from now on; the size as above, or 0 to leave it.
    Attach(u16, u16),
}

impl Request {
    /// As it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it has string keys")
    }
}

/// What a keeper answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Why not.
    pub(crate) refused: Option<String>,
    /// For input: the bytes that are in its pipe or terminal now.
    pub(crate) written: u64,
    /// For `Attach`: what is shown live comes after this record of its log.
    pub(crate) last_sequence: i64,
    /// For `Attach`: whether a full-screen program is at work, and what its terminal has switched on.
    pub(crate) other_screen: bool,
    pub(crate) modes: String,
}

/// A frame longer than this is none of ours, in bytes.
const LONGEST: usize = 1 << 20;

impl Letter {
    fn byte(self) -> u8 {
        match self {
            Letter::Request => b'R',
            Letter::Input => b'I',
            Letter::Answer => b'A',
            Letter::Output => b'O',
            Letter::End => b'E',
        }
    }

    fn of(byte: u8) -> io::Result<Letter> {
        use Letter::{Answer, End, Input, Output, Request};
        let found = [Request, Input, Answer, Output, End].into_iter().find(|letter| letter.byte() == byte);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame of an unknown kind"))
    }
}

fn head(letter: Letter, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a frame is at most a MiB");
    let mut frame = Vec::with_capacity(5 + bytes.len());
    frame.push(letter.byte());
    frame.extend(length.to_le_bytes());
    frame.extend(bytes);
    frame
}

fn length(head: [u8; 5]) -> io::Result<(Letter, usize)> {
    let [letter, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    Ok((Letter::of(letter)?, length))
}

/// Writes a frame.
pub(crate) fn write(mut to: impl Write, letter: Letter, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&head(letter, bytes))
}

/// Reads a frame; `None` at the end.
pub(crate) fn read(mut from: impl Read) -> io::Result<Option<(Letter, Vec<u8>)>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (letter, length) = length(head)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some((letter, bytes)))
}

/// As [`write`], without blocking.
pub(crate) async fn send(to: &mut (impl AsyncWriteExt + Unpin), letter: Letter, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&head(letter, bytes)).await
}

/// As [`read`], without blocking. Not cancel-safe.
pub(crate) async fn receive(from: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Option<(Letter, Vec<u8>)>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (letter, length) = length(head)?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    Ok(Some((letter, bytes)))
}
