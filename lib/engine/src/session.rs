//! One session under its owner: agent, signals, clock and reader in; dialect, course, journal, screen, agent out.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agents::agent::{Agent, Job, Launch, Resume, Wire};
use agents::dialect::{
    Ask, Decision, Dialect, Effect, Exit, Fault, Input, Order, OrderId, Permit, Prompt, RequestKey, Stop, Tag, Timer,
    Verdict,
};
use host::http::Answer;
use host::signals::{Caught, Signals};
use host::tty::Terminal;
use host::{Line, Spec, Unit, clock};
use schema::event::{Body, Cause, SessionStarted, Unparsed};
use schema::item::ContentPart;
use schema::outcome::{ErrorCode, Outcome};
use schema::request::ResolvedBy;
use sha2::{Digest, Sha256};

use crate::ask;
use crate::error::Error;
use crate::journal::{Journal, Lines};
use crate::kept::Kept;
use crate::owner::{MARK, Owned};
use crate::peer::{Peer, Word};
use crate::places::Places;
use crate::policy::{OnAsk, Policy, Ruling};
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
    /// The prompt as an item.
    pub item: PromptItem,
    /// The prompt as the agent gets it.
    pub prompt: Prompt,
    /// What decides permissions.
    pub policy: Policy,
    /// Our own deny rules are no reason for exit code 5.
    pub denied_ok: bool,
    /// When to end it.
    pub limits: Limits,
    /// The agent's environment, complete but for what names the session.
    pub env: Vec<(OsString, OsString)>,
    /// Store the agent's payloads.
    pub raw: bool,
    /// Where the native conversation is written, both ways.
    pub trace: Option<PathBuf>,
    /// Where the right to ask on a terminal is kept.
    pub prompt_locks: PathBuf,
    /// Our stdout: the turn is cancelled when its reader leaves.
    pub stdout: OwnedFd,
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
pub fn run(owned: Owned, run: Run, screen: &mut dyn Screen) -> Result<RunEnd, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|source| Error::File {
        doing: "start a runtime for",
        path: run.program.clone(),
        source,
    })?;
    let Owned { journal, lock } = owned;
    let trace = match &run.trace {
        Some(path) => Some(Trace::open(path, &run.env)?),
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
    let job = Job { resume, folder, secret: host::secret::new()?, ..run.job.clone() };
    let launch = run.agent.launch(&job);
    let wire = launch.wire.clone();
    let files = Files { places, uid, files: launch.files.clone() };
    let spec = spec(&run, &job, launch, journal.session());
    let mut conductor = Conductor {
        dialect: run.agent.dialect(&job),
        agent: run.agent.card().title,
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
    let outcome = runtime.block_on(conductor.conduct(&spec, wire, &files, &lock));
    files.remove();
    // What is below the guard is dead by now, whatever happened; the row says so before the lock is free.
    let left = conductor.journal.leave();
    drop(lock);
    outcome?;
    left?;
    conductor.end()
}

/// What is laid out for the agent while it runs.
struct Files {
    places: Places,
    uid: String,
    files: Vec<agents::agent::File>,
}

impl Files {
    fn lay_out(&self) -> Result<(), Error> {
        if self.files.is_empty() { Ok(()) } else { self.places.lay_out(&self.uid, &self.files) }
    }

    fn remove(&self) {
        if !self.files.is_empty() {
            self.places.clear(&self.uid);
        }
    }
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
    /// The owner ends: what comes now is dropped.
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
    Ask(Ask),
}

#[derive(Default)]
struct Clocks {
    wall: Option<Instant>,
    idle: Option<Instant>,
    /// When a cancelled turn is ended without the agent's word.
    grace: Option<Instant>,
}

impl Conductor<'_> {
    async fn conduct(&mut self, spec: &Spec, wire: Wire, files: &Files, lock: &host::Lock) -> Result<(), Error> {
        let mut signals = Signals::new()?;
        self.begin();
        // The prompt is stored before anything is started: a turn follows whatever happens.
        self.flush(None)?;
        let started = files.lay_out().and_then(|()| Ok(Unit::spawn(spec, lock)?));
        let mut peer = match started {
            Ok(unit) => Peer::new(unit, wire),
            Err(error) => {
                self.fail_to_start(&error);
                return self.flush(None);
            }
        };
        let now = Instant::now();
        self.clocks.wall = self.run.limits.timeout.map(|limit| now + limit);
        self.step(Input::Opened, None);
        let prompt = std::mem::take(&mut self.run.prompt);
        self.order(Order::Prompt(prompt));
        self.carry_out();
        let result = self.follow(&mut peer, &mut signals).await;
        self.finish(peer.unit, &mut signals, result.is_err()).await;
        result?;
        self.course.close();
        self.record(None);
        self.flush(None)
    }

    /// `session.started`, the prompt, its turn.
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
        let first = self.run.prompt.text.split_whitespace().next().unwrap_or_default();
        let command = first.strip_prefix('/').is_some_and(|word| self.run.agent.commands().contains(&word));
        let cause = if command { Cause::Command } else { Cause::Prompt };
        let item = std::mem::take(&mut self.run.item);
        self.course.prompt(item, cause, clock::now_ms());
        self.kept.model.clone_from(&self.job.model);
        self.kept.mode.clone_from(&self.job.mode);
        self.kept.effort.clone_from(&self.job.effort);
        self.journal.set_settings(self.kept.write());
        self.record(None);
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
    async fn follow(&mut self, peer: &mut Peer, signals: &mut Signals) -> Result<(), Error> {
        let stdout = self.run.stdout.try_clone().map_err(|source| Error::File {
            doing: "watch",
            path: PathBuf::from("stdout"),
            source,
        })?;
        let mut reader_gone = std::pin::pin!(host::bell::reader_gone(stdout));
        self.clocks.idle = self.run.limits.idle_timeout.map(|limit| Instant::now() + limit);
        loop {
            self.flush(Some(peer))?;
            if self.over {
                return Ok(());
            }
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
                () = &mut reader_gone, if !self.reader_gone => {
                    self.reader_gone = true;
                    self.cancel(Cut::Cancelled(141), CANCEL);
                }
                line = answer(&mut self.terminal), if asking => self.answered(line),
                () = sleep_until(wake) => self.tick(),
            }
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

    fn replied(&mut self, answer: &Answer) {
        let Answer { tag, status, body } = answer;
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

    fn order(&mut self, order: Order) {
        self.ordered += 1;
        self.orders.push_back((OrderId(self.ordered), order));
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
            Note::Taken(_) => {}
            Note::Refused(_, fault) => {
                // The prompt of this run: nothing of it can come any more.
                self.cut(Cut::Fault(fault));
                self.end_turn(None, false);
            }
            Note::TurnOver(verdict) => self.turn_over(*verdict),
            Note::Wake(timer, after) => {
                self.timers.retain(|(other, _)| *other != timer);
                self.timers.push((timer, Instant::now() + after));
            }
            Note::End(fault) => {
                if let Some(fault) = fault {
                    self.cut(Cut::Fault(fault));
                }
                self.end_turn(None, false);
                self.over = true;
            }
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
        match self.run.policy.decide(&permit) {
            Ruling::Accept(rule) => {
                self.decide(permit.key, Decision::Accept { input: None }, ResolvedBy::Policy, Some(rule));
            }
            Ruling::Reject { rule, .. } => {
                let message = Some(format!("denied by {rule}"));
                self.decide(permit.key, Decision::Reject { message, stop: false }, ResolvedBy::Policy, Some(rule));
            }
            Ruling::Open => match self.run.policy.on_ask {
                OnAsk::Allow => {
                    let rule = Some("on-ask allow".to_owned());
                    self.decide(permit.key, Decision::Accept { input: None }, ResolvedBy::Policy, rule);
                }
                OnAsk::Deny => self.deny_unasked(permit.key),
                OnAsk::Fail => self.cancel(Cut::InputNeeded, CANCEL),
                OnAsk::Prompt => self.ask(permit.key),
            },
        }
    }

    fn question(&mut self, key: RequestKey) {
        match self.run.policy.on_ask {
            OnAsk::Allow | OnAsk::Deny => {
                self.denied_unasked += usize::from(self.run.policy.on_ask == OnAsk::Deny);
                self.refuse(key, ResolvedBy::Policy);
            }
            OnAsk::Fail => self.cancel(Cut::InputNeeded, CANCEL),
            OnAsk::Prompt => self.ask(key),
        }
    }

    fn deny_unasked(&mut self, key: RequestKey) {
        self.denied_unasked += 1;
        let message = Some("nobody is here to be asked".to_owned());
        let rule = Some("on-ask deny".to_owned());
        self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Policy, rule);
    }

    fn decide(&mut self, key: RequestKey, decision: Decision, by: ResolvedBy, rule: Option<String>) {
        let message = match &decision {
            Decision::Reject { message, .. } => message.clone(),
            Decision::Accept { .. } | Decision::AcceptForSession => None,
        };
        if self.course.decide(key, &decision, by, By { rule, message, ..By::default() }) {
            self.record(None);
            self.order(Order::Decide(key, decision));
        }
    }

    fn refuse(&mut self, key: RequestKey, by: ResolvedBy) {
        if self.course.refuse(key, by, None) {
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
                self.refuse(key, ResolvedBy::Policy);
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
            Some(Some(ask::Reply::Decide(decision))) => self.decide(key, decision, ResolvedBy::User, None),
            Some(Some(ask::Reply::Answer(answers))) => {
                if self.course.answer(key, &answers, ResolvedBy::User, None) {
                    self.record(None);
                    self.order(Order::Answer(key, answers));
                }
            }
            Some(Some(ask::Reply::Refuse)) => self.refuse(key, ResolvedBy::User),
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
            self.end_turn(None, false);
            self.over = true;
            return;
        }
        self.signal = Some(caught);
        log::warn!("cancelling the turn; a second signal ends it at once");
        self.cancel(Cut::Cancelled(exit_code), patience);
    }

    /// Asks the agent to end its turn, and remembers why and until when.
    fn cancel(&mut self, cut: Cut, patience: Duration) {
        if !self.course.in_turn() {
            self.over = true;
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
        let Some(ended) = self.course.end_turn(verdict, goes_on, clock::now_ms()) else { return };
        self.record(None);
        self.clocks.grace = None;
        self.asks.clear();
        self.over = !(goes_on && ended.outcome == Outcome::Ok);
        self.ended = Some(ended);
    }

    /// The agent's turn is over. While a sub-agent of it is still to report the run goes on, and its last line is to be
    /// the turn's end: so the verdict waits for the report.
    fn turn_over(&mut self, verdict: Verdict) {
        // (A second verdict on the same turn replaces the first: only then everything is counted.)
        if verdict.stop == Stop::Done && self.course.cut().is_none() && self.course.awaits_report() {
            self.held = Some(verdict);
        } else {
            self.end_turn(Some(verdict), false);
        }
    }

    fn exited(&mut self, exit: &host::Exit) {
        let exit = Exit { code: exit.code, signal: exit.signal, stderr: exit.stderr.clone() };
        self.step(Input::Closed(&exit), None);
        if self.course.in_turn() {
            self.cut(Cut::Fault(Fault::new(ErrorCode::Crash, describe_exit(self.agent, &exit))));
            let verdict = self.course.cut().is_some().then(|| Verdict::new(Stop::Interrupted));
            self.end_turn(verdict, false);
        }
        self.over = true;
    }

    fn aside(&mut self, text: &str) {
        if let Some(trace) = &mut self.trace {
            for line in text.lines() {
                trace.write("err", line);
            }
        }
        for line in text.lines() {
            log::debug!("{} says: {line}", self.agent);
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let idle = if self.course.in_turn() && !self.course.is_busy() { self.clocks.idle } else { None };
        let timers = self.timers.iter().map(|(_, at)| *at);
        [self.clocks.wall, idle, self.clocks.grace].into_iter().flatten().chain(timers).min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let due = |clock: Option<Instant>| clock.is_some_and(|at| at <= now);
        while let Some(at) = self.timers.iter().position(|(_, at)| *at <= now) {
            let (timer, _) = self.timers.remove(at);
            self.step(Input::Woke(timer), None);
        }
        if due(self.clocks.grace) {
            // The agent did not end its turn: it is ended with its process.
            self.end_turn(None, false);
            self.over = true;
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
        if failed || self.hurry {
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

    fn end(self) -> Result<RunEnd, Error> {
        let ended = self.ended.unwrap_or(Ended { outcome: Outcome::Failed, exit_code: 1 });
        let cancelled = ended.outcome == Outcome::Cancelled;
        Ok(RunEnd {
            outcome: ended.outcome,
            exit_code: ended.exit_code,
            signal: self.signal.filter(|_| cancelled),
            reader_gone: self.reader_gone && cancelled,
            denied_unasked: self.denied_unasked,
            last_sequence: self.journal.session().last_sequence,
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
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
    fn open(path: &Path, env: &[(OsString, OsString)]) -> Result<Trace, Error> {
        let file = host::private::file(path)?;
        let secrets = env
            .iter()
            .filter(|(name, value)| {
                let name = name.to_string_lossy().to_ascii_uppercase();
                value.len() >= 8 && ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word))
            })
            .map(|(_, value)| value.to_string_lossy().into_owned())
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
