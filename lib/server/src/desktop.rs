//! The desktop: thin doors on its room, with the words that existing clients use.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use ::desktop::record::{self as recordings, Record};
use ::desktop::{Button, Desktop, Error, Filter, Format, Launch, Scale, Selection, Shot, Start, Stroke, View};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use schema::desktop::{
    DesktopRecord, DesktopState, PointerRecord, RecordingRecord, RecordingStatus, Rectangle, Resolution, ViewRecord,
    WindowRecord,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::body::{Body, json as answer_json, nothing};
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Work};

/// What a desktop is to be. Words about streams and directories are taken from existing clients, and mean nothing here.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StartDesktop {
    width: Option<u16>,
    height: Option<u16>,
    dpi: Option<u16>,
    display_num: Option<u32>,
    /// Programs can draw with OpenGL.
    gl: Option<bool>,
    /// One with another screen is ended first.
    replace: Option<bool>,
    #[serde(rename = "stateDir")]
    _state_dir: Option<String>,
    #[serde(rename = "streamVideoCodec")]
    _stream_video_codec: Option<String>,
    #[serde(rename = "streamAudioCodec")]
    _stream_audio_codec: Option<String>,
    #[serde(rename = "streamFrameRate")]
    _stream_frame_rate: Option<u32>,
    #[serde(rename = "webrtcPortRange")]
    _webrtc_port_range: Option<String>,
    #[serde(rename = "recordingFps")]
    _recording_fps: Option<u32>,
}

/// A desktop.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DesktopStatus {
    state: DesktopState,
    display: Option<String>,
    resolution: Option<Resolution>,
    started_at: Option<String>,
    last_error: Option<LastError>,
    missing_dependencies: Vec<String>,
    install_command: Option<String>,
    processes: Vec<DesktopProgram>,
    windows: Vec<DesktopWindow>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LastError {
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DesktopProgram {
    name: String,
    process_id: String,
    pid: Option<i64>,
    running: bool,
}

/// A window; its place is that of its contents.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DesktopWindow {
    id: String,
    title: String,
    class: String,
    x: i32,
    y: i32,
    width: u32,
    height: u32,
    is_active: bool,
}

/// `POST /v1/desktop/start`.
pub(crate) fn start(work: &Work) -> Answer {
    let wanted: StartDesktop = work.json()?;
    let name = name(work)?;
    let size = |value: Option<u16>, usual: u16, most: u16| match value.unwrap_or(usual) {
        value if (1..=most).contains(&value) => Ok(value),
        value => Err(invalid(format!("failed to start a desktop with {value}: from 1 to {most}"))),
    };
    let start = Start {
        name: name.to_owned(),
        width: size(wanted.width, 1440, 32767)?,
        height: size(wanted.height, 900, 32767)?,
        dpi: size(wanted.dpi, 96, 2400)?,
        display: wanted.display_num,
        gl: wanted.gl.unwrap_or_default(),
        replace: wanted.replace.unwrap_or_default(),
        env: work.server.env.clone(),
    };
    let record = ::desktop::start(work.store(), &start).map_err(problem)?;
    told_status(work, record)
}

/// `POST /v1/desktop/stop`.
pub(crate) fn stop(work: &Work) -> Answer {
    told_status(work, ::desktop::stop(work.store(), name(work)?).map_err(problem)?)
}

/// `GET /v1/desktop/status`.
pub(crate) fn status(work: &Work) -> Answer {
    told_status(work, ::desktop::status(work.store(), name(work)?).map_err(problem)?)
}

fn told_status(work: &Work, record: DesktopRecord) -> Answer {
    let windows = match record.state {
        // One that ends just now has none.
        DesktopState::Active => {
            connect(work)?.windows(&Filter::default()).unwrap_or_default().into_iter().map(window).collect()
        }
        DesktopState::InstallRequired | DesktopState::Inactive | DesktopState::Starting | DesktopState::Failed => {
            Vec::new()
        }
    };
    let program = |process: schema::desktop::DesktopProcess| DesktopProgram {
        name: process.role,
        process_id: process.process_id,
        pid: process.pid,
        running: process.running,
    };
    told(DesktopStatus {
        state: record.state,
        display: record.display,
        resolution: record.resolution,
        started_at: record.started,
        last_error: record.last_error.map(|message| LastError { code: "desktop_runtime_failed", message }),
        missing_dependencies: record.missing,
        install_command: record.install_command,
        processes: record.processes.into_iter().map(program).collect(),
        windows,
    })
}

/// The display.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DisplayInfo {
    display: String,
    resolution: Resolution,
}

/// `GET /v1/desktop/display/info`.
pub(crate) fn display(work: &Work) -> Answer {
    let record = connect(work)?.record();
    told(DisplayInfo { display: record.display, resolution: record.resolution })
}

/// `GET /v1/desktop/screenshot` and `…/region`.
pub(crate) fn screenshot(work: &Work) -> Answer {
    let (format, media) = match work.query.word("format") {
        None | Some("png") => (Format::Png, "image/png"),
        Some("jpeg" | "jpg") => (Format::Jpeg(work.query.value("quality")?.unwrap_or(85)), "image/jpeg"),
        Some("webp") => (Format::Webp, "image/webp"),
        Some(other) => {
            return Err(invalid(format!("failed to use format={}: png, jpeg or webp", other.escape_debug())));
        }
    };
    let mut numbers = Vec::new();
    for side in ["x", "y", "width", "height"] {
        numbers.extend(work.query.value::<i32>(side)?);
    }
    let region = match *numbers {
        [] if work.last() == "screenshot" => None,
        [x, y, width, height] => {
            let size = |length: i32| u32::try_from(length).map_err(|_| invalid("failed to cut: a size is negative"));
            Some(Rectangle { x, y, width: size(width)?, height: size(height)? })
        }
        _ => return Err(invalid("failed to cut: a region has x, y, width and height")),
    };
    let cursor = work.query.flag("showCursor")?;
    let scale = Scale::By(work.query.value("scale")?.unwrap_or(1.0));
    let picture = connect(work)?.screenshot(&Shot { region, scale, cursor, format }).map_err(problem)?;
    let mut response = Response::new(Body::Whole(Some(picture.bytes.into())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Where the pointer is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pointer {
    x: i16,
    y: i16,
    screen: u8,
    /// The window under it.
    window: Option<String>,
}

/// What the pointer is to do; which words count, the route says.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Point {
    x: Option<i32>,
    y: Option<i32>,
    button: Option<PointerButton>,
    /// Of a click; 2 is a double click.
    click_count: Option<u32>,
    /// Notches to the right.
    delta_x: Option<i32>,
    /// Notches down.
    delta_y: Option<i32>,
    /// Where a drag begins.
    start_x: Option<i32>,
    start_y: Option<i32>,
    end_x: Option<i32>,
    end_y: Option<i32>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum PointerButton {
    Left,
    Middle,
    Right,
}

/// `GET /v1/desktop/mouse/position`.
pub(crate) fn position(work: &Work) -> Answer {
    pointer(connect(work)?.position())
}

/// `POST /v1/desktop/mouse/…`.
pub(crate) fn mouse(work: &Work) -> Answer {
    let wanted: Point = work.json()?;
    let button = match wanted.button {
        None | Some(PointerButton::Left) => Button::Left,
        Some(PointerButton::Middle) => Button::Middle,
        Some(PointerButton::Right) => Button::Right,
    };
    let both = |x: Option<i32>, y: Option<i32>| match (x, y) {
        (Some(x), Some(y)) => Ok(Some((x, y))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(invalid("failed to point: x and y belong together")),
    };
    let needed = |point: Option<(i32, i32)>| point.ok_or_else(|| invalid("failed to point: x and y are needed"));
    let (at, from, to) =
        (both(wanted.x, wanted.y)?, both(wanted.start_x, wanted.start_y)?, both(wanted.end_x, wanted.end_y)?);
    let desktop = connect(work)?;
    pointer(match work.last() {
        "move" => desktop.move_pointer(needed(at)?),
        "click" => {
            let count = wanted.click_count.unwrap_or(1);
            if !(1..=100).contains(&count) {
                return Err(invalid("failed to click: clickCount is from 1 to 100"));
            }
            desktop.click(at, button, count, 20, "")
        }
        "drag" => desktop.drag(needed(from)?, needed(to)?, button, 10, 2),
        "scroll" => {
            let (dx, dy) = (wanted.delta_x.unwrap_or(0), wanted.delta_y.unwrap_or(0));
            if dx.unsigned_abs() > 1000 || dy.unsigned_abs() > 1000 {
                return Err(invalid("failed to scroll: at most 1000 notches at once"));
            }
            desktop.scroll(at, dx, dy, 6)
        }
        down_or_up => desktop.button(at, button, down_or_up == "down"),
    })
}

fn pointer(record: Result<PointerRecord, Error>) -> Answer {
    let PointerRecord { x, y, window, .. } = record.map_err(problem)?;
    told(Pointer { x, y, screen: 0, window })
}

/// That it was done.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Done {
    ok: bool,
}

/// Text to be typed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Typing {
    text: String,
    /// Milliseconds between two characters.
    delay_ms: Option<u32>,
}

/// `POST /v1/desktop/keyboard/type`.
pub(crate) fn keyboard_type(work: &Work) -> Answer {
    let Typing { text, delay_ms } = work.json()?;
    let delay_ms = delay_ms.unwrap_or(0);
    if text.is_empty() || delay_ms > 1000 {
        return Err(invalid("failed to type: there is no text, or delayMs is above 1000"));
    }
    connect(work)?.type_text(&text, delay_ms).map_err(problem)?;
    told(Done { ok: true })
}

/// A key, or keys together as in `ctrl+l`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    key: String,
    modifiers: Option<Modifiers>,
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Modifiers {
    ctrl: Option<bool>,
    shift: Option<bool>,
    alt: Option<bool>,
    cmd: Option<bool>,
}

/// `POST /v1/desktop/keyboard/press`, `…/down`, `…/up`.
pub(crate) fn keyboard(work: &Work) -> Answer {
    let Key { key, modifiers } = work.json()?;
    let Modifiers { ctrl, shift, alt, cmd } = modifiers.unwrap_or_default();
    let mut chord = String::new();
    for (name, is_held) in [("ctrl", ctrl), ("shift", shift), ("alt", alt), ("super", cmd)] {
        if is_held == Some(true) {
            chord.push_str(name);
            chord.push('+');
        }
    }
    chord.push_str(&key);
    let stroke = match work.last() {
        "down" => Stroke::Down,
        "up" => Stroke::Up,
        _ => Stroke::Press(0),
    };
    connect(work)?.strike(&chord, stroke).map_err(problem)?;
    told(Done { ok: true })
}

/// Windows, the lowest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DesktopWindows {
    windows: Vec<DesktopWindow>,
}

/// `GET /v1/desktop/windows`.
pub(crate) fn windows(work: &Work) -> Answer {
    let windows = connect(work)?.windows(&Filter::default()).map_err(problem)?;
    told(DesktopWindows { windows: windows.into_iter().map(window).collect() })
}

/// `GET /v1/desktop/windows/focused`.
pub(crate) fn focused(work: &Work) -> Answer {
    told(window(connect(work)?.focused().map_err(problem)?))
}

/// Where a window is to be, or how large.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowPlace {
    x: Option<i16>,
    y: Option<i16>,
    width: Option<u16>,
    height: Option<u16>,
}

/// `POST /v1/desktop/windows/{window}/focus`.
pub(crate) fn focus(work: &Work) -> Answer {
    told(window(connect(work)?.focus(id(work)?).map_err(problem)?))
}

/// `POST /v1/desktop/windows/{window}/move`, `…/resize`.
pub(crate) fn place(work: &Work) -> Answer {
    let (id, wanted): (u32, WindowPlace) = (id(work)?, work.json()?);
    let desktop = connect(work)?;
    let placed = match (work.last(), wanted) {
        ("move", WindowPlace { x: Some(x), y: Some(y), width: None, height: None }) => {
            desktop.move_window(id, x.into(), y.into())
        }
        ("resize", WindowPlace { x: None, y: None, width: Some(width @ 1..), height: Some(height @ 1..) }) => {
            desktop.resize_window(id, width.into(), height.into())
        }
        _ => return Err(invalid("failed to place a window: move takes x and y, resize width and height above 0")),
    };
    told(window(placed.map_err(problem)?))
}

fn id(work: &Work) -> Result<u32, Problem> {
    let text = work.name(0);
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| {
        Problem::new(
            Kind::WindowNotFound,
            format!("failed to find window `{}`: an id is a number", text.escape_debug()),
        )
    })
}

fn window(record: WindowRecord) -> DesktopWindow {
    let Rectangle { x, y, width, height } = record.place;
    let WindowRecord { id, title, class, is_active, .. } = record;
    DesktopWindow { id, title, class, x, y, width, height, is_active }
}

/// What is copied and pasted.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Clipboard {
    text: String,
    /// `clipboard` or `primary`; to write also `both`.
    selection: Option<String>,
}

/// `GET /v1/desktop/clipboard`.
pub(crate) fn clipboard(work: &Work) -> Answer {
    let (word, selection) = match work.query.word("selection") {
        None | Some("clipboard") => ("clipboard", Selection::Clipboard),
        Some("primary") => ("primary", Selection::Primary),
        Some(other) => {
            return Err(invalid(format!("failed to use selection={}: clipboard or primary", other.escape_debug())));
        }
    };
    let text = connect(work)?.clipboard(selection, Duration::from_secs(3)).map_err(problem)?;
    told(Clipboard { text, selection: Some(word.to_owned()) })
}

/// `POST /v1/desktop/clipboard`.
pub(crate) fn set_clipboard(work: &Work) -> Answer {
    let Clipboard { text, selection } = work.json()?;
    let selection = selection.as_deref().unwrap_or("clipboard");
    if !["clipboard", "primary", "both"].contains(&selection) {
        return Err(invalid("failed to use the selection: clipboard, primary or both"));
    }
    ::desktop::leave_text(connect(work)?.name(), work.store(), &text, selection, &work.server.env)?;
    told(Done { ok: true })
}

/// A program to be started.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct LaunchApp {
    app: String,
    args: Option<Vec<String>>,
    /// Until it shows a window, 5 seconds at most.
    wait: Option<bool>,
}

/// A file or an address to be opened.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenTarget {
    target: String,
}

/// What was started.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Launched {
    process_id: String,
    pid: Option<i64>,
    window_id: Option<String>,
}

/// `POST /v1/desktop/launch`.
pub(crate) fn launch(work: &Work) -> Answer {
    let LaunchApp { app, args, wait } = work.json()?;
    let mut launch = started(work)?;
    launch.command = std::iter::once(app).chain(args.unwrap_or_default()).collect();
    launch.wait = (wait == Some(true)).then_some(Duration::from_secs(5));
    let record = ::desktop::launch(&connect(work)?, work.store(), &launch).map_err(problem)?;
    let window_id = record.window.map(|window| window.id);
    told(Launched { process_id: record.process_id, pid: record.pid, window_id })
}

/// `POST /v1/desktop/open`.
pub(crate) fn open(work: &Work) -> Answer {
    let OpenTarget { target } = work.json()?;
    let record = ::desktop::open(&connect(work)?, work.store(), &target, started(work)?).map_err(problem)?;
    told(Launched { process_id: record.process_id, pid: record.pid, window_id: None })
}

fn started(work: &Work) -> Result<Launch, Problem> {
    let cwd = std::env::current_dir().map_err(|error| failed("enter the server's directory", &error))?;
    Ok(Launch { command: Vec::new(), env: work.server.env.clone(), cwd, wait: None, filter: Filter::default() })
}

/// What is to be recorded.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRecording {
    /// At most so many pictures a second, from 1 to 60.
    fps: Option<u32>,
}

/// A recording of the screen.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recording {
    id: String,
    status: RecordingStatus,
    process_id: String,
    file_name: String,
    bytes: u64,
    started_at: String,
    ended_at: Option<String>,
    duration_ms: u64,
    error: Option<String>,
}

/// Recordings, the oldest first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Recordings {
    recordings: Vec<Recording>,
}

/// `POST /v1/desktop/recording/start`.
pub(crate) fn start_recording(work: &Work) -> Answer {
    let StartRecording { fps } = work.json()?;
    let record = Record {
        name: name(work)?.to_owned(),
        fps: fps.unwrap_or(30),
        max: None,
        cursor: true,
        env: work.server.env.clone(),
    };
    told(recording(recordings::start(work.store(), &record).map_err(problem)?))
}

/// `POST /v1/desktop/recording/stop`.
pub(crate) fn stop_recording(work: &Work) -> Answer {
    told(recording(recordings::stop(work.store(), name(work)?).map_err(problem)?))
}

/// `GET /v1/desktop/recordings`.
pub(crate) fn list_recordings(work: &Work) -> Answer {
    let recordings = recordings::list(work.store()).map_err(problem)?.into_iter().map(recording).collect();
    told(Recordings { recordings })
}

/// `GET /v1/desktop/recordings/{recording}`.
pub(crate) fn show_recording(work: &Work) -> Answer {
    told(recording(recordings::find(work.store(), work.name(0)).map_err(problem)?))
}

/// `DELETE /v1/desktop/recordings/{recording}`.
pub(crate) fn delete_recording(work: &Work) -> Answer {
    recordings::delete(work.store(), work.name(0)).map_err(problem)?;
    Ok(nothing())
}

/// `GET /v1/desktop/recordings/{recording}/download`.
pub(crate) fn download_recording(work: &Work) -> Answer {
    let film = recordings::film(work.store(), work.name(0)).map_err(problem)?;
    let mut response = Response::new(Body::of_file(film).map_err(|error| failed("read the film", &error))?);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    Ok(response)
}

fn recording(record: RecordingRecord) -> Recording {
    let file_name = Path::new(&record.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Recording {
        id: record.recording_id,
        status: record.status,
        process_id: record.process_id,
        file_name,
        bytes: record.bytes,
        started_at: record.started,
        ended_at: record.ended,
        duration_ms: record.duration_ms,
        error: record.error,
    }
}

/// The live view: a page on this machine's own address, with its key in it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LiveView {
    active: bool,
    url: Option<String>,
    viewers: usize,
    pid: Option<u32>,
}

/// `POST /v1/desktop/stream/start`.
pub(crate) fn start_view(work: &Work) -> Answer {
    let view = View { port: 0, fps: 30, quality: 80, read_only: false };
    live(::desktop::start_view(work.store(), name(work)?, view, &work.server.env))
}

/// `POST /v1/desktop/stream/stop`.
pub(crate) fn stop_view(work: &Work) -> Answer {
    live(::desktop::stop_view(work.store(), name(work)?))
}

/// `GET /v1/desktop/stream/status`.
pub(crate) fn view(work: &Work) -> Answer {
    live(::desktop::view_status(work.store(), name(work)?))
}

fn live(record: Result<ViewRecord, Error>) -> Answer {
    let ViewRecord { active, url, viewers, pid, .. } = record.map_err(problem)?;
    told(LiveView { active, url, viewers, pid })
}

/// Which desktop: `?desktop=NAME`.
fn name(work: &Work) -> Result<&str, Problem> {
    let name = work.query.word("desktop").unwrap_or("default");
    match schema::ids::SessionId::parse(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(invalid(format!("failed to use desktop={}: letters, digits, . _ -", name.escape_debug()))),
    }
}

fn connect(work: &Work) -> Result<Desktop, Problem> {
    ::desktop::connect(work.store(), name(work)?).map_err(problem)
}

fn told(answer: impl Serialize) -> Answer {
    Ok(answer_json(StatusCode::OK, &answer))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::DesktopInvalidAction, detail)
}

fn failed(what: &str, error: &dyn Display) -> Problem {
    Problem::new(Kind::Internal, format!("failed to {what}: {error}"))
}

/// An error in the words that existing clients know.
fn problem(error: Error) -> Problem {
    let kind = match &error {
        Error::Missing(_) => Some(Kind::DesktopDependenciesMissing),
        Error::NotRunning(_) | Error::Ended { .. } => Some(Kind::DesktopInactive),
        Error::Busy(_) => Some(Kind::DesktopStarting),
        Error::NotStarted { .. } => Some(Kind::DesktopFailed),
        Error::Invalid(_) | Error::Outside { .. } | Error::UnknownKey { .. } => Some(Kind::DesktopInvalidAction),
        Error::NoWindow(_) => Some(Kind::WindowNotFound),
        Error::NoFocus => Some(Kind::NoFocusedWindow),
        Error::NotRecording(_) => Some(Kind::Conflict),
        Error::Other { .. }
        | Error::OtherView { .. }
        | Error::PortTaken(_)
        | Error::DisplayTaken(_)
        | Error::NoText
        | Error::Timeout(_)
        | Error::NoTarget(_)
        | Error::NotOpened { .. }
        | Error::Recording { .. }
        | Error::NoRecording(_)
        | Error::StillRecording(_)
        | Error::NoFilm(_)
        | Error::RecordingFailed { .. }
        | Error::Broken(_)
        | Error::NoRoom { .. }
        | Error::Connect { .. }
        | Error::Display(_)
        | Error::Unfit(_)
        | Error::Picture(_)
        | Error::File { .. }
        | Error::Engine(_)
        | Error::Host(_) => None,
    };
    let more = if let Error::Missing(programs) = &error { Some(json!(programs)) } else { None };
    let mut problem = Problem::from(engine::Failure::from(error));
    if let Some(kind) = kind {
        problem = problem.of_kind(kind);
    }
    match more {
        Some(programs) => problem.with("missingDependencies", programs),
        None => problem,
    }
}
