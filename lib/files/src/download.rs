//! A directory or a file as an archive, streamed: what it holds is read once, by descriptors, and never through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use schema::file::FileType;

use crate::pack::{Packer, Packing};
use crate::root::{Root, kind_of};
use crate::tar::{self, Kind, Written};
use crate::tree::Tree;
use crate::{Error, Result};

const ACTION: &str = "download";

/// Writes an archive of what lies at a path: of a directory's contents (as `tar -C PATH .` would), or of one file or link
/// under its name. What cannot be read, and special files, are told to `trouble` and left out. An archive without its end
/// mark is one that failed.
///
/// # Errors
/// Nothing is there, it may not be read, or `out` cannot be written.
pub fn download(
    root: &Root,
    path: &Path,
    packing: Packing,
    out: &mut dyn Write,
    told: &mut dyn FnMut(u64),
    trouble: &mut dyn FnMut(Error),
) -> Result<()> {
    let written = |error| Error::io(ACTION, path, error);
    let opened = root.open(ACTION, path, OFlags::PATH, Mode::empty())?;
    let stat = fs::fstat(&opened).map_err(|errno| Error::kernel(ACTION, path, errno))?;
    drop(opened);
    let mut packer = BufWriter::with_capacity(64 << 10, Packer::new(packing, out));
    let mut load = Load { out: &mut packer, buffer: vec![0; 256 << 10], told, trouble };
    match kind_of(&stat) {
        FileType::Directory => {
            let directory = root.directory(ACTION, path)?;
            load.head(b"./", b"", Kind::Directory, &stat, 0, None).map_err(written)?;
            load.below(directory, path, b"")?;
        }
        FileType::File | FileType::Symlink => {
            let place = root.place(ACTION, &root.followed(ACTION, path)?)?;
            // What was asked for by its name is not left out.
            open(&place.parent, &place.name).map_err(|errno| Error::kernel(ACTION, path, errno))?;
            load.entry(&place.parent, &place.name, path, &mut Vec::new())?;
        }
        kind @ (FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char) => {
            return Err(Error::Special { action: ACTION, path: path.to_owned(), kind });
        }
    }
    tar::end(&mut packer).map_err(written)?;
    let packer = packer.into_inner().map_err(|error| written(error.into_error()))?;
    packer.finish().map_err(written)
}

struct Load<'l, 'w> {
    out: &'l mut BufWriter<Packer<'w>>,
    buffer: Vec<u8>,
    told: &'l mut dyn FnMut(u64),
    trouble: &'l mut dyn FnMut(Error),
}

impl Load<'_, '_> {
    fn head(
        &mut self,
        path: &[u8],
        link: &[u8],
        kind: Kind,
        stat: &Stat,
        size: u64,
        pieces: Option<&[(u64, u64)]>,
    ) -> io::Result<()> {
        #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
        let modified = stat.st_mtime as i64;
        let mode = stat.st_mode & 0o7777;
        let owner = (stat.st_uid, stat.st_gid);
        tar::head(self.out, &Written { path, link, kind, mode, owner, modified, size, pieces })
    }

    /// Everything below a directory.
    fn below(&mut self, top: OwnedFd, path: &Path, inside: &[u8]) -> Result<()> {
        let (mut path, mut inside) = (path.to_owned(), inside.to_vec());
        let mut tree = match Tree::new(top) {
            Ok(tree) => tree,
            Err(errno) => {
                (self.trouble)(Error::kernel(ACTION, &path, errno));
                return Ok(());
            }
        };
        loop {
            match tree.next() {
                Ok(Some(_)) => {
                    path.push(tree.name());
                    let length = inside.len();
                    if let Some(directory) = self.entry(tree.here(), tree.name(), &path, &mut inside)? {
                        match tree.down(directory) {
                            Ok(()) => continue,
                            Err(errno) => (self.trouble)(Error::kernel(ACTION, &path, errno)),
                        }
                    }
                    inside.truncate(length);
                }
                Ok(None) => match tree.up() {
                    Ok(true) => inside.truncate(inside.len() - tree.name().len() - 1),
                    Ok(false) => return Ok(()),
                    Err(errno) => return Err(Error::kernel(ACTION, &path, errno)),
                },
                Err(errno) => {
                    (self.trouble)(Error::kernel(ACTION, &path, errno));
                    continue;
                }
            }
            path.pop();
        }
    }

    /// `inside` is the path in the archive of the directory that holds it, and becomes its own. A directory is given back:
    /// what is below it is to follow.
    fn entry(&mut self, parent: &OwnedFd, name: &OsStr, path: &Path, inside: &mut Vec<u8>) -> Result<Option<OwnedFd>> {
        let opened = match open(parent, name) {
            Ok(opened) => opened,
            // Gone since the directory was read.
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => {
                (self.trouble)(Error::kernel(ACTION, path, errno));
                return Ok(None);
            }
        };
        let (opened, stat) = opened;
        let written = |error| Error::io(ACTION, path, error);
        inside.extend_from_slice(name.as_bytes());
        match kind_of(&stat) {
            FileType::Directory => {
                inside.push(b'/');
                self.head(inside, b"", Kind::Directory, &stat, 0, None).map_err(written)?;
                return Ok(Some(opened));
            }
            FileType::Symlink => match fs::readlinkat(&opened, "", Vec::new()) {
                Ok(target) => self.head(inside, target.as_bytes(), Kind::Symlink, &stat, 0, None).map_err(written)?,
                Err(errno) => (self.trouble)(Error::kernel(ACTION, path, errno)),
            },
            FileType::File => self.file(&File::from(opened), inside, &stat).map_err(written)?,
            kind @ (FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char) => {
                (self.trouble)(Error::Special { action: ACTION, path: path.to_owned(), kind });
            }
        }
        Ok(None)
    }

    fn file(&mut self, file: &File, inside: &[u8], stat: &Stat) -> io::Result<()> {
        let size = stat.st_size as u64;
        let pieces = ((stat.st_blocks as u64).saturating_mul(512) < size).then(|| pieces(file, size)).flatten();
        self.head(inside, b"", Kind::File, stat, size, pieces.as_deref())?;
        let whole = [(0, size)];
        let mut stored = 0;
        for (offset, length) in pieces.as_deref().unwrap_or(&whole) {
            self.bytes(file, *offset, *length)?;
            stored += length;
        }
        tar::pad(self.out, stored)
    }

    /// As many bytes as were announced: what a file lost meanwhile is zeros.
    fn bytes(&mut self, file: &File, mut offset: u64, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read_at(&mut self.buffer[..most], offset) {
                Ok(0) => {
                    self.buffer[..most].fill(0);
                    most
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.out.write_all(&self.buffer[..count])?;
            (self.told)(count as u64);
            offset += count as u64;
            left -= count as u64;
        }
        Ok(())
    }
}

/// Files to be read, everything else to be looked at; the same thing is looked at and read.
fn open(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<(OwnedFd, Stat)> {
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let seen = fs::openat(parent, name, look, Mode::empty())?;
    let stat = fs::fstat(&seen)?;
    let flags = match kind_of(&stat) {
        FileType::File => OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC,
        FileType::Directory => OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        FileType::Symlink | FileType::Fifo | FileType::Socket | FileType::Block | FileType::Char => {
            return Ok((seen, stat));
        }
    };
    let opened = fs::openat(parent, name, flags, Mode::empty())?;
    let now = fs::fstat(&opened)?;
    // Swapped in between: as if it had gone.
    if (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino) { Ok((opened, now)) } else { Err(Errno::NOENT) }
}

/// Where a file has data; `None` where it has no holes, or too many.
fn pieces(file: &File, size: u64) -> Option<Vec<(u64, u64)>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < size && pieces.len() < 100_000 {
        let begin = match fs::seek(file, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => return Some(pieces),
            Err(_) => return None,
        };
        let end = fs::seek(file, SeekFrom::Hole(begin)).ok()?.min(size);
        pieces.push((begin, end.checked_sub(begin)?));
        at = end;
    }
    (at >= size).then_some(pieces)
}
