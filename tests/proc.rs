//! Processes: run once, kept in the background, tortured, killed, shown in a terminal.

mod attach;
mod busy;
mod keep;
mod readme;
mod restart;
mod run;
mod torture;
