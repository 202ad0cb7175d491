//! Following: how long after it was recorded an event comes out of another process, and what waiting costs.

use crate::Effort;
use crate::env::{TestEnv, wait_until};
use crate::history::History;
use crate::program::{Arrival, Running, arrivals, cpu, ours, since, start, tally};
use crate::table::{Row, Sample, ms, percent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn measure(effort: &Effort, _history: &History) {
    for (followers, pause, count) in
        [(1, 5, effort.pick(2000, 400)), (10, 5, effort.pick(2000, 400)), (1, 1, effort.pick(5000, 1000))]
    {
        latency(followers, pause, count);
    }
    crowd(effort.pick(8, 2));
    idle(effort);
    keeper(effort);
}

/// Milliseconds at the beginning that do not count: the followers may only just have found the session.
const SETTLE: u64 = 500;

fn latency(followers: usize, pause: u64, count: usize) {
    eprintln!("  {followers} following, an event each {pause} ms");
    let env = TestEnv::new();
    let mut followers: Vec<_> = (0..followers)
        .map(|_| start(ours(&env, &["stream", "followed", "--follow", "--wait", "60s"]).stdout(Stdio::piped())))
        .collect();
    let settle = usize::try_from(SETTLE / pause).unwrap();
    let prompt = format!("slow {} {pause}", count + settle);
    let mut run = start(ours(&env, &["run", "-a", "mock", "-s", "followed", &prompt]).stdout(Stdio::piped()));
    let stop = AtomicBool::new(false);
    let (printed, followed, late) = std::thread::scope(|scope| {
        let late = scope.spawn(|| late(&stop));
        let read = |running: &mut Running| {
            let stdout = running.stdout.take().unwrap();
            scope.spawn(|| arrivals(stdout))
        };
        let followed: Vec<_> = followers.iter_mut().map(read).collect();
        let printed = read(&mut run).join().unwrap();
        let followed: Vec<_> = followed.into_iter().map(|thread| thread.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        (printed, followed, late.join().unwrap())
    });
    run.end();
    followers.into_iter().for_each(Running::end);
    let deltas: Vec<Arrival> = printed.iter().filter(|arrival| arrival.delta).skip(settle).copied().collect();
    assert_eq!(deltas.len(), count, "deltas that the run printed");
    let (mut after_event, mut after_run) = (Vec::new(), Vec::new());
    for follower in &followed {
        assert!(follower.iter().map(|line| line.sequence).eq(1..=printed.len() as i64), "a follower's sequence");
        for delta in &deltas {
            let line = &follower[delta.sequence as usize - 1];
            after_event.push(line.age);
            after_run.push(signed(line.at, delta.at));
        }
    }
    let own = Sample::new(deltas.iter().map(|delta| delta.age));
    let sample = Sample::new(after_event);
    let what = format!("event → stdout of a follower, {} following, an event each {pause} ms", followed.len());
    let note = [("→ stdout of the run itself", &own), ("lateness of a sleep here meanwhile", &late)];
    let note = note.map(|(what, sample)| format!("{what}: {}, p99 {}", ms(sample.median()), ms(sample.p99())));
    Row::new(what, &sample, ms)
        .note(note.join("; "))
        .asked("p50 ≤ 0.5 ms, p99 ≤ 5 ms", sample.median() <= 0.5 && sample.p99() <= 5.0)
        .print();
    Row::new("the same, after the run's own stdout", &Sample::new(after_run), ms).print();
}

/// Many people on one session: five send prompts, fifty follow.
fn crowd(prompts: usize) {
    const FOLLOWERS: usize = 50;
    const SENDERS: usize = 5;
    eprintln!("  {FOLLOWERS} following, {SENDERS} sending");
    let env = TestEnv::new();
    let _ = env.run(&["run", "-a", "mock", "-s", "shared", "--detach", "--linger", "1s", "slow 100 5"]).expect(0);
    let follow = || start(ours(&env, &["stream", "shared", "--follow=ended"]).stdout(Stdio::piped()));
    let mut followers: Vec<Running> = (0..FOLLOWERS).map(|_| follow()).collect();
    let followed = std::thread::scope(|scope| {
        let read = |running: &mut Running| {
            let stdout = running.stdout.take().unwrap();
            scope.spawn(|| arrivals(stdout))
        };
        let followed: Vec<_> = followers.iter_mut().map(read).collect();
        for user in 0..SENDERS {
            let env = &env;
            scope.spawn(move || {
                for _ in 0..prompts {
                    let user = format!("u{user}");
                    let _ = env.run(&["send", "shared", "--user", &user, "slow 20 10"]).expect(0);
                }
            });
        }
        // It ends when everybody was served and the owner has left.
        wait_until("the last turn", || {
            let ended = env.run(&["sessions", "show", "shared"]).object()["turns"].as_u64();
            (ended == Some((SENDERS * prompts + 1) as u64)).then_some(())
        });
        wait_until("the end of the session", || (env.run(&["sessions", "end", "shared"]).code() == 0).then_some(()));
        followed.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    followers.into_iter().for_each(Running::end);
    let lines = followed[0].len();
    let mut ages = Vec::new();
    for follower in &followed {
        assert!(follower.iter().map(|line| line.sequence).eq(1..=lines as i64), "a follower's sequence");
        // What was written while they were started does not count.
        ages.extend(follower.iter().skip(110).map(|line| line.age));
    }
    let sample = Sample::new(ages);
    Row::new(format!("event → stdout of a follower, {FOLLOWERS} following, {SENDERS} sending"), &sample, ms)
        .note(format!("{lines} events, each follower's bytes in one order"))
        .print();
}

/// What an owner in the background uses that waits for work.
fn keeper(effort: &Effort) {
    let env = TestEnv::new();
    let _ = env.run(&["run", "-a", "mock", "-s", "warm", "--detach", "--linger", "10m", "hello"]).expect(0);
    let _ = env.run(&["wait", "warm", "--for", "idle"]).expect(0);
    let owner = env.alive().into_iter().find(|one| one.command.contains("__keep")).unwrap();
    let owner = u32::try_from(owner.pid).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let span = Duration::from_secs(effort.pick(60, 5));
    let before = cpu(owner).unwrap();
    let began = Instant::now();
    std::thread::sleep(span);
    let share = (cpu(owner).unwrap() - before) / (began.elapsed().as_secs_f64() * 1000.0) * 100.0;
    Row::new(
        format!("CPU of a background owner without work, over {} s", span.as_secs()),
        &Sample::new([share]),
        percent,
    )
    .asked("≤ 0.05 %", share <= 0.05)
    .print();
    kill(Pid::from_raw(owner as i32), Signal::SIGTERM).unwrap();
    env.wait_until_none_is_alive();
}

/// How late the machine wakes somebody who sleeps, in milliseconds: no follower can be better than that.
pub(crate) fn late(stop: &AtomicBool) -> Sample {
    let mut late = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(2));
        late.push(since(began) - 2.0);
    }
    Sample::new(late)
}

/// Milliseconds from `began` to `at`, negative when it is the other way round.
fn signed(at: Instant, began: Instant) -> f64 {
    match at.checked_duration_since(began) {
        Some(time) => time.as_secs_f64() * 1000.0,
        None => -(began - at).as_secs_f64() * 1000.0,
    }
}

/// What a follower uses while nothing happens: of a session that is idle, and of a run that is silent.
fn idle(effort: &Effort) {
    let env = TestEnv::new();
    let _ = env.run(&["run", "-a", "mock", "-s", "resting", "hello"]).expect(0);
    let mut silent = start(ours(&env, &["run", "-a", "mock", "-s", "silent", "hang"]).stdout(Stdio::piped()));
    let stdout = silent.stdout.take().unwrap();
    let reader = std::thread::spawn(move || tally(stdout));
    let follow = |session: &str| {
        let arguments = ["stream", session, "--follow=never"];
        start(&mut ours(&env, &arguments))
    };
    wait_until("the silent run", || (env.run(&["events", "silent", "--limit", "1"]).code() == 0).then_some(()));
    let followers = [("an idle session", follow("resting")), ("a silent run", follow("silent"))];
    std::thread::sleep(Duration::from_secs(1));
    let span = Duration::from_secs(effort.pick(10, 3));
    let before = followers.each_ref().map(|(_, follower)| cpu(follower.id()).unwrap());
    let began = Instant::now();
    std::thread::sleep(span);
    let after = followers.each_ref().map(|(_, follower)| cpu(follower.id()).unwrap());
    let seconds = began.elapsed().as_secs_f64();
    for ((what, follower), (before, after)) in followers.into_iter().zip(before.into_iter().zip(after)) {
        let share = (after - before) / (seconds * 1000.0) * 100.0;
        Row::new(format!("CPU of a follower of {what}, over {} s", span.as_secs()), &Sample::new([share]), percent)
            .asked("≤ 0.05 %", share <= 0.05)
            .print();
        drop(follower);
    }
    interrupt(silent);
    reader.join().unwrap();
}

fn interrupt(mut running: Running) {
    kill(Pid::from_raw(running.id() as i32), Signal::SIGTERM).unwrap();
    running.wait().unwrap();
}
