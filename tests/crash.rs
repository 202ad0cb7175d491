//! What a crash leaves, compared with what lay in the database before anybody mended it: owners, guards and machines that die.
//!
//! `SANDBOX_AGENT_TEST_ROUNDS=200 cargo nextest run --test cli crash` is the long run, `SANDBOX_AGENT_TEST_SEED=N` another one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value;

use crate::checker;
use crate::env::{Output, Running, TestEnv, rounds, wait_until};
use crate::events::{end, judged, judged_whole, of_type};

/// The steps of an event's walk, as the product names them.
const STEPS: [&str; 4] = ["append", "appended", "shown", "said"];

/// What is played while the owner dies.
const SCRIPTS: [&[&str]; 8] = [
    &["slow 25 2"],
    &["tool 3"],
    &["--on-ask", "allow", "permission"],
    &["--on-ask", "deny", "permissions"],
    &["burst 2000 40"],
    &["subagent"],
    &["orphan 2"],
    // It does not end by itself.
    &["hang"],
];

/// Whatever can be open when an owner dies: texts, calls, results, requests of all sorts, a sub-agent, a tool in the background.
const CUT_SCRIPTS: [&[&str]; 12] = [
    &["slow 4 1"],
    &["revise"],
    &["reasoning"],
    &["plan"],
    &["tool 3"],
    &["file"],
    &["--on-ask", "allow", "permission"],
    &["--on-ask", "deny", "permissions"],
    &["questions"],
    &["withdraw"],
    &["subagent"],
    &["background 20"],
];

#[test]
fn an_owner_that_dies_at_a_step_loses_nothing_and_says_nothing_twice() {
    let env = TestEnv::new();
    let mut dice = Dice::new(1);
    let mut died = BTreeMap::new();
    for round in 0..rounds(12) {
        let step = STEPS[round % STEPS.len()];
        // The last one would wait forever for a step that it does not reach.
        let script = SCRIPTS[dice.below(SCRIPTS.len() - 1)];
        // Little is said to an agent, much is heard of it.
        let most = if step == "said" { 2 } else { 6 };
        // Each step is reached once by every script.
        let count = if round < STEPS.len() { 1 } else { 1 + dice.below(most) };
        let case = format!("round {round}: {script:?}, killed at {step}:{count}");
        let session = format!("step-{round}");
        let run = env.command(&["run", "--agent", "mock", "--session", &session]).args(script);
        let output = run.var("SANDBOX_AGENT_TEST_KILL", format!("{step}:{count}")).run();
        let killed = output.signal() == Some(Signal::SIGKILL);
        *died.entry(step).or_insert(0) += usize::from(killed);
        mended(&env, &session, &output.stdout, killed, &case);
    }
    eprintln!("died at: {died:?} of {} rounds", rounds(12));
    assert!(died.values().all(|died| *died > 0), "{died:?}");
}

#[test]
fn an_owner_that_is_killed_at_any_moment_loses_nothing_and_says_nothing_twice() {
    let env = TestEnv::new();
    let mut dice = Dice::new(2);
    let mut died = 0;
    for round in 0..rounds(12) {
        let script = SCRIPTS[dice.below(SCRIPTS.len())];
        let moment = Duration::from_micros(dice.below(90_000) as u64);
        let case = format!("round {round}: {script:?}, killed after {moment:?}");
        let session = format!("any-{round}");
        let running = env.command(&["run", "--agent", "mock", "--session", &session]).args(script).spawn();
        std::thread::sleep(moment);
        running.signal(Signal::SIGKILL);
        let output = running.wait();
        let killed = output.signal() == Some(Signal::SIGKILL);
        died += usize::from(killed);
        mended(&env, &session, &output.stdout, killed, &case);
    }
    eprintln!("killed while alive: {died} of {} rounds", rounds(12));
    // How many depends on the machine's speed; one that hangs does not end before.
    assert!(died > 0, "none was still alive");
}

/// A batch may end after any event, and the owner with it: kills from outside meet few of these moments.
#[test]
fn an_owner_that_dies_after_any_event_leaves_what_can_be_ended() {
    let mut env = TestEnv::new();
    let mut dice = Dice::new(3);
    let gone = env.command(&["--version"]).spawn();
    let dead = gone.pid();
    drop(gone.wait());
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    let mut wholes = Vec::new();
    for (number, script) in CUT_SCRIPTS.iter().enumerate() {
        env.set("SANDBOX_AGENT_STORE", env.root().join(format!("whole-{number}.db")));
        let output = env.command(&["run", "--agent", "mock", "--session", "s"]).args(script).run();
        let begun = output.lines().iter().position(|event| event["type"] == "turn.started").unwrap();
        cuts.extend((begun + 1..=output.lines().len()).map(|kept| (number, kept)));
        wholes.push(output);
    }
    while cuts.len() > rounds(12) {
        cuts.swap_remove(dice.below(cuts.len()));
    }
    eprintln!("{} cuts", cuts.len());
    for (round, (number, kept)) in cuts.into_iter().enumerate() {
        let store = env.root().join(format!("cut-{round}.db"));
        let whole = Connection::open(env.root().join(format!("whole-{number}.db"))).unwrap();
        whole.execute("VACUUM INTO ?1", [store.to_str().unwrap()]).unwrap();
        let text = wholes[number].text();
        let printed: String = text.split_inclusive('\n').take(kept).collect();
        cut(&Connection::open(&store).unwrap(), &wholes[number].lines()[..kept], dead);
        env.set("SANDBOX_AGENT_STORE", &store);
        let case = format!("{:?}, dead after event {kept}", CUT_SCRIPTS[number]);
        mended(&env, "s", printed.as_bytes(), true, &case);
    }
}

/// Makes a store hold these events only, as its owner left it that died after the last of them.
fn cut(store: &Connection, kept: &[Value], owner: i32) {
    let mut open: Vec<&str> = Vec::new();
    for event in kept {
        let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
        let id = data["permission_id"].as_str().or(data["question_id"].as_str());
        match (kind.split_once('.').unwrap_or_default().1, id) {
            ("requested", Some(id)) => open.push(id),
            ("resolved", Some(id)) => open.retain(|open| *open != id),
            _ => {}
        }
    }
    let turns = of_type(kept, "turn.started").len();
    let status = match (turns > of_type(kept, "turn.ended").len(), open.is_empty()) {
        (true, true) => "running",
        (true, false) => "asking",
        (false, _) => "idle",
    };
    let pending = serde_json::to_string(&open).unwrap();
    let last = kept.len() as i64;
    store.execute("DELETE FROM event WHERE sequence > ?1", [last]).unwrap();
    store.execute("DELETE FROM native WHERE from_sequence > ?1", [last]).unwrap();
    let ended = of_type(kept, "turn.ended").last().copied().filter(|_| status == "idle");
    store
        .execute(
            "UPDATE session SET last_sequence = ?1, status = ?2, pending = ?3, turns = ?4, owner = ?5, outcome = ?6,
                 exit_code = ?7, native_session_id = (SELECT max(native_session_id) FROM native)",
            params![
                last,
                status,
                pending,
                turns as i64,
                owner.to_string(),
                ended.map(|end| end["outcome"].as_str().unwrap()),
                ended.map(|end| end["exit_code"].as_i64().unwrap()),
            ],
        )
        .unwrap();
}

#[test]
fn an_owner_whose_guard_is_killed_ends_its_turn_and_everything_by_itself() {
    let env = TestEnv::new();
    for (number, script) in ["hang", "deaf", "slow 1000 20", "orphan 3"].into_iter().enumerate() {
        let session = format!("guard-{number}");
        let mut running = env.command(&["run", "--agent", "mock", "--session", &session, script]).spawn();
        running.wait_for("a word", |line| line["type"] == "item.delta");
        kill(guard_of(running.pid()).unwrap(), Signal::SIGKILL).unwrap();
        let killed = Instant::now();
        let output = running.wait();
        assert!(killed.elapsed() < Duration::from_secs(10), "{script}: {:?}", killed.elapsed());
        let events = judged(&env, &output);
        if script == "orphan 3" && output.code() == 0 {
            // Its turn had ended already, well; its descendants were what the guard still worked on.
            continue;
        }
        assert_eq!(output.code(), 1, "{script}: {}", output.stderr);
        assert_eq!(end(&events)["outcome"], "failed", "{script}");
        let errors = of_type(&events, "error");
        assert_eq!(errors.len(), 1, "{script}: {errors:?}");
        assert_eq!(errors[0]["code"], "crash", "{script}");
        env.run(&["run", "--session", &session, "again"]).expect(0);
        judged_whole(&env, &session);
    }
}

#[test]
fn what_owner_and_guard_leave_when_both_die_is_ended_by_the_next_command() {
    let env = TestEnv::new();
    let commands: [&[&str]; 4] = [&["sessions", "show"], &["stream"], &["events"], &["run", "again", "--session"]];
    for (round, command) in commands.iter().cycle().take(rounds(12).clamp(4, 20)).enumerate() {
        let session = format!("both-{round}");
        let mut running = env.command(&["run", "--agent", "mock", "--session", &session, "orphan 3"]).spawn();
        running.wait_for("its descendants", |line| {
            line["type"] == "item.delta" && line["data"]["delta"].as_str().unwrap().ends_with(char::is_numeric)
        });
        let guard = guard_of(running.pid());
        // Stopped, it cannot do the work of the one that dies first.
        running.signal(Signal::SIGSTOP);
        if let Some(guard) = guard {
            kill(guard, Signal::SIGKILL).unwrap();
        }
        running.signal(Signal::SIGKILL);
        let printed = running.wait().stdout;
        let left = orphans(&env, &session);
        assert!(!left.is_empty() || guard.is_none(), "round {round}: nothing was left, so nothing is tested");
        let output = env.command(command).args(&[&session]).run();
        assert_eq!(output.code(), 0, "round {round}: {}", output.stderr);
        assert_eq!(orphans(&env, &session), [0; 0], "round {round}: alive after {command:?}");
        let events = judged_whole(&env, &session);
        assert!(env.run(&["stream", &session]).expect(0).stdout.starts_with(&whole_lines(&printed)));
        let ends = of_type(&events, "turn.ended");
        assert!(matches!(ends[0]["stop_reason"].as_str(), Some("killed" | "end_turn")), "{}", ends[0]);
    }
}

#[test]
fn followers_of_an_owner_that_is_killed_end_within_two_seconds() {
    let env = TestEnv::new();
    let mut running = env.command(&["run", "--agent", "mock", "--session", "s", "hang"]).spawn();
    running.wait_for("a word", |line| line["type"] == "item.delta");
    let follow = |stop: &str| env.command(&["stream", "s", stop, "--exit-status"]).spawn();
    let mut followers = vec![follow("--follow"), follow("--follow=turn"), follow("--follow")];
    for follower in &mut followers {
        follower.wait_for("the same word", |line| line["type"] == "item.delta");
    }
    running.signal(Signal::SIGKILL);
    let killed = Instant::now();
    let outputs: Vec<Output> = followers.into_iter().map(Running::wait).collect();
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    let whole = env.run(&["stream", "s"]).expect(0);
    for output in &outputs {
        assert_eq!(output.code(), 137, "{}", output.stderr);
        assert_eq!(output.text(), whole.text());
    }
    let printed = running.wait();
    assert!(whole.stdout.starts_with(&printed.stdout));
    assert_killed(&judged_whole(&env, "s"), "hang");
}

#[test]
fn after_a_power_cut_no_event_id_and_no_cursor_names_two_events() {
    for mending in [&["sessions", "show", "s"][..], &["run", "--session", "s", "again"], &["stream", "s"]] {
        let env = TestEnv::new();
        let mut running = env.command(&["run", "--agent", "mock", "--session", "s", "slow 1000 2"]).spawn();
        running.wait_for("many words", |line| line["sequence"].as_i64() > Some(12));
        running.signal(Signal::SIGKILL);
        drop(running.wait());
        env.wait_until_none_is_alive();
        // What a reader of all sessions saw before the cut; it mends nothing.
        let seen = raw_events(&env, "s");
        let last = i64::try_from(seen.len()).unwrap();
        let lost = seen.iter().rev().take_while(|(_, kind)| kind == "item.delta").count().min(5);
        assert_eq!(lost, 5, "{seen:?}");
        let end = last - 5;
        let uid = query(&env, "SELECT uid FROM session");
        let (kept_id, gone_id) = (format!("evt_{uid}_{end}"), format!("evt_{uid}_{}", end + 1));
        let top_cursor: i64 = query(&env, "SELECT CAST(max(id) AS TEXT) FROM event").parse().unwrap();
        let store = Connection::open(env.store()).unwrap();
        store.execute("DELETE FROM event WHERE sequence > ?1", [end]).unwrap();
        store.execute("UPDATE session SET boot_id = 'of another life', last_sequence = ?1", [end]).unwrap();
        drop(store);

        env.run(mending).expect(0);
        if mending[0] != "run" {
            env.run(&["run", "--session", "s", "again"]).expect(0);
        }
        let events = judged_whole(&env, "s");
        assert!(i64::try_from(events.len()).unwrap() > last, "the numbers that were lost are used again");
        for (event, sequence) in events.iter().zip(1..) {
            assert_eq!(event["sequence"], sequence);
            let of_the_old = event["event_id"].as_str().unwrap().contains(&uid);
            assert_eq!(of_the_old, sequence <= end, "{event}");
        }
        let next = events[usize::try_from(end).unwrap()]["event_id"].as_str().unwrap();
        let rest = env.run(&["stream", "s", "--offset", &kept_id]).expect(0).lines();
        assert_eq!(rest[0]["event_id"], next);
        assert_eq!(env.run(&["stream", "s", "--offset", next]).expect(0).lines().len(), rest.len() - 1);
        for verb in ["stream", "events"] {
            let error = env.run(&[verb, "s", "--offset", &gone_id]).expect(3).object();
            assert_eq!(error["code"], "not_found", "{error}");
        }
        let beyond = (events.len() + 7).to_string();
        let error = env.run(&["stream", "s", "--offset", &beyond]).expect(3).object();
        assert_eq!(error["code"], "offset_beyond_end", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&beyond) && message.contains(&events.len().to_string()), "{message}");
        let all = env.run(&["events", "--all", "--after", &top_cursor.to_string()]).expect(0).lines();
        assert_eq!(all[0]["event_id"], next, "a shipper that saw what is gone gets all that came instead");
        // A restart is one new epoch, not one a command.
        assert_eq!(query(&env, "SELECT CAST(count(*) AS TEXT) FROM epoch"), "2");
    }
}

#[test]
fn of_two_owners_at_once_one_is_told_who_the_other_is() {
    let env = TestEnv::new();
    for round in 0..20 {
        // Twice in a row on each name: the first pair creates it, the second continues it.
        let session = format!("two-{}", round / 2);
        let before = env.run(&["events", &session]).lines().iter().filter(|line| line["sequence"].is_i64()).count();
        let start = || env.command(&["run", "--agent", "mock", "--session", &session, "slow 10 30"]).spawn();
        let pair = [start(), start()];
        let pids = [pair[0].pid(), pair[1].pid()];
        let outputs = pair.map(Running::wait);
        let loser = usize::from(outputs[1].code() != 0);
        let (won, lost) = (&outputs[1 - loser], &outputs[loser]);
        assert_eq!([won.code(), lost.code()], [0, 8], "round {round}\n{}\n{}", won.stderr, lost.stderr);
        let error = lost.object();
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some("busy")), "{error}");
        let pid = pids[1 - loser].to_string();
        assert!(error["message"].as_str().unwrap().contains(&pid), "round {round}: {pid} is not named: {error}");
        assert!(lost.stderr.contains(&pid), "round {round}: {pid} is not named: {}", lost.stderr);
        assert_eq!(judged(&env, won).len() + before, judged_whole(&env, &session).len());
    }
    assert_eq!(query(&env, "SELECT CAST(count(*) AS TEXT) FROM session"), "10");
}

#[test]
fn of_many_that_demand_a_new_name_one_creates_it() {
    let env = TestEnv::new();
    for round in 0..rounds(12) {
        let session = format!("new-{round}");
        let start = |_| env.command(&["run", "--new", "--agent", "mock", "--session", &session, "echo"]).spawn();
        let outputs: Vec<Output> = (0..4).map(start).collect::<Vec<_>>().into_iter().map(Running::wait).collect();
        let codes: Vec<i32> = outputs.iter().map(Output::code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 2].contains(code)), "{codes:?}");
        judged(&env, outputs.iter().find(|output| output.code() == 0).unwrap());
        assert_eq!(of_type(&judged_whole(&env, &session), "turn.started").len(), 1);
    }
    assert_eq!(query(&env, "SELECT CAST(count(*) AS TEXT) FROM session"), rounds(12).to_string());
}

#[test]
fn twenty_runs_at_once_share_one_store() {
    let env = TestEnv::new();
    let start = |number: usize| {
        let script = SCRIPTS[number % 6];
        env.command(&["run", "--agent", "mock", "--session", &format!("r{number}")]).args(script).spawn()
    };
    let runs: Vec<Running> = (0..20).map(start).collect();
    // One who ships everything meanwhile sees the same in the same order.
    let shipper = env.command(&["stream", "--all", "--follow"]).spawn();
    let outputs: Vec<Output> = runs.into_iter().map(Running::wait).collect();
    let mut printed = 0;
    for (number, output) in outputs.iter().enumerate() {
        let session = format!("r{number}");
        assert!([0, 5].contains(&output.code()), "{session}: {}\n{}", output.code(), output.stderr);
        assert_eq!(env.run(&["stream", &session]).expect(0).text(), output.text());
        printed += judged_whole(&env, &session).len();
    }
    let all = env.run(&["events", "--all", "--limit", "1000000"]).expect(0);
    let lines = all.lines();
    let cursors: Vec<i64> = lines.iter().map(|line| line["cursor"].as_i64().unwrap()).collect();
    assert!(cursors.is_sorted_by(|one, next| one < next), "a cursor comes twice or out of order");
    assert_eq!(lines.len(), printed);
    let mut by_session: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &lines {
        let last = by_session.entry(line["session_id"].as_str().unwrap()).or_default();
        *last += 1;
        assert_eq!(line["sequence"], *last, "out of order: {line}");
    }
    wait_until("the shipper", || (shipper.lines().len() >= printed).then_some(()));
    shipper.signal(Signal::SIGTERM);
    assert_eq!(shipper.wait().text(), all.text());
}

/// Judges a session whose owner is dead, mends it, judges that, and goes on with it.
///
/// `printed` is what the owner's stdout got.
fn mended(env: &TestEnv, session: &str, printed: &[u8], killed: bool, case: &str) {
    let before = raw_events(env, session);
    let started = before.iter().filter(|(_, kind)| kind == "turn.started").count();
    let open = started - before.iter().filter(|(_, kind)| kind == "turn.ended").count();
    assert!(open == 0 || killed, "{case}: a run that ended by itself left a turn open");
    let shown = env.run(&["sessions", "show", session]);
    if shown.code() == 3 {
        assert!(printed.is_empty() && before.is_empty(), "{case}: printed or stored, and there is no session");
        env.wait_until_none_is_alive();
        return;
    }
    assert_eq!(orphans(env, session), [0; 0], "{case}: alive after the session was shown");
    let row = shown.expect(0).object();
    let stream = env.run(&["stream", session]).expect(0);
    let events = stream.lines();
    // I1 and I5, on all of it; the printed is a beginning of the stored, byte for byte.
    if let Err(violations) = checker::check(&events) {
        panic!("{case}: {violations:#?}\n{}", stream.text());
    }
    assert!(stream.stdout.starts_with(printed), "{case}: printed\n{}", String::from_utf8_lossy(printed));
    let kept: Vec<(i64, String)> = events[..before.len()]
        .iter()
        .map(|event| (event["sequence"].as_i64().unwrap(), event["type"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(kept, before, "{case}: the recovery changed what was stored");
    let added = &events[before.len()..];
    if open == 1 {
        assert_killed(added, case);
        assert_eq!((&row["outcome"], &row["exit_code"]), (&"failed".into(), &137.into()), "{case}: {row}");
    } else {
        // What runs on after a turn may be open still; no turn is.
        assert!(of_type(added, "turn.ended").is_empty(), "{case}: no turn was open, and yet there came {added:#?}");
    }
    assert_eq!(row["status"], "idle", "{case}: {row}");
    assert_eq!(row["pending"], Value::Array(Vec::new()), "{case}: {row}");
    assert_eq!(row["last_sequence"], events.len(), "{case}: {row}");
    assert_eq!(env.run(&["sessions", "show", session]).expect(0).object(), row, "{case}: a second look differs");
    assert_eq!(env.run(&["stream", session]).expect(0).text(), stream.text(), "{case}: a second look differs");
    let next = env.run(&["run", "--session", session, "again"]);
    assert_eq!(next.code(), 0, "{case}: the session does not go on: {}", next.stderr);
    assert_eq!(next.lines()[0]["sequence"], events.len() + 1, "{case}");
    judged(env, &next);
    let whole = env.run(&["stream", session]).expect(0);
    assert!(whole.stdout.starts_with(&stream.stdout), "{case}: going on changed what was stored");
    judged_whole(env, session);
}

/// These events close a turn in the name of an owner that was killed, once.
fn assert_killed(added: &[Value], case: &str) {
    let ends: Vec<&Value> =
        added.iter().filter(|event| event["type"] == "turn.ended" && event["synthetic"] == true).collect();
    assert_eq!(ends.len(), 1, "{case}: {added:#?}");
    assert_eq!(added.last(), Some(ends[0]), "{case}");
    let data = &ends[0]["data"];
    let said = (data["outcome"].as_str(), data["exit_code"].as_i64(), data["stop_reason"].as_str());
    assert_eq!(said, (Some("failed"), Some(137), Some("killed")), "{case}");
    let errors: Vec<&Value> = of_type(added, "error").into_iter().filter(|error| error["code"] == "crash").collect();
    assert_eq!(errors.len(), 1, "{case}: {added:#?}");
}

/// Sequence and type of what is stored of a session, as it lies there: nobody is asked who might mend it.
fn raw_events(env: &TestEnv, session: &str) -> Vec<(i64, String)> {
    let Some(store) = reader(env) else { return Vec::new() };
    let sql = "SELECT sequence, type FROM event
               WHERE session_no = (SELECT no FROM session WHERE session_id = ?1) ORDER BY sequence";
    let Ok(mut select) = store.prepare(sql) else { return Vec::new() };
    let rows = select.query_map([session], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// One text out of the database.
fn query(env: &TestEnv, sql: &str) -> String {
    reader(env).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Only reads, so that what is left in the log stays there for the product to find.
fn reader(env: &TestEnv) -> Option<Connection> {
    let store = Path::new(&env.variables()[OsStr::new("SANDBOX_AGENT_STORE")]);
    store.exists().then(|| Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
}

/// What an output has before its last line is torn.
fn whole_lines(printed: &[u8]) -> Vec<u8> {
    printed[..printed.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)].to_vec()
}

/// The process between an owner and its agent.
fn guard_of(owner: i32) -> Option<Pid> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?.parse::<i32>().ok()?;
        (parent == owner && name.ends_with("(sa-guard")).then(|| Pid::from_raw(pid))
    })
}

/// The living processes that a session has started: those that carry its mark.
fn orphans(env: &TestEnv, session: &str) -> Vec<i32> {
    let sql = "SELECT uid FROM session WHERE session_id = ?1";
    let uid: String = reader(env).unwrap().query_row(sql, [session], |row| row.get(0)).unwrap();
    let mark = format!("SANDBOX_AGENT_SESSION_UID={uid}");
    let carries = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    env.alive().into_iter().map(|process| process.pid).filter(|pid| carries(*pid)).collect()
}

/// Numbers that look random and are the same in every run with the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(test: u64) -> Dice {
        let seed: u64 = std::env::var("SANDBOX_AGENT_TEST_SEED").map_or(0, |seed| seed.parse().unwrap());
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(test))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}
