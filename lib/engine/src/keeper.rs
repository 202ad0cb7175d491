//! An owner in the background: this binary once more, as `__keep run …`, which serves what waits for a session.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use host::clock;
use host::detach::{Streams, spawn_self};
use schema::outcome::ErrorCode;
use schema::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::Session;

use crate::error::Error;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::owner::MARK;
use crate::places::Places;

/// The hidden role whose processes a guard spares: owners of their own.
pub const ROLE: &str = "__keep";

/// A log above this begins anew: bytes.
const LOG: u64 = 1 << 20;

/// Starts an owner for what waits in a session's inbox, with the settings of its last run, and returns when it is there.
/// The values of variables are ours. `trusted`: we are that last run; for anybody else one that bypassed asks.
///
/// # Errors
/// What the owner says; one that is late because another was faster is no error.
pub fn start(store: &Path, session: &Session, env: &[(OsString, OsString)], trusted: bool) -> Result<(), Failure> {
    let words = [ROLE, "run", "--detach", "--from-inbox", "--session", &session.session_id, "--store"];
    let mut args: Vec<OsString> = words.iter().map(OsString::from).collect();
    args.push(store.into());
    args.extend(Kept::read(&session.settings).flags.iter().map(|flag| match flag.as_str() {
        "--permission-mode=bypass" if !trusted => "--permission-mode=ask".into(),
        flag => OsString::from(flag),
    }));
    match spawn(&args, env, None) {
        Ok(_) => Ok(()),
        Err(failure) if failure.code == ErrorCode::Busy => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// A session to be made. What is left out is what `run` would choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct New {
    /// Its name.
    pub session_id: Option<String>,
    /// Which agent, and which version of it.
    pub agent: Option<String>,
    /// The model, in the agent's words.
    pub model: Option<String>,
    /// The mode, in the agent's words.
    pub mode: Option<String>,
    /// The effort, in the agent's words.
    pub effort: Option<String>,
    /// How permissions are decided.
    pub permission_mode: Option<String>,
    /// Rules that allow, as `--allow` takes them.
    pub allow: Vec<String>,
    /// Rules that deny.
    pub deny: Vec<String>,
    /// Where it works.
    pub cwd: Option<String>,
    /// Files of MCP servers, as `--mcp` takes them.
    pub mcp: Vec<String>,
    /// Folders of skills.
    pub skills: Vec<String>,
    /// What its user attaches to it, as K=V.
    pub labels: Vec<String>,
    /// How long its agent is kept warm after a turn, as `--linger` takes it.
    pub linger: Option<String>,
    /// Store the agent's payloads.
    pub raw: bool,
}

/// Makes such a session in a store, without a prompt and by the same checks as `run --detach`. Nobody runs it afterwards.
pub type Create = fn(&Path, New) -> Result<Session, Failure>;

/// Starts ourselves in the background with these arguments, the first of them [`ROLE`], and gives the session's name once
/// it is held and the prompt recorded.
///
/// # Errors
/// What the background process says instead.
pub fn spawn(args: &[OsString], env: &[(OsString, OsString)], stdin: Option<File>) -> Result<String, Failure> {
    // An owner is nobody's child: what ends the session that we may be in must not end it.
    let env: Vec<_> = env.iter().filter(|(name, _)| name != MARK).cloned().collect();
    let (_pid, line) = spawn_self(args, &env, Streams { stdin, ..Streams::default() })?;
    if let Ok(Word { session_id }) = serde_json::from_str(&line) {
        return Ok(session_id);
    }
    Err(Failure::of_background(&line))
}

/// What this process, in the background, says on stderr goes to the session's log from here on; one of more than 1 MiB
/// begins anew.
///
/// # Errors
/// When the file cannot be written.
pub fn log_for(store: &Path, session: &Session) -> Result<(), Error> {
    let path = Places::beside(store).log(&session.uid);
    let failed = |source| Error::File { doing: "write", path: path.clone(), source };
    let mut file = host::private::file(&path)?;
    if file.seek(SeekFrom::End(0)).map_err(failed)? > LOG {
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    }
    // At once: a formatter writes each of its pieces for itself.
    let line = format!("{} owner {}\n", Timestamp(clock::now_ms()), std::process::id());
    file.write_all(line.as_bytes()).map_err(failed)?;
    host::detach::stderr_to(&file).map_err(failed)
}

/// What a session's background owners have said on stderr, as its file.
pub fn log_of(store: &Path, session: &Session) -> PathBuf {
    Places::beside(store).log(&session.uid)
}

/// What a background process says when it holds this session.
pub fn word(session_id: &str) -> String {
    serde_json::to_string(&Word { session_id: session_id.to_owned() }).expect("a name is JSON")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    session_id: String,
}
