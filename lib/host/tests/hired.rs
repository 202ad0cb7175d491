//! Guards that stay for one program after the other.

use std::time::Duration;

use host::raw::{Ending, Input, News, Plumbing, Raw};
use host::setup::Setup;
use host::{Error, Signal, Spec, Stop, hire};

use crate::Test;
use crate::support::{Heard, Place, kill, run, status};

pub(crate) const TESTS: &[Test] = &[
    ("hired::a_guard_stays_for_the_next_program", a_guard_stays_for_the_next_program),
    ("hired::several_run_at_once", several_run_at_once),
    ("hired::one_with_something_below_it_is_not_kept", one_with_something_below_it_is_not_kept),
    ("hired::one_that_was_killed_is_replaced", one_that_was_killed_is_replaced),
    ("hired::what_cannot_be_started_is_told", what_cannot_be_started_is_told),
    ("hired::a_killed_owner_takes_it_along", a_killed_owner_takes_it_along),
];

fn start(spec: &Spec) -> Result<Raw, Error> {
    Raw::spawn_hired(spec, &Setup::default(), Plumbing::Pipes(Input::Nothing))
}

/// What it said on either stream, and how it ended.
async fn heard(mut raw: Raw) -> (String, Ending) {
    let mut said = Vec::new();
    loop {
        match raw.next().await {
            News::Output(pieces) => said.extend(pieces.into_iter().flat_map(|piece| piece.bytes)),
            News::Input => {}
            News::Ended(ending) => return (String::from_utf8(said).unwrap(), ending),
        }
    }
}

/// Runs it, and says what it said.
fn told(spec: &Spec) -> String {
    run(async { heard(start(spec).unwrap()).await.0 })
}

fn a_guard_stays_for_the_next_program() {
    let place = Place::new();
    let guard = told(&place.script("echo $PPID"));
    for number in ["", "3", "4 5"] {
        let directory = place.path().join(format!("d{number}"));
        std::fs::create_dir(&directory).unwrap();
        let mut spec = place.program("sh", &["-c", "echo $PPID; echo $0+$WORD >&2; pwd; umask; exit 7", number]);
        spec.env.push(("WORD".into(), number.into()));
        spec.dir.clone_from(&directory);
        let (said, ending) = run(async { heard(start(&spec).unwrap()).await });
        let mask = String::from_utf8(std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap().stdout);
        assert_eq!(said, format!("{guard}{number}+{number}\n{}\n{}", directory.display(), mask.unwrap()));
        assert_eq!((ending.code, ending.signal), (Some(7), None));
        assert!(ending.max_rss.is_some() && ending.cpu.is_some());
    }
    // Killed, a program is one that has ended.
    assert_eq!(told(&place.script("echo $PPID; kill -9 $$")), guard);
    hire::end_idle(Duration::from_secs(60));
    assert_eq!(place.processes().len(), 1, "it still waits");
    hire::end_idle(Duration::ZERO);
    assert_eq!(place.processes().len(), 0);
}

fn several_run_at_once() {
    let place = Place::new();
    let spec = place.script("echo $PPID; sleep 0.1");
    for _ in 0..2 {
        let mut guards = run(async {
            let all: Vec<Raw> = (0..6).map(|_| start(&spec).unwrap()).collect();
            let mut guards = Vec::new();
            for one in all {
                guards.push(heard(one).await.0);
            }
            guards
        });
        guards.sort();
        guards.dedup();
        assert_eq!(guards.len(), 6, "each has one for itself");
        assert_eq!(place.processes().len(), 4, "no more than these are kept");
    }
    hire::end_idle(Duration::ZERO);
}

fn one_with_something_below_it_is_not_kept() {
    let place = Place::new();
    let first = told(&place.script("echo $PPID"));
    assert_eq!(told(&place.script("setsid sleep 1000 > /dev/null 2>&1 & echo $PPID")), first);
    assert_eq!(place.processes().len(), 0, "all of it is ended");
    assert_ne!(told(&place.script("echo $PPID")), first);
    hire::end_idle(Duration::ZERO);
}

fn one_that_was_killed_is_replaced() {
    let place = Place::new();
    let first = told(&place.script("echo $PPID"));
    kill(first.trim().parse().unwrap(), Signal::SIGKILL);
    place.until_alive(0);
    assert_ne!(told(&place.script("echo $PPID")), first);
    // With something below it, the owner ends that.
    let ending = run(async {
        let raw = start(&place.script("setsid sleep 1000 & exec sleep 1000")).unwrap();
        kill(status(raw.pid() as i32, "PPid").parse().unwrap(), Signal::SIGKILL);
        heard(raw).await.1
    });
    assert_eq!((ending.code, ending.signal), (None, Some(9)));
    assert_eq!(place.processes().len(), 0);
}

fn what_cannot_be_started_is_told() {
    let place = Place::new();
    for _ in 0..2 {
        told(&place.script("true"));
        let missing = run(async { start(&place.program("no-such-program", &[])).err() });
        assert!(matches!(missing, Some(Error::NotFound { .. })));
        assert_eq!(place.processes().len(), 0);
        told(&place.script("true"));
        let mut spec = place.script("true");
        spec.dir = place.path().join("nowhere");
        assert!(matches!(run(async { start(&spec).err() }), Some(Error::Directory { .. })));
        assert_eq!(place.processes().len(), 0);
    }
}

/// Has an idle guard, or then one that is at work; and goes on for ever.
pub(crate) fn hirer(script: &str) {
    let spec = |script: &str| Spec {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: host::env::all(),
        dir: "/".into(),
        stop: Stop { eof: Duration::ZERO, term: Duration::ZERO },
    };
    println!("{}", told(&spec("true")).len());
    if !script.is_empty() {
        told(&spec(script));
    }
    std::thread::sleep(Duration::from_secs(1000));
}

fn a_killed_owner_takes_it_along() {
    let place = Place::new();
    for (script, count) in [("", 2), ("setsid sleep 1000 & exec sleep 1000", 4)] {
        let mut owner = place.play(&["hirer", script]);
        let heard = Heard::new(owner.stdout.take().unwrap());
        heard.line();
        place.until_alive(count);
        owner.kill().unwrap();
        owner.wait().unwrap();
        place.until_alive(0);
    }
}
