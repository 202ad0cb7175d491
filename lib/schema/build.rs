//! Packs the committed JSON Schema for the binary: of its 170 KB of text a tenth is left.

use std::io::Write;
use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "Cargo says in the environment where to write")]
fn main() {
    println!("cargo::rerun-if-changed=event.schema.json");
    let text = std::fs::read("event.schema.json").expect("the schema is committed");
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&text).expect("memory takes everything");
    let packed = packed.finish().expect("memory takes everything");
    let place = std::env::var_os("OUT_DIR").expect("Cargo sets it");
    std::fs::write(Path::new(&place).join("event.schema.deflate"), packed).expect("Cargo's directory can be written");
}
