//! What every test needs: a place, a mark that all its processes carry, and an eye on them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use host::{Exit, Happening, Line, Lock, Spec, Stop, Unit};

/// The name of the variable that marks the processes of a test.
pub(crate) const MARK: &str = "HANDS_TEST";

/// Longer than anything takes that works, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A test's directory, lock and mark. Dropped, it looks that no process of the test is left.
pub(crate) struct Place {
    pub(crate) mark: String,
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        Self { mark, directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path().join("x.lock")
    }

    pub(crate) fn lock(&self) -> Lock {
        Lock::take(&self.lock_path()).unwrap().expect("nobody else has it")
    }

    /// For a second unit.
    pub(crate) fn lock_elsewhere(&self) -> Lock {
        Lock::take(&self.path().join("y.lock")).unwrap().expect("nobody else has it")
    }

    /// A shell script as the agent.
    pub(crate) fn script(&self, script: &str) -> Spec {
        self.program("/bin/sh", &["-c", script])
    }

    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Spec {
        Spec {
            program: program.into(),
            args: args.iter().map(OsString::from).collect(),
            env: self.environment(),
            dir: self.path().to_owned(),
            stop: Stop { eof: Duration::from_millis(200), term: Duration::from_millis(500) },
        }
    }

    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let set = |name: &str, value: OsString| (OsString::from(name), value);
        vec![
            set("PATH", std::env::var_os("PATH").unwrap()),
            set("ME", std::env::current_exe().unwrap().into()),
            set(MARK, self.mark.clone().into()),
        ]
    }

    /// Another process of this program, playing a part.
    pub(crate) fn play(&self, part: &[&str]) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("__play").args(part).env_clear().envs(self.environment());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Its living processes, with what they are called.
    pub(crate) fn processes(&self) -> HashMap<i32, String> {
        let entry = format!("{MARK}={}", self.mark);
        let processes = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
            let pid: i32 = process.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            let ours = environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes());
            let line = std::fs::read(process.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            ours.then_some((pid, line))
        });
        processes.collect()
    }

    /// Waits until so many are alive.
    pub(crate) fn until_alive(&self, count: usize) -> Duration {
        let begun = Instant::now();
        loop {
            let alive = self.processes();
            if alive.len() == count {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < LONG, "expected {count} processes, there are {alive:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.processes();
        // Not by what is tested here.
        let mut alive = left.clone();
        while !alive.is_empty() {
            for pid in alive.keys() {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), host::Signal::SIGKILL);
            }
            alive = self.processes();
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "the test left {left:#?}");
        }
    }
}

/// Runs a future to its end, or panics after a while.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG * 2, future).await.expect("it ends in time") })
}

/// All that a unit says until it has exited: its lines (a cut one as its length), stderr, the exit.
pub(crate) async fn listen(unit: &mut Unit) -> (Vec<String>, String, Exit) {
    let (mut lines, mut stderr) = (Vec::new(), String::new());
    loop {
        match unit.next().await {
            Happening::Lines => lines.extend(take(unit)),
            Happening::Stderr(text) => stderr.push_str(&text),
            Happening::Exited(exit) => return (lines, stderr, exit),
        }
    }
}

/// The lines that are there.
pub(crate) fn take(unit: &mut Unit) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = unit.line() {
        lines.push(match line {
            Line::Whole(text) => text.to_owned(),
            Line::Lossy(text) => format!("lossy:{text}"),
            Line::Cut { length, .. } => format!("cut:{length}"),
        });
    }
    lines
}

/// Waits for the next batch of lines.
pub(crate) async fn lines(unit: &mut Unit) -> Vec<String> {
    loop {
        match unit.next().await {
            Happening::Lines => return take(unit),
            Happening::Stderr(_) => {}
            Happening::Exited(exit) => panic!("it exited instead: {exit:?}"),
        }
    }
}

/// The lines of a child, from a thread: so that waiting for one has a limit.
pub(crate) struct Heard(Receiver<String>);

impl Heard {
    pub(crate) fn new(output: impl Read + Send + 'static) -> Self {
        let (say, hear) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                // A terminal ends with an error, and the listener may have gone.
                let Ok(line) = line else { return };
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        Self(hear)
    }

    pub(crate) fn line(&self) -> String {
        self.0.recv_timeout(LONG).expect("a line")
    }
}

/// What a process has open, once it is as it should be; after a while, as it is.
pub(crate) fn open_files(pid: i32, as_it_should: impl Fn(&[String]) -> bool) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        // One that is closed meanwhile is not open.
        let open = links.filter_map(|link| Some(std::fs::read_link(link.path()).ok()?.display().to_string()));
        let open: Vec<String> = open.collect();
        if as_it_should(&open) || begun.elapsed() > LONG {
            return open;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn kill(pid: i32, signal: host::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// A field of `/proc/PID/status`.
pub(crate) fn status(pid: i32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(&format!("{field}:"))).unwrap();
    line[field.len() + 1..].trim().to_owned()
}

/// The ordinary signals of a mask as `/proc` has it; the C library's own are nobody's business.
pub(crate) fn ignored(mask: &str) -> u64 {
    u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff
}

/// Two ends, reading first.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap()
}
