//! The program as its users meet it: one test binary, one module for each subject.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the fences protect the product; a test unwraps, starts processes and reads the clock"
)]

mod acp;
mod browser;
mod checker;
mod contract;
mod crash;
mod credentials;
mod desktop;
mod docs;
mod doctor;
mod endings;
mod env;
mod equipment;
mod events;
mod faults;
mod fs;
mod fs_archive;
mod fs_matrix;
mod fs_patch;
mod fs_root;
mod fs_watch;
mod generated;
mod house;
mod install_agent;
mod matrix;
mod model;
mod npm;
mod pack;
mod peers;
mod proc;
mod readers;
mod readme;
mod real;
mod requests;
mod server;
