//! What an agent says in words where a code would do.

/// A message, in which words are looked for whatever their case, and numbers only where they stand by themselves: an address, a
/// port or the name of a request may have any number in it.
pub(crate) struct Prose {
    text: String,
}

impl Prose {
    pub(crate) fn of(message: &str) -> Prose {
        let words: Vec<&str> = message.split_whitespace().filter(|word| !word.contains("://")).collect();
        Prose { text: words.join(" ").to_lowercase() }
    }

    /// Whether one of these stands in it, in lower case.
    pub(crate) fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|one| match one.parse::<u16>() {
            Ok(_) => self.text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == *one),
            Err(_) => self.text.contains(one),
        })
    }
}
