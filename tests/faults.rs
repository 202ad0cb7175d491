//! Places and settings that make trouble: each has its exit code and its sentence, and loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::env::{Output, TestEnv, program};
use crate::events::judged_whole;

/// The error line of a command that could not do its work; stderr has the same sentence and what to do next.
fn refused(output: &Output, exit_code: i32, code: &str) -> Value {
    assert_eq!(output.code(), exit_code, "{}\n{}", output.text(), output.stderr);
    let line = output.lines().pop().unwrap_or_else(|| panic!("no line: {}", output.stderr));
    assert_eq!(
        (line["type"].as_str(), line["code"].as_str(), line["exit_code"].as_i64()),
        (Some("error"), Some(code), Some(exit_code.into()))
    );
    assert!(line.get("sequence").is_none());
    assert!(output.stderr.contains(line["message"].as_str().unwrap()), "{}", output.stderr);
    line
}

#[test]
fn what_cannot_be_understood_starts_nothing() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&["run", "-a", "nobody", "hi"], 2, "usage", "nobody"),
        (&["run", "hi"], 2, "usage", "agent"),
        (&["run", "-a", "mock"], 2, "usage", "prompt"),
        (&["run", "-a", "mock", ""], 2, "usage", "empty"),
        (&["run", "-a", "mock", "--prompt-file", "x", "hi"], 2, "usage", "--prompt-file"),
        (&["run", "-a", "mock", "--prompt-file", "missing"], 3, "not_found", "missing"),
        (&["run", "-a", "codex", "-s", "s", "hi"], 2, "usage", "belongs to mock"),
        (&["run", "-a", "mock", "-s", "a b", "hi"], 2, "usage", "a b"),
        (&["run", "-a", "mock", "-s", "ses_1", "hi"], 2, "usage", "ses_"),
        (&["run", "-a", "mock", "-s", "s", "--new", "hi"], 2, "usage", "exists"),
        (&["run", "-a", "mock", "-s", "t", "--resume", "hi"], 3, "not_found", "t"),
        (&["run", "-a", "mock", "--timeout", "5", "hi"], 2, "usage", "--timeout"),
        (&["run", "-a", "mock", "--type", "nothing", "hi"], 2, "usage", "nothing"),
        (&["run", "-a", "mock", "--mode", "dance", "hi"], 2, "usage", "dance"),
        (&["run", "-a", "mock", "--effort", "huge", "hi"], 2, "usage", "huge"),
        (&["run", "-a", "codex", "--max-cost", "1", "hi"], 2, "usage", "--max-cost"),
        (&["run", "-a", "mock", "--allow", "git *", "hi"], 2, "usage", "git *"),
        (&["run", "-a", "mock", "--attach", "missing.png", "hi"], 3, "not_found", "missing.png"),
        (&["run", "-a", "mock", "--env", "NOT_SET_HERE", "hi"], 2, "usage", "NOT_SET_HERE"),
        (&["run", "-a", "mock", "-C", "nowhere", "hi"], 3, "not_found", "nowhere"),
        (&["run", "-a", "mock", "--on-ask", "prompt", "hi"], 2, "usage", "terminal"),
        (&["run", "-a", "codex", "--no-install", "hi"], 127, "not_installed", "codex"),
        (&["stream", "nobody"], 3, "not_found", "nobody"),
        (&["stream", "s", "--offset", "x"], 2, "usage", "x"),
        (&["stream", "s", "--offset", "1000"], 3, "offset_beyond_end", "1000"),
        (&["events", "s", "--since", "soon"], 2, "usage", "soon"),
        (&["sessions", "show", "nobody"], 3, "not_found", "nobody"),
        (&["sessions", "prune"], 2, "usage", "prune"),
        (&["sessions", "import", "missing"], 3, "not_found", "missing"),
        (&["frobnicate"], 2, "usage", "frobnicate"),
        (&["run", "--frobnicate"], 2, "usage", "--frobnicate"),
    ];
    for (words, exit_code, code, names) in cases {
        let output = env.run(words);
        let line = refused(&output, *exit_code, code);
        assert!(line["message"].as_str().unwrap().contains(names), "{words:?}: {line}");
    }
    let known = refused(&env.run(&["run", "-a", "nobody", "hi"]), 2, "usage");
    assert!(known["hint"].as_str().unwrap().contains("mock"), "{known}");
    assert_eq!(env.run(&["sessions", "list"]).expect(0).lines().len(), 1, "nothing was started");
}

#[test]
fn prompts_come_from_where_they_are_told_to() {
    let env = TestEnv::new();
    let last = |words: &[&str], stdin: Option<&str>| {
        let mut all = vec!["run", "-a", "mock", "-o", "last"];
        all.extend(words);
        let command = env.command(&all);
        let output = match stdin {
            Some(text) => command.stdin(text).run(),
            None => command.run(),
        };
        output.expect(0).text().to_owned()
    };
    assert_eq!(last(&["--", "--help me"], None), "mock: --help me\n");
    assert_eq!(last(&["--prompt=-x"], None), "mock: -x\n");
    assert_eq!(last(&["-"], Some("from stdin")), "mock: from stdin\n");
    assert_eq!(last(&["--stdin", "look:"], Some("a\nb")), "mock: look:\n\na\nb\n");
    env.write("prompt.txt", "from a file");
    assert_eq!(last(&["--prompt-file", "prompt.txt"], None), "mock: from a file\n");
    // `read -t 0` tells, without reading, that the pipe holds something.
    let line = format!("printf x | (until read -t 0; do :; done; exec {} run -a mock hello)", program());
    let unasked = env.program(Path::new("/bin/bash")).args(&["-c", &line]).run().expect(0);
    assert!(unasked.stderr.contains("--stdin"), "{}", unasked.stderr);
    let binary = env.command(&["run", "-a", "mock", "-"]).stdin(b"\xff\xfe".to_vec()).run();
    refused(&binary, 2, "bad_input");
    let huge = "x".repeat(3 << 20);
    let output = env.command(&["run", "-a", "mock", "-s", "huge", "-"]).stdin(huge).run().expect(0);
    assert!(output.text().len() > 3 << 20);
    judged_whole(&env, "huge");
}

#[test]
fn without_a_home_it_says_what_to_set() {
    let env = TestEnv::new();
    let output = env.command(&["run", "-a", "mock", "hi"]).without("HOME").without("SANDBOX_AGENT_STORE").run();
    let line = refused(&output, 9, "store");
    assert!(line["message"].as_str().unwrap().contains("HOME"), "{line}");
    let home = env.work().join("elsewhere");
    let moved = env.command(&["run", "-a", "mock", "hi"]).without("HOME").without("SANDBOX_AGENT_STORE");
    moved.var("SANDBOX_AGENT_HOME", &home).run().expect(0);
    assert!(home.join("data/store.db").is_file());
}

#[test]
fn files_are_private_and_nothing_ephemeral_stays() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&env.store()), 0o600);
    assert_eq!(mode(env.store().parent().unwrap()), 0o700);
    assert_eq!(mode(&env.store().with_extension("db.live")), 0o700);
    let temporary = env.work().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let run = env.command(&["run", "-a", "mock", "--ephemeral", "hello"]).var("TMPDIR", &temporary).run().expect(0);
    assert!(run.lines().len() > 5);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(env.run(&["sessions", "list"]).expect(0).lines().len(), 1);
}

#[test]
fn a_store_that_is_none_is_left_as_it_is() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let good = fs::read(env.store()).unwrap();
    let mut newer = good.clone();
    // `user_version` stands at byte 60 of the file's head.
    newer[60..64].copy_from_slice(&9999u32.to_be_bytes());
    for (name, bytes) in
        [("foreign", b"hello, I am a text\n".repeat(400)), ("truncated", good[..5000].to_vec()), ("newer", newer)]
    {
        let path = env.work().join(name);
        fs::write(&path, &bytes).unwrap();
        let store = path.to_str().unwrap();
        let line = refused(&env.run(&["--store", store, "run", "-a", "mock", "hi"]), 9, "store");
        assert!(line["message"].as_str().unwrap().contains(name), "{line}");
        refused(&env.run(&["--store", store, "sessions", "list"]), 9, "store");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name} was changed");
    }
}

#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    let env = TestEnv::new();
    let program = program();
    fs::create_dir(env.work().join("small")).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=2m none small
         {program} --store small/s.db run -a mock -s s 'burst 20000 300' > printed || echo $? > code
         mount -o remount,size=30m small
         {program} --store small/s.db sessions show s > row
         {program} --store small/s.db stream s > stored
         {program} --store small/s.db run -s s again > again"
    );
    let output = env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run();
    output.expect(0);
    assert_eq!(env.read("code").trim(), "9");
    let printed = env.read("printed");
    let last: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!((last["code"].as_str(), last.get("sequence")), (Some("disk_full"), None));
    let stored = env.read("stored");
    let seen: Vec<&str> = printed.lines().collect();
    let kept: Vec<&str> = stored.lines().collect();
    assert_eq!(seen[..seen.len() - 1], kept[..seen.len() - 1], "what was printed is stored");
    let events: Vec<Value> = kept.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    crate::checker::check(&events).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    assert_eq!(events.last().unwrap()["type"], "turn.ended");
    assert!(env.read("again").contains("\"outcome\":\"ok\""));
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let program = program();
    let data = env.store();
    let data = data.parent().unwrap().to_str().unwrap().to_owned();
    let script = format!(
        "mount --bind '{data}' '{data}' && mount -o remount,bind,ro '{data}' || exit 99
         {program} stream s > read; echo $? > code
         {program} run -a mock hi > refused; echo $? >> code; exit 0"
    );
    env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run().expect(0);
    assert_eq!(env.read("code").split_whitespace().collect::<Vec<_>>(), ["0", "9"]);
    assert_eq!(env.read("read"), env.run(&["stream", "s"]).expect(0).text());
    let line: Value = serde_json::from_str(env.read("refused").lines().last().unwrap()).unwrap();
    assert_eq!(line["code"], "read_only");
}

#[test]
fn an_older_store_is_brought_up_to_date_by_whoever_may_write() {
    let env = TestEnv::new();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/lib/store/tests/store/fixtures/0001.db");
    fs::create_dir(env.work().join("old")).unwrap();
    fs::copy(old, env.work().join("old/s.db")).unwrap();
    let program = program();
    let script = format!(
        "mount --bind old old && mount -o remount,bind,ro old || exit 99
         {program} --store old/s.db sessions list > refused; echo $? > code; exit 0"
    );
    env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run().expect(0);
    assert_eq!(env.read("code").trim(), "9");
    let line: Value = serde_json::from_str(env.read("refused").trim()).unwrap();
    assert_eq!(line["code"], "read_only", "{line}");
    for words in [&["sessions", "list"][..], &["run", "-a", "mock", "hello"], &["sessions", "list"]] {
        env.command(&["--store", "old/s.db"]).args(words).run().expect(0);
    }
}

#[test]
fn a_strangers_project_file_may_only_narrow() {
    let env = TestEnv::new();
    let run = |words: &[&str]| {
        let mut all = vec!["run", "-a", "mock"];
        all.extend(words);
        env.run(&all)
    };
    for hostile in [
        "permission_mode = \"bypass\"",
        "permission_mode = \"accept-edits\"",
        "allow = [\"command:*\"]",
        "agent = \"codex\"",
        "env = [\"X=1\"]",
        "command = \"sh\"",
        "not toml",
    ] {
        env.write(".sandbox-agent.toml", hostile);
        refused(&run(&["hi"]), 2, "usage");
    }
    assert!(env.run(&["sessions", "list"]).expect(0).lines().is_empty(), "nothing was started");
    env.write(".sandbox-agent.toml", "permission_mode = \"read-only\"\ndeny = [\"command:*\"]\nmodel = \"small\"");
    let narrowed = run(&["--permission-mode", "bypass", "permission"]).expect(5);
    let started = &narrowed.lines()[0]["data"];
    assert_eq!((started["permission_mode"].as_str(), started["model"].as_str()), (Some("read-only"), Some("small")));
    let flag = run(&["-m", "large", "hi"]).expect(0);
    assert_eq!(flag.lines()[0]["data"]["model"], "large", "a flag is stronger");
}

#[test]
fn outcomes_and_their_exit_codes() {
    for (script, flags, exit_code, outcome) in [
        ("echo", &[][..], 0, "ok"),
        ("error other", &[], 1, "failed"),
        ("silent", &[], 1, "failed"),
        ("crash 3", &[], 1, "failed"),
        ("error auth", &[], 4, "auth"),
        ("permission", &[], 5, "denied"),
        ("question", &[], 5, "denied"),
        ("permission", &["--on-ask", "fail"], 6, "input_needed"),
        ("question", &["--on-ask", "fail"], 6, "input_needed"),
        ("refuse", &[], 7, "limit"),
        ("error context_full", &[], 7, "limit"),
        ("usage", &["--max-cost", "0"], 7, "limit"),
        ("ratelimit 10 fail", &[], 75, "retry"),
        ("error server", &[], 75, "retry"),
        ("permission", &["--on-ask", "allow"], 0, "ok"),
        ("permission", &["--permission-mode", "bypass"], 0, "ok"),
        ("permission", &["--deny", "command:*", "--denied-ok", "--permission-mode", "bypass"], 0, "ok"),
        ("garbage", &[], 0, "ok"),
        ("badutf8", &[], 0, "ok"),
        ("unparsed", &[], 0, "ok"),
    ] {
        let env = TestEnv::new();
        let mut words = vec!["run", "-a", "mock", "-s", "s"];
        words.extend(flags);
        words.push(script);
        let output = env.run(&words).expect(exit_code);
        let events = crate::events::judged(&env, &output);
        assert_eq!(events.last().unwrap()["data"]["outcome"], outcome, "{script} {flags:?}");
        assert!(
            !events.iter().any(|event| event["type"] == "agent.unparsed")
                || ["garbage", "badutf8", "unparsed"].contains(&script)
        );
    }
}

#[test]
fn sessions_are_listed_named_ended_and_deleted() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "one", "--label", "team=a", "usage"]).expect(0);
    env.run(&["run", "-a", "mock", "-s", "two", "hello there"]).expect(0);
    let ids = |words: &[&str]| -> Vec<String> {
        let mut all = vec!["sessions", "list"];
        all.extend(words);
        env.run(&all).expect(0).lines().iter().map(|row| row["session_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["two", "one"]);
    assert_eq!(ids(&["--label", "team=a"]), ["one"]);
    assert_eq!(ids(&["--status", "ended"]), [""; 0]);
    assert_eq!(ids(&["--limit", "1"]), ["two"]);
    let renamed = env.run(&["sessions", "rename", "one", "The first"]).expect(0).object();
    assert_eq!(renamed["title"], "The first");
    assert_eq!(env.run(&["run", "-c", "more"]).expect(0).lines()[0]["session_id"], "two");
    let found = env.run(&["sessions", "search", "hello there"]).expect(0).lines();
    assert!(!found.is_empty() && found.iter().all(|hit| hit["session_id"] == "two"));
    let total = env.run(&["sessions", "usage", "--by", "total"]).expect(0).object();
    assert_eq!(total["turns"], 3);
    assert_eq!(env.run(&["sessions", "end", "one"]).expect(0).object()["status"], "ended");
    judged_whole(&env, "one");
    refused(&env.run(&["run", "-s", "one", "hi"]), 2, "session_ended");
    let busy = env.command(&["run", "-s", "two", "hang"]).spawn();
    crate::env::wait_until("the turn", || (busy.lines().len() > 4).then_some(()));
    refused(&env.run(&["sessions", "delete", "two"]), 8, "busy");
    let pruned = env.run(&["sessions", "prune", "--keep", "0", "--dry-run"]).expect(0).lines();
    assert_eq!(pruned.len(), 1, "a live session stays: {pruned:?}");
    busy.signal(nix::sys::signal::Signal::SIGTERM);
    drop(busy.wait());
    env.run(&["sessions", "prune", "--keep", "1"]).expect(0);
    assert_eq!(ids(&[]), ["two"]);
    let document = env.run(&["sessions", "export", "two", "--format", "markdown"]).expect(0);
    assert!(document.text().contains("hello there"));
}

#[test]
fn a_defect_of_ours_is_told_and_leaves_nothing() {
    let mut env = TestEnv::new();
    env.set("SANDBOX_AGENT_TEST_KILL", "!said:1");
    let output = env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(70);
    assert!(
        output.stderr.contains("has a defect") && output.stderr.contains("a test asked for it"),
        "{}",
        output.stderr
    );
    env.wait_until_none_is_alive();
    env.set("SANDBOX_AGENT_TEST_KILL", "");
    let events = crate::events::judged_whole(&env, "s");
    assert_eq!(crate::events::end(&events)["exit_code"], 137);
}
