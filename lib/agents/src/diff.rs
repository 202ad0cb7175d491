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
}
