//! Frames: how one message is told from the next on a byte stream; nothing else.
//!
//! Two framings, told apart once, at the start of a stream. After optional white space and a byte
//! order mark, `{` or `[` means newline-delimited JSON: one message on each line. Anything else is
//! the base protocol of LSP: header lines, an empty line, and `Content-Length` bytes.
//!
//! A fault never ends the stream, and each is told once. How reading goes on after one:
//!
//! | fault | what is passed over |
//! |---|---|
//! | a body that is not UTF-8, or in another charset | exactly its bytes |
//! | a body longer than the limit, up to [`MAX_SKIP`] | exactly its bytes |
//! | a longer one (its length is taken for a mistake); a bad, missing or contradicting length; a line that is no header; endless headers | everything up to the next `Content-Length:` |
//! | a line longer than the limit, or not UTF-8 | the line |

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The largest message read, in bytes.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// The largest over-long body whose length is believed, in bytes.
pub const MAX_SKIP: u64 = 256 * 1024 * 1024;
/// The longest block of header lines, in bytes.
const MAX_HEADER: usize = 8 * 1024;
/// What is looked for, in lower case, to find the next frame after a fault.
const LENGTH: &[u8] = b"content-length:";
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How messages are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// LSP's base protocol.
    ContentLength,
    /// One message on each line.
    Lines,
}

impl Framing {
    /// Appends a message as a frame. The message is JSON as serde writes it, without newlines.
    pub fn write(self, message: &str, out: &mut Vec<u8>) {
        match self {
            Self::ContentLength => {
                out.extend_from_slice(
                    format!("Content-Length: {}\r\n\r\n", message.len()).as_bytes(),
                );
                out.extend_from_slice(message.as_bytes());
            }
            Self::Lines => {
                out.extend_from_slice(message.as_bytes());
                out.push(b'\n');
            }
        }
    }
}

/// What can be wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The message is longer than the limit.
    #[error("The message is longer than the {limit} bytes that are read at most.")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The header lines do not make sense.
    #[error("The frame's header cannot be read: {0}.")]
    Header(String),
    /// The message is not UTF-8.
    #[error("The message is not UTF-8 text.")]
    NotUtf8,
    /// The stream ended in a frame.
    #[error("The input ended in the middle of a message.")]
    Half,
}

impl Fault {
    /// What is wrong, without a word of what was sent: where a length was wrong, what is taken for a
    /// header may be the end of an answer with a password.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "It is too long.",
            Self::Header(_) => "Its header does not make sense.",
            Self::NotUtf8 => "It is not UTF-8 text.",
            Self::Half => "The input ended in the middle of it.",
        }
    }
}

/// Takes bytes in pieces of any size, gives messages.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    buffer: Vec<u8>,
    /// How much of the front of the buffer is done with.
    head: usize,
    /// How much after `head` has been looked through without finding the end.
    looked: usize,
    framing: Option<Framing>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing but white space so far.
    Start,
    /// Before or in a block of header lines.
    Header(Header),
    /// In a body.
    Body(usize),
    /// In a body that is passed over.
    Skip(u64),
    /// After a fault: looking for the next header.
    Lost,
    /// In a line.
    Line,
    /// In a line that is passed over.
    SkipLine,
}

#[derive(Debug, Default)]
struct Header {
    bytes: usize,
    length: Option<u64>,
    foreign_charset: Option<String>,
}

/// One step of the decoder.
enum Step {
    More,
    Again,
    Message(Vec<u8>),
    Fault(Fault),
}

impl Decoder {
    /// A decoder that reads messages up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            head: 0,
            looked: 0,
            framing: None,
            state: State::Start,
        }
    }

    /// The stream's framing, once the first byte that tells has been seen.
    pub fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.head > 0 {
            self.buffer.drain(..self.head);
            self.head = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives the next message or fault, or nothing when more bytes are needed.
    pub fn decode(&mut self) -> Option<Result<String, Fault>> {
        loop {
            let step = match self.state {
                State::Start => self.start(),
                State::Header(_) => self.header(),
                State::Body(length) => self.body(length),
                State::Skip(length) => self.skip(length),
                State::Lost => self.search(),
                State::Line => self.line(),
                State::SkipLine => self.skip_line(),
            };
            match step {
                Step::More => return None,
                Step::Again => {}
                Step::Message(bytes) => {
                    return Some(String::from_utf8(bytes).map_err(|_| Fault::NotUtf8));
                }
                Step::Fault(fault) => return Some(Err(fault)),
            }
        }
    }

    /// Gives what the end of the stream makes of the last bytes: the last line needs no newline,
    /// half a frame is a fault. To be called when [`Decoder::decode`] gives nothing more.
    pub fn finish(&mut self) -> Option<Result<String, Fault>> {
        let rest = self.rest().trim_ascii().to_vec();
        self.advance(self.rest().len());
        match std::mem::replace(&mut self.state, State::Start) {
            State::Body(_) => Some(Err(Fault::Half)),
            State::Header(header) if header.bytes > 0 || !rest.is_empty() => Some(Err(Fault::Half)),
            State::Line if !rest.is_empty() => {
                Some(String::from_utf8(rest).map_err(|_| Fault::NotUtf8))
            }
            // Nothing has begun, or it was told when it was found.
            State::Start
            | State::Header(_)
            | State::Line
            | State::Skip(_)
            | State::Lost
            | State::SkipLine => None,
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.head..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.head = (self.head + bytes).min(self.buffer.len());
        self.looked = 0;
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let taken = self.rest().get(..bytes).unwrap_or_default().to_vec();
        // It may hold a password.
        let place = self.head..self.head + taken.len();
        if let Some(place) = self.buffer.get_mut(place) {
            place.fill(0);
        }
        self.advance(bytes);
        taken
    }

    /// The length of the line that begins the rest, without its newline.
    fn line_length(&mut self) -> Option<usize> {
        let unseen = self.rest().get(self.looked..).unwrap_or_default();
        if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
            return Some(self.looked + at);
        }
        self.looked = self.rest().len();
        None
    }

    fn start(&mut self) -> Step {
        let rest = self.rest();
        let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let rest = rest.get(blank..).unwrap_or_default();
        let marked = rest.starts_with(BYTE_ORDER_MARK);
        let maybe_marked = !marked && BYTE_ORDER_MARK.starts_with(rest);
        let first = rest.first().filter(|_| !marked && !maybe_marked);
        let framing = first.map(|byte| match byte {
            b'{' | b'[' => Framing::Lines,
            _ => Framing::ContentLength,
        });
        self.advance(blank + if marked { BYTE_ORDER_MARK.len() } else { 0 });
        self.framing = framing;
        match framing {
            Some(Framing::Lines) => self.state = State::Line,
            Some(Framing::ContentLength) => self.state = State::Header(Header::default()),
            None if marked => {}
            None => return Step::More,
        }
        Step::Again
    }

    fn header(&mut self) -> Step {
        let Some(length) = self.line_length() else {
            return self.header_too_long(self.rest().len());
        };
        let line = self.rest().get(..length).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        let State::Header(header) = &mut self.state else {
            return Step::Again;
        };
        if line.is_empty() {
            // Empty lines before a header are tolerated; the one after it ends it.
            let header = std::mem::take(header);
            self.advance(length + 1);
            return if header.bytes == 0 {
                Step::Again
            } else {
                self.end_of_header(header)
            };
        }
        if header.bytes + length > MAX_HEADER {
            return self.header_too_long(length);
        }
        match header.read(&line) {
            Ok(()) => {
                header.bytes += length + 1;
                self.advance(length + 1);
                Step::Again
            }
            Err((why, passed)) => {
                if passed {
                    self.advance(length + 1);
                }
                self.state = State::Lost;
                Step::Fault(Fault::Header(why))
            }
        }
    }

    fn header_too_long(&mut self, waiting: usize) -> Step {
        let State::Header(header) = &self.state else {
            return Step::Again;
        };
        if header.bytes + waiting > MAX_HEADER {
            self.state = State::Lost;
            return Step::Fault(Fault::Header(format!(
                "there are more than {MAX_HEADER} bytes of it"
            )));
        }
        Step::More
    }

    fn end_of_header(&mut self, header: Header) -> Step {
        let Some(length) = header.length else {
            self.state = State::Lost;
            return Step::Fault(Fault::Header("there is no Content-Length".into()));
        };
        let fault = match (header.foreign_charset, usize::try_from(length)) {
            (None, Ok(length)) if length <= self.limit => {
                self.state = State::Body(length);
                return Step::Again;
            }
            (Some(charset), _) => Fault::Header(format!("the charset {charset} is not UTF-8")),
            (None, _) => Fault::TooLong { limit: self.limit },
        };
        self.state = if length <= MAX_SKIP {
            State::Skip(length)
        } else {
            State::Lost
        };
        Step::Fault(fault)
    }

    fn body(&mut self, length: usize) -> Step {
        if self.rest().len() < length {
            return Step::More;
        }
        self.state = State::Header(Header::default());
        Step::Message(self.take(length))
    }

    fn skip(&mut self, length: u64) -> Step {
        let here = self.rest().len();
        let skipped = usize::try_from(length).map_or(here, |length| length.min(here));
        self.advance(skipped);
        let left = length.saturating_sub(skipped as u64);
        if left == 0 {
            self.state = State::Header(Header::default());
            return Step::Again;
        }
        self.state = State::Skip(left);
        Step::More
    }

    fn search(&mut self) -> Step {
        let rest = self.rest();
        let found = rest
            .windows(LENGTH.len())
            .position(|window| window.eq_ignore_ascii_case(LENGTH));
        if let Some(at) = found {
            self.advance(at);
            self.state = State::Header(Header::default());
            return Step::Again;
        }
        let keep = rest.len().min(LENGTH.len() - 1);
        self.advance(rest.len() - keep);
        Step::More
    }

    fn line(&mut self) -> Step {
        let found = self.line_length();
        if found.unwrap_or(self.rest().len()) > self.limit {
            self.state = State::SkipLine;
            self.looked = 0;
            return Step::Fault(Fault::TooLong { limit: self.limit });
        }
        let Some(length) = found else {
            return Step::More;
        };
        let line = self.take(length);
        self.advance(1);
        match line.trim_ascii() {
            [] => Step::Again,
            text => Step::Message(text.to_vec()),
        }
    }

    fn skip_line(&mut self) -> Step {
        if let Some(length) = self.line_length() {
            self.advance(length + 1);
            self.state = State::Line;
            Step::Again
        } else {
            self.advance(self.rest().len());
            Step::More
        }
    }
}

impl Header {
    /// Reads one line. An error says what is wrong, and whether the line is to be passed over: one
    /// that is no header may be the end of a body that was longer than its length, with the next
    /// frame behind it.
    fn read(&mut self, line: &[u8]) -> Result<(), (String, bool)> {
        let text = String::from_utf8_lossy(line);
        let no_header = || {
            let start: String = text.chars().take(40).collect();
            (format!("{start:?} is no header line"), false)
        };
        let (name, value) = text.split_once(':').ok_or_else(no_header)?;
        let value = value.trim();
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let lower = name.to_ascii_lowercase();
        // What comes before it is the end of a body that was longer than its length.
        let hides_length = lower != "content-length" && lower.ends_with("content-length");
        if name.is_empty() || !name.bytes().all(is_name) || hides_length {
            return Err(no_header());
        }
        if name.eq_ignore_ascii_case("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let length: u64 = digits
                .then(|| value.parse().ok())
                .flatten()
                .ok_or_else(|| (format!("Content-Length {value:?} is no length"), true))?;
            if self.length.is_some_and(|other| other != length) {
                return Err(("there are two different Content-Length".into(), true));
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case("content-type") {
            let charset = value
                .to_ascii_lowercase()
                .split_once("charset=")
                .map(|(_, charset)| charset.trim_matches(['"', ' ']).to_owned());
            self.foreign_charset =
                charset.filter(|charset| !["utf-8", "utf8"].contains(&charset.as_str()));
        }
        Ok(())
    }
}

/// Reads frames from a stream.
#[derive(Debug)]
pub struct Frames<R> {
    reader: R,
    decoder: Decoder,
    chunk: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads messages of up to `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            decoder: Decoder::new(limit),
            chunk: vec![0; 64 * 1024],
            ended: false,
        }
    }

    /// The stream's framing, once it is known.
    pub fn framing(&self) -> Option<Framing> {
        self.decoder.framing()
    }

    /// Gives the next message or fault; nothing at the end. May be dropped and called again.
    pub async fn next(&mut self) -> io::Result<Option<Result<String, Fault>>> {
        loop {
            if let Some(message) = self.decoder.decode() {
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(self.decoder.finish());
            }
            let read = match self.reader.read(&mut self.chunk).await {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.ended = read == 0;
            self.decoder
                .feed(self.chunk.get(..read).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
