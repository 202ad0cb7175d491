//! A registry on loopback that serves packages well, badly or with intent, and the archives for it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use serde_json::json;
use sha2::{Digest, Sha512};

/// How an archive is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Well,
    /// With a hash that is not its own.
    WrongHash,
    /// Cut after this many bytes of what was asked for, every time.
    Truncated(usize),
    /// A server error so many times, then well.
    Failing(u32),
    /// In pieces with pauses.
    Slow,
    /// From another address, which it names.
    Redirected,
    /// Only to those who show this token.
    ForToken(&'static str),
}

struct Package {
    tarball: Vec<u8>,
    manner: Manner,
    failures: u32,
}

/// One request: path and range.
pub(crate) type Request = (String, Option<String>);

#[derive(Default)]
struct State {
    packages: BTreeMap<String, Package>,
    requests: Vec<Request>,
}

/// The registry. It serves until the test ends.
pub(crate) struct Registry {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub(crate) fn start() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (for_all, base) = (state.clone(), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, base) = (for_all.clone(), base.clone());
                // A client that goes away in the middle is part of the tests.
                std::thread::spawn(move || drop(serve(stream, &state, &base)));
            }
        });
        Registry { address, state }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Offers `NAME@VERSION`.
    pub(crate) fn offer(&self, package: &str, tarball: Vec<u8>, manner: Manner) {
        let failures = if let Manner::Failing(times) = manner { times } else { 0 };
        self.state.lock().unwrap().packages.insert(package.to_owned(), Package { tarball, manner, failures });
    }

    /// What was asked for since the last time this was asked.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, base: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().replace("%2f", "/");
    let (mut range, mut authorization) = (None, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = Some(value.trim().to_owned()),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let (status, headers, body, manner) = {
        let mut state = state.lock().unwrap();
        state.requests.push((path.clone(), range.clone()));
        answer(&mut state, &path, range.as_deref(), authorization.as_deref(), base)
    };
    let mut stream = stream;
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n")?;
    match manner {
        Manner::Truncated(at) => stream.write_all(&body[..at.min(length)]),
        Manner::Slow => {
            for piece in body.chunks(length / 8 + 1) {
                stream.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(60));
            }
            Ok(())
        }
        Manner::Well | Manner::WrongHash | Manner::Failing(_) | Manner::Redirected | Manner::ForToken(_) => {
            stream.write_all(&body)
        }
    }
}

fn answer(
    state: &mut State,
    path: &str,
    range: Option<&str>,
    authorization: Option<&str>,
    base: &str,
) -> (&'static str, String, Vec<u8>, Manner) {
    let nothing = |status| (status, String::new(), Vec::new(), Manner::Well);
    let (tarball, key) = if let Some(key) = path.strip_prefix("/-/moved/").or_else(|| path.strip_prefix("/-/")) {
        (true, key.to_owned())
    } else {
        let (name, version) = path.get(1..).unwrap_or_default().rsplit_once('/').unwrap_or_default();
        // The newest is the last one that is for no platform.
        let newest = || {
            let mut versions = state.packages.keys().filter_map(|key| key.strip_prefix(&format!("{name}@")));
            versions.rfind(|version| !version.contains('-')).map(str::to_owned)
        };
        let version = if version == "latest" { newest().unwrap_or_default() } else { version.to_owned() };
        (false, format!("{name}@{version}"))
    };
    let Some(package) = state.packages.get_mut(&key) else { return nothing("404 Not Found") };
    if let Manner::ForToken(token) = package.manner
        && authorization != Some(&format!("Bearer {token}"))
    {
        return nothing("401 Unauthorized");
    }
    if !tarball {
        let (name, version) = key.rsplit_once('@').unwrap();
        let mut hash = Sha512::digest(&package.tarball).to_vec();
        if package.manner == Manner::WrongHash {
            hash[0] ^= 1;
        }
        let integrity = format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(hash));
        let dist = json!({ "tarball": format!("{base}/-/{key}"), "integrity": integrity });
        let body = json!({ "name": name, "version": version, "dist": dist });
        return ("200 OK", String::new(), body.to_string().into_bytes(), Manner::Well);
    }
    if package.failures > 0 {
        package.failures -= 1;
        return nothing("500 Internal Server Error");
    }
    if package.manner == Manner::Redirected && !path.starts_with("/-/moved/") {
        return ("302 Found", format!("location: {base}/-/moved/{key}\r\n"), Vec::new(), Manner::Well);
    }
    let whole = package.tarball.len();
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) if from < whole => {
            let header = format!("content-range: bytes {from}-{}/{whole}\r\n", whole - 1);
            ("206 Partial Content", header, package.tarball[from..].to_vec(), package.manner)
        }
        Some(_) => {
            ("416 Range Not Satisfiable", format!("content-range: bytes */{whole}\r\n"), Vec::new(), Manner::Well)
        }
        None => ("200 OK", String::new(), package.tarball.clone(), package.manner),
    }
}

/// Where Codex's package has its program, which is what these tests install.
pub(crate) fn program_path() -> String {
    format!("package/vendor/{}-unknown-linux-musl/bin/codex", std::env::consts::ARCH)
}

/// `@openai/codex@VERSION` for this machine.
pub(crate) fn package(version: &str) -> String {
    let cpu = if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" };
    format!("@openai/codex@{version}-linux-{cpu}")
}

/// A program that says this version, and unpacks something in passing as some do, where it may.
pub(crate) fn script(version: &str) -> Vec<u8> {
    let script = ": \"${TMPDIR:?}\"\n(: >\"$TMPDIR/unpacked\") 2>&-\n";
    format!("#!/bin/sh\n{script}echo codex-cli {version}\n").into_bytes()
}

/// An archive under construction.
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn new() -> Archive {
        Archive(Vec::new())
    }

    /// A good one.
    pub(crate) fn good(version: &str) -> Archive {
        Archive::with(&script(version))
    }

    /// One with this program, and so many bytes beside it that a download takes a while.
    pub(crate) fn with(program: &[u8]) -> Archive {
        let mut noise = 1u64;
        let padding: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 56) as u8
        })
        .take(600_000)
        .collect();
        Archive::new().file(&program_path(), program).file("package/padding", &padding)
    }

    pub(crate) fn file(self, path: &str, bytes: &[u8]) -> Archive {
        self.entry(path, b'0', "", bytes.len() as u64, bytes)
    }

    /// Any entry, whatever it is: names as they are, and a size that need not be true.
    pub(crate) fn entry(mut self, path: &str, kind: u8, link: &str, size: u64, bytes: &[u8]) -> Archive {
        let mut header = [0u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        let octal = format!("{size:011o}");
        if octal.len() == 11 {
            header[124..135].copy_from_slice(octal.as_bytes());
        } else {
            header[124] = 0x80;
            header[128..136].copy_from_slice(&size.to_be_bytes());
        }
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(header);
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn pack(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&self.0).unwrap();
        packer.finish().unwrap()
    }
}
