//! The course of an installation: choose, fetch, check, unpack, try, and only then put into place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agents::recipe::{Install, Recipe};
use base64::Engine;
use host::step;
use host::{Lock, Spec, Stop};
use serde_json::Value;

use crate::error::file;
use crate::fetch::{self, Fetcher};
use crate::pins::Pins;
use crate::place::{self, Installed, Manifest, Package, Places};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::{Error, sums, tree, unpack};

/// Who is told how it goes.
pub trait Progress {
    /// Something begins, or is worth a note.
    fn say(&mut self, text: &str);
    /// So many bytes of a download are here, of so many.
    fn bytes(&mut self, have: u64, whole: Option<u64>);
}

/// What is to be installed.
pub struct Wish<'a> {
    /// The agent.
    pub install: &'static Install,
    /// A version or `latest`; none means the tested one.
    pub version: Option<&'a str>,
    /// An archive, a program or a directory, in place of the network.
    pub from: Option<&'a Path>,
    /// Also where it is installed already.
    pub force: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Done {
    /// Where it is.
    pub installed: Installed,
    /// It was there before.
    pub already: bool,
    /// What came over the network for it, in bytes; npm's own downloads are not counted.
    pub fetched: u64,
}

/// Installs agents.
pub struct Porter {
    pub(crate) places: Places,
    pub(crate) platform: Platform,
    pub(crate) fetcher: Fetcher,
    offline: bool,
    demanded: Option<Pins>,
}

/// A package as the registry describes it.
struct Described {
    package: Package,
    url: String,
}

/// Where downloads are while they are under way.
const PARTIAL: &str = ".partial";

/// How many times a broken download is thrown away and begun anew.
const AGAIN: u32 = 1;

impl Porter {
    /// A porter. `offline`: nothing may be fetched. `demanded`: a lock file that everything must follow.
    ///
    /// # Errors
    /// [`Error::Impossible`] on a machine for which nobody builds agents.
    pub fn new(places: Places, settings: Settings, offline: bool, demanded: Option<Pins>) -> Result<Porter, Error> {
        Ok(Porter { places, platform: Platform::here()?, fetcher: Fetcher::new(settings), offline, demanded })
    }

    /// Installs an agent, unless it is here already.
    ///
    /// # Errors
    /// Any [`Error`]; what was installed before works as before.
    pub fn install(&mut self, wish: &Wish, progress: &mut dyn Progress) -> Result<Done, Error> {
        let install = wish.install;
        let version = self.version(wish)?;
        if let Some(installed) = self.already(wish, version.as_deref())? {
            return Ok(Done { installed, already: true, fetched: 0 });
        }
        let what =
            version.as_deref().map_or_else(|| install.name.to_owned(), |version| format!("{} {version}", install.name));
        if self.offline && wish.from.is_none() {
            return Err(Error::Offline { what });
        }
        let directory = self.places.target()?.to_owned();
        let locks = directory.join(".locks");
        place::make_directory(&locks)?;
        let path = locks.join(install.name);
        let lock = match Lock::take(&path)? {
            Some(lock) => lock,
            None => {
                progress.say(&format!("{what}: another installation is under way; waiting for it"));
                Lock::take_within(&path, Duration::from_secs(1800))?
                    .ok_or_else(|| Error::Busy { what: what.clone() })?
            }
        };
        if let Some(installed) = self.already(wish, version.as_deref())? {
            return Ok(Done { installed, already: true, fetched: 0 });
        }
        clean(&directory, install)?;
        step::reached("locked");
        let result = self.locked(wish, version, &directory, &lock, progress);
        // Only a download that may still be completed is worth its place.
        if !matches!(result, Err(Error::Network { .. })) {
            place::remove_all(&directory.join(PARTIAL).join(install.name))?;
        }
        if result.is_err() {
            clean(&directory, install)?;
        }
        result
    }

    /// npm's lock of what was installed, where it is a package with dependencies.
    pub fn tree(&self, installed: &Installed) -> Option<Value> {
        tree::lock_of(&installed.folder())
    }

    /// The newest version that the registry offers.
    ///
    /// # Errors
    /// [`Error::Network`] and its kind.
    pub fn latest(&mut self, install: &Install) -> Result<String, Error> {
        if install.versions.is_empty() {
            return Err(Error::Impossible {
                what: format!("the latest {}", install.name),
                why: "no registry knows its versions; name one".to_owned(),
            });
        }
        if self.offline {
            return Err(Error::Offline { what: format!("the latest {}", install.name) });
        }
        let (url, json) = self.describe(install.versions, "latest")?;
        let version = json["version"].as_str().map(str::to_owned);
        version.ok_or_else(|| Error::Metadata { url, why: "it names no version".to_owned() })
    }

    /// Which version is meant; none where only a trial will tell.
    fn version(&mut self, wish: &Wish) -> Result<Option<String>, Error> {
        if let (Some(pins), None) = (&self.demanded, wish.from) {
            let pinned = pins.find(wish.install.name)?.version.clone();
            return match wish.version {
                Some(version) if version != pinned => Err(Error::Impossible {
                    what: format!("{} {version}", wish.install.name),
                    why: format!("the lock file demands {pinned}"),
                }),
                Some(_) | None => Ok(Some(pinned)),
            };
        }
        match wish.version {
            Some("latest") => self.latest(wish.install).map(Some),
            // It becomes a directory.
            Some(version) if version.is_empty() || version.starts_with('.') || version.contains(['/', '\0']) => {
                Err(Error::NoVersion {
                    package: format!("{}@{version}", wish.install.name),
                    url: "any registry".to_owned(),
                })
            }
            Some(version) => Ok(Some(version.to_owned())),
            None if wish.from.is_some() => Ok(None),
            None if wish.install.tested.is_empty() => Err(Error::Impossible {
                what: wish.install.name.to_owned(),
                why: format!(
                    "this release was tested with no version of it; name one, as in `{}@VERSION`, or use --from",
                    wish.install
                ),
            }),
            None => Ok(Some(wish.install.tested.to_owned())),
        }
    }

    fn already(&self, wish: &Wish, version: Option<&str>) -> Result<Option<Installed>, Error> {
        let Some(version) = version.filter(|_| !wish.force && wish.from.is_none()) else { return Ok(None) };
        let Some(installed) = self.places.choose(wish.install.name, Some(version)) else { return Ok(None) };
        if let Some(pins) = &self.demanded {
            for package in &installed.manifest.packages {
                pins.demand(wish.install.name, package)?;
            }
        }
        Ok(Some(installed))
    }

    fn locked(
        &mut self,
        wish: &Wish,
        version: Option<String>,
        directory: &Path,
        lock: &Lock,
        progress: &mut dyn Progress,
    ) -> Result<Done, Error> {
        let install = wish.install;
        let parent = directory.join(install.name);
        place::make_directory(&parent)?;
        let staging = parent.join(format!(".new-{}", version.as_deref().unwrap_or("unknown")));
        place::make_directory(&staging)?;
        let mut got = match (wish.from, &version) {
            (Some(from), _) => self.take(install, from, version.clone(), &staging)?,
            (None, Some(version)) => self.get(install, version, &staging, lock, progress)?,
            (None, None) => return Err(Error::Missing { what: install.name.to_owned() }),
        };
        step::reached("unpacked");
        if let Some(program) = &got.program {
            // Scripts of packages are for the Node that we chose.
            if got.node.is_none()
                && !matches!(install.recipe, Recipe::Platform { package, .. } if !package.contains("{cpu}"))
            {
                self.platform.suits(&staging.join(program))?;
                make_executable(&staging.join(program))?;
            }
            symlink(program, staging.join("run")).map_err(file("create", staging.join("run")))?;
        }
        let says = if install.program.is_empty() { String::new() } else { tried(&staging, &got, lock)? };
        step::reached("tried");
        let version = match version {
            Some(version) => version,
            None => said_version(&says).ok_or_else(|| Error::Broken {
                program: staging.join("run"),
                why: format!("it names no version: {says:?}"),
            })?,
        };
        sums::write(&staging)?;
        let manifest = Manifest {
            agent: install.name.to_owned(),
            version: version.clone(),
            source: got.source,
            packages: std::mem::take(&mut got.packages),
            node: got.node,
            says,
            installed: schema::Timestamp(host::clock::now_ms()).to_string(),
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("lists and strings");
        let path = staging.join("installed.json");
        fs::write(&path, text).map_err(file("write", &path))?;
        make_readable(&path)?;
        step::reached("written");
        let folder = parent.join(&version);
        put(&staging, &folder, &parent.join(format!(".old-{version}")))?;
        step::reached("placed");
        if !install.program.is_empty() {
            place::launch(directory, install)?;
        }
        let installed = Installed { directory: directory.to_owned(), manifest };
        Ok(Done { installed, already: false, fetched: got.fetched })
    }

    /// Fetches a version into the staging directory.
    fn get(
        &mut self,
        install: &'static Install,
        version: &str,
        staging: &Path,
        lock: &Lock,
        progress: &mut dyn Progress,
    ) -> Result<Got, Error> {
        let recipe = &install.recipe;
        match *recipe {
            Recipe::BuiltIn => {
                Err(Error::Impossible { what: install.name.to_owned(), why: "it is built in".to_owned() })
            }
            Recipe::Platform { package, program, .. } => {
                let filled = self.platform.fill(package, version, recipe);
                let (name, version) = filled.rsplit_once('@').expect("a recipe names package and version");
                let described = self.promised(install, name, version)?;
                progress.say(&format!("{} {version}: fetching {}", install.name, described.url));
                let (download, fetched) = self.fetch(install, &described, progress)?;
                step::reached("verified");
                let target = staging.join("package");
                place::make_directory(&target)?;
                let only = install.only;
                let wanted = |path: &Path| only.is_empty() || only.iter().any(|start| path.starts_with(start));
                unpack::unpack(&download, &filled, &target, &wanted)?;
                let program = Path::new("package").join(self.platform.fill(program, version, recipe));
                exists(&staging.join(&program), &filled)?;
                Ok(Got {
                    program: Some(program),
                    script: None,
                    source: described.url,
                    packages: vec![described.package],
                    fetched,
                    node: None,
                })
            }
            Recipe::Tree { package, script, node } => {
                let described = self.promised(install, package, version)?;
                let pinned = match &self.demanded {
                    Some(pins) => pins.find(install.name)?.tree.clone(),
                    None => None,
                };
                let node = tree::Node::find(self, node, lock, progress)?;
                progress.say(&format!("{} {version}: npm fetches {package} and what it needs", install.name));
                tree::fill(self, &node, package, version, pinned.as_ref(), staging, lock)?;
                let found = tree::lock_of(staging).unwrap_or_default();
                let integrity = &found["packages"][format!("node_modules/{package}")]["integrity"];
                if *integrity != described.package.integrity.as_str() {
                    return Err(Error::Hash {
                        what: format!("{package}@{version}"),
                        expected: described.package.integrity,
                        found: integrity.to_string(),
                    });
                }
                let script = Path::new("package/node_modules").join(package).join(script);
                exists(&staging.join(&script), package)?;
                let place = self.places.target()?.join(install.name).join(version);
                tree::write_launcher(&node.program, &place.join(&script), &staging.join("run"))?;
                Ok(Got {
                    program: None,
                    script: Some(script),
                    source: described.url,
                    packages: vec![described.package],
                    fetched: 0,
                    node: Some(node.program),
                })
            }
            Recipe::Archive { url, program } => {
                let url = self.platform.fill(url, version, recipe);
                progress.say(&format!("{} {version}: fetching {url}", install.name));
                let download = self.download(install.name, version)?;
                // Its maker publishes no hash: what is found is written down, and a lock file can demand it.
                let (hash, fetched) = self.fetcher.package(&url, &download, progress)?;
                let package = Package { name: url.clone(), version: version.to_owned(), integrity: integrity(&hash) };
                if let Some(pins) = &self.demanded {
                    pins.demand(install.name, &package)?;
                }
                let target = staging.join("package");
                place::make_directory(&target)?;
                unpack::unpack(&download, &url, &target, &|_| true)?;
                let program = without_first(Path::new(program));
                exists(&target.join(&program), &url)?;
                Ok(Got {
                    program: Some(Path::new("package").join(program)),
                    script: None,
                    source: url,
                    packages: vec![package],
                    fetched,
                    node: None,
                })
            }
        }
    }

    /// Takes a local archive, directory or program into the staging directory.
    fn take(&mut self, install: &Install, from: &Path, version: Option<String>, staging: &Path) -> Result<Got, Error> {
        let target = staging.join("package");
        place::make_directory(&target)?;
        let data = fs::metadata(from).map_err(file("read", from))?;
        let fill =
            |template: &str| self.platform.fill(template, version.as_deref().unwrap_or_default(), &install.recipe);
        let expected = match install.recipe {
            Recipe::Platform { program, .. } => PathBuf::from(fill(program)),
            Recipe::Archive { program, .. } => without_first(Path::new(program)),
            Recipe::BuiltIn | Recipe::Tree { .. } => PathBuf::from(install.program),
        };
        let mut start = [0; 2];
        if data.is_dir() {
            copy(from, &target)?;
        } else if fs::File::open(from).and_then(|mut opened| std::io::Read::read_exact(&mut opened, &mut start)).is_ok()
            && start == [0x1f, 0x8b]
        {
            unpack::unpack(from, &from.display().to_string(), &target, &|_| true)?;
        } else {
            let place = target.join(&expected);
            place::make_directory(place.parent().expect("below the package"))?;
            fs::copy(from, &place).map_err(file("copy", from))?;
        }
        let candidates = [expected.clone(), PathBuf::from(install.program), Path::new("bin").join(install.program)];
        let found = candidates.iter().find(|path| target.join(path).is_file());
        let program = found.ok_or_else(|| Error::Archive {
            what: from.display().to_string(),
            why: format!("there is no {} in it", expected.display()),
        })?;
        Ok(Got {
            program: Some(Path::new("package").join(program)),
            script: None,
            source: from.display().to_string(),
            packages: Vec::new(),
            fetched: 0,
            node: None,
        })
    }

    /// What the registry says of a package, which must be what the lock file demands.
    fn promised(&mut self, install: &Install, name: &str, version: &str) -> Result<Described, Error> {
        let (url, json) = self.describe(name, version)?;
        let odd = |why: &str| Error::Metadata { url: url.clone(), why: why.to_owned() };
        if json["name"] != name || json["version"] != version {
            return Err(odd("it describes another package"));
        }
        let tarball = json["dist"]["tarball"].as_str().ok_or_else(|| odd("it names no archive"))?;
        let hashes = json["dist"]["integrity"].as_str().unwrap_or_default();
        let hash = hashes.split_whitespace().find(|hash| hash.starts_with("sha512-"));
        let hash = hash.ok_or_else(|| odd("it promises no SHA-512"))?;
        let package = Package { name: name.to_owned(), version: version.to_owned(), integrity: hash.to_owned() };
        if let Some(pins) = &self.demanded {
            pins.demand(install.name, &package)?;
        }
        Ok(Described { package, url: self.fetcher.settings().moved(name, tarball) })
    }

    fn describe(&mut self, name: &str, version: &str) -> Result<(String, Value), Error> {
        let url = format!("{}/{}/{version}", self.fetcher.settings().registry(name), name.replace('/', "%2f"));
        let bytes = match self.fetcher.text(&url) {
            Err(Error::Refused { url, status: 404 }) => {
                return Err(Error::NoVersion { package: format!("{name}@{version}"), url });
            }
            result => result?,
        };
        let json = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Metadata { url: url.clone(), why: format!("it is no JSON: {error}") })?;
        Ok((url, json))
    }

    /// Fetches a package, whose hash must be the promised one before anybody looks into it.
    fn fetch(
        &mut self,
        install: &Install,
        described: &Described,
        progress: &mut dyn Progress,
    ) -> Result<(PathBuf, u64), Error> {
        let package = &described.package;
        let download = self.download(install.name, &package.version)?;
        let mut again = 0;
        loop {
            let begun = fs::metadata(&download).map_or(0, |data| data.len());
            let (hash, fetched) = self.fetcher.package(&described.url, &download, progress)?;
            let found = integrity(&hash);
            if found == package.integrity {
                return Ok((download, fetched));
            }
            fetch::forget(&download)?;
            // What another process began may have been something else.
            if begun == 0 || again >= AGAIN {
                return Err(Error::Hash { what: described.url.clone(), expected: package.integrity.clone(), found });
            }
            again += 1;
        }
    }

    fn download(&self, name: &str, version: &str) -> Result<PathBuf, Error> {
        let directory = self.places.target()?.join(PARTIAL).join(name);
        place::make_directory(&directory)?;
        Ok(directory.join(format!("{version}.tgz")))
    }
}

/// What lies in the staging directory.
struct Got {
    /// Relative to the staging directory; none where a launcher was written.
    program: Option<PathBuf>,
    /// What Node runs, relative to the staging directory.
    script: Option<PathBuf>,
    source: String,
    packages: Vec<Package>,
    fetched: u64,
    node: Option<PathBuf>,
}

/// Takes away what a killed installation left; whoever holds the lock may.
fn clean(directory: &Path, install: &Install) -> Result<(), Error> {
    let parent = directory.join(install.name);
    for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(version) = name.strip_prefix(".old-") {
            // Killed between the two renames of a file system that cannot exchange.
            let place = parent.join(version);
            if !place.exists() && entry.path().join("installed.json").exists() {
                fs::rename(entry.path(), &place).map_err(file("restore", &place))?;
                continue;
            }
        }
        if name.starts_with(".new-") || name.starts_with(".old-") {
            place::remove_all(&entry.path())?;
        }
    }
    Ok(())
}

/// The new version is there in one step, and the old one gone in the same.
fn put(staging: &Path, folder: &Path, aside: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return fs::rename(staging, folder).map_err(file("create", folder));
    }
    if host::swap::swap(staging, folder).is_err() {
        fs::rename(folder, aside).map_err(file("move", folder))?;
        fs::rename(staging, folder).map_err(file("create", folder))?;
        return place::remove_all(aside);
    }
    place::remove_all(staging)
}

/// Has the program say its version.
fn tried(staging: &Path, got: &Got, lock: &Lock) -> Result<String, Error> {
    let run = staging.join("run");
    let home = staging.join("home");
    place::make_directory(&home)?;
    let broken = |why: String| Error::Broken { program: run.clone(), why };
    let mut env: Vec<_> = host::env::all().into_iter().filter(|(name, _)| name == "PATH" || name == "LANG").collect();
    // What it lays down in passing goes with its home.
    env.extend(["HOME", "TMPDIR"].map(|name| (name.into(), home.clone().into())));
    // A launcher names the place where it will be; until then its script is here.
    let (program, mut args) = match (&got.node, &got.script) {
        (Some(node), Some(script)) => (node.clone(), vec![staging.join(script).into()]),
        _ => (staging.join(got.program.as_deref().unwrap_or(Path::new("run"))), Vec::new()),
    };
    args.push("--version".into());
    let stop = Stop { eof: Duration::ZERO, term: Duration::from_secs(1) };
    let spec = Spec { program, args, env, dir: home.clone(), stop };
    let captured = host::capture::capture(&spec, lock, Duration::from_secs(120))?;
    place::remove_all(&home)?;
    let said = captured.stdout.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match captured.code {
        Some(0) => Ok(said.chars().take(200).collect()),
        _ if captured.late => Err(broken("it takes longer than two minutes".to_owned())),
        Some(code) => Err(broken(format!("it ends with {code}: {}", last_lines(&captured.stderr)))),
        None => Err(broken(format!("a signal ended it: {}", last_lines(&captured.stderr)))),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

/// The first word that looks like a version.
fn said_version(text: &str) -> Option<String> {
    let words = text.split([' ', '(', ')', ',']).map(|word| word.trim_start_matches('v'));
    let mut versions =
        words.filter(|word| word.contains('.') && word.starts_with(|start: char| start.is_ascii_digit()));
    versions.next().filter(|version| !version.contains('/')).map(str::to_owned)
}

fn integrity(hash: &[u8; 64]) -> String {
    format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(hash))
}

fn without_first(path: &Path) -> PathBuf {
    path.components().skip(1).collect()
}

fn exists(program: &Path, what: &str) -> Result<(), Error> {
    if program.is_file() {
        return Ok(());
    }
    let name = program.file_name().unwrap_or_default().display();
    Err(Error::Archive { what: what.to_owned(), why: format!("there is no {name} in it") })
}

fn make_executable(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(file("make executable", path))
}

fn make_readable(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).map_err(file("write", path))
}

/// Copies a directory's files; links are copied as links.
fn copy(from: &Path, into: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(from).map_err(file("read", from))? {
        let entry = entry.map_err(file("read", from))?;
        let target = into.join(entry.file_name());
        let kind = entry.file_type().map_err(file("read", entry.path()))?;
        if kind.is_dir() {
            place::make_directory(&target)?;
            copy(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            let link = fs::read_link(entry.path()).map_err(file("read", entry.path()))?;
            symlink(link, &target).map_err(file("create", &target))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).map_err(file("copy", entry.path()))?;
        }
    }
    Ok(())
}
