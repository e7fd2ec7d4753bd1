//! The steps a configuration runs.

use serde::{Deserialize, Serialize};

use super::super::eval::Tri;
use super::super::finding::{Code, Severity};
use super::super::options::{Options, TOP};
use super::{Site, Work};

/// What a segment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SegmentKind {
    /// `run N`.
    Run,
    /// `minimize N`, or `minimization on` with `numsteps`.
    Minimize,
    /// The run that `numsteps` brings about when the script calls none.
    Numsteps,
}

/// One stretch of steps, in the order they are run; a loop's are repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// What it does.
    pub kind: SegmentKind,
    /// Number of steps, if it is known before the run.
    pub steps: Option<u64>,
    /// The step it begins at, if it is known before the run.
    pub first_step: Option<i64>,
    /// It is certainly run, and as often as it is listed.
    pub certain: bool,
    /// The `run` or `minimize` command, or the value of `numsteps`.
    pub site: Site,
}

/// The steps of a job and how often it writes; frequencies are in steps, and
/// `None` where they are not known before the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The stretches in order.
    pub segments: Vec<Segment>,
    /// Sum of all steps, if every stretch is certain and known.
    pub total_steps: Option<u64>,
    /// Step the simulation begins at.
    pub first_step: Option<i64>,
    /// Length of a step in femtoseconds.
    pub timestep_fs: Option<f64>,
    /// Numbers of steps must be multiples of this.
    pub steps_per_cycle: Option<u64>,
    /// Steps between restart files, 0 for none.
    pub restart_freq: Option<u64>,
    /// Steps between frames of the trajectory, 0 for none.
    pub dcd_freq: Option<u64>,
    /// Steps between lines of the cell's trajectory, 0 for none.
    pub xst_freq: Option<u64>,
    /// Steps between energy lines in the log.
    pub output_energies: Option<u64>,
}

impl Work<'_> {
    pub(super) fn plan(&mut self) -> Plan {
        if !self.trace.read {
            return Plan::default();
        }
        let mut options = Options::new(&self.trace);
        let steps = |options: &Options<'_>, name: &str| {
            // Changed on the way means there is no one value.
            let changed = self.trace.settings.iter().any(|s| s.late && s.name == name);
            options
                .integer(name)
                .filter(|_| !changed)
                .and_then(|n| u64::try_from(n).ok())
        };
        let numsteps = options.first("numsteps");
        let minimization = options.on("minimization");
        let mut plan = Plan {
            first_step: options.integer("firsttimestep"),
            timestep_fs: options.number("timestep"),
            steps_per_cycle: steps(&options, "stepspercycle"),
            restart_freq: steps(&options, "restartfreq"),
            dcd_freq: steps(&options, "dcdfreq"),
            xst_freq: steps(&options, "xstfreq"),
            output_energies: steps(&options, "outputenergies"),
            ..Plan::default()
        };
        for stretch in &self.trace.stretches {
            plan.segments.push(Segment {
                kind: if stretch.minimize {
                    SegmentKind::Minimize
                } else {
                    SegmentKind::Run
                },
                steps: stretch.steps.and_then(|n| u64::try_from(n).ok()),
                first_step: stretch.first.and_then(|n| i64::try_from(n).ok()),
                certain: stretch.certain,
                site: self.site(stretch.place),
            });
        }
        let mut implicit = None;
        if plan.segments.is_empty()
            && let Some(setting) = numsteps
        {
            let last = options.integer("numsteps");
            let steps = match (last, plan.first_step) {
                (Some(last), Some(first)) => u64::try_from(last.saturating_sub(first).max(0)).ok(),
                _ => None,
            };
            plan.segments.push(Segment {
                kind: if minimization == Tri::Yes {
                    SegmentKind::Minimize
                } else {
                    SegmentKind::Numsteps
                },
                steps,
                first_step: plan.first_step,
                certain: true,
                site: self.site(setting.value_place),
            });
            implicit = Some((setting.value_place, steps));
        }
        let whole = self.trace.open.is_none() && !self.trace.exhausted;
        let whole_steps = plan.segments.iter().try_fold(0_u64, |sum, segment| {
            segment
                .steps
                .filter(|_| segment.certain)
                .and_then(|steps| sum.checked_add(steps))
        });
        plan.total_steps = whole_steps.filter(|_| whole && !plan.segments.is_empty());
        match implicit {
            Some((place, Some(0))) => {
                let message = "numsteps is not beyond firsttimestep: the run has no steps. numsteps is the \
                               number of the last step, not how many there are.";
                self.complain(Severity::Warning, Code::NoRun, place, message.into());
            }
            None if plan.segments.is_empty() => {
                let severity = if whole {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                let message = "nothing here runs or minimizes: there is no `run`, no `minimize` and no \
                               `numsteps`. If this file is only sourced by others, make the job from the \
                               configuration that sources it.";
                self.complain(severity, Code::NoRun, TOP, message.into());
            }
            _ => {}
        }
        plan
    }
}
