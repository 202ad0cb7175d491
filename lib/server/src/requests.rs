//! What is wanted of a session: prompts, answers to what it asks, an interruption.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::verbs::{self, Answered};
use hyper::StatusCode;
use schema::control::{Answer as Given, Ask, Choice};
use schema::event::Body as Said;
use schema::request::QuestionEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Select, Session, Sync};

use crate::body::{json, nothing};
use crate::events::{Turn, flow};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Asked};
use crate::sessions::find;

/// A prompt.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Message {
    message: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    steer: bool,
    user: Option<String>,
    prompt_id: Option<String>,
}

/// A file that comes with a prompt. What it is, its first bytes say.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Attachment {
    path: String,
    #[serde(rename = "mime")]
    _mime: Option<String>,
    #[serde(rename = "filename")]
    _filename: Option<String>,
}

/// That a prompt is queued.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    session_id: String,
    /// What `turn.started` names.
    prompt_id: String,
}

/// `POST /v1/sessions/{id}/messages`: returns once an owner has it in its queue.
pub(crate) async fn message(asked: Asked) -> Answer {
    let (session, turn) = send(asked).await?;
    Ok(json(StatusCode::ACCEPTED, &Sent { session_id: session.session_id, prompt_id: turn.prompt_id }))
}

/// `POST /v1/sessions/{id}/messages/stream`: the same, followed to the end of its turn, or until it asks something.
pub(crate) async fn message_stream(asked: Asked) -> Answer {
    let (raw, server) = (asked.query.flag("include_raw")?, Arc::clone(&asked.server));
    let (session, turn) = send(asked).await?;
    let after = session.last_sequence;
    Ok(flow(&server, session, after, raw, Some(turn)))
}

/// Sends a prompt; gives the session as it was before.
async fn send(mut asked: Asked) -> Result<(Session, Turn), Problem> {
    let message: Message = asked.json().await?;
    if message.message.trim().is_empty() {
        return Err(Problem::invalid("failed to use the prompt: it is empty"));
    }
    let server = &asked.server;
    let session = find(server, asked.name(0)).await?;
    let ask = Ask {
        text: message.message,
        attach: message.attachments.into_iter().map(|file| file.path).collect(),
        user: message.user,
        id: message.prompt_id,
        steer: message.steer,
    };
    let (env, before) = (server.env.clone(), session.clone());
    let sent = server.hub.work(move |path| verbs::send(path, session, ask, &env, Sync::Full)).await?;
    Ok((before, Turn { prompt_id: sent.prompt_id, request: sent.request, begun: false }))
}

/// A decision about a permission.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionReply {
    reply: Reply,
    message: Option<String>,
    input: Option<Value>,
    user: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Reply {
    Once,
    Always,
    Reject,
}

/// `POST /v1/sessions/{id}/permissions/{permission}/reply`.
pub(crate) async fn permission(mut asked: Asked) -> Answer {
    let reply: PermissionReply = asked.json().await?;
    let (server, request_id) = (&asked.server, asked.name(1));
    let decision = match reply.reply {
        Reply::Once => Choice::Accept,
        Reply::Always => Choice::AcceptForSession,
        Reply::Reject => Choice::Reject,
    };
    let answer = Given {
        request_id: request_id.to_owned(),
        decision: Some(decision),
        message: reply.message,
        input: reply.input,
        user: reply.user,
        ..Given::default()
    };
    let session = find(server, asked.name(0)).await?;
    apply(server, session, answer).await
}

/// Answers to all questions of a request: in their order, or by their ids.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct QuestionReply {
    answers: Answers,
    user: Option<String>,
}

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Answers {
    InOrder(Vec<Vec<String>>),
    ById(BTreeMap<String, Vec<String>>),
}

/// `POST /v1/sessions/{id}/questions/{question}/reply`.
pub(crate) async fn question(mut asked: Asked) -> Answer {
    let reply: QuestionReply = asked.json().await?;
    let (server, request_id) = (&asked.server, asked.name(1));
    let session = find(server, asked.name(0)).await?;
    let answers = match reply.answers {
        Answers::ById(answers) => answers,
        Answers::InOrder(answers) => {
            let ids = questions(server, &session, request_id).await?;
            if ids.len() != answers.len() {
                let detail = format!("failed to answer: {} questions were asked, not {}", ids.len(), answers.len());
                return Err(Problem::invalid(detail));
            }
            ids.into_iter().zip(answers).collect()
        }
    };
    let request_id = request_id.to_owned();
    apply(server, session, Given { request_id, answers: Some(answers), user: reply.user, ..Given::default() }).await
}

/// `POST /v1/sessions/{id}/questions/{question}/reject`.
pub(crate) async fn question_reject(asked: Asked) -> Answer {
    let (server, request_id) = (&asked.server, asked.name(1));
    let session = find(server, asked.name(0)).await?;
    let request_id = request_id.to_owned();
    apply(server, session, Given { request_id, decision: Some(Choice::Reject), ..Given::default() }).await
}

async fn apply(server: &Arc<Server>, session: Session, answer: Given) -> Answer {
    let request_id = answer.request_id.clone();
    match server.hub.work(move |path| verbs::answer(path, session, answer)).await? {
        Answered::Now(_) => Ok(nothing()),
        Answered::Before(sequence) => {
            let detail = format!("request `{request_id}` was resolved before, by event {sequence}");
            Err(Problem::new(Kind::Conflict, detail).with("sequence", sequence.into()))
        }
    }
}

/// The ids of the questions that a request asks.
async fn questions(server: &Arc<Server>, session: &Session, request_id: &str) -> Result<Vec<String>, Problem> {
    let (session, wanted) = (session.clone(), request_id.to_owned());
    let found = server.hub.read(move |store| {
        let mut found: Option<QuestionEvent> = None;
        let select = Select { types: &["question.requested"], limit: usize::MAX, ..Select::default() };
        store.read(&session, &select, &mut |event| {
            if let Ok(Said::QuestionRequested(question)) = Said::read(event.kind, event.data)
                && question.question_id == wanted
            {
                found = Some(*question);
            }
        })?;
        Ok(found)
    });
    match found.await? {
        Some(event) => Ok(event.questions.into_iter().map(|question| question.id).collect()),
        None => Err(Problem::new(Kind::NotFound, format!("failed to find request `{}`", request_id.escape_debug()))),
    }
}

/// What was interrupted.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cancelled {
    cancelled: bool,
    turn_id: Option<String>,
}

/// `POST /v1/sessions/{id}/cancel`: returns when the turn has ended.
pub(crate) async fn cancel(asked: Asked) -> Answer {
    let (kill, server) = (asked.query.flag("kill")?, &asked.server);
    let session = find(server, asked.name(0)).await?;
    let turn_id = server.hub.work(move |path| verbs::cancel(path, session, kill)).await?;
    Ok(json(StatusCode::OK, &Cancelled { cancelled: turn_id.is_some(), turn_id }))
}
