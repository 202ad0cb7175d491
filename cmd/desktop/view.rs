//! `desktop view`: a desktop in a browser, live.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, Subcommand};
use engine::Failure;

use super::{failure, print};
use crate::context::Context;
use crate::exit::Exit;
use crate::out;
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent desktop view start | jq -r .url
  sandbox-agent desktop view start --read-only --port 8000
  sandbox-agent desktop view stop";

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct ViewArgs {
    #[command(subcommand)]
    command: View,
}

#[derive(Debug, Subcommand)]
enum View {
    /// Serve it on 127.0.0.1, until `view stop` or the end of the desktop; prints the address, which holds the key to it
    Start(StartArgs),
    /// Serve it no longer
    Stop,
    /// Where it is, and how many look
    Status,
}

#[derive(Debug, Args)]
struct StartArgs {
    /// The port on 127.0.0.1; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// At most so many pictures a second, from 1 to 60
    #[arg(long, value_name = "N", default_value_t = 30)]
    fps: u32,
    /// Of what moves, from 1 to 100; what rests is shown with 95
    #[arg(long, value_name = "N", default_value_t = 80)]
    quality: u8,
    /// Whoever looks cannot point or type
    #[arg(long)]
    read_only: bool,
}

/// Runs it.
pub(super) fn main(context: &Context, store: &Path, name: &str, args: &ViewArgs) -> Result<Exit, Failure> {
    let record = match &args.command {
        View::Start(StartArgs { port, fps, quality, read_only }) => {
            let view = desktop::View { port: *port, fps: *fps, quality: *quality, read_only: *read_only };
            // Made here, so that what is wrong with it is said here.
            context.store()?.close()?;
            desktop::start_view(store, name, view, &variables(false, Vec::new(), &[], &[])?.0)
        }
        View::Stop => desktop::stop_view(store, name),
        View::Status => desktop::view_status(store, name),
    };
    print(&record.map_err(failure)?)
}

/// Hidden `__view NAME STORE`: the process that serves it.
pub(crate) fn serve(mut args: impl Iterator<Item = OsString>) -> Option<i32> {
    host::private::private_umask();
    let name = args.next()?.into_string().ok()?;
    let store = std::path::PathBuf::from(args.next()?);
    if let Err(error) = desktop::serve_view(&store, &name) {
        out::complain(&format!("error: failed to {}", engine::session::chain(&error)));
    }
    Some(1)
}
