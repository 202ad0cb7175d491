//! The writers' queue: who has to wait is told for whom, and not for ever.

use crate::support::{again, place, read_on, store, task, write};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use store::{Access, Error, Store, Sync};

#[test]
fn a_waiting_writer_knows_for_whom_and_gives_up() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    write(&mut store, &session, 1, 1, Sync::Deltas).unwrap();
    let mut holder = again("turns::a_holder", path.with_file_name("store.db.turn").as_os_str())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("held") {
        assert!(lines.read_line(&mut heard).unwrap() > 0);
    }
    let (told, hear) = mpsc::channel();
    let tell = move |waited, holder| told.send((waited, holder)).unwrap();
    store.set_patience(Duration::from_millis(2_500), Box::new(tell));
    let begin = Instant::now();
    match write(&mut store, &session, 2, 2, Sync::Deltas) {
        Err(Error::Busy { waited, holder: Some(pid), .. }) => {
            assert!(waited >= Duration::from_millis(2_500) && waited <= begin.elapsed());
            assert_eq!(pid, holder.id());
        }
        other => panic!("{other:?}"),
    }
    let told: Vec<(Duration, Option<u32>)> = hear.try_iter().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|(waited, pid)| *waited >= Duration::from_secs(1) && *pid == Some(holder.id())),
        "{told:?}"
    );
    // One that waits longer gets it as soon as it is free, and so does everybody after it.
    store.set_patience(Duration::from_secs(60), Box::new(|_, _| {}));
    let (stored, until) = mpsc::channel();
    let waiting = thread::spawn(move || {
        write(&mut store, &session, 2, 2, Sync::Deltas).unwrap();
        stored.send(()).unwrap();
        (store, session)
    });
    assert!(until.recv_timeout(Duration::from_millis(300)).is_err(), "the turn was not waited for");
    holder.stdin.take().unwrap().write_all(b"enough\n").unwrap();
    lines.read_to_string(&mut heard).unwrap();
    assert!(holder.wait().unwrap().success());
    let (mut store, session) = waiting.join().unwrap();
    let mut other = Store::open(&path, Access::Write).unwrap();
    other.set_patience(Duration::from_millis(500), Box::new(|_, _| {}));
    for sequence in 3..20 {
        write(if sequence % 2 == 0 { &mut store } else { &mut other }, &session, sequence, sequence, Sync::Deltas)
            .unwrap();
    }
    assert_eq!(read_on(&store, &session, 0).unwrap(), 19);
}

#[test]
#[ignore = "holds the turn for another test, as a process of its own"]
fn a_holder() {
    let turn = std::fs::File::open(task()).unwrap();
    turn.lock().unwrap();
    println!("\nheld");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_foreign_writer_is_waited_for() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.set_patience(Duration::from_millis(300), Box::new(|_, _| {}));
    match write(&mut store, &session, 1, 1, Sync::Deltas) {
        Err(Error::Busy { waited, holder: None, .. }) => assert!(waited >= Duration::from_millis(300)),
        other => panic!("{other:?}"),
    }
    store.set_patience(Duration::from_secs(30), Box::new(|_, _| {}));
    let freed = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        foreign.execute_batch("COMMIT").unwrap();
    });
    write(&mut store, &session, 1, 1, Sync::Deltas).unwrap();
    freed.join().unwrap();
}
