//! `completions SHELL`: a completion script.

use clap::Args;
use clap_complete::Shell;
use engine::Failure;

use crate::exit::Exit;
use crate::{cli, out};

/// Examples first, as everywhere.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  sandbox-agent completions bash > /etc/bash_completion.d/sandbox-agent\n  sandbox-agent completions zsh > ~/.zfunc/_sandbox-agent"
)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints it.
pub(crate) fn main(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "sandbox-agent", &mut script);
    out::print_text(&String::from_utf8_lossy(&script));
    Ok(Exit::Code(0))
}
