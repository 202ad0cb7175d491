//! How fast the store takes events and gives them back: `cargo bench -p store [-- DIRECTORY]`.
#![expect(clippy::print_stdout, reason = "a bench is there to print")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use store::{Access, Batch, Cache, NewSession, Row, Select, Session, Store, Sync};

/// About 110 bytes, as a delta has.
const DATA: &str =
    r#"{"item_id":"itm_0198c2f04a3b7c10a1b2c3d4e5f60718_12","delta":"some twenty letters or more of a text, yes"}"#;

const PAGE: usize = 4096;

fn main() {
    let directory = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let directory = match &directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a directory can be made");
    println!("SQLite {}, data of {} bytes, in {}", Store::versions().0, DATA.len(), directory.path().display());
    println!("\nappend            events/s   commit p50    p99  p99.9 (ms)   log MiB   bytes/event");
    for (name, size, total, sync) in [
        ("1, normal", 1, 100_000, "normal"),
        ("1, full", 1, 1_000, "full"),
        ("1, every 7th full", 1, 5_000, "mixed"),
        ("16, normal", 16, 400_000, "normal"),
        ("256, normal", 256, 2_000_000, "normal"),
        ("256, mixed", 256, 1_000_000, "mixed"),
        ("256, full", 256, 200_000, "full"),
    ] {
        append(&directory.path().join(name), name, size, total, sync, None);
    }
    let pace = Some(Duration::from_micros(200));
    append(&directory.path().join("paced"), "1, 5000/s, normal", 1, 25_000, "normal", pace);
    append(&directory.path().join("paced, mixed"), "1, 5000/s, mixed", 1, 10_000, "mixed", pace);
    many(&directory.path().join("many"));
    read(&directory.path().join("256, normal"));
}

/// Appends `total` events, `size` a commit, as fast as it can or one commit each `pace`.
fn append(directory: &Path, name: &str, size: i64, total: i64, sync: &str, pace: Option<Duration>) {
    let path = directory.join("store.db");
    let mut store = Store::open(&path, Access::Write).expect("a store can be made");
    let session = create(&mut store, 1);
    let mut times = Vec::new();
    let mut log = 0;
    let begin = Instant::now();
    for (index, first) in (1..=total).step_by(usize::try_from(size).expect("a size")).enumerate() {
        let at = Instant::now();
        let full = sync == "full" || sync == "mixed" && index % 7 == 0;
        write(&mut store, &session, first, size, full);
        times.push(at.elapsed());
        if let Some(pace) = pace {
            std::thread::sleep(
                (begin + pace * u32::try_from(index + 1).expect("few")).saturating_duration_since(Instant::now()),
            );
        }
        if index % 64 == 0 {
            log = log.max(fs::metadata(directory.join("store.db-wal")).map_or(0, |log| log.len()));
        }
    }
    let rate = total as f64 / begin.elapsed().as_secs_f64();
    store.close().expect("the store closes");
    let bytes = fs::metadata(&path).expect("the store is there").len() as f64 / total as f64;
    times.sort_unstable();
    let log = log as f64 / 1_048_576.0;
    let (half, rare, rarer) = (quantile(&times, 0.5), quantile(&times, 0.99), quantile(&times, 0.999));
    println!("{name:17} {rate:9.0}   {half:10.3} {rare:6.2} {rarer:6.2}        {log:7.1}   {bytes:11.0}");
}

/// Eight writers on one store, 20 events a second each, then as fast as they can.
fn many(directory: &Path) {
    println!("\n8 writers         events/s   commit p50    p99  p99.9 (ms)");
    let path = directory.join("store.db");
    Store::open(&path, Access::Write).expect("a store can be made").close().expect("the store closes");
    for (name, pause) in [("20 events/s each", Duration::from_millis(50)), ("no pause", Duration::ZERO)] {
        let begin = Instant::now();
        let mut times = Vec::new();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || {
                        let mut store = Store::open(path, Access::Write).expect("the store opens");
                        let session = create(&mut store, number + if pause.is_zero() { 100 } else { 200 });
                        let mut times = Vec::new();
                        let mut sequence = 0;
                        while begin.elapsed() < Duration::from_secs(3) {
                            sequence += 1;
                            let at = Instant::now();
                            write(&mut store, &session, sequence, 1, false);
                            times.push(at.elapsed());
                            std::thread::sleep(pause);
                        }
                        times
                    })
                })
                .collect();
            let counts: Vec<usize> = writers
                .into_iter()
                .map(|writer| {
                    let theirs = writer.join().expect("the writer ends");
                    times.extend_from_slice(&theirs);
                    theirs.len()
                })
                .collect();
            let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
            times.sort_unstable();
            let (half, rare, rarer) = (quantile(&times, 0.5), quantile(&times, 0.99), quantile(&times, 0.999));
            println!("{name:17} {rate:9.0}   {half:10.3} {rare:6.2} {rarer:6.2}   of each: {counts:?}");
        });
    }
}

/// Reads the largest store back: all of it, and single pages.
fn read(directory: &Path) {
    println!("\nread");
    let store = Store::open(&directory.join("store.db"), Access::Read).expect("the store opens");
    let session = store.session("session_1").expect("the store reads").expect("the session is there");
    let begin = Instant::now();
    let (mut after, mut bytes, mut events) = (0, 0, 0);
    loop {
        let select = Select { after, limit: PAGE, ..Select::default() };
        let count = store.read(&session, &select, &mut |stored| {
            after = stored.sequence;
            bytes += stored.data.len();
        });
        let count = count.expect("the store reads");
        events += count;
        if count < PAGE {
            break;
        }
    }
    println!(
        "{:24} {:9.0} events/s ({bytes} bytes)",
        "one session, pages",
        events as f64 / begin.elapsed().as_secs_f64()
    );
    let begin = Instant::now();
    let (mut after, mut events) = (0, 0);
    loop {
        let select = Select { after, limit: PAGE, ..Select::default() };
        let count = store.read_all(&select, &mut |stored| after = stored.cursor).expect("the store reads");
        events += count;
        if count < PAGE {
            break;
        }
    }
    println!("{:24} {:9.0} events/s", "all sessions, pages", events as f64 / begin.elapsed().as_secs_f64());
    let mut times = Vec::new();
    for index in 0..10_000 {
        let after = (index * 7919) % (session.last_sequence - 10);
        let at = Instant::now();
        let select = Select { after, limit: 10, ..Select::default() };
        let count = store.read(&session, &select, &mut |_| {}).expect("the store reads");
        assert_eq!(count, 10);
        times.push(at.elapsed());
    }
    times.sort_unstable();
    println!(
        "{:24} p50 {:.3} ms, p99 {:.3} ms",
        "page of 10 at an offset",
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
}

fn create(store: &mut Store, number: i64) -> Session {
    let new = NewSession {
        session_id: &format!("session_{number}"),
        uid: &format!("{number:032x}"),
        boot_id: "boot",
        agent: "mock",
        cwd: "/",
        created: 0,
        title: None,
        model: None,
        mode: None,
        effort: None,
        permission_mode: None,
        parent_session: None,
        labels: "{}",
        settings: "{}",
    };
    store.create(&new).expect("a session can be made")
}

fn write(store: &mut Store, session: &Session, first: i64, size: i64, full: bool) {
    let row = |sequence| Row { sequence, time: sequence, kind: "item.delta", synthetic: false, data: DATA, raw: None };
    let events: Vec<Row<'_>> = (first..first + size).map(row).collect();
    // A cache goes with what is not a delta.
    let cache = full.then_some(Cache {
        status: "running",
        outcome: None,
        exit_code: None,
        pending: "[]",
        turns: 1,
        usage: None,
        cost_usd: None,
        model: None,
        mode: None,
        title: None,
        settings: None,
    });
    let sync = if full { Sync::Full } else { Sync::Deltas };
    store
        .append(
            session.no,
            &Batch { events: &events, cache, native: None, now: first, settled: &[], owner: None },
            sync,
        )
        .expect("the store takes it");
}

fn quantile(sorted: &[Duration], part: f64) -> f64 {
    let index = ((sorted.len() as f64 * part) as usize).min(sorted.len() - 1);
    sorted[index].as_secs_f64() * 1000.0
}
