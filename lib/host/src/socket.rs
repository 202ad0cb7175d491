//! Sockets: at a path of any length, handed over by systemd, and kept honest about who is still there.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UnixListener;

use crate::Error;
use crate::env::{self, Name};

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

/// The one socket that systemd listens on for us, `sd_listen_fds(3)`. To be taken once.
///
/// # Errors
/// [`Error::File`] where there are several.
pub fn inherited() -> Result<Option<OwnedFd>, Error> {
    let number = |name| env::var(name).and_then(|text| text.to_str()?.parse::<u32>().ok());
    if number(Name::ListenPid) != Some(std::process::id()) {
        return Ok(None);
    }
    let failed = |source| Error::File { action: "take over the socket", path: "/proc/self/fd/3".into(), source };
    match number(Name::ListenFds) {
        Some(1) => {}
        None | Some(0) => return Ok(None),
        Some(_) => return Err(failed(std::io::Error::other("there are several; one is to be handed over"))),
    }
    // SAFETY: systemd has opened 3 for this process alone, says LISTEN_PID, and nobody else here takes it.
    #[expect(unsafe_code)]
    let socket = unsafe { OwnedFd::from_raw_fd(3) };
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|error| failed(error.into()))?;
    Ok(Some(socket))
}

/// A peer that is silent for a minute is asked whether it is still there, and given up after another.
pub fn keep_alive(socket: &impl AsFd) {
    // What cannot be set is as it was.
    let _ = setsockopt(socket, sockopt::KeepAlive, &true);
    #[cfg(target_os = "linux")]
    {
        let _ = setsockopt(socket, sockopt::TcpKeepIdle, &60);
        let _ = setsockopt(socket, sockopt::TcpKeepInterval, &15);
        let _ = setsockopt(socket, sockopt::TcpKeepCount, &4);
    }
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
