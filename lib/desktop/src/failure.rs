//! What an error means to whoever asked, at either door.

use engine::Failure;
use engine::session::chain;
use schema::outcome::ErrorCode;

use crate::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = format!("failed to {}", chain(&error));
        match error {
            Error::Missing(programs) => Failure::new(ErrorCode::NotInstalled, message).hint(needed(&programs)),
            Error::NotRunning(name) => Failure::new(ErrorCode::NotFound, message)
                .hint(format!("start it: sandbox-agent desktop start --name {name}")),
            Error::Ended { name, .. } => Failure::new(ErrorCode::NotFound, message)
                .hint(format!("start it again: sandbox-agent desktop start --name {name}")),
            Error::Busy(_) => Failure::new(ErrorCode::Busy, message).hint("try again"),
            Error::Other { name, .. } => Failure::new(ErrorCode::Busy, message).hint(format!(
                "--replace ends it first, as `sandbox-agent desktop stop --name {name}` does; or choose another --name"
            )),
            Error::OtherView { name, .. } => Failure::new(ErrorCode::Busy, message)
                .hint(format!("stop it first: sandbox-agent desktop view stop --name {name}")),
            Error::PortTaken(_) => {
                Failure::new(ErrorCode::Busy, message).hint("leave --port out, and a free one is taken")
            }
            Error::DisplayTaken(_) => {
                Failure::new(ErrorCode::Busy, message).hint("leave --display-num out, and a free one is taken")
            }
            Error::Invalid(_) => Failure::usage(message),
            Error::Outside { .. } => Failure::usage(message).hint("points are from 0,0 in the upper left corner on"),
            Error::UnknownKey { .. } => {
                Failure::usage(message).hint("as in Return, F5, ctrl+l, é; names are X11's; `desktop type` is for text")
            }
            Error::NoWindow(_) | Error::NoFocus => {
                Failure::new(ErrorCode::NotFound, message).hint("`sandbox-agent desktop windows` lists them")
            }
            Error::NoText => Failure::new(ErrorCode::Other, message),
            Error::NoTarget(_) => Failure::new(ErrorCode::NotFound, message),
            Error::Recording { name, .. } => Failure::new(ErrorCode::Busy, message)
                .hint(format!("stop it first: sandbox-agent desktop record stop --name {name}")),
            Error::StillRecording(_) => Failure::new(ErrorCode::Busy, message).hint("stop it first"),
            Error::NotRecording(_) | Error::NoRecording(_) => Failure::new(ErrorCode::NotFound, message)
                .hint("`sandbox-agent desktop record list` has them all, and why one failed"),
            Error::RecordingFailed { recording, .. } => Failure::new(ErrorCode::Other, message)
                .hint(format!("what there is of it is kept: sandbox-agent desktop record show {recording}")),
            Error::Timeout(_) => Failure::new(ErrorCode::Timeout, message),
            Error::NotStarted { .. }
            | Error::Connect { .. }
            | Error::Display(_)
            | Error::Unfit(_)
            | Error::Picture(_)
            | Error::Broken(_)
            | Error::NoRoom { .. }
            | Error::NoFilm(_)
            | Error::NotOpened { .. }
            | Error::File { .. } => Failure::new(ErrorCode::Other, message),
            Error::Engine(error) => error.into(),
            Error::Host(error) => error.into(),
        }
    }
}

/// What installs a program.
fn needed(programs: &[String]) -> String {
    let package = match programs {
        [only] if only == "xdg-open" => " (it is in xdg-utils)",
        _ => "",
    };
    format!("sandbox-agent install desktop --yes; `--print-only` says what that does{package}")
}
