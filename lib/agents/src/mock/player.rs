//! The mock as a state machine: what it is told goes in, the steps that its process carries out come out; pure.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

use schema::event::Usage;
use schema::item::StatusLabel;
use schema::outcome::ErrorCode;
use serde_json::{Value, json};

use super::CARD;
use super::launch::Setup;
use super::script::{self, Draft, Ending, Names};
use super::wire::{Ended, Error, Said, Stop, Told, Totals, What, Word};

/// The mock: [`Player::hear`] what it is told, carry out what [`Player::step`] says.
pub struct Player {
    now: Situation,
    names: Names,
    /// What is said before anything is played, whatever happens.
    answers: VecDeque<Said>,
    /// What is to be played, the next first; also between turns, where a sub-agent is at work.
    plays: VecDeque<Play>,
    prompts: VecDeque<Prompt>,
    /// Requests that are open.
    asked: Vec<Asked>,
    /// What was granted for the session.
    granted: HashSet<String>,
    turn: Option<Turn>,
    deaf: bool,
}

/// What the process does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Say a line.
    Line(Said),
    /// Say that an item's text grew.
    Text(u32, String),
    /// Say the texts of a burst with these numbers, of so many bytes each.
    Burst {
        /// The item that grows.
        key: u32,
        /// The numbers.
        numbers: Range<u64>,
        /// The length of a text.
        bytes: usize,
    },
    /// Write these bytes on stdout; the newline is among them.
    Bytes(Vec<u8>),
    /// Write one line of so many of these bytes on stdout.
    Long {
        /// Which byte.
        byte: u8,
        /// How many.
        count: usize,
    },
    /// Write this on stderr.
    Stderr(String),
    /// Start so many descendants that nobody waits for, and say their ids as growing text.
    Orphans {
        /// The item that grows.
        key: u32,
        /// How many.
        count: u8,
    },
    /// Say these variables of the environment as growing text.
    Variables {
        /// The item that grows.
        key: u32,
        /// Their names.
        names: Vec<String>,
    },
    /// Ignore INT, TERM, HUP and the end of stdin from now on.
    Deafen,
    /// Wait, unless [`Player::hear`] says that there is something to do.
    Pause(Duration),
    /// Wait until something is told.
    Wait,
    /// Leave with this exit code.
    Exit(i32),
}

/// A part of a script.
pub(super) enum Play {
    /// A step as it is.
    Step(Step),
    /// Ask something.
    Ask {
        /// Its name.
        key: u32,
        /// The line.
        said: Said,
        /// What need not be asked again, once it was granted for the session.
        granted: Option<String>,
        /// What follows from the reply.
        then: Then,
    },
    /// No longer wait for the answer to this request.
    Withdraw { key: u32 },
    /// Go on when nothing is asked any more.
    Join,
    /// Wait until the turn is cancelled.
    Hang,
    /// Texts as fast as possible.
    Burst { key: u32, next: u64, count: u64, bytes: usize },
    /// Texts with pauses between them.
    Slow { key: u32, next: u64, count: u64, ms: u64 },
    /// Lines on stderr.
    Noise { next: u64, count: u64 },
    /// The model is asked once more in this turn.
    Request,
    /// Tokens of every sort.
    Spend,
    /// A turn without a prompt begins.
    Begin,
    /// The turn ends; what follows is played after it.
    End(Ending),
    /// The turn ends; what follows is forgotten.
    Abort(Stop),
}

type Then = Box<dyn FnOnce(&mut Draft<'_>, Reply) + Send>;

/// What was said to a request.
pub(super) enum Reply {
    /// Go on.
    Accepted {
        /// With another input.
        input: Option<Value>,
    },
    /// Do not.
    Rejected {
        /// Why.
        message: Option<String>,
        /// End the turn.
        stop: bool,
    },
    /// The answers to its questions.
    Answered(Vec<Vec<String>>),
    /// No answer will come, and why.
    Unanswered(Option<String>),
    /// Nothing in time.
    Withdrawn,
}

/// What a script knows when it is chosen.
pub(super) struct Situation {
    pub(super) setup: Setup,
    /// How many prompts this process saw, the present one included.
    pub(super) seen: u32,
    /// What the conversation took before this turn.
    pub(super) totals: Totals,
    /// What came with the prompt: pictures and other files.
    attached: (usize, usize),
}

impl Situation {
    pub(super) fn model(&self) -> &str {
        self.setup.model.as_deref().unwrap_or(script::MODEL)
    }

    pub(super) fn mode(&self) -> &str {
        self.setup.mode.as_deref().unwrap_or("default")
    }

    pub(super) fn effort(&self) -> &str {
        self.setup.effort.as_deref().unwrap_or("medium")
    }

    pub(super) fn cwd(&self) -> &str {
        &self.setup.cwd
    }

    /// The prompt's text and, where something came with it, what.
    pub(super) fn with_attachments(&self, text: &str) -> String {
        match self.attached {
            (0, 0) => text.to_owned(),
            (images, files) => format!("{text} [{images} images, {files} files]"),
        }
    }

    pub(super) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.cwd().trim_end_matches('/')) }
    }
}

/// A prompt whose turn has not begun.
struct Prompt {
    order: u64,
    text: String,
    attached: (usize, usize),
}

struct Asked {
    key: u32,
    granted: Option<String>,
    then: Then,
}

/// The turn that runs.
struct Turn {
    read: usize,
    written: usize,
    requests: u32,
    /// What no text accounts for.
    more: Usage,
}

/// How many lines of a burst or of noise are written between two looks at stdin.
const AT_ONCE: u64 = 512;

/// Of the texts, in millionths of a US dollar for a token.
const PRICE_READ: u64 = 1;
const PRICE_WRITTEN: u64 = 5;

impl Player {
    /// The mock as it is when its process begins.
    pub fn new(setup: Setup) -> Player {
        let totals = setup.totals;
        let ready = Said::Ready { native: setup.native() };
        Player {
            now: Situation { setup, seen: 0, totals, attached: (0, 0) },
            names: Names::default(),
            answers: VecDeque::from([ready]),
            plays: VecDeque::new(),
            prompts: VecDeque::new(),
            asked: Vec::new(),
            granted: HashSet::new(),
            turn: None,
            deaf: false,
        }
    }

    /// Whether it no longer obeys.
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    /// Whether a turn runs or is due: then the end of stdin is no reason to leave.
    pub fn is_busy(&self) -> bool {
        self.turn.is_some() || !self.prompts.is_empty()
    }

    /// Takes a line that it was told. Returns whether a pause is over because of it.
    pub fn hear(&mut self, told: Told) -> bool {
        match told {
            Told::Prompt { order, text, images, files, steer } => {
                let prompt = Prompt { order, text, attached: (images, files) };
                match &self.turn {
                    _ if steer => self.steer(&prompt),
                    None => self.begin(&prompt),
                    Some(_) => self.prompts.push_back(prompt),
                }
                return true;
            }
            Told::Decide { key, decision, input, message, stop } => {
                let reply = match decision {
                    Word::Accept | Word::AcceptForSession => Reply::Accepted { input },
                    Word::Reject => Reply::Rejected { message, stop },
                };
                return self.reply(key, reply, decision == Word::AcceptForSession);
            }
            Told::Answer { key, answers } => return self.reply(key, Reply::Answered(answers), false),
            Told::Refuse { key, message } => return self.reply(key, Reply::Unanswered(message), false),
            Told::Set { order, what, value } => self.set(order, what, value),
            Told::Cancel if self.deaf => {}
            Told::Cancel => {
                // Between turns it is a sub-agent's work that ends.
                if self.turn.is_some() || !self.plays.is_empty() {
                    self.abort(Stop::Interrupted);
                }
                while let Some(prompt) = self.prompts.pop_front() {
                    self.begin(&prompt);
                    self.abort(Stop::Interrupted);
                }
                return true;
            }
        }
        false
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            if let Some(said) = self.answers.pop_front() {
                return Step::Line(said);
            }
            if self.turn.is_none()
                && let Some(prompt) = self.prompts.pop_front()
            {
                self.begin(&prompt);
                continue;
            }
            let Some(play) = self.plays.pop_front() else { return Step::Wait };
            if let Some(step) = self.perform(play) {
                return step;
            }
        }
    }

    fn perform(&mut self, play: Play) -> Option<Step> {
        match play {
            Play::Step(step) => {
                self.deaf |= step == Step::Deafen;
                if let Step::Text(_, text) = &step {
                    self.wrote(text.len());
                }
                return Some(step);
            }
            Play::Ask { key, said, granted, then } => {
                if granted.as_ref().is_some_and(|granted| self.granted.contains(granted)) {
                    self.follow(then, Reply::Accepted { input: None });
                } else {
                    self.asked.push(Asked { key, granted, then });
                    return Some(Step::Line(said));
                }
            }
            Play::Withdraw { key } => {
                if self.reply(key, Reply::Withdrawn, false) {
                    return Some(Step::Line(Said::Withdrawn { key }));
                }
            }
            Play::Join if self.asked.is_empty() => {}
            Play::Join | Play::Hang => {
                self.plays.push_front(play);
                return Some(Step::Wait);
            }
            Play::Burst { key, next, count, bytes } => {
                let end = count.min(next + AT_ONCE);
                if next == end {
                    return None;
                }
                self.plays.push_front(Play::Burst { key, next: end, count, bytes });
                self.wrote(bytes * usize::try_from(end - next).unwrap_or(usize::MAX));
                return Some(Step::Burst { key, numbers: next..end, bytes });
            }
            Play::Slow { key, next, count, ms } => {
                if next > count {
                    return None;
                }
                self.plays.push_front(Play::Slow { key, next: next + 1, count, ms });
                self.plays.push_front(Play::Step(Step::Pause(Duration::from_millis(ms))));
                let text = format!("{next} ");
                self.wrote(text.len());
                return Some(Step::Text(key, text));
            }
            Play::Noise { next, count } => {
                if next > count {
                    return None;
                }
                let end = count.min(next + AT_ONCE - 1);
                self.plays.push_front(Play::Noise { next: end + 1, count });
                return Some(Step::Stderr((next..=end).map(|number| format!("mock: noise {number}\n")).collect()));
            }
            Play::Request => {
                if let Some(turn) = &mut self.turn {
                    turn.requests += 1;
                    if let Some(most) = self.now.setup.max_turns.filter(|most| turn.requests > *most) {
                        let message = format!("mock may ask its model {most} times in a turn, and wanted to once more");
                        self.abort(Stop::Failed(fault(ErrorCode::MaxTurns, message)));
                    }
                }
            }
            Play::Spend => {
                if let Some(turn) = &mut self.turn {
                    turn.more = Usage {
                        input_tokens: 100,
                        cached_input_tokens: Some(60),
                        cache_write_tokens: Some(30),
                        output_tokens: 20,
                        reasoning_tokens: Some(20),
                        total_tokens: 120,
                    };
                }
            }
            Play::Begin => {
                self.turn = Some(Turn::new(0));
                return Some(Step::Line(Said::Began));
            }
            // What went on after the turn is over too.
            Play::End(_) if self.turn.is_none() => {}
            Play::End(ending) => return Some(self.end(ending)),
            Play::Abort(stop) => self.abort(stop),
        }
        None
    }

    fn begin(&mut self, prompt: &Prompt) {
        self.now.seen += 1;
        self.now.attached = prompt.attached;
        self.turn = Some(Turn::new(prompt.text.len()));
        let mut draft = Draft::new(&mut self.names);
        let ending = script::script(&self.now, &mut draft, &prompt.text);
        let mut plays = draft.into_plays();
        plays.push(Play::End(ending));
        self.insert(0, plays);
        self.answers.push_back(Said::Taken { order: prompt.order });
    }

    fn steer(&mut self, prompt: &Prompt) {
        let order = prompt.order;
        let Some(turn) = &mut self.turn else {
            let error = fault(ErrorCode::BadRequest, "mock has no turn that could be steered".to_owned());
            return self.answers.push_back(Said::Refused { order, error });
        };
        turn.read += prompt.text.len();
        let mut draft = Draft::new(&mut self.names);
        draft.say(&format!("mock: you added: {}\n", prompt.text));
        let plays = draft.into_plays();
        self.insert(0, plays);
        self.answers.push_back(Said::Taken { order });
    }

    /// Returns whether it was asked: a reply to what is asked no more means nothing.
    fn reply(&mut self, key: u32, reply: Reply, for_session: bool) -> bool {
        let Some(at) = self.asked.iter().position(|asked| asked.key == key) else { return false };
        let asked = self.asked.remove(at);
        if for_session {
            self.granted.extend(asked.granted);
        }
        self.follow(asked.then, reply);
        true
    }

    /// Plays what follows from a reply once everything that is asked at the same time was asked.
    fn follow(&mut self, then: Then, reply: Reply) {
        let mut draft = Draft::new(&mut self.names);
        then(&mut draft, reply);
        let plays = draft.into_plays();
        let at = self.plays.iter().position(|play| matches!(play, Play::Join)).unwrap_or(0);
        self.insert(at, plays);
    }

    fn set(&mut self, order: u64, what: What, value: String) {
        let known = match what {
            What::Model => value != script::NO_MODEL,
            What::Mode => CARD.modes.contains(&value.as_str()),
            What::Effort => CARD.efforts.contains(&value.as_str()),
        };
        if !known {
            let code = if what == What::Model { ErrorCode::ModelNotFound } else { ErrorCode::BadRequest };
            let error = fault(code, format!("mock knows no {} `{value}`", what.as_str()));
            return self.answers.push_back(Said::Refused { order, error });
        }
        self.answers.push_back(Said::Taken { order });
        let status = |label, json| Said::Status { label, detail: None, json, parent: None };
        let setup = &mut self.now.setup;
        let place = match what {
            What::Model => {
                self.answers.push_back(status(StatusLabel::ModelChanged, json!({ "model": value })));
                &mut setup.model
            }
            What::Mode => {
                self.answers.push_back(status(StatusLabel::ModeChanged, json!({ "mode": value })));
                &mut setup.mode
            }
            What::Effort => {
                self.answers.push_back(status(StatusLabel::ModelChanged, json!({ "effort": value })));
                &mut setup.effort
            }
        };
        *place = Some(value);
    }

    /// Ends the turn and forgets what was to come.
    fn abort(&mut self, stop: Stop) {
        self.plays.clear();
        self.asked.clear();
        let ended = self.ended(stop);
        self.answers.push_back(Said::Ended(ended));
    }

    fn end(&mut self, ending: Ending) -> Step {
        let said = match ending {
            Ending::Done => self.ended(Stop::Done),
            // Nothing was read or written, so there is nothing to count.
            Ending::Silent => Ended { totals: None, silent: true, ..self.ended(Stop::Done) },
            Ending::Failed(error) => self.ended(Stop::Failed(error)),
            Ending::Closes(why) => {
                self.plays = VecDeque::from([Play::Step(Step::Exit(0))]);
                Ended { closes: Some(why), ..self.ended(Stop::Done) }
            }
        };
        Step::Line(Said::Ended(said))
    }

    fn ended(&mut self, stop: Stop) -> Ended {
        if let Some(turn) = self.turn.take() {
            let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
            let (input_tokens, output_tokens) = (tokens(turn.read), tokens(turn.written));
            let total_tokens = input_tokens + output_tokens;
            let usage = Usage { input_tokens, output_tokens, total_tokens, ..Usage::default() }.plus(turn.more);
            let totals = &mut self.now.totals;
            totals.usage = totals.usage.plus(usage);
            totals.micros += usage.input_tokens * PRICE_READ + usage.output_tokens * PRICE_WRITTEN;
        }
        let reason = match &stop {
            Stop::Done => "end_turn",
            Stop::Interrupted => "interrupted",
            Stop::Failed(error) => error.code.as_str(),
        };
        Ended {
            reason: Some(reason.to_owned()),
            stop,
            model: self.now.model().to_owned(),
            totals: Some(self.now.totals),
            silent: false,
            closes: None,
        }
    }

    fn wrote(&mut self, bytes: usize) {
        if let Some(turn) = &mut self.turn {
            turn.written += bytes;
        }
    }

    fn insert(&mut self, at: usize, plays: Vec<Play>) {
        let after = self.plays.split_off(at);
        self.plays.extend(plays);
        self.plays.extend(after);
    }
}

impl Turn {
    fn new(read: usize) -> Turn {
        Turn { read, written: 0, requests: 1, more: Usage::default() }
    }
}

fn fault(code: ErrorCode, message: String) -> Error {
    Error { code, message, retry_after_ms: None, attempt: None }
}
