//! Copy and paste with other programs; waiting for what is drawn.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Desk;
use crate::env::{Running, wait_until};

/// xclip in the foreground, holding a text.
fn copied(desk: &Desk, text: &str, selection: &str) -> Running {
    let holding = desk.client("xclip", &["-quiet", "-i", "-selection", selection]).stdin(text).spawn();
    wait_until("xclip to hold it", || {
        (desk.ok(&["clipboard", "get", "--selection", selection])["text"] == text).then_some(())
    });
    holding
}

fn is_alive(desk: &Desk, pid: &Value) -> bool {
    desk.env.alive().iter().any(|one| i64::from(one.pid) == pid.as_i64().unwrap())
}

/// It stays after the command has ended, until another program copies.
#[test]
fn d03_what_is_copied_can_be_pasted_and_the_other_way_round() {
    let desk = Desk::start();
    assert_eq!(desk.ok(&["clipboard", "get"])["text"], "", "nobody has copied anything");
    let text = "héllo ✓ 中文\nsecond line\n";
    let held = desk.ok(&["clipboard", "set", text]);
    assert_eq!(held["bytes"], text.len());
    assert_eq!(desk.client("xclip", &["-o", "-selection", "clipboard"]).run().expect(0).text(), text);
    assert_eq!(desk.ok(&["clipboard", "get"])["text"], text);
    assert_eq!(desk.run(&["clipboard", "get", "--raw"]).expect(0).text(), text);
    assert_eq!(desk.ok(&["clipboard", "get", "--selection", "primary"])["text"], "");
    let targets = desk.client("xclip", &["-o", "-selection", "clipboard", "-t", "TARGETS"]).run().expect(0);
    assert!(targets.text().contains("UTF8_STRING"), "{}", targets.text());
    let latin = desk.client("xclip", &["-o", "-selection", "clipboard", "-t", "STRING"]).run().expect(0);
    assert_eq!(latin.stdout, b"h\xe9llo ? ??\nsecond line\n");

    let holding = copied(&desk, "Их текст", "clipboard");
    wait_until("the former holder to go", || (!is_alive(&desk, &held["holder_pid"])).then_some(()));
    let both = desk.ok(&["clipboard", "set", "--selection", "both", "--", "-dash"]);
    assert_eq!(holding.wait().code(), 0, "xclip was told that it holds nothing any more");
    for selection in ["clipboard", "primary"] {
        assert_eq!(desk.ok(&["clipboard", "get", "--selection", selection])["text"], "-dash");
    }
    let primary = copied(&desk, "selected", "primary");
    assert!(is_alive(&desk, &both["holder_pid"]), "it still holds the other");
    assert_eq!(desk.ok(&["clipboard", "get"])["text"], "-dash");
    desk.run(&["clipboard", "get", "--selection", "both"]).expect(2);
    desk.env.run(&["desktop", "clipboard", "set", "x", "--name", "other"]).expect(3);
    desk.ok(&["stop"]);
    let _ = primary.wait();
    desk.stop();
}

#[test]
fn a_long_text_goes_in_pieces() {
    let desk = Desk::start();
    let text = "0123456789abcdef é\n".repeat(200_000);
    let words = ["desktop", "clipboard", "set", "-"];
    assert_eq!(desk.env.command(&words).stdin(text.as_str()).run().expect(0).object()["bytes"], text.len());
    assert!(desk.client("xclip", &["-o", "-selection", "clipboard"]).run().expect(0).text() == text);
    assert!(desk.run(&["clipboard", "get", "--raw"]).expect(0).text() == text);
    let holding = copied(&desk, &text.replace('é', "è"), "clipboard");
    desk.ok(&["clipboard", "set", "short"]);
    let _ = holding.wait();
    desk.stop();
}

#[test]
fn a_holder_that_does_not_answer_is_not_waited_for_for_ever() {
    let desk = Desk::start();
    let held = desk.ok(&["clipboard", "set", "text"]);
    let pid = Pid::from_raw(held["holder_pid"].as_i64().unwrap() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    let silent = desk.run(&["clipboard", "get", "--timeout", "300ms"]).expect(124);
    assert!(silent.took >= Duration::from_millis(300));
    kill(pid, Signal::SIGKILL).unwrap();
    wait_until("the clipboard to be empty", || (desk.ok(&["clipboard", "get"])["text"] == "").then_some(()));
    desk.stop();
}

/// Pasted by a program: Shift+Insert into an xterm pastes what is selected.
#[test]
fn a_program_pastes_it() {
    let desk = Desk::start();
    desk.xterm(&[], "stty raw -echo; touch ready; exec cat > typed");
    let text = "pasted ✓ жук";
    desk.ok(&["clipboard", "set", "--selection", "primary", text]);
    desk.ok(&["key", "shift+Insert"]);
    assert_eq!(String::from_utf8(desk.read("typed", text.len())).unwrap(), text);
    desk.stop();
}

#[test]
fn what_is_drawn_is_waited_for() {
    let desk = Desk::start();
    let quiet = "printf '\\033[?25l'; touch ready; read line; printf '\\033[41m\\033[2J'; sleep 1000";
    let window = desk.xterm(&["-bg", "#204060", "-b", "0"], quiet);
    desk.ok(&["windows", "move", window["id"].as_str().unwrap(), "0", "0"]);
    let waited = desk.ok(&["wait", "--stable", "300ms"]);
    assert!(waited["after_ms"].as_i64().unwrap() >= 300, "{waited}");
    assert_eq!(desk.ok(&["wait", "--pixel", "100,100=204060"])["reached"], "pixel");
    desk.run(&["wait", "--change", "--timeout", "200ms"]).expect(124);
    let error = desk.run(&["wait", "--pixel", "100,100=000000", "--timeout", "100ms"]).expect(124).object();
    assert!(error["message"].as_str().unwrap().contains("#204060"), "{error}");

    // Both begin to wait before anything is drawn: each has a connection that the server knows of.
    let pixel = desk.env.command(&["desktop", "wait", "--pixel", "100,100=#cd0000", "--timeout", "100s"]).spawn();
    let change = desk.env.command(&["desktop", "wait", "--change", "--timeout", "100s"]).spawn();
    let connected = |pid: i32| {
        std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|open| {
            open.flatten()
                .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
        })
    };
    wait_until("both to be connected", || (connected(pixel.pid()) && connected(change.pid())).then_some(()));
    // Connected is not yet waiting; each line that is drawn is news, and the colour is only the last.
    let mut drawn = 0;
    wait_until("the change to be seen", || {
        drawn += 1;
        desk.ok(&["windows", "move", window["id"].as_str().unwrap(), &(drawn % 2).to_string(), "0"]);
        std::fs::metadata(format!("/proc/{}/fd/0", change.pid())).is_err().then_some(())
    });
    let change = change.wait().expect(0).object();
    assert!(change["area"]["width"].as_i64().unwrap() > 0, "{change}");
    desk.ok(&["key", "Return"]);
    assert_eq!(pixel.wait().expect(0).object()["reached"], "pixel");
    let window = desk.ok(&["wait", "--window", "sh"]);
    assert!(window["window"]["id"].is_string(), "{window}");
    for words in [
        &["wait"][..],
        &["wait", "--change", "--stable", "1s"],
        &["wait", "--pixel", "1,2"],
        &["wait", "--pixel", "1,2=12345"],
        &["wait", "--pixel", "800,0=000000"],
        &["wait", "--change", "--region", "900,0,1,1"],
        &["wait", "--stable", "soon"],
    ] {
        desk.run(words).expect(2);
    }
    desk.stop();
}
