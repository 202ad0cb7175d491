//! The conductor: one session's course, from a prompt to the end of its turn, and everybody who follows it.

mod answer;
mod ask;
pub mod attach;
pub mod credentials;
mod error;
pub mod failure;
pub mod follow;
mod growth;
pub mod inquiry;
mod journal;
pub mod keeper;
mod kept;
mod mask;
pub mod offers;
pub mod owner;
mod peer;
mod places;
pub mod policy;
pub mod post;
pub mod process;
pub mod queued;
mod restore;
pub mod session;
pub mod turn;
pub mod verbs;

pub use error::Error;
pub use failure::Failure;
pub use journal::Lines;
pub use kept::{Equipment, Kept};
pub use places::Places;
