//! In which order two pipes were written to, which their bytes do not say.
//!
//! The pipes are in packet mode (`O_DIRECT`): what one `write` wrote is read apart from the next one's. An inotify
//! instance that watches both says for each write to which of the two it went. The kernel tells two writes in a row to
//! the same pipe only once, so in what was written since the last look the order between the two pipes is exact, and
//! of several writes in a row to one of them only a border may be in doubt. Linux only; without it, each look is one
//! piece of stdout and one of stderr.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::libc::PIPE_BUF;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::bell::register;

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
    registered: AsyncFd<OwnedFd>,
}

impl Order {
    /// `None` where it cannot be had (a user has 128 of them as a rule).
    pub(crate) fn watch(first: &impl AsRawFd, second: &impl AsRawFd) -> Option<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
        let path = |fd: RawFd| PathBuf::from(format!("/proc/self/fd/{fd}"));
        // The last writer's leave is news too.
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        let first = inotify.add_watch(&path(first.as_raw_fd()), flags).ok()?;
        inotify.add_watch(&path(second.as_raw_fd()), flags).ok()?;
        let registered = register(inotify.as_fd().try_clone_to_owned().ok()?, Interest::READABLE).ok()?;
        Some(Self { inotify, first, registered })
    }

    /// Waits for news. Nobody must wait for the pipes themselves meanwhile: the kernel wakes their readers before it
    /// tells of a write, so that bytes would be read of which is not known yet when they were written.
    pub(crate) async fn news(&self) {
        // Cleared before the look: what is told after it rings again.
        if let Ok(mut ready) = self.registered.readable().await {
            ready.clear_ready();
        }
    }

    /// Adds what was written since the last look.
    pub(crate) fn look(&self, turns: &mut Vec<Source>) {
        while let Ok(events) = self.inotify.read_events() {
            let writes = events.iter().filter(|event| event.mask.contains(AddWatchFlags::IN_MODIFY));
            turns.extend(writes.map(|event| if event.wd == self.first { Source::First } else { Source::Second }));
        }
    }
}

/// What was read from one pipe: the lengths of its packets.
pub(crate) type Packets = Vec<usize>;

/// The pieces of both in the order of writing, as lengths. Turns whose bytes were not read yet stay.
pub(crate) fn merge(turns: &mut Vec<Source>, first: &Packets, second: &Packets) -> Vec<(Source, usize)> {
    let mut left = [writes(first), writes(second)];
    let mut turns_left = count(turns);
    let mut pieces = Vec::new();
    turns.retain(|turn| {
        let (queue, turns) = (&mut left[*turn as usize], &mut turns_left[*turn as usize]);
        *turns -= 1;
        if queue.is_empty() {
            return true;
        }
        // The kernel has told several writes only once.
        let count = if *turns == 0 { queue.len() } else { 1 };
        pieces.push((*turn, queue.drain(..count).sum()));
        false
    });
    for (source, queue) in [Source::First, Source::Second].into_iter().zip(left) {
        if !queue.is_empty() {
            pieces.push((source, queue.into_iter().sum()));
        }
    }
    pieces
}

/// Whether there are writes of which the kernel has not told yet, or told only once.
pub(crate) fn is_behind(turns: &[Source], first: &Packets, second: &Packets) -> bool {
    let told = count(turns);
    writes(first).len() > told[0] || writes(second).len() > told[1]
}

/// A pipe of which more writes were told than read.
pub(crate) fn missing(turns: &[Source], lengths: &[Packets; 2]) -> Option<Source> {
    let told = count(turns);
    let behind = |source: &Source| told[*source as usize] > writes(&lengths[*source as usize]).len();
    [Source::First, Source::Second].into_iter().find(behind)
}

fn count(turns: &[Source]) -> [usize; 2] {
    [Source::First, Source::Second].map(|source| turns.iter().filter(|turn| **turn == source).count())
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
        let merge = |turns: &[Source], first: &[usize], second: &[usize]| {
            let mut turns = turns.to_vec();
            (merge(&mut turns, &first.to_vec(), &second.to_vec()), turns)
        };
        assert_eq!(merge(&[First, Second, First], &[1, 2], &[3]).0, [(First, 1), (Second, 3), (First, 2)]);
        // Told, and not read yet.
        assert_eq!(merge(&[First, Second, First], &[2], &[3]), (vec![(First, 2), (Second, 3)], vec![First]));
        // Told once, written twice.
        assert_eq!(merge(&[First, Second], &[1, 2], &[3]).0, [(First, 3), (Second, 3)]);
        // One write in three packets.
        assert_eq!(
            merge(&[First, Second, First], &[4096, 4096, 10, 5], &[3]).0,
            [(First, 8202), (Second, 3), (First, 5)]
        );
        // Nothing is lost where nothing was told.
        assert_eq!(merge(&[], &[1], &[3]).0, [(First, 1), (Second, 3)]);
        assert_eq!(merge(&[First], &[], &[]), (vec![], vec![First]));
        assert!(is_behind(&[First], &vec![1, 2], &vec![]) && !is_behind(&[First, First], &vec![1, 2], &vec![]));
    }
}
