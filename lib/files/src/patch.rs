//! A unified diff applied to files: all of it or nothing, and every part that does not fit named.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use schema::file::{FileAction, FileChange, FileErrorCode};

use crate::change::{change, change_to};
use crate::diff::{FilePatch, parse};
use crate::root::{Place, Root, regular};
use crate::slot;
use crate::write::rename;
use crate::{Error, Result};

/// How a patch is applied.
#[derive(Debug, Clone, Copy, Default)]
pub struct PatchOptions {
    /// So many directories are left out of its names; else one where they begin with `a/` and `b/`.
    pub strip: Option<usize>,
    /// The other way round.
    pub reverse: bool,
    /// Only say whether it would fit.
    pub dry_run: bool,
}

/// What became of a patch.
#[derive(Debug)]
pub struct Patched {
    /// For each file what was done, or would be.
    pub changes: Vec<FileChange>,
    /// What does not fit; where there is any, nothing was changed.
    pub rejected: Vec<Error>,
}

const ACTION: &str = "patch";

/// The largest file that is patched, and the largest patch, in bytes: both are held in memory.
pub const MOST: u64 = 256 << 20;

/// Applies a patch to the files that it names. Context must be found exactly, though at any line.
///
/// # Errors
/// The patch is none, or a file cannot be read or written; then all files are as before.
pub fn patch(root: &Root, text: &[u8], options: PatchOptions) -> Result<Patched> {
    let files = parse(text, options.strip, options.reverse).map_err(|why| {
        Error::refused(ACTION, Path::new("."), FileErrorCode::BadInput, format!("the patch is refused: {why}"))
    })?;
    let mut work = Work { root, states: BTreeMap::new() };
    let mut patched = Patched { changes: Vec::new(), rejected: Vec::new() };
    for file in &files {
        let path = file.new.as_deref().or(file.old.as_deref()).expect("one of the two is there");
        if !file.stays_inside() {
            return Err(Error::Outside { action: ACTION, path: path.to_owned() });
        }
        match work.fit(file, path) {
            Ok(record) => patched.changes.push(FileChange { changed: !options.dry_run, ..record }),
            Err(Misfit::Rejected(errors)) => patched.rejected.extend(errors),
            Err(Misfit::Failed(error)) => return Err(error),
        }
    }
    if patched.rejected.is_empty() && !options.dry_run {
        work.carry_out()?;
    }
    Ok(patched)
}

/// A file as it was, and as it is to be.
struct State {
    /// As it was named.
    path: PathBuf,
    old: Option<Old>,
    new: Option<Vec<u8>>,
    mode: Option<u32>,
}

struct Old {
    bytes: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
}

struct Work<'r> {
    root: &'r Root,
    /// By the path that links at the end lead to.
    states: BTreeMap<PathBuf, State>,
}

enum Misfit {
    Rejected(Vec<Error>),
    Failed(Error),
}

impl From<Error> for Misfit {
    fn from(error: Error) -> Misfit {
        Misfit::Failed(error)
    }
}

fn rejected<T>(path: &Path, why: &str) -> std::result::Result<T, Misfit> {
    Err(Misfit::Rejected(vec![Error::refused(ACTION, path, FileErrorCode::Rejected, why)]))
}

impl Work<'_> {
    /// Does to the states what one file's part says.
    fn fit(&mut self, file: &FilePatch, path: &Path) -> std::result::Result<FileChange, Misfit> {
        let hunks = Some(file.hunks.len() as u64);
        let content = match &file.old {
            Some(old) => match &self.state(old)?.new {
                Some(content) => content.clone(),
                None => return rejected(old, "there is no such file"),
            },
            None => Vec::new(),
        };
        if file.new.is_some() && file.new != file.old && self.state(path)?.new.is_some() {
            return rejected(path, "it is there already");
        }
        let result = file.apply(&content).map_err(|numbers| {
            let of = file.hunks.len();
            let reject = |number: usize| {
                let why =
                    format!("hunk {number} of {of} (line {} of the patch) does not fit", file.hunks[number - 1].at);
                Error::refused(ACTION, path, FileErrorCode::Rejected, why)
            };
            Misfit::Rejected(numbers.into_iter().map(reject).collect())
        })?;
        let record = match (&file.old, &file.new) {
            (Some(old), Some(new)) if old == new => change(FileAction::Patch, new),
            (Some(old), Some(new)) => change_to(FileAction::Move, old, new),
            (None, Some(new)) => change(FileAction::Write, new),
            (Some(old), None) => {
                if !result.is_empty() {
                    return rejected(old, "it holds more than what is to go");
                }
                change(FileAction::Remove, old)
            }
            (None, None) => unreachable!("the parser refuses it"),
        };
        let mut mode = file.mode;
        if let Some(old) = file.old.as_ref().filter(|old| Some(*old) != file.new.as_ref()) {
            let state = self.state(old)?;
            state.new = None;
            mode = mode.or(state.mode).or(state.old.as_ref().map(|old| old.mode));
        }
        let Some(new) = &file.new else { return Ok(FileChange { hunks, ..record }) };
        let bytes = Some(result.len() as u64);
        let state = self.state(new)?;
        state.new = Some(result);
        state.mode = mode.or(state.mode);
        Ok(FileChange { hunks, bytes, ..record })
    }

    /// A file's state, read where it is the first time.
    fn state(&mut self, path: &Path) -> Result<&mut State> {
        let real = self.root.followed(ACTION, path)?;
        if !self.states.contains_key(&real) {
            let old = match self.root.file(ACTION, &real, OFlags::RDONLY) {
                Ok(mut file) => {
                    let stat = fs::fstat(&file).map_err(|errno| Error::kernel(ACTION, path, errno))?;
                    let mut bytes = Vec::new();
                    let read = (&mut file).take(MOST + 1).read_to_end(&mut bytes);
                    if read.map_err(|error| Error::io(ACTION, path, error))? as u64 > MOST {
                        let why = format!("it is larger than {MOST} bytes, which is the most that is patched");
                        return Err(Error::refused(ACTION, path, FileErrorCode::TooLarge, why));
                    }
                    Some(Old { bytes, mode: stat.st_mode & 0o7777, owner: (stat.st_uid, stat.st_gid) })
                }
                Err(error) if error.code() == FileErrorCode::NotFound => None,
                Err(error) => return Err(error),
            };
            let new = old.as_ref().map(|old| old.bytes.clone());
            let path = path.to_owned();
            self.states.insert(real.clone(), State { path, mode: None, old, new });
        }
        Ok(self.states.get_mut(&real).expect("it was put there"))
    }

    /// Everything is written beside its place before the first is put there; what then fails is undone.
    fn carry_out(&self) -> Result<()> {
        let mut staged = Vec::new();
        let mut result = self.states.iter().try_for_each(|(real, state)| {
            staged.extend(self.stage(real, state)?);
            Ok(())
        });
        let mut done = 0;
        if result.is_ok() {
            host::step::reached("fs.written");
            result = staged.iter().try_for_each(|one| {
                one.put_in_place()?;
                done += 1;
                host::step::reached("fs.patched");
                Ok(())
            });
        }
        if result.is_err() {
            for one in staged[..done].iter().rev() {
                // The cause that is told is the first one.
                let _ = one.undo();
            }
        }
        for one in &staged {
            one.clear();
        }
        result?;
        staged.iter().try_for_each(|one| one.place.settle(ACTION))
    }

    fn stage<'s>(&self, real: &Path, state: &'s State) -> Result<Option<Staged<'s>>> {
        let kernel = |errno| Error::kernel(ACTION, &state.path, errno);
        let same_mode = state.mode.is_none() || state.mode == state.old.as_ref().map(|old| old.mode & 0o777);
        match (&state.old, &state.new) {
            (None, None) => return Ok(None),
            (Some(old), Some(new)) if old.bytes == *new && same_mode => return Ok(None),
            _ => {}
        }
        let place = self.root.place_made(ACTION, real)?;
        // Also for what is to go: whoever may not write in its directory is told so before anything is changed.
        let (name, file) = slot::file(&place.parent, 0o666).map_err(kernel)?;
        let staged = Staged { state, place, name, file: File::from(file) };
        if let Some(new) = &state.new {
            let written = staged.fill(new, state.mode.or(state.old.as_ref().map(|old| old.mode)));
            if let Err(error) = written {
                staged.clear();
                return Err(error);
            }
        }
        Ok(Some(staged))
    }
}

struct Staged<'s> {
    state: &'s State,
    place: Place,
    name: std::ffi::OsString,
    file: File,
}

impl Staged<'_> {
    fn fill(&self, bytes: &[u8], mode: Option<u32>) -> Result<()> {
        fill(&self.file, bytes, mode, self.state.old.as_ref())
            .map_err(|error| Error::io(ACTION, &self.state.path, error))
    }

    fn put_in_place(&self) -> Result<()> {
        let kernel = |errno| Error::kernel(ACTION, &self.state.path, errno);
        self.unchanged()?;
        match (&self.state.old, &self.state.new) {
            (_, None) => fs::unlinkat(&self.place.parent, &self.place.name, AtFlags::empty()).map_err(kernel),
            (old, Some(_)) => {
                let flags = if old.is_some() { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
                rename(&self.place.parent, &self.name, &self.place.parent, &self.place.name, flags).map_err(kernel)
            }
        }
    }

    /// Somebody may have put something else there since it was read.
    fn unchanged(&self) -> Result<()> {
        let Some(old) = &self.state.old else { return Ok(()) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = fs::openat(&self.place.parent, &self.place.name, flags, Mode::empty())
            .map_err(|errno| Error::kernel(ACTION, &self.state.path, errno))?;
        let stat = regular(ACTION, &self.state.path, &opened)?;
        let mut bytes = Vec::new();
        if stat.st_size as u64 == old.bytes.len() as u64 {
            File::from(opened).read_to_end(&mut bytes).map_err(|error| Error::io(ACTION, &self.state.path, error))?;
        }
        if bytes == old.bytes {
            return Ok(());
        }
        Err(Error::refused(ACTION, &self.state.path, FileErrorCode::Changed, "it changed meanwhile"))
    }

    fn undo(&self) -> Result<()> {
        let kernel = |errno| Error::kernel(ACTION, &self.state.path, errno);
        let Some(old) = &self.state.old else {
            return fs::unlinkat(&self.place.parent, &self.place.name, AtFlags::empty()).map_err(kernel);
        };
        let (name, file) = slot::file(&self.place.parent, 0o600).map_err(kernel)?;
        fill(&File::from(file), &old.bytes, Some(old.mode), Some(old))
            .map_err(|error| Error::io(ACTION, &self.state.path, error))?;
        rename(&self.place.parent, &name, &self.place.parent, &self.place.name, RenameFlags::empty()).map_err(kernel)
    }

    /// Takes away what was not put in its place.
    fn clear(&self) {
        let named = fs::statat(&self.place.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let held = fs::fstat(&self.file);
        if let (Ok(named), Ok(held)) = (named, held)
            && (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
        {
            let _: std::result::Result<(), Errno> = fs::unlinkat(&self.place.parent, &self.name, AtFlags::empty());
        }
    }
}

fn fill(file: &File, bytes: &[u8], mode: Option<u32>, old: Option<&Old>) -> std::io::Result<()> {
    let mut file = file;
    file.write_all(bytes)?;
    if let Some(old) = old {
        // Only root may give files away; for others it stays theirs.
        let _ = fs::fchown(file, Some(Uid::from_raw(old.owner.0)), Some(Gid::from_raw(old.owner.1)));
    }
    if let Some(mode) = mode {
        fs::fchmod(file, Mode::from_raw_mode(mode))?;
    }
    file.sync_all()
}
