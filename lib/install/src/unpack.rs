//! A `.tar.gz` into a directory: nothing gets out of it, nothing gets too big, and only files, directories and inner links come in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType, PaxExtensions};

use crate::Error;

/// More than this, in bytes, is no agent.
const MOST: u64 = 4 << 30;

/// More entries than this are no agent.
const MOST_ENTRIES: u64 = 300_000;

/// The longest name or extended header, in bytes.
const LONGEST_NAME: u64 = 64 << 10;

/// Unpacks an archive into an existing, empty directory, without the first part of each path (`package/…`). `what` names
/// it in errors; `wanted` says which paths are kept.
///
/// # Errors
/// [`Error::Archive`] for anything that a package should not hold.
pub(crate) fn unpack(archive: &Path, what: &str, into: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), Error> {
    let file = File::open(archive).map_err(crate::error::file("open", archive))?;
    all(file, into, wanted).map_err(|why| Error::Archive { what: what.to_owned(), why })
}

fn all(file: File, into: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), String> {
    // Bounded as a whole: headers count too.
    let mut archive = Archive::new(GzDecoder::new(io::BufReader::with_capacity(1 << 17, file)).take(MOST + 1));
    let mut left = MOST;
    let mut names = Names::default();
    // Raw, because the crate would read names of any length into memory.
    for (number, entry) in archive.entries().map_err(said)?.raw(true).enumerate() {
        let mut entry = entry.map_err(said)?;
        if number as u64 >= MOST_ENTRIES {
            return Err(format!("it has more than {MOST_ENTRIES} entries"));
        }
        let size = entry.header().entry_size().map_err(said)?;
        left =
            left.checked_sub(size).ok_or_else(|| format!("it would take more than {} GiB on the disk", MOST >> 30))?;
        let kind = entry.header().entry_type();
        if names.take(kind, size, &mut entry)? {
            continue;
        }
        let path = names.path.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = names.link.take().or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
        let Some(path) = inside(&path)? else { continue };
        if !wanted(&path) {
            continue;
        }
        let target = into.join(&path);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the format's kinds are many, and only these are for packages"
        )]
        match kind {
            EntryType::Directory => make_directories(into, &path)?,
            EntryType::Regular | EntryType::Continuous => {
                make_parents(into, &path)?;
                let executable = entry.header().mode().map_err(said)? & 0o111 != 0;
                write(&target, &mut entry, size, executable)?;
            }
            EntryType::Symlink | EntryType::Link => {
                make_parents(into, &path)?;
                let link = link.unwrap_or_default();
                make_link(kind, into, &path, &link)?;
            }
            other => return Err(format!("{} is neither a file nor a directory ({})", path.display(), word(other))),
        }
    }
    Ok(())
}

/// Names that stand in entries of their own, before the entry they are for.
#[derive(Default)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Names {
    /// Whether this entry only names the next one.
    fn take(&mut self, kind: EntryType, size: u64, entry: &mut impl Read) -> Result<bool, String> {
        let is_name = kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
            || kind.is_gnu_longname()
            || kind.is_gnu_longlink();
        if !is_name {
            return Ok(false);
        }
        if size > LONGEST_NAME {
            return Err(format!("it has a header of {size} bytes"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(said)?;
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
            *(if kind.is_gnu_longname() { &mut self.path } else { &mut self.link }) = Some(name);
        } else if kind.is_pax_local_extensions() {
            for extension in PaxExtensions::new(&bytes) {
                let extension = extension.map_err(said)?;
                match extension.key_bytes() {
                    b"path" => self.path = Some(extension.value_bytes().to_vec()),
                    b"linkpath" => self.link = Some(extension.value_bytes().to_vec()),
                    b"size" => return Err("it has a file whose size is beyond its header".to_owned()),
                    _ => {}
                }
            }
        }
        Ok(true)
    }
}

/// A path without its first part; `None` for that part itself.
fn inside(bytes: &[u8]) -> Result<Option<PathBuf>, String> {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(bytes));
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(format!("{} leads out of the directory by `..`", path.display())),
            Component::RootDir | Component::Prefix(_) => return Err(format!("{} is an absolute path", path.display())),
        }
    }
    let rest: PathBuf = parts.components().skip(1).collect();
    Ok((!rest.as_os_str().is_empty()).then_some(rest))
}

/// Makes the parents of an entry, none of which may be a link.
fn make_parents(into: &Path, path: &Path) -> Result<(), String> {
    path.parent().map_or(Ok(()), |parent| make_directories(into, parent))
}

fn make_directories(into: &Path, path: &Path) -> Result<(), String> {
    let mut whole = into.to_owned();
    for part in path.components() {
        whole.push(part);
        match fs::symlink_metadata(&whole) {
            Ok(data) if data.is_dir() => {}
            Ok(data) if data.is_symlink() => return Err(format!("{} would be written through a link", path.display())),
            Ok(_) => return Err(format!("{} is a file and a directory", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&whole).map_err(said)?;
                fs::set_permissions(&whole, fs::Permissions::from_mode(0o755)).map_err(said)?;
            }
            Err(error) => return Err(said(error)),
        }
    }
    Ok(())
}

/// Whatever stands there already is taken away first, so that nothing is written through a link.
fn clear(target: &Path) -> Result<(), String> {
    match fs::symlink_metadata(target) {
        Ok(data) if data.is_dir() => Err(format!("{} is a file and a directory", target.display())),
        Ok(_) => fs::remove_file(target).map_err(said),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(said(error)),
    }
}

fn write(target: &Path, from: &mut impl Read, size: u64, executable: bool) -> Result<(), String> {
    clear(target)?;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(target).map_err(said)?;
    let written = io::copy(from, &mut file).map_err(said)?;
    if written != size {
        return Err(format!("{} ends after {written} of {size} bytes", target.display()));
    }
    // Readable for all, whatever our umask is.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(said)
}

fn make_link(kind: EntryType, into: &Path, path: &Path, link: &[u8]) -> Result<(), String> {
    use std::os::unix::ffi::OsStrExt;
    let link = Path::new(std::ffi::OsStr::from_bytes(link));
    let leaves = || format!("{} is a link out of the directory, to {}", path.display(), link.display());
    let target = into.join(path);
    if kind == EntryType::Link {
        // A hard link names its file as the archive does.
        let Some(original) = inside(link.as_os_str().as_bytes()).map_err(|_| leaves())? else { return Err(leaves()) };
        make_parents(into, &original)?;
        let original = into.join(original);
        if !fs::symlink_metadata(&original).is_ok_and(|data| data.is_file()) {
            return Err(leaves());
        }
        clear(&target)?;
        return fs::hard_link(original, target).map_err(said);
    }
    let mut depth = path.components().count() - 1;
    let mut down = false;
    for part in link.components() {
        match part {
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            // After a name `..` may mean anything: the name may be another link.
            Component::ParentDir if down => return Err(leaves()),
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(leaves)?,
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    clear(&target)?;
    symlink(link, target).map_err(said)
}

fn word(kind: EntryType) -> &'static str {
    if kind.is_character_special() || kind.is_block_special() {
        "a device node"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "of an unknown kind"
    }
}

fn said(error: io::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
