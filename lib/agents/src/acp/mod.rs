//! Any agent that speaks the Agent Client Protocol on stdio: by a name that we know, or by its command line.

pub(crate) mod dialect;
pub(crate) mod launch;
pub(crate) mod offer;
pub(crate) mod requests;
mod tools;
pub(crate) mod wire;

use schema::event::PermissionMode;

use crate::agent::{Agent, Job, Launch};
use crate::card::{Capabilities, Card};
use crate::dialect::Dialect;
use crate::offer::Inquiry;
use crate::recipe::{self, Install, Recipe};

/// An agent by its command line.
pub struct Acp {
    card: Card,
    arguments: Vec<String>,
}

/// An agent that we know by name, and how it is started.
struct Known {
    title: &'static str,
    command: &'static str,
    install: &'static Install,
    /// It asks before it acts; one that never does can be told nothing but to go on.
    asks: bool,
}

/// The names behind `acp:`; those with a tested version were driven. What is said of them here is how they are started; how they speak is the
/// protocol's business.
static KNOWN: &[(&str, Known)] = &[
    ("claude-agent-acp", known("Claude Agent", "claude-agent-acp", &recipe::CLAUDE_AGENT_ACP)),
    ("codex-acp", known("Codex over ACP", "codex-acp", &recipe::CODEX_ACP)),
    ("gemini", known("Gemini CLI", "gemini --acp", &recipe::GEMINI)),
    ("opencode", known("OpenCode over ACP", "opencode acp", &recipe::OPENCODE)),
    ("pi-acp", Known { asks: false, ..known("Pi over ACP", "pi-acp", &recipe::PI_ACP) }),
    ("copilot", known("GitHub Copilot CLI", "copilot --acp --stdio", &THEIRS)),
    ("qwen", known("Qwen Code", "qwen --acp", &recipe::QWEN)),
    ("kimi", known("Kimi CLI", "kimi acp", &THEIRS)),
    ("goose", known("Goose", "goose acp", &THEIRS)),
    ("auggie", known("Auggie", "auggie --acp", &THEIRS)),
    ("droid", known("Droid", "droid exec --output-format acp", &THEIRS)),
    ("junie", known("Junie", "junie --acp=true", &THEIRS)),
    ("devin", known("Devin", "devin acp", &THEIRS)),
    ("kiro", known("Kiro", "kiro-cli-chat acp", &THEIRS)),
    ("grok", known("Grok Build", "grok agent stdio", &THEIRS)),
];

/// What we do not install.
static THEIRS: Install =
    Install { name: "", program: "", versions: "", tested: "", recipe: Recipe::BuiltIn, only: &[] };

const fn known(title: &'static str, command: &'static str, install: &'static Install) -> Known {
    Known { title, command, install, asks: true }
}

/// The names that `acp:` knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// The agent behind what follows `acp:`, a known name or a command line. Nothing where that is no command line.
/// It lives as long as the program, as every agent does.
pub fn find(command: &str) -> Option<&'static dyn Agent> {
    let known = KNOWN.iter().find(|(name, _)| *name == command).map(|(_, known)| known);
    let words = shlex::split(known.map_or(command, |known| known.command))?;
    let (program, arguments) = words.split_first().filter(|(program, _)| !program.is_empty())?;
    let program: &'static str = program.clone().leak();
    let asks = known.is_none_or(|known| known.asks);
    let card = Card {
        name: format!("acp:{command}").leak(),
        title: known.map_or(program.rsplit('/').next().unwrap_or(program), |known| known.title),
        program: Some(program),
        tested: known.map_or("", |known| known.install.tested),
        oldest: None,
        modes: &[],
        efforts: &[],
        permission_modes: if asks { &ASKING } else { &UNASKED },
        can: CAN,
        made: &[],
        install: known.map_or(&THEIRS, |known| known.install),
    };
    Some(Box::leak(Box::new(Acp { card, arguments: arguments.to_vec() })))
}

/// The name of an agent by its command line. A program by a relative path is the same wherever the session goes on.
/// Nothing where that is no command line.
pub fn name(command: &str, cwd: &str) -> Option<String> {
    let mut words = shlex::split(command)?;
    let program = words.first_mut().filter(|program| !program.is_empty())?;
    if program.contains('/') && !program.starts_with('/') {
        *program = format!("{}/{program}", cwd.trim_end_matches('/'));
    }
    Some(format!("acp:{}", shlex::try_join(words.iter().map(String::as_str)).ok()?))
}

/// What an agent does unasked is up to it: no promise that it only reads.
pub(crate) static ASKING: [PermissionMode; 4] =
    [PermissionMode::Ask, PermissionMode::AcceptEdits, PermissionMode::Auto, PermissionMode::Bypass];
static UNASKED: [PermissionMode; 2] = [PermissionMode::Auto, PermissionMode::Bypass];

/// What the protocol can; an agent that cannot says so when it is asked, and that is an error.
pub(crate) const CAN: Capabilities = Capabilities {
    model: true,
    effort: true,
    resume: true,
    resume_elsewhere: false,
    fork: true,
    steer: false,
    images: true,
    files: true,
    edit_input: false,
    deny_message: false,
    max_turns: false,
    cost: true,
    mcp: true,
    skills: false,
    reasoning: true,
    permissions: true,
    questions: true,
    plan: true,
    todo: false,
    subagents: false,
};

impl Agent for Acp {
    fn card(&self) -> &Card {
        &self.card
    }

    fn launch(&self, job: &Job) -> Launch {
        launch::launch(&self.arguments, job)
    }

    fn takes_mode(&self, _mode: &str) -> bool {
        true
    }

    fn inquiry(&self, job: &Job) -> Option<Box<dyn Inquiry>> {
        Some(Box::new(offer::Asking::new(job)))
    }

    fn dialect(&self, job: &Job) -> Box<dyn Dialect> {
        Box::new(dialect::Conversation::new(job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_found_by_name_or_command_line() {
        let gemini = find("gemini").unwrap();
        assert_eq!((gemini.card().name, gemini.card().program), ("acp:gemini", Some("gemini")));
        let own = find("node '/a b/agent.js' --acp").unwrap();
        assert_eq!(own.card().program, Some("node"));
        assert_eq!(own.card().name, "acp:node '/a b/agent.js' --acp");
        assert!(find("'unterminated").is_none());
        assert!(find("").is_none());
        assert_eq!(name("./agent 'a b'", "/w").unwrap(), "acp:/w/./agent 'a b'");
        assert_eq!(name("agent --acp", "/w").unwrap(), "acp:agent --acp");
        assert_eq!(name("' ", "/w"), None);
    }
}
