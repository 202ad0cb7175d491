//! The wire format, said a second time: every event type and record that the program prints, with nothing else in it.
//!
//! The shapes of events stand in `checker.rs`; those of records here, as structs that allow no other field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::checker::check_exactly;
use crate::env::TestEnv;
use crate::events::judged;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Session {
    session_id: String,
    title: Option<String>,
    agent: String,
    cwd: String,
    status: String,
    outcome: Option<String>,
    exit_code: Option<i64>,
    last_sequence: i64,
    pending: Vec<String>,
    native_session_id: Option<String>,
    model: Option<String>,
    mode: Option<String>,
    permission_mode: Option<String>,
    created: String,
    updated: String,
    turns: i64,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    labels: BTreeMap<String, String>,
    parent_session: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Usage {
    input_tokens: u64,
    cached_input_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    output_tokens: u64,
    reasoning_tokens: Option<u64>,
    total_tokens: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct ErrorLine {
    #[serde(rename = "type")]
    kind: String,
    code: String,
    message: String,
    exit_code: i32,
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    session: Session,
    epochs: Vec<Epoch>,
    settings: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Epoch {
    from_sequence: i64,
    uid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct UsageRecord {
    group: String,
    turns: i64,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Hit {
    session_id: String,
    sequence: i64,
    time: String,
    #[serde(rename = "type")]
    kind: String,
    excerpt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Deleted {
    session_id: String,
    deleted: bool,
    events: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Launch {
    agent: String,
    program: String,
    found: String,
    args: Vec<String>,
    cwd: String,
    env: Vec<String>,
    permission_mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
pub(crate) struct Install {
    agent: String,
    version: Option<String>,
    status: String,
    program: Option<String>,
    source: Option<String>,
    integrity: Option<String>,
    node: Option<String>,
    bytes: u64,
    ms: u64,
    error: Option<InstallError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct InstallError {
    code: String,
    message: String,
    exit_code: i32,
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
pub(crate) struct Agent {
    agent: String,
    title: String,
    found: String,
    version: Option<String>,
    program: Option<String>,
    source: Option<String>,
    node: Option<String>,
    installed: Vec<String>,
    tested: Option<String>,
    latest: Option<String>,
    install: String,
    drivable: bool,
    modes: Vec<String>,
    efforts: Vec<String>,
    permission_modes: Vec<String>,
    capabilities: Vec<String>,
    features: BTreeMap<String, String>,
    verified: bool,
    offer: Option<Offer>,
    offer_error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Offer {
    asked: String,
    models: Vec<Model>,
    modes: Vec<String>,
    efforts: Vec<String>,
    commands: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
struct Model {
    id: String,
    name: String,
    efforts: Vec<String>,
    is_default: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that it can be read is the test")]
pub(crate) struct Verified {
    agent: String,
    version: String,
    directory: String,
    intact: bool,
    wrong: Vec<String>,
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// Every script of the mock: all event types, item kinds, parts and labels, and no field that the contract does not name.
#[test]
fn events_hold_what_the_contract_names_and_nothing_else() {
    let env = TestEnv::new();
    let mut types = BTreeSet::new();
    let mut parts = BTreeSet::new();
    let mut labels = BTreeSet::new();
    for (number, script) in [
        "demo",
        "markdown",
        "revise",
        "tool",
        "tool 3",
        "file",
        "reasoning",
        "plan",
        "status",
        "image",
        "unknown",
        "usage",
        "subagent",
        "permission",
        "permissions",
        "withdraw",
        "question",
        "questions",
        "error server",
        "refuse",
        "silent",
        "unparsed",
        "garbage",
        "ratelimit 10",
        "crash 2",
        "/compact",
        "end",
    ]
    .into_iter()
    .enumerate()
    {
        let session = format!("s{number}");
        // What is denied at once may be denied too late on a slow machine: then the agent has gone on without an answer.
        let ask = if script == "withdraw" { "--on-ask=wait" } else { "--on-ask=deny" };
        let output = env.run(&["run", "-a", "mock", "-s", &session, "--user", "ann", "--raw", ask, script]);
        let events = output.lines();
        if let Err(violations) = check_exactly(&events) {
            panic!("{script}: {violations:#?}\n{}", output.text());
        }
        for event in &events {
            types.insert(event["type"].as_str().unwrap().to_owned());
            for part in event["data"]["item"]["content"].as_array().into_iter().flatten() {
                parts.insert(part["type"].as_str().unwrap().to_owned());
                labels.extend(part["label"].as_str().map(str::to_owned));
            }
        }
        let shown = env.run(&["sessions", "show", &session]).expect(0).object();
        let session: Session = read(&shown);
        assert_eq!(session.exit_code, Some(output.code().into()), "{script}");
    }
    assert_eq!(types.len(), 13, "{types:?}");
    assert_eq!(parts.len(), 8, "{parts:?}");
    assert_eq!(labels.len(), 12, "{labels:?}");
}

#[test]
fn records_hold_what_the_contract_names_and_nothing_else() {
    let env = TestEnv::new();
    let output = env.run(&["run", "-a", "mock", "-s", "s", "--label", "a=b", "usage"]).expect(0);
    judged(&env, &output);
    let one = |words: &[&str]| env.run(words).expect(0).lines().into_iter().next().unwrap();
    read::<Session>(&one(&["sessions", "list"]));
    read::<Head>(&one(&["sessions", "export", "s"]));
    read::<UsageRecord>(&one(&["sessions", "usage"]));
    read::<Hit>(&one(&["sessions", "search", "mock"]));
    read::<Launch>(&one(&["run", "-a", "mock", "--dry-run", "hi"]));
    read::<ErrorLine>(&env.run(&["run", "-a", "nobody", "hi"]).object());
    for agent in env.run(&["agents", "list"]).expect(0).lines() {
        read::<Agent>(&agent);
    }
    read::<Install>(&env.run(&["install-agent", "mock"]).expect(0).object());
    read::<Deleted>(&one(&["sessions", "delete", "s"]));
}
