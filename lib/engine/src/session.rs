//! One session under its owner: agent, signals, clock and reader in; dialect, course, journal, screen, agent out.

mod asking;
mod hearing;
pub(crate) mod inbox;
mod trace;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agents::agent::{Agent, Job, Launch, Resume};
use agents::dialect::{
    Attachment, Dialect, Effect, Fault, Input, Order, OrderId, Permit, Prompt, RequestKey, Setting, Stop, Timer,
    Verdict,
};
use host::bell::Watch;
use host::input::InputLine;
use host::signals::{Caught, Signals};
use host::tty::Terminal;
use host::{Spec, Unit, clock};
use schema::control::{Ask, Reply};
use schema::event::{Body, Cause, SessionStarted};
use schema::item::ContentPart;
use schema::outcome::{ErrorCode, Outcome};
use tokio::sync::mpsc::Receiver;

use crate::answer::refusal;
use crate::attach::attachments;
use crate::error::Error;
use crate::journal::{Journal, Lines};
use crate::kept::{Equipment, Kept};
use crate::owner::{MARK, Owned};
use crate::peer::{Peer, Word};
use crate::places::Places;
use crate::policy::Policy;
use crate::turn::{Course, Cut, Ended, PromptItem};

use asking::line_of;
use trace::Trace;

/// What a run is to do with a session that it owns.
pub struct Run {
    /// Which agent.
    pub agent: &'static dyn Agent,
    /// Its program.
    pub program: PathBuf,
    /// Its version, where known without starting it.
    pub agent_version: Option<String>,
    /// What the process is asked; the engine adds what is resumed.
    pub job: Job,
    /// A conversation of another session to copy, where this one is new.
    pub fork: Option<Resume>,
    /// What only this start says, for `session.started`.
    pub metadata: Option<serde_json::Value>,
    /// The prompt; without one, what waits in the session's inbox is served.
    pub prompt: Option<Opening>,
    /// For how long the owner stays.
    pub stay: Stay,
    /// What the session has beside the user's own configuration, or in place of it.
    pub equipment: Equipment,
    /// Flags that a background owner after this one is to have too.
    pub flags: Vec<String>,
    /// Called once the session is held and its first prompt is stored.
    pub recorded: Option<Box<dyn FnOnce()>>,
    /// What decides permissions.
    pub policy: Policy,
    /// Our own deny rules are no reason for exit code 5.
    pub denied_ok: bool,
    /// When to end it.
    pub limits: Limits,
    /// The agent's environment, complete but for what names the session.
    pub env: Vec<(OsString, OsString)>,
    /// Values that are never stored: what was handed over in the environment or in the job.
    pub secrets: Vec<String>,
    /// Store the agent's payloads.
    pub raw: bool,
    /// Where the native conversation is written, both ways.
    pub trace: Option<PathBuf>,
    /// Where the right to ask on a terminal is kept.
    pub prompt_locks: PathBuf,
    /// Our stdout: the turn is cancelled when its reader leaves.
    pub stdout: OwnedFd,
}

/// The prompt that a run begins with; what comes with it was read before the session was made.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The prompt.
    pub ask: Ask,
    /// Its attachments, read.
    pub attachments: Vec<Attachment>,
}

/// For how long an owner stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Until the turn of its prompt has ended.
    Turn,
    /// Until nothing waits, and for this long after it.
    Linger(Duration),
    /// Until our stdin ends, which speaks NDJSON, and nothing waits.
    Input,
}

/// When to end a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Wall clock, from the prompt on.
    pub timeout: Option<Duration>,
    /// Silence while no tool runs and nothing is asked.
    pub idle_timeout: Option<Duration>,
    /// US dollars in this run, where the agent reports money.
    pub max_cost: Option<f64>,
}

/// Where committed lines are shown.
pub trait Screen {
    /// Takes lines; never waits, never fails. What lies between them and those before is in the store, and belongs on the screen too.
    fn show(&mut self, lines: Lines);
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// What became of its last turn.
    pub outcome: Outcome,
    /// Its exit code.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<Caught>,
    /// Its reader left.
    pub reader_gone: bool,
    /// How many requests nobody could be asked about and `--on-ask deny` rejected.
    pub denied_unasked: usize,
    /// The last event.
    pub last_sequence: i64,
    /// Prompts of others wait: somebody must go on.
    pub waiting: bool,
}

/// How long an agent may take to end its turn after it was asked to.
const CANCEL: Duration = Duration::from_secs(4);
/// The same, when TERM or HUP gives us 7 s in all.
const CANCEL_SOON: Duration = Duration::from_secs(3);
/// A line's payload above this is kept as head, tail, length and hash.
const PAYLOAD: usize = 1 << 20;
/// Commit before more than this waits, so that one batch stays small.
const BATCH: usize = 1 << 20;

/// Deltas that follow one another faster than this gather for a while before the next are read.
const FLOOD: Duration = Duration::from_millis(4);

/// For how long: at first, and at most when the flood lasts. A batch costs a commit and wakes its readers, however small it is;
/// where processors are few, that time is the agent's. Whatever else is wanted of us waits as long.
const BREATH: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(4)];

/// A batch of so many bytes is worth its commit.
const ENOUGH: usize = 32 << 10;

/// Runs a prompt to the end of its turn. The session is free and nothing of the run is alive when this returns.
///
/// # Errors
/// When the store or a file fails; the agent is ended all the same, and recovery writes the missing end later.
pub fn run(owned: Owned, mut run: Run, screen: &mut dyn Screen) -> Result<RunEnd, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|source| Error::File {
        doing: "start a runtime for",
        path: run.program.clone(),
        source,
    })?;
    let Owned { journal, lock } = owned;
    let trace = match &run.trace {
        Some(path) => Some(Trace::open(path, &run)?),
        None => None,
    };
    let course = Course::new(journal.next());
    let kept = Kept::read(&journal.session().settings);
    let resume = match (&journal.session().native_session_id, &run.fork) {
        (Some(native), _) => {
            Some(Resume { native_session_id: native.clone(), totals: kept.totals.clone(), fork: false })
        }
        (None, fork) => fork.clone(),
    };
    let places = Places::beside(journal.store_path());
    let uid = journal.session().uid.clone();
    let folder = places.folder(&uid).to_string_lossy().into_owned();
    if run.equipment.isolated {
        let home = places.home(&uid);
        host::private::directory(&home)?;
        run.env.retain(|(name, _)| name != "HOME");
        run.env.push(("HOME".into(), home.into()));
    }
    let job = Job { resume, folder, secret: host::secret::new()?, ..run.job.clone() };
    let mut conductor = Conductor {
        places,
        dialect: run.agent.dialect(&job),
        agent: run.agent.card().title,
        seen: 0,
        queue: VecDeque::new(),
        steering: Vec::new(),
        setting: Vec::new(),
        permits: Vec::new(),
        expiries: Vec::new(),
        finishing: false,
        leaving: false,
        left: false,
        idle: false,
        kill: false,
        run,
        job,
        kept,
        journal,
        course,
        screen,
        trace,
        effects: Vec::new(),
        says: Vec::new(),
        orders: VecDeque::new(),
        ordered: 0,
        timers: Vec::new(),
        clocks: Clocks::default(),
        asks: VecDeque::new(),
        terminal: None,
        held: None,
        ended: None,
        over: false,
        signal: None,
        reader_gone: false,
        hurry: false,
        damaged: false,
        spent: 0.0,
        denied_unasked: 0,
    };
    let outcome = runtime.block_on(conductor.conduct(&lock));
    // What is below the guard is dead by now, whatever happened; the row says so before the lock is free.
    let waiting = conductor.journal.leave();
    drop(lock);
    outcome?;
    let waiting = waiting? > 0;
    conductor.end(waiting)
}

/// How the agent is started. `session`: name and mark of what it is started for.
pub(crate) fn spec(
    program: &Path,
    env: &[(OsString, OsString)],
    job: &Job,
    launch: Launch,
    (name, uid): (&str, &str),
) -> Spec {
    let mut env: Vec<(OsString, OsString)> = env.to_vec();
    env.retain(|(name, _)| !launch.unset.iter().any(|gone| name == gone.as_str()));
    let ours = [("SANDBOX_AGENT_SESSION", name.to_owned()), (MARK, uid.to_owned())];
    let added = launch.env.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(ours);
    for (name, value) in added {
        env.retain(|(other, _)| other != name);
        env.push((name.into(), value.into()));
    }
    Spec {
        program: program.to_owned(),
        args: launch.args.iter().map(Into::into).collect(),
        env,
        dir: PathBuf::from(&job.cwd),
        stop: host::Stop { eof: Duration::from_millis(launch.eof_ms), term: Duration::from_millis(launch.term_ms) },
    }
}

struct Conductor<'a> {
    agent: &'static str,
    run: Run,
    job: Job,
    kept: Kept,
    dialect: Box<dyn Dialect>,
    course: Course,
    journal: Journal,
    screen: &'a mut dyn Screen,
    trace: Option<Trace>,
    effects: Vec<Effect>,
    places: Places,
    /// The number of the last request that was looked at.
    seen: i64,
    /// Prompts that wait their turn.
    queue: VecDeque<Waiting>,
    /// Prompts on their way into the running turn.
    steering: Vec<(OrderId, Waiting)>,
    /// Settings on their way to the agent.
    setting: Vec<(OrderId, Origin, Setting)>,
    /// Open permissions, as the agent asked for them.
    permits: Vec<Permit>,
    /// When an open request is rejected because nobody answered.
    expiries: Vec<(RequestKey, Instant)>,
    /// Nothing more is wanted than what waits.
    finishing: bool,
    /// This owner ends, whatever waits.
    leaving: bool,
    /// The row says that nobody owns the session any more.
    left: bool,
    /// The row says that we wait for work.
    idle: bool,
    /// The agent's process is to be killed, not asked.
    kill: bool,
    /// What the agent is to be told once what led to it is stored.
    says: Vec<Say>,
    orders: VecDeque<(OrderId, Order)>,
    ordered: u64,
    timers: Vec<(Timer, Instant)>,
    clocks: Clocks,
    /// Requests for the terminal, the one on screen first.
    asks: VecDeque<(RequestKey, Body)>,
    terminal: Option<(Terminal, host::Lock)>,
    /// The verdict on a turn whose sub-agents are still to report.
    held: Option<Verdict>,
    ended: Option<Ended>,
    /// The agent's process is to end: what comes now is dropped.
    over: bool,
    signal: Option<Caught>,
    reader_gone: bool,
    /// A second signal: no more patience.
    hurry: bool,
    /// The line that is being heard was not valid UTF-8.
    damaged: bool,
    spent: f64,
    denied_unasked: usize,
}

/// What the agent is to be told.
enum Say {
    Line(String),
    Ask(agents::dialect::Ask),
}

/// A prompt that waits.
#[derive(Debug)]
struct Waiting {
    origin: Origin,
    ask: Ask,
    /// What comes with it, where it was read already.
    attachments: Option<Vec<Attachment>>,
}

/// Who wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Whoever started us, or we ourselves.
    Us,
    /// A row of the inbox.
    Row(i64),
    /// A line of our stdin.
    Line,
}

/// Where requests come from.
struct Sources {
    inbox: Watch,
    lines: Option<Receiver<InputLine>>,
}

#[derive(Default)]
struct Clocks {
    wall: Option<Instant>,
    idle: Option<Instant>,
    /// When an owner without work leaves.
    linger: Option<Instant>,
    /// When a cancelled turn is ended without the agent's word.
    grace: Option<Instant>,
}

impl Conductor<'_> {
    async fn conduct(&mut self, lock: &host::Lock) -> Result<(), Error> {
        let mut signals = Signals::new()?;
        self.journal.set_mask(&self.run.secrets);
        // First the watch, then the look: nothing is missed.
        let post = self.places.post(&self.journal.session().uid);
        let lines = (self.run.stay == Stay::Input).then(host::input::lines);
        let mut sources = Sources { inbox: Watch::new(&[post]), lines };
        if let Some(Opening { ask, attachments }) = self.run.prompt.take() {
            self.queue.push_back(Waiting { origin: Origin::Us, ask, attachments: Some(attachments) });
        }
        self.look()?;
        if self.queue.is_empty() && self.run.stay != Stay::Input {
            // What waited was taken back.
            self.keep_settings();
            self.journal.write_columns()?;
            self.journal.close(false)?;
            self.recorded();
            return Ok(());
        }
        loop {
            self.live(lock, &mut signals, &mut sources).await?;
            if !self.rest(&mut signals, &mut sources).await? {
                return Ok(());
            }
        }
    }

    /// One life of the agent's process, from its start to its end.
    async fn live(&mut self, lock: &host::Lock, signals: &mut Signals, sources: &mut Sources) -> Result<(), Error> {
        self.begin();
        // The prompt is stored before anything is started: a turn follows whatever happens.
        self.flush(None)?;
        self.recorded();
        let launch = self.run.agent.launch(&self.job);
        // The password between us and an agent that serves is in its environment, and so within reach of its tools.
        let secret = &self.job.secret;
        let password = launch.env.iter().any(|(_, value)| value.contains(secret)).then(|| secret.clone());
        self.journal.set_mask(&self.run.secrets.iter().cloned().chain(password).collect::<Vec<_>>());
        let uid = self.journal.session().uid.clone();
        // What is laid out goes with the agent that needs it.
        let laid = !launch.files.is_empty() || !launch.links.is_empty();
        let wire = launch.wire.clone();
        let laid_out = if laid { self.places.lay_out(&uid, &launch.files, &launch.links) } else { Ok(()) };
        let names = (self.journal.session().session_id.as_str(), uid.as_str());
        let spec = spec(&self.run.program, &self.run.env, &self.job, launch, names);
        let result = match laid_out.and_then(|()| Ok(Unit::spawn(&spec, lock)?)) {
            Ok(unit) => {
                let mut peer = Peer::new(unit, wire);
                self.step(Input::Opened, None);
                let result = self.follow(&mut peer, signals, sources).await;
                if self.run.stay == Stay::Turn && result.is_ok() && !self.course.in_turn() {
                    // From here on we are closing: whoever wants the session waits for us.
                    self.journal.close(false)?;
                    sources.inbox.forget();
                }
                self.finish(peer.unit, signals, result.is_err()).await;
                result
            }
            Err(error) => {
                self.fail_to_start(&error);
                Ok(())
            }
        };
        if laid {
            self.places.clear(&uid);
        }
        result?;
        self.course.close();
        self.record(None);
        self.flush(None)
    }

    fn recorded(&mut self) {
        if let Some(recorded) = self.run.recorded.take() {
            recorded();
        }
    }

    /// Between two lives of the agent: waits for work. `false`: this owner ends.
    async fn rest(&mut self, signals: &mut Signals, sources: &mut Sources) -> Result<bool, Error> {
        loop {
            if self.run.stay == Stay::Turn || self.leaving || self.left {
                return Ok(false);
            }
            if !self.queue.is_empty() {
                self.revive()?;
                return Ok(true);
            }
            if self.may_leave() && self.leave()? {
                return Ok(false);
            }
            self.flush(None)?;
            let stdout = self.stdout()?;
            tokio::select! {
                caught = signals.next() => self.caught(caught),
                () = host::bell::reader_gone(stdout), if !self.reader_gone => self.reader_left(),
                _ = sources.inbox.rung() => self.look()?,
                line = next_line(&mut sources.lines) => self.read(line, sources),
                () = sleep_until(self.clocks.linger) => {}
            }
        }
    }

    /// A fresh conversation, which goes on with the last one.
    fn revive(&mut self) -> Result<(), Error> {
        let native = self.journal.session().native_session_id.clone();
        let totals = self.kept.totals.clone();
        self.job.resume = native.map(|native_session_id| Resume { native_session_id, totals, fork: false });
        self.job.secret = host::secret::new()?;
        self.dialect = self.run.agent.dialect(&self.job);
        self.course = Course::new(self.journal.next());
        self.orders.clear();
        self.says.clear();
        self.timers.clear();
        self.asks.clear();
        self.permits.clear();
        self.expiries.clear();
        self.clocks = Clocks::default();
        self.held = None;
        self.over = false;
        self.kill = false;
        Ok(())
    }

    /// `session.started`, then the prompt that waits, and its turn.
    fn begin(&mut self) {
        let session = self.journal.session();
        let started = SessionStarted {
            schema_version: schema::SCHEMA_VERSION.to_owned(),
            agent: session.agent.clone(),
            agent_version: self.run.agent_version.clone(),
            cwd: self.job.cwd.clone(),
            model: self.job.model.clone(),
            mode: self.job.mode.clone(),
            effort: self.job.effort.clone(),
            permission_mode: self.run.policy.mode,
            resumed: self.job.resume.as_ref().is_some_and(|resume| !resume.fork),
            metadata: self.run.metadata.clone(),
        };
        self.course.say(Body::SessionStarted(started));
        if self.run.denied_ok {
            self.course.denied_ok();
        }
        self.record(None);
        self.keep_settings();
        self.next_prompt();
    }

    /// What the next owner is to start with.
    fn keep_settings(&mut self) {
        self.kept.remember(&self.job, &self.run.flags, &self.run.equipment);
        self.journal.set_settings(self.kept.write());
    }

    /// Gives the agent the next prompt that waits, if there is one: its item and its turn are recorded, the order follows.
    fn next_prompt(&mut self) -> bool {
        while let Some(Waiting { origin, ask, attachments: read }) = self.queue.pop_front() {
            let attachments = match read {
                Some(read) => Ok(read),
                None => attachments(&ask.attach, Path::new(&self.job.cwd), self.run.agent.card()),
            };
            let attachments = match attachments {
                Ok(attachments) => attachments,
                Err(failure) => {
                    self.settle(origin, Err(refusal(failure.code, failure.message)));
                    continue;
                }
            };
            let first = ask.text.split_whitespace().next().unwrap_or_default();
            let command = first.strip_prefix('/').is_some_and(|word| self.run.agent.commands().contains(&word));
            let cause = if command { Cause::Command } else { Cause::Prompt };
            let prompt = Prompt { text: ask.text, attachments, steer: false };
            let item = PromptItem { id: ask.id, user: ask.user, content: prompt_parts(&prompt) };
            let sequence = self.journal.next();
            let prompt_id = self.course.prompt(item, cause, clock::now_ms());
            self.record(None);
            let turn_id = self.course.open_turn().map(str::to_owned);
            let reply = Reply { sequence: Some(sequence), prompt_id: Some(prompt_id), turn_id, error: None };
            self.settle(origin, Ok(reply));
            self.order(Order::Prompt(prompt));
            let now = Instant::now();
            self.clocks.wall = self.run.limits.timeout.map(|limit| now + limit);
            self.clocks.idle = self.run.limits.idle_timeout.map(|limit| now + limit);
            self.clocks.linger = None;
            return true;
        }
        false
    }

    fn fail_to_start(&mut self, error: &Error) {
        let message = format!("failed to {}", chain(error));
        let exit_code = match error {
            Error::Host(host::Error::NotFound { .. }) => Some(127),
            Error::Host(host::Error::NotExecutable { .. }) => Some(126),
            Error::Host(
                host::Error::Directory { .. }
                | host::Error::Ourselves { .. }
                | host::Error::File { .. }
                | host::Error::NoPlace { .. }
                | host::Error::System { .. },
            )
            | Error::Store(_)
            | Error::File { .. }
            | Error::Busy { .. }
            | Error::NoSession(_)
            | Error::Ended(_)
            | Error::Event { .. }
            | Error::OffsetBeyondEnd { .. }
            | Error::Process(_) => None,
        };
        let cut = match exit_code {
            Some(exit_code) => Cut::NotStarted(Fault::new(ErrorCode::NotInstalled, message), exit_code),
            None => Cut::Fault(Fault::new(ErrorCode::Crash, message)),
        };
        self.cut(cut);
        self.end_turn(None, false);
    }

    /// The loop.
    async fn follow(&mut self, peer: &mut Peer, signals: &mut Signals, sources: &mut Sources) -> Result<(), Error> {
        let mut reader_gone = std::pin::pin!(host::bell::reader_gone(self.stdout()?));
        let mut heard = Instant::now();
        let mut breath = Duration::ZERO;
        loop {
            self.flush(Some(peer))?;
            if self.over {
                return Ok(());
            }
            if !self.course.in_turn() {
                if self.next_prompt() {
                    self.carry_out();
                    continue;
                }
                if self.may_leave() && self.leave()? {
                    return Ok(());
                }
            }
            let wake = self.next_wake();
            if wake.is_some_and(|at| at <= Instant::now()) {
                // Here, and not where its timer fires: that is only polled when nothing else is ready, whatever the agent says.
                self.tick();
                continue;
            }
            let asking = self.terminal.is_some() && !self.asks.is_empty();
            // In no order of preference: an agent that never stops to speak must not hide what people want of it.
            tokio::select! {
                caught = signals.next() => self.caught(caught),
                word = peer.next() => match word {
                    Word::Lines => {
                        self.heard(peer)?;
                        let before = std::mem::replace(&mut heard, Instant::now());
                        let flood = heard - before < FLOOD * self.small_batch();
                        // What comes in small pieces would be held up by a long one.
                        let most = BREATH[usize::from(!peer.serves())];
                        breath = if flood { (2 * breath).clamp(BREATH[0], most) } else { Duration::ZERO };
                        self.flush(Some(peer))?;
                        // All of the thread: the runtime would be woken by each delta that the agent writes meanwhile.
                        std::thread::sleep(breath);
                        self.clocks.idle = self.run.limits.idle_timeout.map(|limit| Instant::now() + limit);
                    }
                    Word::Answer(answer) => self.replied(&answer),
                    Word::Lost => self.step(Input::StreamLost, None),
                    Word::Aside(text) => self.aside(&text),
                    Word::Exited(exit) => self.exited(&exit),
                },
                () = &mut reader_gone, if !self.reader_gone => self.reader_left(),
                _ = sources.inbox.rung() => self.look()?,
                line = next_line(&mut sources.lines) => self.read(line, sources),
                line = line_of(&mut self.terminal), if asking => self.answered(line),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// How many deltas wait, where nothing else does and they are not worth a commit yet; else 0.
    fn small_batch(&self) -> u32 {
        let small = self.journal.holds_deltas_only() && self.journal.waiting_bytes() < ENOUGH;
        if small { self.journal.waiting() } else { 0 }
    }

    fn stdout(&self) -> Result<OwnedFd, Error> {
        let path = PathBuf::from("stdout");
        self.run.stdout.try_clone().map_err(|source| Error::File { doing: "watch", path, source })
    }

    fn reader_left(&mut self) {
        self.reader_gone = true;
        self.leaving = true;
        self.cancel(Cut::Cancelled(141), CANCEL);
    }

    /// Whether nothing is left to do. An owner that lingers begins to do so now.
    fn may_leave(&mut self) -> bool {
        if !self.queue.is_empty() || self.course.in_turn() || self.course.awaits_report() {
            return false;
        }
        match self.run.stay {
            Stay::Turn => false,
            Stay::Input => self.finishing,
            Stay::Linger(_) if self.finishing => true,
            Stay::Linger(time) => {
                let now = Instant::now();
                *self.clocks.linger.get_or_insert(now + time) <= now
            }
        }
    }

    /// Gives the session up, unless somebody has posted a prompt. Returns whether it did.
    fn leave(&mut self) -> Result<bool, Error> {
        self.left = self.journal.close(true)? == 0;
        if !self.left {
            self.look()?;
        }
        Ok(self.left)
    }

    /// Notes whether we wait for work, for the next commit. Who is about to leave does not.
    fn note_whether_idle(&mut self) {
        if self.idle && !self.queue.is_empty() && !self.course.in_turn() && !self.over {
            // The prompt that waits is given next, and what it brings is committed with this.
            return;
        }
        let free = !self.course.in_turn() && self.queue.is_empty();
        let idle = self.run.stay != Stay::Turn && free && !self.over && !self.left && !self.may_leave();
        if idle != self.idle {
            self.journal.set_idle(idle);
            self.idle = idle;
        }
    }

    /// Whether this owner goes on after the turn that ends now.
    fn staying(&self) -> bool {
        let stays = match self.run.stay {
            Stay::Turn => false,
            Stay::Linger(time) => !self.queue.is_empty() || !time.is_zero() && !self.finishing,
            Stay::Input => !self.queue.is_empty() || !self.finishing,
        };
        stays && !self.leaving && !self.over
    }

    fn caught(&mut self, caught: Caught) {
        let (exit_code, patience) = match caught {
            Caught::Interrupt => (130, CANCEL),
            Caught::Terminate => (143, CANCEL_SOON),
            Caught::HangUp => (129, CANCEL_SOON),
            Caught::Suspend => {
                host::signals::stop_self();
                return;
            }
        };
        if self.signal.is_some() {
            self.hurry = true;
            self.over = true;
            self.end_turn(None, false);
            return;
        }
        self.signal = Some(caught);
        self.leaving = true;
        self.give_up_queue();
        if self.course.in_turn() {
            log::warn!("cancelling the turn; a second signal ends it at once");
        }
        self.cancel(Cut::Cancelled(exit_code), patience);
    }

    /// Asks the agent to end its turn, and remembers why and until when.
    fn cancel(&mut self, cut: Cut, patience: Duration) {
        if !self.course.in_turn() {
            self.over |= self.leaving;
            return;
        }
        self.cut(cut);
        if self.clocks.grace.is_none() {
            self.clocks.grace = Some(Instant::now() + patience);
            self.order(Order::Cancel);
            self.carry_out();
        }
    }

    fn cut(&mut self, cut: Cut) {
        self.course.cut_turn(cut);
    }

    /// `goes_on`: the agent has begun another turn by itself.
    fn end_turn(&mut self, verdict: Option<Verdict>, goes_on: bool) {
        if let Some(verdict) = &verdict {
            self.spent += verdict.cost.map_or(0.0, |cost| cost.usd);
            if let Some(limit) = self.run.limits.max_cost
                && self.spent > limit
            {
                let message = format!("this run cost {:.4} US dollars, more than --max-cost {limit}", self.spent);
                self.cut(Cut::Limit(ErrorCode::MaxCost, message));
            }
            if verdict.totals.is_some() {
                self.kept.totals.clone_from(&verdict.totals);
                self.journal.set_settings(self.kept.write());
            }
        }
        self.held = None;
        let staying = self.staying();
        let Some(ended) = self.course.end_turn(verdict, goes_on || staying, clock::now_ms()) else { return };
        self.record(None);
        self.clocks.grace = None;
        self.clocks.wall = None;
        self.clocks.linger = None;
        self.asks.clear();
        self.permits.clear();
        self.expiries.clear();
        // A prompt that was on its way into this turn waits for the next one.
        for (_, waiting) in std::mem::take(&mut self.steering).into_iter().rev() {
            if self.run.stay != Stay::Turn {
                self.queue.push_front(waiting);
            }
        }
        // An owner that lingers, or that reads its stdin, looks for work before it lets its agent go.
        self.over |= self.leaving || self.run.stay == Stay::Turn && !(goes_on && ended.outcome == Outcome::Ok);
        self.ended = Some(ended);
    }

    /// The agent's turn is over. While a sub-agent of it is still to report the run goes on, and its last line is to be
    /// the turn's end: so the verdict waits for the report.
    fn turn_over(&mut self, verdict: Verdict) {
        // (A second verdict on the same turn replaces the first: only then everything is counted.)
        if verdict.stop == Stop::Done && self.course.cut().is_none() && self.course.awaits_report() && !self.staying() {
            self.held = Some(verdict);
        } else {
            self.end_turn(Some(verdict), false);
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let idle = if self.course.in_turn() && !self.course.is_busy() { self.clocks.idle } else { None };
        let timers = self.timers.iter().map(|(_, at)| *at).chain(self.expiries.iter().map(|(_, at)| *at));
        // Who works does not linger, not even where the agent works by itself.
        let works = self.course.in_turn() || self.course.awaits_report() || !self.queue.is_empty();
        let linger = self.clocks.linger.filter(|_| !works);
        let clocks = [self.clocks.wall, idle, self.clocks.grace, linger, self.journal.wake()];
        clocks.into_iter().flatten().chain(timers).min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.journal.release(now);
        let due = |clock: Option<Instant>| clock.is_some_and(|at| at <= now);
        while let Some(at) = self.timers.iter().position(|(_, at)| *at <= now) {
            let (timer, _) = self.timers.remove(at);
            self.step(Input::Woke(timer), None);
        }
        while let Some(at) = self.expiries.iter().position(|(_, at)| *at <= now) {
            let (key, _) = self.expiries.remove(at);
            self.expire(key);
        }
        self.carry_out();
        if due(self.clocks.grace) {
            // The agent did not end its turn: it is ended with its process.
            self.over = true;
            self.end_turn(None, false);
        } else if due(self.clocks.wall) {
            self.clocks.wall = None;
            let message =
                format!("the turn took longer than --timeout {:?}", self.run.limits.timeout.unwrap_or_default());
            self.cancel(Cut::Timeout("timeout", message), CANCEL);
        } else if due(self.clocks.idle) && !self.course.is_busy() {
            self.clocks.idle = None;
            let limit = self.run.limits.idle_timeout.unwrap_or_default();
            let message = format!("{} was silent for {limit:?}, no tool running (--idle-timeout)", self.agent);
            self.cancel(Cut::Timeout("idle_timeout", message), CANCEL);
        }
    }

    /// Stores what waits, shows it, and only then tells the agent what follows from it.
    fn flush(&mut self, peer: Option<&mut Peer>) -> Result<(), Error> {
        self.note_whether_idle();
        if let Some(mut lines) = self.journal.commit()? {
            // The last line that is shown is to be a turn's end (SPEC, I10), and this end may have been the last.
            if self.run.stay == Stay::Input && !self.course.in_turn() {
                lines.without_asides();
            }
            if !lines.marks.is_empty() {
                self.screen.show(lines);
            }
            host::step::reached("shown");
        }
        if let Some(peer) = peer {
            for say in self.says.drain(..) {
                match say {
                    Say::Line(line) => {
                        if let Some(trace) = &mut self.trace {
                            trace.write("in", &line);
                        }
                        peer.unit.say(&line);
                    }
                    Say::Ask(ask) => {
                        if let Some(trace) = &mut self.trace {
                            let (method, path) = (ask.method.as_str(), &ask.path);
                            trace.write("in", &format!("{} {method} {path} {}", ask.tag.0, ask.body));
                        }
                        peer.ask(&ask);
                    }
                }
                host::step::reached("said");
            }
        }
        Ok(())
    }

    /// Ends the agent and everything below it.
    async fn finish(&mut self, mut unit: Unit, signals: &mut Signals, failed: bool) {
        if failed || self.hurry || self.kill {
            unit.kill().await;
            return;
        }
        let impatient = {
            let mut stop = std::pin::pin!(unit.stop());
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stop => break false,
                    caught = signals.next() => match caught {
                        Caught::Suspend => host::signals::stop_self(),
                        Caught::Interrupt | Caught::Terminate | Caught::HangUp => {
                            if self.signal.is_some() {
                                break true;
                            }
                            // The turn has ended already: what it became stays, and the agent is ended anyway.
                            self.signal = Some(caught);
                            // Whoever lingers, or reads its stdin, starts no other one either.
                            self.leaving = true;
                        }
                    },
                }
            }
        };
        if impatient {
            unit.kill().await;
        }
    }

    fn end(self, waiting: bool) -> Result<RunEnd, Error> {
        // Without a turn nothing failed: there was nothing to do, or it was taken back.
        let ended = self.ended.unwrap_or(Ended { outcome: Outcome::Ok, exit_code: 0 });
        let cancelled = ended.outcome == Outcome::Cancelled;
        Ok(RunEnd {
            outcome: ended.outcome,
            exit_code: ended.exit_code,
            signal: self.signal.filter(|_| cancelled),
            reader_gone: self.reader_gone && cancelled,
            denied_unasked: self.denied_unasked,
            last_sequence: self.journal.session().last_sequence,
            waiting,
        })
    }
}

async fn next_line(lines: &mut Option<Receiver<InputLine>>) -> Option<InputLine> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// Prompts that no agent will get.
pub(crate) fn not_delivered(ids: &[String]) -> Fault {
    let message =
        format!("the session's owner ended before it gave the agent what waited: {}; send it again", ids.join(", "));
    let details = Some(serde_json::json!({ "prompt_ids": ids }));
    Fault { details, ..Fault::new(ErrorCode::NotDelivered, message) }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// An error with its causes, as one fragment.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        let more = below.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = below.source();
    }
    text
}

/// The text and attachments of a prompt as the parts of its item.
pub fn prompt_parts(prompt: &Prompt) -> Vec<ContentPart> {
    let text = ContentPart::Text { text: prompt.text.clone() };
    let files = prompt.attachments.iter().map(|file| {
        if file.mime.starts_with("image/") {
            ContentPart::Image { path: Some(file.path.clone()), url: None, mime: Some(file.mime.clone()) }
        } else {
            ContentPart::FileRef {
                path: file.path.clone(),
                action: schema::item::FileAction::Read,
                from: None,
                diff: None,
            }
        }
    });
    std::iter::once(text).chain(files).collect()
}
