//! As much HTTP/1.1 as a model needs: one request a connection, answered whole or in chunks.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A request as it came.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads one request from a new connection.
pub(super) fn accept(stream: TcpStream) -> io::Result<(Call, Answer)> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // Each write is one event of a stream, which its reader should see at once.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let first = line(&mut reader)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut call = Call { method, path, headers: Vec::new(), body: Vec::new() };
    loop {
        let header = line(&mut reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        call.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if call.header("expect").is_some() {
        (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if call.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(line(&mut reader)?.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk)?;
            line(&mut reader)?;
            call.body.extend(chunk);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = call.header("content-length") {
        call.body = vec![0; length.parse().map_err(io::Error::other)?];
        reader.read_exact(&mut call.body)?;
    }
    Ok((call, Answer { stream }))
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// The way back to whoever asked.
pub(super) struct Answer {
    stream: TcpStream,
}

impl Answer {
    /// Answers with a status and a JSON body.
    pub(super) fn whole(mut self, status: u16, headers: &[(String, String)], body: &Value) -> io::Result<()> {
        let body = body.to_string();
        let mut head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-type: application/json\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.stream.write_all(head.as_bytes())?;
        self.stream.shutdown(Shutdown::Write)
    }

    /// Answers with a stream of server-sent events. Dropped without `end`, the stream is broken.
    pub(super) fn events(mut self) -> io::Result<Events> {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        self.stream.write_all(head.as_bytes())?;
        Ok(Events { stream: self.stream })
    }
}

/// A stream of server-sent events.
pub(super) struct Events {
    stream: TcpStream,
}

impl Events {
    /// Sends one event under its name.
    pub(super) fn send(&mut self, name: &str, data: &Value) -> io::Result<()> {
        self.write(&format!("event: {name}\ndata: {data}\n\n"))
    }

    /// Sends one event without a name.
    pub(super) fn send_text(&mut self, data: &str) -> io::Result<()> {
        self.write(&format!("data: {data}\n\n"))
    }

    fn write(&mut self, event: &str) -> io::Result<()> {
        self.stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    }

    /// Says that nothing more will come.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.stream.write_all(b"0\r\n\r\n")
    }
}
