//! How far a job is and what is wrong with it, as clients see it; and its logs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Range, Time};

/// How far a run is, by NAMD's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobProgress {
    /// Which `run` or `minimize`, from 1; 0 while NAMD starts.
    pub segment: u32,
    /// Of how many. Absent: the config does not say beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// The segment minimises.
    pub minimizing: bool,
    /// The last step, as NAMD counts: from `firsttimestep` on.
    pub step: i64,
    /// Steps that this attempt has done.
    pub steps_done: u64,
    /// Steps that it is to do in all. Absent: not known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// Nanoseconds of dynamics that it has done.
    pub ns_done: f64,
    /// Nanoseconds simulated in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_per_day: Option<f64>,
    /// Seconds until its last step, if it stays as fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Whether its last step comes before its time limit. Absent: not known, or it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finishes_before_limit: Option<bool>,
    /// Seconds that it needs beyond its time limit, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_by_seconds: Option<u64>,
    /// The last temperature, in kelvin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The last energies by NAMD's names for them, in its units. One that is not a number is left
    /// out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub energies: BTreeMap<String, f64>,
    /// How many warnings NAMD has printed.
    pub warnings: u64,
    /// The step of the last complete set of restart files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_step: Option<i64>,
    /// When the log was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// What is wrong with a job, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// One cause, in a word: `timeLimit`, `inputMissing`, `unstable`, …; `unknown` if nothing shows
    /// why. Readers show words they do not know.
    pub cause: String,
    /// What happened, in a sentence or two.
    pub summary: String,
    /// The lines that show it.
    pub evidence: Vec<Evidence>,
    /// What to do, the best first.
    pub advice: Vec<Advice>,
    /// Where in the NAMD config, if it lies there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
}

/// A line that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Who says so: `slurm`, `marker`, `log`, `output`, `config`, `disk`, `observed`.
    pub source: String,
    /// Its words.
    pub text: String,
    /// The file, relative to the attempt's working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// A word for it: `requestTime`, `submitAgain`, `correct`, …
    pub code: String,
    /// What to do.
    pub text: String,
    /// Submitting again after it, with nothing else changed, may well succeed.
    pub safe_to_repeat: bool,
    /// What to change in what the job asks for: put it into `resources` of `updateJob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
}

/// A change of what a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// A wall-clock limit in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walltime: Option<u64>,
    /// Memory per node, as Slurm writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

/// What `jobLog` takes. At most one of `offset` and `tail`; without either the end is given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobLogParams {
    /// The job.
    pub job_id: String,
    /// Which log. Absent: NAMD's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub which: Option<WhichLog>,
    /// From this byte on. To follow a log, give the `offset` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// So many bytes at its end, from the beginning of a line on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<u64>,
    /// The attempt. Absent: the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Of an array: the member's number. Each member has a log of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<u32>,
}

/// Which of a job's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WhichLog {
    /// NAMD's log.
    Namd,
    /// What the job script printed. Its two outputs go to one file.
    Stdout,
    /// The same file as `stdout`.
    Stderr,
}

/// A piece of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobLogResult {
    /// Its text, at most 1 MiB; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// The file on the cluster.
    pub path: String,
    /// The byte it begins at.
    pub from: u64,
    /// The byte where the next piece begins.
    pub offset: u64,
    /// The size of the file; 0 if it is not there yet.
    pub size: u64,
    /// Nothing more is there now.
    pub eof: bool,
}

/// What `diagnose` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnoseResult {
    /// What is wrong. Absent: nothing that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}
