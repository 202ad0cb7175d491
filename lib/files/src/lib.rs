//! The filing clerk: the verbs of `fs`, under a root that cannot be left; plain structs in, records out.
//!
//! | file | what it is for |
//! |---|---|
//! | `root` | the one place that turns a path into a descriptor, and so decides what may be touched |
//! | `tree` | the way down and up, without recursion and with few descriptors |
//! | `walk`, `look` | lists; one file: what it is, its bytes, its hash |
//! | `grep` | lines that match |
//! | `write`, `change`, `copy` | new content, removals and names, copies |
//! | `patch`, `diff` | a unified diff applied; its format |
//! | `watch` | what changes, as it changes |
//! | `download`, `upload`, `tar`, `pack` | trees as archives: out, in, their format, their compression |
//! | `slot` | where what is not complete lies, and who clears up after the killed |
//!
//! Every verb works on names relative to directory descriptors that [`Root`] opened, so nobody who swaps a directory for a
//! link in between can lead it elsewhere.

mod change;
mod copy;
mod diff;
mod download;
mod error;
mod grep;
mod look;
mod names;
mod pack;
mod patch;
mod root;
mod slot;
mod tar;
mod tree;
mod upload;
mod walk;
mod watch;
mod write;

pub use change::{Made, chmod, link, mkdir, move_to, remove, touch};
pub use copy::copy;
pub use download::download;
pub use error::Error;
pub use grep::{Grep, grep};
pub use look::{Algorithm, Range, glance, hash, open_range, stat};
pub use names::{exact, readable};
pub use pack::Packing;
pub use patch::{MOST as MOST_PATCHED, PatchOptions, Patched, patch};
pub use root::Root;
pub use upload::{Told, UploadOptions, upload};
pub use walk::{Walk, walk};
pub use watch::{WatchEnd, WatchOptions, watch};
pub use write::{Content, WriteOptions, write};

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;
