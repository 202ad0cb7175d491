//! Every error has the one format, whoever finds it.

use serde_json::json;

use super::client::Server;
use crate::env::TestEnv;

#[test]
fn every_error_has_the_one_format() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let typed: &[(&str, &str)] = &[("content-type", "application/json")];
    let large = format!("{{\"message\":\"{}\"}}", "x".repeat(17 << 20));
    server.refuses(&[
        ("GET", "/", &[], "", 404, "not_found"),
        ("GET", "/v1/nothing", &[], "", 404, "not_found"),
        ("GET", "/v1/sessions/s/events/sse/more", &[], "", 404, "not_found"),
        ("PUT", "/v1/sessions", &[], "", 405, "method_not_allowed"),
        ("GET", "/v1/sessions/s/messages", &[], "", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/sessions", &[("origin", "")], "", 405, "method_not_allowed"),
        ("GET", "/v1/sessions/none", &[], "", 404, "session_not_found"),
        ("GET", "/v1/sessions/none/events", &[], "", 404, "session_not_found"),
        ("GET", "/v1/sessions/none/events/sse", &[], "", 404, "session_not_found"),
        ("DELETE", "/v1/sessions/none", &[], "", 404, "session_not_found"),
        ("POST", "/v1/sessions/none/terminate", &[], "", 404, "session_not_found"),
        ("POST", "/v1/sessions/none/cancel", &[], "", 404, "session_not_found"),
        ("POST", "/v1/sessions/none/messages", typed, r#"{"message":"a"}"#, 404, "session_not_found"),
        ("POST", "/v1/sessions/none/questions/q/reject", &[], "", 404, "session_not_found"),
        ("POST", "/v1/sessions/s/questions/q/reply", typed, r#"{"answers":[["a"]]}"#, 404, "not_found"),
        ("GET", "/v1/sessions/%ff", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?offset=x", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?offset=-1", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?offset=1", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?wait=soon", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?include_raw=maybe", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events?offset=%zz", &[], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events/sse", &[("last-event-id", "x")], "", 400, "invalid_request"),
        ("GET", "/v1/sessions/s/events/sse", &[("last-event-id", "99")], "", 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, "{", 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, "[]", 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, r#"{"message":1}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, r#"{"message":" "}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, r#"{"message":"a","massage":"b"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", typed, "\u{0}", 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", &[], "", 400, "invalid_request"),
        ("POST", "/v1/sessions/s/messages", &[], r#"{"message":"a"}"#, 415, "unsupported_media_type"),
        ("POST", "/v1/sessions/s/messages", &[("content-type", "text/plain")], "a", 415, "unsupported_media_type"),
        ("POST", "/v1/sessions/s/messages", typed, &large, 413, "too_large"),
        ("POST", "/v1/sessions/s/permissions/p/reply", typed, r#"{"reply":"maybe"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/s", typed, r#"{"agent":"mock"}"#, 409, "session_already_exists"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"none"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, "{}", 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"mock","mcp":{}}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"mock","permissionMode":"yolo"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"mock","allow":["nonsense"]}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"mock","directory":"/none"}"#, 404, "not_found"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"mo\u0000ck"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/t", typed, r#"{"agent":"codex"}"#, 404, "agent_not_installed"),
        ("POST", "/v1/sessions/a%20b", typed, r#"{"agent":"mock"}"#, 400, "invalid_request"),
        ("POST", "/v1/sessions/ses_mine", typed, r#"{"agent":"mock"}"#, 400, "invalid_request"),
        ("GET", "/v1/sessions", &[("authorization", "Bearer wrong")], "", 401, "token_invalid"),
        ("GET", "/nothing", &[("authorization", "Bearer wrong")], "", 401, "token_invalid"),
    ]);
    let refused = server.send("PUT", "/v1/sessions/s", &[], b"");
    assert_eq!(refused.headers["allow"], "GET, POST, DELETE");
    // Nothing of that was left behind, and the server is as it was.
    assert_eq!(server.get("/v1/sessions").json(200)["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/v1/sessions/s").json(200)["eventCount"], 0);
}

#[test]
fn what_is_no_http_or_comes_too_slowly_holds_up_nobody() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    assert_eq!(server.raw(b"nonsense\r\n\r\n").0.status, 400);
    let huge = format!("GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(200 << 10));
    assert_eq!(server.raw(huge.as_bytes()).0.status, 431);
    // Many that say half a word, and one who says all of it.
    let half: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.authority()).unwrap();
            std::io::Write::write_all(&mut stream, b"GET /v1/hea").unwrap();
            stream
        })
        .collect();
    assert_eq!(server.get("/v1/health").json(200)["status"], "ok");
    drop(half);
    // A body that never comes whole holds its own connection only.
    let head = server.head("POST", "/v1/sessions/s", &[("content-type", "application/json")]);
    let mut waiting = std::net::TcpStream::connect(server.authority()).unwrap();
    std::io::Write::write_all(&mut waiting, format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).unwrap();
    assert_eq!(server.get("/v1/sessions").json(200), json!({ "sessions": [] }));
}
