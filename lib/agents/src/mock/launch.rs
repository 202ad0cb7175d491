//! How the mock is started: its arguments, written by us and read by itself.

use super::wire::Totals;
use crate::agent::{Job, Launch};

/// What the mock is told on its command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Our name of the session.
    pub session: String,
    /// Where it works, absolute.
    pub cwd: String,
    /// The model.
    pub model: Option<String>,
    /// The mode.
    pub mode: Option<String>,
    /// The effort.
    pub effort: Option<String>,
    /// The most model requests in one turn.
    pub max_turns: Option<u32>,
    /// The conversation to go on with.
    pub resume: Option<String>,
    /// Copy it instead.
    pub fork: bool,
    /// What it took so far.
    pub totals: Totals,
}

impl Setup {
    /// Reads the arguments after `__mock`.
    ///
    /// # Errors
    /// A line for people.
    pub fn parse(args: &[String]) -> Result<Setup, String> {
        let mut setup = Setup::default();
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().cloned().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--session" => setup.session = value()?,
                "--cwd" => setup.cwd = value()?,
                "--model" => setup.model = Some(value()?),
                "--mode" => setup.mode = Some(value()?),
                "--effort" => setup.effort = Some(value()?),
                "--max-turns" => {
                    let count = value()?;
                    setup.max_turns = Some(count.parse().map_err(|_| format!("{name} {count} is no number"))?);
                }
                "--resume" => setup.resume = Some(value()?),
                "--fork" => setup.fork = true,
                "--totals" => {
                    let totals = value()?;
                    setup.totals =
                        serde_json::from_str(&totals).map_err(|error| format!("{name} {totals}: {error}"))?;
                }
                _ => return Err(format!("unknown argument {name}")),
            }
        }
        Ok(setup)
    }

    /// The mock's own name of the conversation: kept by a resume, made from the session's name otherwise.
    pub fn native(&self) -> String {
        match &self.resume {
            Some(native) if !self.fork => native.clone(),
            Some(_) | None => format!("mock-{}", self.session),
        }
    }
}

/// Its arguments, and its patience: it leaves at once, but for the script that does not.
pub(super) fn launch(job: &Job) -> Launch {
    let mut args = vec!["__mock".to_owned()];
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            args.extend([name.to_owned(), value.to_owned()]);
        }
    };
    add("--session", Some(&job.session_id));
    add("--cwd", Some(&job.cwd));
    add("--model", job.model.as_deref());
    add("--mode", job.mode.as_deref());
    add("--effort", job.effort.as_deref());
    add("--max-turns", job.max_turns.map(|count| count.to_string()).as_deref());
    if let Some(resume) = &job.resume {
        add("--resume", Some(&resume.native_session_id));
        add("--totals", resume.totals.as_ref().map(ToString::to_string).as_deref());
        if resume.fork {
            args.push("--fork".to_owned());
        }
    }
    args.extend(job.agent_args.iter().cloned());
    Launch { args, eof_ms: 1000, term_ms: 1000, ..Launch::default() }
}

#[cfg(test)]
mod tests {
    use schema::event::{PermissionMode, Usage};

    use super::*;
    use crate::agent::Resume;

    #[test]
    fn the_mock_reads_what_we_write() {
        let totals = Totals { usage: Usage { input_tokens: 3, ..Usage::default() }, micros: 5 };
        let mut job = Job {
            session_id: "s".to_owned(),
            cwd: "/work".to_owned(),
            model: Some("m".to_owned()),
            mode: Some("plan".to_owned()),
            effort: Some("low".to_owned()),
            permission_mode: PermissionMode::Ask,
            must_ask: false,
            max_turns: Some(3),
            resume: Some(Resume {
                native_session_id: "mock-other".to_owned(),
                totals: Some(serde_json::to_value(totals).unwrap()),
                fork: true,
            }),
            secret: String::new(),
            api_key: None,
            mcp: Vec::new(),
            skills: Vec::new(),
            agent_args: Vec::new(),
            folder: "/files".to_owned(),
            client_version: "0".to_owned(),
        };
        let launch = launch(&job);
        assert_eq!(launch.args[0], "__mock");
        let setup = Setup::parse(&launch.args[1..]).unwrap();
        let expected = Setup {
            session: "s".to_owned(),
            cwd: "/work".to_owned(),
            model: Some("m".to_owned()),
            mode: Some("plan".to_owned()),
            effort: Some("low".to_owned()),
            max_turns: Some(3),
            resume: Some("mock-other".to_owned()),
            fork: true,
            totals,
        };
        assert_eq!(setup, expected);
        assert_eq!(setup.native(), "mock-s");
        assert_eq!(Setup { fork: false, ..setup }.native(), "mock-other");

        job.agent_args = vec!["--bogus".to_owned()];
        assert_eq!(Setup::parse(&super::launch(&job).args[1..]), Err("unknown argument --bogus".to_owned()));
        assert!(Setup::parse(&["--model".to_owned()]).is_err());
    }
}
