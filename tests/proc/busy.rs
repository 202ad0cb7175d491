//! A steady stream of output, a reader that does not read, a disk without room: none of them holds up what has a deadline.

use std::path::Path;
use std::time::Duration;

use super::keep::{check_log, logs, show, start, stop_all, text, wait_for_text};
use crate::env::{TestEnv, program, wait_until};

#[test]
fn a_flood_holds_up_no_deadline() {
    let env = TestEnv::new();
    start(&env, &["--name", "f", "--max-log", "4M"], "trap '' TERM; exec yes");
    wait_until("its log to be full", || (show(&env, "f")["log_bytes"].as_i64() > Some(3 << 20)).then_some(()));
    env.run(&["proc", "wait", "f", "--log", "never printed", "--timeout", "500ms"]).expect(124);
    env.run(&["proc", "wait", "f", "--timeout", "500ms"]).expect(124);
    env.run(&["proc", "wait", "f", "--command", "sleep 100", "--timeout", "500ms"]).expect(124);
    // What is stored now, though the process prints faster than this is read.
    let slow = "import sys, time\nwhile sys.stdin.buffer.read(65536): time.sleep(0.02)";
    let pipe = format!("set -o pipefail; {} proc logs f | python3 -c '{slow}'", program());
    env.program(Path::new("/bin/bash")).args(&["-c", &pipe]).run().expect(0);
    let stopped = env.run(&["proc", "stop", "f", "--grace", "300ms"]).expect(0).object();
    assert_eq!((&stopped["signal"], &stopped["reason"]), (&9.into(), &"stopped".into()), "{stopped}");
    env.wait_until_none_is_alive();
}

#[test]
fn a_reader_that_does_not_read_holds_up_no_timeout() {
    let env = TestEnv::new();
    let reader = "(until [ -e go ]; do sleep 0.05; done; tail -n 1)";
    let pipe = format!("{} proc run --stream --timeout 1s -- yes | {reader}", program());
    let running = env.program(Path::new("/bin/bash")).args(&["-c", &pipe]).spawn();
    let is_there = |env: &TestEnv| env.alive().iter().any(|process| process.command == "yes");
    wait_until("the program to run", || is_there(&env).then_some(()));
    wait_until("its timeout", || (!is_there(&env)).then_some(()));
    env.write("go", "");
    let result = running.wait().expect(0).object();
    assert_eq!((&result["type"], &result["timed_out"]), (&"result".into(), &true.into()), "{result}");
    env.wait_until_none_is_alive();
}

/// What cannot be stored for longer than an idle keeper keeps its file open (2 s) waits.
#[test]
fn a_log_that_cannot_be_written_loses_nothing() {
    let env = TestEnv::new();
    let script = "echo one; until [ -e go ]; do sleep 0.05; done; echo two; sleep 100";
    let keeper = start(&env, &["--name", "p"], script)["keeper_pid"].as_i64().unwrap();
    wait_for_text(&env, "p", "one");
    let file = env.store().with_file_name("output.db");
    wait_until("its keeper to close the file", || {
        let open = std::fs::read_dir(format!("/proc/{keeper}/fd")).unwrap();
        let mut open = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        (!open.any(|path| path == file)).then_some(())
    });
    let away = file.with_extension("away");
    std::fs::rename(&file, &away).unwrap();
    std::fs::create_dir(&file).unwrap();
    env.write("go", "");
    // Nothing shows that it tries in vain.
    std::thread::sleep(Duration::from_millis(3500));
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&away, &file).unwrap();
    wait_for_text(&env, "p", "two");
    stop_all(&env);
    let lines = logs(&env, "p");
    check_log(&lines);
    assert_eq!(text(&lines, "stdout"), "one\ntwo\n");
    assert_eq!(show(&env, "p")["status"], "exited");
    env.wait_until_none_is_alive();
}
