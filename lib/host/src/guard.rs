//! The process between owner and agent: it ends everything below itself when its owner has gone.

use std::ffi::OsString;

/// Runs as the guard; `args` are those after `__guard`. Call it before anything else: it must be single-threaded.
/// Returns the exit code for `main`.
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    let _ = args;
    unimplemented!()
}
