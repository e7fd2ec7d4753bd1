//! Whether a value is of the kind its keyword takes (`ParseOptions::scan_…`).

use super::super::keywords::{self, Keyword, Kind};

/// The number at the beginning of a value and what follows, as `sscanf("%lf%s")`
/// takes them apart.
pub(super) fn leading_number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim_start();
    let mut end = 0;
    let bytes = value.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    if matches!(bytes.first(), Some(b'+' | b'-')) {
        end += 1;
    }
    let mantissa = end;
    while digit(end) {
        end += 1;
    }
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        while digit(end) {
            end += 1;
        }
    }
    if !value
        .get(mantissa..end)?
        .bytes()
        .any(|b| b.is_ascii_digit())
    {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digit(end + 1 + sign) {
            end += 1 + sign;
            while digit(end) {
                end += 1;
            }
        }
    }
    Some((value.get(..end)?.parse().ok()?, value.get(end..)?))
}

/// What is wrong with a value, to stand behind the keyword's name.
pub(super) fn wrong_value(keyword: &Keyword, value: &str) -> Option<String> {
    let number = match keyword.kind {
        Kind::Text => return None,
        Kind::Bool => {
            return keywords::read_bool(value)
                .is_none()
                .then(|| format!("is on or off (yes/no, true/false, 1/0), not `{value}`"));
        }
        Kind::Vector => {
            return (!is_vector(value)).then(|| format!("takes three numbers, not `{value}`"));
        }
        Kind::Int => {
            let digits = value.trim();
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return Some(format!(
                    "takes a whole number and nothing else, not `{value}`"
                ));
            }
            digits.parse().ok()?
        }
        Kind::Float => {
            let Some((number, rest)) = leading_number(value) else {
                // Hexadecimal, infinite and the like are left to NAMD.
                let odd = value
                    .trim_start()
                    .trim_start_matches(['+', '-'])
                    .to_ascii_lowercase();
                let special =
                    odd.starts_with("0x") || odd.starts_with("inf") || odd.starts_with("nan");
                return (!special).then(|| format!("takes a number, not `{value}`"));
            };
            let words: Vec<&str> = rest.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                [unit] if unit_fits(keyword.units, unit) => {}
                [unit] => {
                    return Some(format!(
                        "cannot be given in `{unit}`{}",
                        unit_hint(keyword.units)
                    ));
                }
                _ => return Some(format!("takes a number and at most a unit, not `{value}`")),
            }
            // A unit changes the number, never its sign.
            number
        }
    };
    match keyword.range {
        ">0" if number <= 0.0 => Some(format!("must be positive, and is {value}")),
        ">=0" if number < 0.0 => Some(format!("must not be negative, and is {value}")),
        _ => None,
    }
}

fn unit_hint(units: &str) -> String {
    if units.is_empty() {
        ", it has no unit".into()
    } else {
        format!("; its unit is {units}")
    }
}

/// Whether NAMD can convert the unit (`ParseOptions::atoUnits`, `convert`).
fn unit_fits(units: &str, unit: &str) -> bool {
    let family = |unit: &str| match unit.to_ascii_lowercase().as_str() {
        "fs" | "ns" | "sec" | "min" | "hr" => Some(1),
        "a" | "nm" | "m" | "angstrom" => Some(2),
        "kcal" | "kj" | "ev" | "kcal/mol" | "kj/mol" => Some(3),
        "k" => Some(4),
        _ => None,
    };
    family(unit).is_some() && family(unit) == family(units)
}

/// Whether a value is a vector to NAMD (`Vector::set`): three numbers with
/// blanks or commas between.
fn is_vector(value: &str) -> bool {
    let numbers: Vec<&str> = value
        .split([' ', '\t', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let commas = value.matches(',').count();
    numbers.len() == 3
        && (commas == 0 || commas == 2)
        && numbers
            .iter()
            .all(|part| leading_number(part).is_some_and(|(_, rest)| rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, value: &str) -> Option<String> {
        wrong_value(keywords::find(name).unwrap(), value)
    }

    #[test]
    fn values_are_judged_as_namd_judges_them() {
        for (name, value) in [
            ("cutoff", "12."),
            ("cutoff", "12 A"),
            ("temperature", "300K"),
            ("timestep", "2.0 fs"),
            ("cutoff", "1.2 nm"),
            ("switching", "ON"),
            ("switching", "1"),
            ("numsteps", " 100 "),
            ("cellOrigin", "0 0 0"),
            ("cellOrigin", "1.0, -2,3e1"),
            ("outputname", "anything"),
            ("margin", "0"),
            ("PMETolerance", "10e-6"),
        ] {
            assert_eq!(problem(name, value), None, "{name} {value}");
        }
        for (name, value) in [
            ("cutoff", "eight"),
            ("cutoff", "12 K"),
            ("cutoff", "12 A b"),
            ("cutoff", "0"),
            ("switching", "maybe"),
            ("numsteps", "1e6"),
            ("numsteps", "10.5"),
            ("numsteps", "10 steps"),
            ("cellOrigin", "0 0"),
            ("cellOrigin", "xx_xx_xx 0 0"),
            ("cellOrigin", "1,2 3"),
            ("margin", "-1"),
            ("langevinDamping", "5 fs"),
        ] {
            assert!(problem(name, value).is_some(), "{name} {value}");
        }
    }

    #[test]
    fn leading_numbers() {
        assert_eq!(leading_number("300K"), Some((300.0, "K")));
        assert_eq!(leading_number("  1.5e3 fs"), Some((1500.0, " fs")));
        assert_eq!(leading_number("2eV"), Some((2.0, "eV")));
        assert_eq!(leading_number("."), None);
    }
}
