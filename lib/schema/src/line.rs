//! The one place where an envelope is put round an event's `data`, and taken off again: columns become bytes, the same from every door.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::Body;
use crate::time::Timestamp;

/// The columns of a stored event.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The uid of the session's epoch; with the sequence it makes the event's id.
    pub epoch: &'a str,
    /// The event's number in its session, from 1 on.
    pub sequence: i64,
    /// When it was recorded, in milliseconds since 1970.
    pub time: i64,
    /// The session.
    pub session_id: &'a str,
    /// The agent's own id of the session, once known.
    pub native_session_id: Option<&'a str>,
    /// Made by us, not by the agent.
    pub synthetic: bool,
    /// The event's type.
    pub kind: &'a str,
    /// The event's data, JSON text.
    pub data: &'a str,
    /// The agent's payload, JSON text.
    pub raw: Option<&'a str>,
    /// The place among the events of all sessions; only said by `--all`.
    pub cursor: Option<i64>,
}

/// A line as who tells it otherwise reads it: whose it is, and what it says.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Line<'a> {
    /// The session.
    pub session_id: &'a str,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> Line<'a> {
    /// Reads a line; `None`: it is none of ours.
    pub fn read(line: &'a [u8]) -> Option<Line<'a>> {
        serde_json::from_slice(line).ok()
    }

    /// The event's data, JSON text.
    pub fn data(&self) -> &'a str {
        self.data.get()
    }

    /// What happened; `None`: it is of a kind that we do not know.
    pub fn body(&self) -> Option<Body> {
        Body::read(self.kind, self.data()).ok()
    }
}

/// Writes lines, remembering what most of them have in common: the time up to the second, and the agent's own id.
#[derive(Debug, Default)]
pub struct LineWriter {
    second: Option<i64>,
    text: String,
    native: String,
    /// The same in JSON.
    native_json: Vec<u8>,
}

impl LineWriter {
    /// Appends one event as a line with its newline.
    pub fn write(&mut self, out: &mut Vec<u8>, event: &Envelope<'_>) {
        out.push(b'{');
        if let Some(cursor) = event.cursor {
            out.extend_from_slice(b"\"cursor\":");
            number(out, cursor);
            out.push(b',');
        }
        out.extend_from_slice(b"\"event_id\":\"evt_");
        out.extend_from_slice(event.epoch.as_bytes());
        out.push(b'_');
        number(out, event.sequence);
        out.extend_from_slice(b"\",\"sequence\":");
        number(out, event.sequence);
        out.extend_from_slice(b",\"time\":\"");
        self.time(out, event.time);
        out.extend_from_slice(b"\",\"session_id\":\"");
        // Session names hold nothing that JSON would escape.
        out.extend_from_slice(event.session_id.as_bytes());
        out.extend_from_slice(b"\",\"native_session_id\":");
        match event.native_session_id {
            Some(native) => self.native(out, native),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(if event.synthetic {
            b",\"source\":\"daemon\",\"synthetic\":true,\"type\":\"".as_slice()
        } else {
            b",\"source\":\"agent\",\"synthetic\":false,\"type\":\"".as_slice()
        });
        out.extend_from_slice(event.kind.as_bytes());
        out.extend_from_slice(b"\",\"data\":");
        out.extend_from_slice(event.data.as_bytes());
        if let Some(raw) = event.raw {
            out.extend_from_slice(b",\"raw\":");
            out.extend_from_slice(raw.as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    fn native(&mut self, out: &mut Vec<u8>, native: &str) {
        if self.native != native || self.native_json.is_empty() {
            native.clone_into(&mut self.native);
            self.native_json.clear();
            serde_json::to_writer(&mut self.native_json, native).expect("writing into memory cannot fail");
        }
        out.extend_from_slice(&self.native_json);
    }

    fn time(&mut self, out: &mut Vec<u8>, time: i64) {
        let second = time.div_euclid(1000);
        if self.second != Some(second) {
            self.text = Timestamp(second * 1000).to_string();
            self.text.truncate(self.text.len() - 4);
            self.second = Some(second);
        }
        out.extend_from_slice(self.text.as_bytes());
        let millisecond = time.rem_euclid(1000);
        out.extend([100, 10, 1].map(|unit| b'0' + (millisecond / unit % 10) as u8));
        out.push(b'Z');
    }
}

/// As `write!` does, in a tenth of the time.
fn number(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 19];
    let (mut from, mut left) = (digits.len(), number.unsigned_abs());
    loop {
        from -= 1;
        digits[from] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_its_keys_in_order() {
        let mut out = Vec::new();
        let mut writer = LineWriter::default();
        let mut event = Envelope {
            epoch: "00ff",
            sequence: 7,
            time: 1_795_222_586_018,
            session_id: "fix",
            native_session_id: Some("a\"b"),
            synthetic: false,
            kind: "item.delta",
            data: "{\"delta\":\"x\"}",
            raw: None,
            cursor: None,
        };
        writer.write(&mut out, &event);
        event.cursor = Some(3);
        event.synthetic = true;
        event.native_session_id = None;
        event.raw = Some("[1]");
        event.time += 7;
        writer.write(&mut out, &event);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"event_id":"evt_00ff_7","sequence":7,"time":"2026-11-21T00:56:26.018Z","session_id":"fix","native_session_id":"a\"b","source":"agent","synthetic":false,"type":"item.delta","data":{"delta":"x"}}"#,
                "\n",
                r#"{"cursor":3,"event_id":"evt_00ff_7","sequence":7,"time":"2026-11-21T00:56:26.025Z","session_id":"fix","native_session_id":null,"source":"daemon","synthetic":true,"type":"item.delta","data":{"delta":"x"},"raw":[1]}"#,
                "\n"
            )
        );
    }
}
