//! Asks an agent what it offers: starts it, has its inquiry, ends it. No session, no prompt, no model.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use agents::agent::{Agent, Job};
use agents::dialect::{Fault, Input};
use agents::offer::Told;
use host::{Line, Lock, Unit};
use schema::event::PermissionMode;
use schema::ids;
use schema::outcome::ErrorCode;
use schema::record::Offer;

use crate::error::Error;
use crate::peer::{Peer, Word};
use crate::places::Places;
use crate::session::spec;
use crate::turn::describe_exit;

/// How long an agent may take to say it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whom to ask.
pub struct Inquired<'a> {
    /// Which agent.
    pub agent: &'a dyn Agent,
    /// Its program.
    pub program: &'a Path,
    /// Its environment, complete.
    pub env: Vec<(OsString, OsString)>,
    /// Where it works: what it offers may depend on the directory's configuration.
    pub cwd: String,
    /// The version of this program.
    pub client_version: String,
}

/// What an agent offers, by its own word; nothing where it has no way to say. `beside`: what is needed meanwhile lies beside this path, as beside a store.
///
/// # Errors
/// [`Error`] when it cannot be started; the inner one is what it says instead of an answer.
pub fn inquire(asked: Inquired<'_>, beside: &Path) -> Result<Result<Option<Offer>, Fault>, Error> {
    let places = Places::beside(beside);
    if let Some(parent) = beside.parent() {
        host::private::directory(parent)?;
    }
    places.make()?;
    let uid = ids::unique();
    let lock = Lock::take(&places.lock(&uid))?.ok_or_else(|| Error::Busy { session: uid.clone(), owner: None })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::File {
        doing: "start a runtime for",
        path: asked.program.to_owned(),
        source,
    })?;
    let result = runtime.block_on(converse(&asked, &places, &uid, &lock));
    drop(lock);
    places.remove(&uid);
    result
}

async fn converse(
    asked: &Inquired<'_>,
    places: &Places,
    uid: &str,
    lock: &Lock,
) -> Result<Result<Option<Offer>, Fault>, Error> {
    let job = Job {
        session_id: uid.to_owned(),
        cwd: asked.cwd.clone(),
        model: None,
        mode: None,
        effort: None,
        permission_mode: PermissionMode::Ask,
        must_ask: false,
        max_turns: None,
        resume: None,
        folder: places.folder(uid).to_string_lossy().into_owned(),
        secret: host::secret::new()?,
        api_key: None,
        mcp: Vec::new(),
        skills: Vec::new(),
        agent_args: Vec::new(),
        client_version: asked.client_version.clone(),
    };
    let Some(mut inquiry) = asked.agent.inquiry(&job) else { return Ok(Ok(None)) };
    let launch = asked.agent.launch(&job);
    places.lay_out(uid, &launch.files, &launch.links)?;
    let wire = launch.wire.clone();
    let spec = spec(asked.program, &asked.env, &job, launch, (uid, uid));
    let mut peer = Peer::new(Unit::spawn(&spec, lock)?, wire);
    let mut told = Vec::new();
    inquiry.step(Input::Opened, &mut told);
    let answer = async {
        loop {
            for told in told.drain(..) {
                match told {
                    Told::Say(line) => peer.unit.say(&line),
                    Told::Ask(ask) => peer.ask(&ask),
                    Told::Offered(offer) => return Ok(Some(offer)),
                    Told::Failed(fault) => return Err(fault),
                }
            }
            match peer.next().await {
                Word::Lines => {
                    while let Some(line) = peer.line() {
                        if let Line::Whole(line) = line {
                            inquiry.step(Input::Line(line), &mut told);
                        }
                    }
                }
                Word::Answer(answer) => {
                    let tag = agents::dialect::Tag(answer.tag);
                    inquiry.step(Input::Reply { tag, status: answer.status, body: &answer.body }, &mut told);
                }
                Word::Lost | Word::Aside(_) => {}
                Word::Exited(exit) => {
                    let exit = agents::dialect::Exit { code: exit.code, signal: exit.signal, stderr: exit.stderr };
                    let message = describe_exit(asked.agent.card().title, &exit);
                    return Err(Fault::new(ErrorCode::Crash, message));
                }
            }
        }
    };
    let answer = match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let message = format!("{} did not say what it offers within {PATIENCE:?}", asked.agent.card().title);
            Err(Fault::new(ErrorCode::Timeout, message))
        }
    };
    peer.unit.stop().await;
    Ok(answer)
}
