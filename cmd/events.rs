//! `events`: events as pages, for polling and queries.

use std::os::fd::AsFd;
use std::time::Duration;

use clap::Args;
use engine::follow::{Chunk, Filter, Request, Until, follow, open_if_there, push};
use engine::{Failure, Lines};
use schema::line::LineWriter;
use schema::time::Timestamp;
use store::{Select, Store};

use crate::context::{Context, TIMES, duration};
use crate::exit::Exit;
use crate::names;
use crate::out::{self, Writer};
use crate::run::print_types;
use crate::stream;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent events fix --offset 0 --limit 100       the first page
  sandbox-agent events fix --type turn.ended --reverse --limit 1
  sandbox-agent events fix --offset 120 --wait 30s      returns at once when something is there
  sandbox-agent events --all --after 5000 --limit 1000  over all sessions, by cursor";

/// The events of a session as pages.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct EventsArgs {
    /// The session, a unique prefix of a generated name, or @last
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    session: Option<String>,
    /// Every session, in order of writing; each line begins with its cursor
    #[arg(long)]
    all: bool,
    /// Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true, conflicts_with = "all")]
    offset: Option<String>,
    /// Only what comes after this cursor
    #[arg(long, value_name = "CURSOR", requires = "all")]
    after: Option<i64>,
    /// No more than this
    #[arg(long, value_name = "K")]
    limit: Option<usize>,
    /// The newest first
    #[arg(long, conflicts_with = "wait")]
    reverse: bool,
    /// From this time on: RFC 3339, a date, today, or 2h (= ago)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Where nothing is there, wait this long for something
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
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
pub(crate) fn main(context: &Context, args: &EventsArgs) -> Result<Exit, Failure> {
    let filter = Filter {
        types: print_types(&args.types, args.no_deltas)?,
        since: when(args.since.as_deref())?,
        until: when(args.until.as_deref())?,
        raw: args.raw,
        limit: args.limit,
    };
    let wait = match args.wait.as_deref() {
        None => None,
        Some(text) => Some(duration("--wait", text, TIMES)?),
    };
    let session_id = match &args.session {
        None => None,
        Some(name) => Some(context.session(name)?.session_id),
    };
    let store_path = context.store_path()?;
    context.explain_json();
    let mut writer = Writer::new(context.output, filter.clone())?;
    let Some(store) = open_if_there(&store_path)? else { return Ok(Exit::Code(0)) };
    let after = match (&session_id, args.offset.as_deref()) {
        (Some(name), Some(text)) => stream::offset(&store, &names::find(&store, name)?, text, &filter)?,
        (Some(_), None) => 0,
        (None, _) => args.after.unwrap_or(0),
    };
    if args.reverse {
        reverse(&store, session_id.as_deref(), after, &filter, &mut writer)?;
        return Ok(Exit::Code(0));
    }
    drop(store);
    let mut given = false;
    let mut request = Request { store: store_path, session_id, after, until: Until::Stored, filter };
    let mut show = |chunk: Chunk| {
        given |= !chunk.lines.marks.is_empty();
        writer.write(&chunk.lines, true)
    };
    let end = follow(&request, None, &mut show)?;
    if let Some(patience) = wait.filter(|_| !given && !end.reader_gone) {
        request.after = end.position;
        await_more(&request, patience, &mut writer)?;
    }
    Ok(Exit::Code(0))
}

/// A long poll: what comes next is printed as soon as something has come.
fn await_more(request: &Request, patience: Duration, writer: &mut Writer) -> Result<(), Failure> {
    let deadline = std::time::Instant::now() + patience;
    let mut request = request.clone();
    let places = engine::Places::beside(&request.store);
    let bell = match &request.session_id {
        Some(name) => {
            let store = open_if_there(&request.store)?.ok_or_else(|| crate::context::no_session(name))?;
            let uid = store.session(name)?.ok_or_else(|| crate::context::no_session(name))?.uid;
            places.bell(&uid)
        }
        None => places.all_bell(),
    };
    let mut watch = host::bell::Watch::new(&[bell]);
    let stdout = out::stdout_fd()?;
    loop {
        let mut given = false;
        let end = follow(&request, None, &mut |chunk: Chunk| {
            given |= !chunk.lines.marks.is_empty();
            writer.write(&chunk.lines, true)
        })?;
        request.after = end.position;
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        if given || left.is_zero() || end.reader_gone {
            return Ok(());
        }
        if watch.wait(Some(stdout.as_fd()), left.min(Duration::from_secs(1))) == host::bell::Wake::ReaderGone {
            return Ok(());
        }
    }
}

/// The newest first, page by page.
fn reverse(
    store: &Store,
    session_id: Option<&str>,
    after: i64,
    filter: &Filter,
    writer: &mut Writer,
) -> Result<(), Failure> {
    let session = match session_id {
        Some(name) => Some(names::find(store, name)?),
        None => None,
    };
    let types: Vec<&str> = filter.types.iter().map(String::as_str).collect();
    let mut lines_writer = LineWriter::default();
    let mut up_to = i64::MAX;
    let mut left = filter.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let limit = left.min(256);
        let select = Select {
            after,
            up_to: Some(up_to),
            types: &types,
            since: filter.since,
            until: filter.until,
            reverse: true,
            limit,
            raw: filter.raw,
        };
        let mut lines = Lines::default();
        let all = session.is_none();
        let mut visit = |event: store::Stored<'_>| push(&mut lines, &mut lines_writer, &event, all);
        let read = match &session {
            Some(session) => store.read(session, &select, &mut visit)?,
            None => store.read_all(&select, &mut visit)?,
        };
        if !writer.write(&lines, true) || read < limit {
            return Ok(());
        }
        up_to = lines.last - 1;
        left -= read;
    }
    Ok(())
}

/// A point in time as the flags take it, in milliseconds since 1970.
pub(crate) fn when(text: Option<&str>) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match Timestamp::parse_when(text, Timestamp(host::clock::now_ms())) {
        Some(time) => Ok(Some(time.0)),
        None => Err(Failure::usage(format!("failed to understand the time `{text}`"))
            .hint("RFC 3339, a date, today, yesterday, or a duration such as 2h (= ago); UTC")),
    }
}
