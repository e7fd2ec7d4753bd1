//! Tcl's glob-style patterns, as `string match`, `switch -glob` and `glob` use them.

/// Tells whether `text` matches `pattern`: `*`, `?`, `[a-z]`, `\x`.
///
/// Takes time in proportion to the product of the lengths at worst.
pub(in crate::namd) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go back to: behind the last star, and how much it has eaten.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        match text.get(t) {
            None if p >= pattern.len() => return true,
            None => return false,
            Some(c) => {
                if let Some(next) = one(&pattern, p, *c) {
                    p = next;
                    t += 1;
                    continue;
                }
            }
        }
        let Some((star, eaten)) = retry else {
            return false;
        };
        p = star;
        t = eaten + 1;
        retry = Some((star, t));
    }
}

/// Tells whether a path has to be looked up with `glob` rather than taken as it is.
pub(in crate::namd) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\'])
}

/// Writes out the `{a,b}` of a `glob` pattern: each alternative is one pattern.
/// Gives up (nothing) beyond 64 of them.
pub(in crate::namd) fn alternatives(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(next) = open.pop() {
        if open.len() + done.len() > 64 {
            return Vec::new();
        }
        let parts = next.split_once('{').and_then(|(head, rest)| {
            rest.split_once('}')
                .map(|(choice, tail)| (head, choice, tail))
        });
        match parts {
            Some((head, choices, tail)) => {
                for choice in choices.split(',').rev() {
                    open.push(format!("{head}{choice}{tail}"));
                }
            }
            None => done.push(next),
        }
    }
    done
}

/// Matches one character against the pattern at `p`; gives the offset behind.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        '[' => {
            let mut at = p + 1;
            let mut hit = false;
            loop {
                let from = *pattern.get(at)?;
                if from == ']' {
                    return hit.then_some(at + 1);
                }
                if pattern.get(at + 1) == Some(&'-')
                    && pattern.get(at + 2).is_some_and(|c| *c != ']')
                {
                    let to = *pattern.get(at + 2)?;
                    hit |= (from.min(to)..=from.max(to)).contains(&c);
                    at += 3;
                } else {
                    hit |= from == c;
                    at += 1;
                }
            }
        }
        plain => (*plain == c).then_some(p + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_tclsh() {
        for (pattern, text, want) in [
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*.dcd", "run_001.dcd", true),
            ("run[0-9].?", "run3.x", true),
            ("run[0-9]", "runx", false),
            ("\\*", "*", true),
            ("", "", true),
            ("*", "", true),
            ("a**b", "axxb", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
        let hard = "a*".repeat(30);
        assert!(!matches(&(hard + "b"), &"a".repeat(500)));
    }

    #[test]
    fn alternatives_are_written_out() {
        assert_eq!(alternatives("run.{dcd,xst}"), ["run.dcd", "run.xst"]);
        assert_eq!(alternatives("{a,b}{c,d}"), ["ac", "ad", "bc", "bd"]);
        assert_eq!(alternatives("a{b"), ["a{b"]);
    }
}
