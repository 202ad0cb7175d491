//! Lines that match a pattern, with those around them: in one file, or in all below a directory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use memchr::{memchr, memchr_iter, memrchr, memrchr_iter};
use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use schema::file::{FileErrorCode, FileMatch, FileMatchKind, FileType};

use crate::names::{exact, exact_bytes, readable};
use crate::root::{Root, kind_of, regular};
use crate::walk::{Walk, find};
use crate::{Error, Result};

/// What to search for, and where.
#[derive(Debug, Clone, Default)]
pub struct Grep {
    /// A regular expression, for one line at a time.
    pub pattern: String,
    /// The pattern is the text itself.
    pub fixed: bool,
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// Only whole words.
    pub word: bool,
    /// Lines shown before each that matches.
    pub before: usize,
    /// Lines shown after.
    pub after: usize,
    /// Only the names of files in which something matches.
    pub names_only: bool,
    /// Files with zero bytes too.
    pub binary: bool,
    /// Which files below a directory.
    pub files: Walk,
}

const ACTION: &str = "search";

/// How much of a file is looked at at once; a line that is longer is taken for several.
const PIECE: usize = 256 << 10;
const LONGEST: usize = 1 << 20;

/// Files up to this size, from the one with this number on, are searched by helpers; so many are under way at once, each
/// with so many records. (What is found waits in memory for its turn.)
const SMALL: u64 = 64 << 10;
const FEW: u64 = 8;
const AHEAD: usize = 32;
const MOST_WAITING: usize = 200;
const MOST_HELPERS: usize = 4;

/// How much of a line, and how many of its matches, a record shows.
const SHOWN: usize = 16 << 10;
const MOST_MATCHES: usize = 100;

/// Searches a file, or the files below a directory; `each` says whether to go on. `true`: something matched. What cannot
/// be read below a directory is told to `trouble`, and left out; so is, silently, what holds zero bytes.
///
/// # Errors
/// The pattern is none; the start is missing, denied or a special file.
pub fn grep(
    root: &Root,
    start: &Path,
    what: &Grep,
    each: &mut dyn FnMut(FileMatch) -> bool,
    trouble: &mut dyn FnMut(Error),
) -> Result<bool> {
    let regex = compile(start, what)?;
    let mut search = Search { regex: &regex, what, buffer: vec![0; PIECE], each, found: false };
    let opened = root.open(ACTION, start, OFlags::PATH, Mode::empty())?;
    let stat = fs::fstat(&opened).map_err(|errno| Error::kernel(ACTION, start, errno))?;
    if kind_of(&stat) != FileType::Directory {
        let file = root.file(ACTION, start, OFlags::RDONLY)?;
        let ended = search.file(&file, stat.st_size as u64, start).map_err(|error| Error::io(ACTION, start, error))?;
        if ended == Ended::Binary {
            (search.each)(FileMatch { kind: FileMatchKind::Binary, ..empty(start) });
        }
        return Ok(search.found);
    }
    let files = Walk { recursive: true, kinds: vec![FileType::File], ..what.files.clone() };
    std::thread::scope(|scope| {
        let mut hunt = Hunt { search, scope, files: 0, jobs: None, waiting: VecDeque::new() };
        find(root, start, &files, trouble, &mut |found, trouble| {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let opened = match fs::openat(found.directory, found.name, flags, Mode::empty()) {
                Ok(opened) => opened,
                // Gone, or something else by now.
                Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return true,
                Err(errno) => {
                    trouble(Error::kernel(ACTION, found.path, errno));
                    return true;
                }
            };
            let Ok(stat) = regular(ACTION, found.path, &opened) else { return true };
            hunt.file(File::from(opened), stat.st_size as u64, found.path, trouble)
        })?;
        hunt.rest(trouble);
        Ok(hunt.search.found)
    })
}

/// Files on their way through helpers: what is found in them is told in their order.
struct Hunt<'h, 's> {
    search: Search<'s>,
    scope: &'h Scope<'h, 's>,
    /// How many files there were.
    files: u64,
    jobs: Option<Sender<Job>>,
    waiting: VecDeque<Receiver<Job>>,
}

/// A file for a helper; it comes back with what was found.
struct Job {
    file: File,
    size: u64,
    path: PathBuf,
    found: Vec<FileMatch>,
    ended: io::Result<Ended>,
    back: Option<SyncSender<Job>>,
}

impl<'h, 's> Hunt<'h, 's> {
    /// Searches a file, now or soon. `false`: no more is wanted.
    fn file(&mut self, file: File, size: u64, path: &Path, trouble: &mut dyn FnMut(Error)) -> bool {
        self.files += 1;
        if size > SMALL || self.files < FEW {
            return self.rest(trouble) && self.search(&file, size, path, trouble);
        }
        if self.jobs.is_none() {
            self.jobs = Some(self.hire());
        }
        let (back, answer) = sync_channel(1);
        let job = Job { file, size, path: path.to_owned(), found: Vec::new(), ended: Ok(Ended::All), back: Some(back) };
        let sent = self.jobs.as_ref().expect("they were hired").send(job);
        sent.expect("helpers work until we leave");
        self.waiting.push_back(answer);
        self.waiting.len() < AHEAD || self.first(trouble)
    }

    fn hire(&self) -> Sender<Job> {
        let (sender, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_HELPERS);
        for _ in 0..count {
            let (jobs, regex, what) = (jobs.clone(), self.search.regex.clone(), self.search.what);
            self.scope.spawn(move || help(&jobs, &regex, what));
        }
        sender
    }

    /// Waits for all that helpers have.
    fn rest(&mut self, trouble: &mut dyn FnMut(Error)) -> bool {
        while !self.waiting.is_empty() {
            if !self.first(trouble) {
                return false;
            }
        }
        true
    }

    /// Waits for the first file that helpers have.
    fn first(&mut self, trouble: &mut dyn FnMut(Error)) -> bool {
        let Some(answer) = self.waiting.pop_front() else { return true };
        let Job { mut file, size, path, found, ended, .. } = answer.recv().expect("helpers answer each job");
        let going = match ended {
            // More than may wait: once more, told as it is found.
            Ok(Ended::Enough) => match file.rewind() {
                Ok(()) => self.search(&file, size, &path, trouble),
                Err(error) => {
                    trouble(Error::io(ACTION, &path, error));
                    true
                }
            },
            Ok(Ended::All | Ended::Binary) => {
                self.search.found |= !found.is_empty();
                found.into_iter().all(|record| (self.search.each)(record))
            }
            Err(error) => {
                trouble(Error::io(ACTION, &path, error));
                true
            }
        };
        if !going {
            self.waiting.clear();
        }
        going
    }

    fn search(&mut self, file: &File, size: u64, path: &Path, trouble: &mut dyn FnMut(Error)) -> bool {
        match self.search.file(file, size, path) {
            Ok(ended) => ended != Ended::Enough,
            Err(error) => {
                trouble(Error::io(ACTION, path, error));
                true
            }
        }
    }
}

/// Searches the files that it is given, until there are no more.
fn help(jobs: &Mutex<Receiver<Job>>, regex: &Regex, what: &Grep) {
    let mut buffer = vec![0; PIECE];
    loop {
        let next = jobs.lock().expect("no helper panics").recv();
        let Ok(mut job) = next else { return };
        let mut found = Vec::new();
        let mut each = |record| {
            found.push(record);
            found.len() < MOST_WAITING
        };
        let mut search = Search { regex, what, buffer, each: &mut each, found: false };
        job.ended = search.file(&job.file, job.size, &job.path);
        buffer = search.buffer;
        job.found = found;
        if let Some(back) = job.back.take() {
            // Who asked may have found enough elsewhere.
            let _ = back.send(job);
        }
    }
}

fn compile(start: &Path, what: &Grep) -> Result<Regex> {
    let mut pattern = if what.fixed { escaped(&what.pattern) } else { what.pattern.clone() };
    if what.word {
        pattern = format!(r"\b(?:{pattern})\b");
    }
    let bytes = syntax::Config::new().utf8(false).multi_line(true).case_insensitive(what.ignore_case);
    Regex::builder().configure(Regex::config().utf8_empty(false)).syntax(bytes).build(&pattern).map_err(|error| {
        let cause = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
        Error::refused(ACTION, start, FileErrorCode::Usage, format!("the pattern is none: {cause}"))
    })
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if letter.is_ascii_punctuation() || letter.is_ascii_whitespace() {
            escaped.push('\\');
        }
        // After a backslash only the letter has a meaning.
        match letter {
            '\n' => escaped.push('n'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Why a file is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It ends.
    All,
    /// Zero bytes begin.
    Binary,
    /// No more is wanted of any file.
    Enough,
}

struct Search<'s> {
    regex: &'s Regex,
    what: &'s Grep,
    buffer: Vec<u8>,
    each: &'s mut dyn FnMut(FileMatch) -> bool,
    found: bool,
}

/// How far we are in a file; positions are in the buffer.
struct At<'p> {
    path: &'p Path,
    /// Where the buffer begins in the file.
    base: u64,
    /// The begin of the first line that was not searched.
    searched: usize,
    /// The end of the last line that was shown.
    shown: usize,
    /// The begin of a line, and its number.
    counted: (usize, u64),
    /// Lines that are still to be shown after the last match.
    after: usize,
}

impl Search<'_> {
    /// `size` is how long the file was just now; that much need not be asked for more.
    fn file(&mut self, mut file: &File, size: u64, path: &Path) -> io::Result<Ended> {
        let mut at = At { path, base: 0, searched: 0, shown: 0, counted: (0, 1), after: 0 };
        let (mut filled, mut read) = (0, 0);
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            let count = match file.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            if !self.what.binary && memchr(0, &self.buffer[filled..filled + count]).is_some() {
                return Ok(Ended::Binary);
            }
            let from = filled.max(at.searched);
            filled += count;
            read += count as u64;
            let is_all = count == 0 || read == size;
            let end = match memrchr(b'\n', &self.buffer[from.min(filled)..filled]) {
                _ if is_all => filled,
                Some(newline) => from + newline + 1,
                None if filled - at.searched >= LONGEST => filled,
                None => continue,
            };
            if !self.lines(&mut at, end) {
                return Ok(Ended::Enough);
            }
            if is_all || (self.what.names_only && at.after == usize::MAX) {
                return Ok(Ended::All);
            }
            self.roll(&mut at, &mut filled);
        }
    }

    /// Searches whole lines up to a position. `false`: no more is wanted of any file.
    fn lines(&mut self, at: &mut At<'_>, end: usize) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let going = self.lines_of(&buffer[..end], at);
        self.buffer = buffer;
        going
    }

    fn lines_of(&mut self, text: &[u8], at: &mut At<'_>) -> bool {
        let end = text.len();
        while at.searched < end {
            let Some(found) = self.regex.search(&Input::new(text).range(at.searched..)) else { break };
            if found.start() == end && text[end - 1] == b'\n' {
                break;
            }
            let begin =
                memrchr(b'\n', &text[at.searched..found.start()]).map_or(at.searched, |at_| at.searched + at_ + 1);
            let line_end = memchr(b'\n', &text[found.start()..]).map_or(end, |at| found.start() + at + 1);
            at.searched = line_end;
            let line = bare(&text[begin..line_end]);
            // What matches over the end of a line need not match within it.
            if found.end() > begin + line.len() && !self.regex.is_match(line) {
                continue;
            }
            self.found = true;
            if self.what.names_only {
                at.searched = end;
                at.after = usize::MAX;
                return (self.each)(FileMatch { kind: FileMatchKind::File, ..empty(at.path) });
            }
            if !self.after(text, at, begin) {
                return false;
            }
            let before = at.shown.max(lines_back(text, begin, self.what.before));
            if before < begin && !self.context(text, at, before, begin, usize::MAX) {
                return false;
            }
            let matches = self.regex.find_iter(line).take(MOST_MATCHES);
            let matches = matches.map(|found| (found.start() as u64, found.end() as u64)).collect();
            let record = FileMatch { matches, ..record(FileMatchKind::Match, text, at, begin, line_end) };
            if !(self.each)(record) {
                return false;
            }
            at.shown = line_end;
            at.after = self.what.after;
        }
        at.searched = end;
        self.after(text, at, end)
    }

    /// Shows what is still to be shown after the last match.
    fn after(&mut self, text: &[u8], at: &mut At<'_>, end: usize) -> bool {
        if at.after == 0 || at.after == usize::MAX {
            return true;
        }
        self.context(text, at, at.shown, end, at.after)
    }

    fn context(&mut self, text: &[u8], at: &mut At<'_>, from: usize, end: usize, most: usize) -> bool {
        let mut begin = from;
        for _ in 0..most {
            if begin >= end {
                break;
            }
            let line_end = memchr(b'\n', &text[begin..end]).map_or(end, |at| begin + at + 1);
            if !(self.each)(record(FileMatchKind::Context, text, at, begin, line_end)) {
                return false;
            }
            begin = line_end;
            at.shown = line_end;
            at.after = at.after.saturating_sub(1);
        }
        true
    }

    /// Makes room: what is searched goes, but for lines that may have to be shown before the next match.
    fn roll(&mut self, at: &mut At<'_>, filled: &mut usize) {
        let mut keep = at.searched;
        if self.what.before > 0 {
            keep = lines_back(&self.buffer[..at.searched], at.searched, self.what.before);
            // Lines without end are not kept.
            if at.searched - keep > LONGEST {
                keep = at.searched;
            }
        }
        at.count(&self.buffer, keep);
        self.buffer.copy_within(keep..*filled, 0);
        *filled -= keep;
        at.base += keep as u64;
        at.searched -= keep;
        at.shown = at.shown.saturating_sub(keep);
        at.counted.0 = 0;
        if self.buffer.len() > PIECE && *filled < PIECE / 2 {
            self.buffer.truncate(PIECE);
            self.buffer.shrink_to_fit();
        }
    }
}

impl At<'_> {
    /// The number of the line that begins at a position.
    fn count(&mut self, text: &[u8], begin: usize) -> u64 {
        let (from, number) = self.counted;
        let number = if begin >= from {
            number + memchr_iter(b'\n', &text[from..begin]).count() as u64
        } else {
            number - memchr_iter(b'\n', &text[begin..from]).count() as u64
        };
        self.counted = (begin, number);
        number
    }
}

/// Where the line begins that is so many before the one that begins at `begin`.
fn lines_back(text: &[u8], begin: usize, count: usize) -> usize {
    if count == 0 || begin == 0 {
        return begin;
    }
    memrchr_iter(b'\n', &text[..begin - 1]).nth(count - 1).map_or(0, |newline| newline + 1)
}

fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn record(kind: FileMatchKind, text: &[u8], at: &mut At<'_>, begin: usize, end: usize) -> FileMatch {
    let line = bare(&text[begin..end]);
    let shown = &line[..line.len().min(SHOWN)];
    FileMatch {
        kind,
        line: Some(at.count(text, begin)),
        offset: Some(at.base + begin as u64),
        text: Some(String::from_utf8_lossy(shown).into_owned()),
        text_bytes: exact_bytes(shown),
        truncated: shown.len() < line.len(),
        ..empty(at.path)
    }
}

fn empty(path: &Path) -> FileMatch {
    FileMatch {
        kind: FileMatchKind::Match,
        path: readable(path),
        path_bytes: exact(path),
        line: None,
        offset: None,
        text: None,
        text_bytes: None,
        truncated: false,
        matches: Vec::new(),
    }
}
