//! Installing agents from a registry on loopback: good packages, broken ones, hostile ones; kills and rivals; what `run` makes of it.

mod bare;
pub(crate) mod registry;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::contract;
use crate::env::{Output, TestEnv, program, rounds};
use registry::{Archive, Manner, Registry, package, program_path, script};

/// An environment whose agents come from a registry of its own.
pub(crate) fn start() -> (TestEnv, Registry) {
    let registry = Registry::start();
    let mut env = TestEnv::new().online();
    env.set("SANDBOX_AGENT_AGENTS_DIR", agents(&env));
    env.set("SANDBOX_AGENT_MIRROR", registry.address());
    (env, registry)
}

fn agents(env: &TestEnv) -> PathBuf {
    env.root().join("agents")
}

pub(crate) fn offer(registry: &Registry, version: &str) {
    registry.offer(&package(version), Archive::good(version).pack(), Manner::Well);
}

/// What the launcher in `bin` says of its version.
fn says(env: &TestEnv) -> String {
    let output = env.program(&agents(env).join("bin/codex")).args(&["--version"]).run().expect(0);
    output.text().trim().to_owned()
}

fn record(output: &Output) -> Value {
    let record = output.object();
    contract::read::<contract::Install>(&record);
    record
}

/// Fails with this code, and says why on both streams.
fn refused(output: Output, code: i32, why: &str) {
    let output = output.expect(code);
    let record = record(&output);
    assert_eq!(record["status"], "failed");
    assert_eq!(record["error"]["exit_code"], code);
    let message = record["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("failed to ") && message.contains(why), "{message}");
    assert!(output.stderr.contains(why), "{}", output.stderr);
}

/// Names in an agent's folder that are no version: debris.
fn debris(env: &TestEnv) -> Vec<String> {
    let names = fs::read_dir(agents(env).join("codex")).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_good_package_is_installed_used_verified_and_removed() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    let output = env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    let made = record(&output);
    assert_eq!((made["status"].as_str(), made["version"].as_str()), (Some("installed"), Some("1.0.0")));
    assert!(made["bytes"].as_u64().unwrap() > 600_000);
    assert!(fs::read_dir(env.root().join("tmp")).unwrap().next().is_none(), "what it unpacked went with its home");
    assert_eq!(says(&env), "codex-cli 1.0.0");
    assert!(debris(&env).is_empty() && fs::read_dir(agents(&env).join(".partial")).unwrap().next().is_none());
    // Everyone may read it.
    let program = PathBuf::from(made["program"].as_str().unwrap());
    for path in program.ancestors().take_while(|path| path.starts_with(agents(&env))) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o755, "{}", path.display());
    }

    registry.requests();
    let again = env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    assert_eq!(record(&again)["status"], "already_installed");
    assert!(registry.requests().is_empty(), "what is there needs no network");
    let shown = env.run(&["agents", "show", "codex"]).expect(0).object();
    contract::read::<contract::Agent>(&shown);
    assert_eq!((shown["found"].as_str(), shown["version"].as_str()), (Some("installed"), Some("1.0.0")));
    let launch = env.run(&["run", "-a", "codex", "--dry-run", "hi"]).expect(0).object();
    assert_eq!(launch["program"], made["program"]);

    contract::read::<contract::Verified>(&env.run(&["agents", "verify"]).expect(0).object());
    fs::write(&program, "#!/bin/sh\necho codex-cli 1.0.0 # and more\n").unwrap();
    fs::write(program.with_file_name("stranger"), "").unwrap();
    let wrong = env.run(&["agents", "verify", "codex"]).expect(1).object();
    let wrong = wrong["wrong"].as_array().unwrap();
    assert!(wrong.len() == 2 && wrong[0].as_str().unwrap().ends_with("bin/codex: changed"), "{wrong:?}");
    assert!(wrong[1].as_str().unwrap().ends_with("stranger: not installed by us"), "{wrong:?}");
    env.run(&["install-agent", "codex@1.0.0", "--force"]).expect(0);
    env.run(&["agents", "verify", "codex"]).expect(0);

    env.run(&["agents", "uninstall", "codex"]).expect(0);
    assert!(!agents(&env).join("bin/codex").exists() && debris(&env).is_empty());
    env.run(&["agents", "uninstall", "codex"]).expect(3);
}

#[test]
fn what_is_there_already_costs_next_to_nothing() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    let fastest = (0..10).map(|_| env.run(&["install-agent", "codex@1.0.0"]).expect(0).took).min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn a_wrong_hash_is_refused_before_anything_is_unpacked() {
    let (env, registry) = start();
    registry.offer(&package("1.0.0"), Archive::good("1.0.0").pack(), Manner::WrongHash);
    refused(env.run(&["install-agent", "codex@1.0.0"]), 1, "failed to trust http://");
    assert!(!agents(&env).join("codex/1.0.0").exists() && !agents(&env).join("bin/codex").exists());
    assert!(debris(&env).is_empty(), "{:?}", debris(&env));
    // The bad download is not taken up again.
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
}

#[test]
fn a_broken_download_is_taken_up_where_it_ended() {
    let (env, registry) = start();
    let tarball = Archive::good("1.0.0").pack();
    registry.offer(&package("1.0.0"), tarball.clone(), Manner::Truncated(200_000));
    // Each try gets on, so it comes to an end.
    let output = env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    assert_eq!(record(&output)["bytes"], tarball.len());
    let ranges: Vec<String> = registry.requests().into_iter().filter_map(|(_, range)| range).collect();
    assert_eq!(ranges.first().map(String::as_str), Some("bytes=200000-"), "{ranges:?}");

    registry.offer(&package("2.0.0"), tarball.clone(), Manner::Truncated(0));
    refused(env.run(&["install-agent", "codex@2.0.0"]), 75, "(5 tries)");
    assert_eq!(says(&env), "codex-cli 1.0.0");
    // A later process goes on as well.
    let part = fs::read_dir(agents(&env).join(".partial/codex")).unwrap().next().unwrap().unwrap().path();
    fs::write(&part, &tarball[..300_000]).unwrap();
    registry.requests();
    registry.offer(&package("2.0.0"), tarball, Manner::Well);
    env.run(&["install-agent", "codex@2.0.0"]).expect(0);
    assert!(registry.requests().iter().any(|(_, range)| range.as_deref() == Some("bytes=300000-")));
}

#[test]
fn a_part_of_something_else_is_thrown_away() {
    let (env, registry) = start();
    registry.offer(&package("1.0.0"), Archive::good("1.0.0").pack(), Manner::Truncated(0));
    env.run(&["install-agent", "codex@1.0.0"]).expect(75);
    let part = fs::read_dir(agents(&env).join(".partial/codex")).unwrap().next().unwrap().unwrap().path();
    for length in [10_000, 5_000_000] {
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, vec![7; length]).unwrap();
        offer(&registry, "1.0.0");
        env.run(&["install-agent", "codex@1.0.0", "--force"]).expect(0);
        assert_eq!(says(&env), "codex-cli 1.0.0");
    }
}

#[test]
fn errors_redirects_and_slowness_are_survived() {
    let (env, registry) = start();
    for (version, manner) in [("1.0.0", Manner::Failing(2)), ("1.1.0", Manner::Redirected), ("1.2.0", Manner::Slow)] {
        registry.offer(&package(version), Archive::good(version).pack(), manner);
        env.run(&["install-agent", &format!("codex@{version}")]).expect(0);
        assert_eq!(says(&env), format!("codex-cli {version}"));
    }
    registry.offer(&package("1.3.0"), Archive::good("1.3.0").pack(), Manner::Failing(99));
    refused(env.run(&["install-agent", "codex@1.3.0"]), 75, "the server answers 500");
}

#[test]
fn hostile_archives_are_refused_and_the_old_version_stays() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    let outside = env.root().join("evil");
    let absolute = outside.to_str().unwrap();
    let good = || Archive::good("2.0.0");
    let up = "package/../../../../evil";
    let cases: Vec<(&str, Archive, &str)> = vec![
        ("up", good().file(up, b"x"), "leads out of the directory by `..`"),
        ("absolute", good().file(absolute, b"x"), "is an absolute path"),
        (
            "through",
            good().entry("package/door", b'2', "sub", 0, b"").file("package/door/evil", b"x"),
            "would be written through a link",
        ),
        ("out", good().entry("package/door", b'2', "../../../..", 0, b""), "is a link out of the directory"),
        ("out by a link", good().entry("package/door", b'2', "sub/../..", 0, b""), "is a link out of the directory"),
        ("out absolutely", good().entry("package/door", b'2', absolute, 0, b""), "is a link out of the directory"),
        ("hard", good().entry("package/door", b'1', "/etc/passwd", 0, b""), "is a link out of the directory"),
        ("device", good().entry("package/null", b'3', "", 0, b""), "a device node"),
        ("pipe", good().entry("package/pipe", b'6', "", 0, b""), "a pipe"),
        ("big", good().entry("package/big", b'0', "", 10 << 30, b"x"), "would take more than 4 GiB"),
        ("absurd", good().entry("package/big", b'0', "", u64::MAX >> 1, b"x"), "would take more than 4 GiB"),
        ("long name", good().entry("package/x", b'L', "", 1 << 30, b"x"), "it has a header of 1073741824 bytes"),
        ("cut", Archive::new().entry(&program_path(), b'0', "", 100_000, b"x"), "unpack @openai/codex"),
        ("empty", Archive::new().file("package/README.md", b"x"), "there is no codex in it"),
    ];
    for (case, archive, why) in cases {
        registry.offer(&package("2.0.0"), archive.pack(), Manner::Well);
        refused(env.run(&["install-agent", "codex@2.0.0"]), 1, why);
        assert!(!outside.exists() && debris(&env).is_empty(), "{case}");
        assert_eq!(says(&env), "codex-cli 1.0.0", "{case}");
    }
    registry.offer(&package("2.0.0"), b"no archive at all".to_vec(), Manner::Well);
    refused(env.run(&["install-agent", "codex@2.0.0"]), 1, "unpack @openai/codex");
    // Links inside are fine.
    let archive =
        good().entry("package/link", b'2', "padding", 0, b"").entry("package/hard", b'1', "package/padding", 0, b"");
    registry.offer(&package("2.0.0"), archive.pack(), Manner::Well);
    env.run(&["install-agent", "codex@2.0.0"]).expect(0);
    assert_eq!(says(&env), "codex-cli 2.0.0");
    assert!(agents(&env).join("codex/2.0.0/package/link").is_symlink());
}

/// Upstream's script installed x86-64 programs on ARM, and said nothing (#149).
#[test]
fn a_program_for_another_machine_or_that_does_not_run_is_refused() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    let mut foreign = fs::read(program()).unwrap();
    foreign.truncate(200_000);
    let (code, name) = if cfg!(target_arch = "x86_64") { (183, "aarch64") } else { (62, "x86_64") };
    foreign[18] = code;
    let why = format!("it is built for {name}, and this machine is {}", std::env::consts::ARCH);
    let failing: &[u8] = b"#!/bin/sh\necho no such luck >&2\nexit 3\n";
    for (program, why) in
        [(&foreign[..], why.as_str()), (failing, "it ends with 3: no such luck"), (b"hello", "neither a Linux program")]
    {
        registry.offer(&package("2.0.0"), Archive::with(program).pack(), Manner::Well);
        refused(env.run(&["install-agent", "codex@2.0.0"]), 1, why);
        assert_eq!(says(&env), "codex-cli 1.0.0");
    }
}

/// Upstream's `--all` stopped at the first failure and mixed JSON with log lines (B1-17); its `agents install` printed an
/// echo, installed nothing and exited with 0 (B1-01).
#[test]
fn all_goes_on_after_a_failure_and_says_so_for_each() {
    let (env, registry) = start();
    offer(&registry, "0.169.0");
    let output = env.run(&["install-agent", "--all"]).expect(1);
    let records = output.lines();
    let of = |name: &str| records.iter().find(|record| record["agent"] == name).unwrap();
    assert_eq!(of("codex")["status"], "installed");
    assert_eq!(of("mock")["status"], "already_installed");
    let claude = &of("claude")["error"];
    assert!(claude["message"].as_str().unwrap().contains("there is no such version"), "{claude}");
    assert!(records.iter().filter(|record| record["status"] == "failed").count() >= 5);
    assert!(!output.stderr.contains('{'), "{}", output.stderr);
    let listed = env.run(&["agents", "list", "--installed"]).expect(0).lines();
    let names: Vec<&str> = listed.iter().map(|agent| agent["agent"].as_str().unwrap()).collect();
    assert!(names.contains(&"codex") && names.contains(&"mock") && !names.contains(&"opencode"), "{names:?}");
    env.run(&["agents", "install", "codex"]).expect(2);
    // A stranger's package has the name of Cursor's program; ours is never looked for in the registry.
    registry.requests();
    refused(env.run(&["install-agent", "cursor"]), 1, "name one");
    assert!(registry.requests().is_empty());
}

#[test]
fn versions_stand_side_by_side() {
    let (env, registry) = start();
    for version in ["1.9.0", "1.10.0"] {
        offer(&registry, version);
        env.run(&["install-agent", &format!("codex@{version}")]).expect(0);
    }
    let used = |agent: &str| {
        let launch = env.run(&["run", "-a", agent, "--no-install", "--dry-run", "hi"]).expect(0).object();
        let program = PathBuf::from(launch["program"].as_str().unwrap());
        program.strip_prefix(agents(&env).join("codex")).unwrap().iter().next().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(used("codex"), "1.10.0");
    assert_eq!(used("codex@1.9.0"), "1.9.0");
    env.run(&["agents", "use", "codex@1.9.0"]).expect(0);
    assert_eq!((used("codex"), says(&env)), ("1.9.0".to_owned(), "codex-cli 1.9.0".to_owned()));
    env.run(&["agents", "use", "codex@3.0.0"]).expect(3);
    env.run(&["agents", "uninstall", "codex@1.9.0"]).expect(0);
    assert_eq!((used("codex"), says(&env)), ("1.10.0".to_owned(), "codex-cli 1.10.0".to_owned()));
    let output = env.run(&["run", "-a", "codex@1.9.0", "--no-install", "hi"]).expect(127);
    assert!(output.stderr.contains("sandbox-agent install-agent codex@1.9.0"), "{}", output.stderr);

    registry.offer("@openai/codex@1.11.0", Vec::new(), Manner::Well);
    let newer = env.run(&["agents", "list", "--outdated"]).expect(0).object();
    assert_eq!(newer["latest"], "1.11.0");
}

#[test]
fn a_missing_agent_is_installed_at_its_first_use() {
    let (mut env, registry) = start();
    offer(&registry, "0.169.0");
    for (variable, words) in [("SANDBOX_AGENT_OFFLINE", &["hi"][..]), ("NOTHING", &["--no-install", "hi"])] {
        let mut arguments = vec!["run", "-a", "codex"];
        arguments.extend(words);
        let output = env.command(&arguments).var(variable, "1").run().expect(127);
        assert_eq!(output.object()["code"], "not_installed");
        assert!(output.stderr.contains("sandbox-agent install-agent codex"), "{}", output.stderr);
    }
    refused(env.command(&["install-agent", "codex"]).var("SANDBOX_AGENT_OFFLINE", "1").run(), 127, "it is not here");
    assert!(registry.requests().is_empty());
    // It is no real Codex, and ends at once.
    let output = env.run(&["run", "-a", "codex", "hi"]).expect(1);
    assert!(output.stderr.contains("installing it now"), "{}", output.stderr);
    assert_eq!(says(&env), "codex-cli 0.169.0");
    // What somebody else installed is used as it is.
    env.run(&["agents", "uninstall", "codex"]).expect(0);
    let folder = env.root().join("programs");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("codex"), script("7")).unwrap();
    fs::set_permissions(folder.join("codex"), fs::Permissions::from_mode(0o755)).unwrap();
    env.add_to_path(&folder);
    let launch = env.run(&["run", "-a", "codex", "--dry-run", "hi"]).expect(0).object();
    assert_eq!(launch["found"], "found on PATH");
}

#[test]
fn a_lock_file_demands_versions_and_hashes() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    offer(&registry, "2.0.0");
    env.run(&["install-agent", "codex@1.0.0", "--lock", "agents.lock"]).expect(0);
    env.run(&["agents", "uninstall", "codex"]).expect(0);
    refused(env.run(&["install-agent", "codex@2.0.0", "--locked", "agents.lock"]), 1, "the lock file demands 1.0.0");
    let output = env.run(&["install-agent", "--locked", "agents.lock"]).expect(0);
    assert_eq!(record(&output)["version"], "1.0.0");
    env.run(&["agents", "uninstall", "codex"]).expect(0);
    // The same version, and its own true hash, but not what was locked.
    let other = Archive::good("1.0.0").file("package/more", b"more").pack();
    registry.offer(&package("1.0.0"), other, Manner::Well);
    refused(env.run(&["install-agent", "--locked", "agents.lock"]), 1, "it demands @openai/codex");
    refused(env.run(&["install-agent", "claude", "--locked", "agents.lock"]), 1, "it does not name claude");
    env.write("agents.lock", "{}");
    env.run(&["install-agent", "--locked", "agents.lock"]).expect(1);
}

#[test]
fn a_file_a_program_and_a_directory_need_no_network() {
    let (mut env, registry) = start();
    env.set("SANDBOX_AGENT_OFFLINE", "1");
    env.write("codex.tgz", Archive::good("1.0.0").pack());
    env.write("codex", script("2.0.0"));
    fs::create_dir(env.work().join("folder")).unwrap();
    env.write("folder/codex", script("3.0.0"));
    for (from, version) in [("codex.tgz", "1.0.0"), ("codex", "2.0.0"), ("folder", "3.0.0")] {
        let output = env.run(&["install-agent", "codex", "--from", from]).expect(0);
        assert_eq!(record(&output)["version"], version);
        assert_eq!(says(&env), format!("codex-cli {version}"));
    }
    assert!(registry.requests().is_empty());
    refused(env.run(&["install-agent", "codex", "--from", "missing"]), 3, "missing");
    env.run(&["install-agent", "codex", "claude", "--from", "codex"]).expect(2);
}

#[test]
fn npms_configuration_names_registry_and_token() {
    let (env, registry) = start();
    registry.offer(&package("1.0.0"), Archive::good("1.0.0").pack(), Manner::ForToken("abc"));
    let own = |env: &TestEnv| env.command(&["install-agent", "codex@1.0.0"]).without("SANDBOX_AGENT_MIRROR");
    let place = registry.address().strip_prefix("http:").unwrap();
    fs::write(env.home().join(".npmrc"), format!("@openai:registry={}/\n", registry.address())).unwrap();
    refused(own(&env).run(), 1, "the server answers 401");
    let text = format!("@openai:registry={}/\n{place}/:_authToken=${{TOKEN}}\n", registry.address());
    fs::write(env.home().join(".npmrc"), text).unwrap();
    own(&env).var("TOKEN", "abc").run().expect(0);
    env.run(&["agents", "uninstall", "codex"]).expect(0);
    // A dead proxy is asked, unless the address is excepted.
    let proxied = |no_proxy: &str| {
        own(&env).var("TOKEN", "abc").var("HTTP_PROXY", "http://127.0.0.1:1").var("NO_PROXY", no_proxy).run()
    };
    assert_eq!(proxied("").code(), 75);
    proxied("127.0.0.1").expect(0);
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "nobody"]).expect(2);
    env.run(&["install-agent"]).expect(2);
    refused(env.run(&["install-agent", "codex@9.9.9"]), 1, "there is no such version");
    for version in ["../x", ".", ""] {
        refused(env.run(&["install-agent", &format!("codex@{version}")]), 1, "there is no such version");
    }
    env.run(&["agents", "show", "nobody"]).expect(2);
}

/// Steps of an installation, in their order.
const STEPS: [&str; 7] = ["locked", "fetched", "verified", "unpacked", "tried", "written", "placed"];

/// After a kill the old version works, or the new one, and the next attempt succeeds and leaves no debris.
fn check_after_kill(env: &TestEnv, killed_at: &str) {
    env.wait_until_none_is_alive();
    let version = says(env);
    let shown = env.run(&["agents", "show", "codex"]).expect(0).object();
    assert!(version == "codex-cli 1.0.0" || version == "codex-cli 2.0.0", "{killed_at}: {version}");
    let used = PathBuf::from(shown["program"].as_str().unwrap());
    let used = env.program(&used).run().expect(0);
    assert!(used.text().starts_with("codex-cli "), "{killed_at}");
    env.run(&["agents", "verify"]).expect(0);
    env.run(&["install-agent", "codex@2.0.0", "--force"]).expect(0);
    assert_eq!(says(env), "codex-cli 2.0.0", "{killed_at}");
    assert!(debris(env).is_empty(), "{killed_at}: {:?}", debris(env));
    env.run(&["agents", "verify"]).expect(0);
    env.run(&["agents", "uninstall", "codex@2.0.0"]).expect(0);
}

#[test]
fn a_killed_installation_leaves_the_old_version_and_no_debris_that_counts() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    offer(&registry, "2.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    for round in 0..rounds(2).div_ceil(2) {
        for step in STEPS {
            let kill = format!("{step}:{}", if step == "fetched" { round + 1 } else { 1 });
            let output = env.command(&["install-agent", "codex@2.0.0"]).var("SANDBOX_AGENT_TEST_KILL", &kill).run();
            // Later pieces of a download may not exist.
            if step != "fetched" || round == 0 {
                assert_eq!(output.code(), 137, "{kill}");
            }
            check_after_kill(&env, &kill);
            // The same version, installed over itself.
            let again = &["install-agent", "codex@1.0.0", "--force"];
            env.command(again).var("SANDBOX_AGENT_TEST_KILL", format!("{step}:1")).run().expect(137);
            env.wait_until_none_is_alive();
            assert_eq!(says(&env), "codex-cli 1.0.0", "{step}");
        }
    }
}

#[test]
fn a_kill_at_any_moment_is_survived() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    registry.offer(&package("2.0.0"), Archive::good("2.0.0").pack(), Manner::Well);
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    for round in 0..rounds(2) {
        let running = env.command(&["install-agent", "codex@2.0.0"]).spawn();
        // The moment is what this test varies.
        std::thread::sleep(Duration::from_millis((round as u64 * 7) % 90));
        running.signal(nix::sys::signal::Signal::SIGKILL);
        drop(running.wait());
        check_after_kill(&env, &format!("round {round}"));
    }
}

#[test]
fn several_at_once_do_it_once() {
    let (env, registry) = start();
    registry.offer(&package("1.0.0"), Archive::good("1.0.0").pack(), Manner::Slow);
    let rivals: Vec<_> = (0..4).map(|_| env.command(&["install-agent", "codex@1.0.0"]).spawn()).collect();
    let statuses: Vec<String> = rivals
        .into_iter()
        .map(|rival| record(&rival.wait().expect(0))["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses.iter().filter(|status| *status == "installed").count(), 1, "{statuses:?}");
    let fetched = registry.requests().into_iter().filter(|(path, _)| path.starts_with("/-/")).count();
    assert_eq!(fetched, 1);
}

/// What an image does: installed by root, run by anybody, from a root that cannot be written, without a home.
#[test]
fn installed_by_one_it_runs_for_everyone() {
    let (env, registry) = start();
    offer(&registry, "1.0.0");
    env.run(&["install-agent", "codex@1.0.0"]).expect(0);
    // The way there belongs to this test's owner.
    for path in agents(&env).ancestors() {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        if mode & 0o001 == 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o001)).unwrap();
        }
    }
    let launcher = agents(&env).join("bin/codex");
    // Only root can become somebody else.
    let other: &[&str] = &["--reuid=54321", "--regid=54321", "--clear-groups"];
    let other = if nix::unistd::geteuid().is_root() { other } else { &[] };
    let output = env.program(Path::new("/usr/bin/setpriv")).args(other).args(&[launcher.to_str().unwrap()]);
    assert_eq!(output.without("HOME").run().expect(0).text(), "codex-cli 1.0.0\n");
}
