//! The table of agents.

use crate::agent::Agent;

/// Every agent with a name of its own, in the order of the documentation.
pub static ALL: &[&dyn Agent] = &[
    &crate::claude::Claude,
    &crate::codex::Codex,
    &crate::opencode::OpenCode,
    &crate::pi::Pi,
    &crate::amp::Amp,
    &crate::cursor::Cursor,
    &crate::mock::Mock,
];

/// Finds an agent by its name; what begins with `acp:` is a known name or a command line.
pub fn find(name: &str) -> Option<&'static dyn Agent> {
    match name.strip_prefix("acp:") {
        Some(command) => crate::acp::find(command),
        None => ALL.iter().copied().find(|agent| agent.card().name == name),
    }
}

/// The names of all agents.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|agent| agent.card().name)
}

/// The parts of `AGENT[@VERSION]`; a command line of `acp:` is one whole.
pub fn parts(word: &str) -> (&str, Option<&str>) {
    match word.split_once('@') {
        Some((agent, version)) if !word.starts_with("acp:") => (agent, Some(version)),
        Some(_) | None => (word, None),
    }
}

/// What drives the agent that `AGENT[@VERSION]` names.
pub fn named(word: &str) -> Option<&'static dyn Agent> {
    driver(parts(word).0)
}

/// What drives an agent of this name; an ACP agent that we install goes by `acp:` before it.
pub fn driver(name: &str) -> Option<&'static dyn Agent> {
    find(name).or_else(|| crate::acp::names().any(|known| known == name).then(|| crate::acp::find(name))?)
}
