//! The OpenRPC document.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{generator, text_of};
use crate::protocol::{
    CLIENT_NOTIFICATIONS, ErrorData, METHODS, MethodRow, NOTIFICATIONS, NotificationRow, QUESTIONS,
    VERSION, error_codes,
};

/// The version of OpenRPC the document is written in.
const OPENRPC: &str = "1.3.2";

pub(super) fn document() -> String {
    let mut text = serde_json::to_string_pretty(&value()).unwrap_or_default();
    text.push('\n');
    text
}

fn value() -> Value {
    let mut generator = generator();
    let errors: Map<String, Value> = error_codes()
        .into_iter()
        .map(|error| {
            let object = json!({"code": error.code, "message": error.meaning});
            (error.kind.to_owned(), object)
        })
        .collect();
    // `data` of every error.
    generator.subschema_for::<ErrorData>();
    let methods: Vec<Value> = METHODS
        .iter()
        .map(|row| method(row, &mut generator))
        .collect();
    let questions: Vec<Value> = QUESTIONS
        .iter()
        .map(|row| {
            let gives = (row.result)(&mut generator);
            json!({
                "name": row.name,
                "description": text_of(row.doc),
                "paramStructure": "by-name",
                "params": params(&(row.params)(&mut generator), &generator),
                "result": {"name": "result", "schema": gives},
            })
        })
        .collect();
    let mut notifications = |rows: &[NotificationRow]| -> Vec<Value> {
        rows.iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "description": text_of(row.doc),
                    "paramStructure": "by-name",
                    "params": params(&(row.params)(&mut generator), &generator),
                })
            })
            .collect()
    };
    let (from_server, from_client) = (
        notifications(NOTIFICATIONS),
        notifications(CLIENT_NOTIFICATIONS),
    );
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "NAMDRunner",
            "version": format!("{VERSION}"),
            "description": "Runs NAMD on Slurm clusters from the editor. JSON-RPC 2.0 over stdin and stdout, framed as in the Language Server Protocol or one message on each line. Every error carries ErrorData in `data`.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "methods": methods,
        "components": {"schemas": schemas(&mut generator), "errors": errors},
        "x-serverRequests": questions,
        "x-serverNotifications": from_server,
        "x-clientNotifications": from_client,
    })
}

fn method(row: &MethodRow, generator: &mut SchemaGenerator) -> Value {
    let doc = text_of(row.doc);
    let takes = (row.params)(generator);
    let gives = (row.result)(generator);
    let errors: Vec<Value> = row
        .all_errors()
        .map(|kind| json!({"$ref": format!("#/components/errors/{}", kind.name())}))
        .collect();
    json!({
        "name": row.name,
        "summary": doc.split_inclusive(". ").next().unwrap_or_default().trim(),
        "description": doc,
        "paramStructure": "by-name",
        "params": params(&takes, generator),
        "result": {"name": "result", "schema": gives},
        "errors": errors,
    })
}

/// A struct's fields as OpenRPC's content descriptors.
fn params(schema: &Schema, generator: &SchemaGenerator) -> Vec<Value> {
    let name = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
        .unwrap_or_default();
    let Some(Value::Object(definition)) = generator.definitions().get(name) else {
        return Vec::new();
    };
    let mut definition = Value::Object(definition.clone());
    tidy(&mut definition);
    let Value::Object(mut definition) = definition else {
        return Vec::new();
    };
    let required = required(&definition);
    let Some(Value::Object(fields)) = definition.remove("properties") else {
        return Vec::new();
    };
    fields
        .into_iter()
        .map(|(name, mut schema)| {
            let description = schema.as_object_mut().and_then(|s| s.remove("description"));
            json!({
                "name": name,
                "description": description,
                "required": required.contains(&name),
                "schema": schema,
            })
        })
        .collect()
}

/// The component schemas, in alphabetical order.
pub(super) fn schemas(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut schemas: Vec<(String, Value)> = generator.take_definitions(true).into_iter().collect();
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    for (_, schema) in &mut schemas {
        tidy(schema);
    }
    schemas.into_iter().collect()
}

fn required(definition: &Map<String, Value>) -> Vec<String> {
    let names = definition.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Joins the lines of descriptions, and takes `null` out of the types of optional fields: what is
/// absent is left out on the wire. (`null` is read as absent all the same.)
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(doc)) = object.get_mut("description") {
                *doc = text_of(doc);
            }
            let required = required(object);
            if let Some(Value::Object(fields)) = object.get_mut("properties") {
                for (_, field) in fields
                    .iter_mut()
                    .filter(|(name, _)| !required.contains(name))
                {
                    without_null(field);
                }
            }
            for (_, part) in object.iter_mut() {
                tidy(part);
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn without_null(field: &mut Value) {
    let Value::Object(field) = field else {
        return;
    };
    if let Some(Value::Array(types)) = field.get_mut("type") {
        types.retain(|word| word != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            field.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(choices)) = field.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
        if choices.len() == 1
            && let Some(one) = field.remove("anyOf")
        {
            field.insert("allOf".into(), one);
        }
    }
}
