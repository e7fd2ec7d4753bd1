//! `job_info.json`: what a job is, kept in its project directory on the cluster.
//!
//! Another laptop, or a new database, can find the job again from it, and from what each attempt
//! leaves beside it ([`Asked`] and the receipt). The schema is versioned; fields are added, never
//! renamed. Whoever reads one holds foreign text: see [`crate::job::discovery`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use crate::job::{Attempt, Job, JobId};
use crate::scheduler::{Array, Resources, Tag};

/// The schema written now.
pub const SCHEMA: u32 = 1;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// Version of this schema.
    pub schema: u32,
    /// What wrote it: `namdrunner 0.1.0`.
    pub program: String,
    /// The job's id.
    pub job_id: JobId,
    /// The person's name for it.
    pub job_name: String,
    /// The cluster's name on the machine it was made on.
    pub cluster: String,
    /// When it was made, RFC 3339 UTC.
    pub created_at: String,
    /// Its directory below the project root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_dir: Option<String>,
    /// Its directory below the scratch root; attempts run in numbered directories in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch_dir: Option<String>,
    /// The NAMD config on the machine it was made on.
    pub config_path: String,
    /// SHA-256 of that config's bytes.
    pub config_sha256: String,
    /// The config in `input_files`.
    pub config: String,
    /// Directories that the config's output names need.
    #[serde(default)]
    pub output_dirs: Vec<String>,
    /// What it asks of the batch system.
    #[serde(default)]
    pub resources: Resources,
    /// How NAMD is started, if not the cluster's way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// The members, if it is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<Array>,
    /// The person's own labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The caller's key against creating the same job twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Steps the config runs in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// In how many segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// The files in `input_files`; their checksums stand in `sha256sums`.
    pub files: Vec<InfoFile>,
}

/// One file in `input_files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfoFile {
    /// Relative path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// What the config calls it.
    pub role: String,
}

/// The text of a job's `job_info.json`.
pub fn describe(job: &Job) -> String {
    let spec = &job.spec;
    let info = JobInfo {
        schema: SCHEMA,
        program: concat!("namdrunner ", env!("CARGO_PKG_VERSION")).to_owned(),
        job_id: job.id.clone(),
        job_name: spec.name.clone(),
        cluster: spec.cluster.clone(),
        created_at: format!("{:.3}", job.created_at),
        project_dir: Some(spec.project_dir.to_string()),
        scratch_dir: Some(spec.scratch_dir.to_string()),
        config_path: spec.config_path.clone(),
        config_sha256: spec.config_sha256.clone(),
        config: spec.config_in_tree.clone(),
        output_dirs: spec.output_dirs.clone(),
        resources: spec.resources.clone(),
        launch: spec.launch.clone(),
        array: spec.array.clone(),
        labels: spec.labels.clone(),
        idempotency_key: spec.idempotency_key.clone(),
        total_steps: spec.total_steps,
        segments: spec.segments,
        files: spec
            .files
            .iter()
            .map(|file| InfoFile {
                path: file.in_tree.clone(),
                bytes: file.bytes,
                role: file.role.clone(),
            })
            .collect(),
    };
    // Strings, numbers and maps with string keys always serialise.
    serde_json::to_string_pretty(&info).unwrap_or_default() + "\n"
}

/// What one attempt asked: kept as one line in `attempts/<n>/asked`, since what a job asks for may
/// change between its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// Version of this schema.
    pub schema: u32,
    /// The attempt's token.
    pub tag: Tag,
    /// When it was asked for, RFC 3339 UTC.
    pub asked_at: Timestamp,
    /// The person's name for the job.
    pub job_name: String,
    /// The person's own labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it asks of the batch system.
    #[serde(default)]
    pub resources: Resources,
    /// How NAMD is started, if not the cluster's way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
}

/// The line of an attempt.
pub fn asked(job: &Job, attempt: &Attempt) -> String {
    let asked = Asked {
        schema: SCHEMA,
        tag: attempt.tag.clone(),
        asked_at: attempt.asked,
        job_name: job.spec.name.clone(),
        labels: job.spec.labels.clone(),
        resources: job.spec.resources.clone(),
        launch: job.spec.launch.clone(),
    };
    // As above. JSON's own escapes keep it on one line.
    serde_json::to_string(&asked).unwrap_or_default()
}
