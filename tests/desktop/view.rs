//! The live view: seen and used in a real browser, and by clients that are slow, silent, greedy or not allowed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::screen::png;
use super::{Desk, ticks};
use crate::browser::Browser;
use crate::env::{PATIENCE, wait_until};

fn start(desk: &Desk, flags: &[&str]) -> Value {
    let view = desk.ok(&[&["view", "start"], flags].concat());
    assert_eq!(view["active"], true, "{view}");
    view
}

fn port(view: &Value) -> u16 {
    view["port"].as_u64().unwrap().try_into().unwrap()
}

fn token(view: &Value) -> &str {
    view["url"].as_str().unwrap().split_once("/#").unwrap().1
}

/// The answer to a request, without what follows its head.
fn request(port: u16, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who sends too much is not listened to any more, and sees only that.
    let _ = stream.write_all(head.replace('\n', "\r\n").as_bytes());
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).unwrap())
}

const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

/// A viewer that is no browser.
struct Client {
    stream: TcpStream,
}

/// What it is told.
#[derive(Debug)]
enum Told {
    Text(Value),
    Frame(u32, Vec<[u16; 4]>),
    Cursor,
    Closed(u16),
}

impl Client {
    fn connect(view: &Value) -> Client {
        let (port, token) = (port(view), token(view));
        let head = format!("GET /ws?token={token} HTTP/1.1\nHost: localhost:{port}\n{UPGRADE}\n");
        let (stream, answer) = request(port, &head);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // The example of RFC 6455.
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        Client { stream }
    }

    fn say(&mut self, message: &Value) {
        self.send(message.to_string().as_bytes());
    }

    fn send(&mut self, text: &[u8]) {
        let mut frame = vec![0x81];
        match text.len() {
            small @ 0..126 => frame.push(0x80 | small as u8),
            large => {
                frame.push(0x80 | 127);
                frame.extend((large as u64).to_be_bytes());
            }
        }
        // Masked with nothing.
        frame.extend([0; 4]);
        frame.extend(text);
        self.stream.write_all(&frame).unwrap();
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn hear(&mut self) -> Told {
        let head = self.bytes(2);
        let length = match head[1] {
            126 => u16::from_be_bytes(self.bytes(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()) as usize,
            small => small.into(),
        };
        let bytes = self.bytes(length);
        let short = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let long = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        match (head[0], bytes.first()) {
            (0x81, _) => Told::Text(serde_json::from_slice(&bytes).unwrap()),
            (0x82, Some(1)) => {
                let (mut parts, mut at) = (Vec::new(), 5);
                while at < bytes.len() {
                    parts.push([short(at), short(at + 2), short(at + 4), short(at + 6)]);
                    let length = long(at + 8) as usize;
                    assert_eq!(bytes[at + 12..at + 14], [0xff, 0xd8], "a JPEG");
                    at += 12 + length;
                }
                Told::Frame(long(1), parts)
            }
            (0x82, Some(2)) => {
                assert_eq!(bytes.len(), 9 + usize::from(short(1)) * usize::from(short(3)) * 4);
                Told::Cursor
            }
            (0x88, _) => Told::Closed(u16::from_be_bytes(bytes[..2].try_into().unwrap())),
            other => panic!("{other:?}"),
        }
    }

    /// Its next frame; it says that it has drawn it.
    fn frame(&mut self) -> Vec<[u16; 4]> {
        loop {
            if let Told::Frame(frame, parts) = self.hear() {
                self.say(&json!({"type": "drawn", "frame": frame}));
                return parts;
            }
        }
    }

    /// Waits until the view has ended this, and says why.
    fn closed(&mut self) -> u16 {
        loop {
            if let Told::Closed(code) = self.hear() {
                return code;
            }
        }
    }

    /// Whether nothing comes for so long.
    fn is_quiet(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let quiet = self.stream.peek(&mut [0]).is_err();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        quiet
    }
}

/// An xterm of one colour in the upper left corner that runs this.
fn coloured(desk: &Desk, script: &str) {
    let window = desk.xterm(&["-bg", "#204060", "-b", "0", "-geometry", "60x20"], script);
    desk.ok(&["windows", "move", window["id"].as_str().unwrap(), "0", "0"]);
}

const CANVAS: &str = "document.getElementById('screen').getContext('2d')";

fn is_near(one: &[u8], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= 6)
}

#[test]
fn a_desktop_is_seen_and_used_in_a_browser() {
    let desk = Desk::start();
    coloured(&desk, "PS1=; touch ready; exec sh");
    let view = start(&desk, &[]);
    let mut browser = Browser::start(&desk.env);
    let page = browser.open(view["url"].as_str().unwrap());
    browser.call(
        &page,
        "Emulation.setDeviceMetricsOverride",
        json!({"width": 800, "height": 600, "deviceScaleFactor": 1, "mobile": false}),
    );
    browser.wait_for_true(&page, &format!("{CANVAS}.canvas.width === 800 && {CANVAS}.canvas.height === 600"));
    let near = |x: i32, y: i32, [red, green, blue]: [u8; 3]| {
        format!(
            "(([r, g, b]) => Math.abs(r - {red}) + Math.abs(g - {green}) + Math.abs(b - {blue}) < 12)\
             ({CANVAS}.getImageData({x}, {y}, 1, 1).data)"
        )
    };
    browser.wait_for_true(&page, &near(200, 200, [0x20, 0x40, 0x60]));
    browser.wait_for_true(&page, &near(790, 590, [0, 0, 0]));
    let seen = png(&browser.screenshot(&page));
    assert_eq!((seen.width, seen.height), (800, 600));
    assert!(is_near(&seen.at(200, 200), [0x20, 0x40, 0x60]), "{:?}", seen.at(200, 200));
    assert!(is_near(&seen.at(790, 590), [0, 0, 0]), "{:?}", seen.at(790, 590));
    assert_eq!(desk.ok(&["view", "status"])["viewers"], 1);

    browser.mouse(&page, "mouseMoved", 123, 45, "none");
    browser.mouse(&page, "mousePressed", 123, 45, "left");
    wait_until("the button to be down", || (desk.ok(&["mouse", "position"])["buttons"] == json!([1])).then_some(()));
    browser.mouse(&page, "mouseReleased", 123, 45, "left");
    wait_until("the button to be up", || (desk.ok(&["mouse", "position"])["buttons"] == json!([])).then_some(()));
    let pointer = desk.ok(&["mouse", "position"]);
    assert_eq!((&pointer["x"], &pointer["y"]), (&123.into(), &45.into()), "{pointer}");

    // Shift is held as a person does; ctrl+u takes back what stands before.
    for char in "wrong".chars() {
        browser.key(&page, &char.to_string(), "KeyA", 0);
    }
    let control = |kind: &str| json!({"type": kind, "key": "Control", "code": "ControlLeft"});
    browser.call(&page, "Input.dispatchKeyEvent", control("rawKeyDown"));
    browser.key(&page, "u", "KeyU", 2);
    browser.call(&page, "Input.dispatchKeyEvent", control("keyUp"));
    for char in "echo 'Жук É ✓' > made; printf '\\033[41m\\033[2J'".chars() {
        browser.key(&page, &char.to_string(), "KeyA", 0);
    }
    browser.key(&page, "Enter", "Enter", 0);
    let text = "Жук É ✓\n";
    wait_until("the command to run", || {
        std::fs::read_to_string(desk.env.work().join("made")).is_ok_and(|made| made == text).then_some(())
    });
    browser.wait_for_true(&page, &near(200, 200, [0xcd, 0, 0]));
    // What rests becomes fine: of this colour 4:2:0 and 80 are off by more.
    browser.wait_for_true(&page, &near(200, 200, [0xcd, 0, 0]).replace("< 12", "< 4"));

    // The page comes back by itself when the process that serves it was killed.
    let pid = view["pid"].as_i64().unwrap() as i32;
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until("the browser to look again", || {
        let status = desk.ok(&["view", "status"]);
        (status["viewers"] == 1 && status["pid"] != pid && status["url"] == view["url"]).then_some(())
    });
    browser.kill();
    wait_until("the view to see that", || (desk.ok(&["view", "status"])["viewers"] == 0).then_some(()));
    desk.stop();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port(&view))).unwrap_err();
}

#[test]
fn nobody_looks_who_may_not() {
    let desk = Desk::start();
    assert_eq!(desk.ok(&["view", "status"])["active"], false);
    assert_eq!(desk.ok(&["view", "stop"])["active"], false);
    desk.run(&["view", "start", "--name", "other"]).expect(3);
    desk.run(&["view", "start", "--fps", "0"]).expect(2);
    desk.run(&["view", "start", "--quality", "101"]).expect(2);
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let number = taken.local_addr().unwrap().port().to_string();
    let refused = desk.run(&["view", "start", "--port", &number]).expect(8).object();
    assert!(refused["message"].as_str().unwrap().contains(&number), "{refused}");
    let view = start(&desk, &[]);
    let (port, secret) = (port(&view), token(&view).to_owned());
    assert_eq!(desk.ok(&["view", "start"]), view, "it runs already");
    desk.run(&["view", "start", "--read-only"]).expect(8);
    let status = |target: &str, host: &str, more: &str| {
        let (_, answer) = request(port, &format!("GET {target} HTTP/1.1\nHost: {host}\n{more}\n"));
        answer.split(' ').nth(1).unwrap_or("none").to_owned()
    };
    let (here, good) = (format!("127.0.0.1:{port}"), format!("/ws?token={secret}"));
    let (_, page) = request(port, &format!("GET / HTTP/1.1\nHost: {here}\n\n"));
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("default-src 'none'"), "{page}");
    assert_eq!(status("/", "evil.example", ""), "403");
    assert_eq!(status(&good, &format!("evil.example:{port}"), UPGRADE), "403");
    assert_eq!(status(&good, &here, &format!("{UPGRADE}Origin: http://evil.example\n")), "403");
    assert_eq!(status(&good, &here, &format!("{UPGRADE}Origin: http://{here}\n")), "101");
    let nearly = format!("/ws?token={}", secret.chars().rev().collect::<String>());
    assert_eq!(status(&nearly, &here, UPGRADE), "401");
    assert_eq!(status("/ws", &here, UPGRADE), "401");
    assert_eq!(status(&good, &here, ""), "426");
    assert_eq!(status("/other", &here, ""), "404");
    assert_eq!(status("/", &here, &format!("X: {}\n", "x".repeat(20_000))), "none");
    assert_eq!(desk.ok(&["view", "stop"])["active"], false);
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    // A new one has another token.
    assert_ne!(token(&start(&desk, &[])), secret);
    desk.stop();
}

#[test]
fn who_may_only_look_cannot_act_and_nonsense_ends_a_view() {
    let desk = Desk::start();
    desk.ok(&["mouse", "move", "10", "20"]);
    let view = start(&desk, &["--read-only"]);
    assert_eq!(view["read_only"], true);
    let mut client = Client::connect(&view);
    let Told::Text(screen) = client.hear() else { panic!("no greeting") };
    assert_eq!(screen, json!({"type": "screen", "width": 800, "height": 600, "read_only": true}));
    assert_eq!(client.frame(), [[0, 0, 800, 600]]);
    client.say(&json!({"type": "move", "x": 300, "y": 300}));
    assert_eq!(client.closed(), 1008);
    assert_eq!(desk.ok(&["mouse", "position"])["x"], 10);
    desk.ok(&["view", "stop"]);
    let view = start(&desk, &[]);
    for bad in ["", "{}", "[1]", r#"{"type":"move","x":1}"#, r#"{"type":"drawn","frame":9}"#] {
        let mut client = Client::connect(&view);
        client.send(bad.as_bytes());
        assert_eq!(client.closed(), 1008, "{bad}");
    }
    // Too much is not even read.
    let mut greedy = Client::connect(&view);
    greedy.frame();
    greedy.send(&vec![b' '; 65 << 10]);
    wait_until("that viewer to be left", || (desk.ok(&["view", "status"])["viewers"] == 0).then_some(()));
    // Other keys, other points and unknown buttons harm nobody; what is held is let go of with the viewer.
    let mut client = Client::connect(&view);
    client.say(&json!({"type": "key", "code": "x", "key": "NoSuchKey", "down": true}));
    client.say(&json!({"type": "move", "x": 3000, "y": -1}));
    client.say(&json!({"type": "button", "x": 1, "y": 1, "button": 77, "down": true}));
    client.say(&json!({"type": "button", "x": 5, "y": 6, "button": 2, "down": true}));
    wait_until("the button to be down", || (desk.ok(&["mouse", "position"])["buttons"] == json!([3])).then_some(()));
    drop(client);
    wait_until("the button to be up", || (desk.ok(&["mouse", "position"])["buttons"] == json!([])).then_some(()));
    desk.stop();
}

/// Files and threads of a process.
fn count(pid: i64, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count()
}

#[test]
fn viewers_do_not_wait_for_each_other_and_leave_nothing() {
    let desk = Desk::start();
    let view = start(&desk, &["--fps", "60"]);
    let pid = view["pid"].as_i64().unwrap();
    let (threads, files) = (count(pid, "task"), count(pid, "fd"));
    let mut quick = Client::connect(&view);
    assert_eq!(quick.frame(), [[0, 0, 800, 600]]);
    // This one never says that it has drawn anything: it gets three frames and no more.
    let mut silent = Client::connect(&view);
    wait_until("both to be counted", || (desk.ok(&["view", "status"])["viewers"] == 2).then_some(()));
    assert!(count(pid, "task") == threads + 2 && count(pid, "fd") > files);
    coloured(
        &desk,
        "touch ready; i=0; while test $i -lt 40; do printf \"\\033[4$((i % 8))m\\033[2J\"; i=$((i + 1)); sleep 0.05; done; touch done; exec sleep 1000",
    );
    let mut frames = 0;
    while !desk.env.work().join("done").exists() {
        quick.frame();
        frames += 1;
    }
    assert!(frames > 5, "{frames} frames of forty changes");
    let mut numbers = Vec::new();
    while !silent.is_quiet(Duration::from_millis(500)) {
        if let Told::Frame(number, _) = silent.hear() {
            numbers.push(number);
        }
    }
    assert_eq!(numbers, [1, 2, 3]);

    // It comes to rest, with what was rough made fine, and then nothing is done.
    desk.ok(&["wait", "--stable", "400ms"]);
    while !quick.is_quiet(Duration::from_secs(1)) {
        if let Told::Frame(frame, _) = quick.hear() {
            quick.say(&json!({"type": "drawn", "frame": frame}));
        }
    }
    let (before, begun) = (ticks(pid), Instant::now());
    assert!(quick.is_quiet(Duration::from_secs(3)));
    let used = Duration::from_millis((ticks(pid) - before) * 10);
    assert!(used * 50 < begun.elapsed(), "{used:?} of the processor while nothing happened");

    // Half a request, and half a message, hold up nobody.
    let mut half = TcpStream::connect((Ipv4Addr::LOCALHOST, port(&view))).unwrap();
    half.write_all(b"GET / HT").unwrap();
    // On a slow machine it has been given up already.
    let _ = silent.stream.write_all(&[0x81, 0x80 | 20]);
    desk.ok(&["mouse", "move", "77", "66"]);
    loop {
        if let Told::Text(message) = quick.hear()
            && message == json!({"type": "pointer", "x": 77, "y": 66})
        {
            break;
        }
    }
    drop((quick, silent, half));
    wait_until("threads and connections to be gone", || {
        (count(pid, "task") == threads && count(pid, "fd") == files).then_some(())
    });
    assert_eq!(desk.ok(&["view", "status"])["viewers"], 0);

    // More than sixteen are too many.
    let all: Vec<Client> = (0..16).map(|_| Client::connect(&view)).collect();
    let head = format!("GET /ws?token={} HTTP/1.1\nHost: localhost\n{UPGRADE}\n", token(&view));
    let (_, answer) = request(port(&view), &head);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(all);
    wait_until("all to be gone", || (desk.ok(&["view", "status"])["viewers"] == 0).then_some(()));
    // A server that was killed comes back, and so does the view of it.
    let mut client = Client::connect(&view);
    client.frame();
    let server = desk.process("server")["pid"].as_i64().unwrap() as i32;
    kill(Pid::from_raw(server), Signal::SIGKILL).unwrap();
    assert_eq!(client.closed(), 1012);
    let mut client = Client::connect(&view);
    assert_eq!(client.frame(), [[0, 0, 800, 600]]);
    desk.stop();
}
