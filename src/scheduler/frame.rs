//! The framed answer of a remote script.
//!
//! ```text
//! @namdrunner 7f3k begin squeue
//! |1018|PENDING|…
//! @namdrunner 7f3k end squeue rows=12 rc=0 lines=1 err=
//! ```
//!
//! Whatever a login banner, a noisy start-up file or a background process prints lies outside of the
//! bars. A part whose end, or one of whose lines, is missing does not exist.

use std::fmt::Write as _;

/// First word of a sentinel.
pub(super) const SENTINEL: &str = "@namdrunner";

/// One whole part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Its name (`squeue`).
    pub(super) name: &'a str,
    /// Its lines, without the bar.
    pub(super) lines: Vec<&'a str>,
    /// Lines without a bar between its sentinels: not ours.
    pub(super) noise: Vec<&'a str>,
    /// What follows the name at its end: `rc=0 lines=2 err=…`.
    tail: &'a str,
}

impl<'a> Part<'a> {
    /// The value of `key=` at the part's end. `err` takes the rest of the line.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        let (words, err) = match self.tail.split_once("err=") {
            Some((words, err)) => (words, Some(err.trim())),
            None => (self.tail, None),
        };
        if key == "err" {
            return err;
        }
        words
            .split(' ')
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The number at `key=`.
    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.value(key)?.parse().ok()
    }

    /// The error text, if there is any.
    pub(super) fn error(&self) -> Option<&'a str> {
        self.value("err").filter(|text| !text.is_empty())
    }
}

/// The whole parts of an answer, in order. With a nonce, those that carry it.
pub(super) fn parts<'a>(text: &'a str, nonce: Option<&str>) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    let mut open: Option<(&str, Part<'a>)> = None;
    for line in text.split_inclusive('\n') {
        // A last line without its end may have been cut.
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let sentinel = line
            .strip_prefix(SENTINEL)
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|rest| rest.split_once(' '))
            .filter(|(word, _)| nonce.is_none_or(|nonce| nonce == *word));
        if let Some((word, rest)) = sentinel {
            if let Some(name) = rest.strip_prefix("begin ") {
                let part = Part {
                    name,
                    lines: Vec::new(),
                    noise: Vec::new(),
                    tail: "",
                };
                open = Some((word, part));
            } else if let Some(rest) = rest.strip_prefix("end ")
                && let Some((begun, mut part)) = open.take()
                && begun == word
                && let Some(tail) = rest.strip_prefix(part.name)
                && (tail.is_empty() || tail.starts_with(' '))
            {
                part.tail = tail;
                if part.number("lines") == Some(part.lines.len()) {
                    found.push(part);
                }
            }
        } else if let Some((_, part)) = &mut open {
            match line.strip_prefix('|') {
                Some(line) => part.lines.push(line),
                None if line.is_empty() => {}
                None => part.noise.push(line),
            }
        }
    }
    found
}

/// A nonce as it may stand in a script: letters and digits only.
pub(super) fn nonce(word: &str) -> String {
    let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    if plain.is_empty() {
        "0".to_owned()
    } else {
        plain
    }
}

/// Shell functions that print one part: `note LINE` for each line, `part NAME TAIL` at the end.
///
/// Everything is printed at once and starts on a line of its own.
pub(super) fn shell(nonce: &str) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        r#"notes= count=0
note() {{ notes="$notes|$1
" count=$((count+1)); }}
part() {{ printf '\n{SENTINEL} %s begin %s\n%s{SENTINEL} %s end %s lines=%s %s\n' {nonce} "$1" "$notes" {nonce} "$1" "$count" "$2"; notes= count=0; }}
"#
    );
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "Welcome to blue!\n\n@namdrunner 7f begin a\n|1|x\nnoise\n|2|y z\n@namdrunner 7f end a rc=0 lines=2 err=two  words\n@namdrunner 7f begin b\n@namdrunner 7f end b lines=0\n";

    #[test]
    fn whole_parts_come_out_and_noise_stays_outside() {
        let parts = parts(ANSWER, Some("7f"));
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].lines, ["1|x", "2|y z"]);
        assert_eq!(parts[0].noise, ["noise"]);
        assert_eq!(parts[0].number("rc"), Some(0));
        assert_eq!(parts[0].error(), Some("two  words"));
        assert_eq!(parts[1].error(), None);
        assert!(super::parts(ANSWER, Some("7e")).is_empty());
    }

    #[test]
    fn a_lost_line_spoils_its_part_only() {
        let cut = ANSWER.replace("|2|y z\n", "");
        let parts = parts(&cut, None);
        assert_eq!(parts.iter().map(|p| p.name).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn the_shell_functions_print_what_is_read() {
        let script = format!(
            "{}printf 'no newline'\nnote 'a b'\nnote \"it's\"\npart mine 'rc=3 err=x'\npart none ''",
            shell("n1")
        );
        let out = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let parts = parts(&text, Some("n1"));
        assert_eq!(parts.len(), 2, "{text}");
        assert_eq!(parts[0].lines, ["a b", "it's"]);
        assert_eq!(parts[0].number("rc"), Some(3));
        assert!(parts[1].lines.is_empty());
    }

    proptest! {
        #[test]
        fn a_cut_answer_never_holds_more_than_the_whole(at in 0..ANSWER.len()) {
            let whole = parts(ANSWER, None);
            let cut = parts(&ANSWER[..at], None);
            prop_assert_eq!(&whole[..cut.len()], &cut[..]);
        }

        #[test]
        fn any_text_is_read(text in "(@namdrunner (begin|end|1) ?|\\||[a-z =\n]|\\PC){0,80}") {
            parts(&text, None);
        }
    }
}
