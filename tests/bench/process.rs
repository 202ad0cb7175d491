//! Managed processes: what running one costs beside bare tools, how fast a log is written and followed, whom a flood disturbs.

use crate::Effort;
use crate::env::{TestEnv, wait_until};
use crate::history::History;
use crate::program::{Running, arrivals, cpu, ours, read_by, since, start, timed, within};
use crate::table::{Row, Sample, mib, ms, per_second, percent};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn measure(effort: &Effort, _history: &History) {
    once(effort);
    log(effort);
    followed(effort);
    beside_a_session(effort);
    idle(effort);
}

/// `proc run true` beside what runs it with less around it.
fn once(effort: &Effort) {
    let env = TestEnv::new();
    let words = |line: &'static [&'static str]| {
        let mut command = within(&env, Path::new(line[0]));
        command.args(&line[1..]);
        command
    };
    let peers: [(&str, &'static [&'static str]); 3] = [
        ("`sh -c true`", &["/bin/sh", "-c", "true"]),
        ("`timeout 30 true`", &["/usr/bin/timeout", "30", "true"]),
        ("`tini -s -- true`", &["/usr/bin/tini", "-s", "--", "true"]),
    ];
    let peers: Vec<_> = peers.into_iter().filter(|(_, line)| Path::new(line[0]).exists()).collect();
    let rounds = effort.rounds(300, 50);
    let (mut our, mut theirs) = (Vec::new(), vec![Vec::new(); peers.len()]);
    for _ in 0..rounds {
        our.push(timed(&mut ours(&env, &["proc", "run", "--", "true"])).wall);
        for ((_, line), times) in peers.iter().zip(&mut theirs) {
            times.push(timed(&mut words(line)).wall);
        }
    }
    let notes: Vec<String> = peers
        .iter()
        .zip(&theirs)
        .map(|((name, _), times)| format!("{name}: {}", ms(Sample::new(times.iter().copied()).median())))
        .collect();
    Row::new("`proc run -- true`", &Sample::new(our.iter().copied()), ms)
        .note(notes.join("; "))
        .ratio(&Sample::of_pairs(&our, &theirs[0], |ours, theirs| ours / theirs))
        .print();
}

/// A flood into the log, beside the same into a file.
fn log(effort: &Effort) {
    let env = TestEnv::new();
    let size = effort.pick(400_usize, 100) << 20;
    let line = "a line of output as a build prints it, with a path in it: src/main.rs:42\n";
    let text = env.write("text", line.repeat(size / line.len()));
    let bytes = fs::metadata(&text).unwrap().len();
    let keep = |round: usize| {
        let name = format!("log{round}");
        let began = Instant::now();
        let _ = env.run(&["proc", "start", "--name", &name, "--max-log", "4G", "--", "cat", "text"]).expect(0);
        let _ = env.run(&["proc", "wait", &name]).expect(0);
        let wall = since(began);
        let shown = env.run(&["proc", "show", &name]).expect(0).object();
        assert!(shown["log_bytes"].as_u64() >= Some(bytes), "{shown}");
        let _ = env.run(&["proc", "rm", &name]).expect(0);
        wall
    };
    let bare = || {
        let mut command = within(&env, Path::new("/bin/sh"));
        let wall = timed(command.args(["-c", "cat text | cat > copy"])).wall;
        fs::remove_file(env.work().join("copy")).unwrap();
        wall
    };
    let (mut our, mut theirs, mut bound) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.rounds(7, 3) {
        our.push(keep(round));
        theirs.push(bare());
        bound.push(bare_rows(&env, &text));
    }
    let speed = |times: &[f64]| Sample::new(times.iter().map(|time| bytes as f64 / time / 1000.0));
    let ratios = Sample::of_pairs(&our, &theirs, |ours, theirs| theirs / ours);
    Row::new(format!("{} MB into a log, start and end included", bytes / 1_000_000), &speed(&our), |speed| {
        format!("{speed:.0} MB/s")
    })
    .beside("`cmd \\| cat > file`", &speed(&theirs), |speed| format!("{speed:.0} MB/s"))
    .ratio(&ratios)
    .asked("≥ 0.5 ×", ratios.median() >= 0.5)
    .print();
    Row::new("the same pieces into a file of SQLite, and nothing else", &speed(&bound), |speed| {
        format!("{speed:.0} MB/s")
    })
    .note("the log beside it")
    .ratio(&Sample::of_pairs(&our, &bound, |ours, bound| bound / ours))
    .print();
    most_memory(&env, bytes);
    lines_on_both(effort);
}

/// What a log cannot be faster than: its pieces as rows, with the settings of `output.db`.
fn bare_rows(env: &TestEnv, text: &Path) -> f64 {
    let path = env.work().join("bare.db");
    let bytes = fs::read(text).unwrap();
    let began = Instant::now();
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    let settings = "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 1024;
        CREATE TABLE output(id INTEGER PRIMARY KEY, time INTEGER, kind INTEGER, data BLOB) STRICT";
    connection.execute_batch(settings).unwrap();
    for batch in bytes.chunks(512 << 10) {
        let transaction = connection.transaction().unwrap();
        for piece in batch.chunks(64 << 10) {
            transaction
                .prepare_cached("INSERT INTO output(time, kind, data) VALUES(1, 1, ?1)")
                .unwrap()
                .execute([piece])
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    connection.close().unwrap();
    let wall = since(began);
    fs::remove_file(path).unwrap();
    wall
}

/// What a keeper has in memory at most while its log is flooded.
fn most_memory(env: &TestEnv, bytes: u64) {
    let words = ["proc", "start", "--name", "m", "--max-log", "4G", "--", "sh", "-c", "cat text; sleep 1000"];
    let keeper = env.run(&words).expect(0).object()["keeper_pid"].as_u64().unwrap();
    wait_until("its log", || {
        (env.run(&["proc", "show", "m"]).expect(0).object()["log_bytes"].as_u64()? >= bytes).then_some(())
    });
    let status = fs::read_to_string(format!("/proc/{keeper}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: f64 = most.split_whitespace().next().unwrap().parse().unwrap();
    let _ = env.run(&["proc", "rm", "m", "--force"]).expect(0);
    Row::new("resident memory of its keeper, at most", &Sample::new([most / 1024.0]), mib).print();
}

/// Short lines on both streams at once.
fn lines_on_both(effort: &Effort) {
    let env = TestEnv::new();
    let count = effort.pick(1_000_000, 300_000);
    let script = format!("seq {count} & seq {count} >&2; wait");
    let mut speeds = Vec::new();
    for round in 0..effort.rounds(5, 2) {
        let name = format!("l{round}");
        let began = Instant::now();
        let _ = env.run(&["proc", "start", "--name", &name, "--max-log", "4G", "--", "bash", "-c", &script]).expect(0);
        let _ = env.run(&["proc", "wait", &name]).expect(0);
        speeds.push(f64::from(count) * 2.0 / since(began) * 1000.0);
        let lines = env.run(&["proc", "logs", &name, "--raw"]).expect(0).stdout;
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), count as usize * 2);
    }
    let speed = Sample::new(speeds);
    Row::new("lines on both streams at once (`seq`), none lost", &speed, per_second)
        .asked("≥ 100,000/s on each", speed.median() >= 200_000.0)
        .print();
}

/// From a program's write to a follower's stdout.
fn followed(effort: &Effort) {
    let env = TestEnv::new();
    let count = effort.pick(2000, 400);
    let script =
        format!("sleep 1; for i in {{1..{count}}}; do echo $EPOCHREALTIME; read -t 0.005 x <&3; done 3<> <(:)");
    let _ = env.run(&["proc", "start", "--name", "p", "--no-stdin", "--", "bash", "-c", &script]).expect(0);
    let (ages, _) = read_by(&mut ours(&env, &["proc", "logs", "p", "--follow", "--stream", "stdout"]), |stdout, _| {
        let mut ages = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let lines = line["text"].as_str().unwrap_or_default().lines();
            ages.extend(lines.map(|written| (now - written.parse::<f64>().unwrap()) * 1000.0));
        }
        ages
    });
    assert_eq!(ages.len(), count, "lines");
    let sample = Sample::new(ages);
    Row::new("a program's write → stdout of `logs --follow`, a line each 5 ms", &sample, ms)
        .note(format!("p99 {}", ms(sample.p99())))
        .asked("p50 ≤ 0.5 ms, p99 ≤ 5 ms", sample.median() <= 0.5 && sample.p99() <= 5.0)
        .print();
    env.wait_until_none_is_alive();
}

/// A session's events with and without a flood of output in the same store.
fn beside_a_session(effort: &Effort) {
    let env = TestEnv::new();
    let count = effort.pick(2000, 400);
    let run = |name: &str| {
        let prompt = format!("slow {count} 5");
        let mut command = ours(&env, &["run", "-a", "mock", "-s", name, &prompt]);
        let (lines, _) = read_by(&mut command, |stdout, _| arrivals(stdout));
        Sample::new(lines.iter().filter(|line| line.delta).map(|line| line.age))
    };
    let alone = run("alone");
    let flood = |env: &TestEnv, command: &[&str]| {
        let mut words = vec!["proc", "start", "--name", "flood", "--max-log", "64M", "--"];
        words.extend(command);
        let _ = env.run(&words).expect(0);
    };
    flood(&env, &["yes", "a line of output as a build prints it"]);
    let beside = run("beside");
    let _ = env.run(&["proc", "kill", "flood"]).expect(0);
    let _ = env.run(&["proc", "wait", "flood"]);
    // The same work for the processor, without a store.
    let mut busy = start(&mut within(&env, Path::new("/usr/bin/yes")));
    let processor = run("processor");
    busy.kill().unwrap();
    drop(busy);
    let both = |sample: &Sample| format!("p50 {}, p99 {}", ms(sample.median()), ms(sample.p99()));
    Row::new("a session's event → stdout of its run, beside a process that floods its log", &beside, ms)
        .note(format!(
            "p99 {}; alone: {}; beside `yes > /dev/null`: {}",
            ms(beside.p99()),
            both(&alone),
            both(&processor)
        ))
        .print();
}

/// What 200 owners cost that have nothing to do.
fn idle(effort: &Effort) {
    let env = TestEnv::new();
    let count = effort.pick(200, 50);
    let began = Instant::now();
    let starting: Vec<Running> =
        (0..count).map(|_| start(&mut ours(&env, &["proc", "start", "-q", "--", "sleep", "1000"]))).collect();
    starting.into_iter().for_each(Running::end);
    let wall = since(began);
    let keepers: Vec<u32> = env
        .run(&["proc", "list", "--status", "running"])
        .expect(0)
        .lines()
        .iter()
        .map(|line| line["keeper_pid"].as_u64().unwrap() as u32)
        .collect();
    assert_eq!(keepers.len(), count);
    let guards: Vec<u32> = env
        .alive()
        .iter()
        .filter(|process| process.command.contains("__guard"))
        .map(|process| process.pid as u32)
        .collect();
    std::thread::sleep(Duration::from_secs(5));
    for (name, pids) in [("keeper", &keepers), ("guard", &guards)] {
        let of = |key: &str| Sample::new(pids.iter().map(|pid| rolled(*pid, key)));
        let rss = of("Rss");
        Row::new(format!("resident memory of an idle {name}, {count} at once"), &rss, mib)
            .note(format!(
                "of its own: {}, its share of the rest: {}",
                mib(of("Pss_Anon").median()),
                mib(of("Pss_File").median())
            ))
            .asked("≤ 4 MB", rss.median() <= 4.0)
            .print();
    }
    let all = || keepers.iter().chain(&guards).map(|pid| cpu(*pid).unwrap_or_default()).sum::<f64>();
    let (before, began) = (all(), Instant::now());
    std::thread::sleep(Duration::from_secs(effort.pick(20, 5)));
    let share = (all() - before) / since(began) * 100.0 / count as f64;
    Row::new("CPU of an idle owner, keeper and guard", &Sample::new([share]), percent)
        .note(format!("{count} were started at once in {}", ms(wall)))
        .asked("0 %", share <= 0.01)
        .print();
    let mut killing = Vec::new();
    for line in env.run(&["proc", "list", "--status", "running"]).expect(0).lines() {
        killing.push(start(&mut silent(&env, &["proc", "kill", line["process_id"].as_str().unwrap()])));
    }
    killing.into_iter().for_each(Running::end);
    wait_until("the owners to leave", || env.alive().is_empty().then_some(()));
}

fn silent(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = ours(env, arguments);
    command.stdout(Stdio::null());
    command
}

/// A number of `/proc/PID/smaps_rollup`, in MiB.
fn rolled(pid: u32, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or("0");
    line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}
