//! Keyboard and pointer, read back from the program in an xterm.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Desk, ticks};
use crate::env::wait_until;

/// A terminal whose input goes into a file, byte for byte.
const CATCH: &str = "stty raw -echo; touch ready; exec cat > typed";

#[test]
fn d11_any_text_arrives_as_it_is() {
    let desk = Desk::start();
    desk.xterm(&[], CATCH);
    let ascii: String = (' '..='~').collect();
    let mixed = "naïve façade Ünïcödé €5 “quotes” 中文字 ひらがな Жук ёлка مرحبا 🎉✓ Ελλάδα ß";
    let han =
        |from: u32, count: u32| -> String { (from..from + count).map(|at| char::from_u32(at).unwrap()).collect() };
    let long = "the quick brown fox, THE LAZY DOG; ".repeat(60);
    let mut expected = String::new();
    for text in [ascii.as_str(), mixed, &han(0x4e00, 70), mixed, &han(0x5000, 200), &long] {
        assert_eq!(desk.ok(&["type", text])["characters"], text.chars().count());
        expected.push_str(text);
    }
    let output = desk.env.command(&["desktop", "type", "-"]).stdin("--from stdin\té").run().expect(0);
    assert_eq!(output.object()["characters"], 14);
    expected.push_str("--from stdin\té");
    desk.ok(&["type", "--delay-ms", "3", "slöwly ж"]);
    expected.push_str("slöwly ж");
    let seen = desk.read("typed", expected.len());
    assert_eq!(String::from_utf8(seen).unwrap(), expected);
    desk.run(&["type", ""]).expect(2);
    desk.run(&["type", "bell \u{7}"]).expect(2);
    assert_eq!(desk.read("typed", expected.len()).len(), expected.len(), "of a text that cannot be typed nothing is");
    desk.stop();
}

#[test]
fn what_is_held_or_locked_is_not_for_a_text() {
    let desk = Desk::start();
    desk.xterm(&[], CATCH);
    desk.ok(&["key", "Caps_Lock"]);
    desk.ok(&["type", "aBc é"]);
    desk.ok(&["key", "x"]);
    desk.ok(&["key", "capslock"]);
    desk.ok(&["key", "--down", "shift"]);
    desk.ok(&["type", "dEf"]);
    desk.ok(&["key", "y"]);
    desk.ok(&["key", "--up", "shift"]);
    desk.ok(&["key", "z"]);
    desk.ok(&["key", "--down", "ctrl", "shift"]);
    desk.ok(&["key", "--up", "--all"]);
    desk.ok(&["type", "end"]);
    let expected = "aBc éXdEfYzend";
    assert_eq!(String::from_utf8(desk.read("typed", expected.len())).unwrap(), expected);
    desk.stop();
}

#[test]
fn two_who_type_at_once_do_not_mix_their_texts() {
    let desk = Desk::start();
    desk.xterm(&[], CATCH);
    let texts = ["[one ÄÖÜ жук Shift]", "(two éèê ёлка SHIFT)"].map(|text| text.repeat(20));
    let writers = texts.each_ref().map(|text| desk.env.command(&["desktop", "type", text]).spawn());
    for writer in writers {
        writer.wait().expect(0);
    }
    let [one, two] = &texts;
    let seen = String::from_utf8(desk.read("typed", one.len() + two.len())).unwrap();
    assert!(seen == format!("{one}{two}") || seen == format!("{two}{one}"), "{seen}");
    desk.stop();
}

/// A key that nobody knows is an error.
#[test]
fn d08_keys_and_chords_are_pressed() {
    let desk = Desk::start();
    desk.xterm(&[], CATCH);
    let expected = b"\r\x0c\x1b[A\x1b[15~\x01Q?\xc3\xa9\t\x1b\x7f\x1b[3~+aaa\x1bOP";
    let keys =
        ["Return", "ctrl+l", "ArrowUp", "F5", "ctrl+a", "shift+q", "?", "é", "Tab", "esc", "backspace", "del", "+"];
    desk.ok(&[&["key"], &keys[..]].concat());
    desk.ok(&["key", "a", "--repeat", "3", "--hold-ms", "2"]);
    desk.ok(&["key", "f1"]);
    let seen = desk.read("typed", expected.len());
    // Which of two codes Backspace sends is the terminal's affair.
    let seen: Vec<u8> = seen.into_iter().map(|byte| if byte == 8 { 0x7f } else { byte }).collect();
    assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(expected));
    for chord in ["NoSuchKey", "ctrl+Retrun", "ctrl+", ""] {
        let error = desk.run(&["key", chord]).expect(2).object();
        assert!(error["message"].as_str().unwrap().contains("find the key"), "{error}");
    }
    desk.run(&["key"]).expect(2);
    assert_eq!(desk.read("typed", expected.len()).len(), expected.len(), "and nothing is pressed");
    desk.stop();
}

/// What a terminal reports of the pointer: button or motion, column, row, press or release.
type Report = (u32, u32, u32, char);

fn reports(bytes: &[u8]) -> Vec<Report> {
    let text = std::str::from_utf8(bytes).unwrap();
    let report = |part: &str| {
        let end = part.chars().last().unwrap();
        let numbers: Vec<u32> = part[..part.len() - 1].split(';').map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2], end)
    };
    text.split("\x1b[<").skip(1).map(report).collect()
}

/// Waits until what is reported of the pointer is enough.
fn wait_for_reports(desk: &Desk, is_enough: impl Fn(&[Report]) -> bool) -> Vec<Report> {
    wait_until("what the pointer did", || {
        let bytes = std::fs::read(desk.env.work().join("typed")).unwrap();
        let is_whole = bytes.last().is_some_and(u8::is_ascii_alphabetic);
        Some(bytes).filter(|_| is_whole).map(|bytes| reports(&bytes)).filter(|reports| is_enough(reports))
    })
}

/// The pointer does what it is told, where it is told.
#[test]
fn the_pointer_hits_what_it_points_at() {
    let desk = Desk::start();
    // Cells of a size that is known: the window's, without borders, in parts.
    let window = desk.xterm(
        &["-b", "0", "-geometry", "80x24", "-xrm", "XTerm*allowMouseOps: true"],
        "stty raw -echo; printf '\\033[?1002h\\033[?1006h\\033[6n'; head -c 6 >/dev/null; touch ready; exec cat > typed",
    );
    let number = |field: &str| i32::try_from(window[field].as_i64().unwrap()).unwrap();
    let (wide, high) = (number("width") / 80, number("height") / 24);
    // The middle of a cell.
    let cell = |column: i32, row: i32| {
        [number("x") + (column - 1) * wide + wide / 2, number("y") + (row - 1) * high + high / 2]
            .map(|at| at.to_string())
    };
    let [x, y] = cell(10, 5);
    let answer = desk.ok(&["mouse", "click", &x, &y]);
    assert_eq!(answer["window"], window["id"], "{answer}");
    assert_eq!((answer["x"].to_string(), answer["y"].to_string()), (x, y), "{answer}");
    let mut expected = vec![(0, 10, 5, 'M'), (0, 10, 5, 'm')];
    let [x, y] = cell(80, 24);
    desk.ok(&["mouse", "click", &x, &y, "--button", "right", "--count", "2"]);
    expected.extend([(2, 80, 24, 'M'), (2, 80, 24, 'm')].repeat(2));
    desk.ok(&["mouse", "click", "--button", "middle"]);
    expected.extend([(1, 80, 24, 'M'), (1, 80, 24, 'm')]);
    assert_eq!(wait_for_reports(&desk, |seen| seen.len() >= expected.len()), expected);

    let [x, y] = cell(3, 4);
    desk.ok(&["mouse", "scroll", &x, &y, "--dy", "60"]);
    expected.extend([(65, 3, 4, 'M')].repeat(60));
    desk.ok(&["mouse", "scroll", "--dy", "-2"]);
    expected.extend([(64, 3, 4, 'M')].repeat(2));
    assert_eq!(wait_for_reports(&desk, |seen| seen.len() >= expected.len()), expected);

    let ([from_x, from_y], [x, y]) = (cell(1, 1), cell(11, 1));
    desk.ok(&["mouse", "drag", &from_x, &from_y, &x, &y]);
    let (first, last) = ((0, 1, 1, 'M'), (0, 11, 1, 'm'));
    let seen = wait_for_reports(&desk, |seen| seen.last() == Some(&last));
    let (before, dragged) = seen.split_at(expected.len());
    assert_eq!((before, dragged[0]), (&expected[..], first));
    // A terminal that is behind takes some steps for one.
    let way: Vec<Report> = (2..=11).map(|column| (32, column, 1, 'M')).collect();
    let steps = &dragged[1..dragged.len() - 1];
    assert!(steps.is_sorted_by(|one, next| one < next) && steps.iter().all(|step| way.contains(step)), "{steps:?}");
    assert_eq!(steps.last(), way.last(), "it arrives before it is let go");
    expected = seen;

    let down = desk.ok(&["mouse", "down", &x, &y]);
    assert_eq!(down["buttons"], serde_json::json!([1]), "{down}");
    assert_eq!(desk.ok(&["mouse", "up"])["buttons"], serde_json::json!([]));
    expected.extend([(0, 11, 1, 'M'), (0, 11, 1, 'm')]);
    assert_eq!(wait_for_reports(&desk, |seen| seen.len() >= expected.len()), expected);

    desk.ok(&["mouse", "move", "31", "47"]);
    let seen = desk.client("xdotool", &["getmouselocation"]).run().expect(0);
    assert!(seen.text().starts_with("x:31 y:47 "), "{}", seen.text());
    assert_eq!(desk.ok(&["mouse", "position"])["x"], 31);
    for words in [
        &["move", "800", "0"][..],
        &["move", "0", "600"],
        &["move", "-1", "0"],
        &["click", "99999", "1"],
        &["drag", "1", "1", "1", "600"],
        &["click", "5"],
        &["scroll"],
        &["scroll", "--dy", "5000"],
        &["click", "--count", "0"],
        &["click", "--button", "fourth"],
    ] {
        desk.run(&[&["mouse"], words].concat()).expect(2);
    }
    assert_eq!(desk.ok(&["mouse", "position"])["y"], 47, "what is refused moves nothing");
    assert_eq!(wait_for_reports(&desk, |seen| seen.len() >= expected.len()), expected);
    desk.stop();
}

/// A window manager that binds its keys anew after each change of the keymap hands on no click for seconds.
#[test]
fn symbols_that_are_on_no_key_keep_the_window_manager_free() {
    let desk = Desk::start();
    let window = desk.xterm(&[], CATCH);
    let text: String = (0x5000..0x5000 + 200).filter_map(char::from_u32).collect();
    desk.ok(&["type", &text]);
    // It has come to all of that when it does this.
    desk.ok(&["windows", "move", window["id"].as_str().unwrap(), "3", "5"]);
    let ticks = ticks(desk.process("window-manager")["pid"].as_i64().unwrap());
    assert!(ticks < 40, "{ticks} hundredths of a second of a processor");
    // Its own keys are still its own.
    desk.ok(&["key", "alt+F4"]);
    wait_until("the window to be closed", || desk.run(&["windows", "list"]).expect(0).lines().is_empty().then_some(()));
    desk.stop();
}

/// A window manager looks at a press before the program does; what is typed then must not overtake it.
#[test]
fn a_click_is_over_when_the_program_has_it() {
    let desk = Desk::start();
    let window = desk.xterm(&[], CATCH);
    let manager = Pid::from_raw(desk.process("window-manager")["pid"].as_i64().unwrap() as i32);
    let [x, y] = ["x", "y"].map(|field| (window[field].as_i64().unwrap() + 20).to_string());
    for (verb, buttons) in [("click", json!([])), ("down", json!([1])), ("up", json!([]))] {
        kill(manager, Signal::SIGSTOP).unwrap();
        let clicker = desk.env.command(&["desktop", "mouse", verb, &x, &y]).spawn();
        if verb != "up" {
            wait_until("the press", || (desk.ok(&["mouse", "position"])["buttons"] == json!([1])).then_some(()));
            desk.ok(&["status"]);
            assert!(clicker.lines().is_empty(), "{verb}: it is over while the window manager holds it back");
        }
        kill(manager, Signal::SIGCONT).unwrap();
        assert_eq!(clicker.wait().expect(0).object()["buttons"], buttons, "{verb}");
    }
    kill(manager, Signal::SIGSTOP).unwrap();
    let error = desk.run(&["mouse", "click", &x, &y]).expect(124).object();
    assert!(error["message"].as_str().unwrap().contains("the window manager"), "{error}");
    kill(manager, Signal::SIGCONT).unwrap();
    desk.stop();
}

#[test]
fn a_script_does_one_thing_after_the_other() {
    let desk = Desk::start();
    desk.xterm(&[], CATCH);
    let script = r#"
{"action":"move","x":10,"y":20}
{"action":"type","text":"héllo"}
{"action":"key","chords":["Return"]}
{"action":"windows","class":"XTerm"}
{"action":"screenshot","out":"a.webp","format":"webp","scale":0.5}
{"action":"move","x":10,"y":2000}
{"action":"type","text":"more"}
"#;
    let run = |flags: &[&str]| {
        desk.env.command(&[&["desktop", "do", "-"], flags].concat()).stdin(script).run().expect(2).lines()
    };
    let lines = run(&[]);
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert_eq!((&lines[0]["x"], &lines[1]["characters"]), (&10.into(), &5.into()));
    assert_eq!(lines[3]["windows"].as_array().unwrap().len(), 1);
    assert_eq!((&lines[4]["width"], &lines[5]["exit_code"]), (&400.into(), &2.into()));
    assert_eq!(desk.read("typed", 7), "héllo\r".as_bytes());
    assert_eq!(run(&["--keep-going"]).len(), 7);
    assert_eq!(desk.read("typed", 18), "héllo\rhéllo\rmore".as_bytes());
    for line in ["{\"action\":\"dance\"}", "{\"action\":\"move\",\"x\":1,\"y\":1,\"z\":1}", "no"] {
        desk.env.command(&["desktop", "do", "-"]).stdin(line).run().expect(2);
    }
    desk.stop();
}
