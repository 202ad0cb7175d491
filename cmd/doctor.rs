//! `doctor`: what is here and what is wrong with it, one line each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::agent::Agent;
use agents::card::Card;
use agents::registry;
use clap::Args;
use engine::Failure;
use schema::record::{DoctorRecord, DoctorStatus};
use serde_json::{Value, json};
use store::{Access, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::out::{self, Output};
use crate::{credentials, run};

const EXAMPLES: &str = "\
Examples:
  sandbox-agent doctor
  sandbox-agent doctor --agent codex && sandbox-agent run -a codex \"fix the test\"
  sandbox-agent doctor -o ndjson | jq -c 'select(.status != \"ok\")'

Exit code 1 only if the store, or an agent named by --agent, cannot be used.";

/// What is here, and what is wrong with it.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// This agent must be usable; repeatable
    #[arg(short, long, value_name = "AGENT")]
    agent: Vec<String>,
}

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// Less room than this is soon none, in bytes.
const LITTLE_ROOM: u64 = 1 << 30;

/// Runs it.
pub(crate) fn main(context: &Context, args: &DoctorArgs) -> Result<Exit, Failure> {
    for name in &args.agent {
        if registry::find(name).is_none() {
            let known = registry::names().collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("failed to find agent `{}`", name.escape_debug()))
                .hint(format!("known agents: {known}")));
        }
    }
    let mut failed = false;
    // Each line is printed when it is known: a program may take its time to answer.
    let mut tell = |record: DoctorRecord| {
        let counts = record.check == "store" || record.name.as_ref().is_some_and(|name| args.agent.contains(name));
        failed |= counts && matches!(record.status, DoctorStatus::Failed | DoctorStatus::Missing);
        match context.output_for_people() {
            Output::Text => print_for_people(&record),
            Output::Ndjson | Output::Acp => {
                out::print_record(&record);
            }
            Output::Last | Output::None => {}
        }
    };
    tell(ours());
    tell(store(context));
    tell(disk(context));
    for agent in registry::ALL {
        tell(agent_record(*agent));
    }
    tell(libc());
    tell(node());
    tell(namespaces());
    tell(desktop());
    Ok(Exit::Code(i32::from(failed)))
}

fn print_for_people(record: &DoctorRecord) {
    let word = match record.status {
        DoctorStatus::Ok => "ok",
        DoctorStatus::Warning => "warning",
        DoctorStatus::Missing => "missing",
        DoctorStatus::Failed => "failed",
    };
    let what = record.name.as_ref().unwrap_or(&record.check);
    let hint = record.hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
    // A message may hold what a program said.
    let message: String =
        format!("{}{hint}", record.message).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    out::print_text(&format!("{word:<8} {what:<11} {message}\n"));
}

fn record(check: &str, status: DoctorStatus, message: impl Into<String>) -> DoctorRecord {
    DoctorRecord {
        check: check.to_owned(),
        name: None,
        status,
        message: message.into(),
        path: None,
        version: None,
        hint: None,
        details: BTreeMap::new(),
    }
}

fn details<const N: usize>(pairs: [(&str, Value); N]) -> BTreeMap<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn ours() -> DoctorRecord {
    let (version, linkage) =
        (env!("CARGO_PKG_VERSION"), if cfg!(target_feature = "crt-static") { "static" } else { "dynamic" });
    DoctorRecord {
        version: Some(version.to_owned()),
        ..record("program", DoctorStatus::Ok, format!("sandbox-agent {version}, {}, {linkage}", std::env::consts::ARCH))
    }
}

/// The store as a run would open it; one that is not there is not made.
fn store(context: &Context) -> DoctorRecord {
    let (sqlite, schema) = Store::versions();
    let failed = |failure: Failure, path: Option<&Path>| DoctorRecord {
        path: path.map(|path| path.display().to_string()),
        version: Some(sqlite.to_owned()),
        hint: failure.hint,
        ..record("store", DoctorStatus::Failed, failure.message)
    };
    let path = match context.store_path() {
        Ok(path) => path,
        Err(failure) => return failed(failure, None),
    };
    if !path.exists() {
        let place = host::disk::place(&path);
        let directory = place.directory.display();
        let (status, message) = if place.writable {
            (DoctorStatus::Ok, format!("{} will be made by the first run, SQLite {sqlite}", path.display()))
        } else {
            (DoctorStatus::Failed, format!("{} cannot be made: {directory} is not writable", path.display()))
        };
        return DoctorRecord {
            path: Some(path.display().to_string()),
            version: Some(sqlite.to_owned()),
            hint: (!place.writable)
                .then(|| "use another place with --store or SANDBOX_AGENT_STORE, or --ephemeral".to_owned()),
            details: details([("writable", json!(place.writable)), ("exists", json!(false))]),
            ..record("store", status, message)
        };
    }
    let opened = Store::open(&path, Access::Write).and_then(|store| Ok((store.file_size()?, store.sessions()?.len())));
    match opened {
        Err(error) => failed(error.into(), Some(&path)),
        Ok((bytes, sessions)) => DoctorRecord {
            path: Some(path.display().to_string()),
            version: Some(sqlite.to_owned()),
            details: details([
                ("writable", json!(true)),
                ("exists", json!(true)),
                // A store that is open to be written is in no other mode.
                ("journal_mode", json!("wal")),
                ("schema", json!(schema)),
                ("bytes", json!(bytes)),
                ("sessions", json!(sessions)),
            ]),
            ..record(
                "store",
                DoctorStatus::Ok,
                format!("{}, {}, {sessions} sessions, writable, SQLite {sqlite}, wal", path.display(), size(bytes)),
            )
        },
    }
}

fn disk(context: &Context) -> DoctorRecord {
    let Ok(path) = context.store_path() else {
        return record("disk", DoctorStatus::Missing, "there is no place for the store");
    };
    let place = host::disk::place(&path);
    let free = place.free.unwrap_or_default();
    let status = if free < LITTLE_ROOM { DoctorStatus::Warning } else { DoctorStatus::Ok };
    DoctorRecord {
        path: Some(place.directory.display().to_string()),
        hint: (free < LITTLE_ROOM).then(|| "`sandbox-agent sessions prune` gives space back".to_owned()),
        details: details([("free_bytes", json!(free))]),
        ..record("disk", status, format!("{} free in {}", size(free), place.directory.display()))
    }
}

fn agent_record(agent: &'static dyn Agent) -> DoctorRecord {
    let card = agent.card();
    let check = match credentials::known(card.name) {
        Ok(login) => credentials::checked(card.name, login, &credentials::environment(None)),
        Err(failure) => return named(card, record("agent", DoctorStatus::Failed, failure.message)),
    };
    let credentials =
        json!({ "ok": check.ok, "own_login": check.own_login, "sources": check.sources, "errors": check.errors });
    let found = match run::program(card, None, false) {
        Ok((program, _, found)) => match version(card, &program) {
            Ok(version) => {
                let (status, login, hint) = if check.ok {
                    let from = check.sources.join(", ");
                    let login =
                        if from.is_empty() { "needs no login".to_owned() } else { format!("credentials {from}") };
                    (DoctorStatus::Ok, login, None)
                } else {
                    let hint = "log in with its own program, set its key, or use --credentials-from";
                    (DoctorStatus::Warning, "no credentials".to_owned(), Some(hint.to_owned()))
                };
                let path = card.program.map(|_| program.display().to_string());
                let place = path.as_ref().map_or(found.clone(), |path| format!("{found}: {path}"));
                DoctorRecord {
                    hint,
                    path,
                    version: Some(version.clone()),
                    ..record("agent", status, format!("{version}, {place}, {login}"))
                }
            }
            Err(failure) => DoctorRecord {
                path: Some(program.display().to_string()),
                hint: Some(format!("install it: {}", card.install)),
                ..record("agent", DoctorStatus::Failed, failure.message)
            },
        },
        Err(failure) if failure.exit_code == 127 => {
            DoctorRecord { hint: failure.hint, ..record("agent", DoctorStatus::Missing, "not installed") }
        }
        Err(failure) => DoctorRecord { hint: failure.hint, ..record("agent", DoctorStatus::Failed, failure.message) },
    };
    named(
        card,
        DoctorRecord { details: details([("credentials", credentials), ("tested", json!(card.tested))]), ..found },
    )
}

fn named(card: &Card, record: DoctorRecord) -> DoctorRecord {
    DoctorRecord { name: Some(card.name.to_owned()), ..record }
}

/// What the agent's program says to `--version`.
fn version(card: &Card, program: &Path) -> Result<String, Failure> {
    if card.program.is_none() {
        return Ok(env!("CARGO_PKG_VERSION").to_owned());
    }
    let answer = host::ask::ask(program, &["--version"], PATIENCE)?;
    let line = answer.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().take(200).collect();
    match answer.code {
        Some(0) if !line.is_empty() => Ok(number_in(&line).unwrap_or(line)),
        code => {
            let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            Err(Failure::usage(format!("failed to run {} --version: {code}, it says `{line}`", program.display())))
        }
    }
}

/// The first word that looks like a version, as in `codex-cli 0.169.0`.
fn number_in(line: &str) -> Option<String> {
    let word = line.split(|c: char| c.is_whitespace() || "/(),".contains(c)).map(|word| word.trim_start_matches('v'));
    word.into_iter()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

fn libc() -> DoctorRecord {
    let musl = format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH);
    let glibc = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-x86-64.so.2"];
    let said = said("getconf", &["GNU_LIBC_VERSION"]).and_then(|text| number_in(&text));
    let kind = match (glibc.iter().any(|path| Path::new(path).exists()), Path::new(&musl).exists()) {
        (true, _) => "glibc",
        (false, true) => "musl",
        (false, false) => {
            let message = "no dynamic loader: only static programs run here";
            return record("libc", DoctorStatus::Warning, message);
        }
    };
    let version = said.filter(|_| kind == "glibc");
    let message = version.as_ref().map_or(kind.to_owned(), |version| format!("{kind} {version}"));
    DoctorRecord { version, details: details([("kind", json!(kind))]), ..record("libc", DoctorStatus::Ok, message) }
}

fn node() -> DoctorRecord {
    let Some(path) = find("node") else {
        return record("node", DoctorStatus::Missing, "no Node on PATH; only agents that are npm packages run on one");
    };
    match said("node", &["--version"]).and_then(|text| number_in(&text)) {
        Some(version) => DoctorRecord {
            path: Some(path.display().to_string()),
            message: format!("{version}, {}", path.display()),
            version: Some(version),
            ..record("node", DoctorStatus::Ok, "")
        },
        None => DoctorRecord {
            path: Some(path.display().to_string()),
            ..record("node", DoctorStatus::Failed, format!("{} does not say its version", path.display()))
        },
    }
}

/// Whether an agent's own sandbox can be built here.
fn namespaces() -> DoctorRecord {
    let works = find("unshare").is_some_and(|program| {
        host::ask::ask(&program, &["--user", "--map-root-user", "true"], PATIENCE)
            .is_ok_and(|said| said.code == Some(0))
    });
    if works {
        return record("namespaces", DoctorStatus::Ok, "user namespaces can be made");
    }
    DoctorRecord {
        hint: Some(
            "agents that sandbox their commands may refuse to; --permission-mode ask needs no sandbox".to_owned(),
        ),
        ..record(
            "namespaces",
            DoctorStatus::Warning,
            "user namespaces cannot be made here (or there is no unshare to try it with)",
        )
    }
}

fn desktop() -> DoctorRecord {
    const PROGRAMS: [&str; 2] = ["Xvfb", "openbox"];
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|name| find(name).is_none()).collect();
    let details = details([("missing", json!(missing))]);
    if missing.is_empty() {
        return DoctorRecord { details, ..record("desktop", DoctorStatus::Ok, "Xvfb and a window manager are here") };
    }
    DoctorRecord {
        details,
        hint: Some("only `desktop` needs them".to_owned()),
        ..record("desktop", DoctorStatus::Missing, format!("not installed: {}", missing.join(", ")))
    }
}

fn find(program: &str) -> Option<PathBuf> {
    host::find::program(Path::new(program), &[]).ok()
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let answer = host::ask::ask(&find(program)?, args, PATIENCE).ok()?;
    (answer.code == Some(0)).then_some(answer.text)
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1024.0, Some(next));
    }
    format!("{value:.1} {}", unit.unwrap_or(&"TiB"))
}
