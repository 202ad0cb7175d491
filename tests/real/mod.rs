//! Real agents, installed once at a pinned version and driven against the scripted model.

mod app_server;
pub(crate) mod codex;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The one place that says which Codex the tests are for.
const CODEX: &str = "0.169.0";

/// The native program of the pinned Codex, installed from npm if need be. Nothing when the tests are to do without the network;
/// the test then has nothing to test.
pub(crate) fn codex_program() -> Option<PathBuf> {
    if std::env::var_os("SANDBOX_AGENT_TEST_OFFLINE").is_some_and(|value| value == "1") {
        // Written past the test runner, which would keep it to itself.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            std::io::stderr().write_all(b"left out: real agents (SANDBOX_AGENT_TEST_OFFLINE=1)\n").unwrap()
        });
        return None;
    }
    let folder = npm_install("codex", &format!("@openai/codex@{CODEX}"));
    // The package itself is a launcher on Node; the program is in the package for this platform, which npm chose.
    let vendors =
        list(&folder.join("node_modules/@openai")).into_iter().flat_map(|package| list(&package.join("vendor")));
    let program = vendors.map(|vendor| vendor.join("bin/codex")).find(|program| program.is_file());
    Some(program.unwrap_or_else(|| panic!("no native program in {}", folder.display())))
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// The folder of an installed npm package, kept beside the build between runs. Tests that come at once wait for the first.
fn npm_install(name: &str, package: &str) -> PathBuf {
    let agents = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("agents");
    let folder = agents.join(package.rsplit('@').next().map(|version| format!("{name}-{version}")).unwrap());
    if folder.exists() {
        return folder;
    }
    fs::create_dir_all(&agents).unwrap();
    let lock = File::create(agents.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if folder.exists() {
        return folder;
    }
    // Under its name only when it is complete.
    let partial = agents.join(format!("{name}.partial"));
    fs::create_dir_all(&partial).unwrap();
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]).arg(&partial).arg(package);
    let output = npm.output().unwrap_or_else(|error| panic!("cannot start npm, needed to install {package}: {error}"));
    assert!(output.status.success(), "npm cannot install {package}: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&partial, &folder).unwrap();
    folder
}
