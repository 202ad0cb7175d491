//! The lines that commands other than `run`, `stream` and `events` print.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Usage;
use crate::outcome::{ErrorCode, Outcome};

/// A session as `sessions list`, `sessions show` and the view `sessions` tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SessionRecord {
    /// Its name.
    pub session_id: String,
    /// What people call it.
    pub title: Option<String>,
    /// Which agent.
    pub agent: String,
    /// Where it works.
    pub cwd: String,
    /// What it is doing.
    pub status: SessionStatus,
    /// What became of its last turn.
    pub outcome: Option<Outcome>,
    /// The exit code of its last turn.
    pub exit_code: Option<i64>,
    /// The number of its last event.
    pub last_sequence: i64,
    /// Open permissions and questions.
    pub pending: Vec<String>,
    /// The agent's own id.
    pub native_session_id: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The mode.
    pub mode: Option<String>,
    /// How permissions were decided in its last run.
    pub permission_mode: Option<String>,
    /// When it was created, RFC 3339.
    pub created: String,
    /// When it was last written, RFC 3339.
    pub updated: String,
    /// How many turns it had.
    pub turns: i64,
    /// Tokens of all turns.
    pub usage: Option<Usage>,
    /// Money of all turns, US dollars.
    pub cost_usd: Option<f64>,
    /// What its users attached to it.
    pub labels: BTreeMap<String, String>,
    /// The session whose agent started it.
    pub parent_session: Option<String>,
}

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// The agent is being started.
    Starting,
    /// A turn is running.
    Running,
    /// A turn waits for an answer.
    Asking,
    /// No turn is running, starting or queued.
    Idle,
    /// Closed for good.
    Ended,
    /// Its owner died and nobody has written the end yet.
    Lost,
}

impl SessionStatus {
    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            SessionStatus::Starting => "starting",
            SessionStatus::Running => "running",
            SessionStatus::Asking => "asking",
            SessionStatus::Idle => "idle",
            SessionStatus::Ended => "ended",
            SessionStatus::Lost => "lost",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<SessionStatus> {
        use SessionStatus::{Asking, Ended, Idle, Lost, Running, Starting};
        [Starting, Running, Asking, Idle, Ended, Lost].into_iter().find(|status| status.as_str() == text)
    }
}

/// A session's first line in an export: the record and what makes its event ids survive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ExportHead {
    /// Always `session`.
    #[serde(rename = "type")]
    pub kind: ExportKind,
    /// The session.
    pub session: SessionRecord,
    /// From which sequence on which epoch names the events.
    pub epochs: Vec<Epoch>,
    /// What the session keeps for its next run.
    #[serde(default)]
    pub settings: Value,
}

/// What `server` prints once it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ServerRecord {
    /// Where, over TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its socket in the file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix: Option<String>,
    /// What clients must send as `Authorization: Bearer TOKEN`; said only where it was made up, and only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its process.
    pub pid: u32,
    /// Of this program.
    pub version: String,
}

/// The word that marks an export's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// A session.
    Session,
}

/// An epoch of a session's event ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Epoch {
    /// The first sequence it names.
    pub from_sequence: i64,
    /// UUIDv7, 32 hex digits.
    pub uid: String,
}

/// What a command prints when it could not do its work: one line on stdout, without a sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ErrorLine {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// One of the closed list.
    pub code: ErrorCode,
    /// What, why, and what to do next.
    pub message: String,
    /// The exit code of this command.
    pub exit_code: i32,
    /// What to type, or who holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The word that marks an error line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// An error.
    Error,
}

/// A line of `sessions usage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct UsageRecord {
    /// The group: a session, an agent, a model, a day or `total`.
    pub group: String,
    /// Turns counted.
    pub turns: i64,
    /// Their tokens.
    pub usage: Option<Usage>,
    /// Their price, US dollars.
    pub cost_usd: Option<f64>,
}

/// A line of `sessions search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SearchHit {
    /// The session.
    pub session_id: String,
    /// The event.
    pub sequence: i64,
    /// When it was recorded, RFC 3339.
    pub time: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text around the words.
    pub excerpt: String,
}

/// What `sessions delete` and `sessions prune` print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DeletedRecord {
    /// The session.
    pub session_id: String,
    /// Whether it is gone; `false` with `--dry-run`.
    pub deleted: bool,
    /// How many events it had.
    pub events: i64,
}

/// What `run --dry-run` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct LaunchRecord {
    /// Which agent.
    pub agent: String,
    /// The program that would be started.
    pub program: String,
    /// Why this one.
    pub found: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where it would work.
    pub cwd: String,
    /// The names of its environment.
    pub env: Vec<String>,
    /// How permissions would be decided.
    pub permission_mode: String,
}

/// A line of `credentials extract`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct CredentialRecord {
    /// Who issued it, such as `anthropic`.
    pub provider: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Where it was found: `env:NAME`, or `file:PATH`.
    pub source: String,
    /// The agents that look there.
    pub agents: Vec<String>,
    /// The variables that `extract-env` gives it; none where no program takes it from a variable.
    pub variables: Vec<String>,
    /// The secret with `--reveal`, else its ends only.
    pub value: String,
    /// Whether `value` is not the whole secret.
    pub redacted: bool,
    /// When it ends, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A key that somebody made for a program.
    ApiKey,
    /// A token of a person's login.
    Oauth,
}

/// A line of `credentials check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct CredentialCheck {
    /// The agent.
    pub agent: String,
    /// Whether it has a credential, or needs none.
    pub ok: bool,
    /// Whether the agent is logged in by itself; else only what a run hands over can help.
    pub own_login: bool,
    /// What was found, the first that counts first: `env:NAME` or `file:PATH`.
    pub sources: Vec<String>,
    /// Which providers it can reach.
    pub providers: Vec<String>,
    /// Places that could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<String>,
}

/// What `send` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct SentRecord {
    /// The session.
    pub session_id: String,
    /// The prompt's id, as it will stand in `turn.started.prompt_ids`.
    pub prompt_id: String,
}

/// What `cancel` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct CancelledRecord {
    /// The session.
    pub session_id: String,
    /// Whether a turn was running.
    pub cancelled: bool,
    /// Which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
}

/// A line of `wait`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct WaitedRecord {
    /// The session.
    pub session_id: String,
    /// Whether it got there before `--timeout`.
    pub reached: bool,
    /// What it is doing.
    pub status: SessionStatus,
    /// What became of the turn that was waited for, or of its last one.
    pub outcome: Option<Outcome>,
    /// The exit code of that turn.
    pub exit_code: Option<i64>,
    /// Open permissions and questions.
    pub pending: Vec<String>,
}

/// A line of `install-agent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct InstallRecord {
    /// Which agent.
    pub agent: String,
    /// Its version; none where it failed before that was known.
    pub version: Option<String>,
    /// What became of it.
    pub status: InstallStatus,
    /// What is started.
    pub program: Option<String>,
    /// The address or path that it came from.
    pub source: Option<String>,
    /// The hash of its package, as the registry writes it.
    pub integrity: Option<String>,
    /// The Node that runs it, where it needs one.
    pub node: Option<String>,
    /// What came over the network, in bytes; npm's own downloads are not counted.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<InstallFailure>,
}

/// What became of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InstallStatus {
    /// It is there now.
    Installed,
    /// It was there before.
    AlreadyInstalled,
    /// It is not there, or still in its old version.
    Failed,
}

/// Why an installation failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct InstallFailure {
    /// One of the closed list.
    pub code: ErrorCode,
    /// What, and why.
    pub message: String,
    /// The exit code, were it the only one.
    pub exit_code: i32,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A line of `agents list`, and what `agents show` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct AgentRecord {
    /// Our name for it.
    pub agent: String,
    /// What people call it.
    pub title: String,
    /// Where it was found.
    pub found: AgentFound,
    /// The version that is used when none is named; none where only the program itself knows.
    pub version: Option<String>,
    /// What is started.
    pub program: Option<String>,
    /// The address or path that it came from.
    pub source: Option<String>,
    /// The Node that runs it, where it needs one.
    pub node: Option<String>,
    /// All versions that we installed, the one in use first.
    pub installed: Vec<String>,
    /// The version that this release was tested with.
    pub tested: Option<String>,
    /// The newest version in the registry; only with `--outdated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// The command that installs it.
    pub install: String,
    /// `run --agent` knows it.
    pub drivable: bool,
    /// Its modes, the default first.
    pub modes: Vec<String>,
    /// Its efforts; empty where any word is passed on.
    pub efforts: Vec<String>,
    /// The permission modes that work.
    pub permission_modes: Vec<String>,
    /// What it can beyond talking.
    pub capabilities: Vec<String>,
    /// How it has each feature.
    pub features: BTreeMap<String, Support>,
    /// Turns of it were driven live; otherwise it was made from its documentation alone.
    pub verified: bool,
    /// What it offers by its own word; only `agents show` asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferRecord>,
    /// Why it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_error: Option<String>,
}

/// How an agent has a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// By its own means.
    Native,
    /// Made by us.
    Ours,
    /// Not at all: asked for, it is an error.
    Absent,
}

/// What an agent said that it offers. What it does not speak of is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Offer {
    /// The models of this login, the agent's own choice among them marked.
    pub models: Vec<Model>,
    /// Its modes.
    pub modes: Vec<String>,
    /// The efforts of any of its models, in its order.
    pub efforts: Vec<String>,
    /// Its slash commands, without the slash.
    pub commands: Vec<String>,
}

/// A model that can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Model {
    /// What `--model` takes.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its reasoning efforts.
    pub efforts: Vec<String>,
    /// What is used where none is asked for.
    pub is_default: bool,
}

/// What an agent offered, and when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct OfferRecord {
    /// When it said so, RFC 3339.
    pub asked: String,
    /// What it said.
    #[serde(flatten)]
    pub offer: Offer,
}

/// Where an agent was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgentFound {
    /// Part of our own binary.
    BuiltIn,
    /// Installed by us.
    Installed,
    /// A program on PATH that somebody else installed.
    Path,
    /// Nowhere.
    Nowhere,
}

/// A line of `agents verify`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct VerifyRecord {
    /// Which agent; `node` and `npm` are ours.
    pub agent: String,
    /// Which version.
    pub version: String,
    /// Where it is.
    pub directory: String,
    /// Every file is as it was installed.
    pub intact: bool,
    /// What is not.
    pub wrong: Vec<String>,
}

/// A line of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DoctorRecord {
    /// What was looked at: `program`, `store`, `disk`, `agent`, `libc`, `node`, `namespaces`, `desktop`.
    pub check: String,
    /// Which one, where there are several: the agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it is.
    pub status: DoctorStatus,
    /// What was found, for people.
    pub message: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What can be counted or listed: `bytes`, `free_bytes`, `journal_mode`, `writable`, `credentials`, `missing`.
    pub details: BTreeMap<String, Value>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DoctorStatus {
    /// Good.
    Ok,
    /// It works, but not for everything.
    Warning,
    /// Not there; only what needs it is troubled.
    Missing,
    /// It is there, or was asked for, and cannot be used.
    Failed,
}
