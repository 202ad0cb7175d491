//! Which agent has which feature: the table of the README is what the cards say, and each cell that says yes names a test. Which scenario is
//! driven through which real agent.

use crate::env::TestEnv;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BEGIN: &str = "<!-- The table is written by UPDATE=1 cargo test matrix. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// What proves a cell, for the agents in the order of `AGENTS`: a test. `-` is a cell that says no. Cursor is
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
            "an_effort::claude",
            "an_effort::codex",
            "real::opencode::reasoning",
            "real::pi::reasoning",
            "-",
            "=",
            "an_effort::acp_codex",
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
    ("resume_elsewhere", ["-", "a_session_goes_on_elsewhere::codex", "-", "-", "peers::amp", "-", "-"]),
    (
        "fork",
        [
            "real::claude::a_session_goes_on_in_a_new_process",
            "real::codex::a_session_goes_on_in_a_new_process",
            "real::opencode::a_session_goes_on_in_a_new_process",
            "real::pi::a_session_goes_on_in_a_new_process_and_is_copied",
            "-",
            "=",
            "a_copy::acp_opencode",
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
            "a_text_goes_with_it::acp_opencode",
        ],
    ),
    ("edit_input", ["an_edited_input::claude", "-", "-", "an_edited_input::pi", "-", "-", "-"]),
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
    ("cost", ["real::claude::text", "-", "real::opencode::text", "real::pi::text", "-", "=", "money::acp_claude"]),
    (
        "mcp",
        [
            "a_server_and_a_skill_of_the_session::claude",
            "a_server_and_a_skill_of_the_session::codex",
            "a_server_and_a_skill_of_the_session::opencode",
            "-",
            "peers::amp",
            "=",
            "real::acp::opencode_takes_a_server_of_the_session",
        ],
    ),
    (
        "skills",
        [
            "a_server_and_a_skill_of_the_session::claude",
            "a_server_and_a_skill_of_the_session::codex",
            "a_server_and_a_skill_of_the_session::opencode",
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
            "reasoning::acp_opencode",
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
            "a_question_answered::acp_claude",
        ],
    ),
    (
        "plan",
        [
            "real::claude::a_plan",
            "a_plan::codex",
            "real::opencode::pictures_files_and_the_mode_to_plan",
            "-",
            "-",
            "peers::cursor",
            "a_plan::acp_claude",
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

/// What proves a scenario, for the agents in the order of `DRIVEN`: a test with the real program, or why there is none.
const SCENARIOS: &[(&str, [Cell; 6])] = &[
    ("plain", [In("text"), In("text"), In("text"), In("text"), In("opencode_text"), In("codex_text")]),
    (
        "reasoning",
        [In("reasoning"), In("reasoning"), In("reasoning"), In("reasoning"), Of("reasoning"), Of("reasoning")],
    ),
    ("a command allowed", [All(SHAPE); 6]),
    (
        "denied",
        [
            In("a_command_denied"),
            In("a_command_denied"),
            In("a_command_denied"),
            In("a_command_denied"),
            In("opencode_command_denied"),
            In("codex_command_denied"),
        ],
    ),
    ("always", [Of("allowed_for_the_session"); 6]),
    (
        "edit",
        [
            In("files_written_and_edited"),
            In("a_patch"),
            In("files_read_written_and_edited"),
            In("read_edit_and_write"),
            Of("a_new_file"),
            Of("a_new_file"),
        ],
    ),
    ("two tools", [Of("allowed_for_the_session"); 6]),
    (
        "parallel tools",
        [
            In("several_tools_in_one_message"),
            In("two_tools_at_once"),
            In("two_tools_at_once_and_a_list_of_things_to_do"),
            In("two_tools_at_once"),
            Of("two_tools_at_once"),
            Of("two_tools_at_once"),
        ],
    ),
    (
        "plan",
        [
            In("a_plan"),
            Of("a_plan"),
            In("pictures_files_and_the_mode_to_plan"),
            No("Pi has no plans"),
            No("its plan is a mode and nothing else"),
            No("the adapter's plan is a command that it asks nobody about"),
        ],
    ),
    (
        "todo",
        [
            No("its list is tools like any other"),
            No("its plan tool is recorded only: codex/plan-tool"),
            In("two_tools_at_once_and_a_list_of_things_to_do"),
            No("Pi has none"),
            No("recorded only: acp/opencode-plan"),
            No("recorded only: acp/codex-plan"),
        ],
    ),
    (
        "question",
        [
            Of("a_question_answered"),
            Of("a_question_answered"),
            Of("a_question_answered"),
            Of("a_question_answered"),
            No("its questions hang over the protocol"),
            No("the adapter has no mode that asks"),
        ],
    ),
    (
        "sub-agent",
        [
            In("a_sub_agent_that_reports_late"),
            In("a_sub_agent_that_reports_late"),
            In("a_sub_agent"),
            No("Pi has none"),
            No("the protocol has no word for it"),
            No("the protocol has no word for it"),
        ],
    ),
    (
        "MCP",
        [
            Of("a_server_and_a_skill_of_the_session"),
            In("an_mcp_call"),
            In("an_mcp_call"),
            No("Pi has none"),
            In("opencode_takes_a_server_of_the_session"),
            Of("an_mcp_call"),
        ],
    ),
    (
        "image",
        [
            In("a_picture"),
            In("a_picture"),
            In("pictures_files_and_the_mode_to_plan"),
            In("a_picture"),
            Of("a_picture"),
            In("a_picture_reaches_the_model"),
        ],
    ),
    (
        "error 400",
        [
            In("a_bad_request"),
            Of("a_bad_request"),
            In("a_request_that_is_refused"),
            In("a_bad_request"),
            Of("a_bad_request"),
            Of("a_bad_request"),
        ],
    ),
    (
        "error 401",
        [
            In("a_wrong_key"),
            In("a_wrong_key"),
            In("a_wrong_key"),
            In("a_wrong_key"),
            Of("a_wrong_key"),
            In("a_wrong_key_is_an_auth_failure"),
        ],
    ),
    (
        "error 429",
        [
            In("too_many_requests"),
            In("too_many_requests"),
            In("too_many_requests"),
            In("too_many_requests"),
            Of("a_service_that_recovers"),
            Of("too_many_requests"),
        ],
    ),
    (
        "error 500",
        [
            In("a_broken_service"),
            In("a_broken_service"),
            In("a_broken_service"),
            In("a_broken_service"),
            Of("a_service_that_recovers"),
            Of("a_broken_service"),
        ],
    ),
    (
        "overload",
        [
            In("an_overloaded_service"),
            Of("an_overloaded_service"),
            In("an_overloaded_service"),
            In("an_overloaded_service"),
            Of("a_service_that_recovers"),
            Of("an_overloaded_service"),
        ],
    ),
    (
        "stream cut",
        [
            In("a_stream_that_breaks_once"),
            In("a_stream_that_breaks_once"),
            In("a_stream_that_breaks_once"),
            In("a_stream_that_breaks_once"),
            Of("a_stream_that_breaks_once"),
            Of("a_stream_that_breaks_once"),
        ],
    ),
    (
        "context overflow",
        [
            In("a_full_context"),
            In("a_full_context"),
            In("a_full_context_is_compacted"),
            In("a_full_context"),
            Of("a_full_context_is_compacted"),
            Of("a_full_context"),
        ],
    ),
    (
        "length",
        [
            In("an_answer_cut_by_its_limit"),
            In("an_answer_cut_by_its_limit"),
            In("an_answer_cut_by_its_limit_and_one_that_is_refused"),
            In("an_answer_cut_by_its_limit"),
            Of("a_cut_answer_that_is_complete_over_the_protocol"),
            Of("an_answer_cut_by_its_limit"),
        ],
    ),
    (
        "refusal",
        [
            In("a_refusal"),
            Of("a_refusal"),
            In("an_answer_cut_by_its_limit_and_one_that_is_refused"),
            Of("a_refusal"),
            Of("a_refusal"),
            Of("a_refusal"),
        ],
    ),
    (
        "interrupt in a text",
        [
            In("ctrl_c_within_a_text"),
            Of("ctrl_c_within_a_text"),
            In("ctrl_c_within_a_text"),
            Of("ctrl_c_within_a_text"),
            In("opencode_interrupted"),
            In("codex_interrupted"),
        ],
    ),
    (
        "interrupt in a tool",
        [
            In("ctrl_c_within_a_command"),
            In("ctrl_c_within_a_command"),
            In("ctrl_c_within_a_command"),
            In("ctrl_c_within_a_command"),
            Of("ctrl_c_within_a_command"),
            Of("ctrl_c_within_a_command"),
        ],
    ),
    ("interrupt in a permission", [Of("interrupted_while_it_asks"); 6]),
    (
        "interrupt in a retry",
        [
            In("ctrl_c_within_a_retry"),
            Of("ctrl_c_within_a_retry"),
            Of("ctrl_c_within_a_retry"),
            In("ctrl_c_while_it_waits_for_the_next_try"),
            Of("ctrl_c_within_a_retry"),
            Of("ctrl_c_within_a_retry"),
        ],
    ),
    (
        "resume",
        [
            In("a_session_goes_on_in_a_new_process"),
            In("a_session_goes_on_in_a_new_process"),
            In("a_session_goes_on_in_a_new_process"),
            In("a_session_goes_on_in_a_new_process_and_is_copied"),
            In("opencode_resumed"),
            In("codex_resumed"),
        ],
    ),
    (
        "resume after kill -9",
        [
            In("a_session_goes_on_after_kill_9"),
            Of("resumed_after_kill_9"),
            Of("resumed_after_kill_9"),
            In("a_session_goes_on_after_owner_and_agent_were_killed"),
            Of("resumed_after_kill_9"),
            Of("resumed_after_kill_9"),
        ],
    ),
    (
        "second prompt while busy",
        [
            Of("a_second_prompt_waits"),
            Of("a_second_prompt_waits"),
            Of("a_second_prompt_waits"),
            Of("a_second_prompt_waits"),
            Of("a_second_prompt_waits"),
            No("the adapter asks for a title meanwhile, which no script can foresee"),
        ],
    ),
    (
        "bad model",
        [
            In("an_unknown_model"),
            Of("a_model_that_the_service_has_not"),
            In("a_model_that_is_not_there"),
            In("a_model_that_nobody_has"),
            In("a_model_that_there_is_not_is_an_error"),
            Of("a_model_that_nobody_has"),
        ],
    ),
    (
        "no auth",
        [
            In("no_key_at_all"),
            In("no_key_at_all"),
            No("a provider of the user's own needs no key"),
            In("no_key_at_all"),
            No("a provider of the user's own needs no key"),
            Of("no_key_at_all"),
        ],
    ),
];

/// The columns of the scenarios: the file of an agent's own tests, and its name among the shared ones.
const DRIVEN: [(&str, &str); 6] = [
    ("claude", "claude"),
    ("codex", "codex"),
    ("opencode", "opencode"),
    ("pi", "pi"),
    ("acp", "acp_opencode"),
    ("acp", "acp_codex"),
];

const SHAPE: &str = "real::everywhere::the_same_prompt_and_tool_call_have_the_same_shape";

/// Where a scenario of an agent is shown.
#[derive(Clone, Copy)]
enum Cell {
    /// By a test in the agent's own file.
    In(&'static str),
    /// By a scenario of many, under the agent's name.
    Of(&'static str),
    /// By one test of all agents.
    All(&'static str),
    /// Not at all, for this reason.
    No(&'static str),
}
use Cell::{All, In, No, Of};

/// The tests of this program.
struct Tests(BTreeSet<String>);

impl Tests {
    fn listed() -> Tests {
        let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output();
        let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
        Tests(listed.lines().filter_map(|line| Some(line.strip_suffix(": test")?.to_owned())).collect())
    }

    /// Whether there is a test of this name, with or without the files of those that many agents share.
    fn have(&self, test: &str) -> bool {
        ["", "real::everywhere::", "real::trouble::"].iter().any(|file| self.0.contains(&format!("{file}{test}")))
    }
}

#[test]
fn each_scenario_is_driven_through_each_agent() {
    let tests = Tests::listed();
    let mut wrong = Vec::new();
    for (scenario, cells) in SCENARIOS {
        for ((file, agent), cell) in DRIVEN.iter().zip(cells) {
            let test = match cell {
                In(name) => format!("real::{file}::{name}"),
                Of(name) => format!("{name}::{agent}"),
                All(name) => (*name).to_owned(),
                No(why) => {
                    assert!(!why.is_empty(), "{scenario} of {agent}");
                    continue;
                }
            };
            if !tests.have(&test) {
                wrong.push(format!("{scenario} of {agent}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

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
    let tests = Tests::listed();
    let proven: BTreeSet<&str> = PROOFS.iter().map(|(feature, _)| *feature).collect();
    assert_eq!(rows.keys().map(String::as_str).collect::<BTreeSet<_>>(), proven, "a row for each feature");
    let mut wrong = Vec::new();
    for (feature, proofs) in PROOFS {
        for ((agent, proof), cell) in AGENTS.iter().zip(proofs).zip(&rows[*feature]) {
            let proof = if *proof == "=" { proofs[6] } else { proof };
            match (cell.as_str(), proof) {
                ("–", "-") => {}
                ("native" | "ours", proof) if tests.have(proof) => {}
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
