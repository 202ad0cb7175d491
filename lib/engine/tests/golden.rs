//! Recorded conversations, played to their translator and through the course of a session: the events that must result.
//!
//! A `.talk` holds one conversation: `=` the job, `<` a line heard, `<@METHOD` the answer to our call of that method (of an agent
//! that serves: `<@POST PATH STATUS`, `<@lost`), `!` an order, `.` the process's end, `>` what we say (written by `UPDATE=1`). Beside it `.events` holds the events, one a line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../../tests/checker.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod checker;

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use agents::agent::{Agent, Job, Resume};
use agents::dialect::{
    Attachment, Decision, Dialect, Effect, Exit, Fault, Input, Order, OrderId, Prompt, RequestKey, Setting, Tag, Timer,
};
use agents::registry;
use engine::turn::{By, Course, Cut, Note, PromptItem, describe_exit};
use schema::event::{Body, Cause, PermissionMode, SessionStarted, Unparsed};
use schema::line::{Envelope, LineWriter};
use schema::outcome::ErrorCode;
use schema::request::ResolvedBy;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Cases that are about something we do not understand.
const UNPARSED: &[&str] = &["unparsed", "garbage", "badutf8", "unknown"];

struct Player {
    dialect: Box<dyn Dialect>,
    course: Course,
    effects: Vec<Effect>,
    said: Vec<String>,
    /// Ids of our calls that wait for an answer, by method.
    calls: HashMap<String, VecDeque<Value>>,
    /// The same of an agent that serves, by method and path.
    asks: HashMap<String, VecDeque<Tag>>,
    asked: VecDeque<(RequestKey, bool)>,
    steered: VecDeque<(OrderId, String)>,
    timers: Vec<Timer>,
    orders: u64,
    native: Option<String>,
    events: Vec<(Body, bool, Option<String>)>,
    over: bool,
    /// Lines that were spoilt on purpose: then what is ordered need not fit what was heard.
    spoilt: bool,
    /// Lines heard that are no JSON.
    garbage: usize,
    /// A sub-agent was to report when a turn was over: a foreground run waits for that.
    awaited: bool,
}

impl Player {
    fn new(agent: &dyn Agent, job: &Job, spoilt: bool) -> Player {
        let mut player = Player {
            dialect: agent.dialect(job),
            course: Course::new(1),
            effects: Vec::new(),
            said: Vec::new(),
            calls: HashMap::new(),
            asks: HashMap::new(),
            asked: VecDeque::new(),
            steered: VecDeque::new(),
            timers: Vec::new(),
            orders: 0,
            native: None,
            events: Vec::new(),
            over: false,
            spoilt,
            garbage: 0,
            awaited: false,
        };
        let started = SessionStarted {
            schema_version: schema::SCHEMA_VERSION.to_owned(),
            agent: agent.card().name.to_owned(),
            agent_version: None,
            cwd: job.cwd.clone(),
            model: job.model.clone(),
            mode: job.mode.clone(),
            effort: job.effort.clone(),
            permission_mode: job.permission_mode,
            resumed: job.resume.is_some(),
            metadata: None,
        };
        player.course.say(Body::SessionStarted(started));
        player.record();
        player.step(Input::Opened);
        player
    }

    fn record(&mut self) {
        let native = self.native.clone();
        self.events.extend(self.course.said().map(|said| (said.body, said.synthetic, native.clone())));
    }

    fn step(&mut self, input: Input<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.dialect.step(input, &mut effects);
        for effect in effects.drain(..) {
            let note = self.course.apply(effect, 0);
            self.record();
            match note {
                None | Some(Note::Taken(_)) if note.is_none() => {}
                Some(Note::Say(line)) => {
                    if let Ok(message) = serde_json::from_str::<Value>(&line) {
                        // JSON-RPC, Claude Code's control protocol, or Pi's commands.
                        let method = message["method"]
                            .as_str()
                            .or(message["request"]["subtype"].as_str())
                            .or(message["type"].as_str());
                        let id = message.get("id").or(message.get("request_id"));
                        if let (Some(method), Some(id)) = (method, id) {
                            self.calls.entry(method.to_owned()).or_default().push_back(id.clone());
                        }
                    }
                    self.said.push(line);
                }
                Some(Note::Ask(ask)) => {
                    let what = format!("{} {}", ask.method.as_str(), ask.path);
                    self.said.push(format!("{what} {}", ask.body).trim_end().to_owned());
                    self.asks.entry(what).or_default().push_back(ask.tag);
                }
                Some(Note::Native(id)) => self.native = Some(id),
                Some(Note::Permit(permit)) => self.asked.push_back((permit.key, false)),
                Some(Note::Question(key)) => self.asked.push_back((key, true)),
                Some(Note::Unparsed { error, location }) => {
                    let raw_hash = "0".repeat(64);
                    self.course.say_for_agent(Body::AgentUnparsed(Unparsed { error, location, raw_hash }));
                    self.record();
                }
                Some(Note::Taken(order)) => {
                    if let Some(at) = self.steered.iter().position(|(id, _)| *id == order) {
                        let text = self.steered.remove(at).unwrap().1;
                        self.course.steered(item(&text));
                        self.record();
                    }
                }
                Some(Note::Refused(order, fault)) => {
                    if !self.steered.iter().any(|(id, _)| *id == order) {
                        self.course.cut_turn(Cut::Fault(fault));
                        self.course.end_turn(None, true, 0);
                        self.record();
                    }
                }
                // The owner of a recording stays.
                Some(Note::TurnOver(verdict)) => {
                    self.awaited |= self.course.awaits_report();
                    self.course.end_turn(Some(*verdict), true, 0);
                    self.record();
                }
                Some(Note::Wake(timer, _)) => self.timers.push(timer),
                Some(Note::End(fault)) => {
                    if let Some(fault) = fault {
                        self.course.cut_turn(Cut::Fault(fault));
                    }
                    self.course.end_turn(None, false, 0);
                    self.record();
                    self.over = true;
                }
                None => unreachable!(),
            }
        }
        self.effects = effects;
    }

    /// An answer of an agent that serves: the method and path of our call, the status, the body.
    fn replied(&mut self, answer: &str) {
        let mut words = answer.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let what = format!("{} {}", word(), word());
        let (status, body) = (word().parse().expect("an HTTP status"), word());
        // An answer to a call that we do not make is not ours to hear.
        let Some(tag) = self.asks.get_mut(&what).and_then(VecDeque::pop_front) else { return };
        self.step(Input::Reply { tag, status, body });
    }

    fn order(&mut self, order: Order) -> OrderId {
        self.orders += 1;
        let id = OrderId(self.orders);
        if let Order::Prompt(prompt) = &order
            && prompt.steer
        {
            self.steered.push_back((id, prompt.text.clone()));
        }
        self.step(Input::Order(id, &order));
        id
    }

    fn ordered(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let text = || serde_json::from_str::<String>(rest).expect("a JSON text");
        match word {
            // The engine gives one prompt at a time.
            "prompt" | "prompt-with-image" if self.spoilt && self.course.in_turn() => {}
            "steer" if self.spoilt && !self.course.in_turn() => {}
            "prompt" | "prompt-with-image" => {
                let text = text();
                let attachments = if word == "prompt" {
                    Vec::new()
                } else {
                    vec![Attachment { path: "/p.png".into(), mime: "image/png".into(), base64: "AAAA".into() }]
                };
                let cause = if text.starts_with("/compact") { Cause::Command } else { Cause::Prompt };
                self.course.prompt(item(&text), cause, 0);
                self.record();
                self.order(Order::Prompt(Prompt { text, attachments, steer: false }));
            }
            "steer" => {
                self.order(Order::Prompt(Prompt { text: text(), attachments: Vec::new(), steer: true }));
            }
            "cancel" => {
                self.course.cut_turn(Cut::Cancelled(130));
                self.order(Order::Cancel);
            }
            "accept" => self.decide(Decision::Accept { input: None }),
            "accept-for-session" => self.decide(Decision::AcceptForSession),
            "reject" => self.decide(Decision::Reject { message: None, stop: false }),
            "reject-and-stop" => self.decide(Decision::Reject { message: None, stop: true }),
            "answer" => {
                let answers: Vec<Vec<String>> = serde_json::from_str(rest).expect("answers as JSON");
                let Some((key, _)) = self.open_request() else { return };
                self.course.answer(key, &answers, ResolvedBy::User, None);
                self.record();
                self.order(Order::Answer(key, answers));
            }
            "refuse" => {
                let Some((key, _)) = self.open_request() else { return };
                self.course.refuse(key, ResolvedBy::User, None);
                self.record();
                self.order(Order::Refuse(key, None));
            }
            "model" => drop(self.order(Order::Set(Setting::Model(text())))),
            "mode" => drop(self.order(Order::Set(Setting::Mode(text())))),
            "effort" => drop(self.order(Order::Set(Setting::Effort(text())))),
            "wake" => {
                for timer in std::mem::take(&mut self.timers) {
                    self.step(Input::Woke(timer));
                }
            }
            other => panic!("an unknown order `{other}`"),
        }
    }

    fn decide(&mut self, decision: Decision) {
        let Some((key, is_question)) = self.open_request() else { return };
        if is_question && self.spoilt {
            return;
        }
        assert!(!is_question, "the oldest open request is a question");
        self.course.decide(key, &decision, ResolvedBy::User, By::default());
        self.record();
        self.order(Order::Decide(key, decision));
    }

    fn hear(&mut self, line: &str) {
        self.garbage += usize::from(!line.trim().is_empty() && serde_json::from_str::<IgnoredAny>(line).is_err());
        self.step(Input::Line(line));
    }

    /// The oldest request; only in a spoilt conversation there may be none.
    fn open_request(&mut self) -> Option<(RequestKey, bool)> {
        let asked = self.asked.pop_front();
        assert!(self.spoilt || asked.is_some(), "no request is open");
        asked.filter(|(key, _)| self.course.is_open(*key) || !self.spoilt)
    }

    fn closed(&mut self, agent: &str, word: &str) {
        // What was to be waited for has had its time.
        self.ordered("wake");
        let exit = Exit {
            code: word.parse().ok(),
            signal: word.strip_prefix("signal ").and_then(|s| s.parse().ok()),
            ..Exit::default()
        };
        self.step(Input::Closed(&exit));
        if self.course.in_turn() {
            self.course.cut_turn(Cut::Fault(Fault::new(ErrorCode::Crash, describe_exit(agent, &exit))));
            self.course.end_turn(None, false, 0);
        } else {
            self.course.close();
        }
        self.record();
        self.over = true;
    }
}

fn item(text: &str) -> PromptItem {
    PromptItem { content: vec![schema::item::ContentPart::Text { text: text.to_owned() }], ..PromptItem::default() }
}

fn job(line: &str) -> Job {
    let options: Value = serde_json::from_str(line).expect("the job as JSON");
    let word = |key: &str| options[key].as_str().map(str::to_owned);
    let mode = word("permission_mode").and_then(|mode| PermissionMode::parse(&mode));
    Job {
        session_id: "golden".into(),
        cwd: "/workspace".into(),
        model: word("model"),
        mode: word("mode"),
        effort: word("effort"),
        permission_mode: mode.unwrap_or(PermissionMode::Ask),
        must_ask: false,
        max_turns: None,
        resume: word("resume").map(|native_session_id| Resume {
            native_session_id,
            totals: options.get("totals").cloned(),
            fork: options["fork"] == true,
        }),
        secret: "secret".into(),
        api_key: None,
        mcp: Vec::new(),
        skills: Vec::new(),
        agent_args: Vec::new(),
        folder: "/files".into(),
        client_version: "0.0.0".into(),
    }
}

/// Plays a talk: the talk with what we say, and the lines of the events.
fn play(agent: &dyn Agent, name: &str, talk: &str) -> (String, String) {
    let Played { written, events, .. } = perform(agent, name, talk, false);
    (written, events)
}

/// A talk that was played.
struct Played {
    /// The talk with what we say.
    written: String,
    /// The lines of the events.
    events: String,
    /// A foreground run would have waited for a sub-agent.
    awaited: bool,
}

fn perform(agent: &dyn Agent, name: &str, talk: &str, spoilt: bool) -> Played {
    let mut lines = talk.lines().filter(|line| !line.starts_with("> "));
    let head = lines.next().expect("a talk begins with its job");
    let mut player = Player::new(agent, &job(head.strip_prefix("= ").expect("a talk begins with its job")), spoilt);
    let mut written = format!("{head}\n");
    let mut told = 0;
    let mut tell = |player: &Player, written: &mut String| {
        for line in &player.said[told..] {
            writeln!(written, "> {line}").unwrap();
        }
        told = player.said.len();
    };
    tell(&player, &mut written);
    for line in lines {
        writeln!(written, "{line}").unwrap();
        if player.over {
            continue;
        }
        match line.split_at(1) {
            ("<", "@lost") => player.step(Input::StreamLost),
            ("<", rest) if ["@GET ", "@POST ", "@PATCH "].iter().any(|call| rest.starts_with(call)) => {
                player.replied(&rest[1..]);
            }
            ("<", rest) if rest.starts_with('@') => {
                let (method, answer) = rest[1..].split_once(' ').expect("a method and its answer");
                // An answer to a call that we do not make is not ours to hear.
                let Some(id) = player.calls.get_mut(method).and_then(VecDeque::pop_front) else { continue };
                let Ok(mut answer) = serde_json::from_str::<Value>(answer) else {
                    assert!(spoilt, "{name}: an answer as JSON");
                    player.hear(answer);
                    continue;
                };
                match answer["type"] == "control_response" {
                    true => answer["response"]["request_id"] = id,
                    false => answer["id"] = id,
                }
                player.step(Input::Line(&answer.to_string()));
            }
            ("<", rest) => player.hear(rest.strip_prefix(' ').unwrap_or(rest)),
            ("!", rest) => player.ordered(rest.trim_start()),
            (".", rest) => player.closed(agent.card().title, rest.trim()),
            ("#", _) => {}
            _ => panic!("{name}: no line of a talk: {line}"),
        }
        tell(&player, &mut written);
    }
    if !player.over {
        player.closed(agent.card().title, "0");
        tell(&player, &mut written);
    }
    let mut bytes = Vec::new();
    let mut writer = LineWriter::default();
    let mut events = String::new();
    for (number, (body, synthetic, native)) in (1..).zip(&player.events) {
        let mut data = Vec::new();
        body.write_data(&mut data);
        let data = String::from_utf8(data).unwrap();
        writeln!(events, "{}{} {data}", if *synthetic { "*" } else { "" }, body.kind()).unwrap();
        writer.write(
            &mut bytes,
            &Envelope {
                epoch: "01a1fcc7143a76c7a667d1ce41837350",
                sequence: number,
                time: 1_795_222_586_018,
                session_id: "golden",
                native_session_id: native.as_deref(),
                synthetic: *synthetic,
                kind: body.kind(),
                data: &data,
                raw: matches!(body, Body::AgentUnparsed(_)).then_some("\"…\""),
                cursor: None,
            },
        );
        let allowed = spoilt || UNPARSED.iter().any(|word| name.contains(word));
        assert!(allowed || !matches!(body, Body::AgentUnparsed(_)), "{name}: {data}");
    }
    let values: Vec<Value> =
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    if let Err(mut violations) = checker::check(&values) {
        // An agent that talks nonsense may say of its own items and answers what it likes.
        let lost = |message: &str| message.starts_with("ok without") || message.ends_with("has no call");
        violations.retain(|violation| {
            !(spoilt && (["status", "content"].contains(&violation.rule) || lost(&violation.message)))
        });
        assert!(violations.is_empty(), "{name}: {violations:#?}\n{events}");
    }
    let unparsed = values.iter().filter(|event| event["type"] == "agent.unparsed").count();
    // (Amp says in plain words why it cannot begin, and its translator reads them.)
    let garbage = if name.starts_with("amp/") { 0 } else { player.garbage };
    assert!(unparsed >= garbage, "{name}: {} lines are no JSON, {unparsed} are told", player.garbage);
    Played { written, events, awaited: player.awaited }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../agents/fixtures")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what is expected")]
fn recorded_conversations_give_their_events() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failed = Vec::new();
    let mut played = 0;
    // What is said over the protocol is the same whatever the command.
    let acp = registry::find("acp:agent").unwrap();
    for agent in registry::ALL.iter().chain([&acp]) {
        let directory = fixtures().join(agent.card().name.split(':').next().unwrap());
        let mut talks: Vec<PathBuf> = std::fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "talk"))
            .collect();
        talks.sort();
        assert!(!talks.is_empty(), "{} has no fixtures", agent.card().name);
        for path in talks {
            let name = format!("{}/{}", agent.card().name, path.file_stem().unwrap().to_string_lossy());
            let talk = std::fs::read_to_string(&path).unwrap();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(*agent, &name, &talk)));
            let Ok((written, events)) = result else {
                failed.push(name);
                continue;
            };
            played += 1;
            let beside = path.with_extension("events");
            if update {
                std::fs::write(&path, &written).unwrap();
                std::fs::write(&beside, &events).unwrap();
                continue;
            }
            assert_eq!(written, talk, "{name}: what we say");
            let expected = std::fs::read_to_string(&beside).unwrap_or_default();
            for (number, (got, wanted)) in (1..).zip(events.lines().zip(expected.lines())) {
                assert_eq!(got, wanted, "{name}: event {number}");
            }
            assert_eq!(events.lines().count(), expected.lines().count(), "{name}: number of events");
        }
    }
    assert!(failed.is_empty(), "{} failed of {}: {failed:?}", failed.len(), played + failed.len());
}

/// The same conversation, cut off after any line, ends as a conversation too.
#[test]
fn a_conversation_may_break_off_anywhere() {
    let cases = [
        ("claude", ["bash-deny", "steer-mid-turn", "thinking", "multi-tool", "2.1.329-subagent-permission"]),
        ("codex", ["shell-deny", "steer", "reasoning", "patch-allow", "subagent-v1"]),
        (
            "pi",
            ["0.87.1-abort-tool", "0.87.1-question-answer", "0.87.1-rate-limit-once", "0.87.1-edit", "0.74.2-compact"],
        ),
    ];
    for (agent, names) in cases {
        for name in names {
            let talk = std::fs::read_to_string(fixtures().join(format!("{agent}/{name}.talk"))).unwrap();
            let lines: Vec<&str> = talk.lines().filter(|line| !line.starts_with("> ")).collect();
            for end in 1..lines.len() {
                play(registry::find(agent).unwrap(), name, &(lines[..end].join("\n") + "\n"));
            }
        }
    }
}

#[test]
fn a_wrong_event_is_seen() {
    let talk = std::fs::read_to_string(fixtures().join("codex/plain.talk")).unwrap();
    let twice = talk.replace("Hello fr", "Hallo fr");
    let agent = registry::find("codex").unwrap();
    assert_ne!(play(agent, "plain", &talk).1, play(agent, "plain", &twice).1);
}

/// Spoilt lines (cut off, doubled, exchanged, lost, oversized, of wrong types, of nobody) never panic, never break what the events
/// promise, and what is no message is told. An agent's conversations in turn: each twice, or for as many seconds of the processor as
/// `SANDBOX_AGENT_TEST_SECONDS` says.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "how long it takes is said by a variable; how much was tried is told"
)]
fn spoilt(agent: &str) {
    let seconds = std::env::var("SANDBOX_AGENT_TEST_SECONDS").ok().and_then(|text| text.parse::<f64>().ok());
    let paths = std::fs::read_dir(fixtures().join(agent)).unwrap().map(|entry| entry.unwrap().path());
    let mut talks: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|it| it == "talk")).collect();
    talks.sort();
    let speaks = registry::find(if agent == "acp" { "acp:an-agent" } else { agent }).unwrap();
    let began = processor_seconds();
    let (mut failed, mut tried) = (Vec::new(), 0);
    for round in 0u64.. {
        for path in &talks {
            let name = format!("{agent}/{}", path.file_stem().unwrap().to_string_lossy());
            let talk = std::fs::read_to_string(path).unwrap();
            let seed = name.bytes().fold(round + 1, |seed: u64, byte| seed.wrapping_mul(1_000_003) ^ u64::from(byte));
            let spoilt = Dice(seed | 1).spoil(&talk);
            let played = std::panic::AssertUnwindSafe(|| perform(speaks, &name, &spoilt, true));
            if std::panic::catch_unwind(played).is_err() {
                failed.push(format!("{name}, round {round}"));
            }
            tried += 1;
        }
        // Without a word about it the same is tried on every machine.
        if seconds.map_or(round == 1, |seconds| processor_seconds() - began >= seconds) {
            break;
        }
    }
    println!("{agent}: {tried} spoilt conversations in {:.1} s", processor_seconds() - began);
    assert!(failed.is_empty(), "{failed:?}");
}

/// What the spoilt conversations once brought to light.
enum Spoil {
    Lost,
    /// Heard as the last line.
    Late,
    /// Says this at this place.
    Says(&'static str, Value),
}

/// A conversation whose one line with these words is spoilt.
fn spoil(agent: &str, case: &str, words: &[&str], spoil: Spoil) -> Played {
    let talk = std::fs::read_to_string(fixtures().join(format!("{agent}/{case}.talk"))).unwrap();
    let mut lines: Vec<String> = talk.lines().map(str::to_owned).collect();
    let is_it = |line: &String| line.starts_with("< ") && words.iter().all(|word| line.contains(word));
    let at = lines.iter().position(is_it).expect("the line");
    let line = lines.remove(at);
    assert!(!lines.iter().any(is_it), "{agent}/{case}: there are two such lines");
    match spoil {
        Spoil::Lost => {}
        Spoil::Late => {
            let end = lines.iter().rposition(|line| line.starts_with("< ")).unwrap();
            lines.insert(end + 1, line);
        }
        Spoil::Says(place, says) => {
            let mut message: Value = serde_json::from_str(&line[2..]).unwrap();
            *message.pointer_mut(place).expect("the place") = says;
            lines.insert(at, format!("< {message}"));
        }
    }
    let speaks = registry::find(if agent == "acp" { "acp:an-agent" } else { agent }).unwrap();
    perform(speaks, &format!("{agent}/{case}"), &(lines.join("\n") + "\n"), true)
}

#[test]
fn a_sub_agent_that_runs_on_leaves_its_call_with_a_result() {
    let spawned = ["item/completed", "collabAgentToolCall"];
    for how in [Spoil::Lost, Spoil::Late] {
        let Played { events, awaited, .. } = spoil("codex", "subagent-v1", &spawned, how);
        let result = events.find("\"output\":\"\"}],\"status\":\"cancelled\"").expect("a result of ours");
        let over = events.find("turn.ended").unwrap();
        assert!(result < over && over < events.find("Inner work finished.").unwrap(), "{events}");
        assert!(awaited);
    }
    // OpenCode tells of no sub-agent after the turn: nobody is to wait for one.
    let Played { events, awaited, .. } = spoil("opencode", "subagent", &["\"task\"", "task_result"], Spoil::Lost);
    assert!(events.contains("\"status\":\"cancelled\"") && !awaited, "{events}");
}

#[test]
fn a_question_that_asks_nothing_is_refused() {
    let nothing = || serde_json::json!([]);
    let title = r#"{"sandbox_agent":1,"kind":"questions","toolCallId":"call_0002","questions":[]}"#;
    let cases = [
        (
            "claude",
            "2.1.329-ask-user",
            "can_use_tool",
            "/request/input/questions",
            nothing(),
            "the question asks nothing",
        ),
        ("codex", "ask-user-plan", "requestUserInput", "/params/questions", nothing(), "does not understand"),
        ("opencode", "question-custom", "question.asked", "/properties/questions", nothing(), "/reject"),
        ("pi", "0.87.1-question-answer", "extension_ui_request", "/title", title.into(), "\"cancelled\":true"),
        ("cursor", "extensions", "cursor/ask_question", "/params/questions", nothing(), "does not know"),
    ];
    for (agent, case, word, place, says, refusal) in cases {
        let Played { written, events, .. } = spoil(agent, case, &[word], Spoil::Says(place, says));
        assert!(written.lines().any(|line| line.starts_with("> ") && line.contains(refusal)), "{agent}: {written}");
        assert!(events.contains("agent.unparsed") && !events.contains("question.requested"), "{agent}: {events}");
    }
    // A form without fields asks only whether.
    let none = Spoil::Says("/params/requestedSchema/properties", serde_json::json!({}));
    let Played { events, .. } = spoil("acp", "claude-question", &["elicitation/create"], none);
    assert!(events.contains("\"prompt\":\"Which colour do you want?\",\"options\":[\"accept\"]"), "{events}");
}

/// What this thread has used of the processor.
fn processor_seconds() -> f64 {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    used.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

macro_rules! spoilt {
    ($($agent:ident),+) => {
        mod spoilt_conversations_keep_the_promises {
            $(#[test]
            fn $agent() {
                super::spoilt(stringify!($agent));
            })+
        }
    };
}

// (The mock's lines are effects, said by ourselves: what they promise is not its translator's affair.)
spoilt!(claude, codex, opencode, pi, amp, cursor, acp);

/// The same numbers for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    fn spoil(&mut self, talk: &str) -> String {
        let mut lines: Vec<String> = talk.lines().filter(|line| !line.starts_with("> ")).map(str::to_owned).collect();
        for _ in 0..1 + self.below(4) {
            let heard: Vec<usize> = (1..lines.len()).filter(|at| lines[*at].starts_with("< ")).collect();
            if heard.is_empty() {
                break;
            }
            let at = heard[self.below(heard.len())];
            let other = heard[self.below(heard.len())];
            match self.below(7) {
                0 => {
                    let mut end = 2 + self.below(lines[at].len() - 2);
                    while !lines[at].is_char_boundary(end) {
                        end -= 1;
                    }
                    lines[at].truncate(end);
                }
                1 => lines.insert(at, lines[at].clone()),
                // Nothing is said before what was ordered.
                2 if lines[at.min(other)..at.max(other)].iter().all(|line| line.starts_with("< ")) => {
                    lines.swap(at, other);
                }
                2 => {}
                3 => drop(lines.remove(at)),
                4 => lines.insert(
                    at,
                    ["< }", "< \u{fffd}\u{0}", "< 7", "< []", "< {\"type\":\"nobody\"}"][self.below(5)].to_owned(),
                ),
                wrong => {
                    let Ok(mut value) = serde_json::from_str::<Value>(&lines[at][2..]) else { continue };
                    let kinds = [
                        Value::Null,
                        7.into(),
                        "x".into(),
                        true.into(),
                        serde_json::json!([]),
                        serde_json::json!({}),
                        serde_json::json!([{}, "a"]),
                        (-1.5).into(),
                    ];
                    // A line as long as this is rare.
                    let put = match wrong {
                        5 if self.below(20) == 0 => "long ".repeat(400_000).into(),
                        _ => kinds[self.below(kinds.len())].clone(),
                    };
                    *self.within(&mut value) = put;
                    lines[at] = format!("< {value}");
                }
            }
        }
        lines.join("\n") + "\n"
    }

    /// Something somewhere in it.
    fn within<'a>(&mut self, value: &'a mut Value) -> &'a mut Value {
        let size = value.as_object().map(serde_json::Map::len).or(value.as_array().map(Vec::len)).unwrap_or(0);
        if size == 0 || self.below(5) == 0 {
            return value;
        }
        let at = self.below(size);
        if value.is_object() {
            let inside = value.as_object_mut().unwrap().values_mut().nth(at).unwrap();
            return self.within(inside);
        }
        self.within(&mut value.as_array_mut().unwrap()[at])
    }
}
