//! The parts that this program plays in its own tests.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use host::bell::Bell;
use host::signals::{Caught, Signals};
use host::{Happening, Lock, Signal, Spec, Stop, Unit};
use nix::unistd::{ForkResult, fork, setsid};

/// What `run --detach` starts: an owner of its own, with something below it. Says that it is ready to who wants to know.
pub(crate) fn keep() -> ExitCode {
    if std::env::args().any(|arg| arg == "fail") {
        return ExitCode::FAILURE;
    }
    if let Some(ready) = host::detach::Ready::inherited() {
        ready.say("ready");
    }
    Command::new("sleep").arg("1000").stdin(Stdio::null()).status().unwrap();
    ExitCode::SUCCESS
}

/// One of the parts below.
pub(crate) fn part(args: Vec<String>) -> ExitCode {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["owner", lock, script] => own(Path::new(lock), None, script),
        ["owner", lock, bell, script] => own(Path::new(lock), Some(Path::new(bell)), script),
        ["hirer", script] => crate::hired::hirer(script),
        ["hop"] => hop(),
        ["scatter", count] => scatter(count.parse().unwrap()),
        ["signals"] => signals(),
        ["die", signal] => host::signals::die_by(signal.parse().unwrap()),
        ["env"] => env(),
        ["sweep", mark] => say(&host::tree::end_marked(crate::support::MARK, mark.as_ref()).to_string()),
        ["clock"] => println!("{} {}", host::clock::now_ms(), host::clock::now_ms()),
        ["ask", directory] => ask(Path::new(directory)),
        ["umask"] => umask(),
        _ => panic!("no such part: {args:?}"),
    }
    ExitCode::SUCCESS
}

/// Owns an agent, says its first line and its guard's pid, and goes on for ever.
fn own(lock: &Path, bell: Option<&Path>, script: &str) {
    let mut lock = Lock::take(lock).unwrap().expect("free");
    let bell = bell.map(|bell| Bell::open(bell).unwrap());
    if let Some(bell) = &bell {
        lock.carry(bell).unwrap();
    }
    let spec = Spec {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        env: host::env::all(),
        dir: "/".into(),
        stop: Stop { eof: Duration::from_secs(1), term: Duration::from_secs(1) },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut unit = Unit::spawn(&spec, &lock).unwrap();
        loop {
            match unit.next().await {
                Happening::Lines => {
                    while let Some(line) = unit.line() {
                        say(&format!("{line:?}"));
                    }
                }
                Happening::Stderr(text) => say(&text),
                Happening::Exited(exit) => {
                    say(&format!("exited {:?} {:?}", exit.code, exit.signal));
                    // The next order: end it, or stay as it is.
                    let order = std::io::stdin().lock().lines().next();
                    if order.is_some() {
                        unit.kill().await;
                        say("killed");
                    }
                    std::future::pending::<()>().await;
                }
            }
        }
    });
}

/// Moves on for ever: each generation forks the next one into a session of its own and ends, as fast as it can.
fn hop() {
    say("hopping");
    loop {
        #[expect(unsafe_code)]
        // SAFETY: this process has one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { .. } => return,
            ForkResult::Child => {
                setsid().unwrap();
            }
        }
    }
}

/// Processes in sessions of their own, two of them forked twice, that ignore whatever can be ignored.
fn scatter(count: usize) {
    for number in 0..count {
        let script = if number < 2 {
            "(setsid sh -c \"trap '' TERM HUP INT; exec sleep 1000\" &) &"
        } else {
            "trap '' TERM HUP INT; exec sleep 1000"
        };
        // Nobody waits for them: that is the point.
        drop(Command::new("setsid").args(["sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).spawn());
    }
    say("scattered");
    std::thread::sleep(Duration::from_secs(1000));
}

/// Says what it catches; ends on TERM.
fn signals() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut signals = Signals::new().unwrap();
        say("ready");
        loop {
            let caught = signals.next().await;
            say(&format!("{caught:?}"));
            match caught {
                Caught::Interrupt | Caught::HangUp => {}
                Caught::Suspend => {
                    host::signals::stop_self();
                    say("continued");
                }
                Caught::Terminate => return host::signals::die_by(Signal::from(caught)),
            }
        }
    });
}

fn env() {
    let place = |place: Result<std::path::PathBuf, host::Error>| match place {
        Ok(path) => path.display().to_string(),
        Err(error) => format!("failed to {error}"),
    };
    say(&place(host::paths::data()));
    say(&place(host::paths::state()));
    say(&place(host::paths::cache()));
    say(&place(host::paths::config()));
    say(&format!("{:?}", host::paths::agent_home()));
    say(&format!("{:?}", host::env::var(host::env::Name::Agent)));
}

/// Asks at the terminal.
fn ask(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminal = host::tty::Terminal::open().expect("a terminal");
        assert!(terminal.foreground());
        let lock = terminal.prompt_lock(directory).unwrap().expect("nobody else asks");
        assert!(terminal.prompt_lock(directory).unwrap().is_none());
        terminal.ask("first? ").unwrap();
        let first = terminal.line().await.unwrap();
        // Typed before the question: no answer to it.
        terminal.ask("ready\n").unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(50), terminal.line()).await;
        assert!(waiting.is_err(), "nobody has typed: {waiting:?}");
        terminal.ask("second? ").unwrap();
        let second = terminal.line().await.unwrap();
        terminal.ask("third? ").unwrap();
        let third = terminal.line().await.unwrap();
        drop(lock);
        terminal.ask(&format!("{first:?} {second:?} {third:?}\n")).unwrap();
    });
}

/// Says the umask of an agent whose owner keeps its own files private.
fn umask() {
    host::private::private_umask();
    std::fs::write("ours", "").unwrap();
    own(Path::new("umask.lock"), None, "umask");
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").unwrap();
    stdout.flush().unwrap();
}
