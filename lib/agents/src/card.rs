//! The card: what an agent is and can, as data; nothing outside an agent's folder ever asks which agent it is.

use schema::event::PermissionMode;
use schema::record::Support;

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
    /// Those of its capabilities that we made, because it has nothing of the kind.
    pub made: &'static [&'static str],
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
    /// What the model thinks is shown.
    pub reasoning: bool,
    /// It asks before it acts, and takes an answer.
    pub permissions: bool,
    /// Its model can ask people.
    pub questions: bool,
    /// It can plan first, and show the plan.
    pub plan: bool,
    /// Its list of things to do is shown; `false` where the tested version has no such tool, whatever the translator knows.
    pub todo: bool,
    /// What its sub-agents do is told apart.
    pub subagents: bool,
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

/// What the engine does for every agent, whatever that can.
const EVERYWHERE: [&str; 3] = ["allow_for_session", "isolated", "queue"];

impl Card {
    /// How it has each feature there is: the same names in the same order for every agent.
    pub fn features(&self) -> Vec<(&'static str, Support)> {
        let mut features: Vec<(&str, Support)> = EVERYWHERE.iter().map(|name| (*name, Support::Ours)).collect();
        // Without a request there is nothing to remember.
        if !self.can.permissions {
            features[0].1 = Support::Absent;
        }
        features.extend(self.can.all().map(|(can, name)| {
            let support = if self.made.contains(&name) { Support::Ours } else { Support::Native };
            (name, if can { support } else { Support::Absent })
        }));
        features
    }
}

impl Capabilities {
    /// The names of what it can.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().filter_map(|(can, name)| can.then_some(name)).collect()
    }

    fn all(&self) -> [(bool, &'static str); 20] {
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
            (self.reasoning, "reasoning"),
            (self.permissions, "permissions"),
            (self.questions, "questions"),
            (self.plan, "plan"),
            (self.todo, "todo"),
            (self.subagents, "subagents"),
        ]
    }
}
