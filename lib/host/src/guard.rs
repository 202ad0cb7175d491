//! The process between owner and agent: it ends everything below itself when its owner has gone.
//!
//! It is off the data path: the agent has the owner's pipes. It holds the lock's descriptor, so that a free lock means
//! that nothing is alive, and the reading end of the lifeline, whose other end only the owner has. What it has to say
//! goes over the status pipe, one `Word` a line.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::str::FromStr;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid};

use crate::env::Name;
use crate::hire::{self, Order};
use crate::setup::Setup;
use crate::spawn::{Start, null};
use crate::{Signal, signals, spawn, tree};

/// Runs as the guard; `args` are those after `__guard`. Call it before anything else: it must be single-threaded.
/// Returns the exit code for `main`.
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    // Only an owner calls us, so whoever sees these codes has started us by hand.
    let Some(job) = Job::parse(args) else { return 2 };
    match guard(job) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// What an owner asks of its guard.
pub(crate) struct Job {
    /// To be held until nothing is alive.
    pub(crate) held: Vec<RawFd>,
    pub(crate) status: RawFd,
    pub(crate) lifeline: RawFd,
    /// Where what it is to start after this comes from, if it is to stay.
    pub(crate) orders: Option<RawFd>,
    pub(crate) setup: Setup,
    pub(crate) dir: PathBuf,
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
}

impl Job {
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let held: Vec<String> = self.held.iter().map(RawFd::to_string).collect();
        let mut args = vec![
            held.join(",").into(),
            self.status.to_string().into(),
            self.lifeline.to_string().into(),
            self.orders.map(|orders| orders.to_string()).unwrap_or_default().into(),
            self.setup.to_arg(),
            self.dir.clone().into(),
            self.program.clone(),
        ];
        args.extend(self.args.iter().cloned());
        args
    }

    fn parse(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let held = args.next()?.into_string().ok()?;
        let mut number = || args.next()?.to_str()?.parse().ok();
        let (status, lifeline) = (number()?, number()?);
        let orders = args.next()?;
        let orders = if orders.is_empty() { None } else { Some(orders.to_str()?.parse().ok()?) };
        Some(Self {
            held: held
                .split(',')
                .filter(|number| !number.is_empty())
                .map(|number| number.parse().ok())
                .collect::<Option<_>>()?,
            status,
            lifeline,
            orders,
            setup: Setup::parse(&args.next()?)?,
            dir: args.next()?.into(),
            program: args.next()?,
            args: args.collect(),
        })
    }
}

/// What a guard says to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The program runs under this id.
    Started(i32),
    /// The directory cannot be entered: an errno.
    BadDirectory(i32),
    /// The program cannot be executed: an errno.
    BadProgram(i32),
    /// What the program and those that it waited for have used, said before its end: microseconds of processor time
    /// and the most memory of one of them, in KiB.
    Used(i64, i64),
    /// The program has exited with this code.
    Exited(i32),
    /// The program was ended by this signal.
    Killed(i32),
    /// After the end of the program: nothing that it started is alive either.
    Alone,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(pid) => writeln!(f, "started {pid}"),
            Self::BadDirectory(errno) => writeln!(f, "directory {errno}"),
            Self::BadProgram(errno) => writeln!(f, "program {errno}"),
            Self::Used(cpu, memory) => writeln!(f, "used {cpu} {memory}"),
            Self::Exited(code) => writeln!(f, "exited {code}"),
            Self::Killed(signal) => writeln!(f, "killed {signal}"),
            Self::Alone => writeln!(f, "alone 0"),
        }
    }
}

impl FromStr for Word {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let (word, number) = line.split_once(' ').ok_or(())?;
        if let ("used", Some((cpu, memory))) = (word, number.split_once(' ')) {
            return Ok(Self::Used(cpu.parse().map_err(|_| ())?, memory.parse().map_err(|_| ())?));
        }
        let number = number.parse().map_err(|_| ())?;
        match word {
            "started" => Ok(Self::Started(number)),
            "directory" => Ok(Self::BadDirectory(number)),
            "program" => Ok(Self::BadProgram(number)),
            "exited" => Ok(Self::Exited(number)),
            "killed" => Ok(Self::Killed(number)),
            "alone" => Ok(Self::Alone),
            _ => Err(()),
        }
    }
}

fn guard(job: Job) -> io::Result<()> {
    prctl::set_name(c"sa-guard")?;
    // Orphans of any session below us become our children; where the kernel refuses, the walk finds most of them.
    let _ = prctl::set_child_subreaper(true);
    // No tool may hold the lock or the lifeline.
    spawn::keep_what_was_inherited()?;
    let (lifeline, orders) = (spawn::owned(job.lifeline), job.orders.map(spawn::owned));
    let mut voice = Voice { status: File::from(spawn::owned(job.status)), words: String::new() };
    // Ignored, as it may have been inherited, the kernel would throw exit codes away.
    signals::set_default(Signal::SIGCHLD);
    let mut child_ended = SigSet::empty();
    child_ended.add(Signal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&child_ended), None)?;
    let children = SignalFd::with_flags(&child_ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;

    let order = Order {
        setup: job.setup,
        dir: job.dir,
        program: job.program,
        args: job.args,
        env: std::env::vars_os().collect(),
    };
    let Some(agent) = begin(&order, None, &mut voice) else { return Ok(()) };
    let mut agent = Some(agent);
    let watched = watch(&mut agent, &lifeline, orders.as_ref(), &children, &mut voice);
    end_everything(&mut agent, &children, &mut voice);
    watched
}

/// Tells the owner. What was said is sent at once: he is woken for each piece that is written.
struct Voice {
    status: File,
    words: String,
}

impl Voice {
    fn say(&mut self, word: Word) {
        self.words += &word.to_string();
    }

    fn send(&mut self) {
        if !self.words.is_empty() {
            // What cannot be said means that the owner has gone, which the lifeline tells as well.
            let _ = self.status.write_all(self.words.as_bytes());
            self.words.clear();
        }
    }
}

/// A guard that had nothing to do for so long, in milliseconds, gives memory back.
const REST_AFTER: u16 = 2000;

/// Until the owner has gone or lets go.
fn watch(
    agent: &mut Option<i32>,
    lifeline: &OwnedFd,
    orders: Option<&OwnedFd>,
    children: &SignalFd,
    voice: &mut Voice,
) -> io::Result<()> {
    // Not ours: the ends of these pipes must be seen when the agent's are closed.
    let null = null()?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    let mut alone = false;
    let mut pause: u8 = 1;
    let mut rested = false;
    loop {
        // What is left may become one of the spared without a sign, by an exec.
        let looks_again = agent.is_none() && !alone;
        let patience = match (looks_again, rested) {
            (true, _) => PollTimeout::from(pause),
            (false, false) => PollTimeout::from(REST_AFTER),
            (false, true) => PollTimeout::NONE,
        };
        pause = if looks_again { (pause * 2).min(100) } else { 1 };
        let mut fds =
            vec![PollFd::new(lifeline.as_fd(), PollFlags::POLLIN), PollFd::new(children.as_fd(), PollFlags::POLLIN)];
        fds.extend(orders.filter(|_| alone).map(|orders| PollFd::new(orders.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, patience) {
            Ok(0) if !looks_again => {
                crate::private::give_memory_back();
                rested = true;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if fds[0].any() == Some(true) {
            return Ok(());
        }
        let next = match orders {
            Some(orders) if fds.get(2).is_some_and(|fd| fd.any() == Some(true)) => hire::receive(orders)?,
            Some(_) | None => None,
        };
        while let Ok(Some(_)) = children.read_signal() {}
        let left = reap(agent, voice);
        if agent.is_none() && !alone && (left == Left::Nobody || only_spared()) {
            alone = true;
            voice.say(Word::Alone);
        }
        voice.send();
        if let Some((order, streams)) = next {
            *agent = begin(&order, Some(streams), voice);
            if agent.is_none() {
                return Ok(());
            }
            (alone, rested) = (false, false);
        }
    }
}

/// Starts a program and says so, or why it could not be. We are nowhere afterwards: no directory is kept busy.
fn begin(order: &Order, streams: Option<[OwnedFd; 3]>, voice: &mut Voice) -> Option<i32> {
    let errno = |error: io::Error| error.raw_os_error().unwrap_or(Errno::EIO as i32);
    let started = match std::env::set_current_dir(&order.dir) {
        Err(error) => Err(Word::BadDirectory(errno(error))),
        Ok(()) => start(order, streams).map_err(|error| Word::BadProgram(errno(error))),
    };
    // Everybody may go there.
    let _ = std::env::set_current_dir("/");
    voice.say(match &started {
        Ok(pid) => Word::Started(*pid),
        Err(word) => *word,
    });
    voice.send();
    started.ok()
}

fn start(order: &Order, streams: Option<[OwnedFd; 3]>) -> io::Result<i32> {
    let Order { setup, program, args, env, .. } = order;
    if *setup == Setup::default() {
        // Who is told where to look for programs looks there.
        let path = env.iter().find(|(name, _)| name == Name::Path.as_str());
        #[expect(unsafe_code)]
        // SAFETY: a guard has one thread.
        unsafe {
            match path {
                Some((name, path)) => std::env::set_var(name, path),
                None => std::env::remove_var(Name::Path.as_str()),
            }
        }
        return spawn::quickly(program, args, env, streams.as_ref());
    }
    let mut start = Start::new(program);
    let command = start.command();
    command.args(args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    if let Some([stdin, stdout, stderr]) = streams {
        command.stdin(stdin).stdout(stdout).stderr(stderr);
    }
    start.set_up(setup)?;
    Ok(start.spawn()?.id() as i32)
}

#[derive(PartialEq, Eq)]
enum Left {
    Nobody,
    Somebody,
}

/// Takes every child that has ended; says how the agent did.
fn reap(agent: &mut Option<i32>, voice: &mut Voice) -> Left {
    loop {
        let (status, used) = wait4();
        let (pid, word) = match status {
            Ok(WaitStatus::Exited(pid, code)) => (pid, Word::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, Word::Killed(signal as i32)),
            Ok(WaitStatus::StillAlive) => return Left::Somebody,
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => return Left::Nobody,
        };
        // Its number may be another's later on.
        if *agent == Some(pid.as_raw()) {
            *agent = None;
            voice.say(used);
            voice.say(word);
        }
    }
}

/// Takes one child that has ended, without waiting, and what it has used.
fn wait4() -> (nix::Result<WaitStatus>, Word) {
    let mut status = 0;
    #[expect(unsafe_code)]
    // SAFETY: the kernel writes into two values of the types that it expects; zero is valid for both.
    let (result, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
    };
    let microseconds = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    let used = Word::Used(microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_maxrss);
    let status = match Errno::result(result) {
        Ok(0) => Ok(WaitStatus::StillAlive),
        Ok(pid) => WaitStatus::from_raw(Pid::from_raw(pid), status),
        Err(errno) => Err(errno),
    };
    (status, used)
}

/// Kills and reaps until nobody is left but the spared, and those that we may not kill (a tool under sudo).
fn end_everything(agent: &mut Option<i32>, children: &SignalFd, voice: &mut Voice) {
    let mut killed = HashSet::new();
    let mut pause: u8 = 1;
    let mut quiet = 0;
    while reap(agent, voice) == Left::Somebody && quiet < 2 {
        voice.send();
        let (mut left, mut new) = (false, false);
        tree::each_below(getpid().as_raw(), &mut |process| match tree::signal(process, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {
                left = true;
                new |= killed.insert(process);
            }
            Err(_) => {}
        });
        // The list of children is exact only while none of them ends: an empty one is believed the second time.
        quiet = if left { 0 } else { quiet + 1 };
        if new {
            continue;
        }
        let mut fds = [PollFd::new(children.as_fd(), PollFlags::POLLIN)];
        // Whatever it says, the next round looks.
        let _ = poll(&mut fds, PollTimeout::from(pause));
        while let Ok(Some(_)) = children.read_signal() {}
        pause = (pause * 2).min(100);
    }
    voice.send();
}

/// Whether all that is left below us is spared.
fn only_spared() -> bool {
    (0..2).all(|_| {
        let mut alone = true;
        tree::each_below(getpid().as_raw(), &mut |_| alone = false);
        alone
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let job = Job {
            held: vec![5, 6],
            status: 7,
            lifeline: 8,
            orders: Some(9),
            setup: Setup::default(),
            dir: "/tmp".into(),
            program: "sh".into(),
            args: vec!["-c".into(), "exit 3".into()],
        };
        let back = Job::parse(job.to_args().into_iter()).unwrap();
        assert_eq!(back.to_args(), job.to_args());
        assert_eq!((back.held, back.status, back.lifeline, back.orders), (vec![5, 6], 7, 8, Some(9)));
        for word in [
            Word::Started(1),
            Word::BadDirectory(2),
            Word::BadProgram(3),
            Word::Used(1_500_000, 2048),
            Word::Exited(4),
            Word::Killed(5),
            Word::Alone,
        ] {
            assert_eq!(word.to_string().trim_end().parse(), Ok(word));
        }
    }
}
