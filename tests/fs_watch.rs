//! `fs watch`: every change once, in order, under the name that it has, however deep and however new its directory is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::env::{Running, TestEnv, program};
use crate::fs::refused;

/// A watch that sees everything from now on.
fn watching(env: &TestEnv, words: &[&str]) -> Running {
    let mut running = env.command(&[&["fs", "watch"], words].concat()).spawn();
    let ready = running.wait_for("ready", |line| line["event"] == "ready");
    assert_eq!(ready["sequence"], 0);
    running
}

/// `event path` or `move from > path`; equal ones in a row once, because a write may be told in two pieces.
fn told(lines: &[Value]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["sequence"], number, "{lines:?}");
        let text = |key: &str| line[key].as_str().unwrap();
        told.push(match line["event"] == "move" {
            true => format!("move {} > {}", text("from"), text("path")),
            false => format!("{} {}", text("event"), text("path")),
        });
    }
    told.dedup();
    told
}

fn until(running: &mut Running, path: &str) -> Vec<String> {
    running.wait_for(path, |line| line["path"] == path);
    told(&running.lines())
}

#[test]
fn changes_are_told_as_they_come() {
    let env = TestEnv::new();
    fs::create_dir_all(env.work().join("tree/old/deep")).unwrap();
    env.write("tree/old/deep/file", "1");
    env.write("elsewhere", "x");
    let mut running = watching(&env, &["tree", "--follow"]);
    let at = |path: &str| env.work().join("tree").join(path);
    fs::write(at("new"), "x").unwrap();
    fs::write(at("old/deep/file"), "2").unwrap();
    fs::rename(at("new"), at("old/newer")).unwrap();
    fs::remove_file(at("old/deep/file")).unwrap();
    // A directory with another name: what is below it goes on being told, under the new name.
    fs::rename(at("old"), at("moved")).unwrap();
    fs::write(at("moved/deep/more"), "").unwrap();
    // In from elsewhere and out again.
    fs::rename(env.work().join("elsewhere"), at("guest")).unwrap();
    fs::rename(at("guest"), env.work().join("elsewhere")).unwrap();
    fs::rename(at("moved/deep"), env.work().join("deep")).unwrap();
    env.write("deep/unseen", "");
    symlink("nowhere", at("link")).unwrap();
    env.run(&["fs", "chmod", "600", "tree/moved/newer"]).expect(0);
    fs::create_dir(at("end")).unwrap();
    let told = until(&mut running, "tree/end");
    assert_eq!(
        told,
        [
            "ready tree",
            "create tree/new",
            "modify tree/new",
            "modify tree/old/deep/file",
            "move tree/new > tree/old/newer",
            "delete tree/old/deep/file",
            "move tree/old > tree/moved",
            "create tree/moved/deep/more",
            "create tree/guest",
            "delete tree/guest",
            "delete tree/moved/deep",
            "create tree/link",
            "modify tree/moved/newer",
            "create tree/end",
        ]
    );
    // A watch ends with what it watches.
    fs::remove_dir_all(env.work().join("tree")).unwrap();
    let output = running.wait();
    assert_eq!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.lines().pop().unwrap()["event"], "delete");
}

#[test]
fn nothing_in_a_new_directory_is_missed_or_told_twice() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("tree")).unwrap();
    let mut running = watching(&env, &["tree", "--follow"]);
    for number in 0..150 {
        let folder = env.work().join(format!("tree/a{number}/b/c"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..3 {
            fs::write(folder.join(file.to_string()), "x").unwrap();
        }
    }
    fs::write(env.work().join("tree/end"), "").unwrap();
    until(&mut running, "tree/end");
    let created: Vec<String> = told(&running.lines()).into_iter().filter(|told| told.starts_with("create ")).collect();
    let mut once = created.clone();
    once.sort();
    once.dedup();
    assert_eq!((created.len(), once.len()), (150 * 6 + 1, 150 * 6 + 1));
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait();
}

#[test]
fn a_watch_ends_when_it_is_asked_to() {
    let env = TestEnv::new();
    env.write("file", "1");
    env.write("other", "1");
    // Without --follow, with the first change.
    let running = watching(&env, &["."]);
    env.write("file", "2");
    let output = running.wait().expect(0);
    assert_eq!(told(&output.lines())[..2], ["ready .", "modify file"]);
    // One file, though it is replaced by a new one, and nothing beside it.
    let mut running = watching(&env, &["file", "--follow"]);
    env.write("other", "2");
    env.command(&["fs", "write", "file", "-"]).stdin("3").run().expect(0);
    let new = running.wait_for("a new file", |line| line["event"] == "create");
    assert_eq!((new["path"].as_str(), new["sequence"].as_u64()), (Some("file"), Some(1)));
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait();
    // Only what matches.
    let running = watching(&env, &[".", "--glob", "*.rs"]);
    env.write("no.txt", "");
    env.write("yes.rs", "");
    assert_eq!(told(&running.wait().expect(0).lines())[1], "create yes.rs");
    let waited = env.run(&["fs", "watch", ".", "--timeout", "50ms"]);
    assert_eq!((waited.code(), waited.lines().len()), (124, 1));
    refused(&env.run(&["fs", "watch", "missing"]), 3, "not_found");
    // A reader that leaves ends it.
    let script = format!("{} fs watch . --follow | head -n 1", program());
    let output = env.program(Path::new("/bin/sh")).args(&["-c", &script]).run().expect(0);
    assert_eq!(output.lines().len(), 1);
    env.wait_until_none_is_alive();
}

#[test]
fn a_flood_is_told_as_one() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("tree")).unwrap();
    let running = watching(&env, &["tree", "--follow"]);
    let depth: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    running.signal(nix::sys::signal::Signal::SIGSTOP);
    for number in 0..depth / 2 + 100 {
        fs::write(env.work().join(format!("tree/{}", number % 64)), "x").unwrap();
        fs::remove_file(env.work().join(format!("tree/{}", number % 64))).unwrap();
    }
    fs::create_dir(env.work().join("tree/new")).unwrap();
    running.signal(nix::sys::signal::Signal::SIGCONT);
    let mut running = running;
    running.wait_for("overflow", |line| line["event"] == "overflow");
    // And what was made meanwhile is watched.
    env.write("tree/new/file", "");
    running.wait_for("a file in it", |line| line["path"] == "tree/new/file");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait();
}
