//! Guards that stay for one program after the other: what runs many short ones does not start a guard for each.
//!
//! Such a guard is as any other until nothing of its program is alive. Then it may be left idle, its lifeline held, and is
//! given the next program over a socket, with that program's streams. One that still has something below it is never kept.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair,
};

use crate::setup::Setup;
use crate::tree::Process;
use crate::{Spec, spawn};

/// What an order may have, in bytes; for a longer one a guard is started.
const LONGEST: usize = 64 << 10;

/// How many guards are kept idle.
const MOST: usize = 4;

static IDLE: Mutex<Vec<(Idle, Instant)>> = Mutex::new(Vec::new());

/// A guard with nothing below it.
pub(crate) struct Idle {
    pub(crate) process: Child,
    pub(crate) identity: Option<Process>,
    pub(crate) lifeline: OwnedFd,
    pub(crate) status: OwnedFd,
    pub(crate) orders: OwnedFd,
}

impl Idle {
    /// One that was given this program; `None` where there is none that takes it.
    pub(crate) fn hire(spec: &Spec, setup: &Setup, streams: &[OwnedFd; 3]) -> Option<Idle> {
        let order = Order::of(spec, setup).to_bytes().filter(|bytes| bytes.len() <= LONGEST)?;
        loop {
            let (idle, _) = held().pop()?;
            // One that has something to say has been killed.
            let is_there = poll(&mut [PollFd::new(idle.status.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(0);
            if is_there && send(&idle.orders, &order, streams).is_ok() {
                return Some(idle);
            }
            idle.end();
        }
    }

    /// Keeps it for the next program.
    pub(crate) fn keep(self) {
        let mut idle = held();
        idle.push((self, Instant::now()));
        let one_too_many = (idle.len() > MOST).then(|| idle.remove(0));
        drop(idle);
        if let Some((oldest, _)) = one_too_many {
            oldest.end();
        }
    }

    fn end(mut self) {
        drop(self.lifeline);
        // It has nothing to end: this takes no time. One that was killed has gone.
        let _ = self.process.wait();
    }
}

/// Ends the guards that nobody has needed for so long. Returns how many idle ones are left.
pub fn end_idle(rest: Duration) -> usize {
    let mut idle = held();
    let long_ago: Vec<(Idle, Instant)> = idle.extract_if(.., |(_, since)| since.elapsed() >= rest).collect();
    let left = idle.len();
    drop(idle);
    for (idle, _) in long_ago {
        idle.end();
    }
    left
}

fn held() -> MutexGuard<'static, Vec<(Idle, Instant)>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a guard is to start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) setup: Setup,
    pub(crate) dir: PathBuf,
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl Order {
    fn of(spec: &Spec, setup: &Setup) -> Order {
        let (program, args, env) = (spec.program.clone().into(), spec.args.clone(), spec.env.clone());
        Order { setup: setup.clone(), dir: spec.dir.clone(), program, args, env }
    }

    /// Words with a zero byte behind each; `None` where one has a zero byte itself.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let (setup, count) = (self.setup.to_arg(), OsString::from(self.args.len().to_string()));
        let words = [&setup, self.dir.as_os_str(), &self.program, &count];
        let words = words.into_iter().chain(self.args.iter().map(OsString::as_os_str));
        let env = self.env.iter().flat_map(|(name, value)| [name.as_os_str(), value.as_os_str()]);
        let mut bytes = Vec::new();
        for word in words.chain(env) {
            (!word.as_bytes().contains(&0)).then_some(())?;
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        Some(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Order> {
        let mut words = bytes.strip_suffix(&[0])?.split(|byte| *byte == 0).map(OsStr::from_bytes).map(OsStr::to_owned);
        let (setup, dir, program) = (Setup::parse(&words.next()?)?, words.next()?.into(), words.next()?);
        let count = words.next()?.to_str()?.parse().ok()?;
        let args = words.by_ref().take(count).collect();
        let mut env = Vec::new();
        while let Some(name) = words.next() {
            env.push((name, words.next()?));
        }
        Some(Order { setup, dir, program, args, env })
    }
}

/// Two ends of what orders are sent through.
pub(crate) fn socket() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

fn send(socket: &OwnedFd, order: &[u8], streams: &[OwnedFd; 3]) -> nix::Result<()> {
    let streams = streams.each_ref().map(AsRawFd::as_raw_fd);
    let (bytes, rights) = ([IoSlice::new(order)], [ControlMessage::ScmRights(&streams)]);
    sendmsg::<()>(socket.as_raw_fd(), &bytes, &rights, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// The order that has come; `None` where none has, or nobody is there to give one.
pub(crate) fn receive(socket: &OwnedFd) -> io::Result<Option<(Order, [OwnedFd; 3])>> {
    let mut bytes = vec![0; LONGEST];
    let mut rights = nix::cmsg_space!([RawFd; 3]);
    let (count, streams) = {
        let mut into = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut rights), flags) {
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            message => message?,
        };
        let rights = message.cmsgs()?.filter_map(|rights| {
            let ControlMessageOwned::ScmRights(fds) = rights else { return None };
            Some(fds)
        });
        (message.bytes, rights.flatten().map(spawn::owned).collect::<Vec<_>>())
    };
    let order = Order::parse(&bytes[..count]).zip(streams.try_into().ok());
    order.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let order = Order {
            setup: Setup::default(),
            dir: "/tmp".into(),
            program: "sh".into(),
            args: vec!["-c".into(), "".into()],
            env: vec![("A".into(), "".into()), ("B".into(), OsString::from_vec(vec![b'=', 0xff]))],
        };
        let (to, from) = socket().unwrap();
        assert!(receive(&from).unwrap().is_none());
        let streams = [(); 3].map(|()| OwnedFd::from(spawn::null().unwrap()));
        send(&to, &order.to_bytes().unwrap(), &streams).unwrap();
        assert_eq!(receive(&from).unwrap().unwrap().0, order);
        let order = Order { args: vec![OsString::from_vec(vec![0])], ..order };
        assert_eq!(order.to_bytes(), None);
    }
}
