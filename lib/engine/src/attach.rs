//! Files that come with a prompt: read, told apart by their first bytes, and only what the agent takes.

use std::io::Write;
use std::path::Path;

use agents::card::Card;
use agents::dialect::Attachment;
use base64::Engine;
use schema::outcome::ErrorCode;
use store::Session;

use crate::error::Error;
use crate::failure::Failure;
use crate::places::Places;

/// Reads files for this agent; relative paths are below `cwd`.
///
/// # Errors
/// A file that cannot be read, or that the agent does not take.
pub fn attachments(paths: &[impl AsRef<Path>], cwd: &Path, card: &Card) -> Result<Vec<Attachment>, Failure> {
    paths.iter().map(|path| attachment(&cwd.join(path), card)).collect()
}

fn attachment(path: &Path, card: &Card) -> Result<Attachment, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let code = if missing { ErrorCode::NotFound } else { ErrorCode::Usage };
        Failure::new(code, format!("failed to read {}: {error}", path.display()))
    })?;
    let mime = media_type(&bytes);
    let can = if mime.starts_with("image/") { card.can.images } else { card.can.files };
    if !can {
        let message = format!("failed to attach {}: {} takes no {mime}", path.display(), card.name);
        return Err(Failure::usage(message));
    }
    let text = path.to_str();
    let text =
        text.ok_or_else(|| Failure::usage(format!("failed to use {}: the path is not UTF-8", path.display())))?;
    Ok(Attachment {
        path: text.to_owned(),
        mime: mime.to_owned(),
        base64: base64::engine::general_purpose::STANDARD.encode(bytes),
    })
}

/// Keeps what somebody gives a session over the wire, for as long as the session is there, and says where.
///
/// # Errors
/// When it cannot be written.
pub fn keep(store: &Path, session: &Session, name: &str, bytes: &[u8]) -> Result<String, Failure> {
    let folder = Places::beside(store).given(&session.uid);
    host::private::directory(&folder)?;
    let name: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter)).collect();
    let path = folder.join(format!("{}-{name}", schema::ids::unique()));
    let failed = |source| Error::File { doing: "write", path: path.clone(), source };
    host::private::file(&path)?.write_all(bytes).map_err(failed)?;
    Ok(path.to_string_lossy().into_owned())
}

/// The same for what came as base64.
///
/// # Errors
/// What is no base64, or cannot be written.
pub fn keep_base64(store: &Path, session: &Session, name: &str, text: &str) -> Result<String, Failure> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    let bytes = bytes.map_err(|error| Failure::usage(format!("failed to read `{}`: {error}", name.escape_debug())))?;
    keep(store, session, name, &bytes)
}

/// By the first bytes: names lie.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        _ if std::str::from_utf8(bytes).is_ok() => "text/plain",
        _ => "application/octet-stream",
    }
}
