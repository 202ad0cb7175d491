//! The rules of the house that Cargo and Clippy cannot keep: who imports whom, first lines, folder shapes, licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// For each room: the rooms it may know, and every crate from outside that it uses.
const ROOMS: &[(&str, &[&str], &[&str])] = &[
    ("schema", &[], &["jiff", "schemars", "serde", "serde_json", "uuid"]),
    ("acp", &["schema"], &["serde_json"]),
    ("agents", &["schema"], &["serde", "serde_json", "shlex"]),
    ("store", &[], &["rusqlite", "thiserror"]),
    ("host", &[], &["base64", "memchr", "mimalloc", "nix", "sha2", "thiserror", "tokio"]),
    (
        "engine",
        &["agents", "host", "schema", "store"],
        &["base64", "globset", "log", "serde", "serde_json", "sha2", "thiserror", "tokio"],
    ),
    (
        "files",
        &["host", "schema"],
        &[
            "base64",
            "blake3",
            "flate2",
            "globset",
            "ignore",
            "memchr",
            "regex-automata",
            "rustix",
            "ruzstd",
            "sha2",
            "thiserror",
        ],
    ),
    (
        "desktop",
        &["engine", "host", "schema", "store"],
        &[
            "base64",
            "flate2",
            "image-webp",
            "jpeg-encoder",
            "regex-automata",
            "rustix",
            "serde",
            "serde_json",
            "sha1",
            "thiserror",
            "tungstenite",
            "x11rb",
            "xkeysym",
        ],
    ),
    (
        "install",
        &["agents", "host", "schema"],
        &["base64", "flate2", "rustls", "serde", "serde_json", "sha2", "tar", "thiserror", "ureq"],
    ),
    (
        "server",
        &["acp", "agents", "desktop", "engine", "files", "host", "install", "schema", "store"],
        &[
            "base64",
            "flate2",
            "hyper",
            "hyper-util",
            "log",
            "serde",
            "serde_json",
            "sha1",
            "thiserror",
            "tokio",
            "tungstenite",
        ],
    ),
    (
        "sandbox-agent",
        &["acp", "agents", "desktop", "engine", "files", "host", "install", "schema", "server", "store"],
        &["base64", "clap", "clap_complete", "clap_mangen", "flate2", "log", "serde", "serde_json", "toml"],
    ),
];

/// What is built: crates for other systems are not even there.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Unlicense",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "0BSD",
    "CC0-1.0",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM, "--manifest-path"])
        .arg(Path::new(ROOT).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn each_room_knows_whom_it_may() {
    let metadata = metadata();
    let members: Vec<&Value> =
        metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null()).collect();
    let names: BTreeSet<String> = members.iter().map(|package| text(&package["name"])).collect();
    assert_eq!(names, ROOMS.iter().map(|(name, ..)| (*name).to_owned()).collect());
    for package in members {
        let name = text(&package["name"]);
        let (_, rooms, crates) = ROOMS.iter().find(|(room, ..)| *room == name).unwrap();
        let dependencies: BTreeSet<String> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| text(&dependency["name"]))
            .collect();
        let (inside, outside): (BTreeSet<String>, BTreeSet<String>) =
            dependencies.into_iter().partition(|dependency| names.contains(dependency));
        assert_eq!(inside, rooms.iter().map(|room| (*room).to_owned()).collect(), "the rooms that {name} knows");
        assert_eq!(
            outside,
            crates.iter().map(|outside| (*outside).to_owned()).collect(),
            "the crates that {name} uses"
        );
    }
}

#[test]
fn every_licence_is_on_the_list() {
    let bad: BTreeMap<String, String> = metadata()["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["name"]), package["license"].as_str().unwrap_or("none").to_owned()))
        .filter(|(_, licence)| {
            !licence.replace(['(', ')'], " ").replace('/', " OR ").split(" OR ").any(|choice| {
                choice.split(" AND ").all(|one| LICENCES.contains(&one.trim().split(" WITH ").next().unwrap()))
            })
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

/// What `cargo deny check bans sources` asks, which CI has no way to install that is quick and knows today's licences.
#[test]
fn every_crate_is_of_the_registry_and_none_is_banned() {
    let banned = banned();
    for package in metadata()["packages"].as_array().unwrap() {
        let (name, source) = (text(&package["name"]), &package["source"]);
        assert!(!banned.contains(&name), "{name} is banned by .cargo/deny.toml");
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert!(source.is_null() || source == registry, "{name} comes from {source}");
    }
}

fn banned() -> Vec<String> {
    let rules = fs::read_to_string(Path::new(ROOT).join(".cargo/deny.toml")).unwrap();
    let line = rules.lines().find_map(|line| line.strip_prefix("deny = ")).unwrap();
    serde_json::from_str(line).unwrap()
}

/// Every file below these folders with this ending.
fn files(folders: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| Path::new(ROOT).join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_first_line_says_what_a_file_is_for() {
    let files = files(&["cmd", "lib", "tests"], "rs");
    assert!(files.len() > 60);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let sentence = first.strip_prefix("//! ").unwrap_or_default();
        assert!(sentence.len() > 8 && !sentence.contains("odule that"), "{}: {first}", path.display());
    }
}

#[test]
fn every_agent_has_the_same_four_files_and_fixtures() {
    let agents = Path::new(ROOT).join("lib/agents");
    let registry = fs::read_to_string(agents.join("src/registry.rs")).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(agents.join("src")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for file in ["mod.rs", "launch.rs", "wire.rs", "dialect.rs"] {
            assert!(path.join(file).is_file(), "{name} has no {file}");
        }
        assert!(registry.contains(&format!("crate::{name}::")), "{name} is not in the registry");
        let fixtures = agents.join("fixtures").join(&name);
        let talks: Vec<PathBuf> = fs::read_dir(&fixtures)
            .unwrap_or_else(|error| panic!("{}: {error}", fixtures.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!talks.is_empty(), "{name} has no conversations");
        for talk in &talks {
            let twin = talk.with_extension(if talk.extension().unwrap() == "talk" { "events" } else { "talk" });
            assert!(twin.is_file(), "{} has no twin", talk.display());
        }
    }
    assert!(seen >= 2);
}

#[test]
fn no_test_file_is_forgotten() {
    let main = fs::read_to_string(Path::new(ROOT).join("tests/main.rs")).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
            assert!(main.contains(&format!("mod {name};")), "tests/main.rs forgets {name}");
        }
    }
}

#[test]
fn the_architecture_names_every_room_and_no_machine_is_named() {
    let architecture = fs::read_to_string(Path::new(ROOT).join("lib/README.md")).unwrap();
    for (room, ..) in ROOMS.iter().filter(|(room, ..)| *room != "sandbox-agent") {
        assert!(architecture.contains(&format!("`{room}`")), "lib/README.md does not name {room}");
    }
    let tracked = Command::new("git").args(["ls-files"]).current_dir(ROOT).output().unwrap();
    let tracked = String::from_utf8(tracked.stdout).unwrap();
    // Put together, so that this file does not hold them.
    let paths = [["/wo", "rk/main"].concat(), ["/ro", "ot/."].concat()];
    for path in tracked.lines() {
        let Ok(text) = fs::read_to_string(Path::new(ROOT).join(path)) else { continue };
        for bad in &paths {
            assert!(!text.contains(bad.as_str()), "{path} names a path of one machine: {bad}");
        }
    }
}
