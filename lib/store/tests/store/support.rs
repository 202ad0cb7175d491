//! What the tests share: sessions and events to write, and this test program again as another process.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use store::{Access, Batch, Error, NewSession, Row, Select, Session, Store, Sync};
use tempfile::TempDir;

/// A directory with the path of a store that is not made yet.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

/// A store with one session, `one`.
pub(crate) fn store(path: &Path) -> (Store, Session) {
    let mut store = Store::open(path, Access::Write).unwrap();
    let session = store.create(&named("one", &uid(1))).unwrap();
    (store, session)
}

pub(crate) fn uid(number: u64) -> String {
    format!("{number:032x}")
}

pub(crate) fn named<'a>(session_id: &'a str, uid: &'a str) -> NewSession<'a> {
    NewSession {
        session_id,
        uid,
        boot_id: "boot",
        agent: "mock",
        cwd: "/work",
        created: 1_700_000_000_000,
        title: None,
        model: None,
        mode: None,
        effort: None,
        permission_mode: None,
        parent_session: None,
        labels: "{}",
        settings: "{}",
    }
}

/// What the event of this number says, so that a reader can tell it from every other.
pub(crate) fn data(session_id: &str, sequence: i64) -> String {
    format!(r#"{{"session":"{session_id}","number":{sequence}}}"#)
}

/// Appends the events `first ..= last`.
pub(crate) fn write(store: &mut Store, session: &Session, first: i64, last: i64, sync: Sync) -> Result<(), Error> {
    let data: Vec<String> = (first..=last).map(|sequence| data(&session.session_id, sequence)).collect();
    let events: Vec<Row<'_>> =
        (first..=last).zip(&data).map(|(sequence, data)| row(sequence, "item.delta", data)).collect();
    store.append(
        session.no,
        &Batch { events: &events, cache: None, native: None, now: 1_700_000_000_000 + last, settled: &[], owner: None },
        sync,
    )
}

pub(crate) fn row<'a>(sequence: i64, kind: &'a str, data: &'a str) -> Row<'a> {
    Row { sequence, time: 1_700_000_000_000 + sequence, kind, synthetic: false, data, raw: None }
}

/// Everything after `after`, in pages, checked: the numbers follow one another and each event says what it should.
/// Returns the last number.
pub(crate) fn read_on(store: &Store, session: &Session, mut after: i64) -> Result<i64, Error> {
    loop {
        let select = Select { after, limit: 100, ..Select::default() };
        let count = store.read(session, &select, &mut |stored| {
            assert_eq!(stored.sequence, after + 1, "in {}", session.session_id);
            assert_eq!(stored.data, data(&session.session_id, stored.sequence));
            after = stored.sequence;
        })?;
        if count < 100 {
            return Ok(after);
        }
    }
}

/// Checks the whole store: undamaged, and each session has its events 1 … n, where n is what the session says.
pub(crate) fn sound(store: &Store) -> Vec<Session> {
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    let sessions = store.sessions().unwrap();
    for session in &sessions {
        assert_eq!(read_on(store, session, 0).unwrap(), session.last_sequence);
    }
    sessions
}

/// How often what is left to chance is tried, unless `SANDBOX_AGENT_TEST_ROUNDS` says otherwise.
#[expect(clippy::disallowed_methods, reason = "the one variable that the tests read by themselves")]
pub(crate) fn rounds(usual: u32) -> u32 {
    std::env::var("SANDBOX_AGENT_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// This program once more, to run one ignored test as a process of its own. What it is to do stands in `task`.
pub(crate) fn again(test: &str, task: &OsStr) -> Command {
    again_by(&std::env::current_exe().unwrap(), test, task)
}

/// The same, by a copy of this program.
pub(crate) fn again_by(copy: &Path, test: &str, task: &OsStr) -> Command {
    let mut command = program(copy);
    command.args([test, "--exact", "--ignored", "--nocapture"]).env("STORE_TEST_TASK", task);
    command
}

/// The same, as root of mounts of its own: they go when it does. `None` where the system does not allow that.
pub(crate) fn again_with_mounts(test: &str, task: &OsStr) -> Option<Command> {
    let unshare = |flags: &[&str], command: &OsStr| {
        let mut unshare = program("unshare");
        unshare.args(flags).arg("--mount").arg("--").arg(command);
        unshare
    };
    let allowed =
        |flags: &&[&str]| unshare(flags, "true".as_ref()).output().is_ok_and(|output| output.status.success());
    let flags = [&["--user", "--map-root-user"][..], &[]].into_iter().find(allowed)?;
    let mut command = unshare(flags, std::env::current_exe().unwrap().as_os_str());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env("STORE_TEST_TASK", task);
    Some(command)
}

/// What this process is to do, in a test that only runs as one of its own.
#[expect(clippy::disallowed_methods, reason = "how a test process is told what to do")]
pub(crate) fn task() -> String {
    std::env::var("STORE_TEST_TASK").expect("this is run by another test, as a process of its own")
}

#[expect(clippy::disallowed_methods, reason = "tests play the other processes")]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    Command::new(name)
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} is needed here: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    output
}
