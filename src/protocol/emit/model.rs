//! The wire types as other languages see them, read back from their schemas.

use serde_json::{Map, Value};

use super::{SCHEMAS, generator, openrpc, text_of};
use crate::protocol::{CLIENT_NOTIFICATIONS, ErrorData, METHODS, NOTIFICATIONS, QUESTIONS};

/// Everything there is to declare.
pub(super) struct Types {
    /// The named types, in alphabetical order.
    pub(super) named: Vec<Named>,
    /// The methods: name, doc, and the types of params and result.
    pub(super) methods: Vec<(&'static str, String, Shape, Shape)>,
    /// What the server asks: name, doc, and the types of params and result.
    pub(super) questions: Vec<(&'static str, String, Shape, Shape)>,
    /// What the server tells: name, doc, type.
    pub(super) notifications: Vec<(&'static str, String, Shape)>,
    /// What the server listens to: name, doc, type.
    pub(super) client_notifications: Vec<(&'static str, String, Shape)>,
}

/// A named type.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) shape: Shape,
}

/// What a value looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A named type.
    Ref(String),
    Text,
    Integer,
    Number,
    Boolean,
    Null,
    Any,
    List(Box<Shape>),
    Map(Box<Shape>),
    /// One of these words, each with its meaning.
    Words(Vec<(String, String)>),
    OneOf(Vec<Shape>),
    Fields(Vec<Field>),
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

/// Reads the tables and the schemas of all types they name.
pub(super) fn types() -> Types {
    let mut generator = generator();
    generator.subschema_for::<ErrorData>();
    let mut shape_of = |schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema| {
        shape(schema(&mut generator).as_value())
    };
    let methods = METHODS
        .iter()
        .map(|row| {
            let (takes, gives) = (shape_of(row.params), shape_of(row.result));
            (row.name, text_of(row.doc), takes, gives)
        })
        .collect();
    let questions = QUESTIONS
        .iter()
        .map(|row| {
            let (takes, gives) = (shape_of(row.params), shape_of(row.result));
            (row.name, text_of(row.doc), takes, gives)
        })
        .collect();
    let mut notifications = |rows: &[crate::protocol::NotificationRow]| {
        rows.iter()
            .map(|row| (row.name, text_of(row.doc), shape_of(row.params)))
            .collect()
    };
    let (notifications, client_notifications) = (
        notifications(NOTIFICATIONS),
        notifications(CLIENT_NOTIFICATIONS),
    );
    let named = openrpc::schemas(&mut generator)
        .into_iter()
        .map(|(name, schema)| Named {
            doc: doc(&schema),
            shape: shape(&schema),
            name,
        })
        .collect();
    Types {
        named,
        methods,
        questions,
        notifications,
        client_notifications,
    }
}

fn doc(schema: &Value) -> String {
    let doc = schema.get("description").and_then(Value::as_str);
    text_of(doc.unwrap_or_default())
}

fn shape(schema: &Value) -> Shape {
    let Value::Object(schema) = schema else {
        return Shape::Any;
    };
    if let Some(name) = referenced(schema) {
        return Shape::Ref(name.to_owned());
    }
    let parts = |name: &str| schema.get(name).and_then(Value::as_array);
    if let Some([one]) = parts("allOf").map(Vec::as_slice) {
        return shape(one);
    }
    if let Some(choices) = parts("oneOf").or_else(|| parts("anyOf")) {
        let words: Option<Vec<(String, String)>> = choices
            .iter()
            .map(|choice| Some((constant(choice)?, doc(choice))))
            .collect();
        return words.map_or_else(
            || Shape::OneOf(choices.iter().map(shape).collect()),
            Shape::Words,
        );
    }
    if let Some(word) = constant(&Value::Object(schema.clone())) {
        return Shape::Words(vec![(word, String::new())]);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Shape::Text,
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        Some("null") => Shape::Null,
        Some("array") => Shape::List(Box::new(schema.get("items").map_or(Shape::Any, shape))),
        Some("object") => object(schema),
        _ => Shape::Any,
    }
}

fn object(schema: &Map<String, Value>) -> Shape {
    if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
        return Shape::Map(Box::new(shape(values)));
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let fields = schema.get("properties").and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    Shape::Fields(
        fields
            .map(|(name, schema)| Field {
                name: name.clone(),
                doc: doc(schema),
                required: required.contains(&name.as_str()),
                shape: shape(schema),
            })
            .collect(),
    )
}

fn constant(schema: &Value) -> Option<String> {
    let word = schema.get("const").and_then(Value::as_str)?;
    Some(word.to_owned())
}

fn referenced(schema: &Map<String, Value>) -> Option<&str> {
    let path = schema.get("$ref").and_then(Value::as_str)?;
    path.strip_prefix('#')?
        .strip_prefix(SCHEMAS)?
        .strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_understood() {
        fn check(shape: &Shape, place: &str) {
            match shape {
                Shape::Any => panic!("{place} is not understood"),
                Shape::List(inner) | Shape::Map(inner) => check(inner, place),
                Shape::OneOf(choices) => choices.iter().for_each(|choice| check(choice, place)),
                Shape::Fields(fields) => {
                    for field in fields {
                        let place = format!("{place}.{}", field.name);
                        check(&field.shape, &place);
                        let is_tag = field.name == "kind" && place.starts_with("Progress.");
                        assert!(is_tag || !field.doc.is_empty(), "{place} says nothing");
                    }
                }
                _ => {}
            }
        }
        for named in types().named {
            check(&named.shape, &named.name);
            assert!(!named.doc.is_empty(), "{} says nothing", named.name);
        }
    }
}
