//! The hands with real small programs. One program plays all the parts: as our own binary does, it runs as its own guard.
//!
//! So it has a runner of its own, which speaks what `cargo test` and nextest speak. Each test has a process to itself: it
//! may have children, signals and an environment of its own.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the fences protect the product; a test unwraps, starts processes and prints"
)]

mod bell;
mod ending;
mod hired;
mod http;
mod ours;
mod play;
mod support;
mod unit;

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// A test: its name and what it does.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|first| first.to_str()) {
        Some("__guard") => return ExitCode::from(host::guard::main(args) as u8),
        Some("__keep") => return play::keep(),
        Some("__play") => return play::part(args.map(|arg| arg.into_string().unwrap()).collect()),
        _ => {}
    }
    let tests: Vec<Test> = [unit::TESTS, ending::TESTS, hired::TESTS, bell::TESTS, ours::TESTS, http::TESTS].concat();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    if flag("--list") {
        if !flag("--ignored") {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    let is_value = |at: usize| at > 0 && args[at - 1] == "--test-threads";
    let named = args.iter().enumerate().filter(|(at, arg)| !arg.starts_with('-') && !is_value(*at));
    let filters: Vec<&String> = named.map(|(_, arg)| arg).collect();
    let wanted = |name: &str| match flag("--exact") {
        true => filters.iter().any(|filter| *filter == name),
        false => filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())),
    };
    let chosen: Vec<Test> = tests.iter().filter(|(name, _)| wanted(name)).copied().collect();
    if let ([(_, test)], true) = (&chosen[..], flag("--exact")) {
        test();
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let failed = chosen.iter().filter(|(name, _)| !passes(name)).count();
    println!("\ntest result: {}. {} passed; {failed} failed", verdict(failed == 0), chosen.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

fn passes(name: &str) -> bool {
    let begun = Instant::now();
    let mut test = Command::new(std::env::current_exe().unwrap());
    let output = test.args(["--exact", name]).stdin(Stdio::null()).output().unwrap();
    println!("test {name} ... {} ({:.2} s)", verdict(output.status.success()), begun.elapsed().as_secs_f32());
    if !output.status.success() {
        println!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}
