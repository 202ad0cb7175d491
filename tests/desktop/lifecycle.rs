//! Starting, stopping, killing; what is missing; who is let in.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Desk;
use crate::env::{TestEnv, wait_until};

fn kill_pid(pid: &Value) {
    kill(Pid::from_raw(pid.as_i64().unwrap() as i32), Signal::SIGKILL).unwrap();
}

fn wait_for_state(desk: &Desk, state: &str) -> Value {
    wait_until("another state", || Some(desk.ok(&["status"])).filter(|status| status["state"] == state))
}

/// What was launched ends with it, also what knows nothing of X.
#[test]
fn d20_a_desktop_ends_with_everything_on_it() {
    let desk = Desk::start();
    let status = desk.ok(&["status"]);
    assert_eq!(status["resolution"], serde_json::json!({ "width": 800, "height": 600, "dpi": 96 }));
    let roles: Vec<&str> =
        status["processes"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["server", "window-manager", "bus"]);
    assert_eq!(desk.ok(&["start", "--width", "800", "--height", "600"]), status, "it was started once");
    let refused = desk.run(&["start", "--width", "801", "--height", "600"]).expect(8).object();
    assert!(refused["message"].as_str().unwrap().contains("800x600"), "{refused}");
    let launched = desk.ok(&["launch", "sleep", "1000"]);
    let record = desk.env.run(&["proc", "show", launched["process_id"].as_str().unwrap()]).expect(0).object();
    assert_eq!((&record["owner"], &record["status"]), (&"desktop".into(), &"running".into()));
    desk.env.run(&["desktop", "status", "--name", "other"]).expect(0);
    let env = &desk.env;
    assert_eq!(desk.ok(&["stop"])["state"], "inactive");
    env.wait_until_none_is_alive();
    let gone = desk.run(&["mouse", "position"]).expect(3).object();
    assert!(gone["hint"].as_str().unwrap().contains("desktop start"), "{gone}");
    assert_eq!(desk.ok(&["stop"])["state"], "inactive", "twice is as good");
}

/// No port, and nobody without the cookie.
#[test]
fn d16_only_those_who_have_the_cookie_come_in() {
    let desk = Desk::start();
    let display = desk.ok(&["display"]);
    let number: u16 = display["display"].as_str().unwrap()[1..].parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", 6000 + number)).is_err());
    let xprop = desk.env.program("/usr/bin/xprop".as_ref()).args(&["-root"]);
    let refused = xprop.var("DISPLAY", display["display"].as_str().unwrap()).run();
    assert_ne!(refused.code(), 0);
    let check = desk.client("xprop", &["-root", "_NET_SUPPORTING_WM_CHECK"]).run().expect(0);
    assert!(check.text().contains("window id"));
    desk.stop();
}

#[test]
fn there_may_be_several_and_a_display_only_once() {
    let desk = Desk::start();
    let other = desk.ok(&["start", "--name", "other", "--width", "320", "--height", "200"]);
    let display = desk.ok(&["display"])["display"].clone();
    assert_ne!(other["display"], display);
    assert_eq!(desk.ok(&["display", "--name", "other"])["resolution"]["width"], 320);
    let number = &display.as_str().unwrap()[1..];
    let taken = desk.run(&["start", "--name", "third", "--display-num", number]).expect(8).object();
    assert!(taken["message"].as_str().unwrap().contains("is taken"), "{taken}");
    assert_eq!(desk.ok(&["status", "--name", "third"])["state"], "inactive");
    desk.ok(&["stop", "--name", "other"]);
    assert_eq!(desk.ok(&["mouse", "move", "799", "599"])["x"], 799);
    desk.stop();
}

/// What is missing is named with what installs it, which needs no root.
#[test]
fn d18_missing_packages_are_named_with_their_command() {
    let mut env = TestEnv::new();
    let bin = env.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink("/usr/bin/openbox", bin.join("openbox")).unwrap();
    env.set("PATH", &bin);
    let error = env.run(&["desktop", "start"]).expect(127).object();
    assert_eq!(error["message"], "failed to find Xvfb: not installed");
    assert!(error["hint"].as_str().unwrap().contains("sandbox-agent install desktop --yes"));
    let status = env.run(&["desktop", "status"]).expect(0).object();
    assert_eq!((&status["state"], &status["missing"]), (&"install_required".into(), &serde_json::json!(["Xvfb"])));
    env.run(&["install", "desktop", "--print-only"]).expect(127);
    let text = env.run(&["install", "desktop", "--print-only", "--package-manager", "apk", "--no-fonts"]).expect(0);
    assert!(text.text().ends_with("apk add --no-cache xvfb openbox ffmpeg xdg-utils dbus\n"), "{}", text.text());
    env.run(&["install", "desktop", "--package-manager", "dnf"]).expect(1);
    env.run(&["install", "desktop", "--package-manager", "pacman"]).expect(2);
    symlink("/usr/bin/Xvfb", bin.join("Xvfb")).unwrap();
    assert_eq!(env.run(&["desktop", "status"]).expect(0).object()["state"], "inactive");
}

/// What makes no sense is said before anything is started.
#[test]
fn d12_impossible_screens_are_refused() {
    let env = TestEnv::new();
    for words in [["--width", "0"], ["--height", "70000"], ["--dpi", "0"], ["--name", "a/b"], ["--width", "x"]] {
        env.run(&[&["desktop", "start"][..], &words].concat()).expect(2);
    }
    assert!(env.run(&["proc", "list"]).expect(0).lines().is_empty());
}

#[test]
fn a_killed_server_comes_back_with_its_window_manager() {
    let desk = Desk::start();
    let server = desk.process("server");
    kill_pid(&server["pid"]);
    assert_eq!(desk.ok(&["mouse", "move", "7", "8"])["y"], 8, "an action waits for it");
    let status = wait_for_state(&desk, "active");
    assert_eq!(status["processes"][0]["restarts"], 1, "{status}");
    desk.xterm(&[], "touch ready; sleep 1000");
    desk.stop();
}

/// A window manager that comes up loses the windows that want to be shown meanwhile.
#[test]
fn without_its_window_manager_a_desktop_is_not_active_and_programs_wait() {
    let desk = Desk::start();
    let manager = desk.process("window-manager");
    let manager = Pid::from_raw(manager["pid"].as_i64().unwrap() as i32);
    kill(manager, Signal::SIGSTOP).unwrap();
    kill_pid(&desk.process("server")["pid"]);
    desk.ok(&["mouse", "move", "7", "8"]);
    let status = desk.ok(&["status"]);
    assert_eq!(status["state"], "starting", "it still holds on to the server that is gone: {status}");
    kill(manager, Signal::SIGCONT).unwrap();
    desk.xterm(&[], "touch ready; sleep 1000");
    assert_eq!(desk.process("window-manager")["restarts"], 1);
    desk.stop();
}

#[test]
fn a_killed_window_manager_comes_back_and_windows_stay() {
    let desk = Desk::start();
    let window = desk.xterm(&[], "touch ready; sleep 1000");
    let manager = desk.process("window-manager");
    kill_pid(&manager["pid"]);
    wait_until("another window manager", || {
        let now = desk.process("window-manager");
        (now["running"] == true && now["restarts"] == 1).then_some(())
    });
    let id = window["id"].as_str().unwrap();
    wait_until("the window to be managed again", || (desk.run(&["windows", "focus", id]).code() == 0).then_some(()));
    desk.stop();
}

#[test]
fn d15_with_the_servers_keeper_the_desktop_has_ended_and_can_be_started_again() {
    let desk = Desk::start();
    desk.ok(&["launch", "sleep", "1000"]);
    let server = desk.process("server");
    let record = desk.env.run(&["proc", "show", server["process_id"].as_str().unwrap()]).expect(0).object();
    let display = desk.ok(&["display"])["display"].as_str().unwrap()[1..].to_owned();
    let lock = format!("/tmp/.X{display}-lock");
    let locked = std::fs::read_to_string(&lock).unwrap();
    assert_eq!(locked.trim(), server["pid"].to_string());
    let begun = Instant::now();
    kill_pid(&record["keeper_pid"]);
    // Nobody has to ask for that, and who is started again in vain gives up after twelve seconds only.
    desk.env.wait_until_none_is_alive();
    assert!(begun.elapsed() < Duration::from_secs(10), "all of it ends at once");
    let status = wait_for_state(&desk, "failed");
    assert!(status["last_error"].as_str().unwrap().contains("keeper"), "{status}");
    let error = desk.run(&["mouse", "position"]).expect(3).object();
    assert!(error["message"].as_str().unwrap().contains("it has ended"), "{error}");
    let again = desk.ok(&["start", "--width", "640", "--height", "480"]);
    assert_eq!((&again["state"], &again["resolution"]["width"]), (&"active".into(), &640.into()), "{again}");
    assert_eq!(again["processes"].as_array().unwrap().len(), 3, "what ran before is gone: {again}");
    // So is what a killed server leaves, which another one may have taken since.
    assert_ne!(std::fs::read_to_string(&lock).unwrap_or_default(), locked);
    desk.stop();
}

#[test]
fn a_killed_start_leaves_nothing_that_stop_does_not_end() {
    let env = TestEnv::new();
    let start = env.command(&["desktop", "start"]).spawn();
    wait_until("its server", || env.alive().iter().any(|one| one.command.starts_with("Xvfb")).then_some(()));
    start.signal(Signal::SIGKILL);
    let _ = start.wait();
    let desk = Desk { env };
    desk.stop();
}

/// A display that we did not start is used as others use it: with what XAUTHORITY names.
#[test]
fn a_display_of_others_is_used() {
    let desk = Desk::start();
    let told = desk.ok(&["display"]);
    let display = told["display"].as_str().unwrap();
    let mut env = TestEnv::new();
    env.run(&["desktop", "windows", "--display", display]).expect(1);
    env.set("XAUTHORITY", told["xauthority"].as_str().unwrap());
    let ok = |words: &[&str]| env.run(&[&["desktop", "--display", display], words].concat()).expect(0).object();
    assert_eq!(ok(&["display"])["resolution"]["width"], 800);
    assert_eq!(ok(&["mouse", "move", "31", "32"])["x"], 31);
    assert_eq!(desk.ok(&["mouse", "position"])["y"], 32);
    assert_eq!(
        ok(&["launch", "--wait=60s", "xterm", "-T", "Guest", "-e", "sleep", "1000"])["window"]["title"],
        "Guest"
    );
    ok(&["clipboard", "set", "from elsewhere"]);
    assert_eq!(desk.ok(&["clipboard", "get"])["text"], "from elsewhere");
    for words in [&["start"][..], &["stop"], &["status"], &["view", "status"]] {
        env.run(&[&["desktop", "--display", display], words].concat()).expect(2);
    }
    for wrong in ["0", ":x", "elsewhere:0"] {
        env.run(&["desktop", "--display", wrong, "display"]).expect(2);
    }
    desk.stop();
    env.wait_until_none_is_alive();
}
