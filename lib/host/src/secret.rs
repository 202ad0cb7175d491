//! Randomness that nobody can guess.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::Error;

/// 128 random bits in hex.
///
/// # Errors
/// [`Error::File`] when the kernel's source cannot be read.
pub fn new() -> Result<String, Error> {
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(&path).and_then(|mut source| source.read_exact(&mut bytes)).map_err(|source| Error::File {
        action: "read",
        path,
        source,
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
