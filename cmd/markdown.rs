//! `sessions export --format markdown`: a session as a document.

use std::fmt::Write;

use schema::event::Body;
use schema::item::{ContentPart, Item, ItemKind, Role};
use schema::line::Line;
use store::Session;

/// Tells a session as Markdown: prompts, texts, calls and results, no deltas.
pub(crate) struct Teller {
    title: String,
    agent: String,
}

impl Teller {
    pub(crate) fn new(session: &Session) -> Teller {
        let title = session.title.clone().unwrap_or_else(|| session.session_id.clone());
        Teller { title, agent: session.agent.clone() }
    }

    /// The heading.
    pub(crate) fn head(&self) -> String {
        format!("# {}\n\n", self.title)
    }

    /// Appends what a line says.
    pub(crate) fn tell(&mut self, line: &[u8], out: &mut String) {
        match Line::read(line).and_then(|line| line.body()) {
            Some(Body::ItemCompleted(completed)) => self.item(&completed.item, out),
            Some(Body::TurnEnded(turn)) => {
                push(out, format_args!("*{}*\n\n", turn.outcome.as_str()));
            }
            Some(Body::Error(error)) => {
                push(out, format_args!("> **{}**: {}\n\n", error.code.as_str(), error.message));
            }
            Some(_) | None => {}
        }
    }

    fn item(&self, item: &Item, out: &mut String) {
        for part in &item.content {
            match part {
                ContentPart::Text { text } if item.kind == ItemKind::Message => {
                    let who = if item.role == Some(Role::User) { "User" } else { &self.agent };
                    push(out, format_args!("**{who}:**\n\n{text}\n\n"));
                }
                ContentPart::Text { text } => push(out, format_args!("{text}\n\n")),
                ContentPart::Reasoning { text, .. } => {
                    push(out, format_args!("> {}\n\n", text.replace('\n', "\n> ")));
                }
                ContentPart::ToolCall { name, arguments, .. } => {
                    push(out, format_args!("`{name}`\n\n"));
                    fence(out, "json", arguments);
                }
                ContentPart::ToolResult { output, .. } if !output.is_empty() => fence(out, "", output),
                ContentPart::FileRef { path, diff, .. } => {
                    push(out, format_args!("`{path}`\n\n"));
                    if let Some(diff) = diff {
                        fence(out, "diff", diff);
                    }
                }
                ContentPart::Json { .. }
                | ContentPart::ToolResult { .. }
                | ContentPart::Image { .. }
                | ContentPart::Status { .. } => {}
            }
        }
    }
}

/// A fence that is longer than any inside it.
fn fence(out: &mut String, language: &str, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    push(out, format_args!("{fence}{language}\n{}\n{fence}\n\n", text.trim_end_matches('\n')));
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing into memory cannot fail");
}
