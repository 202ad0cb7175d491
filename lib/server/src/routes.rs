//! Which request is which verb: one table of routes, and the way of every request through the gate to its answer.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Request, Response};
use serde::de::DeserializeOwned;

use crate::body::{Body, Query, decode, read};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::token::Scope;
#[cfg(test)]
use crate::told::EventFlow;
use crate::{agent, events, requests, sessions};

/// What every verb gives.
pub(crate) type Answer = Result<Response<Body>, Problem>;
/// The same, on its way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How a verb is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    /// It waits by itself: flows, bodies of any kind, what follows the store.
    Ask(fn(Asked) -> Answering),
    /// On a thread, where it may wait for files, programs and owners; its body has been read.
    Work(fn(&Work) -> Answer),
}

/// A line of the table.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    /// Without its first `/`; `{name}` is one word, whatever it is.
    pub(crate) path: &'static str,
    pub(crate) scope: Scope,
    /// A body is expected.
    takes: bool,
    call: Call,
    /// For the document that tells of the routes.
    #[cfg(test)]
    pub(crate) told: crate::told::Told,
}

/// `METHOD PATH SCOPE ask|work FUNCTION, SUMMARY [? { query: type }] [<- BODY] => STATUS ANSWER;` one line a route. The types are what the document is made of;
/// those that are no JSON are in `told`.
macro_rules! routes {
    ($($method:ident $path:literal $scope:ident $how:ident $call:path, $summary:literal
        $(? { $($query:ident: $kind:ty),* })? $(<- $takes:ty)? => $status:literal $gives:ty;)*) => {
        /// Every route; where two fit, the first is meant.
        pub(crate) const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            scope: Scope::$scope,
            takes: routes!(@has $($takes)?),
            call: routes!(@$how $call),
            #[cfg(test)]
            told: crate::told::Told {
                summary: $summary,
                query: &[$($((stringify!($query), crate::told::schema::<$kind>)),*)?],
                takes: routes!(@takes $($takes)?),
                status: $status,
                gives: crate::told::schema::<$gives>,
            },
        }),*];
    };
    (@ask $call:path) => { Call::Ask(|asked| Box::pin($call(asked))) };
    (@work $call:path) => { Call::Work($call) };
    (@has $takes:ty) => { true };
    (@has) => { false };
    (@takes $takes:ty) => { Some(crate::told::schema::<$takes>) };
    (@takes) => { None };
}

routes! {
    GET "v1/health" Open work health, "Whether it lives" => 200 Health;

    GET "v1/agents" Read work agent::list, "Which agents there are, what of them is installed, what they can" => 200 agent::Agents;
    GET "v1/agents/{agent}" Read work agent::show, "The same of one agent" => 200 agent::Info;

    GET "v1/sessions" Read ask sessions::list, "Sessions, the latest first" ? { agent: String, status: String, limit: u64 } => 200 sessions::Sessions;
    POST "v1/sessions" Prompt ask sessions::create, "Makes a session under a name that is made up" <- sessions::Create => 201 sessions::Created;
    GET "v1/sessions/{session}" Read ask sessions::show, "One session" => 200 sessions::Info;
    POST "v1/sessions/{session}" Prompt ask sessions::create, "Makes a session under this name" <- sessions::Create => 201 sessions::Created;
    DELETE "v1/sessions/{session}" Admin ask sessions::delete, "Deletes a session with all its events" ? { force: bool } => 204 ();
    POST "v1/sessions/{session}/terminate" Prompt ask sessions::terminate, "Ends whoever runs it and closes it for good; its events stay" => 204 ();
    POST "v1/sessions/{session}/cancel" Prompt ask requests::cancel, "Interrupts the turn; returns when it has ended" ? { kill: bool } => 200 requests::Cancelled;
    POST "v1/sessions/{session}/messages" Prompt ask requests::message, "Queues a prompt" <- requests::Message => 202 requests::Sent;
    POST "v1/sessions/{session}/messages/stream" Prompt ask requests::message_stream, "Sends a prompt and follows it to the end of its turn, or until it asks something"
        ? { include_raw: bool } <- requests::Message => 200 EventFlow;
    GET "v1/sessions/{session}/events" Read ask events::page, "Events after an offset, as a page"
        ? { offset: u64, limit: u64, wait: String, include_raw: bool } => 200 events::Events;
    GET "v1/sessions/{session}/events/sse" Read ask events::sse, "Events after an offset or Last-Event-ID, and all that follow"
        ? { offset: u64, include_raw: bool } => 200 EventFlow;
    POST "v1/sessions/{session}/questions/{question}/reply" Answer ask requests::question, "Answers all questions of a request" <- requests::QuestionReply => 204 ();
    POST "v1/sessions/{session}/questions/{question}/reject" Answer ask requests::question_reject, "Declines to answer" => 204 ();
    POST "v1/sessions/{session}/permissions/{permission}/reply" Answer ask requests::permission, "Decides about a permission" <- requests::PermissionReply => 204 ();
}

/// A request that has come in, for verbs that wait by themselves.
pub(crate) struct Asked {
    pub(crate) server: Arc<Server>,
    names: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

impl Asked {
    /// What stands in a place of the path, the first being 0.
    pub(crate) fn name(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    /// The body of JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        parse(&read(&self.headers, &mut self.body).await?)
    }
}

/// A request that has come in whole, for verbs that run on a thread.
#[allow(dead_code, reason = "verbs with a body come next")]
pub(crate) struct Work {
    pub(crate) server: Arc<Server>,
    names: Vec<String>,
    pub(crate) query: Query,
    body: Vec<u8>,
}

impl Work {
    /// What stands in a place of the path, the first being 0.
    pub(crate) fn name(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    /// The body of JSON.
    #[allow(dead_code, reason = "verbs with a body come next")]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.body)
    }

    /// The store.
    #[allow(dead_code, reason = "verbs with a body come next")]
    pub(crate) fn store(&self) -> &Path {
        self.server.hub.path()
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid(format!("failed to read the body: {error}")))
}

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

async fn pass(server: &Arc<Server>, request: Request<Incoming>) -> Answer {
    server.gate.check_names(request.headers())?;
    if let Some(response) = server.gate.preflight(request.method(), request.headers()) {
        return Ok(response);
    }
    let path = request.uri().path().trim_matches('/').split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let method = request.method().as_str();
    let route = ROUTES.iter().find(|route| route.method == method && fits(route.path, &path));
    if route.is_none_or(|route| route.scope != Scope::Open) {
        let scopes = server.gate.check_token(request.headers())?;
        if let Some(route) = route {
            scopes.check(route.scope)?;
        }
    }
    let Some(route) = route else { return Err(not_here(method, &path)) };
    let words = route.path.split('/').zip(path);
    let names = words.filter(|(word, _)| word.starts_with('{')).map(|(_, name)| name).collect();
    let query = Query::of(request.uri().query())?;
    let (head, mut body) = request.into_parts();
    let server = Arc::clone(server);
    match route.call {
        Call::Ask(ask) => ask(Asked { server, names, query, headers: head.headers, body }).await,
        Call::Work(work) => {
            let body = if route.takes { read(&head.headers, &mut body).await? } else { Vec::new() };
            let given = Work { server: Arc::clone(&server), names, query, body };
            server.hub.work(move |_| Ok(work(&given))).await?
        }
    }
}

/// A path of ours with another method, or none of ours.
fn not_here(method: &str, path: &[String]) -> Problem {
    let mut methods: Vec<&str> = Vec::new();
    for route in ROUTES.iter().filter(|route| fits(route.path, path)) {
        if !methods.contains(&route.method) {
            methods.push(route.method);
        }
    }
    let shown = format!("/{}", path.join("/"));
    if methods.is_empty() {
        return Problem::new(Kind::NotFound, format!("there is no endpoint `{}`", shown.escape_debug()));
    }
    let methods = methods.join(", ");
    let detail = format!("`{}` takes {methods}, not {method}", shown.escape_debug());
    let allowed = HeaderValue::from_str(&methods).expect("the table has real ones");
    Problem::new(Kind::MethodNotAllowed, detail).header(ALLOW, allowed)
}

fn fits(route: &str, path: &[String]) -> bool {
    let mut words = route.split('/');
    let all = path.iter().all(|name| words.next().is_some_and(|word| word.starts_with('{') || word == name));
    all && words.next().is_none()
}

/// That it lives.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
}

fn health(work: &Work) -> Answer {
    Ok(crate::body::json(hyper::StatusCode::OK, &Health { status: "ok", version: work.server.version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_reached_and_told_of() {
        let mut generator = schemars::SchemaGenerator::default();
        for (at, route) in ROUTES.iter().enumerate() {
            let path: Vec<String> = route.path.split('/').map(|word| word.replace(['{', '}'], "+")).collect();
            let first = ROUTES.iter().position(|other| other.method == route.method && fits(other.path, &path));
            assert_eq!(first, Some(at), "{} {} is never meant", route.method, route.path);
            let told = &route.told;
            assert!(told.summary.starts_with(char::is_uppercase) && !told.summary.ends_with('.'), "{}", told.summary);
            assert!((200..300).contains(&told.status), "{}", route.path);
            for shape in told.query.iter().map(|(_, shape)| shape).chain(&told.takes).chain([&told.gives]) {
                shape(&mut generator);
            }
        }
    }
}
