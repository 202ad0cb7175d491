//! Everything below a process, wherever it moved.

use std::ffi::OsStr;

/// Kills every process whose environment has `name=value`, and everything below it, in our PID namespace; for the
/// recovery after owner and guard were killed at once. Spared: ourselves and our ancestors, owners started through
/// our own binary (`__keep`) with all below them, and what a living guard with the same mark watches.
/// Returns how many were ended; waits up to two seconds for them to be gone.
pub fn end_marked(name: &str, value: &OsStr) -> usize {
    let _ = (name, value);
    unimplemented!()
}
