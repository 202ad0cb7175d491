//! The tables of exit codes are those of the program: in `--help`, in the README and in `docs/exit-codes.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use schema::outcome::ErrorCode;

use super::ROOT;
use crate::env::TestEnv;

/// The signals whose codes `--help` names in the line of Ctrl-C.
const SIGNALS: [i32; 3] = [129, 141, 143];

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// The words of a table's rows, without marks.
fn rows(page: &str) -> impl Iterator<Item = Vec<String>> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("| "));
    lines.map(|line| line.split('|').map(|cell| cell.trim().replace('`', "")).collect())
}

/// The rows that begin with codes: each code with its outcome, if it has one.
fn codes(page: &str) -> BTreeMap<i32, String> {
    let numbers = |cell: &str| -> Option<Vec<i32>> { cell.split(", ").map(|one| one.parse().ok()).collect() };
    let found = rows(page).filter_map(|row| Some((numbers(&row[0])?, row[1].replace('–', ""))));
    found.flat_map(|(numbers, outcome)| numbers.into_iter().map(move |code| (code, outcome.clone()))).collect()
}

/// What `--help` says.
fn codes_of_the_program() -> BTreeMap<i32, String> {
    let env = TestEnv::new();
    let help = env.run(&["--help"]).expect(0);
    let (_, table) = help.text().split_once("Exit codes:\n").unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        let outcome = if words.len() == 3 { words[1] } else { "" };
        (words[0].parse().unwrap(), outcome.to_owned())
    };
    let codes: BTreeMap<_, _> = table.lines().take_while(|line| !line.is_empty()).map(row).collect();
    assert!(codes.len() > 15 && codes[&5] == "denied" && codes[&8].is_empty(), "{codes:?}");
    codes
}

#[test]
fn the_tables_are_those_of_the_program() {
    let mut codes_of_all = codes_of_the_program();
    assert_eq!(codes(&page("docs/exit-codes.md")), codes_of_all);
    // The README says less about some: a code without an outcome there may have one here.
    codes_of_all.extend(SIGNALS.map(|signal| (signal, "cancelled".to_owned())));
    let readme = codes(&page("README.md"));
    assert_eq!(readme.keys().collect::<Vec<_>>(), codes_of_all.keys().collect::<Vec<_>>());
    for (code, outcome) in readme.into_iter().filter(|(_, outcome)| !outcome.is_empty()) {
        assert_eq!(outcome, codes_of_all[&code], "{code}");
    }
}

#[test]
fn each_error_code_stands_beside_its_exit_code() {
    let page = page("docs/exit-codes.md");
    let (_, section) = page.split_once("## Codes of errors").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut said = BTreeSet::new();
    for row in rows(section).skip(1) {
        for code in row[0].split(", ") {
            said.insert((code.to_owned(), row[1].split(' ').next().unwrap().parse().unwrap()));
        }
    }
    let known = ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.exit_code())).collect();
    assert_eq!(said, known);
}
