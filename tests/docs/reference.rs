//! `docs/events.md` is written from the schema and from recorded conversations of real agents; `UPDATE=1` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::ROOT;
use crate::generated::compare;

/// Whose recordings are shown, the best known first; what each was recorded with stands in `lib/agents/fixtures/README.md`.
const AGENTS: [&str; 8] = ["codex", "claude", "opencode", "pi", "acp", "cursor", "amp", "mock"];

/// An example longer than this is shown only where there is no shorter one.
const READABLE: usize = 900;

/// What the schema says only by the type's name.
const ABOUT: [(&str, &str); 9] = [
    ("turn.started", "The agent begins to work: on a prompt, or by itself. It ends with exactly one `turn.ended`."),
    ("turn.ended", "How it went, with the exit code of a run that ends so. The last line of every run."),
    ("item.started", "A message, a tool call, a result or a status begins; its content may still be empty."),
    ("item.completed", "The item as it stays. Whoever wants no pieces reads only these (`--no-deltas`)."),
    ("item.delta", "The next piece of an item's text or output."),
    ("permission.requested", "The agent wants to do something that its mode does not let it do unasked."),
    ("permission.resolved", "What was decided, and by whom. Exactly one for each request."),
    ("question.requested", "The agent asks its user something; all questions of a request are in `questions`."),
    ("question.resolved", "What was answered. Exactly one for each request."),
];

const HEAD: &str = "\
# Events

<!-- Written by UPDATE=1 cargo test docs::reference: do not edit. -->

`run`, `stream` and `events` print one event a line, a JSON object. The same page for programs is `sandbox-agent schema` (JSON Schema), and
[`event.schema.json`](../lib/schema/event.schema.json). Within a version of the schema fields and types may be added and nothing is changed: skip what you do not know.

The examples are real: they come from the recorded conversations that our tests play (`lib/agents/fixtures`), Cursor's and Amp's apart, which were written after
their documentation. Only `data` is shown; a field whose name ends in `?` may be absent.
";

#[test]
fn the_events_are_those_of_the_schema() {
    let schema = fs::read_to_string(Path::new(ROOT).join("lib/schema/event.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let page = Page { definitions: &schema["$defs"], recorded: recorded(), shapes: Vec::new() }.write();
    for word in ["## `turn.ended`", "permission_id", "### `tool_result`", "<summary>claude"] {
        assert!(page.contains(word), "{word}");
    }
    compare(&Path::new(ROOT).join("docs/events.md"), &page);
}

/// An event of a recording.
struct Recorded {
    agent: &'static str,
    conversation: String,
    kind: String,
    data: Value,
}

/// Every event of every recording.
fn recorded() -> Vec<Recorded> {
    let mut found = Vec::new();
    for agent in AGENTS {
        let folder = Path::new(ROOT).join("lib/agents/fixtures").join(agent);
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "events")) {
            for line in fs::read_to_string(file).unwrap().lines() {
                let Some((kind, data)) = line.trim_start_matches('*').split_once(' ') else { continue };
                let Ok(data) = serde_json::from_str(data) else { continue };
                let conversation = file.file_stem().unwrap().to_str().unwrap().to_owned();
                found.push(Recorded { agent, conversation, kind: kind.to_owned(), data });
            }
        }
    }
    assert!(found.len() > 1000, "{}", found.len());
    found
}

struct Page<'a> {
    definitions: &'a Value,
    recorded: Vec<Recorded>,
    /// What tables have referred to, in the order of its appearance.
    shapes: Vec<String>,
}

impl Page<'_> {
    fn write(mut self) -> String {
        let mut page = HEAD.to_owned();
        let events = self.definitions["event"]["oneOf"].as_array().unwrap();
        page += "\n## Every event\n\n";
        page += &self.table(&events[0], &["type", "data"]);
        page += "\n`sequence` counts 1, 2, 3, … in a session without gap; `--offset N` is what comes after N. The types are ";
        let titles: Vec<&str> = events.iter().map(|event| event["title"].as_str().unwrap()).collect();
        let links = titles.iter().map(|title| format!("[`{title}`](#{})", title.replace('.', "")));
        writeln!(page, "{}.", links.collect::<Vec<_>>().join(", ")).unwrap();
        for event in events {
            let title = event["title"].as_str().unwrap();
            let name = event["properties"]["data"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            let definition = &self.definitions[name];
            let about = ABOUT.iter().find(|(name, _)| *name == title).map(|(_, about)| (*about).to_owned());
            let about = about.unwrap_or_else(|| sentence(&definition["description"]));
            write!(page, "\n## `{title}`\n\n{about}\n\n").unwrap();
            page += &self.table(definition, &[]);
            page += &self.examples(|one| (one.kind == title).then_some(&one.data));
        }
        page += "\n## Parts of an item\n\nAn item has one stream of deltas and a list of parts. Each `type` of a part, with an item that has one:\n";
        for part in self.definitions["ContentPart"]["oneOf"].as_array().unwrap() {
            let kind = part["properties"]["type"]["const"].as_str().unwrap();
            write!(page, "\n### `{kind}`\n\n{}\n\n", sentence(&part["description"])).unwrap();
            page += &self.table(part, &["type"]);
            page += &self.examples(|one| of_part(one, kind));
        }
        page += "\n## Shapes\n";
        let mut at = 0;
        while at < self.shapes.len() {
            let name = self.shapes[at].clone();
            at += 1;
            let definition = &self.definitions[&name];
            write!(page, "\n### {name}\n\n{}\n\n", sentence(&definition["description"])).unwrap();
            page += &match values(definition) {
                Some(values) => {
                    let rows = values.iter().map(|(value, about)| format!("| `{value}` | {} |\n", cell(about)));
                    format!("| value | |\n|---|---|\n{}", rows.collect::<String>())
                }
                None => self.table(definition, &[]),
            };
        }
        page
    }

    /// The fields of an object, but for these.
    fn table(&mut self, definition: &Value, but: &[&str]) -> String {
        let mut table = "| field | type | |\n|---|---|---|\n".to_owned();
        let required: BTreeSet<&str> =
            definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in definition["properties"].as_object().unwrap() {
            if but.contains(&name.as_str()) {
                continue;
            }
            let null = field["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
            let (mark, null) = match required.contains(name.as_str()) {
                true if null => ("", " or null"),
                true => ("", ""),
                false => ("?", ""),
            };
            let about = cell(field["description"].as_str().unwrap_or_default());
            writeln!(table, "| `{name}`{mark} | {}{null} | {about} |", self.type_of(field)).unwrap();
        }
        table
    }

    fn type_of(&mut self, field: &Value) -> String {
        if let Some(reference) = field["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return match values(&self.definitions[name]) {
                Some(values) if values.len() <= 6 => {
                    values.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(" ")
                }
                _ if name == "ContentPart" => "[part](#parts-of-an-item)".to_owned(),
                _ => {
                    if !self.shapes.iter().any(|shape| shape == name) {
                        self.shapes.push(name.to_owned());
                    }
                    format!("[{name}](#{})", name.to_lowercase())
                }
            };
        }
        if let Some(choices) = field["anyOf"].as_array() {
            let choices: Vec<_> = choices.iter().filter(|choice| choice["type"] != "null").collect();
            return choices.iter().map(|choice| self.type_of(choice)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(value) = field["const"].as_str() {
            return format!("`{value}`");
        }
        if let Some(values) = field["enum"].as_array() {
            return values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect::<Vec<_>>().join(" ");
        }
        let kinds: Vec<&str> = match &field["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return "anything".to_owned(),
        };
        match kinds[..] {
            ["array"] => format!("list of {}", self.type_of(&field["items"])),
            ["object"] if field["additionalProperties"].is_object() => {
                format!("object of {}", self.type_of(&field["additionalProperties"]))
            }
            _ => kinds.join(" or "),
        }
    }

    /// The fullest example that can still be read: the first agent's open, the others' folded.
    fn examples(&self, of: impl Fn(&Recorded) -> Option<&Value>) -> String {
        let mut text = String::new();
        let mut first = true;
        for agent in AGENTS {
            let all = self.recorded.iter().filter(|one| one.agent == agent);
            let best = all.filter_map(|one| Some((one, of(one)?))).min_by_key(|(_, data)| {
                let length = data.to_string().len();
                let too_long = length.saturating_sub(READABLE);
                (too_long, usize::MAX - keys(data), length)
            });
            let Some((one, data)) = best else { continue };
            let name = format!("{agent}, `{}`", one.conversation);
            if first {
                let pretty = serde_json::to_string_pretty(data).unwrap();
                write!(text, "\n{name}:\n\n```json\n{pretty}\n```\n").unwrap();
            } else {
                let from = format!("{agent}, {}", one.conversation);
                write!(text, "\n<details><summary>{from}</summary>\n\n```json\n{data}\n```\n</details>\n").unwrap();
            }
            first = false;
        }
        assert!(!first, "no recording has an example");
        text
    }
}

/// The completed item of an event that has a part of this kind.
fn of_part<'a>(one: &'a Recorded, kind: &str) -> Option<&'a Value> {
    let item = &one.data["item"];
    let has = item["content"].as_array()?.iter().any(|part| part["type"] == kind);
    (one.kind == "item.completed" && has).then_some(item)
}

/// How many names a value has in it.
fn keys(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(keys).sum::<usize>(),
        Value::Array(values) => values.iter().map(keys).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The values of a closed list of words, each with what it means.
fn values(definition: &Value) -> Option<Vec<(&str, &str)>> {
    let choices = definition["oneOf"].as_array()?;
    choices.iter().map(|one| Some((one["const"].as_str()?, one["description"].as_str().unwrap_or_default()))).collect()
}

/// A description as a sentence of the page.
fn sentence(description: &Value) -> String {
    let text = description.as_str().unwrap_or_default().trim_end_matches('.');
    let text = text.replace(" (SPEC §6)", "");
    // Where it only repeats the heading.
    let said = text.split_once("`: ").filter(|(name, _)| name.starts_with('`')).map_or(text.as_str(), |(_, said)| said);
    let mut letters = said.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

fn cell(text: &str) -> String {
    text.trim_end_matches('.').replace('|', "\\|").replace(" (SPEC §6)", "")
}
