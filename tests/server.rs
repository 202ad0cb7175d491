//! `server`: the same sessions over HTTP, driven over real sockets.

mod agents;
mod client;
mod config;
mod defects;
mod desktop;
mod doors;
mod errors;
mod files;
mod flows;
mod gate;
mod life;
mod loops;
mod processes;
mod routes;
mod sdk;
