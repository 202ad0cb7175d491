//! Every verb of `fs` against every kind of file and every state of its place: what it answers, and that a refusal changes nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::env::{Output, TestEnv, program};

/// What a cell of the table says.
const WORDS: [(&str, i32, &str); 16] = [
    ("ok", 0, ""),
    ("nf", 3, "not_found"),
    ("pd", 1, "permission_denied"),
    ("ex", 1, "exists"),
    ("nd", 1, "not_a_directory"),
    ("id", 1, "is_a_directory"),
    ("ne", 1, "not_empty"),
    ("ns", 1, "no_space"),
    ("ro", 1, "read_only"),
    ("nl", 1, "name_too_long"),
    ("lo", 1, "loop"),
    ("sf", 1, "special_file"),
    ("tl", 1, "too_large"),
    ("rj", 1, "rejected"),
    ("us", 2, "usage"),
    ("io", 1, "io"),
];

/// A row for each verb, a column for each state of the path that it is given. `bi`: passed over as binary.
const TABLE: &str = "
verb       file dir missing below dangling loop fifo socket device closed foreign readonly full crowded n255 n256 p4096 newline bytes sparse
ls         nd   ok  nf      nd    nf       lo   nd   nd     nd     pd     ok      ok       ok   ok      nd   nl   nl    nd      nd    nd
ls-r       nd   ok  nf      nd    nf       lo   nd   nd     nd     pd     ok      ok       ok   ok      nd   nl   nl    nd      nd    nd
find       nd   ok  nf      nd    nf       lo   nd   nd     nd     pd     ok      ok       ok   ok      nd   nl   nl    nd      nd    nd
stat       ok   ok  nf      nd    ok       ok   ok   ok     ok     pd     ok      ok       ok   ok      ok   nl   nl    ok      ok    ok
read       ok   id  nf      nd    nf       lo   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    ok
hash       ok   id  nf      nd    nf       lo   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    ok
grep       ok   ok  nf      nd    nf       lo   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    bi
watch      ok   ok  nf      nd    nf       lo   ok   ok     ok     pd     ok      ok       ok   ok      ok   nl   nl    ok      ok    ok
download   ok   ok  nf      nd    nf       lo   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    ok
write      ok   id  ok      nd    ok       lo   sf   sf     sf     pd     pd      ro       ns   ns      ok   nl   nl    ok      ok    ok
write-dry  ok   id  ok      nd    ok       lo   sf   sf     sf     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
append     ok   id  ok      nd    ok       lo   sf   sf     sf     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
absent     ex   ex  ok      nd    ok       lo   ex   ex     ex     pd     ex      ex       ex   ex      ex   nl   nl    ex      ex    ex
rm         ok   ne  nf      nd    ok       ok   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
rm-r       ok   ok  nf      nd    ok       ok   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
rm-dry     ok   ne  nf      nd    ok       ok   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
mkdir      nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     nd      nd       nd   nd      nd   nl   nl    nd      nd    nd
mv         ok   ok  nf      nd    ok       ok   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
mv-to      ex   ex  ok      nd    ex       ex   ex   ex     ex     pd     ex      ex       ex   ex      ex   nl   nl    ex      ex    ex
mv-over    ok   id  ok      nd    ok       ok   ok   ok     ok     pd     pd      ro       ns   ns      ok   nl   nl    ok      ok    ok
cp         ok   id  nf      nd    ok       ok   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    ok
cp-r       ok   ok  nf      nd    ok       ok   sf   sf     sf     pd     pd      ok       ok   ok      ok   nl   nl    ok      ok    ok
cp-over    ok   id  ok      nd    ok       ok   ok   ok     ok     pd     pd      ro       ns   ns      ok   nl   nl    ok      ok    ok
ln         ex   ex  ok      nd    ex       ex   ex   ex     ex     pd     ex      ex       ex   ex      ex   nl   nl    ex      ex    ex
ln-from    ok   pd  nf      nd    ok       ok   ok   ok     ok     pd     pd      io       io   io      ok   nl   nl    ok      ok    ok
chmod      ok   ok  nf      nd    nf       lo   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
touch      ok   ok  ok      nd    ok       lo   ok   ok     ok     pd     pd      ro       ok   ok      ok   nl   nl    ok      ok    ok
upload     nd   ex  ok      nd    ex       lo   nd   nd     nd     pd     nd      nd       nd   nd      nd   nl   nl    nd      nd    nd
upload-in  nd   ok  ok      nd    ex       lo   nd   nd     nd     pd     pd      ro       ns   ns      nd   nl   nl    nd      nd    nd
patch      ok   id  rj      nd    rj       lo   sf   sf     sf     pd     pd      ro       ns   ns      ok   nl   rj    ok      ok    tl
write-new  nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ns   ns      nd   nl   nl    nd      nd    nd
mkdir-new  nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ok   ns      nd   nl   nl    nd      nd    nd
touch-new  nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ok   ns      nd   nl   nl    nd      nd    nd
ln-new     nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ok   ns      nd   nl   nl    nd      nd    nd
mv-new     nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ns   ns      nd   nl   nl    nd      nd    nd
cp-new     nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ns   ns      nd   nl   nl    nd      nd    nd
upload-new nd   ok  ok      nd    nf       lo   nd   nd     nd     pd     pd      ro       ns   ns      nd   nl   nl    nd      nd    nd
";

/// How a verb is called: `P` is the path, `D` the directory that belongs to the state, where it has one, `N` a new name in it.
const VERBS: [(&str, &[&str]); 37] = [
    ("ls", &["ls", "D", "--hidden"]),
    ("ls-r", &["ls", "D", "--recursive"]),
    ("find", &["find", "D", "--type", "file"]),
    ("stat", &["stat", "P"]),
    ("read", &["read", "P", "--length", "3"]),
    ("hash", &["hash", "P", "--algorithm", "blake3"]),
    ("grep", &["grep", "x", "P"]),
    ("watch", &["watch", "P", "--timeout", "1ms"]),
    ("download", &["download", "P", "--format", "tar"]),
    ("write", &["write", "P", "-"]),
    ("write-dry", &["write", "P", "-", "--dry-run"]),
    ("append", &["write", "P", "-", "--append"]),
    ("absent", &["write", "P", "-", "--if-absent"]),
    ("rm", &["rm", "P"]),
    ("rm-r", &["rm", "P", "--recursive"]),
    ("rm-dry", &["rm", "P", "--dry-run"]),
    ("mkdir", &["mkdir", "P"]),
    ("mv", &["mv", "P", "S-new"]),
    ("mv-to", &["mv", "S", "P"]),
    ("mv-over", &["mv", "S", "P", "--overwrite"]),
    ("cp", &["cp", "P", "S-new"]),
    ("cp-r", &["cp", "P", "S-new", "--recursive"]),
    ("cp-over", &["cp", "S", "P", "--overwrite"]),
    ("ln", &["ln", "S", "P"]),
    ("ln-from", &["ln", "P", "S-new", "--hard"]),
    ("chmod", &["chmod", "640", "P"]),
    ("touch", &["touch", "P"]),
    ("upload", &["upload", "P", "--from-file", "A"]),
    ("upload-in", &["upload", "D", "--from-file", "A", "--overwrite"]),
    ("patch", &["patch"]),
    ("write-new", &["write", "N", "-"]),
    ("mkdir-new", &["mkdir", "N"]),
    ("touch-new", &["touch", "N"]),
    ("ln-new", &["ln", "S", "N"]),
    ("mv-new", &["mv", "S", "N"]),
    ("cp-new", &["cp", "S", "N"]),
    ("upload-new", &["upload", "N", "--from-file", "A"]),
];

const PLACE: &str = "/mnt/place";

/// The files of all states, on file systems of their own.
fn playground(env: &TestEnv) {
    let run = |words: &[&str]| {
        let _ = env.program(Path::new(words[0])).args(&words[1..]).run().expect(0);
    };
    for mounted in ["readonly", "full", "crowded"] {
        let path = Path::new(PLACE).join(mounted);
        if path.exists() {
            run(&["/bin/umount", path.to_str().unwrap()]);
        }
    }
    let place = Path::new(PLACE);
    if place.exists() {
        fs::remove_dir_all(place).unwrap();
    }
    for folder in ["dir", "closed", "foreign", "readonly", "full", "crowded"] {
        fs::create_dir_all(place.join(folder)).unwrap();
    }
    for (folder, options) in [("readonly", "size=64k"), ("full", "size=64k"), ("crowded", "nr_inodes=4")] {
        let path = place.join(folder);
        run(&["/bin/mount", "-t", "tmpfs", "-o", options, "none", path.to_str().unwrap()]);
        fs::write(path.join("file"), "x\n").unwrap();
    }
    run(&["/bin/mount", "-o", "remount,ro", place.join("readonly").to_str().unwrap()]);
    assert!(fs::write(place.join("full/filler"), vec![b'f'; 1 << 20]).is_err());
    let mut number = 0;
    while fs::write(place.join(format!("crowded/filler-{number}")), "").is_ok() {
        number += 1;
    }
    for file in ["file", "source", "dir/inside", "closed/file", "foreign/file", "a\nb", &"n".repeat(255)] {
        fs::write(place.join(file), "x\n").unwrap();
    }
    fs::write(place.join(OsStr::from_bytes(b"caf\xe9")), "x\n").unwrap();
    fs::write(place.join("sparse"), "x\n").unwrap();
    fs::File::options().write(true).open(place.join("sparse")).unwrap().set_len(5 << 30).unwrap();
    fs::set_permissions(place.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(place.join("foreign/file"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("nowhere", place.join("dangling")).unwrap();
    symlink("loop", place.join("loop")).unwrap();
    mknod(&place.join("fifo"), SFlag::S_IFIFO, Mode::S_IRWXU, 0).unwrap();
    mknod(&place.join("device"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).unwrap();
    drop(std::os::unix::net::UnixListener::bind(place.join("socket")).unwrap());
    fs::copy("/mnt/archive", place.join("archive")).unwrap();
}

/// The path of a state, and the directory that the verbs for directories are given.
fn paths(state: &str) -> (Vec<u8>, Vec<u8>) {
    let same = |path: &[u8]| (path.to_vec(), path.to_vec());
    match state {
        "dir" => same(b"dir"),
        "below" => same(b"file/below"),
        "closed" | "foreign" | "readonly" | "full" | "crowded" => {
            (format!("{state}/file").into_bytes(), state.as_bytes().to_vec())
        }
        "n255" => same(&[b'n'; 255]),
        "n256" => same(&[b'n'; 256]),
        "p4096" => same(format!("{}ff", "./".repeat(2047)).as_bytes()),
        "newline" => same(b"a\nb"),
        "bytes" => same(b"caf\xe9"),
        plain => same(plain.as_bytes()),
    }
}

/// Everything there is: name, mode, size, and the content of small files.
fn seen(directory: &Path, all: &mut Vec<(PathBuf, u32, u64, Vec<u8>)>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let data = entry.metadata().unwrap();
        let small = data.is_file() && data.len() < 1 << 20;
        let bytes = if small { fs::read(entry.path()).unwrap() } else { Vec::new() };
        all.push((entry.path(), data.mode(), if data.is_dir() { 0 } else { data.len() }, bytes));
        if data.is_dir() {
            seen(&entry.path(), all);
        }
    }
}

fn everything() -> Vec<(PathBuf, u32, u64, Vec<u8>)> {
    let mut all = Vec::new();
    seen(Path::new(PLACE), &mut all);
    all
}

/// A path in a patch, as git quotes it.
fn quoted(path: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    format!("\"{}\"", path.iter().map(letter).collect::<String>())
}

fn call(env: &TestEnv, words: &[&str], state: &str) -> Output {
    let (path, directory) = paths(state);
    let bytes = state == "bytes";
    let shown = |path: &[u8]| if bytes { STANDARD.encode(path) } else { String::from_utf8(path.to_vec()).unwrap() };
    let word = |word: &&str| match *word {
        "P" => shown(&path),
        "D" => shown(&directory),
        "N" => shown(&[&directory[..], b"/new"].concat()),
        "S" => shown(b"source"),
        "S-new" => shown(b"new"),
        "A" => shown(b"archive"),
        other => other.to_owned(),
    };
    let mut all = vec!["fs".to_owned(), "-C".to_owned(), PLACE.to_owned()];
    all.extend(bytes.then(|| "--bytes".to_owned()));
    all.extend(words.iter().map(word));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let program = if ["closed", "foreign"].contains(&state) {
        let who = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/mnt/program"];
        env.program(Path::new("/usr/bin/setpriv")).args(&who).args(&all).var("HOME", "/nonexistent")
    } else {
        env.program(Path::new("/mnt/program")).args(&all)
    };
    let stdin = match words[0] {
        "patch" => format!("--- {0}\n+++ {0}\n@@ -1 +1 @@\n-x\n+y\n", quoted(&path)),
        _ => "new content\n".to_owned(),
    };
    program.stdin(stdin).run()
}

/// What a call answered, as a word of the table; anything else as it is.
fn answer(output: &Output, what: &str) -> String {
    let is_raw = what.starts_with("read ") || what.starts_with("download ");
    let lines = if output.code() == 0 && is_raw { Vec::new() } else { output.lines() };
    let last = lines.last();
    let code = last.and_then(|line| line["code"].as_str()).unwrap_or_default();
    if output.code() == 1 && last.is_some_and(|line| line["type"] == "binary") {
        return "bi".to_owned();
    }
    if what.starts_with("watch ") && output.code() == 124 {
        return "ok".to_owned();
    }
    let found = WORDS.iter().find(|(_, exit_code, word)| (*exit_code, *word) == (output.code(), code));
    let told = output.stderr.lines().count() == usize::from(output.code() != 0);
    match found {
        Some((word, ..)) if told => (*word).to_owned(),
        Some(_) | None => format!("{}/{code}/{:?}", output.code(), output.stderr),
    }
}

#[test]
fn every_verb_answers_every_state() {
    // A thread has its own mounts; they go with it.
    std::thread::spawn(|| {
        let env = TestEnv::new();
        let packed = {
            env.write("inside", "from the archive\n");
            env.run(&["fs", "download", "inside", "--format", "tar"]).expect(0).stdout
        };
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let run = |words: &[&str]| {
            let _ = env.program(Path::new(words[0])).args(&words[1..]).run().expect(0);
        };
        run(&["/bin/mount", "--make-rprivate", "/"]);
        run(&["/bin/mount", "-t", "tmpfs", "none", "/mnt"]);
        fs::write("/mnt/archive", packed).unwrap();
        fs::write("/mnt/program", "").unwrap();
        run(&["/bin/mount", "--bind", program(), "/mnt/program"]);
        let mut rows = TABLE.trim().lines();
        let states: Vec<&str> = rows.next().unwrap().split_whitespace().skip(1).collect();
        let mut found = Vec::new();
        playground(&env);
        let mut before = everything();
        for (verb, words) in VERBS {
            let mut row = vec![verb.to_owned()];
            for state in &states {
                let what = format!("{verb} {state}");
                let mut word = answer(&call(&env, words, state), &what);
                let after = everything();
                if after != before && (word != "ok" || verb.ends_with("-dry")) {
                    word.push_str("-but-changed");
                }
                if after != before {
                    playground(&env);
                    before = everything();
                }
                row.push(word);
            }
            found.push(row);
        }
        let expected: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            for (column, state) in states.iter().enumerate() {
                let cell = |row: &[&str]| format!("{} {state}: {}", row[0], row[column + 1]);
                assert_eq!(format!("{} {state}: {}", found[0], found[column + 1]), cell(expected));
            }
        }
    })
    .join()
    .unwrap();
}
