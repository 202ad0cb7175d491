//! A language model that says what a test told it to: a small HTTP server on loopback that plays a list of replies.

mod chat;
mod http;
mod messages;
mod responses;

use crate::env::PATIENCE;
use http::{Answer, Call};
use serde_json::{Value, json};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A running model. Each request takes the first reply that is left and fits. Dropped, it fails the test if the agent asked for
/// more than the script has, or for less.
///
/// One file for each dialect translates a reply for the wire; the path that was asked for tells which.
pub(crate) struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What agents ask beside the conversation, of their own accord and when they please: what their user might say next, how to call it all.
const ASIDES: [&str; 2] = ["[SUGGESTION MODE:", "Write the title in the predominant language"];

struct Shared {
    script: Vec<Reply>,
    state: Mutex<State>,
}

struct State {
    used: Vec<usize>,
    requests: Vec<Request>,
    surplus: Vec<String>,
    stopped: bool,
}

impl Model {
    /// Starts a model that will give these replies.
    pub(crate) fn start(script: impl IntoIterator<Item = Reply>) -> Model {
        let script: Vec<_> = script.into_iter().collect();
        let used = vec![0; script.len()];
        let state = State { used, requests: Vec::new(), surplus: Vec::new(), stopped: false };
        let shared = Arc::new(Shared { script, state: Mutex::new(state) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let model = Model { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.state.lock().unwrap().stopped {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that hangs up, as an agent does that was told to stop, is no failure of the model.
                std::thread::spawn(move || stream.and_then(|stream| shared.serve(stream)));
            }
        });
        model
    }

    /// Where it listens, without a path: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests for a reply so far, in the order of their arrival.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap();
        state.stopped = true;
        let (surplus, used) = (std::mem::take(&mut state.surplus), std::mem::take(&mut state.used));
        drop(state);
        // Wakes the listening thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        for reply in &self.shared.script {
            reply.gates().for_each(Gate::open);
        }
        if !std::thread::panicking() {
            assert!(surplus.is_empty(), "the agent asked for more than the script has: {surplus:#?}");
            let left = (1..).zip(used).zip(&self.shared.script).filter(|((_, used), reply)| *used == 0 && !reply.spare);
            let left: Vec<_> = left.map(|((number, _), _)| number).collect();
            assert!(left.is_empty(), "the agent never asked for these replies of the script: {left:?}");
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let (call, answer) = http::accept(stream)?;
        if call.method.is_empty() {
            // A connection that was made for later and never used.
            return Ok(());
        }
        match (call.method.as_str(), call.path.split('?').next().unwrap_or_default()) {
            _ if call.header("upgrade").is_some() => {
                answer.whole(426, &[], &json!({"error": {"message": "no WebSocket here, use HTTP"}}))
            }
            ("POST", "/v1/responses") => self.reply(call, answer, responses::play),
            ("POST", "/v1/messages") => self.reply(call, answer, messages::play),
            ("POST", "/v1/messages/count_tokens") => answer.whole(200, &[], &json!({"input_tokens": 100})),
            // Whether the service is there.
            ("HEAD", _) => answer.whole(200, &[], &json!({})),
            ("POST", "/v1/chat/completions") => self.reply(call, answer, chat::play),
            // The list of models is asked for on the side; without one, agents use what they know.
            ("GET", "/v1/models") => answer.whole(200, &[], &json!({"object": "list", "data": [], "models": []})),
            (method, path) => {
                let what = format!("{method} {path} is not a path of the scripted model");
                let body = json!({"error": {"message": what, "type": "invalid_request_error"}});
                self.state.lock().unwrap().surplus.push(what);
                answer.whole(404, &[], &body)
            }
        }
    }

    fn reply(&self, call: Call, answer: Answer, play: fn(&Stream, usize, Answer) -> io::Result<()>) -> io::Result<()> {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
        if call.path.starts_with("/v1/messages") && body["stream"] != true && messages::tools(&body).is_empty() {
            // Claude Code looks whether a model is there before it uses it, beside the conversation; that offers no tools,
            // other than when it asks again without a stream.
            return answer.whole(200, &[], &messages::probed(&body));
        }
        if last_message(&body)
            .is_some_and(|last| ASIDES.iter().any(|aside| any_text(last, &|text| text.contains(aside))))
        {
            let steps = vec![Step::Text("Nothing".to_owned())];
            let aside = Stream { steps, end: End::Completed, usage: Usage::USUAL, delta: 8 };
            return play(&aside, 0, answer);
        }
        let text = body.to_string();
        let mut state = self.state.lock().unwrap();
        state.requests.push(Request { path: call.path.clone(), headers: call.headers, body });
        let count = state.requests.len();
        let fits = |(index, reply): &(usize, &Reply)| {
            (state.used[*index] == 0 || reply.repeated)
                && reply.when.as_ref().is_none_or(|when| text.contains(when))
                && reply.when_not.as_ref().is_none_or(|when| !text.contains(when))
        };
        let Some((index, reply)) = self.script.iter().enumerate().find(fits) else {
            let asked = &state.requests[count - 1];
            let (tools, said) = (asked.tools().len(), asked.last_words());
            let what = format!("the script is exhausted: request {count} has no reply ({tools} tools, {said})");
            state.surplus.push(what.clone());
            drop(state);
            return answer.whole(400, &[], &json!({"error": {"message": what, "type": "invalid_request_error"}}));
        };
        state.used[index] += 1;
        drop(state);
        match &reply.kind {
            Kind::Stream(stream) => play(stream, count, answer),
            Kind::Status { status, headers, body } => answer.whole(*status, headers, body),
        }
    }
}

/// One request for a reply.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Request {
    /// Whether the text stands anywhere in what the agent sent.
    pub(crate) fn says(&self, text: &str) -> bool {
        any_text(&self.body, &|found| found.contains(text))
    }

    /// Whether one of its texts is this one.
    pub(crate) fn has(&self, text: &str) -> bool {
        any_text(&self.body, &|found| found == text)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// What the agent tells the model that a tool call came to: the text of all its parts.
    pub(crate) fn tool_output(&self, call_id: &str) -> Option<String> {
        match self.path.split('?').next() {
            Some("/v1/messages") => messages::tool_output(&self.body, call_id),
            Some("/v1/chat/completions") => chat::tool_output(&self.body, call_id),
            _ => responses::tool_output(&self.body, call_id),
        }
    }

    /// The end of what it sends, to tell requests apart.
    fn last_words(&self) -> String {
        last_message(&self.body).map(Value::to_string).unwrap_or_default().chars().take(600).collect()
    }

    /// The names of the tools that the agent offers, those of a namespace as `namespace.name`.
    pub(crate) fn tools(&self) -> Vec<String> {
        match self.path.split('?').next() {
            Some("/v1/messages") => messages::tools(&self.body),
            Some("/v1/chat/completions") => chat::tools(&self.body),
            _ => responses::tools(&self.body),
        }
    }
}

fn any_text(value: &Value, is_it: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(string) => is_it(string),
        Value::Array(values) => values.iter().any(|value| any_text(value, is_it)),
        Value::Object(fields) => fields.values().any(|value| any_text(value, is_it)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn last_message(body: &Value) -> Option<&Value> {
    [&body["messages"], &body["input"]].into_iter().find_map(Value::as_array)?.last()
}

/// What the model does with one request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    kind: Kind,
    when: Option<String>,
    when_not: Option<String>,
    repeated: bool,
    spare: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Stream(Stream),
    Status { status: u16, headers: Vec<(String, String)>, body: Value },
}

/// A streamed reply.
#[derive(Debug, Clone)]
struct Stream {
    steps: Vec<Step>,
    end: End,
    usage: Usage,
    /// Characters in a delta.
    delta: usize,
}

/// A piece of a streamed reply.
#[derive(Debug, Clone)]
enum Step {
    /// A summary of what the model thought.
    Reasoning(String),
    /// The thoughts themselves.
    Thoughts(String),
    Text(String),
    /// A text that is never finished; it goes before `Hold` or `Cut`.
    OpenText(String),
    Call {
        namespace: Option<String>,
        name: String,
        arguments: String,
    },
    /// A call whose input is plain text.
    PlainCall {
        name: String,
        input: String,
    },
    Pause(Duration),
    Hold(Gate),
    /// The connection breaks here.
    Cut,
}

#[derive(Debug, Clone)]
enum End {
    Completed,
    Incomplete { reason: String },
    Failed { code: String, message: String },
}

/// Tokens that a reply says it has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// All that went in, cached ones included.
    pub(crate) input: u64,
    pub(crate) cached: u64,
    /// All that came out, reasoning included.
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

impl Usage {
    /// What a reply uses that says nothing else.
    pub(crate) const USUAL: Usage = Usage { input: 100, cached: 0, output: 10, reasoning: 0 };
}

impl Reply {
    /// An empty streamed reply, to be filled with the methods below in the order of their calls.
    pub(crate) fn new() -> Reply {
        let stream = Stream { steps: Vec::new(), end: End::Completed, usage: Usage::USUAL, delta: 8 };
        Reply::of(Kind::Stream(stream))
    }

    /// A refusal by HTTP status.
    pub(crate) fn status(status: u16, body: Value) -> Reply {
        Reply::of(Kind::Status { status, headers: Vec::new(), body })
    }

    fn of(kind: Kind) -> Reply {
        Reply { kind, when: None, when_not: None, repeated: false, spare: false }
    }

    /// A header of a refusal.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Reply {
        match &mut self.kind {
            Kind::Status { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            Kind::Stream(_) => panic!("only a refusal has headers of its own"),
        }
        self
    }

    /// For requests only that contain this text (as it stands in the JSON), so that the script need not know who asks first.
    pub(crate) fn when(mut self, text: &str) -> Reply {
        self.when = Some(text.to_owned());
        self
    }

    /// For requests only that do not contain this text.
    pub(crate) fn when_not(mut self, text: &str) -> Reply {
        self.when_not = Some(text.to_owned());
        self
    }

    /// For any number of requests, not just one.
    pub(crate) fn repeated(mut self) -> Reply {
        self.repeated = true;
        self
    }

    /// For an agent that may ask for it and may not.
    pub(crate) fn spare(mut self) -> Reply {
        self.spare = true;
        self.repeated()
    }

    pub(crate) fn reasoning(self, summary: &str) -> Reply {
        self.step(Step::Reasoning(summary.to_owned()))
    }

    pub(crate) fn thoughts(self, text: &str) -> Reply {
        self.step(Step::Thoughts(text.to_owned()))
    }

    pub(crate) fn text(self, text: &str) -> Reply {
        self.step(Step::Text(text.to_owned()))
    }

    /// A text that is begun and not finished, before `hold` or `cut`.
    pub(crate) fn open_text(self, text: &str) -> Reply {
        self.step(Step::OpenText(text.to_owned()))
    }

    /// A tool call; its id is `call_R_S`: the number of the request, the number of this step, both from 1.
    pub(crate) fn call(self, name: &str, arguments: Value) -> Reply {
        self.step(Step::Call { namespace: None, name: name.to_owned(), arguments: arguments.to_string() })
    }

    /// A call of a tool that the agent offers within a namespace.
    pub(crate) fn call_in(self, namespace: &str, name: &str, arguments: Value) -> Reply {
        let arguments = arguments.to_string();
        self.step(Step::Call { namespace: Some(namespace.to_owned()), name: name.to_owned(), arguments })
    }

    /// A call of a tool whose input is plain text, such as a patch.
    pub(crate) fn plain_call(self, name: &str, input: &str) -> Reply {
        self.step(Step::PlainCall { name: name.to_owned(), input: input.to_owned() })
    }

    /// All that another reply does, after what this one does.
    pub(crate) fn and(mut self, other: Reply) -> Reply {
        match other.kind {
            Kind::Stream(more) => self.stream().steps.extend(more.steps),
            Kind::Status { .. } => panic!("a refusal by status goes with nothing else"),
        }
        self
    }

    pub(crate) fn pause(self, time: Duration) -> Reply {
        self.step(Step::Pause(time))
    }

    /// Goes on only when the test opens the gate.
    pub(crate) fn hold(self, gate: &Gate) -> Reply {
        self.step(Step::Hold(gate.clone()))
    }

    /// Breaks the connection.
    pub(crate) fn cut(self) -> Reply {
        self.step(Step::Cut)
    }

    pub(crate) fn usage(mut self, usage: Usage) -> Reply {
        self.stream().usage = usage;
        self
    }

    /// How many characters a delta has (8).
    pub(crate) fn delta(mut self, characters: usize) -> Reply {
        self.stream().delta = characters;
        self
    }

    /// Ends before its time: `max_output_tokens`, `content_filter`.
    pub(crate) fn incomplete(mut self, reason: &str) -> Reply {
        self.stream().end = End::Incomplete { reason: reason.to_owned() };
        self
    }

    /// Ends with an error within the stream.
    pub(crate) fn failed(mut self, code: &str, message: &str) -> Reply {
        self.stream().end = End::Failed { code: code.to_owned(), message: message.to_owned() };
        self
    }

    fn step(mut self, step: Step) -> Reply {
        self.stream().steps.push(step);
        self
    }

    fn stream(&mut self) -> &mut Stream {
        match &mut self.kind {
            Kind::Stream(stream) => stream,
            Kind::Status { .. } => panic!("a refusal by status says nothing else"),
        }
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        let steps = match &self.kind {
            Kind::Stream(stream) => stream.steps.as_slice(),
            Kind::Status { .. } => &[],
        };
        steps.iter().filter_map(|step| if let Step::Hold(gate) = step { Some(gate) } else { None })
    }
}

/// The last word of many scripts.
pub(crate) fn done() -> Reply {
    Reply::new().text("Done.")
}

/// A place in a reply where the model waits for the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    inner: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Debug, Default)]
struct GateState {
    reached: bool,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate::default()
    }

    /// Lets the model go on, now or as soon as it arrives.
    pub(crate) fn open(&self) {
        self.inner.0.lock().unwrap().open = true;
        self.inner.1.notify_all();
    }

    /// Waits until the model stands here: everything before it has been sent.
    pub(crate) fn wait_until_reached(&self) {
        let state = self.inner.0.lock().unwrap();
        let (state, _) = self.inner.1.wait_timeout_while(state, PATIENCE, |state| !state.reached).unwrap();
        assert!(state.reached, "the model never came to the gate");
    }

    fn pass(&self) {
        let mut state = self.inner.0.lock().unwrap();
        state.reached = true;
        self.inner.1.notify_all();
        drop(self.inner.1.wait_while(state, |state| !state.open).unwrap());
    }
}

/// The text in pieces of so many characters.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<_> = characters.chunks(size).map(|piece| piece.iter().collect()).collect();
    pieces.into_iter()
}

#[cfg(test)]
mod tests;
