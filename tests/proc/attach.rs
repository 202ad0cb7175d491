//! `proc attach` in a real terminal (tmux): typing, detaching, coming back, a second terminal, a full-screen program.

use crate::env::{TestEnv, program, wait_until};

use super::keep::start;

struct Tmux<'a> {
    env: &'a TestEnv,
    socket: String,
}

impl Tmux<'_> {
    fn new(env: &TestEnv) -> Tmux<'_> {
        Tmux { env, socket: env.root().join("tmux.sock").to_str().unwrap().to_owned() }
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut all = vec!["-S", &self.socket, "-f", "/dev/null"];
        all.extend(words);
        let tmux = self.env.program(std::path::Path::new("tmux")).args(&all).var("TERM", "xterm-256color");
        tmux.run().expect(0).text().to_owned()
    }

    /// A terminal of this size that shows the process.
    fn attach(&self, window: &str, size: (&str, &str), name: &str) {
        let program = program();
        let line = format!("{program} proc attach {name}; echo left $?; exec sleep 1000");
        self.tmux(&["new-session", "-d", "-s", window, "-x", size.0, "-y", size.1, &line]);
    }

    fn keys(&self, window: &str, keys: &[&str]) {
        let mut all = vec!["send-keys", "-t", window];
        all.extend(keys);
        self.tmux(&all);
    }

    fn wait_for(&self, window: &str, wanted: &str) {
        wait_until(wanted, || self.tmux(&["capture-pane", "-p", "-t", window]).contains(wanted).then_some(()));
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let words = ["-S", &self.socket, "kill-server"];
        // It has gone already when its last window has.
        drop(self.env.program(std::path::Path::new("tmux")).args(&words).run());
        wait_until("tmux to leave", || {
            self.env.alive().iter().all(|process| !process.command.contains("tmux")).then_some(())
        });
    }
}

/// Programs that use all of a terminal, a window that changes its size, and what was shown before anybody looked.
#[test]
fn full_screen_programs_look_right() {
    let env = TestEnv::new();
    start(&env, &["--name", "sh", "--tty"], "seq -f 'early %g' 200; PS1='> ' exec bash --norc --noprofile");
    super::keep::wait_for_text(&env, "sh", "> ");
    {
        let tmux = Tmux::new(&env);
        tmux.attach("one", ("100", "30"), "sh");
        tmux.wait_for("one", "early 200");
        // The scrollback is the terminal's own: it can be scrolled.
        let all = tmux.tmux(&["capture-pane", "-p", "-S", "-", "-t", "one"]);
        assert!(all.contains("early 1\n") && all.contains("early 111\n"), "{all}");
        tmux.tmux(&["resize-window", "-t", "one", "-x", "120", "-y", "40"]);
        // Its size is looked at while keys and output come without a pause, too.
        wait_until("the window's size", || {
            tmux.keys("one", &["stty size", "Enter"]);
            tmux.tmux(&["capture-pane", "-p", "-t", "one"]).contains("40 120").then_some(())
        });
        tmux.keys("one", &["seq -f 'line %g' 500 | less", "Enter"]);
        tmux.wait_for("one", "line 39\n:");
        tmux.keys("one", &["G"]);
        tmux.wait_for("one", "line 500\n(END)");
        tmux.keys("one", &["q", "clear; top -d 100 -n 1000", "Enter"]);
        tmux.wait_for("one", "load average");
        tmux.wait_for("one", "PID USER");
        // It is left in the middle, and somebody else sees it whole.
        tmux.keys("one", &["C-\\"]);
        tmux.wait_for("one", "left 0");
        tmux.attach("two", ("120", "40"), "sh");
        tmux.wait_for("two", "PID USER");
        tmux.keys("two", &["q"]);
        tmux.keys("two", &["clear; echo $((20+3)); exit 4", "Enter"]);
        tmux.wait_for("two", "23");
        tmux.wait_for("two", "left 4");
    }
    env.wait_until_none_is_alive();
}

/// A terminal that is slower than the process misses some, and sees the end of it all the same; keys do not wait behind it.
#[test]
fn a_flood_is_ended_by_a_key() {
    let env = TestEnv::new();
    start(&env, &["--name", "sh", "--tty"], "PS1='> ' exec bash --norc --noprofile");
    {
        let tmux = Tmux::new(&env);
        tmux.attach("one", ("100", "30"), "sh");
        tmux.wait_for("one", ">");
        tmux.keys("one", &["yes", "Enter"]);
        tmux.wait_for("one", "y\ny\ny");
        // More than waits for anybody who is attached.
        wait_until("a long log", || {
            (super::keep::show(&env, "sh")["last_sequence"].as_i64() > Some(1500)).then_some(())
        });
        tmux.keys("one", &["C-c"]);
        tmux.keys("one", &["echo $((40+2))", "Enter"]);
        tmux.wait_for("one", "\n42\n");
        tmux.keys("one", &["exit 3", "Enter"]);
        tmux.wait_for("one", "left 3");
    }
    env.wait_until_none_is_alive();
}

#[test]
fn a_terminal_is_left_and_comes_back() {
    let env = TestEnv::new();
    start(&env, &["--name", "sh", "--tty"], "PS1='> ' exec bash --norc --noprofile");
    {
        let tmux = Tmux::new(&env);
        tmux.attach("one", ("100", "30"), "sh");
        tmux.wait_for("one", ">");
        tmux.keys("one", &["echo $((6*7)); stty size", "Enter"]);
        tmux.wait_for("one", "42");
        tmux.wait_for("one", "30 100");
        tmux.keys("one", &["C-\\"]);
        tmux.wait_for("one", "left 0");
        // What was shown before is shown again, in a second terminal of another size, and both show what comes.
        tmux.attach("two", ("90", "25"), "sh");
        tmux.wait_for("two", "42");
        tmux.attach("three", ("90", "25"), "sh");
        tmux.wait_for("three", "42");
        tmux.keys("two", &["stty size; echo both$((1+1))", "Enter"]);
        tmux.wait_for("two", "25 90");
        tmux.wait_for("two", "both2");
        tmux.wait_for("three", "both2");
        tmux.keys("two", &["vim -u NONE -c 'set noswapfile' new", "Enter"]);
        tmux.wait_for("two", "\n~");
        tmux.keys("two", &["ihello vim", "Escape"]);
        tmux.wait_for("three", "hello vim");
        tmux.keys("two", &["C-\\"]);
        tmux.wait_for("two", "left 0");
        tmux.attach("four", ("80", "20"), "sh");
        tmux.wait_for("four", "hello vim");
        tmux.keys("four", &[":wq", "Enter"]);
        wait_until("vim to write", || std::fs::read_to_string(env.work().join("new")).ok());
        tmux.keys("four", &["exit 3", "Enter"]);
        tmux.wait_for("four", "left 3");
        tmux.wait_for("three", "left 3");
    }
    assert_eq!(env.read("new"), "hello vim\n");
    env.wait_until_none_is_alive();
}
