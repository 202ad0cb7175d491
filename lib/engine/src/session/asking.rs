//! Permissions and questions: the policy decides, or a person, or nobody in time.

use std::path::Path;
use std::time::{Duration, Instant};

use agents::dialect::{Decision, Order, Permit, RequestKey};
use host::tty::Terminal;
use schema::request::ResolvedBy;

use super::{CANCEL, Conductor, chain};
use crate::ask;
use crate::policy::{Grant, OnAsk, Ruling};
use crate::turn::{By, Cut};

impl Conductor<'_> {
    pub(super) fn permission(&mut self, mut permit: Permit) {
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
    pub(super) fn wait_for_answer(&mut self, key: RequestKey, time: Option<Duration>) {
        if let Some(time) = time {
            self.expiries.push((key, Instant::now() + time));
        }
    }

    /// Nobody answered in time.
    pub(super) fn expire(&mut self, key: RequestKey) {
        let Some(body) = self.course.open_request(key) else { return };
        if ask::is_question(&body) {
            self.refuse(key, ResolvedBy::Timeout, None);
        } else {
            let message = Some("nobody answered in time".to_owned());
            self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Timeout, By::default());
        }
    }

    pub(super) fn question(&mut self, key: RequestKey) {
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

    pub(super) fn deny_unasked(&mut self, key: RequestKey) {
        self.denied_unasked += 1;
        let message = Some("nobody is here to be asked".to_owned());
        let by = By { rule: Some("on-ask deny".to_owned()), ..By::default() };
        self.decide(key, Decision::Reject { message, stop: false }, ResolvedBy::Policy, by);
    }

    pub(super) fn decide(&mut self, key: RequestKey, decision: Decision, resolved_by: ResolvedBy, mut by: By) {
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

    pub(super) fn refuse(&mut self, key: RequestKey, by: ResolvedBy, user: Option<String>) {
        if self.course.refuse(key, by, user) {
            self.record(None);
            self.order(Order::Refuse(key, None));
        }
    }

    /// Asks the person at the terminal; where there is none any more, the request is denied.
    pub(super) fn ask(&mut self, key: RequestKey) {
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

    pub(super) fn show_ask(&mut self) {
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
    pub(super) fn answered(&mut self, line: Option<String>) {
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
}

/// The next line of the terminal, where there is one.
pub(super) async fn line_of(terminal: &mut Option<(Terminal, host::Lock)>) -> Option<String> {
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
