//! Programs that behave badly, and keepers that are killed: the list tells the truth, and nothing is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::keep::{check_log, logs, show, start, stop_all, text, wait_for_text};
use crate::env::{TestEnv, rounds, wait_until};

/// Runs it to its end; nothing may be left.
fn ended(env: &TestEnv, name: &str, flags: &[&str], script: &str) -> serde_json::Value {
    let mut all = vec!["--name", name];
    all.extend(flags);
    start(env, &all, script);
    drop(env.run(&["proc", "wait", name]));
    wait_until("its keeper to leave", || env.alive().is_empty().then_some(()));
    let record = show(env, name);
    assert_eq!(record["status"], "exited", "{name}: {record}");
    let listed = env.run(&["proc", "list", "--status", "exited"]).expect(0).lines();
    assert!(listed.contains(&record), "{name}: {record} in {listed:?}");
    check_log(&logs(env, name));
    record
}

#[test]
fn everything_a_program_can_do() {
    let env = TestEnv::new();
    let double = "( (setsid sh -c 'trap \"\" TERM HUP; echo grandchild; sleep 100' &) & ); sleep 0.3; echo leader";
    assert_eq!(ended(&env, "double-fork", &[], double)["exit_code"], 0);
    assert!(text(&logs(&env, "double-fork"), "stdout").contains("grandchild"));
    assert_eq!(ended(&env, "closed-stdout", &[], "exec >&- 2>&-; exit 5")["exit_code"], 5);
    let after = "(trap '' HUP; sleep 0.05; echo late) & exit 0";
    ended(&env, "output-after-exit", &[], after);
    assert_eq!(text(&logs(&env, "output-after-exit"), "stdout"), "late\n");
    assert_eq!(ended(&env, "exec", &[], "exec bash -c 'exec sh -c \"exit 6\"'")["exit_code"], 6);
    assert_eq!(ended(&env, "zombie", &[], "sleep 0 & exec sleep 0.2")["exit_code"], 0);
    assert_eq!(ended(&env, "quick", &[], "exit 9")["exit_code"], 9);
    assert_eq!(ended(&env, "killed", &[], "kill -SEGV $$")["signal"], 11);
    assert_eq!(ended(&env, "binary", &[], "head -c 300000 /dev/urandom")["exit_code"], 0);
    assert_eq!(env.run(&["proc", "logs", "binary", "--raw"]).expect(0).stdout.len(), 300_000);
    ended(&env, "long-line", &[], "head -c 10000000 /dev/zero | tr '\\0' x; echo");
    let long = env.run(&["proc", "logs", "long-line", "--raw"]).expect(0);
    assert!(long.stdout.len() == 10_000_001 && long.stdout[..10_000_000].iter().all(|byte| *byte == b'x'));
}

#[test]
fn a_stopped_process_is_stopped() {
    let env = TestEnv::new();
    start(&env, &["--name", "p"], "echo up; sleep 100");
    wait_for_text(&env, "p", "up");
    env.run(&["proc", "kill", "p", "--signal", "STOP", "--all"]).expect(0);
    assert_eq!(show(&env, "p")["status"], "running");
    let stopped = env.run(&["proc", "stop", "p"]).expect(0).object();
    assert_eq!(stopped["signal"], 15, "{stopped}");
}

#[test]
fn a_flood_on_both_streams_loses_nothing() {
    let env = TestEnv::new();
    ended(&env, "flood", &["--max-log", "1G"], "seq 1 300000 & seq 300001 600000 >&2; wait");
    let lines = logs(&env, "flood");
    let wanted = |from: u32, to: u32| -> String { (from..=to).map(|number| format!("{number}\n")).collect() };
    assert!(text(&lines, "stdout") == wanted(1, 300_000));
    assert!(text(&lines, "stderr") == wanted(300_001, 600_000));
}

#[test]
fn a_flood_of_a_gigabyte_stays_within_its_bound() {
    let env = TestEnv::new();
    let size = if rounds(8) > 100 { "1G" } else { "100M" };
    ended_quietly(&env, &format!("head -c {size} /dev/zero"));
    let record = show(&env, "big");
    assert_eq!(record["exit_code"], 0, "{record}");
    assert!(record["log_bytes"].as_u64().unwrap() <= 8 << 20, "{record}");
    assert_eq!(env.run(&["proc", "logs", "big"]).expect(0).lines()[0]["type"], "gap");
}

fn ended_quietly(env: &TestEnv, script: &str) {
    start(env, &["--name", "big", "--max-log", "8M"], script);
    env.run(&["proc", "wait", "big", "--timeout", "50s"]).expect(0);
    wait_until("its keeper to leave", || env.alive().is_empty().then_some(()));
}

#[test]
fn a_fork_bomb_under_a_limit_is_ended() {
    let env = TestEnv::new();
    // The limit counts all of a user's processes, and root has none.
    let user = if geteuid().is_root() { vec!["--run-as", "3999:3999", "-C", "/"] } else { Vec::new() };
    let flags: Vec<&str> = ["--name", "bomb", "--processes", "60"].into_iter().chain(user).collect();
    start(&env, &flags, "b() { b | b & }; b; sleep 100");
    let killed = env.run(&["proc", "kill", "bomb"]).expect(0).object();
    assert_eq!(killed["status"], "exited", "{killed}");
    wait_until("the bomb to be gone", || env.alive().is_empty().then_some(()));
}

/// The keeper, its guard or both are killed at any moment.
#[test]
fn a_killed_keeper_leaves_the_truth_and_nothing_alive() {
    let env = TestEnv::new();
    for round in 0..rounds(8) {
        let name = format!("k{round}");
        let script = "setsid sleep 100 & i=0; while :; do i=$((i+1)); echo $i; done";
        let started = start(&env, &["--name", &name, "--max-log", "1G"], script);
        let keeper = Pid::from_raw(started["keeper_pid"].as_i64().unwrap() as i32);
        std::thread::sleep(std::time::Duration::from_millis((round as u64 * 37) % 120));
        if round % 2 == 1 {
            for process in env.alive().iter().filter(|process| process.command.contains("__guard")) {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
        }
        let _ = kill(keeper, Signal::SIGKILL);
        wait_until("the end to be told", || {
            let record = show(&env, &name);
            (record["status"] == "exited").then_some(record)
        });
        let lines = logs(&env, &name);
        check_log(&lines);
        let counted: String = text(&lines, "stdout");
        let whole = counted.rfind('\n').map_or("", |end| &counted[..=end]);
        assert!(whole.lines().enumerate().all(|(index, line)| line == (index + 1).to_string()), "{name}");
        wait_until("everything to end", || env.alive().is_empty().then_some(()));
    }
}

#[test]
fn many_at_once() {
    let env = TestEnv::new();
    let count = if rounds(8) > 100 { 200 } else { 24 };
    let names: Vec<String> = (0..count).map(|number| format!("m{number}")).collect();
    let starting: Vec<_> = names
        .iter()
        .map(|name| env.command(&["proc", "start", "--name", name, "--", "sh", "-c", "echo up; sleep 1000"]).spawn())
        .collect();
    for starter in starting {
        starter.wait().expect(0);
    }
    let all = env.run(&["proc", "list", "--status", "running"]).expect(0).lines();
    assert_eq!(all.len(), count);
    for process in &all {
        let id = process["process_id"].as_str().unwrap();
        wait_until("its first line", || (text(&logs(&env, id), "stdout") == "up\n").then_some(()));
    }
    // What an owner has for itself while it does nothing, and what of the program it keeps in memory: the benchmark
    // has the figures of a release.
    for process in env.alive().iter().filter(|process| process.command.contains("__")) {
        wait_until("its memory to be given back", || {
            let (own, all) = (rolled(process.pid, "Pss_Anon:"), rolled(process.pid, "Rss:"));
            (own < 2500 && all < 8000).then_some(())
        });
    }
    stop_all(&env);
    assert_eq!(env.run(&["proc", "list", "--status", "exited"]).expect(0).lines().len(), count);
    env.wait_until_none_is_alive();
}

/// A number of `/proc/PID/smaps_rollup`, in KiB.
fn rolled(pid: i32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
