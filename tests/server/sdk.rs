//! The client that npm has for the system that we replace, as it is, against our server: files, processes, configuration, agents, desktop.

use std::process::Command;

use super::client::Server;
use crate::env::TestEnv;
use crate::real::equipment::node;

/// What is asked of the registry that npm is configured for here. A Node before 22 has no WebSocket of its own.
const PACKAGES: [&str; 2] = ["sandbox-agent@0.4.2", "ws@8.18.3"];

#[test]
fn existing_clients_work_unchanged() {
    let mut env = TestEnv::new();
    let (packages, place) = (env.root().join("packages"), env.root().join("place"));
    for folder in [&packages, &place] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(packages.join("package.json"), "{}").unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--cache"]).arg(env.root().join("npm-cache"));
    let installed = npm.args(PACKAGES).current_dir(&packages).output().unwrap();
    assert!(installed.status.success(), "npm: {}", String::from_utf8_lossy(&installed.stderr));
    env.set("LC_ALL", "C.UTF-8");
    env.set("BROWSER", "/usr/bin/true");
    let server = Server::start(&env);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/sdk_doors.mjs");
    let words = [packages.to_str().unwrap(), server.record["url"].as_str().unwrap(), "secret", place.to_str().unwrap()];
    let done = env.program(&node()).args(&[script]).args(&words).run().expect(0);
    assert_eq!(done.text(), "done\n");
}
