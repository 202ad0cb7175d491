//! The desktop over HTTP, with the words of existing clients: a real one, typed on, pointed at, looked at, filmed.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::client::{Answer, Server};
use crate::env::{TestEnv, wait_until};

fn path(verb: &str) -> String {
    format!("/v1/desktop/{verb}")
}

fn read(env: &TestEnv, name: &str, length: usize) -> String {
    wait_until("what was typed", || {
        let text = std::fs::read_to_string(env.work().join(name)).ok()?;
        (text.len() >= length).then_some(text)
    })
}

#[test]
fn a_desktop_is_started_used_looked_at_and_stopped() {
    let mut env = TestEnv::new();
    env.set("LC_ALL", "C.UTF-8");
    let server = Server::start(&env);
    let get = |verb: &str| server.get(&path(verb));
    let post = |verb: &str, body: Value| server.post(&path(verb), &body);
    // Before it runs.
    assert_eq!(get("status").json(200)["state"], "inactive");
    for (answer, status, kind) in [
        (get("screenshot"), 409, "desktop_runtime_inactive"),
        (post("mouse/move", json!({ "x": 1, "y": 1 })), 409, "desktop_runtime_inactive"),
        (get("windows"), 409, "desktop_runtime_inactive"),
        (post("start", json!({ "width": 0 })), 400, "desktop_invalid_action"),
        (get("status?desktop=a%2Fb"), 400, "desktop_invalid_action"),
        (post("recording/stop", json!({})), 409, "conflict"),
    ] {
        answer.problem(status, kind);
    }
    let wanted = json!({ "width": 800, "height": 600, "dpi": 96, "streamVideoCodec": "vp8", "recordingFps": 30 });
    let started = post("start", wanted).json(200);
    assert_eq!((&started["state"], &started["resolution"]["width"]), (&json!("active"), &json!(800)));
    assert_eq!(started["missingDependencies"], json!([]));
    let roles: Vec<&str> =
        started["processes"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(roles.contains(&"server") && started["processes"][0]["running"] == true, "{started}");
    let display = get("display/info").json(200);
    assert_eq!((&display["display"], &display["resolution"]["height"]), (&started["display"], &json!(600)));
    get("windows/focused").problem(404, "no_focused_window");

    // A program that says what it was given.
    let script = "stty raw -echo; touch ready; exec cat > typed";
    let args = json!(["+bc", "+sb", "-e", "sh", "-c", script]);
    let launched = post("launch", json!({ "app": "xterm", "args": args, "wait": true })).json(200);
    assert!(launched["processId"].is_string() && launched["pid"].is_number(), "{launched}");
    read(&env, "ready", 0);
    let windows = get("windows").json(200);
    let window = &windows["windows"][0];
    let id = window["id"].as_str().unwrap();
    assert_eq!(launched["windowId"], id);
    let verb = |verb: &str| format!("windows/{id}/{verb}");
    assert_eq!(post(&verb("focus"), json!({})).json(200)["isActive"], true);
    assert_eq!(get("windows/focused").json(200)["id"], id);
    let moved = post(&verb("move"), json!({ "x": 40, "y": 50 })).json(200);
    assert!(moved["x"].as_i64().unwrap() >= 40 && moved["y"].as_i64().unwrap() >= 50, "{moved}");
    let resized = post(&verb("resize"), json!({ "width": 500, "height": 300 })).json(200);
    assert!((450..=500).contains(&resized["width"].as_i64().unwrap()), "{resized}");
    post("windows/1/focus", json!({})).problem(404, "window_not_found");
    post("windows/zz/focus", json!({})).problem(404, "window_not_found");
    assert_eq!(
        post("keyboard/type", json!({ "text": "h\u{e9}llo \u{2713}", "delayMs": 1 })).json(200),
        json!({ "ok": true })
    );
    assert_eq!(post("keyboard/press", json!({ "key": "c", "modifiers": { "ctrl": true } })).json(200)["ok"], true);
    assert_eq!(post("keyboard/press", json!({ "key": "ctrl+l" })).json(200)["ok"], true);
    post("keyboard/down", json!({ "key": "a" })).json(200);
    post("keyboard/up", json!({ "key": "a" })).json(200);
    let typed = read(&env, "typed", 13);
    assert!(typed.starts_with("h\u{e9}llo \u{2713}\u{3}\u{c}a"), "{typed:?}");
    post("keyboard/press", json!({ "key": "Retrun" })).problem(400, "desktop_invalid_action");

    // The pointer.
    let at = post("mouse/move", json!({ "x": 123, "y": 45 })).json(200);
    assert_eq!((&at["x"], &at["y"], &at["screen"]), (&json!(123), &json!(45), &json!(0)));
    assert_eq!(get("mouse/position").json(200), at);
    post("mouse/click", json!({ "x": 200, "y": 100, "button": "left", "clickCount": 2 })).json(200);
    post("mouse/down", json!({ "button": "left" })).json(200);
    post("mouse/up", json!({})).json(200);
    post("mouse/drag", json!({ "startX": 100, "startY": 100, "endX": 150, "endY": 120 })).json(200);
    // A window manager may hold the pointer still for a moment when a button goes down.
    wait_until("the pointer to be where it was dragged", || {
        let at = get("mouse/position").json(200);
        ((&at["x"], &at["y"]) == (&json!(150), &json!(120))).then_some(())
    });
    post("mouse/scroll", json!({ "x": 200, "y": 100, "deltaY": 2 })).json(200);
    for bad in [json!({ "x": 800, "y": 0 }), json!({ "x": -1, "y": 0 }), json!({ "x": 1 }), json!({})] {
        post("mouse/move", bad).problem(400, "desktop_invalid_action");
    }

    // Pictures.
    let is_picture = |answer: Answer, media: &str, begins: &[u8]| {
        assert_eq!((answer.status, &*answer.headers["content-type"]), (200, media));
        assert!(answer.body.starts_with(begins), "{:?}", &answer.body[..12]);
        answer.body
    };
    let whole = is_picture(get("screenshot"), "image/png", b"\x89PNG");
    is_picture(get("screenshot?format=jpeg&quality=50&showCursor=true"), "image/jpeg", b"\xff\xd8");
    is_picture(get("screenshot?format=webp&scale=0.5"), "image/webp", b"RIFF");
    let part = is_picture(get("screenshot/region?x=10&y=20&width=30&height=40"), "image/png", b"\x89PNG");
    let size = |png: &[u8]| {
        (u32::from_be_bytes(png[16..20].try_into().unwrap()), u32::from_be_bytes(png[20..24].try_into().unwrap()))
    };
    assert_eq!((size(&whole), size(&part)), ((800, 600), (30, 40)));
    for bad in [
        "screenshot?format=gif",
        "screenshot/region?x=1",
        "screenshot/region",
        "screenshot/region?x=0&y=0&width=-1&height=5",
        "screenshot?scale=7",
    ] {
        get(bad).problem(400, "desktop_invalid_action");
    }

    // What is copied comes back, from this door and from the other.
    let text = "\u{fc}ber \u{1f389}\nzwei";
    assert_eq!(post("clipboard", json!({ "text": text })).json(200), json!({ "ok": true }));
    assert_eq!(get("clipboard").json(200), json!({ "text": text, "selection": "clipboard" }));
    assert_eq!(env.run(&["desktop", "clipboard", "get"]).expect(0).object()["text"], text);
    post("clipboard", json!({ "text": "p", "selection": "primary" })).json(200);
    assert_eq!(get("clipboard?selection=primary").json(200)["text"], "p");

    // A film.
    let recording = post("recording/start", json!({ "fps": 10 })).json(200);
    let id = recording["id"].as_str().unwrap().to_owned();
    assert_eq!(recording["status"], "recording");
    post("recording/start", json!({})).problem(409, "conflict");
    post("mouse/move", json!({ "x": 300, "y": 300 })).json(200);
    let one = format!("recordings/{id}");
    wait_until("a picture of the film", || (get(&format!("{one}/download")).status == 200).then_some(()));
    let ended = post("recording/stop", json!({})).json(200);
    assert_eq!((&ended["status"], &ended["id"]), (&json!("completed"), &json!(id)));
    assert_eq!(get("recordings").json(200)["recordings"], json!([ended]));
    let film = get(&format!("{one}/download"));
    assert_eq!((film.status, &*film.headers["content-type"]), (200, "video/mp4"));
    assert_eq!(film.body.len() as u64, get(&one).json(200)["bytes"].as_u64().unwrap());
    assert_eq!(&film.body[4..8], b"ftyp");
    server.send("DELETE", &path(&one), &[], b"").nothing();
    get(&one).problem(404, "not_found");

    // Live, at an address of its own.
    assert_eq!(get("stream/status").json(200)["active"], false);
    let live = post("stream/start", json!({})).json(200);
    let url = live["url"].as_str().unwrap();
    let (authority, rest) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(authority).unwrap();
    let rest = rest.split('#').next().unwrap();
    write!(stream, "GET /{rest} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = Vec::new();
    let _ = stream.read_to_end(&mut page);
    assert!(page.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&page[..page.len().min(300)]));
    assert_eq!(get("stream/status").json(200)["active"], true);
    assert_eq!(post("stream/stop", json!({})).json(200)["active"], false);

    let stopped = post("stop", json!({})).json(200);
    assert_eq!((&stopped["state"], &stopped["windows"]), (&json!("inactive"), &json!([])));
    let Server { running, .. } = server;
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = running.wait();
    env.wait_until_none_is_alive();
}
