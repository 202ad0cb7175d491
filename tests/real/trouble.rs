//! What goes wrong or comes seldom, through real agents: the rows of the table of scenarios that an agent's own tests leave open.

use super::equipment;
use super::everywhere::{Place, Start, Tongue, course_of};
use crate::env::wait_until;
use crate::events::{completed, course, end, interrupted, judged, of_type, part};
use crate::model::{Gate, Reply, done};
use serde_json::json;
use std::fs;

through!(reasoning: acp_opencode, acp_codex, acp_claude);
fn reasoning(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().reasoning("I think.").text("Hello.")]) else { return };
    let events = place.run(&[], "Say hello", 0);
    assert_eq!(course_of(&events), "U T+ R M T-(ok,0)");
    let thought = completed(&events, "message").into_iter().find(|item| item["content"][0]["type"] == "reasoning");
    assert_eq!(part(thought.unwrap(), "reasoning")["text"].as_str().unwrap().trim(), "I think.");
    assert_eq!(end(&events)["final_text"].as_str().unwrap().trim_start(), "Hello.");
}

// (Qwen Code takes whole paths only, and a script is written before its place is there.)
through!(a_new_file: acp_opencode, acp_codex, acp_claude);
fn a_new_file(start: Start) {
    let Some(place) = start(&|tongue| vec![tongue.new_file("new.txt", "fresh"), done()]) else { return };
    let events = place.run(&["--on-ask", "allow"], "Write it", 0);
    assert!(course_of(&events).starts_with("U T+ C P? P!(accept) O "), "{}", course_of(&events));
    let asked = of_type(&events, "permission.requested")[0];
    assert_eq!((&asked["action"], place.env.read("new.txt").as_str()), (&json!("edit"), "fresh\n"), "{asked}");
    let file = part(completed(&events, "tool_result")[0], "file_ref");
    assert_eq!(file["path"], json!(place.env.work().join("new.txt")));
    assert!(file["diff"].as_str().unwrap().contains("+fresh\n"), "{file}");
}

through!(two_tools_at_once: acp_opencode, acp_codex, acp_claude, acp_qwen);
fn two_tools_at_once(start: Start) {
    let script = |tongue: Tongue| vec![tongue.command("echo one").and(tongue.command("echo two")), done()];
    let Some(place) = start(&script) else { return };
    let events = place.run(&["--on-ask", "allow"], "Do both", 0);
    let (calls, results) = (completed(&events, "tool_call"), completed(&events, "tool_result"));
    assert_eq!((calls.len(), results.len()), (2, 2), "{}", course_of(&events));
    for word in ["one", "two"] {
        let command = format!("echo {word}");
        let call = calls.iter().find(|call| part(call, "tool_call")["arguments"].as_str().unwrap().contains(&command));
        let result = results.iter().find(|result| result["parent_id"] == call.unwrap()["item_id"]).unwrap();
        assert!(part(result, "tool_result")["output"].as_str().unwrap().contains(word), "{result}");
    }
}

/// A model that refuses every request.
fn refused(start: Start, reply: impl Fn() -> Reply, exit: i32, codes: &[&str]) {
    let Some(place) = start(&|_| vec![reply().header("retry-after-ms", "1").header("retry-after", "0").repeated()])
    else {
        return;
    };
    fails(&place, &[], exit, codes);
}

fn fails(place: &Place, arguments: &[&str], exit: i32, codes: &[&str]) {
    let events = place.run(arguments, "Go", exit);
    let code = end(&events)["error"]["code"].as_str().unwrap();
    assert!(codes.contains(&code), "{code}: {}", course(&events));
}

fn refusal(status: u16, message: &str) -> Reply {
    let kind = if status == 400 { "invalid_request_error" } else { "error" };
    Reply::status(status, json!({"type": "error", "error": {"message": message, "type": kind, "code": null}}))
}

through!(a_bad_request: codex, acp_opencode, acp_codex, acp_claude);
fn a_bad_request(start: Start) {
    // Over the protocol it is an internal error like any other.
    refused(start, || refusal(400, "It makes no sense"), 1, &["bad_request", "other"]);
}

through!(a_wrong_key: acp_opencode, acp_qwen);
fn a_wrong_key(start: Start) {
    refused(start, || refusal(401, "Incorrect API key provided"), 4, &["auth"]);
}

through!(too_many_requests: acp_codex, acp_claude);
fn too_many_requests(start: Start) {
    refused(start, || refusal(429, "Rate limit reached"), 75, &["rate_limit"]);
}

through!(a_broken_service: acp_codex, acp_claude);
fn a_broken_service(start: Start) {
    refused(start, || refusal(500, "It broke"), 75, &["server"]);
}

through!(an_overloaded_service: codex, acp_codex, acp_claude);
fn an_overloaded_service(start: Start) {
    refused(start, || refusal(529, "Overloaded"), 75, &["overloaded", "server"]);
}

through!(a_service_that_recovers: acp_opencode);
fn a_service_that_recovers(start: Start) {
    // It tries again for minutes, as long as it is told to wait, and says nothing of it over the protocol.
    let trouble = [(429, "Rate limit reached"), (500, "It broke"), (529, "Overloaded")];
    let script = |_| {
        let refusals = trouble.map(|(status, message)| refusal(status, message).header("retry-after-ms", "10"));
        refusals.into_iter().chain([Reply::new().text("At last.")]).collect()
    };
    let Some(place) = start(&script) else { return };
    let events = place.run(&[], "Go", 0);
    assert_eq!(end(&events)["final_text"], "At last.");
    assert!(place.model.requests().len() >= 4, "{}", course(&events));
}

through!(a_stream_that_breaks_once: acp_opencode, acp_codex, acp_claude);
fn a_stream_that_breaks_once(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().open_text("Half").cut(), Reply::new().text("Whole.")]) else {
        return;
    };
    let events = place.run(&[], "Go", 0);
    assert!(end(&events)["final_text"].as_str().unwrap().ends_with("Whole."), "{}", course(&events));
}

through!(a_full_context: acp_codex);
fn a_full_context(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().failed("context_length_exceeded", "Too long.").repeated()]) else {
        return;
    };
    fails(&place, &[], 7, &["context_full"]);
}

through!(a_full_context_is_compacted: acp_opencode);
fn a_full_context_is_compacted(start: Start) {
    let full = json!({"error": {"message": "This model's maximum context length is 10 tokens.", "type": "invalid_request_error",
        "code": "context_length_exceeded"}});
    let texts = |texts: &[&str]| texts.iter().map(|text| Reply::new().text(text)).collect::<Vec<_>>();
    let script = |_| {
        let mut script = texts(&["First answer.", "They talked.", "Second answer."]);
        script.insert(1, Reply::status(400, full.clone()));
        script
    };
    let Some(place) = start(&script) else { return };
    let first = place.run(&[], "First question", 0);
    assert_eq!(end(&first)["final_text"], "First answer.");
    let second = place.run(&[], "Second question", 0);
    assert!(end(&second)["final_text"].as_str().unwrap().ends_with("Second answer."), "{}", course(&second));
}

through!(an_answer_cut_by_its_limit: acp_codex);
fn an_answer_cut_by_its_limit(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("Cut off").incomplete("max_output_tokens").repeated()]) else {
        return;
    };
    fails(&place, &[], 7, &["max_tokens"]);
}

through!(a_refusal: codex, pi, acp_opencode, acp_codex, acp_claude);
fn a_refusal(start: Start) {
    let script = |tongue: Tongue| {
        let word = if tongue == Tongue::Claude { "refusal" } else { "content_filter" };
        vec![Reply::new().text("I cannot").incomplete(word).repeated()]
    };
    let Some(place) = start(&script) else { return };
    fails(&place, &[], 7, &["refusal"]);
}

through!(a_cut_answer_that_is_complete_over_the_protocol: acp_opencode);
fn a_cut_answer_that_is_complete_over_the_protocol(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("Cut off").incomplete("length").repeated()]) else { return };
    let events = place.run(&[], "Go", 0);
    assert_eq!((course_of(&events).as_str(), &end(&events)["final_text"]), ("U T+ M T-(ok,0)", &"Cut off".into()));
}

through!(ctrl_c_within_a_text: codex, pi, acp_claude, acp_qwen);
fn ctrl_c_within_a_text(start: Start) {
    let gate = Gate::new();
    let Some(place) = start(&|_| vec![Reply::new().open_text("Begun and ").hold(&gate)]) else { return };
    let mut running = place.command(&[]).args(&["--", "Go"]).spawn();
    running.wait_for("a delta", |event| event["type"] == "item.delta");
    let events = interrupted(&place.env, running);
    assert_eq!(course_of(&events), "U T+ M T-(cancelled,130)");
    assert_eq!(completed(&events, "message").last().unwrap()["status"], "cancelled");
}

through!(ctrl_c_within_a_command: acp_opencode, acp_codex, acp_claude, acp_qwen);
fn ctrl_c_within_a_command(start: Start) {
    // Some agents run no command that only sleeps.
    let Some(place) = start(&|tongue| vec![tongue.command("touch begun; tail -f /dev/null")]) else { return };
    let running = place.command(&["--on-ask", "allow"]).args(&["--", "Go"]).spawn();
    wait_until("the command", || place.env.work().join("begun").exists().then_some(()));
    let events = interrupted(&place.env, running);
    assert!(course(&events).ends_with("T-(cancelled,130)"), "{}", course(&events));
    assert_eq!(completed(&events, "tool_result")[0]["status"], "cancelled");
}

through!(ctrl_c_within_a_retry: codex, opencode, acp_opencode, acp_codex, acp_claude);
fn ctrl_c_within_a_retry(start: Start) {
    let refuses = || refusal(500, "It broke").header("retry-after", "30").header("retry-after-ms", "30000").repeated();
    let Some(place) = start(&|_| vec![refuses()]) else { return };
    // Not every agent says that it tries again.
    let running = place.command(&[]).args(&["--", "Go"]).spawn();
    wait_until("a request", || (!place.model.requests().is_empty()).then_some(()));
    let events = interrupted(&place.env, running);
    assert!(course(&events).ends_with("T-(cancelled,130)"), "{}", course(&events));
}

through!(a_model_that_nobody_has: acp_codex, acp_claude);
fn a_model_that_nobody_has(start: Start) {
    let Some(place) = start(&|_| Vec::new()) else { return };
    fails(&place, &["--model", "no-such-model"], 1, &["model_not_found", "bad_request"]);
}

// The service says so: any name may be a model's.
through!(a_model_that_the_service_has_not: codex);
fn a_model_that_the_service_has_not(start: Start) {
    let gone = json!({"error": {"message": "The model `nope` does not exist", "type": "invalid_request_error", "code": "model_not_found"}});
    let Some(place) = start(&|_| vec![Reply::status(404, gone.clone()).repeated()]) else { return };
    fails(&place, &["--model", "nope"], 1, &["model_not_found"]);
}

through!(no_key_at_all: acp_codex, acp_claude);
fn no_key_at_all(start: Start) {
    let Some(place) = start(&|_| Vec::new()) else { return };
    let keyless = place.command(&[]).without("SCRIPTED_API_KEY").without("ANTHROPIC_API_KEY").args(&["--", "Go"]);
    assert_eq!(end(&judged(&place.env, &keyless.run().expect(4)))["error"]["code"], "auth");
}

// A server of the session's, called by the name that the agent gives its tools.
through!(an_mcp_call: acp_codex, acp_claude, acp_qwen);
fn an_mcp_call(start: Start) {
    let script = |tongue: Tongue| vec![tongue.shout("hello"), done()];
    let Some(place) = start(&script) else { return };
    let flags = equipment::server(&place.env);
    let events = place.run(&[&flags[0], &flags[1], "--permission-mode", "bypass"], "Shout", 0);
    assert_eq!(completed(&events, "tool_result").len(), 1, "{}", course_of(&events));
    assert!(place.model.requests()[1].tool_output("call_1_1").unwrap().contains("HELLO"));
}

through!(a_picture: acp_opencode, acp_claude);
fn a_picture(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("A dot.")]) else { return };
    fs::write(place.env.work().join("dot.png"), super::codex::from_base64(super::codex::PIXEL)).unwrap();
    let events = place.run(&["--attach", "dot.png"], "What is it?", 0);
    assert_eq!(course_of(&events), "U T+ M T-(ok,0)");
    assert!(place.model.requests()[0].says(super::codex::PIXEL), "the picture is there");
}

through!(an_effort: claude, codex, acp_codex);
fn an_effort(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("Hello.")]) else { return };
    place.run(&["--effort", "low"], "Say hello", 0);
    assert!(place.model.requests()[0].has("low"));
}

through!(an_edited_input: claude, pi);
fn an_edited_input(start: Start) {
    let Some(place) = start(&|tongue| vec![tongue.command("touch one.txt"), done()]) else { return };
    let mut running = place.command(&["--input", "ndjson", "--", "Make a file"]).converse();
    let asked = running.wait_for("a request", |event| event["type"] == "permission.requested");
    let mut input = asked["data"]["input"].clone();
    input["command"] = json!("touch two.txt");
    let id = &asked["data"]["permission_id"];
    running.say(&json!({"type": "answer", "request_id": id, "decision": "accept", "input": input}));
    running.end_input();
    let events = judged(&place.env, &running.wait().expect(0));
    assert_eq!(of_type(&events, "permission.resolved")[0]["input"]["command"], "touch two.txt");
    assert!(place.env.work().join("two.txt").exists() && !place.env.work().join("one.txt").exists());
}

through!(a_session_goes_on_elsewhere: codex);
fn a_session_goes_on_elsewhere(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("First answer."), Reply::new().text("Second.")]) else {
        return;
    };
    place.run(&[], "First question", 0);
    let there = place.env.root().join("there");
    fs::create_dir(&there).unwrap();
    let words = ["run", "-C", there.to_str().unwrap(), "--session", "s", "--", "Second question"];
    let events = judged(&place.env, &place.env.run(&words).expect(0));
    assert_eq!(of_type(&events, "session.started")[0]["cwd"], json!(there));
    assert!(place.model.requests()[1].says("First answer."));
}

through!(a_copy: acp_opencode, acp_codex);
fn a_copy(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("First answer."), Reply::new().text("Second.")]) else {
        return;
    };
    place.run(&[], "First question", 0);
    let words = ["run", "--agent", &place.agent, "--session", "copy", "--fork", "s", "--", "Second question"];
    let events = judged(&place.env, &place.env.run(&words).expect(0));
    assert!(place.model.requests().last().unwrap().says("First answer."), "{}", course(&events));
    let first = place.env.run(&["sessions", "show", "s"]).expect(0).object();
    assert_ne!(first["native_session_id"], events.last().unwrap()["native_session_id"]);
}

through!(a_text_goes_with_it: acp_opencode);
fn a_text_goes_with_it(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("Forty-one.")]) else { return };
    place.env.write("notes.txt", "The number is 41.\n");
    place.run(&["--attach", "notes.txt"], "What is the number?", 0);
    assert!(place.model.requests()[0].says("The number is 41."));
}

through!(money: acp_claude);
fn money(start: Start) {
    let Some(place) = start(&|_| vec![Reply::new().text("Hello.")]) else { return };
    let events = place.run(&[], "Say hello", 0);
    assert!(end(&events)["cost"]["usd"].as_f64().is_some_and(|usd| usd > 0.0), "{}", end(&events));
}

through!(a_plan: codex, acp_claude);
fn a_plan(start: Start) {
    let script = |tongue: Tongue| match tongue {
        Tongue::Claude => vec![Reply::new().text("I plan.").call("ExitPlanMode", json!({"plan": "1. Look."})), done()],
        Tongue::Codex | Tongue::CodexInSandbox | Tongue::OpenCode | Tongue::Pi | Tongue::Qwen => {
            vec![Reply::new().text("I plan.\n<proposed_plan>\n1. Look.\n</proposed_plan>\n")]
        }
    };
    let Some(place) = start(&script) else { return };
    let events = place.run(&["--mode", "plan", "--on-ask", "allow"], "Plan it", 0);
    let asked = of_type(&events, "permission.requested").iter().any(|asked| asked["action"] == "plan");
    let told = completed(&events, "status").into_iter().find(|item| item["content"][0]["label"] == "plan");
    assert!(asked || told.is_some_and(|plan| part(plan, "text")["text"] == "1. Look.\n"), "{events:#?}");
}
