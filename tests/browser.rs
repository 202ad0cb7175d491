//! Chromium without a window, driven over its DevTools pipe: pages opened, looked at, asked and used.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use base64::Engine;
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::env::{PATIENCE, Running, TestEnv, wait_until};

/// What Chromium needs to run as root, to start at once, and to leave the network alone.
pub(crate) const FLAGS: [&str; 12] = [
    "--no-sandbox",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-extensions",
    "--password-store=basic",
    "--mute-audio",
];

/// A browser. It has to be killed: what is alive at the end fails the test.
pub(crate) struct Browser {
    running: Running,
    to: File,
    from: Receiver<Value>,
    calls: u64,
}

/// A page of it, by the session that speaks with it.
pub(crate) struct Page(String);

impl Browser {
    pub(crate) fn start(env: &TestEnv) -> Browser {
        let pipe = |name: &str| {
            let path = env.root().join("output").join(name);
            nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
            path
        };
        let (to, from) = (pipe("to-browser"), pipe("from-browser"));
        // The pipe is expected under these two numbers.
        let words = ["-c", r#"exec chromium "$@" 3<"$TO" 4>"$FROM""#, "sh", "--headless", "--remote-debugging-pipe"];
        let profile = format!("--user-data-dir={}", env.root().join("tmp/browser").display());
        let running = env
            .program(Path::new("/bin/sh"))
            .args(&words)
            .args(&FLAGS)
            .args(&[&profile, "--window-size=1000,800", "about:blank"])
            .var("TO", &to)
            .var("FROM", &from)
            .spawn();
        // Each waits for the other side.
        let to = File::options().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let (told, hear) = channel();
        std::thread::spawn(move || {
            for message in from.split(0).map_while(Result::ok) {
                if told.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        Browser { running, to, from: hear, calls: 0 }
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&mut self, url: &str) -> Page {
        let target = self.ask(None, "Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.ask(None, "Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        let page = Page(session);
        self.call(&page, "Page.enable", json!({}));
        self.call(&page, "Page.navigate", json!({"url": url}));
        self.wait_for_true(&page, "document.readyState === 'complete' && location.protocol !== 'about:'");
        page
    }

    /// What an expression comes to in the page; a promise is waited for.
    pub(crate) fn evaluate(&mut self, page: &Page, expression: &str) -> Value {
        let what = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call(page, "Runtime.evaluate", what);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    pub(crate) fn wait_for_true(&mut self, page: &Page, expression: &str) {
        wait_until(expression, || (self.evaluate(page, expression) == true).then_some(()));
    }

    /// What the page looks like, as a PNG.
    pub(crate) fn screenshot(&mut self, page: &Page) -> Vec<u8> {
        let picture = self.call(page, "Page.captureScreenshot", json!({"format": "png"}));
        base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// A person's mouse: `mouseMoved`, `mousePressed`, `mouseReleased`.
    pub(crate) fn mouse(&mut self, page: &Page, kind: &str, x: i32, y: i32, button: &str) {
        let event = json!({"type": kind, "x": x, "y": y, "button": button, "clickCount": 1});
        self.call(page, "Input.dispatchMouseEvent", event);
    }

    /// A key of a person's keyboard, pressed and released: what it means, and which it is.
    pub(crate) fn key(&mut self, page: &Page, key: &str, code: &str, modifiers: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key.chars().count() == 1 && kind == "keyDown" { key } else { "" };
            let event = json!({"type": kind, "key": key, "code": code, "text": text, "modifiers": modifiers});
            self.call(page, "Input.dispatchKeyEvent", event);
        }
    }

    pub(crate) fn call(&mut self, page: &Page, method: &str, parameters: Value) -> Value {
        self.ask(Some(&page.0), method, parameters)
    }

    /// Kills it, as a computer does that loses its power.
    pub(crate) fn kill(self) {
        self.running.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = self.running.wait();
    }

    fn ask(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.from.recv_timeout(left);
            let answer = answer.unwrap_or_else(|why| panic!("{method}: {why}\n{}", self.running.stderr()));
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}
