//! `man`: the manual pages, made from the same table as `--help`.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::Failure;

use crate::exit::Exit;
use crate::{cli, out};

/// Examples first, as everywhere.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  sandbox-agent man run | man -l -\n  sandbox-agent man --out /usr/local/share/man/man1"
)]
pub(crate) struct ManArgs {
    /// The command whose page is wanted
    page: Option<String>,
    /// Write all pages into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    out: Option<PathBuf>,
}

/// Prints or writes pages.
pub(crate) fn main(args: &ManArgs) -> Result<Exit, Failure> {
    let mut root = cli::command();
    root.build();
    if let Some(directory) = &args.out {
        write(&root, directory, "sandbox-agent")?;
        return Ok(Exit::Code(0));
    }
    let command = match &args.page {
        None => &root,
        Some(page) => root.find_subcommand(page).ok_or_else(|| {
            Failure::usage(format!("failed to find a page for `{page}`"))
                .hint("`sandbox-agent --help` names the commands")
        })?,
    };
    out::print_text(&String::from_utf8_lossy(&render(command, "sandbox-agent")?));
    Ok(Exit::Code(0))
}

/// Writes the page of a command, and those of the commands below it, to which it refers.
fn write(command: &clap::Command, directory: &Path, name: &str) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    std::fs::write(&path, render(command, name)?)
        .map_err(|error| Failure::usage(format!("failed to write {}: {error}", path.display())))?;
    for below in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write(below, directory, &format!("{name}-{}", below.get_name()))?;
    }
    Ok(())
}

fn render(command: &clap::Command, name: &str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    // The date and the version would make every page differ on every release.
    clap_mangen::Man::new(command.clone().name(name))
        .date("")
        .render(&mut page)
        .map_err(|error| Failure::usage(format!("failed to make the page: {error}")))?;
    Ok(page)
}
