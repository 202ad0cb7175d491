//! What other desktop servers get wrong, each with a test of its number; those that are not here stand with their subject.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Desk;
use crate::env::{TestEnv, program};

#[test]
fn each_defect_has_its_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desktop");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let text: String = files.collect();
    for number in 1..=21 {
        let name = format!("#[test]\nfn d{number:02}_");
        assert!(text.contains(&name), "d{number:02} has none");
    }
}

/// An action looks at no pixels, and starts no program.
#[test]
fn d01_an_action_takes_no_picture() {
    let desk = Desk::start();
    let program = program();
    for (words, pictures) in [(&["mouse", "move", "5", "5"][..], 0), (&["screenshot", "--out", "shot.png"], 1)] {
        let calls = ["-f", "-o", "trace", "-e", "trace=execve,memfd_create", program, "desktop"];
        desk.env.program(Path::new("/usr/bin/strace")).args(&[&calls[..], words].concat()).run().expect(0);
        let trace = desk.env.read("trace");
        assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
        assert_eq!(trace.matches("memfd_create(").count(), pictures, "{trace}");
    }
    desk.stop();
}

/// Who waits keeps nobody else waiting.
#[test]
fn d02_nothing_waits_for_another() {
    let desk = Desk::start();
    let held = desk.ok(&["clipboard", "set", "text"]);
    let holder = Pid::from_raw(held["holder_pid"].as_i64().unwrap() as i32);
    kill(holder, Signal::SIGSTOP).unwrap();
    let mut waiting = [
        &["clipboard", "get", "--timeout", "1h"][..],
        &["windows", "wait", "--title", "Never", "--timeout", "1h"],
        &["wait", "--pixel", "1,1=123456", "--timeout", "1h"],
    ]
    .map(|words| desk.env.command(&[&["desktop"], words].concat()).spawn());
    assert_eq!(desk.ok(&["status"])["state"], "active");
    let shots = [(); 5].map(|()| desk.env.command(&["desktop", "screenshot", "--out", "shot.png"]).spawn());
    for shot in shots {
        shot.wait().expect(0);
    }
    assert_eq!(desk.ok(&["mouse", "move", "9", "8"])["x"], 9);
    for one in &mut waiting {
        assert!(one.lines().is_empty(), "it waits");
        one.signal(Signal::SIGKILL);
    }
    kill(holder, Signal::SIGKILL).unwrap();
    drop(waiting);
    desk.stop();
}

#[test]
fn d05_no_point_off_the_screen_is_taken_for_another() {
    let desk = Desk::start();
    desk.ok(&["mouse", "move", "12", "34"]);
    for (x, y) in [("99999", "1"), ("800", "0"), ("0", "600"), ("-1", "0"), ("65537", "5")] {
        for verb in ["move", "click", "down"] {
            desk.run(&["mouse", verb, x, y]).expect(2);
        }
    }
    let position = desk.ok(&["mouse", "position"]);
    assert_eq!(
        (&position["x"], &position["y"], &position["buttons"]),
        (&12.into(), &34.into(), &serde_json::json!([]))
    );
    desk.stop();
}

/// A name that is not known is an error, not left out.
#[test]
fn d07_no_option_is_ignored() {
    let desk = Desk::start();
    desk.run(&["screenshot", "--show_cursor"]).expect(2);
    let script = |line: &str| desk.env.command(&["desktop", "do", "-"]).stdin(line).run();
    script("{\"action\":\"screenshot\",\"out\":\"a.png\",\"showCursor\":true}").expect(2);
    desk.ok(&["mouse", "move", "400", "300"]);
    script("{\"action\":\"screenshot\",\"out\":\"a.png\"}").expect(0);
    script("{\"action\":\"screenshot\",\"out\":\"b.png\",\"cursor\":true}").expect(0);
    let read = |name: &str| std::fs::read(desk.env.work().join(name)).unwrap();
    assert!(read("a.png") != read("b.png"));
    desk.stop();
}

/// A long text takes its time, and arrives.
#[test]
fn d09_a_slow_long_text_is_typed_to_its_end() {
    let desk = Desk::start();
    desk.xterm(&[], "stty raw -echo; touch ready; exec cat > typed");
    let text: String = ('a'..='z').cycle().take(1500).collect();
    let typed = desk.run(&["type", &text, "--delay-ms", "4"]).expect(0);
    assert!(typed.took > Duration::from_secs(5), "slower than the limit of others");
    assert_eq!(String::from_utf8(desk.read("typed", 1500)).unwrap(), text);
    desk.stop();
}

#[test]
fn d10_a_hundred_notches_are_scrolled() {
    let desk = Desk::start();
    let script = "stty raw -echo; printf '\\033[?1000h\\033[?1006h\\033[6n'; head -c 6 >/dev/null; touch ready; exec cat > typed";
    let window = desk.xterm(&["-xrm", "XTerm*allowMouseOps: true"], script);
    let at = |field: &str| (window[field].as_i64().unwrap() + 50).to_string();
    desk.ok(&["mouse", "scroll", &at("x"), &at("y"), "--dy", "100"]);
    let notch = "\x1b[<65;";
    crate::env::wait_until("every notch", || {
        let seen = std::fs::read_to_string(desk.env.work().join("typed")).unwrap();
        (seen.matches(notch).count() >= 100).then_some(())
    });
    assert_eq!(desk.env.read("typed").matches(notch).count(), 100);
    desk.stop();
}

/// Who may do nothing is told what others have to do.
#[test]
fn d21_what_would_be_installed_is_said_to_anybody() {
    let env = TestEnv::new();
    let words = ["--user", program(), "install", "desktop", "--print-only"];
    let words = [&words[..], &["--package-manager", "apt"]].concat();
    let told = env.program(Path::new("/usr/bin/unshare")).args(&words).run().expect(0);
    assert!(told.text().contains("  - ffmpeg\n"), "{}", told.text());
    assert!(told.text().contains("\n  sudo apt-get update && sudo env "), "{}", told.text());
    let minimal = env.run(&["install", "desktop", "--print-only", "--package-manager", "apt", "--minimal"]).expect(0);
    assert!(minimal.text().ends_with(" xvfb openbox fonts-dejavu-core\n"), "{}", minimal.text());
}
