//! Starting, stopping and telling of a desktop: an X server and a window manager as managed processes, and a file that
//! says where they are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::Places;
use engine::process::{self, Kept, LogItem, LogRequest};
use host::{Lock, clock, find};
use schema::Timestamp;
use schema::desktop::{DesktopProcess, DesktopRecord, DesktopState, Resolution};
use schema::process::{LogLine, ProcessRecord, ProcessStatus, RestartPolicy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::Process;
use x11rb::protocol::xproto::EventMask;

use crate::connect::{Desktop, abstract_socket, socket, socket_file};
use crate::packages::{Manager, Packages};
use crate::{Error, launch, manager, record};

/// The programs that make a desktop.
const PROGRAMS: [&str; 2] = ["Xvfb", "openbox"];

/// What carries the messages of programs to one another; not all want it.
const BUS: &str = "dbus-daemon";

/// The first display that is tried.
const FIRST_DISPLAY: u32 = 99;

/// How many displays are tried.
const DISPLAYS: u32 = 1000;

/// What the server calls its cookies.
pub(crate) const COOKIE_KIND: &[u8] = b"MIT-MAGIC-COOKIE-1";

/// How long a program of a desktop may take to be ready, on a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a server that is coming up, and tells nobody.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// How long a program may take to end after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// After how many ends within ten seconds of their start the programs are given up: some twelve seconds.
const RESTARTS: u32 = 6;

/// What to start. No `Debug`: the environment may hold secrets.
#[derive(Clone)]
pub struct Start {
    /// The desktop's name.
    pub name: String,
    /// Of the screen, in pixels.
    pub width: u16,
    /// Of the screen, in pixels.
    pub height: u16,
    /// Dots an inch.
    pub dpi: u16,
    /// The display's number; else the first that is free.
    pub display: Option<u32>,
    /// Whether programs may draw with OpenGL; costs 57 MB.
    pub gl: bool,
    /// Whether one that runs with another screen is ended first.
    pub replace: bool,
    /// The environment of its programs.
    pub env: Vec<(OsString, OsString)>,
}

/// What a command has to know of a running desktop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) display: u32,
    pub(crate) xauthority: String,
    /// In hex.
    cookie: String,
    width: u16,
    height: u16,
    pub(crate) dpi: u16,
    /// Milliseconds since 1970.
    started: i64,
    pub(crate) server: Part,
    manager: Part,
    /// Where there is a D-Bus daemon.
    #[serde(default)]
    bus: Option<Part>,
}

/// A managed process of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) process_id: String,
    uid: String,
}

/// Where a desktop's files lie.
pub(crate) struct Files {
    state: PathBuf,
    xauthority: PathBuf,
    /// The window manager's configuration.
    manager: PathBuf,
    pub(crate) lock: PathBuf,
    /// What the view is, and what its process says of itself.
    pub(crate) view: PathBuf,
    pub(crate) viewers: PathBuf,
}

impl Part {
    pub(crate) fn of(process: &Process) -> Part {
        Part { process_id: process.process_id.clone(), uid: process.uid.clone() }
    }

    /// Whether it is there or will be started again: somebody keeps it.
    pub(crate) fn is_kept(&self, store: &Path) -> Result<bool, Error> {
        Ok(host::lock::held(&Places::beside(store).lock(&self.uid))?)
    }
}

impl State {
    /// By which what runs on it knows that it is over.
    pub(crate) fn server_uid(&self) -> String {
        self.server.uid.clone()
    }

    /// Where programs find the session bus; it stays the same when that is started again.
    pub(crate) fn bus_address(&self) -> Option<String> {
        self.bus.as_ref().map(|_| format!("unix:abstract={}", bus_name(&self.server.uid)))
    }

    /// Of a display that others have started: what is asked for comes from the display itself.
    pub(crate) fn foreign(name: &str, display: u32) -> State {
        State {
            name: name.to_owned(),
            display,
            xauthority: String::new(),
            cookie: String::new(),
            width: 0,
            height: 0,
            dpi: 96,
            started: 0,
            server: Part::default(),
            manager: Part::default(),
            bus: None,
        }
    }

    /// Whether others have started it.
    pub(crate) fn is_foreign(&self) -> bool {
        self.name.starts_with(':')
    }

    pub(crate) fn cookie(&self) -> Vec<u8> {
        let digits = self.cookie.as_bytes().chunks(2);
        digits
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .map(Option::unwrap_or_default)
            .collect()
    }
}

/// The programs that are needed and not installed.
pub fn missing() -> Vec<String> {
    absent(&PROGRAMS)
}

/// The programs that some commands use, and that are not installed.
pub fn missing_besides() -> Vec<String> {
    absent(&[BUS, record::FFMPEG, launch::OPENER])
}

fn absent(names: &[&str]) -> Vec<String> {
    names.iter().filter(|name| find::program(Path::new(name), &[]).is_err()).map(|name| (*name).to_owned()).collect()
}

/// Starts a desktop, and returns once a window could be opened on it. One that runs with the same screen is only told of.
///
/// # Errors
/// [`Error::Missing`], [`Error::Busy`], [`Error::Other`], [`Error::DisplayTaken`], [`Error::NotStarted`].
pub fn start(store: &Path, start: &Start) -> Result<DesktopRecord, Error> {
    let missing = missing();
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    Places::beside(store).make()?;
    let files = Files::of(store, &start.name);
    let lock = Lock::take(&files.lock)?.ok_or_else(|| Error::Busy(start.name.clone()))?;
    if let Some(state) = files.read()?
        && state.server.is_kept(store)?
    {
        let Resolution { width, height, dpi } = state.resolution();
        if (width, height, dpi) == (start.width, start.height, start.dpi) {
            return status(store, &start.name);
        }
        if !start.replace {
            let running = format!("{width}x{height} pixels and {dpi} dpi");
            return Err(Error::Other { name: start.name.clone(), running });
        }
        end_recording(store, &start.name);
    }
    // What one that ended by itself left, or a start that was killed.
    end(store, &files, &start.name)?;
    let cookie = host::secret::new()?;
    let mut state = State {
        name: start.name.clone(),
        display: 0,
        xauthority: files.xauthority.to_string_lossy().into_owned(),
        cookie,
        width: start.width,
        height: start.height,
        dpi: start.dpi,
        started: clock::now_ms(),
        server: Part::default(),
        manager: Part::default(),
        bus: None,
    };
    write(&files.xauthority, &xauthority(&state.cookie()))?;
    let begun = begin(store, start, &mut state);
    if let Err(error) = begun {
        files.remove();
        return Err(error);
    }
    let text = serde_json::to_vec(&state).expect("it has string keys");
    if let Err(error) = write(&files.state, &text) {
        end(store, &files, &start.name)?;
        return Err(error);
    }
    drop(lock);
    status(store, &start.name)
}

/// Ends a desktop with everything that was launched on it. Nothing happens where there is none.
///
/// # Errors
/// [`Error::Busy`]; when the store fails.
pub fn stop(store: &Path, name: &str) -> Result<DesktopRecord, Error> {
    let files = Files::of(store, name);
    // A start that was killed has left no state.
    if Places::beside(store).directory().is_dir() {
        end_recording(store, name);
        let lock = Lock::take_within(&files.lock, PATIENCE)?.ok_or_else(|| Error::Busy(name.to_owned()))?;
        end(store, &files, name)?;
        drop(lock);
    }
    status(store, name)
}

/// It should end well before the screen goes; how that went its row says.
fn end_recording(store: &Path, name: &str) {
    let _ = record::stop(store, name);
}

/// What a desktop is doing.
///
/// # Errors
/// When the store fails.
pub fn status(store: &Path, name: &str) -> Result<DesktopRecord, Error> {
    let missing = missing();
    let install_command = match (missing.is_empty(), Manager::here()) {
        (false, Some(manager)) => Some(Packages::of(manager, true, true).command(!host::raw::is_root())),
        (false, None) | (true, _) => None,
    };
    let mut record = DesktopRecord {
        desktop: name.to_owned(),
        state: if missing.is_empty() { DesktopState::Inactive } else { DesktopState::InstallRequired },
        display: None,
        xauthority: None,
        resolution: None,
        started: None,
        last_error: None,
        missing,
        install_command,
        processes: Vec::new(),
    };
    let Some(state) = Files::of(store, name).read()? else { return Ok(record) };
    record.display = Some(format!(":{}", state.display));
    record.xauthority = Some(state.xauthority.clone());
    record.resolution = Some(state.resolution());
    record.started = Some(Timestamp(state.started).to_string());
    let is_part = |process: &Process| {
        let mut parts = [&state.server, &state.manager].into_iter().chain(&state.bus);
        parts.any(|part| part.process_id == process.process_id)
    };
    // Of what has ended there may be thousands.
    let living = |process: &Process| process.state.status != "exited" || is_part(process);
    for process in process::list(store)?.into_iter().filter(living) {
        let told = process::record(store, &process)?;
        let role = told.labels.get(ROLE);
        let running = told.status == ProcessStatus::Running;
        if let Some(role) = role.filter(|_| is_of(&told, name) && (is_part(&process) || running)) {
            record.processes.push(DesktopProcess {
                role: role.clone(),
                process_id: told.process_id.clone(),
                pid: told.pid,
                running,
                restarts: told.restarts,
            });
        }
    }
    record.state = if !state.server.is_kept(store)? {
        record.last_error = Some(last_words(store, &state.server.process_id));
        DesktopState::Failed
    } else if record.processes.iter().all(|part| part.running)
        && Desktop::open(state).and_then(|desktop| desktop.has_manager()).unwrap_or(false)
    {
        DesktopState::Active
    } else {
        DesktopState::Starting
    };
    Ok(record)
}

/// Connects to a running desktop; waits for a server that is being started again. A name such as `:0` is that of a display
/// which others have started.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::Ended`], [`Error::Connect`].
pub fn connect(store: &Path, name: &str) -> Result<Desktop, Error> {
    if name.starts_with(':') {
        return Desktop::foreign(name);
    }
    let Some(state) = Files::of(store, name).read()? else { return Err(Error::NotRunning(name.to_owned())) };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = match Desktop::open(state.clone()) {
            Ok(desktop) => return Ok(desktop),
            Err(error) => error,
        };
        if !state.server.is_kept(store)? {
            return Err(Error::Ended { name: name.to_owned(), why: last_words(store, &state.server.process_id) });
        }
        if Instant::now() > deadline {
            return Err(error);
        }
        std::thread::sleep(LOOK);
    }
}

/// Labels by which a desktop's processes are known.
const DESKTOP: &str = "desktop";
const ROLE: &str = "role";

/// The role of the X server.
const SERVER: &str = "server";

/// What is kept for a desktop.
pub(crate) fn kept(name: &str, role: &str, command: Vec<String>, cwd: String, restart: RestartPolicy) -> Kept {
    let labels = [(DESKTOP, name), (ROLE, role)];
    Kept {
        command,
        cwd,
        name: None,
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
        owner: "desktop".to_owned(),
        parent_session: None,
        tty: None,
        stdin: false,
        limits: schema::process::Limits::default(),
        run_as: None,
        restart,
        restart_limit: RESTARTS,
        max_log: 16 << 20,
        grace_ms: u64::try_from(GRACE.as_millis()).expect("two seconds fit"),
        with: None,
    }
}

fn is_of(record: &ProcessRecord, name: &str) -> bool {
    record.owner == "desktop" && record.labels.get(DESKTOP).is_some_and(|desktop| desktop == name)
}

/// The server, then the window manager; nothing of them is left when that fails.
fn begin(store: &Path, start: &Start, state: &mut State) -> Result<(), Error> {
    let (server, desktop) = match start.display {
        Some(display) => server(store, start, state, display)?.ok_or(Error::DisplayTaken(display))?,
        None => {
            let mut found = None;
            let all = FIRST_DISPLAY..FIRST_DISPLAY + DISPLAYS;
            let is_free = |display: &u32| socket(*display).is_err();
            // A server that was killed left this, and may be about to come back to its display.
            let is_left = |display: &u32| Path::new(&lock_of(display)).exists();
            let untouched = all.clone().filter(|display| is_free(display) && !is_left(display));
            for display in untouched.chain(all.filter(is_free)) {
                found = server(store, start, state, display)?;
                if found.is_some() {
                    break;
                }
            }
            found.ok_or(Error::DisplayTaken(FIRST_DISPLAY))?
        }
    };
    let begun = manager(store, start, state, &desktop).and_then(|manager| {
        // While it comes up.
        bus(store, start, state)?;
        await_manager(store, &manager, &desktop)
    });
    if begun.is_err() {
        // What was started besides ends with it.
        forget(store, &server)?;
    }
    begun
}

/// Starts the server; `None` where the display is taken.
fn server(store: &Path, start: &Start, state: &mut State, display: u32) -> Result<Option<(Process, Desktop)>, Error> {
    let Start { width, height, dpi, .. } = start;
    let mut command: Vec<String> = [
        "Xvfb".to_owned(),
        format!(":{display}"),
        "-screen".to_owned(),
        "0".to_owned(),
        format!("{width}x{height}x24"),
    ]
    .into();
    command.extend(
        ["-dpi", &dpi.to_string(), "-nolisten", "tcp", "-noreset", "-auth", &state.xauthority].map(str::to_owned),
    );
    if !start.gl {
        command.extend(["-extension", "GLX"].map(str::to_owned));
    }
    let kept = kept(&start.name, SERVER, command, "/".to_owned(), RestartPolicy::Always);
    let process = process::start(store, &kept, &start.env)?;
    state.display = display;
    state.server = Part::of(&process);
    let deadline = Instant::now() + PATIENCE;
    let why = loop {
        // Another server on this display does not know our cookie.
        if let Ok(desktop) = Desktop::open(state.clone()) {
            if (desktop.width, desktop.height) == (start.width, start.height) {
                return Ok(Some((process, desktop)));
            }
            break format!("its screen is {}x{} instead of {width}x{height}", desktop.width, desktop.height);
        }
        if has_failed(store, &process)? || Instant::now() > deadline {
            let words = last_words(store, &process.process_id);
            if words.contains("already active") {
                forget(store, &process)?;
                return Ok(None);
            }
            break words;
        }
        std::thread::sleep(LOOK);
    };
    forget(store, &process)?;
    Err(Error::NotStarted { program: "Xvfb", why })
}

/// Starts the window manager.
fn manager(store: &Path, start: &Start, state: &mut State, desktop: &Desktop) -> Result<Process, Error> {
    desktop.watch(desktop.root, EventMask::PROPERTY_CHANGE)?;
    let mut command = ["openbox", "--sm-disable"].map(str::to_owned).to_vec();
    if let Some(text) = manager::configuration(&start.env) {
        let file = Files::of(store, &start.name).manager;
        write(&file, text.as_bytes())?;
        command.extend(["--config-file".to_owned(), file.to_string_lossy().into_owned()]);
    }
    let kept = part(&start.name, "window-manager", command, &state.server);
    let process = process::start(store, &kept, &launch::environment(&start.env, state))?;
    state.manager = Part::of(&process);
    Ok(process)
}

/// Waits until it manages windows.
fn await_manager(store: &Path, process: &Process, desktop: &Desktop) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    // Now and then one looks whether it is still there.
    while !desktop.manager_answers(Instant::now() + Duration::from_millis(50))? {
        if has_failed(store, process)? || Instant::now() > deadline {
            let why = last_words(store, &process.process_id);
            forget(store, process)?;
            return Err(Error::NotStarted { program: "openbox", why });
        }
    }
    Ok(())
}

/// Starts a session bus of the desktop's own where there is a daemon for it, and waits until it lets programs in.
fn bus(store: &Path, start: &Start, state: &mut State) -> Result<(), Error> {
    if find::program(Path::new(BUS), &[]).is_err() {
        return Ok(());
    }
    let name = bus_name(&state.server.uid);
    let address = format!("--address=unix:abstract={name}");
    let command = [BUS, "--session", "--nofork", "--nopidfile", &address].map(str::to_owned).to_vec();
    let kept = part(&start.name, "bus", command, &state.server);
    let process = process::start(store, &kept, &launch::environment(&start.env, state))?;
    state.bus = Some(Part::of(&process));
    let deadline = Instant::now() + PATIENCE;
    while abstract_socket(&name).is_err() {
        if has_failed(store, &process)? || Instant::now() > deadline {
            let why = last_words(store, &process.process_id);
            forget(store, &process)?;
            return Err(Error::NotStarted { program: BUS, why });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Whoever may connect, only this user and root are let in.
fn bus_name(server: &str) -> String {
    format!("sandbox-agent-bus-{server}")
}

/// What is started again, and ends with the server.
fn part(name: &str, role: &str, command: Vec<String>, server: &Part) -> Kept {
    Kept { with: Some(server.uid.clone()), ..kept(name, role, command, "/".to_owned(), RestartPolicy::Always) }
}

/// Whether a program has ended before it was ready.
pub(crate) fn has_failed(store: &Path, process: &Process) -> Result<bool, Error> {
    let now = process::find(store, &process.process_id)?;
    Ok(now.state.status != "running" || now.state.restarts > 0)
}

/// Ends everything of a desktop, what runs on it first.
fn end(store: &Path, files: &Files, name: &str) -> Result<(), Error> {
    let server = files.read()?.map(|state| state.server);
    let (mut all, mut servers) = (Vec::new(), Vec::new());
    for process in process::list(store)? {
        let is_server = server.as_ref().is_some_and(|server| server.process_id == process.process_id);
        let ended = process.state.status == "exited";
        if ended && !is_server {
            continue;
        }
        let record = process::record(store, &process)?;
        if is_of(&record, name) {
            if !ended {
                all.push(process);
            }
            servers.push(record);
        }
    }
    // The oldest is the server; the others may want to say goodbye to it.
    for process in all.iter().rev() {
        // It may have ended by itself meanwhile.
        let _ = process::stop(store, process, Some(GRACE));
    }
    for process in &all {
        process::wait_for_end(store, process, None)?;
    }
    servers.iter().for_each(|record| sweep(store, record));
    files.remove();
    Ok(())
}

/// Removes what an X server leaves where it was killed: the lock of its display, as long as that is its own, and its socket.
fn sweep(store: &Path, record: &ProcessRecord) {
    let is_server = record.labels.get(ROLE).is_some_and(|role| role == SERVER);
    let Some(display) = record.command.get(1).and_then(|word| word.strip_prefix(':')).filter(|_| is_server) else {
        return;
    };
    let lock = lock_of(display);
    let Some(owner) = std::fs::read_to_string(&lock).ok().and_then(|text| text.trim().parse::<i64>().ok()) else {
        return;
    };
    let mut last = None;
    // One whose log cannot be read stays: the next server on this display removes it.
    let _ = read_log(store, &record.process_id, 0, &mut |item| {
        if let LogItem::Line(LogLine::Started { pid, .. }) = item {
            last = Some(pid);
        }
        true
    });
    if last == Some(owner) {
        for path in [lock, socket_file(display)] {
            // Not there is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The lock of a display, which holds the pid of its server.
fn lock_of(display: impl std::fmt::Display) -> String {
    format!("/tmp/.X{display}-lock")
}

/// Ends a process that is of no use, and forgets it.
pub(crate) fn forget(store: &Path, process: &Process) -> Result<(), Error> {
    // It may have ended by itself meanwhile.
    let _ = process::signal(store, process, host::Signal::SIGKILL as i32, true);
    if let Some(ended) = process::wait_for_end(store, process, None)? {
        sweep(store, &process::record(store, &ended)?);
        process::remove(store, &ended)?;
    }
    Ok(())
}

/// The last lines that a program printed, and how it ended.
pub(crate) fn last_words(store: &Path, process_id: &str) -> String {
    let (mut text, mut end) = (String::new(), None);
    let read = read_log(store, process_id, -20, &mut |item| {
        match item {
            LogItem::Bytes(piece) => text.push_str(&String::from_utf8_lossy(piece.bytes)),
            LogItem::Line(LogLine::Exit { exit, .. }) => {
                end = match (exit.signal, exit.exit_code) {
                    (Some(signal), _) => Some(format!("signal {signal}")),
                    (None, Some(code)) => Some(format!("exit code {code}")),
                    (None, None) => Some("its keeper was killed".to_owned()),
                };
            }
            LogItem::Line(LogLine::Output { .. } | LogLine::Started { .. } | LogLine::Gap { .. }) => {}
        }
        true
    });
    if let Err(error) = read {
        return format!("nobody knows why ({error})");
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].iter().map(|line| (*line).to_owned());
    let words: Vec<String> = last.chain(end).collect();
    if words.is_empty() { "it said nothing".to_owned() } else { words.join("; ") }
}

/// Reads what is there of a program's log.
fn read_log(
    store: &Path,
    process_id: &str,
    after: i64,
    show: &mut dyn FnMut(LogItem<'_>) -> bool,
) -> Result<(), engine::Error> {
    let request = LogRequest {
        store: store.to_owned(),
        process: process_id.to_owned(),
        after,
        stream: None,
        since: None,
        follow: false,
    };
    process::follow(&request, None, show).map(|_| ())
}

impl State {
    fn resolution(&self) -> Resolution {
        Resolution { width: self.width, height: self.height, dpi: self.dpi }
    }
}

impl Files {
    pub(crate) fn of(store: &Path, name: &str) -> Files {
        let places = Places::beside(store);
        let file = |ending: &str| places.directory().join(format!("desktop-{name}.{ending}"));
        Files {
            state: file("json"),
            xauthority: file("xauth"),
            manager: file("openbox"),
            lock: file("lock"),
            view: file("view"),
            viewers: file("viewers"),
        }
    }

    pub(crate) fn read(&self) -> Result<Option<State>, Error> {
        read(&self.state)
    }

    fn remove(&self) {
        for path in [&self.state, &self.xauthority, &self.manager, &self.view, &self.viewers] {
            // Not there is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What a file says; `None` where it is not there.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let failed = |source| Error::File { doing: "read", path: path.to_owned(), source };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file for this user only, beside its place and then there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::File { doing: "write", path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    host::private::file(&beside)?.write_all(bytes).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// An entry for any display of any machine, as libXau reads it.
fn xauthority(cookie: &[u8]) -> Vec<u8> {
    const ANY: u16 = 0xffff;
    let mut entry = Vec::new();
    entry.extend(ANY.to_be_bytes());
    for field in [&[][..], &[], COOKIE_KIND, cookie] {
        entry.extend(u16::try_from(field.len()).expect("a cookie is short").to_be_bytes());
        entry.extend(field);
    }
    entry
}
