//! Which request is which verb: one table of routes, and the way of every request through the gate to its answer.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, ORIGIN};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use crate::body::{Body, Query, decode, json as answer_json};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::{agent, events, requests, sessions};

/// Every route; `{}` is one name.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "v1/health"),
    ("GET", "v1/agents"),
    ("GET", "v1/agents/{}"),
    ("GET", "v1/sessions"),
    ("POST", "v1/sessions"),
    ("GET", "v1/sessions/{}"),
    ("POST", "v1/sessions/{}"),
    ("DELETE", "v1/sessions/{}"),
    ("POST", "v1/sessions/{}/terminate"),
    ("POST", "v1/sessions/{}/cancel"),
    ("POST", "v1/sessions/{}/messages"),
    ("POST", "v1/sessions/{}/messages/stream"),
    ("GET", "v1/sessions/{}/events"),
    ("GET", "v1/sessions/{}/events/sse"),
    ("POST", "v1/sessions/{}/questions/{}/reply"),
    ("POST", "v1/sessions/{}/questions/{}/reject"),
    ("POST", "v1/sessions/{}/permissions/{}/reply"),
];

/// The answer to a request, whatever it is.
pub(crate) async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let origin = request.headers().get(ORIGIN).cloned();
    let mut response = match pass(server, request).await {
        Ok(response) => response,
        Err(problem) => problem.response(),
    };
    server.gate.mark(origin.as_ref(), &mut response);
    response
}

async fn pass(server: &Arc<Server>, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
    server.gate.check_names(request.headers())?;
    if let Some(response) = server.gate.preflight(request.method(), request.headers()) {
        return Ok(response);
    }
    let path = request.uri().path().trim_matches('/').split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    // Who looks whether we live need not know the token.
    if path != ["v1", "health"] {
        server.gate.check_token(request.headers())?;
    }
    let query = Query::of(request.uri().query())?;
    let method = request.method().as_str().to_owned();
    match (method.as_str(), path.as_slice()) {
        ("GET", ["v1", "health"]) => {
            Ok(answer_json(StatusCode::OK, &json!({ "status": "ok", "version": server.version })))
        }
        ("GET", ["v1", "agents"]) => agent::list(server).await,
        ("GET", ["v1", "agents", name]) => agent::show(server, name).await,
        ("GET", ["v1", "sessions"]) => sessions::list(server, &query).await,
        ("POST", ["v1", "sessions"]) => sessions::create(server, None, request).await,
        ("GET", ["v1", "sessions", name]) => sessions::show(server, name).await,
        ("POST", ["v1", "sessions", name]) => sessions::create(server, Some(name), request).await,
        ("DELETE", ["v1", "sessions", name]) => sessions::delete(server, name, &query).await,
        ("POST", ["v1", "sessions", name, "terminate"]) => sessions::terminate(server, name).await,
        ("POST", ["v1", "sessions", name, "cancel"]) => requests::cancel(server, name, &query).await,
        ("POST", ["v1", "sessions", name, "messages"]) => requests::message(server, name, request).await,
        ("POST", ["v1", "sessions", name, "messages", "stream"]) => {
            requests::message_stream(server, name, &query, request).await
        }
        ("GET", ["v1", "sessions", name, "events"]) => events::page(server, name, &query).await,
        ("GET", ["v1", "sessions", name, "events", "sse"]) => {
            events::sse(server, name, &query, request.headers()).await
        }
        ("POST", ["v1", "sessions", name, "questions", id, "reply"]) => {
            requests::question(server, name, id, request).await
        }
        ("POST", ["v1", "sessions", name, "questions", id, "reject"]) => {
            requests::question_reject(server, name, id).await
        }
        ("POST", ["v1", "sessions", name, "permissions", id, "reply"]) => {
            requests::permission(server, name, id, request).await
        }
        (method, path) => not_here(method, path),
    }
}

/// A path of ours with another method, or none of ours.
fn not_here(method: &str, path: &[&str]) -> Result<Response<Body>, Problem> {
    let methods: Vec<&str> = ROUTES.iter().filter(|(_, route)| fits(route, path)).map(|(method, _)| *method).collect();
    let shown = format!("/{}", path.join("/"));
    if methods.is_empty() {
        return Err(Problem::new(Kind::NotFound, format!("there is no endpoint `{}`", shown.escape_debug())));
    }
    let methods = methods.join(", ");
    let detail = format!("`{}` takes {methods}, not {method}", shown.escape_debug());
    let mut response = Problem::new(Kind::MethodNotAllowed, detail).response();
    response.headers_mut().extend(HeaderValue::from_str(&methods).map(|methods| (ALLOW, methods)));
    Ok(response)
}

fn fits(route: &str, path: &[&str]) -> bool {
    let mut words = route.split('/');
    let all = path.iter().all(|name| words.next().is_some_and(|word| word == "{}" || word == *name));
    all && words.next().is_none()
}
