//! `cancel`: interrupt the running turn of a session.

use clap::Args;
use engine::{Failure, verbs};
use schema::record::CancelledRecord;

use crate::context::Context;
use crate::exit::Exit;
use crate::out;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent cancel fix            the turn that runs; the session stays
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

/// Runs it.
pub(crate) fn main(context: &Context, args: &CancelArgs) -> Result<Exit, Failure> {
    let path = context.store_path()?;
    let session = context.session_exact(&args.session)?;
    let session_id = session.session_id.clone();
    let turn_id = verbs::cancel(&path, session, args.kill)?;
    out::print_record(&CancelledRecord { session_id, cancelled: turn_id.is_some(), turn_id });
    Ok(Exit::Code(0))
}
