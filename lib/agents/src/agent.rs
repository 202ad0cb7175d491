//! What an agent is to the rest of the program: a card, a way to start it, and a fresh conversation.

use schema::event::PermissionMode;
use serde_json::Value;

use crate::card::Card;
use crate::credentials::Secret;
use crate::dialect::Dialect;
use crate::mcp;
use crate::offer::Inquiry;

/// One agent. A value without state; there is one static per agent.
pub trait Agent: Sync {
    /// What it is and can, as data.
    fn card(&self) -> &Card;
    /// How to start it for this job. Pure: arguments, environment, files to lay out.
    fn launch(&self, job: &Job) -> Launch;
    /// The slash commands that it carries out as turns of their own, without the slash.
    fn commands(&self) -> &'static [&'static str] {
        &["compact"]
    }
    /// Whether a mode of this name may be asked for; by default one of the card's.
    fn takes_mode(&self, mode: &str) -> bool {
        self.card().modes.contains(&mode)
    }
    /// Whether turns of it were driven live; otherwise it was made from its documentation alone.
    fn is_verified(&self) -> bool {
        true
    }
    /// A conversation that only asks what it offers; nothing for an agent that has no way to say.
    fn inquiry(&self, _job: &Job) -> Option<Box<dyn Inquiry>> {
        None
    }
    /// A fresh conversation for this job.
    fn dialect(&self, job: &Job) -> Box<dyn Dialect>;
}

/// What is asked of an agent's process when it is started.
#[derive(Debug, Clone)]
pub struct Job {
    /// Our name of the session.
    pub session_id: String,
    /// Where it works, absolute.
    pub cwd: String,
    /// The model, in the agent's words.
    pub model: Option<String>,
    /// The mode, one of the card's.
    pub mode: Option<String>,
    /// The reasoning effort, in the agent's words.
    pub effort: Option<String>,
    /// How permissions are decided; agents are started so that they ask us.
    pub permission_mode: PermissionMode,
    /// Rules exist that must see every request: start the agent in its asking mode whatever the mode says.
    pub must_ask: bool,
    /// The most model requests in one turn, where the card says that the agent can count them.
    pub max_turns: Option<u32>,
    /// The conversation to go on with.
    pub resume: Option<Resume>,
    /// Where the files of [`Launch::files`] are laid out, absolute; there only while the agent runs.
    pub folder: String,
    /// Random, new for each start: a password between us and an agent that serves.
    pub secret: String,
    /// A key to log in with, for an agent that has no login and takes none from its environment.
    pub api_key: Option<Secret>,
    /// Servers of the Model Context Protocol for this session, beside the user's own; none where the card says that it has none.
    pub mcp: Vec<mcp::Server>,
    /// Skills for this session, likewise.
    pub skills: Vec<Skill>,
    /// Arguments of the user's for the agent's program.
    pub agent_args: Vec<String>,
    /// The version of this program, for agents that want to know their client.
    pub client_version: String,
}

/// A folder with a `SKILL.md` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// The folder's own name.
    pub name: String,
    /// The folder, absolute.
    pub path: String,
}

/// Variables that lead some agent to a configuration or a login elsewhere than in its home, so that a private home would not hide it.
pub const ELSEWHERE: &[&str] = &[
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "AMP_SETTINGS_FILE",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "CODEX_SQLITE_HOME",
    "COPILOT_HOME",
    "CURSOR_CONFIG_DIR",
    "GEMINI_CLI_HOME",
    "OPENCODE_AUTH_CONTENT",
    "OPENCODE_CONFIG",
    "OPENCODE_CONFIG_CONTENT",
    "OPENCODE_CONFIG_DIR",
    "OPENCODE_TEST_HOME",
    "PI_CODING_AGENT_DIR",
    "PI_CODING_AGENT_SESSION_DIR",
];

/// An earlier conversation.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The agent's own id of it.
    pub native_session_id: String,
    /// What the translator gave as `Verdict::totals` at the last end of a turn.
    pub totals: Option<Value>,
    /// Copy it instead of going on with it.
    pub fork: bool,
}

/// How to start an agent.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Variables added to the agent's environment.
    pub env: Vec<(String, String)>,
    /// Variables it must not see.
    pub unset: Vec<String>,
    /// Files that it needs, laid out in [`Job::folder`] before it starts, for this user's eyes only.
    pub files: Vec<File>,
    /// Links laid out beside them: the name below [`Job::folder`], and where it leads, absolute.
    pub links: Vec<(String, String)>,
    /// How it is spoken to.
    pub wire: Wire,
    /// How long it may take to leave after its stdin was closed, in milliseconds.
    pub eof_ms: u64,
    /// How long it may take to leave after SIGTERM, in milliseconds.
    pub term_ms: u64,
}

/// How an agent is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wire {
    /// In lines on its stdin and stdout.
    #[default]
    Lines,
    /// It serves HTTP on loopback: the data of its event stream are the lines it says, and it is called.
    Http {
        /// What the line of its stdout begins with that goes on with its address, `http://127.0.0.1:PORT`.
        ready: String,
        /// The path of its event stream (server-sent events).
        events: String,
        /// For Basic authentication.
        user: String,
        /// Likewise.
        password: String,
    },
}

/// A file for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name below [`Job::folder`], of plain names joined by `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}
