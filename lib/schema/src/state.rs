//! What a session is, folded from its events; every column that says so is a cache of this.

use crate::event::{Body, PermissionMode, Usage};
use crate::item::{ContentPart, Item, ItemKind, StatusLabel};
use crate::outcome::Outcome;
use crate::record::SessionStatus;

/// What a session is after some of its events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The open turn.
    pub turn: Option<String>,
    /// Closed for good.
    pub ended: bool,
    /// What became of the last turn.
    pub outcome: Option<Outcome>,
    /// The exit code of the last turn.
    pub exit_code: Option<i32>,
    /// Open permissions and questions, in order.
    pub pending: Vec<String>,
    /// Turns that ended.
    pub turns: i64,
    /// Tokens of all turns.
    pub usage: Option<Usage>,
    /// Money of all turns, US dollars.
    pub cost_usd: Option<f64>,
    /// The model last heard of.
    pub model: Option<String>,
    /// The mode last heard of.
    pub mode: Option<String>,
    /// The title last heard of.
    pub title: Option<String>,
    /// How permissions are decided since the last start.
    pub permission_mode: Option<PermissionMode>,
}

impl State {
    /// Takes the next event into account.
    pub fn apply(&mut self, body: &Body) {
        match body {
            Body::ItemDelta(_) | Body::ItemStarted(_) | Body::Error(_) | Body::AgentUnparsed(_) => {}
            Body::SessionStarted(started) => {
                self.permission_mode = Some(started.permission_mode);
                for (mine, said) in [(&mut self.model, &started.model), (&mut self.mode, &started.mode)] {
                    if said.is_some() {
                        mine.clone_from(said);
                    }
                }
            }
            Body::SessionEnded(_) => self.ended = true,
            Body::TurnStarted(turn) => self.turn = Some(turn.turn_id.clone()),
            Body::TurnEnded(turn) => {
                self.turn = None;
                self.outcome = Some(turn.outcome);
                self.exit_code = Some(turn.exit_code);
                self.turns += 1;
                if let Some(usage) = turn.usage {
                    self.usage = Some(self.usage.unwrap_or_default().plus(usage));
                }
                if let Some(cost) = turn.cost {
                    self.cost_usd = Some(self.cost_usd.unwrap_or(0.0) + cost.usd);
                }
            }
            Body::ItemCompleted(event) => self.status_item(&event.item),
            Body::PermissionRequested(request) => self.pending.push(request.permission_id.clone()),
            Body::PermissionResolved(request) => self.pending.retain(|id| *id != request.permission_id),
            Body::QuestionRequested(request) => self.pending.push(request.question_id.clone()),
            Body::QuestionResolved(request) => self.pending.retain(|id| *id != request.question_id),
        }
    }

    /// What the session is doing, as far as its events tell.
    pub fn status(&self) -> SessionStatus {
        if self.ended {
            SessionStatus::Ended
        } else if !self.pending.is_empty() {
            SessionStatus::Asking
        } else if self.turn.is_some() {
            SessionStatus::Running
        } else {
            SessionStatus::Idle
        }
    }

    fn status_item(&mut self, item: &Item) {
        if item.kind != ItemKind::Status || item.parent_id.is_some() {
            return;
        }
        let mut label = None;
        for part in &item.content {
            match part {
                ContentPart::Status { label: said, .. } => label = Some(*said),
                ContentPart::Json { json } => {
                    let word = |key: &str| json.get(key).and_then(|value| value.as_str()).map(str::to_owned);
                    match label {
                        Some(StatusLabel::SessionInfo) => {
                            self.model = word("model").or(self.model.take());
                            self.mode = word("mode").or(self.mode.take());
                        }
                        Some(StatusLabel::ModelChanged) => self.model = word("model").or(self.model.take()),
                        Some(StatusLabel::ModeChanged) => self.mode = word("mode").or(self.mode.take()),
                        Some(StatusLabel::SessionTitle) => self.title = word("title").or(self.title.take()),
                        _ => {}
                    }
                }
                ContentPart::Text { .. }
                | ContentPart::ToolCall { .. }
                | ContentPart::ToolResult { .. }
                | ContentPart::FileRef { .. }
                | ContentPart::Image { .. }
                | ContentPart::Reasoning { .. } => {}
            }
        }
    }
}
