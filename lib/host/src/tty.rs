//! The person at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::termios::{FlushArg, tcflush};
use nix::unistd::{getpgrp, getsid, read, tcgetpgrp};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::bell::register;
use crate::{Error, Lock};

const PATH: &str = "/dev/tty";

/// Whether a descriptor is a terminal.
pub fn is_terminal(fd: impl AsFd) -> bool {
    fd.as_fd().is_terminal()
}

/// `/dev/tty`, while we are its foreground process group.
pub struct Terminal {
    input: AsyncFd<OwnedFd>,
    output: File,
    typed: Vec<u8>,
}

impl Terminal {
    /// `None` when there is no controlling terminal or we are not in its foreground. Needs a tokio runtime.
    pub fn open() -> Option<Self> {
        let output = open(0).ok()?;
        if !in_foreground(&output) {
            return None;
        }
        // Opened a second time: waiting must not block, and the flag belongs to whoever shares the open file.
        let input = register(open(libc::O_NONBLOCK).ok()?.into(), Interest::READABLE).ok()?;
        Some(Self { input, output, typed: Vec::new() })
    }

    /// Whether we are still in the foreground; reading in the background would stop us.
    pub fn foreground(&self) -> bool {
        in_foreground(&self.output)
    }

    /// The right to ask on this terminal: one lock file in `directory` for each terminal; `None` when another of us asks.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::System`].
    pub fn prompt_lock(&self, directory: &Path) -> Result<Option<Lock>, Error> {
        // All that have this terminal are of its session; the device itself always says that it is /dev/tty.
        let session =
            getsid(None).map_err(|errno| Error::System { action: "find our session", source: errno.into() })?;
        Lock::take(&directory.join(format!("tty-{session}.lock")))
    }

    /// Writes to the terminal, and forgets what was typed before.
    ///
    /// # Errors
    /// [`Error::File`] when the terminal has gone.
    pub fn ask(&mut self, text: &str) -> Result<(), Error> {
        self.typed.clear();
        // An answer typed before the question was seen is no answer.
        let flushed = tcflush(&self.output, FlushArg::TCIFLUSH).map_err(io::Error::from);
        flushed.and_then(|()| self.output.write_all(text.as_bytes())).map_err(gone)
    }

    /// One line without its end; `None` at the end of input. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::File`] when the terminal has gone.
    pub async fn line(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.typed.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            let mut ready = self.input.readable().await.map_err(gone)?;
            let mut bytes = [0; 4096];
            match ready.try_io(|input| Ok(read(input, &mut bytes)?)) {
                Ok(Ok(0)) if self.typed.is_empty() => return Ok(None),
                Ok(Ok(0)) => self.typed.push(b'\n'),
                Ok(Ok(count)) => self.typed.extend_from_slice(&bytes[..count]),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(gone(error)),
                Err(_would_block) => {}
            }
        }
    }
}

fn open(flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(flags | libc::O_NOCTTY).open(PATH)
}

fn in_foreground(terminal: &File) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

fn gone(source: io::Error) -> Error {
    Error::File { action: "use", path: PathBuf::from(PATH), source }
}
