//! The verbs of `fs` beside the usual tools, on the same files, in memory, each the first in every other round.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::program::{drain, ours, read_by, start, timed, watched, within};
use crate::table::{Row, Sample, mib, ms};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Resident memory that no verb may exceed, in MiB (20 MB).
const MOST: f64 = 20e6 / 1024.0 / 1024.0;

pub(crate) fn measure(effort: &Effort, _history: &History) {
    let env = TestEnv::new();
    let (entries, bytes) = (effort.pick(200_000, 20_000), effort.pick(1 << 30, 64 << 20));
    eprintln!("  writing {entries} files, and one of {} MB", bytes / 1_000_000);
    tree(&env, entries);
    large(&env, bytes);
    sources(&env, effort.pick(4000, 1000));
    let bench = Bench { env: &env, rounds: effort.rounds(7, 3) };
    let find = shell(&env, "find tree -printf '%p %s %m %T@ %y %l\\n'");
    bench.beside(
        &format!("`ls --recursive` of {entries} files, sorted"),
        &["fs", "ls", "tree", "--recursive"],
        ("`find -printf`", find),
        Some(1.0),
    );
    bench.beside(
        "the same, `--unsorted`",
        &["fs", "ls", "tree", "--recursive", "--unsorted"],
        ("`find -printf`", shell(&env, "find tree -printf '%p %s %m %T@ %y %l\\n'")),
        None,
    );
    bench.beside("`read` to a pipe", &["fs", "read", "large"], ("`cat`", shell(&env, "cat large")), Some(0.9));
    bench.writes();
    bench.beside("`hash`", &["fs", "hash", "large"], ("`sha256sum`", shell(&env, "sha256sum large")), None);
    bench.copies("`cp` of the large file", "large", "cp --preserve=mode,timestamps large copy && sync copy");
    bench.copies("`cp --recursive` of the sources", "sources", "cp -a sources copy && sync -f copy");
    let download = &["fs", "download", "sources", "--format", "tar"];
    bench.beside("`download --format tar`", download, ("`tar -c`", shell(&env, "tar -cC sources .")), None);
    bench.uploads();
    bench.searches();
}

struct Bench<'e> {
    env: &'e TestEnv,
    rounds: usize,
}

/// A command of the shell, in the environment of the test.
fn shell(env: &TestEnv, script: &str) -> impl Fn() -> Command {
    move || {
        let mut command = within(env, Path::new("/bin/sh"));
        command.args(["-ec", script]).env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command
    }
}

impl Bench<'_> {
    /// What both print is read to its end.
    fn beside(&self, what: &str, words: &[&str], theirs: (&str, impl Fn() -> Command), asked: Option<f64>) {
        let run = |command: &mut Command| read_by(command, |stdout, _| drain(stdout)).1.wall;
        self.compare(what, &|| run(&mut ours(self.env, words)), theirs.0, &|| run(&mut theirs.1()), asked);
        self.memory(what, &mut ours(self.env, words));
    }

    fn compare(&self, what: &str, ours: &dyn Fn() -> f64, name: &str, theirs: &dyn Fn() -> f64, asked: Option<f64>) {
        let _ = (ours(), theirs());
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            if round % 2 == 0 {
                our.push(ours());
                their.push(theirs());
            } else {
                their.push(theirs());
                our.push(ours());
            }
        }
        let ratios = Sample::of_pairs(&our, &their, |ours, theirs| theirs / ours);
        let row = Row::new(what, &Sample::new(our), ms).beside(name, &Sample::new(their), ms).ratio(&ratios);
        match asked {
            Some(asked) => row.asked(format!("≥ {asked} × {name}"), ratios.median() >= asked),
            None => row,
        }
        .print();
    }

    fn memory(&self, what: &str, command: &mut Command) {
        let mut running = start(command.stdout(Stdio::piped()));
        let over = &AtomicBool::new(false);
        let peak = std::thread::scope(|scope| {
            let (pid, stdout) = (running.id(), running.stdout.take());
            let watching = scope.spawn(move || watched(pid, over));
            stdout.map(drain);
            over.store(true, Ordering::Relaxed);
            watching.join().unwrap().peak
        });
        running.end();
        let row = Row::new(format!("{what}: resident memory"), &Sample::new([peak]), mib);
        row.asked("≤ 20 MB", peak <= MOST).print();
    }

    /// Runs that change something; what they made is taken away first.
    fn changing(&self, command: &dyn Fn() -> Command) -> f64 {
        let copy = self.env.work().join("copy");
        match fs::symlink_metadata(&copy) {
            Ok(data) if data.is_dir() => fs::remove_dir_all(&copy).unwrap(),
            Ok(_) => fs::remove_file(&copy).unwrap(),
            Err(_) => {}
        }
        // What the removal left to do for the disk is not to be measured.
        nix::unistd::sync();
        timed(&mut command()).wall
    }

    fn writes(&self) {
        let ours = || {
            let mut command = ours(self.env, &["fs", "write", "copy", "-"]);
            command.stdin(File::open(self.env.work().join("large")).unwrap());
            command
        };
        let synced = shell(self.env, "cat large > new && sync new && mv new copy");
        let plain = shell(self.env, "cat large > copy");
        let run = || self.changing(&ours);
        self.compare(
            "`write`, on the disk when it ends",
            &run,
            "`cat`, `sync`, `mv`",
            &|| self.changing(&synced),
            Some(0.9),
        );
        self.compare("the same beside a `cat` that does not wait", &run, "`cat`", &|| self.changing(&plain), None);
        self.memory("`write`", &mut ours());
    }

    fn copies(&self, what: &str, from: &str, theirs: &str) {
        let ours = || ours(self.env, &["fs", "cp", from, "copy", "--recursive"]);
        let theirs = shell(self.env, theirs);
        self.compare(what, &|| self.changing(&ours), "`cp`, `sync`", &|| self.changing(&theirs), None);
    }

    fn uploads(&self) {
        let pack = shell(self.env, "tar -cf sources.tar -C sources .");
        let _ = timed(&mut pack());
        let ours = || ours(self.env, &["fs", "upload", "copy", "--from-file", "sources.tar"]);
        let theirs = shell(self.env, "mkdir copy && tar -xf sources.tar -C copy && sync -f copy");
        self.compare("`upload`", &|| self.changing(&ours), "`tar -x`, `sync`", &|| self.changing(&theirs), None);
        let _ = self.changing(&|| within(self.env, Path::new("/bin/true")));
        self.memory("`upload`", &mut ours());
    }

    fn searches(&self) {
        let rg = Path::new("/usr/bin/rg");
        let (name, all) =
            if rg.exists() { ("`rg`", "rg -n --no-config --no-ignore --hidden") } else { ("`grep -r`", "grep -rn") };
        let word: &[&str] = &["fs", "grep", "needle", "sources", "--hidden"];
        for (what, ours, theirs) in [
            ("`grep` for a word, many files", word, format!("{all} needle sources")),
            (
                "`grep` for a pattern, many files",
                &["fs", "grep", r"fn \w+_(needle|thread)", "sources", "--hidden"],
                format!("{all} -e 'fn [a-z_]+_(needle|thread)' sources"),
            ),
            ("`grep` for a word, one large file", &["fs", "grep", "needle", "text"], format!("{all} needle text")),
        ] {
            self.beside(what, ours, (name, shell(self.env, &theirs)), Some(0.8));
        }
        if rg.exists() {
            let alone = format!("{all} -j1 needle sources");
            let alone = ("`rg` with one thread", shell(self.env, &alone));
            self.beside("`grep` for a word, many files", word, alone, None);
        }
    }
}

/// Empty files, a thousand in a directory.
fn tree(env: &TestEnv, count: usize) {
    for number in 0..count {
        let folder = env.work().join(format!("tree/{:03}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        File::create(folder.join(format!("file-{number:06}.txt"))).unwrap();
    }
}

/// Bytes that are nowhere the same.
fn large(env: &TestEnv, size: usize) {
    let mut file = BufWriter::new(File::create(env.work().join("large")).unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..size / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
}

/// Files like a program's, and one like a log.
fn sources(env: &TestEnv, count: usize) {
    let line = |number: usize| match number % 5003 {
        7 => format!("    fn look_for_needle(&self, number: u64) -> bool {{ self.{number} }}\n"),
        _ => format!("    let value_{number} = self.compute(number, {}).map(|value| value + 1);\n", number * 7919),
    };
    let mut all = BufWriter::new(File::create(env.work().join("text")).unwrap());
    for number in 0..count {
        let folder = env.work().join(format!("sources/{:02}", number / 100));
        fs::create_dir_all(&folder).unwrap();
        let lines: String = (number * 300..number * 300 + 300).map(line).collect();
        fs::write(folder.join(format!("source_{number}.rs")), &lines).unwrap();
        all.write_all(lines.as_bytes()).unwrap();
    }
    all.flush().unwrap();
}
