//! Readers that leave, that never read, that come late: the session goes its way, and nothing is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::env::{Output, Running, TestEnv, program, wait_until};
use crate::events::judged_whole;

/// Runs a line of shell with our program as `$S`.
fn shell(env: &TestEnv, line: &str) -> Running {
    let shell = env.program(Path::new("/bin/bash")).args(&["-c", line]);
    shell.var("S", program()).spawn()
}

fn sh(env: &TestEnv, line: &str) -> Output {
    shell(env, line).wait()
}

#[test]
fn head_ends_a_run_as_it_ends_a_filter() {
    let env = TestEnv::new();
    let output = sh(&env, "$S run -a mock -s s 'slow 10000 5' | head -n 1; echo ${PIPESTATUS[0]}");
    let lines: Vec<&str> = output.text().lines().collect();
    assert_eq!(lines.len(), 2, "{}", output.text());
    assert_eq!(lines[1], "141");
    let events = judged_whole(&env, "s");
    let end = &events.last().unwrap()["data"];
    assert_eq!((end["outcome"].as_str(), end["exit_code"].as_i64()), (Some("cancelled"), Some(141)));
    assert!(env.alive().is_empty());
}

#[test]
fn head_ends_a_follower_that_has_nothing_to_say() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let began = Instant::now();
    let output = sh(&env, "$S stream s --follow=never | head -n 1 | wc -l");
    assert_eq!(output.text().trim(), "1");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// The resident memory of a process at its largest, in KiB.
fn peak(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("0 0");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_reader_that_never_reads_holds_up_nothing() {
    let env = TestEnv::new();
    let fifo = env.work().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let line = "exec 3<>fifo; exec $S run -a mock -s s 'burst 100000 300' > fifo 3>&-";
    let run = shell(&env, &line.replace("3>&-", ""));
    // The session ends, all is stored, and another reader gets all of it.
    let row = wait_until("the end of the turn", || {
        let shown = env.run(&["sessions", "show", "s"]);
        (shown.code() == 0).then(|| shown.object()).filter(|row| row["status"] == "idle")
    });
    assert_eq!(row["outcome"], "ok");
    let memory = peak(run.pid());
    assert!(memory > 0 && memory < 64 << 10, "{memory} KiB");
    let all = env.run(&["stream", "s"]).expect(0);
    assert_eq!(all.text().lines().count() as i64, row["last_sequence"].as_i64().unwrap());
    run.signal(Signal::SIGKILL);
    drop(run.wait());
}

#[test]
fn a_stuck_reader_stops_neither_ctrl_c_nor_timeouts() {
    let env = TestEnv::new();
    for (session, flags, code) in [("t", "--timeout 1s", 124), ("c", "", 130)] {
        let fifo = env.work().join(session);
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Long enough to fill the pipe, then silent.
        let line = format!("exec 3<>{session}; exec $S run -a mock -s {session} {flags} 'slow 100000 1' > {session}");
        let run = shell(&env, &line);
        wait_until("many events", || {
            let shown = env.run(&["sessions", "show", session]);
            (shown.code() == 0).then(|| shown.object()).filter(|row| row["last_sequence"].as_i64() > Some(300))
        });
        if code == 130 {
            run.ctrl_c();
        }
        let row = wait_until("the end", || {
            Some(env.run(&["sessions", "show", session]).object()).filter(|row| row["status"] == "idle")
        });
        assert_eq!(row["exit_code"], code);
        judged_whole(&env, session);
        run.signal(Signal::SIGKILL);
        drop(run.wait());
    }
}

#[test]
fn followers_see_what_the_run_prints_byte_for_byte() {
    let env = TestEnv::new();
    let run = env.command(&["run", "-a", "mock", "-s", "s", "slow 200 2"]).spawn();
    let followers: Vec<Running> =
        (0..5).map(|_| env.command(&["stream", "s", "--wait", "10s", "--follow=turn"]).spawn()).collect();
    let printed = run.wait().expect(0);
    for follower in followers {
        let output = follower.wait().expect(0);
        assert_eq!(output.text(), printed.text());
    }
    for offset in [0, 1, 7, 100] {
        let part = env.run(&["events", "s", "--offset", &offset.to_string(), "--limit", "3"]).expect(0);
        let wanted: String = printed.text().split_inclusive('\n').skip(offset).take(3).collect();
        assert_eq!(part.text(), wanted);
    }
    let exported = env.run(&["sessions", "export", "s"]).expect(0);
    let other = env.work().join("other.db");
    let other = other.to_str().unwrap();
    env.command(&["--store", other, "sessions", "import"]).stdin(exported.text()).run().expect(0);
    assert_eq!(env.run(&["--store", other, "stream", "s"]).expect(0).text(), printed.text());
    assert_eq!(env.run(&["--store", other, "sessions", "export", "s"]).expect(0).text(), exported.text());
}

#[test]
fn an_offset_file_gives_each_event_once() {
    let env = TestEnv::new();
    let mut got: Vec<Value> = Vec::new();
    for prompt in ["one", "two", "three"] {
        env.run(&["run", "-a", "mock", "-s", "s", prompt]).expect(0);
        got.extend(env.run(&["stream", "s", "--offset-file", "place", "--type", "turn.ended"]).expect(0).lines());
        let place: Value = serde_json::from_str(&env.read("place")).unwrap();
        let row = env.run(&["sessions", "show", "s"]).expect(0).object();
        assert_eq!(place["sequence"], row["last_sequence"], "it advances over filtered events too");
    }
    assert_eq!(got.len(), 3);
    assert!(env.run(&["stream", "s", "--offset-file", "place"]).expect(0).text().is_empty());
    // Another session under the same name.
    env.run(&["sessions", "delete", "s"]).expect(0);
    env.run(&["run", "-a", "mock", "-s", "s", "a longer one, with more events: demo"]).expect(0);
    assert_eq!(env.run(&["stream", "s", "--offset-file", "place"]).code(), 3);
    assert_eq!(env.run(&["stream", "s", "--offset-file", "place", "--all"]).code(), 2);
}

#[test]
fn a_deleted_session_ends_its_followers() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let follower = env.command(&["stream", "s", "--follow=never"]).spawn();
    wait_until("the follower", || (!follower.lines().is_empty()).then_some(()));
    env.run(&["sessions", "delete", "s"]).expect(0);
    let output = follower.wait();
    assert_eq!(output.code(), 3, "{}", output.stderr);
}

#[test]
fn a_long_poll_returns_at_once_when_something_is_there() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let last = env.run(&["sessions", "show", "s"]).expect(0).object()["last_sequence"].to_string();
    let poll = env.command(&["events", "s", "--offset", &last, "--wait", "60s"]).spawn();
    let began = Instant::now();
    env.run(&["run", "-s", "s", "again"]).expect(0);
    assert!(!poll.wait().expect(0).lines().is_empty());
    assert!(began.elapsed() < Duration::from_secs(20));
    let nothing = env.run(&["events", "s", "--offset", "end", "--wait", "100ms"]).expect(0);
    assert!(nothing.text().is_empty());
}
