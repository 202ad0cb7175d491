//! What somebody wants of a session's owner: a line of `run --input ndjson`, and the body of a request in the store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::PermissionMode;

/// A request to a session's owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// A prompt: it waits its turn, or is put into the running one.
    Prompt(Ask),
    /// A permission is decided, or a question answered.
    Answer(Answer),
    /// Interrupt the running turn.
    Cancel(Cancel),
    /// Something is to be different from now on.
    Set(Set),
    /// Take a prompt back that has not been given to the agent yet.
    Withdraw(Withdraw),
    /// Finish what waits, then end.
    End(End),
}

impl Control {
    /// The word as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Control::Prompt(_) => "prompt",
            Control::Answer(_) => "answer",
            Control::Cancel(_) => "cancel",
            Control::Set(_) => "set",
            Control::Withdraw(_) => "withdraw",
            Control::End(_) => "end",
        }
    }
}

/// A prompt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Its text.
    pub text: String,
    /// Paths of files and pictures that come with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attach: Vec<String>,
    /// Who sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The sender's own id; it comes back in `turn.started.prompt_ids`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Put it into the running turn, where the agent can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steer: bool,
}

/// An answer: a decision about a permission, or one of `answers`, `options` and `text` for a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The permission's or question's id.
    pub request_id: String,
    /// What is decided; `reject` declines a question too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Choice>,
    /// Why it is rejected; said to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The permission's input, edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// For each question's id the labels or texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<BTreeMap<String, Vec<String>>>,
    /// Labels for the first question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// A text for the first question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A decision about a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Go on.
    Accept,
    /// Go on, and do not ask for the same again while this owner lives.
    AcceptForSession,
    /// Do not.
    Reject,
}

/// An interruption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Do not wait for the agent to end its turn by its own protocol: end its process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kill: bool,
}

/// New settings; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The model, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The mode, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The effort, in the agent's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// How permissions are decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
}

/// A prompt is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// The number of its request.
    pub request: i64,
}

/// The end of what is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct End {}

/// What became of a request, as its owner wrote it down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// A prompt's item, an answer's `…resolved`: the event that followed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The id that a prompt has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
    /// The turn that was interrupted, or that got a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One of the closed list.
    pub code: crate::outcome::ErrorCode,
    /// What could not be done, and why.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_documented() {
        let read = |line: &str| serde_json::from_str::<Control>(line);
        assert_eq!(read(r#"{"type":"cancel"}"#).unwrap(), Control::Cancel(Cancel::default()));
        assert_eq!(read(r#"{"type":"end"}"#).unwrap(), Control::End(End {}));
        let prompt = read(r#"{"type":"prompt","text":"a","steer":true,"id":"p1"}"#).unwrap();
        let ask = Ask { text: "a".into(), steer: true, id: Some("p1".into()), ..Ask::default() };
        assert_eq!(prompt, Control::Prompt(ask));
        let answer = read(r#"{"type":"answer","request_id":"perm_1","decision":"accept_for_session"}"#).unwrap();
        let wanted =
            Answer { request_id: "perm_1".into(), decision: Some(Choice::AcceptForSession), ..Answer::default() };
        assert_eq!(answer, Control::Answer(wanted));
        for bad in [
            r#"{"type":"prompt"}"#,
            r#"{"type":"prompt","text":"a","steers":true}"#,
            r#"{"type":"answer","decision":"accept"}"#,
            r#"{"type":"answer","request_id":"x","decision":"yes"}"#,
            r#"{"type":"shout"}"#,
            r#"{"text":"a"}"#,
            "[]",
            "",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
