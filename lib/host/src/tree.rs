//! Everything below a process, wherever it moved.
//!
//! Spared everywhere: an owner that was started through our own binary (`__keep`) and all below it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::kill;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid};

use crate::Signal;

/// Whether a process is there and has not ended; one that nobody has reaped yet has ended.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name in brackets may hold anything; the state is the first word after it.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

/// Asks a process to end, by SIGTERM. Nothing happens where it has ended.
pub fn ask_to_end(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        // The only other error is that it is somebody else's: it lives on, and whoever waits for its end finds that out.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// Kills every process whose environment has `name=value`, and everything below it, in our PID namespace; for the
/// recovery after owner and guard were killed at once. Spared besides: ourselves and our ancestors, and what a living
/// guard with the same mark watches (a session of the same name in another store).
/// Returns how many were ended; waits up to two seconds for them to be gone.
pub fn end_marked(name: &str, value: &OsStr) -> usize {
    let mark = [name.as_bytes(), b"=", value.as_bytes()].concat();
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut ended = HashSet::new();
    let mut refused = HashSet::new();
    // Somebody may have forked and ended while the table was read: one look that finds nobody is not enough.
    let mut found_nobody = false;
    loop {
        let (mut left, undecided) = marked(&mark);
        left.retain(|process| !refused.contains(process));
        let finds_nobody = left.is_empty() && !undecided;
        if (finds_nobody && found_nobody) || Instant::now() > deadline {
            return ended.len();
        }
        found_nobody = finds_nobody;
        for process in left {
            match signal(process, Signal::SIGKILL) {
                Ok(()) => ended.insert(process),
                Err(Errno::ESRCH) => false,
                Err(_) => refused.insert(process),
            };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process has `name=value` in its environment.
pub fn is_marked(pid: u32, name: &str, value: &OsStr) -> bool {
    let mark = [name.as_bytes(), b"=", value.as_encoded_bytes()].concat();
    i32::try_from(pid).is_ok_and(|pid| environment(pid, &mark) == Environment::Marked)
}

/// Whether a process is `root`, or below it.
pub fn descends(pid: u32, root: u32) -> bool {
    let (Ok(mut pid), Ok(root)) = (i32::try_from(pid), i32::try_from(root)) else { return false };
    let mut seen = HashSet::new();
    while pid != root {
        match stat(pid) {
            // Read in pieces, the line may even be a circle.
            Some(stat) if seen.insert(pid) => pid = stat.parent,
            Some(_) | None => return false,
        }
    }
    true
}

/// One process, told apart from a later one with the same number by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    started: u64,
}

/// Visits everything below `root`, parents first; nothing that is spared. What is forked meanwhile may be missed: ask
/// until nothing new is found.
pub(crate) fn each_below(root: i32, visit: &mut dyn FnMut(Process)) {
    let table = (!lists_children()).then(everyone_by_parent);
    let children = |pid| match &table {
        Some(table) => table.get(&pid).cloned().unwrap_or_default(),
        None => children(pid),
    };
    let mut waiting = children(root);
    let mut seen = HashSet::from([root]);
    while let Some(pid) = waiting.pop() {
        if !seen.insert(pid) || role(pid) == Some(Role::Keep) {
            continue;
        }
        if let Some(stat) = stat(pid) {
            visit(Process { pid, started: stat.started });
        }
        waiting.extend(children(pid));
    }
}

/// Sends `sent` once to everything below `root`, also to what is forked meanwhile.
pub(crate) fn signal_below(root: i32, sent: Signal) {
    let mut done = HashSet::new();
    loop {
        let before = done.len();
        each_below(root, &mut |process| {
            if done.insert(process) {
                // It has ended by itself, or is somebody else's.
                let _ = signal(process, sent);
            }
        });
        if done.len() == before {
            return;
        }
    }
}

/// Sends a signal to exactly this process.
pub(crate) fn signal(process: Process, signal: Signal) -> Result<(), Errno> {
    // The descriptor is taken first and then the start compared: so the number cannot have been given away meanwhile.
    match pidfd(process.pid) {
        Ok(handle) => {
            if stat(process.pid).is_none_or(|now| now.started != process.started) {
                return Err(Errno::ESRCH);
            }
            #[expect(unsafe_code)]
            // SAFETY: a system call on a descriptor that is open; the null pointer means that there is no siginfo.
            let result = unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), signal as i32, std::ptr::null::<()>(), 0)
            };
            Errno::result(result).map(drop)
        }
        // Kernels before 5.3, and sandboxes that imitate one.
        Err(Errno::ENOSYS | Errno::EPERM) => kill(Pid::from_raw(process.pid), signal),
        Err(errno) => Err(errno),
    }
}

/// What a killed guard left to us, and everything below it. See [`adopt`].
pub(crate) fn strays(after: Process) -> Vec<Process> {
    let mut found = Vec::new();
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for pid in children(getpid().as_raw()) {
        let Some(stat) = stat(pid) else { continue };
        let process = Process { pid, started: stat.started };
        if known.contains(&process) || process.started < after.started || role(pid).is_some() {
            continue;
        }
        // One that has ended stays in the table until it is taken; it is ours alone.
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        if stat_alive(pid) {
            found.push(process);
            each_below(pid, &mut |below| found.push(below));
        }
    }
    found
}

/// Makes us the parent of whatever a guard leaves behind should it be killed, and remembers the children that we had
/// before: they came with us through an exec (`exec sandbox-agent … > >(tee log)`) and are nobody's strays.
pub(crate) fn adopt() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let here = children(getpid().as_raw()).into_iter().filter_map(identify);
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).extend(here);
        // Where the kernel refuses, a killed guard's processes are found by their mark only.
        let _ = set_child_subreaper(true);
    });
}

static KNOWN: Mutex<Vec<Process>> = Mutex::new(Vec::new());

/// The process that has this number now.
pub(crate) fn identify(pid: i32) -> Option<Process> {
    stat(pid).map(|stat| Process { pid, started: stat.started })
}

/// What a process of our own binary was started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Keep,
    Guard,
}

fn role(pid: i32) -> Option<Role> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let role = match line.split(|byte| *byte == 0).nth(1)? {
        b"__keep" => Role::Keep,
        b"__guard" => Role::Guard,
        _ => return None,
    };
    is_our_executable(pid).then_some(role)
}

/// By inode, or, since an upgrade may have replaced the file under a running owner, by name.
fn is_our_executable(pid: i32) -> bool {
    let ours = Path::new("/proc/self/exe");
    let theirs = format!("/proc/{pid}/exe");
    let same_file = match (fs::metadata(ours), fs::metadata(&theirs)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        (Err(_), _) | (_, Err(_)) => false,
    };
    let name = |path: &Path| {
        let link = fs::read_link(path).ok()?;
        let bytes = link.as_os_str().as_bytes();
        Some(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes).to_vec())
    };
    same_file || name(ours).is_some_and(|ours| name(Path::new(&theirs)) == Some(ours))
}

/// Direct children, of every thread.
fn children(pid: i32) -> Vec<i32> {
    if !lists_children() {
        return everyone_by_parent().remove(&pid).unwrap_or_default();
    }
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Not so in kernels without CONFIG_PROC_CHILDREN, and in sandboxes that imitate one.
fn lists_children() -> bool {
    static LISTS: OnceLock<bool> = OnceLock::new();
    *LISTS.get_or_init(|| Path::new("/proc/thread-self/children").exists())
}

fn everyone_by_parent() -> HashMap<i32, Vec<i32>> {
    let mut table: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in everyone() {
        if let Some(stat) = stat(pid) {
            table.entry(stat.parent).or_default().push(pid);
        }
    }
    table
}

fn everyone() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

struct Stat {
    parent: i32,
    /// In clock ticks since the machine started.
    started: u64,
    zombie: bool,
    /// It has an empty environment, or none for ever: kernel threads, zombies.
    bare: bool,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses included.
    let after_name = text.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&text[after_name..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let flags: u32 = fields.nth(4)?.parse().ok()?;
    let started = fields.nth(12)?.parse().ok()?;
    let zombie = state == "Z" || state == "X";
    // Both are 0 in the middle of an exec or of its end.
    let (start, end) = (fields.nth(27)?, fields.next()?);
    let bare = zombie || flags & KERNEL_THREAD != 0 || start == end && end != "0";
    Some(Stat { parent, started, zombie, bare })
}

/// From `linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;

fn stat_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !stat.zombie)
}

fn pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    #[expect(unsafe_code)]
    // SAFETY: a system call without pointers; what it returns is a descriptor that nobody else owns.
    unsafe {
        let fd = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// The living processes that [`end_marked`] is about, and whether there are more of which that cannot be told just now.
fn marked(mark: &[u8]) -> (Vec<Process>, bool) {
    let table: HashMap<i32, Stat> = everyone().into_iter().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let line = |pid: i32| {
        // From the process up to the oldest ancestor that we can see; a table read in pieces may even have a circle.
        let mut line = vec![pid];
        while let Some(stat) = line.last().and_then(|last| table.get(last))
            && !line.contains(&stat.parent)
        {
            line.push(stat.parent);
        }
        line
    };
    let ourselves: HashSet<i32> = line(getpid().as_raw()).into_iter().collect();
    let here = fs::read_link("/proc/self/ns/pid").ok();
    // In a container below us the same name is another session's.
    let environments: HashMap<i32, Environment> = table.keys().map(|pid| (*pid, environment(*pid, mark))).collect();
    let carries: HashSet<i32> = table
        .keys()
        .filter(|pid| environments[pid] == Environment::Marked)
        .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).ok() == here)
        .copied()
        .collect();
    let roles: HashMap<i32, Role> = table.keys().filter_map(|pid| Some((*pid, role(*pid)?))).collect();
    let is_carrier = |pid: &i32| carries.contains(pid);
    let spares = |pid: &i32| match roles.get(pid) {
        Some(Role::Keep) => true,
        Some(Role::Guard) => is_carrier(pid),
        None => false,
    };
    let ends = |pid: &i32| {
        let line = line(*pid);
        line.iter().any(is_carrier) && !line.iter().any(spares) && !ourselves.contains(pid)
    };
    let living = || table.iter().filter(|(_, stat)| !stat.zombie);
    let found =
        living().filter(|(pid, _)| ends(pid)).map(|(pid, stat)| Process { pid: *pid, started: stat.started }).collect();
    // Nothing is what an exec lets us read, whether we came into its middle or opened what it then left behind.
    let undecided =
        living().any(|(pid, _)| environments[pid] == Environment::Empty && stat(*pid).is_some_and(|now| !now.bare));
    (found, undecided)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Environment {
    Marked,
    Unmarked,
    Empty,
    /// It is not ours to read, or its process has gone.
    Closed,
}

fn environment(pid: i32, mark: &[u8]) -> Environment {
    match fs::read(format!("/proc/{pid}/environ")) {
        Err(_) => Environment::Closed,
        Ok(text) if text.is_empty() => Environment::Empty,
        Ok(text) if text.split(|byte| *byte == 0).any(|entry| entry == mark) => Environment::Marked,
        Ok(_) => Environment::Unmarked,
    }
}
