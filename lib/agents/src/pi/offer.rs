//! What Pi offers, by `get_available_models`, `get_state` and `get_commands` of its RPC (read off 0.87.1).

use serde_json::{Value, json};

use crate::dialect::Input;
use crate::offer::{Inquiry, Told, add, texts};
use schema::record::{Model, Offer};

/// Three questions.
#[derive(Default)]
pub(super) struct Asking {
    offer: Offer,
    model: Value,
    answered: usize,
}

const QUESTIONS: [&str; 3] = ["get_available_models", "get_state", "get_commands"];

impl Inquiry for Asking {
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>) {
        match input {
            Input::Opened => {
                told.extend(QUESTIONS.map(|word| Told::Say(json!({ "id": word, "type": word }).to_string())));
            }
            Input::Line(line) => {
                let said: Value = serde_json::from_str(line).unwrap_or_default();
                if said["type"] == "response" && QUESTIONS.iter().any(|word| said["id"] == *word) {
                    self.take(&said["command"], &said["data"]);
                    self.answered += 1;
                }
                if self.answered == QUESTIONS.len() {
                    self.answered = 0;
                    let mut offer = std::mem::take(&mut self.offer);
                    for model in &mut offer.models {
                        model.is_default = self.model == model.id.as_str();
                    }
                    told.push(Told::Offered(offer));
                }
            }
            Input::Reply { .. } | Input::StreamLost | Input::Order(..) | Input::Woke(_) | Input::Closed(_) => {}
        }
    }
}

impl Asking {
    fn take(&mut self, command: &Value, data: &Value) {
        let id = |model: &Value| Some(format!("{}/{}", model["provider"].as_str()?, model["id"].as_str()?));
        match command.as_str() {
            Some("get_state") => self.model = id(&data["model"]).into(),
            Some("get_commands") => self.offer.commands = texts(&data["commands"], "name"),
            Some(_) | None => {
                for model in data["models"].as_array().into_iter().flatten() {
                    let Some(id) = id(model) else { continue };
                    let name = model["name"].as_str().unwrap_or(&id).to_owned();
                    add(&mut self.offer, Model { id, name, efforts: Vec::new(), is_default: false });
                }
            }
        }
    }
}
