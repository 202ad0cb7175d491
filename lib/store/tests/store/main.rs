//! The store as other rooms and other processes meet it.

mod faults;
mod kill;
mod many;
mod pages;
mod sessions;
mod support;
mod turns;
mod views;
