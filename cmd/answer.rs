//! `answer`: decide a permission, answer a question.

use std::collections::BTreeMap;

use clap::Args;
use engine::Failure;
use engine::follow::{Filter, Reader};
use engine::verbs::{self, Answered};
use schema::control::{Answer, Choice};
use schema::outcome::ErrorCode;
use store::{Session, Store};

use crate::context::{Context, no_session};
use crate::exit::Exit;
use crate::out::{Output, Writer};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent answer fix --accept                     the only open request; programs name it
  sandbox-agent answer fix perm_1_2 --reject --message \"use git mv\"
  sandbox-agent answer fix --with-input '{\"command\":\"ls -l\"}'
  sandbox-agent answer fix qst_1_1 --option Blue        or: --text \"the second one\"
  sandbox-agent answer fix --answers '{\"colour\":[\"Blue\"],\"size\":[\"L\",\"XL\"]}'";

/// Decide a permission, answer a question.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct AnswerArgs {
    /// The session, or @last
    session: String,
    /// The permission's or question's id; may be left out when exactly one is open
    request: Option<String>,
    /// Go on
    #[arg(long, group = "what")]
    accept: bool,
    /// Go on, and do not ask for the same again while this run lives
    #[arg(long, group = "what")]
    accept_for_session: bool,
    /// Do not; a question is declined
    #[arg(long, group = "what")]
    reject: bool,
    /// Go on with this input, where the agent takes an edited one
    #[arg(long, value_name = "JSON", group = "what")]
    with_input: Option<String>,
    /// Choose this label of a question; several where it takes several
    #[arg(long, value_name = "LABEL", group = "what", num_args = 1..)]
    option: Vec<String>,
    /// Answer a question in your own words
    #[arg(long, value_name = "TEXT", group = "what", allow_hyphen_values = true)]
    text: Option<String>,
    /// Answer all questions of a request: {"question id": ["label or text"]}
    #[arg(long, value_name = "JSON", group = "what")]
    answers: Option<String>,
    /// Why it is rejected; the agent is told
    #[arg(long, value_name = "TEXT", requires = "reject", allow_hyphen_values = true)]
    message: Option<String>,
    /// Who answers
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: AnswerArgs) -> Result<Exit, Failure> {
    let path = context.store_path()?;
    let session = context.session_exact(&args.session)?;
    let request_id = match &args.request {
        Some(request) => request.clone(),
        None => only_one(&session)?,
    };
    let answer = answer(args, request_id.clone())?;
    let (sequence, exit) = match verbs::answer(&path, session.clone(), answer)? {
        Answered::Now(sequence) => (sequence, 0),
        Answered::Before(sequence) => (Some(sequence), 3),
    };
    let store = context.store_to_read()?.ok_or_else(|| no_session(&session.session_id))?;
    show(&store, &session, sequence)?;
    if exit != 0 {
        crate::out::complain(&format!("error: request `{request_id}` was resolved before; this is how"));
    }
    Ok(Exit::Code(exit))
}

fn answer(args: AnswerArgs, request_id: String) -> Result<Answer, Failure> {
    let decision = match (args.accept, args.accept_for_session, args.reject) {
        (true, ..) => Some(Choice::Accept),
        (_, true, _) => Some(Choice::AcceptForSession),
        (.., true) => Some(Choice::Reject),
        (false, false, false) => None,
    };
    let bad = |flag: &str, error: &serde_json::Error| {
        Failure::new(ErrorCode::BadInput, format!("failed to read {flag}: {error}"))
    };
    let input = match &args.with_input {
        Some(text) => Some(serde_json::from_str(text).map_err(|error| bad("--with-input", &error))?),
        None => None,
    };
    let answers: Option<BTreeMap<String, Vec<String>>> = match &args.answers {
        Some(text) => Some(
            serde_json::from_str(text)
                .map_err(|error| bad("--answers", &error).hint(r#"as in {"question id": ["label or text"]}"#))?,
        ),
        None => None,
    };
    if decision.is_none() && input.is_none() && answers.is_none() && args.text.is_none() && args.option.is_empty() {
        return Err(Failure::usage("failed to answer: nothing says what").hint(
            "a permission: --accept, --accept-for-session, --reject, --with-input; a question: --option, --text, --answers, --reject",
        ));
    }
    let (message, text, user) = (args.message, args.text, args.user);
    Ok(Answer { request_id, decision, message, input, answers, options: args.option, text, user })
}

/// The request that is open, where there is one and no other.
fn only_one(session: &Session) -> Result<String, Failure> {
    let mut pending = verbs::pending(session);
    match pending.len() {
        1 => Ok(pending.remove(0)),
        0 => Err(Failure::new(
            ErrorCode::NotFound,
            format!("failed to answer: session `{}` asks nothing", session.session_id),
        )),
        _ => Err(Failure::usage(format!(
            "failed to choose a request: session `{}` has several open: {}",
            session.session_id,
            pending.join(", ")
        ))
        .hint("name one of them")),
    }
}

/// Prints one event.
fn show(store: &Store, session: &Session, sequence: Option<i64>) -> Result<(), Failure> {
    let Some(sequence) = sequence else { return Ok(()) };
    let filter = Filter { limit: Some(1), ..Filter::default() };
    let mut writer = Writer::new(Output::Ndjson, filter.clone())?;
    let mut reader = Reader::new(&filter, sequence - 1);
    reader.read_to(store, session, sequence, &mut |chunk| writer.write(&chunk.lines, true))?;
    Ok(())
}
