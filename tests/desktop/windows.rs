//! Windows: told as they are, moved, resized, focused, closed, waited for.

use std::time::Duration;

use serde_json::Value;

use super::Desk;
use crate::env::wait_until;

/// The rectangle that xwininfo tells of a window.
fn xwininfo(desk: &Desk, id: &str) -> [i64; 4] {
    let output = desk.client("xwininfo", &["-id", id]).run().expect(0);
    let text = output.text();
    ["Absolute upper-left X:", "Absolute upper-left Y:", "Width:", "Height:"].map(|label| {
        let at = text.find(label).unwrap_or_else(|| panic!("{text}")) + label.len();
        text[at..].split_whitespace().next().unwrap().parse().unwrap()
    })
}

fn place(window: &Value) -> [i64; 4] {
    ["x", "y", "width", "height"].map(|field| window[field].as_i64().unwrap())
}

/// Where a window is, is where it is; the point of `move` is its frame's.
#[test]
fn d04_windows_are_told_and_changed() {
    let desk = Desk::start();
    assert!(desk.run(&["windows"]).expect(0).lines().is_empty());
    desk.run(&["windows", "focused"]).expect(3);
    let script = "touch ready; exec sleep 1000";
    let one = desk.xterm(&["-T", "The First", "-geometry", "40x10"], script);
    let two = desk.xterm(&["-T", "The Second ✓", "-geometry", "40x10"], script);
    let id = |window: &Value| window["id"].as_str().unwrap().to_owned();
    let (first, second) = (id(&one), id(&two));
    assert_eq!((&one["title"], &two["title"]), (&"The First".into(), &"The Second ✓".into()));
    assert_eq!(desk.ok(&["windows", "focused"])["id"], second.as_str());
    let listed = |flags: &[&str]| -> Vec<String> {
        desk.run(&[&["windows"], flags].concat()).expect(0).lines().iter().map(id).collect()
    };
    assert_eq!(listed(&[]), [first.clone(), second.clone()], "the lowest first");
    assert_eq!(listed(&["list", "--title", "First"]), [first.as_str()]);
    assert_eq!(listed(&["--class", "XTerm"]).len(), 2);
    assert_eq!(listed(&["--pid", &one["pid"].to_string()]), [first.as_str()]);
    assert!(listed(&["--title", "Third"]).is_empty());
    assert_eq!(listed(&["--title", "^The (Sec|Thi)"]), [second.as_str()], "a regular expression");
    assert!(listed(&["--title", "^First"]).is_empty());
    let wrong = desk.run(&["windows", "--title", "(The"]).expect(2).object();
    assert!(wrong["message"].as_str().unwrap().contains("(The"), "{wrong}");
    assert_eq!(desk.ok(&["wait", "--window", "Second.*$"])["window"]["id"], second.as_str());
    assert_eq!(place(&one), xwininfo(&desk, &first));

    let moved = desk.ok(&["windows", "move", &first, "100", "50"]);
    assert_eq!((&moved["frame"]["x"], &moved["frame"]["y"]), (&100.into(), &50.into()), "{moved}");
    assert_eq!(place(&moved), xwininfo(&desk, &first));
    assert_eq!(desk.ok(&["windows", "move", &first, "100", "50"]), moved, "it is there already");
    // An xterm has whole cells only: it takes the next smaller size.
    let resized = desk.ok(&["windows", "resize", &first, "333", "222"]);
    let [.., width, height] = place(&resized);
    assert!(width <= 333 && width > 320 && height <= 222 && height > 200, "{resized}");
    assert_eq!(place(&resized), xwininfo(&desk, &first));
    let focused = desk.ok(&["windows", "focus", &first]);
    assert_eq!(focused["is_active"], true);
    assert_eq!(desk.ok(&["windows", "focused"])["id"], first.as_str());
    assert_eq!(listed(&[]), [second.clone(), first.clone()], "it was raised");

    assert_eq!(desk.ok(&["windows", "close", &first])["window"], first.as_str());
    assert_eq!(listed(&[]), [second.as_str()]);
    for words in [&["focus"][..], &["move", "1", "1"], &["resize", "9", "9"], &["close"]] {
        let words = [&["windows", words[0], &first], &words[1..]].concat();
        desk.run(&words).expect(3);
    }
    desk.run(&["windows", "focus", "the window"]).expect(2);
    desk.run(&["windows", "resize", &second, "0", "9"]).expect(2);
    desk.stop();
}

#[test]
fn a_window_is_waited_for() {
    let desk = Desk::start();
    let timeout = desk.run(&["windows", "wait", "--title", "Late", "--timeout", "200ms"]).expect(124);
    assert!(timeout.took >= Duration::from_millis(200));
    let waiting = desk.env.command(&["desktop", "windows", "wait", "--title", "Late", "--timeout", "100s"]).spawn();
    desk.ok(&["launch", "xterm", "-T", "Early", "-e", "sleep", "1000"]);
    desk.ok(&["launch", "xterm", "-T", "Early", "-e", "sh", "-c", "printf '\\033]2;Late\\007'; sleep 1000"]);
    assert_eq!(waiting.wait().expect(0).object()["title"], "Late");
    desk.stop();
}

/// The window may be that of a child; a program that is not there is an error.
#[test]
fn d19_programs_are_launched() {
    let desk = Desk::start();
    let missing = desk.run(&["launch", "no-such-program"]).expect(127).object();
    assert!(missing["message"].as_str().unwrap().contains("no-such-program"), "{missing}");
    desk.ok(&["launch", "xterm", "--wait=60s", "-e", "sleep", "1000"]);
    let launched = desk.ok(&["launch", "--wait=60s", "sh", "-c", "sleep 0.3; xterm -T Child -e sleep 1000 & wait"]);
    assert_eq!(launched["window"]["title"], "Child", "{launched}");
    assert_ne!(launched["window"]["pid"], launched["pid"]);
    let by_class =
        ["launch", "--wait=60s", "--title", "^Th", "--class", "XTerm", "xterm", "-T", "Third", "-e", "sleep", "1000"];
    assert_eq!(desk.ok(&by_class)["window"]["title"], "Third");
    let late = desk.run(&["launch", "--wait=200ms", "sleep", "1000"]).expect(124).object();
    assert!(late["message"].as_str().unwrap().contains("proc_"), "{late}");
    let failed =
        desk.run(&["launch", "--wait=1000s", "sh", "-c", "echo no such colour >&2; exit 4"]).expect(1).object();
    assert_eq!(failed["message"], "failed to open `sh`: no such colour; exit code 4");
    let told = desk.ok(&["launch", "--env", "COLOUR=blue", "sh", "-c", "echo $COLOUR $DISPLAY > told"]);
    let id = told["process_id"].as_str().unwrap();
    desk.env.run(&["proc", "wait", id]).expect(0);
    let display = desk.ok(&["display"])["display"].as_str().unwrap().to_owned();
    assert_eq!(desk.env.read("told"), format!("blue {display}\n"));
    wait_until("the program that has ended to be left out", || {
        let status = desk.ok(&["status"]);
        status["processes"].as_array().unwrap().iter().all(|one| one["process_id"] != id).then_some(())
    });
    desk.stop();
}
