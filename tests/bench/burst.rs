//! The mock as fast as it can: how many events a second are stored and printed, with how much memory, and none lost.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::program::{Tally, Use, ours, since, start, tally, watched};
use crate::table::{Row, Sample, grouped, mib, microseconds, per_second};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub(crate) fn measure(effort: &Effort, history: &History) {
    let count = history.deltas;
    let (mut piped, mut thrown) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds(3, 2) {
        eprintln!("  round {}", round + 1);
        piped.push(run(count, true));
        thrown.push(run(count, false));
    }
    let rates = |rounds: &[Round]| rounds.iter().map(|round| round.rate).collect::<Vec<_>>();
    let (to_pipe, to_nothing) = (rates(&piped), rates(&thrown));
    let sample = Sample::new(to_pipe.iter().copied());
    let what =
        format!("burst of {} events of 300 bytes, stored and printed to a pipe, none lost", grouped(count as f64));
    Row::new(what, &sample, per_second)
        .beside("stdout `/dev/null`", &Sample::new(to_nothing.iter().copied()), per_second)
        .ratio(&Sample::of_pairs(&to_pipe, &to_nothing, |pipe, nothing| pipe / nothing))
        .asked("≥ 150,000/s", sample.median() >= 150_000.0)
        .print();
    let peaks = Sample::new(piped.iter().map(|round| round.used.peak));
    Row::new("memory of its owner, at the most", &peaks, mib)
        .beside("stdout `/dev/null`", &Sample::new(thrown.iter().map(|round| round.used.peak)), mib)
        .asked("≤ 20 MB", peaks.median() * 1.048_576 <= 20.0)
        .print();
    let each = |round: &Round| round.used.cpu * 1000.0 / count as f64;
    Row::new("CPU of its owner, an event", &Sample::new(piped.iter().map(each)), microseconds)
        .beside("stdout `/dev/null`", &Sample::new(thrown.iter().map(each)), microseconds)
        .print();
}

struct Round {
    /// Events a second from the start of the process to its end.
    rate: f64,
    used: Use,
}

/// One burst into a store of its own.
fn run(count: u64, piped: bool) -> Round {
    let env = TestEnv::new();
    let prompt = format!("burst {count} 300");
    let mut command = ours(&env, &["run", "-a", "mock", "-s", "burst", &prompt]);
    let began = Instant::now();
    let mut running = start(command.stdout(if piped { Stdio::piped() } else { Stdio::null() }));
    let (stdout, pid, stop) = (running.stdout.take(), running.id(), AtomicBool::new(false));
    let (printed, used, seconds) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watched(pid, &stop));
        let printed = stdout.map(tally);
        running.end();
        let seconds = since(began) / 1000.0;
        stop.store(true, Ordering::Relaxed);
        (printed, watch.join().unwrap(), seconds)
    });
    let stored = stored(&env);
    if let Some(Tally { events, deltas, .. }) = printed {
        assert_eq!((events, deltas), (stored, count), "events printed and stored, deltas printed and sent");
    }
    // Besides the deltas a session has a handful of events.
    assert!((0..100).contains(&(stored - i64::try_from(count).unwrap())), "{stored} events are stored of {count}");
    Round { rate: stored as f64 / seconds, used }
}

/// How many events the session has, as its last one says.
fn stored(env: &TestEnv) -> i64 {
    let last = env.run(&["events", "burst", "--reverse", "--limit", "1"]).expect(0).object();
    assert_eq!(last["type"], "turn.ended", "the last event: {last}");
    last["sequence"].as_i64().unwrap_or_else(|| panic!("no sequence: {last}"))
}
