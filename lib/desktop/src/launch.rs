//! Programs that are started on a desktop, as managed processes, and the windows that they open.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::process::{self, Kept};
use host::find;
use schema::desktop::{LaunchedRecord, WindowRecord};
use schema::process::RestartPolicy;
use store::Process;

use crate::connect::Desktop;
use crate::stack::{State, kept, last_words};
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
    /// Only such a window counts.
    pub filter: Filter,
}

/// Starts a program, and waits for its window where that is wanted.
///
/// # Errors
/// [`host::Error::NotFound`] where there is no such program; [`Error::Timeout`] when no window came, and then it goes on.
pub fn launch(desktop: &Desktop, store: &Path, launch: &Launch) -> Result<LaunchedRecord, Error> {
    let awaited = Awaited::from_now(desktop, launch.wait)?;
    let cwd = launch.cwd.to_string_lossy().into_owned();
    let kept = kept(&desktop.state.name, "app", launch.command.clone(), cwd, RestartPolicy::No);
    let kept = Kept { with: (!desktop.state.is_foreign()).then(|| desktop.state.server_uid()), ..kept };
    let process = process::start(store, &kept, &environment(&launch.env, &desktop.state))?;
    let window = awaited.map(|awaited| window(desktop, &process, launch, &awaited)).transpose()?;
    Ok(LaunchedRecord { process_id: process.process_id, pid: process.state.pid, window })
}

/// What opens a file or an address with the program that is meant for it.
pub(crate) const OPENER: &str = "xdg-open";

/// Opens a file or an address with the program that is meant for it; `launch` has no command. Where it waits, any new
/// window counts: the program may run already.
///
/// # Errors
/// [`Error::NoTarget`] where there is no such file; [`Error::Missing`]; [`Error::NotOpened`] and [`Error::Timeout`] where it
/// waits.
pub fn open(desktop: &Desktop, store: &Path, target: &str, launch: Launch) -> Result<LaunchedRecord, Error> {
    let target = checked(target, &launch.cwd)?;
    if find::program(Path::new(OPENER), &[]).is_err() {
        return Err(Error::Missing(vec![OPENER.to_owned()]));
    }
    let awaited = Awaited::from_now(desktop, launch.wait)?;
    let filter = launch.filter.clone();
    let begun = Launch { command: vec![OPENER.to_owned(), target.clone()], wait: None, ..launch };
    let mut opened = self::launch(desktop, store, &begun)?;
    let Some(awaited) = awaited else { return Ok(opened) };
    let deadline = Instant::now() + awaited.patience;
    while opened.window.is_none() {
        let next = deadline.min(Instant::now() + LOOK);
        opened.window = desktop.wait_for_window(&filter, next, &|window| awaited.is_new(window))?;
        let process = process::find(store, &opened.process_id)?;
        if process.state.status == "exited" && process.state.exit_code != Some(0) {
            return Err(Error::NotOpened { target, why: last_words(store, &process.process_id) });
        }
        if opened.window.is_none() && Instant::now() >= deadline {
            let what = format!("a window for `{target}` (process {}, which goes on)", process.process_id);
            return Err(Error::Timeout(what));
        }
    }
    Ok(opened)
}

/// Between two looks whether it could be opened.
const LOOK: Duration = Duration::from_millis(100);

/// A file as an absolute path, an address as it is.
fn checked(target: &str, cwd: &Path) -> Result<String, Error> {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        let is_fit = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
        scheme.starts_with(|char: char| char.is_ascii_alphabetic()) && scheme.chars().all(is_fit)
    });
    let path = cwd.join(target);
    match scheme {
        _ if !target.is_empty() && path.exists() => Ok(path.to_string_lossy().into_owned()),
        Some("file") | None => Err(Error::NoTarget(target.to_owned())),
        Some(_) => Ok(target.to_owned()),
    }
}

/// The environment of a program on a desktop.
pub(crate) fn environment(env: &[(OsString, OsString)], state: &State) -> Vec<(OsString, OsString)> {
    let mut own = vec![
        ("DISPLAY", Some(format!(":{}", state.display))),
        ("XAUTHORITY", Some(state.xauthority.clone())),
        ("DBUS_SESSION_BUS_ADDRESS", state.bus_address()),
        // A program that finds Wayland would open its window there.
        ("WAYLAND_DISPLAY", None),
    ];
    // What lets into a display of others, and their bus, is where we have it from.
    if state.is_foreign() {
        own.retain(|(name, _)| !["XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"].contains(name));
    }
    let others = env.iter().filter(|(name, _)| own.iter().all(|(own, _)| name != own));
    let own = own.iter().filter_map(|(name, value)| Some(((*name).into(), value.as_ref()?.into())));
    others.cloned().chain(own).collect()
}

/// A window that is waited for: how long, and which ones were there before.
struct Awaited {
    patience: Duration,
    before: Vec<(String, Option<u32>)>,
}

impl Awaited {
    /// From now on; nothing where nobody waits.
    fn from_now(desktop: &Desktop, wait: Option<Duration>) -> Result<Option<Self>, Error> {
        let Some(patience) = wait else { return Ok(None) };
        desktop.settle()?;
        let before = desktop.windows(&Filter::default())?;
        Ok(Some(Self { patience, before: before.into_iter().map(|window| (window.id, window.pid)).collect() }))
    }

    /// The server gives the ids of a program that has ended to the next one.
    fn is_new(&self, window: &WindowRecord) -> bool {
        !self.before.iter().any(|(id, pid)| *id == window.id && *pid == window.pid)
    }
}

/// Waits for a new window of the process or of what it has started; one that tells no process counts too.
fn window(desktop: &Desktop, process: &Process, launch: &Launch, awaited: &Awaited) -> Result<WindowRecord, Error> {
    let deadline = Instant::now() + awaited.patience;
    let found = desktop.wait_for_window(&launch.filter, deadline, &|window| {
        awaited.is_new(window) && window.pid.is_none_or(|pid| process::is_below(process, pid))
    })?;
    found.ok_or_else(|| {
        Error::Timeout(format!("a window of `{}` (process {}, which goes on)", launch.command[0], process.process_id))
    })
}
