//! Sessions that somebody else runs: detached, sent to, answered, cancelled, waited for, and spoken to on stdin.

mod codex;

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::env::{Output, Running, TestEnv, program, readme, rounds, wait_until};
use crate::events::{completed, course, end, judged_whole, of_type, part};

/// Runs a prompt in the background.
fn detach(env: &TestEnv, more: &[&str], prompt: &str) -> String {
    let mut words = vec!["run", "-a", "mock", "--detach"];
    words.extend(more);
    words.extend(["--", prompt]);
    let output = env.run(&words).expect(0);
    output.text().trim_end().to_owned()
}

fn wait(env: &TestEnv, session: &str, more: &[&str]) -> Output {
    let mut words = vec!["wait", session];
    words.extend(more);
    env.run(&words)
}

/// Waits for the session's next request, and gives its id.
fn asked(env: &TestEnv, session: &str) -> String {
    let record = wait(env, session, &["--for", "asking", "--timeout", "50s"]).expect(6).object();
    record["pending"][0].as_str().unwrap().to_owned()
}

/// All events of a session that rests, judged.
fn whole(env: &TestEnv, session: &str) -> Vec<Value> {
    wait(env, session, &["--for", "idle", "--timeout", "50s"]);
    env.wait_until_none_is_alive();
    judged_whole(env, session)
}

fn row(env: &TestEnv, session: &str) -> Value {
    env.run(&["sessions", "show", session]).expect(0).object()
}

fn turn_ends(events: &[Value]) -> Vec<(String, i64)> {
    let ends = of_type(events, "turn.ended");
    ends.iter().map(|end| (end["outcome"].as_str().unwrap().to_owned(), end["exit_code"].as_i64().unwrap())).collect()
}

fn ok(code: i64) -> (String, i64) {
    let word = match code {
        0 => "ok",
        5 => "denied",
        130 => "cancelled",
        _ => "failed",
    };
    (word.to_owned(), code)
}

#[test]
fn a_permission_is_answered_from_elsewhere_once() {
    let env = TestEnv::new();
    let session = detach(&env, &["-s", "s"], "permission rm x");
    assert_eq!(session, "s", "the bare id");
    let request = asked(&env, "s");
    assert_eq!(row(&env, "s")["pending"], json!([request]));
    env.run(&["answer", "s", "perm_9_9", "--accept"]).expect(3);
    env.run(&["answer", "s", &request, "--option", "Blue"]).expect(2);
    let answered = env.run(&["answer", "s", "--accept", "--user", "ann"]).expect(0).object();
    assert_eq!(answered["type"], "permission.resolved");
    assert_eq!((&answered["data"]["resolved_by"], &answered["data"]["user"]), (&json!("user"), &json!("ann")));
    wait(&env, "s", &[]).expect(0);
    // Too late: it says how it was resolved, and starts nothing.
    let late = env.run(&["answer", "s", &request, "--reject"]).expect(3);
    assert_eq!(late.object(), answered);
    env.run(&["answer", "s", "--accept"]).expect(3);
    let events = whole(&env, "s");
    assert_eq!(turn_ends(&events), [ok(0)]);
    assert_eq!(of_type(&events, "session.started").len(), 1);
}

#[test]
fn a_rejection_tells_why_and_an_edited_input_is_what_runs() {
    let env = TestEnv::new();
    detach(&env, &["-s", "no"], "permission rm x");
    asked(&env, "no");
    env.run(&["answer", "no", "--reject", "--message", "use git mv"]).expect(0);
    wait(&env, "no", &[]).expect(5);
    let events = whole(&env, "no");
    assert_eq!(of_type(&events, "permission.resolved")[0]["message"], "use git mv");
    assert!(end(&events)["final_text"].as_str().unwrap().contains("use git mv"), "{}", end(&events));

    detach(&env, &["-s", "edit"], "permission rm x");
    asked(&env, "edit");
    env.run(&["answer", "edit", "--with-input", "{not json"]).expect(2);
    env.run(&["answer", "edit", "--with-input", r#"{"command":"ls -l"}"#]).expect(0);
    wait(&env, "edit", &[]).expect(0);
    let events = whole(&env, "edit");
    assert_eq!(of_type(&events, "permission.resolved")[0]["input"], json!({"command": "ls -l"}));
    let result = completed(&events, "tool_result")[0];
    assert!(part(result, "tool_result")["output"].as_str().unwrap().contains("ls -l"), "{result}");
}

#[test]
fn what_is_accepted_for_the_session_is_not_asked_again_and_nothing_else() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s", "--linger", "60s"], "permission rm x");
    asked(&env, "s");
    let resolved = env.run(&["answer", "s", "--accept-for-session"]).expect(0).object();
    assert_eq!(resolved["data"]["scope"], json!({"kind": "command", "pattern": "rm x"}));
    wait(&env, "s", &["--for", "idle"]).expect(0);
    env.run(&["send", "s", "permission rm x"]).expect(0);
    // Nobody answers, and it ends well.
    wait(&env, "s", &["--timeout", "50s"]).expect(0);
    env.run(&["send", "s", "permission rm xy"]).expect(0);
    asked(&env, "s");
    env.run(&["answer", "s", "--accept"]).expect(0);
    wait(&env, "s", &["--for", "idle"]).expect(0);
    env.run(&["cancel", "s"]).expect(0);
    let events = env.run(&["events", "s"]).expect(0).lines();
    let by: Vec<_> = of_type(&events, "permission.resolved").iter().map(|one| &one["resolved_by"]).collect();
    assert_eq!(by, ["user", "policy", "user"]);
    assert_eq!(of_type(&events, "session.started").len(), 1, "one warm agent served all");
    stop_keepers(&env);
}

/// Ends owners that linger.
fn stop_keepers(env: &TestEnv) {
    for one in keepers(env) {
        // One that has gone meanwhile is what we want.
        let _ = kill(Pid::from_raw(one), Signal::SIGTERM);
    }
    wait_until("the end of the owners", || keepers(env).is_empty().then_some(()));
}

/// The owners in the background.
fn keepers(env: &TestEnv) -> Vec<i32> {
    env.alive().iter().filter(|one| one.command.contains("__keep")).map(|one| one.pid).collect()
}

#[test]
fn questions_are_answered_by_label_text_and_all_at_once() {
    let env = TestEnv::new();
    for (name, answer, wanted) in
        [("option", vec!["--option", "blue"], "Blue"), ("text", vec!["--text", "mauve"], "mauve")]
    {
        detach(&env, &["-s", name], "question");
        let request = asked(&env, name);
        assert!(request.starts_with("qst_"), "{request}");
        env.run(&["answer", name, "--accept"]).expect(2);
        let mut words = vec!["answer", name];
        words.extend(answer);
        let resolved = env.run(&words).expect(0).object();
        assert_eq!((&resolved["type"], &resolved["data"]["response"]), (&json!("question.resolved"), &json!(wanted)));
        wait(&env, name, &[]).expect(0);
        whole(&env, name);
    }
    detach(&env, &["-s", "many"], "questions");
    asked(&env, "many");
    let events = env.run(&["events", "many", "--type", "question.requested"]).expect(0).lines();
    let questions = events[0]["data"]["questions"].as_array().unwrap();
    assert!(questions.len() == 3 && questions.iter().any(|one| one["multi_select"] == true), "{questions:?}");
    let answers: Value = questions
        .iter()
        .map(|one| {
            let options = one["options"].as_array().unwrap();
            let labels: Vec<_> = options.iter().map(|option| option["label"].clone()).collect();
            let many = one["multi_select"] == true;
            let chosen = if labels.is_empty() { vec![json!("hunter22")] } else { labels };
            (one["id"].as_str().unwrap().to_owned(), json!(if many { chosen } else { chosen[..1].to_vec() }))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    env.run(&["answer", "many", "--option", "Blue"]).expect(2);
    let resolved = env.run(&["answer", "many", "--answers", &answers.to_string()]).expect(0).object();
    assert_eq!(resolved["data"]["answers"], answers);
    wait(&env, "many", &[]).expect(0);
    // A question that is declined is a denial.
    detach(&env, &["-s", "declined"], "question");
    asked(&env, "declined");
    env.run(&["answer", "declined", "--reject"]).expect(0);
    wait(&env, "declined", &[]).expect(5);
    whole(&env, "declined");
}

#[test]
fn two_open_requests_are_answered_in_any_order() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "permissions");
    asked(&env, "s");
    let pending = wait_until("both", || {
        let pending = row(&env, "s")["pending"].clone();
        (pending.as_array().unwrap().len() == 2).then_some(pending)
    });
    env.run(&["answer", "s", "--accept"]).expect(2);
    for at in [1, 0] {
        env.run(&["answer", "s", pending[at].as_str().unwrap(), "--accept"]).expect(0);
    }
    wait(&env, "s", &[]).expect(0);
    let events = whole(&env, "s");
    let order: Vec<_> =
        of_type(&events, "permission.resolved").iter().map(|one| one["permission_id"].clone()).collect();
    assert_eq!(order, [pending[1].clone(), pending[0].clone()]);
}

#[test]
fn nobody_answers_in_time() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s", "--on-ask", "wait=200ms"], "permission rm x");
    wait(&env, "s", &["--for", "idle"]).expect(5);
    let events = whole(&env, "s");
    assert_eq!(of_type(&events, "permission.resolved")[0]["resolved_by"], "timeout");
}

#[test]
fn a_cancel_resolves_what_is_open() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "permission rm x");
    let request = asked(&env, "s");
    let cancelled = env.run(&["cancel", "s"]).expect(0).object();
    assert_eq!(cancelled["cancelled"], true);
    let events = whole(&env, "s");
    let resolved = of_type(&events, "permission.resolved");
    assert_eq!((resolved.len(), &resolved[0]["resolved_by"]), (1, &json!("turn_end")));
    assert_eq!(turn_ends(&events), [ok(130)]);
    assert_eq!(end(&events)["pending"], json!([request]));
    assert_eq!(row(&env, "s")["exit_code"], 130);
    assert_eq!(env.run(&["cancel", "s"]).expect(0).object()["cancelled"], false);
    // An agent that hears nothing is killed.
    detach(&env, &["-s", "deaf"], "deaf");
    wait_until("its first text", || {
        let events = env.run(&["events", "deaf"]).lines();
        events.iter().any(|event| event["type"] == "item.delta").then_some(())
    });
    let began = Instant::now();
    env.run(&["cancel", "deaf", "--kill"]).expect(0);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(turn_ends(&whole(&env, "deaf")), [ok(130)]);
}

#[test]
fn a_killed_owner_with_an_open_request_leaves_one_end() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "permission rm x");
    let request = asked(&env, "s");
    let sent = env.run(&["send", "s", "echo never"]).expect(0).object();
    kill(Pid::from_raw(keepers(&env)[0]), Signal::SIGKILL).unwrap();
    env.wait_until_none_is_alive();
    // Whoever looks first writes the end; the request is resolved, and nothing is started again.
    env.run(&["answer", "s", &request, "--accept"]).expect(3);
    let events = judged_whole(&env, "s");
    assert_eq!(turn_ends(&events), [ok(137)]);
    assert_eq!(of_type(&events, "permission.resolved").len(), 1);
    let lost = of_type(&events, "error").into_iter().find(|one| one["code"] == "not_delivered").unwrap();
    assert_eq!(lost["details"]["prompt_ids"], json!([sent["prompt_id"]]));
    assert_eq!(env.alive().len(), 0);
}

#[test]
fn prompts_queue_and_steer() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "slow 40 50");
    wait_until("the turn", || (row(&env, "s")["status"] == "running").then_some(()));
    let steered = env.run(&["send", "s", "--steer", "--user", "bob", "hurry up"]).expect(0).object();
    let next = env.run(&["send", "s", "--id", "mine", "echo next"]).expect(0).object();
    assert_eq!(next["prompt_id"], "mine");
    env.run(&["send", "s", "--", "--a prompt with dashes"]).expect(0);
    wait(&env, "s", &["--prompt", "mine"]).expect(0);
    wait(&env, "s", &["--for", "idle"]).expect(0);
    let events = whole(&env, "s");
    assert_eq!(turn_ends(&events), [ok(0), ok(0), ok(0)]);
    let first = of_type(&events, "turn.ended")[0];
    assert_eq!(first["prompt_ids"][1], steered["prompt_id"]);
    let second = of_type(&events, "turn.started")[1];
    assert_eq!(second["prompt_ids"], json!(["mine"]));
    assert_eq!(of_type(&events, "session.started").len(), 1);
    let item = completed(&events, "message").into_iter().find(|one| one["delivery"] == "steered").unwrap();
    assert_eq!(item["prompt_id"], steered["prompt_id"]);
}

#[test]
fn a_send_to_a_session_that_rests_starts_a_run_with_its_settings() {
    let env = TestEnv::new();
    env.run(&[
        "run",
        "-a",
        "mock",
        "-s",
        "s",
        "--permission-mode",
        "bypass",
        "--deny",
        "command:rm *",
        "--env=WORD=x",
        "hello",
    ])
    .expect(0);
    // The value of a variable is the sender's.
    env.run(&["send", "s", "echo no"]).expect(2);
    env.command(&["send", "s", "permission rm x"]).var("WORD", "y").run().expect(0);
    wait(&env, "s", &["--for", "idle"]).expect(5);
    env.command(&["send", "s", "permission mv x"]).var("WORD", "y").run().expect(0);
    // Who bypassed for itself did not bypass for others.
    asked(&env, "s");
    env.run(&["answer", "s", "--accept"]).expect(0);
    wait(&env, "s", &[]).expect(0);
    let events = whole(&env, "s");
    let modes: Vec<_> = of_type(&events, "session.started").iter().map(|one| &one["permission_mode"]).collect();
    assert_eq!(modes, ["bypass", "ask", "ask"]);
    assert!(!course(&events).contains("no"), "a prompt that was not accepted is not kept for later");
    env.run(&["sessions", "end", "s"]).expect(0);
    env.run(&["send", "s", "echo x"]).expect(2);
    env.run(&["send", "nowhere", "echo x"]).expect(3);
}

#[test]
fn a_busy_session_is_refused_or_queued_for() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "slow 30 50");
    wait_until("the turn", || (row(&env, "s")["status"] == "running").then_some(()));
    let refused = env.run(&["run", "-s", "s", "echo now"]).expect(8);
    assert!(refused.stderr.contains("--queue"), "{}", refused.stderr);
    for flag in ["--permission-mode=auto", "--label=k=v", "--denied-ok", "--raw", "--timeout=1s", "--model=mock-2"] {
        let refused = env.run(&["run", "-s", "s", "--queue", flag, "x"]).expect(2);
        assert!(refused.stderr.contains("whose settings hold"), "{flag}: {}", refused.stderr);
    }
    let queued = env.run(&["run", "-s", "s", "--queue", "--user", "eve", "refuse"]).expect(7);
    let lines = queued.lines();
    assert_eq!(lines.last().unwrap()["type"], "turn.ended");
    assert_eq!(lines.iter().filter(|line| line["type"] == "turn.ended").count(), 1, "its own turn and no other");
    assert_eq!(of_type(&lines, "turn.started")[0]["user"], "eve");
    let events = whole(&env, "s");
    let part = &events[events.len() - lines.len()..];
    assert_eq!(part, lines, "the same bytes from every door");
}

#[test]
fn a_queued_prompt_is_taken_back_until_it_is_given_to_the_agent() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "hang");
    wait_until("the turn", || (row(&env, "s")["status"] == "running").then_some(()));
    let waiting = env.command(&["run", "-s", "s", "--queue", "echo never"]).spawn();
    let posted = "SELECT count(*) FROM request WHERE state = 'open'";
    wait_until("its request", || (sql(&env, posted) == "1").then_some(()));
    waiting.signal(Signal::SIGINT);
    assert_eq!(waiting.wait().signal(), Some(Signal::SIGINT));
    // One that was given to the agent is cancelled.
    let mut next = env.command(&["run", "-s", "s", "--queue", "hang"]).spawn();
    wait_until("its request", || (sql(&env, posted) == "1").then_some(()));
    env.run(&["cancel", "s"]).expect(0);
    next.wait_for("its turn", |line| line["type"] == "item.delta");
    next.signal(Signal::SIGINT);
    let output = next.wait();
    assert_eq!(output.signal(), Some(Signal::SIGINT), "{}", output.stderr);
    assert_eq!(output.lines().last().unwrap()["data"]["exit_code"], 130);
    let events = whole(&env, "s");
    assert_eq!(turn_ends(&events), [ok(130), ok(130)]);
}

fn sql(env: &TestEnv, query: &str) -> String {
    let output =
        env.program("/usr/bin/sqlite3".as_ref()).args(&["-readonly", env.store().to_str().unwrap(), query]).run();
    output.expect(0).text().trim().to_owned()
}

/// The end of a turn is seen before its owner has said that it rests, or has left: whoever comes then is not told that it is busy.
#[test]
fn a_run_right_after_a_turn_finds_nobody_busy() {
    let env = TestEnv::new();
    for round in 0..rounds(8) {
        let (session, linger) = (format!("s{round}"), format!("{}ms", [0, 10, 30, 60][round % 4]));
        detach(&env, &["-s", &session, "--linger", &linger], "echo first");
        wait(&env, &session, &["--for", "idle", "--timeout", "100s"]).expect(0);
        for _ in 0..4 {
            env.run(&["run", "-s", &session, "-o", "none", "--", "echo next"]).expect(0);
        }
        whole(&env, &session);
    }
}

#[test]
fn an_owner_that_lingers_keeps_its_agent_warm() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s", "--linger", "60s"], "hello");
    wait(&env, "s", &[]).expect(0);
    // Idle, it takes a prompt at once, without --queue.
    let lines = env.run(&["run", "-s", "s", "history"]).expect(0).lines();
    assert!(lines.last().unwrap()["data"]["final_text"].as_str().unwrap().contains("prompt 2 of this process"));
    stop_keepers(&env);
    let events = judged_whole(&env, "s");
    assert_eq!(turn_ends(&events), [ok(0), ok(0)]);
    assert_eq!(of_type(&events, "session.started").len(), 1);
}

#[test]
fn a_detached_run_survives_its_starter_and_its_group() {
    let env = TestEnv::new();
    // A shell that dies with everything in its group, as when a connection breaks.
    let script = format!("{} run -a mock -s s --detach 'slow 20 50'; sleep 60", program());
    let shell = env.program("/bin/sh".as_ref()).args(&["-c", &script]).spawn();
    wait_until("the turn", || {
        let shown = env.run(&["sessions", "show", "s"]);
        (shown.code() == 0 && shown.object()["status"] == "running").then_some(())
    });
    killpg(Pid::from_raw(shell.pid()), Signal::SIGHUP).unwrap();
    let _ = shell.wait();
    wait(&env, "s", &[]).expect(0);
    assert_eq!(turn_ends(&whole(&env, "s")), [ok(0)]);
}

#[test]
fn what_a_background_owner_says_is_kept() {
    let env = TestEnv::new();
    let session = detach(&env, &[], "hang");
    stop_keepers(&env);
    whole(&env, &session);
    let said = env.run(&["sessions", "log", &session, "--owner"]).expect(0);
    assert!(said.text().contains(" owner ") && said.text().contains("cancelling the turn"), "{}", said.text());
    let foreground = env.run(&["run", "-a", "mock", "-s", "seen", "hello"]).expect(0);
    drop(foreground);
    assert_eq!(env.run(&["sessions", "log", "seen", "--owner"]).expect(0).text(), "");
}

#[test]
fn a_session_that_runs_is_deleted_by_force_only() {
    let env = TestEnv::new();
    let session = detach(&env, &[], "hang");
    let busy = env.run(&["sessions", "delete", &session]).expect(8);
    assert!(busy.stderr.contains("--force"), "{}", busy.stderr);
    env.run(&["sessions", "delete", &session, "--force"]).expect(0);
    env.run(&["sessions", "show", &session]).expect(3);
    env.wait_until_none_is_alive();
    let hangs = detach(&env, &[], "hang");
    assert_eq!(env.run(&["sessions", "prune", "--keep", "0"]).expect(0).text(), "");
    assert_eq!(
        env.run(&["sessions", "prune", "--keep", "0", "--force"]).expect(0).object()["session_id"],
        json!(hangs)
    );
    env.wait_until_none_is_alive();
}

#[test]
fn errors_of_a_detached_run_are_told_before_it_is_detached() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "nobody", "--detach", "x"]).expect(2);
    env.run(&["run", "-a", "mock", "--detach", "--attach", "missing.png", "x"]).expect(3);
    env.run(&["run", "-a", "mock", "--detach", "--input", "ndjson", "x"]).expect(2);
    let big = "x".repeat(300_000);
    let output = env.command(&["run", "-a", "mock", "-s", "big", "--detach", "-"]).stdin(format!("echo {big}")).run();
    output.expect(0);
    wait(&env, "big", &[]).expect(0);
    let events = whole(&env, "big");
    assert_eq!(end(&events)["final_text"], format!("mock: {big}"));
    assert!(env.run(&["sessions", "list"]).lines().len() == 1, "what failed left no session");
}

#[test]
fn twenty_detached_at_once() {
    let env = TestEnv::new();
    let runs: Vec<_> = (0..20)
        .map(|n| env.command(&["run", "-a", "mock", "-s", &format!("s{n}"), "--detach", "tool"]).spawn())
        .collect();
    for run in runs {
        let _ = run.wait().expect(0);
    }
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let mut words: Vec<&str> = vec!["wait", "--for", "idle", "--timeout", "50s"];
    words.extend(names.iter().map(String::as_str));
    let records = env.run(&words);
    assert_eq!(records.lines().len(), 20, "{}", records.stderr);
    for name in &names {
        assert_eq!(of_type(&whole(&env, name), "turn.ended").len(), 1);
    }
}

#[test]
fn stdin_speaks_ndjson() {
    let env = TestEnv::new();
    let mut run = env.command(&["run", "-a", "mock", "-s", "s", "--input", "ndjson"]).converse();
    run.wait_for("its start", |line| line["type"] == "session.started");
    run.say(&json!({"type": "prompt", "text": "permission rm x", "id": "one", "user": "ann"}));
    let asked = run.wait_for("a request", |line| line["type"] == "permission.requested");
    run.say(&json!({"type": "prompt", "text": "question", "id": "two"}));
    run.say(&json!({"type": "shout"}));
    run.wait_for("the complaint", |line| line["type"] == "error" && line["data"]["code"] == "bad_input");
    let request = &asked["data"]["permission_id"];
    run.say(&json!({"type": "answer", "request_id": "perm_8_8", "decision": "accept"}));
    run.wait_for("another complaint", |line| line["data"]["code"] == "not_found");
    run.say(&json!({"type": "answer", "request_id": request, "decision": "accept", "user": "ann"}));
    let question = run.wait_for("a question", |line| line["type"] == "question.requested");
    run.say(&json!({"type": "answer", "request_id": question["data"]["question_id"], "text": "mauve"}));
    run.wait_for("the second end", |line| line["type"] == "turn.ended" && line["data"]["prompt_ids"][0] == "two");
    run.say(&json!({"type": "set", "model": "small", "permission_mode": "read-only"}));
    run.say(&json!({"type": "set", "mode": "no such mode"}));
    run.wait_for("a complaint", |line| {
        line["data"]["message"].as_str().is_some_and(|why| why.contains("no such mode"))
    });
    run.say(&json!({"type": "prompt", "text": "permission rm y", "id": "three"}));
    run.wait_for("the third end", |line| line["type"] == "turn.ended" && line["data"]["prompt_ids"][0] == "three");
    run.say(&json!({"type": "prompt", "text": "hang", "id": "four"}));
    run.wait_for("its text", |line| line["type"] == "item.delta" && line["sequence"].as_i64() > Some(40));
    run.say(&json!({"type": "cancel"}));
    run.wait_for("the fourth end", |line| line["type"] == "turn.ended" && line["data"]["prompt_ids"][0] == "four");
    run.say(&json!({"type": "prompt", "text": "refuse"}));
    run.end_input();
    let output = run.wait().expect(7);
    let events = judged_whole(&env, "s");
    assert_eq!(output.lines(), events);
    let ends: Vec<i64> = turn_ends(&events).into_iter().map(|(_, code)| code).collect();
    assert_eq!(ends, [0, 0, 5, 130, 7]);
    assert_eq!(of_type(&events, "session.started").len(), 1, "one warm agent for all");
    assert_eq!(of_type(&events, "turn.started")[0]["user"], "ann");
}

#[test]
fn a_permission_mode_that_was_set_outlives_the_agent_and_its_owner() {
    let env = TestEnv::new();
    let mut run = env.command(&["run", "-a", "mock", "-s", "s", "--input", "ndjson"]).converse();
    run.say(&json!({"type": "set", "permission_mode": "read-only"}));
    run.say(&json!({"type": "prompt", "text": "crash 3", "id": "one"}));
    run.wait_for("the agent's death", |line| line["type"] == "turn.ended");
    run.say(&json!({"type": "prompt", "text": "hello", "id": "two"}));
    run.wait_for("the next one's turn", |line| line["type"] == "turn.ended" && line["data"]["prompt_ids"][0] == "two");
    run.end_input();
    run.wait().expect(0);
    let sent = env.run(&["send", "s", "hello"]).expect(0).object();
    env.run(&["wait", "s", "--prompt", sent["prompt_id"].as_str().unwrap()]).expect(0);
    let events = judged_whole(&env, "s");
    let modes: Vec<&Value> = of_type(&events, "session.started").iter().map(|data| &data["permission_mode"]).collect();
    assert_eq!(modes[1..], ["read-only", "read-only"]);
}

/// What the program says on its stdout for a script of the mock, spoken to on stdin only.
struct Spoken<'a> {
    env: &'a TestEnv,
    run: Running,
    name: String,
}

impl Spoken<'_> {
    fn start<'a>(env: &'a TestEnv, name: &str, prompt: &str) -> Spoken<'a> {
        let mut run = env.command(&["run", "-a", "mock", "-s", name, "--input", "ndjson"]).converse();
        run.say(&json!({"type": "prompt", "text": prompt}));
        Spoken { env, run, name: name.to_owned() }
    }

    /// The ids of the open requests, once there are so many.
    fn asked(&mut self, count: usize) -> Vec<Value> {
        let id = |event: &Value| {
            event["data"].get("permission_id").or_else(|| event["data"].get("question_id")).cloned().unwrap()
        };
        wait_until("the requests", || {
            let lines = self.run.lines();
            let asked: Vec<Value> = lines.iter().filter(|line| is(line, ".requested")).map(id).collect();
            let resolved: Vec<Value> = lines.iter().filter(|line| is(line, ".resolved")).map(id).collect();
            let open: Vec<Value> = asked.into_iter().filter(|id| !resolved.contains(id)).collect();
            (open.len() == count).then_some(open)
        })
    }

    fn answer(&mut self, request: &Value, answer: Value) {
        let mut line = json!({"type": "answer", "request_id": request});
        line.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        self.run.say(&line);
    }

    fn complaint(&mut self, code: &str) {
        self.run.wait_for(code, |line| line["type"] == "error" && line["data"]["code"] == code);
    }

    fn end(mut self, code: i32) -> Vec<Value> {
        self.run.end_input();
        let output = self.run.wait().expect(code);
        let events = judged_whole(self.env, &self.name);
        assert_eq!(output.lines(), events);
        events
    }
}

fn is(event: &Value, ending: &str) -> bool {
    event["type"].as_str().unwrap().ends_with(ending)
}

#[test]
fn every_answer_works_through_stdin_too() {
    let env = TestEnv::new();
    // Once, then twice, then to what nobody asked, then after the end.
    let mut once = Spoken::start(&env, "once", "permission rm x");
    let request = once.asked(1).remove(0);
    once.answer(&request, json!({"decision": "accept"}));
    once.run.wait_for("its end", |line| line["type"] == "turn.ended");
    once.answer(&request, json!({"decision": "reject"}));
    once.complaint("not_found");
    let events = once.end(0);
    assert_eq!(of_type(&events, "permission.resolved").len(), 1);

    // For the session: what is the same is not asked again, another is.
    let mut always = Spoken::start(&env, "always", "permission rm x");
    let request = always.asked(1).remove(0);
    always.answer(&request, json!({"decision": "accept_for_session"}));
    always.run.say(&json!({"type": "prompt", "text": "permission rm x", "id": "same"}));
    always.run.wait_for("its end", |line| line["type"] == "turn.ended" && line["data"]["prompt_ids"][0] == "same");
    always.run.say(&json!({"type": "prompt", "text": "permission rm xy"}));
    let request = always.asked(1).remove(0);
    always.answer(&request, json!({"decision": "accept"}));
    let events = always.end(0);
    let by: Vec<_> = of_type(&events, "permission.resolved").iter().map(|one| &one["resolved_by"]).collect();
    assert_eq!(by, ["user", "policy", "user"]);

    // With a reason; with an input of our own.
    let mut denied = Spoken::start(&env, "denied", "permission rm x");
    let request = denied.asked(1).remove(0);
    denied.answer(&request, json!({"decision": "reject", "message": "use git mv"}));
    assert!(end(&denied.end(5))["final_text"].as_str().unwrap().contains("use git mv"));
    let mut edited = Spoken::start(&env, "edited", "permission rm x");
    let request = edited.asked(1).remove(0);
    edited.answer(&request, json!({"decision": "accept", "input": {"command": "ls -l"}}));
    let events = edited.end(0);
    let output = &part(completed(&events, "tool_result")[0], "tool_result")["output"];
    assert!(output.as_str().unwrap().contains("ls -l"), "{output}");

    // A choice and a text.
    for (name, answer, wanted) in
        [("choice", json!({"options": ["blue"]}), "Blue"), ("text", json!({"text": "mauve"}), "mauve")]
    {
        let mut asking = Spoken::start(&env, name, "question");
        let request = asking.asked(1).remove(0);
        asking.answer(&request, answer);
        assert_eq!(of_type(&asking.end(0), "question.resolved")[0]["response"], wanted);
    }

    // Two in reverse; a cancel while one is open.
    let mut two = Spoken::start(&env, "two", "permissions");
    let requests = two.asked(2);
    for request in requests.iter().rev() {
        two.answer(request, json!({"decision": "accept"}));
    }
    two.end(0);
    let mut cancelled = Spoken::start(&env, "cancelled", "permission rm x");
    cancelled.asked(1);
    cancelled.run.say(&json!({"type": "cancel"}));
    let events = cancelled.end(130);
    assert_eq!(of_type(&events, "permission.resolved")[0]["status"], "cancelled");
}

#[test]
fn an_answer_that_comes_ten_seconds_late_is_in_time() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s"], "permission rm x");
    asked(&env, "s");
    wait(&env, "s", &["--for", "idle", "--timeout", "10s"]).expect(124);
    env.run(&["answer", "s", "--accept"]).expect(0);
    wait(&env, "s", &["--for", "idle"]).expect(0);
    assert_eq!(turn_ends(&whole(&env, "s")), [ok(0)]);
}

/// As `docker exec` does: a command in the PID name space of a container, whose first process only reaps.
#[test]
fn a_detached_run_of_an_exec_into_a_container() {
    let env = TestEnv::new();
    let program = program();
    let container = env
        .program(Path::new("/usr/bin/unshare"))
        .args(&["--pid", "--fork", "--mount-proc", "--kill-child=KILL", "/bin/sh", "-c", "while :; do sleep 0.1; done"])
        .spawn();
    let first = wait_until("its first process", || {
        let children = format!("/proc/{0}/task/{0}/children", container.pid());
        std::fs::read_to_string(children).ok()?.split_whitespace().next().map(str::to_owned)
    });
    let exec = |words: &[&str]| {
        let enter = ["--target", &first, "--pid", "--mount", program];
        env.program(Path::new("/usr/bin/nsenter")).args(&enter).args(words).run()
    };
    exec(&["run", "-a", "mock", "-s", "s", "--detach", "permission rm x"]).expect(0);
    exec(&["wait", "s", "--for", "asking", "--timeout", "50s"]).expect(6);
    exec(&["answer", "s", "--accept"]).expect(0);
    exec(&["wait", "s", "--for", "idle", "--timeout", "50s"]).expect(0);
    assert_eq!(turn_ends(&judged_whole(&env, "s")), [ok(0)]);
    // Nothing is left in the container, no zombie either.
    wait_until("nothing but the container", || {
        let left = env.alive().into_iter().filter(|one| one.command.contains("sandbox-agent")).count();
        (left == 0).then_some(())
    });
    kill(Pid::from_raw(first.parse().unwrap()), Signal::SIGKILL).unwrap();
    drop(container.wait());
}

#[test]
fn an_input_that_ends_at_once_is_served_to_its_end() {
    let env = TestEnv::new();
    let lines = [json!({"type": "prompt", "text": "echo one"}), json!({"type": "prompt", "text": "echo two"})];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = env.command(&["run", "-a", "mock", "-s", "s", "--input", "ndjson"]).stdin(text).run().expect(0);
    assert_eq!(turn_ends(&output.lines()), [ok(0), ok(0)]);
    judged_whole(&env, "s");
    // Nothing was wanted: nothing failed.
    env.command(&["run", "-a", "mock", "--input", "ndjson"]).stdin("").run().expect(0);
    // An agent that dies is started again for the next prompt.
    let lines = [json!({"type": "prompt", "text": "crash 3"}), json!({"type": "prompt", "text": "echo two"})];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = env.command(&["run", "-a", "mock", "-s", "c", "--input", "ndjson"]).stdin(text).run().expect(0);
    assert_eq!(turn_ends(&output.lines()), [ok(1), ok(0)]);
    assert_eq!(of_type(&judged_whole(&env, "c"), "session.started").len(), 2);
}

#[test]
fn waiting_has_an_end() {
    let env = TestEnv::new();
    detach(&env, &["-s", "a"], "hang");
    let record = wait(&env, "a", &["--timeout", "300ms"]).expect(124).object();
    assert_eq!((&record["reached"], &record["status"]), (&json!(false), &json!("running")));
    detach(&env, &["-s", "b"], "refuse");
    let records = env.run(&["wait", "b", "a", "--timeout", "2s"]).expect(7).lines();
    assert_eq!(records[0]["session_id"], "b");
    env.run(&["cancel", "a"]).expect(0);
    wait(&env, "a", &["--for", "idle"]).expect(130);
    env.run(&["wait", "nowhere"]).expect(3);
    env.run(&["wait", "a", "--timeout", "soon"]).expect(2);
    whole(&env, "a");
}

#[test]
fn no_prompt_is_lost_between_two_owners() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "hello"]).expect(0);
    let mut sent: Vec<String> = vec![];
    for round in 0..rounds(4) {
        // Owners come and go in a few milliseconds; some are killed while posts arrive.
        let senders: Vec<_> =
            (0..4).map(|n| env.command(&["send", "s", &format!("echo {round}-{n}")]).spawn()).collect();
        if round % 2 == 1 {
            for one in keepers(&env) {
                let _ = kill(Pid::from_raw(one), Signal::SIGKILL);
            }
        }
        for sender in senders {
            let output = sender.wait();
            // A sender whose owner was killed under its hands may be told so; then nobody has its prompt.
            if output.code() == 0 {
                sent.push(output.object()["prompt_id"].as_str().unwrap().to_owned());
            }
        }
    }
    wait(&env, "s", &["--for", "idle", "--timeout", "50s"]);
    let events = whole(&env, "s");
    let delivered: Vec<&str> = of_type(&events, "turn.ended")
        .iter()
        .flat_map(|end| end["prompt_ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    let told: Vec<&str> = of_type(&events, "error")
        .iter()
        .filter(|error| error["code"] == "not_delivered")
        .flat_map(|error| error["details"]["prompt_ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    for id in &sent {
        let times = delivered.iter().chain(&told).filter(|one| *one == id).count();
        assert_eq!(times, 1, "{id} of {sent:?}: delivered {delivered:?}, told {told:?}");
    }
    assert!(sent.len() >= 2 * rounds(4), "{sent:?}");
}

#[test]
fn every_follower_sees_the_same_of_many_senders() {
    let env = TestEnv::new();
    detach(&env, &["-s", "s", "--linger", "60s"], "slow 10 20");
    let followers: Vec<_> = (0..50).map(|_| env.command(&["stream", "s", "--follow=ended"]).spawn()).collect();
    let senders: Vec<_> = (0..5)
        .flat_map(|user| (0..4).map(move |n| (user, n)))
        .map(|(user, n)| {
            env.command(&["send", "s", "--user", &format!("u{user}"), &format!("echo {user} {n}")]).spawn()
        })
        .collect();
    let mut ids: Vec<Value> =
        senders.into_iter().map(|one| one.wait().expect(0).object()["prompt_id"].clone()).collect();
    for id in &ids {
        wait(&env, "s", &["--prompt", id.as_str().unwrap()]).expect(0);
    }
    stop_keepers(&env);
    env.run(&["sessions", "end", "s"]).expect(0);
    let mut seen: Vec<Vec<u8>> = followers.into_iter().map(|one| one.wait().expect(0).stdout).collect();
    let first = seen.pop().unwrap();
    assert!(seen.iter().all(|other| *other == first), "every follower's bytes are the same");
    let events = judged_whole(&env, "s");
    assert_eq!(first, env.run(&["events", "s"]).expect(0).stdout);
    let mut delivered: Vec<Value> =
        of_type(&events, "turn.ended")[1..].iter().map(|end| end["prompt_ids"][0].clone()).collect();
    ids.sort_by_key(ToString::to_string);
    delivered.sort_by_key(ToString::to_string);
    assert_eq!(delivered, ids, "each once");
}

#[test]
fn the_programs_in_the_readme_work() {
    let mut env = TestEnv::new();
    env.add_to_path(std::path::Path::new(program()).parent().unwrap());
    let python = env.write("client.py", readme("import json, subprocess"));
    let output = env.program("/usr/bin/python3".as_ref()).args(&[python.to_str().unwrap()]).run().expect(0);
    let lines: Vec<&str> = output.text().lines().collect();
    assert_eq!((lines[0].split(' ').next(), lines.last()), (Some("ok"), Some(&"ok mock: goodbye")), "{lines:?}");
    let shell = env.write("client.sh", readme("session=$(sandbox-agent"));
    let output = env.program("/bin/sh".as_ref()).args(&[shell.to_str().unwrap()]).run().expect(0);
    assert!(output.text().contains("rm x"), "{}", output.text());
    env.wait_until_none_is_alive();
}
