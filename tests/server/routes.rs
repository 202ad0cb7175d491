//! Every route as its document tells of it: what is wrong with a request is said in the one format, and nothing ends the server.

use std::io::Read;

use serde_json::{Value, json};

use super::client::{Answer, Server};
use super::gate::private;
use crate::env::{TestEnv, rounds};

/// A route as the document has it.
struct Told {
    method: String,
    path: String,
    scope: Option<String>,
    operation: Value,
}

fn document(server: &Server) -> (Value, Vec<Told>) {
    let document = server.send("GET", "/openapi.json", &[("authorization", "")], b"").json(200);
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scope = operation["security"][0]["token"][0].as_str().map(str::to_owned);
            let (method, path) = (method.to_uppercase(), path.clone());
            routes.push(Told { method, path, scope, operation: operation.clone() });
        }
    }
    (document, routes)
}

/// Sends, and reads the answer; of a flow its head.
fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let head = server.head(method, path, headers) + &format!("content-length: {}\r\n\r\n", body.len());
    let (mut answer, mut rest) = server.raw(&[head.as_bytes(), body].concat());
    if answer.headers.get("content-type").is_none_or(|media| media != "text/event-stream") {
        rest.read_to_end(&mut answer.body).unwrap();
    }
    answer
}

/// Fails unless this is no error, or one in the one format that is not of our making.
fn judge(answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.headers.contains_key("x-request-id"), "{what}: {text}");
    if answer.status < 400 {
        return;
    }
    assert_eq!(
        answer.headers.get("content-type").map(String::as_str),
        Some("application/problem+json"),
        "{what}: {text}"
    );
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], answer.status, "{what}: {text}");
    for key in ["type", "title", "detail"] {
        assert!(problem[key].as_str().is_some_and(|words| !words.is_empty()), "{what}: {text}");
    }
    // What is not installed on this machine, and what is not to be fetched, is nobody's fault.
    assert!(answer.status < 500 || [501, 503].contains(&answer.status), "{what}: {text}");
}

#[test]
fn the_document_tells_of_every_route_and_every_route_keeps_its_scope() {
    let env = TestEnv::new();
    let scopes = ["read", "prompt", "answer", "fs", "proc", "desktop"];
    let mut file = "everything\n".to_owned();
    for scope in scopes {
        let others: Vec<&str> = scopes.into_iter().filter(|other| *other != scope).collect();
        file += &format!("not-{scope} {}\n", others.join(","));
    }
    file += &format!("not-admin {}\n", scopes.join(","));
    private(&env, "tokens", &file);
    let server = Server::of(env.command(&["server", "--port=0", "--token-file=tokens"]).spawn(), Some("everything"));
    let (document, routes) = document(&server);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(server.get("/v1/openapi.json").json(200), document);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/lib/server/openapi.json");
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(committed).unwrap()).unwrap(), document);
    let mut dangling = Vec::new();
    references(&document, &mut |name| {
        let found = document.pointer(name.strip_prefix('#').unwrap());
        if found.is_none_or(Value::is_null) {
            dangling.push(name.to_owned());
        }
    });
    assert!(dangling.is_empty(), "{dangling:?}");
    assert!(routes.len() > 15);
    for Told { method, path, scope, .. } in &routes {
        let what = format!("{method} {path}");
        let with = |token: &str, method: &str| {
            let authorization = format!("Bearer {token}");
            send(&server, method, &path.replace(['{', '}'], "-"), &[("authorization", &authorization)], b"")
        };
        let other = with("everything", "PATCH");
        other.problem(405, "method_not_allowed");
        assert!(other.headers["allow"].split(", ").any(|allowed| allowed == method), "{what}");
        if let Some(scope) = scope {
            with("wrong", method).problem(401, "token_invalid");
            assert_eq!(
                with(&format!("not-{scope}"), method).problem(403, "permission_denied")["scope"],
                **scope,
                "{what}"
            );
        } else {
            assert!(with("wrong", method).status < 300, "{what}");
        }
    }
}

fn references(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(name) if key == "$ref" => found(name),
                    Some(_) | None => references(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What chance says; the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn of<'a, T: ?Sized>(&mut self, these: &[&'a T]) -> &'a T {
        these[self.below(these.len())]
    }

    /// A word for a path or a query, encoded. None of them is a place on this machine, a duration, or the name of an agent.
    fn word(&mut self) -> String {
        let long = "x".repeat(3000);
        let words = "s zz zz%20zz %00 %ff %zz -1 0 1e308 99999999999999999999 zz%2Fzz true %F0%9F%8E%89 zz%0d%0azz '%22 null \
                     1.5 NaN %2e%2e%2e rec_0 __proto__";
        let mut words: Vec<&str> = words.split(' ').collect();
        words.push(&long);
        self.of(&words).to_owned()
    }

    /// A value that no schema wants.
    fn odd(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(1e308),
            4 => json!(u64::MAX),
            5 => json!("zz"),
            6 => json!("zz\u{0}zz"),
            7 => json!("z".repeat(100_000)),
            8 => json!([]),
            9 => json!({ "zz": [1, null] }),
            10 => json!(["zz", 1, {}]),
            _ => json!("\u{202e}zz\r\n\u{1b}[31m"),
        }
    }

    /// A value of a schema, more or less.
    fn value(&mut self, schema: &Value, document: &Value, depth: usize) -> Value {
        if depth > 6 || self.below(8) == 0 {
            return self.odd();
        }
        if let Some(name) = schema["$ref"].as_str() {
            let found = document.pointer(&name[1..]).cloned().unwrap_or_default();
            return self.value(&found, document, depth + 1);
        }
        for key in ["enum", "oneOf", "anyOf", "allOf"] {
            if let Some(choices) = schema[key].as_array().filter(|choices| !choices.is_empty()) {
                let choice = choices[self.below(choices.len())].clone();
                return if key == "enum" { choice } else { self.value(&choice, document, depth + 1) };
            }
        }
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        let kinds = schema["type"].as_array().map(Vec::as_slice);
        let kind = kinds.map_or(&schema["type"], |kinds| &kinds[self.below(kinds.len())]);
        let kind = kind.as_str().unwrap_or("any").to_owned();
        match kind.as_str() {
            "object" => {
                let mut object = serde_json::Map::new();
                for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                    if self.below(4) > 0 {
                        object.insert(name.clone(), self.value(schema, document, depth + 1));
                    }
                }
                if self.below(6) == 0 {
                    object.insert("zz".to_owned(), self.odd());
                }
                Value::Object(object)
            }
            "array" => (0..self.below(4)).map(|_| self.value(&schema["items"], document, depth + 1)).collect(),
            "string" => json!(self.of(&["zz", "zz zz", "zz\n", "\u{fc}zz\u{1f389}", "s"])),
            "integer" => json!([0_i64, 1, -1, 70_000, i64::MAX][self.below(5)]),
            "number" => json!([0.0, 0.5, -1.0, 1e300][self.below(4)]),
            "boolean" => json!(self.below(2) == 0),
            _ => self.odd(),
        }
    }
}

/// B1-18.
#[test]
fn no_request_ends_the_server_or_gets_an_error_without_the_format() {
    let mut env = TestEnv::new();
    // Nothing that is asked for can be started.
    env.set("PATH", env.root().join("tmp"));
    let server = Server::start(&env);
    let (document, routes) = document(&server);
    server.create("s");
    let seed = std::env::var("SANDBOX_AGENT_TEST_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    let mut chance = Chance(seed);
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for round in 0..rounds(6) {
        for Told { method, path, operation, .. } in &routes {
            let mut target: Vec<String> = path.split('/').map(str::to_owned).collect();
            for word in target.iter_mut().filter(|word| word.starts_with('{')) {
                *word = chance.word();
            }
            let mut target = target.join("/");
            for parameter in operation["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == "query") {
                let mark = if target.contains('?') { '&' } else { '?' };
                if chance.below(2) == 0 {
                    target += &format!("{mark}{}={}", parameter["name"].as_str().unwrap(), chance.word());
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = match chance.below(10) {
                0 => String::new(),
                1 => "{".to_owned(),
                2 => deep.clone(),
                3 => chance.odd().to_string(),
                _ => chance.value(schema, &document, 0).to_string(),
            };
            let media = chance.of(&["application/json", "application/json", "application/json", "text/plain", ""]);
            let last = chance.of(&["", "", "", "zz", "-1", "0"]);
            let headers = [("content-type", media), ("last-event-id", last), ("accept-encoding", "")];
            let what = format!("seed {seed} round {round}: {method} {target:.200} {media} {body:.300}");
            judge(&send(&server, method, &target, &headers, body.as_bytes()), &what);
        }
    }
    assert_eq!(server.get("/v1/health").json(200)["status"], "ok");
    let said = server.running.stderr();
    assert!(!said.contains("panicked"), "{said}");
    if server.get("/v1/sessions/s").status == 200 {
        server.send("DELETE", "/v1/sessions/s?force=true", &[], b"").nothing();
    }
}

#[test]
fn what_is_no_request_is_refused_in_the_one_format_too() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let long = "x".repeat(200 << 10);
    for (bytes, status, kind) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /v1/health HTTP/3.9\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /v1/health HTTP/1.1\r\nhost localhost\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("GET /v1/health HTTP/1.1\r\nhost: a\r\ncontent-length: zz\r\n\r\n".to_owned(), 400, "invalid_request"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}".repeat(50), 400, "invalid_request"),
        (format!("GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: {long}\r\n\r\n"), 431, "head_too_large"),
    ] {
        let (mut answer, mut rest) = server.raw(bytes.as_bytes());
        rest.read_to_end(&mut answer.body).unwrap();
        answer.problem(status, kind);
    }
    // One after a good one on the same connection.
    let head = server.head("GET", "/v1/health", &[]).replace("connection: close\r\n", "");
    let (first, mut rest) = server.raw(format!("{head}\r\nnonsense\r\n\r\n").as_bytes());
    assert_eq!(first.status, 200);
    let mut all = String::new();
    rest.read_to_string(&mut all).unwrap();
    assert!(all.contains("\"ok\""), "{all}");
}
