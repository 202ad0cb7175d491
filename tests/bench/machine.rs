//! What the figures were measured on, and who else was busy there meanwhile.

use crate::program::{interpreter, measured};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;

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
    println!();
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
