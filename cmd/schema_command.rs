//! `schema`: the JSON Schema of events and records.

use engine::Failure;

use crate::exit::Exit;
use crate::out;

/// Prints it.
pub(crate) fn main() -> Result<Exit, Failure> {
    out::print_text(schema::JSON_SCHEMA);
    Ok(Exit::Code(0))
}
