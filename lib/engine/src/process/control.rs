//! What is asked of a keeper: input, size, signals, an end, a new beginning.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use store::Process;

use super::Error as Why;
use super::wire::{self, Answer, Letter, Request};
use crate::Places;
use crate::error::Error;

/// Input goes in pieces of this size, in bytes.
const PIECE: usize = 64 << 10;

/// Gives input to a process; returns how many bytes are in its pipe or terminal. Waits while it does not read, or so long.
///
/// # Errors
/// [`Why::NotRunning`]; [`Why::Refused`] when its input is closed, or it has not read in time: then what was given still waits
/// for it.
pub fn send_input(
    store: &Path,
    process: &Process,
    from: &mut dyn std::io::Read,
    within: Option<Duration>,
) -> Result<u64, Error> {
    let mut line = connect(store, process)?;
    line.set_read_timeout(within).map_err(|_| not_running(process))?;
    let mut written = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let count =
            from.read(&mut piece).map_err(|source| Error::File { doing: "read", path: "stdin".into(), source })?;
        if count == 0 {
            return Ok(written);
        }
        written += ask(&mut line, process, Letter::Input, &piece[..count])?.written;
    }
}

/// Closes its input; on a terminal, Ctrl-D.
///
/// # Errors
/// As [`send_input`].
pub fn close_input(store: &Path, process: &Process) -> Result<(), Error> {
    request(store, process, &Request::Eof)
}

/// Sets the size of its terminal.
///
/// # Errors
/// [`Why::Refused`] when it has none.
pub fn resize(store: &Path, process: &Process, cols: u16, rows: u16) -> Result<(), Error> {
    request(store, process, &Request::Resize(cols, rows))
}

/// Sends a signal to the program, or to everything below it; SIGKILL goes to everything, and it is not started again.
///
/// # Errors
/// [`Why::NotRunning`].
pub fn signal(store: &Path, process: &Process, signal: i32, all: bool) -> Result<(), Error> {
    request(store, process, &Request::Signal { signal, all })
}

/// SIGTERM to everything, and after the grace SIGKILL; it is not started again. Returns at once.
///
/// # Errors
/// [`Why::NotRunning`].
pub fn stop(store: &Path, process: &Process, grace: Option<Duration>) -> Result<(), Error> {
    request(store, process, &Request::Stop { grace_ms: grace.map(milliseconds) })
}

/// Ends it as [`stop`] does, and starts it again. Returns at once.
///
/// # Errors
/// [`Why::NotRunning`].
pub fn restart(store: &Path, process: &Process, grace: Option<Duration>) -> Result<(), Error> {
    request(store, process, &Request::Restart { grace_ms: grace.map(milliseconds) })
}

fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn request(store: &Path, process: &Process, request: &Request) -> Result<(), Error> {
    ask(&mut connect(store, process)?, process, Letter::Request, &request.bytes()).map(drop)
}

/// The line to a process's keeper.
pub(crate) fn connect(store: &Path, process: &Process) -> Result<UnixStream, Error> {
    // A keeper listens before its row says that there is one.
    host::socket::connect(&Places::beside(store).socket(&process.uid)).map_err(|_| not_running(process))
}

pub(crate) fn ask(line: &mut UnixStream, process: &Process, letter: Letter, bytes: &[u8]) -> Result<Answer, Error> {
    // A line that breaks means that its keeper has gone, and its process with it.
    let gone = |error: std::io::Error| {
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            let why = "it does not read its input; what was given waits for it".to_owned();
            return Why::Refused { process: process.process_id.clone(), why }.into();
        }
        not_running(process)
    };
    wire::write(&mut *line, letter, bytes).map_err(gone)?;
    let Some((Letter::Answer, bytes)) = wire::read(&mut *line).map_err(gone)? else { return Err(not_running(process)) };
    let answer: Answer =
        serde_json::from_slice(&bytes).map_err(|source| Why::Stored { process: process.process_id.clone(), source })?;
    match answer.refused {
        Some(why) => Err(Why::Refused { process: process.process_id.clone(), why }.into()),
        None => Ok(answer),
    }
}

fn not_running(process: &Process) -> Error {
    Why::NotRunning(process.name.clone().unwrap_or_else(|| process.process_id.clone())).into()
}
