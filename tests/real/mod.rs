//! Real agents, installed once at a pinned version and driven against the scripted model.

/// Lets a scenario be a test of each of these agents, by its name.
macro_rules! through {
    ($scenario:ident: $($agent:ident),+) => {
        mod $scenario {
            $(#[test]
            fn $agent() {
                super::$scenario(super::Place::$agent);
            })+
        }
    };
}

mod acp;
mod app_server;
mod claude;
pub(crate) mod codex;
pub(crate) mod equipment;
pub(crate) mod everywhere;
mod headless;
mod installs;
mod offers;
mod opencode;
mod pi;
mod skill;
mod trouble;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The program of a real agent at its pinned version, installed into `target/agents` if need be and kept between runs.
/// Nothing when the tests are to do without the network; the test then has nothing to test. That it cannot be installed
/// fails the test.
pub(crate) fn agent(name: &str) -> Option<PathBuf> {
    if crate::env::is_offline() {
        // Written past the test runner, which would keep it to itself.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            std::io::stderr().write_all(b"left out: real agents (SANDBOX_AGENT_TEST_OFFLINE=1)\n").unwrap()
        });
        return None;
    }
    let mut install = Command::new(crate::env::program());
    install.args(["install-agent", name]).env("SANDBOX_AGENT_AGENTS_DIR", agents()).env_remove("SANDBOX_AGENT_OFFLINE");
    let output = install.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} cannot be installed: {said}");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(PathBuf::from(record["program"].as_str().unwrap()))
}

/// Where real agents are installed.
pub(crate) fn agents() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("agents")
}

/// The program of the pinned Codex.
pub(crate) fn codex_program() -> Option<PathBuf> {
    agent("codex")
}
