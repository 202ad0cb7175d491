//! `sessions`: list, show, rename, end, delete, prune, export, import, search, usage, log, path.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use engine::Failure;
use engine::follow::{Chunk, Filter, Reader, status_of};
use engine::owner::Owned;
use engine::verbs::{self, record};
use schema::event::{Body, Usage};
use schema::outcome::{ErrorCode, Outcome};
use schema::record::{
    DeletedRecord, Epoch, ExportHead, ExportKind, SearchHit, SessionRecord, SessionStatus, UsageRecord,
};
use schema::state::State;
use schema::time::{Timestamp, parse_duration};
use serde::Deserialize;
use serde_json::value::RawValue;
use store::{Batch, Cache, ImportedSession, NewSession, Row, Select, Session, Settings, Store, Sync};

use crate::context::{Context, duration, no_session};
use crate::exit::Exit;
use crate::names;
use crate::out::{self, Output, Writer};
use crate::redact::{Pieces, redact};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent sessions list | jq -r 'select(.status==\"idle\").session_id'
  sandbox-agent sessions show fix
  sandbox-agent sessions export fix > fix.ndjson ; sandbox-agent sessions import < fix.ndjson
  sandbox-agent sessions prune --older-than 30d --keep 100 --dry-run
  sqlite3 -readonly \"$(sandbox-agent sessions path)\" 'select type, count(*) from events group by 1'";

/// What is known of sessions, and what can be done with them.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One line a session, the latest first
    #[command(
        before_help = "Examples:\n  sandbox-agent sessions list -o text\n  sandbox-agent sessions list --status asking | jq -r .session_id"
    )]
    List(ListArgs),
    /// One session
    Show {
        /// The session, a unique prefix of a generated name, or @last
        session: String,
    },
    /// Give a session a title
    Rename {
        /// The session
        session: String,
        /// Its title
        title: String,
    },
    /// Close a session for good; its events stay
    End {
        /// The session
        session: String,
    },
    /// Delete a session with all its events
    Delete {
        /// The sessions
        #[arg(required = true)]
        sessions: Vec<String>,
        /// Those that run too: they are cancelled first
        #[arg(long)]
        force: bool,
    },
    /// Delete sessions by age, number or size
    #[command(before_help = "Examples:\n  sandbox-agent sessions prune --older-than 30d --keep 100 --dry-run")]
    Prune(PruneArgs),
    /// Write a session as NDJSON: its record, then its events
    #[command(
        before_help = "Examples:\n  sandbox-agent sessions export fix --redact > fix.ndjson\n  sandbox-agent sessions export fix | ssh other sandbox-agent sessions import"
    )]
    Export(ExportArgs),
    /// Read what `export` wrote
    Import {
        /// The file; stdin where it is missing or `-`
        file: Option<PathBuf>,
    },
    /// Find words in what was said
    Search {
        /// The words, as they stand in the text
        words: String,
        /// No more hits than this
        #[arg(long, value_name = "K", default_value_t = 20)]
        limit: usize,
    },
    /// Tokens and money, summed up
    #[command(
        before_help = "Examples:\n  sandbox-agent sessions usage --by day --since 7d\n  sandbox-agent sessions usage fix | jq .cost_usd"
    )]
    Usage(UsageArgs),
    /// A session for people: the same as `stream SESSION -o text`
    Log {
        /// The session
        session: String,
        /// What its background owners said on stderr instead
        #[arg(long)]
        owner: bool,
    },
    /// Where the store is
    Path,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those with this status; repeatable
    #[arg(long, value_parser = ["starting", "running", "asking", "idle", "ended", "lost"])]
    status: Vec<String>,
    /// Only those of this agent
    #[arg(short, long)]
    agent: Option<String>,
    /// Only those with this label; repeatable
    #[arg(long, value_name = "K=V")]
    label: Vec<String>,
    /// Only those of this directory
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// No more than this
    #[arg(long, value_name = "K")]
    limit: Option<usize>,
}

impl ListArgs {
    const ALL: ListArgs = ListArgs { status: Vec::new(), agent: None, label: Vec::new(), cwd: None, limit: None };
}

#[derive(Debug, Args)]
struct PruneArgs {
    /// Those not written for so long, such as 30d
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    /// All but the latest so many
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// The oldest, until the rest takes no more than this, such as 500M
    #[arg(long, value_name = "SIZE")]
    max_size: Option<String>,
    /// Those that run or ask too: they are cancelled first
    #[arg(long)]
    force: bool,
    /// Only say which
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The session
    session: String,
    /// NDJSON, Markdown for people, or notifications of the Agent Client Protocol
    #[arg(long, value_parser = ["ndjson", "markdown", "acp"], default_value = "ndjson")]
    format: String,
    /// Mask what looks like a key or a token
    #[arg(long)]
    redact: bool,
}

#[derive(Debug, Args)]
struct UsageArgs {
    /// Only this session
    session: Option<String>,
    /// How to sum up
    #[arg(long, value_parser = ["session", "agent", "model", "day", "total"], default_value = "session")]
    by: String,
    /// Turns that ended from this time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Turns that ended before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: SessionsArgs) -> Result<Exit, Failure> {
    match args.verb.unwrap_or(Verb::List(ListArgs::ALL)) {
        Verb::List(args) => list(context, &args),
        Verb::Show { session } => show(context, &session),
        Verb::Rename { session, title } => rename(context, &session, &title),
        Verb::End { session } => end(context, &session),
        Verb::Delete { sessions, force } => delete(context, &sessions, force),
        Verb::Prune(args) => prune(context, &args),
        Verb::Export(args) => export(context, &args),
        Verb::Import { file } => import(context, file.as_deref()),
        Verb::Search { words, limit } => search(context, &words, limit),
        Verb::Usage(args) => usage(context, &args),
        Verb::Log { session, owner } => log_of(context, &session, owner),
        Verb::Path => {
            out::print_text(&format!("{}\n", context.store_path()?.display()));
            Ok(Exit::Code(0))
        }
    }
}

fn print(context: &Context, session: &Session) -> Result<(), Failure> {
    let store = context.store_to_read()?.ok_or_else(|| no_session(&session.session_id))?;
    out::print_record(&record(&store, session)?);
    Ok(())
}

fn list(context: &Context, args: &ListArgs) -> Result<Exit, Failure> {
    let Some(store) = context.store_to_read()? else { return Ok(Exit::Code(0)) };
    let cwd = match &args.cwd {
        Some(cwd) => Some(names::utf8(&host::canonical::canonical(Path::new(&names::working_directory()?), cwd))?),
        None => None,
    };
    let mut labels = Vec::new();
    for label in &args.label {
        labels.push(
            label
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("failed to use --label `{label}`: it is K=V")))?,
        );
    }
    let mut left = args.limit.unwrap_or(usize::MAX);
    for session in store.sessions()? {
        let record = record(&store, &session)?;
        let fits = (args.status.is_empty() || args.status.iter().any(|status| status == record.status.as_str()))
            && args.agent.as_ref().is_none_or(|agent| *agent == record.agent)
            && cwd.as_ref().is_none_or(|cwd| *cwd == record.cwd)
            && labels.iter().all(|(name, value)| record.labels.get(*name).is_some_and(|is| is == value));
        if !fits {
            continue;
        }
        if left == 0 {
            break;
        }
        left -= 1;
        let going = if context.output == Output::Text { print_for_people(&record) } else { out::print_record(&record) };
        if !going {
            break;
        }
    }
    Ok(Exit::Code(0))
}

fn print_for_people(record: &SessionRecord) -> bool {
    out::print_text(&format!(
        "{:<36} {:<9} {:<10} {:>4} turns  {}  {}\n",
        record.session_id,
        record.status.as_str(),
        record.agent,
        record.turns,
        record.updated,
        record.title.as_deref().unwrap_or(&record.cwd),
    ));
    true
}

fn show(context: &Context, name: &str) -> Result<Exit, Failure> {
    let session = context.session(name)?;
    print(context, &session)?;
    Ok(Exit::Code(0))
}

fn rename(context: &Context, name: &str, title: &str) -> Result<Exit, Failure> {
    let mut store = existing_store(context, name)?;
    let session = names::find_exact(&store, name)?;
    store.update(session.no, &Settings { title: Some(title), ..Settings::default() })?;
    let session = store.session(&session.session_id)?.ok_or_else(|| no_session(name))?;
    print(context, &session)?;
    Ok(Exit::Code(0))
}

/// The store to write to, which is not made for a session that cannot be in it.
fn existing_store(context: &Context, name: &str) -> Result<Store, Failure> {
    if context.store_to_read()?.is_none() {
        return Err(no_session(name));
    }
    context.store()
}

fn end(context: &Context, name: &str) -> Result<Exit, Failure> {
    let store = existing_store(context, name)?;
    let session = names::find_exact(&store, name)?;
    verbs::end(store, &session)?;
    show(context, &session.session_id)
}

fn delete(context: &Context, names: &[String], force: bool) -> Result<Exit, Failure> {
    for name in names {
        let store = existing_store(context, name)?;
        let session = names::find_exact(&store, name)?;
        out::print_record(&verbs::delete(store, &session, force)?);
    }
    context.store()?.give_back()?;
    Ok(Exit::Code(0))
}

fn prune(context: &Context, args: &PruneArgs) -> Result<Exit, Failure> {
    if args.older_than.is_none() && args.keep.is_none() && args.max_size.is_none() {
        return Err(Failure::usage("failed to prune: nothing says which sessions")
            .hint("--older-than 30d, --keep 100 or --max-size 500M"));
    }
    let older = match &args.older_than {
        Some(text) => Some(duration("--older-than", text, "as in 12h, 30d, 8w")?),
        None => None,
    };
    let most = match &args.max_size {
        Some(text) => Some(parse_size(text).ok_or_else(|| {
            Failure::usage(format!("failed to use --max-size `{text}`")).hint("bytes, or as in 200K, 500M, 2G")
        })?),
        None => None,
    };
    let path = context.store_path()?;
    for session in chosen(&path, older, args.keep, most, args.force)? {
        let gone = DeletedRecord {
            session_id: session.session_id.clone(),
            deleted: !args.dry_run,
            events: session.last_sequence,
        };
        if args.force && !args.dry_run {
            engine::owner::end_owner(&path, &session)?;
        }
        if !args.dry_run && !delete_if_free(&path, &session)? {
            continue;
        }
        if !out::print_record(&gone) {
            break;
        }
    }
    if !args.dry_run && context.store_to_read()?.is_some() {
        context.store()?.give_back()?;
    }
    Ok(Exit::Code(0))
}

/// The sessions that one of the criteria names; those that live or ask only with `force`.
fn chosen(
    path: &Path,
    older: Option<std::time::Duration>,
    keep: Option<usize>,
    most: Option<u64>,
    force: bool,
) -> Result<Vec<Session>, Failure> {
    let Some(store) = engine::follow::open_if_there(path)? else { return Ok(Vec::new()) };
    let now = host::clock::now_ms();
    let mut size = 0;
    let mut chosen = Vec::new();
    for (rank, session) in store.sessions()?.into_iter().enumerate() {
        if most.is_some() {
            size += store.size(session.no)?;
        }
        let old =
            older.is_some_and(|age| u128::try_from(now - session.updated).is_ok_and(|idle| idle > age.as_millis()));
        let named = old || keep.is_some_and(|keep| rank >= keep) || most.is_some_and(|most| size > most);
        let resting =
            matches!(status_of(&store, &session)?, SessionStatus::Idle | SessionStatus::Ended | SessionStatus::Lost);
        if named && (force || resting && !engine::owner::is_owned(path, &session)?) {
            chosen.push(session);
        }
    }
    Ok(chosen)
}

/// Deletes a session unless somebody has taken it meanwhile.
fn delete_if_free(path: &Path, session: &Session) -> Result<bool, Failure> {
    let store = crate::context::open_to_write(path)?;
    match Owned::take_briefly(store, session) {
        Ok(owned) => {
            owned.delete()?;
            Ok(true)
        }
        Err(engine::Error::Busy { .. } | engine::Error::NoSession(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// `[retention]` of the configuration, done in passing after a run. It never fails a run.
pub(crate) fn retain(context: &Context, path: &Path, but: &str) {
    let retention = context.settings.retention();
    if retention.older_than.is_none() && retention.keep.is_none() {
        return;
    }
    let older = retention.older_than.as_deref().and_then(parse_duration);
    let done = chosen(path, older, retention.keep, None, false).and_then(|sessions| {
        for session in sessions.iter().filter(|session| session.session_id != but) {
            if delete_if_free(path, session)? {
                log::info!("retention: session {} is deleted", session.session_id);
            }
        }
        Ok(())
    });
    if let Err(failure) = done {
        log::warn!("retention: {}", failure.message);
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn export(context: &Context, args: &ExportArgs) -> Result<Exit, Failure> {
    let session = context.session(&args.session)?;
    let store = context.store_to_read()?.ok_or_else(|| no_session(&args.session))?;
    // The row once more, through the connection that reads the events.
    let session = store.session(&session.session_id)?.ok_or_else(|| no_session(&args.session))?;
    let filter = Filter { raw: true, ..Filter::default() };
    let mut reader = Reader::new(&filter, 0);
    if args.format == "markdown" {
        let mut teller = crate::markdown::Teller::new(&session);
        let head = teller.head();
        out::print_text(&if args.redact { redact(&head, false) } else { head });
        reader.read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| {
            let mut text = String::new();
            for (line, _) in out::each(&chunk.lines) {
                teller.tell(line, &mut text);
            }
            out::print_text(&if args.redact { redact(&text, false) } else { text });
            true
        })?;
        return Ok(Exit::Code(0));
    }
    if args.format == "acp" {
        let mut tongues = HashMap::new();
        Reader::new(&Filter::default(), 0).read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| {
            let mut text = Vec::new();
            for (line, _) in out::each(&chunk.lines) {
                out::tell_acp(&mut tongues, line, &mut text);
            }
            let text = String::from_utf8(text).expect("JSON is UTF-8");
            out::print_text(&if args.redact { redact(&text, true) } else { text });
            true
        })?;
        return Ok(Exit::Code(0));
    }
    let epochs = store.epochs(session.no)?.into_iter().map(|(from_sequence, uid)| Epoch { from_sequence, uid });
    let head = ExportHead {
        kind: ExportKind::Session,
        session: record(&store, &session)?,
        epochs: epochs.collect(),
        settings: serde_json::from_str(&session.settings).unwrap_or_default(),
    };
    if args.redact {
        let head = serde_json::to_string(&head).expect("records have string keys");
        out::print_text(&format!("{}\n", redact(&head, true)));
        // A key that comes in pieces is known when all of them were seen.
        let mut pieces = Pieces::default();
        Reader::new(&filter, 0).read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| {
            out::each(&chunk.lines).for_each(|(line, kind)| pieces.look(line, kind));
            true
        })?;
        pieces.end();
        reader.read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| {
            out::print_text(&out::each(&chunk.lines).map(|(line, kind)| pieces.line(line, kind)).collect::<String>());
            true
        })?;
        return Ok(Exit::Code(0));
    }
    if !out::print_record(&head) {
        return Ok(Exit::Code(0));
    }
    let mut writer = Writer::new(Output::Ndjson, filter.clone())?;
    reader.read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| writer.write(&chunk.lines, true))?;
    Ok(Exit::Code(0))
}

/// An event's line as it is imported: `data` and `raw` keep their bytes.
#[derive(Deserialize)]
struct Line<'a> {
    sequence: i64,
    time: String,
    session_id: String,
    native_session_id: Option<String>,
    synthetic: bool,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    raw: Option<&'a RawValue>,
}

fn import(context: &Context, file: Option<&Path>) -> Result<Exit, Failure> {
    let input: Box<dyn Read> = match file.filter(|file| *file != Path::new("-")) {
        Some(path) => Box::new(std::fs::File::open(path).map_err(|error| {
            Failure::new(ErrorCode::NotFound, format!("failed to read {}: {error}", path.display()))
        })?),
        None => Box::new(std::io::stdin()),
    };
    let mut lines = Numbered { input: BufReader::new(input), number: 0, text: String::new() };
    if !lines.next()? {
        return Err(Failure::new(ErrorCode::BadInput, "failed to import: there is no line"));
    }
    let head: ExportHead = serde_json::from_str(lines.text()).map_err(|error| lines.bad(&error.to_string()))?;
    if head.epochs.is_empty() {
        return Err(lines.bad("it names no epoch"));
    }
    let name = head.session.session_id.clone();
    schema::ids::SessionId::parse(&name).map_err(|error| Failure::new(ErrorCode::BadInput, error.to_string()))?;
    let mut store = context.store()?;
    let session = match import_head(&mut store, &head) {
        Err(store::Error::Exists(_)) => return Err(taken(&name)),
        session => session?,
    };
    let mut owned = Owned::take_as_it_is(store, &session)?;
    let result = append_lines(&mut owned, &head, &mut lines);
    let no = owned.session().no;
    let session = owned.store().session_by_no(no)?.ok_or_else(|| no_session(&name))?;
    owned.leave()?;
    result?;
    print(context, &session)?;
    Ok(Exit::Code(0))
}

fn taken(name: &str) -> Failure {
    Failure::usage(format!("failed to import session `{name}`: another session has this name"))
        .hint("use another store with --store, or export and delete the other session first")
}

/// Makes the session of an export, or finds it where it was imported before.
fn import_head(store: &mut Store, head: &ExportHead) -> Result<Session, store::Error> {
    let record = &head.session;
    let labels = serde_json::to_string(&record.labels).expect("strings are JSON");
    let settings = head.settings.to_string();
    let epochs: Vec<(i64, &str)> = head.epochs.iter().map(|epoch| (epoch.from_sequence, epoch.uid.as_str())).collect();
    let session = NewSession {
        session_id: &record.session_id,
        uid: epochs.first().map_or("", |(_, uid)| uid),
        // No machine's: the next owner begins a new epoch.
        boot_id: "",
        agent: &record.agent,
        cwd: &record.cwd,
        created: Timestamp::parse(&record.created).map_or(0, |time| time.0),
        title: record.title.as_deref(),
        model: record.model.as_deref(),
        mode: record.mode.as_deref(),
        effort: None,
        permission_mode: record.permission_mode.as_deref(),
        parent_session: record.parent_session.as_deref(),
        labels: &labels,
        settings: &settings,
    };
    store.import(&ImportedSession { session, epochs: &epochs, natives: &[] })
}

/// An event read from an export, until its batch is full.
struct Imported {
    sequence: i64,
    time: i64,
    kind: String,
    synthetic: bool,
    data: String,
    raw: Option<String>,
}

/// How many events of an import are committed together.
const TOGETHER: usize = 256;

/// Appends the lines that are not stored yet; those that are must be the same.
fn append_lines(owned: &mut Owned, head: &ExportHead, lines: &mut Numbered) -> Result<(), Failure> {
    let session = owned.session().clone();
    let last = session.last_sequence;
    let mut native = session.native_session_id.clone();
    let mut state = State::default();
    let mut batch: Vec<Imported> = Vec::new();
    let mut at = 0;
    while lines.next()? {
        at += 1;
        let line: Line<'_> = serde_json::from_str(lines.text()).map_err(|error| lines.bad(&error.to_string()))?;
        if line.sequence != at || line.session_id != session.session_id {
            return Err(lines.bad(&format!("event {at} of `{}` should stand here", session.session_id)));
        }
        let body = Body::read(&line.kind, line.data.get()).map_err(|error| lines.bad(&error.to_string()))?;
        if at <= last {
            if stored_data(owned.store(), &session, at)?.as_deref() != Some(line.data.get()) {
                return Err(taken(&session.session_id));
            }
            state.apply(&body);
            continue;
        }
        // A batch has one native id.
        if line.native_session_id != native || batch.len() == TOGETHER {
            append(owned, head, &state, native.as_deref(), &batch)?;
            batch.clear();
            native.clone_from(&line.native_session_id);
        }
        state.apply(&body);
        batch.push(Imported {
            sequence: at,
            time: Timestamp::parse(&line.time).ok_or_else(|| lines.bad("its time is no RFC 3339"))?.0,
            kind: line.kind,
            synthetic: line.synthetic,
            data: line.data.get().to_owned(),
            raw: line.raw.map(|raw| raw.get().to_owned()),
        });
    }
    append(owned, head, &state, native.as_deref(), &batch)
}

fn append(
    owned: &mut Owned,
    head: &ExportHead,
    state: &State,
    native: Option<&str>,
    batch: &[Imported],
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row<'_>> = batch
        .iter()
        .map(|event| Row {
            sequence: event.sequence,
            time: event.time,
            kind: &event.kind,
            synthetic: event.synthetic,
            data: &event.data,
            raw: event.raw.as_deref(),
        })
        .collect();
    let pending = serde_json::to_string(&state.pending).expect("a list of strings is JSON");
    let usage = state.usage.map(|usage| serde_json::to_string(&usage).expect("numbers are JSON"));
    // A turn that is open in the export stays open: more of it may be imported, and whoever runs the session ends it.
    let status = match state.status() {
        SessionStatus::Running | SessionStatus::Asking | SessionStatus::Starting => SessionStatus::Lost,
        status @ (SessionStatus::Idle | SessionStatus::Ended | SessionStatus::Lost) => status,
    };
    let cache = Cache {
        status: status.as_str(),
        outcome: state.outcome.map(Outcome::as_str),
        exit_code: state.exit_code.map(i64::from),
        pending: &pending,
        turns: state.turns,
        usage: usage.as_deref(),
        cost_usd: state.cost_usd,
        model: state.model.as_deref(),
        mode: state.mode.as_deref(),
        title: None,
        settings: None,
    };
    let now = Timestamp::parse(&head.session.updated).map_or(batch[0].time, |updated| updated.0);
    let no = owned.session().no;
    owned.store().append(
        no,
        &Batch { events: &rows, cache: Some(cache), native, now, settled: &[], owner: None },
        Sync::Full,
    )?;
    Ok(())
}

fn stored_data(store: &Store, session: &Session, sequence: i64) -> Result<Option<String>, Failure> {
    let select = Select {
        after: sequence - 1,
        up_to: Some(sequence),
        types: &[],
        since: None,
        until: None,
        reverse: false,
        limit: 1,
        raw: false,
    };
    let mut data = None;
    store.read(session, &select, &mut |event| data = Some(event.data.to_owned()))?;
    Ok(data)
}

/// Lines with their numbers, for messages.
struct Numbered {
    input: BufReader<Box<dyn Read>>,
    number: usize,
    text: String,
}

impl Numbered {
    /// `false`: there is no more.
    fn next(&mut self) -> Result<bool, Failure> {
        self.text.clear();
        self.number += 1;
        let read = self.input.read_line(&mut self.text).map_err(|error| {
            Failure::new(ErrorCode::BadInput, format!("failed to read line {} of the import: {error}", self.number))
        })?;
        Ok(read > 0)
    }

    fn text(&self) -> &str {
        self.text.trim_end_matches('\n')
    }

    fn bad(&self, why: &str) -> Failure {
        Failure::new(ErrorCode::BadInput, format!("failed to import line {}: {why}", self.number))
            .hint("what stood before it is imported; importing the whole file again takes the rest")
    }
}

fn search(context: &Context, words: &str, limit: usize) -> Result<Exit, Failure> {
    if words.trim().is_empty() {
        return Err(Failure::usage("failed to search: there are no words"));
    }
    let Some(store) = context.store_to_read()? else { return Ok(Exit::Code(0)) };
    store.search(words, limit, &mut |event| {
        out::print_record(&SearchHit {
            session_id: event.session_id.to_owned(),
            sequence: event.sequence,
            time: Timestamp(event.time).to_string(),
            kind: event.kind.to_owned(),
            excerpt: excerpt(event.data, words),
        });
    })?;
    Ok(Exit::Code(0))
}

/// Some text on both sides of the words.
fn excerpt(data: &str, words: &str) -> String {
    let lower = data.to_lowercase();
    let found = lower.find(&words.to_lowercase()).unwrap_or(0).min(data.len());
    let edge = |mut at: usize| {
        while !data.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let from = edge(found.saturating_sub(60));
    let to = edge((found + words.len() + 60).min(data.len()));
    data[from..to].to_owned()
}

fn usage(context: &Context, args: &UsageArgs) -> Result<Exit, Failure> {
    let since = crate::events::when(args.since.as_deref())?;
    let until = crate::events::when(args.until.as_deref())?;
    let Some(store) = context.store_to_read()? else { return Ok(Exit::Code(0)) };
    let sessions = match &args.session {
        Some(name) => vec![names::find(&store, name)?],
        None => store.sessions()?,
    };
    let mut groups: BTreeMap<String, UsageRecord> = BTreeMap::new();
    for session in &sessions {
        let mut after = 0;
        loop {
            let select = Select {
                after,
                up_to: None,
                types: &["turn.ended"],
                since,
                until,
                reverse: false,
                limit: 256,
                raw: false,
            };
            let mut bad = None;
            let read = store.read(session, &select, &mut |event| {
                after = event.sequence;
                match serde_json::from_str::<schema::event::TurnEnded>(event.data) {
                    Ok(turn) => count(&mut groups, &args.by, session, event.time, &turn),
                    Err(source) => {
                        bad = Some(engine::Error::Event {
                            session: session.session_id.clone(),
                            sequence: event.sequence,
                            source,
                        });
                    }
                }
            })?;
            if let Some(error) = bad {
                return Err(error.into());
            }
            if read < 256 {
                break;
            }
        }
    }
    for record in groups.values() {
        if !out::print_record(record) {
            break;
        }
    }
    Ok(Exit::Code(0))
}

fn count(
    groups: &mut BTreeMap<String, UsageRecord>,
    by: &str,
    session: &Session,
    time: i64,
    turn: &schema::event::TurnEnded,
) {
    let mut add = |group: String, usage: Option<Usage>, usd: Option<f64>| {
        let record =
            groups.entry(group.clone()).or_insert(UsageRecord { group, turns: 0, usage: None, cost_usd: None });
        record.turns += 1;
        if let Some(usage) = usage {
            record.usage = Some(record.usage.unwrap_or_default().plus(usage));
        }
        if let Some(usd) = usd {
            record.cost_usd = Some(record.cost_usd.unwrap_or(0.0) + usd);
        }
    };
    let usd = turn.cost.map(|cost| cost.usd);
    match by {
        "agent" => add(session.agent.clone(), turn.usage, usd),
        "model" => match &turn.models {
            Some(models) => {
                for model in models {
                    add(model.model.clone(), Some(model.usage), model.usd);
                }
            }
            None => add(session.model.clone().unwrap_or_else(|| "unknown".to_owned()), turn.usage, usd),
        },
        "day" => add(Timestamp(time).to_string()[..10].to_owned(), turn.usage, usd),
        "total" => add("total".to_owned(), turn.usage, usd),
        _ => add(session.session_id.clone(), turn.usage, usd),
    }
}

fn log_of(context: &Context, name: &str, owner: bool) -> Result<Exit, Failure> {
    let session = context.session(name)?;
    if owner {
        let path = engine::keeper::log_of(&context.store_path()?, &session);
        match std::fs::read_to_string(&path) {
            Ok(text) => out::print_text(&text),
            // It never had an owner in the background.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(engine::Error::File { doing: "read", path, source }.into()),
        }
        return Ok(Exit::Code(0));
    }
    let store = context.store_to_read()?.ok_or_else(|| no_session(name))?;
    let filter = Filter::default();
    let mut writer = Writer::new(Output::Text, filter.clone())?;
    Reader::new(&filter, 0)
        .read_to(&store, &session, session.last_sequence, &mut |chunk: Chunk| writer.write(&chunk.lines, true))?;
    Ok(Exit::Code(0))
}
