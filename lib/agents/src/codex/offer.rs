//! What Codex offers, by `model/list` of its app-server (read off 0.169.0).

use serde_json::{Value, json};

use crate::dialect::{Fault, Input};
use crate::jsonrpc::{self, Calls};
use crate::offer::{Inquiry, Told, add, texts};
use schema::outcome::ErrorCode;
use schema::record::{Model, Offer};

/// Pages of models after the greeting.
pub(super) struct Asking {
    calls: Calls<Call>,
    offer: Offer,
    version: String,
}

enum Call {
    Initialize,
    Models,
}

impl Asking {
    pub(super) fn new(version: &str) -> Asking {
        Asking { calls: Calls::new(), offer: Offer::default(), version: version.to_owned() }
    }

    fn models(&mut self, cursor: &Value, told: &mut Vec<Told>) {
        let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        told.push(Told::Say(self.calls.call("model/list", &params, Call::Models)));
    }
}

impl Inquiry for Asking {
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>) {
        let line = match input {
            Input::Opened => {
                let client = json!({ "name": "sandbox-agent", "title": null, "version": self.version });
                let line = self.calls.call("initialize", &json!({ "clientInfo": client }), Call::Initialize);
                return told.push(Told::Say(line));
            }
            Input::Line(line) => line,
            Input::Reply { .. } | Input::StreamLost | Input::Order(..) | Input::Woke(_) | Input::Closed(_) => return,
        };
        let said: Value = serde_json::from_str(line).unwrap_or_default();
        let Some(call) = self.calls.answered(&said["id"]) else { return };
        if let Some(message) = said["error"]["message"].as_str() {
            return told.push(Told::Failed(Fault::new(ErrorCode::Other, message)));
        }
        match call {
            Call::Initialize => {
                told.push(Told::Say(jsonrpc::notify("initialized")));
                self.models(&Value::Null, told);
            }
            Call::Models => {
                for model in said["result"]["data"].as_array().into_iter().flatten() {
                    let Some(id) = model["model"].as_str().or(model["id"].as_str()) else { continue };
                    add(
                        &mut self.offer,
                        Model {
                            id: id.to_owned(),
                            name: model["displayName"].as_str().unwrap_or(id).to_owned(),
                            efforts: texts(&model["supportedReasoningEfforts"], "reasoningEffort"),
                            is_default: model["isDefault"] == true,
                        },
                    );
                }
                let cursor = &said["result"]["nextCursor"];
                if cursor.is_null() {
                    told.push(Told::Offered(std::mem::take(&mut self.offer)));
                } else {
                    self.models(cursor, told);
                }
            }
        }
    }
}
