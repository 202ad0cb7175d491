//! Paths as the kernel would walk them, also where the last part does not exist yet.

use std::path::{Component, Path, PathBuf};

/// The path with its links followed, as far as it exists; what lies below the nearest existing parent is kept, `..` of it
/// taken back. A relative path is below `base`.
pub fn canonical(base: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                whole.push(part);
                // Step by step, because `..` after a link means the parent of its target.
                if let Ok(real) = std::fs::canonicalize(&whole) {
                    whole = real;
                }
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_parents_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("real/deep")).unwrap();
        std::os::unix::fs::symlink(base.join("real/deep"), base.join("link")).unwrap();
        assert_eq!(canonical(&base, Path::new("link/../new/x")), base.join("real/new/x"));
        assert_eq!(canonical(&base, Path::new("./a/./b/../c")), base.join("a/c"));
        assert_eq!(canonical(&base, Path::new("/../etc")), Path::new("/etc"));
        assert_eq!(canonical(&base, Path::new("link/f")), base.join("real/deep/f"));
    }
}
