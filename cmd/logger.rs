//! What we say about ourselves on stderr, with `-v`, `-vv` or SANDBOX_AGENT_LOG.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::out;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' talk is not about us.
        ["engine", "host", "store", "agents", "install", "files", "server", "sandbox_agent"]
            .iter()
            .any(|ours| metadata.target().starts_with(ours))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let word = match record.level() {
                Level::Error => "error",
                Level::Warn => "warning",
                Level::Info | Level::Debug | Level::Trace => "note",
            };
            out::complain(&format!("{word}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// Sets the level: warnings always, `-v` what we do, `-vv` also what the agent says on stderr.
pub(crate) fn begin(verbosity: u8) {
    let named = host::env::var(host::env::Name::Log).and_then(|level| level.to_str()?.parse().ok());
    let level = match verbosity {
        0 => named.unwrap_or(LevelFilter::Warn),
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    };
    // Only the second of two calls in one process could fail.
    let _ = log::set_logger(&Stderr);
    log::set_max_level(level);
}
