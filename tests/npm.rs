//! Packages of npm's that tests drive as they are: clients of ours, and what their scripts need.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real::equipment::node;

/// Whatever they need comes with them. (A Node before 22 has no WebSocket of its own.)
const PACKAGES: [&str; 5] =
    ["@agentclientprotocol/sdk@2.4.0", "acpx@0.19.1", "sandbox-agent@0.4.2", "ws@8.18.3", "pg@8.16.3"];

/// The certificates of Debian's, which a Node that brings its own does not read.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The folder above every test's where they are, fetched the first time; nothing where tests are to do without the network.
/// That they cannot be installed fails the test.
pub(crate) fn packages() -> Option<PathBuf> {
    if crate::env::is_offline() {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(folder.join("packages.lock")).unwrap();
    lock.lock().unwrap();
    let done = folder.join("packages.done");
    if fs::read_to_string(&done).unwrap_or_default() != PACKAGES.join(" ") {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--no-package-lock"]);
        if std::env::var_os("NODE_EXTRA_CA_CERTS").is_none() && Path::new(CERTIFICATES).exists() {
            npm.env("NODE_EXTRA_CA_CERTS", CERTIFICATES);
        }
        // Nothing of it goes to the caller's home.
        npm.arg("--cache").arg(folder.join("npm-cache"));
        let output = npm.arg("--prefix").arg(folder).args(PACKAGES).output().expect("npm is needed");
        assert!(output.status.success(), "npm cannot install: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(done, PACKAGES.join(" ")).unwrap();
    }
    Some(folder.to_owned())
}

/// The Node that our own adapters run on where there is one: acpx needs a newer one than many systems have.
pub(crate) fn newest_node() -> PathBuf {
    let own = fs::read_dir(crate::real::agents().join("node")).into_iter().flatten().flatten();
    own.map(|version| version.path().join("run")).find(|node| node.exists()).unwrap_or_else(node)
}
