//! What became of a turn, and the closed list of error codes: said by the last event, the session's row and the exit code.

use serde::{Deserialize, Serialize};

/// What became of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It completed and nothing was denied.
    Ok,
    /// The agent failed, crashed, fell silent, or broke its protocol.
    Failed,
    /// Not logged in, or the key was refused.
    Auth,
    /// Something it asked for was denied.
    Denied,
    /// It stopped because a permission or a question needs an answer.
    InputNeeded,
    /// A limit of the model or of ours was reached, or the model refused.
    Limit,
    /// A passing fault of the service: worth another try later.
    Retry,
    /// Our wall clock or idle clock ran out.
    Timeout,
    /// We cancelled it.
    Cancelled,
}

impl Outcome {
    /// The exit code of a run with this outcome, where no signal decided it.
    pub fn exit_code(self) -> i32 {
        match self {
            Outcome::Ok => 0,
            Outcome::Failed => 1,
            Outcome::Auth => 4,
            Outcome::Denied => 5,
            Outcome::InputNeeded => 6,
            Outcome::Limit => 7,
            Outcome::Retry => 75,
            Outcome::Timeout => 124,
            Outcome::Cancelled => 130,
        }
    }

    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Auth => "auth",
            Outcome::Denied => "denied",
            Outcome::InputNeeded => "input_needed",
            Outcome::Limit => "limit",
            Outcome::Retry => "retry",
            Outcome::Timeout => "timeout",
            Outcome::Cancelled => "cancelled",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal => $exit:literal;)*) => {
        /// Why something failed; the list is closed (SPEC §5).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(any(test, feature = "schemars"), derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $word,)* }
            }

            /// The exit code of a run that ended with it.
            pub fn exit_code(self) -> i32 {
                match self { $(ErrorCode::$name => $exit,)* }
            }
        }
    };
}

codes! {
    /// Prompts that were queued when the owner died; they were not given to the agent.
    NotDelivered = "not_delivered" => 1;
    /// Not logged in, or the key was refused.
    Auth = "auth" => 4;
    /// Too many requests in a time.
    RateLimit = "rate_limit" => 75;
    /// The account's allowance is used up.
    Quota = "quota" => 75;
    /// The model has no capacity.
    Overloaded = "overloaded" => 75;
    /// The service failed (any 5xx).
    Server = "server" => 75;
    /// The service could not be reached, or the stream broke.
    Network = "network" => 75;
    /// The model's answer was cut by its length limit.
    MaxTokens = "max_tokens" => 7;
    /// The limit of model requests in one turn.
    MaxTurns = "max_turns" => 7;
    /// The limit of money in one run.
    MaxCost = "max_cost" => 7;
    /// The conversation no longer fits the model.
    ContextFull = "context_full" => 7;
    /// The model refused the task.
    Refusal = "refusal" => 7;
    /// Our wall clock or idle clock ran out.
    Timeout = "timeout" => 124;
    /// The agent's program is missing (127), or was found and does not run (126).
    NotInstalled = "not_installed" => 127;
    /// The service calls our request wrong.
    BadRequest = "bad_request" => 1;
    /// The service does not know the model.
    ModelNotFound = "model_not_found" => 1;
    /// The agent broke its own protocol.
    Protocol = "protocol" => 1;
    /// The agent or its owner died.
    Crash = "crash" => 1;
    /// The turn ended well with neither text nor tool call.
    NoAnswer = "no_answer" => 1;
    /// The agent gave up by its own choice.
    AbortedByAgent = "aborted_by_agent" => 1;
    /// A cause that has no word of its own; the message says more.
    Other = "other" => 1;
    /// The command line cannot be carried out as written.
    Usage = "usage" => 2;
    /// A line or a value that cannot be read.
    BadInput = "bad_input" => 2;
    /// No such session, request, process, window or file.
    NotFound = "not_found" => 3;
    /// The offset lies behind the last event.
    OffsetBeyondEnd = "offset_beyond_end" => 3;
    /// The session was closed for good.
    SessionEnded = "session_ended" => 2;
    /// Another process writes this session.
    Busy = "busy" => 8;
    /// The store cannot be opened, is corrupt or newer.
    Store = "store" => 9;
    /// No room on the disk.
    DiskFull = "disk_full" => 9;
    /// The store cannot be written here.
    ReadOnly = "read_only" => 9;
}

impl ErrorCode {
    /// The outcome of a turn that ended with this code.
    pub fn outcome(self) -> Outcome {
        match self.exit_code() {
            4 => Outcome::Auth,
            75 => Outcome::Retry,
            7 => Outcome::Limit,
            124 => Outcome::Timeout,
            _ => Outcome::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_serde_writes() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
        }
        for outcome in [Outcome::Ok, Outcome::InputNeeded, Outcome::Cancelled] {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{}\"", outcome.as_str()));
        }
    }
}
