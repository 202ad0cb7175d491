//! `desktop`: a virtual desktop that commands start, look at, point and type on.

pub(crate) mod record;
pub(crate) mod view;

use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use desktop::{Button, Desktop, Error, Filter, Format, Scale, Selection, Shot, Stroke};
use engine::Failure;
use host::detach::Ready;
use schema::desktop::{
    ClipboardRecord, DesktopWaitedRecord, KeysRecord, PictureFormat, Rectangle, ScreenshotRecord, TypedRecord,
    WindowClosedRecord, WindowRecord,
};
use serde::Deserialize;
use serde_json::{Value, json};

use self::record::{RecordArgs, write_whole};
use crate::context::{Context, duration};
use crate::exit::Exit;
use crate::out;
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent install desktop --yes
  sandbox-agent desktop start --width 1920 --height 1080
  sandbox-agent desktop launch xterm --wait | jq .window.id
  sandbox-agent desktop type 'echo \"héllo ✓\"' && sandbox-agent desktop key Return
  sandbox-agent desktop mouse click 100 200 --count 2
  sandbox-agent desktop screenshot --format webp --scale 0.5 --cursor --out shot.webp
  sandbox-agent desktop stop";

const DO_EXAMPLES: &str = "\
Examples:
  sandbox-agent desktop do - <<'END'
  {\"action\":\"click\",\"x\":100,\"y\":200}
  {\"action\":\"type\",\"text\":\"hello\"}
  {\"action\":\"key\",\"chords\":[\"ctrl+a\",\"Return\"]}
  {\"action\":\"pause\",\"ms\":100}
  {\"action\":\"screenshot\",\"out\":\"after.png\"}
  END";

/// A virtual desktop.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct DesktopArgs {
    /// Which desktop; there may be several
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    name: String,
    /// A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in
    #[arg(long, global = true, value_name = ":N", conflicts_with = "name")]
    display: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start it: an X server that listens on no network, and a window manager; prints its record once it can be used
    Start(StartArgs),
    /// End it, with everything that was launched on it
    Stop,
    /// What it is doing, what it is made of, what is missing
    Status,
    /// Its display, the file that lets programs in, the size of its screen
    Display,
    /// A picture of the screen, on stdout or into a file
    Screenshot(ScreenshotArgs),
    /// Move the pointer, press its buttons, drag, scroll
    #[command(subcommand)]
    Mouse(Mouse),
    /// Press keys, alone or as a chord such as ctrl+shift+t
    Key(KeyArgs),
    /// Type text: any character, whatever the keyboard
    Type(TypeArgs),
    /// List windows, focus, move, resize and close them, wait for them
    Windows(WindowsArgs),
    /// What is copied and pasted
    #[command(subcommand)]
    Clipboard(Clipboard),
    /// Wait until something is drawn, nothing is drawn any more, a point has a colour, or a window is there
    Wait(WaitArgs),
    /// Films of the screen: start, stop, list, show, download, delete
    Record(RecordArgs),
    /// Start a program on it; `stop` ends it, and `proc` knows it
    Launch(LaunchArgs),
    /// Open a file or an address with the program that is meant for it
    Open(OpenArgs),
    /// It in a browser on this machine, live: to look at and to use
    View(view::ViewArgs),
    /// A script of actions over one connection, one JSON object a line; one result a line
    Do(DoArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Width of the screen, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 1440)]
    width: u32,
    /// Height of the screen, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 900)]
    height: u32,
    /// Dots an inch
    #[arg(long, value_name = "N", default_value_t = 96)]
    dpi: u32,
    /// The display's number [default: the first from 99 that is free]
    #[arg(long, value_name = "N")]
    display_num: Option<u32>,
    /// Let programs draw with OpenGL, in software: 57 MB more
    #[arg(long)]
    gl: bool,
    /// Where it runs with another screen, end that first, with everything on it
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScreenshotArgs {
    /// How it is written; png and webp are exact
    #[arg(long, value_enum, default_value = "png")]
    #[serde(default)]
    format: FormatName,
    /// Of a jpeg, from 1 to 100 [default: 85]
    #[arg(long, value_name = "N")]
    quality: Option<u8>,
    /// Smaller, from 0.01 to 1
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    #[serde(default = "one")]
    scale: f64,
    /// Exactly this large; the record says the two factors, and `--from-scale` takes points of it
    #[arg(long, value_name = "WIDTHxHEIGHT", conflicts_with = "scale")]
    scale_to: Option<Size>,
    /// Only this part of the screen
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT", value_parser = rectangle, allow_hyphen_values = true)]
    region: Option<Rectangle>,
    /// With the cursor
    #[arg(long)]
    #[serde(default)]
    cursor: bool,
    /// Into this file, and a record on stdout; else the picture itself is on stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormatName {
    #[default]
    Png,
    Jpeg,
    Webp,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Subcommand)]
enum Mouse {
    /// Where the pointer is
    Position,
    /// Move it
    Move(MoveArgs),
    /// Press and release a button, there or where the pointer is
    Click(ClickArgs),
    /// Press a button and leave it down
    Down(ButtonArgs),
    /// Release a button
    Up(ButtonArgs),
    /// Press a button at one point, go to another, release it
    Drag(DragArgs),
    /// Turn the wheel
    Scroll(ScrollArgs),
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveArgs {
    /// From the left
    #[arg(allow_negative_numbers = true)]
    x: i32,
    /// From the top
    #[arg(allow_negative_numbers = true)]
    y: i32,
    /// The points are those of a picture of the whole screen with this size, as `screenshot --scale-to` makes it
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    from_scale: Option<Size>,
}

/// A point that may be left out.
#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClickArgs {
    /// From the left
    #[arg(requires = "y", allow_negative_numbers = true)]
    x: Option<i32>,
    /// From the top
    #[arg(allow_negative_numbers = true)]
    y: Option<i32>,
    /// Which button
    #[arg(long, value_enum, default_value = "left")]
    #[serde(default)]
    button: ButtonName,
    /// How often: 2 is a double click
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    #[serde(default = "once")]
    count: u32,
    /// Milliseconds between two clicks
    #[arg(long, value_name = "MS", default_value_t = 20)]
    #[serde(default = "click_gap")]
    gap_ms: u32,
    /// Keys that are held meanwhile, as in ctrl+shift
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    #[serde(default)]
    hold: String,
    /// The points are those of a picture of the whole screen with this size, as `screenshot --scale-to` makes it
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    from_scale: Option<Size>,
}

fn once() -> u32 {
    1
}

fn click_gap() -> u32 {
    20
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ButtonArgs {
    /// From the left
    #[arg(requires = "y", allow_negative_numbers = true)]
    x: Option<i32>,
    /// From the top
    #[arg(allow_negative_numbers = true)]
    y: Option<i32>,
    /// Which button
    #[arg(long, value_enum, default_value = "left")]
    #[serde(default)]
    button: ButtonName,
    /// The points are those of a picture of the whole screen with this size, as `screenshot --scale-to` makes it
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    from_scale: Option<Size>,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct DragArgs {
    /// Where it begins, from the left
    #[arg(allow_negative_numbers = true)]
    from_x: i32,
    /// Where it begins, from the top
    #[arg(allow_negative_numbers = true)]
    from_y: i32,
    /// Where it ends, from the left
    #[arg(allow_negative_numbers = true)]
    x: i32,
    /// Where it ends, from the top
    #[arg(allow_negative_numbers = true)]
    y: i32,
    /// Which button
    #[arg(long, value_enum, default_value = "left")]
    #[serde(default)]
    button: ButtonName,
    /// In how many steps
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[serde(default = "drag_steps")]
    steps: u32,
    /// Milliseconds between two steps
    #[arg(long, value_name = "MS", default_value_t = 2)]
    #[serde(default = "drag_gap")]
    step_ms: u32,
    /// The points are those of a picture of the whole screen with this size, as `screenshot --scale-to` makes it
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    from_scale: Option<Size>,
}

fn drag_steps() -> u32 {
    10
}

fn drag_gap() -> u32 {
    2
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrollArgs {
    /// From the left
    #[arg(requires = "y", allow_negative_numbers = true)]
    x: Option<i32>,
    /// From the top
    #[arg(allow_negative_numbers = true)]
    y: Option<i32>,
    /// Notches down; negative: up
    #[arg(long, value_name = "NOTCHES", default_value_t = 0, allow_negative_numbers = true)]
    #[serde(default)]
    dy: i32,
    /// Notches to the right; negative: to the left
    #[arg(long, value_name = "NOTCHES", default_value_t = 0, allow_negative_numbers = true)]
    #[serde(default)]
    dx: i32,
    /// Milliseconds between two notches
    #[arg(long, value_name = "MS", default_value_t = 6)]
    #[serde(default = "scroll_gap")]
    gap_ms: u32,
    /// The points are those of a picture of the whole screen with this size, as `screenshot --scale-to` makes it
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    from_scale: Option<Size>,
}

fn scroll_gap() -> u32 {
    6
}

#[derive(Debug, Clone, Copy, Default, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ButtonName {
    #[default]
    Left,
    Middle,
    Right,
    Back,
    Forward,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyArgs {
    /// Keys or chords, one after the other: Return, ctrl+l, alt+F4, é
    #[arg(value_name = "CHORD", required_unless_present = "all")]
    #[serde(default)]
    chords: Vec<String>,
    /// Press them and leave them down
    #[arg(long, conflicts_with = "up")]
    #[serde(default)]
    down: bool,
    /// Release them
    #[arg(long)]
    #[serde(default)]
    up: bool,
    /// With --up: every key that is down
    #[arg(long, requires = "up", conflicts_with = "chords")]
    #[serde(default)]
    all: bool,
    /// How many milliseconds each is held
    #[arg(long, value_name = "MS", default_value_t = 0, conflicts_with_all = ["down", "up"])]
    #[serde(default)]
    hold_ms: u32,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[serde(default = "once")]
    repeat: u32,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeArgs {
    /// The text; `-` is what stdin gives
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// Milliseconds between two characters
    #[arg(long, value_name = "MS", default_value_t = 0)]
    #[serde(default)]
    delay_ms: u32,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct WindowsArgs {
    #[command(subcommand)]
    command: Option<Windows>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Debug, Subcommand)]
enum Windows {
    /// One record a window, the lowest first
    List(FilterArgs),
    /// The window that has the focus
    Focused,
    /// Give a window the focus and raise it
    Focus(WindowArgs),
    /// Move a window; its frame begins at the point
    Move(MoveWindowArgs),
    /// Resize a window; it may accept only some sizes
    Resize(ResizeWindowArgs),
    /// Ask a window to close, and wait until it has
    Close(CloseWindowArgs),
    /// Wait for a window
    Wait(WaitWindowArgs),
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterArgs {
    /// Only those whose title has this, a regular expression
    #[arg(long, value_name = "REGEX")]
    title: Option<String>,
    /// Only those of this class, as in XTerm
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Only those of this process
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    window: String,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveWindowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    window: String,
    /// From the left
    #[arg(allow_negative_numbers = true)]
    x: i16,
    /// From the top
    #[arg(allow_negative_numbers = true)]
    y: i16,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResizeWindowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    window: String,
    /// Of its contents, in pixels
    width: u16,
    /// Of its contents, in pixels
    height: u16,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseWindowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    window: String,
    /// No longer than this; exit 124
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    #[serde(default = "five_seconds")]
    timeout: String,
}

#[derive(Debug, Args, Deserialize)]
struct WaitWindowArgs {
    #[command(flatten)]
    #[serde(flatten)]
    filter: FilterArgs,
    /// No longer than this; exit 124
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[serde(default = "thirty_seconds")]
    timeout: String,
}

fn five_seconds() -> String {
    "5s".to_owned()
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

#[derive(Debug, Subcommand)]
enum Clipboard {
    /// The text that it holds
    Get(ClipboardGetArgs),
    /// Hold a text until another program copies something, or the desktop ends
    Set(ClipboardSetArgs),
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipboardGetArgs {
    /// That of copy and paste, or what is selected
    #[arg(long, value_enum, default_value = "clipboard")]
    #[serde(default)]
    selection: SelectionName,
    /// How long the program that holds it may take to answer; exit 124
    #[arg(long, value_name = "DURATION", default_value = "3s")]
    #[serde(default = "three_seconds")]
    timeout: String,
    /// The text itself on stdout
    #[arg(long)]
    #[serde(skip)]
    raw: bool,
}

fn three_seconds() -> String {
    "3s".to_owned()
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipboardSetArgs {
    /// The text; `-` is what stdin gives
    #[arg(allow_hyphen_values = true)]
    text: String,
    /// That of copy and paste, what is selected, or both
    #[arg(long, value_enum, default_value = "clipboard")]
    #[serde(default)]
    selection: SelectionName,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SelectionName {
    #[default]
    Clipboard,
    Primary,
    Both,
}

impl SelectionName {
    fn all(self) -> &'static [Selection] {
        match self {
            SelectionName::Clipboard => &[Selection::Clipboard],
            SelectionName::Primary => &[Selection::Primary],
            SelectionName::Both => &[Selection::Clipboard, Selection::Primary],
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            SelectionName::Clipboard => "clipboard",
            SelectionName::Primary => "primary",
            SelectionName::Both => "both",
        }
    }
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitArgs {
    /// Until something is drawn; what was drawn before does not count
    #[arg(long, group = "what")]
    #[serde(default)]
    change: bool,
    /// Until nothing has been drawn for so long
    #[arg(long, value_name = "DURATION", group = "what")]
    stable: Option<String>,
    /// Until there is a window whose title has this, a regular expression
    #[arg(long, value_name = "REGEX", group = "what")]
    window: Option<String>,
    /// Until a point has a colour, as in 10,20=ff8000
    #[arg(long, value_name = "X,Y=RRGGBB", group = "what")]
    pixel: Option<String>,
    /// With --change and --stable: only this part of the screen counts
    #[arg(long, value_name = "X,Y,WIDTH,HEIGHT", value_parser = rectangle, allow_hyphen_values = true)]
    region: Option<Rectangle>,
    /// No longer than this; exit 124
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    #[serde(default = "thirty_seconds")]
    timeout: String,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct LaunchArgs {
    /// Wait for a window of it; exit 124 when none comes in time, and the program goes on
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "5s")]
    wait: Option<String>,
    /// Only a window whose title has this counts, a regular expression
    #[arg(long, value_name = "REGEX", requires = "wait")]
    title: Option<String>,
    /// Only a window of this class counts, as in XTerm
    #[arg(long, value_name = "CLASS", requires = "wait")]
    class: Option<String>,
    /// A variable for it; without =VALUE copied from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    #[serde(default)]
    env: Vec<String>,
    /// The program
    app: String,
    /// Its arguments; what looks like a flag of ours is one up to the first of them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    #[serde(default)]
    args: Vec<String>,
}

#[derive(Debug, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenArgs {
    /// Wait for a window; exit 124 when none comes in time, 1 when nothing can open it
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "5s")]
    wait: Option<String>,
    /// The file, or an address such as https://…
    target: String,
}

#[derive(Debug, Args)]
#[command(before_help = DO_EXAMPLES)]
struct DoArgs {
    /// The script; `-` is stdin
    script: PathBuf,
    /// Go on after an action that failed; its result is the error
    #[arg(long)]
    keep_going: bool,
}

/// A line of a script.
#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
enum Action {
    Position {},
    Move(MoveArgs),
    Click(ClickArgs),
    Down(ButtonArgs),
    Up(ButtonArgs),
    Drag(DragArgs),
    Scroll(ScrollArgs),
    Key(KeyArgs),
    Type(TypeArgs),
    Screenshot(ScreenshotArgs),
    Windows(FilterArgs),
    Focused {},
    Focus(WindowArgs),
    MoveWindow(MoveWindowArgs),
    ResizeWindow(ResizeWindowArgs),
    CloseWindow(CloseWindowArgs),
    WaitWindow(WaitWindowArgs),
    ClipboardGet(ClipboardGetArgs),
    ClipboardSet(ClipboardSetArgs),
    Wait(WaitArgs),
    Launch(LaunchArgs),
    Open(OpenArgs),
    Display {},
    Pause { ms: u64 },
}

/// Runs it.
pub(crate) fn main(context: &Context, args: DesktopArgs) -> Result<Exit, Failure> {
    if schema::ids::SessionId::parse(&args.name).is_err() {
        return Err(Failure::usage(format!("failed to use --name `{}`", args.name.escape_debug()))
            .hint("letters, digits, . _ -, at most 100"));
    }
    let store = context.store_path()?;
    // No desktop of ours has such a name.
    let (name, store) = (args.display.as_deref().unwrap_or(&args.name), store.as_path());
    if let Some(display) = &args.display {
        if !display.starts_with(':') {
            return Err(
                Failure::usage(format!("failed to use --display `{}`", display.escape_debug())).hint("as in :0")
            );
        }
        if matches!(
            args.command,
            Command::Start(_) | Command::Stop | Command::Status | Command::View(_) | Command::Record(_)
        ) {
            return Err(Failure::usage("failed to use --display: others have started it, others end it")
                .hint("--name is for desktops that are started here"));
        }
    }
    let action = match args.command {
        Command::Start(args) => return print(&start(context, store, name, &args)?),
        Command::Stop => return print(&desktop::stop(store, name).map_err(failure)?),
        Command::Status => return print(&desktop::status(store, name).map_err(failure)?),
        Command::Do(args) => return script(store, name, &args),
        Command::View(args) => return view::main(context, store, name, &args),
        Command::Record(args) => return record::run(store, name, args),
        Command::Screenshot(args) if args.out.is_none() => {
            let picture = connect(store, name)?.screenshot(&shot(&args)?).map_err(failure)?;
            if out::stdout_is_terminal() {
                return Err(
                    Failure::usage("failed to print a picture: stdout is a terminal").hint("--out FILE, or a pipe")
                );
            }
            return Ok(raw(&picture.bytes));
        }
        Command::Windows(WindowsArgs { command: None, filter })
        | Command::Windows(WindowsArgs { command: Some(Windows::List(filter)), .. }) => {
            for window in connect(store, name)?.windows(&filter.read()?).map_err(failure)? {
                if !out::print_record(&window) {
                    break;
                }
            }
            return Ok(Exit::Code(0));
        }
        Command::Windows(WindowsArgs { command: Some(command), .. }) => match command {
            Windows::List(filter) => Action::Windows(filter),
            Windows::Focused => Action::Focused {},
            Windows::Focus(args) => Action::Focus(args),
            Windows::Move(args) => Action::MoveWindow(args),
            Windows::Resize(args) => Action::ResizeWindow(args),
            Windows::Close(args) => Action::CloseWindow(args),
            Windows::Wait(args) => Action::WaitWindow(args),
        },
        Command::Mouse(command) => match command {
            Mouse::Position => Action::Position {},
            Mouse::Move(args) => Action::Move(args),
            Mouse::Click(args) => Action::Click(args),
            Mouse::Down(args) => Action::Down(args),
            Mouse::Up(args) => Action::Up(args),
            Mouse::Drag(args) => Action::Drag(args),
            Mouse::Scroll(args) => Action::Scroll(args),
        },
        Command::Type(args) if args.text == "-" => Action::Type(TypeArgs { text: stdin()?, ..args }),
        Command::Clipboard(Clipboard::Set(args)) => {
            let text = if args.text == "-" { stdin()? } else { args.text };
            if let Some(ready) = context.ready() {
                return hold(store, name, text, args.selection, ready);
            }
            // Who holds the text asks the display for it; nobody else has to.
            return print(&set_clipboard(name, store, &ClipboardSetArgs { text, ..args })?);
        }
        Command::Clipboard(Clipboard::Get(args)) if args.raw => {
            let text = clipboard(&connect(store, name)?, &args)?.text;
            return Ok(raw(text.as_bytes()));
        }
        Command::Clipboard(Clipboard::Get(args)) => Action::ClipboardGet(args),
        Command::Wait(args) => Action::Wait(args),
        Command::Display => Action::Display {},
        Command::Screenshot(args) => Action::Screenshot(args),
        Command::Key(args) => Action::Key(args),
        Command::Type(args) => Action::Type(args),
        Command::Launch(args) => Action::Launch(args),
        Command::Open(args) => Action::Open(args),
    };
    let desktop = connect(store, name)?;
    print(&act(&desktop, store, action)?)
}

pub(crate) fn print<T: serde::Serialize>(record: &T) -> Result<Exit, Failure> {
    out::print_record(record);
    Ok(Exit::Code(0))
}

/// Bytes as they are, and nothing else.
fn raw(bytes: &[u8]) -> Exit {
    if out::print_bytes(bytes) { Exit::Code(0) } else { Exit::Signal(host::Signal::SIGPIPE) }
}

fn connect(store: &Path, name: &str) -> Result<Desktop, Failure> {
    desktop::connect(store, name).map_err(failure)
}

fn start(
    context: &Context,
    store: &Path,
    name: &str,
    args: &StartArgs,
) -> Result<schema::desktop::DesktopRecord, Failure> {
    let size = |what: &str, value: u32| {
        u16::try_from(value).ok().filter(|value| (1..=32767).contains(value)).ok_or_else(|| {
            Failure::usage(format!("failed to use --{what} {value}")).hint("a screen has 1 to 32767 pixels each way")
        })
    };
    let dpi = u16::try_from(args.dpi).ok().filter(|dpi| (1..=2400).contains(dpi));
    let start = desktop::Start {
        name: name.to_owned(),
        width: size("width", args.width)?,
        height: size("height", args.height)?,
        dpi: dpi.ok_or_else(|| Failure::usage(format!("failed to use --dpi {}", args.dpi)).hint("from 1 to 2400"))?,
        display: args.display_num,
        gl: args.gl,
        replace: args.replace,
        env: variables(false, Vec::new(), &[], &[])?.0,
    };
    // Made here, so that what is wrong with it is said here.
    context.store()?.close()?;
    desktop::start(store, &start).map_err(failure)
}

/// Does one thing, and says what came of it.
fn act(desktop: &Desktop, store: &Path, action: Action) -> Result<Value, Failure> {
    let done = match action {
        Action::Position {} => json(desktop.position()),
        Action::Move(args) => json(desktop.move_pointer(mapped(desktop, (args.x, args.y), args.from_scale)?)),
        Action::Click(args) => json(desktop.click(
            point(desktop, args.x, args.y, args.from_scale)?,
            args.button.into(),
            args.count,
            args.gap_ms,
            &args.hold,
        )),
        Action::Down(args) => {
            json(desktop.button(point(desktop, args.x, args.y, args.from_scale)?, args.button.into(), true))
        }
        Action::Up(args) => {
            json(desktop.button(point(desktop, args.x, args.y, args.from_scale)?, args.button.into(), false))
        }
        Action::Drag(args) => {
            let from = mapped(desktop, (args.from_x, args.from_y), args.from_scale)?;
            let to = mapped(desktop, (args.x, args.y), args.from_scale)?;
            json(desktop.drag(from, to, args.button.into(), args.steps, args.step_ms))
        }
        Action::Scroll(args) => {
            json(desktop.scroll(point(desktop, args.x, args.y, args.from_scale)?, args.dx, args.dy, args.gap_ms))
        }
        Action::Key(args) => return key(desktop, args),
        Action::Type(args) => {
            if args.text.is_empty() {
                return Err(Failure::usage("failed to type: the text is empty"));
            }
            let characters = args.text.chars().count();
            json(desktop.type_text(&args.text, args.delay_ms).map(|()| TypedRecord { characters }))
        }
        Action::Screenshot(args) => return screenshot(desktop, &args),
        Action::Windows(args) => json(desktop.windows(&args.read()?).map(|windows| json!({ "windows": windows }))),
        Action::Focused {} => json(desktop.focused()),
        Action::Focus(args) => json(desktop.focus(window(&args.window)?)),
        Action::MoveWindow(args) => json(desktop.move_window(window(&args.window)?, args.x.into(), args.y.into())),
        Action::ResizeWindow(args) => {
            if args.width == 0 || args.height == 0 {
                return Err(Failure::usage("failed to resize a window: a size is 0"));
            }
            json(desktop.resize_window(window(&args.window)?, args.width.into(), args.height.into()))
        }
        Action::CloseWindow(args) => {
            let closed = desktop.close_window(window(&args.window)?, time(&args.timeout)?);
            json(closed.map(|()| WindowClosedRecord { window: args.window }))
        }
        Action::WaitWindow(args) => json(wait_window(desktop, args)?),
        Action::ClipboardGet(args) => Ok(json!(clipboard(desktop, &args)?)),
        Action::ClipboardSet(args) => return set_clipboard(desktop.name(), store, &args),
        Action::Wait(args) => return wait(desktop, &args),
        Action::Launch(args) => return launch(desktop, store, args),
        Action::Open(args) => return open(desktop, store, &args),
        Action::Display {} => Ok(json!(desktop.record())),
        Action::Pause { ms } => {
            std::thread::sleep(Duration::from_millis(ms.min(60_000)));
            Ok(json!({ "paused_ms": ms.min(60_000) }))
        }
    };
    done.map_err(failure)
}

fn json<T: serde::Serialize>(result: Result<T, Error>) -> Result<Value, Error> {
    result.map(|record| json!(record))
}

fn key(desktop: &Desktop, args: KeyArgs) -> Result<Value, Failure> {
    let stroke = match (args.down, args.up) {
        (true, _) => Stroke::Down,
        (false, true) => Stroke::Up,
        (false, false) => Stroke::Press(args.hold_ms),
    };
    if args.all {
        desktop.release_all().map_err(failure)?;
    }
    for _ in 0..args.repeat {
        for chord in &args.chords {
            desktop.strike(chord, stroke).map_err(failure)?;
        }
    }
    Ok(json!(KeysRecord { keys: args.chords }))
}

fn shot(args: &ScreenshotArgs) -> Result<Shot, Failure> {
    let format = match (args.format, args.quality) {
        (FormatName::Jpeg, quality) => Format::Jpeg(quality.unwrap_or(85)),
        (FormatName::Png, None) => Format::Png,
        (FormatName::Webp, None) => Format::Webp,
        (FormatName::Png | FormatName::Webp, Some(_)) => {
            return Err(Failure::usage("failed to use --quality: png and webp are exact")
                .hint("--format jpeg has one; WebP is written without loss only"));
        }
    };
    let scale = match args.scale_to {
        Some(Size { width, height }) => Scale::To(width, height),
        None => Scale::By(args.scale),
    };
    Ok(Shot { region: args.region, scale, cursor: args.cursor, format })
}

fn screenshot(desktop: &Desktop, args: &ScreenshotArgs) -> Result<Value, Failure> {
    let Some(path) = &args.out else {
        return Err(Failure::usage("failed to take a screenshot: it needs a file").hint("\"out\": \"FILE\""));
    };
    let picture = desktop.screenshot(&shot(args)?).map_err(failure)?;
    write_whole(path, &mut |file| file.write_all(&picture.bytes))?;
    Ok(json!(ScreenshotRecord {
        path: path.to_string_lossy().into_owned(),
        format: match args.format {
            FormatName::Png => PictureFormat::Png,
            FormatName::Jpeg => PictureFormat::Jpeg,
            FormatName::Webp => PictureFormat::Webp,
        },
        width: picture.width,
        height: picture.height,
        scale_x: f64::from(picture.width) / f64::from(picture.region.width),
        scale_y: f64::from(picture.height) / f64::from(picture.region.height),
        bytes: picture.bytes.len() as u64,
        region: picture.region,
    }))
}

fn wait_window(desktop: &Desktop, args: WaitWindowArgs) -> Result<Result<WindowRecord, Error>, Failure> {
    let deadline = Instant::now() + time(&args.timeout)?;
    let found = desktop.wait_for_window(&args.filter.read()?, deadline, &|_| true);
    Ok(found.and_then(|found| found.ok_or_else(|| Error::Timeout("such a window".to_owned()))))
}

fn launch(desktop: &Desktop, store: &Path, args: LaunchArgs) -> Result<Value, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::usage(format!("failed to enter the current directory: {error}")))?;
    let launch = desktop::Launch {
        command: std::iter::once(args.app).chain(args.args).collect(),
        env: variables(false, Vec::new(), &[], &args.env)?.0,
        cwd,
        wait: args.wait.as_deref().map(time).transpose()?,
        filter: FilterArgs { title: args.title, class: args.class, pid: None }.read()?,
    };
    json(desktop::launch(desktop, store, &launch)).map_err(failure)
}

fn open(desktop: &Desktop, store: &Path, args: &OpenArgs) -> Result<Value, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::usage(format!("failed to enter the current directory: {error}")))?;
    let launch = desktop::Launch {
        command: Vec::new(),
        env: variables(false, Vec::new(), &[], &[])?.0,
        cwd,
        wait: args.wait.as_deref().map(time).transpose()?,
        filter: Filter::default(),
    };
    json(desktop::open(desktop, store, &args.target, launch)).map_err(failure)
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("failed to read stdin: {error}")))?;
    Ok(text)
}

fn clipboard(desktop: &Desktop, args: &ClipboardGetArgs) -> Result<ClipboardRecord, Failure> {
    let selection = match args.selection {
        SelectionName::Clipboard => Selection::Clipboard,
        SelectionName::Primary => Selection::Primary,
        SelectionName::Both => return Err(Failure::usage("failed to read both selections: they may differ")),
    };
    let text = desktop.clipboard(selection, time(&args.timeout)?).map_err(failure)?;
    Ok(ClipboardRecord { text, selection: args.selection.as_str().to_owned() })
}

fn set_clipboard(name: &str, store: &Path, args: &ClipboardSetArgs) -> Result<Value, Failure> {
    let env = variables(false, Vec::new(), &[], &[])?.0;
    Ok(json!(desktop::leave_text(name, store, &args.text, args.selection.as_str(), &env)?))
}

/// The process in the background.
fn hold(store: &Path, name: &str, text: String, selection: SelectionName, ready: Ready) -> Result<Exit, Failure> {
    // No directory is to be kept busy by us.
    let _ = std::env::set_current_dir("/");
    let mut ready = Some(ready);
    let held = connect(store, name).and_then(|desktop| {
        let holder = desktop.hold_text(text, selection.all()).map_err(failure)?;
        if let Some(ready) = ready.take() {
            ready.say(desktop::HELD);
        }
        holder.serve();
        Ok(Exit::Code(0))
    });
    held.or_else(|failure| {
        if let Some(ready) = ready {
            ready.say(&out::error_line(&failure));
        }
        Ok(Exit::Code(failure.exit_code))
    })
}

fn wait(desktop: &Desktop, args: &WaitArgs) -> Result<Value, Failure> {
    let begun = Instant::now();
    let deadline = begun + time(&args.timeout)?;
    let (mut area, mut window) = (None, None);
    let reached = match (args.change, &args.stable, &args.window, &args.pixel) {
        (true, None, None, None) => {
            area = Some(desktop.wait_for_change(args.region, deadline).map_err(failure)?);
            "change"
        }
        (false, Some(rest), None, None) => {
            desktop.wait_for_rest(time(rest)?, args.region, deadline).map_err(failure)?;
            "stable"
        }
        (false, None, Some(title), None) => {
            let filter = FilterArgs { title: Some(title.clone()), class: None, pid: None };
            let args = WaitWindowArgs { filter, timeout: args.timeout.clone() };
            window = Some(wait_window(desktop, args)?.map_err(failure)?);
            "window"
        }
        (false, None, None, Some(pixel)) => {
            let (at, colour) = pixel_of(pixel)?;
            desktop.wait_for_pixel(at, colour, deadline).map_err(failure)?;
            "pixel"
        }
        (_, _, _, _) => {
            return Err(Failure::usage("failed to wait: for one thing, please").hint("change, stable, window or pixel"));
        }
    };
    let after_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(json!(DesktopWaitedRecord { reached: reached.to_owned(), after_ms, area, window }))
}

/// `X,Y=RRGGBB`.
fn pixel_of(text: &str) -> Result<((i32, i32), [u8; 3]), Failure> {
    let parse = || {
        let (at, colour) = text.split_once('=')?;
        let (x, y) = at.split_once(',')?;
        let colour = colour.strip_prefix('#').unwrap_or(colour);
        let colour = u32::from_str_radix(colour, 16).ok().filter(|_| colour.len() == 6)?;
        let [_, red, green, blue] = colour.to_be_bytes();
        Some(((x.trim().parse().ok()?, y.trim().parse().ok()?), [red, green, blue]))
    };
    parse().ok_or_else(|| {
        Failure::usage(format!("failed to use the pixel `{}`", text.escape_debug())).hint("as in 10,20=ff8000")
    })
}

fn script(store: &Path, name: &str, args: &DoArgs) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("failed to read {}: {error}", args.script.display()));
    let lines: Box<dyn BufRead> = if args.script == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::io::BufReader::new(std::fs::File::open(&args.script).map_err(failed)?))
    };
    let desktop = connect(store, name)?;
    let mut exit = 0;
    for (line, number) in lines.lines().zip(1..) {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let done = serde_json::from_str::<Action>(&line)
            .map_err(|error| Failure::usage(format!("failed to read line {number} of the script: {error}")))
            .and_then(|action| act(&desktop, store, action));
        match done {
            Ok(result) if out::print_record(&result) => {}
            Ok(_) => return Ok(Exit::Signal(host::Signal::SIGPIPE)),
            Err(failure) if args.keep_going => {
                exit = failure.exit_code;
                out::fail(&failure, false);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(Exit::Code(exit))
}

/// What an error means to whoever asked.
pub(crate) fn failure(error: Error) -> Failure {
    error.into()
}

fn point(
    desktop: &Desktop,
    x: Option<i32>,
    y: Option<i32>,
    from_scale: Option<Size>,
) -> Result<Option<(i32, i32)>, Failure> {
    match (x, y) {
        (Some(x), Some(y)) => mapped(desktop, (x, y), from_scale).map(Some),
        (None, None) => Ok(None),
        (_, _) => Err(Failure::usage("failed to point: x and y belong together")),
    }
}

/// The point of the screen that a point of a smaller picture of it shows: the middle of what that pixel covers.
fn mapped(desktop: &Desktop, (x, y): (i32, i32), from_scale: Option<Size>) -> Result<(i32, i32), Failure> {
    let Some(Size { width, height }) = from_scale else { return Ok((x, y)) };
    let screen = desktop.record().resolution;
    let map = |at: i32, from: u32, to: u16| {
        let at = u32::try_from(at).ok().filter(|at| *at < from)?;
        let middle = (u64::from(at) * 2 + 1) * u64::from(to) / (u64::from(from) * 2);
        i32::try_from(middle).ok()
    };
    map(x, width, screen.width).zip(map(y, height, screen.height)).ok_or_else(|| {
        Failure::usage(format!("failed to point at {x},{y}: the picture is {width}x{height}"))
            .hint("points are from 0,0 in the upper left corner on")
    })
}

/// `WIDTHxHEIGHT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Size {
    width: u32,
    height: u32,
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let size = |text: &str| text.parse().ok().filter(|size| (1..=32767).contains(size));
        let parsed = text.split_once('x').and_then(|(width, height)| size(width).zip(size(height)));
        let (width, height) = parsed.ok_or_else(|| "a size is WIDTHxHEIGHT, as in 1024x640".to_owned())?;
        Ok(Size { width, height })
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Size, String> {
        text.parse()
    }
}

/// A window's id, in decimal or as 0x….
fn window(text: &str) -> Result<u32, Failure> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| {
        Failure::usage(format!("failed to use window `{}`", text.escape_debug()))
            .hint("an id is a number; `sandbox-agent desktop windows` lists them")
    })
}

fn time(text: &str) -> Result<Duration, Failure> {
    duration("the time", text, "as in 500ms, 30s, 10m")
}

/// `X,Y,WIDTH,HEIGHT`.
fn rectangle(text: &str) -> Result<Rectangle, String> {
    let wrong = || "a region is X,Y,WIDTH,HEIGHT, as in 100,50,640,480".to_owned();
    let numbers: Vec<i64> =
        text.split(',').map(|word| word.trim().parse().ok()).collect::<Option<_>>().ok_or_else(wrong)?;
    let [x, y, width, height] = numbers.try_into().map_err(|_| wrong())?;
    let place = |at: i64| i32::try_from(at).map_err(|_| wrong());
    let size = |length: i64| u32::try_from(length).map_err(|_| wrong());
    Ok(Rectangle { x: place(x)?, y: place(y)?, width: size(width)?, height: size(height)? })
}

impl FilterArgs {
    fn read(self) -> Result<Filter, Failure> {
        Filter::new(self.title.as_deref(), self.class, self.pid).map_err(failure)
    }
}

impl From<ButtonName> for Button {
    fn from(name: ButtonName) -> Button {
        match name {
            ButtonName::Left => Button::Left,
            ButtonName::Middle => Button::Middle,
            ButtonName::Right => Button::Right,
            ButtonName::Back => Button::Back,
            ButtonName::Forward => Button::Forward,
        }
    }
}
