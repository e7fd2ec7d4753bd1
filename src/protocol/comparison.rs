//! What comparing with a cluster, finding jobs there and taking them over take and give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, SourceStatus, Time};

/// What `reconcile` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// Change nothing, only tell what would be changed. Absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// List the person's other jobs in the queue too, those that this program did not submit.
    /// Absent: no, they are only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign: Option<bool>,
}

/// What `reconcile` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileResult {
    /// The cluster.
    pub cluster: String,
    /// When.
    pub at: Time,
    /// Nothing was changed: `changed` tells what would be.
    pub dry_run: bool,
    /// Jobs of this cluster in the list here.
    pub jobs: u64,
    /// Job directories there.
    pub directories: u64,
    /// Directories beyond the bound of one look, the oldest ones: not looked at.
    pub more_directories: u64,
    /// The person's other jobs in the queue.
    pub foreign_jobs: u64,
    /// How each source answered. One that failed says nothing, and nothing is concluded from that.
    pub sources: ComparedSources,
    /// What is not as it is known here, job by job. A job that agrees is not among them.
    pub items: Vec<ComparedItem>,
}

/// How the sources of a comparison answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedSources {
    /// The directories below both roots.
    pub directories: SourceStatus,
    /// The queue.
    pub squeue: SourceStatus,
    /// The accounting records; asked only about jobs that the queue does not hold.
    pub sacct: SourceStatus,
    /// The jobs' own end markers; as above.
    pub marker: SourceStatus,
}

/// One thing that is not as it is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparedItem {
    /// What differs.
    pub kind: ComparedKind,
    /// The job, if it is one of this program's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// The batch system's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_id: Option<String>,
    /// A directory on the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What was found: the raw line, or a sentence.
    pub found: String,
    /// What was changed here. Absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// Why, and what can be done about it.
    pub why: String,
}

/// What differs. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ComparedKind {
    /// The batch system says another status than the list. It wins.
    StatusDiffers,
    /// The status is right; something that is told beside it was not.
    DetailsDiffer,
    /// Neither the queue nor another witness holds the job: it is unconfirmed.
    JobMissing,
    /// An attempt of the job was submitted from elsewhere.
    AttemptWithoutRow,
    /// The job's directory below the project root is gone.
    DirectoryMissing,
    /// A directory with the name of a job, and no such job in the list.
    DirectoryWithoutRow,
    /// The same, of a job that was deleted here.
    DeletedHere,
    /// An upload that is not whole.
    UnfinishedUpload,
    /// A submission without an outcome.
    SubmissionOpen,
    /// A cancellation that has had no effect yet.
    CancellationAsked,
    /// A deletion that has not happened yet.
    DeletionAsked,
    /// A job in the queue that this program submitted, and no such job in the list.
    JobWithoutRow,
    /// A job of the person's that this program did not submit.
    ForeignJob,
}

/// What `discoverJobs` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverJobsResult {
    /// The cluster.
    pub cluster: String,
    /// When.
    pub at: Time,
    /// The jobs that were taken into the list, as they are now.
    pub jobs: Vec<Job>,
    /// What was found and not taken in, and why.
    pub items: Vec<ComparedItem>,
    /// Directories beyond the bound of one look, the oldest ones: not looked at.
    pub more_directories: u64,
}

/// What `adoptJob` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptJobParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The batch system's id: `1018`, or `1018_3` for a member of an array.
    pub slurm_job_id: String,
}
