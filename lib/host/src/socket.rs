//! Sockets: at a path of any length, handed over by systemd, many at once, and kept honest about who is still there.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
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

/// Whether a peer has vanished: seven times in a row, which is half a minute at least, it has not acknowledged what was
/// sent, or asked. One that is there and does not read acknowledges that it has no room.
pub fn is_gone(socket: &impl AsFd) -> bool {
    // The first bytes of `tcp_info`: state, congestion state, retransmissions, probes.
    let mut info = [0_u8; 8];
    #[cfg(target_os = "linux")]
    {
        let mut length = 8;
        #[expect(unsafe_code)]
        // SAFETY: the kernel writes as many bytes as it is told there are. What is no TCP is refused, and the zeros stay.
        unsafe {
            let (fd, into) = (socket.as_fd().as_raw_fd(), info.as_mut_ptr().cast());
            libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, into, &raw mut length);
        }
    }
    info[2].max(info[3]) >= 7
}

static FORMER_FILES: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// Lets us have as many open files and connections as we may, and says how many. Processes that we start get the former
/// limit back: some close every number up to it, others cannot wait for one above 1024.
pub fn open_many() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 256 };
    let former = *FORMER_FILES.get_or_init(|| (soft, hard));
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => former.0,
    }
}

/// Sets the former limit in a process that we start; only a system call.
pub(crate) fn open_few() -> nix::Result<()> {
    FORMER_FILES.get().map_or(Ok(()), |(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard))
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
