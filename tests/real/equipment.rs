//! A server and a skill that a session is given, for the tests of every agent that takes them.

use crate::env::TestEnv;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A script of the model's begins here: the tool that [`equip`]'s server has.
pub(crate) const SERVER: &str = "test";

/// What the model is told of the skill of [`equip`].
pub(crate) const SKILL: &str = "Greets people in the manner of the house.";

/// The Node of this machine.
pub(crate) fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file()).unwrap()
}

/// The arguments that give a session the server.
pub(crate) fn server(env: &TestEnv) -> [String; 2] {
    served(env, &json!({ "env": { "PROBE": "${HOME}", "SERVER_TOKEN": "tok-scripted-server" } }))
}

/// The same, but for its calls it takes for ever, and has so many milliseconds.
pub(crate) fn silent_server(env: &TestEnv, timeout: u64) -> [String; 2] {
    served(env, &json!({ "env": { "SILENT": "1" }, "timeout": timeout }))
}

fn served(env: &TestEnv, more: &Value) -> [String; 2] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/mcp.mjs");
    let mut server = json!({ "command": node(), "args": [script] });
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let file = env.root().join("servers.json");
    fs::write(&file, json!({ "mcpServers": { SERVER: server } }).to_string()).unwrap();
    ["--mcp".to_owned(), text(&file)]
}

/// The arguments that give a session the skill.
pub(crate) fn skill(env: &TestEnv) -> [String; 2] {
    let folder = env.root().join("skills/greeting");
    fs::create_dir_all(&folder).unwrap();
    let skill = format!("---\nname: greeting\ndescription: {SKILL}\n---\n\nSay hello, then bow.\n");
    fs::write(folder.join("SKILL.md"), skill).unwrap();
    ["--skill".to_owned(), text(&folder)]
}

/// The user's repository is as it was, nothing that was laid out is left, and no secret of a server was stored.
pub(crate) fn nothing_is_left(env: &TestEnv) {
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&env.work()), [".git"]);
    let left: Vec<_> = names(&env.store().with_extension("db.live"));
    assert!(!left.iter().any(|name| name.ends_with(".files")), "{left:?}");
    let stored = env.run(&["sessions", "export", "s"]).expect(0);
    assert!(!stored.text().contains("tok-scripted-server"));
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
