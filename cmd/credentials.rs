//! `credentials`: what agents can log in with: shown, given to a shell, checked.

use std::ffi::OsString;
use std::path::PathBuf;

use agents::agent::Job;
use agents::credentials::{Folder, LOGINS, Login, exported, login};
use agents::registry;
use clap::{Args, Subcommand};
use engine::Failure;
use engine::credentials::{Credential, Handed, Search, Source};
use schema::outcome::ErrorCode;
use schema::record::{CredentialCheck, CredentialKind, CredentialRecord};
use schema::time::Timestamp;

use crate::context::Context;
use crate::exit::Exit;
use crate::out::{self, Output};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent credentials extract                      what there is, redacted
  eval \"$(sandbox-agent credentials extract-env --export)\"
  docker run --env-file <(sandbox-agent credentials extract-env --agent claude) IMAGE …
  sandbox-agent credentials check --agent codex || codex login
  sandbox-agent credentials extract --agent claude --reveal | jq -r .value

Only the places that an agent itself uses are read: its variables (ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN,
OPENAI_API_KEY, CODEX_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY, XAI_API_KEY, AMP_API_KEY, CURSOR_API_KEY, …) and the
files of its own login (below CLAUDE_CONFIG_DIR, CODEX_HOME, PI_CODING_AGENT_DIR, XDG_DATA_HOME, XDG_CONFIG_HOME, HOME).";

/// What agents can log in with.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct CredentialsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One line a credential, redacted
    Extract {
        #[command(flatten)]
        which: Which,
        /// Print the whole secret
        #[arg(short, long)]
        reveal: bool,
    },
    /// The credentials as variables, quoted for a shell: this prints secrets
    ExtractEnv {
        #[command(flatten)]
        which: Which,
        /// Begin each line with `export`
        #[arg(short, long)]
        export: bool,
    },
    /// One line an agent; exit code 4 when one of them has none
    Check {
        /// Only this agent; repeatable
        #[arg(short, long, value_name = "AGENT")]
        agent: Vec<String>,
        /// Look below this directory instead of HOME
        #[arg(short = 'd', long, value_name = "DIR")]
        home_dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only what this agent can use
    #[arg(short, long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only what this provider issued, such as anthropic
    #[arg(short, long, value_name = "PROVIDER")]
    provider: Option<String>,
    /// Keys only, no tokens of a person's login
    #[arg(long)]
    no_oauth: bool,
    /// Look below this directory instead of HOME, CODEX_HOME and the like
    #[arg(short = 'd', long, value_name = "DIR")]
    home_dir: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn main(context: &Context, args: CredentialsArgs) -> Result<Exit, Failure> {
    match args.verb {
        Verb::Extract { which, reveal } => extract(context, &which, reveal),
        Verb::ExtractEnv { which, export } => extract_env(&which, export),
        Verb::Check { agent, home_dir } => check(context, &agent, home_dir.as_ref()),
    }
}

/// A credential and the agents in whose places it lies.
struct Told {
    credential: Credential,
    agents: Vec<&'static str>,
}

fn extract(context: &Context, which: &Which, reveal: bool) -> Result<Exit, Failure> {
    let (told, troubled) = gather(which)?;
    for Told { credential, agents } in &told {
        let found = &credential.found;
        let record = CredentialRecord {
            provider: found.provider.clone(),
            kind: found.kind,
            source: credential.source.to_string(),
            agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
            variables: variables(credential),
            value: if reveal { found.value.clone() } else { ends(&found.value) },
            redacted: !reveal,
            expires: found.expires.map(|end| end.to_string()),
        };
        let going = if context.output == Output::Text {
            let kind = match record.kind {
                CredentialKind::ApiKey => "key",
                CredentialKind::Oauth => "token",
            };
            let agents = record.agents.join(",");
            out::print_text(&format!(
                "{:<12} {kind:<6} {}  {}  ({agents})\n",
                record.provider,
                record.value.escape_debug(),
                record.source
            ));
            true
        } else {
            out::print_record(&record)
        };
        if !going {
            break;
        }
    }
    finish(which, told.is_empty(), troubled)
}

fn extract_env(which: &Which, export: bool) -> Result<Exit, Failure> {
    let (told, troubled) = gather(which)?;
    let mut given: Vec<String> = Vec::new();
    let mut lines = String::new();
    for Told { credential, .. } in &told {
        let names = variables(credential);
        if names.is_empty() {
            let found = &credential.found;
            out::complain(&format!(
                "note: the {} token from {} is left out: no program takes it from a variable",
                found.provider, credential.source
            ));
        }
        for name in names {
            if given.contains(&name) {
                continue;
            }
            let begin = if export { "export " } else { "" };
            lines.push_str(&format!("{begin}{name}={}\n", quoted(&credential.found.value)));
            given.push(name);
        }
    }
    out::print_text(&lines);
    finish(which, given.is_empty(), troubled)
}

fn check(context: &Context, agents: &[String], home: Option<&PathBuf>) -> Result<Exit, Failure> {
    let named: Vec<&str> = if agents.is_empty() {
        LOGINS.iter().map(|login| login.agent).collect()
    } else {
        agents.iter().map(String::as_str).collect()
    };
    let mut code = 0;
    for agent in named {
        let record = checked(agent, known(agent)?, &environment(home));
        if !record.ok {
            code = ErrorCode::Auth.exit_code();
        }
        if context.output == Output::Text {
            let word = if record.ok { "ok  " } else { "none" };
            let errors = record.errors.iter().map(|error| format!("  ({error})")).collect::<String>();
            out::print_text(&format!("{agent:<10} {word}  {}{errors}\n", record.sources.join("  ")));
        } else if !out::print_record(&record) {
            break;
        }
    }
    Ok(Exit::Code(code))
}

/// What an agent has in this environment; an agent without places needs none.
pub(crate) fn checked(
    agent: &str,
    login: Option<&'static Login>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> CredentialCheck {
    let search = login.map(|login| Search::of(login, variable)).unwrap_or_default();
    let now = Timestamp(host::clock::now_ms());
    // Its own login may be renewed; nothing else can have ended.
    let usable: Vec<&Credential> = search.found.iter().filter(|credential| credential.found.usable(now)).collect();
    let mut providers: Vec<String> = usable.iter().map(|credential| credential.found.provider.clone()).collect();
    providers.sort();
    providers.dedup();
    let mut sources: Vec<String> = usable.iter().map(|credential| credential.source.to_string()).collect();
    sources.dedup();
    CredentialCheck {
        agent: agent.to_owned(),
        ok: login.is_none_or(|login| !login.needed) || !usable.is_empty(),
        own_login: search.own_login(now),
        sources,
        providers,
        errors: search.errors.iter().map(engine::credentials::Error::message).collect(),
    }
}

/// Logs an agent in, by its environment or its job, where it is not logged in by itself: with a key of the environment,
/// or with what the agent `from` has.
pub(crate) fn hand_over(
    agent: &str,
    from: Option<&str>,
    environment: &mut Vec<(OsString, OsString)>,
    job: &mut Job,
) -> Result<Handed, Failure> {
    let now = Timestamp(host::clock::now_ms());
    let target = login(agent);
    let theirs = |name: &str| environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let own = target.map(|target| Search::of(target, &theirs)).unwrap_or_default();
    for error in &own.errors {
        // What it makes of its own files is the agent's affair.
        log::warn!("{}", error.message());
    }
    let mut handed = Handed::default();
    if let Some(from) = from {
        let source =
            known(from)?.ok_or_else(|| Failure::usage(format!("failed to log in as {from}: it has no login")))?;
        if own.own_login(now) {
            out::complain(&format!("note: {agent} has its own login, so nothing of {from} is handed over"));
        } else {
            let search = Search::of(source, &host::env::named);
            if !handed.from(target, from, &search, now) {
                return Err(nothing_of(from, agent, &search));
            }
        }
    }
    if let Some(target) = target {
        handed.environment(target, &own, own.own_login(now));
    }
    environment.retain(|(name, _)| {
        let set = handed.set.iter().any(|(other, _)| name == other.as_str());
        !set && !handed.unset.iter().any(|gone| name == gone.as_str())
    });
    environment.extend(handed.set.iter().map(|(name, value)| (name.into(), value.into())));
    job.api_key = handed.api_key.clone();
    Ok(handed)
}

fn nothing_of(from: &str, agent: &str, search: &Search) -> Failure {
    let mut message = match search.errors.first() {
        Some(error) => error.message(),
        None => format!("failed to hand over credentials of {from}: it has none that {agent} takes"),
    };
    if !search.found.is_empty() {
        let has: Vec<String> =
            search.found.iter().map(|one| format!("{} from {}", one.found.provider, one.source)).collect();
        message = format!("{message} (it has {})", has.join(", "));
    }
    Failure::new(ErrorCode::Auth, message)
        .hint(format!("`sandbox-agent credentials check --agent {from}` says what there is"))
}

/// The places of an agent; `None` where it needs no login.
pub(crate) fn known(agent: &str) -> Result<Option<&'static Login>, Failure> {
    let login = login(agent);
    if login.is_none() && registry::find(agent).is_none() {
        let names: Vec<&str> = LOGINS.iter().map(|login| login.agent).collect();
        return Err(Failure::usage(format!("failed to find agent `{}`", agent.escape_debug()))
            .hint(format!("agents with credentials: {}", names.join(", "))));
    }
    Ok(login)
}

/// Our own environment, or that of another home.
pub(crate) fn environment(home: Option<&PathBuf>) -> impl Fn(&str) -> Option<OsString> {
    let home = home.map(|home| std::path::absolute(home).unwrap_or_else(|_| home.clone()));
    move |name| match &home {
        Some(home) if name == "HOME" => Some(home.clone().into()),
        Some(_) if moves_a_folder(name) => None,
        Some(_) | None => host::env::named(name),
    }
}

fn moves_a_folder(variable: &str) -> bool {
    let folders = LOGINS.iter().flat_map(|login| login.files).flat_map(|file| file.folders);
    folders.into_iter().any(|folder| matches!(folder, Folder::Variable(name, _) if *name == variable))
}

/// What is asked for, each credential once, and whether some place could not be read. What has ended is left out.
fn gather(which: &Which) -> Result<(Vec<Told>, bool), Failure> {
    let logins: Vec<&'static Login> = match &which.agent {
        Some(agent) => known(agent)?.into_iter().collect(),
        None => LOGINS.iter().collect(),
    };
    let variable = environment(which.home_dir.as_ref());
    let now = Timestamp(host::clock::now_ms());
    let mut told: Vec<Told> = Vec::new();
    let mut complaints: Vec<String> = Vec::new();
    let mut troubled = false;
    for login in logins {
        let search = Search::of(login, &variable);
        for error in &search.errors {
            troubled = true;
            complaints.push(format!("error: {}", error.message()));
        }
        for credential in search.found {
            let found = &credential.found;
            if which.provider.as_ref().is_some_and(|provider| *provider != found.provider)
                || (which.no_oauth && found.kind == CredentialKind::Oauth)
            {
                continue;
            }
            if let Some(end) = found.expires.filter(|_| found.expired(now)) {
                complaints.push(format!(
                    "note: the {} token from {} is left out: it ended at {end}",
                    found.provider, credential.source
                ));
                continue;
            }
            let same = |other: &&mut Told| {
                other.credential.source.to_string() == credential.source.to_string() && other.credential.found == *found
            };
            match told.iter_mut().find(same) {
                Some(other) => other.agents.push(login.agent),
                None => told.push(Told { credential, agents: vec![login.agent] }),
            }
        }
    }
    complaints.dedup();
    complaints.iter().for_each(|complaint| out::complain(complaint));
    Ok((told, troubled))
}

/// Who asks for one agent or provider wants something; who asks for everything takes what there is.
fn finish(which: &Which, nothing: bool, troubled: bool) -> Result<Exit, Failure> {
    if troubled {
        return Ok(Exit::Code(1));
    }
    let asked = which.agent.as_ref().or(which.provider.as_ref());
    if let Some(asked) = asked.filter(|_| nothing) {
        out::complain(&format!("error: failed to find credentials of {}", asked.escape_debug()));
        out::complain("hint: log in with the agent's own program, or set its key in the environment");
        return Ok(Exit::Code(ErrorCode::Auth.exit_code()));
    }
    Ok(Exit::Code(0))
}

/// Under which variables a credential is given to others; a token from a variable keeps its own.
fn variables(credential: &Credential) -> Vec<String> {
    match (&credential.source, credential.found.kind) {
        (Source::Variable(name, _), CredentialKind::Oauth) => vec![(*name).to_owned()],
        (Source::Variable(..), CredentialKind::ApiKey) | (Source::File(_), _) => {
            exported(&credential.found.provider, credential.found.kind)
        }
    }
}

/// The ends of a secret, where they do not tell much of it.
fn ends(secret: &str) -> String {
    let chars: Vec<char> = secret.chars().collect();
    if chars.len() < 20 {
        return "****".to_owned();
    }
    let (head, tail) = (chars[..4].iter().collect::<String>(), chars[chars.len() - 4..].iter().collect::<String>());
    format!("{head}…{tail}")
}

/// As a word of a POSIX shell. A plain word stays as it is, for readers that know no quotes (`docker --env-file`).
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(quoted("sk-ant-api03-Ab_9"), "sk-ant-api03-Ab_9");
        assert_eq!(quoted("a; touch x"), "'a; touch x'");
        assert_eq!(quoted("it's $(id) `id` \\ \n !"), "'it'\\''s $(id) `id` \\ \n !'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("~root"), "'~root'");
        assert_eq!(quoted("é"), "'é'");
    }

    #[test]
    fn ends_tell_little() {
        assert_eq!(ends("abcdefghijklmnopqrstuvwxyz"), "abcd…wxyz");
        assert_eq!(ends("short-password"), "****");
    }
}
