//! Codex's items as ours: messages, reasoning, commands, patches, tools, sub-agents.

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, StatusLabel, ToolKind, Visibility};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::Conversation;
use super::{diff, wire};
use crate::dialect::{Effect, Finish, Key, Start, Status};
use crate::shell::unwrapped;

/// What we know of a native item.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Its message, public reasoning or plan.
    pub(super) text: Option<Key>,
    /// Its private reasoning.
    pub(super) private: Option<Key>,
    /// Its call.
    pub(super) call: Option<Key>,
    /// Its result, once that has begun.
    pub(super) result: Option<Key>,
    /// Of a reasoning: which part of the summary grew last.
    part: Option<u64>,
    /// Of a patch.
    pub(super) changes: Vec<wire::Change>,
    /// Of a command: it runs.
    running: bool,
    /// Of a sub-agent's item: below which call.
    parent: Option<Key>,
}

impl Conversation {
    /// `item/started` and `item/completed`.
    pub(super) fn item(
        &mut self,
        params: wire::ItemParams,
        complete: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), serde_json::Error> {
        let parent = self.parent_of(&params.thread_id);
        let item = params.item;
        let wire::ItemHead { id, kind } = wire::ItemHead::deserialize(&item)?;
        match kind.as_str() {
            // Prompts are the engine's; a sub-agent's is text that an agent injects.
            "userMessage" => {
                if complete && let Some(parent) = parent {
                    let user = wire::UserItem::deserialize(&item)?;
                    let text: String = user.content.iter().filter_map(|part| part["text"].as_str()).collect();
                    self.system(text, Some(parent), effects);
                }
            }
            "hookPrompt" => {
                if complete {
                    let text = item["fragments"].as_array().into_iter().flatten();
                    let text: String = text.filter_map(|part| part["text"].as_str()).collect();
                    self.system(text, parent, effects);
                }
            }
            "agentMessage" => {
                let message = wire::TextItem::deserialize(&item)?;
                let mut content = vec![ContentPart::Text { text: message.text }];
                if let Some(questions) = message.questions.filter(|questions| !questions.is_null()) {
                    content.push(ContentPart::Json { json: json!({ "questions": questions }) });
                }
                self.text(&id, ItemKind::Message, Role::Assistant, content, complete, parent, effects);
            }
            "plan" => {
                let plan = wire::TextItem::deserialize(&item)?;
                let content = vec![
                    ContentPart::Status { label: StatusLabel::Plan, detail: None },
                    ContentPart::Text { text: plan.text },
                ];
                self.text(&id, ItemKind::Status, Role::Assistant, content, complete, parent, effects);
            }
            "reasoning" => self.reasoning(&id, wire::ReasoningItem::deserialize(&item)?, complete, parent, effects),
            "commandExecution" => self.command(&id, wire::CommandItem::deserialize(&item)?, complete, parent, effects),
            "fileChange" => self.patch(&id, wire::PatchItem::deserialize(&item)?, complete, parent, effects),
            "mcpToolCall" => self.mcp_call(&id, wire::McpItem::deserialize(&item)?, complete, parent, effects),
            "dynamicToolCall" => self.dynamic(&id, wire::DynamicItem::deserialize(&item)?, complete, parent, effects),
            "collabAgentToolCall" => self.collab(&id, wire::CollabItem::deserialize(&item)?, complete, parent, effects),
            "subAgentActivity" => self.activity(&wire::ActivityItem::deserialize(&item)?, complete, parent, effects),
            "webSearch" => {
                let arguments = json!({ "query": item["query"], "action": item["action"] });
                self.call_item(&id, "web_search", ToolKind::Fetch, None, &arguments, parent, effects);
                if complete {
                    let output =
                        item["results"].as_array().map(|results| json!(results).to_string()).unwrap_or_default();
                    self.result_item(&id, ItemStatus::Completed, output, None, None, Vec::new(), effects);
                }
            }
            "imageView" => {
                let path = item["path"].as_str().unwrap_or_default().to_owned();
                self.call_item(&id, "view_image", ToolKind::Read, None, &json!({ "path": path }), parent, effects);
                if complete {
                    let seen = ContentPart::FileRef { path, action: FileAction::Read, from: None, diff: None };
                    self.result_item(&id, ItemStatus::Completed, String::new(), None, None, vec![seen], effects);
                }
            }
            "imageGeneration" => {
                let arguments = json!({ "prompt": item["revisedPrompt"] });
                self.call_item(&id, "image_generation", ToolKind::Other, None, &arguments, parent, effects);
                if complete {
                    let failed = item["status"] == "failed" || !item["failure"].is_null();
                    let status = if failed { ItemStatus::Failed } else { ItemStatus::Completed };
                    let path = item["savedPath"].as_str().map(str::to_owned);
                    let image = path.map(|path| ContentPart::Image { path: Some(path), url: None, mime: None });
                    self.result_item(&id, status, String::new(), None, None, image.into_iter().collect(), effects);
                }
            }
            "sleep" => {
                let arguments = json!({ "duration_ms": item["durationMs"] });
                self.call_item(&id, "sleep", ToolKind::Other, None, &arguments, parent, effects);
                if complete {
                    self.result_item(&id, ItemStatus::Completed, String::new(), None, None, Vec::new(), effects);
                }
            }
            "functionCallOutput" => {
                if complete {
                    let name = item["name"].as_str().unwrap_or("function").to_owned();
                    self.call_item(&id, &name, ToolKind::Other, None, &json!({}), parent, effects);
                    let output = item["output"].as_str().map_or_else(|| item["output"].to_string(), str::to_owned);
                    self.result_item(&id, ItemStatus::Completed, output, None, None, Vec::new(), effects);
                }
            }
            "contextCompaction" => {
                if complete {
                    let status = Status { label: StatusLabel::Compaction, detail: None, json: json!({}), parent };
                    effects.push(Effect::Status(status));
                }
            }
            "enteredReviewMode" | "exitedReviewMode" => {
                if complete {
                    let mode = if kind == "enteredReviewMode" { "review" } else { "default" };
                    let json = json!({ "mode": mode, "review": item["review"] });
                    let status = Status { label: StatusLabel::ModeChanged, detail: None, json, parent };
                    effects.push(Effect::Status(status));
                }
            }
            _ => {
                if complete {
                    let key = self.key();
                    effects.push(Effect::Unparsed {
                        error: format!("an unknown item `{kind}`"),
                        location: "item/completed".to_owned(),
                    });
                    effects.push(Effect::Start(Start {
                        key,
                        native: Some(id),
                        parent,
                        group: None,
                        kind: ItemKind::Unknown,
                        role: None,
                        content: vec![ContentPart::Json { json: item }],
                    }));
                    effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
                }
            }
        }
        Ok(())
    }

    /// A delta of a text or of a command's output.
    pub(super) fn grown(&mut self, delta: wire::Delta<'_>, effects: &mut Vec<Effect>) {
        let Some(known) = self.items.get(&*delta.item_id) else { return };
        if let Some(key) = known.text {
            effects.push(Effect::Grow(key, delta.delta.into_owned()));
        } else if known.call.is_some() {
            let key = self.begin_result(&delta.item_id, effects);
            effects.push(Effect::Grow(key, delta.delta.into_owned()));
        }
    }

    /// A delta of a reasoning: its public summary or its private content.
    pub(super) fn reasoned(
        &mut self,
        params: &str,
        public: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part {
            item_id: String,
            delta: String,
            #[serde(alias = "contentIndex")]
            summary_index: u64,
        }
        let part: Part = serde_json::from_str(params)?;
        let Some(known) = self.items.get(&part.item_id).cloned() else { return Ok(()) };
        let open = if public { known.text } else { known.private };
        let key = match open {
            Some(key) => key,
            None => {
                let visibility = if public { Visibility::Public } else { Visibility::Private };
                let content = vec![ContentPart::Reasoning { text: String::new(), visibility }];
                self.start_text(
                    &part.item_id,
                    ItemKind::Message,
                    Role::Assistant,
                    content,
                    known.parent,
                    public,
                    effects,
                )
            }
        };
        // The parts of a summary are paragraphs.
        let new_part = known.part.is_some_and(|last| last != part.summary_index) && open.is_some();
        let delta = if new_part { format!("\n\n{}", part.delta) } else { part.delta };
        if let Some(known) = self.items.get_mut(&part.item_id) {
            known.part = Some(part.summary_index);
        }
        effects.push(Effect::Grow(key, delta));
        Ok(())
    }

    /// Whether commands of our own thread run.
    pub(super) fn runs_commands(&self) -> bool {
        self.items.values().any(|known| known.running && known.parent.is_none())
    }

    /// At the end of a turn that went well: commands that still run go on as they are.
    pub(super) fn leave_running(&mut self, effects: &mut Vec<Effect>) {
        let mut running: Vec<(Key, String)> = self
            .items
            .iter()
            .filter(|(_, known)| known.running && known.parent.is_none())
            .filter_map(|(id, known)| known.call.map(|call| (call, id.clone())))
            .collect();
        running.sort();
        for (_, id) in running {
            let key = self.begin_result(&id, effects);
            effects.push(Effect::Detach(key));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an item is as wide as this")]
    fn text(
        &mut self,
        id: &str,
        kind: ItemKind,
        role: Role,
        content: Vec<ContentPart>,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let known = self.items.get(id).and_then(|known| known.text);
        let key = match known {
            Some(key) if complete => key,
            Some(_) | None => {
                let mut first = content.clone();
                // What will grow begins empty.
                if let Some(stream) = first.iter_mut().find_map(ContentPart::stream_mut) {
                    stream.clear();
                }
                self.start_text(id, kind, role, first, parent, true, effects)
            }
        };
        if complete {
            self.items.remove(id);
            effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: Some(content) }));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an item is as wide as this")]
    fn start_text(
        &mut self,
        id: &str,
        kind: ItemKind,
        role: Role,
        content: Vec<ContentPart>,
        parent: Option<Key>,
        public: bool,
        effects: &mut Vec<Effect>,
    ) -> Key {
        let key = self.key();
        let known = self.items.entry(id.to_owned()).or_default();
        known.parent = parent;
        if public {
            known.text = Some(key);
        } else {
            known.private = Some(key);
        }
        if parent.is_none() {
            self.attempt.push(key);
        }
        let native = Some(id.to_owned());
        effects.push(Effect::Start(Start { key, native, parent, group: None, kind, role: Some(role), content }));
        key
    }

    fn reasoning(
        &mut self,
        id: &str,
        item: wire::ReasoningItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        if !complete {
            // Which of its two texts there will be, the deltas say.
            self.items.insert(id.to_owned(), Known { parent, ..Known::default() });
            return;
        }
        let known = self.items.remove(id).unwrap_or_default();
        for (open, text, visibility) in [
            (known.text, item.summary.join("\n\n"), Visibility::Public),
            (known.private, item.content.join("\n\n"), Visibility::Private),
        ] {
            let key = match open {
                Some(key) => key,
                None if text.is_empty() => continue,
                None => {
                    let content = vec![ContentPart::Reasoning { text: String::new(), visibility }];
                    let public = visibility == Visibility::Public;
                    self.start_text(id, ItemKind::Message, Role::Assistant, content, parent, public, effects)
                }
            };
            let content = Some(vec![ContentPart::Reasoning { text, visibility }]);
            effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content }));
        }
        self.items.remove(id);
    }

    /// A call whose arguments are known: complete at once, and only once.
    #[expect(clippy::too_many_arguments, reason = "an item is as wide as this")]
    pub(super) fn call_item(
        &mut self,
        id: &str,
        name: &str,
        kind: ToolKind,
        server: Option<String>,
        arguments: &Value,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) -> Key {
        if let Some(call) = self.items.get(id).and_then(|known| known.call) {
            return call;
        }
        let key = self.key();
        self.items.insert(id.to_owned(), Known { call: Some(key), parent, ..Known::default() });
        effects.push(Effect::Start(Start {
            key,
            native: Some(id.to_owned()),
            parent,
            group: None,
            kind: ItemKind::ToolCall,
            role: Some(Role::Assistant),
            content: vec![ContentPart::ToolCall {
                name: name.to_owned(),
                title: None,
                kind,
                server,
                arguments: arguments.to_string(),
                call_id: id.to_owned(),
            }],
        }));
        effects.push(Effect::Finish(Finish { key, status: ItemStatus::Completed, content: None }));
        key
    }

    /// The result of a known call begins.
    pub(super) fn begin_result(&mut self, id: &str, effects: &mut Vec<Effect>) -> Key {
        if let Some(result) = self.items.get(id).and_then(|known| known.result) {
            return result;
        }
        if self.items.get(id).is_none_or(|known| known.call.is_none()) {
            // Its beginning was not heard.
            self.call_item(id, "unknown", ToolKind::Other, None, &json!({}), None, effects);
        }
        let key = self.key();
        let known = self.items.entry(id.to_owned()).or_default();
        known.result = Some(key);
        effects.push(Effect::Start(Start {
            key,
            native: Some(id.to_owned()),
            parent: known.call,
            group: None,
            kind: ItemKind::ToolResult,
            role: Some(Role::Tool),
            content: vec![ContentPart::ToolResult {
                call_id: id.to_owned(),
                output: String::new(),
                exit_code: None,
                duration_ms: None,
            }],
        }));
        key
    }

    /// The result of a known call is complete.
    #[expect(clippy::too_many_arguments, reason = "an item is as wide as this")]
    pub(super) fn result_item(
        &mut self,
        id: &str,
        status: ItemStatus,
        output: String,
        exit_code: Option<i64>,
        duration_ms: Option<u64>,
        more: Vec<ContentPart>,
        effects: &mut Vec<Effect>,
    ) {
        let key = self.begin_result(id, effects);
        self.items.remove(id);
        self.attempt.clear();
        let mut content = vec![ContentPart::ToolResult { call_id: id.to_owned(), output, exit_code, duration_ms }];
        content.extend(more);
        effects.push(Effect::Finish(Finish { key, status, content: Some(content) }));
    }

    fn command(
        &mut self,
        id: &str,
        item: wire::CommandItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let arguments = json!({ "command": unwrapped(&item.command), "cwd": item.cwd });
        self.call_item(id, "shell", ToolKind::Command, None, &arguments, parent, effects);
        if !complete {
            if let Some(known) = self.items.get_mut(id) {
                known.running = true;
            }
            // Without a process it waits for an approval.
            if item.process_id.is_some() {
                self.begin_result(id, effects);
            }
            return;
        }
        let status = match item.exit_code {
            // What the end of an interrupted turn ends is cancelled, whatever Codex calls it.
            _ if self.is_closing() => ItemStatus::Cancelled,
            Some(0) => ItemStatus::Completed,
            Some(_) => ItemStatus::Failed,
            None => ended(&item.status),
        };
        let output = item.aggregated_output.unwrap_or_default();
        self.result_item(id, status, output, item.exit_code, item.duration_ms, Vec::new(), effects);
    }

    fn patch(
        &mut self,
        id: &str,
        item: wire::PatchItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let changes: Vec<Value> = item
            .changes
            .iter()
            .map(|change| {
                let kind = match &change.kind {
                    wire::ChangeKind::Add => "add",
                    wire::ChangeKind::Delete => "delete",
                    wire::ChangeKind::Update { .. } => "update",
                };
                json!({ "path": change.path, "kind": kind, "diff": change.diff })
            })
            .collect();
        self.call_item(id, "apply_patch", ToolKind::Edit, None, &json!({ "changes": changes }), parent, effects);
        if let Some(known) = self.items.get_mut(id) {
            known.changes.clone_from(&item.changes);
        }
        if complete {
            let status = ended(&item.status);
            let files = if status == ItemStatus::Completed {
                item.changes.iter().map(|change| diff::file_ref(self.cwd(), change)).collect()
            } else {
                // What was not done is no change of a file.
                Vec::new()
            };
            self.result_item(id, status, String::new(), None, None, files, effects);
        }
    }

    fn mcp_call(
        &mut self,
        id: &str,
        item: wire::McpItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let server = Some(item.server);
        self.call_item(id, &item.tool, ToolKind::Mcp, server, &item.arguments, parent, effects);
        if !complete {
            return;
        }
        let mut output = item.error.map(|error| error.message).unwrap_or_default();
        let mut more = Vec::new();
        if let Some(result) = item.result {
            for part in &result.content {
                match (part["type"].as_str(), part["text"].as_str()) {
                    (Some("text"), Some(text)) => {
                        if !output.is_empty() {
                            output.push('\n');
                        }
                        output.push_str(text);
                    }
                    (Some("image"), _) => {
                        let mime = part["mimeType"].as_str().unwrap_or("image/png").to_owned();
                        let url = format!("data:{mime};base64,{}", part["data"].as_str().unwrap_or_default());
                        more.push(ContentPart::Image { path: None, url: Some(url), mime: Some(mime) });
                    }
                    _ => more.push(ContentPart::Json { json: part.clone() }),
                }
            }
            if let Some(json) = result.structured_content.filter(|json| !json.is_null()) {
                more.push(ContentPart::Json { json });
            }
        }
        self.result_item(id, ended(&item.status), output, None, item.duration_ms, more, effects);
    }

    fn dynamic(
        &mut self,
        id: &str,
        item: wire::DynamicItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        self.call_item(id, &item.tool, ToolKind::Other, None, &item.arguments, parent, effects);
        if complete {
            let parts = item.content_items.unwrap_or_default();
            let output: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            let output = output.join("\n");
            self.result_item(id, ended(&item.status), output, None, item.duration_ms, Vec::new(), effects);
        }
    }

    fn collab(
        &mut self,
        id: &str,
        item: wire::CollabItem,
        complete: bool,
        parent: Option<Key>,
        effects: &mut Vec<Effect>,
    ) {
        let arguments = json!({ "prompt": item.prompt, "threads": item.receiver_thread_ids });
        let call = self.call_item(id, &item.tool, ToolKind::Agent, None, &arguments, parent, effects);
        if item.tool == "spawnAgent" {
            self.last_agent_call = Some(call);
            for thread in &item.receiver_thread_ids {
                self.agents.entry(thread.clone()).or_insert(call);
            }
            if complete && !item.receiver_thread_ids.is_empty() {
                effects.push(Effect::AgentBegan(call));
            }
        }
        if complete {
            let output = item.receiver_thread_ids.join("\n");
            self.result_item(id, ended(&item.status), output, None, None, Vec::new(), effects);
        }
    }

    /// Newer models tell of their sub-agents without a call.
    fn activity(&mut self, item: &wire::ActivityItem, complete: bool, parent: Option<Key>, effects: &mut Vec<Effect>) {
        if !complete {
            return;
        }
        if item.kind == "started" && !self.agents.contains_key(&item.agent_thread_id) {
            let id = format!("agent:{}", item.agent_thread_id);
            let arguments = json!({ "agent": item.agent_path });
            let call = self.call_item(&id, "spawn_agent", ToolKind::Agent, None, &arguments, parent, effects);
            self.last_agent_call = Some(call);
            self.agents.insert(item.agent_thread_id.clone(), call);
            effects.push(Effect::AgentBegan(call));
            self.result_item(&id, ItemStatus::Completed, String::new(), None, None, Vec::new(), effects);
        }
    }
}

fn ended(status: &str) -> ItemStatus {
    match status {
        "completed" => ItemStatus::Completed,
        "declined" => ItemStatus::Declined,
        "interrupted" => ItemStatus::Cancelled,
        _ => ItemStatus::Failed,
    }
}
