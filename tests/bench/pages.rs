//! Ten events from anywhere in a short and in a long session, the start of the process included.

use crate::Effort;
use crate::history::History;
use crate::program::{ours, read_by, timed};
use crate::table::{Row, Sample, grouped, ms};
use std::io::{BufRead, BufReader};

pub(crate) fn measure(effort: &Effort, history: &History) {
    let past = history.past();
    let mut random = 1_u64;
    let mut page = |session: &str, events: i64| {
        // Knuth's constants; its upper bits are random enough.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let offset = i64::try_from(random >> 33).unwrap() % (events - 10);
        let arguments = ["events", session, "--offset", &offset.to_string(), "--limit", "10"];
        let (lines, cost) = read_by(&mut ours(&past.env, &arguments), |stdout, _| {
            BufReader::new(stdout).lines().map(Result::unwrap).collect::<Vec<_>>()
        });
        assert_eq!(lines.len(), 10, "lines after {offset}");
        let first = format!("\"sequence\":{},", offset + 1);
        assert!(lines[0].contains(&first), "after {offset} comes {}", lines[0]);
        cost.wall
    };
    let (mut short, mut long, mut none) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds(300, 50) {
        short.push(page("short", past.short));
        long.push(page("long", past.long));
        none.push(timed(&mut ours(&past.env, &["--version"])).wall);
    }
    for (times, events) in [(short, past.short), (long, past.long)] {
        let sample = Sample::new(times.iter().copied());
        Row::new(format!("`events --offset N --limit 10` of {}", grouped(events as f64)), &sample, ms)
            .beside("`--version`", &Sample::new(none.iter().copied()), ms)
            .ratio(&Sample::of_pairs(&times, &none, |ours, theirs| ours / theirs))
            .asked("≤ 5 ms", sample.median() <= 5.0)
            .print();
    }
}
