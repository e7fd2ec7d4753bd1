//! What the engine is asked and what it answers, in domain words.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::engine::Insight;
use crate::job::state::Change;
use crate::job::{Job, JobId};
use crate::namd::Finding;
use crate::scheduler::{Resources, SourceHealth};
use crate::transport::prompt::Prompter;

/// What `createJob` and `previewJob` are asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateJob {
    /// The NAMD config; relative paths are refused.
    pub config_path: PathBuf,
    /// The cluster; none means the default one.
    pub cluster: Option<String>,
    /// A name; none means the config's file name without its ending.
    pub name: Option<String>,
    /// What it asks for; the cluster's defaults fill the rest.
    pub resources: Resources,
    /// How NAMD is started, instead of the cluster's way.
    pub launch: Option<String>,
    /// Further files or globs, relative to the config's directory.
    pub inputs: Vec<String>,
    /// The members of an array, as Slurm writes them.
    pub array: Option<String>,
    /// The person's own labels.
    pub labels: BTreeMap<String, String>,
    /// A repeated call with the same key returns the first job.
    pub idempotency_key: Option<String>,
}

/// A job and what was found in its config.
#[derive(Debug, Clone)]
pub struct Created {
    /// The job.
    pub job: Job,
    /// What was found, no errors among it.
    pub findings: Vec<Finding>,
}

/// What creating and submitting would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The files.
    pub files: Vec<PreviewFile>,
    /// The job script.
    pub script: String,
    /// How the uploaded config differs from the user's, as a unified diff.
    pub rewritten: Option<String>,
    /// What was found, errors included.
    pub findings: Vec<Finding>,
    /// What would be sent.
    pub total_bytes: u64,
}

/// One file of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewFile {
    /// On this machine, if it is here.
    pub local: Option<String>,
    /// On the cluster, absolute where the roots are known, else relative to the job's directory.
    pub remote: String,
    /// Its size, if it is here.
    pub bytes: Option<u64>,
    /// What the config calls it.
    pub role: String,
    /// SHA-256, when it has been computed.
    pub sha256: Option<String>,
    /// What would be done with it.
    pub action: FileAction,
}

/// What would be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAction {
    /// Sent.
    Upload,
    /// Already there.
    Reuse,
    /// Named by an absolute path that exists only on the cluster.
    OnCluster,
}

/// What may be changed of a job.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateJob {
    /// A new name.
    pub name: Option<String>,
    /// New labels, replacing the old.
    pub labels: Option<BTreeMap<String, String>>,
    /// New resources, replacing the old.
    pub resources: Option<Resources>,
    /// A new way to start NAMD.
    pub launch: Option<String>,
}

/// What deleting did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// Directories removed on the cluster.
    pub remote: Vec<String>,
}

/// One cluster as `clusterStatus` tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterState {
    /// Its name.
    pub name: String,
    /// Its host; none means this machine.
    pub host: Option<String>,
    /// `slurm` or `direct`.
    pub scheduler: &'static str,
    /// How it is.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// Why it is not ok.
    pub reason: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
    /// How the queue answered last.
    pub squeue: SourceHealth,
    /// How the accounting answered last.
    pub sacct: SourceHealth,
    /// How the markers answered last.
    pub marker: SourceHealth,
    /// Seconds between looks at present.
    pub interval_seconds: u64,
    /// The last look that succeeded.
    pub last_sync: Option<Timestamp>,
    /// The next look, if one is planned.
    pub next_sync: Option<Timestamp>,
    /// How long the last look took.
    pub latency_ms: Option<u64>,
    /// Looks in the last hour.
    pub queries_last_hour: u32,
    /// The last 50 failures, the newest last.
    pub errors: Vec<ClusterError>,
    /// Active jobs.
    pub active_jobs: usize,
    /// What a job asks for when it does not say.
    pub defaults: Resources,
}

/// One failure of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterError {
    /// When.
    pub at: Timestamp,
    /// Which part: `connect`, `squeue`, `sacct`, `marker`, `submit`, …
    pub part: String,
    /// The exit code, if it ran.
    pub exit: Option<i32>,
    /// The first line of the error output, or what was wrong.
    pub message: String,
}

/// How a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answered.
    Ok,
    /// A connection is being made.
    Connecting,
    /// It asks for a login.
    AuthRequired,
    /// It does not answer.
    Unavailable,
    /// It has not been asked yet.
    Unchecked,
}

impl Health {
    /// The wire's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Connecting => "connecting",
            Self::AuthRequired => "authRequired",
            Self::Unavailable => "unavailable",
            Self::Unchecked => "unchecked",
        }
    }
}

/// What one cluster's part of a sync came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The cluster.
    pub cluster: String,
    /// How it is now.
    pub health: Health,
    /// When the look ended.
    pub at: Timestamp,
    /// How many jobs were asked about; 0 when nothing is active and nothing was asked.
    pub queried: usize,
    /// How many jobs changed.
    pub changed: usize,
    /// How long it took.
    pub took_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
}

/// Something to tell whoever listens. A hint: the store is the truth.
#[derive(Debug, Clone)]
pub enum Event {
    /// A change was committed.
    Job {
        /// Its number.
        seq: u64,
        /// The change.
        change: Arc<Change>,
    },
    /// A job was deleted.
    JobDeleted {
        /// The change's number.
        seq: u64,
        /// The job.
        job_id: JobId,
    },
    /// A job's log has moved, or has been read to its end.
    Progress {
        /// The number of the last change when it was told; it has none of its own.
        seq: u64,
        /// The job.
        job_id: JobId,
        /// What is known of it.
        insight: Arc<Insight>,
    },
    /// A cluster's health changed.
    Cluster(Arc<ClusterState>),
    /// A look at a cluster ended.
    Synced(Arc<Synced>),
}

/// The caller's side of one request: how to report progress, and whether it was withdrawn.
#[derive(Clone, Default)]
pub struct Caller {
    /// Told of the progress: a message, and done and total units (bytes) where known.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    /// Set when the caller withdrew the request.
    pub cancel: CancellationToken,
    /// Asks the caller's person, if somebody is there.
    pub prompter: Option<Arc<dyn Prompter>>,
}

/// One report of progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub message: String,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when unknown.
    pub total: u64,
    /// Of a transfer: how fast it is.
    pub transfer: Option<TransferProgress>,
}

/// How fast a transfer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferProgress {
    /// Bytes per second over the last seconds; none before that can be said.
    pub bytes_per_second: Option<u64>,
    /// Seconds until all is done at this rate.
    pub seconds_left: Option<u64>,
    /// The file that moved last, if it travels by itself.
    pub file: Option<FileProgress>,
    /// Seconds until that is done at this rate.
    pub file_seconds_left: Option<u64>,
}

/// How far one file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProgress {
    /// Its path on the cluster.
    pub path: String,
    /// Bytes done.
    pub done: u64,
    /// Its size.
    pub total: u64,
}

/// What a download brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The directory on this machine.
    pub to: PathBuf,
    /// The files in it.
    pub files: Vec<DownloadedFile>,
}

/// One file of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadedFile {
    /// Where it is in the job's tree.
    pub path: String,
    /// Where it is on this machine.
    pub local: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether it was fetched now; else it was here already.
    pub fetched: bool,
}
