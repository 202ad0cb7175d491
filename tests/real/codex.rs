//! The real Codex through `sandbox-agent run`, against the scripted model.

use super::equipment;
use crate::env::{Program, TestEnv, wait_until};
use crate::events::{completed, course, end, interrupted, judged, judged_whole, of_type, part};
use crate::model::{Gate, Model, Reply, Usage, done};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A picture of one dot, as PNG in base64.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The namespace in which Codex offers the tools of `mcp_server`.
pub(crate) const MCP_NAMESPACE: &str = "mcp__test";

/// Configuration that gives Codex a small MCP server, run by the Node that npm needs anyway.
pub(crate) fn mcp_server() -> String {
    let node = equipment::node();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/mcp.mjs");
    format!("[mcp_servers.test]\ncommand = {node:?}\nargs = [{script:?}]")
}

/// A place where Codex is on the PATH, configured for a model of its own.
pub(crate) struct Codex {
    pub(crate) env: TestEnv,
    pub(crate) model: Model,
    pub(crate) program: PathBuf,
}

impl Codex {
    /// Nothing when real agents are left out.
    pub(crate) fn start(script: impl IntoIterator<Item = Reply>) -> Option<Codex> {
        Codex::configured(script, "")
    }

    /// The same with more lines of Codex's own configuration.
    pub(crate) fn configured(script: impl IntoIterator<Item = Reply>, more: &str) -> Option<Codex> {
        let program = super::codex_program()?;
        let mut env = TestEnv::new();
        let model = Model::start(script);
        let home = env.root().join("codex");
        fs::create_dir(&home).unwrap();
        // Without plugins and the rest it asks nobody but the model; few retries, because their waits grow.
        let configuration = format!(
            r#"
            model = "gpt-5.5"
            model_provider = "scripted"
            check_for_update_on_startup = false
            [analytics]
            enabled = false
            [features]
            plugins = false
            [model_providers.scripted]
            name = "Scripted"
            base_url = "{}/v1"
            wire_api = "responses"
            env_key = "SCRIPTED_API_KEY"
            request_max_retries = 1
            stream_max_retries = 1
            {more}
            "#,
            model.url()
        );
        fs::write(home.join("config.toml"), configuration).unwrap();
        env.set("CODEX_HOME", home);
        env.set("SCRIPTED_API_KEY", "sk-scripted-key");
        // Its own bubblewrap by the name it looks for: whether it warns must not depend on the machine.
        let programs = env.root().join("programs");
        fs::create_dir(&programs).unwrap();
        symlink(program.parent().unwrap().join("../codex-resources/bwrap"), programs.join("bwrap")).unwrap();
        env.add_to_path(&programs);
        env.add_to_path(program.parent().unwrap());
        Some(Codex { env, model, program })
    }
}

/// Runs Codex through our program in the session `s`, and judges what came of it.
fn run(codex: &Codex, arguments: &[&str], prompt: &str, code: i32) -> Vec<Value> {
    let output = codex.command(arguments, prompt).run().expect(code);
    judged(&codex.env, &output)
}

impl Codex {
    fn command(&self, arguments: &[&str], prompt: &str) -> Program {
        self.env.command(&["run", "--agent", "codex", "--session", "s"]).args(arguments).args(&["--", prompt])
    }
}

fn call(command: &str) -> Reply {
    Reply::new().call("exec_command", json!({"cmd": command}))
}

#[test]
fn text() {
    let Some(codex) = Codex::start([Reply::new().text("Hello, héllo, 你好.")]) else { return };
    let events = run(&codex, &[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    let started = of_type(&events, "session.started")[0];
    assert_eq!((&started["agent"], &started["resumed"]), (&json!("codex"), &json!(false)));
    assert_eq!(started["cwd"], codex.env.work().to_str().unwrap());
    assert!(of_type(&events, "item.delta").len() > 1, "the text should arrive in pieces");
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello, héllo, 你好.");
    assert_eq!(end["usage"]["input_tokens"], 100);
    assert_eq!(end["usage"]["output_tokens"], 10);
    assert_eq!(end["usage"]["total_tokens"], 110);
    assert!(events.last().unwrap()["native_session_id"].is_string());
    let requests = codex.model.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].says("Say hello"));
}

#[test]
fn reasoning() {
    let usage = Usage { input: 200, cached: 150, output: 30, reasoning: 20 };
    let reply = Reply::new().reasoning("The user greets.").thoughts("Be kind.").text("Hello.").usage(usage);
    let Some(codex) = Codex::start([reply]) else { return };
    let events = run(&codex, &[], "Say hello", 0);
    assert_eq!(course(&events), "U T+ R R M T-(ok,0)");
    let messages = completed(&events, "message");
    assert_eq!(
        *part(messages[1], "reasoning"),
        json!({"type": "reasoning", "text": "The user greets.", "visibility": "public"})
    );
    assert_eq!(
        *part(messages[2], "reasoning"),
        json!({"type": "reasoning", "text": "Be kind.", "visibility": "private"})
    );
    let end = end(&events);
    assert_eq!(end["final_text"], "Hello.");
    assert_eq!(end["usage"]["cached_input_tokens"], 150);
    assert_eq!(end["usage"]["reasoning_tokens"], 20);
}

#[test]
fn a_command_with_bypass() {
    let Some(codex) = Codex::start([call("touch made.txt && echo made"), done()]) else { return };
    let events = run(&codex, &["--permission-mode", "bypass"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!(call["kind"], "command");
    assert!(call["arguments"].as_str().unwrap().contains("touch made.txt"), "{call}");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "completed");
    assert_eq!(
        (&part(result, "tool_result")["output"], &part(result, "tool_result")["exit_code"]),
        (&json!("made\n"), &json!(0))
    );
    assert!(codex.env.work().join("made.txt").exists());
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("made"));
    let end = end(&events);
    assert_eq!(end["usage"]["total_tokens"], 220, "two requests, one turn");
}

#[test]
fn a_dangerous_command_with_bypass_is_accepted_by_us() {
    let Some(codex) = Codex::start([call("rm -rf doomed"), done()]) else { return };
    codex.env.write("doomed", "");
    let events = run(&codex, &["--permission-mode", "bypass"], "Remove it", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    assert_eq!(of_type(&events, "permission.resolved")[0]["resolved_by"], "policy");
    assert!(!codex.env.work().join("doomed").exists());
}

#[test]
fn a_command_allowed_by_a_rule() {
    let Some(codex) = Codex::start([call("touch made.txt"), done()]) else { return };
    let events = run(&codex, &["--allow", "command:touch *"], "Make a file", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["command"]), (&json!("command"), &json!("touch made.txt")));
    assert_eq!(asked["cwd"], codex.env.work().to_str().unwrap());
    let resolved = of_type(&events, "permission.resolved")[0];
    assert_eq!(resolved["resolved_by"], "policy");
    assert!(resolved["rule"].as_str().unwrap().contains("touch *"), "{resolved}");
    assert!(codex.env.work().join("made.txt").exists());
}

#[test]
fn a_command_denied() {
    let Some(codex) = Codex::start([call("touch never.txt"), Reply::new().text("Understood.")]) else { return };
    let events = run(&codex, &["--on-ask", "deny"], "Make a file", 5);
    assert_eq!(course(&events), "U T+ C P? P!(reject) O M T-(denied,5)");
    assert_eq!(end(&events)["denied"], json!([of_type(&events, "permission.requested")[0]["permission_id"]]));
    assert_eq!(end(&events)["final_text"], "Understood.");
    assert!(!codex.env.work().join("never.txt").exists());
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("rejected by user"));
}

#[test]
fn a_command_that_fails() {
    let Some(codex) = Codex::start([call("echo trouble >&2; exit 3"), done()]) else { return };
    let events = run(&codex, &["--permission-mode", "bypass"], "Try it", 0);
    assert_eq!(course(&events), "U T+ C O M T-(ok,0)");
    let result = completed(&events, "tool_result")[0];
    assert_eq!(result["status"], "failed");
    assert_eq!(
        (&part(result, "tool_result")["output"], &part(result, "tool_result")["exit_code"]),
        (&json!("trouble\n"), &json!(3))
    );
}

#[test]
fn a_patch() {
    let patch = "*** Begin Patch\n*** Add File: hello.txt\n+one\n+two\n*** Update File: old.txt\n@@\n-before\n+after\n*** End Patch";
    let Some(codex) = Codex::start([Reply::new().plain_call("apply_patch", patch), done()]) else { return };
    codex.env.write("old.txt", "before\n");
    let events = run(&codex, &["--permission-mode", "accept-edits"], "Patch it", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O S:diff M T-(ok,0)");
    let path = |name: &str| codex.env.work().join(name).to_str().unwrap().to_owned();
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!(asked["action"], "edit");
    assert_eq!(asked["paths"], json!([path("hello.txt"), path("old.txt")]));
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "edit");
    let result = completed(&events, "tool_result")[0];
    let files: Vec<_> =
        result["content"].as_array().unwrap().iter().filter(|part| part["type"] == "file_ref").collect();
    for (file, name, action, line) in
        [(files[0], "hello.txt", "create", "+two\n"), (files[1], "old.txt", "update", "-before\n+after\n")]
    {
        assert_eq!((&file["path"], &file["action"]), (&json!(path(name)), &json!(action)));
        let diff = file["diff"].as_str().unwrap();
        assert!(diff.starts_with("diff --git ") && diff.contains(line) && diff.contains("\n@@ "), "{diff}");
    }
    assert_eq!(
        (codex.env.read("hello.txt"), codex.env.read("old.txt")),
        ("one\ntwo\n".to_owned(), "after\n".to_owned())
    );
}

#[test]
fn an_mcp_call() {
    let script = [
        Reply::new().call_in(MCP_NAMESPACE, "shout", json!({"text": "hello"})),
        Reply::new().call_in(MCP_NAMESPACE, "fail", json!({})),
        done(),
    ];
    let Some(codex) = Codex::configured(script, &mcp_server()) else { return };
    let events = run(&codex, &["--permission-mode", "bypass"], "Shout", 0);
    assert_eq!(course(&events), "U T+ C P? P!(accept) O C P? P!(accept) O M T-(ok,0)");
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], &asked["server"], &asked["tool"]), (&json!("mcp"), &json!("test"), &json!("shout")));
    let call = part(completed(&events, "tool_call")[0], "tool_call");
    assert_eq!((&call["kind"], &call["server"], &call["name"]), (&json!("mcp"), &json!("test"), &json!("shout")));
    let results = completed(&events, "tool_result");
    assert_eq!(
        (&results[0]["status"], &part(results[0], "tool_result")["output"]),
        (&json!("completed"), &json!("HELLO"))
    );
    assert_eq!(
        (&results[1]["status"], &part(results[1], "tool_result")["output"]),
        (&json!("failed"), &json!("it failed"))
    );
    assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains("HELLO"));
}

#[test]
fn two_tools_at_once() {
    let Some(codex) = Codex::start([
        call("while ! test -e other; do sleep 0.01; done; echo first")
            .call("exec_command", json!({"cmd": "touch other; echo second"})),
        done(),
    ]) else {
        return;
    };
    let events = run(&codex, &["--permission-mode", "bypass"], "Do both", 0);
    let course = course(&events);
    assert!(["U T+ C O C O M T-(ok,0)", "U T+ C C O O M T-(ok,0)"].contains(&course.as_str()), "{course}");
    let results = completed(&events, "tool_result");
    let mut outputs: Vec<_> =
        results.iter().map(|result| part(result, "tool_result")["output"].as_str().unwrap()).collect();
    outputs.sort();
    assert_eq!(outputs, ["first\n", "second\n"]);
}

/// A sub-agent that speaks when the first gate opens, under an agent that ends when the second does.
fn sub_agent(child: &Gate, main: &Gate) -> [Reply; 3] {
    let task = "CHILD: look around";
    [
        Reply::new().text("Delegating.").call_in("multi_agent_v1", "spawn_agent", json!({"message": task})),
        Reply::new().hold(child).text("Child finished.").when(task).when_not("Delegating."),
        Reply::new().hold(main).text("Main finished."),
    ]
}

fn says(text: &str) -> impl Fn(&Value) -> bool {
    move |event| event["type"] == "item.completed" && event["data"]["item"]["content"][0]["text"] == text
}

#[test]
fn a_sub_agent_that_reports_in_time() {
    let (child, main) = (Gate::new(), Gate::new());
    // A report that comes before the main agent has ended its turn is given to its model, which is then asked once more.
    let [first, second, third] = sub_agent(&child, &main);
    let Some(codex) = Codex::start([first, second, third.repeated()]) else { return };
    child.open();
    let mut running = codex.command(&["--permission-mode", "bypass"], "Delegate this").spawn();
    running.wait_for("the sub-agent's text", says("Child finished."));
    main.open();
    let events = judged(&codex.env, &running.wait().expect(0));
    let answers = events.iter().filter(|event| says("Main finished.")(event)).count();
    assert!((1..=2).contains(&answers), "{answers}");
    let course = course(&events);
    assert_eq!(course, format!("U T+ M C O Y^ M^{} T-(ok,0)", " M".repeat(answers)));
    assert_eq!(part(completed(&events, "tool_call")[0], "tool_call")["kind"], "agent");
    assert_eq!(end(&events)["final_text"], "Main finished.".repeat(answers));
    assert_eq!(end(&events)["usage"]["total_tokens"], 220 + 110 * answers, "sub-agents count");
}

#[test]
fn a_sub_agent_that_reports_late() {
    let (child, main) = (Gate::new(), Gate::new());
    let Some(codex) = Codex::start(sub_agent(&child, &main)) else { return };
    main.open();
    let mut running = codex.command(&["--permission-mode", "bypass"], "Delegate this").spawn();
    running.wait_for("the main agent's text", says("Main finished."));
    child.open();
    let events = judged(&codex.env, &running.wait().expect(0));
    assert!(events.iter().any(says("Child finished.")), "the run waits for its sub-agents: {}", course(&events));
    assert_eq!(end(&events)["final_text"], "Main finished.");
}

/// How a turn ends that the model refuses like this, after one retry where there is one.
fn refused(reply: Reply, code: i32, expected: &str, word: &str) {
    let Some(codex) = Codex::start([reply.repeated()]) else { return };
    let events = run(&codex, &[], "Go", code);
    assert_eq!(course(&events), expected);
    let errors = of_type(&events, "error");
    assert_eq!(errors.last().unwrap()["code"], word);
    assert!(errors[..errors.len() - 1].iter().all(|error| error["recoverable"] == true), "{errors:?}");
}

fn refusal(status: u16, message: &str) -> Reply {
    Reply::status(status, json!({"error": {"message": message, "type": "error", "code": null}}))
}

#[test]
fn a_wrong_key() {
    refused(refusal(401, "Incorrect API key provided"), 4, "U T+ E E T-(auth,4)", "auth");
}

#[test]
fn too_many_requests() {
    refused(refusal(429, "Slow down").header("retry-after", "0"), 75, "U T+ E E T-(retry,75)", "rate_limit");
}

#[test]
fn a_broken_service() {
    refused(refusal(500, "It broke"), 75, "U T+ E E T-(retry,75)", "server");
}

#[test]
fn a_stream_that_always_breaks() {
    let Some(codex) = Codex::start([Reply::new().open_text("Half").cut().repeated()]) else { return };
    let events = run(&codex, &[], "Go", 75);
    let end = end(&events);
    assert_eq!((&end["outcome"], &end["error"]["code"]), (&json!("retry"), &json!("network")));
    assert!(completed(&events, "message")[1..].iter().all(|message| message["status"] == "failed"), "{events:#?}");
}

#[test]
fn a_stream_that_breaks_once() {
    let Some(codex) = Codex::start([Reply::new().open_text("Half").cut(), Reply::new().text("Whole.")]) else { return };
    let events = run(&codex, &[], "Go", 0);
    let course = course(&events);
    // Which of the two comes first is nobody's promise.
    assert!(
        ["U T+ M E S:retracted M T-(ok,0)", "U T+ M S:retracted E M T-(ok,0)"].contains(&course.as_str()),
        "{course}"
    );
    let messages = completed(&events, "message");
    assert_eq!((&messages[1]["status"], &part(messages[1], "text")["text"]), (&json!("failed"), &json!("Half")));
    let retracted = part(
        completed(&events, "status").into_iter().find(|item| item["content"][0]["label"] == "retracted").unwrap(),
        "json",
    );
    assert_eq!(retracted["json"]["item_ids"], json!([messages[1]["item_id"]]));
    assert_eq!(end(&events)["final_text"], "Whole.");
}

#[test]
fn an_answer_cut_by_its_limit() {
    let Some(codex) = Codex::start([Reply::new().text("Cut off").incomplete("max_output_tokens")]) else { return };
    let events = run(&codex, &[], "Go", 7);
    assert_eq!(course(&events), "U T+ M E T-(limit,7)");
    assert_eq!(end(&events)["error"]["code"], "max_tokens");
}

#[test]
fn a_full_context() {
    refused(Reply::new().failed("context_length_exceeded", "Too long."), 7, "U T+ E T-(limit,7)", "context_full");
}

#[test]
fn no_key_at_all() {
    let Some(codex) = Codex::start([]) else { return };
    let output = codex.command(&[], "Go").without("SCRIPTED_API_KEY").run().expect(4);
    assert_eq!(course(&judged(&codex.env, &output)), "U T+ E T-(auth,4)");
}

/// Whether the command that tests interrupt is alive.
fn sleeping(codex: &Codex) -> bool {
    codex.env.alive().iter().any(|process| process.command == "sleep 1000")
}

#[test]
fn ctrl_c_within_a_command() {
    let Some(codex) = Codex::start([call("echo begun; sleep 1000")]) else { return };
    let mut running = codex.command(&["--permission-mode", "bypass"], "Sleep").spawn();
    running.wait_for("the command", |event| {
        event["type"] == "item.started" && event["data"]["item"]["kind"] == "tool_result"
    });
    wait_until("the command", || sleeping(&codex).then_some(()));
    let events = interrupted(&codex.env, running);
    assert_eq!(course(&events), "U T+ C O T-(cancelled,130)");
    let result = completed(&events, "tool_result")[0];
    assert_eq!((&result["status"], &part(result, "tool_result")["output"]), (&json!("cancelled"), &json!("begun\n")));
}

#[test]
fn a_timeout_within_a_command() {
    let Some(codex) = Codex::start([call("echo begun; sleep 1000")]) else { return };
    let events = run(&codex, &["--permission-mode", "bypass", "--timeout", "5s"], "Sleep", 124);
    assert_eq!(course(&events), "U T+ C O E T-(timeout,124)");
    assert_eq!(completed(&events, "tool_result")[0]["status"], "cancelled");
}

#[test]
fn a_timeout_within_a_text() {
    let gate = Gate::new();
    let Some(codex) = Codex::start([Reply::new().open_text("Counting").hold(&gate)]) else { return };
    let events = run(&codex, &["--timeout", "5s"], "Count", 124);
    assert_eq!(course(&events), "U T+ M E T-(timeout,124)");
    let message = completed(&events, "message")[1];
    assert_eq!((&message["status"], &part(message, "text")["text"]), (&json!("cancelled"), &json!("Counting")));
}

#[test]
fn a_session_goes_on_in_a_new_process() {
    let Some(codex) = Codex::start([Reply::new().text("First answer."), Reply::new().text("Second answer.")]) else {
        return;
    };
    let first = run(&codex, &[], "First question", 0);
    let second = run(&codex, &[], "Second question", 0);
    assert_eq!(course(&second), "U T+ M T-(ok,0)");
    assert_eq!(second[0]["sequence"].as_u64().unwrap(), first.len() as u64 + 1);
    assert_eq!(second.last().unwrap()["native_session_id"], first.last().unwrap()["native_session_id"]);
    assert_eq!(of_type(&second, "session.started")[0]["resumed"], true);
    assert_eq!(end(&second)["usage"]["total_tokens"], 110, "usage is of one turn");
    let request = &codex.model.requests()[1];
    assert!(request.says("First question") && request.says("First answer.") && request.says("Second question"));
    assert_eq!(judged_whole(&codex.env, "s").len(), first.len() + second.len());
    let row = codex.env.run(&["sessions", "show", "s"]).expect(0).object();
    assert_eq!((&row["turns"], &row["usage"]["total_tokens"]), (&json!(2), &json!(220)));
}

#[test]
fn a_picture() {
    let Some(codex) = Codex::start([Reply::new().text("A dot.")]) else { return };
    codex.env.write("dot.png", from_base64(PIXEL));
    let events = run(&codex, &["--attach", "dot.png"], "What is it?", 0);
    assert_eq!(course(&events), "U T+ M T-(ok,0)");
    assert_eq!(part(completed(&events, "message")[0], "image")["mime"], "image/png");
    assert!(codex.model.requests()[0].says("data:image/png;base64,"));
}

pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for digit in text.bytes().take_while(|byte| *byte != b'=') {
        bits = bits << 6 | digits.iter().position(|known| *known == digit).unwrap() as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// Codex takes no key from the environment: it is logged in with it, for this process only.
#[test]
fn a_key_is_handed_over() {
    let reply = || Reply::new().text("Hello.");
    let Some(codex) = Codex::start([reply(), reply()]) else { return };
    let key = "sk-from-the-environment";
    let provider = format!(
        "model_providers.theirs={{name=\"Theirs\",base_url=\"{}/v1\",wire_api=\"responses\",requires_openai_auth=true}}",
        codex.model.url()
    );
    let provider = format!("--agent-arg={provider}");
    let arguments = ["--agent-arg=-c", "--agent-arg=model_provider=theirs", "--agent-arg=-c", &provider];
    let output = codex.command(&arguments, "Say hello").var("OPENAI_API_KEY", key).run().expect(0);
    let events = judged(&codex.env, &output);
    assert_eq!(events[0]["data"]["metadata"]["credentials"][0]["source"], "env:OPENAI_API_KEY");
    assert_eq!(codex.model.requests().last().unwrap().header("authorization"), Some(&*format!("Bearer {key}")));
    assert!(!output.text().contains(key));
    let login = codex.env.root().join("codex/auth.json");
    assert!(!login.exists(), "nothing is written into the user's login");

    // With a login of its own it gets nothing from us.
    fs::write(&login, json!({"OPENAI_API_KEY": "sk-its-own-login"}).to_string()).unwrap();
    let output = codex.command(&arguments, "Say hello again").var("OPENAI_API_KEY", key).run().expect(0);
    let events = judged(&codex.env, &output);
    assert_eq!(events[0]["data"]["metadata"], json!(null));
    assert_eq!(codex.model.requests().last().unwrap().header("authorization"), Some("Bearer sk-its-own-login"));
}

#[test]
fn a_private_home_hides_the_users_own() {
    let Some(codex) = Codex::start([done(), Reply::new().text("First answer."), Reply::new().text("Second answer.")])
    else {
        return;
    };
    fs::write(codex.env.root().join("codex/AGENTS.md"), "The word of the user is plugh.").unwrap();
    run(&codex, &[], "Go", 0);
    let provider = format!(
        "model_providers.other={{name=\"Other\",base_url=\"{}/v1\",wire_api=\"responses\",env_key=\"SCRIPTED_API_KEY\"}}",
        codex.model.url()
    );
    let own = ["model_provider=\"other\"", &provider, "features.plugins=false", "analytics.enabled=false"];
    let isolated = |arguments: &[&str], prompt: &str| {
        let own: Vec<&str> = own.iter().flat_map(|value| ["--agent-arg", "-c", "--agent-arg", value]).collect();
        let run = codex.env.command(&["run", "--agent", "codex", "--session", "alone", "--model", "gpt-5.5"]);
        judged(&codex.env, &run.args(&own).args(arguments).args(&["--", prompt]).run().expect(0))
    };
    isolated(&["--isolated"], "First question");
    isolated(&[], "Second question");
    let requests = codex.model.requests();
    assert!(requests[0].says("plugh"), "the user's own is there without the flag");
    assert!(!requests[1].says("plugh") && !requests[2].says("plugh"));
    assert!(requests[2].says("First answer."), "its conversation lies in its home");
    equipment::nothing_is_left(&codex.env);
}
