//! What the mock plays: the first word of a prompt picks a script, which is written down as plays; the same prompt gives the same plays.

use schema::item::{ContentPart, FileAction, ItemKind, ItemStatus, Role, StatusLabel, ToolKind, Visibility};
use schema::outcome::ErrorCode;
use schema::request::{Action, PermissionOption, Question, QuestionOption};
use serde_json::{Value, json};

use super::player::{Play, Reply, Situation, Step};
use super::wire::{self, Error, Grown, Permit, Said, Start, Stop, burst_length};

/// The scripts: how each is called, and what it does.
pub const SCRIPTS: &[(&str, &str)] = &[
    ("echo [TEXT]", "says `mock: TEXT`; so does any prompt that begins with no other word of this list"),
    ("markdown", "a text whose deltas are cut inside words and fences"),
    ("revise", "a text whose end is not what its deltas said"),
    ("reasoning", "a public and a private reasoning, then a text"),
    ("plan", "a proposal that grows, a todo list that is worked off"),
    ("tool [EXIT]", "a command with growing output and this exit code (0)"),
    ("file [PATH]", "an edit that creates a file (mock.txt), with its diff; nothing is written"),
    ("status", "every status label once"),
    ("image", "a text and a picture"),
    ("unknown", "an item of kind unknown"),
    (
        "permission [ACTION] [SUBJECT]",
        "asks first; ACTION: command (default) edit read search fetch mcp plan mode other",
    ),
    ("permissions", "asks for two commands at once"),
    ("withdraw", "asks, and 50 ms later no longer waits for the answer"),
    ("question", "one question with two choices and free text"),
    ("questions", "three questions at once: choices, several choices, a secret"),
    ("usage", "tokens of every sort, and a context"),
    ("subagent", "a sub-agent that reports after the turn's end, and the background turn that follows"),
    ("background [MS]", "a command whose output goes on for MS (100) after the turn's end"),
    ("history", "how many prompts this process saw, and which conversation goes on"),
    ("env NAME…", "these variables of its environment"),
    ("unparsed", "a line that is not understood, then a text"),
    ("error [CODE [MESSAGE]]", "fails with this code of the closed list (other)"),
    ("refuse", "fails as a model that refuses"),
    ("ratelimit [MS [fail]]", "a rate limit for MS (100), then a text; or gives up"),
    ("silent", "ends well without a word"),
    ("end", "a text, then the session is closed for good"),
    ("burst N [BYTES]", "one text in N deltas of BYTES bytes (300), as fast as it can"),
    ("slow [N [MS]]", "one text in N deltas (10), MS (100) apart"),
    ("hang", "says something and then waits for a cancel"),
    ("deaf", "the same, but ignores cancel, end of input, INT, TERM and HUP"),
    ("crash [CODE]", "leaves with this exit code (1) in mid-turn"),
    ("stderr [N]", "N lines of noise (10) on stderr, then a text"),
    ("garbage [BYTES]", "lines that are no JSON, binary ones and one of BYTES (2097152), then a text"),
    ("badutf8", "a text and a line that are not valid UTF-8, then the rest"),
    ("orphan [N]", "N descendants (3) in sessions of their own, double-forked, one deaf to TERM; says their ids"),
    ("demo", "most of the harmless ones in a row"),
    ("help", "this list"),
];

/// The model's name where none was chosen.
pub const MODEL: &str = "mock-1";

/// The model that does not exist.
pub(super) const NO_MODEL: &str = "missing";

/// Ends in which a script can leave its turn.
pub(super) enum Ending {
    /// Well.
    Done,
    /// Well, with nothing said on purpose.
    Silent,
    /// Not.
    Failed(Error),
    /// Well, and the conversation is closed with these words.
    Closes(String),
}

/// What to play for a prompt.
pub(super) fn script(now: &Situation, draft: &mut Draft<'_>, text: &str) -> Ending {
    if now.model() == NO_MODEL {
        return failed(ErrorCode::ModelNotFound, "mock has no model `missing`");
    }
    let (word, rest) = first_word(text);
    play(now, draft, &word.to_lowercase(), rest, text)
        .unwrap_or_else(|wrong| failed(ErrorCode::BadRequest, &format!("mock: {wrong}")))
}

fn play(now: &Situation, draft: &mut Draft<'_>, word: &str, rest: &str, text: &str) -> Result<Ending, String> {
    let mut args = rest.split_whitespace();
    match word {
        "echo" => draft.echo(&now.with_attachments(rest)),
        "markdown" => markdown(draft),
        "revise" => revise(draft),
        "reasoning" => reasoning(draft),
        "plan" => plan(draft),
        "tool" => tool(now, draft, number(args.next(), 0)?),
        "file" => file(now, draft, args.next().unwrap_or("mock.txt")),
        "status" => status(now, draft),
        "image" => image(draft),
        "unknown" => unknown(draft),
        "permission" => permission(now, draft, rest),
        "permissions" => permissions(now, draft),
        "withdraw" => withdraw(now, draft),
        "question" => ask(draft, vec![color()]),
        "questions" => ask(draft, vec![color(), checks(), password()]),
        "usage" => usage(draft),
        "subagent" => subagent(draft),
        "background" => background(draft, number(args.next(), 100)?),
        "history" => draft.say(&history(now)),
        "env" => {
            let key = draft.open();
            draft.step(Step::Variables { key, names: args.map(str::to_owned).collect() });
            draft.finish(key);
        }
        "unparsed" => {
            draft.line("{\"type\":\"mystery\",\"of\":\"mock\"}");
            draft.say("mock: said something that nobody understands");
        }
        "error" => return Ok(error(draft, args.next(), rest)),
        "refuse" => {
            draft.say("mock: I cannot help with that");
            return Ok(failed(ErrorCode::Refusal, "mock refused the task"));
        }
        "ratelimit" => return rate_limit(draft, number(args.next(), 100)?, args.next() == Some("fail")),
        "silent" => {}
        "end" => {
            draft.say("mock: goodbye");
            return Ok(Ending::Closes("mock was told to end".to_owned()));
        }
        "burst" => {
            let count = args.next().ok_or("say `burst N [BYTES]`")?;
            burst(draft, number(Some(count), 0)?, number(args.next(), 300)?);
        }
        "slow" => slow(draft, number(args.next(), 10)?, number(args.next(), 100)?),
        "hang" => {
            let key = draft.open();
            draft.grow(key, "mock: waiting for a cancel");
            draft.plays.push(Play::Hang);
        }
        "deaf" => {
            let key = draft.open();
            draft.step(Step::Deafen);
            draft.grow(key, "mock: deaf from now on");
            draft.plays.push(Play::Hang);
        }
        "crash" => {
            let code: u8 = number(args.next(), 1)?;
            let key = draft.open();
            draft.grow(key, "mock: about to crash");
            draft.step(Step::Stderr(format!("mock: crashing with code {code}\n")));
            draft.step(Step::Exit(i32::from(code)));
        }
        "stderr" => {
            let count = number(args.next(), 10)?;
            draft.plays.push(Play::Noise { next: 1, count });
            draft.say(&format!("mock: {count} lines on stderr"));
        }
        "garbage" => garbage(draft, number(args.next(), 2 << 20)?),
        "badutf8" => bad_utf8(draft),
        "orphan" => {
            let count = number(args.next(), 3)?;
            let key = draft.open();
            draft.grow(key, "mock: left behind");
            draft.step(Step::Orphans { key, count });
            draft.finish(key);
        }
        "demo" => {
            for name in [
                "reasoning",
                "markdown",
                "plan",
                "tool",
                "file",
                "status",
                "image",
                "unknown",
                "permission",
                "question",
                "usage",
            ] {
                draft.say(&format!("\nmock: next is {name}\n"));
                play(now, draft, name, "", name)?;
            }
        }
        "help" => {
            let lines: Vec<String> = SCRIPTS.iter().map(|(call, does)| format!("- `{call}`: {does}\n")).collect();
            draft.message(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        "/compact" => {
            let json = json!({ "trigger": "manual", "before": 2000, "after": 200 });
            draft.status(StatusLabel::Compaction, Some("mock: the conversation is short again"), json, None);
            return Ok(Ending::Silent);
        }
        _ => draft.echo(&now.with_attachments(text.trim())),
    }
    Ok(Ending::Done)
}

/// Writes plays down and gives names to what they are about.
pub(super) struct Draft<'a> {
    names: &'a mut Names,
    /// The model message that what follows comes from, where that matters.
    group: Option<String>,
    plays: Vec<Play>,
}

/// The last names that were given to items and requests.
#[derive(Debug, Default)]
pub(super) struct Names {
    item: u32,
    request: u32,
}

/// A call in a draft.
#[derive(Debug, Clone, Copy)]
struct Call {
    key: u32,
    nested: bool,
}

impl Call {
    fn id(self) -> String {
        format!("call_{}", self.key)
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(names: &'a mut Names) -> Draft<'a> {
        Draft { names, group: None, plays: Vec::new() }
    }

    /// What was written down.
    pub(super) fn into_plays(self) -> Vec<Play> {
        self.plays
    }

    fn push(&mut self, said: Said) {
        self.plays.push(Play::Step(Step::Line(said)));
    }

    fn step(&mut self, step: Step) {
        self.plays.push(Play::Step(step));
    }

    fn line(&mut self, line: &str) {
        self.bytes(line.as_bytes());
    }

    fn bytes(&mut self, line: &[u8]) {
        self.step(Step::Bytes([line, b"\n"].concat()));
    }

    fn pause(&mut self, ms: u64) {
        self.step(Step::Pause(std::time::Duration::from_millis(ms)));
    }

    fn start(&mut self, kind: ItemKind, role: Role, parent: Option<u32>, content: Vec<ContentPart>) -> u32 {
        self.names.item += 1;
        let key = self.names.item;
        let native = Some(format!("mock_{key}"));
        self.push(Said::Start(Start {
            key,
            native,
            parent,
            group: self.group.clone(),
            kind,
            role: Some(role),
            content,
        }));
        key
    }

    fn grow(&mut self, key: u32, text: &str) {
        self.step(Step::Text(key, text.to_owned()));
    }

    fn finish(&mut self, key: u32) {
        self.push(Said::Finish { key, status: ItemStatus::Completed, content: None });
    }

    fn finish_as(&mut self, key: u32, status: ItemStatus, content: Vec<ContentPart>) {
        self.push(Said::Finish { key, status, content: Some(content) });
    }

    /// An assistant's text that will grow.
    fn open(&mut self) -> u32 {
        self.open_in(None)
    }

    fn open_in(&mut self, parent: Option<u32>) -> u32 {
        self.start(ItemKind::Message, Role::Assistant, parent, vec![text("")])
    }

    fn message(&mut self, pieces: &[&str]) {
        let key = self.open();
        for piece in pieces {
            self.grow(key, piece);
        }
        self.finish(key);
    }

    /// A text in one delta.
    pub(super) fn say(&mut self, said: &str) {
        self.message(&[said]);
    }

    /// A text in a few deltas: `mock: `, then the words in up to three pieces.
    fn echo(&mut self, said: &str) {
        let mut pieces = vec!["mock: "];
        let mut left = said;
        for more in (1..3).rev() {
            let target = left.len() / (more + 1);
            let Some(at) = left.char_indices().find(|(at, c)| *at > target && *c == ' ').map(|(at, _)| at) else {
                break;
            };
            let (piece, rest) = left.split_at(at);
            pieces.push(piece);
            left = rest;
        }
        pieces.push(left);
        self.message(&pieces);
    }

    fn status(&mut self, label: StatusLabel, detail: Option<&str>, json: Value, parent: Option<u32>) {
        self.push(Said::Status { label, detail: detail.map(str::to_owned), json, parent });
    }

    /// A call whose arguments are known.
    fn call(&mut self, name: &str, title: &str, kind: ToolKind, arguments: &Value) -> Call {
        self.call_in(None, name, title, kind, arguments, None)
    }

    fn call_in(
        &mut self,
        parent: Option<u32>,
        name: &str,
        title: &str,
        kind: ToolKind,
        arguments: &Value,
        server: Option<&str>,
    ) -> Call {
        let call = Call { key: self.names.item + 1, nested: parent.is_some() };
        let part = ContentPart::ToolCall {
            name: name.to_owned(),
            title: Some(title.to_owned()),
            kind,
            server: server.map(str::to_owned),
            arguments: arguments.to_string(),
            call_id: call.id(),
        };
        self.start(ItemKind::ToolCall, Role::Assistant, parent, vec![part]);
        self.finish(call.key);
        call
    }

    /// The result of a call: its output in pieces, and what comes with it.
    fn result(
        &mut self,
        call: Call,
        status: ItemStatus,
        pieces: &[&str],
        exit_code: Option<i64>,
        more: Vec<ContentPart>,
    ) {
        let part = |output: String, exit_code, duration_ms| ContentPart::ToolResult {
            call_id: call.id(),
            output,
            exit_code,
            duration_ms,
        };
        let opening = part(String::new(), None, None);
        let key = self.start(ItemKind::ToolResult, Role::Tool, Some(call.key), vec![opening]);
        for piece in pieces {
            self.grow(key, piece);
        }
        let duration = exit_code.map(|_| 7);
        let content = std::iter::once(part(pieces.concat(), exit_code, duration)).chain(more).collect();
        self.finish_as(key, status, content);
        if !call.nested {
            self.plays.push(Play::Request);
        }
    }

    fn request(&mut self) -> u32 {
        self.names.request += 1;
        self.names.request
    }
}

fn markdown(draft: &mut Draft<'_>) {
    draft.message(&[
        "# Mo",
        "ck\n\nA **bo",
        "ld** word and `co",
        "de`:\n\n``",
        "`rust\nfn main() {",
        "}\n`",
        "``\n\n1. one\n2. tw",
        "o — ☃\n",
    ]);
}

fn revise(draft: &mut Draft<'_>) {
    let key = draft.open();
    draft.grow(key, "mock: the frist");
    draft.grow(key, " word");
    draft.finish_as(key, ItemStatus::Completed, vec![text("mock: the first word")]);
    let key = draft.open();
    draft.grow(key, " and its");
    draft.finish_as(key, ItemStatus::Completed, vec![text(" and its end")]);
}

fn reasoning(draft: &mut Draft<'_>) {
    let thoughts = [
        (Visibility::Public, ["Thinking about", " the prompt."]),
        (Visibility::Private, ["It says `reasoning`,", " so I reason."]),
    ];
    for (visibility, pieces) in thoughts {
        let part = ContentPart::Reasoning { text: String::new(), visibility };
        let key = draft.start(ItemKind::Message, Role::Assistant, None, vec![part]);
        for piece in pieces {
            draft.grow(key, piece);
        }
        draft.finish(key);
    }
    draft.say("mock: thought about it");
}

fn plan(draft: &mut Draft<'_>) {
    proposal(draft);
    let steps = ["look", "think", "write"];
    for done in 0..=steps.len() {
        draft.status(StatusLabel::Todo, None, todo(&steps, done), None);
    }
    draft.say("mock: worked the plan off");
}

fn proposal(draft: &mut Draft<'_>) {
    let label = ContentPart::Status { label: StatusLabel::Plan, detail: None };
    let key = draft.start(ItemKind::Status, Role::System, None, vec![label, text("")]);
    for piece in ["1. look\n", "2. think\n", "3. write\n"] {
        draft.grow(key, piece);
    }
    draft.finish(key);
}

/// The todo list when so many steps are done.
fn todo(steps: &[&str], done: usize) -> Value {
    let entry = |(at, content): (usize, &&str)| {
        let status = match at.cmp(&done) {
            std::cmp::Ordering::Less => "completed",
            std::cmp::Ordering::Equal => "in_progress",
            std::cmp::Ordering::Greater => "pending",
        };
        json!({ "id": format!("{}", at + 1), "content": content, "status": status, "priority": "medium" })
    };
    json!({ "entries": steps.iter().enumerate().map(entry).collect::<Vec<_>>() })
}

fn tool(now: &Situation, draft: &mut Draft<'_>, exit_code: u8) {
    let command = format!("seq 3; exit {exit_code}");
    let arguments = json!({ "command": command, "cwd": now.cwd() });
    let call = draft.call("shell", &command, ToolKind::Command, &arguments);
    let status = if exit_code == 0 { ItemStatus::Completed } else { ItemStatus::Failed };
    draft.result(call, status, &["1\n", "2\n", "3\n"], Some(i64::from(exit_code)), Vec::new());
    draft.say(&format!("mock: the command ended with {exit_code}"));
}

fn file(now: &Situation, draft: &mut Draft<'_>, path: &str) {
    let arguments = json!({ "path": now.absolute(path), "content": "written by mock\n" });
    let call = draft.call("write", &format!("Write {path}"), ToolKind::Edit, &arguments);
    let changed = change(now, path, FileAction::Create);
    draft.result(call, ItemStatus::Completed, &[&format!("created {path}\n")], None, vec![changed]);
    draft.say(&format!("mock: created {path}, or would have"));
}

/// A file that is touched; a new one has one line, a changed one another than before.
fn change(now: &Situation, path: &str, action: FileAction) -> ContentPart {
    let name = path.trim_start_matches('/');
    let new = action == FileAction::Create;
    let (mode, from, hunk) = if new {
        ("new file mode 100644\n", "/dev/null".to_owned(), "@@ -0,0 +1 @@\n")
    } else {
        ("", format!("a/{name}"), "@@ -1 +1 @@\n-written by nobody\n")
    };
    let diff = format!("diff --git a/{name} b/{name}\n{mode}--- {from}\n+++ b/{name}\n{hunk}+written by mock\n");
    ContentPart::FileRef { path: now.absolute(path), action, from: None, diff: Some(diff) }
}

fn status(now: &Situation, draft: &mut Draft<'_>) {
    let info = json!({
        "model": now.model(),
        "mode": now.mode(),
        "tools": ["shell", "write"],
        "mcp": [{ "name": "mock", "status": "connected" }],
        "commands": ["compact"],
    });
    draft.status(StatusLabel::SessionInfo, None, info, None);
    draft.status(StatusLabel::SessionTitle, Some("All labels"), json!({ "title": "All labels" }), None);
    draft.status(StatusLabel::ModeChanged, None, json!({ "mode": now.mode() }), None);
    draft.status(StatusLabel::ModelChanged, None, json!({ "model": now.model() }), None);
    proposal(draft);
    draft.status(StatusLabel::Todo, None, todo(&["one", "two"], 1), None);
    let ContentPart::FileRef { diff, .. } = change(now, "mock.txt", FileAction::Create) else { return };
    draft.status(StatusLabel::Diff, None, json!({ "diff": diff }), None);
    draft.status(StatusLabel::Context, None, json!({ "used": 1000, "size": 200_000 }), None);
    draft.status(StatusLabel::Compaction, None, json!({ "trigger": "auto", "before": 2000, "after": 1000 }), None);
    let limit = json!({ "name": "mock", "used_percent": 50 });
    draft.status(StatusLabel::RateLimit, Some("half of it is used"), limit, None);
    draft.status(StatusLabel::Task, None, json!({ "id": "task_1", "status": "completed" }), None);
    let key = draft.open();
    draft.grow(key, "mock: a first try");
    draft.push(Said::Finish { key, status: ItemStatus::Failed, content: None });
    draft.push(Said::Retracted { keys: vec![key] });
    draft.say("mock: said every status once");
}

fn image(draft: &mut Draft<'_>) {
    // One red pixel.
    let url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";
    let key = draft.open();
    draft.grow(key, "mock: a red pixel");
    let picture = ContentPart::Image { path: None, url: Some(url.to_owned()), mime: Some("image/png".to_owned()) };
    draft.finish_as(key, ItemStatus::Completed, vec![text("mock: a red pixel"), picture]);
}

fn unknown(draft: &mut Draft<'_>) {
    let part = ContentPart::Json { json: json!({ "mystery": [1, 2, 3] }) };
    let key = draft.start(ItemKind::Unknown, Role::Assistant, None, vec![part]);
    draft.finish(key);
    draft.say("mock: that was something else");
}

/// Something the mock wants to do.
struct Wish {
    action: Action,
    tool: String,
    kind: ToolKind,
    /// The argument that says what it is about, and can be edited.
    argument: &'static str,
    subject: String,
    server: Option<String>,
}

impl Wish {
    fn new(now: &Situation, action: Action, subject: &str) -> Wish {
        let or = |default: &str| if subject.is_empty() { default.to_owned() } else { subject.to_owned() };
        let wish = |tool: &str, kind, argument, subject| {
            let tool = tool.to_owned();
            Wish { action, tool, kind, argument, subject, server: None }
        };
        match action {
            Action::Command => wish("shell", ToolKind::Command, "command", or("touch mock.txt")),
            Action::Edit => wish("write", ToolKind::Edit, "path", now.absolute(&or("mock.txt"))),
            Action::Read => wish("read", ToolKind::Read, "path", now.absolute(&or("mock.txt"))),
            Action::Search => wish("search", ToolKind::Search, "pattern", or("mock")),
            Action::Fetch => wish("fetch", ToolKind::Fetch, "url", or("https://example.com/")),
            Action::Mcp => {
                let (name, query) = first_word(subject);
                let (server, tool) = name.split_once('/').unwrap_or(("mock", "lookup"));
                Wish { server: Some(server.to_owned()), ..wish(tool, ToolKind::Mcp, "query", query.to_owned()) }
            }
            Action::Plan => wish("exit_plan", ToolKind::Plan, "plan", or("1. look 2. think 3. write")),
            Action::Mode => wish("set_mode", ToolKind::Other, "mode", or("plan")),
            Action::Other => wish("other", ToolKind::Other, "what", or("something")),
        }
    }

    /// Its call, and the request whose answer decides what follows. Returns the request's name.
    fn ask(self, now: &Situation, draft: &mut Draft<'_>) -> u32 {
        let (call, permit) = self.permit(now, draft);
        let key = permit.key;
        let granted = format!("{} {}", self.action.as_str(), permit.title);
        let changes = permit.files.clone();
        draft.plays.push(Play::Ask {
            key,
            said: Said::Permit(Box::new(permit)),
            granted: Some(granted),
            then: Box::new(move |draft, reply| self.decided(draft, call, changes, reply)),
        });
        key
    }

    fn permit(&self, now: &Situation, draft: &mut Draft<'_>) -> (Call, Permit) {
        let is = |action: Action| self.action == action;
        let of = |action: Action| is(action).then(|| self.subject.clone());
        let cwd = is(Action::Command).then(|| now.cwd().to_owned());
        let mut input = json!({ self.argument: self.subject });
        if let Some(cwd) = &cwd {
            input["cwd"] = json!(cwd);
        }
        let title = match &self.server {
            Some(server) => format!("{server}/{} {}", self.tool, self.subject),
            None => format!("{} {}", self.tool, self.subject),
        };
        let call = draft.call_in(None, &self.tool, &title, self.kind, &input, self.server.as_deref());
        let paths = match self.action {
            Action::Edit | Action::Read => vec![self.subject.clone()],
            Action::Search => vec![now.cwd().to_owned()],
            Action::Command | Action::Fetch | Action::Mcp | Action::Plan | Action::Mode | Action::Other => Vec::new(),
        };
        let option = |id: &str, label: &str, kind: &str| PermissionOption {
            id: id.to_owned(),
            label: label.to_owned(),
            kind: kind.to_owned(),
        };
        let permit = Permit {
            key: draft.request(),
            call: call.key,
            action: self.action,
            tool: self.tool.clone(),
            title,
            reads_only: is(Action::Command) && matches!(first_word(&self.subject).0, "ls" | "cat" | "pwd"),
            command: of(Action::Command),
            cwd,
            paths,
            url: of(Action::Fetch),
            server: self.server.clone(),
            files: of(Action::Edit).map(|path| change(now, &path, FileAction::Update)).into_iter().collect(),
            input,
            options: vec![
                option("yes", "Yes", "allow_once"),
                option("always", "Yes, for this session", "allow_always"),
                option("no", "No", "reject_once"),
            ],
        };
        (call, permit)
    }

    fn decided(self, draft: &mut Draft<'_>, call: Call, changes: Vec<ContentPart>, reply: Reply) {
        match reply {
            Reply::Accepted { input } => {
                let done = match input {
                    None => format!("{} {}", self.tool, self.subject),
                    Some(input) => {
                        let edited = input[self.argument].as_str().map_or_else(|| input.to_string(), str::to_owned);
                        format!("{} {edited} (edited)", self.tool)
                    }
                };
                let exit_code = (self.action == Action::Command).then_some(0);
                draft.result(call, ItemStatus::Completed, &[&format!("{done}\n")], exit_code, changes);
                draft.say(&format!("mock: done: {done}"));
            }
            Reply::Rejected { message, stop } => {
                let why = message.map_or_else(|| "denied".to_owned(), |message| format!("denied: {message}"));
                draft.result(call, ItemStatus::Declined, &[&format!("{why}\n")], None, Vec::new());
                if stop {
                    draft.plays.push(Play::Abort(Stop::Interrupted));
                } else {
                    draft.say(&format!("mock: {why}"));
                }
            }
            Reply::Withdrawn => {
                draft.result(call, ItemStatus::Completed, &["done without an answer\n"], None, Vec::new());
                draft.say("mock: did not wait for an answer");
            }
            Reply::Answered(_) | Reply::Unanswered(_) => {
                draft.result(call, ItemStatus::Failed, &["an answer where a decision was due\n"], None, Vec::new());
            }
        }
    }
}

fn permission(now: &Situation, draft: &mut Draft<'_>, rest: &str) {
    let (word, subject) = first_word(rest);
    let actions = [
        Action::Command,
        Action::Edit,
        Action::Read,
        Action::Search,
        Action::Fetch,
        Action::Mcp,
        Action::Plan,
        Action::Mode,
        Action::Other,
    ];
    let (action, subject) = match actions.into_iter().find(|action| action.as_str() == word) {
        Some(action) => (action, subject),
        None => (Action::Command, rest),
    };
    Wish::new(now, action, subject).ask(now, draft);
    draft.plays.push(Play::Join);
}

fn permissions(now: &Situation, draft: &mut Draft<'_>) {
    draft.group = Some("group_1".to_owned());
    for subject in ["touch one.txt", "touch two.txt"] {
        Wish::new(now, Action::Command, subject).ask(now, draft);
    }
    draft.group = None;
    draft.plays.push(Play::Join);
}

fn withdraw(now: &Situation, draft: &mut Draft<'_>) {
    let key = Wish::new(now, Action::Other, "").ask(now, draft);
    draft.pause(50);
    draft.plays.extend([Play::Withdraw { key }, Play::Join]);
}

fn color() -> Question {
    Question {
        id: "color".to_owned(),
        header: Some("Color".to_owned()),
        prompt: "Choose a color".to_owned(),
        options: vec![option("Red", Some("as an apple")), option("Blue", Some("as the sky"))],
        multi_select: false,
        custom: true,
        secret: false,
    }
}

fn checks() -> Question {
    Question {
        id: "checks".to_owned(),
        header: Some("Checks".to_owned()),
        prompt: "Which checks shall run?".to_owned(),
        options: vec![option("build", None), option("test", None), option("lint", None)],
        multi_select: true,
        custom: false,
        secret: false,
    }
}

fn password() -> Question {
    Question {
        id: "password".to_owned(),
        header: None,
        prompt: "What is the password?".to_owned(),
        options: Vec::new(),
        multi_select: false,
        custom: true,
        secret: true,
    }
}

fn option(label: &str, description: Option<&str>) -> QuestionOption {
    QuestionOption { label: label.to_owned(), description: description.map(str::to_owned) }
}

fn ask(draft: &mut Draft<'_>, questions: Vec<Question>) {
    let arguments = json!({ "questions": questions });
    let call = draft.call("ask_user", "Ask the user", ToolKind::Question, &arguments);
    let key = draft.request();
    let secrets: Vec<bool> = questions.iter().map(|question| question.secret).collect();
    let said = Said::Question { key, call: call.key, questions };
    let then = move |draft: &mut Draft<'_>, reply| answered(draft, call, &secrets, reply);
    draft.plays.push(Play::Ask { key, said, granted: None, then: Box::new(then) });
    draft.plays.push(Play::Join);
}

fn answered(draft: &mut Draft<'_>, call: Call, secrets: &[bool], reply: Reply) {
    let (status, words) = match reply {
        Reply::Answered(answers) => {
            let words = answers.iter().enumerate().map(|(at, answer)| {
                let answer = answer.join(", ");
                match secrets.get(at) {
                    Some(true) => format!("a secret of {} bytes", answer.len()),
                    Some(false) | None => answer,
                }
            });
            (ItemStatus::Completed, format!("you answered {}", words.collect::<Vec<_>>().join("; ")))
        }
        Reply::Unanswered(None) => (ItemStatus::Declined, "you did not answer".to_owned()),
        Reply::Unanswered(Some(why)) => (ItemStatus::Declined, format!("you did not answer: {why}")),
        Reply::Accepted { .. } | Reply::Rejected { .. } | Reply::Withdrawn => {
            (ItemStatus::Failed, "a decision where an answer was due".to_owned())
        }
    };
    draft.result(call, status, &[&format!("{words}\n")], None, Vec::new());
    draft.say(&format!("mock: {words}"));
}

fn usage(draft: &mut Draft<'_>) {
    draft.status(StatusLabel::Context, None, json!({ "used": 1200, "size": 200_000 }), None);
    draft.plays.push(Play::Spend);
    draft.say("mock: spent 100 tokens on reading and 20 on thinking");
}

fn subagent(draft: &mut Draft<'_>) {
    let arguments = json!({ "prompt": "look around" });
    let call = draft.call("agent", "Look around", ToolKind::Agent, &arguments);
    draft.result(call, ItemStatus::Completed, &["sub-agent started\n"], None, Vec::new());
    draft.push(Said::AgentBegan { call: call.key });
    let parent = Some(call.key);
    let prompt = draft.start(ItemKind::System, Role::System, parent, vec![text("look around")]);
    draft.finish(prompt);
    let nested = draft.call_in(parent, "shell", "ls", ToolKind::Command, &json!({ "command": "ls" }), None);
    draft.result(nested, ItemStatus::Completed, &["mock.txt\n"], Some(0), Vec::new());
    let report = draft.open_in(parent);
    draft.grow(report, "There is");
    draft.say("mock: the sub-agent is at work");
    draft.plays.push(Play::End(Ending::Done));
    draft.pause(50);
    draft.grow(report, " one file.");
    draft.pause(50);
    draft.plays.push(Play::Begin);
    draft.finish(report);
    draft.push(Said::AgentEnded { call: call.key });
    draft.status(StatusLabel::Task, None, json!({ "id": call.id(), "status": "completed" }), None);
    draft.say("mock: the sub-agent reports: There is one file.");
}

fn background(draft: &mut Draft<'_>, ms: u64) {
    let arguments = json!({ "command": "seq 2", "background": true });
    let call = draft.call("shell", "seq 2", ToolKind::Command, &arguments);
    let part = |output: &str, exit_code| ContentPart::ToolResult {
        call_id: call.id(),
        output: output.to_owned(),
        exit_code,
        duration_ms: None,
    };
    let key = draft.start(ItemKind::ToolResult, Role::Tool, Some(call.key), vec![part("", None)]);
    draft.grow(key, "1\n");
    draft.push(Said::Detached { key });
    draft.say("mock: the command goes on");
    draft.plays.push(Play::End(Ending::Done));
    draft.pause(ms);
    draft.grow(key, "2\n");
    draft.finish_as(key, ItemStatus::Completed, vec![part("1\n2\n", Some(0))]);
}

fn history(now: &Situation) -> String {
    let setup = &now.setup;
    let how = match &setup.resume {
        None => "new".to_owned(),
        Some(_) if !setup.fork => "resumed".to_owned(),
        Some(from) => format!("copied from {from}"),
    };
    format!(
        "mock: prompt {} of this process; conversation {}, {how}, {} tokens before; model {}, mode {}, effort {}",
        now.seen,
        setup.native(),
        now.totals.usage.total_tokens,
        now.model(),
        now.mode(),
        now.effort(),
    )
}

fn error(draft: &mut Draft<'_>, code: Option<&str>, rest: &str) -> Ending {
    draft.say("mock: about to fail");
    let Some(code) = code else { return failed(ErrorCode::Other, "mock failed as it was told") };
    // The other codes are not an agent's to say.
    let known =
        ErrorCode::ALL.iter().find(|known| known.as_str() == code && matches!(known.exit_code(), 1 | 4 | 7 | 75));
    let Some(known) = known else {
        return failed(ErrorCode::BadRequest, &format!("mock: `{code}` is no code that an agent can fail with"));
    };
    match first_word(rest).1 {
        "" => failed(*known, "mock failed as it was told"),
        message => failed(*known, message),
    }
}

fn rate_limit(draft: &mut Draft<'_>, ms: u64, fail: bool) -> Result<Ending, String> {
    let error = |attempt| Error {
        code: ErrorCode::RateLimit,
        message: format!("mock: too many requests, try again in {ms} ms"),
        retry_after_ms: Some(ms),
        attempt,
    };
    draft.push(Said::Setback { error: error(Some(1)) });
    draft.pause(ms);
    if fail {
        return Ok(Ending::Failed(error(None)));
    }
    draft.say("mock: the second try went well");
    Ok(Ending::Done)
}

fn burst(draft: &mut Draft<'_>, count: u64, bytes: u64) {
    let bytes = burst_length(usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 20));
    let key = draft.open();
    draft.plays.push(Play::Burst { key, next: 0, count, bytes });
    draft.finish(key);
}

fn slow(draft: &mut Draft<'_>, count: u64, ms: u64) {
    let key = draft.open();
    draft.plays.push(Play::Slow { key, next: 1, count, ms });
    draft.finish(key);
}

fn garbage(draft: &mut Draft<'_>, bytes: usize) {
    for line in [
        "this is no JSON",
        "",
        "   ",
        "{\"type\":\"start\",\"key\":",
        "{\"type\":\"finish\",\"key\":-1,\"status\":\"completed\"}",
        "{\"d\":1}",
        "[1,2,3]",
        "null",
        "\"a text\"",
        "\u{0}\u{1}\u{1b}[31m\u{7f}\u{feff}\t",
    ] {
        draft.line(line);
    }
    let binary: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    draft.bytes(&binary);
    draft.step(Step::Long { byte: b'x', count: bytes });
    draft.say("mock: no more garbage");
}

fn bad_utf8(draft: &mut Draft<'_>) {
    let key = draft.open();
    let mut line = Vec::new();
    wire::write(&mut line, &Grown { key, text: "mock: <> is not UTF-8".to_owned() });
    let at = line.iter().position(|byte| *byte == b'<').expect("the text has one");
    // A lone lead byte, then one that never occurs.
    line[at..at + 2].copy_from_slice(b"\xc3\xff");
    draft.bytes(line.trim_ascii_end());
    draft.bytes(b"\xf0\x9f nor is this");
    draft.grow(key, ", but this is: ☃");
    draft.finish(key);
}

fn failed(code: ErrorCode, message: &str) -> Ending {
    Ending::Failed(Error { code, message: message.to_owned(), retry_after_ms: None, attempt: None })
}

fn text(text: &str) -> ContentPart {
    ContentPart::Text { text: text.to_owned() }
}

fn number<T: std::str::FromStr>(word: Option<&str>, default: T) -> Result<T, String> {
    word.map_or(Ok(default), |word| word.parse().map_err(|_| format!("`{word}` is no number that fits here")))
}

/// The first word of a text, and the rest without the space between them.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}
