//! The pages of `docs/`: every block of code is run as it stands there, and prints what the page says.

mod codes;
mod links;
mod reference;
mod session;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::env::{Program, TestEnv, program};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Who is played by a script where a page is run: the mock in place of agents that need an account, this machine in place of others.
const STAND_INS: [(&str, &str); 3] = [
    (
        "sandbox-agent",
        "words=()
for word; do case $word in claude | codex | opencode | pi) word=mock ;; esac; words+=(\"$word\"); done
exec 'PROGRAM' \"${words[@]}\"",
    ),
    ("ssh", "shift; SANDBOX_AGENT_STORE=$HOME/other.db exec bash -c \"$*\""),
    // As cron does: few variables, `\%` for a percent sign; but at once.
    (
        "crontab",
        "sed -E 's/^([^ ]+ +){5}//; s/\\\\%/%/g' \"$1\" | env -i HOME=\"$HOME\" PATH=\"$PATH\" SANDBOX_AGENT_STORE=\"$SANDBOX_AGENT_STORE\" sh",
    ),
];

/// Gives each page a test of its own name.
macro_rules! pages {
    ($($name:ident: $path:literal),+ $(,)?) => {
        $(#[test]
        fn $name() {
            run($path);
        })+

        const PAGES: &[&str] = &[$($path),+];
    };
}

pages! {
    adding_an_agent: "docs/adding-an-agent.md",
    benchmarks: "docs/benchmarks.md",
    changelog: "docs/CHANGELOG.md",
    comparison: "docs/comparison.md",
    contributing: ".github/CONTRIBUTING.md",
    docker: "docs/docker.md",
    embedding: "docs/embedding.md",
    exit_codes: "docs/exit-codes.md",
    permissions: "docs/permissions.md",
    overview: "docs/README.md",
    recipes: "docs/recipes.md",
    security: ".github/SECURITY.md",
    skill: "docs/skills/sandbox-agent/SKILL.md",
    store: "docs/store.md",
    threat_model: "docs/threat-model.md",
    tour: "docs/tour.md",
}

/// What is written by a test and holds no shell.
const GENERATED: &[&str] = &["docs/events.md"];

#[test]
fn every_page_has_its_test() {
    let there: BTreeSet<_> = markdown("docs").into_iter().chain(markdown(".github")).collect();
    let run = PAGES.iter().chain(GENERATED).map(|page| (*page).to_owned()).collect();
    assert_eq!(there, run);
}

#[test]
fn what_is_not_run_or_prints_something_else_is_seen() {
    let role_of = |page: &str| blocks(page).iter().try_fold(None, |before, block| role(block, before).map(Some));
    assert_eq!(role_of("```sh\ntrue\n```\n```text\n```\n"), Ok(Some(Role::Printed)));
    assert_eq!(role_of("Save this as `a/b.py`:\n\n```python\n```\n"), Ok(Some(Role::File("a/b.py".to_owned()))));
    assert_eq!(role_of("<!-- not run: no Go here -->\n```go\n```\n"), Ok(Some(Role::Elsewhere)));
    for bad in ["```text\na\n```", "```python\n```", "```\n```", "<!-- run by docs::nobody -->\n```sh\n```"] {
        assert!(role_of(bad).is_err(), "{bad}");
    }
    assert!(is_like("a…c\n…\nd\n", "abc\nx\ny\nd\n") && is_like("…\n", "") && is_like("a … b\n", "a  b\n"));
    for (wanted, printed) in [("a\n", "a\nb\n"), ("a\n", ""), ("", "a\n"), ("a…b\n", "b a\n"), ("a…a\n", "a\n")] {
        assert!(!is_like(wanted, printed), "{wanted:?} {printed:?}");
    }
}

/// A block of code.
#[derive(Debug)]
pub(crate) struct Block {
    /// The number of its first line, the fence.
    line: usize,
    language: String,
    pub(crate) text: String,
    /// The last line above it that is not empty.
    above: String,
}

/// Every block of code of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut above = "";
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<&str> = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```").collect();
            let text = inside.iter().map(|line| format!("{line}\n")).collect();
            found.push(Block { line: number, language: language.to_owned(), text, above: above.to_owned() });
        }
        if !line.is_empty() {
            above = line;
        }
    }
    found
}

/// What becomes of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// It is run.
    Script,
    /// The script above it prints this.
    Printed,
    /// It is written into this file, for scripts below it.
    File(String),
    /// It is run by another test, or not, and the page says why.
    Elsewhere,
}

fn role(block: &Block, before: Option<Role>) -> Result<Role, String> {
    let file = block.above.strip_suffix("`:").and_then(|above| above.rsplit_once("Save this as `"));
    if let Some((_, file)) = file {
        return Ok(Role::File(file.to_owned()));
    }
    if let Some(test) = block.above.strip_prefix("<!-- run by ").and_then(|above| above.strip_suffix(" -->")) {
        return is_a_test(test).then_some(Role::Elsewhere).ok_or_else(|| format!("there is no test {test}"));
    }
    if block.above.starts_with("<!-- not run: ") {
        return Ok(Role::Elsewhere);
    }
    match (block.language.as_str(), before) {
        ("sh", _) => Ok(Role::Script),
        ("text", Some(Role::Script)) => Ok(Role::Printed),
        (language, _) => Err(format!("line {}: nothing runs this block of {language:?}", block.line)),
    }
}

/// Whether there is a test (or a helper of tests) of this name: `module::function`.
pub(crate) fn is_a_test(name: &str) -> bool {
    let (file, function) = name.rsplit_once("::").unwrap_or(("", name));
    let file = Path::new(ROOT).join("tests").join(format!("{}.rs", file.replace("::", "/")));
    fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {function}(")))
}

/// Runs the scripts of a page, one after another in one place.
fn run(path: &str) {
    let page = fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let env = repository();
    let blocks = blocks(&page);
    let mut before = None;
    for (index, block) in blocks.iter().enumerate() {
        let role = role(block, before.take()).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
        match &role {
            Role::File(file) => {
                let used = blocks[index..].iter().any(|later| later.language == "sh" && later.text.contains(file));
                assert!(used, "{path}: nothing below line {} runs {file}", block.line);
                fs::create_dir_all(env.work().join(file).parent().unwrap()).unwrap();
                env.write(file, &block.text);
            }
            Role::Script => {
                let next = blocks.get(index + 1).filter(|next| next.language == "text" && !next.above.contains("Save"));
                let wanted = next.map_or("", |next| &next.text);
                let output = shell(&env, &block.text).run();
                let place = format!("{path}:{}", block.line);
                assert_eq!(output.code(), 0, "{place}\n{}\n{}\n{}", block.text, output.text(), output.stderr);
                let printed = output.text();
                assert!(is_like(wanted, printed), "{place} printed\n{printed}\nnot\n{wanted}\n{}", output.stderr);
            }
            Role::Printed | Role::Elsewhere => {}
        }
        before = Some(role);
    }
}

/// Whether the text is what was wanted, where `…` in a line is anything, and a line of it alone any number of lines.
fn is_like(wanted: &str, text: &str) -> bool {
    fn line_is_like(wanted: &str, line: &str) -> bool {
        let Some((beginning, rest)) = wanted.split_once('…') else { return wanted == line };
        let Some(mut line) = line.strip_prefix(beginning) else { return false };
        let mut pieces: Vec<&str> = rest.split('…').collect();
        let end = pieces.pop().unwrap_or_default();
        for piece in pieces {
            let Some((_, behind)) = line.split_once(piece) else { return false };
            line = behind;
        }
        line.ends_with(end)
    }
    fn lines_are_like(wanted: &[&str], lines: &[&str]) -> bool {
        match (wanted, lines) {
            ([], []) => true,
            (["…", rest @ ..], _) if lines_are_like(rest, lines) => true,
            (["…", ..], [_, behind @ ..]) => lines_are_like(wanted, behind),
            ([first, rest @ ..], [line, behind @ ..]) => line_is_like(first, line) && lines_are_like(rest, behind),
            ([], _) | (_, []) => false,
        }
    }
    lines_are_like(&wanted.lines().collect::<Vec<_>>(), &text.lines().collect::<Vec<_>>())
}

/// A place whose PATH has our program and these scripts.
pub(crate) fn place(scripts: &[(&str, &str)]) -> TestEnv {
    let mut env = TestEnv::new();
    env.add_to_path(Path::new(program()).parent().unwrap());
    let programs = env.root().join("programs");
    fs::create_dir(&programs).unwrap();
    for (name, script) in scripts {
        let path = programs.join(name);
        fs::write(&path, format!("#!/bin/bash\n{script}\n").replace("'PROGRAM'", &format!("'{}'", program()))).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    env.add_to_path(&programs);
    env
}

/// The place of a page: a repository with a few files, one change of which is staged, and everybody who is played.
fn repository() -> TestEnv {
    // Wherever this machine has them: the PATH of a test is that of the system.
    let ours = std::env::var_os("PATH").unwrap();
    let found = |name: &str| std::env::split_paths(&ours).map(|folder| folder.join(name)).find(|path| path.is_file());
    let script = |name: &str| found(name).map(|path| format!("exec '{}' \"$@\"", path.display()));
    let languages: Vec<_> = ["node", "go"].into_iter().filter_map(|name| Some((name, script(name)?))).collect();
    let scripts = STAND_INS.into_iter().chain(languages.iter().map(|(name, script)| (*name, script.as_str())));
    let env = place(&scripts.collect::<Vec<_>>());
    // (What git tidies up behind one's back would outlive the test.)
    let made = "git config --global user.name Someone && git config --global user.email someone@example.com
        git config --global maintenance.auto false
        git init -q && mkdir src && echo one > notes.txt && echo 'fn a() {}' > src/a.rs && echo 'fn b() {}' > src/b.rs
        git add . && git commit -q -m begin && echo two >> notes.txt && git add .";
    drop(shell(&env, made).run().expect(0));
    env
}

/// Lines for bash, of which none may fail.
fn shell(env: &TestEnv, lines: &str) -> Program {
    env.program(Path::new("/bin/bash")).args(&["-ec", lines])
}

/// The pages below a folder, as they are called from the root.
fn markdown(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(Path::new(ROOT).join(&folder)) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
