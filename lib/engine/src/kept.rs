//! What a session keeps between its runs, as the JSON that the store does not look into.

use agents::agent::Job;
use schema::event::PermissionMode;
use serde_json::{Map, Value, json};

/// How the flag of a permission mode begins.
const PERMISSION_MODE: &str = "--permission-mode=";

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
    /// What it was given beside the user's own configuration, or in place of it.
    pub equipment: Equipment,
    /// The agent's own running totals.
    pub totals: Option<Value>,
    /// What a newer version keeps and this one does not know.
    other: Map<String, Value>,
}

/// What a session was given by `--mcp`, `--skill` and `--isolated`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Equipment {
    /// Files of servers, absolute: their content is read at each start, because there may be secrets in it.
    pub mcp: Vec<String>,
    /// Folders of skills, absolute.
    pub skills: Vec<String>,
    /// It has a private home.
    pub isolated: bool,
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
        let mut words = |key: &str| match other.remove(key) {
            Some(Value::Array(words)) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
            Some(_) | None => Vec::new(),
        };
        let (flags, mcp, skills) = (words("flags"), words("mcp"), words("skills"));
        let isolated = other.remove("isolated") == Some(Value::Bool(true));
        Kept { model, mode, effort, flags, equipment: Equipment { mcp, skills, isolated }, totals, other }
    }

    /// Keeps what a run was asked for.
    pub fn remember(&mut self, job: &Job, flags: &[String], equipment: &Equipment) {
        self.model.clone_from(&job.model);
        self.mode.clone_from(&job.mode);
        self.effort.clone_from(&job.effort);
        self.flags = flags.to_vec();
        self.equipment.clone_from(equipment);
    }

    /// The permission mode among its flags.
    pub fn permission_mode(&self) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix(PERMISSION_MODE))
    }

    /// Puts it there.
    pub(crate) fn set_permission_mode(&mut self, mode: PermissionMode) {
        self.flags.retain(|flag| !flag.starts_with(PERMISSION_MODE));
        self.flags.push(format!("{PERMISSION_MODE}{}", mode.as_str()));
    }

    /// Writes it.
    pub fn write(&self) -> String {
        let mut object = self.other.clone();
        for (key, value) in [("model", &self.model), ("mode", &self.mode), ("effort", &self.effort)] {
            if let Some(value) = value {
                object.insert(key.to_owned(), json!(value));
            }
        }
        let equipment = &self.equipment;
        for (key, words) in [("flags", &self.flags), ("mcp", &equipment.mcp), ("skills", &equipment.skills)] {
            if !words.is_empty() {
                object.insert(key.to_owned(), json!(words));
            }
        }
        if equipment.isolated {
            object.insert("isolated".to_owned(), json!(true));
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
        let kept = Kept::read(
            r#"{"model":"m","totals":{"n":1},"flags":["--allow=a:b"],"mcp":["/m"],"skills":["/s"],"isolated":true,"newer":[1]}"#,
        );
        let equipment = Equipment { mcp: vec!["/m".to_owned()], skills: vec!["/s".to_owned()], isolated: true };
        assert_eq!(kept.equipment, equipment);
        assert_eq!(kept.model.as_deref(), Some("m"));
        assert_eq!(Kept::read(&kept.write()), kept);
        assert!(kept.write().contains("newer"));
        assert_eq!(Kept::read("garbage"), Kept::default());
    }
}
