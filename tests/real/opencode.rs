//! The real OpenCode through `sandbox-agent run`, against the scripted model.

use crate::env::{Program, TestEnv, wait_until};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type, part};
use crate::model::{Gate, Model, Reply, Usage, done};
use crate::real::codex::{PIXEL, from_base64};
use crate::real::equipment;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

/// A place where OpenCode is on the PATH, configured for a model of its own.
pub(super) struct OpenCode {
    pub(super) env: TestEnv,
    pub(super) model: Model,
}

impl OpenCode {
    /// Nothing when real agents are left out.
    pub(super) fn start(script: impl IntoIterator<Item = Reply>) -> Option<OpenCode> {
        OpenCode::configured(script, json!({}))
    }

    /// The same with more of OpenCode's own configuration.
    fn configured(script: impl IntoIterator<Item = Reply>, more: Value) -> Option<OpenCode> {
        OpenCode::placed(|_| script, more)
    }

    /// The same with a script that knows where it is played.
    fn placed<S: IntoIterator<Item = Reply>>(script: impl FnOnce(&TestEnv) -> S, more: Value) -> Option<OpenCode> {
        let program = super::agent("opencode")?;
        let mut env = TestEnv::new();
        let model = Model::start(script(&env));
        let limits = json!({"context": 200_000, "output": 32_000});
        let cost = json!({"input": 1.0, "output": 10.0});
        let scripted = json!({"limit": limits, "cost": cost, "reasoning": true, "tool_call": true, "attachment": true,
            "modalities": {"input": ["text", "image"], "output": ["text"]}});
        let options = json!({"baseURL": format!("{}/v1", model.url()), "apiKey": "sk-scripted-key"});
        let mut configuration = json!({
            "model": "scripted/one",
            "small_model": "scripted/one",
            "provider": {"scripted": {
                "npm": "@ai-sdk/openai-compatible",
                "options": options,
                "models": {"one": scripted, "two": scripted},
            }},
        });
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        env.set("OPENCODE_CONFIG_CONTENT", configuration.to_string());
        // Without these it asks the network for lists, plugins and language servers.
        for name in ["MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "SHARE"] {
            env.set(format!("OPENCODE_DISABLE_{name}"), "1");
        }
        env.add_to_path(program.parent().unwrap());
        Some(OpenCode { env, model })
    }

    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        let run = self.env.command(&["run", "--agent", "opencode", "--session", "s"]);
        run.args(arguments).args(&["--", prompt]).patience(Duration::from_secs(120))
    }
}

/// Runs OpenCode through our program in the session `s`, and judges what came of it.
fn run(opencode: &OpenCode, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
    let output = opencode.command(arguments, prompt).run().expect(code);
    judged(&opencode.env, &output)
}

fn call(command: &str) -> Reply {
    Reply::new().call("bash", json!({"command": command, "description": "Runs it"}))
}

#[test]
fn text() {
    let Some(opencode) = OpenCode::start([Reply::new().text("Hello, héllo, 你好.")]) else { return };
    let events = run(&opencode, &[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    let started = of_type(&events, "session.started")[0];
    assert_eq!((&started["agent"], &started["resumed"]), (&json!("opencode"), &json!(false)));
    assert!(of_type(&events, "item.delta").len() > 1, "the text should arrive in pieces");
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello, héllo, 你好.");
    assert_eq!(end["usage"]["input_tokens"], 100);
    assert_eq!(end["usage"]["output_tokens"], 10);
    assert_eq!(end["usage"]["total_tokens"], 110);
    assert_eq!(end["models"][0]["model"], "scripted/one");
    let usd = end["cost"]["usd"].as_f64().unwrap();
    assert!((usd - 0.0002).abs() < 1e-9, "{usd}");
    assert!(events.last().unwrap()["native_session_id"].as_str().unwrap().starts_with("ses_"));
    let requests = opencode.model.requests();
    assert_eq!(requests.len(), 1, "a session with a title needs no request for one");
    assert!(requests[0].says("Say hello"));
}

#[test]
fn a_command_with_bypass() {
    let Some(opencode) = OpenCode::start([call("touch made.txt && echo made"), done()]) else { return };
    let events = run(&opencode, &["--permission-mode", "bypass"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!((&call["name"], &call["kind"]), (&json!("bash"), &json!("command")));
    assert!(call["arguments"].as_str().unwrap().contains("touch made.txt"), "{call}");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "completed");
    let output = part(result, "tool_result");
    assert_eq!((&output["output"], &output["exit_code"]), (&json!("made\n"), &json!(0)));
    assert!(opencode.env.work().join("made.txt").exists());
    assert!(opencode.model.requests()[1].tool_output("call_1_1").unwrap().contains("made"));
    assert_eq!(end(&events)["usage"]["total_tokens"], 220, "two requests, one turn");
}

#[test]
fn a_command_denied() {
    let Some(opencode) = OpenCode::start([call("touch never.txt"), Reply::new().text("Understood.")]) else { return };
    let events = run(&opencode, &["--on-ask", "deny"], "Make a file", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert_eq!(end(&events)["denied"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert_eq!(end(&events)["final_text"], "Understood.");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
    assert!(!opencode.env.work().join("never.txt").exists());
    let told = opencode.model.requests()[1].tool_output("call_1_1").unwrap();
    assert!(told.contains("nobody is here to be asked"), "the reason reaches the model: {told}");
}

#[test]
fn a_command_that_nobody_can_decide() {
    let Some(opencode) = OpenCode::start([call("touch never.txt")]) else { return };
    let events = run(&opencode, &["--on-ask", "fail"], "Make a file", 6);
    // Its own word about the call may come before ours about the request.
    let courses = ["U T+ C P? P!(cancelled) O T-(input_needed,6)", "U T+ C P? O P!(cancelled) T-(input_needed,6)"];
    assert!(courses.contains(&course(&events).as_str()), "{}", course(&events));
    assert_eq!(end(&events)["pending"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert!(!opencode.env.work().join("never.txt").exists());
}

#[test]
fn files_read_written_and_edited() {
    let script = |env: &TestEnv| {
        let path = |name: &str| env.work().join(name).to_str().unwrap().to_owned();
        [
            Reply::new().call("read", json!({"filePath": path("old.txt")})),
            Reply::new().call("write", json!({"filePath": path("hello.txt"), "content": "one\ntwo\n"})),
            Reply::new()
                .call("edit", json!({"filePath": path("old.txt"), "oldString": "before", "newString": "after"})),
            done(),
        ]
    };
    let Some(opencode) = OpenCode::placed(script, json!({})) else { return };
    opencode.env.write("old.txt", "before\n");
    let events = run(&opencode, &["--permission-mode", "accept-edits"], "Change them", 0);
    assert_eq!(course(&events), "U T+ C O C P? P!(accept) O C P? P!(accept) O M T-(ok,0)");
    let path = |name: &str| opencode.env.work().join(name).to_str().unwrap().to_owned();
    let kinds: Vec<_> =
        completed(&events, "tool_call").iter().map(|call| part(call, "tool_call")["kind"].clone()).collect();
    assert_eq!(kinds, ["read", "edit", "edit"]);
    let asked = of_type(&events, "permission.requested");
    let results = completed(&events, "tool_result");
    for (asked, result, name, action, line) in [
        (asked[0], results[1], "hello.txt", "create", "+two\n"),
        (asked[1], results[2], "old.txt", "update", "-before\n+after\n"),
    ] {
        assert_eq!((&asked["action"], &asked["paths"]), (&json!("edit"), &json!([path(name)])));
        let file = part(result, "file_ref");
        assert_eq!((&file["path"], &file["action"]), (&json!(path(name)), &json!(action)));
        let diff = file["diff"].as_str().unwrap();
        assert!(diff.starts_with(&format!("diff --git a/{name} b/{name}\n")), "{diff}");
        assert!(diff.contains(line) && diff.contains("\n@@ "), "{diff}");
        assert_eq!(asked["files"][0]["diff"], file["diff"]);
    }
    assert_eq!(
        (opencode.env.read("hello.txt"), opencode.env.read("old.txt")),
        ("one\ntwo\n".to_owned(), "after\n".to_owned())
    );
}

#[test]
fn outside_of_the_directory_is_asked_about_once() {
    let script = |env: &TestEnv| {
        let path = |name: &str| env.root().join(name).to_str().unwrap().to_owned();
        [
            Reply::new().call("write", json!({"filePath": path("outside.txt"), "content": "no\n"})),
            Reply::new().call("read", json!({"filePath": path("secret.txt")})),
            done(),
        ]
    };
    let Some(opencode) = OpenCode::placed(script, json!({})) else { return };
    std::fs::write(opencode.env.root().join("secret.txt"), "secret\n").unwrap();
    let events = run(&opencode, &["--permission-mode", "accept-edits", "--on-ask", "deny"], "Look around", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O C P? P!(reject) O M T-(denied,5)");
    let actions: Vec<_> =
        of_type(&events, "permission.requested").iter().map(|asked| asked["action"].clone()).collect();
    assert_eq!(actions, ["edit", "read"]);
    assert!(!opencode.env.root().join("outside.txt").exists());
    assert!(!opencode.model.requests()[2].says("1: secret"));
}

#[test]
fn a_rule_sees_what_otherwise_runs() {
    let script = |env: &TestEnv| {
        let path = env.work().join("a.txt").to_str().unwrap().to_owned();
        [Reply::new().call("read", json!({"filePath": path})).call("glob", json!({"pattern": "*.txt"})), done()]
    };
    let Some(opencode) = OpenCode::placed(script, json!({})) else { return };
    opencode.env.write("a.txt", "hidden\n");
    let events = run(&opencode, &["--deny", "read:**/a.txt"], "Read it", 5);
    let mut words: Vec<_> = course(&events).split(' ').map(str::to_owned).collect();
    words.sort();
    assert_eq!(words.join(" "), "C C M O O P!(accept) P!(reject) P? P? T+ T-(denied,5) U");
    assert!(!opencode.model.requests()[1].says("hidden"));
}

#[test]
fn an_mcp_call() {
    let script =
        [Reply::new().call("test_shout", json!({"text": "hello"})), Reply::new().call("test_fail", json!({})), done()];
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/mcp.mjs");
    let mcp = json!({"test": {"type": "local", "command": ["node", server]}});
    let Some(opencode) = OpenCode::configured(script, json!({"mcp": mcp})) else { return };
    let events = run(&opencode, &["--allow", "mcp:test/shout"], "Shout", 5);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O C P? P!(reject) O M T-(denied,5)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["server"], &asked["tool"]), (&json!("mcp"), &json!("test"), &json!("shout")));
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!((&call["kind"], &call["server"], &call["name"]), (&json!("mcp"), &json!("test"), &json!("shout")));
    let results = completed(&events, "tool_result");
    assert_eq!(
        (&results[0]["status"], &part(results[0], "tool_result")["output"]),
        (&json!("completed"), &json!("HELLO"))
    );
    assert_eq!(results[1]["status"], "declined");
    // Its answer about the servers may come after its word about the model.
    let infos = completed(&events, "status").into_iter().filter(|item| item["content"][0]["label"] == "session.info");
    let servers: Vec<_> = infos.map(|info| part(info, "json")["json"]["mcp"].clone()).collect();
    assert!(servers.contains(&json!([{"name": "test", "status": "connected"}])), "{servers:?}");
}

#[test]
fn a_question_that_nobody_answers() {
    let question = json!({"questions": [{"question": "Which colour?", "header": "Colour", "multiple": false,
        "options": [{"label": "Red", "description": "Warm"}, {"label": "Blue", "description": "Cool"}]}]});
    let Some(opencode) = OpenCode::start([Reply::new().call("question", question)]) else { return };
    let events = run(&opencode, &["--on-ask", "deny"], "Paint it", 5);
    assert_eq!(course(&events), "U T+ C Q? Q!(rejected) O T-(denied,5)");
    let asked = of_type(&events, "question.requested")[0];
    assert_eq!((&asked["prompt"], &asked["options"]), (&json!("Which colour?"), &json!(["Red", "Blue"])));
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "question");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
}

#[test]
fn a_sub_agent() {
    let task = "CHILD: look around";
    let start = json!({"description": "Look around", "prompt": task, "subagent_type": "general"});
    let Some(opencode) = OpenCode::start([
        Reply::new().text("Delegating.").call("task", start),
        call("touch never.txt").when(task).when_not("Delegating."),
        Reply::new().text("Child finished.").when(task).when_not("Delegating."),
        Reply::new().text("Main finished."),
    ]) else {
        return;
    };
    let events = run(&opencode, &["--on-ask", "deny"], "Delegate this", 5);
    assert_eq!(course(&events), "U T+ M C Y^ C^ P? P!(reject) O^ M^ O M T-(denied,5)");
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "agent");
    assert_eq!(part(completed(&events, "system")[0], "text")["text"], task);
    assert_eq!(end(&events)["final_text"], "Main finished.");
    assert_eq!(end(&events)["usage"]["total_tokens"], 440, "sub-agents count");
    assert!(!opencode.env.work().join("never.txt").exists());
}

/// How a turn ends that the model refuses like this.
fn refused(reply: Reply, code: i32, expected: &str, word: &str) {
    let Some(opencode) = OpenCode::start([reply.repeated()]) else { return };
    let events = run(&opencode, &[], "Go", code);
    assert_eq!(course(&events), expected);
    let errors = of_type(&events, "error");
    assert_eq!(errors.last().unwrap()["code"], word);
    let (last, before) = errors.split_last().unwrap();
    assert!(last["recoverable"] == false && before.iter().all(|error| error["recoverable"] == true), "{errors:?}");
    assert!(before.iter().all(|error| error["attempt"].is_u64() && error["retry_at"].is_string()), "{errors:?}");
}

fn refusal(status: u16, message: &str) -> Reply {
    Reply::status(status, json!({"error": {"message": message, "type": "error", "code": null}}))
        .header("retry-after-ms", "1")
}

#[test]
fn a_wrong_key() {
    refused(refusal(401, "Incorrect API key provided"), 4, "U T+ E T-(auth,4)", "auth");
}

#[test]
fn a_request_that_is_refused() {
    refused(refusal(400, "It makes no sense"), 1, "U T+ E T-(failed,1)", "bad_request");
}

#[test]
fn a_broken_service() {
    refused(refusal(500, "It broke"), 75, "U T+ E E E E E E T-(retry,75)", "server");
}

#[test]
fn an_overloaded_service() {
    refused(refusal(529, "Overloaded"), 75, "U T+ E E E E E E T-(retry,75)", "overloaded");
}

#[test]
fn an_answer_cut_by_its_limit_and_one_that_is_refused() {
    let script = [
        Reply::new().text("Cut off").incomplete("max_output_tokens"),
        Reply::new().text("No.").incomplete("content_filter"),
    ];
    let Some(opencode) = OpenCode::start(script) else { return };
    for word in ["max_tokens", "refusal"] {
        let events = run(&opencode, &[], "Go", 7);
        assert_eq!(course(&events), "U T+ M E T-(limit,7)");
        assert_eq!(end(&events)["error"]["code"], word);
    }
}

#[test]
fn a_full_context_is_compacted() {
    let full = json!({"error": {"message": "This model's maximum context length is 10 tokens.", "type": "invalid_request_error",
        "code": "context_length_exceeded"}});
    let Some(opencode) = OpenCode::start([
        Reply::new().text("First answer."),
        Reply::status(400, full),
        Reply::new().text("They talked."),
        Reply::new().text("Second answer."),
    ]) else {
        return;
    };
    run(&opencode, &[], "First question", 0);
    let events = run(&opencode, &[], "Second question", 0);
    // It tells of the error and of what follows from it on two ways.
    let courses = ["U T+ S:compaction E Y M T-(ok,0)", "U T+ E S:compaction Y M T-(ok,0)"];
    assert!(courses.contains(&course(&events).as_str()), "{}", course(&events));
    assert_eq!(of_type(&events, "error")[0]["code"], "context_full");
    assert_eq!(end(&events)["final_text"], "Second answer.");
}

#[test]
fn a_model_that_is_not_there() {
    let Some(opencode) = OpenCode::start([]) else { return };
    let events = run(&opencode, &["--model", "scripted/nope"], "Go", 1);
    assert_eq!(course(&events), "U T+ E T-(failed,1)");
    assert_eq!(end(&events)["error"]["code"], "model_not_found");
}

#[test]
fn nobody_listens() {
    let options = json!({"baseURL": "http://127.0.0.1:9/v1", "apiKey": "sk-scripted-key"});
    let provider = json!({"dead": {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"one": {}}}});
    let Some(opencode) = OpenCode::configured([], json!({"provider": provider, "model": "dead/one"})) else { return };
    // Its pauses double, from 2 s on.
    let mut running = opencode.command(&[], "Go").spawn();
    running.wait_for("the first retry", |event| event["type"] == "error");
    let events = interrupted(&opencode.env, running);
    assert_eq!(course(&events), "U T+ E T-(cancelled,130)");
    assert_eq!(of_type(&events, "error")[0]["code"], "network");
}

/// Whether the command that tests interrupt is alive.
fn sleeping(opencode: &OpenCode) -> bool {
    opencode.env.alive().iter().any(|process| process.command == "sleep 1000")
}

#[test]
fn ctrl_c_within_a_command() {
    let Some(opencode) = OpenCode::start([call("echo begun; sleep 1000")]) else { return };
    let mut running = opencode.command(&["--permission-mode", "bypass"], "Sleep").spawn();
    running
        .wait_for("the command's output", |event| event["type"] == "item.delta" && event["data"]["delta"] == "begun\n");
    wait_until("the command", || sleeping(&opencode).then_some(()));
    let events = interrupted(&opencode.env, running);
    assert_eq!(course(&events), "U T+ C O T-(cancelled,130)");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "cancelled");
    assert!(part(result, "tool_result")["output"].as_str().unwrap().starts_with("begun\n"), "{result}");
}

#[test]
fn a_session_goes_on_in_a_new_process() {
    let gate = Gate::new();
    let Some(opencode) = OpenCode::start([
        Reply::new().text("First answer."),
        Reply::new().open_text("Lost").hold(&gate),
        Reply::new().text("Third answer."),
        Reply::new().text("They talked."),
        Reply::new().text("A copy."),
    ]) else {
        return;
    };
    let first = run(&opencode, &[], "First question", 0);
    // Its owner is killed in the middle of the next turn.
    let mut running = opencode.command(&[], "Second question").spawn();
    running.wait_for("the text", |event| event["type"] == "item.delta");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(Signal::SIGKILL));
    opencode.env.wait_until_none_is_alive();
    gate.open();
    let third = run(&opencode, &[], "Third question", 0);
    let began = third.iter().position(|event| event["type"] == "session.started").unwrap();
    assert_eq!(course(&third[began..]), "U T+ M T-(ok,0)");
    assert_eq!(third.last().unwrap()["native_session_id"], first.last().unwrap()["native_session_id"]);
    assert_eq!(of_type(&third, "session.started")[0]["resumed"], true);
    assert_eq!(end(&third)["usage"]["total_tokens"], 110, "usage is of one turn");
    let request = &opencode.model.requests()[2];
    assert!(request.says("First question") && request.says("First answer.") && request.says("Third question"));
    let compacted = run(&opencode, &[], "/compact", 0);
    assert_eq!(course(&compacted), "U T+ S:compaction Y T-(ok,0)");
    judged_whole(&opencode.env, "s");
    let output = opencode.env.command(&["run", "--fork", "s", "--session", "copy", "--", "And now?"]);
    let copy = judged(&opencode.env, &output.patience(Duration::from_secs(120)).run().expect(0));
    assert_eq!(course(&copy), "U T+ M T-(ok,0)");
    assert_ne!(copy.last().unwrap()["native_session_id"], first.last().unwrap()["native_session_id"]);
    assert!(opencode.model.requests()[4].says("They talked."));
}

#[test]
fn reasoning() {
    let usage = Usage { input: 200, cached: 150, output: 30, reasoning: 20 };
    let reply = Reply::new().thoughts("Be kind.").text("Hello.").usage(usage);
    let Some(opencode) = OpenCode::start([reply]) else { return };
    let events = run(&opencode, &["--model", "scripted/two", "--effort", "high"], "Say hello", 0);
    assert_eq!(course(&events), "U T+ R M T-(ok,0)");
    let thought = part(completed(&events, "message")[1], "reasoning");
    assert_eq!(*thought, json!({"type": "reasoning", "text": "Be kind.", "visibility": "public"}));
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello.");
    assert_eq!(
        end["usage"],
        json!({"input_tokens": 200, "cached_input_tokens": 150, "cache_write_tokens": 0, "output_tokens": 30,
            "reasoning_tokens": 20, "total_tokens": 230})
    );
    let request = &opencode.model.requests()[0];
    assert_eq!((&request.body["model"], &request.body["reasoning_effort"]), (&json!("two"), &json!("high")));
}

#[test]
fn pictures_files_and_the_mode_to_plan() {
    let Some(opencode) = OpenCode::start([Reply::new().text("A dot.")]) else { return };
    opencode.env.write("dot.png", from_base64(PIXEL));
    opencode.env.write("note.txt", "remember the milk");
    let events = run(&opencode, &["--attach", "dot.png", "--attach", "note.txt", "--mode", "plan"], "What is it?", 0);
    assert_eq!(end(&events)["final_text"], "A dot.");
    assert_eq!(part(completed(&events, "message")[0], "image")["mime"], "image/png");
    let request = &opencode.model.requests()[0];
    assert!(request.says("data:image/png;base64,") && request.says("remember the milk"));
    assert!(request.says("Plan mode"), "it is told to plan only");
}

#[test]
fn a_private_home_hides_the_users_own() {
    let script = [done(), Reply::new().text("First answer."), Reply::new().text("Second answer.")];
    let Some(opencode) = OpenCode::start(script) else { return };
    let folder = opencode.env.home().join(".config/opencode");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("AGENTS.md"), "The word of the user is plugh.").unwrap();
    run(&opencode, &[], "Go", 0);
    let isolated = |arguments: &[&str], prompt: &str| {
        // Where its model is stands in a variable that would be hidden too.
        let run = opencode.env.command(&["run", "--agent", "opencode", "--session", "alone"]);
        let run = run.args(&["--env", "OPENCODE_CONFIG_CONTENT"]).args(arguments).args(&["--", prompt]);
        judged(&opencode.env, &run.patience(Duration::from_secs(120)).run().expect(0))
    };
    isolated(&["--isolated"], "First question");
    isolated(&[], "Second question");
    let requests = opencode.model.requests();
    assert!(requests[0].says("plugh"), "the user's own is there without the flag");
    assert!(!requests[1].says("plugh") && !requests[2].says("plugh"));
    assert!(requests[2].says("First answer."), "its conversation lies in its home");
    equipment::nothing_is_left(&opencode.env);
}

/// OpenCode is told by a variable; the user's own must not be lost over it.
#[test]
fn a_variable_of_the_users_is_not_overwritten() {
    let Some(opencode) = OpenCode::start([]) else { return };
    let flags = equipment::skill(&opencode.env);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let output = opencode.command(&flags, "Go").var("OPENCODE_CONFIG", "/elsewhere/opencode.json").run().expect(2);
    assert!(output.stderr.contains("OPENCODE_CONFIG"), "{}", output.stderr);
}

#[test]
fn a_command_allowed_by_a_rule_that_fails() {
    let Some(opencode) = OpenCode::start([call("cat nowhere"), done()]) else { return };
    let events = run(&opencode, &["--allow", "command:cat *"], "Try it", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["command"]), (&json!("command"), &json!("cat nowhere")));
    assert_eq!(asked["cwd"], opencode.env.work().to_str().unwrap());
    let resolved = of_type(&events, "permission.resolved")[0];
    assert_eq!(resolved["resolved_by"], "policy");
    assert!(resolved["rule"].as_str().unwrap().contains("cat *"), "{resolved}");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "failed");
    let output = part(result, "tool_result");
    assert_eq!(
        (&output["output"], &output["exit_code"]),
        (&json!("cat: nowhere: No such file or directory\n"), &json!(1))
    );
}

#[test]
fn a_stream_that_breaks_once() {
    let gate = Gate::new();
    let script = [Reply::new().open_text("Half").hold(&gate).cut(), Reply::new().text("Whole.")];
    let Some(opencode) = OpenCode::start(script) else { return };
    let mut running = opencode.command(&[], "Go").spawn();
    running.wait_for("the text", |event| event["type"] == "item.delta");
    gate.open();
    let events = judged(&opencode.env, &running.wait().expect(0));
    assert_eq!(course(&events), "U T+ M E S:retracted M T-(ok,0)");
    let messages = completed(&events, "message");
    assert_eq!((&messages[1]["status"], &part(messages[1], "text")["text"]), (&json!("failed"), &json!("Half")));
    assert_eq!(end(&events)["final_text"], "Whole.");
}

#[test]
fn ctrl_c_within_a_text() {
    let gate = Gate::new();
    let Some(opencode) = OpenCode::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let mut running = opencode.command(&[], "Count").spawn();
    running.wait_for("the text", |event| event["type"] == "item.delta");
    let events = interrupted(&opencode.env, running);
    assert_eq!(course(&events), "U T+ M T-(cancelled,130)");
    let message = completed(&events, "message")[1];
    assert_eq!((&message["status"], &part(message, "text")["text"]), (&json!("cancelled"), &json!("Counting")));
}

#[test]
fn the_death_of_opencode_ends_the_turn() {
    let gate = Gate::new();
    let Some(opencode) = OpenCode::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let mut running = opencode.command(&[], "Count").spawn();
    running.wait_for("the text", |event| event["type"] == "item.delta");
    let server = opencode.env.alive().into_iter().find(|process| process.command.contains(" serve ")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.pid), Signal::SIGKILL).unwrap();
    let events = judged(&opencode.env, &running.wait().expect(1));
    assert_eq!(course(&events), "U T+ M E T-(failed,1)");
    assert_eq!(end(&events)["error"]["code"], "crash");
    let message = completed(&events, "message")[1];
    assert_eq!((&message["status"], &part(message, "text")["text"]), (&json!("failed"), &json!("Counting")));
}

#[test]
fn too_many_requests() {
    refused(refusal(429, "Slow down"), 75, "U T+ E E E E E E T-(retry,75)", "rate_limit");
}

#[test]
fn two_tools_at_once_and_a_list_of_things_to_do() {
    let todos = json!([
        {"content": "first", "status": "in_progress", "priority": "high"},
        {"content": "second", "status": "pending", "priority": "low"},
    ]);
    let Some(opencode) = OpenCode::start([
        call("while ! test -e other; do sleep 0.01; done; echo first")
            .call("bash", json!({"command": "touch other; echo second", "description": "Says it"})),
        Reply::new().call("todowrite", json!({"todos": todos})),
        done(),
    ]) else {
        return;
    };
    let events = run(&opencode, &["--permission-mode", "bypass"], "Do both", 0);
    let mut words: Vec<_> = course(&events).split(' ').map(str::to_owned).collect();
    words.sort();
    assert_eq!(words.join(" "), "C C C M O O O S:todo T+ T-(ok,0) U");
    let results = completed(&events, "tool_result");
    let mut outputs: Vec<_> =
        results.iter().map(|result| part(result, "tool_result")["output"].as_str().unwrap()).collect();
    outputs.sort();
    assert!(outputs.contains(&"first\n") && outputs.contains(&"second\n"), "{outputs:?}");
    let groups: Vec<_> = completed(&events, "tool_call").iter().map(|call| call["group_id"].clone()).collect();
    assert!(groups[0] == groups[1] && groups[1] != groups[2], "{groups:?}");
    let todo = completed(&events, "status").into_iter().find(|item| item["content"][0]["label"] == "todo").unwrap();
    assert_eq!(part(todo, "json")["json"]["entries"], todos);
}
