//! The job as clients see it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Diagnosis, JobProgress, Time};

/// One NAMD simulation on a cluster, as it is known now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// The job's id: safe in paths, file names and Slurm. Never reused.
    pub job_id: String,
    /// The person's name for it, free text.
    pub job_name: String,
    /// The cluster's name in config.toml.
    pub cluster: String,
    /// The NAMD config on the machine it was made from, absolute.
    pub config_path: String,
    /// SHA-256 of the config's bytes when it was read, in hex.
    pub config_sha256: String,
    /// When the job was asked for.
    pub created_at: Time,
    /// When anything about it last changed.
    pub updated_at: Time,
    /// When the batch system took its newest attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Time>,
    /// When its newest attempt started (last).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended, well or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Where it is in its life, in one word.
    pub status: Status,
    /// The finer truth of its status.
    pub phase: Phase,
    /// The batch system's id of the newest attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_id: Option<String>,
    /// The batch system's own last word for its state, as it printed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_state: Option<String>,
    /// Why it waits in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<WaitReason>,
    /// The exit code of the job script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended the job script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Its nodes, as the batch system writes them (`c[1-3]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// The partition it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// When the batch system thinks it will start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_start: Option<Time>,
    /// Seconds since its start, or from start to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_used_seconds: Option<u64>,
    /// Its wall-clock limit in seconds: the batch system's, or the one asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_seconds: Option<u64>,
    /// Its largest resident memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss_bytes: Option<u64>,
    /// How often the batch system started the newest attempt again under the same id.
    pub restarts: u32,
    /// The person's own labels.
    pub labels: BTreeMap<String, String>,
    /// How fresh this knowledge is.
    pub observed: Observed,
    /// Since when whole answers of the queue lack it, while it is not known what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed_since: Option<Time>,
    /// Where it came from. Absent: it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Its directory below the cluster's project root.
    pub project_dir: String,
    /// Its directory below the cluster's scratch root; attempts run in numbered directories in it.
    pub scratch_dir: String,
    /// What it asks of the batch system, the cluster's defaults filled in.
    pub resources: Resources,
    /// How NAMD is started, if not the cluster's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
    /// The members, as they were asked for (`0-9%4`). Absent: it is no array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// How the members of an array stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_counts: Option<MemberCounts>,
    /// Each member of an array, by number. Only `jobStatus` tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// The components of a heterogeneous job (`sbatch … : …`), by number. Absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<Vec<Component>>,
    /// The number of the newest attempt; 0 before the first submit.
    pub attempt: u32,
    /// All attempts, the newest last.
    pub attempts: Vec<Attempt>,
    /// When its cancellation was asked for, while that is not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Time>,
    /// Why it failed or who cancelled it, once it has ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The last thing that went wrong with what was asked, while it still matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_info: Option<ErrorInfo>,
    /// How far its newest attempt is, by NAMD's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// What is wrong with it and what to do (in `jobStatus` alone).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
    /// Where its results are.
    pub results: Results,
}

/// Where a job is in its life. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its files are on the cluster; it is not in the queue.
    Created,
    /// It is in the queue.
    Pending,
    /// It is on its nodes.
    Running,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// The cluster no longer knows it and nothing witnessed its end.
    Unknown,
}

impl Status {
    /// Whether nothing more happens by itself.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Created | Self::Pending | Self::Running)
    }
}

/// The finer truth of a status. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Its files are on their way.
    Uploading,
    /// Its files are on the cluster; nothing has been asked for.
    Staged,
    /// It waits until somebody logs in to the cluster.
    WaitingForLogin,
    /// The site allows no more jobs of this person now; it will be tried again.
    WaitingForRoom,
    /// It is on its way into the queue.
    Submitting,
    /// An answer was lost, or the queue does not hold it: it is being looked for.
    Unconfirmed,
    /// It waits in the queue.
    Queued,
    /// It waits in the queue until a person releases it.
    Held,
    /// Its nodes are being made ready.
    Starting,
    /// It runs.
    Running,
    /// It is stopped and keeps its nodes.
    Suspended,
    /// Its processes are being ended.
    Finishing,
    /// It is over.
    Settled,
}

impl Phase {
    /// The phase of a word, as history rows keep it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word))
            .ok()
    }
}

/// Why a job waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitReason {
    /// The batch system's word (`Priority`, `QOSMaxJobsPerUserLimit`).
    pub code: String,
    /// What the word means, for a person.
    pub text: String,
    /// What it means for the job.
    pub class: ReasonClass,
}

/// What waiting for a reason comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReasonClass {
    /// It will start by itself.
    WillStart,
    /// A person has to do something.
    NeedsYou,
    /// It can never start as it was asked for.
    Never,
    /// The word is not known here.
    Unknown,
}

/// How fresh the knowledge of a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// When the cluster was last asked about it with success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Who last said something new about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How long ago the cluster was last asked about it with success, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// It is older than it should be: the cluster does not answer, or nobody asks.
    pub stale: bool,
}

/// Where a job came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// How it came into the list.
    pub kind: OriginKind,
    /// When it was found or adopted.
    pub at: Time,
    /// Of an adopted job: its script and arguments, as the batch system prints them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// How a job came into the list. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OriginKind {
    /// It was found in its directories on the cluster: made by another laptop, or with a database
    /// that is lost.
    Discovered,
    /// It was submitted by hand and adopted. It is followed and can be cancelled; its files are never
    /// written or removed, and it cannot be submitted again.
    Adopted,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Decided on this machine.
    Local,
    /// The queue.
    Squeue,
    /// The accounting records.
    Sacct,
    /// The marker files that the job's own script leaves.
    Marker,
    /// NAMD's log, or what the batch system wrote into the job's own output.
    Log,
    /// The person.
    User,
    /// What the job left in its directories on the cluster.
    Discovered,
}

/// What a job asks of the batch system. What is absent is left to the cluster's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Nodes (`--nodes`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Tasks (`--ntasks`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntasks: Option<u32>,
    /// Cores for each task (`--cpus-per-task`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_per_task: Option<u32>,
    /// Memory of each node, as Slurm writes it: `4G`, `512M` (`--mem`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Wall-clock limit in seconds (`--time`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walltime: Option<u64>,
    /// Partition (`--partition`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Quality of service (`--qos`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Account (`--account`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Generic resources, `gpu:1` (`--gres`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// Node features (`--constraint`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Further sbatch options, each as on the command line: `--mail-type=END`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Vec<String>>,
}

/// One submission of a job and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its number, from 1.
    pub n: u32,
    /// When it was asked for.
    pub asked_at: Time,
    /// The batch system's id, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_id: Option<String>,
    /// When the batch system took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Time>,
    /// When it started (last).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// How it ended: `COMPLETED`, `FAILED`, `CANCELLED` or `UNKNOWN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Status>,
    /// Why it failed or who cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How the members of an array stood, or stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_counts: Option<MemberCounts>,
}

/// How the members of an array stand. Before the array is in the queue all but `total` are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberCounts {
    /// How many there are.
    pub total: u32,
    /// In the queue.
    pub pending: u32,
    /// On their nodes.
    pub running: u32,
    /// Ended well.
    pub completed: u32,
    /// Ended badly.
    pub failed: u32,
    /// Ended by somebody.
    pub cancelled: u32,
    /// Nothing witnessed their end.
    pub unknown: u32,
}

/// One component of a heterogeneous job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its number, from 0.
    pub id: u32,
    /// Where it is in its life.
    pub status: Status,
    /// The batch system's id, `123+0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_id: Option<String>,
    /// The batch system's own last word for its state.
    pub slurm_state: String,
    /// Its exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Its nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Its partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Its largest resident memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss_bytes: Option<u64>,
}

/// One member of an array. It runs in the directory `<scratchDir>/<attempt>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its number: `{index}` in `launch`, `$env(NAMDRUNNER_INDEX)` in the configuration.
    pub id: u32,
    /// Where it is in its life.
    pub status: Status,
    /// The batch system's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_id: Option<String>,
    /// The batch system's own last word for its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_state: Option<String>,
    /// Why it waits, if that is not the array's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<WaitReason>,
    /// The exit code of its script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When it started (last).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Its nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
    /// Its largest resident memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss_bytes: Option<u64>,
    /// How often it was started again, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// Since when neither the queue nor anything else tells of it, while it should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed_since: Option<Time>,
    /// When cancelling it alone was asked for, while that is not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Time>,
    /// Why it failed or who cancelled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Why a job failed, or who cancelled it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// A word to switch on.
    pub code: CauseCode,
    /// The same for a person, with the figures.
    pub text: String,
}

/// Why a job failed. Readers show words they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CauseCode {
    /// The script ended with a non-zero exit code.
    ExitCode,
    /// The batch system said it went well; the job's own end marker says otherwise.
    MarkerDisagrees,
    /// The batch system said it went well; NAMD's log holds a fatal error.
    LogDisagrees,
    /// The wall-clock limit was reached.
    TimeLimit,
    /// It ran out of memory.
    OutOfMemory,
    /// A node failed.
    NodeFail,
    /// Its nodes could not be booted.
    BootFail,
    /// Its deadline passed.
    Deadline,
    /// It was preempted and not put back.
    Preempted,
    /// It was revoked in favour of a sibling cluster.
    Revoked,
    /// Its processes are gone without a trace of their end.
    Vanished,
    /// Somebody cancelled it.
    Cancelled,
}

/// What went wrong with what was asked, kept with the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorInfo {
    /// The error's kind, as in `data.kind` of an error answer.
    pub kind: String,
    /// What happened and why.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When.
    pub at: Time,
}

/// Where a job's results are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// How far their collection is.
    pub state: ResultsState,
    /// Files collected so far.
    pub files: u64,
    /// Bytes collected so far.
    pub bytes: u64,
    /// Why it pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far the collection of results is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResultsState {
    /// Nothing has been collected: they are in the scratch directory, if anywhere.
    None,
    /// They are being copied.
    Copying,
    /// They are in the project directory.
    Copied,
    /// Copying goes no further until something is done.
    Paused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_have_the_documented_words() {
        for word in [
            "uploading",
            "staged",
            "waitingForLogin",
            "waitingForRoom",
            "submitting",
            "unconfirmed",
            "queued",
            "held",
            "starting",
            "running",
            "suspended",
            "finishing",
            "settled",
        ] {
            let phase = Phase::parse(word).unwrap();
            assert_eq!(serde_json::to_value(phase).unwrap(), word);
        }
        assert_eq!(Phase::parse("dancing"), None);
    }
}
