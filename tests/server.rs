//! `server`: the same sessions over HTTP, driven over real sockets.

mod client;
mod config;
mod doors;
mod errors;
mod files;
mod flows;
mod gate;
mod loops;
mod processes;
mod sdk;
