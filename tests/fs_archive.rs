//! Archives in and out: what must survive, what must be refused, and that nothing half done ever stays.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::env::{Output, TestEnv, program};
use crate::fs::{one, refused};

/// An entry of an archive, byte by byte, so that it can be wrong in any way.
#[derive(Clone)]
pub(crate) struct Entry {
    name: Vec<u8>,
    kind: u8,
    link: &'static str,
    bytes: Vec<u8>,
    size: Option<u64>,
}

fn entry(name: impl AsRef<[u8]>, kind: u8) -> Entry {
    Entry { name: name.as_ref().to_vec(), kind, link: "", bytes: Vec::new(), size: None }
}

pub(crate) fn file(name: &str, bytes: &str) -> Entry {
    Entry { bytes: bytes.as_bytes().to_vec(), ..entry(name, b'0') }
}

pub(crate) fn link(name: &str, to: &'static str) -> Entry {
    Entry { link: to, ..entry(name, b'2') }
}

pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let mut head = [0; 512];
        head[..entry.name.len().min(100)].copy_from_slice(&entry.name[..entry.name.len().min(100)]);
        head[100..108].copy_from_slice(b"0000644\0");
        let size = entry.size.unwrap_or(entry.bytes.len() as u64);
        head[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        head[136..148].copy_from_slice(b"14371573000\0");
        head[156] = entry.kind;
        head[157..157 + entry.link.len()].copy_from_slice(entry.link.as_bytes());
        head[257..265].copy_from_slice(b"ustar  \0");
        head[148..156].fill(b' ');
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&head);
        archive.extend_from_slice(&entry.bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn upload(env: &TestEnv, to: &str, bytes: impl Into<Vec<u8>>, more: &[&str]) -> Output {
    let mut words = vec!["fs", "upload", to];
    words.extend(more);
    env.command(&words).stdin(bytes).run()
}

/// Everything below a directory, but for new times of directories, which change with what is in them.
fn listing(env: &TestEnv, directory: &str) -> Vec<Value> {
    let mut lines = env.run(&["fs", "-C", directory, "find", "."]).expect(0).lines();
    lines.retain(|line| !line["path"].as_str().unwrap().starts_with(".git"));
    for line in &mut lines {
        let second = line["modified"].as_str().unwrap()[..19].to_owned();
        let is_directory = line["type"] == "directory";
        line["modified"] = if is_directory && *second > *"2002" { Value::Null } else { second.into() };
        if is_directory {
            line["size"] = Value::Null;
        }
    }
    lines
}

fn leftovers(env: &TestEnv) -> Vec<String> {
    let found = env.run(&["fs", "find", ".", "--glob", ".sandbox-agent-*"]).expect(0).lines();
    found.iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect()
}

/// What an archive must carry.
fn tree(env: &TestEnv) {
    let work = env.work();
    let long = "long".repeat(50);
    for folder in ["src/a/b", "src/empty", &format!("src/{long}/{long}")] {
        fs::create_dir_all(work.join(folder)).unwrap();
    }
    env.write("src/a/b/file", "content");
    env.write("src/a/empty", "");
    env.write("src/a/odd", vec![b'x'; 513]);
    env.write("src/large", (0..700_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    env.write(&format!("src/{long}/{long}/{}", "n".repeat(255)), "long");
    fs::write(work.join("src").join(std::ffi::OsStr::from_bytes(b"caf\xe9\nx")), "odd name").unwrap();
    symlink("b/file", work.join("src/a/link")).unwrap();
    symlink("../large", work.join("src/a/up")).unwrap();
    symlink("nowhere", work.join("src/dangling")).unwrap();
    symlink("l".repeat(300), work.join("src/long-link")).unwrap();
    fs::set_permissions(work.join("src/a/b/file"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(work.join("src/a/b"), fs::Permissions::from_mode(0o555)).unwrap();
    let holes = fs::File::create(work.join("src/holes")).unwrap();
    holes.set_len(5 << 30).unwrap();
    for at in 0..60_u64 {
        std::os::unix::fs::FileExt::write_all_at(&holes, b"data", at * (80 << 20) + 5000).unwrap();
    }
    env.run(&["fs", "touch", "--time", "2001-02-03T04:05:06Z", "src/a/odd", "src/empty", "src/a/b"]).expect(0);
}

#[test]
fn what_goes_out_comes_in_again() {
    let env = TestEnv::new();
    tree(&env);
    let whole = listing(&env, "src");
    assert_eq!(whole.len(), 16);
    for format in ["tar", "gzip", "zstd"] {
        let packed = env.run(&["fs", "download", "src", "--format", format]).expect(0).stdout;
        assert!(packed.len() < 8 << 20, "{format}: holes are not packed: {} bytes", packed.len());
        let to = format!("new/{format}");
        let taken = one(upload(&env, &to, packed, &[]));
        assert_eq!((taken["action"].as_str(), taken["entries"].as_u64()), (Some("upload"), Some(17)));
        assert_eq!(listing(&env, &to), whole, "{format}");
        assert!(fs::metadata(env.work().join(&to).join("holes")).unwrap().blocks() < 4000);
        let same = std::process::Command::new("/usr/bin/diff")
            .args(["-r", "--no-dereference", "src/a", &format!("{to}/a")])
            .current_dir(env.work())
            .status()
            .unwrap();
        assert!(same.success());
    }
    let bytes = |name: &str| fs::read(env.work().join(name)).unwrap();
    assert!(bytes("src/large") == bytes("new/zstd/large") && bytes("src/large") == bytes("new/tar/large"));
    // One file goes under its name.
    let packed = env.run(&["fs", "download", "src/a/odd"]).expect(0).stdout;
    one(upload(&env, "single", packed, &[]));
    assert_eq!(env.read("single/odd"), "x".repeat(513));
}

#[test]
fn tar_understands_us_and_we_it() {
    let env = TestEnv::new();
    tree(&env);
    let whole = listing(&env, "src");
    let shell = |script: &str| {
        let done = env.program(Path::new("/bin/sh")).args(&["-ec", script]).run();
        assert_eq!(done.code(), 0, "{script}: {}", done.stderr);
    };
    shell(&format!("umask 022; mkdir theirs; {} fs download src --format gzip | tar -xzpf - -C theirs", program()));
    assert_eq!(listing(&env, "theirs"), whole);
    for (name, flags) in [
        ("gnu", "-S"),
        ("pax", "-S --format=pax"),
        ("pax01", "-S --format=pax --sparse-version=0.1"),
        ("pax00", "-S --format=pax --sparse-version=0.0"),
        ("packed", "-Sz"),
    ] {
        shell(&format!("tar -c {flags} -f {name}.tar -C src ."));
        one(env.run(&["fs", "upload", name, "--from-file", &format!("{name}.tar")]));
        assert_eq!(listing(&env, name), whole, "{name}");
        shell(&format!("cmp -n 100000000 src/holes {name}/holes"));
    }
    // Second names of one file stay so.
    shell("mkdir twice; echo x > twice/a; ln twice/a twice/b; tar -cf twice.tar twice");
    one(env.run(&["fs", "upload", "twins", "--from-file", "twice.tar"]));
    assert_eq!(fs::metadata(env.work().join("twins/twice/b")).unwrap().nlink(), 2);
    // What the zstd program packed: two frames with a skippable one between them.
    let packed = base64_of(ZSTD);
    one(upload(&env, "zstd", packed, &[]));
    let hash = one(env.run(&["fs", "hash", "zstd/d/file"]))["hash"].as_str().unwrap().to_owned();
    assert_eq!(hash, ZSTD_HASH);
}

fn base64_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

#[test]
fn what_must_not_come_in_is_refused_whole() {
    let env = TestEnv::new();
    fs::create_dir_all(env.work().join("dest/old")).unwrap();
    env.write("dest/old/file", "old");
    env.write("outside", "outside");
    symlink("../outside", env.work().join("dest/way-out")).unwrap();
    let before = listing(&env, ".");
    // Each record begins with its own length.
    let pax = |records: &[&str]| {
        let line = |record: &&str| {
            let length = (record.len() + 3..).find(|length| length.to_string().len() + record.len() + 2 == *length);
            format!("{} {record}\n", length.unwrap())
        };
        Entry { bytes: records.iter().map(line).collect::<String>().into_bytes(), ..entry("pax", b'x') }
    };
    let gnu_long = |name: &str| Entry { bytes: format!("{name}\0").into_bytes(), ..entry("././@LongLink", b'L') };
    let deep = "d/".repeat(1000);
    let good = file("good", "good");
    let cases: Vec<(&str, Vec<Entry>, &str)> = vec![
        ("up", vec![file("../outside", "evil")], "outside_root"),
        ("up within", vec![file("a/../../outside", "evil")], "outside_root"),
        ("absolute", vec![file("/tmp/sandbox-agent-evil", "evil")], "outside_root"),
        ("up, long name", vec![gnu_long("../outside"), file("x", "evil")], "outside_root"),
        ("up, pax", vec![pax(&["path=../outside"]), file("x", "evil")], "outside_root"),
        ("directory up", vec![entry("../evil/", b'5')], "outside_root"),
        ("link up", vec![link("l", "../outside")], "outside_root"),
        ("link absolute", vec![link("l", "/etc/passwd")], "outside_root"),
        ("link up and down", vec![link("l", "old/../../outside")], "outside_root"),
        ("link of links", vec![link("a", "."), link("b", "a/..")], "outside_root"),
        ("link, pax", vec![pax(&["linkpath=../../out"]), link("l", "x")], "outside_root"),
        ("empty link", vec![link("l", "")], "outside_root"),
        ("through its own link", vec![link("l", "old"), file("l/x", "evil")], "bad_input"),
        ("through the link of a link", vec![link("b", "old"), link("l", "b"), file("l/x", "evil")], "bad_input"),
        ("second name up", vec![Entry { link: "../outside", ..entry("h", b'1') }], "outside_root"),
        ("second name absolute", vec![Entry { link: "/etc/passwd", ..entry("h", b'1') }], "outside_root"),
        ("second name of the old", vec![Entry { link: "old/file", ..entry("h", b'1') }], "bad_input"),
        ("second name of a link", vec![link("l", "good"), Entry { link: "l", ..entry("h", b'1') }], "bad_input"),
        ("fifo", vec![entry("p", b'6')], "bad_input"),
        ("device", vec![entry("c", b'3')], "bad_input"),
        ("block device", vec![entry("b", b'4')], "bad_input"),
        ("unknown", vec![entry("u", b'Z')], "bad_input"),
        ("too deep", vec![gnu_long(&deep), entry("x", b'5')], "bad_input"),
        ("name too long", vec![gnu_long(&"n".repeat(256)), file("x", "x")], "name_too_long"),
        ("header too long", vec![gnu_long(&"n".repeat(70_000)), file("x", "x")], "bad_input"),
        ("file in a file", vec![file("f", "x"), file("f/x", "x")], "bad_input"),
        ("file in the way", vec![file("old", "x")], "exists"),
        ("directory in the way", vec![entry("old/file/", b'5')], "exists"),
        ("link in the way", vec![entry("way-out/", b'5')], "exists"),
        ("over the old", vec![file("old/file", "new")], "exists"),
        ("larger than it is", vec![Entry { size: Some(1 << 30), ..file("f", "x") }], "bad_input"),
        ("larger than the world", vec![Entry { size: Some((1 << 33) - 1), ..file("f", "x") }], "bad_input"),
        ("pax size", vec![pax(&["size=9999999999999999999"]), file("f", "x")], "too_large"),
        ("pax nonsense", vec![Entry { bytes: b"99999 path=x\n".to_vec(), ..pax(&[]) }, file("f", "x")], "bad_input"),
        (
            "pieces beyond",
            vec![pax(&["GNU.sparse.major=1", "GNU.sparse.minor=0"]), file("f", "1\n9\n9\n")],
            "bad_input",
        ),
        ("a size in letters", vec![pax(&["GNU.sparse.size=9e1"]), file("f", "x")], "bad_input"),
        (
            "holes without end",
            vec![pax(&["GNU.sparse.realsize=90000000000000000", "GNU.sparse.map=0,1,5,0"]), file("f", "x")],
            "too_large",
        ),
    ];
    let mut refusals = 0;
    for (what, mut entries, code) in cases {
        // Also where all before it was good, at another time of the walk, and packed.
        entries.insert(0, good.clone());
        for bytes in [archive(&entries), gzip(&archive(&entries))] {
            for more in [&[][..], &["--overwrite"]] {
                if code == "exists" && !more.is_empty() {
                    continue;
                }
                eprintln!("{what} {more:?}");
                let output = upload(&env, "dest", bytes.clone(), more);
                refused(&output, 1, code);
                assert_eq!(listing(&env, "."), before, "{what}");
                refusals += 1;
            }
            if code != "exists" {
                refused(&upload(&env, "fresh", bytes, &[]), 1, code);
                assert!(!env.work().join("fresh").exists());
                refusals += 1;
            }
        }
    }
    for (bytes, what) in [
        (Vec::new(), "nothing"),
        (b"no archive".to_vec(), "a text"),
        (vec![b'x'; 4096], "a long text"),
        (b"BZh91AY".to_vec(), "bzip2"),
        (b"\xfd7zXZ\0\0".to_vec(), "xz"),
        (b"\x1f\x8bgarbage".to_vec(), "no gzip"),
        (b"\x28\xb5\x2f\xfdgarbage and more".to_vec(), "no zstd"),
    ] {
        eprintln!("{what}");
        refused(&upload(&env, "dest", bytes, &[]), 1, "bad_input");
        refusals += 1;
    }
    eprintln!("{refusals} archives refused");
    assert_eq!(listing(&env, "."), before);
    // With leave, a file may be replaced, never a directory by a file.
    refused(&upload(&env, "dest", archive(&[file("old", "x")]), &["--overwrite"]), 1, "is_a_directory");
    refused(&upload(&env, "dest", archive(&[entry("old/file/", b'5')]), &["--overwrite"]), 1, "not_a_directory");
    refused(&upload(&env, "outside", archive(&[file("x", "x")]), &[]), 1, "not_a_directory");
    assert_eq!(listing(&env, "."), before);
}

#[test]
fn an_archive_goes_into_what_is_there() {
    let env = TestEnv::new();
    fs::create_dir_all(env.work().join("dest/old")).unwrap();
    env.write("dest/old/file", "old");
    env.write("dest/old/stays", "stays");
    let bytes =
        archive(&[entry("old/", b'5'), file("old/file", "new"), file("old/more", "more"), file("deep/er/x", "x")]);
    let judged = one(upload(&env, "dest", bytes.clone(), &["--overwrite", "--dry-run"]));
    assert_eq!((judged["changed"].as_bool(), judged["entries"].as_u64()), (Some(false), Some(4)));
    assert_eq!((env.read("dest/old/file").as_str(), env.work().join("dest/deep").exists()), ("old", false));
    one(upload(&env, "dest", bytes.clone(), &["--overwrite"]));
    let read = |name: &str| env.read(&format!("dest/{name}"));
    assert_eq!(
        [read("old/file"), read("old/more"), read("old/stays"), read("deep/er/x")],
        ["new", "more", "stays", "x"]
    );
    // Into the directory itself, and where nothing is, only in words.
    one(env.command(&["fs", "-C", "dest", "upload", "."]).stdin(archive(&[file("top", "top")])).run());
    assert_eq!(read("top"), "top");
    assert_eq!(one(upload(&env, "not/yet/there", bytes, &["--dry-run"]))["changed"], false);
    assert!(!env.work().join("not").exists());
    assert_eq!(leftovers(&env), [""; 0]);
}

#[test]
fn bombs_do_not_go_off() {
    let env = TestEnv::new();
    let zeros = gzip(&archive(&[Entry { bytes: vec![0; 64 << 20], ..entry("zeros", b'0') }]));
    assert!(zeros.len() < 1 << 20);
    refused(&upload(&env, "new", zeros.clone(), &["--max-bytes", "10M"]), 1, "too_large");
    // A gzip of nothing but zeros after a header that promises them all.
    let mut endless = archive(&[Entry { size: Some((8 << 30) - 1), ..entry("zeros", b'0') }]);
    endless.truncate(512);
    endless.resize(64 << 20, 0);
    refused(&upload(&env, "new", gzip(&endless), &["--max-bytes", "1G"]), 1, "too_large");
    let many: Vec<Entry> = (0..2000).map(|number| file(&format!("f{number}"), "")).collect();
    refused(&upload(&env, "new", archive(&many), &["--max-entries", "1999"]), 1, "too_large");
    one(upload(&env, "many", archive(&many), &["--max-entries", "2000"]));
    // Names that come without end, one after the other, and empty headers.
    let names: Vec<Entry> = (0..300).map(|_| Entry { bytes: vec![b'n'; 60_000], ..entry("x", b'L') }).collect();
    refused(&upload(&env, "new", archive(&names), &["--max-bytes", "1M", "--max-entries", "100"]), 1, "too_large");
    one(upload(&env, "zeros", zeros, &["--max-bytes", "64M"]));
    assert!(!env.work().join("new").exists());
    assert_eq!(leftovers(&env), [""; 0]);
}

#[test]
fn what_is_cut_off_changes_nothing() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("dest")).unwrap();
    env.write("dest/old", "old");
    let entries = [file("a", "a"), file("b", &"b".repeat(2000)), entry("d/", b'5'), file("d/c", "c")];
    let whole = archive(&entries);
    let end = whole.len() - 1024;
    let packed = gzip(&whole);
    for at in (0..=end).step_by(357).chain([end]) {
        refused(&upload(&env, "dest", whole[..at].to_vec(), &[]), 1, "bad_input");
    }
    for at in (0..packed.len() - 1).step_by(packed.len() / 12) {
        refused(&upload(&env, "dest", packed[..at].to_vec(), &[]), 1, "bad_input");
    }
    // A wrong byte is seen by gzip's own sum, though the file would be complete.
    let mut spoilt = packed.clone();
    let at = spoilt.len() - 6;
    spoilt[at] ^= 1;
    refused(&upload(&env, "dest", spoilt, &[]), 1, "bad_input");
    let names: Vec<String> = listing(&env, ".").iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["dest", "dest/old"]);
    one(upload(&env, "dest", packed, &[]));
    assert_eq!(env.read("dest/d/c"), "c");
}

#[test]
fn troubles_of_a_download_are_told_and_the_rest_is_there() {
    let env = TestEnv::new();
    env.write("src", "no directory");
    refused(&env.run(&["fs", "download", "missing"]), 3, "not_found");
    nix::unistd::mkfifo(&env.work().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(&env.run(&["fs", "download", "fifo"]), 1, "special_file");
    fs::create_dir(env.work().join("tree")).unwrap();
    env.write("tree/file", "file");
    fs::rename(env.work().join("fifo"), env.work().join("tree/fifo")).unwrap();
    let output = env.run(&["fs", "download", "tree"]);
    assert_eq!((output.code(), output.stderr.lines().count()), (1, 1), "{}", output.stderr);
    assert!(output.stderr.contains("tree/fifo"), "{}", output.stderr);
    one(upload(&env, "copy", output.stdout, &[]));
    let names: Vec<String> =
        listing(&env, "copy").iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["file"]);
}

/// A tar of `d/file` (200 lines) as the zstd program, version 1.5, packs it: half at level 19, a skippable frame, half at level 3.
const ZSTD: &str = "\
    KLUv/QRo9QcAYswiF5C7AV1juCj5eh5xdwWIMjMpE5bxSCgJbL03q9V8tt6b1Wo6W+/NajWbrfdmtZrM1nuzWk3F1nuzWs1l671Zraay9d6sFj
    CS5h6CxXMRQgMWzbnmNApDoEPwCcdDFNBgULEtSJKYvJ1f8TJ7SxAjKNJjGCchOsJzT0qNaTNTM2Vy/vM2a8rU/ZmCIl2oQcymIHUKG2vgmeYi
    EAgKwSMECMEKQULwJwRQ8qnhERAAAAgZEAEAsLADBAAAFnRgIADAQkYEAAAs4AABAICFHBAAABAWl/5d135nmgpnpalqMKXAWinGt2v6AeH0bB
    qG3PL/71T4gMWSA48fzBTd7DwPUCpNGAMAAABhYmMotS/9BFhdBwCSCyAagCfJA5hp9GioUMjbNhQyonVJERJ56QTmoX6Fsu7u7u5uZmZmZubd
    3d3dXVVVVVXVzMzMzExERERExLu7u7s7MzMzM7P///+/Xq/X6/V6vV5vXk08e3XzauLZiTmFiGMSCCGACGIMOTAgOATIFDrDwCFilIIGKg4qJl
    JQDIDCCHqoEaBf/+/Ag0p5ElhB4P//BAN/PwMAgxaGSU6Sk2QimSRDkklkkkwkE0lJMolMkhHJJClJJpJJZCSZRCbJRFJipoI8KISYsA4JISKs
    A0KIB+twEKLBOhhIBwAQwMM9EAAAQtqlCyBVdYWuzA==";
const ZSTD_HASH: &str = "a153ae306f178575ec6a2199762bf7abb481fe6c2f90994bbcecc399c7b209c0";
