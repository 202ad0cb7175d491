//! Pictures: every format, parts, scale, the cursor; pixels compared.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::Desk;

/// Red, green and blue, row by row.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    rgb: Vec<u8>,
}

impl Pixels {
    pub(super) fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        self.rgb[at..at + 3].try_into().unwrap()
    }

    /// Where two pictures differ: the smallest rectangle, as left, top, right, bottom.
    fn differs(&self, other: &Pixels) -> Option<(usize, usize, usize, usize)> {
        assert_eq!((self.width, self.height), (other.width, other.height));
        let points = (0..self.width * self.height).map(|at| (at % self.width, at / self.width));
        let mut found: Option<(usize, usize, usize, usize)> = None;
        for (x, y) in points.filter(|(x, y)| self.at(*x, *y) != other.at(*x, *y)) {
            let (left, top, right, bottom) = found.unwrap_or((x, y, x, y));
            found = Some((left.min(x), top.min(y), right.max(x), bottom.max(y)));
        }
        found
    }
}

/// A PNG of eight bits a colour; ours have no filters.
pub(super) fn png(bytes: &[u8]) -> Pixels {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut packed, mut size, mut each) = (8, Vec::new(), (0, 0), 3);
    while at < bytes.len() {
        let (length, kind) = (number(at), &bytes[at + 4..at + 8]);
        let data = &bytes[at + 8..at + 8 + length];
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[at + 4..at + 8 + length]);
        assert_eq!(crc.sum() as usize, number(at + 8 + length));
        match kind {
            b"IHDR" => {
                size = (number(at + 8), number(at + 12));
                each = if data[9] == 6 { 4 } else { 3 };
            }
            b"IDAT" => packed.extend_from_slice(data),
            _ => {}
        }
        at += 12 + length;
    }
    let mut rows = Vec::new();
    ZlibDecoder::new(packed.as_slice()).read_to_end(&mut rows).unwrap();
    let (width, height) = size;
    assert_eq!(rows.len(), (width * each + 1) * height);
    let (mut rgb, mut above) = (Vec::new(), vec![0; width * each]);
    for row in rows.chunks(width * each + 1) {
        let mut line = row[1..].to_vec();
        for at in 0..line.len() {
            let (left, corner) = if at < each { (0, 0) } else { (line[at - each], above[at - each]) };
            let predicted = match row[0] {
                0 => 0,
                1 => left,
                2 => above[at],
                3 => ((u16::from(left) + u16::from(above[at])) / 2) as u8,
                _ => {
                    let (a, b, c) = (i16::from(left), i16::from(above[at]), i16::from(corner));
                    let near = |one: i16| (a + b - c - one).abs();
                    if near(a) <= near(b) && near(a) <= near(c) {
                        left
                    } else if near(b) <= near(c) {
                        above[at]
                    } else {
                        corner
                    }
                }
            };
            line[at] = line[at].wrapping_add(predicted);
        }
        rgb.extend(line.chunks(each).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        above = line;
    }
    Pixels { width, height, rgb }
}

fn webp(bytes: &[u8]) -> Pixels {
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).unwrap();
    let (width, height) = decoder.dimensions();
    let mut rgb = vec![0; decoder.output_buffer_size().unwrap()];
    decoder.read_image(&mut rgb).unwrap();
    Pixels { width: width as usize, height: height as usize, rgb }
}

/// Width and height as the first frame of a JPEG says them.
fn jpeg_size(bytes: &[u8]) -> (usize, usize) {
    assert!(bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9]), "no JPEG");
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] == 0xc0 {
            let number = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            return (number(at + 7), number(at + 5));
        }
        at += 2 + length;
    }
}

fn shot(desk: &Desk, words: &[&str]) -> Vec<u8> {
    desk.run(&[&["screenshot"], words].concat()).expect(0).stdout
}

/// A window of one colour in the upper left corner, without a frame to speak of.
fn coloured(desk: &Desk, colour: &str) {
    // No cursor of the text, no text, and nothing blinks.
    let script = "printf '\\033[?25l'; touch ready; sleep 1000";
    let window = desk.xterm(&["-bg", colour, "-b", "0", "-geometry", "60x20"], script);
    desk.ok(&["windows", "move", window["id"].as_str().unwrap(), "0", "0"]);
    desk.ok(&["mouse", "move", "700", "500"]);
}

/// Waits until the window is drawn.
fn settled(desk: &Desk, colour: [u8; 3]) -> Pixels {
    crate::env::wait_until("the colour", || Some(png(&shot(desk, &[]))).filter(|seen| seen.at(150, 150) == colour))
}

#[test]
fn every_format_shows_the_same_pixels() {
    let desk = Desk::start();
    coloured(&desk, "#204060");
    let whole = settled(&desk, [0x20, 0x40, 0x60]);
    assert_eq!((whole.width, whole.height), (800, 600));
    assert_eq!(whole.at(790, 590), [0, 0, 0], "nothing is there");
    assert!(whole.differs(&webp(&shot(&desk, &["--format", "webp"]))).is_none());
    let jpeg = shot(&desk, &["--format", "jpeg"]);
    assert_eq!(jpeg_size(&jpeg), (800, 600));
    assert!(shot(&desk, &["--format", "jpeg", "--quality", "10"]).len() < jpeg.len());
    desk.run(&["screenshot", "--quality", "10"]).expect(2);
    desk.run(&["screenshot", "--format", "jpeg", "--quality", "0"]).expect(2);
    desk.run(&["screenshot", "--format", "jpeg", "--quality", "101"]).expect(2);

    // What another program sees is the same.
    let record = desk.ok(&["screenshot", "--out", "shot.png"]);
    let bytes = std::fs::read(desk.env.work().join("shot.png")).unwrap();
    assert_eq!((&record["width"], &record["bytes"]), (&800.into(), &bytes.len().into()), "{record}");
    assert!(whole.differs(&png(&bytes)).is_none());
    desk.run(&["screenshot", "--out", "no/such/folder.png"]).expect(1);
    desk.stop();
}

#[test]
fn a_part_is_that_part_and_cut_at_the_edge() {
    let desk = Desk::start();
    coloured(&desk, "#a01005");
    let whole = settled(&desk, [0xa0, 0x10, 0x05]);
    for (region, left, top, width, height) in [
        ("0,0,800,600", 0, 0, 800, 600),
        ("140,130,77,65", 140, 130, 77, 65),
        ("799,599,1,1", 799, 599, 1, 1),
        ("750,560,100,100", 750, 560, 50, 40),
        ("-10,-20,30,40", 0, 0, 20, 20),
    ] {
        let part = png(&shot(&desk, &["--region", region]));
        assert_eq!((part.width, part.height), (width, height), "{region}");
        for (x, y) in [(0, 0), (width - 1, 0), (0, height - 1), (width / 2, height / 2), (width - 1, height - 1)] {
            assert_eq!(part.at(x, y), whole.at(left + x, top + y), "{region} at {x},{y}");
        }
    }
    for region in ["800,0,10,10", "0,600,1,1", "-10,0,10,10", "0,0,0,5", "1,2,3", "a,b,c,d"] {
        desk.run(&["screenshot", "--region", region]).expect(2);
    }
    let half = png(&shot(&desk, &["--scale", "0.5"]));
    assert_eq!((half.width, half.height, half.at(75, 75)), (400, 300, [0xa0, 0x10, 0x05]));
    let tiny = png(&shot(&desk, &["--scale", "0.1", "--region", "100,100,50,30"]));
    assert_eq!((tiny.width, tiny.height, tiny.at(2, 1)), (5, 3, [0xa0, 0x10, 0x05]));
    desk.run(&["screenshot", "--scale", "0"]).expect(2);
    desk.run(&["screenshot", "--scale", "1.5"]).expect(2);
    desk.stop();
}

/// The real cursor, where it is, also in a part and at the edge.
#[test]
fn d06_the_cursor_is_where_it_points() {
    let desk = Desk::start();
    coloured(&desk, "#204060");
    settled(&desk, [0x20, 0x40, 0x60]);
    desk.ok(&["mouse", "move", "150", "150"]);
    let without = png(&shot(&desk, &[]));
    let (left, top, right, bottom) = without.differs(&png(&shot(&desk, &["--cursor"]))).expect("a cursor");
    assert!(left <= 150 && right >= 150 && top <= 150 && bottom >= 150, "{left},{top} to {right},{bottom}");
    assert!(right - left < 40 && bottom - top < 40, "{left},{top} to {right},{bottom}");
    let part = ["--region", "140,140,100,100"];
    let seen = png(&shot(&desk, &part)).differs(&png(&shot(&desk, &[&part[..], &["--cursor"]].concat()))).unwrap();
    assert_eq!(seen, (left.max(140) - 140, top.max(140) - 140, right - 140, bottom - 140));
    let away = ["--region", "400,400,100,100"];
    let with = png(&shot(&desk, &[&away[..], &["--cursor"]].concat()));
    assert!(png(&shot(&desk, &away)).differs(&with).is_none());
    desk.ok(&["mouse", "move", "799", "599"]);
    shot(&desk, &["--cursor"]);
    desk.stop();
}

#[test]
fn a_very_large_screen_is_no_trouble() {
    let desk = Desk { env: crate::env::TestEnv::new() };
    let status = desk.ok(&["start", "--width", "7680", "--height", "4320"]);
    assert_eq!(status["resolution"]["width"], 7680);
    assert_eq!(desk.ok(&["mouse", "move", "7679", "4319"])["x"], 7679);
    let small = png(&shot(&desk, &["--scale", "0.05"]));
    assert_eq!((small.width, small.height), (384, 216));
    desk.stop();
}

/// A program that looks at a small picture points at what it sees there.
#[test]
fn points_of_a_smaller_picture_are_those_of_the_screen() {
    let desk = Desk::start();
    let record = desk.ok(&["screenshot", "--scale-to", "400x200", "--out", "small.png"]);
    assert_eq!((&record["width"], &record["height"]), (&400.into(), &200.into()), "{record}");
    let factors = ["scale_x", "scale_y"].map(|field| record[field].as_f64().unwrap());
    assert!((factors[0] - 0.5).abs() < 1e-9 && (factors[1] - 1.0 / 3.0).abs() < 1e-9, "{record}");
    let small = png(&std::fs::read(desk.env.work().join("small.png")).unwrap());
    assert_eq!((small.width, small.height), (400, 200));
    let at = |pointer: serde_json::Value| [&pointer["x"], &pointer["y"]].map(|at| at.as_i64().unwrap());
    let from = ["--from-scale", "400x200"];
    let point = |words: &[&str]| at(desk.ok(&[&["mouse"], words, &from].concat()));
    assert_eq!(point(&["move", "0", "0"]), [1, 1]);
    assert_eq!(point(&["click", "399", "199"]), [799, 598]);
    assert_eq!(point(&["scroll", "100", "100", "--dy", "1"]), [201, 301]);
    assert_eq!(point(&["drag", "1", "1", "10", "20"]), [21, 61]);
    let script = r#"{"action":"move","x":200,"y":100,"from_scale":"400x200"}"#;
    let moved = desk.env.command(&["desktop", "do", "-"]).stdin(script).run().expect(0).object();
    assert_eq!(at(moved), [401, 301]);
    for words in [["400", "0"], ["0", "200"], ["-1", "0"]] {
        desk.run(&[&["mouse", "move"], &words[..], &from].concat()).expect(2);
    }
    for size in ["0x5", "801x5", "5x601", "5", "x", "axb"] {
        desk.run(&["screenshot", "--scale-to", size]).expect(2);
    }
    let large = ["--scale-to", "90x60", "--region", "0,0,100,50"];
    desk.run(&[&["screenshot"], &large[..]].concat()).expect(2);
    desk.stop();
}

/// As ffmpeg unpacks it, a JPEG is near to what there is: 35 dB is what nobody sees.
#[test]
fn a_jpeg_looks_like_what_it_shows() {
    let desk = Desk::start();
    desk.xterm(
        &["-bg", "#204060", "-fg", "#e0e0c0"],
        "ls -l / /usr; printf '\\033[?25l'; touch ready; exec sleep 1000",
    );
    desk.ok(&["wait", "--stable", "300ms"]);
    desk.ok(&["screenshot", "--out", "exact.png"]);
    desk.ok(&["screenshot", "--format", "jpeg", "--quality", "90", "--out", "shot.jpg"]);
    let exact = png(&std::fs::read(desk.env.work().join("exact.png")).unwrap());
    let words = ["-v", "error", "-i", "shot.jpg", "-f", "rawvideo", "-pix_fmt", "rgb24", "shot.rgb"];
    let _ = desk.env.program(std::path::Path::new("/usr/bin/ffmpeg")).args(&words).run().expect(0);
    let seen = std::fs::read(desk.env.work().join("shot.rgb")).unwrap();
    assert_eq!(seen.len(), exact.rgb.len());
    let squares: f64 = exact.rgb.iter().zip(&seen).map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2)).sum();
    let decibels = 10.0 * (255.0_f64.powi(2) * seen.len() as f64 / squares.max(1.0)).log10();
    assert!(decibels > 35.0, "{decibels} dB");
    desk.stop();
}
