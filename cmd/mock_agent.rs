//! The hidden `__mock`: the mock as a real process, which carries out what its player says.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use agents::mock::launch::Setup;
use agents::mock::player::{Player, Step};
use agents::mock::wire::{self, Grown, Told};
use host::Signal;

/// Plays until it is told nothing more. Returns the exit code.
pub(crate) fn main(args: &[String]) -> i32 {
    let setup = match Setup::parse(args) {
        Ok(setup) => setup,
        Err(why) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(io::stderr(), "mock: {why}");
            return 2;
        }
    };
    // An error says that its reader has gone.
    stdout().and_then(|stdout| Stage::new(setup, io::stdin(), stdout, io::stderr())?.play()).unwrap_or(1)
}

/// Stdout without the buffer that ends at every newline.
#[expect(clippy::disallowed_methods, reason = "this is a child process that speaks on its stdout")]
fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// The player between its pipes.
struct Stage<Out, Errors> {
    player: Player,
    told: Receiver<Told>,
    /// Nothing more will be told.
    alone: bool,
    /// What was not written yet.
    waiting: Vec<u8>,
    out: Out,
    errors: Errors,
}

/// How much is written at once, in bytes.
const AT_ONCE: usize = 256 << 10;

impl<Out: Write, Errors: Write> Stage<Out, Errors> {
    fn new(setup: Setup, input: impl Read + Send + 'static, out: Out, errors: Errors) -> io::Result<Self> {
        let (tell, told) = mpsc::channel();
        let listen = move || {
            let mut input = BufReader::new(input);
            let mut line = String::new();
            while input.read_line(&mut line).is_ok_and(|count| count > 0) {
                match serde_json::from_str(&line) {
                    Ok(one) => {
                        if tell.send(one).is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        let _ = writeln!(io::stderr(), "mock: cannot read `{}`: {error}", line.trim_end());
                    }
                }
                line.clear();
            }
        };
        thread::Builder::new().spawn(listen)?;
        Ok(Self { player: Player::new(setup), told, alone: false, waiting: Vec::new(), out, errors })
    }

    /// Returns the exit code.
    fn play(&mut self) -> io::Result<i32> {
        loop {
            loop {
                match self.told.try_recv() {
                    Ok(told) => {
                        self.player.hear(told);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        self.alone = true;
                        break;
                    }
                }
            }
            if self.is_over() {
                self.flush()?;
                return Ok(0);
            }
            match self.player.step() {
                Step::Line(said) => wire::write(&mut self.waiting, &said),
                Step::Text(key, text) => wire::write(&mut self.waiting, &Grown { key, text }),
                Step::Burst { key, numbers, bytes } => wire::write_burst(&mut self.waiting, key, numbers, bytes),
                Step::Bytes(bytes) => self.waiting.extend_from_slice(&bytes),
                Step::Long { byte, count } => {
                    self.flush()?;
                    io::copy(&mut io::repeat(byte).take(count as u64), &mut self.out)?;
                    self.waiting.push(b'\n');
                }
                Step::Stderr(text) => {
                    self.flush()?;
                    self.errors.write_all(text.as_bytes())?;
                }
                Step::Orphans { key, count } => {
                    let text = leave_behind(count)?;
                    wire::write(&mut self.waiting, &Grown { key, text });
                }
                Step::Variables { key, names } => {
                    let text = names.iter().map(|name| variable(name)).collect();
                    wire::write(&mut self.waiting, &Grown { key, text });
                }
                Step::Deafen => {
                    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
                        host::signals::set_ignored(signal);
                    }
                }
                Step::Pause(pause) => self.pause(Instant::now() + pause)?,
                Step::Wait => {
                    self.flush()?;
                    if self.alone && !self.player.is_deaf() {
                        // What it waits for cannot come any more.
                        return Ok(0);
                    }
                    self.wait();
                }
                Step::Exit(code) => {
                    self.flush()?;
                    return Ok(code);
                }
            }
            if self.waiting.len() >= AT_ONCE {
                self.flush()?;
            }
        }
    }

    /// Whether there is nothing left to do here.
    fn is_over(&self) -> bool {
        self.alone && !self.player.is_busy() && !self.player.is_deaf()
    }

    fn pause(&mut self, until: Instant) -> io::Result<()> {
        self.flush()?;
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if self.alone {
                thread::sleep(left);
                continue;
            }
            match self.told.recv_timeout(left) {
                Ok(told) => {
                    if self.player.hear(told) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.alone = true,
            }
        }
        Ok(())
    }

    fn wait(&mut self) {
        if self.alone {
            thread::sleep(Duration::MAX);
        }
        match self.told.recv() {
            Ok(told) => {
                self.player.hear(told);
            }
            Err(_) => self.alone = true,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.waiting)?;
        self.waiting.clear();
        self.out.flush()
    }
}

/// Starts processes in sessions of their own whose parents end at once; the second does not hear TERM. Returns their ids.
#[expect(clippy::disallowed_methods, reason = "this is a child process that leaves its children behind on purpose")]
fn leave_behind(count: u8) -> io::Result<String> {
    const SCRIPT: &str = r#"
        for number in $(seq "$1"); do
            deaf=; if [ "$number" = 2 ]; then deaf="trap '' TERM;"; fi
            (setsid sh -c "$deaf echo \$\$; exec sleep 600 >/dev/null" &)
        done"#;
    let count = count.to_string();
    let left =
        Command::new("sh").args(["-c", SCRIPT, "sh", &count]).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8_lossy(&left.stdout).lines().map(|id| format!(" {id}")).collect())
}

#[expect(clippy::disallowed_methods, reason = "this is a child process, and its environment is what is looked at")]
fn variable(name: &str) -> String {
    match std::env::var_os(name) {
        Some(value) => format!("{name}={}\n", value.to_string_lossy()),
        None => format!("{name} is not set\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Lines, PipeReader, PipeWriter};
    use std::thread::JoinHandle;

    use agents::mock::wire::{Heard, Said, Stop, Word, read};

    use super::*;

    /// A mock in a thread, behind real pipes.
    struct Mock {
        input: Option<PipeWriter>,
        output: Lines<BufReader<PipeReader>>,
        stage: JoinHandle<io::Result<i32>>,
    }

    impl Mock {
        fn new() -> Mock {
            let (reads, input) = io::pipe().unwrap();
            let (output, writes) = io::pipe().unwrap();
            let setup = Setup { session: "s".to_owned(), cwd: "/work".to_owned(), ..Setup::default() };
            let stage = thread::spawn(move || Stage::new(setup, reads, writes, io::sink())?.play());
            let mut mock = Mock { input: Some(input), output: BufReader::new(output).lines(), stage };
            assert_eq!(mock.hear(), Heard::Said(Said::Ready { native: "mock-s".to_owned() }));
            mock
        }

        fn tell(&mut self, told: &Told) {
            let mut line = Vec::new();
            wire::write(&mut line, told);
            self.input.as_mut().unwrap().write_all(&line).unwrap();
        }

        fn prompt(&mut self, order: u64, text: &str, steer: bool) {
            self.tell(&Told::Prompt { order, text: text.to_owned(), images: 0, files: 0, steer });
        }

        fn hear(&mut self) -> Heard {
            read(&self.output.next().expect("it says more").unwrap()).unwrap()
        }

        /// Everything up to a line that is as wanted, that line included.
        fn hear_until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Vec<Heard> {
            let mut all = Vec::new();
            while !all.last().is_some_and(&wanted) {
                all.push(self.hear());
            }
            all
        }

        fn leave(mut self) -> i32 {
            self.input = None;
            assert!(self.output.next().is_none(), "it says no more");
            self.stage.join().unwrap().unwrap()
        }
    }

    fn text(all: &[Heard]) -> String {
        let texts = all.iter().filter_map(|heard| match heard {
            Heard::Grown(grown) => Some(grown.text.as_str()),
            Heard::Said(_) => None,
        });
        texts.collect()
    }

    fn ends(heard: &Heard) -> bool {
        matches!(heard, Heard::Said(Said::Ended(_)))
    }

    fn stop(heard: &[Heard]) -> &Stop {
        match heard.last() {
            Some(Heard::Said(Said::Ended(ended))) => &ended.stop,
            other => panic!("{other:?} is no end"),
        }
    }

    #[test]
    fn prompts_wait_for_their_turn() {
        let mut mock = Mock::new();
        mock.prompt(1, "slow 2 1", false);
        mock.prompt(2, "hello", false);
        for (order, said) in [(1, "1 2 "), (2, "mock: hello")] {
            let turn = mock.hear_until(ends);
            assert_eq!(turn[0], Heard::Said(Said::Taken { order }));
            assert_eq!((text(&turn).as_str(), stop(&turn)), (said, &Stop::Done));
        }
        assert_eq!(mock.leave(), 0);
    }

    #[test]
    fn a_turn_that_hangs_is_steered_and_cancelled() {
        let mut mock = Mock::new();
        mock.prompt(1, "hang", false);
        mock.hear_until(|heard| matches!(heard, Heard::Grown(_)));
        mock.prompt(2, "go on", true);
        let steered = mock.hear_until(|heard| matches!(heard, Heard::Said(Said::Finish { .. })));
        assert_eq!(steered[0], Heard::Said(Said::Taken { order: 2 }));
        assert_eq!(text(&steered), "mock: you added: go on\n");
        mock.tell(&Told::Cancel);
        assert_eq!(stop(&mock.hear_until(ends)), &Stop::Interrupted);
        // What comes too late is refused.
        mock.prompt(3, "and this", true);
        assert!(matches!(mock.hear(), Heard::Said(Said::Refused { order: 3, .. })));
        assert_eq!(mock.leave(), 0);
    }

    #[test]
    fn a_cancel_ends_a_burst_and_a_pause_at_once() {
        let mut mock = Mock::new();
        mock.prompt(1, "burst 1000000000", false);
        mock.hear_until(|heard| matches!(heard, Heard::Grown(_)));
        mock.tell(&Told::Cancel);
        assert_eq!(stop(&mock.hear_until(ends)), &Stop::Interrupted);
        mock.prompt(2, "slow 2 1000000", false);
        mock.hear_until(|heard| matches!(heard, Heard::Grown(_)));
        mock.tell(&Told::Cancel);
        assert_eq!(stop(&mock.hear_until(ends)), &Stop::Interrupted);
        assert_eq!(mock.leave(), 0);
    }

    #[test]
    fn a_decision_is_waited_for() {
        let mut mock = Mock::new();
        mock.prompt(1, "permission rm mock.txt", false);
        mock.hear_until(|heard| matches!(heard, Heard::Said(Said::Permit(_))));
        let input = Some(serde_json::json!({ "command": "ls" }));
        mock.tell(&Told::Decide { key: 1, decision: Word::Accept, input, message: None, stop: false });
        let rest = mock.hear_until(ends);
        assert_eq!(text(&rest), "shell ls (edited)\nmock: done: shell ls (edited)");
        assert_eq!(mock.leave(), 0);
    }

    #[test]
    fn the_end_of_its_input_lets_a_turn_end_but_not_wait() {
        let mut mock = Mock::new();
        mock.prompt(1, "burst 5000 20", false);
        mock.input = None;
        let turn = mock.hear_until(ends);
        let numbers: String = (0..5000).map(|number| format!("{number:09} mock mock ")).collect();
        assert_eq!(text(&turn), numbers);
        assert_eq!(mock.leave(), 0);

        let mut mock = Mock::new();
        mock.prompt(1, "question", false);
        mock.hear_until(|heard| matches!(heard, Heard::Said(Said::Question { .. })));
        assert_eq!(mock.leave(), 0);

        let mut mock = Mock::new();
        mock.prompt(1, "subagent", false);
        mock.hear_until(ends);
        mock.input = None;
        mock.stage.join().unwrap().unwrap();
    }

    #[test]
    fn it_leaves_with_the_code_it_was_told_or_when_nobody_reads() {
        let mut mock = Mock::new();
        mock.prompt(1, "crash 7", false);
        mock.hear_until(|heard| matches!(heard, Heard::Grown(_)));
        assert_eq!(mock.leave(), 7);

        let mut mock = Mock::new();
        mock.prompt(1, "end", false);
        mock.hear_until(ends);
        // Though its input is open.
        assert!(mock.output.next().is_none());
        assert_eq!(mock.stage.join().unwrap().unwrap(), 0);

        let Mock { input, output, stage } = Mock::new();
        drop(output);
        let mut input = input.unwrap();
        input.write_all(b"nonsense\n{\"type\":\"prompt\",\"order\":1,\"text\":\"hello\"}\n").unwrap();
        assert!(stage.join().unwrap().is_err());
    }
}
