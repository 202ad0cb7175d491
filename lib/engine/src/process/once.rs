//! A program run to its end, with everything below it, within a time and a size.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use host::raw::{Input, News, Plumbing, Raw};
use host::signals::{Caught, Signals, stop_self};
use host::{Signal, Source, bell, clock};
use schema::process::{LogLine, ResultKind, RunResult, Stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::launch::Launch;
use super::text::{Cutter, encode, line};
use crate::Error;

/// What to run.
pub struct Once {
    /// What to start.
    pub launch: Launch,
    /// What it reads.
    pub stdin: Stdin,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How long it may take to end after SIGTERM.
    pub grace: Duration,
    /// How much of each stream is kept, in bytes: the beginning and the end.
    pub max_output: usize,
    /// Whether output is shown as it comes instead of being kept.
    pub stream: bool,
    /// Whether its guard may stay for the next one, until [`host::hire::end_idle`].
    pub hired: bool,
}

/// What a program reads.
pub enum Stdin {
    /// Nothing: it is at its end at once.
    Nothing,
    /// What we would read.
    Ours,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// What became of it.
pub struct OnceEnd {
    /// The result.
    pub result: RunResult,
    /// What ended it, if we were told to.
    pub caught: Option<Caught>,
    /// Nobody reads our output any more.
    pub reader_gone: bool,
}

/// What is given each piece of output with `stream`; `false`: its reader has left, and the program is ended. It may wait for
/// its reader as long as it likes.
pub type Show = Box<dyn FnMut(&LogLine) -> bool + Send>;

/// Runs it; returns when nothing below it is alive and all of it was shown.
///
/// # Errors
/// When it could not be started.
pub fn run(once: &Once, stdout: BorrowedFd<'_>, show: Show) -> Result<OnceEnd, Error> {
    super::runtime(&once.launch.cwd)?.block_on(course(once, stdout, show))
}

async fn course(once: &Once, stdout: BorrowedFd<'_>, show: Show) -> Result<OnceEnd, Error> {
    let ready = once.launch.prepare(&schema::ids::unique())?;
    let mut signals = Signals::new()?;
    let input = match &once.stdin {
        Stdin::Nothing => Input::Nothing,
        Stdin::Ours => Input::Ours,
        Stdin::Bytes(_) => Input::Pipe,
    };
    let mut raw = match once.hired {
        true => Raw::spawn_hired(&ready.spec, &ready.setup, Plumbing::Pipes(input))?,
        false => Raw::spawn(&ready.spec, &ready.setup, Plumbing::Pipes(input), None)?,
    };
    if let Stdin::Bytes(bytes) = &once.stdin {
        raw.write(bytes);
        raw.close_input();
    }
    let begun = Instant::now();
    let mut timeout = once.timeout.map(|length| begun + length);
    let mut kill_at = None;
    let mut end = Gathered { kept: [0, 1].map(|_| Kept::new(once.max_output)), ..Gathered::default() };
    let shown = once.stream.then(|| Shown::to(show));
    let (mut timed_out, mut caught) = (false, None);
    let mut reader = Box::pin(bell::reader_gone(stdout));
    let ending = loop {
        tokio::select! {
            // A reader that is slow holds up the program, and neither its timeout nor us.
            room = room(shown.as_ref()), if !end.lines.is_empty() => match room {
                Some(room) => room.send(end.lines.pop_front().expect("it was looked at")),
                None => {
                    end.reader_gone = true;
                    end.lines.clear();
                    raw.kill();
                }
            },
            news = raw.next(), if end.lines.is_empty() => match news {
                News::Output(pieces) => {
                    let cut = end.cutter.cut(pieces);
                    end.add(cut, once.stream);
                }
                News::Input => {}
                News::Ended(ending) => break ending,
            },
            said = signals.next() => match said {
                Caught::Suspend => stop_self(),
                Caught::Interrupt | Caught::Terminate | Caught::HangUp => {
                    if caught.is_some() {
                        raw.kill();
                    }
                    caught = caught.or(Some(said));
                    timeout = None;
                    kill_at = kill_at.or(Some(ask_to_end(&raw, said.into(), once.grace)));
                }
            },
            () = &mut reader, if once.stream && !end.reader_gone => {
                end.reader_gone = true;
                raw.kill();
            }
            () = at(timeout), if timeout.is_some() => {
                timed_out = true;
                timeout = None;
                kill_at = kill_at.or(Some(ask_to_end(&raw, Signal::SIGTERM, once.grace)));
            }
            () = at(kill_at), if kill_at.is_some() => {
                kill_at = None;
                raw.kill();
            }
        }
    };
    let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let left = end.cutter.finish();
    end.add(left, once.stream);
    if let Some(shown) = shown {
        end.reader_gone |= tokio::select! {
            there = shown.finish(end.lines) => !there,
            // Who waits for a reader that does not read waits no longer.
            said = signals.next(), if caught.is_none() => {
                caught = Some(said);
                true
            }
        };
    }
    let Gathered { kept: [out, err], reader_gone, .. } = end;
    let (stdout_bytes, stderr_bytes) = (out.count, err.count);
    let truncated = !once.stream && (out.is_cut() || err.is_cut());
    let told = |kept: Kept| if once.stream { (None, None) } else { encode(kept.all()) };
    let ((stdout, stdout_base64), (stderr, stderr_base64)) = (told(out), told(err));
    let result = RunResult {
        kind: ResultKind::Result,
        exit_code: ending.code.map(i64::from),
        signal: ending.signal.map(i64::from),
        timed_out,
        stdout,
        stdout_base64,
        stderr,
        stderr_base64,
        truncated,
        stdout_bytes,
        stderr_bytes,
        duration_ms,
        max_rss: ending.max_rss,
        cpu_ms: ending.cpu.map(|cpu| i64::try_from(cpu.as_millis()).unwrap_or(i64::MAX)),
        limits_by: ready.limits_by,
    };
    Ok(OnceEnd { result, caught, reader_gone })
}

/// Sends the signal to all of it, and says when to kill it.
fn ask_to_end(raw: &Raw, signal: Signal, grace: Duration) -> Instant {
    raw.signal_tree(signal);
    // What is stopped would not hear it.
    raw.signal_tree(Signal::SIGCONT);
    Instant::now() + grace
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// How many lines wait for a slow reader.
const QUEUE: usize = 16;

/// Where lines are shown: a thread of its own, which may have to wait.
struct Shown {
    queue: mpsc::Sender<LogLine>,
    all: oneshot::Receiver<()>,
}

impl Shown {
    fn to(mut show: Show) -> Shown {
        let (queue, mut lines) = mpsc::channel(QUEUE);
        let (done, all) = oneshot::channel();
        std::thread::spawn(move || {
            while let Some(line) = lines.blocking_recv() {
                if !show(&line) {
                    return;
                }
            }
            // Whoever waited for it may have gone.
            let _ = done.send(());
        });
        Shown { queue, all }
    }

    /// Shows what is left, and waits for it. `false`: the reader has left.
    async fn finish(self, left: VecDeque<LogLine>) -> bool {
        for line in left {
            if self.queue.send(line).await.is_err() {
                return false;
            }
        }
        drop(self.queue);
        self.all.await.is_ok()
    }
}

/// Waits until one more line may be shown; `None`: the reader has left.
async fn room(shown: Option<&Shown>) -> Option<mpsc::Permit<'_, LogLine>> {
    shown?.queue.reserve().await.ok()
}

#[derive(Default)]
struct Gathered {
    cutter: Cutter,
    kept: [Kept; 2],
    /// What is still to be shown.
    lines: VecDeque<LogLine>,
    sequence: i64,
    reader_gone: bool,
}

impl Gathered {
    /// Counts it, and keeps it or puts it into the queue.
    fn add(&mut self, pieces: Vec<(Source, i64, Vec<u8>)>, stream: bool) {
        for (source, _, bytes) in pieces {
            let kept = &mut self.kept[source as usize];
            if !stream {
                kept.add(&bytes);
                continue;
            }
            kept.count += bytes.len() as i64;
            self.sequence += 1;
            let stream = match source {
                Source::First => Stream::Stdout,
                Source::Second => Stream::Stderr,
            };
            if !self.reader_gone {
                self.lines.push_back(line(self.sequence, clock::now_ms(), stream, bytes));
            }
        }
    }
}

/// The beginning and the end of a stream.
#[derive(Default)]
struct Kept {
    most: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    count: i64,
}

impl Kept {
    fn new(most: usize) -> Kept {
        Kept { most, ..Kept::default() }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as i64;
        let (head, rest) = bytes.split_at(bytes.len().min(self.most.div_ceil(2).saturating_sub(self.head.len())));
        self.head.extend_from_slice(head);
        let room = self.most / 2;
        self.tail.extend(&rest[rest.len().saturating_sub(room)..]);
        self.tail.drain(..self.tail.len().saturating_sub(room));
    }

    fn is_cut(&self) -> bool {
        self.count > (self.head.len() + self.tail.len()) as i64
    }

    /// Both, where they were cut at whole characters.
    fn all(mut self) -> Vec<u8> {
        if self.is_cut() {
            // Bytes that were no text before are none afterwards either.
            let whole = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                Ok(_) => Ok(()),
                Err(error) => Err((error.valid_up_to(), error.error_len())),
            };
            if let Err((valid, None)) = whole(&self.head) {
                self.head.truncate(valid);
            }
            let torn = self.tail.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
            let rest: Vec<u8> = self.tail.iter().skip(torn).copied().collect();
            if whole(&rest).is_ok() {
                self.tail.drain(..torn);
            }
        }
        self.head.extend(self.tail);
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept() {
        let mut kept = Kept::new(10);
        for _ in 0..10 {
            kept.add(b"0123456789abc");
        }
        assert!(kept.is_cut());
        assert_eq!(kept.all(), b"0123489abc");
        let mut kept = Kept::new(10);
        kept.add(b"0123456789");
        assert!(!kept.is_cut());
        assert_eq!(kept.all(), b"0123456789");
        let mut kept = Kept::new(6);
        kept.add("ä€ä€ä€ä€".as_bytes());
        assert_eq!(String::from_utf8(kept.all()).unwrap(), "ä€");
        let mut kept = Kept::new(0);
        kept.add(b"x");
        assert!(kept.is_cut() && kept.all().is_empty());
    }
}
