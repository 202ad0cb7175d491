//! Kept processes: started, listed, read, written to, stopped, started again; what upstream did badly, by number.

use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::Value;

use crate::env::{TestEnv, wait_until};

/// Starts a shell script under a name.
pub(super) fn start(env: &TestEnv, flags: &[&str], script: &str) -> Value {
    let mut words = vec!["proc", "start"];
    words.extend(flags);
    words.extend(["--", "bash", "-c", script]);
    env.run(&words).expect(0).object()
}

pub(super) fn show(env: &TestEnv, name: &str) -> Value {
    env.run(&["proc", "show", name]).expect(0).object()
}

pub(super) fn logs(env: &TestEnv, name: &str) -> Vec<Value> {
    env.run(&["proc", "logs", name]).expect(0).lines()
}

/// What it printed on a stream.
pub(super) fn text(lines: &[Value], stream: &str) -> String {
    lines.iter().filter(|line| line["stream"] == stream).map(|line| line["text"].as_str().unwrap()).collect()
}

/// Waits until its log has this.
pub(super) fn wait_for_text(env: &TestEnv, name: &str, wanted: &str) {
    env.run(&["proc", "wait", name, "--log", wanted, "--timeout", "50s"]).expect(0);
}

pub(super) fn stop_all(env: &TestEnv) {
    for process in env.run(&["proc", "list"]).expect(0).lines() {
        if process["status"] != "exited" {
            env.run(&["proc", "kill", process["process_id"].as_str().unwrap()]).expect(0);
        }
    }
}

/// Numbers 1 … n, the end last.
pub(super) fn check_log(lines: &[Value]) {
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["sequence"], index + 1, "{line}");
    }
    assert_eq!(lines.last().unwrap()["type"], "exit", "{lines:?}");
}

#[test]
fn a_process_outlives_its_starter_and_is_told_truthfully() {
    let env = TestEnv::new();
    let flags = ["--name", "web", "--label", "a=b"];
    let started = start(&env, &flags, "echo up; echo oops >&2; sleep 100 & wait");
    assert_eq!((&started["status"], &started["name"]), (&"running".into(), &"web".into()), "{started}");
    wait_for_text(&env, "web", "oops");
    let id = started["process_id"].as_str().unwrap();
    assert_eq!(show(&env, &id[..30])["process_id"], id);
    assert_eq!(env.run(&["proc", "list", "--label", "a=b", "--status", "running"]).expect(0).lines().len(), 1);
    assert!(env.run(&["proc", "list", "--label", "a=c"]).expect(0).lines().is_empty());
    env.run(&["proc", "start", "--name", "web", "--", "true"]).expect(2);
    env.run(&["proc", "rm", "web"]).expect(8);
    let stopped = env.run(&["proc", "stop", "web"]).expect(0).object();
    assert_eq!((&stopped["status"], &stopped["reason"]), (&"exited".into(), &"stopped".into()), "{stopped}");
    // (Its keeper is the last to go.)
    env.wait_until_none_is_alive();
    let lines = logs(&env, "web");
    check_log(&lines);
    assert_eq!((text(&lines, "stdout"), text(&lines, "stderr")), ("up\n".to_owned(), "oops\n".to_owned()));
    assert_eq!(env.run(&["proc", "logs", "web", "--raw"]).expect(0).text(), "up\noops\n");
    let later = env.run(&["proc", "logs", "web", "--offset", "2"]).expect(0).lines();
    assert_eq!(later, lines[2..]);
    assert_eq!(env.run(&["proc", "logs", "web", "--tail", "1"]).expect(0).lines(), lines[lines.len() - 1..]);
    env.run(&["proc", "logs", "web", "--offset", "99"]).expect(3);
    env.run(&["proc", "show", "nobody"]).expect(3);
    env.run(&["proc", "rm", "web"]).expect(0);
    env.run(&["proc", "show", "web"]).expect(3);
}

#[test]
fn what_cannot_start_leaves_nothing() {
    let env = TestEnv::new();
    env.run(&["proc", "start", "--name", "x", "--", "no-such-program"]).expect(127);
    assert!(env.run(&["proc", "list"]).expect(0).lines().is_empty());
    start(&env, &["--name", "x"], "true");
    env.run(&["proc", "wait", "x"]).expect(0);
}

/// B1-35.
#[test]
fn b1_35_following_ends_with_the_process_and_says_how() {
    let env = TestEnv::new();
    start(&env, &["--name", "p"], "echo one; read line; echo $line; exit 4");
    let mut follower = env.command(&["proc", "logs", "p", "--follow"]).spawn();
    follower.wait_for("the first line", |line| line["text"] == "one\n");
    env.run(&["proc", "input", "p", "two", "--enter"]).expect(0);
    let lines = follower.wait().expect(0).lines();
    check_log(&lines);
    assert_eq!(lines.last().unwrap()["exit_code"], 4);
    assert_eq!(lines, logs(&env, "p"));
    assert_eq!(env.run(&["proc", "wait", "p"]).expect(4).object()["exit_code"], 4);
}

/// B1-36. A log has a bound, and says what it has dropped.
#[test]
fn b1_36_a_full_log_drops_the_oldest_and_says_so() {
    let env = TestEnv::new();
    start(&env, &["--name", "p", "--max-log", "100K"], "for i in $(seq 40); do seq 2000; done; echo last");
    env.run(&["proc", "wait", "p"]).expect(0);
    let lines = logs(&env, "p");
    assert_eq!((&lines[0]["type"], &lines[0]["from"]), (&"gap".into(), &1.into()), "{}", lines[0]);
    let first = lines[0]["sequence"].as_i64().unwrap();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["sequence"], first + index as i64, "{line}");
    }
    assert!(text(&lines, "stdout").ends_with("last\n"));
    let bytes = show(&env, "p")["log_bytes"].as_u64().unwrap();
    assert!(bytes <= 100 << 10, "{bytes}");
}

/// B1-37 and B1-33.
#[test]
fn b1_37_input_is_text_unless_said_otherwise() {
    let env = TestEnv::new();
    start(&env, &["--name", "cat"], "exec cat");
    env.run(&["proc", "input", "cat", "aGVsbG8="]).expect(0);
    env.run(&["proc", "input", "cat", "--base64", "/wA="]).expect(0);
    env.command(&["proc", "input", "cat", "--stdin", "--eof"]).stdin("end").run().expect(0);
    env.run(&["proc", "wait", "cat"]).expect(0);
    assert_eq!(env.run(&["proc", "logs", "cat", "--raw"]).expect(0).stdout, b"aGVsbG8=\xff\x00end");
    env.run(&["proc", "input", "cat", "late"]).expect(3);
    start(&env, &["--name", "deaf", "--no-stdin"], "sleep 100");
    env.run(&["proc", "input", "deaf", "x"]).expect(2);
    stop_all(&env);
}

/// B1-38.
#[test]
fn b1_38_a_process_that_does_not_read_holds_up_nobody() {
    let env = TestEnv::new();
    start(&env, &["--name", "deaf"], "sleep 100");
    let writer = env.command(&["proc", "input", "deaf", "--stdin"]).stdin(vec![b'x'; 3 << 20]).spawn();
    let begun = Instant::now();
    show(&env, "deaf");
    assert_eq!(env.run(&["proc", "list"]).expect(0).lines().len(), 1);
    env.run(&["proc", "kill", "deaf", "--signal", "CONT"]).expect(0);
    let killed = env.run(&["proc", "kill", "deaf"]).expect(0).object();
    assert_eq!((&killed["status"], &killed["signal"]), (&"exited".into(), &9.into()), "{killed}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_ne!(writer.wait().code(), 0);
}

/// B1-39.
#[test]
fn b1_39_stop_ends_what_ignores_it() {
    let env = TestEnv::new();
    start(
        &env,
        &["--name", "p"],
        "trap '' TERM; (trap '' TERM; setsid sleep 100 &) ; echo up; while :; do sleep 1; done",
    );
    wait_for_text(&env, "p", "up");
    let stopped = env.run(&["proc", "stop", "p", "--grace", "200ms"]).expect(0).object();
    assert_eq!((&stopped["status"], &stopped["signal"]), (&"exited".into(), &9.into()), "{stopped}");
    // Its keeper may take a moment longer.
    let programs = env.alive().into_iter().filter(|one| !one.command.starts_with("sandbox-agent __keep"));
    assert_eq!(programs.map(|one| one.command).collect::<Vec<_>>(), [""; 0]);
    env.wait_until_none_is_alive();
    // Once more is no error.
    env.run(&["proc", "stop", "p"]).expect(0);
}

/// B1-40 and B1-43.
#[test]
fn b1_40_a_terminal_has_a_size_and_ends_without_a_word() {
    let env = TestEnv::new();
    let flags = ["--name", "t", "--tty", "--size", "100x30"];
    start(&env, &flags, "stty size; echo $TERM; trap 'stty size' WINCH; echo up; until read -t 0.2 line; do :; done");
    wait_for_text(&env, "t", "up");
    env.run(&["proc", "resize", "t", "0x0"]).expect(2);
    env.run(&["proc", "resize", "t", "90x20"]).expect(0);
    wait_for_text(&env, "t", "20 90");
    env.run(&["proc", "input", "t", "x", "--enter"]).expect(0);
    env.run(&["proc", "wait", "t"]).expect(0);
    let lines = logs(&env, "t");
    check_log(&lines);
    let shown = text(&lines, "pty");
    assert!(shown.starts_with("30 100\r\nxterm-256color\r\nup\r\n"), "{shown}");
    assert!(!shown.contains("error"), "{shown}");
}

/// B1-41.
#[test]
fn b1_41_the_list_is_in_the_order_of_starting() {
    let env = TestEnv::new();
    for number in 0..12 {
        start(&env, &["--name", &format!("p{number}")], "exit 0");
    }
    let names: Vec<Value> =
        env.run(&["proc", "list"]).expect(0).lines().into_iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, (0..12).map(|number| Value::from(format!("p{number}"))).collect::<Vec<_>>());
    for number in 0..12 {
        env.run(&["proc", "wait", &format!("p{number}")]).expect(0);
    }
    assert_eq!(env.run(&["proc", "prune", "--keep", "3"]).expect(0).lines().len(), 9);
    env.run(&["proc", "prune"]).expect(2);
    assert_eq!(env.run(&["proc", "list"]).expect(0).lines().len(), 3);
}

/// By size as by number: the longest ended go first, and the file becomes smaller.
#[test]
fn what_has_ended_is_forgotten_by_size() {
    let env = TestEnv::new();
    for number in 0..4 {
        start(&env, &["--name", &format!("p{number}")], "head -c 3000000 /dev/zero");
        env.run(&["proc", "wait", &format!("p{number}")]).expect(0);
    }
    start(&env, &["--name", "alive"], "head -c 3000000 /dev/zero; echo up; sleep 100");
    wait_for_text(&env, "alive", "up");
    let file = env.store().with_file_name("output.db");
    let names = |output: Vec<Value>| -> Vec<String> {
        output.iter().map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    };
    let said = env.run(&["proc", "prune", "--max-size", "7M", "--dry-run"]).expect(0).lines();
    assert_eq!((names(said.clone()), &said[0]["removed"]), (vec!["p1".to_owned(), "p0".to_owned()], &false.into()));
    let before = std::fs::metadata(&file).unwrap().len();
    assert_eq!(names(env.run(&["proc", "prune", "--max-size", "7M"]).expect(0).lines()), ["p1", "p0"]);
    assert_eq!(names(env.run(&["proc", "list"]).expect(0).lines()), ["p2", "p3", "alive"]);
    stop_all(&env);
    assert_eq!(env.run(&["proc", "prune", "--max-size", "0"]).expect(0).lines().len(), 3);
    env.wait_until_none_is_alive();
    let after = std::fs::metadata(&file).unwrap().len();
    assert!(after < before / 4, "{before} {after}");
}

/// B1-42.
#[test]
fn b1_42_the_log_is_in_the_order_of_writing() {
    let env = TestEnv::new();
    start(&env, &["--name", "p"], "for i in $(seq 200); do echo o$i; echo e$i >&2; done");
    env.run(&["proc", "wait", "p"]).expect(0);
    let raw = env.run(&["proc", "logs", "p", "--raw"]).expect(0);
    let wanted: String = (1..=200).map(|number| format!("o{number}\ne{number}\n")).collect();
    assert_eq!(raw.text(), wanted);
}

#[test]
fn a_process_is_started_again_by_hand() {
    let env = TestEnv::new();
    // While it runs and after its end.
    start(&env, &["--name", "h"], "echo $PPID up; sleep 100");
    wait_for_text(&env, "h", "up");
    let again = env.run(&["proc", "restart", "h"]).expect(0).object();
    assert_eq!((&again["status"], &again["restarts"]), (&"running".into(), &1.into()), "{again}");
    env.run(&["proc", "stop", "h"]).expect(0);
    let again = env.run(&["proc", "restart", "h"]).expect(0).object();
    assert_eq!(again["status"], "running", "{again}");
    env.run(&["proc", "stop", "h"]).expect(0);
    check_log(&logs(&env, "h"));
}

#[test]
fn waiting_ends_when_it_is_ready() {
    let env = TestEnv::new();
    let serve = "echo starting; sleep 0.2; touch there; exec python3 -u -m http.server 0 --bind 127.0.0.1";
    start(&env, &["--name", "web"], serve);
    wait_for_text(&env, "web", "port ");
    let shown = env.run(&["proc", "logs", "web", "--raw"]).expect(0);
    let port = shown.text().split("port ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    env.run(&["proc", "wait", "web", "--port", &port, "--timeout", "30s"]).expect(0);
    env.run(&["proc", "wait", "web", "--file", "there", "--timeout", "30s"]).expect(0);
    env.run(&["proc", "wait", "web", "--command", "test -e there", "--timeout", "30s"]).expect(0);
    env.run(&["proc", "wait", "web", "--log", "never printed", "--timeout", "200ms"]).expect(124);
    env.run(&["proc", "wait", "web", "--timeout", "100ms"]).expect(124);
    stop_all(&env);
    env.run(&["proc", "wait", "web", "--port", "1"]).expect(1);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let env = TestEnv::new();
    start(&env, &["--name", "b"], r"printf '\xff\xfe\x00'; sleep 0.1; printf '\xe2\x82'; sleep 0.1; printf '\xac'");
    env.run(&["proc", "wait", "b"]).expect(0);
    let lines = logs(&env, "b");
    let bytes = base64::engine::general_purpose::STANDARD.decode(lines[1]["base64"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, b"\xff\xfe\x00");
    assert_eq!(lines[2]["text"], "€", "a character that came in two pieces: {lines:?}");
    wait_until("its keeper to leave", || env.alive().is_empty().then_some(()));
}
