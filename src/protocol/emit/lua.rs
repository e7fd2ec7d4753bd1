//! Lua types, as annotations for the Lua language server (`---@class`, `---@alias`).

use std::fmt::Write as _;

use super::model::{Named, Shape, Types};
use crate::protocol::error_codes;

/// All names stand below this one.
const ROOM: &str = "namdrunner";

pub(super) fn annotations(types: &Types) -> String {
    let mut out = String::from(
        "---@meta\n\
         -- Generated from the Rust types of NAMDRunner; `namdrunner schema --write protocol` writes it anew.\n\
         -- Readers ignore fields and show words that they do not know.\n\
         error('Cannot import a meta module')\n",
    );
    for named in &types.named {
        out.push('\n');
        declare(&mut out, named);
    }
    out.push_str("\n--- The kinds of errors this version knows: `data.kind` of an error.\n");
    let _ = writeln!(out, "---@alias {ROOM}.ErrorKind");
    for error in error_codes() {
        let _ = writeln!(
            out,
            "---| {:?} # {} {}",
            error.kind, error.code, error.meaning
        );
    }
    for (title, name, rows) in [
        ("The methods.", "Method", &types.methods),
        (
            "What the server asks of a client that can prompt.",
            "ServerRequest",
            &types.questions,
        ),
    ] {
        let _ = writeln!(out, "\n--- {title}\n---@alias {ROOM}.{name}");
        for (name, doc, takes, gives) in rows {
            let (takes, gives) = (text(takes), text(gives));
            let _ = writeln!(out, "---| {name:?} # {takes} -> {gives}. {doc}");
        }
    }
    out.push_str("\n--- What the server tells.\n");
    let _ = writeln!(out, "---@alias {ROOM}.Notification");
    for (name, doc, carries) in &types.notifications {
        let _ = writeln!(out, "---| {name:?} # {}. {doc}", text(carries));
    }
    out
}

fn declare(out: &mut String, named: &Named) {
    let name = &named.name;
    match &named.shape {
        Shape::Fields(_) => class(out, name, &named.doc, &named.shape),
        Shape::Words(words) => {
            let _ = writeln!(out, "--- {}\n---@alias {ROOM}.{name}", named.doc);
            for (word, doc) in words {
                let _ = writeln!(out, "---| {word:?} # {doc}");
            }
        }
        // Each variant with fields gets a name of its own, from the word that tells it.
        Shape::OneOf(choices) => {
            let mut variants = Vec::new();
            for choice in choices {
                let variant = match tag(choice) {
                    Some(tag) => {
                        let variant = format!("{name}.{tag}");
                        class(out, &variant, "", choice);
                        out.push('\n');
                        format!("{ROOM}.{variant}")
                    }
                    None => text(choice),
                };
                variants.push(variant);
            }
            let _ = writeln!(
                out,
                "--- {}\n---@alias {ROOM}.{name} {}",
                named.doc,
                variants.join("|")
            );
        }
        shape => {
            let _ = writeln!(
                out,
                "--- {}\n---@alias {ROOM}.{name} {}",
                named.doc,
                text(shape)
            );
        }
    }
}

fn class(out: &mut String, name: &str, doc: &str, shape: &Shape) {
    let Shape::Fields(fields) = shape else {
        return;
    };
    if !doc.is_empty() {
        let _ = writeln!(out, "--- {doc}");
    }
    let _ = writeln!(out, "---@class {ROOM}.{name}");
    for field in fields {
        let mark = if field.required { "" } else { "?" };
        let line = format!(
            "---@field {}{mark} {} {}",
            field.name,
            text(&field.shape),
            field.doc
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// The only word of a variant's tag.
fn tag(shape: &Shape) -> Option<&str> {
    let Shape::Fields(fields) = shape else {
        return None;
    };
    fields.iter().find_map(|field| match &field.shape {
        Shape::Words(words) => match words.as_slice() {
            [(word, _)] => Some(word.as_str()),
            _ => None,
        },
        _ => None,
    })
}

fn text(shape: &Shape) -> String {
    match shape {
        Shape::Ref(name) => format!("{ROOM}.{name}"),
        Shape::Text => "string".into(),
        Shape::Integer => "integer".into(),
        Shape::Number => "number".into(),
        Shape::Boolean => "boolean".into(),
        Shape::Null => "nil".into(),
        Shape::Any => "any".into(),
        Shape::List(of) if matches!(**of, Shape::OneOf(_) | Shape::Words(_)) => {
            format!("({})[]", text(of))
        }
        Shape::List(of) => format!("{}[]", text(of)),
        Shape::Map(of) => format!("table<string, {}>", text(of)),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            words.join("|")
        }
        Shape::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(text).collect();
            choices.join("|")
        }
        Shape::Fields(_) => "table".into(),
    }
}
