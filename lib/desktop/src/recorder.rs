//! The process that makes a recording: what changes on the screen goes through a pipe into ffmpeg, which writes a film
//! that plays at any moment.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::clock;
use host::feed::Fed;
use schema::Timestamp;
use schema::desktop::{RecordingRecord, RecordingStatus};
use serde::{Deserialize, Serialize};

use crate::connect::Desktop;
use crate::record::{FFMPEG, ROOM, Shelf, check_room, recorder};
use crate::stack::{self, PATIENCE};
use crate::{Capture, Error, boxes};

/// What a recorder is told on its command line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) store: PathBuf,
    pub(crate) name: String,
    pub(crate) recording_id: String,
    pub(crate) fps: u32,
    pub(crate) max_ms: Option<u64>,
    pub(crate) cursor: bool,
}

/// After so long without a change the picture is written again, so that the film grows.
const REST: Duration = Duration::from_secs(1);

/// Records until `stop` is at its end, or the time is over. Only what ended well is written down here: whoever is killed
/// writes nothing, and so whoever asks looks how the process ended.
///
/// # Errors
/// When the display goes, ffmpeg fails, or the disk is full.
pub fn run(order: &str, stop: BorrowedFd<'_>) -> Result<(), Error> {
    let order: Order =
        serde_json::from_str(order).map_err(|_| Error::Invalid("record: the order is none of ours".to_owned()))?;
    let shelf = Shelf::of(&order.store);
    let path = shelf.film(&order.recording_id);
    let desktop = stack::connect(&order.store, &order.name)?;
    let mut capture = Capture::new(&desktop, order.fps, order.cursor)?;
    capture.next(Instant::now() + PATIENCE, &[])?;
    let process = recorder(&order.store, &order.recording_id)?;
    let mut row = RecordingRecord {
        recording_id: order.recording_id.clone(),
        desktop: order.name.clone(),
        status: RecordingStatus::Recording,
        path: path.to_string_lossy().into_owned(),
        bytes: 0,
        width: desktop.width,
        height: desktop.height,
        fps: order.fps,
        frames: 0,
        duration_ms: 0,
        started: Timestamp(clock::now_ms()).to_string(),
        ended: None,
        error: None,
        process_id: process.map(|process| process.process_id).unwrap_or_default(),
    };
    let arguments = arguments(&order, &desktop, &path);
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let mut ffmpeg = Fed::start(Path::new(FFMPEG), &arguments)?;
    let filmed = film(&order, &desktop, &mut capture, &mut ffmpeg, stop, &mut || {
        let has_begun = std::fs::metadata(&path).is_ok_and(|file| file.len() > 0);
        if has_begun {
            shelf.write(&row)?;
        }
        Ok(has_begun)
    });
    let broken = |why: String| Error::Broken(why);
    match ffmpeg.end(PATIENCE).map_err(Error::Picture)? {
        Some(status) if status.success() => filmed?,
        Some(status) => return Err(broken(format!("ffmpeg has ended with {status}"))),
        None => return Err(broken("ffmpeg did not end".to_owned())),
    }
    let film = boxes::film(&path).map_err(Error::Picture)?;
    let film = film.ok_or_else(|| broken("there is no picture in it".to_owned()))?;
    smooth(&path);
    row.status = RecordingStatus::Completed;
    row.ended = Some(Timestamp(clock::now_ms()).to_string());
    (row.frames, row.duration_ms) = (film.frames, film.duration_ms);
    shelf.write(&row)
}

/// Gives picture after picture to ffmpeg; `begun` is asked until it says that there is a film.
fn film(
    order: &Order,
    desktop: &Desktop,
    capture: &mut Capture<'_>,
    ffmpeg: &mut Fed,
    stop: BorrowedFd<'_>,
    begun: &mut dyn FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let directory = Shelf::of(&order.store).directory;
    let end = order.max_ms.map(|max| Instant::now() + Duration::from_millis(max));
    let (mut has_begun, mut looked) = (false, Instant::now());
    loop {
        write(ffmpeg, capture.pixels())?;
        has_begun = has_begun || begun()?;
        // A program that has begun to write takes its time with the next.
        let rest = if has_begun { REST } else { REST / order.fps };
        let now = Instant::now();
        let deadline = end.map_or(now + rest, |end| end.min(now + rest));
        capture.next(deadline, &[stop])?;
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) || desktop.wait(now, false, &[stop])? {
            // The last picture is shown until now.
            return write(ffmpeg, capture.pixels());
        }
        if now >= looked + REST {
            looked = now;
            check_room(&directory)?;
        }
    }
}

fn write(ffmpeg: &mut Fed, pixels: &[u8]) -> Result<(), Error> {
    ffmpeg.write(pixels, PATIENCE).map_err(|error| {
        let hangs = error.kind() == ErrorKind::TimedOut;
        Error::Broken(if hangs { "ffmpeg takes no more pictures" } else { "ffmpeg has gone" }.to_owned())
    })
}

/// Fragments, so that the film plays whenever it ends; no frame is held back; colours as browsers expect them.
fn arguments(order: &Order, desktop: &Desktop, path: &Path) -> Vec<String> {
    let size = format!("{}x{}", desktop.width, desktop.height);
    let fps = order.fps.to_string();
    let path = path.to_string_lossy();
    // H.264 has no odd sizes.
    let filter = "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv";
    let input = ["-probesize", "32", "-analyzeduration", "0", "-f", "rawvideo", "-pix_fmt", "bgr0"];
    let timing = ["-video_size", &size, "-framerate", &fps, "-use_wallclock_as_timestamps", "1", "-i", "pipe:0"];
    let coding = ["-vsync", "vfr", "-vf", filter, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"];
    let colours = ["-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"];
    let pieces = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000"];
    let file = ["-flush_packets", "1", "-f", "mp4", "-y", &path];
    let all = [&QUIET[..], &input, &timing, &coding, &colours, &["-color_range", "tv"], &pieces, &file];
    all.concat().into_iter().map(str::to_owned).collect()
}

/// It says only what goes wrong.
const QUIET: [&str; 4] = ["-hide_banner", "-loglevel", "error", "-nostdin"];

/// Makes one piece of the fragments, which every player can seek in. A film that is left as it is plays too.
fn smooth(path: &Path) {
    let beside = path.with_extension("whole");
    let (Some(from), Some(to)) = (path.to_str(), beside.to_str()) else { return };
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    if host::disk::free(path).is_some_and(|free| free < size + ROOM) {
        return;
    }
    let copy = ["-i", from, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", "-y", to];
    let done = host::ask::ask(Path::new(FFMPEG), &[&QUIET[..], &copy].concat(), PATIENCE);
    if !done.is_ok_and(|answer| answer.code == Some(0)) || std::fs::rename(&beside, path).is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&beside);
    }
}
