//! Who may come in: tokens, names, origins, sockets; and what a server prints and logs.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::json;

use super::client::Server;
use crate::env::TestEnv;

/// B1-13 and B1-16.
#[test]
fn only_who_knows_the_token_gets_in_and_nobody_else_learns_it() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    assert_eq!(server.record.get("token"), None, "what was given is not printed");
    let with = |value| server.send("GET", "/v1/sessions", &[("authorization", value)], b"");
    for wrong in ["Bearer", "Bearer secre", "Bearer secrets", "Basic c2VjcmV0", "secret"] {
        with(wrong).problem(401, "token_invalid");
    }
    for right in ["Bearer secret", "bearer secret", "token secret"] {
        with(right).json(200);
    }
    with("").problem(401, "token_invalid");
    assert_eq!(server.send("GET", "/v1/health", &[("authorization", "")], b"").json(200)["status"], "ok");
    // Whom it starts it does not tell.
    server.create("s");
    server.prompt("s", "env SANDBOX_AGENT_TOKEN");
    let ended = server.flow("/v1/sessions/s/events/sse", None).until("turn.ended").pop().unwrap().1;
    assert!(!ended.contains("secret"), "{ended}");
    let _ = env.run(&["wait", "s", "--for", "idle", "--timeout", "100s"]);
    let log = server.running.stderr();
    assert!(!log.contains("secret") && log.contains("method=POST path=/v1/sessions/s status=201"), "{log}");
}

/// B1-11, B1-12 and B1-14.
#[test]
fn a_token_is_made_up_read_from_a_file_or_taken_off_the_command_line() {
    let env = TestEnv::new();
    let made = Server::of(env.command(&["server", "--port", "0"]).spawn(), None);
    let token = made.record["token"].as_str().unwrap().to_owned();
    assert!(token.len() >= 32);
    made.get("/v1/sessions").problem(401, "token_invalid");
    made.send("GET", "/v1/sessions", &[("authorization", &format!("Bearer {token}"))], b"").json(200);
    assert!(!made.running.stderr().contains(&token));
    private(&env, "token", "from-file\n");
    let from_file = Server::of(env.command(&["server", "--port=0", "--token-file=token"]).spawn(), Some("from-file"));
    from_file.get("/v1/sessions").json(200);
    for words in [&["server", "--token", "visible", "-p0"], &["server", "-p", "0", "--token=visible"]] {
        let server = Server::of(env.command(words).spawn(), Some("visible"));
        server.get("/v1/sessions").json(200);
        let line = std::fs::read(format!("/proc/{}/cmdline", server.running.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&line).contains("visible"));
    }
    let open = Server::of(env.command(&["server", "--port", "0", "--no-token"]).spawn(), None);
    open.get("/v1/sessions").json(200);
    assert_eq!(open.record.get("token"), None);
    for (words, message) in [
        (&["server", "--host", "0.0.0.0", "--port", "0"] as &[&str], "without a token"),
        (&["server", "--host", "0.0.0.0", "--port", "0", "--no-token"], "without a token"),
        (&["server", "--token", "a b"], "visible ASCII"),
        (&["server", "-C", "-O", "*"], "every origin"),
        (&["server", "-C"], "required"),
    ] {
        let refused = env.run(words).expect(2);
        assert!(refused.stderr.contains(message), "{words:?}: {}", refused.stderr);
    }
    let port = open.authority().rsplit(':').next().unwrap();
    let taken = env.run(&["server", "--port", port, "--no-token"]).expect(1);
    assert!(taken.stderr.contains("in use") && taken.stderr.contains("--port"), "{}", taken.stderr);
}

pub(crate) fn private(env: &TestEnv, name: &str, text: &str) {
    env.write(name, text);
    std::fs::set_permissions(env.work().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_token_opens_what_its_scopes_say_and_nothing_else() {
    let env = TestEnv::new();
    private(
        &env,
        "tokens",
        "# who may\nall-of-it\nsees read\nasks prompt,answer\n\nboth read, prompt\nhands fs,proc\n",
    );
    let server = Server::of(env.command(&["server", "--port=0", "--token-file=tokens"]).spawn(), Some("all-of-it"));
    server.create("s");
    let with = |token: &str, method: &str, path: &str, body: &str| {
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        server.send(method, path, &headers, body.as_bytes())
    };
    let needs = |token: &str, method: &str, path: &str, scope: &str| {
        let answer = with(token, method, path, "{}");
        assert_eq!(answer.problem(403, "permission_denied")["scope"], scope, "{token} {method} {path}");
        let asked = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(answer.headers["www-authenticate"], asked);
    };
    for token in ["sees", "both", "all-of-it"] {
        for path in ["/v1/sessions", "/v1/agents", "/v1/sessions/s", "/v1/sessions/s/events"] {
            with(token, "GET", path, "").json(200);
        }
        with(token, "GET", "/v1/nothing", "").problem(404, "not_found");
        with(token, "PUT", "/v1/sessions", "").problem(405, "method_not_allowed");
    }
    needs("sees", "POST", "/v1/sessions/t", "prompt");
    needs("sees", "POST", "/v1/sessions/s/messages", "prompt");
    needs("sees", "POST", "/v1/sessions/s/permissions/p/reply", "answer");
    needs("both", "POST", "/v1/sessions/s/questions/q/reject", "answer");
    needs("both", "DELETE", "/v1/sessions/s", "admin");
    needs("asks", "GET", "/v1/sessions/s/events/sse", "read");
    needs("hands", "GET", "/v1/sessions", "read");
    with("asks", "POST", "/v1/sessions/s/messages", r#"{"message":"echo a"}"#).json(202);
    with("asks", "POST", "/v1/sessions/s/permissions/p/reply", r#"{"reply":"once"}"#).problem(404, "not_found");
    let _ = env.run(&["wait", "s", "--for", "idle", "--timeout", "100s"]);
    // What every scope together is, an unknown token is not.
    for unknown in ["", "sees,read", "read", "all-of-i", "all-of-it2"] {
        let answer = with(unknown, "GET", "/v1/sessions", "");
        answer.problem(401, "token_invalid");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    with("unknown", "GET", "/v1/health", "").json(200);
    let said = server.running.stderr();
    for secret in ["all-of-it", "sees", "asks", "hands"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_file_of_tokens_is_for_its_owner_and_says_what_is_wrong_with_it() {
    let env = TestEnv::new();
    let refused = |words: &[&str]| env.run(words).expect(2).stderr.clone();
    env.write("open", "secret-one");
    for mode in [0o644, 0o640, 0o602] {
        std::fs::set_permissions(env.work().join("open"), std::fs::Permissions::from_mode(mode)).unwrap();
        let said = refused(&["server", "--port=0", "--token-file=open"]);
        assert!(said.contains(&format!("{mode:04o}")) && said.contains("chmod 600"), "{said}");
    }
    for (text, message) in [
        ("", "no token"),
        ("secret-one\nsecret-two write\n", "line 2"),
        ("secret-one ,\n", "no scope"),
        ("secret-one read\nsecret-one", "the same token"),
    ] {
        private(&env, "tokens", text);
        let said = refused(&["server", "--port=0", "--token-file=tokens"]);
        assert!(said.contains(message) && !said.contains("secret"), "{text}: {said}");
    }
}

#[test]
fn pages_of_other_origins_stay_outside_unless_they_are_named() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let asks = |server: &Server, headers: &[(&str, &str)]| server.send("GET", "/v1/sessions", headers, b"");
    for host in ["evil.example", "localhost.evil.example"] {
        asks(&server, &[("host", host)]).problem(403, "permission_denied");
    }
    asks(&server, &[("origin", "http://evil.example")]).problem(403, "permission_denied");
    asks(&server, &[("origin", "null")]).problem(403, "permission_denied");
    asks(&server, &[("host", "localhost:9"), ("origin", "http://localhost:9")]).json(200);
    let known = ["server", "-p0", "--no-token", "--allow-host", "box.example", "-C", "-O", "http://app.example"];
    let open = Server::of(env.command(&known).spawn(), None);
    let answer = asks(&open, &[("host", "box.example"), ("origin", "http://app.example")]);
    answer.json(200);
    assert_eq!(answer.headers["access-control-allow-origin"], "http://app.example");
    assert_eq!(answer.headers["access-control-allow-credentials"], "true");
    asks(&open, &[("origin", "http://other.example")]).problem(403, "permission_denied");
    let preflight = [
        ("origin", "http://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let answer = open.send("OPTIONS", "/v1/sessions/a", &preflight, b"");
    answer.nothing();
    assert_eq!(answer.headers["access-control-allow-methods"], "POST");
    assert_eq!(answer.headers["access-control-allow-headers"], "content-type");
    let answer = server.send("OPTIONS", "/v1/sessions/a", &preflight, b"");
    answer.problem(403, "permission_denied");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[test]
fn a_socket_is_for_this_user_only_and_goes_with_its_server() {
    let env = TestEnv::new();
    let path = env.work().join("agent.sock");
    let start = || Server::of(env.command(&["server", "--unix", "agent.sock"]).spawn(), None);
    let server = start();
    assert_eq!(server.record["unix"], path.to_str().unwrap());
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let taken = env.run(&["server", "--unix", "agent.sock"]).expect(2);
    assert!(taken.stderr.contains("another server"), "{}", taken.stderr);
    env.write("file", "precious");
    env.run(&["server", "--unix", "file"]).expect(2);
    assert_eq!(env.read("file"), "precious");
    assert_eq!(server.get("/v1/sessions").json(200), json!({ "sessions": [] }));
    // One that was killed leaves its socket to the next.
    server.running.signal(Signal::SIGKILL);
    assert_eq!(server.running.wait().code(), 137);
    assert!(path.exists());
    let server = start();
    server.get("/v1/health").json(200);
    server.running.signal(Signal::SIGTERM);
    assert_eq!(server.running.wait().signal(), Some(Signal::SIGTERM));
    assert!(!path.exists());
}
