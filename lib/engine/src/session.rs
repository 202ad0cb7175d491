//! One session under its owner: agent, signals, clock and reader in; dialect, course, journal, screen, agent out.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agents::agent::{Agent, Job, Launch, Resume};
use agents::dialect::{
    Attachment, Decision, Dialect, Effect, Exit, Fault, Input, Order, OrderId, Permit, Prompt, RequestKey, Setting,
    Status, Stop, Tag, Timer, Verdict,
};
use host::bell::Watch;
use host::http;
use host::input::InputLine;
use host::signals::{Caught, Signals};
use host::tty::Terminal;
use host::{Line, Spec, Unit, clock};
use schema::control::{Answer, Ask, Control, Refusal, Reply, Set};
use schema::event::{Body, Cause, PermissionMode, SessionStarted, Unparsed};
use schema::item::{ContentPart, StatusLabel};
use schema::outcome::{ErrorCode, Outcome};
use schema::request::ResolvedBy;
use sha2::{Digest, Sha256};
use store::RequestState;
use tokio::sync::mpsc::Receiver;

use crate::answer::{self, refusal};
use crate::ask;
use crate::attach::attachments;
use crate::error::Error;
use crate::journal::{Journal, Lines};
use crate::kept::{Equipment, Kept};
use crate::owner::{MARK, Owned};
use crate::peer::{Peer, Word};
use crate::places::Places;
use crate::policy::{Grant, OnAsk, Policy, Ruling};
use crate::turn::{By, Course, Cut, Ended, Note, PromptItem, describe_exit};

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
    /// Takes lines; never waits, never fails.
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

fn spec(run: &Run, job: &Job, launch: Launch, session: &store::Session) -> Spec {
    let mut env: Vec<(OsString, OsString)> = run.env.clone();
    env.retain(|(name, _)| !launch.unset.iter().any(|gone| name == gone.as_str()));
    let ours = [("SANDBOX_AGENT_SESSION", session.session_id.clone()), (MARK, session.uid.clone())];
    let added = launch.env.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(ours);
    for (name, value) in added {
        env.retain(|(other, _)| other != name);
        env.push((name.into(), value.into()));
    }
    Spec {
        program: run.program.clone(),
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
            self.recorded();
            return self.flush(None);
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
        let spec = spec(&self.run, &self.job, launch, self.journal.session());
        let result = match laid_out.and_then(|()| Ok(Unit::spawn(&spec, lock)?)) {
            Ok(unit) => {
                let mut peer = Peer::new(unit, wire);
                self.step(Input::Opened, None);
                let result = self.follow(&mut peer, signals, sources).await;
                if self.run.stay == Stay::Turn && result.is_ok() && !self.course.in_turn() {
                    // From here on we are closing: whoever wants the session waits for us.
                    self.journal.close(false)?;
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
            self.say_whether_idle()?;
            let stdout = self.stdout()?;
            tokio::select! {
                biased;
                caught = signals.next() => self.caught(caught),
                () = host::bell::reader_gone(stdout), if !self.reader_gone => self.reader_left(),
                _ = sources.inbox.rung() => self.look()?,
                line = next_line(&mut sources.lines) => self.read(line, sources),
                () = sleep_until(self.clocks.linger) => {}
            }
            self.flush(None)?;
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
        self.kept.model.clone_from(&self.job.model);
        self.kept.mode.clone_from(&self.job.mode);
        self.kept.effort.clone_from(&self.job.effort);
        self.kept.flags.clone_from(&self.run.flags);
        self.kept.equipment.clone_from(&self.run.equipment);
        self.journal.set_settings(self.kept.write());
        self.next_prompt();
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
            self.say_whether_idle()?;
            let wake = self.next_wake();
            let asking = self.terminal.is_some() && !self.asks.is_empty();
            tokio::select! {
                biased;
                caught = signals.next() => self.caught(caught),
                word = peer.next() => match word {
                    Word::Lines => {
                        self.heard(peer)?;
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
                line = answer(&mut self.terminal), if asking => self.answered(line),
                () = sleep_until(wake) => self.tick(),
            }
        }
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

    fn say_whether_idle(&mut self) -> Result<(), Error> {
        let idle = self.run.stay != Stay::Turn && !self.course.in_turn() && self.queue.is_empty();
        if idle != self.idle {
            self.journal.set_idle(idle)?;
            self.idle = idle;
        }
        Ok(())
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

    /// Takes what was posted since the last look.
    fn look(&mut self) -> Result<(), Error> {
        let no = self.journal.session().no;
        for posted in self.journal.store().posted(no, self.seen)? {
            self.seen = posted.id;
            let origin = Origin::Row(posted.id);
            match serde_json::from_str::<Control>(&posted.body) {
                Ok(control) => self.control(origin, control),
                Err(error) => {
                    let message = format!("failed to read the request: {error}");
                    self.settle(origin, Err(refusal(ErrorCode::BadInput, message)));
                }
            }
        }
        self.carry_out();
        Ok(())
    }

    /// A line of our stdin, or its end.
    fn read(&mut self, line: Option<InputLine>, sources: &mut Sources) {
        let bad = |why: String| Err(refusal(ErrorCode::BadInput, format!("failed to read a line of stdin: {why}")));
        match line {
            None => {
                sources.lines = None;
                self.finishing = true;
            }
            Some(InputLine::Bad(why)) => self.settle(Origin::Line, bad(why)),
            Some(InputLine::Text(text)) if text.trim().is_empty() => {}
            Some(InputLine::Text(text)) => match serde_json::from_str::<Control>(&text) {
                Ok(control) => self.control(Origin::Line, control),
                Err(error) => self.settle(Origin::Line, bad(error.to_string())),
            },
        }
        self.carry_out();
    }

    /// Carries out what somebody wants.
    fn control(&mut self, origin: Origin, control: Control) {
        match control {
            Control::Prompt(ask) => self.prompt(origin, ask),
            Control::Answer(answer) => {
                let settled = self.answer(&answer);
                self.settle(origin, settled);
                self.show_ask();
            }
            Control::Cancel(how) => {
                let turn_id = self.course.open_turn().map(str::to_owned);
                let running = turn_id.is_some();
                self.settle(origin, Ok(Reply { turn_id, ..Reply::default() }));
                if running && how.kill {
                    self.kill = true;
                    self.cut(Cut::Cancelled(130));
                    self.over = true;
                    self.end_turn(None, false);
                } else if running {
                    self.cancel(Cut::Cancelled(130), CANCEL);
                }
            }
            Control::Set(set) => self.set(origin, set),
            Control::Withdraw(withdraw) => {
                let row = Origin::Row(withdraw.request);
                let found = self.queue.iter().position(|waiting| waiting.origin == row);
                if let Some(at) = found {
                    self.queue.remove(at);
                }
                // A foreground owner keeps no queue: what it has not settled waits.
                if found.is_some() || self.run.stay == Stay::Turn {
                    self.journal.settle(withdraw.request, RequestState::Withdrawn, &Reply::default());
                }
                self.settle(origin, Ok(Reply::default()));
            }
            Control::End(_) => {
                self.finishing = true;
                self.settle(origin, Ok(Reply::default()));
            }
        }
    }

    fn prompt(&mut self, origin: Origin, ask: Ask) {
        if ask.text.trim().is_empty() {
            return self.settle(origin, Err(refusal(ErrorCode::BadInput, "failed to use the prompt: it is empty")));
        }
        let card = self.run.agent.card();
        if ask.steer && !card.can.steer {
            let message = format!("failed to steer: {} takes no prompt in a running turn; send it without", card.name);
            return self.settle(origin, Err(refusal(ErrorCode::Usage, message)));
        }
        if ask.steer && self.course.in_turn() && self.held.is_none() && !self.over {
            return match attachments(&ask.attach, Path::new(&self.job.cwd), card) {
                Ok(attachments) => self.steer(Waiting { origin, ask, attachments: Some(attachments) }),
                Err(failure) => self.settle(origin, Err(refusal(failure.code, failure.message))),
            };
        }
        // Who only came for one turn leaves the prompts of others to the owner after it.
        if self.run.stay != Stay::Turn {
            self.queue.push_back(Waiting { origin, ask, attachments: None });
        }
    }

    fn steer(&mut self, waiting: Waiting) {
        let attachments = waiting.attachments.clone().unwrap_or_default();
        let order = self.order(Order::Prompt(Prompt { text: waiting.ask.text.clone(), attachments, steer: true }));
        self.steering.push((order, waiting));
    }

    /// A prompt on its way into the turn has reached the agent.
    fn steered(&mut self, Waiting { origin, ask, attachments }: Waiting) {
        let prompt = Prompt { text: ask.text, attachments: attachments.unwrap_or_default(), steer: true };
        let item = PromptItem { id: ask.id, user: ask.user, content: prompt_parts(&prompt) };
        let sequence = self.journal.next();
        let prompt_id = self.course.steered(item);
        self.record(None);
        let turn_id = self.course.open_turn().map(str::to_owned);
        self.settle(origin, Ok(Reply { sequence: Some(sequence), prompt_id: Some(prompt_id), turn_id, error: None }));
    }

    /// Applies an answer to an open request.
    fn answer(&mut self, answer: &Answer) -> Result<Reply, Refusal> {
        let id = &answer.request_id;
        let Some((key, asked)) = self.course.find_request(id) else {
            return Err(refusal(ErrorCode::NotFound, format!("failed to answer `{id}`: nothing of this name is open")));
        };
        let card = self.run.agent.card();
        let reply = answer::understand(&asked, answer, card)?;
        let user = answer.user.clone();
        let sequence = self.journal.next();
        match reply {
            ask::Reply::Decide(decision) => {
                let message = match &decision {
                    Decision::Reject { message, .. } => message.clone(),
                    Decision::Accept { .. } | Decision::AcceptForSession => None,
                };
                self.decide(key, decision, ResolvedBy::User, By { user: user.clone(), ..By::default() });
                // Where the denial itself cannot carry the reason, it follows as a prompt into the running turn.
                if let Some(text) = message.filter(|_| !card.can.deny_message && card.can.steer) {
                    let ask = Ask { text, user, steer: true, ..Ask::default() };
                    self.steer(Waiting { origin: Origin::Us, ask, attachments: None });
                }
            }
            ask::Reply::Answer(answers) => self.reply(key, answers, user),
            ask::Reply::Refuse => self.refuse(key, ResolvedBy::User, user),
        }
        Ok(Reply { sequence: Some(sequence), ..Reply::default() })
    }

    fn reply(&mut self, key: RequestKey, answers: Vec<Vec<String>>, user: Option<String>) {
        if self.course.answer(key, &answers, ResolvedBy::User, user) {
            self.record(None);
            self.order(Order::Answer(key, answers));
        }
    }

    fn set(&mut self, origin: Origin, set: Set) {
        let card = self.run.agent.card();
        let refused = match set.permission_mode {
            Some(mode) if !card.permission_modes.contains(&mode) => {
                Some(format!("permission mode {}: {} cannot", mode.as_str(), card.name))
            }
            Some(mode) if mode != self.job.permission_mode && !self.asks_us() => Some(format!(
                "permission mode {}: the agent was started without asking us; begin a new run with it",
                mode.as_str()
            )),
            _ if set.model.is_some() && !card.can.model => Some(format!("a model: {} has none to choose", card.name)),
            _ if set.effort.is_some() && !card.can.effort => Some(format!("an effort: {} has none", card.name)),
            _ => match &set.mode {
                Some(mode) if !card.modes.is_empty() && !card.modes.contains(&mode.as_str()) => {
                    Some(format!("mode `{mode}`: {} has {}", card.name, card.modes.join(", ")))
                }
                Some(_) | None => None,
            },
        };
        if let Some(what) = refused {
            return self.settle(origin, Err(refusal(ErrorCode::Usage, format!("failed to set {what}"))));
        }
        if let Some(mode) = set.permission_mode {
            self.run.policy.mode = mode;
            let json = serde_json::json!({ "permission_mode": mode.as_str() });
            let status = Status { label: StatusLabel::SessionInfo, detail: None, json, parent: None };
            self.course.apply(Effect::Status(status), clock::now_ms());
            self.record(None);
        }
        let settings = [set.model.map(Setting::Model), set.mode.map(Setting::Mode), set.effort.map(Setting::Effort)];
        let settings: Vec<Setting> = settings.into_iter().flatten().collect();
        let Some(last) = settings.len().checked_sub(1) else { return self.settle(origin, Ok(Reply::default())) };
        for (at, setting) in settings.into_iter().enumerate() {
            // The last one's fate is the request's.
            let origin = if at == last { origin } else { Origin::Us };
            let order = self.order(Order::Set(setting.clone()));
            self.setting.push((order, origin, setting));
        }
    }

    /// Whether the agent was started so that it asks us.
    fn asks_us(&self) -> bool {
        self.job.must_ask || !matches!(self.job.permission_mode, PermissionMode::Auto | PermissionMode::Bypass)
    }

    /// Writes down what became of a request; whoever wrote a line learns of a refusal by an event.
    fn settle(&mut self, origin: Origin, settled: Result<Reply, Refusal>) {
        match (origin, settled) {
            (Origin::Row(id), Ok(reply)) => self.journal.settle(id, RequestState::Done, &reply),
            (Origin::Row(id), Err(error)) => {
                self.journal.settle(id, RequestState::Refused, &Reply { error: Some(error), ..Reply::default() });
            }
            (Origin::Line, Err(error)) => {
                self.course.error(Fault::new(error.code, error.message), true, true);
                self.record(None);
            }
            (Origin::Us, Err(error)) => log::warn!("{}", error.message),
            (Origin::Us | Origin::Line, Ok(_)) => {}
        }
    }

    /// What still waits when this owner is told to end is not given to the agent, and that is said.
    fn give_up_queue(&mut self) {
        let mut ids = Vec::new();
        for Waiting { origin, ask, .. } in std::mem::take(&mut self.queue) {
            if let Origin::Row(id) = origin {
                self.journal.settle(id, RequestState::Lost, &Reply::default());
            }
            ids.push(ask.id.unwrap_or_else(|| "without an id".to_owned()));
        }
        if !ids.is_empty() {
            self.course.error(not_delivered(&ids), true, true);
            self.record(None);
        }
    }

    /// Everything the agent has said so far, in batches.
    fn heard(&mut self, peer: &mut Peer) -> Result<(), Error> {
        while !self.over {
            // The dialect borrows the line, and what it says goes to the agent after the commit.
            let Some(line) = peer.line() else { break };
            match line {
                Line::Whole(text) => {
                    if let Some(trace) = &mut self.trace {
                        trace.write("out", text);
                    }
                    self.step(Input::Line(text), Some(text));
                }
                Line::Lossy(text) => {
                    if let Some(trace) = &mut self.trace {
                        trace.write("out", &text);
                    }
                    self.unparsed("the line is not valid UTF-8".to_owned(), "stdout".to_owned(), Some(&text));
                    // What can be read of it is heard; that it is damaged has been said.
                    self.damaged = true;
                    self.step(Input::Line(&text), Some(&text));
                    self.damaged = false;
                }
                Line::Cut { head, tail, length, sha256 } => {
                    let raw = serde_json::json!({ "head": head, "tail": tail, "length": length }).to_string();
                    self.course.say_for_agent(Body::AgentUnparsed(Unparsed {
                        error: "the line is longer than 64 MiB".to_owned(),
                        location: "stdout".to_owned(),
                        raw_hash: sha256,
                    }));
                    self.record(Some(&raw));
                }
            }
            if self.journal.waiting_bytes() > BATCH {
                self.flush(None)?;
            }
        }
        Ok(())
    }

    fn replied(&mut self, answer: &http::Answer) {
        let http::Answer { tag, status, body } = answer;
        if let Some(trace) = &mut self.trace {
            trace.write("out", &format!("{tag} {status} {body}"));
        }
        self.step(Input::Reply { tag: Tag(*tag), status: *status, body }, Some(body));
    }

    /// One input to the dialect, and all that follows from it.
    fn step(&mut self, input: Input<'_>, raw: Option<&str>) {
        self.speak(input, raw);
        self.carry_out();
    }

    fn speak(&mut self, input: Input<'_>, raw: Option<&str>) {
        let mut effects = std::mem::take(&mut self.effects);
        self.dialect.step(input, &mut effects);
        let now = clock::now_ms();
        for effect in effects.drain(..) {
            // An owner that ends drops what comes after its last turn.
            if self.over {
                break;
            }
            if matches!(effect, Effect::TurnBegan(_)) && self.held.is_some() {
                let verdict = self.held.take();
                self.end_turn(verdict, true);
            }
            let note = self.course.apply(effect, now);
            self.record(raw);
            if let Some(note) = note {
                self.note(note, raw);
            }
        }
        self.effects = effects;
        if self.held.is_some() && !self.course.awaits_report() {
            let verdict = self.held.take();
            self.end_turn(verdict, false);
        }
    }

    /// Gives the dialect what was ordered meanwhile.
    fn carry_out(&mut self) {
        while let Some((id, order)) = self.orders.pop_front() {
            self.speak(Input::Order(id, &order), None);
        }
    }

    fn order(&mut self, order: Order) -> OrderId {
        self.ordered += 1;
        let id = OrderId(self.ordered);
        self.orders.push_back((id, order));
        id
    }

    /// Moves what the course said into the journal.
    fn record(&mut self, raw: Option<&str>) {
        let raw = raw.filter(|_| self.run.raw).map(payload);
        self.record_with(raw.as_deref());
    }

    fn record_with(&mut self, raw: Option<&str>) {
        for said in self.course.said() {
            self.journal.push(&said.body, said.synthetic, raw);
        }
    }

    fn note(&mut self, note: Note, raw: Option<&str>) {
        match note {
            Note::Say(line) => self.says.push(Say::Line(line)),
            Note::Ask(ask) => self.says.push(Say::Ask(ask)),
            Note::Native(id) => self.journal.set_native(id),
            Note::Permit(permit) => self.permission(*permit),
            Note::Question(key) => self.question(key),
            Note::Unparsed { .. } if self.damaged => {}
            Note::Unparsed { error, location } => self.unparsed(error, location, raw),
            Note::Taken(order) => self.taken(order),
            Note::Refused(order, fault) => self.refused(order, fault),
            Note::TurnOver(verdict) => self.turn_over(*verdict),
            Note::Wake(timer, after) => {
                self.timers.retain(|(other, _)| *other != timer);
                self.timers.push((timer, Instant::now() + after));
            }
            Note::End(fault) => {
                if let Some(fault) = fault {
                    self.cut(Cut::Fault(fault));
                }
                self.over = true;
                self.end_turn(None, false);
            }
        }
    }

    fn taken(&mut self, order: OrderId) {
        if let Some(at) = self.steering.iter().position(|(id, _)| *id == order) {
            let (_, waiting) = self.steering.remove(at);
            self.steered(waiting);
        } else if let Some(at) = self.setting.iter().position(|(id, ..)| *id == order) {
            let (_, origin, setting) = self.setting.remove(at);
            let (place, value) = match setting {
                Setting::Model(value) => (&mut self.job.model, value),
                Setting::Mode(value) => (&mut self.job.mode, value),
                Setting::Effort(value) => (&mut self.job.effort, value),
            };
            *place = Some(value);
            self.kept.model.clone_from(&self.job.model);
            self.kept.mode.clone_from(&self.job.mode);
            self.kept.effort.clone_from(&self.job.effort);
            self.journal.set_settings(self.kept.write());
            self.settle(origin, Ok(Reply::default()));
        }
    }

    fn refused(&mut self, order: OrderId, fault: Fault) {
        if let Some(at) = self.steering.iter().position(|(id, _)| *id == order) {
            // The turn was about to end, or cannot be steered: the prompt waits its turn.
            let (_, waiting) = self.steering.remove(at);
            if self.run.stay != Stay::Turn {
                self.queue.push_front(waiting);
            }
        } else if let Some(at) = self.setting.iter().position(|(id, ..)| *id == order) {
            let (_, origin, _) = self.setting.remove(at);
            self.settle(origin, Err(refusal(fault.code, fault.message)));
        } else {
            // The prompt of the open turn: nothing of it can come any more.
            self.cut(Cut::Fault(fault));
            self.end_turn(None, false);
        }
    }

    fn unparsed(&mut self, error: String, location: String, raw: Option<&str>) {
        let raw = raw.unwrap_or_default();
        let raw_hash = hex(&Sha256::digest(raw.as_bytes()));
        self.course.say_for_agent(Body::AgentUnparsed(Unparsed { error, location, raw_hash }));
        self.record_with(Some(&payload(raw)));
    }

    fn permission(&mut self, mut permit: Permit) {
        let cwd = Path::new(&self.job.cwd);
        for path in permit.paths.iter_mut().chain(permit.cwd.as_mut()) {
            *path = host::canonical::canonical(cwd, Path::new(path)).to_string_lossy().into_owned();
        }
        let key = permit.key;
        let by = |rule: String| By { rule: Some(rule), ..By::default() };
        match self.run.policy.decide(&permit) {
            Ruling::Accept(rule) => {
                self.decide(key, Decision::Accept { input: None }, ResolvedBy::Policy, by(rule));
            }
            Ruling::Reject { rule, .. } => {
                let message = Some(format!("denied by {rule}"));
                self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Policy, by(rule));
            }
            Ruling::Open => {
                self.permits.push(permit);
                match self.run.policy.on_ask {
                    OnAsk::Allow => {
                        let rule = by("on-ask allow".to_owned());
                        self.decide(key, Decision::Accept { input: None }, ResolvedBy::Policy, rule);
                    }
                    OnAsk::Deny => self.deny_unasked(key),
                    OnAsk::Fail => self.cancel(Cut::InputNeeded, CANCEL),
                    OnAsk::Prompt => self.ask(key),
                    OnAsk::Wait(time) => self.wait_for_answer(key, time),
                }
            }
        }
    }

    /// Leaves a request open for an answer from anywhere.
    fn wait_for_answer(&mut self, key: RequestKey, time: Option<Duration>) {
        if let Some(time) = time {
            self.expiries.push((key, Instant::now() + time));
        }
    }

    /// Nobody answered in time.
    fn expire(&mut self, key: RequestKey) {
        let Some(body) = self.course.open_request(key) else { return };
        if ask::is_question(&body) {
            self.refuse(key, ResolvedBy::Timeout, None);
        } else {
            let message = Some("nobody answered in time".to_owned());
            self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Timeout, By::default());
        }
    }

    fn question(&mut self, key: RequestKey) {
        match self.run.policy.on_ask {
            OnAsk::Allow | OnAsk::Deny => {
                self.denied_unasked += usize::from(self.run.policy.on_ask == OnAsk::Deny);
                self.refuse(key, ResolvedBy::Policy, None);
            }
            OnAsk::Fail => self.cancel(Cut::InputNeeded, CANCEL),
            OnAsk::Prompt => self.ask(key),
            OnAsk::Wait(time) => self.wait_for_answer(key, time),
        }
    }

    fn deny_unasked(&mut self, key: RequestKey) {
        self.denied_unasked += 1;
        let message = Some("nobody is here to be asked".to_owned());
        let by = By { rule: Some("on-ask deny".to_owned()), ..By::default() };
        self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Policy, by);
    }

    fn decide(&mut self, key: RequestKey, decision: Decision, resolved_by: ResolvedBy, mut by: By) {
        let permit = self.permits.iter().position(|permit| permit.key == key).map(|at| self.permits.swap_remove(at));
        // What is accepted for the session is ours to remember: agents would take it wider than it was meant.
        let order = match (&decision, permit) {
            (Decision::AcceptForSession, Some(permit)) => {
                let grant = Grant::of(&permit);
                by.scope = Some(grant.scope());
                self.run.policy.granted.push(grant);
                Decision::Accept { input: None }
            }
            (Decision::Accept { input }, _) => {
                by.input.clone_from(input);
                decision.clone()
            }
            (Decision::Reject { message, .. }, _) => {
                by.message.clone_from(message);
                decision.clone()
            }
            (Decision::AcceptForSession, None) => Decision::Accept { input: None },
        };
        if self.course.decide(key, &decision, resolved_by, by) {
            self.record(None);
            self.order(Order::Decide(key, order));
        }
    }

    fn refuse(&mut self, key: RequestKey, by: ResolvedBy, user: Option<String>) {
        if self.course.refuse(key, by, user) {
            self.record(None);
            self.order(Order::Refuse(key, None));
        }
    }

    /// Asks the person at the terminal; where there is none any more, the request is denied.
    fn ask(&mut self, key: RequestKey) {
        let Some(body) = self.course.open_request(key) else { return };
        if self.terminal.is_none()
            && let Some(terminal) = Terminal::open()
            && let Ok(Some(lock)) = terminal.prompt_lock(&self.run.prompt_locks)
        {
            self.terminal = Some((terminal, lock));
        }
        self.asks.push_back((key, body));
        if self.asks.len() == 1 || self.terminal.is_none() {
            self.show_ask();
        }
    }

    fn show_ask(&mut self) {
        while let Some((key, body)) = self.asks.front() {
            let key = *key;
            if !self.course.is_open(key) {
                self.asks.pop_front();
                continue;
            }
            if let Some((terminal, _)) = &mut self.terminal
                && terminal.foreground()
                && terminal.ask(&ask::words(body)).is_ok()
            {
                return;
            }
            let is_question = ask::is_question(body);
            self.asks.pop_front();
            if is_question {
                self.denied_unasked += 1;
                self.refuse(key, ResolvedBy::Policy, None);
            } else {
                self.deny_unasked(key);
            }
        }
    }

    /// A line came from the terminal, or its end.
    fn answered(&mut self, line: Option<String>) {
        let Some((key, body)) = self.asks.front() else { return };
        let key = *key;
        let understood = line.map(|line| ask::understand(body, &line));
        if matches!(understood, Some(Some(_))) {
            self.asks.pop_front();
        }
        match understood {
            // Asked again.
            Some(None) => {}
            Some(Some(ask::Reply::Decide(decision))) => self.decide(key, decision, ResolvedBy::User, By::default()),
            Some(Some(ask::Reply::Answer(answers))) => self.reply(key, answers, None),
            Some(Some(ask::Reply::Refuse)) => self.refuse(key, ResolvedBy::User, None),
            // The terminal has gone: nobody can be asked.
            None => self.terminal = None,
        }
        self.show_ask();
        self.carry_out();
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

    fn exited(&mut self, exit: &host::Exit) {
        let exit = Exit { code: exit.code, signal: exit.signal, stderr: exit.stderr.clone() };
        self.step(Input::Closed(&exit), None);
        self.over = true;
        if self.course.in_turn() {
            self.cut(Cut::Fault(Fault::new(ErrorCode::Crash, describe_exit(self.agent, &exit))));
            let verdict = self.course.cut().is_some().then(|| Verdict::new(Stop::Interrupted));
            self.end_turn(verdict, false);
        }
    }

    fn aside(&mut self, text: &str) {
        if let Some(trace) = &mut self.trace {
            for line in text.lines() {
                trace.write("err", line);
            }
        }
        for line in text.lines() {
            log::debug!("{} says: {}", self.agent, self.journal.masked(line));
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let idle = if self.course.in_turn() && !self.course.is_busy() { self.clocks.idle } else { None };
        let timers = self.timers.iter().map(|(_, at)| *at).chain(self.expiries.iter().map(|(_, at)| *at));
        let clocks = [self.clocks.wall, idle, self.clocks.grace, self.clocks.linger, self.journal.wake()];
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
        if let Some(lines) = self.journal.commit()? {
            self.screen.show(lines);
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

async fn answer(terminal: &mut Option<(Terminal, host::Lock)>) -> Option<String> {
    match terminal {
        Some((terminal, _)) => match terminal.line().await {
            Ok(line) => line,
            Err(error) => {
                log::warn!("the terminal cannot be read: {}", chain(&error));
                None
            }
        },
        None => None,
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

/// A line as `raw`: itself where it is JSON, else a JSON text; head, tail, length and hash where it is too long.
fn payload(line: &str) -> String {
    if line.len() > PAYLOAD {
        let mut head = PAYLOAD / 2;
        while !line.is_char_boundary(head) {
            head -= 1;
        }
        let mut tail = line.len() - PAYLOAD / 2;
        while !line.is_char_boundary(tail) {
            tail += 1;
        }
        let hash = hex(&Sha256::digest(line.as_bytes()));
        return serde_json::json!({
            "head": &line[..head], "tail": &line[tail..], "length": line.len(), "sha256": hash,
        })
        .to_string();
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(line) {
        // A raw line end inside JSON would break the line that carries it.
        Ok(_) if !line.contains(['\n', '\r']) => line.trim().to_owned(),
        Ok(_) | Err(_) => serde_json::Value::from(line).to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into memory cannot fail");
        text
    })
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

/// The native conversation, both ways, with the values of secret variables masked.
struct Trace {
    file: File,
    began: Instant,
    secrets: Vec<String>,
}

impl Trace {
    fn open(path: &Path, run: &Run) -> Result<Trace, Error> {
        let file = host::private::file(path)?;
        let secrets = run
            .env
            .iter()
            .filter(|(name, value)| {
                let name = name.to_string_lossy().to_ascii_uppercase();
                value.len() >= 8 && ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word))
            })
            .map(|(_, value)| value.to_string_lossy().into_owned())
            .chain(run.secrets.iter().filter(|secret| secret.len() >= 8).cloned())
            .collect();
        Ok(Trace { file, began: clock::monotonic(), secrets })
    }

    fn write(&mut self, dir: &str, line: &str) {
        let mut line = line.to_owned();
        for secret in &self.secrets {
            line = line.replace(secret.as_str(), "***");
        }
        let t_ms = self.began.elapsed().as_micros() as f64 / 1000.0;
        let row = serde_json::json!({ "dir": dir, "t_ms": t_ms, "line": line });
        // A trace is for debugging: a full disk must not end the run.
        if let Err(error) = writeln!(self.file, "{row}") {
            log::warn!("the trace is incomplete: {error}");
        }
    }
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
