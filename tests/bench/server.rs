//! The second door under load: a thousand who follow, ten thousand who are only connected, and some who never read.

use crate::Effort;
use crate::clients::{Follower, Kept, Seen, never_reads, read_all, runtime};
use crate::env::TestEnv;
use crate::follow::late;
use crate::history::History;
use crate::plot::{Curve, Names, Plot};
use crate::program::{measured, since, spent};
use crate::served::Served;
use crate::table::{Row, Sample, grouped, kib, ms, per_second, percent};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

pub(crate) fn measure(effort: &Effort, _history: &History) {
    many_files();
    crowd(effort);
    sessions(effort);
    deaf(effort);
    connections(effort);
    // (A picture ends the table.)
    growth(effort);
}

/// Lets this process, and all that it starts, have as many files open as the machine allows.
fn many_files() -> u64 {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    most
}

/// A server with sessions of the mock, and the clients of it.
struct House {
    env: TestEnv,
    server: Served,
    clients: Runtime,
}

impl House {
    fn new() -> House {
        let env = TestEnv::new();
        let server = Served::start(&env, &measured(), &[]);
        House { env, server, clients: runtime() }
    }

    fn create(&self, session: &str) {
        self.server.call("POST", &format!("/v1/sessions/{session}"), &json!({ "agent": "mock" }));
    }

    fn prompt(&self, session: &str, text: &str) {
        prompt(&self.server, session, text);
    }

    fn follow(&self, sessions: impl Iterator<Item = String>) -> Vec<Follower> {
        self.clients.block_on(async {
            let mut followers = Vec::new();
            for session in sessions {
                followers.push(Follower::open(self.server.address, &session).await);
            }
            followers
        })
    }

    fn read_all(&self, followers: Vec<Follower>, turns: usize) -> Vec<Follower> {
        self.clients.block_on(read_all(followers, turns))
    }

    /// What the server takes of a processor while nothing happens, in percent.
    fn idle(&self, span: Duration) -> f64 {
        let before = spent(self.server.pid()).unwrap();
        let began = Instant::now();
        std::thread::sleep(span);
        (spent(self.server.pid()).unwrap() - before) / since(began) * 100.0
    }

    /// Memory that it holds, in KiB.
    fn resident(&self) -> f64 {
        self.server.memory().resident
    }

    fn stop(self) {
        drop(self.clients);
        self.server.stop(&self.env);
    }
}

/// Tells a thread that it is over, also where that is a failure.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A heartbeat of each follower falls into it.
const REST: Duration = Duration::from_secs(16);
/// For what was just begun to come to rest.
const SETTLE: Duration = Duration::from_secs(1);

/// A thousand on one session.
fn crowd(effort: &Effort) {
    const FOLLOWERS: usize = 1000;
    let house = House::new();
    house.create("crowd");
    // What is made for the first of a kind is not one follower's.
    drop(house.follow(std::iter::repeat_n("crowd".to_owned(), 10)));
    std::thread::sleep(SETTLE);
    eprintln!("  {FOLLOWERS} followers of one session");
    let before = house.resident();
    let followers = house.follow(std::iter::repeat_n("crowd".to_owned(), FOLLOWERS));
    std::thread::sleep(SETTLE);
    let each = |now: f64| (now - before) / FOLLOWERS as f64;
    let at_rest = each(house.resident());
    let idle = house.idle(REST);

    let count = effort.pick(200, 50);
    let used = spent(house.server.pid()).unwrap();
    house.prompt("crowd", &format!("slow {count} 100"));
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    let (followers, late) = std::thread::scope(|scope| {
        let late = scope.spawn(|| late(&stop));
        let over = Over(&stop);
        let followers = house.read_all(followers, 1);
        drop(over);
        (followers, late.join().unwrap())
    });
    let used = (spent(house.server.pid()).unwrap() - used) / since(began) * 100.0;
    let after = each(house.resident());
    let events = same(&followers);
    let started = began + SETTLE;
    let ages = Sample::new(deltas(&followers, started).map(|seen| seen.age));
    Row::new(format!("event → client, {FOLLOWERS} followers of one session, 10 events/s"), &ages, ms)
        .note(beside(&late))
        .asked("p99 ≤ 50 ms", ages.p99() <= 50.0)
        .print();
    let firsts = extremes(&followers, started, f64::min);
    let lasts = Sample::new(extremes(&followers, started, f64::max));
    Row::new("the same, until the last of them has it", &lasts, ms)
        .note(format!("the first of them: {}", ms(Sample::new(firsts).median())))
        .print();
    Row::new("CPU of the server meanwhile", &Sample::new([used]), percent).print();

    let count = effort.pick(5000, 1000);
    house.prompt("crowd", &format!("burst {count} 300"));
    let began = Instant::now();
    let followers = house.read_all(followers, 2);
    let seconds = since(began) / 1000.0;
    let delivered = (same(&followers) - events) as f64 * FOLLOWERS as f64 / seconds;
    std::thread::sleep(SETTLE);
    let burst = each(house.resident());
    Row::new(
        format!("burst of {} events of 300 bytes to each of them, none lost", grouped(count as f64)),
        &Sample::new([delivered]),
        per_second,
    )
    .print();
    memory_row("memory a follower", at_rest, after, burst);
    idle_row(&format!("CPU of the server, {FOLLOWERS} following an idle session"), idle);
    drop(followers);
    house.stop();
}

/// How long an event takes to the client by how many follow.
fn growth(effort: &Effort) {
    let (mut half, mut most) = (Vec::new(), Vec::new());
    for count in [1, 3, 10, 30, 100, 300, 1000, 3000] {
        let house = House::new();
        house.create("crowd");
        eprintln!("  {count} followers");
        let followers = house.follow(std::iter::repeat_n("crowd".to_owned(), count));
        house.prompt("crowd", &format!("slow {} 100", effort.pick(60, 30)));
        let started = Instant::now() + SETTLE;
        let followers = house.read_all(followers, 1);
        let ages = Sample::new(deltas(&followers, started).map(|seen| seen.age));
        half.push((count as f64, ages.median()));
        most.push((count as f64, ages.p99()));
        Row::new(format!("event → client, {} following", grouped(count as f64)), &ages, ms).print();
        drop(followers);
        house.stop();
    }
    effort.show(&Plot {
        title: "From an event to its followers by how many follow",
        file: "followers",
        across: "followers of one session over server-sent events, 10 events/s",
        up: "ms from the event to the client",
        names: Names::UpperLeft,
        curves: vec![Curve { name: "p99".into(), points: most }, Curve { name: "p50".into(), points: half }],
    });
}

/// Two hundred sessions with a follower each.
fn sessions(effort: &Effort) {
    const SESSIONS: usize = 200;
    let house = House::new();
    let name = |at: usize| format!("s{at}");
    eprintln!("  {SESSIONS} sessions with a follower each");
    (0..SESSIONS).for_each(|at| house.create(&name(at)));
    drop(house.follow((0..10).map(name)));
    std::thread::sleep(SETTLE);
    let before = house.resident();
    let followers = house.follow((0..SESSIONS).map(name));
    std::thread::sleep(SETTLE);
    let each = |now: f64| (now - before) / SESSIONS as f64;
    let at_rest = each(house.resident());
    let idle = house.idle(REST);

    let count = effort.pick(40, 25);
    let server = &house.server;
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let (followers, started, late) = std::thread::scope(|scope| {
        let prompting = scope.spawn(|| {
            (0..SESSIONS).for_each(|at| prompt(server, &name(at), &format!("slow {count} 1000")));
            Instant::now() + SETTLE
        });
        let late = scope.spawn(|| late(&stop));
        let over = Over(&stop);
        let followers = house.clients.block_on(read_all(followers, 1));
        drop(over);
        (followers, prompting.join().unwrap(), late.join().unwrap())
    });
    let begun = (started - began).as_secs_f64();
    let after = each(house.resident());
    let ages = Sample::new(deltas(&followers, started).map(|seen| seen.age));
    Row::new(format!("event → client, {SESSIONS} sessions with a follower each, each an event a second"), &ages, ms)
        .note(format!("{}; all had their prompt after {begun:.1} s", beside(&late)))
        .print();
    memory_row("memory a follower, each of a session of its own", at_rest, after, after);
    idle_row(&format!("CPU of the server, {SESSIONS} idle sessions with a follower each"), idle);
    drop(followers);
    house.stop();
}

/// Ten who follow a burst, with and without ten beside them who never read.
fn deaf(effort: &Effort) {
    const READERS: usize = 10;
    const DEAF: usize = 10;
    let count = effort.pick(50_000, 20_000);
    let house = House::new();
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..effort.rounds(5, 3) {
        eprintln!("  never reading, round {}", round + 1);
        for (with, measured) in rounds.iter_mut().enumerate() {
            let session = format!("burst-{round}-{with}");
            house.create(&session);
            let stuck = house.clients.block_on(async {
                let mut stuck = Vec::new();
                for _ in 0..DEAF * with {
                    stuck.push(never_reads(house.server.address, &session).await);
                }
                stuck
            });
            let followers = house.follow(std::iter::repeat_n(session.clone(), READERS));
            // The first burst fills what can be filled of those who never read.
            house.prompt(&session, &format!("burst {count} 300"));
            let followers = house.read_all(followers, 1);
            let began = Instant::now();
            house.prompt(&session, &format!("burst {count} 300"));
            let followers = house.read_all(followers, 2);
            let wall = since(began);
            let events = same(&followers);
            assert!(events > 2 * count as i64, "{events} events of two bursts");
            let ages = Sample::new(deltas(&followers, began).map(|seen| seen.age));
            measured.push([ages.median(), ages.p99(), wall]);
            drop(stuck);
        }
    }
    let [without, with] = rounds;
    for (at, what) in ["p50 of event → client", "p99 of event → client", "wall"].into_iter().enumerate() {
        let of = |rounds: &[[f64; 3]]| rounds.iter().map(|round| round[at]).collect::<Vec<_>>();
        let ratios = Sample::of_pairs(&of(&with), &of(&without), |with, without| with / without);
        let what = format!(
            "{what}, {READERS} followers of a burst of {} events, {DEAF} others never read",
            grouped(count as f64)
        );
        Row::new(what, &Sample::new(of(&with)), ms)
            .beside("without them", &Sample::new(of(&without)), ms)
            .ratio(&ratios)
            .asked("≤ 1.5", ratios.median() <= 1.5)
            .print();
    }
    house.stop();
}

/// Ten thousand connections that are kept open, and somebody beside them who asks.
fn connections(effort: &Effort) {
    // Half of this process's files and of the server's are for something else.
    let wanted = (many_files() as usize / 2).min(10_000);
    let house = House::new();
    let asked = effort.pick(2000, 500);
    let ask = |client: &mut Kept| {
        house.clients.block_on(async {
            let mut times = Vec::new();
            for _ in 0..asked {
                times.push(client.health().await);
            }
            Sample::new(times)
        })
    };
    let mut client = house.clients.block_on(Kept::open(house.server.address));
    let _ = ask(&mut client);
    let alone = ask(&mut client);
    let before = house.resident();
    eprintln!("  {wanted} connections");
    let began = Instant::now();
    let kept = house.clients.block_on(async {
        let mut kept = Vec::new();
        for _ in 0..wanted {
            let mut one = Kept::open(house.server.address).await;
            one.health().await;
            kept.push(one);
        }
        kept
    });
    let connected = since(began) / 1000.0;
    std::thread::sleep(SETTLE);
    let each = (house.resident() - before) / wanted as f64;
    // Half a minute is what a connection may rest.
    let idle = house.idle(Duration::from_secs(10));
    let beside = ask(&mut house.clients.block_on(Kept::open(house.server.address)));
    // What has come is only seen when somebody looks.
    house.clients.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    let open = kept.iter().filter(|one| one.is_open()).count();
    assert_eq!(open, wanted, "connections that are still open, {:.1} s after the first", since(began) / 1000.0);
    let count = grouped(wanted as f64);
    Row::new(format!("memory a connection, {count} kept open"), &Sample::new([each]), kib)
        .note(format!("connected and answered within {connected:.1} s"))
        .print();
    Row::new(format!("`GET /v1/health` beside {count} idle connections"), &beside, ms)
        .note(format!("alone: {}, p99 {}", ms(alone.median()), ms(alone.p99())))
        .print();
    idle_row(&format!("CPU of the server, {count} idle connections, over 10 s"), idle);
    drop(kept);
    house.stop();
}

fn prompt(server: &Served, session: &str, text: &str) {
    server.call("POST", &format!("/v1/sessions/{session}/messages"), &json!({ "message": text }));
}

/// How many events all of them have; everybody has the same.
fn same(followers: &[Follower]) -> i64 {
    let events = followers[0].seen.len();
    assert!(followers.iter().all(|follower| follower.seen.len() == events), "everybody has {events} events");
    events as i64
}

fn deltas(followers: &[Follower], began: Instant) -> impl Iterator<Item = &Seen> {
    followers.iter().flat_map(|follower| &follower.seen).filter(move |seen| seen.delta && seen.is_after(began))
}

/// For each delta the age that it had at the first, or at the last, who got it.
fn extremes(followers: &[Follower], began: Instant, pick: fn(f64, f64) -> f64) -> Vec<f64> {
    let of = |first: &Seen| {
        let at = first.sequence as usize - 1;
        followers.iter().map(|follower| follower.seen[at].age).reduce(pick)
    };
    deltas(&followers[..1], began).filter_map(of).collect()
}

fn beside(late: &Sample) -> String {
    format!("lateness of a sleep here meanwhile: {}, p99 {}", ms(late.median()), ms(late.p99()))
}

fn memory_row(what: &str, at_rest: f64, after: f64, burst: f64) {
    let most = at_rest.max(after).max(burst);
    let note = if burst == after { String::new() } else { format!("; after a burst {}", kib(burst)) };
    Row::new(what, &Sample::new([at_rest]), kib)
        .note(format!("at rest; after its events {}{note}", kib(after)))
        .asked("≤ 64 KiB", most <= 64.0)
        .print();
}

fn idle_row(what: &str, share: f64) {
    Row::new(what, &Sample::new([share]), percent).asked("≤ 0.5 %", share <= 0.5).print();
}
