//! The live view: from what is drawn on the desktop to the canvas of a browser, and what it costs while nothing is drawn.

use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt, CreateWindowAux, WindowClass};
use x11rb::rust_connection::{DefaultStream, RustConnection};

use crate::Effort;
use crate::browser::Browser;
use crate::env::{TestEnv, wait_until};
use crate::history::History;
use crate::table::{Row, Sample, ms, percent};

/// Has the page note when a point of its canvas has which colour.
const WATCH: &str = "
    window.seen = [];
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (...words) {
        draw.apply(this, words);
        const now = performance.timeOrigin + performance.now();
        window.seen.push([now, ...this.getImageData(100, 100, 1, 1).data]);
    };";

pub(crate) fn measure(effort: &Effort, _history: &History) {
    let env = TestEnv::new();
    let desktop = |words: &[&str]| env.run(&[&["desktop"], words].concat()).expect(0).object();
    desktop(&["start", "--width", "1440", "--height", "900"]);
    let view = desktop(&["view", "start", "--fps", "60"]);
    let mut browser = Browser::start(&env);
    let page = browser.open(view["url"].as_str().unwrap());
    browser.evaluate(&page, WATCH);
    browser.wait_for_true(&page, "document.getElementById('screen').width === 1440");

    let (server, window) = probe(&desktop(&["display"]));
    let mut delays = Vec::new();
    for step in 0..effort.rounds(40, 10) as u32 {
        // In no step with the frames, and after those that make the last one fine.
        std::thread::sleep(Duration::from_millis(400 + u64::from(step * 7 % 40)));
        let [red, green, blue] = [40 + step * 83 % 200, 40 + step * 37 % 200, 40 + step * 151 % 200];
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
        paint(&server, window, red << 16 | green << 8 | blue);
        let is_seen = format!(
            "(window.seen.find(([at, r, g, b]) => at > {begun} && Math.abs(r - {red}) + Math.abs(g - {green}) \
             + Math.abs(b - {blue}) < 15) || [0])[0]"
        );
        let seen = wait_until("the colour", || browser.evaluate(&page, &is_seen).as_f64().filter(|at| *at > 0.0));
        delays.push(seen - begun);
    }
    let delays = Sample::new(delays);
    let met = delays.median() <= 10.0;
    Row::new("view: X draw to canvas", &delays, ms).asked("≤ 10 ms", met).print();

    let pid = view["pid"].as_i64().unwrap();
    let used = (0..effort.rounds(5, 2)).map(|_| {
        std::thread::sleep(Duration::from_secs(1));
        let (before, time) = (processor(pid), Duration::from_secs(2));
        std::thread::sleep(time);
        (processor(pid) - before) / time.as_nanos() as f64 * 100.0
    });
    let used = Sample::new(used);
    let met = used.median() <= 0.1;
    Row::new("view: processor while nothing is drawn", &used, percent).asked("≤ 0.1 %", met).print();
    browser.kill();
    desktop(&["stop"]);
    env.wait_until_none_is_alive();
}

/// The processor time of a process, in nanoseconds.
fn processor(pid: i64) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let time = |text: String| text.split(' ').next().unwrap().parse::<f64>().unwrap();
    threads.map(|thread| time(std::fs::read_to_string(thread.path().join("schedstat")).unwrap())).sum()
}

/// A window in the upper left corner that no window manager knows of.
fn probe(display: &Value) -> (RustConnection, u32) {
    let number = display["display"].as_str().unwrap().trim_start_matches(':');
    let stream = UnixStream::connect(format!("/tmp/.X11-unix/X{number}")).unwrap();
    let (stream, _) = DefaultStream::from_unix_stream(stream).unwrap();
    let authority = std::fs::read(display["xauthority"].as_str().unwrap()).unwrap();
    let cookie = authority[authority.len() - 16..].to_vec();
    let kind = b"MIT-MAGIC-COOKIE-1".to_vec();
    let server = RustConnection::connect_to_stream_with_auth_info(stream, 0, kind, cookie).unwrap();
    let (window, root) = (server.generate_id().unwrap(), server.setup().roots[0].root);
    let aux = CreateWindowAux::new().override_redirect(1).background_pixel(0);
    server.create_window(24, window, root, 0, 0, 300, 200, 0, WindowClass::INPUT_OUTPUT, 0, &aux).unwrap();
    server.map_window(window).unwrap();
    server.get_input_focus().unwrap().reply().unwrap();
    (server, window)
}

fn paint(server: &RustConnection, window: u32, colour: u32) {
    let aux = ChangeWindowAttributesAux::new().background_pixel(colour);
    server.change_window_attributes(window, &aux).unwrap();
    server.clear_area(false, window, 0, 0, 0, 0).unwrap();
    server.flush().unwrap();
}
