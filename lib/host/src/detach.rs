//! This binary again, in the background.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;

use crate::Error;
use crate::env::{self, Name};
use crate::spawn::{self, OURSELVES, Start, or_null};

/// Where a detached process's streams go; `None` is `/dev/null`.
#[derive(Default)]
pub struct Streams {
    /// What it reads.
    pub stdin: Option<File>,
    /// What it prints.
    pub stdout: Option<File>,
    /// What it complains.
    pub stderr: Option<File>,
}

/// Starts our own binary in a session of its own, without terminal, in this directory, with exactly this environment.
/// Blocks until it says one line through [`Ready`], and returns that line with its pid.
///
/// # Errors
/// [`Error::Ourselves`] when it cannot be started or ends without having said a line.
pub fn spawn_self(args: &[OsString], env: &[(OsString, OsString)], streams: Streams) -> Result<(u32, String), Error> {
    start(args, env, streams).map_err(|source| Error::Ourselves { role: "the background process", source })
}

fn start(args: &[OsString], env: &[(OsString, OsString)], streams: Streams) -> io::Result<(u32, String)> {
    spawn::keep_what_was_inherited()?;
    let (hear, say) = spawn::pipe()?;
    let mut start = Start::new(OsStr::new(OURSELVES));
    start.inherit([say.as_raw_fd()]);
    let command = start.command();
    command.arg0("sandbox-agent").args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.env(Name::Ready.as_str(), say.as_raw_fd().to_string());
    command.stdin(or_null(streams.stdin)).stdout(or_null(streams.stdout)).stderr(or_null(streams.stderr));
    let mut child = start.spawn()?;
    drop(say);
    let mut line = String::new();
    File::from(hear).read_to_string(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok((child.id(), line.to_owned())),
        None => Err(io::Error::other(format!("it ended before it was ready ({})", child.wait()?))),
    }
}

/// Becomes our own binary once more, the same process with these arguments and one more variable: what stood on the command
/// line is seen by nobody any more. Returns only when that failed.
pub fn again(args: &[OsString], name: Name, value: &str) -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    Start::new(program.as_os_str()).command().arg0("sandbox-agent").args(args).env(name.as_str(), value).exec()
}

/// From here on our stderr is this file, opened to append.
///
/// # Errors
/// What the kernel says.
pub fn stderr_to(file: &File) -> io::Result<()> {
    Ok(nix::unistd::dup2_stderr(file)?)
}

/// The other side of [`spawn_self`], in the process that it started.
pub struct Ready {
    pipe: File,
}

impl Ready {
    /// `None` when we were not started by [`spawn_self`]. Call it once, before the first thread.
    pub fn inherited() -> Option<Self> {
        let fd: RawFd = env::var(Name::Ready)?.to_str()?.parse().ok()?;
        let is_pipe = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?.to_str()?.starts_with("pipe:");
        if fd <= 2 || !is_pipe {
            return None;
        }
        #[expect(unsafe_code)]
        // SAFETY: `spawn_self` opened it for us, it is open, and we are asked once.
        let pipe = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        spawn::keep_what_was_inherited().ok()?;
        Some(Self { pipe })
    }

    /// Says the one line (without its end).
    pub fn say(mut self, line: &str) {
        // Whoever started us may have gone; we go on all the same.
        let _ = writeln!(self.pipe, "{line}");
    }
}
