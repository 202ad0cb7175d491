//! Terminals of our making: for a program to run in, and a person's own while it shows one of them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::Error;
use crate::setup::User;

/// The size of a terminal, in characters; neither is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// A new terminal: our side, which does not block, and the program's.
pub(crate) fn open(size: Size, user: Option<&User>) -> io::Result<(OwnedFd, OwnedFd)> {
    let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(ptsname_r(&ours)?)?;
    if let Some(user) = user {
        // Whoever cannot open his own terminal cannot run a pager in it.
        fchown(&theirs, Some(user.uid), None)?;
    }
    resize(&ours, size)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
    #[expect(unsafe_code)]
    // SAFETY: `ours` gives its descriptor away and is forgotten.
    let ours = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(ours)) };
    Ok((ours, theirs.into()))
}

/// Sets the size; the kernel tells the programs in it (SIGWINCH) when it is another.
pub(crate) fn resize(terminal: &impl AsRawFd, size: Size) -> io::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
    #[expect(unsafe_code)]
    // SAFETY: the size is read during the call only.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Ok(Errno::result(result).map(drop)?)
}

/// The size of a person's terminal; `None` where it has none.
pub fn size_of(terminal: impl AsFd) -> Option<Size> {
    #[expect(unsafe_code)]
    // SAFETY: the kernel writes into a value of the type that it expects; zero is valid for it.
    let (result, size) = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size), size)
    };
    (result == 0 && size.ws_col > 0 && size.ws_row > 0).then_some(Size { cols: size.ws_col, rows: size.ws_row })
}

/// The person's terminal passing every key on, until dropped.
pub struct RawMode {
    terminal: File,
    former: Termios,
}

impl RawMode {
    /// Puts the controlling terminal into raw mode.
    ///
    /// # Errors
    /// [`Error::File`] when there is none.
    pub fn enter() -> Result<RawMode, Error> {
        let failed = |source| Error::File { action: "use", path: "/dev/tty".into(), source };
        let terminal = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/tty");
        let terminal = terminal.map_err(failed)?;
        let former = tcgetattr(&terminal).map_err(|errno| failed(errno.into()))?;
        let mut raw = former.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&terminal, SetArg::TCSADRAIN, &raw).map_err(|errno| failed(errno.into()))?;
        Ok(RawMode { terminal, former })
    }

    /// The terminal, to read keys from and to write to.
    pub fn terminal(&self) -> &File {
        &self.terminal
    }

    /// Its size.
    pub fn size(&self) -> Option<Size> {
        size_of(&self.terminal)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone needs no restoring.
        let _ = tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.former);
    }
}
