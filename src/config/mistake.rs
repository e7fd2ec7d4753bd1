//! Mistakes in config.toml: where, what, and what is allowed. Pure.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, ErrorKind};

/// One mistake in a config.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with its tables, `clusters.hpc.port`; empty for mistakes of the text itself.
    pub key: String,
    /// What is wrong, a sentence.
    pub what: String,
    /// What is allowed, or what to write instead, sentences; may be empty.
    pub allowed: String,
}

/// The mistakes of one config.toml, in the file's order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file, as messages call it.
    pub file: String,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.mistakes.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}:{}: ", self.file, mistake.line, mistake.column)?;
            if !mistake.key.is_empty() {
                write!(f, "{}: ", mistake.key)?;
            }
            f.write_str(&mistake.what)?;
            if !mistake.allowed.is_empty() {
                write!(f, " {}", mistake.allowed)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for Error {
    fn from(errors: ConfigErrors) -> Self {
        let message = match errors.mistakes.len() {
            1 => format!("config.toml has a mistake: {errors}"),
            n => format!("config.toml has {n} mistakes:\n{errors}"),
        };
        Self::new(ErrorKind::SettingsInvalid, message).hinted(format!(
            "Correct {} and save it; it is read again by itself.",
            errors.file
        ))
    }
}

/// Gathers the mistakes of one text.
pub(super) struct Notes<'t> {
    text: &'t str,
    found: Vec<(usize, Mistake)>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Notes a mistake at a span of bytes. Of several about one key at one place the first stays:
    /// what follows from it would only confuse.
    pub(super) fn note(
        &mut self,
        span: &Range<usize>,
        key: &str,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        if self
            .found
            .iter()
            .any(|(start, known)| *start == span.start && known.key == key)
        {
            return;
        }
        let (line, column) = position(self.text, span.start);
        let mistake = Mistake {
            line,
            column,
            key: key.to_owned(),
            what: what.into(),
            allowed: allowed.into(),
        };
        self.found.push((span.start, mistake));
    }

    /// The value when nothing was wrong, else the mistakes in the text's order.
    pub(super) fn finish<T>(mut self, file: &str, value: Option<T>) -> Result<T, ConfigErrors> {
        self.found.sort_by_key(|(start, _)| *start);
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(ConfigErrors {
                file: file.to_owned(),
                mistakes: self.found.into_iter().map(|(_, mistake)| mistake).collect(),
            }),
        }
    }
}

/// Line and column (in characters) of a byte, both from 1.
pub(super) fn position(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The known word that a wrong one was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            let plain = candidate.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&word, &plain), candidate)
        })
        // One slip in three letters: `prot` is `port`, `time` is not `nodes`.
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
