//! `desktop record`: films of a desktop's screen, and the process that makes one.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use desktop::record::{self as recordings, Record};
use engine::Failure;
use engine::session::chain;
use schema::desktop::RecordingCopiedRecord;
use schema::outcome::ErrorCode;

use super::{failure, print};
use crate::context::duration;
use crate::exit::Exit;
use crate::out;
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent desktop record start --fps 15 --max 10m
  sandbox-agent desktop record stop --out demo.mp4
  sandbox-agent desktop record list | jq -r 'select(.status == \"failed\") | .error'
  sandbox-agent desktop record download rec_01… --out - | ffprobe -";

/// Films of the screen.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct RecordArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a recording in the background; one at a time on each desktop. Needs ffmpeg
    Start(StartArgs),
    /// End it, and print its record once the film is whole
    Stop(StopArgs),
    /// One record a recording, of every desktop, the oldest first
    List,
    /// One of them
    Show(OneArgs),
    /// Copy a film; of one that goes on what there is so far
    Download(DownloadArgs),
    /// Forget a recording, with its film
    Delete(OneArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// At most so many pictures a second, from 1 to 60; while nothing changes there is one
    #[arg(long, value_name = "N", default_value_t = 30)]
    fps: u32,
    /// End it by itself after so long
    #[arg(long, value_name = "DURATION")]
    max: Option<String>,
    /// Without the cursor
    #[arg(long)]
    no_cursor: bool,
}

#[derive(Debug, Args)]
struct StopArgs {
    /// Copy the film into this file; `-` is stdout, and no record then
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// Its id
    #[arg(value_name = "ID")]
    recording: String,
}

#[derive(Debug, Args)]
struct DownloadArgs {
    /// Its id
    #[arg(value_name = "ID")]
    recording: String,
    /// Into this file; `-` is stdout, and no record then
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs it.
pub(crate) fn run(store: &Path, name: &str, args: RecordArgs) -> Result<Exit, Failure> {
    match args.command {
        Command::Start(args) => {
            let max = args.max.map(|max| duration("--max", &max, "as in 30s, 10m, 1h")).transpose()?;
            let env = variables(false, Vec::new(), &[], &[])?.0;
            let record = Record { name: name.to_owned(), fps: args.fps, max, cursor: !args.no_cursor, env };
            print(&recordings::start(store, &record).map_err(failure)?)
        }
        Command::Stop(args) => {
            let recording = recordings::stop(store, name).map_err(failure)?;
            match &args.out {
                Some(out) if out == Path::new("-") => copy(store, &recording.recording_id, out),
                Some(out) => copy_into(store, &recording.recording_id, out).and_then(|_| print(&recording)),
                None => print(&recording),
            }
        }
        Command::List => {
            for recording in recordings::list(store).map_err(failure)? {
                if !out::print_record(&recording) {
                    break;
                }
            }
            Ok(Exit::Code(0))
        }
        Command::Show(args) => print(&recordings::find(store, &args.recording).map_err(failure)?),
        Command::Download(args) => copy(store, &args.recording, &args.out),
        Command::Delete(args) => print(&recordings::delete(store, &args.recording).map_err(failure)?),
    }
}

/// Runs as the process that makes a recording; its one argument says which.
pub(crate) fn recorder(mut args: impl Iterator<Item = OsString>) -> Exit {
    let Some(order) = args.next().and_then(|order| order.into_string().ok()) else { return Exit::Code(2) };
    host::private::private_umask();
    match desktop::recorder::run(&order, std::io::stdin().as_fd()) {
        Ok(()) => Exit::Code(0),
        Err(error) => {
            out::complain(&format!("failed to {}", chain(&error)));
            Exit::Code(1)
        }
    }
}

fn copy(store: &Path, id: &str, out: &Path) -> Result<Exit, Failure> {
    if out != Path::new("-") {
        return copy_into(store, id, out).and_then(|copied| print(&copied));
    }
    if out::stdout_is_terminal() {
        return Err(Failure::usage("failed to print a film: stdout is a terminal").hint("--out FILE, or a pipe"));
    }
    let mut film = recordings::film(store, id).map_err(failure)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = film
            .read(&mut piece)
            .map_err(|error| Failure::new(ErrorCode::Other, format!("failed to read the film of {id}: {error}")))?;
        if count == 0 {
            return Ok(Exit::Code(0));
        }
        if !out::print_bytes(&piece[..count]) {
            return Ok(Exit::Signal(host::Signal::SIGPIPE));
        }
    }
}

fn copy_into(store: &Path, id: &str, out: &Path) -> Result<RecordingCopiedRecord, Failure> {
    let mut film = recordings::film(store, id).map_err(failure)?;
    let bytes = write_whole(out, &mut |file| std::io::copy(&mut film, file))?;
    Ok(RecordingCopiedRecord { recording_id: id.to_owned(), path: out.to_string_lossy().into_owned(), bytes })
}

/// Writes a file beside its place and puts it there, whole or not at all.
pub(crate) fn write_whole<T>(
    path: &Path,
    write: &mut dyn FnMut(&mut std::fs::File) -> std::io::Result<T>,
) -> Result<T, Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        let written = write(&mut file)?;
        file.flush()?;
        std::fs::rename(&beside, path)?;
        Ok(written)
    });
    written.map_err(|error| {
        // It may not even be there.
        let _ = std::fs::remove_file(&beside);
        Failure::new(ErrorCode::Other, format!("failed to write {}: {error}", path.display()))
    })
}
