//! The README's Dockerfile, its steps carried out in a root that holds little more than a slim image does: no Node, no npm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::{TestEnv, is_offline, program, readme};

/// What a slim image of Debian has and agents' programs are linked with.
const LIBRARIES: [&str; 8] = [
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so.6",
    "libresolv.so.2",
];

/// In a name space of its own: as root into the root, then as nobody in particular, who cannot write and has no home.
/// (OpenCode does not start without one, so `run` gives its agents one: here the line does.)
const STEPS: &str = r#"
root=$1; install=$2; programs=$3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
chroot "$root" /bin/sh -euc "$install"
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs "$root/tmp"
for program in $programs; do
  chroot $4 "$root" /bin/sh -c 'HOME=/tmp exec "$0" --version' "/usr/local/lib/sandbox-agent/bin/$program" </dev/null
done
chroot $4 "$root" /usr/local/bin/sandbox-agent run -a mock --ephemeral -o last hello
if chroot $4 "$root" /bin/sh -c 'echo x > /usr/local/lib/sandbox-agent/x' 2>/dev/null; then exit 9; fi
"#;

/// The lines of the README's Dockerfile with this first word.
fn dockerfile(word: &str) -> Vec<&'static str> {
    readme("FROM debian").lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

fn copy(from: &Path, root: &Path, to: &str) {
    let to = root.join(to.trim_start_matches('/'));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// The libraries of the system by name, as the loader finds them.
fn library(env: &TestEnv, name: &str) -> PathBuf {
    let known = env.program(Path::new("/sbin/ldconfig")).args(&["-p"]).run().expect(0);
    let line = known.text().lines().find(|line| line.trim().starts_with(&format!("{name} ")));
    PathBuf::from(line.unwrap_or_else(|| panic!("no {name} here")).rsplit(' ').next().unwrap())
}

#[test]
fn the_dockerfile_of_the_readme_installs_agents_that_anybody_can_run() {
    if is_offline() {
        return;
    }
    let env = TestEnv::new().online();
    let root = env.root().join("image");
    for folder in ["proc", "dev", "tmp", "root", "etc", "usr/local/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for folder in [env.root(), &root] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy(Path::new(program()), &root, "/usr/local/bin/sandbox-agent");
    copy(&fs::canonicalize("/bin/sh").unwrap(), &root, "/bin/sh");
    for name in LIBRARIES {
        copy(&library(&env, name), &root, &format!("/lib/{name}"));
    }
    let loader =
        if cfg!(target_arch = "x86_64") { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };
    copy(Path::new(loader), &root, loader);
    for name in ["resolv.conf", "hosts", "nsswitch.conf", "passwd", "group"] {
        copy(&Path::new("/etc").join(name), &root, &format!("/etc/{name}"));
    }
    // What the Dockerfile's first step, ca-certificates, puts there.
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    copy(Path::new(bundle), &root, bundle);

    // The npm that we bring along goes by the system's configuration, as the system's own does.
    fs::write(root.join("etc/npmrc"), "logs-dir=/npm-logs\n").unwrap();

    let steps: Vec<&str> = dockerfile("RUN").into_iter().filter(|step| step.starts_with("sandbox-agent")).collect();
    assert!(!steps.is_empty());
    let installed = steps.iter().flat_map(|step| step.split(' ').skip(2));
    let programs: Vec<&str> = installed.map(|word| word.split('@').next().unwrap()).collect();
    assert_eq!(programs, ["codex", "claude", "opencode", "pi"]);

    let user = if nix::unistd::geteuid().is_root() { "--userspec=54321:54321" } else { "--userspec=0:0" };
    let words = [root.to_str().unwrap(), &steps.join("\n"), &programs.join(" "), user];
    let output = env.apart(STEPS, &words);
    let output = output.without("HOME").without("SANDBOX_AGENT_STORE").without("TMPDIR");
    let output = output.patience(Duration::from_secs(280)).run().expect(0);
    let text = output.text();
    for said in ["codex-cli 0.169.0\n", "(Claude Code)\n", "\n1.18.33\n", "\n0.87.1\n"] {
        assert!(text.contains(said), "{text}");
    }
    assert!(root.join("usr/local/lib/sandbox-agent/node").is_dir(), "Pi got a Node of ours");
    assert!(root.join("npm-logs").is_dir(), "npm read the system's file");
}
