//! A virtual desktop: started and killed, looked at, pointed and typed on; what happened is read back from real programs.

mod browser;
mod clipboard;
mod defects;
mod input;
mod lifecycle;
mod open;
mod readme;
mod record;
mod screen;
mod view;
mod windows;

use std::path::Path;

use serde_json::Value;

use crate::env::{Output, Program, TestEnv, wait_until};

/// A running desktop of a test. It has to be stopped: what is alive at the end fails the test.
struct Desk {
    env: TestEnv,
}

/// The processor time of a process, in clock ticks: hundredths of a second.
fn ticks(pid: i64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

impl Desk {
    /// One of 800 by 600 pixels.
    fn start() -> Desk {
        let mut env = TestEnv::new();
        env.set("LC_ALL", "C.UTF-8");
        let desk = Desk { env };
        let status = desk.ok(&["start", "--width", "800", "--height", "600"]);
        assert_eq!(status["state"], "active", "{status}");
        desk
    }

    fn run(&self, words: &[&str]) -> Output {
        self.env.run(&[&["desktop"], words].concat())
    }

    /// The one record that a command prints.
    fn ok(&self, words: &[&str]) -> Value {
        self.run(words).expect(0).object()
    }

    /// Any X client, let in.
    fn client(&self, program: &str, words: &[&str]) -> Program {
        let display = self.ok(&["display"]);
        let text = |field: &str| display[field].as_str().unwrap().to_owned();
        let program = self.env.program(Path::new("/usr/bin").join(program).as_path()).args(words);
        program.var("DISPLAY", text("display")).var("XAUTHORITY", text("xauthority"))
    }

    /// An xterm with the focus that runs a script of sh; returns its window once the script has made a file `ready`.
    fn xterm(&self, flags: &[&str], script: &str) -> Value {
        // Not blinking, no scroll bar, and it does not answer to what is pasted.
        let words = ["launch", "--wait=60s", "xterm", "+bc", "+sb"];
        let launched = self.ok(&[&words, flags, &["-e", "sh", "-c", script]].concat());
        wait_until("the script to be ready", || self.env.work().join("ready").exists().then_some(()));
        std::fs::remove_file(self.env.work().join("ready")).unwrap();
        let id = launched["window"]["id"].as_str().unwrap();
        self.ok(&["windows", "focus", id])
    }

    /// Waits until a file of the working folder has this many bytes, and returns them.
    fn read(&self, name: &str, length: usize) -> Vec<u8> {
        let path = self.env.work().join(name);
        let mut seen = Vec::new();
        wait_until("what was typed", || {
            seen = std::fs::read(&path).unwrap();
            (seen.len() >= length).then_some(())
        });
        seen
    }

    fn process(&self, role: &str) -> Value {
        let status = self.ok(&["status"]);
        let all = status["processes"].as_array().unwrap();
        all.iter().find(|process| process["role"] == role).unwrap_or_else(|| panic!("no {role}: {status}")).clone()
    }

    /// Ends it; nothing is left.
    fn stop(self) {
        assert_eq!(self.ok(&["stop"])["state"], "inactive");
        self.env.wait_until_none_is_alive();
    }
}
