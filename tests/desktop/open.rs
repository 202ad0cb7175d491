//! Files and addresses that are opened; the session bus that programs find.

use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Desk;
use crate::env::wait_until;

/// Lets this script open what nothing else is meant for.
fn opener(desk: &mut Desk, script: &str) {
    let path = desk.env.write("opener", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    desk.env.set("BROWSER", path);
}

#[test]
fn d17_what_is_not_there_is_not_opened() {
    let mut desk = Desk::start();
    for target in ["", "no/such/file", "/no/such/file", "file:///no/such/file"] {
        let refused = desk.run(&["open", target]).expect(3).object();
        assert!(refused["message"].as_str().unwrap().contains("no such file"), "{refused}");
    }
    opener(&mut desk, "echo no program for it >&2; exit 1");
    let failed = desk.run(&["open", "--wait=60s", "nobodys:thing"]).expect(1).object();
    assert!(failed["message"].as_str().unwrap().contains("nobodys:thing"), "{failed}");
    let bin = desk.env.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink("/usr/bin/Xvfb", bin.join("Xvfb")).unwrap();
    let path = desk.env.variables()[std::ffi::OsStr::new("PATH")].clone();
    desk.env.set("PATH", &bin);
    let missing = desk.run(&["open", "nobodys:thing"]).expect(127).object();
    assert_eq!(missing["message"], "failed to find xdg-open: not installed");
    assert!(missing["hint"].as_str().unwrap().contains("xdg-utils"), "{missing}");
    desk.env.set("PATH", path);
    desk.stop();
}

#[test]
fn what_is_opened_comes_to_the_program_that_is_meant_for_it() {
    let mut desk = Desk::start();
    opener(&mut desk, "exec xterm -T \"opened $1\" -e sleep 1000");
    let opened = desk.ok(&["open", "--wait=60s", "nobodys:thing"]);
    assert_eq!(opened["window"]["title"], "opened nobodys:thing", "{opened}");
    let id = opened["process_id"].as_str().unwrap();
    assert_eq!(desk.env.run(&["proc", "show", id]).expect(0).object()["owner"], "desktop");
    let late = desk.run(&["open", "--wait=1ms", "nobodys:other"]).expect(124).object();
    assert!(late["message"].as_str().unwrap().contains("nobodys:other"), "{late}");
    desk.stop();
}

#[test]
fn a_killed_bus_comes_back_at_its_address() {
    let desk = Desk::start();
    let told = desk.ok(&["launch", "sh", "-c", "echo $DBUS_SESSION_BUS_ADDRESS > told"]);
    desk.env.run(&["proc", "wait", told["process_id"].as_str().unwrap()]).expect(0);
    let address = desk.env.read("told").trim().to_owned();
    let names = || {
        let words =
            ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"];
        desk.client("dbus-send", &words).var("DBUS_SESSION_BUS_ADDRESS", &address).run()
    };
    assert!(names().expect(0).text().contains("org.freedesktop.DBus"), "{address}");
    let bus = desk.process("bus");
    kill(Pid::from_raw(bus["pid"].as_i64().unwrap() as i32), Signal::SIGKILL).unwrap();
    wait_until("the bus to be there again", || (names().code() == 0).then_some(()));
    assert_eq!(desk.process("bus")["restarts"], 1);
    assert_eq!(desk.ok(&["mouse", "move", "3", "4"])["x"], 3);
    desk.stop();
}

/// Another screen is another desktop, and that has to be said.
#[test]
fn one_that_runs_is_replaced_when_that_is_asked_for() {
    let desk = Desk::start();
    let launched = desk.ok(&["launch", "sleep", "1000"]);
    let before = desk.ok(&["status"]);
    assert_eq!(desk.ok(&["start", "--width", "800", "--height", "600", "--replace"]), before, "it is the same");
    let refused = desk.run(&["start", "--width", "640", "--height", "480"]).expect(8).object();
    assert!(refused["hint"].as_str().unwrap().contains("--replace"), "{refused}");
    let after = desk.ok(&["start", "--width", "640", "--height", "480", "--replace"]);
    assert_eq!((&after["state"], &after["resolution"]["width"]), (&"active".into(), &640.into()), "{after}");
    let gone = desk.env.run(&["proc", "show", launched["process_id"].as_str().unwrap()]).expect(0).object();
    assert_eq!(gone["status"], "exited", "{gone}");
    desk.stop();
}
