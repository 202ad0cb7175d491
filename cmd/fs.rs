//! `fs`: files of a sandbox, as records and raw bytes, optionally under a root that cannot be left.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use engine::Failure;
use files::{Algorithm, Error, Made, Range, Root, Walk, WriteOptions};
use host::env::{Name, var};
use schema::Timestamp;
use schema::file::{FileError, FileErrorCode, FileType};
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
        let mut each = |record| clerk.borrow_mut().print(&record);
        files::walk(root, &path, &what, &mut each, &mut |error| clerk.borrow_mut().fail(&error))
    }

    fn read(&self, root: &Root, args: &ReadArgs) -> Result<(), Error> {
        let path = self.path(&args.path)?;
        let range = Range { offset: args.offset, length: args.length, tail: args.tail };
        let mut content = files::open_range(root, &path, range)?;
        let copied = out::raw(|stdout| match args.base64 {
            false => io::copy(&mut content, stdout).map(drop),
            true => {
                // A multiple of three, so that the pieces join without padding.
                let mut piece = Vec::with_capacity(48 << 10);
                loop {
                    piece.clear();
                    if (&mut content).take(48 << 10).read_to_end(&mut piece)? == 0 {
                        return stdout.write_all(b"\n");
                    }
                    stdout.write_all(STANDARD.encode(&piece).as_bytes())?;
                }
            }
        });
        match copied {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Kernel { action: "read", path, source: error })
            }
            _ => Ok(()),
        }
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
        };
        let change = files::write(root, &path, &mut content, &options)?;
        self.print(&change);
        Ok(())
    }

    /// `false`: the reader has left.
    fn print<T: serde::Serialize>(&mut self, record: &T) -> bool {
        self.quiet || self.records.add(record)
    }

    /// A line for programs, a sentence for people; the first failure is the exit code.
    fn fail(&mut self, error: &Error) {
        let code = error.code();
        let mut message = format!("failed to {error}");
        if let Some(source) = std::error::Error::source(error) {
            message = format!("{message}: {source}");
        }
        let line = FileError {
            kind: ErrorKind::Error,
            code,
            path: files::readable(error.path()),
            path_bytes: files::exact(error.path()),
            message: message.clone(),
            exit_code: code.exit_code(),
            hint: None,
        };
        self.print(&line);
        out::complain(&format!("error: {}", message.escape_debug()));
        if self.code == 0 {
            self.code = code.exit_code();
        }
    }
}

fn stdin() -> Result<File, Error> {
    let opened = io::stdin().as_fd().try_clone_to_owned();
    opened.map(File::from).map_err(|source| Error::Kernel { action: "read", path: PathBuf::from("stdin"), source })
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
