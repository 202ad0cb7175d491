//! What a turn cost: Claude Code's counters run on while its process lives, and begin anew with the next.

use schema::event::{Cost, CostBasis, ModelUsage, Usage};
use serde::{Deserialize, Serialize};

use super::wire;

/// The counters of one process.
#[derive(Debug, Default)]
pub(super) struct Spent {
    now: Totals,
    before: Totals,
    /// What an earlier process counted, until it is known whether this one goes on from there.
    resumed: Option<Totals>,
}

/// Counters as they stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    usd: f64,
    models: Vec<ModelUsage>,
}

impl Spent {
    /// The counters of a process that goes on with a conversation of these totals.
    pub(super) fn resumed(totals: Option<Totals>) -> Spent {
        Spent { resumed: totals, ..Spent::default() }
    }

    /// A turn begins.
    pub(super) fn turn_began(&mut self) {
        self.before = self.now.clone();
    }

    /// A result says its counters.
    pub(super) fn counted(&mut self, result: &wire::ResultLine) {
        let mut models: Vec<ModelUsage> = result
            .model_usage
            .iter()
            .map(|(model, counted)| ModelUsage {
                model: model.clone(),
                usage: Usage::from(*counted),
                usd: Some(counted.cost_usd),
            })
            .collect();
        models.sort_by(|a, b| a.model.cmp(&b.model));
        // An interrupted first request leaves them empty.
        if !models.is_empty() {
            self.now = Totals { usd: result.total_cost_usd.unwrap_or(0.0), models };
        }
        if let Some(earlier) = self.resumed.take() {
            // It goes on from there only where the sum is at least that and what this turn used.
            let own = Usage::from(result.usage).total_tokens;
            if self.now.tokens() >= earlier.tokens() + own && self.now.usd >= earlier.usd && earlier.tokens() > 0 {
                self.before = earlier;
            }
        }
    }

    /// What the turn used, by model.
    pub(super) fn models(&self) -> Vec<ModelUsage> {
        let earlier = |model: &str| self.before.models.iter().find(|known| known.model == model);
        let mut used: Vec<ModelUsage> = self
            .now
            .models
            .iter()
            .map(|now| {
                let (usage, usd) = match earlier(&now.model) {
                    Some(before) => (
                        now.usage.since(before.usage),
                        now.usd.map(|usd| cents(usd - before.usd.unwrap_or(0.0).min(usd))),
                    ),
                    None => (now.usage, now.usd.map(cents)),
                };
                ModelUsage { model: now.model.clone(), usage, usd }
            })
            .collect();
        used.retain(|model| model.usage.total_tokens > 0);
        used
    }

    /// What the turn cost.
    pub(super) fn cost(&self) -> Option<Cost> {
        let usd = cents(self.now.usd - self.before.usd.min(self.now.usd));
        (usd > 0.0).then_some(Cost { usd, basis: CostBasis::Reported })
    }

    /// The counters, for the next process.
    pub(super) fn totals(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.now).ok().filter(|_| !self.now.models.is_empty())
    }
}

impl Totals {
    fn tokens(&self) -> u64 {
        self.models.iter().map(|model| model.usage.total_tokens).sum()
    }
}

/// A difference of floating point numbers without its noise: to the millionth of a cent.
fn cents(usd: f64) -> f64 {
    (usd * 1e8).round() / 1e8
}
