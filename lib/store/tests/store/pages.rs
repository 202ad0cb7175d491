//! Events: appended without gaps, read in pages.

use crate::support::{data, named, place, read_on, row, store, uid, write};
use std::fs;
use store::{Access, Batch, Error, Row, Select, Store, Sync};

#[test]
fn an_event_comes_back_as_it_was() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let text = "{\"text\":\"grün \u{1f600} \\u0000 \\\" %\"}";
    let events = [
        Row { sequence: 1, time: 12, kind: "item.delta", synthetic: true, data: text, raw: Some("[1]") },
        Row { sequence: 2, time: 11, kind: "agent.unparsed", synthetic: false, data: "{}", raw: Some("\"x\"") },
    ];
    store
        .append(
            session.no,
            &Batch { events: &events, cache: None, native: Some("n"), now: 0, settled: &[], owner: None },
            Sync::Full,
        )
        .unwrap();
    for (raw, shown) in [(true, Some("[1]")), (false, None)] {
        let mut seen = 0;
        let select = Select { limit: 10, raw, ..Select::default() };
        store
            .read(&session, &select, &mut |stored| {
                seen += 1;
                assert_eq!((stored.cursor, stored.session_id, stored.epoch), (seen, "one", uid(1).as_str()));
                assert_eq!(stored.native, Some("n"));
                if seen == 1 {
                    assert_eq!((stored.sequence, stored.time, stored.kind), (1, 12, "item.delta"));
                    assert_eq!((stored.synthetic, stored.data, stored.raw), (true, text, shown));
                } else {
                    assert_eq!((stored.sequence, stored.time, stored.kind), (2, 11, "agent.unparsed"));
                    // What was not understood shows what came, asked or not.
                    assert_eq!((stored.synthetic, stored.data, stored.raw), (false, "{}", Some("\"x\"")));
                }
            })
            .unwrap();
        assert_eq!(seen, 2);
    }
}

#[test]
fn only_the_next_number_is_taken() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    write(&mut store, &session, 1, 3, Sync::Deltas).unwrap();
    for (first, last) in [(3, 4), (5, 6), (0, 1)] {
        match write(&mut store, &session, first, last, Sync::Deltas) {
            Err(Error::OutOfOrder { session_id, last: 3, found }) => {
                assert_eq!((session_id.as_str(), found), ("one", first))
            }
            other => panic!("{other:?}"),
        }
    }
    // A gap inside leaves nothing of the batch.
    let events = [row(4, "item.delta", "{}"), row(6, "item.delta", "{}")];
    let batch = Batch { events: &events, cache: None, native: Some("n"), now: 0, settled: &[], owner: None };
    assert!(matches!(store.append(session.no, &batch, Sync::Deltas), Err(Error::OutOfOrder { last: 3, found: 6, .. })));
    // Nor does a failure further on: here the same number, written behind our back.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("INSERT INTO event VALUES(NULL, ?1, 6, 0, 'x', 0, '{}', NULL)", [session.no]).unwrap();
    assert!(matches!(write(&mut store, &session, 4, 7, Sync::Deltas), Err(Error::Sqlite { .. })));
    raw.execute("DELETE FROM event WHERE sequence = 6", []).unwrap();
    assert_eq!(store.session("one").unwrap().unwrap().last_sequence, 3);
    assert_eq!(read_on(&store, &session, 0).unwrap(), 3);
    write(&mut store, &session, 4, 7, Sync::Full).unwrap();
    assert_eq!(read_on(&store, &session, 0).unwrap(), 7);
    assert!(matches!(
        write(
            &mut store,
            &{
                let mut other = session.clone();
                other.no = 99;
                other
            },
            1,
            1,
            Sync::Full
        ),
        Err(Error::Gone)
    ));
}

#[test]
fn pages_are_selected() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let kinds = ["item.started", "item.delta", "item.completed", "error"];
    let data: Vec<String> = (1..=100).map(|sequence| data("one", sequence)).collect();
    let events: Vec<Row<'_>> =
        (1..=100).map(|sequence| row(sequence, kinds[sequence as usize % 4], &data[sequence as usize - 1])).collect();
    store
        .append(
            session.no,
            &Batch { events: &events, cache: None, native: None, now: 0, settled: &[], owner: None },
            Sync::Deltas,
        )
        .unwrap();
    let read = |select: Select<'_>| {
        let mut seen = Vec::new();
        let count = store.read(&session, &select, &mut |stored| seen.push(stored.sequence)).unwrap();
        assert_eq!(count, seen.len());
        let mut all = Vec::new();
        store.read_all(&select, &mut |stored| all.push(stored.sequence)).unwrap();
        assert_eq!(all, seen, "one session alone: its numbers are the cursors");
        seen
    };
    let select = Select { limit: 3, ..Select::default() };
    assert_eq!(read(select), [1, 2, 3]);
    assert_eq!(read(Select { after: 98, ..select }), [99, 100]);
    assert_eq!(read(Select { after: 100, ..select }), []);
    assert_eq!(read(Select { after: 5, up_to: Some(7), ..select }), [6, 7]);
    assert_eq!(read(Select { reverse: true, ..select }), [100, 99, 98]);
    assert_eq!(read(Select { reverse: true, after: 1, up_to: Some(3), ..select }), [3, 2]);
    assert_eq!(read(Select { types: &["error"], ..select }), [3, 7, 11]);
    assert_eq!(read(Select { types: &["error", "item.started"], after: 7, ..select }), [8, 11, 12]);
    assert_eq!(read(Select { types: &["none"], ..select }), []);
    let (at, then) = (1_700_000_000_050, 1_700_000_000_052);
    assert_eq!(read(Select { since: Some(at), until: Some(then), ..select }), [50, 51]);
    assert_eq!(
        read(Select { since: Some(at), types: &["item.started"], reverse: true, up_to: Some(58), ..select }),
        [56, 52]
    );
    assert_eq!(read(Select { limit: 0, ..select }), []);
}

#[test]
fn words_are_found_as_they_are_written() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let texts = [
        ("item.completed", r#"{"text":"Fix the Parser"}"#),
        ("item.completed", r#"{"text":"100% of C:\\dir said \"no\""}"#),
        ("item.delta", r#"{"text":"parser"}"#),
        ("turn.ended", r#"{"final_text":"the parser is fixed, ünïcode"}"#),
        ("item.completed", r#"{"text":"1000 of a_b"}"#),
    ];
    let events: Vec<Row<'_>> =
        texts.iter().zip(1..).map(|((kind, data), sequence)| row(sequence, kind, data)).collect();
    store
        .append(
            session.no,
            &Batch { events: &events, cache: None, native: None, now: 0, settled: &[], owner: None },
            Sync::Deltas,
        )
        .unwrap();
    let search = |words, limit| {
        let mut seen = Vec::new();
        store.search(words, limit, &mut |stored| seen.push(stored.sequence)).unwrap();
        seen
    };
    assert_eq!(search("parser", 10), [4, 1]);
    assert_eq!(search("parser", 1), [4]);
    assert_eq!(search("  parser   FIX ", 10), [4, 1]);
    assert_eq!(search("parser Fix the ended", 10), Vec::<i64>::new());
    assert_eq!(search("100%", 10), [2]);
    assert_eq!(search(r"C:\dir", 10), [2]);
    assert_eq!(search(r#""no""#, 10), [2]);
    assert_eq!(search("a_b", 10), [5]);
    assert_eq!(search("aXb", 10), Vec::<i64>::new());
    assert_eq!(search("ünïcode", 10), [4]);
}

/// A statement that stays open while its reader waits would keep the log from ever beginning anew.
#[test]
fn a_waiting_reader_does_not_make_the_log_grow() {
    let (directory, path) = place();
    let (mut store, session) = store(&path);
    write(&mut store, &session, 1, 1000, Sync::Deltas).unwrap();
    let reader = Store::open(&path, Access::Read).unwrap();
    let longest = |store: &mut Store, first: i64| {
        let mut longest = 0;
        for first in (first..first + 6_000).step_by(3) {
            write(store, &session, first, first + 2, Sync::Deltas).unwrap();
            longest = longest.max(fs::metadata(directory.path().join("store.db-wal")).unwrap().len());
        }
        longest
    };
    // One page is read, and its reader now waits for a slow terminal.
    assert_eq!(reader.read(&session, &Select { limit: 100, ..Select::default() }, &mut |_| {}).unwrap(), 100);
    let waiting = longest(&mut store, 1_001);
    assert!(waiting < 12 << 20, "{waiting}");
    // To see that it would show: somebody who does keep a snapshot.
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN; SELECT count(*) FROM event").unwrap();
    let held = longest(&mut store, 7_001);
    assert!(held > 20 << 20, "{held}");
    foreign.execute_batch("COMMIT").unwrap();
    longest(&mut store, 13_001);
    let after = fs::metadata(directory.path().join("store.db-wal")).unwrap().len();
    assert!(after < 12 << 20, "{after}");
    assert_eq!(read_on(&reader, &session, 0).unwrap(), 19_000);
    drop((foreign, reader));
    store.close().unwrap();
    assert!(!directory.path().join("store.db-wal").exists());
}

#[test]
fn a_reader_sees_what_was_committed_before_it_looked() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let reader = Store::open(&path, Access::Read).unwrap();
    assert!(!reader.frozen());
    for sequence in 1..=50 {
        write(&mut store, &session, sequence, sequence, Sync::Deltas).unwrap();
        assert_eq!(read_on(&reader, &session, sequence - 1).unwrap(), sequence);
    }
    let mut reader = reader;
    assert!(matches!(reader.create(&named("two", &uid(2))), Err(Error::ReadOnly { .. })));
}
