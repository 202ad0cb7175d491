//! Real agents over the Agent Client Protocol through `sandbox-agent run`, against the scripted model.

use super::claude::Claude;
use super::codex::{Codex, PIXEL, from_base64};
use super::equipment;
use crate::env::{Program, TestEnv};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type};
use crate::model::{Gate, Model, Reply, done};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// A place where an ACP agent is on the PATH, configured for a model of its own.
pub(super) struct Peer {
    pub(super) env: TestEnv,
    pub(super) model: Model,
    /// As in `--agent`, or the command line.
    pub(super) agent: String,
    /// Arguments of every run: where an agent has modes, the one in which it asks.
    pub(super) always: &'static [&'static str],
}

impl Peer {
    fn new(program: &str, agent: &str, script: impl IntoIterator<Item = Reply>) -> Option<Peer> {
        super::agent(program)?;
        let mut env = TestEnv::new();
        env.set("SANDBOX_AGENT_AGENTS_DIR", super::agents());
        env.set("SCRIPTED_API_KEY", "sk-scripted-key");
        let model = Model::start(script);
        Some(Peer { env, model, agent: agent.to_owned(), always: &[] })
    }

    /// An agent behind its adapter, in the place that was made for it.
    fn behind(agent: &str, (mut env, model): (TestEnv, Model), always: &'static [&'static str]) -> Option<Peer> {
        super::agent(agent)?;
        env.set("SANDBOX_AGENT_AGENTS_DIR", super::agents());
        Some(Peer { env, model, agent: format!("acp:{agent}"), always })
    }

    /// Codex behind its adapter.
    pub(super) fn codex(script: impl IntoIterator<Item = Reply>) -> Option<Peer> {
        let Codex { env, model, .. } = Codex::start(script)?;
        Peer::behind("codex-acp", (env, model), &["--mode", "read-only"])
    }

    /// Claude Code behind its adapter.
    pub(super) fn claude(script: impl IntoIterator<Item = Reply>) -> Option<Peer> {
        let Claude { env, model } = Claude::start(script)?;
        Peer::behind("claude-agent-acp", (env, model), &[])
    }

    /// Qwen Code, which by default lets a model decide what it may do.
    pub(super) fn qwen(script: impl IntoIterator<Item = Reply>) -> Option<Peer> {
        let mut peer = Peer::new("qwen", "acp:qwen", script)?;
        peer.env.set("OPENAI_API_KEY", "sk-scripted-key");
        peer.env.set("OPENAI_BASE_URL", format!("{}/v1", peer.model.url()));
        peer.env.set("OPENAI_MODEL", "scripted");
        // What it remembers by itself is a conversation of its own with the model.
        let settings =
            json!({"memory": {"enableManagedAutoMemory": false}, "privacy": {"usageStatisticsEnabled": false}});
        let folder = peer.env.home().join(".qwen");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
        peer.always = &["--mode", "default"];
        Some(peer)
    }

    /// OpenCode.
    pub(super) fn opencode(script: impl IntoIterator<Item = Reply>) -> Option<Peer> {
        let mut peer = Peer::new("opencode", "acp:opencode", script)?;
        // What it asks for a title of the session is nobody's business here.
        let options = json!({"baseURL": format!("{}/v1", peer.model.url()), "apiKey": "sk-scripted-key"});
        let model = json!({"limit": {"context": 200_000, "output": 32_000}, "reasoning": true, "tool_call": true,
            "attachment": true, "modalities": {"input": ["text", "image"], "output": ["text"]}});
        let configuration = json!({
            "model": "scripted/one", "small_model": "scripted/one", "agent": {"title": {"disable": true}},
            "permission": {"bash": "ask", "edit": "ask", "webfetch": "ask", "external_directory": "ask"},
            "provider": {"scripted": {
                "npm": "@ai-sdk/openai-compatible", "options": options, "models": {"one": model, "two": model},
            }},
        });
        peer.env.set("OPENCODE_CONFIG_CONTENT", configuration.to_string());
        for name in ["MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE", "AUTOUPDATE"] {
            peer.env.set(format!("OPENCODE_DISABLE_{name}"), "1");
        }
        Some(peer)
    }

    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        let run = self.env.command(&["run", "--agent", &self.agent, "--session", "s"]).args(self.always);
        run.args(arguments).args(&["--", prompt]).patience(Duration::from_secs(120))
    }

    /// Runs it in the session `s`, and judges what came of it.
    fn run(&self, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
        let events = judged(&self.env, &self.command(arguments, prompt).run().expect(code));
        assert!(of_type(&events, "agent.unparsed").is_empty(), "{events:#?}");
        events
    }
}

/// What an adapter says of itself comes as an answer of the model's; it is not what a test is about.
fn course_of(events: &[Value]) -> String {
    // A mode that is asked for is set in the first turn.
    let words = course(events).replace("S:mode.changed ", "");
    let warned = completed(events, "message")
        .iter()
        .any(|item| item["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("Warning: ")));
    if warned { words.replacen("T+ M", "T+", 1) } else { words }
}

fn plain(peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let events = peer.run(&[], "Say hello", 0);
    assert_eq!(course_of(&events), "U T+ M T-(ok,0)");
    assert!(end(&events)["final_text"].as_str().unwrap().ends_with("Hello, héllo, 你好."));
    assert_eq!(end(&events)["usage"]["total_tokens"], 110);
    assert_eq!(of_type(&events, "session.started")[0]["agent"], peer.agent);
    assert!(events.last().unwrap()["native_session_id"].is_string());
}

fn hello() -> [Reply; 1] {
    [Reply::new().text("Hello, héllo, 你好.")]
}

#[test]
fn codex_text() {
    plain(Peer::codex(hello()));
}

#[test]
fn claude_text() {
    plain(Peer::claude(hello()));
}

#[test]
fn qwen_text() {
    plain(Peer::qwen(hello()));
}

#[test]
fn opencode_text() {
    plain(Peer::opencode(hello()));
}

fn makes_a_file(tool: &str, key: &str) -> [Reply; 2] {
    let mut input = json!({ key: "touch made.txt && echo made", "description": "Make a file" });
    if tool == "exec_command" {
        input["sandbox_permissions"] = json!("require_escalated");
        input["justification"] = json!("a test");
    }
    [Reply::new().call(tool, input), done()]
}

/// A command that is denied; both agents end their turn then, and do not ask the model again.
fn denied(peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let events = peer.run(&["--on-ask", "deny"], "Make a file", 5);
    assert_eq!(course_of(&events), "U T+ C P? P!(reject) O T-(denied,5)");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
    assert_eq!(end(&events)["denied"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert!(!peer.env.work().join("made.txt").exists());
}

#[test]
fn codex_command_denied() {
    let [call, _] = makes_a_file("exec_command", "cmd");
    denied(Peer::codex([call]));
}

#[test]
fn opencode_command_denied() {
    let [call, _] = makes_a_file("bash", "command");
    denied(Peer::opencode([call]));
}

/// A session goes on in a new process, and what it was told is not told again.
fn resumed(peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let first = peer.run(&[], "Remember 41", 0);
    // The agent is found by the session.
    let again = peer.env.command(&["run", "--session", "s"]).args(peer.always).args(&["--", "Which number?"]);
    let events = judged(&peer.env, &again.patience(Duration::from_secs(120)).run().expect(0));
    assert_eq!(course_of(&events), "U T+ M T-(ok,0)");
    assert_eq!(of_type(&events, "session.started")[0]["resumed"], true);
    assert_eq!(first.last().unwrap()["native_session_id"], events.last().unwrap()["native_session_id"]);
    let requests = peer.model.requests();
    assert!(requests.last().unwrap().says("Remember 41"), "the model sees what was said before");
    assert_eq!(of_type(&judged_whole(&peer.env, "s"), "turn.ended").len(), 2);
}

fn two_answers() -> [Reply; 2] {
    [Reply::new().text("I will."), Reply::new().text("It was 41.")]
}

#[test]
fn codex_resumed() {
    resumed(Peer::codex(two_answers()));
}

#[test]
fn opencode_resumed() {
    resumed(Peer::opencode(two_answers()));
}

/// Ctrl-C within a text.
fn interrupted_in_a_text(gate: &Gate, peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let mut running = peer.command(&[], "Talk").spawn();
    gate.wait_until_reached();
    running.wait_for("a delta", |event| {
        event["type"] == "item.delta" && event["data"]["delta"].as_str().is_some_and(|text| text.contains("Beg"))
    });
    let events = interrupted(&peer.env, running);
    gate.open();
    assert_eq!(course_of(&events), "U T+ M T-(cancelled,130)");
    assert_eq!(completed(&events, "message").last().unwrap()["status"], "cancelled");
}

#[test]
fn codex_interrupted() {
    let gate = Gate::new();
    interrupted_in_a_text(&gate, Peer::codex([Reply::new().open_text("Begun and ").hold(&gate)]));
}

#[test]
fn opencode_interrupted() {
    let gate = Gate::new();
    interrupted_in_a_text(&gate, Peer::opencode([Reply::new().open_text("Begun and ").hold(&gate)]));
}

#[test]
fn a_wrong_key_is_an_auth_failure() {
    let refusal = Reply::status(401, json!({"error": {"message": "Scripted: invalid api key", "type": "auth"}}));
    let Some(peer) = Peer::codex([refusal.repeated()]) else { return };
    let events = peer.run(&[], "Say hello", 4);
    assert_eq!(end(&events)["error"]["code"], "auth");
}

#[test]
fn a_picture_reaches_the_model() {
    let Some(peer) = Peer::codex([Reply::new().text("A dot.")]) else { return };
    fs::write(peer.env.work().join("dot.png"), from_base64(PIXEL)).unwrap();
    let events = peer.run(&["--attach", "dot.png"], "What is it?", 0);
    assert_eq!(course_of(&events), "U T+ M T-(ok,0)");
    assert!(peer.model.requests()[0].says("data:image/png;base64,"));
}

#[test]
fn a_model_that_there_is_not_is_an_error() {
    let Some(peer) = Peer::opencode([]) else { return };
    let events = peer.run(&["--model", "scripted/none"], "Say hello", 1);
    assert_eq!(end(&events)["error"]["code"], "model_not_found");
}

#[test]
fn an_agent_by_its_command_line() {
    let Some(peer) = Peer::opencode(hello()) else { return };
    let program = super::agent("opencode").unwrap();
    let command = format!("'{}' acp", program.display());
    let run = peer.env.command(&["run", "--acp-command", &command, "-s", "s", "-o", "acp", "--", "Say hello"]);
    let output = run.patience(Duration::from_secs(120)).run().expect(0);
    let updates = output.lines();
    assert!(updates.iter().all(|line| line["method"] == "session/update" && line["params"]["sessionId"] == "s"));
    let text: String = updates
        .iter()
        .map(|line| &line["params"]["update"])
        .filter(|update| update["sessionUpdate"] == "agent_message_chunk")
        .map(|update| update["content"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Hello, héllo, 你好.");
    assert_eq!(peer.env.run(&["stream", "s", "-o", "acp"]).expect(0).text(), output.text());
    assert_eq!(peer.env.run(&["events", "s", "-o", "acp"]).expect(0).text(), output.text());
    assert_eq!(peer.env.run(&["sessions", "export", "s", "--format", "acp"]).expect(0).text(), output.text());
    let row = peer.env.run(&["sessions", "show", "s"]).expect(0).object();
    assert_eq!(row["agent"], format!("acp:{} acp", program.display()));
}

#[test]
fn opencode_takes_a_server_of_the_session() {
    let Some(peer) = Peer::opencode([Reply::new().call("test_shout", json!({"text": "hello"})), done()]) else {
        return;
    };
    let flags = equipment::server(&peer.env);
    let events = peer.run(&[&flags[0], &flags[1], "--permission-mode", "bypass"], "Shout", 0);
    assert_eq!(completed(&events, "tool_result").len(), 1, "{}", course_of(&events));
    assert!(peer.model.requests()[1].tool_output("call_1_1").unwrap().contains("HELLO"));
    equipment::nothing_is_left(&peer.env);
    let flags = equipment::skill(&peer.env);
    let run = peer.env.command(&["run", "--agent", &peer.agent]).args(&[&flags[0], &flags[1], "--", "Go"]);
    let output = run.run().expect(2);
    assert!(output.stderr.contains("--skill") && output.stderr.contains("acp:opencode"), "{}", output.stderr);
}
