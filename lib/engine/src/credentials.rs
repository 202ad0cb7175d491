//! What an agent can log in with, found in the places that its table names and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use agents::credentials::{Found, Login, path, read};
use schema::time::Timestamp;

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
