//! `install-agent`: agents fetched, checked and put into place, one record a line; and what `run` installs at need.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agents::recipe::{self, Install, Recipe};
use clap::Args;
use engine::Failure;
use engine::session::chain;
use host::env::{self, Name};
use install::{Installed, Pins, Places, Porter, Progress, Settings, Wish};
use schema::outcome::ErrorCode;
use schema::record::{InstallFailure, InstallRecord, InstallStatus};

use crate::context::Context;
use crate::exit::Exit;
use crate::out::{self, Output};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent install-agent codex claude               the versions that were tested
  sandbox-agent install-agent codex@0.169.0 opencode@latest
  sandbox-agent install-agent --all --lock agents.lock   everything, and what exactly into a file
  sandbox-agent install-agent codex --locked agents.lock exactly that again, or an error
  sandbox-agent install-agent codex --from ./codex.tgz   without a network
  RUN sandbox-agent install-agent codex@0.169.0 claude   in a Dockerfile: for every user";

/// Agents to install.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct InstallAgentArgs {
    /// Agents, each with a version if need be: AGENT, AGENT@1.2.3, AGENT@latest
    #[arg(value_name = "AGENT[@VERSION]", required_unless_present_any = ["all", "locked"])]
    agents: Vec<String>,
    /// Every agent that can be installed without being told a version
    #[arg(long, conflicts_with_all = ["agents", "from"])]
    all: bool,
    /// An archive, a program or a directory to install from, in place of the network
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// Write the exact versions and hashes into this file; entries of other agents stay
    #[arg(long, value_name = "FILE", conflicts_with = "locked")]
    lock: Option<PathBuf>,
    /// Install exactly what this file says, by default every agent in it
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    locked: Option<PathBuf>,
    /// The npm registry [env: SANDBOX_AGENT_MIRROR] [default: npm's configuration]
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// Install again what is installed
    #[arg(short, long)]
    force: bool,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: &InstallAgentArgs) -> Result<Exit, Failure> {
    let demanded = match &args.locked {
        Some(path) => Some(Pins::read(path).map_err(failure)?),
        None => None,
    };
    let wanted = wanted(args, demanded.as_ref())?;
    if args.from.is_some() && wanted.len() != 1 {
        return Err(Failure::usage("failed to use --from: it is for one agent"));
    }
    let mut pins = match &args.lock {
        Some(path) if path.exists() => Pins::read(path).map_err(failure)?,
        Some(_) | None => Pins::default(),
    };
    let mut porter = porter(args.registry.as_deref(), demanded)?;
    let mut codes = Vec::new();
    for (install, version) in wanted {
        let begun = Instant::now();
        let mut bar = Bar::new(install.name);
        let wish = Wish { install, version, from: args.from.as_deref(), force: args.force };
        // What is built in is always there.
        let result = match install.recipe {
            Recipe::BuiltIn => None,
            Recipe::Platform { .. } | Recipe::Tree { .. } | Recipe::Archive { .. } => {
                Some(porter.install(&wish, &mut bar))
            }
        };
        bar.end();
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let record = match result {
            None => built_in(install, ms),
            Some(Ok(done)) => {
                if args.lock.is_some() {
                    pin(&porter, &mut pins, &done.installed);
                }
                let status = if done.already { InstallStatus::AlreadyInstalled } else { InstallStatus::Installed };
                installed(&done.installed, status, done.fetched, ms)
            }
            Some(Err(error)) => {
                let failure = failure(error);
                codes.push(failure.exit_code);
                complain(install, &failure);
                failed(install, version, failure, ms)
            }
        };
        show(context, &record);
    }
    if let Some(path) = &args.lock {
        pins.write(path).map_err(failure)?;
    }
    Ok(Exit::Code(match codes.first() {
        None => 0,
        Some(code) if !args.all && codes.iter().all(|other| other == code) => *code,
        Some(_) => 1,
    }))
}

/// The agent's program, installed now where `run` may do that.
pub(crate) fn at_need(install: &'static Install, version: Option<&str>, may: bool) -> Result<Installed, Failure> {
    let what = version.map_or_else(|| install.name.to_owned(), |version| format!("{}@{version}", install.name));
    let command = format!("install it: sandbox-agent install-agent {what}");
    if !may || env::var(Name::Offline).is_some() {
        return Err(
            Failure::new(ErrorCode::NotInstalled, format!("failed to find {what}: it is not installed")).hint(command)
        );
    }
    let mut porter = porter(None, None)?;
    out::complain(&format!("note: {what} is not installed; installing it now (--no-install forbids this)"));
    let mut bar = Bar::new(install.name);
    let done = porter.install(&Wish { install, version, from: None, force: false }, &mut bar);
    bar.end();
    done.map(|done| done.installed).map_err(failure)
}

/// What an install's failure means to whoever asked.
#[expect(clippy::wildcard_enum_match_arm, reason = "the kernel's reasons are many")]
pub(crate) fn failure(error: install::Error) -> Failure {
    use install::Error;
    let message = format!("failed to {}", chain(&error));
    match error {
        Error::Host(error) => Failure { message, ..error.into() },
        Error::File { source, .. } => match source.kind() {
            std::io::ErrorKind::StorageFull => Failure::new(ErrorCode::DiskFull, message).hint("make room, then again"),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Failure::new(ErrorCode::ReadOnly, message)
                    .hint("name a directory that can be written with SANDBOX_AGENT_AGENTS_DIR")
            }
            std::io::ErrorKind::NotFound => Failure::new(ErrorCode::NotFound, message),
            _ => Failure::new(ErrorCode::Other, message),
        },
        Error::Offline { .. } => Failure::new(ErrorCode::NotInstalled, message)
            .hint("unset SANDBOX_AGENT_OFFLINE, or install from a file with --from"),
        Error::Network { .. } => Failure::new(ErrorCode::Network, message)
            .hint("try again: what was fetched is kept; --registry names another place, HTTPS_PROXY a proxy"),
        Error::Refused { .. } => {
            Failure::new(ErrorCode::Other, message).hint("is the registry right, and the token in .npmrc?")
        }
        Error::NoVersion { .. } => Failure::new(ErrorCode::Other, message)
            .hint("`npm view PACKAGE versions` lists them; AGENT without a version is the tested one"),
        Error::Hash { .. } => Failure::new(ErrorCode::Other, message)
            .hint("nothing was unpacked; if it stays so, the mirror or something on the way changes packages"),
        Error::Foreign { .. } => Failure::new(ErrorCode::Other, message).hint("nothing was installed"),
        Error::Locked { .. } => Failure::new(ErrorCode::Other, message)
            .hint("`install-agent --lock FILE` writes a new one; one file is for one kind of machine"),
        Error::Impossible { .. } => Failure::new(ErrorCode::Other, message),
        Error::Metadata { .. }
        | Error::Archive { .. }
        | Error::Broken { .. }
        | Error::Npm { .. }
        | Error::Busy { .. } => Failure::new(ErrorCode::Other, message),
        Error::Missing { .. } => {
            Failure::new(ErrorCode::NotFound, message).hint("`sandbox-agent agents list` says what is installed")
        }
    }
}

/// `AGENT[@VERSION]` in its two parts.
pub(crate) fn named(word: &str) -> Result<(&'static Install, Option<&str>), Failure> {
    let (name, version) = word.split_once('@').map_or((word, None), |(name, version)| (name, Some(version)));
    let install = recipe::find(name).ok_or_else(|| {
        let known: Vec<&str> = recipe::TABLE.iter().map(|install| install.name).collect();
        Failure::usage(format!("failed to find agent `{}`", name.escape_debug()))
            .hint(format!("known agents: {}", known.join(", ")))
    })?;
    Ok((install, version))
}

fn wanted<'a>(
    args: &'a InstallAgentArgs,
    demanded: Option<&Pins>,
) -> Result<Vec<(&'static Install, Option<&'a str>)>, Failure> {
    if args.all {
        return Ok(recipe::TABLE.iter().filter(|it| !it.tested.is_empty()).map(|install| (*install, None)).collect());
    }
    match demanded {
        // What only serves others comes with them.
        Some(pins) if args.agents.is_empty() => {
            Ok(pins.agents.iter().filter_map(|pin| recipe::find(&pin.agent)).map(|install| (install, None)).collect())
        }
        Some(_) | None => args.agents.iter().map(|word| named(word)).collect(),
    }
}

fn porter(registry: Option<&str>, demanded: Option<Pins>) -> Result<Porter, Failure> {
    let offline = env::var(Name::Offline).is_some();
    Porter::new(Places::here(), Settings::read(registry), offline, demanded).map_err(failure)
}

/// The agent's entry, and those of a private Node and its npm.
fn pin(porter: &Porter, pins: &mut Pins, installed: &Installed) {
    let places = Places::here();
    if installed.manifest.node.as_ref().is_some_and(|node| node.starts_with(&installed.directory)) {
        for install in [&recipe::NODE, &recipe::NPM] {
            if let Some(own) = places.choose(install.name, Some(install.tested)) {
                pins.add(&own.manifest, None);
            }
        }
    }
    pins.add(&installed.manifest, porter.tree(installed));
}

fn built_in(install: &Install, ms: u64) -> InstallRecord {
    InstallRecord {
        agent: install.name.to_owned(),
        version: Some(install.tested.to_owned()),
        status: InstallStatus::AlreadyInstalled,
        program: None,
        source: None,
        integrity: None,
        node: None,
        bytes: 0,
        ms,
        error: None,
    }
}

fn installed(installed: &Installed, status: InstallStatus, bytes: u64, ms: u64) -> InstallRecord {
    let manifest = &installed.manifest;
    InstallRecord {
        agent: manifest.agent.clone(),
        version: Some(manifest.version.clone()),
        status,
        program: Some(installed.program().display().to_string()),
        source: Some(manifest.source.clone()),
        integrity: manifest.packages.first().map(|package| package.integrity.clone()),
        node: manifest.node.as_ref().map(|node| node.display().to_string()),
        bytes,
        ms,
        error: None,
    }
}

fn failed(install: &Install, version: Option<&str>, failure: Failure, ms: u64) -> InstallRecord {
    let Failure { code, exit_code, message, hint } = failure;
    InstallRecord {
        version: version.map(str::to_owned),
        status: InstallStatus::Failed,
        error: Some(InstallFailure { code, message, exit_code, hint }),
        ..built_in(install, ms)
    }
}

fn complain(install: &Install, failure: &Failure) {
    out::complain(&format!("error: {}: {}", install.name, failure.message));
    if let Some(hint) = &failure.hint {
        out::complain(&format!("hint: {hint}"));
    }
}

fn show(context: &Context, record: &InstallRecord) {
    match context.output {
        Output::Ndjson | Output::Acp => {
            out::print_record(record);
        }
        Output::Text => {
            let version = record.version.as_deref().unwrap_or_default();
            let what = match record.status {
                InstallStatus::Installed => "installed",
                InstallStatus::AlreadyInstalled => "is installed already",
                InstallStatus::Failed => "could not be installed",
            };
            let place = record.program.as_ref().map(|program| format!(": {program}")).unwrap_or_default();
            out::print_text(&format!("{} {version} {what}{place}\n", record.agent));
        }
        Output::Last | Output::None => {}
    }
}

/// What a person at a terminal sees: one line that changes. Otherwise one sentence for each thing that begins.
struct Bar {
    name: &'static str,
    terminal: bool,
    shown: Option<Instant>,
}

impl Bar {
    fn new(name: &'static str) -> Bar {
        Bar { name, terminal: std::io::stderr().is_terminal(), shown: None }
    }

    fn end(&mut self) {
        if self.shown.take().is_some() {
            out::status("");
        }
    }
}

impl Progress for Bar {
    fn say(&mut self, text: &str) {
        self.end();
        if self.terminal {
            out::complain(text);
        } else {
            log::info!("{text}");
        }
    }

    fn bytes(&mut self, have: u64, whole: Option<u64>) {
        let now = host::clock::monotonic();
        if !self.terminal || self.shown.is_some_and(|shown| now - shown < Duration::from_millis(100)) {
            return;
        }
        self.shown = Some(now);
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        out::status(&match whole {
            Some(whole) if whole > 0 => {
                let part = have.saturating_mul(30) / whole;
                let full = "█".repeat(usize::try_from(part.min(30)).unwrap_or(30));
                format!("{} {full:<30} {:.1} of {:.1} MB", self.name, megabytes(have), megabytes(whole))
            }
            Some(_) | None => format!("{} {:.1} MB", self.name, megabytes(have)),
        });
    }
}
