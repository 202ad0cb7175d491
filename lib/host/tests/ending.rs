//! How everything ends: by the ladder, by the owner's death, by the guard's, by both at once.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::bell::{Wake, Watch};
use host::{Happening, Signal, Unit, lock, tree};

use crate::Test;
use crate::support::{Heard, LONG, MARK, Place, kill, lines, run, status, take};

pub(crate) const TESTS: &[Test] = &[
    ("ending::the_end_of_input_comes_first", the_end_of_input_comes_first),
    ("ending::then_sigterm_for_all_and_last_words_are_kept", then_sigterm_for_all_and_last_words_are_kept),
    ("ending::then_sigkill", then_sigkill),
    ("ending::what_an_agent_leaves_behind_is_told_to_end", what_an_agent_leaves_behind_is_told_to_end),
    ("ending::a_signal_reaches_every_session_below", a_signal_reaches_every_session_below),
    ("ending::a_dropped_unit_is_killed", a_dropped_unit_is_killed),
    ("ending::a_killed_owner_takes_everything_along", a_killed_owner_takes_everything_along),
    ("ending::a_free_lock_means_that_nothing_is_alive", a_free_lock_means_that_nothing_is_alive),
    ("ending::a_stopped_guard_ends_it_all_the_same", a_stopped_guard_ends_it_all_the_same),
    ("ending::what_forks_for_ever_is_caught", what_forks_for_ever_is_caught),
    ("ending::a_killed_guard_is_told_and_the_owner_ends_the_rest", a_killed_guard_is_told_and_the_owner_ends_the_rest),
    ("ending::what_execs_without_rest_is_ended", what_execs_without_rest_is_ended),
    ("ending::a_unit_that_lost_its_guard_is_killed_when_dropped", a_unit_that_lost_its_guard_is_killed_when_dropped),
    ("ending::what_is_in_the_pipe_when_all_are_killed_is_kept", what_is_in_the_pipe_when_all_are_killed_is_kept),
    ("ending::children_from_before_an_exec_are_nobodys_strays", children_from_before_an_exec_are_nobodys_strays),
    ("ending::when_both_are_killed_the_mark_finds_the_rest", when_both_are_killed_the_mark_finds_the_rest),
    ("ending::what_a_guard_watches_elsewhere_is_spared", what_a_guard_watches_elsewhere_is_spared),
    ("ending::who_asks_is_spared_with_its_ancestors", who_asks_is_spared_with_its_ancestors),
    ("ending::another_pid_namespace_is_left_alone", another_pid_namespace_is_left_alone),
    ("ending::owners_started_from_inside_are_spared", owners_started_from_inside_are_spared),
];

/// 56 processes in sessions of their own, two of them forked twice.
const MANY: &str = r#"exec "$ME" __play scatter 56"#;

/// With the agent and the guard.
const MANY_COUNT: usize = 56 + 2;

fn the_end_of_input_comes_first() {
    let place = Place::new();
    run(async {
        let mut spec = place.script("cat; echo input ended; exit 5");
        spec.stop.eof = LONG;
        let mut unit = Unit::spawn(&spec, &place.lock()).unwrap();
        unit.say("last");
        let exit = unit.stop().await;
        assert_eq!((exit.code, exit.signal), (Some(5), None));
        assert_eq!(take(&mut unit), ["last", "input ended"]);
        assert!(matches!(unit.next().await, Happening::Exited(again) if again == exit));
        assert_eq!(unit.stop().await, exit, "asked again, the same is said");
    });
    assert!(!lock::held(&place.lock_path()).unwrap());
}

fn then_sigterm_for_all_and_last_words_are_kept() {
    let place = Place::new();
    run(async {
        // One of them below, in a session of its own, and stopped.
        let script = "trap 'echo agent bye >&2; echo bye; exit 7' TERM
            setsid sh -c 'trap \"echo tool bye >&2; exit\" TERM; echo ready; kill -STOP $$; while :; do sleep 0.01; done' &
            while :; do sleep 0.01; done";
        let mut spec = place.script(script);
        spec.stop.eof = Duration::ZERO;
        spec.stop.term = LONG;
        let mut unit = Unit::spawn(&spec, &place.lock()).unwrap();
        assert_eq!(lines(&mut unit).await, ["ready"]);
        let begun = Instant::now();
        let exit = unit.stop().await;
        assert!(begun.elapsed() < LONG, "no step was waited for to its end");
        assert_eq!((exit.code, exit.signal), (Some(7), None));
        assert!(exit.stderr.contains("agent bye") && exit.stderr.contains("tool bye"), "{}", exit.stderr);
        assert_eq!(take(&mut unit), ["bye"]);
    });
}

fn then_sigkill() {
    let place = Place::new();
    run(async {
        let mut unit =
            Unit::spawn(&place.script("trap '' TERM; echo ready; while :; do sleep 1; done"), &place.lock()).unwrap();
        lines(&mut unit).await;
        let begun = Instant::now();
        let exit = unit.stop().await;
        assert_eq!((exit.code, exit.signal), (None, Some(9)));
        assert!(begun.elapsed() >= Duration::from_millis(700), "both steps had their time: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

fn what_an_agent_leaves_behind_is_told_to_end() {
    let place = Place::new();
    run(async {
        let script = "setsid sh -c 'trap \"echo left behind, bye; exit\" TERM; echo ready; while :; do sleep 0.01; done' & exit 0";
        let mut spec = place.script(script);
        spec.stop.term = LONG;
        let mut unit = Unit::spawn(&spec, &place.lock()).unwrap();
        assert_eq!(lines(&mut unit).await, ["ready"]);
        let begun = Instant::now();
        assert_eq!(unit.stop().await.code, Some(0));
        assert!(begun.elapsed() < LONG);
        assert_eq!(take(&mut unit), ["left behind, bye"]);
    });
}

fn a_signal_reaches_every_session_below() {
    let place = Place::new();
    run(async {
        let tool = "setsid sh -c 'trap \"echo got it; exit\" USR1; echo ready; while :; do sleep 0.01; done' &";
        let script = format!("trap : USR1; {} wait; exec sleep 1000", tool.repeat(20));
        let mut unit = Unit::spawn(&place.script(&script), &place.lock()).unwrap();
        let mut heard = Vec::new();
        while heard.len() < 20 {
            heard.extend(lines(&mut unit).await);
        }
        unit.signal_tree(Signal::SIGUSR1);
        while heard.len() < 40 {
            heard.extend(lines(&mut unit).await);
        }
        assert!(heard[20..].iter().all(|line| line == "got it"), "{heard:?}");
        unit.kill().await;
    });
}

fn a_dropped_unit_is_killed() {
    let place = Place::new();
    run(async {
        let mut unit = Unit::spawn(&place.script(MANY), &place.lock()).unwrap();
        lines(&mut unit).await;
        place.until_alive(MANY_COUNT);
        drop(unit);
        place.until_alive(0);
    });
}

fn a_killed_owner_takes_everything_along() {
    let place = Place::new();
    let bell = place.path().join("x.bell");
    for _ in 0..5 {
        let mut owner = place.play(&["owner", place.lock_path().to_str().unwrap(), bell.to_str().unwrap(), MANY]);
        let heard = Heard::new(owner.stdout.take().unwrap());
        assert_eq!(heard.line(), "Whole(\"scattered\")");
        place.until_alive(MANY_COUNT + 1);
        let mut watch = Watch::new(std::slice::from_ref(&bell));
        let killed = Instant::now();
        owner.kill().unwrap();
        // The bell tells when both have gone; the lock is free at that moment.
        while watch.wait(None, LONG) != Wake::Closed {}
        let told = killed.elapsed();
        assert!(lock::free_within(&place.lock_path(), Duration::from_millis(50)).unwrap());
        assert_eq!(place.processes().len(), 0, "nothing is alive when the lock is free: {:?}", place.processes());
        assert!(told < Duration::from_secs(1), "gone within a second: {told:?}");
        println!("{} processes were gone after {told:?}", MANY_COUNT);
        owner.wait().unwrap();
    }
}

fn a_free_lock_means_that_nothing_is_alive() {
    let place = Place::new();
    let bell = place.path().join("x.bell");
    let mut owner = place.play(&["owner", place.lock_path().to_str().unwrap(), bell.to_str().unwrap(), MANY]);
    let heard = Heard::new(owner.stdout.take().unwrap());
    heard.line();
    place.until_alive(MANY_COUNT + 1);
    let guard = guard_of(&place);
    let mut watch = Watch::new(std::slice::from_ref(&bell));
    // While the guard cannot work, the lock stays held and the bell open, though the owner is dead.
    kill(guard, Signal::SIGSTOP);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(!lock::free_within(&place.lock_path(), Duration::from_millis(100)).unwrap());
    assert_eq!(watch.wait(None, Duration::from_millis(100)), Wake::Timeout);
    assert_eq!(place.processes().len(), MANY_COUNT);
    kill(guard, Signal::SIGCONT);
    assert_eq!(watch.wait(None, LONG), Wake::Closed);
    assert!(lock::free_within(&place.lock_path(), LONG).unwrap());
    assert_eq!(place.processes().len(), 0);
}

fn a_stopped_guard_ends_it_all_the_same() {
    let place = Place::new();
    run(async {
        let mut unit = Unit::spawn(&place.script("echo ready; exec sleep 1000"), &place.lock()).unwrap();
        lines(&mut unit).await;
        kill(guard_of(&place), Signal::SIGSTOP);
        assert_eq!(unit.kill().await.signal, Some(9));
    });
}

fn what_forks_for_ever_is_caught() {
    let place = Place::new();
    run(async {
        let script = r#""$ME" __play hop & "$ME" __play hop & (setsid "$ME" __play hop) & wait; exec sleep 1000"#;
        for _ in 0..5 {
            let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
            let mut heard = 0;
            while heard < 3 {
                heard += lines(&mut unit).await.len();
            }
            let begun = Instant::now();
            unit.kill().await;
            println!("caught after {:?}", begun.elapsed());
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    });
}

fn a_killed_guard_is_told_and_the_owner_ends_the_rest() {
    let place = Place::new();
    let mut owner = place.play(&["owner", place.lock_path().to_str().unwrap(), MANY]);
    let heard = Heard::new(owner.stdout.take().unwrap());
    heard.line();
    place.until_alive(MANY_COUNT + 1);
    kill(guard_of(&place), Signal::SIGKILL);
    assert_eq!(heard.line(), "exited None Some(9)");
    assert_eq!(place.processes().len(), MANY_COUNT, "the owner, and all but the guard");
    owner.stdin.as_mut().unwrap().write_all(b"end it\n").unwrap();
    assert_eq!(heard.line(), "killed");
    assert_eq!(place.processes().len(), 1, "only the owner: {:?}", place.processes());
    // Nothing waits to be taken either.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", owner.id())).unwrap();
    assert_eq!(children, "");
    owner.kill().unwrap();
    owner.wait().unwrap();
}

fn children_from_before_an_exec_are_nobodys_strays() {
    let place = Place::new();
    let mut command = Command::new("bash");
    // As `exec sandbox-agent run … > >(tee log)` does.
    let script = format!("exec \"$ME\" __play owner {} 'echo ready; sleep 1000' > >(cat)", place.lock_path().display());
    command.args(["-c", &script]).env_clear().envs(place.environment());
    let mut owner = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let heard = Heard::new(owner.stdout.take().unwrap());
    assert_eq!(heard.line(), "Whole(\"ready\")");
    let guard = guard_of(&place);
    kill(guard, Signal::SIGKILL);
    assert_eq!(heard.line(), "exited None Some(9)");
    owner.stdin.as_mut().unwrap().write_all(b"end it\n").unwrap();
    // Its words come through `cat`, which is the owner's child and was not ours to end.
    assert_eq!(heard.line(), "killed");
    assert_eq!(place.processes().len(), 2, "owner and cat: {:?}", place.processes());
    owner.kill().unwrap();
    owner.wait().unwrap();
    place.until_alive(0);
}

fn when_both_are_killed_the_mark_finds_the_rest() {
    let place = Place::new();
    // One of them has dropped the mark, below one that carries it.
    let script = format!("setsid sh -c 'env -i sleep 1000; sleep 1000' & {MANY}");
    let mut owner = place.play(&["owner", place.lock_path().to_str().unwrap(), &script]);
    let heard = Heard::new(owner.stdout.take().unwrap());
    heard.line();
    place.until_alive(MANY_COUNT + 1 + 1);
    let unmarked = children_of(&place, "sh -c env -i");
    // Stopped first, so that the guard cannot see the owner die.
    let guard = guard_of(&place);
    kill(guard, Signal::SIGSTOP);
    owner.kill().unwrap();
    kill(guard, Signal::SIGKILL);
    owner.wait().unwrap();
    place.until_alive(MANY_COUNT);
    assert!(lock::free_within(&place.lock_path(), LONG).unwrap());
    assert_eq!(tree::end_marked(MARK, "another mark".as_ref()), 0);
    assert_eq!(place.processes().len(), MANY_COUNT);
    let begun = Instant::now();
    assert_eq!(tree::end_marked(MARK, place.mark.as_ref()), MANY_COUNT + 1);
    println!("ended after {:?}", begun.elapsed());
    assert_eq!(place.processes().len(), 0);
    for pid in unmarked {
        assert!(!is_alive(pid), "what dropped the mark below a marked one");
    }
    assert_eq!(tree::end_marked(MARK, place.mark.as_ref()), 0);
}

/// In the middle of an exec a process has no environment that could be read.
fn what_execs_without_rest_is_ended() {
    let place = Place::new();
    std::fs::write(place.path().join("again"), "exec /bin/sh again\n").unwrap();
    for _ in 0..100 {
        let mut command = Command::new("/bin/sh");
        command.arg("again").current_dir(place.path()).env_clear().envs(place.environment());
        let mut restless = command.stdin(Stdio::null()).spawn().unwrap();
        let ended = tree::end_marked(MARK, place.mark.as_ref());
        restless.kill().unwrap();
        restless.wait().unwrap();
        assert_eq!(ended, 1);
    }
}

fn a_unit_that_lost_its_guard_is_killed_when_dropped() {
    let place = Place::new();
    run(async {
        let script = "setsid sleep 1000 & echo ready; exec sleep 1000";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        lines(&mut unit).await;
        place.until_alive(3);
        kill(guard_of(&place), Signal::SIGKILL);
        assert!(matches!(unit.next().await, Happening::Exited(exit) if exit.signal == Some(9)));
        assert_eq!(place.processes().len(), 2);
        drop(unit);
        place.until_alive(0);
    });
}

fn what_is_in_the_pipe_when_all_are_killed_is_kept() {
    let place = Place::new();
    run(async {
        for _ in 0..20 {
            let mut unit = Unit::spawn(&place.script("seq 30000; touch done; exec sleep 1000"), &place.lock()).unwrap();
            while !place.path().join("done").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            unit.kill().await;
            assert_eq!(take(&mut unit).len(), 30000);
            std::fs::remove_file(place.path().join("done")).unwrap();
        }
    });
}

fn what_a_guard_watches_elsewhere_is_spared() {
    let place = Place::new();
    run(async {
        let mut unit = Unit::spawn(&place.script("echo ready; exec sleep 1000"), &place.lock()).unwrap();
        lines(&mut unit).await;
        assert_eq!(tree::end_marked(MARK, place.mark.as_ref()), 0, "its guard lives");
        assert_eq!(place.processes().len(), 2);
        unit.kill().await;
    });
}

fn who_asks_is_spared_with_its_ancestors() {
    let place = Place::new();
    // A leftover of the session recovers it: a shell with the mark, what it left behind, and the asking process.
    let mut command = Command::new("sh");
    let script = "setsid sleep 1000 & setsid sleep 1000 & \"$ME\" __play sweep \"$1\"; echo alive";
    command.args(["-c", script, "sh", &place.mark]).env_clear().envs(place.environment());
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2\nalive\n");
    assert!(output.status.success());
}

fn another_pid_namespace_is_left_alone() {
    let place = Place::new();
    // Only root may make one everywhere.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // As in a container: what is outside of it does not carry the mark, what is inside does.
    let mark = format!("{MARK}={}", place.mark);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "env", &mark, "sleep", "1000"]);
    let mut container = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    place.until_alive(1);
    assert_eq!(tree::end_marked(MARK, place.mark.as_ref()), 0);
    assert_eq!(place.processes().len(), 1);
    container.kill().unwrap();
    container.wait().unwrap();
    place.until_alive(0);
}

fn owners_started_from_inside_are_spared() {
    let place = Place::new();
    let inside = "setsid \"$ME\" __keep </dev/null >/dev/null 2>&1 &";
    // Ended by the guard, told by a signal to the tree, by the mark.
    run(async {
        let script = format!("{inside} echo ready; exec sleep 1000");
        let mut unit = Unit::spawn(&place.script(&script), &place.lock()).unwrap();
        lines(&mut unit).await;
        place.until_alive(4);
        unit.signal_tree(Signal::SIGTERM);
        unit.kill().await;
        assert_eq!(place.processes().len(), 2, "the keep and its sleep: {:?}", place.processes());
        // Dead, the agent leaves only what is spared: the ladder does not wait for that.
        let mut spec = place.script("exit 0");
        spec.stop.term = LONG;
        spec.args = vec!["-c".into(), format!("{inside} exit 0").into()];
        let mut unit = Unit::spawn(&spec, &place.lock_elsewhere()).unwrap();
        // Before it has become what is spared it is ended with the rest.
        let begun = Instant::now();
        let named = |word: &str| place.processes().into_values().filter(|line| line.contains(word)).count();
        while named("__keep") < 2 || named("sleep") < 2 {
            assert!(begun.elapsed() < LONG, "{:?}", place.processes());
            std::thread::sleep(Duration::from_millis(1));
        }
        place.until_alive(2 + 2 + 1);
        let begun = Instant::now();
        unit.stop().await;
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
        assert_eq!(place.processes().len(), 4);
    });
    assert!(!lock::held(&place.lock_path()).unwrap(), "what is spared does not hold the lock");
    assert_eq!(tree::end_marked(MARK, place.mark.as_ref()), 0);
    assert_eq!(place.processes().len(), 4);
    for pid in place.processes().into_keys() {
        kill(pid, Signal::SIGKILL);
    }
    place.until_alive(0);
}

fn guard_of(place: &Place) -> i32 {
    let processes = place.processes();
    *processes.iter().find(|(_, line)| line.starts_with("sandbox-agent __guard")).expect("a guard").0
}

fn children_of(place: &Place, name: &str) -> Vec<i32> {
    let processes = place.processes();
    let parent = processes.iter().find(|(_, line)| line.starts_with(name)).expect("it is there").0;
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let children: Vec<i32> = list.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(!children.is_empty());
    children
}

fn is_alive(pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists() && !status(pid, "State").starts_with('Z')
}
