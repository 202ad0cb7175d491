//! The mock's own line protocol, both ways: what it is told on stdin, what it says on stdout; blank lines mean nothing.

use std::ops::Range;

use schema::event::{CostBasis, Usage};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel};
use schema::outcome::ErrorCode;
use schema::request::{Action, PermissionOption, Question};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line to the mock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told {
    /// A prompt; answered by `Taken` when its turn begins or, steered, when it was put in; else by `Refused`.
    Prompt {
        /// Names the answer.
        order: u64,
        /// Its text.
        text: String,
        /// How many pictures come with it.
        #[serde(default, skip_serializing_if = "is_zero")]
        images: usize,
        /// How many other files come with it.
        #[serde(default, skip_serializing_if = "is_zero")]
        files: usize,
        /// Put it into the running turn.
        #[serde(default, skip_serializing_if = "is_false")]
        steer: bool,
    },
    /// A permission was decided.
    Decide {
        /// Which.
        key: u32,
        /// What was decided.
        decision: Word,
        /// The edited input of an accepted one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// The reason of a rejected one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// End the turn with it.
        #[serde(default, skip_serializing_if = "is_false")]
        stop: bool,
    },
    /// A question was answered.
    Answer {
        /// Which.
        key: u32,
        /// For each of its questions, in order, the labels or texts.
        answers: Vec<Vec<String>>,
    },
    /// A question will not be answered.
    Refuse {
        /// Which.
        key: u32,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Another model, mode or effort from now on; answered by `Taken` or `Refused`.
    Set {
        /// Names the answer.
        order: u64,
        /// What.
        what: What,
        /// Its new value.
        value: String,
    },
    /// End the running turn.
    Cancel,
}

/// What was decided about a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Go on.
    Accept,
    /// Go on, and do not ask for the same again.
    AcceptForSession,
    /// Do not.
    Reject,
}

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The model.
    Model,
    /// The mode.
    Mode,
    /// The effort.
    Effort,
}

impl What {
    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Model => "model",
            What::Mode => "mode",
            What::Effort => "effort",
        }
    }
}

/// A line from the mock, but for text that grows ([`Grown`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said {
    /// It runs; its name of the conversation.
    Ready {
        /// The name.
        native: String,
    },
    /// A prompt or a setting was taken.
    Taken {
        /// Which.
        order: u64,
    },
    /// A prompt or a setting was refused.
    Refused {
        /// Which.
        order: u64,
        /// Why.
        error: Error,
    },
    /// It goes on by itself: a turn without a prompt.
    Began,
    /// An item began.
    Start(Start),
    /// An item is complete.
    Finish {
        /// Which.
        key: u32,
        /// How it ended.
        status: ItemStatus,
        /// What it says in the end, where that is not what it began with and what grew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Vec<ContentPart>>,
    },
    /// A status, complete at once.
    Status {
        /// What it is about.
        label: StatusLabel,
        /// A line for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Its structure.
        json: Value,
        /// The sub-agent's call it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<u32>,
    },
    /// These items belong to an attempt that was abandoned.
    Retracted {
        /// Which.
        keys: Vec<u32>,
    },
    /// A permission is asked for.
    Permit(Box<Permit>),
    /// A question is asked.
    Question {
        /// Its name.
        key: u32,
        /// The call it is about.
        call: u32,
        /// All its questions.
        questions: Vec<Question>,
    },
    /// It no longer waits for this request.
    Withdrawn {
        /// Which.
        key: u32,
    },
    /// Something went wrong; the turn goes on.
    Setback {
        /// What.
        error: Error,
    },
    /// A command's output goes on after the end of the turn.
    Detached {
        /// Which.
        key: u32,
    },
    /// A sub-agent works below this call.
    AgentBegan {
        /// Which.
        call: u32,
    },
    /// It is done.
    AgentEnded {
        /// Which.
        call: u32,
    },
    /// The turn is over.
    Ended(Ended),
}

/// An item began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Its name, counted from 1 on.
    pub key: u32,
    /// The mock's own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// What it is nested in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The model message it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it is.
    pub kind: ItemKind,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What it says so far.
    pub content: Vec<ContentPart>,
}

/// A permission is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permit {
    /// Its name, counted from 1 on.
    pub key: u32,
    /// The call it is about.
    pub call: u32,
    /// What it wants to do.
    pub action: Action,
    /// Its name of the tool.
    pub tool: String,
    /// A line for people.
    pub title: String,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The command only reads.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reads_only: bool,
    /// Where it would run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The MCP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ContentPart>,
    /// The tool's input.
    pub input: Value,
    /// Its own choices.
    pub options: Vec<PermissionOption>,
}

/// The turn is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub stop: Stop,
    /// Its word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The model that worked.
    pub model: String,
    /// Everything that the conversation took so far, this turn included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// No answer was to be expected.
    #[serde(default, skip_serializing_if = "is_false")]
    pub silent: bool,
    /// The conversation is closed for good, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<String>,
}

/// How a turn stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// By itself.
    Done,
    /// It was cancelled, or a denial stopped it.
    Interrupted,
    /// It failed.
    Failed(Error),
}

/// Something went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// Which of the closed list.
    pub code: ErrorCode,
    /// A line for people.
    pub message: String,
    /// How long until the next try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Which try failed, from 1 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
}

/// Counters that run on over turns, processes and forks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tokens.
    pub usage: Usage,
    /// Millionths of a US dollar.
    pub micros: u64,
}

impl Totals {
    /// What was added since `before`.
    pub fn since(self, before: Totals) -> Totals {
        Totals { usage: self.usage.since(before.usage), micros: self.micros.saturating_sub(before.micros) }
    }

    /// In US dollars.
    pub fn usd(self) -> f64 {
        // Exact for every sum below nine billion dollars.
        self.micros as f64 / 1e6
    }

    /// Whose word the price is.
    pub const BASIS: CostBasis = CostBasis::Reported;
}

/// An item's text grew: the line there are millions of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// Which item.
    #[serde(rename = "d")]
    pub key: u32,
    /// By what.
    #[serde(rename = "t")]
    pub text: String,
}

/// What every line of text that grows begins with, and no other.
const GROWN: &str = r#"{"d":"#;

/// A line from the mock, understood.
#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Text that grows.
    Grown(Grown),
    /// Anything else.
    Said(Said),
}

/// Reads a line from the mock.
///
/// # Errors
/// Why it was not understood, and the message's name where it has one.
pub fn read(line: &str) -> Result<Heard, (String, Option<String>)> {
    if line.starts_with(GROWN) {
        return serde_json::from_str(line).map(Heard::Grown).map_err(|error| (error.to_string(), None));
    }
    serde_json::from_str(line).map(Heard::Said).map_err(|error| {
        let name = serde_json::from_str::<Named>(line).ok().map(|named| named.name);
        (error.to_string(), name)
    })
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    name: String,
}

/// Appends a line.
pub fn write(out: &mut Vec<u8>, line: &impl Serialize) {
    serde_json::to_writer(&mut *out, line).expect("words and numbers become JSON, and memory takes them");
    out.push(b'\n');
}

/// The length of the number that begins each text of a burst, with the space after it.
const NUMBER: usize = 10;

/// How long each text of a burst is, in bytes, where `bytes` were asked for.
pub fn burst_length(bytes: usize) -> usize {
    bytes.max(NUMBER)
}

/// Appends the lines of a burst: each text is its number in nine digits and a space, filled up to `bytes`.
pub fn write_burst(out: &mut Vec<u8>, key: u32, numbers: Range<u64>, bytes: usize) {
    let mut line = Vec::new();
    let filler = "mock ".bytes().cycle().take(burst_length(bytes) - NUMBER);
    let text: String = std::iter::repeat_n('0', NUMBER - 1).chain(" ".chars()).chain(filler.map(char::from)).collect();
    write(&mut line, &Grown { key, text });
    // The text is the last thing in the line and holds nothing that JSON escapes.
    let at = line.len() - "\"}\n".len() - burst_length(bytes);
    for number in numbers {
        let mut left = number;
        for digit in line[at..at + NUMBER - 1].iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).expect("a remainder of ten is a digit");
            left /= 10;
        }
        out.extend_from_slice(&line);
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_burst_are_those_of_growing_text() {
        let mut out = Vec::new();
        write_burst(&mut out, 7, 9..12, 16);
        let lines: Vec<Heard> = std::str::from_utf8(&out).unwrap().lines().map(|line| read(line).unwrap()).collect();
        let grown = |text: &str| Heard::Grown(Grown { key: 7, text: text.to_owned() });
        assert_eq!(lines, [grown("000000009 mock m"), grown("000000010 mock m"), grown("000000011 mock m")]);
        out.clear();
        write_burst(&mut out, 1, 0..1, 0);
        assert_eq!(out, b"{\"d\":1,\"t\":\"000000000 \"}\n");
    }

    #[test]
    fn what_is_not_understood_has_its_name() {
        assert_eq!(read(r#"{"type":"mystery"}"#).unwrap_err().1.as_deref(), Some("mystery"));
        for line in [r#"{"d":1}"#, "[]", "", "mock", "{\"d\":1,\"t\":\"\n\"}"] {
            assert_eq!(read(line).unwrap_err().1, None, "{line:?}");
        }
    }
}
