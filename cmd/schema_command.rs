//! `schema`: the JSON Schema of events and records.

use std::io::Read;

use engine::Failure;
use schema::outcome::ErrorCode;

use crate::exit::Exit;
use crate::out;

/// Prints it.
pub(crate) fn main() -> Result<Exit, Failure> {
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(schema::JSON_SCHEMA_PACKED)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(ErrorCode::Other, format!("failed to unpack the schema: {error}")))?;
    out::print_text(&text);
    Ok(Exit::Code(0))
}
