//! The real Codex through `sandbox-agent run`, against the scripted model.

use crate::env::TestEnv;
use crate::model::{Model, Reply};
use std::fs;
use std::path::PathBuf;

/// A picture of one dot, as PNG in base64.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The namespace in which Codex offers the tools of `mcp_server`.
pub(crate) const MCP_NAMESPACE: &str = "mcp__test";

/// Configuration that gives Codex a small MCP server, run by the Node that npm needs anyway.
pub(crate) fn mcp_server() -> String {
    let path = std::env::var_os("PATH").unwrap();
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/mcp.mjs");
    format!("[mcp_servers.test]\ncommand = {node:?}\nargs = [{script:?}]")
}

/// A place where Codex is on the PATH, configured for a model of its own.
pub(crate) struct Codex {
    pub(crate) env: TestEnv,
    pub(crate) model: Model,
    pub(crate) program: PathBuf,
}

impl Codex {
    /// Nothing when real agents are left out.
    pub(crate) fn start(script: impl IntoIterator<Item = Reply>) -> Option<Codex> {
        Codex::configured(script, "")
    }

    /// The same with more lines of Codex's own configuration.
    pub(crate) fn configured(script: impl IntoIterator<Item = Reply>, more: &str) -> Option<Codex> {
        let program = super::codex_program()?;
        let mut env = TestEnv::new();
        let model = Model::start(script);
        let home = env.root().join("codex");
        fs::create_dir(&home).unwrap();
        // Without plugins and the rest it asks nobody but the model; few retries, because their waits grow.
        let configuration = format!(
            r#"
            model = "gpt-5.5"
            model_provider = "scripted"
            check_for_update_on_startup = false
            [analytics]
            enabled = false
            [features]
            plugins = false
            [model_providers.scripted]
            name = "Scripted"
            base_url = "{}/v1"
            wire_api = "responses"
            env_key = "SCRIPTED_API_KEY"
            request_max_retries = 1
            stream_max_retries = 1
            {more}
            "#,
            model.url()
        );
        fs::write(home.join("config.toml"), configuration).unwrap();
        env.set("CODEX_HOME", home);
        env.set("SCRIPTED_API_KEY", "sk-scripted-key");
        env.add_to_path(program.parent().unwrap());
        Some(Codex { env, model, program })
    }
}
