//! The mock's two halves against each other, without a process between them.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the effects that it is about")]

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use schema::event::{PermissionMode, Usage};
use schema::item::{ContentPart, ItemStatus};
use schema::outcome::ErrorCode;

use super::launch::Setup;
use super::player::{Player, Step};
use super::script::SCRIPTS;
use super::wire;
use crate::agent::{Agent, Job, Resume};
use crate::dialect::{
    Attachment, Decision, Dialect, Effect, Input, Order, OrderId, Prompt, RequestKey, Setting, Stop, Verdict,
};

/// A mock and its dialect; lines that were said by one and not heard by the other wait between them.
struct Rehearsal {
    player: Player,
    dialect: Box<dyn Dialect>,
    orders: u64,
    /// Everything that the dialect said, but for what it said to the mock.
    effects: Vec<Effect>,
    /// Steps that are no lines.
    others: Vec<Step>,
    lines: usize,
    /// All of it, as a fixture.
    talk: String,
}

impl Rehearsal {
    fn new(change: impl FnOnce(&mut Job)) -> Rehearsal {
        let mut job = Job {
            session_id: "s".to_owned(),
            cwd: "/work".to_owned(),
            model: None,
            mode: None,
            effort: None,
            permission_mode: PermissionMode::Ask,
            must_ask: false,
            max_turns: None,
            resume: None,
            secret: String::new(),
            api_key: None,
            mcp: Vec::new(),
            skills: Vec::new(),
            agent_args: Vec::new(),
            folder: "/files".to_owned(),
            client_version: "0".to_owned(),
        };
        change(&mut job);
        let setup = Setup::parse(&super::Mock.launch(&job).args[1..]).unwrap();
        let (player, dialect) = (Player::new(setup), super::Mock.dialect(&job));
        Rehearsal { player, dialect, orders: 0, effects: Vec::new(), others: Vec::new(), lines: 0, talk: String::new() }
    }

    /// Gives an order to the dialect, and what it says to the mock.
    fn order(&mut self, order: &Order) {
        self.orders += 1;
        self.input(Input::Order(OrderId(self.orders), order));
    }

    fn prompt(&mut self, text: &str, steer: bool) {
        self.order(&Order::Prompt(Prompt { text: text.to_owned(), attachments: Vec::new(), steer }));
    }

    fn input(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.dialect.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(line) => {
                    writeln!(self.talk, "> {line}").unwrap();
                    self.player.hear(serde_json::from_str(&line).unwrap());
                }
                effect => self.effects.push(effect),
            }
        }
    }

    /// One step of the mock. Returns whether there was one.
    fn step(&mut self) -> bool {
        let mut bytes = Vec::new();
        match self.player.step() {
            Step::Line(said) => wire::write(&mut bytes, &said),
            Step::Text(key, text) => wire::write(&mut bytes, &wire::Grown { key, text }),
            Step::Burst { key, numbers, bytes: length } => wire::write_burst(&mut bytes, key, numbers, length),
            Step::Bytes(said) => bytes = said,
            Step::Long { byte, count } => bytes = vec![byte; count],
            Step::Orphans { key, count } => {
                let text = (1..=count).map(|id| format!(" {id}")).collect();
                wire::write(&mut bytes, &wire::Grown { key, text });
            }
            Step::Variables { key, names } => {
                let text = names.iter().map(|name| format!("{name} is not set\n")).collect();
                wire::write(&mut bytes, &wire::Grown { key, text });
            }
            Step::Wait => return false,
            other => self.others.push(other),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in text.lines() {
            self.lines += 1;
            writeln!(self.talk, "< {line}").unwrap();
            self.input(Input::Line(line));
        }
        self.others.last().is_none_or(|step| !matches!(step, Step::Exit(_)))
    }

    /// Plays until it waits. What it asks is decided so.
    fn play(&mut self, decision: &Decision) {
        loop {
            let from = self.effects.len();
            let goes_on = self.step();
            let asked: Vec<Order> = self.effects[from..]
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Permit(permit) => Some(Order::Decide(permit.key, decision.clone())),
                    Effect::Question(asked) => {
                        let answers = asked.questions.iter().map(|question| vec![question.id.clone()]).collect();
                        Some(Order::Answer(asked.key, answers))
                    }
                    _ => None,
                })
                .collect();
            let answered = !asked.is_empty();
            asked.iter().for_each(|order| self.order(order));
            if !goes_on && !answered {
                return;
            }
        }
    }

    fn verdicts(&self) -> Vec<&Verdict> {
        let verdicts = self.effects.iter().filter_map(|effect| match effect {
            Effect::TurnEnded(verdict) => Some(&**verdict),
            _ => None,
        });
        verdicts.collect()
    }

    /// What grew since the last item of its kind began, all items in a row.
    fn text(&self) -> String {
        let texts = self.effects.iter().filter_map(|effect| match effect {
            Effect::Grow(_, text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    fn requests(&self) -> usize {
        let requests = self.effects.iter().filter(|effect| matches!(effect, Effect::Permit(_) | Effect::Question(_)));
        requests.count()
    }

    fn usage(&self, turn: usize) -> Usage {
        self.verdicts()[turn].usage.unwrap()
    }
}

/// A rehearsal of one prompt whose requests are accepted.
fn played(prompt: &str) -> Rehearsal {
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt(prompt, false);
    rehearsal.play(&ACCEPT);
    rehearsal
}

const ACCEPT: Decision = Decision::Accept { input: None };

/// One prompt for each script that is not played without end, and then some.
fn prompts() -> Vec<String> {
    let arguments = [("burst", "burst 600 20"), ("slow", "slow 3 5"), ("env", "env HOME"), ("garbage", "garbage 9")];
    let of = |(call, _): &(&str, &str)| {
        let word = call.split(' ').next().unwrap();
        arguments.iter().find(|(name, _)| *name == word).map_or(word, |(_, prompt)| prompt).to_owned()
    };
    let actions = ["command", "edit", "read", "search", "fetch", "mcp", "plan", "mode", "other"];
    SCRIPTS
        .iter()
        .map(of)
        .chain(actions.map(|action| format!("permission {action}")))
        .chain(["/compact", "tool 3", "error auth no login", "ratelimit 5 fail", "Say hello", ""].map(str::to_owned))
        .collect()
}

#[test]
fn every_script_keeps_the_protocol_and_its_turn() {
    for prompt in prompts() {
        let rehearsal = played(&prompt);
        let mut open = Vec::new();
        let (mut turn, mut keys, mut unparsed) = (true, HashSet::new(), 0);
        for effect in &rehearsal.effects {
            match effect {
                Effect::Start(start) => {
                    assert!(keys.insert(start.key), "{prompt}: {:?} is used twice", start.key);
                    open.push(start.key);
                }
                Effect::Grow(key, _) => assert!(open.contains(key), "{prompt}: {key:?} grows and is not open"),
                Effect::Finish(finish) => {
                    let at = open.iter().position(|key| *key == finish.key);
                    open.remove(at.unwrap_or_else(|| panic!("{prompt}: {finish:?} was not open")));
                    assert_ne!(finish.status, ItemStatus::InProgress);
                }
                Effect::TurnBegan(_) => assert!(!std::mem::replace(&mut turn, true), "{prompt}: a turn in a turn"),
                Effect::TurnEnded(_) => assert!(std::mem::take(&mut turn), "{prompt}: ends twice"),
                Effect::Unparsed { .. } => unparsed += 1,
                _ => {}
            }
        }
        let word = prompt.split(' ').next().unwrap();
        let endless = matches!(word, "hang" | "deaf" | "crash");
        assert_eq!(turn, endless, "{prompt}: the turn is open");
        assert_eq!(open.is_empty(), !endless, "{prompt}: {open:?} is open");
        let garbage = match word {
            "unparsed" | "badutf8" => 1,
            // Those that are not blank.
            "garbage" => 10,
            _ => 0,
        };
        assert_eq!(unparsed, garbage, "{prompt}");
        assert_eq!(played(&prompt).effects, rehearsal.effects, "{prompt} is the same each time");
    }
}

#[test]
fn it_fails_as_it_was_told() {
    let code = |prompt: &str| match &played(prompt).verdicts().last().unwrap().stop {
        Stop::Failed(fault) => Some(fault.code),
        Stop::Done | Stop::Interrupted => None,
    };
    for known in ErrorCode::ALL {
        // A client's own errors and what only we can know are not an agent's to say.
        let possible = matches!(known.exit_code(), 1 | 4 | 7 | 75);
        let expected = if possible { *known } else { ErrorCode::BadRequest };
        assert_eq!(code(&format!("error {} because", known.as_str())), Some(expected));
    }
    assert_eq!(code("error nonsense"), Some(ErrorCode::BadRequest));
    assert_eq!(code("burst many"), Some(ErrorCode::BadRequest));
    assert_eq!(code("crash 256"), Some(ErrorCode::BadRequest));
    assert_eq!(code("refuse"), Some(ErrorCode::Refusal));
    assert_eq!(code("ratelimit 5 fail"), Some(ErrorCode::RateLimit));
    assert_eq!(code("ratelimit"), None);
    let mut rehearsal = Rehearsal::new(|job| job.model = Some("missing".to_owned()));
    rehearsal.prompt("hello", false);
    rehearsal.play(&ACCEPT);
    let Stop::Failed(fault) = &rehearsal.verdicts()[0].stop else { panic!("it knows every model") };
    assert_eq!(fault.code, ErrorCode::ModelNotFound);
}

#[test]
fn usage_is_that_of_the_turn_also_after_a_resume() {
    let mut first = Rehearsal::new(|_| {});
    for prompt in ["usage", "hello", "tool"] {
        first.prompt(prompt, false);
        first.play(&ACCEPT);
    }
    let alone = [played("usage").usage(0), played("hello").usage(0), played("tool").usage(0)];
    // What was cached in an earlier turn is known to be nothing in this one.
    let known = |usage: Usage| Usage {
        cached_input_tokens: Some(0),
        cache_write_tokens: Some(0),
        reasoning_tokens: Some(0),
        ..usage
    };
    assert_eq!([first.usage(0), first.usage(1), first.usage(2)], [alone[0], known(alone[1]), known(alone[2])]);
    assert_eq!(alone[0].cached_input_tokens, Some(60));
    let price = first.verdicts()[1].cost.unwrap().usd * 1e6;
    assert_eq!(price.round() as u64, alone[1].input_tokens + 5 * alone[1].output_tokens);

    let totals = first.verdicts()[2].totals.clone();
    let spent: u64 = alone.iter().map(|usage| usage.total_tokens).sum();
    for (fork, expected) in [(false, "mock-old, resumed"), (true, "mock-s, copied from mock-old")] {
        let native_session_id = "mock-old".to_owned();
        let totals = totals.clone();
        let mut next = Rehearsal::new(|job| job.resume = Some(Resume { native_session_id, totals, fork }));
        next.prompt("history", false);
        next.play(&ACCEPT);
        let expected = format!("prompt 1 of this process; conversation {expected}, {spent} tokens before;");
        assert!(next.text().contains(&expected), "{}", next.text());
        assert_eq!(next.usage(0).output_tokens, next.text().len().div_ceil(4) as u64);
    }
}

#[test]
fn what_was_granted_for_the_session_is_not_asked_again() {
    let mut rehearsal = Rehearsal::new(|_| {});
    for (prompt, decision, requests) in [
        ("permission rm a", ACCEPT, 1),
        ("permission rm a", Decision::AcceptForSession, 2),
        ("permission rm a", Decision::Reject { message: None, stop: false }, 2),
        ("permission rm b", Decision::Reject { message: Some("no".to_owned()), stop: true }, 3),
    ] {
        rehearsal.prompt(prompt, false);
        rehearsal.play(&decision);
        assert_eq!(rehearsal.requests(), requests, "{prompt}, {decision:?}");
    }
    assert_eq!(rehearsal.verdicts()[3].stop, Stop::Interrupted);
    assert!(rehearsal.text().ends_with("denied: no\n"));
}

#[test]
fn an_edited_input_is_what_runs() {
    let input = Some(serde_json::json!({ "command": "ls" }));
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt("permission rm a", false);
    rehearsal.play(&Decision::Accept { input });
    assert!(rehearsal.text().ends_with("mock: done: shell ls (edited)"), "{}", rehearsal.text());
}

#[test]
fn a_request_that_was_withdrawn_is_answered_no_more() {
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt("withdraw", false);
    while rehearsal.step() {}
    assert!(rehearsal.effects.contains(&Effect::Withdrawn(RequestKey(1))));
    let said = rehearsal.effects.len();
    rehearsal.order(&Order::Decide(RequestKey(1), ACCEPT));
    assert!(!rehearsal.step());
    assert_eq!(rehearsal.effects.len(), said);
    // Decided in time, it is not withdrawn.
    assert!(!played("withdraw").effects.contains(&Effect::Withdrawn(RequestKey(1))));
}

#[test]
fn a_request_of_a_cancelled_turn_is_answered_no_more() {
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt("question", false);
    while rehearsal.step() {}
    rehearsal.order(&Order::Cancel);
    rehearsal.order(&Order::Answer(RequestKey(1), vec![vec!["Red".to_owned()]]));
    while rehearsal.step() {}
    assert_eq!(rehearsal.text(), "");
}

#[test]
fn a_pause_is_over_where_what_was_told_changes_what_follows() {
    let mut player = Player::new(Setup::default());
    let prompt = |text: &str, steer| wire::Told::Prompt { order: 1, text: text.to_owned(), images: 0, files: 0, steer };
    assert!(player.hear(prompt("withdraw", false)));
    while !matches!(player.step(), Step::Pause(_)) {}
    let set = wire::Told::Set { order: 2, what: wire::What::Model, value: "m".to_owned() };
    let decide =
        |key| wire::Told::Decide { key, decision: wire::Word::Reject, input: None, message: None, stop: false };
    assert!(!player.hear(set));
    assert!(!player.hear(decide(9)), "nobody asked that");
    assert!(player.hear(decide(1)));
    assert!(player.hear(prompt("go on", true)));
    assert!(player.hear(wire::Told::Cancel));
}

#[test]
fn a_turn_takes_no_more_model_requests_than_allowed() {
    for (most, fails) in [(1, true), (2, false)] {
        let mut rehearsal = Rehearsal::new(|job| job.max_turns = Some(most));
        rehearsal.prompt("tool", false);
        rehearsal.play(&ACCEPT);
        let stop = &rehearsal.verdicts()[0].stop;
        let failed = matches!(stop, Stop::Failed(fault) if fault.code == ErrorCode::MaxTurns);
        assert_eq!(failed, fails, "{most}: {stop:?}");
    }
}

#[test]
fn settings_hold_or_are_refused() {
    let mut rehearsal = Rehearsal::new(|_| {});
    let word = str::to_owned;
    for setting in [Setting::Model(word("m")), Setting::Mode(word("plan")), Setting::Effort(word("low"))] {
        rehearsal.order(&Order::Set(setting));
    }
    for setting in [Setting::Model(word("missing")), Setting::Mode(word("x")), Setting::Effort(word("y"))] {
        rehearsal.order(&Order::Set(setting));
    }
    rehearsal.prompt("history", false);
    rehearsal.play(&ACCEPT);
    let taken = rehearsal.effects.iter().filter(|effect| matches!(effect, Effect::Taken(_))).count();
    let refused = rehearsal.effects.iter().filter(|effect| matches!(effect, Effect::Refused(..))).count();
    assert_eq!((taken, refused), (4, 3));
    assert!(rehearsal.text().ends_with("model m, mode plan, effort low"), "{}", rehearsal.text());
    assert_eq!(rehearsal.verdicts()[0].models.as_ref().unwrap()[0].model, "m");
}

#[test]
fn a_prompt_that_meets_a_background_turn_on_its_way_keeps_its_own() {
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt("subagent", false);
    while rehearsal.verdicts().is_empty() {
        assert!(rehearsal.step());
    }
    // The dialect sends the prompt; the mock, before it reads it, begins its background turn.
    let mut sent = Vec::new();
    let order = Order::Prompt(Prompt { text: "hello".to_owned(), ..Prompt::default() });
    rehearsal.dialect.step(Input::Order(OrderId(9), &order), &mut sent);
    while !rehearsal.text().contains("reports") {
        assert!(rehearsal.step());
    }
    let [Effect::Say(line)] = sent.as_slice() else { panic!("{sent:?}") };
    rehearsal.player.hear(serde_json::from_str(line).unwrap());
    rehearsal.play(&ACCEPT);
    assert!(!rehearsal.effects.iter().any(|effect| matches!(effect, Effect::TurnBegan(_))));
    assert_eq!(rehearsal.verdicts().len(), 2);
    let end = |wanted: &Effect| rehearsal.effects.iter().rposition(|effect| effect == wanted);
    let last = rehearsal.effects.iter().rposition(|effect| matches!(effect, Effect::TurnEnded(_)));
    assert!(end(&Effect::Taken(OrderId(9))) < last);
    // The tokens of the joined turn are counted in the prompt's.
    assert!(rehearsal.usage(1).output_tokens > played("hello").usage(0).output_tokens);
}

#[test]
fn a_prompt_between_a_turn_and_its_report_comes_first() {
    let mut rehearsal = Rehearsal::new(|_| {});
    rehearsal.prompt("subagent", false);
    while rehearsal.verdicts().is_empty() {
        assert!(rehearsal.step());
    }
    rehearsal.prompt("hello", false);
    rehearsal.play(&ACCEPT);
    assert_eq!(rehearsal.verdicts().len(), 3);
    assert!(rehearsal.text().find("mock: hello").unwrap() < rehearsal.text().find("reports").unwrap());
}

#[test]
fn what_the_mock_attaches_to_its_text_is_what_was_attached() {
    let mut rehearsal = Rehearsal::new(|_| {});
    let file = |mime: &str| crate::dialect::Attachment {
        path: "/work/a".to_owned(),
        mime: mime.to_owned(),
        base64: String::new(),
    };
    let attachments = vec![file("image/png"), file("text/plain"), file("image/jpeg")];
    for text in ["look", "tool 3"] {
        rehearsal.order(&Order::Prompt(Prompt {
            text: text.to_owned(),
            attachments: attachments.clone(),
            steer: false,
        }));
        rehearsal.play(&ACCEPT);
    }
    assert!(rehearsal.text().starts_with("mock: look [2 images, 1 files]"), "{}", rehearsal.text());
    assert!(rehearsal.text().ends_with("mock: the command ended with 3"), "{}", rehearsal.text());
}

#[test]
fn diffs_are_gits() {
    let diffs: Vec<String> = played("file a/b.txt")
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Finish(finish) => finish.content.clone(),
            _ => None,
        })
        .flatten()
        .filter_map(|part| match part {
            ContentPart::FileRef { path, diff, .. } => diff.inspect(|_| assert_eq!(path, "/work/a/b.txt")),
            _ => None,
        })
        .collect();
    let expected = "diff --git a/a/b.txt b/a/b.txt\nnew file mode 100644\n--- /dev/null\n+++ b/a/b.txt\n@@ -0,0 +1 @@\n+written by mock\n";
    assert_eq!(diffs, [expected]);
}

/// Conversations: a name, the job, and the orders as a fixture has them. An order is given when the mock waits, or, where a
/// number stands before it, once so many lines were heard. An end (`.`) stands where the mock does not end by itself.
const TALKS: &[(&str, &str, &[&str])] = &[
    ("echo", "{}", &[r#"prompt "echo hello, how are you today?""#, r#"prompt "Say \"hello\"""#, r#"prompt """#]),
    ("attachments", "{}", &[r#"prompt-with-image "look at this""#]),
    ("markdown", "{}", &[r#"prompt "markdown""#]),
    ("revise", "{}", &[r#"prompt "revise""#]),
    ("reasoning", "{}", &[r#"prompt "reasoning""#]),
    ("plan", r#"{"mode":"plan"}"#, &[r#"prompt "plan""#]),
    ("tool", "{}", &[r#"prompt "tool""#, r#"prompt "tool 3""#]),
    ("file", "{}", &[r#"prompt "file src/a.txt""#]),
    ("status", r#"{"model":"mock-2"}"#, &[r#"prompt "status""#]),
    ("image", "{}", &[r#"prompt "image""#]),
    ("unknown", "{}", &[r#"prompt "unknown""#]),
    ("permission", "{}", &[r#"prompt "permission""#, "accept", r#"prompt "permission ls -l""#, "reject"]),
    (
        "permission-actions",
        "{}",
        &[
            r#"prompt "permission edit src/a.txt""#,
            "accept",
            r#"prompt "permission read /etc/hosts""#,
            "accept",
            r#"prompt "permission search fn main""#,
            "accept",
            r#"prompt "permission fetch https://example.org/""#,
            "accept",
            r#"prompt "permission mcp docs/find the word""#,
            "accept",
            r#"prompt "permission plan""#,
            "accept",
            r#"prompt "permission mode default""#,
            "accept",
            r#"prompt "permission other""#,
            "reject",
        ],
    ),
    ("permission-for-session", "{}", &[r#"prompt "permission""#, "accept-for-session", r#"prompt "permission""#]),
    ("permission-stop", "{}", &[r#"prompt "permission""#, "reject-and-stop", r#"prompt "hello""#]),
    ("permission-cancel", "{}", &[r#"prompt "permission""#, "cancel"]),
    ("permissions", "{}", &[r#"prompt "permissions""#, "accept", "reject"]),
    ("withdraw", "{}", &[r#"prompt "withdraw""#]),
    ("question", "{}", &[r#"prompt "question""#, r#"answer [["Red"]]"#, r#"prompt "question""#, "refuse"]),
    ("questions", "{}", &[r#"prompt "questions""#, r#"answer [["green"],["build","lint"],["hunter2"]]"#]),
    ("usage", "{}", &[r#"prompt "usage""#, r#"prompt "hello""#]),
    ("subagent", "{}", &[r#"prompt "subagent""#]),
    ("subagent-cancel", "{}", &[r#"prompt "subagent""#, r#"22 prompt "slow 5 10""#, "26 cancel"]),
    ("background", "{}", &[r#"prompt "background""#]),
    ("history", r#"{"effort":"low"}"#, &[r#"prompt "hello""#, r#"prompt "history""#]),
    (
        "resume",
        r#"{"resume":"mock-old","totals":{"usage":{"input_tokens":5,"output_tokens":7,"total_tokens":12},"micros":40}}"#,
        &[r#"prompt "history""#],
    ),
    ("fork", r#"{"resume":"mock-old","fork":true}"#, &[r#"prompt "history""#]),
    ("env", "{}", &[r#"prompt "env FIRST SECOND""#]),
    ("unparsed", "{}", &[r#"prompt "unparsed""#]),
    ("error", "{}", &[r#"prompt "error""#, r#"prompt "error auth no login here""#, r#"prompt "burst many""#]),
    ("model-missing", r#"{"model":"missing"}"#, &[r#"prompt "hello""#]),
    ("refuse", "{}", &[r#"prompt "refuse""#]),
    ("ratelimit", "{}", &[r#"prompt "ratelimit 200""#, r#"prompt "ratelimit 200 fail""#]),
    ("silent", "{}", &[r#"prompt "silent""#]),
    ("end", "{}", &[r#"prompt "end""#]),
    ("burst", "{}", &[r#"prompt "burst 3 20""#]),
    ("slow-steer", "{}", &[r#"prompt "slow 3 10""#, r#"5 steer "go on""#, r#"steer "too late""#]),
    ("hang-cancel", "{}", &[r#"prompt "hang""#, r#"steer "wake up""#, "cancel", r#"prompt "hello""#]),
    ("deaf", "{}", &[r#"prompt "deaf""#, "cancel", ". signal 9"]),
    ("crash", "{}", &[r#"prompt "crash 7""#]),
    ("stderr", "{}", &[r#"prompt "stderr""#]),
    ("garbage", "{}", &[r#"prompt "garbage 100""#]),
    ("badutf8", "{}", &[r#"prompt "badutf8""#]),
    ("orphan", "{}", &[r#"prompt "orphan""#]),
    ("demo", "{}", &[r#"prompt "demo""#, "accept", r#"answer [["Blue"]]"#]),
    ("help", "{}", &[r#"prompt "help""#]),
    ("compact", "{}", &[r#"prompt "/compact""#, r#"prompt "hello""#]),
];

/// Plays one of them.
fn talk(options: &str, orders: &[&str]) -> String {
    let job: serde_json::Value = serde_json::from_str(options).unwrap();
    let word = |key: &str| job[key].as_str().map(str::to_owned);
    let mut rehearsal = Rehearsal::new(|to| {
        to.session_id = "golden".to_owned();
        to.cwd = "/workspace".to_owned();
        (to.model, to.mode, to.effort) = (word("model"), word("mode"), word("effort"));
        to.resume = word("resume").map(|native_session_id| Resume {
            native_session_id,
            totals: job.get("totals").cloned(),
            fork: job["fork"] == true,
        });
    });
    rehearsal.talk = format!("= {options}\n");
    let mut asked = VecDeque::new();
    for line in orders {
        let after = line.split_once(' ').and_then(|(after, line)| Some((after.parse().ok()?, line)));
        let (after, line) = after.unwrap_or((usize::MAX, line));
        let from = rehearsal.effects.len();
        while rehearsal.lines < after && rehearsal.step() {}
        asked.extend(rehearsal.effects[from..].iter().filter_map(|effect| match effect {
            Effect::Permit(permit) => Some(permit.key),
            Effect::Question(asked) => Some(asked.key),
            _ => None,
        }));
        if line.starts_with('.') {
            writeln!(rehearsal.talk, "{line}").unwrap();
            return rehearsal.talk;
        }
        writeln!(rehearsal.talk, "! {line}").unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut decide = |decision| Order::Decide(asked.pop_front().unwrap(), decision);
        let order = match word {
            "prompt" | "steer" | "prompt-with-image" => {
                let file = Attachment { path: "/p.png".into(), mime: "image/png".into(), base64: "AAAA".into() };
                let attachments = if word == "prompt-with-image" { vec![file] } else { Vec::new() };
                let text = serde_json::from_str(rest).unwrap();
                Order::Prompt(Prompt { text, attachments, steer: word == "steer" })
            }
            "accept" => decide(ACCEPT),
            "accept-for-session" => decide(Decision::AcceptForSession),
            "reject" => decide(Decision::Reject { message: None, stop: false }),
            "reject-and-stop" => decide(Decision::Reject { message: None, stop: true }),
            "answer" => Order::Answer(asked.pop_front().unwrap(), serde_json::from_str(rest).unwrap()),
            "refuse" => Order::Refuse(asked.pop_front().unwrap(), None),
            "cancel" => Order::Cancel,
            other => panic!("{other} is no order"),
        };
        rehearsal.order(&order);
    }
    while rehearsal.step() {}
    let code = rehearsal.others.iter().find_map(|step| match step {
        Step::Exit(code) => Some(*code),
        _ => None,
    });
    writeln!(rehearsal.talk, ". {}", code.unwrap_or(0)).unwrap();
    rehearsal.talk
}

#[test]
#[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what is expected")]
fn the_fixtures_are_what_the_mock_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/mock");
    for (name, options, orders) in TALKS {
        let path = directory.join(name).with_extension("talk");
        let said = talk(options, orders);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, said).unwrap();
        } else {
            assert_eq!(said, std::fs::read_to_string(&path).unwrap(), "{name}: UPDATE=1 rewrites it");
        }
    }
    let prompts: String = TALKS.iter().flat_map(|(_, _, orders)| *orders).copied().collect();
    for (call, _) in SCRIPTS {
        let word = call.split(' ').next().unwrap();
        assert!(prompts.contains(&format!("prompt \"{word}")), "{word} has no fixture");
    }
    let talks = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(talks.filter(|name| name.to_string_lossy().ends_with(".talk")).count(), TALKS.len());
}

proptest! {
    /// A cancel at any line ends the turn once, and the next prompt is answered as ever; but for the deaf.
    #[test]
    fn a_cancel_is_obeyed_everywhere(number in 0..prompts().len(), lines in 0usize..40) {
        let prompt = prompts().swap_remove(number);
        let mut rehearsal = Rehearsal::new(|_| {});
        rehearsal.prompt(&prompt, false);
        while rehearsal.lines < lines && rehearsal.step() {}
        let left = rehearsal.others.iter().any(|step| matches!(step, Step::Exit(_)));
        let deaf = rehearsal.others.contains(&Step::Deafen);
        // Taken is the second line: before that the turn has not begun.
        prop_assume!(!left && !deaf && rehearsal.lines > 1);
        let running = rehearsal.effects.iter().fold(true, |running, effect| match effect {
            Effect::TurnBegan(_) => true,
            Effect::TurnEnded(_) => false,
            _ => running,
        });
        let before = rehearsal.verdicts().len();
        rehearsal.order(&Order::Cancel);
        rehearsal.play(&ACCEPT);
        let ended: Vec<_> = rehearsal.verdicts()[before..].iter().map(|verdict| verdict.stop.clone()).collect();
        if running {
            prop_assert_eq!(ended, [Stop::Interrupted]);
        } else {
            prop_assert!(ended.len() <= 1);
        }
        let before = rehearsal.verdicts().len();
        rehearsal.prompt("hello", false);
        rehearsal.play(&ACCEPT);
        prop_assert_eq!(rehearsal.verdicts().len(), before + 1);
        prop_assert!(rehearsal.text().ends_with("mock: hello"));
    }

    /// No line is lost, whatever it is.
    #[test]
    fn every_line_has_an_effect(line in "\\PC{0,80}|\\{\"(type|d)\":\\PC{0,40}") {
        let mut rehearsal = Rehearsal::new(|_| {});
        rehearsal.input(Input::Line(&line));
        prop_assert_eq!(rehearsal.effects.is_empty(), line.trim().is_empty());
    }

    /// Nor is a part of a line, or one with something in it.
    #[test]
    fn every_broken_line_has_an_effect(number in 0..prompts().len(), at in any::<prop::sample::Index>(), with in "[\\PC\"\\\\{}:,]{0,3}") {
        let mut player = Player::new(Setup::default());
        let text = prompts().swap_remove(number);
        player.hear(wire::Told::Prompt { order: 1, text, images: 0, files: 0, steer: false });
        let mut lines = Vec::new();
        for _ in 0..50 {
            if let Step::Line(said) = player.step() {
                wire::write(&mut lines, &said);
            }
        }
        let lines = String::from_utf8(lines).unwrap();
        let mut rehearsal = Rehearsal::new(|_| {});
        let mut written = 0;
        for line in lines.lines() {
            let cut = (0..=at.index(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap();
            for broken in [format!("{}{with}", &line[..cut]), format!("{}{with}{}", &line[..cut], &line[cut..])] {
                let before = rehearsal.effects.len();
                rehearsal.input(Input::Line(&broken));
                written += usize::from(!broken.trim().is_empty());
                prop_assert!(rehearsal.effects.len() > before || broken.trim().is_empty(), "{}", broken);
            }
        }
        prop_assert!(rehearsal.effects.len() >= written);
    }
}
