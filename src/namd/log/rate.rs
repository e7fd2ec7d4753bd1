//! How fast a run is: from four kinds of lines, the best of which counts.

use serde::{Deserialize, Serialize};

/// Seconds in a day.
const DAY: f64 = 86_400.0;
/// Femtoseconds in a nanosecond.
const NS: f64 = 1e6;

/// Which line a rate comes from, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RateSource {
    /// `Info: Initial time:` or `Info: Benchmark time:`, early in a run.
    Benchmark,
    /// `TIMING:`, the average over the segment where it can be formed.
    Timing,
    /// `PERFORMANCE:`, NAMD 3's own running average over the segment.
    Performance,
}

/// How fast a run is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Seconds for one step.
    pub seconds_per_step: f64,
    /// Simulated nanoseconds in a day, where the length of a step is known.
    pub ns_per_day: Option<f64>,
    /// Which line says so.
    pub source: RateSource,
}

/// What is kept to know the rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Pace {
    /// The newest rate of the present segment, or of the one before it.
    pub(super) rate: Option<Rate>,
    /// That rate belongs to an earlier segment: any new one replaces it.
    pub(super) stale: bool,
    /// Step and wall seconds of the segment's first `TIMING:` line.
    first: Option<(i64, f64)>,
    /// Hours that remain of the segment, by NAMD's own count.
    pub(super) segment_hours: Option<f64>,
}

impl Pace {
    /// A new segment begins: what is known is kept until it is known better.
    pub(super) fn next_segment(&mut self) {
        self.first = None;
        self.segment_hours = None;
        self.stale = true;
    }

    fn offer(&mut self, rate: Rate) {
        let sound = |n: f64| n.is_finite() && n > 0.0;
        if !sound(rate.seconds_per_step) {
            return;
        }
        let rate = Rate {
            ns_per_day: rate.ns_per_day.filter(|n| sound(*n)),
            ..rate
        };
        if self.stale || self.rate.is_none_or(|known| known.source <= rate.source) {
            self.rate = Some(rate);
            self.stale = false;
        }
    }

    /// `N CPUs X s/step Y days/ns Z MB memory`, or `ns/day`: the unit's word decides.
    pub(super) fn benchmark(&mut self, text: &str, timestep_fs: Option<f64>) {
        let Some(seconds) = before(text, "s/step") else {
            return;
        };
        let said = before(text, "ns/day")
            .or_else(|| before(text, "days/ns").filter(|n| *n > 0.0).map(f64::recip));
        self.offer(Rate {
            seconds_per_step: seconds,
            ns_per_day: said.or_else(|| ns_per_day(seconds, timestep_fs)),
            source: RateSource::Benchmark,
        });
    }

    /// `STEP  averaging X ns/day, Y sec/step with standard deviation Z`.
    pub(super) fn performance(&mut self, text: &str) {
        if let Some(seconds) = before(text, "sec/step") {
            self.offer(Rate {
                seconds_per_step: seconds,
                ns_per_day: before(text, "ns/day"),
                source: RateSource::Performance,
            });
        }
    }

    /// `STEP  CPU: a, b/step  Wall: c, d/step, [e ns/days, ]f hours remaining, …`. What is given
    /// for each step covers the time since the last such line: the average over the segment is
    /// better.
    pub(super) fn timing(&mut self, step: i64, text: &str, timestep_fs: Option<f64>) {
        self.segment_hours = before(text, "hours remaining").filter(|n| n.is_finite());
        let Some((_, wall)) = text.split_once("Wall:") else {
            return;
        };
        let mut fields = wall.split(',');
        let elapsed: Option<f64> = fields.next().and_then(|word| word.trim().parse().ok());
        let recent: Option<f64> = fields
            .next()
            .and_then(|word| word.trim().strip_suffix("/step")?.parse().ok());
        let average = match (self.first, elapsed) {
            (Some((first, began)), Some(now)) if step > first => {
                #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
                let steps = (step - first) as f64;
                Some((now - began) / steps)
            }
            (None, Some(now)) => {
                self.first = Some((step, now));
                None
            }
            _ => None,
        };
        if let Some(seconds) = average.or(recent) {
            self.offer(Rate {
                seconds_per_step: seconds,
                ns_per_day: ns_per_day(seconds, timestep_fs),
                source: RateSource::Timing,
            });
        }
    }
}

/// Simulated nanoseconds in a day.
fn ns_per_day(seconds_per_step: f64, timestep_fs: Option<f64>) -> Option<f64> {
    Some(DAY / seconds_per_step * timestep_fs? / NS)
}

/// The number before a unit's word.
fn before(text: &str, unit: &str) -> Option<f64> {
    let at = text.find(unit)?;
    let word = text.get(..at)?.split_whitespace().next_back()?;
    word.parse().ok()
}
