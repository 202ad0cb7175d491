//! The hash of every file of an installation: made once, and compared by `agents verify`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;
use crate::error::file;

const SUMS: &str = "SHA256SUMS";

/// Makes everything below `package` readable for everyone, and writes down its hashes.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let mut text = String::new();
    for path in files(folder, true)? {
        let name = path.strip_prefix(folder).expect("found below it").to_string_lossy().into_owned();
        text.push_str(&format!("{}  {name}\n", hash(&path)?));
    }
    let path = folder.join(SUMS);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
        .map_err(file("write", path))
}

/// Every path that is not as it was installed, with what is wrong with it.
///
/// # Errors
/// [`Error::File`] where the list itself cannot be read.
pub fn verify(folder: &Path) -> Result<Vec<String>, Error> {
    let list = folder.join(SUMS);
    let text = fs::read_to_string(&list).map_err(file("read", &list))?;
    let mut wrong = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for line in text.lines() {
        let Some((expected, name)) = line.split_once("  ") else { continue };
        known.insert(name.to_owned());
        match hash(&folder.join(name)) {
            Ok(found) if found == expected => {}
            Ok(_) => wrong.push(format!("{name}: changed")),
            Err(_) => wrong.push(format!("{name}: missing")),
        }
    }
    for path in files(folder, false)? {
        let name = path.strip_prefix(folder).expect("found below it").to_string_lossy().into_owned();
        if !known.contains(&name) {
            wrong.push(format!("{name}: not installed by us"));
        }
    }
    Ok(wrong)
}

/// Every plain file of `package`, and `run` where it is one, sorted.
fn files(folder: &Path, open_up: bool) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut open = vec![folder.join("package")];
    while let Some(directory) = open.pop() {
        if open_up {
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).map_err(file("open up", &directory))?;
        }
        for entry in fs::read_dir(&directory).map_err(file("read", &directory))? {
            let entry = entry.map_err(file("read", &directory))?;
            let kind = entry.file_type().map_err(file("read", entry.path()))?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                if open_up {
                    let mode = entry.metadata().map_err(file("read", entry.path()))?.permissions().mode();
                    let mode = if mode & 0o111 != 0 { 0o755 } else { 0o644 };
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))
                        .map_err(file("open up", entry.path()))?;
                }
                found.push(entry.path());
            }
        }
    }
    let run = folder.join("run");
    if run.is_file() && !run.is_symlink() {
        found.push(run);
    }
    found.sort();
    Ok(found)
}

fn hash(path: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut opened = File::open(path).map_err(file("open", path))?;
    io::copy(&mut opened, &mut hash).map_err(file("read", path))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
