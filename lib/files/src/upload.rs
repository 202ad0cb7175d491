//! An archive into a directory: complete and looked at beside its place first, then moved in; nothing in it leads out.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;
use schema::file::{FileAction, FileChange, FileErrorCode, FileType};

use crate::change::{change, discard, may_replace};
use crate::pack::unpacked;
use crate::root::{Place, Root, kind_of};
use crate::slot;
use crate::tar::{Bad, Entry, Kind, Reader};
use crate::tree::{Ladder, Tree, open_directory};
use crate::write::rename;
use crate::{Error, Result};

/// How an archive is taken in.
#[derive(Debug, Clone, Copy)]
pub struct UploadOptions {
    /// Files that are there already may be replaced.
    pub overwrite: bool,
    /// Read and judge everything, and change nothing.
    pub dry_run: bool,
    /// At most so many bytes, unpacked.
    pub most_bytes: u64,
    /// At most so many files, directories and links.
    pub most_entries: u64,
}

/// What is told while an archive is taken in.
#[derive(Debug, Clone, Copy)]
pub enum Told<'t> {
    /// So many more bytes of content.
    Bytes(u64),
    /// The path of what comes next, at its destination.
    Entry(&'t Path),
}

const ACTION: &str = "upload to";

/// How deep directories in an archive may lie.
const DEEPEST: usize = 200;

/// Takes in what an archive (tar, plain or compressed with gzip or zstd) holds. Where nothing is at the path, all of it
/// appears there at once. Into a directory that is there, each file is moved in at once, after it was made sure that
/// nothing is in the way.
///
/// # Errors
/// The archive is broken, too large, or holds special files, paths or links that lead out; something is in the way; there
/// is no room. Then nothing was changed.
pub fn upload(
    root: &Root,
    path: &Path,
    input: &mut dyn Read,
    options: UploadOptions,
    told: &mut dyn FnMut(Told<'_>),
) -> Result<FileChange> {
    let kernel = |errno| Error::kernel(ACTION, path, errno);
    let place = match root.directory(ACTION, path) {
        Ok(directory) => Target::Directory(directory),
        Err(error) if error.code() == FileErrorCode::NotFound => {
            let place = if options.dry_run { root.nearest(ACTION, path)? } else { root.place_made(ACTION, path)? };
            if !options.dry_run && place.look(ACTION)?.is_some() {
                return Err(kernel(Errno::EXIST));
            }
            Target::New(place)
        }
        Err(error) => return Err(error),
    };
    let beside = match &place {
        Target::Directory(directory) => directory,
        Target::New(place) => &place.parent,
    };
    let (name, stage) = slot::directory(beside).map_err(kernel)?;
    let result = take_in(path, &place, &stage, input, options, told);
    let cleared = discard(beside, &name);
    let change = result?;
    cleared?;
    Ok(change)
}

enum Target {
    Directory(OwnedFd),
    New(Place),
}

const NEW: &str = "new";

fn take_in(
    path: &Path,
    place: &Target,
    stage: &OwnedFd,
    input: &mut dyn Read,
    options: UploadOptions,
    told: &mut dyn FnMut(Told<'_>),
) -> Result<FileChange> {
    let kernel = |errno| Error::kernel(ACTION, path, errno);
    fs::mkdirat(stage, NEW, Mode::from_raw_mode(0o700)).map_err(kernel)?;
    let new = open_directory(stage, NEW.as_ref()).map_err(kernel)?;
    let mut load = Load {
        to: path,
        new,
        near: None,
        directories: Vec::new(),
        entries: 0,
        bytes: 0,
        options,
        buffer: vec![0; 256 << 10],
        told,
    };
    load.all(input)?;
    let (entries, bytes) = (load.entries, load.bytes);
    let record = FileChange { entries: Some(entries), bytes: Some(bytes), ..change(FileAction::Upload, path) };
    let Load { new, directories, .. } = load;
    // Each directory as it has to be, but such that its contents can still be moved.
    for (path, entry) in &directories {
        if let Ok(directory) = descend(&new, path) {
            fs::fchmod(&directory, Mode::from_raw_mode(entry.0 | 0o700)).map_err(kernel)?;
        }
    }
    if let Target::Directory(directory) = place {
        merge(&new, directory, path, options.overwrite, true)?;
    }
    if options.dry_run {
        return Ok(FileChange { changed: false, ..record });
    }
    // One call for all of them: to wait for each file would take a hundred times as long.
    fs::syncfs(&new).map_err(kernel)?;
    host::step::reached("fs.staged");
    let target = match place {
        Target::New(place) => {
            if fs::fstat(&new).is_ok_and(|stat| stat.st_mode & 0o777 == 0o700)
                && !directories.iter().any(|(path, _)| path.as_os_str().is_empty())
            {
                fs::fchmod(&new, Mode::from_raw_mode(0o755)).map_err(kernel)?;
            }
            rename(stage, NEW.as_ref(), &place.parent, &place.name, RenameFlags::NOREPLACE).map_err(kernel)?;
            host::step::reached("fs.renamed");
            place.settle(ACTION)?;
            new
        }
        Target::Directory(directory) => {
            merge(&new, directory, path, options.overwrite, false)?;
            host::step::reached("fs.renamed");
            let _ = fs::syncfs(directory);
            directory.try_clone().map_err(|error| Error::io(ACTION, path, error))?
        }
    };
    // Times, and modes that would have stood in the way. The deepest first: what happens below changes a directory's time.
    for (below, (mode, modified)) in directories.iter().rev() {
        if below.as_os_str().is_empty() && matches!(place, Target::Directory(_)) {
            continue;
        }
        // Somebody may have moved it already: then it is his.
        if let Ok(directory) = descend(&target, below) {
            let _ = fs::futimens(&directory, &times(*modified));
            let _ = fs::fchmod(&directory, Mode::from_raw_mode(*mode));
        }
    }
    Ok(record)
}

/// Moves what is staged into a directory, or (`only_look`) says what is in the way.
fn merge(from: &OwnedFd, to: &OwnedFd, path: &Path, overwrite: bool, only_look: bool) -> Result<()> {
    let kernel = |path: &Path, errno| Error::kernel(ACTION, path, errno);
    // Opened anew: a descriptor that was read to its end gives no more names.
    let again = |directory: &OwnedFd| open_directory(directory, ".".as_ref()).map_err(|errno| kernel(path, errno));
    let mut tree = Tree::new(again(from)?).map_err(|errno| kernel(path, errno))?;
    let mut way = Ladder::new(again(to)?);
    let mut path = path.to_owned();
    loop {
        let Some(kind) = tree.next().map_err(|errno| kernel(&path, errno))? else {
            if !tree.up().map_err(|errno| kernel(&path, errno))? {
                return Ok(());
            }
            way.up().map_err(|errno| kernel(&path, errno))?;
            path.pop();
            continue;
        };
        let (from, to, name) = (tree.here(), way.here(), tree.name());
        path.push(name);
        let old = match fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(kind_of(&stat)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(kernel(&path, errno)),
        };
        if kind == FileType::Directory && old == Some(FileType::Directory) {
            let below = open_directory(to, name).map_err(|errno| kernel(&path, errno))?;
            let staged = open_directory(from, name).map_err(|errno| kernel(&path, errno))?;
            way.down(below).and_then(|()| tree.down(staged)).map_err(|errno| kernel(&path, errno))?;
            continue;
        }
        may_replace(ACTION, &path, old, kind, overwrite)?;
        if !only_look {
            let flags = if old.is_some() { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
            rename(from, name, to, name, flags).map_err(|errno| kernel(&path, errno))?;
        }
        path.pop();
    }
}

/// A directory below another, reached through directories only.
fn descend(from: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let mut directory = open_directory(from, ".".as_ref())?;
    for name in path {
        directory = open_directory(&directory, name)?;
    }
    Ok(directory)
}

fn times(modified: i64) -> Timestamps {
    let time = Timespec { tv_sec: modified, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

struct Load<'l> {
    /// For errors.
    to: &'l Path,
    new: OwnedFd,
    /// The directory that the last entry went to: the next one mostly goes there too.
    near: Option<(PathBuf, OwnedFd)>,
    /// What the archive says of directories: mode and time, given when nothing more goes into them.
    directories: Vec<(PathBuf, (u32, i64))>,
    entries: u64,
    bytes: u64,
    options: UploadOptions,
    buffer: Vec<u8>,
    told: &'l mut dyn FnMut(Told<'_>),
}

impl Load<'_> {
    fn all(&mut self, input: &mut dyn Read) -> Result<()> {
        let unpacked = unpacked(input).map_err(|error| self.bad(Bad::Input(error)))?;
        // Headers count too: at most three blocks an entry, beside names.
        let most = self.options.most_bytes.saturating_add(self.options.most_entries.saturating_mul(2048));
        let mut reader = Reader::new(unpacked, most);
        while let Some(entry) = reader.next().map_err(|bad| self.bad(bad))? {
            self.entries += 1;
            if self.entries > self.options.most_entries {
                let most = self.options.most_entries;
                return Err(self.large(format!("the archive has more than {most} entries (--max-entries)")));
            }
            self.bytes = self.bytes.saturating_add(entry.size);
            if self.bytes > self.options.most_bytes {
                return Err(self.bad(Bad::Large));
            }
            self.entry(&mut reader, &entry)?;
        }
        Ok(())
    }

    fn bad(&self, bad: Bad) -> Error {
        let why = match bad {
            Bad::Form(why) => format!("the archive is refused: {why}"),
            Bad::Large => {
                let most = self.options.most_bytes;
                return self.large(format!("the archive holds more than {most} bytes (--max-bytes)"));
            }
            Bad::Input(error) => {
                let mut why = format!("the archive cannot be read: {error}");
                let mut cause = std::error::Error::source(&error);
                while let Some(inner) = cause {
                    why = format!("{why}: {inner}");
                    cause = inner.source();
                }
                why
            }
        };
        Error::refused(ACTION, self.to, FileErrorCode::BadInput, why)
    }

    fn large(&self, why: String) -> Error {
        Error::refused(ACTION, self.to, FileErrorCode::TooLarge, why)
    }

    fn refuse<T>(&self, entry: &Entry, why: &str) -> Result<T> {
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        Err(self.bad(Bad::Form(format!("{name} {why}"))))
    }

    fn outside<T>(&self, entry: &Entry) -> Result<T> {
        Err(Error::Outside { action: ACTION, path: self.to.join(OsStr::from_bytes(&entry.path)) })
    }

    fn entry<R: Read>(&mut self, reader: &mut Reader<R>, entry: &Entry) -> Result<()> {
        let Some(path) = self.inside(entry, &entry.path)? else {
            // The directory itself.
            if entry.kind == Kind::Directory {
                self.directories.push((PathBuf::new(), (entry.mode & 0o777, entry.modified)));
                return Ok(());
            }
            return self.refuse(entry, "has no name");
        };
        let name = path.file_name().expect("a path inside ends in a name").to_owned();
        let shown = self.to.join(&path);
        (self.told)(Told::Entry(&shown));
        let kernel = |errno| Error::kernel(ACTION, &shown, errno);
        if entry.kind == Kind::Directory {
            self.directory(entry, &path)?;
            self.directories.push((path, (entry.mode & 0o777, entry.modified)));
            return Ok(());
        }
        let parent = path.parent().unwrap_or(Path::new("")).to_owned();
        match entry.kind {
            Kind::File => {
                let parent = self.directory(entry, &parent)?;
                clear(&parent, &name).map_err(kernel)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o600)).map_err(kernel)?;
                let made = File::from(made);
                self.content(reader, entry, &made, &shown)?;
                fs::fchmod(&made, Mode::from_raw_mode(entry.mode & 0o777)).map_err(kernel)?;
                // A time that the file system cannot hold is none.
                let _ = fs::futimens(&made, &times(entry.modified));
                Ok(())
            }
            Kind::Symlink => {
                if leads_out(&path, &entry.link) {
                    return self.outside(entry);
                }
                let parent = self.directory(entry, &parent)?;
                clear(&parent, &name).map_err(kernel)?;
                fs::symlinkat(OsStr::from_bytes(&entry.link), &parent, &name).map_err(kernel)?;
                let _ = fs::utimensat(&parent, &name, &times(entry.modified), AtFlags::SYMLINK_NOFOLLOW);
                Ok(())
            }
            Kind::Hardlink => {
                let Some(original) = self.inside(entry, &entry.link)? else { return self.outside(entry) };
                let from = self.directory(entry, original.parent().unwrap_or(Path::new("")))?;
                let old = original.file_name().expect("a path inside ends in a name");
                let is_file = fs::statat(&from, old, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|stat| kind_of(&stat) == FileType::File);
                if !is_file {
                    return self.refuse(entry, "is a second name for what is no file before it");
                }
                let to = self.directory(entry, &parent)?;
                if original != path {
                    clear(&to, &name).map_err(kernel)?;
                    fs::linkat(&from, old, &to, &name, AtFlags::empty()).map_err(kernel)?;
                }
                Ok(())
            }
            Kind::Other(what) => self.refuse(entry, &format!("is {what}")),
            Kind::Directory => unreachable!("made above"),
        }
    }

    /// A path of the archive, which may not lead out; `None`: the directory itself.
    fn inside(&self, entry: &Entry, path: &[u8]) -> Result<Option<PathBuf>> {
        let mut parts = PathBuf::new();
        let mut depth = 0;
        if path.contains(&0) {
            return self.refuse(entry, "has a zero byte in its name");
        }
        for part in Path::new(OsStr::from_bytes(path)).components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => continue,
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return self.outside(entry),
            }
            depth += 1;
            if depth > DEEPEST {
                return self.refuse(entry, "lies too deep");
            }
        }
        Ok((!parts.as_os_str().is_empty()).then_some(parts))
    }

    /// A directory of the stage, made where it is missing. It is never reached through a link.
    fn directory(&mut self, entry: &Entry, path: &Path) -> Result<OwnedFd> {
        let shown = self.to.join(path);
        let kernel = |errno| Error::kernel(ACTION, &shown, errno);
        let copy = |fd: &OwnedFd| fd.try_clone().map_err(|error| Error::io(ACTION, &shown, error));
        if let Some((near, directory)) = &self.near
            && near == path
        {
            return copy(directory);
        }
        let mut directory = copy(&self.new)?;
        for name in path {
            directory = match open_directory(&directory, name) {
                Err(Errno::NOENT) => {
                    fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)).map_err(kernel)?;
                    // Modes of the archive come at the end; a umask must not lock us out meanwhile.
                    open_directory(&directory, name).map_err(kernel)?
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return self.refuse(entry, "would be written through a link or a file");
                }
                other => other.map_err(kernel)?,
            };
        }
        self.near = Some((path.to_owned(), copy(&directory)?));
        Ok(directory)
    }

    fn content<R: Read>(&mut self, reader: &mut Reader<R>, entry: &Entry, to: &File, shown: &Path) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let whole = [(0, entry.size)];
        let pieces = entry.pieces.as_deref().unwrap_or(&whole);
        let mut result = Ok(());
        'pieces: for (offset, length) in pieces {
            let (mut at, end) = (*offset, offset + length);
            while at < end {
                let most = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
                let written = match reader.read(&mut buffer[..most]) {
                    Ok(0) => Err(self.bad(Bad::Form("a file is shorter than it says".to_owned()))),
                    Ok(count) => {
                        let bytes = &buffer[..count];
                        at += count as u64;
                        (self.told)(Told::Bytes(count as u64));
                        to.write_all_at(bytes, at - count as u64).map_err(|error| Error::io(ACTION, shown, error))
                    }
                    Err(bad) => Err(self.bad(bad)),
                };
                if written.is_err() {
                    result = written;
                    break 'pieces;
                }
            }
        }
        self.buffer = buffer;
        result?;
        if entry.pieces.is_some() {
            fs::ftruncate(to, entry.size).map_err(|errno| Error::kernel(ACTION, shown, errno))?;
        }
        Ok(())
    }
}

/// Whatever an earlier entry put there goes; a directory that is not empty stays, and is an error.
fn clear(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => fs::unlinkat(parent, name, AtFlags::REMOVEDIR),
        Err(errno) => Err(errno),
    }
}

/// Whether a link at a path of the archive would point out of it, as far as the words tell.
fn leads_out(path: &Path, link: &[u8]) -> bool {
    let mut depth = path.components().count() - 1;
    let mut down = false;
    link.is_empty()
        || Path::new(OsStr::from_bytes(link)).components().any(|part| match part {
            Component::Normal(_) => {
                down = true;
                false
            }
            Component::CurDir => false,
            // After a name `..` may mean anything: the name may be another link.
            Component::ParentDir if down || depth == 0 => true,
            Component::ParentDir => {
                depth -= 1;
                false
            }
            Component::RootDir | Component::Prefix(_) => true,
        })
}
