//! How a run ends that somebody ends: signals, time, process 1, what agents leave behind.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::env::{Running, TestEnv, program, wait_until};
use crate::events::{judged, judged_whole};

fn hanging(env: &TestEnv, script: &str) -> Running {
    let mut run = env.command(&["run", "-a", "mock", "-s", "s", script]).spawn();
    run.wait_for("a text", |event| event["type"] == "item.delta");
    run
}

#[test]
fn each_signal_ends_the_turn_and_is_seen_by_the_shell() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let env = TestEnv::new();
        let run = hanging(&env, "hang");
        let began = Instant::now();
        run.signal(signal);
        let output = run.wait();
        assert_eq!(output.signal(), Some(signal), "{}", output.stderr);
        assert!(began.elapsed() < Duration::from_secs(7));
        let events = judged(&env, &output);
        let end = &events.last().unwrap()["data"];
        assert_eq!((end["outcome"].as_str(), end["exit_code"].as_i64()), (Some("cancelled"), Some(code)));
        assert!(output.stderr.contains("cancelling"), "it says so at once: {}", output.stderr);
    }
}

#[test]
fn an_agent_that_hears_nothing_is_ended_all_the_same() {
    let env = TestEnv::new();
    let run = hanging(&env, "deaf");
    let began = Instant::now();
    run.ctrl_c();
    let output = run.wait();
    assert_eq!(output.signal(), Some(Signal::SIGINT));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    judged(&env, &output);
}

#[test]
fn a_second_ctrl_c_kills() {
    let env = TestEnv::new();
    let run = hanging(&env, "deaf");
    run.ctrl_c();
    // Two signals that are both waiting count as one.
    wait_until("its word", || run.stderr().contains("cancelling").then_some(()));
    let began = Instant::now();
    run.ctrl_c();
    let output = run.wait();
    assert_eq!(output.signal(), Some(Signal::SIGINT));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    judged(&env, &output);
}

#[test]
fn hang_up_is_not_heard_below_nohup() {
    let env = TestEnv::new();
    let program = program();
    let mut run = env
        .program(Path::new("/usr/bin/nohup"))
        .args(&[program, "run", "-a", "mock", "-s", "s", "slow 100 10"])
        .spawn();
    run.wait_for("a text", |event| event["type"] == "item.delta");
    run.signal(Signal::SIGHUP);
    let output = run.wait().expect(0);
    judged(&env, &output);
}

#[test]
fn stopped_and_continued() {
    let env = TestEnv::new();
    let mut run = env.command(&["run", "-a", "mock", "-s", "s", "slow 100 5"]).spawn();
    run.wait_for("a text", |event| event["type"] == "item.delta");
    run.signal(Signal::SIGSTOP);
    run.signal(Signal::SIGCONT);
    let output = run.wait().expect(0);
    judged(&env, &output);
}

#[test]
fn a_timeout_and_silence_say_which_they_were() {
    for (flags, script, reason) in
        [(["--timeout", "300ms"], "slow 10000 10", "timeout"), (["--idle-timeout", "300ms"], "hang", "idle_timeout")]
    {
        let env = TestEnv::new();
        let mut words = vec!["run", "-a", "mock", "-s", "s"];
        words.extend(flags);
        words.push(script);
        let output = env.run(&words).expect(124);
        let events = judged(&env, &output);
        assert_eq!(events.last().unwrap()["data"]["stop_reason"], reason);
    }
}

#[test]
fn an_agent_that_never_stops_to_speak_hides_no_timeout() {
    let env = TestEnv::new();
    let words = ["run", "-a", "mock", "-s", "s", "--timeout", "300ms", "burst 1000000000"];
    let output = env.run(&words).expect(124);
    let last = output.lines().pop().unwrap();
    assert_eq!(last["data"]["stop_reason"], "timeout");
    assert!(last["data"]["duration_ms"].as_u64().unwrap() < 10_000, "{last}");
}

#[test]
fn silence_while_a_request_is_open_is_no_silence() {
    let env = TestEnv::new();
    let output = env.run(&["run", "-a", "mock", "-s", "s", "--idle-timeout", "5s", "permission"]).expect(5);
    judged(&env, &output);
}

#[test]
fn what_an_agent_leaves_behind_is_ended() {
    let env = TestEnv::new();
    let output = env.run(&["run", "-a", "mock", "-s", "s", "orphan 5"]).expect(0);
    judged(&env, &output);
}

#[test]
fn as_process_1_term_ends_it() {
    let env = TestEnv::new();
    let program = program();
    let mut run = env
        .program(Path::new("/usr/bin/unshare"))
        .args(&["--pid", "--fork", "--mount-proc", "--kill-child=KILL", program])
        .args(&["run", "-a", "mock", "-s", "s", "hang"])
        .spawn();
    run.wait_for("a text", |event| event["type"] == "item.delta");
    let inside = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", run.pid())).unwrap();
    let inside: i32 = inside.split_whitespace().next().unwrap().parse().unwrap();
    let began = Instant::now();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(inside), Signal::SIGTERM).unwrap();
    let output = run.wait();
    assert_eq!(output.code(), 143, "{}", output.stderr);
    assert!(began.elapsed() < Duration::from_secs(7));
    judged_whole(&env, "s");
}

#[test]
fn a_background_job_of_a_script_does_not_hear_ctrl_c() {
    let env = TestEnv::new();
    let program = program();
    // The shell has the job ignore the signal before it becomes our program: then something is printed.
    let line = format!(
        "{program} run -a mock -s s 'slow 50 10' > out & until [ -s out ]; do :; done
         kill -INT $!; wait $!; code=$?; cat out; exit $code"
    );
    let output = env.program(Path::new("/bin/sh")).args(&["-c", &line]).run().expect(0);
    judged(&env, &output);
}
