//! Many writers and many followers on one store, in processes and threads.

use crate::support::{again, named, place, read_on, rounds, run, sound, task, uid, write};
use std::{
    collections::HashSet,
    path::Path,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};
use store::{Access, Select, Store, Sync};

const EVENTS: i64 = 600;

#[test]
fn every_follower_sees_each_event_once() {
    let (_directory, path) = place();
    let writers = i64::from(rounds(6)).clamp(2, 20);
    // All at once, the making of the store included.
    thread::scope(|scope| {
        let path = &path;
        for number in 0..writers {
            scope.spawn(move || run(&mut again("many::a_writer", format!("{number} {}", path.display()).as_ref())));
            scope.spawn(move || {
                let store = loop {
                    match Store::open(path, Access::Read) {
                        Err(store::Error::Missing { .. }) => pause(),
                        opened => break opened.unwrap(),
                    }
                };
                let session = loop {
                    match store.session(&format!("session_{number}")).unwrap() {
                        Some(session) => break session,
                        None => pause(),
                    }
                };
                let mut last = 0;
                while last < EVENTS {
                    // It checks that each number follows the one before, over the pages too.
                    last = read_on(&store, &session, last).unwrap();
                    pause();
                }
                assert_eq!(last, EVENTS);
            });
        }
        // One that follows them all, in the order of writing.
        scope.spawn(move || {
            let store = loop {
                match Store::open(path, Access::Read) {
                    Err(store::Error::Missing { .. }) => pause(),
                    opened => break opened.unwrap(),
                }
            };
            let (mut after, mut seen) = (0, HashSet::new());
            while (seen.len() as i64) < writers * EVENTS {
                let select = Select { after, limit: 64, ..Select::default() };
                let count = store.read_all(&select, &mut |stored| {
                    assert!(stored.cursor > after);
                    after = stored.cursor;
                    assert!(seen.insert((stored.session_id.to_owned(), stored.sequence)), "{} twice", stored.cursor);
                });
                if count.unwrap() == 0 {
                    pause();
                }
            }
        });
    });
    let store = Store::open(&path, Access::Read).unwrap();
    assert!(sound(&store).iter().all(|session| session.last_sequence == EVENTS));
}

#[test]
#[ignore = "one of the writers of another test, as a process of its own"]
fn a_writer() {
    let task = task();
    let (number, path) = task.split_once(' ').unwrap();
    let number: u64 = number.parse().unwrap();
    let mut store = Store::open(Path::new(path), Access::Write).unwrap();
    let session = store.create(&named(&format!("session_{number}"), &uid(number))).unwrap();
    let mut last = 0;
    for size in [1, 3, 1, 20, 2].into_iter().cycle() {
        let first = last + 1;
        last = (last + size).min(EVENTS);
        write(&mut store, &session, first, last, if size == 2 { Sync::Full } else { Sync::Deltas }).unwrap();
        if last == EVENTS {
            break;
        }
    }
    store.close().unwrap();
}

/// The cursor survives that the newest session is deleted and another written, while a page may be read between any two.
#[test]
fn a_cursor_meets_each_event_once_across_deletions() {
    let (_directory, path) = place();
    Store::open(&path, Access::Write).unwrap().close().unwrap();
    let total = 40;
    thread::scope(|scope| {
        let path = &path;
        let writer = scope.spawn(move || {
            let mut store = Store::open(path, Access::Write).unwrap();
            let kept = store.create(&named("kept", &uid(1000))).unwrap();
            for number in 1..=total {
                let name = format!("passing_{number}");
                let passing = store.create(&named(&name, &uid(number))).unwrap();
                write(&mut store, &passing, 1, 5, Sync::Deltas).unwrap();
                store.delete(passing.no).unwrap();
                write(&mut store, &kept, number as i64, number as i64, Sync::Deltas).unwrap();
            }
        });
        scope.spawn(move || {
            let store = Store::open(path, Access::Read).unwrap();
            let (mut after, mut kept, mut seen) = (0, 0, HashSet::new());
            loop {
                let done = writer.is_finished();
                let select = Select { after, limit: 3, ..Select::default() };
                let count = store.read_all(&select, &mut |stored| {
                    assert!(stored.cursor > after);
                    after = stored.cursor;
                    assert!(seen.insert((stored.session_id.to_owned(), stored.sequence)));
                    if stored.session_id == "kept" {
                        kept += 1;
                        assert_eq!(stored.sequence, kept);
                    }
                });
                if count.unwrap() == 0 && done {
                    break;
                }
            }
            assert_eq!(kept, total as i64);
        });
    });
}

/// Between two looks at what another process does; if that failed, the test is to fail rather than to hang.
fn pause() {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    assert!(BEGIN.elapsed() < Duration::from_secs(120), "what is waited for does not come");
    thread::sleep(Duration::from_millis(1));
}
