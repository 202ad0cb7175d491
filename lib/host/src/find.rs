//! Where a program is: given directories, then PATH.

use std::path::{Path, PathBuf};

use crate::Error;

/// The first executable file called `name` in `directories`, then in our PATH; a name with a slash is taken as it is.
///
/// # Errors
/// [`Error::NotFound`] with the places; [`Error::NotExecutable`] when all there is cannot be executed.
pub fn program(name: &Path, directories: &[PathBuf]) -> Result<PathBuf, Error> {
    let _ = (name, directories);
    unimplemented!()
}
