//! What the agent says: each line to the dialect, each effect to the course and the journal.

use std::time::Instant;

use agents::dialect::{Effect, Exit, Fault, Input, Order, OrderId, Stop, Tag, Verdict};
use host::{Line, clock, http};
use schema::event::{Body, Unparsed};
use schema::outcome::ErrorCode;
use sha2::{Digest, Sha256};

use super::{BATCH, Conductor, PAYLOAD, Say};
use crate::error::Error;
use crate::peer::Peer;
use crate::turn::{Cut, Note, describe_exit};

impl Conductor<'_> {
    /// Everything the agent has said so far, in batches.
    pub(super) fn heard(&mut self, peer: &mut Peer) -> Result<(), Error> {
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

    pub(super) fn replied(&mut self, answer: &http::Answer) {
        let http::Answer { tag, status, body } = answer;
        if let Some(trace) = &mut self.trace {
            trace.write("out", &format!("{tag} {status} {body}"));
        }
        self.step(Input::Reply { tag: Tag(*tag), status: *status, body }, Some(body));
    }

    /// One input to the dialect, and all that follows from it.
    pub(super) fn step(&mut self, input: Input<'_>, raw: Option<&str>) {
        self.speak(input, raw);
        self.carry_out();
    }

    pub(super) fn speak(&mut self, input: Input<'_>, raw: Option<&str>) {
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
    pub(super) fn carry_out(&mut self) {
        while let Some((id, order)) = self.orders.pop_front() {
            self.speak(Input::Order(id, &order), None);
        }
    }

    pub(super) fn order(&mut self, order: Order) -> OrderId {
        self.ordered += 1;
        let id = OrderId(self.ordered);
        self.orders.push_back((id, order));
        id
    }

    /// Moves what the course said into the journal.
    pub(super) fn record(&mut self, raw: Option<&str>) {
        let raw = raw.filter(|_| self.run.raw).map(payload);
        self.record_with(raw.as_deref());
    }

    pub(super) fn record_with(&mut self, raw: Option<&str>) {
        for said in self.course.said() {
            self.journal.push(&said.body, said.synthetic, raw);
        }
    }

    pub(super) fn note(&mut self, note: Note, raw: Option<&str>) {
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

    pub(super) fn unparsed(&mut self, error: String, location: String, raw: Option<&str>) {
        let raw = raw.unwrap_or_default();
        let raw_hash = hex(&Sha256::digest(raw.as_bytes()));
        self.course.say_for_agent(Body::AgentUnparsed(Unparsed { error, location, raw_hash }));
        self.record_with(Some(&payload(raw)));
    }

    pub(super) fn exited(&mut self, exit: &host::Exit) {
        let exit = Exit { code: exit.code, signal: exit.signal, stderr: exit.stderr.clone() };
        self.step(Input::Closed(&exit), None);
        self.over = true;
        if self.course.in_turn() {
            self.cut(Cut::Fault(Fault::new(ErrorCode::Crash, describe_exit(self.agent, &exit))));
            let verdict = self.course.cut().is_some().then(|| Verdict::new(Stop::Interrupted));
            self.end_turn(verdict, false);
        }
    }

    pub(super) fn aside(&mut self, text: &str) {
        if let Some(trace) = &mut self.trace {
            for line in text.lines() {
                trace.write("err", line);
            }
        }
        for line in text.lines() {
            log::debug!("{} says: {}", self.agent, self.journal.masked(line));
        }
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
