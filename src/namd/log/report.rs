//! What a log has told so far.

use serde::{Deserialize, Serialize};

use super::energies::Energy;
use super::faults::{FatalError, Line, Lines};
use super::rate::Pace;
use crate::namd::SegmentKind;

/// What a log has told so far. Of bounded size whatever the log holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogReport {
    /// Lines read.
    pub lines: u64,
    /// Part of the log was skipped: line numbers and the count of segments are not certain.
    pub skipped: bool,
    /// `3.0`, of `Info: NAMD 3.0 for Linux-x86_64-multicore`. Its presence makes it a NAMD log.
    pub version: Option<String>,
    /// `Linux-x86_64-multicore`.
    pub platform: Option<String>,
    /// It runs in GPU-resident mode.
    pub gpu_resident: bool,
    /// The configuration, as it was given on the command line.
    pub config: Option<String>,
    /// The directory that paths in the configuration are relative to.
    pub directory: Option<String>,
    /// Number of atoms.
    pub atoms: Option<u64>,
    /// Length of a step now, in femtoseconds.
    pub timestep_fs: Option<f64>,
    /// `NUMBER OF STEPS`: the absolute last step, if the script calls no `run` or `minimize`.
    pub declared_steps: Option<i64>,
    /// The step the simulation began at.
    pub first_step: i64,
    /// Steps from one line of energies or timings to the next: how often it gives word.
    pub output_steps: Option<u64>,
    /// Segments begun (`run`, `minimize`).
    pub segments: u32,
    /// The newest segment.
    pub segment: Option<Stretch>,
    /// Steps done in the segments before it.
    pub steps_before: u64,
    /// Femtoseconds simulated before the last change of segment or of the timestep.
    pub fs_before: f64,
    /// The step the count in `fs_before` stands at.
    pub fs_step: i64,
    /// The last step the log shows, absolute.
    pub step: Option<i64>,
    /// Names of the columns of `ENERGY:` lines.
    pub titles: Vec<String>,
    /// The last energies.
    pub energies: Vec<Energy>,
    /// The first energy line that holds something that is not a number.
    pub not_a_number: Option<Line>,
    /// How fast it is.
    pub(super) pace: Pace,
    /// Files for a restart.
    pub restart: RestartSet,
    /// The final files of a run were written at this step; also by `output`, so it proves no end.
    pub output_step: Option<i64>,
    /// `Warning:` lines.
    pub warnings: Lines,
    /// `ERROR:` lines. Not each is fatal.
    pub errors: Lines,
    /// `colvars: Error` lines.
    pub colvars: Lines,
    /// Lines of other programs that look like trouble: the shell, the loader, Slurm, MPI, CUDA.
    pub foreign: Lines,
    /// Violations of the margin, counted; harmless in small numbers.
    pub margin_violations: u64,
    /// What ended it, by its own word.
    pub fatal: Vec<FatalError>,
    /// Lines that begin a fatal error, repetitions included.
    pub fatal_count: u64,
    /// Charm++ has ended it; its reason follows.
    pub(super) aborted: bool,
    /// Which of `fatal` the next line may continue.
    pub(super) open_fatal: Option<usize>,
    /// It ended by `EXITING:`, which is no failure (a benchmark's time was over).
    pub quit: Option<Line>,
    /// The `WallClock:` line, NAMD's only reliable sign of success.
    pub end: Option<LogEnd>,
    /// `End of program` or `Program finished.`: printed after a fatal error, too.
    pub end_of_program: bool,
}

/// One `run` or `minimize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stretch {
    /// What it does.
    pub kind: SegmentKind,
    /// How many steps.
    pub steps: u64,
    /// The step it began at.
    pub first_step: i64,
    /// No command began it: `numsteps` makes the one run.
    pub implicit: bool,
}

impl Stretch {
    /// The step it ends at.
    pub fn last_step(&self) -> i64 {
        self.first_step
            .saturating_add(i64::try_from(self.steps).unwrap_or(i64::MAX))
    }
}

/// The restart files. The cell (.xsc) is written first, then coordinates, then velocities: a set is
/// whole only after the last of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestartSet {
    /// The name they have in common: `eq.restart`.
    pub name: Option<String>,
    /// Steps between them.
    pub frequency: Option<u64>,
    /// The step of the last whole set.
    pub step: Option<i64>,
    /// The step of a set whose writing has begun and not ended.
    pub writing: Option<i64>,
    /// Its coordinates are written.
    pub(super) coordinates: bool,
}

/// The end, by NAMD's own word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEnd {
    /// Seconds from start to end.
    pub wall_seconds: Option<f64>,
    /// The line's number.
    pub line: u64,
}

impl LogReport {
    /// Whether it is a log of NAMD at all.
    pub fn is_namd(&self) -> bool {
        self.version.is_some()
    }

    /// Whether it is a build for GPUs.
    pub fn is_cuda(&self) -> bool {
        self.platform
            .as_deref()
            .is_some_and(|platform| platform.contains("CUDA") || platform.contains("HIP"))
    }

    /// Whether NAMD ended by itself and without a fatal error.
    pub fn succeeded(&self) -> bool {
        self.fatal.is_empty() && (self.end.is_some() || self.quit.is_some())
    }

    /// The last temperature, in kelvin.
    pub fn temperature(&self) -> Option<f64> {
        self.energies
            .iter()
            .find(|energy| energy.name == "TEMP")
            .and_then(|energy| energy.value)
    }
}
