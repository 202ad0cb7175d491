//! `doctor`: one line for each thing that a run needs, and an exit code only for what was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::env::{Output, TestEnv};

fn doctor(env: &TestEnv, arguments: &[&str]) -> Output {
    env.run(&[&["doctor", "-o", "ndjson"], arguments].concat())
}

fn line(output: &Output, what: &str) -> Value {
    let is = |line: &Value| line["name"] == what || (line["check"] == what && line.get("name").is_none());
    let found: Vec<Value> = output.lines().into_iter().filter(is).collect();
    assert_eq!(found.len(), 1, "{what}: {}", output.text());
    found.into_iter().next().unwrap()
}

/// A program on the PATH that says this.
fn fake(env: &mut TestEnv, name: &str, script: &str) {
    let folder = env.root().join("fake");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    env.add_to_path(&folder);
}

#[test]
fn one_line_each_for_people_and_records_for_programs() {
    let mut env = TestEnv::new();
    fake(&mut env, "codex", "echo 'codex-cli 9.8.7'");
    fake(&mut env, "node", "echo v22.1.0");
    let output = doctor(&env, &[]).expect(0);
    for what in ["program", "store", "disk", "codex", "mock", "libc", "node", "namespaces", "desktop"] {
        assert!(["ok", "warning", "missing"].contains(&line(&output, what)["status"].as_str().unwrap()), "{what}");
    }
    // Nothing is made by looking.
    let store = line(&output, "store");
    assert_eq!((&store["status"], &store["details"]["exists"]), (&json!("ok"), &json!(false)));
    assert!(!env.store().exists() && !env.store().parent().unwrap().exists());
    assert_eq!(line(&output, "node")["version"], "22.1.0");
    let codex = line(&output, "codex");
    assert_eq!((&codex["status"], &codex["version"]), (&json!("warning"), &json!("9.8.7")));
    assert_eq!(codex["details"]["credentials"]["ok"], false);
    assert_eq!(line(&output, "mock")["status"], "ok");
    assert!(line(&output, "disk")["details"]["free_bytes"].as_u64().unwrap() > 0);

    // People get the same without asking for a format.
    let text = env.run(&["doctor"]).expect(0);
    assert_eq!(text.text().lines().count(), output.lines().len());
    assert!(text.text().lines().all(|line| !line.starts_with('{')), "{}", text.text());

    // With a store and a key.
    env.run(&["run", "-a", "mock", "hello"]).expect(0);
    let key = "sk-doctor-must-not-say-this-key";
    env.set("OPENAI_API_KEY", key);
    let output = doctor(&env, &["--agent", "codex", "--agent", "mock"]).expect(0);
    let store = line(&output, "store");
    assert_eq!(store["path"], env.store().to_str().unwrap());
    let details = &store["details"];
    assert_eq!(
        (&details["journal_mode"], &details["writable"], &details["sessions"]),
        (&json!("wal"), &json!(true), &json!(1))
    );
    assert!(details["bytes"].as_u64().unwrap() > 0 && store["version"].as_str().unwrap().starts_with("3."));
    let codex = line(&output, "codex");
    assert_eq!(
        (&codex["status"], &codex["details"]["credentials"]["sources"]),
        (&json!("ok"), &json!(["env:OPENAI_API_KEY"]))
    );
    let text = env.run(&["doctor"]).expect(0);
    for output in [&output, &text] {
        assert!(!output.text().contains(key) && !output.stderr.contains(key), "{}", output.text());
    }
}

#[test]
fn only_the_store_and_agents_that_were_named_make_it_fail() {
    let mut env = TestEnv::new();
    // Not installed.
    assert_eq!(line(&doctor(&env, &[]).expect(0), "codex")["status"], "missing");
    let output = doctor(&env, &["--agent", "codex"]).expect(1);
    assert!(line(&output, "codex")["hint"].as_str().unwrap().contains("install"), "{}", output.text());
    doctor(&env, &["--agent", "mock"]).expect(0);
    doctor(&env, &["--agent", "nobody"]).expect(2);
    // There, and does not run.
    for script in ["echo broken >&2; exit 1", "kill -9 $$", "exit 0", "echo v; exit 7"] {
        fake(&mut env, "codex", script);
        assert_eq!(line(&doctor(&env, &[]).expect(0), "codex")["status"], "failed", "{script}");
        let output = doctor(&env, &["--agent", "codex"]).expect(1);
        assert_eq!(output.lines().len(), doctor(&env, &[]).lines().len(), "the other lines come all the same");
    }

    // A store that cannot be used: no store at all, a newer one, a place that cannot be made.
    let env = TestEnv::new();
    fs::create_dir_all(env.store().parent().unwrap()).unwrap();
    fs::write(env.store(), "this is no database, but long enough to be looked at ".repeat(100)).unwrap();
    let output = doctor(&env, &[]).expect(1);
    let store = line(&output, "store");
    assert_eq!((&store["status"], &store["path"]), (&json!("failed"), &json!(env.store().to_str().unwrap())));
    let output = env.command(&["doctor", "-o", "ndjson", "--store", "/proc/nowhere/store.db"]).run().expect(1);
    assert_eq!(line(&output, "store")["status"], "failed", "{}", output.text());
    let output =
        env.command(&["doctor", "-o", "ndjson"]).without("SANDBOX_AGENT_STORE").without("HOME").run().expect(1);
    assert!(line(&output, "store")["message"].as_str().unwrap().contains("HOME"), "{}", output.text());
}
