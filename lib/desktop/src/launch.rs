//! Programs that are started on a desktop, as managed processes, and the windows that they open.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::process;
use schema::desktop::{LaunchedRecord, WindowRecord};
use schema::process::RestartPolicy;
use store::Process;

use crate::connect::Desktop;
use crate::stack::{State, kept};
use crate::{Error, Filter};

/// What to start on a desktop. No `Debug`: the environment may hold secrets.
pub struct Launch {
    /// The program, searched in PATH, and its arguments.
    pub command: Vec<String>,
    /// Its environment; it gets the display besides.
    pub env: Vec<(OsString, OsString)>,
    /// The directory that it works in.
    pub cwd: PathBuf,
    /// How long to wait for a window of it.
    pub wait: Option<Duration>,
    /// Only a window whose title has this counts.
    pub title: Option<String>,
}

/// Starts a program, and waits for its window where that is wanted.
///
/// # Errors
/// [`host::Error::NotFound`] where there is no such program; [`Error::Timeout`] when no window came, and then it goes on.
pub fn launch(desktop: &Desktop, store: &Path, launch: &Launch) -> Result<LaunchedRecord, Error> {
    let before: Vec<String> = desktop.windows(&Filter::default())?.into_iter().map(|window| window.id).collect();
    let cwd = launch.cwd.to_string_lossy().into_owned();
    let kept = kept(&desktop.state.name, "app", launch.command.clone(), cwd, RestartPolicy::No);
    let process = process::start(store, &kept, &environment(&launch.env, &desktop.state))?;
    let window = match launch.wait {
        Some(patience) => Some(window(desktop, &process, launch, &before, Instant::now() + patience)?),
        None => None,
    };
    Ok(LaunchedRecord { process_id: process.process_id, pid: process.state.pid, window })
}

/// The environment of a program on a desktop.
pub(crate) fn environment(env: &[(OsString, OsString)], state: &State) -> Vec<(OsString, OsString)> {
    let own = [("DISPLAY", format!(":{}", state.display)), ("XAUTHORITY", state.xauthority.clone())];
    // A program that finds Wayland would open its window there.
    let others = env.iter().filter(|(name, _)| name != "WAYLAND_DISPLAY" && own.iter().all(|(own, _)| name != own));
    others.cloned().chain(own.iter().map(|(name, value)| ((*name).into(), value.into()))).collect()
}

/// Waits for a new window of the process or of what it has started; one that tells no process counts too.
fn window(
    desktop: &Desktop,
    process: &Process,
    launch: &Launch,
    before: &[String],
    deadline: Instant,
) -> Result<WindowRecord, Error> {
    let filter = Filter { title: launch.title.clone(), ..Filter::default() };
    let found = desktop.wait_for_window(&filter, deadline, &|window| {
        let is_its = window.pid.is_none_or(|pid| process::is_below(process, pid));
        is_its && !before.contains(&window.id)
    })?;
    found.ok_or_else(|| {
        Error::Timeout(format!("a window of `{}` (process {}, which goes on)", launch.command[0], process.process_id))
    })
}
