//! What a terminal's bytes have switched on, and the bytes without what would make another terminal answer.

use std::collections::BTreeSet;

/// Follows the bytes of a terminal.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    state: State,
    /// The sequence that is being read, its beginning included.
    sequence: Vec<u8>,
    /// The private modes that are set and are not so from the beginning, or are unset and are so.
    changed: BTreeSet<u16>,
    /// The application keypad.
    keypad: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// `ESC [`: up to a letter.
    Control,
    /// `ESC ]`, `ESC P` and the like: up to BEL or `ESC \`.
    Message,
    MessageEscape,
}

/// A sequence longer than this is none that we know.
const LONGEST: usize = 4096;

/// Modes that a fresh terminal has set: wrapping, a visible cursor.
const SET_AT_FIRST: [u16; 2] = [7, 25];

/// The three that mean the other screen.
const OTHER_SCREEN: [u16; 3] = [47, 1047, 1049];

impl Screen {
    /// Takes bytes; adds them to `out` but for what asks the terminal something.
    pub(crate) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            match (self.state, byte) {
                (State::Text, 0x1b) => {
                    self.state = State::Escape;
                    self.sequence.push(byte);
                    continue;
                }
                // ENQ asks who is there.
                (State::Text, 0x05) => continue,
                (State::Text, _) => {
                    out.push(byte);
                    continue;
                }
                _ => self.sequence.push(byte),
            }
            self.state = match (self.state, byte) {
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::Message,
                (State::Escape, 0x20..=0x2f) => State::Escape,
                (State::Escape, _) => State::Text,
                (State::Control, 0x40..=0x7e) => State::Text,
                (State::Control, _) => State::Control,
                (State::Message, 0x07) => State::Text,
                (State::Message, 0x1b) => State::MessageEscape,
                (State::MessageEscape, b'\\') => State::Text,
                (State::Message | State::MessageEscape, _) => State::Message,
                (State::Text, _) => State::Text,
            };
            if self.state == State::Text || self.sequence.len() > LONGEST {
                self.state = State::Text;
                self.note();
                if !asks(&self.sequence) {
                    out.extend_from_slice(&self.sequence);
                }
                self.sequence.clear();
            }
        }
    }

    /// Whether a full-screen program shows its screen.
    pub(crate) fn is_other(&self) -> bool {
        OTHER_SCREEN.iter().any(|mode| self.changed.contains(mode))
    }

    /// What brings a fresh terminal into the modes of this one, the other screen first.
    pub(crate) fn restore(&self) -> Vec<u8> {
        self.say(true)
    }

    /// What brings a terminal in the modes of this one back.
    pub(crate) fn undo(&self) -> Vec<u8> {
        let mut bytes = self.say(false);
        // Colours, margins, the cursor's shape.
        bytes.extend(b"\x1b[0m\x1b[r\x1b[0 q");
        bytes
    }

    fn say(&self, here: bool) -> Vec<u8> {
        let mut text = String::new();
        let (other, rest): (Vec<u16>, Vec<u16>) = self.changed.iter().partition(|mode| OTHER_SCREEN.contains(mode));
        let order = if here { [other, rest] } else { [rest, other] };
        for mode in order.into_iter().flatten() {
            let set = here != SET_AT_FIRST.contains(&mode);
            text += &format!("\x1b[?{mode}{}", if set { 'h' } else { 'l' });
        }
        if self.keypad {
            text += if here { "\x1b=" } else { "\x1b>" };
        }
        text.into_bytes()
    }

    fn note(&mut self) {
        match self.sequence.as_slice() {
            b"\x1b=" => self.keypad = true,
            b"\x1b>" => self.keypad = false,
            // A full reset.
            b"\x1bc" => *self = Screen { sequence: std::mem::take(&mut self.sequence), ..Screen::default() },
            [0x1b, b'[', b'?', numbers @ .., last @ (b'h' | b'l')] => {
                let Ok(numbers) = std::str::from_utf8(numbers) else { return };
                for mode in numbers.split(';').filter_map(|number| number.parse().ok()) {
                    if (*last == b'h') == SET_AT_FIRST.contains(&mode) {
                        self.changed.remove(&mode);
                    } else {
                        self.changed.insert(mode);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a terminal would answer.
fn asks(sequence: &[u8]) -> bool {
    match sequence {
        // Device attributes, status and position, its size, its name, its modes, its keyboard.
        [0x1b, b'[', .., b'c' | b'n'] | [0x1b, b'Z'] => true,
        [0x1b, b'[', rest @ .., b't'] => {
            let number: String =
                rest.iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
            matches!(number.parse::<u32>(), Ok(11..=21))
        }
        [0x1b, b'[', b'>', .., b'q'] | [0x1b, b'[', .., b'$', b'p'] | [0x1b, b'[', b'?', .., b'u'] => true,
        [0x1b, b'P', b'$' | b'+', b'q', ..] => true,
        // A colour, the clipboard: `?` in the place of a value.
        [0x1b, b']', rest @ ..] => {
            let end = rest.iter().rposition(|byte| !matches!(byte, 0x07 | 0x1b | b'\\'));
            end.is_some_and(|end| rest[end] == b'?' && end > 0 && rest[end - 1] == b';')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(bytes: &[u8]) -> (Screen, Vec<u8>) {
        let (mut screen, mut out) = (Screen::default(), Vec::new());
        // In pieces, as it may come.
        for byte in bytes {
            screen.feed(&[*byte], &mut out);
        }
        (screen, out)
    }

    #[test]
    fn questions_are_left_out_and_all_else_is_not() {
        let kept = b"a\x1b[1;31mred\x1b[0m\x1b]0;title\x07\x1b[?2004h\x1b[2J\x1b[8;24;80t\x1b(B\xc3\xa4";
        assert_eq!(fed(kept).1, kept);
        for question in [
            &b"\x1b[6n"[..],
            b"\x1b[c",
            b"\x1b[>c",
            b"\x1b[>0q",
            b"\x1b[?2026$p",
            b"\x1b]11;?\x07",
            b"\x1b]10;?\x1b\\",
            b"\x1bP+q544e\x1b\\",
            b"\x1b[18t",
            b"\x1b[?u",
            b"\x05",
        ] {
            let bytes = [b"x", question, b"y"].concat();
            assert_eq!(fed(&bytes).1, b"xy", "{}", question.escape_ascii());
        }
    }

    #[test]
    fn modes_are_restored_and_undone() {
        let (screen, _) = fed(b"\x1b[?1049h\x1b[?25l\x1b[?1;2004h\x1b=");
        assert!(screen.is_other());
        assert_eq!(screen.restore(), b"\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[?2004h\x1b=");
        assert!(screen.undo().starts_with(b"\x1b[?1l\x1b[?25h\x1b[?2004l\x1b[?1049l\x1b>"));
        let (screen, _) = fed(b"\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l");
        assert!(!screen.is_other());
        assert!(screen.restore().is_empty());
    }
}
