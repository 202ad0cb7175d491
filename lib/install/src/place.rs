//! Where agents lie: the directories and their order, one directory a version, the version in use, and the launchers in `bin`.
//!
//! ```text
//! DIRECTORY/bin/PROGRAM               a link to the program of the version in use, for people's PATH
//! DIRECTORY/AGENT/VERSION/package/…   what was unpacked
//! DIRECTORY/AGENT/VERSION/run         what is started: a link into the package, or two lines that start Node
//! DIRECTORY/AGENT/VERSION/SHA256SUMS  the hash of every file, for `agents verify` or `sha256sum -c`
//! DIRECTORY/AGENT/VERSION/installed.json   the manifest, written last
//! DIRECTORY/AGENT/current             a link to the version that `agents use` chose; without it the newest is used
//! DIRECTORY/AGENT/.new-VERSION        an installation under way, or what a kill left of one: never looked into
//! DIRECTORY/.partial/AGENT            downloads under way; the next attempt goes on with them
//! DIRECTORY/.locks                    who installs
//! ```

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use agents::recipe::Install;
use host::env::{self, Name};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::file;

/// The system's directory: root's default, and readable for everyone.
const SYSTEM: &str = "/usr/local/lib/sandbox-agent";

/// What was installed, as the manifest keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Our name for the agent.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// An address, or the local path that it was copied from.
    pub source: String,
    /// The packages that were fetched, the agent's own first.
    pub packages: Vec<Package>,
    /// The Node that runs it, where it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<PathBuf>,
    /// What its `--version` said, the first line.
    pub says: String,
    /// When it was installed, RFC 3339.
    pub installed: String,
}

/// A package that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its hash, as the registry writes it: `sha512-BASE64`.
    pub integrity: String,
}

/// A version of an agent in one of our directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The agents' directory.
    pub directory: PathBuf,
    /// What was installed.
    pub manifest: Manifest,
}

impl Installed {
    /// Everything of it.
    pub fn folder(&self) -> PathBuf {
        self.directory.join(&self.manifest.agent).join(&self.manifest.version)
    }

    /// What is started.
    pub fn program(&self) -> PathBuf {
        let run = self.folder().join("run");
        // The real file where it is one: agents look for what belongs to them beside it.
        fs::read_link(&run).map_or(run, |target| self.folder().join(target))
    }
}

/// The directories where agents may lie, the first one first.
#[derive(Debug, Clone)]
pub struct Places {
    directories: Vec<PathBuf>,
    target: Option<PathBuf>,
}

impl Places {
    /// Those of this user: `SANDBOX_AGENT_AGENTS_DIR`, the user's, the system's.
    pub fn here() -> Places {
        let named = env::var(Name::AgentsDir).map(PathBuf::from);
        let users = host::paths::data().ok().map(|data| data.join("agents"));
        let system = PathBuf::from(SYSTEM);
        let is_root = host::paths::is_root() && env::var(Name::OurHome).is_none();
        let target = named.clone().or_else(|| if is_root { Some(system.clone()) } else { users.clone() });
        let directories = named.into_iter().chain(users).chain([system]).collect();
        Places { directories, target }
    }

    /// Where new agents go.
    ///
    /// # Errors
    /// Where neither HOME nor a variable of ours says so.
    pub fn target(&self) -> Result<&Path, Error> {
        self.target.as_deref().ok_or_else(|| Error::Impossible {
            what: "agents".to_owned(),
            why: "there is no HOME, and SANDBOX_AGENT_AGENTS_DIR does not name a directory".to_owned(),
        })
    }

    /// What is installed of an agent: directory by directory, in each the version in use first, then the newest first.
    pub fn installed(&self, name: &str) -> Vec<Installed> {
        self.directories.iter().flat_map(|directory| installed_in(directory, name)).collect()
    }

    /// The version that is started when none, or this one, is named.
    pub fn choose(&self, name: &str, version: Option<&str>) -> Option<Installed> {
        let all = self.installed(name).into_iter();
        match version {
            Some(version) => all.into_iter().find(|installed| installed.manifest.version == version),
            None => all.into_iter().next(),
        }
    }

    /// The `bin` directories, for programs that other hands put there.
    pub fn bins(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.join("bin")).collect()
    }
}

fn installed_in(directory: &Path, name: &str) -> Vec<Installed> {
    let folder = directory.join(name);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<Installed> = entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.file_name() != "current")
        .filter_map(|entry| read(directory, &entry.path()))
        .collect();
    found.sort_by(|a, b| newer(&b.manifest.version, &a.manifest.version));
    let current = fs::read_link(folder.join("current")).ok();
    if let Some(at) = found.iter().position(|one| current.as_deref() == Some(Path::new(&one.manifest.version))) {
        found[..=at].rotate_right(1);
    }
    found
}

/// The manifest of a version's folder; what has none, or another's, is not installed.
fn read(directory: &Path, folder: &Path) -> Option<Installed> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("installed.json")).ok()?).ok()?;
    let installed = Installed { directory: directory.to_owned(), manifest };
    (installed.folder() == folder).then_some(installed)
}

/// Which of two versions is the newer one: numbers as numbers, and a release after its candidates.
pub(crate) fn newer(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| -> (Vec<u64>, bool, String) {
        let (numbers, rest) = version.split_once('-').map_or((version, None), |(numbers, rest)| (numbers, Some(rest)));
        let numbers = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        (numbers, rest.is_none(), rest.unwrap_or_default().to_owned())
    };
    parts(one).cmp(&parts(other))
}

/// Makes the launcher in `bin` point to the version in use, or takes it away where there is none.
pub(crate) fn launch(directory: &Path, install: &Install) -> Result<(), Error> {
    let bin = directory.join("bin");
    let launcher = bin.join(install.program);
    match installed_in(directory, install.name).first() {
        Some(installed) => {
            make_directory(&bin)?;
            let target = format!("../{}/{}/run", install.name, installed.manifest.version);
            replace_link(Path::new(&target), &launcher)
        }
        None => remove(&launcher),
    }
}

/// Chooses the version in use.
///
/// # Errors
/// [`Error::Missing`], [`Error::File`].
pub fn choose_version(installed: &Installed, install: &Install) -> Result<(), Error> {
    let current = installed.directory.join(install.name).join("current");
    replace_link(Path::new(&installed.manifest.version), &current)?;
    launch(&installed.directory, install)
}

/// Takes a version away.
///
/// # Errors
/// [`Error::File`].
pub fn uninstall(installed: &Installed, install: &Install) -> Result<(), Error> {
    let folder = installed.folder();
    let parent = installed.directory.join(install.name);
    // Out of sight in one step; a kill leaves no half of it.
    let gone = parent.join(format!(".old-{}", installed.manifest.version));
    remove_all(&gone)?;
    fs::rename(&folder, &gone).map_err(file("remove", &folder))?;
    let current = parent.join("current");
    if fs::read_link(&current).is_ok_and(|target| target == Path::new(&installed.manifest.version)) {
        remove(&current)?;
    }
    launch(&installed.directory, install)?;
    remove_all(&gone)
}

/// A link that is there before and after, and at no moment missing.
pub(crate) fn replace_link(target: &Path, link: &Path) -> Result<(), Error> {
    let name = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = link.with_file_name(format!(".{name}.{}", std::process::id()));
    remove(&beside)?;
    symlink(target, &beside).map_err(file("create", &beside))?;
    fs::rename(&beside, link).map_err(file("create", link))
}

/// A directory that everyone can read, whatever our umask is; one that is there stays as it is.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(file("create", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(file("create", path)(error)),
    }
}

pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn remove_all(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let mut versions = ["1.10.0", "1.9.1", "1.10.0-rc.1", "2.0.0", "1.9"];
        versions.sort_by(|a, b| newer(b, a));
        assert_eq!(versions, ["2.0.0", "1.10.0", "1.10.0-rc.1", "1.9.1", "1.9"]);
    }
}
