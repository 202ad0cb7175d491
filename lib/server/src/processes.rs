//! Processes: the verbs of `proc` over HTTP. Nothing is kept here: a process has its own keeper, and outlives this server.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{PipeWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::Failure;
use engine::process::{self, Kept, Launch, LogItem, LogRequest, Once, Stdin, Stored};
use hyper::StatusCode;
use hyper::header::HeaderMap;
use schema::outcome::ErrorCode;
use schema::process::{Limits, LogLine, ProcessReason, ProcessStatus, RestartPolicy, Stream};
use schema::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Process;

use crate::body::{Query, json as answer_json, nothing};
use crate::listen::Server;
use crate::outlet::{self, EVENTS, Outlet};
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Asked};
use crate::terminal;

/// How long a process may take to end after SIGTERM, unless the client says.
const GRACE: Duration = Duration::from_secs(2);
/// The longest that a client may name: it may have left long ago.
const LONGEST: Duration = Duration::from_secs(300);
/// How long a process that was killed is waited for.
const KILLED: Duration = Duration::from_secs(10);
/// What a terminal has shown is shown again to who comes, so much of it: bytes.
const SCROLLBACK: usize = 256 << 10;
/// How long the guard of a program that was run waits for the next one, and between two looks at them.
const GUARD_RESTS: Duration = Duration::from_secs(10);
/// Whether somebody looks after them.
static TENDED: AtomicBool = AtomicBool::new(false);
/// How long a program may not read what it is given.
const UNREAD: Duration = Duration::from_secs(5);

/// What processes may be and take here.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Bounds {
    max_concurrent_processes: usize,
    default_run_timeout_ms: u64,
    max_run_timeout_ms: u64,
    max_output_bytes: usize,
    max_log_bytes_per_process: u64,
    max_input_bytes_per_request: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            max_concurrent_processes: 64,
            default_run_timeout_ms: 30_000,
            max_run_timeout_ms: 300_000,
            max_output_bytes: 1 << 20,
            max_log_bytes_per_process: 64 << 20,
            max_input_bytes_per_request: 64 << 10,
        }
    }
}

impl Bounds {
    fn check(self) -> Result<Bounds, Problem> {
        let least = [
            self.max_concurrent_processes as u64,
            self.default_run_timeout_ms,
            self.max_output_bytes as u64,
            self.max_log_bytes_per_process,
            self.max_input_bytes_per_request as u64,
        ];
        if least.contains(&0) || self.default_run_timeout_ms > self.max_run_timeout_ms {
            let detail =
                "failed to use the limits: each is above zero, and defaultRunTimeoutMs at most maxRunTimeoutMs";
            return Err(Problem::invalid(detail));
        }
        Ok(self)
    }
}

/// The bounds that hold now.
#[derive(Default)]
pub(crate) struct Held(Mutex<Bounds>);

impl Held {
    fn now(&self) -> Bounds {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is to be started.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Start {
    command: String,
    #[serde(default)]
    args: Vec<String>,
    cwd: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    // Of a process that is kept.
    #[serde(default)]
    tty: bool,
    #[serde(default)]
    interactive: bool,
    cols: Option<u16>,
    rows: Option<u16>,
    name: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    restart: Option<RestartPolicy>,
    // Of one that is run to its end.
    timeout_ms: Option<u64>,
    max_output_bytes: Option<usize>,
    stdin: Option<String>,
}

impl Start {
    /// Its command, its directory and its environment, as far as they can be right.
    fn launch(&self, server: &Server) -> Result<Launch, Problem> {
        let words = || {
            let named = self.env.iter().flat_map(|(name, value)| [name, value]);
            [&self.command].into_iter().chain(&self.args).chain(&self.cwd).chain(named)
        };
        if self.command.trim().is_empty() {
            return Err(Problem::invalid("failed to use the command: it is empty"));
        }
        if words().any(|word| word.contains('\0')) || self.env.keys().any(|name| name.is_empty() || name.contains('='))
        {
            return Err(Problem::invalid(
                "failed to use the body: a word holds a zero byte, or the name of a variable is none",
            ));
        }
        let here = self.cwd.as_deref().unwrap_or(".");
        // B1-34: a directory that is missing is told apart from a program that is.
        let cwd = Path::new(here).canonicalize().map_err(|error| {
            let kind = match error.raw_os_error() {
                Some(2) => Kind::NotFound,
                Some(13) => Kind::PermissionDenied,
                Some(_) | None => Kind::InvalidRequest,
            };
            Problem::new(kind, format!("failed to enter the directory {}: {error}", here.escape_debug()))
                .with("code", "cwd".into())
        })?;
        if !cwd.is_dir() {
            let detail = format!("failed to enter the directory {}: it is none", here.escape_debug());
            return Err(Problem::invalid(detail).with("code", "cwd".into()));
        }
        let mut env = server.env.clone();
        env.retain(|(name, _)| !name.to_str().is_some_and(|name| self.env.contains_key(name)));
        env.extend(self.env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let command = [&self.command].into_iter().chain(&self.args).cloned().collect();
        Ok(Launch { command, env, cwd, limits: Limits::default(), run_as: None })
    }
}

/// A process as a client is told of it; what is not there, or not yet, is not named.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Info {
    id: String,
    command: String,
    args: Vec<String>,
    cwd: String,
    tty: bool,
    interactive: bool,
    /// `user`, `desktop` or `system`.
    owner: &'static str,
    /// `running` or `exited`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i64>,
    /// Milliseconds since 1970.
    created_at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exited_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    labels: BTreeMap<String, String>,
    restarts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ProcessReason>,
    last_sequence: i64,
}

/// Processes, the oldest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    processes: Vec<Info>,
}

/// What became of a program that was run to its end.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ran {
    exit_code: Option<i64>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i64>,
    timed_out: bool,
    stdout: String,
    stderr: String,
    stdout_truncated: bool,
    stderr_truncated: bool,
    duration_ms: i64,
    /// As it was, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
}

/// A part of a log.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is written as it is read")]
pub(crate) struct Logs {
    process_id: String,
    stream: String,
    entries: Vec<Entry>,
}

/// A piece of output.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    sequence: i64,
    stream: Stream,
    timestamp_ms: i64,
    data: String,
    /// Always `base64`.
    encoding: &'static str,
}

/// Bytes that a program was given.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Taken {
    bytes_written: u64,
}

fn info(store: &Path, process: &Process) -> Result<Info, Problem> {
    let record = process::record(store, process).map_err(Failure::from)?;
    let milliseconds = |time: &str| Timestamp::parse(time).map(|time| time.0);
    let mut command = record.command;
    let args = command.split_off(command.len().min(1));
    let ended = matches!(record.status, ProcessStatus::Exited | ProcessStatus::Lost);
    Ok(Info {
        id: record.process_id,
        command: command.pop().unwrap_or_default(),
        args,
        cwd: record.cwd,
        tty: record.tty,
        interactive: record.labels.get(INTERACTIVE).is_some_and(|word| word == "true"),
        owner: OWNERS.iter().find(|owner| **owner == record.owner).unwrap_or(&OWNERS[2]),
        status: if ended { "exited" } else { "running" },
        pid: record.pid,
        exit_code: record.exit_code,
        signal: record.signal,
        created_at_ms: milliseconds(&record.created).unwrap_or(0),
        exited_at_ms: record.ended.as_deref().filter(|_| ended).and_then(milliseconds),
        name: record.name,
        labels: record.labels,
        restarts: record.restarts,
        reason: record.reason,
        last_sequence: record.last_sequence,
    })
}

/// For whom processes run; who is none of these is the last.
const OWNERS: [&str; 3] = ["user", "desktop", "system"];

/// What a client said of it, to be told again.
const INTERACTIVE: &str = "interactive";

/// What is typed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Input {
    data: String,
    encoding: Option<String>,
    #[serde(default)]
    eof: bool,
}

/// The size of a terminal.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
}

impl Size {
    pub(crate) fn check(&self) -> Result<[u16; 2], Problem> {
        if (1..=9999).contains(&self.cols) && (1..=9999).contains(&self.rows) {
            return Ok([self.cols, self.rows]);
        }
        Err(Problem::invalid("failed to use the size: cols and rows are from 1 to 9999"))
    }
}

/// What is said as text or in base64.
pub(crate) fn said(data: String, encoding: Option<&str>) -> Result<Vec<u8>, Problem> {
    match encoding {
        // B1-37: text is text.
        None | Some("utf8" | "utf-8" | "text") => Ok(data.into_bytes()),
        Some("base64") => {
            STANDARD.decode(data).map_err(|_| Problem::invalid("failed to use the data: it is no base64"))
        }
        Some(_) => Err(Problem::invalid("failed to use the encoding: one of utf8, text, base64")),
    }
}

/// What is done in a thread, and what is said of it.
type Deed = Box<dyn FnOnce(&Path) -> Answer + Send>;

fn told(told: &impl Serialize) -> Answer {
    Ok(answer_json(StatusCode::OK, told))
}

async fn carry_out(server: &Arc<Server>, deed: Deed) -> Answer {
    let turn = server.hub.long_turn().await?;
    let store = server.hub.path().to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        deed(&store)
    });
    done.await.map_err(|error| Problem::new(Kind::Internal, format!("failed to finish: {error}")))?
}

/// `/v1/processes` and `/v1/processes/config`, `/run`.
pub(crate) async fn answer_all(mut asked: Asked) -> Answer {
    let (method, path) = asked.route;
    let verb = path.rsplit('/').next().unwrap_or_default();
    let deed = match (method, verb) {
        ("GET", "config") => return told(&asked.server.bounds.now()),
        (_, "config") => {
            let bounds = asked.json::<Bounds>().await?.check()?;
            *asked.server.bounds.0.lock().unwrap_or_else(PoisonError::into_inner) = bounds.clone();
            return told(&bounds);
        }
        (_, "run") => {
            let wanted = asked.json().await?;
            let ran = carry_out(&asked.server, run(&asked.server, wanted)?).await;
            if !TENDED.swap(true, Ordering::Relaxed) {
                tokio::spawn(tend_guards());
            }
            return ran;
        }
        ("GET", _) => {
            let owner = asked.query.word("owner").map(str::to_owned);
            if owner.as_ref().is_some_and(|owner| !OWNERS.contains(&owner.as_str())) {
                return Err(Problem::invalid("failed to use `owner`: one of user, desktop, system"));
            }
            Box::new(move |store: &Path| {
                let mut processes = Vec::new();
                for process in process::list(store).map_err(Failure::from)? {
                    let info = info(store, &process)?;
                    if owner.as_ref().is_none_or(|owner| info.owner == owner) {
                        processes.push(info);
                    }
                }
                told(&Listed { processes })
            })
        }
        (_, _) => {
            let wanted = asked.json().await?;
            start(&asked.server, wanted)?
        }
    };
    carry_out(&asked.server, deed).await
}

fn start(server: &Arc<Server>, wanted: Start) -> Result<Deed, Problem> {
    if wanted.timeout_ms.is_some() || wanted.max_output_bytes.is_some() || wanted.stdin.is_some() {
        return Err(Problem::invalid(
            "failed to use timeoutMs, maxOutputBytes and stdin: they are for a run to the end",
        ));
    }
    if let Some(name) = &wanted.name
        && (name.starts_with("proc_") || schema::ids::SessionId::parse(name).is_err())
    {
        return Err(Problem::invalid(
            "failed to use `name`: letters, digits, . _ -, at most 100, and not `proc_` in front",
        ));
    }
    let size = Size { cols: wanted.cols.unwrap_or(80), rows: wanted.rows.unwrap_or(24) }.check()?;
    let launch = wanted.launch(server)?;
    let bounds = server.bounds.now();
    let mut labels = wanted.labels;
    if wanted.interactive {
        labels.insert(INTERACTIVE.to_owned(), "true".to_owned());
    }
    let kept = Kept {
        command: launch.command,
        cwd: launch
            .cwd
            .into_os_string()
            .into_string()
            .map_err(|_| Problem::invalid("failed to use cwd: it is no text"))?,
        name: wanted.name,
        labels,
        owner: "user".to_owned(),
        parent_session: None,
        tty: wanted.tty.then_some(size),
        stdin: true,
        limits: Limits::default(),
        run_as: None,
        restart: wanted.restart.unwrap_or_default(),
        restart_limit: 10,
        max_log: bounds.max_log_bytes_per_process,
        grace_ms: GRACE.as_millis() as u64,
        with: None,
    };
    Ok(Box::new(move |store| {
        let listed = process::list(store).map_err(Failure::from)?;
        let running = listed.iter().filter(|process| process.state.status != "exited").count();
        if running >= bounds.max_concurrent_processes {
            let detail = format!("failed to start a process: {running} are running (maxConcurrentProcesses)");
            return Err(Problem::new(Kind::Conflict, detail));
        }
        let started = process::start(store, &kept, &launch.env).map_err(|error| refused(error.into()))?;
        told(&info(store, &started)?)
    }))
}

/// A program that is not there or does not run is what the client named, and a name that is taken is a conflict.
fn refused(failure: Failure) -> Problem {
    let kind = match failure.exit_code {
        127 => Some(Kind::NotFound),
        126 => Some(Kind::InvalidRequest),
        _ if failure.message.contains("is taken") => Some(Kind::Conflict),
        _ => None,
    };
    let problem = Problem::from(failure);
    match kind {
        Some(kind) => problem.of_kind(kind),
        None => problem,
    }
}

/// Ends guards that nobody needs any more, until none is left.
async fn tend_guards() {
    loop {
        tokio::time::sleep(GUARD_RESTS).await;
        // First this: a guard that comes to rest after the look is somebody else's.
        TENDED.store(false, Ordering::Relaxed);
        let looked = tokio::task::spawn_blocking(|| host::hire::end_idle(GUARD_RESTS));
        if looked.await.is_ok_and(|left| left == 0) || TENDED.swap(true, Ordering::Relaxed) {
            return;
        }
    }
}

fn run(server: &Arc<Server>, wanted: Start) -> Result<Deed, Problem> {
    if wanted.tty || wanted.interactive || wanted.name.is_some() || wanted.restart.is_some() {
        return Err(Problem::invalid(
            "failed to use tty, interactive, name and restart: they are for processes that are kept",
        ));
    }
    let (launch, bounds) = (wanted.launch(server)?, server.bounds.now());
    let timeout = wanted.timeout_ms.unwrap_or(bounds.default_run_timeout_ms).min(bounds.max_run_timeout_ms);
    let once = Once {
        launch,
        stdin: wanted.stdin.map_or(Stdin::Nothing, |text| Stdin::Bytes(text.into_bytes())),
        timeout: Some(Duration::from_millis(timeout)),
        grace: Duration::from_millis(100),
        max_output: wanted.max_output_bytes.unwrap_or(bounds.max_output_bytes).min(bounds.max_output_bytes),
        stream: false,
        hired: true,
    };
    Ok(Box::new(move |_| {
        let failed = |error: std::io::Error| Problem::new(Kind::Unavailable, format!("failed to make a pipe: {error}"));
        let (_reader, gone): (_, PipeWriter) = std::io::pipe().map_err(failed)?;
        let done = process::run(&once, gone.as_fd(), Box::new(|_| true)).map_err(|error| refused(error.into()))?;
        let result = done.result;
        let most = once.max_output as i64;
        // B1-32: what is no text is there in base64 too, as it was.
        let text = |text: Option<String>, base64: &Option<String>| {
            let decoded = || STANDARD.decode(base64.as_deref().unwrap_or_default()).unwrap_or_default();
            text.unwrap_or_else(|| String::from_utf8_lossy(&decoded()).into_owned())
        };
        told(&Ran {
            exit_code: result.exit_code,
            signal: result.signal,
            timed_out: result.timed_out,
            stdout: text(result.stdout, &result.stdout_base64),
            stderr: text(result.stderr, &result.stderr_base64),
            stdout_truncated: result.stdout_bytes > most,
            stderr_truncated: result.stderr_bytes > most,
            duration_ms: result.duration_ms,
            stdout_base64: result.stdout_base64,
            stderr_base64: result.stderr_base64,
        })
    }))
}

/// `/v1/processes/{id}` and what is below it.
pub(crate) async fn answer(mut asked: Asked) -> Answer {
    let (method, path) = asked.route;
    let verb = path.rsplit('/').next().unwrap_or_default();
    let id = asked.name(0).to_owned();
    let find = move |store: &Path| Ok(process::find(store, &id).map_err(Failure::from)?);
    if verb == "ws" {
        return terminal(asked, find).await;
    }
    if verb == "logs" {
        return logs(&asked.server, find, &asked.query, &asked.headers).await;
    }
    let query = &asked.query;
    let wait = query.value("waitMs")?.map(Duration::from_millis).map(|wait| wait.min(LONGEST));
    let deed: Deed = match (method, verb) {
        ("GET", _) => Box::new(move |store| told(&info(store, &find(store)?)?)),
        ("DELETE", _) => {
            let force = query.flag("force")?;
            Box::new(move |store| {
                let mut found: Process = find(store)?;
                if force && found.state.status != "exited" {
                    found = killed(store, found)?;
                }
                process::remove(store, &found).map_err(Failure::from)?;
                Ok(nothing())
            })
        }
        (_, "stop") => Box::new(move |store| {
            let mut found: Process = find(store)?;
            if found.state.status != "exited" {
                // B1-39: who does not end in time is killed.
                let grace = wait.unwrap_or(GRACE);
                let asked = process::stop(store, &found, Some(grace));
                found = ended(store, &found, asked, grace + KILLED)?;
            }
            told(&info(store, &found)?)
        }),
        (_, "kill") => Box::new(move |store| {
            let found = find(store)?;
            told(&info(store, &killed(store, found)?)?)
        }),
        (_, "wait") => {
            let most = query.value("timeoutMs")?.map(Duration::from_millis).unwrap_or(Duration::from_secs(30));
            Box::new(move |store| {
                let found: Process = find(store)?;
                let waited = process::wait_for_end(store, &found, Some(most.min(LONGEST))).map_err(Failure::from)?;
                let now = match waited {
                    Some(ended) => ended,
                    None => find(store)?,
                };
                told(&info(store, &now)?)
            })
        }
        (_, "input") => {
            let input: Input = asked.json().await?;
            let bytes = said(input.data, input.encoding.as_deref())?;
            let most = asked.server.bounds.now().max_input_bytes_per_request;
            if bytes.len() > most {
                let detail = format!("the input must not be larger than {most} bytes (maxInputBytesPerRequest)");
                return Err(Problem::new(Kind::TooLarge, detail));
            }
            Box::new(move |store| {
                let found = find(store)?;
                let bytes_written =
                    process::send_input(store, &found, &mut bytes.as_slice(), Some(UNREAD)).map_err(conflict)?;
                if input.eof {
                    process::close_input(store, &found).map_err(conflict)?;
                }
                told(&Taken { bytes_written })
            })
        }
        (_, _) => {
            let [cols, rows] = asked.json::<Size>().await?.check()?;
            Box::new(move |store| {
                process::resize(store, &find(store)?, cols, rows).map_err(conflict)?;
                told(&Size { cols, rows })
            })
        }
    };
    carry_out(&asked.server, deed).await
}

/// `GET /v1/processes/{id}/terminal/ws`.
async fn terminal(asked: Asked, find: impl FnOnce(&Path) -> Result<Process, Problem> + Send + 'static) -> Answer {
    let caller = terminal::Caller::of(&asked.headers, asked.upgrade)?;
    let store = asked.server.hub.path().to_owned();
    let turn = asked.server.hub.long_turn().await?;
    let seat = tokio::task::spawn_blocking(move || {
        let found = find(&store)?;
        let seat = process::Seat::take(&store, &found, SCROLLBACK).map_err(conflict)?;
        Ok::<_, Problem>((found.process_id, seat))
    });
    let seat = seat.await.map_err(|error| Problem::new(Kind::Internal, format!("failed to finish: {error}")));
    let (process_id, seat) = seat??;
    Ok(caller.answer(&asked.server, process_id, seat, turn))
}

/// What a process that is there does not do, because of what it is or because it has ended.
fn conflict(error: engine::Error) -> Problem {
    let failure = Failure::from(error);
    let is_so = matches!(failure.code, ErrorCode::NotFound | ErrorCode::Usage);
    let problem = Problem::from(failure);
    if is_so { problem.of_kind(Kind::Conflict) } else { problem }
}

fn killed(store: &Path, found: Process) -> Result<Process, Problem> {
    if found.state.status == "exited" {
        return Ok(found);
    }
    let asked = process::signal(store, &found, host::Signal::SIGKILL as i32, true);
    ended(store, &found, asked, KILLED)
}

/// Waits for its end; one that has ended before it could be asked is as good.
fn ended(store: &Path, found: &Process, asked: Result<(), engine::Error>, most: Duration) -> Result<Process, Problem> {
    let waited = process::wait_for_end(store, found, Some(most)).map_err(Failure::from)?;
    match (waited, asked) {
        (Some(ended), _) => Ok(ended),
        (None, Err(error)) => Err(conflict(error)),
        (None, Ok(())) => Ok(process::find(store, &found.process_id).map_err(Failure::from)?),
    }
}

/// `GET /v1/processes/{id}/logs`: what is there, or with `follow` what comes too, to the end of the process.
async fn logs(
    server: &Arc<Server>,
    find: impl FnOnce(&Path) -> Result<Process, Problem> + Send + 'static,
    query: &Query,
    headers: &HeaderMap,
) -> Answer {
    let name = query.word("stream").unwrap_or("combined").to_owned();
    let stream = match name.as_str() {
        "combined" => None,
        "stdout" => Some(Stream::Stdout),
        "stderr" => Some(Stream::Stderr),
        "pty" => Some(Stream::Pty),
        _ => return Err(Problem::invalid("failed to use `stream`: one of stdout, stderr, combined, pty")),
    };
    let last = headers.get("last-event-id").map(|value| value.to_str().ok().and_then(|text| text.trim().parse().ok()));
    let since: Option<i64> = match last {
        // A client that comes back knows best how far it was.
        Some(Some(last)) => Some(last),
        Some(None) => return Err(Problem::invalid("failed to read Last-Event-ID: it is the sequence of a record")),
        None => query.value("since")?,
    };
    if since.is_some_and(|since| since < 0) {
        return Err(Problem::invalid("failed to use `since`: it is the sequence of the last record seen"));
    }
    let tail = query.value::<u32>("tail")?;
    let follow = query.flag("follow")?;
    let after = since.unwrap_or(0);
    let store: PathBuf = server.hub.path().to_owned();
    let work = Box::new(move |out: &mut Outlet| {
        let found = find(&store)?;
        let last = process::record(&store, &found).map_err(Failure::from)?.last_sequence;
        if after > last {
            let (process, offset) = (found.process_id, after);
            return Err(Failure::from(process::Error::OffsetBeyondEnd { process, offset, last }).into());
        }
        // The last records of those after a sequence, without their starts and ends.
        let mut skip = match tail {
            Some(most) => pieces(&store, &found, after, stream)?.saturating_sub(most as usize),
            None => 0,
        };
        let asked = LogRequest { store, process: found.process_id.clone(), after, stream, since: None, follow };
        if !follow {
            let head = json!({ "processId": found.process_id, "stream": name }).to_string();
            let _ = write!(out, "{},\"entries\":[", head.trim_end_matches('}'));
            let mut count = 0;
            process::follow(&asked, None, &mut |item| {
                let LogItem::Bytes(piece) = item else { return true };
                if skip > 0 {
                    skip -= 1;
                    return true;
                }
                let comma = if count > 0 { "," } else { "" };
                count += 1;
                write!(out, "{comma}{}", entry(&piece)).is_ok()
            })
            .map_err(Failure::from)?;
            let _ = out.write_all(b"]}");
            return Ok(());
        }
        let reader = out.reader().try_clone_to_owned();
        let reader = reader.map_err(|error| Problem::new(Kind::Unavailable, format!("failed to follow: {error}")))?;
        if out.write_all(b"retry: 1000\n\n").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        let told = process::follow(&asked, Some(reader.as_fd()), &mut |item| {
            let written = match item {
                LogItem::Bytes(_) if skip > 0 => {
                    skip -= 1;
                    Ok(())
                }
                LogItem::Bytes(piece) => {
                    write!(out, "event: log\nid: {}\ndata: {}\n\n", piece.sequence, entry(&piece))
                }
                LogItem::Line(line) => {
                    let name = match &line {
                        LogLine::Started { .. } => "started",
                        LogLine::Gap { .. } => "gap",
                        // B1-35: the end is told, and is the end.
                        LogLine::Exit { .. } => "exit",
                        LogLine::Output { .. } => "output",
                    };
                    let text = serde_json::to_string(&line).expect("records have string keys");
                    write!(out, "event: {name}\nid: {}\ndata: {text}\n\n", line.sequence())
                }
            };
            written.and_then(|()| out.flush()).is_ok()
        });
        told.map_err(Failure::from)?;
        Ok(())
    });
    outlet::answer(server, if follow { EVENTS } else { "application/json" }, None, work).await
}

/// How many pieces of output there are after a sequence.
fn pieces(store: &Path, process: &Process, after: i64, stream: Option<Stream>) -> Result<usize, Problem> {
    let (store, process) = (store.to_owned(), process.process_id.clone());
    let mut count = 0;
    process::follow(&LogRequest { store, process, after, stream, since: None, follow: false }, None, &mut |item| {
        count += usize::from(matches!(item, LogItem::Bytes(_)));
        true
    })
    .map_err(Failure::from)?;
    Ok(count)
}

fn entry(piece: &Stored<'_>) -> String {
    let entry = Entry {
        sequence: piece.sequence,
        stream: piece.stream,
        timestamp_ms: piece.time,
        data: STANDARD.encode(piece.bytes),
        encoding: "base64",
    };
    serde_json::to_string(&entry).expect("it has string keys")
}
