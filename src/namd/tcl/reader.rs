//! The reader behind the grammar: one pass, one character ahead.

use std::rc::Rc;

use super::super::text::Span;
use super::escape::escape;
use super::{Command, Part, Quote, Script, SyntaxError, SyntaxKind, Word, split_element};

/// Brackets and array indexes nested deeper than this are refused, for the stack's sake.
pub(super) const MAX_DEPTH: usize = 40;

/// Where a run of parts ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// At white space or a command's end; at `]` too when inside brackets.
    Bare { nested: bool },
    /// At a double quote.
    Quote,
    /// At a closing parenthesis.
    Paren,
    /// At the end of the text.
    End,
}

pub(super) struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pub(super) pos: usize,
    end: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, start: usize, end: usize) -> Self {
        let end = end.min(text.len());
        Self {
            text,
            bytes: text.as_bytes(),
            pos: start.min(end),
            end,
            depth: 0,
        }
    }

    fn error(&self, kind: SyntaxKind, at: usize) -> SyntaxError {
        let c = self.text.get(at..).and_then(|rest| rest.chars().next());
        SyntaxError {
            kind,
            at,
            end: at + c.map_or(0, char::len_utf8),
        }
    }

    fn at(&self, pos: usize) -> Option<u8> {
        if pos < self.end {
            self.bytes.get(pos).copied()
        } else {
            None
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.at(self.pos)
    }

    /// Length of the line end at `pos`: 0 if there is none.
    fn newline(&self, pos: usize) -> usize {
        match self.at(pos) {
            Some(b'\r') if self.at(pos + 1) == Some(b'\n') => 2,
            Some(b'\n' | b'\r') => 1,
            _ => 0,
        }
    }

    /// Length of the backslash, line end and indentation at `pos`: 0 if there is none.
    fn continuation(&self, pos: usize) -> usize {
        if self.at(pos) != Some(b'\\') {
            return 0;
        }
        let line_end = self.newline(pos + 1);
        if line_end == 0 {
            return 0;
        }
        let mut len = 1 + line_end;
        while matches!(self.at(pos + len), Some(b' ' | b'\t')) {
            len += 1;
        }
        len
    }

    pub(super) fn skip_line(&mut self, from: usize) {
        self.pos = from.max(self.pos).min(self.end);
        while self.pos < self.end && self.newline(self.pos) == 0 {
            self.pos += 1;
        }
    }

    fn skip_blank(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | 0x0b | 0x0c) => self.pos += 1,
                _ => match self.continuation(self.pos) {
                    0 => return,
                    len => self.pos += len,
                },
            }
        }
    }

    fn skip_comment(&mut self) {
        while let Some(byte) = self.peek() {
            let line_end = self.newline(self.pos);
            if line_end > 0 {
                self.pos += line_end;
                return;
            }
            // Any escaped character is passed over, an escaped line end included.
            if byte == b'\\' {
                self.pos += self.continuation(self.pos).max(2);
            } else {
                self.pos += 1;
            }
        }
        self.pos = self.pos.min(self.end);
    }

    /// Reads commands up to the end, or up to the `]` when `nested`.
    pub(super) fn commands(
        &mut self,
        into: &mut Vec<Command>,
        nested: bool,
    ) -> Result<(), SyntaxError> {
        loop {
            self.skip_blank();
            match self.peek() {
                None => return Ok(()),
                Some(b']') if nested => return Ok(()),
                Some(b'\n' | b'\r' | b';') => self.pos += 1,
                Some(b'#') => self.skip_comment(),
                Some(_) => {
                    let words = self.words(nested)?;
                    let start = words.first().map_or(self.pos, |word| word.span.start);
                    let end = words.last().map_or(self.pos, |word| word.span.end);
                    into.push(Command {
                        span: Span::new(start, end),
                        words,
                    });
                }
            }
        }
    }

    fn words(&mut self, nested: bool) -> Result<Vec<Word>, SyntaxError> {
        let mut words = Vec::new();
        loop {
            self.skip_blank();
            match self.peek() {
                None | Some(b'\n' | b'\r' | b';') => return Ok(words),
                Some(b']') if nested => return Ok(words),
                Some(_) => words.push(self.word(nested)?),
            }
        }
    }

    fn ends_word(&self, pos: usize, nested: bool) -> bool {
        match self.at(pos) {
            None | Some(b' ' | b'\t' | 0x0b | 0x0c | b'\n' | b'\r' | b';') => true,
            Some(b']') => nested,
            Some(b'\\') => self.continuation(pos) > 0,
            Some(_) => false,
        }
    }

    fn word(&mut self, nested: bool) -> Result<Word, SyntaxError> {
        let start = self.pos;
        let expand = self
            .bytes
            .get(start..)
            .is_some_and(|rest| rest.starts_with(b"{*}"))
            && !self.ends_word(start + 3, nested);
        if expand {
            self.pos += 3;
        }
        let (quote, parts) = match self.peek() {
            Some(b'{') => (Quote::Braced, self.braced()?.into_iter().collect()),
            Some(b'"') => (Quote::Quoted, self.quoted()?),
            _ => (Quote::Bare, self.parts(Until::Bare { nested })?),
        };
        if quote != Quote::Bare && !self.ends_word(self.pos, nested) {
            let kind = if quote == Quote::Braced {
                SyntaxKind::AfterBrace
            } else {
                SyntaxKind::AfterQuote
            };
            return Err(self.error(kind, self.pos));
        }
        Ok(Word {
            span: Span::new(start, self.pos),
            quote,
            expand,
            parts,
        })
    }

    /// Reads `{…}`; gives its text, or nothing when it is empty.
    pub(super) fn braced(&mut self) -> Result<Option<Part>, SyntaxError> {
        let open = self.pos;
        let mut depth = 0_usize;
        // Where the text differs from what is written: continuations and line ends.
        let mut plain = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        let span = Span::new(open + 1, self.pos);
                        self.pos += 1;
                        let written = self.text.get(span.start..span.end).unwrap_or("");
                        let text = if plain {
                            Rc::from(written)
                        } else {
                            Rc::from(unwrapped(written))
                        };
                        return Ok((span.start < span.end).then_some(Part::Text { text, span }));
                    }
                }
                b'\\' => {
                    plain &= self.continuation(self.pos) == 0;
                    self.pos += 1;
                }
                b'\r' => plain = false,
                _ => {}
            }
            self.pos += 1;
        }
        Err(self.error(SyntaxKind::MissingBrace, open))
    }

    pub(super) fn quoted(&mut self) -> Result<Vec<Part>, SyntaxError> {
        let open = self.pos;
        self.pos += 1;
        let parts = self.parts(Until::Quote)?;
        if self.peek() != Some(b'"') {
            return Err(self.error(SyntaxKind::MissingQuote, open));
        }
        self.pos += 1;
        Ok(parts)
    }

    pub(super) fn bracketed(&mut self) -> Result<Part, SyntaxError> {
        let open = self.pos;
        self.deeper(open)?;
        self.pos += 1;
        let mut script = Script::default();
        self.commands(&mut script.commands, true)?;
        if self.peek() != Some(b']') {
            return Err(self.error(SyntaxKind::MissingBracket, open));
        }
        self.pos += 1;
        self.depth -= 1;
        Ok(Part::Script {
            script: Rc::new(script),
            span: Span::new(open, self.pos),
        })
    }

    fn deeper(&mut self, at: usize) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(SyntaxKind::TooDeep, at));
        }
        Ok(())
    }

    pub(super) fn parts(&mut self, until: Until) -> Result<Vec<Part>, SyntaxError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut from = self.pos;
        loop {
            let here = self.pos;
            let stop = match (until, self.peek()) {
                (_, None) | (Until::Quote, Some(b'"')) | (Until::Paren, Some(b')')) => true,
                (Until::Bare { nested }, _) => self.ends_word(here, nested),
                _ => false,
            };
            if stop {
                break;
            }
            let part = match self.peek() {
                Some(b'$') => self.variable()?,
                Some(b'[') => Some(self.bracketed()?),
                Some(b'\\') => {
                    self.backslash(&mut text);
                    continue;
                }
                _ => None,
            };
            match part {
                Some(part) => {
                    flush(&mut parts, &mut text, Span::new(from, here));
                    parts.push(part);
                    from = self.pos;
                }
                None => self.character(&mut text),
            }
        }
        flush(&mut parts, &mut text, Span::new(from, self.pos));
        Ok(parts)
    }

    /// Takes one character as it is; a line end of any kind becomes `\n`.
    fn character(&mut self, text: &mut String) {
        let line_end = self.newline(self.pos);
        if line_end > 0 {
            text.push('\n');
            self.pos += line_end;
        } else if let Some(c) = self
            .text
            .get(self.pos..)
            .and_then(|rest| rest.chars().next())
        {
            text.push(c);
            self.pos += c.len_utf8();
        } else {
            self.pos += 1;
        }
    }

    fn backslash(&mut self, text: &mut String) {
        let continued = self.continuation(self.pos);
        if continued > 0 {
            text.push(' ');
            self.pos += continued;
            return;
        }
        let rest = self.text.get(self.pos..self.end).unwrap_or("");
        let (c, len) = escape(rest);
        text.push(c);
        self.pos += len;
    }

    pub(super) fn variable(&mut self) -> Result<Option<Part>, SyntaxError> {
        let start = self.pos;
        if self.at(start + 1) == Some(b'{') {
            let Some(len) = self
                .text
                .get(start + 2..self.end)
                .and_then(|rest| rest.find('}'))
            else {
                return Err(self.error(SyntaxKind::MissingBrace, start + 1));
            };
            let name = self.text.get(start + 2..start + 2 + len).unwrap_or("");
            self.pos = start + 3 + len;
            let span = Span::new(start, self.pos);
            let (name, index) = match split_element(name) {
                Some((array, index)) => {
                    let index = Part::Text {
                        text: Rc::from(index),
                        span,
                    };
                    (array, Some(vec![index]))
                }
                None => (name, None),
            };
            return Ok(Some(Part::Var {
                name: Rc::from(name),
                index,
                span,
            }));
        }
        let mut end = start + 1;
        loop {
            match self.at(end) {
                Some(b) if b.is_ascii_alphanumeric() || b == b'_' => end += 1,
                Some(b':') if self.at(end + 1) == Some(b':') => {
                    while self.at(end) == Some(b':') {
                        end += 1;
                    }
                }
                _ => break,
            }
        }
        let name: Rc<str> = Rc::from(self.text.get(start + 1..end).unwrap_or(""));
        if self.at(end) == Some(b'(') {
            self.deeper(end)?;
            self.pos = end + 1;
            let index = self.parts(Until::Paren)?;
            if self.peek() != Some(b')') {
                return Err(self.error(SyntaxKind::MissingParen, end));
            }
            self.pos += 1;
            self.depth -= 1;
            let span = Span::new(start, self.pos);
            return Ok(Some(Part::Var {
                name,
                index: Some(index),
                span,
            }));
        }
        if name.is_empty() {
            return Ok(None);
        }
        self.pos = end;
        Ok(Some(Part::Var {
            name,
            index: None,
            span: Span::new(start, end),
        }))
    }
}

fn flush(parts: &mut Vec<Part>, text: &mut String, span: Span) {
    if !text.is_empty() {
        parts.push(Part::Text {
            text: Rc::from(text.as_str()),
            span,
        });
        text.clear();
    }
}

/// The text of a braced word: continuations become one space, line ends `\n`.
fn unwrapped(written: &str) -> String {
    let reader = Reader::new(written, 0, written.len());
    let mut text = String::with_capacity(written.len());
    let mut pos = 0;
    while pos < written.len() {
        let continued = reader.continuation(pos);
        let line_end = reader.newline(pos);
        if continued > 0 {
            text.push(' ');
            pos += continued;
        } else if line_end > 0 {
            text.push('\n');
            pos += line_end;
        } else {
            let mut rest = written.get(pos..).unwrap_or("").chars();
            let Some(c) = rest.next() else { break };
            text.push(c);
            pos += c.len_utf8();
            // What a backslash protects is copied as it is, except a line end.
            if c == '\\'
                && reader.newline(pos) == 0
                && let Some(next) = rest.next()
            {
                text.push(next);
                pos += next.len_utf8();
            }
        }
    }
    text
}
