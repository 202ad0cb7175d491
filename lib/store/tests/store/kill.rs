//! `kill -9` of a writer: what it said it had stored is stored, without gap, and the next one goes on.

use crate::support::{again, named, place, rounds, sound, task, uid, write};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read},
    ops::Range,
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};
use store::{Access, Store, Sync};

#[test]
fn what_a_killed_writer_said_is_stored() {
    let rounds = rounds(6);
    // A new store now and then, as all of it is looked at after each round.
    for first in (0..rounds).step_by(12) {
        kill_writers(first..rounds.min(first + 12));
    }
}

fn kill_writers(rounds: Range<u32>) {
    let (_directory, path) = place();
    let mut printed: HashMap<String, i64> = HashMap::new();
    for round in rounds {
        let mut writer = again("kill::a_writer", path.as_os_str()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap());
        // It is killed at some moment after its first commit, the first one perhaps while it makes the store.
        let mut heard = String::new();
        if round % 12 > 0 {
            while !heard.contains("stored") {
                assert!(lines.read_line(&mut heard).unwrap() > 0, "{heard}");
            }
        }
        thread::sleep(Duration::from_micros(u64::from(round) * 2_617 % 40_000 + 3_000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        lines.read_to_string(&mut heard).unwrap();
        for line in heard.split_inclusive('\n') {
            // `stored NAME NUMBER`, whole; a torn last line was not said.
            if let ["stored", name, number] = line.trim_end().split(' ').collect::<Vec<_>>()[..]
                && line.ends_with('\n')
            {
                printed.insert(name.to_owned(), number.parse().unwrap());
            }
        }
        let store = match Store::open(&path, Access::Write) {
            Ok(store) => store,
            Err(error) => panic!("round {round}: {error}"),
        };
        let stored: HashMap<String, i64> =
            sound(&store).into_iter().map(|session| (session.session_id, session.last_sequence)).collect();
        for (name, number) in &printed {
            assert!(
                stored.get(name) >= Some(number),
                "round {round}: {name} said {number}, has {:?}",
                stored.get(name)
            );
        }
    }
    assert!(!printed.is_empty(), "no writer came to say anything");
}

#[test]
#[ignore = "is killed by another test, as a process of its own"]
fn a_writer() {
    let task = task();
    let path = Path::new(&task);
    let mut store = Store::open(path, Access::Write).unwrap();
    let number = store.sessions().unwrap().len() as u64;
    let name = format!("session_{number}");
    let mut session = store.create(&named(&name, &uid(number))).unwrap();
    for round in 0.. {
        for size in [1, 7, 64, 300] {
            let first = session.last_sequence + 1;
            let sync = if round % 3 == 0 { Sync::Full } else { Sync::Deltas };
            session.last_sequence += size;
            write(&mut store, &session, first, session.last_sequence, sync).unwrap();
            println!("\nstored {name} {}", session.last_sequence);
        }
    }
}
