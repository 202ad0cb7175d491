//! The native conversation as a file, for debugging.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use host::clock;

use super::Run;
use crate::error::Error;

/// The native conversation, both ways, with the values of secret variables masked.
pub(super) struct Trace {
    file: File,
    began: Instant,
    secrets: Vec<String>,
}

impl Trace {
    pub(super) fn open(path: &Path, run: &Run) -> Result<Trace, Error> {
        let file = host::private::file(path)?;
        let secrets = run
            .env
            .iter()
            .filter(|(name, value)| {
                let name = name.to_string_lossy().to_ascii_uppercase();
                value.len() >= 8 && ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word))
            })
            .map(|(_, value)| value.to_string_lossy().into_owned())
            .chain(run.secrets.iter().filter(|secret| secret.len() >= 8).cloned())
            .collect();
        Ok(Trace { file, began: clock::monotonic(), secrets })
    }

    pub(super) fn write(&mut self, dir: &str, line: &str) {
        let mut line = line.to_owned();
        for secret in &self.secrets {
            line = line.replace(secret.as_str(), "***");
        }
        let t_ms = self.began.elapsed().as_micros() as f64 / 1000.0;
        let row = serde_json::json!({ "dir": dir, "t_ms": t_ms, "line": line });
        // A trace is for debugging: a full disk must not end the run.
        if let Err(error) = writeln!(self.file, "{row}") {
            log::warn!("the trace is incomplete: {error}");
        }
    }
}
