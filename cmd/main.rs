//! The front door: parse, dispatch, and turn the result into an exit.

#[cfg(feature = "server")]
mod acp;
mod agents;
mod answer;
mod cancel;
mod cli;
mod completions;
mod context;
mod credentials;
mod desktop;
mod doctor;
mod equipment;
mod events;
mod exit;
mod fs;
mod install;
mod install_agent;
mod keep;
mod later;
mod logger;
mod man;
mod markdown;
mod mock_agent;
mod names;
mod out;
mod permissions;
mod proc;
mod redact;
mod run;
mod schema_command;
mod send;
#[cfg(feature = "server")]
mod server;
mod sessions;
mod settings;
mod stream;
mod text;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use exit::Exit;

fn main() -> ExitCode {
    // The hidden roles come first: they need nothing of what follows, and the mock's start counts.
    let mut args = std::env::args_os();
    let _ourselves = args.next();
    let role = args.next();
    let exit = match role.as_deref().and_then(|role| role.to_str()) {
        Some("__guard") => Exit::Code(host::guard::main(args)),
        // Scripts ask for it often: it needs no parser of the whole command line.
        Some("--version" | "-V") if args.len() == 0 => {
            out::print_text(concat!("sandbox-agent ", env!("CARGO_PKG_VERSION"), "\n"));
            Exit::Code(0)
        }
        Some("__record") => desktop::record::recorder(args),
        Some("__mock") => {
            let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
            Exit::Code(mock_agent::main(&args))
        }
        Some("__view") => {
            host::memory::give_back_at_once();
            Exit::Code(desktop::view::serve(args).unwrap_or(2))
        }
        Some(engine::keeper::ROLE) => {
            host::memory::give_back_at_once();
            let Some(ready) = host::detach::Ready::inherited() else { return Exit::Code(2).leave() };
            let args: Vec<OsString> = args.collect();
            match args.first().and_then(|what| what.to_str()) {
                Some("process") => Exit::Code(keep::process(args.into_iter().skip(1), ready).unwrap_or(2)),
                Some(_) | None => guarded(std::iter::once("sandbox-agent".into()).chain(args).collect(), Some(ready)),
            }
        }
        Some(_) | None => guarded(std::env::args_os().collect(), None),
    };
    exit.leave()
}

/// A panic is a defect of ours: exit 70, with how to report it. What it leaves behind is ended by the guard, and its end
/// written by the next command, as when we are killed.
#[expect(clippy::disallowed_methods, reason = "nothing of us may go on")]
fn guarded(args: Vec<OsString>, ready: Option<host::detach::Ready>) -> Exit {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if cfg!(panic = "abort") {
            // A release has neither names nor the tables of a backtrace: to walk them, as RUST_BACKTRACE asks, would abort.
            out::complain(&panic.to_string());
        } else {
            tell(panic);
        }
        out::complain("error: sandbox-agent has a defect; what was stored is safe");
        out::complain("hint: please report the lines above, with `sandbox-agent --version` and what you typed");
        std::process::exit(70);
    }));
    cli::dispatch(args, ready)
}
