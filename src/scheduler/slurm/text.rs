//! Slurm's ways to write times, durations and sizes.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A time as Slurm prints it under `TZ=UTC` and `SLURM_TIME_FORMAT=standard`. `N/A`, `Unknown` and
/// `None` are none.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if text.len() != 19 || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let at: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(at).ok()
}

/// A time as `sacct -S` takes it under `TZ=UTC`.
pub(super) fn slurm_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Seconds of a duration as squeue's `%l` prints it: `1-00:00:00`, `2:00:00`, `10:00`. `UNLIMITED`,
/// `INVALID`, `NOT_SET` are none.
pub(super) fn duration(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let mut seconds = 0_u64;
    let mut parts = 0;
    for part in clock.split(':') {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        parts += 1;
    }
    if !(2..=3).contains(&parts) {
        return None;
    }
    days.checked_mul(86_400)?.checked_add(seconds)
}

/// A wall-clock limit in seconds as `--time` takes it: `HH:MM:SS`, with days in front from one day.
pub(super) fn walltime(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days == 0 {
        clock
    } else {
        format!("{days}-{clock}")
    }
}

/// Bytes of a size as sacct prints it: `4196K`, `1.50G`, `512`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.get(..text.len() - unit.len())?;
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        _ => return None,
    };
    let scale = 1_u64 << shift;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale);
    }
    let (whole, part) = number.split_once('.')?;
    let digits = u32::try_from(part.len())
        .ok()
        .filter(|n| (1..=6).contains(n))?;
    let part = part.parse::<u64>().ok()?.checked_mul(scale)? / 10_u64.pow(digits);
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(part)
}

/// `code:signal` of sacct's `ExitCode`.
pub(super) fn exit(text: &str) -> Option<(i32, i32)> {
    let (code, signal) = text.split_once(':')?;
    Some((code.parse().ok()?, signal.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let at = time("2026-11-23T21:50:31").unwrap();
        assert_eq!(at.to_string(), "2026-11-23T21:50:31Z");
        assert_eq!(slurm_time(at), "2026-11-23T21:50:31");
        for text in [
            "N/A",
            "Unknown",
            "None",
            "",
            "2026-11-23T21:50:3",
            "2026-13-23T21:50:31",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn durations_both_ways() {
        for (text, seconds) in [
            ("1-00:00:00", 86_400),
            ("9-12:00:01", 820_801),
            ("2:00:00", 7200),
            ("10:00", 600),
            ("0:05", 5),
        ] {
            assert_eq!(duration(text), Some(seconds), "{text}");
            assert_eq!(duration(&walltime(seconds)), Some(seconds));
        }
        for text in [
            "UNLIMITED",
            "INVALID",
            "NOT_SET",
            "",
            "5",
            "1:2:3:4",
            "-1:00",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(walltime(90), "00:01:30");
        assert_eq!(walltime(90_000), "1-01:00:00");
    }

    #[test]
    fn sizes_and_exits() {
        assert_eq!(bytes("4196K"), Some(4_296_704));
        assert_eq!(bytes("1.50G"), Some(1_610_612_736));
        assert_eq!(bytes("0"), Some(0));
        assert_eq!(bytes("99999999999999999999"), None);
        assert_eq!(bytes("16?"), None);
        assert_eq!(bytes(""), None);
        assert_eq!(exit("3:0"), Some((3, 0)));
        assert_eq!(exit("0:9"), Some((0, 9)));
        assert_eq!(exit(""), None);
    }
}
