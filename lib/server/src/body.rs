//! Bodies both ways: what a client sends, bounded and typed; what it gets, whole or as a flow; and the words of a query.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver};

use crate::problem::{Kind, Problem};

/// What a client gets.
pub(crate) enum Body {
    /// All at once.
    Whole(Option<Bytes>),
    /// As it comes; whoever sends waits for the client.
    Flow(Receiver<Bytes>),
    /// The same where it may break off, which the client is to notice, and may have a known length.
    Piped(Receiver<io::Result<Bytes>>, Option<u64>),
}

/// What of a file is read at once: bytes.
pub(crate) const PIECE: usize = 128 << 10;

impl Body {
    /// What a file holds now, piece by piece as the client takes it. Needs the runtime.
    pub(crate) fn of_file(file: File) -> io::Result<Body> {
        let length = file.metadata()?.len();
        let (sender, receiver) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            let mut rest = file.take(length);
            loop {
                let mut piece = vec![0; PIECE];
                let read = rest.read(&mut piece).map(|count| {
                    piece.truncate(count);
                    piece
                });
                let is_end = read.as_ref().map_or(true, Vec::is_empty);
                if read.as_ref().is_ok_and(Vec::is_empty)
                    || sender.blocking_send(read.map(Bytes::from)).is_err()
                    || is_end
                {
                    return;
                }
            }
        });
        Ok(Body::Piped(receiver, Some(length)))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::Whole(Some(text.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Flow(receiver) => receiver.poll_recv(context).map(|bytes| Some(Ok(Frame::data(bytes?)))),
            Body::Piped(receiver, _) => receiver.poll_recv(context).map(|bytes| Some(bytes?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Flow(_) | Body::Piped(_, None) => SizeHint::default(),
            Body::Piped(_, Some(length)) => SizeHint::with_exact(*length),
        }
    }
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    json_text(status, serde_json::to_string(value).expect("answers have string keys"))
}

/// An answer of JSON that is written already.
pub(crate) fn json_text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer without words.
pub(crate) fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The most that a body of JSON may have.
const MOST: usize = 16 << 20;
/// The longest pause within a body.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);

/// The bytes of a body of JSON. No body at all is one without fields.
pub(crate) async fn read(headers: &HeaderMap, body: &mut Incoming) -> Result<Vec<u8>, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bytes = bytes(body).await?;
    if bytes.is_empty() && media.is_empty() {
        return Ok(b"{}".to_vec());
    }
    if media != "application/json" && !(media.starts_with("application/") && media.ends_with("+json")) {
        let what = if media.is_empty() { "nothing".to_owned() } else { format!("`{media}`") };
        let detail = format!("the body must be application/json; its content type says {what}");
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    Ok(bytes)
}

async fn bytes(body: &mut Incoming) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("the body must not be larger than {MOST} bytes"));
    if body.size_hint().lower() > MOST as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let frame = tokio::time::timeout(PAUSE, frame)
            .await
            .map_err(|_| Problem::new(Kind::Slow, "the rest of the body did not come"))?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|error| Problem::invalid(format!("failed to read the body: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > MOST {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// The words of a query, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(text: Option<&str>) -> Result<Query, Problem> {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        });
        Ok(Query(pairs.collect::<Result<_, Problem>>()?))
    }

    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name that may be there several times.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
    }

    /// A value that has to be there.
    pub(crate) fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.word(name).ok_or_else(|| Problem::invalid(format!("failed to find `{name}` in the query")))
    }

    /// A value of this type.
    pub(crate) fn value<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let read = |text: &str| {
            text.parse().map_err(|_| Problem::invalid(format!("failed to use {name}={}", text.escape_debug())))
        };
        self.word(name).map(read).transpose()
    }

    /// Whether it is there and does not say no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.word(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(Problem::invalid(format!("failed to use {name}={}", other.escape_debug()))),
        }
    }
}

/// Percent signs decoded.
pub(crate) fn decode(text: &str) -> Result<String, Problem> {
    let bad = || Problem::invalid(format!("failed to decode `{}`", text.escape_debug()));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digits =
            std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        bytes.push(u8::from_str_radix(digits.ok_or_else(bad)?, 16).map_err(|_| bad())?);
        rest = more;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::of(Some("offset=12&a=b%20c+d&flag&no=false&bad=x")).unwrap_or(Query(Vec::new()));
        assert_eq!(query.value::<i64>("offset").ok(), Some(Some(12)));
        assert_eq!(query.word("a"), Some("b c d"));
        assert_eq!(query.flag("flag").ok(), Some(true));
        assert_eq!(query.flag("no").ok(), Some(false));
        assert!(query.flag("bad").is_err());
        assert!(query.value::<i64>("bad").is_err());
        for bad in ["%", "%1", "%zz", "%+1", "%ff"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
