//! `run`: a prompt for a session, followed to the end of its turn.

use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::agent::{Agent, Job, Resume};
use agents::card::Card;
use agents::registry;
use clap::Args;
use engine::attach::attachments;
use engine::keeper::New;
use engine::owner::{Birth, Owned};
use engine::policy::{OnAsk, Policy, Rule};
use engine::post::Post;
use engine::queued::follow_prompt;
use engine::session::{Limits, Opening, Run, RunEnd, Screen, Stay, run};
use engine::{Equipment, Failure, Kept, Lines, keeper};
use host::env::{self, Name};
use schema::control::{Ask, Control};
use schema::event::PermissionMode;
use schema::ids::SessionId;
use schema::outcome::{ErrorCode, Outcome};
use schema::record::{LaunchRecord, SessionStatus};
use store::{Access, Session, Settings, Store, Sync};

use crate::context::{Context, duration, open_to_write};
use crate::equipment::{self, EquipmentArgs};
use crate::exit::Exit;
use crate::names;
use crate::out::{self, Output, Printer, Writer};
use crate::permissions::PermissionArgs;
use crate::settings::PolicyFile;

const EXAMPLES: &str = "\
Examples:
  sandbox-agent run --agent mock \"hello\"
  sandbox-agent run -a codex -s fix \"make the tests pass\" | jq -r .type
  sandbox-agent run -c -- \"- also update the changelog\"
  git diff | sandbox-agent run -a codex --stdin \"review this\" -o last";

/// A prompt for a session.
#[derive(Debug, Default, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The prompt; `-` reads all of stdin. After `--` it may begin with a dash
    #[arg(value_name = "PROMPT", allow_hyphen_values = false)]
    prompt_words: Option<String>,
    /// The prompt, as an option
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prompt_words", "prompt_file"])]
    prompt: Option<String>,
    /// Read the prompt from a file
    #[arg(long, value_name = "FILE", conflicts_with = "prompt_words")]
    prompt_file: Option<PathBuf>,
    /// Append all of stdin to the prompt
    #[arg(long)]
    stdin: bool,

    /// Which agent, and which version of it; `agents list` names them [env: SANDBOX_AGENT_AGENT]
    #[arg(short, long, value_name = "AGENT[@VERSION]")]
    agent: Option<String>,
    /// The command line of an agent that speaks the Agent Client Protocol on stdio
    #[arg(long, value_name = "COMMAND", conflicts_with = "agent")]
    acp_command: Option<String>,
    /// Continue this session, or create it under this name
    #[arg(short, long, value_name = "NAME", conflicts_with = "continue_last")]
    session: Option<String>,
    /// Continue the latest session of this directory
    #[arg(short = 'c', long = "continue")]
    continue_last: bool,
    /// The session must not exist yet
    #[arg(long, conflicts_with_all = ["resume", "continue_last"])]
    new: bool,
    /// The session must exist
    #[arg(long)]
    resume: bool,
    /// Begin a new session with a copy of this one's conversation
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["resume", "continue_last"])]
    fork: Option<String>,
    /// The model, in the agent's words
    #[arg(short, long)]
    model: Option<String>,
    /// The mode, in the agent's words
    #[arg(long)]
    mode: Option<String>,
    /// The reasoning effort, in the agent's words
    #[arg(long)]
    effort: Option<String>,
    /// Where the agent works [default: here, or where the session works]
    #[arg(short = 'C', long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    #[command(flatten)]
    permissions: PermissionArgs,
    /// Rules and settings of permissions: a TOML file with allow, deny, permission_mode, on_ask; flags come first
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What becomes of a request that nothing decides: prompt, deny, fail, allow, or wait[=DURATION] for `answer`
    /// [default: prompt on a terminal, wait with --detach and --input, else deny]
    #[arg(long, value_name = "WHAT")]
    on_ask: Option<String>,
    /// Never ask on the terminal [env: SANDBOX_AGENT_NO_INPUT]
    #[arg(long)]
    no_input: bool,
    /// What our own deny rules deny is no reason for exit code 5
    #[arg(long)]
    denied_ok: bool,

    /// End the turn after this time, such as 20m
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// End the turn after this much silence while no tool runs and nothing is asked; 0s never [default: 10m]
    #[arg(long, value_name = "DURATION")]
    idle_timeout: Option<String>,
    /// The most model requests in this turn, where the agent can count them
    #[arg(long, value_name = "N")]
    max_turns: Option<u32>,
    /// The most money of this run, where the agent reports it
    #[arg(long, value_name = "USD")]
    max_cost: Option<f64>,

    /// Attach a file or a picture; repeatable
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// A variable for the agent: K copies ours, K=V is for what is no secret; repeatable
    #[arg(long, value_name = "K[=V]")]
    env: Vec<String>,
    /// Variables for the agent, K=V a line; repeatable
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    #[command(flatten)]
    equipment: EquipmentArgs,
    /// Log the agent in with what this other agent has, where it has no login of its own
    #[arg(long, value_name = "AGENT")]
    credentials_from: Option<String>,
    /// Give the agent no variables but PATH, HOME, locale, and those of --env
    #[arg(long)]
    clean_env: bool,
    /// An argument for the agent's own program; repeatable
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    agent_arg: Vec<String>,

    /// Print the session's id once the prompt is recorded, and go on in the background
    #[arg(long, conflicts_with_all = ["ephemeral", "input"])]
    detach: bool,
    /// With --detach: keep the agent warm for so long after its last turn [default: 0s]
    #[arg(long, value_name = "DURATION", requires = "detach")]
    linger: Option<String>,
    /// Keep the agent warm and read prompts, answers, cancels and settings from stdin, a JSON object a line
    #[arg(long, value_name = "FORMAT", value_parser = ["ndjson"], conflicts_with = "stdin")]
    input: Option<String>,
    /// Where the session is busy: wait for its turn instead of exit 8
    #[arg(long)]
    queue: bool,
    /// Serve what waits for the session
    #[arg(long, hide = true)]
    from_inbox: bool,

    /// Print the session's id only, as soon as it exists
    #[arg(short, long)]
    quiet: bool,
    /// Write the session's id into this file, as soon as it exists
    #[arg(long, value_name = "FILE")]
    id_file: Option<PathBuf>,
    /// A label for the session; repeatable
    #[arg(long, value_name = "K=V")]
    label: Vec<String>,
    /// Who sends the prompt
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Store and print the agent's own payloads
    #[arg(long)]
    raw: bool,
    /// Print only these types, comma separated
    #[arg(long = "type", value_name = "TYPE,…", value_delimiter = ',')]
    types: Vec<String>,
    /// Print no item.delta
    #[arg(long)]
    no_deltas: bool,
    /// Write the native conversation into this file, both ways, secrets masked
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Use a store of its own that is removed at the end
    #[arg(long, conflicts_with_all = ["continue_last", "resume", "fork"])]
    ephemeral: bool,
    /// Refuse to run inside another agent's session
    #[arg(long)]
    no_nested: bool,
    /// Do not install a missing agent: exit 127 with the command that does [env: SANDBOX_AGENT_OFFLINE]
    #[arg(long)]
    no_install: bool,
    /// Print what would be started, and start nothing
    #[arg(long)]
    dry_run: bool,
}

/// A session to go on with, or a name for a new one.
enum Target {
    Existing(Box<Session>),
    New(SessionId),
}

/// Runs it.
pub(crate) fn main(context: &Context, args: RunArgs) -> Result<Exit, Failure> {
    if args.no_nested && env::var(Name::Session).is_some() {
        return Err(Failure::usage(
            "failed to run: this is inside another agent's session, and --no-nested forbids it",
        ));
    }
    let background = context.in_background();
    // In the background, whoever started us has read the prompt and gives it to us.
    let text = match (background, args.input.is_some()) {
        (true, _) if args.from_inbox => None,
        (true, _) => Some(read_stdin()?),
        (false, true) if !has_prompt(&args) => None,
        (false, _) => Some(prompt_text(&args)?),
    };
    if args.detach && !background {
        return detach(text.unwrap_or_default());
    }
    let types = print_types(&args.types, args.no_deltas)?;
    let ephemeral = if args.ephemeral { Some(Ephemeral::new()?) } else { None };
    let store_path = match &ephemeral {
        Some(ephemeral) => ephemeral.store(),
        None => context.store_path()?,
    };
    let (target, fork) = target(&args, &store_path)?;
    let existing = match &target {
        Target::Existing(session) => Some(session.as_ref()),
        Target::New(_) => None,
    };
    let Plan {
        agent,
        mut job,
        policy,
        limits,
        equipment,
        environment,
        named_secrets,
        handed,
        program,
        agent_version,
        found,
    } = plan(context, &args, &store_path, existing, fork.as_deref())?;
    let card = agent.card();
    let opening = match text {
        Some(text) => Some(opening(text, &args, card)?),
        None => None,
    };
    let labels = labels(&args.label)?;

    if args.dry_run {
        return Ok(dry_run(agent, &job, &program, found, &environment, policy.mode));
    }

    let stay = stay(&args, background)?;
    let store = open_to_write(&store_path)?;
    let name = match &target {
        Target::Existing(session) => session.session_id.clone(),
        Target::New(name) => name.to_string(),
    };
    let mut owned = own(store, target, &job, card, &labels, &args);
    let joins = stay != Stay::Input && !args.from_inbox;
    for last in [false, false, true] {
        let Err(failure) = &owned else { break };
        if failure.code != ErrorCode::Busy || !joins {
            break;
        }
        // What is true of this row is enough: an owner that leaves afterwards is followed by another.
        let session = context.session(&name)?;
        if last || !engine::owner::owner_has_left(&session) {
            let busy = Busy { path: store_path, session, failure: owned.err().expect("it is one"), types };
            let ask = opening.map(|opening| opening.ask).unwrap_or_default();
            return join(context, &args, busy, ask);
        }
        // It was there when it was asked, and has gone since.
        owned = own(open_to_write(&store_path)?, Target::Existing(Box::new(session)), &job, card, &labels, &args);
    }
    let owned = owned?;
    let session = owned.session().clone();
    job.session_id.clone_from(&session.session_id);
    let (resume, mut metadata) = forked(fork.as_deref(), card)?;
    if !handed.told.is_empty() {
        metadata.get_or_insert_with(|| serde_json::json!({}))["credentials"] = handed.told.into();
    }
    let mut secrets = handed.secrets;
    secrets.extend(named_secrets);
    announce(&args, &session)?;
    if policy.on_ask == OnAsk::Deny && matches!(policy.mode, PermissionMode::Ask | PermissionMode::AcceptEdits) {
        out::complain(
            "note: nobody can be asked here, so what needs an answer is denied; see --permission-mode, --allow and --on-ask",
        );
    }
    context.explain_json();
    // In the background nobody looks.
    let output = if args.quiet || background { Output::None } else { context.output };
    let filter = engine::follow::Filter { types, raw: args.raw, ..Default::default() };
    let writer = Writer::new(output, filter)?;
    let mut screen = match output {
        Output::Last | Output::None => None,
        Output::Ndjson | Output::Text | Output::Acp => {
            Some(Printer::start(store_path.clone(), session.session_id.clone(), session.last_sequence, writer))
        }
    };
    let on_ask = policy.on_ask;
    let flags = kept_flags(&args, &policy, &environment_names(&args)?);
    let told = session.session_id.clone();
    let recorded =
        context.ready().map(|ready| -> Box<dyn FnOnce()> { Box::new(move || ready.say(&keeper::word(&told))) });
    if background {
        keeper::log_for(&store_path, &session)?;
    }
    let request = Run {
        agent,
        program,
        agent_version,
        job,
        fork: resume,
        metadata,
        prompt: opening,
        stay,
        equipment,
        flags,
        recorded,
        policy,
        denied_ok: args.denied_ok,
        limits,
        env: environment.clone(),
        secrets,
        raw: args.raw,
        trace: args.trace.clone(),
        prompt_locks: engine::Places::beside(&store_path).directory().to_owned(),
        stdout: out::stdout_fd()?,
    };
    let result = run(owned, request, screen.as_mut().map_or(&mut Blank as &mut dyn Screen, |screen| screen));
    if let Some(screen) = screen {
        screen.finish();
    }
    let end = result?;
    if output == Output::Last {
        print_last(&store_path, &session.session_id, end.outcome)?;
    }
    tell_denials(&end, on_ask);
    if end.waiting {
        // What others have sent meanwhile is not ours to wait for.
        keeper::start(&store_path, &context.session(&session.session_id)?, &environment, true)?;
    }
    crate::sessions::retain(context, &store_path, &session.session_id);
    Ok(Exit::of_run(&end))
}

/// All that a run needs besides its prompt, checked.
struct Plan {
    agent: &'static dyn Agent,
    job: Job,
    policy: Policy,
    limits: Limits,
    equipment: Equipment,
    environment: Variables,
    named_secrets: Vec<String>,
    handed: engine::credentials::Handed,
    program: PathBuf,
    agent_version: Option<String>,
    /// Why this program.
    found: String,
}

fn plan(
    context: &Context,
    args: &RunArgs,
    store_path: &Path,
    existing: Option<&Session>,
    fork: Option<&Session>,
) -> Result<Plan, Failure> {
    let agent = choose_agent(context, args, existing.or(fork))?;
    let card = agent.card();
    let mut job = job(context, args, existing, agent)?;
    let policy = policy(context, args, card, &job.cwd)?;
    job.permission_mode = policy.mode;
    job.must_ask = policy.must_ask();
    let limits = limits(context, args, card)?;
    let equipment = equipment::equipment(&args.equipment, existing, fork, card)?;
    let (mut environment, mut named_secrets) = environment(args)?;
    if equipment.isolated {
        // One that does not exist yet has nothing in it.
        let uid = existing.map_or("new", |session| session.uid.as_str());
        let home = engine::Places::beside(store_path).home(uid);
        equipment::isolate(&mut environment, &home, &environment_names(args)?);
    }
    named_secrets.extend(equipment::equip(&mut job, &equipment, &environment)?);
    equipment::collide(agent, &job, &environment)?;
    let from = args.credentials_from.as_deref();
    let handed = crate::credentials::hand_over(card.name, from, &mut environment, &mut job)?;
    let asked = args.agent.as_deref().and_then(|word| registry::parts(word).1);
    let (program, known, found) = program(card, asked, !args.no_install && !args.dry_run)?;
    let agent_version = version(card, &program, known)?;
    Ok(Plan {
        agent,
        job,
        policy,
        limits,
        equipment,
        environment,
        named_secrets,
        handed,
        program,
        agent_version,
        found,
    })
}

/// Makes a session without a prompt, by the same checks as `run --detach`. Nobody runs it afterwards.
pub(crate) fn create(store: &Path, new: New) -> Result<Session, Failure> {
    let context = Context::of_store(store)?.in_project()?;
    let args = RunArgs {
        session: new.session_id,
        agent: new.agent,
        model: new.model,
        mode: new.mode,
        effort: new.effort,
        permissions: PermissionArgs { permission_mode: new.permission_mode, allow: new.allow, deny: new.deny },
        cwd: new.cwd.map(PathBuf::from),
        equipment: EquipmentArgs { mcp: paths(new.mcp), skill: paths(new.skills), isolated: false },
        label: new.labels,
        linger: new.linger,
        raw: new.raw,
        detach: true,
        new: true,
        ..RunArgs::default()
    };
    let (target, _) = target(&args, store)?;
    let name = match target {
        Target::New(name) => name,
        Target::Existing(session) => return Err(exists(&session.session_id)),
    };
    // What only its owner will use is checked now.
    stay(&args, true)?;
    let Plan { agent, job, policy, equipment, .. } = plan(&context, &args, store, None, None)?;
    let labels = labels(&args.label)?;
    let mut kept = Kept::default();
    kept.remember(&job, &kept_flags(&args, &policy, &[]), &equipment);
    let birth = birth(&name, &job, agent.card(), &labels);
    match engine::owner::make(&mut Store::open(store, Access::Write)?, &birth, &kept) {
        Ok(session) => Ok(session),
        Err(engine::Error::Store(store::Error::Exists(_))) => Err(exists(name.as_str())),
        Err(error) => Err(error.into()),
    }
}

fn paths(names: Vec<String>) -> Vec<PathBuf> {
    names.into_iter().map(PathBuf::from).collect()
}

fn birth(name: &SessionId, job: &Job, card: &Card, labels: &serde_json::Map<String, serde_json::Value>) -> Birth {
    Birth {
        session_id: name.to_string(),
        agent: card.name.to_owned(),
        cwd: job.cwd.clone(),
        title: None,
        labels: serde_json::Value::Object(labels.clone()).to_string(),
        permission_mode: Some(job.permission_mode.as_str().to_owned()),
        effort: job.effort.clone(),
        parent_session: env::var(Name::Session).map(|parent| parent.to_string_lossy().into_owned()),
    }
}

/// A screen for those who do not look.
struct Blank;

impl Screen for Blank {
    fn show(&mut self, _lines: Lines) {}
}

/// What a duration looks like.
const UNITS: &str = "a duration is a number and a unit: 30s, 10m, 1h";

/// For how long this owner stays.
fn stay(args: &RunArgs, background: bool) -> Result<Stay, Failure> {
    let linger = match &args.linger {
        Some(text) => duration("--linger", text, UNITS)?,
        None => Duration::ZERO,
    };
    Ok(match (background, &args.input) {
        (true, _) => Stay::Linger(linger),
        (false, Some(_)) => Stay::Input,
        (false, None) => Stay::Turn,
    })
}

fn opening(text: String, args: &RunArgs, card: &Card) -> Result<Opening, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let attach: Vec<String> = args.attach.iter().map(|path| names::utf8(&here.join(path))).collect::<Result<_, _>>()?;
    let attachments = attachments(&attach, &here, card)?;
    Ok(Opening { ask: Ask { text, attach, user: args.user.clone(), ..Ask::default() }, attachments })
}

/// Starts the same command in the background, and returns when it holds the session and has recorded the prompt.
fn detach(text: String) -> Result<Exit, Failure> {
    use std::io::Write;
    let failed = |source| Failure::new(ErrorCode::Other, format!("failed to start the background process: {source}"));
    let args = std::iter::once(keeper::ROLE.into()).chain(std::env::args_os().skip(1)).collect::<Vec<OsString>>();
    let (reader, mut writer) = std::io::pipe().map_err(failed)?;
    // It reads the prompt before it says a word: one larger than a pipe must be written while we wait.
    let writing = std::thread::spawn(move || writer.write_all(text.as_bytes()));
    let stdin = Some(std::fs::File::from(std::os::fd::OwnedFd::from(reader)));
    let id = keeper::spawn(&args, &env::all(), stdin)?;
    // Where it failed to read there is an error of its own.
    drop(writing);
    out::print_text(&format!("{id}\n"));
    Ok(Exit::Code(0))
}

/// A session that somebody else owns.
struct Busy {
    path: PathBuf,
    session: Session,
    failure: Failure,
    types: Vec<String>,
}

/// Gives the prompt to whoever owns the session, where that is idle or `--queue` says so, and follows its turn.
fn join(context: &Context, args: &RunArgs, busy: Busy, ask: Ask) -> Result<Exit, Failure> {
    let session = busy.session;
    let name = session.session_id.clone();
    let store = context.store_to_read()?.ok_or_else(|| crate::context::no_session(&name))?;
    let status = engine::follow::status_of(&store, &session)?;
    drop(store);
    let is_free = status == SessionStatus::Idle && engine::owner::owner_is_idle(&session);
    if !args.queue && !is_free {
        let hint = format!("--queue waits for its turn; `sandbox-agent stream {} --follow` watches it", name);
        return Err(busy.failure.hint(hint));
    }
    if let Some(flag) = settings_flag(args) {
        let message = format!("failed to use {flag}: session `{}` has an owner, whose settings hold", name);
        return Err(Failure::usage(message).hint("leave it out, or wait until the owner has left"));
    }
    let ask = Ask { id: Some(schema::ids::prompt()), ..ask };
    let mut post = Post::new(&busy.path, session.clone(), &Control::Prompt(ask), Sync::Full)?;
    post.see_to(&env::all())?;
    if let Some(ready) = context.ready() {
        ready.say(&keeper::word(&session.session_id));
        return Ok(Exit::Code(0));
    }
    announce(args, &session)?;
    context.explain_json();
    let output = if args.quiet { Output::None } else { context.output };
    let filter = engine::follow::Filter { types: busy.types, raw: args.raw, ..Default::default() };
    let mut writer = Writer::new(output, filter.clone())?;
    let end = follow_prompt(&busy.path, session.clone(), post, &filter, out::stdout_fd()?, &mut |chunk| {
        chunk.lines.marks.is_empty() || writer.write(&chunk.lines, true)
    })?;
    if output == Output::Last {
        print_last(&busy.path, &session.session_id, end.outcome)?;
    }
    Ok(Exit::of_run(&end))
}

/// A flag that only an owner's start can follow.
fn settings_flag(args: &RunArgs) -> Option<&'static str> {
    let given = [
        (args.permissions.permission_mode.is_some(), "--permission-mode"),
        (!args.permissions.allow.is_empty(), "--allow"),
        (!args.permissions.deny.is_empty(), "--deny"),
        (args.policy.is_some(), "--policy"),
        (args.on_ask.is_some(), "--on-ask"),
        (!args.env.is_empty(), "--env"),
        (!args.env_file.is_empty(), "--env-file"),
        (args.clean_env, "--clean-env"),
        (args.timeout.is_some(), "--timeout"),
        (args.idle_timeout.is_some(), "--idle-timeout"),
        (args.max_turns.is_some(), "--max-turns"),
        (args.max_cost.is_some(), "--max-cost"),
        (args.model.is_some(), "--model"),
        (args.mode.is_some(), "--mode"),
        (args.effort.is_some(), "--effort"),
        (!args.agent_arg.is_empty(), "--agent-arg"),
        (!args.equipment.mcp.is_empty(), "--mcp"),
        (!args.equipment.skill.is_empty(), "--skill"),
        (args.equipment.isolated, "--isolated"),
        (args.trace.is_some(), "--trace"),
        (args.linger.is_some(), "--linger"),
        (args.denied_ok, "--denied-ok"),
        (args.credentials_from.is_some(), "--credentials-from"),
        (!args.label.is_empty(), "--label"),
        (args.raw, "--raw"),
    ];
    given.into_iter().find_map(|(given, flag)| given.then_some(flag))
}

/// What a background owner after this run is told: how permissions are decided, and the names of variables, never a value.
fn kept_flags(args: &RunArgs, policy: &Policy, variables: &[String]) -> Vec<String> {
    let mut flags = vec![format!("--permission-mode={}", policy.mode.as_str())];
    flags.extend(
        policy.rules.iter().map(|rule| format!("--{}={}", if rule.allow { "allow" } else { "deny" }, rule.text())),
    );
    // Where a person was asked, or nobody could be, an answer from elsewhere is waited for.
    flags.extend(args.on_ask.iter().filter(|word| *word != "prompt").map(|word| format!("--on-ask={word}")));
    flags.extend(variables.iter().map(|name| format!("--env={name}")));
    flags.extend(args.agent_arg.iter().map(|arg| format!("--agent-arg={arg}")));
    let values = [("timeout", &args.timeout), ("idle-timeout", &args.idle_timeout), ("linger", &args.linger)];
    flags.extend(values.iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", value.as_ref()?))));
    flags.extend(args.credentials_from.iter().map(|agent| format!("--credentials-from={agent}")));
    flags.extend(args.max_turns.map(|most| format!("--max-turns={most}")));
    flags.extend(args.max_cost.map(|most| format!("--max-cost={most}")));
    let switches = [(args.clean_env, "--clean-env"), (args.denied_ok, "--denied-ok"), (args.raw, "--raw")];
    flags.extend(switches.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
    flags
}

/// The names of the variables that flags and files give the agent.
fn environment_names(args: &RunArgs) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = Vec::new();
    for path in &args.env_file {
        for line in read_text(path)?.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            names.extend(line.split_once('=').map(|(name, _)| name.trim().to_owned()));
        }
    }
    names.extend(args.env.iter().map(|given| given.split('=').next().unwrap_or_default().to_owned()));
    names.sort();
    names.dedup();
    Ok(names)
}

fn has_prompt(args: &RunArgs) -> bool {
    args.prompt_words.is_some() || args.prompt.is_some() || args.prompt_file.is_some()
}

fn prompt_text(args: &RunArgs) -> Result<String, Failure> {
    text_of(args.prompt_words.as_deref(), args.prompt.as_deref(), args.prompt_file.as_deref(), args.stdin)
}

/// The prompt, wherever it is to be read from.
pub(crate) fn text_of(
    words: Option<&str>,
    option: Option<&str>,
    file: Option<&Path>,
    stdin: bool,
) -> Result<String, Failure> {
    let given = match (words, option, file) {
        (Some("-"), None, None) => return read_stdin(),
        (Some(text), None, None) | (None, Some(text), None) => Some(text.to_owned()),
        (None, None, Some(path)) => Some(read_text(path)?),
        (None, None, None) => None,
        _ => return Err(Failure::usage("failed to choose a prompt: it was given twice")),
    };
    let text = match (given, stdin) {
        (Some(text), false) => {
            hint_at_stdin();
            text
        }
        (Some(text), true) => format!("{text}\n\n{}", read_stdin()?),
        (None, true) => read_stdin()?,
        (None, false) => {
            return Err(Failure::usage("failed to find a prompt")
                .hint("give it as an argument, with --prompt-file FILE, or `-` for stdin"));
        }
    };
    if text.trim().is_empty() {
        return Err(Failure::usage("failed to use the prompt: it is empty"));
    }
    Ok(text)
}

/// Stdin is never read unasked; a pipe that nobody asked for may be a mistake.
fn hint_at_stdin() {
    use std::os::unix::fs::FileTypeExt;
    if let Ok(file) = std::io::stdin().lock().as_file()
        && file.metadata().is_ok_and(|data| data.file_type().is_fifo())
        && host::input::is_waiting(&file)
    {
        out::complain("hint: there is something on stdin that nobody reads; --stdin appends it to the prompt");
    }
}

/// Stdin as a file, for its metadata.
trait AsFile {
    fn as_file(&self) -> std::io::Result<std::fs::File>;
}

impl AsFile for std::io::StdinLock<'_> {
    fn as_file(&self) -> std::io::Result<std::fs::File> {
        use std::os::fd::AsFd;
        Ok(std::fs::File::from(self.as_fd().try_clone_to_owned()?))
    }
}

fn read_stdin() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        out::complain("hint: reading the prompt from the terminal; end it with Ctrl-D");
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("failed to read stdin: {error}")))?;
    utf8_text(bytes, "stdin")
}

fn read_text(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        return read_stdin();
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    utf8_text(bytes, &path.display().to_string())
}

pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let code = if error.kind() == std::io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Usage };
    Failure::new(code, format!("failed to read {}: {error}", path.display()))
}

fn utf8_text(bytes: Vec<u8>, whence: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(ErrorCode::BadInput, format!("failed to use {whence} as a prompt: byte {at} is no UTF-8"))
            .hint("attach binary files with --attach")
    })
}

/// Event types by name, checked; `--no-deltas` is all but one.
pub(crate) fn print_types(types: &[String], no_deltas: bool) -> Result<Vec<String>, Failure> {
    for kind in types {
        if !schema::event::TYPES.contains(&kind.as_str()) {
            return Err(Failure::usage(format!("failed to filter by type `{kind}`: there is no such type"))
                .hint(format!("the types are {}", schema::event::TYPES.join(", "))));
        }
    }
    let all: Vec<String> = if types.is_empty() && no_deltas {
        schema::event::TYPES.iter().map(|kind| (*kind).to_owned()).collect()
    } else {
        types.to_vec()
    };
    Ok(all.into_iter().filter(|kind| !no_deltas || kind != "item.delta").collect())
}

/// Which session: an existing one, or the name of a new one; and the one to fork.
fn target(args: &RunArgs, store_path: &Path) -> Result<(Target, Option<Box<Session>>), Failure> {
    let store = engine::follow::open_if_there(store_path)?;
    let fork = match (&args.fork, &store) {
        (None, _) => None,
        (Some(name), Some(store)) => Some(Box::new(names::find(store, name)?)),
        (Some(name), None) => return Err(crate::context::no_session(name)),
    };
    let found = match (&args.session, args.continue_last, &store) {
        (Some(name), _, Some(store)) if name == "@last" => names::last(store)?,
        (Some(name), _, Some(store)) => store.session(name)?,
        (None, true, Some(store)) => names::last(store)?,
        (_, _, None) | (None, false, Some(_)) => None,
    };
    drop(store);
    if let Some(session) = found {
        if args.new || args.fork.is_some() {
            return Err(exists(&session.session_id));
        }
        let session = engine::owner::mend(store_path, session)?;
        if session.status == "ended" {
            return Err(engine::Error::Ended(session.session_id).into());
        }
        return Ok((Target::Existing(Box::new(session)), fork));
    }
    let asked = args.session.as_deref();
    if args.continue_last || args.resume || asked == Some("@last") {
        return Err(match asked {
            Some(name) if name != "@last" => crate::context::no_session(name),
            Some(_) | None => {
                Failure::new(ErrorCode::NotFound, "failed to continue: no session has run in this directory")
                    .hint("begin one without --continue")
            }
        });
    }
    let name = match asked {
        None => SessionId::generate(),
        Some(name) => {
            let name = SessionId::parse(name).map_err(|error| Failure::usage(error.to_string()))?;
            if name.is_generated() {
                return Err(Failure::usage(format!(
                    "failed to create session `{name}`: names that begin with ses_ are made by sandbox-agent"
                )));
            }
            name
        }
    };
    Ok((Target::New(name), fork))
}

fn choose_agent(context: &Context, args: &RunArgs, session: Option<&Session>) -> Result<&'static dyn Agent, Failure> {
    let known = format!("{}, acp:NAME", registry::names().collect::<Vec<_>>().join(", "));
    let asked = match &args.acp_command {
        Some(command) => Some(acp_agent(command)?),
        None => args.agent.as_deref().map(|word| registry::parts(word).0.to_owned()),
    };
    let named = match (&asked, session) {
        (Some(name), Some(session)) if *name != session.agent => {
            return Err(Failure::usage(format!(
                "failed to run {name} in session `{}`: it belongs to {}",
                session.session_id, session.agent
            ))
            .hint("use another --session name, or leave --agent out"));
        }
        (Some(name), _) => name.clone(),
        (None, Some(session)) => session.agent.clone(),
        (None, None) => context.settings.agent().ok_or_else(|| {
            Failure::usage("failed to choose an agent: none is named").hint(format!("--agent one of {known}"))
        })?,
    };
    registry::find(&named).ok_or_else(|| {
        Failure::usage(format!("failed to find agent `{}`", named.escape_debug()))
            .hint(format!("known agents: {known}"))
    })
}

/// The name of an agent by its command line.
fn acp_agent(command: &str) -> Result<String, Failure> {
    agents::acp::name(command, &names::working_directory()?)
        .ok_or_else(|| Failure::usage(format!("failed to use --acp-command `{command}`: it is no command line")))
}

fn job(context: &Context, args: &RunArgs, session: Option<&Session>, agent: &dyn Agent) -> Result<Job, Failure> {
    let card = agent.card();
    let kept = session.map(|session| Kept::read(&session.settings)).unwrap_or_default();
    let choose = |flag: &Option<String>, kept: Option<String>, file: Option<&str>| {
        flag.clone().or(kept).or_else(|| file.map(str::to_owned))
    };
    // A file's word about the model is for agents that let it be chosen; a flag that cannot be followed is an error.
    let model = choose(&args.model, kept.model, context.settings.model().filter(|_| card.can.model));
    let mode = choose(&args.mode, kept.mode, context.settings.mode().filter(|mode| agent.takes_mode(mode)));
    let effort = choose(&args.effort, kept.effort, context.settings.effort().filter(|_| card.can.effort));
    if model.is_some() && !card.can.model {
        return Err(Failure::usage(format!("failed to choose a model: {} cannot", card.name)));
    }
    if let Some(mode) = mode.as_deref().filter(|mode| !agent.takes_mode(mode)) {
        return Err(Failure::usage(format!("failed to use mode `{mode}`: {} does not have it", card.name))
            .hint(one_of(card.modes)));
    }
    if let Some(effort) = effort.as_deref() {
        if !card.can.effort {
            return Err(Failure::usage(format!("failed to choose an effort: {} cannot", card.name)));
        }
        if !card.efforts.is_empty() && !card.efforts.contains(&effort) {
            return Err(Failure::usage(format!("failed to use effort `{effort}`: {} does not have it", card.name))
                .hint(one_of(card.efforts)));
        }
    }
    if args.max_turns.is_some() && !card.can.max_turns {
        return Err(Failure::usage(format!("failed to use --max-turns: {} cannot count model requests", card.name)));
    }
    Ok(Job {
        session_id: String::new(),
        cwd: working_directory(args, session, card)?,
        model,
        mode,
        effort,
        permission_mode: PermissionMode::Ask,
        must_ask: false,
        max_turns: args.max_turns,
        resume: None,
        secret: String::new(),
        api_key: None,
        mcp: Vec::new(),
        skills: Vec::new(),
        agent_args: args.agent_arg.clone(),
        // The engine says where, once it knows the session.
        folder: "FOLDER".to_owned(),
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn one_of(words: &[&str]) -> String {
    if words.is_empty() { "it has none to choose".to_owned() } else { format!("it has {}", words.join(", ")) }
}

/// Where the agent works: the session's place, unless the agent can resume elsewhere and is told to.
fn working_directory(args: &RunArgs, session: Option<&Session>, card: &Card) -> Result<String, Failure> {
    let asked = match &args.cwd {
        Some(path) => {
            let real = path.canonicalize().map_err(|error| unreadable(path, &error))?;
            if !real.is_dir() {
                return Err(Failure::usage(format!("failed to work in {}: it is no directory", path.display())));
            }
            Some(names::utf8(&real)?)
        }
        None => None,
    };
    let Some(session) = session else {
        return match asked {
            Some(cwd) => Ok(cwd),
            None => names::working_directory(),
        };
    };
    match asked {
        Some(cwd) if cwd != session.cwd && !card.can.resume_elsewhere => Err(Failure::usage(format!(
            "failed to continue `{}` in {cwd}: {} goes on only in {}",
            session.session_id, card.name, session.cwd
        ))),
        Some(cwd) => Ok(cwd),
        None => {
            if names::working_directory().is_ok_and(|here| here != session.cwd) {
                out::complain(&format!("note: session {} works in {}", session.session_id, session.cwd));
            }
            Ok(session.cwd.clone())
        }
    }
}

fn policy(context: &Context, args: &RunArgs, card: &Card, cwd: &str) -> Result<Policy, Failure> {
    let file = match &args.policy {
        Some(path) => crate::settings::policy_file(path)?,
        None => PolicyFile::default(),
    };
    let asked = args.permissions.permission_mode.as_ref().or(file.permission_mode.as_ref());
    let flag = match asked {
        Some(word) => Some(PermissionMode::parse(word).ok_or_else(|| {
            Failure::usage(format!("failed to use permission mode `{word}`: there is none of this name"))
                .hint("one of read-only, ask, accept-edits, auto, bypass")
        })?),
        None => None,
    };
    let mode = context.settings.permission_mode(flag)?;
    if !card.permission_modes.contains(&mode) {
        let works: Vec<&str> = card.permission_modes.iter().map(|mode| mode.as_str()).collect();
        return Err(Failure::usage(format!("failed to use permission mode {}: {} cannot", mode.as_str(), card.name))
            .hint(format!("modes that work: {}", works.join(", "))));
    }
    let mut rules = Vec::new();
    let settings = &context.settings;
    let allow = args.permissions.allow.iter().chain(&file.allow).chain(settings.allow()).map(|rule| (true, rule));
    let deny = args.permissions.deny.iter().chain(&file.deny).chain(settings.deny()).map(|rule| (false, rule));
    for (allow, rule) in deny.chain(allow) {
        rules.push(Rule::parse(allow, rule).map_err(|error| Failure::usage(format!("failed to {error}")))?);
    }
    let cwd = host::canonical::canonical(Path::new("/"), Path::new(cwd));
    let on_ask = on_ask(context, args, file.on_ask.as_deref())?;
    Ok(Policy { mode, rules, on_ask, cwd: names::utf8(&cwd)?, granted: Vec::new() })
}

fn on_ask(context: &Context, args: &RunArgs, file: Option<&str>) -> Result<OnAsk, Failure> {
    let quiet = args.no_input || env::var(Name::NoInput).is_some();
    let asked = args.on_ask.as_deref().or(file).or(context.settings.on_ask());
    let chosen = match asked {
        Some(word) => Some(OnAsk::parse(word).ok_or_else(|| {
            Failure::usage(format!("failed to use on_ask `{word}`"))
                .hint("one of prompt, deny, fail, allow, wait, wait=10m")
        })?),
        None => None,
    };
    let can_prompt = !quiet && host::input::can_ask();
    match chosen {
        Some(OnAsk::Prompt) if !can_prompt => Err(Failure::usage(
            "failed to use --on-ask prompt: there is no terminal in whose foreground we are, or --no-input forbids it",
        )
        .hint("use --on-ask deny, fail or allow, or rules with --allow")),
        Some(chosen) => Ok(chosen),
        None if args.detach || args.input.is_some() => Ok(OnAsk::Wait(None)),
        None if can_prompt => Ok(OnAsk::Prompt),
        None => Ok(OnAsk::Deny),
    }
}

fn limits(context: &Context, args: &RunArgs, card: &Card) -> Result<Limits, Failure> {
    let read = |flag: &str, text: Option<&str>| text.map(|text| duration(flag, text, UNITS)).transpose();
    let timeout = read("--timeout", args.timeout.as_deref().or(context.settings.timeout()))?;
    let idle = read("--idle-timeout", args.idle_timeout.as_deref().or(context.settings.idle_timeout()))?;
    if args.max_cost.is_some() && !card.can.cost {
        return Err(Failure::usage(format!("failed to use --max-cost: {} does not report money", card.name))
            .hint("use --timeout"));
    }
    if args.max_cost.is_some_and(|usd| !usd.is_finite() || usd < 0.0) {
        return Err(Failure::usage("failed to use --max-cost: it is no amount of money"));
    }
    let idle = idle.unwrap_or(Duration::from_secs(600));
    Ok(Limits { timeout, idle_timeout: (!idle.is_zero()).then_some(idle), max_cost: args.max_cost })
}

/// Variables with their values.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// The environment that an agent is given where nothing else is said.
pub(crate) fn agent_variables() -> Result<(Variables, Vec<String>), Failure> {
    let home = host::paths::agent_home().map(|home| (OsString::from("HOME"), home.into()));
    variables(false, home.into_iter().collect(), &[], &[])
}

/// The agent's environment, and the secrets in it.
fn environment(args: &RunArgs) -> Result<(Variables, Vec<String>), Failure> {
    let mut own = Vec::new();
    if let Some(home) = host::paths::agent_home() {
        own.push(("HOME".into(), home.into()));
    }
    variables(args.clean_env, own, &args.env_file, &args.env)
}

/// An environment: ours or a clean one, then `own`, then the files', then the flags' variables. And the secrets among those
/// that a file holds or that were copied by name: `K=V` is for what is none.
pub(crate) fn variables(
    clean: bool,
    own: Variables,
    files: &[PathBuf],
    flags: &[String],
) -> Result<(Variables, Vec<String>), Failure> {
    const CLEAN: [&str; 8] = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "TZ"];
    let mut variables: Vec<(OsString, OsString)> = env::all();
    if clean {
        variables.retain(|(name, _)| CLEAN.iter().any(|kept| name == kept));
    }
    // What tells a test's run how to die is not for the agent.
    variables.retain(|(name, _)| name != Name::TestKill.as_str());
    variables.retain(|(name, _)| !own.iter().any(|(other, _)| other == name));
    variables.extend(own);
    let mut set = |name: &str, value: OsString| {
        variables.retain(|(other, _)| other != name);
        variables.push((name.into(), value));
    };
    let mut secrets = Vec::new();
    let mut secret = |name: &str, value: &str| {
        if engine::credentials::is_secret(name, value) {
            secrets.push(value.to_owned());
        }
    };
    for path in files {
        for line in read_text(path)?.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("failed to use {}: a line is K=V", path.display())))?;
            secret(name.trim(), value);
            set(name.trim(), value.into());
        }
    }
    for variable in flags {
        match variable.split_once('=') {
            Some(("", _)) => return Err(Failure::usage("failed to use --env: a variable needs a name")),
            Some((name, value)) => set(name, value.into()),
            None => match env::named(variable) {
                Some(value) => {
                    secret(variable, &value.to_string_lossy());
                    set(variable, value);
                }
                None => {
                    return Err(Failure::usage(format!("failed to use --env {variable}: it is not set here")));
                }
            },
        }
    }
    Ok((variables, secrets))
}

/// Which program, of which version if that is known, and why this one: the version that was named, else the one in use, else
/// PATH, else it is installed now, where `fetch` allows that.
pub(crate) fn program(
    card: &Card,
    version: Option<&str>,
    fetch: bool,
) -> Result<(PathBuf, Option<String>, String), Failure> {
    let Some(name) = card.program else {
        return Ok((PathBuf::from("/proc/self/exe"), None, "built in".to_owned()));
    };
    let ours = |installed: install::Installed| {
        let found = format!("installed by sandbox-agent in {}", installed.directory.display());
        (installed.program(), Some(installed.manifest.version), found)
    };
    let places = install::Places::here();
    if let Some(installed) = places.choose(card.name, version) {
        return Ok(ours(installed));
    }
    if version.is_none() {
        match host::find::program(Path::new(name), &places.bins()) {
            Ok(program) => return Ok((program, None, "found on PATH".to_owned())),
            Err(host::Error::NotFound { .. }) => {}
            Err(error) => return Err(Failure::from(error).hint(format!("install it: {}", card.install))),
        }
    }
    crate::install_agent::at_need(card.install, version, fetch).map(ours)
}

/// The agent's version as its package says it, without starting it; one that is too old is refused.
fn version(card: &Card, program: &Path, known: Option<String>) -> Result<Option<String>, Failure> {
    let Some(oldest) = card.oldest else { return Ok(known) };
    let Some(version) = known.or_else(|| package_version(program, oldest.package)) else { return Ok(None) };
    let number =
        |version: &str| -> Vec<u64> { version.split(['.', '-']).map_while(|part| part.parse().ok()).collect() };
    if number(&version) < number(oldest.version) {
        let words = format!(
            "failed to use {}: it is {} {version}, and {} or newer is needed: {}",
            program.display(),
            card.title,
            oldest.version,
            oldest.why
        );
        return Err(Failure::usage(words).hint(format!("update it: {}", card.install)));
    }
    Ok(Some(version))
}

/// The version in the `package.json` of this npm package: above the program, links followed, or beside its launcher.
fn package_version(program: &Path, package: &str) -> Option<String> {
    let program = program.canonicalize().ok()?;
    let within = Path::new("node_modules").join(package);
    let places = |folder: &Path| [folder.to_owned(), folder.join(&within), folder.join("package").join(&within)];
    program.ancestors().skip(1).flat_map(places).find_map(|folder| {
        let text = std::fs::read_to_string(folder.join("package.json")).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        (json["name"] == package).then(|| json["version"].as_str().map(str::to_owned))?
    })
}

/// Labels as a JSON object.
fn labels(given: &[String]) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    given
        .iter()
        .map(|label| match label.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.into())),
            Some(_) | None => Err(Failure::usage(format!("failed to use --label `{label}`: a label is K=V"))),
        })
        .collect()
}

fn exists(name: &str) -> Failure {
    Failure::usage(format!("failed to create session `{name}`: it exists"))
        .hint("continue it without --new, or choose another name")
}

/// Takes the session over, or makes it.
fn own(
    store: Store,
    target: Target,
    job: &Job,
    card: &Card,
    labels: &serde_json::Map<String, serde_json::Value>,
    args: &RunArgs,
) -> Result<Owned, Failure> {
    let raw = args.raw;
    let mut owned = match target {
        Target::Existing(session) => Owned::take(store, &session, raw)?,
        Target::New(name) => {
            let birth = birth(&name, job, card, labels);
            let path = store.path().to_owned();
            match Owned::create(store, &birth, raw) {
                Ok(owned) => owned,
                // Somebody else made it a moment ago: who demanded a new one did not get it.
                Err(engine::Error::Store(store::Error::Exists(_))) if args.new || args.fork.is_some() => {
                    return Err(exists(name.as_str()));
                }
                // For everybody else it is theirs, and busy or free as any other.
                Err(engine::Error::Store(store::Error::Exists(_))) => {
                    let store = open_to_write(&path)?;
                    let session =
                        store.session(name.as_str())?.ok_or_else(|| crate::context::no_session(name.as_str()))?;
                    if session.agent != card.name {
                        return Err(Failure::usage(format!("session `{name}` belongs to {}", session.agent)));
                    }
                    Owned::take(store, &session, raw)?
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    let session = owned.session().clone();
    let mut all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&session.labels).unwrap_or_default();
    all.extend(labels.clone());
    let labels = serde_json::Value::Object(all).to_string();
    let mode = Some(job.permission_mode.as_str());
    // Most runs change nothing, and each write is a wait for the disk.
    if session.permission_mode.as_deref() != mode || session.effort != job.effort || session.labels != labels {
        let set = Settings {
            permission_mode: mode,
            effort: job.effort.as_deref(),
            labels: Some(&labels),
            ..Settings::default()
        };
        owned.store().update(session.no, &set)?;
    }
    Ok(owned)
}

/// What a copy of another session begins with.
fn forked(fork: Option<&Session>, card: &Card) -> Result<(Option<Resume>, Option<serde_json::Value>), Failure> {
    let Some(fork) = fork else { return Ok((None, None)) };
    if !card.can.fork {
        return Err(Failure::usage(format!(
            "failed to fork `{}`: {} cannot copy a session",
            fork.session_id, card.name
        )));
    }
    let native = fork.native_session_id.clone().ok_or_else(|| {
        Failure::usage(format!("failed to fork `{}`: its agent never said what it calls it", fork.session_id))
    })?;
    let resume = Resume { native_session_id: native, totals: Kept::read(&fork.settings).totals, fork: true };
    Ok((Some(resume), Some(serde_json::json!({ "forked_from": fork.session_id }))))
}

/// The id, as soon as the session exists.
fn announce(args: &RunArgs, session: &Session) -> Result<(), Failure> {
    if args.quiet {
        out::print_text(&format!("{}\n", session.session_id));
    }
    if let Some(path) = &args.id_file {
        std::fs::write(path, format!("{}\n", session.session_id))
            .map_err(|error| Failure::usage(format!("failed to write {}: {error}", path.display())))?;
    }
    Ok(())
}

fn dry_run(
    agent: &'static dyn Agent,
    job: &Job,
    program: &Path,
    found: String,
    environment: &[(OsString, OsString)],
    mode: PermissionMode,
) -> Exit {
    let launch = agent.launch(job);
    let mut names: Vec<String> = environment
        .iter()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| !launch.unset.contains(name))
        .chain(launch.env.iter().map(|(name, _)| name.clone()))
        .collect();
    names.sort();
    names.dedup();
    out::print_record(&LaunchRecord {
        agent: agent.card().name.to_owned(),
        program: program.display().to_string(),
        found,
        args: launch.args,
        cwd: job.cwd.clone(),
        env: names,
        permission_mode: mode.as_str().to_owned(),
    });
    Exit::Code(0)
}

/// `-o last`: the final text, when the turn went well.
fn print_last(store: &Path, session_id: &str, outcome: Outcome) -> Result<(), Failure> {
    if !matches!(outcome, Outcome::Ok | Outcome::Denied) {
        return Ok(());
    }
    let Some(store) = engine::follow::open_if_there(store)? else { return Ok(()) };
    let Some(session) = store.session(session_id)? else { return Ok(()) };
    if let Some(text) = engine::follow::final_text(&store, &session)? {
        out::print_text(&format!("{text}\n"));
    }
    Ok(())
}

fn tell_denials(end: &RunEnd, on_ask: OnAsk) {
    if end.denied_unasked > 0 && on_ask == OnAsk::Deny {
        out::complain(&format!(
            "note: {} of the agent's requests were denied because nobody could be asked; \
             widen with --permission-mode or --allow, or answer with --on-ask",
            end.denied_unasked
        ));
    }
}

/// A store of its own, removed at the end.
struct Ephemeral(PathBuf);

impl Ephemeral {
    fn new() -> Result<Ephemeral, Failure> {
        let directory = std::env::temp_dir().join(format!("sandbox-agent-{}", schema::ids::unique()));
        host::private::directory(&directory)?;
        Ok(Ephemeral(directory))
    }

    fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            out::complain(&format!("warning: {} stays behind: {error}", self.0.display()));
        }
    }
}
