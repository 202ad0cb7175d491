//! A prompt that waits its turn with another owner: followed to the end of that turn, taken back or cancelled by our signals.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use host::bell::Watch;
use host::signals::{Caught, Signals};
use schema::control::{Cancel, Control, Reply};
use schema::event::TurnEnded;
use schema::outcome::{ErrorCode, Outcome};
use store::{RequestState, Select, Session, Store, Sync};

use crate::error::Error;
use crate::failure::Failure;
use crate::follow::{Chunk, Filter, Reader, open_if_there};
use crate::owner::mend;
use crate::places::Places;
use crate::post::Post;
use crate::session::RunEnd;

/// Every sleep ends with a look: watches are silent on some file systems.
const LOOK: Duration = Duration::from_secs(1);

/// Follows a posted prompt: its events go to `show`, which says whether somebody still reads. Before it is given to the agent,
/// a signal or a reader that leaves takes it back; after that, a signal cancels its turn, and a reader that leaves does nothing.
///
/// # Errors
/// What the store says, and why the prompt was refused or lost.
pub fn follow_prompt(
    path: &Path,
    session: Session,
    post: Post,
    filter: &Filter,
    stdout: OwnedFd,
    show: &mut dyn FnMut(Chunk) -> bool,
) -> Result<RunEnd, Failure> {
    let failed = |source| Error::File { doing: "start a runtime for", path: path.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let gone = || Error::NoSession(session.session_id.clone());
        let store = open_if_there(path)?.ok_or_else(gone)?;
        let mut follower = Follower {
            path,
            store,
            session: session.clone(),
            post: Some(post),
            turn: None,
            reader: Reader::new(filter, 0),
            signal: None,
        };
        follower.follow(stdout, show).await
    })
}

struct Follower<'a> {
    path: &'a Path,
    store: Store,
    session: Session,
    /// Until it is settled.
    post: Option<Post>,
    /// The turn that the prompt got, and where its events begin.
    turn: Option<(String, i64)>,
    reader: Reader<'a>,
    signal: Option<Caught>,
}

impl Follower<'_> {
    async fn follow(&mut self, stdout: OwnedFd, show: &mut dyn FnMut(Chunk) -> bool) -> Result<RunEnd, Failure> {
        let mut signals = Signals::new()?;
        let mut watch = Watch::new(&[Places::beside(self.path).bell(&self.session.uid)]);
        let mut reader_gone = std::pin::pin!(host::bell::reader_gone(stdout));
        loop {
            if let Some(end) = self.look(show)? {
                return Ok(end);
            }
            let looked = Instant::now();
            tokio::select! {
                biased;
                caught = signals.next() => {
                    if let Some(end) = self.caught(caught)? {
                        return Ok(end);
                    }
                }
                () = &mut reader_gone => return self.reader_left(),
                _ = watch.rung() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if looked.elapsed() >= LOOK / 2 {
                // An owner may have died: then its end is written here and now.
                self.session = mend(self.path, self.session.clone())?;
            }
        }
    }

    /// What has come since the last look; the end, when the turn has ended.
    fn look(&mut self, show: &mut dyn FnMut(Chunk) -> bool) -> Result<Option<RunEnd>, Failure> {
        let settled = match &self.post {
            Some(post) => post.settled()?,
            None => None,
        };
        match settled {
            Some((RequestState::Done, Reply { sequence: Some(first), turn_id: Some(turn), .. })) => {
                self.post = None;
                self.turn = Some((turn, first - 1));
                self.reader.position = first - 1;
            }
            Some((RequestState::Refused, Reply { error: Some(error), .. })) => {
                return Err(Failure::new(error.code, error.message));
            }
            Some((RequestState::Withdrawn, _)) => return Ok(Some(self.end(Outcome::Cancelled, 130, false))),
            Some(_) => {
                let message = "failed to deliver the prompt: the session's owner died while it waited";
                return Err(Failure::new(ErrorCode::NotDelivered, message).hint("send it again"));
            }
            None => {}
        }
        let Some((turn, first)) = &self.turn else { return Ok(None) };
        let gone = || Error::NoSession(self.session.session_id.clone());
        self.session = self.store.session_by_no(self.session.no).map_err(Error::from)?.ok_or_else(gone)?;
        let ended = end_of(&self.store, &self.session, *first, turn)?;
        let up_to = ended.as_ref().map_or(self.session.last_sequence, |(sequence, _)| *sequence);
        if !self.reader.read_to(&self.store, &self.session, up_to, show)? {
            return self.reader_left().map(Some);
        }
        Ok(ended.map(|(_, ended)| self.end(ended.outcome, ended.exit_code, false)))
    }

    fn caught(&mut self, caught: Caught) -> Result<Option<RunEnd>, Failure> {
        if caught == Caught::Suspend {
            host::signals::stop_self();
            return Ok(None);
        }
        let again = self.signal.replace(caught).is_some();
        match self.post.take() {
            Some(mut post) => {
                if again || post.withdraw()? {
                    return Ok(Some(self.end(Outcome::Cancelled, 130, false)));
                }
                // Too late: it has its turn.
                self.post = Some(post);
                self.cancel()?;
                Ok(None)
            }
            None if again => Ok(Some(self.end(Outcome::Cancelled, 130, false))),
            None => {
                self.cancel()?;
                Ok(None)
            }
        }
    }

    fn cancel(&self) -> Result<(), Error> {
        Post::new(self.path, self.session.clone(), &Control::Cancel(Cancel::default()), Sync::Deltas).map(|_| ())
    }

    fn reader_left(&mut self) -> Result<RunEnd, Failure> {
        if let Some(mut post) = self.post.take() {
            post.withdraw()?;
        }
        Ok(self.end(Outcome::Cancelled, 141, true))
    }

    fn end(&self, outcome: Outcome, exit_code: i32, reader_gone: bool) -> RunEnd {
        RunEnd {
            outcome,
            exit_code,
            signal: self.signal.filter(|_| outcome == Outcome::Cancelled),
            reader_gone,
            denied_unasked: 0,
            last_sequence: self.session.last_sequence,
            waiting: false,
        }
    }
}

/// The end of a turn, if it is stored.
pub fn end_of(store: &Store, session: &Session, after: i64, turn: &str) -> Result<Option<(i64, TurnEnded)>, Error> {
    find_end(store, session, after, &|ended| ended.turn_id == turn)
}

/// The end of the turn that a prompt got, if it is stored.
pub fn end_of_prompt(store: &Store, session: &Session, prompt: &str) -> Result<Option<(i64, TurnEnded)>, Error> {
    find_end(store, session, 0, &|ended| ended.prompt_ids.iter().any(|id| id == prompt))
}

fn find_end(
    store: &Store,
    session: &Session,
    after: i64,
    fits: &dyn Fn(&TurnEnded) -> bool,
) -> Result<Option<(i64, TurnEnded)>, Error> {
    let mut found = None;
    let mut failed = None;
    let types = &["turn.ended"];
    let select = Select { after, types, limit: usize::MAX, ..Select::default() };
    store.read(session, &select, &mut |event| match serde_json::from_str::<TurnEnded>(event.data) {
        Ok(ended) if found.is_none() && fits(&ended) => found = Some((event.sequence, ended)),
        Ok(_) => {}
        Err(source) => {
            failed = Some(Error::Event { session: session.session_id.clone(), sequence: event.sequence, source })
        }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(found),
    }
}
