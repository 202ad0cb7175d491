//! Where a program is: given directories, then PATH.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::Error;
use crate::env::{self, Name};

/// The first executable file called `name` in `directories`, then in our PATH; a name with a slash is taken as it is.
///
/// # Errors
/// [`Error::NotFound`] with the places; [`Error::NotExecutable`] when all there is cannot be executed.
pub fn program(name: &Path, directories: &[PathBuf]) -> Result<PathBuf, Error> {
    if name.as_os_str().as_encoded_bytes().contains(&b'/') {
        return first(name, vec![name.to_owned()]);
    }
    let path = env::var(Name::Path).unwrap_or_default();
    // An empty or relative entry would mean the current directory, which may be a stranger's clone.
    let in_path = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    first(name, directories.iter().cloned().chain(in_path).map(|directory| directory.join(name)).collect())
}

fn first(name: &Path, candidates: Vec<PathBuf>) -> Result<PathBuf, Error> {
    let mut refused = None;
    for candidate in &candidates {
        if !candidate.is_file() {
            continue;
        }
        match access(candidate, AccessFlags::X_OK) {
            Ok(()) => return Ok(candidate.clone()),
            Err(error) => refused = refused.or(Some((candidate.clone(), error))),
        }
    }
    match refused {
        Some((program, error)) => Err(Error::NotExecutable { program, source: io::Error::from(error) }),
        None => Err(Error::NotFound {
            program: name.to_owned(),
            looked: candidates.iter().filter_map(|path| path.parent().map(Path::to_owned)).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn given_directories_come_before_path_and_errors_say_where_was_looked() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(program(Path::new("sh"), &[place.path().into()]).unwrap().file_name().unwrap(), "sh");
        let own = place.path().join("sh");
        std::fs::write(&own, "#!/bin/sh\n").unwrap();
        // What cannot be executed is passed over while there is another.
        assert_ne!(program(Path::new("sh"), &[place.path().into()]).unwrap(), own);
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(program(Path::new("sh"), &[place.path().into()]).unwrap(), own);

        let error = program(Path::new("no-such-program"), &[place.path().into()]).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
        let text = error.to_string();
        assert!(text.starts_with("find no-such-program (looked in /"), "{text}");
        assert!(text.contains(place.path().to_str().unwrap()), "{text}");

        let plain = place.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert!(matches!(program(&plain, &[]), Err(Error::NotExecutable { program, .. }) if program == plain));
    }
}
