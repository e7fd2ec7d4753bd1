//! Tcl's `format`: printf with strings for arguments.

use super::number::{self, Num};

/// Widest field that is made; beyond it the result is not worked out.
const MAX_WIDTH: usize = 4096;

/// Why a `format` has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::namd) enum Trouble {
    /// Tcl itself stops with this message.
    Tcl(String),
    /// A conversion that is not followed here.
    NotFollowed,
}

#[derive(Default)]
struct Field {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// Formats `args` by `spec`, as `format spec args…` does.
pub(in crate::namd) fn format(spec: &str, args: &[&str]) -> Result<String, Trouble> {
    let mut out = String::new();
    let mut next = 0;
    let mut chars = spec.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        if chars.peek() == Some(&'%') {
            chars.next();
            out.push('%');
            continue;
        }
        let mut field = Field::default();
        let mut number = String::new();
        while let Some(d) = chars.peek().copied().filter(char::is_ascii_digit) {
            chars.next();
            number.push(d);
        }
        let mut position = None;
        if chars.peek() == Some(&'$') {
            chars.next();
            position = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            number.clear();
        } else if number.starts_with('0') {
            field.zero = true;
            number.remove(0);
        }
        if number.is_empty() {
            while let Some(flag) = chars.peek().copied() {
                match flag {
                    '-' => field.left = true,
                    '0' => field.zero = true,
                    '+' => field.plus = true,
                    ' ' => field.space = true,
                    '#' => field.alternate = true,
                    _ => break,
                }
                chars.next();
            }
        }
        let mut star = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
                        digits: &mut String| {
            if chars.peek() == Some(&'*') {
                chars.next();
                let width = args.get(next).and_then(|arg| number::parse_int(arg));
                next += 1;
                return width
                    .ok_or_else(|| Trouble::Tcl("expected integer".into()))
                    .map(Some);
            }
            while let Some(d) = chars.peek().copied().filter(char::is_ascii_digit) {
                chars.next();
                digits.push(d);
            }
            Ok(None)
        };
        match star(&mut chars, &mut number)? {
            Some(width) => {
                field.left |= width < 0;
                field.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
            }
            None => field.width = number.parse().unwrap_or(0),
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = String::new();
            field.precision = Some(match star(&mut chars, &mut digits)? {
                Some(n) => usize::try_from(n).unwrap_or(0),
                None => digits.parse().unwrap_or(0),
            });
        }
        if field.width > MAX_WIDTH || field.precision.unwrap_or(0) > MAX_WIDTH {
            return Err(Trouble::NotFollowed);
        }
        while matches!(chars.peek(), Some('l' | 'h' | 'L' | 'q' | 'j' | 'z' | 't')) {
            chars.next();
        }
        let Some(kind) = chars.next() else {
            return Err(Trouble::Tcl(
                "format string ended in middle of field specifier".into(),
            ));
        };
        let arg = if let Some(at) = position {
            args.get(at)
        } else {
            next += 1;
            args.get(next - 1)
        };
        let Some(arg) = arg else {
            return Err(Trouble::Tcl(
                "not enough arguments for all format specifiers".into(),
            ));
        };
        one(&field, kind, arg, &mut out)?;
    }
    Ok(out)
}

fn one(field: &Field, kind: char, arg: &str, out: &mut String) -> Result<(), Trouble> {
    match kind {
        's' => {
            let text: String = arg
                .chars()
                .take(field.precision.unwrap_or(usize::MAX))
                .collect();
            pad(field, "", &text, false, out);
        }
        'c' => {
            let code = integer(arg)?;
            let c = u32::try_from(code)
                .ok()
                .and_then(char::from_u32)
                .ok_or(Trouble::NotFollowed)?;
            pad(field, "", &c.to_string(), false, out);
        }
        'd' | 'i' => {
            let n = integer(arg)?;
            pad(
                field,
                sign(field, n < 0),
                &fill(&n.unsigned_abs().to_string(), field),
                true,
                out,
            );
        }
        'u' | 'x' | 'X' | 'o' | 'b' => {
            let n = integer(arg)?;
            let n = u128::try_from(n).map_err(|_| Trouble::NotFollowed)?;
            let (lead, digits) = match kind {
                'x' => ("0x", format!("{n:x}")),
                'X' => ("0X", format!("{n:X}")),
                'o' => ("0", format!("{n:o}")),
                'b' => ("0b", format!("{n:b}")),
                _ => ("", n.to_string()),
            };
            let lead = if field.alternate && n != 0 { lead } else { "" };
            pad(field, lead, &fill(&digits, field), true, out);
        }
        'f' | 'e' | 'E' | 'g' | 'G' => {
            let x = if let Some(number) = number::parse(arg) {
                Num::as_float(number)
            } else {
                let text = format!("expected floating-point number but got \"{arg}\"");
                return Err(Trouble::Tcl(text));
            };
            let precision = field.precision.unwrap_or(6);
            let digits = match kind {
                'f' => format!("{:.precision$}", x.abs()),
                'e' | 'E' => scientific(x.abs(), precision),
                _ => general(x.abs(), precision),
            };
            let digits = if kind.is_ascii_uppercase() {
                digits.to_ascii_uppercase()
            } else {
                digits
            };
            pad(field, sign(field, x.is_sign_negative()), &digits, true, out);
        }
        _ => return Err(Trouble::Tcl(format!("bad field specifier \"{kind}\""))),
    }
    Ok(())
}

fn integer(arg: &str) -> Result<i128, Trouble> {
    number::parse_int(arg)
        .ok_or_else(|| Trouble::Tcl(format!("expected integer but got \"{arg}\"")))
}

fn sign(field: &Field, negative: bool) -> &'static str {
    match (negative, field.plus, field.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

/// Zeros in front up to the precision of an integer.
fn fill(digits: &str, field: &Field) -> String {
    format!("{digits:0>width$}", width = field.precision.unwrap_or(1))
}

fn pad(field: &Field, lead: &str, text: &str, numeric: bool, out: &mut String) {
    let missing = field
        .width
        .saturating_sub(lead.chars().count() + text.chars().count());
    let zeros =
        field.zero && !field.left && (!numeric || field.precision.is_none() || text.contains('.'));
    if !field.left && !zeros {
        out.extend(std::iter::repeat_n(' ', missing));
    }
    out.push_str(lead);
    if zeros {
        out.extend(std::iter::repeat_n('0', missing));
    }
    out.push_str(text);
    if field.left {
        out.extend(std::iter::repeat_n(' ', missing));
    }
}

fn scientific(x: f64, precision: usize) -> String {
    let text = format!("{x:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn general(x: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let probe = format!("{x:.*e}", precision - 1);
    let exponent: i32 = probe
        .split_once('e')
        .and_then(|(_, e)| e.parse().ok())
        .unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let text = scientific(x, precision - 1);
        let (mantissa, tail) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{tail}", trimmed(mantissa));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{x:.decimals$}")).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_tclsh_does() {
        for (spec, args, want) in [
            ("%03d", vec!["7"], "007"),
            ("%5.2f", vec!["3.14159"], " 3.14"),
            ("%-5s|", vec!["ab"], "ab   |"),
            ("%x", vec!["255"], "ff"),
            ("%e", vec!["12345.678"], "1.234568e+04"),
            ("%g", vec!["0.0001"], "0.0001"),
            ("%g", vec!["1e10"], "1e+10"),
            ("%G", vec!["1e-10"], "1E-10"),
            ("%c", vec!["65"], "A"),
            ("100%%", vec![], "100%"),
            ("%2$s %1$s", vec!["a", "b"], "b a"),
            ("%*d", vec!["5", "42"], "   42"),
            ("%05.1f", vec!["2.25"], "002.2"),
            ("%+d", vec!["5"], "+5"),
            ("%o", vec!["8"], "10"),
            ("%.3s", vec!["abcdef"], "abc"),
            ("%02u", vec!["3"], "03"),
            ("%d", vec!["0x1f"], "31"),
            ("%d", vec!["010"], "8"),
            ("%#x", vec!["255"], "0xff"),
            ("%.10g", vec!["0.1"], "0.1"),
            ("%5s", vec!["x"], "    x"),
            ("%ld", vec!["5"], "5"),
            ("%s%02u", vec!["eq", "4"], "eq04"),
            ("%05d", vec!["-42"], "-0042"),
        ] {
            assert_eq!(format(spec, &args), Ok(want.to_owned()), "{spec}");
        }
    }

    #[test]
    fn what_tcl_refuses_is_refused() {
        let message = |spec: &str, args: &[&str]| match format(spec, args) {
            Err(Trouble::Tcl(message)) => message,
            other => format!("{other:?}"),
        };
        assert_eq!(message("%d", &["3.7"]), "expected integer but got \"3.7\"");
        assert_eq!(
            message("%f", &["abc"]),
            "expected floating-point number but got \"abc\""
        );
        assert_eq!(
            message("%s", &[]),
            "not enough arguments for all format specifiers"
        );
        assert_eq!(format("%999999s", &["a"]), Err(Trouble::NotFollowed));
    }
}
