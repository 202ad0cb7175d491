//! Paths as records tell them: readable, and exact where that is not the same.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::ffi::OsStrExt;

/// The path with what is no UTF-8 replaced.
pub fn readable(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The exact bytes in base64, where [`readable`] is not exact.
pub fn exact(path: &Path) -> Option<String> {
    exact_bytes(path.as_os_str().as_bytes())
}

pub(crate) fn exact_bytes(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes))
}
