//! What an ACP agent offers, by its answer to `session/new`: models, modes and the options of its configuration.

use serde_json::Value;

use super::dialect::Conversation;
use super::wire::{self, list, text};
use crate::agent::Job;
use crate::dialect::{Dialect, Effect, Input};
use crate::offer::{Inquiry, Told, add};
use schema::record::{Model, Offer};

/// A conversation that ends where its first prompt would begin.
pub(crate) struct Asking(Conversation);

impl Asking {
    pub(crate) fn new(job: &Job) -> Asking {
        Asking(Conversation::new(job))
    }
}

impl Inquiry for Asking {
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>) {
        let mut effects = Vec::new();
        self.0.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Say(line) => told.push(Told::Say(line)),
                Effect::Native(_) => told.push(Told::Offered(offer(self.0.offered()))),
                Effect::End(Some(fault)) => told.push(Told::Failed(fault)),
                // What else it says on its way into a session is about that session.
                Effect::Ask(_)
                | Effect::TurnBegan(_)
                | Effect::Start(_)
                | Effect::Grow(..)
                | Effect::Finish(_)
                | Effect::Status(_)
                | Effect::Retracted(_)
                | Effect::Permit(_)
                | Effect::Denied { .. }
                | Effect::Question(_)
                | Effect::Withdrawn(_)
                | Effect::Setback(_)
                | Effect::Unparsed { .. }
                | Effect::Detach(_)
                | Effect::AgentBegan(_)
                | Effect::AgentEnded(_)
                | Effect::Taken(_)
                | Effect::Refused(..)
                | Effect::TurnEnded(_)
                | Effect::Wake(..)
                | Effect::SessionEnded(_)
                | Effect::End(None) => {}
            }
        }
    }
}

/// Models and modes stand at keys of their own, in newer agents among the options.
fn offer(offered: &Value) -> Offer {
    let mut offer = Offer::default();
    let chosen = |category: &str| wire::option(&offered["configOptions"], category);
    let values = |category: &str| -> Vec<&Value> {
        let options = chosen(category).map_or(&[][..], |option| list(option, "options"));
        // Options may stand in groups.
        options
            .iter()
            .flat_map(|one| if one["options"].is_array() { list(one, "options") } else { std::slice::from_ref(one) })
            .collect()
    };
    offer.efforts =
        values("thought_level").into_iter().filter_map(|one| text(one, "value").map(str::to_owned)).collect();
    let modes = list(&offered["modes"], "availableModes").iter().filter_map(|mode| text(mode, "id"));
    let others = values("mode");
    offer.modes = modes.chain(others.into_iter().filter_map(|mode| text(mode, "value"))).map(str::to_owned).collect();
    offer.modes.dedup();
    let current = text(&offered["models"], "currentModelId");
    let current = current.or_else(|| chosen("model").and_then(|option| text(option, "currentValue")));
    let models = list(&offered["models"], "availableModels").iter();
    for model in models.chain(values("model")) {
        let Some(id) = text(model, "modelId").or(text(model, "value")) else { continue };
        if offer.models.iter().any(|known| known.id == id) {
            continue;
        }
        add(
            &mut offer,
            Model {
                id: id.to_owned(),
                name: text(model, "name").unwrap_or(id).to_owned(),
                efforts: Vec::new(),
                is_default: current == Some(id),
            },
        );
    }
    offer
}
