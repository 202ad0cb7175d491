//! `acp`: an agent of ours as an agent of the Agent Client Protocol on stdio, as editors start them.

use clap::Args;
use engine::Failure;
use engine::keeper::New;
use host::env;
use server::acp::{Stdio, serve};

use crate::context::Context;
use crate::exit::Exit;
use crate::out;
use crate::permissions::PermissionArgs;
use crate::server::failure;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent acp --agent claude                       as an editor starts it
  sandbox-agent acp -a codex --permission-mode accept-edits
  sandbox-agent sessions list                            its sessions are sessions like all others";

/// An agent for an editor: any agent of ours by the Agent Client Protocol, on stdin and stdout.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct AcpArgs {
    /// Which agent, and which version of it; `agents list` names them [env: SANDBOX_AGENT_AGENT]
    #[arg(short, long, value_name = "AGENT[@VERSION]")]
    agent: Option<String>,
    /// The model of new sessions, in the agent's words
    #[arg(short, long)]
    model: Option<String>,
    /// The mode of new sessions, in the agent's words
    #[arg(long)]
    mode: Option<String>,
    /// The reasoning effort of new sessions, in the agent's words
    #[arg(long)]
    effort: Option<String>,
    #[command(flatten)]
    permissions: PermissionArgs,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: AcpArgs) -> Result<Exit, Failure> {
    let agent = args.agent.or_else(|| context.settings.agent()).ok_or_else(|| {
        Failure::usage("failed to choose an agent: none is named").hint("--agent claude; `agents list` names them")
    })?;
    if agents::registry::named(&agent).is_none() {
        return Err(Failure::usage(format!("failed to find agent `{}`", agent.escape_debug()))
            .hint("`sandbox-agent agents list` names the agents"));
    }
    let new = New {
        agent: Some(agent),
        model: args.model,
        mode: args.mode,
        effort: args.effort,
        permission_mode: args.permissions.permission_mode,
        allow: args.permissions.allow,
        deny: args.permissions.deny,
        ..New::default()
    };
    let caught = serve(Stdio {
        store: context.store_path()?,
        new,
        create: crate::run::create,
        env: env::all(),
        version: env!("CARGO_PKG_VERSION"),
        lines: host::input::lines(),
        say: Box::new(out::print_bytes),
    });
    match caught {
        Ok(Some(caught)) => Ok(Exit::Signal(caught.into())),
        Ok(None) => Ok(Exit::Code(0)),
        Err(error) => Err(failure(error)),
    }
}
