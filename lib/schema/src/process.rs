//! The lines that `proc` prints: a process, a piece of its output, the result of a one-shot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A managed process as `proc start`, `list`, `show`, `stop`, `wait` and the like tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ProcessRecord {
    /// Its generated id.
    pub process_id: String,
    /// The name that its user gave it.
    pub name: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it works.
    pub cwd: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// What it is doing.
    pub status: ProcessStatus,
    /// Why it is not running, or runs no more.
    pub reason: Option<ProcessReason>,
    /// Its process id while it runs.
    pub pid: Option<i64>,
    /// The process that keeps it.
    pub keeper_pid: Option<i64>,
    /// Its exit code, if it exited.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Its latest start, RFC 3339.
    pub started: Option<String>,
    /// Its latest end, RFC 3339.
    pub ended: Option<String>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How often it was started again.
    pub restarts: i64,
    /// What it may use at most.
    pub limits: Limits,
    /// How limits are kept: by a cgroup or by rlimits; `null` without limits.
    pub limits_by: Option<LimitsBy>,
    /// The most memory that it had at once, in bytes; known after its end.
    pub max_rss: Option<i64>,
    /// Its processor time in milliseconds; known after its end.
    pub cpu_ms: Option<i64>,
    /// The number of its last log record.
    pub last_sequence: i64,
    /// Bytes of its log that are kept.
    pub log_bytes: i64,
    /// For whom it runs: `user`, `desktop`.
    pub owner: String,
    /// The user it runs as, where that is not its keeper's.
    pub run_as: Option<String>,
    /// What its users attached to it.
    pub labels: BTreeMap<String, String>,
    /// The session whose agent started it.
    pub parent_session: Option<String>,
}

/// What a managed process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessStatus {
    /// Its keeper is there, the program not yet.
    Starting,
    /// The program runs.
    Running,
    /// The program has ended and will be started again.
    Restarting,
    /// It has ended, or could not be started.
    Exited,
    /// Its keeper died and nobody has written the end yet.
    Lost,
}

/// Why a managed process runs no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessReason {
    /// It ended by itself, or by somebody else's signal.
    Exited,
    /// It was stopped or killed through us.
    Stopped,
    /// It could not be started.
    NotStarted,
    /// Its keeper was killed, and it with it.
    KeeperDied,
}

/// When a managed process is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// After an exit code other than 0 and after a signal.
    OnFailure,
    /// After every end but one that was asked for.
    Always,
}

/// What a process may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Limits {
    /// Memory in bytes: of all together in a cgroup; of each process its address space as an rlimit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processor time of each process, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Open files of each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Processes: below it in a cgroup; all of its user as an rlimit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

impl Limits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

/// How limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitsBy {
    /// Memory and processes by a cgroup, the others by rlimits.
    Cgroup,
    /// All by rlimits, each process for itself.
    Rlimits,
}

/// A line of `proc logs` and of `proc run --stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogLine {
    /// A piece of output, in the order of writing.
    Output {
        /// Its number in the log.
        sequence: i64,
        /// When it was read, RFC 3339.
        time: String,
        /// From where.
        stream: Stream,
        /// The bytes, where they are UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The bytes in base64, where they are not.
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// The program was started.
    Started {
        /// Its number in the log.
        sequence: i64,
        /// When, RFC 3339.
        time: String,
        /// Its process id.
        pid: i64,
        /// How often it was started before.
        restarts: i64,
    },
    /// Records before this one are not kept any more.
    Gap {
        /// The number of the last one that is gone.
        sequence: i64,
        /// When this was noticed, RFC 3339.
        time: String,
        /// The number of the first one that is gone and was asked for.
        from: i64,
        /// Bytes that were dropped from this log in all.
        dropped_bytes: i64,
    },
    /// The program ended.
    Exit {
        /// Its number in the log.
        sequence: i64,
        /// When, RFC 3339.
        time: String,
        /// How.
        #[serde(flatten)]
        exit: ExitData,
    },
}

impl LogLine {
    /// Its number in the log.
    pub fn sequence(&self) -> i64 {
        match self {
            LogLine::Output { sequence, .. }
            | LogLine::Started { sequence, .. }
            | LogLine::Gap { sequence, .. }
            | LogLine::Exit { sequence, .. } => *sequence,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ExitData {
    /// Why.
    pub reason: ProcessReason,
    /// Its exit code, if it exited.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// Why it could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The most memory that it had at once, in bytes.
    pub max_rss: Option<i64>,
    /// Its processor time in milliseconds.
    pub cpu_ms: Option<i64>,
    /// In how many milliseconds it is started again; absent at the end for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_in_ms: Option<i64>,
}

impl ExitData {
    /// As a shell says it: 128 + n for a signal; 1 where nobody knows.
    pub fn shell_code(&self) -> i32 {
        shell_code(self.exit_code, self.signal)
    }
}

impl ProcessRecord {
    /// As a shell says it: 128 + n for a signal; 1 where nobody knows.
    pub fn shell_code(&self) -> i32 {
        shell_code(self.exit_code, self.signal)
    }
}

fn shell_code(code: Option<i64>, signal: Option<i64>) -> i32 {
    let code = code.or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    i32::try_from(code).unwrap_or(1)
}

/// Where output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The terminal.
    Pty,
}

/// What `proc run` prints at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct RunResult {
    /// Always `result`.
    #[serde(rename = "type")]
    pub kind: ResultKind,
    /// The exit code, if it exited.
    pub exit_code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// Whether its time was over.
    pub timed_out: bool,
    /// Its standard output, where that is UTF-8; absent with --stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Its standard output in base64, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// Its standard error, as its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Its standard error in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    /// Whether the middle of one of the two was left out.
    pub truncated: bool,
    /// Bytes that it wrote to standard output.
    pub stdout_bytes: i64,
    /// Bytes that it wrote to standard error.
    pub stderr_bytes: i64,
    /// From its start to its end.
    pub duration_ms: i64,
    /// The most memory that it had at once, in bytes.
    pub max_rss: Option<i64>,
    /// Its processor time in milliseconds.
    pub cpu_ms: Option<i64>,
    /// How limits were kept, where there were some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_by: Option<LimitsBy>,
}

/// The word that marks a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// A result.
    Result,
}

/// What `proc input` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct InputRecord {
    /// The process.
    pub process_id: String,
    /// Bytes that it was given: they are in its pipe or terminal.
    pub bytes_written: i64,
    /// Whether its input was closed after them.
    pub eof: bool,
}

/// What `proc resize` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SizeRecord {
    /// The process.
    pub process_id: String,
    /// Columns of its terminal.
    pub cols: u16,
    /// Rows of its terminal.
    pub rows: u16,
}

/// What `proc rm` and `proc prune` print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct RemovedRecord {
    /// The process.
    pub process_id: String,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is gone; `false` with `--dry-run`.
    pub removed: bool,
    /// Bytes of its log.
    pub log_bytes: i64,
}
