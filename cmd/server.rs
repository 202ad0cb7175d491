//! `server`: the same sessions over HTTP.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use clap::Args;
use engine::Failure;
use engine::session::chain;
use host::clock;
use host::env::{self, Name};
use schema::outcome::ErrorCode;
use schema::record::ServerRecord;
use schema::time::Timestamp;
use server::{Access, Address, Config, Cors, Error, Token, serve};

use crate::context::{Context, duration};
use crate::exit::Exit;
use crate::out;
use crate::run::unreadable;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent server                                   on 127.0.0.1:2468; prints the token
  sandbox-agent server --token-file token                or SANDBOX_AGENT_TOKEN in the environment
  sandbox-agent server --unix ./agent.sock               for this user only, without a token
  curl -N -H \"Authorization: Bearer $TOKEN\" localhost:2468/v1/sessions/fix/events/sse?offset=120";

/// The same sessions over HTTP.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct ServerArgs {
    /// Where to listen; others than this machine only with a token that you name
    #[arg(short = 'H', long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port; 0 takes one that is free and says which
    #[arg(short, long, value_name = "PORT", default_value_t = 2468)]
    port: u16,
    /// Listen on a socket in the file system instead, which only this user may use
    #[arg(long, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    unix: Option<PathBuf>,
    /// The token that clients must send; better in a file or in the environment [env: SANDBOX_AGENT_TOKEN]
    #[arg(short, long, value_name = "TOKEN", conflicts_with_all = ["token_file", "no_token"])]
    token: Option<String>,
    /// Read tokens from a file that is for its owner only: a line each, `TOKEN` or `TOKEN SCOPE,SCOPE`; the scopes are
    /// read, prompt, answer, fs, proc, desktop and admin, which is all of them
    #[arg(long, value_name = "FILE", conflicts_with = "no_token")]
    token_file: Option<PathBuf>,
    /// Whoever is on this machine may use it
    #[arg(short, long)]
    no_token: bool,
    /// Another name by which clients call this server, as behind a proxy; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Let pages of this origin use it, as in http://localhost:3000, or * for all; repeatable
    #[arg(short = 'O', long, value_name = "ORIGIN")]
    cors_allow_origin: Vec<String>,
    /// The methods that such pages may use; repeatable [default: what they ask for]
    #[arg(short = 'M', long, value_name = "METHOD")]
    cors_allow_method: Vec<String>,
    /// The headers that such pages may send; repeatable [default: what they ask for]
    #[arg(short = 'A', long, value_name = "HEADER")]
    cors_allow_header: Vec<String>,
    /// Let such pages send credentials
    #[arg(short = 'C', long, requires = "cors_allow_origin")]
    cors_allow_credentials: bool,
    /// A directory that no path, link or race of a file route leads out of [env: SANDBOX_AGENT_FS_ROOT]
    #[arg(long, value_name = "DIR")]
    fs_root: Option<PathBuf>,
    /// End once nobody has been connected for so long, as in 10m; sessions go on
    #[arg(long, value_name = "DURATION")]
    idle_exit: Option<String>,
    /// Of how many ACP sessions the agents stay for ten minutes after a turn: of those that were prompted last; the next
    /// prompt of another one starts its agent again
    #[arg(long, value_name = "N", default_value_t = server::acp::WARM)]
    warm: usize,
    /// Log no requests
    #[arg(short, long)]
    quiet: bool,
    /// There is no telemetry; for scripts that turn it off
    #[arg(long, hide = true)]
    no_telemetry: bool,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: ServerArgs) -> Result<Exit, Failure> {
    if let Some(token) = &args.token {
        return Err(without_token(token));
    }
    let store = context.store_path()?;
    let inherited = host::socket::inherited()?;
    let (tokens, made) = tokens(&args, inherited.is_some())?;
    let idle_exit = args.idle_exit.map(|text| duration("--idle-exit", &text, "as in 30s, 10m, 1h")).transpose()?;
    let config = Config {
        store,
        address: match (inherited, args.unix) {
            (Some(socket), _) => Address::Inherited(socket),
            (None, Some(path)) => Address::Unix(std::path::absolute(&path).unwrap_or(path)),
            (None, None) => Address::Tcp(args.host, args.port),
        },
        idle_exit,
        tokens,
        cors: Cors {
            origins: args.cors_allow_origin,
            methods: args.cors_allow_method,
            headers: args.cors_allow_header,
            credentials: args.cors_allow_credentials,
        },
        hosts: args.allow_host,
        warm: args.warm,
        create: crate::run::create,
        env: env::all(),
        fs_root: args.fs_root.or_else(|| env::var(Name::FsRoot).map(PathBuf::from)),
        home: env::var(Name::Home).map_or_else(|| PathBuf::from("/"), PathBuf::from),
        version: env!("CARGO_PKG_VERSION"),
    };
    let caught = serve(
        config,
        |listening| {
            out::print_record(&ServerRecord {
                url: listening.url.clone(),
                unix: listening.unix.as_ref().map(|path| path.display().to_string()),
                token: made,
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            });
        },
        if args.quiet { Box::new(|_| {}) } else { log() },
    );
    match caught {
        Ok(Some(caught)) => Ok(Exit::Signal(caught.into())),
        Ok(None) => Ok(Exit::Code(0)),
        Err(error) => Err(failure(error)),
    }
}

/// What opens it, and the token that we made up for it.
fn tokens(args: &ServerArgs, is_inherited: bool) -> Result<(Option<Vec<Token>>, Option<String>), Failure> {
    if args.no_token {
        return Ok((None, None));
    }
    if let Some(path) = &args.token_file {
        return Ok((Some(of_file(path)?), None));
    }
    if let Some(token) = env::var(Name::Token) {
        let token = Token::of(&token.to_string_lossy()).map_err(|why| unusable(Name::Token.as_str(), &why))?;
        return Ok((Some(vec![token]), None));
    }
    // Its file's permissions say who may; and whoever asked for more than this machine is to choose it.
    if !is_inherited && (args.unix.is_some() || !is_here(&args.host)) {
        return Ok((None, None));
    }
    let made = host::secret::new()?;
    let token = Token::of(&made).map_err(|why| unusable("our own", &why))?;
    Ok((Some(vec![token]), Some(made)))
}

/// The tokens of a file that is for its owner only, as ssh wants its keys. What comes out of a pipe nobody else reads.
fn of_file(path: &Path) -> Result<Vec<Token>, Failure> {
    let read = || {
        let mut file = File::open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok((file.metadata()?, text))
    };
    let (metadata, text) = read().map_err(|error| unreadable(path, &error))?;
    let mode = metadata.permissions().mode();
    let whence = path.display().to_string();
    if metadata.is_file() && mode & 0o077 != 0 {
        let why = format!("its mode is {:04o}: others than its owner may use the file", mode & 0o7777);
        return Err(
            unusable(&whence, &why).hint(format!("chmod 600 {}, or give the token in SANDBOX_AGENT_TOKEN", whence))
        );
    }
    Token::all_of(&text).map_err(|why| unusable(&whence, &why))
}

fn unusable(whence: &str, why: &str) -> Failure {
    Failure::usage(format!("failed to use the token of {whence}: {why}"))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Everybody can read a command line: we become ourselves once more, with the token in the environment.
fn without_token(token: &str) -> Failure {
    out::complain(
        "warning: --token was seen in the list of processes for a moment; use --token-file or SANDBOX_AGENT_TOKEN",
    );
    if let Err(why) = Token::of(token) {
        return unusable("--token", &why);
    }
    let mut args = Vec::new();
    let mut given = std::env::args_os().skip(1);
    while let Some(arg) = given.next() {
        match arg.to_str() {
            Some("-t" | "--token") => drop(given.next()),
            Some(text) if text.starts_with("--token=") || text.starts_with("-t") => {}
            Some(_) | None => args.push(arg),
        }
    }
    let error = host::detach::again(&args, Name::Token, token);
    Failure::new(ErrorCode::Other, format!("failed to take --token off the command line: {error}"))
        .hint("use --token-file or SANDBOX_AGENT_TOKEN")
}

/// Logs requests on stderr, in a thread of its own: nobody waits for whoever reads it.
fn log() -> Box<dyn Fn(&Access) + Send + Sync> {
    let (sender, receiver) = sync_channel::<String>(1024);
    std::thread::spawn(move || {
        for line in receiver {
            out::complain(&line);
        }
    });
    Box::new(move |access| {
        let Access { id, method, path, status, took } = access;
        let line = format!(
            "time={} request={id} method={method} path={path} status={status} ms={:.1}",
            Timestamp(clock::now_ms()),
            took.as_secs_f64() * 1000.0
        );
        // Where nobody reads, there are gaps.
        let _ = sender.try_send(line);
    })
}

pub(crate) fn failure(error: Error) -> Failure {
    let message = format!("failed to {}", chain(&error));
    match error {
        Error::Listen { .. } => {
            Failure::new(ErrorCode::Other, message).hint("choose another --port; 0 is any that is free")
        }
        Error::Exposed { .. } => {
            Failure::usage(message).hint("name one with --token-file or SANDBOX_AGENT_TOKEN, or listen on 127.0.0.1")
        }
        Error::Taken { .. } => Failure::usage(message).hint("choose another --unix path"),
        Error::AnyOrigin => Failure::usage(message).hint("--cors-allow-origin http://localhost:3000"),
        Error::Files(_) => Failure::usage(message).hint("--fs-root is a directory that may be entered"),
        Error::Runtime(_) => Failure::new(ErrorCode::Other, message),
        Error::Host(error) => error.into(),
        Error::Engine(error) => error.into(),
    }
}
