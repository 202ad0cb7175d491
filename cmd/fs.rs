//! `fs`: files of a sandbox, as records and raw bytes, optionally under a root that cannot be left.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use engine::Failure;
use files::{
    Algorithm, Content, Error, Grep, Made, Packing, PatchOptions, Range, Root, Told, UploadOptions, Walk, WatchEnd,
    WatchOptions, WriteOptions,
};
use host::env::{Name, var};
use schema::Timestamp;
use schema::file::{FileError, FileErrorCode, FileEvent, FileMatch, FileMatchKind, FileRecord, FileType};
use schema::record::ErrorKind;

use crate::context::Context;
use crate::exit::Exit;
use crate::out::{self, Output, Progress, Records};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent fs ls src --recursive | jq -r 'select(.size>100000).path'
  sandbox-agent fs read app.log --offset 1048576 --length 4096
  curl -s … | sandbox-agent fs write --mode 600 config.toml -
  sandbox-agent fs --root /workspace rm build --recursive --dry-run";

/// Files of a sandbox: every change is one JSON line, every failure has a code.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct FsArgs {
    /// A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Where relative paths begin [default: the root, or the working directory]
    #[arg(short = 'C', long = "cd", global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The paths of this command line are base64, as in `path_bytes`
    #[arg(long, global = true)]
    bytes: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What lies in a directory, one line each, sorted
    #[command(before_help = "Examples:\n  sandbox-agent fs ls src --recursive --glob '*.rs' | jq -r .path")]
    Ls(LsArgs),
    /// The same, all below a directory, with hidden names: by name and type
    #[command(before_help = "Examples:\n  sandbox-agent fs find . --glob '*.log' --type file")]
    Find(LsArgs),
    /// What lies at a path; a link is a link
    #[command(before_help = "Examples:\n  sandbox-agent fs stat a.txt b.txt | jq .size")]
    Stat {
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// The bytes of a file on stdout
    #[command(before_help = "Examples:\n  sandbox-agent fs read app.log --tail 4096")]
    Read(ReadArgs),
    /// Lines that match a pattern, one JSON line each
    #[command(
        before_help = "Examples:\n  sandbox-agent fs grep 'TODO' --glob '*.rs' | jq -r '\"\\(.path):\\(.line)\"'\n  sandbox-agent fs grep -F 'a.b(' src --context 2"
    )]
    Grep(GrepArgs),
    /// A directory or file on stdout as an archive, streamed
    #[command(
        before_help = "Examples:\n  sandbox-agent fs download src > src.tar.zst\n  sandbox-agent fs download src --format tar | tar tv"
    )]
    Download {
        /// What
        path: PathBuf,
        /// How to pack it
        #[arg(long, value_enum, default_value = "zstd")]
        format: FormatName,
    },
    /// What changes below a directory, as it changes, one numbered JSON line each
    #[command(
        before_help = "Examples:\n  sandbox-agent fs watch . --follow | jq -c .\n  sandbox-agent fs watch build --glob '*.so' --timeout 60s"
    )]
    Watch(WatchArgs),
    /// Apply a unified diff from stdin: all of it or nothing
    #[command(
        before_help = "Examples:\n  git diff | sandbox-agent fs --root /workspace patch\n  sandbox-agent fs patch --dry-run < change.diff"
    )]
    Patch(PatchArgs),
    /// Take in an archive from stdin: tar, plain, gzip or zstd
    #[command(
        before_help = "Examples:\n  sandbox-agent fs upload dest < src.tar.zst\n  git archive HEAD | sandbox-agent fs --root /workspace upload src --overwrite"
    )]
    Upload(UploadArgs),
    /// Write a file at once: whoever reads sees the old content or the new one
    #[command(before_help = "Examples:\n  date | sandbox-agent fs write --mode 600 state/now.txt -")]
    Write(WriteArgs),
    /// Remove files, links, and (--recursive) directories
    #[command(before_help = "Examples:\n  sandbox-agent fs rm build --recursive --dry-run")]
    Rm {
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Directories with all that is below them
        #[arg(short, long)]
        recursive: bool,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Make directories, and those above them
    #[command(before_help = "Examples:\n  sandbox-agent fs mkdir --mode 700 private/keys")]
    Mkdir {
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Permissions, octal
        #[arg(long, value_parser = octal)]
        mode: Option<u32>,
    },
    /// Give a file or directory another name, at once
    #[command(before_help = "Examples:\n  sandbox-agent fs mv new.db app.db --overwrite")]
    Mv(MoveArgs),
    /// Copy a file, a link, or (--recursive) a directory
    #[command(before_help = "Examples:\n  sandbox-agent fs cp src backup/src --recursive")]
    Cp {
        #[command(flatten)]
        places: MoveArgs,
        /// Directories with all that is below them
        #[arg(short, long)]
        recursive: bool,
    },
    /// Make a symbolic link, or (--hard) a second name
    #[command(before_help = "Examples:\n  sandbox-agent fs ln ../shared/data data")]
    Ln {
        /// What it points to
        target: PathBuf,
        /// Where it is
        to: PathBuf,
        /// A second name for the same file
        #[arg(long)]
        hard: bool,
    },
    /// Set permissions
    #[command(before_help = "Examples:\n  sandbox-agent fs chmod 755 run.sh")]
    Chmod {
        /// Octal digits
        #[arg(value_parser = octal)]
        mode: u32,
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Set when files changed; make empty ones where none are
    #[command(before_help = "Examples:\n  sandbox-agent fs touch --time 2024-02-29T12:00:00Z stamp")]
    Touch {
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// RFC 3339 [default: now]
        #[arg(long, value_parser = time)]
        time: Option<Timestamp>,
    },
    /// Hashes of files
    #[command(
        before_help = "Examples:\n  sandbox-agent fs hash *.tar | jq -r '\"\\(.hash)  \\(.path)\"' | sha256sum -c"
    )]
    Hash {
        /// The paths
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// How
        #[arg(long, value_enum, default_value = "sha256")]
        algorithm: HashName,
    },
}

#[derive(Debug, Args)]
struct LsArgs {
    /// The directory
    #[arg(default_value = ".")]
    path: PathBuf,
    /// All below it; links are not entered
    #[arg(short, long)]
    recursive: bool,
    /// At most so deep below it
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Only what matches: with a slash the path below the directory, without one the name (repeatable)
    #[arg(long, value_name = "PATTERN")]
    glob: Vec<String>,
    /// Only these types (repeatable)
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    kinds: Vec<FileType>,
    /// Names that begin with a dot too
    #[arg(long)]
    hidden: bool,
    /// Leave out what .gitignore files say
    #[arg(long)]
    gitignore: bool,
    /// As the directory has them: constant memory, whatever its size
    #[arg(long)]
    unsorted: bool,
}

#[derive(Debug, Args)]
struct GrepArgs {
    /// A regular expression, for one line at a time
    pattern: String,
    /// Files, and directories with all below them
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Only files that match: with a slash the path below the directory, without one the name (repeatable)
    #[arg(long, value_name = "PATTERN")]
    glob: Vec<String>,
    /// The pattern is the text itself
    #[arg(short = 'F', long)]
    fixed_strings: bool,
    /// Upper and lower case are the same
    #[arg(short, long)]
    ignore_case: bool,
    /// Only whole words
    #[arg(short, long)]
    word: bool,
    /// So many lines before and after each match
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// So many lines before each match
    #[arg(long, value_name = "N")]
    before: Option<usize>,
    /// So many lines after each match
    #[arg(long, value_name = "N")]
    after: Option<usize>,
    /// Only the files in which something matches
    #[arg(short = 'l', long)]
    files: bool,
    /// At most so many matches (with --files: files) in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Files with zero bytes too
    #[arg(long)]
    binary: bool,
    /// Names that begin with a dot too
    #[arg(long)]
    hidden: bool,
    /// Leave out what .gitignore files say
    #[arg(long)]
    gitignore: bool,
    /// As the directory has them
    #[arg(long)]
    unsorted: bool,
}

#[derive(Debug, Args)]
struct UploadArgs {
    /// The directory: made where it is missing; else what the archive holds is moved into it
    path: PathBuf,
    /// The archive is this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Files that are there already may be replaced
    #[arg(long)]
    overwrite: bool,
    /// Read and judge it all, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// At most so many bytes, unpacked
    #[arg(long, value_name = "SIZE", value_parser = crate::proc::size, default_value = "16G")]
    max_bytes: u64,
    /// At most so many files, directories and links
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_entries: u64,
}

#[derive(Debug, Args)]
struct WatchArgs {
    /// A directory, and all below it; or a file
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Go on after the first changes
    #[arg(long)]
    follow: bool,
    /// Only what matches: with a slash the path below the directory, without one the name (repeatable)
    #[arg(long, value_name = "PATTERN")]
    glob: Vec<String>,
    /// End after this time, with exit code 124
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, Args)]
struct PatchArgs {
    /// The diff is this file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Leave so many directories out of its names [default: 1 where they begin with a/ and b/, else 0]
    #[arg(short = 'p', long, value_name = "N")]
    strip: Option<usize>,
    /// The other way round
    #[arg(short = 'R', long)]
    reverse: bool,
    /// Only say whether it fits
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Tar,
    Gzip,
    Zstd,
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// The file
    path: PathBuf,
    /// From this byte
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
    /// At most so many bytes
    #[arg(long, value_name = "N")]
    length: Option<u64>,
    /// Only the last so many bytes
    #[arg(long, value_name = "N", conflicts_with = "offset")]
    tail: Option<u64>,
    /// In base64
    #[arg(long)]
    base64: bool,
}

#[derive(Debug, Args)]
struct WriteArgs {
    /// The file
    path: PathBuf,
    /// `-`: what comes on stdin
    #[arg(value_name = "-", value_parser = ["-"], required_unless_present = "from_file")]
    stdin: Option<String>,
    /// The content of this file
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    from_file: Option<PathBuf>,
    /// Behind what is there (not atomic)
    #[arg(long, conflicts_with_all = ["if_absent"])]
    append: bool,
    /// Permissions, octal [default: those of the old file, else by the umask]
    #[arg(long, value_parser = octal)]
    mode: Option<u32>,
    /// Only where nothing is
    #[arg(long)]
    if_absent: bool,
    /// Only where the present content has this SHA-256
    #[arg(long, value_name = "SHA256")]
    if_hash: Option<String>,
    /// Only say whether it could be done; stdin is not read
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct MoveArgs {
    /// What
    path: PathBuf,
    /// Its new path: exactly this, never below it
    to: PathBuf,
    /// What is there may be replaced
    #[arg(long)]
    overwrite: bool,
    /// Only say whether it could be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HashName {
    Sha256,
    Blake3,
}

/// Runs a verb.
pub(crate) fn main(context: &Context, args: &FsArgs) -> Result<Exit, Failure> {
    let mut clerk =
        Clerk { records: Records::new()?, quiet: context.output == Output::None, code: 0, bytes: args.bytes };
    if let Err(error) = clerk.root(args).and_then(|root| clerk.verb(&root, &args.verb)) {
        clerk.fail(&error);
    }
    clerk.records.flush();
    if let Some(error) = clerk.records.lost() {
        out::complain(&format!("error: failed to write to stdout: {error}"));
        clerk.code = clerk.code.max(1);
    }
    Ok(Exit::Code(clerk.code))
}

/// Carries out verbs, prints what they say, and remembers the worst.
struct Clerk {
    records: Records,
    quiet: bool,
    code: i32,
    bytes: bool,
}

impl Clerk {
    fn root(&self, args: &FsArgs) -> Result<Root, Error> {
        let root = args.root.clone().or_else(|| var(Name::FsRoot).map(PathBuf::from));
        match (root, &args.directory) {
            (Some(root), None) => Root::confined(&root),
            (Some(root), Some(directory)) => Root::confined(&root)?.below(directory),
            (None, directory) => Root::free(directory.as_deref().unwrap_or(Path::new("."))),
        }
    }

    /// A path of the command line, which `--bytes` says is base64.
    fn path(&self, path: &Path) -> Result<PathBuf, Error> {
        if !self.bytes {
            return Ok(path.to_owned());
        }
        let bytes = path.to_str().and_then(|text| STANDARD.decode(text).ok());
        bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes))).ok_or_else(|| Error::Refused {
            action: "use",
            path: path.to_owned(),
            code: FileErrorCode::Usage,
            why: "it is not base64, as --bytes says".to_owned(),
        })
    }

    fn verb(&mut self, root: &Root, verb: &Verb) -> Result<(), Error> {
        match verb {
            Verb::Ls(args) => self.list(root, args, args.recursive, args.hidden),
            Verb::Find(args) => self.list(root, args, true, true),
            Verb::Stat { paths } => self.each(paths, |path| files::stat(root, path)),
            Verb::Read(args) => self.read(root, args),
            Verb::Grep(args) => self.grep(root, args),
            Verb::Download { path, format } => self.download(root, path, *format),
            Verb::Upload(args) => self.upload(root, args),
            Verb::Watch(args) => self.watch(root, args),
            Verb::Patch(args) => self.patch(root, args),
            Verb::Write(args) => self.write(root, args),
            Verb::Rm { paths, recursive, dry_run } => {
                let how = Made { recursive: *recursive, dry_run: *dry_run, ..Made::default() };
                self.each(paths, |path| files::remove(root, path, how))
            }
            Verb::Mkdir { paths, mode } => self.each(paths, |path| files::mkdir(root, path, *mode)),
            Verb::Mv(args) => {
                let how = Made { overwrite: args.overwrite, dry_run: args.dry_run, recursive: true };
                let (path, to) = (self.path(&args.path)?, self.path(&args.to)?);
                self.print(&files::move_to(root, &path, &to, how)?);
                Ok(())
            }
            Verb::Cp { places, recursive } => {
                let how = Made { overwrite: places.overwrite, dry_run: places.dry_run, recursive: *recursive };
                let (path, to) = (self.path(&places.path)?, self.path(&places.to)?);
                let mut progress = Progress::new("copied");
                let change = files::copy(root, &path, &to, how, &mut |bytes| progress.add(bytes))?;
                drop(progress);
                self.print(&change);
                Ok(())
            }
            Verb::Ln { target, to, hard } => {
                let (target, to) = (self.path(target)?, self.path(to)?);
                self.print(&files::link(root, &target, &to, *hard)?);
                Ok(())
            }
            Verb::Chmod { mode, paths } => self.each(paths, |path| files::chmod(root, path, *mode)),
            Verb::Touch { paths, time } => self.each(paths, |path| files::touch(root, path, time.map(|time| time.0))),
            Verb::Hash { paths, algorithm } => {
                let algorithm = match algorithm {
                    HashName::Sha256 => Algorithm::Sha256,
                    HashName::Blake3 => Algorithm::Blake3,
                };
                self.each(paths, |path| files::hash(root, path, algorithm))
            }
        }
    }

    /// One record or one error for each path; a path that fails does not keep us from the others.
    fn each<T: serde::Serialize>(
        &mut self,
        paths: &[PathBuf],
        verb: impl Fn(&Path) -> Result<T, Error>,
    ) -> Result<(), Error> {
        for path in paths {
            match self.path(path).and_then(|path| verb(&path)) {
                Ok(record) => {
                    self.print(&record);
                }
                Err(error) => self.fail(&error),
            }
        }
        Ok(())
    }

    fn list(&mut self, root: &Root, args: &LsArgs, recursive: bool, hidden: bool) -> Result<(), Error> {
        let what = Walk {
            recursive,
            hidden,
            depth: args.depth,
            gitignore: args.gitignore,
            unsorted: args.unsorted,
            globs: args.glob.clone(),
            kinds: args.kinds.clone(),
        };
        let path = self.path(&args.path)?;
        let clerk = std::cell::RefCell::new(self);
        let mut each = |record: &FileRecord| clerk.borrow_mut().print(record);
        files::walk(root, &path, &what, &mut each, &mut |error| clerk.borrow_mut().fail(&error))
    }

    fn read(&mut self, root: &Root, args: &ReadArgs) -> Result<(), Error> {
        let path = self.path(&args.path)?;
        let range = Range { offset: args.offset, length: args.length, tail: args.tail };
        let mut content = files::open_range(root, &path, range)?;
        let mut begun = false;
        let copied = out::raw(|stdout| {
            let mut stdout = Begun { stdout, begun: &mut begun };
            if args.base64 { encode(&mut content, &mut stdout) } else { copy(&mut content, &mut stdout) }
        });
        if let Err(error) = copied.map_err(|source| Error::Kernel { action: "read", path, source })
            && !is_left(&error)
        {
            self.fail_to(&error, !begun);
        }
        Ok(())
    }

    fn grep(&mut self, root: &Root, args: &GrepArgs) -> Result<(), Error> {
        let context = args.context.unwrap_or(0);
        let what = Grep {
            pattern: args.pattern.clone(),
            fixed: args.fixed_strings,
            ignore_case: args.ignore_case,
            word: args.word,
            before: args.before.unwrap_or(context),
            after: args.after.unwrap_or(context),
            names_only: args.files,
            binary: args.binary,
            files: Walk {
                hidden: args.hidden,
                gitignore: args.gitignore,
                unsorted: args.unsorted,
                globs: args.glob.clone(),
                ..Walk::default()
            },
        };
        let mut left = args.limit.unwrap_or(u64::MAX);
        let mut found = false;
        for path in &args.paths {
            let clerk = std::cell::RefCell::new(&mut *self);
            let path = clerk.borrow().path(path)?;
            let mut each = |record: FileMatch| {
                if matches!(record.kind, FileMatchKind::Match | FileMatchKind::File) {
                    left -= 1;
                }
                clerk.borrow_mut().print(&record) && left > 0
            };
            match files::grep(root, &path, &what, &mut each, &mut |error| clerk.borrow_mut().fail(&error)) {
                Ok(matched) => found |= matched,
                Err(error) => self.fail(&error),
            }
            if left == 0 {
                break;
            }
        }
        if !found && self.code == 0 {
            self.code = 1;
        }
        Ok(())
    }

    fn download(&mut self, root: &Root, path: &Path, format: FormatName) -> Result<(), Error> {
        let packing = match format {
            FormatName::Tar => Packing::None,
            FormatName::Gzip => Packing::Gzip,
            FormatName::Zstd => Packing::Zstd,
        };
        let path = self.path(path)?;
        let mut progress = Progress::new("packed");
        let mut troubles = Vec::new();
        let mut begun = false;
        let done = out::raw(|stdout| {
            let mut stdout = Begun { stdout, begun: &mut begun };
            let trouble = &mut |error| troubles.push(error);
            Ok(files::download(root, &path, packing, &mut stdout, &mut |bytes| progress.add(bytes), trouble))
        });
        drop(progress);
        for error in troubles
            .iter()
            .chain(done.map_err(|source| Error::Kernel { action: "download", path, source })?.as_ref().err())
        {
            if !is_left(error) {
                self.fail_to(error, !begun);
            }
        }
        Ok(())
    }

    fn watch(&mut self, root: &Root, args: &WatchArgs) -> Result<(), Error> {
        let path = self.path(&args.path)?;
        let options = WatchOptions { follow: args.follow, timeout: args.timeout, globs: args.glob.clone() };
        let stdout = out::stdout_fd().map_err(|failure| Error::Refused {
            action: "watch",
            path: path.clone(),
            code: FileErrorCode::Io,
            why: failure.message,
        })?;
        let clerk = std::cell::RefCell::new(&mut *self);
        let mut each = |events: &[FileEvent]| {
            let mut clerk = clerk.borrow_mut();
            events.iter().all(|event| clerk.print(event)) && (clerk.quiet || clerk.records.flush())
        };
        let mut trouble = |error| clerk.borrow_mut().fail(&error);
        match files::watch(root, &path, &options, stdout.as_fd(), &mut each, &mut trouble)? {
            WatchEnd::Timeout => self.code = 124,
            WatchEnd::Changed | WatchEnd::ReaderGone | WatchEnd::Gone => {}
        }
        Ok(())
    }

    fn patch(&mut self, root: &Root, args: &PatchArgs) -> Result<(), Error> {
        let mut input = match &args.from_file {
            Some(file) => files::open_range(root, &self.path(file)?, Range::default())?.into_inner(),
            None => stdin()?,
        };
        let mut text = Vec::new();
        let name = args.from_file.clone().unwrap_or_else(|| PathBuf::from("stdin"));
        match (&mut input).take(files::MOST_PATCHED + 1).read_to_end(&mut text) {
            Ok(count) if count as u64 > files::MOST_PATCHED => {
                let why = format!("it is larger than {} bytes", files::MOST_PATCHED);
                return Err(Error::Refused { action: "patch with", path: name, code: FileErrorCode::TooLarge, why });
            }
            Ok(_) => {}
            Err(source) => return Err(Error::Kernel { action: "read", path: name, source }),
        }
        let options = PatchOptions { strip: args.strip, reverse: args.reverse, dry_run: args.dry_run };
        let patched = files::patch(root, &text, options)?;
        for error in &patched.rejected {
            self.fail(error);
        }
        if patched.rejected.is_empty() {
            for change in &patched.changes {
                self.print(change);
            }
        }
        Ok(())
    }

    fn upload(&mut self, root: &Root, args: &UploadArgs) -> Result<(), Error> {
        let path = self.path(&args.path)?;
        let mut input = match &args.from_file {
            Some(file) => files::open_range(root, &self.path(file)?, Range::default())?.into_inner(),
            None => stdin()?,
        };
        let options = UploadOptions {
            overwrite: args.overwrite,
            dry_run: args.dry_run,
            most_bytes: args.max_bytes,
            most_entries: args.max_entries,
        };
        let mut progress = Progress::new("unpacked");
        let change = files::upload(root, &path, &mut input, options, &mut |told| match told {
            Told::Bytes(bytes) => progress.add(bytes),
            Told::Entry(_) => {}
        })?;
        drop(progress);
        self.print(&change);
        Ok(())
    }

    fn write(&mut self, root: &Root, args: &WriteArgs) -> Result<(), Error> {
        let path = self.path(&args.path)?;
        let mut content = match &args.from_file {
            // Below the root as everything else.
            Some(file) => files::open_range(root, &self.path(file)?, Range::default())?.into_inner(),
            None => stdin()?,
        };
        let options = WriteOptions {
            append: args.append,
            mode: args.mode,
            if_absent: args.if_absent,
            if_hash: args.if_hash.clone(),
            dry_run: args.dry_run,
            unsettled: false,
        };
        let change = files::write(root, &path, Content::File(&mut content), &options)?;
        self.print(&change);
        Ok(())
    }

    /// `false`: the reader has left.
    fn print<T: serde::Serialize>(&mut self, record: &T) -> bool {
        self.quiet || self.records.add(record)
    }

    /// A line for programs, a sentence for people; the first failure is the exit code.
    fn fail(&mut self, error: &Error) {
        self.fail_to(error, true);
    }

    /// Among the bytes of a file or an archive no line for programs must stand.
    fn fail_to(&mut self, error: &Error, for_programs: bool) {
        let code = error.code();
        let message = format!("failed to {}", error.in_full());
        let line = FileError {
            kind: ErrorKind::Error,
            code,
            path: files::readable(error.path()),
            path_bytes: files::exact(error.path()),
            message: message.clone(),
            exit_code: code.exit_code(),
            hint: None,
        };
        if for_programs {
            self.print(&line);
        }
        out::complain(&format!("error: {}", message.escape_debug()));
        if self.code == 0 {
            self.code = code.exit_code();
        }
    }
}

/// Whether the reader of our stdout has left: then nothing failed.
fn is_left(error: &Error) -> bool {
    matches!(error, Error::Kernel { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

/// Remembers whether anything was written.
struct Begun<'w> {
    stdout: &'w mut File,
    begun: &'w mut bool,
}

impl Write for Begun<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.begun = true;
        self.stdout.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// Through a buffer: moving pages from the file's cache into a pipe (`io::copy`) takes longer than copying them.
fn copy(content: &mut impl Read, stdout: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; 128 << 10];
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(()),
            length => stdout.write_all(&piece[..length])?,
        }
    }
}

fn encode(content: &mut impl Read, stdout: &mut impl Write) -> io::Result<()> {
    // A multiple of three, so that the pieces join without padding.
    const PIECE: u64 = 48 << 10;
    let mut piece = Vec::with_capacity(PIECE as usize);
    while content.take(PIECE).read_to_end(&mut piece)? > 0 {
        stdout.write_all(STANDARD.encode(&piece).as_bytes())?;
        piece.clear();
    }
    stdout.write_all(b"\n")
}

fn stdin() -> Result<File, Error> {
    let opened = io::stdin().as_fd().try_clone_to_owned();
    opened.map(File::from).map_err(|source| Error::Kernel { action: "read", path: PathBuf::from("stdin"), source })
}

fn duration(text: &str) -> Result<Duration, String> {
    schema::time::parse_duration(text).ok_or_else(|| "a time with its unit, as in 30s, 10m, 1h".to_owned())
}

fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).map_err(|_| "octal digits, as in 644".to_owned())?;
    if mode > 0o7777 { Err("at most 7777".to_owned()) } else { Ok(mode) }
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "RFC 3339, as in 2024-02-29T12:00:00Z".to_owned())
}

fn kind(text: &str) -> Result<FileType, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "file, directory, symlink, fifo, socket, block or char".to_owned())
}
