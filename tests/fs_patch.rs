//! `fs patch`: what git and diff write fits, what does not fit is named, and then nothing at all is changed.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use crate::env::{Output, TestEnv, program};
use crate::fs::refused;

fn patch(env: &TestEnv, text: impl Into<Vec<u8>>, more: &[&str]) -> Output {
    env.command(&[&["fs", "patch"], more].concat()).stdin(text).run()
}

fn lines(from: usize, to: usize) -> String {
    (from..=to).map(|number| format!("line {number}\n")).collect()
}

/// Runs in `sh`; what it prints.
fn shell(env: &TestEnv, script: &str) -> String {
    let output = env.program(Path::new("/bin/sh")).args(&["-c", script]).run();
    output.text().to_owned()
}

#[test]
fn what_diff_and_git_write_fits() {
    let env = TestEnv::new();
    let work = env.work();
    fs::create_dir_all(work.join("new/sub")).unwrap();
    fs::create_dir_all(work.join("old/sub")).unwrap();
    env.write("old/many", lines(1, 200));
    env.write(
        "new/many",
        lines(1, 200).replace("line 5\n", "changed\n").replace("line 100\n", "").replace("line 190\n", "a\nb\n"),
    );
    env.write("old/no-end", "a\nb");
    env.write("new/no-end", "a\nb\n");
    env.write("old/end", "a\nb\n");
    env.write("new/end", "a\nc");
    env.write("old/gone", "x\n");
    env.write("new/sub/made", "one\ntwo\n");
    env.write("old/odd name", b"caf\xe9\nx\n");
    env.write("new/odd name", b"caf\xe9\ny\r\n");
    env.write("old/script", "#!\n");
    env.write("new/script", "#!\n");
    env.run(&["fs", "chmod", "755", "new/script"]).expect(0);
    env.write("old/from", lines(1, 30));
    env.write("new/to", lines(1, 30).replace("line 3\n", "third\n"));
    env.write("old/empty-goes", "");
    env.write("new/empty-comes", "");
    let tree = |folder: &str| {
        shell(&env, &format!("cd {folder} && find . -type f -printf '%p %m ' -exec sha256sum {{}} \\; | sort"))
    };
    // As git tells it, with everything that it has words for.
    let script = "git diff --no-index -M old new | sed 's|\\([ab]\\)/old/|\\1/|g; s|\\([ab]\\)/new/|\\1/|g;
        s|^rename from old/|rename from |; s|^rename to new/|rename to |'";
    let git = env.program(Path::new("/bin/sh")).args(&["-c", script]).run().stdout;
    let text = String::from_utf8_lossy(&git).into_owned();
    for word in
        ["rename from from", "new mode 100755", "\\ No newline", "deleted file mode", "new file mode", "--- a/many\n"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    fs::write(work.join("git.diff"), &git).unwrap();
    let before = tree("old");
    shell(&env, "cp -a old tree; cp -a old plain");
    let judged = env.run(&["fs", "-C", "tree", "patch", "--from-file", "../git.diff", "--dry-run"]).expect(0);
    assert!(judged.lines().iter().all(|line| line["changed"] == false));
    assert_eq!(tree("tree"), before);
    let done = env.run(&["fs", "-C", "tree", "patch", "--from-file", "../git.diff"]).expect(0).lines();
    let actions: Vec<String> = done
        .iter()
        .map(|line| format!("{} {}", line["action"].as_str().unwrap(), line["path"].as_str().unwrap()))
        .collect();
    assert!(actions.contains(&"move from".to_owned()) && actions.contains(&"remove gone".to_owned()), "{actions:?}");
    assert_eq!(tree("tree"), tree("new"));
    env.run(&["fs", "-C", "tree", "patch", "--from-file", "../git.diff", "--reverse"]).expect(0);
    let without_modes = |text: String| text.replace("./script 755", "./script 644");
    assert_eq!(without_modes(tree("tree")), before);
    // As diff does, where the directory is in the names, and its files may have moved on by some lines.
    let diff = shell(&env, "diff -u old/many new/many");
    env.write("plain/many", format!("{}{}", "before\n".repeat(40), lines(1, 200)));
    let more = env.command(&["fs", "-C", "plain", "patch", "--strip", "1"]).stdin(diff).run().expect(0);
    assert_eq!((more.object()["action"].as_str(), more.object()["hunks"].as_u64()), (Some("patch"), Some(3)));
    assert_eq!(env.read("plain/many"), "before\n".repeat(40) + &env.read("new/many"));
}

const TWO: &str = "--- a/one\n+++ b/one\n@@ -1,2 +1,2 @@\n line 1\n-line 2\n+second\n--- a/two\n+++ b/two\n@@ -1 +1 @@\n-wrong\n+right\n";

#[test]
fn what_does_not_fit_is_named_and_nothing_is_done() {
    let env = TestEnv::new();
    env.write("one", lines(1, 20));
    env.write("two", "two\n");
    symlink("/etc", env.work().join("out")).unwrap();
    nix::unistd::mkfifo(&env.work().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(env.work().join("folder")).unwrap();
    let before = env.run(&["fs", "ls", "--hidden"]).expect(0).lines();
    let untouched = || {
        assert_eq!(env.read("one") + &env.read("two"), lines(1, 20) + "two\n");
        assert_eq!(env.run(&["fs", "ls", "--hidden"]).expect(0).lines(), before);
    };
    // Three parts do not fit, in two files; each has its line.
    let bad = format!(
        "{TWO}--- a/one\n+++ b/one\n@@ -5 +5 @@\n-line 99\n+x\n@@ -7 +7 @@\n-line 7\n+y\n@@ -9 +9 @@\n-line 98\n+z\n"
    );
    let output = patch(&env, bad, &[]);
    let rejected: Vec<String> =
        output.lines().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!((output.code(), rejected.len()), (1, 3), "{rejected:?}");
    assert!(rejected[0].contains("two") && rejected[1].contains("hunk 1 of 3") && rejected[2].contains("hunk 3 of 3"));
    assert!(output.lines().iter().all(|line| line["code"] == "rejected"));
    untouched();
    let one = |name: &str| format!("--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-x\n+y\n");
    let new = |name: &str| format!("--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+y\n");
    for (text, code, exit) in [
        (one("missing"), "rejected", 1),
        (new("one"), "rejected", 1),
        ("--- a/one\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n".to_owned(), "rejected", 1),
        (one("fifo"), "special_file", 1),
        (one("folder"), "is_a_directory", 1),
        (one("one/x"), "not_a_directory", 1),
        (one("../outside"), "outside_root", 1),
        (new("../outside"), "outside_root", 1),
        ("--- /etc/hostname\n+++ /etc/hostname\n@@ -1 +1 @@\n-x\n+y\n".to_owned(), "outside_root", 1),
        ("no diff at all\n".to_owned(), "bad_input", 1),
        (String::new(), "bad_input", 1),
        ("--- a/one\n+++ b/one\n@@ -1,3 +1 @@\n-line 1\n".to_owned(), "bad_input", 1),
        ("--- a/one\n+++ b/one\n@@ nonsense @@\n".to_owned(), "bad_input", 1),
        ("--- a/one\n+++ b/one\n@@ -1 +1 @@\n-line 1\n?x\n".to_owned(), "bad_input", 1),
        (
            "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n".to_owned(),
            "bad_input",
            1,
        ),
        ("diff --git a/x b/x\nGIT binary patch\n".to_owned(), "bad_input", 1),
    ] {
        eprintln!("{text}");
        // A good part before it changes nothing.
        let text =
            if code == "bad_input" { text } else { format!("--- a/two\n+++ b/two\n@@ -1 +1 @@\n-two\n+2\n{text}") };
        refused(&patch(&env, text, &[]), exit, code);
        untouched();
    }
    // Under a root no link leads out.
    let mut held = TestEnv::new();
    held.write("one", "x\n");
    symlink("/etc", held.work().join("out")).unwrap();
    held.set("SANDBOX_AGENT_FS_ROOT", held.work());
    refused(&patch(&held, new("out/made-by-a-test"), &[]), 1, "outside_root");
    assert!(!Path::new("/etc/made-by-a-test").exists());
}

#[test]
fn what_cannot_be_written_is_undone() {
    let env = TestEnv::new();
    fs::create_dir_all(env.work().join("z")).unwrap();
    env.write("a", "a\n");
    env.write("z/b", "b\n");
    env.run(&["fs", "chmod", "640", "a"]).expect(0);
    let text = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+A\n--- /dev/null\n+++ b/made\n@@ -0,0 +1 @@\n+x\n--- a/z/b\n+++ b/z/b\n@@ -1 +1 @@\n-b\n+B\n";
    // What cannot be replaced, though its directory can be written: a mount point.
    let script = format!("mount --bind z/b z/b && {} fs patch --from-file text; echo $?", program());
    env.write("text", text);
    let output = env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run();
    assert!(output.text().contains("\"code\":\"busy\"") && output.text().ends_with("1\n"), "{}", output.text());
    assert_eq!((env.read("a").as_str(), env.read("z/b").as_str()), ("a\n", "b\n"));
    assert!(!env.work().join("made").exists());
    assert_eq!(fs::metadata(env.work().join("a")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(shell(&env, "find . -name '.sandbox-agent*'"), "");
    patch(&env, text, &[]).expect(0);
    assert_eq!((env.read("a").as_str(), env.read("z/b").as_str(), env.read("made").as_str()), ("A\n", "B\n", "x\n"));
    assert_eq!(fs::metadata(env.work().join("a")).unwrap().mode() & 0o777, 0o640);
}
