//! The table of commands and the flags that all of them know.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use engine::Failure;
use host::detach::Ready;

use crate::context::Context;
use crate::exit::{Exit, TABLE};
use crate::later::Later;
use crate::out::{self, Output};
#[cfg(feature = "server")]
use crate::{acp, server};
use crate::{
    agents, answer, cancel, completions, credentials, desktop, doctor, events, fs, install, install_agent, logger, man,
    proc, run, schema_command, send, sessions, stream, wait,
};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent run --agent mock \"hello\"                the built-in mock: no account needed
  sandbox-agent run -a codex -s fix \"fix the test\"       in a session called `fix`
  sandbox-agent run -s fix -o last \"now the changelog\"  go on with it; only the answer
  sandbox-agent stream fix --offset 12 --follow         what came after event 12, as it comes
  sandbox-agent sessions list                           every session";

/// Drive any coding agent from a shell, a Dockerfile or a program.
///
/// A session is a conversation with an agent, under a name of yours. What happens in it is a list of events, numbered 1, 2, 3, … and
/// stored before they are printed: `stream SESSION --offset N` prints what came after event N, now or next week.
#[derive(Debug, Parser)]
#[command(name = "sandbox-agent", version, before_help = EXAMPLES, after_help = TABLE, max_term_width = 120)]
#[command(disable_help_subcommand = true, infer_long_args = false, args_override_self = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) store: Option<PathBuf>,
    /// How to print: events and records as NDJSON, for people, only the last text, or nothing
    #[arg(short, long, global = true, value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Output>,
    /// The same as --output ndjson
    #[arg(long, global = true, conflicts_with = "output")]
    pub(crate) json: bool,
    /// Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start or continue a session, send a prompt, stream the turn
    Run(Later<Box<run::RunArgs>>),
    /// Queue a prompt for a session, or put it into the running turn
    Send(Later<send::SendArgs>),
    /// Decide a permission, answer a question
    Answer(Later<answer::AnswerArgs>),
    /// Interrupt the running turn
    Cancel(Later<cancel::CancelArgs>),
    /// Wait until sessions are idle, asking or ended
    Wait(Later<wait::WaitArgs>),
    /// Print the events of a session: all, or those after --offset N; with --follow also as they come
    Stream(Later<stream::StreamArgs>),
    /// Print the events of a session in pages: --limit, --since, newest first, or wait for the next
    Events(Later<events::EventsArgs>),
    /// List, show, search, export, rename, end and delete sessions
    Sessions(Later<sessions::SessionsArgs>),
    /// What agents can log in with: show it, export it, check it
    Credentials(Later<credentials::CredentialsArgs>),
    /// Processes that outlive the command that started them: logs, input, terminals, limits
    Proc(Later<proc::ProcArgs>),
    /// Files of a sandbox: list, search, read, write, move, copy, remove, watch, patch, as archives
    Fs(Later<fs::FsArgs>),
    /// A virtual desktop: pictures of it, pointer, keyboard, windows, programs
    Desktop(Later<Box<desktop::DesktopArgs>>),
    /// Install agents: fetched, checked by hash, without Node
    InstallAgent(Later<install_agent::InstallAgentArgs>),
    /// Install what the program itself needs of the system
    Install(Later<install::InstallArgs>),
    /// List, show, choose, verify and uninstall agents
    Agents(Later<agents::AgentsArgs>),
    /// The same sessions over HTTP
    #[cfg(feature = "server")]
    Server(Later<server::ServerArgs>),
    /// An agent for an editor: any agent by the Agent Client Protocol, on stdin and stdout
    #[cfg(feature = "server")]
    Acp(Later<acp::AcpArgs>),
    /// What is here, and what is wrong with it
    Doctor(Later<doctor::DoctorArgs>),
    /// Print the JSON Schema of events and records
    Schema,
    /// Print a completion script for a shell
    Completions(Later<completions::CompletionsArgs>),
    /// Print a man page, or write all of them
    Man(Later<man::ManArgs>),
}

/// Parses the command line and runs the command.
///
/// `ready` is there when we were started in the background: whoever did so waits for one line.
pub(crate) fn dispatch(args: Vec<OsString>, ready: Option<Ready>) -> Exit {
    let wants_text = wants_text(&args);
    let cli = match command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error, wants_text),
    };
    // An action on a desktop is over before that would win anything, and a server needs it again with the next request.
    if !matches!(cli.command, Command::Desktop(_) | Command::Server(_)) {
        host::memory::give_back_at_once();
    }
    logger::begin(cli.global.verbose);
    let ready = Rc::new(Cell::new(ready));
    let result = Context::new(&cli.global, Rc::clone(&ready)).and_then(|context| match cli.command {
        Command::Run(Later(args)) => run::main(&context.in_project()?, *args),
        Command::Send(Later(args)) => send::main(&context, args),
        Command::Answer(Later(args)) => answer::main(&context, args),
        Command::Cancel(Later(args)) => cancel::main(&context, &args),
        Command::Wait(Later(args)) => wait::main(&context, &args),
        Command::Stream(Later(args)) => stream::main(&context, args),
        Command::Events(Later(args)) => events::main(&context, &args),
        Command::Sessions(Later(args)) => sessions::main(&context, args),
        Command::Credentials(Later(args)) => credentials::main(&context, args),
        Command::Proc(Later(args)) => proc::main(&context, args),
        Command::Fs(Later(args)) => fs::main(&context, &args),
        Command::Desktop(Later(args)) => desktop::main(&context, *args),
        Command::Install(Later(args)) => install::main(&args),
        Command::InstallAgent(Later(args)) => install_agent::main(&context, &args),
        Command::Agents(Later(args)) => agents::main(&context, args),
        #[cfg(feature = "server")]
        Command::Server(Later(args)) => server::main(&context, args),
        #[cfg(feature = "server")]
        Command::Acp(Later(args)) => acp::main(&context, args),
        Command::Doctor(Later(args)) => doctor::main(&context, &args),
        Command::Schema => schema_command::main(),
        Command::Completions(Later(args)) => completions::main(&args),
        Command::Man(Later(args)) => man::main(&args),
    });
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            if let Some(ready) = ready.take() {
                ready.say(&out::error_line(&failure));
            }
            out::fail(&failure, wants_text);
            Exit::Code(failure.exit_code)
        }
    }
}

/// The whole command line as clap knows it; man pages and completions are made from it.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Help and version are answers; anything else is a usage error, on both streams.
#[expect(clippy::wildcard_enum_match_arm, reason = "clap's list of errors grows")]
fn unparsed(error: &clap::Error, wants_text: bool) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out::print_text(&error.render().to_string());
            Exit::Code(0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            out::complain(error.render().to_string().trim_end());
            Exit::Code(2)
        }
        _ => {
            let rendered = error.render().to_string();
            let message = rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let suggestion = match error.get(ContextKind::SuggestedArg).or(error.get(ContextKind::SuggestedSubcommand))
            {
                Some(ContextValue::String(name)) => Some(format!("did you mean `{name}`?")),
                Some(ContextValue::Strings(names)) => Some(format!("did you mean `{}`?", names.join("`, `"))),
                _ => None,
            };
            let hint = suggestion.unwrap_or_else(|| "`sandbox-agent --help` and `sandbox-agent COMMAND --help`".into());
            let missing: Vec<&str> = rendered.lines().skip(1).take_while(|line| line.starts_with("  ")).collect();
            let message = if missing.is_empty() { message } else { format!("{message}{}", missing.join("")) };
            out::fail(&Failure::usage(message).hint(hint), wants_text);
            Exit::Code(2)
        }
    }
}

/// Whether the caller wants no NDJSON, as far as that can be told before everything is parsed.
fn wants_text(args: &[OsString]) -> bool {
    let words: Vec<&str> = args.iter().map_while(|arg| arg.to_str().filter(|arg| *arg != "--")).collect();
    words.iter().enumerate().any(|(at, word)| match *word {
        "-o" | "--output" => words.get(at + 1).is_some_and(|format| *format != "ndjson"),
        "-q" | "--quiet" => true,
        // A shell evaluates what it prints.
        "extract-env" => true,
        word => {
            let format = word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o"));
            format.is_some_and(|format| format != "ndjson")
        }
    })
}
