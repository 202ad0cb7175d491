//! An agent that serves: a small server of ours on loopback that behaves, and one that does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use host::Line;
use host::http::{Answer, Served, Server, Service};

use crate::Test;
use crate::support::{LONG, run};

pub(crate) const TESTS: &[Test] = &[
    ("http::events_and_answers_are_heard_however_they_arrive", events_and_answers_are_heard_however_they_arrive),
    ("http::a_cancelled_wait_loses_no_event", a_cancelled_wait_loses_no_event),
    ("http::a_huge_event_is_whole_and_a_monstrous_one_is_cut", a_huge_event_is_whole_and_a_monstrous_one_is_cut),
    ("http::a_broken_stream_is_told_and_opened_again", a_broken_stream_is_told_and_opened_again),
    ("http::a_slow_answer_holds_up_nothing", a_slow_answer_holds_up_nothing),
    ("http::a_refusal_or_garbage_answers_every_call", a_refusal_or_garbage_answers_every_call),
    ("http::only_loopback_is_called", only_loopback_is_called),
];

/// Serves each connection in a thread of its own: the request's head and body, and the way back.
fn serve(answer: impl Fn(&str, TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    reader.read_line(&mut request).unwrap();
                }
                let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                request.push_str(std::str::from_utf8(&body).unwrap());
                answer(&request, stream);
            });
        }
    });
    format!("listening on http://{address}")
}

fn server(ready: &str) -> Server {
    let mut server = Server::new(Service {
        ready: "listening on ".to_owned(),
        events: "/event".to_owned(),
        user: "user".to_owned(),
        password: "secret".to_owned(),
    });
    server.heard("Warning: something else");
    server.heard(ready);
    server
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn whole(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn next(server: &mut Server) -> Served {
    tokio::time::timeout(LONG, server.next()).await.expect("something happens")
}

fn take(server: &mut Server) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = server.lines().line() {
        let Line::Whole(line) = line else { panic!("{line:?}") };
        lines.push(line.to_owned());
    }
    lines
}

fn events_and_answers_are_heard_however_they_arrive() {
    // Chunks of one byte and an event in each write; the answer in chunks of one byte too, each in a packet of its own.
    let ready = serve(|request, mut stream| {
        assert!(request.contains("\r\nauthorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{request}");
        if request.starts_with("GET /event ") {
            stream.write_all(STREAM.as_bytes()).unwrap();
            for number in 0..20 {
                let event = format!(": hi\nid: {number}\ndata: {{\"é\":{number}}}\r\n\n");
                event.as_bytes().iter().for_each(|byte| stream.write_all(&chunk(&[*byte])).unwrap());
            }
            std::thread::sleep(LONG);
        } else {
            assert!(request.starts_with("POST /call?x=%2F HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"a\":1}"));
            assert!(request.contains("\r\ncontent-type: application/json\r\n"));
            let head = "HTTP/1.1 201 Made\r\ntransfer-encoding: chunked\r\n\r\n";
            let body = "très long".bytes().flat_map(|byte| chunk(&[byte]));
            for byte in head.bytes().chain(body).chain(*b"0\r\n\r\n") {
                stream.write_all(&[byte]).unwrap();
            }
        }
    });
    run(async {
        let mut server = server("nothing yet");
        // Said before the address is known, heard after.
        server.ask(7, "POST", "/call?x=%2F", "{\"a\":1}");
        assert!(tokio::time::timeout(Duration::from_millis(50), server.next()).await.is_err());
        server.heard(&ready);
        let (mut lines, mut answer) = (Vec::new(), None);
        while lines.len() < 20 || answer.is_none() {
            match next(&mut server).await {
                Served::Lines => lines.extend(take(&mut server)),
                Served::Answer(given) => answer = Some(given),
                Served::Lost => panic!("the stream is good"),
            }
        }
        assert_eq!(lines, (0..20).map(|number| format!("{{\"é\":{number}}}")).collect::<Vec<_>>());
        assert_eq!(answer, Some(Answer { tag: 7, status: 201, body: "très long".to_owned() }));
    });
}

fn a_cancelled_wait_loses_no_event() {
    let ready = serve(|_, mut stream| {
        stream.write_all(STREAM.as_bytes()).unwrap();
        for number in 0..20_000 {
            stream.write_all(&chunk(format!("data: {number}\n\n").as_bytes())).unwrap();
        }
        std::thread::sleep(LONG);
    });
    run(async {
        let mut server = server(&ready);
        let (mut heard, begun) = (Vec::new(), Instant::now());
        while heard.len() < 20_000 {
            // From none at all to half a millisecond.
            let patience = Duration::from_micros((begun.elapsed().as_micros() % 500) as u64);
            if let Ok(Served::Lines) = tokio::time::timeout(patience, server.next()).await {
                heard.extend(take(&mut server));
            }
            assert!(begun.elapsed() < LONG, "{}", heard.len());
        }
        assert!(heard.iter().enumerate().all(|(at, line)| line.parse() == Ok(at)));
    });
}

fn a_huge_event_is_whole_and_a_monstrous_one_is_cut() {
    let ready = serve(|_, mut stream| {
        stream.write_all(STREAM.as_bytes()).unwrap();
        for length in [10 << 20, 70 << 20, 1] {
            stream.write_all(&chunk(b"data: ")).unwrap();
            for _ in 0..length / (1 << 20) {
                stream.write_all(&chunk(&[b'x'; 1 << 20])).unwrap();
            }
            stream.write_all(&chunk(b"y\n\n")).unwrap();
        }
        std::thread::sleep(LONG);
    });
    run(async {
        let mut server = server(&ready);
        let mut lengths = Vec::new();
        while lengths.len() < 3 {
            assert_eq!(next(&mut server).await, Served::Lines);
            while let Some(line) = server.lines().line() {
                lengths.push(match line {
                    Line::Whole(line) => (line.len() as u64, true),
                    Line::Cut { length, .. } => (length, false),
                    Line::Lossy(_) => panic!("all of it is ASCII"),
                });
            }
        }
        assert_eq!(lengths, [((10 << 20) + 1, true), ((70 << 20) + 1, false), (1, true)]);
    });
}

fn a_broken_stream_is_told_and_opened_again() {
    // Broken off within an event, ended in good order, and after a connection without an answer.
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let ready = serve(move |_, mut stream| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match number {
            0 => stream.write_all(&[STREAM.as_bytes(), &chunk(b"data: a\n\ndata: hal")].concat()).unwrap(),
            1 => stream.write_all(&[STREAM.as_bytes(), &chunk(b"data: b\n\n"), b"0\r\n\r\n"].concat()).unwrap(),
            2 => {}
            _ => {
                stream.write_all(&[STREAM.as_bytes(), &chunk(b"data: c\n\n")].concat()).unwrap();
                std::thread::sleep(LONG);
            }
        }
    });
    run(async {
        let mut server = server(&ready);
        let mut said = Vec::new();
        while said.last().is_none_or(|last| last != "c") {
            match next(&mut server).await {
                Served::Lines => said.extend(take(&mut server)),
                Served::Lost => said.push("lost".to_owned()),
                Served::Answer(answer) => panic!("nothing was asked: {answer:?}"),
            }
        }
        assert_eq!(said, ["a", "hal", "lost", "b", "lost", "c"]);
        assert!(server.is_open());
    });
}

fn a_slow_answer_holds_up_nothing() {
    let ready = serve(|request, mut stream| {
        if request.starts_with("GET /event ") {
            stream.write_all(STREAM.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(&chunk(b"data: event\n\n")).unwrap();
            std::thread::sleep(LONG);
        } else if request.starts_with("GET /slow ") {
            std::thread::sleep(Duration::from_millis(600));
            stream.write_all(whole(200, "slow").as_bytes()).unwrap();
        } else if request.starts_with("GET /broken ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        } else {
            stream.write_all(whole(404, "").as_bytes()).unwrap();
        }
    });
    run(async {
        let mut server = server(&ready);
        for (tag, path) in [(1, "/slow"), (2, "/quick"), (3, "/broken")] {
            server.ask(tag, "GET", path, "");
        }
        let mut order = Vec::new();
        while order.len() < 4 {
            order.push(match next(&mut server).await {
                Served::Lines => take(&mut server).join(","),
                Served::Answer(Answer { tag, status, body }) => format!("{tag} {status} {body}"),
                Served::Lost => panic!("the stream is good"),
            });
        }
        assert_eq!(order[3], "1 200 slow");
        order.sort();
        assert_eq!(order[1..3], ["2 404 ", "3 0 the connection ended within the answer"]);
    });
}

fn a_refusal_or_garbage_answers_every_call() {
    let unauthorised = serve(|_, mut stream| stream.write_all(whole(401, "").as_bytes()).unwrap());
    let garbage = serve(|request, mut stream| {
        if request.starts_with("GET /event ") {
            stream.write_all(&[STREAM.as_bytes(), b"xyz\r\n"].concat()).unwrap();
        } else {
            stream.write_all(b"SSH-2.0-OpenSSH_9\r\n").unwrap();
        }
    });
    run(async {
        let mut refused = server(&unauthorised);
        for tag in [1, 2] {
            refused.ask(tag, "GET", "/", "");
            let body = "its event stream was refused with HTTP status 401".to_owned();
            assert_eq!(next(&mut refused).await, Served::Answer(Answer { tag, status: 0, body }));
        }
        let mut odd = server(&garbage);
        odd.ask(1, "GET", "/", "");
        let (mut lost, mut answer) = (0, None);
        while lost < 3 || answer.is_none() {
            match next(&mut odd).await {
                Served::Lost => lost += 1,
                Served::Answer(given) => answer = Some(given),
                Served::Lines => panic!("nothing was said"),
            }
        }
        let Some(Answer { status: 0, body, .. }) = answer else { panic!("{answer:?}") };
        assert!(body.starts_with("no HTTP answer"), "{body}");
    });
}

fn only_loopback_is_called() {
    run(async {
        for address in ["http://192.0.2.1:80", "http://localhost:80", "nonsense"] {
            let mut server = server(&format!("listening on {address}"));
            server.ask(1, "GET", "/", "");
            let Served::Answer(Answer { status: 0, body, .. }) = next(&mut server).await else { panic!("{address}") };
            assert!(body.contains(address), "{body}");
        }
    });
}
