//! `proc`: programs run once or kept in the background, with their output in the store.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use engine::Failure;
use engine::process::{self, Attached, Kept, Launch, LogItem, LogRequest, Once, OnceEnd, Stdin};
use schema::outcome::ErrorCode;
use schema::process::{
    InputRecord, Limits, LogLine, ProcessReason, ProcessRecord, RemovedRecord, RestartPolicy, RunResult, SizeRecord,
    Stream,
};
use store::Process;

use crate::context::{Context, TIMES, duration};
use crate::exit::Exit;
use crate::out::{self, Output};
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent proc run --timeout 30s -- cargo test        one JSON result: exit code, signal, output
  sandbox-agent proc start --name web --restart on-failure -- npm run dev
  sandbox-agent proc wait web --port 3000 --timeout 60s     until it answers
  sandbox-agent proc logs web --follow --offset 120         numbered, from disk, by any process
  sandbox-agent proc start --tty --name sh -- bash
  sandbox-agent proc attach sh                              Ctrl-\\ leaves it running
  sandbox-agent proc stop web";

const START_EXAMPLES: &str = "\
Examples:
  id=$(sandbox-agent proc start -q -- python3 -m http.server 8000)
  sandbox-agent proc start --name web --restart on-failure --memory 1G -- npm run dev
  sandbox-agent proc start --tty --name sh -- bash";

const LOGS_EXAMPLES: &str = "\
Examples:
  sandbox-agent proc logs web                               one JSON object a record
  sandbox-agent proc logs web --follow --offset 120         what comes after record 120, until it ends
  sandbox-agent proc logs web --raw --stream stderr | less
  sandbox-agent proc logs web --tail 20 --since 10m";

const WAIT_EXAMPLES: &str = "\
Examples:
  sandbox-agent proc wait web                               until it ends; exits with its code
  sandbox-agent proc wait web --port 3000 --timeout 60s     until something listens there
  sandbox-agent proc wait web --log 'ready in'              until it prints this
  sandbox-agent proc wait db --command 'pg_isready -q'      until this succeeds";

const INPUT_EXAMPLES: &str = "\
Examples:
  sandbox-agent proc input repl 'print(1)' --enter
  sandbox-agent proc input repl --base64 AwQ=               bytes: Ctrl-C, Ctrl-D
  sandbox-agent proc input sort --stdin --eof < words.txt";

const RUN_EXAMPLES: &str = "\
Examples:
  sandbox-agent proc run --timeout 30s -- cargo test        one JSON result: exit code, signal, output
  sandbox-agent proc run --stream -- make | jq -r .text     output as it comes, in the order of writing
  git diff | sandbox-agent proc run --stdin -o text -- wc -l";

/// Processes that outlive the command that started them.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ProcArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program to its end and print one result; exits with its code, 128 + n for a signal, 124 for a timeout
    Run(RunArgs),
    /// Start a program in the background; prints its record once it runs
    Start(StartArgs),
    /// One record a process, the oldest first
    List(ListArgs),
    /// The record of a process
    Show(NameArgs),
    /// Its log: numbered output, starts and ends
    Logs(LogsArgs),
    /// Write to its input
    Input(InputArgs),
    /// Set the size of its terminal
    Resize(ResizeArgs),
    /// Its terminal in this one; a key leaves it running
    Attach(AttachArgs),
    /// End it, with everything below it: SIGTERM, and after a grace SIGKILL
    Stop(StopArgs),
    /// Send a signal
    Kill(KillArgs),
    /// End it and start it again; or start one that has ended
    Restart(StopArgs),
    /// Wait until it has ended or is ready; exits with its code, 124 when the time is over
    Wait(WaitArgs),
    /// Forget processes that have ended, with their logs
    Rm(RmArgs),
    /// Forget ended processes by age, number or size, and give the space back
    Prune(PruneArgs),
}

#[derive(Debug, Args)]
#[command(before_help = START_EXAMPLES)]
struct StartArgs {
    #[command(flatten)]
    launch: LaunchArgs,
    /// A name, to be used in place of its id
    #[arg(long)]
    name: Option<String>,
    /// Something to know it by, repeatable
    #[arg(long, value_name = "K=V")]
    label: Vec<String>,
    /// Give it a terminal
    #[arg(long, conflicts_with = "no_stdin")]
    tty: bool,
    /// The size of its terminal
    #[arg(long, value_name = "COLSxROWS", default_value = "80x24", value_parser = dimensions)]
    size: [u16; 2],
    /// Its input is empty, and `proc input` is refused
    #[arg(long)]
    no_stdin: bool,
    /// When to start it again
    #[arg(long, value_name = "POLICY", default_value = "no", value_parser = ["no", "on-failure", "always"])]
    restart: String,
    /// After how many ends within 10 s of the start, one after another, to give up
    #[arg(long, value_name = "N", default_value_t = 10)]
    restart_limit: u32,
    /// How much of its output to keep; the oldest is dropped, and the log says so
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64M")]
    max_log: u64,
    /// How long it may take to end after SIGTERM before it is killed
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    grace: String,
    /// Print its id only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct NameArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those with this status: starting, running, restarting, exited, lost
    #[arg(long)]
    status: Option<String>,
    /// Only those with this label
    #[arg(long, value_name = "K=V")]
    label: Vec<String>,
}

#[derive(Debug, Args)]
#[command(before_help = LOGS_EXAMPLES)]
struct LogsArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// Only what comes after this record: a sequence, `end`, or -N for the last N [default: 0]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    offset: Option<String>,
    /// The last N records, as --offset -N
    #[arg(long, value_name = "N", conflicts_with = "offset")]
    tail: Option<u32>,
    /// From this time on: RFC 3339, a date, today, or 2h (= ago)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Which output; combined is all of it in the order of writing
    #[arg(long, value_name = "STREAM", default_value = "combined", value_parser = ["stdout", "stderr", "pty", "combined"])]
    stream: String,
    /// Wait for more, until the process has ended for good
    #[arg(short, long)]
    follow: bool,
    /// The bytes as they were written, on stdout, and nothing else; -o text is the same
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
#[command(before_help = INPUT_EXAMPLES)]
struct InputArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// Text
    text: Option<String>,
    /// With a newline after the text
    #[arg(long)]
    enter: bool,
    /// Bytes in base64
    #[arg(long, value_name = "BASE64", conflicts_with = "text")]
    base64: Option<String>,
    /// What our stdin gives
    #[arg(long, conflicts_with_all = ["text", "base64"])]
    stdin: bool,
    /// Close its input afterwards; on a terminal, Ctrl-D
    #[arg(long)]
    eof: bool,
}

#[derive(Debug, Args)]
struct ResizeArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// The size
    #[arg(value_name = "COLSxROWS", value_parser = dimensions)]
    size: [u16; 2],
}

#[derive(Debug, Args)]
struct AttachArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// The key that leaves it running: ctrl-A to ctrl-Z, or one of ctrl-\\ ctrl-] ctrl-^ ctrl-_
    #[arg(long, value_name = "KEY", default_value = "ctrl-\\", value_parser = key)]
    detach_key: u8,
    /// How much of what it has shown to show again
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "256K")]
    scrollback: u64,
}

#[derive(Debug, Args)]
struct StopArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// How long it may take to end after SIGTERM [default: as it was started]
    #[arg(long, value_name = "DURATION")]
    grace: Option<String>,
}

#[derive(Debug, Args)]
struct KillArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// Which: a name or a number. KILL goes to everything below it, others to the program
    #[arg(short, long, default_value = "KILL", value_parser = signal)]
    signal: i32,
    /// To everything below it
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[command(before_help = WAIT_EXAMPLES)]
struct WaitArgs {
    /// Its name, its id, or a unique beginning of its id
    process: String,
    /// Until something listens on this port of this machine
    #[arg(long, group = "condition")]
    port: Option<u16>,
    /// Until it prints this text within a line
    #[arg(long, value_name = "TEXT", group = "condition")]
    log: Option<String>,
    /// Until this file is there
    #[arg(long, group = "condition")]
    file: Option<PathBuf>,
    /// Until this shell command succeeds
    #[arg(long, value_name = "COMMAND", group = "condition")]
    command: Option<String>,
    /// No longer than this; exit 124
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

#[derive(Debug, Args)]
struct RmArgs {
    /// Names or ids
    #[arg(required = true)]
    process: Vec<String>,
    /// Kill it first if it runs
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct PruneArgs {
    /// Those that ended longer ago than this
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    /// All but this many of those that ended last
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// The longest ended, until what the ended have printed is no more than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Only say which
    #[arg(long)]
    dry_run: bool,
}

/// What a program gets.
#[derive(Debug, Args)]
struct LaunchArgs {
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The directory it works in [default: this one]
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// A variable for it; without =VALUE copied from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Variables from a file, one NAME=VALUE a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Give it no variables but PATH, HOME, locale, and those of --env
    #[arg(long)]
    clean_env: bool,
    /// Run it as this user; for root only
    #[arg(long, value_name = "USER[:GROUP]")]
    run_as: Option<String>,
    /// Memory, as in 512M: of all of it in a cgroup where we may make one, else the address space of each process
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Processor time of each process, in whole seconds
    #[arg(long, value_name = "DURATION")]
    cpu_time: Option<String>,
    /// Open files of each process
    #[arg(long, value_name = "N")]
    files: Option<u64>,
    /// Processes: of all of it in a cgroup where we may make one, else all of its user (root has no such limit)
    #[arg(long, value_name = "N")]
    processes: Option<u64>,
}

#[derive(Debug, Args)]
#[command(before_help = RUN_EXAMPLES)]
struct RunArgs {
    #[command(flatten)]
    launch: LaunchArgs,
    /// End it, with everything below it, after this time; exit 124
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// How long it may take to end after SIGTERM before it is killed
    #[arg(long, value_name = "DURATION", default_value = "100ms")]
    grace: String,
    /// How much of each stream to keep, its beginning and its end
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M")]
    max_output: u64,
    /// Let it read our stdin; else its input is empty
    #[arg(long)]
    stdin: bool,
    /// Print output as it comes; the result then has none
    #[arg(long)]
    stream: bool,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: ProcArgs) -> Result<Exit, Failure> {
    match args.command {
        Command::Run(args) => run(context, args),
        Command::Start(args) => start(context, args),
        Command::List(args) => list(context, &args),
        Command::Show(args) => {
            let store = context.store_path()?;
            print(&process::record(&store, &process::find(&store, &args.process)?)?)
        }
        Command::Logs(args) => logs(context, &args),
        Command::Input(args) => input(context, args),
        Command::Resize(args) => {
            let (store, found) = found(context, &args.process)?;
            let [cols, rows] = args.size;
            process::resize(&store, &found, cols, rows)?;
            print(&SizeRecord { process_id: found.process_id, cols, rows })
        }
        Command::Attach(args) => attach(context, &args),
        Command::Stop(args) => {
            let (store, found) = found(context, &args.process)?;
            let grace = args.grace.as_deref().map(|text| duration("--grace", text, TIMES)).transpose()?;
            if found.state.status != "exited" {
                process::stop(&store, &found, grace)?;
            }
            ended(&store, &found)
        }
        Command::Kill(args) => {
            let (store, found) = found(context, &args.process)?;
            process::signal(&store, &found, args.signal, args.all)?;
            if args.signal == host::Signal::SIGKILL as i32 {
                return ended(&store, &found);
            }
            print(&process::record(&store, &process::find(&store, &found.process_id)?)?)
        }
        Command::Restart(args) => restart(context, &args),
        Command::Wait(args) => wait(context, &args),
        Command::Rm(args) => remove(context, &args),
        Command::Prune(args) => prune(context, &args),
    }
}

fn print<T: serde::Serialize>(record: &T) -> Result<Exit, Failure> {
    out::print_record(record);
    Ok(Exit::Code(0))
}

fn found(context: &Context, name: &str) -> Result<(PathBuf, Process), Failure> {
    let store = context.store_path()?;
    let found = process::find(&store, name)?;
    Ok((store, found))
}

/// Waits for its end, and prints what it came to.
fn ended(store: &Path, process: &Process) -> Result<Exit, Failure> {
    let ended = process::wait_for_end(store, process, None)?.unwrap_or_else(|| process.clone());
    print(&process::record(store, &ended)?)
}

fn start(context: &Context, args: StartArgs) -> Result<Exit, Failure> {
    let store = context.store_path()?;
    if let Some(name) = &args.name
        && (name.starts_with("proc_") || schema::ids::SessionId::parse(name).is_err())
    {
        return Err(Failure::usage(format!("failed to use --name `{}`", name.escape_debug()))
            .hint("letters, digits, . _ -, at most 100; `proc_` is for generated ids"));
    }
    let mut labels = BTreeMap::new();
    for label in &args.label {
        let (key, value) = label
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("failed to use --label `{label}`: it is K=V")))?;
        labels.insert(key.to_owned(), value.to_owned());
    }
    let restart = match args.restart.as_str() {
        "always" => RestartPolicy::Always,
        "on-failure" => RestartPolicy::OnFailure,
        _ => RestartPolicy::No,
    };
    let launch = launch(args.launch)?;
    let parent = host::env::var(host::env::Name::Session);
    let kept = Kept {
        command: launch.command,
        cwd: crate::names::utf8(&launch.cwd)?,
        name: args.name,
        labels,
        owner: "user".to_owned(),
        parent_session: parent.map(|session| session.to_string_lossy().into_owned()),
        tty: args.tty.then_some(args.size),
        stdin: !args.no_stdin,
        limits: launch.limits,
        run_as: launch.run_as,
        restart,
        restart_limit: args.restart_limit,
        max_log: args.max_log,
        grace_ms: u64::try_from(duration("--grace", &args.grace, TIMES)?.as_millis()).unwrap_or(u64::MAX),
        with: None,
    };
    // Made here, so that what is wrong with it is said here.
    context.store()?.close()?;
    let started = process::start(&store, &kept, &launch.env)?;
    if args.quiet {
        out::print_text(&format!("{}\n", started.process_id));
        return Ok(Exit::Code(0));
    }
    print(&process::record(&store, &started)?)
}

fn list(context: &Context, args: &ListArgs) -> Result<Exit, Failure> {
    let store = context.store_path()?;
    for process in process::list(&store)? {
        let record = process::record(&store, &process)?;
        let has = |label: &String| {
            label.split_once('=').is_some_and(|(key, value)| record.labels.get(key).is_some_and(|known| known == value))
        };
        let status = serde_json::to_value(record.status).ok();
        let wanted =
            args.status.as_deref().is_none_or(|wanted| status.as_ref().and_then(|word| word.as_str()) == Some(wanted));
        if wanted && args.label.iter().all(has) && !out::print_record(&record) {
            break;
        }
    }
    Ok(Exit::Code(0))
}

fn logs(context: &Context, args: &LogsArgs) -> Result<Exit, Failure> {
    let bad = |text: &str| {
        Failure::usage(format!("failed to use --offset `{}`", text.escape_debug()))
            .hint("a sequence, `end`, or -N for the last N records")
    };
    let after = match (args.offset.as_deref(), args.tail) {
        (None, None) => 0,
        (None, Some(0)) | (Some("end"), _) => i64::MIN,
        (None, Some(tail)) => -i64::from(tail),
        (Some(text), _) => text.parse().map_err(|_| bad(text))?,
    };
    let stream = match args.stream.as_str() {
        "stdout" => Some(Stream::Stdout),
        "stderr" => Some(Stream::Stderr),
        "pty" => Some(Stream::Pty),
        _ => None,
    };
    let request = LogRequest {
        store: context.store_path()?,
        process: args.process.clone(),
        after,
        stream,
        since: crate::events::when(args.since.as_deref())?,
        follow: args.follow,
    };
    let raw = args.raw || matches!(context.output, Output::Text | Output::Last);
    let mut written = std::io::BufWriter::with_capacity(128 << 10, out::stdout_file()?);
    let stdout = out::stdout_fd()?;
    let follow = args.follow;
    let end = process::follow(&request, Some(stdout.as_fd()), &mut |item| {
        use std::io::Write;
        let done = match (&item, raw) {
            (LogItem::Bytes(piece), true) => written.write_all(piece.bytes),
            (LogItem::Bytes(piece), false) => write_line(&mut written, &piece.line()),
            (LogItem::Line(line), false) => write_line(&mut written, line),
            (LogItem::Line(line), true) => {
                if let LogLine::Gap { from, sequence, .. } = line {
                    out::complain(&format!("warning: records {from} to {sequence} are not kept any more"));
                }
                Ok(())
            }
        };
        done.and_then(|()| if follow { written.flush() } else { Ok(()) }).is_ok()
    })?;
    let flushed = std::io::Write::flush(&mut written).is_ok();
    if end.reader_gone || !flushed {
        return Ok(Exit::Signal(host::Signal::SIGPIPE));
    }
    Ok(Exit::Code(0))
}

fn write_line(to: &mut impl std::io::Write, line: &LogLine) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

fn input(context: &Context, args: InputArgs) -> Result<Exit, Failure> {
    use base64::Engine;
    let (store, found) = found(context, &args.process)?;
    let mut bytes = match (args.text, args.base64) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(text)) => base64::engine::general_purpose::STANDARD
            .decode(&text)
            .map_err(|error| Failure::usage(format!("failed to read --base64: {error}")))?,
        (None, None) => Vec::new(),
    };
    if args.enter {
        // Enter on a keyboard is a carriage return, which a terminal makes a newline of.
        bytes.push(if Kept::tty_of(&found) { b'\r' } else { b'\n' });
    }
    if bytes.is_empty() && !args.stdin && !args.eof {
        return Err(
            Failure::usage("failed to write to a process: nothing was given").hint("TEXT, --base64, --stdin or --eof")
        );
    }
    let bytes_written = if args.stdin {
        process::send_input(&store, &found, &mut std::io::stdin().lock(), None)?
    } else {
        process::send_input(&store, &found, &mut bytes.as_slice(), None)?
    };
    if args.eof {
        process::close_input(&store, &found)?;
    }
    let bytes_written = i64::try_from(bytes_written).unwrap_or(i64::MAX);
    print(&InputRecord { process_id: found.process_id, bytes_written, eof: args.eof })
}

fn attach(context: &Context, args: &AttachArgs) -> Result<Exit, Failure> {
    let (store, found) = found(context, &args.process)?;
    if !Kept::tty_of(&found) {
        return Err(Failure::usage(format!("failed to attach to `{}`: it has no terminal", args.process))
            .hint("`proc logs --follow` and `proc input` are for it; `proc start --tty` gives a terminal"));
    }
    let scrollback = usize::try_from(args.scrollback).unwrap_or(usize::MAX);
    match process::attach(&store, &found, args.detach_key, scrollback)? {
        Attached::Detached => {
            out::complain(&format!("note: detached; `sandbox-agent proc attach {}` comes back", args.process));
            Ok(Exit::Code(0))
        }
        Attached::Ended(exit) => {
            let Some(exit) = exit else {
                out::complain("note: the line to it broke; `sandbox-agent proc show` says what became of it");
                return Ok(Exit::Code(1));
            };
            let how = match (exit.exit_code, exit.signal) {
                (Some(code), _) => format!("code {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "its keeper".to_owned(),
            };
            out::complain(&format!("note: it ended with {how}"));
            Ok(Exit::Code(exit.shell_code()))
        }
    }
}

fn restart(context: &Context, args: &StopArgs) -> Result<Exit, Failure> {
    let (store, found) = found(context, &args.process)?;
    let grace = args.grace.as_deref().map(|text| duration("--grace", text, TIMES)).transpose()?;
    if found.state.status == "exited" {
        let (env, _): (Vec<(OsString, OsString)>, _) = variables(false, Vec::new(), &[], &[])?;
        let started = process::start_again(&store, &found, &env)?;
        return print(&process::record(&store, &started)?);
    }
    process::restart(&store, &found, grace)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = process::find(&store, &found.process_id)?;
        let again = now.state.restarts > found.state.restarts && now.state.status == "running";
        if again || now.state.status == "exited" || Instant::now() > deadline {
            return print(&process::record(&store, &now)?);
        }
        std::thread::sleep(LOOK);
    }
}

/// Between two looks at what rings no bell.
const LOOK: Duration = Duration::from_millis(20);

fn wait(context: &Context, args: &WaitArgs) -> Result<Exit, Failure> {
    let (store, found) = found(context, &args.process)?;
    let timeout = args.timeout.as_deref().map(|text| duration("--timeout", text, TIMES)).transpose()?;
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let over = |what: &str| {
        Failure::new(ErrorCode::Timeout, format!("failed to wait for `{}`: it {what} in time", args.process))
    };
    if args.port.is_none() && args.log.is_none() && args.file.is_none() && args.command.is_none() {
        let ended = process::wait_for_end(&store, &found, timeout)?.ok_or_else(|| over("has not ended"))?;
        let record = process::record(&store, &ended)?;
        out::print_record(&record);
        return Ok(Exit::Code(shell_code(&record)));
    }
    let mut seen = Seen::default();
    loop {
        let ready = is_ready(&store, &found, args, deadline, &mut seen)?;
        let now = process::find(&store, &found.process_id)?;
        if ready {
            return print(&process::record(&store, &now)?);
        }
        if now.state.status == "exited" {
            out::print_record(&process::record(&store, &now)?);
            out::complain(&format!("error: `{}` ended before it was ready", args.process));
            return Ok(Exit::Code(1));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(over("was not ready"));
        }
        std::thread::sleep(LOOK);
    }
}

fn shell_code(record: &ProcessRecord) -> i32 {
    match record.reason {
        Some(ProcessReason::KeeperDied) => 137,
        Some(ProcessReason::Exited | ProcessReason::Stopped | ProcessReason::NotStarted) | None => record.shell_code(),
    }
}

/// What was read of its log while waiting.
#[derive(Default)]
struct Seen {
    after: i64,
    line: Vec<u8>,
}

fn is_ready(
    store: &Path,
    found: &Process,
    args: &WaitArgs,
    deadline: Option<Instant>,
    seen: &mut Seen,
) -> Result<bool, Failure> {
    if let Some(port) = args.port {
        let reached = |host: &str| {
            let address = std::net::SocketAddr::new(host.parse().expect("an address"), port);
            TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
        };
        return Ok(reached("127.0.0.1") || reached("::1"));
    }
    if let Some(file) = &args.file {
        return Ok(file.exists());
    }
    if let Some(command) = &args.command {
        let launch = Launch {
            command: ["sh", "-c", command].map(str::to_owned).to_vec(),
            env: variables(false, Vec::new(), &[], &[])?.0,
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            limits: Limits::default(),
            run_as: None,
        };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = Some(left.unwrap_or(Duration::MAX).min(Duration::from_secs(10)));
        let once =
            Once { launch, stdin: Stdin::Nothing, timeout, grace: LOOK, max_output: 0, stream: false, hired: false };
        let stdout = out::stdout_fd()?;
        return Ok(process::run(&once, stdout.as_fd(), Box::new(|_| true))?.result.exit_code == Some(0));
    }
    let wanted = args.log.as_deref().unwrap_or_default().as_bytes();
    let request = LogRequest {
        store: store.to_owned(),
        process: found.process_id.clone(),
        after: seen.after,
        stream: None,
        since: None,
        follow: false,
    };
    let mut ready = false;
    process::follow(&request, None, &mut |item| {
        let piece = match item {
            LogItem::Bytes(piece) => piece,
            LogItem::Line(line) => {
                seen.after = sequence_of(&line);
                return true;
            }
        };
        seen.after = sequence_of(&piece.line());
        seen.line.extend_from_slice(piece.bytes);
        ready |= wanted.is_empty() || seen.line.windows(wanted.len()).any(|window| window == wanted);
        // The beginning of what is wanted may be at the end of what was seen.
        let from = seen.line.len().saturating_sub(wanted.len());
        seen.line.drain(..from);
        !ready
    })?;
    Ok(ready)
}

fn sequence_of(line: &LogLine) -> i64 {
    match line {
        LogLine::Output { sequence, .. }
        | LogLine::Started { sequence, .. }
        | LogLine::Gap { sequence, .. }
        | LogLine::Exit { sequence, .. } => *sequence,
    }
}

fn remove(context: &Context, args: &RmArgs) -> Result<Exit, Failure> {
    let store = context.store_path()?;
    for name in &args.process {
        let mut found = process::find(&store, name)?;
        if args.force && found.state.status != "exited" {
            process::signal(&store, &found, host::Signal::SIGKILL as i32, true)?;
            found = process::wait_for_end(&store, &found, None)?.unwrap_or(found);
        }
        out::print_record(&process::remove(&store, &found)?);
    }
    Ok(Exit::Code(0))
}

fn prune(context: &Context, args: &PruneArgs) -> Result<Exit, Failure> {
    let store = context.store_path()?;
    let age = args.older_than.as_deref().map(|text| duration("--older-than", text, TIMES)).transpose()?;
    if age.is_none() && args.keep.is_none() && args.max_size.is_none() {
        return Err(
            Failure::usage("failed to prune: no criterion was given").hint("--older-than, --keep or --max-size")
        );
    }
    let mut all = process::list(&store)?;
    all.retain(|process| process.state.status == "exited");
    all.sort_by_key(|process| std::cmp::Reverse(process.state.ended));
    let before = age.map(|age| host::clock::now_ms() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let mut sum = 0;
    for (index, found) in all.iter().enumerate() {
        let log_bytes = process::record(&store, found)?.log_bytes;
        sum += u64::try_from(log_bytes).unwrap_or(0);
        let old = before.is_some_and(|before| found.state.ended.is_some_and(|ended| ended <= before));
        let large = args.max_size.is_some_and(|most| sum > most);
        if !old && !large && args.keep.is_none_or(|keep| index < keep) {
            continue;
        }
        let record = if args.dry_run {
            RemovedRecord { process_id: found.process_id.clone(), name: found.name.clone(), removed: false, log_bytes }
        } else {
            process::remove(&store, found)?
        };
        out::print_record(&record);
    }
    if !args.dry_run {
        process::give_back(&store)?;
    }
    Ok(Exit::Code(0))
}

fn run(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    let once = Once {
        launch: launch(args.launch)?,
        stdin: if args.stdin { Stdin::Ours } else { Stdin::Nothing },
        timeout: args.timeout.as_deref().map(|text| duration("--timeout", text, TIMES)).transpose()?,
        grace: duration("--grace", &args.grace, TIMES)?,
        max_output: usize::try_from(args.max_output).unwrap_or(usize::MAX),
        stream: args.stream,
        hired: false,
    };
    let stdout = out::stdout_fd()?;
    let output = context.output;
    let OnceEnd { result, caught, reader_gone } =
        engine::process::run(&once, stdout.as_fd(), Box::new(move |line| show(output, line)))?;
    let said = match context.output {
        // Nobody is left to read it, and somebody who does not may hold stdout.
        _ if reader_gone => false,
        Output::Ndjson => out::print_record(&result),
        Output::Text | Output::Last => {
            out::print_bytes(&text_of(&result.stdout, &result.stdout_base64));
            out::complain_bytes(&text_of(&result.stderr, &result.stderr_base64));
            true
        }
        Output::None | Output::Acp => true,
    };
    if let Some(caught) = caught {
        return Ok(Exit::Signal(caught.into()));
    }
    if reader_gone || !said {
        return Ok(Exit::Signal(host::Signal::SIGPIPE));
    }
    Ok(Exit::Code(code(&result)))
}

fn code(result: &RunResult) -> i32 {
    let code = match (result.timed_out, result.exit_code, result.signal) {
        (true, _, _) => 124,
        (false, Some(code), _) => code,
        (false, None, Some(signal)) => 128 + signal,
        (false, None, None) => 1,
    };
    i32::try_from(code).unwrap_or(1)
}

/// Prints a piece of output. `false`: the reader has left.
fn show(output: Output, line: &LogLine) -> bool {
    match (output, line) {
        (Output::Ndjson, line) => out::print_record(line),
        (Output::Text | Output::Last, LogLine::Output { stream, text, base64, .. }) => {
            let bytes = text_of(text, base64);
            match stream {
                Stream::Stdout | Stream::Pty => out::print_bytes(&bytes),
                Stream::Stderr => out::complain_bytes(&bytes),
            }
        }
        (Output::Text | Output::Last, LogLine::Started { .. } | LogLine::Gap { .. } | LogLine::Exit { .. })
        | (Output::None | Output::Acp, _) => true,
    }
}

/// The bytes as they were.
fn text_of(text: &Option<String>, base64: &Option<String>) -> Vec<u8> {
    use base64::Engine;
    match (text, base64) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(base64)) => {
            base64::engine::general_purpose::STANDARD.decode(base64).expect("we have encoded it ourselves")
        }
        (None, None) => Vec::new(),
    }
}

fn launch(args: LaunchArgs) -> Result<Launch, Failure> {
    let cwd = args.cwd.unwrap_or_else(|| PathBuf::from("."));
    let cwd = std::path::absolute(&cwd)
        .and_then(|cwd| cwd.canonicalize())
        .map_err(|error| Failure::usage(format!("failed to enter the directory {}: {error}", cwd.display())))?;
    let cpu_time = args.cpu_time.as_deref().map(|text| duration("--cpu-time", text, TIMES)).transpose()?;
    let limits = Limits {
        memory: args.memory,
        // Less than a second would be no limit at all.
        cpu_seconds: cpu_time.map(|time| time.as_secs_f64().ceil().max(1.0) as u64),
        files: args.files,
        processes: args.processes,
    };
    let env = variables(args.clean_env, Vec::new(), &args.env_file, &args.env)?.0;
    Ok(Launch { command: args.command, env, cwd, limits, run_as: args.run_as })
}

/// Columns and rows, as in `80x24`.
fn dimensions(text: &str) -> Result<[u16; 2], String> {
    let wrong = || "a size is COLSxROWS, as in 80x24, each from 1 to 9999".to_owned();
    let (cols, rows) = text.split_once('x').ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|number| (1..=9999).contains(number)).ok_or_else(wrong);
    Ok([number(cols)?, number(rows)?])
}

/// A key as its control character.
fn key(text: &str) -> Result<u8, String> {
    let letter = text.to_ascii_lowercase();
    match letter.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([letter @ (b'a'..=b'z' | b'\\' | b']' | b'^' | b'_')]) => Ok(letter.to_ascii_uppercase() - b'@'),
        _ => Err("a key is ctrl- and a letter or one of \\ ] ^ _".to_owned()),
    }
}

/// A signal by name or number.
fn signal(text: &str) -> Result<i32, String> {
    let name = text.to_ascii_uppercase();
    let known = |signal: &host::Signal| signal.as_str().trim_start_matches("SIG") == name.trim_start_matches("SIG");
    let number = text.parse().ok().filter(|number| host::Signal::try_from(*number).is_ok());
    number
        .or_else(|| host::Signal::iterator().find(known).map(|signal| signal as i32))
        .ok_or_else(|| "there is no such signal".to_owned())
}

/// A size such as `4096`, `64K`, `512M`, `2G`, in bytes; the letters stand for powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err("a size is a number with K, M or G".to_owned()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())
}
