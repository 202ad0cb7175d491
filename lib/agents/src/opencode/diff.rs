//! OpenCode's file changes as git unified diffs.

use schema::item::{ContentPart, FileAction};

/// A change as a `file_ref` part. The patch is OpenCode's, `Index: …` and hunks; paths in the diff are relative to the
/// working directory where they lie in it.
pub(super) fn file_ref(
    cwd: &str,
    path: &str,
    action: FileAction,
    to: Option<&str>,
    patch: Option<&str>,
) -> ContentPart {
    let hunks = patch.and_then(|patch| patch.find("\n@@").map(|at| &patch[at + 1..])).unwrap_or_default();
    let old = relative(cwd, path);
    let new = relative(cwd, to.unwrap_or(path));
    let between = match action {
        FileAction::Create => "new file mode 100644\n".to_owned(),
        FileAction::Delete => "deleted file mode 100644\n".to_owned(),
        FileAction::Move => format!("rename from {old}\nrename to {new}\n"),
        FileAction::Read | FileAction::Update => String::new(),
    };
    let (before, after) = match action {
        FileAction::Create => ("/dev/null".to_owned(), format!("b/{new}")),
        FileAction::Delete => (format!("a/{old}"), "/dev/null".to_owned()),
        FileAction::Read | FileAction::Update | FileAction::Move => (format!("a/{old}"), format!("b/{new}")),
    };
    let names = if hunks.is_empty() { String::new() } else { format!("--- {before}\n+++ {after}\n") };
    let end = if hunks.is_empty() || hunks.ends_with('\n') { "" } else { "\n" };
    // A change of which nothing is known but that it was made has no diff.
    let diff = (patch.is_some() || !between.is_empty())
        .then(|| format!("diff --git a/{old} b/{new}\n{between}{names}{hunks}{end}"));
    match to {
        Some(to) => {
            ContentPart::FileRef { path: to.to_owned(), action: FileAction::Move, from: Some(path.to_owned()), diff }
        }
        None => ContentPart::FileRef { path: path.to_owned(), action, from: None, diff },
    }
}

/// The patch that makes a file with this text.
pub(super) fn creation(text: &str) -> String {
    let count = text.lines().count();
    if count == 0 {
        return String::new();
    }
    let span = if count == 1 { "1".to_owned() } else { format!("1,{count}") };
    let mut patch = format!("\n@@ -0,0 +{span} @@\n");
    for line in text.split_inclusive('\n') {
        patch.push('+');
        patch.push_str(line);
    }
    if !text.ends_with('\n') {
        patch.push_str("\n\\ No newline at end of file\n");
    }
    patch
}

fn relative<'a>(cwd: &str, path: &'a str) -> &'a str {
    match path.strip_prefix(cwd.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/')) {
        Some(inside) => inside,
        None => path.trim_start_matches('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(path: &str, action: FileAction, to: Option<&str>, patch: Option<&str>) -> Option<String> {
        let ContentPart::FileRef { diff, .. } = file_ref("/w", path, action, to, patch) else { panic!("no file_ref") };
        diff
    }

    #[test]
    fn each_form_is_a_git_diff() {
        let patch = "Index: /w/a b\n=====\n--- /w/a b\n+++ /w/a b\n@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(
            diff("/w/a b", FileAction::Update, None, Some(patch)).unwrap(),
            "diff --git a/a b b/a b\n--- a/a b\n+++ b/a b\n@@ -1 +1 @@\n-a\n+b\n"
        );
        assert_eq!(
            diff("/x/y", FileAction::Create, None, Some(&creation("one\ntwo"))).unwrap(),
            "diff --git a/x/y b/x/y\nnew file mode 100644\n--- /dev/null\n+++ b/x/y\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n"
        );
        assert_eq!(
            diff("/w/e", FileAction::Create, None, Some(&creation(""))).unwrap(),
            "diff --git a/e b/e\nnew file mode 100644\n"
        );
        assert_eq!(
            diff("/w/f", FileAction::Move, Some("/w/g"), None).unwrap(),
            "diff --git a/f b/g\nrename from f\nrename to g\n"
        );
        assert_eq!(
            diff("/w/f", FileAction::Delete, None, Some("\n@@ -1 +0,0 @@\n-a")).unwrap(),
            "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
        );
        assert_eq!(diff("/w/f", FileAction::Update, None, None), None);
    }
}
