//! Text that grows by deltas, kept whole up to 1 MiB and as head and tail above it.

/// Above this an item's text keeps head and tail only, in bytes.
pub(crate) const WHOLE: usize = 1 << 20;

const END: usize = WHOLE / 2;

/// What an open item's stream has grown to.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// All of it, or its head.
    head: String,
    /// Its tail, once it is too long.
    tail: String,
    total: usize,
}

impl Growth {
    pub(crate) fn push(&mut self, delta: &str) {
        self.total += delta.len();
        if self.tail.is_empty() && self.head.len() + delta.len() <= WHOLE {
            self.head.push_str(delta);
            return;
        }
        if self.tail.is_empty() {
            self.tail = self.head.split_off(floor(&self.head, END));
        }
        self.tail.push_str(delta);
        // Cut seldom, so that each byte is moved about once.
        if self.tail.len() > 2 * WHOLE {
            let from = ceil(&self.tail, self.tail.len() - END);
            self.tail.drain(..from);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Everything that grew, where that is short enough to be kept.
    pub(crate) fn whole(&self) -> Option<&str> {
        self.tail.is_empty().then_some(self.head.as_str())
    }

    /// The text to complete an item with, and whether something was left out.
    pub(crate) fn into_text(self) -> (String, bool) {
        if self.tail.is_empty() {
            return (self.head, false);
        }
        let from = ceil(&self.tail, self.tail.len().saturating_sub(END));
        (join(&self.head, &self.tail[from..], self.total), true)
    }
}

/// Head and tail of a text that is too long; `None` where it is not.
pub(crate) fn clip(text: &str) -> Option<String> {
    if text.len() <= WHOLE {
        return None;
    }
    Some(join(&text[..floor(text, END)], &text[ceil(text, text.len() - END)..], text.len()))
}

fn join(head: &str, tail: &str, total: usize) -> String {
    let left_out = total - head.len() - tail.len();
    format!("{head}\n[{left_out} bytes left out]\n{tail}")
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_kept_and_long_text_has_its_ends() {
        let mut growth = Growth::default();
        growth.push("ab");
        growth.push("c");
        assert_eq!(growth.whole(), Some("abc"));
        assert_eq!(growth.into_text(), ("abc".to_owned(), false));

        let mut growth = Growth::default();
        let mut all = String::new();
        for number in 0..800_000 {
            let piece = format!("é{number},");
            growth.push(&piece);
            all.push_str(&piece);
        }
        assert!(growth.whole().is_none());
        let (text, cut) = growth.into_text();
        assert!(cut);
        assert_eq!(Some(text), clip(&all));
        assert!(clip(&all).unwrap().len() < WHOLE + 100);
    }
}
