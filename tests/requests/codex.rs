//! The real Codex in the background, driven from a second process only: `answer`, `send`, `cancel`, `wait`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{asked, keepers, turn_ends, wait, whole};
use crate::env::{TestEnv, wait_until};
use crate::events::{course, end, of_type};
use crate::model::{Reply, done};
use crate::real::codex::Codex;

/// Starts the session `s` in the background.
fn detach(codex: &Codex, more: &[&str], prompt: &str) {
    let command = codex.env.command(&["run", "-a", "codex", "-s", "s", "--detach"]);
    command.args(more).args(&["--", prompt]).run().expect(0);
}

/// Waits until two requests are open.
fn asked_twice(env: &TestEnv) -> [String; 2] {
    wait_until("both requests", || {
        let pending = env.run(&["sessions", "show", "s"]).object()["pending"].clone();
        serde_json::from_value(pending).ok()
    })
}

fn call(command: &str) -> Reply {
    Reply::new().call("exec_command", json!({"cmd": command}))
}

fn exists(env: &TestEnv, name: &str) -> bool {
    env.work().join(name).exists()
}

#[test]
fn allowed_once() {
    let Some(codex) = Codex::start([call("touch made"), call("touch made"), done()]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Make it");
    let first = asked(env, "s");
    assert!(!exists(env, "made"));
    env.run(&["answer", "s", "--accept"]).expect(0);
    // Once is once.
    let second = asked(env, "s");
    assert_ne!(first, second);
    env.run(&["answer", "s", &second, "--accept"]).expect(0);
    wait(env, "s", &["--for", "idle"]).expect(0);
    assert_eq!(course(&whole(env, "s")), "U T+ C P? P!(accept) O C P? P!(accept) O M T-(ok,0)");
    assert!(exists(env, "made"));
}

#[test]
fn allowed_for_the_session() {
    let script = [call("touch made"), call("touch made"), call("touch other"), done()];
    let Some(codex) = Codex::start(script) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Make it");
    asked(env, "s");
    let resolved = env.run(&["answer", "s", "--accept-for-session"]).expect(0).object();
    assert_eq!(resolved["data"]["scope"], json!({"kind": "command", "pattern": "touch made"}));
    // The same is not asked again; another is.
    let request = asked(env, "s");
    let events = env.run(&["events", "s"]).expect(0).lines();
    let by: Vec<_> = of_type(&events, "permission.resolved").iter().map(|one| &one["resolved_by"]).collect();
    assert_eq!(by, ["user", "policy"]);
    assert!(of_type(&events, "permission.requested")[2]["command"].to_string().contains("touch other"));
    assert!(exists(env, "made") && !exists(env, "other"));
    env.run(&["answer", "s", &request, "--accept"]).expect(0);
    wait(env, "s", &["--for", "idle"]).expect(0);
    whole(env, "s");
    assert!(exists(env, "other"));
}

#[test]
fn denied_with_a_reason_that_reaches_the_model() {
    // Where the reason comes while the model is asked already, it is asked once more.
    let Some(codex) = Codex::start([call("mv a b"), done().repeated()]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Move it");
    asked(env, "s");
    env.run(&["answer", "s", "--reject", "--message", "use git mv"]).expect(0);
    wait(env, "s", &["--for", "idle"]).expect(5);
    let events = whole(env, "s");
    assert_eq!(of_type(&events, "permission.resolved")[0]["message"], "use git mv");
    // Codex takes no reason with a denial: it follows as a prompt into the running turn.
    let requests = codex.model.requests();
    assert!(requests.len() > 1 && requests[1..].iter().any(|request| request.says("use git mv")), "{requests:#?}");
    assert_eq!(turn_ends(&events).len(), 1, "one turn");
}

#[test]
fn an_edited_command_is_refused_and_the_request_stays_open() {
    let Some(codex) = Codex::start([call("touch made"), done()]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Make it");
    let request = asked(env, "s");
    let refused = env.run(&["answer", "s", "--with-input", r#"{"command":"touch other"}"#]).expect(2);
    assert!(refused.stderr.contains("codex") && refused.stderr.contains("edit"), "{}", refused.stderr);
    assert_eq!(asked(env, "s"), request);
    env.run(&["answer", "s", "--accept"]).expect(0);
    wait(env, "s", &["--for", "idle"]).expect(0);
    whole(env, "s");
    assert!(exists(env, "made") && !exists(env, "other"));
}

#[test]
fn a_question_by_choice_and_by_text() {
    for (answer, wanted) in [(["--option", "blue"], "Blue"), (["--text", "mauve"], "mauve")] {
        let options = json!([{"label": "Red", "description": "Warm."}, {"label": "Blue", "description": "Cold."}]);
        let questions = json!([{"id": "colour", "header": "Colour", "question": "Which colour?", "options": options}]);
        let asks = Reply::new().call("request_user_input", json!({"questions": questions}));
        let Some(codex) = Codex::start([asks, done()]) else { return };
        let env = &codex.env;
        detach(&codex, &["--mode", "plan"], "Ask me");
        assert!(asked(env, "s").starts_with("qst_"));
        let resolved = env.run(&["answer", "s"].iter().chain(&answer).copied().collect::<Vec<_>>()).expect(0).object();
        assert_eq!(resolved["data"]["response"], wanted);
        wait(env, "s", &["--for", "idle"]).expect(0);
        whole(env, "s");
        assert!(codex.model.requests()[1].tool_output("call_1_1").unwrap().contains(wanted));
    }
}

#[test]
fn a_patch_is_approved() {
    let patch = "*** Begin Patch\n*** Add File: hello.txt\n+one\n*** End Patch";
    let Some(codex) = Codex::start([Reply::new().plain_call("apply_patch", patch), done()]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Patch it");
    asked(env, "s");
    assert!(!exists(env, "hello.txt"));
    env.run(&["answer", "s", "--accept"]).expect(0);
    wait(env, "s", &["--for", "idle"]).expect(0);
    let events = whole(env, "s");
    assert_eq!(of_type(&events, "permission.requested")[0]["action"], "edit");
    assert_eq!(env.read("hello.txt"), "one\n");
}

#[test]
fn two_at_once_in_reverse_order() {
    let both = call("touch first").call("exec_command", json!({"cmd": "touch second"}));
    let Some(codex) = Codex::start([both, done()]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Make both");
    let pending = asked_twice(env);
    for at in [1, 0] {
        env.run(&["answer", "s", &pending[at], "--accept"]).expect(0);
    }
    wait(env, "s", &["--for", "idle"]).expect(0);
    let events = whole(env, "s");
    let order: Vec<_> = of_type(&events, "permission.resolved").iter().map(|one| &one["permission_id"]).collect();
    assert_eq!(order, [&json!(pending[1]), &json!(pending[0])]);
    assert!(exists(env, "first") && exists(env, "second"));
}

#[test]
fn cancelled_while_it_asks() {
    let Some(codex) = Codex::start([call("touch made")]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Make it");
    asked(env, "s");
    assert_eq!(env.run(&["cancel", "s"]).expect(0).object()["cancelled"], true);
    let events = whole(env, "s");
    let resolved = of_type(&events, "permission.resolved");
    // Codex itself takes the request back before it ends the turn.
    assert_eq!((resolved.len(), &resolved[0]["status"]), (1, &json!("cancelled")));
    assert_eq!(turn_ends(&events), [("cancelled".to_owned(), 130)]);
    assert!(!exists(env, "made"));
}

#[test]
fn its_keeper_is_killed_while_it_asks() {
    // One command runs, another waits for us: both must be gone.
    let both = call("touch running; sleep 1000").call("exec_command", json!({"cmd": "touch made"}));
    let Some(codex) = Codex::start([both]) else { return };
    let env = &codex.env;
    detach(&codex, &[], "Do both");
    let [one, other] = asked_twice(env);
    let events = env.run(&["events", "s"]).expect(0).lines();
    let sleeps = |request: &str| {
        let asked = of_type(&events, "permission.requested");
        asked.iter().any(|one| one["permission_id"] == request && one["command"].to_string().contains("sleep"))
    };
    let (first, request) = if sleeps(&one) { (one, other) } else { (other, one) };
    env.run(&["answer", "s", &first, "--accept"]).expect(0);
    wait_until("the command", || exists(env, "running").then_some(()));
    kill(Pid::from_raw(keepers(env)[0]), Signal::SIGKILL).unwrap();
    env.wait_until_none_is_alive();
    env.run(&["answer", "s", &request, "--accept"]).expect(3);
    let events = whole(env, "s");
    assert_eq!(turn_ends(&events), [("failed".to_owned(), 137)]);
    let resolved = of_type(&events, "permission.resolved");
    assert_eq!(resolved.iter().filter(|one| one["permission_id"] == json!(request)).count(), 1);
    let ended: Vec<&Value> = events.iter().filter(|event| event["type"] == "turn.ended").collect();
    assert_eq!((ended[0]["synthetic"].clone(), &end(&events)["outcome"]), (json!(true), &json!("failed")));
    assert!(!exists(env, "made"));
}
