//! How much room there is where a file is or would be, whether it can be written there, and when the disk begins.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::statvfs::statvfs;

/// A place where something is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The nearest directory that is there.
    pub directory: PathBuf,
    /// Whether we may write into it.
    pub writable: bool,
    /// What is free for us, in bytes.
    pub free: Option<u64>,
}

/// Looks at the place of `path`, which need not be there.
pub fn place(path: &Path) -> Place {
    let directory = path.ancestors().skip(1).find(|above| above.is_dir()).unwrap_or(Path::new("/")).to_owned();
    // Only making something proves it: for root every mode says yes, and some file systems take nothing.
    let probe = directory.join(format!(".sandbox-agent-{}", std::process::id()));
    let writable = std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe)).is_ok();
    let free = free(&directory);
    Place { directory, writable, free }
}

/// What is free for us where this file or directory is, in bytes.
pub fn free(path: &Path) -> Option<u64> {
    statvfs(path).ok().map(|disk| disk.blocks_available() * disk.fragment_size())
}

/// Asks the kernel to begin with writing a part of a file, so that there is less to wait for at its end.
pub fn begin_writing(file: impl AsFd, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else { return };
    let file = file.as_fd().as_raw_fd();
    #[expect(unsafe_code)]
    // SAFETY: the descriptor is open, and there is nothing else that the call touches.
    // Where it fails all is left for the end, as if it had not been asked.
    let _ = unsafe { libc::sync_file_range(file, offset, length, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_counts() {
        let folder = tempfile::tempdir().unwrap();
        let found = place(&folder.path().join("a/b/c"));
        assert_eq!((found.directory.as_path(), found.writable), (folder.path(), true));
        assert!(found.free.is_some_and(|free| free > 0));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
        assert!(!place(Path::new("/proc/a/b")).writable);
    }
}
