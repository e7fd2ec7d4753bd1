//! Durations as people and Slurm write them. Pure.

use std::time::Duration;

/// Longest wall-clock limit taken: ten years, far above any site's and far below overflow.
pub const MAX_WALLTIME: u64 = 10 * 365 * DAY;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Reads a wall-clock limit into seconds.
///
/// Taken are Slurm's own forms `minutes:seconds`, `hours:minutes:seconds`, `days-hours`,
/// `days-hours:minutes` and `days-hours:minutes:seconds` (sbatch(1), `--time`), and units: `90m`,
/// `36h`, `1d12h`. A number alone is refused, because Slurm reads it as minutes and most
/// programs as seconds. The error says why in a clause without a full stop.
pub fn parse_walltime(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("the time is empty".to_owned());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "{text:?} has no unit: Slurm would read minutes; write \"{text}m\" or \"{text}s\""
        ));
    }
    if ["unlimited", "infinite"].contains(&text.to_ascii_lowercase().as_str()) {
        return Err("no limit is asked for by leaving walltime out".to_owned());
    }
    let seconds = if text.contains([':', '-']) {
        slurm_time(text)
    } else {
        units(text)
    };
    check_walltime(seconds.ok_or_else(|| {
        format!("{text:?} is not a time: write \"24:00:00\", \"1-12:00:00\" or \"90m\"")
    })?)
}

/// Whether a wall-clock limit in seconds can be asked for.
pub(crate) fn check_walltime(seconds: u64) -> Result<u64, String> {
    if seconds == 0 {
        Err("a limit of 0 means no limit to Slurm; leave walltime out for that".to_owned())
    } else if seconds > MAX_WALLTIME {
        Err("the time is longer than ten years".to_owned())
    } else {
        Ok(seconds)
    }
}

/// Writes seconds as Slurm does: `1-12:00:00`, and `01:30:00` below a day.
pub fn format_walltime(seconds: u64) -> String {
    let (days, hours) = (seconds / DAY, seconds % DAY / HOUR);
    let (minutes, seconds) = (seconds % HOUR / MINUTE, seconds % MINUTE);
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if days == 0 {
        clock
    } else {
        format!("{days}-{clock}")
    }
}

/// Reads an interval with a unit: `30s`, `2m`, `1m30s`.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    units(text.trim())
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is not a time: write \"30s\" or \"2m\""))
}

/// Slurm's forms with `:` or `-`.
fn slurm_time(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(number(days)?), clock),
        None => (None, text),
    };
    let parts: Vec<u64> = clock.split(':').map(number).collect::<Option<_>>()?;
    let below = |value: u64, limit: u64| (value < limit).then_some(value);
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (Some(_), [h]) => (below(*h, 24)?, 0, 0),
        (Some(_), [h, m]) => (below(*h, 24)?, below(*m, 60)?, 0),
        (Some(_), [h, m, s]) => (below(*h, 24)?, below(*m, 60)?, below(*s, 60)?),
        (None, [m, s]) => (0, *m, below(*s, 60)?),
        (None, [h, m, s]) => (*h, below(*m, 60)?, below(*s, 60)?),
        _ => return None,
    };
    days.unwrap_or(0)
        .checked_mul(DAY)?
        .checked_add(hours.checked_mul(HOUR)?)?
        .checked_add(minutes.checked_mul(MINUTE)?)?
        .checked_add(seconds)
}

/// Numbers with units, the larger before the smaller, each at most once.
fn units(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let value = number(rest.get(..digits)?)?;
        let mut after = rest.get(digits..)?.chars();
        let unit = match after.next()?.to_ascii_lowercase() {
            'd' => DAY,
            'h' => HOUR,
            'm' => MINUTE,
            's' => 1,
            _ => return None,
        };
        if unit >= smallest {
            return None;
        }
        smallest = unit;
        total = total.checked_add(value.checked_mul(unit)?)?;
        rest = after.as_str().trim_start();
    }
    (smallest != u64::MAX).then_some(total)
}

/// Up to nine digits, nothing else: no sign, no overflow.
fn number(digits: &str) -> Option<u64> {
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_slurms_forms_and_units() {
        for (text, seconds) in [
            ("24:00:00", 86_400),
            ("1-00:00:00", 86_400),
            ("1-12", 129_600),
            ("2-06:30", 196_200),
            ("30:00", 1_800),
            ("90:15", 5_415),
            ("100:00:00", 360_000),
            ("90m", 5_400),
            ("1d12h", 129_600),
            ("1h 30m", 5_400),
            ("45S", 45),
        ] {
            assert_eq!(parse_walltime(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_wrong_is_refused_with_the_reason() {
        for (text, why) in [
            ("90", "write \"90m\" or \"90s\""),
            ("", "is empty"),
            ("0:00", "means no limit"),
            ("UNLIMITED", "leaving walltime out"),
            ("1:90:00", "is not a time"),
            ("1-24", "is not a time"),
            ("30m2h", "is not a time"),
            ("-5:00", "is not a time"),
            ("1.5h", "is not a time"),
            ("4000d", "ten years"),
            ("24:00:00\n#SBATCH --x", "is not a time"),
            ("99999999999:00", "is not a time"),
        ] {
            let error = parse_walltime(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 1..MAX_WALLTIME) {
            prop_assert_eq!(parse_walltime(&format_walltime(seconds)), Ok(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse_walltime(&text);
            let _ = parse_interval(&text);
        }
    }
}
