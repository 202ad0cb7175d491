//! A link within the project leads to a file and a heading that are there.

use std::fs;
use std::path::Path;

use super::{ROOT, markdown};

#[test]
fn links_lead_somewhere() {
    let pages = ["README.md", "lib/README.md", "lib/agents/README.md"].map(str::to_owned);
    let mut checked = 0;
    for page in pages.into_iter().chain(markdown("docs")).chain(markdown(".github")) {
        let path = Path::new(ROOT).join(&page);
        for link in links(&fs::read_to_string(&path).unwrap()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !heading.is_empty() {
                let there = headings(&fs::read_to_string(&target).unwrap());
                assert!(there.iter().any(|one| one == heading), "{page}: {link} is none of {there:?}");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

/// What stands in `[…](HERE)`, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        in_block ^= line.starts_with("```");
        if !in_block {
            let rest = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(rest.map(|(link, _)| link.to_owned()));
        }
    }
    found
}

/// The anchors that GitHub makes of a page's headings.
fn headings(page: &str) -> Vec<String> {
    let mut in_block = false;
    let outside = page.lines().filter(|line| {
        in_block ^= line.starts_with("```");
        !in_block
    });
    let anchor = |heading: &str| -> String {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    outside.filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}
