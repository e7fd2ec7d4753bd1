//! What the job methods take and give.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finding, Job, JobDeleted, JobStatusChanged, Phase, ProgressToken, Resources};
use super::{Source, Status, Time};

/// What `createJob` takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateJobParams {
    /// The NAMD config on this machine: an absolute path.
    pub config_path: String,
    /// The cluster's name in config.toml. Absent: the default cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A name for people. Absent: the config's file name without its ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it asks of the batch system; the cluster's defaults fill the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// Further files or globs, relative to the config's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%`
    /// how many may run at once (`0-9%4`). Each member runs in a tree of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// The person's own labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Any text of the caller's: a repeated call with the same one returns the first job, so that a
    /// call whose answer was lost can be made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Submit it at once. Absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit: Option<bool>,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// What `createJob` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateJobResult {
    /// The job.
    pub job: Job,
    /// What was found in the config; no errors are among it.
    pub findings: Vec<Finding>,
}

/// What `previewJob` takes: a config as for `createJob`, or the id of a job that exists.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewJobParams {
    /// A job that exists: what its next submit would do. Nothing else may be given with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The NAMD config on this machine: an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_path: Option<String>,
    /// The cluster's name in config.toml. Absent: the default cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it asks of the batch system; the cluster's defaults fill the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How NAMD is started, instead of the cluster's way: a command with `{config}` and `{log}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// Further files or globs, relative to the config's directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Makes it an array with these members, as Slurm writes them: `0-9`, `1,3,5-7:2`, and behind `%`
    /// how many may run at once (`0-9%4`). Each member runs in a tree of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// What creating and submitting would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewJobResult {
    /// The files.
    pub files: Vec<PreviewFile>,
    /// The job script.
    pub script: String,
    /// How the uploaded config differs from the one on this machine, as a unified diff. Absent:
    /// not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<String>,
    /// What was found in the config, errors included.
    pub findings: Vec<Finding>,
    /// Bytes that would be sent.
    pub total_bytes: u64,
}

/// One file of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewFile {
    /// Where it is on this machine, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Where it is or will be on the cluster.
    pub remote: String,
    /// Its size in bytes, if it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What the config calls it: `structure`, `parameters`, `config`, …
    pub role: String,
    /// SHA-256 in hex, if it has been computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What would be done with it.
    pub action: FileAction,
}

/// What would be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileAction {
    /// It would be sent.
    Upload,
    /// It is there already.
    Reuse,
    /// The config names it by an absolute path that is only on the cluster; it is left alone.
    OnCluster,
}

/// What `updateJob` takes. What is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateJobParams {
    /// The job.
    pub job_id: String,
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New labels, replacing all old ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// New resources, replacing all old ones. Refused while the job is on its way or on the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A new way to start NAMD. Refused while the job is on its way or on the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
}

/// What `cancel` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelJobParams {
    /// The job.
    pub job_id: String,
    /// Only these members of an array, by their ids. Absent: the whole job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<u32>>,
}

/// The job a method is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobParams {
    /// The job.
    pub job_id: String,
}

/// A job, as it is after the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobResult {
    /// The job.
    pub job: Job,
}

/// What `submit` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitParams {
    /// The job.
    pub job_id: String,
    /// Answer when the batch system has answered. Absent: answer as soon as the ask is durably
    /// recorded; the rest comes by notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// What `jobStatus` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatusParams {
    /// The job.
    pub job_id: String,
    /// Look at the cluster first. Absent: no, answer from what is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<bool>,
}

/// What `listJobs` takes. What is absent does not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListJobsParams {
    /// Only these statuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Vec<Status>>,
    /// Only this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Only jobs made from this config (absolute path).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_path: Option<String>,
    /// Only jobs whose name, id, Slurm id or label values hold this text, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// At most this many, from 1 to 1000. Absent: 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListJobsResult {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// What to give as `after` for the next page. Absent: this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The number of the last change this page holds; for `changesSince`.
    pub seq: u64,
    /// The store's id; for `changesSince`.
    pub store_id: String,
}

/// The history of a job, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobHistoryResult {
    /// One entry for each change.
    pub entries: Vec<HistoryEntry>,
    /// How long it spent in each status, all attempts together, in the order it came to them. One
    /// that it is in counts until now; an end has no duration.
    pub durations: Vec<Duration>,
}

/// How long a job spent in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Duration {
    /// The status.
    pub status: Status,
    /// Seconds spent in it.
    pub seconds: u64,
}

/// One change in the life of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The change's number in this store.
    pub seq: u64,
    /// When, by this machine's clock.
    pub at: Time,
    /// The status before. Absent: the job was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// The finer phase after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Who witnessed it.
    pub source: Source,
    /// What the witness said: the raw line, or a few words. It is dropped some time after (see
    /// `retention` in config.toml).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: u32,
    /// Seconds spent in the status before.
    pub seconds_in_from: u64,
}

/// What `deleteJob` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteJobParams {
    /// The job.
    pub job_id: String,
    /// Remove its directories on the cluster too. Absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_files: Option<bool>,
}

/// What `deleteJob` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteJobResult {
    /// Always true: what could not be deleted is an error.
    pub deleted: bool,
    /// The directories that were removed on the cluster.
    pub remote: Vec<String>,
}

/// What `changesSince` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangesSinceParams {
    /// The store's id, from `subscribe` or `listJobs`. Another store's id gives `truncated`.
    pub store_id: String,
    /// The number of the last change the caller knows.
    pub seq: u64,
    /// At most this many, from 1 to 1000. Absent: 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What happened since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangesSinceResult {
    /// The changes, oldest first, each as its notification would tell it. The job in it is as it
    /// is now, not as it was then.
    pub changes: Vec<Change>,
    /// The number to give the next time.
    pub seq: u64,
    /// There is more. With changes: ask again from `seq`. Without: the store is another one, or its
    /// past is gone; list the jobs anew.
    pub truncated: bool,
}

/// A change as its notification tells it: with a `job` it is a `jobStatusChanged`, without one a
/// `jobDeleted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Change {
    /// A job changed.
    Job(Box<JobStatusChanged>),
    /// A job was deleted.
    Deleted(JobDeleted),
}

/// Nothing is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NoParams {}

/// What `subscribe` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeResult {
    /// The number of the last change that is not going to be notified.
    pub seq: u64,
    /// The store's id; for `changesSince`.
    pub store_id: String,
}
