//! The only place that makes a command, and what a child does between fork and exec.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, SigmaskHow, killpg, sigprocmask};
use nix::sys::stat::umask;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, pipe2, setsid};

use crate::bell::milliseconds;
use crate::setup::{Prepared, Setup};
use crate::{Signal, private, signals, socket};

/// Our own binary, also after an upgrade has replaced its file.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// A command in a session of its own: no terminal reaches it.
pub(crate) struct Start {
    command: Command,
    inherit: Vec<RawFd>,
    deaf: bool,
    setup: Prepared,
}

impl Start {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
    pub(crate) fn new(program: &OsStr) -> Self {
        Self { command: Command::new(program), inherit: Vec::new(), deaf: false, setup: Prepared::default() }
    }

    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Hands over a descriptor under its number.
    pub(crate) fn inherit(&mut self, fds: impl IntoIterator<Item = RawFd>) -> &mut Self {
        self.inherit.extend(fds);
        self
    }

    /// From its first moment the child ignores what a person or a shell might send.
    pub(crate) fn deaf(&mut self) -> &mut Self {
        self.deaf = true;
        self
    }

    /// What the program gets besides; done last between fork and exec.
    pub(crate) fn set_up(&mut self, setup: &Setup) -> io::Result<()> {
        self.setup = setup.prepare()?;
        Ok(())
    }

    pub(crate) fn spawn(mut self) -> io::Result<Child> {
        let (inherit, deaf, mask, setup) = (self.inherit, self.deaf, private::former_umask(), self.setup);
        let prepare = move || {
            setsid()?;
            // Blocked signals are inherited too: an agent that never hears of SIGCHLD waits for its commands for ever.
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            for signal in Signal::iterator() {
                if deaf && DEAF_TO.contains(&signal) {
                    signals::set_ignored(signal);
                } else {
                    // What we were started with, or Rust (SIGPIPE), must not be inherited as ignored.
                    signals::set_default(signal);
                }
            }
            for fd in &inherit {
                close_on_exec(*fd, false)?;
            }
            if let Some(mask) = mask {
                umask(mask);
            }
            socket::open_few()?;
            setup.apply()
        };
        #[expect(unsafe_code)]
        // SAFETY: `prepare` makes only system calls that are safe after fork; it allocates nothing and takes no lock.
        unsafe {
            self.command.pre_exec(prepare);
        }
        self.command.spawn()
    }
}

/// Starts a program in a session of its own as [`Start`] does, in our directory, with this environment, and with these
/// streams or ours. It is never a copy of us, which would take twice as long. For who has no limits and masks to give back.
pub(crate) fn quickly(
    program: &OsStr,
    args: &[OsString],
    env: &[(OsString, OsString)],
    streams: Option<&[OwnedFd; 3]>,
) -> io::Result<i32> {
    let word = |word: &OsStr| Ok::<_, io::Error>(CString::new(word.as_bytes())?);
    let words = [program].into_iter().chain(args.iter().map(OsString::as_os_str)).map(word);
    let words = words.collect::<io::Result<Vec<CString>>>()?;
    let variable = |(name, value): &(OsString, OsString)| word(&[&**name, &**value].join(OsStr::new("=")));
    let env = env.iter().map(variable).collect::<io::Result<Vec<CString>>>()?;
    let mut actions = PosixSpawnFileActions::init()?;
    for (number, stream) in streams.into_iter().flatten().enumerate() {
        actions.add_dup2(stream.as_raw_fd(), number as RawFd)?;
    }
    let mut like = PosixSpawnAttr::init()?;
    like.set_sigdefault(&SigSet::all())?;
    like.set_sigmask(&SigSet::empty())?;
    let set = PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
    like.set_flags(set | PosixSpawnFlags::from_bits_retain(SETSID))?;
    Ok(posix_spawnp(&words[0], &actions, &like, &words, &env)?.as_raw())
}

/// A descriptor that somebody has handed over to us, as a number, for good.
pub(crate) fn owned(fd: RawFd) -> OwnedFd {
    #[expect(unsafe_code)]
    // SAFETY: whoever hands it over, the kernel with a message or an owner with arguments, has opened it for us alone.
    unsafe {
        OwnedFd::from_raw_fd(fd)
    }
}

/// From `spawn.h`: in a session of its own.
const SETSID: i32 = 0x80;

/// Kills a child that nobody has waited for yet, with what it started in its session's first group, and waits for it.
pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
    // It leads a group of its own, whose number is taken until it is waited for.
    let group = Pid::from_raw(child.id().try_into().expect("process ids fit"));
    // Whoever is gone already needs no signal.
    let _ = killpg(group, Signal::SIGKILL);
    child.wait().map(drop)
}

/// What can be read from when a child has ended, which is still to be waited for. (A pidfd is not everywhere.)
pub(crate) fn end_of(child: &Child) -> io::Result<OwnedFd> {
    let child = Pid::from_raw(child.id().try_into().expect("process ids fit"));
    let (reads, writes) = pipe()?;
    std::thread::Builder::new().spawn(move || {
        // Of a child that has been waited for there is nothing to know any more.
        while waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        drop(writes);
    })?;
    Ok(reads)
}

/// Waits until one of these has something; false when none had until the deadline.
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(fds, milliseconds(left)) {
            Ok(0) if Instant::now() < deadline => {}
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What a guard does not hear.
const DEAF_TO: [Signal; 10] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGTTOU,
];

/// Two ends, reading first, that no program inherits unless it is told so.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC)?)
}

/// What we inherited ourselves (a shell's `3>log`, a terminal) is not handed on.
pub(crate) fn keep_what_was_inherited() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        // The listing's own descriptor is gone when its turn comes, or set already.
        if let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse().ok()).filter(|fd| *fd > 2) {
            let _ = close_on_exec(fd, true);
        }
    }
    Ok(())
}

/// `/dev/null` both ways.
pub(crate) fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

pub(crate) fn or_null(file: Option<File>) -> Stdio {
    file.map_or_else(Stdio::null, Stdio::from)
}

fn close_on_exec(fd: RawFd, yes: bool) -> nix::Result<()> {
    #[expect(unsafe_code)]
    // SAFETY: borrowed for this one call; a number that is not open is an error, not a danger.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = if yes { FdFlag::FD_CLOEXEC } else { FdFlag::empty() };
    fcntl(fd, FcntlArg::F_SETFD(flags)).map(drop)
}
