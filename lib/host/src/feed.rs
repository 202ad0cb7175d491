//! A program that is fed through a pipe, in our place in the tree of processes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};

use crate::Error;
use crate::spawn::{self, Start};

/// A running program with our environment, stdout and stderr. Dropped, it is killed.
pub struct Fed {
    child: Child,
    input: Option<File>,
    ended: Option<ExitStatus>,
}

impl Fed {
    /// Starts a program.
    ///
    /// # Errors
    /// [`Error::NotExecutable`].
    pub fn start(program: &Path, args: &[&OsStr]) -> Result<Fed, Error> {
        let failed = |source| Error::NotExecutable { program: program.to_owned(), source };
        let (reads, writes) = spawn::pipe().map_err(failed)?;
        fcntl(&writes, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|errno| failed(errno.into()))?;
        // Fewer turns for who brings a lot; without it there are more of them.
        let _ = fcntl(&writes, FcntlArg::F_SETPIPE_SZ(1 << 20));
        let mut start = Start::new(program.as_os_str());
        start.command().args(args).stdin(Stdio::from(reads));
        let child = start.spawn().map_err(failed)?;
        Ok(Fed { child, input: Some(writes.into()), ended: None })
    }

    /// Gives it all of these bytes.
    ///
    /// # Errors
    /// `BrokenPipe` when it has ended; `TimedOut` when it has taken nothing for so long.
    pub fn write(&mut self, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Err(ErrorKind::BrokenPipe.into()) };
        while !bytes.is_empty() {
            match input.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut room = [PollFd::new(input.as_fd(), PollFlags::POLLOUT)];
                    if !spawn::wait_for(&mut room, Instant::now() + patience)? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends its input and waits for its end; `None` when it had to be killed, not having ended for so long.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn end(mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        self.input = None;
        let end = spawn::end_of(&self.child)?;
        if spawn::wait_for(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], Instant::now() + patience)? {
            self.ended = Some(self.child.wait()?);
        }
        Ok(self.ended)
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // What it started does not outlive it either.
            let _ = spawn::kill(&mut self.child);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    fn shell(script: &str) -> Fed {
        Fed::start(Path::new("/bin/sh"), &["-c".as_ref(), script.as_ref()]).unwrap()
    }

    #[test]
    fn it_gets_all_ends_with_its_input_and_is_not_waited_for_in_vain() {
        let long = Duration::from_secs(60);
        let mut counts = shell("test $(wc -c) = 3000000");
        counts.write(&vec![7; 3_000_000], long).unwrap();
        assert!(counts.end(long).unwrap().unwrap().success());
        assert_eq!(shell("exit 3").end(long).unwrap().unwrap().code(), Some(3));
        let mut gone = shell("exec <&-; sleep 0.1");
        let error = std::iter::repeat_with(|| gone.write(&[0; 1 << 20], long)).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let mut sleeps = shell(&format!("sleep 1000 & echo $! > {}; wait", note.display()));
        let moment = Duration::from_millis(50);
        let error = std::iter::repeat_with(|| sleeps.write(&[0; 1 << 20], moment)).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(sleeps.end(moment).unwrap().is_none());
        // What it started is gone as well.
        let pid = std::fs::read_to_string(note).unwrap().trim().parse().unwrap();
        let began = Instant::now();
        while tree::is_alive(pid) {
            assert!(began.elapsed() < long, "process {pid} goes on");
            std::thread::yield_now();
        }
        assert!(Fed::start(Path::new("/no/such/program"), &[]).is_err());
    }
}
