//! Completions and man pages are what the binary says now; `UPDATE=1` rewrites them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::env::TestEnv;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == text, "{} is old; UPDATE=1 cargo test generated rewrites it", path.display());
}

#[test]
fn completions_are_fresh() {
    let env = TestEnv::new();
    for (shell, file) in [("bash", "sandbox-agent.bash"), ("zsh", "_sandbox-agent"), ("fish", "sandbox-agent.fish")] {
        let script = env.run(&["completions", shell]).expect(0);
        compare(&Path::new(ROOT).join("completions").join(file), script.text());
    }
}

#[test]
fn man_pages_are_fresh() {
    let env = TestEnv::new();
    let made = env.root().join("man");
    fs::create_dir_all(&made).unwrap();
    env.run(&["man", "--out", made.to_str().unwrap()]).expect(0);
    let names = |directory: &Path| -> BTreeSet<String> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let pages = names(&made);
    assert!(pages.contains("sandbox-agent.1") && pages.contains("sandbox-agent-run.1"), "{pages:?}");
    let committed = Path::new(ROOT).join("man");
    for page in &pages {
        compare(&committed.join(page), &fs::read_to_string(made.join(page)).unwrap());
    }
    assert_eq!(pages, names(&committed), "a page of a command that is gone");
}

#[test]
fn help_begins_with_examples() {
    let env = TestEnv::new();
    for command in [
        &[][..],
        &["run"],
        &["stream"],
        &["events"],
        &["sessions"],
        &["fs"],
        &["proc"],
        &["proc", "run"],
        &["desktop"],
        &["desktop", "do"],
        &["install"],
        &["install-agent"],
        &["agents"],
        &["completions"],
        &["man"],
    ] {
        let mut words = command.to_vec();
        words.push("--help");
        let help = env.run(&words).expect(0);
        let help = help.text();
        assert!(help.starts_with("Examples:"), "{words:?}: {help}");
    }
    let page = env.run(&["man", "run"]).expect(0);
    let page = page.text();
    assert!(page.contains("\\-\\-permission\\-mode"), "{page}");
}

#[test]
fn the_schema_is_printed() {
    let env = TestEnv::new();
    let printed = env.run(&["schema"]).expect(0);
    let printed = printed.text();
    assert_eq!(printed, fs::read_to_string(Path::new(ROOT).join("lib/schema/event.schema.json")).unwrap());
}
