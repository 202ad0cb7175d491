//! The Agent Client Protocol, with us as the agent: real clients of npm's, unmodified, drive this program over stdio and HTTP.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::env::{Output, TestEnv, program, readme, wait_until};
use crate::events::judged_whole;
use crate::model::{Reply, done};
use crate::npm::{newest_node, packages};
use crate::real::equipment::node;
use crate::real::everywhere::{Place, Start, Tongue};

/// Runs a script of the clients' to its end; nothing where there is no network.
fn play(env: &TestEnv, script: &str, args: &[&str]) -> Option<Output> {
    packages()?;
    let node = node();
    // Packages are looked for above a script.
    let path = env.root().join("script.mjs");
    fs::write(&path, script).unwrap();
    let path = path.to_str().unwrap();
    Some(env.program(&node).args(&[&[path], args].concat()).run().expect(0))
}

#[test]
fn an_editor_prompts_decides_cancels_and_loads() {
    let env = TestEnv::new();
    // As the README has editors start us.
    let settings: Value = serde_json::from_str(readme("{\n  \"agent_servers\"")).unwrap();
    let server = &settings["agent_servers"]["Claude, kept"];
    let given = server["args"].to_string().replace("claude", "mock");
    assert_eq!(server["command"], "sandbox-agent");
    let work = env.work();
    let Some(output) = play(&env, include_str!("acp/stdio.mjs"), &[program(), work.to_str().unwrap(), &given]) else {
        return;
    };
    let session = output.text().trim();
    // One session like all others, whole.
    let listed = env.run(&["sessions", "list"]).expect(0).lines();
    let ids: Vec<&str> = listed.iter().map(|one| one["session_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [session]);
    judged_whole(&env, session);
    env.wait_until_none_is_alive();
}

#[test]
fn the_typescript_sdk_works_unmodified() {
    let mut env = TestEnv::new();
    env.set("SANDBOX_AGENT_BIN", program());
    let work = env.work();
    if play(&env, include_str!("acp/sdk.mjs"), &[work.to_str().unwrap(), "mock"]).is_none() {
        return;
    }
    let listed = env.run(&["sessions", "list"]).expect(0).lines();
    assert_eq!(listed.len(), 3, "the driver's session went on in a new one for each client that came again");
    for session in listed {
        judged_whole(&env, session["session_id"].as_str().unwrap());
    }
    env.wait_until_none_is_alive();
}

#[test]
fn a_killed_server_loses_nothing_of_a_stream() {
    let env = TestEnv::new();
    let work = env.work();
    if play(&env, include_str!("acp/killed.mjs"), &[program(), work.to_str().unwrap()]).is_some() {
        env.wait_until_none_is_alive();
    }
}

#[test]
fn the_lines_for_the_sdk_work() {
    let mut env = TestEnv::new();
    env.set("SANDBOX_AGENT_BIN", program());
    let lines = readme("import { SandboxAgent }");
    let lines = lines.replace("\"codex\"", "\"mock\"").replace("fix the failing test", "permission touch it");
    let Some(output) = play(&env, &lines, &[]) else { return };
    let heard = output.lines();
    assert!(heard.iter().any(|message| message["method"] == "session/request_permission"));
    assert!(heard.iter().any(|message| message["params"]["update"]["status"] == "completed"));
    env.wait_until_none_is_alive();
}

/// A turn, a permission, a server of the client's, and a client that comes again, with a real agent against the scripted model.
fn by_the_sdk(start: Start) {
    let script = |tongue: Tongue| {
        let text = || Reply::new().text("good morning");
        vec![text(), tongue.command("touch made.txt"), done(), tongue.shout("hello"), done(), text()]
    };
    let Some(mut place) = start(&script) else { return };
    place.env.set("SANDBOX_AGENT_BIN", program());
    let (work, made) = (place.env.work(), place.env.work().join("made.txt"));
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/mcp.mjs");
    let args = [work.to_str().unwrap(), &place.agent, made.to_str().unwrap(), server];
    play(&place.env, include_str!("acp/sdk.mjs"), &args);
    for session in place.env.run(&["sessions", "list"]).expect(0).lines() {
        judged_whole(&place.env, session["session_id"].as_str().unwrap());
    }
    place.env.wait_until_none_is_alive();
}

#[test]
fn claude_by_the_sdk() {
    by_the_sdk(Place::claude);
}

#[test]
fn codex_by_the_sdk() {
    by_the_sdk(Place::codex);
}

fn acpx(env: &TestEnv, args: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node_modules/acpx/dist/cli.js");
    let agent = format!("{} acp --agent mock", program());
    // What it leaves in the background to keep an agent goes after a second.
    let always = [script.to_str().unwrap(), "--agent", &agent, "--ttl", "1"];
    env.program(&newest_node()).args(&always).args(args).run()
}

#[test]
fn acpx_prompts_decides_cancels_and_loads() {
    if packages().is_none() || crate::real::agent("codex-acp").is_none() {
        return;
    }
    let env = TestEnv::new();
    assert_eq!(acpx(&env, &["--format", "quiet", "exec", "echo hi"]).expect(0).text().trim(), "mock: hi");
    let allowed = acpx(&env, &["--format", "json", "--approve-all", "exec", "permission touch it"]).expect(0).lines();
    assert!(allowed.iter().any(|message| message["params"]["update"]["status"] == "completed"), "{allowed:#?}");
    assert_eq!(allowed.last().unwrap()["result"]["stopReason"], "end_turn");
    assert!(acpx(&env, &["--deny-all", "exec", "permission touch it"]).expect(5).text().contains("mock: denied"));

    // A session of its own, which it loads again for each prompt once it has let go of the agent.
    acpx(&env, &["sessions", "new"]).expect(0);
    for text in ["one", "two"] {
        let said = acpx(&env, &["--format", "quiet", "prompt", &format!("echo {text}")]).expect(0);
        assert_eq!(said.text().trim(), format!("mock: {text}"));
        env.wait_until_none_is_alive();
    }
    acpx(&env, &["prompt", "--no-wait", "hang"]).expect(0);
    let sessions = || env.run(&["sessions", "list"]).expect(0).lines();
    wait_until("the turn to begin", || sessions().iter().any(|one| one["status"] == "running").then_some(()));
    acpx(&env, &["cancel"]).expect(0);
    wait_until("its end", || sessions().iter().any(|one| one["outcome"] == "cancelled").then_some(()));
    env.wait_until_none_is_alive();
    assert_eq!(sessions().iter().map(|one| one["turns"].as_i64().unwrap()).max(), Some(3), "one session of ours");
    // It keeps sockets beside the folder of the test, by the home that they belong to.
    let home = Sha256::digest(env.home().as_os_str().as_encoded_bytes());
    let name: String = home.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    fs::remove_dir_all(format!("/tmp/acpx-{name}")).unwrap();
    for session in sessions() {
        judged_whole(&env, session["session_id"].as_str().unwrap());
    }
}
