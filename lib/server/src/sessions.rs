//! Sessions: made, listed, told, ended and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::keeper::New;
use engine::verbs;
use hyper::StatusCode;
use schema::event::{PermissionMode, Usage};
use schema::outcome::Outcome;
use schema::record::SessionStatus;
use serde::{Deserialize, Serialize};
use store::{Access, Session, Store};

use crate::body::{json, nothing};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Asked};

/// What a client says about a session that it wants. Fields that are not known are refused: nothing is ignored in silence.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateSession {
    agent: Option<String>,
    agent_version: Option<String>,
    agent_mode: Option<String>,
    permission_mode: Option<String>,
    model: Option<String>,
    variant: Option<String>,
    directory: Option<String>,
    title: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    include_raw: bool,
}

/// That a session was made.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    healthy: bool,
    session_id: String,
    native_session_id: Option<String>,
}

/// Sessions, the latest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Sessions {
    sessions: Vec<SessionInfo>,
}

/// A session as a client is told of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    session_id: String,
    agent: String,
    agent_mode: Option<String>,
    permission_mode: Option<String>,
    model: Option<String>,
    variant: Option<String>,
    native_session_id: Option<String>,
    status: SessionStatus,
    ended: bool,
    event_count: i64,
    pending: Vec<String>,
    outcome: Option<Outcome>,
    exit_code: Option<i64>,
    /// Milliseconds since 1970.
    created_at: i64,
    updated_at: i64,
    directory: String,
    title: Option<String>,
    turns: i64,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    labels: BTreeMap<String, String>,
    parent_session: Option<String>,
}

/// `POST /v1/sessions` and `POST /v1/sessions/{id}`.
pub(crate) async fn create(mut asked: Asked) -> Answer {
    let wanted: CreateSession = asked.json().await?;
    let (server, name) = (&asked.server, Some(asked.name(0)).filter(|name| !name.is_empty()));
    let agent = match (wanted.agent, wanted.agent_version) {
        (Some(agent), Some(version)) => Some(format!("{agent}@{version}")),
        (agent, None) => agent,
        (None, Some(_)) => return Err(Problem::invalid("failed to use agentVersion: no agent is named")),
    };
    let permission_mode = wanted.permission_mode.as_deref().map(permission_mode).transpose()?;
    let mut labels = Vec::new();
    for (name, value) in wanted.labels {
        if name.is_empty() || name.contains('=') {
            return Err(Problem::invalid(format!("failed to use the label `{}`", name.escape_debug())));
        }
        labels.push(format!("{name}={value}"));
    }
    let mut new = New {
        session_id: name.map(str::to_owned),
        agent,
        model: wanted.model,
        mode: wanted.agent_mode,
        effort: wanted.variant,
        permission_mode,
        allow: wanted.allow,
        deny: wanted.deny,
        cwd: wanted.directory,
        mcp: Vec::new(),
        skills: Vec::new(),
        labels,
        linger: None,
        raw: wanted.include_raw,
    };
    if format!("{new:?}").contains("\\0") {
        return Err(Problem::invalid("failed to use the body: a word in it holds a zero byte"));
    }
    let (here, title) = (Arc::clone(server), wanted.title);
    let made = server.hub.work(move |path| {
        let taken = |name: &String| verbs::find(path, name).is_ok();
        if new.session_id.as_ref().is_some_and(taken) {
            return Ok(None);
        }
        crate::config::equip(&here, path, &mut new)?;
        let name = new.session_id.clone();
        let session = match here.hub.create(new) {
            Ok(session) => session,
            // Somebody else was faster.
            Err(_) if name.as_ref().is_some_and(taken) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if let Some(title) = &title {
            let set = store::Settings { title: Some(title), ..store::Settings::default() };
            Store::open(path, Access::Write)?.update(session.no, &set)?;
        }
        Ok(Some(session))
    });
    let Some(session) = made.await? else {
        let detail = format!("failed to create session `{}`: it exists", name.unwrap_or_default().escape_debug());
        return Err(Problem::new(Kind::SessionAlreadyExists, detail));
    };
    let (session_id, native_session_id) = (session.session_id, session.native_session_id);
    Ok(json(StatusCode::CREATED, &Created { healthy: true, session_id, native_session_id }))
}

/// Ours, and those of the system that we replace.
fn permission_mode(word: &str) -> Result<String, Problem> {
    let ours = match word {
        "default" => "ask",
        "acceptEdits" => "accept-edits",
        "bypassPermissions" => "bypass",
        "plan" => "read-only",
        word => word,
    };
    match PermissionMode::parse(ours) {
        Some(mode) => Ok(mode.as_str().to_owned()),
        None => Err(Problem::invalid(format!(
            "failed to use permissionMode `{}`: one of read-only, ask, accept-edits, auto, bypass",
            word.escape_debug()
        ))),
    }
}

/// `GET /v1/sessions`: the latest first.
pub(crate) async fn list(asked: Asked) -> Answer {
    let (server, query) = (&asked.server, &asked.query);
    let limit = query.value::<usize>("limit")?.unwrap_or(usize::MAX);
    let (agent, status) = (query.word("agent").map(str::to_owned), query.word("status").map(str::to_owned));
    let listed = server.hub.read(move |store| {
        let mut listed = Vec::new();
        for session in store.sessions()? {
            if listed.len() == limit {
                break;
            }
            let info = info(store, &session)?;
            let fits = agent.as_ref().is_none_or(|agent| *agent == info.agent)
                && status.as_ref().is_none_or(|status| status == info.status.as_str());
            if fits {
                listed.push(info);
            }
        }
        Ok(listed)
    });
    Ok(json(StatusCode::OK, &Sessions { sessions: listed.await? }))
}

/// `GET /v1/sessions/{id}`.
pub(crate) async fn show(asked: Asked) -> Answer {
    let session = find(&asked.server, asked.name(0)).await?;
    let info = asked.server.hub.read(move |store| info(store, &session)).await?;
    Ok(json(StatusCode::OK, &info))
}

/// `POST /v1/sessions/{id}/terminate`: whoever runs it is ended, and it is closed for good; its events stay.
pub(crate) async fn terminate(asked: Asked) -> Answer {
    let session = find(&asked.server, asked.name(0)).await?;
    let ended = asked.server.hub.work(move |path| {
        engine::owner::end_owner(path, &session)?;
        match verbs::end(Store::open(path, Access::Write)?, &session) {
            Ok(()) | Err(engine::Error::Ended(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    ended.await?;
    Ok(nothing())
}

/// `DELETE /v1/sessions/{id}`: with all its events; with `force`, whoever runs it is ended first.
pub(crate) async fn delete(asked: Asked) -> Answer {
    let force = asked.query.flag("force")?;
    let session = find(&asked.server, asked.name(0)).await?;
    let deleted = asked.server.hub.work(move |path| verbs::delete(Store::open(path, Access::Write)?, &session, force));
    deleted.await?;
    Ok(nothing())
}

/// The session of a path; the end that a dead owner left open is written first.
pub(crate) async fn find(server: &Arc<Server>, name: &str) -> Result<Session, Problem> {
    let name = name.to_owned();
    let found = server.hub.work(move |path| Ok(verbs::find(path, &name)?)).await;
    found.map_err(|failure| Problem::from(failure).of_session())
}

fn info(store: &Store, session: &Session) -> Result<SessionInfo, engine::Failure> {
    let record = verbs::record(store, session)?;
    Ok(SessionInfo {
        session_id: record.session_id,
        agent: record.agent,
        agent_mode: record.mode,
        permission_mode: record.permission_mode,
        model: record.model,
        variant: session.effort.clone(),
        native_session_id: record.native_session_id,
        ended: record.status == SessionStatus::Ended,
        status: record.status,
        event_count: record.last_sequence,
        pending: record.pending,
        outcome: record.outcome,
        exit_code: record.exit_code,
        created_at: session.created,
        updated_at: session.updated,
        directory: record.cwd,
        title: record.title,
        turns: record.turns,
        usage: record.usage,
        cost_usd: record.cost_usd,
        labels: record.labels,
        parent_session: record.parent_session,
    })
}
