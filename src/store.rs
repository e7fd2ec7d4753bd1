//! The job database: SQLite, one writer, pooled readers. The only place that names `rusqlite`.
//!
//! Every change of a job and its history row are one transaction, in [`Store::update`]: the job is
//! read again inside `BEGIN IMMEDIATE`, so that the commit of an intent is also the mutex between
//! processes.

use jiff::Timestamp;

use crate::job::{Job, JobId, Status};
use crate::scheduler::Source;

/// Which jobs a list holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only these statuses; empty means all.
    pub statuses: Vec<Status>,
    /// Only this cluster.
    pub cluster: Option<String>,
    /// Only jobs made from this config (absolute path).
    pub config_path: Option<String>,
    /// Only jobs whose name, id, Slurm id or label values hold this text, in any case.
    pub text: Option<String>,
    /// At most this many.
    pub limit: usize,
    /// Only jobs after this one in the order of the list (`next` of the page before).
    pub after: Option<String>,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to give as `after` for the next page, if there is one.
    pub next: Option<String>,
    /// The store's sequence number when the page was read.
    pub seq: u64,
}

/// One row of a job's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The change's number in this store.
    pub seq: u64,
    /// The job.
    pub job_id: JobId,
    /// When, by our clock.
    pub at: Timestamp,
    /// The status before; none for a new job.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// The finer phase after.
    pub phase: String,
    /// Who witnessed it.
    pub source: Source,
    /// The raw line that witnesses it.
    pub evidence: Option<String>,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: u32,
    /// Seconds spent in the status before.
    pub seconds_in_from: i64,
}

/// One committed change, as `changesSince` tells it.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredChange {
    /// A job changed; the job is as it is now (not as it was then).
    Job {
        /// The history row.
        entry: HistoryEntry,
        /// The job now.
        job: Box<Job>,
    },
    /// A job was deleted.
    Deleted {
        /// The change's number.
        seq: u64,
        /// The job.
        job_id: JobId,
    },
}

/// What happened since a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The changes, oldest first.
    pub changes: Vec<StoredChange>,
    /// The last number told (give it the next time).
    pub seq: u64,
    /// There are more, or the past was cut: list the jobs anew.
    pub truncated: bool,
}
