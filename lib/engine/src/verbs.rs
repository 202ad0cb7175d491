//! What every door does with a session: find, tell, prompt, answer, cancel, end and delete it.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use schema::control::{Answer, Ask, Cancel, Control, End, Reply, Set};
use schema::event::{Body, EndReason, SessionEnded, TerminatedBy};
use schema::outcome::ErrorCode;
use schema::record::{DeletedRecord, SessionRecord};
use schema::time::Timestamp;
use store::{Access, RequestState, Session, Settings, Store, Sync};

use crate::error::Error;
use crate::failure::Failure;
use crate::follow::{open_if_there, resolution, status_of};
use crate::kept::Kept;
use crate::owner::{Owned, end_owner, is_owned, mend};
use crate::post::Post;
use crate::session::inbox::cannot;

/// Longer than an agent gets to end its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session by its whole name; its owner's missing end is written first.
///
/// # Errors
/// [`Error::NoSession`], and what the store says.
pub fn find(path: &Path, name: &str) -> Result<Session, Error> {
    let gone = || Error::NoSession(name.escape_debug().to_string());
    let store = open_if_there(path)?.ok_or_else(gone)?;
    let session = store.session(name)?.ok_or_else(gone)?;
    drop(store);
    mend(path, session)
}

/// A session as it is told: what it says of itself, and whether somebody really runs it.
///
/// # Errors
/// What the store says.
pub fn record(store: &Store, session: &Session) -> Result<SessionRecord, Error> {
    let word = |text: &str| serde_json::Value::from(text);
    Ok(SessionRecord {
        session_id: session.session_id.clone(),
        title: session.title.clone(),
        agent: session.agent.clone(),
        cwd: session.cwd.clone(),
        status: status_of(store, session)?,
        outcome: session.outcome.as_deref().and_then(|outcome| serde_json::from_value(word(outcome)).ok()),
        exit_code: session.exit_code,
        last_sequence: session.last_sequence,
        pending: pending(session),
        native_session_id: session.native_session_id.clone(),
        model: session.model.clone(),
        mode: session.mode.clone(),
        permission_mode: session.permission_mode.clone(),
        created: Timestamp(session.created).to_string(),
        updated: Timestamp(session.updated).to_string(),
        turns: session.turns,
        usage: session.usage.as_deref().and_then(|usage| serde_json::from_str(usage).ok()),
        cost_usd: session.cost_usd,
        labels: serde_json::from_str(&session.labels).unwrap_or_default(),
        parent_session: session.parent_session.clone(),
    })
}

/// The ids of the requests that are open.
pub fn pending(session: &Session) -> Vec<String> {
    serde_json::from_str(&session.pending).unwrap_or_default()
}

/// A prompt that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id, found again in `turn.started` and `turn.ended`.
    pub prompt_id: String,
    /// The number of its request.
    pub request: i64,
}

/// Queues a prompt, or steers the running turn with it, and makes sure that an owner sees it, who gets these variables. `sync`
/// is for the prompt: who does not wait for its turn is to find it after a power cut too.
///
/// # Errors
/// What is refused at once, as a steering that the agent cannot do; why no owner could be started.
pub fn send(
    path: &Path,
    session: Session,
    mut ask: Ask,
    env: &[(OsString, OsString)],
    sync: Sync,
) -> Result<Sent, Failure> {
    let prompt_id = ask.id.get_or_insert_with(schema::ids::prompt).clone();
    let mut post = Post::new(path, session, &Control::Prompt(ask), sync)?;
    post.see_to(env)?;
    if let Some((RequestState::Refused, reply)) = post.settled()?
        && let Some(error) = reply.error
    {
        return Err(Failure::new(error.code, error.message));
    }
    Ok(Sent { prompt_id, request: post.id() })
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It was applied; the event that says so has this sequence, where one followed.
    Now(Option<i64>),
    /// The request was resolved before, by this event.
    Before(i64),
}

/// Answers an open request, and returns when the answer was applied.
///
/// # Errors
/// An answer that does not fit the request, or a request that never was.
pub fn answer(path: &Path, session: Session, answer: Answer) -> Result<Answered, Failure> {
    let request_id = answer.request_id.clone();
    if pending(&session).contains(&request_id) {
        let mut post = Post::new(path, session.clone(), &Control::Answer(answer), Sync::Deltas)?;
        match post.settle(None)? {
            Some((RequestState::Done, reply)) => return Ok(Answered::Now(reply.sequence)),
            Some((_, reply)) => match reply.error {
                Some(error) if error.code != ErrorCode::NotFound && error.code != ErrorCode::NotDelivered => {
                    return Err(Failure::new(error.code, error.message));
                }
                Some(_) | None => {}
            },
            None => {}
        }
    }
    let session = find(path, &session.session_id)?;
    let store = Store::open(path, Access::Read)?;
    resolution(&store, &session, &request_id)?.map(Answered::Before).ok_or_else(|| {
        let message =
            format!("failed to find request `{}` in session `{}`", request_id.escape_debug(), session.session_id);
        Failure::new(ErrorCode::NotFound, message)
            .hint(format!("`sandbox-agent sessions show {}` names what is open", session.session_id))
    })
}

/// Interrupts the running turn, and returns its id when it has ended; nothing where none runs.
///
/// # Errors
/// [`ErrorCode::Timeout`] when the agent does not end its turn.
pub fn cancel(path: &Path, session: Session, kill: bool) -> Result<Option<String>, Failure> {
    let session_id = session.session_id.clone();
    if session.status == "ended" {
        return Ok(None);
    }
    let until = Instant::now() + PATIENCE;
    let mut post = Post::new(path, session, &Control::Cancel(Cancel { kill }), Sync::Deltas)?;
    let turn_id = post.settle(Some(until))?.and_then(|(_, reply)| reply.turn_id);
    if let Some(turn_id) = &turn_id
        && !post.turn_has_ended(turn_id, until)?
    {
        let message = format!("failed to cancel: the turn of `{session_id}` has not ended yet");
        return Err(Failure::new(ErrorCode::Timeout, message).hint("`cancel --kill` ends the agent's process"));
    }
    Ok(turn_id)
}

/// Lets whoever runs a session end once nothing waits, instead of keeping its agent warm.
///
/// # Errors
/// What the store says.
pub fn release(path: &Path, session: Session) -> Result<(), Failure> {
    if session.status != "ended" {
        let mut post = Post::new(path, session, &Control::End(End {}), Sync::Deltas)?;
        post.settle(Some(Instant::now() + PATIENCE))?;
    }
    Ok(())
}

/// Changes settings: through whoever runs the session, else in what it keeps for its next run.
///
/// # Errors
/// What the agent cannot or does not take; [`ErrorCode::Timeout`] when it does not say.
pub fn set(path: &Path, session: Session, set: &Set) -> Result<(), Failure> {
    let no = session.no;
    if let Some(card) = agents::registry::find(&session.agent).map(agents::agent::Agent::card)
        && let Some(what) = cannot(card, set)
    {
        return Err(Failure::usage(format!("failed to set {what}")));
    }
    let until = Instant::now() + PATIENCE;
    let mut post = Post::new(path, session.clone(), &Control::Set(set.clone()), Sync::Deltas)?;
    match post.settle(Some(until))? {
        Some((RequestState::Refused, Reply { error: Some(error), .. })) => {
            return Err(Failure::new(error.code, error.message));
        }
        Some((RequestState::Done, _)) => return Ok(()),
        Some(_) => {}
        None if post.withdraw()? => {}
        None => {}
    }
    let store = Store::open(path, Access::Read)?;
    let now = store.session_by_no(no)?.ok_or_else(|| Error::NoSession(session.session_id.clone()))?;
    drop(store);
    if is_owned(path, &now)? {
        let message = format!("failed to set it: the agent of `{}` has not answered yet", session.session_id);
        return Err(Failure::new(ErrorCode::Timeout, message));
    }
    keep(path, &now, &|kept| {
        for (place, value) in
            [(&mut kept.model, &set.model), (&mut kept.mode, &set.mode), (&mut kept.effort, &set.effort)]
        {
            if value.is_some() {
                place.clone_from(value);
            }
        }
        if let Some(mode) = set.permission_mode {
            kept.set_permission_mode(mode);
        }
    })
}

/// Changes what a session that nobody runs keeps for its next run.
///
/// # Errors
/// [`Error::Busy`].
pub fn keep(path: &Path, session: &Session, change: &dyn Fn(&mut Kept)) -> Result<(), Failure> {
    let mut owned = Owned::take_briefly(Store::open(path, Access::Write)?, session)?;
    let mut kept = Kept::read(&owned.session().settings);
    change(&mut kept);
    let settings = Settings {
        model: kept.model.as_deref(),
        mode: kept.mode.as_deref(),
        effort: kept.effort.as_deref(),
        permission_mode: kept.permission_mode(),
        settings: Some(&kept.write()),
        ..Settings::default()
    };
    let no = owned.session().no;
    let kept = owned.store().update(no, &settings);
    owned.leave()?;
    Ok(kept?)
}

/// Closes a session that nobody runs for good; its events stay.
///
/// # Errors
/// [`Error::Ended`], [`Error::Busy`].
pub fn end(store: Store, session: &Session) -> Result<(), Error> {
    let mut owned = Owned::take_briefly(store, session)?;
    if owned.session().status == "ended" {
        let id = owned.session().session_id.clone();
        owned.leave()?;
        return Err(Error::Ended(id));
    }
    owned.record(&Body::SessionEnded(SessionEnded {
        reason: EndReason::Terminated,
        terminated_by: TerminatedBy::User,
        message: None,
    }))?;
    owned.leave()
}

/// Deletes a session with all its events; with `force` whoever runs it is ended first.
///
/// # Errors
/// [`ErrorCode::Busy`] without `force`.
pub fn delete(store: Store, session: &Session, force: bool) -> Result<DeletedRecord, Failure> {
    if force {
        end_owner(store.path(), session)?;
    }
    let owned = Owned::take_briefly(store, session).map_err(|error| {
        let failure = Failure::from(error);
        if failure.code == ErrorCode::Busy { failure.hint("`delete --force` cancels it first") } else { failure }
    })?;
    let session = owned.session();
    let record = DeletedRecord { session_id: session.session_id.clone(), deleted: true, events: session.last_sequence };
    owned.delete()?;
    Ok(record)
}
