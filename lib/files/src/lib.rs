//! The filing clerk: the verbs of `fs`, under a root that cannot be left; plain structs in, records out.
//!
//! | file | what it is for |
//! |---|---|
//! | `root` | the one place that turns a path into a descriptor, and so decides what may be touched |
//! | `walk`, `look` | lists; one file: what it is, its bytes, its hash |
//! | `write`, `change`, `copy` | new content, removals and names, copies |
//!
//! Every verb works on names relative to directory descriptors that [`Root`] opened, so nobody who swaps a directory for a
//! link in between can lead it elsewhere.

mod change;
mod copy;
mod error;
mod look;
mod names;
mod root;
mod walk;
mod write;

pub use change::{Made, chmod, link, mkdir, move_to, remove, touch};
pub use copy::copy;
pub use error::Error;
pub use look::{Algorithm, Range, hash, open_range, stat};
pub use names::{exact, readable};
pub use root::Root;
pub use walk::{Walk, walk};
pub use write::{WriteOptions, write};

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;
