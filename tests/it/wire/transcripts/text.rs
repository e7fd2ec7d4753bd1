//! Dialogues as text.

use std::fmt::Write as _;

use serde_json::Value;

/// The longest line that is not broken.
const WIDTH: usize = 100;

/// A piece of a file.
pub(super) enum Part {
    /// Kept as it is.
    Prose(String),
    /// A block of a conversation, and the words behind `jsonrpc`.
    Block(Vec<String>, Vec<Step>),
}

/// One line of a conversation.
#[derive(Clone)]
pub(super) enum Step {
    Send(Value),
    /// What is no JSON, in a frame.
    SendText(String),
    /// What is no frame.
    SendRaw(String),
    EndOfInput,
    Receive(Value),
    Exit(i32),
}

impl Part {
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Prose(_) => Vec::new(),
            Self::Block(words, _) => words.clone(),
        }
    }

    pub(super) fn steps(&mut self) -> impl Iterator<Item = &mut Step> {
        let steps = match self {
            Self::Prose(_) => None,
            Self::Block(_, steps) => Some(steps),
        };
        steps.into_iter().flatten()
    }
}

pub(super) fn read(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(words) = line.strip_prefix("```jsonrpc") else {
            prose += line;
            prose.push('\n');
            continue;
        };
        parts.push(Part::Prose(std::mem::take(&mut prose)));
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let words = words.split_whitespace().map(ToOwned::to_owned).collect();
        parts.push(Part::Block(words, steps(&block)));
    }
    parts.push(Part::Prose(prose));
    parts
}

fn steps(lines: &[&str]) -> Vec<Step> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        if line.starts_with("--> ") || line.starts_with("<-- ") {
            texts.push((*line).to_owned());
        } else {
            let last = texts.last_mut().expect("a block begins with an arrow");
            *last += "\n";
            *last += line;
        }
    }
    texts.iter().map(|text| step(text)).collect()
}

fn step(text: &str) -> Step {
    if let Some(sent) = text.strip_prefix("--> ") {
        return match (sent, sent.strip_prefix("raw ")) {
            ("end of input", _) => Step::EndOfInput,
            (_, Some(bytes)) => Step::SendRaw(serde_json::from_str(bytes).expect("a JSON text")),
            _ => serde_json::from_str(sent)
                .map_or_else(|_| Step::SendText(sent.to_owned()), Step::Send),
        };
    }
    let came = text.strip_prefix("<-- ").expect("an arrow");
    match came.strip_prefix("exit code ") {
        Some(code) => Step::Exit(code.parse().expect("a number")),
        None => Step::Receive(serde_json::from_str(came).expect("JSON came")),
    }
}

pub(super) fn write(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Prose(text) => out += text,
            Part::Block(words, steps) => {
                let words = words.join(" ");
                let _ = writeln!(out, "{}", format!("```jsonrpc {words}").trim_end());
                for step in steps {
                    let line = match step {
                        Step::Send(value) => message("--> ", value),
                        Step::SendText(text) => format!("--> {text}"),
                        Step::SendRaw(text) => format!("--> raw {}", Value::from(text.as_str())),
                        Step::EndOfInput => "--> end of input".into(),
                        Step::Receive(value) => message("<-- ", value),
                        Step::Exit(code) => format!("<-- exit code {code}"),
                    };
                    let _ = writeln!(out, "{line}");
                }
                out += "```\n";
            }
        }
    }
    out
}

/// A message behind its arrow, broken into lines where it is long.
pub(super) fn message(arrow: &str, value: &Value) -> String {
    format!("{arrow}{}", broken(value, arrow.len(), arrow.len()))
}

fn broken(value: &Value, indent: usize, used: usize) -> String {
    let line = value.to_string();
    if used + line.len() <= WIDTH {
        return line;
    }
    let pad = " ".repeat(indent + 2);
    let (open, close, parts): (_, _, Vec<String>) = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let field = |(name, value): (&String, &Value)| {
                let name = Value::from(name.as_str()).to_string();
                let value = broken(value, indent + 2, indent + 4 + name.len());
                format!("{pad}{name}: {value}")
            };
            ("{", "}", fields.iter().map(field).collect())
        }
        Value::Array(values) if !values.is_empty() => {
            let one = |value| format!("{pad}{}", broken(value, indent + 2, indent + 2));
            ("[", "]", values.iter().map(one).collect())
        }
        _ => return line,
    };
    format!(
        "{open}\n{}\n{}{close}",
        parts.join(",\n"),
        " ".repeat(indent)
    )
}

#[test]
fn what_is_read_is_written() {
    let text = format!(
        "# A\n\n```jsonrpc lines\n--> {{\"a\":1}}\n--> {{\n--> raw \"x\\r\\n\"\n--> end of input\n{}\n<-- exit code 3\n```\nb\n",
        message(
            "<-- ",
            &serde_json::json!({"long": "x".repeat(90), "list": [1, "y".repeat(90)]})
        )
    );
    assert_eq!(write(&read(&text)), text);
}
