//! Changes to the uploaded copy of a configuration; the user's file is never touched.

use serde::{Deserialize, Serialize};

use super::closure::{LiteralPath, Quoting};
use super::text::Span;

/// One change: bytes of a file and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewrite {
    /// The file, relative to the configuration's directory.
    pub file: String,
    /// The bytes that go.
    pub span: Span,
    /// What comes in their place.
    pub text: String,
}

/// Applies changes to a file's bytes. Those that overlap an earlier one or lie
/// outside are left out.
pub fn apply_rewrites(bytes: &[u8], rewrites: &[Rewrite]) -> Vec<u8> {
    let mut ordered: Vec<&Rewrite> = rewrites.iter().collect();
    ordered.sort_by_key(|rewrite| rewrite.span);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for rewrite in ordered {
        let Some(kept) = bytes.get(at..rewrite.span.start) else {
            continue;
        };
        if rewrite.span.end > bytes.len() {
            continue;
        }
        out.extend_from_slice(kept);
        out.extend_from_slice(rewrite.text.as_bytes());
        at = rewrite.span.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}

/// What to write for a new path so that Tcl reads exactly it; `None` if there
/// is no way to write it there.
pub(super) fn requote(literal: &LiteralPath, path: &str) -> Option<(Span, String)> {
    let plain = !path.is_empty()
        && path
            .chars()
            .all(|c| c.is_alphanumeric() || "/._-+=:,@%~^".contains(c));
    let whole = match literal.quoting {
        Quoting::Bare => literal.path == literal.word,
        _ => {
            literal.path.start == literal.word.start + 1 && literal.path.end + 1 == literal.word.end
        }
    };
    if plain {
        return Some((literal.path, path.to_owned()));
    }
    let balanced = !path.contains(['{', '}', '\\', '\n', '\r']);
    match literal.quoting {
        Quoting::Braced if balanced => Some((literal.path, path.to_owned())),
        Quoting::Quoted => Some((literal.path, escaped(path, "\"\\$["))),
        Quoting::Bare if whole && balanced => Some((literal.path, format!("{{{path}}}"))),
        Quoting::Bare => Some((literal.path, escaped(path, "\"\\$[]{}; \t#"))),
        Quoting::Braced if whole => {
            Some((literal.word, format!("\"{}\"", escaped(path, "\"\\$["))))
        }
        Quoting::Braced => None,
    }
}

fn escaped(path: &str, special: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if special.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(start: usize, end: usize, text: &str) -> Rewrite {
        Rewrite {
            file: "c".into(),
            span: Span::new(start, end),
            text: text.into(),
        }
    }

    #[test]
    fn changes_are_applied_in_order_and_only_inside() {
        let bytes = b"structure /a/b.psf\ncoordinates /a/b.pdb \xff\n";
        let changes = [
            rewrite(31, 39, "in/b.pdb"),
            rewrite(10, 18, "in/b.psf"),
            rewrite(12, 14, "no"),
            rewrite(40, 99, "no"),
        ];
        assert_eq!(
            apply_rewrites(bytes, &changes),
            b"structure in/b.psf\ncoordinates in/b.pdb \xff\n"
        );
        assert_eq!(apply_rewrites(bytes, &[]), bytes);
    }

    #[test]
    fn new_paths_are_quoted_for_where_they_stand() {
        let literal = |quoting, path: (usize, usize), word: (usize, usize)| LiteralPath {
            path: Span::new(path.0, path.1),
            word: Span::new(word.0, word.1),
            quoting,
        };
        let bare = literal(Quoting::Bare, (0, 5), (0, 5));
        assert_eq!(
            requote(&bare, "in/a.psf"),
            Some((Span::new(0, 5), "in/a.psf".into()))
        );
        assert_eq!(
            requote(&bare, "in/a b.psf"),
            Some((Span::new(0, 5), "{in/a b.psf}".into()))
        );
        let part = literal(Quoting::Bare, (2, 5), (0, 5));
        assert_eq!(
            requote(&part, "a b$"),
            Some((Span::new(2, 5), "a\\ b\\$".into()))
        );
        let quoted = literal(Quoting::Quoted, (1, 4), (0, 5));
        assert_eq!(
            requote(&quoted, "a b$"),
            Some((Span::new(1, 4), "a b\\$".into()))
        );
        let braced = literal(Quoting::Braced, (1, 4), (0, 5));
        assert_eq!(
            requote(&braced, "a b$"),
            Some((Span::new(1, 4), "a b$".into()))
        );
        assert_eq!(
            requote(&braced, "a{"),
            Some((Span::new(0, 5), "\"a{\"".into()))
        );
    }
}
