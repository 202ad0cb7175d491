//! Lines of one usual shape, read without a parser: pieces of text, which come tens of thousands of times a second. Whatever
//! is in another shape is left to the parser.

use std::borrow::Cow;

/// What is left of a line.
pub(crate) struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    pub(crate) fn new(line: &'a str) -> Scan<'a> {
        Scan(line)
    }

    /// Goes past this text, where it comes next.
    pub(crate) fn past(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// Whether this is all that is left.
    pub(crate) fn end(&self, text: &str) -> Option<()> {
        (self.0 == text).then_some(())
    }

    /// A number of digits only.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (digits, rest) = self.0.split_at(self.0.bytes().position(|byte| !byte.is_ascii_digit())?);
        self.0 = rest;
        // JSON knows no zeros before others.
        digits.parse().ok().filter(|_| digits.len() == 1 || !digits.starts_with('0'))
    }

    /// A string, unescaped.
    pub(crate) fn string(&mut self) -> Option<Cow<'a, str>> {
        let inside = self.0.strip_prefix('"')?;
        let mut bytes = inside.bytes();
        let mut escaped = false;
        loop {
            match bytes.next()? {
                b'"' => break,
                b'\\' => {
                    bytes.next()?;
                    escaped = true;
                }
                0..0x20 => return None,
                _ => {}
            }
        }
        let end = inside.len() - bytes.len() - 1;
        let quoted = &self.0[..end + 2];
        self.0 = &inside[end + 1..];
        if escaped { serde_json::from_str(quoted).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(&inside[..end])) }
    }
}

/// What an agent said in the recorded conversations.
#[cfg(test)]
pub(crate) fn recorded(agent: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(agent);
    let talks = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let talks = talks.filter(|path| path.extension().is_some_and(|kind| kind == "talk"));
    let lines = talks.flat_map(|path| {
        let talk = std::fs::read_to_string(path).unwrap();
        talk.lines().filter_map(|line| Some(line.strip_prefix("< ")?.to_owned())).collect::<Vec<_>>()
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_json_and_what_is_not_is_left_alone() {
        for text in ["", "abc ", "é😀", r#"a"b\c"#, "\n\t\u{1}\u{7f}", "\\"] {
            let line = format!("{},", serde_json::Value::from(text));
            let mut scan = Scan::new(&line);
            assert_eq!(scan.string().as_deref(), Some(text));
            assert_eq!(scan.end(","), Some(()));
        }
        for broken in ["", "a\"", "\"", "\"a", "\"a\\", "\"a\\\"", "\"a\nb\"", r#""\x""#, r#""\ud800""#] {
            assert_eq!(Scan::new(broken).string(), None, "{broken}");
        }
        for (text, number) in
            [("0,", Some(0)), ("17}", Some(17)), ("07,", None), ("-1,", None), ("1", None), (",", None)]
        {
            assert_eq!(Scan::new(text).number(), number, "{text}");
        }
        assert_eq!(Scan::new("99999999999999999999,").number(), None);
    }
}
