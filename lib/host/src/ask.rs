//! Asks a small program something: starts it, waits a while, takes what it says.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

use crate::Error;
use crate::spawn::{self, Start};

/// More than this of an answer is not read, in bytes.
const LONGEST: usize = 64 << 10;

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it said, stdout and stderr.
    pub text: String,
}

/// Runs a program with these arguments and our environment, without input.
///
/// # Errors
/// [`Error::NotExecutable`] where it does not start, or does not end within `patience` (then it is killed).
pub fn ask(program: &Path, args: &[&str], patience: Duration) -> Result<Answer, Error> {
    answer(program.as_os_str(), args, patience)
        .map_err(|source| Error::NotExecutable { program: program.to_owned(), source })
}

fn answer(program: &OsStr, args: &[&str], patience: Duration) -> io::Result<Answer> {
    let deadline = Instant::now() + patience;
    let (reader, writer) = io::pipe()?;
    let mut child = {
        let mut start = Start::new(program);
        start.command().args(args).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        start.spawn()?
    };
    let end = spawn::end_of(&child)?;
    let (mut bytes, mut is_open) = (Vec::new(), true);
    loop {
        let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN), PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        let watched = if is_open { &mut fds[..] } else { &mut fds[..1] };
        if !spawn::wait_for(watched, deadline)? || Instant::now() > deadline {
            spawn::kill(&mut child)?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {patience:?}")));
        }
        let [has_ended, says] = fds.map(|fd| fd.any() == Some(true));
        if is_open && says {
            let mut buffer = [0; 4096];
            let count = (&reader).read(&mut buffer)?;
            is_open = count > 0;
            let room = LONGEST.saturating_sub(bytes.len());
            bytes.extend_from_slice(&buffer[..count.min(room)]);
        } else if has_ended {
            // What it said last has been read; what it left behind may hold the pipe open.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Answer { code: child.wait()?.code(), text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Answer, Error> {
        ask(Path::new("/bin/sh"), &["-c", script], patience)
    }

    #[test]
    fn what_is_said_is_taken_and_nobody_is_waited_for_in_vain() {
        let long = Duration::from_secs(30);
        let said = shell("echo one; echo two >&2; exit 3", long).unwrap();
        assert_eq!(said, Answer { code: Some(3), text: "one\ntwo\n".into() });
        assert_eq!(shell("head -c 1000000 /dev/zero", long).unwrap().text.len(), LONGEST);
        assert_eq!(shell("kill -9 $$", long).unwrap().code, None);
        // What is left in the background holds up nobody.
        let began = Instant::now();
        assert_eq!(shell("sleep 20 & echo on", long).unwrap().text, "on\n");
        assert!(began.elapsed() < Duration::from_secs(15));
        let late = shell("sleep 1000", Duration::from_millis(100));
        assert!(matches!(late, Err(Error::NotExecutable { source, .. }) if source.kind() == io::ErrorKind::TimedOut));
        let missing = ask(Path::new("/no/such/program"), &[], long);
        assert!(
            matches!(missing, Err(Error::NotExecutable { source, .. }) if source.kind() == io::ErrorKind::NotFound)
        );
    }
}
