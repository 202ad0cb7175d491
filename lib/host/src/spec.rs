//! What to start, as data.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A program with everything it gets. No `Debug`: the environment may hold secrets.
#[derive(Clone)]
pub struct Spec {
    /// A path; a bare name is searched in the `PATH` of [`Spec::env`].
    pub program: PathBuf,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// The complete environment: nothing is added and nothing inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory.
    pub dir: PathBuf,
    /// How it is ended.
    pub stop: Stop,
}

/// How long each step of the stop ladder is given before the next one: end of input, SIGTERM, SIGKILL.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// How long the agent may take to end after its stdin was closed; zero leaves the step out.
    pub eof: Duration,
    /// How long it and everything below it may take to end after SIGTERM; zero leaves the step out.
    pub term: Duration,
}
