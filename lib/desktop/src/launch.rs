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

/// Starts a program, and waits for its window where that is wanted: a new one of the process or of what it has started; one
/// that tells no process counts too.
///
/// # Errors
/// [`host::Error::NotFound`] where there is no such program; [`Error::NotOpened`] where it fails before it has a window;
/// [`Error::Timeout`] when no window came, and then it goes on.
pub fn launch(desktop: &Desktop, store: &Path, launch: &Launch) -> Result<LaunchedRecord, Error> {
    let awaited = Awaited::from_now(desktop, launch.wait)?;
    let process = start(desktop, store, launch)?;
    let is_its = |window: &WindowRecord| window.pid.is_none_or(|pid| process::is_below(&process, pid));
    let find = |awaited: Awaited| awaited.window(desktop, store, &process, &launch.filter, &launch.command[0], &is_its);
    let window = awaited.map(find).transpose()?;
    Ok(LaunchedRecord { process_id: process.process_id, pid: process.state.pid, window })
}

fn start(desktop: &Desktop, store: &Path, launch: &Launch) -> Result<Process, Error> {
    let cwd = launch.cwd.to_string_lossy().into_owned();
    let kept = kept(&desktop.state.name, "app", launch.command.clone(), cwd, RestartPolicy::No);
    let kept = Kept { with: (!desktop.state.is_foreign()).then(|| desktop.state.server_uid()), ..kept };
    Ok(process::start(store, &kept, &environment(&launch.env, &desktop.state))?)
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
    let launch = Launch { command: vec![OPENER.to_owned(), target.clone()], ..launch };
    let process = start(desktop, store, &launch)?;
    let find = |awaited: Awaited| awaited.window(desktop, store, &process, &launch.filter, &target, &|_| true);
    let window = awaited.map(find).transpose()?;
    Ok(LaunchedRecord { process_id: process.process_id, pid: process.state.pid, window })
}

/// Between two looks whether the program has failed.
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
    /// From now on; nothing where nobody waits. What is started afterwards finds a window manager.
    fn from_now(desktop: &Desktop, wait: Option<Duration>) -> Result<Option<Self>, Error> {
        desktop.settle()?;
        let Some(patience) = wait else { return Ok(None) };
        let before = desktop.windows(&Filter::default())?;
        Ok(Some(Self { patience, before: before.into_iter().map(|window| (window.id, window.pid)).collect() }))
    }

    /// Waits for a new window that is wanted, until the process that is to open it has failed.
    fn window(
        &self,
        desktop: &Desktop,
        store: &Path,
        process: &Process,
        filter: &Filter,
        what: &str,
        is_wanted: &dyn Fn(&WindowRecord) -> bool,
    ) -> Result<WindowRecord, Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            let next = deadline.min(Instant::now() + LOOK);
            let is_wanted = |window: &WindowRecord| self.is_new(window) && is_wanted(window);
            if let Some(window) = desktop.wait_for_window(filter, next, &is_wanted)? {
                return Ok(window);
            }
            let id = &process.process_id;
            let now = process::find(store, id)?.state;
            // One that ends well may have handed over to another.
            let has_ended = now.status == "exited";
            if has_ended && now.exit_code != Some(0) {
                return Err(Error::NotOpened { target: what.to_owned(), why: last_words(store, id) });
            }
            if Instant::now() >= deadline {
                let fate = if has_ended { "has ended" } else { "goes on" };
                return Err(Error::Timeout(format!("a window for `{what}` (process {id}, which {fate})")));
            }
        }
    }

    /// The server gives the ids of a program that has ended to the next one.
    fn is_new(&self, window: &WindowRecord) -> bool {
        !self.before.iter().any(|(id, pid)| *id == window.id && *pid == window.pid)
    }
}
