//! The generated files of `protocol/`: none is stale, and the OpenRPC document is one.
//!
//! `NAMDRUNNER_UPDATE=1 cargo test` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::{Draft, Resource};
use namdrunner::protocol::emit;
use serde_json::Value;

use super::transcripts::Recorded;

fn protocol_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol")
}

/// Compares a committed file with what it should be, or writes it.
fn check(path: &Path, expected: &str) {
    if std::env::var_os("NAMDRUNNER_UPDATE").is_some() {
        fs::write(path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let first = found
        .lines()
        .zip(expected.lines())
        .position(|(a, b)| a != b);
    assert!(
        found == expected,
        "{} is stale from line {}; run the tests once with NAMDRUNNER_UPDATE=1",
        path.display(),
        first.map_or(found.lines().count().min(expected.lines().count()), |at| at) + 1
    );
}

#[test]
fn the_committed_files_are_what_the_types_say() {
    for (name, text) in emit::files() {
        check(&protocol_dir().join(name), &text);
    }
}

#[test]
fn every_lua_type_that_is_named_is_declared_once() {
    let text = fs::read_to_string(protocol_dir().join("namdrunner.lua")).unwrap();
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            let rest = line
                .strip_prefix("---@class ")
                .or(line.strip_prefix("---@alias "))?;
            rest.split([' ', ':']).next()
        })
        .collect();
    let unique: std::collections::BTreeSet<&str> = declared.iter().copied().collect();
    assert_eq!(declared.len(), unique.len(), "declared twice");
    assert!(unique.len() > 40, "{unique:?}");
    for line in text.lines().filter(|line| line.starts_with("---@")) {
        for (at, found) in line.match_indices("namdrunner.") {
            let name = line.get(at..).unwrap();
            // Types begin with a capital; `namdrunner.submit` in the prose behind one is a command.
            if !name[found.len()..].starts_with(|c: char| c.is_ascii_uppercase()) {
                continue;
            }
            let end = name
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                .unwrap_or(name.len());
            let name = name.get(..end).unwrap().trim_end_matches('.');
            assert!(unique.contains(name), "{name} in {line}");
        }
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn the_lua_types_are_lua() {
    let output = std::process::Command::new("luacheck")
        .args(["--no-color", "--no-max-line-length", "--std", "luajit"])
        .arg(protocol_dir().join("namdrunner.lua"))
        .output()
        .expect("luacheck, of Debian's package lua-check");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_readme_holds_the_tables_and_the_recorded_examples() {
    let path = protocol_dir().join("README.md");
    let document = fs::read_to_string(&path).unwrap();
    let written = emit::readme(&document, &Recorded::read()).unwrap();
    check(&path, &written);
}

fn data(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openrpc");
    serde_json::from_str(&fs::read_to_string(dir.join(name)).unwrap()).unwrap()
}

/// OpenRPC's own schema of OpenRPC documents.
fn meta_schema() -> jsonschema::Validator {
    let mut meta = data("meta-schema.json");
    // It names a dialect of its own, which is draft 7.
    meta.as_object_mut().unwrap().remove("$schema");
    let mut json_schema = data("json-schema.json");
    json_schema.as_object_mut().unwrap().remove("$schema");
    let json_schema = Draft::Draft7.create_resource(json_schema);
    let with = |uri: &str, resource: Resource| (uri.to_owned(), resource);
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_resources(
            [
                with("https://meta.json-schema.tools", json_schema.clone()),
                with("https://meta.json-schema.tools/", json_schema),
            ]
            .into_iter(),
        )
        .build(&meta)
        .unwrap()
}

#[test]
fn the_openrpc_document_fits_the_meta_schema() {
    let document: Value = serde_json::from_str(&emit::openrpc()).unwrap();
    let meta = meta_schema();
    let errors: Vec<String> = meta
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // The validator does see what is wrong.
    let mut wrong = document.clone();
    wrong["methods"][0]["errors"][0] = serde_json::json!({"code": "x"});
    assert!(!meta.is_valid(&wrong));
    let mut wrong = document;
    wrong["methods"][0]["params"][0]["schema"] = serde_json::json!({"type": 5});
    assert!(!meta.is_valid(&wrong));
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(path)) = fields.get("$ref") {
                    let place = document.pointer(path.trim_start_matches('#'));
                    assert!(place.is_some(), "{path} leads nowhere");
                }
                fields.values().for_each(|value| walk(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&emit::openrpc()).unwrap();
    walk(&document, &document);
}
