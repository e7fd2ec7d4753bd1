//! The generated parts of `protocol/README.md`: tables and examples between marks.

use std::fmt::Write as _;

use super::model::{self, Shape, Types};
use super::text_of;
use crate::protocol::{
    CLIENT_NOTIFICATIONS, METHODS, MethodRow, NOTIFICATIONS, Withdrawal, error_codes,
};

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

/// Where examples come from: recorded exchanges, as the text of a code block.
pub trait Examples {
    /// An exchange of a method.
    fn of_method(&self, name: &str) -> Option<String>;
    /// A notification.
    fn of_notification(&self, name: &str) -> Option<String>;
}

/// The document with its generated parts written anew; what is wrong with a mark is the error.
pub fn readme(document: &str, examples: &impl Examples) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = document;
    while let Some(at) = rest.find(BEGIN) {
        let (before, marked) = rest.split_at(at);
        let (mark, after) = marked
            .split_once(" -->")
            .ok_or("a mark does not end in -->")?;
        let name = mark.trim_start_matches(BEGIN);
        let (_, after) = after
            .split_once(END)
            .ok_or_else(|| format!("the part {name} does not end in {END}"))?;
        let part = match name {
            "methods" => methods(examples),
            "questions" => questions(examples),
            "notifications" => notifications(examples),
            "client notifications" => client_notifications(),
            "errors" => errors(),
            "types" => all_types(),
            _ => return Err(format!("there is no part {name}")),
        };
        let _ = write!(out, "{before}{mark} -->\n{}\n{END}", part.trim_end());
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn methods(examples: &impl Examples) -> String {
    let types = model::types();
    let mut out = String::new();
    for (row, (_, _, takes, gives)) in METHODS.iter().zip(&types.methods) {
        let _ = writeln!(out, "### `{}`\n\n{}\n", row.name, text_of(row.doc));
        fields(&mut out, &types, takes);
        let _ = writeln!(out, "Gives {}. {}\n", named(gives), withdrawal(row));
        let errors: Vec<String> = row
            .errors
            .iter()
            .map(|kind| format!("`{}`", kind.name()))
            .collect();
        if !errors.is_empty() {
            let _ = writeln!(out, "Errors of its own: {}.\n", errors.join(", "));
        }
        example(&mut out, examples.of_method(row.name));
    }
    out
}

fn withdrawal(row: &MethodRow) -> &'static str {
    match row.withdrawal {
        Withdrawal::Drop => "`$/cancelRequest` drops it at once.",
        Withdrawal::Ask => "`$/cancelRequest` stops it and undoes what can be undone.",
        Withdrawal::Ignore => "It is short; `$/cancelRequest` has no effect.",
    }
}

fn questions(examples: &impl Examples) -> String {
    let types = model::types();
    let mut out = String::new();
    for (name, doc, takes, gives) in &types.questions {
        let _ = writeln!(out, "### `{name}`\n\n{doc}\n");
        fields(&mut out, &types, takes);
        let _ = writeln!(out, "It is answered with {}.\n", named(gives));
        example(&mut out, examples.of_notification(name));
    }
    out
}

fn notifications(examples: &impl Examples) -> String {
    let types = model::types();
    let mut out = String::new();
    for (row, (_, _, carries)) in NOTIFICATIONS.iter().zip(&types.notifications) {
        let _ = writeln!(out, "### `{}`\n\n{}\n", row.name, text_of(row.doc));
        fields(&mut out, &types, carries);
        example(&mut out, examples.of_notification(row.name));
    }
    out
}

fn client_notifications() -> String {
    let mut out = String::from("| notification | meaning |\n|---|---|\n");
    for row in CLIENT_NOTIFICATIONS {
        let _ = writeln!(out, "| `{}` | {} |", row.name, text_of(row.doc));
    }
    out
}

fn errors() -> String {
    let mut out =
        String::from("| code | `data.kind` | `retryable` | meaning |\n|---|---|---|---|\n");
    for error in error_codes() {
        let retryable = if error.retryable { "yes" } else { "no" };
        let (code, kind, meaning) = (error.code, error.kind, error.meaning);
        let _ = writeln!(out, "| {code} | `{kind}` | {retryable} | {meaning} |");
    }
    out
}

/// The types that are named above, but for the parameters, which stand with their methods.
fn all_types() -> String {
    let types = model::types();
    let mut out = String::new();
    for found in &types.named {
        let taken = |shape: &Shape| *shape == Shape::Ref(found.name.clone());
        let mut asked = types.methods.iter().chain(&types.questions);
        let is_params = asked.any(|(_, _, takes, _)| taken(takes));
        let all_told = types
            .notifications
            .iter()
            .chain(&types.client_notifications);
        if is_params || all_told.into_iter().any(|(_, _, carries)| taken(carries)) {
            continue;
        }
        let _ = writeln!(out, "### `{}`\n\n{}\n", found.name, found.doc);
        match &found.shape {
            Shape::Fields(_) => fields(&mut out, &types, &Shape::Ref(found.name.clone())),
            Shape::Words(words) => {
                out.push_str("| word | meaning |\n|---|---|\n");
                for (word, doc) in words {
                    let _ = writeln!(out, "| `{word}` | {doc} |");
                }
                out.push('\n');
            }
            Shape::OneOf(choices) if choices.iter().all(|c| matches!(c, Shape::Fields(_))) => {
                for choice in choices {
                    let Shape::Fields(fields) = choice else {
                        continue;
                    };
                    let parts: Vec<String> = fields
                        .iter()
                        .map(|field| {
                            let mark = if field.required { "" } else { "?" };
                            format!("`{}{mark}`: {}", field.name, named(&field.shape))
                        })
                        .collect();
                    let _ = writeln!(out, "- {}", parts.join(", "));
                }
                out.push('\n');
            }
            shape => {
                let _ = writeln!(out, "It is {}.\n", named(shape));
            }
        }
    }
    out
}

fn fields(out: &mut String, types: &Types, shape: &Shape) {
    let Shape::Ref(name) = shape else {
        return;
    };
    let found = types.named.iter().find(|named| named.name == *name);
    let Some(Shape::Fields(fields)) = found.map(|named| &named.shape) else {
        return;
    };
    if fields.is_empty() {
        return;
    }
    out.push_str("| field | type | meaning |\n|---|---|---|\n");
    for field in fields {
        let mark = if field.required { "" } else { "?" };
        let (name, of, doc) = (&field.name, named(&field.shape), &field.doc);
        let _ = writeln!(out, "| `{name}{mark}` | {of} | {doc} |");
    }
    out.push('\n');
}

fn named(shape: &Shape) -> String {
    match shape {
        Shape::Ref(name) => format!("`{name}`"),
        Shape::Text => "text".into(),
        Shape::Integer => "integer".into(),
        Shape::Number => "number".into(),
        Shape::Boolean => "boolean".into(),
        Shape::Null => "null".into(),
        Shape::Any => "anything".into(),
        Shape::List(of) => format!("list of {}", named(of)),
        Shape::Map(of) => format!("map of {}", named(of)),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            words.join(" or ")
        }
        Shape::OneOf(choices) => {
            let choices: Vec<String> = choices.iter().map(named).collect();
            choices.join(" or ")
        }
        Shape::Fields(_) => "object".into(),
    }
}

fn example(out: &mut String, example: Option<String>) {
    if let Some(example) = example {
        let _ = writeln!(out, "```\n{}\n```\n", example.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Examples for Fixed {
        fn of_method(&self, name: &str) -> Option<String> {
            (name == "submit").then(|| "--> an exchange".to_owned())
        }
        fn of_notification(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn parts_between_marks_are_written_and_the_rest_is_kept() {
        let document = "a\n<!-- generated: methods -->\nSTALE\n<!-- end -->\nb <!-- generated: errors --><!-- end -->c";
        let written = readme(document, &Fixed).unwrap();
        assert!(written.starts_with("a\n<!-- generated: methods -->\n### `initialize`"));
        assert!(written.ends_with("<!-- end -->c"));
        assert!(!written.contains("STALE"));
        assert!(written.contains("--> an exchange"));
        assert!(written.contains("| -32010 | `jobNotFound` | no |"));
        assert_eq!(readme(&written, &Fixed).unwrap(), written);
    }

    #[test]
    fn a_wrong_mark_is_told() {
        assert!(readme("<!-- generated: nonsense --><!-- end -->", &Fixed).is_err());
        assert!(readme("<!-- generated: errors -->", &Fixed).is_err());
        assert!(readme("<!-- generated: errors", &Fixed).is_err());
    }
}
