//! What a program gets from its guard between fork and exec: a terminal, limits, a cgroup, another user.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

use crate::Error;

/// What a program gets besides its command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Its stdin is to be its controlling terminal.
    pub tty: bool,
    /// Limits of each process.
    pub rlimits: Rlimits,
    /// The cgroup that it runs in: its directory.
    pub cgroup: Option<PathBuf>,
    /// Who it is, if not who we are.
    pub user: Option<User>,
}

/// Limits that the kernel keeps for each process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rlimits {
    /// Address space, in bytes.
    pub memory: Option<u64>,
    /// Processor time, in seconds; over it SIGXCPU, a second later SIGKILL.
    pub cpu_seconds: Option<u64>,
    /// Open files.
    pub files: Option<u64>,
    /// Processes of the user; root has no limit.
    pub processes: Option<u64>,
}

/// A user as the machine's files know him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// His name.
    pub name: String,
    /// His number.
    pub uid: u32,
    /// His group.
    pub gid: u32,
    /// All his groups.
    pub groups: Vec<u32>,
    /// His home.
    pub home: PathBuf,
    /// His shell.
    pub shell: PathBuf,
}

impl User {
    /// Looks up `NAME`, `UID`, `NAME:GROUP` or `UID:GID` in the machine's files (not through its name service, which
    /// a static program cannot ask).
    ///
    /// # Errors
    /// [`Error::File`] when there is no such user or group, or a file cannot be read.
    pub fn find(text: &str) -> Result<User, Error> {
        let (passwd, group) = (Path::new("/etc/passwd"), Path::new("/etc/group"));
        let (wanted, wanted_group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let users = read(passwd)?;
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let mut found = fields.filter(|fields| fields.len() >= 7);
        let known = found.find(|fields| fields[0] == wanted || fields[2] == wanted);
        let groups = read(group)?;
        let groups: Vec<Vec<&str>> =
            groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(|fields| fields.len() >= 4).collect();
        let named_group = match wanted_group {
            None => None,
            Some(wanted) => {
                let known = groups.iter().find(|fields| fields[0] == wanted).and_then(|fields| fields[2].parse().ok());
                Some(known.or_else(|| wanted.parse().ok()).ok_or_else(|| missing("find the group in", group, wanted))?)
            }
        };
        let (name, uid, gid, home, shell) = match known {
            Some(fields) => {
                let number = |at: usize| fields[at].parse::<u32>().map_err(|_| missing("read", passwd, fields[at]));
                (fields[0].to_owned(), number(2)?, number(3)?, fields[5].to_owned(), fields[6].to_owned())
            }
            // A number needs no name.
            None => match wanted.parse::<u32>() {
                Ok(uid) => (wanted.to_owned(), uid, uid, "/".to_owned(), "/bin/sh".to_owned()),
                Err(_) => return Err(missing("find the user in", passwd, wanted)),
            },
        };
        let gid = named_group.unwrap_or(gid);
        let member = |fields: &&Vec<&str>| fields[3].split(',').any(|member| member == name);
        let mut all: Vec<u32> = groups.iter().filter(member).filter_map(|fields| fields[2].parse().ok()).collect();
        all.push(gid);
        all.sort_unstable();
        all.dedup();
        Ok(User { name, uid, gid, groups: all, home: home.into(), shell: shell.into() })
    }
}

impl Setup {
    /// One argument of a command line. Not for people.
    pub(crate) fn to_arg(&self) -> OsString {
        let mut words = Vec::new();
        if self.tty {
            words.push("tty=1".to_owned());
        }
        let Rlimits { memory, cpu_seconds, files, processes } = self.rlimits;
        for (name, value) in [("memory", memory), ("cpu", cpu_seconds), ("files", files), ("processes", processes)] {
            words.extend(value.map(|value| format!("{name}={value}")));
        }
        if let Some(user) = &self.user {
            words.push(format!("uid={}", user.uid));
            words.push(format!("gid={}", user.gid));
            let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
            words.push(format!("groups={}", groups.join(":")));
        }
        let mut arg = words.join(",").into_bytes();
        // Last, because a path may hold anything.
        if let Some(cgroup) = &self.cgroup {
            arg.extend(b",cgroup=");
            arg.extend(cgroup.as_os_str().as_bytes());
        }
        OsString::from_vec(arg)
    }

    pub(crate) fn parse(arg: &OsStr) -> Option<Setup> {
        let mut setup = Setup::default();
        let bytes = arg.as_bytes();
        let mark = b",cgroup=";
        let at = bytes.windows(mark.len()).position(|window| window == mark);
        let (words, cgroup) = at.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + mark.len()..])));
        setup.cgroup = cgroup.map(|path| PathBuf::from(OsStr::from_bytes(path)));
        let mut user = User {
            name: String::new(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            home: PathBuf::new(),
            shell: PathBuf::new(),
        };
        for word in std::str::from_utf8(words).ok()?.split(',').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=')?;
            match name {
                "tty" => setup.tty = true,
                "memory" => setup.rlimits.memory = Some(value.parse().ok()?),
                "cpu" => setup.rlimits.cpu_seconds = Some(value.parse().ok()?),
                "files" => setup.rlimits.files = Some(value.parse().ok()?),
                "processes" => setup.rlimits.processes = Some(value.parse().ok()?),
                "uid" => {
                    user.uid = value.parse().ok()?;
                    setup.user = Some(user.clone());
                }
                "gid" => setup.user.as_mut()?.gid = value.parse().ok()?,
                "groups" => {
                    let groups = value.split(':').map(|group| group.parse().ok()).collect::<Option<_>>()?;
                    setup.user.as_mut()?.groups = groups;
                }
                _ => return None,
            }
        }
        Some(setup)
    }

    /// Does before the fork what may not be done after it.
    pub(crate) fn prepare(&self) -> io::Result<Prepared> {
        let cgroup = match &self.cgroup {
            Some(directory) => Some(File::options().write(true).open(directory.join("cgroup.procs"))?),
            None => None,
        };
        let Rlimits { memory, cpu_seconds, files, processes } = self.rlimits;
        let limits = [
            (libc::RLIMIT_AS, memory, memory),
            (libc::RLIMIT_CPU, cpu_seconds, cpu_seconds.map(|seconds| seconds.saturating_add(1))),
            (libc::RLIMIT_NOFILE, files, files),
            (libc::RLIMIT_NPROC, processes, processes),
        ];
        let limits = limits
            .into_iter()
            .filter_map(|(name, soft, hard)| Some((name, libc::rlimit { rlim_cur: soft?, rlim_max: hard? })));
        let user = self.user.as_ref().map(|user| (user.uid, user.gid, user.groups.clone()));
        Ok(Prepared { tty: self.tty, limits: limits.collect(), cgroup, user })
    }
}

#[cfg(target_env = "musl")]
type Resource = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Resource = libc::__rlimit_resource_t;

/// A setup that can be applied between fork and exec.
#[derive(Default)]
pub(crate) struct Prepared {
    tty: bool,
    limits: Vec<(Resource, libc::rlimit)>,
    cgroup: Option<File>,
    user: Option<(u32, u32, Vec<u32>)>,
}

impl Prepared {
    /// Makes only system calls; allocates nothing.
    pub(crate) fn apply(&self) -> io::Result<()> {
        let done = |result: libc::c_int| Errno::result(result).map(drop).map_err(io::Error::from);
        if self.tty {
            #[expect(unsafe_code)]
            // SAFETY: a request without a pointer, on our stdin.
            done(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
        }
        if let Some(mut file) = self.cgroup.as_ref() {
            file.write_all(b"0")?;
        }
        for (name, limit) in &self.limits {
            #[expect(unsafe_code)]
            // SAFETY: the limit is read during the call only.
            done(unsafe { libc::setrlimit(*name, &raw const *limit) })?;
        }
        if let Some((uid, gid, groups)) = &self.user {
            #[expect(unsafe_code)]
            // SAFETY: system calls; the list is read during the call only. This process has one thread.
            unsafe {
                done(libc::setgroups(groups.len(), groups.as_ptr()))?;
                done(libc::setgid(*gid))?;
                done(libc::setuid(*uid))?;
            }
        }
        Ok(())
    }
}

/// A cgroup of our own below one that we may write to, with limits set. `None` where there is none: no cgroup v2, not
/// delegated to us, or without the controllers that are needed.
pub fn cgroup(name: &str, memory: Option<u64>, processes: Option<u64>) -> Option<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    root.join("cgroup.controllers").exists().then_some(())?;
    let ours = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let ours = ours.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Processes may only be in leaves, so a new one goes beside the one that we are in.
    let parent = root.join(ours).parent().filter(|parent| parent.starts_with(root)).unwrap_or(root).to_owned();
    let directory = parent.join(name);
    std::fs::create_dir(&directory).ok()?;
    let set = |file: &str, value: Option<u64>| match value {
        Some(value) => std::fs::write(directory.join(file), value.to_string()).is_ok(),
        None => true,
    };
    let may_enter = File::options().write(true).open(parent.join("cgroup.procs")).is_ok();
    if may_enter && set("memory.max", memory) && set("pids.max", processes) {
        // Without this the limit would only be where swapping begins.
        let _ = std::fs::write(directory.join("memory.swap.max"), "0");
        return Some(directory);
    }
    let _ = std::fs::remove_dir(&directory);
    None
}

/// Removes a cgroup that nobody is in any more.
pub fn remove_cgroup(directory: &Path) {
    // The kernel refuses while somebody is in it; then it stays, empty one day.
    let _ = std::fs::remove_dir(directory);
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { action: "read", path: path.to_owned(), source })
}

fn missing(action: &'static str, path: &Path, what: &str) -> Error {
    let source = io::Error::new(io::ErrorKind::NotFound, format!("there is no `{}`", what.escape_debug()));
    Error::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rlimits = Rlimits { memory: Some(1 << 30), cpu_seconds: Some(3), files: None, processes: Some(7) };
        let mut setup = Setup { tty: true, rlimits, cgroup: Some("/a,b=c".into()), user: None };
        assert_eq!(Setup::parse(&setup.to_arg()), Some(setup.clone()));
        assert_eq!(Setup::parse(&Setup::default().to_arg()), Some(Setup::default()));
        let user = User::find("root").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_path()), (0, 0, Path::new("/root")));
        setup.user = Some(User { name: String::new(), home: PathBuf::new(), shell: PathBuf::new(), ..user });
        assert_eq!(Setup::parse(&setup.to_arg()), Some(setup));
        assert_eq!(User::find("4321:77").unwrap().groups, [77]);
        assert!(matches!(User::find("nobody-of-this-name"), Err(Error::File { .. })));
    }
}
