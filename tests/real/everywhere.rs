//! The same scenarios through every real agent, with the same script of the model's in each agent's words.

use super::acp::Peer;
use super::claude::Claude;
use super::codex::Codex;
use super::equipment::{self, SKILL};
use super::opencode::OpenCode;
use super::pi::Pi;
use crate::env::{Program, Running, TestEnv};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type, part};
use crate::model::{Gate, Model, Reply, done};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How an agent names its tools to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    Claude,
    Codex,
    /// Where Codex has a sandbox it asks only to leave it.
    CodexInSandbox,
    OpenCode,
    Pi,
    Qwen,
}

impl Tongue {
    pub(crate) fn command(self, command: &str) -> Reply {
        match self {
            Tongue::Claude => Reply::new().call("Bash", json!({"command": command, "description": "Runs it"})),
            Tongue::Codex => Reply::new().call("exec_command", json!({"cmd": command})),
            Tongue::CodexInSandbox => {
                let leave =
                    json!({"cmd": command, "sandbox_permissions": "require_escalated", "justification": "a test"});
                Reply::new().call("exec_command", leave)
            }
            Tongue::OpenCode => Reply::new().call("bash", json!({"command": command, "description": "Runs it"})),
            Tongue::Pi => Reply::new().call("bash", json!({"command": command})),
            Tongue::Qwen => {
                let input = json!({"command": command, "description": "Runs it", "is_background": false});
                Reply::new().call("run_shell_command", input)
            }
        }
    }

    /// A new file of one line.
    pub(crate) fn new_file(self, path: &str, line: &str) -> Reply {
        let (tool, key) = match self {
            Tongue::Claude => ("Write", "file_path"),
            Tongue::Codex | Tongue::CodexInSandbox => {
                let patch = format!("*** Begin Patch\n*** Add File: {path}\n+{line}\n*** End Patch");
                return Reply::new().plain_call("apply_patch", &patch);
            }
            Tongue::OpenCode => ("write", "filePath"),
            Tongue::Pi => ("write", "path"),
            Tongue::Qwen => ("write_file", "file_path"),
        };
        Reply::new().call(tool, json!({key: path, "content": format!("{line}\n")}))
    }

    /// The tool of the session's server that says a text louder.
    pub(crate) fn shout(self, text: &str) -> Reply {
        let input = json!({ "text": text });
        match self {
            Tongue::Codex | Tongue::CodexInSandbox => Reply::new().call_in("mcp__test", "shout", input),
            Tongue::OpenCode => Reply::new().call("test_shout", input),
            Tongue::Claude | Tongue::Pi | Tongue::Qwen => Reply::new().call("mcp__test__shout", input),
        }
    }

    /// A question with the options Red and Blue.
    fn question(self) -> Reply {
        let options = json!([{"label": "Red", "description": "Warm"}, {"label": "Blue", "description": "Cool"}]);
        let mut question = json!({"question": "Which colour?", "header": "Colour", "options": options});
        let tool = match self {
            Tongue::Claude => {
                question["multiSelect"] = json!(false);
                "AskUserQuestion"
            }
            Tongue::Codex | Tongue::CodexInSandbox => {
                question["id"] = json!("colour");
                "request_user_input"
            }
            Tongue::OpenCode => {
                question["multiple"] = json!(false);
                "question"
            }
            Tongue::Pi => "ask_user",
            Tongue::Qwen => {
                question["multiSelect"] = json!(false);
                "ask_user_question"
            }
        };
        Reply::new().call(tool, json!({"questions": [question]}))
    }
}

/// An agent that asks a model of its own.
pub(crate) struct Place {
    pub(crate) env: TestEnv,
    pub(crate) model: Model,
    pub(crate) agent: String,
    always: &'static [&'static str],
}

pub(crate) type Script<'a> = &'a dyn Fn(Tongue) -> Vec<Reply>;

impl Place {
    pub(crate) fn claude(script: Script) -> Option<Place> {
        let Claude { env, model } = Claude::start(script(Tongue::Claude))?;
        Some(Place { env, model, agent: "claude".to_owned(), always: &[] })
    }

    pub(crate) fn codex(script: Script) -> Option<Place> {
        let Codex { env, model, .. } = Codex::start(script(Tongue::Codex))?;
        Some(Place { env, model, agent: "codex".to_owned(), always: &[] })
    }

    pub(crate) fn opencode(script: Script) -> Option<Place> {
        let OpenCode { env, model } = OpenCode::start(script(Tongue::OpenCode))?;
        Some(Place { env, model, agent: "opencode".to_owned(), always: &[] })
    }

    pub(crate) fn pi(script: Script) -> Option<Place> {
        let Pi { env, model } = Pi::start(script(Tongue::Pi))?;
        Some(Place { env, model, agent: "pi".to_owned(), always: &[] })
    }

    pub(crate) fn acp_opencode(script: Script) -> Option<Place> {
        Some(Place::of(Peer::opencode(script(Tongue::OpenCode))?))
    }

    pub(crate) fn acp_codex(script: Script) -> Option<Place> {
        Some(Place::of(Peer::codex(script(Tongue::CodexInSandbox))?))
    }

    pub(crate) fn acp_claude(script: Script) -> Option<Place> {
        Some(Place::of(Peer::claude(script(Tongue::Claude))?))
    }

    pub(crate) fn acp_qwen(script: Script) -> Option<Place> {
        Some(Place::of(Peer::qwen(script(Tongue::Qwen))?))
    }

    fn of(peer: Peer) -> Place {
        Place { env: peer.env, model: peer.model, agent: peer.agent, always: peer.always }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Program {
        let run = self.env.command(&["run", "--agent", &self.agent, "--session", "s"]).args(self.always);
        run.args(arguments).patience(Duration::from_secs(120))
    }

    /// Runs a prompt, and judges what came of it.
    pub(crate) fn run(&self, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
        let events = judged(&self.env, &self.command(arguments).args(&["--", prompt]).run().expect(code));
        assert!(of_type(&events, "agent.unparsed").is_empty(), "{events:#?}");
        events
    }

    /// A run that is spoken to.
    fn converse(&self, arguments: &[&str], prompt: &str) -> Running {
        self.command(&["--input", "ndjson"]).args(arguments).args(&["--", prompt]).converse()
    }
}

/// The course without what an adapter says of itself: a mode that is asked for is set in the first turn, and a warning comes as an
/// answer.
pub(crate) fn course_of(events: &[Value]) -> String {
    let words = course(events).replace("S:mode.changed ", "");
    let warned = completed(events, "message")
        .iter()
        .any(|item| item["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("Warning: ")));
    if warned { words.replacen("T+ M", "T+", 1) } else { words }
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["type"] == kind
}

pub(crate) type Start = fn(Script) -> Option<Place>;

// What is allowed for the session is remembered by us, whatever the agent makes of it: the same command runs again unasked, another
// one does not.
through!(allowed_for_the_session: claude, codex, opencode, pi, acp_opencode, acp_codex, acp_claude, acp_qwen);
fn allowed_for_the_session(start: Start) {
    let script = |tongue: Tongue| {
        vec![tongue.command("touch one.txt"), tongue.command("touch one.txt"), tongue.command("touch two.txt"), done()]
    };
    let Some(place) = start(&script) else { return };
    let mut running = place.converse(&[], "Make files");
    let asked = running.wait_for("a request", is("permission.requested"));
    let first = asked["data"]["permission_id"].clone();
    running.say(&json!({"type": "answer", "request_id": first, "decision": "accept_for_session"}));
    let other = running.wait_for("another request that is not resolved", |event| {
        event["type"] == "permission.requested"
            && event["data"]["command"].as_str().is_some_and(|it| it.contains("two"))
    });
    assert!(place.env.work().join("one.txt").exists());
    running.say(&json!({"type": "answer", "request_id": other["data"]["permission_id"], "decision": "accept"}));
    running.end_input();
    let events = judged(&place.env, &running.wait().expect(0));
    assert_eq!(course_of(&events), "U T+ C P? P!(accept_for_session) O C P? P!(accept) O C P? P!(accept) O M T-(ok,0)");
    let by: Vec<_> = of_type(&events, "permission.resolved").iter().map(|one| one["resolved_by"].clone()).collect();
    assert_eq!(by, ["user", "policy", "user"]);
    assert!(place.env.work().join("two.txt").exists());
}

// (OpenCode's questions hang over the protocol, Codex's adapter has no mode that asks; Qwen Code's are permissions.)
through!(a_question_answered: claude, codex, opencode, pi, acp_claude);
fn a_question_answered(start: Start) {
    let Some(place) = start(&|tongue| vec![tongue.question(), Reply::new().text("Blue it is.")]) else { return };
    // Codex asks in this mode only.
    let mode: &[&str] = if place.agent == "codex" { &["--mode", "plan"] } else { &[] };
    let mut running = place.converse(mode, "Paint it");
    let asked = running.wait_for("a question", is("question.requested"));
    assert_eq!(
        (&asked["data"]["prompt"], &asked["data"]["options"]),
        (&json!("Which colour?"), &json!(["Red", "Blue"]))
    );
    let id = &asked["data"]["question_id"];
    running.say(&json!({"type": "answer", "request_id": id, "options": ["Blue"]}));
    running.wait_for("the end", is("turn.ended"));
    running.end_input();
    let events = judged(&place.env, &running.wait().expect(0));
    assert_eq!(course(&events), "U T+ C Q? Q!(answered) O M T-(ok,0)");
    assert_eq!(of_type(&events, "question.resolved")[0]["response"], "Blue");
    assert!(place.model.requests()[1].tool_output("call_1_1").unwrap().contains("Blue"));
}

through!(interrupted_while_it_asks: claude, codex, opencode, pi, acp_opencode, acp_codex, acp_claude, acp_qwen);
fn interrupted_while_it_asks(start: Start) {
    // An adapter may tell its model of the interrupt.
    let Some(place) = start(&|tongue| vec![tongue.command("touch never.txt"), done().spare()]) else { return };
    let mut running = place.command(&["--on-ask", "wait"]).args(&["--", "Make a file"]).spawn();
    running.wait_for("a request", is("permission.requested"));
    let events = interrupted(&place.env, running);
    // Some agents tell of the call's end first, and of what the model has to say of the interrupt.
    let courses = ["U T+ C P? P!(cancelled) O T-(cancelled,130)", "U T+ C P? O P!(cancelled) T-(cancelled,130)"];
    let course = course_of(&events);
    assert!(courses.contains(&course.replacen(" M", "", 1).as_str()), "{course}");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "cancelled");
    assert!(!place.env.work().join("never.txt").exists());
}

// What a session is given by `--mcp` and `--skill` is there, also when it goes on without the flags, and nowhere else.
through!(a_server_and_a_skill_of_the_session: claude, codex, opencode);
fn a_server_and_a_skill_of_the_session(start: Start) {
    let script = |tongue: Tongue| vec![tongue.shout("hello"), done(), tongue.shout("hello"), done()];
    let Some(place) = start(&script) else { return };
    let flags = [equipment::server(&place.env), equipment::skill(&place.env)].concat();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--allow", "mcp:test/shout"]).collect();
    for flags in [&flags[..], &["--allow", "mcp:test/shout"]] {
        let events = place.run(flags, "Shout", 0);
        assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
        let call = part(completed(&events, "tool_call")[0], "tool_call");
        assert_eq!((&call["kind"], &call["server"], &call["name"]), (&json!("mcp"), &json!("test"), &json!("shout")));
        assert_eq!(part(completed(&events, "tool_result")[0], "tool_result")["output"], "HELLO");
    }
    for request in place.model.requests() {
        assert!(request.says(SKILL), "the skill is told of: {:#}", request.body);
    }
    equipment::nothing_is_left(&place.env);
}

// A server has as long for a call as the session says: longer than OpenCode gives it, shorter than the others do.
through!(a_server_that_is_silent: claude, codex, opencode);
fn a_server_that_is_silent(start: Start) {
    const TIMEOUT: u64 = 7000;
    let Some(place) = start(&|tongue| vec![tongue.shout("hello"), done()]) else { return };
    let flags = equipment::silent_server(&place.env, TIMEOUT);
    let begun = Instant::now();
    let events = place.run(&[&flags[0], &flags[1], "--allow", "mcp:test/shout"], "Shout", 0);
    assert!(begun.elapsed() > Duration::from_millis(TIMEOUT), "{:?}", begun.elapsed());
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "failed");
}

// A prompt that is put into a running turn is part of it.
through!(steered: claude, codex, opencode, pi);
fn steered(start: Start) {
    let gate = Gate::new();
    let script = |tongue: Tongue| {
        let wait = "while ! test -e go; do sleep 0.05; done";
        vec![tongue.command(wait), Reply::new().text("With both.")]
    };
    let Some(place) = start(&script) else { return };
    let mut running = place.converse(&["--permission-mode", "bypass"], "First");
    running.wait_for("the command", |event| {
        event["type"] == "item.completed" && event["data"]["item"]["kind"] == "tool_call"
    });
    running.say(&json!({"type": "prompt", "text": "And this too", "steer": true}));
    running.wait_for("the second prompt", |event| event["data"]["item"]["delivery"] == "steered");
    place.env.write("go", "");
    gate.open();
    running.wait_for("the end", is("turn.ended"));
    running.end_input();
    let events = judged(&place.env, &running.wait().expect(0));
    let turns = of_type(&events, "turn.ended");
    assert_eq!((turns.len(), turns[0]["prompt_ids"].as_array().unwrap().len()), (1, 2), "{}", course(&events));
    assert_eq!(end(&events)["final_text"], "With both.");
    assert!(place.model.requests().last().unwrap().says("And this too"));
}

// A second prompt while a turn runs waits for its end, whatever the agent would make of it.
// An adapter that asks for a title beside it is left out.
through!(a_second_prompt_waits: claude, codex, opencode, pi, acp_opencode, acp_claude, acp_qwen);
fn a_second_prompt_waits(start: Start) {
    let gate = Gate::new();
    let script =
        |_: Tongue| vec![Reply::new().hold(&gate).text("One."), Reply::new().text("Two.").when("Second prompt")];
    let Some(place) = start(&script) else { return };
    let mut running = place.converse(&[], "First prompt");
    gate.wait_until_reached();
    running.say(&json!({"type": "prompt", "text": "Second prompt", "id": "second"}));
    running.end_input();
    assert!(!place.model.requests().iter().any(|request| request.says("Second prompt")));
    gate.open();
    let events = judged(&place.env, &running.wait().expect(0));
    assert_eq!(course_of(&events), "U T+ M T-(ok,0) U T+ M T-(ok,0)");
    assert_eq!(of_type(&events, "turn.started")[1]["prompt_ids"], json!(["second"]));
    assert_eq!(end(&events)["final_text"], "Two.");
}

// The model of a live session is changed for its next turn, and stays for a new process.
through!(another_model_from_now_on: claude, codex, opencode, pi, acp_opencode, acp_claude);
fn another_model_from_now_on(start: Start) {
    let script = |_: Tongue| ["One.", "Two.", "Three."].map(|text| Reply::new().text(text)).to_vec();
    let Some(place) = start(&script) else { return };
    let other = match place.agent.as_str() {
        "claude" => "claude-haiku-4-5",
        "codex" => "gpt-5.4",
        "acp:claude-agent-acp" => "haiku",
        _ => "scripted/two",
    };
    let mut running = place.converse(&[], "First");
    running.wait_for("the end", is("turn.ended"));
    running.say(&json!({"type": "set", "model": other}));
    running.say(&json!({"type": "prompt", "text": "Second"}));
    running.end_input();
    judged(&place.env, &running.wait().expect(0));
    place.run(&[], "Third", 0);
    let models: Vec<_> = place.model.requests().iter().map(|request| request.body["model"].clone()).collect();
    let name = other.rsplit('/').next().unwrap();
    let has = |model: &Value| model.as_str().unwrap().contains(name);
    assert!(!has(&models[0]) && has(&models[1]) && has(&models[2]), "{models:?}");
}

through!(resumed_after_kill_9: codex, opencode, acp_opencode, acp_codex, acp_claude, acp_qwen);
fn resumed_after_kill_9(start: Start) {
    let gate = Gate::new();
    let script = |_: Tongue| {
        vec![
            Reply::new().text("First answer."),
            Reply::new().open_text("Half of it").hold(&gate),
            Reply::new().text("Back."),
        ]
    };
    let Some(place) = start(&script) else { return };
    place.run(&[], "First question", 0);
    let mut running = place.command(&[]).args(&["--", "Second question"]).spawn();
    running.wait_for("half of the text", |event| {
        event["type"] == "item.delta" && event["data"]["delta"].as_str().is_some_and(|text| text.contains("Half"))
    });
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(Signal::SIGKILL));
    let events = place.run(&[], "Third question", 0);
    assert!(course_of(&events).ends_with("U T+ M T-(ok,0)"), "{}", course(&events));
    assert_eq!(end(&events)["final_text"], "Back.");
    let requests = place.model.requests();
    assert!(requests.last().unwrap().says("First answer.") && requests.last().unwrap().says("Third question"));
    let turns = judged_whole(&place.env, "s");
    let outcomes: Vec<_> = of_type(&turns, "turn.ended").iter().map(|end| end["outcome"].clone()).collect();
    assert_eq!(outcomes, ["ok", "failed", "ok"]);
}

/// The shape of a run: everything but ids, times, texts, the agents' own names, and what only some agents have a word for. That is:
/// what informs (`session.info`, context, rate limits, titles, a mode that an adapter is put into), whether a text or an output comes in
/// pieces, whether an output keeps the line end that it has for the agent, the warning that an adapter says of itself, `native_item_id`, `group_id`, titles, `metadata`, durations, money, and how many
/// tokens were used. That they were counted is part of it.
fn shape(events: &[Value]) -> Vec<Value> {
    let mut ids: Vec<Value> = Vec::new();
    let mut number = |id: &Value| {
        if id.is_null() {
            return Value::Null;
        }
        let at = ids.iter().position(|known| known == id).unwrap_or_else(|| {
            ids.push(id.clone());
            ids.len() - 1
        });
        json!(at)
    };
    let informs = |item: &Value| {
        item["kind"] == "status"
            || item["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("Warning: "))
    };
    let left_out: Vec<Value> = events
        .iter()
        .filter(|event| event["type"] == "item.completed" && informs(&event["data"]["item"]))
        .map(|event| event["data"]["item"]["item_id"].clone())
        .collect();
    let part = |part: &Value| match part["type"].as_str().unwrap() {
        "tool_call" => {
            json!({"type": "tool_call", "kind": part["kind"], "arguments": part["arguments"].is_string()})
        }
        "tool_result" => {
            json!({"type": "tool_result", "output": part["output"].as_str().map(str::trim_end), "exit_code": part["exit_code"]})
        }
        other => json!({"type": other}),
    };
    let mut shapes = Vec::new();
    for event in events {
        let data = &event["data"];
        let item = &data["item"];
        if left_out.contains(&item["item_id"]) || left_out.contains(&data["item_id"]) {
            continue;
        }
        let shape = match event["type"].as_str().unwrap() {
            "session.started" => json!([data["permission_mode"], data["resumed"]]),
            "turn.started" => json!([number(&data["turn_id"]), data["cause"], number(&data["prompt_ids"][0])]),
            "item.started" => {
                json!([number(&item["item_id"]), item["kind"], item["role"], item["status"], number(&item["turn_id"])])
            }
            "item.completed" => {
                let parts: Vec<Value> = item["content"].as_array().unwrap().iter().map(part).collect();
                let parent = number(&item["parent_id"]);
                json!([number(&item["item_id"]), item["kind"], item["role"], item["status"], parent, parts])
            }
            "item.delta" => continue,
            "permission.requested" => json!([
                number(&data["permission_id"]),
                number(&data["turn_id"]),
                number(&data["tool_call_item_id"]),
                data["action"],
                data["command"],
            ]),
            "permission.resolved" => json!([number(&data["permission_id"]), data["status"], data["resolved_by"]]),
            "turn.ended" => json!([
                number(&data["turn_id"]),
                data["outcome"],
                data["exit_code"],
                data["final_text"],
                data["usage"]["total_tokens"].as_u64().is_some_and(|total| total > 0),
                data["denied"],
                data["pending"],
            ]),
            other => json!(other),
        };
        shapes.push(json!([event["type"], event["source"], shape]));
    }
    shapes
}

/// One event list whatever agent made it.
#[test]
fn the_same_prompt_and_tool_call_have_the_same_shape() {
    let script = |tongue: Tongue| vec![tongue.command("echo made; touch made.txt"), done()];
    let agents: [(&str, Start); 7] = [
        ("claude", Place::claude),
        ("codex", Place::codex),
        ("opencode", Place::opencode),
        ("pi", Place::pi),
        ("acp_opencode", Place::acp_opencode),
        ("acp_codex", Place::acp_codex),
        ("acp_claude", Place::acp_claude),
    ];
    let mut first: Option<(&str, String)> = None;
    let mut wrong = Vec::new();
    for (name, start) in agents {
        let Some(place) = start(&script) else { return };
        let events = place.run(&["--on-ask", "allow"], "Make a file", 0);
        assert_eq!(
            completed(&events, "message").first().map(|item| part(item, "text")["text"].clone()).unwrap(),
            "Make a file"
        );
        let lines: Vec<String> = shape(&events).iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        match &first {
            None => first = Some((name, lines)),
            Some((_, expected)) if lines == *expected => {}
            Some((other, expected)) => wrong.push(format!("{name}:\n{lines}\nbeside {other}:\n{expected}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
