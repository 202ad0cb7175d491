//! The public views, as any `sqlite3` reads them, from a store of each released version.

use crate::support::{named, place, program, read_on, run, uid, write};
use std::{fs, path::Path};
use store::{Access, Batch, Cache, Row, Select, Store, Sync};

/// A store of each version of the schema, as `make_a_fixture` left it. One that was released stays as it is.
const FIXTURES: &[&str] = &["0001.db"];

#[test]
fn a_store_of_each_version_is_read_and_written() {
    for fixture in FIXTURES {
        let (_directory, path) = place();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/fixtures").join(fixture), &path).unwrap();
        assert_eq!(ask(&path, "PRAGMA user_version"), format!("{}\n", &fixture[3..4]));
        // (What is not released yet needs no fixture.)
        // Whoever only reads brings it up to date, too.
        assert_eq!(Store::open(&path, Access::Read).unwrap().sessions().unwrap().len(), 2);
        let mut store = Store::open(&path, Access::Write).unwrap();
        let session = store.session("fix-tests").unwrap().unwrap();
        assert_eq!((session.last_sequence, session.status.as_str()), (6, "running"));
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        assert_eq!(store.epochs(session.no).unwrap(), [(1, uid(1)), (5, uid(3))]);
        assert_eq!(store.natives(session.no).unwrap(), [(2, "native-1".to_owned()), (4, "native-2".to_owned())]);
        let mut seen = Vec::new();
        let select = Select { after: 2, limit: 2, ..Select::default() };
        store.read(&session, &select, &mut |stored| seen.push((stored.sequence, stored.data.to_owned()))).unwrap();
        assert_eq!(seen, [(3, EVENTS[2].1.to_owned()), (4, EVENTS[3].1.to_owned())]);
        let other = store.session("other").unwrap().unwrap();
        write(&mut store, &other, 2, 3, Sync::Full).unwrap();
        assert_eq!(read_on(&store, &other, 0).unwrap(), 3);
        store.close().unwrap();
        views(&path);
    }
}

#[test]
fn a_store_made_now_has_the_same_views() {
    let (_directory, path) = place();
    make(&path);
    views(&path);
    // While a writer has it open, too.
    let store = Store::open(&path, Access::Write).unwrap();
    views(&path);
    store.close().unwrap();
}

fn views(path: &Path) {
    let columns = |view: &str| ask(path, &format!("SELECT group_concat(name, ' ') FROM pragma_table_info('{view}')"));
    assert_eq!(
        columns("sessions"),
        "session_id title agent cwd status outcome exit_code last_sequence pending native_session_id model mode \
         permission_mode created updated turns usage cost_usd labels parent_session\n"
    );
    assert_eq!(
        columns("events"),
        "event_id session_id native_session_id sequence time type source synthetic data raw cursor\n"
    );
    assert_eq!(
        columns("turns"),
        "session_id turn_id started ended outcome exit_code final_text usage cost_usd duration_ms\n"
    );
    assert_eq!(
        ask(path, "SELECT * FROM sessions WHERE session_id = 'fix-tests'"),
        "fix-tests|Fix the tests|mock|/work|running|ok|0|6|[]|native-2|large|||2023-11-14T22:13:20.000Z|\
         2023-11-14T22:13:20.007Z|2|{\"input_tokens\":3}|0.5|{\"team\":\"a\"}|parent\n"
    );
    let (first, second) = (uid(1), uid(3));
    assert_eq!(
        ask(
            path,
            "SELECT event_id, session_id, native_session_id, sequence, time, type, source, synthetic, raw, cursor
                   FROM events WHERE session_id = 'fix-tests' ORDER BY sequence"
        ),
        format!(
            "evt_{first}_1|fix-tests||1|2023-11-14T22:13:20.000Z|session.started|daemon|1||1\n\
             evt_{first}_2|fix-tests|native-1|2|1970-01-01T00:00:00.001Z|turn.started|daemon|1||2\n\
             evt_{first}_3|fix-tests|native-1|3|2023-11-14T22:13:20.999Z|agent.unparsed|agent|0|{{\"odd\":1}}|3\n\
             evt_{first}_4|fix-tests|native-2|4|2106-02-07T06:28:16.010Z|turn.ended|daemon|1||4\n\
             evt_{second}_5|fix-tests|native-2|5|2023-11-14T22:13:20.000Z|item.delta|agent|0||1000006\n\
             evt_{second}_6|fix-tests|native-2|6|2023-11-14T22:13:20.000Z|turn.started|daemon|1||1000007\n"
        )
    );
    assert_eq!(ask(path, "SELECT data FROM events WHERE cursor = 4"), format!("{}\n", EVENTS[3].1));
    assert_eq!(
        ask(path, "SELECT * FROM turns"),
        "fix-tests|trn_1|1970-01-01T00:00:00.001Z|2106-02-07T06:28:16.010Z|ok|0|Done.|{\"input_tokens\":3}|0.5|1234\n\
         fix-tests|trn_2|2023-11-14T22:13:20.000Z|||||||\n"
    );
    // Finding turns reads no deltas.
    let plan = ask(path, "EXPLAIN QUERY PLAN SELECT * FROM turns");
    assert_eq!(plan.matches("USING INDEX turn_event").count(), 2, "{plan}");
    assert!(plan.contains("SEARCH ended USING INDEX sqlite_autoindex_event_1 (session_no=? AND sequence=?)"), "{plan}");
}

/// What the system's own `sqlite3` says; the views must not need the SQLite that we bring along.
fn ask(path: &Path, sql: &str) -> String {
    let answer = run(program("sqlite3").args(["-batch", "-init", "/dev/null", "-readonly"]).arg(path).arg(sql));
    String::from_utf8(answer.stdout).unwrap()
}

/// The events of `fix-tests`: type, data, time, native id from there on.
const EVENTS: [(&str, &str, i64, Option<&str>); 6] = [
    ("session.started", r#"{"schema_version":1,"agent":"mock"}"#, 1_700_000_000_000, None),
    ("turn.started", r#"{"phase":"started","turn_id":"trn_1"}"#, 1, Some("native-1")),
    ("agent.unparsed", r#"{"error":"odd"}"#, 1_700_000_000_999, None),
    (
        "turn.ended",
        r#"{"phase":"ended","turn_id":"trn_1","outcome":"ok","exit_code":0,"final_text":"Done.","usage":{"input_tokens":3},"cost":{"usd":0.5,"basis":"reported"},"duration_ms":1234}"#,
        4_294_967_296_010,
        Some("native-2"),
    ),
    ("item.delta", r#"{"item_id":"itm_1","delta":"Hel"}"#, 1_700_000_000_000, None),
    ("turn.started", r#"{"phase":"started","turn_id":"trn_2"}"#, 1_700_000_000_000, None),
];

/// What a store of the present version looks like; a later version keeps this one's file.
fn make(path: &Path) {
    let mut store = Store::open(path, Access::Write).unwrap();
    let (first, second) = (uid(1), uid(2));
    let mut new = named("fix-tests", &first);
    (new.labels, new.parent_session) = (r#"{"team":"a"}"#, Some("parent"));
    let session = store.create(&new).unwrap();
    let other = store.create(&named("other", &second)).unwrap();
    let cache = Cache {
        status: "running",
        outcome: Some("ok"),
        exit_code: Some(0),
        pending: "[]",
        turns: 2,
        usage: Some(r#"{"input_tokens":3}"#),
        cost_usd: Some(0.5),
        model: Some("large"),
        mode: None,
        title: Some("Fix the tests"),
        settings: None,
    };
    for ((kind, data, time, native), sequence) in EVENTS.into_iter().zip(1..) {
        if sequence == 5 {
            write(&mut store, &other, 1, 1, Sync::Full).unwrap();
            store.begin_epoch(session.no, &uid(3), "another boot").unwrap();
        }
        let synthetic = kind.starts_with("turn") || kind.starts_with("session");
        let raw = (kind == "agent.unparsed").then_some(r#"{"odd":1}"#);
        let row = Row { sequence, time, kind, synthetic, data, raw };
        let batch = Batch {
            events: &[row],
            cache: Some(cache),
            native,
            now: 1_700_000_000_001 + sequence,
            settled: &[],
            owner: None,
        };
        store.append(session.no, &batch, Sync::Full).unwrap();
    }
    // One that is deleted leaves nothing but the mark of its cursors.
    let gone = store.create(&named("gone", &uid(4))).unwrap();
    write(&mut store, &gone, 1, 3, Sync::Full).unwrap();
    store.delete(gone.no).unwrap();
    store.close().unwrap();
}

#[test]
#[ignore = "once for each version of the schema, before its release"]
fn make_a_fixture() {
    let version = Store::versions().1;
    let path = format!("{}/tests/store/fixtures/{version:04}.db", env!("CARGO_MANIFEST_DIR"));
    assert!(!Path::new(&path).exists(), "{path} is there");
    make(Path::new(&path));
    fs::remove_file(format!("{path}.turn")).unwrap();
}
