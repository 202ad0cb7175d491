//! What Claude Code offers, by its answer to `initialize` (read off 2.1.329).

use serde_json::{Value, json};

use crate::dialect::Input;
use crate::offer::{Inquiry, Told, add, texts, words};
use schema::record::{Model, Offer};

const REQUEST: &str = "offer";

/// One question.
pub(super) struct Asking;

impl Inquiry for Asking {
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>) {
        match input {
            Input::Opened => {
                let request = json!({ "subtype": "initialize" });
                let line = json!({ "type": "control_request", "request_id": REQUEST, "request": request });
                told.push(Told::Say(line.to_string()));
            }
            Input::Line(line) => {
                let said: Value = serde_json::from_str(line).unwrap_or_default();
                if said["type"] == "control_response" && said["response"]["request_id"] == REQUEST {
                    told.push(Told::Offered(offer(&said["response"]["response"])));
                }
            }
            Input::Reply { .. } | Input::StreamLost | Input::Order(..) | Input::Woke(_) | Input::Closed(_) => {}
        }
    }
}

fn offer(said: &Value) -> Offer {
    let mut offer = Offer { commands: texts(&said["commands"], "name"), ..Offer::default() };
    for model in said["models"].as_array().into_iter().flatten() {
        let Some(id) = model["value"].as_str() else { continue };
        add(
            &mut offer,
            Model {
                id: id.to_owned(),
                name: model["displayName"].as_str().unwrap_or(id).to_owned(),
                efforts: words(&model["supportedEffortLevels"]),
                is_default: id == "default",
            },
        );
    }
    offer
}
