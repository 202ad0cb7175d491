//! What one invocation costs: the process itself, and how soon a run says something.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::program::{Cost, drain, ours, read_by, since, timed, within};
use crate::table::{Row, Sample, ms};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) fn measure(effort: &Effort, _history: &History) {
    version(effort);
    first_event(effort);
}

fn version(effort: &Effort) {
    let env = TestEnv::new();
    let fixed = empty_program(&env, "fixed", &["-static"]);
    let dynamic = empty_program(&env, "dynamic", &[]);
    let rounds = effort.rounds(500, 50);
    let (mut our, mut least, mut usual) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        our.push(timed(&mut ours(&env, &["--version"])));
        if let Some(program) = &fixed {
            least.push(timed(&mut within(&env, program)));
        }
        if let Some(program) = &dynamic {
            usual.push(timed(&mut within(&env, program)));
        }
    }
    let cpu = Sample::new(our.iter().map(|cost| cost.cpu));
    let met = cpu.median() <= 1.0;
    beside(Row::new("`--version`, CPU", &cpu, ms), &our, &least, &usual, |cost| cost.cpu).asked("≤ 1 ms", met).print();
    let wall = Sample::new(our.iter().map(|cost| cost.wall));
    beside(Row::new("`--version`, wall", &wall, ms), &our, &least, &usual, |cost| cost.wall).print();
}

/// Compares with the empty programs, where they could be made.
fn beside(row: Row, our: &[Cost], least: &[Cost], usual: &[Cost], of: fn(&Cost) -> f64) -> Row {
    let all = |costs: &[Cost]| costs.iter().map(of).collect::<Vec<_>>();
    let mut notes = Vec::new();
    for (name, costs) in [("static", least), ("dynamic", usual)] {
        if !costs.is_empty() {
            notes.push(format!("{name} {}", ms(Sample::new(all(costs)).median())));
        }
    }
    let row = row.note(format!("an empty C program: {}", notes.join(", ")));
    let closest = if usual.is_empty() { least } else { usual };
    if closest.is_empty() {
        return row;
    }
    row.ratio(&Sample::of_pairs(&all(our), &all(closest), |ours, theirs| ours / theirs))
}

/// A program that does nothing. None where there is no C compiler, or no library of this kind.
fn empty_program(env: &TestEnv, name: &str, options: &[&str]) -> Option<PathBuf> {
    let source = env.write("empty.c", "int main(void) { return 0; }\n");
    let program = env.root().join(name);
    let mut compiler = Command::new("cc");
    compiler.arg("-O2").args(options).arg("-o").arg(&program).arg(source).stderr(Stdio::null());
    compiler.status().is_ok_and(|status| status.success()).then_some(program)
}

fn first_event(effort: &Effort) {
    let env = TestEnv::new();
    let arguments = ["run", "--agent", "mock", "hello"];
    // The store is made by the first one.
    let _ = hello(&mut ours(&env, &arguments));
    let rounds = effort.rounds(200, 20);
    let (mut first, mut whole, mut none, mut fresh) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (event, end) = hello(&mut ours(&env, &arguments));
        first.push(event);
        whole.push(end);
        none.push(timed(&mut ours(&env, &["--version"])).wall);
    }
    for _ in 0..rounds.div_ceil(5) {
        let env = TestEnv::new();
        fresh.push(hello(&mut ours(&env, &arguments)).0);
    }
    let sample = Sample::new(first.iter().copied());
    Row::new("first event of `run -a mock hello`, from the start of the process", &sample, ms)
        .beside("`--version`", &Sample::new(none.iter().copied()), ms)
        .ratio(&Sample::of_pairs(&first, &none, |ours, theirs| ours / theirs))
        .asked("≤ 10 ms", sample.median() <= 10.0)
        .print();
    let sample = Sample::new(fresh);
    Row::new("the same where the store has to be made", &sample, ms).asked("≤ 10 ms", sample.median() <= 10.0).print();
    Row::new("all of `run -a mock hello`, agent ended", &Sample::new(whole), ms).print();
}

/// Milliseconds from the start of the process to its first line, and to its end.
fn hello(command: &mut Command) -> (f64, f64) {
    let (first, cost) = read_by(command, |stdout, began| {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let first = since(began);
        assert!(line.contains("\"sequence\":1,"), "not a first event: {line}");
        drain(stdout);
        first
    });
    (first, cost.wall)
}
