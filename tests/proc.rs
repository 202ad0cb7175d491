//! Processes: run once, kept in the background, tortured, killed, shown in a terminal.

mod attach;
mod keep;
mod run;
mod torture;
