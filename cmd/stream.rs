//! `stream`: events as a flow from an offset, also while they come.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;
use engine::Failure;
use engine::follow::{Chunk, End, Filter, Request, Until, follow, open_if_there};
use schema::outcome::ErrorCode;
use serde::{Deserialize, Serialize};
use store::{Select, Session, Store};

use crate::context::{Context, TIMES, duration};
use crate::exit::Exit;
use crate::names;
use crate::out::{self, Output, Writer};
use crate::run::print_types;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent stream fix                            all that is stored
  sandbox-agent stream fix --offset 12 --follow       what comes after event 12, until it is idle
  sandbox-agent stream fix -f --exit-status -o text   for people, with the run's exit code
  sandbox-agent stream --all -f --offset-file ship.pos  every event, over restarts";

/// Print the events of a session: all, or those after --offset N; with --follow also as they come.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct StreamArgs {
    /// The session, a unique prefix of a generated name, or @last
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    session: Option<String>,
    /// Every session, in order of writing; each line begins with its cursor
    #[arg(long)]
    all: bool,
    /// Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true, conflicts_with = "offset_file")]
    offset: Option<String>,
    /// Begin where this file says, and keep in it what was printed
    #[arg(long, value_name = "FILE")]
    offset_file: Option<PathBuf>,
    /// Only what comes after this cursor
    #[arg(long, value_name = "CURSOR", requires = "all", conflicts_with_all = ["offset", "offset_file"])]
    after: Option<i64>,
    /// Wait for more, until the session is idle (also when it asks), a turn ended, the session ended, or never
    #[arg(short, long, value_name = "STOP", num_args = 0..=1, require_equals = true, default_missing_value = "idle",
          value_parser = ["idle", "turn", "ended", "never"])]
    follow: Option<String>,
    /// Wait this long for a session that does not exist yet
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
    /// Exit with the run's code; 6 when the session asks
    #[arg(long, conflicts_with = "all")]
    exit_status: bool,
    /// Only these types, comma separated
    #[arg(long = "type", value_name = "TYPE,…", value_delimiter = ',')]
    types: Vec<String>,
    /// No item.delta
    #[arg(long)]
    no_deltas: bool,
    /// With the agent's own payloads, where they were stored
    #[arg(long)]
    raw: bool,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: StreamArgs) -> Result<Exit, Failure> {
    let store_path = context.store_path()?;
    let filter = Filter { types: print_types(&args.types, args.no_deltas)?, raw: args.raw, ..Filter::default() };
    let session_id = match &args.session {
        None => None,
        Some(name) => Some(find(context, &store_path, name, args.wait.as_deref())?),
    };
    let after = begin(&store_path, session_id.as_deref(), &args, &filter)?;
    let until = match args.follow.as_deref() {
        None => Until::Stored,
        // Over all sessions there is no moment of rest.
        Some(_) if args.all => Until::Never,
        Some("turn") => Until::Turn,
        Some("ended") => Until::Ended,
        Some("never") => Until::Never,
        Some(_) => Until::Idle,
    };
    let mut keeper = args.offset_file.map(|path| OffsetFile { path, told: false });
    context.explain_json();
    let mut writer = Writer::new(context.output, filter.clone())?;
    let epochs = Epochs { store: &store_path, session_id: session_id.as_deref() };
    let mut failed = None;
    let request = Request { store: store_path.clone(), session_id: session_id.clone(), after, until, filter };
    let stdout = out::stdout_fd()?;
    let end = follow(&request, Some(stdout.as_fd()), &mut |chunk: Chunk| {
        if !chunk.lines.marks.is_empty() && !writer.write(&chunk.lines, true) {
            return false;
        }
        if let Some(keeper) = &mut keeper
            && let Err(failure) = keeper.keep(chunk.position, &epochs)
        {
            failed = Some(failure);
            return false;
        }
        true
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if context.output == Output::Last
        && let (Some(session), Some(store)) = (&end.session, open_if_there(&store_path)?)
        && let Some(text) = engine::follow::final_text(&store, session)?
    {
        out::print_text(&format!("{text}\n"));
    }
    Ok(if args.exit_status { status(&end) } else { Exit::Code(0) })
}

/// The exit code of the run that was followed.
fn status(end: &End) -> Exit {
    let Some(session) = &end.session else { return Exit::Code(0) };
    if session.status == "asking" {
        let ids: Vec<String> = serde_json::from_str(&session.pending).unwrap_or_default();
        out::complain(&format!("note: session {} waits for an answer: {}", session.session_id, ids.join(" ")));
        return Exit::Code(6);
    }
    Exit::Code(session.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0))
}

fn find(context: &Context, store: &Path, name: &str, wait: Option<&str>) -> Result<String, Failure> {
    if let Some(patience) = wait {
        let patience = duration("--wait", patience, TIMES)?;
        engine::follow::await_session(store, name, patience)?;
    }
    Ok(context.session(name)?.session_id)
}

/// Where to begin.
fn begin(store: &Path, session_id: Option<&str>, args: &StreamArgs, filter: &Filter) -> Result<i64, Failure> {
    let opened = open_if_there(store)?;
    if let Some(path) = &args.offset_file {
        return from_file(path, opened.as_ref(), session_id);
    }
    let (Some(opened), Some(session_id)) = (&opened, session_id) else {
        return match (&opened, args.offset.as_deref()) {
            (Some(opened), Some("end")) => Ok(opened.last_cursor()?),
            (_, Some(text)) => text.parse().map_err(|_| bad_offset(text)),
            (_, None) => Ok(args.after.unwrap_or(0)),
        };
    };
    let session = names::find(opened, session_id)?;
    match args.offset.as_deref() {
        None => Ok(0),
        Some(text) => offset(opened, &session, text, filter),
    }
}

/// Reads an offset: a sequence, an event's id, `end`, or -N.
pub(crate) fn offset(store: &Store, session: &Session, text: &str, filter: &Filter) -> Result<i64, Failure> {
    if text == "end" {
        return Ok(session.last_sequence);
    }
    if text.starts_with("evt_") {
        return event_id(store, session, text);
    }
    let number: i64 = text.parse().map_err(|_| bad_offset(text))?;
    if text.starts_with('-') {
        return before_last(store, session, number.unsigned_abs(), filter);
    }
    if number > session.last_sequence {
        let beyond = engine::Error::OffsetBeyondEnd {
            session: session.session_id.clone(),
            offset: number,
            last: session.last_sequence,
        };
        return Err(beyond.into());
    }
    Ok(number)
}

fn bad_offset(text: &str) -> Failure {
    Failure::usage(format!("failed to use --offset `{}`", text.escape_debug()))
        .hint("a sequence, an event_id, `end`, or -N for the last N events")
}

/// The offset before the last N events that the filter lets through.
fn before_last(store: &Store, session: &Session, count: u64, filter: &Filter) -> Result<i64, Failure> {
    if count == 0 {
        return Ok(session.last_sequence);
    }
    let types: Vec<&str> = filter.types.iter().map(String::as_str).collect();
    let mut first = session.last_sequence + 1;
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    while left > 0 {
        let limit = left.min(4096);
        let select = Select {
            after: 0,
            up_to: Some(first - 1),
            types: &types,
            since: filter.since,
            until: filter.until,
            reverse: true,
            limit,
            raw: false,
        };
        let read = store.read(session, &select, &mut |event| first = event.sequence)?;
        left -= read;
        if read < limit {
            break;
        }
    }
    Ok(first - 1)
}

/// The sequence of a stored event's id.
fn event_id(store: &Store, session: &Session, text: &str) -> Result<i64, Failure> {
    let gone = || {
        Failure::new(
            ErrorCode::NotFound,
            format!("failed to start at `{text}`: session `{}` has no such event", session.session_id),
        )
        .hint("it is of another session of that name, or a power cut took it; begin again with --offset 0")
    };
    let (epoch, number) = text.trim_start_matches("evt_").rsplit_once('_').ok_or_else(|| bad_offset(text))?;
    let number: i64 = number.parse().map_err(|_| bad_offset(text))?;
    let named = id_at(store, session, number)?.ok_or_else(gone)?;
    if named == format!("evt_{epoch}_{number}") { Ok(number) } else { Err(gone()) }
}

/// The id of a session's event; `None` where it is not stored.
fn id_at(store: &Store, session: &Session, sequence: i64) -> Result<Option<String>, Failure> {
    if sequence < 1 || sequence > session.last_sequence {
        return Ok(None);
    }
    let epochs = store.epochs(session.no)?;
    let epoch = epochs.iter().rev().find(|(from, _)| *from <= sequence).map(|(_, uid)| uid.as_str());
    Ok(Some(format!("evt_{}_{sequence}", epoch.unwrap_or(&session.uid))))
}

struct Epochs<'a> {
    store: &'a Path,
    session_id: Option<&'a str>,
}

/// What stands in an offset file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    Session { sequence: i64, event_id: Option<String> },
    All { cursor: i64 },
}

struct OffsetFile {
    path: PathBuf,
    told: bool,
}

impl OffsetFile {
    /// Keeps what was printed: whole or not at all.
    fn keep(&mut self, position: i64, epochs: &Epochs<'_>) -> Result<(), Failure> {
        let place = match epochs.session_id {
            None => Place::All { cursor: position },
            Some(name) => {
                let event_id = match open_if_there(epochs.store)? {
                    Some(store) => match store.session(name)? {
                        Some(session) => id_at(&store, &session, position)?,
                        None => None,
                    },
                    None => None,
                };
                Place::Session { sequence: position, event_id }
            }
        };
        let failed = |error: std::io::Error| {
            Failure::usage(format!("failed to write the offset file {}: {error}", self.path.display()))
        };
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        let text = serde_json::to_string(&place).expect("numbers and ids are JSON");
        std::fs::write(&beside, format!("{text}\n")).map_err(failed)?;
        std::fs::rename(&beside, &self.path).map_err(failed)?;
        if !self.told {
            log::info!("the offset is kept in {}", self.path.display());
            self.told = true;
        }
        Ok(())
    }
}

fn from_file(path: &Path, store: Option<&Store>, session_id: Option<&str>) -> Result<i64, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Failure::usage(format!("failed to read {}: {error}", path.display()))),
    };
    let place: Place = serde_json::from_str(&text).map_err(|error| {
        Failure::new(ErrorCode::BadInput, format!("failed to use the offset file {}: {error}", path.display()))
            .hint("remove it to begin at the first event")
    })?;
    match (place, session_id, store) {
        (Place::All { cursor }, None, _) => Ok(cursor),
        (Place::Session { sequence, event_id: Some(id) }, Some(name), Some(store)) if sequence > 0 => {
            event_id(store, &names::find(store, name)?, &id)
        }
        (Place::Session { sequence, .. }, Some(name), Some(store)) => {
            offset(store, &names::find(store, name)?, &sequence.to_string(), &Filter::default())
        }
        (Place::Session { .. }, None, _) | (Place::All { .. }, Some(_), _) => Err(Failure::usage(format!(
            "failed to use the offset file {}: it was written {} --all",
            path.display(),
            if session_id.is_some() { "with" } else { "without" }
        ))),
        (Place::Session { .. }, Some(name), None) => Err(crate::context::no_session(name)),
    }
}
