//! The skill of `docs/skills`: a real agent that is given it tells its model of it, reads it, and starts another agent with it.

use super::claude::Claude;
use crate::events::{completed, end, judged, part};
use crate::model::{Reply, done};
use serde_json::json;
use std::path::Path;

#[test]
fn claude_learns_from_our_skill_to_start_another_agent() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/skills/sandbox-agent");
    let page = std::fs::read_to_string(folder.join("SKILL.md")).unwrap();
    let description = page.lines().find_map(|line| line.strip_prefix("description: ")).unwrap();
    let command = "sandbox-agent run --agent mock --session helper --timeout 1m -o last 'echo from the other agent'";
    let script = [
        Reply::new().call("Skill", json!({"skill": "sandbox-agent"})),
        Reply::new().call("Bash", json!({"command": command, "description": "Ask another agent"})),
        done(),
    ];
    let Some(mut claude) = Claude::start(script) else { return };
    claude.env.add_to_path(Path::new(crate::env::program()).parent().unwrap());
    let flags = ["--skill", folder.to_str().unwrap(), "--allow", "command:sandbox-agent run *"];
    let run = claude.env.command(&["run", "--agent", "claude", "--session", "s"]).args(&flags);
    let output = run.args(&["--", "Get a second opinion"]).run().expect(0);
    let events = judged(&claude.env, &output);
    assert_eq!(end(&events)["outcome"], "ok");

    let requests = claude.model.requests();
    // The description may be cut where many skills are listed.
    assert!(requests[0].says(&description[..80]), "the skill is told of: {:#}", requests[0].body);
    assert!(requests[1].says("Read the exit code, not the tone of the answer"), "the skill is read");
    assert!(requests[2].tool_output("call_2_1").unwrap().ends_with("mock: from the other agent"));
    let ran = part(completed(&events, "tool_result").last().unwrap(), "tool_result")["output"].clone();
    assert!(ran.as_str().unwrap().ends_with("mock: from the other agent"), "{ran}");
    let helper = claude.env.run(&["sessions", "show", "helper"]).expect(0).object();
    assert_eq!((&helper["outcome"], &helper["parent_session"]), (&json!("ok"), &json!("s")));
}
