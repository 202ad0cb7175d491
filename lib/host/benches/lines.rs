//! How many lines a second we take apart: in memory, and from a real process through a unit. And how long a unit takes
//! to start, guard included.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and unwraps")]

use std::time::{Duration, Instant};

use host::lines::Lines;
use host::{Happening, Lock, Spec, Stop, Unit};

const COUNT: usize = 2_000_000;
const LENGTH: usize = 300;

fn main() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "__guard") {
        let code = host::guard::main(args);
        assert_eq!(code, 0);
        return;
    }
    let line = format!("{{\"type\":\"delta\",\"text\":\"{}\"}}\n", "x".repeat(LENGTH - 27));
    assert_eq!(line.len(), LENGTH);
    for _ in 0..3 {
        report("in memory", in_memory(line.as_bytes()));
        report("from a process", from_a_process(line.trim_end()));
    }
    let mut starts: Vec<Duration> = (0..101).map(|_| start()).collect();
    starts.sort();
    println!("start of a unit: p50 {:?}, p99 {:?}", starts[50], starts[99]);
}

fn in_memory(line: &[u8]) -> Duration {
    let source = line.repeat(4096);
    let begun = Instant::now();
    let (mut lines, mut taken, mut at) = (Lines::new(), 0, 0);
    while taken < COUNT {
        let space = lines.space();
        let count = space.len().min(source.len() - at);
        space[..count].copy_from_slice(&source[at..at + count]);
        at = (at + count) % source.len();
        lines.filled(count);
        while lines.line().is_some() {
            taken += 1;
        }
    }
    begun.elapsed()
}

fn from_a_process(line: &str) -> Duration {
    with_unit("sh", &["-c", &format!("yes '{line}' | head -n {COUNT}")], async |mut unit, begun| {
        let mut taken = 0;
        loop {
            match unit.next().await {
                Happening::Lines => {
                    while unit.line().is_some() {
                        taken += 1;
                    }
                }
                Happening::Stderr(_) => {}
                Happening::Exited(_) => break,
            }
        }
        let took = begun.elapsed();
        assert_eq!(taken, COUNT);
        unit.kill().await;
        took
    })
}

fn start() -> Duration {
    with_unit("true", &[], async |mut unit, begun| {
        let took = begun.elapsed();
        unit.kill().await;
        took
    })
}

fn with_unit(program: &str, args: &[&str], act: impl AsyncFnOnce(Unit, Instant) -> Duration) -> Duration {
    let place = tempfile::tempdir().unwrap();
    let lock = Lock::take(&place.path().join("lock")).unwrap().unwrap();
    let spec = Spec {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: host::env::all(),
        dir: place.path().into(),
        stop: Stop { eof: Duration::from_secs(1), term: Duration::from_secs(1) },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        act(Unit::spawn(&spec, &lock).unwrap(), begun).await
    })
}

fn report(name: &str, took: Duration) {
    println!("{name}: {:.2} million lines a second", COUNT as f64 / took.as_secs_f64() / 1e6);
}
