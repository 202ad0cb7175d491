//! The desktop beside the usual tools of X on one screen, and beside upstream's server on another like it, in turn.

use crate::Effort;
use crate::env::TestEnv;
use crate::history::History;
use crate::program::{ours, timed, within};
use crate::table::{Row, Sample, ms};
use crate::upstream::Upstream;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// What the terminals of the scene run: they show text, and swallow what is typed.
const SCENE: &str =
    "seq -f '%05.0f The quick brown fox jumps over the lazy dog {\"offset\":%.0f}' 60; exec cat >/dev/null";

/// What `{text}` stands for: a hundred characters.
const TEXT: &str =
    "The quick brown fox, 1234567890 times; then (again) it [sleeps] until <12:30> or so: that is all of it.";

/// Something that a desktop does. A line is what one says on a command line; behind a bar stands what every other round
/// says instead, so that there is always something to do. `{one}` is a window.
struct Deed {
    what: &'static str,
    /// Milliseconds that are asked.
    most: f64,
    ours: &'static str,
    tools: &'static [&'static str],
    /// Method, path, body.
    upstream: &'static str,
}

static DEEDS: [Deed; 17] = [
    Deed {
        what: "`screenshot` as PNG",
        most: 12.0,
        ours: "screenshot --out shot",
        tools: &["scrot --overwrite theirs.png", "maim --hidecursor theirs.png", "import -window root theirs.png"],
        upstream: "GET screenshot",
    },
    Deed {
        what: "the same as JPEG",
        most: 16.0,
        ours: "screenshot --format jpeg --out shot",
        tools: &[
            "scrot --overwrite --quality 85 theirs.jpg",
            "maim --hidecursor --format jpg theirs.jpg",
            "import -window root -quality 85 theirs.jpg",
        ],
        upstream: "GET screenshot?format=jpeg",
    },
    Deed {
        what: "the same as WebP without loss",
        most: 23.0,
        ours: "screenshot --format webp --out shot",
        tools: &["import -window root -define webp:lossless=true theirs.webp"],
        upstream: "GET screenshot?format=webp",
    },
    Deed {
        what: "the same as JPEG at half the size",
        most: 19.5,
        ours: "screenshot --format jpeg --quality 70 --scale 0.5 --out shot",
        tools: &["import -window root -resize 50% -quality 70 theirs.jpg"],
        upstream: "GET screenshot?format=jpeg&quality=70&scale=0.5",
    },
    Deed {
        what: "the same as PNG with the cursor",
        most: 21.0,
        ours: "screenshot --cursor --out shot",
        tools: &["scrot --overwrite --pointer theirs.png", "maim theirs.png"],
        upstream: "GET screenshot?showCursor=true",
    },
    Deed {
        what: "the same of 400 × 300 pixels",
        most: 5.0,
        ours: "screenshot --region 100,100,400,300 --out shot",
        tools: &[
            "scrot --overwrite --autoselect 100,100,400,300 theirs.png",
            "maim --hidecursor --geometry 400x300+100+100 theirs.png",
            "import -window root -crop 400x300+100+100 theirs.png",
        ],
        upstream: "GET screenshot/region?x=100&y=100&width=400&height=300",
    },
    Deed {
        what: "`mouse position`",
        most: 3.0,
        ours: "mouse position",
        tools: &["xdotool getmouselocation"],
        upstream: "GET mouse/position",
    },
    Deed {
        what: "`mouse move`",
        most: 2.0,
        ours: "mouse move 300 200 | mouse move 900 700",
        tools: &["xdotool mousemove 300 200 | xdotool mousemove 900 700"],
        upstream: "POST mouse/move {\"x\":300,\"y\":200} | POST mouse/move {\"x\":900,\"y\":700}",
    },
    Deed {
        what: "`mouse click`",
        most: 3.0,
        ours: "mouse click 300 200 | mouse click 900 700",
        tools: &["xdotool mousemove 300 200 click 1 | xdotool mousemove 900 700 click 1"],
        upstream: "POST mouse/click {\"x\":300,\"y\":200} | POST mouse/click {\"x\":900,\"y\":700}",
    },
    Deed {
        what: "`type`, 100 characters",
        most: 8.0,
        ours: "type {text}",
        tools: &["xdotool type --delay 0 {text}"],
        upstream: "POST keyboard/type {\"text\":\"{text}\",\"delayMs\":0}",
    },
    Deed {
        what: "`key ctrl+l`",
        most: 3.0,
        ours: "key ctrl+l",
        tools: &["xdotool key ctrl+l"],
        upstream: "POST keyboard/press {\"key\":\"ctrl+l\"}",
    },
    Deed { what: "`windows`", most: 2.0, ours: "windows", tools: &["wmctrl -lpGx"], upstream: "GET windows" },
    Deed {
        what: "`windows focused`",
        most: 3.0,
        ours: "windows focused",
        tools: &["xdotool getactivewindow getwindowname"],
        upstream: "GET windows/focused",
    },
    Deed {
        what: "`windows move`",
        most: 6.0,
        ours: "windows move {one} 10 10 | windows move {one} 400 300",
        tools: &["xdotool windowmove --sync {one} 20 20 | xdotool windowmove --sync {one} 410 310"],
        upstream: "POST windows/{one}/move {\"x\":10,\"y\":10} | POST windows/{one}/move {\"x\":400,\"y\":300}",
    },
    Deed {
        what: "`windows resize`",
        most: 6.0,
        ours: "windows resize {one} 600 400 | windows resize {one} 500 300",
        tools: &["xdotool windowsize --sync {one} 610 410 | xdotool windowsize --sync {one} 510 310"],
        upstream: "POST windows/{one}/resize {\"width\":600,\"height\":400} | POST windows/{one}/resize {\"width\":500,\"height\":300}",
    },
    Deed {
        what: "`clipboard set`",
        most: 3.9,
        ours: "clipboard set {text}",
        tools: &["xclip -selection clipboard text"],
        // It never returns.
        upstream: "",
    },
    Deed {
        what: "`clipboard get`",
        most: 3.0,
        ours: "clipboard get",
        tools: &["xclip -selection clipboard -out"],
        upstream: "GET clipboard",
    },
];

pub(crate) fn measure(effort: &Effort, _history: &History) {
    let env = TestEnv::new();
    let upstream = Upstream::start(&env);
    lifecycle(&env, upstream.as_ref(), effort.rounds(15, 3));
    let bench = Bench::start(&env, upstream, effort.rounds(25, 5));
    for deed in &DEEDS {
        bench.contest(deed);
    }
    bench.launch(effort.rounds(9, 3));
    if let Some((upstream, _)) = &bench.upstream {
        // Killed, it would leave its desktop behind.
        upstream.call("POST stop");
    }
    desktop(&env, &["stop"]);
}

/// A command of ours, in milliseconds.
fn desktop(env: &TestEnv, words: &[&str]) -> f64 {
    timed(&mut ours(env, &[&["desktop"], words].concat())).wall
}

/// The records that a command of ours prints.
fn told(env: &TestEnv, words: &[&str]) -> Vec<Value> {
    let output = ours(env, &[&["desktop"], words].concat()).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{words:?}");
    serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap).collect()
}

/// From nothing to a desktop with its window manager, and back.
fn lifecycle(env: &TestEnv, upstream: Option<&Upstream>, rounds: usize) {
    let mut walls: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        let mut one = [0.0; 4];
        one[0] = desktop(env, &["start", "--width", "1440", "--height", "900"]);
        one[1] = desktop(env, &["stop"]);
        if let Some(upstream) = upstream {
            one[2] = upstream.call("POST start {\"width\":1440,\"height\":900,\"displayNum\":300}").wall;
            one[3] = upstream.call("POST stop").wall;
        }
        if round > 0 {
            walls.iter_mut().zip(one).for_each(|(walls, wall)| walls.push(wall));
        }
    }
    for (what, ours, theirs, most) in [("`start`, 1440 × 900, to active", 0, 2, 100.0), ("`stop`", 1, 3, 60.0)] {
        let sample = Sample::new(walls[ours].iter().copied());
        let mut row = Row::new(what, &sample, ms);
        let mut met = sample.median() <= most;
        if upstream.is_some() {
            let ratios = Sample::of_pairs(&walls[ours], &walls[theirs], |ours, theirs| theirs / ours);
            met &= ratios.median() >= 1.0;
            row = row.beside("upstream", &Sample::new(walls[theirs].iter().copied()), ms).ratio(&ratios);
        }
        row.asked(format!("≤ {most} ms, the fastest"), met).print();
    }
}

struct Bench<'e> {
    env: &'e TestEnv,
    rounds: usize,
    /// `DISPLAY` and `XAUTHORITY` of our desktop.
    display: [(&'static str, String); 2],
    /// A window of ours.
    one: String,
    upstream: Option<(Upstream, String)>,
}

impl<'e> Bench<'e> {
    /// Two windows full of text, here and there.
    fn start(env: &'e TestEnv, upstream: Option<Upstream>, rounds: usize) -> Bench<'e> {
        desktop(env, &["start", "--width", "1440", "--height", "900"]);
        let display = &told(env, &["display"])[0];
        let field = |name: &str| display[name].as_str().unwrap().to_owned();
        let display = [("DISPLAY", field("display")), ("XAUTHORITY", field("xauthority"))];
        let terminals = ["110x50+0+0", "100x40+500+200"].map(|at| ["+bc", "-geometry", at, "-e", "sh", "-c", SCENE]);
        let mut one = String::new();
        for words in &terminals {
            let launched = &told(env, &[&["launch", "--wait=60s", "xterm"], &words[..]].concat())[0];
            launched["window"]["id"].as_str().unwrap().clone_into(&mut one);
        }
        desktop(env, &["wait", "--stable", "300ms"]);
        std::fs::write(env.work().join("text"), TEXT).unwrap();
        let upstream = upstream.map(|upstream| {
            upstream.call("POST start {\"width\":1440,\"height\":900,\"displayNum\":300}");
            for words in &terminals {
                let body = json!({"app": "xterm", "args": words, "wait": true});
                upstream.call(&format!("POST launch {body}"));
            }
            let windows = upstream.call("GET windows").json();
            let one = windows["windows"][0]["id"].as_str().unwrap().to_owned();
            (upstream, one)
        });
        Bench { env, rounds, display, one, upstream }
    }

    fn contest(&self, deed: &Deed) {
        let mut names = vec!["ours"];
        names.extend(deed.tools.iter().map(|line| line.split(' ').next().unwrap()));
        if self.upstream.is_some() && !deed.upstream.is_empty() {
            names.push("upstream");
        }
        let run = |who: usize, round: usize| match (names[who], deed.tools.get(who.wrapping_sub(1))) {
            ("ours", _) => {
                let words = words(deed.ours, round, &self.one);
                desktop(self.env, &words.iter().map(String::as_str).collect::<Vec<_>>())
            }
            (name, Some(line)) => {
                let mut command = within(self.env, &Path::new("/usr/bin").join(name));
                command.args(&words(line, round, &self.one)[1..]).envs(self.display.iter().cloned());
                timed(&mut command).wall
            }
            (_, None) => {
                let (upstream, one) = self.upstream.as_ref().unwrap();
                upstream.call(&words(deed.upstream, round, one).join(" ")).wall
            }
        };
        let mut walls = vec![Vec::new(); names.len()];
        for round in 0..=self.rounds {
            for turn in 0..names.len() {
                let who = (round + turn) % names.len();
                let wall = run(who, round);
                // The first round does not count.
                if round > 0 {
                    walls[who].push(wall);
                }
            }
        }
        self.row(deed, &names, &walls).print();
    }

    fn row(&self, deed: &Deed, names: &[&str], walls: &[Vec<f64>]) -> Row {
        let samples: Vec<Sample> = walls.iter().map(|walls| Sample::new(walls.iter().copied())).collect();
        let others: Vec<String> = names
            .iter()
            .zip(&samples)
            .skip(1)
            .map(|(name, sample)| format!("{name}: {}", ms(sample.median())))
            .collect();
        let best =
            (1..names.len()).min_by(|one, other| samples[*one].median().total_cmp(&samples[*other].median())).unwrap();
        let ratios = Sample::of_pairs(&walls[0], &walls[best], |ours, theirs| theirs / ours);
        let met = samples[0].median() <= deed.most && ratios.median() >= 1.0;
        let row = Row::new(deed.what, &samples[0], ms).note(others.join(", ")).ratio(&ratios);
        row.asked(format!("≤ {} ms, the fastest", deed.most), met)
    }

    /// To the window of an xterm, which is closed again.
    fn launch(&self, rounds: usize) {
        let mut walls = Vec::new();
        for _ in 0..rounds {
            walls.push(desktop(self.env, &["launch", "--wait=60s", "xterm"]));
            let focused = told(self.env, &["windows", "focused"]);
            desktop(self.env, &["windows", "close", focused[0]["id"].as_str().unwrap()]);
        }
        let sample = Sample::new(walls);
        let met = sample.median() <= 80.0;
        Row::new("`launch --wait xterm`", &sample, ms).asked("≤ 80 ms", met).print();
    }
}

/// The words that a line says in a round.
fn words(line: &str, round: usize, one: &str) -> Vec<String> {
    let lines: Vec<&str> = line.split(" | ").collect();
    let words = lines[round % lines.len()].split(' ');
    words.map(|word| word.replace("{text}", TEXT).replace("{one}", one)).collect()
}
