//! `agents`: what is known and installed, which version is used, whether it is as it was installed.

use agents::agent::Agent;
use agents::recipe::{self, Install};
use agents::registry;
use clap::{Args, Subcommand};
use engine::Failure;
use engine::offers::offered;
use host::env::{self, Name};
use install::{Installed, Places, Porter, Settings};
use schema::outcome::ErrorCode;
use schema::record::{AgentFound, AgentRecord, OfferRecord, Support, VerifyRecord};

use crate::context::Context;
use crate::exit::Exit;
use crate::install_agent::{failure, named};
use crate::out::{self, Output};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent agents list                              what is installed, and where
  sandbox-agent agents list --outdated                   what has a newer version in the registry
  sandbox-agent agents show codex | jq -r .offer.models[].id   its models, by its own word
  sandbox-agent agents use codex@0.168.0                 this version from now on
  sandbox-agent agents verify                            every file compared with its hash";

/// What agents there are.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct AgentsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One line an agent
    List {
        /// Only what the registry has a newer version of; asks the network
        #[arg(long)]
        outdated: bool,
        /// Only what is installed
        #[arg(long)]
        installed: bool,
    },
    /// One agent, asked what it offers here: models, modes, efforts, commands
    Show {
        /// Its name
        #[arg(value_name = "AGENT")]
        agent: String,
        /// Ask again, though it said so within the last hour
        #[arg(long)]
        refresh: bool,
    },
    /// Choose the version that is used when none is named
    Use {
        /// The agent and an installed version
        #[arg(value_name = "AGENT@VERSION")]
        agent: String,
    },
    /// Remove a version, or all of them
    Uninstall {
        /// Agents, each with a version if need be
        #[arg(value_name = "AGENT[@VERSION]", required = true)]
        agents: Vec<String>,
    },
    /// Compare every installed file with its hash; exit code 1 when one is not as it was installed
    Verify {
        /// Agents, each with a version if need be; none means all
        #[arg(value_name = "AGENT[@VERSION]")]
        agents: Vec<String>,
    },
}

/// Runs it.
pub(crate) fn main(context: &Context, args: AgentsArgs) -> Result<Exit, Failure> {
    let places = Places::here();
    match args.verb.unwrap_or(Verb::List { outdated: false, installed: false }) {
        Verb::List { outdated, installed } => list(context, &places, outdated, installed),
        Verb::Show { agent, refresh } => {
            let (install, version) = named(&agent)?;
            let mut record = record(&places, install, version)?;
            match offered(&record, refresh, crate::run::agent_variables()?.0, env!("CARGO_PKG_VERSION")) {
                Ok(offer) => record.offer = offer,
                Err(failure) => {
                    out::complain(&format!("warning: {}", failure.message));
                    record.offer_error = Some(failure.message);
                }
            }
            show(context, &record);
            Ok(Exit::Code(0))
        }
        Verb::Use { agent } => {
            let (install, version) = named(&agent)?;
            let version = version.ok_or_else(|| {
                Failure::usage(format!("failed to choose a version of {}: none is named", install.name))
                    .hint(format!("as in `agents use {}@VERSION`", install.name))
            })?;
            let installed =
                places.choose(install.name, Some(version)).ok_or_else(|| missing(install, Some(version)))?;
            install::choose_version(&installed, install).map_err(failure)?;
            show(context, &record(&places, install, None)?);
            Ok(Exit::Code(0))
        }
        Verb::Uninstall { agents } => {
            for word in &agents {
                let (install, version) = named(word)?;
                for installed in found(&places, install, version)? {
                    install::uninstall(&installed, install).map_err(failure)?;
                }
                show(context, &record(&places, install, None)?);
            }
            Ok(Exit::Code(0))
        }
        Verb::Verify { agents } => verify(context, &places, &agents),
    }
}

fn list(context: &Context, places: &Places, outdated: bool, installed: bool) -> Result<Exit, Failure> {
    let mut porter = if outdated {
        let offline = env::var(Name::Offline).is_some();
        Some(Porter::new(places.clone(), Settings::read(None), offline, None).map_err(failure)?)
    } else {
        None
    };
    let mut code = 0;
    for install in recipe::TABLE {
        let mut record = record(places, install, None)?;
        if let Some(porter) = &mut porter {
            if record.installed.is_empty() || install.versions.is_empty() {
                continue;
            }
            match porter.latest(install) {
                Ok(latest) if Some(&latest) == record.version.as_ref() => continue,
                Ok(latest) => record.latest = Some(latest),
                Err(error) => {
                    let failure = failure(error);
                    out::complain(&format!("error: {}: {}", install.name, failure.message));
                    code = failure.exit_code;
                    continue;
                }
            }
        }
        if !installed || record.found != AgentFound::Nowhere {
            show(context, &record);
        }
    }
    if context.output == Output::Text && !outdated && !installed {
        out::print_text(&format!("\n{}", matrix()));
    }
    Ok(Exit::Code(code))
}

/// Which agent has which feature, as a table in Markdown.
fn matrix() -> String {
    let acp = agents::acp::find("AGENT").expect("a word is a command line");
    let all: Vec<&dyn Agent> =
        registry::ALL.iter().copied().filter(|agent| agent.card().program.is_some()).chain([acp]).collect();
    let name = |agent: &dyn Agent| {
        let name = agent.card().name.split(':').next().unwrap_or_default();
        if agent.is_verified() { name.to_owned() } else { format!("{name} (not verified live)") }
    };
    let names: Vec<String> = all.iter().map(|agent| name(*agent)).collect();
    let mut table = format!("| feature | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for (at, (feature, _)) in acp.card().features().iter().enumerate() {
        let cells = all.iter().map(|agent| match agent.card().features()[at].1 {
            Support::Native => "native",
            Support::Ours => "ours",
            Support::Absent => "–",
        });
        table += &format!("| `{feature}` | {} |\n", cells.collect::<Vec<_>>().join(" | "));
    }
    table
}

fn record(places: &Places, install: &'static Install, version: Option<&str>) -> Result<AgentRecord, Failure> {
    install::record(places, install, version).ok_or_else(|| missing(install, version))
}

fn verify(context: &Context, places: &Places, agents: &[String]) -> Result<Exit, Failure> {
    let own = [&recipe::NODE, &recipe::NPM];
    let mut chosen = Vec::new();
    if agents.is_empty() {
        for install in recipe::TABLE.iter().copied().chain(own) {
            chosen.extend(places.installed(install.name));
        }
    }
    for word in agents {
        let (install, version) = named(word)?;
        chosen.extend(found(places, install, version)?);
    }
    let mut code = 0;
    for installed in chosen {
        let wrong = install::verify(&installed.folder()).map_err(failure)?;
        if !wrong.is_empty() {
            code = 1;
        }
        let record = VerifyRecord {
            agent: installed.manifest.agent.clone(),
            version: installed.manifest.version.clone(),
            directory: installed.folder().display().to_string(),
            intact: wrong.is_empty(),
            wrong,
        };
        match context.output {
            Output::Ndjson | Output::Acp => {
                out::print_record(&record);
            }
            Output::Text => {
                let what = if record.intact { "is as it was installed".to_owned() } else { record.wrong.join(", ") };
                out::print_text(&format!("{} {} {what}\n", record.agent, record.version));
            }
            Output::Last | Output::None => {}
        }
    }
    if code != 0 {
        out::complain("hint: `sandbox-agent install-agent --force AGENT@VERSION` installs it again");
    }
    Ok(Exit::Code(code))
}

fn found(places: &Places, install: &Install, version: Option<&str>) -> Result<Vec<Installed>, Failure> {
    let mut all = places.installed(install.name);
    all.retain(|installed| version.is_none_or(|version| installed.manifest.version == version));
    if all.is_empty() { Err(missing(install, version)) } else { Ok(all) }
}

fn missing(install: &Install, version: Option<&str>) -> Failure {
    let what = version.map_or_else(|| install.name.to_owned(), |version| format!("{}@{version}", install.name));
    Failure::new(ErrorCode::NotFound, format!("failed to find {what}: it is not installed"))
        .hint(format!("sandbox-agent install-agent {what}"))
}

fn show(context: &Context, record: &AgentRecord) {
    match context.output {
        Output::Ndjson | Output::Acp => {
            out::print_record(record);
        }
        Output::Text => {
            let place = match record.found {
                AgentFound::BuiltIn => "built in",
                AgentFound::Installed | AgentFound::Path => record.program.as_deref().unwrap_or_default(),
                AgentFound::Nowhere => "not installed",
            };
            let version = record.version.as_deref().unwrap_or("-");
            let live = if record.drivable && !record.verified { "  (not verified live)" } else { "" };
            let mut text = format!("{:<18} {version:<24} {place}{live}\n", record.agent);
            if let Some(OfferRecord { asked, offer }) = &record.offer {
                text += &format!("as it said at {asked}:\n");
                for model in &offer.models {
                    let mark = if model.is_default { '*' } else { ' ' };
                    text += &format!("{mark} {:<40} {:<32} {}\n", model.id, model.name, model.efforts.join(" "));
                }
                text += &format!("  modes: {}\n", offer.modes.join(" "));
            }
            out::print_text(&text);
        }
        Output::Last | Output::None => {}
    }
}
