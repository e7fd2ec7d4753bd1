//! A job's files on its cluster, and fetching them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ProgressToken, Time};

/// A job's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListFilesResult {
    /// The files: those that belong to no attempt first, then attempt by attempt.
    pub files: Vec<JobFile>,
}

/// A file of a job on its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobFile {
    /// Where it is in the job's tree: the path that `download` matches patterns against.
    pub path: String,
    /// Where it is on the cluster.
    pub remote: String,
    /// What it is: for an input what the config calls it (`structure`, `parameters`, `config`, …), else
    /// `log`, `restart`, `trajectory`, `xst`, `colvars`, `control` or `output`.
    pub role: String,
    /// Whether it was uploaded.
    pub input: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was modified, by the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Time>,
    /// Where on the cluster that is.
    pub place: FilePlace,
    /// The attempt that wrote it. Absent: none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// Where a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FilePlace {
    /// In the job's project directory, which is kept.
    Project,
    /// In an attempt's working tree, which a site may purge.
    Scratch,
}

/// What `download` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadParams {
    /// The job.
    pub job_id: String,
    /// Which files, by `*`, `?`, `[…]` and `**` against their `path`; a pattern without a slash is
    /// one of names. Absent: what the newest attempt wrote, but for trajectories and files over 100 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<String>>,
    /// The directory on this machine, absolute. Absent: one of the job's id beside its config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Where `$/progress` is reported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// What `download` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadResult {
    /// The directory on this machine.
    pub to: String,
    /// The files in it, by path.
    pub files: Vec<DownloadedFile>,
}

/// A file of a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DownloadedFile {
    /// Where it is in the job's tree.
    pub path: String,
    /// Where it is on this machine.
    pub local: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Whether it was fetched now. Otherwise it was here already, with the size and date it has there.
    pub fetched: bool,
}
