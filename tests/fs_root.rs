//! Attempts to leave the root of `fs`, a process that swaps directories for links among them; none may succeed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::env::{TestEnv, rounds, wait_until};

/// `root` is where the verbs may work; `outside` holds what they must neither read nor change.
fn prison() -> TestEnv {
    let mut env = TestEnv::new();
    for folder in ["root/sub/deep", "root/own", "outside/tree"] {
        fs::create_dir_all(env.work().join(folder)).unwrap();
    }
    env.write("outside/secret", "TOP-SECRET");
    env.write("outside/tree/leaf", "TOP-SECRET");
    env.write("root/own/file", "own");
    env.write("root/file", "own");
    let packed = env.run(&["fs", "download", "root/own", "--format", "tar"]).expect(0).stdout;
    env.write("root/archive", packed);
    let outside = env.work().join("outside");
    for (target, link) in [
        ("../outside", "out"),
        ("../../outside", "sub/out"),
        ("../../../outside", "sub/deep/out"),
        ("../outside/secret", "secret"),
        ("out", "chain"),
        ("sub/../../outside", "dots"),
        ("/proc/self/root", "magic"),
        ("/proc/self/cwd", "here"),
    ] {
        symlink(target, env.work().join("root").join(link)).unwrap();
    }
    symlink(&outside, env.work().join("root/absolute")).unwrap();
    env.set("SANDBOX_AGENT_FS_ROOT", env.work().join("root"));
    env
}

/// Everything outside, as it must stay.
fn outside_is_untouched(env: &TestEnv) {
    let list = env.command(&["fs", "find", "outside"]).without("SANDBOX_AGENT_FS_ROOT").run().expect(0);
    let paths: Vec<String> = list.lines().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths, ["outside/secret", "outside/tree", "outside/tree/leaf"]);
    assert_eq!(env.read("outside/secret") + &env.read("outside/tree/leaf"), "TOP-SECRETTOP-SECRET");
    assert!(!env.work().join("escaped").exists());
}

#[test]
fn no_path_and_no_link_leads_out() {
    let env = prison();
    let outside = env.work().join("outside");
    let outside = outside.to_str().unwrap();
    let ways = [
        "../outside",
        "sub/../../outside",
        "own/../../outside",
        "out",
        "sub/out",
        "sub/deep/out",
        "chain",
        "dots",
        "absolute",
        outside,
        "./../outside",
        "magic/../outside",
    ];
    let mut attempts = 0;
    for way in ways {
        let secret = format!("{way}/secret");
        let new = format!("{way}/new");
        let end = "\\ No newline at end of file\n";
        env.write(
            "root/change.diff",
            format!("--- {secret}\n+++ {secret}\n@@ -1 +1 @@\n-TOP-SECRET\n{end}+gone\n{end}"),
        );
        env.write("root/new.diff", format!("--- /dev/null\n+++ {new}\n@@ -0,0 +1 @@\n+evil\n"));
        for words in [
            &["ls", way, "--recursive"][..],
            &["read", &secret],
            &["stat", &secret],
            &["hash", &secret],
            &["write", &secret, "-"],
            &["write", &new, "-"],
            &["write", &new, "--from-file", "file"],
            &["write", "own/stolen", "--from-file", &secret],
            &["write", "--append", &secret, "-"],
            &["rm", &secret],
            &["mkdir", &new],
            &["mv", &secret, "own/stolen"],
            &["mv", "file", &new],
            &["cp", &secret, "own/stolen"],
            &["cp", "file", &new],
            &["ln", "--hard", &secret, "own/stolen"],
            &["ln", "file", &new],
            &["chmod", "777", &secret],
            &["touch", &secret],
            &["touch", &new],
            &["grep", "TOP", way],
            &["grep", "TOP", &secret],
            &["download", way, "--format", "tar"],
            &["download", &secret, "--format", "tar"],
            &["upload", way, "--from-file", "archive"],
            &["upload", &new, "--from-file", "archive"],
            &["upload", "own/new", "--from-file", &secret],
            &["watch", way, "--timeout", "10ms"],
            &["watch", &secret, "--timeout", "10ms"],
            &["patch", "--from-file", "change.diff"],
            &["patch", "--from-file", "new.diff"],
            &["patch", "--from-file", &secret],
        ] {
            let mut all = vec!["fs"];
            all.extend(words);
            let output = env.run(&all);
            // (Not even a watch that only waits.)
            assert!(![0, 124].contains(&output.code()), "{all:?}: {}", output.text());
            assert!(!output.text().contains("TOP-SECRET"), "{all:?}");
            attempts += 1;
        }
    }
    for words in [
        &["fs", "read", "secret"][..],
        &["fs", "write", "secret", "-"],
        &["fs", "chmod", "777", "secret"],
        &["fs", "touch", "secret"],
        &["fs", "ln", "../../outside", "own/link"],
        &["fs", "ln", "/etc", "own/link"],
        &["fs", "read", "/etc/hostname"],
        &["fs", "read", "magic/etc/hostname"],
        &["fs", "read", "here/outside/secret"],
        &["fs", "-C", "out", "read", "secret"],
        &["fs", "-C", "..", "read", "outside/secret"],
        &["fs", "rm", "out/tree", "--recursive"],
    ] {
        let output = env.run(words);
        assert_ne!(output.code(), 0, "{words:?}: {}", output.text());
        assert!(!output.text().contains("TOP-SECRET"), "{words:?}");
        attempts += 1;
    }
    eprintln!("{attempts} attempts, 0 escapes");
    assert!(attempts >= 40);
    fs::remove_file(env.work().join("root/change.diff")).unwrap();
    // What goes through a tree takes links for links.
    let listed = env.run(&["fs", "ls", "--recursive"]).expect(0);
    assert!(!listed.text().contains("leaf"), "{}", listed.text());
    assert!(!env.run(&["fs", "download", ".", "--format", "tar"]).expect(0).text().contains("TOP-SECRET"));
    assert!(!env.run(&["fs", "grep", "TOP", "."]).expect(1).text().contains("TOP-SECRET"));
    let _ = env.run(&["fs", "cp", "sub", "copy", "--recursive"]).expect(0);
    let _ = env.run(&["fs", "rm", "copy", "--recursive"]).expect(0);
    let _ = env.run(&["fs", "rm", "out", "--recursive"]).expect(0);
    assert!(!env.work().join("root/own/stolen").exists());
    // And what lies inside is reached, by its absolute path too.
    let own = env.work().join("root/own/file");
    assert_eq!(env.run(&["fs", "read", own.to_str().unwrap()]).expect(0).stdout, b"own");
    assert_eq!(env.run(&["fs", "read", "sub/../own/./file"]).expect(0).stdout, b"own");
    outside_is_untouched(&env);
}

/// Ten seconds where there are many rounds.
#[test]
fn whoever_swaps_a_directory_for_a_link_wins_nothing() {
    let env = prison();
    let time = Duration::from_secs(if rounds(3) >= 100 { 10 } else { 2 });
    let root = env.work().join("root");
    fs::create_dir(root.join("d")).unwrap();
    fs::create_dir(root.join("d/tree")).unwrap();
    env.write("root/new.diff", "--- /dev/null\n+++ d/made-by-patch\n@@ -0,0 +1 @@\n+evil\n");
    symlink("../outside", root.join("swap")).unwrap();
    let mut attacker = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "fs_root::attacker"])
        .env("ROOT_TO_ATTACK", &root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let count = || fs::metadata(root.join("swaps")).map_or(0, |data| data.len());
    wait_until("the attacker to begin", || (count() > 0).then_some(()));
    let mut attempts = 0;
    let mut beaten = 0;
    let end = Instant::now() + time;
    // However slow the machine is: each verb a few times.
    while Instant::now() < end || attempts < 60 {
        for words in [
            &["fs", "read", "d/secret"][..],
            &["fs", "write", "d/made", "--from-file", "file"],
            &["fs", "touch", "d/secret"],
            &["fs", "rm", "d/tree", "--recursive"],
            &["fs", "mkdir", "d/tree/new"],
            &["fs", "cp", "d/tree", "own/copy", "--recursive", "--overwrite"],
            &["fs", "cp", "file", "d/secret", "--overwrite"],
            &["fs", "mv", "d/secret", "own/moved", "--overwrite"],
            &["fs", "ls", ".", "--recursive"],
            &["fs", "grep", "TOP", "d"],
            &["fs", "grep", "TOP", "."],
            &["fs", "patch", "--from-file", "new.diff"],
            &["fs", "download", "d", "--format", "tar"],
            &["fs", "upload", "d/made-too", "--from-file", "archive"],
            &["fs", "upload", "d", "--from-file", "archive", "--overwrite"],
        ] {
            let output = env.run(words);
            assert!(!output.text().contains("TOP-SECRET") && !output.text().contains("leaf"), "{words:?}");
            beaten += usize::from(output.text().contains("outside_root"));
            attempts += 1;
        }
    }
    // It ends with its input, and says how often it swapped.
    drop(attacker.stdin.take());
    assert!(attacker.wait().unwrap().success());
    eprintln!("{attempts} attempts, {} swaps, {beaten} met the link, 0 escapes", count());
    assert!(count() > 1000 && beaten > 0);
    assert!(!root.join("own/copy/leaf").exists());
    outside_is_untouched(&env);
}

/// Swaps a directory for a link without a pause, and notes how often, as the length of a file.
#[test]
#[ignore = "the process that attacks in another test"]
fn attacker() {
    let root = PathBuf::from(std::env::var_os("ROOT_TO_ATTACK").unwrap());
    let (directory, link) = (root.join("d"), root.join("swap"));
    let swaps = fs::File::create(root.join("swaps")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ends = over.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        ends.store(true, Ordering::Relaxed);
    });
    for count in 1.. {
        renameat2(AT_FDCWD, &directory, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE).unwrap();
        if count == 1 || count % 1024 == 0 {
            swaps.set_len(count).unwrap();
        }
        if over.load(Ordering::Relaxed) {
            return swaps.set_len(count).unwrap();
        }
    }
}
