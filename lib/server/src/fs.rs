//! Files: the verbs of `fs` over HTTP, under the same root, streamed both ways.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use files::{Content, Grep, Made, Packing, Range, Root, Told, UploadOptions, Walk, WatchOptions, WriteOptions};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE,
};
use hyper::{Response, StatusCode};
use schema::file::{FileChange, FileErrorCode, FileEvent, FileMatch, FileMatchKind, FileRecord, FileType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::body::{Body, PIECE, Query, json as answer_json};
use crate::intake::Intake;
use crate::listen::Server;
use crate::outlet::{self, EVENTS, Outlet, Said};
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Asked};

/// Bytes, whatever they mean.
const BYTES: &str = "application/octet-stream";
/// A file that is sent at once: bytes.
const SMALL: usize = 64 << 10;
/// Names that the answer to an upload lists at most.
const MOST_NAMED: usize = 1024;
/// What an archive may hold: bytes, and files, directories and links.
const MOST_UNPACKED: (u64, u64) = (16 << 30, 1_000_000);
/// Lines, one record each, where a client asks for them instead of an array.
const LINES: &str = "application/x-ndjson";

/// Where files are looked up.
pub(crate) struct Shelf {
    root: Root,
    base: PathBuf,
}

impl Shelf {
    /// A directory that cannot be left; or all there is, with relative paths beginning at home.
    pub(crate) fn new(root: Option<&Path>, home: &Path) -> files::Result<Shelf> {
        let base = match root {
            Some(root) => root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            None if home.is_dir() => home.to_owned(),
            None => PathBuf::from("/"),
        };
        let root = if root.is_some() { Root::confined(&base)? } else { Root::free(&base)? };
        Ok(Shelf { root, base })
    }

    /// A path as a client says it, made absolute: so it stands in the answers too.
    fn path(&self, text: &str) -> Result<PathBuf, Problem> {
        self.bytes_path(text.into())
    }

    fn bytes_path(&self, path: OsString) -> Result<PathBuf, Problem> {
        if path.is_empty() || path.as_encoded_bytes().contains(&0) {
            return Err(Problem::invalid("failed to use the path: it is empty or holds a zero byte"));
        }
        Ok(self.base.join(path).components().collect())
    }

    /// The path of a query: `path`, or for names that are no text `pathBytes`, in base64.
    fn queried(&self, query: &Query, default: Option<&str>) -> Result<PathBuf, Problem> {
        if let Some(text) = query.word("pathBytes") {
            let bytes = STANDARD.decode(text).map_err(|_| Problem::invalid("failed to use pathBytes: no base64"))?;
            return self.bytes_path(OsString::from_vec(bytes));
        }
        match (query.word("path"), default) {
            (None, Some(default)) => self.path(default),
            (Some(path), _) => self.path(path),
            (None, None) => self.path(query.needed("path")?),
        }
    }
}

/// From where to where.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Move {
    from: String,
    to: String,
    overwrite: Option<bool>,
    recursive: Option<bool>,
    dry_run: Option<bool>,
}

/// What lies somewhere, as a client is told of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'r str>,
    path: &'r str,
    entry_type: FileType,
    size: u64,
    modified: &'r str,
    mode: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_bytes: Option<&'r str>,
}

impl<'r> Entry<'r> {
    fn of(record: &'r FileRecord, named: bool) -> Entry<'r> {
        Entry {
            name: named.then(|| record.path.rsplit('/').next().unwrap_or_default()),
            path: &record.path,
            entry_type: record.kind,
            size: record.size,
            modified: &record.modified,
            mode: &record.mode,
            path_bytes: record.path_bytes.as_deref(),
            target: record.target.as_deref(),
            target_bytes: record.target_bytes.as_deref(),
        }
    }
}

/// A file that has new content.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written {
    path: String,
    bytes_written: u64,
}

/// Something that was made or removed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Done {
    path: String,
    changed: bool,
    /// Files, directories and links.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
}

/// Something that has another name, or a second one.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Moved {
    from: String,
    to: Option<String>,
    changed: bool,
}

/// An archive that was taken in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Uploaded {
    /// The first 1024 of what it holds.
    paths: Vec<String>,
    truncated: bool,
    entries: u64,
    bytes: Option<u64>,
}

/// What is done to files in a thread, and what is said of it.
type Deed = Box<dyn FnOnce(&Root) -> Answer + Send>;

fn told(told: &impl Serialize) -> Answer {
    Ok(answer_json(StatusCode::OK, told))
}

/// `/v1/fs/…`.
pub(crate) async fn answer(mut asked: Asked) -> Answer {
    let (method, path) = asked.route;
    let verb = path.rsplit('/').next().unwrap_or_default();
    let moved_to = if matches!(verb, "move" | "copy") { Some(asked.json().await?) } else { None };
    let Asked { server, query, headers, body, .. } = asked;
    let (shelf, query) = (&server.shelf, &query);
    let deed: Deed = match (method, verb) {
        ("GET", "file") => return file(&server, query, &headers).await,
        ("GET", "entries" | "grep" | "watch" | "archive") => return streamed(&server, verb, query, &headers).await,
        ("PUT", "file") => write(shelf, query, body)?,
        ("POST", "upload-batch") => upload(shelf, query, &headers, body)?,
        ("GET", _) => {
            let path = shelf.queried(query, None)?;
            Box::new(move |root| told(&Entry::of(&files::stat(root, &path)?, false)))
        }
        ("DELETE", _) => {
            let path = shelf.queried(query, None)?;
            let how = Made { recursive: query.flag("recursive")?, dry_run: query.flag("dryRun")?, ..Made::default() };
            Box::new(move |root| done(files::remove(root, &path, how)?))
        }
        (_, _) if moved_to.is_some() => moved(shelf, verb == "copy", moved_to.expect("it was looked at"))?,
        (_, _) => {
            let (path, mode) = (shelf.queried(query, None)?, mode(query)?);
            Box::new(move |root| done(files::mkdir(root, &path, mode)?))
        }
    };
    let turn = server.hub.long_turn().await?;
    let shelf = Arc::clone(shelf);
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        deed(&shelf.root)
    });
    done.await.map_err(|error| Problem::new(Kind::Internal, format!("failed to finish: {error}")))?
}

/// A change as it is told.
fn done(change: FileChange) -> Answer {
    told(&Done { path: change.path, changed: change.changed, entries: change.entries })
}

fn mode(query: &Query) -> Result<Option<u32>, Problem> {
    let read = |text: &str| {
        u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)
            .ok_or_else(|| Problem::invalid("failed to use `mode`: it is octal digits, as in 644, at most 7777"))
    };
    query.word("mode").map(read).transpose()
}

/// Refuses a body that says it is something else.
fn is_one_of(headers: &HeaderMap, media: &[&str]) -> Result<(), Problem> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media.contains(&given.as_str()) {
        return Ok(());
    }
    let detail = format!("the body must be {}; its content type says `{}`", media.join(", "), given.escape_debug());
    Err(Problem::new(Kind::UnsupportedMediaType, detail))
}

fn write(shelf: &Shelf, query: &Query, body: Incoming) -> Result<Deed, Problem> {
    let path = shelf.queried(query, None)?;
    let options = WriteOptions {
        append: query.flag("append")?,
        mode: mode(query)?,
        if_absent: query.flag("ifAbsent")?,
        if_hash: query.word("ifHash").map(str::to_owned),
        dry_run: query.flag("dryRun")?,
        unsettled: true,
    };
    let mut content = Intake::new(body);
    Ok(Box::new(move |root| {
        let change = files::write(root, &path, Content::Stream(&mut content), &options)?;
        told(&Written { path: change.path, bytes_written: change.bytes.unwrap_or(0) })
    }))
}

fn upload(shelf: &Shelf, query: &Query, headers: &HeaderMap, body: Incoming) -> Result<Deed, Problem> {
    is_one_of(headers, &["application/x-tar", "application/gzip", "application/zstd", "application/octet-stream"])?;
    let path = shelf.queried(query, Some("."))?;
    let options = UploadOptions {
        overwrite: query.word("overwrite").is_none() || query.flag("overwrite")?,
        dry_run: query.flag("dryRun")?,
        most_bytes: MOST_UNPACKED.0,
        most_entries: MOST_UNPACKED.1,
    };
    let mut content = Intake::new(body);
    Ok(Box::new(move |root| {
        let mut paths = Vec::new();
        let mut named = |named: Told<'_>| match named {
            Told::Entry(path) if paths.len() < MOST_NAMED => paths.push(files::readable(path)),
            Told::Entry(_) | Told::Bytes(_) => {}
        };
        let change = files::upload(root, &path, &mut content, options, &mut named)?;
        let entries = change.entries.unwrap_or(0);
        told(&Uploaded { truncated: entries > paths.len() as u64, paths, entries, bytes: change.bytes })
    }))
}

fn moved(shelf: &Shelf, is_copy: bool, wanted: Move) -> Result<Deed, Problem> {
    let (path, to) = (shelf.path(&wanted.from)?, shelf.path(&wanted.to)?);
    let how = Made {
        overwrite: wanted.overwrite.unwrap_or(false),
        recursive: wanted.recursive.unwrap_or(true),
        dry_run: wanted.dry_run.unwrap_or(false),
    };
    Ok(Box::new(move |root| {
        let change = match is_copy {
            true => files::copy(root, &path, &to, how, &mut |_| ())?,
            false => files::move_to(root, &path, &to, how)?,
        };
        told(&Moved { from: change.path, to: change.to, changed: change.changed })
    }))
}

/// `GET /v1/fs/file`: all of it, or the part that the query or `Range` names.
async fn file(server: &Arc<Server>, query: &Query, headers: &HeaderMap) -> Answer {
    let (shelf, path) = (Arc::clone(&server.shelf), server.shelf.queried(query, None)?);
    let range = Range {
        offset: query.value("offset")?.unwrap_or(0),
        length: query.value("length")?,
        tail: query.value("tail")?,
    };
    if range.offset > 0 && range.tail.is_some() {
        return Err(Problem::invalid("failed to use `tail`: there is an `offset` too"));
    }
    let ranged = headers.get(RANGE).filter(|_| query.word("offset").or(query.word("tail")).is_none());
    let ranged = ranged.and_then(|value| value.to_str().ok()?.strip_prefix("bytes=").map(str::to_owned));
    // To wake a thread takes longer than to read what is in memory.
    let is_all = range.offset == 0 && range.length.or(range.tail).is_none() && ranged.is_none();
    if let Some(bytes) = is_all.then(|| files::glance(&shelf.root, &path, SMALL)).flatten() {
        let response = outlet::answer_of(BYTES, Body::Whole(Some(bytes.into())));
        return Ok(attached(response, None));
    }
    let turn = server.hub.long_turn().await?;
    let (tell, told) = oneshot::channel();
    // One thread does all of it.
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let begun = open(&shelf.root, &path, range, ranged).and_then(|(file, wanted)| match wanted.whole(&file) {
            Some(bytes) => Ok((wanted, Begun::Whole(bytes), None)),
            None => Outlet::new().map(|(outlet, said)| (wanted, Begun::Said(said), Some((file, outlet)))),
        });
        // Whoever has left is told nothing.
        match begun {
            Err(problem) => drop(tell.send(Err(problem))),
            Ok((wanted, begun, rest)) => {
                let _ = tell.send(Ok((wanted, begun)));
                if let Some((file, outlet)) = rest {
                    outlet.carry_out(|out| pour(file.take(wanted.length.or(range.length).unwrap_or(u64::MAX)), out));
                }
            }
        }
    });
    let stopped = || Err(Problem::new(Kind::Internal, "failed to finish"));
    let (Wanted { size, length, part }, begun) = told.await.unwrap_or_else(|_| stopped())?;
    let response = match begun {
        Begun::Whole(bytes) => outlet::answer_of(BYTES, Body::Whole(Some(bytes.into()))),
        Begun::Said(said) => said.answer(server, BYTES, length).await?,
    };
    let part = part.zip(length).map(|(from, length)| format!("bytes {from}-{}/{size}", from + length - 1));
    Ok(attached(response, part))
}

/// An answer with what a file holds, or this part of it.
fn attached(mut response: Response<Body>, part: Option<String>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // What lies here was written by anybody: no browser is to take it for a page.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    if let Some(part) = part {
        headers.extend(HeaderValue::from_str(&part).map(|part| (CONTENT_RANGE, part)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// What of a file is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    size: u64,
    /// How much of it, where that is known.
    length: Option<u64>,
    /// Where the part begins that `Range` names.
    part: Option<u64>,
}

/// How a client gets it.
enum Begun {
    Whole(Vec<u8>),
    Said(Said),
}

impl Wanted {
    /// All that is wanted where it is little. One that shrank meanwhile breaks off, as a large one does.
    fn whole(&self, mut file: &File) -> Option<Vec<u8>> {
        let length = usize::try_from(self.length?).ok().filter(|length| *length <= SMALL)?;
        let at = file.stream_position().ok()?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).is_ok().then_some(bytes)
    }
}

/// A file, and the place in it where what is wanted begins.
fn open(root: &Root, path: &Path, range: Range, ranged: Option<String>) -> Result<(File, Wanted), Problem> {
    let mut file = files::open_range(root, path, range)?.into_inner();
    let failed = |source| Problem::from(files::Error::Kernel { action: "read", path: path.to_owned(), source });
    let size = file.metadata().map_err(failed)?.len();
    let Some(part) = ranged.filter(|_| size > 0).and_then(|text| part(&text, size)) else {
        let at = file.stream_position().map_err(failed)?;
        // Files of the kernel have no size, and content.
        let length = (size > 0).then(|| size.saturating_sub(at).min(range.length.unwrap_or(u64::MAX)));
        return Ok((file, Wanted { size, length, part: None }));
    };
    let Some((from, length)) = part else {
        let detail = format!("the file has {size} bytes; the range lies behind them");
        return Err(Problem::new(Kind::RangeNotSatisfiable, detail).with("size", size.into()));
    };
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    Ok((file, Wanted { size, length: Some(length), part: Some(from) }))
}

fn pour(mut content: io::Take<File>, out: &mut Outlet) -> Result<(), Problem> {
    let broken = |source| Problem::from(files::Error::Kernel { action: "read", path: PathBuf::new(), source });
    loop {
        let mut piece = vec![0; PIECE];
        let length = content.read(&mut piece).map_err(broken)?;
        if length == 0 {
            return Ok(());
        }
        piece.truncate(length);
        out.give(piece).map_err(broken)?;
    }
}

/// One range of a file: from where, and how long; `None` within: there is nothing. One that is not understood, and several,
/// are as none at all.
fn part(text: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (from, to) = text.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (from, end) = match (from, to) {
        ("", tail) => (size.saturating_sub(number(tail)?), size),
        (from, "") => (number(from)?, size),
        (from, to) => {
            let (from, to): (u64, u64) = (number(from)?, number(to)?);
            if to < from {
                return None;
            }
            (from, size.min(to.saturating_add(1)))
        }
    };
    Some((from < end).then(|| (from, end - from)))
}

/// Records as an array, as lines, or as events.
struct Records<'o> {
    out: &'o mut Outlet,
    form: Form,
    count: u64,
    trouble: Option<Problem>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Array,
    Lines,
    Events,
}

impl Records<'_> {
    /// `false`: no more is wanted.
    fn add(&mut self, record: &impl Serialize) -> bool {
        let text = serde_json::to_string(record).expect("records have string keys");
        let before = match (self.form, self.count) {
            (Form::Array, 0) => "[",
            (Form::Array, _) => ",",
            (Form::Lines | Form::Events, _) => "",
        };
        self.count += 1;
        let after = if self.form == Form::Lines { "\n" } else { "" };
        self.trouble.is_none() && write!(self.out, "{before}{text}{after}").is_ok()
    }

    /// Among lines a line; an array is all there is or nothing.
    fn fail(&mut self, error: files::Error) {
        let problem = Problem::from(error);
        match self.form {
            Form::Lines => drop(self.add(&problem.document())),
            Form::Events => {
                let _ = write!(self.out, "event: error\ndata: {}\n\n", problem.document());
            }
            Form::Array => self.trouble = Some(problem),
        }
    }

    fn event(&mut self, event: &FileEvent) -> bool {
        let text = serde_json::to_string(event).expect("records have string keys");
        write!(self.out, "id: {}\ndata: {text}\n\n", event.sequence).is_ok()
    }

    fn end(mut self) -> Result<(), Problem> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        if self.form == Form::Array {
            // A client that has left needs no end.
            let _ = self.out.write_all(if self.count == 0 { b"[]" } else { b"]" });
        }
        Ok(())
    }
}

/// What is told as it is found.
async fn streamed(server: &Arc<Server>, verb: &str, query: &Query, headers: &HeaderMap) -> Answer {
    let lines = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = if lines.is_some_and(|accept| accept.contains(LINES)) { Form::Lines } else { Form::Array };
    let media = if form == Form::Lines { LINES } else { "application/json" };
    let (shelf, path) = (Arc::clone(&server.shelf), server.shelf.queried(query, Some("."))?);
    let is_grep = verb == "grep";
    let kinds = query.words("type").into_iter().map(|word| {
        serde_json::from_value(Value::from(word)).map_err(|_| {
            Problem::invalid("failed to use `type`: file, directory, symlink, fifo, socket, block or char")
        })
    });
    let walk = Walk {
        recursive: query.flag("recursive")?,
        hidden: if is_grep { query.flag("hidden")? } else { query.word("hidden").is_none() || query.flag("hidden")? },
        depth: query.value("depth")?,
        gitignore: query.flag("gitignore")?,
        unsorted: query.flag("unsorted")?,
        globs: query.words("glob"),
        kinds: kinds.collect::<Result<_, _>>()?,
    };
    let mut left = query.value("limit")?.unwrap_or(u64::MAX).max(1);
    match verb {
        "entries" => {
            let work = Box::new(move |out: &mut Outlet| {
                let records = std::cell::RefCell::new(Records { out, form, count: 0, trouble: None });
                let mut each = |record: &FileRecord| {
                    left -= 1;
                    records.borrow_mut().add(&Entry::of(record, true)) && left > 0
                };
                files::walk(&shelf.root, &path, &walk, &mut each, &mut |error| records.borrow_mut().fail(error))?;
                records.into_inner().end()
            });
            outlet::answer(server, media, None, work).await
        }
        "grep" => {
            let context = query.value("context")?.unwrap_or(0);
            let what = Grep {
                pattern: query.needed("pattern")?.to_owned(),
                fixed: query.flag("fixed")?,
                ignore_case: query.flag("ignoreCase")?,
                word: query.flag("word")?,
                before: query.value("before")?.unwrap_or(context),
                after: query.value("after")?.unwrap_or(context),
                names_only: query.flag("files")?,
                binary: query.flag("binary")?,
                files: walk,
            };
            let work = Box::new(move |out: &mut Outlet| {
                let records = std::cell::RefCell::new(Records { out, form, count: 0, trouble: None });
                let mut each = |record: FileMatch| {
                    if matches!(record.kind, FileMatchKind::Match | FileMatchKind::File) {
                        left -= 1;
                    }
                    records.borrow_mut().add(&record) && left > 0
                };
                files::grep(&shelf.root, &path, &what, &mut each, &mut |error| records.borrow_mut().fail(error))?;
                records.into_inner().end()
            });
            outlet::answer(server, media, None, work).await
        }
        "watch" => {
            let timeout = match query.word("timeout") {
                None => None,
                Some(text) => Some(
                    schema::time::parse_duration(text)
                        .ok_or_else(|| Problem::invalid("failed to use `timeout`: as in 30s"))?,
                ),
            };
            let options = WatchOptions { follow: true, timeout, globs: walk.globs };
            let work = Box::new(move |out: &mut Outlet| {
                let reader = out.reader().try_clone_to_owned();
                let reader =
                    reader.map_err(|error| Problem::new(Kind::Unavailable, format!("failed to watch: {error}")))?;
                let records = std::cell::RefCell::new(Records { out, form: Form::Events, count: 0, trouble: None });
                let mut each = |events: &[FileEvent]| {
                    let mut records = records.borrow_mut();
                    events.iter().all(|event| records.event(event)) && records.out.flush().is_ok()
                };
                let mut trouble = |error| records.borrow_mut().fail(error);
                let reader = std::os::fd::AsFd::as_fd(&reader);
                files::watch(&shelf.root, &path, &options, reader, &mut each, &mut trouble)?;
                Ok(())
            });
            outlet::answer(server, EVENTS, None, work).await
        }
        _ => {
            let (packing, media) = match query.word("format").unwrap_or("tar") {
                "tar" => (Packing::None, "application/x-tar"),
                "gzip" => (Packing::Gzip, "application/gzip"),
                "zstd" => (Packing::Zstd, "application/zstd"),
                _ => return Err(Problem::invalid("failed to use `format`: one of tar, gzip, zstd")),
            };
            let work = Box::new(move |out: &mut Outlet| {
                let mut trouble =
                    |error: files::Error| log::warn!("left out of an archive: failed to {}", error.in_full());
                Ok(files::download(&shelf.root, &path, packing, out, &mut |_| (), &mut trouble)?)
            });
            outlet::answer(server, media, None, work).await
        }
    }
}

impl From<files::Error> for Problem {
    fn from(error: files::Error) -> Problem {
        use FileErrorCode::{
            BadInput, Busy, Changed, Exists, Io, IsADirectory, Loop, NameTooLong, NoSpace, NotADirectory, NotEmpty,
            NotFound, OutsideRoot, PermissionDenied, ReadOnly, Rejected, SpecialFile, TooLarge, Usage,
        };
        // EIO, and what of this process is used up: the machine's fault. All else the kernel refuses as it was asked.
        let is_ours = |source: &io::Error| matches!(source.raw_os_error(), Some(5 | 12 | 23 | 24));
        let kind = match (error.code(), &error) {
            (NotFound, _) => Kind::NotFound,
            (PermissionDenied | OutsideRoot | ReadOnly, _) => Kind::PermissionDenied,
            (Exists | NotEmpty | Changed | Busy | Rejected, _) => Kind::Conflict,
            (TooLarge, _) => Kind::TooLarge,
            (NoSpace, _) => Kind::DiskFull,
            (Io, files::Error::Kernel { source, .. }) if source.kind() == io::ErrorKind::TimedOut => Kind::Slow,
            (Io, files::Error::Kernel { source, .. }) if is_ours(source) => Kind::Internal,
            (NotADirectory | IsADirectory | NameTooLong | Loop | SpecialFile | BadInput | Usage | Io, _) => {
                Kind::InvalidRequest
            }
        };
        let (code, path) = (json!(error.code()), files::readable(error.path()));
        Problem::new(kind, format!("failed to {}", error.in_full())).with("code", code).with("path", path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parts_of_a_file() {
        for (text, expected) in [
            ("0-", Some(Some((0, 10)))),
            ("3-5", Some(Some((3, 3)))),
            ("3-99", Some(Some((3, 7)))),
            ("3-18446744073709551615", Some(Some((3, 7)))),
            ("-4", Some(Some((6, 4)))),
            ("-99", Some(Some((0, 10)))),
            ("-0", Some(None)),
            ("10-", Some(None)),
            ("5-3", None),
            ("1-2,4-5", None),
            ("+1-2", None),
            ("-", None),
            ("a-b", None),
            ("99999999999999999999-", None),
        ] {
            assert_eq!(part(text, 10), expected, "{text}");
        }
    }
}
