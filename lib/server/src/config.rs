//! MCP servers and skills of a directory, as existing clients set them: kept beside the store, and given to each session that begins there.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::keeper::New;
use engine::process::{self, Launch, Once, Stdin};
use engine::{Failure, Places};
use files::{Content, Root, WriteOptions};
use hyper::StatusCode;
use schema::process::Limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

use crate::body::{json as answer_json, nothing};
use crate::listen::Server;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Work};

/// How long a repository may take to come.
const FETCH: Duration = Duration::from_secs(120);

/// What is kept for a directory. It lies with the store and not in the directory: an agent that works there, or whoever wrote
/// what was cloned there, is not to say what the next session runs.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    directory: String,
    mcp: BTreeMap<String, Value>,
    skills: BTreeMap<String, Value>,
}

/// An MCP server: a program on stdio (`local`), or an address (`remote`).
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mcp {
    r#type: String,
    command: Option<Words>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
    cwd: Option<String>,
    enabled: Option<bool>,
    /// How long it may take for a call, where the agent takes that.
    timeout_ms: Option<u64>,
    url: Option<String>,
    /// `http` or `sse`.
    transport: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    bearer_token_env_var: Option<String>,
    env_headers: Option<BTreeMap<String, String>>,
    oauth: Option<Value>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Words {
    One(String),
    All(Vec<String>),
}

/// Where skills come from.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Skills {
    sources: Vec<Source>,
}

/// A directory of skills: of this machine (`local`), of a git repository (`git`), of one of GitHub's (`github`, `OWNER/NAME`).
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Source {
    r#type: String,
    source: String,
    /// Only these; else all that are found.
    skills: Option<Vec<String>>,
    r#ref: Option<String>,
    subpath: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Mcp,
    Skills,
}

impl Kept {
    fn part(&mut self, part: Part) -> &mut BTreeMap<String, Value> {
        match part {
            Part::Mcp => &mut self.mcp,
            Part::Skills => &mut self.skills,
        }
    }
}

/// `GET /v1/config/mcp`.
pub(crate) fn mcp(work: &Work) -> Answer {
    show(work, Part::Mcp)
}

/// `PUT /v1/config/mcp`.
pub(crate) fn set_mcp(work: &Work) -> Answer {
    set(work, Part::Mcp)
}

/// `DELETE /v1/config/mcp`.
pub(crate) fn delete_mcp(work: &Work) -> Answer {
    change(work, Part::Mcp, None)
}

/// `GET /v1/config/skills`.
pub(crate) fn skills(work: &Work) -> Answer {
    show(work, Part::Skills)
}

/// `PUT /v1/config/skills`.
pub(crate) fn set_skills(work: &Work) -> Answer {
    set(work, Part::Skills)
}

/// `DELETE /v1/config/skills`.
pub(crate) fn delete_skills(work: &Work) -> Answer {
    change(work, Part::Skills, None)
}

fn asked(work: &Work, part: Part) -> Result<(PathBuf, &str), Problem> {
    let name = work.query.needed(if part == Part::Mcp { "mcpName" } else { "skillName" })?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(Problem::invalid("failed to use the name: letters, digits, `_` and `-` only"));
    }
    Ok((directory(work.query.needed("directory")?)?, name))
}

fn directory(named: &str) -> Result<PathBuf, Problem> {
    let failed = |error: std::io::Error| {
        let kind = if error.raw_os_error() == Some(2) { Kind::NotFound } else { Kind::InvalidRequest };
        Problem::new(kind, format!("failed to enter the directory {}: {error}", named.escape_debug()))
    };
    let real = Path::new(named).canonicalize().map_err(failed)?;
    if real.is_dir() && real.to_str().is_some() {
        return Ok(real);
    }
    Err(Problem::invalid(format!("failed to enter the directory {}: it is none", named.escape_debug())))
}

fn show(work: &Work, part: Part) -> Answer {
    let (directory, name) = asked(work, part)?;
    let mut kept = read(work.store(), &directory)?;
    match kept.part(part).remove(name) {
        Some(value) => Ok(answer_json(StatusCode::OK, &value)),
        None => Err(missing(name, &directory)),
    }
}

fn missing(name: &str, directory: &Path) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no `{name}` for {}", directory.display()))
}

fn set(work: &Work, part: Part) -> Answer {
    let value: Value = work.json()?;
    let wrong = |error: serde_json::Error| Problem::invalid(format!("failed to read the body: {error}"));
    match part {
        Part::Mcp => {
            let (_, name) = asked(work, part)?;
            let told = told(&serde_json::from_value(value.clone()).map_err(wrong)?)?.unwrap_or_default();
            if told != Value::Null {
                let file = json!({ "mcpServers": { name: told } }).to_string();
                let error = agents::mcp::read(&file, &|_| Some(String::new())).err();
                error.map_or(Ok(()), |error| Err(Problem::invalid(format!("failed to use the body: {error}"))))?;
            }
        }
        Part::Skills => {
            let Skills { sources } = serde_json::from_value(value.clone()).map_err(wrong)?;
            for source in &sources {
                source.address()?;
            }
        }
    }
    change(work, part, Some(value))
}

/// Sets or removes one, and writes what sessions are given from now on.
fn change(work: &Work, part: Part, value: Option<Value>) -> Answer {
    let (directory, name) = asked(work, part)?;
    let _one = work.server.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut kept = read(work.store(), &directory)?;
    kept.directory = directory.display().to_string();
    let was = kept.part(part).remove(name);
    if value.is_none() && was.is_none() {
        return Err(missing(name, &directory));
    }
    kept.part(part).extend(value.map(|value| (name.to_owned(), value)));
    let mut servers = Map::new();
    for (name, value) in &kept.mcp {
        let mcp = serde_json::from_value(value.clone()).map_err(|error| damaged(&directory, &error))?;
        servers.extend(told(&mcp)?.map(|told| (name.clone(), told)));
    }
    let text = serde_json::to_string(&kept).expect("it has string keys");
    write(work.store(), &directory, "json", &text)?;
    // Sessions that began here know this file: it stays, and what is in it is what their next owner gives them.
    write(work.store(), &directory, "mcp.json", &json!({ "mcpServers": servers }).to_string())?;
    Ok(nothing())
}

/// As `--mcp` takes it; nothing, where it is switched off.
fn told(mcp: &Mcp) -> Result<Option<Value>, Problem> {
    let wrong = |why: &str| Err(Problem::invalid(format!("failed to use the body: {why}")));
    let is_local = match mcp.r#type.as_str() {
        "local" | "stdio" => true,
        "remote" | "http" => false,
        _ => return wrong("its type is local or remote"),
    };
    let mut told = if is_local {
        let mut words = match &mcp.command {
            Some(Words::One(word)) => vec![word.clone()],
            Some(Words::All(words)) => words.clone(),
            None => Vec::new(),
        };
        words.extend(mcp.args.iter().cloned());
        if words.first().is_none_or(|word| word.trim().is_empty()) {
            return wrong("a local server has a command");
        }
        if mcp.url.is_some() || mcp.headers.is_some() || mcp.env_headers.is_some() || mcp.bearer_token_env_var.is_some()
        {
            return wrong("a local server has no url and no headers");
        }
        if let Some(cwd) = &mcp.cwd {
            // No agent takes a directory for a server.
            let enter = ["sh", "-c", "cd \"$0\" && exec \"$@\"", cwd.as_str()];
            words.splice(0..0, enter.map(str::to_owned));
        }
        let command = words.remove(0);
        json!({ "type": "stdio", "command": command, "args": words, "env": mcp.env.clone().unwrap_or_default() })
    } else {
        let Some(url) = &mcp.url else { return wrong("a remote server has a url") };
        if mcp.command.is_some() || mcp.cwd.is_some() || mcp.env.is_some() || !mcp.args.is_empty() {
            return wrong("a remote server has no command");
        }
        if !matches!(&mcp.oauth, None | Some(Value::Null | Value::Bool(false))) {
            return wrong(
                "a login by oauth is the agent's own matter; headers, envHeaders and bearerTokenEnvVar are told to it",
            );
        }
        let kind = match mcp.transport.as_deref() {
            None | Some("http" | "streamable-http" | "streamableHttp") => "http",
            Some("sse") => "sse",
            Some(_) => return wrong("its transport is http or sse"),
        };
        let mut headers = mcp.headers.clone().unwrap_or_default();
        if let Some(variable) = &mcp.bearer_token_env_var {
            headers.insert("Authorization".to_owned(), format!("Bearer ${{{variable}}}"));
        }
        let named = mcp.env_headers.iter().flatten();
        headers.extend(named.map(|(name, variable)| (name.clone(), format!("${{{variable}}}"))));
        json!({ "type": kind, "url": url, "headers": headers })
    };
    if let Some(timeout) = mcp.timeout_ms.filter(|timeout| *timeout > 0) {
        told["timeout"] = json!(timeout);
    }
    Ok(Some(told).filter(|_| mcp.enabled != Some(false)))
}

/// Gives a session that is to begin what its directory has, as far as its agent takes it.
pub(crate) fn equip(server: &Server, store: &Path, new: &mut New) -> Result<(), Failure> {
    let here = new.cwd.as_deref().unwrap_or(".");
    // One that is none is told by whoever begins the session.
    let Ok(directory) = directory(here) else { return Ok(()) };
    let kept = read(store, &directory).map_err(failure)?;
    // (What is no agent is told by whoever begins the session.)
    let named = new.agent.as_deref().unwrap_or_default();
    let agent = agents::registry::named(named);
    let takes = |what: fn(&agents::card::Capabilities) -> bool| agent.is_none_or(|agent| what(&agent.card().can));
    if !kept.mcp.is_empty() && takes(|can| can.mcp) {
        new.mcp.push(place(store, &directory, "mcp.json").display().to_string());
    }
    if takes(|can| can.skills) {
        for value in kept.skills.values() {
            let Skills { sources } =
                serde_json::from_value(value.clone()).map_err(|error| failure(damaged(&directory, &error)))?;
            for source in sources {
                new.skills.extend(source.folders(server, store, &directory).map_err(failure)?);
            }
        }
    }
    Ok(())
}

fn failure(problem: Problem) -> Failure {
    Failure::usage(problem.detail().to_owned())
}

impl Source {
    /// What is cloned; nothing for a directory of this machine.
    fn address(&self) -> Result<Option<String>, Problem> {
        let wrong = |why: &str| Err(Problem::invalid(format!("failed to use {}: {why}", self.source.escape_debug())));
        let is_word = |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains('\0');
        let inside =
            self.subpath.iter().all(|path| !Path::new(path).is_absolute() && !path.split('/').any(|word| word == ".."));
        if !is_word(&self.source) || !self.r#ref.iter().all(|name| is_word(name)) || !inside {
            return wrong("the source, its ref or its subpath is none");
        }
        match self.r#type.as_str() {
            "local" => Ok(None),
            "git" => Ok(Some(self.source.clone())),
            "github"
                if self.source.split('/').filter(|word| is_word(word)).count() == 2
                    && self.source.matches('/').count() == 1 =>
            {
                Ok(Some(format!("https://github.com/{}.git", self.source)))
            }
            "github" => wrong("it is OWNER/NAME"),
            _ => wrong("its type is one of github, git, local"),
        }
    }

    /// The folders of its skills.
    fn folders(&self, server: &Server, store: &Path, directory: &Path) -> Result<Vec<String>, Problem> {
        let base = match self.address()? {
            None => directory.join(&self.source),
            Some(address) => self.fetched(server, store, &address)?,
        };
        let base = self.subpath.as_ref().map_or(base.clone(), |path| base.join(path));
        let wrong = |why: String| Problem::invalid(format!("failed to find skills in {}: {why}", base.display()));
        let is_skill = |folder: &PathBuf| folder.join("SKILL.md").is_file();
        let below = |folder: PathBuf| {
            let mut found: Vec<PathBuf> =
                std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            found.retain(|folder| is_skill(folder));
            found.sort();
            found
        };
        // The directory itself, what is in its `skills`, or what is in it: whichever there is.
        let mut found: Vec<PathBuf> = [base.clone()].into_iter().filter(|base| is_skill(base)).collect();
        for folder in [base.join("skills"), base.clone()] {
            if found.is_empty() {
                found = below(folder);
            }
        }
        let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(wanted) = self.skills.as_ref().filter(|wanted| !wanted.is_empty()) {
            if let Some(missing) = wanted.iter().find(|wanted| !found.iter().any(|folder| name(folder) == **wanted)) {
                return Err(wrong(format!("there is no `{}`", missing.escape_debug())));
            }
            found.retain(|folder| wanted.contains(&name(folder)));
        }
        if found.is_empty() {
            return Err(wrong("nothing in it has a SKILL.md".to_owned()));
        }
        let real = |folder: PathBuf| folder.canonicalize().ok()?.to_str().map(str::to_owned);
        Ok(found.into_iter().filter_map(real).collect())
    }

    /// Where a repository lies; it is cloned when it is not there.
    fn fetched(&self, server: &Server, store: &Path, address: &str) -> Result<PathBuf, Problem> {
        let _one = server.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = format!("{address}#{}", self.r#ref.as_deref().unwrap_or_default());
        let folder = Places::beside(store).directory().join(format!("skills-{}", hash(&key)));
        if folder.is_dir() {
            return Ok(folder);
        }
        let partial = folder.with_extension("partial");
        let _ = std::fs::remove_dir_all(&partial);
        let mut command = ["git", "clone", "--quiet", "--depth", "1"].map(str::to_owned).to_vec();
        command.extend(self.r#ref.iter().flat_map(|name| ["--branch".to_owned(), name.clone()]));
        command.extend(["--".to_owned(), address.to_owned(), partial.display().to_string()]);
        let mut env = server.env.clone();
        env.push(("GIT_TERMINAL_PROMPT".into(), "0".into()));
        let launch = Launch { command, env, cwd: "/".into(), limits: Limits::default(), run_as: None };
        let (timeout, grace) = (Some(FETCH), Duration::from_millis(100));
        let once =
            Once { launch, stdin: Stdin::Nothing, timeout, grace, max_output: 4096, stream: false, hired: false };
        let unable =
            |why: String| Problem::new(Kind::Unavailable, format!("failed to fetch {}: {why}", address.escape_debug()));
        let (_reader, gone) = std::io::pipe().map_err(|error| unable(error.to_string()))?;
        let done = process::run(&once, gone.as_fd(), Box::new(|_| true)).map_err(Failure::from)?;
        if done.result.exit_code != Some(0) {
            return Err(unable(done.result.stderr.unwrap_or_default().trim().to_owned()));
        }
        std::fs::rename(&partial, &folder).map_err(|error| unable(error.to_string()))?;
        Ok(folder)
    }
}

fn hash(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn place(store: &Path, directory: &Path, kind: &str) -> PathBuf {
    let name = format!("config-{}.{kind}", hash(&directory.display().to_string()));
    let path = Places::beside(store).directory().join(name);
    std::path::absolute(&path).unwrap_or(path)
}

fn read(store: &Path, directory: &Path) -> Result<Kept, Problem> {
    let path = place(store, directory, "json");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| damaged(directory, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(source) => Err(files::Error::Kernel { action: "read", path, source }.into()),
    }
}

fn write(store: &Path, directory: &Path, kind: &str, text: &str) -> Result<(), Problem> {
    let path = place(store, directory, kind);
    let root = Root::free(Places::beside(store).directory())?;
    let options = WriteOptions { mode: Some(0o600), ..WriteOptions::default() };
    files::write(&root, &path, Content::Stream(&mut text.as_bytes()), &options)?;
    Ok(())
}

fn damaged(directory: &Path, error: &serde_json::Error) -> Problem {
    Problem::new(Kind::Store, format!("failed to read the configuration of {}: {error}", directory.display()))
}
