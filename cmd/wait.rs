//! `wait`: until sessions are idle, asking or ended, or a prompt's turn has ended.

use std::time::{Duration, Instant};

use clap::Args;
use engine::Failure;
use engine::follow::status_of;
use engine::queued::end_of_prompt;
use host::bell::Watch;
use schema::record::{SessionStatus, WaitedRecord};
use store::Store;

use crate::context::{Context, duration, no_session};
use crate::exit::Exit;
use crate::out;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent wait fix                          until idle or asking; the run's code, 6 when asking
  sandbox-agent wait fix --for idle --timeout 20m
  sandbox-agent wait a b c | jq -r '[.session_id, .outcome] | @tsv'";

/// Wait until sessions are idle, asking or ended.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct WaitArgs {
    /// The sessions
    #[arg(required = true)]
    sessions: Vec<String>,
    /// For what [default: idle or asking, whatever comes first]
    #[arg(long = "for", value_name = "WHAT", value_parser = ["idle", "asking", "ended"])]
    what: Option<String>,
    /// For the end of the turn that this prompt gets
    #[arg(long, value_name = "ID", conflicts_with = "what")]
    prompt: Option<String>,
    /// No longer than this; then exit 124
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

/// Watches are silent on some file systems: every sleep ends with a look.
const LOOK: Duration = Duration::from_secs(1);

/// Runs it.
pub(crate) fn main(context: &Context, args: &WaitArgs) -> Result<Exit, Failure> {
    let until = match &args.timeout {
        None => None,
        Some(text) => Some(Instant::now() + duration("--timeout", text, "as in 30s, 20m, 1h")?),
    };
    let path = context.store_path()?;
    let mut names = Vec::new();
    let mut bells = Vec::new();
    for name in &args.sessions {
        let session = context.session(name)?;
        bells.push(engine::Places::beside(&path).bell(&session.uid));
        names.push(session.session_id);
    }
    let mut watch = Watch::new(&bells);
    let stdout = out::stdout_fd()?;
    let mut waiting: Vec<Option<WaitedRecord>> = vec![None; names.len()];
    let mut printed = 0;
    loop {
        let store = context.store_to_read()?.ok_or_else(|| no_session(&names[0]))?;
        let late = until.is_some_and(|until| Instant::now() >= until);
        for (name, waiting) in names.iter().zip(&mut waiting).filter(|(_, waiting)| waiting.is_none()) {
            let record = look(context, &store, name, args)?;
            if record.reached || late {
                *waiting = Some(record);
            }
        }
        // In the order of the arguments, as soon as that is known.
        while let Some(Some(record)) = waiting.get(printed) {
            out::print_record(record);
            printed += 1;
        }
        if printed == names.len() {
            break;
        }
        drop(store);
        let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()).min(LOOK));
        use std::os::fd::AsFd;
        if watch.wait(Some(stdout.as_fd()), left) == host::bell::Wake::ReaderGone {
            return Ok(Exit::Signal(host::Signal::SIGPIPE));
        }
    }
    let codes = waiting.iter().flatten().map(code);
    Ok(Exit::Code(codes.into_iter().find(|code| *code != 0).unwrap_or(0)))
}

fn look(context: &Context, store: &Store, name: &str, args: &WaitArgs) -> Result<WaitedRecord, Failure> {
    // (A dead owner's end is written by this look.)
    let session = context.session(name)?;
    let status = status_of(store, &session)?;
    let word = |text: &str| serde_json::from_value(serde_json::Value::from(text)).ok();
    let mut record = WaitedRecord {
        session_id: session.session_id.clone(),
        reached: false,
        status,
        outcome: session.outcome.as_deref().and_then(word),
        exit_code: session.exit_code,
        pending: serde_json::from_str(&session.pending).unwrap_or_default(),
    };
    let ended = status == SessionStatus::Ended;
    record.reached = match (&args.prompt, args.what.as_deref()) {
        (Some(prompt), _) => {
            let end = end_of_prompt(store, &session, prompt)?;
            if let Some((_, end)) = &end {
                record.outcome = Some(end.outcome);
                record.exit_code = Some(i64::from(end.exit_code));
            }
            end.is_some()
        }
        (None, Some("ended")) => ended,
        (None, Some("asking")) => status == SessionStatus::Asking,
        (None, Some(_)) => ended || status == SessionStatus::Idle,
        (None, None) => ended || matches!(status, SessionStatus::Idle | SessionStatus::Asking),
    };
    Ok(record)
}

fn code(record: &WaitedRecord) -> i32 {
    match record.status {
        _ if !record.reached => 124,
        SessionStatus::Asking => 6,
        SessionStatus::Starting
        | SessionStatus::Running
        | SessionStatus::Idle
        | SessionStatus::Ended
        | SessionStatus::Lost => record.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
    }
}
