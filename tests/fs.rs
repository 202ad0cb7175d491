//! The verbs of `fs` against kinds of files, states and errors; the defects of upstream by number; kills at any moment.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use serde_json::Value;

use crate::env::{Output, TestEnv, program, rounds};

/// The error line, which also stands on stderr.
pub(crate) fn refused(output: &Output, exit_code: i32, code: &str) {
    assert_eq!(output.code(), exit_code, "{}\n{}", output.text(), output.stderr);
    let line = output.lines().pop().unwrap_or_else(|| panic!("no line: {}", output.stderr));
    assert_eq!((line["type"].as_str(), line["code"].as_str()), (Some("error"), Some(code)), "{line}");
    assert!(line["path"].is_string() && line["exit_code"] == exit_code, "{line}");
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
}

pub(crate) fn one(output: Output) -> Value {
    let lines = output.expect(0).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

/// One of each kind, and the states that make trouble.
fn zoo(env: &TestEnv) {
    env.write("file", "content");
    fs::create_dir(env.work().join("directory")).unwrap();
    env.write("directory/below", "below");
    fs::create_dir(env.work().join("empty")).unwrap();
    for (target, name) in [("file", "link"), ("nowhere", "dangling"), ("loop", "loop"), ("directory", "directory-link")]
    {
        symlink(target, env.work().join(name)).unwrap();
    }
    nix::unistd::mkfifo(&env.work().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    drop(std::os::unix::net::UnixListener::bind(env.work().join("socket")).unwrap());
}

#[test]
fn each_verb_meets_each_kind_of_file() {
    let env = TestEnv::new();
    zoo(&env);
    let long = "n".repeat(256);
    let deep = "d/".repeat(2100) + "f";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["read", "missing"], 3, "not_found"),
        (&["read", "directory"], 1, "is_a_directory"),
        (&["read", "file/x"], 1, "not_a_directory"),
        (&["read", "dangling"], 3, "not_found"),
        (&["read", "loop"], 1, "loop"),
        (&["read", "fifo"], 1, "special_file"),
        (&["read", "socket"], 1, "special_file"),
        (&["read", "/dev/null"], 1, "special_file"),
        (&["read", &long], 1, "name_too_long"),
        (&["read", &deep], 1, "name_too_long"),
        (&["stat", "missing"], 3, "not_found"),
        (&["stat", &long], 1, "name_too_long"),
        (&["ls", "file"], 1, "not_a_directory"),
        (&["ls", "missing"], 3, "not_found"),
        (&["ls", ".", "--glob", "a[", "-o", "ndjson"], 2, "usage"),
        (&["hash", "fifo"], 1, "special_file"),
        (&["hash", "directory"], 1, "is_a_directory"),
        (&["write", "directory", "-"], 1, "is_a_directory"),
        (&["write", "file/below", "-"], 1, "not_a_directory"),
        (&["write", "fifo", "-"], 1, "special_file"),
        (&["write", "--append", "fifo", "-"], 1, "special_file"),
        (&["write", "loop", "-"], 1, "loop"),
        (&["write", &long, "-"], 1, "name_too_long"),
        (&["write", "--if-absent", "file", "-"], 1, "exists"),
        (&["write", "--if-hash", "00", "file", "-"], 1, "changed"),
        (&["write", "new", "--from-file", "missing"], 3, "not_found"),
        (&["rm", "missing"], 3, "not_found"),
        (&["rm", "directory"], 1, "not_empty"),
        (&["rm", "directory", "--dry-run"], 1, "not_empty"),
        (&["rm", ".."], 2, "usage"),
        (&["mkdir", "file"], 1, "not_a_directory"),
        (&["mkdir", "file/x"], 1, "not_a_directory"),
        (&["mv", "missing", "new"], 3, "not_found"),
        (&["mv", "file", "link"], 1, "exists"),
        (&["mv", "file", "directory", "--overwrite"], 1, "is_a_directory"),
        (&["mv", "directory", "file", "--overwrite"], 1, "not_a_directory"),
        (&["mv", "directory", "directory/inside"], 2, "usage"),
        (&["cp", "missing", "new"], 3, "not_found"),
        (&["cp", "directory", "new"], 1, "is_a_directory"),
        (&["cp", "directory", "directory/inside", "--recursive"], 2, "usage"),
        (&["cp", "fifo", "new"], 1, "special_file"),
        (&["cp", "file", "link"], 1, "exists"),
        (&["ln", "file", "link"], 1, "exists"),
        (&["ln", "--hard", "missing", "new"], 3, "not_found"),
        (&["chmod", "600", "missing"], 3, "not_found"),
        (&["touch", "file/x"], 1, "not_a_directory"),
        (&["grep", "x", "fifo"], 1, "special_file"),
        (&["grep", "x", "dangling"], 3, "not_found"),
        (&["grep", "x", "loop"], 1, "loop"),
        (&["grep", "x", &long], 1, "name_too_long"),
        (&["grep", "x", &deep], 1, "name_too_long"),
        (&["download", "missing"], 3, "not_found"),
        (&["watch", "missing"], 3, "not_found"),
        (&["watch", "dangling"], 3, "not_found"),
        (&["watch", "loop"], 1, "loop"),
        (&["watch", &long], 1, "name_too_long"),
        (&["watch", "file/x"], 1, "not_a_directory"),
        (&["watch", ".", "--glob", "a["], 2, "usage"),
        (&["patch", "--from-file", "missing"], 3, "not_found"),
        (&["patch", "--from-file", "fifo"], 1, "special_file"),
        (&["patch", "--from-file", "file"], 1, "bad_input"),
        (&["download", "dangling"], 3, "not_found"),
        (&["download", "socket"], 1, "special_file"),
        (&["download", "loop"], 1, "loop"),
        (&["download", &long], 1, "name_too_long"),
        (&["upload", "file"], 1, "not_a_directory"),
        (&["upload", "file/x"], 1, "not_a_directory"),
        (&["upload", "dangling"], 1, "exists"),
        (&["upload", "loop"], 1, "loop"),
        (&["upload", "fifo"], 1, "not_a_directory"),
        (&["upload", "empty", "--from-file", "file"], 1, "bad_input"),
        (&["upload", "empty", "--from-file", "missing"], 3, "not_found"),
        (&["upload", "empty", "--from-file", "fifo"], 1, "special_file"),
        (&["upload", &long], 1, "name_too_long"),
    ];
    let before = listing(&env);
    for (words, exit_code, code) in cases {
        let mut all = vec!["fs"];
        all.extend(*words);
        eprintln!("{all:.200?}");
        refused(&env.run(&all), *exit_code, code);
    }
    assert_eq!(listing(&env), before, "nothing was changed");
    let kinds: Vec<(String, String)> = env
        .run(&["fs", "ls"])
        .expect(0)
        .lines()
        .iter()
        .map(|line| (line["path"].as_str().unwrap().to_owned(), line["type"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ("dangling", "symlink"),
        ("directory", "directory"),
        ("directory-link", "symlink"),
        ("empty", "directory"),
        ("fifo", "fifo"),
        ("file", "file"),
        ("link", "symlink"),
        ("loop", "symlink"),
        ("socket", "socket"),
    ];
    assert_eq!(kinds, expected.map(|(path, kind)| (path.to_owned(), kind.to_owned())));
    assert_eq!(one(env.run(&["fs", "stat", "/dev/null"]))["type"], "char");
}

#[test]
fn names_survive_a_round_trip() {
    let env = TestEnv::new();
    for name in [&b"caf\xe9"[..], b"a\nb", b" -x", &[b'n'; 255]] {
        fs::write(env.work().join(OsStr::from_bytes(name)), name).unwrap();
    }
    let listed = env.run(&["fs", "ls"]).expect(0).lines();
    assert_eq!(listed.len(), 4);
    let encoded = listed.iter().find_map(|line| line["path_bytes"].as_str()).unwrap();
    assert_eq!(env.run(&["fs", "--bytes", "read", encoded]).expect(0).stdout, b"caf\xe9");
    for line in listed.iter().filter(|line| line.get("path_bytes").is_none()) {
        let path = line["path"].as_str().unwrap();
        assert_eq!(env.run(&["fs", "read", "--", path]).expect(0).stdout, path.as_bytes());
    }
}

#[test]
fn bytes_come_and_go_exactly() {
    let env = TestEnv::new();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let written = one(env.command(&["fs", "write", "--mode", "600", "deep/in/file", "-"]).stdin(bytes.clone()).run());
    assert_eq!((written["action"].as_str(), written["bytes"].as_u64()), (Some("write"), Some(1_200_000)));
    assert_eq!(fs::metadata(env.work().join("deep/in/file")).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(env.run(&["fs", "read", "deep/in/file"]).expect(0).stdout, bytes);
    let part = env.run(&["fs", "read", "deep/in/file", "--offset", "1000", "--length", "77"]).expect(0);
    assert_eq!(part.stdout, bytes[1000..1077]);
    assert_eq!(env.run(&["fs", "read", "deep/in/file", "--tail", "9"]).expect(0).stdout, bytes[bytes.len() - 9..]);
    assert_eq!(env.run(&["fs", "read", "deep/in/file", "--offset", "9999999"]).expect(0).stdout, b"");
    env.write("text", "ab");
    assert_eq!(env.run(&["fs", "read", "text", "--base64"]).expect(0).text(), "YWI=\n");
    one(env.command(&["fs", "write", "--append", "text", "-"]).stdin("cd").run());
    assert_eq!(env.read("text"), "abcd");
    let hash = one(env.run(&["fs", "hash", "text"]))["hash"].as_str().unwrap().to_owned();
    assert_eq!(hash, "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589");
    one(env.command(&["fs", "write", "--if-hash", &hash, "text", "-"]).stdin("new").run());
    assert_eq!(env.read("text"), "new");
    let blake = one(env.run(&["fs", "hash", "--algorithm", "blake3", "text"]));
    assert_eq!(blake["algorithm"], "blake3");
    // Through a link the file is written, and the link stays.
    symlink("text", env.work().join("link")).unwrap();
    fs::set_permissions(env.work().join("text"), fs::Permissions::from_mode(0o640)).unwrap();
    one(env.command(&["fs", "write", "link", "-"]).stdin("through").run());
    assert_eq!((env.read("text").as_str(), fs::read_link(env.work().join("link")).is_ok()), ("through", true));
    assert_eq!(fs::metadata(env.work().join("text")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn holes_stay_holes() {
    let env = TestEnv::new();
    fs::File::create(env.work().join("big")).unwrap().set_len(5 << 30).unwrap();
    let copied = one(env.run(&["fs", "cp", "big", "copy"]));
    assert_eq!(copied["bytes"], 5_u64 << 30);
    let copy = fs::metadata(env.work().join("copy")).unwrap();
    assert!(copy.len() == 5 << 30 && copy.blocks() < 1000, "{} blocks", copy.blocks());
    assert_eq!(env.run(&["fs", "read", "copy", "--tail", "3"]).expect(0).stdout, [0; 3]);
}

#[test]
fn trees_are_copied_moved_counted_and_removed() {
    let env = TestEnv::new();
    zoo(&env);
    let counted = one(env.run(&["fs", "rm", "directory", "--recursive", "--dry-run"]));
    assert_eq!((counted["changed"].as_bool(), counted["entries"].as_u64()), (Some(false), Some(2)));
    one(env.run(&["fs", "cp", "directory", "new/place", "--recursive"]));
    assert_eq!(env.read("new/place/below"), "below");
    env.write("new/place/below", "changed");
    refused(&env.run(&["fs", "mv", "directory", "new/place"]), 1, "exists");
    one(env.run(&["fs", "mv", "directory", "new/place", "--overwrite"]));
    assert_eq!((env.read("new/place/below").as_str(), env.work().join("directory").exists()), ("below", false));
    one(env.run(&["fs", "rm", "new", "--recursive"]));
    assert!(!env.work().join("new").exists());
    one(env.run(&["fs", "touch", "--time", "2024-02-29T12:00:00Z", "file"]));
    assert_eq!(one(env.run(&["fs", "stat", "file"]))["modified"], "2024-02-29T12:00:00.000Z");
    one(env.run(&["fs", "ln", "file", "second", "--hard"]));
    assert_eq!(one(env.run(&["fs", "stat", "second"]))["links"], 2);
    one(env.run(&["fs", "chmod", "640", "second"]));
    assert_eq!(one(env.run(&["fs", "stat", "file"]))["mode"], "0640");
    // A tree with a fifo in it is not copied, and nothing of it stays.
    fs::create_dir(env.work().join("odd")).unwrap();
    fs::rename(env.work().join("fifo"), env.work().join("odd/fifo")).unwrap();
    refused(&env.run(&["fs", "cp", "odd", "odd-copy", "--recursive"]), 1, "special_file");
    let left = env.run(&["fs", "ls", "--hidden"]).expect(0);
    assert!(!left.text().contains("sandbox-agent-") && !left.text().contains("odd-copy"), "{}", left.text());
}

#[test]
fn lists_are_filtered() {
    let env = TestEnv::new();
    for path in ["a/b/one.rs", "a/two.txt", "target/three.rs", "four.rs", ".hidden.rs"] {
        fs::create_dir_all(env.work().join(path).parent().unwrap()).unwrap();
        env.write(path, "");
    }
    env.write(".gitignore", "target/\n*.txt\n");
    let listed = |words: &[&str]| {
        let mut all = vec!["fs", "ls"];
        all.extend(words);
        let lines = env.run(&all).expect(0).lines();
        lines.iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--recursive", "--glob", "*.rs"]), ["a/b/one.rs", "four.rs", "target/three.rs"]);
    assert_eq!(listed(&["--recursive", "--glob", "a/**/*.rs"]), ["a/b/one.rs"]);
    assert_eq!(listed(&["--recursive", "--gitignore", "--type", "file"]), ["a/b/one.rs", "four.rs"]);
    assert_eq!(listed(&["--recursive", "--depth", "1"]), ["a", "four.rs", "target"]);
    assert_eq!(listed(&["a"]), ["a/b", "a/two.txt"]);
    assert_eq!(listed(&["--hidden", "--glob", ".h*"]), [".hidden.rs"]);
    let mut unsorted = listed(&["--unsorted", "--recursive"]);
    unsorted.sort();
    assert_eq!(unsorted, ["a", "a/b", "a/b/one.rs", "a/two.txt", "four.rs", "target", "target/three.rs"]);
}

#[test]
fn lines_are_found() {
    let env = TestEnv::new();
    let long = "x".repeat(300_000);
    env.write("a.txt", "one\ntwo TODO\nthree\nfour\nTODO five TODO\nsix");
    env.write("b.rs", format!("{long}\nfn todo() {{}}\r\n{long} TODO\n"));
    env.write("bytes", b"caf\xe9 TODO\n");
    env.write("binary", b"TODO\0TODO\n");
    env.write(".hidden", "TODO\n");
    env.write("many", (1..=200_000).map(|number| format!("line {number}\n")).collect::<String>());
    let grep = |words: &[&str]| env.run(&[&["fs", "grep"], words].concat()).expect(0).lines();
    let places = |words: &[&str]| {
        let place = |line: &Value| format!("{}:{}", line["path"].as_str().unwrap(), line["line"]);
        grep(words).iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(places(&["TODO"]), ["a.txt:2", "a.txt:5", "b.rs:3", "bytes:1"]);
    assert_eq!(
        places(&["todo", "-i", "--hidden", "--glob", "*.rs", "--glob", ".h*"]),
        [".hidden:1", "b.rs:2", "b.rs:3"]
    );
    let five = &grep(&["TODO", "a.txt"])[1];
    assert_eq!(five["text"], "TODO five TODO");
    assert_eq!((five["offset"].as_u64(), five["matches"].to_string().as_str()), (Some(24), "[[0,4],[10,14]]"));
    let around: Vec<String> = grep(&["TODO", "a.txt", "--context", "1"])
        .iter()
        .map(|line| format!("{}{}", &line["type"].as_str().unwrap()[..1], line["line"]))
        .collect();
    assert_eq!(around, ["c1", "m2", "c3", "c4", "m5", "c6"]);
    let line = &grep(&["TODO", "bytes"])[0];
    assert_eq!((line["text"].as_str(), line["text_bytes"].as_str()), (Some("caf\u{fffd} TODO"), Some("Y2Fm6SBUT0RP")));
    let line = &grep(&["TODO$", "b.rs"])[0];
    assert_eq!((line["truncated"].as_bool(), line["text"].as_str().unwrap().len()), (Some(true), 16384));
    // Over the borders of what is read at once: each number, each offset, each line before.
    let all = grep(&["7$", "many", "--before", "1"]);
    assert_eq!(all.len(), 40_000);
    for line in &all {
        let (number, text) = (line["line"].as_u64().unwrap(), line["text"].as_str().unwrap());
        assert_eq!(text, format!("line {number}"));
        assert_eq!(line["type"], if number % 10 == 7 { "match" } else { "context" });
    }
    let text = env.read("many");
    assert!(all.iter().all(|line| {
        let from = line["offset"].as_u64().unwrap() as usize;
        text[from..].starts_with(&format!("{}\n", line["text"].as_str().unwrap()))
    }));
    // What could only match over the end of a line does not; what can, does, however the pattern goes on.
    assert_eq!(env.run(&["fs", "grep", r"one\s+two", "a.txt"]).expect(1).lines(), [Value::Null; 0]);
    assert_eq!(places(&[r"one\s*", "a.txt"]), ["a.txt:1"]);
    assert_eq!(places(&[r"^\w+$", "a.txt"]), ["a.txt:1", "a.txt:3", "a.txt:4", "a.txt:6"]);
    assert_eq!(places(&["", "a.txt"]).len(), 6);
    assert_eq!(places(&["-w", "-F", "TODO five", "a.txt"]), ["a.txt:5"]);
    assert_eq!(env.run(&["fs", "grep", "-w", "TOD", "a.txt"]).expect(1).stdout, b"");
    assert_eq!(env.run(&["fs", "grep", "-F", "T.DO", "."]).expect(1).stdout, b"");
    assert_eq!(places(&["TODO", "--limit", "1"]), ["a.txt:2"]);
    assert_eq!(places(&["TODO", "a.txt", "b.rs", "bytes", "--limit", "2"]), ["a.txt:2", "a.txt:5"]);
    assert_eq!(
        grep(&["TODO", "-l"]).iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ["a.txt", "b.rs", "bytes"]
    );
    assert_eq!(env.run(&["fs", "grep", "TODO", "binary"]).expect(1).object()["type"], "binary");
    assert_eq!(places(&["TODO", "binary", "--binary"]), ["binary:1"]);
    refused(&env.run(&["fs", "grep", "(", "."]), 2, "usage");
    refused(&env.run(&["fs", "grep", "x", "missing"]), 3, "not_found");
}

#[test]
fn however_deep_a_tree_is() {
    let env = TestEnv::new();
    let depth = 2000;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    fs::create_dir(env.work().join("deep")).unwrap();
    let mut directory = nix::fcntl::open(&env.work().join("deep"), flags, Mode::empty()).unwrap();
    for _ in 1..depth {
        mkdirat(&directory, "d", Mode::S_IRWXU).unwrap();
        directory = openat(&directory, "d", flags, Mode::empty()).unwrap();
    }
    let leaf = openat(&directory, "leaf", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRWXU).unwrap();
    nix::unistd::write(&leaf, b"needle\n").unwrap();
    // A quarter of the usual stack, and fewer descriptors than levels.
    let limited = |words: &[&str]| {
        let script = "ulimit -n 100; ulimit -s 2048; exec \"$0\" fs \"$@\"";
        let program = env.program(Path::new("/bin/sh")).args(&["-c", script, program()]);
        program.args(words).patience(std::time::Duration::from_secs(240)).run()
    };
    let leaf = |place: &str| format!("{place}{}/leaf", "/d".repeat(depth - 1));
    for words in [&["ls", "deep", "--recursive"][..], &["ls", "deep", "--recursive", "--unsorted"], &["find", "deep"]] {
        let listed = limited(words).expect(0).lines();
        assert_eq!(listed.len(), depth, "{words:?}");
        assert_eq!(listed[depth - 1]["path"].as_str(), Some(leaf("deep").as_str()));
    }
    assert_eq!(one(limited(&["grep", "needle", "deep"]))["path"].as_str(), Some(leaf("deep").as_str()));
    assert_eq!(one(limited(&["cp", "deep", "copy", "--recursive"]))["entries"], depth + 1);
    assert_eq!(one(limited(&["grep", "needle", "copy"]))["path"].as_str(), Some(leaf("copy").as_str()));
    let archive = limited(&["download", "deep"]).expect(0).stdout;
    env.write("archive", archive);
    refused(&limited(&["upload", "taken-in", "--from-file", "archive"]), 1, "bad_input");
    assert!(!env.work().join("taken-in").exists());
    one(limited(&["mv", "copy", "moved"]));
    let watched = limited(&["watch", "moved", "--timeout", "1ms"]);
    assert_eq!((watched.code(), watched.lines().len()), (124, 1));
    for place in ["deep", "moved"] {
        assert_eq!(one(limited(&["rm", place, "--recursive", "--dry-run"]))["entries"], depth + 1);
        assert_eq!(one(limited(&["rm", place, "--recursive"]))["entries"], depth + 1);
    }
}

#[test]
fn a_dry_run_says_what_would_be() {
    let env = TestEnv::new();
    zoo(&env);
    let before = listing(&env);
    let dry = |words: &[&str]| env.command(&[&["fs"], words, &["--dry-run"]].concat()).stdin("new").run();
    for words in [
        &["write", "file", "-"][..],
        &["write", "new/deep/file", "-"],
        &["write", "link", "-"],
        &["write", "file", "-", "--append"],
        &["rm", "directory", "--recursive"],
        &["mv", "file", "new/deep/file"],
        &["mv", "file", "directory/below", "--overwrite"],
        &["mv", "empty", "directory", "--overwrite"],
        &["cp", "directory", "new/deep", "--recursive"],
        &["cp", "file", "directory/below", "--overwrite"],
    ] {
        assert_eq!(one(dry(words))["changed"], false, "{words:?}");
    }
    for (words, code) in [
        (&["write", "directory", "-"][..], "is_a_directory"),
        (&["write", "file", "-", "--if-absent"], "exists"),
        (&["write", "file", "-", "--if-hash", "00"], "changed"),
        (&["write", "fifo", "-"], "special_file"),
        (&["write", "file/new/deep", "-"], "not_a_directory"),
        (&["mv", "file", "directory"], "exists"),
        (&["cp", "file", "directory", "--overwrite"], "is_a_directory"),
        (&["rm", "directory"], "not_empty"),
    ] {
        refused(&dry(words), 1, code);
    }
    assert_eq!(listing(&env), before);
}

#[test]
fn lines_that_are_lost_are_a_failure() {
    let env = TestEnv::new();
    env.write("file", "content");
    for words in ["ls", "stat file", "read file", "hash file", "download ."] {
        let script = format!("exec {} fs {words} > /dev/full", program());
        let output = env.program(Path::new("/bin/sh")).args(&["-c", &script]).run().expect(1);
        assert!(output.stderr.contains("No space left"), "{words}: {}", output.stderr);
    }
}

/// What lies there, but for when a directory changed: what is refused late was staged in it.
fn listing(env: &TestEnv) -> Vec<Value> {
    let mut lines = env.run(&["fs", "ls", "--recursive", "--hidden"]).expect(0).lines();
    lines.iter_mut().for_each(|line| line["modified"] = Value::Null);
    lines
}

/// Trees of a user in which permissions stand in the way.
#[test]
fn nothing_stays_of_what_permissions_stop() {
    let env = TestEnv::new();
    let folder = env.work().join("ours");
    fs::create_dir_all(folder.join("from/locked/inside")).unwrap();
    fs::create_dir_all(folder.join("over/locked/inside")).unwrap();
    fs::create_dir_all(folder.join("foreign")).unwrap();
    nix::unistd::mkfifo(&folder.join("from/locked/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(folder.join("over/locked/inside/file"), "old").unwrap();
    fs::create_dir(folder.join("new")).unwrap();
    let script = "
        chown -R 65534:65534 ours; chown -R root:root ours/foreign; chmod 755 ours/foreign; echo x > ours/foreign/file
        chmod 555 ours/from/locked ours/over/locked ours/over/locked/inside
        exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent sh -c '
            $0 fs -C ours cp from copied --recursive; $0 fs -C ours mv new over --overwrite
            $0 fs -C ours rm foreign --recursive' $0";
    let words = ["-c", script, program()];
    let lines = env.program(Path::new("/bin/sh")).args(&words).run().expect(1).lines();
    let said: Vec<_> = lines.iter().map(|line| (line["code"].as_str(), line["path"].as_str().unwrap())).collect();
    assert_eq!(
        said,
        [(Some("special_file"), "from/locked/pipe"), (None, "new"), (Some("permission_denied"), "foreign/file")]
    );
    let left = env.run(&["fs", "ls", "ours", "--hidden"]).expect(0).lines();
    let left: Vec<_> = left.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(left, ["ours/foreign", "ours/from", "ours/over"]);
    assert_eq!(fs::read_dir(folder.join("over")).unwrap().count(), 0);
}

#[test]
fn denied_read_only_and_full() {
    let env = TestEnv::new();
    let script = format!(
        "set -e; mkdir small ro; mount -t tmpfs -o size=1m none small; mount -t tmpfs none ro; echo x > ro/file
        mount -o remount,ro ro; echo old > small/file; echo secret > small/secret; chmod 600 small/secret
        mkdir small/closed; chmod 700 small/closed; chmod 755 small; cp {program} small/../program; set +e
        head -c 3000000 /dev/zero | ./program fs write small/file -; echo $? >> codes; cat small/file
        ls -A small | wc -l
        echo new | ./program fs write ro/file -; echo $? >> codes
        ./program fs rm ro/file; echo $? >> codes
        exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent \
            {program} fs read /proc/1/environ",
        program = program()
    );
    let output = env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run();
    let text = output.text();
    for code in ["no_space", "read_only", "permission_denied"] {
        assert!(text.contains(&format!("\"code\":\"{code}\"")), "{code}: {text}\n{}", output.stderr);
    }
    assert!(text.contains("\nold\n3\n"), "the old content stays and nothing beside it: {text}");
    assert_eq!((env.read("codes").as_str(), output.code()), ("1\n1\n1\n", 1));
}

/// The defects of upstream, by their numbers.
#[test]
fn upstream_defects_are_none_of_ours() {
    let env = TestEnv::new();
    zoo(&env);
    // B1-20: a missing source leaves the destination as it is.
    refused(&env.run(&["fs", "mv", "missing", "file", "--overwrite"]), 3, "not_found");
    assert_eq!(env.read("file"), "content");
    // B1-21: onto itself, by the same and by another name.
    assert_eq!(one(env.run(&["fs", "mv", "file", "file", "--overwrite"]))["changed"], false);
    assert_eq!(one(env.run(&["fs", "mv", "file", "directory-link/../file", "--overwrite"]))["changed"], false);
    assert_eq!(env.read("file"), "content");
    // B1-22: as large as one likes.
    let large = vec![7; 5 << 20];
    one(env.command(&["fs", "write", "large", "-"]).stdin(large.clone()).run());
    assert_eq!(env.run(&["fs", "read", "large"]).expect(0).stdout, large);
    // B1-23, B1-24: `fs_archive`: no entry goes through a link, and what fails leaves nothing. B1-25 is the matrix of codes above. B1-26: links are links.
    assert_eq!(one(env.run(&["fs", "stat", "dangling"]))["target"], "nowhere");
    one(env.run(&["fs", "rm", "dangling"]));
    one(env.run(&["fs", "rm", "directory-link", "--recursive"]));
    assert_eq!(env.read("directory/below"), "below");
    // B1-27: sorted, exact and recursive: `lists_are_filtered`, `names_survive_a_round_trip`. B1-28: a fifo holds up nobody.
    refused(&env.command(&["fs", "write", "fifo", "-"]).stdin("x").run(), 1, "special_file");
}

#[test]
fn killed_at_any_step_there_is_the_old_or_the_new() {
    let env = TestEnv::new();
    let (old, new) = ("o".repeat(100_000), "n".repeat(200_000));
    env.write("file", &new);
    fs::create_dir(env.work().join("packed")).unwrap();
    fs::rename(env.work().join("file"), env.work().join("packed/file")).unwrap();
    let packed = env.run(&["fs", "download", "packed"]).expect(0).stdout;
    env.write("archive", packed);
    let hunk = format!("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-{old}\n\\ No newline\n+{new}\n\\ No newline\n");
    env.write("diff", hunk);
    let leftovers = || {
        let found = env.run(&["fs", "find", ".", "--glob", ".sandbox-agent-*", "--depth", "1"]).expect(0);
        found.lines().len()
    };
    let (mut kills, mut olds, mut news, mut swept) = (0, 0, 0, 0);
    for round in 0..rounds(3) {
        for (words, steps) in [
            (&["fs", "write", "file", "--from-file", "source"][..], &["fs.written:1", "fs.renamed:1"][..]),
            (&["fs", "cp", "source", "file", "--overwrite"], &["fs.copied:1", "fs.renamed:1"]),
            (&["fs", "mv", "source", "file", "--overwrite"], &["fs.renamed:1"]),
            (&["fs", "upload", ".", "--overwrite", "--from-file", "archive"], &["fs.staged:1", "fs.renamed:1"]),
            (&["fs", "patch", "--from-file", "diff"], &["fs.written:1", "fs.patched:1"]),
        ] {
            env.write("file", &old);
            env.write("source", &new);
            let step = steps[round % steps.len()];
            let killed = env.command(words).var("SANDBOX_AGENT_TEST_KILL", step).run();
            assert_eq!(killed.code(), 137, "{words:?} {step}");
            let found = env.read("file");
            assert!(found == old || found == new, "{words:?} {step}: {} bytes", found.len());
            let is_done = step.starts_with("fs.renamed") || step.starts_with("fs.patched");
            assert!(!is_done || found == new, "{words:?} {step}");
            // And at whatever moment.
            env.write("file", &old);
            env.write("source", &new);
            let running = env.command(words).spawn();
            std::thread::sleep(std::time::Duration::from_micros(250 * (round as u64 % 40)));
            running.signal(nix::sys::signal::Signal::SIGKILL);
            let _ = running.wait();
            let found = env.read("file");
            assert!(found == old || found == new, "{words:?}: {} bytes", found.len());
            assert!(words[1] != "mv" || found == new || env.read("source") == new, "both sides are lost");
            kills += 2;
            *(if found == old { &mut olds } else { &mut news }) += 1;
            // Never more than one lies there, and the next write takes it away.
            let left = leftovers();
            assert!(left <= 1, "{left} are left");
            swept += left;
            env.command(&["fs", "write", "next", "-"]).stdin("x").run().expect(0);
            assert_eq!(leftovers(), 0);
        }
        // A new directory is there as a whole, or not at all.
        let running = env.command(&["fs", "upload", "fresh", "--from-file", "archive"]).spawn();
        std::thread::sleep(std::time::Duration::from_micros(250 * (round as u64 % 40)));
        running.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = running.wait();
        if env.work().join("fresh").exists() {
            assert_eq!(env.read("fresh/file"), new);
            fs::remove_dir_all(env.work().join("fresh")).unwrap();
        }
        kills += 1;
    }
    eprintln!("{kills} kills; at any moment: {olds} times the old, {news} times the new; {swept} leftovers swept");
}

#[test]
fn who_is_at_work_is_not_swept() {
    let env = TestEnv::new();
    // Two writers that wait for their input hold their places; a third one comes and goes.
    let mut slow: Vec<_> =
        ["one", "two"].into_iter().map(|name| env.command(&["fs", "write", name, "-"]).converse()).collect();
    let work = env.work();
    crate::env::wait_until("both have their places", || {
        (work.join(".sandbox-agent-0").exists() && work.join(".sandbox-agent-1").exists()).then_some(())
    });
    env.command(&["fs", "write", "three", "-"]).stdin("3").run().expect(0);
    assert!(work.join(".sandbox-agent-0").exists() && work.join(".sandbox-agent-1").exists());
    for running in &mut slow {
        running.say(&Value::from("late"));
        running.end_input();
    }
    for running in slow {
        running.wait().expect(0);
    }
    assert_eq!(
        (env.read("one"), env.read("two"), env.read("three")),
        ("\"late\"\n".into(), "\"late\"\n".into(), "3".into())
    );
    assert!(!work.join(".sandbox-agent-0").exists() && !work.join(".sandbox-agent-1").exists());
}

/// With `SANDBOX_AGENT_TEST_ROUNDS` of 100 or more there are a million; else few enough for any machine.
#[test]
fn a_directory_may_be_large() {
    let env = TestEnv::new();
    let count = if rounds(3) >= 100 { 1_000_000 } else { 30_000 };
    let folder = env.work().join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..count {
        fs::File::create(folder.join(format!("entry-{number:07}"))).unwrap();
    }
    // Into a file: what this process holds would count as its children's.
    let list = |flag: &str| {
        let line = format!("{} fs ls many {flag} > ../list", program());
        let shell = env.program(Path::new("/bin/sh")).args(&["-c", &line]);
        drop(shell.patience(std::time::Duration::from_secs(300)).run().expect(0));
        BufReader::new(fs::File::open(env.work().join("../list")).unwrap()).lines().map(Result::unwrap)
    };
    assert_eq!(list("--unsorted").count(), count);
    let peak = || nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    eprintln!("{count} entries: {} KiB resident, unsorted", peak());
    assert!(peak() < 20_000, "{} KiB", peak());
    let mut last = String::new();
    for line in list("") {
        let line: Value = serde_json::from_str(&line).unwrap();
        let path = line["path"].as_str().unwrap().to_owned();
        assert!(path > last, "{path} after {last}");
        last = path;
    }
    eprintln!("{count} entries: {} KiB resident, sorted", peak());
    assert!(peak() < 20_000, "{} KiB", peak());
    let started = std::time::Instant::now();
    let patient = |words: &[&str]| env.command(words).patience(std::time::Duration::from_secs(300)).run();
    let copied = one(patient(&["fs", "cp", "many", "copy", "--recursive"]));
    assert_eq!(copied["entries"], count + 1);
    eprintln!("{count} entries: {} KiB resident, copied in {:?}", peak(), started.elapsed());
    for place in ["many", "copy"] {
        let started = std::time::Instant::now();
        assert_eq!(one(patient(&["fs", "rm", place, "--recursive"]))["entries"], count + 1);
        eprintln!("{count} entries: {} KiB resident, removed in {:?}", peak(), started.elapsed());
    }
    assert!(peak() < 20_000, "{} KiB", peak());
}
