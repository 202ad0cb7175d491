//! A long session read back, beside `cat` of the same bytes, both into a pipe and to the same reader.

use crate::Effort;
use crate::history::{History, Past};
use crate::program::{drain, ours, read_by, tally, within};
use crate::table::{Row, Sample, per_second};
use std::fs;
use std::path::Path;
use std::process::Command;

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
    looked_at(effort, past, &file);
}

/// The same, where the reader looks at each line, as whoever needs the events does.
fn looked_at(effort: &Effort, past: &Past, file: &Path) {
    let timed = |mut command: Command| {
        let (read, cost) = read_by(&mut command, |stdout, _| tally(stdout));
        assert_eq!(read.events, past.long, "events");
        past.long as f64 / cost.wall * 1000.0
    };
    let (mut our, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds(5, 3) {
        our.push(timed(ours(&past.env, &["stream", "long"])));
        let mut cat = within(&past.env, Path::new("/bin/cat"));
        cat.arg(file);
        theirs.push(timed(cat));
    }
    Row::new("the same to a reader that checks each line's number", &Sample::new(our.iter().copied()), per_second)
        .beside("`cat`", &Sample::new(theirs.iter().copied()), per_second)
        .ratio(&Sample::of_pairs(&our, &theirs, |ours, theirs| ours / theirs))
        .print();
}
