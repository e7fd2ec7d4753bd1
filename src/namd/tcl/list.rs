//! Tcl lists: taking a string apart into elements and putting it together.

use super::number::is_space;

/// Takes a string apart as a list; `None` if it is not a well-formed one.
pub(in crate::namd) fn split(text: &str) -> Option<Vec<String>> {
    let mut elements = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let (element, tail) = if rest.starts_with('{') {
            braced(rest)?
        } else if let Some(inner) = rest.strip_prefix('"') {
            let (element, tail) = bare(inner, true);
            (element, tail.strip_prefix('"')?)
        } else {
            bare(rest, false)
        };
        elements.push(element);
        let next = tail.trim_start_matches(is_space);
        if next.len() == tail.len() && !next.is_empty() {
            return None;
        }
        rest = next;
    }
    Some(elements)
}

fn braced(text: &str) -> Option<(String, &str)> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((text.get(1..at)?.to_owned(), text.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

fn bare(text: &str, quoted: bool) -> (String, &str) {
    let mut element = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if (quoted && c == '"') || (!quoted && is_space(c)) {
            break;
        }
        if c == '\\' {
            let (meant, len) = if rest.get(1..).is_some_and(|tail| tail.starts_with('\n')) {
                let tail = rest.get(2..).unwrap_or("");
                let blank = tail.len() - tail.trim_start_matches([' ', '\t']).len();
                (' ', 2 + blank)
            } else {
                super::escape::escape(rest)
            };
            element.push(meant);
            rest = rest.get(len..).unwrap_or("");
        } else {
            element.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    (element, rest)
}

/// Puts elements together as a list, quoted so that they come apart again.
pub(in crate::namd) fn join<S: AsRef<str>>(elements: &[S]) -> String {
    let mut out = String::new();
    for (n, element) in elements.iter().enumerate() {
        if n > 0 {
            out.push(' ');
        }
        quote(element.as_ref(), n == 0, &mut out);
    }
    out
}

/// Tcl's own rules: bare if nothing is special, in braces if they balance,
/// with backslashes otherwise.
fn quote(element: &str, first: bool, out: &mut String) {
    if element.is_empty() {
        out.push_str("{}");
        return;
    }
    let mut special = first && element.starts_with('#');
    let mut depth = 0_i64;
    let mut balanced = true;
    let mut chars = element.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' => {
                depth += 1;
                special = true;
            }
            '}' => {
                depth -= 1;
                balanced &= depth >= 0;
                special = true;
            }
            '\\' => {
                special = true;
                match chars.next() {
                    None | Some('\n') => balanced = false,
                    _ => {}
                }
            }
            '[' | ']' | '$' | ';' | '"' => special = true,
            c if is_space(c) => special = true,
            _ => {}
        }
    }
    if !special {
        out.push_str(element);
    } else if balanced && depth == 0 {
        out.push('{');
        out.push_str(element);
        out.push('}');
    } else {
        for c in element.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '{' | '}' | '[' | ']' | '$' | ';' | '"' | '\\' | ' ' | '#' => {
                    out.push('\\');
                    out.push(c);
                }
                _ => out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_come_apart_as_in_tclsh() {
        let split_ok = |text: &str| split(text).unwrap();
        assert_eq!(
            split_ok(" a {b c}\t\"d e\" f\\ g {} "),
            ["a", "b c", "d e", "f g", ""]
        );
        assert_eq!(split_ok("{a {b c}} d"), ["a {b c}", "d"]);
        assert_eq!(split_ok("a\\\n  b"), ["a b"]);
        assert_eq!(split("{a"), None);
        assert_eq!(split("{a}b"), None);
        assert_eq!(split("\"a"), None);
        assert_eq!(split_ok(""), Vec::<String>::new());
    }

    #[test]
    fn elements_are_quoted_so_that_they_survive() {
        assert_eq!(
            join(&["a", "b c", "", "a$b", "[x]", "x\ny", "a;b"]),
            "a {b c} {} {a$b} {[x]} {x\ny} {a;b}"
        );
        assert_eq!(join(&["{"]), "\\{");
        assert_eq!(join(&["a\\"]), "a\\\\");
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart_again(list in proptest::collection::vec(".{0,12}", 0..6)) {
            prop_assert_eq!(split(&join(&list)), Some(list));
        }
    }
}
