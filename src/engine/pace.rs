//! [pure] How long to wait before the next look at a cluster.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// No cluster is looked at less often than this while jobs are active.
const CEILING: Duration = Duration::from_mins(2);
/// How much longer each look without news makes the interval.
const GROWTH: f64 = 1.5;
/// The queue is asked at most for this fraction of the time: interval ≥ latency × this.
const LATENCY_FACTOR: u32 = 20;
/// Extra looks after a submission or a cancellation, when news is likely.
pub(crate) const EARLY_LOOKS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(10)];

/// What the next interval depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// The configured interval.
    pub(crate) base: Duration,
    /// Looks without news in a row.
    pub(crate) quiet: u32,
    /// How long the queue took to answer last.
    pub(crate) latency: Duration,
    /// How long Slurm remembers ended jobs (`MinJobAge`), if known: below half of it, the end of a
    /// job is seen in the queue itself.
    pub(crate) min_job_age: Option<Duration>,
}

impl Pace {
    /// The interval, without jitter. Never below `base`, nor below what a slow queue can bear.
    pub(crate) fn interval(&self) -> Duration {
        let exponent = i32::try_from(self.quiet.min(16)).unwrap_or(16);
        let grown = self.base.as_secs_f64() * GROWTH.powi(exponent);
        Duration::from_secs_f64(grown.min(self.ceiling().as_secs_f64())).max(self.floor())
    }

    /// The interval with some 20 % of jitter, within the same bounds; `random` in 0..1.
    pub(crate) fn jittered(&self, random: f64) -> Duration {
        let shortest = self.interval().mul_f64(0.9).max(self.floor());
        let longest = shortest.mul_f64(1.2);
        let random = random.clamp(0.0, 1.0);
        // Above the ceiling only as far as the floor demands it.
        let room = self.ceiling().max(self.floor().mul_f64(1.2));
        let (shortest, longest) = if longest > room {
            (room.div_f64(1.2).max(self.floor()), room)
        } else {
            (shortest, longest)
        };
        shortest + longest.saturating_sub(shortest).mul_f64(random)
    }

    fn floor(&self) -> Duration {
        self.base.max(self.latency.saturating_mul(LATENCY_FACTOR))
    }

    fn ceiling(&self) -> Duration {
        self.min_job_age.map_or(CEILING, |age| CEILING.min(age / 2))
    }
}

/// How long to wait after `failures` failures in a row; `random` in 0..1.
///
/// Doubles from `base` to five minutes, with up to 25 % more by chance so that several laptops do
/// not come back at once.
pub(crate) fn backoff(base: Duration, failures: u32, random: f64) -> Duration {
    let doubled = base.saturating_mul(1_u32 << failures.saturating_sub(1).min(8));
    doubled
        .min(Duration::from_mins(5))
        .mul_f64(1.0 + 0.25 * random.clamp(0.0, 1.0))
}

/// Longest time between two questions about an end that nothing witnessed.
const DOUBT_CEILING: SignedDuration = SignedDuration::from_mins(30);

/// Whether a job without a witness of its end, in doubt since `since`, is asked about once more.
///
/// A record that comes late comes soon (slurmdbd lags by seconds), or when something was mended, hours
/// later. So each question is followed by a pause of a quarter of the doubt's age, half an hour at
/// most: some seventy questions in a day, not one with every look.
pub(crate) fn is_doubt_due(since: Timestamp, asked: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(asked) = asked else {
        return true;
    };
    let pause = (asked.duration_since(since) / 4).min(DOUBT_CEILING);
    // A clock that was set back delays nothing for long.
    let gone = now.duration_since(asked);
    gone >= pause || gone.is_negative()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        base: Duration::from_secs(30),
        quiet: 0,
        latency: Duration::from_millis(40),
        min_job_age: Some(Duration::from_mins(5)),
    };

    #[test]
    fn quiet_looks_lengthen_the_interval_up_to_two_minutes() {
        let seconds = |quiet| Pace { quiet, ..PACE }.interval().as_secs();
        assert_eq!(
            [seconds(0), seconds(1), seconds(2), seconds(9)],
            [30, 45, 67, 120]
        );
    }

    #[test]
    fn ends_are_seen_before_slurm_forgets_them() {
        let pace = Pace {
            quiet: 9,
            min_job_age: Some(Duration::from_secs(100)),
            ..PACE
        };
        assert_eq!(pace.interval().as_secs(), 50);
        let short = Pace {
            min_job_age: Some(Duration::from_secs(2)),
            ..PACE
        };
        assert_eq!(
            short.interval().as_secs(),
            30,
            "but never faster than configured"
        );
    }

    #[test]
    fn a_slow_queue_is_asked_less_often() {
        let pace = Pace {
            latency: Duration::from_secs(9),
            ..PACE
        };
        assert_eq!(pace.interval().as_secs(), 180);
    }

    #[test]
    fn jitter_stays_within_what_was_promised() {
        for (quiet, latency, age, least, most) in [
            (0, 0.04, 300, 30.0, 36.0),
            (1, 0.04, 300, 40.5, 48.6),
            (9, 0.04, 300, 100.0, 120.0),
            // Under half of MinJobAge.
            (9, 0.04, 100, 41.6, 50.0),
            // At least 20 times what the queue takes.
            (0, 9.0, 300, 180.0, 216.0),
            (0, 0.04, 2, 30.0, 36.0),
        ] {
            let pace = Pace {
                base: Duration::from_secs(30),
                quiet,
                latency: Duration::from_secs_f64(latency),
                min_job_age: Some(Duration::from_secs(age)),
            };
            let at = |random| pace.jittered(random).as_secs_f64();
            assert!((at(0.0) - least).abs() < 0.1, "{pace:?}: {}", at(0.0));
            assert!((at(1.0) - most).abs() < 0.1, "{pace:?}: {}", at(1.0));
        }
    }

    #[test]
    fn a_doubt_is_asked_about_often_at_first_and_then_seldom() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        // A look every 30 s for a day.
        let mut asked: Vec<i64> = Vec::new();
        for look in (0..86_400).step_by(30) {
            let last = asked.last().map(|last| at(*last));
            if is_doubt_due(at(0), last, at(look)) {
                asked.push(look);
            }
        }
        assert_eq!(asked[..6], [0, 30, 60, 90, 120, 150]);
        assert!(asked.len() < 80, "{} questions", asked.len());
        let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
        assert_eq!(pauses.max(), Some(1800));
        assert!(is_doubt_due(at(0), Some(at(9000)), at(10)), "set back");
    }

    #[test]
    fn failures_back_off_to_five_minutes() {
        let seconds = |n| backoff(Duration::from_secs(5), n, 0.0).as_secs();
        assert_eq!(
            [seconds(1), seconds(2), seconds(3), seconds(7), seconds(60)],
            [5, 10, 20, 300, 300]
        );
    }
}
