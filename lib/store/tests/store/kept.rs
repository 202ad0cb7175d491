//! A process that keeps its stores open meets what another one would.

use crate::support::{named, place, store, uid, write};
use std::{fs, path::Path};
use store::{Access, Error, Store, Sync, keep_open};

/// How many descriptors of this process lead to the store.
fn descriptors(path: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link == path).count()
}

fn names(path: &Path) -> Vec<String> {
    let sessions = Store::open(path, Access::Read).unwrap().sessions().unwrap();
    sessions.into_iter().map(|session| session.session_id).collect()
}

#[test]
fn what_is_dropped_is_opened_again() {
    let (_directory, path) = place();
    let keeping = keep_open();
    // One that was just made is not known by its file.
    drop(store(&path));
    assert_eq!(descriptors(&path), 0);
    for round in 0..3 {
        let mut store = Store::open(&path, Access::Write).unwrap();
        let session = store.session("one").unwrap().unwrap();
        write(&mut store, &session, round + 1, round + 1, Sync::Full).unwrap();
        drop(store);
        assert_eq!(descriptors(&path), 1, "round {round}");
    }
    assert_eq!(names(&path), ["one"]);
    assert_eq!(descriptors(&path), 2, "a writer and a reader");
    drop(keeping);
    assert_eq!(descriptors(&path), 0);
    assert_eq!(names(&path), ["one"]);
    assert_eq!(descriptors(&path), 0, "nobody keeps any more");
}

#[test]
fn another_file_of_this_name_is_another_store() {
    let (directory, path) = place();
    store(&path).0.close().unwrap();
    let other = directory.path().join("other.db");
    let mut store = Store::open(&other, Access::Write).unwrap();
    store.create(&named("two", &uid(2))).unwrap();
    store.close().unwrap();
    let _keeping = keep_open();
    assert_eq!(names(&path), ["one"]);
    for file in ["store.db-wal", "store.db-shm"] {
        // (Whoever closes last removes them, and we keep it open.)
        fs::remove_file(directory.path().join(file)).unwrap();
    }
    fs::rename(&other, &path).unwrap();
    assert_eq!(names(&path), ["two"]);
    fs::remove_file(&path).unwrap();
    assert!(matches!(Store::open(&path, Access::Read), Err(Error::Missing { .. })));
}
