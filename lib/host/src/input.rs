//! Our own input: what stands on it, asked without touching it, and its lines.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{getpgrp, tcgetpgrp};

/// A line of our stdin, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum InputLine {
    /// As it was.
    Text(String),
    /// It cannot be used: why. What follows it can.
    Bad(String),
}

/// The longest line that is taken, in bytes.
const LONGEST: u64 = 16 << 20;

/// Our stdin line by line, until it ends; a thread of its own reads it, a few lines ahead.
pub fn lines() -> Receiver<InputLine> {
    let (give, take) = channel(16);
    std::thread::spawn(move || read_lines(&mut io::stdin().lock(), &give));
    take
}

fn read_lines(input: &mut impl BufRead, give: &Sender<InputLine>) {
    loop {
        let mut bytes = Vec::new();
        let line = match input.by_ref().take(LONGEST).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) if bytes.ends_with(b"\n") || (bytes.len() as u64) < LONGEST => match String::from_utf8(bytes) {
                Ok(text) => InputLine::Text(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    InputLine::Bad(format!("byte {at} of the line is no UTF-8"))
                }
            },
            Ok(_) => match skip_line(input) {
                Ok(()) => InputLine::Bad(format!("the line is longer than {} MiB", LONGEST >> 20)),
                Err(_) => return,
            },
            // What cannot be read has ended.
            Err(_) => return,
        };
        if give.blocking_send(line).is_err() {
            return;
        }
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let Some(end) = memchr::memchr(b'\n', buffer) else {
            let all = buffer.len();
            if all == 0 {
                return Ok(());
            }
            input.consume(all);
            continue;
        };
        input.consume(end + 1);
        return Ok(());
    }
}

/// Whether something could be read from this descriptor now (its end does not count).
pub fn is_waiting(input: impl AsFd) -> bool {
    let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1))
        && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN))
}

/// Whether a person could be asked: there is a controlling terminal, and we are in its foreground.
pub fn can_ask() -> bool {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_cannot_be_used_do_not_end_the_rest() {
        let mut text = b"one\r\n\xff\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 17 << 20));
        text.extend(b"\n\nlast");
        let (give, mut take) = channel(16);
        read_lines(&mut io::BufReader::new(text.as_slice()), &give);
        drop(give);
        let mut lines = Vec::new();
        while let Some(line) = take.blocking_recv() {
            lines.push(line);
        }
        let text = |text: &str| InputLine::Text(text.to_owned());
        assert_eq!(lines.len(), 5);
        assert_eq!((&lines[0], &lines[3], &lines[4]), (&text("one"), &text(""), &text("last")));
        assert!(matches!(&lines[1], InputLine::Bad(why) if why.contains("UTF-8")));
        assert!(matches!(&lines[2], InputLine::Bad(why) if why.contains("16 MiB")));
    }
}
