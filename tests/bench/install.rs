//! Installing an agent: `install-agent` beside `npm install --global` of the same version, each from nothing.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::program::since;
use crate::table::{Row, Sample, Unit, mib, ms};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Our name, and the package that its vendor tells people to install.
const AGENTS: [(&str, &str); 3] =
    [("codex", "@openai/codex"), ("claude", "@anthropic-ai/claude-code"), ("opencode", "opencode-ai")];

/// What an installation came to.
struct Cost {
    wall: f64,
    fetched: f64,
    kept: f64,
}

pub(crate) fn measure(effort: &Effort, _history: &History) {
    for (agent, package) in AGENTS {
        let mut version = String::new();
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..effort.rounds(3, 1) {
            eprintln!("  {agent}");
            ours.push(by_us(agent, &mut version));
            theirs.push(by_npm(&format!("{package}@{version}")));
        }
        let sample = |costs: &[Cost], of: fn(&Cost) -> f64| Sample::new(costs.iter().map(of));
        let row = |what: &str, of: fn(&Cost) -> f64, unit: Unit| {
            let (ours, theirs) = (sample(&ours, of), sample(&theirs, of));
            let ratio = Sample::new([ours.median() / theirs.median()]);
            let what = format!("`install-agent {agent}@{version}`, {what}");
            Row::new(what, &ours, unit).beside("`npm install --global`", &theirs, unit).ratio(&ratio).print();
        };
        row("wall", |cost| cost.wall, ms);
        row("fetched", |cost| cost.fetched, mib);
        row("on the disk", |cost| cost.kept, mib);
    }
}

fn by_us(agent: &str, version: &mut String) -> Cost {
    let env = TestEnv::new().online();
    let place = env.root().join("agents");
    let began = Instant::now();
    let install = env.command(&["install-agent", agent]).var("SANDBOX_AGENT_AGENTS_DIR", &place);
    let record: Value = install.patience(std::time::Duration::from_secs(300)).run().expect(0).object();
    let wall = since(began);
    record["version"].as_str().unwrap().clone_into(version);
    Cost { wall, fetched: record["bytes"].as_f64().unwrap() / MIB, kept: size(&place) }
}

fn by_npm(package: &str) -> Cost {
    let env = TestEnv::new();
    let (prefix, cache) = (env.root().join("prefix"), env.root().join("cache"));
    let began = Instant::now();
    // With the registry that npm is configured for here, as ours is.
    let mut npm = Command::new("npm");
    npm.args(["install", "--global", "--no-audit", "--no-fund", "--prefix"]).arg(&prefix).arg("--cache").arg(&cache);
    let status = npm.arg(package).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let wall = since(began);
    assert!(status.success(), "npm install {package}: {status}");
    Cost { wall, fetched: size(&cache.join("_cacache/content-v2")), kept: size(&prefix) }
}

const MIB: f64 = (1 << 20) as f64;

/// What lies below a folder, in MiB.
fn size(folder: &Path) -> f64 {
    let mut sum = 0.0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            sum += size(&entry.path());
        } else if kind.is_file() {
            sum += entry.metadata().unwrap().len() as f64 / MIB;
        }
    }
    sum
}
