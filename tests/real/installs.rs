//! Agents from the real registry, installed by us, say their version.

use std::path::Path;

use crate::env::TestEnv;

fn says(name: &str, expected: &str) {
    let Some(program) = super::agent(name) else { return };
    let env = TestEnv::new().online();
    let output = env.program(&program).args(&["--version"]).run().expect(0);
    assert!(output.text().contains(expected), "{name}: {}", output.text());
}

#[test]
fn native_programs() {
    says("codex", "0.169.0");
    says("claude", "2.1.329");
    says("opencode", "1.18.33");
    says("amp", "0.0.1790142911");
}

/// npm takes an older version without a word where Node is too old; these need a newer one than many systems have.
#[test]
fn programs_that_need_node() {
    says("pi", "0.87.1");
    for (name, package) in
        [("claude-agent-acp", "@agentclientprotocol/claude-agent-acp"), ("codex-acp", "@agentclientprotocol/codex-acp")]
    {
        let Some(program) = super::agent(name) else { continue };
        let folder = Path::new(&program).parent().unwrap().join("package/node_modules").join(package);
        let text = std::fs::read_to_string(folder.join("package.json")).unwrap();
        let package: serde_json::Value = serde_json::from_str(&text).unwrap();
        let version = folder.ancestors().find_map(|folder| {
            let manifest = std::fs::read(folder.join("installed.json")).ok()?;
            serde_json::from_slice::<serde_json::Value>(&manifest).ok()
        });
        assert_eq!(version.unwrap()["version"], package["version"], "{name}");
    }
}
