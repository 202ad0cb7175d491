//! Files for nobody else.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchown, geteuid};

use crate::Error;

static FORMER_UMASK: OnceLock<Mode> = OnceLock::new();

/// Makes files that we create from now on unreadable for others. Processes that we start get the former mask back.
pub fn private_umask() {
    let former = umask(Mode::from_bits_truncate(0o077));
    // Called a second time, the first answer is the true one.
    FORMER_UMASK.get_or_init(|| former);
}

/// What a process that we start has to set.
pub(crate) fn former_umask() -> Option<Mode> {
    FORMER_UMASK.get().copied()
}

/// Makes the directory and its missing parents with mode 0700; one that is there stays as it is.
///
/// # Errors
/// [`Error::File`], naming `SANDBOX_AGENT_HOME` as the way out where the place is not writable.
pub fn directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
        let refused = matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
        let source = if refused {
            io::Error::new(
                source.kind(),
                format!("{source}; set SANDBOX_AGENT_HOME to a directory that can be written"),
            )
        } else {
            source
        };
        Error::File { action: "create", path: path.to_owned(), source }
    })
}

/// Opens a file for reading and writing, making it with mode 0600 where it is missing; made as root beside somebody's
/// files it becomes theirs.
///
/// # Errors
/// [`Error::File`].
pub fn file(path: &Path) -> Result<File, Error> {
    open(path).map_err(|source| Error::File { action: "open", path: path.to_owned(), source })
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    loop {
        // Only what we made ourselves is given away: a link laid there by the directory's owner must not be.
        match options.clone().create_new(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path) {
            Ok(file) => {
                give_to_owner_of_directory(&file, path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match options.open(path) {
            // Removed between the two looks; a link to nothing stays.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {}
            result => return result,
        }
    }
}

fn give_to_owner_of_directory(file: &File, path: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = std::fs::metadata(directory)?;
    if owner.uid() != 0 {
        fchown(file.as_fd(), Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    Ok(())
}

/// Gives memory back to the machine: what is free, and the program's text and constants, which are in the page cache anyway
/// and of which only what is used again comes back. For a process that will be idle for long.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code)]
    // SAFETY: no pointers; it is safe in any thread.
    unsafe {
        nix::libc::malloc_trim(0);
    }
    for (start, end) in std::fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().filter_map(never_written)
    {
        #[expect(unsafe_code)]
        // SAFETY: a private mapping of a file that nobody has written to: what is dropped is read from the file again.
        unsafe {
            nix::libc::madvise(std::ptr::with_exposed_provenance_mut(start), end - start, nix::libc::MADV_DONTNEED);
        }
    }
}

/// Where a line of `/proc/self/maps` says that a file's text is, or its constants, which begin with the file. (What is only
/// read from now on may have been relocated, and stands behind.)
fn never_written(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_text = match (words.next()?, words.next()?) {
        ("r-xp", _) => true,
        (mode, offset) => mode == "r--p" && offset == "00000000",
    };
    (is_text && words.nth(2)?.starts_with('/')).then_some(())?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_never_written_is_found() {
        let line = "003eb000-00bb1000 r-xp 001ea000 fe:00 10027286                           /usr/bin/sandbox-agent";
        assert_eq!(never_written(line), Some((0x3e_b000, 0xbb_1000)));
        assert_eq!(never_written(&line.replace("r-x", "r--")), None);
        assert_eq!(never_written("7fff1000-7fff2000 r-xp 00000000 00:00 0                          [vdso]"), None);
        // We are still there afterwards.
        give_memory_back();
    }

    #[test]
    fn what_is_made_is_private_and_what_is_there_stays() {
        let place = tempfile::tempdir().unwrap();
        let below = place.path().join("a/b");
        directory(&below).unwrap();
        assert_eq!(std::fs::metadata(&below).unwrap().mode() & 0o777, 0o700);
        file(&below.join("f")).unwrap();
        assert_eq!(std::fs::metadata(below.join("f")).unwrap().mode() & 0o777, 0o600);
        std::fs::set_permissions(&below, std::fs::Permissions::from_mode(0o755)).unwrap();
        directory(&below).unwrap();
        assert_eq!(std::fs::metadata(&below).unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_dangling_link_is_an_error_and_not_a_loop() {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path().join("missing"), &link).unwrap();
        assert!(matches!(file(&link), Err(Error::File { .. })));
    }

    #[test]
    fn made_as_root_a_file_belongs_to_its_neighbours_owner() {
        if !geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(place.path(), Some(1234), Some(1235)).unwrap();
        let made = file(&place.path().join("f")).unwrap().metadata().unwrap();
        assert_eq!((made.uid(), made.gid()), (1234, 1235));
        std::fs::write(place.path().join("roots"), "").unwrap();
        let found = file(&place.path().join("roots")).unwrap().metadata().unwrap();
        assert_eq!(found.uid(), 0);
    }
}
