//! What `docs/comparison.md` says of the agents' own headless modes when something was denied, seen with the pinned versions.

use super::claude::Claude;
use super::codex::Codex;
use crate::model::Reply;
use serde_json::json;
use std::path::Path;

const CLAIM: &str = "Done, the file is there.";

#[test]
fn claude_ends_well_when_its_tool_was_denied() {
    let call = Reply::new().call("Bash", json!({"command": "touch never.txt", "description": "Scripted"}));
    let Some(claude) = Claude::start([call, Reply::new().text(CLAIM)]) else { return };
    let run = claude.env.program(Path::new("claude")).args(&["-p", "Make a file", "--output-format", "json"]);
    let result = run.run().expect(0).object();
    assert_eq!((&result["subtype"], &result["is_error"]), (&json!("success"), &json!(false)));
    assert_eq!((&result["result"], result["permission_denials"].as_array().unwrap().len()), (&json!(CLAIM), 1));
    assert!(!claude.env.work().join("never.txt").exists());
}

#[test]
fn codex_ends_well_when_its_command_was_refused() {
    let call = Reply::new().call("exec_command", json!({"cmd": "touch never.txt"}));
    let Some(codex) = Codex::start([call, Reply::new().text(CLAIM)]) else { return };
    let arguments = ["exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only", "Make a file"];
    let output = codex.env.program(&codex.program).args(&arguments).run().expect(0);
    assert!(output.text().contains("turn.completed") && output.text().contains(CLAIM), "{}", output.text());
    assert!(!codex.env.work().join("never.txt").exists());
}
