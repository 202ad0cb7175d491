//! npm packages with dependencies: a Node that is new enough, and npm, which checks every hash and runs no scripts.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::recipe::{self, Install};
use host::{Lock, Spec, Stop};
use serde_json::{Value, json};

use crate::Error;
use crate::error::file;
use crate::place::Installed;
use crate::porter::{Porter, Progress, Wish};

/// A Node and the npm that goes with it.
pub(crate) struct Node {
    pub(crate) program: PathBuf,
    npm: Npm,
}

/// How npm is started.
enum Npm {
    Program(PathBuf),
    Script(PathBuf),
}

impl Node {
    /// The system's Node where it is new enough and has npm beside it, else a private one of ours, installed at need.
    pub(crate) fn find(
        porter: &mut Porter,
        oldest: (u32, u32),
        lock: &Lock,
        progress: &mut dyn Progress,
    ) -> Result<Node, Error> {
        if let Ok(program) = host::find::program(Path::new("node"), &[])
            && let Ok(npm) = host::find::program(Path::new("npm"), &[])
            && number(&program, lock).is_some_and(|version| version >= oldest)
        {
            return Ok(Node { program, npm: Npm::Program(npm) });
        }
        if porter.platform.musl {
            return Err(Error::Impossible {
                what: "Node".to_owned(),
                why: format!(
                    "it takes Node {}.{} or newer, and there is none in the registry for musl: `apk add nodejs npm`",
                    oldest.0, oldest.1
                ),
            });
        }
        let node = private(porter, &recipe::NODE, progress)?;
        let npm = private(porter, &recipe::NPM, progress)?;
        let (program, npm) = (node.program(), Npm::Script(npm.program()));
        match number(&program, lock) {
            Some(version) if version >= oldest => Ok(Node { program, npm }),
            Some(_) | None => Err(Error::Impossible {
                what: format!("an agent that takes Node {}.{} or newer", oldest.0, oldest.1),
                why: format!("ours is {}", recipe::NODE.tested),
            }),
        }
    }

    /// npm, with these arguments, in a directory.
    fn npm(
        &self,
        args: &[&str],
        env: Vec<(String, String)>,
        dir: &Path,
        lock: &Lock,
    ) -> Result<host::capture::Captured, Error> {
        let mut variables = host::env::all();
        let mut set = |name: &str, value: OsString| {
            variables.retain(|(other, _)| other != name);
            variables.push((name.into(), value));
        };
        // npm's scripts and ours are started by this Node, whatever other there is.
        let path = host::env::var(host::env::Name::Path).unwrap_or_else(|| "/usr/bin:/bin".into());
        let own = self.program.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(own) {
            set("PATH", path);
        }
        if host::paths::home().is_none() {
            set("HOME", dir.into());
        }
        for (name, value) in env {
            set(&name, value.into());
        }
        let (program, mut all): (PathBuf, Vec<OsString>) = match &self.npm {
            Npm::Program(npm) => (npm.clone(), Vec::new()),
            Npm::Script(script) => (self.program.clone(), vec![script.into()]),
        };
        all.extend(args.iter().map(OsString::from));
        let stop = Stop { eof: Duration::ZERO, term: Duration::from_secs(2) };
        let spec = Spec { program, args: all, env: variables, dir: dir.to_owned(), stop };
        Ok(host::capture::capture(&spec, lock, Duration::from_secs(1800))?)
    }
}

/// Has npm put a package and its dependencies into `folder/package`. With a pinned tree exactly that one.
pub(crate) fn fill(
    porter: &Porter,
    node: &Node,
    package: &str,
    version: &str,
    tree: Option<&Value>,
    folder: &Path,
    lock: &Lock,
) -> Result<(), Error> {
    let inside = folder.join("package");
    fs::create_dir_all(&inside).map_err(file("create", &inside))?;
    let write = |name: &str, value: &Value| {
        let path = inside.join(name);
        fs::write(&path, value.to_string()).map_err(file("write", path))
    };
    write("package.json", &json!({ "private": true, "dependencies": { package: version } }))?;
    let verb = match tree {
        Some(tree) => {
            write("package-lock.json", tree)?;
            "ci"
        }
        None => "install",
    };
    let cache = folder.join("cache");
    let cache_flag = format!("--cache={}", cache.display());
    let args = [
        verb,
        "--ignore-scripts",
        "--engine-strict",
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--no-progress",
        "--loglevel=error",
        "--no-global",
        &cache_flag,
    ];
    let ours = matches!(node.npm, Npm::Script(_));
    let env = porter.fetcher.settings().for_npm(package, ours);
    let captured = node.npm(&args, env, &inside, lock)?;
    if captured.code != Some(0) {
        let why =
            if captured.late { "it takes longer than 30 minutes".to_owned() } else { said(&captured.stderr, &cache) };
        return Err(Error::Npm { package: format!("{package}@{version}"), why });
    }
    // It gives no warning when it takes an older version because Node is too old.
    let found = inside.join("node_modules").join(package).join("package.json");
    let manifest: Value =
        fs::read(&found).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if manifest["version"] != version {
        let why = format!("it installed {} instead", manifest["version"]);
        return Err(Error::Npm { package: format!("{package}@{version}"), why });
    }
    crate::place::remove_all(&cache)
}

/// Why npm failed: what it says of it, else (as where the disk is full) the end of its log, which goes with the folder.
fn said(stderr: &str, cache: &Path) -> String {
    let join = |lines: Vec<&str>| lines.join("; ");
    let is_reason = |line: &&str| line.starts_with("npm") && !line.contains("A complete log of this run");
    let reason = join(stderr.lines().filter(is_reason).take(6).collect());
    if !reason.is_empty() {
        return reason;
    }
    let logs = fs::read_dir(cache.join("_logs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let log = logs.max().and_then(|newest| fs::read(newest).ok()).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let last: Vec<&str> = log.lines().rev().take(6).collect();
    let all: Vec<&str> = last.into_iter().rev().chain(stderr.lines()).map(str::trim).collect();
    join(all.into_iter().filter(|line| !line.is_empty()).collect())
}

/// npm's lock of an installed tree.
pub(crate) fn lock_of(folder: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(folder.join("package/package-lock.json")).ok()?).ok()
}

/// The two lines that start a script with its Node.
pub(crate) fn write_launcher(node: &Path, script: &Path, run: &Path) -> Result<(), Error> {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    // Node asks for the user's home, which a user without an entry, as in a container, has only by the variable.
    let home = "export HOME=\"${HOME:-${SANDBOX_AGENT_HOME:-/tmp}}\"";
    let text = format!("#!/bin/sh\n{home}\nexec {} {} \"$@\"\n", quoted(node), quoted(script));
    fs::write(run, text)
        .and_then(|()| fs::set_permissions(run, fs::Permissions::from_mode(0o755)))
        .map_err(file("write", run))
}

fn private(porter: &mut Porter, install: &'static Install, progress: &mut dyn Progress) -> Result<Installed, Error> {
    let wish = Wish { install, version: None, from: None, force: false };
    Ok(porter.install(&wish, progress)?.installed)
}

fn number(node: &Path, lock: &Lock) -> Option<(u32, u32)> {
    let stop = Stop { eof: Duration::ZERO, term: Duration::ZERO };
    let spec = Spec {
        program: node.to_owned(),
        args: vec!["--version".into()],
        env: host::env::all(),
        dir: PathBuf::from("/"),
        stop,
    };
    let captured = host::capture::capture(&spec, lock, Duration::from_secs(60)).ok()?;
    let mut parts = captured.stdout.trim().trim_start_matches('v').split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_says_why_or_its_log_does() {
        let cache = tempfile::tempdir().unwrap();
        let empty = "npm error A complete log of this run can be found in: x.log\n";
        let said = |stderr| said(stderr, cache.path());
        assert_eq!(
            said("npm error code E404\nnpm error 404 Not Found\n"),
            "npm error code E404; npm error 404 Not Found"
        );
        assert_eq!(said(empty), empty.trim());
        fs::create_dir(cache.path().join("_logs")).unwrap();
        fs::write(cache.path().join("_logs/1.log"), "1 old\n").unwrap();
        fs::write(cache.path().join("_logs/2.log"), "1 http fetch\n2 error ECONNRESET\n").unwrap();
        assert_eq!(said(empty), format!("1 http fetch; 2 error ECONNRESET; {}", empty.trim()));
    }
}
