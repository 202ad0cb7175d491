//! MCP servers and skills of a directory: kept, told as they were set, and given to the sessions that begin there.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::client::{Answer, Server};
use crate::env::{TestEnv, wait_until};
use crate::real::equipment::node;

/// An agent that writes down which servers it is given.
const AGENT: &str = r#"
import { createInterface } from "node:readline";
import { writeFileSync, renameSync } from "node:fs";
const answers = {
  initialize: () => ({ protocolVersion: 1, agentCapabilities: { mcpCapabilities: { http: true, sse: true } }, authMethods: [] }),
  "session/new": ({ mcpServers }) => {
    writeFileSync("seen.new", JSON.stringify(mcpServers));
    renameSync("seen.new", "seen");
    return { sessionId: "one" };
  },
  "session/prompt": () => ({ stopReason: "end_turn" }),
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, result: answers[method]?.(params) ?? {} }));
});
"#;

fn path(env: &TestEnv, kind: &str, name: &str) -> String {
    let key = if kind == "mcp" { "mcpName" } else { "skillName" };
    format!("/v1/config/{kind}?directory={}&{key}={name}", env.work().display())
}

fn put(server: &Server, path: &str, value: &Value) -> Answer {
    server.send("PUT", path, &[("content-type", "application/json")], value.to_string().as_bytes())
}

#[test]
fn servers_are_given_to_sessions_of_their_directory() {
    let mut env = TestEnv::new();
    env.set("SOME_TOKEN", "from the environment");
    let script = env.write("agent.mjs", AGENT);
    let agent = format!("acp:{} {}", node().display(), script.display());
    let server = Server::start(&env);
    let local = json!({ "type": "local", "command": "prog", "args": ["-x", "y"], "env": { "A": "b" }, "timeoutMs": 1000, "enabled": true });
    let placed = json!({ "type": "stdio", "command": ["prog", "z"], "cwd": "/" });
    let remote = json!({ "type": "remote", "url": "https://example.test/mcp", "transport": "sse", "headers": { "A": "b" },
        "bearerTokenEnvVar": "SOME_TOKEN", "envHeaders": { "X-Key": "SOME_TOKEN" }, "oauth": false });
    let off = json!({ "type": "http", "url": "https://example.test/off", "enabled": false });
    for (name, value) in [("local", &local), ("placed", &placed), ("remote", &remote), ("off", &off)] {
        put(&server, &path(&env, "mcp", name), value).nothing();
        assert_eq!(server.get(&path(&env, "mcp", name)).json(200), *value);
    }
    // Nothing of it lies where the agent works, and nobody else may read it. (This agent's tongue has no word for a timeout.)
    assert!(!fs::exists(env.work().join(".sandbox-agent")).unwrap());
    let mut timeouts = Vec::new();
    for entry in fs::read_dir(env.store().with_extension("db.live")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("config-") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let kept: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            timeouts.extend(kept["mcpServers"]["local"]["timeout"].as_u64());
        }
    }
    assert_eq!(timeouts, [1000]);
    let seen = |name: &str, directory: &str| -> Value {
        let made = server.post(&format!("/v1/sessions/{name}"), &json!({ "agent": agent, "directory": directory }));
        made.json(201);
        server.prompt(name, "Go");
        let file = std::path::Path::new(directory).join("seen");
        let text = wait_until("the agent to begin", || fs::read_to_string(&file).ok());
        let _ = env.run(&["wait", name, "--for", "idle", "--timeout", "100s"]);
        let _ = env.run(&["sessions", "end", name]);
        let owners = || env.alive().iter().all(|one| one.pid == server.running.pid());
        wait_until("its owner to leave", || owners().then_some(()));
        fs::remove_file(&file).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let work = env.work().display().to_string();
    let given = seen("first", &work);
    let of =
        |name: &str| given.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or(&Value::Null).clone();
    assert_eq!((&of("local")["command"], &of("local")["args"]), (&json!("prog"), &json!(["-x", "y"])));
    assert_eq!(of("local")["env"], json!([{ "name": "A", "value": "b" }]));
    assert_eq!(of("placed")["args"], json!(["-c", "cd \"$0\" && exec \"$@\"", "/", "prog", "z"]));
    assert_eq!((&of("remote")["type"], &of("remote")["url"]), (&json!("sse"), &json!("https://example.test/mcp")));
    let headers = of("remote")["headers"].as_array().unwrap().clone();
    for header in [("A", "b"), ("Authorization", "Bearer from the environment"), ("X-Key", "from the environment")] {
        assert!(headers.contains(&json!({ "name": header.0, "value": header.1 })), "{headers:?}");
    }
    assert_eq!(given.as_array().unwrap().len(), 3, "{given}");
    // Another directory has its own, which is none.
    let other = env.home().display().to_string();
    assert_eq!(seen("other", &other), json!([]));
    server.send("DELETE", &path(&env, "mcp", "remote"), &[], b"").nothing();
    server.get(&path(&env, "mcp", "remote")).problem(404, "not_found");
    server.send("DELETE", &path(&env, "mcp", "remote"), &[], b"").problem(404, "not_found");
    assert_eq!(seen("second", &work).as_array().unwrap().len(), 2);
    // Where an agent takes none, its sessions begin without.
    server.post("/v1/sessions/mock", &json!({ "agent": "mock", "directory": work })).json(201);
}

#[test]
fn skills_are_found_where_they_come_from() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    for name in ["pack/skills/greet", "pack/skills/bow", "loose/greet", "single"] {
        fs::create_dir_all(env.work().join(name)).unwrap();
        env.write(&format!("{name}/SKILL.md"), "---\nname: x\ndescription: x\n---\n");
    }
    fs::create_dir_all(env.work().join("empty")).unwrap();
    let create = || server.post("/v1/sessions/s", &json!({ "agent": "claude", "directory": env.work() }));
    let with = |source: Value| {
        let value = json!({ "sources": [source] });
        put(&server, &path(&env, "skills", "one"), &value).nothing();
        assert_eq!(server.get(&path(&env, "skills", "one")).json(200), value);
        create()
    };
    // What is given is looked at before the agent, which is not here.
    for good in [
        json!({ "type": "local", "source": "pack" }),
        json!({ "type": "local", "source": env.work().join("pack"), "skills": ["bow"] }),
        json!({ "type": "local", "source": ".", "subpath": "loose", "ref": null }),
        json!({ "type": "local", "source": "single" }),
    ] {
        with(good).problem(404, "agent_not_installed");
    }
    for (bad, word) in [
        (json!({ "type": "local", "source": "empty" }), "SKILL.md"),
        (json!({ "type": "local", "source": "none" }), "SKILL.md"),
        (json!({ "type": "local", "source": "pack", "skills": ["sing"] }), "sing"),
    ] {
        let problem = with(bad).problem(400, "invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    // They do reach the session: two of one name are one too many.
    with(json!({ "type": "local", "source": "pack" }));
    put(&server, &path(&env, "skills", "two"), &json!({ "sources": [{ "type": "local", "source": "loose" }] }))
        .nothing();
    let problem = create().problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("two of the skill `greet`"), "{problem}");
    server.send("DELETE", &path(&env, "skills", "two"), &[], b"").nothing();
    create().problem(404, "agent_not_installed");
    // A repository is cloned once.
    let git = |words: &[&str]| {
        let here = env.work().join("pack");
        let set = ["-c", "user.name=x", "-c", "user.email=x@example.test", "-c", "init.defaultBranch=main", "-C"];
        let all = [&set[..], &[here.to_str().unwrap()], words].concat();
        drop(env.program(std::path::Path::new("git")).args(&all).run().expect(0));
    };
    for words in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "x"]] {
        git(words);
    }
    let address = format!("file://{}", env.work().join("pack").display());
    with(json!({ "type": "git", "source": address, "ref": "main" })).problem(404, "agent_not_installed");
    fs::remove_dir_all(env.work().join("pack")).unwrap();
    create().problem(404, "agent_not_installed");
    let problem = with(json!({ "type": "git", "source": address, "ref": "other" })).problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("failed to fetch"), "{problem}");
}

#[test]
fn what_cannot_be_kept_is_told() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let one = path(&env, "mcp", "one");
    let skill = path(&env, "skills", "one");
    for (path, body) in [
        (&one, r#"{}"#),
        (&one, r#"[]"#),
        (&one, r#"{"type":"local"}"#),
        (&one, r#"{"type":"local","command":" "}"#),
        (&one, r#"{"type":"local","command":[]}"#),
        (&one, r#"{"type":"local","command":"a","url":"b"}"#),
        (&one, r#"{"type":"local","command":"a","shell":true}"#),
        (&one, r#"{"type":"remote"}"#),
        (&one, r#"{"type":"remote","url":"https://a","command":"b"}"#),
        (&one, r#"{"type":"remote","url":"https://a","transport":"pigeon"}"#),
        (&one, r#"{"type":"remote","url":"https://a","oauth":{"clientId":"b"}}"#),
        (&one, r#"{"type":"carrier"}"#),
        (&skill, r#"{}"#),
        (&skill, r#"{"sources":[{"type":"local"}]}"#),
        (&skill, r#"{"sources":[{"type":"svn","source":"a"}]}"#),
        (&skill, r#"{"sources":[{"type":"github","source":"a"}]}"#),
        (&skill, r#"{"sources":[{"type":"git","source":"--upload-pack=x"}]}"#),
        (&skill, r#"{"sources":[{"type":"git","source":"a","ref":"--x"}]}"#),
        (&skill, r#"{"sources":[{"type":"git","source":"a","subpath":"../b"}]}"#),
    ] {
        let answer = server.send("PUT", path, &[("content-type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", String::from_utf8_lossy(&answer.body));
        answer.problem(400, "invalid_request");
    }
    put(&server, "/v1/config/mcp?directory=/none&mcpName=a", &json!({ "type": "local", "command": "a" }))
        .problem(404, "not_found");
    put(&server, "/v1/config/mcp?directory=/&mcpName=a%2Fb", &json!({ "type": "local", "command": "a" }))
        .problem(400, "invalid_request");
    server.get("/v1/config/mcp?directory=/").problem(400, "invalid_request");
    server.get("/v1/config/mcp?mcpName=a").problem(400, "invalid_request");
    server.send("PUT", &one, &[], b"{\"type\":\"local\"}").problem(415, "unsupported_media_type");
    server.send("POST", &one, &[], b"").problem(405, "method_not_allowed");
}
