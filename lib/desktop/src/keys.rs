//! The names of keys: those of X11, those that people use for them, single characters.

use std::borrow::Cow;

use xkeysym::Keysym;

use crate::Error;

pub(crate) const SHIFT: u32 = 0xffe1;
pub(crate) const CAPS_LOCK: u32 = 0xffe5;

/// What people say, and what X11 calls it.
const ALIASES: &[(&str, &str)] = &[
    ("alt", "Alt_L"),
    ("arrowdown", "Down"),
    ("arrowleft", "Left"),
    ("arrowright", "Right"),
    ("arrowup", "Up"),
    ("backspace", "BackSpace"),
    ("capslock", "Caps_Lock"),
    ("cmd", "Super_L"),
    ("command", "Super_L"),
    ("control", "Control_L"),
    ("ctrl", "Control_L"),
    ("del", "Delete"),
    ("enter", "Return"),
    ("esc", "Escape"),
    ("ins", "Insert"),
    ("meta", "Super_L"),
    ("option", "Alt_L"),
    ("pagedown", "Next"),
    ("pageup", "Prior"),
    ("printscreen", "Print"),
    ("shift", "Shift_L"),
    ("spacebar", "space"),
    ("super", "Super_L"),
    ("win", "Super_L"),
    ("windows", "Super_L"),
];

/// Where names are: Latin-1, what has no character, what multimedia keyboards have.
const NAMED: [std::ops::RangeInclusive<u32>; 3] = [0x20..=0xff, 0xfe00..=0xffff, 0x1008_ff00..=0x1008_ffff];

/// The keys of a chord such as `ctrl+shift+t`, `ctrl++` or `Return`.
pub(crate) fn chord(text: &str) -> Result<Vec<u32>, Error> {
    let mut names: Vec<&str> = text.split('+').collect();
    // A plus sign is a key too; it stands at the end, where a chord ends with an empty name twice.
    if names.len() > 1 && names.ends_with(&["", ""]) {
        names.truncate(names.len() - 2);
        names.retain(|name| !name.is_empty());
        names.push("+");
    }
    names.into_iter().map(symbol).collect()
}

/// The symbol of a character; `None` where no key could stand for it.
pub(crate) fn of_char(char: char) -> Option<u32> {
    let symbol = match char {
        '\n' | '\r' => 0xff0d,
        char => Keysym::from_char(char).raw(),
    };
    (symbol != 0 && (!char.is_control() || matches!(char, '\n' | '\r' | '\t' | '\u{8}' | '\u{1b}' | '\u{7f}')))
        .then_some(symbol)
}

fn symbol(name: &str) -> Result<u32, Error> {
    let mut chars = name.chars();
    if let (Some(char), None) = (chars.next(), chars.next())
        && let Some(symbol) = of_char(char)
    {
        return Ok(symbol);
    }
    let lower = name.to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|(_, name)| *name);
    let wanted = alias.unwrap_or(name);
    if let Some((symbol, _)) = named().find(|(_, known)| *known == wanted) {
        return Ok(symbol);
    }
    // No two keys that are on a keyboard differ in their case only.
    let same = |known: &str| known.len() > 1 && known.eq_ignore_ascii_case(name);
    let mut alike: Vec<(u32, Cow<str>)> = named().filter(|(_, known)| same(known)).collect();
    if let [(symbol, known)] = alike.as_slice()
        && known.starts_with(|first: char| first.is_ascii_uppercase())
    {
        return Ok(*symbol);
    }
    if alike.is_empty() && !lower.is_empty() {
        alike = named().filter(|(_, known)| is_near(&known.to_lowercase(), &lower)).take(5).collect();
    }
    let near: Vec<Cow<str>> = alike.into_iter().map(|(_, known)| known).collect();
    let near = if near.is_empty() { String::new() } else { format!(" (near it are {})", near.join(", ")) };
    Err(Error::UnknownKey { key: name.to_owned(), near })
}

/// By the names that X11 has for them, without what stands before them in C.
fn named() -> impl Iterator<Item = (u32, Cow<'static, str>)> {
    NAMED.into_iter().flatten().filter_map(|symbol| {
        let name = Keysym::new(symbol).name()?;
        Some(match name.strip_prefix("XF86XK_") {
            Some(rest) => (symbol, Cow::Owned(format!("XF86{rest}"))),
            None => (symbol, Cow::Borrowed(name.strip_prefix("XK_").unwrap_or(name))),
        })
    })
}

fn is_near(known: &str, wanted: &str) -> bool {
    known.len() > 2 && wanted.len() > 2 && (known.contains(wanted) || wanted.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_are_read_as_people_write_them() {
        assert_eq!(chord("ctrl+shift+t").unwrap(), [0xffe3, 0xffe1, 0x74]);
        assert_eq!(chord("Return").unwrap(), chord("enter").unwrap());
        assert_eq!(chord("return").unwrap(), [0xff0d]);
        assert_eq!(chord("ctrl++").unwrap(), [0xffe3, 0x2b]);
        assert_eq!(chord("+").unwrap(), [0x2b]);
        assert_eq!(chord("F12").unwrap(), [0xffc9]);
        assert_eq!(chord("f12").unwrap(), [0xffc9]);
        assert_eq!(chord("é").unwrap(), [0xe9]);
        assert_eq!(chord("eacute").unwrap(), [0xe9]);
        assert_eq!(chord("Eacute").unwrap(), [0xc9]);
        assert_eq!(chord("XF86AudioPlay").unwrap(), [0x1008_ff14]);
    }

    #[test]
    fn unknown_keys_are_errors_that_name_what_is_near() {
        for (text, near) in [("NoSuchKey", ""), ("ctrl+Retur", "Return"), ("ctrl+", ""), ("", ""), ("pagedow", "")] {
            let Err(error @ Error::UnknownKey { .. }) = chord(text) else { panic!("`{text}` is a key") };
            assert!(error.to_string().contains(near), "{error}");
        }
    }
}
