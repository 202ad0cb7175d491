//! Restart policies: who is started again, after which pauses, when that ends, and what is told of it.

use serde_json::Value;

use super::keep::{check_log, logs, show, start, stop_all, text, wait_for_text};
use crate::env::{TestEnv, wait_until};

/// The pauses that its ends announce, in milliseconds; none where it is not started again.
fn pauses(lines: &[Value]) -> Vec<Option<i64>> {
    lines.iter().filter(|line| line["type"] == "exit").map(|line| line["restart_in_ms"].as_i64()).collect()
}

/// Each start comes after the pause that the end before it has announced, and soon after it. Times are whole milliseconds.
fn check_pauses(lines: &[Value]) {
    const DAY: i64 = 86_400_000;
    let time = |line: &Value| {
        let time = &line["time"].as_str().unwrap()["2026-11-21T".len()..];
        let number = |from: usize, to: usize| time[from..to].parse::<i64>().unwrap();
        ((number(0, 2) * 60 + number(3, 5)) * 60 + number(6, 8)) * 1000 + number(9, 12)
    };
    for pair in lines.windows(2).filter(|pair| pair[1]["type"] == "started") {
        let (waited, wanted) =
            ((time(&pair[1]) - time(&pair[0]) + DAY) % DAY, pair[0]["restart_in_ms"].as_i64().unwrap());
        assert!((wanted - 1..wanted + 15_000).contains(&waited), "{waited} ms: {pair:?}");
    }
}

#[test]
fn pauses_double_and_end_at_the_limit() {
    let env = TestEnv::new();
    start(&env, &["--name", "f", "--restart", "on-failure", "--restart-limit", "4"], "echo again; exit 3");
    // Most of the time it waits for its next start, and says so.
    wait_until("it to wait", || {
        let waiting = env.run(&["proc", "list", "--status", "restarting"]).expect(0).lines();
        let record = waiting.first()?;
        assert_eq!((&record["exit_code"], &record["pid"]), (&3.into(), &Value::Null), "{record}");
        Some(())
    });
    env.run(&["proc", "wait", "f"]).expect(3);
    let lines = logs(&env, "f");
    check_log(&lines);
    check_pauses(&lines);
    assert_eq!(pauses(&lines), [Some(200), Some(400), Some(800), Some(1600), None]);
    assert_eq!(text(&lines, "stdout"), "again\n".repeat(5));
    let said = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(said.contains("5 times") && said.contains("--restart-limit 4"), "{said}");
    let record = show(&env, "f");
    let told = (&record["status"], &record["reason"], &record["exit_code"], &record["restarts"], &record["restart"]);
    assert_eq!(told, (&"exited".into(), &"exited".into(), &3.into(), &4.into(), &"on-failure".into()), "{record}");
    assert!(env.run(&["proc", "list"]).expect(0).lines().contains(&record));
    env.wait_until_none_is_alive();
}

#[test]
fn a_policy_says_after_which_ends() {
    let env = TestEnv::new();
    for (policy, script, restarts) in [
        ("no", "exit 3", 0),
        ("on-failure", "exit 0", 0),
        ("on-failure", "exit 3", 1),
        ("on-failure", "kill -KILL $$", 1),
        ("always", "exit 0", 1),
        ("always", "exit 3", 1),
    ] {
        let started = start(&env, &["--restart", policy, "--restart-limit", "1"], script);
        let id = started["process_id"].as_str().unwrap();
        drop(env.run(&["proc", "wait", id]));
        let record = show(&env, id);
        assert_eq!((&record["status"], &record["restarts"]), (&"exited".into(), &restarts.into()), "{record}");
        let message = logs(&env, id).pop().unwrap()["message"].clone();
        assert_eq!(message.is_string(), restarts > 0, "{policy}, {script}: {message}");
    }
    env.wait_until_none_is_alive();
}

/// A run of 10 s or more is none of the quick ones, and what comes after it waits as at first.
#[test]
fn a_long_run_is_started_again_at_once() {
    let env = TestEnv::new();
    let script =
        "echo run; [ -e one ] || { touch one; exit 1; }; [ -e two ] || { touch two; sleep 10; exit 1; }; sleep 100";
    start(&env, &["--name", "p", "--restart", "always", "--restart-limit", "1"], script);
    wait_until("the third run", || (text(&logs(&env, "p"), "stdout") == "run\n".repeat(3)).then_some(()));
    let lines = logs(&env, "p");
    check_pauses(&lines);
    assert_eq!(pauses(&lines), [Some(200), Some(0)]);
    stop_all(&env);
    env.wait_until_none_is_alive();
}

#[test]
fn a_stop_between_two_runs_is_for_good() {
    let env = TestEnv::new();
    start(&env, &["--name", "p", "--restart", "always", "--restart-limit", "50"], "echo run; exit 1");
    // The pauses are longer than a stop takes from here on.
    wait_until("the fifth run", || (text(&logs(&env, "p"), "stdout").len() >= 5 * 4).then_some(()));
    wait_until("the pause after it", || (show(&env, "p")["status"] == "restarting").then_some(()));
    let stopped = env.run(&["proc", "stop", "p"]).expect(0).object();
    let told = (&stopped["status"], &stopped["reason"], &stopped["exit_code"]);
    assert_eq!(told, (&"exited".into(), &"stopped".into(), &1.into()), "{stopped}");
    let lines = logs(&env, "p");
    check_log(&lines);
    assert_eq!(lines.last().unwrap()["reason"], "stopped", "{lines:?}");
    // A stop while it runs is no end that its policy is for.
    start(&env, &["--name", "q", "--restart", "always"], "echo up; sleep 100");
    wait_for_text(&env, "q", "up");
    let stopped = env.run(&["proc", "stop", "q"]).expect(0).object();
    assert_eq!((&stopped["status"], &stopped["restarts"]), (&"exited".into(), &0.into()), "{stopped}");
    env.wait_until_none_is_alive();
}
