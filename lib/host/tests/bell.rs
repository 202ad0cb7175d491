//! News, silence, and readers that leave.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use host::bell::{Belfry, Bell, Wake, Watch, reader_gone};

use crate::Test;
use crate::support::{LONG, Place, pipe, run};

pub(crate) const TESTS: &[Test] = &[
    ("bell::it_wakes_and_tells_of_the_end", it_wakes_and_tells_of_the_end),
    ("bell::asking_for_the_lock_wakes_nobody", asking_for_the_lock_wakes_nobody),
    ("bell::a_removed_bell_is_told", a_removed_bell_is_told),
    ("bell::it_wakes_inside_a_runtime", it_wakes_inside_a_runtime),
    ("bell::a_belfry_says_which_bells_rang", a_belfry_says_which_bells_rang),
    ("bell::without_a_watch_it_is_looked_often", without_a_watch_it_is_looked_often),
    ("bell::a_reader_that_leaves_is_noticed", a_reader_that_leaves_is_noticed),
    ("bell::a_terminal_that_hangs_up_is_noticed", a_terminal_that_hangs_up_is_noticed),
    ("bell::files_never_hang_up", files_never_hang_up),
];

const SOON: Duration = Duration::from_millis(50);

fn it_wakes_and_tells_of_the_end() {
    let place = Place::new();
    let paths = [place.path().join("x.bell"), place.path().join("all.bell")];
    let mut watch = Watch::new(&paths);
    assert!(!watch.polls());
    let begun = Instant::now();
    assert_eq!(watch.wait(None, SOON), Wake::Timeout);
    assert!(begun.elapsed() >= SOON);
    for path in &paths {
        let bell = Bell::open(path).unwrap();
        assert_eq!(watch.wait(None, SOON), Wake::Timeout, "to open it is no news");
        bell.ring();
        bell.ring();
        assert_eq!(watch.wait(None, LONG), Wake::Rung);
        assert_eq!(watch.wait(None, SOON), Wake::Timeout, "both were heard at once");
        bell.ring();
        drop(bell);
        assert_eq!(watch.wait(None, LONG), Wake::Closed);
        assert_eq!(std::fs::metadata(path).unwrap().len(), 1);
    }
}

fn a_belfry_says_which_bells_rang() {
    let place = Place::new();
    let directory = place.path().join("live");
    run(async {
        let mut belfry = Belfry::new(&directory);
        assert_eq!(belfry.rung().await, None, "there is none yet");
        std::fs::create_dir(&directory).unwrap();
        let bells = ["x", "y"].map(|name| Bell::open(&directory.join(name)).unwrap());
        assert_eq!(belfry.rung().await, None, "something may have rung before");
        assert!(tokio::time::timeout(SOON, belfry.rung()).await.is_err());
        bells[0].ring();
        bells[0].ring();
        bells[1].ring();
        assert_eq!(belfry.rung().await, Some(vec!["x".into(), "y".into()]));
        drop(bells);
        assert_eq!(belfry.rung().await, Some(vec!["x".into(), "y".into()]), "they were closed");
        std::fs::remove_file(directory.join("y")).unwrap();
        assert_eq!(belfry.rung().await, Some(vec!["y".into()]));
        std::fs::remove_dir_all(&directory).unwrap();
        while belfry.rung().await.is_some() {}
        std::fs::create_dir(&directory).unwrap();
        // The new one is heard as the former was, once the watch has begun.
        let bell = Bell::open(&directory.join("z")).unwrap();
        while belfry.rung().await.is_none() {
            bell.ring();
        }
    });
}

fn asking_for_the_lock_wakes_nobody() {
    let place = Place::new();
    let path = place.path().join("x");
    let _bell = Bell::open(&path).unwrap();
    let mut watch = Watch::new(std::slice::from_ref(&path));
    assert!(!host::lock::held(&path).unwrap());
    drop(Watch::new(std::slice::from_ref(&path)));
    assert_eq!(watch.wait(None, SOON), Wake::Timeout);
}

fn a_removed_bell_is_told() {
    let place = Place::new();
    let path = place.path().join("x.bell");
    let _bell = Bell::open(&path).unwrap();
    let mut watch = Watch::new(std::slice::from_ref(&path));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(watch.wait(None, LONG), Wake::Closed);
}

fn it_wakes_inside_a_runtime() {
    let place = Place::new();
    let path = place.path().join("x.post");
    let mut watch = Watch::new(std::slice::from_ref(&path));
    run(async {
        for _ in 0..100 {
            let nothing = tokio::time::timeout(Duration::from_micros(100), watch.rung()).await;
            assert!(nothing.is_err(), "{nothing:?}");
            let bell = Bell::open(&path).unwrap();
            bell.ring();
            assert_eq!(watch.rung().await, Wake::Rung);
            drop(bell);
            assert_eq!(watch.rung().await, Wake::Closed);
        }
        // And from another process, while we wait.
        let poster = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            Bell::open(&path).unwrap().ring();
        });
        assert_ne!(watch.rung().await, Wake::Timeout);
        poster.join().unwrap();
    });
}

fn without_a_watch_it_is_looked_often() {
    let mut watch = Watch::new(&["/no/such/place/x.bell".into()]);
    assert!(watch.polls());
    let begun = Instant::now();
    assert_eq!(watch.wait(None, LONG), Wake::Rung);
    assert_eq!(run(async { watch.rung().await }), Wake::Rung);
    assert!(begun.elapsed() >= Duration::from_millis(40) && begun.elapsed() < LONG);
    let (reading, writing) = pipe();
    drop(reading);
    assert_eq!(watch.wait(Some(writing.as_fd()), LONG), Wake::ReaderGone);
}

fn a_reader_that_leaves_is_noticed() {
    let (pipe_reading, pipe_writing) = pipe();
    let (ours, theirs) = UnixStream::pair().unwrap();
    for (reader, writer) in [(pipe_reading, pipe_writing), (theirs.into(), ours.into())] {
        leaves(reader, writer);
    }
}

/// Both ways of waiting: silent while the reader is there, quick when it leaves; also full, with nobody reading.
fn leaves(reader: OwnedFd, writer: OwnedFd) {
    let place = Place::new();
    let mut watch = Watch::new(&[place.path().join("x.bell")]);
    assert_eq!(watch.wait(Some(writer.as_fd()), SOON), Wake::Timeout);
    run(async {
        let gone = std::pin::pin!(reader_gone(&writer));
        assert!(tokio::time::timeout(SOON, gone).await.is_err(), "it is still there");
    });
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        drop(reader);
    });
    run(reader_gone(&writer));
    leaving.join().unwrap();
    assert_eq!(watch.wait(Some(writer.as_fd()), LONG), Wake::ReaderGone);
    run(reader_gone(&writer));
}

fn a_terminal_that_hangs_up_is_noticed() {
    let place = Place::new();
    let mut watch = Watch::new(&[place.path().join("x.bell")]);
    let pty = nix::pty::openpty(None, None).unwrap();
    nix::unistd::write(&pty.master, b"typed\n").unwrap();
    assert_eq!(watch.wait(Some(pty.slave.as_fd()), SOON), Wake::Timeout);
    run(async {
        let mut gone = std::pin::pin!(reader_gone(&pty.slave));
        assert!(tokio::time::timeout(SOON, &mut gone).await.is_err(), "what is typed is no departure");
        nix::unistd::write(&pty.master, b"typed again\n").unwrap();
        assert!(tokio::time::timeout(SOON, &mut gone).await.is_err(), "what is typed is no departure");
        drop(pty.master);
        gone.await;
    });
    assert_eq!(watch.wait(Some(pty.slave.as_fd()), LONG), Wake::ReaderGone);
}

fn files_never_hang_up() {
    let place = Place::new();
    let mut watch = Watch::new(&[place.path().join("x.bell")]);
    for path in [place.path().join("file"), "/dev/null".into()] {
        let file = File::options().write(true).create(true).truncate(true).open(path).unwrap();
        assert_eq!(watch.wait(Some(file.as_fd()), SOON), Wake::Timeout);
        run(async {
            let gone = std::pin::pin!(reader_gone(&file));
            assert!(tokio::time::timeout(SOON, gone).await.is_err());
        });
    }
}
