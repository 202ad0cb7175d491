//! The lines that the `fs` verbs print.

use serde::{Deserialize, Serialize};

/// What lies at a path, never what a link points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    Block,
    /// A character device.
    Char,
}

/// A line of `fs ls`, `fs find` and `fs stat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileRecord {
    /// The path as it was given or found, readable; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Its size, bytes.
    pub size: u64,
    /// Its permissions, octal digits.
    pub mode: String,
    /// When its content changed, RFC 3339.
    pub modified: String,
    /// Where a symbolic link points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The exact target in base64, where `target` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bytes: Option<String>,
    /// Its owner; only `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group; only `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// How many names it has; only `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<u32>,
    /// Its number on its file system; only `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Bytes that it takes on the disk; only `stat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<u64>,
}

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileAction {
    /// New content in its place.
    Write,
    /// Bytes behind the old ones.
    Append,
    /// It is gone.
    Remove,
    /// A directory was made.
    Mkdir,
    /// It has another name.
    Move,
    /// There is a second one.
    Copy,
    /// There is a link.
    Link,
    /// It has other permissions.
    Chmod,
    /// It has another time, or is new and empty.
    Touch,
    /// What an archive holds is in it.
    Upload,
    /// Its content was changed as a patch says.
    Patch,
}

/// What a verb that changes something prints: one line for each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileChange {
    /// What was done.
    pub action: FileAction,
    /// To what: readable; where it was, for `move`, `copy` and `link`.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// Where it is now, for `move`, `copy` and `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The exact `to` in base64, where `to` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_bytes: Option<String>,
    /// Whether anything was changed; `false`: it was so already, or `--dry-run`.
    pub changed: bool,
    /// Bytes written or copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Files, directories and links made or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// With `patch`: the parts of the patch that changed its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hunks: Option<u64>,
}

/// A line of `fs hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileHash {
    /// The path, readable.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// `sha256` or `blake3`.
    pub algorithm: String,
    /// Hexadecimal digits.
    pub hash: String,
    /// Bytes hashed.
    pub size: u64,
}

/// What a line of `fs grep` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileMatchKind {
    /// A line that matches.
    Match,
    /// A line before or after one that does.
    Context,
    /// With `--files`: a file in which a line matches.
    File,
    /// A file that was named and not searched, because it holds zero bytes.
    Binary,
}

/// A line of `fs grep`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileMatch {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileMatchKind,
    /// The file, readable.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The line's number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Where the line begins in the file, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The line without its end, readable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The exact line in base64, where `text` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_bytes: Option<String>,
    /// Only the first 16 KiB of the line are shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Where in the line it matches: from and to, bytes; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<(u64, u64)>,
}

/// What `fs watch` saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileEventKind {
    /// From now on nothing is missed; always the first, with the sequence 0.
    Ready,
    /// It is new, or came in from elsewhere.
    Create,
    /// Its content, permissions or times changed.
    Modify,
    /// It has another name.
    Move,
    /// It is gone, or went elsewhere.
    Delete,
    /// The kernel could not keep up: look again at everything.
    Overflow,
}

/// A line of `fs watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileEvent {
    /// 1, 2, 3, … in this watch.
    pub sequence: u64,
    /// When we saw it, RFC 3339.
    pub time: String,
    /// What happened.
    pub event: FileEventKind,
    /// To what, readable; where it is now, for `move`.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// Where it was, for `move`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The exact `from` in base64, where `from` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_bytes: Option<String>,
    /// It is a directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directory: bool,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $exit:literal;)*) => {
        /// Why a verb of `fs` failed; the list is closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum FileErrorCode { $($(#[$doc])* $name,)* }

        impl FileErrorCode {
            /// The exit code of a command that fails with it.
            pub fn exit_code(self) -> i32 {
                match self { $(FileErrorCode::$name => $exit,)* }
            }
        }
    };
}

codes! {
    /// Nothing is there.
    NotFound => 3;
    /// The user we are may not.
    PermissionDenied => 1;
    /// Something is there already.
    Exists => 1;
    /// It had to be a directory.
    NotADirectory => 1;
    /// It is a directory.
    IsADirectory => 1;
    /// The directory is not empty.
    NotEmpty => 1;
    /// The path leads out of the root.
    OutsideRoot => 1;
    /// No room on the disk, or the quota is used up.
    NoSpace => 1;
    /// The file system cannot be written.
    ReadOnly => 1;
    /// The path or a name in it is too long.
    NameTooLong => 1;
    /// Symbolic links go round in a circle.
    Loop => 1;
    /// A fifo, socket or device.
    SpecialFile => 1;
    /// The content is not what the caller expects.
    Changed => 1;
    /// It is in use.
    Busy => 1;
    /// An archive or a patch that is broken, or holds what may not come in.
    BadInput => 1;
    /// More than was allowed to come in.
    TooLarge => 1;
    /// A part of a patch does not fit the content.
    Rejected => 1;
    /// The arguments cannot be carried out as written.
    Usage => 2;
    /// A cause that has no word of its own; the message says more.
    Io => 1;
}

/// What a verb of `fs` prints when it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct FileError {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: crate::record::ErrorKind,
    /// One of the closed list.
    pub code: FileErrorCode,
    /// The path it is about, readable.
    pub path: String,
    /// The exact path in base64, where `path` is not exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// What could not be done, and why.
    pub message: String,
    /// The exit code of this command.
    pub exit_code: i32,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
