//! Values that must not be stored: replaced wherever they stand in text, also where they come in pieces.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use schema::event::ItemDelta;

/// What stands where a secret stood.
pub(crate) const MASKED: &str = "***";

/// Shorter values are words that stand in any text, in bytes.
const SHORTEST: usize = 8;

/// How long the end of a text that may become a secret is held back.
const HELD: Duration = Duration::from_millis(100);

/// More of an item's text is not kept, in bytes: such an item is truncated anyhow.
const KEPT: usize = 1 << 20;

/// The secrets of a run, and what is held back of the items that grow.
pub(crate) struct Mask {
    /// As they stand in text: plain, and as a string in JSON in that text.
    plain: Patterns,
    /// The same as they stand in a string of JSON.
    escaped: Patterns,
    growing: HashMap<Rc<str>, Growing>,
}

/// An item that grows.
struct Growing {
    native: Option<Rc<str>>,
    /// The agent's name for it holds no secret.
    is_plain: bool,
    /// What is decided, as it was written; `None` once it is too long.
    shown: Option<String>,
    /// The end that may become a secret, as the agent said it.
    tail: String,
    /// What readers have seen of the tail.
    seen: String,
    since: Instant,
}

impl Mask {
    /// `None` where there is nothing to mask.
    pub(crate) fn new(secrets: &[String]) -> Option<Mask> {
        let mut plain: Vec<String> = Vec::new();
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
            // Arguments are JSON in a string; a payload may hold them once more.
            let once = escape(secret);
            plain.extend([secret.clone(), escape(&once), once]);
        }
        plain.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        plain.dedup();
        let escaped = Patterns::new(plain.iter().map(|text| escape(text)).collect());
        (!plain.is_empty()).then(|| Mask { plain: Patterns::new(plain), escaped, growing: HashMap::new() })
    }

    /// Masks a whole text.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.plain.stand_in(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        self.plain.cut(text, true, &mut out);
        Cow::Owned(out)
    }

    /// Masks the strings of a JSON text; what is no string, keys and the words of the schema stay.
    pub(crate) fn json<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.escaped.stand_in(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut key = "";
        while let Some(at) = rest.find('"') {
            let string = &rest[at + 1..];
            let end = string_end(string);
            let (inside, after) = (&string[..end], &string[end..]);
            out.push_str(&rest[..=at]);
            if after.starts_with("\":") {
                key = inside;
                out.push_str(inside);
            } else if is_word(key, inside) {
                out.push_str(inside);
            } else {
                self.escaped.cut_escaped(inside, &mut out);
            }
            rest = after;
            if let Some(after) = rest.strip_prefix('"') {
                out.push('"');
                rest = after;
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    /// Whether a piece of text is said as it is and needs no other look, as nearly all: nothing is held back, and no secret
    /// stands or begins in it.
    pub(crate) fn passes(&mut self, delta: &ItemDelta) -> bool {
        let Some(growing) = self.growing.get_mut(&delta.item_id) else { return false };
        let passes = growing.is_plain
            && growing.native == delta.native_item_id
            && growing.tail.is_empty()
            && growing.seen.is_empty()
            && !delta.reset
            && !delta.delta.is_empty()
            && !self.plain.may_begin_in(&delta.delta);
        if passes {
            growing.keep(&delta.delta);
        }
        passes
    }

    /// What may be said now of a piece of text: perhaps nothing, perhaps more than it.
    pub(crate) fn delta(&mut self, delta: ItemDelta, now: Instant) -> Option<ItemDelta> {
        let growing = self.growing.entry(delta.item_id.clone()).or_insert_with(|| Growing::new(now));
        if delta.reset {
            *growing = Growing::new(now);
        }
        growing.native.clone_from(&delta.native_item_id);
        growing.is_plain = growing.native.as_ref().is_none_or(|native| !self.plain.stand_in(native));
        if growing.tail.is_empty() {
            growing.since = now;
        }
        growing.tail.push_str(&delta.delta);
        let said = growing.advance(&self.plain, false, now);
        let reset = delta.reset || said.as_ref().is_some_and(|said| said.reset);
        let text = said.map(|said| said.text).unwrap_or_default();
        (reset || !text.is_empty()).then_some(ItemDelta { delta: text, reset, ..delta })
    }

    /// What was held back of an item that ends now.
    pub(crate) fn end(&mut self, item_id: &str) -> Option<ItemDelta> {
        let (id, mut growing) = self.growing.remove_entry(item_id)?;
        let said = growing.advance(&self.plain, true, growing.since)?;
        Some(said.into_delta(id, growing.native))
    }

    /// When something held back has to be said.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.growing
            .values()
            .filter(|growing| growing.seen != growing.guise())
            .map(|growing| growing.since + HELD)
            .min()
    }

    /// What was held back long enough.
    pub(crate) fn release(&mut self, now: Instant) -> Vec<ItemDelta> {
        let due = self.growing.iter_mut().filter(|(_, growing)| growing.since + HELD <= now);
        due.filter_map(|(id, growing)| Some(growing.release()?.into_delta(id.clone(), growing.native.clone())))
            .collect()
    }
}

/// What readers get.
struct Said {
    text: String,
    reset: bool,
}

impl Said {
    fn into_delta(self, item_id: Rc<str>, native_item_id: Option<Rc<str>>) -> ItemDelta {
        ItemDelta { item_id, native_item_id, delta: self.text, reset: self.reset }
    }
}

impl Growing {
    fn new(now: Instant) -> Growing {
        Growing {
            native: None,
            is_plain: true,
            shown: Some(String::new()),
            tail: String::new(),
            seen: String::new(),
            since: now,
        }
    }

    /// Decides what can be decided of the tail, and says it.
    fn advance(&mut self, patterns: &Patterns, last: bool, now: Instant) -> Option<Said> {
        let mut decided = String::new();
        let length = patterns.cut(&self.tail, last, &mut decided);
        self.tail.drain(..length);
        if length > 0 {
            self.since = now;
        }
        let said = if let Some(more) = decided.strip_prefix(self.seen.as_str()) {
            self.seen.clear();
            (!more.is_empty()).then(|| Said { text: more.to_owned(), reset: false })
        } else if let Some(ahead) = self.seen.strip_prefix(decided.as_str()).filter(|ahead| self.may_stand(ahead)) {
            self.seen = ahead.to_owned();
            None
        } else {
            self.seen.clear();
            Some(self.anew(&decided))
        };
        self.keep(&decided);
        said
    }

    /// Time is up: readers see the tail, or where it looks very much like a secret, that there is one.
    fn release(&mut self) -> Option<Said> {
        let guise = self.guise().to_owned();
        let said = match guise.strip_prefix(self.seen.as_str()) {
            Some("") => None,
            Some(more) => Some(Said { text: more.to_owned(), reset: false }),
            None => Some(self.anew(&guise)),
        };
        self.seen = guise;
        said
    }

    /// What the tail looks like to those who cannot wait.
    fn guise(&self) -> &str {
        if self.tail.len() < SHORTEST { &self.tail } else { MASKED }
    }

    /// Whether what readers have seen may stay for the tail as it is now.
    fn may_stand(&self, seen: &str) -> bool {
        self.tail.starts_with(seen) || (seen == MASKED && self.tail.len() >= SHORTEST)
    }

    /// All of the text, because readers have seen what turned out to be wrong.
    fn anew(&self, end: &str) -> Said {
        match &self.shown {
            Some(shown) => Said { text: format!("{shown}{end}"), reset: true },
            // Nobody can add up the deltas of a truncated item.
            None => Said { text: end.to_owned(), reset: false },
        }
    }

    fn keep(&mut self, decided: &str) {
        if let Some(shown) = &mut self.shown {
            shown.push_str(decided);
            if shown.len() > KEPT {
                self.shown = None;
            }
        }
    }
}

/// What is looked for, the longest first.
struct Patterns {
    texts: Vec<String>,
    /// The bytes with which one of them begins.
    begins: [bool; 256],
}

impl Patterns {
    fn new(texts: Vec<String>) -> Patterns {
        let mut begins = [false; 256];
        for text in &texts {
            begins[usize::from(text.as_bytes()[0])] = true;
        }
        Patterns { texts, begins }
    }

    fn stand_in(&self, text: &str) -> bool {
        self.texts.iter().any(|pattern| text.contains(pattern.as_str()))
    }

    /// Whether one of them stands in the text, or may when more follows.
    fn may_begin_in(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        while let Some(first) = rest.iter().position(|byte| self.begins[usize::from(*byte)]) {
            rest = &rest[first..];
            let begins =
                |pattern: &String| rest.starts_with(pattern.as_bytes()) || pattern.as_bytes().starts_with(rest);
            if self.texts.iter().any(begins) {
                return true;
            }
            rest = &rest[1..];
        }
        false
    }

    fn at<'a>(&self, rest: &'a str) -> Option<&'a str> {
        let pattern = self.texts.iter().find(|pattern| rest.starts_with(pattern.as_str()))?;
        Some(&rest[pattern.len()..])
    }

    /// Writes the text with its secrets masked, the leftmost and longest of them, up to where it may become one if more
    /// follows; returns how far. `last`: nothing follows.
    fn cut(&self, text: &str, last: bool, out: &mut String) -> usize {
        let mut rest = text;
        while let Some(first) = rest.bytes().position(|byte| self.begins[usize::from(byte)]) {
            out.push_str(&rest[..first]);
            rest = &rest[first..];
            if !last && self.texts.iter().any(|pattern| pattern.len() > rest.len() && pattern.starts_with(rest)) {
                return text.len() - rest.len();
            }
            if let Some(after) = self.at(rest) {
                out.push_str(MASKED);
                rest = after;
            } else {
                rest = step(rest, out);
            }
        }
        out.push_str(rest);
        text.len()
    }

    /// The same in the inside of a JSON string: a match begins and ends where an escape does.
    fn cut_escaped(&self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = self.at(rest) {
                out.push_str(MASKED);
                rest = after;
            } else if let Some(after) = rest.strip_prefix('\\') {
                out.push('\\');
                rest = step(after, out);
            } else {
                rest = step(rest, out);
            }
        }
    }
}

/// Moves one character.
fn step<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let mut chars = rest.chars();
    out.extend(chars.next());
    chars.as_str()
}

/// Where the inside of a JSON string ends.
fn string_end(string: &str) -> usize {
    let bytes = string.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// A word of the schema or an id of ours, which would be another word if a part of it were masked.
fn is_word(key: &str, value: &str) -> bool {
    const KEYS: [&str; 28] = [
        "type",
        "kind",
        "status",
        "role",
        "phase",
        "cause",
        "outcome",
        "action",
        "reason",
        "terminated_by",
        "resolved_by",
        "visibility",
        "delivery",
        "code",
        "basis",
        "permission_mode",
        "label",
        "agent",
        "item_id",
        "turn_id",
        "permission_id",
        "question_id",
        "parent_id",
        "group_id",
        "tool_call_item_id",
        "prompt_ids",
        "denied",
        "pending",
    ];
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    KEYS.contains(&key) && value.len() <= 64 && value.bytes().all(plain)
}

/// As it stands in a string of JSON.
fn escape(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a string is JSON");
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(&secrets.iter().map(|secret| (*secret).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    /// What readers see: the text so far.
    #[derive(Default)]
    struct Reader {
        text: String,
        resets: usize,
    }

    impl Reader {
        fn hear(&mut self, deltas: impl IntoIterator<Item = ItemDelta>) {
            for delta in deltas {
                if delta.reset {
                    self.text.clear();
                    self.resets += 1;
                }
                self.text.push_str(&delta.delta);
            }
        }
    }

    fn piece(text: &str, reset: bool) -> ItemDelta {
        ItemDelta { item_id: "item".into(), native_item_id: None, delta: text.to_owned(), reset }
    }

    /// What is said of a piece.
    fn said(mask: &mut Mask, piece: ItemDelta, now: Instant) -> Option<ItemDelta> {
        if mask.passes(&piece) { Some(piece) } else { mask.delta(piece, now) }
    }

    #[test]
    fn short_values_are_no_secrets() {
        assert!(Mask::new(&[]).is_none());
        assert!(Mask::new(&["1234567".into(), String::new()]).is_none());
        assert_eq!(mask(&["12345678"]).text("a 12345678 b123456789"), "a *** b***9");
    }

    #[test]
    fn a_secret_in_pieces_is_never_said() {
        let mut mask = mask(&["sk-secret-1"]);
        let now = Instant::now();
        let mut reader = Reader::default();
        for (text, seen) in [("key: s", "key: "), ("k-sec", "key: "), ("ret-1.", "key: ***."), (" sk", "key: ***. ")] {
            reader.hear(said(&mut mask, piece(text, false), now));
            assert_eq!(reader.text, seen);
        }
        reader.hear(mask.end("item"));
        assert_eq!((reader.text.as_str(), reader.resets), ("key: ***. sk", 0));
        assert!(mask.end("item").is_none() && mask.wake().is_none());
    }

    #[test]
    fn who_waits_sees_the_end_and_a_secret_that_comes_slowly_is_taken_back() {
        let mut mask = mask(&["sk-secret-1"]);
        let mut now = Instant::now();
        let mut reader = Reader::default();
        reader.hear(said(&mut mask, piece("long ago ", false), now - HELD));
        reader.hear(said(&mut mask, piece("key: sk-s", false), now));
        assert_eq!((reader.text.as_str(), mask.wake()), ("long ago key: ", Some(now + HELD)));
        reader.hear(mask.release(now));
        assert_eq!(reader.text, "long ago key: ");
        now += HELD;
        reader.hear(mask.release(now));
        assert_eq!((reader.text.as_str(), mask.wake()), ("long ago key: sk-s", None));
        // Much of the secret is not said even then.
        reader.hear(said(&mut mask, piece("ecret-", false), now));
        reader.hear(mask.release(now + HELD));
        assert_eq!((reader.text.as_str(), reader.resets), ("long ago key: ***", 1));
        reader.hear(said(&mut mask, piece("1!", false), now));
        assert_eq!((reader.text.as_str(), reader.resets), ("long ago key: ***!", 1));
        // And what only looked like it is put right.
        reader.hear(said(&mut mask, piece(" sk-secret-", false), now));
        reader.hear(mask.release(now + 2 * HELD));
        assert_eq!(reader.text, "long ago key: ***! ***");
        reader.hear(said(&mut mask, piece("2", false), now));
        assert_eq!((reader.text.as_str(), reader.resets), ("long ago key: ***! sk-secret-2", 2));
    }

    #[test]
    fn what_looks_like_no_secret_passes_unless_who_says_it_is_one() {
        let mut mask = mask(&["sk-secret-1"]);
        let now = Instant::now();
        let of = |native: &str, text: &str| ItemDelta { native_item_id: Some(native.into()), ..piece(text, false) };
        assert!(!mask.passes(&of("m1", "first")), "nothing is known of it");
        assert!(mask.delta(of("m1", "first"), now).is_some());
        assert!(mask.passes(&of("m1", "sky, asks.")));
        assert!(
            !mask.passes(&of("m1", "s")) && !mask.passes(&of("m1", "a sk-secret-1")) && !mask.passes(&of("m2", "x"))
        );
        mask.delta(of("sk-secret-1", "x"), now);
        assert!(!mask.passes(&of("sk-secret-1", "x")));
    }

    #[test]
    fn json_stays_json_and_the_words_of_the_schema_stay() {
        let mask = mask(&["n\"1234567", "12345678", "completed"]);
        let said = json!({
            "n\"1234567": "n\"1234567 and \nn\"1234567",
            "number": 12345678, "list": ["x12345678", 123456789],
            "item": {"item_id": "itm_12345678", "status": "completed", "title": "completed", "id": "12345678"},
            "arguments": json!({"key": "n\"1234567"}).to_string(),
        });
        let masked: Value = serde_json::from_str(&mask.json(&said.to_string())).unwrap();
        assert_eq!(
            masked,
            json!({
                "n\"1234567": "*** and \n***",
                "number": 12345678, "list": ["x***", 123456789],
                "item": {"item_id": "itm_12345678", "status": "completed", "title": "***", "id": "***"},
                "arguments": json!({"key": "***"}).to_string(),
            })
        );
        // `\n` followed by digits holds no `n` that a secret begins with.
        let newline = json!("\n\"1234567 \\12345678 \\\\").to_string();
        assert_eq!(serde_json::from_str::<Value>(&mask.json(&newline)).unwrap(), json!("\n\"1234567 \\*** \\\\"));
    }

    proptest! {
        /// Few letters, so that secrets overlap, begin in one another, and nearly come.
        #[test]
        fn however_it_is_cut_nothing_leaks_and_everything_adds_up(
            secrets in prop::collection::vec("[ab]{8,10}|aé[ab]{7,9}|[ab\"\\\\]{8,9}", 1..4),
            pieces in prop::collection::vec(("[ab]{0,6}|[abé\"\\\\]{0,12}|a{0,20}|b{8}", 0..40u64, 0..30u8), 0..60),
            inserted in prop::collection::vec((0..60usize, 0..4usize), 0..4),
        ) {
            let mut pieces = pieces;
            // Whole secrets, cut where they are put in.
            for (at, which) in inserted {
                if pieces.is_empty() { break }
                let (at, secret) = (at % pieces.len(), &secrets[which % secrets.len()]);
                let middle = secret.char_indices().nth(4).unwrap().0;
                pieces[at].0.push_str(&secret[..middle]);
                let next = (at + 1) % pieces.len();
                pieces[next].0.insert_str(0, &secret[middle..]);
            }
            let mut mask = Mask::new(&secrets).unwrap();
            let (mut reader, mut whole, mut now) = (Reader::default(), String::new(), Instant::now());
            for (text, wait, reset) in &pieces {
                let reset = *reset == 0;
                if reset { whole.clear() }
                whole.push_str(text);
                reader.hear(said(&mut mask, piece(text, reset), now));
                for secret in &secrets { prop_assert!(!reader.text.contains(secret.as_str())) }
                now += Duration::from_millis(*wait * 5);
                reader.hear(mask.release(now));
                for secret in &secrets { prop_assert!(!reader.text.contains(secret.as_str())) }
                prop_assert!(mask.wake().is_none_or(|wake| wake > now));
            }
            reader.hear(mask.end("item"));
            prop_assert_eq!(&reader.text, &mask.text(&whole));
            for secret in &secrets { prop_assert!(!reader.text.contains(secret.as_str())) }
            // The completed item is masked in its JSON, to the same text.
            let item = json!({ "text": whole }).to_string();
            let masked: Value = serde_json::from_str(&mask.json(&item)).unwrap();
            prop_assert_eq!(masked["text"].as_str().unwrap(), &reader.text);
        }
    }
}
