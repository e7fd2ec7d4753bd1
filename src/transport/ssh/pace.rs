//! When a connection may be opened. Pure: `now` comes in.

use std::time::Duration;

use tokio::time::Instant;

use crate::transport::TransportError;

/// Longest time between attempts at a host that is not reached.
const LONGEST_UNREACHED: Duration = Duration::from_mins(1);

/// Longest time between logins that are refused: sites lock out addresses that go on trying.
const LONGEST_REFUSED: Duration = Duration::from_mins(10);

/// The pace of openings of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    spacing: Duration,
    opened: Option<Instant>,
    failures: u32,
    last_failure: Option<TransportError>,
}

/// What to do with a wish for a connection.
#[derive(Debug)]
pub(super) enum Turn {
    /// Open it after this time.
    In(Duration),
    /// Do not: the last attempt failed, and the next is due only after this time.
    Refused(TransportError, Duration),
}

impl Pace {
    /// A pace with this least time between two openings; the first is free.
    pub(super) fn new(spacing: Duration) -> Self {
        Self {
            spacing,
            opened: None,
            failures: 0,
            last_failure: None,
        }
    }

    /// Decides about a wish.
    pub(super) fn turn(&self, now: Instant) -> Turn {
        let left = self.opened.map_or(Duration::ZERO, |opened| {
            (opened + self.gap()).saturating_duration_since(now)
        });
        match &self.last_failure {
            Some(error) if !left.is_zero() => Turn::Refused(error.clone(), left),
            _ => Turn::In(left),
        }
    }

    /// How long somebody waits who is there to answer what is asked: a failure does not keep them
    /// from trying again, the least time between two openings does.
    pub(super) fn turn_of_person(&self, now: Instant) -> Duration {
        self.opened.map_or(Duration::ZERO, |opened| {
            (opened + self.spacing).saturating_duration_since(now)
        })
    }

    /// Notes that an opening begins.
    pub(super) fn opening(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Notes how it went.
    pub(super) fn opened(&mut self, failure: Option<TransportError>) {
        self.failures = match failure {
            Some(_) => self.failures.saturating_add(1),
            None => 0,
        };
        self.last_failure = failure;
    }

    /// Forgets the failures, not the time of the last opening.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
        self.last_failure = None;
    }

    fn gap(&self) -> Duration {
        let longest = match self.last_failure {
            None => return self.spacing,
            Some(TransportError::AuthRequired(_) | TransportError::HostKey { .. }) => {
                LONGEST_REFUSED
            }
            Some(_) => LONGEST_UNREACHED,
        };
        let doubled = 2_u32.saturating_pow(self.failures.saturating_sub(1));
        self.spacing
            .saturating_mul(doubled)
            .min(longest.max(self.spacing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Duration = Duration::from_secs(15);

    fn seconds(turn: &Turn) -> (bool, u64) {
        match turn {
            Turn::In(left) => (true, left.as_secs()),
            Turn::Refused(_, left) => (false, left.as_secs()),
        }
    }

    #[test]
    fn the_first_opening_is_free_and_the_next_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(SPACING);
        assert_eq!(seconds(&pace.turn(start)), (true, 0));
        pace.opening(start);
        pace.opened(None);
        let after = |s| start + Duration::from_secs(s);
        assert_eq!(seconds(&pace.turn(after(5))), (true, 10));
        assert_eq!(seconds(&pace.turn(after(15))), (true, 0));
    }

    #[test]
    fn failures_answer_at_once_and_slow_down() {
        let mut pace = Pace::new(SPACING);
        let mut now = Instant::now();
        let mut gaps = Vec::new();
        for _ in 0..5 {
            pace.opening(now);
            pace.opened(Some(TransportError::Unreachable("refused".into())));
            let (ready, left) = seconds(&pace.turn(now));
            assert!(!ready);
            gaps.push(left);
            now += Duration::from_secs(left);
            assert_eq!(seconds(&pace.turn(now)), (true, 0));
        }
        assert_eq!(gaps, [15, 30, 60, 60, 60]);

        let mut pace = Pace::new(SPACING);
        for _ in 0..20 {
            pace.opening(now);
            pace.opened(Some(TransportError::AuthRequired("no key".into())));
        }
        assert_eq!(seconds(&pace.turn(now)), (false, 600));
        // Whoever can answer does not wait for that.
        let left = pace.turn_of_person(now + Duration::from_secs(5));
        assert_eq!(left.as_secs(), 10);
        pace.forgive();
        assert_eq!(seconds(&pace.turn(now)), (true, 15));
    }

    #[test]
    fn without_spacing_nothing_waits() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::ZERO);
        pace.opening(now);
        pace.opened(Some(TransportError::AuthRequired("no key".into())));
        assert_eq!(seconds(&pace.turn(now)), (true, 0));
    }
}
