//! What an agent offers, by its own word, and kept for an hour.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::registry;
use schema::record::{AgentRecord, OfferRecord};
use schema::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::inquiry::{Inquired, inquire};

/// For how long an answer is good.
const FRESH: Duration = Duration::from_secs(3600);

/// An answer, and whose it is.
#[derive(Serialize, Deserialize)]
struct Kept {
    program: String,
    version: Option<String>,
    cwd: String,
    asked_ms: i64,
    said: OfferRecord,
}

/// What an agent offers in this directory, by its own word, now or within the last hour; nothing where it is not here or
/// has no way to say.
///
/// # Errors
/// Why it could not be asked, or what it said instead.
pub fn offered(
    record: &AgentRecord,
    refresh: bool,
    env: Vec<(OsString, OsString)>,
    client_version: &str,
) -> Result<Option<OfferRecord>, Failure> {
    let (Some(agent), Some(program)) = (registry::driver(&record.agent), &record.program) else { return Ok(None) };
    let cache = host::paths::cache()?;
    let path = place(&cache, &record.agent);
    let cwd = std::env::current_dir().unwrap_or_default().display().to_string();
    let kept = read(&path);
    let now = host::clock::now_ms();
    let is_fresh = |kept: &Kept| {
        let age = now - kept.asked_ms;
        (&kept.program, &kept.version, &kept.cwd) == (program, &record.version, &cwd)
            && u128::try_from(age).is_ok_and(|age| age < FRESH.as_millis())
    };
    if let Some(kept) = kept.filter(|kept| !refresh && is_fresh(kept)) {
        return Ok(Some(kept.said));
    }
    let client_version = client_version.to_owned();
    let asked = Inquired { agent, program: Path::new(program), env, cwd: cwd.clone(), client_version };
    let Some(offer) = inquire(asked, &cache.join("asking"))?.map_err(|fault| {
        Failure::new(fault.code, format!("{} does not say what it offers: {}", record.title, fault.message))
    })?
    else {
        return Ok(None);
    };
    let said = OfferRecord { asked: Timestamp(now).to_string(), offer };
    let kept = Kept { program: program.clone(), version: record.version.clone(), cwd, asked_ms: now, said };
    let text = serde_json::to_string(&kept).expect("a record is JSON");
    // Asking again is the only price of a cache that cannot be written.
    if let Err(error) = keep(&path, &text) {
        log::debug!("the offer is not kept: {}", crate::session::chain(&error));
    }
    Ok(Some(kept.said))
}

/// What an agent said when it was asked last, however long ago.
pub fn known(agent: &str) -> Option<OfferRecord> {
    read(&place(&host::paths::cache().ok()?, agent)).map(|kept| kept.said)
}

fn place(cache: &Path, agent: &str) -> PathBuf {
    cache.join("offers").join(format!("{agent}.json"))
}

/// One that cannot be read is one that is not there: it is asked for again.
fn read(path: &Path) -> Option<Kept> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn keep(path: &Path, text: &str) -> Result<(), host::Error> {
    if let Some(folder) = path.parent() {
        host::private::directory(folder)?;
    }
    let mut file = host::private::file(path)?;
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(|source| host::Error::File {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
