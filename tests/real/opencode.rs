//! The real OpenCode through `sandbox-agent run`, against the scripted model.

use crate::env::{Program, TestEnv};
use crate::events::{course, end, judged, of_type};
use crate::model::{Model, Reply};
use serde_json::{Value, json};
use std::time::Duration;

/// A place where OpenCode is on the PATH, configured for a model of its own.
struct OpenCode {
    env: TestEnv,
    model: Model,
}

impl OpenCode {
    /// Nothing when real agents are left out.
    fn start(script: impl IntoIterator<Item = Reply>) -> Option<OpenCode> {
        OpenCode::configured(script, json!({}))
    }

    /// The same with more of OpenCode's own configuration.
    fn configured(script: impl IntoIterator<Item = Reply>, more: Value) -> Option<OpenCode> {
        let program = super::agent("opencode")?;
        let mut env = TestEnv::new();
        let model = Model::start(script);
        let limits = json!({"context": 200_000, "output": 32_000});
        let cost = json!({"input": 1.0, "output": 10.0});
        let scripted = json!({"limit": limits, "cost": cost, "reasoning": true, "tool_call": true, "attachment": true,
            "modalities": {"input": ["text", "image"], "output": ["text"]}});
        let options = json!({"baseURL": format!("{}/v1", model.url()), "apiKey": "sk-scripted-key"});
        let mut configuration = json!({
            "model": "scripted/one",
            "small_model": "scripted/one",
            "provider": {"scripted": {
                "npm": "@ai-sdk/openai-compatible",
                "options": options,
                "models": {"one": scripted, "two": scripted},
            }},
        });
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        env.set("OPENCODE_CONFIG_CONTENT", configuration.to_string());
        // Without these it asks the network for lists, plugins and language servers.
        for name in ["MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE"] {
            env.set(format!("OPENCODE_DISABLE_{name}"), "1");
        }
        env.add_to_path(program.parent().unwrap());
        Some(OpenCode { env, model })
    }

    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        let run = self.env.command(&["run", "--agent", "opencode", "--session", "s"]);
        run.args(arguments).args(&["--", prompt]).patience(Duration::from_secs(120))
    }
}

/// Runs OpenCode through our program in the session `s`, and judges what came of it.
fn run(opencode: &OpenCode, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
    let output = opencode.command(arguments, prompt).run().expect(code);
    judged(&opencode.env, &output)
}

#[test]
fn text() {
    let Some(opencode) = OpenCode::start([Reply::new().text("Hello, héllo, 你好.")]) else { return };
    let events = run(&opencode, &[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    let started = of_type(&events, "session.started")[0];
    assert_eq!((&started["agent"], &started["resumed"]), (&json!("opencode"), &json!(false)));
    assert!(of_type(&events, "item.delta").len() > 1, "the text should arrive in pieces");
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello, héllo, 你好.");
    assert_eq!(end["usage"]["input_tokens"], 100);
    assert_eq!(end["usage"]["output_tokens"], 10);
    assert_eq!(end["usage"]["total_tokens"], 110);
    assert_eq!(end["models"][0]["model"], "scripted/one");
    let usd = end["cost"]["usd"].as_f64().unwrap();
    assert!((usd - 0.0002).abs() < 1e-9, "{usd}");
    assert!(events.last().unwrap()["native_session_id"].as_str().unwrap().starts_with("ses_"));
    let requests = opencode.model.requests();
    assert_eq!(requests.len(), 1, "a session with a title needs no request for one");
    assert!(requests[0].says("Say hello"));
}
