//! The real Pi through `sandbox-agent run`, against the scripted model.

use crate::env::{Program, TestEnv, wait_until};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type, part};
use crate::model::{Gate, Model, Reply, Usage, done};
use crate::real::codex::{PIXEL, from_base64};
use crate::real::equipment::{self, SKILL};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A place where Pi is on the PATH, configured for a model of its own.
pub(super) struct Pi {
    pub(super) env: TestEnv,
    pub(super) model: Model,
}

impl Pi {
    /// Nothing when real agents are left out.
    pub(super) fn start(script: impl IntoIterator<Item = Reply>) -> Option<Pi> {
        let program = super::agent("pi")?;
        let mut env = TestEnv::new();
        let model = Model::start(script);
        let home = env.root().join("pi");
        fs::create_dir(&home).unwrap();
        let scripted = |id: &str| {
            json!({
                "id": id, "reasoning": true, "input": ["text", "image"], "contextWindow": 100_000, "maxTokens": 32_000,
                "cost": { "input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 1 },
            })
        };
        let models = json!({ "providers": { "scripted": {
            "baseUrl": format!("{}/v1", model.url()), "api": "openai-responses", "apiKey": "$SCRIPTED_API_KEY",
            "models": [scripted("one"), scripted("two")],
        } } });
        fs::write(home.join("models.json"), models.to_string()).unwrap();
        // Few retries, because their waits grow.
        let settings = json!({
            "defaultProvider": "scripted", "defaultModel": "one", "retry": { "maxRetries": 1, "baseDelayMs": 100 },
        });
        fs::write(home.join("settings.json"), settings.to_string()).unwrap();
        env.set("PI_CODING_AGENT_DIR", home);
        env.set("PI_OFFLINE", "1");
        env.set("PI_TELEMETRY", "0");
        env.set("SCRIPTED_API_KEY", "sk-scripted-key");
        let programs = env.root().join("programs");
        fs::create_dir(&programs).unwrap();
        symlink(program, programs.join("pi")).unwrap();
        env.add_to_path(&programs);
        Some(Pi { env, model })
    }

    /// Changes one of Pi's own settings.
    fn set(&self, name: &str, value: Value) {
        let path = self.env.root().join("pi/settings.json");
        let mut settings: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        settings[name] = value;
        fs::write(&path, settings.to_string()).unwrap();
    }

    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        self.env.command(&["run", "--agent", "pi", "--session", "s"]).args(arguments).args(&["--", prompt])
    }

    /// Runs it in the session `s`, and judges what came of it.
    fn run(&self, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
        let output = self.command(arguments, prompt).run().expect(code);
        let events = judged(&self.env, &output);
        assert!(of_type(&events, "agent.unparsed").is_empty(), "{events:#?}");
        self.nothing_is_left();
        events
    }

    /// The files that were laid out are gone.
    fn nothing_is_left(&self) {
        let live = self.env.store().with_extension("db.live");
        let left: Vec<_> = fs::read_dir(&live)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "files"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn call(command: &str) -> Reply {
    Reply::new().call("bash", json!({ "command": command }))
}

const BYPASS: [&str; 2] = ["--permission-mode", "bypass"];

#[test]
fn text() {
    let Some(pi) = Pi::start([Reply::new().text("Hello, héllo, 你好.")]) else { return };
    let events = pi.run(&[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    let started = of_type(&events, "session.started")[0];
    assert_eq!((&started["agent"], &started["resumed"]), (&json!("pi"), &json!(false)));
    assert_eq!(started["agent_version"], "0.87.1");
    assert!(of_type(&events, "item.delta").len() > 1, "the text should arrive in pieces");
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello, héllo, 你好.");
    assert_eq!((&end["usage"]["input_tokens"], &end["usage"]["output_tokens"]), (&json!(100), &json!(10)));
    assert_eq!(end["usage"]["total_tokens"], 110);
    // 100 tokens at one dollar a million, 10 at two.
    assert!((end["cost"]["usd"].as_f64().unwrap() - 0.000_12).abs() < 1e-9, "{end}");
    assert_eq!(end["models"][0]["model"], "scripted/one");
    assert!(events.last().unwrap()["native_session_id"].is_string());
    assert_eq!(pi.model.requests().len(), 1);
    assert!(pi.model.requests()[0].says("Say hello"));
}

#[test]
fn reasoning() {
    let usage = Usage { input: 200, cached: 150, output: 30, reasoning: 20 };
    let Some(pi) = Pi::start([Reply::new().reasoning("The user greets.").text("Hello.").usage(usage)]) else { return };
    let events = pi.run(&["--effort", "high"], "Say hello", 0);
    assert_eq!(course(&events), "U T+ R M T-(ok,0)");
    let reasoning = part(completed(&events, "message")[1], "reasoning");
    assert_eq!(*reasoning, json!({"type": "reasoning", "text": "The user greets.", "visibility": "public"}));
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello.");
    let usage = &end["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cached_input_tokens"]), (&json!(200), &json!(150)));
    assert_eq!(usage["reasoning_tokens"], 20);
    assert_eq!(pi.model.requests()[0].body["reasoning"]["effort"], "high");
}

#[test]
fn a_command_with_bypass() {
    let Some(pi) = Pi::start([call("touch made.txt && echo made"), done()]) else { return };
    let events = pi.run(&BYPASS, "Make a file", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!(call["kind"], "command");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "completed");
    let output = part(result, "tool_result");
    assert_eq!((&output["output"], &output["exit_code"]), (&json!("made\n"), &json!(0)));
    assert!(pi.env.work().join("made.txt").exists());
    assert!(pi.model.requests()[1].tool_output("call_1_1").unwrap().contains("made"));
    assert_eq!(end(&events)["usage"]["total_tokens"], 220, "two requests, one turn");
}

#[test]
fn a_command_allowed_by_a_rule() {
    let Some(pi) = Pi::start([call("touch made.txt"), done()]) else { return };
    let events = pi.run(&["--allow", "command:touch *"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["command"]), (&json!("command"), &json!("touch made.txt")));
    assert_eq!(asked["cwd"], pi.env.work().to_str().unwrap());
    let resolved = of_type(&events, "permission.resolved")[0];
    assert_eq!(resolved["resolved_by"], "policy");
    assert_eq!(part(completed(&events, "tool_result")[0], "tool_result")["output"], "", "a command that says nothing");
    assert!(pi.env.work().join("made.txt").exists());
}

#[test]
fn a_command_denied() {
    let Some(pi) = Pi::start([call("touch never.txt"), Reply::new().text("Understood.")]) else { return };
    let events = pi.run(&["--on-ask", "deny"], "Make a file", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert_eq!(end(&events)["denied"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
    assert!(!pi.env.work().join("never.txt").exists());
    let told = pi.model.requests()[1].tool_output("call_1_1").unwrap();
    assert!(told.contains("rejected") && told.contains("nobody is here"), "the reason reaches the model: {told}");
}

#[test]
fn a_rule_meets_what_bypass_would_let_run() {
    let Some(pi) = Pi::start([call("rm -rf doomed"), done()]) else { return };
    pi.env.write("doomed", "");
    let events = pi.run(&["--permission-mode", "bypass", "--deny", "command:rm *"], "Remove it", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert!(pi.env.work().join("doomed").exists());
}

#[test]
fn what_nobody_can_be_asked_stops_the_turn() {
    let Some(pi) = Pi::start([call("touch never.txt")]) else { return };
    let events = pi.run(&["--on-ask", "fail"], "Make a file", 6);
    let end = end(&events);
    assert_eq!(end["outcome"], "input_needed");
    assert_eq!(end["pending"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert_eq!(completed(&events, "tool_result")[0]["status"], "cancelled");
    assert!(!pi.env.work().join("never.txt").exists());
}

#[test]
fn a_command_that_fails() {
    let Some(pi) = Pi::start([call("echo trouble >&2; exit 3"), done()]) else { return };
    let events = pi.run(&BYPASS, "Try it", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "failed");
    let output = part(result, "tool_result");
    assert_eq!((&output["output"], &output["exit_code"]), (&json!("trouble\n"), &json!(3)));
}

#[test]
fn read_edit_and_write() {
    let script = [
        Reply::new().call("read", json!({ "path": "old.txt" })),
        Reply::new().call("edit", json!({ "path": "old.txt", "edits": [{ "oldText": "before", "newText": "after" }] })),
        Reply::new().call("write", json!({ "path": "new.txt", "content": "one\ntwo\n" })),
        Reply::new().call("write", json!({ "path": "new.txt", "content": "one\nthree\n" })),
        done(),
    ];
    for mode in ["accept-edits", "bypass"] {
        let Some(pi) = Pi::start(script.clone()) else { return };
        pi.env.write("old.txt", "before\n");
        let events = pi.run(&["--permission-mode", mode], "Change it", 0);
        let asks = if mode == "bypass" { "" } else { " P? P!(accept)" };
        assert_eq!(course(&events), format!("U T+ C{asks} O C{asks} O C{asks} O C{asks} O M T-(ok,0)"));
        let path = |name: &str| pi.env.work().join(name).to_str().unwrap().to_owned();
        let kinds: Vec<_> =
            completed(&events, "tool_call").iter().map(|call| part(call, "tool_call")["kind"].clone()).collect();
        assert_eq!(kinds, ["read", "edit", "edit", "edit"]);
        for asked in of_type(&events, "permission.requested").into_iter().take(2) {
            assert_eq!(asked["paths"], json!([path("old.txt")]));
        }
        let results = completed(&events, "tool_result");
        let expected = [
            ("old.txt", "read", None),
            ("old.txt", "update", Some("-before\n+after\n")),
            ("new.txt", "create", Some("@@ -0,0 +1,2 @@\n+one\n+two\n")),
            ("new.txt", "update", Some(" one\n-two\n+three\n")),
        ];
        for (result, (name, action, lines)) in results.iter().zip(expected) {
            let file = part(result, "file_ref");
            assert_eq!((&file["path"], &file["action"]), (&json!(path(name)), &json!(action)), "{mode}");
            match lines {
                None => assert!(file["diff"].is_null()),
                Some(lines) => {
                    let diff = file["diff"].as_str().unwrap();
                    assert!(
                        diff.starts_with(&format!("diff --git a/{name} b/{name}\n")) && diff.contains(lines),
                        "{diff}"
                    );
                }
            }
        }
        assert_eq!((pi.env.read("old.txt"), pi.env.read("new.txt")), ("after\n".into(), "one\nthree\n".into()));
    }
}

#[test]
fn outside_and_in_other_spellings_a_path_is_judged_by_where_it_leads() {
    let outside = Path::new("/etc/hostname");
    let script = [
        Reply::new().call("read", json!({ "path": outside })),
        Reply::new().call("read", json!({ "path": "link" })),
        Reply::new().call("read", json!({ "path": "@inside.txt" })),
        Reply::new().call("read", json!({ "path": "~/secret" })),
        done(),
    ];
    let Some(pi) = Pi::start(script) else { return };
    symlink(outside, pi.env.work().join("link")).unwrap();
    pi.env.write("inside.txt", "inside\n");
    let events = pi.run(&["--permission-mode", "read-only"], "Read", 5);
    let decided: Vec<_> =
        of_type(&events, "permission.resolved").iter().map(|resolved| resolved["status"].clone()).collect();
    assert_eq!(decided, ["reject", "reject", "accept", "reject"]);
    let home = pi.env.home().join("secret");
    assert_eq!(of_type(&events, "permission.requested")[3]["paths"], json!([home.to_str().unwrap()]));
}

#[test]
fn two_tools_at_once() {
    let first = "while ! test -e other; do sleep 0.01; done; echo first";
    let script = [call(first).call("bash", json!({ "command": "touch other; echo second" })), done()];
    let Some(pi) = Pi::start(script) else { return };
    let events = pi.run(&BYPASS, "Do both", 0);
    assert_eq!(course(&events), "U T+ C C O O M T-(ok,0)");
    let calls = completed(&events, "tool_call");
    assert_eq!(calls[0]["group_id"], calls[1]["group_id"], "one message of the model");
    let mut outputs: Vec<_> = completed(&events, "tool_result")
        .into_iter()
        .map(|result| part(result, "tool_result")["output"].as_str().unwrap().to_owned())
        .collect();
    outputs.sort();
    assert_eq!(outputs, ["first\n", "second\n"]);
}

#[test]
fn a_question_that_nobody_answers() {
    let question = json!({ "questions": [
        { "question": "Which colour?", "header": "Colour", "options": [{ "label": "Red" }, { "label": "Blue", "description": "cool" }] },
        { "question": "Which sizes?", "options": [{ "label": "S" }], "multi_select": true },
    ] });
    let script = [Reply::new().call("ask_user", question), Reply::new().text("I choose.")];
    let Some(pi) = Pi::start(script) else { return };
    let events = pi.run(&["--on-ask", "deny"], "Ask me", 5);
    assert_eq!(course(&events), "U T+ C Q? Q!(rejected) O M T-(denied,5)");
    let asked = of_type(&events, "question.requested")[0];
    assert_eq!((&asked["prompt"], &asked["options"]), (&json!("Which colour?"), &json!(["Red", "Blue"])));
    assert_eq!(asked["questions"][1]["multi_select"], true);
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "question");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "declined");
    assert!(pi.model.requests()[0].tools().contains(&"ask_user".to_owned()));
}

/// How a turn ends that the model refuses like this, after one retry where there is one.
fn refused(reply: Reply, code: i32, expected: &str, word: &str) -> Vec<Value> {
    let Some(pi) = Pi::start([reply.repeated()]) else { return Vec::new() };
    let events = pi.run(&[], "Go", code);
    let errors = of_type(&events, "error");
    assert_eq!(course(&events), expected, "{errors:#?}");
    assert!(errors.iter().all(|error| error["code"] == word), "{errors:?}");
    assert!(errors[..errors.len() - 1].iter().all(|error| error["retry_after_ms"] == 100), "{errors:?}");
    events
}

fn refusal(status: u16, message: &str) -> Reply {
    Reply::status(status, json!({"error": {"message": message, "type": "error", "code": null}}))
}

#[test]
fn a_wrong_key() {
    refused(refusal(401, "Incorrect API key provided"), 4, "U T+ E T-(auth,4)", "auth");
}

#[test]
fn a_bad_request() {
    refused(refusal(400, "Bad request"), 1, "U T+ E T-(failed,1)", "bad_request");
}

#[test]
fn too_many_requests() {
    refused(refusal(429, "Slow down"), 75, "U T+ E E T-(retry,75)", "rate_limit");
}

#[test]
fn a_broken_service() {
    refused(refusal(500, "It broke"), 75, "U T+ E E T-(retry,75)", "server");
}

#[test]
fn an_overloaded_service() {
    refused(refusal(529, "Overloaded"), 75, "U T+ E E T-(retry,75)", "overloaded");
}

#[test]
fn a_full_context() {
    refused(
        refusal(400, "Your input exceeds the context window of this model"),
        7,
        "U T+ E T-(limit,7)",
        "context_full",
    );
}

#[test]
fn an_answer_cut_by_its_limit() {
    let Some(pi) = Pi::start([Reply::new().text("Cut off").incomplete("max_output_tokens")]) else { return };
    let events = pi.run(&[], "Go", 7);
    assert_eq!(course(&events), "U T+ M E T-(limit,7)", "{:#?}", of_type(&events, "error"));
    assert_eq!(end(&events)["error"]["code"], "max_tokens");
}

#[test]
fn a_stream_that_breaks_once() {
    let Some(pi) = Pi::start([Reply::new().open_text("Half").cut(), Reply::new().text("Whole.")]) else { return };
    let events = pi.run(&[], "Go", 0);
    assert_eq!(course(&events), "U T+ M E S:retracted M T-(ok,0)");
    let messages = completed(&events, "message");
    assert_eq!((&messages[1]["status"], &part(messages[1], "text")["text"]), (&json!("failed"), &json!("Half")));
    assert_eq!(end(&events)["final_text"], "Whole.");
}

#[test]
fn a_stream_that_always_breaks() {
    let Some(pi) = Pi::start([Reply::new().open_text("Half").cut().repeated()]) else { return };
    let events = pi.run(&[], "Go", 75);
    assert_eq!(course(&events), "U T+ M E S:retracted M E T-(retry,75)");
    assert_eq!(end(&events)["error"]["code"], "network");
}

#[test]
fn nobody_listens() {
    let Some(pi) = Pi::start([]) else { return };
    // Port 9 of loopback: nothing is there.
    let models = pi.env.root().join("pi/models.json");
    let text = fs::read_to_string(&models).unwrap().replace(&pi.model.url(), "http://127.0.0.1:9");
    fs::write(&models, text).unwrap();
    let events = pi.run(&[], "Go", 75);
    assert_eq!(end(&events)["error"]["code"], "network");
}

#[test]
fn no_key_at_all() {
    let Some(pi) = Pi::start([]) else { return };
    let output = pi.command(&[], "Go").without("SCRIPTED_API_KEY").run().expect(4);
    assert_eq!(course(&judged(&pi.env, &output)), "U T+ E T-(auth,4)");
}

#[test]
fn another_model() {
    let Some(pi) = Pi::start([done()]) else { return };
    let events = pi.run(&["--model", "scripted/two"], "Go", 0);
    assert_eq!(end(&events)["models"][0]["model"], "scripted/two");
    assert_eq!(pi.model.requests()[0].body["model"], "two");
}

#[test]
fn a_model_that_nobody_has() {
    let missing = Reply::status(404, json!({"error": {"message": "The model `nope` does not exist", "type": "error"}}));
    let Some(pi) = Pi::start([missing]) else { return };
    let events = pi.run(&["--model", "scripted/nope"], "Go", 1);
    assert_eq!(end(&events)["error"]["code"], "model_not_found");
}

#[test]
fn an_older_pi_is_refused_before_there_is_a_session() {
    let Some(pi) = Pi::start([]) else { return };
    let package = pi.env.root().join("node_modules/@earendil-works/pi-coding-agent");
    fs::create_dir_all(package.join("dist")).unwrap();
    let manifest = json!({ "name": "@earendil-works/pi-coding-agent", "version": "0.83.9" });
    fs::write(package.join("package.json"), manifest.to_string()).unwrap();
    let link = pi.env.root().join("programs/pi");
    fs::copy(link.canonicalize().unwrap(), package.join("dist/cli.js")).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(package.join("dist/cli.js"), &link).unwrap();
    let output = pi.command(&[], "Go").run().expect(2);
    let message = output.object()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("0.83.9") && message.contains("0.84.0"), "{message}");
    assert!(pi.env.run(&["sessions", "list"]).expect(0).lines().is_empty());
}

/// Whether the command that tests interrupt is alive.
fn sleeping(pi: &Pi) -> bool {
    pi.env.alive().iter().any(|process| process.command == "sleep 1000")
}

#[test]
fn ctrl_c_within_a_command() {
    let Some(pi) = Pi::start([call("echo begun; sleep 1000")]) else { return };
    let mut running = pi.command(&BYPASS, "Sleep").spawn();
    running
        .wait_for("the command's output", |event| event["type"] == "item.delta" && event["data"]["delta"] == "begun\n");
    wait_until("the command", || sleeping(&pi).then_some(()));
    let events = interrupted(&pi.env, running);
    assert_eq!(course(&events), "U T+ C O T-(cancelled,130)");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "cancelled");
    assert!(part(result, "tool_result")["output"].as_str().unwrap().starts_with("begun\n"));
}

#[test]
fn a_timeout_within_a_text() {
    let gate = Gate::new();
    let Some(pi) = Pi::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let events = pi.run(&["--timeout", "8s"], "Count", 124);
    assert_eq!(course(&events), "U T+ M E T-(timeout,124)");
    let message = completed(&events, "message")[1];
    assert_eq!((&message["status"], &part(message, "text")["text"]), (&json!("cancelled"), &json!("Counting")));
}

#[test]
fn ctrl_c_while_it_waits_for_the_next_try() {
    let Some(pi) = Pi::start([refusal(500, "It broke").repeated()]) else { return };
    pi.set("retry", json!({ "baseDelayMs": 60_000 }));
    let mut running = pi.command(&[], "Go").spawn();
    running.wait_for("the retry", |event| event["type"] == "error");
    assert_eq!(course(&interrupted(&pi.env, running)), "U T+ E T-(cancelled,130)");
}

#[test]
fn a_session_goes_on_in_a_new_process_and_is_copied() {
    let script = ["First answer.", "Second answer.", "Other answer."].map(|text| Reply::new().text(text));
    let Some(pi) = Pi::start(script) else { return };
    let first = pi.run(&[], "First question", 0);
    let second = pi.run(&[], "Second question", 0);
    assert_eq!(course(&second), "U T+ M T-(ok,0)");
    assert_eq!(second[0]["sequence"].as_u64().unwrap(), first.len() as u64 + 1);
    let native = |events: &[Value]| events.last().unwrap()["native_session_id"].clone();
    assert_eq!(native(&second), native(&first));
    assert_eq!(of_type(&second, "session.started")[0]["resumed"], true);
    assert_eq!(end(&second)["usage"]["total_tokens"], 110, "usage is of one turn");
    let request = &pi.model.requests()[1];
    assert!(request.says("First question") && request.says("First answer.") && request.says("Second question"));
    assert_eq!(judged_whole(&pi.env, "s").len(), first.len() + second.len());

    let arguments = ["run", "--agent", "pi", "--session", "copy", "--fork", "s", "--", "Third question"];
    let copy = judged(&pi.env, &pi.env.run(&arguments).expect(0));
    assert_ne!(native(&copy), native(&first));
    let request = &pi.model.requests()[2];
    assert!(request.says("Second answer.") && request.says("Third question"));
}

#[test]
fn a_session_goes_on_after_owner_and_agent_were_killed() {
    let gate = Gate::new();
    let script = [Reply::new().text("First answer."), Reply::new().open_text("Half").hold(&gate), done()];
    let Some(pi) = Pi::start(script) else { return };
    pi.run(&[], "First question", 0);
    let mut running = pi.command(&[], "Second question").spawn();
    running.wait_for("a text", |event| event["type"] == "item.delta" && event["data"]["delta"] == "Half");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(Signal::SIGKILL));
    pi.env.wait_until_none_is_alive();
    let third = pi.run(&[], "Third question", 0);
    assert_eq!(course(&third), "U T+ M T-(ok,0)");
    assert!(pi.model.requests()[2].says("First answer."));
    judged_whole(&pi.env, "s");
}

#[test]
fn a_session_that_was_killed_before_pi_stored_anything_begins_anew_and_says_so() {
    let gate = Gate::new();
    let Some(pi) = Pi::start([Reply::new().open_text("Half").hold(&gate), done()]) else { return };
    let mut running = pi.command(&[], "First question").spawn();
    running.wait_for("a text", |event| event["type"] == "item.delta" && event["data"]["delta"] == "Half");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().signal(), Some(Signal::SIGKILL));
    pi.env.wait_until_none_is_alive();
    let second = pi.run(&[], "Second question", 0);
    assert_eq!(course(&second), "U T+ Y M T-(ok,0)");
    assert!(part(completed(&second, "system")[0], "text")["text"].as_str().unwrap().contains("begins anew"));
}

#[test]
fn a_compaction() {
    let script = [
        Reply::new().text("First answer."),
        Reply::new().text("Second answer."),
        Reply::new().text("A summary.").repeated(),
    ];
    let Some(pi) = Pi::start(script) else { return };
    pi.set("compaction", json!({ "keepRecentTokens": 1 }));
    pi.run(&[], "First question", 0);
    pi.run(&[], "Second question", 0);
    let events = pi.run(&[], "/compact", 0);
    assert_eq!(course(&events), "U T+ S:compaction Y T-(ok,0)");
    assert!(part(completed(&events, "system")[0], "text")["text"].as_str().unwrap().contains("A summary."));
    assert!(end(&events)["usage"]["total_tokens"].as_u64().unwrap() >= 110);
}

#[test]
fn a_picture() {
    let Some(pi) = Pi::start([Reply::new().text("A dot.")]) else { return };
    pi.env.write("dot.png", from_base64(PIXEL));
    let events = pi.run(&["--attach", "dot.png"], "What is it?", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    assert_eq!(part(completed(&events, "message")[0], "image")["mime"], "image/png");
    assert!(pi.model.requests()[0].says("data:image/"));
}

#[test]
fn dialogs_and_commands_of_the_users_own_extensions() {
    let Some(pi) = Pi::start([]) else { return };
    let extensions = pi.env.root().join("pi/extensions");
    fs::create_dir(&extensions).unwrap();
    let code = r#"
        export default function (pi) {
          pi.registerCommand("greet", { description: "greets", handler: async (words, ctx) => {
            const sure = await ctx.ui.confirm("Greeting", "Really?");
            const late = await ctx.ui.input("Name", "who", { timeout: 50 });
            ctx.ui.notify(`sure: ${sure}, name: ${late}`, "info");
          } });
        }"#;
    fs::write(extensions.join("greet.js"), code).unwrap();
    let events = pi.run(&["--on-ask", "deny"], "/greet me", 5);
    assert_eq!(course(&events), "U T+ C Q? Q!(rejected) O C Q? Q!(rejected) O Y T-(denied,5)");
    assert_eq!(part(completed(&events, "system")[0], "text")["text"], "sure: false, name: undefined");
}

#[test]
fn a_skill_of_the_session() {
    let Some(pi) = Pi::start([Reply::new().text("Hello."), Reply::new().text("Hello again.")]) else { return };
    let flags = equipment::skill(&pi.env);
    pi.run(&[&flags[0], &flags[1]], "Greet me", 0);
    pi.run(&[], "Greet me again", 0);
    for request in pi.model.requests() {
        assert!(request.says(SKILL), "the skill is told of: {:#}", request.body);
    }
    equipment::nothing_is_left(&pi.env);
    let server = equipment::server(&pi.env);
    let output = pi.command(&[&server[0], &server[1]], "Go").run().expect(2);
    assert!(output.stderr.contains("--mcp") && output.stderr.contains("pi"), "{}", output.stderr);
}
