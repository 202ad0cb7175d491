//! What OpenCode offers, by `GET /config/providers`, `/agent` and `/command` (read off 1.18.33).

use serde_json::Value;

use crate::dialect::{Ask, Fault, Input, Method, Tag};
use crate::offer::{Inquiry, Told, add, texts};
use schema::outcome::ErrorCode;
use schema::record::{Model, Offer};

const PROVIDERS: Tag = Tag(1);
const AGENTS: Tag = Tag(2);
const COMMANDS: Tag = Tag(3);

/// Three questions.
#[derive(Default)]
pub(super) struct Asking {
    offer: Offer,
    answered: usize,
}

impl Inquiry for Asking {
    fn step(&mut self, input: Input<'_>, told: &mut Vec<Told>) {
        match input {
            Input::Opened => {
                for (tag, path) in [(PROVIDERS, "/config/providers"), (AGENTS, "/agent"), (COMMANDS, "/command")] {
                    let ask = Ask { tag, method: Method::Get, path: path.to_owned(), body: String::new() };
                    told.push(Told::Ask(ask));
                }
            }
            Input::Reply { status: 200, tag, body } => {
                self.take(tag, &serde_json::from_str(body).unwrap_or_default());
                self.answered += 1;
                if self.answered == 3 {
                    told.push(Told::Offered(std::mem::take(&mut self.offer)));
                }
            }
            Input::Reply { status, .. } => {
                let message = format!("its server answered with status {status}");
                told.push(Told::Failed(Fault::new(ErrorCode::Other, message)));
            }
            Input::Line(_) | Input::StreamLost | Input::Order(..) | Input::Woke(_) | Input::Closed(_) => {}
        }
    }
}

impl Asking {
    fn take(&mut self, tag: Tag, said: &Value) {
        if tag == AGENTS {
            let agents = said.as_array().into_iter().flatten();
            // Those for the user to choose; what is hidden or only a sub-agent is not.
            let chosen = agents.filter(|agent| agent["mode"] != "subagent" && agent["hidden"] != true);
            self.offer.modes = chosen.filter_map(|agent| agent["name"].as_str().map(str::to_owned)).collect();
        } else if tag == COMMANDS {
            self.offer.commands = texts(said, "name");
        } else {
            for provider in said["providers"].as_array().into_iter().flatten() {
                let Some(name) = provider["id"].as_str() else { continue };
                for (id, model) in provider["models"].as_object().into_iter().flatten() {
                    let efforts = model["variants"].as_object().into_iter().flatten();
                    add(
                        &mut self.offer,
                        Model {
                            id: format!("{name}/{id}"),
                            name: model["name"].as_str().unwrap_or(id).to_owned(),
                            efforts: efforts.map(|(effort, _)| effort.clone()).collect(),
                            is_default: said["default"][name] == id.as_str(),
                        },
                    );
                }
            }
        }
    }
}
