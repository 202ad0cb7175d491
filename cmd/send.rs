//! `send`: a prompt for a session, queued or put into the running turn.

use std::path::PathBuf;

use clap::Args;
use engine::Failure;
use engine::post::Post;
use schema::control::{Ask, Control};
use schema::ids;
use schema::record::SentRecord;
use store::RequestState;

use crate::context::Context;
use crate::exit::Exit;
use crate::names;
use crate::out;
use crate::run;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent send fix -- \"and update the changelog\"     next in the queue; starts a background run if none is live
  sandbox-agent send fix --steer \"use the other parser\"    into the running turn, where the agent can
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
    let prompt_id = args.id.unwrap_or_else(ids::prompt);
    let ask = Ask { text, attach, user: args.user, id: Some(prompt_id.clone()), steer: args.steer };
    let mut post = Post::new(&context.store_path()?, session.clone(), &Control::Prompt(ask))?;
    post.see_to(&host::env::all())?;
    // What is refused at once, as a steering that the agent cannot do, is told here and now.
    if let Some((RequestState::Refused, reply)) = post.settled()?
        && let Some(error) = reply.error
    {
        return Err(Failure::new(error.code, error.message));
    }
    out::print_record(&SentRecord { session_id: session.session_id, prompt_id });
    Ok(Exit::Code(0))
}
