//! The text of an open document, as the editor has it. Pure.

use gen_lsp_types::TextDocumentContentChangeEvent;

use crate::namd::{Position, Source};

/// A larger text is not analysed: it is no config.
const LARGEST: usize = 4 << 20;

/// One open document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// The file, absolute, as the editor names it.
    pub(crate) path: String,
    /// The language the editor takes it for.
    pub(crate) language: String,
    /// The text.
    pub(crate) text: String,
    /// The editor's number of this text.
    pub(crate) version: i32,
    /// Grows with every change, and when the files around it may have changed.
    pub(crate) revision: u64,
}

impl Document {
    /// Applies changes in order. A place outside the text is taken for the nearest one in it.
    pub(crate) fn change(&mut self, version: i32, changes: Vec<TextDocumentContentChangeEvent>) {
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(change) => {
                    let source = Source::new("", self.text.as_bytes());
                    let at = |place: gen_lsp_types::Position| {
                        source.text_offset(Position {
                            line: place.line,
                            character: place.character,
                        })
                    };
                    let (start, end) = (at(change.range.start), at(change.range.end));
                    self.text.replace_range(start..end.max(start), &change.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                    self.text = whole.text;
                }
            }
        }
        self.version = version;
        self.revision += 1;
    }

    /// Whether it is a NAMD config: the editor says so, or its name and text do.
    pub(crate) fn is_config(&self) -> bool {
        self.text.len() <= LARGEST
            && (self.language == "namd"
                || crate::namd::looks_like_namd(&self.path, self.text.as_bytes()))
    }

    /// Whether a file's bytes are this text: what an editor shows for bytes that are not UTF-8 is
    /// taken for them.
    pub(crate) fn is_saved_as(&self, bytes: &[u8]) -> bool {
        bytes == self.text.as_bytes() || String::from_utf8_lossy(bytes) == self.text
    }
}

#[cfg(test)]
mod tests {
    use gen_lsp_types::{Range, TextDocumentContentChangePartial};
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document {
            path: "/x/a.namd".into(),
            language: "namd".into(),
            text: text.into(),
            version: 1,
            revision: 0,
        }
    }

    fn edit(from: (u32, u32), to: (u32, u32), text: &str) -> TextDocumentContentChangeEvent {
        let place = |(line, character)| gen_lsp_types::Position { line, character };
        TextDocumentContentChangePartial {
            range: Range {
                start: place(from),
                end: place(to),
            },
            text: text.into(),
            ..Default::default()
        }
        .into()
    }

    #[test]
    fn edits_are_applied_in_order_and_counted_in_utf_16() {
        let mut document = document("run 10 ;# \u{1F4A7}x\nset n 1\r\nrun $n\n");
        document.change(
            2,
            vec![
                edit((0, 12), (0, 13), "y"),
                edit((0, 4), (0, 6), "200"),
                edit((2, 0), (3, 0), ""),
            ],
        );
        assert_eq!(document.text, "run 200 ;# \u{1F4A7}y\nset n 1\r\n");
        assert_eq!((document.version, document.revision), (2, 1));
    }

    #[test]
    fn a_config_is_known_by_language_name_or_text() {
        let mut config = document("hello");
        assert!(config.is_config());
        config.language = "plaintext".into();
        assert!(config.is_config(), "by its name");
        config.path = "/x/a.conf".into();
        assert!(!config.is_config());
        config.text = "structure a.psf\noutputName o\nexclude none\nrun 1\n".into();
        assert!(config.is_config(), "by its text");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_as_the_editor_shows_them() {
        let config = document("# \u{FFFD}ngstr\u{FFFD}m\n");
        assert!(config.is_saved_as(b"# \xC5ngstr\xF6m\n"));
        assert!(!config.is_saved_as(b"# Angstrom\n"));
    }

    proptest! {
        #[test]
        fn any_edit_leaves_a_text(
            text in "[a\u{e4}\u{1F4A7}\r\n]{0,20}",
            from in (0_u32..6, 0_u32..30),
            to in (0_u32..6, 0_u32..30),
            new in "[b\n]{0,3}",
        ) {
            let mut document = document(&text);
            document.change(2, vec![edit(from, to, &new)]);
            prop_assert!(document.text.contains(&new));
        }
    }
}
