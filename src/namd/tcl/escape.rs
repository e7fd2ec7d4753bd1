//! Backslash sequences.

/// The character a backslash sequence stands for, and the sequence's length.
/// `rest` begins with the backslash; a continuation is not handled here.
pub(super) fn escape(rest: &str) -> (char, usize) {
    let Some(c) = rest.chars().nth(1) else {
        return ('\\', 1);
    };
    match c {
        'a' => ('\u{7}', 2),
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        'v' => ('\u{b}', 2),
        'x' => digits(rest, 2, 16).unwrap_or(('x', 2)),
        'u' => digits(rest, 4, 16).unwrap_or(('u', 2)),
        'U' => digits(rest, 8, 16).unwrap_or(('U', 2)),
        '0'..='7' => {
            let tail = rest.get(1..).unwrap_or("");
            let len = tail
                .bytes()
                .take(3)
                .take_while(|b| (b'0'..=b'7').contains(b))
                .count();
            let code = tail
                .get(..len)
                .and_then(|octal| u32::from_str_radix(octal, 8).ok());
            (
                code.and_then(|code| char::from_u32(code & 0xff))
                    .unwrap_or('\0'),
                1 + len,
            )
        }
        other => (other, 1 + other.len_utf8()),
    }
}

/// Up to `max` digits behind the two characters `\x`; with the length of all.
fn digits(rest: &str, max: usize, radix: u32) -> Option<(char, usize)> {
    let tail = rest.get(2..).unwrap_or("");
    let len = tail
        .bytes()
        .take(max)
        .take_while(|b| char::from(*b).is_digit(radix))
        .count();
    let code = u32::from_str_radix(tail.get(..len)?, radix).ok()?;
    Some((char::from_u32(code).unwrap_or('\u{fffd}'), 2 + len))
}
