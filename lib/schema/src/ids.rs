//! The names of things: session names are checked here, every other id is a short string that this program made.

use std::fmt;

/// A session's name as SPEC §4 allows it: `[A-Za-z0-9][A-Za-z0-9._-]{0,99}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

/// The prefix of names that this program makes up; nobody else may choose one.
pub const GENERATED: &str = "ses_";

impl SessionId {
    /// Checks a name given by a person or a program; reserved names are refused unless such a session exists already, which the caller knows.
    pub fn parse(text: &str) -> Result<SessionId, BadSessionId> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if first && rest && text.len() <= 100 {
            Ok(SessionId(text.to_owned()))
        } else {
            Err(BadSessionId(text.to_owned()))
        }
    }

    /// A new name, unique on every machine and sorted by time.
    pub fn generate() -> SessionId {
        SessionId(format!("{GENERATED}{}", unique()))
    }

    /// Whether the name is of the reserved kind that only this program gives.
    pub fn is_generated(&self) -> bool {
        self.0.starts_with(GENERATED)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that breaks the rule for session names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSessionId(pub String);

impl fmt::Display for BadSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no session name: one to 100 of A-Z a-z 0-9 . _ -, the first a letter or a digit",
            self.0.escape_debug().take(120).collect::<String>()
        )
    }
}

impl std::error::Error for BadSessionId {}

/// A name for a prompt whose sender gave it none.
pub fn prompt() -> String {
    format!("prm_{}", unique())
}

/// A UUIDv7 in 32 hex digits: the uid of a session or of an epoch.
pub fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule() {
        for good in ["a", "fix", "A1._-z", &"x".repeat(100), "ses_1"] {
            assert!(SessionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "@last", "a\n", &"x".repeat(101)] {
            assert!(SessionId::parse(bad).is_err(), "{bad}");
        }
        assert!(SessionId::generate().is_generated());
        assert!(SessionId::parse(SessionId::generate().as_str()).is_ok());
    }
}
