//! The one place that turns a path into a descriptor, and so decides what may be touched.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use schema::file::{FileErrorCode, FileType};

use crate::{Error, Result};

/// How long a path must not be, as in the kernel.
const LONGEST: usize = 4096;

/// How many links a path may lead through, as in the kernel.
const MOST_LINKS: usize = 40;

/// A directory from which paths are looked up, and that they cannot leave when it is confined.
///
/// Confined lookups are the kernel's own (`openat2` with `RESOLVE_BENEATH`, Linux 5.6): no `..`, absolute path, link or
/// race leads out. Where the kernel has no `openat2` (older, gVisor, a seccomp profile) we walk component by component from
/// descriptor to descriptor, never following a link that we did not read ourselves and never asking the kernel for `..`.
pub struct Root {
    directory: OwnedFd,
    /// As it was named; absolute paths below it are understood.
    name: PathBuf,
    confined: bool,
    by_hand: bool,
}

/// The last name of a path, and the directory that it lies in.
pub(crate) struct Place {
    pub(crate) parent: OwnedFd,
    pub(crate) name: OsString,
    /// As it was given.
    pub(crate) path: PathBuf,
}

impl Root {
    /// A directory that cannot be left.
    ///
    /// # Errors
    /// It is none, or may not be entered.
    pub fn confined(directory: &Path) -> Result<Root> {
        let mut root = Root::free(directory)?;
        root.name = directory.canonicalize().map_err(|error| Error::io("open the root", directory, error))?;
        root.confined = true;
        root.by_hand = by_hand(&root.directory);
        Ok(root)
    }

    /// The same for a directory that is open already. Absolute paths lead out of it.
    pub(crate) fn held(directory: OwnedFd) -> Root {
        Root { by_hand: by_hand(&directory), directory, name: PathBuf::from("/"), confined: true }
    }

    /// Where relative paths begin; absolute ones go anywhere.
    ///
    /// # Errors
    /// It is no directory, or may not be entered.
    pub fn free(directory: &Path) -> Result<Root> {
        let opened = fs::openat(CWD, directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::kernel("open the root", directory, errno))?;
        Ok(Root { directory: opened, name: directory.to_owned(), confined: false, by_hand: false })
    }

    /// The same confinement, with relative paths beginning in a directory inside: then that is what cannot be left.
    ///
    /// # Errors
    /// It is no directory, or lies outside.
    pub fn below(self, directory: &Path) -> Result<Root> {
        let opened = self.open("enter", directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Root { directory: opened, name: self.name.join(directory), ..self })
    }

    /// Opens what a path leads to.
    pub(crate) fn open(&self, action: &'static str, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        let inside = self.inside(action, path)?;
        self.open_raw(inside, flags | OFlags::CLOEXEC, mode).map_err(|errno| match errno {
            Errno::XDEV => Error::Outside { action, path: path.to_owned() },
            errno => Error::kernel(action, path, errno),
        })
    }

    fn open_raw(&self, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        if !self.confined {
            return fs::openat(&self.directory, path, flags, mode);
        }
        if self.by_hand {
            return self.open_by_hand(path, flags, mode);
        }
        loop {
            match fs::openat2(&self.directory, path, flags, mode, RESOLVE) {
                // Somebody renamed a directory while `..` was looked up; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// Opens what the kernel finds without asking a disk or anybody else; `None`: that cannot be said so quickly.
    pub(crate) fn open_known(&self, path: &Path, flags: OFlags) -> Option<OwnedFd> {
        let path = self.inside("open", path).ok().filter(|_| !self.by_hand)?;
        let resolve = if self.confined { RESOLVE } else { ResolveFlags::empty() };
        fs::openat2(&self.directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve | ResolveFlags::CACHED).ok()
    }

    /// A path without the root's own name in front.
    fn inside<'p>(&self, action: &'static str, path: &'p Path) -> Result<&'p Path> {
        if !self.confined || !path.is_absolute() {
            return Ok(path);
        }
        match path.strip_prefix(&self.name) {
            Ok(rest) if rest.as_os_str().is_empty() => Ok(Path::new(".")),
            Ok(rest) => Ok(rest),
            Err(_) => Err(Error::Outside { action, path: path.to_owned() }),
        }
    }

    /// Descriptors from the root downwards: the way back up is the one we came.
    fn open_by_hand(&self, path: &Path, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT);
        }
        if path.as_os_str().len() >= LONGEST {
            return Err(Errno::NAMETOOLONG);
        }
        let steps = |path: &Path| -> rustix::io::Result<Vec<OsString>> {
            let mut steps = Vec::new();
            for component in path.components().rev() {
                match component {
                    Component::Normal(name) => steps.push(name.to_owned()),
                    Component::ParentDir => steps.push("..".into()),
                    Component::CurDir => {}
                    Component::RootDir | Component::Prefix(_) => return Err(Errno::XDEV),
                }
            }
            Ok(steps)
        };
        // To search only: O_PATH never blocks, and never follows with NOFOLLOW.
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut left = steps(path)?;
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(step) = left.pop() {
            if step == ".." {
                way.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            let here = way.last().map_or(self.directory.as_fd(), |fd| fd.as_fd());
            let last = left.is_empty();
            let found = fs::openat(here, &step, look, Mode::empty());
            let is_link = match &found {
                Ok(fd) => kind_of(&fs::fstat(fd)?) == FileType::Symlink,
                Err(Errno::NOENT) if last && flags.contains(OFlags::CREATE) => false,
                Err(errno) => return Err(*errno),
            };
            if is_link && !(last && flags.contains(OFlags::NOFOLLOW)) {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = fs::readlinkat(found?, "", Vec::new())?;
                left.extend(steps(Path::new(OsStr::from_bytes(target.as_bytes())))?);
                continue;
            }
            if last {
                return fs::openat(here, &step, flags | OFlags::NOFOLLOW, mode);
            }
            way.push(found?);
        }
        let here = way.last().map_or(self.directory.as_fd(), |fd| fd.as_fd());
        fs::openat(here, ".", flags, mode)
    }

    /// Opens a directory, to look through it or to work in it.
    pub(crate) fn directory(&self, action: &'static str, path: &Path) -> Result<OwnedFd> {
        self.open(action, path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    /// Opens a regular file; anything else is refused, without having been opened.
    pub(crate) fn file(&self, action: &'static str, path: &Path, flags: OFlags) -> Result<File> {
        let seen = self.open(action, path, OFlags::PATH, Mode::empty())?;
        regular(action, path, &seen)?;
        // Somebody may have put a fifo in its place since.
        let file = self.open(action, path, flags | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty())?;
        regular(action, path, &file)?;
        Ok(File::from(file))
    }

    /// The last name of a path and the directory that holds it. The name itself is not looked at.
    pub(crate) fn place(&self, action: &'static str, path: &Path) -> Result<Place> {
        let (parent, name) = split(action, path)?;
        let parent = self.open(action, &parent, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
        let parent = parent.map_err(|error| renamed(error, path))?;
        Ok(Place { parent, name, path: path.to_owned() })
    }

    /// The same, with the directories that are missing made.
    pub(crate) fn place_made(&self, action: &'static str, path: &Path) -> Result<Place> {
        match self.place(action, path) {
            Err(error) if error.code() == FileErrorCode::NotFound => {
                let (parent, _) = split(action, path)?;
                self.make_directories(action, &parent).map_err(|error| renamed(error, path))?;
                self.place(action, path)
            }
            other => other,
        }
    }

    /// The same, where directories are missing for the first of them: it is where something would be made.
    pub(crate) fn nearest(&self, action: &'static str, path: &Path) -> Result<Place> {
        let mut near = path;
        loop {
            match self.place(action, near) {
                Err(error) if error.code() == FileErrorCode::NotFound => match near.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => near = parent,
                    _ => return Err(renamed(error, path)),
                },
                // A link that leads nowhere is no directory to be made.
                Ok(place) if near != path && place.look(action)?.is_some() => {
                    return Err(Error::kernel(action, path, Errno::NOENT));
                }
                place => return place.map_err(|error| renamed(error, path)),
            }
        }
    }

    /// Makes a directory and those above it; `false`: it was there.
    pub(crate) fn make_directories(&self, action: &'static str, path: &Path) -> Result<bool> {
        match self.directory(action, path) {
            Ok(_) => return Ok(false),
            Err(error) if error.code() != FileErrorCode::NotFound => return Err(error),
            Err(_) => {}
        }
        let (parent, name) = split(action, path)?;
        if parent != Path::new(".") {
            self.make_directories(action, &parent)?;
        }
        let parent = self.directory(action, &parent)?;
        match fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o777)) {
            Ok(()) => {
                // The name lasts only when the directory that holds it does.
                let _ = fs::fsync(&parent);
                Ok(true)
            }
            Err(Errno::EXIST) => self.directory(action, path).map(|_| false),
            Err(errno) => Err(Error::kernel(action, path, errno)),
        }
    }

    /// Whether a link at `to` that says `target` would point out of a confined root, as far as the words tell.
    pub(crate) fn leads_out(&self, to: &Path, target: &Path) -> bool {
        let mut depth = 0_i64;
        let way = to.parent().unwrap_or(Path::new("")).components().chain(target.components());
        self.confined
            && (target.is_absolute()
                || !way.filter(|step| !matches!(step, Component::CurDir | Component::RootDir)).all(|step| {
                    depth += if step == Component::ParentDir { -1 } else { 1 };
                    depth >= 0
                }))
    }

    /// Follows links at the end of a path, so that a write goes to the file and not to the link.
    pub(crate) fn followed(&self, action: &'static str, path: &Path) -> Result<PathBuf> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let place = match self.place(action, &path) {
                Err(error) if error.code() == FileErrorCode::NotFound => return Ok(path),
                other => other?,
            };
            match fs::readlinkat(&place.parent, &place.name, Vec::new()) {
                Ok(target) => {
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    if self.confined && target.is_absolute() {
                        return Err(Error::Outside { action, path });
                    }
                    path = path.parent().unwrap_or(Path::new("")).join(target);
                }
                Err(_) => return Ok(path),
            }
        }
        Err(Error::kernel(action, &path, Errno::LOOP))
    }
}

impl Place {
    /// What lies there, links not followed; `None`: nothing.
    pub(crate) fn look(&self, action: &'static str) -> Result<Option<Stat>> {
        match fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::kernel(action, &self.path, errno)),
        }
    }

    /// What lies there; nothing is an error.
    pub(crate) fn there(&self, action: &'static str) -> Result<Stat> {
        self.look(action)?.ok_or_else(|| Error::kernel(action, &self.path, Errno::NOENT))
    }

    /// Whether we may make and remove names where it lies, as far as the kernel says beforehand.
    pub(crate) fn may_change(&self, action: &'static str) -> Result<()> {
        fs::accessat(&self.parent, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|errno| Error::kernel(action, &self.path, errno))
    }

    /// Makes what was done to the directory last.
    pub(crate) fn settle(&self, action: &'static str) -> Result<()> {
        match fs::fsync(&self.parent) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(Error::kernel(action, &self.path, errno)),
        }
    }
}

/// Whether the kernel does not look up paths as we want.
fn by_hand(directory: &OwnedFd) -> bool {
    fs::openat2(directory, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), RESOLVE).is_err()
}

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// Parent and last name; a path that ends in `..` or is the root itself has no name.
fn split(action: &'static str, path: &Path) -> Result<(PathBuf, OsString)> {
    let name = path.file_name().ok_or_else(|| {
        if path.as_os_str().is_empty() {
            return Error::kernel(action, path, Errno::NOENT);
        }
        Error::refused(action, path, FileErrorCode::Usage, "the path has no name of its own")
    })?;
    if path.as_os_str().len() >= LONGEST {
        return Err(Error::kernel(action, path, Errno::NAMETOOLONG));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent.to_owned(), name.to_owned()))
}

fn renamed(error: Error, asked: &Path) -> Error {
    match error {
        Error::Kernel { action, source, .. } => Error::Kernel { action, path: asked.to_owned(), source },
        Error::Outside { action, .. } => Error::Outside { action, path: asked.to_owned() },
        Error::Special { .. } | Error::Refused { .. } => error,
    }
}

pub(crate) fn regular(action: &'static str, path: &Path, fd: &OwnedFd) -> Result<Stat> {
    let stat = fs::fstat(fd).map_err(|errno| Error::kernel(action, path, errno))?;
    match kind_of(&stat) {
        FileType::File => Ok(stat),
        FileType::Directory => Err(Error::kernel(action, path, Errno::ISDIR)),
        FileType::Symlink => Err(Error::kernel(action, path, Errno::LOOP)),
        kind @ (FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char) => {
            Err(Error::Special { action, path: path.to_owned(), kind })
        }
    }
}

/// What a mode says that it is.
pub(crate) fn kind_of(stat: &Stat) -> FileType {
    kind(fs::FileType::from_raw_mode(stat.st_mode))
}

pub(crate) fn kind(kind: fs::FileType) -> FileType {
    match kind {
        fs::FileType::RegularFile | fs::FileType::Unknown => FileType::File,
        fs::FileType::Directory => FileType::Directory,
        fs::FileType::Symlink => FileType::Symlink,
        fs::FileType::Fifo => FileType::Fifo,
        fs::FileType::Socket => FileType::Socket,
        fs::FileType::BlockDevice => FileType::Block,
        fs::FileType::CharacterDevice => FileType::Char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_openat2_nothing_leads_out_either() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(place.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("inner"), "inner").unwrap();
        for (link, target) in [
            ("up", ".."),
            ("a/up", "../.."),
            ("absolute", "/etc"),
            ("file", "../secret"),
            ("a/b/back", "../../inner"),
            ("loop", "loop"),
        ] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let mut confined = Root::confined(&root).unwrap();
        for by_hand in [false, true] {
            confined.by_hand = by_hand;
            for bad in
                ["../secret", "up/secret", "a/up/secret", "absolute/passwd", "file", "/etc/passwd", "a/../../secret"]
            {
                let error = confined.file("read", Path::new(bad), OFlags::RDONLY).unwrap_err();
                assert_eq!(error.code(), FileErrorCode::OutsideRoot, "{bad} {by_hand}");
            }
            let looped = confined.file("read", Path::new("loop"), OFlags::RDONLY).unwrap_err();
            assert_eq!(looped.code(), FileErrorCode::Loop);
            for good in ["inner", "a/../inner", "a/b/back", "./a/b/../../inner"] {
                let mut file = confined.file("read", Path::new(good), OFlags::RDONLY).unwrap();
                assert_eq!(std::io::read_to_string(&mut file).unwrap(), "inner", "{good} {by_hand}");
            }
        }
    }
}
