//! A running agent: what it says, what it is told, how it ends by itself.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use host::{Error, Happening, Unit};

use crate::Test;
use crate::support::{LONG, Place, ignored, lines, listen, run, status, take};

pub(crate) const TESTS: &[Test] = &[
    ("unit::what_is_said_arrives_in_order_and_comes_back", what_is_said_arrives_in_order_and_comes_back),
    ("unit::a_cancelled_wait_loses_nothing", a_cancelled_wait_loses_nothing),
    ("unit::odd_bytes_are_lines_too", odd_bytes_are_lines_too),
    ("unit::a_line_of_200_megabytes_is_cut", a_line_of_200_megabytes_is_cut),
    ("unit::a_flood_on_stderr_does_not_hold_up_stdout", a_flood_on_stderr_does_not_hold_up_stdout),
    ("unit::stderr_is_told_line_by_line", stderr_is_told_line_by_line),
    ("unit::an_agent_that_never_reads_does_not_block_us", an_agent_that_never_reads_does_not_block_us),
    ("unit::an_exit_is_told_while_something_below_holds_stdout", an_exit_is_told_while_something_below_holds_stdout),
    ("unit::an_exit_is_told_while_something_below_floods", an_exit_is_told_while_something_below_floods),
    ("unit::the_last_words_before_an_exit_are_heard", the_last_words_before_an_exit_are_heard),
    ("unit::what_still_waits_is_heard_by_one_who_comes_late", what_still_waits_is_heard_by_one_who_comes_late),
    ("unit::an_agent_that_ends_at_once_is_heard", an_agent_that_ends_at_once_is_heard),
    ("unit::what_cannot_run_says_why", what_cannot_run_says_why),
    ("unit::the_agent_gets_its_own_and_nothing_of_ours", the_agent_gets_its_own_and_nothing_of_ours),
    ("unit::the_guard_keeps_nothing_of_ours_but_the_lock", the_guard_keeps_nothing_of_ours_but_the_lock),
    ("unit::an_agent_gets_the_umask_that_we_had", an_agent_gets_the_umask_that_we_had),
];

fn what_is_said_arrives_in_order_and_comes_back() {
    let place = Place::new();
    let expected: Vec<String> = (0..200_000).map(|number| format!("line {number} of what is said")).collect();
    run(async {
        let mut unit = Unit::spawn(&place.program("cat", &[]), &place.lock()).unwrap();
        assert_eq!(unit.pid().to_string(), status(unit.pid() as i32, "Pid"));
        expected.iter().for_each(|line| unit.say(line));
        unit.close_input();
        unit.say("too late");
        let (lines, stderr, exit) = listen(&mut unit).await;
        assert!(lines == expected, "{} lines", lines.len());
        assert_eq!((stderr.as_str(), exit.code, exit.signal), ("", Some(0), None));
        unit.kill().await;
    });
}

fn a_cancelled_wait_loses_nothing() {
    let place = Place::new();
    run(async {
        let mut unit = Unit::spawn(&place.program("cat", &[]), &place.lock()).unwrap();
        let (mut heard, mut said) = (Vec::new(), 0);
        let begun = Instant::now();
        while heard.len() < 5000 {
            if said < 5000 {
                unit.say(&format!("line {said}"));
                said += 1;
            }
            // From none at all to half a millisecond.
            let patience = Duration::from_micros((begun.elapsed().as_micros() % 500) as u64);
            match tokio::time::timeout(patience, unit.next()).await {
                Ok(Happening::Lines) => heard.extend(take(&mut unit)),
                Ok(other) => panic!("{other:?}"),
                Err(_cancelled) => {}
            }
        }
        assert!(heard.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
        unit.kill().await;
    });
}

fn odd_bytes_are_lines_too() {
    let place = Place::new();
    run(async {
        let script = r"printf 'one\r\n\n\377\376 bad\nwith \000 in it\n\360\237\230\200\nhalf'";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let (lines, _, exit) = listen(&mut unit).await;
        assert_eq!(lines, ["one", "", "lossy:\u{fffd}\u{fffd} bad", "with \0 in it", "😀", "half"]);
        assert_eq!(exit.code, Some(0));
        unit.kill().await;
    });
}

fn a_line_of_200_megabytes_is_cut() {
    let place = Place::new();
    run(async {
        let script = "head -c 209715200 /dev/zero | tr '\\0' x; echo; echo after";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let (lines, _, _) = listen(&mut unit).await;
        assert_eq!(lines, ["cut:209715200", "after"]);
        unit.kill().await;
    });
    let peak: usize = status(std::process::id() as i32, "VmHWM").trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100 << 10, "never kept: at most {peak} kB were in memory");
}

fn a_flood_on_stderr_does_not_hold_up_stdout() {
    let place = Place::new();
    run(async {
        let script = "head -c 100000000 /dev/zero | tr '\\0' e >&2; echo done; echo the end >&2";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let mut flood = 0;
        let heard = loop {
            match unit.next().await {
                Happening::Lines => break take(&mut unit),
                Happening::Stderr(text) => {
                    assert!(text.len() <= 64 << 10);
                    flood += text.len();
                }
                Happening::Exited(exit) => panic!("{exit:?}"),
            }
        };
        assert_eq!(heard, ["done"]);
        let (_, rest, exit) = listen(&mut unit).await;
        assert_eq!(flood + rest.len(), 100_000_000 + "the end\n".len(), "all of it was told");
        assert_eq!(exit.stderr.len(), 8 << 10);
        assert!(exit.stderr.ends_with("eethe end\n"));
        assert_eq!(unit.stderr_tail(), exit.stderr);
        unit.kill().await;
        // The same flood when nobody asks: the ladder drains it, and what was said behind it is kept.
        let script = "trap '' TERM; head -c 100000000 /dev/zero | tr '\\0' e >&2; echo done; sleep 1000";
        let mut spec = place.script(script);
        spec.stop.term = Duration::from_secs(20);
        let mut unit = Unit::spawn(&spec, &place.lock_elsewhere()).unwrap();
        let begun = Instant::now();
        let stopped = tokio::time::timeout(Duration::from_secs(10), unit.stop()).await;
        assert!(stopped.is_err(), "it ignores SIGTERM: {stopped:?} after {:?}", begun.elapsed());
        assert_eq!(lines(&mut unit).await, ["done"]);
        unit.kill().await;
    });
}

fn stderr_is_told_line_by_line() {
    let place = Place::new();
    run(async {
        let script = "printf 'one\ntw' >&2; read go; printf 'o\nthree' >&2";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        assert!(matches!(unit.next().await, Happening::Stderr(text) if text == "one\n"));
        unit.say("go");
        assert!(matches!(unit.next().await, Happening::Stderr(text) if text == "two\n"));
        let (_, rest, exit) = listen(&mut unit).await;
        assert_eq!((rest.as_str(), exit.stderr.as_str()), ("three", "one\ntwo\nthree"));
        unit.kill().await;
    });
}

fn an_agent_that_never_reads_does_not_block_us() {
    let place = Place::new();
    run(async {
        let mut unit = Unit::spawn(&place.script("echo alive; exec sleep 1000"), &place.lock()).unwrap();
        let much = "x".repeat(1 << 20);
        (0..20).for_each(|_| unit.say(&much));
        assert_eq!(lines(&mut unit).await, ["alive"]);
        unit.close_input();
        assert_eq!(unit.stop().await.signal, Some(15), "the end of input never came, SIGTERM did");
    });
}

fn an_exit_is_told_while_something_below_holds_stdout() {
    let place = Place::new();
    run(async {
        let script = "echo one; printf half; sleep 1000 & exit 3";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let begun = Instant::now();
        let (heard, _, exit) = listen(&mut unit).await;
        assert_eq!((heard, exit.code), (vec!["one".to_owned()], Some(3)));
        assert!(begun.elapsed() >= Duration::from_millis(190), "it was waited for: {:?}", begun.elapsed());
        assert!(matches!(unit.next().await, Happening::Exited(again) if again == exit));
        assert_eq!(place.processes().len(), 2, "the guard and what still sleeps");
        assert_eq!(unit.stop().await, exit);
        assert_eq!(take(&mut unit), ["half"]);
    });
}

fn an_exit_is_told_while_something_below_floods() {
    let place = Place::new();
    run(async {
        // We are slow, so there is always something to read: neither the exit, nor a clock beside us, is starved.
        let slowly = |unit: &mut Unit| {
            while unit.line().is_some() {}
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut unit = Unit::spawn(&place.script("yes & exit 3"), &place.lock()).unwrap();
        let begun = Instant::now();
        let exit = loop {
            match tokio::time::timeout(LONG, unit.next()).await.unwrap() {
                Happening::Lines => slowly(&mut unit),
                Happening::Stderr(text) => panic!("{text}"),
                Happening::Exited(exit) => break exit,
            }
            assert!(begun.elapsed() < LONG);
        };
        assert_eq!(exit.code, Some(3));
        unit.stop().await;
        let mut unit = Unit::spawn(&place.script("exec yes"), &place.lock_elsewhere()).unwrap();
        let begun = Instant::now();
        let mut alarm = std::pin::pin!(tokio::time::sleep(Duration::from_millis(100)));
        loop {
            tokio::select! {
                () = &mut alarm => break,
                happening = unit.next() => {
                    assert!(matches!(happening, Happening::Lines), "{happening:?}");
                    slowly(&mut unit);
                }
            }
            assert!(begun.elapsed() < LONG);
        }
        unit.kill().await;
    });
}

fn the_last_words_before_an_exit_are_heard() {
    let place = Place::new();
    run(async {
        // More than one read, all of it in the pipe when the agent ends, which we learn late.
        let script = "seq 20000; sleep 1000 & exit 0";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let pid = unit.pid();
        while std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(300));
        let (heard, _, exit) = listen(&mut unit).await;
        assert_eq!((heard.len(), exit.code), (20000, Some(0)));
        unit.kill().await;
    });
}

fn what_still_waits_is_heard_by_one_who_comes_late() {
    let place = Place::new();
    run(async {
        let script = "(for i in $(seq 20); do echo $i; sleep 0.005; done; exec sleep 1000) & exit 0";
        let mut unit = Unit::spawn(&place.script(script), &place.lock()).unwrap();
        let mut heard = lines(&mut unit).await;
        // Our time for more has passed, but not what was said in it.
        std::thread::sleep(Duration::from_millis(400));
        heard.extend(listen(&mut unit).await.0);
        assert_eq!(heard.len(), 20, "{heard:?}");
        unit.kill().await;
    });
}

fn an_agent_that_ends_at_once_is_heard() {
    let place = Place::new();
    // Its end may be reported together with its start, or much later.
    for _ in 0..400 {
        let (exit, _) = run(async {
            let mut unit = Unit::spawn(&place.program("true", &[]), &place.lock()).unwrap();
            let (_, _, exit) = listen(&mut unit).await;
            (exit, unit.stop().await)
        });
        assert_eq!(exit.code, Some(0));
    }
}

fn what_cannot_run_says_why() {
    let place = Place::new();
    let said = |spec: &host::Spec| {
        let error = run(async { Unit::spawn(spec, &place.lock()).map(|_| ()).unwrap_err() });
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        (error.to_string(), cause, error)
    };
    let (text, _, error) = said(&place.program("/no/such/agent", &[]));
    assert_eq!(text, "find /no/such/agent");
    assert!(matches!(error, Error::NotFound { .. }));

    let mut spec = place.program("no-such-agent", &[]);
    spec.env = vec![("PATH".into(), "/bin:/usr/bin".into())];
    let (text, _, error) = said(&spec);
    assert_eq!(text, "find no-such-agent (looked in /bin, /usr/bin)");
    assert!(matches!(error, Error::NotFound { .. }));

    let file = place.path().join("agent");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    let (text, cause, error) = said(&place.program(path, &[]));
    assert_eq!(text, format!("run {path}"));
    assert_eq!(cause, "Permission denied (os error 13)");
    assert!(matches!(error, Error::NotExecutable { .. }));

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (text, cause, error) = said(&place.program("./agent", &[]));
    assert_eq!((text.as_str(), cause.as_str()), ("run ./agent", "the interpreter or loader that it names is missing"));
    assert!(matches!(error, Error::NotExecutable { .. }));

    let mut spec = place.script("true");
    spec.dir = "/no/such/place".into();
    let (text, _, error) = said(&spec);
    assert_eq!(text, "enter the directory /no/such/place");
    assert!(matches!(error, Error::Directory { .. }));

    let error = run(async {
        let guard = ["/bin/false".into()];
        Unit::spawn_with_guard(&place.script("true"), &place.lock(), &guard).map(|_| ()).unwrap_err()
    });
    assert_eq!(error.to_string(), "start the guard");
}

fn the_agent_gets_its_own_and_nothing_of_ours() {
    let place = Place::new();
    // As a shell's `3>log` would: open, and not closed by an exec.
    let log = std::fs::File::create(place.path().join("log")).unwrap();
    nix::fcntl::fcntl(&log, nix::fcntl::FcntlArg::F_DUPFD(77)).unwrap();
    run(async {
        let script = "ls /proc/self/fd; pwd; echo $0 $1; cat /proc/$$/stat; grep -E 'Sig(Ign|Blk)|^Umask' /proc/self/status; env";
        let mut spec = place.script(script);
        spec.args.extend(["zero".into(), "first".into()]);
        let mut unit = Unit::spawn(&spec, &place.lock()).unwrap();
        let pid = unit.pid().to_string();
        let (mut lines, _, _) = listen(&mut unit).await;
        let environment = lines.split_off(10);
        // The fourth is the listing's own.
        assert_eq!(lines[..6], ["0", "1", "2", "3", place.path().to_str().unwrap(), "zero first"]);
        let stat: Vec<&str> = lines[6].split(' ').collect();
        assert_eq!(
            [stat[0], stat[4], stat[5], stat[6]],
            [&pid, &pid, &pid, "0"],
            "its own group, its own session, no terminal"
        );
        assert_eq!(lines[7], format!("Umask:\t{}", status(std::process::id() as i32, "Umask")));
        assert_eq!(lines[8], "SigBlk:\t0000000000000000");
        assert_eq!(ignored(lines[9].strip_prefix("SigIgn:\t").unwrap()), 0);
        let names: Vec<&str> = environment.iter().map(|line| line.split('=').next().unwrap()).collect();
        for name in &names {
            // The shell itself adds the last two.
            assert!(["PATH", "ME", "HANDS_TEST", "PWD", "OLDPWD", "SHLVL", "_"].contains(name), "{names:?}");
        }
        unit.kill().await;
    });
}

fn the_guard_keeps_nothing_of_ours_but_the_lock() {
    let place = Place::new();
    run(async {
        let lock = place.lock();
        let mut unit = Unit::spawn(&place.script("echo one; read go; echo two; exec sleep 1000"), &lock).unwrap();
        lines(&mut unit).await;
        let guard: i32 = status(unit.pid() as i32, "PPid").parse().unwrap();
        assert_eq!(status(guard, "Name"), "sa-guard");
        assert_eq!(status(guard, "Threads"), "1");
        let stat = std::fs::read_to_string(format!("/proc/{guard}/stat")).unwrap();
        let stat: Vec<&str> = stat.split(' ').collect();
        assert_eq!([stat[5], stat[6]], [guard.to_string().as_str(), "0"], "its own session, no terminal");
        let lock_file = place.lock_path().display().to_string();
        // It starts the agent first, and then closes what is the agent's.
        let others = |open: &[String]| open.iter().filter(|link| *link != "/dev/null" && **link != lock_file).count();
        let open = crate::support::open_files(guard, |open| others(open) == 3);
        assert_eq!(others(&open), 3, "status, lifeline, its signals: {open:?}");
        assert_eq!(open.iter().filter(|link| **link == lock_file).count(), 1);
        assert_eq!(std::fs::read_link(format!("/proc/{guard}/cwd")).unwrap().to_str(), Some("/"));
        let deaf = ignored(&status(guard, "SigIgn"));
        for signal in ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1"] {
            let signal: host::Signal = signal.parse().unwrap();
            assert_ne!(deaf & 1 << (signal as i32 - 1), 0, "deaf to {signal}");
            crate::support::kill(guard, signal);
        }
        unit.say("go");
        assert_eq!(lines(&mut unit).await, ["two"]);
        assert_eq!(status(unit.pid() as i32, "PPid"), guard.to_string());
        unit.kill().await;
        assert!(!std::path::Path::new(&format!("/proc/{guard}")).exists(), "it was waited for");
        drop(lock);
        assert!(!host::lock::held(&place.lock_path()).unwrap());
    });
}

fn an_agent_gets_the_umask_that_we_had() {
    let place = Place::new();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "umask 0027; exec \"$ME\" __play umask"]).current_dir(place.path());
    command.env_clear().envs(place.environment()).stdout(std::process::Stdio::piped());
    let mut owner = command.spawn().unwrap();
    let heard = crate::support::Heard::new(owner.stdout.take().unwrap());
    assert_eq!(heard.line(), "Whole(\"0027\")");
    owner.kill().unwrap();
    owner.wait().unwrap();
    place.until_alive(0);
    let ours = std::fs::metadata(place.path().join("ours")).unwrap();
    assert_eq!(ours.permissions().mode() & 0o777, 0o600);
}
