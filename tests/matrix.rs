//! Which agent has which feature: the table of the README is what the cards say, and each cell that says yes names a test or a recording.

use crate::env::TestEnv;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BEGIN: &str = "<!-- The table is written by UPDATE=1 cargo test matrix. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// What proves a cell, for the agents in the order of `AGENTS`: a test, or a recording as `talk AGENT/NAME`. `-` is a cell that says no. Cursor is
/// spoken to as every agent of the protocol is, so what is not its own is proven by those.
const PROOFS: &[(&str, [&str; 7])] = &[
    (
        "allow_for_session",
        [
            "allowed_for_the_session::claude",
            "allowed_for_the_session::codex",
            "allowed_for_the_session::opencode",
            "allowed_for_the_session::pi",
            "-",
            "=",
            "allowed_for_the_session::acp_opencode",
        ],
    ),
    (
        "isolated",
        [
            "real::claude::a_private_home_hides_the_users_own",
            "real::codex::a_private_home_hides_the_users_own",
            "real::opencode::a_private_home_hides_the_users_own",
            "equipment::a_private_home_lives_as_long_as_its_session",
            "equipment::a_private_home_lives_as_long_as_its_session",
            "=",
            "equipment::a_private_home_lives_as_long_as_its_session",
        ],
    ),
    (
        "queue",
        [
            "a_second_prompt_waits::claude",
            "a_second_prompt_waits::codex",
            "a_second_prompt_waits::opencode",
            "a_second_prompt_waits::pi",
            "requests::prompts_queue_and_steer",
            "=",
            "a_second_prompt_waits::acp_opencode",
        ],
    ),
    (
        "model",
        [
            "another_model_from_now_on::claude",
            "another_model_from_now_on::codex",
            "another_model_from_now_on::opencode",
            "another_model_from_now_on::pi",
            "-",
            "=",
            "real::acp::a_model_that_there_is_not_is_an_error",
        ],
    ),
    (
        "effort",
        [
            "talk claude/controls",
            "talk codex/plan-mode",
            "talk opencode/model-switch-and-agent",
            "talk pi/0.87.1-state-commands",
            "-",
            "=",
            "talk acp/claude-mode-and-config",
        ],
    ),
    (
        "resume",
        [
            "real::claude::a_session_goes_on_in_a_new_process",
            "real::codex::a_session_goes_on_in_a_new_process",
            "real::opencode::a_session_goes_on_in_a_new_process",
            "real::pi::a_session_goes_on_in_a_new_process_and_is_copied",
            "peers::amp",
            "=",
            "real::acp::opencode_resumed",
        ],
    ),
    ("resume_elsewhere", ["-", "talk codex/resume-2", "-", "-", "peers::amp", "-", "-"]),
    (
        "fork",
        [
            "real::claude::a_session_goes_on_in_a_new_process",
            "real::codex::a_session_goes_on_in_a_new_process",
            "real::opencode::a_session_goes_on_in_a_new_process",
            "real::pi::a_session_goes_on_in_a_new_process_and_is_copied",
            "-",
            "=",
            "talk acp/opencode-resume-3",
        ],
    ),
    ("steer", ["steered::claude", "steered::codex", "steered::opencode", "steered::pi", "-", "-", "-"]),
    (
        "images",
        [
            "real::claude::a_picture",
            "real::codex::a_picture",
            "real::opencode::pictures_files_and_the_mode_to_plan",
            "real::pi::a_picture",
            "-",
            "=",
            "real::acp::a_picture_reaches_the_model",
        ],
    ),
    (
        "files",
        [
            "real::claude::a_file",
            "-",
            "real::opencode::pictures_files_and_the_mode_to_plan",
            "-",
            "-",
            "=",
            "talk acp/opencode-image",
        ],
    ),
    ("edit_input", ["talk claude/bash-allow", "-", "-", "talk pi/0.87.1-permission-once", "-", "-", "-"]),
    (
        "deny_message",
        [
            "real::claude::a_command_denied",
            "-",
            "real::opencode::a_command_denied",
            "real::pi::a_command_denied",
            "-",
            "-",
            "-",
        ],
    ),
    ("max_turns", ["real::claude::no_more_than_so_many_turns", "-", "-", "-", "-", "-", "-"]),
    (
        "cost",
        ["real::claude::text", "-", "real::opencode::text", "real::pi::text", "-", "=", "talk acp/opencode-plain"],
    ),
    (
        "mcp",
        [
            "real::claude::a_server_and_a_skill_of_the_session",
            "real::codex::a_server_and_a_skill_of_the_session",
            "real::opencode::a_server_and_a_skill_of_the_session",
            "-",
            "peers::amp",
            "=",
            "real::acp::opencode_takes_a_server_of_the_session",
        ],
    ),
    (
        "skills",
        [
            "real::claude::a_server_and_a_skill_of_the_session",
            "real::codex::a_server_and_a_skill_of_the_session",
            "real::opencode::a_server_and_a_skill_of_the_session",
            "real::pi::a_skill_of_the_session",
            "-",
            "-",
            "-",
        ],
    ),
    (
        "reasoning",
        [
            "real::claude::reasoning",
            "real::codex::reasoning",
            "real::opencode::reasoning",
            "real::pi::reasoning",
            "peers::amp",
            "=",
            "talk acp/opencode-reasoning",
        ],
    ),
    (
        "permissions",
        [
            "real::claude::a_command_denied",
            "real::codex::a_command_denied",
            "real::opencode::a_command_denied",
            "real::pi::a_command_denied",
            "-",
            "peers::cursor",
            "real::acp::opencode_command_denied",
        ],
    ),
    (
        "questions",
        [
            "a_question_answered::claude",
            "a_question_answered::codex",
            "a_question_answered::opencode",
            "a_question_answered::pi",
            "-",
            "peers::cursor",
            "talk acp/codex-question",
        ],
    ),
    (
        "plan",
        [
            "real::claude::a_plan",
            "talk codex/plan-mode",
            "real::opencode::pictures_files_and_the_mode_to_plan",
            "-",
            "-",
            "talk cursor/extensions",
            "talk acp/claude-plan",
        ],
    ),
    (
        "todo",
        ["-", "-", "real::opencode::two_tools_at_once_and_a_list_of_things_to_do", "-", "-", "peers::cursor", "-"],
    ),
    (
        "subagents",
        [
            "real::claude::a_sub_agent_that_reports_late",
            "real::codex::a_sub_agent_that_reports_late",
            "real::opencode::a_sub_agent",
            "-",
            "peers::amp",
            "-",
            "-",
        ],
    ),
];

/// The columns of the table.
const AGENTS: [&str; 7] = ["claude", "codex", "opencode", "pi", "amp", "cursor", "acp"];

/// Feature by feature, what the table says of each agent.
fn table() -> (String, BTreeMap<String, Vec<String>>) {
    let env = TestEnv::new();
    let output = env.run(&["agents", "list", "-o", "text"]).expect(0);
    let text = output.text();
    let table = &text[text.find("| feature").expect("the table")..];
    let rows = table.lines().skip(2).map(|line| {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells[0].trim_matches('`').to_owned(), cells[1..].to_vec())
    });
    (table.to_owned(), rows.collect())
}

#[test]
fn matrix_of_the_readme_is_fresh() {
    let (table, _) = table();
    let path = Path::new(ROOT).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the place of the table");
    let (old, after) = rest.split_once(END).expect("the end of the table");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(old, table, "UPDATE=1 cargo test matrix rewrites it");
}

#[test]
fn each_yes_has_its_proof() {
    let (_, rows) = table();
    let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let tests: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let exists = |proof: &str| match proof.strip_prefix("talk ") {
        Some(talk) => Path::new(ROOT).join(format!("lib/agents/fixtures/{talk}.talk")).exists(),
        None => tests.contains(proof) || tests.contains(format!("real::everywhere::{proof}").as_str()),
    };
    let proven: BTreeSet<&str> = PROOFS.iter().map(|(feature, _)| *feature).collect();
    assert_eq!(rows.keys().map(String::as_str).collect::<BTreeSet<_>>(), proven, "a row for each feature");
    let mut wrong = Vec::new();
    for (feature, proofs) in PROOFS {
        for ((agent, proof), cell) in AGENTS.iter().zip(proofs).zip(&rows[*feature]) {
            let proof = if *proof == "=" { proofs[6] } else { proof };
            match (cell.as_str(), proof) {
                ("–", "-") => {}
                ("native" | "ours", proof) if exists(proof) => {}
                (cell, proof) => wrong.push(format!("{feature} of {agent} is `{cell}`, and its proof `{proof}`")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn agents_list_says_what_was_not_driven() {
    let env = TestEnv::new();
    let records = env.run(&["agents", "list"]).expect(0).lines();
    let of = |agent: &str| records.iter().find(|record| record["agent"] == agent).unwrap();
    for (agent, verified) in
        [("claude", true), ("codex", true), ("opencode", true), ("pi", true), ("amp", false), ("cursor", false)]
    {
        assert_eq!(of(agent)["verified"], verified, "{agent}");
        let (_, rows) = table();
        for (feature, support) in of(agent)["features"].as_object().unwrap() {
            let at = AGENTS.iter().position(|name| *name == agent).unwrap();
            let cell = rows[feature][at].replace('–', "absent");
            assert_eq!(*support, Value::from(cell), "{feature} of {agent}");
        }
    }
    let text = env.run(&["agents", "list", "-o", "text"]).expect(0);
    for line in text.text().lines().filter(|line| line.starts_with("amp ") || line.starts_with("cursor ")) {
        assert!(line.ends_with("(not verified live)"), "{line}");
    }
}
