//! The client that npm has for the system that we replace, as it is, against our server: files, processes, configuration, agents, desktop.

use super::client::Server;
use crate::env::TestEnv;
use crate::npm::packages;
use crate::real::equipment::node;

#[test]
fn existing_clients_work_unchanged() {
    let mut env = TestEnv::new();
    let Some(packages) = packages() else { return };
    let place = env.root().join("place");
    std::fs::create_dir(&place).unwrap();
    env.set("LC_ALL", "C.UTF-8");
    env.set("BROWSER", "/usr/bin/true");
    let server = Server::start(&env);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/sdk_doors.mjs");
    let words = [packages.to_str().unwrap(), server.record["url"].as_str().unwrap(), "secret", place.to_str().unwrap()];
    let done = env.program(&node()).args(&[script]).args(&words).run().expect(0);
    assert_eq!(done.text(), "done\n");
}
