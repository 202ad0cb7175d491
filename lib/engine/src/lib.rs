//! The conductor: one session's course, from a prompt to the end of its turn.

mod growth;
pub mod turn;
