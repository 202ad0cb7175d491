//! Two directories change places in one step.

use std::io;
use std::path::Path;

use crate::Error;

/// Exchanges two paths of one file system; nobody sees either of them missing.
///
/// # Errors
/// [`Error::File`], also where the file system cannot do this.
pub fn swap(one: &Path, other: &Path) -> Result<(), Error> {
    exchange(one, other).map_err(|source| Error::File { action: "exchange", path: one.to_owned(), source })
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    Ok(renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)?)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn exchange(_one: &Path, _other: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
