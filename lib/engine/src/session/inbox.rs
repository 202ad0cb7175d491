//! What others want of a running session: prompts, answers, settings and cancels, from rows and from lines of stdin.

use std::path::Path;

use agents::card::Card;
use agents::dialect::{Decision, Effect, Fault, Order, OrderId, Prompt, RequestKey, Setting, Status};
use host::input::InputLine;
use schema::control::{Answer, Ask, Control, Refusal, Reply, Set};
use schema::event::PermissionMode;
use schema::item::StatusLabel;
use schema::outcome::ErrorCode;
use schema::request::ResolvedBy;
use store::RequestState;

use super::{CANCEL, Conductor, Origin, Sources, Stay, Waiting, not_delivered, prompt_parts};
use crate::answer::{self, refusal};
use crate::ask;
use crate::attach::attachments;
use crate::error::Error;
use crate::turn::{By, Cut, PromptItem};
use host::clock;

impl Conductor<'_> {
    /// Takes what was posted since the last look.
    pub(super) fn look(&mut self) -> Result<(), Error> {
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
    pub(super) fn read(&mut self, line: Option<InputLine>, sources: &mut Sources) {
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
    pub(super) fn control(&mut self, origin: Origin, control: Control) {
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

    pub(super) fn prompt(&mut self, origin: Origin, ask: Ask) {
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

    pub(super) fn steer(&mut self, waiting: Waiting) {
        let attachments = waiting.attachments.clone().unwrap_or_default();
        let order = self.order(Order::Prompt(Prompt { text: waiting.ask.text.clone(), attachments, steer: true }));
        self.steering.push((order, waiting));
    }

    /// A prompt on its way into the turn has reached the agent.
    pub(super) fn steered(&mut self, Waiting { origin, ask, attachments }: Waiting) {
        let prompt = Prompt { text: ask.text, attachments: attachments.unwrap_or_default(), steer: true };
        let item = PromptItem { id: ask.id, user: ask.user, content: prompt_parts(&prompt) };
        let sequence = self.journal.next();
        let prompt_id = self.course.steered(item);
        self.record(None);
        let turn_id = self.course.open_turn().map(str::to_owned);
        self.settle(origin, Ok(Reply { sequence: Some(sequence), prompt_id: Some(prompt_id), turn_id, error: None }));
    }

    /// Applies an answer to an open request.
    pub(super) fn answer(&mut self, answer: &Answer) -> Result<Reply, Refusal> {
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

    pub(super) fn reply(&mut self, key: RequestKey, answers: Vec<Vec<String>>, user: Option<String>) {
        if self.course.answer(key, &answers, ResolvedBy::User, user) {
            self.record(None);
            self.order(Order::Answer(key, answers));
        }
    }

    pub(super) fn set(&mut self, origin: Origin, set: Set) {
        let refused = match set.permission_mode {
            Some(mode) if mode != self.job.permission_mode && !self.asks_us() => Some(format!(
                "permission mode {}: the agent was started without asking us; begin a new run with it",
                mode.as_str()
            )),
            Some(_) | None => cannot(self.run.agent.card(), &set),
        };
        if let Some(what) = refused {
            return self.settle(origin, Err(refusal(ErrorCode::Usage, format!("failed to set {what}"))));
        }
        if let Some(mode) = set.permission_mode {
            self.run.policy.mode = mode;
            self.kept.set_permission_mode(mode);
            // The agent's next life keeps it too.
            self.run.flags.clone_from(&self.kept.flags);
            self.journal.set_settings(self.kept.write());
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
    pub(super) fn asks_us(&self) -> bool {
        self.job.must_ask || !matches!(self.job.permission_mode, PermissionMode::Auto | PermissionMode::Bypass)
    }

    /// Writes down what became of a request; whoever wrote a line learns of a refusal by an event.
    pub(super) fn settle(&mut self, origin: Origin, settled: Result<Reply, Refusal>) {
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
    pub(super) fn give_up_queue(&mut self) {
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

    pub(super) fn taken(&mut self, order: OrderId) {
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

    pub(super) fn refused(&mut self, order: OrderId, fault: Fault) {
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
}

/// What an agent cannot be set to.
pub(crate) fn cannot(card: &Card, set: &Set) -> Option<String> {
    match set.permission_mode {
        Some(mode) if !card.permission_modes.contains(&mode) => {
            Some(format!("permission mode {}: {} cannot", mode.as_str(), card.name))
        }
        _ if set.model.is_some() && !card.can.model => Some(format!("a model: {} has none to choose", card.name)),
        _ if set.effort.is_some() && !card.can.effort => Some(format!("an effort: {} has none", card.name)),
        _ => match &set.mode {
            Some(mode) if !card.modes.is_empty() && !card.modes.contains(&mode.as_str()) => {
                Some(format!("mode `{mode}`: {} has {}", card.name, card.modes.join(", ")))
            }
            Some(_) | None => None,
        },
    }
}
