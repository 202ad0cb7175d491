//! The store as other rooms and other processes meet it.
#![expect(clippy::unwrap_used, reason = "the fences protect the product; a test unwraps")]

mod faults;
mod inbox;
mod kept;
mod kill;
mod many;
mod pages;
mod sessions;
mod support;
mod turns;
mod views;
