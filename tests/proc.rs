//! Processes: run once, kept in the background, tortured, killed, shown in a terminal.

mod run;
