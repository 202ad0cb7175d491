//! What the figures were measured on, and who else was busy there meanwhile.

use crate::program::{interpreter, measured};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::process::{Command, Stdio};

/// The machine as it was before anything was measured.
pub(crate) struct Machine {
    busy: Option<Busy>,
    ours: f64,
}

/// Time of all processors since the start of the machine, in ticks.
struct Busy {
    all: f64,
    idle: f64,
    stolen: f64,
}

/// Prints what the machine is.
pub(crate) fn describe() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let memory = read("/proc/meminfo");
    let memory: f64 = memory.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let bytes = fs::metadata(measured()).unwrap().len() as f64;
    let linked = if interpreter(&measured()) { "dynamic" } else { "static" };
    println!("- processor: {cores} × {}, {:.0} GiB of memory", model.unwrap_or("unknown"), memory / 1_048_576.0);
    println!("- kernel: {}", read("/proc/sys/kernel/osrelease").trim());
    println!("- load before: {}", load());
    println!("- program: {:.1} MB, {linked}", bytes / 1e6);
    println!("- beside it: {}", peers());
    Machine { busy: busy(), ours: ours() }
}

impl Machine {
    /// Prints how busy the machine was with other things.
    pub(crate) fn afterwards(self) {
        println!();
        println!("- load after: {}", load());
        if let (Some(before), Some(after)) = (self.busy, busy()) {
            let all = after.all - before.all;
            let used = all - (after.idle - before.idle) - (after.stolen - before.stolen);
            // A tick is 10 ms for whoever reads it.
            let ours = (ours() - self.ours) * 100.0;
            let part = |ticks: f64| ticks.max(0.0) / all * 100.0;
            println!(
                "- all processors meanwhile: {:.0} % this benchmark, {:.0} % other processes, {:.0} % stolen by other machines",
                part(ours),
                part(used - ours),
                part(after.stolen - before.stolen)
            );
        }
    }
}

/// The versions of what is measured beside us, as far as it is here.
fn peers() -> String {
    let upstream = std::env::var("SANDBOX_AGENT_UPSTREAM").unwrap_or_default();
    let programs = [
        ("cat", "--version"),
        ("find", "--version"),
        ("tar", "--version"),
        ("rg", "--version"),
        ("xdotool", "version"),
        ("scrot", "--version"),
        ("maim", "--version"),
        ("import", "-version"),
        ("xclip", "-version"),
        ("node", "--version"),
        ("npm", "--version"),
        (upstream.as_str(), "--version"),
    ];
    let version = |(program, word): (&str, &str)| {
        let output = Command::new(program).arg(word).stdin(Stdio::null()).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let number = said.split_whitespace().map(|word| word.trim_start_matches('v'));
        let number = number.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let name = if program == upstream { "upstream's sandbox-agent" } else { program };
        Some(format!("{name} {}", number.trim_end_matches(',')))
    };
    programs.into_iter().filter_map(version).collect::<Vec<_>>().join(", ")
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn busy() -> Option<Busy> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; what guests use is counted in user already.
    Some(Busy { all: ticks.iter().take(8).sum(), idle: ticks.get(3)? + ticks.get(4)?, stolen: *ticks.get(7)? })
}

/// CPU seconds of this process and of all that it has waited for.
fn ours() -> f64 {
    let seconds = |who| {
        let usage = getrusage(who).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6
    };
    seconds(UsageWho::RUSAGE_SELF) + seconds(UsageWho::RUSAGE_CHILDREN)
}
