//! The table and the types, written for other languages: OpenRPC, TypeScript, Lua, and the tables
//! of `protocol/README.md`. All of it is committed, and a test fails when it is stale.

mod cases;
mod lua;
mod model;
mod openrpc;
mod readme;
mod typescript;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;

pub use readme::{Examples, readme};

/// Where component schemas stand in the OpenRPC document.
const SCHEMAS: &str = "/components/schemas";

/// The generator of the schemas: draft 7, as OpenRPC has it.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::draft07()
        .with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// The OpenRPC document.
pub fn openrpc() -> String {
    openrpc::document()
}

/// All generated files, by their names in `protocol/`.
pub fn files() -> Vec<(&'static str, String)> {
    let types = model::types();
    vec![
        ("openrpc.json", openrpc::document()),
        ("namdrunner.ts", typescript::declarations(&types)),
        ("namdrunner.lua", lua::annotations(&types)),
    ]
}

/// A doc comment as plain text: the indent of `///` and the last newline are gone.
fn text_of(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}
