//! What a session has beside the user's own configuration, or in place of it: `--mcp`, `--skill`, `--isolated`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use agents::agent::{Agent, ELSEWHERE, Job, Skill};
use agents::card::Card;
use agents::mcp::{self, Reach, Server};
use clap::Args;
use engine::credentials::is_secret;
use engine::{Equipment, Failure, Kept};
use store::Session;

use crate::names;
use crate::run::{Variables, unreadable};

/// The flags.
#[derive(Debug, Default, Args)]
pub(crate) struct EquipmentArgs {
    /// MCP servers for this session: a JSON file with mcpServers, ${NAME} in it is a variable of the agent's; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) mcp: Vec<PathBuf>,
    /// A skill for this session: a folder with a SKILL.md; repeatable
    #[arg(long, value_name = "DIR")]
    pub(crate) skill: Vec<PathBuf>,
    /// Give the agent a private home instead of the user's own configuration and login, for the life of the session
    #[arg(long)]
    pub(crate) isolated: bool,
}

/// What the session has from now on: what it had, changed by the flags.
pub(crate) fn equipment(
    args: &EquipmentArgs,
    session: Option<&Session>,
    fork: Option<&Session>,
    card: &Card,
) -> Result<Equipment, Failure> {
    let kept = |session: &Session| Kept::read(&session.settings).equipment;
    let mut equipment = session.map(kept).unwrap_or_default();
    if !args.mcp.is_empty() {
        equipment.mcp = args.mcp.iter().map(|path| real(path)).collect::<Result<_, _>>()?;
    }
    if !args.skill.is_empty() {
        equipment.skills = args.skill.iter().map(|path| real(path)).collect::<Result<_, _>>()?;
    }
    let cannot = |flag: &str, what: &str| {
        Err(Failure::usage(format!("failed to use {flag}: {} takes no {what} for a session", card.name))
            .hint("leave it out, or set it up in the agent's own configuration"))
    };
    if !equipment.mcp.is_empty() && !card.can.mcp {
        return cannot("--mcp", "MCP servers");
    }
    if !equipment.skills.is_empty() && !card.can.skills {
        return cannot("--skill", "skills");
    }
    match session {
        Some(session) if args.isolated && !equipment.isolated => {
            return Err(Failure::usage(format!(
                "failed to use --isolated: session `{}` began with the user's home, and its conversation lies there",
                session.session_id
            ))
            .hint("begin a new session"));
        }
        Some(_) => {}
        None => equipment.isolated = args.isolated,
    }
    if let Some(fork) = fork.filter(|fork| equipment.isolated || kept(fork).isolated) {
        return Err(Failure::usage(format!(
            "failed to fork `{}`: one private home does not have the conversations of another home",
            fork.session_id
        )));
    }
    Ok(equipment)
}

fn real(path: &Path) -> Result<String, Failure> {
    let real = path.canonicalize().map_err(|error| unreadable(path, &error))?;
    names::utf8(&real)
}

/// Takes out of the environment what leads away from the private home, but for what was given by name.
pub(crate) fn isolate(environment: &mut Variables, home: &Path, given: &[String]) {
    environment.retain(|(name, _)| {
        let is = |other: &str| name == other;
        !is("HOME") && (!ELSEWHERE.iter().any(|name| is(name)) || given.iter().any(|name| is(name)))
    });
    environment.push(("HOME".into(), home.into()));
}

/// Reads the equipment into the job; what it names that is secret.
pub(crate) fn equip(
    job: &mut Job,
    equipment: &Equipment,
    environment: &[(OsString, OsString)],
) -> Result<Vec<String>, Failure> {
    let secrets = std::cell::RefCell::new(Vec::new());
    let secret = |name: &str, value: &str| {
        if is_secret(name, value) {
            secrets.borrow_mut().push(value.to_owned());
        }
    };
    let variable = |name: &str| {
        let value = environment.iter().find(|(other, _)| other == name)?.1.to_str()?.to_owned();
        secret(name, &value);
        Some(value)
    };
    for path in &equipment.mcp {
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(Path::new(path), &error))?;
        let servers = mcp::read(&text, &variable)
            .map_err(|error| Failure::usage(format!("failed to use the MCP servers of {path}: {error}")))?;
        for server in servers {
            unique(job.mcp.iter().map(|other: &Server| &other.name), &server.name, "MCP server", path)?;
            let (Reach::Program { env: named, .. } | Reach::Address { headers: named, .. }) = &server.reach;
            named.iter().for_each(|(name, value)| secret(name, value));
            job.mcp.push(server);
        }
    }
    for path in &equipment.skills {
        let file = Path::new(path).join("SKILL.md");
        if let Err(error) = std::fs::metadata(&file) {
            return Err(unreadable(&file, &error).hint("a skill is a folder with a SKILL.md"));
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        unique(job.skills.iter().map(|other| &other.name), &name, "skill", path)?;
        job.skills.push(Skill { name, path: path.clone() });
    }
    Ok(secrets.into_inner())
}

fn unique<'a>(
    mut names: impl Iterator<Item = &'a String>,
    name: &String,
    what: &str,
    path: &str,
) -> Result<(), Failure> {
    if names.any(|other| other == name) {
        return Err(Failure::usage(format!("failed to use {path}: there are two of the {what} `{name}`")));
    }
    Ok(())
}

/// Where an agent is told of its equipment by a variable, that must not be the user's already: his would be lost.
pub(crate) fn collide(agent: &dyn Agent, job: &Job, environment: &[(OsString, OsString)]) -> Result<(), Failure> {
    let plain = agent.launch(&Job { mcp: Vec::new(), skills: Vec::new(), ..job.clone() }).env;
    let added = agent.launch(job).env.into_iter().map(|(name, _)| name);
    for name in added.filter(|name| !plain.iter().any(|(other, _)| other == name)) {
        if environment.iter().any(|(other, _)| *other == *name) {
            return Err(Failure::usage(format!(
                "failed to use --mcp and --skill: {} is told of them by {name}, and that is set already",
                agent.card().name
            ))
            .hint("unset it for this run"));
        }
    }
    Ok(())
}
