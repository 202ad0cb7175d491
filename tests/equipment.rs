//! `--mcp`, `--skill`, `--isolated` without an agent that would use them: what is refused, and what a private home is.

use crate::env::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// An agent that only writes down its environment.
const PROBE: &str = "sh -c 'env > seen'";

#[test]
fn what_cannot_be_used_is_an_error_that_names_it() {
    let env = TestEnv::new();
    env.write("servers.json", r#"{"mcpServers": {"a": {"command": "true"}}}"#);
    env.write("bad.json", r#"{"mcpServers": {"a": {"command": "${NOT_SET_ANYWHERE}"}}}"#);
    fs::create_dir(env.work().join("empty")).unwrap();
    for (agent, flags, code, words) in [
        ("mock", &["--mcp", "servers.json"][..], 2, "failed to use --mcp: mock"),
        ("mock", &["--skill", "empty"], 2, "failed to use --skill: mock"),
        ("acp:sh", &["--mcp", "none.json"], 3, "none.json"),
        ("acp:sh", &["--mcp", "bad.json"], 2, "NOT_SET_ANYWHERE"),
        ("acp:sh", &["--mcp", "servers.json", "--mcp", "servers.json"], 2, "two of the MCP server `a`"),
        ("acp:sh", &["--skill", "empty"], 2, "failed to use --skill: acp:sh"),
        ("claude", &["--skill", "empty"], 3, "SKILL.md"),
    ] {
        let output = env.run(&[&["run", "--agent", agent][..], flags, &["--", "Go"]].concat()).expect(code);
        assert!(output.stderr.contains(words), "{agent} {flags:?}: {}", output.stderr);
    }
    assert!(env.run(&["sessions", "-o", "ndjson"]).expect(0).lines().is_empty(), "nothing was begun");
}

#[test]
fn a_private_home_lives_as_long_as_its_session() {
    let mut env = TestEnv::new();
    env.set("CLAUDE_CONFIG_DIR", "/the/users");
    env.set("XDG_CONFIG_HOME", "/the/users");
    env.set("CODEX_HOME", "/given/by/name");
    let seen = |env: &TestEnv, name: &str| -> Option<String> {
        let text = env.read("seen");
        text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
    };
    let run = |env: &TestEnv, flags: &[&str]| {
        let begin = ["run", "--acp-command", PROBE, "--session", "s"];
        env.run(&[&begin[..], flags, &["--", "Go"]].concat()).expect(1);
    };
    run(&env, &["--isolated", "--env", "CODEX_HOME"]);
    let home = seen(&env, "HOME").unwrap();
    assert!(home.starts_with(env.store().with_extension("db.live").to_str().unwrap()), "{home}");
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!((seen(&env, "CLAUDE_CONFIG_DIR"), seen(&env, "XDG_CONFIG_HOME")), (None, None));
    assert_eq!(seen(&env, "CODEX_HOME").unwrap(), "/given/by/name");
    fs::write(format!("{home}/kept"), "").unwrap();
    run(&env, &[]);
    assert_eq!(seen(&env, "HOME").unwrap(), home, "it is the session's");
    assert!(fs::exists(format!("{home}/kept")).unwrap());
    env.run(&["sessions", "delete", "s"]).expect(0);
    assert!(!fs::exists(&home).unwrap(), "it went with the session");
}
