//! The only writer of stdout and stderr: records, the printer thread, complaints.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use engine::follow::{Chunk, Filter, Reader, open_if_there};
use engine::session::Screen;
use engine::{Failure, Lines};
use schema::line::Line;
use schema::record::{ErrorKind, ErrorLine};

use crate::text::Teller;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// One JSON object a line.
    Ndjson,
    /// For people.
    Text,
    /// The last text of the assistant, when the turn went well.
    Last,
    /// Nothing.
    None,
    /// The session as notifications of the Agent Client Protocol.
    Acp,
}

/// Our stdout as a file: written in large pieces, without a buffer of its own.
pub(crate) fn stdout_file() -> Result<File, Failure> {
    Ok(File::from(stdout_fd()?))
}

/// Our stdout, to be watched.
pub(crate) fn stdout_fd() -> Result<OwnedFd, Failure> {
    stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| Failure::usage(format!("failed to use stdout: {error}")).hint("is it closed?"))
}

/// Whether a person reads stdout.
pub(crate) fn stdout_is_terminal() -> bool {
    stdout().is_terminal()
}

/// Whether a person reads stderr and wants colours.
fn colours() -> bool {
    use host::env::{Name, var};
    io::stderr().is_terminal() && var(Name::NoColor).is_none() && var(Name::Term).is_none_or(|term| term != "dumb")
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// Prints text; a reader that left is no error.
pub(crate) fn print_text(text: &str) {
    let mut stdout = stdout().lock();
    // The only failure is a reader that does not want it.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints a record as a line. `false`: the reader has left.
pub(crate) fn print_record<T: serde::Serialize>(record: &T) -> bool {
    let mut line = serde_json::to_vec(record).expect("records have string keys");
    line.push(b'\n');
    let mut stdout = stdout().lock();
    stdout.write_all(&line).and_then(|()| stdout.flush()).is_ok()
}

/// Prints bytes as they are. `false`: the reader has left.
pub(crate) fn print_bytes(bytes: &[u8]) -> bool {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).is_ok()
}

/// Writes bytes to stderr as they are. `false`: its reader has left.
pub(crate) fn complain_bytes(bytes: &[u8]) -> bool {
    io::stderr().lock().write_all(bytes).is_ok()
}

/// Raw bytes on stdout: the kernel moves them where it can.
pub(crate) fn raw<T>(write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    write(&mut File::from(stdout().as_fd().try_clone_to_owned()?))
}

/// Many records: written in large pieces, and all of them when this is dropped or flushed.
pub(crate) struct Records {
    lines: Vec<u8>,
    file: File,
    broken: Option<io::Error>,
}

impl Records {
    pub(crate) fn new() -> Result<Records, Failure> {
        Ok(Records { lines: Vec::with_capacity(80 << 10), file: stdout_file()?, broken: None })
    }

    /// Adds a line. `false`: the reader has left.
    pub(crate) fn add<T: serde::Serialize>(&mut self, record: &T) -> bool {
        serde_json::to_writer(&mut self.lines, record).expect("records have string keys");
        self.lines.push(b'\n');
        if self.lines.len() >= 64 << 10 { self.flush() } else { self.broken.is_none() }
    }

    /// Writes what was added. `false`: the reader has left.
    pub(crate) fn flush(&mut self) -> bool {
        if let Err(error) = self.file.write_all(&self.lines) {
            self.broken.get_or_insert(error);
        }
        self.lines.clear();
        self.broken.is_none()
    }

    /// Why lines were lost, where it is not that the reader has left.
    pub(crate) fn lost(&self) -> Option<&io::Error> {
        self.broken.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.flush();
    }
}

/// How far a long copy is, on a terminal's stderr; nothing anywhere else.
pub(crate) struct Progress {
    what: &'static str,
    shown: bool,
    done: u64,
    next: u64,
}

impl Progress {
    pub(crate) fn new(what: &'static str) -> Progress {
        Progress { what, shown: colours(), done: 0, next: 64 << 20 }
    }

    /// So many bytes more.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.shown && self.done >= self.next {
            self.next = self.done + (16 << 20);
            // A progress line that cannot be written is no loss.
            let _ = write!(io::stderr(), "\r{} {} MiB\x1b[K", self.what, self.done >> 20);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.done >= 64 << 20 {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Says a sentence on stderr.
pub(crate) fn complain(text: &str) {
    let mut stderr = io::stderr().lock();
    let coloured = match text.split_once(':') {
        Some((word @ "error", rest)) if colours() => format!("\x1b[1;31m{word}:\x1b[0m{rest}\n"),
        Some((word @ ("warning" | "hint" | "note"), rest)) if colours() => format!("\x1b[1;33m{word}:\x1b[0m{rest}\n"),
        Some(_) | None => format!("{text}\n"),
    };
    // Nobody is left to be told of a stderr that cannot be written.
    let _ = stderr.write_all(coloured.as_bytes());
}

/// A failure as a line for programs.
pub(crate) fn error_line(failure: &Failure) -> String {
    let line = ErrorLine {
        kind: ErrorKind::Error,
        code: failure.code,
        message: failure.message.clone(),
        exit_code: failure.exit_code,
        hint: failure.hint.clone(),
    };
    serde_json::to_string(&line).expect("records have string keys")
}

/// Shows a line on a terminal's stderr in place of the last such line; an empty one takes it away.
pub(crate) fn status(text: &str) {
    let mut stderr = io::stderr().lock();
    // As with complaints: nobody is left to be told.
    let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
}

/// Tells of a failure: a line on stdout for programs, sentences on stderr for people.
pub(crate) fn fail(failure: &Failure, only_text: bool) {
    if !only_text {
        print_text(&(error_line(failure) + "\n"));
    }
    complain(&format!("error: {}", failure.message));
    if let Some(hint) = &failure.hint {
        complain(&format!("hint: {hint}"));
    }
}

/// Writes lines as a format wants them.
pub(crate) struct Writer {
    file: File,
    output: Output,
    filter: Filter,
    teller: Teller,
    /// Of each session, what was told in the other tongue.
    tongues: HashMap<String, acp::Teller>,
    broken: bool,
}

impl Writer {
    /// A writer to stdout.
    pub(crate) fn new(output: Output, filter: Filter) -> Result<Writer, Failure> {
        let teller = Teller::new(stdout_is_terminal());
        Ok(Writer { file: stdout_file()?, output, filter, teller, tongues: HashMap::new(), broken: false })
    }

    /// Writes lines; `filtered`: those of other types are left out already. `false`: the reader has left.
    pub(crate) fn write(&mut self, lines: &Lines, filtered: bool) -> bool {
        if self.broken {
            return false;
        }
        let written = match self.output {
            Output::Ndjson if filtered || self.filter.types.is_empty() => self.file.write_all(&lines.bytes),
            Output::Ndjson => {
                let mut kept = Vec::with_capacity(lines.bytes.len());
                for (line, kind) in each(lines) {
                    if self.filter.types.iter().any(|wanted| wanted == kind) {
                        kept.extend_from_slice(line);
                    }
                }
                self.file.write_all(&kept)
            }
            Output::Text => {
                let mut text = String::new();
                for (line, kind) in each(lines) {
                    if self.filter.types.is_empty() || self.filter.types.iter().any(|wanted| wanted == kind) {
                        self.teller.tell(line, &mut text);
                    }
                }
                self.file.write_all(text.as_bytes())
            }
            Output::Acp => {
                let mut text = Vec::new();
                for (line, kind) in each(lines) {
                    if self.filter.types.is_empty() || self.filter.types.iter().any(|wanted| wanted == kind) {
                        tell_acp(&mut self.tongues, line, &mut text);
                    }
                }
                self.file.write_all(&text)
            }
            Output::Last | Output::None => Ok(()),
        };
        self.broken = written.is_err();
        !self.broken
    }
}

/// Appends what a line says in the other tongue.
pub(crate) fn tell_acp(tongues: &mut HashMap<String, acp::Teller>, line: &[u8], out: &mut Vec<u8>) {
    let Some(said) = Line::read(line) else { return };
    let Some(body) = said.body() else { return };
    if !tongues.contains_key(said.session_id) {
        tongues.insert(said.session_id.to_owned(), acp::Teller::new());
    }
    let teller = tongues.get_mut(said.session_id).expect("it was made above");
    for update in teller.tell(said.session_id, &body) {
        serde_json::to_writer(&mut *out, &update).expect("writing into memory cannot fail");
        out.push(b'\n');
    }
}

/// The lines of a batch with their types.
pub(crate) fn each(lines: &Lines) -> impl Iterator<Item = (&[u8], &'static str)> {
    let mut from = 0;
    lines.marks.iter().map(move |(end, kind)| {
        let end = usize::try_from(*end).expect("an offset in memory");
        let line = &lines.bytes[from..end];
        from = end;
        (line, *kind)
    })
}

/// Prints a run's events apart from its loop: a reader that is slow, or does not read at all, holds up nothing.
pub(crate) struct Printer {
    queue: SyncSender<Lines>,
    thread: JoinHandle<()>,
    last: i64,
}

/// How many batches wait for a slow reader before it is served from the store.
const QUEUE: usize = 4;

impl Printer {
    /// A printer of the events of a session after a sequence.
    pub(crate) fn start(store: PathBuf, session_id: String, after: i64, writer: Writer) -> Printer {
        let (queue, batches) = sync_channel(QUEUE);
        let thread = std::thread::spawn(move || print(&store, &session_id, after, writer, &batches));
        Printer { queue, thread, last: after }
    }

    /// Prints what is left, and waits for it.
    pub(crate) fn finish(self) {
        // An empty batch says where the end is: the printer takes from the store what it did not get.
        let end = Lines { first: self.last + 1, last: self.last, ..Lines::default() };
        let _ = self.queue.send(end);
        drop(self.queue);
        // A panic in the printer has been reported by its own message; the run's outcome is not its affair.
        let _ = self.thread.join();
    }
}

impl Screen for Printer {
    fn show(&mut self, lines: Lines) {
        self.last = lines.last;
        match self.queue.try_send(lines) {
            // What does not fit is in the store; the printer finds the gap by the numbers.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn print(store: &std::path::Path, session_id: &str, after: i64, mut writer: Writer, batches: &Receiver<Lines>) {
    let mut printed = after;
    for lines in batches {
        if lines.first > printed + 1 && !catch_up(store, session_id, &mut printed, lines.first - 1, &mut writer) {
            return;
        }
        if lines.first == printed + 1 && !lines.marks.is_empty() {
            printed = lines.last;
            if !writer.write(&lines, false) {
                return;
            }
        }
    }
}

/// Takes up from the store what the queue had no room for. `false`: no use going on.
fn catch_up(store: &std::path::Path, session_id: &str, printed: &mut i64, up_to: i64, writer: &mut Writer) -> bool {
    let opened = open_if_there(store).map_err(Failure::from).and_then(|opened| match opened {
        Some(opened) => Ok((opened.session(session_id)?, opened)),
        None => Err(crate::context::no_session(session_id)),
    });
    let filter = writer.filter.clone();
    match opened {
        Ok((Some(session), opened)) => {
            let mut reader = Reader::new(&filter, *printed);
            let read = reader.read_to(&opened, &session, up_to, &mut |Chunk { lines, .. }| writer.write(&lines, true));
            *printed = up_to;
            match read {
                Ok(going) => going,
                Err(error) => {
                    fail(&error.into(), true);
                    false
                }
            }
        }
        Ok((None, _)) => false,
        Err(failure) => {
            fail(&failure, true);
            false
        }
    }
}
