//! What can go wrong with a desktop.

use std::io;
use std::path::PathBuf;

use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

/// Why a desktop did not do what it was asked. Messages are fragments that read after “failed to”.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Programs are not installed.
    #[error("find {}: not installed", .0.join(", "))]
    Missing(Vec<String>),
    /// There is no desktop of this name.
    #[error("reach desktop `{0}`: it is not running")]
    NotRunning(String),
    /// It has ended by itself.
    #[error("reach desktop `{name}`: it has ended: {why}")]
    Ended {
        /// The desktop.
        name: String,
        /// The last that its server said.
        why: String,
    },
    /// A part of it does not run.
    #[error("start {program}: {why}")]
    NotStarted {
        /// The program.
        program: &'static str,
        /// The last that it said.
        why: String,
    },
    /// Somebody is starting or stopping it.
    #[error("take desktop `{0}`: another command is starting or stopping it")]
    Busy(String),
    /// It runs with another screen.
    #[error("start desktop `{name}`: it runs already, with {running}")]
    Other {
        /// The desktop.
        name: String,
        /// Its screen.
        running: String,
    },
    /// Its view runs otherwise.
    #[error("start the view of desktop `{name}`: it runs already, with {running}")]
    OtherView {
        /// The desktop.
        name: String,
        /// How it runs.
        running: String,
    },
    /// Another program listens on this port.
    #[error("use port {0}: it is taken")]
    PortTaken(u16),
    /// Another server has this display.
    #[error("use display :{0}: it is taken")]
    DisplayTaken(u32),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A point that is not on the screen.
    #[error("point at {x},{y}: the screen is {width}x{height}")]
    Outside {
        /// The point.
        x: i32,
        /// The point.
        y: i32,
        /// Of the screen.
        width: u16,
        /// Of the screen.
        height: u16,
    },
    /// No key is called so.
    #[error("find the key `{}`{near}", key.escape_debug())]
    UnknownKey {
        /// What was asked for.
        key: String,
        /// What may be meant, as an end of the sentence.
        near: String,
    },
    /// No such window.
    #[error("find window {0}")]
    NoWindow(String),
    /// No window has the focus.
    #[error("find the window that has the focus: none has")]
    NoFocus,
    /// The clipboard holds a picture, or something else that is no text.
    #[error("read the clipboard: it holds no text")]
    NoText,
    /// Something did not happen in time.
    #[error("see {0} in time")]
    Timeout(String),
    /// There is nothing to open.
    #[error("open `{}`: there is no such file", .0.escape_debug())]
    NoTarget(String),
    /// No program opens it.
    #[error("open `{target}`: {why}")]
    NotOpened {
        /// The file or address.
        target: String,
        /// The last that was said.
        why: String,
    },
    /// One recording at a time.
    #[error("record desktop `{name}`: {recording} records it already")]
    Recording {
        /// The desktop.
        name: String,
        /// Its recording.
        recording: String,
    },
    /// There is nothing to stop.
    #[error("stop the recording of desktop `{0}`: there is none")]
    NotRecording(String),
    /// No such recording.
    #[error("find recording `{}`", .0.escape_debug())]
    NoRecording(String),
    /// It goes on.
    #[error("delete recording {0}: it goes on")]
    StillRecording(String),
    /// Nothing of it plays.
    #[error("copy recording {0}: there is no picture in it")]
    NoFilm(String),
    /// Its recorder has died.
    #[error("end recording {recording} well: {why}")]
    RecordingFailed {
        /// The recording; what there is of it is kept.
        recording: String,
        /// The last that its programs said.
        why: String,
    },
    /// The film cannot be made.
    #[error("record on: {0}")]
    Broken(String),
    /// The disk is nearly full.
    #[error("record: no space is left in {}, only {} KiB", path.display(), free >> 10)]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// In bytes.
        free: u64,
    },
    /// The connection to the server cannot be made.
    #[error("connect to display :{display}")]
    Connect {
        /// The display.
        display: u32,
        /// Why not.
        #[source]
        source: Box<ConnectError>,
    },
    /// The server refuses, or has gone.
    #[error("talk to the display")]
    Display(#[source] Box<ReplyOrIdError>),
    /// The server is not as ours are.
    #[error("use the display: {0}")]
    Unfit(&'static str),
    /// A picture cannot be made.
    #[error("write a picture")]
    Picture(#[source] io::Error),
    /// A file of ours.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A process could not be managed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The operating system failed.
    #[error(transparent)]
    Host(#[from] host::Error),
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Error {
        Error::Display(Box::new(error.into()))
    }
}

impl From<ReplyError> for Error {
    fn from(error: ReplyError) -> Error {
        Error::Display(Box::new(error.into()))
    }
}

impl From<ReplyOrIdError> for Error {
    fn from(error: ReplyOrIdError) -> Error {
        Error::Display(Box::new(error))
    }
}
