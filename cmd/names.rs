//! How an argument names a session: exactly, by a unique prefix of a generated name, or `@last`.

use engine::Failure;
use schema::ids::{GENERATED, SessionId};
use store::{Session, Store};

use crate::context::no_session;

/// Finds a session for a command that reads.
pub(crate) fn find(store: &Store, name: &str) -> Result<Session, Failure> {
    if name == "@last" {
        return last(store)?.ok_or_else(|| no_session(name).hint("no session has run in this directory"));
    }
    if let Some(session) = store.session(name)? {
        return Ok(session);
    }
    if name.len() > GENERATED.len() && name.starts_with(GENERATED) {
        let found = store.sessions_with_prefix(name)?;
        match found.as_slice() {
            [] => {}
            [one] => return store.session(one)?.ok_or_else(|| no_session(name)),
            several => {
                let list: Vec<&str> = several.iter().take(10).map(String::as_str).collect();
                return Err(Failure::usage(format!("failed to choose a session: `{name}` begins {}", list.join(", "))));
            }
        }
    }
    SessionId::parse(name).map_err(|error| Failure::usage(error.to_string()))?;
    Err(no_session(name))
}

/// Finds a session for a command that changes it: only by its exact name or `@last`.
pub(crate) fn find_exact(store: &Store, name: &str) -> Result<Session, Failure> {
    if name == "@last" {
        return find(store, name);
    }
    match store.session(name)? {
        Some(session) => Ok(session),
        None if name.starts_with(GENERATED) && !store.sessions_with_prefix(name)?.is_empty() => {
            Err(no_session(name).hint("this command takes whole names only; `sessions list` has them"))
        }
        None => Err(no_session(name)),
    }
}

/// The session of this directory that was written last.
pub(crate) fn last(store: &Store) -> Result<Option<Session>, Failure> {
    let here = working_directory()?;
    Ok(store.sessions()?.into_iter().find(|session| session.cwd == here))
}

/// Where we are, canonical.
pub(crate) fn working_directory() -> Result<String, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::usage(format!("failed to tell the working directory: {error}")))?;
    utf8(&here)
}

/// A path as text; the store and the agents' protocols know no other.
pub(crate) fn utf8(path: &std::path::Path) -> Result<String, Failure> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::usage(format!("failed to use {}: the path is not UTF-8", path.display())))
}
