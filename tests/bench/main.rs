//! The numbers of the contract, measured on the program as its users run it:
//! `cargo bench --bench numbers [-- NAME… --quick --rounds N --plots FOLDER]`. What it prints is a page.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "the fences protect the product; a benchmark unwraps, prints, starts processes and reads the clock"
)]

mod actor;
mod agents;
mod burst;
mod clients;
mod curves;
mod desktop;
mod files;
mod follow;
mod history;
mod install;
mod machine;
mod pages;
mod plot;
mod process;
mod program;
mod replay;
mod served;
mod server;
mod start;
mod table;
mod upstream;
mod view;

/// What the tests have to drive the program with; a benchmark needs some of it, under the names that it goes by there.
#[path = ".."]
#[allow(dead_code, unused_imports, reason = "shared with the tests")]
mod shared {
    pub(crate) mod browser;
    pub(crate) mod checker;
    pub(crate) mod env;
    pub(crate) mod events;
    pub(crate) mod model;
    pub(crate) mod npm;
    pub(crate) mod real;
}

use history::History;
use plot::Plot;
use shared::{browser, checker, env, events, model, npm, real};
use std::path::PathBuf;
use std::process::ExitCode;

/// What can be measured by itself: its name, what it is, and how.
static PARTS: [Part; 15] = [
    ("start", "what one invocation costs", start::measure),
    ("burst", "a mock that is as fast as it can", burst::measure),
    ("replay", "a long session from the store, beside cat", replay::measure),
    ("sizes", "events a second by the size of an event", curves::sizes),
    ("lengths", "what a command costs by the length of its session", curves::lengths),
    ("pages", "ten events out of many", pages::measure),
    ("follow", "from one process's commit to another's stdout", follow::measure),
    ("fs", "the verbs of fs beside the usual tools", files::measure),
    ("proc", "managed processes beside bare tools", process::measure),
    ("desktop", "a desktop beside the tools of X", desktop::measure),
    ("view", "the live view of a desktop, in a browser", view::measure),
    ("server", "the second door under load", server::measure),
    ("upstream", "the server beside upstream's, with its SDK as client", upstream::measure),
    ("install", "install-agent beside npm; asks the registry", install::measure),
    ("agents", "the real agents with and without us", agents::measure),
];

type Part = (&'static str, &'static str, fn(&Effort, &History));

/// How much to measure.
pub(crate) struct Effort {
    quick: bool,
    rounds: Option<usize>,
    /// Where pictures go, if they are wanted.
    plots: Option<PathBuf>,
}

impl Effort {
    /// Shows a picture, if pictures are wanted.
    pub(crate) fn show(&self, plot: &Plot) {
        if let Some(folder) = &self.plots {
            plot.show(folder);
        }
    }

    /// The rounds asked for; else the usual number, or with `--quick` the other one.
    pub(crate) fn rounds(&self, usual: usize, quick: usize) -> usize {
        self.rounds.unwrap_or(self.pick(usual, quick))
    }

    /// A size: the usual one, or with `--quick` the other one.
    pub(crate) fn pick<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }
}

const HEAD: &str = "# Benchmarks

`cargo bench --bench numbers -- --plots docs/benchmarks > docs/benchmarks.md` writes this page; `--quick`, `--rounds N` and the names of parts
make it a shorter one. `SANDBOX_AGENT_MEASURED` names another program of ours than the one that cargo builds, such as the static one,
`SANDBOX_AGENT_UPSTREAM` the one of npm's `@sandbox-agent/cli-linux-x64`. What stands beside us was measured in the same rounds, in turn;
a ratio is the median of the rounds' own. Where many share a machine only ratios say something.
";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(actor::ROLE) {
        actor::play();
        return ExitCode::SUCCESS;
    }
    let mut effort = Effort { quick: false, rounds: None, plots: None };
    let mut names = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--quick" => effort.quick = true,
            "--rounds" => match arguments.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0) {
                Some(number) => effort.rounds = Some(number),
                None => return usage("--rounds wants a number"),
            },
            "--plots" => match arguments.next() {
                Some(folder) => effort.plots = Some(folder.into()),
                None => return usage("--plots wants a folder"),
            },
            name if PARTS.iter().any(|part| part.0 == name) => names.push(name.to_owned()),
            other => return usage(&format!("there is no `{other}`")),
        }
    }
    println!("{HEAD}");
    let before = machine::describe();
    let history = History::new(&effort);
    for (name, what, measure) in &PARTS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("{name}: {what}");
            table::head(name, what);
            measure(&effort, &history);
        }
    }
    before.afterwards();
    ExitCode::SUCCESS
}

fn usage(complaint: &str) -> ExitCode {
    eprintln!("error: {complaint}\nusage: cargo bench --bench numbers [-- NAME… --quick --rounds N --plots FOLDER]\n");
    for (name, what, _) in &PARTS {
        eprintln!("  {name:8} {what}");
    }
    ExitCode::from(2)
}
