//! Over the network: small answers into memory, packages onto the disk, with retries, resumed, and hashed on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha512};
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::error::file;
use crate::settings::Settings;
use crate::{Error, Progress};

/// How often something is tried without getting on before we give up.
const TRIES: u32 = 5;

/// The pause after the first failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// The largest answer that is kept in memory, in bytes.
const LARGEST_ANSWER: u64 = 64 << 20;

/// The largest package, in bytes.
const LARGEST_PACKAGE: u64 = 2 << 30;

/// A connection to registries.
pub(crate) struct Fetcher {
    settings: Settings,
    agent: Option<Agent>,
}

/// Why a try failed.
enum Trouble {
    /// Another try may help.
    Passing(String),
    /// It would not.
    Lasting(Error),
}

impl Fetcher {
    pub(crate) fn new(settings: Settings) -> Fetcher {
        Fetcher { settings, agent: None }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A small answer.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Refused`] with the status.
    pub(crate) fn text(&mut self, url: &str) -> Result<Vec<u8>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.text_once(url) {
                Ok(bytes) => return Ok(bytes),
                Err(trouble) => again(url, tries, trouble)?,
            }
        }
    }

    fn text_once(&mut self, url: &str) -> Result<Vec<u8>, Trouble> {
        let mut response = self.get(url, 0)?;
        let reading = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec();
        reading.map_err(|error| Trouble::Passing(error.to_string()))
    }

    /// Fetches a package into a file, going on where an earlier try (also of another process) left off, and returns the
    /// SHA-512 of it and how many bytes came over the network.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Refused`], [`Error::File`].
    pub(crate) fn package(
        &mut self,
        url: &str,
        into: &Path,
        progress: &mut dyn Progress,
    ) -> Result<([u8; 64], u64), Error> {
        let mut download = Download::open(into)?;
        let mut fetched = 0;
        let mut tries = 0;
        loop {
            tries += 1;
            let before = download.written;
            let result = self.package_once(url, &mut download, progress);
            fetched += download.written.saturating_sub(before);
            match result {
                Ok(()) => return Ok((download.hash.finalize().into(), fetched)),
                Err(trouble) => {
                    // A try that got on is none of those that count.
                    if download.written > before {
                        tries = 1;
                    }
                    again(url, tries, trouble)?;
                }
            }
        }
    }

    fn package_once(&mut self, url: &str, download: &mut Download, progress: &mut dyn Progress) -> Result<(), Trouble> {
        let response = self.get(url, download.written)?;
        let whole = match response.status().as_u16() {
            206 if starts_at(&response) == Some(download.written) => {
                length(&response).map(|rest| download.written + rest)
            }
            // The part is as long as the whole, or longer: what is there is not what we want, or all of it.
            416 => {
                return if total(&response) == Some(download.written) {
                    Ok(())
                } else {
                    download.restart()?;
                    Err(Trouble::Passing("the part that was here does not fit".to_owned()))
                };
            }
            _ => {
                download.restart()?;
                length(&response)
            }
        };
        if whole.is_some_and(|whole| whole > LARGEST_PACKAGE) {
            return Err(Trouble::Lasting(Error::Metadata {
                url: url.to_owned(),
                why: "it is larger than 2 GiB".to_owned(),
            }));
        }
        let mut reader = response.into_body().into_with_config().limit(LARGEST_PACKAGE).reader();
        let mut buffer = vec![0; 1 << 17];
        loop {
            progress.bytes(download.written, whole);
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(Trouble::Passing(error.to_string())),
            };
            download.add(&buffer[..count])?;
            host::step::reached("fetched");
        }
        match whole {
            Some(whole) if download.written < whole => {
                Err(Trouble::Passing(format!("it ends after {} of {whole} bytes", download.written)))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn get(&mut self, url: &str, from: u64) -> Result<Response<Body>, Trouble> {
        let authorization = self.settings.authorization(url);
        let proxy = self.settings.proxy(url).map(str::to_owned);
        let agent = self.agent()?;
        let mut request = agent.get(url);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if let (Some(proxy), true) = (proxy, Proxy::try_from_env().is_none()) {
            let proxy = Proxy::new(&proxy).map_err(|error| Trouble::Passing(error.to_string()))?;
            request = request.config().proxy(Some(proxy)).build();
        }
        let response = request.call().map_err(|error| Trouble::Passing(explained(&error)))?;
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            status @ (408 | 425 | 429 | 500..) => Err(Trouble::Passing(format!("the server answers {status}"))),
            status => Err(Trouble::Lasting(Error::Refused { url: url.to_owned(), status })),
        }
    }

    /// Made at the first use: reading certificates takes milliseconds.
    fn agent(&mut self) -> Result<&Agent, Trouble> {
        if self.agent.is_none() {
            let pem = self.settings.authorities().map_err(Trouble::Lasting)?;
            let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    Ok(_) | Err(_) => None,
                })
                .collect();
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::Specific(Arc::new(certificates)))
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .build();
            let config = Agent::config_builder()
                .tls_config(tls)
                .http_status_as_error(false)
                .user_agent(concat!("sandbox-agent/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(Duration::from_secs(20)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .timeout_per_read(Some(Duration::from_secs(30)))
                .build();
            self.agent = Some(config.new_agent());
        }
        Ok(self.agent.as_ref().expect("just made"))
    }
}

/// Waits before another try, or gives up.
fn again(url: &str, tries: u32, trouble: Trouble) -> Result<(), Error> {
    match trouble {
        Trouble::Lasting(error) => Err(error),
        Trouble::Passing(why) if tries >= TRIES => Err(Error::Network { url: url.to_owned(), tries, why }),
        Trouble::Passing(_) => {
            std::thread::sleep(PAUSE * 2u32.pow(tries - 1));
            Ok(())
        }
    }
}

fn explained(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") {
        return format!(
            "{text}; no authority that is believed here signed its certificate: install ca-certificates, or name a file with SSL_CERT_FILE"
        );
    }
    text
}

fn length(response: &Response<Body>) -> Option<u64> {
    response.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

/// Where a part begins: `bytes 5-9/10`.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// How long the whole is: `bytes */10`.
fn total(response: &Response<Body>) -> Option<u64> {
    response.headers().get("content-range")?.to_str().ok()?.rsplit('/').next()?.parse().ok()
}

/// A file that grows, and the hash of what is in it.
struct Download {
    file: File,
    path: std::path::PathBuf,
    hash: Sha512,
    written: u64,
}

impl Download {
    /// Opens what is there, and hashes it.
    fn open(path: &Path) -> Result<Download, Error> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(path);
        let mut file = opened.map_err(file("create", path))?;
        let mut hash = Sha512::new();
        let written = std::io::copy(&mut file, &mut hash).map_err(crate::error::file("read", path))?;
        Ok(Download { file, path: path.to_owned(), hash, written })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        self.file.write_all(bytes).map_err(file("write", &self.path)).map_err(Trouble::Lasting)
    }

    fn restart(&mut self) -> Result<(), Trouble> {
        self.hash = Sha512::new();
        self.written = 0;
        self.file.set_len(0).map_err(file("write", &self.path)).map_err(Trouble::Lasting)
    }
}

/// Takes a download away, where there is one.
pub(crate) fn forget(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
