//! `-o text`: events for people.

use std::fmt::Write;

use schema::event::Body;
use schema::item::{ContentPart, Delivery, Item, ItemKind, ItemStatus, Role};
use schema::line::Line;
use schema::request::QuestionStatus;

/// Tells a session's events one after the other.
#[derive(Debug)]
pub(crate) struct Teller {
    colours: bool,
    /// The item whose text was written last and is not at the end of a line.
    open: Option<String>,
    /// Items whose text was written as it grew.
    grown: Vec<String>,
    /// Reasoning is told apart by these.
    reasoning: Vec<String>,
}

const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl Teller {
    pub(crate) fn new(terminal: bool) -> Teller {
        use host::env::{Name, var};
        let colours = terminal && var(Name::NoColor).is_none() && var(Name::Term).is_none_or(|term| term != "dumb");
        Teller { colours, open: None, grown: Vec::new(), reasoning: Vec::new() }
    }

    /// Appends what a person should see of this line.
    pub(crate) fn tell(&mut self, line: &[u8], out: &mut String) {
        let Some(body) = Line::read(line).and_then(|line| line.body()) else { return };
        match body {
            Body::ItemStarted(started) => self.started(&started.item, out),
            Body::ItemDelta(delta) => {
                let id = delta.item_id.to_string();
                if delta.reset {
                    self.line_end(out);
                }
                if self.open.as_deref() != Some(&id) {
                    self.line_end(out);
                    self.open = Some(id.clone());
                }
                if !self.grown.contains(&id) {
                    self.grown.push(id.clone());
                }
                let dim = self.reasoning.contains(&id);
                self.coloured(if dim { DIM } else { "" }, &plain(&delta.delta), out);
            }
            Body::ItemCompleted(completed) => self.completed(&completed.item, out),
            Body::PermissionRequested(request) => {
                let what = request.command.or(request.title).or(request.url).unwrap_or(request.tool);
                let files = request.paths.unwrap_or_default().join(" ");
                self.line(BOLD, &format!("? {} {what} {files}", request.action.as_str()), out);
            }
            Body::PermissionResolved(resolved) => {
                let status = word(&resolved.status);
                let by = resolved.rule.unwrap_or_else(|| word(&resolved.resolved_by));
                self.line(DIM, &format!("  {status} ({by})"), out);
            }
            Body::QuestionRequested(question) => {
                self.line(BOLD, &format!("? {} [{}]", question.prompt, question.options.join(" | ")), out);
            }
            Body::QuestionResolved(question) => {
                let said = match question.status {
                    QuestionStatus::Answered => question.response.unwrap_or_default(),
                    QuestionStatus::Requested | QuestionStatus::Rejected | QuestionStatus::Cancelled => {
                        word(&question.status)
                    }
                };
                self.line(DIM, &format!("  {said}"), out);
            }
            Body::Error(error) => self.line(RED, &format!("! {}: {}", error.code.as_str(), error.message), out),
            Body::TurnEnded(turn) => {
                self.line_end(out);
                self.grown.clear();
                self.reasoning.clear();
                let tokens = turn.usage.map(|usage| format!(", {} tokens", usage.total_tokens)).unwrap_or_default();
                let money = turn.cost.map(|cost| format!(", ${:.4}", cost.usd)).unwrap_or_default();
                let seconds = turn.duration_ms as f64 / 1000.0;
                self.line(DIM, &format!("[{} in {seconds:.1} s{tokens}{money}]", turn.outcome.as_str()), out);
            }
            Body::SessionEnded(ended) => {
                self.line(
                    DIM,
                    &format!("[session ended{}]", ended.message.map(|m| format!(": {m}")).unwrap_or_default()),
                    out,
                );
            }
            Body::SessionStarted(_) | Body::TurnStarted(_) | Body::AgentUnparsed(_) => {}
        }
    }

    fn started(&mut self, item: &Item, out: &mut String) {
        for part in &item.content {
            match part {
                ContentPart::Reasoning { .. } => self.reasoning.push(item.item_id.clone()),
                ContentPart::ToolResult { .. } => self.reasoning.push(item.item_id.clone()),
                ContentPart::Text { text } if item.role == Some(Role::User) => {
                    let mark = if item.delivery == Some(Delivery::Steered) { ">>" } else { ">" };
                    self.line(BOLD, &format!("{mark} {text}"), out);
                }
                ContentPart::Text { .. }
                | ContentPart::Json { .. }
                | ContentPart::ToolCall { .. }
                | ContentPart::FileRef { .. }
                | ContentPart::Image { .. }
                | ContentPart::Status { .. } => {}
            }
        }
    }

    fn completed(&mut self, item: &Item, out: &mut String) {
        if item.role == Some(Role::User) && item.parent_id.is_none() {
            return;
        }
        let grown = self.grown.contains(&item.item_id);
        for part in &item.content {
            match part {
                ContentPart::Text { text } if !grown && item.kind == ItemKind::Message => self.line("", text, out),
                ContentPart::Text { text } if !grown => self.line(DIM, text, out),
                ContentPart::Reasoning { text, .. } if !grown => self.line(DIM, text, out),
                ContentPart::ToolCall { name, title, arguments, .. } => {
                    let what = title.as_deref().unwrap_or(arguments);
                    self.line(BOLD, &format!("* {name} {}", first_line(what, 160)), out);
                }
                ContentPart::ToolResult { output, exit_code, .. } => {
                    if !grown && !output.trim().is_empty() {
                        self.line(DIM, output.trim_end(), out);
                    }
                    if let Some(code) = exit_code.filter(|code| *code != 0) {
                        self.line(RED, &format!("  exit code {code}"), out);
                    } else if item.status == ItemStatus::Declined {
                        self.line(RED, "  declined", out);
                    }
                }
                ContentPart::FileRef { path, action, diff, .. } => {
                    self.line(BOLD, &format!("  {} {path}", word(action)), out);
                    if let Some(diff) = diff {
                        self.line(DIM, diff.trim_end(), out);
                    }
                }
                ContentPart::Status { label, detail } => {
                    let detail = detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
                    self.line(DIM, &format!("- {}{detail}", word(label)), out);
                }
                ContentPart::Text { .. }
                | ContentPart::Reasoning { .. }
                | ContentPart::Json { .. }
                | ContentPart::Image { .. } => {}
            }
        }
        self.line_end(out);
    }

    fn line(&mut self, colour: &str, text: &str, out: &mut String) {
        self.line_end(out);
        self.coloured(colour, &plain(text), out);
        out.push('\n');
    }

    fn line_end(&mut self, out: &mut String) {
        if self.open.take().is_some() {
            out.push('\n');
        }
    }

    fn coloured(&self, colour: &str, text: &str, out: &mut String) {
        let (before, after) = if self.colours && !colour.is_empty() { (colour, PLAIN) } else { ("", "") };
        write!(out, "{before}{text}{after}").expect("writing into memory cannot fail");
    }
}

/// A word of the schema as it is written.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn first_line(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > most { line.chars().take(most).chain(['…']).collect() } else { line.to_owned() }
}

/// What an agent wrote must not play with the terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
