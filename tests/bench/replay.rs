//! A long session read back, beside `cat` of the same bytes, both into a pipe and to the same reader.

use crate::Effort;
use crate::history::History;
use crate::program::{drain, ours, read_by, within};
use crate::table::{Row, Sample, per_second};
use std::fs;
use std::path::Path;

pub(crate) fn measure(effort: &Effort, history: &History) {
    let past = history.past();
    let file = past.file();
    let bytes = fs::metadata(&file).unwrap().len();
    let stream = || {
        let (read, cost) = read_by(&mut ours(&past.env, &["stream", "long"]), |stdout, _| drain(stdout));
        assert_eq!(read, bytes, "bytes that stream printed");
        cost.wall
    };
    let cat = || {
        let mut command = within(&past.env, Path::new("/bin/cat"));
        let (read, cost) = read_by(command.arg(&file), |stdout, _| drain(stdout));
        assert_eq!(read, bytes, "bytes that cat printed");
        cost.wall
    };
    // Both have their files in memory from now on.
    let _ = (stream(), cat());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds(9, 5) {
        // Each is the first in every other round.
        if round % 2 == 0 {
            ours.push(stream());
            theirs.push(cat());
        } else {
            theirs.push(cat());
            ours.push(stream());
        }
    }
    let speed = |times: &[f64]| Sample::new(times.iter().map(|time| bytes as f64 / time / 1000.0));
    let ratios = Sample::of_pairs(&ours, &theirs, |ours, theirs| theirs / ours);
    Row::new(
        "replay of the burst: `stream` to a pipe, events",
        &Sample::new(ours.iter().map(|time| past.long as f64 / time * 1000.0)),
        per_second,
    )
    .note(format!("{} MB", bytes / 1_000_000))
    .print();
    Row::new("the same, bytes", &speed(&ours), |speed| format!("{speed:.0} MB/s"))
        .beside("`cat`", &speed(&theirs), |speed| format!("{speed:.0} MB/s"))
        .ratio(&ratios)
        .asked("≥ 0.5 × `cat`", ratios.median() >= 0.5)
        .print();
}
