//! Flows: nothing is lost and nothing comes twice, whoever is slow, whoever is killed.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::client::{Flow, Server};
use crate::env::{TestEnv, wait_until};
use crate::events::judged_whole;

fn idle(env: &TestEnv, session: &str) {
    let _ = env.run(&["wait", session, "--for", "idle", "--timeout", "100s"]);
}

/// Reads up to a sequence, and checks that each follows the one before.
fn follow(flow: &mut Flow, mut after: i64, last: i64) {
    while after < last {
        let (sequence, _) = flow.next().unwrap().unwrap_or_else(|| panic!("it ended after {after}"));
        assert_eq!(sequence, after + 1);
        after = sequence;
    }
}

fn last(server: &Server, session: &str) -> i64 {
    server.get(&format!("/v1/sessions/{session}")).json(200)["eventCount"].as_i64().unwrap()
}

/// B1-09.
#[test]
fn a_reader_that_comes_back_goes_on_where_it_was() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "-o", "none", "--", "burst 5000"]).expect(0);
    let server = Server::start(&env);
    let last = last(&server, "s");
    assert!(last > 5000);
    follow(&mut server.flow("/v1/sessions/s/events/sse", Some(10)), 10, last);
    follow(&mut server.flow("/v1/sessions/s/events/sse?offset=4000", None), 4000, last);
    // What the client says of itself counts more than where its program began.
    follow(&mut server.flow("/v1/sessions/s/events/sse?offset=1", Some(last - 1)), last - 1, last);
    // The polling loop: pages of any size give the same.
    let (mut offset, mut pages) = (0, 0);
    loop {
        let page = server.get(&format!("/v1/sessions/s/events?offset={offset}&limit=700")).json(200);
        for event in page["events"].as_array().unwrap() {
            assert_eq!(event["sequence"], offset + 1);
            offset += 1;
        }
        pages += 1;
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!((offset, pages), (last, (last + 699) / 700));
}

/// B1-08.
#[test]
fn a_burst_is_whole_for_a_slow_reader_and_costs_no_memory() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let mut slow = server.flow("/v1/sessions/s/events/sse", None);
    let never: Vec<Flow> = (0..20).map(|_| server.flow("/v1/sessions/s/events/sse", None)).collect();
    let mut quick = server.flow("/v1/sessions/s/events/sse", None);
    server.prompt("s", "burst 50000 200");
    // Nobody is held up by those who do not read.
    let events = quick.until("turn.ended");
    assert!(events.len() > 50_000);
    for ((sequence, _), wanted) in events.iter().zip(1..) {
        assert_eq!(*sequence, wanted);
    }
    // The slow one begins to read when everything is over.
    idle(&env, "s");
    follow(&mut slow, 0, last(&server, "s"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 << 10, "{peak} KiB at most were resident");
    drop(never);
}

#[test]
fn a_killed_server_stops_no_turn_and_the_next_one_goes_on() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let mut flow = server.flow("/v1/sessions/s/events/sse", None);
    server.prompt("s", "slow 40 25");
    let first = flow.until("item.delta");
    let seen = first.last().unwrap().0;
    server.running.signal(Signal::SIGKILL);
    assert_eq!(server.running.wait().code(), 137);
    while let Ok(Some(_)) = flow.next() {}
    let server = Server::start(&env);
    let mut flow = server.flow("/v1/sessions/s/events/sse", Some(seen));
    let rest = flow.until("turn.ended");
    for ((sequence, _), wanted) in rest.iter().zip(seen + 1..) {
        assert_eq!(*sequence, wanted);
    }
    assert!(rest.last().unwrap().1.contains("\"outcome\":\"ok\""));
    idle(&env, "s");
    judged_whole(&env, "s");
}

#[test]
fn an_owner_that_was_killed_is_told_to_who_follows() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let mut flow = server.flow("/v1/sessions/s/events/sse", None);
    server.prompt("s", "hang");
    flow.until("turn.started");
    // Who made the session goes by the same words, and may still be leaving.
    let owner = wait_until("its owner to be alone", || {
        let mut owners = env.alive();
        owners.retain(|one| one.command.starts_with("sandbox-agent __keep run"));
        (owners.len() == 1).then(|| owners.remove(0))
    });
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(owner.pid), Signal::SIGKILL).unwrap();
    let end = flow.until("turn.ended").pop().unwrap().1;
    assert!(end.contains("\"exit_code\":137"), "{end}");
}

#[test]
fn a_server_that_is_ended_says_so_and_its_sessions_go_on() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let mut flow = server.flow("/v1/sessions/s/events/sse", None);
    server.prompt("s", "slow 40 25");
    flow.until("item.delta");
    server.running.signal(Signal::SIGTERM);
    assert_eq!(server.running.wait().signal(), Some(Signal::SIGTERM));
    while flow.next().unwrap().is_some() {}
    assert_eq!(flow.comments.last().unwrap(), "the server ends; the session goes on");
    idle(&env, "s");
    assert!(judged_whole(&env, "s").last().unwrap()["data"]["outcome"] == "ok");
}

#[test]
fn a_long_poll_returns_when_something_comes_and_not_before() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    server.create("s");
    let begun = Instant::now();
    let empty = server.get("/v1/sessions/s/events?wait=300ms").json(200);
    assert_eq!(empty, json!({ "events": [], "hasMore": false }));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/v1/sessions/s/events?wait=100s").json(200));
        server.prompt("s", "echo");
        assert_eq!(waiting.join().unwrap()["events"][0]["sequence"], 1);
    });
    idle(&env, "s");
}

#[test]
fn many_clients_at_once_do_not_disturb_one_another() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let name = format!("s{number}");
                server.create(&name);
                let mut flow = server.flow(&format!("/v1/sessions/{name}/events/sse"), None);
                for turn in 0..2 {
                    server.prompt(&name, &format!("echo {number} {turn}"));
                    let end = flow.until("turn.ended").pop().unwrap().1;
                    assert!(end.contains(&format!("\"mock: {number} {turn}\"")), "{end}");
                }
            });
        }
    });
    assert_eq!(server.get("/v1/sessions").json(200)["sessions"].as_array().unwrap().len(), 8);
    // Who wants the same name gets it once.
    let made: Vec<u16> = std::thread::scope(|scope| {
        let one = || server.post("/v1/sessions/same", &json!({ "agent": "mock" })).status;
        let all: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    assert!(made.iter().all(|status| [201, 409].contains(status)), "{made:?}");
    for number in 0..8 {
        idle(&env, &format!("s{number}"));
    }
}
