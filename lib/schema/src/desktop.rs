//! The lines that `desktop` prints: the desktop itself, its pointer, its windows, a picture of it.

use serde::{Deserialize, Serialize};

/// A desktop as `start`, `stop` and `status` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DesktopRecord {
    /// Its name.
    pub desktop: String,
    /// What it is doing.
    pub state: DesktopState,
    /// Its X11 display, as in `:99`.
    pub display: Option<String>,
    /// The file whose cookie lets programs in.
    pub xauthority: Option<String>,
    /// The size of its screen.
    pub resolution: Option<Resolution>,
    /// When it was started, RFC 3339.
    pub started: Option<String>,
    /// Why it has failed: the last that its programs said.
    pub last_error: Option<String>,
    /// Programs that are needed and not installed.
    pub missing: Vec<String>,
    /// What installs them, where something is missing.
    pub install_command: Option<String>,
    /// What it is made of, and what was launched on it and still runs.
    pub processes: Vec<DesktopProcess>,
}

/// What a desktop is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DesktopState {
    /// A program that it needs is not installed.
    InstallRequired,
    /// It was not started, or stopped.
    Inactive,
    /// A program of it has ended and is being started again.
    Starting,
    /// It can be used.
    Active,
    /// It has ended without having been stopped.
    Failed,
}

/// The size of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Resolution {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// Dots an inch, as programs are told.
    pub dpi: u16,
}

/// A managed process of a desktop; `proc` knows it by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DesktopProcess {
    /// What it is for: `server`, `window-manager`, `bus`, `recorder`, `app`.
    pub role: String,
    /// Its id.
    pub process_id: String,
    /// Its process id while it runs.
    pub pid: Option<i64>,
    /// Whether it runs.
    pub running: bool,
    /// How often it was started again.
    pub restarts: i64,
}

/// What `desktop display` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DisplayRecord {
    /// Its X11 display, as in `:99`.
    pub display: String,
    /// The file whose cookie lets programs in.
    pub xauthority: String,
    /// The size of its screen.
    pub resolution: Resolution,
}

/// Where the pointer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct PointerRecord {
    /// From the left, in pixels.
    pub x: i16,
    /// From the top, in pixels.
    pub y: i16,
    /// The window under it.
    pub window: Option<String>,
    /// The buttons that are down: 1 left, 2 middle, 3 right, 8 back, 9 forward.
    pub buttons: Vec<u8>,
}

/// A rectangle of the screen, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct Rectangle {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// A picture that was written into a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ScreenshotRecord {
    /// The file.
    pub path: String,
    /// How it is written.
    pub format: PictureFormat,
    /// Of the picture, in pixels.
    pub width: u32,
    /// Of the picture, in pixels.
    pub height: u32,
    /// Of the picture's width to that of what it shows.
    pub scale_x: f64,
    /// Of the picture's height to that of what it shows.
    pub scale_y: f64,
    /// Of the file.
    pub bytes: u64,
    /// What of the screen it shows.
    pub region: Rectangle,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PictureFormat {
    /// Every pixel as it is.
    Png,
    /// Smaller where there are photographs, not exact.
    Jpeg,
    /// Every pixel as it is.
    Webp,
}

/// What `desktop type` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct TypedRecord {
    /// How many characters were typed.
    pub characters: usize,
}

/// What `desktop key` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct KeysRecord {
    /// The keys, as they were given.
    pub keys: Vec<String>,
}

/// A window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct WindowRecord {
    /// Its X11 id, in decimal.
    pub id: String,
    /// What stands in its title bar.
    pub title: String,
    /// The class of its program, as in `XTerm`.
    pub class: String,
    /// The process that it says it belongs to.
    pub pid: Option<u32>,
    /// Its contents, without title bar and borders, on the screen.
    #[serde(flatten)]
    pub place: Rectangle,
    /// With title bar and borders.
    pub frame: Rectangle,
    /// Whether it has the focus.
    pub is_active: bool,
    /// Whether it is not shown.
    pub minimized: bool,
    /// Whether it fills the screen.
    pub maximized: bool,
}

/// What `desktop windows close` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct WindowClosedRecord {
    /// The window that is gone.
    pub window: String,
}

/// What `desktop clipboard get` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ClipboardRecord {
    /// What it holds; empty where nobody holds anything.
    pub text: String,
    /// `clipboard` or `primary`.
    pub selection: String,
}

/// What `desktop clipboard set` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ClipboardHeldRecord {
    /// The process that holds it until another program takes it over.
    pub holder_pid: u32,
    /// Of the text.
    pub bytes: usize,
}

/// What `desktop wait` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct DesktopWaitedRecord {
    /// What has happened: `change`, `stable`, `window` or `pixel`.
    pub reached: String,
    /// After how many milliseconds.
    pub after_ms: u64,
    /// Where something was drawn.
    pub area: Option<Rectangle>,
    /// The window that was waited for.
    pub window: Option<WindowRecord>,
}

/// What `desktop launch` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct LaunchedRecord {
    /// Its id for `proc`.
    pub process_id: String,
    /// Its process id.
    pub pid: Option<i64>,
    /// Its first window, where that was waited for.
    pub window: Option<WindowRecord>,
}

/// What `desktop view` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct ViewRecord {
    /// Whether it can be looked at.
    pub active: bool,
    /// Where, in a browser on this machine; who has it may look, and act unless it is read-only.
    pub url: Option<String>,
    /// The port on 127.0.0.1.
    pub port: Option<u16>,
    /// How many look.
    pub viewers: usize,
    /// The process that serves it.
    pub pid: Option<u32>,
    /// Whether viewers may only look.
    pub read_only: bool,
}

/// A recording of a desktop's screen, as `desktop record` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct RecordingRecord {
    /// Its id, as in `rec_…`; never used again.
    pub recording_id: String,
    /// The desktop that is or was recorded.
    pub desktop: String,
    /// What became of it.
    pub status: RecordingStatus,
    /// The film: MP4, H.264. It plays while it grows, and when its recorder was killed.
    pub path: String,
    /// Of the file.
    pub bytes: u64,
    /// Of the screen, in pixels.
    pub width: u16,
    /// Of the screen, in pixels.
    pub height: u16,
    /// At most so many pictures a second.
    pub fps: u32,
    /// How many pictures the film has; no more are made than the screen changes, but one a second.
    pub frames: u64,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Its recorder's id for `proc`.
    pub process_id: String,
}

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingStatus {
    /// It goes on.
    Recording,
    /// It was ended, and the film is whole.
    Completed,
    /// It ended otherwise; what was recorded until then is kept.
    Failed,
}

/// What `desktop record delete` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct RecordingDeletedRecord {
    /// The recording that is gone.
    pub recording_id: String,
    /// What its file had.
    pub bytes: u64,
}

/// What `desktop record download` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
pub struct RecordingCopiedRecord {
    /// The recording.
    pub recording_id: String,
    /// Where its copy is.
    pub path: String,
    /// Of the copy.
    pub bytes: u64,
}
