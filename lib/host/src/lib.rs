//! The hands: the only room that starts a process, takes a lock, reads the clock or the environment.
//!
//! | file | what it is for |
//! |---|---|
//! | `spec`, `spawn`, `unit`, `lines` | what to start; starting it; the running agent; its bytes as lines |
//! | `guard`, `tree` | the process between owner and agent that outlives a killed owner; everything below a process |
//! | `lock`, `bell` | who owns a session; who is told of news |
//! | `http` | an agent that serves: its event stream as lines, our calls |
//! | `signals`, `detach`, `tty` | our own signals, our own binary in the background, the person at the terminal |
//! | `env`, `paths`, `find`, `clock`, `private`, `secret` | the environment, directories, programs, time, file modes, randomness |
//! | `secrets` | files that hold credentials |

pub mod bell;
pub mod canonical;
pub mod clock;
pub mod detach;
pub mod env;
mod error;
pub mod find;
pub mod guard;
pub mod http;
pub mod input;
pub mod lines;
pub mod lock;
pub mod paths;
pub mod private;
pub mod secret;
pub mod secrets;
pub mod signals;
mod spawn;
mod spec;
pub mod step;
pub mod tree;
pub mod tty;
mod unit;

pub use error::Error;
pub use lines::Line;
pub use lock::Lock;
pub use nix::sys::signal::Signal;
pub use spec::{Spec, Stop};
pub use unit::{Exit, Happening, Unit};
