//! Reads files that hold credentials: small, plain, and nothing of them in an error.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::Error;

/// No agent keeps more than this beside its login, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// The text of a file; `None` where it is not there.
///
/// # Errors
/// [`Error::File`] where it cannot be read, is no plain file, is longer than [`LIMIT`] or no UTF-8.
pub fn read(path: &Path) -> Result<Option<String>, Error> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: path.to_owned(), source }),
    }
}

fn text(path: &Path) -> io::Result<String> {
    let odd = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    // A pipe without a writer would hold us up for ever.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(odd("it is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(odd("it is longer than 16 MiB"));
    }
    // The error of the conversion would hold the bytes.
    String::from_utf8(bytes).map_err(|_| odd("it is no text (UTF-8)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_text_of_a_sane_size_is_read() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("good"), "{}").unwrap();
        std::fs::write(at("binary"), [0xff, 0xfe, b's', b'k']).unwrap();
        std::fs::File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&at("good")).unwrap().as_deref(), Some("{}"));
        assert!(read(&at("missing")).unwrap().is_none());
        assert!(read(&at("good/below")).unwrap().is_none());
        for (name, why) in [("binary", "no text"), ("huge", "16 MiB"), ("pipe", "no plain file"), (".", "no plain")] {
            let Err(Error::File { path, source, .. }) = read(&at(name)) else { panic!("{name} was read") };
            assert_eq!(path, at(name));
            assert!(source.to_string().contains(why), "{source}");
        }
    }
}
