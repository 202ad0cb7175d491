//! Power cuts: what the disk may hold at any moment opens undamaged, without gap, with every event that was fully stored.
//!
//! SQLite's calls for writing and syncing are written down on their way to the real files. From them, files are made as a cut at
//! some point may leave them: of what was not synced, each sector of 512 bytes has any of the contents it had since.
#![expect(clippy::unwrap_used, reason = "the fences protect the product; a test unwraps")]
#![expect(unsafe_code, reason = "SQLite asks for its files through C functions")]

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};
use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int, c_void},
    fs,
    path::Path,
    sync::{Mutex, OnceLock},
};
use store::{Access, Batch, Cache, NewSession, Row, Select, Store, Sync};

const SECTOR: usize = 512;

/// How many moments are tried, unless `SANDBOX_AGENT_TEST_ROUNDS` says otherwise.
const CUTS: usize = 120;

#[test]
fn nothing_that_was_fully_stored_is_lost() {
    register();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    Store::open(&path, Access::Write).unwrap().close().unwrap();
    let begin = BTreeMap::from([(file(&path), fs::read(&path).unwrap())]);
    record(Some(file(&path)));
    let store = write_for_a_while(&path);
    // No clean end, or nothing of it is seen.
    let log = record(None);
    drop(store);
    let anew =
        log.iter().filter(|step| matches!(step, Step::Write { file, at: 0, .. } if file.ends_with("-wal"))).count();
    assert!(anew >= 4, "the log was begun {anew} times: there is too little to cut into");

    let seed = 0x5eed_0000_0001_u64;
    let mut chance = Chance(seed);
    let mut cuts: Vec<usize> = (0..rounds(CUTS)).map(|_| chance.below(log.len() + 1)).collect();
    cuts.sort_unstable();
    let mut disk = Disk::new(begin);
    let mut done = 0;
    let (mut full, mut begun, mut took_some) = (0, 0, 0);
    for cut in cuts {
        for step in &log[done..cut] {
            match step {
                Step::Begun { last } => begun = *last,
                Step::Full { last } => full = *last,
                Step::Write { .. } | Step::Truncate { .. } | Step::Sync { .. } => disk.take(step),
            }
        }
        done = cut;
        let image = tempfile::tempdir().unwrap();
        for (name, bytes) in disk.after_a_cut(&mut chance) {
            fs::write(image.path().join(Path::new(&name).file_name().unwrap()), bytes).unwrap();
        }
        let stored = look(&image.path().join("store.db"), &format!("cut {cut} of {}, seed {seed:x}", log.len()));
        assert!(stored >= full, "cut {cut}, seed {seed:x}: {full} was fully stored, {stored} is left");
        assert!(stored <= begun, "cut {cut}, seed {seed:x}: {stored} was never written");
        took_some += usize::from(stored < begun);
    }
    assert!(took_some > 0, "no cut took anything: they are too harmless");
}

/// Deltas, and every seventh commit something that must be safe.
fn write_for_a_while(path: &Path) -> Store {
    let mut store = Store::open(path, Access::Write).unwrap();
    let new = NewSession {
        session_id: "one",
        uid: "1",
        boot_id: "boot",
        agent: "mock",
        cwd: "/",
        created: 0,
        title: None,
        model: None,
        mode: None,
        effort: None,
        permission_mode: None,
        parent_session: None,
        labels: "{}",
        settings: "{}",
    };
    let session = store.create(&new).unwrap();
    let mut last = 0;
    for turn in 0..150 {
        for commit in 0..7 {
            let first = last + 1;
            let size = if commit == 3 { 40 } else { commit + 1 };
            last += size;
            let data: Vec<String> = (first..=last).map(data).collect();
            let row =
                |(sequence, data)| Row { sequence, time: 0, kind: "item.delta", synthetic: false, data, raw: None };
            let events: Vec<Row<'_>> = (first..=last).zip(data.iter().map(String::as_str)).map(row).collect();
            step(Step::Begun { last });
            if commit == 6 {
                let cache = Cache {
                    status: "running",
                    outcome: None,
                    exit_code: None,
                    pending: "[]",
                    turns: turn + 1,
                    usage: Some(&last.to_string()),
                    cost_usd: None,
                    model: None,
                    mode: None,
                    title: None,
                    settings: None,
                };
                let batch =
                    Batch { events: &events, cache: Some(cache), native: None, now: 0, settled: &[], owner: None };
                store.append(session.no, &batch, Sync::Full).unwrap();
                step(Step::Full { last });
            } else {
                let batch = Batch { events: &events, cache: None, native: None, now: 0, settled: &[], owner: None };
                store.append(session.no, &batch, Sync::Deltas).unwrap();
            }
        }
    }
    store
}

fn data(sequence: i64) -> String {
    format!(r#"{{"delta":"{sequence:0200}"}}"#)
}

/// Opens what the cut left, checks everything in it, goes on writing, and returns the last number that had survived.
fn look(path: &Path, when: &str) -> i64 {
    let mut store = Store::open(path, Access::Write).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(store.check().unwrap(), Vec::<String>::new(), "{when}");
    let Some(session) = store.session("one").unwrap() else { return 0 };
    let mut last = 0;
    let all = Select { limit: usize::MAX, ..Select::default() };
    let read = store.read(&session, &all, &mut |stored| {
        assert_eq!((stored.sequence, stored.data), (last + 1, data(last + 1).as_str()), "{when}");
        last = stored.sequence;
    });
    read.unwrap();
    assert_eq!(session.last_sequence, last, "{when}");
    // The columns are those of the last event that changed them, not of a lost one.
    let per_turn = 1 + 2 + 3 + 40 + 5 + 6 + 7;
    assert_eq!(session.turns, last / per_turn, "{when}");
    let text = data(last + 1);
    let next = [Row { sequence: last + 1, time: 0, kind: "item.delta", synthetic: false, data: &text, raw: None }];
    store
        .append(
            session.no,
            &Batch { events: &next, cache: None, native: None, now: 0, settled: &[], owner: None },
            Sync::Full,
        )
        .unwrap();
    last
}

/// What the disk holds, and what it may hold by now.
struct Disk {
    /// By name: what is safe, and what was done since.
    files: BTreeMap<String, (Vec<u8>, Vec<Step>)>,
}

impl Disk {
    fn new(begin: BTreeMap<String, Vec<u8>>) -> Disk {
        Disk { files: begin.into_iter().map(|(name, bytes)| (name, (bytes, Vec::new()))).collect() }
    }

    fn take(&mut self, step: &Step) {
        let (safe, since) = self.files.entry(step.file().to_owned()).or_default();
        if let Step::Sync { .. } = step {
            since.drain(..).for_each(|step| step.apply(safe));
        } else {
            since.push(step.clone());
        }
    }

    /// The files after a cut: sometimes all or nothing of the rest was kept, mostly some of each sector's contents.
    fn after_a_cut(&self, chance: &mut Chance) -> Vec<(String, Vec<u8>)> {
        let way = chance.below(8);
        let files = self.files.iter().map(|(name, (safe, since))| {
            let kept = match way {
                0 => safe.clone(),
                1 => since.iter().fold(safe.clone(), |mut bytes, step| {
                    step.apply(&mut bytes);
                    bytes
                }),
                _ => torn(safe, since, chance),
            };
            (name.clone(), kept)
        });
        files.collect()
    }
}

/// Each sector as it was at some time since the last sync, in no order; the length likewise.
fn torn(safe: &[u8], since: &[Step], chance: &mut Chance) -> Vec<u8> {
    let mut versions: BTreeMap<usize, Vec<[u8; SECTOR]>> = BTreeMap::new();
    let sector = |bytes: &[u8], number: usize| {
        let mut sector = [0; SECTOR];
        let part = bytes.get(number * SECTOR..).unwrap_or_default();
        let part = &part[..part.len().min(SECTOR)];
        sector[..part.len()].copy_from_slice(part);
        sector
    };
    let mut now = safe.to_vec();
    let mut lengths = vec![safe.len()];
    for step in since {
        step.apply(&mut now);
        lengths.push(now.len());
        if let Step::Write { at, bytes, .. } = step {
            for number in at / SECTOR..(at + bytes.len()).div_ceil(SECTOR) {
                let known = versions.entry(number).or_insert_with(|| vec![sector(safe, number)]);
                known.push(sector(&now, number));
            }
        }
    }
    let length = lengths[chance.below(lengths.len())];
    let mut kept = safe.to_vec();
    kept.resize(length.max(safe.len()), 0);
    for (number, known) in versions {
        let chosen = known[chance.below(known.len())];
        if let Some(place) = kept.get_mut(number * SECTOR..) {
            let size = place.len().min(SECTOR);
            place[..size].copy_from_slice(&chosen[..size]);
        }
    }
    kept.truncate(length);
    kept
}

/// Small random numbers, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one variable that the tests read by themselves")]
fn rounds(usual: usize) -> usize {
    std::env::var("SANDBOX_AGENT_TEST_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// What happened to the files, and to the writer.
#[derive(Clone)]
enum Step {
    Write {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: usize,
    },
    Sync {
        file: String,
    },
    /// The writer began to store events up to this one.
    Begun {
        last: i64,
    },
    /// It was told that this one is fully stored.
    Full {
        last: i64,
    },
}

impl Step {
    fn file(&self) -> &str {
        match self {
            Step::Write { file, .. } | Step::Truncate { file, .. } | Step::Sync { file } => file,
            Step::Begun { .. } | Step::Full { .. } => unreachable!("it is about no file"),
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Step::Write { at, bytes, .. } => {
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..][..bytes.len()].copy_from_slice(bytes);
            }
            Step::Truncate { size, .. } => content.resize(*size, 0),
            Step::Sync { .. } | Step::Begun { .. } | Step::Full { .. } => {}
        }
    }
}

/// What is written down, while it is: the store's name and the steps. Held during each call, so that their order is real.
static RECORD: Mutex<Option<(String, Vec<Step>)>> = Mutex::new(None);

/// Begins to write down what happens to the store of this name, or ends it; returns what was written down.
fn record(name: Option<String>) -> Vec<Step> {
    let before = std::mem::replace(&mut *RECORD.lock().unwrap(), name.map(|name| (name, Vec::new())));
    before.map_or(Vec::new(), |(_, steps)| steps)
}

fn step(step: Step) {
    if let Some((_, steps)) = RECORD.lock().unwrap().as_mut() {
        steps.push(step);
    }
}

fn file(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// SQLite's own files, with the steps written down; the default for every connection of this process from now on.
fn register() {
    // SAFETY: the call has no conditions.
    let real = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    // SAFETY: SQLite's own file system is there for as long as the process is. Its functions read nothing of the copy but what was
    // copied.
    let mut shim = unsafe { *real };
    shim.szOsFile += c_int::try_from(size_of::<File>()).unwrap();
    shim.zName = c"written down".as_ptr();
    shim.pNext = std::ptr::null_mut();
    shim.xOpen = Some(open);
    shim.xDelete = Some(delete);
    REAL.set(Real(real)).unwrap_or_else(|_| panic!("registered once"));
    // SAFETY: the copy is given away for ever.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(shim)), 1) };
    assert_eq!(code, ffi::SQLITE_OK);
}

static REAL: OnceLock<Real> = OnceLock::new();

struct Real(*mut sqlite3_vfs);

// SAFETY: SQLite calls its file systems from all threads.
unsafe impl Send for Real {}
// SAFETY: as above.
unsafe impl std::marker::Sync for Real {}

/// An open file: SQLite's real one lies behind it in the same allocation, whose size `szOsFile` says.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// Its name, for ever; null where SQLite gives none.
    name: *const c_char,
}

/// The real file behind ours.
fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    file.wrapping_byte_add(size_of::<File>())
}

/// Does what `call` does to a file, and writes down `step` if the file is of the store that is being written about.
fn noted(file: *mut sqlite3_file, step: impl FnOnce(String) -> Step, call: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: SQLite hands us files that `open` made, whose name was copied for ever.
    let name = unsafe {
        let name = (*file.cast::<File>()).name;
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    let mut record = RECORD.lock().unwrap();
    let code = call();
    if let (Some((store, steps)), Some(Ok(name))) = (record.as_mut(), name.map(CStr::to_str))
        && code == ffi::SQLITE_OK
        && name.strip_prefix(store.as_str()).is_some_and(|ending| matches!(ending, "" | "-wal"))
    {
        steps.push(step(name.to_owned()));
    }
    code
}

/// The method of the real file, called with it in the place of ours.
macro_rules! forward {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        // SAFETY: SQLite calls us as it would call the real file, whose methods it has checked by their version.
        unsafe { ((*(*real).pMethods).$method.unwrap())(real $(, $argument)*) }
    }};
}

macro_rules! methods {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(
            #[expect(non_snake_case, reason = "SQLite's name for it")]
            unsafe extern "C" fn $method(file: *mut sqlite3_file $(, $argument: $kind)*) -> $result {
                forward!(file, $method $(, $argument)*)
            }
        )*
    };
}

methods! {
    xRead(to: *mut c_void, size: c_int, at: i64) -> c_int;
    xFileSize(size: *mut i64) -> c_int;
    xLock(level: c_int) -> c_int;
    xUnlock(level: c_int) -> c_int;
    xCheckReservedLock(taken: *mut c_int) -> c_int;
    xFileControl(what: c_int, argument: *mut c_void) -> c_int;
    xSectorSize() -> c_int;
    xDeviceCharacteristics() -> c_int;
    xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int;
    xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    xShmUnmap(delete: c_int) -> c_int;
    xFetch(at: i64, size: c_int, page: *mut *mut c_void) -> c_int;
    xUnfetch(at: i64, page: *mut c_void) -> c_int;
}

#[expect(non_snake_case, reason = "SQLite's name for it")]
unsafe extern "C" fn xShmBarrier(file: *mut sqlite3_file) {
    forward!(file, xShmBarrier);
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    forward!(file, xClose)
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, size: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives `size` bytes to be written.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(size).unwrap()) };
    let step = |file| Step::Write { file, at: usize::try_from(at).unwrap(), bytes: bytes.to_vec() };
    noted(file, step, || forward!(file, xWrite, from, size, at))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    let step = |file| Step::Truncate { file, size: usize::try_from(size).unwrap() };
    noted(file, step, || forward!(file, xTruncate, size))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // The machine does not fail here, so its disk need not be waited for.
    let _ = flags;
    noted(file, |file| Step::Sync { file }, || ffi::SQLITE_OK)
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for `szOsFile` bytes, and a name that lives as long as the file is open.
    unsafe {
        let opened = ((*REAL.get().unwrap().0).xOpen.unwrap())(vfs, name, real(file), flags, flags_out);
        let methods = if (*real(file)).pMethods.is_null() { std::ptr::null() } else { &raw const METHODS };
        file.cast::<File>().write(File { base: sqlite3_file { pMethods: methods }, name });
        opened
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite calls us as it would call its own.
    unsafe {
        if let (Some((store, _)), Ok(name)) = (RECORD.lock().unwrap().as_ref(), CStr::from_ptr(name).to_str()) {
            assert!(!name.starts_with(store.as_str()), "nobody deletes {name} while it is written about");
        }
        ((*REAL.get().unwrap().0).xDelete.unwrap())(vfs, name, sync)
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(xRead),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(xFileSize),
    xLock: Some(xLock),
    xUnlock: Some(xUnlock),
    xCheckReservedLock: Some(xCheckReservedLock),
    xFileControl: Some(xFileControl),
    xSectorSize: Some(xSectorSize),
    xDeviceCharacteristics: Some(xDeviceCharacteristics),
    xShmMap: Some(xShmMap),
    xShmLock: Some(xShmLock),
    xShmBarrier: Some(xShmBarrier),
    xShmUnmap: Some(xShmUnmap),
    xFetch: Some(xFetch),
    xUnfetch: Some(xUnfetch),
};
