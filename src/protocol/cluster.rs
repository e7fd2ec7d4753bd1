//! Clusters as clients see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ProgressToken, Resources, Time};

/// The cluster a method is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
}

/// What `connect` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectParams {
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// A cluster, as it is known now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Its name in config.toml.
    pub name: String,
    /// Its host. Absent: this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `slurm` or `direct`.
    pub scheduler: String,
    /// How it is.
    pub health: ClusterHealth,
    /// Since when it is so.
    pub since: Time,
    /// Why it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is asked for the state of jobs, and how it answered last. All are asked in one command.
    pub sources: Sources,
    /// Seconds between two looks at present; more when it is slow or does not answer.
    pub interval_seconds: u64,
    /// The last look that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<Time>,
    /// The next look. Absent: none is planned, nothing is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_sync: Option<Time>,
    /// How long the last look took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Looks in the last hour.
    pub queries_last_hour: u32,
    /// Its last 50 failures, the newest last.
    pub errors: Vec<ClusterFailure>,
    /// Jobs that are on their way, in the queue or on nodes.
    pub active_jobs: u64,
    /// What a job asks for when it does not say.
    pub defaults: Resources,
}

/// How a cluster is. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterHealth {
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

/// The sources of what is known of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// The queue.
    pub squeue: SourceStatus,
    /// The accounting records.
    pub sacct: SourceStatus,
    /// The marker files that the jobs' own scripts leave.
    pub marker: SourceStatus,
}

/// How one source answered last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// How.
    pub health: SourceHealth,
    /// The exit code of its command, if it ran and failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a source answered. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SourceHealth {
    /// It was not asked.
    NotAsked,
    /// It answered whole.
    Ok,
    /// This cluster does not have it.
    Absent,
    /// It failed, or its answer was not whole.
    Failed,
}

/// One failure of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFailure {
    /// When.
    pub at: Time,
    /// What failed: `connect`, `squeue`, `sacct`, `marker`, `submit`, …
    pub part: String,
    /// Its exit code, if it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The first line of its error output, or what was wrong.
    pub message: String,
}

/// What `listClusters` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListClustersResult {
    /// The clusters, in the order of config.toml.
    pub clusters: Vec<ClusterStatus>,
}

/// What `syncAll` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncAllParams {
    /// Only this cluster. Absent: all that have active jobs, side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// What `syncAll` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncAllResult {
    /// What each cluster's part came to. A cluster that does not answer is told here; it is no error
    /// of the call.
    pub clusters: Vec<ClusterSynced>,
    /// The number of the last committed change.
    pub seq: u64,
}

/// What one cluster's part of a sync came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSynced {
    /// The cluster.
    pub cluster: String,
    /// How it is now.
    pub health: ClusterHealth,
    /// How many jobs were asked about; 0 when nothing is active and nothing was asked.
    pub queried: u64,
    /// How many jobs changed.
    pub changed: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What `doctor` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorParams {
    /// Only this cluster. Absent: all, side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// What `doctor` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorResult {
    /// What was looked at, cluster by cluster.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The cluster.
    pub cluster: String,
    /// What was looked at, a word or two: `link`, `sbatch`, `scratch root`.
    pub name: String,
    /// Whether jobs can run as far as this goes.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it; with `ok`, what is worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
