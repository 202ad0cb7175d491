//! Agents over HTTP: installed from a registry on loopback, told on the way; their models and modes.

use std::io::BufRead;

use serde_json::{Value, json};

use super::client::Server;
use crate::env::TestEnv;
use crate::install_agent::{offer, start};

#[test]
fn an_agent_is_installed_and_who_asks_is_told_how_far_it_is() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    offer(&registry, "1.0.1");
    let server = Server::start(&env);
    server.get("/v1/agents/codex/models").problem(404, "agent_not_installed");
    let install = |body: Value| server.post("/v1/agents/codex/install", &body);
    let done = install(json!({ "agentVersion": "1.0.0" })).json(200);
    assert_eq!(done["already_installed"], false);
    assert_eq!(
        (&done["artifacts"][0]["version"], &done["artifacts"][0]["kind"]),
        (&json!("1.0.0"), &json!("native_agent"))
    );
    assert!(std::path::Path::new(done["artifacts"][0]["path"].as_str().unwrap()).is_file());
    let shown = server.get("/v1/agents/codex").json(200);
    assert_eq!((&shown["installed"], &shown["version"]), (&json!(true), &json!("1.0.0")));
    assert_eq!(install(json!({ "agentVersion": "1.0.0" })).json(200)["already_installed"], true);
    assert_eq!(install(json!({ "agentVersion": "1.0.0", "reinstall": true })).json(200)["already_installed"], false);
    install(json!({ "agentVersion": "9.9.9" })).problem(404, "not_found");
    server.post("/v1/agents/none/install", &json!({})).problem(404, "not_found");
    assert_eq!(server.post("/v1/agents/mock/install", &json!({})).json(200)["already_installed"], true);
    // The same as a flow: what is on its way, and one end.
    for (version, end) in [("1.0.1", "done"), ("9.9.8", "error")] {
        let body = json!({ "agentVersion": version }).to_string();
        let headers = [("accept", "text/event-stream"), ("content-type", "application/json")];
        let head = server.head("POST", "/v1/agents/codex/install", &headers);
        let (answer, rest) = server.raw(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
        assert_eq!((answer.status, &*answer.headers["content-type"]), (200, "text/event-stream"));
        let lines: Vec<String> = rest.lines().map(Result::unwrap).filter(|line| !line.is_empty()).collect();
        let events: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("event: ")).collect();
        assert_eq!(*events.last().unwrap(), end, "{lines:?}");
        assert!(events[..events.len() - 1].iter().all(|event| *event == "progress"));
        let last: Value = serde_json::from_str(lines.last().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        if end == "done" {
            assert!(events.len() > 1, "{lines:?}");
            assert_eq!(last["artifacts"][0]["version"], "1.0.1");
        } else {
            assert_eq!((&last["status"], &last["type"]), (&json!(404), &json!("urn:sandbox-agent:error:not_found")));
        }
    }
}

#[test]
fn models_and_modes_are_what_an_agent_says() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let record = env.run(&["agents", "show", "mock"]).expect(0).object();
    let modes = server.get("/v1/agents/mock/modes").json(200);
    let ids: Vec<&Value> = modes["modes"].as_array().unwrap().iter().map(|mode| &mode["id"]).collect();
    assert_eq!(json!(ids), record["modes"]);
    let models = server.get("/v1/agents/mock/models").json(200);
    assert!(models["models"].is_array(), "{models}");
    server.get("/v1/agents/none/modes").problem(404, "not_found");
    // Nothing is fetched where that is forbidden.
    server.post("/v1/agents/codex/install", &json!({})).problem(403, "permission_denied");
}
