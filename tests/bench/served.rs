//! A server that is measured, ours or the other one's: started, spoken to in short, weighed and ended.

use crate::env::TestEnv;
use crate::program::{Memory, Running, memory, since, start, within};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// A server on a port of loopback, for whoever is on this machine.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// Milliseconds from its start to the first good answer.
    pub(crate) up: f64,
    running: Running,
}

/// How long it may take to its first answer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Served {
    /// Starts it with these arguments besides those that both programs know; what it says is in a file.
    pub(crate) fn start(env: &TestEnv, program: &Path, arguments: &[&str]) -> Served {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = within(env, program);
        command.args(["server", "--no-token", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(arguments).stderr(File::create(env.root().join("served.log")).unwrap());
        let began = Instant::now();
        let running = start(&mut command);
        while !is_healthy(address) {
            assert!(began.elapsed() < PATIENCE, "{} does not answer", program.display());
            std::thread::sleep(Duration::from_micros(200));
        }
        Served { address, up: since(began), running }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.id()
    }

    /// What it holds of memory itself.
    pub(crate) fn memory(&self) -> Memory {
        memory(self.pid()).unwrap()
    }

    /// A request with a JSON body or none, which must succeed; its JSON.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = ask(self.address, method, path, &body).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    /// Asks it to end, and whatever it has started; it is over when all of that is.
    pub(crate) fn stop(mut self, env: &TestEnv) {
        terminate(self.pid() as i32);
        self.running.wait().unwrap();
        for one in env.alive() {
            terminate(one.pid);
        }
        env.wait_until_none_is_alive();
    }
}

fn terminate(pid: i32) {
    // Who has ended in between is what we want.
    let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
}

fn is_healthy(address: SocketAddr) -> bool {
    ask(address, "GET", "/v1/health", "").is_ok_and(|(status, _)| status == 200)
}

/// One request on a connection of its own.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{kind}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = answer.split_off(end + 4);
    let status = std::str::from_utf8(&answer).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body))
}
