//! Tokens and what each of them opens.

use hyper::header::{HeaderValue, WWW_AUTHENTICATE};

use crate::problem::{Kind, Problem};

/// What a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Open to whoever asks.
    Open,
    /// Sees sessions, events, agents and numbers.
    Read,
    /// Makes sessions, sends prompts, interrupts.
    Prompt,
    /// Decides about permissions, answers questions.
    Answer,
    /// Reads and writes files.
    Fs,
    /// Starts and drives processes.
    Proc,
    /// Sees and drives the desktop.
    Desktop,
    /// Everything, deleting and installing too.
    Admin,
}

impl Scope {
    const ALL: [(Scope, &'static str); 7] = [
        (Scope::Read, "read"),
        (Scope::Prompt, "prompt"),
        (Scope::Answer, "answer"),
        (Scope::Fs, "fs"),
        (Scope::Proc, "proc"),
        (Scope::Desktop, "desktop"),
        (Scope::Admin, "admin"),
    ];

    /// As it is written in a file of tokens.
    pub fn as_str(self) -> &'static str {
        Scope::ALL.iter().find(|(scope, _)| *scope == self).map_or("open", |(_, word)| word)
    }
}

/// A set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything.
    pub const ALL: Scopes = Scopes(1 << Scope::Admin as u8);

    fn has(self, scope: Scope) -> bool {
        scope == Scope::Open || (self.0 | Scopes::ALL.0) == self.0 || self.0 & (1 << scope as u8) != 0
    }

    /// Whether this is enough.
    pub(crate) fn check(self, scope: Scope) -> Result<(), Problem> {
        if self.has(scope) {
            return Ok(());
        }
        let word = scope.as_str();
        let detail = format!("this token may not do that: the scope `{word}` is needed");
        let asked = HeaderValue::from_str(&format!("Bearer error=\"insufficient_scope\", scope=\"{word}\""));
        let problem = Problem::new(Kind::PermissionDenied, detail).with("scope", word.into());
        Err(match asked {
            Ok(asked) => problem.header(WWW_AUTHENTICATE, asked),
            Err(_) => problem,
        })
    }
}

/// A secret and what it opens.
#[derive(Clone)]
pub struct Token {
    secret: String,
    scopes: Scopes,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Token({:?})", self.scopes)
    }
}

impl Token {
    /// One for everything.
    ///
    /// # Errors
    /// What it is to be instead.
    pub fn of(secret: &str) -> Result<Token, String> {
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it is to be visible ASCII characters, at least one, without spaces".to_owned());
        }
        Ok(Token { secret: secret.to_owned(), scopes: Scopes::ALL })
    }

    /// Those of a file: a line each, `TOKEN` for everything or `TOKEN SCOPE,SCOPE`; `#` begins a comment.
    ///
    /// # Errors
    /// What is wrong, and in which line; never a token.
    pub fn all_of(text: &str) -> Result<Vec<Token>, String> {
        let mut tokens: Vec<Token> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |message: String| format!("line {}: {message}", number + 1);
            let (secret, scopes) = line.split_once(char::is_whitespace).unwrap_or((line, "admin"));
            let mut token = Token::of(secret).map_err(at)?;
            token.scopes = Scopes::default();
            for word in scopes.split(|letter: char| letter == ',' || letter.is_whitespace()) {
                match Scope::ALL.iter().find(|(_, known)| *known == word) {
                    Some((scope, _)) => token.scopes.0 |= 1 << *scope as u8,
                    None if word.is_empty() => {}
                    None => {
                        let known = Scope::ALL.map(|(_, known)| known).join(", ");
                        return Err(at(format!("what follows the token is not of {known}")));
                    }
                }
            }
            if token.scopes == Scopes::default() {
                return Err(at("it has no scope".to_owned()));
            }
            if tokens.iter().any(|other| other.secret == token.secret) {
                return Err(at("the same token stands above".to_owned()));
            }
            tokens.push(token);
        }
        if tokens.is_empty() { Err("there is no token in it".to_owned()) } else { Ok(tokens) }
    }

    /// What a client may who knows this; nothing if it is no token. How long that takes does not tell how much of it is right.
    pub(crate) fn known(tokens: &[Token], given: &[u8]) -> Option<Scopes> {
        let known = tokens.iter().fold(0, |known, token| {
            let all = 0u8.wrapping_sub(u8::from(is_equal(given, token.secret.as_bytes())));
            known | (token.scopes.0 & all)
        });
        (known != 0).then_some(Scopes(known))
    }
}

fn is_equal(given: &[u8], token: &[u8]) -> bool {
    let differences = token.iter().enumerate().fold(given.len() ^ token.len(), |differences, (at, byte)| {
        differences | usize::from(given.get(at).copied().unwrap_or_default() ^ byte)
    });
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_tokens_says_what_each_opens() {
        let tokens = Token::all_of("# who may\n\n  all  \none read\ntwo\tprompt, answer\nthree read,admin\n").unwrap();
        let has = |given: &str| Token::known(&tokens, given.as_bytes());
        for scope in [Scope::Read, Scope::Prompt, Scope::Answer, Scope::Fs, Scope::Proc, Scope::Desktop, Scope::Admin] {
            assert!(has("all").unwrap().has(scope) && has("three").unwrap().has(scope), "{scope:?}");
            assert_eq!(has("one").unwrap().has(scope), scope == Scope::Read);
            assert_eq!(has("two").unwrap().has(scope), [Scope::Prompt, Scope::Answer].contains(&scope));
        }
        for none in ["", "al", "alll", "read", "#"] {
            assert_eq!(has(none), None, "{none}");
        }
        for (bad, message) in [
            ("", "no token"),
            ("# only\n", "no token"),
            ("a\nb write", "line 2"),
            ("a read\na", "line 2"),
            ("gr\u{fc}n", "line 1"),
            ("a ,", "line 1"),
        ] {
            let error = Token::all_of(bad).unwrap_err();
            assert!(error.contains(message), "{bad}: {error}");
        }
    }
}
