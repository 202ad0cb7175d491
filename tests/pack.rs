//! What is released: each package is built, installed into an empty root and run there; `install.sh`, with everything that can go wrong.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::env::{Output, Program, TestEnv, is_offline, program, readme};
use crate::model::{Model, Reply};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MACHINE: &str = std::env::consts::ARCH;
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// In a name space of its own, in a root that has what every container has: processes and devices.
const INSIDE: &str = r#"
root=$1; shift
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/home"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
"#;

/// A release of the program under test, made for all tests of one run together.
fn release() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pack");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let (program, out, done) = (program(), folder.join("dist"), folder.join("done"));
    let mut made_of: Vec<PathBuf> = vec![program.into(), "README.md".into(), "LICENSE".into(), "pack".into()];
    made_of.extend(
        ["pack/release", "pack/install.sh", "pack/npm/launcher.sh", "pack/docker", "man", "completions"]
            .map(PathBuf::from),
    );
    let state = made_of.iter().map(|path| {
        let about = fs::metadata(Path::new(ROOT).join(path)).unwrap();
        format!("{} {} {:?}\n", path.display(), about.len(), about.modified().unwrap())
    });
    let state: String = state.collect();
    if fs::read_to_string(&done).unwrap_or_default() != state {
        // What a debug build has for debuggers is most of it.
        let small = folder.join("program");
        let strip = Command::new("strip").arg("-o").arg(&small).arg(program).output().expect("strip is needed");
        assert!(strip.status.success(), "{}", String::from_utf8_lossy(&strip.stderr));
        pack(&small, &out);
        fs::write(done, state).unwrap();
    }
    out
}

fn pack(program: &Path, out: &Path) {
    let mut release = Command::new(Path::new(ROOT).join("pack/release"));
    release.arg("--fast").arg("--binary").arg(format!("{MACHINE}={}", program.display())).arg("--out").arg(out);
    let output = release.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn archive() -> String {
    format!("sandbox-agent-{VERSION}-{MACHINE}-linux.tar.gz")
}

/// What this machine is called elsewhere: by npm, by Debian.
fn names() -> (&'static str, &'static str) {
    if MACHINE == "x86_64" { ("x64", "amd64") } else { ("arm64", "arm64") }
}

/// An environment that others may look into, with an empty root in it.
fn start() -> (TestEnv, PathBuf) {
    let env = TestEnv::new();
    let root = env.root().join("image");
    fs::create_dir(&root).unwrap();
    for folder in [env.root(), &root] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The program under test may be one that needs libraries; the released one needs none.
    let needed = Command::new("ldd").arg(program()).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    for word in needed.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(&word[1..]);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(word, to).unwrap();
    }
    (env, root)
}

fn inside(env: &TestEnv, root: &Path, words: &[&str]) -> Program {
    let all: Vec<&str> = [root.to_str().unwrap()].into_iter().chain(words.iter().copied()).collect();
    let program = env.apart(INSIDE, &all);
    program.var("HOME", "/home").var("PATH", SYSTEM).without("SANDBOX_AGENT_STORE").without("TMPDIR")
}

const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A turn of the mock, its stream from another process, the list of sessions: with nothing in the root but what was installed.
fn it_works(env: &TestEnv, root: &Path, program: &str) {
    let version = inside(env, root, &[program, "--version"]).run().expect(0);
    assert_eq!(version.text(), format!("sandbox-agent {VERSION}\n"));
    let run = inside(env, root, &[program, "run", "-a", "mock", "-s", "one", "tool"]).run().expect(0);
    assert_eq!(run.lines().last().unwrap()["type"], "turn.ended");
    let stream = inside(env, root, &[program, "stream", "one"]).run().expect(0);
    assert_eq!(stream.stdout, run.stdout);
    let sessions = inside(env, root, &[program, "sessions", "list"]).run().expect(0);
    assert_eq!(sessions.object()["session_id"], "one");
    inside(env, root, &[program, "run", "-a", "mock", "-s", "two", "crash 3"]).run().expect(1);
}

/// The manual pages and completions are there, as they are in the repository.
fn extras_are(share: &Path, zsh: &str) {
    let mut pages = 0;
    for page in fs::read_dir(Path::new(ROOT).join("man")).unwrap() {
        let page = page.unwrap();
        let name = page.file_name().into_string().unwrap();
        let plain = share.join("man/man1").join(&name);
        let found = fs::read(&plain).unwrap_or_else(|_| unpacked(&share.join(format!("man/man1/{name}.gz"))));
        assert!(found == fs::read(page.path()).unwrap(), "{name}");
        pages += 1;
    }
    assert!(pages > 20);
    let bash = ["sandbox-agent", "sandbox-agent.bash"].map(|name| share.join("bash-completion/completions").join(name));
    let bash = bash.into_iter().find(|path| path.exists()).expect("completions for bash");
    let others = [(zsh, "_sandbox-agent"), ("fish/vendor_completions.d", "sandbox-agent.fish")];
    let others = others.map(|(folder, name)| (share.join(folder).join(name), name));
    for (path, name) in [[(bash, "sandbox-agent.bash")].as_slice(), &others].concat() {
        let ours = fs::read(Path::new(ROOT).join("completions").join(name)).unwrap();
        assert!(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) == ours);
    }
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut plain = Vec::new();
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut plain).unwrap();
    plain
}

/// Serves the files of a folder on loopback until the test ends: whole, or only so much of the archive.
fn serve(folder: &Path, at_most: Option<usize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let folder = folder.clone();
            std::thread::spawn(move || answer(stream, &folder, at_most));
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, at_most: Option<usize>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap().trim_start_matches('/');
    let Ok(body) = fs::read(folder.join(path)) else {
        // That the client has gone is its own affair, here and below.
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    };
    let shown = at_most.filter(|_| path.ends_with(".gz")).unwrap_or(body.len()).min(body.len());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body[..shown]].concat());
}

/// A PATH that has these programs of the system and no other.
fn path_of(env: &TestEnv, programs: &[&str]) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("path-").tempdir_in(env.root()).unwrap().keep();
    for program in programs {
        let found = SYSTEM.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
        symlink(found.unwrap_or_else(|| panic!("{program} is needed")), folder.join(program)).unwrap();
    }
    folder
}

/// What `install.sh` needs besides something to download with.
const NEEDED: [&str; 10] = ["uname", "mktemp", "tar", "gzip", "cat", "chmod", "mkdir", "mv", "rm", "sha256sum"];

fn install(env: &TestEnv, shell: &[&str], arguments: &[&str]) -> Program {
    let script = Path::new(ROOT).join("pack/install.sh");
    let words = [&shell[1..], &[script.to_str().unwrap()], arguments].concat();
    env.program(Path::new(shell[0])).args(&words)
}

const DASH: &[&str] = &["/bin/dash"];
const SHELLS: [&[&str]; 3] = [DASH, &["/usr/bin/busybox", "sh"], &["/bin/bash", "--posix"]];

/// Nothing but what is named lies in the folder: no debris.
fn holds(folder: &Path, names: &[&str]) {
    let found =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), names.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn the_script_installs_with_each_shell_and_downloader() {
    let (env, root) = start();
    let dist = release();
    let served = serve(&dist, None);
    let local = dist.to_str().unwrap();
    let file = format!("file://{local}");
    let ways: [(&[&str], &str); 4] = [(&["curl"], &served), (&["wget"], &served), (&[], local), (&[], &file)];
    for (at, shell) in SHELLS.iter().enumerate() {
        for (way, (programs, base)) in ways.iter().enumerate() {
            let to = root.join(format!("opt/{at}{way}/bin"));
            let path = path_of(&env, &[&NEEDED, *programs].concat());
            let script = install(&env, shell, &["--from", base, "--to", to.to_str().unwrap()]).var("PATH", path);
            let output = script.run().expect(0);
            let said = format!("sandbox-agent {VERSION} is installed: {}/sandbox-agent\n", to.display());
            assert!(output.text().starts_with(&said) && output.text().contains("is not in PATH"), "{}", output.text());
            holds(&to, &["sandbox-agent"]);
            assert_eq!(fs::metadata(to.join("sandbox-agent")).unwrap().permissions().mode() & 0o7777, 0o755);
            extras_are(&to.join("../share"), "zsh/site-functions");
        }
    }
    it_works(&env, &root, "/opt/00/bin/sandbox-agent");
}

/// Puts all programs of busybox there.
fn with_busybox(env: &TestEnv, root: &Path) {
    for folder in ["bin", "usr/local/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    inside(env, root, &["/bin/busybox", "--install", "-s", "/bin"]).run().expect(0);
}

/// A system as Alpine's is, but of Debian's packages: busybox, no other program, no C library for anybody.
#[test]
fn the_script_installs_where_there_is_only_busybox() {
    let (env, root) = start();
    with_busybox(&env, &root);
    let dist = root.join("release");
    fs::create_dir(&dist).unwrap();
    for name in ["SHA256SUMS", "install.sh", &archive()] {
        fs::copy(release().join(name), dist.join(name)).unwrap();
    }
    let served = serve(&dist, None);
    // As on a web site: piped into the shell, here with busybox's own wget.
    let line = format!("wget -q -O- {served}/install.sh | SANDBOX_AGENT_BASE_URL={served} sh");
    let output = inside(&env, &root, &["/bin/sh", "-c", &line]).run().expect(0);
    assert_eq!(output.text(), format!("sandbox-agent {VERSION} is installed: /usr/local/bin/sandbox-agent\n"));
    it_works(&env, &root, "/usr/local/bin/sandbox-agent");
}

/// The same with musl's C library, which is all that an Alpine root has besides: agents are installed that are linked with it. (OpenCode's
/// needs two libraries more, `apk add libgcc libstdc++`.) Each step timed on stderr.
#[test]
fn a_real_agent_answers_where_the_c_library_is_musl() {
    let needed = Command::new("ldd").arg(program()).output().unwrap();
    if needed.status.success() && !String::from_utf8_lossy(&needed.stdout).contains("statically linked") {
        // With a C library of its own this would be another system. CI comes again with the program that is released.
        assert!(std::env::var_os("SANDBOX_AGENT_TEST_PROGRAM").is_none(), "what is released is static");
        return;
    }
    if is_offline() {
        return;
    }
    let (env, root) = start();
    let env = env.online();
    with_busybox(&env, &root);
    let loader = format!("lib/ld-musl-{MACHINE}.so.1");
    fs::create_dir(root.join("lib")).unwrap();
    fs::copy(Path::new("/").join(&loader), root.join(&loader)).expect("musl's C library is needed");
    fs::create_dir_all(root.join("etc/ssl/certs")).unwrap();
    for name in ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"] {
        fs::copy(Path::new("/").join(name), root.join(name)).unwrap();
    }
    let began = Instant::now();
    let step = |what: &str| eprintln!("after {:.1} s: {what}", began.elapsed().as_secs_f64());
    let (dist, script) = (release(), Path::new(ROOT).join("pack/install.sh"));
    let to = root.join("usr/local/bin");
    let place = ["--from", dist.to_str().unwrap(), "--to", to.to_str().unwrap()];
    env.program(Path::new("/bin/sh")).args(&[&[script.to_str().unwrap()], &place[..]].concat()).run().expect(0);
    step("installed");
    let online =
        |words: &[&str]| inside(&env, &root, &[&["sandbox-agent"], words].concat()).patience(Duration::from_secs(280));
    let mock = online(&["run", "-a", "mock", "-o", "last", "hello"]).run().expect(0);
    assert_eq!(mock.text(), "mock: hello\n");
    step("a turn of the mock");
    for (agent, made_for) in [("codex", "vendor/x86_64-unknown-linux-musl/"), ("claude", "claude-code-linux-x64-musl")]
    {
        let record = online(&["install-agent", agent]).run().expect(0).object();
        assert!(record.to_string().contains(made_for), "{record}");
        step(&format!("{agent} installed"));
    }
    let model = Model::start([Reply::new().text("Hello from musl.")]);
    let run = online(&["run", "-a", "claude", "Say hello"]).var("ANTHROPIC_BASE_URL", model.url());
    let run = run.var("ANTHROPIC_API_KEY", "sk-scripted-key").var("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    let run = run.run().expect(0);
    assert_eq!(run.lines().last().unwrap()["data"]["final_text"], "Hello from musl.");
    step("a turn of Claude Code");
}

#[test]
fn the_script_takes_the_version_that_is_asked_for() {
    let (env, root) = start();
    let base = env.root().join("site");
    let old = base.join(format!("v{VERSION}"));
    fs::create_dir_all(&old).unwrap();
    for name in ["SHA256SUMS", &archive()] {
        fs::copy(release().join(name), old.join(name)).unwrap();
    }
    let served = serve(&base, None);
    let to = root.join("bin");
    let ask = |from: &str, version: &str| {
        install(&env, DASH, &["--from", from, "--to", to.to_str().unwrap(), "--version", version]).run()
    };
    let dist = release();
    for (from, version) in
        [(served.as_str(), VERSION), (&served, &format!("v{VERSION}")), (dist.to_str().unwrap(), VERSION)]
    {
        ask(from, version).expect(0);
        holds(&to, &["sandbox-agent"]);
        fs::remove_file(to.join("sandbox-agent")).unwrap();
    }
    let output = ask(dist.to_str().unwrap(), "9.9.9").expect(1);
    assert!(output.stderr.contains(&format!("has no version 9.9.9 for {MACHINE}")), "{}", output.stderr);
    assert!(ask(&served, "9.9.9").expect(1).stderr.contains("/SHA256SUMS"));
    holds(&to, &[]);
}

#[test]
fn the_script_says_what_is_wrong_and_leaves_what_was_there() {
    let (env, _) = start();
    let dist = env.root().join("dist");
    fs::create_dir(&dist).unwrap();
    for name in ["SHA256SUMS", &archive()] {
        fs::copy(release().join(name), dist.join(name)).unwrap();
    }
    let to = env.root().join("there/bin");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("sandbox-agent"), "the old one").unwrap();
    let (from, to_word) = (dist.to_str().unwrap(), to.to_str().unwrap());
    let all = ["--from", from, "--to", to_word];
    let refused = |program: Program, why: &str| {
        let output = program.run().expect(1);
        assert!(output.stderr.contains("error: ") && output.stderr.contains(why), "{}", output.stderr);
        assert_eq!(output.text(), "");
        holds(&to, &["sandbox-agent"]);
        assert_eq!(fs::read_to_string(to.join("sandbox-agent")).unwrap(), "the old one");
    };
    for shell in SHELLS {
        let usual = |arguments: &[&str]| install(&env, shell, arguments);
        refused(usual(&["--to", to_word]), "where the release is was not said");
        refused(usual(&["--from"]), "--from wants a value");
        refused(usual(&["--everything"]), "unknown argument: --everything");
        refused(usual(&["--from", "/nowhere/at/all", "--to", to_word]), "cannot get /nowhere/at/all/SHA256SUMS");
        let short = serve(&dist, Some(100_000));
        refused(usual(&["--from", &short, "--to", to_word]), "cannot get http://127");
        refused(usual(&["--from", "http://127.0.0.1:1", "--to", to_word]), "cannot get http://127.0.0.1:1/SHA256SUMS");
        // The checksum of another file, of a part of it, of nothing.
        let whole = fs::read(dist.join(archive())).unwrap();
        let mut other = whole.clone();
        other[whole.len() / 2] ^= 1;
        for bytes in [&other[..], &whole[..whole.len() / 2], b""] {
            fs::write(dist.join(archive()), bytes).unwrap();
            refused(usual(&all), "is not what was published");
        }
        fs::write(dist.join(archive()), whole).unwrap();
        // Debian's static busybox is all of these programs, whatever the PATH.
        if shell[0].ends_with("busybox") {
            continue;
        }
        refused(usual(&all).var("PATH", "/nowhere"), "needs uname");
        refused(usual(&all).var("PATH", path_of(&env, &NEEDED[..9])), "no sha256sum, shasum or openssl");
        let address = serve(&dist, None);
        let served = ["--from", &address, "--to", to_word];
        refused(usual(&served).var("PATH", path_of(&env, &NEEDED)), "neither curl nor wget");
        for (flag, machine, why) in
            [("-m", "riscv64", "no binary for riscv64"), ("-s", "Darwin", "no binary for Darwin")]
        {
            let path = path_of(&env, &[&NEEDED[1..], &["sh"]].concat());
            let script =
                format!("#!/bin/sh\ncase $1 in {flag}) echo {machine} ;; -s) echo Linux ;; *) echo x86_64 ;; esac\n");
            fs::write(path.join("uname"), script).unwrap();
            fs::set_permissions(path.join("uname"), fs::Permissions::from_mode(0o755)).unwrap();
            refused(usual(&all).var("PATH", path), why);
        }
        for downloader in ["curl", "wget"] {
            let path = path_of(&env, &[&NEEDED[..], &[downloader]].concat());
            refused(usual(&["--from", &short, "--to", to_word]).var("PATH", path), "cannot get http://127");
        }
    }
    // Where it may not write: as nobody, if this is root.
    let closed = env.root().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    for below in [closed.clone(), closed.join("new/bin")] {
        let script = Path::new(ROOT).join("pack/install.sh");
        let script = fs::read_to_string(script).unwrap();
        let mut words = vec!["-s", "--", "--from", from, "--to", below.to_str().unwrap()];
        let shell = if nix::unistd::geteuid().is_root() {
            words.splice(0..0, ["--reuid=54321", "--regid=54321", "--clear-groups", "/bin/sh"]);
            "/usr/bin/setpriv"
        } else {
            "/bin/sh"
        };
        let output = env.program(Path::new(shell)).args(&words).stdin(script).run().expect(1);
        assert!(output.stderr.contains("cannot ") && output.stderr.contains("--to"), "{}", output.stderr);
    }
    holds(&closed, &[]);
}

#[test]
fn a_script_that_was_cut_does_nothing() {
    let (env, _) = start();
    let script = fs::read_to_string(Path::new(ROOT).join("pack/install.sh")).unwrap();
    let to = env.root().join("to");
    let dist = release();
    let run = |bytes: &str, shell: &[&str]| {
        let words =
            [&shell[1..], &["-s", "--", "--from", dist.to_str().unwrap(), "--to", to.to_str().unwrap()]].concat();
        env.program(Path::new(shell[0])).args(&words).stdin(bytes).run()
    };
    let end = script.trim_end().len();
    let cuts = (0..end).filter(|cut| script.is_char_boundary(*cut) && (cut % 61 == 0 || cut + 40 > end));
    for cut in cuts {
        for shell in &SHELLS[..2] {
            let output = run(&script[..cut], shell);
            assert!(output.text().is_empty() && !to.exists(), "cut at {cut}: {}", output.text());
        }
    }
    run(&script, DASH).expect(0);
    assert!(to.join("sandbox-agent").exists());
}

#[test]
fn the_package_for_debian_installs_into_an_empty_root_and_goes_again() {
    let (env, root) = start();
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let package = release().join(format!("sandbox-agent_{VERSION}_{}.deb", names().1));
    let dpkg = |words: &[&str]| {
        let root = format!("--root={}", root.display());
        let words = [&[root.as_str(), "--force-not-root", "--force-architecture"], words].concat();
        env.program(Path::new("/usr/bin/dpkg")).args(&words).run().expect(0)
    };
    dpkg(&["--install", package.to_str().unwrap()]);
    it_works(&env, &root, "/usr/bin/sandbox-agent");
    extras_are(&root.join("usr/share"), "zsh/vendor-completions");
    let documents = root.join("usr/share/doc/sandbox-agent");
    let copyright = fs::read_to_string(documents.join("copyright")).unwrap();
    assert!(copyright.contains("License: Expat\n Permission is hereby granted"), "{copyright}");
    assert!(unpacked(&documents.join("README.md.gz")) == fs::read(Path::new(ROOT).join("README.md")).unwrap());
    dpkg(&["--verify", "sandbox-agent"]);
    dpkg(&["--purge", "sandbox-agent"]);
    assert!(!root.join("usr/bin/sandbox-agent").exists() && !documents.exists());
}

/// The system's Python, whose pip installs into a new environment there.
fn virtual_environment(env: &TestEnv, place: &Path) -> Program {
    let python = || env.program(Path::new("/usr/bin/python3"));
    python().args(&["-m", "venv", "--without-pip", place.to_str().unwrap()]).run().expect(0);
    python().var("PIP_PYTHON", place).var("PIP_DISABLE_PIP_VERSION_CHECK", "1")
}

#[test]
fn the_wheel_puts_the_program_where_pip_puts_programs() {
    let (env, root) = start();
    let place = root.join("opt");
    let dist = release();
    let pip = virtual_environment(&env, &place).args(&["-m", "pip", "install", "--no-index"]);
    pip.args(&["--find-links", dist.to_str().unwrap(), "sandbox-agent-static"]).run().expect(0);
    it_works(&env, &root, "/opt/bin/sandbox-agent");
    extras_are(&place.join("share"), "zsh/site-functions");
    // pip checks no sums of what a wheel says of itself; we do.
    let find = |ending: &str| {
        let words = [place.to_str().unwrap(), "-path", ending];
        let found = env.program(Path::new("/usr/bin/find")).args(&words).run().expect(0);
        PathBuf::from(found.text().trim())
    };
    let record = fs::read_to_string(find("*sandbox_agent_static-*.dist-info/RECORD")).unwrap();
    assert!(record.lines().count() > 25 && record.contains("bin/sandbox-agent,sha256="), "{record}");
    let tags = fs::read_to_string(find("*sandbox_agent_static-*.dist-info/WHEEL")).unwrap();
    for libc in ["manylinux_2_17", "manylinux2014", "musllinux_1_1"] {
        assert!(tags.contains(&format!("\nTag: py3-none-{libc}_{MACHINE}\n")), "{tags}");
    }
}

/// What a registry says of a package: what its own `package.json` does, and where its bytes are.
fn offer(registry: &Path, address: &str, name: &str) {
    let file = format!("{name}-{VERSION}.tgz");
    let bytes = fs::read(release().join(&file)).unwrap();
    let mut archive = tar(&bytes, "package/package.json");
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha512::digest(&bytes));
    archive["dist"] = json!({ "tarball": format!("{address}/{file}"), "integrity": format!("sha512-{hash}") });
    let about = json!({ "name": name, "dist-tags": { "latest": VERSION }, "versions": { VERSION: archive } });
    fs::write(registry.join(name), about.to_string()).unwrap();
    fs::write(registry.join(file), bytes).unwrap();
}

/// A JSON file in an archive.
fn tar(archive: &[u8], name: &str) -> Value {
    let mut tar = Command::new("tar")
        .args(["-xzO", name])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = tar.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // It may have read enough.
        scope.spawn(move || drop(stdin.write_all(archive)));
        tar.wait_with_output().unwrap()
    });
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn npm_installs_the_package_for_this_machine_and_its_command_becomes_the_program() {
    let (env, root) = start();
    let registry = env.root().join("registry");
    fs::create_dir(&registry).unwrap();
    let address = serve(&registry, None);
    let package = format!("sandbox-agent-static-linux-{}", names().0);
    offer(&registry, &address, "sandbox-agent-static");
    offer(&registry, &address, &package);
    let npm = |words: &[&str]| {
        let all = [&["npm", "--no-audit", "--no-fund", "--registry", &address], words].concat();
        env.program(Path::new("/usr/bin/env")).args(&all).run()
    };
    let usr = root.join("usr");
    npm(&["install", "--global", "--prefix", usr.to_str().unwrap(), "sandbox-agent-static"]).expect(0);
    let modules = usr.join("lib/node_modules/sandbox-agent-static/node_modules");
    holds(
        &modules,
        &[".package-lock.json", &package].into_iter().filter(|name| modules.join(name).exists()).collect::<Vec<_>>(),
    );
    assert!(modules.join(&package).exists());
    for name in fs::read_dir(Path::new(ROOT).join("man")).unwrap() {
        assert!(usr.join("share/man/man1").join(name.unwrap().file_name()).exists());
    }

    // Its command is a line of shell: that is all that it needs of the root.
    with_busybox(&env, &root);
    it_works(&env, &root, "/usr/bin/sandbox-agent");

    // It has become the program: signals reach that, and its end is the command's.
    let command = usr.join("bin/sandbox-agent");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut run = env.program(&command).args(&["run", "-a", "mock", "hang"]).spawn();
        run.wait_for("the start of the turn", |line| line["type"] == "turn.started");
        let exe = fs::read_link(format!("/proc/{}/exe", run.pid())).unwrap();
        assert!(exe.ends_with(format!("{package}/bin/sandbox-agent")), "{}", exe.display());
        run.signal(signal);
        let output = run.wait();
        assert_eq!(output.signal(), Some(signal));
        assert_eq!(output.lines().last().unwrap()["data"]["outcome"], "cancelled");
    }
    env.program(&command).args(&["stream", "nothing"]).run().expect(3);

    // In a project, where the packages lie side by side.
    let project = env.root().join("project");
    fs::create_dir(&project).unwrap();
    npm(&["install", "--prefix", project.to_str().unwrap(), "sandbox-agent-static"]).expect(0);
    let local = project.join("node_modules/.bin/sandbox-agent");
    env.program(&local).args(&["run", "-a", "mock", "hello"]).run().expect(0);
    fs::remove_dir_all(project.join("node_modules").join(&package)).unwrap();
    let output = env.program(&local).args(&["--version"]).run().expect(127);
    assert!(output.stderr.contains(&format!("{package} is not installed")), "{}", output.stderr);
}

/// Each line as it stands there, in the folder of a release; variables of the tools lead what is global elsewhere.
#[test]
fn the_lines_of_the_readme_install() {
    let (env, root) = start();
    let dist = release();
    let served = serve(&dist, None);
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let block = readme("sh install.sh --from").replace("_amd64", &format!("_{}", names().1));
    let block = block.replace("linux-x64", &format!("linux-{}", names().0));
    let lines: Vec<&str> = block.lines().collect();
    let [script, dpkg, pip, npm] = lines[..] else { panic!("a line without a test here: {lines:?}") };
    let (npm_place, pip_place) = (root.join("npm"), root.join("pip"));
    drop(virtual_environment(&env, &pip_place));
    let lines = [
        (script.to_owned(), env.home().join(".local/bin")),
        (dpkg.to_owned(), root.join("usr/bin")),
        (format!("pip() {{ /usr/bin/python3 -m pip \"$@\"; }}; {pip}"), pip_place.join("bin")),
        (npm.to_owned(), npm_place.join("bin")),
    ];
    for (line, folder) in lines {
        let line = format!("cd {}; {line}", dist.display());
        let shell = env.program(Path::new("/bin/sh")).args(&["-euc", &line]);
        let shell = shell.var("DPKG_ROOT", &root).var("DPKG_FORCE", "not-root,architecture");
        let shell = shell.var("PIP_PYTHON", &pip_place).var("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        shell.var("npm_config_prefix", &npm_place).var("npm_config_registry", &served).run().expect(0);
        let version = env.program(&folder.join("sandbox-agent")).args(&["--version"]).run().expect(0);
        assert_eq!(version.text(), format!("sandbox-agent {VERSION}\n"), "{line}");
    }
}

#[test]
fn a_release_is_the_same_bytes_each_time_and_its_sums_are_right() {
    let (env, _) = start();
    let dist = release();
    let again = env.root().join("again");
    pack(&dist.parent().unwrap().join("program"), &again);
    let names = |folder: &Path| -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(&dist), names(&again));
    assert_eq!(names(&dist).len(), 9, "{:?}", names(&dist));
    for name in names(&dist) {
        assert!(fs::read(dist.join(&name)).unwrap() == fs::read(again.join(&name)).unwrap(), "{name} is another one");
    }
    let check = format!("cd {} && sha256sum --strict --check SHA256SUMS", dist.display());
    let checked: Output = env.program(Path::new("/bin/sh")).args(&["-c", &check]).run().expect(0);
    assert_eq!(checked.text().lines().count(), names(&dist).len() - 1);
}
