//! Kept processes: started, found, ended, forgotten; what a dead keeper left is ended here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use host::bell::Watch;
use host::detach::{self, Streams};
use host::{Lock, clock};
use schema::outcome::ErrorCode;
use schema::process::{
    ExitData, Limits, LimitsBy, ProcessReason, ProcessRecord, ProcessStatus, RemovedRecord, RestartPolicy,
};
use schema::{Timestamp, ids};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Access, Kind, Output, Process, ProcessState, Record, SelectOutput, Store, Sync};

use super::Error as Why;
use super::keeper::MARK;
use crate::error::Error;
use crate::{Failure, Places};

/// What a kept process is started as; stored, so without values of its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The program, searched in its `PATH`, and its arguments.
    pub command: Vec<String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// A name for it.
    pub name: Option<String>,
    /// What its users attached to it.
    pub labels: BTreeMap<String, String>,
    /// For whom it runs: `user`, `desktop`.
    pub owner: String,
    /// The session whose agent starts it.
    pub parent_session: Option<String>,
    /// Columns and rows of its terminal, if it has one.
    pub tty: Option<[u16; 2]>,
    /// Whether its input can be written; else it is empty.
    pub stdin: bool,
    /// What it may use at most.
    pub limits: Limits,
    /// `USER[:GROUP]`, for root only.
    pub run_as: Option<String>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// After how many quick ends in a row it is not.
    pub restart_limit: u32,
    /// How much of its output is kept, in bytes.
    pub max_log: u64,
    /// How long it may take to end after SIGTERM.
    pub grace_ms: u64,
    /// The uid of another kept process: when that is over for good, this one is ended too.
    #[serde(default)]
    pub with: Option<String>,
}

impl Kept {
    /// Whether a process has a terminal.
    pub fn tty_of(process: &Process) -> bool {
        Kept::of(process).is_ok_and(|kept| kept.tty.is_some())
    }

    pub(crate) fn of(process: &Process) -> Result<Kept, Error> {
        serde_json::from_str(&process.spec)
            .map_err(|source| Why::Stored { process: process.process_id.clone(), source }.into())
    }
}

/// Starts a process in the background with exactly this environment, and returns once it runs.
///
/// # Errors
/// [`Why::NotStarted`] when the program does not run; then there is no process.
pub fn start(store: &Path, kept: &Kept, env: &[(OsString, OsString)]) -> Result<Process, Error> {
    let process_id = format!("proc_{}", ids::unique());
    let spec = serde_json::to_string(&Kept { command: Vec::new(), ..kept.clone() }).expect("it has string keys");
    let words = kept.command.iter().map(OsString::from);
    let args = [OsString::from(spec), "--".into()].into_iter().chain(words);
    begin(store, &process_id, args, env)
}

/// Starts a process that has ended once more, under its old name and number, with exactly this environment.
///
/// # Errors
/// As [`start`]; [`Why::Busy`] while it runs.
pub fn start_again(store: &Path, process: &Process, env: &[(OsString, OsString)]) -> Result<Process, Error> {
    begin(store, &process.process_id, std::iter::empty(), env)
}

fn begin(
    store: &Path,
    process_id: &str,
    more: impl Iterator<Item = OsString>,
    env: &[(OsString, OsString)],
) -> Result<Process, Error> {
    let words = [OsString::from("__keep"), "process".into(), process_id.into(), store.as_os_str().to_owned()];
    let args: Vec<OsString> = words.into_iter().chain(more).collect();
    let (_, line) = detach::spawn_self(&args, env, Streams::default())?;
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    if let Some(message) = told["message"].as_str() {
        let code = serde_json::from_value(told["code"].clone()).unwrap_or(ErrorCode::Other);
        let exit_code = told["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(1);
        let hint = told["hint"].as_str().map(str::to_owned);
        return Err(Why::NotStarted(Box::new(Failure { code, exit_code, message: message.to_owned(), hint })).into());
    }
    find(store, process_id)
}

/// The process of this id, name, or unique beginning of a generated id; what a dead keeper left of it is ended first.
///
/// # Errors
/// [`Why::NoProcess`].
pub fn find(store: &Path, name: &str) -> Result<Process, Error> {
    let missing = || Error::from(Why::NoProcess(name.to_owned()));
    let opened = crate::follow::open_if_there(store)?.ok_or_else(missing)?;
    let found = match opened.process(name)? {
        Some(process) => process,
        None if name.starts_with("proc_") && name.len() > 5 => {
            let mut all = opened.processes()?;
            all.retain(|process| process.process_id.starts_with(name));
            if all.len() == 1 { all.remove(0) } else { return Err(missing()) }
        }
        None => return Err(missing()),
    };
    drop(opened);
    mend(store, found)
}

/// Every process, the oldest first; what dead keepers left is ended first.
///
/// # Errors
/// When the store fails.
pub fn list(store: &Path) -> Result<Vec<Process>, Error> {
    let Some(opened) = crate::follow::open_if_there(store)? else { return Ok(Vec::new()) };
    let all = opened.processes()?;
    drop(opened);
    all.into_iter().map(|process| mend(store, process)).collect()
}

/// Whether the process of this pid is it, or was started by it, directly or by what it has started.
pub fn is_below(process: &Process, pid: u32) -> bool {
    // Some programs, as Chromium does, write over their environment; others leave the one who has started them.
    let root = process.state.pid.and_then(|root| u32::try_from(root).ok());
    root.is_some_and(|root| host::tree::descends(pid, root)) || host::tree::is_marked(pid, MARK, process.uid.as_ref())
}

/// Writes the end that a dead keeper could not write, and ends what is left of its process.
///
/// # Errors
/// When the store fails.
pub fn mend(store: &Path, process: Process) -> Result<Process, Error> {
    let places = Places::beside(store);
    let lock = places.lock(&process.uid);
    if process.state.status == "exited" || host::lock::held(&lock)? {
        return Ok(process);
    }
    let mut opened = match Store::open(store, Access::Write) {
        Ok(opened) => opened,
        // Who may only read sees it as it is: lost.
        Err(store::Error::ReadOnly { .. }) => return Ok(process),
        Err(error) => return Err(error.into()),
    };
    let Some(_lock) = Lock::take(&lock)? else { return Ok(process) };
    let missing = || Why::NoProcess(process.process_id.clone());
    let process = opened.process_by_no(process.no)?.ok_or_else(missing)?;
    if process.state.status == "exited" {
        return Ok(process);
    }
    // The guard has ended everything, unless it was killed too.
    let ended = host::tree::end_marked(MARK, process.uid.as_ref());
    if ended > 0 {
        log::warn!("ended {ended} processes that {} had left", process.process_id);
    }
    let mut output = Output::open(store, Access::Write)?;
    let exit = match last_exit(&output, process.no)? {
        // It was written, and only the row was not.
        Some(exit) if exit.restart_in_ms.is_none() => exit,
        Some(_) | None => {
            let exit = ExitData {
                reason: ProcessReason::KeeperDied,
                exit_code: None,
                signal: None,
                message: None,
                max_rss: None,
                cpu_ms: None,
                restart_in_ms: None,
            };
            let data = serde_json::to_vec(&exit).expect("it has string keys");
            let record = Record { time: clock::now_ms(), kind: Kind::Exit, data };
            output.append(process.no, &[record], i64::MAX, Sync::Full)?;
            exit
        }
    };
    let state = ProcessState {
        status: "exited".to_owned(),
        reason: serde_json::to_value(exit.reason).ok().and_then(|word| word.as_str().map(str::to_owned)),
        pid: None,
        exit_code: exit.exit_code,
        signal: exit.signal,
        ended: Some(clock::now_ms()),
        max_rss: exit.max_rss,
        cpu_ms: exit.cpu_ms,
        ..process.state.clone()
    };
    opened.set_process(process.no, &state, None, &process.boot_id)?;
    if let Ok(bell) = host::bell::Bell::open(&places.bell(&process.uid)) {
        bell.ring();
    }
    Ok(Process { state, keeper: None, ..process })
}

/// The last record, if it is an end.
fn last_exit(output: &Output, no: i64) -> Result<Option<ExitData>, Error> {
    let mut found = None;
    let select = SelectOutput { after: 0, kinds: &[], since: None, reverse: true, limit: 1, bytes: usize::MAX };
    output.read(no, &select, &mut |record| {
        if record.kind == Kind::Exit {
            found = serde_json::from_slice(record.data).ok();
        }
    })?;
    Ok(found)
}

/// Waits until it has ended for good; `None` when `timeout` passed first.
///
/// # Errors
/// [`Why::NoProcess`] when it is deleted meanwhile.
pub fn wait_for_end(store: &Path, process: &Process, timeout: Option<Duration>) -> Result<Option<Process>, Error> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut watch = Watch::new(&[Places::beside(store).bell(&process.uid)]);
    let missing = || Error::from(Why::NoProcess(process.process_id.clone()));
    // Kept open: a process that floods its log rings all the time.
    let opened = crate::follow::open_if_there(store)?.ok_or_else(missing)?;
    loop {
        let now = mend(store, opened.process_by_no(process.no)?.ok_or_else(missing)?)?;
        if now.state.status == "exited" && !host::lock::held(&Places::beside(store).lock(&process.uid))? {
            return Ok(Some(now));
        }
        let left =
            deadline.map_or(Duration::from_secs(1), |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(None);
        }
        // Its keeper takes leave in a moment.
        let most = if now.state.status == "exited" { Duration::from_millis(5) } else { Duration::from_secs(1) };
        watch.wait(None, left.min(most));
    }
}

/// Forgets a process that has ended, with its log.
///
/// # Errors
/// [`Why::Busy`] while it runs.
pub fn remove(store: &Path, process: &Process) -> Result<RemovedRecord, Error> {
    let places = Places::beside(store);
    let busy = || Why::Busy(process.name.clone().unwrap_or_else(|| process.process_id.clone()));
    if process.state.status != "exited" {
        return Err(busy().into());
    }
    let lock = Lock::take_within(&places.lock(&process.uid), Duration::from_millis(500))?.ok_or_else(busy)?;
    let mut output = Output::open(store, Access::Write)?;
    let log_bytes = output.log(process.no)?.bytes;
    output.delete(process.no)?;
    Store::open(store, Access::Write)?.delete_process(process.no)?;
    places.remove(&process.uid);
    drop(lock);
    Ok(RemovedRecord { process_id: process.process_id.clone(), name: process.name.clone(), removed: true, log_bytes })
}

/// Gives the space of what was removed back to the file system.
///
/// # Errors
/// When the store fails.
pub fn give_back(store: &Path) -> Result<(), Error> {
    match Output::open(store, Access::Write) {
        Ok(mut output) => Ok(output.give_back()?),
        Err(store::Error::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A process as it is printed.
///
/// # Errors
/// When the store fails.
pub fn record(store: &Path, process: &Process) -> Result<ProcessRecord, Error> {
    let kept = Kept::of(process)?;
    let log = match Output::open(store, Access::Read) {
        Ok(output) => output.log(process.no)?,
        Err(store::Error::Missing { .. }) => store::Log::default(),
        Err(error) => return Err(error.into()),
    };
    let state = &process.state;
    let held = host::lock::held(&Places::beside(store).lock(&process.uid))?;
    let status = match state.status.as_str() {
        "exited" => ProcessStatus::Exited,
        _ if !held => ProcessStatus::Lost,
        "running" => ProcessStatus::Running,
        "restarting" => ProcessStatus::Restarting,
        _ => ProcessStatus::Starting,
    };
    let word = |word: &Option<String>| word.clone().map(Value::from);
    let time = |time: Option<i64>| time.map(|time| Timestamp(time).to_string());
    Ok(ProcessRecord {
        process_id: process.process_id.clone(),
        name: process.name.clone(),
        command: kept.command,
        cwd: kept.cwd,
        tty: kept.tty.is_some(),
        status,
        reason: word(&state.reason).and_then(|word| serde_json::from_value::<ProcessReason>(word).ok()),
        pid: state.pid,
        keeper_pid: process.keeper.as_ref().and_then(|pid| pid.parse().ok()),
        exit_code: state.exit_code,
        signal: state.signal,
        created: Timestamp(process.created).to_string(),
        started: time(state.started),
        ended: time(state.ended),
        restart: kept.restart,
        restarts: state.restarts,
        limits: kept.limits,
        limits_by: word(&state.limits_by).and_then(|word| serde_json::from_value::<LimitsBy>(word).ok()),
        max_rss: state.max_rss,
        cpu_ms: state.cpu_ms,
        last_sequence: log.last_sequence,
        log_bytes: log.bytes,
        owner: process.owner.clone(),
        run_as: kept.run_as,
        labels: kept.labels,
        parent_session: process.parent_session.clone(),
    })
}
