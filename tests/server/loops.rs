//! The two loops by which programs copy sessions into their own database, in Python and in Node, while everybody is killed.
//!
//! `SANDBOX_AGENT_TEST_ROUNDS=100 cargo nextest run --test cli server::loops` is the long run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use serde_json::Value;

use super::client::Server;
use crate::crash::Dice;
use crate::env::{Output, Running, TestEnv, rounds, wait_until};
use crate::npm::packages;
use crate::real::equipment::node;

/// A PostgreSQL of its own, reached by a socket in its folder.
struct Postgres {
    folder: PathBuf,
    running: Option<Running>,
}

impl Postgres {
    fn start(env: &TestEnv) -> Postgres {
        let bin = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is needed");
        let bin = bin.map(|version| version.unwrap().path().join("bin")).max().expect("PostgreSQL is needed");
        // A socket's path may be about a hundred bytes long; a test's folder is longer.
        let folder = tempfile::Builder::new().prefix("pg-").tempdir().unwrap().keep();
        let data = folder.join("data");
        // It refuses to be root.
        let mut command = vec![];
        if geteuid().is_root() {
            let user = User::from_name("postgres").unwrap().expect("Debian's package makes the user `postgres`");
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            command.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(str::to_owned));
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let run = |name: &str, args: &[&str]| {
            let mut line = command.clone();
            line.push(bin.join(name).to_str().unwrap().to_owned());
            line.extend(args.iter().map(|arg| (*arg).to_owned()));
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            env.program(Path::new(line[0])).args(&line[1..])
        };
        let data = data.to_str().unwrap();
        run("initdb", &["-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]).run().expect(0);
        let socket = folder.to_str().unwrap();
        let running =
            run("postgres", &["-D", data, "-k", socket, "-c", "listen_addresses=", "-c", "fsync=off"]).spawn();
        let postgres = Postgres { folder, running: Some(running) };
        wait_until("PostgreSQL", || postgres.try_ask("SELECT 1"));
        postgres
    }

    fn try_ask(&self, query: &str) -> Option<String> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-At", "-U", "postgres", "-c", query, "-h"]).arg(&self.folder);
        let output = psql.stderr(Stdio::null()).output().expect("psql is needed");
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn ask(&self, query: &str) -> String {
        self.try_ask(query).unwrap_or_else(|| panic!("PostgreSQL refuses `{query}`"))
    }

    /// As `libpq` is told of it; `pg` reads the same.
    fn address(&self, database: &str) -> String {
        format!("postgresql://postgres@/{database}?host={}", self.folder.display())
    }

    /// The table of a program of its own.
    fn table(&self, database: &str) {
        self.ask(&format!("CREATE DATABASE {database}"));
        let table = "CREATE TABLE events (session_id text, sequence int, body json, UNIQUE (session_id, sequence))";
        let mut psql = Command::new("psql");
        let made = psql.args(["-X", "-q", "-c", table]).arg(self.address(database)).status().unwrap();
        assert!(made.success());
    }

    /// What the program has stored.
    fn rows(&self, database: &str) -> Vec<Value> {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-At", "-c", "SELECT body FROM events ORDER BY sequence"]).arg(self.address(database));
        let output = psql.output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // `setpriv` becomes what it starts.
            running.signal(Signal::SIGINT);
            let _ = running.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The server at one port, which it gets again however it ended.
fn serve(env: &TestEnv, port: u16) -> Server {
    let port = port.to_string();
    Server::of(env.command(&["server", "--port", &port]).var("SANDBOX_AGENT_TOKEN", "secret").spawn(), Some("secret"))
}

#[test]
fn a_table_has_each_event_once_however_often_its_writer_and_the_server_are_killed() {
    if packages().is_none() {
        return;
    }
    let env = TestEnv::new();
    let postgres = Postgres::start(&env);
    let script = env.write("stream.mjs", include_str!("loops/stream.mjs"));
    let poll = env.write("poll.py", include_str!("loops/poll.py"));
    let mut server = Server::start(&env);
    let url = server.record["url"].as_str().unwrap().to_owned();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    server.create("s");
    let programs = [("polled", PathBuf::from("/usr/bin/python3"), poll), ("streamed", node(), script)];
    for (database, ..) in &programs {
        postgres.table(database);
    }
    let start = |(database, program, script): &(&str, PathBuf, PathBuf)| {
        let args = [script.to_str().unwrap(), &url, "s", &postgres.address(database)];
        env.program(program).args(&args).var("SANDBOX_AGENT_TOKEN", "secret").spawn()
    };
    let mut clients: BTreeMap<&str, Running> = programs.iter().map(|program| (program.0, start(program))).collect();
    let mut dice = Dice::new(10);
    for _ in 0..rounds(8) {
        env.run(&["send", "s", "burst 300 40"]).expect(0);
        for program in &programs {
            // When it hits is left to chance.
            std::thread::sleep(Duration::from_millis(dice.below(250) as u64));
            killed(clients.remove(program.0).unwrap());
            clients.insert(program.0, start(program));
        }
        std::thread::sleep(Duration::from_millis(dice.below(250) as u64));
        killed(server.running);
        server = serve(&env, port);
    }
    env.run(&["wait", "s", "--timeout", "100s"]).expect(0);
    env.run(&["sessions", "end", "s"]).expect(0);
    let stored = env.run(&["stream", "s"]).expect(0).lines();
    for (database, client) in clients {
        client.wait().expect(0);
        assert!(postgres.rows(database) == stored, "{database}: the table is not what is stored");
    }
    assert!(stored.len() > 300 * rounds(8));
    server.running.signal(Signal::SIGTERM);
    server.running.wait().expect(143);
}

/// It went on until it was killed.
fn killed(running: Running) -> Output {
    running.signal(Signal::SIGKILL);
    let output = running.wait();
    assert_eq!(output.signal(), Some(Signal::SIGKILL), "it ended by itself: {}", output.stderr);
    output
}
