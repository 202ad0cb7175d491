//! The real agents against a scripted model: through us, and driven by the least client that can be.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::model::Reply;
use crate::program::{Running, drain, measured, ours, read_by, since, start, timed, watched, within};
use crate::real::everywhere::{Place, Script};
use crate::table::{Row, Sample, grouped, mib, ms, per_second};
use crate::{npm, real};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Four characters a token.
const TOKEN: usize = 4;

/// An agent: where it asks a model of its own, and how it is driven without us.
struct Subject {
    name: &'static str,
    place: fn(Script) -> Option<Place>,
    without_us: fn(&Place) -> Talk,
}

static SUBJECTS: [Subject; 5] = [
    Subject { name: "claude", place: Place::claude, without_us: claude },
    Subject { name: "codex", place: Place::codex, without_us: codex },
    Subject { name: "opencode", place: Place::opencode, without_us: opencode },
    Subject { name: "pi", place: Place::pi, without_us: pi },
    Subject { name: "acp:opencode", place: Place::acp_opencode, without_us: acp },
];

pub(crate) fn measure(effort: &Effort, _history: &History) {
    for subject in &SUBJECTS {
        word(subject, effort.rounds(15, 5));
        tokens(subject, effort.rounds(7, 3), effort.pick(20_000, 5_000));
    }
    acpx(effort.rounds(15, 5));
}

/// One word from the same ACP agent, the quickest there is, through us and through acpx.
fn acpx(rounds: usize) {
    let (Some(packages), Some(_)) = (npm::packages(), real::agent("codex-acp")) else { return };
    let env = TestEnv::new();
    let agent = format!("{} acp --agent mock", measured().display());
    let (node, script) = (npm::newest_node(), packages.join("node_modules/acpx/dist/cli.js"));
    let theirs = || {
        let mut acpx = within(&env, &node);
        // What it leaves in the background ends after a second.
        acpx.arg(&script).args(["--agent", &agent, "--ttl", "1", "--format", "json", "exec", "echo hi"]);
        timed(&mut acpx).wall
    };
    let own = || timed(&mut ours(&env, &["run", "--acp-command", &agent, "echo hi"])).wall;
    let (mut our, mut their) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our.push(own());
        their.push(theirs());
    }
    Row::new("`run --acp-command`, one word of the same ACP agent", &Sample::new(our.iter().copied()), ms)
        .beside("acpx 0.19.1", &Sample::new(their.iter().copied()), ms)
        .ratio(&Sample::of_pairs(&our, &their, |ours, theirs| ours / theirs))
        .print();
    env.wait_until_none_is_alive();
}

/// One word, so that only the start and the end count.
fn word(subject: &Subject, rounds: usize) {
    let Some(place) = (subject.place)(&|_| vec![Reply::new().text("Hello").repeated()]) else { return };
    let [raw, ours] = interleaved(rounds, subject, &place);
    let (raw, ours) = (walls(&raw), walls(&ours));
    let beside = Sample::new(raw.iter().copied());
    Row::new(format!("`run -a {}`, one word", subject.name), &Sample::new(ours.iter().copied()), ms)
        .beside("without us", &beside, ms)
        .ratio(&Sample::of_pairs(&ours, &raw, |ours, raw| ours / raw))
        .print();
    let more = Sample::of_pairs(&ours, &raw, |ours, raw| ours - raw);
    let allowed = (beside.median() / 100.0).max(20.0);
    Row::new("what we add to it, round by round", &more, ms).asked("≤ 1 % or 20 ms", more.median() <= allowed).print();
}

/// Many tokens, as fast as the model can send.
fn tokens(subject: &Subject, rounds: usize, count: usize) {
    let text = "abc ".repeat(count);
    let script: Script = &|_| vec![Reply::new().text(&text).delta(TOKEN).repeated()];
    let Some(place) = (subject.place)(script) else { return };
    let [raw, ours] = interleaved(rounds, subject, &place);
    let speeds = |talks: &[Talk]| talks.iter().map(|talk| talk.text.speed(count)).collect::<Vec<_>>();
    let (raw_speed, our_speed) = (speeds(&raw), speeds(&ours));
    let ratios = Sample::of_pairs(&our_speed, &raw_speed, |ours, raw| ours / raw);
    let what = format!("`run -a {}`, {} tokens of {TOKEN} bytes, first to last", subject.name, grouped(count as f64));
    Row::new(what, &Sample::new(our_speed), per_second)
        .beside("without us", &Sample::new(raw_speed), per_second)
        .ratio(&ratios)
        .asked("≥ 0.95 × raw", ratios.median() >= 0.95)
        .print();
    // An agent that hands on its text in one piece at the end is seen here.
    let (raw, our) = (walls(&raw), walls(&ours));
    Row::new("the same, start and end of the process included", &Sample::new(our.iter().copied()), ms)
        .beside("without us", &Sample::new(raw.iter().copied()), ms)
        .ratio(&Sample::of_pairs(&our, &raw, |ours, raw| ours / raw))
        .print();
    Row::new("our resident memory meanwhile, at most", &Sample::new(ours.iter().map(|talk| talk.peak)), mib).print();
}

fn walls(talks: &[Talk]) -> Vec<f64> {
    talks.iter().map(|talk| talk.wall).collect()
}

/// Without and through us in turn, each the first in every other round; the round before the first does not count.
fn interleaved(rounds: usize, subject: &Subject, place: &Place) -> [Vec<Talk>; 2] {
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (one, other) = if round % 2 == 0 {
            let one = (subject.without_us)(place);
            (one, through_us(place))
        } else {
            let other = through_us(place);
            ((subject.without_us)(place), other)
        };
        if round > 0 {
            raw.push(one);
            ours.push(other);
        }
    }
    [raw, ours]
}

/// One prompt and what came back.
struct Talk {
    /// From the start of the process to its end, in milliseconds.
    wall: f64,
    text: Text,
    /// The most memory of our own process, in MiB.
    peak: f64,
}

/// The text that came, and when. An agent may join tokens, so bytes are counted.
#[derive(Default)]
struct Text {
    bytes: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Text {
    /// Takes lines until the end, or until one was enough; in one with the mark the text stands behind the key.
    fn read(from: &mut impl BufRead, mark: &str, key: &str, mut enough: impl FnMut(&str) -> bool) -> Text {
        let mut text = Text::default();
        each_line(from, |line| {
            if let Some(at) = line.find(mark) {
                let now = Instant::now();
                text.first.get_or_insert(now);
                text.last = Some(now);
                let said = line[at..].split_once(key).unwrap_or_else(|| panic!("no text: {line}")).1;
                text.bytes += said.find('"').unwrap();
            }
            enough(line)
        });
        text
    }

    fn speed(&self, expected: usize) -> f64 {
        assert_eq!(self.bytes, expected * TOKEN, "bytes that came");
        let (Some(first), Some(last)) = (self.first, self.last) else { panic!("no text came") };
        expected as f64 / (last - first).as_secs_f64()
    }
}

fn through_us(place: &Place) -> Talk {
    let mut command = ours(&place.env, &["run", "-a", &place.agent, "Say it"]);
    let began = Instant::now();
    let mut running = start(command.stdout(Stdio::piped()));
    let (pid, stop) = (running.id(), AtomicBool::new(false));
    let mut stdout = BufReader::new(running.stdout.take().unwrap());
    let (text, wall, peak) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watched(pid, &stop));
        let mut last = String::new();
        let text = Text::read(&mut stdout, "\"type\":\"item.delta\"", "\"delta\":\"", |line| {
            line.clone_into(&mut last);
            false
        });
        assert!(last.contains("\"outcome\":\"ok\""), "the turn: {last}");
        running.end();
        let wall = since(began);
        stop.store(true, Ordering::Relaxed);
        (text, wall, watching.join().unwrap().peak)
    });
    Talk { wall, text, peak }
}

fn claude(place: &Place) -> Talk {
    let mut command = within(&place.env, &program("claude"));
    command.args(["-p", "--verbose", "--output-format", "stream-json", "--include-partial-messages", "Say it"]);
    let (text, cost) = read_by(&mut command, |stdout, _| {
        Text::read(&mut BufReader::new(stdout), "\"text_delta\"", "\"text\":\"", |_| false)
    });
    Talk { wall: cost.wall, text, peak: 0.0 }
}

/// Lines are looked at, not parsed, once the turn has begun.
fn codex(place: &Place) -> Talk {
    let mut client = Client::start(place, "codex", &["app-server"]);
    let info = json!({"name": "bench", "title": null, "version": "0.0.0"});
    client.ask(1, "initialize", json!({"clientInfo": info, "capabilities": {"experimentalApi": true}}));
    client.say(&json!({"method": "initialized"}));
    let thread = client.ask(2, "thread/start", json!({"approvalPolicy": "untrusted", "sandbox": "danger-full-access"}));
    let input = json!([{"type": "text", "text": "Say it", "text_elements": []}]);
    let params = json!({"threadId": thread["thread"]["id"], "input": input});
    client.say(&json!({"id": 3, "method": "turn/start", "params": params}));
    let end = "\"method\":\"turn/completed\"";
    client.talk("\"method\":\"item/agentMessage/delta\"", "\"delta\":\"", end, Leave::AtItsEnd)
}

fn pi(place: &Place) -> Talk {
    let mut client = Client::start(place, "pi", &["--mode", "rpc"]);
    client.say(&json!({"id": "1", "type": "prompt", "message": "Say it"}));
    client.talk("\"text_delta\"", "\"delta\":\"", "{\"type\":\"agent_settled\"", Leave::AtItsEnd)
}

fn acp(place: &Place) -> Talk {
    let mut client = Client::start(place, "opencode", &["acp"]);
    client.ask(1, "initialize", json!({"protocolVersion": 1, "clientCapabilities": {}}));
    let session = client.ask(2, "session/new", json!({"cwd": place.env.work(), "mcpServers": []}));
    let prompt = json!([{"type": "text", "text": "Say it"}]);
    let params = json!({"sessionId": session["sessionId"], "prompt": prompt});
    client.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "session/prompt", "params": params}));
    client.talk("\"agent_message_chunk\"", "\"text\":\"", "\"stopReason\"", Leave::Killed)
}

fn opencode(place: &Place) -> Talk {
    let mut client = Client::start(place, "opencode", &["serve", "--hostname", "127.0.0.1", "--port", "0"]);
    let mut port = String::new();
    each_line(&mut client.stdout, |line| {
        let found = line.trim().split_once("listening on http://127.0.0.1:");
        if let Some((_, number)) = found {
            number.clone_into(&mut port);
        }
        found.is_some()
    });
    let call = |method: &str, path: &str, body: &Value| {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let (body, kind) = (body.to_string(), "Content-Type: application/json\r\nConnection: close");
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        BufReader::new(stream)
    };
    let answer = |method: &str, path: &str, body: &Value| {
        let mut text = String::new();
        call(method, path, body).read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 2"), "{method} {path}: {text}");
        text
    };
    let session = answer("POST", "/session", &json!({"title": "Say it"}));
    let json = &session[session.find('{').unwrap()..=session.rfind('}').unwrap()];
    let session: Value = serde_json::from_str(json).unwrap();
    let mut events = call("GET", "/event", &Value::Null);
    each_line(&mut events, |line| line.contains("\"server.connected\""));
    let prompt = json!({"parts": [{"type": "text", "text": "Say it"}]});
    answer("POST", &format!("/session/{}/prompt_async", session["id"].as_str().unwrap()), &prompt);
    let mut over = false;
    let text = Text::read(&mut events, "\"message.part.delta\"", "\"delta\":\"", |line| {
        over = line.contains("\"session.idle\"");
        over
    });
    assert!(over, "the turn has an end");
    let began = client.began;
    drop(client);
    Talk { wall: since(began), text, peak: 0.0 }
}

fn program(name: &str) -> std::path::PathBuf {
    crate::real::agent(name).unwrap()
}

/// An agent that hears and says lines.
struct Client {
    began: Instant,
    running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// How an agent goes when its turn is over.
enum Leave {
    /// When its input ends.
    AtItsEnd,
    /// It would stay.
    Killed,
}

impl Client {
    fn start(place: &Place, name: &str, arguments: &[&str]) -> Client {
        let mut command = within(&place.env, &program(name));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let began = Instant::now();
        let mut running = start(&mut command);
        let (stdin, stdout) = (running.stdin.take().unwrap(), running.stdout.take().unwrap());
        Client { began, running, stdin, stdout: BufReader::new(stdout) }
    }

    fn say(&mut self, message: &Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let mut answer = Value::Null;
        each_line(&mut self.stdout, |line| {
            let message: Value = serde_json::from_str(line).unwrap();
            let found = message["id"] == id && message.get("method").is_none();
            if found {
                answer = message;
            }
            found
        });
        assert!(answer["result"].is_object(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The turn to its end, and the agent's.
    fn talk(mut self, mark: &str, key: &str, end: &str, leave: Leave) -> Talk {
        let mut over = false;
        let text = Text::read(&mut self.stdout, mark, key, |line| {
            over = line.contains(end);
            over
        });
        assert!(over, "the turn has an end");
        drop(self.stdin);
        match leave {
            Leave::AtItsEnd => {
                drain(self.stdout);
                self.running.end();
            }
            Leave::Killed => drop(self.running),
        }
        Talk { wall: since(self.began), text, peak: 0.0 }
    }
}

/// Gives out lines until the end, or until one was enough.
fn each_line(from: &mut impl BufRead, mut enough: impl FnMut(&str) -> bool) {
    let mut line = String::new();
    while from.read_line(&mut line).unwrap() > 0 {
        if enough(&line) {
            return;
        }
        line.clear();
    }
}
