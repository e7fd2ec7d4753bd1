//! Tcl's numbers: what looks like one, and how one is printed.

/// A number as `expr` knows it; integers beyond 128 bits are not followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::namd) enum Num {
    /// An integer.
    Int(i128),
    /// A floating-point number.
    Float(f64),
}

impl Num {
    /// The number as floating point.
    #[allow(clippy::cast_precision_loss)] // Tcl does the same
    pub(in crate::namd) fn as_float(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Float(x) => x,
        }
    }

    /// Whether it counts as false.
    pub(in crate::namd) fn is_zero(self) -> bool {
        match self {
            Self::Int(n) => n == 0,
            Self::Float(x) => x == 0.0,
        }
    }

    /// The number as Tcl prints it.
    pub(in crate::namd) fn print(self) -> String {
        match self {
            Self::Int(n) => n.to_string(),
            Self::Float(x) => print_float(x),
        }
    }
}

/// Reads text as a number, as Tcl 8.6 does: surrounding white space allowed,
/// `0x`, `0o`, `0b`, and a leading zero for octal.
pub(in crate::namd) fn parse(text: &str) -> Option<Num> {
    let text = text.trim_matches(is_space);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if let Some(n) = parse_unsigned(digits) {
        return Some(Num::Int(if negative { -n } else { n }));
    }
    // Rust takes the same decimal forms; "inf" and "nan" are left alone.
    let first = digits.as_bytes().first()?;
    let looks = first.is_ascii_digit() || *first == b'.';
    let x: f64 = if looks {
        digits.parse().ok()?
    } else {
        return None;
    };
    // What is a bad octal integer is no number at all: 08, 019.
    if digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit()) {
        return (!digits.starts_with('0')).then_some(Num::Float(if negative { -x } else { x }));
    }
    Some(Num::Float(if negative { -x } else { x }))
}

/// Reads text as an integer (`Tcl_GetInt` and friends).
pub(in crate::namd) fn parse_int(text: &str) -> Option<i128> {
    match parse(text)? {
        Num::Int(n) => Some(n),
        Num::Float(_) => None,
    }
}

/// Reads text as a truth value: a number, or one of Tcl's words or a unique
/// beginning of one, in any case.
pub(in crate::namd) fn parse_bool(text: &str) -> Option<bool> {
    if let Some(number) = parse(text) {
        return Some(!number.is_zero());
    }
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(word.as_str());
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) {
        Some(false)
    } else {
        None
    }
}

fn parse_unsigned(digits: &str) -> Option<i128> {
    let (radix, body) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some(lead) if lead.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if body.is_empty() || !body.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    i128::from_str_radix(body, radix).ok()
}

/// Prints a floating-point number with the fewest digits that read back the
/// same, as `Tcl_PrintDouble` does.
pub(in crate::namd) fn print_float(x: f64) -> String {
    if x.is_nan() {
        return "NaN".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{x:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..=16).contains(&exponent) {
        let plain = x.to_string();
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    format!("{mantissa}e{exponent:+}")
}

/// White space as Tcl counts it in numbers and lists.
pub(in crate::namd) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_tclsh() {
        for (text, want) in [
            ("10", Some(Num::Int(10))),
            (" -7 ", Some(Num::Int(-7))),
            ("0x1F", Some(Num::Int(31))),
            ("010", Some(Num::Int(8))),
            ("08", None),
            ("08.5", Some(Num::Float(8.5))),
            ("5.", Some(Num::Float(5.0))),
            (".5", Some(Num::Float(0.5))),
            ("1e3", Some(Num::Float(1000.0))),
            ("1e", None),
            ("", None),
            ("-", None),
            ("12.abc", None),
            ("inf", None),
        ] {
            assert_eq!(parse(text), want, "{text:?}");
        }
    }

    #[test]
    fn floats_print_as_in_tclsh() {
        // tclsh 8.6: puts [expr $x]
        for (x, want) in [
            (1e16, "10000000000000000.0"),
            (1e17, "1e+17"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1e-5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (5.0, "5.0"),
            (-0.0, "-0.0"),
            (1e100, "1e+100"),
            (1.5, "1.5"),
        ] {
            assert_eq!(print_float(x), want);
        }
    }

    #[test]
    fn truth_values() {
        for (text, want) in [
            ("1", Some(true)),
            ("0.0", Some(false)),
            ("On", Some(true)),
            ("of", Some(false)),
            ("o", None),
            ("t", Some(true)),
            ("maybe", None),
            ("", None),
            ("off ", Some(false)),
        ] {
            assert_eq!(parse_bool(text), want, "{text:?}");
        }
    }
}
