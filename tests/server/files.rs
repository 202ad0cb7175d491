//! Files over HTTP: what existing clients send works unchanged, nothing is held in memory, nothing leads out of the root.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Server;
use crate::env::{PATIENCE, TestEnv, wait_until};
use crate::fs_archive::{archive, file, link};

const BYTES: &[(&str, &str)] = &[("content-type", "application/octet-stream")];
const TAR: &[(&str, &str)] = &[("content-type", "application/x-tar")];

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn put(server: &Server, path: &str, body: &[u8]) -> Value {
    server.send("PUT", &format!("/v1/fs/file?path={path}"), BYTES, body).json(200)
}

fn delete(server: &Server, query: &str) -> super::client::Answer {
    server.send("DELETE", &format!("/v1/fs/entry?{query}"), &[], b"")
}

#[test]
fn files_go_round_as_existing_clients_send_them() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let home = |name: &str| shown(&env.home().join(name));
    // Relative paths begin at home, directories on the way are made, answers have the whole path.
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(put(&server, "new/dir/a.bin", &bytes), json!({ "path": home("new/dir/a.bin"), "bytesWritten": 256 }));
    let got = server.get(&format!("/v1/fs/file?path={}", home("new/dir/a.bin")));
    assert_eq!((got.status, &got.body), (200, &bytes));
    assert_eq!(got.headers["content-type"], "application/octet-stream");
    assert_eq!(got.headers["content-length"], "256");
    let stat = server.get("/v1/fs/stat?path=new/dir/a.bin").json(200);
    assert_eq!(
        (&stat["entryType"], &stat["size"], &stat["path"]),
        (&json!("file"), &json!(256), &json!(home("new/dir/a.bin")))
    );
    assert!(stat["modified"].as_str().unwrap().ends_with('Z'));
    // B1-27: sorted, one level unless more is asked for; B1-26: a link is a link, wherever it leads.
    symlink("nowhere", env.home().join("new/dangling")).unwrap();
    symlink("dir", env.home().join("new/to-dir")).unwrap();
    fs::write(env.home().join("new/.hidden"), "").unwrap();
    let listed = server.get("/v1/fs/entries?path=new").json(200);
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), entry["entryType"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [(".hidden", "file"), ("dangling", "symlink"), ("dir", "directory"), ("to-dir", "symlink")]);
    assert_eq!(listed[1]["target"], "nowhere");
    assert_eq!(listed[2]["path"], home("new/dir"));
    assert_eq!(server.get("/v1/fs/stat?path=new/dangling").json(200)["entryType"], "symlink");
    let lines = server.send(
        "GET",
        "/v1/fs/entries?path=new&recursive=true&type=file&hidden=false",
        &[("accept", "application/x-ndjson")],
        b"",
    );
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let line: Value = serde_json::from_slice(&lines.body).unwrap();
    assert_eq!(line["path"], home("new/dir/a.bin"));
    assert_eq!(server.get("/v1/fs/entries?path=new&limit=2").json(200).as_array().unwrap().len(), 2);
    assert!(server.get("/v1/fs/entries").json(200).as_array().unwrap().iter().any(|entry| entry["name"] == "new"));
    for gone in ["new/dangling", "new/to-dir"] {
        assert_eq!(delete(&server, &format!("path={gone}")).json(200)["path"], home(gone));
    }
    assert!(env.home().join("new/dir/a.bin").exists());
    assert_eq!(server.send("POST", "/v1/fs/mkdir?path=x/y/z", &[], b"").json(200)["path"], home("x/y/z"));
    assert_eq!(server.send("POST", "/v1/fs/mkdir?path=x/y/z", &[], b"").json(200)["changed"], false);
    // An empty file, an empty directory, a name that is no text.
    put(&server, "empty", b"");
    assert_eq!(server.get("/v1/fs/file?path=empty").body, b"");
    assert_eq!(server.get("/v1/fs/entries?path=x/y/z").json(200), json!([]));
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"x/\xff");
    fs::write(env.home().join(odd), "odd").unwrap();
    let found = server.get("/v1/fs/entries?path=x&type=file").json(200);
    let exact = found[0]["pathBytes"].as_str().unwrap().replace('+', "%2B").replace('=', "%3D");
    assert_eq!(server.get(&format!("/v1/fs/file?pathBytes={exact}")).body, b"odd");
    // B1-25: what is not there is not found, what is not empty is a conflict.
    server.get("/v1/fs/stat?path=none").problem(404, "not_found");
    server.get("/v1/fs/file?path=none").problem(404, "not_found");
    assert_eq!(delete(&server, "path=x").problem(409, "conflict")["code"], "not_empty");
    delete(&server, "path=x&recursive=true").json(200);
    assert!(!env.home().join("x").exists());
}

#[test]
fn a_move_loses_nothing() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let moved = |body: Value| server.post("/v1/fs/move", &body);
    for name in ["a", "b"] {
        put(&server, name, name.as_bytes());
    }
    // B1-20: without a source the destination stays.
    moved(json!({ "from": "none", "to": "b", "overwrite": true })).problem(404, "not_found");
    assert_eq!(server.get("/v1/fs/file?path=b").body, b"b");
    moved(json!({ "from": "a", "to": "b" })).problem(409, "conflict");
    // B1-21: onto itself nothing happens.
    assert_eq!(moved(json!({ "from": "a", "to": "./a", "overwrite": true })).json(200)["changed"], false);
    assert_eq!(server.get("/v1/fs/file?path=a").body, b"a");
    let told = moved(json!({ "from": "a", "to": "deep/er/b", "overwrite": null })).json(200);
    assert_eq!((&told["from"], &told["to"]), (&json!(env.home().join("a")), &json!(env.home().join("deep/er/b"))));
    server.post("/v1/fs/copy", &json!({ "from": "deep", "to": "twin" })).json(200);
    assert_eq!(server.get("/v1/fs/file?path=twin/er/b").body, b"a");
    moved(json!({ "from": "deep", "to": "deep/er/inside" })).problem(400, "invalid_request");
    assert_eq!(server.get("/v1/fs/file?path=deep/er/b").body, b"a");
}

/// B1-22, both ways; and not in memory.
#[test]
fn size_has_no_limit_and_costs_no_memory() {
    const SIZE: usize = 96 << 20;
    let env = TestEnv::new();
    let server = Server::start(&env);
    let piece: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let head = server.head("PUT", "/v1/fs/file?path=large", BYTES);
    let mut stream = std::net::TcpStream::connect(server.authority()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{head}transfer-encoding: chunked\r\n\r\n").unwrap();
    for _ in 0..SIZE >> 20 {
        write!(stream, "{:x}\r\n", piece.len()).unwrap();
        stream.write_all(&piece).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(&format!("\"bytesWritten\":{SIZE}")), "{answer}");
    let (answer, mut rest) = server.raw((server.head("GET", "/v1/fs/file?path=large", &[]) + "\r\n").as_bytes());
    assert_eq!((answer.status, answer.headers["content-length"].as_str()), (200, SIZE.to_string().as_str()));
    let mut part = vec![0; piece.len()];
    for _ in 0..SIZE >> 20 {
        rest.read_exact(&mut part).unwrap();
        assert!(part == piece);
    }
    // One that does not read, and one who leaves.
    let (_, idle) = server.raw((server.head("GET", "/v1/fs/archive", &[]) + "\r\n").as_bytes());
    drop(server.raw((server.head("GET", "/v1/fs/file?path=large", &[]) + "\r\n").as_bytes()));
    let status = fs::read_to_string(format!("/proc/{}/status", server.running.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 << 10, "{peak} KiB at its largest");
    drop(idle);
    // Parts of it.
    let ranged = |range: &str| server.send("GET", "/v1/fs/file?path=large", &[("range", range)], b"");
    let got = ranged("bytes=1048576-1048579");
    assert_eq!((got.status, got.body.as_slice()), (206, &piece[..4]));
    assert_eq!(got.headers["content-range"], format!("bytes 1048576-1048579/{SIZE}"));
    assert_eq!(ranged("bytes=-3").body, &piece[piece.len() - 3..]);
    ranged(&format!("bytes={SIZE}-")).problem(416, "range_not_satisfiable");
    assert_eq!(server.get("/v1/fs/file?path=large&offset=5&length=2").body, &piece[5..7]);
    assert_eq!(server.get("/v1/fs/file?path=large&tail=2").body, &piece[piece.len() - 2..]);
    // What the kernel makes as it is read.
    assert!(server.get("/v1/fs/file?path=/proc/self/status").body.starts_with(b"Name:"));
}

#[test]
fn a_body_that_breaks_off_changes_nothing() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    put(&server, "a", b"old");
    let packed = archive(&[file("a", "new"), file("b", "new")]);
    for (method, path, body) in
        [("PUT", "/v1/fs/file?path=a", &b"ne"[..]), ("POST", "/v1/fs/upload-batch", &packed[..700])]
    {
        let head = server.head(method, path, if method == "PUT" { BYTES } else { TAR });
        let mut stream = std::net::TcpStream::connect(server.authority()).unwrap();
        write!(stream, "{head}content-length: 100000\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        // Until it has begun: something lies beside.
        wait_until("it to begin", || fs::read_dir(env.home()).unwrap().nth(1).map(drop));
        drop(stream);
        wait_until("it to give up", || (fs::read_dir(env.home()).unwrap().count() == 1).then_some(()));
        assert_eq!(fs::read(env.home().join("a")).unwrap(), b"old");
    }
    // So does one that is not as the client expects.
    server.send("PUT", "/v1/fs/file?path=a&ifAbsent=true", BYTES, b"x").problem(409, "conflict");
    server.send("PUT", "/v1/fs/file?path=a&ifHash=00", BYTES, b"x").problem(409, "conflict");
    server.send("PUT", "/v1/fs/file?path=a&append=true&mode=600", BYTES, b"er").json(200);
    assert_eq!(server.get("/v1/fs/file?path=a").body, b"older");
    assert_eq!(server.get("/v1/fs/stat?path=a").json(200)["mode"], "0600");
}

#[test]
fn archives_come_in_whole_or_not_at_all() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    let outside = env.root().join("outside");
    fs::create_dir(&outside).unwrap();
    let send = |path: &str, body: &[u8]| server.send("POST", &format!("/v1/fs/upload-batch?path={path}"), TAR, body);
    // B1-23 and B1-24: what leads out is refused, with all that came before it.
    let target: &'static str = shown(&outside).leak();
    for bad in [
        archive(&[file("first", "x"), link("way", target), file("way/in", "x")]),
        archive(&[file("first", "x"), file("../out", "x")]),
        archive(&[file("first", "x"), file("/out", "x")]),
        archive(&[file("first", "x")])[..600].to_vec(),
    ] {
        let answer = send("dest", &bad);
        assert!([400, 403].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
        assert!(!env.home().join("dest").exists());
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let many: Vec<_> = (0..1100).map(|at| file(&format!("d/{at:04}"), "x")).collect();
    let told = send("dest", &archive(&many)).json(200);
    assert_eq!((told["paths"].as_array().unwrap().len(), &told["truncated"]), (1024, &json!(true)));
    assert_eq!(told["paths"][0], json!(env.home().join("dest/d/0000")));
    assert!(env.home().join("dest/d/1099").exists());
    // Again, over what is there, as existing clients do; packed too.
    let told = send("dest", &archive(&[file("d/0000", "second")])).json(200);
    assert_eq!((&told["paths"], &told["truncated"]), (&json!([env.home().join("dest/d/0000")]), &json!(false)));
    assert_eq!(server.get("/v1/fs/file?path=dest/d/0000").body, b"second");
    send("dest&overwrite=false", &archive(&[file("d/0000", "third")])).problem(409, "conflict");
    server
        .send("POST", "/v1/fs/upload-batch", &[("content-type", "text/html")], b"x")
        .problem(415, "unsupported_media_type");
    // Out and in again.
    for format in ["tar", "gzip", "zstd"] {
        let packed = server.get(&format!("/v1/fs/archive?path=dest&format={format}"));
        assert_eq!(packed.status, 200);
        let answer = server.send("POST", &format!("/v1/fs/upload-batch?path=from-{format}"), BYTES, &packed.body);
        assert_eq!(answer.json(200)["entries"], 1102);
        assert_eq!(fs::read(env.home().join(format!("from-{format}/d/0000"))).unwrap(), b"second");
    }
    server.get("/v1/fs/archive?path=none").problem(404, "not_found");
}

#[test]
fn nothing_leads_out_of_the_root() {
    let env = TestEnv::new();
    let root = env.work().join("root");
    fs::create_dir_all(root.join("in")).unwrap();
    env.write("secret", "secret");
    env.write("root/in/a", "inside");
    symlink("../../secret", root.join("in/link")).unwrap();
    symlink(env.work(), root.join("out")).unwrap();
    let root = shown(&root);
    let running =
        env.command(&["server", "--port", "0", "--fs-root", &root]).var("SANDBOX_AGENT_TOKEN", "secret").spawn();
    let server = Server::of(running, Some("secret"));
    let secret = shown(&env.work().join("secret"));
    for path in ["../secret", "in/../../secret", "in/link", "out/secret", secret.as_str(), "/etc/passwd"] {
        server.get(&format!("/v1/fs/file?path={path}")).problem(403, "permission_denied");
        server.send("PUT", &format!("/v1/fs/file?path={path}"), BYTES, b"x").problem(403, "permission_denied");
        server
            .post("/v1/fs/copy", &json!({ "from": "in/a", "to": format!("{path}/x") }))
            .problem(403, "permission_denied");
    }
    for path in ["..", "out", "/etc", "in/../.."] {
        for verb in ["entries", "archive", "grep", "watch"] {
            server.get(&format!("/v1/fs/{verb}?pattern=a&path={path}")).problem(403, "permission_denied");
        }
        server.send("POST", &format!("/v1/fs/mkdir?path={path}/new"), &[], b"").problem(403, "permission_denied");
        let packed = archive(&[file("a", "x")]);
        server
            .send("POST", &format!("/v1/fs/upload-batch?path={path}"), TAR, &packed)
            .problem(403, "permission_denied");
        assert!([403, 400].contains(&delete(&server, &format!("path={path}/secret&recursive=true")).status));
    }
    server.post("/v1/fs/move", &json!({ "from": secret, "to": "in/b" })).problem(403, "permission_denied");
    assert_eq!(env.read("secret"), "secret");
    // Inside it is as ever, by either kind of path.
    assert_eq!(server.get("/v1/fs/file?path=in/a").body, b"inside");
    assert_eq!(server.get(&format!("/v1/fs/file?path={root}/in/a")).body, b"inside");
    assert_eq!(server.get("/v1/fs/entries").json(200)[0]["path"], format!("{root}/in"));
    drop(server);
    env.run(&["server", "--fs-root", "/none"]).expect(2);
}

#[test]
fn lines_are_found_and_changes_told() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    put(&server, "src/a.txt", b"one\ntwo three\n");
    put(&server, "src/b.txt", b"two\n");
    let found = server.get("/v1/fs/grep?path=src&pattern=t(w)o&limit=1").json(200);
    assert_eq!(
        (found.as_array().unwrap().len(), &found[0]["line"], &found[0]["text"]),
        (1, &json!(2), &json!("two three"))
    );
    assert_eq!(server.get("/v1/fs/grep?path=src&pattern=none").json(200), json!([]));
    server.get("/v1/fs/grep?path=src&pattern=(").problem(400, "invalid_request");
    server.get("/v1/fs/grep?path=src").problem(400, "invalid_request");
    let mut watch = server.flow("/v1/fs/watch?path=src&glob=*.txt", None);
    let mut next = || {
        let (id, line) = watch.next().unwrap().unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["sequence"], id);
        event
    };
    assert_eq!(next()["event"], "ready");
    fs::write(env.home().join("src/c.txt"), "x").unwrap();
    let event = next();
    assert_eq!((&event["event"], &event["path"]), (&json!("create"), &json!(env.home().join("src/c.txt"))));
    server.get("/v1/fs/watch?path=none").problem(404, "not_found");
    let mut short = server.flow("/v1/fs/watch?path=src&timeout=10ms", None);
    while short.next().unwrap().is_some() {}
}

#[test]
fn what_cannot_be_done_to_files_is_told_in_one_format() {
    let env = TestEnv::new();
    let server = Server::start(&env);
    put(&server, "a", b"a");
    nix::unistd::mkfifo(&env.home().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let long = format!("/v1/fs/stat?path={}", "x".repeat(300));
    let typed: &[(&str, &str)] = &[("content-type", "application/json")];
    server.refuses(&[
        ("GET", "/v1/fs", &[], "", 404, "not_found"),
        ("GET", "/v1/fs/nothing", &[], "", 404, "not_found"),
        ("GET", "/v1/fs/file/more", &[], "", 404, "not_found"),
        ("POST", "/v1/fs/file", &[], "", 405, "method_not_allowed"),
        ("GET", "/v1/fs/file", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=a%00b", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=%ff", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?pathBytes=!", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=.", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=a&offset=x", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=a&offset=18446744073709551615", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/file?path=a/b", &[], "", 400, "invalid_request"),
        // B1-28: nobody waits for the other end of a pipe.
        ("GET", "/v1/fs/file?path=pipe", &[], "", 400, "invalid_request"),
        ("PUT", "/v1/fs/file?path=pipe", BYTES, "x", 400, "invalid_request"),
        ("PUT", "/v1/fs/file?path=.", BYTES, "x", 400, "invalid_request"),
        ("PUT", "/v1/fs/file?path=b&mode=9", BYTES, "x", 400, "invalid_request"),
        ("GET", "/v1/fs/entries?path=a", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/entries?type=shoe", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/entries?glob=%5B", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/entries?recursive=maybe", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/archive?format=zip", &[], "", 400, "invalid_request"),
        ("GET", "/v1/fs/watch?timeout=soon", &[], "", 400, "invalid_request"),
        ("GET", &long, &[], "", 400, "invalid_request"),
        ("DELETE", "/v1/fs/entry", &[], "", 400, "invalid_request"),
        ("DELETE", "/v1/fs/entry?path=none", &[], "", 404, "not_found"),
        ("POST", "/v1/fs/mkdir?path=a", &[], "", 400, "invalid_request"),
        ("POST", "/v1/fs/move", typed, r#"{"from":"a"}"#, 400, "invalid_request"),
        ("POST", "/v1/fs/move", typed, r#"{"from":"a","to":1}"#, 400, "invalid_request"),
        ("POST", "/v1/fs/move", typed, r#"{"from":"a","to":"b","force":true}"#, 400, "invalid_request"),
        ("POST", "/v1/fs/move", &[], r#"{"from":"a","to":"b"}"#, 415, "unsupported_media_type"),
        ("POST", "/v1/fs/upload-batch", TAR, "no archive", 400, "invalid_request"),
        ("PUT", "/v1/fs/file?path=b", &[("authorization", "Bearer wrong")], "x", 401, "token_invalid"),
    ]);
    assert_eq!(fs::read_dir(env.home()).unwrap().count(), 2);
}
