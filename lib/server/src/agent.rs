//! Agents: which there are, what of them is installed, what they can.

use std::collections::BTreeMap;

use agents::recipe;
use hyper::StatusCode;
use install::Places;
use schema::record::{AgentFound, AgentRecord, Support};
use serde::Serialize;

use crate::body::json;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Work};

/// Every agent.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Agents {
    agents: Vec<Info>,
}

/// An agent as a client is told of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Info {
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
    let name = work.name(0);
    let record = recipe::find(name).and_then(|known| install::record(&Places::here(), known, None));
    match record {
        Some(record) => Ok(json(StatusCode::OK, &info(record))),
        None => Err(Problem::new(Kind::NotFound, format!("failed to find agent `{}`", name.escape_debug()))),
    }
}

fn info(record: AgentRecord) -> Info {
    Info {
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
