//! What the server counts, and how Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use schema::record::SessionStatus;

use crate::body::Body;
use crate::hub::held;
use crate::routes::{Answer, Asked, Route};

/// What is counted from the start on.
#[derive(Default)]
pub(crate) struct Numbers {
    /// Answers by method, path of the table and status; what is in no table has neither.
    answers: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    /// Whoever follows a session holds one.
    pub(crate) followers: Arc<()>,
    /// Bytes of answers, heads too.
    pub(crate) sent: AtomicU64,
}

impl Numbers {
    /// Counts an answer.
    pub(crate) fn count(&self, route: Option<&'static Route>, status: u16) {
        let (method, path) = route.map_or(("", ""), |route| (route.method, route.path));
        *held(&self.answers).entry((method, path, status)).or_default() += 1;
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(asked: Asked) -> Answer {
    let server = &asked.server;
    let mut sessions: BTreeMap<&'static str, u64> = BTreeMap::new();
    let counted = server.hub.read(|store| {
        let mut counted = Vec::new();
        for session in store.sessions()? {
            counted.push(engine::follow::status_of(store, &session)?);
        }
        Ok(counted)
    });
    use SessionStatus::{Asking, Ended, Idle, Lost, Running, Starting};
    for status in [Starting, Running, Asking, Idle, Ended, Lost] {
        sessions.insert(status.as_str(), 0);
    }
    for status in counted.await? {
        *sessions.entry(status.as_str()).or_default() += 1;
    }
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, lines: Vec<(String, u64)>| {
        let _ = writeln!(text, "# HELP sandbox_agent_{name} {help}\n# TYPE sandbox_agent_{name} {kind}");
        for (labels, value) in lines {
            let _ = writeln!(text, "sandbox_agent_{name}{labels} {value}");
        }
    };
    family("info", "gauge", "The version.", vec![(format!("{{version=\"{}\"}}", server.version), 1)]);
    let by_status = sessions.into_iter().map(|(status, count)| (format!("{{status=\"{status}\"}}"), count)).collect();
    family("sessions", "gauge", "Sessions of the store.", by_status);
    let answers = held(&server.numbers.answers).clone();
    let by_route = answers.into_iter().map(|((method, path, status), count)| {
        (format!("{{method=\"{method}\",route=\"/{path}\",status=\"{status}\"}}"), count)
    });
    family("http_requests_total", "counter", "Requests that were answered.", by_route.collect());
    let followers = Arc::strong_count(&server.numbers.followers) as u64 - 1;
    family("followers", "gauge", "Clients that follow a session.", vec![(String::new(), followers)]);
    let sent = server.numbers.sent.load(Ordering::Relaxed);
    family("http_sent_bytes_total", "counter", "Bytes of answers.", vec![(String::new(), sent)]);
    let mut response = Response::new(Body::from(text));
    let media = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}
