//! Why a verb failed; each message names the path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use schema::file::{FileErrorCode, FileType};

/// A failure of a verb. Messages read after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel said no.
    #[error("{action} {}", path.display())]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The path leads out of the root.
    #[error("{action} {}: it leads out of the root", path.display())]
    Outside {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// No regular file, directory or link.
    #[error("{action} {}: it is a special file ({kind:?})", path.display())]
    Special {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it is.
        kind: FileType,
    },
    /// We will not.
    #[error("{action} {}: {why}", path.display())]
    Refused {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// One of the closed list.
        code: FileErrorCode,
        /// In words.
        why: String,
    },
}

impl Error {
    pub(crate) fn kernel(action: &'static str, path: &Path, errno: Errno) -> Error {
        Error::Kernel { action, path: path.to_owned(), source: errno.into() }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Kernel { action, path: path.to_owned(), source }
    }

    pub(crate) fn refused(action: &'static str, path: &Path, code: FileErrorCode, why: impl Into<String>) -> Error {
        Error::Refused { action, path: path.to_owned(), code, why: why.into() }
    }

    /// With its cause.
    pub fn in_full(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The path it is about.
    pub fn path(&self) -> &Path {
        match self {
            Error::Kernel { path, .. }
            | Error::Outside { path, .. }
            | Error::Special { path, .. }
            | Error::Refused { path, .. } => path,
        }
    }

    /// One of the closed list.
    pub fn code(&self) -> FileErrorCode {
        match self {
            Error::Outside { .. } => FileErrorCode::OutsideRoot,
            Error::Special { .. } => FileErrorCode::SpecialFile,
            Error::Refused { code, .. } => *code,
            Error::Kernel { source, .. } => match source.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::NOENT) => FileErrorCode::NotFound,
                Some(Errno::ACCESS | Errno::PERM) => FileErrorCode::PermissionDenied,
                Some(Errno::EXIST) => FileErrorCode::Exists,
                Some(Errno::NOTDIR) => FileErrorCode::NotADirectory,
                Some(Errno::ISDIR) => FileErrorCode::IsADirectory,
                Some(Errno::NOTEMPTY) => FileErrorCode::NotEmpty,
                Some(Errno::NOSPC | Errno::DQUOT) => FileErrorCode::NoSpace,
                Some(Errno::ROFS) => FileErrorCode::ReadOnly,
                Some(Errno::NAMETOOLONG) => FileErrorCode::NameTooLong,
                Some(Errno::LOOP) => FileErrorCode::Loop,
                Some(Errno::NXIO) => FileErrorCode::SpecialFile,
                Some(Errno::BUSY | Errno::TXTBSY) => FileErrorCode::Busy,
                Some(_) | None => FileErrorCode::Io,
            },
        }
    }
}
