//! The variables we read, each named once.

use std::ffi::OsString;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A variable that we read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Name { $($(#[$doc])* $name,)* }

        impl Name {
            /// As it stands in the environment.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

names! {
    /// Where the database is.
    Store = "SANDBOX_AGENT_STORE",
    /// Moves everything we write.
    OurHome = "SANDBOX_AGENT_HOME",
    /// The agent when none is named.
    Agent = "SANDBOX_AGENT_AGENT",
    /// Where agents are installed.
    AgentsDir = "SANDBOX_AGENT_AGENTS_DIR",
    /// Never ask at the terminal.
    NoInput = "SANDBOX_AGENT_NO_INPUT",
    /// The registry in place of npm's.
    Mirror = "SANDBOX_AGENT_MIRROR",
    /// The certificates of the authorities that are believed.
    SslCertFile = "SSL_CERT_FILE",
    /// Never use the network.
    Offline = "SANDBOX_AGENT_OFFLINE",
    /// What we say about ourselves on stderr.
    Log = "SANDBOX_AGENT_LOG",
    /// The directory that the verbs of `fs` cannot leave.
    FsRoot = "SANDBOX_AGENT_FS_ROOT",
    /// The session that we run in; given to agents, and so to everything below them.
    Session = "SANDBOX_AGENT_SESSION",
    /// What clients of a server must know. It is for the server alone: nobody whom we start is given it.
    Token = "SANDBOX_AGENT_TOKEN",
    /// Whom systemd hands sockets over to.
    ListenPid = "LISTEN_PID",
    /// How many.
    ListenFds = "LISTEN_FDS",
    /// What they are called.
    ListenNames = "LISTEN_FDNAMES",
    /// A fixed time for tests, in milliseconds since 1970.
    TestClock = "SANDBOX_AGENT_TEST_CLOCK",
    /// A step at which a test wants us killed, `STEP:N`.
    TestKill = "SANDBOX_AGENT_TEST_KILL",
    /// The descriptor on which a detached process says that it is ready.
    Ready = "SANDBOX_AGENT_READY",
    /// No colour.
    NoColor = "NO_COLOR",
    /// The kind of terminal.
    Term = "TERM",
    /// The user's home.
    Home = "HOME",
    /// Where programs are.
    Path = "PATH",
    /// Where data goes.
    XdgDataHome = "XDG_DATA_HOME",
    /// Where configuration is.
    XdgConfigHome = "XDG_CONFIG_HOME",
    /// Where state goes.
    XdgStateHome = "XDG_STATE_HOME",
    /// Where caches go.
    XdgCacheHome = "XDG_CACHE_HOME",
    /// The user's editor, for full-screen use.
    Visual = "VISUAL",
    /// The user's editor.
    Editor = "EDITOR",
    /// The user's pager.
    Pager = "PAGER",
    /// The user's shell.
    Shell = "SHELL",
    /// The user's name.
    User = "USER",
}

/// The value; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn var(name: Name) -> Option<OsString> {
    std::env::var_os(name.as_str()).filter(|value| !value.is_empty())
}

/// A variable that the user named (`--env K`, a card's key); set but empty counts as set.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn named(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// All of it, but for what is said to us alone.
pub fn all() -> Vec<(OsString, OsString)> {
    let ours = [Name::Ready, Name::Token, Name::ListenPid, Name::ListenFds, Name::ListenNames];
    std::env::vars_os().filter(|(name, _)| ours.iter().all(|own| name != own.as_str())).collect()
}
