//! The one format of an error: `application/problem+json`, made of a failure of any room or of what HTTP itself finds wrong.

use engine::Failure;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use schema::outcome::ErrorCode;
use serde_json::{Map, Value, json};

use crate::body::Body;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    more: Map<String, Value>,
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

macro_rules! kinds {
    ($($name:ident = $word:literal, $status:literal, $title:literal;)*) => {
        /// What is wrong: the last word of the problem's `type`, its status and its title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($name,)* }

        impl Kind {
            fn parts(self) -> (&'static str, u16, &'static str) {
                match self { $(Kind::$name => ($word, $status, $title),)* }
            }
        }
    };
}

kinds! {
    InvalidRequest = "invalid_request", 400, "Invalid request";
    TokenInvalid = "token_invalid", 401, "Token missing or wrong";
    PermissionDenied = "permission_denied", 403, "Not allowed";
    NotFound = "not_found", 404, "Not found";
    SessionNotFound = "session_not_found", 404, "Session not found";
    AgentNotInstalled = "agent_not_installed", 404, "Agent not installed";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    NotAcceptable = "not_acceptable", 406, "Not acceptable";
    Slow = "timeout", 408, "Request too slow";
    SessionAlreadyExists = "session_already_exists", 409, "Session already exists";
    Conflict = "conflict", 409, "Conflict";
    RangeNotSatisfiable = "range_not_satisfiable", 416, "Range not satisfiable";
    TooLarge = "too_large", 413, "Body too large";
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    UpgradeRequired = "upgrade_required", 426, "Upgrade required";
    HeadTooLarge = "head_too_large", 431, "Head too large";
    DesktopInvalidAction = "desktop_invalid_action", 400, "Not possible on a desktop";
    WindowNotFound = "window_not_found", 404, "Window not found";
    NoFocusedWindow = "no_focused_window", 404, "No window has the focus";
    DesktopInactive = "desktop_runtime_inactive", 409, "The desktop does not run";
    DesktopStarting = "desktop_runtime_starting", 409, "The desktop is starting or stopping";
    DesktopFailed = "desktop_runtime_failed", 503, "The desktop failed";
    DesktopDependenciesMissing = "desktop_dependencies_missing", 503, "Programs of the desktop are missing";
    InstallFailed = "install_failed", 500, "The agent was not installed";
    Internal = "internal", 500, "Internal error";
    Store = "store", 500, "The store failed";
    Unavailable = "unavailable", 503, "Unavailable";
    Timeout = "timeout", 504, "Timeout";
    DiskFull = "disk_full", 507, "No room on the disk";
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem { kind, detail: detail.into(), more: Map::new(), header: None }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(Kind::InvalidRequest, detail)
    }

    pub(crate) fn of_kind(self, kind: Kind) -> Problem {
        Problem { kind, ..self }
    }

    /// What is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Problem {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// With a header beside those that every problem has.
    pub(crate) fn header(self, name: HeaderName, value: HeaderValue) -> Problem {
        Problem { header: Some(Box::new((name, value))), ..self }
    }

    /// A missing thing is a session in these routes, unless something else is said.
    pub(crate) fn of_session(self) -> Problem {
        if self.kind == Kind::NotFound { self.of_kind(Kind::SessionNotFound) } else { self }
    }

    /// Its status and its title.
    pub(crate) fn status(&self) -> (u16, &'static str) {
        let (_, status, title) = self.kind.parts();
        (status, title)
    }

    /// As it is told.
    pub(crate) fn document(&self) -> Value {
        let (word, status, title) = self.kind.parts();
        let mut document = json!({
            "type": format!("urn:sandbox-agent:error:{word}"),
            "title": title,
            "status": status,
            "detail": self.detail,
        });
        for (key, value) in &self.more {
            document[key] = value.clone();
        }
        document
    }

    pub(crate) fn response(self) -> Response<Body> {
        let (status, _) = self.status();
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = hyper::StatusCode::from_u16(status).expect("the table has real ones");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.header.map(|header| *header));
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        use ErrorCode::{
            AbortedByAgent, Auth, BadInput, BadRequest, Busy, ContextFull, Crash, DiskFull, MaxCost, MaxTokens,
            MaxTurns, ModelNotFound, Network, NoAnswer, NotDelivered, NotFound, NotInstalled, OffsetBeyondEnd, Other,
            Overloaded, Protocol, Quota, RateLimit, ReadOnly, Refusal, Server, SessionEnded, Store, Timeout, Usage,
        };
        let kind = match failure.code {
            Usage | BadInput | BadRequest | ModelNotFound | OffsetBeyondEnd => Kind::InvalidRequest,
            NotFound => Kind::NotFound,
            NotInstalled => Kind::AgentNotInstalled,
            SessionEnded | Busy | NotDelivered => Kind::Conflict,
            Timeout => Kind::Timeout,
            DiskFull => Kind::DiskFull,
            Store | ReadOnly => Kind::Store,
            RateLimit | Quota | Overloaded | Server | Network => Kind::Unavailable,
            Auth | MaxTokens | MaxTurns | MaxCost | ContextFull | Refusal | Protocol | Crash | NoAnswer
            | AbortedByAgent | Other => Kind::Internal,
        };
        let mut problem = Problem::new(kind, failure.message)
            .with("code", failure.code.as_str().into())
            .with("exitCode", failure.exit_code.into());
        if let Some(hint) = failure.hint {
            problem = problem.with("hint", hint.into());
        }
        problem
    }
}

impl From<engine::Error> for Problem {
    fn from(error: engine::Error) -> Problem {
        Failure::from(error).into()
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        Failure::from(error).into()
    }
}
