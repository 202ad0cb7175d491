//! What a program is started with: its environment, its limits, the user it runs as.

use std::ffi::OsString;
use std::path::PathBuf;

use host::setup::{self, Rlimits, Setup, User};
use host::{Spec, Stop};
use schema::process::{Limits, LimitsBy};

use crate::Error;

/// What to start. No `Debug`: the environment may hold secrets.
#[derive(Clone)]
pub struct Launch {
    /// The program, searched in the `PATH` of `env`, and its arguments.
    pub command: Vec<String>,
    /// The complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// What it may use at most.
    pub limits: Limits,
    /// `USER[:GROUP]`, for root only.
    pub run_as: Option<String>,
}

/// A launch that the machine has agreed to.
pub(crate) struct Ready {
    pub(crate) spec: Spec,
    pub(crate) setup: Setup,
    pub(crate) limits_by: Option<LimitsBy>,
}

impl Launch {
    /// Looks up the user and finds out who keeps the limits; `name` is for a cgroup.
    pub(crate) fn prepare(&self, name: &str) -> Result<Ready, Error> {
        let user = self.run_as.as_deref().map(User::find).transpose()?;
        if let Some(run_as) = &self.run_as
            && !host::raw::is_root()
        {
            return Err(super::Error::NotRoot(run_as.clone()).into());
        }
        let mut env = self.env.clone();
        if let Some(user) = &user {
            let told = [("HOME", user.home.as_os_str()), ("SHELL", user.shell.as_os_str())];
            let named = [("USER", user.name.as_ref()), ("LOGNAME", user.name.as_ref())];
            for (name, value) in told.into_iter().chain(named) {
                env.retain(|(other, _)| other != name);
                env.push((name.into(), value.to_owned()));
            }
        }
        let Limits { memory, cpu_seconds, files, processes } = self.limits;
        let mut rlimits = Rlimits { memory, cpu_seconds, files, processes };
        let wanted = memory.is_some() || processes.is_some();
        let cgroup = if wanted { setup::cgroup(&format!("sandbox-agent-{name}"), memory, processes) } else { None };
        if cgroup.is_some() {
            rlimits = Rlimits { memory: None, processes: None, ..rlimits };
        }
        let limits_by = match (&cgroup, self.limits.is_empty()) {
            (_, true) => None,
            (Some(_), false) => Some(LimitsBy::Cgroup),
            (None, false) => Some(LimitsBy::Rlimits),
        };
        let (program, args) = self.command.split_first().ok_or(super::Error::NoCommand)?;
        // Its own ladder ends a process, not the unit's.
        let stop = Stop { eof: std::time::Duration::ZERO, term: std::time::Duration::ZERO };
        let args = args.iter().map(OsString::from).collect();
        let spec = Spec { program: program.into(), args, env, dir: self.cwd.clone(), stop };
        Ok(Ready { spec, setup: Setup { tty: false, rlimits, cgroup, user }, limits_by })
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(cgroup) = &self.setup.cgroup {
            setup::remove_cgroup(cgroup);
        }
    }
}
