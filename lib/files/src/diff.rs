//! Unified diffs, as `diff -u` and git write them: read into hunks, and fitted to a content.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What a patch does to one file.
#[derive(Debug, Default)]
pub(crate) struct FilePatch {
    /// `None`: it is new.
    pub(crate) old: Option<PathBuf>,
    /// `None`: it goes.
    pub(crate) new: Option<PathBuf>,
    /// Its permissions afterwards, where the patch says so.
    pub(crate) mode: Option<u32>,
    pub(crate) hunks: Vec<Hunk>,
}

/// Lines in a row, some of which change.
#[derive(Debug)]
pub(crate) struct Hunk {
    /// The line of the patch where it begins, from 1.
    pub(crate) at: usize,
    /// The line of the old file where it begins, from 1; 0 where there are none.
    old_start: usize,
    new_start: usize,
    lines: Vec<(Sign, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Both,
    Old,
    New,
}

/// Reads a patch. The error says what is wrong with it, and where.
pub(crate) fn parse(text: &[u8], strip: Option<usize>, reverse: bool) -> Result<Vec<FilePatch>, String> {
    let mut parser = Parser { lines: text.split_inclusive(|byte| *byte == b'\n').enumerate().peekable(), strip };
    let mut files = Vec::new();
    let mut head = Head::default();
    while let Some((number, line)) = parser.lines.next() {
        let bare = bare(line);
        if let Some(names) = bare.strip_prefix(b"diff --git ") {
            files.extend(parser.done(std::mem::take(&mut head))?);
            head = Head { git: Some(names.to_vec()), at: number + 1, ..Head::default() };
        } else if bare.starts_with(b"--- ") && parser.next_starts_with(b"+++ ") {
            if head.old.is_some() {
                files.extend(parser.done(std::mem::take(&mut head))?);
            }
            head.at = number + 1;
            head.old = Some(name(&bare[4..]));
            let (_, new) = parser.lines.next().expect("it was seen");
            head.new = Some(name(&self::bare(new)[4..]));
        } else if bare.starts_with(b"@@ ") {
            if head.old.is_none() {
                return Err(format!("line {}: a hunk of no file", number + 1));
            }
            head.hunks.push(parser.hunk(number + 1, bare)?);
        } else if head.git.is_some() && head.old.is_none() {
            head.extended(number + 1, bare)?;
        }
    }
    files.extend(parser.done(head)?);
    if files.is_empty() {
        return Err("there is no unified diff in it".to_owned());
    }
    if reverse {
        for file in &mut files {
            file.turn();
        }
        files.reverse();
    }
    Ok(files)
}

struct Parser<'t, I: Iterator<Item = (usize, &'t [u8])>> {
    lines: std::iter::Peekable<I>,
    strip: Option<usize>,
}

/// What the lines before a file's hunks say.
#[derive(Default)]
struct Head {
    at: usize,
    git: Option<Vec<u8>>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
    renamed: (Option<Vec<u8>>, Option<Vec<u8>>),
    is_new: bool,
    is_gone: bool,
    mode: Option<u32>,
    hunks: Vec<Hunk>,
}

impl Head {
    /// Git's own lines.
    fn extended(&mut self, number: usize, line: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(line);
        if text.starts_with("GIT binary patch") || text.starts_with("Binary files ") {
            return Err(format!("line {number}: binary patches are not understood"));
        }
        if text.starts_with("copy from ") {
            return Err(format!("line {number}: copies are not understood"));
        }
        if let Some(from) = line.strip_prefix(b"rename from ") {
            self.renamed.0 = Some(unquoted(from));
        } else if let Some(to) = line.strip_prefix(b"rename to ") {
            self.renamed.1 = Some(unquoted(to));
        }
        for (word, is_new, is_gone) in
            [("new file mode ", true, false), ("deleted file mode ", false, true), ("new mode ", false, false)]
        {
            if let Some(mode) = text.strip_prefix(word) {
                self.is_new |= is_new;
                self.is_gone |= is_gone;
                match (mode.trim(), is_gone) {
                    ("100644" | "100755", true) => {}
                    ("100644", false) => self.mode = Some(0o644),
                    ("100755", false) => self.mode = Some(0o755),
                    _ => return Err(format!("line {number}: only regular files are patched")),
                }
            }
        }
        Ok(())
    }
}

impl<'t, I: Iterator<Item = (usize, &'t [u8])>> Parser<'t, I> {
    fn next_starts_with(&mut self, prefix: &[u8]) -> bool {
        self.lines.peek().is_some_and(|(_, line)| line.starts_with(prefix))
    }

    fn done(&self, head: Head) -> Result<Option<FilePatch>, String> {
        let wrong = |why: &str| Err(format!("line {}: {why}", head.at));
        let nothing = b"/dev/null";
        let (old, new, prefixed) = match (head.old, head.new, head.renamed, &head.git) {
            (Some(old), Some(new), _, _) => (old, new, true),
            (_, _, (Some(old), Some(new)), _) => (old, new, false),
            (_, _, _, Some(names)) => {
                // Without changes of content both names are the same, or one of the two is none.
                let Some((old, new)) = both(names) else { return wrong("the names cannot be told apart") };
                let old = if head.is_new { nothing.to_vec() } else { old };
                (old, if head.is_gone { nothing.to_vec() } else { new }, true)
            }
            _ => return Ok(None),
        };
        let looks_like_git = |name: &[u8], prefix: &[u8]| name == nothing || name.starts_with(prefix);
        let strip = match self.strip {
            Some(strip) if prefixed => strip,
            Some(strip) => strip.saturating_sub(1),
            None => usize::from(prefixed && looks_like_git(&old, b"a/") && looks_like_git(&new, b"b/")),
        };
        let path = |name: &[u8]| -> Result<Option<PathBuf>, String> {
            if name == nothing {
                return Ok(None);
            }
            let path: PathBuf = Path::new(OsStr::from_bytes(name)).components().skip(strip).collect();
            if path.as_os_str().is_empty() {
                return Err(format!("line {}: a file without a name", head.at));
            }
            Ok(Some(path))
        };
        let (old, new) = (path(&old)?, path(&new)?);
        if old.is_none() && new.is_none() {
            return wrong("a file that neither was nor is");
        }
        Ok(Some(FilePatch { old, new, mode: head.mode, hunks: head.hunks }))
    }

    fn hunk(&mut self, at: usize, line: &[u8]) -> Result<Hunk, String> {
        let broken = || format!("line {at}: a hunk's head is broken");
        let text = std::str::from_utf8(line).map_err(|_| broken())?;
        let mut words = text.split(' ').skip(1);
        let mut range = |sign: char| -> Option<(usize, usize)> {
            let range = words.next()?.strip_prefix(sign)?;
            let (start, count) = range.split_once(',').unwrap_or((range, "1"));
            Some((start.parse().ok()?, count.parse().ok()?))
        };
        let (old_start, mut old_left) = range('-').ok_or_else(broken)?;
        let (new_start, mut new_left) = range('+').ok_or_else(broken)?;
        let mut lines: Vec<(Sign, Vec<u8>)> = Vec::new();
        loop {
            if self.lines.next_if(|(_, line)| line.starts_with(b"\\")).is_some() {
                let (_, last) = lines.last_mut().ok_or_else(broken)?;
                if last.last() == Some(&b'\n') {
                    last.pop();
                }
                continue;
            }
            if old_left == 0 && new_left == 0 {
                return Ok(Hunk { at, old_start, new_start, lines });
            }
            let (number, line) = self.lines.next().ok_or_else(|| format!("line {at}: a hunk is cut off"))?;
            let (sign, rest) = match line {
                // Mailers take the blank from an empty line.
                b"\n" | b"\r\n" => (Sign::Both, line),
                [b' ', rest @ ..] => (Sign::Both, rest),
                [b'-', rest @ ..] => (Sign::Old, rest),
                [b'+', rest @ ..] => (Sign::New, rest),
                _ => return Err(format!("line {}: neither context nor change", number + 1)),
            };
            let take = |left: &mut usize, taken: bool| match left.checked_sub(usize::from(taken)) {
                Some(rest) => {
                    *left = rest;
                    Ok(())
                }
                None => Err(format!("line {}: a hunk has more lines than it says", number + 1)),
            };
            take(&mut old_left, sign != Sign::New)?;
            take(&mut new_left, sign != Sign::Old)?;
            lines.push((sign, rest.to_vec()));
        }
    }
}

impl FilePatch {
    /// Whether no way leads out by the words of its names.
    pub(crate) fn stays_inside(&self) -> bool {
        let inside =
            |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        self.old.iter().chain(&self.new).all(inside)
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        // What the permissions were is not always said.
        self.mode = None;
        for hunk in &mut self.hunks {
            std::mem::swap(&mut hunk.old_start, &mut hunk.new_start);
            for (sign, _) in &mut hunk.lines {
                *sign = match sign {
                    Sign::Both => Sign::Both,
                    Sign::Old => Sign::New,
                    Sign::New => Sign::Old,
                };
            }
        }
    }

    /// The content afterwards; else the hunks that fit nowhere, by their numbers from 1.
    pub(crate) fn apply(&self, content: &[u8]) -> Result<Vec<u8>, Vec<usize>> {
        let old: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
        let mut new = Vec::with_capacity(content.len() + 4096);
        let mut rejected = Vec::new();
        // The first old line that was not copied, and how far hunks were moved from where they say.
        let (mut at, mut moved) = (0_usize, 0_isize);
        for (number, hunk) in self.hunks.iter().enumerate() {
            let wanted: Vec<&[u8]> = hunk.side(Sign::New).collect();
            // Where nothing is to be found, the number is of the line before.
            let said = if wanted.is_empty() { hunk.old_start } else { hunk.old_start.saturating_sub(1) };
            let expected = said.saturating_add_signed(moved);
            let Some(found) = find(&old, &wanted, at, expected) else {
                rejected.push(number + 1);
                continue;
            };
            moved = found.cast_signed() - said.cast_signed();
            new.extend(old[at..found].iter().flat_map(|line| line.iter()));
            new.extend(hunk.side(Sign::Old).flatten());
            at = found + wanted.len();
        }
        new.extend(old[at..].iter().flat_map(|line| line.iter()));
        if rejected.is_empty() { Ok(new) } else { Err(rejected) }
    }
}

impl Hunk {
    /// Its lines without those of one side.
    fn side(&self, without: Sign) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(move |(sign, _)| *sign != without).map(|(_, line)| line.as_slice())
    }
}

/// Where these lines stand, as near as can be to where they are expected, and not before `from`.
fn find(lines: &[&[u8]], wanted: &[&[u8]], from: usize, expected: usize) -> Option<usize> {
    let last = lines.len().checked_sub(wanted.len())?;
    if wanted.is_empty() {
        return (expected <= lines.len() && expected >= from).then_some(expected);
    }
    let fits = |at: usize| at >= from && at <= last && lines[at..at + wanted.len()] == *wanted;
    (0..=lines.len().max(expected)).find_map(|away| {
        let (before, after) = (expected.checked_sub(away), expected.checked_add(away));
        before.filter(|at| fits(*at)).or_else(|| after.filter(|at| fits(*at)))
    })
}

fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A name as it stands after `---` and `+++`: a tab ends it.
fn name(text: &[u8]) -> Vec<u8> {
    if text.starts_with(b"\"") {
        return unquoted(text);
    }
    text.split(|byte| *byte == b'\t').next().unwrap_or_default().to_vec()
}

/// Git quotes names as C does strings.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(rest) = text.strip_prefix(b"\"") else { return text.to_vec() };
    let mut name = Vec::new();
    let mut bytes = rest.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(b'n') => name.push(b'\n'),
                Some(b't') => name.push(b'\t'),
                Some(b'r') => name.push(b'\r'),
                Some(digit @ b'0'..=b'3') => {
                    let mut value = digit - b'0';
                    for _ in 0..2 {
                        if let Some(digit) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                            value = value << 3 | (digit - b'0');
                        }
                    }
                    name.push(value);
                }
                Some(other) => name.push(other),
                None => break,
            },
            other => name.push(other),
        }
    }
    name
}

/// The two names after `diff --git`, where both are the same but for their first letter.
fn both(names: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if names.starts_with(b"\"") {
        let end = names.windows(2).position(|pair| pair == b"\" ")?;
        return Some((unquoted(&names[..=end]), unquoted(&names[end + 2..])));
    }
    let middle = names.len() / 2;
    if names.get(middle) != Some(&b' ') {
        return None;
    }
    let (old, new) = (&names[..middle], &names[middle + 1..]);
    (old.get(1..) == new.get(1..)).then(|| (old.to_vec(), new.to_vec()))
}
