//! A shell script as simple commands of words, as far as that can be said without running it.

/// A piece of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word.
    Word(Vec<Part>),
    /// What follows is the file that output goes to, or input comes from.
    Redirect {
        /// It is the standard output.
        output: bool,
    },
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands.
    Text(String),
    /// `$name`, `${name}`, `${name:-otherwise}`.
    Variable {
        /// Its name, or the number of an argument.
        name: String,
        /// What stands for it when it is not set.
        otherwise: Option<String>,
    },
    /// Something that only running it tells.
    Unknown,
}

/// The simple commands of a script, in its order.
pub(super) fn commands(script: &str) -> Vec<Vec<Token>> {
    let mut reader = Reader {
        rest: script,
        commands: Vec::new(),
        command: Vec::new(),
        word: Vec::new(),
        in_word: false,
    };
    reader.read();
    reader.commands
}

struct Reader<'s> {
    rest: &'s str,
    commands: Vec<Vec<Token>>,
    command: Vec<Token>,
    word: Vec<Part>,
    in_word: bool,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn push(&mut self, c: char) {
        self.in_word = true;
        if let Some(Part::Text(text)) = self.word.last_mut() {
            text.push(c);
        } else {
            self.word.push(Part::Text(c.to_string()));
        }
    }

    fn add(&mut self, part: Part) {
        self.in_word = true;
        self.word.push(part);
    }

    fn end_word(&mut self) {
        if self.in_word {
            self.command
                .push(Token::Word(std::mem::take(&mut self.word)));
        }
        self.in_word = false;
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }

    fn read(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    if !self.take("\n") {
                        match self.next() {
                            Some(c) => self.push(c),
                            None => break,
                        }
                    }
                }
                '\'' => self.quoted(),
                '"' => self.double_quoted(),
                '$' => {
                    let part = self.variable();
                    self.add(part);
                }
                '`' => {
                    self.skip_to('`');
                    self.add(Part::Unknown);
                }
                '#' if !self.in_word => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = self.rest.get(end..).unwrap_or_default();
                }
                '>' | '<' => self.redirect(c),
                '&' if self.rest.starts_with('>') => {
                    self.next();
                    self.end_word();
                    self.take(">");
                    self.command.push(Token::Redirect { output: true });
                }
                '\n' | ';' | '&' | '|' | '(' | ')' => self.end_command(),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    /// After `>` or `<`. The number of a descriptor stands before it as a word of its own.
    fn redirect(&mut self, c: char) {
        let descriptor = match self.word.as_slice() {
            [Part::Text(text)] if text.bytes().all(|b| b.is_ascii_digit()) => Some(text.clone()),
            _ => None,
        };
        if descriptor.is_some() {
            self.word.clear();
            self.in_word = false;
        }
        self.end_word();
        let _ = self.take(">") || self.take("|");
        if self.take("&") {
            // `2>&1` names no file; `>& file` does.
            if self
                .rest
                .starts_with(|c: char| c.is_ascii_digit() || c == '-')
            {
                self.next();
                return;
            }
        }
        let output = c == '>' && descriptor.as_deref().is_none_or(|number| number == "1");
        self.command.push(Token::Redirect { output });
    }

    fn quoted(&mut self) {
        self.in_word = true;
        while let Some(c) = self.next() {
            if c == '\'' {
                return;
            }
            self.push(c);
        }
    }

    fn double_quoted(&mut self) {
        self.in_word = true;
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                '$' => {
                    let part = self.variable();
                    self.add(part);
                }
                '`' => {
                    self.skip_to('`');
                    self.add(Part::Unknown);
                }
                c => self.push(c),
            }
        }
    }

    /// After `$`.
    fn variable(&mut self) -> Part {
        if self.take("(") {
            self.skip_parentheses();
            return Part::Unknown;
        }
        if self.take("{") {
            let end = self.rest.find('}').unwrap_or(self.rest.len());
            let inner = self.rest.get(..end).unwrap_or_default().to_owned();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            let (name, otherwise) = match inner.split_once(":-") {
                Some((name, otherwise)) => (name, Some(otherwise)),
                None => (inner.as_str(), None),
            };
            let plain = |text: &str| !text.contains(['$', '`', '"', '\'']);
            return if is_name(name) && otherwise.is_none_or(plain) {
                Part::Variable {
                    name: name.to_owned(),
                    otherwise: otherwise.map(str::to_owned),
                }
            } else {
                Part::Unknown
            };
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let name = self.next().map(String::from).unwrap_or_default();
            return Part::Variable {
                name,
                otherwise: None,
            };
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Part::Unknown;
        }
        let name = self.rest.get(..end).unwrap_or_default().to_owned();
        self.rest = self.rest.get(end..).unwrap_or_default();
        Part::Variable {
            name,
            otherwise: None,
        }
    }

    fn skip_to(&mut self, end: char) {
        while let Some(c) = self.next() {
            if c == end {
                return;
            }
        }
    }

    fn skip_parentheses(&mut self) {
        let mut depth = 1;
        while let Some(c) = self.next() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

/// A variable's name, or the number of an argument.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
