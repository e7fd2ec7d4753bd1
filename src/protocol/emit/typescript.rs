//! TypeScript types.

use std::fmt::Write as _;

use super::model::{Named, Shape, Types};
use crate::protocol::{VERSION, error_codes};

pub(super) fn declarations(types: &Types) -> String {
    let mut out = String::from(
        "// Generated from the Rust types of NAMDRunner; `namdrunner schema --write protocol` writes it anew.\n\
         // Readers ignore fields and show words that they do not know.\n",
    );
    let _ = write!(
        out,
        "\n/** The protocol's version. */\nexport const PROTOCOL_VERSION = {VERSION};\n"
    );
    for named in &types.named {
        out.push('\n');
        declare(&mut out, named);
    }
    for (title, name, rows) in [
        (
            "The methods: what each takes and gives.",
            "Requests",
            &types.methods,
        ),
        (
            "What the server asks of a client that can prompt.",
            "ServerRequests",
            &types.questions,
        ),
    ] {
        let _ = writeln!(out, "\n/** {title} */\nexport interface {name} {{");
        for (name, doc, takes, gives) in rows {
            comment(&mut out, "  ", doc);
            let (takes, gives) = (text(takes, "  "), text(gives, "  "));
            let _ = writeln!(out, "  {name:?}: {{ params: {takes}; result: {gives} }};");
        }
        out.push_str("}\n");
    }
    for (title, name, rows) in [
        (
            "What the server tells.",
            "ServerNotifications",
            &types.notifications,
        ),
        (
            "What the server listens to.",
            "ClientNotifications",
            &types.client_notifications,
        ),
    ] {
        let _ = writeln!(out, "\n/** {title} */\nexport interface {name} {{");
        for (name, doc, carries) in rows {
            comment(&mut out, "  ", doc);
            let _ = writeln!(out, "  {name:?}: {};", text(carries, "  "));
        }
        out.push_str("}\n");
    }
    out.push_str("\n/** The error codes, by `data.kind`. */\nexport const ERROR_CODES = {\n");
    for error in error_codes() {
        comment(&mut out, "  ", error.meaning);
        let _ = writeln!(out, "  {}: {},", error.kind, error.code);
    }
    out.push_str("} as const;\n\n/** The kinds of errors this version knows. */\nexport type ErrorKind = keyof typeof ERROR_CODES;\n");
    out
}

fn declare(out: &mut String, named: &Named) {
    comment(out, "", &named.doc);
    let name = &named.name;
    match &named.shape {
        Shape::Fields(fields) if fields.is_empty() => {
            let _ = writeln!(out, "export type {name} = Record<string, never>;");
        }
        shape @ Shape::Fields(_) => {
            let _ = writeln!(out, "export interface {name} {}", text(shape, ""));
        }
        Shape::Words(words) => {
            let _ = writeln!(out, "export type {name} =");
            for (index, (word, doc)) in words.iter().enumerate() {
                comment(out, "  ", doc);
                let end = if index + 1 == words.len() { ";" } else { "" };
                let _ = writeln!(out, "  | {word:?}{end}");
            }
        }
        shape => {
            let _ = writeln!(out, "export type {name} = {};", text(shape, ""));
        }
    }
}

fn comment(out: &mut String, indent: &str, doc: &str) {
    if !doc.is_empty() {
        let doc = doc.replace("*/", "* /");
        let _ = writeln!(out, "{indent}/** {doc} */");
    }
}

fn text(shape: &Shape, indent: &str) -> String {
    match shape {
        Shape::Ref(name) => name.clone(),
        Shape::Text => "string".into(),
        Shape::Integer | Shape::Number => "number".into(),
        Shape::Boolean => "boolean".into(),
        Shape::Null => "null".into(),
        Shape::Any => "unknown".into(),
        Shape::List(of) if matches!(**of, Shape::OneOf(_) | Shape::Words(_)) => {
            format!("({})[]", text(of, indent))
        }
        Shape::List(of) => format!("{}[]", text(of, indent)),
        Shape::Map(of) => format!("Record<string, {}>", text(of, indent)),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            words.join(" | ")
        }
        Shape::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(|choice| text(choice, indent)).collect();
            choices.join(" | ")
        }
        Shape::Fields(fields) => {
            let inner = format!("{indent}  ");
            let mut out = String::from("{\n");
            for field in fields {
                comment(&mut out, &inner, &field.doc);
                let mark = if field.required { "" } else { "?" };
                let of = text(&field.shape, &inner);
                let _ = writeln!(out, "{inner}{}{mark}: {of};", field.name);
            }
            out.push_str(indent);
            out.push('}');
            out
        }
    }
}
