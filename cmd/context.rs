//! What every command may ask for: where the store is, how to print.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use engine::Failure;
use engine::owner::mend;
use host::detach::Ready;
use host::env::{self, Name};
use schema::outcome::ErrorCode;
use schema::time::parse_duration;
use store::{Access, Session, Store};

use crate::cli::Global;
use crate::names;
use crate::out::Output;
use crate::settings::Settings;

/// What the flags for all commands and the environment say.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) settings: Settings,
    store: Option<PathBuf>,
    /// Nobody chose how to print.
    unchosen: bool,
    /// Whoever started us in the background waits for a line.
    ready: Rc<Cell<Option<Ready>>>,
}

impl Context {
    /// Reads the configuration.
    pub(crate) fn new(global: &Global, ready: Rc<Cell<Option<Ready>>>) -> Result<Context, Failure> {
        let settings = Settings::read()?;
        let output = match (global.output, global.json, settings.output()) {
            (Some(output), _, _) => output,
            (None, true, _) => Output::Ndjson,
            (None, false, Some(output)) if crate::out::stdout_is_terminal() => output,
            (None, false, _) => Output::Ndjson,
        };
        let unchosen = global.output.is_none() && !global.json && output == Output::Ndjson;
        Ok(Context { output, settings, store: global.store.clone(), unchosen, ready })
    }

    /// For another command than the one that was typed.
    pub(crate) fn of_store(store: &std::path::Path) -> Result<Context, Failure> {
        let (output, store) = (Output::None, Some(store.to_owned()));
        Ok(Context { output, settings: Settings::read()?, store, unchosen: false, ready: Rc::default() })
    }

    /// With the configuration of the project that we are in.
    pub(crate) fn in_project(self) -> Result<Context, Failure> {
        Ok(Context { settings: self.settings.with_project()?, ..self })
    }

    /// Whether we were started in the background, where nobody sees what we print.
    pub(crate) fn in_background(&self) -> bool {
        let ready = self.ready.take();
        let there = ready.is_some();
        self.ready.set(ready);
        there
    }

    /// The line that whoever started us in the background waits for; once.
    pub(crate) fn ready(&self) -> Option<Ready> {
        self.ready.take()
    }

    /// Tells a person at a terminal, once, why there is JSON.
    pub(crate) fn explain_json(&self) {
        if self.unchosen && crate::out::stdout_is_terminal() {
            crate::out::complain("note: events are printed as JSON lines; `-o text` is for people");
        }
    }

    /// How to print what is for people unless somebody asked for records.
    pub(crate) fn output_for_people(&self) -> Output {
        if self.unchosen { Output::Text } else { self.output }
    }

    /// Where the store is.
    pub(crate) fn store_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.store {
            return std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("failed to use --store: {error}")));
        }
        if let Some(path) = env::var(Name::Store) {
            return std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("failed to use SANDBOX_AGENT_STORE: {error}")));
        }
        let data = host::paths::data()
            .map_err(|error| Failure::from(error).hint("or name a store with --store, or use --ephemeral"))?;
        Ok(data.join("store.db"))
    }

    /// The store, to be written; made where it is missing.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        open_to_write(&self.store_path()?)
    }

    /// The store, to be read; `None` where there is none.
    pub(crate) fn store_to_read(&self) -> Result<Option<Store>, Failure> {
        Ok(engine::follow::open_if_there(&self.store_path()?)?)
    }

    /// A session by its whole name or `@last`, for what changes it; its owner's missing end is written first.
    pub(crate) fn session_exact(&self, name: &str) -> Result<Session, Failure> {
        let store = self.store_to_read()?.ok_or_else(|| no_session(name))?;
        let session = names::find_exact(&store, name)?;
        drop(store);
        Ok(mend(&self.store_path()?, session)?)
    }

    /// A session by name, unique prefix of a generated name, or `@last`; its owner's missing end is written first.
    pub(crate) fn session(&self, name: &str) -> Result<Session, Failure> {
        let store = self.store_to_read()?.ok_or_else(|| no_session(name))?;
        let session = names::find(&store, name)?;
        drop(store);
        Ok(mend(&self.store_path()?, session)?)
    }
}

/// Opens a store to write, and says who holds it up when it has to wait.
pub(crate) fn open_to_write(path: &std::path::Path) -> Result<Store, Failure> {
    let mut store = Store::open(path, Access::Write)?;
    let mut told = false;
    store.set_patience(
        std::time::Duration::from_secs(60),
        Box::new(move |waited, holder| {
            if waited.as_secs() >= 10 && !told {
                told = true;
                let who = holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                log::warn!("{who} has held the store for {} s; waiting up to 60 s", waited.as_secs());
            }
        }),
    );
    Ok(store)
}

/// There is no session of this name.
pub(crate) fn no_session(name: &str) -> Failure {
    Failure::new(ErrorCode::NotFound, format!("failed to find session `{}`", name.escape_debug()))
        .hint("`sandbox-agent sessions list` names the sessions")
}

/// What a duration looks like.
pub(crate) const TIMES: &str = "as in 30s, 10m, 1h";

/// A flag's duration; the hint says what it looks like.
pub(crate) fn duration(flag: &str, text: &str, hint: &str) -> Result<Duration, Failure> {
    parse_duration(text)
        .ok_or_else(|| Failure::usage(format!("failed to use {flag} `{}`", text.escape_debug())).hint(hint))
}
