//! Recordings: decoded again, with the colours that were on the screen in their order; whoever is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Desk, ticks};
use crate::env::{TestEnv, program, wait_until};

/// The end of what every frame of a film shows in a part of the screen, scaled to one pixel; none twice in a row.
fn colours(desk: &Desk, film: &str, part: &str) -> Vec<[u8; 3]> {
    let filter = format!("crop={part},scale=1:1:flags=area");
    let words = ["-v", "error", "-i", film, "-vf", &filter, "-vsync", "passthrough"];
    let raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let output = desk.env.program(Path::new("/usr/bin/ffmpeg")).args(&[&words[..], &raw].concat()).run().expect(0);
    assert_eq!(output.stderr, "", "{film} is not whole");
    let mut seen: Vec<[u8; 3]> = output.stdout.chunks(3).map(|pixel| pixel.try_into().unwrap()).collect();
    assert!(!seen.is_empty(), "{film} has no picture");
    seen.dedup();
    seen
}

fn is_about(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.abs_diff(other) < 16)
}

fn show(desk: &Desk, recording: &Value) -> Value {
    desk.ok(&["record", "show", recording["recording_id"].as_str().unwrap()])
}

/// Waits until what is on the screen now is in the film: what is written first may be older.
fn wait_until_filmed(desk: &Desk, recording: &Value) {
    for _ in 0..2 {
        let frames = show(desk, recording)["frames"].as_u64().unwrap();
        wait_until("the film to grow", || (show(desk, recording)["frames"].as_u64().unwrap() > frames).then_some(()));
    }
}

fn pid_of(desk: &Desk, beginning: &str) -> i32 {
    let alive = desk.env.alive();
    let found = alive.iter().find(|one| one.command.starts_with(beginning));
    found.unwrap_or_else(|| panic!("no {beginning} in {alive:?}")).pid
}

#[test]
fn a_film_shows_what_was_on_the_screen() {
    let mut env = TestEnv::new();
    env.set("LC_ALL", "C.UTF-8");
    let desk = Desk { env };
    // H.264 has no odd sizes.
    desk.ok(&["start", "--width", "801", "--height", "601"]);
    let script = "printf '\\033[?25l'; touch ready
        while read -r colour; do printf '\\033]11;#%s\\007' $colour; done < orders";
    assert!(desk.env.program(Path::new("/usr/bin/mkfifo")).args(&["orders"]).run().expect(0).stdout.is_empty());
    // Nothing can be given before it reads: opening waits for that.
    let orders = desk.env.work().join("orders");
    let window = desk.xterm(&["-bg", "black", "-b", "0", "-geometry", "60x20"], script);
    let mut orders = std::fs::File::options().write(true).open(orders).unwrap();
    desk.ok(&["windows", "move", window["id"].as_str().unwrap(), "0", "0"]);
    let recording = desk.ok(&["record", "start", "--fps", "60"]);
    assert_eq!((&recording["status"], &recording["width"]), (&"recording".into(), &801.into()), "{recording}");
    assert!(recording["bytes"].as_u64().unwrap() > 0, "it says so only once something is on disk: {recording}");
    desk.ok(&["mouse", "move", "700", "500"]);
    let wanted: [[u8; 3]; 4] = [[255, 0, 0], [0, 160, 0], [0, 0, 255], [250, 240, 20]];
    for [red, green, blue] in wanted {
        use std::io::Write;
        let colour = format!("{red:02x}{green:02x}{blue:02x}");
        writeln!(orders, "{colour}").unwrap();
        desk.ok(&["wait", "--pixel", &format!("150,150={colour}"), "--timeout", "100s"]);
        wait_until_filmed(&desk, &recording);
    }
    // What there is so far plays too.
    let id = recording["recording_id"].as_str().unwrap();
    desk.ok(&["record", "download", id, "--out", "sofar.mp4"]);
    let sofar = colours(&desk, "sofar.mp4", "20:20:140:140");
    assert!(is_about(*sofar.last().unwrap(), wanted[3]), "{sofar:?}");
    let record = desk.ok(&["record", "stop", "--out", "film.mp4"]);
    assert_eq!((&record["status"], &record["error"]), (&"completed".into(), &Value::Null), "{record}");
    let probe = ["-v", "error", "-count_packets", "-show_entries", "stream=codec_name,width,height,nb_read_packets"];
    let probe = [&probe[..], &["-show_entries", "format=duration", "-of", "json", "film.mp4"]].concat();
    let probed = desk.env.program(Path::new("/usr/bin/ffprobe")).args(&probe).run().expect(0);
    let probed: Value = serde_json::from_slice(&probed.stdout).unwrap();
    let stream = &probed["streams"][0];
    assert_eq!(
        (&stream["codec_name"], &stream["width"], &stream["height"]),
        (&"h264".into(), &802.into(), &602.into())
    );
    assert_eq!(stream["nb_read_packets"], record["frames"].to_string());
    let seconds: f64 = probed["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((seconds * 1000.0 - record["duration_ms"].as_f64().unwrap()).abs() < 50.0, "{seconds} s: {record}");
    let seen = colours(&desk, "film.mp4", "20:20:140:140");
    // While the terminal changes its colour it may show anything.
    let mut next = wanted.iter().peekable();
    for colour in &seen {
        next.next_if(|wanted| is_about(**wanted, *colour));
    }
    assert!(next.peek().is_none(), "{seen:?}");
    // The cursor is where the pointer went; without it the screen is black there.
    let brightest = |film: &str| colours(&desk, film, "12:16:700:500").into_iter().flatten().max().unwrap();
    assert!(brightest("film.mp4") > 40);
    desk.ok(&["record", "start", "--no-cursor", "--max", "1s"]);
    let id = wait_until("its end", || {
        let all = desk.run(&["record", "list"]).expect(0).lines();
        let last = all.last().unwrap();
        (last["status"] == "completed").then(|| last["recording_id"].as_str().unwrap().to_owned())
    });
    let bytes = desk.run(&["record", "download", &id, "--out", "-"]).expect(0).stdout;
    desk.env.write("dark.mp4", bytes);
    assert!(brightest("dark.mp4") < 20);
    drop(orders);
    desk.stop();
}

/// Killed, it has failed, and what there is of it plays.
#[test]
fn d13_who_kills_a_recorder_keeps_the_film() {
    let desk = Desk::start();
    for victim in ["ffmpeg", "recorder", "keeper", "Xvfb"] {
        let recording = desk.ok(&["record", "start", "--fps", "10"]);
        wait_until_filmed(&desk, &recording);
        let process = recording["process_id"].as_str().unwrap();
        let pid = match victim {
            "ffmpeg" => pid_of(&desk, "ffmpeg "),
            "recorder" => pid_of(&desk, "/proc/self/exe __record"),
            "Xvfb" => desk.process("server")["pid"].as_i64().unwrap() as i32,
            _ => desk.env.run(&["proc", "show", process]).expect(0).object()["keeper_pid"].as_i64().unwrap() as i32,
        };
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let failed = wait_until("the failure to be told", || {
            let now = show(&desk, &recording);
            (now["status"] != "recording").then_some(now)
        });
        assert_eq!(failed["status"], "failed", "{victim}: {failed}");
        let why = failed["error"].as_str().unwrap();
        let words = match victim {
            "ffmpeg" => "ffmpeg has ended with signal: 9",
            "recorder" => "signal 9",
            "Xvfb" => "display",
            _ => "its keeper was killed",
        };
        assert!(why.contains(words), "{victim}: {failed}");
        let frames = failed["frames"].as_u64().unwrap();
        assert!(frames > 0 && failed["duration_ms"].as_u64().unwrap() > 0, "{victim}: {failed}");
        colours(&desk, failed["path"].as_str().unwrap(), "20:20:140:140");
        desk.run(&["record", "stop"]).expect(3);
        wait_until("the recorder to end", || {
            desk.env.alive().iter().all(|one| !one.command.starts_with("ffmpeg ")).then_some(())
        });
    }
    let listed = desk.run(&["record", "list"]).expect(0).lines();
    assert_eq!(listed.iter().map(|one| one["status"].as_str().unwrap()).collect::<Vec<_>>(), ["failed"; 4]);
    desk.stop();
}

#[test]
fn nothing_moves_nothing_costs() {
    let desk = Desk::start();
    let recording = desk.ok(&["record", "start"]);
    wait_until_filmed(&desk, &recording);
    let pids = [pid_of(&desk, "ffmpeg "), pid_of(&desk, "/proc/self/exe __record")];
    let used = || -> u64 { pids.into_iter().map(|pid| ticks(pid.into())).sum() };
    let (before, frames, begun) = (used(), show(&desk, &recording)["frames"].as_u64().unwrap(), Instant::now());
    std::thread::sleep(Duration::from_secs(10));
    let (cost, more) = (used() - before, show(&desk, &recording)["frames"].as_u64().unwrap() - frames);
    let seconds = begun.elapsed().as_secs();
    assert!(cost <= seconds * 5, "{cost} hundredths of {seconds} s");
    assert!(more <= seconds + 2, "{more} pictures in {seconds} s");
    desk.stop();
}

/// Ids are never used again, and everything is kept whatever ends.
#[test]
fn d14_recordings_are_kept_until_they_are_deleted() {
    let mut desk = Desk::start();
    for fps in ["0", "61", "-1", "x"] {
        desk.run(&["record", "start", &format!("--fps={fps}")]).expect(2);
    }
    desk.run(&["record", "stop"]).expect(3);
    assert!(desk.run(&["record", "list"]).expect(0).lines().is_empty());
    let path = desk.env.root().join("bin");
    std::fs::create_dir(&path).unwrap();
    let former = desk.env.variables()[std::ffi::OsStr::new("PATH")].clone();
    desk.env.set("PATH", &path);
    let missing = desk.run(&["record", "start"]).expect(127).object();
    assert_eq!(missing["message"], "failed to find ffmpeg: not installed");
    assert!(missing["hint"].as_str().unwrap().contains("install desktop"), "{missing}");
    desk.env.set("PATH", former);

    // Of two at once one is made.
    let both = [(); 2].map(|()| desk.env.command(&["desktop", "record", "start"]).spawn());
    let mut codes = both.map(|one| one.wait().code());
    codes.sort_unstable();
    assert_eq!(codes, [0, 8]);
    let first = desk.run(&["record", "list"]).expect(0).object();
    let id = first["recording_id"].as_str().unwrap().to_owned();
    let busy = desk.run(&["record", "start"]).expect(8).object();
    assert!(busy["message"].as_str().unwrap().contains(&id), "{busy}");
    desk.run(&["record", "delete", &id]).expect(8);
    desk.run(&["record", "start", "--name", "nobody"]).expect(3);
    // The end of the desktop is a good end.
    wait_until_filmed(&desk, &first);
    assert_eq!(desk.ok(&["stop"])["state"], "inactive");
    let ended = show(&desk, &first);
    assert_eq!((&ended["status"], &ended["error"]), (&"completed".into(), &Value::Null), "{ended}");

    desk.ok(&["start", "--width", "800", "--height", "600"]);
    let second = desk.ok(&["record", "start"]);
    assert_ne!(second["recording_id"], first["recording_id"]);
    wait_until_filmed(&desk, &second);
    desk.run(&["record", "stop", "--out", "no/such/folder.mp4"]).expect(1);
    assert_eq!(show(&desk, &second)["status"], "completed", "only its copy failed");
    assert_eq!(show(&desk, &first), ended);
    assert_eq!(desk.ok(&["record", "delete", &id])["bytes"], ended["bytes"]);
    assert!(!Path::new(ended["path"].as_str().unwrap()).exists());
    for words in [&["show", &id][..], &["delete", &id], &["download", &id, "--out", "-"], &["show", "../x"]] {
        desk.run(&[&["record"], words].concat()).expect(3);
    }
    assert_eq!(desk.run(&["record", "list"]).expect(0).lines().len(), 1);
    desk.stop();
}

#[test]
fn a_full_disk_ends_a_recording_and_is_named() {
    let env = TestEnv::new();
    let program = program();
    std::fs::create_dir(env.work().join("small")).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=64m none small; export SANDBOX_AGENT_STORE=$PWD/small/s.db
         {program} desktop start --width 320 --height 200 > started
         {program} desktop record start
         while {program} desktop record list | grep -q '\"frames\":0,'; do sleep 0.1; done
         head -c 52m /dev/zero > small/rubbish
         while {program} desktop record list | grep -q '\"status\":\"recording\"'; do sleep 0.1; done
         {program} desktop record list > listed
         ffmpeg -v error -i small/s.db.recordings/*.mp4 -f null -
         {program} desktop record start > refused || echo $? > code
         {program} desktop stop"
    );
    let run = env.program(Path::new("/usr/bin/unshare")).args(&["--mount", "/bin/sh", "-c", &script]).run();
    assert_eq!(run.expect(0).stderr.lines().filter(|line| !line.contains("no space is left")).count(), 0);
    let failed: Value = serde_json::from_str(&env.read("listed")).unwrap();
    let words = "no space is left";
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains(words) && failed["frames"] != 0, "{failed}");
    assert_eq!(env.read("code").trim(), "1");
    assert!(env.read("refused").contains(words));
    env.wait_until_none_is_alive();
}
