//! The real Codex against a scripted model: through us, and driven by the least client that can be.

use crate::Effort;
use crate::history::History;
use crate::model::Reply;
use crate::program::{Running, drain, ours, read_by, since, start, within};
use crate::real::codex::Codex;
use crate::table::{Row, Sample, grouped, ms, per_second, plain};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::Instant;

/// Four characters a token.
const TOKEN: usize = 4;

pub(crate) fn measure(effort: &Effort, _history: &History) {
    word(effort);
    tokens(effort);
}

/// One word, so that only the start and the end count.
fn word(effort: &Effort) {
    let Some(codex) = Codex::start([Reply::new().text("Hello").repeated()]) else { return };
    let once: [Once; 2] = [raw, through_us];
    let [raw, ours] = interleaved(effort.rounds(15, 5), &mut |index| once[index](&codex, 1));
    let (raw, ours) = (walls(&raw), walls(&ours));
    let (sample, beside) = (Sample::new(ours.iter().copied()), Sample::new(raw.iter().copied()));
    Row::new("`run -a codex`, one word", &sample, ms)
        .beside("`codex app-server`", &beside, ms)
        .ratio(&Sample::of_pairs(&ours, &raw, |ours, raw| ours / raw))
        .print();
    let more = Sample::of_pairs(&ours, &raw, |ours, raw| ours - raw);
    let least = Sample::new([sample.min() - beside.min()]);
    let allowed = (beside.median() / 100.0).max(20.0);
    Row::new("what we add to it, round by round", &more, ms)
        .note(format!("least against least: {}", ms(least.median())))
        .asked("≤ 1 % or 20 ms", more.median() <= allowed)
        .print();
}

/// Many tokens, as fast as the model can send.
fn tokens(effort: &Effort) {
    let count = effort.pick(20_000, 5_000);
    let text = "abc ".repeat(count);
    let Some(codex) = Codex::start([Reply::new().text(&text).delta(TOKEN).repeated()]) else { return };
    let once: [Once; 2] = [raw, through_us];
    let [raw, ours] = interleaved(effort.rounds(7, 3), &mut |index| once[index](&codex, count));
    let speeds = |rounds: &[Talk]| rounds.iter().map(|talk| talk.speed).collect::<Vec<_>>();
    let (raw_speed, our_speed) = (speeds(&raw), speeds(&ours));
    let ratios = Sample::of_pairs(&our_speed, &raw_speed, |ours, raw| ours / raw);
    let what = format!("`run -a codex`, {} tokens of {TOKEN} bytes, first to last", grouped(count as f64));
    Row::new(what, &Sample::new(our_speed), per_second)
        .beside("`codex app-server`", &Sample::new(raw_speed), per_second)
        .ratio(&ratios)
        .asked("≥ 0.95 × raw", ratios.median() >= 0.95)
        .print();
    let (raw, ours) = (walls(&raw), walls(&ours));
    Row::new("the same, start and end of the process included", &Sample::new(ours.iter().copied()), ms)
        .beside("`codex app-server`", &Sample::new(raw.iter().copied()), ms)
        .ratio(&Sample::of_pairs(&ours, &raw, |ours, raw| ours / raw))
        .print();
    let spread = Row::new("the ratios of the rounds", &ratios, plain);
    spread.print();
}

fn walls(rounds: &[Talk]) -> Vec<f64> {
    rounds.iter().map(|talk| talk.wall).collect()
}

type Once = fn(&Codex, usize) -> Talk;

/// Two things in turn, each the first in every other round; the round before the first does not count.
fn interleaved(rounds: usize, once: &mut dyn FnMut(usize) -> Talk) -> [Vec<Talk>; 2] {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (one, other) = if round % 2 == 0 {
            let one = once(0);
            (one, once(1))
        } else {
            let other = once(1);
            (once(0), other)
        };
        if round > 0 {
            first.push(one);
            second.push(other);
        }
    }
    [first, second]
}

/// One prompt and what came back.
struct Talk {
    /// From the start of the process to its end, in milliseconds.
    wall: f64,
    /// Tokens a second between the first and the last.
    speed: f64,
}

/// Counts the tokens that come, and when.
#[derive(Default)]
struct Tokens {
    count: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Tokens {
    fn came(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.count += 1;
    }

    fn speed(&self, expected: usize) -> f64 {
        assert_eq!(self.count, expected, "tokens that came");
        let (Some(first), Some(last)) = (self.first, self.last) else { panic!("no token came") };
        self.count as f64 / (last - first).as_secs_f64()
    }
}

fn through_us(codex: &Codex, count: usize) -> Talk {
    let mut command = ours(&codex.env, &["run", "-a", "codex", "Say it"]);
    let (tokens, cost) = read_by(&mut command, |stdout, _| {
        let mut tokens = Tokens::default();
        let mut last = String::new();
        each_line(&mut BufReader::new(stdout), |line| {
            if line.contains("\"type\":\"item.delta\"") {
                tokens.came();
            } else if line.contains("\"type\":\"turn.ended\"") {
                line.clone_into(&mut last);
            }
            false
        });
        assert!(last.contains("\"outcome\":\"ok\""), "the turn: {last}");
        tokens
    });
    Talk { wall: cost.wall, speed: tokens.speed(count) }
}

/// The least that a client has to do; lines are looked at, not parsed, once the turn has begun.
fn raw(codex: &Codex, count: usize) -> Talk {
    let began = Instant::now();
    let mut command = within(&codex.env, &codex.program);
    let mut running =
        start(command.arg("app-server").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut client = Client::new(&mut running);
    let info = json!({"name": "bench", "title": null, "version": "0.0.0"});
    client.ask(1, "initialize", json!({"clientInfo": info, "capabilities": {"experimentalApi": true}}));
    client.say(&json!({"method": "initialized"}));
    let thread = client.ask(2, "thread/start", json!({"approvalPolicy": "untrusted", "sandbox": "danger-full-access"}));
    let thread = thread["thread"]["id"].as_str().unwrap().to_owned();
    let input = json!([{"type": "text", "text": "Say it", "text_elements": []}]);
    client.say(&json!({"id": 3, "method": "turn/start", "params": {"threadId": thread, "input": input}}));
    let mut tokens = Tokens::default();
    let mut end = String::new();
    each_line(&mut client.stdout, |line| {
        if line.contains("\"method\":\"item/agentMessage/delta\"") {
            tokens.came();
        } else if line.contains("\"method\":\"turn/completed\"") {
            line.clone_into(&mut end);
        }
        !end.is_empty()
    });
    assert!(end.contains("\"status\":\"completed\""), "the turn: {end}");
    drop(client.stdin);
    drain(client.stdout);
    running.end();
    Talk { wall: since(began), speed: tokens.speed(count) }
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

struct Client {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn new(running: &mut Running) -> Client {
        let (stdin, stdout) = (running.stdin.take().unwrap(), running.stdout.take().unwrap());
        Client { stdin, stdout: BufReader::new(stdout) }
    }

    fn say(&mut self, message: &Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.say(&json!({"id": id, "method": method, "params": params}));
        let mut answer = Value::Null;
        each_line(&mut self.stdout, |line| {
            let message: Value = serde_json::from_str(line).unwrap();
            let found = message["id"] == id && message.get("method").is_none();
            if found {
                answer = message;
            }
            found
        });
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }
}
