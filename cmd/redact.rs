//! `export --redact`: masks what has the shape of a key or a token, also where it comes in pieces.

use std::collections::HashMap;

use serde::Deserialize;

/// How keys and tokens begin: Anthropic and OpenAI, GitHub, Slack, AWS, Google, GitLab, npm, Hugging Face, xAI, Groq, Amp, JWT.
const BEGINNINGS: [&str; 22] = [
    "sk-",
    "sk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "glpat-",
    "npm_",
    "hf_",
    "xai-",
    "gsk_",
    "sgamp_",
    "eyJ",
];

/// What follows the beginning of a key is at least so long, in bytes.
const REST: usize = 12;

/// Masks text; `json`: in a JSON text, where a letter behind a backslash belongs to the backslash.
pub(crate) fn redact(text: &str, json: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| is_word(c) || c == '\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\\') {
            let length = if json { after.chars().next().map_or(0, char::len_utf8) } else { 0 };
            out.push_str(&rest[..=length]);
            rest = &after[length..];
            continue;
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        match key_in(&rest[..end]) {
            Some(beginning) => {
                out.push_str(&rest[..beginning]);
                out.push_str("***");
            }
            None => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Where the secret part of a word begins: a key may stand behind a prefix, as in `token-ghp_…`.
fn key_in(word: &str) -> Option<usize> {
    let joints = word.char_indices().filter(|(_, c)| !c.is_ascii_alphanumeric()).map(|(at, _)| at + 1);
    std::iter::once(0).chain(joints).find_map(|from| {
        let beginning = BEGINNINGS.iter().find(|beginning| word[from..].starts_with(**beginning))?;
        (word.len() - from >= beginning.len() + REST).then_some(from + beginning.len())
    })
}

/// The deltas of items in whose text something is masked: which event says the whole text, the others say nothing.
#[derive(Default)]
pub(crate) struct Pieces {
    open: HashMap<String, (String, i64)>,
    masked: HashMap<String, (String, i64)>,
}

#[derive(Deserialize)]
struct Event<'a> {
    sequence: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    item_id: Option<String>,
    delta: Option<String>,
    #[serde(default)]
    reset: bool,
    item: Option<Item>,
}

#[derive(Deserialize)]
struct Item {
    item_id: String,
}

impl Pieces {
    /// Looks at an event, in their order.
    pub(crate) fn look(&mut self, line: &[u8], kind: &str) {
        if kind != "item.delta" && kind != "item.completed" {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(line) else { return };
        if let (Some(item_id), Some(delta)) = (event.data.item_id, event.data.delta) {
            let (text, last) = self.open.entry(item_id).or_default();
            if event.data.reset {
                text.clear();
            }
            text.push_str(&delta);
            *last = event.sequence;
        } else if let Some(item) = event.data.item.filter(|_| event.kind == "item.completed") {
            self.close(item.item_id);
        }
    }

    /// All events were looked at.
    pub(crate) fn end(&mut self) {
        let open: Vec<String> = self.open.keys().cloned().collect();
        open.into_iter().for_each(|item_id| self.close(item_id));
    }

    fn close(&mut self, item_id: String) {
        if let Some((text, last)) = self.open.remove(&item_id) {
            let masked = redact(&text, false);
            if masked != text {
                self.masked.insert(item_id, (masked, last));
            }
        }
    }

    /// An event's line as it may be given away.
    pub(crate) fn line(&self, line: &[u8], kind: &str) -> String {
        let text = String::from_utf8_lossy(line);
        if kind == "item.delta"
            && !self.masked.is_empty()
            && let Ok(event) = serde_json::from_slice::<Event<'_>>(line)
            && let Some((whole, last)) = event.data.item_id.as_ref().and_then(|item_id| self.masked.get(item_id))
            && let Some(line) = with_delta(&text, if event.sequence == *last { whole } else { "" })
        {
            return line;
        }
        redact(&text, true)
    }
}

/// The line with another delta and without the agent's payload, which holds the same piece.
fn with_delta(line: &str, delta: &str) -> Option<String> {
    // Inside a string this would have backslashes.
    const FIELD: &str = "\"delta\":\"";
    let from = line.find(FIELD)? + FIELD.len() - 1;
    let mut strings = serde_json::Deserializer::from_str(&line[from..]).into_iter::<String>();
    strings.next()?.ok()?;
    let rest = &line[from + strings.byte_offset()..];
    let rest = match rest.find(",\"raw\":") {
        Some(raw) => format!("{}}}\n", &rest[..raw]),
        None => rest.to_owned(),
    };
    Some(format!("{}{}{rest}", &line[..from], serde_json::Value::from(delta)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_masked_wherever_they_stand() {
        let key = ["sk-", "abcdefghijklmnop"].concat();
        for (text, masked) in [
            (format!("key={key}"), "key=sk-***"),
            (format!("(\"{key}\", '{key}')"), "(\"sk-***\", 'sk-***')"),
            (format!("x-{key}"), "x-sk-***"),
            (format!("\n{key}\n"), "\nsk-***\n"),
            (
                "risk-assessments and sk-short, npm_install.sh".to_owned(),
                "risk-assessments and sk-short, npm_install.sh",
            ),
        ] {
            assert_eq!(redact(&text, false), masked);
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(redact(&json, true), serde_json::to_string(masked).unwrap(), "{json}");
        }
    }
}
