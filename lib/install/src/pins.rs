//! The lock file: exact versions and hashes of agents, written from what is installed and demanded later.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::error::file;
use crate::place::{Manifest, Package};

/// A lock file's content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pins {
    /// One entry an agent (and one each for a private Node and its npm), in the order of installation.
    pub agents: Vec<Pin>,
    #[serde(skip)]
    path: PathBuf,
}

/// One agent's entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pin {
    /// Our name for it.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// Its packages, with hashes.
    pub packages: Vec<Package>,
    /// npm's own lock, for a package with dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Value>,
}

impl Pins {
    /// Reads a lock file.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Locked`] where it is none.
    pub fn read(path: &Path) -> Result<Pins, Error> {
        let bytes = std::fs::read(path).map_err(file("read", path))?;
        let pins: Pins = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Locked { path: path.to_owned(), why: format!("it is no lock file: {error}") })?;
        Ok(Pins { path: path.to_owned(), ..pins })
    }

    /// Writes it, at no moment half.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).expect("lists and strings") + "\n";
        let beside = path.with_extension(format!("new-{}", std::process::id()));
        std::fs::write(&beside, text).map_err(file("write", &beside))?;
        std::fs::rename(&beside, path).map_err(file("write", path))
    }

    /// Takes up what was installed, in place of an earlier entry.
    pub fn add(&mut self, manifest: &Manifest, tree: Option<Value>) {
        self.agents.retain(|pin| pin.agent != manifest.agent);
        let (agent, version) = (manifest.agent.clone(), manifest.version.clone());
        self.agents.push(Pin { agent, version, packages: manifest.packages.clone(), tree });
    }

    /// The entry of an agent.
    ///
    /// # Errors
    /// [`Error::Locked`] where there is none.
    pub fn find(&self, agent: &str) -> Result<&Pin, Error> {
        let found = self.agents.iter().find(|pin| pin.agent == agent);
        found.ok_or_else(|| self.broken(format!("it does not name {agent}")))
    }

    /// Demands that a package has the hash that stands here.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub fn demand(&self, agent: &str, package: &Package) -> Result<(), Error> {
        let pin = self.find(agent)?;
        match pin.packages.iter().find(|pinned| (&pinned.name, &pinned.version) == (&package.name, &package.version)) {
            Some(pinned) if pinned.integrity == package.integrity => Ok(()),
            Some(pinned) => Err(self.broken(format!(
                "it demands {} {} with {}, and there is {}",
                package.name, package.version, pinned.integrity, package.integrity
            ))),
            None => Err(self.broken(format!("it does not name {} {}", package.name, package.version))),
        }
    }

    fn broken(&self, why: String) -> Error {
        Error::Locked { path: self.path.clone(), why }
    }
}
