//! Flag, environment, project file, user file, default: who says what, and what a project may say.

use std::path::{Path, PathBuf};

use engine::Failure;
use host::env::{self, Name};
use schema::event::PermissionMode;
use serde::Deserialize;

use crate::out::Output;

/// The user's `config.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFile {
    agent: Option<String>,
    model: Option<String>,
    mode: Option<String>,
    effort: Option<String>,
    permission_mode: Option<String>,
    on_ask: Option<String>,
    output: Option<String>,
    timeout: Option<String>,
    idle_timeout: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    retention: Retention,
}

/// `.sandbox-agent.toml`: a stranger's clone must not run code, so it may narrow and name, no more.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectFile {
    model: Option<String>,
    mode: Option<String>,
    effort: Option<String>,
    permission_mode: Option<String>,
    #[serde(default)]
    deny: Vec<String>,
}

/// `--policy FILE`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    pub(crate) permission_mode: Option<String>,
    pub(crate) on_ask: Option<String>,
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    #[serde(default)]
    pub(crate) deny: Vec<String>,
}

/// Reads a policy that was named: a missing file is an error.
pub(crate) fn policy_file(path: &Path) -> Result<PolicyFile, Failure> {
    read_file(path)?.ok_or_else(|| {
        Failure::new(
            schema::outcome::ErrorCode::NotFound,
            format!("failed to read {}: there is no such file", path.display()),
        )
    })
}

/// What is pruned in passing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    /// Sessions not written for so long.
    pub(crate) older_than: Option<String>,
    /// All but so many.
    pub(crate) keep: Option<usize>,
}

/// What the files say; flags and environment are looked at where they are used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    user: UserFile,
    project: ProjectFile,
    project_path: PathBuf,
}

const PROJECT: &str = ".sandbox-agent.toml";

impl Settings {
    /// Reads the user's file. A missing one says nothing; one that cannot be read is an error, because it may hold deny rules.
    pub(crate) fn read() -> Result<Settings, Failure> {
        let user = match host::paths::config() {
            Ok(directory) => read_file(&directory.join("config.toml"))?.unwrap_or_default(),
            // Without a home there is no configuration.
            Err(_) => UserFile::default(),
        };
        Ok(Settings { user, ..Settings::default() })
    }

    /// Reads the project's file too: it is for those who start an agent there, and troubles nobody else.
    pub(crate) fn with_project(self) -> Result<Settings, Failure> {
        let (project_path, project) = match find_project() {
            Some(path) => {
                let file = read_file::<ProjectFile>(&path).map_err(|failure| {
                    failure
                        .hint("a project file may hold model, mode, effort, deny and a narrower permission_mode only")
                })?;
                (path, file.unwrap_or_default())
            }
            None => (PathBuf::new(), ProjectFile::default()),
        };
        if let Some(mode) = &project.permission_mode {
            match PermissionMode::parse(mode) {
                Some(PermissionMode::ReadOnly | PermissionMode::Ask) => {}
                Some(PermissionMode::AcceptEdits | PermissionMode::Auto | PermissionMode::Bypass) | None => {
                    return Err(Failure::usage(format!(
                        "failed to use {}: permission_mode `{mode}` would widen what the agent may do",
                        project_path.display()
                    ))
                    .hint("a project may only say read-only or ask; use --permission-mode yourself"));
                }
            }
        }
        Ok(Settings { project, project_path, ..self })
    }

    /// `output`, which acts only on a terminal.
    pub(crate) fn output(&self) -> Option<Output> {
        match self.user.output.as_deref() {
            Some("text") => Some(Output::Text),
            Some(_) | None => None,
        }
    }

    /// The agent: environment, user file.
    pub(crate) fn agent(&self) -> Option<String> {
        let named = env::var(Name::Agent).map(|agent| agent.to_string_lossy().into_owned());
        named.or_else(|| self.user.agent.clone())
    }

    pub(crate) fn model(&self) -> Option<&str> {
        self.project.model.as_deref().or(self.user.model.as_deref())
    }

    pub(crate) fn mode(&self) -> Option<&str> {
        self.project.mode.as_deref().or(self.user.mode.as_deref())
    }

    pub(crate) fn effort(&self) -> Option<&str> {
        self.project.effort.as_deref().or(self.user.effort.as_deref())
    }

    pub(crate) fn timeout(&self) -> Option<&str> {
        self.user.timeout.as_deref()
    }

    pub(crate) fn idle_timeout(&self) -> Option<&str> {
        self.user.idle_timeout.as_deref()
    }

    pub(crate) fn on_ask(&self) -> Option<&str> {
        self.user.on_ask.as_deref()
    }

    pub(crate) fn allow(&self) -> &[String] {
        &self.user.allow
    }

    /// Deny rules of both files: they only ever add up.
    pub(crate) fn deny(&self) -> impl Iterator<Item = &String> {
        self.user.deny.iter().chain(&self.project.deny)
    }

    pub(crate) fn retention(&self) -> &Retention {
        &self.user.retention
    }

    /// The permission mode: the flag, else the user's file, else `ask`; a project can only narrow it.
    pub(crate) fn permission_mode(&self, flag: Option<PermissionMode>) -> Result<PermissionMode, Failure> {
        let chosen = match (flag, &self.user.permission_mode) {
            (Some(mode), _) => mode,
            (None, Some(word)) => PermissionMode::parse(word)
                .ok_or_else(|| Failure::usage(format!("failed to use config.toml: `{word}` is no permission mode")))?,
            (None, None) => PermissionMode::Ask,
        };
        let narrow = self.project.permission_mode.as_deref().and_then(PermissionMode::parse);
        let width = |mode: PermissionMode| PermissionMode::ALL.iter().position(|other| *other == mode);
        Ok(match narrow {
            Some(narrow) if width(narrow) < width(chosen) => {
                log::info!("{} narrows the permission mode to {}", self.project_path.display(), narrow.as_str());
                narrow
            }
            Some(_) | None => chosen,
        })
    }
}

fn read_file<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format!("failed to read {}: {error}", path.display()))),
    };
    toml::from_str(&text).map(Some).map_err(|error| {
        let why = error.message().lines().next().unwrap_or_default().to_owned();
        Failure::usage(format!("failed to use {}: {why}", path.display()))
    })
}

/// The nearest project file, up to the repository's root.
fn find_project() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    for directory in here.ancestors() {
        let file = directory.join(PROJECT);
        if file.exists() {
            return Some(file);
        }
        if directory.join(".git").exists() {
            return None;
        }
    }
    None
}
