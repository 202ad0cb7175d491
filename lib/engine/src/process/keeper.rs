//! The keeper: one background process for each managed one, which starts it, stores what it prints, starts it again, and
//! does what it is asked over its socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use host::bell::Bell;
use host::detach::Ready;
use host::env::Name;
use host::pty::Size;
use host::raw::{Ending, Input, News, Plumbing, Raw};
use host::signals::{Caught, Signals};
use host::{Lock, Signal, Source, clock};
use schema::ids;
use schema::process::{ExitData, LimitsBy, ProcessReason, RestartPolicy};
use store::{Access, Kind, NewProcess, Output, Process, ProcessState, Record, Store, Sync};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Kept;
use super::launch::{Launch, Ready as Prepared};
use super::screen::Screen;
use super::text::Cutter;
use super::wire::{self, Answer, Letter, Request};
use crate::error::Error;
use crate::{Failure, Places};

/// A keeper's own work: what its command line says.
pub struct Keep {
    /// The process's id.
    pub process_id: String,
    /// The store.
    pub store: PathBuf,
    /// What to keep; `None`: what the store says of an earlier time.
    pub new: Option<Kept>,
}

/// The variable by which what a process started is known, should keeper and guard die at once.
pub(crate) const MARK: &str = "SANDBOX_AGENT_PROCESS_UID";

/// A run shorter than this was a quick one, and the next restart waits longer.
const QUICK: Duration = Duration::from_secs(10);

/// The pause before the first restart after a quick run; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many pieces of output wait for somebody who is attached; he is cut off when there are more, and comes back by himself.
const MOST_WAITING: usize = 256;

/// After so long without output its file is closed: an idle keeper should cost nothing.
const IDLE: Duration = Duration::from_secs(2);

/// Between two attempts to store what could not be stored.
const AGAIN: Duration = Duration::from_millis(500);

/// How often that is tried after the end of the program.
const ATTEMPTS_AFTER_END: u32 = 120;

/// Keeps a process until it has ended for good. Says through `ready` that it runs, or why not.
///
/// # Errors
/// When the process could not be started (then nothing is left of it), or the store fails.
pub fn keep(order: &Keep, ready: Ready) -> Result<(), Error> {
    let result = super::runtime(&order.store).and_then(|runtime| {
        runtime
            .block_on(async {
                let mut keeper = Keeper::begin(order)?;
                let raw = keeper.first_start(order.new.is_some())?;
                Ok((keeper, raw))
            })
            .map(|(keeper, raw)| (runtime, keeper, raw))
    });
    match result {
        Ok((runtime, mut keeper, raw)) => {
            ready.say("{}");
            runtime.block_on(keeper.course(raw))
        }
        Err(error) => {
            let failure = Failure::from(error);
            let told = serde_json::json!({
                "code": failure.code, "exit_code": failure.exit_code, "message": failure.message, "hint": failure.hint,
            });
            ready.say(&told.to_string());
            Ok(())
        }
    }
}

struct Keeper {
    store: PathBuf,
    places: Places,
    process: Process,
    kept: Kept,
    launch: Launch,
    lock: Lock,
    bell: Bell,
    /// Where it is asked; until its course begins whoever asks waits.
    listener: Option<UnixListener>,
    state: ProcessState,
    output: Option<Output>,
    last_sequence: i64,
    /// What is still to be stored.
    pending: Vec<Record>,
    cutter: Cutter,
    screen: Screen,
    watchers: Vec<mpsc::Sender<Shown>>,
    prepared: Option<Prepared>,
    quick_runs: u32,
    /// Told when the process has gone that this one is to end with.
    leader: Option<oneshot::Receiver<()>>,
    /// The log has this run's end, the row not yet.
    end_stored: bool,
}

/// What somebody attached is shown.
enum Shown {
    Output(Vec<u8>),
    End(Vec<u8>),
}

/// What a connection brings to the keeper.
struct Asked {
    what: What,
    answer: oneshot::Sender<Answer>,
}

enum What {
    Input(Vec<u8>),
    Request(Request),
    Attach(u16, u16, mpsc::Sender<Shown>),
}

/// How one run of the program ended, and what is to follow.
enum After {
    End,
    Again(Duration),
}

/// What somebody wants of the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    None,
    Stop,
    Restart,
}

impl Keeper {
    fn begin(order: &Keep) -> Result<Keeper, Error> {
        let mut store = Store::open(&order.store, Access::Write)?;
        let path = store.path().to_owned();
        let places = Places::beside(&path);
        places.make()?;
        let boot_id = clock::boot_id().unwrap_or_default();
        let busy = || super::Error::Busy(order.process_id.clone());
        let (process, lock, listener) = match &order.new {
            Some(kept) => {
                let uid = ids::unique();
                // The lock comes first: nobody may find the process without its keeper.
                let lock = Lock::take(&places.lock(&uid))?.ok_or_else(busy)?;
                let listener = host::socket::listen(&places.socket(&uid))?;
                let spec = serde_json::to_string(kept).expect("it has string keys");
                let labels = serde_json::to_string(&kept.labels).expect("it has string keys");
                let made = store.create_process(&NewProcess {
                    process_id: &order.process_id,
                    uid: &uid,
                    name: kept.name.as_deref(),
                    owner: &kept.owner,
                    spec: &spec,
                    labels: &labels,
                    parent_session: kept.parent_session.as_deref(),
                    boot_id: &boot_id,
                    created: clock::now_ms(),
                });
                match made {
                    Ok(process) => (process, lock, listener),
                    Err(error) => {
                        places.remove(&uid);
                        if let store::Error::Exists(name) = error {
                            return Err(super::Error::NameTaken(name).into());
                        }
                        return Err(error.into());
                    }
                }
            }
            None => {
                let missing = || super::Error::NoProcess(order.process_id.clone());
                let process = store.process(&order.process_id)?.ok_or_else(missing)?;
                let lock = Lock::take(&places.lock(&process.uid))?.ok_or_else(busy)?;
                let listener = host::socket::listen(&places.socket(&process.uid))?;
                (store.process_by_no(process.no)?.ok_or_else(missing)?, lock, listener)
            }
        };
        let kept = Kept::of(&process)?;
        let mut lock = lock;
        let bell = Bell::open(&places.bell(&process.uid))?;
        lock.carry(&bell)?;
        let mut env = host::env::all();
        env.retain(|(name, _)| name != MARK && name != Name::TestKill.as_str());
        env.push((MARK.into(), process.uid.clone().into()));
        if kept.tty.is_some() && !env.iter().any(|(name, _)| name == Name::Term.as_str()) {
            env.push((Name::Term.as_str().into(), "xterm-256color".into()));
        }
        let launch = Launch {
            command: kept.command.clone(),
            env,
            cwd: PathBuf::from(&kept.cwd),
            limits: kept.limits,
            run_as: kept.run_as.clone(),
        };
        let last_sequence = match Output::open(&path, Access::Read) {
            Ok(output) => output.log(process.no)?.last_sequence,
            Err(store::Error::Missing { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        let state =
            ProcessState { status: "starting".to_owned(), restarts: process.state.restarts, ..ProcessState::default() };
        Ok(Keeper {
            store: path,
            places,
            process,
            kept,
            launch,
            lock,
            bell,
            listener: Some(listener),
            state,
            output: None,
            last_sequence,
            pending: Vec::new(),
            cutter: Cutter::default(),
            screen: Screen::default(),
            watchers: Vec::new(),
            prepared: None,
            quick_runs: 0,
            leader: None,
            end_stored: false,
        })
    }

    /// The first start, whose failure is the starter's affair.
    fn first_start(&mut self, is_new: bool) -> Result<Raw, Error> {
        match self.start() {
            Ok(raw) => Ok(raw),
            Err(error) => {
                if is_new {
                    Store::open(&self.store, Access::Write)?.delete_process(self.process.no)?;
                    self.places.remove(&self.process.uid);
                } else {
                    let ended = self.process.state.clone();
                    self.state = ended;
                    self.write_state(false)?;
                    let _ = std::fs::remove_file(self.places.socket(&self.process.uid));
                }
                Err(error)
            }
        }
    }

    fn start(&mut self) -> Result<Raw, Error> {
        // What kept the former run's limits goes first: it has the same name.
        self.prepared = None;
        let prepared = self.launch.prepare(&self.process.uid)?;
        let plumbing = match (self.kept.tty, self.kept.stdin) {
            (Some([cols, rows]), _) => Plumbing::Pty(Size { cols, rows }),
            (None, true) => Plumbing::Pipes(Input::Pipe),
            (None, false) => Plumbing::Pipes(Input::Nothing),
        };
        let raw = Raw::spawn(&prepared.spec, &prepared.setup, plumbing, Some(&self.lock))?;
        self.state = ProcessState {
            status: "running".to_owned(),
            pid: Some(i64::from(raw.pid())),
            started: Some(clock::now_ms()),
            restarts: self.state.restarts,
            limits_by: prepared.limits_by.map(|by| word(by).to_owned()),
            ..ProcessState::default()
        };
        self.prepared = Some(prepared);
        self.screen = Screen::default();
        let started = serde_json::json!({ "pid": raw.pid(), "restarts": self.state.restarts });
        self.pending.push(Record {
            time: clock::now_ms(),
            kind: Kind::Started,
            data: started.to_string().into_bytes(),
        });
        self.flush(false)?;
        self.write_state(true)?;
        Ok(raw)
    }

    /// From the first start to the end for good.
    async fn course(&mut self, raw: Raw) -> Result<(), Error> {
        let socket = self.places.socket(&self.process.uid);
        let mut signals = Signals::new()?;
        let (ask, mut asked) = mpsc::channel(16);
        let listener = self.listener.take().expect("a keeper has one course");
        let accepting = tokio::spawn(accept(listener, ask));
        self.follow_leader()?;
        let mut raw = Some(raw);
        let result = loop {
            let begun = Instant::now();
            let after = match raw.take() {
                Some(raw) => self.one_run(raw, &mut asked, &mut signals, begun).await,
                None => match self.start() {
                    Ok(raw) => self.one_run(raw, &mut asked, &mut signals, begun).await,
                    Err(error) => {
                        let message = Some(format!("failed to {}", crate::session::chain(&error)));
                        self.ended(Ending::default(), ProcessReason::NotStarted, message, Wish::None, begun)
                    }
                },
            };
            let wish = match after {
                Err(error) => break Err(error),
                Ok(After::End) => break Ok(()),
                Ok(After::Again(pause)) => self.pause(pause, &mut asked, &mut signals).await,
            };
            match wish {
                Ok(Wish::Stop) => break Ok(()),
                Ok(Wish::None | Wish::Restart) => {}
                Err(error) => break Err(error),
            }
            self.state.restarts += 1;
        };
        accepting.abort();
        // Nobody can ask any more; who is attached gets the end before the connection closes.
        let _ = std::fs::remove_file(&socket);
        self.watchers.clear();
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        result
    }

    /// Watches the process that this one is to end with.
    fn follow_leader(&mut self) -> Result<(), Error> {
        let Some(leader) = self.kept.with.as_ref().map(|uid| self.places.lock(uid)) else { return Ok(()) };
        let (tell, told) = oneshot::channel();
        self.leader = Some(told);
        let wait = move || match host::lock::wait_until_free(&leader) {
            // Nobody listens any more where this one has ended first.
            Ok(()) => drop(tell.send(())),
            // Without being told it goes on; whoever ends the other ends it too.
            Err(error) => log::warn!("failed to {}", crate::session::chain(&error)),
        };
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(wait);
        thread.map(drop).map_err(|source| Error::File { doing: "watch", path: self.store.clone(), source })
    }

    /// One run of the program, from its start to its end.
    async fn one_run(
        &mut self,
        mut raw: Raw,
        asked: &mut mpsc::Receiver<Asked>,
        signals: &mut Signals,
        begun: Instant,
    ) -> Result<After, Error> {
        let mut wish = Wish::None;
        let mut killed = false;
        let mut kill_at = None;
        let mut idle_at = Some(begun + IDLE);
        let mut again_at = None;
        let mut inputs: Vec<(u64, u64, oneshot::Sender<Answer>)> = Vec::new();
        let ending = loop {
            tokio::select! {
                // While nothing can be stored the program waits; of one that was killed there is only so much.
                news = raw.next(), if again_at.is_none() || killed => match news {
                    News::Output(pieces) => {
                        self.take(self.kept.tty.is_some(), pieces);
                        again_at = self.flush_or_wait();
                        idle_at = Some(Instant::now() + IDLE);
                    }
                    News::Input => {}
                    News::Ended(ending) => break ending,
                },
                Some(Asked { what, answer }) = asked.recv() => {
                    let mut said = Answer::default();
                    match what {
                        What::Input(bytes) => match raw.write(&bytes) {
                            Some(until) => {
                                inputs.push((until, bytes.len() as u64, answer));
                                continue;
                            }
                            None => said.refused = Some("its input is closed".to_owned()),
                        },
                        What::Attach(cols, rows, watcher) => {
                            if self.kept.tty.is_some() {
                                let other_screen = self.screen.is_other();
                                let sized = cols > 0 && rows > 0;
                                if other_screen && sized {
                                    // A size that changes makes a full-screen program draw all of it.
                                    raw.resize(Size { cols, rows: rows.saturating_add(1) });
                                }
                                if sized {
                                    raw.resize(Size { cols, rows });
                                }
                                self.watchers.push(watcher);
                                let modes = String::from_utf8(self.screen.restore()).unwrap_or_default();
                                said = Answer { last_sequence: self.last_sequence, other_screen, modes, ..said };
                            } else {
                                said.refused = Some("it has no terminal".to_owned());
                            }
                        }
                        What::Request(request) => match request {
                            Request::Eof if raw.takes_input() => raw.close_input(),
                            Request::Eof => said.refused = Some("its input is closed".to_owned()),
                            Request::Resize(cols, rows) => {
                                if !raw.resize(Size { cols, rows }) {
                                    said.refused = Some("it has no terminal".to_owned());
                                }
                            }
                            Request::Signal { signal, all } => match Signal::try_from(signal) {
                                Ok(Signal::SIGKILL) => {
                                    wish = Wish::Stop;
                                    killed = true;
                                    raw.kill();
                                }
                                Ok(signal) if all => raw.signal_tree(signal),
                                Ok(signal) => raw.signal(signal),
                                Err(_) => said.refused = Some("there is no such signal".to_owned()),
                            },
                            Request::Stop { grace_ms } | Request::Restart { grace_ms } => {
                                let again = matches!(request, Request::Restart { .. }) && wish == Wish::None;
                                wish = if again { Wish::Restart } else { Wish::Stop };
                                let at = self.ask_to_end(&raw, grace_ms);
                                kill_at = Some(kill_at.map_or(at, |earlier: Instant| earlier.min(at)));
                            }
                            Request::Attach(..) => unreachable!("it comes as `What::Attach`"),
                        },
                    }
                    // Whoever asked may have gone.
                    let _ = answer.send(said);
                }
                caught = signals.next() => match caught {
                    Caught::Terminate | Caught::Interrupt => {
                        wish = Wish::Stop;
                        kill_at = kill_at.or(Some(self.ask_to_end(&raw, None)));
                    }
                    Caught::HangUp | Caught::Suspend => {}
                },
                () = leader_ends(&mut self.leader) => {
                    wish = Wish::Stop;
                    kill_at = kill_at.or(Some(self.ask_to_end(&raw, None)));
                }
                () = at(kill_at), if kill_at.is_some() => {
                    kill_at = None;
                    killed = true;
                    raw.kill();
                }
                () = at(idle_at), if idle_at.is_some() && again_at.is_none() => {
                    idle_at = None;
                    raw.rest();
                    self.rest();
                }
                () = at(again_at), if again_at.is_some() => again_at = self.flush_or_wait(),
            }
            let (taken, open) = (raw.taken(), raw.takes_input());
            for (until, length, answer) in inputs.extract_if(.., |(until, ..)| *until <= taken || !open) {
                let written = length.saturating_sub(until.saturating_sub(taken));
                let refused = (until > taken).then(|| "it has closed its input".to_owned());
                // Whoever asked may have gone.
                let _ = answer.send(Answer { written, refused, ..Answer::default() });
            }
        };
        drop(raw);
        self.prepared = None;
        let left = self.cutter.finish();
        self.push(self.kept.tty.is_some(), left);
        let reason = if wish == Wish::None { ProcessReason::Exited } else { ProcessReason::Stopped };
        let mut attempts = 0;
        loop {
            match self.ended(ending, reason, None, wish, begun) {
                Ok(after) => return Ok(after),
                Err(error) if attempts == ATTEMPTS_AFTER_END => return Err(error),
                // There may be room again one day.
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
            attempts += 1;
        }
    }

    /// Writes down how a run ended.
    fn ended(
        &mut self,
        ending: Ending,
        reason: ProcessReason,
        message: Option<String>,
        wish: Wish,
        begun: Instant,
    ) -> Result<After, Error> {
        let Ending { code, signal, max_rss, cpu } = ending;
        let failed = code != Some(0);
        let again = match (wish, self.kept.restart) {
            (Wish::Stop, _) => false,
            (Wish::Restart, _) | (Wish::None, RestartPolicy::Always) => true,
            (Wish::None, RestartPolicy::OnFailure) => failed,
            (Wish::None, RestartPolicy::No) => false,
        };
        let quick_runs = if begun.elapsed() < QUICK && wish == Wish::None { self.quick_runs + 1 } else { 0 };
        let pause = match quick_runs {
            0 => Duration::ZERO,
            count => FIRST_PAUSE.saturating_mul(1 << (count - 1).min(16)).min(LONGEST_PAUSE),
        };
        let enough = again && quick_runs > self.kept.restart_limit;
        let again = again && !enough;
        let given_up = enough.then(|| {
            let limit = self.kept.restart_limit;
            format!("it ended {quick_runs} times within {QUICK:?} of its start: it is not started again (--restart-limit {limit})")
        });
        let milliseconds = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let exit = ExitData {
            reason,
            exit_code: code.map(i64::from),
            signal: signal.map(i64::from),
            message: message.or(given_up),
            max_rss,
            cpu_ms: cpu.map(milliseconds),
            restart_in_ms: again.then(|| milliseconds(pause)),
        };
        let data = serde_json::to_vec(&exit).expect("it has string keys");
        // Asked a second time, the record waits there already, or is stored.
        if !self.end_stored {
            self.pending.retain(|record| record.kind != Kind::Exit);
            self.pending.push(Record { time: clock::now_ms(), kind: Kind::Exit, data: data.clone() });
            self.flush(!again)?;
            self.end_stored = true;
        }
        let reason = serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned));
        self.state = ProcessState {
            status: if again { "restarting" } else { "exited" }.to_owned(),
            reason,
            pid: None,
            exit_code: exit.exit_code,
            signal: exit.signal,
            ended: Some(clock::now_ms()),
            max_rss,
            cpu_ms: exit.cpu_ms,
            ..std::mem::take(&mut self.state)
        };
        self.write_state(again)?;
        self.end_stored = false;
        self.quick_runs = quick_runs;
        if again {
            return Ok(After::Again(pause));
        }
        for watcher in self.watchers.drain(..) {
            // Who is too slow finds the end in the log.
            let _ = watcher.try_send(Shown::End(data.clone()));
        }
        Ok(After::End)
    }

    /// Waits before the next start; `Wish::Stop` when there is to be none.
    async fn pause(
        &mut self,
        pause: Duration,
        asked: &mut mpsc::Receiver<Asked>,
        signals: &mut Signals,
    ) -> Result<Wish, Error> {
        let until = Instant::now() + pause;
        self.rest();
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(Wish::None),
                () = leader_ends(&mut self.leader) => return self.stay_ended(),
                caught = signals.next() => match caught {
                    Caught::Terminate | Caught::Interrupt => return self.stay_ended(),
                    Caught::HangUp | Caught::Suspend => {}
                },
                Some(Asked { what, answer }) = asked.recv() => {
                    let (wish, refused) = match what {
                        What::Request(Request::Stop { .. } | Request::Signal { signal: 9 | 15, .. }) => (Wish::Stop, None),
                        What::Request(Request::Restart { .. }) => (Wish::Restart, None),
                        What::Request(_) | What::Input(_) | What::Attach(..) => {
                            (Wish::None, Some("it has ended and will be started again".to_owned()))
                        }
                    };
                    let _ = answer.send(Answer { refused, ..Answer::default() });
                    match wish {
                        Wish::Stop => return self.stay_ended(),
                        Wish::Restart => return Ok(Wish::Restart),
                        Wish::None => {}
                    }
                }
            }
        }
    }

    /// It was to be started again, and is not.
    fn stay_ended(&mut self) -> Result<Wish, Error> {
        let exit = ExitData {
            reason: ProcessReason::Stopped,
            exit_code: self.state.exit_code,
            signal: self.state.signal,
            message: None,
            max_rss: self.state.max_rss,
            cpu_ms: self.state.cpu_ms,
            restart_in_ms: None,
        };
        let data = serde_json::to_vec(&exit).expect("it has string keys");
        self.pending.push(Record { time: clock::now_ms(), kind: Kind::Exit, data });
        self.flush(true)?;
        self.state.status = "exited".to_owned();
        self.state.reason = Some("stopped".to_owned());
        self.write_state(false)?;
        Ok(Wish::Stop)
    }

    fn ask_to_end(&self, raw: &Raw, grace_ms: Option<u64>) -> Instant {
        raw.signal_tree(Signal::SIGTERM);
        // What is stopped would not hear it. A shell at a terminal ignores TERM and goes when its terminal does.
        if self.kept.tty.is_some() {
            raw.signal_tree(Signal::SIGHUP);
        }
        raw.signal_tree(Signal::SIGCONT);
        Instant::now() + Duration::from_millis(grace_ms.unwrap_or(self.kept.grace_ms))
    }

    fn take(&mut self, tty: bool, pieces: Vec<host::raw::Piece>) {
        let cut = self.cutter.cut(pieces);
        self.push(tty, cut);
    }

    fn push(&mut self, tty: bool, cut: Vec<(Source, i64, Vec<u8>)>) {
        for (source, time, data) in cut {
            let kind = match (tty, source) {
                (true, _) => Kind::Pty,
                (false, Source::First) => Kind::Stdout,
                (false, Source::Second) => Kind::Stderr,
            };
            self.pending.push(Record { time, kind, data });
        }
    }

    fn flush_or_wait(&mut self) -> Option<Instant> {
        // The reason (a full disk) is seen by everybody else; what is read stays here, and the program waits.
        self.flush(false).err().map(|_| Instant::now() + AGAIN)
    }

    /// Stores what is pending, rings, and shows it to who is attached.
    fn flush(&mut self, end: bool) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let output = match &mut self.output {
            Some(output) => output,
            empty => empty.insert(Output::open(&self.store, Access::Write)?),
        };
        let keep = i64::try_from(self.kept.max_log).unwrap_or(i64::MAX);
        let sync = if end { Sync::Full } else { Sync::Deltas };
        self.last_sequence = output.append(self.process.no, &self.pending, keep, sync)?;
        self.bell.ring();
        let mut unquestioned = Vec::new();
        for record in self.pending.drain(..) {
            if record.kind != Kind::Pty {
                continue;
            }
            unquestioned.clear();
            self.screen.feed(&record.data, &mut unquestioned);
            self.watchers.retain(|watcher| watcher.try_send(Shown::Output(record.data.clone())).is_ok());
        }
        Ok(())
    }

    fn write_state(&mut self, alive: bool) -> Result<(), Error> {
        let boot_id = clock::boot_id().unwrap_or_default();
        let keeper = alive.then(|| std::process::id().to_string());
        let mut store = Store::open(&self.store, Access::Write)?;
        store.set_process(self.process.no, &self.state, keeper.as_deref(), &boot_id)?;
        self.bell.ring();
        Ok(())
    }

    /// Gives back what an idle keeper does not need.
    fn rest(&mut self) {
        self.output = None;
        self.pending.shrink_to_fit();
        host::private::give_memory_back();
    }
}

fn word(by: LimitsBy) -> &'static str {
    match by {
        LimitsBy::Cgroup => "cgroup",
        LimitsBy::Rlimits => "rlimits",
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// Whether it has a leader or not; told once.
async fn leader_ends(leader: &mut Option<oneshot::Receiver<()>>) {
    match leader {
        Some(told) => {
            // Who could not watch it tells nothing.
            let told = told.await;
            *leader = None;
            if told.is_err() {
                std::future::pending().await
            }
        }
        None => std::future::pending().await,
    }
}

async fn accept(listener: UnixListener, ask: mpsc::Sender<Asked>) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => drop(tokio::spawn(serve(connection, ask.clone()))),
            // No descriptor is left: later, perhaps.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// One connection. What it brings is answered in its order; somebody who does not read hurts nobody else.
async fn serve(connection: tokio::net::UnixStream, ask: mpsc::Sender<Asked>) {
    let (mut from, mut to) = connection.into_split();
    let (show, mut shown) = mpsc::channel::<Shown>(MOST_WAITING);
    let mut show = Some(show);
    let (say, mut said) = mpsc::channel::<oneshot::Receiver<Answer>>(16);
    let attached = Arc::new(AtomicBool::new(false));
    let is_attached = Arc::clone(&attached);
    let writing = async move {
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                answer = said.recv(), if open => match answer {
                    // A keeper that has gone answers nothing; the end of the connection says so.
                    Some(answer) => match answer.await {
                        Ok(answer) => {
                            let bytes = serde_json::to_vec(&answer).expect("it has string keys");
                            wire::send(&mut to, Letter::Answer, &bytes).await?;
                        }
                        Err(_) => return Ok(()),
                    },
                    None => open = false,
                },
                piece = shown.recv() => match piece {
                    Some(Shown::Output(bytes)) => wire::send(&mut to, Letter::Output, &bytes).await?,
                    Some(Shown::End(bytes)) => return wire::send(&mut to, Letter::End, &bytes).await,
                    // Who is attached and fell behind is shown nothing more: he hears of it, and comes back.
                    None if open && !is_attached.load(Ordering::Relaxed) => std::future::pending().await,
                    None => return Ok(()),
                },
            }
        }
    };
    let reading = async move {
        while let Some((letter, bytes)) = wire::receive(&mut from).await? {
            let what = match letter {
                Letter::Input => What::Input(bytes),
                Letter::Request => match serde_json::from_slice(&bytes)? {
                    Request::Attach(cols, rows) => match show.take() {
                        Some(show) => {
                            attached.store(true, Ordering::Relaxed);
                            What::Attach(cols, rows, show)
                        }
                        None => break,
                    },
                    request @ (Request::Eof
                    | Request::Resize(..)
                    | Request::Signal { .. }
                    | Request::Stop { .. }
                    | Request::Restart { .. }) => What::Request(request),
                },
                Letter::Answer | Letter::Output | Letter::End => break,
            };
            let (answer, answered) = oneshot::channel();
            if ask.send(Asked { what, answer }).await.is_err() || say.send(answered).await.is_err() {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    let writing: std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>> = Box::pin(writing);
    // Either may end first: who has said all may still be shown something, and the other way round.
    let _ = tokio::join!(reading, writing);
}
