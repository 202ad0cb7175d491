//! Permissions: mode, rules and `--on-ask` decide, or leave a request open. Pure.

use std::time::Duration;

use agents::dialect::Permit;
use globset::{GlobBuilder, GlobMatcher};
use schema::event::PermissionMode;
use schema::request::{Action, Scope};

/// What decides permissions in one run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The table of SPEC §6.
    pub mode: PermissionMode,
    /// Rules, which come before the mode; deny before allow.
    pub rules: Vec<Rule>,
    /// What becomes of a request that nothing decides.
    pub on_ask: OnAsk,
    /// The session's working directory, canonical.
    pub cwd: String,
    /// What was accepted for the session, while this owner lives.
    pub granted: Vec<Grant>,
}

/// What was accepted for the session: the same tool with the same command, paths or input; never a whole tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    action: Action,
    tool: String,
    what: String,
}

impl Grant {
    /// What accepting this request for the session covers.
    pub fn of(permit: &Permit) -> Grant {
        let input = || permit.input.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = match permit.action {
            Action::Command => permit.command.clone().unwrap_or_else(input),
            Action::Edit | Action::Read | Action::Search if !permit.paths.is_empty() => permit.paths.join("\n"),
            Action::Fetch => permit.url.clone().unwrap_or_else(input),
            Action::Edit
            | Action::Read
            | Action::Search
            | Action::Mcp
            | Action::Plan
            | Action::Mode
            | Action::Other => input(),
        };
        let tool = match &permit.server {
            Some(server) => format!("{server}/{}", permit.tool),
            None => permit.tool.clone(),
        };
        Grant { action: permit.action, tool, what }
    }

    /// The same, for `permission.resolved`.
    pub fn scope(&self) -> Scope {
        Scope { kind: self.action, pattern: self.what.clone() }
    }
}

/// What becomes of a request that nothing decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAsk {
    /// Ask on the terminal.
    Prompt,
    /// Reject it and go on.
    Deny,
    /// Stop the turn: `input_needed`.
    Fail,
    /// Accept it.
    Allow,
    /// Leave it open for an answer from any process; rejected after this long.
    Wait(Option<Duration>),
}

impl OnAsk {
    /// Reads the word.
    pub fn parse(text: &str) -> Option<OnAsk> {
        Some(match text {
            "prompt" => OnAsk::Prompt,
            "deny" => OnAsk::Deny,
            "fail" => OnAsk::Fail,
            "allow" => OnAsk::Allow,
            "wait" => OnAsk::Wait(None),
            _ => OnAsk::Wait(Some(schema::time::parse_duration(text.strip_prefix("wait=")?)?)),
        })
    }

    /// The word as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            OnAsk::Prompt => "prompt",
            OnAsk::Deny => "deny",
            OnAsk::Fail => "fail",
            OnAsk::Allow => "allow",
            OnAsk::Wait(_) => "wait",
        }
    }
}

/// A rule: `KIND:PATTERN`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Allow or deny.
    pub allow: bool,
    kind: Action,
    pattern: String,
    glob: GlobMatcher,
    text: String,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read the rule `{rule}`: {why}; rules are KIND:PATTERN with a kind of command, edit, read, search, fetch, mcp or other, as in 'command:git *'"
)]
pub struct BadRule {
    /// The rule as it was given.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

impl Rule {
    /// Reads `KIND:PATTERN`.
    pub fn parse(allow: bool, text: &str) -> Result<Rule, BadRule> {
        let bad = |why: String| BadRule { rule: text.to_owned(), why };
        let Some((word, pattern)) = text.split_once(':') else { return Err(bad("it has no colon".to_owned())) };
        let kinds =
            [Action::Command, Action::Edit, Action::Read, Action::Search, Action::Fetch, Action::Mcp, Action::Other];
        let Some(kind) = kinds.into_iter().find(|kind| kind.as_str() == word) else {
            return Err(bad(format!("`{word}` is no kind")));
        };
        if pattern.is_empty() {
            return Err(bad("its pattern is empty; `*` is everything".to_owned()));
        }
        let glob = GlobBuilder::new(pattern)
            .literal_separator(matches!(kind, Action::Edit | Action::Read | Action::Search))
            .backslash_escape(true)
            .build()
            .map_err(|error| bad(error.kind().to_string()))?
            .compile_matcher();
        Ok(Rule { allow, kind, pattern: pattern.to_owned(), glob, text: text.to_owned() })
    }

    /// The rule as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The rule as it was given, with what it does.
    pub fn name(&self) -> String {
        format!("{} {}", if self.allow { "allow" } else { "deny" }, self.text)
    }

    fn matches(&self, permit: &Permit) -> bool {
        if self.kind != rule_kind(permit.action) {
            return false;
        }
        match self.kind {
            Action::Command => permit.command.as_deref().is_some_and(|command| self.matches_command(command)),
            Action::Edit | Action::Read | Action::Search => self.matches_paths(&permit.paths),
            Action::Fetch => permit.url.as_deref().is_some_and(|url| self.glob.is_match(url)),
            Action::Mcp => {
                let name = format!("{}/{}", permit.server.as_deref().unwrap_or(""), permit.tool);
                self.glob.is_match(name)
            }
            Action::Plan | Action::Mode | Action::Other => self.glob.is_match(&permit.tool),
        }
    }

    /// An allow covers one simple command: what chains, redirects or substitutes is covered only when the rule says
    /// exactly that. A deny meets any part of a chain.
    fn matches_command(&self, command: &str) -> bool {
        if self.allow {
            let simple =
                !command.contains([';', '&', '|', '<', '>', '`', '$', '(', ')', '\n', '\r', '\\', '{', '}', '#']);
            return command == self.pattern || simple && !runs_another(command) && self.glob.is_match(command.trim());
        }
        self.glob.is_match(command)
            || command
                .split([';', '&', '|', '\n', '\r', '(', ')', '`', '{', '}'])
                .any(|part| self.glob.is_match(part.trim()))
    }

    /// An allow must cover every path, a deny meets any.
    fn matches_paths(&self, paths: &[String]) -> bool {
        if self.allow {
            !paths.is_empty() && paths.iter().all(|path| self.glob.is_match(path))
        } else {
            paths.iter().any(|path| self.glob.is_match(path))
        }
    }
}

/// What the policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Go on; by this rule or mode.
    Accept(String),
    /// Do not; by this rule or mode, and whether a rule of the user's said so.
    Reject {
        /// The rule or mode.
        rule: String,
        /// A deny rule of the user's.
        by_rule: bool,
    },
    /// Nothing decides it.
    Open,
}

impl Policy {
    /// Decides a request whose paths are absolute and canonical.
    pub fn decide(&self, permit: &Permit) -> Ruling {
        if let Some(rule) = self.rules.iter().find(|rule| !rule.allow && rule.matches(permit)) {
            return Ruling::Reject { rule: rule.name(), by_rule: true };
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.allow && rule.matches(permit)) {
            return Ruling::Accept(rule.name());
        }
        if !self.granted.is_empty() && self.granted.contains(&Grant::of(permit)) {
            return Ruling::Accept("accepted for the session".to_owned());
        }
        let mode = format!("mode {}", self.mode.as_str());
        let inside = self.is_inside(permit);
        let reading = match permit.action {
            Action::Read | Action::Search => inside,
            Action::Command => permit.reads_only && inside,
            Action::Edit | Action::Fetch | Action::Mcp | Action::Plan | Action::Mode | Action::Other => false,
        };
        match self.mode {
            PermissionMode::Auto | PermissionMode::Bypass => Ruling::Accept(mode),
            _ if reading => Ruling::Accept(mode),
            PermissionMode::ReadOnly => Ruling::Reject { rule: mode, by_rule: false },
            PermissionMode::AcceptEdits if permit.action == Action::Edit && inside && !permit.paths.is_empty() => {
                Ruling::Accept(mode)
            }
            PermissionMode::Ask | PermissionMode::AcceptEdits => Ruling::Open,
        }
    }

    /// Whether deny rules exist: then every request must reach us.
    pub fn must_ask(&self) -> bool {
        self.rules.iter().any(|rule| !rule.allow)
    }

    fn is_inside(&self, permit: &Permit) -> bool {
        let under = |path: &str| {
            path == self.cwd
                || path.strip_prefix(self.cwd.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
        };
        permit.paths.iter().all(|path| under(path)) && permit.cwd.as_deref().is_none_or(under)
    }
}

/// Whether an option of git's names a program to run: then it is not the git that a pattern allowed.
fn runs_another(command: &str) -> bool {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let options = ["-c", "--config", "--config-env", "--exec-path", "--upload-pack", "--receive-pack"];
    program.rsplit('/').next() == Some("git")
        && words.any(|word| {
            let word = word.trim_matches(['"', '\'']);
            options.contains(&word.split('=').next().unwrap_or_default())
                || word.starts_with("-c") && !word.starts_with("--")
        })
}

fn rule_kind(action: Action) -> Action {
    match action {
        Action::Plan | Action::Mode | Action::Other => Action::Other,
        Action::Command | Action::Edit | Action::Read | Action::Search | Action::Fetch | Action::Mcp => action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agents::dialect::RequestKey;

    fn permit(action: Action) -> Permit {
        Permit {
            key: RequestKey(1),
            call: None,
            action,
            tool: "tool".into(),
            title: None,
            command: None,
            reads_only: false,
            cwd: None,
            paths: Vec::new(),
            url: None,
            server: None,
            files: Vec::new(),
            input: None,
            options: Vec::new(),
            metadata: None,
        }
    }

    fn command(text: &str) -> Permit {
        Permit { command: Some(text.into()), cwd: Some("/w".into()), ..permit(Action::Command) }
    }

    fn edit(path: &str) -> Permit {
        Permit { paths: vec![path.into()], ..permit(Action::Edit) }
    }

    fn read(path: &str) -> Permit {
        Permit { paths: vec![path.into()], ..permit(Action::Read) }
    }

    /// A: accept, R: reject, O: left open.
    fn decide(mode: &str, rules: &[&str], request: &Permit) -> char {
        let policy = Policy {
            mode: PermissionMode::parse(mode).unwrap(),
            rules: rules.iter().map(|rule| Rule::parse(rule.starts_with('+'), &rule[1..]).unwrap()).collect(),
            on_ask: OnAsk::Deny,
            cwd: "/w".into(),
            granted: Vec::new(),
        };
        match policy.decide(request) {
            Ruling::Accept(_) => 'A',
            Ruling::Reject { .. } => 'R',
            Ruling::Open => 'O',
        }
    }

    #[test]
    fn the_table_of_modes() {
        let listing = Permit { reads_only: true, ..command("ls") };
        let listing_outside = Permit { reads_only: true, paths: vec!["/etc".into()], ..command("ls /etc") };
        let rows: [(&str, Permit, &str); 11] = [
            ("read inside", read("/w/a"), "AAAAA"),
            ("read outside", read("/etc/passwd"), "ROOAA"),
            ("a sibling with the same beginning", read("/ww/a"), "ROOAA"),
            ("edit inside", edit("/w/a"), "ROAAA"),
            ("edit outside", edit("/x"), "ROOAA"),
            ("edit of nobody knows what", permit(Action::Edit), "ROOAA"),
            ("command", command("make"), "ROOAA"),
            ("command that only reads", listing, "AAAAA"),
            ("command that only reads outside", listing_outside, "ROOAA"),
            ("fetch", permit(Action::Fetch), "ROOAA"),
            ("mcp", permit(Action::Mcp), "ROOAA"),
        ];
        for (name, request, wanted) in rows {
            let got: String = ["read-only", "ask", "accept-edits", "auto", "bypass"]
                .iter()
                .map(|mode| decide(mode, &[], &request))
                .collect();
            assert_eq!(got, wanted, "{name}");
        }
    }

    #[test]
    fn deny_comes_before_allow_and_rules_before_modes() {
        assert_eq!(decide("ask", &["+command:git *"], &command("git status")), 'A');
        assert_eq!(decide("ask", &["+command:git *", "-command:git push*"], &command("git push -f")), 'R');
        assert_eq!(decide("bypass", &["-command:rm *"], &command("rm -rf /")), 'R');
        assert_eq!(decide("bypass", &["-command:rm *"], &command("cd / && rm -rf x")), 'R');
        assert_eq!(decide("read-only", &["+edit:/w/docs/**"], &edit("/w/docs/a/b.md")), 'A');
        assert_eq!(decide("ask", &["+edit:/w/*"], &edit("/w/docs/a.md")), 'O');
    }

    #[test]
    fn an_allow_is_never_widened() {
        for trick in [
            "git status; rm -rf /",
            "git status\nrm -rf /",
            "git $(rm -rf /)",
            "git `rm x`",
            "git status && rm x",
            "git log | sh",
            "git log > /etc/passwd",
            "git \\\nstatus",
        ] {
            assert_eq!(decide("ask", &["+command:git *"], &command(trick)), 'O', "{trick}");
        }
        assert_eq!(decide("ask", &["+command:a && b"], &command("a && b")), 'A');
    }

    /// Mode, rules, request, decision: what is allowed is exactly what was said, what is denied is at least that.
    #[test]
    fn rules_and_requests() {
        let paths = |action, list: &[&str]| Permit {
            paths: list.iter().map(|path| (*path).to_owned()).collect(),
            ..permit(action)
        };
        let fetch = |url: &str| Permit { url: Some(url.into()), ..permit(Action::Fetch) };
        let mcp =
            |server: &str, tool: &str| Permit { server: Some(server.into()), tool: tool.into(), ..permit(Action::Mcp) };
        let other = |tool: &str| Permit { tool: tool.into(), ..permit(Action::Other) };
        let nothing: &[&str] = &[];
        let rows: Vec<(&str, &[&str], Permit, char)> = vec![
            // An allow is one simple command.
            ("ask", &["+command:git status"], command("git status"), 'A'),
            ("ask", &["+command:git status"], command("git status -s"), 'O'),
            ("ask", &["+command:git status"], command(" git status "), 'A'),
            ("ask", &["+command:git *"], command("git"), 'O'),
            ("ask", &["+command:git *"], command("gitk x"), 'O'),
            ("ask", &["+command:git *"], command("/usr/bin/git status"), 'O'),
            ("ask", &["+command:git *"], command("GIT_SSH=x git fetch"), 'O'),
            ("ask", &["+command:git *"], command("sh -c 'git status'"), 'O'),
            ("ask", &["+command:git *"], command("git -c alias.x=!rm x"), 'O'),
            ("ask", &["+command:git *"], command("git '-c' alias.x=!rm x"), 'O'),
            ("ask", &["+command:git *"], command("git -calias.x=!rm x"), 'O'),
            ("ask", &["+command:git *"], command("git --exec-path=/tmp status"), 'O'),
            ("ask", &["+command:git *"], command("git fetch --upload-pack=/tmp/x origin"), 'O'),
            ("ask", &["+command:*git *"], command("/tmp/git -c a=b status"), 'O'),
            ("ask", &["+command:git -c a=b status"], command("git -c a=b status"), 'A'),
            ("ask", &["+command:git *"], command("git log --oneline"), 'A'),
            ("ask", &["+command:git *"], command("git log 'a b'"), 'A'),
            ("ask", &["+command:make *"], command("make test & rm x"), 'O'),
            ("ask", &["+command:make *"], command("make test || rm x"), 'O'),
            ("ask", &["+command:make *"], command("make test\rrm x"), 'O'),
            ("ask", &["+command:make *"], command("make {a,b}"), 'O'),
            ("ask", &["+command:make *"], command("make <(rm x)"), 'O'),
            ("ask", &["+command:make *"], command("make # rm"), 'O'),
            ("ask", &["+command:make *"], command("make $HOME"), 'O'),
            ("ask", &["+command:make *"], permit(Action::Command), 'O'),
            ("ask", &["+command:*"], command("anything at all"), 'A'),
            ("ask", &["+command:*"], command("a; b"), 'O'),
            // A deny meets any part.
            ("bypass", &["-command:rm *"], command("rm -rf x"), 'R'),
            ("bypass", &["-command:rm *"], command("ls | rm x"), 'R'),
            ("bypass", &["-command:rm *"], command("ls;rm x"), 'R'),
            ("bypass", &["-command:rm *"], command("(rm x)"), 'R'),
            ("bypass", &["-command:rm *"], command("ls\nrm x"), 'R'),
            ("bypass", &["-command:rm *"], command("echo `rm x`"), 'R'),
            ("bypass", &["-command:rm *"], command("echo $(rm x)"), 'R'),
            ("bypass", &["-command:*rm *"], command("/bin/rm x"), 'R'),
            ("bypass", &["-command:rm *"], command("ls x"), 'A'),
            ("bypass", &["-command:*"], command("ls x"), 'R'),
            ("ask", &["+command:rm *", "-command:rm -rf *"], command("rm -rf x"), 'R'),
            ("ask", &["+command:rm *", "-command:rm -rf *"], command("rm x"), 'A'),
            ("ask", &["-command:rm *", "+command:rm x"], command("rm x"), 'R'),
            // Paths are canonical when they come here; a star does not cross a slash.
            ("ask", &["+edit:/w/*"], edit("/w/a"), 'A'),
            ("ask", &["+edit:/w/*"], edit("/w/a/b"), 'O'),
            ("ask", &["+edit:/w/**"], edit("/w/a/b"), 'A'),
            ("ask", &["+edit:/w/**"], edit("/x/a"), 'O'),
            ("ask", &["+edit:/w/**"], edit("/ww/a"), 'O'),
            ("ask", &["+edit:/w/**"], paths(Action::Edit, &["/w/a", "/x/b"]), 'O'),
            ("ask", &["+edit:/w/**"], paths(Action::Edit, &["/w/a", "/w/b"]), 'A'),
            ("ask", &["+edit:/w/**"], paths(Action::Edit, &[]), 'O'),
            ("ask", &["+read:/w/**"], edit("/w/a"), 'O'),
            ("accept-edits", &["-edit:/w/.git/**"], edit("/w/.git/config"), 'R'),
            ("accept-edits", &["-edit:**/.env"], paths(Action::Edit, &["/w/a", "/w/.env"]), 'R'),
            ("accept-edits", &["-edit:**/.env"], edit("/w/env"), 'A'),
            ("ask", &["-read:/w/secret/**"], read("/w/secret/key"), 'R'),
            ("ask", &["+read:/etc/hosts"], read("/etc/hosts"), 'A'),
            ("ask", &["-search:/w/**"], paths(Action::Search, &["/w/a"]), 'R'),
            // The rest by name.
            ("ask", &["+fetch:https://docs.rs/*"], fetch("https://docs.rs/serde"), 'A'),
            ("ask", &["+fetch:https://docs.rs/*"], fetch("https://docs.rs.evil.example/x"), 'O'),
            ("ask", &["+fetch:https://docs.rs/*"], fetch("http://docs.rs/serde"), 'O'),
            ("bypass", &["-fetch:*"], fetch("https://x"), 'R'),
            ("ask", &["+mcp:files/*"], mcp("files", "read"), 'A'),
            ("ask", &["+mcp:files/read"], mcp("files", "write"), 'O'),
            ("ask", &["+mcp:files/*"], mcp("filesystem", "read"), 'O'),
            ("ask", &["+other:todo"], other("todo"), 'A'),
            ("ask", &["+other:todo"], other("todos"), 'O'),
            ("read-only", &["+other:*"], command("ls"), 'R'),
            ("auto", nothing, command("rm x"), 'A'),
            ("read-only", nothing, other("x"), 'R'),
        ];
        assert!(rows.len() >= 60);
        for (mode, rules, request, wanted) in &rows {
            let got = decide(mode, rules, request);
            assert_eq!(got, *wanted, "{mode} {rules:?} {:?} {:?} {:?}", request.command, request.paths, request.url);
        }
    }

    #[test]
    fn what_was_granted_is_the_same_thing_only() {
        let mut policy = Policy {
            mode: PermissionMode::Ask,
            rules: vec![Rule::parse(false, "command:rm -rf *").unwrap()],
            on_ask: OnAsk::Deny,
            cwd: "/w".into(),
            granted: vec![Grant::of(&command("make test")), Grant::of(&edit("/w/a"))],
        };
        let tool = |tool: &str| Permit { tool: tool.into(), ..command("make test") };
        let accepted = |policy: &Policy, request: &Permit| matches!(policy.decide(request), Ruling::Accept(_));
        assert!(accepted(&policy, &command("make test")) && accepted(&policy, &edit("/w/a")));
        for other in [command("make test2"), command("make test; rm x"), edit("/w/b"), tool("another"), read("/x/a")] {
            assert!(!accepted(&policy, &other), "{other:?}");
        }
        policy.granted.push(Grant::of(&command("rm -rf x")));
        assert!(!accepted(&policy, &command("rm -rf x")), "deny rules come first");
    }

    #[test]
    fn bad_rules_say_why() {
        for bad in ["git *", "shell:x", "command:", "edit:[z-a]"] {
            let error = Rule::parse(true, bad).unwrap_err().to_string();
            assert!(error.contains(bad), "{error}");
        }
    }
}
