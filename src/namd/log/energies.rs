//! The columns of `ETITLE:` and `ENERGY:` lines.

use serde::{Deserialize, Serialize};

/// Columns that are kept; NAMD has at most some 30.
const COLUMNS: usize = 64;
/// Longest name of a column.
const NAME: usize = 24;

/// One energy, or the temperature, pressure or volume beside them, in NAMD's units (kcal/mol, K,
/// bar, Å³).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// NAMD's name for it: `BOND`, `TEMP`.
    pub name: String,
    /// Its value; none if it is not a number, or was too wide for its column.
    pub value: Option<f64>,
}

/// The names in an `ETITLE:` line, `TS` left out.
pub(super) fn titles(line: &str) -> Vec<String> {
    line.split_whitespace()
        .filter(|name| *name != "TS" && name.len() <= NAME)
        .take(COLUMNS)
        .map(str::to_owned)
        .collect()
}

/// The step and the words after it in an `ENERGY:` line.
pub(super) fn row(line: &str) -> Option<(i64, Vec<&str>)> {
    let mut words = line.split_whitespace();
    let step = words.next()?.parse().ok()?;
    Some((step, words.take(2 * COLUMNS).collect()))
}

/// The words as values of the columns `titles`. None if they do not fit.
pub(super) fn values(titles: &[String], words: &[&str]) -> Option<Vec<Energy>> {
    let split;
    let words = if words.len() == titles.len() {
        words
    } else {
        split = untouched(words);
        &split[..]
    };
    if words.len() != titles.len() || titles.is_empty() {
        return None;
    }
    let energies = titles.iter().zip(words).map(|(name, word)| Energy {
        name: name.clone(),
        value: word.parse().ok().filter(|value: &f64| value.is_finite()),
    });
    Some(energies.collect())
}

/// Takes columns apart that touch: each has the same number of decimals (four, unless
/// `outputEnergiesPrecision` says otherwise).
fn untouched<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let alone = words.iter().find_map(|word| {
        let (_, after) = word.split_once('.')?;
        after
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(after.len())
    });
    let decimals = alone.unwrap_or(4);
    let mut found = Vec::new();
    for &word in words {
        let mut rest = word;
        while let Some(point) = rest.find('.') {
            let end = point.saturating_add(1 + decimals);
            let (Some(value), Some(after)) = (rest.get(..end), rest.get(end..)) else {
                break;
            };
            found.push(value);
            rest = after;
        }
        if !rest.is_empty() {
            found.push(rest);
        }
    }
    found
}

/// Whether a word of an `ENERGY:` line stands for something that is not a number. A field of stars
/// is only too wide.
pub(super) fn is_not_a_number(word: &str) -> bool {
    let word = word.trim_start_matches('-').to_ascii_lowercase();
    word.starts_with("nan") || word.starts_with("inf")
}
