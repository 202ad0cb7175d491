//! What an agent offers by its own word: its models, modes, efforts and commands, asked in a short conversation of its own.

use schema::record::{Model, Offer};
use serde_json::Value;

use crate::dialect::{Ask, Fault, Input};

/// A conversation that only asks what the agent offers, as a state machine. Nothing is prompted, no model is called.
pub trait Inquiry: Send {
    /// Takes what happened and adds what should follow.
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>);
}

/// What follows in an inquiry.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Say this line to the agent.
    Say(String),
    /// Call the agent that serves.
    Ask(Ask),
    /// That is all it offers.
    Offered(Offer),
    /// It will not say.
    Failed(Fault),
}

/// Adds a model, and its efforts to those of all.
pub(crate) fn add(offer: &mut Offer, model: Model) {
    for effort in &model.efforts {
        if !offer.efforts.contains(effort) {
            offer.efforts.push(effort.clone());
        }
    }
    offer.models.push(model);
}

/// The texts at a key of each member of a list.
pub(crate) fn texts(list: &Value, key: &str) -> Vec<String> {
    let members = list.as_array().into_iter().flatten();
    members.filter_map(|member| member[key].as_str().map(str::to_owned)).collect()
}

/// The members of a list of texts.
pub(crate) fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}
