//! What Pi asks through our extension, and what extensions of the user's ask: permissions, questions, dialogs.

use std::time::Duration;

use schema::item::{ContentPart, ItemKind, ItemStatus, Role, ToolKind};
use schema::request::{Action, Question, QuestionOption};
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::tools::{absolute, kind_of};
use super::wire;
use crate::dialect::{Asked, Decision, Effect, Finish, Key, Permit, RequestKey, Start, Timer, asks_nothing};

/// A dialog that waits for our answer.
#[derive(Debug)]
pub(super) struct Pending {
    id: String,
    form: Form,
}

/// How the answer is written.
#[derive(Debug)]
enum Form {
    /// A tool's permission: the call.
    Permission(String),
    /// Questions of the model: the call.
    Questions(String),
    /// An extension's `select`, `input` or `editor`, and the call that we made for it.
    Value(Key),
    /// An extension's `confirm`, and the call that we made for it.
    Confirm(Key),
}

impl Conversation {
    /// `extension_ui_request`.
    pub(super) fn dialog(
        &mut self,
        dialog: wire::Dialog,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, serde_json::Error> {
        match dialog.method.as_str() {
            "select" if is_ours(&dialog.title) => match serde_json::from_str(&dialog.title) {
                Ok(wire::Ours::Permission(asked)) => self.permission(dialog.id, asked, effects),
                Ok(wire::Ours::Questions { questions, .. }) if questions.is_empty() => {
                    effects.push(respond(&dialog.id, json!({ "cancelled": true })));
                    return Err(asks_nothing());
                }
                Ok(wire::Ours::Questions { tool_call_id, questions }) => {
                    self.questions(dialog.id, tool_call_id, questions, effects);
                }
                Ok(wire::Ours::Write { .. }) => return Ok(false),
                Err(error) => {
                    // Unanswered it would hang the turn for good.
                    effects.push(respond(&dialog.id, json!({ "cancelled": true })));
                    return Err(error);
                }
            },
            "select" | "confirm" | "input" | "editor" => self.others(dialog, effects),
            "notify" => {
                if !dialog.message.is_empty() {
                    self.system(dialog.message, effects);
                }
            }
            "setStatus" if dialog.status_key.as_deref() == Some("sandbox-agent") => {
                let text = dialog.status_text.unwrap_or_default();
                if let wire::Ours::Write { tool_call_id, paths, before } = serde_json::from_str(&text)?
                    && let Some(tool) = self.tools.get_mut(&tool_call_id)
                {
                    tool.paths = paths;
                    tool.before = before;
                }
            }
            method => return Ok(wire::IGNORED_METHODS.contains(&method)),
        }
        Ok(true)
    }

    fn permission(&mut self, id: String, asked: wire::PermissionAsked, effects: &mut Vec<Effect>) {
        self.call_item(&asked.tool_call_id, &asked.tool_name, &asked.input, effects);
        let call = self.waiting(&asked.tool_call_id);
        let key = self.pend(id, Form::Permission(asked.tool_call_id.clone()));
        let cwd = asked.cwd.unwrap_or_else(|| self.cwd().to_owned());
        let mut paths = asked.paths;
        if paths.is_empty()
            && let Some(path) = asked.input["path"].as_str()
        {
            paths.push(absolute(&cwd, path));
        }
        let ours = self.cwd().to_owned();
        let mut files = Vec::new();
        if let Some(tool) = self.tools.get_mut(&asked.tool_call_id) {
            tool.request = Some(key);
            tool.paths.clone_from(&paths);
            tool.before = asked.before;
            files.extend(tool.planned(&ours));
        }
        let text = |name: &str| asked.input[name].as_str().map(str::to_owned);
        let action = match kind_of(&asked.tool_name) {
            ToolKind::Command => Action::Command,
            ToolKind::Edit => Action::Edit,
            ToolKind::Read => Action::Read,
            ToolKind::Search => Action::Search,
            ToolKind::Fetch => Action::Fetch,
            ToolKind::Mcp => Action::Mcp,
            ToolKind::Plan => Action::Plan,
            ToolKind::Agent | ToolKind::Question | ToolKind::Other => Action::Other,
        };
        let is_command = action == Action::Command;
        effects.push(Effect::Permit(Box::new(Permit {
            key,
            call,
            action,
            tool: asked.tool_name,
            title: text("description").filter(|_| is_command),
            command: text("command").filter(|_| is_command),
            reads_only: false,
            cwd: is_command.then_some(cwd),
            paths: if is_command { Vec::new() } else { paths },
            url: None,
            server: None,
            files,
            input: Some(asked.input),
            options: Vec::new(),
            metadata: None,
        })));
    }

    fn questions(&mut self, id: String, call_id: String, asked: Vec<wire::QuestionAsked>, effects: &mut Vec<Effect>) {
        let call = self.call_item(&call_id, "ask_user", &Value::Null, effects);
        let questions: Vec<Question> = (1..)
            .zip(asked)
            .map(|(number, question)| Question {
                id: format!("q{number}"),
                header: question.header,
                prompt: question.question,
                options: question
                    .options
                    .into_iter()
                    .map(|option| QuestionOption { label: option.label, description: option.description })
                    .collect(),
                multi_select: question.multi_select,
                custom: true,
                secret: false,
            })
            .collect();
        let key = self.pend(id, Form::Questions(call_id.clone()));
        if let Some(tool) = self.tools.get_mut(&call_id) {
            tool.request = Some(key);
        }
        effects.push(Effect::Question(Asked { key, call: Some(call), questions }));
    }

    /// A dialog of an extension of the user's: a question with a call and a result of our making.
    fn others(&mut self, dialog: wire::Dialog, effects: &mut Vec<Effect>) {
        let call = self.key();
        let arguments = json!({
            "title": dialog.title, "message": dialog.message, "options": dialog.options, "placeholder": dialog.placeholder,
        });
        effects.push(Effect::Start(Start {
            key: call,
            native: None,
            parent: None,
            group: None,
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![ContentPart::ToolCall {
                name: dialog.method.clone(),
                title: Some(dialog.title.clone()),
                kind: ToolKind::Question,
                server: None,
                arguments: arguments.to_string(),
                call_id: dialog.id.clone(),
            }],
        }));
        effects.push(Effect::Finish(Finish { key: call, status: ItemStatus::Completed, content: None }));
        let confirms = dialog.method == "confirm";
        let labels = if confirms { ["yes", "no"].map(str::to_owned).into() } else { dialog.options };
        let question = Question {
            id: "q1".to_owned(),
            header: confirms.then(|| dialog.title.clone()),
            prompt: if confirms { dialog.message } else { dialog.title },
            custom: labels.is_empty(),
            options: labels.into_iter().map(|label| QuestionOption { label, description: None }).collect(),
            multi_select: false,
            secret: false,
        };
        let form = if confirms { Form::Confirm(call) } else { Form::Value(call) };
        let key = self.pend(dialog.id, form);
        effects.push(Effect::Question(Asked { key, call: Some(call), questions: vec![question] }));
        if let Some(timeout) = dialog.timeout {
            effects.push(Effect::Wake(Timer(key.0), Duration::from_millis(timeout)));
        }
    }

    /// A dialog's own time is over: Pi went on without an answer, and does not say so.
    pub(super) fn expired(&mut self, timer: Timer, effects: &mut Vec<Effect>) {
        let key = RequestKey(timer.0);
        let Some(pending) = self.pending.remove(&key) else { return };
        effects.push(Effect::Withdrawn(key));
        if let Form::Value(call) | Form::Confirm(call) = pending.form {
            self.made_result(call, &pending.id, String::new(), ItemStatus::Cancelled, effects);
        }
    }

    /// A permission was decided.
    pub(super) fn decide(&mut self, key: RequestKey, decision: &Decision, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let Form::Permission(call) = &pending.form else { return };
        let tool = self.tools.get_mut(call);
        let answer = match decision {
            Decision::Accept { input: None } => json!({ "accept": true }),
            Decision::Accept { input: Some(input) } => {
                if let Some(tool) = tool {
                    tool.edit(input);
                }
                json!({ "accept": true, "input": input })
            }
            Decision::AcceptForSession => json!({ "accept": true, "remember": true }),
            Decision::Reject { message, .. } => json!({ "accept": false, "message": message }),
        };
        effects.push(respond(&pending.id, json!({ "value": answer.to_string() })));
        if let Decision::Reject { stop: true, .. } = decision {
            self.stop(effects);
        }
    }

    /// A question was answered.
    pub(super) fn answer_question(&mut self, key: RequestKey, answers: &[Vec<String>], effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let first = answers.first().map(|first| first.join(", ")).unwrap_or_default();
        let answer = match pending.form {
            Form::Permission(_) | Form::Questions(_) => {
                json!({ "value": json!({ "answers": answers }).to_string() })
            }
            Form::Value(_) => json!({ "value": first }),
            Form::Confirm(_) => json!({ "confirmed": first == "yes" }),
        };
        effects.push(respond(&pending.id, answer));
        if let Form::Value(call) | Form::Confirm(call) = pending.form {
            self.made_result(call, &pending.id, first, ItemStatus::Completed, effects);
        }
    }

    /// A question will not be answered.
    pub(super) fn refuse_question(&mut self, key: RequestKey, message: Option<&str>, effects: &mut Vec<Effect>) {
        let Some(pending) = self.pending.remove(&key) else { return };
        let answer = match &pending.form {
            Form::Questions(call) => {
                if let Some(tool) = self.tools.get_mut(call) {
                    tool.refused = true;
                }
                json!({ "value": json!({ "message": message }).to_string() })
            }
            Form::Permission(_) | Form::Value(_) | Form::Confirm(_) => json!({ "cancelled": true }),
        };
        effects.push(respond(&pending.id, answer));
        if let Form::Value(call) | Form::Confirm(call) = pending.form {
            let output = message.unwrap_or_default().to_owned();
            self.made_result(call, &pending.id, output, ItemStatus::Declined, effects);
        }
    }

    fn pend(&mut self, id: String, form: Form) -> RequestKey {
        let key = self.request_key();
        self.pending.insert(key, Pending { id, form });
        key
    }

    fn made_result(&mut self, call: Key, id: &str, output: String, status: ItemStatus, effects: &mut Vec<Effect>) {
        let key = self.key();
        effects.push(Effect::Start(Start {
            key,
            native: None,
            parent: Some(call),
            group: None,
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![ContentPart::ToolResult {
                call_id: id.to_owned(),
                output,
                exit_code: None,
                duration_ms: None,
            }],
        }));
        effects.push(Effect::Finish(Finish { key, status, content: None }));
    }
}

fn is_ours(title: &str) -> bool {
    title.starts_with("{\"sandbox_agent\":")
}

fn respond(id: &str, mut answer: Value) -> Effect {
    answer["type"] = json!("extension_ui_response");
    answer["id"] = json!(id);
    Effect::Say(answer.to_string())
}
