//! The live view of a desktop: a kept process that serves it to browsers on this machine.

mod serve;
pub(crate) mod viewer;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use engine::process::{self, Kept};
use host::Lock;
use schema::desktop::ViewRecord;
use schema::process::RestartPolicy;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::stack::{self, Files, Part, connect, kept};
use viewer::Show;

/// What the process does, as the first word after our own name.
const ROLE: &str = "__view";

/// How a desktop is shown, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The port on 127.0.0.1; 0 is any that is free.
    pub port: u16,
    /// At most so many pictures a second.
    pub fps: u32,
    /// Of what moves, from 1 to 100; what rests is shown with 95.
    pub quality: u8,
    /// Whether viewers may only look.
    pub read_only: bool,
}

/// What is kept of a view.
#[derive(Serialize, Deserialize)]
struct State {
    #[serde(flatten)]
    view: View,
    token: String,
    process: Part,
}

/// What its process says.
#[derive(Serialize, Deserialize)]
struct Served {
    port: u16,
    pid: u32,
    viewers: usize,
}

/// Starts the view of a running desktop, and returns once it can be looked at. One that runs already is only told of.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::OtherView`], [`Error::PortTaken`], [`Error::NotStarted`], [`Error::Invalid`].
pub fn start_view(store: &Path, name: &str, view: View, env: &[(OsString, OsString)]) -> Result<ViewRecord, Error> {
    if !(1..=60).contains(&view.fps) || !(1..=100).contains(&view.quality) {
        return Err(Error::Invalid("show a desktop: fps are from 1 to 60, the quality from 1 to 100".to_owned()));
    }
    let files = Files::of(store, name);
    let desktop = connect(store, name)?;
    let _lock = Lock::take_within(&files.lock, stack::PATIENCE)?.ok_or_else(|| Error::Busy(name.to_owned()))?;
    if let Some(state) = running(store, &files)? {
        let View { port, fps, quality, read_only } = state.view;
        if view != (View { port: view.port, ..state.view }) || ![0, port].contains(&view.port) {
            let look = if read_only { "read-only" } else { "with input" };
            let running = format!("port {port}, {fps} fps, quality {quality}, {look}");
            return Err(Error::OtherView { name: name.to_owned(), running });
        }
        return view_status(store, name);
    }
    if serve::listen(view.port).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
        return Err(Error::PortTaken(view.port));
    }
    forget(&files);
    let mut state = State { view, token: host::secret::new()?, process: Part::default() };
    // It names itself, so that it is the same program also when another lies in its place.
    let command = ["/proc/self/exe", ROLE, name].map(str::to_owned).into_iter();
    let command = command.chain([store.to_string_lossy().into_owned()]).collect();
    save(&files.view, &state)?;
    let kept = kept(name, "view", command, "/".to_owned(), RestartPolicy::Always);
    let kept = Kept { with: Some(desktop.state.server_uid()), ..kept };
    let process = process::start(store, &kept, env)?;
    let deadline = Instant::now() + stack::PATIENCE;
    let served = loop {
        if let Some(served) = stack::read::<Served>(&files.viewers)? {
            break served;
        }
        if stack::has_failed(store, &process)? || Instant::now() > deadline {
            let why = stack::last_words(store, &process.process_id);
            stack::forget(store, &process)?;
            forget(&files);
            return Err(Error::NotStarted { program: "the view", why });
        }
        std::thread::sleep(stack::LOOK);
    };
    // Started again it is where it was.
    state.view.port = served.port;
    state.process = Part::of(&process);
    save(&files.view, &state)?;
    view_status(store, name)
}

/// Ends the view of a desktop. Nothing happens where there is none.
///
/// # Errors
/// [`Error::Busy`]; when the store fails.
pub fn stop_view(store: &Path, name: &str) -> Result<ViewRecord, Error> {
    let files = Files::of(store, name);
    if files.view.exists() {
        let _lock = Lock::take_within(&files.lock, stack::PATIENCE)?.ok_or_else(|| Error::Busy(name.to_owned()))?;
        if let Some(state) = running(store, &files)? {
            let process = process::find(store, &state.process.process_id)?;
            // It may have ended by itself meanwhile.
            let _ = process::stop(store, &process, Some(stack::GRACE));
            process::wait_for_end(store, &process, None)?;
        }
        forget(&files);
    }
    view_status(store, name)
}

/// Where the view of a desktop is, and how many look.
///
/// # Errors
/// When the store fails.
pub fn view_status(store: &Path, name: &str) -> Result<ViewRecord, Error> {
    let files = Files::of(store, name);
    let none = ViewRecord { active: false, url: None, port: None, viewers: 0, pid: None, read_only: false };
    let (Some(state), Some(served)) = (running(store, &files)?, stack::read::<Served>(&files.viewers)?) else {
        return Ok(none);
    };
    Ok(ViewRecord {
        active: true,
        url: Some(format!("http://127.0.0.1:{}/#{}", served.port, state.token)),
        port: Some(served.port),
        viewers: served.viewers,
        pid: Some(served.pid),
        read_only: state.view.read_only,
    })
}

/// What the process does; it does not return but with why it cannot.
///
/// # Errors
/// When the port is taken; without a desktop.
pub fn serve_view(store: &Path, name: &str) -> Result<(), Error> {
    let files = Files::of(store, name);
    let Some(state) = stack::read::<State>(&files.view)? else { return Err(Error::NotRunning(name.to_owned())) };
    let failed = |source| Error::File { doing: "serve", path: files.view.clone(), source };
    let listener = serve::listen(state.view.port).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let View { fps, quality, read_only, .. } = state.view;
    let show = Show { fps, quality, read_only };
    let path = files.viewers.clone();
    // One after the other, or an older number would be written over a newer one.
    let writing = std::sync::Mutex::new(());
    let told = move |viewers: &AtomicUsize| {
        let _alone = writing.lock();
        let viewers = viewers.load(Ordering::SeqCst);
        // Without room for it the view goes on; only the number is old.
        let _ = save(&path, &Served { port, pid: std::process::id(), viewers });
    };
    told(&AtomicUsize::new(0));
    let (store, name) = (store.to_owned(), name.to_owned());
    let meet = move || connect(&store, &name);
    let served = serve::Served { token: state.token, show, meet: Box::new(meet), told: Box::new(told) };
    serve::serve(&listener, served).map(drop).map_err(failed)
}

/// The view that is kept.
fn running(store: &Path, files: &Files) -> Result<Option<State>, Error> {
    match stack::read::<State>(&files.view)? {
        Some(state) if state.process != Part::default() && state.process.is_kept(store)? => Ok(Some(state)),
        Some(_) | None => Ok(None),
    }
}

fn save<T: Serialize>(path: &Path, state: &T) -> Result<(), Error> {
    stack::write(path, &serde_json::to_vec(state).expect("it has string keys"))
}

fn forget(files: &Files) {
    for path in [&files.view, &files.viewers] {
        // Not there is as good.
        let _ = std::fs::remove_file(path);
    }
}
