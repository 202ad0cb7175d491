//! Who may come in: the token, the names by which we are called, and which pages of other origins.

use std::net::IpAddr;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Response};

use crate::body::{Body, nothing};
use crate::problem::{Kind, Problem};
use crate::token::{Scopes, Token};

/// Which pages of other origins may read our answers. Without origins: none.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Origins as browsers write them, or `*`.
    pub origins: Vec<String>,
    /// Methods; empty: what is asked for.
    pub methods: Vec<String>,
    /// Headers; empty: what is asked for.
    pub headers: Vec<String>,
    /// Whether cookies and the like may be sent.
    pub credentials: bool,
}

/// The keeper of the door.
pub(crate) struct Gate {
    /// `None`: whoever reaches us may everything.
    pub(crate) tokens: Option<Vec<Token>>,
    pub(crate) cors: Cors,
    /// Names that clients may call us by; `None`: any, where no browser is led here by a name.
    pub(crate) hosts: Option<Vec<String>>,
}

impl Gate {
    /// A page whose name was made to lead here must not get in, whatever it knows.
    pub(crate) fn check_names(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let denied = |detail: &str| Err(Problem::new(Kind::PermissionDenied, detail));
        let host = text(headers, HOST);
        if let Some(known) = &self.hosts {
            let Some(name) = host.and_then(name_of) else { return denied("the Host header is missing or malformed") };
            let is_local = name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok();
            if !is_local && !known.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
                return denied("this server does not go by the name in the Host header; --allow-host names more");
            }
        }
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or("null");
        let same = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        if same || self.allows(origin) {
            return Ok(());
        }
        denied("pages of this origin may not use this server; --cors-allow-origin names those that may")
    }

    /// What the client may, by the token that it knows.
    pub(crate) fn check_token(&self, headers: &HeaderMap, asked: Option<&str>) -> Result<Scopes, Problem> {
        let Some(tokens) = &self.tokens else { return Ok(Scopes::ALL) };
        let given = text(headers, AUTHORIZATION)
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"))
            .map(|(_, given)| given.trim())
            .or(asked);
        let known = given.and_then(|given| Token::known(tokens, given.as_bytes()));
        known.ok_or_else(|| {
            let detail = match given {
                Some(_) => "the token is wrong",
                None => "a token is needed: `Authorization: Bearer TOKEN`",
            };
            Problem::new(Kind::TokenInvalid, detail).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        })
    }

    /// The answer to a browser that asks before it sends, if this is one.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
        let asked = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS || self.cors.origins.is_empty() {
            return None;
        }
        let mut response = nothing();
        let mut set = |name: HeaderName, words: &[String], asked: Option<&HeaderValue>| {
            let value = if words.is_empty() { asked.cloned() } else { HeaderValue::from_str(&words.join(", ")).ok() };
            response.headers_mut().extend(value.map(|value| (name, value)));
        };
        set(ACCESS_CONTROL_ALLOW_METHODS, &self.cors.methods, Some(asked));
        set(ACCESS_CONTROL_ALLOW_HEADERS, &self.cors.headers, headers.get(ACCESS_CONTROL_REQUEST_HEADERS));
        response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// Says in an answer that this origin may read it.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, response: &mut Response<Body>) {
        let Some(origin) = origin else { return };
        if !origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            return;
        }
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(VARY, HeaderValue::from_static("origin"));
        if self.cors.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn allows(&self, origin: &str) -> bool {
        self.cors.origins.iter().any(|known| known == "*" || known.trim_end_matches('/') == origin)
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The name in `NAME`, `NAME:PORT` or `[ADDRESS]:PORT`.
fn name_of(host: &str) -> Option<String> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_our_own_names_lead_in() {
        let gate = Gate { tokens: None, cors: Cors::default(), hosts: Some(vec!["box.example".to_owned()]) };
        for host in [
            "localhost",
            "LOCALHOST:2468",
            "a.localhost:1",
            "127.0.0.1:2468",
            "[::1]:9",
            "box.example",
            "Box.Example.:80",
        ] {
            assert!(gate.check_names(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:2468", "", ":2468", "[::1"] {
            assert!(gate.check_names(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(gate.check_names(&headers(&[])).is_err());
        let from = |origin| gate.check_names(&headers(&[("host", "localhost:1"), ("origin", origin)]));
        assert!(from("http://localhost:1").is_ok());
        for origin in ["http://localhost:2", "null", "http://evil.example", ""] {
            assert!(from(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn a_token_is_right_or_wrong_as_a_whole() {
        let gate = Gate { tokens: Some(vec![Token::of("secret").unwrap()]), cors: Cors::default(), hosts: None };
        let with = |value| gate.check_token(&headers(&[("authorization", value)]), None);
        for right in ["Bearer secret", "bearer secret", "token secret", "BEARER  secret "] {
            assert!(with(right).is_ok(), "{right}");
        }
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer Secret", "secret", "Basic secret", "Bearer ", "Bearer"]
        {
            assert!(with(wrong).is_err(), "{wrong}");
        }
        assert!(gate.check_token(&headers(&[]), None).is_err());
    }
}
