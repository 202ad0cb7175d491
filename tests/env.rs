//! A clean place to run the program in: its own home, store and working folder, and proof that nothing outlives the test.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for what should happen at once, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where programs of the system are; the caller's own PATH may hold agents that a test must not find.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One test's own machine, so to say. Dropped, it fails the test if a process of it is still alive, and removes its files.
///
/// Everything lies below cargo's folder for test files, which is not below the system's temporary folder: Codex refuses to work there.
pub(crate) struct TestEnv {
    root: TempDir,
    variables: BTreeMap<OsString, OsString>,
    outputs: AtomicUsize,
}

impl TestEnv {
    pub(crate) fn new() -> TestEnv {
        let root = tempfile::Builder::new().prefix("env-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut env = TestEnv { root, variables: BTreeMap::new(), outputs: AtomicUsize::new(0) };
        for folder in ["home", "work", "tmp", "output"] {
            fs::create_dir(env.root().join(folder)).unwrap();
        }
        // The smallest thing that git takes for a repository, so that nothing looks above it.
        for folder in ["objects", "refs"] {
            fs::create_dir_all(env.work().join(".git").join(folder)).unwrap();
        }
        env.write(".git/HEAD", "ref: refs/heads/main\n");
        env.set("HOME", env.home());
        env.set("PATH", SYSTEM_PATH);
        env.set("TMPDIR", env.root().join("tmp"));
        env.set("SANDBOX_AGENT_STORE", env.store());
        // Nothing is installed in passing, least of all where all of the machine would find it.
        env.set("SANDBOX_AGENT_OFFLINE", "1");
        env
    }

    /// For tests that install: lets commands use the network.
    pub(crate) fn online(mut self) -> TestEnv {
        self.variables.remove(OsStr::new("SANDBOX_AGENT_OFFLINE"));
        self
    }

    /// The folder of everything below; its path is like no other, which is how processes of this test are known.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The folder that commands start in.
    pub(crate) fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root().join("data/store.db")
    }

    /// Sets a variable for every later command. The environment holds nothing that was not set here or by `new`.
    pub(crate) fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.variables.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
    }

    /// The variables that every command gets.
    pub(crate) fn variables(&self) -> &BTreeMap<OsString, OsString> {
        &self.variables
    }

    /// Lets commands find the programs of this folder, before those of the system.
    pub(crate) fn add_to_path(&mut self, folder: &Path) {
        let mut path = folder.as_os_str().to_owned();
        path.push(":");
        path.push(&self.variables[OsStr::new("PATH")]);
        self.set("PATH", path);
    }

    /// Writes a file below the working folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Reads a file below the working folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.work().join(name)).unwrap()
    }

    /// Our own program with these arguments, to be run or spawned.
    pub(crate) fn command(&self, arguments: &[&str]) -> Program {
        let mut program = self.program(Path::new(program()));
        program.command.args(arguments);
        program
    }

    /// Runs our program to its end.
    #[must_use]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).run()
    }

    /// Any other program in the same environment.
    pub(crate) fn program(&self, path: &Path) -> Program {
        let mut command = Command::new(path);
        // A group of its own: a signal can go to all of it as from a terminal, and no terminal of ours is in its foreground.
        command.env_clear().envs(&self.variables).current_dir(self.work()).stdin(Stdio::null()).process_group(0);
        let output = self.root().join("output").join(self.outputs.fetch_add(1, Ordering::Relaxed).to_string());
        Program { command, stdin: None, patience: PATIENCE, output }
    }

    /// A script of `sh` in a mount and a process namespace of its own, as root there; `words` are its arguments.
    pub(crate) fn apart(&self, script: &str, words: &[&str]) -> Program {
        let mut all = vec!["--mount", "--pid", "--fork", "--kill-child"];
        if !nix::unistd::geteuid().is_root() {
            all.push("--map-root-user");
        }
        all.extend(["/bin/sh", "-euc", script, "sh"]);
        all.extend(words);
        self.program(Path::new("/usr/bin/unshare")).args(&all)
    }

    /// The processes of this test that are alive: those whose environment, folder or program lies in the root.
    pub(crate) fn alive(&self) -> Vec<Alive> {
        let root = self.root().as_os_str().as_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            if pid == std::process::id() as i32 {
                continue;
            }
            let holds_root = |bytes: &[u8]| bytes.windows(root.len()).any(|window| window == root);
            let place = |link| fs::read_link(entry.path().join(link)).is_ok_and(|path| path.starts_with(self.root()));
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if holds_root(&environment) || place("cwd") || place("exe") {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(Alive {
                    pid,
                    command: String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned(),
                });
            }
        }
        found
    }

    /// Waits until no process of this test is alive, as when what ends them was itself killed.
    pub(crate) fn wait_until_none_is_alive(&self) {
        wait_until("every process of the test to end", || self.alive().is_empty().then_some(()));
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        // What it kept is over before its owner has gone: that one, and who is just exiting, may take a moment.
        let leaving = |one: &Alive| one.command.is_empty() || one.command.starts_with("sandbox-agent __keep");
        let begun = Instant::now();
        let mut alive = self.alive();
        while !alive.is_empty() && alive.iter().all(leaving) && begun.elapsed() < MOMENT {
            std::thread::sleep(LOOK);
            alive = self.alive();
        }
        for process in &alive {
            // Gone in between is what we want.
            let _ = signal::kill(Pid::from_raw(process.pid), Signal::SIGKILL);
        }
        if !alive.is_empty() && !std::thread::panicking() {
            panic!("processes outlived the test: {alive:?}");
        }
    }
}

/// Whether tests are to do without the network.
pub(crate) fn is_offline() -> bool {
    std::env::var_os("SANDBOX_AGENT_TEST_OFFLINE").is_some_and(|value| value == "1")
}

/// The program under test: what cargo built beside the tests, or another one, as CI names the static one.
pub(crate) fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        std::env::var("SANDBOX_AGENT_TEST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_sandbox-agent").to_owned())
    });
    &PROGRAM
}

/// A living process.
#[derive(Debug)]
pub(crate) struct Alive {
    pub(crate) pid: i32,
    /// Its command line.
    pub(crate) command: String,
}

/// A program about to be started.
pub(crate) struct Program {
    command: Command,
    stdin: Option<Vec<u8>>,
    patience: Duration,
    output: PathBuf,
}

impl Program {
    pub(crate) fn args(mut self, arguments: &[&str]) -> Program {
        self.command.args(arguments);
        self
    }

    pub(crate) fn var(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Program {
        self.command.env_remove(name);
        self
    }

    /// What the program can read, after which its input ends. Without this it reads from `/dev/null`.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Program {
        self.stdin = Some(bytes.into());
        self
    }

    /// How long the program may take before the test fails, if not `PATIENCE`.
    pub(crate) fn patience(mut self, patience: Duration) -> Program {
        self.patience = patience;
        self
    }

    /// Starts the program with a pipe to its input: see `Running::say`.
    pub(crate) fn converse(mut self) -> Running {
        self.command.stdin(Stdio::piped());
        self.spawn()
    }

    /// Runs the program to its end.
    #[must_use]
    pub(crate) fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts the program; what it prints goes to files, so that nobody has to read along.
    pub(crate) fn spawn(mut self) -> Running {
        let (stdout, stderr) = (self.output.with_extension("stdout"), self.output.with_extension("stderr"));
        self.command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        if let Some(bytes) = &self.stdin {
            let path = self.output.with_extension("stdin");
            File::create(&path).unwrap().write_all(bytes).unwrap();
            self.command.stdin(File::open(path).unwrap());
        }
        let words: Vec<_> = self.command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let program = Path::new(self.command.get_program());
        let line = format!("{} {}", program.file_name().unwrap_or_default().to_string_lossy(), words.join(" "));
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        Running { child, line, stdout, stderr, started: Instant::now(), patience: self.patience }
    }
}

/// A program in the background. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    line: String,
    stdout: PathBuf,
    stderr: PathBuf,
    started: Instant,
    patience: Duration,
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The complete lines that it has printed so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = fs::read(&self.stdout).unwrap();
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        parse_lines(&text[..complete], &self.line)
    }

    /// Says a line to it.
    pub(crate) fn say(&mut self, line: &Value) {
        let mut stdin = self.child.stdin.as_ref().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Waits until it has printed a line like this.
    pub(crate) fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + self.patience;
        loop {
            // Asked before the look, so that what it printed last is seen.
            let ended = self.child.try_wait().unwrap();
            if let Some(line) = self.lines().into_iter().find(&wanted) {
                return line;
            }
            let why = match ended {
                Some(status) => format!("it ended with {status}"),
                None if Instant::now() > deadline => "it took too long".to_owned(),
                None => {
                    std::thread::sleep(LOOK);
                    continue;
                }
            };
            panic!("{} never printed {what}: {why}\n{:#?}\n{}", self.line, self.lines(), self.stderr());
        }
    }

    /// Sends it a signal, to it alone.
    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Ctrl-C as a terminal sends it: to the whole process group.
    pub(crate) fn ctrl_c(&self) {
        signal::killpg(Pid::from_raw(self.pid()), Signal::SIGINT).unwrap();
    }

    /// Waits for its end.
    #[must_use]
    pub(crate) fn wait(mut self) -> Output {
        let deadline = self.started + self.patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                panic!("{} did not end in {:?}\n{:#?}\n{}", self.line, self.patience, self.lines(), self.stderr());
            }
            std::thread::sleep(LOOK);
        };
        Output {
            status,
            stdout: fs::read(&self.stdout).unwrap(),
            stderr: self.stderr(),
            took: self.started.elapsed(),
            line: std::mem::take(&mut self.line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    line: String,
}

impl Output {
    /// The exit code as a shell sees it: 128 + n for a death by signal n.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().or(self.status.signal().map(|number| 128 + number)).unwrap()
    }

    /// The signal that it died of.
    pub(crate) fn signal(&self) -> Option<Signal> {
        self.status.signal().map(|number| Signal::try_from(number).unwrap())
    }

    /// Fails the test, showing everything, unless the exit code is this one.
    pub(crate) fn expect(self, code: i32) -> Output {
        let stdout = String::from_utf8_lossy(&self.stdout);
        assert_eq!(self.code(), code, "exit code of {}\nstdout:\n{stdout}\nstderr:\n{}", self.line, self.stderr);
        self
    }

    /// Whether it was a run that stays and is spoken to on stdin.
    pub(crate) fn stayed(&self) -> bool {
        self.line.contains(" --input ")
    }

    /// Its standard output as NDJSON; a line that is not an object fails the test, so does a missing last newline.
    pub(crate) fn lines(&self) -> Vec<Value> {
        parse_lines(&self.stdout, &self.line)
    }

    /// Its standard output as one JSON object on one line.
    pub(crate) fn object(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "one line expected of {}: {lines:#?}\n{}", self.line, self.stderr);
        lines.remove(0)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

fn parse_lines(bytes: &[u8], program: &str) -> Vec<Value> {
    assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "{program}: the output ends within a line");
    let parse = |line: &[u8]| match serde_json::from_slice::<Value>(line) {
        Ok(value) if value.is_object() => value,
        _ => panic!("{program} printed a line that is no JSON object: {}", String::from_utf8_lossy(line)),
    };
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| parse(&line[..line.len() - 1])).collect()
}

/// How long an owner may take to go once what it kept is over.
const MOMENT: Duration = Duration::from_secs(10);

/// Between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until `look` finds something, at most `PATIENCE`.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(LOOK);
    }
}

/// How often what is left to chance is tried, unless `SANDBOX_AGENT_TEST_ROUNDS` says otherwise.
pub(crate) fn rounds(usual: usize) -> usize {
    std::env::var("SANDBOX_AGENT_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// The README from these words to the end of their block of code.
pub(crate) fn readme(beginning: &str) -> &'static str {
    const README: &str = include_str!("../README.md");
    let at = README.find(beginning).expect("the README has it");
    README[at..].split("```").next().expect("a split has one part")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(env: &TestEnv, script: &str) -> Program {
        env.program(Path::new("/bin/sh")).args(&["-c", script])
    }

    #[test]
    fn the_environment_is_what_was_set() {
        let mut env = TestEnv::new();
        env.set("SPECIAL", "one");
        let output = env.program(Path::new("/usr/bin/env")).var("ONCE", "1").without("TMPDIR").run().expect(0);
        let names: Vec<_> = output.text().lines().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names, ["HOME", "ONCE", "PATH", "SANDBOX_AGENT_OFFLINE", "SANDBOX_AGENT_STORE", "SPECIAL"]);
        assert!(output.text().contains(&format!("SANDBOX_AGENT_STORE={}", env.store().display())));
    }

    #[test]
    fn output_signal_and_input_are_seen() {
        let env = TestEnv::new();
        let output = shell(&env, r#"cat; echo trouble >&2; exit 3"#).stdin("{\"a\":1}\n{\"a\":2}\n").run().expect(3);
        assert_eq!(output.lines(), [serde_json::json!({"a": 1}), serde_json::json!({"a": 2})]);
        assert_eq!(output.stderr, "trouble\n");
        let output = shell(&env, "kill -TERM $$").run();
        assert_eq!((output.code(), output.signal()), (143, Some(Signal::SIGTERM)));
        assert!(output.took < Duration::from_secs(50));
    }

    #[test]
    #[should_panic(expected = "no JSON object")]
    fn a_line_that_is_not_json_fails() {
        let env = TestEnv::new();
        shell(&env, "echo '{}'; echo hello").run().lines();
    }

    #[test]
    #[should_panic(expected = "ends within a line")]
    fn a_missing_newline_fails() {
        let env = TestEnv::new();
        shell(&env, "printf '{}'").run().lines();
    }

    #[test]
    fn a_line_can_be_waited_for_and_the_program_interrupted() {
        let env = TestEnv::new();
        let mut running = shell(&env, r#"printf '{"n":1}\n{"n":'; sleep 0.1; printf '2}\n'; sleep 60"#).spawn();
        assert_eq!(running.wait_for("n = 2", |line| line["n"] == 2)["n"], 2);
        // A shell that is about to become its last command loses the signal.
        wait_until("the last command", || env.alive().iter().any(|one| one.command == "sleep 60").then_some(()));
        running.ctrl_c();
        assert_eq!(running.wait().signal(), Some(Signal::SIGINT));
    }

    #[test]
    fn a_signal_reaches_the_program_alone() {
        let env = TestEnv::new();
        let mut running = shell(&env, r#"sleep 0.2 & echo '{}'; exec sleep 60"#).spawn();
        running.wait_for("anything", |_| true);
        running.signal(Signal::SIGKILL);
        assert_eq!(running.wait().code(), 137);
        env.wait_until_none_is_alive();
    }

    #[test]
    #[should_panic(expected = "it ended with")]
    fn a_line_that_never_comes_fails() {
        let env = TestEnv::new();
        shell(&env, "echo '{}'").spawn().wait_for("n = 1", |line| line["n"] == 1);
    }

    #[test]
    #[should_panic(expected = "did not end in")]
    fn a_program_that_hangs_fails() {
        let env = TestEnv::new();
        let _ = shell(&env, "exec sleep 60").patience(Duration::from_millis(100)).run();
    }

    #[test]
    #[should_panic(expected = "processes outlived the test")]
    fn an_orphan_in_a_session_of_its_own_fails() {
        let env = TestEnv::new();
        shell(&env, "setsid sleep 1000 >/dev/null 2>&1 &").run().expect(0);
        wait_until("the orphan", || env.alive().iter().find(|one| one.command.contains("sleep")).map(|_| ()));
    }

    #[test]
    #[should_panic(expected = "processes outlived the test")]
    fn an_orphan_with_a_clean_environment_fails() {
        let env = TestEnv::new();
        shell(&env, "env -i sleep 1000 >/dev/null 2>&1 &").run().expect(0);
        wait_until("the orphan", || env.alive().iter().find(|one| one.command.contains("sleep")).map(|_| ()));
    }

    #[test]
    fn files_are_removed() {
        let env = TestEnv::new();
        let root = env.root().to_owned();
        assert!(root.join("work/.git/HEAD").exists());
        drop(env);
        assert!(!root.exists());
    }
}
