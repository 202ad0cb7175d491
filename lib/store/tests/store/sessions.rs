//! Sessions: made, found, changed, imported, deleted.

use crate::support::{named, place, read_on, row, sound, store, uid, write};
use store::{Access, Batch, Cache, Error, ImportedSession, NewSession, Select, Session, Settings, Store, Sync};

#[test]
fn a_session_is_what_it_was_made_with() {
    let (_directory, path) = place();
    let mut store = Store::open(&path, Access::Write).unwrap();
    let new = NewSession {
        session_id: "name",
        uid: &uid(7),
        boot_id: "boot",
        agent: "codex",
        cwd: "/somewhere",
        created: 5,
        title: Some("title"),
        model: Some("model"),
        mode: Some("mode"),
        effort: Some("effort"),
        permission_mode: Some("ask"),
        parent_session: Some("parent"),
        labels: r#"{"a":"b"}"#,
        settings: r#"{"c":1}"#,
    };
    let made = store.create(&new).unwrap();
    let expected = Session {
        no: made.no,
        session_id: "name".into(),
        uid: uid(7),
        boot_id: "boot".into(),
        agent: "codex".into(),
        cwd: "/somewhere".into(),
        title: Some("title".into()),
        model: Some("model".into()),
        mode: Some("mode".into()),
        effort: Some("effort".into()),
        permission_mode: Some("ask".into()),
        created: 5,
        updated: 5,
        last_sequence: 0,
        status: "starting".into(),
        outcome: None,
        exit_code: None,
        pending: "[]".into(),
        native_session_id: None,
        turns: 0,
        usage: None,
        cost_usd: None,
        labels: r#"{"a":"b"}"#.into(),
        parent_session: Some("parent".into()),
        settings: r#"{"c":1}"#.into(),
        owner: None,
    };
    assert_eq!(made, expected);
    assert_eq!(store.session("name").unwrap(), Some(expected.clone()));
    assert_eq!(store.session_by_no(made.no).unwrap(), Some(expected));
    assert_eq!(store.session("nam").unwrap(), None);
    assert_eq!(store.epochs(made.no).unwrap(), [(1, uid(7))]);
    assert_eq!(store.natives(made.no).unwrap(), []);
}

#[test]
fn names_and_uids_are_taken_once() {
    let (_directory, path) = place();
    let (mut store, _) = store(&path);
    let taken = |result| matches!(result, Err(Error::Exists(name)) if name == "one");
    assert!(taken(store.create(&named("one", &uid(2)))));
    assert!(taken(store.create(&named("two", &uid(1)))));
    store.create(&named("two", &uid(2))).unwrap();
}

#[test]
fn lists_and_prefixes() {
    let (_directory, path) = place();
    let (mut store, one) = store(&path);
    let other = store.create(&named("other", &uid(2))).unwrap();
    store.create(&named("o_%", &uid(3))).unwrap();
    write(&mut store, &other, 1, 1, Sync::Deltas).unwrap();
    let names: Vec<String> = store.sessions().unwrap().into_iter().map(|session| session.session_id).collect();
    assert_eq!(names, ["other", "o_%", "one"]);
    write(&mut store, &one, 1, 2, Sync::Deltas).unwrap();
    assert_eq!(store.sessions().unwrap()[0].session_id, "one");
    assert_eq!(store.sessions_with_prefix("o").unwrap(), ["o_%", "one", "other"]);
    assert_eq!(store.sessions_with_prefix("o_").unwrap(), ["o_%"]);
    assert_eq!(store.sessions_with_prefix("ot").unwrap(), ["other"]);
    assert_eq!(store.sessions_with_prefix("x").unwrap(), Vec::<String>::new());
}

#[test]
fn a_change_leaves_the_rest() {
    let (_directory, path) = place();
    let (mut store, mut session) = store(&path);
    store
        .update(session.no, &Settings { title: Some("t"), labels: Some(r#"{"x":"y"}"#), ..Settings::default() })
        .unwrap();
    store.update(session.no, &Settings { effort: Some("high"), ..Settings::default() }).unwrap();
    store.set_owner(session.no, Some("12 34 boot")).unwrap();
    session.title = Some("t".into());
    session.labels = r#"{"x":"y"}"#.into();
    session.effort = Some("high".into());
    session.owner = Some("12 34 boot".into());
    assert_eq!(store.session("one").unwrap(), Some(session.clone()));
    store.set_owner(session.no, None).unwrap();
    session.owner = None;
    assert_eq!(store.session("one").unwrap(), Some(session));
    assert!(matches!(store.update(99, &Settings::default()), Err(Error::Gone)));
}

#[test]
fn the_cache_is_written_with_the_events() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let mut cache = Cache {
        status: "idle",
        outcome: Some("ok"),
        exit_code: Some(0),
        pending: r#"["prm_1"]"#,
        turns: 3,
        usage: Some(r#"{"input_tokens":1}"#),
        cost_usd: Some(0.25),
        model: Some("large"),
        mode: None,
        title: Some("a title"),
        settings: None,
    };
    let events = [row(1, "turn.ended", "{}")];
    store
        .append(
            session.no,
            &Batch { events: &events, cache: Some(cache), native: None, now: 77, settled: &[], owner: None },
            Sync::Full,
        )
        .unwrap();
    let stored = store.session("one").unwrap().unwrap();
    let expected = Session {
        status: "idle".into(),
        outcome: Some("ok".into()),
        exit_code: Some(0),
        pending: r#"["prm_1"]"#.into(),
        turns: 3,
        usage: Some(r#"{"input_tokens":1}"#.into()),
        cost_usd: Some(0.25),
        model: Some("large".into()),
        title: Some("a title".into()),
        updated: 77,
        last_sequence: 1,
        ..session.clone()
    };
    assert_eq!(stored, expected);
    // Without an event, too; what must be said each time becomes NULL, the rest stays.
    (cache.status, cache.outcome, cache.exit_code, cache.model) = ("running", None, None, None);
    store
        .append(
            session.no,
            &Batch { events: &[], cache: Some(cache), native: None, now: 78, settled: &[], owner: None },
            Sync::Full,
        )
        .unwrap();
    let stored = store.session("one").unwrap().unwrap();
    assert_eq!(stored, Session { status: "running".into(), outcome: None, exit_code: None, updated: 78, ..expected });
}

#[test]
fn an_epoch_and_a_native_id_hold_from_an_event_on() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let append = |store: &mut Store, sequence, native| {
        let events = [row(sequence, "item.delta", "{}")];
        store
            .append(
                session.no,
                &Batch { events: &events, cache: None, native, now: 1, settled: &[], owner: None },
                Sync::Deltas,
            )
            .unwrap();
    };
    append(&mut store, 1, None);
    append(&mut store, 2, Some("native-1"));
    append(&mut store, 3, Some("native-1"));
    store.begin_epoch(session.no, &uid(8), "another boot").unwrap();
    store.begin_epoch(session.no, &uid(9), "a third boot").unwrap();
    append(&mut store, 4, Some("native-2"));
    assert_eq!(store.natives(session.no).unwrap(), [(2, "native-1".to_owned()), (4, "native-2".to_owned())]);
    // The second epoch had no events, or none that are left.
    assert_eq!(store.epochs(session.no).unwrap(), [(1, uid(1)), (4, uid(9))]);
    let stored = store.session("one").unwrap().unwrap();
    assert_eq!((stored.boot_id.as_str(), stored.native_session_id.as_deref()), ("a third boot", Some("native-2")));
    let mut seen = Vec::new();
    let count = store.read(&session, &Select { limit: 9, ..Select::default() }, &mut |stored| {
        seen.push((stored.sequence, stored.epoch.to_owned(), stored.native.map(str::to_owned), stored.cursor));
    });
    assert_eq!(count.unwrap(), 4);
    let native = |number: u8| Some(format!("native-{number}"));
    assert_eq!(
        seen,
        [
            (1, uid(1), None, 1),
            (2, uid(1), native(1), 2),
            (3, uid(1), native(1), 3),
            // Cursors that a power cut may have taken are not given again: a million a new epoch.
            (4, uid(9), native(2), 2_000_004),
        ]
    );
}

#[test]
fn an_imported_session_keeps_its_ids() {
    let (_directory, path) = place();
    let mut store = Store::open(&path, Access::Write).unwrap();
    let (first, second, third) = (uid(1), uid(2), uid(3));
    let mut record = ImportedSession {
        session: named("one", &first),
        epochs: &[(1, &first), (3, &second)],
        natives: &[(2, "native")],
    };
    let session = store.import(&record).unwrap();
    assert_eq!(session.native_session_id.as_deref(), Some("native"));
    write(&mut store, &session, 1, 4, Sync::Deltas).unwrap();
    // The rest of a longer copy of the same session: what is known about stored events stays.
    let longer = [(1, first.as_str()), (3, "changed"), (5, &third)];
    record.epochs = &longer;
    record.natives = &[(2, "changed"), (5, "native-2")];
    let again = store.import(&record).unwrap();
    assert_eq!((again.no, again.last_sequence), (session.no, 4));
    assert_eq!(store.epochs(session.no).unwrap(), [(1, first.clone()), (3, second.clone()), (5, third.clone())]);
    assert_eq!(store.natives(session.no).unwrap(), [(2, "native".to_owned()), (5, "native-2".to_owned())]);
    // Another session of that name, and the same under another name.
    record.session.uid = &second;
    assert!(matches!(store.import(&record), Err(Error::Exists(name)) if name == "one"));
    record.session = named("two", &first);
    assert!(matches!(store.import(&record), Err(Error::Exists(name)) if name == "one"));
}

#[test]
fn a_deleted_session_leaves_nothing_and_no_number_comes_again() {
    let (_directory, path) = place();
    let (mut store, one) = store(&path);
    let two = store.create(&named("two", &uid(2))).unwrap();
    write(&mut store, &one, 1, 3, Sync::Deltas).unwrap();
    // More than one transaction deletes.
    for first in (1..20_000).step_by(2_000) {
        write(&mut store, &two, first, first + 1_999, Sync::Deltas).unwrap();
    }
    assert_eq!(store.size(one.no).unwrap(), 3 * 28);
    let before = store.file_size().unwrap();
    let cursor = store.last_cursor().unwrap();
    assert_eq!(cursor, 20_003);
    store.delete(two.no).unwrap();
    assert!(matches!(store.delete(two.no), Err(Error::Gone)));
    assert!(matches!(read_on(&store, &two, 0), Err(Error::Gone)));
    assert_eq!(store.size(two.no).unwrap(), 0);
    assert_eq!(store.epochs(two.no).unwrap(), []);
    store.give_back().unwrap();
    assert!(store.file_size().unwrap() < before / 10, "{} of {before}", store.file_size().unwrap());
    // The name is free again, its number and its cursors are not.
    let again = store.create(&named("two", &uid(2))).unwrap();
    assert!(again.no > two.no);
    write(&mut store, &again, 1, 1, Sync::Deltas).unwrap();
    let mut seen = Vec::new();
    store
        .read_all(&Select { after: 3, limit: 10, ..Select::default() }, &mut |stored| seen.push(stored.cursor))
        .unwrap();
    assert_eq!(seen, [20_004]);
    store.delete(again.no).unwrap();
    store.delete(one.no).unwrap();
    assert_eq!(store.last_cursor().unwrap(), 20_004);
    store.close().unwrap();
    let mut store = Store::open(&path, Access::Write).unwrap();
    let three = store.create(&named("three", &uid(3))).unwrap();
    assert!(three.no > again.no);
    write(&mut store, &three, 1, 1, Sync::Deltas).unwrap();
    assert_eq!(store.last_cursor().unwrap(), 20_005);
    assert_eq!(sound(&store).len(), 1);
}

#[test]
fn an_interrupted_deletion_is_finished_by_the_next() {
    let (_directory, path) = place();
    let (mut store, one) = store(&path);
    write(&mut store, &one, 1, 10, Sync::Deltas).unwrap();
    store.close().unwrap();
    // As the first transaction of a deletion leaves it.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("DELETE FROM session; DELETE FROM epoch; INSERT INTO doomed VALUES(1)").unwrap();
    raw.close().unwrap();
    let mut store = Store::open(&path, Access::Write).unwrap();
    // Its events are hidden meanwhile.
    assert_eq!(store.read_all(&Select { limit: 10, ..Select::default() }, &mut |_| {}).unwrap(), 0);
    let one = store.create(&named("one", &uid(1))).unwrap();
    write(&mut store, &one, 1, 2, Sync::Deltas).unwrap();
    store.give_back().unwrap();
    assert_eq!(sound(&store)[0].last_sequence, 2);
    store.close().unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    let left: i64 = raw.query_row("SELECT count(*) FROM event WHERE session_no <> 0", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}
