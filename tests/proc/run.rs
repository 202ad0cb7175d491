//! `proc run`: one result that tells the truth, in time, with nothing left behind.

use std::time::Duration;

use base64::Engine;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::env::{Output, TestEnv, program, wait_until};

fn run(env: &TestEnv, flags: &[&str], script: &str) -> Output {
    let mut words = vec!["proc", "run"];
    words.extend(flags);
    words.extend(["--", "bash", "-c", script]);
    env.run(&words)
}

/// B1-30. The program and its grandchild ignore TERM, the grandchild in a session of its own.
#[test]
fn b1_30_a_timeout_ends_grandchildren_in_time() {
    let env = TestEnv::new();
    for script in ["sleep 100 & sleep 100", "trap '' TERM; setsid sleep 100 & (setsid sleep 100 &) ; sleep 100"] {
        let output = run(&env, &["--timeout", "300ms"], script).expect(124);
        let result = output.object();
        assert_eq!(result["timed_out"], true, "{result}");
        let took = result["duration_ms"].as_u64().unwrap();
        assert!((300..500).contains(&took), "{result}");
        assert!(env.alive().is_empty());
    }
}

#[test]
fn what_the_program_left_is_ended_with_it() {
    let env = TestEnv::new();
    let output =
        run(&env, &[], "setsid sleep 100 & (setsid sh -c 'trap \"\" TERM HUP; sleep 100' &) ; echo done").expect(0);
    assert_eq!(output.object()["stdout"], "done\n");
    assert!(output.took < Duration::from_secs(20), "{:?}", output.took);
    assert!(env.alive().is_empty());
}

/// B1-31.
#[test]
fn b1_31_a_signal_is_told() {
    let env = TestEnv::new();
    let output = run(&env, &[], "kill -9 $$").expect(137);
    let result = output.object();
    assert_eq!((result["exit_code"].is_null(), &result["signal"]), (true, &serde_json::json!(9)), "{result}");
    assert_eq!(run(&env, &[], "exit 7").expect(7).object()["exit_code"], 7);
    // An exit with a code that looks like one is an exit.
    assert_eq!(run(&env, &[], "exit 137").expect(137).object()["exit_code"], 137);
}

/// B1-32.
#[test]
fn b1_32_bytes_that_are_no_text_come_through() {
    let env = TestEnv::new();
    let result = run(&env, &[], r"printf '\xff\x00\xfe'; printf 'ä' >&2").expect(0).object();
    let bytes = base64::engine::general_purpose::STANDARD.decode(result["stdout_base64"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, b"\xff\x00\xfe");
    assert!(result.get("stdout").is_none(), "{result}");
    assert_eq!(result["stderr"], "ä");
    let text = run(&env, &["-o", "text"], r"printf '\xff\x00\xfe'").expect(0);
    assert_eq!(text.stdout, b"\xff\x00\xfe");
}

/// B1-33.
#[test]
fn b1_33_stdin_is_read_when_asked_for() {
    let env = TestEnv::new();
    let words = ["proc", "run", "--stdin", "--", "tr", "a-z", "A-Z"];
    let output = env.command(&words).stdin("hello").run().expect(0);
    assert_eq!(output.object()["stdout"], "HELLO");
    let output = env.command(&["proc", "run", "--", "cat"]).stdin("hello").run().expect(0);
    assert_eq!(output.object()["stdout"], "");
}

/// B1-34.
#[test]
fn b1_34_a_missing_directory_and_a_missing_program_differ() {
    let env = TestEnv::new();
    let missing = env.run(&["proc", "run", "--", "no-such-program"]).expect(127).object();
    assert!(missing["message"].as_str().unwrap().contains("no-such-program"), "{missing}");
    let directory = env.run(&["proc", "run", "--cwd", "no-such-directory", "--", "true"]).expect(2).object();
    assert!(directory["message"].as_str().unwrap().contains("no-such-directory"), "{directory}");
    env.write("plain", "text");
    env.run(&["proc", "run", "--", "./plain"]).expect(126);
    env.run(&["proc", "run", "--"]).expect(2);
}

#[test]
fn output_is_bounded_and_says_so() {
    let env = TestEnv::new();
    let result = run(&env, &["--max-output", "1K"], "seq 1 100000; echo short >&2").expect(0).object();
    let text = result["stdout"].as_str().unwrap();
    assert_eq!(text.len(), 1024);
    assert!(text.starts_with("1\n2\n") && text.ends_with("99999\n100000\n"), "{text}");
    assert_eq!((&result["truncated"], &result["stdout_bytes"]), (&true.into(), &588_895.into()));
    assert_eq!(result["stderr"], "short\n");
}

/// Also B1-42: what was written first is told first, on whichever of the two, however fast.
#[test]
fn both_streams_come_in_the_order_of_writing() {
    let env = TestEnv::new();
    let script = "for i in $(seq 500); do echo $i; echo $i >&2; done; head -c 20000 /dev/zero; echo end >&2; echo end";
    let output = run(&env, &["--stream"], script).expect(0);
    let lines = output.lines();
    let (result, lines) = lines.split_last().unwrap();
    assert_eq!(result["type"], "result");
    assert!(result.get("stdout").is_none());
    let mut all = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["sequence"], index + 1, "{line}");
        let letter = if line["stream"] == "stdout" { 'o' } else { 'e' };
        for part in line["text"].as_str().unwrap().split_inclusive('\n') {
            all.push(format!("{letter}{}", part.trim_end().trim_matches('\0')));
        }
    }
    let mut wanted: Vec<String> = (1..=500).flat_map(|number| [format!("o{number}"), format!("e{number}")]).collect();
    wanted.extend(["o", "eend", "oend"].map(str::to_owned));
    all.dedup_by(|next, before| next == "o" && before == "o");
    for letter in ["o", "e"] {
        let of = |lines: &[String]| lines.iter().filter(|line| line.starts_with(letter)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&all), of(&wanted));
    }
    // A full pipe may blur a border: see `host::order`.
    let misplaced = all.iter().zip(&wanted).filter(|(got, wanted)| got != wanted).count();
    assert!(misplaced <= 8, "{misplaced} of {} lines are not in the order of writing", wanted.len());
}

/// A reader that is held up for long sees the order of writing all the same.
#[test]
fn a_late_reader_sees_the_order_of_writing() {
    let env = TestEnv::new();
    let program = program();
    let write = "import os, time\nfor i in range(4000): os.write(1 + (i * 7919 >> 4) % 2, b'%d\\n' % i)";
    let pipe = format!("{program} proc run --stream -- python3 -c \"{write}\" | (sleep 1; cat)");
    let output = env.program(std::path::Path::new("/bin/bash")).args(&["-c", &pipe]).run().expect(0);
    let lines = output.lines();
    let (result, lines) = lines.split_last().unwrap();
    assert_eq!(result["exit_code"], 0, "{result}");
    let mut numbers: Vec<u32> = lines
        .iter()
        .flat_map(|line| line["text"].as_str().unwrap().lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>())
        .collect();
    let misplaced = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(misplaced <= 2, "{misplaced}");
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..4000));
}

/// A write that no pipe has room for is read as it gets in.
#[test]
fn one_large_write_comes_through_at_once() {
    let env = TestEnv::new();
    let write = "import os; [os.write(fd, bytes(3000000)) for fd in (1, 2)]";
    let output = env.run(&["proc", "run", "--max-output", "10", "--", "python3", "-c", write]).expect(0);
    let result = output.object();
    assert_eq!((&result["stdout_bytes"], &result["stderr_bytes"]), (&3_000_000.into(), &3_000_000.into()), "{result}");
    assert!(output.took < Duration::from_secs(8), "{:?}", output.took);
}

#[test]
fn ctrl_c_ends_all_of_it() {
    let env = TestEnv::new();
    let words = ["proc", "run", "--stream", "--", "bash", "-c", "setsid sleep 100 & echo up; sleep 100"];
    let mut running = env.command(&words).spawn();
    running.wait_for("its first line", |line| line["text"] == "up\n");
    running.ctrl_c();
    let output = running.wait();
    assert_eq!(output.signal(), Some(Signal::SIGINT));
    assert_eq!(output.lines().last().unwrap()["type"], "result");
    assert!(env.alive().is_empty());
}

#[test]
fn killed_it_takes_everything_with_it() {
    let env = TestEnv::new();
    let words =
        ["proc", "run", "--stream", "--", "bash", "-c", "setsid sleep 100 & (setsid sleep 100 &); echo up; sleep 100"];
    let mut running = env.command(&words).spawn();
    running.wait_for("its first line", |line| line["text"] == "up\n");
    running.signal(Signal::SIGKILL);
    drop(running.wait());
    env.wait_until_none_is_alive();
}

#[test]
fn a_reader_that_leaves_ends_it() {
    let env = TestEnv::new();
    let program = program();
    let pipe = format!("{program} proc run --stream -- sh -c 'echo one; sleep 100' | head -n 1");
    let output = env.program(std::path::Path::new("/bin/bash")).args(&["-c", &pipe]).run().expect(0);
    assert_eq!(output.lines()[0]["text"], "one\n");
    wait_until("everything to end", || env.alive().is_empty().then_some(()));
}

#[test]
fn limits_hold_and_say_who_keeps_them() {
    let env = TestEnv::new();
    let result = run(&env, &["--files", "16"], "ulimit -n; ulimit -Hn").expect(0).object();
    assert_eq!((&result["stdout"], &result["limits_by"]), (&"16\n16\n".into(), &"rlimits".into()), "{result}");
    let result = run(&env, &["--cpu-time", "1s"], "while :; do :; done").expect(152).object();
    assert_eq!(result["signal"], Signal::SIGXCPU as i32, "{result}");
    let hungry = "a=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#a}";
    let result = run(&env, &["--memory", "100M"], hungry).object();
    assert_ne!(result["stdout"], "300000000\n", "{result}");
    assert!(result["max_rss"].as_u64().unwrap() < 200 << 20, "{result}");
    assert!(result["limits_by"].is_string(), "{result}");
    env.run(&["proc", "run", "--memory", "lots", "--", "true"]).expect(2);
}

#[test]
fn root_may_run_as_others_and_nobody_else_may() {
    let env = TestEnv::new();
    if geteuid().is_root() {
        let script = "cd /; id -u; id -g; echo $HOME $USER";
        let result =
            env.run(&["proc", "run", "--run-as", "nobody", "-C", "/", "--", "sh", "-c", script]).expect(0).object();
        let text = result["stdout"].as_str().unwrap();
        assert!(text.starts_with("65534\n65534\n/nonexistent nobody"), "{result}");
    } else {
        env.run(&["proc", "run", "--run-as", "nobody", "--", "id"]).expect(2);
    }
    if geteuid().is_root() {
        let unknown = env.run(&["proc", "run", "--run-as", "no-such-user", "--", "id"]);
        assert_ne!(unknown.code(), 0);
        assert!(unknown.object()["message"].as_str().unwrap().contains("no-such-user"));
    }
}

#[test]
fn the_environment_is_as_asked() {
    let env = TestEnv::new();
    env.write("vars", "# a comment\nFROM_FILE=1\n");
    let words = ["--clean-env", "--env", "A=b c", "--env", "COPIED", "--env-file", "vars", "--", "env"];
    let words: Vec<&str> = ["proc", "run"].into_iter().chain(words).collect();
    let result = env.command(&words).var("COPIED", "yes").var("OTHER", "no").run().expect(0).object();
    let text = result["stdout"].as_str().unwrap();
    for wanted in ["A=b c", "COPIED=yes", "FROM_FILE=1"] {
        assert!(text.lines().any(|line| line == wanted), "{text}");
    }
    assert!(!text.contains("OTHER"), "{text}");
}
