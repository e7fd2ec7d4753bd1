//! Text of a file with exact positions, whatever bytes it holds.
//!
//! NAMD reads its configuration as bytes. Real ones hold Latin-1 comments, so
//! bytes that are not UTF-8 are shown as one private character each
//! (U+F780..U+F7FF); every offset can be turned back into an offset of the
//! original file, and into a position as editors count it.

use serde::{Deserialize, Serialize};

/// First of the 128 private characters that stand for a byte which is not UTF-8.
const ODD: u32 = 0xF700;

/// Distance between the marks at which UTF-16 units are counted beforehand.
const MARK: usize = 1024;

/// A stretch of a file, as byte offsets into the original bytes; `end` is exclusive.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset one past the last byte.
    pub end: usize,
}

impl Span {
    /// Makes a span; a reversed pair becomes empty at `start`.
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// Tells whether `offset` lies inside, the end counted in (as a cursor does).
    pub fn touches(self, offset: usize) -> bool {
        self.start <= offset && offset <= self.end
    }
}

/// A position as LSP counts it: zero-based line, zero-based UTF-16 unit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// Zero-based line.
    pub line: u32,
    /// Zero-based UTF-16 code unit within the line.
    pub character: u32,
}

/// A stretch of text as LSP counts it; `end` is exclusive.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Range {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// A file's bytes, decoded without loss, with line and unit counts.
#[derive(Debug, Clone)]
pub struct Source {
    path: String,
    text: String,
    /// Text offsets of the characters that stand for a single odd byte.
    odd: Vec<usize>,
    /// Text offset of the beginning of each line.
    lines: Vec<usize>,
    /// UTF-16 units before the first character at or after each multiple of `MARK`.
    units: Vec<(usize, usize)>,
}

impl Source {
    /// Decodes `bytes`; `path` is how the file is called in messages.
    pub fn new(path: impl Into<String>, bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        let mut odd = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                odd.push(text.len());
                text.extend(char::from_u32(ODD + u32::from(*byte)));
            }
        }
        let mut lines = vec![0];
        let raw = text.as_bytes();
        for (at, byte) in raw.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => raw.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                lines.push(at + 1);
            }
        }
        let mut units = vec![(0, 0)];
        let mut count = 0;
        for (at, c) in text.char_indices() {
            if at >= units.len() * MARK {
                units.push((at, count));
            }
            count += c.len_utf16();
        }
        Self {
            path: path.into(),
            text,
            odd,
            lines,
            units,
        }
    }

    /// How the file is called in messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The decoded text; odd bytes are single private characters in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the text ends for Tcl: `source` stops at a Ctrl-Z (its default
    /// `-eofchar`), else at the end of the file.
    pub fn script_end(&self) -> usize {
        self.text.find('\u{1a}').unwrap_or(self.text.len())
    }

    /// Turns an offset of the decoded text into one of the original bytes.
    pub fn byte_offset(&self, text_offset: usize) -> usize {
        let before = self.odd.partition_point(|odd| *odd < text_offset);
        text_offset.saturating_sub(2 * before)
    }

    /// Turns a span of the decoded text into one of the original bytes.
    pub fn byte_span(&self, text: Span) -> Span {
        Span::new(self.byte_offset(text.start), self.byte_offset(text.end))
    }

    /// Turns an offset of the decoded text into an editor's position.
    pub fn position(&self, text_offset: usize) -> Position {
        let offset = text_offset.min(self.text.len());
        let line = self
            .lines
            .partition_point(|begin| *begin <= offset)
            .saturating_sub(1);
        let begin = self.lines.get(line).copied().unwrap_or(0);
        let character = self
            .units_before(offset)
            .saturating_sub(self.units_before(begin));
        Position {
            line: clamp(line),
            character: clamp(character),
        }
    }

    /// Turns a span of the decoded text into an editor's range.
    pub fn range(&self, text: Span) -> Range {
        Range {
            start: self.position(text.start),
            end: self.position(text.end),
        }
    }

    /// Turns an editor's position into an offset of the decoded text; a position
    /// past the end of its line is the end of that line.
    pub fn text_offset(&self, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX);
        let Some(begin) = self.lines.get(line).copied() else {
            return self.text.len();
        };
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let mut left = usize::try_from(position.character).unwrap_or(usize::MAX);
        let body = self.text.get(begin..end).unwrap_or("");
        for (at, c) in body.char_indices() {
            if left == 0 || c == '\n' || c == '\r' {
                return begin + at;
            }
            left = left.saturating_sub(c.len_utf16());
        }
        end
    }

    /// The decoded text of a span; empty when the span is not on character borders.
    pub fn slice(&self, text: Span) -> &str {
        self.text.get(text.start..text.end).unwrap_or("")
    }

    fn units_before(&self, offset: usize) -> usize {
        let mark = self
            .units
            .partition_point(|(at, _)| *at <= offset)
            .saturating_sub(1);
        let (from, count) = self.units.get(mark).copied().unwrap_or((0, 0));
        let offset = self.text.floor_char_boundary(offset);
        let part = self.text.get(from..offset).unwrap_or("");
        count + part.chars().map(char::len_utf16).sum::<usize>()
    }
}

/// Tells whether a value holds a byte that is not UTF-8 (see [`Source`]).
pub(super) fn has_odd_bytes(value: &str) -> bool {
    value
        .chars()
        .any(|c| (0xF780..=0xF7FF).contains(&u32::from(c)))
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn positions_count_utf16_units_and_all_line_ends() {
        let source = Source::new("x", "a\r\nb\u{1F600}c\rd\n".as_bytes());
        assert_eq!(source.position(0), at(0, 0));
        assert_eq!(source.position(3), at(1, 0));
        assert_eq!(source.position(8), at(1, 3));
        assert_eq!(source.position(10), at(2, 0));
        assert_eq!(source.position(12), at(3, 0));
        assert_eq!(source.position(99), at(3, 0));
        assert_eq!(source.text_offset(at(1, 3)), 8);
        assert_eq!(source.text_offset(at(1, 99)), 9);
        assert_eq!(source.text_offset(at(99, 0)), 12);
    }

    #[test]
    fn odd_bytes_keep_their_place() {
        // Latin-1 angstrom sign and o-umlaut round a UTF-8 lambda.
        let bytes = b"# 12 \xc5\nx \xce\xbb \xf6 y";
        let source = Source::new("x", bytes);
        let y = source.text().find('y').unwrap();
        assert_eq!(bytes.get(source.byte_offset(y)), Some(&b'y'));
        assert_eq!(source.position(y), at(1, 6));
        assert!(has_odd_bytes(source.text()));
        assert!(!has_odd_bytes("\u{3bb}"));
    }

    #[test]
    fn units_are_right_beyond_the_marks() {
        let long = "\u{e9}".repeat(3000) + "z";
        let source = Source::new("x", long.as_bytes());
        assert_eq!(source.position(6000), at(0, 3000));
        assert_eq!(source.text_offset(at(0, 3000)), 6000);
    }

    #[test]
    fn a_script_ends_at_ctrl_z() {
        assert_eq!(Source::new("x", b"run 1\x1ajunk").script_end(), 5);
        assert_eq!(Source::new("x", b"run 1").script_end(), 5);
    }
}
