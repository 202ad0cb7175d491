//! In which order two pipes were written to, which their bytes do not say.
//!
//! The pipes are in packet mode (`O_DIRECT`): what one `write` wrote is read apart from the next one's. And each write
//! sends us a signal (`O_ASYNC`) before it returns, a real-time one (`F_SETSIG`), of which none is lost or joined with
//! another, and which names its pipe. So the queue of these signals, which we never let in but read from a descriptor, is
//! the order of the writes, however late we read; the pipes' capacity bounds its length. See fcntl(2), pipe(2), signal(7).
//!
//! A writer that finds its pipe full sends one signal too many. It can be told apart, because a whole pipe is emptied by
//! one `splice`, during which nobody writes: only behind the last packet that fits such a signal can be.
//!
//! Of two writes at the same moment either may come first. What a pipe has no room for is told of as it gets in. Where
//! there are no such signals (another kernel, no room in the queue), what is read at once is one piece of the first pipe
//! and one of the second.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::libc;
use nix::unistd::{gettid, pipe2, read};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::bell::register;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output, or the terminal.
    First,
    /// Standard error.
    Second,
}

/// A piece of output.
#[derive(Debug)]
pub struct Piece {
    /// From which stream.
    pub source: Source,
    /// Its bytes; never empty.
    pub bytes: Vec<u8>,
}

/// The most that is read from one stream at once, in bytes.
const AT_ONCE: usize = 512 << 10;

/// What is asked of a pipe's size, in bytes; the kernel gives a user 64 MiB of pipes in all.
const PIPE: usize = 128 << 10;

/// The same for one that was full, until its writer rests: fewer of its writes wait for room, and more are read at once.
const LARGE_PIPE: usize = AT_ONCE;

/// After so long no writer is on its way any more from writing to telling of it.
const QUIET: Duration = Duration::from_millis(100);

/// How often who is between writing and telling, or waiting, is let go on before his word is read as it stands.
const PATIENCE: usize = 16;

const BOTH: [Source; 2] = [Source::First, Source::Second];

/// The kernel cuts a long write into packets of this size.
const PACKET: usize = libc::PIPE_BUF;

/// From `linux/fcntl.h`: whom, and how, an `O_ASYNC` file tells.
const F_SETSIG: libc::c_int = 10;
const F_SETOWN_EX: libc::c_int = 15;
const F_OWNER_TID: libc::c_int = 0;

/// The signal in use.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// What a program writes: to one or two pipes, or to a terminal. It stays in the thread that has made it.
pub(crate) struct Streams {
    outputs: [Output; 2],
    /// After the outputs, so that it is dropped after them.
    order: Option<Order>,
    ledger: Ledger,
    /// There may be more to read, of which nothing will be told.
    look_again: bool,
    heard_at: Instant,
}

#[derive(Default)]
struct Output {
    /// `None`: it has ended, or was never there.
    fd: Option<AsyncFd<OwnedFd>>,
    /// Read, and not given out yet.
    bytes: Vec<u8>,
}

impl Streams {
    /// Takes the ends that are read; nobody may have written to them yet.
    pub(crate) fn new(first: Option<OwnedFd>, second: Option<OwnedFd>) -> io::Result<Self> {
        let order = match (&first, &second) {
            (Some(first), Some(second)) => Order::watch(first, second, packets()?),
            (Some(_), None) | (None, _) => None,
        };
        let output = |fd: Option<OwnedFd>| {
            let fd = fd.map(|fd| register(fd, Interest::READABLE)).transpose()?;
            io::Result::Ok(Output { fd, bytes: Vec::new() })
        };
        let outputs = [output(first)?, output(second)?];
        Ok(Self { outputs, order, ledger: Ledger::default(), look_again: false, heard_at: Instant::now() })
    }

    pub(crate) fn first(&self) -> Option<&OwnedFd> {
        self.outputs[0].fd.as_ref().map(AsyncFd::get_ref)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.outputs.iter().all(|output| output.fd.is_none())
    }

    pub(crate) fn close(&mut self) {
        self.outputs = Default::default();
    }

    /// Gives back what a writer that rests does not need.
    pub(crate) fn rest(&mut self) {
        for (output, source) in self.outputs.iter_mut().zip(BOTH) {
            output.bytes.shrink_to_fit();
            if let (Some(order), Some(fd)) = (&self.order, &output.fd) {
                order.resize(fd, source, PIPE);
            }
        }
    }

    /// Waits until there may be something to gather.
    pub(crate) async fn news(&self) {
        if !self.look_again {
            tokio::select! {
                () = self.outputs[0].news() => {}
                () = self.outputs[1].news() => {}
            }
        }
    }

    /// Reads what waits, in the order of writing. At the `end` nothing is held back.
    pub(crate) fn gather(&mut self, end: bool) -> Vec<Piece> {
        let now = Instant::now();
        let (order, ledger) = (self.order.as_ref(), &mut self.ledger);
        if let Some(order) = order {
            order.look(ledger);
        }
        if now > self.heard_at + QUIET {
            ledger.forgive();
        }
        // A writer who was interrupted after writing tells a moment later.
        let mut patience = PATIENCE;
        let [first, second] = &mut self.outputs;
        let mut emptied = [first.read(Source::First, ledger, order), second.read(Source::Second, ledger, order)];
        while let Some(order) = order {
            order.look(ledger);
            // While we read the one, the other may have been written to: whatever was told of by now is read, so that
            // nothing is taken for later than what was written after it.
            let mut more = false;
            for (output, source) in [(&mut *first, Source::First), (&mut *second, Source::Second)] {
                if ledger.lacks(source) {
                    let before = output.bytes.len();
                    emptied[source as usize] = output.read(source, ledger, Some(order));
                    more |= output.bytes.len() > before;
                }
            }
            if emptied.contains(&false) {
                break;
            }
            if !more {
                if patience == 0 || !ledger.is_behind() {
                    break;
                }
                std::thread::yield_now();
                patience -= 1;
            }
        }
        self.look_again = emptied.contains(&false);
        let pieces = ledger.settle(if end { [true; 2] } else { emptied });
        if pieces.is_empty() {
            return Vec::new();
        }
        self.heard_at = now;
        let all = [&mut first.bytes, &mut second.bytes].map(std::mem::take);
        let mut at = [0, 0];
        let pieces = pieces.into_iter().map(|(source, length)| {
            let from = at[source as usize];
            at[source as usize] += length;
            Piece { source, bytes: all[source as usize][from..from + length].to_vec() }
        });
        let pieces = pieces.collect();
        first.bytes.extend_from_slice(&all[0][at[0]..]);
        second.bytes.extend_from_slice(&all[1][at[1]..]);
        pieces
    }
}

impl Output {
    async fn news(&self) {
        match &self.fd {
            // Cleared before the reading, which goes on until there is nothing: what comes after it rings again.
            Some(fd) => {
                if let Ok(mut ready) = fd.readable().await {
                    ready.clear_ready();
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Reads packet by packet; closes at the end. `false`: there was enough before there was no more.
    fn read(&mut self, source: Source, ledger: &mut Ledger, order: Option<&Order>) -> bool {
        let mut space = [0; 4 * PACKET];
        while let Some(fd) = &self.fd {
            if self.bytes.len() >= AT_ONCE {
                return false;
            }
            if let Some(order) = order {
                match order.take(fd, source, &mut self.bytes, ledger) {
                    None => break,
                    Some(0) => {
                        // That its last writer has gone was told of as well.
                        order.look(ledger);
                        ledger.drop_last(source);
                        self.fd = None;
                    }
                    Some(_) => {}
                }
                continue;
            }
            match read(fd, &mut space) {
                Ok(count) if count > 0 => {
                    self.bytes.extend_from_slice(&space[..count]);
                    ledger.read(source, count);
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                // A terminal whose last user has gone says EIO: that is its end.
                Ok(_) | Err(_) => self.fd = None,
            }
        }
        true
    }
}

/// A pipe whose reading end keeps writes apart and does not block.
pub(crate) fn packets() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reads, writes) = pipe2(OFlag::O_CLOEXEC | OFlag::O_DIRECT)?;
    fcntl(&reads, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // A small pipe is slower, not wrong.
    let _ = fcntl(&reads, FcntlArg::F_SETPIPE_SZ(PIPE as i32));
    Ok((reads, writes))
}

/// What the kernel tells of both pipes, to the thread that has asked for it: it must stay there.
struct Order {
    signals: OwnedFd,
    pipes: [RawFd; 2],
    /// How many packets each can hold.
    room: [Cell<usize>; 2],
    /// Where the contents of one of them are put to be read.
    aside: (OwnedFd, OwnedFd),
    stays: PhantomData<*const ()>,
}

impl Order {
    /// `None` where it cannot be had; `aside` is one more pipe, as large as the two. Call it before anybody can write; it
    /// must be dropped after both were closed.
    fn watch(first: &OwnedFd, second: &OwnedFd, aside: (OwnedFd, OwnedFd)) -> Option<Self> {
        if IN_USE.swap(true, Ordering::Relaxed) {
            return None;
        }
        let pipes = [first, second].map(AsRawFd::as_raw_fd);
        let room = [first, second].map(|pipe| Cell::new(room(pipe)));
        let signals = signals().inspect_err(|_| IN_USE.store(false, Ordering::Relaxed)).ok()?;
        let order = Self { signals, pipes, room, aside, stays: PhantomData };
        // What an earlier pair has left.
        order.look(&mut Ledger::default());
        pipes.map(tell_us).into_iter().all(|told| told.is_ok()).then_some(order)
    }

    /// How many packets it can hold.
    fn room(&self, source: Source) -> usize {
        self.room[source as usize].get()
    }

    /// Changes what a pipe can hold, and with it what is read at once. `false`: it is as it was.
    fn resize(&self, pipe: &impl AsFd, source: Source, size: usize) -> bool {
        let before = self.room(source);
        let now = before * PACKET;
        // A pipe that stays as it is, because its user may have no more or something is in it, is not wrong, only slower or
        // larger. But the one aside must hold all of it.
        if now == size || (now < size && fcntl(&self.aside.1, FcntlArg::F_SETPIPE_SZ(size as i32)).is_err()) {
            return false;
        }
        let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(size as i32));
        self.room[source as usize].set(room(pipe));
        if self.room.iter().all(|room| room.get() * PACKET <= size) {
            let _ = fcntl(&self.aside.1, FcntlArg::F_SETPIPE_SZ(size as i32));
        }
        self.room(source) != before
    }

    /// Empties a pipe into `bytes`, writing down each packet. `Some(0)`: it has ended; `None`: it is empty.
    fn take(&self, pipe: &impl AsFd, source: Source, bytes: &mut Vec<u8>, ledger: &mut Ledger) -> Option<usize> {
        const ALL: usize = 1 << 30;
        // Nothing was taken since the pipe was empty: of more than fit in, one is told of by somebody who waits. Who has filled
        // it comes to wait in a moment, and is easier to tell apart before the reading. It grows while he is known to wait, and
        // never later: else he might have come to wait at the old bound, and nothing would say so.
        let mut patience = PATIENCE;
        let known = loop {
            self.look(ledger);
            let room = self.room(source);
            match ledger.beyond(source, room) {
                None => break false,
                Some(more) if more <= ledger.full_after[source as usize].len() && patience > 0 => {
                    std::thread::yield_now();
                    patience -= 1;
                }
                Some(0) => break false,
                Some(_) => {
                    ledger.drop_waiting(source, room);
                    if !self.resize(pipe, source, LARGE_PIPE) {
                        break true;
                    }
                }
            }
        };
        let taken = splice(pipe, None, &self.aside.1, None, ALL, SpliceFFlags::SPLICE_F_NONBLOCK).ok()?;
        let mut space = [0; 4 * PACKET];
        let (mut left, mut packets, mut whole) = (taken, 0, 0);
        while left > 0 {
            let count = read(&self.aside.0, &mut space).ok().filter(|count| *count > 0)?;
            bytes.extend_from_slice(&space[..count]);
            ledger.read(source, count);
            left -= count.min(left);
            packets += 1;
            whole += usize::from(count == PACKET);
        }
        if packets >= self.room(source) {
            if !known {
                ledger.was_full(source);
            }
            // Large writes are told of as they get in: nobody is ever known to wait.
            if 2 * whole > packets {
                self.resize(pipe, source, LARGE_PIPE);
            }
        }
        Some(taken)
    }

    /// Writes down the writes since the last look.
    fn look(&self, ledger: &mut Ledger) {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut space = [0; 32 * SIZE];
        while let Ok(count) = read(&self.signals, &mut space) {
            for info in space[..count].chunks_exact(SIZE) {
                let number = |at: usize| i32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes"));
                let fd = number(std::mem::offset_of!(libc::signalfd_siginfo, ssi_fd));
                match number(std::mem::offset_of!(libc::signalfd_siginfo, ssi_signo)) {
                    // What comes where the queue is full.
                    libc::SIGIO => ledger.has_gaps = true,
                    _ if fd == self.pipes[0] => ledger.told(Source::First),
                    _ if fd == self.pipes[1] => ledger.told(Source::Second),
                    _ => {}
                }
            }
            if count < space.len() {
                break;
            }
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        IN_USE.store(false, Ordering::Relaxed);
    }
}

/// How many packets a pipe can hold.
fn room(pipe: impl AsFd) -> usize {
    fcntl(pipe, FcntlArg::F_GETPIPE_SZ).map_or(0, |size| size as usize / PACKET)
}

/// Blocks the signals in this thread, for good, and gives a descriptor that they are read from. A child's mask is empty.
fn signals() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    #[expect(unsafe_code)]
    // SAFETY: the set is initialised by the first call, and lives during all of them.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGRTMIN());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGIO);
        match libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) {
            0 => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
        let fd = Errno::result(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Lets the kernel tell this thread of each write to the pipe that `fd` reads.
fn tell_us(fd: RawFd) -> nix::Result<()> {
    let owner: [libc::c_int; 2] = [F_OWNER_TID, gettid().as_raw()];
    #[expect(unsafe_code)]
    // SAFETY: the owner (`struct f_owner_ex`) is read during the call only; the others take numbers.
    unsafe {
        Errno::result(libc::fcntl(fd, F_SETOWN_EX, owner.as_ptr()))?;
        Errno::result(libc::fcntl(fd, F_SETSIG, libc::SIGRTMIN()))?;
        let flags = Errno::result(libc::fcntl(fd, libc::F_GETFL))?;
        Errno::result(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_ASYNC))?;
    }
    Ok(())
}

/// What was told and what was read, until they are put together.
#[derive(Debug, Default)]
struct Ledger {
    /// Told, the earliest first.
    turns: VecDeque<Source>,
    /// How many of them are of each.
    told: [usize; 2],
    /// Read from each: the lengths of packets.
    packets: [VecDeque<usize>; 2],
    /// After how many of them the pipe was full, so that one told too many may follow.
    full_after: [Vec<usize>; 2],
    /// Given out before they were told of, by writers that were interrupted in between.
    ahead: [usize; 2],
    /// Some were not told of.
    has_gaps: bool,
}

impl Ledger {
    fn told(&mut self, source: Source) {
        match &mut self.ahead[source as usize] {
            0 => {
                self.turns.push_back(source);
                self.told[source as usize] += 1;
            }
            ahead => *ahead -= 1,
        }
    }

    fn read(&mut self, source: Source, length: usize) {
        self.packets[source as usize].push_back(length);
    }

    fn was_full(&mut self, source: Source) {
        self.full_after[source as usize].push(self.packets[source as usize].len());
    }

    /// From now on every write is told of anew.
    fn forgive(&mut self) {
        self.ahead = [0; 2];
    }

    /// Whether more was told of it than read.
    fn lacks(&self, source: Source) -> bool {
        self.told_of(source) > self.packets[source as usize].len()
    }

    /// Whether something was read that was not told of yet.
    fn is_behind(&self) -> bool {
        BOTH.into_iter().any(|source| {
            let (packets, told) = (&self.packets[source as usize], self.told_of(source));
            // The last packet of a write is shorter than others, but for one write in 4096.
            packets.iter().filter(|length| **length < PACKET).count() > told || (told == 0 && !packets.is_empty())
        })
    }

    fn told_of(&self, source: Source) -> usize {
        self.told[source as usize]
    }

    /// Gives out what was read, in the order of writing, as lengths. `emptied`: nothing was left in that pipe after what
    /// was told; else what follows a write that was told of and not read stays for the next time.
    fn settle(&mut self, emptied: [bool; 2]) -> Vec<(Source, usize)> {
        if !emptied.contains(&false) {
            BOTH.into_iter().for_each(|source| self.drop_untrue(source, 0));
        }
        let mut pieces = Vec::new();
        while let Some(&turn) = self.turns.front() {
            let (packets, left) = (&mut self.packets[turn as usize], &mut self.told[turn as usize]);
            if packets.is_empty() && !emptied[turn as usize] {
                return pieces;
            }
            self.turns.pop_front();
            *left -= 1;
            let mut length = 0;
            let before = packets.len();
            // A whole packet goes on in the next one, unless that has a turn of its own.
            while let Some(packet) = packets.pop_front() {
                length += packet;
                let was_full = self.full_after[turn as usize].contains(&(before - packets.len()));
                if packet < PACKET || was_full || packets.len() <= *left {
                    break;
                }
            }
            let gone = before - packets.len();
            self.full_after[turn as usize].retain_mut(|after| {
                *after = after.saturating_sub(gone);
                *after > 0
            });
            // One without bytes was an end.
            if length > 0 {
                pieces.push((turn, length));
            }
        }
        if emptied.contains(&false) && !pieces.is_empty() {
            return pieces;
        }
        for source in BOTH {
            let packets = std::mem::take(&mut self.packets[source as usize]);
            let Some(last) = packets.back() else { continue };
            let short = packets.iter().filter(|length| **length < PACKET).count();
            self.ahead[source as usize] += short + usize::from(*last == PACKET);
            pieces.push((source, packets.iter().sum()));
        }
        self.full_after = Default::default();
        if std::mem::take(&mut self.has_gaps) {
            self.forgive();
        }
        pieces
    }

    /// How much more was told of it than was read and fits into it; `None`: it is not full.
    fn beyond(&self, source: Source, room: usize) -> Option<usize> {
        self.told_of(source).checked_sub(self.packets[source as usize].len() + room)
    }

    /// Takes out what was told of by who waits for room in a full pipe, and, where that is not all there is too much, by who
    /// waited before.
    fn drop_waiting(&mut self, source: Source, room: usize) {
        let unsure = self.full_after[source as usize].len();
        let more = self.beyond(source, room).unwrap_or_default();
        for _ in 0..more.saturating_sub(unsure).max(1) {
            self.drop_last(source);
        }
        self.drop_untrue(source, room);
        self.full_after[source as usize].clear();
    }

    fn drop_last(&mut self, source: Source) {
        if let Some(at) = self.turns.iter().rposition(|turn| *turn == source) {
            self.turns.remove(at);
            self.told[source as usize] -= 1;
        }
    }

    /// The same in hindsight, for who came to wait between the look and the reading. All but `unread` writes were read.
    fn drop_untrue(&mut self, source: Source, unread: usize) {
        let packets = &self.packets[source as usize];
        let full_after = &self.full_after[source as usize];
        // How many writes, or parts of one that were told of as they got in, end with or before each packet.
        let (mut count, mut untrue_at) = (0, Vec::new());
        for (at, length) in packets.iter().enumerate() {
            let was_full = full_after.contains(&(at + 1));
            count += usize::from(*length < PACKET || was_full);
            if was_full && *length < PACKET {
                untrue_at.push(count);
            }
        }
        let told = self.told_of(source).saturating_sub(unread);
        let seems = told.saturating_sub(count);
        // More than could be so are writes of whole packets.
        let mut untrue = if seems <= untrue_at.len() { seems } else { told.saturating_sub(packets.len()) };
        let (mut untrue_at, mut kept) = (untrue_at.into_iter().peekable(), 0);
        self.turns.retain(|turn| {
            if *turn != source {
                return true;
            }
            let drop = untrue > 0 && untrue_at.next_if_eq(&kept).is_some();
            untrue -= usize::from(drop);
            self.told[source as usize] -= usize::from(drop);
            kept += usize::from(!drop);
            // Nobody has waited there.
            while untrue_at.next_if(|at| *at < kept).is_some() {}
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Source::{First, Second};
    use super::*;

    fn ledger(turns: &[Source], first: &[usize], second: &[usize]) -> Ledger {
        let mut ledger = Ledger::default();
        turns.iter().for_each(|turn| ledger.told(*turn));
        first.iter().for_each(|length| ledger.read(First, *length));
        second.iter().for_each(|length| ledger.read(Second, *length));
        ledger
    }

    /// However late the reader is. Who comes to wait in the moment between a look and the reading may be misplaced, and some
    /// writes after him: hardly one write in 100,000 of a writer that never rests, but one in 50 where writes above 4 KiB are among them.
    #[test]
    fn every_write_is_in_its_place() {
        assert!(misplaced(200_000, 8) <= 40);
        // The first of them come to pipes that grow.
        let starts = (0..100).map(|_| misplaced(1_000, 8)).filter(|misplaced| *misplaced > 0);
        assert!(starts.count() <= 2);
        assert!(misplaced(50_000, 15_000) <= 2_500);
    }

    /// Writes `count` numbers to two pipes, one in ten of them with as much behind it as makes `most` bytes; of so many the
    /// next one was read before them.
    fn misplaced(count: u32, most: u32) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((first, to_first), (second, to_second)) = (packets().unwrap(), packets().unwrap());
            let mut streams = Streams::new(Some(first), Some(second)).unwrap();
            let writer = std::thread::spawn(move || {
                let (mut seed, mut left, mut to) = (7_u32, 0, &to_first);
                for number in 0..count {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if left == 0 {
                        left = if seed >> 28 == 0 { 300 } else { seed >> 29 };
                        to = if std::ptr::eq(to, &to_first) { &to_second } else { &to_first };
                    } else {
                        left -= 1;
                    }
                    let length = if number % 10 == 0 { 8 + (seed >> 8) % (most - 7) } else { 8 };
                    let mut bytes = vec![0; length as usize];
                    bytes[..4].copy_from_slice(&number.to_ne_bytes());
                    bytes[4..8].copy_from_slice(&length.to_ne_bytes());
                    assert_eq!(nix::unistd::write(to, &bytes), Ok(bytes.len()));
                }
            });
            let (mut numbers, mut unread, mut rounds) = (Vec::new(), [0, 0], 0);
            while !streams.has_ended() {
                streams.news().await;
                if rounds % 7 == 0 {
                    std::thread::sleep(Duration::from_micros(300));
                }
                rounds += 1;
                for Piece { source, bytes } in streams.gather(false) {
                    let unread = &mut unread[source as usize];
                    let mut bytes = &bytes[..];
                    while !bytes.is_empty() {
                        if *unread == 0 {
                            let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
                            numbers.push(number(0));
                            *unread = number(4) as usize;
                        }
                        let count = bytes.len().min(*unread);
                        *unread -= count;
                        bytes = &bytes[count..];
                    }
                }
            }
            writer.join().unwrap();
            let misplaced = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..count));
            misplaced
        })
    }

    #[test]
    fn turns_order_what_was_read() {
        let settled =
            |turns: &[Source], first: &[usize], second: &[usize]| ledger(turns, first, second).settle([true; 2]);
        assert_eq!(settled(&[First, Second, First], &[1, 2], &[3]), [(First, 1), (Second, 3), (First, 2)]);
        assert_eq!(settled(&[First, First, Second, First], &[1, 2, 4], &[3])[2], (Second, 3));
        // One write in three packets, and whole packets with turns of their own.
        assert_eq!(
            settled(&[First, Second, First], &[4096, 4096, 10, 5], &[3]),
            [(First, 8202), (Second, 3), (First, 5)]
        );
        assert_eq!(settled(&[First, Second, First], &[4096, 4096], &[3])[0], (First, 4096));
        // An end is told of too.
        assert_eq!(settled(&[First, First, Second], &[1], &[3]), [(First, 1), (Second, 3)]);
        // Nothing is lost where nothing was told.
        assert_eq!(settled(&[], &[1, 2], &[3]), [(First, 3), (Second, 3)]);
    }

    #[test]
    fn what_was_told_and_not_read_holds_up_what_follows() {
        let mut ledger = ledger(&[First, Second, First, Second], &[1], &[3, 4]);
        assert!(ledger.lacks(First) && !ledger.lacks(Second));
        assert_eq!(ledger.settle([false; 2]), [(First, 1), (Second, 3)]);
        ledger.read(First, 2);
        assert_eq!(ledger.settle([true; 2]), [(First, 2), (Second, 4)]);
    }

    #[test]
    fn what_a_full_pipe_told_is_no_write() {
        let mut full = ledger(&[First, First, First, Second, First], &[1, 2], &[3]);
        full.was_full(First);
        full.read(First, 4);
        assert_eq!(full.settle([true; 2]), [(First, 1), (First, 2), (Second, 3), (First, 4)]);
        let mut nobody_waited = ledger(&[First, First, Second, First], &[1, 2], &[3]);
        nobody_waited.was_full(First);
        nobody_waited.read(First, 4);
        assert_eq!(nobody_waited.settle([true; 2]), [(First, 1), (First, 2), (Second, 3), (First, 4)]);
    }

    #[test]
    fn what_was_read_ahead_is_told_in_vain() {
        let mut ledger = ledger(&[], &[1], &[]);
        assert!(ledger.is_behind());
        assert_eq!(ledger.settle([true; 2]), [(First, 1)]);
        [First, Second, First].into_iter().for_each(|turn| ledger.told(turn));
        ledger.read(First, 2);
        ledger.read(Second, 3);
        assert!(!ledger.is_behind());
        assert_eq!(ledger.settle([true; 2]), [(Second, 3), (First, 2)]);
    }
}
