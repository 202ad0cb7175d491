//! What a session keeps between its runs, as the JSON that the store does not look into.

use serde_json::{Map, Value, json};

/// What was asked for, and what the agent's counters said last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// The model asked for.
    pub model: Option<String>,
    /// The mode asked for.
    pub mode: Option<String>,
    /// The effort asked for.
    pub effort: Option<String>,
    /// The flags of the last run that a background owner is to have too: permissions, names of variables, limits.
    pub flags: Vec<String>,
    /// The agent's own running totals.
    pub totals: Option<Value>,
    /// What a newer version keeps and this one does not know.
    other: Map<String, Value>,
}

impl Kept {
    /// Reads it; a text that is none of ours is as good as nothing.
    pub fn read(text: &str) -> Kept {
        let Ok(Value::Object(mut other)) = serde_json::from_str(text) else { return Kept::default() };
        let mut word = |key: &str| match other.remove(key) {
            Some(Value::String(text)) => Some(text),
            Some(_) | None => None,
        };
        let (model, mode, effort) = (word("model"), word("mode"), word("effort"));
        let totals = other.remove("totals");
        let flags = match other.remove("flags") {
            Some(Value::Array(flags)) => flags.iter().filter_map(|flag| flag.as_str().map(str::to_owned)).collect(),
            Some(_) | None => Vec::new(),
        };
        Kept { model, mode, effort, flags, totals, other }
    }

    /// Writes it.
    pub fn write(&self) -> String {
        let mut object = self.other.clone();
        for (key, value) in [("model", &self.model), ("mode", &self.mode), ("effort", &self.effort)] {
            if let Some(value) = value {
                object.insert(key.to_owned(), json!(value));
            }
        }
        if !self.flags.is_empty() {
            object.insert("flags".to_owned(), json!(self.flags));
        }
        if let Some(totals) = &self.totals {
            object.insert("totals".to_owned(), totals.clone());
        }
        Value::Object(object).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_survive() {
        let kept = Kept::read(r#"{"model":"m","totals":{"n":1},"flags":["--allow=a:b"],"newer":[1]}"#);
        assert_eq!(kept.model.as_deref(), Some("m"));
        assert_eq!(Kept::read(&kept.write()), kept);
        assert!(kept.write().contains("newer"));
        assert_eq!(Kept::read("garbage"), Kept::default());
    }
}
