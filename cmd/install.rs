//! `install`: what the program itself needs of the system.

use std::io::IsTerminal;

use clap::{Args, Subcommand};
use desktop::{Manager, Packages};
use engine::Failure;
use engine::process::{Launch, Once};
use schema::outcome::ErrorCode;
use schema::process::{Limits, LogLine};

use crate::exit::Exit;
use crate::out;
use crate::run::variables;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent install desktop --print-only            the command, and nothing is done
  sandbox-agent install desktop --yes
  RUN sandbox-agent install desktop --yes --minimal     in a Dockerfile";

/// What is installed.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct InstallArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What `desktop` needs or can use: an X server, a window manager, a font, ffmpeg, xdg-utils, D-Bus
    Desktop(DesktopArgs),
}

#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
struct DesktopArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Only say what would be done; needs no root
    #[arg(long)]
    print_only: bool,
    /// The package manager [default: this system's]
    #[arg(long, value_name = "MANAGER", value_parser = ["apt", "dnf", "apk"])]
    package_manager: Option<String>,
    /// Only the X server, the window manager, a font: without ffmpeg (`desktop record`), xdg-utils (`desktop open`), D-Bus
    #[arg(long)]
    minimal: bool,
    /// Without fonts
    #[arg(long)]
    no_fonts: bool,
}

/// Runs it.
pub(crate) fn main(args: &InstallArgs) -> Result<Exit, Failure> {
    let Command::Desktop(args) = &args.command;
    let named = |name: &String| Manager::ALL.into_iter().find(|manager| manager.as_str() == name);
    let manager = args.package_manager.as_ref().and_then(named).or_else(Manager::here).ok_or_else(|| {
        Failure::new(ErrorCode::NotInstalled, "failed to find a package manager: there is no apt, dnf or apk")
            .hint("install Xvfb and openbox with this system's own; `--package-manager` shows what others are told")
    })?;
    let packages = Packages::of(manager, args.minimal, !args.no_fonts);
    let command = packages.command(!host::raw::is_root());
    let mut text = format!("Desktop package manager: {}\nDesktop packages:\n", manager.as_str());
    for name in &packages.names {
        text.push_str(&format!("  - {name}\n"));
    }
    text.push_str(&format!("Install command:\n  {command}\n"));
    out::print_text(&text);
    if args.print_only {
        return Ok(Exit::Code(0));
    }
    if !args.yes && !agreed()? {
        return Err(Failure::new(ErrorCode::Other, "failed to install: nobody agreed").hint("--yes agrees"));
    }
    let once = Once {
        launch: Launch {
            command: ["sh", "-c", &command].map(str::to_owned).to_vec(),
            env: variables(false, Vec::new(), &[], &[])?.0,
            cwd: "/".into(),
            limits: Limits::default(),
            run_as: None,
        },
        stdin: engine::process::Stdin::Ours,
        timeout: None,
        grace: std::time::Duration::from_secs(5),
        max_output: 0,
        stream: true,
        hired: false,
    };
    let stdout = out::stdout_fd()?;
    let end = engine::process::run(&once, std::os::fd::AsFd::as_fd(&stdout), Box::new(show))?;
    if let Some(caught) = end.caught {
        return Ok(Exit::Signal(caught.into()));
    }
    if end.result.exit_code != Some(0) {
        return Err(Failure::new(ErrorCode::Other, "failed to install: the command above failed")
            .hint("what it said is above; as root, or with sudo, run it by hand"));
    }
    let mut missing = desktop::missing();
    if !args.minimal {
        missing.extend(desktop::missing_besides());
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Failure::new(ErrorCode::NotInstalled, format!("failed to find {missing} after the installation")));
    }
    Ok(Exit::Code(0))
}

/// What the package manager says goes to stderr: stdout has ours.
fn show(line: &LogLine) -> bool {
    match line {
        LogLine::Output { text: Some(text), .. } => out::complain_bytes(text.as_bytes()),
        LogLine::Output { .. } | LogLine::Started { .. } | LogLine::Gap { .. } | LogLine::Exit { .. } => true,
    }
}

fn agreed() -> Result<bool, Failure> {
    let may_ask = host::env::var(host::env::Name::NoInput).is_none() && std::io::stdin().is_terminal();
    if !may_ask {
        return Ok(false);
    }
    out::print_text("Proceed with desktop dependency installation? [y/N] ");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| Failure::usage(format!("failed to read stdin: {error}")))?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
