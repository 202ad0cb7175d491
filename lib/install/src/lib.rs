//! The porter: fetches an agent, checks it, unpacks it, tries it, and puts it into place in one step.
//!
//! | file | what it is for |
//! |---|---|
//! | `porter`, `tree` | the course of an installation; packages that need Node and npm |
//! | `place`, `sums` | where agents lie and which one is used; hashes of every file |
//! | `settings`, `fetch` | where packages come from; over the network |
//! | `unpack`, `platform` | out of the archive; for this machine? |
//! | `record` | an agent as it is told |
//! | `pins` | exact versions and hashes, written and demanded |

mod error;
mod fetch;
mod pins;
mod place;
mod platform;
mod porter;
mod record;
mod settings;
mod sums;
mod tree;
mod unpack;

pub use error::Error;
pub use pins::Pins;
pub use place::{Installed, Manifest, Package, Places, choose_version, uninstall};
pub use porter::{Done, Porter, Progress, Wish};
pub use record::record;
pub use settings::Settings;
pub use sums::verify;
