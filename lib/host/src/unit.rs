//! A running agent below its guard: what it says, what it is told, how it ends.

use std::ffi::OsString;

use crate::{Error, Line, Lock, Signal, Spec};

/// A program that runs below a guard of ours. Dropped, it is killed with everything below it.
pub struct Unit {}

/// What [`Unit::next`] waited for.
#[derive(Debug)]
pub enum Happening {
    /// At least one complete line is buffered, or the unterminated one at the end: take them with [`Unit::line`].
    /// Said again until they are taken.
    Lines,
    /// Complete lines of stderr with their ends, at most 64 KiB at once (a longer line comes in pieces).
    Stderr(String),
    /// The program has ended, and its stdout is at its end or has for 200 ms been held by something below it.
    /// Said again when asked again.
    Exited(Exit),
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it. When the guard itself was killed, the guard's.
    pub signal: Option<i32>,
    /// The last 8 KiB of its stderr.
    pub stderr: String,
}

impl Unit {
    /// Starts `spec` under a guard, which holds `lock` too. Needs a tokio runtime; returns once the program runs.
    /// Makes this process a child sub-reaper, so that what a killed guard leaves can still be found.
    ///
    /// # Errors
    /// [`Error::NotFound`] (127), [`Error::NotExecutable`] (126), [`Error::Directory`], [`Error::Ourselves`].
    pub fn spawn(spec: &Spec, lock: &Lock) -> Result<Self, Error> {
        Self::spawn_with_guard(spec, lock, &["/proc/self/exe".into(), "__guard".into()])
    }

    /// As [`Unit::spawn`], with another program as guard.
    ///
    /// # Errors
    /// As [`Unit::spawn`].
    pub fn spawn_with_guard(spec: &Spec, lock: &Lock, guard: &[OsString]) -> Result<Self, Error> {
        let _ = (spec, lock, guard);
        unimplemented!()
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        unimplemented!()
    }

    /// The next happening; writes queued input and drains stderr in the same await. Cancel-safe.
    pub async fn next(&mut self) -> Happening {
        unimplemented!()
    }

    /// The next complete line that is already buffered.
    pub fn line(&mut self) -> Option<Line<'_>> {
        unimplemented!()
    }

    /// Queues `text` and a newline for stdin; it is written by [`Unit::next`]. Dropped when the input is closed.
    pub fn say(&mut self, text: &str) {
        let _ = text;
        unimplemented!()
    }

    /// Closes stdin after what is queued.
    pub fn close_input(&mut self) {
        unimplemented!()
    }

    /// Sends a signal to the program and to everything below it, wherever it moved.
    pub fn signal_tree(&mut self, signal: Signal) {
        let _ = signal;
        unimplemented!()
    }

    /// The ladder: end of input, SIGTERM to everything below the guard, SIGKILL. Returns when nothing is alive below
    /// the guard and the guard has gone. What still arrives on stdout is kept for [`Unit::line`].
    pub async fn stop(&mut self) -> Exit {
        unimplemented!()
    }

    /// As [`Unit::stop`], at once by SIGKILL.
    pub async fn kill(&mut self) -> Exit {
        unimplemented!()
    }

    /// The last 8 KiB of stderr, invalid UTF-8 replaced.
    pub fn stderr_tail(&self) -> String {
        unimplemented!()
    }
}
