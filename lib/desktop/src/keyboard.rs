//! The keyboard: chords and text. Symbols that are on no key get one, and keep it while anybody may still read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, KeyButMask, PropMode};
use x11rb::wrapper::ConnectionExt as _;

use crate::connect::Desktop;
use crate::{Error, keys};

/// What is done with the keys of a chord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Down and up again, after so many milliseconds.
    Press(u32),
    /// Down, and they stay so.
    Down,
    /// Up.
    Up,
}

/// How many foreign symbols a piece of text has at most; two pieces have to fit into the ring.
const MOST_FOREIGN: usize = 24;

/// How long a program that does not tell has to read one piece of a text, before keys of it may get other symbols.
const PAUSE: Duration = Duration::from_millis(150);

/// Symbols of multimedia keys whose keys may be used for others: nothing acts on these by the number of the key.
const SPARE: [std::ops::RangeInclusive<u32>; 2] = [0x1008_ff40..=0x1008_ff4f, 0x1008_ff5a..=0x1008_ff5a];

/// Which keys give which symbols.
struct Keymap {
    first: u8,
    width: usize,
    symbols: Vec<u32>,
}

/// A key, and whether it needs Shift.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    code: u8,
    shift: bool,
}

impl Desktop {
    /// Types a text, with so many milliseconds between two characters.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a character cannot be typed; then nothing was.
    pub fn type_text(&self, text: &str, delay_ms: u32) -> Result<(), Error> {
        let symbol = |char: char| {
            keys::of_char(char).ok_or_else(|| {
                Error::Invalid(format!("type the character `{}`: no key stands for it", char.escape_unicode()))
            })
        };
        // A line's end of two characters is one key.
        let symbols = text.replace("\r\n", "\n").chars().map(symbol).collect::<Result<Vec<u32>, Error>>()?;
        let native = self.native()?;
        for (index, piece) in pieces(&symbols, &native).into_iter().enumerate() {
            if index > 0 {
                self.let_read(PAUSE)?;
            }
            // Nobody else types in between, and nobody reads keys before all of them have their symbols.
            self.connection.grab_server()?;
            let typed = self.type_piece(piece, delay_ms);
            self.connection.ungrab_server()?;
            self.sync()?;
            typed?;
        }
        Ok(())
    }

    /// Presses a chord, or only its keys down, or up.
    ///
    /// # Errors
    /// [`Error::UnknownKey`].
    pub fn strike(&self, chord: &str, stroke: Stroke) -> Result<(), Error> {
        match stroke {
            Stroke::Press(hold_ms) => {
                let codes = self.press_chord(chord)?;
                self.let_go(&codes, hold_ms)?;
            }
            Stroke::Down => drop(self.press_chord(chord)?),
            Stroke::Up => self.let_go(&self.codes(chord)?, 0)?,
        }
        self.sync()
    }

    /// Lets go of every key that is down.
    ///
    /// # Errors
    /// When the server has gone.
    pub fn release_all(&self) -> Result<(), Error> {
        for code in self.held()? {
            self.fake(KEY_RELEASE_EVENT, code, 0)?;
        }
        self.sync()
    }

    /// Presses the keys of a chord, and says which.
    pub(crate) fn press_chord(&self, chord: &str) -> Result<Vec<u8>, Error> {
        let codes = self.codes(chord)?;
        for code in &codes {
            self.fake(KEY_PRESS_EVENT, *code, 0)?;
        }
        Ok(codes)
    }

    /// Lets go of the keys of a chord, after so many milliseconds.
    pub(crate) fn let_go(&self, codes: &[u8], hold_ms: u32) -> Result<(), Error> {
        for (index, code) in codes.iter().rev().enumerate() {
            self.fake(KEY_RELEASE_EVENT, *code, if index == 0 { hold_ms } else { 0 })?;
        }
        Ok(())
    }

    /// The keys of a chord, with Shift where its last symbol needs it.
    pub(crate) fn codes(&self, chord: &str) -> Result<Vec<u8>, Error> {
        let symbols = keys::chord(chord)?;
        let mut keymap = self.keymap()?;
        if !foreign(&symbols, &keymap).is_empty() {
            self.connection.grab_server()?;
            let bound = self.keymap().and_then(|keymap| self.with_keys_for(keymap, &symbols));
            self.connection.ungrab_server()?;
            self.sync()?;
            keymap = bound?;
        }
        let mut codes = Vec::new();
        for symbol in symbols {
            let key = keymap.find(symbol).expect("it has a key now");
            if key.shift {
                codes.extend(keymap.find(keys::SHIFT).map(|shift| shift.code).filter(|shift| !codes.contains(shift)));
            }
            codes.push(key.code);
        }
        Ok(codes)
    }

    /// While the server is ours.
    fn type_piece(&self, symbols: &[u32], delay_ms: u32) -> Result<(), Error> {
        let keymap = self.with_keys_for(self.keymap()?, symbols)?;
        let modifiers: BTreeSet<u8> =
            self.connection.get_modifier_mapping()?.reply()?.keycodes.into_iter().filter(|code| *code != 0).collect();
        // What somebody holds down, or has locked, is not for this text.
        let held: Vec<u8> = self.held()?.into_iter().filter(|code| modifiers.contains(code)).collect();
        let is_locked = self.connection.query_pointer(self.root)?.reply()?.mask.contains(KeyButMask::LOCK);
        let lock = keymap.find(keys::CAPS_LOCK).filter(|_| is_locked);
        let shift = keymap.find(keys::SHIFT).ok_or(Error::Unfit("its keyboard has no Shift key"))?;
        if delay_ms > 0 {
            // The pauses are the server's, and everybody would wait.
            self.connection.ungrab_server()?;
        }
        for code in &held {
            self.fake(KEY_RELEASE_EVENT, *code, 0)?;
        }
        self.tap(lock)?;
        let mut is_shifted = false;
        for (index, symbol) in symbols.iter().enumerate() {
            let key = keymap.find(*symbol).expect("it has a key now");
            if key.shift != is_shifted {
                self.fake(if key.shift { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, shift.code, 0)?;
                is_shifted = key.shift;
            }
            self.fake(KEY_PRESS_EVENT, key.code, if index == 0 { 0 } else { delay_ms })?;
            self.fake(KEY_RELEASE_EVENT, key.code, 0)?;
        }
        if is_shifted {
            self.fake(KEY_RELEASE_EVENT, shift.code, 0)?;
        }
        self.tap(lock)?;
        for code in &held {
            self.fake(KEY_PRESS_EVENT, *code, 0)?;
        }
        self.sync()
    }

    fn tap(&self, key: Option<Key>) -> Result<(), Error> {
        let Some(key) = key else { return Ok(()) };
        self.fake(KEY_PRESS_EVENT, key.code, 0)?;
        self.fake(KEY_RELEASE_EVENT, key.code, 0)
    }

    fn held(&self) -> Result<Vec<u8>, Error> {
        let keys = self.connection.query_keymap()?.reply()?.keys;
        Ok((0..=255u8).filter(|code| keys[usize::from(code / 8)] >> (code % 8) & 1 == 1).collect())
    }

    fn keymap(&self) -> Result<Keymap, Error> {
        let (first, last) = (self.connection.setup().min_keycode, self.connection.setup().max_keycode);
        let reply = self.connection.get_keyboard_mapping(first, last - first + 1)?.reply()?;
        Ok(Keymap { first, width: reply.keysyms_per_keycode.into(), symbols: reply.keysyms })
    }

    /// The keymap without the keys of the ring: what is on them now may be on none a moment later.
    fn native(&self) -> Result<Keymap, Error> {
        let mut keymap = self.keymap()?;
        for code in self.values(self.root, self.atoms._SANDBOX_AGENT_KEYS)?.into_iter().skip(1) {
            let begin = (code as usize - usize::from(keymap.first)) * keymap.width;
            keymap.symbols[begin..begin + keymap.width].fill(0);
        }
        Ok(keymap)
    }

    /// The keymap, in which each of these symbols has a key.
    ///
    /// Programs read the keymap again when they come to the news that it has changed, and then take keys that were typed
    /// before for what they are called now. So a key that was given a symbol keeps it for as long as possible: the keys
    /// for foreign symbols are a ring, remembered in a property of the root window, from which the oldest is taken.
    ///
    /// The server has to be ours.
    fn with_keys_for(&self, keymap: Keymap, symbols: &[u32]) -> Result<Keymap, Error> {
        let foreign: Vec<u32> = foreign(symbols, &keymap).into_iter().collect();
        if foreign.is_empty() {
            return Ok(keymap);
        }
        self.bind(&keymap, &foreign, symbols)?;
        self.keymap()
    }

    fn bind(&self, keymap: &Keymap, foreign: &[u32], wanted: &[u32]) -> Result<(), Error> {
        let property = self.atoms._SANDBOX_AGENT_KEYS;
        let known = self.values(self.root, property)?;
        let (next, ring) = match known.split_first() {
            Some((next, ring)) => (*next as usize, ring.to_vec()),
            None => (0, keymap.spare()),
        };
        // What this text needs besides stays where it is.
        let in_use = |code: u32| keymap.of(code).iter().take(2).any(|symbol| *symbol != 0 && wanted.contains(symbol));
        let mut turn = (0..ring.len()).map(|step| (next + step) % ring.len()).filter(|at| !in_use(ring[*at]));
        let mut last = next;
        let mut bound = BTreeMap::new();
        for pair in foreign.chunks(2) {
            let at = turn.next().ok_or(Error::Unfit("it has no free keys for foreign symbols"))?;
            let code = u8::try_from(ring[at]).expect("it was a key's number");
            // A second symbol that is missing would be made up by the server.
            bound.insert(code, [pair[0], *pair.last().expect("it has one")]);
            last = at + 1;
        }
        // Every change is news for every program, after which it reads the keymap anew: as few as can be.
        while let Some((first, symbols)) = bound.pop_first() {
            let mut symbols = symbols.to_vec();
            let mut count = 1;
            while let Some(more) = first.checked_add(count).and_then(|code| bound.remove(&code)) {
                symbols.extend(more);
                count += 1;
            }
            self.connection.change_keyboard_mapping(count, first, 2, &symbols)?;
        }
        let words: Vec<u32> = std::iter::once((last % ring.len()) as u32).chain(ring.iter().copied()).collect();
        self.connection.change_property32(PropMode::REPLACE, self.root, property, AtomEnum::CARDINAL, &words)?;
        Ok(())
    }
}

impl Keymap {
    /// The key of a symbol: preferably one that needs no Shift.
    fn find(&self, symbol: u32) -> Option<Key> {
        let at = |level: usize| self.symbols.chunks(self.width).position(|key| key.get(level) == Some(&symbol));
        let key = |shift: bool| {
            move |at: usize| Key { code: self.first + u8::try_from(at).expect("there are at most 248"), shift }
        };
        at(0).map(key(false)).or_else(|| at(1).map(key(true)))
    }

    fn of(&self, code: u32) -> &[u32] {
        self.symbols.chunks(self.width).nth(code as usize - usize::from(self.first)).unwrap_or_default()
    }

    /// Keys that are free, or that a desktop without a person before it never uses. (The very first is Chromium's “none”.)
    fn spare(&self) -> Vec<u32> {
        let is_spare = |key: &[u32]| {
            let first = key.first().copied().unwrap_or_default();
            key.iter().all(|symbol| *symbol == 0) || SPARE.iter().any(|range| range.contains(&first))
        };
        let keys = self.symbols.chunks(self.width).zip(u32::from(self.first)..);
        keys.filter(|(key, code)| *code > 8 && is_spare(key)).map(|(_, code)| code).collect()
    }
}

/// The symbols that no key gives.
fn foreign(symbols: &[u32], keymap: &Keymap) -> BTreeSet<u32> {
    symbols.iter().copied().filter(|symbol| keymap.find(*symbol).is_none()).collect()
}

/// The text in pieces whose foreign symbols fit into the ring, keys of the pieces before included.
fn pieces<'a>(symbols: &'a [u32], native: &Keymap) -> Vec<&'a [u32]> {
    let (mut pieces, mut begin, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for (at, symbol) in symbols.iter().enumerate() {
        if seen.contains(symbol) || native.find(*symbol).is_some() {
            continue;
        }
        if seen.len() == MOST_FOREIGN {
            pieces.push(&symbols[begin..at]);
            begin = at;
            seen.clear();
        }
        seen.insert(*symbol);
    }
    pieces.push(&symbols[begin..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_the_ring_is_full() {
        let keymap = Keymap { first: 8, width: 2, symbols: vec![0x61, 0x41, 0, 0] };
        assert!(keymap.find(0x61) == Some(Key { code: 8, shift: false }));
        assert!(keymap.find(0x41) == Some(Key { code: 8, shift: true }));
        assert_eq!(keymap.spare(), [9]);
        let symbols: Vec<u32> = (0..60).flat_map(|symbol| [0x100_4e00 + symbol, 0x61]).collect();
        let pieces = pieces(&symbols, &keymap);
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [48, 48, 24]);
        assert_eq!(pieces.concat(), symbols);
    }
}
