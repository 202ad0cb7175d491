//! In which order two pipes were written to, which their bytes do not say.
//!
//! The pipes are in packet mode (`O_DIRECT`): what one `write` wrote is read apart from the next one's. An inotify
//! instance that watches both says for each write to which of the two it went. The kernel tells two writes in a row to
//! the same pipe only once, so in what was written since the last look the order between the two pipes is exact, and
//! of several writes in a row to one of them only a border may be in doubt. Linux only; without it, each look is one
//! piece of stdout and one of stderr.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;

use nix::libc::PIPE_BUF;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output, or the terminal.
    First,
    /// Standard error.
    Second,
}

/// The watch over both.
pub(crate) struct Order {
    inotify: Inotify,
    first: WatchDescriptor,
}

impl Order {
    /// `None` where it cannot be had (a user has 128 of them as a rule).
    pub(crate) fn watch(first: &impl AsRawFd, second: &impl AsRawFd) -> Option<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
        let path = |fd: RawFd| PathBuf::from(format!("/proc/self/fd/{fd}"));
        let first = inotify.add_watch(&path(first.as_raw_fd()), AddWatchFlags::IN_MODIFY).ok()?;
        inotify.add_watch(&path(second.as_raw_fd()), AddWatchFlags::IN_MODIFY).ok()?;
        Some(Self { inotify, first })
    }

    /// Adds what was written since the last look.
    pub(crate) fn look(&self, turns: &mut Vec<Source>) {
        while let Ok(events) = self.inotify.read_events() {
            turns
                .extend(events.iter().map(|event| if event.wd == self.first { Source::First } else { Source::Second }));
        }
    }
}

/// What was read from one pipe: the lengths of its packets.
pub(crate) type Packets = Vec<usize>;

/// The pieces of both in the order of writing, as lengths.
pub(crate) fn merge(turns: &[Source], first: &Packets, second: &Packets) -> Vec<(Source, usize)> {
    let mut left = [writes(first), writes(second)];
    let mut turns_left =
        [Source::First, Source::Second].map(|source| turns.iter().filter(|turn| **turn == source).count());
    let mut pieces = Vec::new();
    for turn in turns {
        let (queue, turns) = (&mut left[*turn as usize], &mut turns_left[*turn as usize]);
        *turns -= 1;
        // A turn whose bytes were read before it was told.
        if *turns >= queue.len() {
            continue;
        }
        // The last turn is the one that may have become longer while we looked.
        let count = if *turns == 0 { queue.len() } else { 1 };
        pieces.push((*turn, queue.drain(..count).sum()));
    }
    for (source, queue) in [Source::First, Source::Second].into_iter().zip(left) {
        if !queue.is_empty() {
            pieces.push((source, queue.into_iter().sum()));
        }
    }
    pieces
}

/// The kernel cuts a long write into packets of 4 KiB.
fn writes(packets: &Packets) -> VecDeque<usize> {
    let mut writes = VecDeque::new();
    let mut goes_on = false;
    for length in packets {
        match writes.back_mut() {
            Some(last) if goes_on => *last += length,
            Some(_) | None => writes.push_back(*length),
        }
        goes_on = *length == PIPE_BUF;
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::Source::{First, Second};
    use super::*;

    #[test]
    fn turns_order_what_was_read() {
        assert_eq!(merge(&[First, Second, First], &vec![1, 2], &vec![3]), [(First, 1), (Second, 3), (First, 2)]);
        // The first turn's bytes were read last time.
        assert_eq!(merge(&[First, Second, First], &vec![2], &vec![3]), [(Second, 3), (First, 2)]);
        // Told once, written twice.
        assert_eq!(merge(&[First, Second], &vec![1, 2], &vec![3]), [(First, 3), (Second, 3)]);
        // One write in three packets.
        let long = vec![4096, 4096, 10, 5];
        assert_eq!(merge(&[First, Second, First], &long, &vec![3]), [(First, 8202), (Second, 3), (First, 5)]);
        // Nothing is lost where nothing was told.
        assert_eq!(merge(&[], &vec![1], &vec![3]), [(First, 1), (Second, 3)]);
        assert_eq!(merge(&[First], &vec![], &vec![]), []);
    }
}
