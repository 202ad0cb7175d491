//! Starting what is measured; what it prints, and what it uses meanwhile.

use crate::env::TestEnv;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The program that is measured: the one that `SANDBOX_AGENT_MEASURED` names, else the one that was built with this.
pub(crate) fn measured() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_sandbox-agent").into();
    std::env::var_os("SANDBOX_AGENT_MEASURED").map_or_else(built, PathBuf::from)
}

/// Our program with these arguments, in the environment of a test.
pub(crate) fn ours(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = within(env, &measured());
    command.args(arguments);
    command
}

/// Any program in the environment of a test, silent and without input.
pub(crate) fn within(env: &TestEnv, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(env.variables()).current_dir(env.work());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// Whether a program needs an interpreter, the dynamic linker: an ELF file of 64 bits with a program header of type 3.
pub(crate) fn interpreter(program: &Path) -> bool {
    let mut head = vec![0; 4096];
    fs::File::open(program).unwrap().read_exact(&mut head).unwrap();
    let half = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let (start, size, count) = (half(32), half(54), half(56));
    (0..count).any(|number| head.get(start + number * size) == Some(&3))
}

/// What a process cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From before its start until after its end, in milliseconds.
    pub(crate) wall: f64,
    /// User and system, its own and that of the descendants it waited for, in milliseconds.
    pub(crate) cpu: f64,
}

/// Runs a program to its end, which must be good. Nothing else may end meanwhile.
pub(crate) fn timed(command: &mut Command) -> Cost {
    let used = used_by_children();
    let began = Instant::now();
    let status = command.spawn().unwrap().wait().unwrap();
    let wall = since(began);
    assert!(status.success(), "{command:?}: {status}");
    Cost { wall, cpu: used_by_children() - used }
}

/// Runs a program to its end and reads what it prints. Nothing else may end meanwhile.
pub(crate) fn read_by<T>(command: &mut Command, read: impl FnOnce(ChildStdout, Instant) -> T) -> (T, Cost) {
    let used = used_by_children();
    let began = Instant::now();
    let mut running = start(command.stdout(Stdio::piped()));
    let result = read(running.stdout.take().unwrap(), began);
    running.end();
    (result, Cost { wall: since(began), cpu: used_by_children() - used })
}

/// Starts a program.
pub(crate) fn start(command: &mut Command) -> Running {
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Running { child, line: format!("{command:?}") }
}

/// A program in the background. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    line: String,
}

impl Running {
    /// Waits for its end, which must be good.
    pub(crate) fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {status}", self.line);
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

/// CPU milliseconds of everything this process has waited for.
fn used_by_children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1000.0
}

/// Reads to the end without looking, so that only the writer is measured; returns how many bytes came.
pub(crate) fn drain(mut from: impl Read) -> u64 {
    let mut buffer = vec![0; 128 << 10];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return bytes,
            count => bytes += count as u64,
        }
    }
}

/// What came of a session's lines.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: i64,
    pub(crate) deltas: u64,
    pub(crate) bytes: u64,
}

/// Reads a whole session and counts its events; a gap, a repetition or a line that is no event ends the benchmark.
pub(crate) fn tally(from: impl Read) -> Tally {
    let mut from = BufReader::with_capacity(256 << 10, from);
    let mut line = Vec::new();
    let (mut sequence, mut kind) = (Field::new("\"sequence\":"), Field::new("\"type\":\""));
    let mut tally = Tally::default();
    while from.read_until(b'\n', &mut line).unwrap() > 0 {
        tally.events += 1;
        tally.bytes += line.len() as u64;
        assert_eq!(number(sequence.of(&line)), tally.events, "after {} events a line is wrong", tally.events - 1);
        tally.deltas += u64::from(kind.of(&line).starts_with(b"item.delta\""));
        line.clear();
    }
    tally
}

/// The sequences of a session's lines, and when each came.
pub(crate) fn arrivals(from: impl Read) -> Vec<Arrival> {
    let mut from = BufReader::with_capacity(256 << 10, from);
    let mut line = Vec::new();
    let (mut sequence, mut kind) = (Field::new("\"sequence\":"), Field::new("\"type\":\""));
    let mut time = Field::new("\"time\":\"");
    let mut arrivals = Vec::new();
    while from.read_until(b'\n', &mut line).unwrap() > 0 {
        let (at, now) = (Instant::now(), SystemTime::now());
        let delta = kind.of(&line).starts_with(b"item.delta\"");
        arrivals.push(Arrival { sequence: number(sequence.of(&line)), delta, at, age: age(time.of(&line), now) });
        line.clear();
    }
    arrivals
}

/// A line that came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) sequence: i64,
    pub(crate) delta: bool,
    pub(crate) at: Instant,
    /// Milliseconds since it was recorded, give or take half of one.
    pub(crate) age: f64,
}

/// How long ago a time like `2026-11-21T00:56:26.018Z` was. It was cut to a millisecond, so it is half of one too old.
pub(crate) fn age(time: &[u8], now: SystemTime) -> f64 {
    const DAY: f64 = 86_400_000.0;
    let part = |from: usize| number(&time[from..]) as f64;
    let recorded = ((part(11) * 60.0 + part(14)) * 60.0 + part(17)) * 1000.0 + part(20) + 0.5;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0 % DAY;
    // At midnight the day before counts on.
    if now + DAY / 2.0 < recorded { now + DAY - recorded } else { now - recorded }
}

/// A field of the envelope, looked for first where it was in the line before.
pub(crate) struct Field {
    key: &'static [u8],
    at: usize,
}

impl Field {
    pub(crate) fn new(key: &'static str) -> Field {
        Field { key: key.as_bytes(), at: 0 }
    }

    /// What follows the key.
    pub(crate) fn of<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        if !line.get(self.at..).is_some_and(|rest| rest.starts_with(self.key)) {
            let found = line.windows(self.key.len()).position(|window| window == self.key);
            self.at = found.unwrap_or_else(|| panic!("no event: {}", String::from_utf8_lossy(line)));
        }
        &line[self.at + self.key.len()..]
    }
}

pub(crate) fn number(digits: &[u8]) -> i64 {
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |number, byte| number * 10 + i64::from(byte - b'0'))
}

/// What a process uses, looked at every few milliseconds until `stop`, since nobody tells after its end.
pub(crate) fn watched(pid: u32, stop: &AtomicBool) -> Use {
    let mut last = Use::default();
    while !stop.load(Ordering::Relaxed) {
        // A look that fails comes after the end: the one before it counts.
        if let Some(peak) = peak(pid) {
            last.peak = peak;
        }
        if let Some(cpu) = cpu(pid) {
            last.cpu = cpu;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    last
}

/// What a process has used.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Use {
    /// The most memory it held at once, in MiB.
    pub(crate) peak: f64,
    /// CPU milliseconds of its living threads.
    pub(crate) cpu: f64,
}

fn peak(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// What a process holds of memory now, in KiB.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident.
    pub(crate) resident: f64,
    /// The same, but of what is shared with other processes only its share.
    pub(crate) share: f64,
}

/// None where it has ended.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let figure = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Memory { resident: figure("Rss:")?, share: figure("Pss:")? })
}

/// CPU milliseconds of a process, with those of threads that have ended, to a tick of 10 ms.
pub(crate) fn spent(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // User and system: fields 14 and 15, of which the first two are before the rest.
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) * 10.0)
}

/// CPU milliseconds of the threads of a process, to the nanosecond; a tick of `/proc/PID/stat` would be too coarse.
pub(crate) fn cpu(pid: u32) -> Option<f64> {
    let mut sum = None;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        if let Ok(text) = fs::read_to_string(task.path().join("schedstat"))
            && let Some(nanoseconds) = text.split(' ').next().and_then(|number| number.parse::<f64>().ok())
        {
            sum = Some(sum.unwrap_or_default() + nanoseconds / 1e6);
        }
    }
    sum
}
