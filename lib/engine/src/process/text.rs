//! Bytes as they are written in JSON: as text where they are UTF-8, else in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use host::raw::Piece;
use host::{Source, clock};
use schema::Timestamp;
use schema::process::{LogLine, Stream};

/// Text, or base64.
pub(crate) fn encode(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}

/// A log line of a piece of output.
pub(crate) fn line(sequence: i64, time: i64, stream: Stream, bytes: Vec<u8>) -> LogLine {
    let (text, base64) = encode(bytes);
    LogLine::Output { sequence, time: Timestamp(time).to_string(), stream, text, base64 }
}

/// Bytes of one stream, cut so that no piece is too long and no character is torn where that can be helped.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    /// The beginning of a character of the first and of the second source.
    held: [Vec<u8>; 2],
}

/// The longest piece, in bytes.
const LONGEST: usize = 64 << 10;

impl Cutter {
    /// Gives the pieces on, whole characters at a time; neighbours of the same source become one.
    pub(crate) fn cut(&mut self, pieces: Vec<Piece>) -> Vec<(Source, i64, Vec<u8>)> {
        let now = clock::now_ms();
        let mut cut: Vec<(Source, i64, Vec<u8>)> = Vec::new();
        for Piece { source, bytes } in pieces {
            let held = &mut self.held[source as usize];
            let mut bytes = if held.is_empty() { bytes } else { [std::mem::take(held), bytes].concat() };
            *held = bytes.split_off(bytes.len() - torn(&bytes));
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let room = match cut.last() {
                    Some((last, _, kept)) if *last == source => LONGEST - kept.len(),
                    Some(_) | None => 0,
                };
                let room = if room == 0 { LONGEST } else { room };
                let mut length = rest.len().min(room);
                // Where not even one character fits, another piece begins.
                if length < rest.len() && torn(&rest[..length]) == length {
                    length = rest.len().min(LONGEST);
                }
                if length < rest.len() {
                    length -= torn_within(&rest[..length]);
                }
                let (now_bytes, later) = rest.split_at(length);
                match cut.last_mut() {
                    Some((last, _, kept)) if *last == source && kept.len() + length <= LONGEST => {
                        kept.extend_from_slice(now_bytes);
                        if length == 0 {
                            cut.push((source, now, Vec::new()));
                        }
                    }
                    Some(_) | None => cut.push((source, now, now_bytes.to_vec())),
                }
                rest = later;
            }
        }
        cut.retain(|(_, _, bytes)| !bytes.is_empty());
        cut
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Vec<(Source, i64, Vec<u8>)> {
        let now = clock::now_ms();
        let left = [Source::First, Source::Second].into_iter().zip(std::mem::take(&mut self.held));
        left.filter(|(_, bytes)| !bytes.is_empty()).map(|(source, bytes)| (source, now, bytes)).collect()
    }
}

fn torn_within(bytes: &[u8]) -> usize {
    let torn = torn(bytes);
    // Never so much that nothing is left.
    if torn < bytes.len() { torn } else { 0 }
}

/// How many bytes at the end are the beginning of a character that goes on.
fn torn(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if back < length { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: &[u8]) -> Piece {
        Piece { source: Source::First, bytes: bytes.to_vec() }
    }

    #[test]
    fn characters_are_not_torn_and_nothing_is_lost() {
        let text = "aä€𝄞".repeat(40_000);
        for size in [1, 2, 3, 5, 1000, 65_536, 200_001] {
            let mut cutter = Cutter::default();
            let mut all = String::new();
            for part in text.as_bytes().chunks(size) {
                for (_, _, bytes) in cutter.cut(vec![piece(part)]) {
                    assert!(!bytes.is_empty() && bytes.len() <= LONGEST);
                    all.push_str(std::str::from_utf8(&bytes).unwrap());
                }
            }
            assert!(cutter.finish().is_empty());
            assert!(all == text, "{size}");
        }
    }

    #[test]
    fn what_is_no_text_goes_through() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.cut(vec![piece(b"\xff\x80\x80\x80\x80")])[0].2, b"\xff\x80\x80\x80\x80");
        assert!(cutter.cut(vec![piece(b"\xe2\x82")]).is_empty());
        assert_eq!(cutter.finish()[0].2, b"\xe2\x82");
        let both = vec![piece(b"a"), Piece { source: Source::Second, bytes: b"b".to_vec() }, piece(b"c"), piece(b"d")];
        let cut: Vec<Vec<u8>> = cutter.cut(both).into_iter().map(|(_, _, bytes)| bytes).collect();
        assert_eq!(cut, [&b"a"[..], b"b", b"cd"]);
    }
}
