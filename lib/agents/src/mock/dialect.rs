//! Mock's conversation as a state machine: its lines are nearly our effects already.

use schema::event::{Cause, Cost, ModelUsage};

use super::wire::{self, Ended, Heard, Permit, Said, Stop, Told, Totals, What, Word};
use crate::agent::Job;
use crate::dialect::{
    Asked, Decision, Dialect, Effect, Fault, Finish, Input, Key, Order, OrderId, RequestKey, Setting, Start, Status,
    Verdict,
};

/// One conversation.
pub(super) struct Conversation {
    /// The mock's counters at the end of the last turn.
    totals: Totals,
    /// Prompts that were sent and whose turn the mock has not begun.
    sent: Vec<u64>,
    /// The mock began a turn by itself while a prompt was on its way: for us the prompt's turn was running already.
    joined: bool,
}

impl Conversation {
    pub(super) fn new(job: &Job) -> Conversation {
        let totals = job.resume.as_ref().and_then(|resume| resume.totals.clone());
        Conversation {
            totals: totals.and_then(|totals| serde_json::from_value(totals).ok()).unwrap_or_default(),
            sent: Vec::new(),
            joined: false,
        }
    }

    fn told(&mut self, id: OrderId, order: &Order) -> Told {
        match order {
            Order::Prompt(prompt) => {
                if !prompt.steer {
                    self.sent.push(id.0);
                }
                let images = prompt.attachments.iter().filter(|file| file.mime.starts_with("image/")).count();
                let files = prompt.attachments.len() - images;
                Told::Prompt { order: id.0, text: prompt.text.clone(), images, files, steer: prompt.steer }
            }
            Order::Decide(key, decision) => {
                let (decision, input, message, stop) = match decision {
                    Decision::Accept { input } => (Word::Accept, input.clone(), None, false),
                    Decision::AcceptForSession => (Word::AcceptForSession, None, None, false),
                    Decision::Reject { message, stop } => (Word::Reject, None, message.clone(), *stop),
                };
                Told::Decide { key: key.0, decision, input, message, stop }
            }
            Order::Answer(key, answers) => Told::Answer { key: key.0, answers: answers.clone() },
            Order::Refuse(key, message) => Told::Refuse { key: key.0, message: message.clone() },
            Order::Set(setting) => {
                let (what, value) = match setting {
                    Setting::Model(value) => (What::Model, value),
                    Setting::Mode(value) => (What::Mode, value),
                    Setting::Effort(value) => (What::Effort, value),
                };
                Told::Set { order: id.0, what, value: value.clone() }
            }
            Order::Cancel => Told::Cancel,
        }
    }

    fn said(&mut self, said: Said, effects: &mut Vec<Effect>) {
        effects.push(match said {
            Said::Ready { native } => Effect::Native(native),
            Said::Taken { order } => {
                self.sent.retain(|sent| *sent != order);
                Effect::Taken(OrderId(order))
            }
            Said::Refused { order, error } => {
                self.sent.retain(|sent| *sent != order);
                Effect::Refused(OrderId(order), fault(error))
            }
            Said::Began if !self.sent.is_empty() => {
                self.joined = true;
                return;
            }
            Said::Began => Effect::TurnBegan(Cause::Background),
            Said::Start(start) => Effect::Start(Start {
                key: Key(start.key),
                native: start.native,
                parent: start.parent.map(Key),
                group: start.group,
                kind: start.kind,
                role: start.role,
                content: start.content,
            }),
            Said::Finish { key, status, content } => Effect::Finish(Finish { key: Key(key), status, content }),
            Said::Status { label, detail, json, parent } => {
                Effect::Status(Status { label, detail, json, parent: parent.map(Key) })
            }
            Said::Retracted { keys } => Effect::Retracted(keys.into_iter().map(Key).collect()),
            Said::Permit(permit) => Effect::Permit(Box::new(asked_for(*permit))),
            Said::Question { key, call, questions } => {
                Effect::Question(Asked { key: RequestKey(key), call: Some(Key(call)), questions })
            }
            Said::Withdrawn { key } => Effect::Withdrawn(RequestKey(key)),
            Said::Setback { error } => Effect::Setback(fault(error)),
            Said::Detached { key } => Effect::Detach(Key(key)),
            Said::AgentBegan { call } => Effect::AgentBegan(Key(call)),
            Said::AgentEnded { call } => Effect::AgentEnded(Key(call)),
            Said::Ended(_) if std::mem::take(&mut self.joined) => return,
            Said::Ended(ended) => return self.ended(ended, effects),
        });
    }

    fn ended(&mut self, ended: Ended, effects: &mut Vec<Effect>) {
        let stop = match ended.stop {
            Stop::Done => crate::dialect::Stop::Done,
            Stop::Interrupted => crate::dialect::Stop::Interrupted,
            Stop::Failed(error) => crate::dialect::Stop::Failed(fault(error)),
        };
        let mut verdict = Verdict { stop_reason: ended.reason, silent: ended.silent, ..Verdict::new(stop) };
        if let Some(totals) = ended.totals {
            let turn = totals.since(self.totals);
            self.totals = totals;
            verdict.usage = Some(turn.usage);
            verdict.cost = Some(Cost { usd: turn.usd(), basis: Totals::BASIS });
            verdict.models = Some(vec![ModelUsage { model: ended.model, usage: turn.usage, usd: Some(turn.usd()) }]);
            verdict.totals = Some(serde_json::to_value(totals).expect("numbers become JSON"));
        }
        if let Some(message) = ended.closes {
            effects.push(Effect::SessionEnded(Some(message)));
        }
        effects.push(Effect::TurnEnded(Box::new(verdict)));
    }
}

impl Dialect for Conversation {
    fn step(&mut self, input: Input<'_>, effects: &mut Vec<Effect>) {
        match input {
            Input::Line(line) => match wire::read(line) {
                Ok(Heard::Grown(grown)) => effects.push(Effect::Grow(Key(grown.key), grown.text)),
                Ok(Heard::Said(said)) => self.said(said, effects),
                Err(_) if line.trim().is_empty() => {}
                Err((error, name)) => {
                    let location = name.unwrap_or_else(|| "stdout".to_owned());
                    effects.push(Effect::Unparsed { error, location });
                }
            },
            Input::Order(id, order) => {
                let mut line = Vec::new();
                wire::write(&mut line, &self.told(id, order));
                line.pop();
                effects.push(Effect::Say(String::from_utf8(line).expect("JSON is UTF-8")));
            }
            // It speaks first, and nothing of it is worth a word after its end.
            Input::Opened | Input::Woke(_) | Input::Closed(_) | Input::Reply { .. } | Input::StreamLost => {}
        }
    }
}

fn fault(error: wire::Error) -> Fault {
    Fault { retry_after_ms: error.retry_after_ms, attempt: error.attempt, ..Fault::new(error.code, error.message) }
}

fn asked_for(permit: Permit) -> crate::dialect::Permit {
    crate::dialect::Permit {
        key: RequestKey(permit.key),
        call: Some(Key(permit.call)),
        action: permit.action,
        tool: permit.tool,
        title: Some(permit.title),
        command: permit.command,
        reads_only: permit.reads_only,
        cwd: permit.cwd,
        paths: permit.paths,
        url: permit.url,
        server: permit.server,
        files: permit.files,
        input: Some(permit.input),
        options: permit.options,
        metadata: None,
    }
}
