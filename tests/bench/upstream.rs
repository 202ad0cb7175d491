//! The program that ours is measured beside, served on loopback: the one that `SANDBOX_AGENT_UPSTREAM` names.

use crate::Effort;
use crate::actor;
use crate::env::TestEnv;
use crate::history::History;
use crate::npm::packages;
use crate::program::{Memory, measured, memory, since, start, within};
use crate::real::equipment::node;
use crate::served::Served;
use crate::table::{Row, Sample, Unit, grouped, mib, ms, per_second};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

pub(crate) fn measure(effort: &Effort, _history: &History) {
    let Some(theirs) = program() else { return };
    let Some(packages) = packages() else {
        eprintln!("  without the network there is no client");
        return;
    };
    // The same agent behind both: theirs of the name `mock` answers no `session/new`, so our actor takes its place.
    let itself = std::env::current_exe().unwrap();
    let agent = format!("acp:{} {}", itself.display(), actor::ROLE);
    let sides = [
        Side { program: measured(), arguments: &[], agent, packages: packages.clone() },
        Side { program: theirs, arguments: &["--no-telemetry"], agent: "mock".to_owned(), packages },
    ];
    let (mut figures, mut mock) = ([Vec::new(), Vec::new()], Vec::new());
    let size = Size { often: effort.pick(30, 10), events: effort.pick(50_000, 20_000), sessions: 100 };
    for round in 0..effort.rounds(5, 2) {
        // Neither is always the first.
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            eprintln!("  round {}, {}", round + 1, ["ours", "upstream"][at]);
            figures[at].push(sides[at].round(&size));
        }
        mock.push(sides[0].mock(&size));
    }
    let [ours, theirs] = figures;
    for row in ROWS {
        row.print(&ours, &theirs, &mock, &size);
    }
}

/// The program, where there is one.
fn program() -> Option<PathBuf> {
    let program = std::env::var_os("SANDBOX_AGENT_UPSTREAM").map(PathBuf::from);
    if program.is_none() {
        eprintln!("  SANDBOX_AGENT_UPSTREAM names no program: not measured beside it");
    }
    program
}

/// One of the two.
struct Side {
    program: PathBuf,
    arguments: &'static [&'static str],
    /// What its client calls the agent.
    agent: String,
    packages: PathBuf,
}

/// How much is asked of each in a round.
struct Size {
    often: usize,
    events: usize,
    sessions: usize,
}

/// What a round came to, by what was measured.
type Figures = BTreeMap<String, Vec<f64>>;

impl Side {
    fn round(&self, size: &Size) -> Figures {
        let env = TestEnv::new();
        take_the_place_of_theirs(&env);
        let mut figures = Figures::new();
        let server = self.serve(&env);
        figures.insert("start, the first".to_owned(), vec![server.up]);
        server.stop(&env);
        let server = self.serve(&env);
        figures.insert("start".to_owned(), vec![server.up]);
        std::thread::sleep(SETTLE);
        weigh(&env, None, "idle", &mut figures);
        self.play(&env, &server, &self.agent, ["all", &size.often.to_string(), &size.events.to_string()], &mut figures);
        server.stop(&env);
        let server = self.serve(&env);
        self.play(&env, &server, &self.agent, ["hold", "0", &size.sessions.to_string()], &mut figures);
        server.stop(&env);
        figures
    }

    /// The same sessions with the mock that we bring.
    fn mock(&self, size: &Size) -> Figures {
        let env = TestEnv::new();
        let mut figures = Figures::new();
        let server = self.serve(&env);
        self.play(&env, &server, "mock", ["sessions", &size.often.to_string(), "0"], &mut figures);
        server.stop(&env);
        figures
    }

    fn serve(&self, env: &TestEnv) -> Served {
        Served::start(env, &self.program, self.arguments)
    }

    /// Runs the client's script to its end.
    fn play(&self, env: &TestEnv, server: &Served, agent: &str, what: [&str; 3], figures: &mut Figures) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/beside.mjs");
        let (url, place) = (format!("http://{}", server.address), env.work());
        let mut command = within(env, &node());
        command.arg(script).arg(&self.packages).arg(url).arg(place).arg(agent).args(what);
        let mut running = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut stdin = running.stdin.take().unwrap();
        for line in BufReader::new(running.stdout.take().unwrap()).lines() {
            let said: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if let Some(name) = said["weigh"].as_str() {
                std::thread::sleep(SETTLE);
                weigh(env, Some(running.id()), name, figures);
                writeln!(stdin).unwrap();
            } else {
                let name = said["name"].as_str().unwrap().to_owned();
                figures.entry(name).or_default().push(said["value"].as_f64().unwrap());
            }
        }
        running.end();
    }
}

/// For what was just begun to come to rest; who keeps something gives back what it can after 2 s.
const SETTLE: Duration = Duration::from_secs(4);

/// Installs our actor as their agent `mock`.
fn take_the_place_of_theirs(env: &TestEnv) {
    let folder = env.home().join(".local/share/sandbox-agent/bin/agent_processes");
    fs::create_dir_all(&folder).unwrap();
    let launcher = folder.join("mock-acp");
    let itself = std::env::current_exe().unwrap();
    fs::write(&launcher, format!("#!/bin/sh\nexec '{}' {}\n", itself.display(), actor::ROLE)).unwrap();
    fs::set_permissions(launcher, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What all processes of a server hold together, besides its client, in MiB; and of that the agents.
fn weigh(env: &TestEnv, client: Option<u32>, name: &str, figures: &mut Figures) {
    let (mut all, mut agents) = (Memory::default(), Memory::default());
    for one in env.alive() {
        let pid = one.pid as u32;
        // Who has ended in between weighs nothing.
        let weight = memory(pid).filter(|_| Some(pid) != client).unwrap_or_default();
        for sum in [&mut all].into_iter().chain(one.command.ends_with(actor::ROLE).then_some(&mut agents)) {
            sum.resident += weight.resident;
            sum.share += weight.share;
        }
    }
    for (what, weight) in [("memory", all.resident), ("share", all.share), ("agents", agents.share)] {
        figures.insert(format!("{what}, {name}"), vec![weight / 1024.0]);
    }
}

/// A line of the table.
struct Beside {
    /// As the script calls it.
    name: &'static str,
    what: &'static str,
    unit: Unit,
    better: Better,
}

/// Which of two figures is the better one.
enum Better {
    Less,
    More,
    /// Nothing may be lost, whatever the other one loses.
    None,
    /// Neither: only to be known.
    Known,
}

const fn row(name: &'static str, what: &'static str, unit: Unit, better: Better) -> Beside {
    Beside { name, what, unit, better }
}

static ROWS: &[Beside] = &[
    row("start", "`server`: start → the first good `/v1/health`", ms, Better::Less),
    row("start, the first", "the same in a home where it never was", ms, Better::Less),
    row("connect", "`SandboxAgent.connect` → the first answer", ms, Better::Less),
    row("first session of a client", "`createSession`, a client's first", ms, Better::Less),
    row("first prompt of a client", "`prompt`, its first", ms, Better::Less),
    row("new client, session and first answer", "both, connecting included", ms, Better::Less),
    row("another session", "`createSession`, another of the same client", ms, Better::Less),
    row("prompt", "`prompt`, there and back", ms, Better::Less),
    row("write 1 kB", "`writeFsFile`, 1 kB", ms, Better::Less),
    row("read 1 kB", "`readFsFile`, 1 kB", ms, Better::Less),
    row("write 1 MB", "`writeFsFile`, 1 MB", ms, Better::Less),
    row("read 1 MB", "`readFsFile`, 1 MB", ms, Better::Less),
    row("run `true`", "`runProcess`, `true`", ms, Better::Less),
    row(
        "burst: events a second",
        "burst of {events} events of 200 bytes, the SDK's listener",
        per_second,
        Better::More,
    ),
    row("burst: lost", "of these lost", grouped, Better::None),
    row(
        "burst without the SDK: events a second",
        "the same, its stream of events read without the SDK",
        per_second,
        Better::More,
    ),
    row("burst without the SDK: lost", "of these lost", grouped, Better::None),
    row("memory, idle", "resident memory, idle", mib, Better::Less),
    row("share, idle", "the same, of what is shared its share", mib, Better::Less),
    row(
        "memory, sessions",
        "resident memory of all its processes, {sessions} sessions of one client",
        mib,
        Better::Less,
    ),
    row("share, sessions", "the same, of what is shared its share", mib, Better::Less),
    row("memory, sessions that were prompted", "the same when each has had a prompt, resident", mib, Better::Less),
    row("share, sessions that were prompted", "the same, of what is shared its share", mib, Better::Less),
    row(
        "agents, sessions that were prompted",
        "of that the agents, which both have the same program for",
        mib,
        Better::Known,
    ),
];

impl Beside {
    fn print(&self, ours: &[Figures], theirs: &[Figures], mock: &[Figures], size: &Size) {
        let rounds = |figures: &[Figures]| -> Vec<f64> {
            figures.iter().map(|round| Sample::new(round[self.name].iter().copied()).median()).collect()
        };
        let all = |figures: &[Figures]| Sample::new(figures.iter().flat_map(|round| &round[self.name]).copied());
        let (our, their) = (all(ours), all(theirs));
        let what = self.what.replace("{events}", &grouped(size.events as f64));
        let what = what.replace("{sessions}", &size.sessions.to_string());
        let mut note = format!("upstream: {}, min {}", (self.unit)(their.median()), (self.unit)(their.min()));
        if mock.iter().all(|round| round.contains_key(self.name)) {
            note += &format!("; ours with our own mock: {}", (self.unit)(all(mock).median()));
        }
        let row = Row::new(what, &our, self.unit).note(note);
        match self.better {
            Better::None => row.asked("none", our.max() == 0.0).print(),
            Better::Known => row.print(),
            Better::Less | Better::More => {
                let ratios = Sample::of_pairs(&rounds(ours), &rounds(theirs), |ours, theirs| ours / theirs);
                let ratio = ratios.median();
                let ahead = if matches!(self.better, Better::Less) { ratio <= 1.0 } else { ratio >= 1.0 };
                row.ratio(&ratios).asked("ahead", ahead).print();
            }
        }
    }
}

/// A running server and the one connection to it.
pub(crate) struct Upstream {
    connection: RefCell<BufReader<TcpStream>>,
    server: Served,
}

/// What was answered, and after how many milliseconds.
pub(crate) struct Answered {
    pub(crate) wall: f64,
    body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Upstream {
    /// None where there is no such program: then it is missing in the table.
    pub(crate) fn start(env: &TestEnv) -> Option<Upstream> {
        let server = Served::start(env, &program()?, &["--no-telemetry"]);
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Upstream { connection: RefCell::new(BufReader::new(stream)), server })
    }

    /// A call of its desktop, such as `POST mouse/move {"x":1,"y":2}`; it must succeed.
    pub(crate) fn call(&self, line: &str) -> Answered {
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = words.next().unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head = format!(
            "{method} /v1/desktop/{path} HTTP/1.1\r\nHost: {}\r\n{kind}Content-Length: {}\r\n\r\n",
            self.server.address,
            body.len()
        );
        let mut connection = self.connection.borrow_mut();
        let began = Instant::now();
        connection.get_mut().write_all((head + body).as_bytes()).unwrap();
        let mut first = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(connection.read_line(&mut line).unwrap() > 0, "{method} {path}: no answer");
            if line == "\r\n" {
                break;
            }
            if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
                length = value.parse().unwrap();
            }
            if first.is_empty() {
                first = line;
            }
        }
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer).unwrap();
        let wall = since(began);
        assert!(first.starts_with("HTTP/1.1 2"), "{line}: {first}{}", String::from_utf8_lossy(&answer));
        Answered { wall, body: answer }
    }
}
