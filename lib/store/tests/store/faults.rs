//! Full disks, read-only places, damaged files, other people's files.

use crate::support::{
    again, again_by, again_with_mounts, data, named, place, program, read_on, run, sound, store, task, uid, write,
};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
};
use store::{Access, Error, Select, Store, Sync};

/// A closed store with 2,000 events, and its bytes.
fn closed(path: &Path) -> Vec<u8> {
    let (mut store, session) = store(path);
    write(&mut store, &session, 1, 2_000, Sync::Deltas).unwrap();
    store.close().unwrap();
    let beside: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "a store and its turn, nothing else: {beside:?}");
    fs::read(path).unwrap()
}

#[test]
fn a_missing_store_is_not_made_by_readers() {
    let (directory, path) = place();
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
    fs::write(&path, "").unwrap();
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    // A file that was made for it, as `mktemp` does, becomes one.
    store(&path);
    assert_eq!(Store::open(&path, Access::Read).unwrap().sessions().unwrap().len(), 1);
}

#[test]
fn what_is_no_store_is_left_as_it_is() {
    let (directory, path) = place();
    let corrupt = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        for access in [Access::Read, Access::Write] {
            match Store::open(&path, access) {
                Err(Error::Corrupt { path: named, .. }) => assert_eq!(named, path),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    };
    corrupt(b"My notes. They are longer than the hundred bytes of a header, so that nothing but their text is wrong with them.");
    corrupt(b"short");
    corrupt(&[0; 8192]);
    // The file of another program that uses SQLite, too.
    let other = directory.path().join("other.db");
    let raw = rusqlite::Connection::open(&other).unwrap();
    raw.execute_batch("CREATE TABLE bookmark(url)").unwrap();
    raw.close().unwrap();
    corrupt(&fs::read(&other).unwrap());
    assert!(!directory.path().join("store.db.turn").exists(), "nothing is made beside a stranger's file");
}

#[test]
fn a_newer_store_is_refused_by_its_number() {
    let (_directory, path) = place();
    closed(&path);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA user_version = 99").unwrap();
    raw.close().unwrap();
    let before = fs::read(&path).unwrap();
    for access in [Access::Read, Access::Write] {
        let error = Store::open(&path, access).unwrap_err();
        let known = Store::versions().1;
        assert!(matches!(error, Error::Newer { found: 99, .. }));
        let message = format!("open {}: its schema is version 99, this program knows {known}", path.display());
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_truncated_store_is_never_made_anew() {
    let (_directory, path) = place();
    let whole = closed(&path);
    for length in [0, 50, 100, 4096, 5000, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..length]).unwrap();
        for access in [Access::Read, Access::Write] {
            let opened = Store::open(&path, access);
            match (length, access, &opened) {
                // A reader cannot tell it from one that is about to be made.
                (0, Access::Read, Err(Error::Missing { .. })) | (_, _, Err(Error::Corrupt { .. })) => {}
                _ => panic!("{length} {access:?} {opened:?}"),
            }
        }
        assert_eq!(fs::read(&path).unwrap(), &whole[..length]);
    }
    fs::write(&path, &whole).unwrap();
    sound(&Store::open(&path, Access::Write).unwrap());
}

#[test]
fn the_log_of_a_removed_store_is_not_taken_for_the_new_ones() {
    let (directory, path) = place();
    let (mut removed, session) = store(&path);
    write(&mut removed, &session, 1, 50, Sync::Deltas).unwrap();
    let log = fs::read(path.with_file_name("store.db-wal")).unwrap();
    drop(removed);
    fs::remove_file(&path).unwrap();
    fs::write(path.with_file_name("store.db-wal"), log).unwrap();
    // A link that leads to the store has the same beside it.
    let (mut store, session) = store(&path);
    assert_eq!(sound(&store).len(), 1);
    write(&mut store, &session, 1, 2, Sync::Deltas).unwrap();
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut linked = Store::open(&link, Access::Write).unwrap();
    write(&mut linked, &session, 3, 4, Sync::Deltas).unwrap();
    assert_eq!(linked.path(), path);
    assert_eq!(sound(&store)[0].last_sequence, 4);
    assert!(!directory.path().join("link.db.turn").exists());
}

#[test]
fn another_journal_mode_is_put_right() {
    let (_directory, path) = place();
    closed(&path);
    let mode = |sql: &str| {
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(mode("PRAGMA journal_mode = DELETE"), "delete");
    assert_eq!(sound(&Store::open(&path, Access::Read).unwrap())[0].last_sequence, 2_000);
    Store::open(&path, Access::Write).unwrap().close().unwrap();
    assert_eq!(mode("PRAGMA journal_mode"), "wal");
}

#[test]
fn a_zeroed_page_is_met_with_the_last_good_number() {
    let (_directory, path) = place();
    let whole = closed(&path);
    let mut broken = 0;
    for page in (8..whole.len() / 4096).step_by(3) {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].fill(0);
        fs::write(&path, &bytes).unwrap();
        let store = match Store::open(&path, Access::Read) {
            Ok(store) => store,
            Err(Error::Corrupt { .. }) => continue,
            Err(other) => panic!("{other}"),
        };
        let Ok(Some(session)) = store.session("one") else { continue };
        let mut last = 0;
        let read = store.read(&session, &Select { limit: 5_000, ..Select::default() }, &mut |stored| {
            assert_eq!(stored.sequence, last + 1);
            assert_eq!(stored.data, data("one", stored.sequence));
            last = stored.sequence;
        });
        match read {
            Err(Error::Corrupt { last_good, .. }) => {
                assert_eq!(last_good, (last > 0).then_some(last));
                broken += 1;
            }
            // A page of another index.
            Ok(count) => assert_eq!((count, last), (2_000, 2_000), "page {page}"),
            Err(other) => panic!("{other}"),
        }
        // The check sees it, or cannot even go on.
        assert!(store.check().map_or(true, |findings| !findings.is_empty()), "page {page}");
    }
    assert!(broken > 5, "{broken}");
}

#[test]
fn files_are_for_this_user_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/store.db");
    let (mut store, session) = store(&path);
    write(&mut store, &session, 1, 1, Sync::Deltas).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for made in ["a", "a/b"] {
        assert_eq!(mode(&directory.path().join(made)), 0o700, "{made}");
    }
    for made in ["store.db", "store.db-wal", "store.db-shm", "store.db.turn"] {
        assert_eq!(mode(&path.with_file_name(made)), 0o600, "{made}");
    }
}

#[test]
fn beside_somebodys_store_root_makes_files_that_are_theirs() {
    let (directory, path) = place();
    closed(&path);
    if fs::metadata(&path).unwrap().uid() != 0 {
        println!("not tested: this is not root");
        return;
    }
    fs::remove_file(path.with_file_name("store.db.turn")).unwrap();
    chown(&path, Some(4321), Some(1234)).unwrap();
    let store = Store::open(&path, Access::Read).unwrap();
    assert_eq!(store.sessions().unwrap().len(), 1);
    let mut store = Store::open(&path, Access::Write).unwrap();
    let session = store.session("one").unwrap().unwrap();
    write(&mut store, &session, 2_001, 2_002, Sync::Full).unwrap();
    let mut made = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4321, 1234), "{:?}", entry.file_name());
        made += 1;
    }
    assert_eq!(made, 4);
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    match again_with_mounts("faults::on_a_small_disk", directory.path().as_os_str()) {
        Some(mut command) => drop(run(&mut command)),
        None => panic!("cannot be tested here: this system lets nobody make mounts of their own"),
    }
}

#[test]
#[ignore = "needs mounts of its own, made by another test"]
fn on_a_small_disk() {
    let directory = task();
    let directory = Path::new(&directory);
    run(program("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(directory));
    let (path, ballast) = (directory.join("store.db"), directory.join("ballast"));
    // With no room at all there is no store, and nothing half-made that would be in the way later.
    let mut size = 3 << 20;
    while fs::write(&ballast, vec![1; size]).is_err() {
        size -= 4096;
    }
    match Store::open(&path, Access::Write) {
        Err(Error::Full { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let (mut store, session) = store(&path);
    let mut last = 0;
    for (sync, freed) in [(Sync::Deltas, 1 << 19), (Sync::Full, 0)] {
        let before = last;
        let error = loop {
            match write(&mut store, &session, last + 1, last + 40, sync) {
                Ok(()) => last += 40,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert!(last > before);
        // It stays so, nothing of the batch is there, and all can be read, by a new reader too.
        assert!(matches!(write(&mut store, &session, last + 1, last + 40, sync), Err(Error::Full { .. })));
        for reader in [&store, &Store::open(&path, Access::Read).unwrap()] {
            assert_eq!(sound(reader)[0].last_sequence, last);
        }
        fs::write(&ballast, vec![1; freed]).unwrap();
        write(&mut store, &session, last + 1, last + 40, sync).unwrap();
        last += 40;
    }
    store.close().unwrap();
    let store = Store::open(&path, Access::Write).unwrap();
    assert_eq!(sound(&store)[0].last_sequence, last);
}

#[test]
fn a_read_only_place_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    match again_with_mounts("faults::on_a_read_only_mount", directory.path().as_os_str()) {
        Some(mut command) => drop(run(&mut command)),
        None => panic!("cannot be tested here: this system lets nobody make mounts of their own"),
    }
}

#[test]
#[ignore = "needs mounts of its own, made by another test"]
fn on_a_read_only_mount() {
    let directory = task();
    let directory = Path::new(&directory);
    let (inside, outside) = (directory.join("inside"), directory.join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    run(program("mount").arg("--bind").args([&inside, &outside]));
    run(program("mount").args(["-o", "remount,bind,ro"]).arg(&outside));

    // Closed cleanly, under a name that means something in a URI.
    let name = "a %41 ?store#.db";
    let shown = outside.join(name);
    let (mut writer, session) = store(&inside.join(name));
    write(&mut writer, &session, 1, 500, Sync::Deltas).unwrap();
    writer.close().unwrap();
    let reader = Store::open(&shown, Access::Read).unwrap();
    assert!(reader.frozen());
    assert_eq!(sound(&reader)[0].last_sequence, 500);
    assert!(matches!(Store::open(&shown, Access::Write), Err(Error::ReadOnly { .. })));
    assert!(matches!(Store::open(&outside.join("new.db"), Access::Write), Err(Error::ReadOnly { .. })));

    // Somebody who can write there goes on: the reader notices, and sees the new events whole.
    let mut writer = Store::open(&inside.join(name), Access::Write).unwrap();
    write(&mut writer, &session, 501, 900, Sync::Deltas).unwrap();
    assert_eq!(read_on(&reader, &session, 0).unwrap(), 900);
    assert!(!reader.frozen(), "there is something to follow again");
    write(&mut writer, &session, 901, 901, Sync::Deltas).unwrap();
    assert_eq!(read_on(&reader, &session, 0).unwrap(), 901);
    let before = Store::open(&shown, Access::Read).unwrap();
    drop(reader);
    drop(before);
    writer.close().unwrap();

    // As a crash left it: with what readers share, it is read; without, its log cannot be.
    let crashed = inside.join("crashed.db");
    let (mut writer, session) = store(&crashed);
    write(&mut writer, &session, 1, 50, Sync::Deltas).unwrap();
    for (copy, endings) in [("copy.db", &["", "-wal", "-shm"][..]), ("bare.db", &["", "-wal"])] {
        for ending in endings {
            fs::copy(inside.join(format!("crashed.db{ending}")), inside.join(format!("{copy}{ending}"))).unwrap();
        }
    }
    let reader = Store::open(&outside.join("copy.db"), Access::Read).unwrap();
    assert!(!reader.frozen());
    assert_eq!(sound(&reader)[0].last_sequence, 50);
    assert!(matches!(Store::open(&outside.join("bare.db"), Access::Read), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_place_without_permission_can_be_read() {
    let (directory, path) = place();
    closed(&path);
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut child = again("faults::without_permission", path.as_os_str());
    if fs::metadata(&path).unwrap().uid() == 0 {
        // Root may do everything, so somebody else has to try; they need a program of their own.
        let program = directory.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        child = again_by(&program, "faults::without_permission", path.as_os_str());
        child.uid(65_534).gid(65_534);
    }
    allow(&path, 0o444);
    allow(directory.path(), 0o555);
    run(&mut child);
    allow(&path, 0o000);
    let error = String::from_utf8(child.output().unwrap().stderr).unwrap();
    assert!(error.contains("Io { doing: \"open\"") && error.contains("PermissionDenied"), "{error}");
    allow(directory.path(), 0o755);
}

#[test]
#[ignore = "needs a directory that it may not write to, made by another test"]
fn without_permission() {
    let task = task();
    let path = Path::new(&task);
    let store = Store::open(path, Access::Read).unwrap();
    assert!(store.frozen());
    assert_eq!(sound(&store)[0].last_sequence, 2_000);
    match Store::open(path, Access::Write) {
        Err(Error::ReadOnly { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_cannot_be_written_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    match again_with_mounts("faults::with_a_read_only_file", directory.path().as_os_str()) {
        Some(mut command) => drop(run(&mut command)),
        None => panic!("cannot be tested here: this system lets nobody make mounts of their own"),
    }
}

#[test]
#[ignore = "needs mounts of its own, made by another test"]
fn with_a_read_only_file() {
    let directory = task();
    let path = Path::new(&directory).join("store.db");
    closed(&path);
    run(program("mount").arg("--bind").args([&path, &path]));
    run(program("mount").args(["-o", "remount,bind,ro"]).arg(&path));
    match Store::open(&path, Access::Write) {
        Err(Error::ReadOnly { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(sound(&Store::open(&path, Access::Read).unwrap())[0].last_sequence, 2_000);
}

#[test]
fn a_busy_machine_is_no_fault() {
    // Two stores of one process, each with its own thread for checkpoints, opened and closed in any order.
    let (_directory, path) = place();
    let (mut first, session) = store(&path);
    let mut second = Store::open(&path, Access::Write).unwrap();
    let other = second.create(&named("two", &uid(2))).unwrap();
    for round in 0..40 {
        write(&mut first, &session, round * 500 + 1, round * 500 + 500, Sync::Deltas).unwrap();
        write(&mut second, &other, round * 10 + 1, round * 10 + 10, Sync::Full).unwrap();
    }
    first.close().unwrap();
    write(&mut second, &other, 401, 402, Sync::Deltas).unwrap();
    drop(second);
    assert!(!path.with_file_name("store.db-wal").exists());
    let numbers: Vec<i64> =
        sound(&Store::open(&path, Access::Read).unwrap()).iter().map(|session| session.last_sequence).collect();
    assert_eq!(numbers, [20_000, 402]);
}
