//! What concerns ourselves: signals, the background, the terminal, the environment.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::detach::{Streams, spawn_self};
use host::{Error, Signal};
use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::Test;
use crate::support::{Heard, LONG, Place, ignored, kill, status};

pub(crate) const TESTS: &[Test] = &[
    ("ours::signals_are_caught_and_die_by_is_seen", signals_are_caught_and_die_by_is_seen),
    ("ours::inherited_as_ignored_they_stay_ignored", inherited_as_ignored_they_stay_ignored),
    ("ours::a_suspended_process_stops_and_goes_on", a_suspended_process_stops_and_goes_on),
    ("ours::the_background_process_is_free_of_us", the_background_process_is_free_of_us),
    ("ours::a_background_process_that_fails_is_told", a_background_process_that_fails_is_told),
    ("ours::a_person_is_asked_at_the_terminal", a_person_is_asked_at_the_terminal),
    ("ours::places_follow_the_environment", places_follow_the_environment),
    ("ours::the_clock_stands_still_in_tests", the_clock_stands_still_in_tests),
];

fn signals_are_caught_and_die_by_is_seen() {
    let place = Place::new();
    let mut player = place.play(&["signals"]);
    let heard = Heard::new(player.stdout.take().unwrap());
    assert_eq!(heard.line(), "ready");
    let pid = player.id() as i32;
    for (signal, name) in [(Signal::SIGINT, "Interrupt"), (Signal::SIGHUP, "HangUp"), (Signal::SIGINT, "Interrupt")] {
        kill(pid, signal);
        assert_eq!(heard.line(), name);
    }
    kill(pid, Signal::SIGTERM);
    assert_eq!(heard.line(), "Terminate");
    assert_eq!(player.wait().unwrap().signal(), Some(15));
    for signal in ["SIGINT", "SIGPIPE", "SIGHUP"] {
        let number = signal.parse::<Signal>().unwrap() as i32;
        assert_eq!(place.play(&["die", signal]).wait().unwrap().signal(), Some(number));
    }
}

fn inherited_as_ignored_they_stay_ignored() {
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$ME\" __play signals"]).env_clear().envs(place.environment());
    let mut player = command.stdout(Stdio::piped()).spawn().unwrap();
    let heard = Heard::new(player.stdout.take().unwrap());
    assert_eq!(heard.line(), "ready");
    let pid = player.id() as i32;
    let bit = |signal: Signal| 1 << (signal as i32 - 1);
    assert_eq!(ignored(&status(pid, "SigCgt")) & (bit(Signal::SIGHUP) | bit(Signal::SIGINT)), 0, "not caught");
    kill(player.id() as i32, Signal::SIGHUP);
    kill(player.id() as i32, Signal::SIGINT);
    kill(player.id() as i32, Signal::SIGTERM);
    assert_eq!(heard.line(), "Terminate", "the first that is heard");
    assert_eq!(player.wait().unwrap().signal(), Some(15));
}

fn a_suspended_process_stops_and_goes_on() {
    let place = Place::new();
    let mut player = place.play(&["signals"]);
    let heard = Heard::new(player.stdout.take().unwrap());
    assert_eq!(heard.line(), "ready");
    let pid = Pid::from_raw(player.id() as i32);
    for _ in 0..2 {
        kill(pid.as_raw(), Signal::SIGTSTP);
        assert_eq!(heard.line(), "Suspend");
        assert_eq!(waitpid(pid, Some(WaitPidFlag::WUNTRACED)), Ok(WaitStatus::Stopped(pid, Signal::SIGTSTP)));
        kill(pid.as_raw(), Signal::SIGCONT);
        assert_eq!(heard.line(), "continued");
    }
    player.kill().unwrap();
    player.wait().unwrap();
}

fn the_background_process_is_free_of_us() {
    let place = Place::new();
    let log = place.path().join("log");
    let streams = || Streams { stderr: Some(File::create(&log).unwrap()), ..Streams::default() };
    let (pid, line) = spawn_self(&["__keep".into()], &place.environment(), streams()).unwrap();
    assert_eq!(line, "ready");
    let pid = pid as i32;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let stat: Vec<&str> = stat.split(' ').collect();
    assert_eq!(stat[4..7], [pid.to_string().as_str(), pid.to_string().as_str(), "0"], "its own session, no terminal");
    let link = |fd: i32| std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
    assert_eq!([link(0), link(1), link(2)], ["/dev/null".into(), "/dev/null".into(), log]);
    // Nothing of ours; what it starts itself needs another for a moment.
    let begun = Instant::now();
    while std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() > 3 {
        assert!(begun.elapsed() < LONG, "it keeps more than its three streams");
        std::thread::sleep(Duration::from_millis(1));
    }
    place.until_alive(2);
    assert_eq!(ignored(&status(pid, "SigIgn")), 1 << (Signal::SIGPIPE as u32 - 1), "what Rust itself ignores");
    for pid in place.processes().into_keys() {
        kill(pid, Signal::SIGKILL);
    }
    place.until_alive(0);
}

fn a_background_process_that_fails_is_told() {
    let place = Place::new();
    let error = spawn_self(&["__keep".into(), "fail".into()], &place.environment(), Streams::default()).unwrap_err();
    assert_eq!(error.to_string(), "start the background process");
    let Error::Ourselves { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "it ended before it was ready (exit status: 1)");
}

fn a_person_is_asked_at_the_terminal() {
    let place = Place::new();
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["__play", "ask", place.path().to_str().unwrap()]).env_clear().envs(place.environment());
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    // Output goes elsewhere, as with `run … | jq`; the terminal is still there to be asked at.
    command.stdin(slave()).stdout(Stdio::null()).stderr(Stdio::inherit());
    #[expect(unsafe_code)]
    // SAFETY: two system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        });
    }
    let mut player = command.spawn().unwrap();
    drop(pty.slave);
    drop(command);
    let mut screen = File::from(pty.master);
    let mut seen = String::new();
    let mut until = |screen: &mut File, text: &str| {
        while !seen.contains(text) {
            let mut bytes = [0; 1024];
            let count = screen.read(&mut bytes).unwrap();
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    };
    until(&mut screen, "first? ");
    screen.write_all(b"yes\nand more\n").unwrap();
    until(&mut screen, "second? ");
    screen.write_all("nö\n".as_bytes()).unwrap();
    until(&mut screen, "third? ");
    screen.write_all(b"\x04").unwrap();
    until(&mut screen, r#"Some("yes") Some("nö") None"#);
    assert!(player.wait().unwrap().success());
}

fn places_follow_the_environment() {
    let place = Place::new();
    let ask = |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["__play", "env"]).env_clear().envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let home = place.path().to_str().unwrap();
    let found = ask(&[("HOME", home), ("SANDBOX_AGENT_AGENT", "")]);
    assert_eq!(found[0], format!("{home}/.local/share/sandbox-agent"));
    assert_eq!(found[1], format!("{home}/.local/state/sandbox-agent"));
    assert_eq!(found[2], format!("{home}/.cache/sandbox-agent"));
    assert_eq!(found[3], format!("{home}/.config/sandbox-agent"));
    assert_eq!(found[4..], [format!("Some({home:?})"), "None".to_owned()], "empty counts as unset");
    let found = ask(&[("HOME", home), ("XDG_DATA_HOME", "/data"), ("XDG_STATE_HOME", "relative")]);
    assert_eq!(found[..2], ["/data/sandbox-agent".to_owned(), format!("{home}/.local/state/sandbox-agent")]);
    let found = ask(&[("HOME", "/no/such/home"), ("XDG_DATA_HOME", "/data"), ("SANDBOX_AGENT_HOME", "/ours")]);
    assert_eq!(found[..5], ["/ours/data", "/ours/state", "/ours/cache", "/ours/config", "Some(\"/ours\")"]);
    let found = ask(&[("XDG_DATA_HOME", "/data")]);
    assert_eq!(found[0], "/data/sandbox-agent");
    let message = "failed to find a place for our state: set HOME, XDG_STATE_HOME or SANDBOX_AGENT_HOME";
    assert_eq!([found[1].as_str(), &found[4]], [message, "None"]);
}

fn the_clock_stands_still_in_tests() {
    let ask = |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["__play", "clock"]).env_clear().envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(&[("SANDBOX_AGENT_TEST_CLOCK", "1700000000123")]), "1700000000123 1700000000123\n");
    let now: i64 = ask(&[]).split(' ').next().unwrap().parse().unwrap();
    let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((real - now).abs() < 60_000, "{now} and {real}");
    assert_eq!(host::clock::boot_id().unwrap().len(), 36);
}
