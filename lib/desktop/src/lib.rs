//! The eyes and fingers: a virtual desktop, driven over X11 by commands that connect, act and go.
//!
//! | file | what it is for |
//! |---|---|
//! | `stack` | starting, stopping, telling of a desktop: Xvfb and a window manager as managed processes |
//! | `manager` | the window manager's configuration |
//! | `packages` | what has to be installed, and the command that does it |
//! | `connect` | the connection of one command to a running desktop |
//! | `screen`, `picture` | pixels from the server; pixels as files |
//! | `pointer`, `keyboard`, `keys` | buttons and motion; text and chords; the names of keys |
//! | `windows`, `launch` | windows; programs that open them |
//! | `view`, `view/serve`, `view/viewer` | the live view: its process; the way to viewers; what one is shown and does |
//! | `clipboard`, `watch` | what is copied and pasted; waiting for what is drawn |
//! | `capture` | the screen kept up to date, and where it has changed |
//! | `failure` | what an error means to whoever asked |
//! | `record`, `recorder`, `boxes` | the catalogue of recordings; the process that makes one; what of its film plays |

mod boxes;
mod capture;
mod clipboard;
mod connect;
mod error;
mod failure;
mod keyboard;
mod keys;
mod launch;
mod manager;
mod packages;
mod picture;
mod pointer;
pub mod record;
pub mod recorder;
mod screen;
mod stack;
mod view;
mod watch;
mod windows;

pub use capture::Capture;
pub use clipboard::{HELD, Holder, Selection, leave_text};
pub use connect::Desktop;
pub use error::Error;
pub use keyboard::Stroke;
pub use launch::{Launch, launch, open};
pub use packages::{Manager, Packages};
pub use picture::Format;
pub use pointer::Button;
pub use screen::{Picture, Scale, Shot};
pub use stack::{Start, connect, missing, missing_besides, start, status, stop};
pub use view::viewer::{Say, Show, Viewer};
pub use view::{View, serve_view, start_view, stop_view, view_status};
pub use windows::Filter;
