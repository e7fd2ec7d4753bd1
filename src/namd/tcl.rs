//! Tcl's grammar: text into commands, words and parts, with exact places.
//!
//! Follows the twelve rules of Tcl(n). Nothing is evaluated here, nothing
//! fails: what cannot be read is an error with its place, and reading goes on
//! behind it where that makes sense.
//!
//! Carriage returns count as line ends, because Tcl reads scripts with
//! `-translation auto`.

mod escape;
pub(super) mod format;
pub(super) mod list;
pub(super) mod number;
pub(super) mod pattern;
mod reader;

use std::rc::Rc;

use super::text::Span;
use reader::{Reader, Until};

/// A script, read as far as it can be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Script {
    /// Its commands in order; comments are not among them.
    pub commands: Vec<Command>,
    /// What could not be read, in order.
    pub errors: Vec<SyntaxError>,
}

/// One command: at least one word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    /// From the first word's first byte to the last word's last.
    pub span: Span,
    /// The words, the command's name first.
    pub words: Vec<Word>,
}

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Quote {
    /// Without delimiters.
    Bare,
    /// In braces: nothing is substituted.
    Braced,
    /// In double quotes.
    Quoted,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// The word with its delimiters.
    pub span: Span,
    /// How it is written.
    pub quote: Quote,
    /// Written with a leading `{*}`: its value is several words.
    pub expand: bool,
    /// What it is made of; empty for an empty word.
    pub parts: Vec<Part>,
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Plain text, backslashes already substituted.
    Text {
        /// The text.
        text: Rc<str>,
        /// Where it is written.
        span: Span,
    },
    /// `$name`, `${name}` or `$name(index)`.
    Var {
        /// The name without index.
        name: Rc<str>,
        /// What is between the parentheses, if any.
        index: Option<Vec<Part>>,
        /// Where it is written.
        span: Span,
    },
    /// `[script]`.
    Script {
        /// The commands inside.
        script: Rc<Script>,
        /// Where it is written, brackets included.
        span: Span,
    },
}

/// Something Tcl cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// What is wrong.
    pub kind: SyntaxKind,
    /// Where: the delimiter that is not closed, or the first surplus character.
    pub at: usize,
    /// The end of that character.
    pub end: usize,
}

/// The kinds of unreadable text; the words are Tcl's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyntaxKind {
    /// An opening brace is never closed.
    MissingBrace,
    /// An opening quote is never closed.
    MissingQuote,
    /// An opening bracket is never closed.
    MissingBracket,
    /// An array index is never closed.
    MissingParen,
    /// Text directly behind a closing brace.
    AfterBrace,
    /// Text directly behind a closing quote.
    AfterQuote,
    /// Nested deeper than is followed here.
    TooDeep,
}

impl SyntaxKind {
    /// Tcl's wording of the error.
    pub(super) fn wording(self) -> &'static str {
        match self {
            Self::MissingBrace => "missing close-brace",
            Self::MissingQuote => "missing \"",
            Self::MissingBracket => "missing close-bracket",
            Self::MissingParen => "missing )",
            Self::AfterBrace => "extra characters after close-brace",
            Self::AfterQuote => "extra characters after close-quote",
            Self::TooDeep => "nested too deeply to be followed",
        }
    }

    /// Whether the rest of the text is swallowed by it.
    fn swallows(self) -> bool {
        !matches!(self, Self::AfterBrace | Self::AfterQuote)
    }
}

impl Word {
    /// The word's value, if nothing in it is substituted at run time.
    pub(super) fn literal(&self) -> Option<Rc<str>> {
        match self.parts.as_slice() {
            [] => Some(Rc::from("")),
            [Part::Text { text, .. }] => Some(Rc::clone(text)),
            _ => None,
        }
    }

    /// Where the word's content stands, without delimiters.
    pub(super) fn content(&self) -> Span {
        let lead = if self.expand { 3 } else { 0 };
        let rim = usize::from(self.quote != Quote::Bare);
        Span::new(
            self.span.start + lead + rim,
            self.span.end.saturating_sub(rim),
        )
    }
}

/// Reads `text[start..end]` as a script; spans are offsets into `text`.
pub(super) fn parse(text: &str, start: usize, end: usize) -> Script {
    let mut reader = Reader::new(text, start, end);
    let mut script = Script::default();
    loop {
        match reader.commands(&mut script.commands, false) {
            Ok(()) => return script,
            Err(error) => {
                let go_on = !error.kind.swallows() && script.errors.len() < 20;
                reader.skip_line(error.at);
                script.errors.push(error);
                if !go_on {
                    return script;
                }
            }
        }
    }
}

/// Reads text as `subst` and `expr` do: all of it is one run of parts.
pub(super) fn parse_parts(text: &str) -> Result<Vec<Part>, SyntaxError> {
    Reader::new(text, 0, text.len()).parts(Until::End)
}

/// Reads the `$name` at `at`; gives it and the offset behind it, or nothing if
/// the dollar sign is only a dollar sign.
pub(super) fn parse_variable(text: &str, at: usize) -> Result<Option<(Part, usize)>, SyntaxError> {
    let mut reader = Reader::new(text, at, text.len());
    Ok(reader.variable()?.map(|part| (part, reader.pos)))
}

/// Reads the quoted, braced or bracketed text at `at`; gives it and the offset behind it.
pub(super) fn parse_delimited(text: &str, at: usize) -> Result<(Vec<Part>, usize), SyntaxError> {
    let mut reader = Reader::new(text, at, text.len());
    let parts = match reader.peek() {
        Some(b'{') => reader.braced()?.into_iter().collect(),
        Some(b'"') => reader.quoted()?,
        _ => vec![reader.bracketed()?],
    };
    Ok((parts, reader.pos))
}

/// Splits `name(index)`, as Tcl takes a variable's name apart.
pub(super) fn split_element(name: &str) -> Option<(&str, &str)> {
    name.strip_suffix(')')?.split_once('(')
}

#[cfg(test)]
mod tests;
