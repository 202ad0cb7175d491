//! `send`: a prompt for a session, queued or put into the running turn.

use std::path::PathBuf;

use clap::Args;
use engine::{Failure, verbs};
use schema::control::Ask;
use schema::record::SentRecord;
use store::Sync;

use crate::context::Context;
use crate::exit::Exit;
use crate::names;
use crate::out;
use crate::run;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent send fix -- \"and update the changelog\"     next in the queue; starts a run if none is live
  sandbox-agent send fix --steer \"use the other parser\"    into the running turn, if the agent can
  sandbox-agent wait fix --prompt \"$(sandbox-agent send fix 'run the tests' | jq -r .prompt_id)\"";

/// Queue a prompt for a session.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct SendArgs {
    /// The session, or @last
    session: String,
    /// The prompt; `-` reads all of stdin. After `--` it may begin with a dash
    #[arg(value_name = "PROMPT", allow_hyphen_values = false)]
    prompt_words: Option<String>,
    /// Read the prompt from a file
    #[arg(long, value_name = "FILE", conflicts_with = "prompt_words")]
    prompt_file: Option<PathBuf>,
    /// Append all of stdin to the prompt
    #[arg(long)]
    stdin: bool,
    /// Put it into the running turn instead of the queue
    #[arg(long)]
    steer: bool,
    /// Attach a file or a picture; repeatable
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Who sends it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// An id of your own, to find it in `turn.started` again
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: SendArgs) -> Result<Exit, Failure> {
    let text = run::text_of(args.prompt_words.as_deref(), None, args.prompt_file.as_deref(), args.stdin)?;
    let session = context.session_exact(&args.session)?;
    let here = std::env::current_dir().unwrap_or_default();
    let attach = args.attach.iter().map(|path| names::utf8(&here.join(path))).collect::<Result<_, _>>()?;
    let ask = Ask { text, attach, user: args.user, id: args.id, steer: args.steer };
    let session_id = session.session_id.clone();
    let sent = verbs::send(&context.store_path()?, session, ask, &host::env::all(), Sync::Full)?;
    out::print_record(&SentRecord { session_id, prompt_id: sent.prompt_id });
    Ok(Exit::Code(0))
}
