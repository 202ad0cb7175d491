//! The README's lines, each run as it stands there: the mock in place of a real agent, the test's directories in place of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::docs::{blocks, is_a_test, place};
use crate::env::{Output, Program, TestEnv, readme, wait_until};

/// The test that runs each block of code, by the block's beginning; or why it is not run.
const BLOCKS: [(&str, &str); 19] = [
    ("cargo install --path .", "not here: it builds what is tested"),
    ("sh install.sh --from", "pack::the_lines_of_the_readme_install"),
    ("cargo run -q -- run", "not here: the second line is what runs this"),
    ("sandbox-agent run -a codex \"fix", "readme::the_pipelines_to_copy_work"),
    ("sandbox-agent install-agent codex claude", "install_agent::versions_stand_side_by_side"),
    ("FROM debian", "install_agent::bare::the_dockerfile_of_the_readme_installs_agents_that_anybody_can_run"),
    ("S=$(sandbox-agent run -a codex --detach", "readme::running_sessions_are_watched_sent_to_and_answered"),
    ("import json, subprocess", "requests::the_programs_in_the_readme_work"),
    ("session=$(sandbox-agent", "requests::the_programs_in_the_readme_work"),
    ("# the deployment: everything", "not here: a shape; server::gate has files like it"),
    ("import { SandboxAgent }", "acp::the_lines_for_the_sdk_work"),
    ("{\n  \"agent_servers\"", "acp::an_editor_prompts_decides_cancels_and_loads"),
    ("{\"event_id\"", "not here: a shape, which contract.rs says by hand"),
    ("sandbox-agent run -a claude --mcp", "real::everywhere::a_server_and_a_skill_of_the_session"),
    ("sandbox-agent fs ls", "readme::the_lines_about_files_work"),
    ("sandbox-agent proc run", "proc::readme::the_lines_in_the_readme_work"),
    ("sandbox-agent install desktop", "desktop::readme::the_lines_in_the_readme_work"),
    ("sqlite3 -readonly", "readme::the_pipelines_to_copy_work"),
    ("sandbox-agent credentials extract", "readme::the_lines_about_credentials_work"),
];

#[test]
fn each_block_is_run() {
    let blocks = blocks(include_str!("../README.md"));
    for block in &blocks {
        let entry = BLOCKS.iter().find(|(beginning, _)| block.text.starts_with(beginning));
        let (_, test) = entry.unwrap_or_else(|| panic!("which test runs this?\n{}", block.text));
        assert!(test.starts_with("not here: ") || is_a_test(test), "there is no test {test}");
    }
    assert_eq!(blocks.len(), BLOCKS.len());
}

fn shell(env: &TestEnv, line: &str) -> Program {
    env.program(Path::new("/bin/bash")).args(&["-o", "pipefail", "-c", line])
}

fn done(env: &TestEnv, line: &str) -> Output {
    shell(env, line).run().expect(0)
}

#[test]
fn the_pipelines_to_copy_work() {
    let env = place(&[("ssh", "shift; SANDBOX_AGENT_STORE=$HOME/other.db exec \"$@\"")]);
    let block = readme("sandbox-agent run -a codex \"fix the failing test\"").replace("-a codex", "-a mock");
    let lines: Vec<&str> = block.lines().collect();
    let [types, named, next, review, follow, ship, cost, list, only_reads, export] = lines[..] else {
        panic!("a line without a test here: {lines:?}")
    };
    assert_eq!(done(&env, types).text().lines().last(), Some("turn.ended"));
    assert_eq!(done(&env, named).text().lines().last(), Some("0"));
    assert!(!done(&env, next).text().is_empty());
    env.run(&["sessions", "show", "fix"]).expect(0);
    done(&env, "git init -q && echo a > a && git add a && echo b >> a");
    done(&env, review);
    assert!(env.run(&["stream", "--all"]).expect(0).text().contains("diff --git"), "stdin is part of the prompt");

    let later = env.run(&["stream", "fix", "--offset", "12"]).expect(0).lines();
    let data = done(&env, follow).lines();
    assert!(!data.is_empty() && data.iter().eq(later.iter().map(|event| &event["data"])));
    let all = || env.run(&["stream", "--all"]).expect(0).lines().len();
    let shipped = || fs::read_to_string(env.work().join("events.ndjson")).unwrap_or_default().lines().count();
    for prompt in ["once", "again"] {
        env.run(&["run", "-a", "mock", "-s", "shipped", prompt]).expect(0);
        let shipping = shell(&env, ship).spawn();
        // The place is kept after the lines are printed; whoever is killed in between says them again.
        let cursor = env.run(&["events", "--all", "--reverse", "--limit", "1"]).expect(0).object()["cursor"].clone();
        let place = format!("{{\"cursor\":{cursor}}}");
        let kept = || fs::read_to_string(env.work().join("ship.pos")).is_ok_and(|kept| kept.trim() == place);
        wait_until("all to be shipped", || (kept() && shipped() == all()).then_some(()));
        shipping.ctrl_c();
        drop(shipping.wait());
    }
    assert_eq!(shipped(), all());

    let cost: serde_json::Value = serde_json::from_str(done(&env, cost).text()).unwrap();
    assert!(cost["output_tokens"].as_u64() > Some(0), "{cost}");
    assert!(done(&env, list).text().lines().any(|session| session == "fix"));
    done(&env, only_reads);
    assert!(done(&env, readme("sqlite3 -readonly")).text().contains("turn.ended|2\n"));
    done(&env, export);
    let there = env.command(&["stream", "fix"]).var("SANDBOX_AGENT_STORE", env.home().join("other.db")).run().expect(0);
    assert_eq!(there.stdout, env.run(&["stream", "fix"]).expect(0).stdout);
}

#[test]
fn running_sessions_are_watched_sent_to_and_answered() {
    let env = place(&[]);
    let block = readme("S=$(sandbox-agent run -a codex --detach");
    let lines: Vec<&str> = block.lines().collect();
    let [start, follow, accept, choose, send, queue, wait, cancel] = lines[..] else {
        panic!("a line without a test here: {lines:?}")
    };
    let with = |session: &str, line: &str| shell(&env, &format!("S={session}\n{line}"));
    let start = |prompt: &str| {
        let line = start.replace("-a codex", "-a mock").replace("port the parser", prompt);
        done(&env, &format!("{line}\necho $S")).text().trim().to_owned()
    };
    let asks = start("permission rm x");
    assert_eq!(with(&asks, follow).run().expect(0).lines().last().unwrap()["type"], "permission.requested");
    with(&asks, accept).run().expect(0);
    let question = start("question");
    env.run(&["wait", &question]).expect(6);
    with(&question, choose).run().expect(0);
    with(&question, send).run().expect(0);
    assert_eq!(with(&question, queue).run().expect(0).lines().last().unwrap()["type"], "turn.ended");
    assert_eq!(with(&question, wait).run().expect(0).text().lines().last(), Some("0"));
    let hangs = start("hang");
    with(&hangs, cancel).run().expect(0);
    assert_eq!(with(&hangs, wait).run().expect(0).text().lines().last(), Some("130"));
    env.wait_until_none_is_alive();
}

#[test]
fn the_lines_about_files_work() {
    let env = place(&[("curl", "echo key = 1")]);
    let work = env.work();
    let block = readme("sandbox-agent fs ls src --recursive").replace("/workspace", work.to_str().unwrap());
    let lines: Vec<&str> = block.lines().collect();
    let [list, read, write, remove, grep, pack, watch, patch] = lines[..] else {
        panic!("a line without a test here: {lines:?}")
    };
    fs::create_dir_all(work.join("src")).unwrap();
    fs::create_dir_all(work.join("build")).unwrap();
    env.write("src/large.bin", vec![0; 100_001]);
    env.write("src/main.rs", "// one\n// TODO: two\n");
    env.write("app.log", [vec![b'a'; 1 << 20], b"the rest".to_vec()].concat());
    assert_eq!(done(&env, list).text(), "src/large.bin\n");
    assert_eq!(done(&env, read).text(), "the rest");
    done(&env, write);
    assert_eq!(env.read("config.toml"), "key = 1\n");
    assert_eq!(fs::metadata(work.join("config.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(done(&env, remove).object()["changed"], false);
    assert!(work.join("build").exists());
    assert_eq!(done(&env, grep).text(), "src/main.rs:2\n");
    done(&env, pack);
    assert_eq!(env.read("dest/main.rs"), env.read("src/main.rs"));

    let mut watching = shell(&env, &watch.replace("jq", "jq --unbuffered")).spawn();
    watching.wait_for("it to be ready", |line| line["event"] == "ready");
    env.write("new", "");
    watching.wait_for("the new file", |line| line["path"].as_str().is_some_and(|path| path.ends_with("new")));
    watching.ctrl_c();
    drop(watching.wait());

    done(&env, "git init -q && git add src/main.rs && sed -i s/two/three/ src/main.rs && git diff > change");
    done(&env, "git checkout -q src/main.rs");
    done(&env, &patch.replace("git diff", "cat change"));
    assert_eq!(env.read("src/main.rs"), "// one\n// TODO: three\n");
}

#[test]
fn the_lines_about_credentials_work() {
    let env = place(&[("codex", "echo \"$1\"")]);
    let lines: Vec<&str> = readme("sandbox-agent credentials extract  ").lines().collect();
    let [extract, evaluate, check] = lines[..] else { panic!("a line without a test here: {lines:?}") };
    assert_eq!(done(&env, check).text().lines().last(), Some("login"));
    fs::create_dir_all(env.home().join(".codex")).unwrap();
    fs::write(env.home().join(".codex/auth.json"), r#"{"OPENAI_API_KEY":"sk-of-the-readme-0123456789"}"#).unwrap();
    let told = done(&env, extract);
    assert!(!told.lines().is_empty() && !told.text().contains("sk-of-the-readme-0123456789"), "{}", told.text());
    let given = done(&env, &format!("{evaluate}\nprintenv OPENAI_API_KEY"));
    assert_eq!(given.text(), "sk-of-the-readme-0123456789\n");
    assert_ne!(done(&env, check).text().lines().last(), Some("login"));
}
