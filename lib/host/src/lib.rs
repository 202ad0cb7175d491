//! The hands: the only room that starts a process, takes a lock, reads the clock or the environment.
//!
//! | file | what it is for |
//! |---|---|
//! | `spec`, `spawn`, `unit`, `lines` | what to start; starting it; the running agent; its bytes as lines |
//! | `raw`, `order`, `pty`, `setup` | a program whose output is bytes: in which order, in a terminal, with limits or as another user |
//! | `guard`, `tree` | the process between owner and agent that outlives a killed owner; everything below a process |
//! | `hire` | guards that stay for one program after the other |
//! | `socket` | a Unix socket at a path of any length |
//! | `lock`, `bell` | who owns a session; who is told of news |
//! | `http` | an agent that serves: its event stream as lines, our calls |
//! | `signals`, `detach`, `tty` | our own signals, our own binary in the background, the person at the terminal |
//! | `env`, `paths`, `find`, `clock`, `private`, `secret` | the environment, directories, programs, time, file modes, randomness |
//! | `memory` | memory where the C library is slow at it: given out, copied, compared |
//! | `secrets`, `ask`, `feed`, `disk` | files that hold credentials; what a small program says; one that reads from us; room on a disk |

pub mod ask;
pub mod bell;
pub mod canonical;
pub mod capture;
pub mod clock;
pub mod detach;
pub mod disk;
pub mod env;
mod error;
pub mod feed;
pub mod find;
pub mod guard;
pub mod hire;
pub mod http;
pub mod input;
pub mod lines;
pub mod lock;
pub mod memory;
mod order;
pub mod paths;
pub mod private;
pub mod pty;
pub mod raw;
pub mod secret;
pub mod secrets;
pub mod setup;
pub mod signals;
pub mod socket;
mod spawn;
mod spec;
pub mod step;
pub mod swap;
pub mod tree;
pub mod tty;
mod unit;

pub use error::Error;
pub use lines::Line;
pub use lock::Lock;
pub use nix::sys::signal::Signal;
pub use order::Source;
pub use spec::{Spec, Stop};
pub use unit::{Exit, Happening, Unit};
