//! The log of a process: numbered records, from an offset, also while they come.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use host::bell::{Wake, Watch};
use host::clock;
use schema::Timestamp;
use schema::process::{LogLine, Stream};
use serde_json::Value;
use store::{Access, Kind, Output, Process, SelectOutput, StoredOutput};

use super::Error as Why;
use super::manage::{find, mend};
use super::text::line;
use crate::Places;
use crate::error::Error;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct LogRequest {
    /// The store.
    pub store: PathBuf,
    /// The process.
    pub process: String,
    /// Only what comes after this record; negative: only the last records of what is there, `i64::MIN`: none of them.
    pub after: i64,
    /// Only this stream; else all, in the order of writing.
    pub stream: Option<Stream>,
    /// Only from this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Whether to wait for more until the process has ended.
    pub follow: bool,
}

/// What is given out.
#[derive(Debug)]
pub enum LogItem<'a> {
    /// Bytes, of a stream.
    Bytes(Stored<'a>),
    /// Anything else.
    Line(LogLine),
}

/// A piece of output.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Its number in the log.
    pub sequence: i64,
    /// When it was read, in milliseconds since 1970.
    pub time: i64,
    /// From where.
    pub stream: Stream,
    /// As they were written.
    pub bytes: &'a [u8],
}

impl Stored<'_> {
    /// As it is printed.
    pub fn line(&self) -> LogLine {
        line(self.sequence, self.time, self.stream, self.bytes.to_vec())
    }
}

/// Why it stopped.
#[derive(Debug, Clone)]
pub struct LogEnd {
    /// The process as it was then.
    pub process: Process,
    /// Nobody reads any more.
    pub reader_gone: bool,
}

/// A page, in records and in bytes.
const PAGE: (usize, usize) = (4096, 1 << 20);

/// Gives out records in order; `show` says `false` when its reader has left.
///
/// # Errors
/// [`Why::NoProcess`]; [`Why::OffsetBeyondEnd`].
pub fn follow(
    request: &LogRequest,
    stdout: Option<BorrowedFd<'_>>,
    show: &mut dyn FnMut(LogItem<'_>) -> bool,
) -> Result<LogEnd, Error> {
    let mut process = find(&request.store, &request.process)?;
    let store = crate::follow::open_if_there(&request.store)?.ok_or_else(|| Why::NoProcess(request.process.clone()))?;
    let mut watch = request.follow.then(|| Watch::new(&[Places::beside(&request.store).bell(&process.uid)]));
    let mut output = open(request)?;
    let mut after = match &output {
        Some(output) => begin(request, output, &process)?,
        None => request.after.max(0),
    };
    loop {
        // The row first: what was printed before it says `exited` is in the pages that follow.
        let ended = process.state.status == "exited";
        if output.is_none() {
            output = open(request)?;
        }
        if let Some(output) = &output {
            // A process that prints faster than we read would keep us here for ever.
            let to = if request.follow { i64::MAX } else { output.log(process.no)?.last_sequence };
            if !pages(request, output, &process, to, &mut after, show)? {
                return Ok(LogEnd { process, reader_gone: true });
            }
        }
        let Some(watch) = watch.as_mut().filter(|_| !ended) else { return Ok(LogEnd { process, reader_gone: false }) };
        let woken = watch.wait(stdout, Duration::from_secs(1));
        let missing = || Why::NoProcess(request.process.clone());
        process = store.process_by_no(process.no)?.ok_or_else(missing)?;
        match woken {
            Wake::ReaderGone => return Ok(LogEnd { process, reader_gone: true }),
            Wake::Rung => {}
            Wake::Closed | Wake::Timeout => process = mend(&request.store, process)?,
        }
    }
}

fn open(request: &LogRequest) -> Result<Option<Output>, Error> {
    match Output::open(&request.store, Access::Read) {
        Ok(output) => Ok(Some(output)),
        Err(store::Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Which records are asked for; none named: all.
fn kinds(request: &LogRequest) -> &'static [Kind] {
    match request.stream {
        None => &[],
        Some(Stream::Stdout) => &[Kind::Stdout, Kind::Started, Kind::Exit],
        Some(Stream::Stderr) => &[Kind::Stderr, Kind::Started, Kind::Exit],
        Some(Stream::Pty) => &[Kind::Pty, Kind::Started, Kind::Exit],
    }
}

/// Where to begin.
fn begin(request: &LogRequest, output: &Output, process: &Process) -> Result<i64, Error> {
    let last = output.log(process.no)?.last_sequence;
    if request.after == i64::MIN {
        return Ok(last);
    }
    if request.after > last {
        let process = process.process_id.clone();
        return Err(Why::OffsetBeyondEnd { process, offset: request.after, last }.into());
    }
    if request.after >= 0 {
        return Ok(request.after);
    }
    let mut first = last + 1;
    let limit = usize::try_from(request.after.unsigned_abs()).unwrap_or(usize::MAX);
    let select =
        SelectOutput { after: 0, kinds: kinds(request), since: request.since, reverse: true, limit, bytes: usize::MAX };
    output.read(process.no, &select, &mut |record| first = record.sequence)?;
    Ok(first - 1)
}

/// Gives out what is there, up to this record. `false`: the reader has left.
fn pages(
    request: &LogRequest,
    output: &Output,
    process: &Process,
    to: i64,
    after: &mut i64,
    show: &mut dyn FnMut(LogItem<'_>) -> bool,
) -> Result<bool, Error> {
    let (kinds, (limit, bytes)) = (kinds(request), PAGE);
    loop {
        let select = SelectOutput { after: *after, kinds, since: request.since, reverse: false, limit, bytes };
        let mut page: Vec<(i64, i64, Kind, Vec<u8>)> = Vec::new();
        let more = output.read(process.no, &select, &mut |StoredOutput { sequence, time, kind, data }| {
            page.push((sequence, time, kind, data.to_vec()));
        })?;
        // After the page: what was dropped while it was read is told before it.
        let log = output.log(process.no)?;
        if log.dropped_to > *after && page.first().is_none_or(|(sequence, ..)| *sequence > log.dropped_to) {
            let gap = LogLine::Gap {
                sequence: log.dropped_to,
                time: Timestamp(clock::now_ms()).to_string(),
                from: *after + 1,
                dropped_bytes: log.dropped_bytes,
            };
            *after = log.dropped_to;
            if !show(LogItem::Line(gap)) {
                return Ok(false);
            }
        }
        for (sequence, time, kind, data) in &page {
            if *sequence > to {
                return Ok(true);
            }
            *after = *sequence;
            let stream = match kind {
                Kind::Stdout => Stream::Stdout,
                Kind::Stderr => Stream::Stderr,
                Kind::Pty => Stream::Pty,
                Kind::Started | Kind::Exit => {
                    if !show(LogItem::Line(told(process, *sequence, *time, *kind, data)?)) {
                        return Ok(false);
                    }
                    continue;
                }
            };
            if !show(LogItem::Bytes(Stored { sequence: *sequence, time: *time, stream, bytes: data })) {
                return Ok(false);
            }
        }
        if !more || *after >= to {
            return Ok(true);
        }
    }
}

fn told(process: &Process, sequence: i64, time: i64, kind: Kind, data: &[u8]) -> Result<LogLine, Error> {
    let bad = |source| Why::Stored { process: process.process_id.clone(), source };
    let time = Timestamp(time).to_string();
    if kind == Kind::Exit {
        return Ok(LogLine::Exit { sequence, time, exit: serde_json::from_slice(data).map_err(bad)? });
    }
    let said: Value = serde_json::from_slice(data).map_err(bad)?;
    let number = |name: &str| said[name].as_i64().unwrap_or(0);
    Ok(LogLine::Started { sequence, time, pid: number("pid"), restarts: number("restarts") })
}
