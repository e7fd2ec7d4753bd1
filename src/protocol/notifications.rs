//! What the server tells without being asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClusterStatus, Diagnosis, Job, JobProgress, Phase, ProgressToken, Results, Source, Status, Time,
};

/// A change of a job was committed. Also sent when the status stays and something else changed:
/// then `from` and `to` are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatusChanged {
    /// The change's number in this store.
    pub seq: u64,
    /// The job.
    pub job_id: String,
    /// The job, as it is after the change.
    pub job: Job,
    /// The status before. Absent: the job was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// The finer phase after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// When, by this machine's clock.
    pub at: Time,
    /// Who witnessed it.
    pub source: Source,
    /// What the witness said: the raw line, or a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Seconds spent in the status before.
    pub seconds_in_from: u64,
}

/// A job's log has moved, or has been read to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobProgressed {
    /// The number of the last change in this store when this was told.
    pub seq: u64,
    /// The job.
    pub job_id: String,
    /// How far it is. Absent: NAMD has said nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// What is wrong with it. Absent: nothing that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// Where its results are.
    pub results: Results,
}

/// A job was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobDeleted {
    /// The change's number in this store.
    pub seq: u64,
    /// The job.
    pub job_id: String,
}

/// A cluster's health changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatusChanged {
    /// The cluster.
    pub cluster: String,
    /// How it is now.
    pub status: ClusterStatus,
}

/// A look at a cluster ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncCompleted {
    /// The cluster.
    pub cluster: String,
    /// When the look ended.
    pub at: Time,
    /// How many jobs were asked about.
    pub queried: u64,
    /// How many jobs changed.
    pub changed: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressParams {
    /// The request's `workDoneToken`.
    pub token: ProgressToken,
    /// What is told: once `begin`, then any number of `report`, once `end`, in this order and before
    /// the request's answer.
    pub value: Progress,
}

/// How far one file of a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressFile {
    /// Its path on the cluster.
    pub path: String,
    /// Bytes done.
    pub bytes: u64,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// Seconds until it is done at the present rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// One piece of progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Progress {
    /// The request is being worked on.
    Begin {
        /// What is being done.
        title: String,
        /// Whether `$/cancelRequest` has an effect.
        cancellable: bool,
    },
    /// It has come further.
    Report {
        /// What is being done now.
        message: String,
        /// Percent done, 0 to 100, never falling.
        #[serde(skip_serializing_if = "Option::is_none")]
        percentage: Option<u32>,
        /// Of a transfer: bytes done, of the whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Of a transfer: bytes in all.
        #[serde(rename = "totalBytes", skip_serializing_if = "Option::is_none")]
        total_bytes: Option<u64>,
        /// Of a transfer: bytes per second over the last seconds.
        #[serde(rename = "bytesPerSecond", skip_serializing_if = "Option::is_none")]
        bytes_per_second: Option<u64>,
        /// Of a transfer: seconds until all is done at this rate.
        #[serde(rename = "secondsLeft", skip_serializing_if = "Option::is_none")]
        seconds_left: Option<u64>,
        /// Of a transfer: the file that moved last, if it travels by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<ProgressFile>,
    },
    /// The answer follows.
    End {},
}

/// Something for the client's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogMessage {
    /// 1 error, 2 warning, 3 information.
    #[serde(rename = "type")]
    pub level: u32,
    /// The message.
    pub message: String,
}
