//! `cancel`: interrupt the running turn of a session.

use std::time::{Duration, Instant};

use clap::Args;
use engine::Failure;
use engine::post::Post;
use schema::control::{Cancel, Control};
use schema::outcome::ErrorCode;
use schema::record::CancelledRecord;

use crate::context::Context;
use crate::exit::Exit;
use crate::out;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent cancel fix            by the agent's own protocol; what it waits for is answered `cancelled`
  sandbox-agent cancel fix --kill     its process, at once";

/// Interrupt the running turn.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct CancelArgs {
    /// The session, or @last
    session: String,
    /// End the agent's process instead of asking it
    #[arg(long)]
    kill: bool,
}

/// Longer than an agent gets to end its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it.
pub(crate) fn main(context: &Context, args: &CancelArgs) -> Result<Exit, Failure> {
    let path = context.store_path()?;
    let session = context.session_exact(&args.session)?;
    let session_id = session.session_id.clone();
    if session.status == "ended" {
        out::print_record(&CancelledRecord { session_id, cancelled: false, turn_id: None });
        return Ok(Exit::Code(0));
    }
    let until = Instant::now() + PATIENCE;
    let mut post = Post::new(&path, session, &Control::Cancel(Cancel { kill: args.kill }))?;
    let turn_id = post.settle(Some(until))?.and_then(|(_, reply)| reply.turn_id);
    if let Some(turn_id) = &turn_id
        && !post.turn_has_ended(turn_id, until)?
    {
        let message = format!("failed to cancel: the turn of `{session_id}` has not ended yet");
        return Err(Failure::new(ErrorCode::Timeout, message).hint("`cancel --kill` ends the agent's process"));
    }
    out::print_record(&CancelledRecord { session_id, cancelled: turn_id.is_some(), turn_id });
    Ok(Exit::Code(0))
}
