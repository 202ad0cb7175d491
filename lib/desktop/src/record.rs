//! Recordings: a catalogue on disk, one file a recording beside its film, that says the truth whoever was killed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::process::{self, Kept};
use host::{Lock, find};
use schema::Timestamp;
use schema::desktop::{RecordingDeletedRecord, RecordingRecord, RecordingStatus};
use schema::process::RestartPolicy;
use store::Process;

use crate::launch::environment;
use crate::recorder::Order;
use crate::stack::{self, PATIENCE};
use crate::{Error, boxes};

/// What to record. No `Debug`: the environment may hold secrets.
pub struct Record {
    /// The desktop's name.
    pub name: String,
    /// At most so many pictures a second, from 1 to 60.
    pub fps: u32,
    /// Ends it by itself.
    pub max: Option<Duration>,
    /// Whether the cursor is in it.
    pub cursor: bool,
    /// The environment of its programs.
    pub env: Vec<(OsString, OsString)>,
}

/// The program that makes the film.
pub(crate) const FFMPEG: &str = "ffmpeg";

/// What has to be left of the disk, in bytes: the store is there too, and has to note how things end.
pub(crate) const ROOM: u64 = 16 << 20;

/// Between two looks at a recorder that is coming up, or a file that grows.
const LOOK: Duration = Duration::from_millis(10);

/// The label that tells which recording a recorder makes.
const RECORDING: &str = "recording";

/// Starts a recording, and returns once there is a film that grows.
///
/// # Errors
/// [`Error::Invalid`], [`Error::Missing`], [`Error::NotRunning`], [`Error::Recording`], [`Error::NoRoom`], [`Error::NotStarted`].
pub fn start(store: &Path, record: &Record) -> Result<RecordingRecord, Error> {
    if !(1..=60).contains(&record.fps) {
        return Err(Error::Invalid(format!("record {} pictures a second: from 1 to 60", record.fps)));
    }
    if find::program(Path::new(FFMPEG), &[]).is_err() {
        return Err(Error::Missing(vec![FFMPEG.to_owned()]));
    }
    let desktop = stack::connect(store, &record.name)?;
    let shelf = Shelf::of(store);
    host::private::directory(&shelf.directory)?;
    let lock = shelf.directory.join(format!("{}.lock", record.name));
    let _lock = Lock::take_within(&lock, PATIENCE)?.ok_or_else(|| Error::Busy(record.name.clone()))?;
    if let Some(active) = active(store, &record.name)? {
        return Err(Error::Recording { name: record.name.clone(), recording: active.recording_id });
    }
    check_room(&shelf.directory)?;
    let recording_id = format!("rec_{}", schema::ids::unique());
    let order = Order {
        store: store.to_owned(),
        name: record.name.clone(),
        recording_id: recording_id.clone(),
        fps: record.fps,
        max_ms: record.max.map(|max| u64::try_from(max.as_millis()).unwrap_or(u64::MAX)),
        cursor: record.cursor,
    };
    let words = ["/proc/self/exe", "__record", &serde_json::to_string(&order).expect("it has string keys")];
    let command = words.map(str::to_owned).to_vec();
    let mut kept = stack::kept(&record.name, "recorder", command, "/".to_owned(), RestartPolicy::No);
    kept.labels.insert(RECORDING.to_owned(), recording_id.clone());
    // The end of its input ends it.
    let kept = Kept { stdin: true, ..kept };
    let process = process::start(store, &kept, &environment(&record.env, &desktop.state))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(row) = shelf.read(&recording_id)? {
            return told(store, &shelf, row);
        }
        let has_ended = stack::has_failed(store, &process)?;
        if has_ended && let Some(row) = shelf.read(&recording_id)? {
            return told(store, &shelf, row);
        }
        if has_ended || Instant::now() > deadline {
            let why = stack::last_words(store, &process.process_id);
            stack::forget(store, &process)?;
            remove(&shelf.film(&recording_id))?;
            return Err(Error::NotStarted { program: "the recorder", why });
        }
        std::thread::sleep(LOOK);
    }
}

/// Ends the recording of a desktop, and returns once the film is whole.
///
/// # Errors
/// [`Error::NotRecording`]; [`Error::RecordingFailed`] when what there is of it is all there will be.
pub fn stop(store: &Path, name: &str) -> Result<RecordingRecord, Error> {
    let row = active(store, name)?.ok_or_else(|| Error::NotRecording(name.to_owned()))?;
    let process = process::find(store, &row.process_id)?;
    // It may be about to end by itself.
    let _ = process::close_input(store, &process);
    // It waits so long for its program itself, and then once more for the second file.
    if process::wait_for_end(store, &process, Some(3 * PATIENCE))?.is_none() {
        let _ = process::signal(store, &process, host::Signal::SIGKILL as i32, true);
        process::wait_for_end(store, &process, None)?;
    }
    let row = find(store, &row.recording_id)?;
    match row.error {
        Some(why) => Err(Error::RecordingFailed { recording: row.recording_id, why }),
        None => Ok(row),
    }
}

/// All recordings, the oldest first.
///
/// # Errors
/// When a file cannot be read, or the store fails.
pub fn list(store: &Path) -> Result<Vec<RecordingRecord>, Error> {
    let shelf = Shelf::of(store);
    let failed = |source| Error::File { doing: "list", path: shelf.directory.clone(), source };
    let entries = match std::fs::read_dir(&shelf.directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        names.insert(entry.map_err(failed)?.file_name());
    }
    let ids = names.iter().filter_map(|name| name.to_str()?.strip_suffix(".json"));
    // One may be deleted meanwhile.
    let rows = ids.filter_map(|id| shelf.read(id).transpose());
    rows.map(|row| told(store, &shelf, row?)).collect()
}

/// The recording of this id.
///
/// # Errors
/// [`Error::NoRecording`].
pub fn find(store: &Path, id: &str) -> Result<RecordingRecord, Error> {
    let shelf = Shelf::of(store);
    let missing = || Error::NoRecording(id.to_owned());
    if !id.starts_with("rec_") || schema::ids::SessionId::parse(id).is_err() {
        return Err(missing());
    }
    told(store, &shelf, shelf.read(id)?.ok_or_else(missing)?)
}

/// The film of a recording, as much of it as there is.
///
/// # Errors
/// [`Error::NoRecording`]; [`Error::NoFilm`] when nothing of it plays.
pub fn film(store: &Path, id: &str) -> Result<File, Error> {
    let row = find(store, id)?;
    if row.frames == 0 {
        return Err(Error::NoFilm(row.recording_id));
    }
    let path = PathBuf::from(&row.path);
    File::open(&path).map_err(|source| Error::File { doing: "open", path, source })
}

/// Forgets a recording, with its film.
///
/// # Errors
/// [`Error::NoRecording`]; [`Error::StillRecording`].
pub fn delete(store: &Path, id: &str) -> Result<RecordingDeletedRecord, Error> {
    let row = find(store, id)?;
    if row.status == RecordingStatus::Recording {
        return Err(Error::StillRecording(row.recording_id));
    }
    let shelf = Shelf::of(store);
    let _lock = shelf.lock()?;
    remove(&shelf.film(id))?;
    remove(&shelf.row(id))?;
    Ok(RecordingDeletedRecord { recording_id: row.recording_id, bytes: row.bytes })
}

/// The process that makes a recording.
pub(crate) fn recorder(store: &Path, id: &str) -> Result<Option<Process>, Error> {
    for process in process::list(store)? {
        if process::record(store, &process)?.labels.get(RECORDING).is_some_and(|recording| recording == id) {
            return Ok(Some(process));
        }
    }
    Ok(None)
}

/// Refuses to fill a disk.
pub(crate) fn check_room(directory: &Path) -> Result<(), Error> {
    match host::disk::free(directory) {
        Some(free) if free < ROOM => Err(Error::NoRoom { path: directory.to_owned(), free }),
        Some(_) | None => Ok(()),
    }
}

fn active(store: &Path, name: &str) -> Result<Option<RecordingRecord>, Error> {
    let is_it = |row: &RecordingRecord| row.status == RecordingStatus::Recording && row.desktop == name;
    Ok(list(store)?.into_iter().find(is_it))
}

/// A recording as it is now; the end that a dead recorder could not write is written.
fn told(store: &Path, shelf: &Shelf, mut row: RecordingRecord) -> Result<RecordingRecord, Error> {
    if row.status == RecordingStatus::Recording {
        // One that ended well has written that before.
        let process = recorder(store, &row.recording_id)?;
        if process.as_ref().is_none_or(|process| process.state.status == "exited") {
            let _lock = shelf.lock()?;
            if let Some(now) = shelf.read(&row.recording_id)? {
                row = now;
            }
            if row.status == RecordingStatus::Recording {
                let ended = process.and_then(|process| process.state.ended);
                row.status = RecordingStatus::Failed;
                row.ended = Some(Timestamp(ended.unwrap_or_else(host::clock::now_ms)).to_string());
                row.error = Some(stack::last_words(store, &row.process_id));
                look(&mut row);
                // Where the disk is full the next who asks finds it as we did.
                let _ = shelf.write(&row);
            }
        }
    }
    if row.status == RecordingStatus::Recording {
        look(&mut row);
    } else {
        row.bytes = std::fs::metadata(&row.path).map_or(0, |file| file.len());
    }
    Ok(row)
}

/// Reads from the film what there is of it.
fn look(row: &mut RecordingRecord) {
    let path = Path::new(&row.path);
    row.bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    // One that cannot be read has nothing.
    let film = boxes::film(path).ok().flatten();
    (row.frames, row.duration_ms) = film.map_or((0, 0), |film| (film.frames, film.duration_ms));
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { doing: "remove", path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Where recordings lie.
pub(crate) struct Shelf {
    pub(crate) directory: PathBuf,
}

impl Shelf {
    pub(crate) fn of(store: &Path) -> Shelf {
        let mut name = store.as_os_str().to_owned();
        name.push(".recordings");
        Shelf { directory: PathBuf::from(name) }
    }

    pub(crate) fn film(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.mp4"))
    }

    pub(crate) fn write(&self, row: &RecordingRecord) -> Result<(), Error> {
        let text = serde_json::to_vec(row).expect("it has string keys");
        stack::write(&self.row(&row.recording_id), &text)
    }

    fn row(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn read(&self, id: &str) -> Result<Option<RecordingRecord>, Error> {
        stack::read(&self.row(id))
    }

    /// Whoever changes a row that is not the recorder's any more holds this.
    fn lock(&self) -> Result<Lock, Error> {
        let path = self.directory.join("lock");
        Lock::take_within(&path, PATIENCE)?.ok_or_else(|| Error::Busy("recordings".to_owned()))
    }
}
