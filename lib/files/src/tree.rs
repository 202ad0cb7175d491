//! The way through a tree: down and up without recursion, with few descriptors and few names in memory at a time.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{self, AtFlags, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::{Errno, Result};
use schema::file::FileType;

use crate::root::{kind, kind_of};

/// How many directories of a way are open at once: those nearest to where we are.
const OPEN: usize = 32;

/// How many bytes the names of one directory may take: of a larger one they are read in turns, the smallest first.
const MOST: usize = 5 << 20;

/// Everything below a directory, in the order of the names' bytes.
pub(crate) struct Tree {
    way: Ladder,
    levels: Vec<Level>,
}

struct Level {
    names: Names,
    /// The first that was not given.
    next: usize,
}

impl Tree {
    pub(crate) fn new(top: OwnedFd) -> Result<Tree> {
        let names = Names::read(top.as_fd())?;
        Ok(Tree::of(top, names))
    }

    /// The same, with some of the names in it.
    pub(crate) fn of(top: OwnedFd, names: Names) -> Tree {
        Tree { way: Ladder::new(top), levels: vec![Level { names, next: 0 }] }
    }

    /// Goes to the next name in the directory where we are; `None`: there is none.
    pub(crate) fn next(&mut self) -> Result<Option<FileType>> {
        let directory = self.way.here();
        let level = self.levels.last_mut().expect("the top one stays");
        if level.next == level.names.starts.len()
            && let Some(cut) = level.names.cut.take()
        {
            level.next = 0;
            level.names = std::mem::replace(&mut level.names, Names::none()).after(directory.as_fd(), &cut)?;
        }
        if level.next == level.names.starts.len() {
            return Ok(None);
        }
        level.next += 1;
        Ok(Some(level.names.at(level.names.starts[level.next - 1]).1))
    }

    /// The name that we are at; after [`Tree::up`] that of the directory that we left.
    pub(crate) fn name(&self) -> &OsStr {
        let level = self.levels.last().expect("the top one stays");
        level.names.at(level.names.starts[level.next - 1]).0
    }

    /// The directory that it lies in.
    pub(crate) fn here(&self) -> &OwnedFd {
        self.way.here()
    }

    /// How many directories lie above what we are at; 1 in the top one.
    pub(crate) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Goes into a directory.
    pub(crate) fn down(&mut self, directory: OwnedFd) -> Result<()> {
        let names = Names::read(directory.as_fd())?;
        self.down_to(directory, names)
    }

    /// The same, with some of the names in it.
    pub(crate) fn down_to(&mut self, directory: OwnedFd, names: Names) -> Result<()> {
        self.way.down(directory)?;
        self.levels.push(Level { names, next: 0 });
        Ok(())
    }

    /// Leaves a directory; `false`: it was the top one.
    pub(crate) fn up(&mut self) -> Result<bool> {
        if self.levels.len() == 1 {
            return Ok(false);
        }
        self.levels.pop();
        self.way.up()?;
        Ok(true)
    }
}

/// The directories on a way down. Those far above are closed, and on the way back looked up as `..`: only what is still
/// the same directory is entered.
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
}

enum Rung {
    Open(OwnedFd),
    /// Its device and its number.
    Closed(u64, u64),
}

impl Ladder {
    pub(crate) fn new(top: OwnedFd) -> Ladder {
        Ladder { rungs: vec![Rung::Open(top)] }
    }

    pub(crate) fn here(&self) -> &OwnedFd {
        match self.rungs.last() {
            Some(Rung::Open(directory)) => directory,
            Some(Rung::Closed(..)) | None => unreachable!("where we are is open"),
        }
    }

    pub(crate) fn down(&mut self, directory: OwnedFd) -> Result<()> {
        if let Some(far) = self.rungs.len().checked_sub(OPEN)
            && let Rung::Open(directory) = &self.rungs[far]
        {
            let stat = fs::fstat(directory)?;
            self.rungs[far] = Rung::Closed(stat.st_dev, stat.st_ino);
        }
        self.rungs.push(Rung::Open(directory));
        Ok(())
    }

    /// Leaves a directory, and gives it.
    pub(crate) fn up(&mut self) -> Result<OwnedFd> {
        let Some(Rung::Open(left)) = self.rungs.pop() else { unreachable!("where we are is open") };
        if let Some(Rung::Closed(device, number)) = self.rungs.last() {
            let above = open_directory(&left, "..".as_ref())?;
            let stat = fs::fstat(&above)?;
            // Somebody moved it: its way up is no longer ours.
            if (stat.st_dev, stat.st_ino) != (*device, *number) {
                return Err(Errno::STALE);
            }
            *self.rungs.last_mut().expect("it was looked at") = Rung::Open(above);
        }
        Ok(left)
    }
}

/// Opens a directory by its name in another; a link is none.
pub(crate) fn open_directory(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    fs::openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Names in one directory, sorted, without `.` and `..`.
pub(crate) struct Names {
    /// Each: its type, its length in two bytes, its bytes.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    /// The last one, where there are others after it.
    cut: Option<Vec<u8>>,
    only_directories: bool,
}

impl Names {
    /// None.
    pub(crate) fn none() -> Names {
        Names { bytes: Vec::new(), starts: Vec::new(), cut: None, only_directories: false }
    }

    /// The first ones.
    pub(crate) fn read(directory: BorrowedFd<'_>) -> Result<Names> {
        Names::none().fill(directory, &[])
    }

    /// The first ones of those that are directories, in a directory that was read already.
    pub(crate) fn directories(directory: BorrowedFd<'_>) -> Result<Names> {
        fs::seek(directory, SeekFrom::Start(0))?;
        Names { only_directories: true, ..Names::none() }.fill(directory, &[])
    }

    /// Those after a name, in the memory of these.
    fn after(mut self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Names> {
        fs::seek(directory, SeekFrom::Start(0))?;
        self.bytes.clear();
        self.starts.clear();
        self.cut = None;
        self.fill(directory, name)
    }

    fn fill(mut self, directory: BorrowedFd<'_>, after: &[u8]) -> Result<Names> {
        each_name(directory, &mut |name, kind| {
            let name = name.as_bytes();
            let is_late = self.cut.as_ref().is_some_and(|cut| name > cut.as_slice());
            if name > after && !is_late && (!self.only_directories || kind == FileType::Directory) {
                self.add(name, kind);
                if self.bytes.len() + 4 * self.starts.len() > MOST {
                    self.halve();
                }
            }
            true
        })?;
        self.sort();
        Ok(self)
    }

    fn add(&mut self, name: &[u8], kind: FileType) {
        self.starts.push(u32::try_from(self.bytes.len()).expect("there are few megabytes"));
        self.bytes.push(kind as u8);
        self.bytes.extend_from_slice(&u16::try_from(name.len()).expect("a name is short").to_le_bytes());
        self.bytes.extend_from_slice(name);
    }

    /// Keeps the smaller half; the others are read later.
    fn halve(&mut self) {
        self.sort();
        self.starts.truncate(self.starts.len() / 2);
        self.cut = self.starts.last().map(|start| self.at(*start).0.as_bytes().to_vec());
        // In their place, from the front on: new memory would be as much again.
        self.starts.sort_unstable();
        let mut end = 0;
        for start in &mut self.starts {
            let from = *start as usize;
            let length = 3 + usize::from(u16::from_le_bytes([self.bytes[from + 1], self.bytes[from + 2]]));
            self.bytes.copy_within(from..from + length, end);
            *start = u32::try_from(end).expect("there are few megabytes");
            end += length;
        }
        self.bytes.truncate(end);
        self.sort();
    }

    fn sort(&mut self) {
        let mut starts = std::mem::take(&mut self.starts);
        starts.sort_unstable_by(|a, b| self.at(*a).0.cmp(self.at(*b).0));
        self.starts = starts;
    }

    fn at(&self, start: u32) -> (&OsStr, FileType) {
        let bytes = &self.bytes[start as usize..];
        let length = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        (OsStr::from_bytes(&bytes[3..3 + length]), KINDS[usize::from(bytes[0])])
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

/// Every name in a directory as the kernel gives them; `each` says whether to go on.
pub(crate) fn each_name(directory: BorrowedFd<'_>, each: &mut dyn FnMut(&OsStr, FileType) -> bool) -> Result<()> {
    let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        // Some file systems do not say in the directory what a name is.
        let kind = if entry.file_type() == fs::FileType::Unknown {
            fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_or(FileType::File, |stat| kind_of(&stat))
        } else {
            kind(entry.file_type())
        };
        if !each(name, kind) {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_too_large_at_once_is_read_in_turns() {
        let place = tempfile::tempdir().unwrap();
        let mut wanted: Vec<String> = (0..3000).map(|number| format!("{:04}", number * 7919 % 3000)).collect();
        for name in &wanted {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        std::fs::write(place.path().join("0000-file"), "").unwrap();
        let directory = fs::open(place.path(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut names = Names { only_directories: true, ..Names::none() }.fill(directory.as_fd(), &[]).unwrap();
        let mut found = Vec::new();
        let mut turns = 0;
        loop {
            // As if they had been too many.
            if names.starts.len() > 500 {
                names.halve();
            }
            found.extend(names.starts.iter().map(|start| names.at(*start).0.to_str().unwrap().to_owned()));
            turns += 1;
            let Some(cut) = names.cut.take() else { break };
            names = names.after(directory.as_fd(), &cut).unwrap();
        }
        wanted.sort();
        assert_eq!((found, turns), (wanted, 4));
    }
}
