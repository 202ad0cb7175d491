//! `server`: the same sessions over HTTP.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use clap::Args;
use engine::Failure;
use engine::session::chain;
use host::clock;
use host::env::{self, Name};
use schema::outcome::ErrorCode;
use schema::record::ServerRecord;
use schema::time::Timestamp;
use server::{Access, Address, Config, Cors, Error, serve};

use crate::context::Context;
use crate::exit::Exit;
use crate::out;
use crate::run::unreadable;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent server                                   127.0.0.1:2468; the token that it makes up is printed once
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
    /// Read the token from the first line of a file
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
    let (token, made) = token(&args)?;
    let unix = args.unix.map(|path| std::path::absolute(&path).unwrap_or(path));
    let config = Config {
        store,
        address: match &unix {
            Some(path) => Address::Unix(path.clone()),
            None => Address::Tcp(args.host, args.port),
        },
        token: token.clone(),
        cors: Cors {
            origins: args.cors_allow_origin,
            methods: args.cors_allow_method,
            headers: args.cors_allow_header,
            credentials: args.cors_allow_credentials,
        },
        hosts: args.allow_host,
        env: env::all(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let caught = serve(
        config,
        |listening| {
            out::print_record(&ServerRecord {
                url: listening.url.clone(),
                unix: unix.map(|path| path.display().to_string()),
                token: token.filter(|_| made),
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            });
        },
        if args.quiet { Box::new(|_| {}) } else { log() },
    );
    match caught {
        Ok(caught) => Ok(Exit::Signal(caught.into())),
        Err(error) => Err(failure(error)),
    }
}

/// The token, and whether we made it up.
fn token(args: &ServerArgs) -> Result<(Option<String>, bool), Failure> {
    if args.no_token {
        return Ok((None, false));
    }
    let given = match &args.token_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            Some((text.lines().next().unwrap_or_default().trim().to_owned(), path.display().to_string()))
        }
        None => {
            env::var(Name::Token).map(|token| (token.to_string_lossy().into_owned(), Name::Token.as_str().to_owned()))
        }
    };
    match given {
        Some((token, _)) if is_token(&token) => Ok((Some(token), false)),
        Some((_, whence)) => Err(Failure::usage(format!(
            "failed to use the token of {whence}: it is to be visible ASCII characters, at least one, without spaces"
        ))),
        // Its file's permissions say who may.
        None if args.unix.is_some() => Ok((None, false)),
        // Whoever asked for more than this machine is to choose it.
        None if !is_here(&args.host) => Ok((None, false)),
        None => Ok((Some(host::secret::new()?), true)),
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Everybody can read a command line: we become ourselves once more, with the token in the environment.
fn without_token(token: &str) -> Failure {
    out::complain(
        "warning: --token was seen in the list of processes for a moment; use --token-file or SANDBOX_AGENT_TOKEN",
    );
    if !is_token(token) {
        return Failure::usage("failed to use --token: it is to be visible ASCII characters, without spaces");
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

fn failure(error: Error) -> Failure {
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
        Error::Runtime(_) => Failure::new(ErrorCode::Other, message),
        Error::Host(error) => error.into(),
        Error::Engine(error) => error.into(),
    }
}
