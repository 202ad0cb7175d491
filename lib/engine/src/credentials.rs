//! What an agent can log in with, found in the places that its table names and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use agents::credentials::{Found, Login, Secret, exported, path, read};
use schema::record::CredentialKind;
use schema::time::Timestamp;
use serde_json::{Value, json};

/// What was found in the places of one agent.
#[derive(Default)]
pub struct Search {
    /// Credentials with where they were found: the environment before the agent's own login.
    pub found: Vec<Credential>,
    /// Places that are there and could not be read.
    pub errors: Vec<Error>,
}

/// A credential and where it was found.
#[derive(Clone)]
pub struct Credential {
    /// What it is.
    pub found: Found,
    /// Where it is.
    pub source: Source,
}

/// Where a credential is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A variable, and whether the agent reads it.
    Variable(&'static str, bool),
    /// A file of the agent's own login.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Variable(name, _) => write!(f, "env:{name}"),
            Source::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A place that is there and cannot be read; nothing of it stands in the message. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] host::Error),
    /// It is no JSON.
    #[error("read {path}: it is no JSON (line {line}, column {column})")]
    NoJson {
        /// The file.
        path: PathBuf,
        /// Where it stops to be JSON, from 1.
        line: usize,
        /// The column there, from 1.
        column: usize,
    },
    /// The variable is no text.
    #[error("read {0}: its value is no text (UTF-8)")]
    NoText(&'static str),
}

impl Error {
    /// The message with its causes.
    pub fn message(&self) -> String {
        format!("failed to {}", crate::session::chain(self))
    }
}

impl Search {
    /// Looks into the agent's places. `variable` is the environment in which the agent runs.
    pub fn of(login: &Login, variable: &dyn Fn(&str) -> Option<OsString>) -> Search {
        let mut search = Search::default();
        for place in login.variables {
            // Empty counts as unset, as for the agents themselves.
            let Some(value) = variable(place.name).filter(|value| !value.is_empty()) else { continue };
            match value.into_string() {
                Ok(value) if value.trim().is_empty() => {}
                Ok(value) => search.found.push(Credential {
                    found: Found {
                        provider: place.provider.to_owned(),
                        kind: place.kind,
                        value,
                        expires: None,
                        renewable: false,
                    },
                    source: Source::Variable(place.name, place.read),
                }),
                Err(_) => search.errors.push(Error::NoText(place.name)),
            }
        }
        for file in login.files {
            let Some(path) = path(file, variable) else { continue };
            match host::secrets::read(&path) {
                Ok(None) => {}
                Ok(Some(text)) => match serde_json::from_str(&text) {
                    Ok(document) => search.found.extend(
                        read(&file.holds, &document)
                            .into_iter()
                            .map(|found| Credential { found, source: Source::File(path.clone()) }),
                    ),
                    Err(error) => {
                        // The message of the parser may hold what it read.
                        let (line, column) = (error.line(), error.column());
                        search.errors.push(Error::NoJson { path, line, column });
                    }
                },
                Err(error) => search.errors.push(error.into()),
            }
        }
        search
    }

    /// Whether the agent is logged in by itself.
    pub fn own_login(&self, now: Timestamp) -> bool {
        self.found.iter().any(|credential| matches!(credential.source, Source::File(_)) && credential.found.usable(now))
    }
}

/// What a run gives its agent to log in with.
#[derive(Default)]
pub struct Handed {
    /// Variables for its environment.
    pub set: Vec<(String, String)>,
    /// Variables that would be used in their place.
    pub unset: Vec<String>,
    /// A key for an agent that takes none from its environment.
    pub api_key: Option<Secret>,
    /// What `session.started` says of it: sources, never a value.
    pub told: Vec<Value>,
    /// The values, so that they are never stored.
    pub secrets: Vec<String>,
}

impl Handed {
    /// What the environment holds for the agent. Unless it has its own login, what it would not read is given in its way.
    pub fn environment(&mut self, target: &Login, own: &Search, own_login: bool) {
        for credential in &own.found {
            let Source::Variable(name, read) = credential.source else { continue };
            let found = &credential.found;
            self.secrets.push(found.value.clone());
            let known = self.told.iter().any(|told| told["provider"] == found.provider.as_str());
            if own_login || known || self.unset.iter().any(|gone| gone == name) {
                continue;
            }
            let taken = if read { Some(name) } else { self.give(target, found) };
            self.tell(credential, None, taken);
        }
    }

    /// What another agent has and this one can use; `false` where that is nothing.
    pub fn from(&mut self, target: Option<&Login>, agent: &str, search: &Search, now: Timestamp) -> bool {
        for credential in &search.found {
            let found = &credential.found;
            let known = self.told.iter().any(|told| told["provider"] == found.provider.as_str());
            if known || found.expired(now) {
                continue;
            }
            match target {
                Some(target) => {
                    let takes = |variable: &&agents::credentials::Variable| {
                        variable.provider == found.provider && variable.kind == found.kind
                    };
                    if target.variables.iter().any(|variable| takes(&variable)) {
                        let others = target.variables.iter().filter(|variable| variable.provider == found.provider);
                        self.unset.extend(others.map(|variable| variable.name.to_owned()));
                        let name = self.give(target, found);
                        self.tell(credential, Some(agent), name);
                    }
                }
                // Nothing is known of it: it gets the usual variables.
                None => {
                    let names = exported(&found.provider, found.kind);
                    if let Some(name) = names.first() {
                        self.tell(credential, Some(agent), Some(name));
                    }
                    self.set.extend(names.into_iter().map(|name| (name, found.value.clone())));
                }
            }
        }
        !self.told.is_empty()
    }

    /// Gives a credential in the way in which the agent takes it; says the variable.
    fn give(&mut self, target: &Login, found: &Found) -> Option<&'static str> {
        let mut takes = target
            .variables
            .iter()
            .filter(|variable| variable.read && variable.provider == found.provider && variable.kind == found.kind);
        // The last of several tokens is the one of a login (`CLAUDE_CODE_OAUTH_TOKEN`), the first of several keys the usual.
        let variable = match found.kind {
            CredentialKind::ApiKey => takes.next(),
            CredentialKind::Oauth => takes.next_back(),
        };
        match variable {
            Some(variable) => {
                self.unset.retain(|name| name != variable.name);
                self.set.push((variable.name.to_owned(), found.value.clone()));
                Some(variable.name)
            }
            None => {
                self.api_key = Some(Secret(found.value.clone()));
                None
            }
        }
    }

    fn tell(&mut self, credential: &Credential, agent: Option<&str>, variable: Option<&str>) {
        let found = &credential.found;
        self.secrets.push(found.value.clone());
        let source = credential.source.to_string();
        let mut told = json!({ "provider": found.provider, "kind": found.kind, "source": source });
        if let Some(agent) = agent {
            told["agent"] = json!(agent);
        }
        if let Some(variable) = variable {
            told["variable"] = json!(variable);
        }
        self.told.push(told);
    }
}

/// Whether a variable of this name and value holds a secret, as far as that can be told.
pub fn is_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 8] = ["KEY", "TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL", "COOKIE", "AUTH"];
    let name = name.to_ascii_uppercase();
    // The path of a key file or of an agent's socket is none.
    let is_path = value.starts_with('/') && std::path::Path::new(value).exists();
    WORDS.iter().any(|word| name.contains(word)) && !name.contains("AUTHOR") && !is_path
}
