//! The card: what an agent is and can, as data; nothing outside an agent's folder ever asks which agent it is.

use schema::event::PermissionMode;

use crate::recipe::Install;

/// What an agent is and can.
#[derive(Debug, Clone)]
pub struct Card {
    /// Our name for it, as in `--agent`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The program to look for; `None` is our own binary.
    pub program: Option<&'static str>,
    /// The version that this release was tested with.
    pub tested: &'static str,
    /// The oldest version that works, where an older one must not be started.
    pub oldest: Option<Oldest>,
    /// Its modes, the default first; empty where it has none.
    pub modes: &'static [&'static str],
    /// Its efforts, where the list is part of its protocol; empty where any word is passed on.
    pub efforts: &'static [&'static str],
    /// The permission modes that work.
    pub permission_modes: &'static [PermissionMode],
    /// What it can beyond talking.
    pub can: Capabilities,
    /// How it is installed: its line of the table in `recipe`.
    pub install: &'static Install,
}

/// What an agent can beyond talking; what it cannot is an error when asked for, never a silence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A model can be chosen.
    pub model: bool,
    /// An effort can be chosen.
    pub effort: bool,
    /// A conversation can go on in a new process.
    pub resume: bool,
    /// … also in another directory.
    pub resume_elsewhere: bool,
    /// A conversation can be copied.
    pub fork: bool,
    /// A prompt can be put into a running turn.
    pub steer: bool,
    /// Pictures can be attached.
    pub images: bool,
    /// Other files can be attached.
    pub files: bool,
    /// A permission's input can be edited.
    pub edit_input: bool,
    /// The reason of a denial reaches the model.
    pub deny_message: bool,
    /// It can be told how many model requests a turn may take.
    pub max_turns: bool,
    /// It reports money.
    pub cost: bool,
    /// Servers of the Model Context Protocol can be given to a session.
    pub mcp: bool,
    /// Skills can be given to a session.
    pub skills: bool,
}

/// The oldest version of an agent that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oldest {
    /// The npm package whose `package.json`, above the program, says the version.
    pub package: &'static str,
    /// The version.
    pub version: &'static str,
    /// What is wrong with older ones, for people.
    pub why: &'static str,
}

impl Capabilities {
    /// The names of what it can.
    pub fn names(&self) -> Vec<&'static str> {
        [
            (self.model, "model"),
            (self.effort, "effort"),
            (self.resume, "resume"),
            (self.resume_elsewhere, "resume_elsewhere"),
            (self.fork, "fork"),
            (self.steer, "steer"),
            (self.images, "images"),
            (self.files, "files"),
            (self.edit_input, "edit_input"),
            (self.deny_message, "deny_message"),
            (self.max_turns, "max_turns"),
            (self.cost, "cost"),
            (self.mcp, "mcp"),
            (self.skills, "skills"),
        ]
        .into_iter()
        .filter_map(|(can, name)| can.then_some(name))
        .collect()
    }
}
