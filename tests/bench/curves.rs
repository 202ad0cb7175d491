//! What a curve says better than a row: speed by the size of events, and the cost of a session by its length.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::{History, lines};
use crate::plot::{Curve, Names, Plot};
use crate::program::{drain, ours, read_by, tally, timed, within};
use crate::table::{Row, Sample, grouped, ms, per_second};
use std::path::Path;

/// Events a second by the bytes that an event says.
pub(crate) fn sizes(effort: &Effort, _history: &History) {
    let (mut written, mut read, mut copied) = (Vec::new(), Vec::new(), Vec::new());
    for size in [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000] {
        let count = (effort.pick(100_000_000, 10_000_000) / (size + 300)).clamp(500, 200_000) as u64;
        eprintln!("  {count} events of {size} bytes");
        let env = TestEnv::new();
        let prompt = format!("burst {count} {size}");
        let run = |name: &str| {
            let mut run = ours(&env, &["run", "-a", "mock", "-s", name, &prompt]);
            let (tally, cost) = read_by(&mut run, |stdout, _| tally(stdout));
            assert_eq!(tally.deltas, count, "deltas that came");
            tally.events as f64 / cost.wall * 1000.0
        };
        let rounds = effort.rounds(5, 3);
        let speeds = Sample::new((0..rounds).map(|round| run(&round.to_string())));
        let (file, events) = lines(&env, "0");
        let events = events as f64;
        let again = |mut command: std::process::Command| {
            events / read_by(&mut command, |stdout, _| drain(stdout)).1.wall * 1000.0
        };
        let replays = Sample::new((0..rounds).map(|_| again(ours(&env, &["stream", "0"]))));
        let cats = Sample::new((0..rounds).map(|_| {
            let mut cat = within(&env, Path::new("/bin/cat"));
            cat.arg(&file);
            again(cat)
        }));
        let x = f64::from(size);
        written.push((x, speeds.median()));
        read.push((x, replays.median()));
        copied.push((x, cats.median()));
        Row::new(
            format!("`run` of a mock that says {} bytes an event, stored and printed", grouped(x)),
            &speeds,
            per_second,
        )
        .note(format!(
            "`stream` of it: {}; `cat` of its lines: {}",
            per_second(replays.median()),
            per_second(cats.median())
        ))
        .print();
    }
    effort.show(&Plot {
        title: "Events a second by the size of an event",
        file: "sizes",
        across: "bytes an event says (its line has about 300 more)",
        up: "events/s",
        names: Names::LowerLeft,
        curves: vec![
            Curve { name: "run: stored, then printed".into(), points: written },
            Curve { name: "stream: read back".into(), points: read },
            Curve { name: "cat of the same lines".into(), points: copied },
        ],
    });
}

/// What the usual commands cost on a session, by how many events it has.
pub(crate) fn lengths(effort: &Effort, _history: &History) {
    let env = TestEnv::new();
    let (mut last, mut rest, mut turn, mut search) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for length in [100_u32, 1_000, 10_000, 100_000, 1_000_000] {
        if effort.pick(false, length > 100_000) {
            continue;
        }
        eprintln!("  a session of {length} events");
        let name = format!("of-{length}");
        let prompt = format!("burst {length} 300");
        timed(&mut ours(&env, &["run", "-a", "mock", "-s", &name, &prompt]));
        let (file, events) = lines(&env, &name);
        let offset = (events - 10).to_string();
        let rounds = effort.rounds(15, 5);
        let of = |arguments: &[&str]| {
            let sample = Sample::new((0..rounds).map(|_| timed(&mut ours(&env, arguments)).wall));
            (sample.median(), sample)
        };
        let (x, pattern) = (f64::from(length), format!("\"sequence\":{offset},"));
        let (latest, _) = of(&["events", &name, "--reverse", "--limit", "10"]);
        let (resumed, sample) = of(&["stream", &name, "--offset", &offset]);
        let found = Sample::new((0..rounds).map(|_| {
            let mut grep = within(&env, Path::new("/bin/grep"));
            timed(grep.args(["--fixed-strings", "--after-context=10", &pattern]).arg(&file)).wall
        }));
        let (again, _) = of(&["run", "-s", &name, "hello"]);
        last.push((x, latest));
        rest.push((x, resumed));
        turn.push((x, again));
        search.push((x, found.median()));
        Row::new(format!("`stream --offset`, ten events after the first {}", grouped(x)), &sample, ms)
            .note(format!(
                "`events --reverse --limit 10`: {}; a turn of the mock: {}; `grep` in a file of its lines: {}",
                ms(latest),
                ms(again),
                ms(found.median())
            ))
            .print();
    }
    effort.show(&Plot {
        title: "What a command costs by the length of its session",
        file: "lengths",
        across: "events that the session has",
        up: "ms, start of the process included",
        names: Names::LowerRight,
        curves: vec![
            Curve { name: "run: one more turn".into(), points: turn },
            Curve { name: "stream --offset, ten events".into(), points: rest },
            Curve { name: "events --reverse --limit 10".into(), points: last },
            Curve { name: "grep in a file of its lines".into(), points: search },
        ],
    });
}
