//! A Unix socket at a path of any length.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::Error;

/// Listens at this path, in the place of what a dead process left there. Needs a tokio runtime.
///
/// # Errors
/// [`Error::File`].
pub fn listen(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::File { action: "listen on", path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let (_directory, short) = short(path).map_err(failed)?;
    UnixListener::bind(short).map_err(failed)
}

/// Connects to whoever listens at this path.
///
/// # Errors
/// [`Error::File`].
pub fn connect(path: &Path) -> Result<UnixStream, Error> {
    let failed = |source| Error::File { action: "connect to", path: path.to_owned(), source };
    let (_directory, short) = short(path).map_err(failed)?;
    UnixStream::connect(short).map_err(failed)
}

/// The kernel takes about a hundred bytes as a socket's path; by its open directory any socket has a short one.
fn short(path: &Path) -> std::io::Result<(File, PathBuf)> {
    let directory = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let mut short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    short.push(path.file_name().unwrap_or_default());
    Ok((directory, short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_will_do() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("x".repeat(200));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("s.sock");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            drop(listen(&path).unwrap());
            let _listener = listen(&path).unwrap();
            connect(&path).unwrap();
        });
        assert!(matches!(connect(&directory.join("none")), Err(Error::File { .. })));
    }
}
