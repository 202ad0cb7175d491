//! Lists: one directory or all below it, sorted by bytes.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use schema::file::{FileErrorCode, FileRecord, FileType};

use crate::look::Looker;
use crate::root::Root;
use crate::tree::{Names, Tree, each_name, open_directory};
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
    each: &mut dyn FnMut(&FileRecord) -> bool,
    trouble: &mut dyn FnMut(Error),
) -> Result<()> {
    let mut looker = Looker::new();
    find(root, start, what, trouble, &mut |found, trouble| {
        match fs::statat(found.directory, found.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let record = looker.record(found.path, &stat);
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
    let path = if start == Path::new(".") { PathBuf::new() } else { start.to_owned() };
    let needs_below = what.gitignore || !globs.paths.is_empty();
    let mut walker =
        Walker { what, globs, path, below: PathBuf::new(), needs_below, ignores: Vec::new(), trouble, each };
    walker.all(directory);
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
    /// For people and records.
    path: PathBuf,
    /// For patterns: without where it began.
    below: PathBuf,
    needs_below: bool,
    /// What `.gitignore` files say, and at which depth they lie.
    ignores: Vec<(usize, Gitignore)>,
    trouble: &'w mut dyn FnMut(Error),
    each: &'w mut Each<'w>,
}

/// What becomes of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Nothing more.
    Passed,
    /// It is a directory to be entered; it is part of our path now.
    Enter,
    /// No more is wanted at all.
    Enough,
}

impl Walker<'_> {
    fn all(&mut self, top: OwnedFd) {
        let Some(names) = self.arrive(&top, 1) else { return };
        let mut tree = Tree::of(top, names);
        loop {
            let kind = match tree.next() {
                Ok(Some(kind)) => kind,
                Ok(None) => {
                    self.ignores.retain(|(depth, _)| *depth < tree.depth());
                    match tree.up() {
                        Ok(true) => self.leave(),
                        Ok(false) => return,
                        // It was moved away under our feet: there is no way back.
                        Err(errno) => return self.failed(errno),
                    }
                    continue;
                }
                Err(errno) => {
                    self.failed(errno);
                    continue;
                }
            };
            match self.meet(tree.here().as_fd(), tree.name(), kind, tree.depth(), !self.what.unsorted) {
                Met::Passed => continue,
                Met::Enough => return,
                Met::Enter => {}
            }
            let entered = match open_directory(tree.here(), tree.name()) {
                Ok(directory) => match self.arrive(&directory, tree.depth() + 1) {
                    Some(names) => tree.down_to(directory, names),
                    None => return,
                },
                Err(errno) => Err(errno),
            };
            match entered {
                Ok(()) => {}
                // Gone, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => self.leave(),
                Err(errno) => {
                    self.failed(errno);
                    self.leave();
                }
            }
        }
    }

    /// Begins with a directory: the names in it that are still to be met. `None`: no more is wanted.
    fn arrive(&mut self, directory: &OwnedFd, depth: usize) -> Option<Names> {
        if self.what.gitignore {
            self.read_ignores(directory, depth);
        }
        let read = if self.what.unsorted {
            // Told as they come; then only directories are of interest, and mostly there are none.
            let (mut going, mut any) = (true, false);
            let told = each_name(directory.as_fd(), &mut |name, kind| {
                let met = self.meet(directory.as_fd(), name, kind, depth, true);
                if met == Met::Enter {
                    self.leave();
                    any = true;
                }
                going = met != Met::Enough;
                going
            });
            if !going {
                return None;
            }
            told.and_then(|()| if any { Names::directories(directory.as_fd()) } else { Ok(Names::none()) })
        } else {
            Names::read(directory.as_fd())
        };
        Some(read.unwrap_or_else(|errno| {
            self.failed(errno);
            Names::none()
        }))
    }

    fn failed(&mut self, errno: Errno) {
        (self.trouble)(Error::kernel(ACTION, &self.path, errno));
    }

    fn leave(&mut self) {
        self.path.pop();
        if self.needs_below {
            self.below.pop();
        }
    }

    fn meet(&mut self, directory: BorrowedFd<'_>, name: &OsStr, kind: FileType, depth: usize, tell: bool) -> Met {
        if !self.what.hidden && name.as_bytes().first() == Some(&b'.') {
            return Met::Passed;
        }
        self.path.push(name);
        if self.needs_below {
            self.below.push(name);
        }
        let met = self.judge(directory, name, kind, depth, tell);
        if met != Met::Enter {
            self.leave();
        }
        met
    }

    fn judge(&mut self, directory: BorrowedFd<'_>, name: &OsStr, kind: FileType, depth: usize, tell: bool) -> Met {
        let is_directory = kind == FileType::Directory;
        if self.what.gitignore && (name == ".git" || self.ignored(is_directory)) {
            return Met::Passed;
        }
        let wanted =
            (self.what.kinds.is_empty() || self.what.kinds.contains(&kind)) && self.globs.match_any(name, &self.below);
        if tell && wanted && !(self.each)(Found { directory, name, path: &self.path }, self.trouble) {
            return Met::Enough;
        }
        let enters = is_directory && self.what.recursive && self.what.depth.is_none_or(|most| depth < most);
        if enters { Met::Enter } else { Met::Passed }
    }

    fn ignored(&self, is_directory: bool) -> bool {
        // The nearest file that says something decides.
        let said = self.ignores.iter().rev().map(|(_, file)| file.matched(&self.below, is_directory));
        said.into_iter().find(|said| !said.is_none()).is_some_and(|said| said.is_ignore())
    }

    fn read_ignores(&mut self, directory: &OwnedFd, depth: usize) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(opened) = fs::openat(directory, ".gitignore", flags, Mode::empty()) else { return };
        let mut text = Vec::new();
        if std::fs::File::from(opened).read_to_end(&mut text).is_err() {
            return;
        }
        let mut builder = GitignoreBuilder::new(&self.below);
        for line in String::from_utf8_lossy(&text).lines() {
            // Git too passes over a line that it does not understand.
            let _ = builder.add_line(None, line);
        }
        if let Ok(file) = builder.build() {
            self.ignores.push((depth, file));
        }
    }
}
