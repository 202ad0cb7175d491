//! Agents: which there are, what of them is installed, what they can.

use std::collections::BTreeMap;

use agents::recipe::{self, Install, Recipe};
use engine::offers::offered;
use engine::session::chain;
use host::env::{self, Name};
use hyper::StatusCode;
use hyper::body::Bytes;
use install::{Places, Porter, Progress, Settings, Wish};
use schema::record::{AgentFound, AgentRecord, Offer, Support};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, Sender};

use crate::body::json;
use crate::events::event_stream;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Work};

/// Every agent.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Agents {
    agents: Vec<AgentInfo>,
}

/// An agent as a client is told of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentInfo {
    id: String,
    title: String,
    installed: bool,
    version: Option<String>,
    path: Option<String>,
    /// What it has, by its own means or ours.
    capabilities: BTreeMap<String, bool>,
    modes: Vec<String>,
    efforts: Vec<String>,
    permission_modes: Vec<String>,
    /// Sessions can be made of it.
    drivable: bool,
    /// The command that installs it.
    install: String,
}

/// `GET /v1/agents`.
pub(crate) fn list(_: &Work) -> Answer {
    let places = Places::here();
    let agents = recipe::TABLE.iter().filter_map(|known| install::record(&places, known, None)).map(info).collect();
    Ok(json(StatusCode::OK, &Agents { agents }))
}

/// `GET /v1/agents/{agent}`.
pub(crate) fn show(work: &Work) -> Answer {
    Ok(json(StatusCode::OK, &info(record(work)?)))
}

fn known(work: &Work) -> Result<&'static Install, Problem> {
    let name = work.name(0);
    let missing = || Problem::new(Kind::NotFound, format!("failed to find agent `{}`", name.escape_debug()));
    recipe::find(name).ok_or_else(missing)
}

fn record(work: &Work) -> Result<AgentRecord, Problem> {
    let known = known(work)?;
    install::record(&Places::here(), known, None)
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("failed to find agent `{}`", known.name)))
}

/// The models of an agent.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentModels {
    models: Vec<AgentModel>,
    default_model: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AgentModel {
    id: String,
    name: String,
    /// Its reasoning efforts.
    variants: Vec<String>,
}

/// `GET /v1/agents/{agent}/models`: by its own word, now or within the last hour.
pub(crate) fn models(work: &Work) -> Answer {
    let record = record(work)?;
    if record.found == AgentFound::Nowhere {
        let detail = format!("failed to ask {} for its models: it is not installed", record.agent);
        return Err(Problem::new(Kind::AgentNotInstalled, detail).with("hint", record.install.into()));
    }
    let models = offer(work, &record)?.map(|offer| offer.models).unwrap_or_default();
    let default_model = models.iter().find(|model| model.is_default).map(|model| model.id.clone());
    let models = models.into_iter().map(|model| AgentModel { id: model.id, name: model.name, variants: model.efforts });
    Ok(json(StatusCode::OK, &AgentModels { models: models.collect(), default_model }))
}

/// The modes of an agent, the default first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AgentModes {
    modes: Vec<AgentMode>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AgentMode {
    id: String,
    name: String,
}

/// `GET /v1/agents/{agent}/modes`: by its own word where it is installed and says so.
pub(crate) fn modes(work: &Work) -> Answer {
    let record = record(work)?;
    let said = offer(work, &record)?.map(|offer| offer.modes).filter(|modes| !modes.is_empty());
    let modes = said.unwrap_or(record.modes).into_iter().map(|mode| AgentMode { id: mode.clone(), name: mode });
    Ok(json(StatusCode::OK, &AgentModes { modes: modes.collect() }))
}

fn offer(work: &Work, record: &AgentRecord) -> Result<Option<Offer>, Problem> {
    let refresh = work.query.flag("refresh")?;
    let mut env = work.server.env.clone();
    if let Some(home) = host::paths::agent_home() {
        env.retain(|(name, _)| name != "HOME");
        env.push(("HOME".into(), home.into()));
    }
    Ok(offered(record, refresh, env, work.server.version)?.map(|said| said.offer))
}

/// How an agent is to be installed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstallAgent {
    /// Without one the version that this release was tested with.
    agent_version: Option<String>,
    /// Also what is installed.
    reinstall: Option<bool>,
    /// Taken from existing clients; there is none here.
    #[serde(rename = "agentProcessVersion")]
    _agent_process_version: Option<String>,
}

/// What was installed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct InstalledAgent {
    already_installed: bool,
    /// Over the network.
    bytes: u64,
    artifacts: Vec<Artifact>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Artifact {
    kind: &'static str,
    path: String,
    source: String,
    version: String,
}

/// `POST /v1/agents/{agent}/install`: to who accepts `text/event-stream`, `progress` events and then `done` or `error`.
pub(crate) fn install(work: &Work) -> Answer {
    let wanted: InstallAgent = work.json()?;
    let install = known(work)?;
    if !work.takes_flow() {
        return Ok(json(StatusCode::OK, &carry_out(install, &wanted, &mut Said(None))?));
    }
    let (sender, receiver) = mpsc::channel(64);
    tokio::task::spawn_blocking(move || {
        let said = |event: &str, data: &str| Bytes::from(format!("event: {event}\ndata: {data}\n\n"));
        let end = match carry_out(install, &wanted, &mut Said(Some(sender.clone()))) {
            Ok(done) => said("done", &serde_json::to_string(&done).expect("its keys are strings")),
            Err(problem) => said("error", &problem.document().to_string()),
        };
        // Who has left needs no end.
        let _ = sender.blocking_send(end);
    });
    Ok(event_stream(receiver))
}

fn carry_out(install: &'static Install, wanted: &InstallAgent, said: &mut Said) -> Result<InstalledAgent, Problem> {
    if matches!(install.recipe, Recipe::BuiltIn) {
        return Ok(InstalledAgent { already_installed: true, bytes: 0, artifacts: Vec::new() });
    }
    let offline = env::var(Name::Offline).is_some();
    let mut porter = Porter::new(Places::here(), Settings::read(None), offline, None).map_err(failed)?;
    let (version, force) = (wanted.agent_version.as_deref(), wanted.reinstall.unwrap_or_default());
    let done = porter.install(&Wish { install, version, from: None, force }, said).map_err(failed)?;
    let artifact = Artifact {
        kind: "native_agent",
        path: done.installed.program().display().to_string(),
        source: done.installed.manifest.source.clone(),
        version: done.installed.manifest.version.clone(),
    };
    Ok(InstalledAgent { already_installed: done.already, bytes: done.fetched, artifacts: vec![artifact] })
}

/// What tells a client how far it is; what it has no room for it misses.
struct Said(Option<Sender<Bytes>>);

impl Said {
    fn send(&self, data: &serde_json::Value) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(format!("event: progress\ndata: {data}\n\n").into());
        }
    }
}

impl Progress for Said {
    fn say(&mut self, text: &str) {
        self.send(&serde_json::json!({ "text": text }));
    }

    fn bytes(&mut self, have: u64, whole: Option<u64>) {
        self.send(&serde_json::json!({ "bytes": have, "of": whole }));
    }
}

fn failed(error: install::Error) -> Problem {
    use install::Error;
    let detail = format!("failed to {}", chain(&error));
    let kind = match &error {
        Error::Offline { .. } => Kind::PermissionDenied,
        Error::Network { .. } => Kind::Unavailable,
        Error::NoVersion { .. } | Error::Missing { .. } => Kind::NotFound,
        Error::Busy { .. } => Kind::Conflict,
        Error::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Kind::DiskFull,
        Error::File { .. }
        | Error::Host(_)
        | Error::Refused { .. }
        | Error::Hash { .. }
        | Error::Foreign { .. }
        | Error::Locked { .. }
        | Error::Impossible { .. }
        | Error::Metadata { .. }
        | Error::Archive { .. }
        | Error::Broken { .. }
        | Error::Npm { .. } => Kind::InstallFailed,
    };
    Problem::new(kind, detail)
}

fn info(record: AgentRecord) -> AgentInfo {
    AgentInfo {
        id: record.agent,
        title: record.title,
        installed: record.found != AgentFound::Nowhere,
        version: record.version,
        path: record.program,
        capabilities: record.features.into_iter().map(|(name, how)| (name, how != Support::Absent)).collect(),
        modes: record.modes,
        efforts: record.efforts,
        permission_modes: record.permission_modes,
        drivable: record.drivable,
        install: record.install,
    }
}
