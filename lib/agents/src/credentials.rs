//! Where each agent's credentials are, as data, and how what lies there is read; nothing here touches a file or a variable.

use std::ffi::OsString;
use std::path::PathBuf;

use schema::record::CredentialKind;
use schema::time::Timestamp;
use serde_json::Value;

/// What one agent can log in with.
#[derive(Debug)]
pub struct Login {
    /// The agent's name.
    pub agent: &'static str,
    /// It does nothing without.
    pub needed: bool,
    /// Variables that say who pays, the first that is set wins for its provider.
    pub variables: &'static [Variable],
    /// Files that its own login writes.
    pub files: &'static [File],
}

/// A variable that holds a credential.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Who issued what it holds.
    pub provider: &'static str,
    /// What it holds.
    pub kind: CredentialKind,
    /// Whether the agent reads it; what it does not read has to be handed over.
    pub read: bool,
}

/// A JSON file that holds credentials.
#[derive(Debug)]
pub struct File {
    /// The folder: the first that the environment gives.
    pub folders: &'static [Folder],
    /// Its name below the folder.
    pub name: &'static str,
    /// What stands in it.
    pub holds: Holds,
}

/// A folder that the environment gives.
#[derive(Debug, Clone, Copy)]
pub enum Folder {
    /// The value of a variable, and a path below it.
    Variable(&'static str, &'static str),
    /// A path below HOME.
    Home(&'static str),
}

/// How credentials stand in a file.
#[derive(Debug)]
pub enum Holds {
    /// Each at a place of its own.
    Fields(&'static [Field]),
    /// An object by provider: `{"anthropic": {"type": "api"|"api_key", "key"} | {"type": "oauth", "access", "refresh", "expires"}}`.
    Providers,
}

/// A credential at a fixed place of a file; each place is a JSON pointer.
#[derive(Debug)]
pub struct Field {
    /// Who issued it.
    pub provider: &'static str,
    /// What it is.
    pub kind: CredentialKind,
    /// Where its value stands.
    pub value: &'static str,
    /// Where its end stands: a number of milliseconds or seconds since 1970, or RFC 3339.
    pub expires: Option<&'static str>,
    /// Where the token stands with which the agent renews it by itself.
    pub refresh: Option<&'static str>,
}

/// A credential that was found. It has no `Debug`: its value must not be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Who issued it.
    pub provider: String,
    /// What it is.
    pub kind: CredentialKind,
    /// The secret itself.
    pub value: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// The agent can renew it.
    pub renewable: bool,
}

impl Found {
    /// Whether it has ended at this time.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether an agent that owns it is logged in with it.
    pub fn usable(&self, now: Timestamp) -> bool {
        self.renewable || !self.expired(now)
    }
}

use CredentialKind::{ApiKey, Oauth};

const fn key(name: &'static str, provider: &'static str) -> Variable {
    Variable { name, provider, kind: ApiKey, read: true }
}

const fn token(name: &'static str, provider: &'static str) -> Variable {
    Variable { name, provider, kind: Oauth, read: true }
}

/// A variable that people set for the agent and that it does not read.
const fn unread(name: &'static str, provider: &'static str) -> Variable {
    Variable { name, provider, kind: ApiKey, read: false }
}

const fn field(provider: &'static str, kind: CredentialKind, value: &'static str) -> Field {
    Field { provider, kind, value, expires: None, refresh: None }
}

/// The mock can be given what others need, and then says so; its own login makes it refuse.
static MOCK: Login = Login {
    agent: "mock",
    needed: false,
    variables: &[
        key("ANTHROPIC_API_KEY", "anthropic"),
        token("CLAUDE_CODE_OAUTH_TOKEN", "anthropic"),
        key("OPENAI_API_KEY", "openai"),
        unread("CODEX_API_KEY", "openai"),
    ],
    files: &[File { folders: &[Folder::Home(".mock")], name: "auth.json", holds: Holds::Providers }],
};

/// Every agent that needs a login and whose places we know, in the order in which they are told.
pub static LOGINS: &[Login] = &[
    Login {
        agent: "claude",
        needed: true,
        // Its own order of precedence: `ANTHROPIC_AUTH_TOKEN`, `ANTHROPIC_API_KEY`, `CLAUDE_CODE_OAUTH_TOKEN`.
        variables: &[
            key("ANTHROPIC_API_KEY", "anthropic"),
            unread("CLAUDE_API_KEY", "anthropic"),
            token("ANTHROPIC_AUTH_TOKEN", "anthropic"),
            token("CLAUDE_CODE_OAUTH_TOKEN", "anthropic"),
        ],
        files: &[
            File {
                folders: &[Folder::Variable("CLAUDE_CONFIG_DIR", ""), Folder::Home(".claude")],
                name: ".credentials.json",
                holds: Holds::Fields(&[Field {
                    provider: "anthropic",
                    kind: Oauth,
                    value: "/claudeAiOauth/accessToken",
                    expires: Some("/claudeAiOauth/expiresAt"),
                    refresh: Some("/claudeAiOauth/refreshToken"),
                }]),
            },
            File {
                folders: &[Folder::Variable("CLAUDE_CONFIG_DIR", ""), Folder::Home("")],
                name: ".claude.json",
                holds: Holds::Fields(&[field("anthropic", ApiKey, "/primaryApiKey")]),
            },
            File {
                folders: &[Folder::Variable("CLAUDE_CONFIG_DIR", ""), Folder::Home(".claude")],
                name: "settings.json",
                holds: Holds::Fields(&[
                    field("anthropic", ApiKey, "/env/ANTHROPIC_API_KEY"),
                    field("anthropic", Oauth, "/env/CLAUDE_CODE_OAUTH_TOKEN"),
                ]),
            },
        ],
    },
    Login {
        agent: "codex",
        needed: true,
        // Its app-server reads neither (0.169.0: `account/read` says no account); both are logged in with.
        variables: &[unread("OPENAI_API_KEY", "openai"), unread("CODEX_API_KEY", "openai")],
        files: &[File {
            folders: &[Folder::Variable("CODEX_HOME", ""), Folder::Home(".codex")],
            name: "auth.json",
            holds: Holds::Fields(&[
                field("openai", ApiKey, "/OPENAI_API_KEY"),
                Field {
                    provider: "openai",
                    kind: Oauth,
                    value: "/tokens/access_token",
                    expires: Some("/tokens/expires_at"),
                    refresh: Some("/tokens/refresh_token"),
                },
            ]),
        }],
    },
    Login {
        agent: "opencode",
        needed: true,
        variables: &[
            key("ANTHROPIC_API_KEY", "anthropic"),
            key("OPENAI_API_KEY", "openai"),
            key("GEMINI_API_KEY", "google"),
            key("GOOGLE_GENERATIVE_AI_API_KEY", "google"),
            key("OPENROUTER_API_KEY", "openrouter"),
            key("XAI_API_KEY", "xai"),
            key("OPENCODE_API_KEY", "opencode"),
            key("GROQ_API_KEY", "groq"),
            key("MISTRAL_API_KEY", "mistral"),
            key("DEEPSEEK_API_KEY", "deepseek"),
        ],
        files: &[File {
            folders: &[Folder::Variable("XDG_DATA_HOME", "opencode"), Folder::Home(".local/share/opencode")],
            name: "auth.json",
            holds: Holds::Providers,
        }],
    },
    Login {
        agent: "pi",
        needed: true,
        variables: &[
            token("ANTHROPIC_OAUTH_TOKEN", "anthropic"),
            key("ANTHROPIC_API_KEY", "anthropic"),
            key("OPENAI_API_KEY", "openai"),
            key("GEMINI_API_KEY", "google"),
            key("OPENROUTER_API_KEY", "openrouter"),
            key("XAI_API_KEY", "xai"),
            key("GROQ_API_KEY", "groq"),
            key("MISTRAL_API_KEY", "mistral"),
        ],
        files: &[File {
            folders: &[Folder::Variable("PI_CODING_AGENT_DIR", ""), Folder::Home(".pi/agent")],
            name: "auth.json",
            holds: Holds::Providers,
        }],
    },
    Login {
        agent: "amp",
        needed: true,
        variables: &[key("AMP_API_KEY", "amp")],
        files: &[File {
            folders: &[Folder::Variable("XDG_DATA_HOME", "amp"), Folder::Home(".local/share/amp")],
            name: "secrets.json",
            holds: Holds::Fields(&[field("amp", ApiKey, "/apiKey@https:~1~1ampcode.com~1")]),
        }],
    },
    Login {
        agent: "cursor",
        needed: true,
        variables: &[key("CURSOR_API_KEY", "cursor"), token("CURSOR_AUTH_TOKEN", "cursor")],
        files: &[File {
            folders: &[Folder::Variable("XDG_CONFIG_HOME", "cursor"), Folder::Home(".config/cursor")],
            name: "auth.json",
            holds: Holds::Fields(&[
                field("cursor", ApiKey, "/apiKey"),
                Field {
                    provider: "cursor",
                    kind: Oauth,
                    value: "/accessToken",
                    expires: None,
                    refresh: Some("/refreshToken"),
                },
            ]),
        }],
    },
    Login {
        agent: "gemini",
        needed: true,
        variables: &[key("GEMINI_API_KEY", "google"), key("GOOGLE_API_KEY", "google")],
        files: &[File {
            folders: &[Folder::Variable("GEMINI_CLI_HOME", ".gemini"), Folder::Home(".gemini")],
            name: "oauth_creds.json",
            holds: Holds::Fields(&[Field {
                provider: "google",
                kind: Oauth,
                value: "/access_token",
                expires: Some("/expiry_date"),
                refresh: Some("/refresh_token"),
            }]),
        }],
    },
];

/// A value that must not be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The places of an agent.
pub fn login(agent: &str) -> Option<&'static Login> {
    LOGINS.iter().chain([&MOCK]).find(|login| login.agent == agent)
}

/// The variables under which programs expect a credential, the usual one first; none where no variable would work.
pub fn exported(provider: &str, kind: CredentialKind) -> Vec<String> {
    let names: &[&str] = match (provider, kind) {
        ("anthropic", ApiKey) => &["ANTHROPIC_API_KEY", "CLAUDE_API_KEY"],
        ("anthropic", Oauth) => &["CLAUDE_CODE_OAUTH_TOKEN"],
        ("openai", ApiKey) => &["OPENAI_API_KEY", "CODEX_API_KEY"],
        ("google", ApiKey) => &["GEMINI_API_KEY"],
        (provider, ApiKey) => return named_after(provider).into_iter().collect(),
        // A token of somebody's login is no key: no program takes it from a variable.
        (_, Oauth) => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `<PROVIDER>_API_KEY`, a name that a shell takes; a provider comes from a file and may be anything.
fn named_after(provider: &str) -> Option<String> {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let begins_well = provider.starts_with(|c: char| c.is_ascii_alphabetic()) && provider.len() <= 64;
    begins_well.then(|| provider.chars().map(word).collect::<String>() + "_API_KEY")
}

/// Where a file is in this environment; `None` where nothing gives its folder.
pub fn path(file: &File, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    file.folders
        .iter()
        .find_map(|folder| {
            let (base, below) = match folder {
                Folder::Variable(name, below) => (variable(name), below),
                Folder::Home(below) => (variable("HOME"), below),
            };
            // An empty variable is none, and a relative folder would be read from wherever we happen to be.
            base.map(PathBuf::from).filter(|base| base.is_absolute()).map(|base| base.join(below))
        })
        .map(|folder| folder.join(file.name))
}

/// The credentials in the text of a file, in a stable order. What is there but has another shape is passed over.
pub fn read(holds: &Holds, document: &Value) -> Vec<Found> {
    match holds {
        Holds::Fields(fields) => fields.iter().filter_map(|field| read_field(field, document)).collect(),
        Holds::Providers => document.as_object().map_or_else(Vec::new, |providers| {
            providers.iter().filter_map(|(provider, entry)| read_provider(provider, entry)).collect()
        }),
    }
}

fn read_field(field: &Field, document: &Value) -> Option<Found> {
    let at = |pointer: Option<&str>| pointer.and_then(|pointer| document.pointer(pointer));
    Some(Found {
        provider: field.provider.to_owned(),
        kind: field.kind,
        value: secret(at(Some(field.value)))?,
        expires: at(field.expires).and_then(end),
        renewable: secret(at(field.refresh)).is_some(),
    })
}

fn read_provider(provider: &str, entry: &Value) -> Option<Found> {
    let found = |kind, value| Found {
        provider: provider.to_owned(),
        kind,
        value,
        expires: entry.get("expires").and_then(end),
        renewable: secret(entry.get("refresh")).is_some(),
    };
    match entry.get("type").and_then(Value::as_str) {
        // Pi takes a key that begins with `!` for a command to run.
        Some("api" | "api_key") => {
            secret(entry.get("key")).filter(|key| !key.starts_with('!')).map(|key| found(ApiKey, key))
        }
        Some("oauth") => secret(entry.get("access")).map(|token| found(Oauth, token)),
        Some(_) | None => None,
    }
}

fn secret(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// When something ends: milliseconds, or seconds where the number is too small for that, or RFC 3339, as a number or a
/// string; 0 and less is never.
fn end(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            Err(_) => return Timestamp::parse(text.trim()),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // 100,000,000,000 is March 1973 in milliseconds and the year 5138 in seconds.
    let milliseconds = if number < 1e11 { number * 1000.0 } else { number };
    (number.is_finite() && number > 0.0).then_some(Timestamp(milliseconds as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ends(value: Value) -> Option<i64> {
        end(&value).map(|time| time.0)
    }

    #[test]
    fn an_end_is_read_in_every_form() {
        assert_eq!(ends(json!(1_750_000_000_000_i64)), Some(1_750_000_000_000));
        assert_eq!(ends(json!(1_750_000_000_123.75)), Some(1_750_000_000_123));
        assert_eq!(ends(json!(1_750_000_000)), Some(1_750_000_000_000));
        assert_eq!(ends(json!("1750000000000")), Some(1_750_000_000_000));
        assert_eq!(ends(json!("2025-06-15T15:06:40Z")), Some(1_750_000_000_000));
        assert_eq!(ends(json!("2025-06-15T17:06:40.000+02:00")), Some(1_750_000_000_000));
        // A GitHub token has `expires: 0` and never ends.
        for never in [json!(0), json!(-5), json!("soon"), json!("NaN"), json!(null), json!([1]), json!("")] {
            assert_eq!(ends(never.clone()), None, "{never}");
        }
    }

    #[test]
    fn a_variable_is_named_so_that_a_shell_takes_it() {
        assert_eq!(exported("amp", ApiKey), ["AMP_API_KEY"]);
        assert_eq!(exported("my provider;$(id)", ApiKey), ["MY_PROVIDER___ID__API_KEY"]);
        assert_eq!(exported("1st", ApiKey), [""; 0]);
        assert_eq!(exported("", ApiKey), [""; 0]);
        assert_eq!(exported("anthropic", Oauth), ["CLAUDE_CODE_OAUTH_TOKEN"]);
        assert_eq!(exported("github-copilot", Oauth), [""; 0]);
    }

    #[test]
    fn a_folder_comes_from_its_variable_and_else_from_home() {
        let file = &login("codex").unwrap().files[0];
        let at = |codex: Option<&str>, home: Option<&str>| {
            path(file, &|name| match name {
                "CODEX_HOME" => codex.map(Into::into),
                "HOME" => home.map(Into::into),
                _ => None,
            })
        };
        assert_eq!(at(Some("/c"), Some("/h")), Some("/c/auth.json".into()));
        assert_eq!(at(Some(""), Some("/h")), Some("/h/.codex/auth.json".into()));
        assert_eq!(at(Some("here"), Some("/h")), Some("/h/.codex/auth.json".into()));
        assert_eq!(at(None, None), None);
    }

    #[test]
    fn whatever_stands_in_a_file_nothing_breaks() {
        let odd = [
            json!(null),
            json!([]),
            json!("text"),
            json!({"anthropic": 1, "openai": {"type": "api"}, "x": {"type": "wellknown", "key": "k", "token": "t"}}),
            json!({"claudeAiOauth": {"accessToken": 5}, "tokens": [], "OPENAI_API_KEY": {"a": 1}}),
            json!({"claudeAiOauth": {"accessToken": "  "}, "OPENAI_API_KEY": ""}),
        ];
        for document in &odd {
            for file in LOGINS.iter().flat_map(|login| login.files) {
                assert!(read(&file.holds, document).is_empty(), "{document}");
            }
        }
        let command = json!({"anthropic": {"type": "api_key", "key": "!pass show anthropic"}});
        assert!(read(&Holds::Providers, &command).is_empty());
    }
}
