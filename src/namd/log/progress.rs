//! How far a run is: what the log says, held against what the configuration plans.

use serde::{Deserialize, Serialize};

use super::energies::Energy;
use super::report::LogReport;
use crate::namd::SegmentKind;

/// Femtoseconds in a nanosecond.
const NS: f64 = 1e6;

/// What the configuration says beforehand, where it does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepPlan {
    /// Steps of all segments together.
    pub total_steps: Option<u64>,
    /// How many segments.
    pub segments: Option<u32>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Which segment (`run`, `minimize`), from 1; 0 while NAMD starts.
    pub segment: u32,
    /// Of how many.
    pub segments: Option<u32>,
    /// The segment minimises.
    pub minimizing: bool,
    /// The last step, as NAMD counts: from `firsttimestep` on, through all segments.
    pub step: i64,
    /// Steps done by this run.
    pub steps_done: u64,
    /// Steps this run is to do in all.
    pub total_steps: Option<u64>,
    /// Nanoseconds of dynamics done by this run.
    pub ns_done: f64,
    /// Nanoseconds simulated in a day.
    pub ns_per_day: Option<f64>,
    /// Seconds for one step.
    pub seconds_per_step: Option<f64>,
    /// Seconds until the last step, if it stays as fast.
    pub eta_seconds: Option<u64>,
    /// Kelvin.
    pub temperature: Option<f64>,
    /// The last energies by NAMD's names.
    pub energies: Vec<Energy>,
    /// How many warnings there were.
    pub warnings: u64,
    /// The step of the last whole set of restart files.
    pub restart_step: Option<i64>,
}

impl LogReport {
    /// How far the run is; none before NAMD has said anything.
    pub fn progress(&self, plan: &StepPlan) -> Option<Progress> {
        if !self.is_namd() && self.step.is_none() {
            return None;
        }
        let step = self.step.unwrap_or(self.first_step);
        let steps_done = self.steps_done();
        // A plan that the run has gone beyond was not the plan.
        let planned = plan.total_steps.filter(|total| *total >= steps_done);
        let total_steps = planned.or_else(|| self.own_total());
        let rate = self.pace.rate;
        let eta_seconds = total_steps.zip(rate).and_then(|(total, rate)| {
            let ended = self.end.is_some() || !self.fatal.is_empty();
            (!ended).then(|| seconds_for(total - steps_done, rate.seconds_per_step))
        });
        Some(Progress {
            segment: self.segments,
            segments: plan.segments.filter(|of| *of >= self.segments),
            minimizing: self
                .segment
                .as_ref()
                .is_some_and(|segment| segment.kind == SegmentKind::Minimize),
            step,
            steps_done,
            total_steps,
            ns_done: self.fs_done() / NS,
            ns_per_day: rate.and_then(|rate| rate.ns_per_day),
            seconds_per_step: rate.map(|rate| rate.seconds_per_step),
            eta_seconds,
            temperature: self.temperature(),
            energies: self.energies.clone(),
            warnings: self.warnings.count,
            restart_step: self.restart.step,
        })
    }

    /// Steps done by this run.
    pub fn steps_done(&self) -> u64 {
        let in_segment = self.segment.as_ref().map_or(0, |segment| {
            let step = self.step.unwrap_or(segment.first_step);
            u64::try_from(step.saturating_sub(segment.first_step)).unwrap_or(0)
        });
        self.steps_before.saturating_add(in_segment)
    }

    /// The total by the log's own word: certain when `numsteps` makes the one run, and at the end.
    fn own_total(&self) -> Option<u64> {
        if self.end.is_some() {
            return Some(self.steps_done());
        }
        let segment = self.segment.as_ref()?;
        segment
            .implicit
            .then_some(segment.steps)
            .filter(|total| *total >= self.steps_done())
    }

    /// Femtoseconds of dynamics simulated by this run.
    pub(super) fn fs_done(&self) -> f64 {
        let runs = self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.kind != SegmentKind::Minimize);
        let steps = self
            .step
            .map_or(0, |step| step.saturating_sub(self.fs_step));
        if runs && steps > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a length of time, not a count")]
            let steps = steps as f64;
            self.fs_before + steps * self.timestep_fs.unwrap_or(0.0)
        } else {
            self.fs_before
        }
    }
}

/// Whole seconds for so many steps.
fn seconds_for(steps: u64, seconds_per_step: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; the cast saturates"
    )]
    let seconds = (steps as f64 * seconds_per_step).ceil() as u64;
    seconds
}
