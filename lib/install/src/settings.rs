//! Where packages come from and how they are reached: flags, our variables, npm's variables, `.npmrc`, in this order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use host::env::{self, Name};

use crate::Error;

/// npm's own registry.
const DEFAULT: &str = "https://registry.npmjs.org";

/// Where systems keep the certificates of authorities, as OpenSSL looks for them.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What npm's files and the environment say.
#[derive(Clone, Default)]
pub struct Settings {
    /// From the command line or our variable: for every package.
    everywhere: Option<String>,
    values: BTreeMap<String, String>,
    /// The system's file, which an npm that is not the system's does not look for.
    global: Option<PathBuf>,
}

impl Settings {
    /// Reads them. `registry`: what the command line says.
    pub fn read(registry: Option<&str>) -> Settings {
        let mirror = env::var(Name::Mirror).map(|value| value.to_string_lossy().into_owned());
        let mut values = BTreeMap::new();
        let variables = npm_variables();
        let home = host::paths::home();
        let named = |key: &str| variables.get(key).map(PathBuf::from);
        let global = named("globalconfig").map_or_else(
            || ["/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"].map(PathBuf::from).to_vec(),
            |path| vec![path],
        );
        let user = named("userconfig").or_else(|| home.map(|home| home.join(".npmrc")));
        // Not the directory's own: a stranger's clone must not say where programs come from.
        for path in global.iter().chain(&user) {
            if let Ok(text) = std::fs::read_to_string(path) {
                values.extend(parse(&text));
            }
        }
        values.extend(variables);
        let global = global.into_iter().find(|path| path.is_file());
        Settings { everywhere: registry.map(str::to_owned).or(mirror), values, global }
    }

    /// The registry of a package, without a slash at its end.
    pub(crate) fn registry(&self, package: &str) -> String {
        let scope = package.split_once('/').map(|(scope, _)| scope).filter(|scope| scope.starts_with('@'));
        let of_scope = scope.and_then(|scope| self.values.get(&format!("{scope}:registry")));
        let chosen = self.everywhere.as_ref().or(of_scope).or_else(|| self.values.get("registry"));
        chosen.map_or(DEFAULT, String::as_str).trim_end_matches('/').to_owned()
    }

    /// An address in the registry's own words, moved to the registry in use: mirrors repeat npm's addresses.
    pub(crate) fn moved(&self, package: &str, url: &str) -> String {
        let registry = self.registry(package);
        match url.strip_prefix(DEFAULT) {
            Some(path) if registry != DEFAULT => format!("{registry}{path}"),
            Some(_) | None => url.to_owned(),
        }
    }

    /// The value of the `Authorization` header for an address, from `//host/path/:_authToken` and `:_auth`.
    pub(crate) fn authorization(&self, url: &str) -> Option<String> {
        let place = url.split_once("://").map(|(_, rest)| rest)?;
        let of = |key: &str| {
            self.values.iter().find_map(|(name, value)| {
                let prefix = name.strip_prefix("//")?.strip_suffix(key)?.strip_suffix(':')?;
                // A host or a path whose name only begins like it is another's.
                let rest = place.strip_prefix(prefix.trim_end_matches('/'))?;
                (rest.is_empty() || rest.starts_with('/')).then_some(value)
            })
        };
        let token = of("_authToken").map(|token| format!("Bearer {token}"));
        token.or_else(|| of("_auth").map(|basic| format!("Basic {basic}")))
    }

    /// npm's proxy for an address, where the usual variables name none.
    pub(crate) fn proxy(&self, url: &str) -> Option<&str> {
        let keys: &[&str] = if url.starts_with("https:") { &["https-proxy", "proxy"] } else { &["proxy"] };
        keys.iter().find_map(|key| self.values.get(*key)).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The certificates of the authorities that we believe, as PEM: `SSL_CERT_FILE` or the system's, and npm's `cafile`.
    ///
    /// # Errors
    /// A file that was named but cannot be read; no file at all.
    pub(crate) fn authorities(&self) -> Result<Vec<u8>, Error> {
        let read = |path: &Path| std::fs::read(path).map_err(crate::error::file("read the certificates in", path));
        let mut pem = match env::var(Name::SslCertFile) {
            Some(path) => read(Path::new(&path))?,
            None => BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default(),
        };
        if let Some(path) = self.values.get("cafile") {
            pem.push(b'\n');
            pem.extend(read(Path::new(path))?);
        }
        Ok(pem)
    }

    /// What npm has to be told, besides what it reads itself. `ours`: it is a private one of ours.
    pub(crate) fn for_npm(&self, package: &str, ours: bool) -> Vec<(String, String)> {
        let mut told = Vec::new();
        if let Some(path) = self.global.as_ref().filter(|_| ours) {
            told.push(("npm_config_globalconfig".to_owned(), path.to_string_lossy().into_owned()));
        }
        if self.everywhere.is_some() {
            let registry = self.registry(package);
            told.push(("npm_config_registry".to_owned(), format!("{registry}/")));
            if let Some((scope, _)) = package.split_once('/') {
                told.push((format!("npm_config_{scope}:registry"), format!("{registry}/")));
            }
        }
        if !self.values.contains_key("cafile") {
            // Node believes a list of its own; here the system's counts, which may hold an authority of the house.
            let path = env::var(Name::SslCertFile).map(|path| path.to_string_lossy().into_owned());
            let system = BUNDLES.iter().find(|path| Path::new(path).is_file()).map(|path| (*path).to_owned());
            told.extend(path.or(system).map(|path| ("npm_config_cafile".to_owned(), path)));
        }
        told
    }
}

/// `npm_config_…`, in the spelling of the files.
fn npm_variables() -> BTreeMap<String, String> {
    env::all()
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let start = name.get(..11).filter(|start| start.eq_ignore_ascii_case("npm_config_"))?;
            let key = &name[start.len()..];
            // Scopes and addresses keep their spelling.
            let key =
                if key.starts_with(['@', '/']) { key.to_owned() } else { key.to_ascii_lowercase().replace('_', "-") };
            Some((key, value.into_string().ok()?))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The lines of an `.npmrc`: `key = value`, `;` and `#` begin comments, `${NAME}` is a variable.
fn parse(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        if line.starts_with([';', '#', '[']) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        Some((key.trim().to_owned(), expand(value)))
    })
}

fn expand(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push_str("${");
            rest = after;
            continue;
        };
        text.push_str(&env::named(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default());
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings { values: parse(text).collect(), ..Settings::default() }
    }

    #[test]
    fn a_scope_a_token_and_a_mirror() {
        let mut it = settings(
            "; comment\nregistry = https://mirror.example/npm/\n@own:registry=https://own.example\n//own.example/:_authToken=abc\nhttps-proxy=\"http://p:1\"\n",
        );
        assert_eq!(it.registry("@openai/codex"), "https://mirror.example/npm");
        assert_eq!(it.registry("@own/agent"), "https://own.example");
        assert_eq!(it.authorization("https://own.example/@own/agent").as_deref(), Some("Bearer abc"));
        assert_eq!(it.authorization("https://mirror.example/npm/x"), None);
        assert_eq!(it.authorization("https://elsewhere.example/own.example/"), None);
        assert_eq!(it.authorization("https://own.example.evil/x"), None);
        assert_eq!(it.proxy("https://x"), Some("http://p:1"));
        assert_eq!(it.proxy("http://x"), None);
        let moved = it.moved("x", "https://registry.npmjs.org/x/-/x-1.tgz");
        assert_eq!(moved, "https://mirror.example/npm/x/-/x-1.tgz");
        it.everywhere = Some("http://127.0.0.1:1/".to_owned());
        assert_eq!(it.registry("@own/agent"), "http://127.0.0.1:1");
        assert_eq!(settings("").registry("x"), DEFAULT);
    }
}
