//! Git unified diffs, made of what agents say about their changes.

use std::fmt::Write;

/// A file that came (`+`) or went (`-`) as a whole.
pub(crate) fn whole(path: &str, text: &str, sign: char) -> String {
    let (mode, old, new) = if sign == '+' {
        ("new file", "/dev/null".to_owned(), format!("b/{path}"))
    } else {
        ("deleted file", format!("a/{path}"), "/dev/null".to_owned())
    };
    let mut diff = format!("diff --git a/{path} b/{path}\n{mode} mode 100644\n");
    let lines = text.lines().count();
    if lines == 0 {
        return diff;
    }
    let span = if lines == 1 { "1".to_owned() } else { format!("1,{lines}") };
    let (before, after) = if sign == '+' { ("0,0", span.as_str()) } else { (span.as_str(), "0,0") };
    push(&mut diff, format_args!("--- {old}\n+++ {new}\n@@ -{before} +{after} @@\n"));
    for line in text.split_inclusive('\n') {
        diff.push(sign);
        diff.push_str(line);
    }
    if !text.ends_with('\n') {
        diff.push_str("\n\\ No newline at end of file\n");
    }
    diff
}

/// Hunks that end with a line end.
pub(crate) fn ended(hunks: &str) -> String {
    if hunks.ends_with('\n') || hunks.is_empty() { hunks.to_owned() } else { format!("{hunks}\n") }
}

/// A path as a diff names it: relative to the working directory where it lies in it.
pub(crate) fn relative<'a>(cwd: &str, path: &'a str) -> &'a str {
    match path.strip_prefix(cwd.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/')) {
        Some(inside) => inside,
        None => path.trim_start_matches('/'),
    }
}

/// Writes into a text.
pub(crate) fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing into memory cannot fail");
}

/// Lines round a change.
const CONTEXT: usize = 3;

/// A patch with file names of its own, with those of git.
pub(crate) fn of_patch(cwd: &str, path: &str, patch: &str) -> Option<String> {
    let hunks = if patch.starts_with("@@ ") { patch } else { &patch[patch.find("\n@@ ")? + 1..] };
    let name = relative(cwd, path);
    let end = if hunks.ends_with('\n') { "" } else { "\n" };
    Some(format!("diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n{hunks}{end}"))
}

/// A file that was written as a whole; `before`: nothing where it is new. One hunk from the first to the last line that differs.
pub(crate) fn of_write(cwd: &str, path: &str, before: Option<&str>, after: &str) -> String {
    let name = relative(cwd, path);
    let mut diff = format!("diff --git a/{name} b/{name}\n");
    let old_name = match before {
        Some(_) => format!("a/{name}"),
        None => {
            diff.push_str("new file mode 100644\n");
            "/dev/null".to_owned()
        }
    };
    let old: Vec<&str> = before.unwrap_or_default().split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    if head == old.len() && head == new.len() {
        return if before.is_some() { String::new() } else { diff };
    }
    let from = head.saturating_sub(CONTEXT);
    let behind = tail.saturating_sub(CONTEXT);
    let (old_end, new_end) = (old.len() - behind, new.len() - behind);
    push(&mut diff, format_args!("--- {old_name}\n+++ b/{name}\n"));
    push(&mut diff, format_args!("@@ -{} +{} @@\n", span(from, old_end), span(from, new_end)));
    let parts = [
        (' ', &old[from..head]),
        ('-', &old[head..old.len() - tail]),
        ('+', &new[head..new.len() - tail]),
        (' ', &old[old.len() - tail..old_end]),
    ];
    for (sign, lines) in parts {
        for line in lines {
            diff.push(sign);
            diff.push_str(line);
            if !line.ends_with('\n') {
                diff.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    diff
}

fn span(from: usize, end: usize) -> String {
    match end - from {
        0 => format!("{from},0"),
        1 => format!("{}", from + 1),
        count => format!("{},{count}", from + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_a_git_diff() {
        assert_eq!(
            whole("a b", "one\ntwo", '+'),
            "diff --git a/a b b/a b\nnew file mode 100644\n--- /dev/null\n+++ b/a b\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n"
        );
        assert_eq!(
            whole("y", "one\n", '-'),
            "diff --git a/y b/y\ndeleted file mode 100644\n--- a/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"
        );
        assert_eq!(whole("e", "", '+'), "diff --git a/e b/e\nnew file mode 100644\n");
    }

    #[test]
    fn paths_inside_are_relative() {
        assert_eq!(relative("/w/", "/w/a"), "a");
        assert_eq!(relative("/w", "/ww/a"), "ww/a");
    }

    #[test]
    fn a_write_and_a_patch_are_git_diffs() {
        assert_eq!(
            of_write("/w", "/w/a b", None, "one\ntwo"),
            "diff --git a/a b b/a b\nnew file mode 100644\n--- /dev/null\n+++ b/a b\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n"
        );
        assert_eq!(of_write("/w", "/w/e", None, ""), "diff --git a/e b/e\nnew file mode 100644\n");
        assert_eq!(of_write("/w", "/w/e", Some("x\n"), "x\n"), "");
        assert_eq!(
            of_write("/w", "/w/f", Some("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(
            of_write("/w", "/x/f", Some("a\n"), ""),
            "diff --git a/x/f b/x/f\n--- a/x/f\n+++ b/x/f\n@@ -1 +0,0 @@\n-a\n"
        );
        assert_eq!(
            of_write("/w", "/w/f", Some("a"), "a\n"),
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
        );
        assert_eq!(
            of_patch("/w", "/w/f", "--- f\n+++ f\n@@ -1 +1 @@\n-a\n+b").unwrap(),
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
        );
        assert_eq!(of_patch("/w", "/w/f", "no patch"), None);
    }
}
