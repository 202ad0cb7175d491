//! The real Codex without us in between: proof that it works with the scripted model, and what it says when it does.

use super::codex::{Codex, MCP_NAMESPACE, PIXEL, mcp_server};
use crate::env::{PATIENCE, wait_until};
use crate::model::{Gate, Reply};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

/// A conversation with `codex app-server`: JSON-RPC, a line each. Dropped, it ends the agent by closing its input.
pub(crate) struct AppServer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    next: u64,
    /// Everything that the agent has said.
    pub(crate) heard: Vec<Value>,
}

impl AppServer {
    /// Starts the agent and a thread in it; returns the thread's id too.
    pub(crate) fn start(codex: &Codex, thread: Value) -> (AppServer, String) {
        let mut command = Command::new(&codex.program);
        command.arg("app-server").env_clear().envs(codex.env.variables()).current_dir(codex.env.work());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                // Nobody listens any more when the test is over.
                let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        let stdin = child.stdin.take();
        let mut server = AppServer { child, stdin, lines, next: 0, heard: Vec::new() };
        let client = json!({"name": "test", "title": null, "version": "0.0.0"});
        server.request("initialize", json!({"clientInfo": client, "capabilities": {"experimentalApi": true}}));
        server.say(json!({"method": "initialized"}));
        let thread = server.request("thread/start", thread)["thread"]["id"].as_str().unwrap().to_owned();
        (server, thread)
    }

    fn say(&mut self, message: Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Asks and waits for the answer.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.say(json!({"id": id, "method": method, "params": params}));
        let answer = self.hear(method, |message| message["id"] == id && message.get("method").is_none());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Answers a question of the agent.
    pub(crate) fn answer(&mut self, question: &Value, result: Value) {
        self.say(json!({"id": question["id"], "result": result}));
    }

    /// Waits for a message like this, from now on.
    pub(crate) fn hear(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(message) = self.lines.recv_timeout(PATIENCE) else {
                panic!("the agent never said {what}: {:#?}", self.heard)
            };
            self.heard.push(message.clone());
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Waits for a notification or question of this name.
    pub(crate) fn hear_method(&mut self, method: &str) -> Value {
        self.hear(method, |message| message["method"] == method)
    }

    /// Starts a turn without waiting for its end.
    pub(crate) fn prompt(&mut self, thread: &str, text: &str) -> String {
        let input = json!([{"type": "text", "text": text, "text_elements": []}]);
        let answer = self.request("turn/start", json!({"threadId": thread, "input": input}));
        answer["turn"]["id"].as_str().unwrap().to_owned()
    }

    /// The items of this type that were completed.
    fn items(&self, kind: &str) -> Vec<&Value> {
        let completed = self.heard.iter().filter(|message| message["method"] == "item/completed");
        completed.map(|message| &message["params"]["item"]).filter(|item| item["type"] == kind).collect()
    }

    /// The pieces of a stream, joined.
    fn deltas(&self, method: &str) -> String {
        let deltas = self.heard.iter().filter(|message| message["method"] == method);
        deltas.map(|message| message["params"]["delta"].as_str().unwrap()).collect()
    }
}

impl Drop for AppServer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Waits, so that nothing of it is alive when the environment looks.
        let _ = self.child.wait();
    }
}

/// Settings under which Codex asks for nothing.
fn quiet() -> Value {
    json!({"approvalPolicy": "on-request", "sandbox": "danger-full-access"})
}

/// Settings under which Codex asks for everything.
fn asking() -> Value {
    json!({"approvalPolicy": "untrusted", "sandbox": "danger-full-access"})
}

#[test]
fn text_and_reasoning_arrive() {
    let reply = Reply::new().reasoning("The user greets.").thoughts("Be kind.").text("Hello, héllo, 你好.");
    let Some(codex) = Codex::start([reply]) else { return };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Say hello");
    let end = server.hear_method("turn/completed");
    assert_eq!(end["params"]["turn"]["status"], "completed");
    assert_eq!(server.items("agentMessage")[0]["text"], "Hello, héllo, 你好.");
    assert_eq!(server.deltas("item/agentMessage/delta"), "Hello, héllo, 你好.");
    assert_eq!(server.items("reasoning")[0]["summary"], json!(["The user greets."]));
    assert_eq!(server.deltas("item/reasoning/summaryTextDelta"), "The user greets.");
    assert_eq!(server.items("reasoning")[1]["content"], json!(["Be kind."]));
    assert_eq!(server.deltas("item/reasoning/textDelta"), "Be kind.");
    let warnings =
        server.heard.iter().filter(|message| message["method"].as_str().is_some_and(|name| name.contains("arning")));
    assert_eq!(warnings.collect::<Vec<_>>(), [&Value::Null; 0], "the configuration for tests is not quiet");
    let usage = server.heard.iter().rfind(|message| message["method"] == "thread/tokenUsage/updated").unwrap();
    assert_eq!(usage["params"]["tokenUsage"]["total"]["totalTokens"], 110);
    let requests = codex.model.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (1, "/v1/responses"));
    assert!(requests[0].says("Say hello"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer sk-scripted-key"));
    assert!(requests[0].tools().contains(&"exec_command".to_owned()), "{:?}", requests[0].tools());
}

#[test]
fn a_command_runs_when_allowed_and_not_when_declined() {
    let Some(codex) = Codex::start([
        Reply::new().text("Running it.").call("exec_command", json!({"cmd": "touch made.txt && echo made"})),
        Reply::new().call("exec_command", json!({"cmd": "touch never.txt"})),
        Reply::new().text("Done."),
    ]) else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, asking());
    server.prompt(&thread, "Make a file");
    let question = server.hear_method("item/commandExecution/requestApproval");
    assert!(!codex.env.work().join("made.txt").exists());
    server.answer(&question, json!({"decision": "accept"}));
    let question = server.hear_method("item/commandExecution/requestApproval");
    server.answer(&question, json!({"decision": "decline"}));
    server.hear_method("turn/completed");
    assert!(codex.env.work().join("made.txt").exists());
    assert!(!codex.env.work().join("never.txt").exists());
    let commands = server.items("commandExecution");
    assert_eq!((commands[0]["status"].as_str(), commands[0]["exitCode"].as_i64()), (Some("completed"), Some(0)));
    assert_eq!(commands[0]["aggregatedOutput"], "made\n");
    assert_eq!(commands[1]["status"], "declined");
    let requests = codex.model.requests();
    assert!(requests[1].tool_output("call_1_2").unwrap().contains("made"));
    assert!(requests[2].tool_output("call_2_1").unwrap().contains("rejected by user"));
}

#[test]
fn a_patch_is_applied() {
    let patch = "*** Begin Patch\n*** Add File: hello.txt\n+one\n+two\n*** Update File: old.txt\n@@\n-before\n+after\n*** End Patch";
    let Some(codex) = Codex::start([Reply::new().plain_call("apply_patch", patch), Reply::new().text("Done.")]) else {
        return;
    };
    codex.env.write("old.txt", "before\n");
    let (mut server, thread) = AppServer::start(&codex, asking());
    server.prompt(&thread, "Patch it");
    let question = server.hear_method("item/fileChange/requestApproval");
    server.answer(&question, json!({"decision": "accept"}));
    server.hear_method("turn/completed");
    assert_eq!(
        (codex.env.read("hello.txt"), codex.env.read("old.txt")),
        ("one\ntwo\n".to_owned(), "after\n".to_owned())
    );
    let change = server.items("fileChange")[0];
    assert_eq!(change["status"], "completed");
    assert_eq!(change["changes"].as_array().unwrap().len(), 2);
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("hello.txt"));
}

#[test]
fn an_mcp_tool_is_called() {
    let Some(codex) = Codex::configured(
        [
            Reply::new().call_in(MCP_NAMESPACE, "shout", json!({"text": "hello"})),
            Reply::new().call_in(MCP_NAMESPACE, "fail", json!({})),
            Reply::new().text("Done."),
        ],
        &mcp_server(),
    ) else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Shout");
    for _ in 0..2 {
        let question = server.hear_method("mcpServer/elicitation/request");
        assert_eq!(question["params"]["_meta"]["codex_approval_kind"], "mcp_tool_call");
        server.answer(&question, json!({"action": "accept", "content": {}, "_meta": null}));
    }
    server.hear_method("turn/completed");
    let calls = server.items("mcpToolCall");
    assert_eq!(calls[0]["result"]["content"][0]["text"], "HELLO");
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("HELLO"));
    assert_eq!(calls[1]["status"], "failed");
}

#[test]
fn two_calls_run_at_once() {
    let Some(codex) = Codex::start([
        Reply::new()
            .call("exec_command", json!({"cmd": "while ! test -e other; do sleep 0.01; done; echo first"}))
            .call("exec_command", json!({"cmd": "touch other; echo second"})),
        Reply::new().text("Done."),
    ]) else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Do both");
    server.hear_method("turn/completed");
    let request = &codex.model.requests()[1];
    assert!(request.tool_output("call_1_1").unwrap().contains("first"));
    assert!(request.tool_output("call_1_2").unwrap().contains("second"));
}

#[test]
fn a_picture_reaches_the_model() {
    let Some(codex) = Codex::start([Reply::new().text("A dot.")]) else { return };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    let url = format!("data:image/png;base64,{PIXEL}");
    let input = json!([{"type": "text", "text": "What is it?", "text_elements": []}, {"type": "image", "url": url}]);
    server.request("turn/start", json!({"threadId": thread, "input": input}));
    server.hear_method("turn/completed");
    assert!(codex.model.requests()[0].says(&url));
}

#[test]
fn a_question_is_answered_in_plan_mode() {
    let options = json!([{"label": "Red", "description": "Warm."}, {"label": "Blue", "description": "Cold."}]);
    let questions = json!([{"id": "colour", "header": "Colour", "question": "Which colour?", "options": options}]);
    let Some(codex) = Codex::start([
        Reply::new().call("request_user_input", json!({"questions": questions})),
        Reply::new().text("Blue it is."),
    ]) else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    let settings = json!({"model": "gpt-5.5", "reasoning_effort": null, "developer_instructions": null});
    let input = json!([{"type": "text", "text": "Ask me", "text_elements": []}]);
    let mode = json!({"mode": "plan", "settings": settings});
    server.request("turn/start", json!({"threadId": thread, "input": input, "collaborationMode": mode}));
    let question = server.hear_method("item/tool/requestUserInput");
    assert_eq!(question["params"]["questions"][0]["question"], "Which colour?");
    server.answer(&question, json!({"answers": {"colour": {"answers": ["Blue"]}}}));
    server.hear_method("turn/completed");
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("Blue"));
}

#[test]
fn a_sub_agent_is_told_apart_by_its_prompt() {
    let Some(codex) = Codex::start([
        Reply::new().text("Delegating.").call_in(
            "multi_agent_v1",
            "spawn_agent",
            json!({"message": "CHILD: look around"}),
        ),
        Reply::new().when("CHILD: look around").when_not("Delegating.").text("Child finished."),
        // Asked once, or once more where the child's report comes after it.
        Reply::new().text("Main finished.").repeated(),
    ]) else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Delegate this");
    let ended = |own: bool| {
        let thread = thread.clone();
        move |message: &Value| {
            message["method"] == "turn/completed" && (message["params"]["threadId"] == thread.as_str()) == own
        }
    };
    let child = server.hear("the end of any turn", |message| message["method"] == "turn/completed");
    let other = child["params"]["threadId"] != thread.as_str();
    server.hear("the end of the other turn", ended(other));
    let texts: Vec<_> =
        server.items("agentMessage").iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect();
    assert!(texts.contains(&"Child finished.".to_owned()) && texts.contains(&"Main finished.".to_owned()), "{texts:?}");
}

#[test]
fn an_interrupted_turn_ends_at_once_and_its_command_after_clean() {
    let Some(codex) = Codex::start([Reply::new().call("exec_command", json!({"cmd": "echo begun; sleep 1000"}))])
    else {
        return;
    };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    let turn = server.prompt(&thread, "Sleep");
    server.hear("the running command", |message| message["params"]["item"]["type"] == "commandExecution");
    wait_until("the command", || sleeping(&codex).then_some(()));
    server.request("turn/interrupt", json!({"threadId": thread, "turnId": turn}));
    assert_eq!(server.hear_method("turn/completed")["params"]["turn"]["status"], "interrupted");
    assert!(sleeping(&codex), "the interrupt does not end the command");
    server.request("thread/backgroundTerminals/clean", json!({"threadId": thread}));
    wait_until("the command to end", || (!sleeping(&codex)).then_some(()));
}

fn sleeping(codex: &Codex) -> bool {
    codex.env.alive().iter().any(|process| process.command == "sleep 1000")
}

#[test]
fn a_held_reply_stays_open_until_the_gate_opens() {
    let gate = Gate::new();
    let Some(codex) = Codex::start([Reply::new().open_text("Counting 1").hold(&gate).text("Counted.")]) else { return };
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Count");
    gate.wait_until_reached();
    server.hear_method("item/agentMessage/delta");
    gate.open();
    server.hear_method("turn/completed");
    assert!(server.items("agentMessage").iter().any(|item| item["text"] == "Counted."));
}

/// Which error ends a turn when the model answers like this.
fn final_error(script: impl IntoIterator<Item = Reply>) -> Option<Value> {
    let codex = Codex::start(script)?;
    let (mut server, thread) = AppServer::start(&codex, quiet());
    server.prompt(&thread, "Go");
    let turn = server.hear_method("turn/completed")["params"]["turn"].clone();
    assert_eq!(turn["status"], "failed", "{turn}");
    Some(turn["error"]["codexErrorInfo"].clone())
}

#[test]
fn refusals_by_status_reach_the_agent() {
    let refusal = |status| Reply::status(status, json!({"error": {"message": "No.", "code": "no"}})).repeated();
    for (reply, expected) in [
        (refusal(401), json!({"httpConnectionFailed": {"httpStatusCode": 401}})),
        (refusal(429).header("retry-after", "0"), json!({"responseTooManyFailedAttempts": {"httpStatusCode": 429}})),
        (refusal(500), json!("internalServerError")),
        (refusal(400), json!("other")),
    ] {
        let Some(error) = final_error([reply]) else { return };
        assert_eq!(error, expected);
    }
}

#[test]
fn streams_that_end_badly_reach_the_agent() {
    for (reply, expected) in [
        // Only the prose says that the stream broke.
        (Reply::new().open_text("Half").cut().repeated(), json!("other")),
        (Reply::new().text("Cut off").incomplete("max_output_tokens"), json!("other")),
        (Reply::new().failed("context_length_exceeded", "Too long."), json!("contextWindowExceeded")),
    ] {
        let Some(error) = final_error([reply]) else { return };
        assert_eq!(error, expected);
    }
}
