//! What changes below a directory, as it changes: inotify on each directory, moves put together, nothing counted twice.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host::bell::{Wake, readable};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use schema::Timestamp;
use schema::file::{FileErrorCode, FileEvent, FileEventKind, FileType};

use crate::change::through;
use crate::names::{exact, readable as shown};
use crate::root::{Root, kind_of};
use crate::tree::{Tree, open_directory};
use crate::walk::Globs;
use crate::{Error, Result};

/// How to watch.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// Go on after the first changes.
    pub follow: bool,
    /// No longer than this.
    pub timeout: Option<Duration>,
    /// Only these, as for lists.
    pub globs: Vec<String>,
}

/// Why a watch is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEnd {
    /// Something changed, and no more was wanted.
    Changed,
    /// The time is over.
    Timeout,
    /// Nobody reads any more.
    ReaderGone,
    /// What was watched is gone itself.
    Gone,
}

const ACTION: &str = "watch";

/// What is told for each directory.
const NEWS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::ONLYDIR);

/// How often we look whether the directory itself is still there: while we hold it, the kernel does not tell.
const LOOK: Duration = Duration::from_secs(1);

/// How long the second half of a move may take.
const HALF_MOVE: Duration = Duration::from_millis(20);

/// Tells of what changes at a file, or at anything below a directory: `each` gets what happened at once, first that
/// everything is watched, and says whether to go on. A directory that may not be read is told to `trouble`.
///
/// # Errors
/// Nothing is there, or the user has no watches left.
pub fn watch(
    root: &Root,
    start: &Path,
    options: &WatchOptions,
    stdout: BorrowedFd<'_>,
    each: &mut dyn FnMut(&[FileEvent]) -> bool,
    trouble: &mut dyn FnMut(Error),
) -> Result<WatchEnd> {
    let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut watch = Watch::new(root, start, options, trouble)?;
    watch.tell(FileEventKind::Ready, start.to_owned(), None, true);
    loop {
        let ready = watch.sequence == 1;
        if !watch.events.is_empty() && !each(&std::mem::take(&mut watch.events)) {
            return Ok(WatchEnd::ReaderGone);
        }
        if watch.gone {
            return Ok(WatchEnd::Gone);
        }
        if !ready && !options.follow {
            return Ok(WatchEnd::Changed);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match readable(watch.inotify.as_fd(), Some(stdout), left.unwrap_or(LOOK).min(LOOK)) {
            Wake::ReaderGone => return Ok(WatchEnd::ReaderGone),
            Wake::Timeout if left.is_some_and(|left| left <= LOOK) => return Ok(WatchEnd::Timeout),
            Wake::Timeout => watch.look(),
            Wake::Rung | Wake::Closed => watch.read()?,
        }
    }
}

/// A directory that is watched: below which other, under which name.
struct Node {
    parent: Option<i32>,
    name: OsString,
}

/// The first half of a move.
struct Half {
    cookie: u32,
    directory: i32,
    name: OsString,
    is_directory: bool,
}

/// What the kernel told.
struct News {
    watch: i32,
    flags: ReadFlags,
    cookie: u32,
    name: OsString,
}

struct Watch<'w> {
    inotify: OwnedFd,
    /// The directory where it begins; nothing is looked up outside.
    base: Root,
    base_watch: i32,
    start: PathBuf,
    /// Only this name in it, and nothing below.
    only: Option<OsString>,
    globs: Globs,
    nodes: HashMap<i32, Node>,
    below: HashMap<(i32, OsString), i32>,
    /// What was found in a new directory and told as new; the kernel may tell it again.
    found: HashMap<i32, HashSet<OsString>>,
    half: Option<Half>,
    /// Changes of content that were told since the last read.
    modified: HashSet<(i32, OsString)>,
    events: Vec<FileEvent>,
    sequence: u64,
    gone: bool,
    trouble: &'w mut dyn FnMut(Error),
}

impl<'w> Watch<'w> {
    fn new(root: &Root, start: &Path, options: &WatchOptions, trouble: &'w mut dyn FnMut(Error)) -> Result<Watch<'w>> {
        let kernel = |errno| Error::kernel(ACTION, start, errno);
        let opened = root.open(ACTION, start, OFlags::PATH, Mode::empty())?;
        let is_directory = kind_of(&fs::fstat(&opened).map_err(kernel)?) == FileType::Directory;
        let (directory, only, start) = if is_directory {
            (root.directory(ACTION, start)?, None, start.to_owned())
        } else {
            let real = root.followed(ACTION, start)?;
            let place = root.place(ACTION, &real)?;
            let parent = real.parent().unwrap_or(Path::new("")).to_owned();
            (place.parent, Some(place.name), parent)
        };
        let mut watch = Watch {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(kernel)?,
            base: Root::held(directory),
            base_watch: 0,
            start: if start == Path::new(".") { PathBuf::new() } else { start },
            only,
            globs: Globs::new(ACTION, &options.globs)?,
            nodes: HashMap::new(),
            below: HashMap::new(),
            found: HashMap::new(),
            half: None,
            modified: HashSet::new(),
            events: Vec::new(),
            sequence: 0,
            gone: false,
            trouble,
        };
        watch.begin()?;
        Ok(watch)
    }

    /// Watches everything that is there.
    fn begin(&mut self) -> Result<()> {
        let directory = self.base.directory(ACTION, Path::new("."))?;
        self.base_watch = self.add(&directory, Path::new(""), Node { parent: None, name: OsString::new() })?;
        if self.only.is_none() { self.scan(directory, self.base_watch, Path::new(""), false) } else { Ok(()) }
    }

    fn add(&mut self, directory: &OwnedFd, path: &Path, node: Node) -> Result<i32> {
        match inotify::add_watch(&self.inotify, through(directory), NEWS) {
            Ok(watch) => {
                if let Some(parent) = node.parent {
                    self.below.insert((parent, node.name.clone()), watch);
                }
                self.nodes.insert(watch, node);
                Ok(watch)
            }
            Err(Errno::NOSPC) => {
                let why = "the user has no watches left (sysctl fs.inotify.max_user_watches)";
                Err(Error::refused(ACTION, &self.start.join(path), FileErrorCode::NoSpace, why))
            }
            Err(errno) => Err(Error::kernel(ACTION, &self.start.join(path), errno)),
        }
    }

    /// Watches the directories in a directory; where it is `new`, what is found in it is news.
    fn scan(&mut self, directory: OwnedFd, watch: i32, path: &Path, new: bool) -> Result<()> {
        let (mut path, mut watches) = (path.to_owned(), vec![watch]);
        let mut tree = match Tree::new(directory) {
            Ok(tree) => tree,
            Err(errno) => {
                self.failed(&path, errno);
                return Ok(());
            }
        };
        loop {
            let kind = match tree.next() {
                Ok(Some(kind)) => kind,
                Ok(None) => match tree.up() {
                    Ok(true) => {
                        watches.pop();
                        path.pop();
                        continue;
                    }
                    Ok(false) => return Ok(()),
                    // It was moved meanwhile: the kernel tells.
                    Err(_) => return Ok(()),
                },
                Err(errno) => {
                    self.failed(&path, errno);
                    continue;
                }
            };
            let watch = *watches.last().expect("there are as many as levels");
            path.push(tree.name());
            if new {
                self.found.entry(watch).or_default().insert(tree.name().to_owned());
                self.tell(FileEventKind::Create, path.clone(), None, kind == FileType::Directory);
            }
            if kind == FileType::Directory
                && let Some((directory, inside)) = self.enter(tree.here(), watch, tree.name(), &path)?
            {
                match tree.down(directory) {
                    Ok(()) => {
                        watches.push(inside);
                        continue;
                    }
                    Err(errno) => self.failed(&path, errno),
                }
            }
            path.pop();
        }
    }

    /// Watches a directory; it is given where it was not watched already, and is to be looked through.
    fn enter(&mut self, parent: &OwnedFd, watch: i32, name: &OsStr, path: &Path) -> Result<Option<(OwnedFd, i32)>> {
        let directory = match open_directory(parent, name) {
            Ok(directory) => directory,
            // Gone, or something else by now: the kernel tells.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => {
                self.failed(path, errno);
                return Ok(None);
            }
        };
        let known = self.nodes.len();
        let inside = self.add(&directory, path, Node { parent: Some(watch), name: name.to_owned() })?;
        Ok((self.nodes.len() > known).then_some((directory, inside)))
    }

    fn failed(&mut self, path: &Path, errno: Errno) {
        (self.trouble)(Error::kernel(ACTION, &self.start.join(path), errno));
    }

    /// Whether the directory where it begins is still there.
    fn look(&mut self) {
        let links = self.base.directory(ACTION, Path::new(".")).ok().and_then(|base| fs::fstat(&base).ok());
        if links.is_none_or(|stat| stat.st_nlink == 0) {
            self.gone = true;
            self.tell(FileEventKind::Delete, PathBuf::new(), None, true);
        }
    }

    /// Takes what the kernel has to tell.
    fn read(&mut self) -> Result<()> {
        self.modified.clear();
        loop {
            for news in self.news()? {
                self.hear(news)?;
            }
            if self.half.is_none() || readable(self.inotify.as_fd(), None, HALF_MOVE) != Wake::Rung {
                return self.settle();
            }
        }
    }

    fn news(&self) -> Result<Vec<News>> {
        let mut buffer = vec![MaybeUninit::uninit(); 64 << 10];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut all = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => all.push(News {
                    watch: event.wd(),
                    flags: event.events(),
                    cookie: event.cookie(),
                    name: event
                        .file_name()
                        .map_or_else(OsString::new, |name| OsStr::from_bytes(name.to_bytes()).into()),
                }),
                Err(Errno::WOULDBLOCK) => return Ok(all),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::kernel(ACTION, &self.start, errno)),
            }
            // What is read at once is bounded, however busy the tree is.
            if all.len() >= 16_384 && reader.is_buffer_empty() {
                return Ok(all);
            }
        }
    }

    fn hear(&mut self, news: News) -> Result<()> {
        let is_directory = news.flags.contains(ReadFlags::ISDIR);
        if news.flags.contains(ReadFlags::MOVED_TO)
            && let Some(half) = self.half.take_if(|half| half.cookie == news.cookie)
        {
            return self.moved(&half, &news);
        }
        self.settle()?;
        if news.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            return self.overflow();
        }
        if news.flags.contains(ReadFlags::IGNORED) {
            self.forget(news.watch);
            return Ok(());
        }
        if news.name.is_empty() || self.only.as_ref().is_some_and(|only| *only != news.name) {
            return Ok(());
        }
        let Some(path) = self.path(news.watch, &news.name) else { return Ok(()) };
        let key = (news.watch, news.name.clone());
        if news.flags.contains(ReadFlags::MOVED_FROM) {
            let (cookie, directory, name) = (news.cookie, news.watch, news.name);
            self.half = Some(Half { cookie, directory, name, is_directory });
        } else if news.flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.modified.remove(&key);
            if self.found.get_mut(&news.watch).is_some_and(|found| found.remove(&news.name)) {
                return Ok(());
            }
            self.tell(FileEventKind::Create, path.clone(), None, is_directory);
            if is_directory && self.only.is_none() {
                self.enter_new(news.watch, &news.name, &path)?;
            }
        } else if news.flags.contains(ReadFlags::DELETE) {
            self.modified.remove(&key);
            self.left(&key);
            self.tell(FileEventKind::Delete, path, None, is_directory);
        } else if news.flags.intersects(ReadFlags::MODIFY | ReadFlags::ATTRIB) && self.modified.insert(key) {
            self.tell(FileEventKind::Modify, path, None, is_directory);
        }
        Ok(())
    }

    fn enter_new(&mut self, watch: i32, name: &OsStr, path: &Path) -> Result<()> {
        match self.base.place(ACTION, path) {
            Ok(place) => match self.enter(&place.parent, watch, name, path)? {
                Some((directory, inside)) => self.scan(directory, inside, path, true),
                None => Ok(()),
            },
            // It has another name by now: the kernel tells.
            Err(_) => Ok(()),
        }
    }

    fn moved(&mut self, from: &Half, to: &News) -> Result<()> {
        let is_directory = from.is_directory;
        let old = self.path(from.directory, &from.name);
        let new = self.path(to.watch, &to.name);
        if self.only.as_ref().is_some_and(|only| *only != from.name && *only != to.name) {
            return Ok(());
        }
        self.found.get_mut(&to.watch).map(|found| found.remove(&to.name));
        self.found.get_mut(&from.directory).map(|found| found.remove(&from.name));
        self.modified.remove(&(to.watch, to.name.clone()));
        if let Some(watch) = self.below.remove(&(from.directory, from.name.clone())) {
            self.below.insert((to.watch, to.name.clone()), watch);
            self.nodes.insert(watch, Node { parent: Some(to.watch), name: to.name.clone() });
        }
        if let (Some(old), Some(new)) = (old, new) {
            self.tell(FileEventKind::Move, new, Some(old), is_directory);
        }
        Ok(())
    }

    /// A first half whose second never came went elsewhere.
    fn settle(&mut self) -> Result<()> {
        if let Some(half) = self.half.take()
            && let Some(path) = self.path(half.directory, &half.name)
        {
            self.left(&(half.directory, half.name));
            self.tell(FileEventKind::Delete, path, None, half.is_directory);
        }
        Ok(())
    }

    /// What lies under this name is no longer ours.
    fn left(&mut self, key: &(i32, OsString)) {
        if let Some(found) = self.found.get_mut(&key.0) {
            found.remove(&key.1);
        }
        let Some(top) = self.below.remove(key) else { return };
        let inside: Vec<i32> = self.nodes.keys().copied().filter(|watch| self.is_below(*watch, top)).collect();
        for watch in inside {
            // One that is gone has no watch any more.
            let _ = inotify::remove_watch(&self.inotify, watch);
            self.forget(watch);
        }
    }

    fn is_below(&self, watch: i32, top: i32) -> bool {
        let mut watch = Some(watch);
        while let Some(here) = watch {
            if here == top {
                return true;
            }
            watch = self.nodes.get(&here).and_then(|node| node.parent);
        }
        false
    }

    fn forget(&mut self, watch: i32) {
        self.found.remove(&watch);
        if let Some(Node { parent: Some(parent), name }) = self.nodes.remove(&watch) {
            let key = (parent, name);
            if self.below.get(&key) == Some(&watch) {
                self.below.remove(&key);
            }
        }
    }

    /// The kernel's queue was full: what was lost cannot be known, but nothing more must be missed.
    fn overflow(&mut self) -> Result<()> {
        for watch in std::mem::take(&mut self.nodes).into_keys() {
            let _ = inotify::remove_watch(&self.inotify, watch);
        }
        self.below.clear();
        self.found.clear();
        self.begin()?;
        self.tell(FileEventKind::Overflow, PathBuf::new(), None, true);
        Ok(())
    }

    /// The path below the start; `None`: its directory is not watched any more.
    fn path(&self, watch: i32, name: &OsStr) -> Option<PathBuf> {
        let mut names = vec![name];
        let mut node = self.nodes.get(&watch)?;
        while let Some(parent) = node.parent {
            names.push(&node.name);
            node = self.nodes.get(&parent)?;
        }
        Some(names.into_iter().rev().collect())
    }

    fn tell(&mut self, event: FileEventKind, path: PathBuf, from: Option<PathBuf>, directory: bool) {
        let about_all = matches!(event, FileEventKind::Ready | FileEventKind::Overflow) || path.as_os_str().is_empty();
        let wanted = |path: &Path| path.file_name().is_some_and(|name| self.globs.match_any(name, path));
        if !about_all && !wanted(&path) && !from.as_deref().is_some_and(wanted) {
            return;
        }
        let place = |path: &Path| if about_all { self.start.clone() } else { self.start.join(path) };
        let path = match place(&path) {
            empty if empty.as_os_str().is_empty() => PathBuf::from("."),
            path => path,
        };
        let from = from.map(|from| place(&from));
        self.events.push(FileEvent {
            sequence: self.sequence,
            time: Timestamp(host::clock::now_ms()).to_string(),
            event,
            path: shown(&path),
            path_bytes: exact(&path),
            from: from.as_deref().map(shown),
            from_bytes: from.as_deref().and_then(exact),
            directory,
        });
        self.sequence += 1;
    }
}
