//! A short program run to its end, for what it prints.

use std::time::Duration;

use crate::{Error, Happening, Line, Lock, Spec, Unit};

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Captured {
    /// Its exit code; none where a signal ended it or it took too long.
    pub code: Option<i32>,
    /// Its standard output, at most 1 MiB.
    pub stdout: String,
    /// The end of its standard error, at most 8 KiB.
    pub stderr: String,
    /// It was ended because it took longer than it was given.
    pub late: bool,
}

/// Runs a program below a guard, which holds `lock` too, with an empty input. Not to be called where a tokio runtime runs.
///
/// # Errors
/// As [`Unit::spawn`].
pub fn capture(spec: &Spec, lock: &Lock, patience: Duration) -> Result<Captured, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::System { action: "wait for a program", source })?;
    runtime.block_on(run(spec, lock, patience))
}

async fn run(spec: &Spec, lock: &Lock, patience: Duration) -> Result<Captured, Error> {
    let mut unit = Unit::spawn(spec, lock)?;
    unit.close_input();
    let mut stdout = String::new();
    let end = tokio::time::timeout(patience, async {
        loop {
            match unit.next().await {
                Happening::Lines => take(&mut unit, &mut stdout),
                Happening::Stderr(_) => {}
                Happening::Exited(exit) => return exit,
            }
        }
    });
    let (exit, late) = match end.await {
        Ok(exit) => (exit, false),
        Err(_) => (unit.kill().await, true),
    };
    take(&mut unit, &mut stdout);
    // Whatever it left behind goes with it.
    unit.kill().await;
    Ok(Captured { code: exit.code.filter(|_| !late), stdout, stderr: exit.stderr, late })
}

fn take(unit: &mut Unit, text: &mut String) {
    while let Some(line) = unit.line() {
        if text.len() < 1 << 20 {
            match line {
                Line::Whole(line) => text.push_str(line),
                Line::Lossy(line) => text.push_str(&line),
                Line::Cut { head, .. } => text.push_str(&head),
            }
            text.push('\n');
        }
    }
}
