//! Places in what a client hears: the number of the last event, over all sessions, and what of it was said.

use std::fmt;
use std::str::FromStr;

/// How far a client has heard. Written `CURSOR`, with `.PART` where more of that event follows, and `-SAID`, the number of
/// messages beside the events: answers that nobody waited for. Only this server's life counts those.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The last event of which something was said, as all sessions count.
    pub(crate) cursor: i64,
    /// How many messages of it, where not all were.
    pub(crate) part: usize,
    /// How many messages beside the events.
    pub(crate) said: usize,
}

impl Place {
    /// What comes after this cursor is not heard yet.
    pub(crate) fn after(self) -> i64 {
        if self.part == 0 { self.cursor } else { self.cursor - 1 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}", self.cursor)?;
        if self.part > 0 {
            write!(to, ".{}", self.part)?;
        }
        if self.said > 0 { write!(to, "-{}", self.said) } else { Ok(()) }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let (rest, said) = text.trim().split_once('-').map_or((text.trim(), "0"), |(rest, said)| (rest, said));
        let (cursor, part) = rest.split_once('.').unwrap_or((rest, "0"));
        let number = |text: &str| text.parse::<u32>().map_err(|_| ());
        let cursor: i64 = cursor.parse().map_err(|_| ())?;
        if cursor < 0 {
            return Err(());
        }
        Ok(Place { cursor, part: number(part)? as usize, said: number(said)? as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (cursor, part, said, text) in [(0, 0, 0, "0"), (12, 0, 0, "12"), (12, 3, 0, "12.3"), (12, 3, 4, "12.3-4")] {
            let place = Place { cursor, part, said };
            assert_eq!(place.to_string(), text);
            assert_eq!(text.parse(), Ok(place));
        }
        for bad in ["", "-1", "a", "1.", "1-", "1.-2", "1-2-3", "1.x"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
