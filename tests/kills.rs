//! Owners and guards that are killed at any moment: nothing is lost, nothing comes twice, nothing stays alive.
//!
//! `SANDBOX_AGENT_TEST_ROUNDS=200 cargo nextest run --test cli kills` is the long run.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::checker;
use crate::env::{TestEnv, wait_until};
use crate::events::judged_whole;

/// How often each test kills.
fn rounds() -> u32 {
    std::env::var("SANDBOX_AGENT_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12)
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

const SCRIPTS: [&str; 7] = ["slow 200 1", "burst 3000 50", "tool", "file", "permission", "subagent", "slow 40 5"];

/// The guard of an owner.
fn guard_of(owner: i32) -> Option<Pid> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let parent: i32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (parent == owner && name.ends_with("(sa-guard")).then(|| Pid::from_raw(pid))
    })
}

/// What must hold of a session whose owner was killed. `printed`: what its stdout got, perhaps with a torn last line.
fn after_the_kill(env: &TestEnv, session: &str, printed: &str, context: &str) {
    let shown = env.run(&["sessions", "show", session]);
    if shown.code() == 3 {
        assert!(printed.is_empty(), "{context}: printed, and no session is stored: {printed}");
        return;
    }
    let row = shown.expect(0).object();
    let stream = env.run(&["stream", session]).expect(0);
    let stored: Vec<&str> = stream.text().split_inclusive('\n').collect();
    let printed: Vec<&str> = printed.split_inclusive('\n').collect();
    assert!(printed.len() <= stored.len(), "{context}: more is printed than stored");
    for (number, (line, kept)) in printed.iter().zip(&stored).enumerate() {
        let torn = number + 1 == printed.len() && !line.ends_with('\n') && kept.starts_with(line);
        assert!(line == kept || torn, "{context}: line {number} was printed as\n{line}and is stored as\n{kept}");
    }
    let events: Vec<Value> = stored.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    if let Err(violations) = checker::check(&events) {
        panic!("{context}: {violations:#?}\n{}", stream.text());
    }
    assert!(matches!(row["status"].as_str(), Some("idle" | "ended")), "{context}: {row}");
    let ends: Vec<&Value> = events.iter().filter(|event| event["type"] == "turn.ended").collect();
    if let Some(end) = ends.last() {
        assert_eq!(end["data"]["exit_code"], row["exit_code"], "{context}");
        if end["synthetic"] == true && end["data"]["stop_reason"] == "killed" {
            assert_eq!(end["data"]["exit_code"], 137, "{context}");
        }
    }
    assert_eq!(env.run(&["stream", session]).expect(0).text(), stream.text(), "{context}: a second look differs");
    env.wait_until_none_is_alive();
}

#[test]
fn an_owner_killed_at_each_step_of_an_events_walk() {
    let env = TestEnv::new();
    let mut dice = Dice(1);
    let mut killed = 0;
    for round in 0..rounds() {
        let step = ["append", "appended", "shown", "said"][round as usize % 4];
        // Most scripts are told one thing only, their prompt.
        let count = if step == "said" { 1 } else { 1 + dice.below(3) };
        let script = dice.one_of(&SCRIPTS);
        let session = format!("step-{round}");
        let context = format!("round {round}: {script}, killed at {step}:{count}");
        let output = env
            .command(&["run", "--agent", "mock", "--session", &session, script])
            .var("SANDBOX_AGENT_TEST_KILL", format!("{step}:{count}"))
            .run();
        killed += u32::from(output.signal() == Some(Signal::SIGKILL));
        after_the_kill(&env, &session, output.text(), &context);
        // The session goes on, and its numbers with it.
        if round % 4 == 0 && env.run(&["sessions", "show", &session]).code() == 0 {
            env.run(&["run", "--session", &session, "again"]).expect(0);
            judged_whole(&env, &session);
        }
    }
    // Some conversations are over before the step is reached so often.
    assert!(killed * 4 > rounds(), "only {killed} of {} were killed", rounds());
}

#[test]
fn owner_guard_or_both_killed_at_any_moment() {
    let env = TestEnv::new();
    let mut dice = Dice(2);
    for round in 0..rounds() {
        let script = dice.one_of(&SCRIPTS);
        let session = format!("any-{round}");
        let (owner, guard) = [(true, false), (true, true), (false, true)][round as usize % 3];
        let context = format!("round {round}: {script}, owner killed: {owner}, guard killed: {guard}");
        let running = env.command(&["run", "--agent", "mock", "--session", &session, script]).spawn();
        // Somewhere in its first 80 ms: no event is waited for, any moment may be the worst one.
        std::thread::sleep(std::time::Duration::from_micros(dice.below(80_000)));
        let below = guard_of(running.pid());
        if let Some(below) = below.filter(|_| guard) {
            // It may have ended by itself just now.
            let _ = kill(below, Signal::SIGKILL);
        }
        if owner {
            running.signal(Signal::SIGKILL);
        }
        let output = running.wait();
        after_the_kill(&env, &session, output.text(), &context);
    }
}

#[test]
fn what_owner_and_guard_left_is_found_and_ended() {
    let env = TestEnv::new();
    for round in 0..rounds().min(5) {
        let session = format!("left-{round}");
        let mut running = env.command(&["run", "--agent", "mock", "--session", &session, "orphan 3"]).spawn();
        running.wait_for("the descendants", |event| event["type"] == "item.delta");
        let guard = guard_of(running.pid());
        if let Some(guard) = guard {
            let _ = kill(guard, Signal::SIGKILL);
        }
        running.signal(Signal::SIGKILL);
        let output = running.wait();
        after_the_kill(&env, &session, output.text(), &session);
    }
}

#[test]
fn a_follower_sees_the_end_of_a_killed_owner() {
    let env = TestEnv::new();
    let mut running = env.command(&["run", "--agent", "mock", "--session", "s", "hang"]).spawn();
    running.wait_for("the turn", |event| event["type"] == "item.delta");
    let follower = env.command(&["stream", "s", "--follow", "--exit-status"]).spawn();
    wait_until("the follower", || (!follower.lines().is_empty()).then_some(()));
    running.signal(Signal::SIGKILL);
    let killed = std::time::Instant::now();
    let output = follower.wait();
    assert!(killed.elapsed() < std::time::Duration::from_secs(3), "{:?}", killed.elapsed());
    assert_eq!(output.code(), 137, "{}", output.stderr);
    let lines = output.lines();
    assert_eq!(lines.last().unwrap()["data"]["stop_reason"], "killed");
    drop(running.wait());
    judged_whole(&env, "s");
}

#[test]
fn two_owners_at_once() {
    let env = TestEnv::new();
    for round in 0..rounds() {
        let session = format!("two-{round}");
        let one = env.command(&["run", "--agent", "mock", "--session", &session, "slow 30 5"]).spawn();
        let two = env.command(&["run", "--agent", "mock", "--session", &session, "slow 30 5"]).spawn();
        let outputs = [one.wait(), two.wait()];
        let mut codes = [outputs[0].code(), outputs[1].code()];
        codes.sort_unstable();
        assert_eq!(codes, [0, 8], "{}\n{}", outputs[0].stderr, outputs[1].stderr);
        let busy = outputs.iter().find(|output| output.code() == 8).unwrap();
        assert_eq!(busy.object()["code"], "busy");
        judged_whole(&env, &session);
    }
}

#[test]
fn twenty_runs_into_one_store() {
    let env = TestEnv::new();
    let runs: Vec<_> = (0..20)
        .map(|number| {
            env.command(&["run", "--agent", "mock", "--session", &format!("r{number}"), "burst 500 100"]).spawn()
        })
        .collect();
    let mut printed = 0;
    for (number, run) in runs.into_iter().enumerate() {
        let output = run.wait().expect(0);
        printed += output.lines().len();
        assert_eq!(env.run(&["stream", &format!("r{number}")]).expect(0).text(), output.text());
        judged_whole(&env, &format!("r{number}"));
    }
    let all = env.run(&["events", "--all"]).expect(0).lines();
    assert_eq!(all.len(), printed);
    let cursors: Vec<i64> = all.iter().map(|event| event["cursor"].as_i64().unwrap()).collect();
    assert!(cursors.windows(2).all(|pair| pair[0] < pair[1]));
}

/// What a power cut may leave: another boot, and the deltas at the end gone.
#[test]
fn a_power_cut_begins_a_new_epoch() {
    let env = TestEnv::new();
    env.run(&["run", "--agent", "mock", "--session", "s", "slow 20 1"]).expect(0);
    let before = env.run(&["stream", "s"]).expect(0).lines();
    let seen = before.iter().rfind(|event| event["type"] == "item.delta").unwrap();
    // As if the owner had been killed by the cut in the middle of its turn.
    let sql = format!(
        "DELETE FROM event WHERE sequence >= {};
         UPDATE session SET last_sequence = {} - 1, status = 'running', owner = '1', boot_id = 'another';",
        seen["sequence"], seen["sequence"]
    );
    let store = env.store();
    let done = env.program(std::path::Path::new("sqlite3")).args(&[store.to_str().unwrap(), &sql]).run();
    done.expect(0);
    let event_id = seen["event_id"].as_str().unwrap();
    assert_eq!(env.run(&["stream", "s", "--offset", event_id]).code(), 3);
    env.run(&["run", "--session", "s", "again"]).expect(0);
    let after = judged_whole(&env, "s");
    assert!(after.iter().any(|event| event["data"]["stop_reason"] == "killed"));
    let same = after.iter().find(|event| event["sequence"] == seen["sequence"]).unwrap();
    assert_ne!(same["event_id"], seen["event_id"], "the same number never names two events");
    let gone = env.run(&["stream", "s", "--offset", event_id]);
    assert_eq!(gone.object()["code"], "not_found");
    let beyond = env.run(&["stream", "s", "--offset", "99999"]).expect(3).object();
    let message = beyond["message"].as_str().unwrap();
    assert!(message.contains("99999") && message.contains(&after.len().to_string()), "{message}");
}
