//! What went wrong with a job, and what to do about it.
//!
//! [`diagnose`] hears three witnesses — the batch system (state, exit code, reason), what NAMD and
//! the job script printed, and the file system — and names one [`Cause`] out of a closed list, with
//! the lines that show it, the place in the configuration where there is one, and advice that can be
//! followed. What fits nothing is [`Cause::Unknown`], with its evidence. Nothing of this is stored:
//! it follows from what is known, each time it is asked for.
//!
//! Who is heard first: what NAMD says of itself (a fatal error is never a misunderstanding), then the
//! batch system's own causes, then what other programs printed, then the exit code. A fatal error
//! before a time limit is the cause, and the limit only its consequence: NAMD can hang behind one.

mod cause;
mod ended;
mod fatal;
mod output;
mod place;
mod refused;
mod remedy;
mod stuck;

use jiff::Timestamp;

use crate::job::{Job, JobState, Outcome};
use crate::namd::{LogReport, Range, StepPlan};

pub use cause::Cause;
pub use remedy::{Prediction, clock, in_words, prediction};

/// What is known about a job when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Witnesses<'a> {
    /// The job: what the batch system said of it.
    pub job: &'a Job,
    /// What NAMD's log says.
    pub log: Option<&'a LogReport>,
    /// The log's path, relative to the working directory.
    pub log_name: &'a str,
    /// What the job script printed, outside of the log.
    pub output: Option<&'a LogReport>,
    /// The configuration's bytes, as the job was made from it.
    pub config: Option<&'a [u8]>,
    /// What the configuration plans.
    pub plan: StepPlan,
    /// What the file system shows.
    pub disk: Disk,
    /// When the log last grew, by our clock.
    pub grew: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What the file system shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    /// Bytes free for this user where the job ran.
    pub free_bytes: Option<u64>,
    /// The working directory is there.
    pub work_dir: Option<bool>,
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The batch system.
    Slurm,
    /// The job's own end marker.
    Marker,
    /// NAMD's log.
    Log,
    /// The job script's output.
    Output,
    /// The configuration.
    Config,
    /// The file system.
    Disk,
    /// What we have observed ourselves.
    Observed,
}

impl Witness {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Marker => "marker",
            Self::Log => "log",
            Self::Output => "output",
            Self::Config => "config",
            Self::Disk => "disk",
            Self::Observed => "observed",
        }
    }
}

/// One line that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Who says so.
    pub source: Witness,
    /// Its words.
    pub text: String,
    /// The file it stands in, relative to the working directory.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u64>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// A word for it that stays the same: `requestTime`, `submitAgain`.
    pub code: &'static str,
    /// What to do, as full sentences.
    pub text: String,
    /// Submitting again after it, with nothing else changed, may well succeed.
    pub safe_to_repeat: bool,
    /// What to change in what the job asks for.
    pub edit: Option<Edit>,
}

/// A change of what a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A time limit, in seconds.
    Walltime(u64),
    /// Memory per node, as Slurm writes it.
    Memory(String),
}

/// What went wrong, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// One cause.
    pub cause: Cause,
    /// What happened, in a sentence or two.
    pub summary: String,
    /// The lines that show it, the most telling first.
    pub evidence: Vec<Evidence>,
    /// What to do, the best first.
    pub advice: Vec<Advice>,
    /// Where in the configuration.
    pub range: Option<Range>,
}

/// Names what is wrong with a job. None when nothing is: it waits, runs or has ended as it should.
pub fn diagnose(witnesses: &Witnesses<'_>) -> Option<Diagnosis> {
    match &witnesses.job.state {
        JobState::Uploading { .. } => None,
        JobState::Created | JobState::Submitting { .. } => refused::judge(witnesses),
        JobState::Pending { .. } => stuck::pending(witnesses),
        JobState::Running { .. } => stuck::running(witnesses),
        JobState::Ended { outcome, .. } => match outcome {
            Outcome::Completed => ended::completed(witnesses),
            Outcome::Cancelled { by } => Some(ended::cancelled(witnesses, by)),
            Outcome::Failed { cause } => Some(ended::failed(witnesses, cause)),
            Outcome::Unknown => Some(ended::unknown(witnesses)),
        },
    }
}

impl Evidence {
    /// The batch system's words for the newest attempt.
    fn of_slurm(text: impl Into<String>) -> Self {
        Self {
            source: Witness::Slurm,
            text: text.into(),
            file: None,
            line: None,
        }
    }

    /// A line of NAMD's log.
    fn of_log(witnesses: &Witnesses<'_>, text: impl Into<String>, line: u64) -> Self {
        Self {
            source: Witness::Log,
            text: text.into(),
            file: Some(witnesses.log_name.to_owned()),
            line: (line > 0 && witnesses.log.is_none_or(|log| !log.skipped)).then_some(line),
        }
    }

    /// Something we have seen ourselves.
    fn observed(text: impl Into<String>) -> Self {
        Self {
            source: Witness::Observed,
            text: text.into(),
            file: None,
            line: None,
        }
    }
}

impl Diagnosis {
    /// A diagnosis in the cause's own words; `detail` is put where they have room for it.
    fn new(cause: Cause, detail: &str) -> Self {
        Self {
            cause,
            summary: cause.summary(detail),
            evidence: Vec::new(),
            advice: cause.advice().into_iter().collect(),
            range: None,
        }
    }

    fn shown_by(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        for piece in evidence {
            if !self.evidence.contains(&piece) {
                self.evidence.push(piece);
            }
        }
        self
    }
}

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod slurm_tests;
