//! The real Claude Code through `sandbox-agent run`, against the scripted model.

use super::codex::{PIXEL, from_base64};
use super::equipment;
use crate::env::{Program, TestEnv, wait_until};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type, part};
use crate::model::{Gate, Model, Reply, Usage, done};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A place where Claude Code is on the PATH and asks a model of its own.
pub(super) struct Claude {
    pub(super) env: TestEnv,
    pub(super) model: Model,
}

impl Claude {
    /// Nothing when real agents are left out.
    pub(super) fn start(script: impl IntoIterator<Item = Reply>) -> Option<Claude> {
        Claude::scripted(|_| script.into_iter().collect())
    }

    /// The same with a script that knows the folder in which it works.
    fn scripted(script: impl FnOnce(&Path) -> Vec<Reply>) -> Option<Claude> {
        let program = super::agent("claude")?;
        let mut env = TestEnv::new();
        let model = Model::start(script(&env.work()));
        env.set("CLAUDE_CONFIG_DIR", env.root().join("claude"));
        env.set("ANTHROPIC_BASE_URL", model.url());
        env.set("ANTHROPIC_API_KEY", "sk-scripted-key");
        // It asks nobody but the model, and few times: its waits grow.
        env.set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
        env.set("CLAUDE_CODE_MAX_RETRIES", "1");
        env.add_to_path(program.parent().unwrap());
        Some(Claude { env, model })
    }

    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        self.env.command(&["run", "--agent", "claude", "--session", "s"]).args(arguments).args(&["--", prompt])
    }

    /// Runs a prompt in the session `s`, and judges what came of it.
    fn run(&self, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
        judged(&self.env, &self.command(arguments, prompt).run().expect(code))
    }

    fn path(&self, name: &str) -> String {
        self.env.work().join(name).to_str().unwrap().to_owned()
    }
}

fn call(command: &str) -> Reply {
    Reply::new().call("Bash", json!({"command": command, "description": "Scripted"}))
}

/// Status of a result, its output and its exit code.
fn said(result: &Value) -> (&Value, &Value, &Value) {
    let part = part(result, "tool_result");
    (&result["status"], &part["output"], &part["exit_code"])
}

#[test]
fn text() {
    let Some(claude) = Claude::start([Reply::new().text("Hello, héllo, 你好.")]) else { return };
    let events = claude.run(&[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    let started = of_type(&events, "session.started")[0];
    assert_eq!((&started["agent"], &started["resumed"]), (&json!("claude"), &json!(false)));
    assert!(of_type(&events, "item.delta").len() > 1, "the text should arrive in pieces");
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello, héllo, 你好.");
    assert_eq!((&end["usage"]["input_tokens"], &end["usage"]["output_tokens"]), (&json!(100), &json!(10)));
    assert!(end["models"][0]["usage"]["total_tokens"] == 110, "{end}");
    assert!(events.last().unwrap()["native_session_id"].is_string());
    assert_eq!(claude.model.requests().len(), 1);
    assert!(claude.model.requests()[0].says("Say hello"));
}

#[test]
fn a_prompt_with_a_dash_and_line_ends() {
    let Some(claude) = Claude::start([done()]) else { return };
    claude.run(&[], "--help\nand \"more\"", 0);
    assert!(claude.model.requests()[0].says("--help\nand \"more\""));
}

#[test]
fn reasoning() {
    let usage = Usage { input: 200, cached: 150, output: 30, reasoning: 0 };
    let reply = Reply::new().reasoning("The user greets.").text("Hello.").usage(usage);
    let Some(claude) = Claude::start([reply]) else { return };
    let events = claude.run(&[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ R M T-(ok,0)");
    let reasoning = part(completed(&events, "message")[1], "reasoning");
    assert_eq!(*reasoning, json!({"type": "reasoning", "text": "The user greets.", "visibility": "public"}));
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello.");
    assert_eq!((&end["usage"]["input_tokens"], &end["usage"]["cached_input_tokens"]), (&json!(200), &json!(150)));
}

#[test]
fn a_command_with_bypass() {
    let Some(claude) = Claude::start([call("touch made.txt && echo made"), done()]) else { return };
    let events = claude.run(&["--permission-mode", "bypass"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!((&call["kind"], &call["name"]), (&json!("command"), &json!("Bash")));
    assert_eq!(said(completed(&events, "tool_result")[0]), (&json!("completed"), &json!("made"), &json!(0)));
    assert!(claude.env.work().join("made.txt").exists());
    assert_eq!(claude.model.requests()[1].tool_output("call_1_1").unwrap(), "made");
    assert_eq!(end(&events)["usage"]["total_tokens"], 220, "two requests, one turn");
}

#[test]
fn a_command_allowed_by_a_rule() {
    let Some(claude) = Claude::start([call("touch made.txt"), done()]) else { return };
    let events = claude.run(&["--allow", "command:touch *"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["command"]), (&json!("command"), &json!("touch made.txt")));
    let resolved = of_type(&events, "permission.resolved")[0];
    assert_eq!(resolved["resolved_by"], "policy");
    assert!(resolved["rule"].as_str().unwrap().contains("touch *"), "{resolved}");
    assert!(claude.env.work().join("made.txt").exists());
}

#[test]
fn a_command_denied() {
    let Some(claude) = Claude::start([call("touch never.txt"), Reply::new().text("Understood.")]) else { return };
    let events = claude.run(&["--on-ask", "deny"], "Make a file", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert_eq!(end(&events)["denied"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert_eq!(end(&events)["final_text"], "Understood.");
    assert!(!claude.env.work().join("never.txt").exists());
    let told = claude.model.requests()[1].tool_output("call_1_1").unwrap();
    assert!(told.contains("nobody is here to be asked"), "the reason reaches the model: {told}");
}

#[test]
fn a_deny_rule_holds_with_bypass() {
    let Some(claude) = Claude::start([call("rm -rf doomed"), call("touch made.txt"), done()]) else { return };
    claude.env.write("doomed", "");
    let events = claude.run(&["--permission-mode", "bypass", "--deny", "command:rm *"], "Remove it", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O C P? P!(accept) O M T-(denied,5)");
    assert!(claude.env.work().join("doomed").exists() && claude.env.work().join("made.txt").exists());
}

#[test]
fn a_command_that_fails() {
    let Some(claude) = Claude::start([call("echo trouble >&2; exit 3"), done()]) else { return };
    let events = claude.run(&["--permission-mode", "bypass"], "Try it", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    assert_eq!(said(completed(&events, "tool_result")[0]), (&json!("failed"), &json!("trouble"), &json!(3)));
}

fn write(path: &Path, text: &str) -> Reply {
    Reply::new().call("Write", json!({"file_path": path, "content": text}))
}

#[test]
fn files_written_and_edited() {
    let script = |work: &Path| {
        let edit = json!({"file_path": work.join("hello.txt"), "old_string": "two", "new_string": "three"});
        vec![write(&work.join("hello.txt"), "one\ntwo\n"), Reply::new().call("Edit", edit), done()]
    };
    let Some(claude) = Claude::scripted(script) else { return };
    let events = claude.run(&["--permission-mode", "accept-edits"], "Write it", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["paths"]), (&json!("edit"), &json!([claude.path("hello.txt")])));
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "edit");
    for (result, action, line) in [(0, "create", "+two\n"), (1, "update", "-two\n+three\n")] {
        let file = part(completed(&events, "tool_result")[result], "file_ref");
        assert_eq!((&file["path"], &file["action"]), (&json!(claude.path("hello.txt")), &json!(action)));
        let diff = file["diff"].as_str().unwrap();
        assert!(diff.starts_with("diff --git ") && diff.contains(line) && diff.contains("\n@@ "), "{diff}");
    }
    assert_eq!(claude.env.read("hello.txt"), "one\nthree\n");
}

#[test]
fn read_only_reads_and_does_not_write() {
    let script = |work: &Path| {
        let read = Reply::new().call("Read", json!({"file_path": work.join("old.txt")}));
        vec![read, write(&work.join("new.txt"), "x"), done()]
    };
    let Some(claude) = Claude::scripted(script) else { return };
    claude.env.write("old.txt", "before\n");
    let events = claude.run(&["--permission-mode", "read-only"], "Look", 5);
    assert_eq!(course(&events), "U T+ C O C P? P!(reject) O M T-(denied,5)");
    let results = completed(&events, "tool_result");
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("completed"), &json!("declined")));
    assert_eq!(part(results[0], "file_ref")["action"], "read");
    assert!(!claude.env.work().join("new.txt").exists());
}

#[test]
fn an_edit_outside_is_asked_about() {
    let script = |work: &Path| vec![write(&work.join("../outside.txt"), "x"), done()];
    let Some(claude) = Claude::scripted(script) else { return };
    let events = claude.run(&["--permission-mode", "accept-edits", "--on-ask", "deny"], "Write it", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert!(!claude.env.root().join("outside.txt").exists());
}

#[test]
fn several_tools_in_one_message() {
    let bash = |command: &str| json!({"command": command, "description": "Scripted"});
    let reply =
        Reply::new().text("All at once.").call("Bash", bash("echo first")).call("Bash", bash("echo second; exit 1"));
    let Some(claude) = Claude::start([reply, done()]) else { return };
    let events = claude.run(&["--permission-mode", "bypass"], "Do both", 0);
    let course = course(&events);
    assert!(["U T+ M C C O O M T-(ok,0)", "U T+ M C O C O M T-(ok,0)"].contains(&course.as_str()), "{course}");
    let group = &completed(&events, "tool_call")[0]["group_id"];
    assert!(group.is_string() && *group == completed(&events, "tool_call")[1]["group_id"], "one message of the model");
    let results = completed(&events, "tool_result");
    let mut outputs: Vec<_> =
        results.iter().map(|result| said(result)).map(|(_, output, code)| (output.as_str().unwrap(), code)).collect();
    outputs.sort_by_key(|(output, _)| *output);
    assert_eq!(outputs, [("first", &json!(0)), ("second", &json!(1))]);
}

#[test]
fn a_plan() {
    let script = [Reply::new().text("I plan.").call("ExitPlanMode", json!({"plan": "1. Look."})), done()];
    let Some(claude) = Claude::start(script) else { return };
    let events = claude.run(&["--mode", "plan", "--on-ask", "allow"], "Plan it", 0);
    assert_eq!(course(&events), "U T+ M C P? P!(accept) S:mode.changed O M T-(ok,0)");
    assert_eq!(of_type(&events, "permission.requested")[0]["action"], "plan");
    assert_eq!(of_type(&events, "session.started")[0]["mode"], "plan");
}

#[test]
fn a_question_nobody_answers() {
    let question = json!({"questions": [{
        "question": "Which colour?", "header": "Colour", "multiSelect": false,
        "options": [{"label": "Red", "description": "Warm"}, {"label": "Blue", "description": "Cold"}],
    }]});
    let Some(claude) = Claude::start([Reply::new().call("AskUserQuestion", question), done()]) else { return };
    // In every mode: modes never answer questions.
    let events = claude.run(&["--permission-mode", "bypass", "--on-ask", "deny"], "Ask me", 5);
    assert_eq!(course(&events), "U T+ C Q? Q!(rejected) O M T-(denied,5)");
    let asked = of_type(&events, "question.requested")[0];
    assert_eq!((&asked["prompt"], &asked["options"]), (&json!("Which colour?"), &json!(["Red", "Blue"])));
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
}

/// A sub-agent that speaks when the first gate opens, under an agent that ends when the second does.
fn sub_agent(child: &Gate, main: &Gate) -> [Reply; 4] {
    let task = json!({"description": "Look", "prompt": "CHILD: look around", "subagent_type": "general-purpose"});
    [
        Reply::new().text("Delegating.").call("Task", task),
        Reply::new().hold(child).text("Child finished.").when("CHILD: look around").when_not("Delegating."),
        Reply::new().hold(main).text("Main finished.").when_not("Child finished."),
        Reply::new().text("Report read.").when("Child finished."),
    ]
}

fn says(text: &str) -> impl Fn(&Value) -> bool {
    move |event| event["type"] == "item.completed" && event["data"]["item"]["content"][0]["text"] == text
}

#[test]
fn a_sub_agent_that_reports_late() {
    let (child, main) = (Gate::new(), Gate::new());
    let Some(claude) = Claude::start(sub_agent(&child, &main)) else { return };
    main.open();
    let mut running = claude.command(&["--permission-mode", "bypass"], "Delegate this").spawn();
    running.wait_for("the main agent's text", says("Main finished."));
    child.open();
    let events = judged(&claude.env, &running.wait().expect(0));
    assert_eq!(course(&events), "U T+ M C O M M^ S:task T-(ok,0) T+ M T-(ok,0)");
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "agent");
    let causes: Vec<_> = of_type(&events, "turn.started").iter().map(|turn| &turn["cause"]).collect();
    assert_eq!(causes, ["prompt", "background"]);
    assert_eq!(end(&events)["final_text"], "Report read.");
    let used: u64 =
        of_type(&events, "turn.ended").iter().map(|end| end["usage"]["total_tokens"].as_u64().unwrap()).sum();
    assert_eq!(used, 440, "sub-agents count, and nothing twice");
}

#[test]
fn a_picture() {
    let Some(claude) = Claude::start([Reply::new().text("A dot.")]) else { return };
    claude.env.write("dot.png", from_base64(PIXEL));
    let events = claude.run(&["--attach", "dot.png"], "What is it?", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    assert_eq!(part(completed(&events, "message")[0], "image")["mime"], "image/png");
    let content = &claude.model.requests()[0].body["messages"];
    assert!(content.to_string().contains("\"media_type\":\"image/png\""), "{content}");
}

#[test]
fn a_file() {
    let Some(claude) = Claude::start([done()]) else { return };
    claude.env.write("notes.txt", "remember");
    claude.run(&["--attach", "notes.txt"], "Read it", 0);
    assert!(claude.model.requests()[0].says(&claude.path("notes.txt")));
}

/// How a turn ends that the model refuses like this, after the retries there are.
fn refused(reply: Reply, code: i32, expected: &str, word: &str) {
    let Some(claude) = Claude::start([reply.repeated()]) else { return };
    let events = claude.run(&[], "Go", code);
    assert_eq!(course(&events), expected);
    let errors = of_type(&events, "error");
    assert_eq!(errors.last().unwrap()["code"], word);
    let retries = &errors[..errors.len() - 1];
    assert!(retries.iter().all(|error| error["recoverable"] == true && error["code"] == word), "{errors:?}");
    assert!(retries.iter().all(|error| error["retry_after_ms"].is_u64() && error["attempt"] == 1), "{errors:?}");
}

fn refusal(status: u16, kind: &str, message: &str) -> Reply {
    Reply::status(status, json!({"type": "error", "error": {"type": kind, "message": message}}))
}

#[test]
fn a_bad_request() {
    refused(refusal(400, "invalid_request_error", "messages: bad"), 1, "U T+ E T-(failed,1)", "bad_request");
}

#[test]
fn a_wrong_key() {
    refused(refusal(401, "authentication_error", "invalid x-api-key"), 4, "U T+ E E T-(auth,4)", "auth");
}

#[test]
fn an_unknown_model() {
    refused(refusal(404, "not_found_error", "model: nope"), 1, "U T+ E T-(failed,1)", "model_not_found");
}

#[test]
fn too_many_requests() {
    let reply = refusal(429, "rate_limit_error", "Slow down").header("retry-after", "1");
    refused(reply, 75, "U T+ E E T-(retry,75)", "rate_limit");
}

#[test]
fn a_broken_service() {
    refused(refusal(500, "api_error", "It broke"), 75, "U T+ E E T-(retry,75)", "server");
}

#[test]
fn an_overloaded_service() {
    refused(refusal(529, "overloaded_error", "Overloaded"), 75, "U T+ E E T-(retry,75)", "overloaded");
}

#[test]
fn a_full_context() {
    let reply = refusal(400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum");
    refused(reply, 7, "U T+ E T-(limit,7)", "context_full");
}

#[test]
fn a_retry_that_helps() {
    let Some(claude) = Claude::start([refusal(500, "api_error", "It broke"), done()]) else { return };
    assert_eq!(course(&claude.run(&[], "Go", 0)), "U T+ E M T-(ok,0)");
}

#[test]
fn no_service_at_all() {
    let Some(mut claude) = Claude::start([]) else { return };
    // Nobody listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    claude.env.set("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{port}"));
    let events = claude.run(&[], "Go", 75);
    assert_eq!(end(&events)["error"]["code"], "network", "{}", end(&events));
}

#[test]
fn no_key_at_all() {
    let Some(claude) = Claude::start([]) else { return };
    let output = claude.command(&[], "Go").without("ANTHROPIC_API_KEY").run().expect(4);
    assert_eq!(course(&judged(&claude.env, &output)), "U T+ E T-(auth,4)");
}

#[test]
fn a_stream_that_breaks_once() {
    let Some(claude) = Claude::start([Reply::new().open_text("Half").cut(), Reply::new().text("Whole.")]) else {
        return;
    };
    let events = claude.run(&[], "Go", 0);
    assert_eq!(end(&events)["final_text"], "Whole.", "{}", course(&events));
}

#[test]
fn a_stream_that_always_breaks() {
    let Some(claude) = Claude::start([Reply::new().open_text("Half").cut().repeated()]) else { return };
    let events = claude.run(&[], "Go", 75);
    assert_eq!(end(&events)["error"]["code"], "network", "{}", end(&events));
}

#[test]
fn an_answer_cut_by_its_limit() {
    let Some(claude) = Claude::start([Reply::new().text("Cut off").incomplete("max_tokens").repeated()]) else {
        return;
    };
    let events = claude.run(&[], "Go", 7);
    assert_eq!(end(&events)["error"]["code"], "max_tokens", "{}", course(&events));
}

#[test]
fn a_refusal() {
    let Some(claude) = Claude::start([Reply::new().text("I cannot").incomplete("refusal").repeated()]) else { return };
    let events = claude.run(&[], "Go", 7);
    assert_eq!(end(&events)["error"]["code"], "refusal", "{}", course(&events));
}

#[test]
fn no_more_than_so_many_turns() {
    let Some(claude) = Claude::start([call("echo one")]) else { return };
    let events = claude.run(&["--permission-mode", "bypass", "--max-turns", "1"], "Go", 7);
    assert_eq!(course(&events), "U T+ C O E T-(limit,7)");
    assert_eq!(end(&events)["error"]["code"], "max_turns");
}

#[test]
fn ctrl_c_within_a_text() {
    let gate = Gate::new();
    let Some(claude) = Claude::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let mut running = claude.command(&[], "Go").spawn();
    running.wait_for("a delta", |event| event["type"] == "item.delta");
    let events = interrupted(&claude.env, running);
    assert_eq!(course(&events), "U T+ M T-(cancelled,130)");
}

#[test]
fn ctrl_c_within_a_command() {
    let Some(claude) = Claude::start([call("echo begun; touch begun; for i in $(seq 1000); do sleep 1; done")]) else {
        return;
    };
    let mut running = claude.command(&["--permission-mode", "bypass"], "Go").spawn();
    wait_until("the command", || claude.env.work().join("begun").exists().then_some(()));
    running.wait_for("the call", |event| event["data"]["item"]["kind"] == "tool_call");
    let events = interrupted(&claude.env, running);
    assert_eq!(course(&events), "U T+ C O T-(cancelled,130)");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "cancelled");
}

#[test]
fn ctrl_c_within_a_retry() {
    let reply = refusal(429, "rate_limit_error", "Slow down").header("retry-after", "30");
    let Some(claude) = Claude::start([reply]) else { return };
    let mut running = claude.command(&[], "Go").spawn();
    running.wait_for("the retry", |event| event["type"] == "error");
    let events = interrupted(&claude.env, running);
    assert_eq!(course(&events), "U T+ E T-(cancelled,130)");
    let wait = of_type(&events, "error")[0]["retry_after_ms"].as_u64().unwrap();
    assert!(wait >= 30_000, "the service says 30 s: {wait}");
}

#[test]
fn a_timeout_within_a_text() {
    let gate = Gate::new();
    let Some(claude) = Claude::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let events = claude.run(&["--timeout", "10s"], "Count", 124);
    assert_eq!(course(&events), "U T+ M E T-(timeout,124)");
}

#[test]
fn a_session_goes_on_in_a_new_process() {
    let script =
        [Reply::new().text("First answer."), Reply::new().text("Second answer."), Reply::new().text("Copied.")];
    let Some(claude) = Claude::start(script) else { return };
    let first = claude.run(&[], "First question", 0);
    let second = claude.run(&[], "Second question", 0);
    assert_eq!(course(&second), "U T+ M T-(ok,0)");
    assert_eq!(second[0]["sequence"].as_u64().unwrap(), first.len() as u64 + 1);
    assert_eq!(second.last().unwrap()["native_session_id"], first.last().unwrap()["native_session_id"]);
    assert_eq!(of_type(&second, "session.started")[0]["resumed"], true);
    assert_eq!(end(&second)["usage"]["total_tokens"], 110, "usage is of one turn");
    let request = &claude.model.requests()[1];
    assert!(request.says("First question") && request.says("First answer.") && request.says("Second question"));
    assert_eq!(judged_whole(&claude.env, "s").len(), first.len() + second.len());
    let fork =
        claude.env.run(&["run", "--agent", "claude", "--session", "copy", "--fork", "s", "--", "Third question"]);
    let copy = judged(&claude.env, &fork.expect(0));
    assert_ne!(copy.last().unwrap()["native_session_id"], first.last().unwrap()["native_session_id"]);
    assert!(claude.model.requests()[2].says("Second answer."));
}

#[test]
fn a_session_goes_on_after_kill_9() {
    let gate = Gate::new();
    let script = [call("echo kept > kept.txt"), Reply::new().open_text("Half").hold(&gate), Reply::new().text("Back.")];
    let Some(claude) = Claude::start(script) else { return };
    let mut running = claude.command(&["--permission-mode", "bypass"], "First question").spawn();
    running.wait_for("half of the text", |event| event["data"]["delta"] == "Half");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(Signal::SIGKILL));
    let events = claude.run(&["--permission-mode", "bypass"], "Second question", 0);
    assert!(course(&events).ends_with("U T+ M T-(ok,0)"), "{}", course(&events));
    let request = &claude.model.requests()[2];
    assert!(request.says("First question") && request.says("kept.txt") && request.says("Second question"));
}

#[test]
fn a_conversation_that_is_gone() {
    let Some(claude) = Claude::start([done()]) else { return };
    claude.run(&[], "First question", 0);
    fs::remove_dir_all(claude.env.root().join("claude")).unwrap();
    let events = claude.run(&[], "Second question", 1);
    assert_eq!(course(&events), "U T+ E T-(failed,1)");
    assert!(end(&events)["error"]["message"].as_str().unwrap().contains("No conversation found"), "{events:#?}");
}

#[test]
fn compaction() {
    let script = [Reply::new().text("First answer."), Reply::new().text("<summary>Short.</summary>")];
    let Some(claude) = Claude::start(script) else { return };
    claude.run(&[], "First question", 0);
    let events = claude.run(&[], "/compact", 0);
    assert_eq!(of_type(&events, "turn.started")[0]["cause"], "command");
    assert_eq!(course(&events), "U T+ S:compaction Y T-(ok,0)");
}

#[test]
fn a_private_home_hides_the_users_own() {
    let script = [done(), Reply::new().text("First answer."), Reply::new().text("Second answer.")];
    let Some(claude) = Claude::start(script) else { return };
    fs::create_dir_all(claude.env.root().join("claude")).unwrap();
    fs::write(claude.env.root().join("claude/CLAUDE.md"), "The word of the user is plugh.").unwrap();
    claude.run(&[], "Go", 0);
    let isolated = |arguments: &[&str], prompt: &str| {
        let run = claude.env.command(&["run", "--agent", "claude", "--session", "alone"]);
        judged(&claude.env, &run.args(arguments).args(&["--", prompt]).run().expect(0))
    };
    isolated(&["--isolated"], "First question");
    isolated(&[], "Second question");
    let requests = claude.model.requests();
    assert!(requests[0].says("plugh"), "the user's own is there without the flag");
    assert!(!requests[1].says("plugh") && !requests[2].says("plugh"));
    assert!(requests[2].says("First answer."), "its conversation lies in its home");
    claude.env.run(&["run", "--session", "s", "--isolated", "--", "Go"]).expect(2);
    claude.env.run(&["sessions", "delete", "alone"]).expect(0);
    equipment::nothing_is_left(&claude.env);
}
