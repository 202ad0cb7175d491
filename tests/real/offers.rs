//! What real agents offer by their own word: `agents show`.

use serde_json::{Value, json};

use super::claude::Claude;
use super::codex::Codex;
use super::opencode::OpenCode;
use super::pi::Pi;
use crate::env::{TestEnv, program};

fn show(env: &TestEnv, agent: &str, more: &[&str]) -> Value {
    let record = env.command(&["agents", "show", agent]).args(more).run().expect(0).object();
    assert_eq!(record["offer_error"], Value::Null);
    env.wait_until_none_is_alive();
    record["offer"].clone()
}

fn ids(offer: &Value) -> Vec<&str> {
    offer["models"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[test]
fn codex_says_its_models_once_an_hour() {
    let Some(codex) = Codex::start([]) else { return };
    let offer = show(&codex.env, "codex", &[]);
    assert!(ids(&offer).iter().any(|id| id.starts_with("gpt-")), "{offer}");
    assert!(offer["efforts"].as_array().unwrap().contains(&json!("high")), "{offer}");
    assert_eq!(offer["models"].as_array().unwrap().iter().filter(|model| model["is_default"] == true).count(), 1);
    assert_eq!(show(&codex.env, "codex", &[]), offer, "it is not asked again");
    assert_ne!(show(&codex.env, "codex", &["--refresh"])["asked"], offer["asked"]);
    // A list is one of a place: another place is asked.
    let there = codex.env.root().join("there");
    std::fs::create_dir(&there).unwrap();
    let before = show(&codex.env, "codex", &[]);
    let show_there = format!("cd '{}' && exec {} agents show codex", there.display(), program());
    let record = codex.env.program("/bin/sh".as_ref()).args(&["-c", &show_there]).run().expect(0).object();
    assert_ne!(record["offer"]["asked"], before["asked"]);
    // The list asks nobody.
    let list = codex.env.run(&["agents", "list"]).expect(0).lines();
    assert!(list.iter().all(|line| line.get("offer").is_none()));
}

#[test]
fn claude_says_its_models_and_commands() {
    let Some(claude) = Claude::start([]) else { return };
    let offer = show(&claude.env, "claude", &[]);
    assert!(ids(&offer).contains(&"default") && ids(&offer).len() > 2, "{offer}");
    assert!(offer["commands"].as_array().unwrap().len() > 5, "{offer}");
}

#[test]
fn opencode_says_its_models_and_modes() {
    let Some(opencode) = OpenCode::start([]) else { return };
    let offer = show(&opencode.env, "opencode", &[]);
    assert!(ids(&offer).contains(&"scripted/one") && ids(&offer).contains(&"scripted/two"), "{offer}");
    let modes = offer["modes"].as_array().unwrap();
    assert!(modes.contains(&json!("build")) && modes.contains(&json!("plan")), "{offer}");
}

#[test]
fn pi_says_its_models() {
    let Some(pi) = Pi::start([]) else { return };
    let offer = show(&pi.env, "pi", &[]);
    assert_eq!(ids(&offer), ["scripted/one", "scripted/two"]);
    let defaults: Vec<&Value> =
        offer["models"].as_array().unwrap().iter().filter(|model| model["is_default"] == true).collect();
    assert_eq!(defaults[0]["id"], "scripted/one");
}

#[test]
fn an_acp_agent_says_its_models_and_modes() {
    let Some(codex) = Codex::start([]) else { return };
    let Some(_program) = super::agent("codex-acp") else { return };
    let mut env = codex.env;
    env.set("SANDBOX_AGENT_AGENTS_DIR", super::agents());
    env.set("OPENAI_API_KEY", "sk-scripted-key");
    let offer = show(&env, "codex-acp", &[]);
    assert!(!ids(&offer).is_empty() && !offer["modes"].as_array().unwrap().is_empty(), "{offer}");
}

#[test]
fn an_agent_that_does_not_say_is_shown_all_the_same() {
    let mut env = TestEnv::new();
    let programs = env.root().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let fake = programs.join("codex");
    std::fs::write(&fake, "#!/bin/sh\necho broken >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    env.add_to_path(&programs);
    let output = env.run(&["agents", "show", "codex"]).expect(0);
    let record = output.object();
    assert_eq!((&record["agent"], record.get("offer")), (&json!("codex"), None));
    assert!(record["offer_error"].as_str().unwrap().contains("broken"), "{record}");
    assert!(output.stderr.contains("does not say what it offers"), "{}", output.stderr);
}
