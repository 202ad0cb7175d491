//! The other tongue: the Agent Client Protocol, version 1, as an agent speaks it. What a client says becomes our words, our events its words. Pure.

mod asked;
mod said;
mod teller;

pub use asked::{File, Message, Prompt, answer, offers_forms, prompt, read, servers};
pub use said::{
    Asking, Choice, End, Voice, agreed, can_ask, changed, configured, error, failure, initialized, options, own,
    prompt_id, request_of, response, session,
};
pub use teller::Teller;
