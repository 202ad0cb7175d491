//! A running agent below its guard: what it says, what it is told, how it ends.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::kill;
use nix::unistd::{Pid, read};
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, sleep_until};

use crate::env::Name;
use crate::guard::{Job, Word};
use crate::hire::Idle;
use crate::lines::{Lines, READ};
use crate::setup::Setup;
use crate::spawn::{self, OURSELVES, Start};
use crate::tree::{self, Process};
use crate::{Error, Line, Lock, Signal, Spec, Stop};

/// How long something below an agent that has ended may keep its stdout open before we no longer wait for more.
const GRACE: Duration = Duration::from_millis(200);

/// How much of stderr is told at once, in bytes.
const STDERR_AT_ONCE: usize = 64 << 10;

/// How much of stderr's end is kept, in bytes.
const STDERR_KEPT: usize = 8 << 10;

/// How much output that nobody takes is kept while the agent is being stopped, in bytes; then it waits.
const KEPT_WHILE_STOPPING: usize = 64 << 20;

/// A program that runs below a guard of ours. Dropped, it is killed with everything below it.
pub struct Unit {
    pid: u32,
    guard: Guard,
    input: Option<pipe::Sender>,
    to_say: VecDeque<u8>,
    last_said: bool,
    output: Option<pipe::Receiver>,
    lines: Lines,
    errors: Option<pipe::Receiver>,
    stderr: Stderr,
    /// The last wait brought output.
    just_read: bool,
    ended: Option<Ended>,
    stop: Stop,
}

/// What [`Unit::next`] waited for.
#[derive(Debug)]
pub enum Happening {
    /// At least one complete line is buffered, or the unterminated one at the end: take them with [`Unit::line`].
    /// Said again until they are taken.
    Lines,
    /// Complete lines of stderr with their ends, at most 64 KiB at once (a longer line comes in pieces).
    Stderr(String),
    /// The program has ended, and its stdout is at its end or has for 200 ms been held by something below it.
    /// Said again when asked again.
    Exited(Exit),
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it. When the guard itself was killed, the guard's: the program may be alive then, and
    /// [`Unit::stop`] or [`Unit::kill`] ends it.
    pub signal: Option<i32>,
    /// The last 8 KiB of its stderr.
    pub stderr: String,
}

impl Unit {
    /// Starts `spec` under a guard, which holds `lock` too. Needs a tokio runtime; returns once the program runs.
    /// Makes this process a child sub-reaper, so that what a killed guard leaves can still be found.
    ///
    /// # Errors
    /// [`Error::NotFound`] (127), [`Error::NotExecutable`] (126), [`Error::Directory`], [`Error::Ourselves`].
    pub fn spawn(spec: &Spec, lock: &Lock) -> Result<Self, Error> {
        Self::spawn_with_guard(spec, lock, &[OURSELVES.into(), "__guard".into()])
    }

    /// As [`Unit::spawn`], with another program as guard.
    ///
    /// # Errors
    /// As [`Unit::spawn`].
    pub fn spawn_with_guard(spec: &Spec, lock: &Lock, guard: &[OsString]) -> Result<Self, Error> {
        let failed = |source| Error::Ourselves { role: "the guard", source };
        tree::adopt();
        let (mut unit, first) = start(spec, lock, guard).map_err(failed)?;
        match first {
            Some(Word::Started(pid)) => {
                unit.pid = pid as u32;
                // It may have ended already, and the guard have said so in the same breath.
                unit.heed();
                return Ok(unit);
            }
            Some(Word::BadDirectory(errno)) => {
                Err(Error::Directory { dir: spec.dir.clone(), source: io::Error::from_raw_os_error(errno) })
            }
            Some(Word::BadProgram(errno)) => Err(cannot_run(spec, errno)),
            Some(Word::Exited(_) | Word::Killed(_) | Word::Used(..) | Word::Alone) | None => {
                Err(failed(io::Error::other("it ended before the program was started")))
            }
        }
        .inspect_err(|_| unit.guard.take_exit())
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The next happening; writes queued input and drains stderr in the same await. Cancel-safe.
    pub async fn next(&mut self) -> Happening {
        loop {
            if self.lines.ready() {
                return Happening::Lines;
            }
            if let Some(text) = self.stderr.take(false) {
                return Happening::Stderr(text);
            }
            let Some(ended) = &self.ended else {
                self.pump(None, true).await;
                continue;
            };
            let deadline = ended.at + GRACE;
            if self.output.is_some() && Instant::now() < deadline {
                self.pump(Some(deadline), true).await;
                continue;
            }
            self.read_what_waits();
            if self.lines.ready() {
                return Happening::Lines;
            }
            return match self.stderr.take(true) {
                Some(text) => Happening::Stderr(text),
                None => Happening::Exited(self.exit()),
            };
        }
    }

    /// The next complete line that is already buffered.
    pub fn line(&mut self) -> Option<Line<'_>> {
        self.lines.line()
    }

    /// Queues `text` and a newline for stdin; it is written by [`Unit::next`]. Dropped when the input is closed.
    pub fn say(&mut self, text: &str) {
        if self.input.is_some() && !self.last_said {
            self.to_say.extend(text.as_bytes());
            self.to_say.push_back(b'\n');
        }
    }

    /// Closes stdin after what is queued.
    pub fn close_input(&mut self) {
        self.last_said = true;
        self.close_input_if_said();
    }

    /// Sends a signal to the program and to everything below it, wherever it moved.
    pub fn signal_tree(&mut self, signal: Signal) {
        self.guard.signal_below(signal);
    }

    /// The ladder: end of input, SIGTERM to everything below the guard, SIGKILL. Returns when nothing is alive below
    /// the guard and the guard has gone. What still arrives on stdout is kept for [`Unit::line`].
    pub async fn stop(&mut self) -> Exit {
        self.close_input();
        let Stop { eof, term } = self.stop;
        self.pump_until(eof, |unit| unit.ended.is_some()).await;
        if !self.guard.alone && !term.is_zero() {
            self.signal_tree(Signal::SIGTERM);
            // What is stopped would not hear it.
            self.signal_tree(Signal::SIGCONT);
            self.pump_until(term, |unit| unit.guard.alone).await;
        }
        self.kill().await
    }

    /// As [`Unit::stop`], at once by SIGKILL.
    pub async fn kill(&mut self) -> Exit {
        self.input = None;
        self.guard.let_go();
        while self.guard.status.is_some() {
            self.pump(None, self.lines.kept() < KEPT_WHILE_STOPPING).await;
        }
        if self.guard.lost {
            self.guard.end_strays().await;
        }
        // All that could write has gone, but for what is spared, and that is not waited for.
        if let Some(ended) = &mut self.ended {
            ended.unread = PIPES;
        }
        self.read_what_waits();
        self.output = None;
        self.errors = None;
        self.lines.finish();
        self.exit()
    }

    /// The last 8 KiB of stderr, invalid UTF-8 replaced.
    pub fn stderr_tail(&self) -> String {
        let (first, second) = self.stderr.tail.as_slices();
        String::from_utf8_lossy(&[first, second].concat()).into_owned()
    }

    fn exit(&self) -> Exit {
        let (code, signal) = self.ended.as_ref().map_or((None, None), |ended| (ended.code, ended.signal));
        Exit { code, signal, stderr: self.stderr_tail() }
    }

    async fn pump_until(&mut self, patience: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !done(self) && self.guard.status.is_some() && Instant::now() < deadline {
            self.pump(Some(deadline), self.lines.kept() < KEPT_WHILE_STOPPING).await;
        }
    }

    /// Waits for one thing and does what it allows. Cancel-safe: nothing is done before the wait is over.
    async fn pump(&mut self, until: Option<Instant>, reading: bool) {
        // Without this, output that is always there would keep the runtime from ever asking the kernel about anything
        // else: the guard's word, a signal, a clock.
        if std::mem::take(&mut self.just_read) {
            tokio::task::yield_now().await;
        }
        let ready = tokio::select! {
            () = readable(self.output.as_ref()), if reading => Ready::Output,
            () = readable(self.errors.as_ref()) => Ready::Errors,
            () = readable(self.guard.status.as_ref()) => Ready::Status,
            () = writable(self.input.as_ref()), if !self.to_say.is_empty() => Ready::Input,
            () = reached(until) => Ready::Nothing,
        };
        match ready {
            Ready::Output => drop(self.read_output(READ, |pipe, space| pipe.try_read(space))),
            Ready::Errors => drop(self.read_errors(|pipe, space| pipe.try_read(space))),
            Ready::Status => self.read_status(),
            Ready::Input => self.write_input(),
            Ready::Nothing => {}
        }
    }

    /// Reads what waits in the pipes of a program that has ended. What the program itself wrote is within the first
    /// pipeful, so somebody below it who writes without end cannot keep us.
    fn read_what_waits(&mut self) {
        let Some(mut left) = self.ended.as_ref().map(|ended| ended.unread) else { return };
        // Not through tokio, which asks the kernel only after the kernel has told it.
        while left > 0 {
            match self.read_output(left, |pipe, space| Ok(read(pipe, space)?))
                + self.read_errors(|pipe, space| Ok(read(pipe, space)?))
            {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        if let Some(ended) = &mut self.ended {
            ended.unread = left;
        }
    }

    /// Returns how much it was.
    fn read_output(&mut self, most: usize, read: impl Fn(&pipe::Receiver, &mut [u8]) -> io::Result<usize>) -> usize {
        let Some(pipe) = &self.output else { return 0 };
        match read(pipe, &mut self.lines.space()[..most.min(READ)]) {
            Ok(count) if count > 0 => {
                self.lines.filled(count);
                self.just_read = true;
                return count;
            }
            Err(error) if is_passing(&error) => {}
            // A pipe has no errors of its own; should it have one, nothing more comes.
            Ok(_) | Err(_) => {
                self.output = None;
                self.lines.finish();
            }
        }
        0
    }

    /// Returns how much it was.
    fn read_errors(&mut self, read: impl Fn(&pipe::Receiver, &mut [u8]) -> io::Result<usize>) -> usize {
        let Some(pipe) = &self.errors else { return 0 };
        let mut space = [0; 16 << 10];
        match read(pipe, &mut space) {
            Ok(count) if count > 0 => {
                self.stderr.add(&space[..count]);
                self.just_read = true;
                return count;
            }
            Err(error) if is_passing(&error) => {}
            Ok(_) | Err(_) => self.errors = None,
        }
        0
    }

    fn read_status(&mut self) {
        self.guard.hear();
        self.heed();
    }

    fn heed(&mut self) {
        for word in self.guard.words() {
            let (code, signal) = match word {
                Word::Exited(code) => (Some(code), None),
                Word::Killed(signal) => (None, Some(signal)),
                Word::Started(_) | Word::BadDirectory(_) | Word::BadProgram(_) | Word::Used(..) | Word::Alone => {
                    continue;
                }
            };
            self.ended.get_or_insert(Ended { code, signal, at: Instant::now(), unread: PIPES });
        }
        if self.guard.status.is_none() {
            let signal = self.guard.signal;
            self.ended.get_or_insert(Ended { code: None, signal, at: Instant::now(), unread: PIPES });
        }
    }

    fn write_input(&mut self) {
        let Some(pipe) = &self.input else { return };
        match pipe.try_write(self.to_say.as_slices().0) {
            Ok(count) => drop(self.to_say.drain(..count)),
            Err(error) if is_passing(&error) => {}
            // It reads no more; its end will tell why.
            Err(_) => {
                self.input = None;
                self.to_say.clear();
            }
        }
        self.close_input_if_said();
    }

    fn close_input_if_said(&mut self) {
        if self.last_said && self.to_say.is_empty() {
            self.input = None;
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Otherwise the guard does it, now that the lifeline closes.
        if self.guard.lost {
            self.guard.signal_below(Signal::SIGKILL);
        }
    }
}

enum Ready {
    Output,
    Errors,
    Status,
    Input,
    Nothing,
}

struct Ended {
    code: Option<i32>,
    signal: Option<i32>,
    at: Instant,
    /// How much of what waits in the pipes may still be the program's own, in bytes.
    unread: usize,
}

/// More than both pipes hold, in bytes.
const PIPES: usize = 2 * READ;

/// The owner's side of the guard.
pub(crate) struct Guard {
    pid: Pid,
    /// `None`: it is somebody else's now.
    process: Option<Child>,
    identity: Option<Process>,
    /// Closed, it tells the guard to end everything.
    lifeline: Option<OwnedFd>,
    /// Open as long as the guard lives.
    pub(crate) status: Option<pipe::Receiver>,
    /// Where it takes its next program from, if it is to stay.
    orders: Option<OwnedFd>,
    heard: Vec<u8>,
    /// After the program nothing is alive below the guard.
    pub(crate) alone: bool,
    /// It ended otherwise than it should.
    pub(crate) lost: bool,
    pub(crate) signal: Option<i32>,
}

impl Guard {
    /// One that was just given a program, and its first word.
    fn at_work(
        process: Child,
        identity: Option<Process>,
        lifeline: OwnedFd,
        status: OwnedFd,
        orders: Option<OwnedFd>,
    ) -> io::Result<(Guard, Option<Word>)> {
        let mut heard = Vec::new();
        let first = first_word(&status, &mut heard)?;
        fcntl(&status, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let guard = Guard {
            pid: Pid::from_raw(process.id() as i32),
            process: Some(process),
            identity,
            lifeline: Some(lifeline),
            status: Some(pipe::Receiver::from_owned_fd(status)?),
            orders,
            heard,
            alone: false,
            lost: false,
            signal: None,
        };
        Ok((guard, first))
    }

    /// An idle one with this as its next program, and its first word; `None` where none takes it.
    pub(crate) fn hire(
        spec: &Spec,
        setup: &Setup,
        streams: &[OwnedFd; 3],
    ) -> io::Result<Option<(Guard, Option<Word>)>> {
        while let Some(idle) = Idle::hire(spec, setup, streams) {
            let Idle { process, identity, lifeline, status, orders } = idle;
            let (mut guard, first) = Guard::at_work(process, identity, lifeline, status, Some(orders))?;
            if first.is_none() {
                guard.take_exit();
                if guard.strays().is_empty() {
                    // It was killed before it could start anything.
                    continue;
                }
            }
            return Ok(Some((guard, first)));
        }
        Ok(None)
    }

    /// Whether nothing is below it and it may be given another program.
    pub(crate) fn is_free(&self) -> bool {
        self.alone && self.lifeline.is_some() && self.status.is_some() && self.orders.is_some()
    }

    /// Leaves it to whoever needs one next, if it is free.
    pub(crate) fn set_free(&mut self) {
        if !self.is_free() {
            return;
        }
        let parts = (self.process.take(), self.lifeline.take(), self.status.take(), self.orders.take());
        if let (Some(process), Some(lifeline), Some(status), Some(orders)) = parts {
            // What cannot be taken from tokio is closed, and the guard ends.
            if let Ok(status) = status.into_nonblocking_fd() {
                Idle { process, identity: self.identity, lifeline, status, orders }.keep();
            }
        }
    }

    /// Hears what the guard says now; notices its end.
    pub(crate) fn hear(&mut self) {
        let Some(status) = &self.status else { return };
        let mut space = [0; 1024];
        match status.try_read(&mut space) {
            Ok(count) if count > 0 => self.heard.extend_from_slice(&space[..count]),
            Err(error) if is_passing(&error) => {}
            Ok(_) | Err(_) => self.take_exit(),
        }
    }

    /// What was heard and not yet heeded.
    pub(crate) fn words(&mut self) -> Vec<Word> {
        let Some(end) = memchr::memrchr(b'\n', &self.heard) else { return Vec::new() };
        let whole: Vec<u8> = self.heard.drain(..=end).collect();
        let words: Vec<Word> = String::from_utf8_lossy(&whole).lines().filter_map(|line| line.parse().ok()).collect();
        self.alone |= words.contains(&Word::Alone);
        words
    }

    pub(crate) fn let_go(&mut self) {
        self.lifeline = None;
        if self.status.is_some() {
            // Somebody may have stopped it. That it has just ended is no harm: its number is ours until we take it.
            let _ = kill(self.pid, Signal::SIGCONT);
        }
    }

    pub(crate) fn take_exit(&mut self) {
        self.status = None;
        self.lifeline = None;
        // Its status pipe is closed, so it is ending: this takes no time.
        let exit = self.process.as_mut().and_then(|process| process.wait().ok());
        self.lost = exit.is_none_or(|exit| !exit.success());
        self.signal = exit.and_then(|exit| exit.signal());
        self.alone = !self.lost;
    }

    pub(crate) fn signal_below(&self, sent: Signal) {
        if self.status.is_some() {
            tree::signal_below(self.pid.as_raw(), sent);
        } else if self.lost {
            for stray in self.strays() {
                // It has ended by itself, or is somebody else's.
                let _ = tree::signal(stray, sent);
            }
        }
    }

    pub(crate) async fn end_strays(&self) {
        let mut refused = Vec::new();
        let mut quiet = 0;
        while quiet < 2 {
            let mut left = self.strays();
            left.retain(|stray| !refused.contains(stray));
            quiet = if left.is_empty() { quiet + 1 } else { 0 };
            for stray in left {
                match tree::signal(stray, Signal::SIGKILL) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(_) => refused.push(stray),
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn strays(&self) -> Vec<Process> {
        self.identity.map(tree::strays).unwrap_or_default()
    }
}

/// Stderr: what was not yet told, and the end of all of it.
#[derive(Default)]
struct Stderr {
    fresh: Vec<u8>,
    tail: VecDeque<u8>,
}

impl Stderr {
    fn add(&mut self, bytes: &[u8]) {
        self.tail.extend(&bytes[bytes.len().saturating_sub(STDERR_KEPT)..]);
        self.tail.drain(..self.tail.len().saturating_sub(STDERR_KEPT));
        self.fresh.extend_from_slice(bytes);
        // Only while nobody asks, as in the stop ladder: the newest is kept.
        self.fresh.drain(..self.fresh.len().saturating_sub(2 * STDERR_AT_ONCE));
    }

    fn take(&mut self, at_end: bool) -> Option<String> {
        let window = &self.fresh[..self.fresh.len().min(STDERR_AT_ONCE)];
        let end = match memchr::memrchr(b'\n', window) {
            Some(newline) => newline + 1,
            None if window.len() == STDERR_AT_ONCE || at_end => window.len(),
            None => 0,
        };
        (end > 0).then(|| String::from_utf8_lossy(&self.fresh.drain(..end).collect::<Vec<_>>()).into_owned())
    }
}

fn start(spec: &Spec, lock: &Lock, guard: &[OsString]) -> io::Result<(Unit, Option<Word>)> {
    spawn::keep_what_was_inherited()?;
    let (agent_reads, we_write) = spawn::pipe()?;
    let (we_read, agent_writes) = spawn::pipe()?;
    let (we_read_errors, agent_complains) = spawn::pipe()?;
    // So that one read is a large batch when the agent is fast; a small pipe is slower, not wrong.
    let _ = fcntl(&we_read, FcntlArg::F_SETPIPE_SZ(READ as i32));
    let streams = [agent_reads, agent_writes, agent_complains];
    let (guard, first) = start_guard(spec, &lock.descriptors(), guard, streams, Setup::default(), None)?;
    for fd in [&we_write, &we_read, &we_read_errors] {
        fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let unit = Unit {
        pid: 0,
        guard,
        input: Some(pipe::Sender::from_owned_fd(we_write)?),
        to_say: VecDeque::new(),
        last_said: false,
        output: Some(pipe::Receiver::from_owned_fd(we_read)?),
        lines: Lines::new(),
        errors: Some(pipe::Receiver::from_owned_fd(we_read_errors)?),
        stderr: Stderr::default(),
        just_read: false,
        ended: None,
        stop: spec.stop,
    };
    Ok((unit, first))
}

/// Starts a guard with these as its program's stdin, stdout and stderr, and gives its first word.
pub(crate) fn start_guard(
    spec: &Spec,
    held: &[RawFd],
    guard: &[OsString],
    streams: [OwnedFd; 3],
    setup: Setup,
    orders: Option<(OwnedFd, OwnedFd)>,
) -> io::Result<(Guard, Option<Word>)> {
    let (we_give, guard_takes) = orders.unzip();
    let (we_hear, guard_says) = spawn::pipe()?;
    let (guard_watches, lifeline) = spawn::pipe()?;
    let job = Job {
        held: held.to_vec(),
        status: guard_says.as_raw_fd(),
        lifeline: guard_watches.as_raw_fd(),
        orders: guard_takes.as_ref().map(AsRawFd::as_raw_fd),
        setup,
        dir: spec.dir.clone(),
        program: spec.program.clone().into(),
        args: spec.args.clone(),
    };
    let (program, args) = guard.split_first().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let mut start = Start::new(program);
    start.deaf().inherit(job.held.iter().copied().chain([job.status, job.lifeline]).chain(job.orders));
    let command = start.command();
    if program == OURSELVES {
        command.arg0("sandbox-agent");
    }
    command.args(args).args(job.to_args());
    command.env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
    let [stdin, stdout, stderr] = streams.map(Stdio::from);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    let process = start.spawn()?;
    // Ours are closed, so that the end of each pipe is seen.
    drop((guard_says, guard_watches, guard_takes));
    let identity = tree::identify(process.id() as i32);
    Guard::at_work(process, identity, lifeline, we_hear, we_give)
}

/// Blocks for the millisecond that the guard takes to start the program; `None` when it ended without a word.
fn first_word(status: &OwnedFd, heard: &mut Vec<u8>) -> io::Result<Option<Word>> {
    loop {
        if let Some(newline) = memchr::memchr(b'\n', heard) {
            let line: Vec<u8> = heard.drain(..=newline).collect();
            return Ok(String::from_utf8_lossy(&line[..newline]).parse().ok());
        }
        let mut space = [0; 256];
        match read(status, &mut space) {
            Ok(0) => return Ok(None),
            Ok(count) => heard.extend_from_slice(&space[..count]),
            // One that stays is heard without waiting.
            Err(Errno::EAGAIN) => drop(poll(&mut [PollFd::new(status.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

pub(crate) fn cannot_run(spec: &Spec, errno: i32) -> Error {
    let program = spec.program.clone();
    let source = io::Error::from_raw_os_error(errno);
    if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        return Error::NotExecutable { program, source };
    }
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        if spec.dir.join(&program).exists() {
            // The kernel says the same of the file and of what the file asks for.
            let source = io::Error::new(source.kind(), "the interpreter or loader that it names is missing");
            return Error::NotExecutable { program, source };
        }
        return Error::NotFound { program, looked: Vec::new() };
    }
    let path = spec.env.iter().find(|(name, _)| name == Name::Path.as_str()).map(|(_, path)| path.as_os_str());
    let looked = std::env::split_paths(path.unwrap_or(OsStr::new(""))).collect();
    Error::NotFound { program, looked }
}

pub(crate) async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error here is the runtime's end; the read that follows says what there is to say.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

async fn writable(pipe: Option<&pipe::Sender>) {
    match pipe {
        Some(pipe) => drop(pipe.writable().await),
        None => std::future::pending().await,
    }
}

pub(crate) async fn reached(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
