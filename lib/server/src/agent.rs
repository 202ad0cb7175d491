//! Agents: which there are, what of them is installed, what they can.

use std::collections::BTreeMap;
use std::sync::Arc;

use agents::recipe;
use hyper::{Response, StatusCode};
use install::Places;
use schema::record::{AgentFound, AgentRecord, Support};
use serde::Serialize;

use crate::body::{Body, json};
use crate::listen::Server;
use crate::problem::{Kind, Problem};

/// An agent as a client is told of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
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
pub(crate) async fn list(server: &Arc<Server>) -> Result<Response<Body>, Problem> {
    let listed = server.hub.work(|_| {
        let places = Places::here();
        Ok(recipe::TABLE.iter().filter_map(|known| install::record(&places, known, None)).map(info).collect::<Vec<_>>())
    });
    Ok(json(StatusCode::OK, &serde_json::json!({ "agents": listed.await? })))
}

/// `GET /v1/agents/{agent}`.
pub(crate) async fn show(server: &Arc<Server>, name: &str) -> Result<Response<Body>, Problem> {
    let known = recipe::find(name)
        .ok_or_else(|| Problem::new(Kind::NotFound, format!("failed to find agent `{}`", name.escape_debug())))?;
    let told = server.hub.work(move |_| Ok(install::record(&Places::here(), known, None).map(info))).await?;
    Ok(json(StatusCode::OK, &told))
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
