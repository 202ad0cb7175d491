//! Which request is which verb: one table of routes, and the way of every request through the gate to its answer.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, HeaderMap, HeaderValue, ORIGIN};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use serde::de::DeserializeOwned;

use crate::acp::http as acp;
use crate::body::{Body, Query, decode, read};
use crate::listen::Server;
use crate::pack::{is_wanted, pack};
use crate::problem::{Kind, Problem};
use crate::token::Scope;
#[cfg(test)]
use crate::told::{Anything, Archive, Bytes, Envelope, EventFlow, Film, Metrics, Picture, Socket};
use crate::{agent, config, desktop, events, fs, numbers, openapi, processes, requests, sessions};

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
        pub(crate) static ROUTES: &[Route] = &[$(Route {
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
    GET "v1/health" Open ask health, "Whether it lives" => 200 Health;

    GET "openapi.json" Open work openapi::document, "This document" => 200 Anything;
    GET "v1/openapi.json" Open work openapi::document, "The same" => 200 Anything;

    GET "metrics" Read ask numbers::metrics, "Numbers, as Prometheus reads them" => 200 Metrics;

    GET "v1/agents" Read work agent::list, "Which agents there are, what of them is installed, what they can" => 200 agent::Agents;
    GET "v1/agents/{agent}" Read work agent::show, "The same of one agent" => 200 agent::AgentInfo;

    GET "v1/agents/{agent}/models" Read work agent::models, "Its models, by its own word, now or within the last hour" ? { refresh: bool } => 200 agent::AgentModels;
    GET "v1/agents/{agent}/modes" Read work agent::modes, "Its modes, likewise" ? { refresh: bool } => 200 agent::AgentModes;
    POST "v1/agents/{agent}/install" Admin work agent::install, "Installs it; who accepts text/event-stream is told how far it is" <- agent::InstallAgent => 200 agent::InstalledAgent;

    GET "v1/acp" Read ask acp::list, "Clients of the Agent Client Protocol" => 200 acp::Servers;
    GET "v1/acp/{client}" Read ask acp::sse, "Everything that a client is to hear, from the place in Last-Event-ID on" => 200 EventFlow;
    POST "v1/acp/{client}" Prompt ask acp::post, "A message of a client; the first one names the agent. A request is answered in the body, or, with Prefer: respond-async, by 202 and in the flow"
        ? { agent: String } <- Envelope => 200 Envelope;
    DELETE "v1/acp/{client}" Prompt ask acp::close, "A client leaves: turns that it began are cancelled, its sessions stay" => 204 ();

    GET "v1/sessions" Read ask sessions::list, "Sessions, the latest first" ? { agent: String, status: String, limit: u64 } => 200 sessions::Sessions;
    POST "v1/sessions" Prompt ask sessions::create, "Makes a session under a name that is made up" <- sessions::CreateSession => 201 sessions::Created;
    GET "v1/sessions/{session}" Read ask sessions::show, "One session" => 200 sessions::SessionInfo;
    POST "v1/sessions/{session}" Prompt ask sessions::create, "Makes a session under this name" <- sessions::CreateSession => 201 sessions::Created;
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

    GET "v1/fs/entries" Fs ask fs::answer, "What lies in a directory, or below it; lines instead of an array with Accept: application/x-ndjson"
        ? { path: String, recursive: bool, depth: u64, hidden: bool, gitignore: bool, unsorted: bool, glob: Vec<String>, type: Vec<String>, limit: u64 } => 200 Vec<fs::Entry<'static>>;
    GET "v1/fs/stat" Fs ask fs::answer, "What lies at a path; a link is a link" ? { path: String, pathBytes: String } => 200 fs::Entry<'static>;
    GET "v1/fs/file" Fs ask fs::answer, "The bytes of a file, or a part of them"
        ? { path: String, pathBytes: String, offset: u64, length: u64, tail: u64 } => 200 Bytes;
    PUT "v1/fs/file" Fs ask fs::answer, "New content for a file, at once"
        ? { path: String, pathBytes: String, append: bool, mode: String, ifAbsent: bool, ifHash: String, dryRun: bool } <- Bytes => 200 fs::Written;
    DELETE "v1/fs/entry" Fs ask fs::answer, "Removes a file, a link or a directory"
        ? { path: String, pathBytes: String, recursive: bool, dryRun: bool } => 200 fs::Done;
    POST "v1/fs/mkdir" Fs ask fs::answer, "Makes a directory, and those above it" ? { path: String, mode: String } => 200 fs::Done;
    POST "v1/fs/move" Fs ask fs::answer, "Gives something another name" <- fs::Move => 200 fs::Moved;
    POST "v1/fs/copy" Fs ask fs::answer, "Copies something" <- fs::Move => 200 fs::Moved;
    POST "v1/fs/upload-batch" Fs ask fs::answer, "Takes in an archive: all of it or nothing"
        ? { path: String, overwrite: bool, dryRun: bool } <- Archive => 200 fs::Uploaded;
    GET "v1/fs/archive" Fs ask fs::answer, "A directory or a file as an archive" ? { path: String, format: String } => 200 Archive;
    GET "v1/fs/grep" Fs ask fs::answer, "Lines that match; lines of JSON instead of an array with Accept: application/x-ndjson"
        ? { path: String, pattern: String, fixed: bool, ignoreCase: bool, word: bool, context: u64, before: u64, after: u64, files: bool, binary: bool,
            hidden: bool, gitignore: bool, unsorted: bool, glob: Vec<String>, limit: u64 } => 200 Vec<schema::file::FileMatch>;
    GET "v1/fs/watch" Fs ask fs::answer, "What changes, as it changes" ? { path: String, glob: Vec<String>, timeout: String } => 200 EventFlow;

    GET "v1/config/mcp" Admin work config::mcp, "An MCP server of a directory" ? { directory: String, mcpName: String } => 200 config::Mcp;
    PUT "v1/config/mcp" Admin work config::set_mcp, "Gives an MCP server to all sessions that begin in a directory"
        ? { directory: String, mcpName: String } <- config::Mcp => 204 ();
    DELETE "v1/config/mcp" Admin work config::delete_mcp, "Takes it away" ? { directory: String, mcpName: String } => 204 ();
    GET "v1/config/skills" Admin work config::skills, "Skills of a directory" ? { directory: String, skillName: String } => 200 config::Skills;
    PUT "v1/config/skills" Admin work config::set_skills, "Gives skills to all sessions that begin in a directory"
        ? { directory: String, skillName: String } <- config::Skills => 204 ();
    DELETE "v1/config/skills" Admin work config::delete_skills, "Takes them away" ? { directory: String, skillName: String } => 204 ();

    GET "v1/processes/config" Proc ask processes::answer_all, "The bounds of processes" => 200 processes::Bounds;
    POST "v1/processes/config" Proc ask processes::answer_all, "Sets the bounds of processes, until the server ends" <- processes::Bounds => 200 processes::Bounds;
    POST "v1/processes/run" Proc ask processes::answer_all, "Runs a program to its end" <- processes::Start => 200 processes::Ran;
    GET "v1/processes" Proc ask processes::answer_all, "Processes, the oldest first" ? { owner: String } => 200 processes::Listed;
    POST "v1/processes" Proc ask processes::answer_all, "Starts a process that is kept" <- processes::Start => 200 processes::Info;
    GET "v1/processes/{process}" Proc ask processes::answer, "One process" => 200 processes::Info;
    DELETE "v1/processes/{process}" Proc ask processes::answer, "Forgets a process that has ended, with its log" ? { force: bool } => 204 ();
    POST "v1/processes/{process}/stop" Proc ask processes::answer, "SIGTERM, and after waitMs SIGKILL; returns when it has ended" ? { waitMs: u64 } => 200 processes::Info;
    POST "v1/processes/{process}/kill" Proc ask processes::answer, "SIGKILL to all of it; returns when it has ended" ? { waitMs: u64 } => 200 processes::Info;
    POST "v1/processes/{process}/wait" Proc ask processes::answer, "Waits for its end, or so long" ? { timeoutMs: u64 } => 200 processes::Info;
    GET "v1/processes/{process}/logs" Proc ask processes::answer, "Its output; with follow as server-sent events, to its end"
        ? { stream: String, since: u64, tail: u64, follow: bool } => 200 processes::Logs;
    POST "v1/processes/{process}/input" Proc ask processes::answer, "Types something" <- processes::Input => 200 processes::Taken;
    POST "v1/processes/{process}/terminal/resize" Proc ask processes::answer, "Sets the size of its terminal" <- processes::Size => 200 processes::Size;
    GET "v1/processes/{process}/terminal/ws" Proc ask processes::answer, "Its terminal as a WebSocket" ? { access_token: String } => 101 Socket;

    GET "v1/desktop/status" Desktop work desktop::status, "What the desktop is doing, what it is made of, what is missing" ? { desktop: String } => 200 desktop::DesktopStatus;
    POST "v1/desktop/start" Desktop work desktop::start, "Starts it" ? { desktop: String } <- desktop::StartDesktop => 200 desktop::DesktopStatus;
    POST "v1/desktop/stop" Desktop work desktop::stop, "Ends it, with everything that was launched on it" ? { desktop: String } => 200 desktop::DesktopStatus;
    GET "v1/desktop/display/info" Desktop work desktop::display, "Its display" ? { desktop: String } => 200 desktop::DisplayInfo;
    GET "v1/desktop/screenshot" Desktop work desktop::screenshot, "A picture of the screen"
        ? { desktop: String, format: String, quality: u8, scale: f64, showCursor: bool } => 200 Picture;
    GET "v1/desktop/screenshot/region" Desktop work desktop::screenshot, "A picture of a part of the screen"
        ? { desktop: String, x: i32, y: i32, width: u32, height: u32, format: String, quality: u8, scale: f64, showCursor: bool } => 200 Picture;
    GET "v1/desktop/mouse/position" Desktop work desktop::position, "Where the pointer is" ? { desktop: String } => 200 desktop::Pointer;
    POST "v1/desktop/mouse/move" Desktop work desktop::mouse, "Moves the pointer: x and y" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/mouse/click" Desktop work desktop::mouse, "Clicks, there or where the pointer is" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/mouse/down" Desktop work desktop::mouse, "Presses a button and leaves it down" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/mouse/up" Desktop work desktop::mouse, "Releases a button" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/mouse/drag" Desktop work desktop::mouse, "Drags from startX, startY to endX, endY" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/mouse/scroll" Desktop work desktop::mouse, "Turns the wheel: deltaX, deltaY in notches" ? { desktop: String } <- desktop::Point => 200 desktop::Pointer;
    POST "v1/desktop/keyboard/type" Desktop work desktop::keyboard_type, "Types text, whatever the keyboard" ? { desktop: String } <- desktop::Typing => 200 desktop::Done;
    POST "v1/desktop/keyboard/press" Desktop work desktop::keyboard, "Presses a key, or keys together" ? { desktop: String } <- desktop::Key => 200 desktop::Done;
    POST "v1/desktop/keyboard/down" Desktop work desktop::keyboard, "Presses a key and leaves it down" ? { desktop: String } <- desktop::Key => 200 desktop::Done;
    POST "v1/desktop/keyboard/up" Desktop work desktop::keyboard, "Releases a key" ? { desktop: String } <- desktop::Key => 200 desktop::Done;
    GET "v1/desktop/windows" Desktop work desktop::windows, "Its windows, the lowest first" ? { desktop: String } => 200 desktop::DesktopWindows;
    GET "v1/desktop/windows/focused" Desktop work desktop::focused, "The window that has the focus" ? { desktop: String } => 200 desktop::DesktopWindow;
    POST "v1/desktop/windows/{window}/focus" Desktop work desktop::focus, "Gives a window the focus and raises it" ? { desktop: String } => 200 desktop::DesktopWindow;
    POST "v1/desktop/windows/{window}/move" Desktop work desktop::place, "Moves a window" ? { desktop: String } <- desktop::WindowPlace => 200 desktop::DesktopWindow;
    POST "v1/desktop/windows/{window}/resize" Desktop work desktop::place, "Resizes a window" ? { desktop: String } <- desktop::WindowPlace => 200 desktop::DesktopWindow;
    GET "v1/desktop/clipboard" Desktop work desktop::clipboard, "The text of the clipboard" ? { desktop: String, selection: String } => 200 desktop::Clipboard;
    POST "v1/desktop/clipboard" Desktop work desktop::set_clipboard, "Holds a text until another program copies something" ? { desktop: String } <- desktop::Clipboard => 200 desktop::Done;
    POST "v1/desktop/launch" Desktop work desktop::launch, "Starts a program on it" ? { desktop: String } <- desktop::LaunchApp => 200 desktop::Launched;
    POST "v1/desktop/open" Desktop work desktop::open, "Opens a file or an address with the program that is meant for it" ? { desktop: String } <- desktop::OpenTarget => 200 desktop::Launched;
    POST "v1/desktop/recording/start" Desktop work desktop::start_recording, "Records the screen" ? { desktop: String } <- desktop::StartRecording => 200 desktop::Recording;
    POST "v1/desktop/recording/stop" Desktop work desktop::stop_recording, "Ends the recording; returns when the film is whole" ? { desktop: String } => 200 desktop::Recording;
    GET "v1/desktop/recordings" Desktop work desktop::list_recordings, "Recordings of every desktop, the oldest first" => 200 desktop::Recordings;
    GET "v1/desktop/recordings/{recording}" Desktop work desktop::show_recording, "One recording" => 200 desktop::Recording;
    DELETE "v1/desktop/recordings/{recording}" Desktop work desktop::delete_recording, "Forgets a recording, with its film" => 204 ();
    GET "v1/desktop/recordings/{recording}/download" Desktop work desktop::download_recording, "The film; of one that goes on what there is so far" => 200 Film;
    GET "v1/desktop/stream/status" Desktop work desktop::view, "Where the live view is, and how many look" ? { desktop: String } => 200 desktop::LiveView;
    POST "v1/desktop/stream/start" Desktop work desktop::start_view, "Serves it live, as a page at the url that comes back" ? { desktop: String } => 200 desktop::LiveView;
    POST "v1/desktop/stream/stop" Desktop work desktop::stop_view, "Serves it no longer" ? { desktop: String } => 200 desktop::LiveView;
}

/// A request that has come in, for verbs that wait by themselves.
pub(crate) struct Asked {
    pub(crate) server: Arc<Server>,
    /// Which line of the table it is for: method and path.
    pub(crate) route: (&'static str, &'static str),
    names: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
    /// The connection, where it is to speak something else.
    pub(crate) upgrade: OnUpgrade,
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
pub(crate) struct Work {
    pub(crate) server: Arc<Server>,
    route: &'static Route,
    names: Vec<String>,
    pub(crate) query: Query,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Work {
    /// What stands in a place of the path, the first being 0.
    pub(crate) fn name(&self, at: usize) -> &str {
        self.names.get(at).map_or("", String::as_str)
    }

    /// The body of JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.body)
    }

    /// Whether it is to be told as server-sent events.
    pub(crate) fn takes_flow(&self) -> bool {
        let accepted = self.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accepted.into_iter().any(|accepted| accepted.contains("text/event-stream"))
    }

    /// The last word of the route's path, for verbs that serve several.
    pub(crate) fn last(&self) -> &'static str {
        self.route.path.rsplit('/').next().unwrap_or_default()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Path {
        self.server.hub.path()
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid(format!("failed to read the body: {error}")))
}

/// The answer to a request, whatever it is; counted by the route that was meant.
pub(crate) async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let origin = request.headers().get(ORIGIN).cloned();
    let packed = is_wanted(request.headers());
    let mut meant = None;
    let response = match pass(server, request, &mut meant).await {
        Ok(response) => response,
        Err(problem) => problem.response(),
    };
    let mut response = pack(server, response, packed).await;
    server.gate.mark(origin.as_ref(), &mut response);
    server.numbers.count(meant, response.status().as_u16());
    response
}

async fn pass(server: &Arc<Server>, mut request: Request<Incoming>, meant: &mut Option<&'static Route>) -> Answer {
    server.gate.check_names(request.headers())?;
    if let Some(response) = server.gate.preflight(request.method(), request.headers()) {
        return Ok(response);
    }
    let path = request.uri().path().trim_matches('/').split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let method = request.method().as_str();
    let route = ROUTES.iter().find(|route| route.method == method && fits(route.path, &path));
    *meant = route;
    let query = Query::of(request.uri().query());
    if route.is_none_or(|route| route.scope != Scope::Open) {
        // A page cannot send headers with a WebSocket.
        let is_socket = route.is_some_and(|route| route.path.ends_with("/ws"));
        let asked = query.as_ref().ok().filter(|_| is_socket).and_then(|query| query.word("access_token"));
        let scopes = server.gate.check_token(request.headers(), asked)?;
        if let Some(route) = route {
            scopes.check(route.scope)?;
        }
    }
    let Some(route) = route else { return Err(not_here(method, &path)) };
    let words = route.path.split('/').zip(path);
    let names = words.filter(|(word, _)| word.starts_with('{')).map(|(_, name)| name).collect();
    let query = query?;
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, mut body) = request.into_parts();
    let server = Arc::clone(server);
    match route.call {
        Call::Ask(ask) => {
            let route = (route.method, route.path);
            ask(Asked { server, route, names, query, headers: head.headers, body, upgrade }).await
        }
        Call::Work(work) => {
            let body = if route.takes { read(&head.headers, &mut body).await? } else { Vec::new() };
            let given = Work { server: Arc::clone(&server), route, names, query, headers: head.headers, body };
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

/// It waits for no thread: they may all be busy, and it lives still.
async fn health(asked: Asked) -> Answer {
    Ok(crate::body::json(hyper::StatusCode::OK, &Health { status: "ok", version: asked.server.version }))
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
            assert!((200..300).contains(&told.status) || told.status == 101, "{}", route.path);
            for shape in told.query.iter().map(|(_, shape)| shape).chain(&told.takes).chain([&told.gives]) {
                shape(&mut generator);
            }
        }
    }
}
