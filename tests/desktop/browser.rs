//! Real windows: a browser and GTK dialogs, pointed at, typed into, pasted into, moved; what happened is read back from them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Desk;
use crate::browser::FLAGS;
use crate::env::{rounds, wait_until};

/// A page that tells all that happens to it, again and again.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>probe</title>
<style>
  body { margin: 0; font: 16px monospace }
  div, textarea { position: absolute; box-sizing: border-box }
  #pad { left: 0; top: 0; width: 400px; height: 150px; background: #def; user-select: none }
  #area { left: 0; top: 150px; width: 400px; height: 150px }
  #from { left: 0; top: 300px; width: 100px; height: 60px; background: #fa0 }
  #to { left: 200px; top: 300px; width: 100px; height: 60px; background: #0af }
</style>
<div id="pad"></div><textarea id="area"></textarea><div id="from" draggable="true"></div><div id="to"></div>
<script>
  const state = {clicks: [], menus: 0, wheel: [0, 0], begun: 0, over: 0, drops: [], at: null, text: '', size: null, is_focused: false};
  let isTelling = false, isNew = false;
  async function tell() {
    isNew = true;
    if (isTelling) return;
    isTelling = true;
    while (isNew) {
      isNew = false;
      state.text = area.value;
      state.size = [innerWidth, innerHeight];
      state.is_focused = document.activeElement === area && document.hasFocus();
      await fetch('/', {method: 'POST', body: JSON.stringify(state)});
    }
    isTelling = false;
  }
  const on = (target, name, act) => target.addEventListener(name, event => { act(event); tell(); }, {passive: false});
  on(window, 'mousemove', e => state.at = [e.screenX, e.screenY, e.clientX, e.clientY]);
  on(pad, 'mousedown', e => state.clicks.push([e.screenX, e.screenY, e.button, e.detail]));
  on(window, 'contextmenu', e => { e.preventDefault(); state.menus++; });
  on(pad, 'wheel', e => { e.preventDefault(); state.wheel[0] -= e.wheelDeltaX / 120; state.wheel[1] -= e.wheelDeltaY / 120; });
  on(from, 'dragstart', e => { e.dataTransfer.setData('text/plain', 'parcel'); state.begun++; });
  on(to, 'dragover', e => { e.preventDefault(); state.over++; });
  on(to, 'drop', e => { e.preventDefault(); state.drops.push(e.dataTransfer.getData('text/plain')); });
  for (const name of ['input', 'focus', 'blur']) on(area, name, () => {});
  for (const name of ['focus', 'blur', 'resize']) on(window, name, () => {});
  tell();
</script>"#;

/// A browser on the desktop that shows the page.
struct Shown {
    desk: Desk,
    window: String,
    state: Arc<Mutex<Value>>,
    /// Where the page begins on the screen.
    corner: (i64, i64),
}

fn serve(stream: TcpStream, state: &Mutex<Value>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let page = if first.starts_with("GET / ") { PAGE } else { "" };
        if first.starts_with("POST / ") {
            *state.lock().unwrap() = serde_json::from_slice(&body)?;
        }
        let length = page.len();
        write!(
            reader.get_mut(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}"
        )?;
    }
}

impl Shown {
    fn start() -> Shown {
        let desk = Desk::start();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(Value::Null));
        let kept = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&kept);
                // A browser that has gone reads no answer.
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        let profile = format!("--user-data-dir={}", desk.env.root().join("tmp/shown").display());
        let app = format!("--app=http://127.0.0.1:{port}/");
        let words = ["launch", "--wait=110s", "--title", "probe", "chromium", &profile, &app, "--window-size=600,480"];
        let window = desk.ok(&[&words[..], &FLAGS].concat())["window"]["id"].as_str().unwrap().to_owned();
        let mut shown = Shown { desk, window, state, corner: (0, 0) };
        shown.wait("the page to be there", |state| state["size"].is_array());
        shown.find();
        shown
    }

    /// Waits until the page has told this.
    fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let now = || self.state.lock().unwrap().clone();
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until(what, || Some(now()).filter(|state| is_it(state)))
        }));
        seen.unwrap_or_else(|_| panic!("waited in vain for {what}: {}", now()))
    }

    /// Finds where the page begins: a motion within it tells.
    fn find(&mut self) {
        self.desk.ok(&["windows", "focus", &self.window]);
        let place = self.place();
        let (x, y) = (place[0] + place[2] / 2, place[1] + place[3] / 2);
        // Until it takes part, a window may miss a motion.
        let mut turn = 0;
        let at = wait_until("the page to see the pointer", || {
            turn += 1;
            let x = x + turn % 2;
            self.desk.ok(&["mouse", "move", &x.to_string(), &y.to_string()]);
            let at: Option<[i64; 4]> = serde_json::from_value(self.state.lock().unwrap()["at"].clone()).ok();
            at.filter(|at| (at[0], at[1]) == (x, y))
        });
        self.corner = (at[0] - at[2], at[1] - at[3]);
    }

    fn place(&self) -> [i64; 4] {
        let window = self.desk.ok(&["windows", "focus", &self.window]);
        ["x", "y", "width", "height"].map(|field| window[field].as_i64().unwrap())
    }

    /// A point of the page, on the screen.
    fn at(&self, x: i64, y: i64) -> [String; 2] {
        [(self.corner.0 + x).to_string(), (self.corner.1 + y).to_string()]
    }

    fn mouse(&self, verb: &str, at: (i64, i64), flags: &[&str]) {
        let [x, y] = self.at(at.0, at.1);
        self.desk.ok(&[&["mouse", verb, &x, &y], flags].concat());
    }

    /// Puts the caret into the empty text area.
    fn empty(&self) {
        self.mouse("click", (200, 225), &[]);
        self.wait("the text area to have the focus", |state| state["is_focused"] == true);
        self.desk.ok(&["key", "ctrl+a", "Delete"]);
        self.wait("the text area to be empty", |state| state["text"] == "");
    }

    fn wait_for_text(&self, text: &str) {
        let length = text.chars().count();
        let state = self.wait("the text", |state| state["text"].as_str().unwrap().chars().count() >= length);
        assert_eq!(state["text"], text);
    }
}

#[test]
fn a_browser_is_pointed_at() {
    let mut shown = Shown::start();
    for (x, y) in [(0, 0), (17, 131), (399, 149), (200, 75)] {
        shown.mouse("click", (x, y), &[]);
        let expected = json!([shown.corner.0 + x, shown.corner.1 + y, 0, 1]);
        shown.wait(&expected.to_string(), |state| state["clicks"].as_array().unwrap().last() == Some(&expected));
    }
    // Five of five: the last press of a click says how many it was.
    for round in 0..5 {
        for count in [2, 3] {
            let before = shown.state.lock().unwrap()["clicks"].as_array().unwrap().len();
            // Never twice where the last one was, or it would go on with that.
            let at = (20 + 60 * round, 30 * count);
            shown.mouse("click", at, &["--count", &count.to_string()]);
            let count = count as usize;
            let all = |state: &Value| state["clicks"].as_array().unwrap()[before..].to_vec();
            let clicks = all(&shown.wait("the clicks", |state| all(state).len() >= count));
            let details: Vec<_> = clicks.iter().map(|click| click[3].as_u64().unwrap() as usize).collect();
            assert_eq!(details, (1..=count).collect::<Vec<_>>(), "round {round}");
        }
    }
    shown.mouse("click", (50, 50), &["--button", "right"]);
    shown.wait("the menu", |state| state["menus"] == 1);
    shown.mouse("click", (60, 50), &["--button", "middle"]);
    shown.wait("the middle button", |state| state["clicks"].as_array().unwrap().last().unwrap()[2] == 1);

    for (flags, sum) in [(["--dy", "3"], [0, 3]), (["--dy", "100"], [0, 103]), (["--dx", "-2"], [-2, 103])] {
        shown.mouse("scroll", (100, 100), &flags);
        let is_all = |state: &Value| (0..2).all(|at| state["wheel"][at].as_f64().unwrap() == f64::from(sum[at]));
        shown.wait(&format!("the wheel to be {sum:?}"), is_all);
    }

    // Step by step, as the browser goes along; done faster than it can begin to drag, there would be nothing to drop.
    shown.mouse("down", (50, 330), &[]);
    for step in [5, 10, 15] {
        shown.mouse("move", (50 + step, 330), &[]);
    }
    shown.wait("the dragging to begin", |state| state["begun"] == 1);
    let mut turn = 0;
    wait_until("the target to see it", || {
        turn += 1;
        shown.mouse("move", (250 + turn % 2, 330), &[]);
        (shown.state.lock().unwrap()["over"] != 0).then_some(())
    });
    shown.mouse("up", (250, 330), &[]);
    shown.wait("the drop", |state| state["drops"] == json!(["parcel"]));

    // Moved and resized, and what is pointed at is still what it was.
    let before = shown.state.lock().unwrap()["size"].clone();
    let moved = shown.desk.ok(&["windows", "move", &shown.window.clone(), "120", "70"]);
    assert_eq!((&moved["frame"]["x"], &moved["frame"]["y"]), (&120.into(), &70.into()), "{moved}");
    let resized = shown.desk.ok(&["windows", "resize", &shown.window.clone(), "650", "500"]);
    assert_eq!((&resized["width"], &resized["height"]), (&650.into(), &500.into()), "{resized}");
    shown.wait("the page to have another size", |state| state["size"] != before);
    shown.find();
    shown.mouse("click", (300, 100), &[]);
    let expected = json!([shown.corner.0 + 300, shown.corner.1 + 100, 0, 1]);
    shown.wait(&expected.to_string(), |state| state["clicks"].as_array().unwrap().last() == Some(&expected));
    shown.desk.ok(&["windows", "close", &shown.window, "--timeout", "60s"]);
    shown.desk.stop();
}

/// What is typed everywhere: plain, mixed, many foreign symbols at once, more than there are keys, long.
fn texts() -> [String; 5] {
    let han =
        |from: u32, count: u32| -> String { (from..from + count).map(|at| char::from_u32(at).unwrap()).collect() };
    let ascii: String = ('!'..='~').chain("abc def".chars()).collect();
    let mixed = "naïve façade Ünïcödé €5 “quotes” 中文字 ひらがな Жук ёлка مرحبا 🎉✓ Ελλάδα ß";
    let long = "the quick brown fox jumps over THE LAZY DOG; 0123456789 ".repeat(36)[..2000].to_owned();
    [ascii, mixed.to_owned(), han(0x4e00, 70), han(0x5000, 200), long]
}

/// How often each text: a part of the usual rounds, because all of it takes seconds.
fn repetitions() -> usize {
    rounds(1).div_ceil(4)
}

#[test]
fn a_browser_is_typed_into_and_pasted_into() {
    let shown = Shown::start();
    let desk = &shown.desk;
    for _ in 0..repetitions() {
        for text in texts() {
            shown.empty();
            desk.ok(&["type", &text]);
            shown.wait_for_text(&text);
        }
    }
    shown.empty();
    desk.ok(&["key", "Caps_Lock"]);
    desk.ok(&["type", "aBc éÉ ж"]);
    desk.ok(&["key", "Caps_Lock"]);
    shown.wait_for_text("aBc éÉ ж");

    let text = "pasted ✓ жук\nsecond line";
    shown.empty();
    desk.ok(&["clipboard", "set", text]);
    desk.ok(&["key", "ctrl+v"]);
    shown.wait_for_text(text);
    desk.ok(&["key", "ctrl+a", "ctrl+x"]);
    shown.wait("the text to be cut", |state| state["text"] == "");
    desk.ok(&["type", "copied ß"]);
    shown.wait_for_text("copied ß");
    desk.ok(&["key", "ctrl+a", "ctrl+c"]);
    wait_until("the browser to copy", || (desk.ok(&["clipboard", "get"])["text"] == "copied ß").then_some(()));
    shown.desk.stop();
}

#[test]
fn a_dialog_is_typed_into() {
    let desk = Desk::start();
    for _ in 0..repetitions() {
        for text in texts() {
            let script = "zenity --entry --title Question > answer; touch answered";
            let launched = desk.ok(&["launch", "--wait=110s", "--title", "Question", "sh", "-c", script]);
            let id = launched["window"]["id"].as_str().unwrap().to_owned();
            desk.ok(&["windows", "focus", &id]);
            desk.ok(&["type", &text]);
            desk.ok(&["key", "Return"]);
            wait_until("the answer", || std::fs::remove_file(desk.env.work().join("answered")).ok());
            assert_eq!(desk.env.read("answer").trim_end_matches('\n'), text);
        }
    }
    desk.stop();
}

#[test]
fn a_dialog_is_moved_and_clicked() {
    let desk = Desk::start();
    for (part, expected) in [(0.75, "0\n"), (0.25, "1\n")] {
        let script = "zenity --question --title Really --text 'Yes or no?'; echo $? > answer; touch answered";
        let launched = desk.ok(&["launch", "--wait=110s", "--title", "Really", "sh", "-c", script]);
        let id = launched["window"]["id"].as_str().unwrap().to_owned();
        let moved = desk.ok(&["windows", "move", &id, "60", "90"]);
        assert_eq!((&moved["frame"]["x"], &moved["frame"]["y"]), (&60.into(), &90.into()), "{moved}");
        desk.ok(&["wait", "--stable", "200ms"]);
        // Its two buttons are its lower edge: no on the left, yes on the right.
        let window = desk.ok(&["windows", "focus", &id]);
        let number = |field: &str| window[field].as_f64().unwrap();
        let (x, y) = (number("x") + number("width") * part, number("y") + number("height") - 12.0);
        desk.ok(&["mouse", "click", &x.round().to_string(), &y.round().to_string()]);
        wait_until("the answer", || std::fs::remove_file(desk.env.work().join("answered")).ok());
        assert_eq!(desk.env.read("answer"), expected);
    }
    desk.stop();
}
