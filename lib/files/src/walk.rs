//! Lists: one directory or all below it, sorted by bytes, with nothing in memory but the names on the way down.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir};
use rustix::io::Errno;
use schema::file::{FileErrorCode, FileRecord, FileType};

use crate::look::record;
use crate::root::{Root, kind, kind_of};
use crate::{Error, Result};

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// Everything below, not only what is in it. Links are never entered.
    pub recursive: bool,
    /// How deep, where `recursive`; 1 is what lies in the directory.
    pub depth: Option<usize>,
    /// Names that begin with a dot too.
    pub hidden: bool,
    /// Leave out what `.gitignore` files below the start say.
    pub gitignore: bool,
    /// As the directory has them, with constant memory however many names one holds.
    pub unsorted: bool,
    /// Only these: a pattern with a slash is for the path below the start, one without for the name.
    pub globs: Vec<String>,
    /// Only these types.
    pub kinds: Vec<FileType>,
}

/// Something found.
pub(crate) struct Found<'w> {
    pub(crate) directory: BorrowedFd<'w>,
    pub(crate) name: &'w OsStr,
    pub(crate) path: &'w Path,
}

/// Who is told of each find, and to whom to tell troubles; says whether to go on.
type Each<'e> = dyn FnMut(Found<'_>, &mut dyn FnMut(Error)) -> bool + 'e;

/// Lists; `each` says whether to go on. A directory below the start that may not be read is told to `trouble`, and left out.
///
/// # Errors
/// The start is missing, denied or no directory; a pattern is none.
pub fn walk(
    root: &Root,
    start: &Path,
    what: &Walk,
    each: &mut dyn FnMut(FileRecord) -> bool,
    trouble: &mut dyn FnMut(Error),
) -> Result<()> {
    find(root, start, what, trouble, &mut |found, trouble| {
        match fs::statat(found.directory, found.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let mut record = record(found.path, &stat);
                if record.kind == FileType::Symlink
                    && let Ok(target) = fs::readlinkat(found.directory, found.name, Vec::new())
                {
                    record.target = Some(target.to_string_lossy().into_owned());
                    record.target_bytes = crate::names::exact_bytes(target.as_bytes());
                }
                each(record)
            }
            // Gone since the directory was read.
            Err(Errno::NOENT) => true,
            Err(errno) => {
                trouble(Error::kernel(ACTION, found.path, errno));
                true
            }
        }
    })
}

const ACTION: &str = "list";

/// The same, without looking at what is found.
pub(crate) fn find(
    root: &Root,
    start: &Path,
    what: &Walk,
    trouble: &mut dyn FnMut(Error),
    each: &mut Each<'_>,
) -> Result<()> {
    let directory = root.directory(ACTION, start)?;
    let globs = Globs::new(ACTION, &what.globs)?;
    let mut walker = Walker { what, globs, ignores: Vec::new(), trouble, each };
    let mut path = if start == Path::new(".") { PathBuf::new() } else { start.to_owned() };
    walker.directory(directory, &mut path, Path::new(""), 1);
    Ok(())
}

/// Patterns, one of which has to match.
pub(crate) struct Globs {
    /// For the name alone.
    names: GlobSet,
    /// For the path below the start.
    paths: GlobSet,
}

impl Globs {
    pub(crate) fn new(action: &'static str, patterns: &[String]) -> Result<Globs> {
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            let builder = if pattern.contains('/') { &mut paths } else { &mut names };
            builder.add(glob.map_err(|error| bad_pattern(action, pattern, &error))?);
        }
        let set = |builder: GlobSetBuilder| builder.build().map_err(|error| bad_pattern(action, "", &error));
        Ok(Globs { names: set(names)?, paths: set(paths)? })
    }

    /// Where there are none, everything matches.
    pub(crate) fn match_any(&self, name: &OsStr, below: &Path) -> bool {
        self.names.is_match(name) || self.paths.is_match(below) || (self.names.is_empty() && self.paths.is_empty())
    }
}

fn bad_pattern(action: &'static str, pattern: &str, error: &globset::Error) -> Error {
    Error::refused(action, Path::new(pattern), FileErrorCode::Usage, format!("the pattern is none: {error}"))
}

struct Walker<'w> {
    what: &'w Walk,
    globs: Globs,
    ignores: Vec<Gitignore>,
    trouble: &'w mut dyn FnMut(Error),
    each: &'w mut Each<'w>,
}

impl Walker<'_> {
    /// `path` is for people and records, `below` for patterns. `false`: no more is wanted.
    fn directory(&mut self, directory: OwnedFd, path: &mut PathBuf, below: &Path, depth: usize) -> bool {
        let before = self.ignores.len();
        if self.what.gitignore {
            self.read_ignores(&directory, below);
        }
        let going = if self.what.unsorted {
            self.as_they_come(&directory, path, below, depth)
        } else {
            match Names::read(directory.as_fd()) {
                Ok(names) => {
                    names.sorted().iter().all(|(name, kind)| self.entry(&directory, name, kind, path, below, depth))
                }
                Err(errno) => {
                    (self.trouble)(Error::kernel(ACTION, path, errno));
                    true
                }
            }
        };
        self.ignores.truncate(before);
        going
    }

    fn as_they_come(&mut self, directory: &OwnedFd, path: &mut PathBuf, below: &Path, depth: usize) -> bool {
        let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes());
                    if name != "." && name != ".." {
                        let kind = known(directory.as_fd(), name, entry.file_type());
                        if !self.entry(directory, name, kind, path, below, depth) {
                            return false;
                        }
                    }
                }
                Err(errno) => {
                    (self.trouble)(Error::kernel(ACTION, path, errno));
                    return true;
                }
            }
        }
        true
    }

    fn entry(
        &mut self,
        directory: &OwnedFd,
        name: &OsStr,
        kind: FileType,
        path: &mut PathBuf,
        below: &Path,
        depth: usize,
    ) -> bool {
        if !self.what.hidden && name.as_bytes().first() == Some(&b'.') {
            return true;
        }
        let is_directory = kind == FileType::Directory;
        let needs_below = self.what.gitignore || !self.globs.paths.is_empty();
        let below = if needs_below { below.join(name) } else { PathBuf::new() };
        if self.what.gitignore && (name == ".git" || self.ignored(&below, is_directory)) {
            return true;
        }
        path.push(name);
        let wanted =
            (self.what.kinds.is_empty() || self.what.kinds.contains(&kind)) && self.globs.match_any(name, &below);
        let mut going = true;
        if wanted {
            going = (self.each)(Found { directory: directory.as_fd(), name, path }, self.trouble);
        }
        if going && is_directory && self.what.recursive && self.what.depth.is_none_or(|most| depth < most) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match fs::openat(directory, name, flags, Mode::empty()) {
                Ok(opened) => going = self.directory(opened, path, &below, depth + 1),
                // Gone, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => (self.trouble)(Error::kernel(ACTION, path, errno)),
            }
        }
        path.pop();
        going
    }

    fn ignored(&self, below: &Path, is_directory: bool) -> bool {
        // The nearest file that says something decides.
        let said = self.ignores.iter().rev().map(|file| file.matched(below, is_directory)).find(|said| !said.is_none());
        said.is_some_and(|said| said.is_ignore())
    }

    fn read_ignores(&mut self, directory: &OwnedFd, below: &Path) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(opened) = fs::openat(directory, ".gitignore", flags, Mode::empty()) else { return };
        let Ok(text) = std::io::read_to_string(std::fs::File::from(opened)) else { return };
        let mut builder = GitignoreBuilder::new(below);
        for line in text.lines() {
            // Git too passes over a line that it does not understand.
            let _ = builder.add_line(None, line);
        }
        if let Ok(file) = builder.build() {
            self.ignores.push(file);
        }
    }
}

/// The names in one directory, without `.` and `..`, packed: a million of them stay within twenty megabytes.
pub(crate) struct Names {
    /// Each: its type, its bytes, a zero.
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Names {
    pub(crate) fn read(directory: BorrowedFd<'_>) -> rustix::io::Result<Names> {
        let mut names = Names { bytes: Vec::new(), starts: Vec::new() };
        let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if name == b".\0" || name == b"..\0" {
                continue;
            }
            let kind = known(directory, OsStr::from_bytes(&name[..name.len() - 1]), entry.file_type());
            names.starts.push(u32::try_from(names.bytes.len()).map_err(|_| Errno::OVERFLOW)?);
            names.bytes.push(kind as u8);
            names.bytes.extend_from_slice(name);
        }
        Ok(names)
    }

    fn at(&self, start: u32) -> (&OsStr, FileType) {
        let bytes = &self.bytes[start as usize..];
        let end = bytes[1..].iter().position(|byte| *byte == 0).expect("each name was stored with its zero");
        let kind = KINDS[usize::from(bytes[0])];
        (OsStr::from_bytes(&bytes[1..=end]), kind)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, FileType)> {
        self.starts.iter().map(|start| self.at(*start))
    }

    pub(crate) fn sorted(mut self) -> Names {
        let mut starts = std::mem::take(&mut self.starts);
        starts.sort_unstable_by(|a, b| self.at(*a).0.cmp(self.at(*b).0));
        self.starts = starts;
        self
    }
}

/// In the order of their numbers in [`Names`].
const KINDS: [FileType; 7] = [
    FileType::File,
    FileType::Directory,
    FileType::Symlink,
    FileType::Fifo,
    FileType::Socket,
    FileType::Block,
    FileType::Char,
];

/// Some file systems do not say in the directory what a name is.
fn known(directory: BorrowedFd<'_>, name: &OsStr, told: fs::FileType) -> FileType {
    if told != fs::FileType::Unknown {
        return kind(told);
    }
    fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::File, |stat| kind_of(&stat))
}
