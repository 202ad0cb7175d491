//! A running program below its guard whose output is bytes, in the order of writing; with pipes or a terminal.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{geteuid, write};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::bell::register;
use crate::guard::Word;
pub use crate::order::Piece;
use crate::order::{Streams, packets};
use crate::pty::{self, Size};
use crate::setup::Setup;
use crate::spawn::{self, OURSELVES};
use crate::unit::{Guard, cannot_run, reached, readable, start_guard};
use crate::{Error, Lock, Signal, Spec, hire, tree};

/// How long something below a program that has ended may keep its stdout open before it is ended.
const GRACE: Duration = Duration::from_millis(200);

/// How a program is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plumbing {
    /// Pipes, and this as standard input.
    Pipes(Input),
    /// A terminal of this size.
    Pty(Size),
}

/// What a program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing: it is at its end at once.
    Nothing,
    /// What [`Raw::write`] is given.
    Pipe,
    /// What we would read ourselves.
    Ours,
}

/// What [`Raw::next`] waited for.
#[derive(Debug)]
pub enum News {
    /// There is output.
    Output(Vec<Piece>),
    /// Some of the queued input was taken, or can no longer be.
    Input,
    /// The program has ended, nothing below it is alive, and all its output was told. Said again when asked again.
    Ended(Ending),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ending {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The most memory of it or of one that it waited for, in bytes.
    pub max_rss: Option<i64>,
    /// Processor time of it and of those that it waited for.
    pub cpu: Option<Duration>,
}

/// A program that runs below a guard of ours. Dropped, it is killed with everything below it.
pub struct Raw {
    pid: u32,
    guard: Guard,
    output: Streams,
    is_pty: bool,
    input: Option<AsyncFd<OwnedFd>>,
    queue: VecDeque<u8>,
    close_after: bool,
    taken: u64,
    ended: Option<(Instant, Ending)>,
    used: Option<(Duration, i64)>,
    /// The last wait brought output.
    just_read: bool,
    strays_ended: bool,
    done: Option<Ending>,
}

impl Raw {
    /// Starts `spec` under a guard, which holds `lock` too. Needs a tokio runtime; returns once the program runs.
    ///
    /// # Errors
    /// As [`crate::Unit::spawn`].
    pub fn spawn(spec: &Spec, setup: &Setup, plumbing: Plumbing, lock: Option<&Lock>) -> Result<Self, Error> {
        Raw::begun(spec, start(spec, setup, plumbing, lock, false))
    }

    /// As [`Raw::spawn`], under a guard that stays for the next one if nothing is below it at the end: until
    /// [`crate::hire::end_idle`], or we have gone.
    ///
    /// # Errors
    /// As [`crate::Unit::spawn`].
    pub fn spawn_hired(spec: &Spec, setup: &Setup, plumbing: Plumbing) -> Result<Self, Error> {
        Raw::begun(spec, start(spec, setup, plumbing, None, true))
    }

    fn begun(spec: &Spec, started: io::Result<(Raw, Option<Word>)>) -> Result<Self, Error> {
        let failed = |source| Error::Ourselves { role: "the guard", source };
        let (mut raw, first) = started.map_err(failed)?;
        match first {
            Some(Word::Started(pid)) => {
                raw.pid = pid as u32;
                raw.heed();
                return Ok(raw);
            }
            Some(Word::BadDirectory(errno)) => {
                Err(Error::Directory { dir: spec.dir.clone(), source: io::Error::from_raw_os_error(errno) })
            }
            Some(Word::BadProgram(errno)) => Err(cannot_run(spec, errno)),
            Some(Word::Exited(_) | Word::Killed(_) | Word::Used(..) | Word::Alone) | None => {
                Err(failed(io::Error::other("it ended before the program was started")))
            }
        }
        .inspect_err(|_| raw.guard.take_exit())
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The next happening. Cancel-safe.
    pub async fn next(&mut self) -> News {
        loop {
            if let Some(ending) = self.done {
                return News::Ended(ending);
            }
            // Output that is always there must not keep the runtime from asking the kernel about anything else.
            if std::mem::take(&mut self.just_read) {
                tokio::task::yield_now().await;
            }
            let deadline = match &self.ended {
                // All that could write has gone, or what is left of it is not waited for.
                Some(_) if self.guard.status.is_none() || (self.output.has_ended() && self.guard.is_free()) => {
                    self.guard.set_free();
                    if self.guard.lost && !self.strays_ended {
                        self.guard.end_strays().await;
                        self.strays_ended = true;
                    }
                    // One look holds all that a pipe can: somebody whom we may not kill (a tool under sudo) cannot keep us.
                    let pieces = self.output.gather(true);
                    self.output.close();
                    self.input = None;
                    self.done = Some(self.ended.map(|(_, ending)| ending).unwrap_or_default());
                    if !pieces.is_empty() {
                        return News::Output(pieces);
                    }
                    continue;
                }
                Some(_) if self.output.has_ended() => {
                    self.kill();
                    None
                }
                Some((at, _)) if Instant::now() >= *at + GRACE => {
                    self.kill();
                    None
                }
                Some((at, _)) => Some(*at + GRACE),
                None => None,
            };
            let ready = tokio::select! {
                () = self.output.news() => Ready::Output,
                () = readable(self.guard.status.as_ref()) => Ready::Status,
                () = may_write(self.input.as_ref()), if !self.queue.is_empty() => Ready::Input,
                () = reached(deadline) => Ready::Time,
            };
            match ready {
                Ready::Output => {
                    let pieces = self.output.gather(false);
                    if !pieces.is_empty() {
                        self.just_read = true;
                        return News::Output(pieces);
                    }
                }
                Ready::Status => {
                    self.guard.hear();
                    self.heed();
                }
                Ready::Input => {
                    self.write_some();
                    return News::Input;
                }
                Ready::Time => {}
            }
        }
    }

    /// Queues bytes for its input; [`Raw::next`] writes them. Gives the number of bytes after which they are through,
    /// to be compared with [`Raw::taken`]; `None` when the input is closed or was never there.
    pub fn write(&mut self, bytes: &[u8]) -> Option<u64> {
        if self.input.is_none() || self.close_after {
            return None;
        }
        self.queue.extend(bytes);
        Some(self.taken + self.queue.len() as u64)
    }

    /// How many bytes of input it was given.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether input can still be given.
    pub fn takes_input(&self) -> bool {
        self.input.is_some()
    }

    /// Closes its input after what is queued; on a terminal that is Ctrl-D.
    pub fn close_input(&mut self) {
        if self.is_pty {
            self.queue.push_back(4);
        } else {
            self.close_after = true;
            if self.queue.is_empty() {
                self.input = None;
            }
        }
    }

    /// Sets the size of its terminal; `false` when it has none.
    pub fn resize(&self, size: Size) -> bool {
        self.is_pty && self.output.first().is_some_and(|terminal| pty::resize(terminal, size).is_ok())
    }

    /// Sends a signal to the program and to everything below it, wherever it moved.
    pub fn signal_tree(&self, signal: Signal) {
        self.guard.signal_below(signal);
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none()
            && let Some(process) = tree::identify(self.pid as i32)
        {
            // It may just have ended.
            let _ = tree::signal(process, signal);
        }
    }

    /// Kills the program and everything below it; [`Raw::next`] tells the end.
    pub fn kill(&mut self) {
        self.guard.let_go();
    }

    /// Gives back what a program that rests does not need.
    pub fn rest(&mut self) {
        self.output.rest();
    }

    fn heed(&mut self) {
        for word in self.guard.words() {
            let (code, signal) = match word {
                Word::Used(cpu, memory) => {
                    self.used = Some((Duration::from_micros(cpu.unsigned_abs()), memory * 1024));
                    continue;
                }
                Word::Exited(code) => (Some(code), None),
                Word::Killed(signal) => (None, Some(signal)),
                Word::Started(_) | Word::BadDirectory(_) | Word::BadProgram(_) | Word::Alone => continue,
            };
            let (cpu, max_rss) = self.used.unzip();
            self.ended.get_or_insert((Instant::now(), Ending { code, signal, max_rss, cpu }));
        }
        if self.guard.status.is_none() {
            // Killed, the guard has told nothing: what it guarded is killed as well.
            let signal = self.guard.signal;
            self.ended.get_or_insert((Instant::now(), Ending { signal, ..Ending::default() }));
        }
    }

    fn write_some(&mut self) {
        let Some(input) = &self.input else { return };
        loop {
            let (bytes, _) = self.queue.as_slices();
            if bytes.is_empty() {
                break;
            }
            match write(input, &bytes[..bytes.len().min(64 << 10)]) {
                Ok(count) => {
                    self.taken += count as u64;
                    self.queue.drain(..count);
                }
                Err(Errno::EAGAIN) => {
                    empty(input, Interest::WRITABLE);
                    return;
                }
                Err(Errno::EINTR) => {}
                // It reads no more; its end will tell why.
                Err(_) => {
                    self.input = None;
                    self.queue.clear();
                    return;
                }
            }
        }
        if self.close_after {
            self.input = None;
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Otherwise the guard does it, now that the lifeline closes.
        if self.guard.lost && self.done.is_none() {
            self.guard.signal_below(Signal::SIGKILL);
        }
    }
}

enum Ready {
    Output,
    Status,
    Input,
    Time,
}

fn start(
    spec: &Spec,
    setup: &Setup,
    plumbing: Plumbing,
    lock: Option<&Lock>,
    hired: bool,
) -> io::Result<(Raw, Option<Word>)> {
    tree::adopt();
    let held = lock.map(Lock::descriptors).unwrap_or_default();
    let mut ours = Ours::default();
    let mut setup = setup.clone();
    let streams = match plumbing {
        Plumbing::Pty(size) => {
            let (master, slave) = pty::open(size, setup.user.as_ref())?;
            setup.tty = true;
            ours.input = Some(master.try_clone()?);
            ours.first = Some(master);
            [slave.try_clone()?, slave.try_clone()?, slave]
        }
        Plumbing::Pipes(input) => {
            let stdin = match input {
                Input::Nothing => spawn::null()?.into(),
                Input::Ours => io::stdin().as_fd().try_clone_to_owned()?,
                Input::Pipe => {
                    let (reads, writes) = spawn::pipe()?;
                    fcntl(&writes, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                    ours.input = Some(writes);
                    reads
                }
            };
            let ((first, stdout), (second, stderr)) = (packets()?, packets()?);
            (ours.first, ours.second) = (Some(first), Some(second));
            [stdin, stdout, stderr]
        }
    };
    let output = Streams::new(ours.first, ours.second)?;
    let free = if hired { Guard::hire(spec, &setup, &streams)? } else { None };
    let (guard, first_word) = match free {
        Some(hired) => hired,
        None => {
            spawn::keep_what_was_inherited()?;
            let guard: [OsString; 2] = [OURSELVES.into(), "__guard".into()];
            let orders = hired.then(hire::socket).transpose()?;
            start_guard(spec, &held, &guard, streams, setup, orders)?
        }
    };
    let raw = Raw {
        pid: 0,
        guard,
        output,
        is_pty: matches!(plumbing, Plumbing::Pty(_)),
        input: ours.input.map(|fd| register(fd, Interest::WRITABLE)).transpose()?,
        queue: VecDeque::new(),
        close_after: false,
        taken: 0,
        ended: None,
        used: None,
        just_read: false,
        strays_ended: false,
        done: None,
    };
    Ok((raw, first_word))
}

#[derive(Default)]
struct Ours {
    input: Option<OwnedFd>,
    first: Option<OwnedFd>,
    second: Option<OwnedFd>,
}

/// Tells tokio that there is nothing more for now. What the kernel tells later it hears.
fn empty(fd: &AsyncFd<OwnedFd>, interest: Interest) {
    let _ = fd.try_io(interest, |_| Err::<(), _>(io::Error::from(ErrorKind::WouldBlock)));
}

async fn may_write(fd: Option<&AsyncFd<OwnedFd>>) {
    match fd {
        Some(fd) => drop(fd.writable().await),
        None => std::future::pending().await,
    }
}

/// Whether this process may become another user.
pub fn is_root() -> bool {
    geteuid().is_root()
}
