//! `proc`: programs run once or kept in the background, with their output in the store.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use engine::Failure;
use engine::process::{Launch, Once, OnceEnd};
use schema::process::{Limits, LogLine, RunResult, Stream};
use schema::time::parse_duration;

use crate::context::Context;
use crate::exit::Exit;
use crate::out::{self, Output};
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent proc run --timeout 30s -- cargo test        one JSON result: exit code, signal, output";

const RUN_EXAMPLES: &str = "\
Examples:
  sandbox-agent proc run --timeout 30s -- cargo test        one JSON result: exit code, signal, output
  sandbox-agent proc run --stream -- make | jq -r .text     output as it comes, in the order of writing
  git diff | sandbox-agent proc run --stdin -o text -- wc -l";

/// Processes that outlive the command that started them.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ProcArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program to its end and print one result; exits with its code, 128 + n for a signal, 124 for a timeout
    Run(RunArgs),
}

/// What a program gets.
#[derive(Debug, Args)]
struct LaunchArgs {
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The directory it works in [default: this one]
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// A variable for it; without =VALUE copied from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Variables from a file, one NAME=VALUE a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Give it no variables but PATH, HOME, locale, and those of --env
    #[arg(long)]
    clean_env: bool,
    /// Run it as this user; for root only
    #[arg(long, value_name = "USER[:GROUP]")]
    run_as: Option<String>,
    /// Memory, as in 512M: of all of it in a cgroup where we may make one, else the address space of each process
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Processor time of each process, in whole seconds
    #[arg(long, value_name = "DURATION")]
    cpu_time: Option<String>,
    /// Open files of each process
    #[arg(long, value_name = "N")]
    files: Option<u64>,
    /// Processes: of all of it in a cgroup where we may make one, else all of its user (root has no such limit)
    #[arg(long, value_name = "N")]
    processes: Option<u64>,
}

#[derive(Debug, Args)]
#[command(before_help = RUN_EXAMPLES)]
struct RunArgs {
    #[command(flatten)]
    launch: LaunchArgs,
    /// End it, with everything below it, after this time; exit 124
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// How long it may take to end after SIGTERM before it is killed
    #[arg(long, value_name = "DURATION", default_value = "100ms")]
    grace: String,
    /// How much of each stream to keep, its beginning and its end
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M")]
    max_output: u64,
    /// Let it read our stdin; else its input is empty
    #[arg(long)]
    stdin: bool,
    /// Print output as it comes; the result then has none
    #[arg(long)]
    stream: bool,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: ProcArgs) -> Result<Exit, Failure> {
    match args.command {
        Command::Run(args) => run(context, args),
    }
}

fn run(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    let once = Once {
        launch: launch(args.launch)?,
        stdin: args.stdin,
        timeout: args.timeout.as_deref().map(|text| duration("--timeout", text)).transpose()?,
        grace: duration("--grace", &args.grace)?,
        max_output: usize::try_from(args.max_output).unwrap_or(usize::MAX),
        stream: args.stream,
    };
    let stdout = out::stdout_fd()?;
    let OnceEnd { result, caught, reader_gone } =
        engine::process::run(&once, stdout.as_fd(), &mut |line| show(context.output, line))?;
    let said = match context.output {
        Output::Ndjson => out::print_record(&result),
        Output::Text | Output::Last => {
            out::print_bytes(&text_of(&result.stdout, &result.stdout_base64));
            out::complain_bytes(&text_of(&result.stderr, &result.stderr_base64));
            true
        }
        Output::None => true,
    };
    if let Some(caught) = caught {
        return Ok(Exit::Signal(caught.into()));
    }
    if reader_gone || !said {
        return Ok(Exit::Signal(host::Signal::SIGPIPE));
    }
    Ok(Exit::Code(code(&result)))
}

fn code(result: &RunResult) -> i32 {
    let code = match (result.timed_out, result.exit_code, result.signal) {
        (true, _, _) => 124,
        (false, Some(code), _) => code,
        (false, None, Some(signal)) => 128 + signal,
        (false, None, None) => 1,
    };
    i32::try_from(code).unwrap_or(1)
}

/// Prints a piece of output. `false`: the reader has left.
fn show(output: Output, line: &LogLine) -> bool {
    match (output, line) {
        (Output::Ndjson, line) => out::print_record(line),
        (Output::Text | Output::Last, LogLine::Output { stream, text, base64, .. }) => {
            let bytes = text_of(text, base64);
            match stream {
                Stream::Stdout | Stream::Pty => out::print_bytes(&bytes),
                Stream::Stderr => out::complain_bytes(&bytes),
            }
        }
        (Output::Text | Output::Last, LogLine::Started { .. } | LogLine::Gap { .. } | LogLine::Exit { .. })
        | (Output::None, _) => true,
    }
}

/// The bytes as they were.
fn text_of(text: &Option<String>, base64: &Option<String>) -> Vec<u8> {
    use base64::Engine;
    match (text, base64) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(base64)) => {
            base64::engine::general_purpose::STANDARD.decode(base64).expect("we have encoded it ourselves")
        }
        (None, None) => Vec::new(),
    }
}

fn launch(args: LaunchArgs) -> Result<Launch, Failure> {
    let cwd = args.cwd.unwrap_or_else(|| PathBuf::from("."));
    let cwd = std::path::absolute(&cwd)
        .and_then(|cwd| cwd.canonicalize())
        .map_err(|error| Failure::usage(format!("failed to enter the directory {}: {error}", cwd.display())))?;
    let cpu_time = args.cpu_time.as_deref().map(|text| duration("--cpu-time", text)).transpose()?;
    let limits = Limits {
        memory: args.memory,
        // Less than a second would be no limit at all.
        cpu_seconds: cpu_time.map(|time| time.as_secs_f64().ceil().max(1.0) as u64),
        files: args.files,
        processes: args.processes,
    };
    let env = variables(args.clean_env, Vec::new(), &args.env_file, &args.env)?;
    Ok(Launch { command: args.command, env, cwd, limits, run_as: args.run_as })
}

fn duration(flag: &str, text: &str) -> Result<Duration, Failure> {
    parse_duration(text).ok_or_else(|| {
        Failure::usage(format!("failed to use {flag} `{}`", text.escape_debug())).hint("as in 30s, 10m, 1h")
    })
}

/// A size such as `4096`, `64K`, `512M`, `2G`, in bytes; the letters stand for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return Err("a size is a number with K, M or G".to_owned()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())
}
