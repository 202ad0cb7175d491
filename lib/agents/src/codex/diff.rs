//! Codex's patches as git unified diffs.

use schema::item::{ContentPart, FileAction};

use super::wire::{Change, ChangeKind};
use crate::diff::{ended, push, relative, whole};

/// A change as a `file_ref` part; paths in the diff are relative to the working directory where they lie in it.
pub(super) fn file_ref(cwd: &str, change: &Change) -> ContentPart {
    let old = relative(cwd, &change.path);
    match &change.kind {
        ChangeKind::Add => ContentPart::FileRef {
            path: change.path.clone(),
            action: FileAction::Create,
            from: None,
            diff: Some(whole(old, &change.diff, '+')),
        },
        ChangeKind::Delete => ContentPart::FileRef {
            path: change.path.clone(),
            action: FileAction::Delete,
            from: None,
            diff: Some(whole(old, &change.diff, '-')),
        },
        ChangeKind::Update { move_path: None } => ContentPart::FileRef {
            path: change.path.clone(),
            action: FileAction::Update,
            from: None,
            diff: Some(format!("diff --git a/{old} b/{old}\n--- a/{old}\n+++ b/{old}\n{}", ended(&change.diff))),
        },
        ChangeKind::Update { move_path: Some(to) } => {
            let new = relative(cwd, to);
            let mut diff = format!("diff --git a/{old} b/{new}\nrename from {old}\nrename to {new}\n");
            if !change.diff.is_empty() {
                push(&mut diff, format_args!("--- a/{old}\n+++ b/{new}\n{}", ended(&change.diff)));
            }
            ContentPart::FileRef {
                path: to.clone(),
                action: FileAction::Move,
                from: Some(change.path.clone()),
                diff: Some(diff),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(path: &str, kind: ChangeKind, text: &str) -> String {
        let change = Change { path: path.to_owned(), kind, diff: text.to_owned() };
        let ContentPart::FileRef { diff, .. } = file_ref("/w", &change) else { panic!("no file_ref") };
        diff.unwrap()
    }

    #[test]
    fn each_form_is_a_git_diff() {
        assert_eq!(
            diff("/w/a b", ChangeKind::Add, "one\ntwo"),
            "diff --git a/a b b/a b\nnew file mode 100644\n--- /dev/null\n+++ b/a b\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n"
        );
        assert_eq!(
            diff("/x/y", ChangeKind::Delete, "one\n"),
            "diff --git a/x/y b/x/y\ndeleted file mode 100644\n--- a/x/y\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"
        );
        assert_eq!(
            diff("/w/f", ChangeKind::Update { move_path: None }, "@@ -1 +1 @@\n-a\n+b\n"),
            "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
        );
        assert_eq!(
            diff("/w/f", ChangeKind::Update { move_path: Some("/w/g".to_owned()) }, ""),
            "diff --git a/f b/g\nrename from f\nrename to g\n"
        );
        assert_eq!(diff("/w/e", ChangeKind::Add, ""), "diff --git a/e b/e\nnew file mode 100644\n");
    }
}
